//! What was written between the two snapshots of a moment, and rows that one moment does not settle.
//!
//! A row that nobody wrote in between is what it is: equal, or different. A row that was written is compared with
//! what its last change before the target's snapshot left, where the decoded change shows that. What one moment cannot
//! decide is looked at again under another one. The first moment that shows a difference decides the table, and all
//! that is counted is counted in that moment. A row that no moment has decided, and whose key is then on neither side, may
//! exist under another key: the whole table is compared again. A row that is never decided is reported as unresolved.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::time::Duration;

use pgl_catalog::verify::sql::WantedKey;
use pgl_conn::{Error, Kind};
use pgl_core::Side;
use pgl_core::verify::changes::{Effect, Effects, Then};
use pgl_core::verify::outcome::{KeyPart, RowDiff};
use pgl_core::verify::pairing::TablePair;
use pgl_core::verify::rows::{Difference, DifferenceKind as RowKind, Place, RowJoin, RowSeen};
use pgl_core::verify::types::RelationInfo;
use pgl_core::verify::{Status, TableResult};
use serde::Deserialize;

use crate::detail;
use crate::engine::{Engine, Found, Pending};
use crate::fetch_rows;
use crate::snapshot_pair::{Between, Since, SnapshotPair, redefined};

/// Looks at rows that do not settle.
const ROUNDS: u32 = 14;
/// Moments in which a row that was being written has to be right: one that the source changes to and fro, and the target
/// keeps as it is, is right in half of them.
const CONFIRMATIONS: u32 = 8;
/// With more written rows than this one moment has to do.
const CONFIRMED: usize = 1000;
/// Rows in one statement.
const AT_ONCE: usize = 500;

/// Rows written between the snapshots, by the bytes of their key; of the whole row's digest where there is no key.
#[derive(Default)]
pub(crate) struct Written {
    pub(crate) rows: HashMap<Box<[u8]>, WrittenRow>,
}

/// One of them.
pub(crate) struct WrittenRow {
    /// The key's columns as text; all columns where there is no key.
    pub(crate) texts: Vec<Option<String>>,
    pub(crate) expect: Expect,
}

/// What the target has to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// A row with this digest.
    Row(u128),
    /// No row.
    Absent,
    /// So many more of the row than the source's snapshot has, or fewer.
    Net(i64),
    /// Nobody knows.
    Unknown,
}

