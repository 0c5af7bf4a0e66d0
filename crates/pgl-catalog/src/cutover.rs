//! What a database's journal records about cutovers: for every tool, also those that only read.

use std::collections::{BTreeMap, HashMap};

use pgl_conn::{Error, Kind, Session};
use pgl_core::QualifiedName;
use pgl_core::control::SlotMoved;
use pgl_core::cutover::{BlockedTable, Closed, CutoverRecord, DatabaseIdentity, Traces};
use pgl_core::facts::MigrationRecord;
use pgl_core::migration::Names;
use serde::Deserialize;

use crate::database::identity;
use crate::{column, pgl_schema, row, rows};

/// What this database records about cutovers of a migration. A database without a journal has no record.
///
/// # Errors
/// The server's, also when the role may not read the journal; a refusal where another role could have written to
/// schema `pgl`; [`pgl_conn::Kind::Protocol`] when another version
/// of these tools wrote it.
pub fn cutover_record(session: &mut Session, migration: &str) -> Result<CutoverRecord, Error> {
    let here = identity(session)?;
    let usable = pgl_schema::usable(session)?;
    recorded(session, migration, &here, usable)
}

/// These tables and what they are partitions of, with the state of their write-block triggers.
///
/// # Errors
/// The server's.
pub fn write_block(
    session: &mut Session,
    tables: &[QualifiedName],
) -> Result<Vec<BlockedTable>, Error> {
    let (schemas, names) = QualifiedName::split(tables);
    let sql = sql!("write_block_tables");
    rows(session, sql, &[&schemas, &names])
}

#[derive(Deserialize)]
struct RoleName {
    oid: u32,
    name: String,
}

/// What is stored of a read-only database, with the names that the database and its roles have now.
///
/// # Errors
/// The server's.
pub fn renamed(session: &mut Session, mut stored: Closed) -> Result<Closed, Error> {
    let database: String = session.value(
        "SELECT current_database()::text",
        &[],
        "the database's name",
    )?;
    let oids: Vec<i64> = stored.role_oids().into_iter().map(i64::from).collect();
    let found: Vec<RoleName> = rows(session, sql!("role_names"), &[&oids])?;
    let roles: HashMap<u32, String> = found.into_iter().map(|one| (one.oid, one.name)).collect();
    stored.rename(database, &roles);
    Ok(stored)
}

/// The same where it is known which database this is, and whether its journal can be used.
fn recorded(
    session: &mut Session,
    migration: &str,
    here: &DatabaseIdentity,
    usable: bool,
) -> Result<CutoverRecord, Error> {
    let recorded = if usable {
        let sql = sql!("cutover_record");
        row(session, sql, &[&migration]).map_err(|error| {
            error.with_context("reading what the journal records about cutovers")
        })?
    } else {
        CutoverRecord {
            traces: Some(traces(session, migration)?),
            ..CutoverRecord::default()
        }
    };
    Ok(CutoverRecord {
        here: Some(here.clone()),
        ..recorded
    })
}

fn traces(session: &mut Session, migration: &str) -> Result<Traces, Error> {
    let subscription = Names::of(migration).back_subscription();
    let sql = sql!("status/reverse");
    let found: Result<Vec<String>, Error> = column(session, sql, &[&subscription]);
    let reverse_subscription = match found {
        Ok(found) => !found.is_empty(),
        // No pglogical, or not for this role.
        Err(error) if error.kind == Kind::Denied || error.is_sqlstate("42P01") => false,
        Err(error) => return Err(error),
    };
    let read_only = session.value(sql!("read_only"), &[], "whether the database is read-only")?;
    Ok(Traces {
        reverse_subscription,
        read_only,
    })
}

/// What this database records about a migration.
///
/// # Errors
/// As [`cutover_record`].
pub fn migration_record(session: &mut Session, migration: &str) -> Result<MigrationRecord, Error> {
    let here = identity(session)?;
    let usable = pgl_schema::usable(session)?;
    let cutover = recorded(session, migration, &here, usable)?;
    if !usable {
        return Ok(MigrationRecord {
            cutover,
            ..MigrationRecord::default()
        });
    }
    let begun = session.value(
        sql!("setup_begun"),
        &[&migration],
        "whether the migration has begun",
    )?;
    let mut others = BTreeMap::new();
    for name in names(session)? {
        if name != migration {
            let record = recorded(session, &name, &here, usable)?;
            others.insert(name, record);
        }
    }
    Ok(MigrationRecord {
        begun,
        cutover,
        others,
    })
}

/// The timeline that the server writes; a standby writes none.
///
/// # Errors
/// The server's.
pub fn timeline(session: &mut Session) -> Result<Option<u32>, Error> {
    let sql = sql!(session.version(), 100_000 => "timeline_pg94", _ => "timeline");
    Ok(column(session, sql, &[])?.pop().flatten())
}

/// That pgl-control has found the slot or the origin moved, as the target's journal has it.
///
/// # Errors
/// The server's.
pub fn slot_moved(target: &mut Session, migration: &str) -> Result<Option<SlotMoved>, Error> {
    if !pgl_schema::readable(target)? {
        return Ok(None);
    }
    let sql = sql!("slot_moved");
    Ok(rows(target, sql, &[&migration])?.pop())
}

/// Migrations that this database's journal knows, by name.
///
/// # Errors
/// The server's, also when the role may not read the journal.
pub fn journal_names(session: &mut Session) -> Result<Vec<String>, Error> {
    if !pgl_schema::usable(session)? {
        return Ok(Vec::new());
    }
    names(session)
}

fn names(session: &mut Session) -> Result<Vec<String>, Error> {
    column(session, sql!("teardown/journal"), &[])
        .map_err(|error| error.with_context("reading the names of migrations in the journal"))
}
