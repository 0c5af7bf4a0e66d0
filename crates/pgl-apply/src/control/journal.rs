//! This tool's rows in the target's journal.

use pgl_conn::{Error, Session};
use pgl_core::control::STEP;
use pgl_core::quote_literal;
use serde_json::Value;

use crate::journal;

/// A row.
pub type Noted = journal::Note;

/// All rows of a migration.
///
/// # Errors
/// The server's. A database without a journal has none.
pub fn all(target: &mut Session, migration: &str) -> Result<Vec<Noted>, Error> {
    if !journal::exists(target)? {
        return Ok(Vec::new());
    }
    pgl_catalog::rows(
        target,
        include_str!("../../sql/journal_read.sql"),
        &[&migration, &STEP],
    )
}

/// The row about one object.
///
/// # Errors
/// The server's.
pub fn note(target: &mut Session, migration: &str, object: &str) -> Result<Option<Noted>, Error> {
    let notes = all(target, migration)?;
    Ok(notes.into_iter().find(|note| note.object == object))
}

/// The statements that write one.
pub fn statement(migration: &str, object: &str, state: &str, detail: &Value) -> String {
    journal::record(migration, STEP, object, state, detail)
}

/// The statement that removes one.
pub fn forget(migration: &str, object: &str) -> String {
    format!(
        "DELETE FROM pgl.journal WHERE migration = {} AND step = {} AND object = {};\n",
        quote_literal(migration),
        quote_literal(STEP),
        quote_literal(object)
    )
}
