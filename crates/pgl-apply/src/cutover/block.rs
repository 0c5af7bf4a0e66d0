//! The write block: sessions ended, tables and sequences locked, and the marker that is replicated behind the last write.

use std::time::{Duration, Instant};

use pgl_conn::{Error as ConnError, Kind, Session};
use pgl_core::QualifiedName;
use pgl_core::cutover::{SequenceLock, lock_sql};
use pgl_core::lock_wait::Holders;

use super::SubscriptionSlot;
use crate::control::Observer;
use crate::lock_wait::{LockWait, is_busy, lock_holders};
use crate::{Error, Watch, marker as own_marker};

/// Between two looks at whether the marker has arrived.
const LOOK: Duration = Duration::from_millis(1);
/// How long one attempt waits for the locks before the sessions are looked at again.
pub const LOCK_ATTEMPT: Duration = Duration::from_millis(400);

/// Ends every session of a client but ours, and but those of superusers where the role is none: no lock is granted while one
/// of them has written, and what takes the place of the locks holds for them. How many were ended.
///
/// # Errors
/// The server's.
pub fn end_sessions(session: &mut Session, ours: &[i32]) -> Result<u64, ConnError> {
    let sql = pgl_catalog::sql!(
        session.version(), 100_000 => "cutover/end_sessions_pg94", _ => "cutover/end_sessions"
    );
    session
        .count(sql, &[&ours], "how many were ended")
        .map_err(|error| error.with_context("ending the sessions of clients"))
}

/// The sessions of clients that [`end_sessions`] leaves, for people.
///
/// # Errors
/// The server's.
pub fn not_ended(session: &mut Session) -> Result<Vec<String>, ConnError> {
    left_open(session, false)
}

/// Those of them that have written in a transaction which is still open: its commit would come after everything that is
/// read under the locks.
///
/// # Errors
/// The server's.
pub fn open_writers(session: &mut Session) -> Result<Vec<String>, ConnError> {
    left_open(session, true)
}

fn left_open(session: &mut Session, writers: bool) -> Result<Vec<String>, ConnError> {
    session.values(
        include_str!("../../sql/cutover/not_ended.sql"),
        &[&writers],
        "the sessions of superusers",
    )
}

/// Whether what waits for a lock can write when it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// Write-block triggers that fire for everybody take its place: a superuser's session may stay where the role may not end it.
    Triggers,
    /// Nothing does: all must be ended.
    Nothing,
}

