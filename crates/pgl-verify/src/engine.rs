//! What all looks at tables share: the settings, the parts of a table, and the sums over a part.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pgl_catalog::verify::sql::{Pages, TableReading};
use pgl_cli::progress::Progress;
use pgl_conn::{Error, Kind, Session, field};
use pgl_core::verify::fix::RowFix;
use pgl_core::verify::outcome::Digest;
use pgl_core::verify::pairing::TablePair;
use pgl_core::verify::types::RelationInfo;
use pgl_core::verify::{Buckets, Mode, Status, TableResult};
use pgl_core::{ServerVersion, Side};
use rayon::prelude::*;

use crate::client;
use crate::pool::Pool;
use crate::snapshot_pair::{PairFiles, SnapshotPair};
use crate::throttle::Throttle;

/// Chunks have at least this many pages: smaller ones cost more in answers than they gain.
const LEAST_PAGES: u64 = 1024;
/// And at most this many (1 GiB), so that a lost connection does not cost much.
const MOST_PAGES: u64 = 131_072;

/// How to compare; the same for all tables.
pub(crate) struct Settings {
    pub(crate) mode: Mode,
    pub(crate) digest: Digest,
    pub(crate) versions: (ServerVersion, ServerVersion),
    pub(crate) jobs: usize,
    pub(crate) max_diffs: u64,
    pub(crate) condition: Option<String>,
    pub(crate) redact: bool,
    pub(crate) fix_sql: bool,
}

/// What all workers share.
pub(crate) struct Engine<'a> {
    pub(crate) pool: &'a Pool,
    pub(crate) settings: &'a Settings,
    pub(crate) throttle: &'a Throttle,
    pub(crate) progress: &'a Progress,
}

/// A row that one moment has not settled.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) key: Box<[u8]>,
    pub(crate) texts: Vec<Option<String>>,
    /// Moments that showed it to be equal.
    pub(crate) equal: u32,
    /// How many of those it needs.
    pub(crate) confirm: u32,
}

impl Pending {
    /// Whether a moment has decided it; further ones only confirm.
    pub(crate) fn was_equal(&self) -> bool {
        self.equal > 0
    }
}

/// A table that is through, or waits for a second look.
pub(crate) struct Found {
    pub(crate) index: usize,
    pub(crate) result: TableResult,
    /// Rows that this moment has not settled.
    pub(crate) pending: Vec<Pending>,
    /// What the table was stored in then: only of these can another moment decide the rows.
    pub(crate) files: PairFiles,
    /// Why the table has to be read again under another moment.
    pub(crate) again: Option<String>,
    /// What makes the target's rows right.
    pub(crate) fixes: Vec<RowFix>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A part of a table on one side.
pub(crate) struct Chunk<'a> {
    pub(crate) side: Side,
    relation: &'a RelationInfo,
    pages: Pages,
    pub(crate) bytes: u64,
}

