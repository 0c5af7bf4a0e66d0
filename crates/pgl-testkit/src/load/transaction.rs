//! What one transaction does to the rows of its session, as SQL and as the ledger sees it.

use std::collections::BTreeMap;
use std::fmt::Write;

/// A kind of transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One to five new rows.
    Insert,
    /// New revisions of one to five rows.
    Update,
    /// One row goes.
    Delete,
    /// The primary key of one row changes.
    KeyChange,
    /// Very many rows at once: new ones, or new revisions of what a large insert made.
    Large,
    /// Changes that are rolled back by ROLLBACK.
    RolledBack,
    /// Changes of which a part is rolled back by ROLLBACK TO SAVEPOINT.
    Savepoint,
}

/// How often each kind comes, as weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mix(Vec<(Kind, u32)>);

impl Default for Mix {
    fn default() -> Self {
        Self(vec![
            (Kind::Insert, 40),
            (Kind::Update, 30),
            (Kind::Delete, 8),
            (Kind::KeyChange, 6),
            (Kind::Large, 1),
            (Kind::RolledBack, 5),
            (Kind::Savepoint, 10),
        ])
    }
}

impl Mix {
    /// Exactly these kinds; weights of zero leave a kind out.
    pub fn of(weights: &[(Kind, u32)]) -> Self {
        Self(
            weights
                .iter()
                .copied()
                .filter(|(_, weight)| *weight > 0)
                .collect(),
        )
    }

    pub(super) fn choose(&self, random: &mut Random) -> Kind {
        let total: u32 = self.0.iter().map(|(_, weight)| weight).sum();
        let mut left = random.below(u64::from(total.max(1)));
        for (kind, weight) in &self.0 {
            match left.checked_sub(u64::from(*weight)) {
                Some(rest) => left = rest,
                None => return *kind,
            }
        }
        Kind::Insert
    }
}

/// A small generator: the same seed gives the same load.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit.max(1)
    }
}

/// The revision of each row that a session owns.
pub(super) type Rows = BTreeMap<i64, i64>;

/// One row before and after a transaction; `None` where it is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) id: i64,
    pub(super) before: Option<i64>,
    pub(super) after: Option<i64>,
}

/// A transaction, ready to be sent up to its COMMIT.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    pub(super) sql: String,
    changes: BTreeMap<i64, (Option<i64>, Option<i64>)>,
    pub(super) rolls_back: bool,
}

impl Transaction {
    pub(super) fn changes(&self) -> Vec<Change> {
        self.changes
            .iter()
            .map(|(&id, &(before, after))| Change { id, before, after })
            .collect()
    }

    fn note(&mut self, rows: &Rows, id: i64, after: Option<i64>) {
        let before = rows.get(&id).copied();
        self.changes.entry(id).or_insert((before, None)).1 = after;
    }
}

/// Makes the transactions of one session.
#[derive(Debug)]
pub(super) struct Maker {
    worker: u32,
    next_id: i64,
    revision: i64,
    large_rows: i64,
    random: Random,
}

impl Maker {
    pub(super) fn new(worker: u32, large_rows: u32, seed: u64) -> Self {
        Self {
            worker,
            // A trillion ids for every session.
            next_id: i64::from(worker + 1) * 1_000_000_000_000,
            revision: 0,
            large_rows: i64::from(large_rows),
            random: Random::new(seed.wrapping_add(u64::from(worker) * 7919)),
        }
    }

    pub(super) fn choose(&mut self, mix: &Mix) -> Kind {
        mix.choose(&mut self.random)
    }

    /// A transaction of this kind on these rows; an insert where the rows allow nothing else. `number`
    /// tells the session's transactions apart.
    pub(super) fn make(&mut self, kind: Kind, rows: &Rows, number: i64) -> Transaction {
        let mut transaction = Transaction::default();
        self.revision += 1;
        match kind {
            Kind::Insert => self.inserts(&mut transaction, rows),
            Kind::Update => self.updates(&mut transaction, rows),
            Kind::Delete => self.delete(&mut transaction, rows),
            Kind::KeyChange => self.key_change(&mut transaction, rows),
            Kind::Large => self.large(&mut transaction, rows),
            Kind::RolledBack => {
                self.inserts(&mut transaction, rows);
                self.updates(&mut transaction, rows);
                transaction.rolls_back = true;
            }
            Kind::Savepoint => {
                self.inserts(&mut transaction, rows);
                let kept = transaction.changes.clone();
                transaction.sql.push_str("SAVEPOINT s;");
                self.revision += 1;
                self.updates(&mut transaction, rows);
                self.inserts(&mut transaction, rows);
                transaction.sql.push_str("ROLLBACK TO SAVEPOINT s;");
                transaction.changes = kept;
            }
        }
        let worker = self.worker;
        let _ = write!(
            transaction.sql,
            "INSERT INTO load.entry (worker, number, kind) VALUES ({worker}, {number}, '{kind:?}');"
        );
        transaction
    }

