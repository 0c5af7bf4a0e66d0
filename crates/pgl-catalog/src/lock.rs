//! The advisory locks of a migration: who holds them.

use std::fmt;

use pgl_conn::{Error, Session};
use pgl_core::Side;
use pgl_core::migration::lock_key;
use serde::Deserialize;

use crate::rows;

/// First key of the lock that a writing run holds exclusively: "pgl" in ASCII.
pub const RUN: i32 = 0x0070_676c;
/// First key of the lock that all its other sessions share.
pub const SESSIONS: i32 = 0x0070_676d;

/// A session that holds the lock of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockHolder {
    /// The server.
    pub side: Side,
    /// Its process there.
    pub pid: i32,
    /// The tool, by the session's application_name.
    pub tool: String,
    /// Where it is connected from.
    pub address: String,
    /// Since when, as `2026-11-29T10:12:09Z`; null where the role may not see it.
    pub since: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    pid: i32,
    tool: String,
    address: String,
    since: Option<String>,
}

/// The sessions that hold the lock of a run on this migration in this database, this one excepted.
///
/// # Errors
/// The server's.
pub fn lock_holders(session: &mut Session, migration: &str) -> Result<Vec<LockHolder>, Error> {
    let side = session.side();
    let keys = (
        i64::from(RUN),
        i64::from(lock_key(migration).cast_unsigned()),
    );
    let all: Vec<Row> = rows(
        session,
        include_str!("../sql/lock_holders.sql"),
        &[&keys.0, &keys.1],
    )?;
    let holder = |row: Row| LockHolder {
        side,
        pid: row.pid,
        tool: row.tool,
        address: row.address,
        since: row.since,
    };
    Ok(all.into_iter().map(holder).collect())
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "process {} on the {} ({}, connected from {}",
            self.pid, self.side, self.tool, self.address
        )?;
        match &self.since {
            Some(since) => write!(f, " since {since})"),
            None => f.write_str(")"),
        }
    }
}
