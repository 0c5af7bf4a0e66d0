//! A closer look at each server, for finding out why replication stands.

use std::collections::HashMap;

use pgl_conn::{Error, Kind, Session};
use pgl_core::QualifiedName;
use pgl_core::status::facts::{SourceClose, TargetClose, TargetSequence};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{allowed, logs};
use crate::{row, rows, sequences};

/// Tables a statement: each stays locked (not against anybody's use) until it ends.
const AT_ONCE: usize = 500;

#[derive(Deserialize)]
struct Named {
    name: String,
}

fn list<T: DeserializeOwned>(
    session: &mut Session,
    sql: &str,
    sets: &[String],
) -> Result<Vec<T>, Error> {
    allowed(rows(session, sql, &[&sets]))
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
    let mut close: SourceClose = row(
        session,
        include_str!("../../sql/status/source_settings.sql"),
        &[],
    )?;
    close.overrides = allowed(rows(
        session,
        include_str!("../../sql/status/overrides.sql"),
        &[],
    ))?;
    if close.pglogical {
        let named: Vec<Named> = allowed(rows(
            session,
            include_str!("../../sql/status/sets.sql"),
            &[],
        ))?;
        close.sets = named.into_iter().map(|one| one.name).collect();
        let tables = include_str!("../../sql/status/set_tables.sql");
        close.tables = list(session, tables, sets)?;
        let members = include_str!("../../sql/status/members.sql");
        let (schemas, names) = QualifiedName::split(wanted);
        close.members = match rows(session, members, &[&schemas, &names, &sets]) {
            Ok(found) => Some(found),
            Err(error) if error.kind == Kind::Denied => None,
            Err(error) => return Err(error),
        };
        let sequences = include_str!("../../sql/status/set_sequences.sql");
        close.sequences = list(session, sequences, sets)?;
        close.queue = allowed(rows(
            session,
            include_str!("../../sql/status/queue.sql"),
            &[],
        ))?;
    }
    close.log = logs::tail(session)?;
    Ok(close)
}

/// The target.
///
/// # Errors
/// The server's, except that the role may not read something.
pub fn target_close(session: &mut Session) -> Result<TargetClose, Error> {
    let mut close: TargetClose = row(
        session,
        include_str!("../../sql/status/target_settings.sql"),
        &[],
    )?;
    close.tables = allowed(rows(
        session,
        include_str!("../../sql/status/target_tables.sql"),
        &[],
    ))?;
    close.foreign_keys = allowed(rows(
        session,
        include_str!("../../sql/status/foreign_keys.sql"),
        &[],
    ))?;
    let roles: Vec<Named> = allowed(rows(
        session,
        include_str!("../../sql/status/roles.sql"),
        &[],
    ))?;
    close.roles = roles.into_iter().map(|one| one.name).collect();
    close.sequences = sequences::sequences(session)?
        .into_iter()
        .map(|one| TargetSequence {
            min: Some(one.min),
            max: Some(one.max),
            schema: one.schema,
            name: one.name,
        })
        .collect();
    close.log = logs::tail(session)?;
    Ok(close)
}

#[derive(Deserialize)]
struct HasRows {
    schema: String,
    name: String,
    has_rows: Option<bool>,
}

/// Which of these tables have any row; those that the role may not read are left out.
///
/// # Errors
/// The server's.
pub fn has_rows(
    session: &mut Session,
    names: &[QualifiedName],
) -> Result<HashMap<QualifiedName, bool>, Error> {
    let mut all = HashMap::new();
    for some in names.chunks(AT_ONCE) {
        let (schemas, tables) = QualifiedName::split(some);
        let sql = include_str!("../../sql/status/has_rows.sql");
        let found: Vec<HasRows> = rows(session, sql, &[&schemas, &tables])?;
        for one in found {
            if let Some(has_rows) = one.has_rows {
                all.insert(QualifiedName::new(one.schema, one.name), has_rows);
            }
        }
    }
    Ok(all)
}
