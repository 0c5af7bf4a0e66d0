//! The third pass: what differs in the rows that differ: columns and both values, for as many rows
//! as asked for; and what makes the target's rows right.

use std::collections::{BTreeMap, HashMap};

use pgl_conn::Error;
use pgl_core::Side;
use pgl_core::verify::changed_keys::pair_up;
use pgl_core::verify::fix::{RowFix, TargetRow};
use pgl_core::verify::outcome::{ColumnCount, ColumnDiff, KeyPart, RowDiff, Shown, TableResult};
use pgl_core::verify::pairing::TablePair;
use pgl_core::verify::rows::{Difference, DifferenceKind, Place, Tally};
use serde::Deserialize;

use crate::engine::Engine;
use crate::snapshot_pair::SnapshotPair;

/// Rows looked at in one statement.
const AT_ONCE: usize = 100;

/// One row as the details statement gives it.
#[derive(Deserialize, Clone)]
struct Detail {
    place: String,
    digests: Vec<Option<String>>,
    texts: Vec<Option<String>>,
    lengths: Vec<Option<u64>>,
}

#[derive(Deserialize)]
struct Texts {
    place: String,
    version: String,
    texts: Vec<Option<String>>,
}

type Details = HashMap<Place, Detail>;

/// Fills in what the differences are. All of them are counted; the first ones are looked at.
pub(crate) fn report(
    engine: &Engine<'_>,
    pair: &TablePair,
    moment: &SnapshotPair,
    differences: Vec<Difference>,
    result: &mut TableResult,
    fixes: &mut Vec<RowFix>,
) -> Result<(), Error> {
    let mut tally = Tally::default();
    for found in &differences {
        tally.count(found);
    }
    let limit = usize::try_from(engine.settings.max_diffs).unwrap_or(usize::MAX);
    let looked: Vec<Difference> = differences.into_iter().take(limit).collect();
    let source = details(engine, pair, moment, Side::Source, &looked)?;
    let target = details(engine, pair, moment, Side::Target, &looked)?;
    let mut rows = Vec::new();
    for found in &looked {
        rows.extend(rows_of(pair, found, &source, &target));
    }
    if pair.key.is_none() {
        pair_up(&mut rows, &mut tally);
    }
    result.missing += tally.missing;
    result.extra += tally.extra;
    result.different += tally.different;
    result.duplicated += tally.duplicated;
    result.columns = columns(pair, &rows);
    if engine.settings.fix_sql {
        *fixes = mend(engine, pair, moment, &looked, (&source, &target))?;
    }
    if engine.settings.redact {
        redact(&mut rows);
    }
    result.rows.extend(rows);
    Ok(())
}

fn places(found: &Difference, side: Side) -> &[Place] {
    match side {
        Side::Source => &found.source,
        Side::Target => &found.target,
    }
}

/// Places by relation.
fn grouped(looked: &[Difference], side: Side) -> BTreeMap<u32, Vec<Place>> {
    let mut groups: BTreeMap<u32, Vec<Place>> = BTreeMap::new();
    for place in looked.iter().flat_map(|found| places(found, side)) {
        groups.entry(place.relation).or_default().push(*place);
    }
    groups
}

/// `(3,14)` as a place of a relation.
pub(crate) fn place(text: &str, relation: u32) -> Option<Place> {
    let (block, offset) = text.strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
    Some(Place {
        relation,
        block: block.parse().ok()?,
        offset: offset.parse().ok()?,
    })
}

fn details(
    engine: &Engine<'_>,
    pair: &TablePair,
    moment: &SnapshotPair,
    side: Side,
    looked: &[Difference],
) -> Result<Details, Error> {
    let reading = engine.reading(pair, side, 1);
    let mut all = Details::new();
    for (number, list) in grouped(looked, side) {
        let Some(relation) = pair.relations(side).get(number as usize) else {
            continue;
        };
        for some in list.chunks(AT_ONCE) {
            let sql = reading.details(relation, some);
            let rows: Vec<Detail> = engine.pool.with(side, moment.of(side), |session| {
                pgl_catalog::rows(session, &sql, &[])
            })?;
            for row in rows {
                if let Some(at) = place(&row.place, number) {
                    all.insert(at, row);
                }
            }
        }
    }
    Ok(all)
}

/// The key columns' whole text, by place.
pub(crate) fn key_texts(
    engine: &Engine<'_>,
    pair: &TablePair,
    moment: &SnapshotPair,
    side: Side,
    looked: &[Difference],
) -> Result<HashMap<Place, Vec<Option<String>>>, Error> {
    let reading = engine.reading(pair, side, 1);
    let mut all = HashMap::new();
    for (number, list) in grouped(looked, side) {
        let Some(relation) = pair.relations(side).get(number as usize) else {
            continue;
        };
        for some in list.chunks(1000) {
            let sql = reading.key_texts(relation, some);
            let rows: Vec<Texts> = engine.pool.with(side, moment.of(side), |session| {
                pgl_catalog::rows(session, &sql, &[])
            })?;
            for row in rows {
                if let Some(at) = place(&row.place, number) {
                    all.insert(at, row.texts);
                }
            }
        }
    }
    Ok(all)
}

fn partition(pair: &TablePair, side: Side, at: Option<&Place>) -> Option<String> {
    let list = pair.relations(side);
    let whole = list.len() == 1 && list.first().is_some_and(|r| r.qualified() == pair.name);
    if whole {
        return None;
    }
    let relation = list.get(at?.relation as usize)?;
    Some(relation.qualified().to_string())
}

