//! A replication origin for rows that are written on the target: reverse replication sends only what has
//! none, and would write these rows over newer ones of the source.

use std::time::{Duration, Instant};

use pgl_catalog::server::{grantee, lacking};
use pgl_conn::{Error as ConnError, Kind, Session};
use pgl_core::Side;
use pgl_core::cutover::Refusal;
use pgl_core::rights::MARK_ROWS;

use crate::cutover::{forget_origin, mark_origin};
use crate::{Error, Watch};

/// How long the session of a run that was killed may go on to hold the origin.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(250);

/// Whether the session's writes have an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marked {
    /// They have.
    Yes,
    /// They have not, and no slot of this database could send them back.
    NotNeeded,
}

/// Gives what `target` writes from now on an origin, where anything could send it back. Not inside a
/// transaction.
///
/// # Errors
/// The server's; a refusal where the role may not set an origin and a slot of the target's database
/// could send the rows back.
pub fn mark(target: &mut Session, subscription: &str, watch: &dyn Watch) -> Result<Marked, Error> {
    let started = Instant::now();
    loop {
        let error = match mark_origin(target, subscription) {
            Ok(()) => return Ok(Marked::Yes),
            Err(error) => error,
        };
        if watch.stop() {
            return Err(Error::Interrupted);
        }
        // object_in_use: by the session of a run that was killed.
        if error.is_sqlstate("55006") && started.elapsed() < PATIENCE {
            std::thread::sleep(PAUSE);
            continue;
        }
        // No right to, or no free entry in the server's table of origins.
        if error.kind != Kind::Denied && !error.is_sqlstate("53400") {
            return Err(error
                .with_context("setting a replication origin for the copied rows")
                .into());
        }
        return without(target, &error);
    }
}

fn without(target: &mut Session, why: &ConnError) -> Result<Marked, Error> {
    let sent_back: bool = target.value(
        include_str!("../../sql/control/is_decoded.sql"),
        &[],
        "whether a slot decodes what is written on the target",
    )?;
    if !sent_back {
        return Ok(Marked::NotNeeded);
    }
    Err(Error::refused(
        Side::Target,
        format!(
            "the copied rows need a replication origin, or reverse replication would write them over the source's ({})",
            why.message
        ),
        format!(
            "{}; or drop the slot of the reverse replication",
            MARK_ROWS.hint(Side::Target, &grantee(target)?)
        ),
    ))
}

/// What keeps the role from giving rows an origin where they need one: where `reverse` replication is asked for, or a
/// slot decodes what is written on the target.
///
/// # Errors
/// The server's.
pub fn missing_right(target: &mut Session, reverse: bool) -> Result<Option<Refusal>, ConnError> {
    let needed = !lacking(target, &[MARK_ROWS])?.is_empty()
        && (reverse
            || target.value::<bool>(
                include_str!("../../sql/control/is_decoded.sql"),
                &[],
                "whether a slot decodes what is written on the target",
            )?);
    if !needed {
        return Ok(None);
    }
    Ok(Some(MARK_ROWS.refusal(Side::Target, &grantee(target)?)))
}

/// Removes the origin again. Not inside a transaction.
///
/// # Errors
/// The server's.
pub fn unmark(target: &mut Session, subscription: &str, marked: Marked) -> Result<(), ConnError> {
    match marked {
        Marked::Yes => forget_origin(target, subscription),
        Marked::NotNeeded => Ok(()),
    }
}
