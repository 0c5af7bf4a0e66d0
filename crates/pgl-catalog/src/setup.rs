//! What pgl-setup looks at before and between its steps.

use pgl_conn::{Error, Session};
use pgl_core::QualifiedName;
use pgl_core::cutover::{DisabledTrigger, ReplicaTrigger, Stored, TriggerState};
use pgl_core::database_properties::DatabaseProperties;
use pgl_core::setup::archive::IndexFact;
use pgl_core::setup::compare::TableShape;
use serde::Deserialize;

use crate::{column, row, rows};

/// Tables, views and materialised views of the database with their columns.
///
/// # Errors
/// The server's.
pub fn tables(session: &mut Session) -> Result<Vec<TableShape>, Error> {
    let sql = sql!(
        session.version(), 100_000 => "setup_tables_pg94", 120_000 => "setup_tables_pg10", _ => "setup_tables"
    );
    rows(session, sql, &[])
}

/// Ordinary tables and sequences of the user.
///
/// # Errors
/// The server's.
pub fn stored(session: &mut Session) -> Result<Vec<Stored>, Error> {
    rows(session, sql!("stored"), &[])
}

/// Indexes and the constraints that stand on them.
///
/// # Errors
/// The server's.
pub fn indexes(session: &mut Session) -> Result<Vec<IndexFact>, Error> {
    rows(session, sql!("setup_indexes"), &[])
}

/// Roles that the objects of the database refer to.
///
/// # Errors
/// The server's.
pub fn roles_needed(session: &mut Session) -> Result<Vec<String>, Error> {
    column(session, sql!("setup_roles"), &[])
}

/// What the database has beside what is in it.
///
/// # Errors
/// The server's.
pub fn database_properties(session: &mut Session) -> Result<DatabaseProperties, Error> {
    row(session, sql!("database_properties"), &[])
}

/// Tablespaces of the server.
///
/// # Errors
/// The server's.
pub fn tablespaces(session: &mut Session) -> Result<Vec<String>, Error> {
    column(session, sql!("setup_tablespaces"), &[])
}

/// Databases in which the schema was tried, or is being tried.
///
/// # Errors
/// The server's.
pub fn trials(session: &mut Session) -> Result<Vec<String>, Error> {
    column(session, sql!("setup_trials"), &[])
}

/// Whether half of the locks that the server has room for are taken.
///
/// # Errors
/// The server's.
pub fn half_of_the_locks_are_taken(session: &mut Session) -> Result<bool, Error> {
    session.value(sql!("setup_trial_locks"), &[], "locks of the trial")
}

/// Who may truncate one of these tables and not use schema pglogical; `None` stands for PUBLIC.
///
/// # Errors
/// The server's; also when schema pglogical does not exist.
pub fn truncaters(
    session: &mut Session,
    tables: &[QualifiedName],
) -> Result<Vec<Option<String>>, Error> {
    let (schemas, names) = QualifiedName::split(tables);
    column(session, sql!("setup_truncaters"), &[&schemas, &names])
}

/// Who may execute functions of schema pglogical.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Execute {
    /// Whether PUBLIC may.
    pub everybody: bool,
    /// Roles that need it when PUBLIC loses it.
    pub roles: Vec<String>,
}

/// Reads it.
///
/// # Errors
/// The server's.
pub fn execute(session: &mut Session) -> Result<Execute, Error> {
    row(session, sql!("setup_pglogical_execute"), &[])
}

/// A materialised view.
#[derive(Debug, Clone, Deserialize)]
pub struct Matview {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Whether it has been filled.
    pub populated: bool,
}

/// Materialised views, each after those that it reads.
///
/// # Errors
/// The server's.
pub fn matviews(session: &mut Session) -> Result<Vec<Matview>, Error> {
    rows(session, sql!("setup_matviews"), &[])
}

/// A member of a replication set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SetMember {
    /// The set.
    pub set: String,
    /// Schema of the table or sequence.
    pub schema: String,
    /// Its name.
    pub name: String,
}

/// Members of the local node's replication sets.
///
/// # Errors
/// The server's; also when pglogical is not installed.
pub fn members(session: &mut Session) -> Result<Vec<SetMember>, Error> {
    rows(session, sql!("setup_members"), &[])
}

/// Triggers and event triggers that fire for replicated rows.
///
/// # Errors
/// The server's.
pub fn loud_triggers(session: &mut Session) -> Result<Vec<ReplicaTrigger>, Error> {
    let mut all = replica_triggers(session)?;
    all.retain(|one| one.kind != "rule");
    Ok(all)
}

/// The state of each trigger and event trigger.
///
/// # Errors
/// The server's.
pub fn trigger_states(session: &mut Session) -> Result<Vec<TriggerState>, Error> {
    rows(session, sql!("trigger_states"), &[])
}

/// Triggers and event triggers that a migration has disabled here because they fire for replicated rows.
///
/// # Errors
/// The server's.
pub fn disabled_triggers(
    session: &mut Session,
    migration: &str,
) -> Result<Vec<DisabledTrigger>, Error> {
    rows(session, sql!("disabled_triggers"), &[&migration])
}

/// Triggers, event triggers and rules that fire for replicated rows.
///
/// # Errors
/// The server's.
pub fn replica_triggers(session: &mut Session) -> Result<Vec<ReplicaTrigger>, Error> {
    rows(session, sql!("replica_triggers"), &[])
}
