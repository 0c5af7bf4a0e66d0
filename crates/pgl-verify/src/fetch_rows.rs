//! The second pass: the rows of differing buckets, joined by key.

use std::collections::HashSet;
use std::io::BufReader;

use pgl_catalog::verify::sql::{Pages, TableReading, Texts, WantedKey};
use pgl_conn::{Error, Kind, Session};
use pgl_core::Side;
use pgl_core::verify::Buckets;
use pgl_core::verify::copy::BinaryRows;
use pgl_core::verify::outcome::Digest;
use pgl_core::verify::pairing::TablePair;
use pgl_core::verify::rows::{Difference, Place, RowJoin, RowSeen};
use pgl_core::verify::types::RelationInfo;

use crate::client;
use crate::engine::Engine;
use crate::snapshot_pair::SnapshotPair;

/// Rows of both sides held in memory at a time.
const ROWS_AT_ONCE: u64 = 200_000;

/// What the drill-down found.
pub(crate) struct Drilled {
    pub(crate) differences: Vec<Difference>,
    /// Whether all differing buckets were looked at.
    pub(crate) exact: bool,
}

/// Reads differing buckets, group by group, until `limit` differences are found; `differences` says what the rows of a group
/// come to.
pub(crate) fn rows(
    engine: &Engine<'_>,
    pair: &TablePair,
    moment: &SnapshotPair,
    (source, target): (&Buckets, &Buckets),
    buckets: &[u32],
    limit: u64,
    differences_of: &dyn Fn(RowJoin) -> Vec<Difference>,
) -> Result<Drilled, Error> {
    let mut differences = Vec::new();
    let mut rest = buckets;
    while !rest.is_empty() {
        if differences.len() as u64 >= limit.max(1) {
            return Ok(Drilled {
                differences,
                exact: false,
            });
        }
        let mut take = 0;
        let mut held = 0;
        while take < rest.len() && (take == 0 || held < ROWS_AT_ONCE) {
            let one = &rest[take..=take];
            held += source.rows_in(one) + target.rows_in(one);
            take += 1;
        }
        let (group, later) = rest.split_at(take);
        rest = later;
        let join = join_of(engine, pair, moment, source.count(), group)?;
        differences.extend(differences_of(join));
    }
    Ok(Drilled {
        differences,
        exact: true,
    })
}

/// Rows given as texts of all columns: key bytes and digests, in the order of the list. None where reading the texts would run
/// the checks of a domain.
pub(crate) fn given(
    engine: &Engine<'_>,
    pair: &TablePair,
    side: Side,
    moment: &SnapshotPair,
    rows: &[Vec<Option<String>>],
) -> Result<Option<Vec<RowSeen>>, Error> {
    let reading = engine.reading(pair, side, 1);
    let mut out = Vec::with_capacity(rows.len());
    for some in rows.chunks(500) {
        let Some(sql) = reading.given(some) else {
            return Ok(None);
        };
        let mut part = engine.pool.with(side, moment.of(side), |session| {
            if reading.digest == Digest::Client {
                client_rows(session, &reading, &sql, 0, &|_| true)
            } else {
                server_rows(session, &sql, 0)
            }
        })?;
        part.sort_by_key(|row| row.place);
        if part.len() != some.len() {
            return Err(Error::new(
                side,
                Kind::Protocol,
                "the server gave another number of rows than it was asked for",
            ));
        }
        out.extend(part);
    }
    Ok(Some(out))
}

/// Rows given as texts of all columns and a key, some of whose columns are those of the source's row with that key: like
/// [`given`], by their number in the list, as far as that row was found.
pub(crate) fn kept(
    engine: &Engine<'_>,
    pair: &TablePair,
    moment: &SnapshotPair,
    rows: &[(Texts<'_>, Texts<'_>)],
    columns: &[usize],
) -> Result<Vec<(usize, RowSeen)>, Error> {
    const AT_ONCE: usize = 500;
    let side = Side::Source;
    let reading = engine.reading(pair, side, 1);
    let mut out = Vec::new();
    for (part, some) in rows.chunks(AT_ONCE).enumerate() {
        for relation in pair.relations(side) {
            let Some(sql) = reading.kept(relation, some, columns) else {
                return Ok(out);
            };
            let found = engine.pool.with(side, moment.of(side), |session| {
                if reading.digest == Digest::Client {
                    client_rows(session, &reading, &sql, 0, &|_| true)
                } else {
                    server_rows(session, &sql, 0)
                }
            })?;
            let number =
                |row: &RowSeen| part * AT_ONCE + usize::try_from(row.place.block).unwrap_or(0);
            out.extend(found.into_iter().map(|row| (number(&row), row)));
        }
    }
    Ok(out)
}

/// The rows of both sides within some buckets.
pub(crate) fn join_of(
    engine: &Engine<'_>,
    pair: &TablePair,
    moment: &SnapshotPair,
    count: usize,
    group: &[u32],
) -> Result<RowJoin, Error> {
    let (source, target) = rayon::join(
        || side_rows(engine, pair, moment, Side::Source, count, group),
        || side_rows(engine, pair, moment, Side::Target, count, group),
    );
    let mut join = RowJoin::default();
    for row in source? {
        join.add(Side::Source, row);
    }
    for row in target? {
        join.add(Side::Target, row);
    }
    Ok(join)
}

