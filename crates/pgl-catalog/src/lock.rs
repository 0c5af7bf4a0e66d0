//! The advisory locks of a migration: who holds them.

use pgl_conn::{Error, Session};
use pgl_core::migration::lock_key;
use pgl_core::status::facts::RunHolder;

use crate::rows;

/// First key of the lock that a writing run holds exclusively: "pgl" in ASCII.
pub const RUN: i32 = 0x0070_676c;
/// First key of the lock that all its other sessions share.
pub const SESSIONS: i32 = 0x0070_676d;

/// The sessions that hold the lock of a run on this migration in this database, this one excepted.
///
/// # Errors
/// The server's.
pub fn lock_holders(session: &mut Session, migration: &str) -> Result<Vec<RunHolder>, Error> {
    let side = session.side().as_str();
    let key = i64::from(lock_key(migration).cast_unsigned());
    rows(
        session,
        sql!("lock_holders"),
        &[&i64::from(RUN), &key, &side],
    )
}
