//! The second look while writes go on: rows that differed at first are in flight or corrupt.
//!
//! Live: a row that differs between the two snapshots of a moment and was not written in between
//! cannot be in flight. One gap is left: a transaction that committed just before the slot was made
//! may not have been visible yet to the snapshot taken right after it. So a row counts as proven
//! only when two moments, each with its own slot, say so.
//!
//! Fenced: the row's version on the source is the same before and after the target has passed a
//! position taken in between, so the target has to hold exactly this version. Again twice.
//!
//! A row that is written all the time is never called equal and never called different: unresolved.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use pgl_conn::{Error, Kind, Session};
use pgl_core::Side;
use pgl_core::verify::copy::Rows;
use pgl_core::verify::outcome::{Digest, RowDiff};
use pgl_core::verify::pairing::Pair;
use pgl_core::verify::rows::{Difference, Join, Kind as RowKind, Seen};
use pgl_core::verify::{Mode, TableResult};
use serde::Deserialize;

use crate::detail;
use crate::drill;
use crate::engine::{Engine, Found, settled};
use crate::fence::Fence;
use crate::moment::Moment;
use crate::touched::Keys;

/// Looks at rows that do not settle.
const ROUNDS: u32 = 12;
/// Proofs that a difference needs.
const PROOFS: u32 = 2;

/// A row that may be in flight.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    key: Box<[u8]>,
    texts: Vec<Option<String>>,
    /// The bucket list of the table, for tables without a key.
    buckets: (usize, Vec<u32>),
    proofs: u32,
}

/// Makes pending rows of differences, with a first proof where the moment gives one.
pub(crate) fn pending(
    engine: &Engine<'_>,
    pair: &Pair,
    moment: &Moment,
    differences: Vec<Difference>,
    count: usize,
    buckets: Vec<u32>,
) -> Result<Vec<Pending>, Error> {
    let mut texts = HashMap::new();
    if pair.key.is_some() {
        for side in [Side::Source, Side::Target] {
            texts.extend(
                detail::key_texts(engine, pair, moment, side, &differences)?
                    .into_iter()
                    .map(|(place, text)| ((side, place), text)),
            );
        }
    }
    let written = written(engine, pair, moment)?;
    let mut all = Vec::with_capacity(differences.len());
    for found in differences {
        let at = found
            .source
            .first()
            .map(|place| (Side::Source, *place))
            .or_else(|| found.target.first().map(|place| (Side::Target, *place)));
        let text = at.and_then(|at| texts.get(&at)).cloned();
        all.push(Pending {
            proofs: u32::from(written.as_ref().is_some_and(|w| !w.touches(&found.key))),
            texts: text.unwrap_or_default(),
            key: found.key,
            buckets: (count, buckets.clone()),
        });
    }
    Ok(all)
}

/// Canonical keys written between the snapshots of a moment.
enum Written {
    Keys(HashSet<Box<[u8]>>),
    All,
}

impl Written {
    fn touches(&self, key: &[u8]) -> bool {
        match self {
            Self::Keys(keys) => keys.contains(key),
            Self::All => true,
        }
    }
}

/// What was written to a table, in the form that keys have in the comparison; none where the
/// moment does not know.
fn written(engine: &Engine<'_>, pair: &Pair, moment: &Moment) -> Result<Option<Written>, Error> {
    let Some(touched) = &moment.touched else {
        return Ok(None);
    };
    let keys = match touched.of(pair) {
        Keys::All => return Ok(Some(Written::All)),
        Keys::Some(keys) => keys,
    };
    if engine.settings.digest == Digest::Client && pair.key.is_none() && !keys.is_empty() {
        // The client's digest of a row that only stands in the log cannot be had from the server.
        return Ok(Some(Written::All));
    }
    let reading = engine.reading(pair, Side::Source, 1);
    let mut all = HashSet::new();
    for some in keys.chunks(1000) {
        let sql = reading.key_images(some);
        let part = engine
            .pool
            .with(Side::Source, moment.of(Side::Source), |session| {
                key_images(session, &sql, engine.settings.digest, pair.key.is_none())
            })?;
        all.extend(part);
    }
    Ok(Some(Written::Keys(all)))
}

fn key_images(
    session: &mut Session,
    sql: &str,
    digest: Digest,
    keyless: bool,
) -> Result<Vec<Box<[u8]>>, Error> {
    let side = session.side();
    let copy = session.copy_out(sql)?;
    let read = |input| -> std::io::Result<Vec<Box<[u8]>>> {
        let mut rows = Rows::new(input)?;
        let mut out = Vec::new();
        while rows.advance()? {
            out.push(if keyless {
                let digest = u128::from(drill::number_of(rows.field(0))?) << 64
                    | u128::from(drill::number_of(rows.field(1))?);
                Box::from(digest.to_be_bytes())
            } else if digest == Digest::Client {
                let mut image = Vec::new();
                rows.image(0, &mut image);
                image.into_boxed_slice()
            } else {
                rows.field(0).unwrap_or_default().into()
            });
        }
        Ok(out)
    };
    read(std::io::BufReader::new(copy)).map_err(|error| Error::from_io(side, error))
}

