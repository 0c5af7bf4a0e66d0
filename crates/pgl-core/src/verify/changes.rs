//! What the transactions between two snapshots did to a table.
//!
//! The source snapshot S contains exactly the transactions that it sees; the target snapshot T contains
//! exactly those that the target had applied. Both cut the sequence of the source's commits, so for each
//! decoded transaction three things can be known: S has it already (then T has it too, and it changes
//! nothing); T does not have it yet (likewise); or it lies between the two. From the last kind follows what T
//! has to hold: for a key the row of its last change, for a table without a key how many more or fewer of
//! each row. Where a transaction cannot be placed, or a change does not show its row, the answer is unknown, never a
//! guess.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::decoding::{DecodedChange, Tuple, Value, What};
use super::pairing::TablePair;
use crate::{Lsn, QualifiedName};

/// Values kept of all changes together, in bytes. Beyond this only keys are kept, and beyond four times this
/// whole tables count as changed: memory stays flat however far the target lags behind.
const ROOM: usize = 32 << 20;

/// A snapshot as `txid_current_snapshot()` prints it: `xmin:xmax:xip,xip`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XidSnapshot {
    xmin: u64,
    xmax: u64,
    running: Vec<u64>,
    /// Transactions with a number that had not ended, those from `xmax` on included; empty where they were not read.
    in_progress: Vec<u64>,
}

impl XidSnapshot {
    /// Reads the server's text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (xmin, xmax, list) = (parts.next()?, parts.next()?, parts.next()?);
        let running = list
            .split(',')
            .filter(|one| !one.is_empty())
            .map(|one| one.parse().ok())
            .collect::<Option<Vec<u64>>>()?;
        (parts.next().is_none()).then_some(())?;
        Some(Self {
            xmin: xmin.parse().ok()?,
            xmax: xmax.parse().ok()?,
            running,
            in_progress: Vec::new(),
        })
    }

    /// The same with the transactions that hold the lock on their own number. A snapshot alone does not list those that have
    /// begun to write and whose numbers are above all that have ended.
    #[must_use]
    pub fn with_in_progress(mut self, xids: &[u32]) -> Self {
        self.in_progress = xids.iter().map(|xid| self.full(*xid)).collect();
        self
    }

    /// Whether it sees a transaction that committed; the number as rows and decoded changes show it, without
    /// its epoch.
    pub fn sees(&self, xid: u32) -> bool {
        self.sees_full(self.full(xid))
    }

    fn sees_full(&self, xid: u64) -> bool {
        xid < self.xmin || xid < self.xmax && !self.running.contains(&xid)
    }

    /// The 64-bit number nearest to the snapshot.
    fn full(&self, xid: u32) -> u64 {
        let near = self.xmax & !0xffff_ffff | u64::from(xid);
        if near > self.xmax + (1 << 31) {
            near.saturating_sub(1 << 32)
        } else if near + (1 << 31) < self.xmax {
            near + (1 << 32)
        } else {
            near
        }
    }

    /// Transactions running in this snapshot that had begun to write when `earlier` was taken. Without one,
    /// everything that had committed by then is visible here.
    pub fn still_running(&self, earlier: &Self) -> Vec<u64> {
        let listed = self.running.iter().filter(|xid| **xid < earlier.xmax);
        let begun = earlier.in_progress.iter();
        let mut open: Vec<u64> = listed
            .chain(begun.filter(|xid| !self.sees_full(**xid)))
            .copied()
            .collect();
        open.sort_unstable();
        open.dedup();
        open
    }

    /// Whatever is below this had ended; also what was written in a subtransaction, which a snapshot does not list.
    pub fn xmin(&self) -> u64 {
        self.xmin
    }

    /// Numbers below this had been given out.
    pub fn xmax(&self) -> u64 {
        self.xmax
    }

    /// Transactions that were running.
    pub fn running(&self) -> &[u64] {
        &self.running
    }
}