impl Engine<'_> {
    /// How rows of a table are read on a side.
    pub(crate) fn reading<'p>(
        &'p self,
        pair: &'p TablePair,
        side: Side,
        buckets: usize,
    ) -> TableReading<'p> {
        TableReading {
            pair,
            side,
            digest: self.settings.digest,
            buckets,
            condition: self.settings.condition.as_deref(),
        }
    }

    /// How many pages are read at once where some tables are read together. Each part is read in a transaction of its own:
    /// a table is taken apart only where a session would be alone with it at the end.
    pub(crate) fn most_pages<'p>(&self, pairs: impl Iterator<Item = &'p TablePair>) -> u64 {
        let pages: u64 = pairs
            .map(|pair| {
                let on = |side| -> u64 { pair.relations(side).iter().map(|one| one.pages).sum() };
                on(Side::Source).max(on(Side::Target))
            })
            .sum();
        (pages / (4 * self.settings.jobs.max(1) as u64))
            .clamp(LEAST_PAGES, MOST_PAGES)
            .min(self.throttle.pages_at_once())
    }

    /// The parts of both sides, alternating, so that both servers are busy from the start.
    pub(crate) fn both<'p>(&self, pair: &'p TablePair, most: u64) -> Vec<Chunk<'p>> {
        let source = self.chunks(pair, Side::Source, most);
        let target = self.chunks(pair, Side::Target, most);
        let mut chunks = Vec::with_capacity(source.len() + target.len());
        let (mut one, mut two) = (source.into_iter(), target.into_iter());
        loop {
            let next = (one.next(), two.next());
            if next.0.is_none() && next.1.is_none() {
                return chunks;
            }
            chunks.extend(next.0.into_iter().chain(next.1));
        }
    }

    fn chunks<'p>(&self, pair: &'p TablePair, side: Side, most: u64) -> Vec<Chunk<'p>> {
        let version = match side {
            Side::Source => self.settings.versions.0,
            Side::Target => self.settings.versions.1,
        };
        let mut all = Vec::new();
        for relation in pair.relations(side) {
            let each = relation.bytes / relation.pages.max(1);
            // Before 14 a condition on ctid reads the whole table.
            let ranges = version.at_least(14) && relation.pages > most;
            let mut from = 0;
            while ranges && from + most < relation.pages {
                all.push(Chunk {
                    side,
                    relation,
                    pages: Pages {
                        from,
                        to: Some(from + most),
                    },
                    bytes: most * each,
                });
                from += most;
            }
            // The last one has an open end: the table may have grown since.
            all.push(Chunk {
                side,
                relation,
                pages: Pages { from, to: None },
                bytes: relation.pages.saturating_sub(from) * each,
            });
        }
        all
    }

    /// The sums of one part of a table.
    pub(crate) fn sums_of(
        &self,
        pair: &TablePair,
        chunk: &Chunk<'_>,
        moment: &SnapshotPair,
        count: usize,
    ) -> Result<Buckets, Error> {
        self.pool.pause(self.throttle.wait_for(chunk.bytes));
        let reading = self.reading(pair, chunk.side, count);
        let snapshot = moment.of(chunk.side);
        self.pool
            .with(chunk.side, snapshot, |session| {
                sums(session, &reading, chunk, count)
            })
            .map_err(|error| {
                let name = chunk.relation.qualified();
                error.with_context(format!("reading {name}"))
            })
    }

    /// The second pass, for a table that differs: sums by bucket, from which follows where.
    pub(crate) fn buckets(
        &self,
        pair: &TablePair,
        moment: &SnapshotPair,
        count: usize,
    ) -> Result<(Buckets, Buckets), Error> {
        let parts: Vec<(Side, Buckets)> = self
            .both(pair, self.most_pages(std::iter::once(pair)))
            .par_iter()
            .map(|chunk| Ok((chunk.side, self.sums_of(pair, chunk, moment, count)?)))
            .collect::<Result<_, Error>>()?;
        let mut sums = (Buckets::new(count), Buckets::new(count));
        for (side, part) in parts {
            match side {
                Side::Source => sums.0.merge(&part),
                Side::Target => sums.1.merge(&part),
            }
        }
        Ok(sums)
    }

    /// What a failure makes of a table: never anything that counts as compared.
    pub(crate) fn failed(&self, result: &mut TableResult, error: &Error) {
        result.status = if self.pool.stopped() {
            Status::Inconclusive
        } else {
            Status::Error
        };
        let text = error.to_string();
        result.reason = Some(match &error.hint {
            Some(hint) => format!("{text}; {hint}"),
            None => text,
        });
    }

    /// A result that says how the comparison is done.
    pub(crate) fn base(&self, pair: &TablePair, moment: &SnapshotPair) -> TableResult {
        let mut result = TableResult::new(&pair.name, Status::Inconclusive, None);
        result.mode = Some(self.settings.mode);
        result.digest = Some(self.settings.digest);
        result.source_lsn = moment.source_lsn;
        result.applied_lsn = moment.applied_lsn;
        result.key.clone_from(&pair.key);
        result
            .schema_differences
            .clone_from(&pair.schema_differences);
        result.copy_again.clone_from(&pair.copy_again);
        result.computed = pair.computed();
        result.replica_trigger.clone_from(&pair.replica_trigger);
        result.changes_rows.clone_from(&pair.changes_rows);
        let names = |side| pair.relations(side).iter().map(RelationInfo::qualified);
        result.other_partitions = !names(Side::Source).eq(names(Side::Target));
        result.notes.clone_from(&pair.notes);
        result.bytes = pair.bytes();
        if self.settings.digest == Digest::Counts {
            result
                .notes
                .push("only counted: contents were not compared".into());
        }
        if pair.columns.is_empty() {
            result
                .notes
                .push("no columns in common: only counted".into());
        }
        result
    }
}

pub(crate) fn round(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

fn sums(
    session: &mut Session,
    reading: &TableReading<'_>,
    chunk: &Chunk<'_>,
    count: usize,
) -> Result<Buckets, Error> {
    let side = session.side();
    let mut buckets = Buckets::new(count);
    if reading.digest == Digest::Client && !reading.pair.columns.is_empty() {
        let keys = reading.pair.key.as_ref().map_or(0, Vec::len);
        let sql = reading.whole(chunk.relation, chunk.pages);
        let copy = session.copy_out(&sql)?;
        client::sums(
            std::io::BufReader::with_capacity(1 << 16, copy),
            keys,
            &mut buckets,
        )
        .map_err(|error| Error::from_io(side, error))?;
        return Ok(buckets);
    }
    const SUMS: &str = "the sums over a chunk's rows";
    let sql = reading.sums(chunk.relation, chunk.pages);
    let bad = |error: &dyn std::fmt::Display| Error::new(side, Kind::Protocol, error.to_string());
    for row in session.query(&sql, &[])? {
        let bucket: i32 = field(side, &row, 0, SUMS)?;
        let rows: i64 = field(side, &row, 1, SUMS)?;
        let first: &str = field(side, &row, 2, SUMS)?;
        let second: &str = field(side, &row, 3, SUMS)?;
        let bucket = u32::try_from(bucket).map_err(|error| bad(&error))?;
        let rows = u64::try_from(rows).map_err(|error| bad(&error))?;
        buckets
            .add_sums(bucket, rows, first, second)
            .map_err(|error| bad(&error))?;
    }
    Ok(buckets)
}
