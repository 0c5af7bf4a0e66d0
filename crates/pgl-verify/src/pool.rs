//! Sessions for the workers: one per worker and side, opened when first needed, kept for the next
//! task, replaced when lost.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pgl_cli::Context;
use pgl_cli::signal::Registration;
use pgl_conn::{Access, Begin, CancelHandle, Endpoint, Error, Kind, Session, SessionOptions};
use pgl_core::Side;

/// A lost connection is tried again this often, with growing pauses: a server restart takes a while.
const ATTEMPTS: u32 = 8;

/// Waits for locks are bounded: a reader stuck behind somebody's DDL is an error with a name.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// Sessions of both sides.
pub(crate) struct Pool {
    context: Context,
    source: Endpoint,
    target: Endpoint,
    jobs: usize,
    idle: Mutex<Vec<Held>>,
    running: Mutex<HashMap<u64, CancelHandle>>,
    next: AtomicU64,
    expired: AtomicBool,
}

struct Held {
    session: Session,
    /// The snapshot of the open transaction, where one is open.
    snapshot: Option<String>,
    _registration: Registration,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    pub(crate) fn new(context: &Context, source: Endpoint, target: Endpoint, jobs: usize) -> Self {
        Self {
            context: context.clone(),
            source,
            target,
            jobs,
            idle: Mutex::new(Vec::new()),
            running: Mutex::new(HashMap::new()),
            next: AtomicU64::new(0),
            expired: AtomicBool::new(false),
        }
    }

    /// A session of its own, outside the pool. On a signal its statement is cancelled as long as
    /// the registration lives.
    pub(crate) fn open(
        &self,
        side: Side,
        access: Access,
    ) -> Result<(Session, Registration), Error> {
        let endpoint = match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        };
        let options = SessionOptions::new("pgl-verify", access)
            .lock_timeout(LOCK_TIMEOUT)
            .set("quote_all_identifiers", "off");
        let mut session = Session::connect(endpoint, &options)?;
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
        let registration = self.context.watch(&session);
        Ok((session, registration))
    }

    fn take(&self, side: Side, snapshot: Option<&str>) -> Result<Held, Error> {
        let found = {
            let mut idle = lock(&self.idle);
            let of_side = |held: &Held| held.session.side() == side;
            let best = idle
                .iter()
                .position(|held| of_side(held) && held.snapshot.as_deref() == snapshot)
                .or_else(|| idle.iter().position(of_side));
            best.map(|at| idle.swap_remove(at))
        };
        let mut held = match found {
            Some(held) => held,
            None => {
                let (session, registration) = self.open(side, Access::ReadOnly)?;
                Held {
                    session,
                    snapshot: None,
                    _registration: registration,
                }
            }
        };
        if held.snapshot.as_deref() != snapshot {
            if held.snapshot.take().is_some() {
                held.session.rollback()?;
            }
            if let Some(id) = snapshot {
                held.session.begin(Begin::Import(id))?;
                held.snapshot = Some(id.to_owned());
            }
        }
        Ok(held)
    }

    /// Runs `work` on a session of one side, under a snapshot where one is given. A lost connection
    /// is replaced and the work done again from its start.
    pub(crate) fn with<T>(
        &self,
        side: Side,
        snapshot: Option<&str>,
        mut work: impl FnMut(&mut Session) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut attempt = 0;
        loop {
            self.check(side)?;
            let result = self.once(side, snapshot, &mut work);
            match result {
                Err(error) if again(&error) && attempt < ATTEMPTS && self.check(side).is_ok() => {
                    attempt += 1;
                    log::warn!("{error}; attempt {attempt} of {ATTEMPTS} to go on");
                    self.pause(Duration::from_millis(100 << attempt.min(6)));
                }
                other => return other,
            }
        }
    }

    fn once<T>(
        &self,
        side: Side,
        snapshot: Option<&str>,
        work: &mut impl FnMut(&mut Session) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut held = self.take(side, snapshot)?;
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.running).insert(id, held.session.cancel_handle());
        let result = self.check(side).and_then(|()| work(&mut held.session));
        lock(&self.running).remove(&id);
        let fit = match &result {
            Ok(_) => true,
            Err(error) if error.is_lost() => false,
            // The transaction is aborted; without one there is nothing to roll back, and it does
            // no harm.
            Err(_) => {
                held.snapshot = None;
                held.session.rollback().is_ok()
            }
        };
        if fit {
            lock(&self.idle).push(held);
        }
        result
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

    /// Ends everything: called when the time is over.
    pub(crate) fn expire(&self) {
        self.expired.store(true, Ordering::SeqCst);
        for handle in lock(&self.running).values() {
            if let Err(error) = handle.cancel() {
                log::debug!("cancelling: {error}");
            }
        }
    }

    /// Sleeps, but not beyond a signal or the end of the time.
    pub(crate) fn pause(&self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end && !self.stopped() {
            std::thread::sleep(Duration::from_millis(20).min(end - Instant::now().min(end)));
        }
    }

    /// Ends open transactions, so that no snapshot holds back vacuum any longer than needed.
    pub(crate) fn release(&self) {
        lock(&self.idle).retain_mut(|held| match held.snapshot.take() {
            None => true,
            Some(_) => held.session.rollback().is_ok(),
        });
    }
}

/// Whether the same work may succeed on a new connection.
fn again(error: &Error) -> bool {
    matches!(error.kind, Kind::Lost | Kind::Unreachable)
        || matches!(error.sqlstate.as_deref(), Some("40001" | "40P01" | "53300"))
}