/// A table with rows that do not settle at once.
pub(crate) struct Open<'a> {
    pub(crate) pair: &'a Pair,
    pub(crate) found: Found,
}

/// Looks again until every row is settled or the rounds are over; gives the finished results.
pub(crate) fn settle(
    engine: &Engine<'_>,
    mut open: Vec<Open<'_>>,
    mut next: impl FnMut(&[&Pair]) -> Result<Moment, Error>,
    mut fence: Option<(&mut Fence, Duration)>,
    done: &dyn Fn(Found),
) {
    let mut round = 0;
    let mut pause = Duration::from_millis(20);
    while !open.is_empty() && round < ROUNDS && !engine.pool.stopped() {
        round += 1;
        if round > 2 {
            engine.pool.pause(pause);
            pause = (pause * 2).min(Duration::from_secs(2));
        }
        let pairs: Vec<&Pair> = open.iter().map(|one| one.pair).collect();
        let moment = match engine.settings.mode {
            Mode::Fenced => Ok(Moment::now(None, None)),
            _ => next(&pairs),
        };
        let mut rest = Vec::new();
        for mut one in open {
            let outcome = match &moment {
                Ok(moment) => match (engine.settings.mode, &mut fence) {
                    (Mode::Fenced, Some((fence, limit))) => {
                        fenced_round(engine, &mut one, fence, *limit)
                    }
                    _ => live_round(engine, &mut one, moment),
                },
                Err(error) => Err(error.clone()),
            };
            if let Err(error) = outcome {
                engine.failed(&mut one.found.result, &error);
                one.found.pending.clear();
                done(one.found);
            } else if one.found.pending.is_empty() {
                settled(&mut one.found.result);
                done(one.found);
            } else {
                rest.push(one);
            }
        }
        open = rest;
        engine.pool.release();
    }
    for mut one in open {
        one.found.result.unresolved = one.found.pending.len() as u64;
        unresolved_rows(engine, &mut one);
        settled(&mut one.found.result);
        done(one.found);
    }
}

/// Names rows that never settled.
fn unresolved_rows(engine: &Engine<'_>, one: &mut Open<'_>) {
    let limit = usize::try_from(engine.settings.max_diffs).unwrap_or(usize::MAX);
    for row in one.found.pending.iter().take(limit) {
        let names = one.pair.key.iter().flatten();
        let key = names
            .zip(&row.texts)
            .map(|(name, text)| pgl_core::verify::outcome::KeyPart {
                name: name.clone(),
                value: text.clone().filter(|_| !engine.settings.redact),
            })
            .collect();
        one.found.result.rows.push(RowDiff {
            kind: RowKind::Changed,
            proven: false,
            key,
            source_count: 0,
            target_count: 0,
            source_partition: None,
            target_partition: None,
            columns: Vec::new(),
        });
    }
}

/// Rows of pending keys under a moment, as differences by key.
fn look(
    engine: &Engine<'_>,
    pair: &Pair,
    moment: &Moment,
    pending: &[Pending],
) -> Result<HashMap<Box<[u8]>, Difference>, Error> {
    let wanted: HashSet<&[u8]> = pending.iter().map(|row| &*row.key).collect();
    let differences = if pair.key.is_some() {
        let keys: Vec<Vec<Option<String>>> = pending.iter().map(|row| row.texts.clone()).collect();
        let (source, target) = rayon::join(
            || drill::rows_by_key(engine, pair, moment, Side::Source, &keys),
            || drill::rows_by_key(engine, pair, moment, Side::Target, &keys),
        );
        let mut join = Join::default();
        let mut put = |side, rows: Vec<Seen>| {
            for row in rows {
                if wanted.contains(&*row.key) {
                    join.add(side, row);
                }
            }
        };
        put(Side::Source, source?);
        put(Side::Target, target?);
        join.differences()
    } else {
        let (count, buckets) = pending
            .first()
            .map(|row| row.buckets.clone())
            .unwrap_or_default();
        drill::group_of(engine, pair, moment, count, &buckets)?
    };
    Ok(differences
        .into_iter()
        .filter(|found| wanted.contains(&*found.key))
        .map(|found| (found.key.clone(), found))
        .collect())
}