/// How far the target had applied the source when its snapshot was taken: ends of commit records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppliedRange {
    /// Everything that ended before this is in the snapshot.
    pub from: Lsn,
    /// Whether what ended just here is in it, too.
    pub inclusive: bool,
    /// Nothing that ended after this is in it.
    pub upto: Lsn,
}

/// Whether a transaction is in the target's snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Applied {
    Yes,
    No,
    Unknown,
}

impl AppliedRange {
    /// From what the replication origin showed before and after the snapshot, where it may be read; from a position
    /// that the snapshot has for certain; and from one beyond which it can have nothing.
    pub fn of(origin: Option<Self>, sure: Option<Lsn>, upto: Lsn) -> Option<Self> {
        let sure = sure.map(|from| Self {
            from,
            inclusive: true,
            upto: origin.map_or(upto, |range| range.upto),
        });
        origin
            .into_iter()
            .chain(sure)
            .max_by_key(|range| (range.from, range.inclusive))
    }

    fn has(&self, end: Lsn) -> Applied {
        if end < self.from || end == self.from && self.inclusive {
            Applied::Yes
        } else if end > self.upto {
            Applied::No
        } else {
            Applied::Unknown
        }
    }
}

/// The columns whose values are kept, by table.
pub type WantedByTable = HashMap<QualifiedName, WantedColumns>;

/// The columns of one table whose values are kept.
#[derive(Debug, Clone, Default)]
pub struct WantedColumns {
    /// Those that are compared.
    pub all: HashSet<String>,
    /// Those of the key; all of them where there is none.
    pub key: HashSet<String>,
}

/// What to keep for these tables: under the names of all relations that hold their rows on the source. The NULL that a
/// decoded change shows for a virtual generated column is not its value: such a column counts as not shown.
pub fn wanted(pairs: &[&TablePair]) -> WantedByTable {
    let mut map = WantedByTable::new();
    for pair in pairs {
        let shown = pair.columns.iter().filter(|c| !c.is_virtual);
        let all = shown.map(|c| c.name.clone());
        let names = pair.source.iter().map(|r| r.qualified());
        for name in names.chain([pair.name.clone()]) {
            let columns = map.entry(name).or_default();
            columns.all.extend(all.clone());
            match &pair.key {
                Some(key) => columns.key.extend(key.iter().cloned()),
                None => columns.key.extend(all.clone()),
            }
        }
    }
    map
}

/// The decoded transactions, in the order of their commits.
#[derive(Debug, Default)]
pub struct ChangeLog {
    transactions: Vec<Transaction>,
    tables: HashMap<QualifiedName, Vec<Entry>>,
    count: usize,
    bytes: usize,
    /// Tables whose changes were too many to keep.
    overflowed: HashSet<QualifiedName>,
}

#[derive(Debug)]
struct Transaction {
    xid: u32,
    /// The end of its commit record; none while it is being read.
    end: Option<Lsn>,
}

#[derive(Debug)]
struct Entry {
    transaction: usize,
    /// Order over all tables.
    at: usize,
    what: What,
}

impl ChangeLog {
    /// Takes the first line of a transaction.
    pub fn begin(&mut self, xid: u32) {
        self.transactions.push(Transaction { xid, end: None });
    }

    /// Takes the last one, with the end of the commit record.
    pub fn commit(&mut self, end: Lsn) {
        if let Some(open) = self.transactions.last_mut() {
            open.end = Some(end);
        }
    }

    /// Takes a change of the open transaction.
    pub fn add(&mut self, mut change: DecodedChange, wanted: &WantedByTable) {
        let tables: Vec<QualifiedName> = change
            .tables
            .iter()
            .filter(|table| wanted.contains_key(table))
            .cloned()
            .collect();
        if tables.is_empty() {
            return;
        }
        let Some(transaction) = self.transactions.len().checked_sub(1) else {
            // A change outside of any transaction belongs nowhere: nothing can be said of its tables.
            self.overflowed.extend(tables);
            return;
        };
        trim(&mut change, wanted, self.bytes > ROOM);
        self.bytes += size(&change.what);
        self.count += 1;
        let at = self.count;
        for table in tables {
            if self.bytes > 4 * ROOM || self.overflowed.contains(&table) {
                self.tables.remove(&table);
                self.overflowed.insert(table);
                continue;
            }
            self.tables.entry(table).or_default().push(Entry {
                transaction,
                at,
                what: change.what.clone(),
            });
        }
    }

