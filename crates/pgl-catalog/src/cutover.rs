//! What a database's journal records about cutovers: for every tool, also those that only read.

use pgl_conn::{Error, Session};
use pgl_core::cutover::CutoverRecord;

use crate::row;

/// What this database records about cutovers of a migration. A database without a journal has no record.
///
/// # Errors
/// The server's, also when the role may not read the journal; [`pgl_conn::Kind::Protocol`] when another version
/// of these tools wrote it.
pub fn cutover_record(session: &mut Session, migration: &str) -> Result<CutoverRecord, Error> {
    let found: bool = session.value(
        include_str!("../sql/journal_exists.sql"),
        &[],
        "whether there is a journal",
    )?;
    if !found {
        return Ok(CutoverRecord::default());
    }
    row(
        session,
        include_str!("../sql/cutover_record.sql"),
        &[&migration],
    )
    .map_err(|error| error.with_context("reading what the journal records about cutovers"))
}
