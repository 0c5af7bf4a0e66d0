//! What pgl-setup looks at before and between its steps.

use pgl_conn::{Error, Session};
use pgl_core::QualifiedName;
use pgl_core::cutover::{Definition, ReplicaTrigger, Stored};
use pgl_core::setup::archive::IndexFact;
use pgl_core::setup::compare::TableShape;
use serde::Deserialize;

use crate::{row, rows};

/// Tables, views and materialised views of the database with their columns.
///
/// # Errors
/// The server's.
pub fn tables(session: &mut Session) -> Result<Vec<TableShape>, Error> {
    let version = session.version();
    let sql = if version.at_least(12) {
        include_str!("../sql/setup_tables.sql")
    } else if version.at_least(10) {
        include_str!("../sql/setup_tables_pg10.sql")
    } else {
        include_str!("../sql/setup_tables_pg94.sql")
    };
    rows(session, sql, &[])
}

/// Ordinary tables and sequences of the user.
///
/// # Errors
/// The server's.
pub fn stored(session: &mut Session) -> Result<Vec<Stored>, Error> {
    rows(session, include_str!("../sql/stored.sql"), &[])
}

/// Indexes and the constraints that stand on them.
///
/// # Errors
/// The server's.
pub fn indexes(session: &mut Session) -> Result<Vec<IndexFact>, Error> {
    rows(session, include_str!("../sql/setup_indexes.sql"), &[])
}

/// What the database defines, by name.
///
/// # Errors
/// The server's.
pub fn definitions(session: &mut Session) -> Result<Vec<Definition>, Error> {
    rows(session, include_str!("../sql/definitions.sql"), &[])
}

#[derive(Deserialize)]
struct Named {
    name: Option<String>,
}

/// Roles that the objects of the database refer to.
///
/// # Errors
/// The server's.
pub fn roles_needed(session: &mut Session) -> Result<Vec<String>, Error> {
    let found: Vec<Named> = rows(session, include_str!("../sql/setup_roles.sql"), &[])?;
    Ok(found.into_iter().filter_map(|row| row.name).collect())
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
    let found: Vec<Named> = rows(
        session,
        include_str!("../sql/setup_truncaters.sql"),
        &[&schemas, &names],
    )?;
    Ok(found.into_iter().map(|row| row.name).collect())
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
    row(
        session,
        include_str!("../sql/setup_pglogical_execute.sql"),
        &[],
    )
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
    rows(session, include_str!("../sql/setup_matviews.sql"), &[])
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
    rows(session, include_str!("../sql/setup_members.sql"), &[])
}

/// A trigger that fires for replicated rows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LoudTrigger {
    /// Schema of its table; none for an event trigger.
    pub schema: Option<String>,
    /// Its table.
    pub table: Option<String>,
    /// Its name.
    pub name: String,
    /// `A` (always) or `R` (replica).
    pub enabled: String,
}

/// Triggers that fire for replicated rows.
///
/// # Errors
/// The server's.
pub fn loud_triggers(session: &mut Session) -> Result<Vec<LoudTrigger>, Error> {
    rows(session, include_str!("../sql/setup_loud_triggers.sql"), &[])
}

/// Triggers, event triggers and rules that fire for replicated rows.
///
/// # Errors
/// The server's.
pub fn replica_triggers(session: &mut Session) -> Result<Vec<ReplicaTrigger>, Error> {
    rows(session, include_str!("../sql/replica_triggers.sql"), &[])
}
