//! The cutover's rows in the journals of both databases.
//!
//! On the database that clients leave, one row with the attempt. On the promoted one, one row with the token of
//! the attempt that promoted it, written by the commit that did.

use pgl_conn::{Error, Kind, Session};
use pgl_core::cutover::{Attempt, AttemptState, STEP};
use pgl_core::quote_literal;
use serde_json::Value;

use crate::journal;

const PROMOTED: &str = "promoted";
const INCOMING: &str = "incoming";

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
pub(super) fn statement(migration: &str, object: &str, state: &str, detail: &Value) -> String {
    journal::statement(migration, STEP, object, state, detail)
}

pub(super) fn forget(migration: &str, object: &str) -> String {
    journal::forget_object(migration, STEP, object)
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

/// The last attempt that has this database as its provider.
///
/// # Errors
/// The server's.
pub fn attempt(session: &mut Session, migration: &str) -> Result<Option<Attempt>, Error> {
    match read(session, migration, "")? {
        Some(text) => parse(session, &text).map(Some),
        None => Ok(None),
    }
}

/// The statements that record the begin of an attempt; they fail with [`OVERTAKEN`] below another attempt that is
/// not over.
pub fn start(migration: &str, attempt: &Attempt) -> String {
    let others = format!(
        "{} AND (detail ->> 'token') <> {}",
        recorded(migration, ""),
        quote_literal(&attempt.token)
    );
    format!(
        "{}{}",
        raise_if(true, &format!("{others} AND NOT {}", is_in(&OVER))),
        row(migration, attempt)
    )
}

/// The statements that record where an attempt is; they fail with [`OVERTAKEN`] when the database does not record
/// this attempt any more, or has it as over.
pub fn advance(migration: &str, attempt: &Attempt) -> String {
    let guard = must_be(migration, "", &attempt.token, &OVER);
    format!("{guard}{}", row(migration, attempt))
}

/// The statements that record that an attempt was rolled back. Not once it has promoted the other database, nor where
/// another run has rolled it back. `by` is kept with it, see [`rolled_back_by`].
pub fn undo(migration: &str, attempt: &Attempt, by: &str) -> String {
    let over = [
        AttemptState::Promoted,
        AttemptState::Done,
        AttemptState::Restored,
        AttemptState::RolledBack,
    ];
    let guard = must_be(migration, "", &attempt.token, &over);
    let mut over = attempt.clone();
    over.state = AttemptState::Restored;
    let mut detail = serde_json::json!(over);
    detail[BY] = by.into();
    let row = statement(migration, "", over.state.as_str(), &detail);
    format!("{guard}{row}")
}

const BY: &str = "rolled_back_by";

/// Who has rolled back the last attempt to leave this database: a commit whose answer was lost may have been made.
///
/// # Errors
/// The server's.
pub fn rolled_back_by(session: &mut Session, migration: &str) -> Result<Option<String>, Error> {
    let Some(text) = read(session, migration, "")? else {
        return Ok(None);
    };
    let detail: Value = parse(session, &text)?;
    Ok(detail[BY].as_str().map(str::to_owned))
}

/// The statements that record what is done after the promotion.
pub fn conclude(migration: &str, attempt: &Attempt) -> String {
    format!("{}{}", made(migration, attempt), row(migration, attempt))
}

fn made(migration: &str, attempt: &Attempt) -> String {
    let undone = [AttemptState::Restored, AttemptState::RolledBack];
    must_be(migration, "", &attempt.token, &undone)
}

/// Goes on only where the database records this attempt and not that it was rolled back.
///
/// # Errors
/// [`crate::Error::Overtaken`]; the server's.
pub fn still_made(
    session: &mut Session,
    migration: &str,
    attempt: &Attempt,
) -> Result<(), crate::Error> {
    Ok(session.batch(&made(migration, attempt))?)
}

/// The statements that record, in the database that an attempt is to promote, that it is the one.
pub fn claim(migration: &str, token: &str) -> String {
    let detail = serde_json::json!({"token": token});
    statement(migration, INCOMING, INCOMING, &detail)
}

/// The statement that fails with [`OVERTAKEN`] unless this attempt is the one that may promote this database.
pub fn claimed(migration: &str, token: &str) -> String {
    must_be(migration, INCOMING, token, &[])
}

/// The statements after which no attempt may promote this database. They fail with [`OVERTAKEN`] when another
/// than `known` has come since.
pub fn disclaim(migration: &str, known: Option<&str>) -> String {
    let others = format!(
        "{} AND (detail ->> 'token') IS DISTINCT FROM {}",
        recorded(migration, INCOMING),
        known.map_or_else(|| "NULL".to_owned(), quote_literal)
    );
    format!("{}{}", raise_if(true, &others), forget(migration, INCOMING))
}

/// SQLSTATE of a transaction that finds another attempt than its own.
pub const OVERTAKEN: &str = "PGL01";

/// States in which nobody works on an attempt any more.
const OVER: [AttemptState; 3] = [
    AttemptState::Done,
    AttemptState::Restored,
    AttemptState::RolledBack,
];

fn row(migration: &str, attempt: &Attempt) -> String {
    let detail = serde_json::json!(attempt);
    statement(migration, "", attempt.state.as_str(), &detail)
}

fn must_be(migration: &str, object: &str, token: &str, not_in: &[AttemptState]) -> String {
    let mut condition = format!(
        "{} AND (detail ->> 'token') = {}",
        recorded(migration, object),
        quote_literal(token)
    );
    if !not_in.is_empty() {
        condition.push_str(&format!(" AND NOT {}", is_in(not_in)));
    }
    raise_if(false, &condition)
}

fn recorded(migration: &str, object: &str) -> String {
    format!(
        "migration = {} AND step = {} AND object = {}",
        quote_literal(migration),
        quote_literal(STEP),
        quote_literal(object)
    )
}

fn is_in(states: &[AttemptState]) -> String {
    let list: Vec<String> = states
        .iter()
        .map(|state| quote_literal(state.as_str()))
        .collect();
    format!("(state IN ({}))", list.join(", "))
}

/// A statement that locks the journal's row, so that nobody replaces it before the end of the transaction, and
/// fails when there is one (or none).
fn raise_if(there: bool, condition: &str) -> String {
    let found = if there { "FOUND" } else { "NOT FOUND" };
    let body = format!(
        "BEGIN PERFORM 1 FROM pgl.journal WHERE {condition} FOR UPDATE; IF {found} THEN \
         RAISE EXCEPTION 'another run has taken over' USING ERRCODE = '{OVERTAKEN}'; END IF; END"
    );
    format!("DO {};\n", quote_literal(&body))
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
pub(super) fn promoted_sql(migration: &str, attempt: &Attempt, left: Option<&Attempt>) -> String {
    let detail = serde_json::json!({"token": attempt.token, "reverse": attempt.reverse});
    let mut sql = statement(migration, PROMOTED, PROMOTED, &detail);
    if let Some(left) = left {
        let mut left = left.clone();
        left.state = AttemptState::RolledBack;
        sql.push_str(&row(migration, &left));
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
