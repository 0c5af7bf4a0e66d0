//! What the verifier reads: the catalog of one side, positions, probes of the digest functions,
//! and the statements that digest rows ([`sql`]).

pub mod replication;
pub mod sql;

use pgl_conn::{Error, Session};
use pgl_core::Lsn;
use pgl_core::verify::outcome::Digest;
use pgl_core::verify::pairing::Catalog;
use pgl_core::verify::planned::{Called, may_run};
use pgl_core::verify::types::{RelationInfo, TypeInfo, Types};
use serde::Deserialize;

use crate::{row, rows};

/// What the verifier needs to know of a database.
#[derive(Debug, Clone, Deserialize)]
pub struct DatabaseInfo {
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
pub fn database(session: &mut Session) -> Result<DatabaseInfo, Error> {
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

/// Reads all relations and types.
pub fn catalog(session: &mut Session, encoding: &str) -> Result<Catalog, Error> {
    let mut relations: Vec<RelationInfo> =
        rows(session, include_str!("../../sql/verify_relations.sql"), &[])?;
    let planned = if session.version().at_least(14) {
        include_str!("../../sql/verify_planned_pg14.sql")
    } else {
        include_str!("../../sql/verify_planned.sql")
    };
    for one in rows::<Planned>(session, planned, &[])? {
        let foreign = one.functions.unwrap_or_default();
        let Some(function) = may_run(&one.tree, &foreign) else {
            continue;
        };
        for relation in &mut relations {
            if relation.schema == one.schema && relation.name == one.name {
                relation.runs = Some(function.name.clone());
            }
        }
    }
    let types: Vec<TypeInfo> = rows(session, include_str!("../../sql/verify_types.sql"), &[])?;
    Ok(Catalog {
        relations,
        types: Types::new(types),
        encoding: encoding.to_owned(),
    })
}

#[derive(Deserialize)]
struct Position {
    lsn: Lsn,
}

/// Where the server writes its log now. A standby has no such position.
pub fn insert_lsn(session: &mut Session) -> Result<Lsn, Error> {
    let sql = if session.version().at_least(10) {
        include_str!("../../sql/verify_insert_lsn.sql")
    } else {
        include_str!("../../sql/verify_insert_lsn_pg96.sql")
    };
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
