//! Foreign keys that refer to some tables, and the rows that contradict them.

use pgl_conn::{Error, Session};
use pgl_core::control::{LinkedKey, Orphans};
use pgl_core::{QualifiedName, quote_ident};
use serde::Deserialize;

use crate::{row, rows};

/// Keys that are shown of the rows that contradict one foreign key.
const SHOWN: usize = 5;

/// Foreign keys of other tables that refer to these. None of a table that does not exist; a table's
/// own key that refers to itself is not among them: it is emptied and filled in one go.
///
/// # Errors
/// The server's.
pub fn referring(session: &mut Session, tables: &[QualifiedName]) -> Result<Vec<LinkedKey>, Error> {
    keys(session, tables, false)
}

/// All foreign keys that refer to these tables, also from the table itself.
///
/// # Errors
/// The server's.
pub fn all(session: &mut Session, tables: &[QualifiedName]) -> Result<Vec<LinkedKey>, Error> {
    keys(session, tables, true)
}

fn keys(
    session: &mut Session,
    tables: &[QualifiedName],
    also_own: bool,
) -> Result<Vec<LinkedKey>, Error> {
    let (schemas, names) = QualifiedName::split(tables);
    rows(
        session,
        sql!("foreign_keys"),
        &[&schemas, &names, &also_own],
    )
}

#[derive(Deserialize)]
struct Found {
    rows: u64,
    keys: Vec<String>,
}

/// The rows that refer to nothing, as of one moment: one statement, one view of both tables.
/// `None` where every row finds what it refers to.
///
/// # Errors
/// The server's.
pub fn orphans(session: &mut Session, key: &LinkedKey) -> Result<Option<Orphans>, Error> {
    let found: Found = row(session, &orphans_sql(key), &[])
        .map_err(|error| error.with_context(format!("looking for orphans of {key}")))?;
    Ok((found.rows > 0).then(|| Orphans {
        schema: key.schema.clone(),
        table: key.table.clone(),
        constraint: key.name.clone(),
        references: key.referenced().to_string(),
        columns: key.columns.clone(),
        rows: found.rows,
        keys: found.keys,
    }))
}

fn orphans_sql(key: &LinkedKey) -> String {
    // Partitioned tables have no rows of their own; children by inheritance do not take part in a key.
    let only = |partitioned: bool| if partitioned { "" } else { "ONLY " };
    let columns: Vec<String> = key
        .columns
        .iter()
        .map(|column| format!("fk.{}", quote_ident(column)))
        .collect();
    format!(
        "WITH o AS (SELECT ROW({})::text AS k FROM {}{} fk WHERE ({}) AND NOT EXISTS (SELECT FROM {}{} pk WHERE {})) \
         SELECT (SELECT count(*) FROM o) AS rows, \
         (SELECT COALESCE(json_agg(s.k), '[]') FROM (SELECT DISTINCT k FROM o ORDER BY k LIMIT {SHOWN}) s) AS keys",
        columns.join(", "),
        only(key.partitioned),
        key.child().sql(),
        key.present,
        only(key.references_partitioned),
        key.referenced().sql(),
        key.matches,
    )
}