    fn inserts(&mut self, transaction: &mut Transaction, rows: &Rows) {
        for _ in 0..=self.random.below(5) {
            let id = self.next_id;
            self.next_id += 1;
            let (worker, revision) = (self.worker, self.revision);
            let text = note(id, revision);
            let _ = write!(
                transaction.sql,
                "INSERT INTO load.item VALUES ({id}, {worker}, {revision}, '{text}');"
            );
            transaction.note(rows, id, Some(revision));
        }
    }

    fn updates(&mut self, transaction: &mut Transaction, rows: &Rows) {
        for _ in 0..=self.random.below(5) {
            let Some(id) = self.pick(rows) else {
                return self.inserts(transaction, rows);
            };
            let revision = self.revision;
            let text = note(id, revision);
            let _ = write!(
                transaction.sql,
                "UPDATE load.item SET revision = {revision}, note = '{text}' WHERE id = {id};"
            );
            transaction.note(rows, id, Some(revision));
        }
    }

    fn delete(&mut self, transaction: &mut Transaction, rows: &Rows) {
        let Some(id) = self.pick(rows) else {
            return self.inserts(transaction, rows);
        };
        let _ = write!(transaction.sql, "DELETE FROM load.item WHERE id = {id};");
        transaction.note(rows, id, None);
    }

    fn key_change(&mut self, transaction: &mut Transaction, rows: &Rows) {
        let Some(id) = self.pick(rows) else {
            return self.inserts(transaction, rows);
        };
        let (new, revision) = (self.next_id, self.revision);
        self.next_id += 1;
        let text = note(new, revision);
        let _ = write!(
            transaction.sql,
            "UPDATE load.item SET id = {new}, revision = {revision}, note = '{text}' WHERE id = {id};"
        );
        transaction.note(rows, id, None);
        transaction.note(rows, new, Some(revision));
    }

    fn large(&mut self, transaction: &mut Transaction, rows: &Rows) {
        let (worker, revision) = (self.worker, self.revision);
        if rows.len() as i64 > 2 * self.large_rows && self.random.below(2) == 0 {
            let ids: Vec<i64> = rows
                .keys()
                .copied()
                .take(self.large_rows as usize)
                .collect();
            let (Some(first), Some(last)) = (ids.first(), ids.last()) else {
                return;
            };
            let text = NOTE
                .replace("ID", "id")
                .replace("REVISION", &revision.to_string());
            // Rows whose fate is in doubt may lie in between: only the known ones count.
            let list: Vec<String> = ids.iter().map(i64::to_string).collect();
            let list = list.join(", ");
            let _ = write!(
                transaction.sql,
                "UPDATE load.item SET revision = {revision}, note = {text} \
                 WHERE id BETWEEN {first} AND {last} AND id IN ({list});"
            );
            for id in ids {
                transaction.note(rows, id, Some(revision));
            }
        } else {
            let first = self.next_id;
            let last = first + self.large_rows - 1;
            self.next_id = last + 1;
            let text = NOTE
                .replace("ID", "g")
                .replace("REVISION", &revision.to_string());
            let _ = write!(
                transaction.sql,
                "INSERT INTO load.item SELECT g, {worker}, {revision}, {text} FROM generate_series({first}, {last}) g;"
            );
            for id in first..=last {
                transaction.note(rows, id, Some(revision));
            }
        }
    }

    fn pick(&mut self, rows: &Rows) -> Option<i64> {
        let (&first, _) = rows.first_key_value()?;
        let (&last, _) = rows.last_key_value()?;
        let span = u64::try_from(last - first).unwrap_or_default() + 1;
        let from = first + self.random.below(span) as i64;
        rows.range(from..).next().map(|(&id, _)| id)
    }
}

/// The note of a row as SQL, for rows made by the server.
const NOTE: &str = "ID || '/' || REVISION || '/' || repeat('x', (REVISION % 50)::integer)";

/// The note that a row must have: a mix-up of rows or revisions shows in its value, too.
pub(super) fn note(id: i64, revision: i64) -> String {
    format!(
        "{id}/{revision}/{}",
        "x".repeat(usize::try_from(revision % 50).unwrap_or_default())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_savepoint_keeps_only_what_came_before() {
        let mut maker = Maker::new(0, 10, 1);
        let rows = Rows::from([(1, 1)]);
        let transaction = maker.make(Kind::Savepoint, &rows, 1);
        assert!(transaction.sql.contains("ROLLBACK TO SAVEPOINT"));
        assert!(transaction.changes().iter().all(|change| change.id != 1));
        assert!(!transaction.changes().is_empty());
    }

    #[test]
    fn a_key_change_is_a_row_gone_and_a_row_come() {
        let mut maker = Maker::new(0, 10, 1);
        let rows = Rows::from([(1, 7)]);
        let changes = maker.make(Kind::KeyChange, &rows, 1).changes();
        assert_eq!(
            changes[0],
            Change {
                id: 1,
                before: Some(7),
                after: None
            }
        );
        assert_eq!((changes[1].before, changes[1].after), (None, Some(1)));
    }

    #[test]
    fn every_kind_of_the_mix_comes() {
        let mut random = Random::new(3);
        let mix = Mix::default();
        let mut seen: Vec<Kind> = (0..2_000).map(|_| mix.choose(&mut random)).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 7);
    }
}