fn side_rows(
    engine: &Engine<'_>,
    pair: &TablePair,
    moment: &SnapshotPair,
    side: Side,
    count: usize,
    group: &[u32],
) -> Result<Vec<RowSeen>, Error> {
    let reading = engine.reading(pair, side, count);
    // When most buckets differ, asking for all of them spares the test on every row.
    let all = group.len() == count;
    let mut out = Vec::new();
    for (at, relation) in pair.relations(side).iter().enumerate() {
        let number = u32::try_from(at).unwrap_or(u32::MAX);
        let part = engine.pool.with(side, moment.of(side), |session| {
            if reading.digest == Digest::Client {
                let wanted: HashSet<u64> = group.iter().map(|b| u64::from(*b)).collect();
                let mask = (count as u64).saturating_sub(1);
                let sql = reading.whole(relation, Pages::ALL);
                let test = |hash: u64| all || wanted.contains(&(hash & mask));
                client_rows(session, &reading, &sql, number, &test)
            } else {
                let sql = reading.rows(relation, Pages::ALL, (!all).then_some(group));
                server_rows(session, &sql, number)
            }
        })?;
        out.extend(part);
    }
    Ok(out)
}

/// Rows with some keys: through an index where one can find them, and then others may be among them; else by their bytes, in the
/// whole table.
pub(crate) fn rows_by_key(
    engine: &Engine<'_>,
    pair: &TablePair,
    moment: &SnapshotPair,
    side: Side,
    keys: &[WantedKey<'_>],
) -> Result<Vec<RowSeen>, Error> {
    let reading = engine.reading(pair, side, 1);
    let index = reading.by_index();
    // Without an index each statement reads the whole table.
    let at_once = if index { 500 } else { keys.len().max(1) };
    let mut out = Vec::new();
    for (at, relation) in pair.relations(side).iter().enumerate() {
        let number = u32::try_from(at).unwrap_or(u32::MAX);
        for some in keys.chunks(at_once) {
            let part = engine.pool.with(side, moment.of(side), |session| {
                by_key(session, &reading, relation, number, some, index)
            })?;
            out.extend(part);
        }
    }
    Ok(out)
}

fn by_key(
    session: &mut Session,
    reading: &TableReading<'_>,
    relation: &RelationInfo,
    number: u32,
    keys: &[WantedKey<'_>],
    index: bool,
) -> Result<Vec<RowSeen>, Error> {
    if reading.digest == Digest::Client {
        let wanted: HashSet<u64> = keys
            .iter()
            .map(|key| client::bucket_hash(key.image))
            .collect();
        let sql = reading.whole_by_key(relation, keys, index);
        client_rows(session, reading, &sql, number, &|hash| {
            wanted.contains(&hash)
        })
    } else {
        server_rows(session, &reading.rows_by_key(relation, keys, index), number)
    }
}

fn client_rows(
    session: &mut Session,
    reading: &TableReading<'_>,
    sql: &str,
    number: u32,
    wanted: &dyn Fn(u64) -> bool,
) -> Result<Vec<RowSeen>, Error> {
    let side = session.side();
    let keys = reading.pair.key.as_ref().map_or(0, Vec::len);
    let mut out = Vec::new();
    let copy = session.copy_out(sql)?;
    client::rows(
        BufReader::with_capacity(1 << 16, copy),
        keys,
        number,
        wanted,
        &mut out,
    )
    .map_err(|error| Error::from_io(side, error))?;
    Ok(out)
}

/// Key bytes, both digests, place.
fn server_rows(session: &mut Session, sql: &str, number: u32) -> Result<Vec<RowSeen>, Error> {
    let side = session.side();
    let copy = session.copy_out(sql)?;
    read(BufReader::with_capacity(1 << 16, copy), number)
        .map_err(|error| Error::from_io(side, error))
}

fn read(input: impl std::io::Read, number: u32) -> std::io::Result<Vec<RowSeen>> {
    let mut rows = BinaryRows::new(input)?;
    let mut out = Vec::new();
    while rows.advance()? {
        let digest =
            u128::from(number_of(rows.field(1))?) << 64 | u128::from(number_of(rows.field(2))?);
        let (block, offset) = client::place(rows.field(3))?;
        let key = match rows.field(0) {
            Some(bytes) => bytes.into(),
            None => Box::from(digest.to_be_bytes()),
        };
        out.push(RowSeen {
            key,
            digest,
            place: Place {
                relation: number,
                block,
                offset,
            },
        });
    }
    Ok(out)
}

pub(crate) fn number_of(field: Option<&[u8]>) -> std::io::Result<u64> {
    field
        .and_then(|bytes| bytes.try_into().ok())
        .map(u64::from_be_bytes)
        .ok_or_else(|| {
            std::io::Error::new(std::io::ErrorKind::InvalidData, "a row without its digest")
        })
}
