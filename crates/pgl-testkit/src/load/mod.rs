//! A write load that knows what it was promised.
//!
//! Several sessions change rows in the schema `load`, and a **ledger** in this process keeps what the
//! server acknowledged. [`Ledger::check`] then proves, on whatever server is named, that every
//! acknowledged transaction is there in full, none that was rolled back is, and one whose COMMIT got
//! no answer is there entirely or not at all.
//!
//! Every session works on rows of its own, so that the ledger knows the exact state of each.

mod ledger;
mod probe;
mod transaction;
mod worker;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use postgres::CancelToken;

pub use ledger::Ledger;
pub use probe::{Pause, Probe};
pub use transaction::{Kind, Mix};

use worker::{Account, Worker};

/// Makes the schema `load` that the writers and the probe use; run it in the source database before
/// they start. Rights are given to everyone, for any role may be told to write.
pub const SCHEMA: &str = include_str!("schema.sql");

/// A write load to be started.
#[derive(Debug, Clone)]
pub struct Load {
    workers: u32,
    mix: Mix,
    large_rows: u32,
    pace: Duration,
    seed: u64,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            workers: 2,
            mix: Mix::default(),
            large_rows: 1_000,
            pace: Duration::from_millis(10),
            seed: 1,
        }
    }
}

impl Load {
    /// Two sessions, all kinds of transactions, large ones of 1,000 rows, 10 ms between transactions.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many sessions.
    #[must_use]
    pub fn workers(mut self, workers: u32) -> Self {
        self.workers = workers;
        self
    }

    /// Which kinds of transactions, how often.
    #[must_use]
    pub fn mix(mut self, mix: Mix) -> Self {
        self.mix = mix;
        self
    }

    /// How many rows a large transaction writes.
    #[must_use]
    pub fn large_rows(mut self, rows: u32) -> Self {
        self.large_rows = rows;
        self
    }

    /// The time between two transactions of one session; zero for as fast as it goes.
    #[must_use]
    pub fn pace(mut self, pace: Duration) -> Self {
        self.pace = pace;
        self
    }

    /// Another sequence of transactions.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Starts writing. Sessions are spread over the conninfo strings (several roles, say).
    pub fn start(&self, dsns: &[String]) -> Result<Writers> {
        if dsns.is_empty() {
            bail!("no conninfo string to write to");
        }
        let control = Arc::new(Control::new(dsns));
        let threads = (0..self.workers)
            .map(|number| {
                let worker = Worker::new(number, self.clone(), Arc::clone(&control));
                std::thread::spawn(move || worker.run())
            })
            .collect();
        Ok(Writers { control, threads })
    }
}

/// A running load. Stopped when dropped; its ledger is lost then.
#[derive(Debug)]
pub struct Writers {
    control: Arc<Control>,
    threads: Vec<JoinHandle<Result<Account>>>,
}

impl Writers {
    /// Sends the sessions elsewhere, as a new service file or DNS entry would: each goes there when
    /// its present connection fails.
    pub fn redirect(&self, dsns: &[String]) {
        *self
            .control
            .dsns
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = dsns.to_vec();
    }

    /// How many transactions were acknowledged so far.
    pub fn committed(&self) -> u64 {
        self.control.committed.load(Ordering::SeqCst)
    }

    /// Waits until so many more transactions are acknowledged.
    pub fn wait_for(&self, more: u64, limit: Duration) -> Result<()> {
        let begin = self.committed();
        let until = Instant::now() + limit;
        while self.committed() < begin + more {
            if let Some(thread) = self.threads.iter().position(JoinHandle::is_finished) {
                bail!("writer {thread} has ended, see what stop() says");
            }
            if Instant::now() > until {
                bail!(
                    "only {} of {more} transactions within {limit:?}",
                    self.committed() - begin
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Ends the load after the transactions that are under way; the ledger.
    pub fn stop(mut self) -> Result<Ledger> {
        let mut accounts = Vec::new();
        self.control
            .end(|| self.threads.iter().all(JoinHandle::is_finished));
        for thread in self.threads.drain(..) {
            let account = thread.join().map_err(|_| anyhow!("a writer panicked"))?;
            accounts.push(account.context("a writer failed")?);
        }
        Ok(Ledger::new(accounts))
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.control
            .end(|| self.threads.iter().all(JoinHandle::is_finished));
    }
}

/// What the sessions of one load share.
#[derive(Debug)]
pub(crate) struct Control {
    stop: AtomicBool,
    committed: AtomicU64,
    dsns: Mutex<Vec<String>>,
    /// To end what waits for a lock when the load is to stop.
    cancels: Mutex<Vec<(u32, Canceller)>>,
}

pub(crate) struct Canceller(CancelToken);

impl std::fmt::Debug for Canceller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Canceller")
    }
}

impl Control {
    fn new(dsns: &[String]) -> Self {
        Self {
            stop: AtomicBool::new(false),
            committed: AtomicU64::new(0),
            dsns: Mutex::new(dsns.to_vec()),
            cancels: Mutex::new(Vec::new()),
        }
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn dsn(&self, worker: u32) -> String {
        let dsns = self.dsns.lock().unwrap_or_else(PoisonError::into_inner);
        dsns.get(worker as usize % dsns.len().max(1))
            .cloned()
            .unwrap_or_default()
    }

    fn remember(&self, worker: u32, token: CancelToken) {
        let mut cancels = self.cancels.lock().unwrap_or_else(PoisonError::into_inner);
        cancels.retain(|(other, _)| *other != worker);
        cancels.push((worker, Canceller(token)));
    }

    /// Asks everybody to stop; what waits for a lock is cancelled after a while.
    fn end(&self, done: impl Fn() -> bool) {
        self.stop.store(true, Ordering::SeqCst);
        let mut cancel_at = Instant::now() + Duration::from_secs(3);
        while !done() {
            if Instant::now() > cancel_at {
                let cancels = self.cancels.lock().unwrap_or_else(PoisonError::into_inner);
                for (_, token) in cancels.iter() {
                    // The server may be gone: then nothing waits there any more.
                    let _ = token.0.cancel_query(postgres::NoTls);
                }
                cancel_at = Instant::now() + Duration::from_secs(1);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