/// What was written, or why that is not known.
pub(crate) enum Changed {
    Rows(Written),
    Unknown(&'static str),
}

/// What was written to a table between the snapshots of a moment; with `only`, as far as these keys go.
pub(crate) fn written(
    engine: &Engine<'_>,
    pair: &TablePair,
    moment: &SnapshotPair,
    only: Option<&[WantedKey<'_>]>,
) -> Result<Changed, Error> {
    let effects = match &moment.between {
        Between::Nothing => return Ok(Changed::Rows(Written::default())),
        Between::Decoded {
            log,
            source,
            applied,
        } => log.effects(pair, source, *applied),
        Between::Versions { .. } => Effects::Known(changed_versions(engine, pair, moment, only)?),
    };
    let mut effects = match effects {
        Effects::Known(effects) => effects,
        Effects::Unknown(why) => return Ok(Changed::Unknown(why)),
    };
    let readable = engine.reading(pair, Side::Source, 1).reads_all();
    if engine.settings.condition.is_some() || !readable {
        // Whether a row meets the condition is not known from its change, nor is a value that is not read.
        for effect in &mut effects {
            effect.then = Then::Unknown;
        }
    }
    let mut written = Written::default();
    let given: Vec<Vec<Option<String>>> =
        effects.iter().map(|effect| whole(pair, effect)).collect();
    let Some(seen) = fetch_rows::given(engine, pair, Side::Source, moment, &given)? else {
        return Ok(Changed::Unknown(
            "rows were written whose keys hold a domain: reading them from the log would run its checks",
        ));
    };
    let kept = kept(engine, pair, moment, &effects)?;
    for (at, (effect, row)) in effects.into_iter().zip(seen).enumerate() {
        let expect = match effect.then {
            Then::Row(_) => Expect::Row(row.digest),
            Then::Kept { .. } => kept
                .get(&at)
                .map_or(Expect::Unknown, |one| Expect::Row(*one)),
            Then::Absent => Expect::Absent,
            Then::Net(net) => Expect::Net(net),
            Then::Unknown => Expect::Unknown,
        };
        let texts = effect.row;
        written
            .rows
            .entry(row.key)
            // Two texts of one value: which came last is not known.
            .and_modify(|known| known.expect = add(known.expect, expect))
            .or_insert(WrittenRow { texts, expect });
    }
    Ok(Changed::Rows(written))
}

/// Digests of rows some of whose values are those of the row that the source's snapshot has, by the effect's number.
fn kept(
    engine: &Engine<'_>,
    pair: &TablePair,
    moment: &SnapshotPair,
    effects: &[Effect],
) -> Result<HashMap<usize, u128>, Error> {
    type Row<'e> = (&'e [Option<String>], &'e [Option<String>]);
    let mut groups: HashMap<&[usize], Vec<(usize, Row<'_>)>> = HashMap::new();
    for (at, effect) in effects.iter().enumerate() {
        if let Then::Kept { row, of, columns } = &effect.then {
            groups.entry(columns).or_default().push((at, (row, of)));
        }
    }
    let mut digests = HashMap::new();
    for (columns, group) in groups {
        let rows: Vec<Row<'_>> = group.iter().map(|(_, row)| *row).collect();
        for (number, row) in fetch_rows::kept(engine, pair, moment, &rows, columns)? {
            if let Some((at, _)) = group.get(number) {
                digests.insert(*at, row.digest);
            }
        }
    }
    Ok(digests)
}

fn add(one: Expect, two: Expect) -> Expect {
    match (one, two) {
        (Expect::Net(one), Expect::Net(two)) => Expect::Net(one + two),
        _ => Expect::Unknown,
    }
}

/// The texts of all columns, as far as they are known.
fn whole(pair: &TablePair, effect: &Effect) -> Vec<Option<String>> {
    match (&effect.then, &pair.key) {
        (Then::Row(row) | Then::Kept { row, .. }, _) => row.clone(),
        (_, None) => effect.row.clone(),
        (_, Some(key)) => pair
            .columns
            .iter()
            .map(|column| {
                let at = key.iter().position(|name| *name == column.name)?;
                effect.row.get(at).cloned().flatten()
            })
            .collect(),
    }
}

#[derive(Deserialize)]
struct Version {
    place: String,
    texts: Vec<Option<String>>,
}

/// A condition on the transaction that made a row's version: one of these.
fn made_by(xids: &Range<u64>) -> String {
    format!(
        "(xmin::pg_catalog.text::pg_catalog.int8 - {} + 4294967296) % 4294967296 < {}",
        xids.start & 0xffff_ffff,
        xids.end.saturating_sub(xids.start)
    )
}

/// The rows of a relation that meet a condition.
struct Versions<'a> {
    engine: &'a Engine<'a>,
    pair: &'a TablePair,
    only: Option<&'a [WantedKey<'a>]>,
}

impl Versions<'_> {
    fn list(
        &self,
        side: Side,
        relation: &RelationInfo,
        snapshot: Option<&str>,
        condition: &str,
    ) -> Result<Vec<Version>, Error> {
        let reading = self.engine.reading(self.pair, side, 1);
        let mut all = Vec::new();
        for keys in chunks(self.only) {
            let sql = reading.texts_that(relation, condition, keys);
            let part: Vec<Version> = self.engine.pool.with(side, snapshot, |session| {
                pgl_catalog::rows(session, &sql, &[])
            })?;
            all.extend(part);
        }
        Ok(all)
    }

    /// Those that one snapshot sees and the other does not. Both are held: no place that one of them sees is used again.
    fn in_one(
        &self,
        side: Side,
        relation: &RelationInfo,
        condition: &str,
        there: Option<&str>,
        not_there: Option<&str>,
    ) -> Result<Vec<Version>, Error> {
        let mut found = self.list(side, relation, there, condition)?;
        if !found.is_empty() {
            let other = self.list(side, relation, not_there, condition)?;
            let other: HashSet<String> = other.into_iter().map(|one| one.place).collect();
            found.retain(|one| !other.contains(&one.place));
        }
        Ok(found)
    }
}