/// One entry for each row of the difference; rows of both sides are put side by side.
fn rows_of(
    pair: &TablePair,
    found: &Difference,
    source: &Details,
    target: &Details,
) -> Vec<RowDiff> {
    let count = found.source.len().max(found.target.len());
    let keyless = pair.key.is_none();
    // Equal rows that stand there several times are one entry with counts.
    let entries = if keyless { count.min(1) } else { count };
    (0..entries)
        .map(|at| {
            let places = (found.source.get(at), found.target.get(at));
            let rows = (
                places.0.and_then(|place| source.get(place)),
                places.1.and_then(|place| target.get(place)),
            );
            let kind = match (found.kind, rows) {
                (DifferenceKind::Duplicated, (Some(_), Some(_))) => DifferenceKind::Different,
                (kind, _) => kind,
            };
            let key_row = rows.0.or(rows.1);
            RowDiff {
                kind,
                proven: true,
                key: key(pair, key_row),
                source_count: Some(found.source_count),
                target_count: Some(found.target_count),
                source_partition: partition(pair, Side::Source, places.0),
                target_partition: partition(pair, Side::Target, places.1),
                columns: Some(diff_columns(pair, rows.0, rows.1)),
            }
        })
        .collect()
}

fn key(pair: &TablePair, row: Option<&Detail>) -> Vec<KeyPart> {
    let Some(row) = row else {
        return Vec::new();
    };
    pair.key
        .iter()
        .flatten()
        .map(|name| {
            let at = pair.columns.iter().position(|column| column.name == *name);
            KeyPart {
                name: name.clone(),
                value: at.and_then(|at| row.texts.get(at).cloned().flatten()),
            }
        })
        .collect()
}

fn shown(row: Option<&Detail>, at: usize) -> Shown {
    let Some(row) = row else {
        return Shown::default();
    };
    let text = row.texts.get(at).cloned().flatten();
    Shown {
        present: true,
        null: text.is_none(),
        text,
        length: row.lengths.get(at).copied().flatten(),
        digest: row.digests.get(at).cloned().flatten(),
    }
}

fn diff_columns(pair: &TablePair, one: Option<&Detail>, two: Option<&Detail>) -> Vec<ColumnDiff> {
    let both = one.is_some() && two.is_some();
    pair.columns
        .iter()
        .enumerate()
        .map(|(at, column)| ColumnDiff {
            name: column.name.clone(),
            source: shown(one, at),
            target: shown(two, at),
        })
        .filter(|diff| !both || diff.source.digest != diff.target.digest)
        .collect()
}

fn columns(pair: &TablePair, rows: &[RowDiff]) -> Vec<ColumnCount> {
    pair.columns
        .iter()
        .filter_map(|column| {
            let count = rows
                .iter()
                .filter(|row| row.kind == DifferenceKind::Different)
                .filter(|row| row.columns.iter().flatten().any(|c| c.name == column.name))
                .count() as u64;
            (count > 0).then(|| ColumnCount {
                name: column.name.clone(),
                rows: count,
            })
        })
        .collect()
}

fn redact(rows: &mut [RowDiff]) {
    for row in rows {
        for part in &mut row.key {
            part.value = None;
        }
        for column in row.columns.iter_mut().flatten() {
            column.source.text = None;
            column.target.text = None;
        }
    }
}

/// What makes the rows looked at right.
fn mend(
    engine: &Engine<'_>,
    pair: &TablePair,
    moment: &SnapshotPair,
    looked: &[Difference],
    details: (&Details, &Details),
) -> Result<Vec<RowFix>, Error> {
    let source = texts(engine, pair, moment, Side::Source, looked)?;
    let target = texts(engine, pair, moment, Side::Target, looked)?;
    let generated = |name: &str| {
        let column = pair.columns.iter().find(|column| column.name == name);
        column.is_some_and(|column| column.generated.1)
    };
    let files = moment.files_of(pair);
    let mut all = Vec::new();
    for found in looked {
        for at in 0..found.source.len().max(found.target.len()) {
            let places = (found.source.get(at), found.target.get(at));
            let insert = places.0.and_then(|place| source.get(place)).map(|row| {
                let cells = pair.columns.iter().zip(&row.texts);
                cells
                    .filter(|(column, _)| !column.generated.1)
                    .map(|(column, text)| (column.name.clone(), text.clone()))
                    .collect()
            });
            let delete = places.1.and_then(|place| {
                let relation = pair.target.get(place.relation as usize)?;
                let version = target.get(place)?.version.clone();
                Some(TargetRow {
                    relation: relation.qualified(),
                    file: files.target(place.relation)?,
                    place: *place,
                    version,
                })
            });
            let differing = diff_columns(
                pair,
                places.0.and_then(|place| details.0.get(place)),
                places.1.and_then(|place| details.1.get(place)),
            );
            let computed = differing.iter().all(|column| generated(&column.name));
            all.push(RowFix {
                computed: differing
                    .first()
                    .filter(|_| computed && insert.is_some() && delete.is_some())
                    .map(|column| column.name.clone()),
                delete,
                insert,
            });
        }
    }
    Ok(all)
}

fn texts(
    engine: &Engine<'_>,
    pair: &TablePair,
    moment: &SnapshotPair,
    side: Side,
    looked: &[Difference],
) -> Result<HashMap<Place, Texts>, Error> {
    let reading = engine.reading(pair, side, 1);
    let mut all = HashMap::new();
    for (number, list) in grouped(looked, side) {
        let Some(relation) = pair.relations(side).get(number as usize) else {
            continue;
        };
        for some in list.chunks(AT_ONCE) {
            let sql = reading.texts(relation, some);
            let rows: Vec<Texts> = engine.pool.with(side, moment.of(side), |session| {
                pgl_catalog::rows(session, &sql, &[])
            })?;
            for row in rows {
                if let Some(at) = place(&row.place, number) {
                    all.insert(at, row);
                }
            }
        }
    }
    Ok(all)
}
