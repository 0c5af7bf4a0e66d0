//! What a cutover says to its own sessions.

use std::time::Duration;

use pgl_conn::{Begin, Error, Session};

/// A word that was never there before, for the marker that travels.
///
/// # Errors
/// The server's.
pub fn token(session: &mut Session) -> Result<String, Error> {
    session.value(
        include_str!("../../sql/cutover/token.sql"),
        &[],
        "the marker's token",
    )
}

/// Notes something that is for people: it need not be on disk before the next step.
///
/// # Errors
/// The server's.
pub fn note_lightly(session: &mut Session, note: &str) -> Result<(), Error> {
    session.batch(&format!(
        "BEGIN; SET LOCAL synchronous_commit = off; {note} COMMIT"
    ))
}

/// Notes something that has to be on disk before the next step.
///
/// # Errors
/// The server's.
pub fn note_firmly(session: &mut Session, note: &str) -> Result<(), Error> {
    session.batch(&format!("BEGIN; {note} COMMIT"))
}

/// How long a statement of the session may take from now on; none for without limit.
///
/// # Errors
/// The server's.
pub fn limit(session: &mut Session, limit: Option<Duration>) -> Result<(), Error> {
    let millis = limit.map_or(0, |limit| limit.as_millis().max(1));
    session.batch(&format!("SET statement_timeout = {millis}"))
}

/// Takes the session's view of the database now, to be read in later.
///
/// # Errors
/// The server's.
pub fn freeze_view(session: &mut Session) -> Result<(), Error> {
    session.begin(Begin::Snapshot)?;
    session.query("SELECT 1", &[]).map(drop)
}

/// Disables a subscription if the attempt with this token promoted this database last; it stays, with its slot.
///
/// # Errors
/// [`crate::Error::Overtaken`] when another attempt did; the server's.
pub fn disable(
    session: &mut Session,
    subscription: &str,
    migration: &str,
    token: &str,
) -> Result<(), crate::Error> {
    let done = session.query(
        include_str!("../../sql/cutover/disable.sql"),
        &[&subscription, &migration, &token],
    )?;
    if done.is_empty() {
        return Err(crate::Error::Overtaken {
            side: session.side(),
        });
    }
    Ok(())
}

/// Ends those of these processes that are sessions of a cutover in this database; how many are still
/// there.
///
/// # Errors
/// The server's.
pub fn end_these(session: &mut Session, pids: &[i32]) -> Result<u64, Error> {
    session.count(
        include_str!("../../sql/cutover/end_these.sql"),
        &[&pids],
        "which sessions are still there",
    )
}
