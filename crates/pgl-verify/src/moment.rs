//! A moment: a snapshot of each side, and what is known about how the two relate.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use pgl_catalog::verify as catalog;
use pgl_catalog::verify::replication;
use pgl_cli::signal::Registration;
use pgl_conn::{Access, Begin, Error, Kind, Session};
use pgl_core::verify::pairing::Pair;
use pgl_core::{Lsn, QualifiedName, Side};

use crate::fence::{Fence, Marker, snapshot_after_marker};
use crate::pool::Pool;
use crate::touched::Touched;

/// Snapshots of both sides. They last as long as this.
pub(crate) struct Moment {
    /// Exported snapshot of the source; none where every statement sees what is there.
    pub(crate) source: Option<String>,
    /// Exported snapshot of the target.
    pub(crate) target: Option<String>,
    /// Position of the source that the comparison holds for.
    pub(crate) source_lsn: Option<Lsn>,
    /// How far the target had applied.
    pub(crate) applied_lsn: Option<Lsn>,
    /// What was written between the two snapshots; none where nothing can have been.
    pub(crate) touched: Option<Touched>,
    /// How long writers were held up.
    pub(crate) held: Option<Duration>,
    /// The sessions that keep the snapshots.
    /// Behind a lock only because the moment is shared between threads.
    _holders: Mutex<Vec<(Session, Registration)>>,
}

impl Moment {
    /// Without snapshots: every statement sees what is there when it starts.
    pub(crate) fn now(source_lsn: Option<Lsn>, applied_lsn: Option<Lsn>) -> Self {
        Self {
            source: None,
            target: None,
            source_lsn,
            applied_lsn,
            touched: None,
            held: None,
            _holders: Mutex::new(Vec::new()),
        }
    }

    /// A snapshot of each side, at about the same time.
    pub(crate) fn unrelated(pool: &Pool) -> Result<Self, Error> {
        let source = Held::open(pool, Side::Source)?;
        let target = Held::open(pool, Side::Target)?;
        let mut moment = Self::now(None, None);
        moment.source = Some(source.id);
        moment.target = Some(target.id);
        moment._holders = Mutex::new(vec![source.session, target.session]);
        Ok(moment)
    }

    /// The snapshot of a side.
    pub(crate) fn of(&self, side: Side) -> Option<&str> {
        match side {
            Side::Source => self.source.as_deref(),
            Side::Target => self.target.as_deref(),
        }
    }
}

struct Held {
    session: (Session, Registration),
    id: String,
}

impl Held {
    fn open(pool: &Pool, side: Side) -> Result<Self, Error> {
        let mut session = pool.open(side, Access::ReadOnly)?;
        let id = session.0.export_snapshot()?;
        Ok(Self { session, id })
    }
}

/// How the target is known to have passed a position.
pub(crate) enum Sign<'a> {
    /// A row of the marker table.
    Marker(&'a mut Marker),
    /// Its origin or the source's slot.
    Position(&'a mut Fence),
}

/// The live moment: a slot, then a snapshot of the source, then a snapshot of the target that
/// contains everything up to the slot, then the changes decoded in between.
pub(crate) fn live(
    pool: &Pool,
    sign: Sign<'_>,
    pairs: &[&Pair],
    limit: Duration,
) -> Result<Moment, Error> {
    let (mut decoder, decoder_watch) = pool.open(Side::Source, Access::ReadOnly)?;
    let slot = format!("pgl_verify_{}", decoder.backend_pid());
    let millis = limit.as_millis().max(1);
    decoder.batch(&format!("SET statement_timeout = {millis}"))?;
    let start = replication::slot_create(&mut decoder, &slot).map_err(|error| {
        error
            .with_context("making a temporary slot")
            .with_hint("it waits until every transaction that was writing has ended: look for old ones in pg_stat_activity")
    })?;
    decoder.batch("SET statement_timeout = 0")?;
    let mut source = Held::open(pool, Side::Source)?;
    let (mut target, target_watch) = match sign {
        Sign::Marker(marker) => {
            let token = token(&decoder);
            marker.write(&token)?;
            snapshot_after_marker(pool, &token, limit)?
        }
        Sign::Position(fence) => {
            fence.wait(pool, start, limit)?;
            let (mut session, watch) = pool.open(Side::Target, Access::ReadOnly)?;
            session.begin(Begin::Snapshot)?;
            (session, watch)
        }
    };
    let target_id = catalog::export_snapshot(&mut target)?;
    let end = catalog::insert_lsn(&mut source.session.0)?;
    let mut touched = Touched::default();
    let columns = wanted_columns(pairs);
    replication::slot_changes(&mut decoder, &slot, end, |mut change| {
        if change
            .tables
            .iter()
            .any(|table| columns.contains_key(table))
        {
            Touched::trim(&mut change, &columns);
            touched.add(change);
        }
    })?;
    // Held no longer than needed: it keeps the source from recycling its log.
    replication::slot_drop(&mut decoder, &slot)?;
    drop(decoder_watch);
    Ok(Moment {
        source: Some(source.id),
        target: Some(target_id),
        source_lsn: Some(start),
        applied_lsn: Some(end),
        touched: Some(touched),
        held: None,
        _holders: Mutex::new(vec![source.session, (target, target_watch)]),
    })
}

/// Differs from any other run's: the server's process and the time.
fn token(session: &Session) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    format!("{}-{}", session.backend_pid(), now.as_nanos())
}

