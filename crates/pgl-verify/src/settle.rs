//! What was written between the two snapshots of a moment, and rows that one moment does not settle.
//!
//! A row that nobody wrote in between is what it is: equal, or different. A row that was written is compared with
//! what its last change before the target's snapshot left, where the decoded change shows that. What cannot be
//! decided is looked at again under another moment. A difference counts once two moments have shown it; equality
//! of a row needs one. A row that never settles is reported as unresolved.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use pgl_catalog::verify::sql::Wanted;
use pgl_conn::Error;
use pgl_core::Side;
use pgl_core::verify::TableResult;
use pgl_core::verify::changes::{Effect, Effects, Then};
use pgl_core::verify::outcome::{KeyPart, RowDiff};
use pgl_core::verify::pairing::Pair;
use pgl_core::verify::rows::{Difference, Join, Kind as RowKind, Place, Seen};
use serde::Deserialize;

use crate::detail;
use crate::drill;
use crate::engine::{Engine, Found};
use crate::moment::{Between, Moment};
use crate::outcome::settled;

/// Looks at rows that do not settle.
const ROUNDS: u32 = 14;
/// Moments in which a row that was being written has to be right: one that the source changes to and fro, and the target
/// keeps as it is, is right in half of them.
const CONFIRMATIONS: u32 = 8;
/// With more written rows than this one moment has to do.
const CONFIRMED: usize = 1000;
/// Moments that have to show a difference.
const PROOFS: u32 = 2;
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
    pair: &Pair,
    moment: &Moment,
    only: Option<&[Wanted<'_>]>,
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
    let Some(seen) = drill::given(engine, pair, Side::Source, moment, &given)? else {
        return Ok(Changed::Unknown(
            "rows were written whose keys hold a domain: reading them from the log would run its checks",
        ));
    };
    for (effect, row) in effects.into_iter().zip(seen) {
        let expect = match effect.then {
            Then::Row(_) => Expect::Row(row.digest),
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

fn add(one: Expect, two: Expect) -> Expect {
    match (one, two) {
        (Expect::Net(one), Expect::Net(two)) => Expect::Net(one + two),
        _ => Expect::Unknown,
    }
}

/// The texts of all columns, as far as they are known.
fn whole(pair: &Pair, effect: &Effect) -> Vec<Option<String>> {
    match (&effect.then, &pair.key) {
        (Then::Row(texts), _) => texts.clone(),
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

/// Rows whose version came or went between the two snapshots of the source.
fn changed_versions(
    engine: &Engine<'_>,
    pair: &Pair,
    moment: &Moment,
    only: Option<&[Wanted<'_>]>,
) -> Result<Vec<Effect>, Error> {
    let Between::Versions {
        later,
        first,
        second,
    } = &moment.between
    else {
        return Ok(Vec::new());
    };
    let short = |xid: u64| xid & 0xffff_ffff;
    let running: Vec<String> = first
        .running()
        .iter()
        .map(|xid| short(*xid).to_string())
        .collect();
    let made = format!(
        "((xmin::pg_catalog.text::pg_catalog.int8 - {} + 4294967296) % 4294967296 < {} \
         OR xmin::pg_catalog.text::pg_catalog.int8 = ANY ('{{{}}}'::pg_catalog.int8[]))",
        short(first.xmax()),
        second.xmax().saturating_sub(first.xmax()),
        running.join(",")
    );
    // A mark of deletion also comes from a lock, and stays: it counts only where the version is gone.
    let marked = "xmax::pg_catalog.text <> '0'";
    let reading = engine.reading(pair, Side::Source, 1);
    let mut rows: HashSet<Vec<Option<String>>> = HashSet::new();
    for relation in &pair.source {
        let list = |snapshot: Option<&str>, condition: &str| -> Result<Vec<Version>, Error> {
            let mut all = Vec::new();
            for keys in chunks(only) {
                let sql = reading.texts_that(relation, condition, keys);
                let part: Vec<Version> = engine.pool.with(Side::Source, snapshot, |session| {
                    pgl_catalog::rows(session, &sql, &[])
                })?;
                all.extend(part);
            }
            Ok(all)
        };
        let still: HashSet<String> = list(Some(later), marked)?
            .into_iter()
            .map(|version| version.place)
            .collect();
        let gone = list(moment.of(Side::Source), marked)?;
        rows.extend(
            gone.into_iter()
                .filter(|version| !still.contains(&version.place))
                .map(|version| version.texts),
        );
        rows.extend(
            list(Some(later), &made)?
                .into_iter()
                .map(|version| version.texts),
        );
    }
    Ok(rows
        .into_iter()
        .map(|row| Effect {
            row,
            then: Then::Unknown,
        })
        .collect())
}

/// Keys in parts; one part without any where all rows are meant.
fn chunks<'k, 'w>(only: Option<&'k [Wanted<'w>]>) -> Vec<Option<&'k [Wanted<'w>]>> {
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

/// A row that one moment has not settled.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) key: Box<[u8]>,
    pub(crate) texts: Vec<Option<String>>,
    /// Moments that showed it to be different.
    pub(crate) proofs: u32,
    /// Moments that showed it to be equal, one after the other.
    pub(crate) equal: u32,
    /// How many of those it needs.
    pub(crate) confirm: u32,
    /// Where the target's rows were then.
    pub(crate) target: Vec<Place>,
}

impl Pending {
    /// Whether each moment that decided anything has shown it to be equal.
    fn was_equal(&self) -> bool {
        self.proofs == 0 && self.equal > 0
    }
}

/// Rows of some keys on both sides, by the bytes of the key.
pub(crate) struct BothRows {
    pub(crate) source: HashMap<Box<[u8]>, Vec<Seen>>,
    pub(crate) target: HashMap<Box<[u8]>, Vec<Seen>>,
}

/// Reads them. A key may equal others by its type that are not the same bytes: those rows are left out.
pub(crate) fn rows_of(
    engine: &Engine<'_>,
    pair: &Pair,
    moment: &Moment,
    keys: &HashMap<&[u8], &Vec<Option<String>>>,
) -> Result<BothRows, Error> {
    let wanted: Vec<Wanted<'_>> = (keys.iter())
        .map(|(image, texts)| Wanted { image, texts })
        .collect();
    let read = |side: Side| -> Result<HashMap<Box<[u8]>, Vec<Seen>>, Error> {
        let mut places = HashSet::new();
        let mut map: HashMap<Box<[u8]>, Vec<Seen>> = HashMap::new();
        for row in drill::rows_by_key(engine, pair, moment, side, &wanted)? {
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
        let mut join = Join::default();
        for (side, map) in [(Side::Source, &self.source), (Side::Target, &self.target)] {
            for row in map.get(key).into_iter().flatten() {
                join.add(side, row.clone());
            }
        }
        join.differences().pop()
    }

    fn places(&self, key: &[u8]) -> Vec<Place> {
        let mut places: Vec<Place> = self
            .target
            .get(key)
            .into_iter()
            .flatten()
            .map(|row| row.place)
            .collect();
        places.sort_unstable();
        places
    }

    /// Whether the target holds what a written row has to be; none where nobody knows.
    pub(crate) fn holds(&self, key: &[u8], expect: Expect) -> Option<bool> {
        let rows = self.target.get(key).map_or(&[][..], Vec::as_slice);
        match expect {
            Expect::Row(digest) => Some(matches!(rows, [one] if one.digest == digest)),
            Expect::Absent => Some(rows.is_empty()),
            Expect::Net(_) | Expect::Unknown => None,
        }
    }
}

/// Rows to look at again: those that differ in this moment, nobody having written them, and those that were written.
pub(crate) fn pending(
    engine: &Engine<'_>,
    pair: &Pair,
    moment: &Moment,
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
        let mut target = found.target.clone();
        target.sort_unstable();
        all.push(Pending {
            proofs: 1,
            equal: 0,
            confirm: 1,
            texts: at
                .and_then(|at| texts.get(&at))
                .cloned()
                .unwrap_or_default(),
            key: found.key.clone(),
            target,
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
    pair: &Pair,
    moment: &Moment,
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
    let Some(back) = drill::given(engine, pair, side, moment, &given)? else {
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
    pub(crate) pair: &'a Pair,
    pub(crate) found: Found,
}

/// Looks again until every row is settled or the rounds are over; gives the finished results.
pub(crate) fn settle(
    engine: &Engine<'_>,
    mut open: Vec<Open<'_>>,
    mut next: impl FnMut(&[&Pair]) -> Result<Moment, Error>,
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
        let pairs: Vec<&Pair> = open.iter().map(|one| one.pair).collect();
        let moment = next(&pairs);
        let mut rest = Vec::new();
        for mut one in open {
            let outcome = match &moment {
                Ok(moment) => look(engine, &mut one, moment),
                Err(error) => Err(error.clone()),
            };
            if let (Err(error), true) = (&outcome, one.found.pending.iter().all(Pending::was_equal))
            {
                // The rows have been right in one moment; only further ones are not to be had.
                log::info!("{}: {error}", one.pair.name);
                one.found.pending.clear();
                settled(&mut one.found.result);
                done(one.found);
            } else if let Err(error) = outcome {
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
    }
    for mut one in open {
        give_up(engine, &mut one);
        settled(&mut one.found.result);
        done(one.found);
    }
}

/// What remains when the rounds are over: rows that were written each time. Those that were not what their last
/// change left, more than once, are different; of the others nobody knows.
fn give_up(engine: &Engine<'_>, one: &mut Open<'_>) {
    let (proven, unknown): (Vec<Pending>, Vec<Pending>) = std::mem::take(&mut one.found.pending)
        .into_iter()
        .filter(|row| !row.was_equal())
        .partition(|row| row.proofs >= PROOFS);
    let result = &mut one.found.result;
    result.different += proven.len() as u64;
    result.unresolved += unknown.len() as u64;
    let limit = usize::try_from(engine.settings.max_diffs).unwrap_or(usize::MAX);
    let rows = proven
        .iter()
        .map(|row| (row, true))
        .chain(unknown.iter().map(|row| (row, false)));
    for (row, proven) in rows.take(limit.saturating_sub(result.rows.len())) {
        let names = one.pair.key.iter().flatten();
        let key = names
            .zip(&row.texts)
            .map(|(name, text)| KeyPart {
                name: name.clone(),
                value: text.clone().filter(|_| !engine.settings.redact),
            })
            .collect();
        result.rows.push(RowDiff {
            kind: RowKind::Different,
            proven,
            key,
            source_count: 0,
            target_count: 0,
            source_partition: None,
            target_partition: None,
            columns: Vec::new(),
        });
    }
}

/// One look at the rows of a table that are not settled.
fn look(engine: &Engine<'_>, one: &mut Open<'_>, moment: &Moment) -> Result<(), Error> {
    let pair = one.pair;
    let wanted: Vec<Wanted<'_>> = (one.found.pending.iter())
        .map(|row| Wanted {
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
    let (mut left, mut proven, mut equal) = (Vec::new(), Vec::new(), 0);
    for row in &one.found.pending {
        let mut row = row.clone();
        let written = written.rows.get(&row.key).map(|written| written.expect);
        let (holds, difference) = match written {
            None => {
                let difference = rows.difference(&row.key);
                (Some(difference.is_none()), difference)
            }
            Some(expect) => (rows.holds(&row.key, expect), None),
        };
        match holds {
            None => {}
            Some(true) => row.equal += 1,
            Some(false) => {
                let target = rows.places(&row.key);
                // Without decoding, a row that the source had for a moment only is not told from one that it never
                // had: then it has to be the same row of the target that two moments show.
                let same = difference
                    .as_ref()
                    .is_none_or(|one| one.kind != RowKind::Extra)
                    || !matches!(moment.between, Between::Versions { .. })
                    || row.target == target;
                row.proofs = if same { row.proofs + 1 } else { 1 };
                row.target = target;
                row.equal = 0;
                row.confirm = row.confirm.max(2);
            }
        }
        match difference {
            Some(found) if row.proofs >= PROOFS => proven.push(found),
            _ if row.equal >= row.confirm => equal += 1,
            _ => left.push(row),
        }
    }
    let mut part = TableResult::new(&pair.name, one.found.result.status, None);
    let mut fixes = Vec::new();
    if !proven.is_empty() {
        detail::report(engine, pair, moment, proven, &mut part, &mut fixes)?;
    }
    if moment.rewritten(engine.pool, pair)? {
        // Nothing of this look counts.
        return Ok(());
    }
    one.found.pending = left;
    one.found.fixes.extend(fixes);
    let result = &mut one.found.result;
    result.in_flight += equal;
    merge(result, part);
    Ok(())
}

/// Adds what one look has proven.
fn merge(result: &mut TableResult, part: TableResult) {
    result.missing += part.missing;
    result.extra += part.extra;
    result.different += part.different;
    result.duplicated += part.duplicated;
    result.rows.extend(part.rows);
    for column in part.columns {
        match result.columns.iter_mut().find(|c| c.name == column.name) {
            Some(known) => known.rows += column.rows,
            None => result.columns.push(column),
        }
    }
}

/// Whether a lost holder of a snapshot made this fail: the table has to be compared again.
pub(crate) fn moment_is_gone(error: &str) -> bool {
    error.contains("SQLSTATE 22023") || error.contains("SQLSTATE 42704")
}
