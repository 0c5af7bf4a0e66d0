//! The write block: sessions ended, tables locked, and the marker that travels behind the last write.

use std::time::{Duration, Instant};

use pgl_conn::{Error as ConnError, Kind, Session};
use pgl_core::QualifiedName;
use pgl_core::cutover::lock_sql;

use super::Home;
use crate::{Error, Watch, marker as own_marker};

/// Between two looks at whether the marker has arrived.
const LOOK: Duration = Duration::from_millis(1);
/// How long one attempt waits for the locks before the sessions are looked at again.
const ATTEMPT_MS: u32 = 400;

/// Ends every session of a client but ours; how many there were.
///
/// # Errors
/// The server's: a role that is no superuser may not end a superuser's session.
pub fn end_sessions(session: &mut Session, ours: &[i32]) -> Result<u64, ConnError> {
    let sql = if session.version().at_least(10) {
        include_str!("../../sql/cutover/end_sessions.sql")
    } else {
        include_str!("../../sql/cutover/end_sessions_pg94.sql")
    };
    session
        .count(sql, &[&ours], "how many were ended")
        .map_err(|error| error.with_context("ending the sessions of clients"))
}

/// Ends what waits for the locks of the session with this process id.
///
/// # Errors
/// The server's.
pub fn end_waiting(session: &mut Session, holder: i32) -> Result<u64, ConnError> {
    session.count(
        include_str!("../../sql/cutover/end_waiting.sql"),
        &[&holder],
        "how many waiting sessions were ended",
    )
}

/// What it took until nobody wrote any more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Locked {
    /// Sessions that were ended.
    pub ended: u64,
    /// Attempts at the locks.
    pub attempts: u32,
}

/// Whether sessions of clients are ended before the locks are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    Yes,
    No,
}

/// Locks all tables in `holder`'s transaction, which stays open: the proof that no writer is left, and
/// the wall for those who override every setting. `helper` ends sessions between attempts; none
/// where writers shall only wait.
///
/// # Errors
/// [`Error::NotYet`] when the locks are not to be had before `deadline`.
pub fn lock_all(
    holder: &mut Session,
    mut helper: Option<(&mut Session, &[i32])>,
    tables: &[QualifiedName],
    deadline: Instant,
    watch: &dyn Watch,
) -> Result<Locked, Error> {
    let side = holder.side();
    let mut locked = Locked::default();
    let ends = if helper.is_some() {
        Ends::Yes
    } else {
        Ends::No
    };
    loop {
        if watch.stop() {
            return Err(Error::Interrupted);
        }
        if let Some((helper, ours)) = &mut helper {
            locked.ended += end_sessions(helper, ours)?;
        }
        locked.attempts += 1;
        holder.batch(&format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = {ATTEMPT_MS}"
        ))?;
        let Some(sql) = lock_sql(tables) else {
            return Ok(locked);
        };
        match holder.batch(&sql) {
            Ok(()) => return Ok(locked),
            Err(error) if error.kind == Kind::LockTimeout || error.is_sqlstate("40P01") => {
                holder.rollback()?;
                if Instant::now() > deadline {
                    return Err(Error::NotYet {
                        side,
                        what: format!(
                            "the tables could not be locked in {} attempts: somebody still writes",
                            locked.attempts
                        ),
                        hint: match ends {
                            Ends::Yes => {
                                "pg_locks shows who holds them: a prepared transaction, or a session that may not be ended"
                            }
                            Ends::No => "--block read-only ends the sessions that hold them",
                        }
                        .to_owned(),
                    });
                }
                // Writers go first for a moment where nobody ends them.
                if ends == Ends::No {
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
            Err(error) => return Err(error.with_context("locking the tables").into()),
        }
    }
}

/// Writes the marker on the old home and waits until the new home shows it: everything that was
/// committed before has been applied and is visible, because one worker commits in order. Gives
/// the old home's position behind the marker.
///
/// # Errors
/// [`Error::NotYet`] at the deadline.
pub fn marker(
    old: &mut Session,
    new: &mut Session,
    name: &str,
    deadline: Instant,
    watch: &dyn Watch,
    mut written: impl FnMut(&mut Session, pgl_core::Lsn) -> Result<(), ConnError>,
) -> Result<pgl_core::Lsn, Error> {
    let side = new.side();
    let token = own_marker::write(old, name)?;
    let position = if old.version().at_least(10) {
        "SELECT pg_catalog.pg_current_wal_insert_lsn()::text"
    } else {
        "SELECT pg_catalog.pg_current_xlog_insert_location()::text"
    };
    let text: String = old.value(position, &[], "the position behind the marker")?;
    let lsn = text.parse().map_err(|_| {
        ConnError::new(
            old.side(),
            Kind::Protocol,
            format!("not a position: {text:?}"),
        )
    })?;
    written(old, lsn)?;
    while !own_marker::arrived(new, name, &token)? {
        if watch.stop() {
            return Err(Error::Interrupted);
        }
        if Instant::now() > deadline {
            return Err(Error::NotYet {
                side,
                what: "what was written last has not arrived in time".to_owned(),
                hint: "pgl-status tells how far replication is behind; a larger --max-pause waits longer"
                    .to_owned(),
            });
        }
        std::thread::sleep(LOOK);
    }
    Ok(lsn)
}

/// Whether the slot of a home is confirmed up to a position.
///
/// # Errors
/// The server's.
pub fn confirmed(old: &mut Session, home: &Home, lsn: pgl_core::Lsn) -> Result<bool, ConnError> {
    let (sql, name) = if old.version().at_least_num(90_600) {
        (include_str!("../../sql/cutover/confirmed.sql"), &home.slot)
    } else {
        let sql = include_str!("../../sql/cutover/confirmed_pg94.sql");
        (sql, &home.subscription)
    };
    let lsn = lsn.to_string();
    old.value(sql, &[name, &lsn], "whether the slot is confirmed")
}
