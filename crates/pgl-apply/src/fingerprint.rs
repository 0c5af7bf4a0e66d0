//! The catalog fingerprint: read when the preconditions are checked and again under the locks; kept by pgl-setup, and by the
//! promotion for a rollback, to find tables whose changes since then may not all have been replicated.

use std::collections::BTreeMap;

use pgl_catalog::definitions::catalog_marks;
use pgl_conn::{Error, Session};
use pgl_core::QualifiedName;
use pgl_core::cutover::{CatalogMark, Fingerprint, KeptMarks, Labels, TableMark};
use pgl_core::journal::{MARKS, MOVED, PROMOTED_MARKS};
use serde::Deserialize;

use crate::journal::{read, statement};

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

#[derive(Deserialize)]
struct Labelled {
    table: QualifiedName,
    labels: Labels,
}

/// The labels that the values of tables have; without the tables that have none.
///
/// # Errors
/// The server's.
pub fn labels(
    session: &mut Session,
    tables: &[QualifiedName],
) -> Result<BTreeMap<QualifiedName, Labels>, Error> {
    let (schemas, names) = QualifiedName::split(tables);
    let found: Vec<Labelled> = pgl_catalog::rows(
        session,
        include_str!("../sql/fingerprint/labels.sql"),
        &[&schemas, &names],
    )?;
    Ok(found
        .into_iter()
        .map(|one| (one.table, one.labels))
        .collect())
}

/// The marks of tables as they are kept.
///
/// # Errors
/// The server's.
pub fn marks_to_keep(
    session: &mut Session,
    tables: &[QualifiedName],
) -> Result<Vec<TableMark>, Error> {
    let mut marks = table_marks(session, tables)?;
    let mut labels = labels(session, tables)?;
    for mark in &mut marks {
        mark.labels = labels.remove(&mark.table).unwrap_or_default();
    }
    Ok(marks)
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
    let catalogs = catalog_marks(session)?;
    Ok(Fingerprint {
        catalogs,
        sets: set_marks(session)?,
        tables: table_marks(session, tables)?,
        horizon,
    })
}

fn set_marks(session: &mut Session) -> Result<Vec<CatalogMark>, Error> {
    pgl_catalog::rows(session, include_str!("../sql/fingerprint/sets.sql"), &[])
}

/// Whether nothing is defined otherwise than `before`. A table's definition is rows of the catalogs, and all that is written
/// later has a later transaction: it adds to their sums.
///
/// # Errors
/// The server's.
pub fn is_unchanged(session: &mut Session, before: &Fingerprint) -> Result<bool, Error> {
    Ok(catalog_marks(session)? == before.catalogs && set_marks(session)? == before.sets)
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

/// What becomes of marks that are kept already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MarksOf<'a> {
    /// They stay: the rows of these tables were copied after they were read.
    TheCopy(&'a [QualifiedName]),
    /// They are replaced by these: the rows are copied anew.
    NewRows(Vec<TableMark>),
}

/// The statements that keep the marks of tables as the source has them before their rows are copied.
///
/// # Errors
/// The servers'.
pub fn keep_marks(
    source: &mut Session,
    target: &mut Session,
    migration: &str,
    marks: MarksOf<'_>,
) -> Result<String, Error> {
    let mut kept = match read(target, migration, &MARKS)? {
        Some(kept) => kept,
        None => KeptMarks {
            lsn: None,
            timeline: pgl_catalog::timeline(target)?,
            stats_reset: statistics(source)?.stats_reset,
            tables: Vec::new(),
        },
    };
    match marks {
        MarksOf::TheCopy(tables) => kept.add(marks_to_keep(source, tables)?, false),
        MarksOf::NewRows(marks) => kept.add(marks, true),
    }
    Ok(statement(migration, &MARKS, &kept))
}

/// The statements that record that the target may have lost what it had confirmed, where it is on another timeline than when its
/// rows were copied: from then on each table counts that is compared or copied again.
///
/// # Errors
/// The server's.
pub fn note_timeline(target: &mut Session, migration: &str) -> Result<Option<String>, Error> {
    let Some(mut kept) = read(target, migration, &MARKS)? else {
        return Ok(None);
    };
    let now = pgl_catalog::timeline(target)?;
    let Some((then, new)) = kept.timeline.zip(now).filter(|(then, new)| then != new) else {
        return Ok(None);
    };
    kept.timeline = now;
    let what = format!(
        "the target is on timeline {new}, and was on {then} when its rows were copied (a standby was promoted or a backup restored)"
    );
    let marks = statement(migration, &MARKS, &kept);
    Ok(Some(statement(migration, &MOVED, &what) + &marks))
}

/// The statements that keep the marks of the tables of a target that is about to be promoted, for a rollback to a server on
/// this timeline.
///
/// # Errors
/// The server's.
pub fn keep_promoted_marks(
    target: &mut Session,
    migration: &str,
    tables: &[QualifiedName],
    timeline: Option<u32>,
) -> Result<String, Error> {
    let kept = KeptMarks {
        stats_reset: None,
        timeline,
        lsn: Some(pgl_catalog::verify::insert_lsn(target)?),
        tables: marks_to_keep(target, tables)?,
    };
    Ok(statement(migration, &PROMOTED_MARKS, &kept))
}
