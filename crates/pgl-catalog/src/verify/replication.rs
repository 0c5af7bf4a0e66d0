//! How the target is fed, how far it has come, and which rows were written in between.

use pgl_conn::{Error, Kind, Session, field};
use std::collections::{BTreeMap, HashMap};

use pgl_core::verify::changes::{ChangeLog, WantedByTable, XidSnapshot};
use pgl_core::verify::decoding;
use pgl_core::verify::pairing::children::ChildNow;
use pgl_core::{Lsn, QualifiedName};
use serde::Deserialize;

use crate::{row, rows};

#[derive(Deserialize)]
struct Unsynced {
    schema: String,
    name: String,
    status: String,
}

/// Tables whose initial copy is not finished, with pglogical's status letter.
pub fn unsynced(target: &mut Session) -> Result<BTreeMap<QualifiedName, String>, Error> {
    let sql = include_str!("../../sql/verify_sync_status.sql");
    let found: Vec<Unsynced> = rows(target, sql, &[])?;
    Ok(found
        .into_iter()
        .map(|one| (QualifiedName::new(one.schema, one.name), one.status))
        .collect())
}

#[derive(Deserialize)]
struct Resolution {
    how: String,
}

/// `pglogical.conflict_resolution` of the target, where a row that was written there may win over a change of the source.
pub fn conflict_resolution(target: &mut Session) -> Result<Option<String>, Error> {
    let sql = include_str!("../../sql/verify_conflict_resolution.sql");
    let found: Vec<Resolution> = rows(target, sql, &[])?;
    Ok(found.into_iter().next().map(|one| one.how))
}

/// A slot of the source.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SourceSlot {
    /// Its name.
    pub name: String,
    /// Whether somebody receives from it.
    pub active: bool,
}

/// Which of these slots the source database has.
pub fn source_slots(source: &mut Session, names: &[String]) -> Result<Vec<SourceSlot>, Error> {
    let sql = include_str!("../../sql/verify_source_slots.sql");
    rows(source, sql, &[&names])
}

#[derive(Deserialize)]
struct MaybePosition {
    lsn: Option<Lsn>,
}

/// The position that the target has applied, by its replication origins; none where there is none.
/// Needs the right to read `pg_replication_origin_status`.
pub fn applied(target: &mut Session, slots: &[String]) -> Result<Option<Lsn>, Error> {
    let sql = include_str!("../../sql/verify_applied.sql");
    row::<MaybePosition>(target, sql, &[&slots]).map(|found| found.lsn)
}

/// The position that the receivers have confirmed; about once a second, and on idle systems too.
pub fn confirmed(source: &mut Session, slots: &[String]) -> Result<Option<Lsn>, Error> {
    let sql = sql!(source.version(), 90_600 => "verify_confirmed_pg94", _ => "verify_confirmed");
    row::<MaybePosition>(source, sql, &[&slots]).map(|found| found.lsn)
}

/// What the role may do on the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct SourceRights {
    /// Whether the marker table is there.
    pub marker: bool,
    /// Whether it may be written.
    pub marker_writable: bool,
}

/// Reads them.
pub fn rights(source: &mut Session) -> Result<SourceRights, Error> {
    row(source, include_str!("../../sql/verify_rights.sql"), &[])
}

