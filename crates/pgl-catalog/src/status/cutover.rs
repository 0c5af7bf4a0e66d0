//! After the cutover: what the journals record, and replication back to the former source.

use std::time::Instant;

use pgl_conn::{Error, Kind, Session};
use pgl_core::cutover::CutoverRecord;
use pgl_core::status::facts::Reverse;

use super::now::source_now;
use super::shown;
use crate::pgl_schema::pglogical;
use crate::{column, cutover_record};

/// What this database's journal records about cutovers; none where it may not be read.
///
/// # Errors
/// The server's.
pub fn cutover(session: &mut Session, migration: &str) -> Result<Option<CutoverRecord>, Error> {
    pglogical(session)?;
    match cutover_record(session, migration) {
        Ok(record) => Ok(Some(record)),
        Err(error) if matches!(error.kind, Kind::Denied | Kind::Refused) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The subscription of this name on the former source, with its state; none where there is none.
///
/// # Errors
/// The server's.
pub fn reverse(source: &mut Session, subscription: &str) -> Result<Option<Reverse>, Error> {
    pglogical(source)?;
    let sql = sql!("status/reverse");
    let slot: Option<String> = match column(source, sql, &[&subscription]) {
        Ok(mut found) => found.pop(),
        // No pglogical any more, or not for this role.
        Err(error) if error.kind == Kind::Denied || error.is_sqlstate("42P01") => None,
        Err(error) => return Err(error),
    };
    let Some(slot) = slot else {
        return Ok(None);
    };
    Ok(Some(Reverse {
        subscription: subscription.to_owned(),
        state: shown(source, subscription)?,
        slot,
        lag_bytes: None,
    }))
}

/// How far the former source is behind the target, in bytes of the target's WAL.
///
/// # Errors
/// The server's.
pub fn reverse_lag(target: &mut Session, slot: &str) -> Result<Option<u64>, Error> {
    let now = source_now(target, "", Some(slot), Instant::now())?;
    let confirmed = now.slot.and_then(|slot| slot.confirmed_flush_lsn);
    Ok(now
        .wal_lsn
        .zip(confirmed)
        .map(|(wal, confirmed)| wal.bytes_since(confirmed)))
}
