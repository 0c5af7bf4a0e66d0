//! This tool's rows in the target's journal.

use pgl_conn::{Error, Session};
use pgl_core::control::STEP;
use serde_json::Value;

use crate::journal;
pub use crate::journal::Note;

/// All rows of a migration.
///
/// # Errors
/// The server's. A database without a journal has none.
pub fn all(target: &mut Session, migration: &str) -> Result<Vec<Note>, Error> {
    journal::notes(target, migration, STEP)
}

/// The row about one object.
///
/// # Errors
/// The server's.
pub fn note(target: &mut Session, migration: &str, object: &str) -> Result<Option<Note>, Error> {
    journal::note(target, migration, STEP, object)
}

/// The statements that write one.
pub fn statement(migration: &str, object: &str, state: &str, detail: &Value) -> String {
    journal::statement(migration, STEP, object, state, detail)
}

/// The statement that removes one.
pub fn forget(migration: &str, object: &str) -> String {
    journal::forget_object(migration, STEP, object)
}