/// Which columns of which relations are needed to name a row.
fn wanted_columns(pairs: &[&Pair]) -> HashMap<QualifiedName, HashSet<String>> {
    let mut all: HashMap<QualifiedName, HashSet<String>> = HashMap::new();
    for pair in pairs {
        let columns: HashSet<String> = match &pair.key {
            Some(key) => key.iter().cloned().collect(),
            None => pair.columns.iter().map(|c| c.name.clone()).collect(),
        };
        let names = pair.source.iter().map(|r| r.qualified());
        for name in names.chain([pair.name.clone()]) {
            all.entry(name).or_default().extend(columns.iter().cloned());
        }
    }
    all
}

/// The barrier: writers of the source tables wait while the target catches up and both snapshots
/// are taken.
pub(crate) fn barrier(
    pool: &Pool,
    fence: &mut Fence,
    pairs: &[&Pair],
    limits: (Duration, Duration),
) -> Result<Moment, Error> {
    let (max_wait, max_barrier) = limits;
    // First without a lock: with a large lag the barrier would be that long.
    let now = fence.position()?;
    fence.wait(pool, now, max_wait)?;
    let lock = catalog::sql::lock(pairs.iter().flat_map(|pair| &pair.source));
    let close = catalog::sql::lock(pairs.iter().flat_map(|pair| &pair.target));
    let started = Instant::now();
    let mut attempt = 0;
    loop {
        attempt += 1;
        match once(pool, fence, (&lock, &close), max_barrier) {
            // Each attempt is short, so that a busy server is not held up: there may be many.
            // Our own statement_timeout shows as a cancelled statement.
            Err(error)
                if (error.is_transient() || error.kind == Kind::Cancelled)
                    && started.elapsed() < max_wait =>
            {
                pool.check(Side::Source)?;
                log::info!("barrier, attempt {attempt}: {error}");
                pool.pause(Duration::from_millis((100 * attempt).min(1000)));
            }
            other => return other,
        }
    }
}

/// Bounds the wait for all locks of the session together to a part of `deadlock_timeout`. Locks on
/// several tables can meet a writer's locks in a deadlock, and the server would end whichever of
/// the two looks first: it must be us who step back, never the application or the apply worker.
fn give_way_first(session: &mut Session, max_barrier: Duration) -> Result<(), Error> {
    let patience = catalog::deadlock_timeout(session)? / 2;
    let millis = patience.min(max_barrier).as_millis().max(1);
    session.batch(&format!("SET LOCAL statement_timeout = {millis}"))
}

fn once(
    pool: &Pool,
    fence: &mut Fence,
    (lock, close): (&str, &str),
    max_barrier: Duration,
) -> Result<Moment, Error> {
    // Everything that takes time is done before the lock: connecting above all.
    let (mut locker, _watch) = pool.open(Side::Source, Access::ReadOnly)?;
    let (mut closer, _closer_watch) = pool.open(Side::Target, Access::ReadOnly)?;
    let mut source = pool.open(Side::Source, Access::ReadOnly)?;
    let mut target = pool.open(Side::Target, Access::ReadOnly)?;
    locker.begin(Begin::ReadOnly)?;
    let millis = max_barrier.as_millis().max(1);
    locker.batch(&format!("SET LOCAL lock_timeout = {millis}"))?;
    closer.begin(Begin::ReadOnly)?;
    closer.batch(&format!("SET LOCAL lock_timeout = {millis}"))?;
    give_way_first(&mut locker, max_barrier)?;
    give_way_first(&mut closer, max_barrier)?;
    let asked = Instant::now();
    locker
        .batch(lock)
        .map_err(|error| error.with_context("locking the source tables"))?;
    let source_id = source.0.export_snapshot()?;
    let lsn = fence.position()?;
    fence.wait(pool, lsn, max_barrier.saturating_sub(asked.elapsed()))?;
    // The origin moves a moment before the applied transaction becomes visible. The apply worker
    // keeps its lock until after that, so a lock that conflicts with it closes the gap.
    closer
        .batch(close)
        .map_err(|error| error.with_context("locking the target tables"))?;
    let target_id = target.0.export_snapshot()?;
    locker.rollback()?;
    let held = asked.elapsed();
    closer.rollback()?;
    let applied = fence.applied()?;
    Ok(Moment {
        source: Some(source_id),
        target: Some(target_id),
        source_lsn: Some(lsn),
        applied_lsn: applied,
        touched: None,
        held: Some(held),
        _holders: Mutex::new(vec![source, target]),
    })
}
