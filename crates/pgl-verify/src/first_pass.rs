//! The first pass: sums of every table on both sides, in parallel over (table, side, chunk).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use pgl_conn::{Error, Kind};
use pgl_core::Side;
use pgl_core::verify::Buckets;
use pgl_core::verify::pairing::TablePair;

use crate::engine::{Chunk, Engine, Found, lock, round};
use crate::outcome;
use crate::snapshot_pair::SnapshotPair;

/// One table in work.
struct Work<'a> {
    index: usize,
    pair: &'a TablePair,
    sums: Mutex<(Buckets, Buckets)>,
    error: Mutex<Option<Error>>,
    left: AtomicUsize,
    started: OnceLock<Instant>,
}

impl Engine<'_> {
    /// Compares tables under one moment; `done` gets each one as it finishes, from any thread.
    pub(crate) fn run(
        &self,
        pairs: &[(usize, &TablePair)],
        moment: &SnapshotPair,
        done: &(dyn Fn(Found) + Sync),
    ) -> Result<(), Error> {
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(self.settings.jobs)
            .thread_name(|at| format!("verify-{at}"))
            .build()
            .map_err(|error| Error::new(Side::Source, Kind::Unsupported, error.to_string()))?;
        let mut order: Vec<&(usize, &TablePair)> = pairs.iter().collect();
        // The largest first: they take longest.
        order.sort_by_key(|(index, pair)| (std::cmp::Reverse(pair.bytes()), *index));
        let most = self.most_pages(pairs.iter().map(|(_, pair)| *pair));
        let works: Vec<(Work<'_>, Vec<Chunk<'_>>)> = order
            .into_iter()
            .map(|(index, pair)| self.plan(*index, pair, most))
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

    fn plan<'p>(&self, index: usize, pair: &'p TablePair, most: u64) -> (Work<'p>, Vec<Chunk<'p>>) {
        let chunks = self.both(pair, most);
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

    fn chunk(&self, work: &Work<'_>, chunk: &Chunk<'_>, moment: &SnapshotPair) {
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

    fn finish(&self, work: &Work<'_>, moment: &SnapshotPair) -> Found {
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
}
