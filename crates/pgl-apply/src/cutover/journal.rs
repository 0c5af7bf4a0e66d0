//! The cutover's rows in the journals of both databases.
//!
//! On the database that clients leave, one row with the attempt. On the promoted one, one row with the attempt that
//! promoted it, written by the commit that did.

use pgl_conn::Session;
use pgl_core::cutover::{Attempt, AttemptState};
use pgl_core::journal::{ATTEMPT, INCOMING, Key, PROMOTED, ROLLED_BACK_BY};
use pgl_core::quote_literal;

use crate::journal::{forget, is, statement};

/// The statements that record the begin of an attempt; they fail with [`OVERTAKEN`] below another attempt that is
/// not over.
pub fn start(migration: &str, attempt: &Attempt) -> String {
    let others = format!(
        "{} AND (detail ->> 'token') <> {}",
        is(migration, &ATTEMPT),
        quote_literal(&attempt.token)
    );
    format!(
        "{}{}{}",
        raise_if(true, &format!("{others} AND NOT {}", is_in(&OVER))),
        statement(migration, &ATTEMPT, attempt),
        forget(migration, &ROLLED_BACK_BY)
    )
}

/// The statements that record where an attempt is; they fail with [`OVERTAKEN`] when the database does not record
/// this attempt any more, or has it as over.
pub fn advance(migration: &str, attempt: &Attempt) -> String {
    let guard = must_be(migration, &ATTEMPT, attempt, &OVER);
    guard + &statement(migration, &ATTEMPT, attempt)
}

/// The statements that record that an attempt was rolled back. Not once it has promoted the other database, nor where
/// another run has rolled it back. `by` is recorded: a commit whose answer was lost may have been made.
pub fn undo(migration: &str, attempt: &Attempt, by: &str) -> String {
    let over = [
        AttemptState::Promoted,
        AttemptState::Done,
        AttemptState::Restored,
        AttemptState::RolledBack,
    ];
    let mut restored = attempt.clone();
    restored.state = AttemptState::Restored;
    format!(
        "{}{}{}",
        must_be(migration, &ATTEMPT, attempt, &over),
        statement(migration, &ATTEMPT, &restored),
        statement(migration, &ROLLED_BACK_BY, &by.to_owned())
    )
}

/// The statements that record what is done after the promotion.
pub fn conclude(migration: &str, attempt: &Attempt) -> String {
    made(migration, attempt) + &statement(migration, &ATTEMPT, attempt)
}

fn made(migration: &str, attempt: &Attempt) -> String {
    let undone = [AttemptState::Restored, AttemptState::RolledBack];
    must_be(migration, &ATTEMPT, attempt, &undone)
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
pub fn claim(migration: &str, attempt: &Attempt) -> String {
    statement(migration, &INCOMING, attempt)
}

/// The statement that fails with [`OVERTAKEN`] unless this attempt is the one that may promote this database.
pub(super) fn claimed(migration: &str, attempt: &Attempt) -> String {
    must_be(migration, &INCOMING, attempt, &[])
}

/// The statements after which no attempt may promote this database. They fail with [`OVERTAKEN`] when another
/// than `known` has come since.
pub fn disclaim(migration: &str, known: Option<&str>) -> String {
    let others = format!(
        "{} AND (detail ->> 'token') IS DISTINCT FROM {}",
        is(migration, &INCOMING),
        known.map_or_else(|| "NULL".to_owned(), quote_literal)
    );
    raise_if(true, &others) + &forget(migration, &INCOMING)
}

/// SQLSTATE of a transaction that finds another attempt than its own.
pub const OVERTAKEN: &str = "PGL01";

/// States in which nobody works on an attempt any more.
const OVER: [AttemptState; 3] = [
    AttemptState::Done,
    AttemptState::Restored,
    AttemptState::RolledBack,
];

fn must_be(
    migration: &str,
    key: &Key<Attempt>,
    attempt: &Attempt,
    not_in: &[AttemptState],
) -> String {
    let mut condition = format!(
        "{} AND (detail ->> 'token') = {}",
        is(migration, key),
        quote_literal(&attempt.token)
    );
    if !not_in.is_empty() {
        condition.push_str(&format!(" AND NOT {}", is_in(not_in)));
    }
    raise_if(false, &condition)
}

fn is_in(states: &[AttemptState]) -> String {
    let list: Vec<String> = states
        .iter()
        .map(|state| quote_literal(state.as_str()))
        .collect();
    format!("((detail ->> 'state') IN ({}))", list.join(", "))
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

/// The statements that record the promotion of a database. An attempt to leave it, which it may have made
/// before, is undone by that.
pub(super) fn promoted_sql(migration: &str, attempt: &Attempt, left: Option<&Attempt>) -> String {
    let mut sql = statement(migration, &PROMOTED, attempt);
    if let Some(left) = left {
        let mut left = left.clone();
        left.state = AttemptState::RolledBack;
        sql.push_str(&statement(migration, &ATTEMPT, &left));
    }
    sql
}
