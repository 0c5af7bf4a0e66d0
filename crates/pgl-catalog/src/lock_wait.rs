//! `deadlock_timeout`, after which the server looks why a session waits for a lock: only then it cancels an autovacuum
//! that holds the lock.

use std::time::Duration;

use pgl_conn::{Error, Session};
use pgl_core::lock_wait::DEADLOCK_TIMEOUT_MS;

/// The session's `deadlock_timeout`.
///
/// # Errors
/// The server's.
pub fn deadlock_timeout(session: &mut Session) -> Result<Duration, Error> {
    let millis: i64 = session.value(sql!("deadlock_timeout"), &[], "deadlock_timeout")?;
    Ok(Duration::from_millis(millis.unsigned_abs()))
}

/// Lowers `deadlock_timeout` of the session where the role may set it. Says whether it could. Not within a
/// transaction, which would be aborted where the role may not.
///
/// # Errors
/// The server's.
pub fn lower_deadlock_timeout(session: &mut Session) -> Result<bool, Error> {
    match session.batch(&format!("SET deadlock_timeout = {DEADLOCK_TIMEOUT_MS}")) {
        Ok(()) => Ok(true),
        Err(error) if error.is_sqlstate("42501") => Ok(false),
        Err(error) => Err(error),
    }
}
