//! Sessions for the workers: one per worker and side, opened when first needed, kept for the next
//! task, replaced when lost.
//!
//! A task is a transaction of its own: the snapshot is imported anew each time, so that no lock on a table
//! outlives its read. While a read goes on, whoever waits for an exclusive lock on its table (TRUNCATE, ALTER
//! TABLE, the apply worker with a replicated TRUNCATE) is let through: the read is cancelled and done again.

use std::any::Any;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pgl_cli::Context;
use pgl_cli::signal::{Interrupt, Registration};
use pgl_conn::{
    Access, Begin, CancelHandle, Endpoint, Error, Kind, Session, SessionOptions, Watch,
};
use pgl_core::Side;

/// A lost connection is tried again this often, with growing pauses: a server restart takes a while.
const ATTEMPTS: u32 = 8;

/// Waits for locks are bounded: a reader stuck behind somebody's DDL is an error with a name.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// Between two looks for sessions that wait for a table which is being read.
const YIELD_EVERY: Duration = Duration::from_millis(500);

/// A read is cancelled for others this often, then it fails.
const YIELDS: u32 = 20;

/// A connection that takes longer than the time given is given up so much later: after that time has been found to be over.
const CONNECT_GRACE: Duration = Duration::from_millis(500);

/// Any number but 0: nobody sends this signal.
const TIME_IS_OVER: i32 = 1;

/// Sessions of both sides.
pub(crate) struct Pool {
    context: Context,
    source: Endpoint,
    target: Endpoint,
    jobs: usize,
    idle: Mutex<Vec<Held>>,
    running: Mutex<HashMap<u64, Running>>,
    next: AtomicU64,
    /// When the time given is over.
    end: Option<Instant>,
    expired: AtomicBool,
    /// Cancels the statements of all sessions when the time is over.
    deadline: Interrupt,
}

/// As long as this lives, the statement of a session is cancelled on a signal and at the end of the time given.
pub(crate) struct Watched {
    _signal: Registration,
    _deadline: Registration,
}

struct Held {
    session: Session,
    /// Set when its statement is cancelled for the sake of others.
    yielded: Arc<AtomicBool>,
    _watched: Watched,
}

/// A task that a session works on.
struct Running {
    side: Side,
    pid: i32,
    handle: CancelHandle,
    yielded: Arc<AtomicBool>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    pub(crate) fn new(
        context: &Context,
        source: Endpoint,
        target: Endpoint,
        jobs: usize,
        end: Option<Instant>,
    ) -> Self {
        Self {
            context: context.clone(),
            source,
            target,
            jobs,
            idle: Mutex::new(Vec::new()),
            running: Mutex::new(HashMap::new()),
            next: AtomicU64::new(0),
            end,
            expired: AtomicBool::new(false),
            deadline: Interrupt::default(),
        }
    }

    /// Where both servers are.
    pub(crate) fn endpoints(&self) -> (&Endpoint, &Endpoint) {
        (&self.source, &self.target)
    }

