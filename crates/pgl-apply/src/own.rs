//! The suite's own schema.

use pgl_conn::{Session, field};
use pgl_core::QualifiedName;
use pgl_core::migration::{MARKER_TABLE, OWN_SCHEMA};

use crate::{Done, Error};

/// What creates it, on either side.
pub const SQL: &str = include_str!("../sql/own_schema.sql");

/// The marker table.
pub fn marker() -> QualifiedName {
    QualifiedName::new(OWN_SCHEMA, MARKER_TABLE)
}

/// Creates schema, marker and journal; refuses a schema of that name that is somebody else's.
///
/// # Errors
/// The server's, or the refusal.
pub fn create(session: &mut Session) -> Result<Done, Error> {
    let side = session.side();
    let found = session.query_opt(
        "SELECT COALESCE(obj_description(oid, 'pg_namespace'), ''),
                (SELECT count(*) FROM pg_class c WHERE c.relnamespace = n.oid
                    AND c.relname IN ('marker', 'journal', 'held') AND c.relkind = 'r') = 3
           FROM pg_namespace n WHERE nspname = 'pgl'",
        &[],
    )?;
    if let Some(row) = found {
        let comment: String = field(side, &row, 0, "the comment of schema pgl")?;
        if !comment.starts_with("pgl:") {
            return Err(Error::refused(
                side,
                "schema \"pgl\" exists and is not this suite's",
                "these tools keep their journal in a schema of this name; rename the other one for the time of the migration",
            ));
        }
        if field(side, &row, 1, "the tables of schema pgl")? {
            return Ok(Done::Already("schema pgl exists".to_owned()));
        }
    }
    session.batch(&format!("BEGIN;\n{SQL}\nCOMMIT;"))?;
    Ok(Done::Changed(
        "schema pgl with marker and journal".to_owned(),
    ))
}
