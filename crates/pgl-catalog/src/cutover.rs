//! What a database's journal records about cutovers: for every tool, also those that only read.

use pgl_conn::{Error, Session};
use pgl_core::cutover::CutoverRecord;

use crate::{pgl_schema, row};

/// What this database records about cutovers of a migration. A database without a journal has no record.
///
/// # Errors
/// The server's, also when the role may not read the journal; a refusal where another role could have written to
/// schema `pgl`; [`pgl_conn::Kind::Protocol`] when another version
/// of these tools wrote it.
pub fn cutover_record(session: &mut Session, migration: &str) -> Result<CutoverRecord, Error> {
    if !pgl_schema::usable(session)? {
        return Ok(CutoverRecord::default());
    }
    row(
        session,
        include_str!("../sql/cutover_record.sql"),
        &[&migration],
    )
    .map_err(|error| error.with_context("reading what the journal records about cutovers"))
}
