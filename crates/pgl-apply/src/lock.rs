//! Advisory locks: one for the operator, one for the copy's workers.
//!
//! The server gives them back when the session ends, however it ends.

use pgl_conn::{Error as ConnError, Session};

use crate::Error;

/// First key of every lock of this suite: "pgl" in ASCII.
const CLASS: i32 = 0x0070_676c;
/// First key of the lock that the copy's workers share.
const COPY_CLASS: i32 = 0x0070_676d;

/// Takes the lock of a migration on this session's server.
///
/// # Errors
/// [`Error::Refused`] when another run holds it.
pub fn take(session: &mut Session, migration: &str) -> Result<(), Error> {
    let side = session.side();
    let got: bool = session.value(
        "SELECT pg_try_advisory_lock($1, $2)",
        &[&CLASS, &key(migration)],
        "whether the migration is locked",
    )?;
    if got {
        return Ok(());
    }
    let who: Option<String> = session.value_opt(
        "SELECT format('process %s, %s from %s, since %s', a.pid, a.application_name,
                       COALESCE(host(a.client_addr), 'a socket'), a.backend_start)
           FROM pg_locks l JOIN pg_stat_activity a USING (pid)
          WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
            AND l.classid::bigint = $1::bigint AND l.objid::bigint = $2::bigint
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        &[&i64::from(CLASS), &i64::from(key(migration) as u32)],
        "who holds the migration's lock",
    )?;
    Err(Error::refused(
        side,
        format!(
            "another run works on migration {migration:?}: {}",
            who.as_deref().unwrap_or("it has just ended")
        ),
        "wait for it to end, or end it, and run this again",
    ))
}

/// Lets a worker's session share the copy's lock until it ends.
///
/// # Errors
/// The server's.
pub fn share_copy(session: &mut Session, migration: &str) -> Result<(), ConnError> {
    session
        .query(
            "SELECT pg_advisory_lock_shared($1, $2)",
            &[&COPY_CLASS, &key(migration)],
        )
        .map(drop)
}

/// Waits until no worker of an earlier run is left: what it had already sent could still be
/// committed.
///
/// # Errors
/// The server's; a lock timeout when a worker does not end within half a minute.
pub fn no_copy_left(session: &mut Session, migration: &str) -> Result<(), ConnError> {
    session.batch("SET lock_timeout = '30s'")?;
    session
        .query(
            "SELECT pg_advisory_lock($1, $2), pg_advisory_unlock($1, $2)",
            &[&COPY_CLASS, &key(migration)],
        )
        .map_err(|error| error.with_context("waiting for workers of an earlier run to end"))?;
    session.batch("SET lock_timeout = 0")
}

/// Second key: FNV-1a over the migration's name.
fn key(migration: &str) -> i32 {
    migration
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        })
        .cast_signed()
}
