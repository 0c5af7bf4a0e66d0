//! Which database a session is connected to.

use pgl_conn::{Error, Kind, Session};
use pgl_core::cutover::DatabaseIdentity;
use pgl_core::{Database, ServerVersion};
use serde::Deserialize;

use crate::row;

#[derive(Deserialize)]
struct Seen {
    database: String,
    oid: u32,
    system_identifier: Option<String>,
    server_version: ServerVersion,
}

/// The database, with the cluster's identifier where the server shows it: 9.6 and later, to roles
/// that may call `pg_control_system()`.
///
/// # Errors
/// The server's.
pub fn database(session: &mut Session) -> Result<Database, Error> {
    let seen = seen(session)?;
    Ok(Database {
        system_identifier: seen.system_identifier,
        database: seen.database,
        server_version: seen.server_version,
    })
}

/// The same with what tells it from a copy.
///
/// # Errors
/// The server's.
pub fn identity(session: &mut Session) -> Result<DatabaseIdentity, Error> {
    let seen = seen(session)?;
    Ok(DatabaseIdentity {
        system_identifier: seen.system_identifier,
        oid: seen.oid,
        database: seen.database,
    })
}

fn seen(session: &mut Session) -> Result<Seen, Error> {
    let newest = sql!(session.version(), 90_600 => "database_pg94", _ => "database");
    match row(session, newest, &[]) {
        Err(error) if error.kind == Kind::Denied => row(session, sql!("database_pg94"), &[]),
        other => other,
    }
}