/// Rows whose version came or went between the two snapshots of the source.
fn changed_versions(
    engine: &Engine<'_>,
    pair: &TablePair,
    moment: &SnapshotPair,
    only: Option<&[WantedKey<'_>]>,
) -> Result<Vec<Effect>, Error> {
    let Between::Versions {
        later,
        first,
        second,
        ..
    } = &moment.between
    else {
        return Ok(Vec::new());
    };
    let versions = Versions { engine, pair, only };
    // From xmin on: a snapshot lists no subtransaction, and each has a number above its transaction's.
    let made = made_by(&(first.xmin()..second.xmax()));
    // A mark of deletion also comes from a lock, and stays: it counts only where the version is gone.
    let marked = "xmax::pg_catalog.text <> '0'";
    let mut rows: HashSet<Vec<Option<String>>> = HashSet::new();
    for relation in &pair.source {
        let (now, before) = (Some(later.as_str()), moment.of(Side::Source));
        for (condition, there, not_there) in [(marked, before, now), (&made, now, before)] {
            let found = versions.in_one(Side::Source, relation, condition, there, not_there)?;
            rows.extend(found.into_iter().map(|version| version.texts));
        }
    }
    Ok(rows
        .into_iter()
        .map(|row| Effect {
            row,
            then: Then::Unknown,
        })
        .collect())
}

/// Rows of the target that were written there since before the first snapshot of the source: without decoding, one that
/// the source had between its two snapshots only leaves nothing else behind.
pub(crate) fn new_on_target(
    engine: &Engine<'_>,
    pair: &TablePair,
    moment: &SnapshotPair,
    only: Option<&[WantedKey<'_>]>,
) -> Result<HashSet<Place>, Error> {
    let mut places = HashSet::new();
    let Between::Versions {
        earlier,
        target_xids,
        ..
    } = &moment.between
    else {
        return Ok(places);
    };
    let versions = Versions { engine, pair, only };
    for (number, relation) in (0..).zip(&pair.target) {
        let (now, earlier) = (moment.of(Side::Target), Some(earlier.as_str()));
        let made = made_by(target_xids);
        let found = versions.in_one(Side::Target, relation, &made, now, earlier)?;
        places.extend(
            found
                .iter()
                .filter_map(|one| detail::place(&one.place, number)),
        );
    }
    Ok(places)
}

/// Keys in parts; one part without any where all rows are meant.
fn chunks<'k, 'w>(only: Option<&'k [WantedKey<'w>]>) -> Vec<Option<&'k [WantedKey<'w>]>> {
    match only {
        None => vec![None],
        Some(keys) => keys.chunks(AT_ONCE).map(Some).collect(),
    }
}

/// How many moments each of so many written rows has to be right in.
pub(crate) fn confirmations(written: usize) -> u32 {
    if written > CONFIRMED {
        1
    } else {
        CONFIRMATIONS
    }
}

/// A row that was written and is not what its last change left.
pub(crate) struct NotApplied {
    pub(crate) kind: RowKind,
    pub(crate) texts: Vec<Option<String>>,
}

/// Rows of some keys on both sides, by the bytes of the key.
pub(crate) struct BothRows {
    pub(crate) source: HashMap<Box<[u8]>, Vec<RowSeen>>,
    pub(crate) target: HashMap<Box<[u8]>, Vec<RowSeen>>,
}

/// Reads them. A key may equal others by its type that are not the same bytes: those rows are left out.
pub(crate) fn rows_of(
    engine: &Engine<'_>,
    pair: &TablePair,
    moment: &SnapshotPair,
    keys: &HashMap<&[u8], &Vec<Option<String>>>,
) -> Result<BothRows, Error> {
    let wanted: Vec<WantedKey<'_>> = (keys.iter())
        .map(|(image, texts)| WantedKey { image, texts })
        .collect();
    let read = |side: Side| -> Result<HashMap<Box<[u8]>, Vec<RowSeen>>, Error> {
        let mut places = HashSet::new();
        let mut map: HashMap<Box<[u8]>, Vec<RowSeen>> = HashMap::new();
        for row in fetch_rows::rows_by_key(engine, pair, moment, side, &wanted)? {
            if keys.contains_key(&*row.key) && places.insert(row.place) {
                map.entry(row.key.clone()).or_default().push(row);
            }
        }
        Ok(map)
    };
    let (source, target) = rayon::join(|| read(Side::Source), || read(Side::Target));
    Ok(BothRows {
        source: source?,
        target: target?,
    })
}