/// Ends what waits for the locks of the session with this process id.
///
/// # Errors
/// The server's.
pub fn end_waiting(session: &mut Session, holder: i32, behind: Behind) -> Result<u64, ConnError> {
    session.count(
        include_str!("../../sql/cutover/end_waiting.sql"),
        &[&holder, &(behind == Behind::Triggers)],
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

/// Ends every session of a client that began before now, and waits until they are gone: a session that has ended has
/// reported what it changed to the statistics.
///
/// # Errors
/// [`Error::NotYet`] when one is still there at `deadline`: a role that is no superuser may not end a superuser's.
pub fn end_sessions_and_wait(
    session: &mut Session,
    ours: &[i32],
    deadline: Instant,
    watch: &dyn Watch,
) -> Result<u64, Error> {
    let now: String = session.value("SELECT clock_timestamp()::text", &[], "the server's time")?;
    let ended = end_sessions(session, ours)?;
    loop {
        let left: Vec<i32> = session.values(
            include_str!("../../sql/cutover/sessions_since_before.sql"),
            &[&ours, &now],
            "which sessions of clients are still there",
        )?;
        let Some(pid) = left.first() else {
            return Ok(ended);
        };
        if watch.stop() {
            return Err(Error::Interrupted);
        }
        if Instant::now() > deadline {
            return Err(Error::NotYet {
                side: session.side(),
                what: format!("the session with pid {pid} does not end"),
                hint: format!("SELECT pg_terminate_backend({pid}) as a superuser"),
            });
        }
        std::thread::sleep(LOOK);
    }
}

/// Locks all tables and sequences in `holder`'s transaction, which stays open: granted, nobody writes any more, and
/// nobody can, who overrides every setting either. `helper` ends sessions between attempts where `holders` says so.
/// `sequences` are the statements of [`sequence_locks`].
///
/// # Errors
/// [`Error::NotYet`] when the locks are not to be had before `deadline`; [`Error::Refused`] at once where they
/// never will be.
#[expect(
    clippy::too_many_arguments,
    reason = "two sessions, two lists, and how long"
)]
pub fn lock_all(
    holder: &mut Session,
    helper: (&mut Session, &[i32]),
    tables: &[QualifiedName],
    sequences: &[String],
    holders: Holders,
    wait: &mut LockWait,
    deadline: Instant,
    watch: &dyn Watch,
) -> Result<Locked, Error> {
    let side = holder.side();
    let (helper, ours) = helper;
    let mut locked = Locked::default();
    let mut millis = wait.usual_ms();
    let quiet = crate::quiet_ddl::quiet_sql(holder);
    let lock = lock_sql(tables).unwrap_or_default();
    let script = format!("{lock};\n{}", sequences.join(";\n"));
    loop {
        if watch.stop() {
            return Err(Error::Interrupted);
        }
        if holders == Holders::Ended {
            locked.ended += end_sessions(helper, ours)?;
        }
        locked.attempts += 1;
        holder.batch(&format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = {millis};\n{quiet}"
        ))?;
        match holder.batch(&script) {
            Ok(()) => return Ok(locked),
            Err(error) if is_busy(&error) => {
                holder.rollback()?;
                if Instant::now() > deadline {
                    let found = lock_holders(holder, tables)?;
                    let who = match found.first() {
                        Some(one) => one.said(side),
                        None => "the session that holds a lock has just ended".to_owned(),
                    };
                    return Err(Error::NotYet {
                        side,
                        what: format!(
                            "the tables could not be locked in {} attempts: {who}",
                            locked.attempts
                        ),
                        hint: "end it, or stop the application that writes, and run this again"
                            .to_owned(),
                    });
                }
                millis = wait.next(holder, tables, holders)?;
                // Writers go first for a moment where nobody ends them.
                if holders != Holders::Ended {
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
            Err(error) => {
                return Err(error.with_context("locking tables and sequences").into());
            }
        }
    }
}

/// How the sequences are locked against `nextval`, for a session that writes although the database is read-only: their
/// owner stays the same.
///
/// # Errors
/// The server's.
pub fn sequence_locks(
    session: &mut Session,
    sequences: &[QualifiedName],
) -> Result<Vec<SequenceLock>, ConnError> {
    let (schemas, names) = QualifiedName::split(sequences);
    pgl_catalog::rows(
        session,
        include_str!("../../sql/cutover/sequence_locks.sql"),
        &[&schemas, &names],
    )
}

/// Writes the marker on the provider and waits until the subscriber shows it: everything that was
/// committed before has been applied and is visible, because one worker commits in order. Gives
/// the provider's position behind the marker.
///
/// # Errors
/// [`Error::NotYet`] at the deadline; a refusal with the cause where `observer` sees that replication has stopped for good.
pub fn marker(
    old: &mut Session,
    new: &mut Session,
    name: &str,
    mut observer: Option<Observer<'_>>,
    deadline: Instant,
    watch: &dyn Watch,
    mut written: impl FnMut(&mut Session, pgl_core::Lsn) -> Result<(), ConnError>,
) -> Result<pgl_core::Lsn, Error> {
    let side = new.side();
    let token = own_marker::write_to(old, new, name)?;
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
                hint: "pgl-status shows how far replication is behind; a larger --max-pause waits longer"
                    .to_owned(),
            });
        }
        if let Some(observer) = &mut observer {
            observer.look(old, new)?;
        }
        std::thread::sleep(LOOK);
    }
    Ok(lsn)
}

/// Whether the slot of a link is confirmed up to a position.
///
/// # Errors
/// The server's.
pub fn confirmed(
    old: &mut Session,
    link: &SubscriptionSlot,
    lsn: pgl_core::Lsn,
) -> Result<bool, ConnError> {
    let sql = pgl_catalog::sql!(old.version(), 90_600 => "cutover/confirmed_pg94", _ => "cutover/confirmed");
    let name = match old.version().at_least_num(90_600) {
        true => &link.slot,
        false => &link.subscription,
    };
    let lsn = lsn.to_string();
    old.value(sql, &[name, &lsn], "whether the slot is confirmed")
}
