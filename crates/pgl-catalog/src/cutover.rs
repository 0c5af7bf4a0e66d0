//! What a database's journal records about cutovers: for every tool, also those that only read.

use pgl_conn::{Error, Session};
use pgl_core::cutover::CutoverRecord;
use pgl_core::facts::MigrationRecord;
use serde::Deserialize;

use crate::{pgl_schema, row, rows};

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

/// What this database records about a migration.
///
/// # Errors
/// As [`cutover_record`].
pub fn migration_record(session: &mut Session, migration: &str) -> Result<MigrationRecord, Error> {
    if !pgl_schema::usable(session)? {
        return Ok(MigrationRecord::default());
    }
    let cutover = cutover_record(session, migration)?;
    let begun = session.value(
        include_str!("../sql/setup_begun.sql"),
        &[&migration],
        "whether the migration has begun",
    )?;
    Ok(MigrationRecord { begun, cutover })
}

/// Migrations that this database's journal knows, by name.
///
/// # Errors
/// The server's, also when the role may not read the journal.
pub fn journal_names(session: &mut Session) -> Result<Vec<String>, Error> {
    if !pgl_schema::usable(session)? {
        return Ok(Vec::new());
    }
    let found: Vec<Named> = rows(session, include_str!("../sql/teardown/journal.sql"), &[])
        .map_err(|error| error.with_context("reading the names of migrations in the journal"))?;
    Ok(found.into_iter().map(|one| one.name).collect())
}

#[derive(Deserialize)]
struct Named {
    name: String,
}
