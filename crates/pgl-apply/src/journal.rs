//! The journal in schema `pgl`: what has been done in this database, row by row.

use pgl_conn::{Error, Kind, Session};
use pgl_core::cutover::{IdentityPair, PAIR};
use pgl_core::setup::StepId;
use pgl_core::{Plan, Side, quote_literal};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A row of the journal.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Note {
    /// Table, role, slot; empty for the step itself.
    pub object: String,
    /// Where it stands.
    pub state: String,
    /// More, as the step needs it.
    #[serde(default)]
    pub detail: Value,
}

/// The notes of a step.
///
/// # Errors
/// The server's. A database without the journal has none.
pub fn notes(
    session: &mut Session,
    migration: &str,
    step: impl AsRef<str>,
) -> Result<Vec<Note>, Error> {
    if !exists(session)? {
        return Ok(Vec::new());
    }
    pgl_catalog::rows(
        session,
        include_str!("../sql/journal_read.sql"),
        &[&migration, &step.as_ref()],
    )
}

/// The note about one object of a step.
///
/// # Errors
/// The server's.
pub fn note(
    session: &mut Session,
    migration: &str,
    step: impl AsRef<str>,
    object: &str,
) -> Result<Option<Note>, Error> {
    if !exists(session)? {
        return Ok(None);
    }
    let found: Vec<Note> = pgl_catalog::rows(
        session,
        include_str!("../sql/journal_note.sql"),
        &[&migration, &step.as_ref(), &object],
    )?;
    Ok(found.into_iter().next())
}

/// Where pgl-setup keeps the plan in the target's journal.
const PLAN: &str = "plan";

/// The plan that the target keeps: what pgl-setup carried out, and pgl-control changed since.
///
/// # Errors
/// The server's; also when there is one that cannot be read, for another version of these tools may
/// have written it: that is no migration without a plan.
pub fn kept_plan(target: &mut Session, migration: &str) -> Result<Option<Plan>, Error> {
    let Some(note) = note(target, migration, StepId::Guard, PLAN)? else {
        return Ok(None);
    };
    detail(target.side(), note, "the plan that the target keeps").map(Some)
}

/// The statements that keep a plan where every tool looks for it.
pub fn keep_plan(migration: &str, plan: &Plan) -> String {
    statement(
        migration,
        StepId::Guard,
        PLAN,
        "kept",
        &serde_json::json!(plan),
    )
}

/// Records in both journals which two databases the migration is between; whether that was not recorded before.
///
/// # Errors
/// The servers'.
pub fn keep_pair(
    source: &mut Session,
    target: &mut Session,
    migration: &str,
) -> Result<bool, Error> {
    let (one, two) = (
        pgl_catalog::identity(source)?,
        pgl_catalog::identity(target)?,
    );
    let mut changed = false;
    for session in [source, target] {
        if !exists(session)? {
            continue;
        }
        let side = session.side();
        let pair = IdentityPair {
            side,
            source: one.clone(),
            target: two.clone(),
        };
        let kept = pgl_catalog::cutover_record(session, migration)?.pair;
        // What one role knows of a cluster is not replaced by what another may not read.
        if !kept.is_some_and(|kept| kept.source.same(&one) && kept.target.same(&two)) {
            let detail = serde_json::json!(pair);
            session.batch(&statement(migration, PAIR, "", side.as_str(), &detail))?;
            changed = true;
        }
    }
    Ok(changed)
}

/// What a note holds. `what` completes "reading …".
///
/// # Errors
/// [`pgl_conn::Kind::Protocol`] when it has another form.
pub fn detail<T: DeserializeOwned>(side: Side, note: Note, what: &str) -> Result<T, Error> {
    serde_json::from_value(note.detail).map_err(|error| {
        Error::new(side, Kind::Protocol, error.to_string()).with_context(format!("reading {what}"))
    })
}

/// Writes a note, replacing an earlier one.
///
/// # Errors
/// The server's.
pub fn write(
    session: &mut Session,
    migration: &str,
    step: StepId,
    object: &str,
    state: &str,
    detail: &Value,
) -> Result<(), Error> {
    session.batch(&statement(migration, step, object, state, detail))
}

/// The statements that write a note, for a transaction that does more.
pub fn statement(
    migration: &str,
    step: impl AsRef<str>,
    object: &str,
    state: &str,
    detail: &Value,
) -> String {
    let forget = forget_object(migration, &step, object);
    let [migration, step, object, state, detail] =
        [migration, step.as_ref(), object, state, &detail.to_string()].map(quote_literal);
    format!(
        "{forget}INSERT INTO pgl.journal (migration, step, object, state, detail) VALUES ({migration}, {step}, {object}, {state}, {detail});\n"
    )
}

/// Removes the note about one object of a step.
pub(crate) fn forget_object(migration: &str, step: impl AsRef<str>, object: &str) -> String {
    let [migration, step, object] = [migration, step.as_ref(), object].map(quote_literal);
    format!(
        "DELETE FROM pgl.journal WHERE migration = {migration} AND step = {step} AND object = {object};\n"
    )
}

/// Removes the notes of a step.
pub fn forget(migration: &str, step: StepId) -> String {
    format!(
        "DELETE FROM pgl.journal WHERE migration = {} AND step = {};\n",
        quote_literal(migration),
        quote_literal(step.as_str())
    )
}

/// Whether this database has a journal that can be trusted.
///
/// # Errors
/// The server's; a refusal where another role could have written to schema `pgl`.
pub fn exists(session: &mut Session) -> Result<bool, Error> {
    pgl_catalog::pgl_schema::usable(session)
}
