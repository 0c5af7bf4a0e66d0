//! The cutover's rows in the journals of both databases.
//!
//! On the database that clients leave, one row with the attempt. On the promoted one, one row with the token of
//! the attempt that promoted it, written by the commit that did.

use pgl_conn::{Error, Kind, Session};
use pgl_core::cutover::{Attempt, STEP, State};
use pgl_core::quote_literal;

use crate::journal;

const PROMOTED: &str = "promoted";

fn read(session: &mut Session, migration: &str, object: &str) -> Result<Option<String>, Error> {
    if !journal::exists(session)? {
        return Ok(None);
    }
    session.value_opt(
        "SELECT detail::text FROM pgl.journal WHERE migration = $1 AND step = $2 AND object = $3",
        &[&migration, &STEP, &object],
        "how far an attempt at the cutover has come",
    )
}

/// The statements that replace a row.
pub(super) fn statement(migration: &str, object: &str, state: &str, detail: &str) -> String {
    let [migration, step, object, state, detail] =
        [migration, STEP, object, state, detail].map(quote_literal);
    format!(
        "DELETE FROM pgl.journal WHERE migration = {migration} AND step = {step} AND object = {object};\n\
         INSERT INTO pgl.journal (migration, step, object, state, detail) VALUES ({migration}, {step}, {object}, {state}, {detail});\n"
    )
}

pub(super) fn forget(migration: &str, object: &str) -> String {
    format!(
        "DELETE FROM pgl.journal WHERE migration = {} AND step = {} AND object = {};\n",
        quote_literal(migration),
        quote_literal(STEP),
        quote_literal(object)
    )
}

pub(super) fn parse<T: serde::de::DeserializeOwned>(
    session: &Session,
    text: &str,
) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| {
        Error::new(
            session.side(),
            Kind::Protocol,
            format!("the cutover's row in pgl.journal cannot be read: {error}"),
        )
        .with_hint("another version of these tools wrote it; finish with that one")
    })
}

/// The last attempt that has this database as its old home.
///
/// # Errors
/// The server's.
pub fn attempt(session: &mut Session, migration: &str) -> Result<Option<Attempt>, Error> {
    match read(session, migration, "")? {
        Some(text) => parse(session, &text).map(Some),
        None => Ok(None),
    }
}

/// The statements that note where an attempt is.
pub fn begin(migration: &str, attempt: &Attempt) -> String {
    let detail = serde_json::json!(attempt).to_string();
    statement(migration, "", attempt.state.as_str(), &detail)
}

/// Notes where an attempt is.
///
/// # Errors
/// The server's.
pub fn write(session: &mut Session, migration: &str, attempt: &Attempt) -> Result<(), Error> {
    session.batch(&begin(migration, attempt))
}

/// The token of the attempt that promoted this database last.
///
/// # Errors
/// The server's.
pub fn promoted_by(session: &mut Session, migration: &str) -> Result<Option<String>, Error> {
    let record = pgl_catalog::cutover_record(session, migration)?;
    Ok(record.promotion.map(|promotion| promotion.token))
}

/// The statements that record the promotion of a database. An attempt to leave it, which it may have made
/// before, is undone by that.
pub fn promoted_sql(migration: &str, attempt: &Attempt, left: Option<&Attempt>) -> String {
    let detail =
        serde_json::json!({"token": attempt.token, "reverse": attempt.reverse}).to_string();
    let mut sql = statement(migration, PROMOTED, PROMOTED, &detail);
    if let Some(left) = left {
        let mut left = left.clone();
        left.state = State::RolledBack;
        sql.push_str(&begin(migration, &left));
    }
    sql
}

pub(super) fn read_object(
    session: &mut Session,
    migration: &str,
    object: &str,
) -> Result<Option<String>, Error> {
    read(session, migration, object)
}
