//! What is read of the journal in schema `pgl`.

use pgl_conn::{Error, Kind, Session};
use pgl_core::journal::{Each, Key};
use serde::de::DeserializeOwned;

use crate::{column, pgl_schema};

/// What a row of the journal holds. A database without a journal has none.
///
/// # Errors
/// The server's; a refusal where another role could have written to schema `pgl`; [`Kind::Protocol`] for a row that
/// another version of these tools wrote in another form.
pub fn read<T: DeserializeOwned>(
    session: &mut Session,
    migration: &str,
    key: &Key<T>,
) -> Result<Option<T>, Error> {
    match pgl_schema::usable(session)? {
        true => read_usable(session, migration, key),
        false => Ok(None),
    }
}

/// The same in a database whose journal can be used.
pub(crate) fn read_usable<T: DeserializeOwned>(
    session: &mut Session,
    migration: &str,
    key: &Key<T>,
) -> Result<Option<T>, Error> {
    let sql = sql!("journal_one");
    let found = column(session, sql, &[&migration, &key.step, &&*key.object]);
    Ok(found
        .map_err(|error| explain(error, key.step, &key.object))?
        .pop())
}

/// The names of the migrations that the journal has rows of.
///
/// # Errors
/// As [`read`].
pub fn migrations(session: &mut Session) -> Result<Vec<String>, Error> {
    match pgl_schema::usable(session)? {
        true => column(session, sql!("teardown/journal"), &[]),
        false => Ok(Vec::new()),
    }
}

/// What the journal holds about each object of a step, oldest first.
///
/// # Errors
/// As [`read`].
pub fn all<T: DeserializeOwned>(
    session: &mut Session,
    migration: &str,
    each: &Each<T>,
) -> Result<Vec<T>, Error> {
    if !pgl_schema::usable(session)? {
        return Ok(Vec::new());
    }
    let found = column(session, sql!("journal_each"), &[&migration, &each.step]);
    found.map_err(|error| explain(error, each.step, "each"))
}

fn explain(error: Error, step: &str, object: &str) -> Error {
    let protocol = error.kind == Kind::Protocol;
    let error = error.with_context(format!(
        "reading pgl.journal (step {step}, object {object:?})"
    ));
    match protocol {
        true => error.with_hint("another version of these tools wrote it: use that one"),
        false => error,
    }
}

/// When a row was written, by the server's clock.
///
/// # Errors
/// The server's.
pub fn written_at<T>(
    session: &mut Session,
    migration: &str,
    key: &Key<T>,
) -> Result<Option<String>, Error> {
    session.value_opt(
        "SELECT at::text FROM pgl.journal WHERE migration = $1 AND step = $2 AND object = $3",
        &[&migration, &key.step, &&*key.object],
        "when a row of the journal was written",
    )
}