    /// Where the transaction ended that gave a column of a table this value.
    pub fn end_of(&self, table: &QualifiedName, column: &str, value: &str) -> Option<Lsn> {
        let has =
            |tuple: &Tuple| matches!(tuple.get(column), Some(Value::Text(text)) if text == value);
        let found = self
            .tables
            .get(table)?
            .iter()
            .find(|entry| match &entry.what {
                What::Insert(new) | What::Update(_, new) => has(new),
                What::Delete(_) | What::Truncate | What::Unknown => false,
            })?;
        self.transactions.get(found.transaction)?.end
    }

    /// What T has to hold beyond, or instead of, what S holds.
    pub fn effects(
        &self,
        pair: &TablePair,
        source: &XidSnapshot,
        applied: AppliedRange,
    ) -> Effects {
        let mut entries: Vec<(&Entry, &QualifiedName)> = Vec::new();
        let names: Vec<QualifiedName> = pair.source.iter().map(|r| r.qualified()).collect();
        for name in names.iter().chain(std::iter::once(&pair.name)) {
            if self.overflowed.contains(name) {
                return Effects::Unknown("too many of its rows were written in between");
            }
            if entries.iter().any(|(_, known)| *known == name) {
                continue;
            }
            if let Some(list) = self.tables.get(name) {
                entries.extend(list.iter().map(|entry| (entry, name)));
            }
        }
        entries.sort_by_key(|(entry, _)| (entry.transaction, entry.at));
        let mut between = Vec::new();
        for (entry, name) in entries {
            let Some(transaction) = self.transactions.get(entry.transaction) else {
                continue;
            };
            let known = match transaction.end.map(|end| applied.has(end)) {
                Some(Applied::Yes) if source.sees(transaction.xid) => continue,
                Some(Applied::No) if !source.sees(transaction.xid) => continue,
                Some(Applied::Yes) => true,
                // S is older than T: one that S has and T has not does not occur, and if it did, nothing would
                // be known.
                Some(Applied::No | Applied::Unknown) | None => false,
            };
            between.push(Step {
                what: &entry.what,
                known,
                identity: identity(pair, name),
            });
        }
        let outcome = match &pair.key {
            Some(key) => by_key(pair, key, &between),
            None => by_row(pair, &between),
        };
        outcome.unwrap_or_else(Effects::Unknown)
    }
}

/// One change between the snapshots.
struct Step<'a> {
    what: &'a What,
    /// Whether T has it for certain.
    known: bool,
    /// What the server writes of old rows.
    identity: Identity<'a>,
}

/// The old values that a change shows.
#[derive(Debug, Clone, Copy)]
enum Identity<'a> {
    /// These columns, when one of them changes.
    Columns(&'a [String]),
    /// The whole row; NULLs are left out.
    Full,
    /// None at all.
    Nothing,
}

fn identity<'a>(pair: &'a TablePair, table: &QualifiedName) -> Identity<'a> {
    let Some(relation) = pair.source.iter().find(|r| r.qualified() == *table) else {
        return Identity::Nothing;
    };
    let columns = match relation.replica_identity.as_str() {
        "f" => return Identity::Full,
        "d" => relation.primary_key.as_deref(),
        "i" => relation.identity_key.as_deref(),
        _ => None,
    };
    columns.map_or(Identity::Nothing, Identity::Columns)
}

/// What a table's changes come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effects {
    /// By key, or by row where there is no key; empty where nothing was written.
    Known(Vec<Effect>),
    /// Nobody can say which rows were written, and why not.
    Unknown(&'static str),
}

