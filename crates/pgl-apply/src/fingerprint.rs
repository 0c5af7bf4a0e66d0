//! The catalog fingerprint: read when the preconditions are checked and again under the locks, and kept by pgl-setup to
//! find tables that were rewritten since the copy.

use pgl_conn::{Error, Session};
use pgl_core::QualifiedName;
use pgl_core::cutover::{CatalogMark, Fingerprint, KeptMarks, TableMark};
use pgl_core::setup::StepId;
use serde::Deserialize;

use crate::journal;

/// Where the target's journal has it.
const KEPT: &str = "fingerprint";

/// What the statistics of a database are worth.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StatisticsState {
    /// When they began anew; null for never.
    pub stats_reset: Option<String>,
    /// Whether changes are counted.
    pub track_counts: bool,
}

/// Reads the marks of tables; the database must have pglogical's node.
///
/// # Errors
/// The server's.
pub fn table_marks(
    session: &mut Session,
    tables: &[QualifiedName],
) -> Result<Vec<TableMark>, Error> {
    let (schemas, names) = QualifiedName::split(tables);
    pgl_catalog::rows(
        session,
        include_str!("../sql/fingerprint/tables.sql"),
        &[&schemas, &names],
    )
}

/// Reads everything. Not in a transaction that has changed definitions itself.
///
/// # Errors
/// The server's.
pub fn fingerprint(session: &mut Session, tables: &[QualifiedName]) -> Result<Fingerprint, Error> {
    let horizon: String = session.value(
        include_str!("../sql/fingerprint/horizon.sql"),
        &[],
        "the next transaction",
    )?;
    let mut catalogs: Vec<CatalogMark> = pgl_catalog::rows(
        session,
        include_str!("../sql/fingerprint/catalogs.sql"),
        &[],
    )?;
    if session.version().at_least(10) {
        catalogs.extend(pgl_catalog::rows::<CatalogMark>(
            session,
            include_str!("../sql/fingerprint/catalogs_pg10.sql"),
            &[],
        )?);
    }
    Ok(Fingerprint {
        tables: table_marks(session, tables)?,
        catalogs,
        horizon,
    })
}

/// Names of objects that were created or changed since `before`.
///
/// # Errors
/// The server's.
pub fn younger(session: &mut Session, before: &Fingerprint) -> Result<Vec<String>, Error> {
    session.values(
        include_str!("../sql/fingerprint/younger.sql"),
        &[&before.horizon],
        "what was created or changed",
    )
}

/// What the statistics are worth.
///
/// # Errors
/// The server's.
pub fn statistics(session: &mut Session) -> Result<StatisticsState, Error> {
    pgl_catalog::row(
        session,
        include_str!("../sql/fingerprint/statistics.sql"),
        &[],
    )
}

/// The marks that the target keeps.
///
/// # Errors
/// The server's; also when they cannot be read.
pub fn kept_marks(target: &mut Session, migration: &str) -> Result<Option<KeptMarks>, Error> {
    match journal::note(target, migration, StepId::Guard, KEPT)? {
        Some(note) => journal::detail(
            target.side(),
            note,
            "the tables' marks that the target keeps",
        )
        .map(Some),
        None => Ok(None),
    }
}

/// What becomes of marks that are kept already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarksOf {
    /// They stay: the rows were copied after they were read.
    TheCopy,
    /// They are replaced: the rows of these tables are copied anew.
    NewRows,
}

/// The statements that keep the marks of tables as the source has them now; read before their rows are copied.
///
/// # Errors
/// The servers'.
pub fn keep_marks(
    source: &mut Session,
    target: &mut Session,
    migration: &str,
    tables: &[QualifiedName],
    marks: MarksOf,
) -> Result<String, Error> {
    let mut kept = match kept_marks(target, migration)? {
        Some(kept) => kept,
        None => KeptMarks {
            stats_reset: statistics(source)?.stats_reset,
            tables: Vec::new(),
        },
    };
    kept.add(table_marks(source, tables)?, marks == MarksOf::NewRows);
    Ok(journal::statement(
        migration,
        StepId::Guard,
        KEPT,
        "kept",
        &serde_json::json!(kept),
    ))
}
