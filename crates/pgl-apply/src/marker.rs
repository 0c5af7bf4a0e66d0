//! The marker: a row that is written on the source, and arrives on the target behind everything that was committed before it.

use std::time::{Duration, Instant};

use pgl_conn::{Error as ConnError, Session};
use pgl_core::Side;

use crate::{Error, Watch};

/// Writes marker `name` with a token that was never used before; gives the token back.
///
/// # Errors
/// The server's.
pub fn write(source: &mut Session, name: &str) -> Result<String, ConnError> {
    pgl_catalog::pgl_schema::require(source)?;
    update(source, name)
}

fn update(source: &mut Session, name: &str) -> Result<String, ConnError> {
    source.value(
        include_str!("../sql/marker_write.sql"),
        &[&name],
        "the marker's token",
    )
}

/// The same for a target that may have lost the marker's row, or never got it, as while its subscription was without the
/// replication set: an UPDATE of the source's row would not be applied there.
///
/// # Errors
/// The servers'.
pub fn write_to(
    source: &mut Session,
    target: &mut Session,
    name: &str,
) -> Result<String, ConnError> {
    pgl_catalog::pgl_schema::require(source)?;
    let known: bool = target.value(
        "SELECT EXISTS (SELECT FROM pgl.marker WHERE name = $1)",
        &[&name],
        "whether the marker has a row",
    )?;
    if !known {
        source.execute("DELETE FROM pgl.marker WHERE name = $1", &[&name])?;
    }
    update(source, name)
}

/// Whether the target shows this token.
///
/// # Errors
/// The server's.
pub fn arrived(target: &mut Session, name: &str, token: &str) -> Result<bool, ConnError> {
    target.value(
        "SELECT EXISTS (SELECT FROM pgl.marker WHERE name = $1 AND token = $2)",
        &[&name, &token],
        "whether the marker has arrived",
    )
}

/// Writes a marker and waits until it has arrived.
///
/// # Errors
/// [`Error::NotYet`] when it does not arrive in time.
pub fn write_and_wait(
    source: &mut Session,
    target: &mut Session,
    name: &str,
    limit: Duration,
    watch: &dyn Watch,
) -> Result<(), Error> {
    let token = write_to(source, target, name)?;
    let started = Instant::now();
    while !arrived(target, name, &token)? {
        if watch.stop() {
            return Err(Error::Interrupted);
        }
        if started.elapsed() > limit {
            return Err(Error::NotYet {
                side: Side::Target,
                what: format!(
                    "a marker written on the source has not arrived after {} s",
                    limit.as_secs()
                ),
                hint: "pgl-status shows how far the target is behind, and why".to_owned(),
            });
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