impl BothRows {
    /// The difference of one key, where there is one.
    fn difference(&self, key: &[u8]) -> Option<Difference> {
        let mut join = RowJoin::default();
        for (side, map) in [(Side::Source, &self.source), (Side::Target, &self.target)] {
            for row in map.get(key).into_iter().flatten() {
                join.add(side, row.clone());
            }
        }
        join.differences().pop()
    }

    /// Whether the target has the key at one of these places.
    fn any_of(&self, key: &[u8], places: &HashSet<Place>) -> bool {
        let mut rows = self.target.get(key).into_iter().flatten();
        rows.any(|row| places.contains(&row.place))
    }

    /// In which way the target does not hold what a written row has to be; none where it does, and none at all where
    /// nobody knows.
    pub(crate) fn compared(&self, key: &[u8], expect: Expect) -> Option<Option<RowKind>> {
        let rows = self.target.get(key).map_or(&[][..], Vec::as_slice);
        match (expect, rows) {
            (Expect::Row(digest), [one]) if one.digest == digest => Some(None),
            (Expect::Row(_), []) => Some(Some(RowKind::Missing)),
            (Expect::Row(_), _) => Some(Some(RowKind::Different)),
            (Expect::Absent, []) => Some(None),
            (Expect::Absent, _) => Some(Some(RowKind::Extra)),
            (Expect::Net(_) | Expect::Unknown, _) => None,
        }
    }

    /// Whether the target has no row with the key.
    fn absent(&self, key: &[u8]) -> bool {
        self.target.get(key).is_none_or(Vec::is_empty)
    }
}

/// Rows to look at again of those that differ in this moment; and how many could not be found again.
pub(crate) fn pending(
    engine: &Engine<'_>,
    pair: &TablePair,
    moment: &SnapshotPair,
    differences: &[Difference],
) -> Result<(Vec<Pending>, u64), Error> {
    let mut texts = HashMap::new();
    for side in [Side::Source, Side::Target] {
        texts.extend(
            detail::key_texts(engine, pair, moment, side, differences)?
                .into_iter()
                .map(|(place, text)| ((side, place), text)),
        );
    }
    let mut all = Vec::with_capacity(differences.len());
    for found in differences {
        let at = found
            .source
            .first()
            .map(|place| (Side::Source, *place))
            .or_else(|| found.target.first().map(|place| (Side::Target, *place)));
        all.push(Pending {
            equal: 0,
            confirm: 1,
            texts: at
                .and_then(|at| texts.get(&at))
                .cloned()
                .unwrap_or_default(),
            key: found.key.clone(),
        });
    }
    let before = all.len();
    for side in [Side::Source, Side::Target] {
        all = findable(engine, pair, moment, side, all)?;
    }
    let lost = (before - all.len()) as u64;
    Ok((all, lost))
}

/// Those whose key comes back from its text as the same bytes: others could not be found again, and a row that is found on
/// neither side would pass for equal.
fn findable(
    engine: &Engine<'_>,
    pair: &TablePair,
    moment: &SnapshotPair,
    side: Side,
    rows: Vec<Pending>,
) -> Result<Vec<Pending>, Error> {
    if !engine.reading(pair, side, 1).by_index() {
        // Found by its bytes.
        return Ok(rows);
    }
    let given: Vec<Vec<Option<String>>> = rows
        .iter()
        .map(|row| {
            whole(
                pair,
                &Effect {
                    row: row.texts.clone(),
                    then: Then::Unknown,
                },
            )
        })
        .collect();
    let Some(back) = fetch_rows::given(engine, pair, side, moment, &given)? else {
        return Ok(rows);
    };
    Ok(rows
        .into_iter()
        .zip(back)
        .filter(|(row, back)| row.key == back.key)
        .map(|(row, _)| row)
        .collect())
}