fn live_round(engine: &Engine<'_>, one: &mut Open<'_>, moment: &Moment) -> Result<(), Error> {
    let pair = one.pair;
    let pending = std::mem::take(&mut one.found.pending);
    let mut differing = look(engine, pair, moment, &pending)?;
    let written = written(engine, pair, moment)?;
    let mut proven = Vec::new();
    for mut row in pending {
        let Some(found) = differing.remove(&row.key) else {
            one.found.result.in_flight += 1;
            continue;
        };
        if written.as_ref().is_some_and(|w| !w.touches(&row.key)) {
            row.proofs += 1;
        }
        if row.proofs >= PROOFS {
            proven.push(found);
        } else {
            one.found.pending.push(row);
        }
    }
    prove(engine, pair, moment, proven, &mut one.found)
}

fn prove(
    engine: &Engine<'_>,
    pair: &Pair,
    moment: &Moment,
    proven: Vec<Difference>,
    found: &mut Found,
) -> Result<(), Error> {
    if proven.is_empty() {
        return Ok(());
    }
    let mut part = TableResult::new(&pair.name, found.result.status, None);
    let mut fixes = Vec::new();
    detail::report(engine, pair, moment, proven, &mut part, &mut fixes)?;
    let result = &mut found.result;
    result.missing += part.missing;
    result.extra += part.extra;
    result.changed += part.changed;
    result.rows.extend(part.rows);
    for column in part.columns {
        match result.columns.iter_mut().find(|c| c.name == column.name) {
            Some(known) => known.rows += column.rows,
            None => result.columns.push(column),
        }
    }
    found.fixes.extend(fixes);
    Ok(())
}

#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord, Clone)]
struct Version {
    place: String,
    version: String,
}

/// Versions of one key's rows on the source.
fn versions(
    engine: &Engine<'_>,
    pair: &Pair,
    row: &Pending,
) -> Result<Vec<(usize, Version)>, Error> {
    let reading = engine.reading(pair, Side::Source, 1);
    let mut all = Vec::new();
    for (at, relation) in pair.source.iter().enumerate() {
        let sql = reading.versions(relation, std::slice::from_ref(&row.texts));
        let found: Vec<Version> = engine.pool.with(Side::Source, None, |session| {
            pgl_catalog::rows(session, &sql, &[])
        })?;
        all.extend(found.into_iter().map(|version| (at, version)));
    }
    all.sort();
    Ok(all)
}

/// One look behind a fence.
fn fenced_round(
    engine: &Engine<'_>,
    one: &mut Open<'_>,
    fence: &mut Fence,
    limit: Duration,
) -> Result<(), Error> {
    let pair = one.pair;
    if pair.key.is_none() {
        return keyless_round(engine, one);
    }
    let pending = std::mem::take(&mut one.found.pending);
    let before: Result<Vec<_>, Error> = pending
        .iter()
        .map(|row| versions(engine, pair, row))
        .collect();
    let before = before?;
    let position = fence.position()?;
    fence.wait(engine.pool, position, limit)?;
    // The origin moves a moment before the applied transaction becomes visible.
    let settle_until = Instant::now() + Duration::from_millis(20);
    engine
        .pool
        .pause(settle_until.saturating_duration_since(Instant::now()));
    let moment = Moment::unrelated(engine.pool)?;
    let mut differing = look(engine, pair, &moment, &pending)?;
    one.found.result.source_lsn = Some(position);
    one.found.result.applied_lsn = fence.applied()?;
    let mut proven = Vec::new();
    for (mut row, before) in pending.into_iter().zip(before) {
        let Some(found) = differing.remove(&row.key) else {
            one.found.result.in_flight += 1;
            continue;
        };
        // Read after the comparison: unchanged from before the fence until now.
        if versions(engine, pair, &row)? == before {
            row.proofs += 1;
        } else {
            row.proofs = 0;
        }
        if row.proofs >= PROOFS {
            proven.push(found);
        } else {
            one.found.pending.push(row);
        }
    }
    prove(engine, pair, &moment, proven, &mut one.found)
}

/// Without a key no version can be followed: only equality can settle such a row.
fn keyless_round(engine: &Engine<'_>, one: &mut Open<'_>) -> Result<(), Error> {
    let moment = Moment::unrelated(engine.pool)?;
    let pending = std::mem::take(&mut one.found.pending);
    let differing = look(engine, one.pair, &moment, &pending)?;
    for row in pending {
        if differing.contains_key(&row.key) {
            one.found.pending.push(row);
        } else {
            one.found.result.in_flight += 1;
        }
    }
    Ok(())
}

/// Whether a lost holder of a snapshot made this fail: the table has to be compared again.
pub(crate) fn moment_is_gone(error: &str) -> bool {
    error.contains("SQLSTATE 22023") || error.contains("SQLSTATE 42704")
}

/// An error of its own kind for what cannot go on.
pub(crate) fn gone(side: Side) -> Error {
    Error::new(
        side,
        Kind::Lost,
        "the snapshot that the comparison rests on is gone",
    )
}
