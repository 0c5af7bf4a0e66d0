//! The first pass: sums of every table on both sides, in parallel over (table, side, chunk).

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use pgl_catalog::verify::sql::{Pages, Reading};
use pgl_cli::progress::Progress;
use pgl_conn::{Error, Kind, Session, field};
use pgl_core::verify::fix::RowFix;
use pgl_core::verify::outcome::Digest;
use pgl_core::verify::pairing::Pair;
use pgl_core::verify::rows::Place;
use pgl_core::verify::types::RelationInfo;
use pgl_core::verify::{Buckets, Mode, Status, TableResult};
use pgl_core::{ServerVersion, Side};
use rayon::prelude::*;

use crate::client;
use crate::moment::Moment;
use crate::outcome;
use crate::pool::Pool;
use crate::settle::Pending;
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
    /// Rows that only the target has, by table, as earlier moments have shown them.
    pub(crate) only_on_target: Mutex<HashMap<usize, HashSet<Place>>>,
}

/// A table that is through, or waits for a second look.
pub(crate) struct Found {
    pub(crate) index: usize,
    pub(crate) result: TableResult,
    /// Rows that this moment has not settled.
    pub(crate) pending: Vec<Pending>,
    /// Why the table has to be read again under another moment.
    pub(crate) again: Option<String>,
    /// What makes the target's rows right.
    pub(crate) fixes: Vec<RowFix>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One table in work.
struct Work<'a> {
    index: usize,
    pair: &'a Pair,
    sums: Mutex<(Buckets, Buckets)>,
    error: Mutex<Option<Error>>,
    left: AtomicUsize,
    started: OnceLock<Instant>,
}

struct Chunk<'a> {
    side: Side,
    relation: &'a RelationInfo,
    pages: Pages,
    bytes: u64,
}

impl Engine<'_> {
    /// How rows of a table are read on a side.
    pub(crate) fn reading<'p>(&'p self, pair: &'p Pair, side: Side, buckets: usize) -> Reading<'p> {
        Reading {
            pair,
            side,
            digest: self.settings.digest,
            buckets,
            condition: self.settings.condition.as_deref(),
        }
    }

    /// Compares tables under one moment; `done` gets each one as it finishes, from any thread.
    pub(crate) fn run(
        &self,
        pairs: &[(usize, &Pair)],
        moment: &Moment,
        done: &(dyn Fn(Found) + Sync),
    ) -> Result<(), Error> {
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(self.settings.jobs)
            .thread_name(|at| format!("verify-{at}"))
            .build()
            .map_err(|error| Error::new(Side::Source, Kind::Unsupported, error.to_string()))?;
        let mut order: Vec<&(usize, &Pair)> = pairs.iter().collect();
        // The largest first: they take longest.
        order.sort_by_key(|(index, pair)| (std::cmp::Reverse(pair.bytes()), *index));
        let works: Vec<(Work<'_>, Vec<Chunk<'_>>)> = order
            .into_iter()
            .map(|(index, pair)| self.plan(*index, pair))
            .collect();
        threads.scope_fifo(|scope| {
            for (work, chunks) in &works {
                if chunks.is_empty() {
                    scope.spawn_fifo(move |_| done(self.finish(work, moment)));
                }
                for chunk in chunks {
                    scope.spawn_fifo(move |_| {
                        self.chunk(work, chunk, moment);
                        if work.left.fetch_sub(1, Ordering::SeqCst) == 1 {
                            done(self.finish(work, moment));
                        }
                    });
                }
            }
        });
        Ok(())
    }

    fn plan<'p>(&self, index: usize, pair: &'p Pair) -> (Work<'p>, Vec<Chunk<'p>>) {
        let chunks = self.both(pair);
        let work = Work {
            index,
            pair,
            // One sum for the table: that parts add up to. Grouping costs a fifth more, and equal
            // tables have no use for it.
            sums: Mutex::new((Buckets::new(1), Buckets::new(1))),
            error: Mutex::new(None),
            left: AtomicUsize::new(chunks.len()),
            started: OnceLock::new(),
        };
        (work, chunks)
    }

    /// The parts of both sides, alternating, so that both servers are busy from the start.
    fn both<'p>(&self, pair: &'p Pair) -> Vec<Chunk<'p>> {
        let source = self.chunks(pair, Side::Source);
        let target = self.chunks(pair, Side::Target);
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

    fn chunks<'p>(&self, pair: &'p Pair, side: Side) -> Vec<Chunk<'p>> {
        let version = match side {
            Side::Source => self.settings.versions.0,
            Side::Target => self.settings.versions.1,
        };
        let mut all = Vec::new();
        for relation in pair.relations(side) {
            let share = relation.pages / (4 * self.settings.jobs.max(1) as u64).max(1);
            let size = share
                .clamp(LEAST_PAGES, MOST_PAGES)
                .min(self.throttle.pages_at_once());
            let each = relation.bytes / relation.pages.max(1);
            // Before 14 a condition on ctid reads the whole table.
            let ranges = version.at_least(14) && relation.pages > size;
            let mut from = 0;
            while ranges && from + size < relation.pages {
                all.push(Chunk {
                    side,
                    relation,
                    pages: Pages {
                        from,
                        to: Some(from + size),
                    },
                    bytes: size * each,
                });
                from += size;
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

    fn chunk(&self, work: &Work<'_>, chunk: &Chunk<'_>, moment: &Moment) {
        work.started.get_or_init(Instant::now);
        if lock(&work.error).is_some() {
            return;
        }
        let found = self.sums_of(work.pair, chunk, moment, 1);
        match found {
            Ok(part) => {
                let mut sums = lock(&work.sums);
                match chunk.side {
                    Side::Source => sums.0.merge(&part),
                    Side::Target => sums.1.merge(&part),
                }
            }
            Err(error) => {
                lock(&work.error).get_or_insert(error);
            }
        }
        self.progress.add(chunk.bytes);
    }

    /// The sums of one part of a table.
    fn sums_of(
        &self,
        pair: &Pair,
        chunk: &Chunk<'_>,
        moment: &Moment,
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
        pair: &Pair,
        moment: &Moment,
        count: usize,
    ) -> Result<(Buckets, Buckets), Error> {
        let parts: Vec<(Side, Buckets)> = self
            .both(pair)
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

    fn finish(&self, work: &Work<'_>, moment: &Moment) -> Found {
        let error = lock(&work.error).take();
        let sums = match error {
            Some(error) => Err(error),
            None => Ok(lock(&work.sums).clone()),
        };
        let mut found = outcome::of_table(self, work.index, work.pair, moment, sums);
        let started = work.started.get().copied().unwrap_or_else(Instant::now);
        found.result.seconds = round(started.elapsed().as_secs_f64());
        found
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
    pub(crate) fn base(&self, pair: &Pair, moment: &Moment) -> TableResult {
        let mut result = TableResult::new(&pair.name, Status::Inconclusive, None);
        result.mode = Some(self.settings.mode);
        result.digest = Some(self.settings.digest);
        result.source_lsn = moment.source_lsn;
        result.applied_lsn = moment.applied_lsn;
        result.key.clone_from(&pair.key);
        result
            .schema_differences
            .clone_from(&pair.schema_differences);
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
    reading: &Reading<'_>,
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