/// A table with rows that do not settle at once.
pub(crate) struct Open<'a> {
    pub(crate) pair: &'a TablePair,
    pub(crate) found: Found,
}

/// Looks again until every row is settled or the rounds are over; gives the finished results.
pub(crate) fn settle(
    engine: &Engine<'_>,
    mut open: Vec<Open<'_>>,
    mut next: impl FnMut(&[&TablePair]) -> Result<SnapshotPair, Error>,
    done: &dyn Fn(Found),
) {
    let mut round = 0;
    let mut pause = Duration::from_millis(20);
    while !open.is_empty() && round < ROUNDS && !engine.pool.stopped() {
        round += 1;
        if round > CONFIRMATIONS {
            engine.pool.pause(pause);
            pause = (pause * 2).min(Duration::from_secs(2));
        }
        let pairs: Vec<&TablePair> = open.iter().map(|one| one.pair).collect();
        let moment = next(&pairs);
        let mut rest = Vec::new();
        for mut one in open {
            let outcome = match &moment {
                Ok(moment) => look(engine, &mut one, moment)
                    .map_err(|error| moment.cause(engine.pool, one.pair, error)),
                Err(error) => Err(error.clone()),
            };
            if let (Err(error), true) = (&outcome, one.found.pending.iter().all(Pending::was_equal))
            {
                // The rows have been right in one moment; only further ones are not to be had.
                log::info!("{}: {error}", one.pair.name);
                one.found.pending.clear();
                one.found.result.settle();
                done(one.found);
            } else if matches!(&outcome, Err(error) if error.kind == Kind::NotYet) {
                give_up(engine, one.pair, &mut one.found);
                if one.found.result.status == Status::Inconclusive {
                    one.found.result.reason = outcome.err().map(|error| error.to_string());
                }
                done(one.found);
            } else if let Err(error) = outcome {
                engine.failed(&mut one.found.result, &error);
                one.found.pending.clear();
                done(one.found);
            } else if one.found.again.is_some() || one.found.result.proven() > 0 {
                done(one.found);
            } else if one.found.pending.is_empty() {
                one.found.result.settle();
                done(one.found);
            } else {
                rest.push(one);
            }
        }
        open = rest;
    }
    for mut one in open {
        give_up(engine, one.pair, &mut one.found);
        done(one.found);
    }
}

/// Finishes a table: rows that no moment has decided are unresolved.
pub(crate) fn give_up(engine: &Engine<'_>, pair: &TablePair, found: &mut Found) {
    let unknown: Vec<Pending> = std::mem::take(&mut found.pending)
        .into_iter()
        .filter(|row| !row.was_equal())
        .collect();
    let result = &mut found.result;
    result.unresolved += unknown.len() as u64;
    if result.unresolved > 0 {
        result.counts_exact = false;
    }
    let rows = unknown.iter().map(|row| (RowKind::Different, &row.texts));
    list(engine, pair, result, rows, false);
    result.settle();
}

/// Counts and lists rows that were written and are not what their last change left.
pub(crate) fn not_applied(
    engine: &Engine<'_>,
    pair: &TablePair,
    rows: &[NotApplied],
    result: &mut TableResult,
) {
    for row in rows {
        match row.kind {
            RowKind::Missing => result.missing += 1,
            RowKind::Extra => result.extra += 1,
            RowKind::Different | RowKind::Duplicated => result.different += 1,
        }
    }
    let rows = rows.iter().map(|row| (row.kind, &row.texts));
    list(engine, pair, result, rows, true);
}

/// Lists rows of which only the key is known, as many as asked for.
fn list<'r>(
    engine: &Engine<'_>,
    pair: &TablePair,
    result: &mut TableResult,
    rows: impl Iterator<Item = (RowKind, &'r Vec<Option<String>>)>,
    proven: bool,
) {
    let limit = usize::try_from(engine.settings.max_diffs).unwrap_or(usize::MAX);
    let room = limit.saturating_sub(result.rows.len());
    result.rows.extend(rows.take(room).map(|(kind, texts)| {
        let names = pair.key.iter().flatten();
        RowDiff {
            kind,
            proven,
            key: names
                .zip(texts)
                .map(|(name, text)| KeyPart {
                    name: name.clone(),
                    value: text.clone().filter(|_| !engine.settings.redact),
                })
                .collect(),
            source_count: None,
            target_count: None,
            source_partition: None,
            target_partition: None,
            columns: None,
        }
    }));
}

