//! Locks on users' tables: every one of them gets past an ordinary autovacuum within bounded time, and gives up
//! at once on what never ends. `pgl_core::lock_wait` decides.

use std::time::Duration;

use pgl_conn::{Error as ConnError, Kind, Session};
use pgl_core::QualifiedName;
use pgl_core::lock_wait::{Holders, LockHolder, LockPatience, NextAttempt, next_attempt};

use crate::Error;

/// How a session waits for locks.
#[derive(Debug, Clone, Copy)]
pub struct LockWait {
    patience: LockPatience,
    attempts: u32,
}

impl LockWait {
    /// Prepares a session whose attempts last `usual`. Not within a transaction.
    ///
    /// # Errors
    /// The server's.
    pub fn prepare(session: &mut Session, usual: Duration) -> Result<Self, ConnError> {
        let lowered = pgl_catalog::lock_wait::lower_deadlock_timeout(session)?;
        let now = pgl_catalog::lock_wait::deadlock_timeout(session)?;
        let millis = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX / 2);
        Ok(Self {
            patience: LockPatience {
                usual_ms: millis(usual).max(1),
                deadlock_timeout_ms: millis(now),
                lowered,
            },
            attempts: 0,
        })
    }

    /// The same for a session that has a `lock_timeout` already, which stays what an attempt usually lasts.
    ///
    /// # Errors
    /// The server's.
    pub fn of(session: &mut Session) -> Result<Self, ConnError> {
        let millis: i64 = session.value(
            "SELECT setting::bigint FROM pg_catalog.pg_settings WHERE name = 'lock_timeout'",
            &[],
            "lock_timeout",
        )?;
        Self::prepare(session, Duration::from_millis(millis.unsigned_abs()))
    }

    /// The `lock_timeout` of a first attempt, in milliseconds.
    pub fn usual_ms(&self) -> u32 {
        self.patience.usual_ms
    }

    /// The `lock_timeout` of the next attempt, after one in which a lock on one of these tables was not granted.
    /// The session must be outside of a transaction.
    ///
    /// # Errors
    /// [`Error::Refused`] where a further attempt makes no sense, with who holds the lock; the server's.
    pub fn next(
        &mut self,
        session: &mut Session,
        tables: &[QualifiedName],
        holders: Holders,
    ) -> Result<u32, Error> {
        self.attempts += 1;
        let side = session.side();
        let found = lock_holders(session, tables)?;
        match next_attempt(side, &found, holders, self.attempts, self.patience) {
            NextAttempt::Wait(millis) => Ok(millis),
            NextAttempt::GiveUp(what, hint) => Err(Error::refused(side, what, hint)),
        }
    }

    /// The same, set as the session's `lock_timeout`.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub fn set_next(
        &mut self,
        session: &mut Session,
        tables: &[QualifiedName],
        holders: Holders,
    ) -> Result<(), Error> {
        let millis = self.next(session, tables, holders)?;
        Ok(session.batch(&format!("SET lock_timeout = {millis}"))?)
    }
}

/// Whether a lock was not granted in time, or would have been a deadlock: trying again makes sense.
pub fn is_busy(error: &ConnError) -> bool {
    error.kind == Kind::LockTimeout || error.is_sqlstate("40P01")
}

/// Who keeps the tables from being locked.
///
/// # Errors
/// The server's.
pub fn lock_holders(
    session: &mut Session,
    tables: &[QualifiedName],
) -> Result<Vec<LockHolder>, ConnError> {
    let (schemas, names) = QualifiedName::split(tables);
    pgl_catalog::rows(
        session,
        include_str!("../sql/lock_holders.sql"),
        &[&schemas, &names],
    )
}
