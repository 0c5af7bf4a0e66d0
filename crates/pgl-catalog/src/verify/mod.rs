//! What the verifier reads: the catalog of one side, how it parses a condition ([`side_condition`]), positions, probes of the digest functions,
//! and the statements that digest rows ([`mod@sql`]).

mod condition;
pub mod replication;
pub mod sql;

pub use condition::side_condition;

use std::collections::HashMap;

use pgl_conn::{Begin, Error, Kind, Session};
use pgl_core::verify::outcome::Digest;
use pgl_core::verify::pairing::Catalog;
use pgl_core::verify::planned::{Called, may_run};
use pgl_core::verify::types::{RelationInfo, TypeInfo, Types};
use pgl_core::{Lsn, QualifiedName};
use serde::Deserialize;

use crate::{row, rows};

/// What the verifier needs to know of a database.
#[derive(Debug, Clone, Deserialize)]
pub struct ComparedDatabase {
    /// `pg_database.oid`: another database of the same name has another.
    pub oid: u32,
    /// `pg_encoding_to_char`.
    pub encoding: String,
    /// Whether the server is a standby.
    pub in_recovery: bool,
    /// `off` on old builds that keep timestamps as floats.
    pub integer_datetimes: String,
}

/// Reads it.
pub fn database(session: &mut Session) -> Result<ComparedDatabase, Error> {
    row(session, include_str!("../../sql/verify_database.sql"), &[])
}

/// An expression of an index or of extended statistics, and the functions in it that others own.
#[derive(Deserialize)]
struct Planned {
    schema: String,
    name: String,
    tree: String,
    functions: Option<Vec<Called>>,
}

#[derive(Deserialize)]
struct Partition {
    schema: String,
    name: String,
    bound: String,
}

#[derive(Deserialize)]
struct Size {
    schema: String,
    name: String,
    bytes: u64,
    pages: u64,
}

/// How long the sizes of tables may wait for a lock that somebody takes just now.
const SIZES_LOCK_MS: u32 = 200;

/// Runs `read` in a transaction, which ends with it.
fn within<T>(
    session: &mut Session,
    mode: Begin<'_>,
    read: impl FnOnce(&mut Session) -> Result<T, Error>,
) -> Result<T, Error> {
    session.begin(mode)?;
    let found = read(session);
    if matches!(&found, Err(error) if error.is_lost()) {
        return found;
    }
    session.rollback()?;
    found
}

/// The sizes of tables as they are now. Without those that are locked: how work is shared out is not worth waiting.
fn sizes(session: &mut Session) -> Result<Vec<Size>, Error> {
    let found = within(session, Begin::ReadOnly, |session| {
        session.batch(&format!("SET LOCAL lock_timeout = {SIZES_LOCK_MS}"))?;
        rows(session, include_str!("../../sql/verify_sizes.sql"), &[])
    });
    match found {
        Err(error) if error.kind == Kind::LockTimeout => {
            log::info!("{error}; sizes are those of the last VACUUM or ANALYZE");
            Ok(Vec::new())
        }
        other => other,
    }
}

/// Reads all relations and types, as they are at one moment.
pub fn catalog(session: &mut Session, encoding: &str) -> Result<Catalog, Error> {
    let sizes = sizes(session)?;
    within(session, Begin::Snapshot, |session| {
        catalog_now(session, encoding, sizes)
    })
}

fn catalog_now(session: &mut Session, encoding: &str, sizes: Vec<Size>) -> Result<Catalog, Error> {
    let mut files = replication::all_files(session)?;
    let mut relations: Vec<RelationInfo> =
        rows(session, include_str!("../../sql/verify_relations.sql"), &[])?;
    let mut now: HashMap<(String, String), Size> = sizes
        .into_iter()
        .map(|size| ((size.schema.clone(), size.name.clone()), size))
        .collect();
    for relation in &mut relations {
        let name = (relation.schema.clone(), relation.name.clone());
        if let Some(size) = now.remove(&name) {
            (relation.bytes, relation.pages) = (size.bytes, size.pages);
        }
        if let Some(file) = files.remove(&relation.qualified()) {
            (relation.layout, relation.versions) = (file.layout, file.versions);
        }
    }
    if session.version().at_least(10) {
        let sql = include_str!("../../sql/verify_bounds_pg10.sql");
        let mut bounds: HashMap<QualifiedName, String> = rows::<Partition>(session, sql, &[])?
            .into_iter()
            .map(|one| (QualifiedName::new(one.schema, one.name), one.bound))
            .collect();
        for relation in &mut relations {
            relation.bound = bounds.remove(&relation.qualified());
        }
    }
    let mut run = run_by_planner(session)?;
    for relation in &mut relations {
        relation.runs = run.remove(&relation.qualified());
    }
    let types: Vec<TypeInfo> = rows(session, include_str!("../../sql/verify_types.sql"), &[])?;
    let schemas = session.values(
        include_str!("../../sql/verify_schemas.sql"),
        &[],
        "a schema",
    )?;
    Ok(Catalog {
        relations,
        schemas: schemas.into_iter().collect(),
        types: Types::new(types),
        encoding: encoding.to_owned(),
    })
}

/// Tables for which the planner may run a function of an owner that the role does not trust, with that function.
pub(crate) fn run_by_planner(
    session: &mut Session,
) -> Result<HashMap<QualifiedName, String>, Error> {
    let planned = sql!(session.version(), 140_000 => "verify_planned", _ => "verify_planned_pg14");
    let mut tables = HashMap::new();
    for one in rows::<Planned>(session, planned, &[])? {
        let foreign = one.functions.unwrap_or_default();
        if let Some(function) = may_run(&one.tree, &foreign) {
            let table = QualifiedName::new(one.schema, one.name);
            tables.insert(table, function.name.clone());
        }
    }
    Ok(tables)
}

#[derive(Deserialize)]
struct Position {
    lsn: Lsn,
}

/// Where the server writes its log now. A standby has no such position.
pub fn insert_lsn(session: &mut Session) -> Result<Lsn, Error> {
    let sql =
        sql!(session.version(), 100_000 => "verify_insert_lsn_pg96", _ => "verify_insert_lsn");
    row::<Position>(session, sql, &[]).map(|found| found.lsn)
}

#[derive(Deserialize)]
struct Snapshot {
    snapshot: String,
}

/// Exports the snapshot of the transaction that is open.
pub fn export_snapshot(session: &mut Session) -> Result<String, Error> {
    let sql = include_str!("../../sql/verify_export_snapshot.sql");
    row::<Snapshot>(session, sql, &[]).map(|found| found.snapshot)
}

#[derive(Deserialize)]
struct Probe {
    probe: String,
}

/// The digest of known values on this server.
pub fn probe(session: &mut Session, digest: Digest) -> Result<Option<String>, Error> {
    let sql = match digest {
        Digest::Hash => include_str!("../../sql/verify_probe_hash.sql"),
        Digest::Md5 => include_str!("../../sql/verify_probe_md5.sql"),
        Digest::Client | Digest::Counts => return Ok(None),
    };
    row::<Probe>(session, sql, &[]).map(|found| Some(found.probe))
}
