//! The suite's own schema.

use pgl_catalog::pgl_schema;
use pgl_conn::Session;
use pgl_core::QualifiedName;
use pgl_core::migration::{MARKER_TABLE, OWN_SCHEMA};
use pgl_core::pgl_schema::PglSchema;

use crate::{Done, Error};

/// What creates it, on either side.
pub const SQL: &str = include_str!("../sql/own_schema.sql");

/// The marker table.
pub fn marker() -> QualifiedName {
    QualifiedName::new(OWN_SCHEMA, MARKER_TABLE)
}

/// Creates schema, marker and journal, for the connected role only; refuses a schema of that name that is another's.
///
/// # Errors
/// The server's, or the refusal.
pub fn create(session: &mut Session) -> Result<Done, Error> {
    let side = session.side();
    match pgl_schema::check(session)? {
        PglSchema::Usable => return Ok(Done::Already("schema pgl exists".to_owned())),
        PglSchema::Incomplete => {
            return Err(Error::refused(
                side,
                "schema \"pgl\" exists and some of its tables do not",
                "somebody has dropped them: DROP SCHEMA pgl CASCADE and begin again, or run pgl-teardown",
            ));
        }
        PglSchema::Absent => {}
    }
    // Without IF NOT EXISTS: a schema that another role creates in this moment is an error, never ours.
    if let Err(error) = session.batch(&format!("BEGIN;\n{SQL}\nCOMMIT;")) {
        session.rollback()?;
        return Err(error.with_context("creating schema pgl").into());
    }
    pgl_schema::require(session)?;
    Ok(Done::Changed(
        "schema pgl with marker and journal".to_owned(),
    ))
}