    /// A session of its own, outside the pool.
    pub(crate) fn open(&self, side: Side, access: Access) -> Result<(Session, Watched), Error> {
        self.check(side)?;
        let endpoint = match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        };
        let mut options = SessionOptions::new("pgl-verify", access)
            .lock_timeout(LOCK_TIMEOUT)
            .set("quote_all_identifiers", "off");
        if let Some(end) = self.end {
            let left = end.saturating_duration_since(Instant::now()) + CONNECT_GRACE;
            let limit = options
                .connect_timeout
                .map_or(left, |usual| usual.min(left));
            options = options.connect_timeout(Some(limit));
        }
        let mut session = Session::connect(endpoint, &options)?;
        let handle = session.cancel_handle();
        let watched = Watched {
            _signal: self.context.watch(&session),
            _deadline: self.deadline.on_signal(move || cancel(&handle)),
        };
        // Sums of 16,384 buckets stay in memory.
        session.batch("SET work_mem = '16MB'")?;
        if session.version().at_least(11) {
            // Compiling a query that runs for a second per chunk costs more than it gains.
            session.batch("SET jit = off")?;
        }
        if session.version().at_least(10) {
            // Ranges of pages are the unit of parallel work. Before 14 there is no scan of a range, and
            // a large table can only be shared out by the server.
            let workers = match session.version().at_least(14) {
                true => 0,
                false => self.jobs.saturating_sub(1),
            };
            session.batch(&format!("SET max_parallel_workers_per_gather = {workers}"))?;
        }
        Ok((session, watched))
    }

    fn take(&self, side: Side) -> Result<Held, Error> {
        let found = {
            let mut idle = lock(&self.idle);
            let at = idle.iter().position(|held| held.session.side() == side);
            at.map(|at| idle.swap_remove(at))
        };
        match found {
            Some(held) => Ok(held),
            None => {
                let (session, watched) = self.open(side, Access::ReadOnly)?;
                Ok(Held {
                    session,
                    yielded: Arc::default(),
                    _watched: watched,
                })
            }
        }
    }

    /// Runs `work` on a session of one side, in a transaction under a snapshot where one is given. A lost connection
    /// is replaced and the work done again from its start; likewise when it was cancelled for the sake of others.
    pub(crate) fn with<T>(
        &self,
        side: Side,
        snapshot: Option<&str>,
        mut work: impl FnMut(&mut Session) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (mut attempt, mut yields) = (0, 0);
        loop {
            self.check(side)?;
            let mut yielded = false;
            let result = self.once(side, snapshot, &mut yielded, &mut work);
            match result {
                Err(error) if again(&error) && attempt < ATTEMPTS && self.check(side).is_ok() => {
                    attempt += 1;
                    log::warn!("{error}; attempt {attempt} of {ATTEMPTS} to go on");
                    self.pause(Duration::from_millis(100 << attempt.min(6)));
                }
                Err(error)
                    if error.kind == Kind::Cancelled && yielded && self.check(side).is_ok() =>
                {
                    yields += 1;
                    if yields > YIELDS {
                        return Err(Error::new(
                            side,
                            Kind::Timeout,
                            format!(
                                "the read was cancelled {YIELDS} times for sessions that wait for an exclusive lock on the table"
                            ),
                        ));
                    }
                    log::info!(
                        "{side}: a read was cancelled for a session that waits for its table; it is done again"
                    );
                    self.pause(Duration::from_millis(50));
                }
                // The server only says that somebody cancelled it.
                Err(error) if error.kind == Kind::Cancelled => {
                    return Err(self.check(side).err().unwrap_or(error));
                }
                other => return other,
            }
        }
    }

    fn once<T>(
        &self,
        side: Side,
        snapshot: Option<&str>,
        yielded: &mut bool,
        work: &mut impl FnMut(&mut Session) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut held = self.take(side)?;
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let running = Running {
            side,
            pid: held.session.backend_pid(),
            handle: held.session.cancel_handle(),
            yielded: Arc::clone(&held.yielded),
        };
        lock(&self.running).insert(id, running);
        let session = &mut held.session;
        let result = self.check(side).and_then(|()| match snapshot {
            None => work(session),
            Some(snapshot) => {
                session.begin(Begin::Import(snapshot))?;
                let done = work(session)?;
                session.rollback()?;
                Ok(done)
            }
        });
        lock(&self.running).remove(&id);
        if result.is_err() {
            // A request may come a moment late and meet the session's next statement: it belongs to that one.
            *yielded = held.yielded.swap(false, Ordering::SeqCst);
        }
        let fit = match &result {
            Ok(_) => true,
            Err(error) if error.is_lost() => false,
            // The transaction is aborted; without one there is nothing to roll back, and it does
            // no harm.
            Err(_) => held.session.rollback().is_ok(),
        };
        if fit {
            lock(&self.idle).push(held);
        }
        result
    }

    /// Cancels reads that somebody waits behind, until `finished`. Where that cannot be looked up it is said, and reads
    /// are not cancelled.
    pub(crate) fn yield_to_others(&self, side: Side, finished: &AtomicBool) {
        let mut watcher: Option<(Session, Watched)> = None;
        while !finished.load(Ordering::SeqCst) && !self.stopped() {
            let end = Instant::now() + YIELD_EVERY;
            while Instant::now() < end && !finished.load(Ordering::SeqCst) && !self.stopped() {
                std::thread::sleep(Duration::from_millis(20));
            }
            let pids: Vec<i32> = lock(&self.running)
                .values()
                .filter(|task| task.side == side)
                .map(|task| task.pid)
                .collect();
            if pids.is_empty() {
                continue;
            }
            if watcher.is_none() {
                watcher = self
                    .open(side, Access::ReadOnly)
                    .inspect_err(|error| log::warn!("{error}"))
                    .ok();
            }
            let Some((session, _)) = &mut watcher else {
                continue;
            };
            match pgl_catalog::verify::replication::blocking(session, &pids) {
                Ok(blocking) => {
                    self.cancel(|task| task.side == side && blocking.contains(&task.pid))
                }
                Err(error) => {
                    log::warn!("{}", error.with_context("looking for sessions that wait"));
                    watcher = None;
                }
            }
        }
    }

    /// Cancels tasks for the sake of others. All at a time: a request takes as long as its connection does.
    fn cancel(&self, which: impl Fn(&Running) -> bool) {
        let chosen: Vec<CancelHandle> = lock(&self.running)
            .values()
            .filter(|task| which(task))
            .map(|task| {
                task.yielded.store(true, Ordering::SeqCst);
                task.handle.clone()
            })
            .collect();
        std::thread::scope(|scope| {
            for handle in chosen {
                scope.spawn(move || cancel(&handle));
            }
        });
    }

    /// Fails when a signal has come or the time is over.
    pub(crate) fn check(&self, side: Side) -> Result<(), Error> {
        let why = if self.context.interrupt.exit().is_some() {
            "interrupted"
        } else if self.expired.load(Ordering::SeqCst) {
            "the time given ran out"
        } else {
            return Ok(());
        };
        Err(Error::new(side, Kind::Cancelled, why))
    }

    /// Whether the time given ran out.
    pub(crate) fn is_expired(&self) -> bool {
        self.expired.load(Ordering::SeqCst)
    }

    /// Whether work should stop.
    pub(crate) fn stopped(&self) -> bool {
        self.check(Side::Source).is_err()
    }

    /// Ends everything when the time given is over, unless the comparison has `finished` before. A request is without effect
    /// between two statements: it is made again until all threads have seen that the time is over.
    pub(crate) fn end_in_time(&self, finished: &AtomicBool) {
        while let Some(end) = self.end
            && !finished.load(Ordering::SeqCst)
        {
            if Instant::now() >= end {
                self.expired.store(true, Ordering::SeqCst);
                self.deadline.raise(TIME_IS_OVER);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sleeps, but not beyond a signal or the end of the time.
    pub(crate) fn pause(&self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end && !self.stopped() {
            std::thread::sleep(Duration::from_millis(20).min(end - Instant::now().min(end)));
        }
    }
}

/// Ends work that is not a statement, too.
impl Watch for Pool {
    fn say(&self, line: &str) {
        self.context.interrupt.say(line);
    }
    fn begin(&self, label: &str, total: u64, bytes: bool) {
        self.context.interrupt.begin(label, total, bytes);
    }
    fn add(&self, amount: u64) {
        self.context.interrupt.add(amount);
    }
    fn doing(&self, what: &str) {
        self.context.interrupt.doing(what);
    }
    fn end(&self) {
        self.context.interrupt.end();
    }
    fn stop(&self) -> bool {
        self.stopped()
    }
    fn cancel_on_stop(&self, handle: CancelHandle) -> Box<dyn Any> {
        self.context.interrupt.cancel_on_stop(handle)
    }
}

fn cancel(handle: &CancelHandle) {
    if let Err(error) = handle.cancel() {
        log::debug!("cancelling: {error}");
    }
}

/// Whether the same work may succeed on a new connection.
fn again(error: &Error) -> bool {
    matches!(error.kind, Kind::Lost | Kind::Unreachable)
        || matches!(error.sqlstate.as_deref(), Some("40001" | "40P01" | "53300"))
}
