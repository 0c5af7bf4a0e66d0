//! A closer look at each server, for finding out why replication stands.

use std::collections::HashMap;

use pgl_conn::{Error, Session};
use pgl_core::QualifiedName;
use pgl_core::cutover::Timelines;
use pgl_core::status::facts::{PlannedMember, SourceClose, TargetClose};

use super::{allowed, known, logs};
use crate::cutover::{slot_moved, timeline};
use crate::pgl_schema::readable;
use crate::{column, gexec, row, rows, sequences};

fn read_only(session: &mut Session) -> Result<bool, Error> {
    session.value(
        sql!("status/read_only"),
        &[],
        "whether sessions begin read-only",
    )
}

/// What the source's `sets` have of these tables; the database must have pglogical's node.
///
/// # Errors
/// The server's.
pub fn members(
    session: &mut Session,
    tables: &[QualifiedName],
    sets: &[String],
) -> Result<Vec<PlannedMember>, Error> {
    let (schemas, names) = QualifiedName::split(tables);
    let sql = sql!("status/members");
    rows(session, sql, &[&schemas, &names, &sets])
}

/// The source, as far as it concerns the tables and sequences of these sets, and the tables that are
/// wanted in them.
///
/// # Errors
/// The server's, except that the role may not read something.
pub fn source_close(
    session: &mut Session,
    sets: &[String],
    wanted: &[QualifiedName],
) -> Result<SourceClose, Error> {
    let mut close: SourceClose = row(session, sql!("status/source_settings"), &[])?;
    close.read_only = read_only(session)?;
    close.platform = Some(crate::server::grantee(session)?.platform);
    close.fed_by = allowed(crate::server::subscriptions(session))?
        .into_iter()
        .map(|one| one.name)
        .collect();
    close.overrides = allowed(rows(session, sql!("status/overrides"), &[]))?;
    if close.pglogical {
        close.sets = allowed(column(session, sql!("status/sets"), &[]))?;
        close.tables = allowed(rows(session, sql!("status/set_tables"), &[&sets]))?;
        close.members = allowed(members(session, wanted, sets).map(Some))?;
        close.sequences = allowed(rows(session, sql!("status/set_sequences"), &[&sets]))?;
        close.queue = allowed(rows(session, sql!("status/queue"), &[]))?;
    }
    close.sequence_users = allowed(sequences::users(session))?;
    close.replica_triggers = crate::setup::replica_triggers(session)?;
    close.log = logs::tail(session)?;
    Ok(close)
}

/// Settings by which an apply worker of this database reads other values than were sent, as sentences.
///
/// # Errors
/// The server's.
pub fn input_settings(session: &mut Session) -> Result<Vec<String>, Error> {
    let close: TargetClose = row(session, sql!("status/target_settings"), &[])?;
    Ok(close.input_settings)
}

/// The target.
///
/// # Errors
/// The server's, except that the role may not read something.
pub fn target_close(session: &mut Session, migration: &str) -> Result<TargetClose, Error> {
    let mut close: TargetClose = row(session, sql!("status/target_settings"), &[])?;
    close.read_only = read_only(session)?;
    close.tables = allowed(rows(session, sql!("status/target_tables"), &[]))?;
    close.foreign_keys = allowed(rows(session, sql!("status/foreign_keys"), &[]))?;
    close.roles = allowed(column(session, sql!("status/roles"), &[]))?;
    close.sequences = sequences::sequences(session)?
        .into_iter()
        .map(|one| (one.qualified(), one.min..=one.max))
        .collect();
    close.sequence_users = allowed(sequences::users(session))?;
    close.timelines = timelines(session, migration)?;
    close.slot_moved = allowed(slot_moved(session, migration))?;
    close.replica_triggers = crate::setup::replica_triggers(session)?;
    close.log = logs::tail(session)?;
    Ok(close)
}

fn timelines(target: &mut Session, migration: &str) -> Result<Option<Timelines>, Error> {
    if !readable(target)? {
        return Ok(None);
    }
    let sql = sql!("status/journal_timeline");
    let then: Option<u32> = allowed(column(target, sql, &[&migration]))?.pop();
    Ok(then
        .zip(timeline(target)?)
        .map(|(then, now)| Timelines { then, now }))
}

/// Which of these tables have any row; those that the role may not read are left out.
///
/// # Errors
/// The server's.
pub fn has_rows(
    session: &mut Session,
    names: &[QualifiedName],
) -> Result<HashMap<QualifiedName, bool>, Error> {
    let (schemas, tables) = QualifiedName::split(names);
    let sql = sql!("status/has_rows");
    Ok(known(gexec(session, sql, &[&schemas, &tables])?)
        .into_iter()
        .collect())
}