#[derive(Deserialize)]
struct Seen {
    seen: i64,
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

/// The token that the marker's row of this name has; none without a row.
pub fn marker_token(session: &mut Session, name: &str) -> Result<Option<String>, Error> {
    let sql = include_str!("../../sql/verify_marker_token.sql");
    let found: Vec<Token> = rows(session, sql, &[&name])?;
    Ok(found.into_iter().next().map(|one| one.token))
}

/// Makes a temporary slot in this session; the position from which it decodes.
pub fn slot_create(source: &mut Session, name: &str) -> Result<Lsn, Error> {
    let sql = include_str!("../../sql/verify_slot_create.sql");
    let found: MaybePosition = row(source, sql, &[&name])?;
    found.lsn.ok_or_else(|| {
        Error::new(
            source.side(),
            Kind::Protocol,
            "a replication slot without a position",
        )
    })
}

/// How long a slot may take to be made until it is clear that only running transactions hold it up.
const PROBE_MS: u32 = 200;

/// Why changes cannot be decoded: in the server's words why this session can have no slot (the plugin is not installed or not
/// allowed, the role may not replicate, or all slots are taken), or that the text of a change may have bytes that are no characters. None where they can.
pub fn undecodable(source: &mut Session) -> Result<Option<String>, Error> {
    let encoding: String = source.value(
        "SELECT pg_catalog.getdatabaseencoding()::text",
        &[],
        "the encoding",
    )?;
    if encoding == "SQL_ASCII" {
        return Ok(Some(
            "the source's database has no encoding (SQL_ASCII), and test_decoding prints bytes as they are".to_owned(),
        ));
    }
    let name = format!("pgl_verify_probe_{}", source.backend_pid());
    source.batch(&format!("SET statement_timeout = {PROBE_MS}"))?;
    let made = slot_create(source, &name);
    source.batch("SET statement_timeout = 0")?;
    match made {
        Ok(_) => slot_drop(source, &name).map(|()| None),
        Err(error) if error.is_lost() => Err(error),
        Err(error) if matches!(error.kind, Kind::Cancelled | Kind::Timeout) => Ok(None),
        Err(error) => Ok(Some(error.to_string())),
    }
}

/// Reads the transactions up to a position, in the order of their commits.
pub fn slot_changes(
    source: &mut Session,
    name: &str,
    upto: Lsn,
    wanted: &WantedByTable,
) -> Result<ChangeLog, Error> {
    const CHANGE: &str = "a change from the slot";
    let side = source.side();
    let upto = upto.to_string();
    let sql = include_str!("../../sql/verify_slot_changes.sql");
    let bad = |what: &dyn std::fmt::Display| Error::new(side, Kind::Protocol, what.to_string());
    let mut log = ChangeLog::default();
    source.for_each(sql, &[&name, &upto], |row| {
        let line: &str = field(side, &row, 2, CHANGE)?;
        if line.starts_with("BEGIN") {
            let xid: i64 = field(side, &row, 1, CHANGE)?;
            log.begin(u32::try_from(xid).map_err(|error| bad(&error))?);
        } else if line.starts_with("COMMIT") {
            let end: &str = field(side, &row, 0, CHANGE)?;
            log.commit(end.parse().map_err(|error| bad(&error))?);
        } else if let Some(change) = decoding::parse(line).map_err(|error| bad(&error))? {
            log.add(change, wanted);
        }
        Ok(())
    })
    .map_err(|error| match error.sqlstate.as_deref() {
        // No such character, or none that UTF-8 has.
        Some("22021" | "22P05") => error.with_hint(
            "the source holds bytes that are no characters, and a change with them cannot be decoded: --mode barrier compares them",
        ),
        _ => error,
    })?;
    Ok(log)
}

#[derive(Deserialize)]
struct XidText {
    snapshot: String,
}

/// Which transactions the session's snapshot sees.
pub fn xid_snapshot(session: &mut Session) -> Result<XidSnapshot, Error> {
    let sql = include_str!("../../sql/verify_xid_snapshot.sql");
    let text = row::<XidText>(session, sql, &[])?.snapshot;
    parsed(session, &text)
}

#[derive(Deserialize)]
struct InProgress {
    snapshot: String,
    xids: Vec<u32>,
}

/// A snapshot with every transaction that has not ended: what [`XidSnapshot::still_running`] asks a later one for.
pub fn xids_in_progress(session: &mut Session) -> Result<XidSnapshot, Error> {
    let sql = include_str!("../../sql/verify_xids_in_progress.sql");
    let found = row::<InProgress>(session, sql, &[])?;
    parsed(session, &found.snapshot).map(|snapshot| snapshot.with_in_progress(&found.xids))
}

fn parsed(session: &Session, text: &str) -> Result<XidSnapshot, Error> {
    XidSnapshot::parse(text).ok_or_else(|| {
        let what = format!("a snapshot that cannot be read: {text:?}");
        Error::new(session.side(), Kind::Protocol, what)
    })
}

/// How many of these transactions may have committed in the log and are not visible yet, because they wait for a
/// synchronous standby. None below 10, which does not say what a session waits for.
pub fn unfinished_commits(source: &mut Session, xids: &[u64]) -> Result<i64, Error> {
    if !source.version().at_least(10) {
        return Ok(0);
    }
    let short: Vec<i64> = xids
        .iter()
        .map(|xid| i64::from((xid & 0xffff_ffff) as u32))
        .collect();
    let sql = include_str!("../../sql/verify_unfinished_commits.sql");
    row::<Seen>(source, sql, &[&short]).map(|found| found.seen)
}

/// Which object a name stands for, the file in which it is stored, and its definition.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TableFile {
    /// `pg_class.oid`.
    pub oid: u32,
    /// `pg_class.relfilenode`.
    pub file: i64,
    /// As in [`RelationInfo::versions`](pgl_core::verify::types::RelationInfo::versions).
    pub(super) versions: String,
    /// Its definition, as in [`RelationInfo::layout`](pgl_core::verify::types::RelationInfo::layout).
    pub layout: String,
    /// The partitions with rows under a partitioned table, as in [`Pair::leaves`](pgl_core::verify::pairing::TablePair::leaves).
    pub leaves: Vec<u32>,
}

#[derive(Deserialize)]
struct NamedFile {
    schema: String,
    name: String,
    #[serde(flatten)]
    file: TableFile,
}

/// The files of tables, as they are now; without those that do not exist.
pub fn table_files(
    session: &mut Session,
    tables: &[QualifiedName],
) -> Result<HashMap<QualifiedName, TableFile>, Error> {
    let (schemas, names) = QualifiedName::split(tables);
    files(session, Some(&schemas), Some(&names))
}

/// The files of all tables, as they are now.
pub(super) fn all_files(session: &mut Session) -> Result<HashMap<QualifiedName, TableFile>, Error> {
    files(session, None, None)
}

fn files(
    session: &mut Session,
    schemas: Option<&[&str]>,
    names: Option<&[&str]>,
) -> Result<HashMap<QualifiedName, TableFile>, Error> {
    let sql = include_str!("../../sql/verify_files.sql");
    let found: Vec<NamedFile> = rows(session, sql, &[&schemas, &names])?;
    Ok(found
        .into_iter()
        .map(|one| (QualifiedName::new(one.schema, one.name), one.file))
        .collect())
}

/// All partitions and inheritance children, and what is above them, in the session's snapshot.
pub fn children(session: &mut Session) -> Result<Vec<ChildNow>, Error> {
    rows(session, include_str!("../../sql/verify_children.sql"), &[])
}

#[derive(Deserialize)]
struct Holder {
    pid: i32,
}

/// Which of these sessions keep somebody waiting for an exclusive lock on a table.
pub fn blocking(session: &mut Session, pids: &[i32]) -> Result<Vec<i32>, Error> {
    let sql = include_str!("../../sql/verify_waiting.sql");
    let found: Vec<Holder> = rows(session, sql, &[&pids])?;
    Ok(found.into_iter().map(|one| one.pid).collect())
}

/// Drops the slot.
pub fn slot_drop(source: &mut Session, name: &str) -> Result<(), Error> {
    source
        .query(include_str!("../../sql/verify_slot_drop.sql"), &[&name])
        .map(|_| ())
}