/// One look at the rows of a table that are not settled.
fn look(engine: &Engine<'_>, one: &mut Open<'_>, moment: &SnapshotPair) -> Result<(), Error> {
    let pair = one.pair;
    if moment.files_of(pair) != one.found.files {
        one.found.pending.clear();
        one.found.again =
            Some("it was truncated or rewritten after rows of it were compared".to_owned());
        return Ok(());
    }
    let wanted: Vec<WantedKey<'_>> = (one.found.pending.iter())
        .map(|row| WantedKey {
            image: &row.key,
            texts: &row.texts,
        })
        .collect();
    let Changed::Rows(written) = written(engine, pair, moment, Some(&wanted))? else {
        return Ok(());
    };
    let keys: HashMap<&[u8], &Vec<Option<String>>> = one
        .found
        .pending
        .iter()
        .map(|row| (&*row.key, &row.texts))
        .collect();
    let rows = rows_of(engine, pair, moment, &keys)?;
    let (mut left, mut proven, mut late) = (Vec::new(), Vec::new(), Vec::new());
    let (mut equal, mut gone) = (0, 0);
    let new_there = new_on_target(engine, pair, moment, Some(&wanted))?;
    for row in &one.found.pending {
        let mut row = row.clone();
        let expect = written.rows.get(&row.key).map(|written| written.expect);
        let outcome = match expect {
            None => Some(rows.difference(&row.key).map(|found| {
                let kind = found.kind;
                (kind, Some(found))
            })),
            Some(expect) => {
                (rows.compared(&row.key, expect)).map(|kind| kind.map(|kind| (kind, None)))
            }
        };
        match outcome {
            None => left.push(row),
            // Nothing is known of the row that had this key.
            Some(None) if !row.was_equal() && rows.absent(&row.key) => gone += 1,
            Some(None) => {
                row.equal += 1;
                if row.equal >= row.confirm {
                    equal += 1;
                } else {
                    left.push(row);
                }
            }
            Some(Some((kind, found))) => {
                if kind == RowKind::Extra && rows.any_of(&row.key, &new_there) {
                    left.push(row);
                    continue;
                }
                match found {
                    Some(found) => proven.push(found),
                    None => late.push(NotApplied {
                        kind,
                        texts: row.texts,
                    }),
                }
            }
        }
    }
    let different = !proven.is_empty() || !late.is_empty();
    let mut result = one.found.result.clone();
    let mut fixes = Vec::new();
    if different {
        // The rest of the table is not looked at in this moment; the digests are of an earlier one.
        result.counts_exact = false;
        (result.source_digest, result.target_digest) = (None, None);
        (result.source_lsn, result.applied_lsn) = (moment.source_lsn, moment.applied_lsn);
        if !proven.is_empty() {
            detail::report(engine, pair, moment, proven, &mut result, &mut fixes)?;
        }
        not_applied(engine, pair, &late, &mut result);
    }
    match moment.since(engine.pool, pair)? {
        Since::Nothing => {}
        // Nothing of this look counts.
        Since::Rewritten => return Ok(()),
        Since::Redefined(side) => return Err(redefined(side)),
    }
    result.in_flight += equal;
    let found = &mut one.found;
    found.pending = left;
    found.fixes.extend(fixes);
    found.result = result;
    if different {
        found.result.unresolved += gone;
        give_up(engine, pair, found);
    } else if gone > 0 {
        found.pending.clear();
        found.result.unresolved += gone;
        found.again = Some(
            "rows were deleted, or their keys changed, before a moment could decide them"
                .to_owned(),
        );
    }
    Ok(())
}

/// Whether a lost holder of a snapshot made this fail: the table has to be compared again.
pub(crate) fn moment_is_gone(error: &str) -> bool {
    error.contains("SQLSTATE 22023") || error.contains("SQLSTATE 42704")
}