/// What T has to hold of one key or row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The texts of the key's columns; of all columns where there is no key.
    pub row: Vec<Option<String>>,
    /// What has become of it.
    pub then: Then,
}

/// What has become of a key or row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// The key has this row: texts of all columns.
    Row(Vec<Option<String>>),
    /// The key has this row, but for values that its changes left alone and do not show.
    Kept {
        /// Texts of all columns.
        row: Vec<Option<String>>,
        /// The key that the row has in S.
        of: Vec<Option<String>>,
        /// The columns, by number, that are as they are there.
        columns: Vec<usize>,
    },
    /// The key is gone.
    Absent,
    /// There are so many more of the row, or fewer.
    Net(i64),
    /// It was written, and what it holds now is not shown.
    Unknown,
}

type Texts = Vec<Option<String>>;

const NO_IDENTITY: &str = "rows were written whose old values the source does not log";
const VIRTUAL: &str = "rows were written whose virtual generated columns the source does not log";
const TRUNCATED: &str = "it was truncated in between";
const NOT_PLACED: &str = "transactions that write it may or may not have been applied";

fn by_key(pair: &TablePair, key: &[String], steps: &[Step<'_>]) -> Result<Effects, &'static str> {
    let columns: Vec<String> = pair.columns.iter().map(|c| c.name.clone()).collect();
    let mut rows: BTreeMap<Texts, Then> = BTreeMap::new();
    for step in steps {
        let covered = match step.identity {
            Identity::Columns(identity) => key.iter().all(|column| identity.contains(column)),
            Identity::Full => true,
            Identity::Nothing => false,
        };
        let known = |then: Then| if step.known { then } else { Then::Unknown };
        match step.what {
            What::Insert(new) => {
                let row = new.texts(&columns).map_or(Then::Unknown, Then::Row);
                rows.insert(new.texts(key).ok_or(NO_IDENTITY)?, known(row));
            }
            What::Update(old, new) => {
                if !covered {
                    return Err(NO_IDENTITY);
                }
                let now = new.texts(key).ok_or(NO_IDENTITY)?;
                let before = match old {
                    Some(old) => old.texts(key).ok_or(NO_IDENTITY)?,
                    None => now.clone(),
                };
                let row = updated(&columns, new, old.as_ref(), rows.get(&before), &before);
                if old.is_some() {
                    rows.insert(before, known(Then::Absent));
                }
                rows.insert(now, known(row));
            }
            What::Delete(old) => {
                rows.insert(old.texts(key).ok_or(NO_IDENTITY)?, known(Then::Absent));
            }
            What::Truncate => return Err(TRUNCATED),
            What::Unknown => return Err(NO_IDENTITY),
        }
    }
    let list = rows.into_iter().map(|(row, then)| Effect { row, then });
    Ok(Effects::Known(list.collect()))
}

/// The row that an UPDATE leaves. A value that it does not show is that of the old row: where the line shows that, of the
/// change before it, or of the row that S has.
fn updated(
    columns: &[String],
    new: &Tuple,
    old: Option<&Tuple>,
    before: Option<&Then>,
    of: &Texts,
) -> Then {
    let (mut row, mut kept) = (Texts::new(), Vec::new());
    for (at, column) in columns.iter().enumerate() {
        let shown = match new.get(column) {
            Some(Value::Unchanged) => old
                .and_then(|old| old.get(column))
                .filter(|value| **value != Value::Unchanged),
            None => return Then::Unknown,
            shown => shown,
        };
        row.push(match (shown, before) {
            (Some(Value::Text(text)), _) => Some(text.clone()),
            (Some(Value::Null), _) => None,
            (_, Some(Then::Row(row))) => row.get(at).cloned().flatten(),
            (_, Some(Then::Kept { row, columns, .. })) if !columns.contains(&at) => {
                row.get(at).cloned().flatten()
            }
            (_, None | Some(Then::Kept { .. })) => {
                kept.push(at);
                None
            }
            (_, Some(Then::Absent | Then::Net(_) | Then::Unknown)) => return Then::Unknown,
        });
    }
    if kept.is_empty() {
        return Then::Row(row);
    }
    let of = match before {
        Some(Then::Kept { of, .. }) => of,
        _ => of,
    };
    Then::Kept {
        row,
        of: of.clone(),
        columns: kept,
    }
}

fn by_row(pair: &TablePair, steps: &[Step<'_>]) -> Result<Effects, &'static str> {
    let columns: Vec<String> = pair.columns.iter().map(|c| c.name.clone()).collect();
    let mut rows: BTreeMap<Texts, i64> = BTreeMap::new();
    if !steps.is_empty() && pair.columns.iter().any(|column| column.is_virtual) {
        return Err(VIRTUAL);
    }
    for step in steps {
        if !step.known {
            return Err(NOT_PLACED);
        }
        // An old row leaves NULLs out; what the server computes on reading is in no row.
        let old_row = |old: &Tuple| -> Result<Texts, &'static str> {
            if !matches!(step.identity, Identity::Full)
                || pair.columns.iter().any(|c| c.generated != (false, false))
            {
                return Err(NO_IDENTITY);
            }
            let texts = columns.iter().map(|column| match old.get(column) {
                None | Some(Value::Null) => Ok(None),
                Some(Value::Text(text)) => Ok(Some(text.clone())),
                Some(Value::Unchanged) => Err(NO_IDENTITY),
            });
            texts.collect()
        };
        match step.what {
            What::Insert(new) => {
                let row = new.texts(&columns).ok_or(NO_IDENTITY)?;
                *rows.entry(row).or_default() += 1;
            }
            What::Update(Some(old), new) => {
                let gone = old_row(old)?;
                let before = Then::Row(gone.clone());
                let Then::Row(row) = updated(&columns, new, None, Some(&before), &gone) else {
                    return Err(NO_IDENTITY);
                };
                *rows.entry(gone).or_default() -= 1;
                *rows.entry(row).or_default() += 1;
            }
            What::Delete(old) => *rows.entry(old_row(old)?).or_default() -= 1,
            What::Truncate => return Err(TRUNCATED),
            What::Update(None, _) | What::Unknown => return Err(NO_IDENTITY),
        }
    }
    let list = rows
        .into_iter()
        .filter(|(_, net)| *net != 0)
        .map(|(row, net)| Effect {
            row,
            then: Then::Net(net),
        });
    Ok(Effects::Known(list.collect()))
}

fn tuples(what: &What) -> impl Iterator<Item = &Tuple> {
    let (one, two) = match what {
        What::Insert(tuple) | What::Delete(tuple) => (Some(tuple), None),
        What::Update(old, new) => (old.as_ref(), Some(new)),
        What::Truncate | What::Unknown => (None, None),
    };
    one.into_iter().chain(two)
}

/// About how much memory a change takes.
fn size(what: &What) -> usize {
    let each = |(name, value): &(String, Value)| {
        let text = match value {
            Value::Text(text) => text.len(),
            Value::Null | Value::Unchanged => 0,
        };
        name.len() + text + 64
    };
    64 + tuples(what)
        .flat_map(|tuple| &tuple.0)
        .map(each)
        .sum::<usize>()
}

/// Keeps only the columns that will be asked for.
fn trim(change: &mut DecodedChange, wanted: &WantedByTable, only_key: bool) {
    let keep = |name: &str| {
        let columns = change.tables.iter().filter_map(|table| wanted.get(table));
        columns.into_iter().any(|columns| match only_key {
            true => columns.key.contains(name),
            false => columns.all.contains(name),
        })
    };
    match &mut change.what {
        What::Insert(tuple) | What::Delete(tuple) => tuple.0.retain(|(name, _)| keep(name)),
        What::Update(old, new) => {
            new.0.retain(|(name, _)| keep(name));
            if let Some(old) = old {
                old.0.retain(|(name, _)| keep(name));
            }
        }
        What::Truncate | What::Unknown => {}
    }
}

#[cfg(test)]
mod tests;
