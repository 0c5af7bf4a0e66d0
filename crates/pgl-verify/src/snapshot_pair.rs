//! A moment: a snapshot of each side, and what is known about how the two relate.
//!
//! See "What identical means" in ARCHITECTURE.md: every comparison rests on what is established here.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use pgl_catalog::lock_wait::{deadlock_timeout, lower_deadlock_timeout};
use pgl_catalog::verify as catalog;
use pgl_catalog::verify::replication::{self, TableFile};
use pgl_conn::{Access, Begin, Error, Kind, Session};
use pgl_core::migration::OWN_SCHEMA;
use pgl_core::verify::changes::{AppliedRange, ChangeLog, XidSnapshot, wanted};
use pgl_core::verify::pairing::TablePair;
use pgl_core::verify::pairing::children::KnownChildren;
use pgl_core::verify::types::RelationInfo;
use pgl_core::{Lsn, QualifiedName, Side};

use crate::lsn_wait::{LsnWait, MARKER_NAME, Marker, PAUSE, ran_out, unseen_commits};
use crate::pool::{Pool, Watched};

/// A snapshot of the target is taken anew this often until it is known exactly which transactions it has.
const EXACT_TRIES: u32 = 60;
/// How long a commit may take from its record in the log until others see it, unless it waits for a standby.
const COMMIT_VISIBLE: Duration = Duration::from_millis(500);
/// `undefined_table`: a table was dropped between finding it in the catalog and locking it.
const DROPPED: &str = "42P01";

/// Snapshots of both sides. They last as long as this.
pub(crate) struct SnapshotPair {
    /// Exported snapshot of the source; none where every statement sees what is there.
    pub(crate) source: Option<String>,
    /// Exported snapshot of the target.
    pub(crate) target: Option<String>,
    /// Position of the source that its snapshot contains.
    pub(crate) source_lsn: Option<Lsn>,
    /// How far the target had applied.
    pub(crate) applied_lsn: Option<Lsn>,
    /// What was written between the two snapshots.
    pub(crate) between: Between,
    /// How long writers were held up.
    pub(crate) held: Option<Duration>,
    /// Where the tables were stored before the snapshots were taken.
    files: Files,
    /// The sessions that keep the snapshots.
    /// Behind a lock only because the moment is shared between threads.
    _holders: Mutex<Vec<Holder>>,
}

/// What lies between the two snapshots.
pub(crate) enum Between {
    /// Nothing: both are of one position, or the user says that nobody writes.
    Nothing,
    /// What these transactions did.
    Decoded {
        log: ChangeLog,
        source: XidSnapshot,
        applied: AppliedRange,
    },
    /// What a later snapshot of the source shows, which has everything that the target had applied.
    Versions {
        later: String,
        first: XidSnapshot,
        second: XidSnapshot,
        /// A snapshot of the target that is earlier than the first one of the source, and the transactions that may have
        /// ended between it and the target's.
        earlier: String,
        target_xids: Range<u64>,
    },
}

impl SnapshotPair {
    fn new(source: Held, target: Held, files: Files, between: Between) -> Self {
        Self {
            source: Some(source.id),
            target: Some(target.id),
            source_lsn: None,
            applied_lsn: None,
            between,
            held: None,
            files,
            _holders: Mutex::new(vec![source.session, target.session]),
        }
    }

    /// A snapshot of each side, at about the same time. A standby before 10 cannot give one away: there every statement
    /// sees what is there when it starts.
    pub(crate) fn unrelated(pool: &Pool, pairs: &[&TablePair]) -> Result<Self, Error> {
        let files = Files::read(pool, pairs)?;
        let source = Held::open(pool, Side::Source)?;
        let target = Held::open(pool, Side::Target)?;
        let (Some(mut source), Some(target)) = (source, target) else {
            return Ok(Self {
                source: None,
                target: None,
                source_lsn: None,
                applied_lsn: None,
                between: Between::Nothing,
                held: None,
                files,
                _holders: Mutex::new(Vec::new()),
            });
        };
        let lsn = match source.session.0.is_standby() {
            true => None,
            false => Some(catalog::insert_lsn(&mut source.session.0)?),
        };
        let mut moment = Self::new(source, target, files, Between::Nothing);
        moment.source_lsn = lsn;
        Ok(moment)
    }

    /// The snapshot of a side.
    pub(crate) fn of(&self, side: Side) -> Option<&str> {
        match side {
            Side::Source => self.source.as_deref(),
            Side::Target => self.target.as_deref(),
        }
    }

    /// What a table was stored in before the snapshots.
    pub(crate) fn files_of(&self, pair: &TablePair) -> PairFiles {
        let of = |side: Side| {
            let names = pair.relations(side).iter().map(RelationInfo::qualified);
            names
                .map(|name| self.files.of(side).get(&name).cloned())
                .collect()
        };
        PairFiles(of(Side::Source), of(Side::Target))
    }

    /// The results that lack rows which are seen in their table in this moment.
    pub(crate) fn lacking(
        &self,
        pool: &Pool,
        known: &(KnownChildren, KnownChildren),
    ) -> Result<BTreeSet<QualifiedName>, Error> {
        let mut lacking = BTreeSet::new();
        for (side, known) in [(Side::Source, &known.0), (Side::Target, &known.1)] {
            let now = pool.with(side, self.of(side), replication::children)?;
            lacking.extend(known.lacking(&now));
        }
        Ok(lacking)
    }

    /// What has happened to a table since before the snapshots.
    pub(crate) fn since(&self, pool: &Pool, pair: &TablePair) -> Result<Since, Error> {
        let now = Files::read(pool, &[pair])?;
        let mut since = Since::Nothing;
        for side in [Side::Source, Side::Target] {
            let (before, now) = (self.files.of(side), now.of(side));
            for relation in pair.relations(side) {
                let name = relation.qualified();
                match now.get(&name) {
                    // Since it was paired, that is. What another object of the name holds says nothing of the one that was
                    // listed, which may go by another name now.
                    Some(file) if file.layout == relation.layout && file.oid == relation.oid => {
                        if before.get(&name) != Some(file) {
                            since = Since::Rewritten;
                        }
                    }
                    _ => return Ok(Since::Redefined(side)),
                }
            }
            // A partition that was attached or detached has rows that were not read, or none of the table's.
            let leaves = now.get(&pair.name).map(|file| file.leaves.as_slice());
            if leaves != Some(pair.leaves(side)) {
                return Ok(Since::Redefined(side));
            }
        }
        Ok(since)
    }

    /// Why a look at this table failed: because its definition is another one now, or was for a while, where that is so.
    pub(crate) fn cause(&self, pool: &Pool, pair: &TablePair, error: Error) -> Error {
        match self.since(pool, pair) {
            Ok(Since::Redefined(side)) => redefined(side),
            Ok(Since::Rewritten) if error.sqlstate.as_deref().is_some_and(is_about_names) => {
                redefined(error.side)
            }
            _ => error,
        }
    }
}

/// A table, a column, a type, a function or an operator that is not there, or a table that is something else.
fn is_about_names(sqlstate: &str) -> bool {
    matches!(
        sqlstate,
        "42P01" | "42703" | "42704" | "42883" | "42804" | "42809"
    )
}

/// What has happened to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    Nothing,
    /// It was truncated or rewritten: what was read may be of another file, or of none. Or its replica
    /// identity was another one for a while: changes then name rows by other columns.
    Rewritten,
    /// It is another table than the one that was paired, has other columns, attributes of composite types, partitions or
    /// another replica identity, or is gone.
    Redefined(Side),
}

/// Nothing can be said of the table in this run: another one compares it with its new definition.
pub(crate) fn redefined(side: Side) -> Error {
    Error::new(
        side,
        Kind::NotYet,
        "the table's definition was changed while it was compared",
    )
}

/// What the relations of a table are stored in on the source and on the target; none for one that is not there.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct PairFiles(Vec<Option<TableFile>>, Vec<Option<TableFile>>);

impl PairFiles {
    /// The file of this relation of the target.
    pub(crate) fn target(&self, relation: u32) -> Option<i64> {
        self.1.get(relation as usize)?.as_ref().map(|one| one.file)
    }
}

/// Where tables are stored on both sides.
#[derive(Default)]
struct Files {
    source: HashMap<QualifiedName, TableFile>,
    target: HashMap<QualifiedName, TableFile>,
}

impl Files {
    fn read(pool: &Pool, pairs: &[&TablePair]) -> Result<Self, Error> {
        let read = |side: Side| {
            let names: HashSet<QualifiedName> = pairs
                .iter()
                .flat_map(|pair| {
                    let relations = pair.relations(side).iter();
                    (relations.map(RelationInfo::qualified)).chain([pair.name.clone()])
                })
                .collect();
            let names: Vec<QualifiedName> = names.into_iter().collect();
            pool.with(side, None, |session| {
                replication::table_files(session, &names)
            })
        };
        Ok(Self {
            source: read(Side::Source)?,
            target: read(Side::Target)?,
        })
    }

    /// Locks the tables that are still there. Reading one that was dropped says so.
    fn lock(&self, pairs: &[&TablePair], side: Side) -> String {
        let known = self.of(side);
        catalog::sql::lock(
            (pairs.iter().flat_map(|pair| pair.relations(side)))
                .filter(|relation| known.contains_key(&relation.qualified())),
        )
    }

    fn of(&self, side: Side) -> &HashMap<QualifiedName, TableFile> {
        match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        }
    }
}

type Holder = (Session, Watched);

/// A session that does nothing but keep a snapshot: it never holds a lock on a table.
struct Held {
    session: Holder,
    id: String,
}

impl Held {
    fn open(pool: &Pool, side: Side) -> Result<Option<Self>, Error> {
        let mut session = pool.open(side, Access::ReadOnly)?;
        if session.0.is_standby() && !session.0.version().at_least(10) {
            return Ok(None);
        }
        let id = session.0.export_snapshot()?;
        Ok(Some(Self { session, id }))
    }
}

/// How the target is known to have passed a position.
enum Sign {
    /// The row of the marker table with this token.
    Marker(String),
    /// Its origin, or the source's slot, has passed this.
    Position(Lsn),
}

/// The live moment: a slot, then a snapshot of the source that has everything up to the slot, then a snapshot of the
/// target that has everything that the source's has, then the transactions decoded in between.
pub(crate) fn live(
    pool: &Pool,
    lsn_wait: &mut LsnWait,
    marker: &mut Option<Marker>,
    pairs: &[&TablePair],
    limit: Duration,
) -> Result<SnapshotPair, Error> {
    let files = Files::read(pool, pairs)?;
    let (mut decoder, decoder_watch) = pool.open(Side::Source, Access::ReadOnly)?;
    let slot = format!("pgl_verify_{}", decoder.backend_pid());
    let millis = limit.as_millis().max(1);
    decoder.batch(&format!("SET statement_timeout = {millis}"))?;
    let asked = Instant::now();
    let start = replication::slot_create(&mut decoder, &slot).map_err(|error| {
        ran_out(error, asked, limit)
            .with_context("making a temporary slot")
            .with_hint("it waits until every transaction that was writing has ended: look for old ones in pg_stat_activity and pg_prepared_xacts")
    })?;
    decoder.batch("SET statement_timeout = 0")?;
    let (source, seen) = complete_snapshot(pool, &mut decoder)?;
    let sign = sign(marker, &mut decoder, limit)?;
    let mut arrived = target_snapshot(pool, lsn_wait, &sign, limit)?;
    let upto = match arrived.range {
        Some(range) => range.upto,
        None => catalog::insert_lsn(&mut decoder)?,
    };
    let mut columns = wanted(pairs);
    let marker_table = QualifiedName::new(OWN_SCHEMA, "marker");
    let kept = columns.entry(marker_table.clone()).or_default();
    kept.all.insert("token".to_owned());
    kept.key.insert("token".to_owned());
    let log = replication::slot_changes(&mut decoder, &slot, upto, &columns)?;
    // Held no longer than needed: it keeps the source from recycling its log.
    replication::slot_drop(&mut decoder, &slot)?;
    drop(decoder_watch);
    let sure = match &sign {
        Sign::Marker(token) => log.end_of(&marker_table, "token", token),
        Sign::Position(lsn) => Some(*lsn),
    };
    let range = AppliedRange::of(arrived.range, sure, upto).ok_or_else(|| {
        Error::new(
            Side::Source,
            Kind::Protocol,
            "the marker row arrived on the target and is not among the source's decoded changes",
        )
    })?;
    arrived.held.session.0.ping()?;
    let between = Between::Decoded {
        log,
        source: seen,
        applied: range,
    };
    let mut moment = SnapshotPair::new(source, arrived.held, files, between);
    moment.source_lsn = Some(start);
    moment.applied_lsn = Some(range.upto);
    Ok(moment)
}

/// Writes the marker row on the source. Where that is refused (the database is read-only, above all), the target's
/// position does as well.
fn sign(
    marker: &mut Option<Marker>,
    decoder: &mut Session,
    limit: Duration,
) -> Result<Sign, Error> {
    let token = token(decoder);
    if let Some(writer) = marker {
        match writer.write(&token, limit) {
            Ok(()) => return Ok(Sign::Marker(token)),
            Err(error)
                if error.is_lost() || error.sqlstate.is_none() || error.kind == Kind::NotYet =>
            {
                return Err(error);
            }
            Err(error) => {
                log::warn!("{error}; the target's position is used instead");
                *marker = None;
            }
        }
    }
    Ok(Sign::Position(catalog::insert_lsn(decoder)?))
}

/// A snapshot of the source that sees everything that committed before now. A commit is in the log, and may have
/// been applied by the target, a moment before others see it, and longer where it waits for a synchronous standby.
fn complete_snapshot(pool: &Pool, looking: &mut Session) -> Result<(Held, XidSnapshot), Error> {
    let earlier = replication::xids_in_progress(looking)?;
    let (mut session, watch) = pool.open(Side::Source, Access::ReadOnly)?;
    let end = Instant::now() + COMMIT_VISIBLE;
    loop {
        session.begin(Begin::Snapshot)?;
        let seen = replication::xid_snapshot(&mut session)?;
        let open = seen.still_running(&earlier);
        let late = Instant::now() >= end;
        if open.is_empty() || late && replication::unfinished_commits(looking, &open)? == 0 {
            let id = catalog::export_snapshot(&mut session)?;
            let session = (session, watch);
            return Ok((Held { session, id }, seen));
        }
        session.rollback()?;
        pool.check(Side::Source)?;
        if late {
            return Err(unseen_commits().with_hint(
                "SELECT pid, application_name FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
            ));
        }
        std::thread::sleep(PAUSE);
    }
}

/// A snapshot of the target, and which transactions it has; none where the origin may not be read.
struct Arrived {
    held: Held,
    range: Option<AppliedRange>,
}

/// Opens snapshots on the target until one has what the sign says, and then until it is known exactly which
/// transactions it has, as far as that can be had.
fn target_snapshot(
    pool: &Pool,
    lsn_wait: &mut LsnWait,
    sign: &Sign,
    limit: Duration,
) -> Result<Arrived, Error> {
    if let Sign::Position(lsn) = sign {
        lsn_wait.wait(pool, *lsn, limit)?;
    }
    let (mut session, watch) = pool.open(Side::Target, Access::ReadOnly)?;
    let (mut reader, _reader_watch) = pool.open(Side::Target, Access::ReadOnly)?;
    if let Sign::Marker(_) = sign {
        pgl_catalog::pgl_schema::require(&mut reader)?;
    }
    let end = Instant::now() + limit;
    let mut tries = 0;
    // What another run writes into the row after ours says as much.
    let mut later: Vec<String> = Vec::new();
    loop {
        let from = lsn_wait.origin()?;
        let running = lsn_wait.target_xids()?;
        session.begin(Begin::Snapshot)?;
        let seen = replication::xid_snapshot(&mut session)?;
        let id = catalog::export_snapshot(&mut session)?;
        let upto = lsn_wait.origin()?;
        let arrived = match sign {
            Sign::Position(_) => true,
            Sign::Marker(token) => {
                // Not in the session that keeps the snapshot: it would keep the lock as long.
                reader.begin(Begin::Import(&id))?;
                let shown = replication::marker_token(&mut reader, MARKER_NAME)?;
                reader.rollback()?;
                shown.is_some_and(|shown| shown == *token || later.contains(&shown))
            }
        };
        if arrived {
            tries += 1;
            // The origin moves before its transaction becomes visible: only when nothing runs any more that ran then,
            // the last one is visible for certain.
            let range = from.zip(upto).map(|(from, upto)| AppliedRange {
                from,
                inclusive: seen.still_running(&running).is_empty(),
                upto,
            });
            let exact = range.is_none_or(|range| range.inclusive && range.from == range.upto);
            if exact || tries >= EXACT_TRIES {
                let session = (session, watch);
                let held = Held { session, id };
                return Ok(Arrived { held, range });
            }
        }
        session.rollback()?;
        pool.check(Side::Target)?;
        if Instant::now() >= end {
            return Err(Error::new(
                Side::Target,
                Kind::NotYet,
                "the marker row did not arrive on the target in time",
            )
            .with_hint("see pgl-status for the lag and its cause; --max-wait gives it more time"));
        }
        if let (Sign::Marker(token), false) = (sign, arrived) {
            let now = replication::marker_token(lsn_wait.source(), MARKER_NAME)?;
            later.extend(now.filter(|now| now != token && !later.contains(now)));
        }
        std::thread::sleep(if arrived { PAUSE / 5 } else { PAUSE });
    }
}

/// The moment without decoding: a snapshot of the source, one of the target that has at least as much, and a second one of
/// the source that has at least as much as the target's.
pub(crate) fn versions(
    pool: &Pool,
    lsn_wait: &mut LsnWait,
    pairs: &[&TablePair],
    limit: Duration,
) -> Result<SnapshotPair, Error> {
    let files = Files::read(pool, pairs)?;
    let (earlier, earliest) = known_snapshot(pool, Side::Target)?;
    let (source, first) = known_snapshot(pool, Side::Source)?;
    let position = lsn_wait.position()?;
    lsn_wait.wait_visible(pool, position, limit)?;
    let (target, latest) = known_snapshot(pool, Side::Target)?;
    let applied = lsn_wait.applied()?;
    let (later, second) = complete_snapshot(pool, lsn_wait.source())?;
    let between = Between::Versions {
        later: later.id.clone(),
        first,
        second,
        earlier: earlier.id,
        target_xids: earliest.xmin()..latest.xmax(),
    };
    let mut moment = SnapshotPair::new(source, target, files, between);
    moment.source_lsn = Some(position);
    moment.applied_lsn = applied;
    moment
        ._holders
        .get_mut()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .extend([later.session, earlier.session]);
    Ok(moment)
}

/// A snapshot, and which transactions it sees.
fn known_snapshot(pool: &Pool, side: Side) -> Result<(Held, XidSnapshot), Error> {
    let (mut session, watch) = pool.open(side, Access::ReadOnly)?;
    session.begin(Begin::Snapshot)?;
    let seen = replication::xid_snapshot(&mut session)?;
    let id = catalog::export_snapshot(&mut session)?;
    let session = (session, watch);
    Ok((Held { session, id }, seen))
}

/// Differs from any other run's: the server's process and the time.
fn token(session: &Session) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    format!("{}-{}", session.backend_pid(), now.as_nanos())
}

/// The barrier: writers of the source tables wait while the target catches up and both snapshots
/// are taken.
pub(crate) fn barrier(
    pool: &Pool,
    lsn_wait: &mut LsnWait,
    pairs: &[&TablePair],
    limits: (Duration, Duration),
) -> Result<SnapshotPair, Error> {
    let (max_wait, max_barrier) = limits;
    // First without a lock: with a large lag the barrier would be that long.
    let now = lsn_wait.position()?;
    lsn_wait.wait(pool, now, max_wait)?;
    let started = Instant::now();
    let mut attempt = 0;
    loop {
        attempt += 1;
        let files = Files::read(pool, pairs)?;
        let locks = [Side::Source, Side::Target].map(|side| files.lock(pairs, side));
        match once(pool, lsn_wait, &locks, max_barrier) {
            // Each attempt is short, so that a busy server is not held up: there may be many.
            // Our own statement_timeout shows as a cancelled statement.
            Err(error)
                if (error.is_transient()
                    || error.kind == Kind::Cancelled
                    || error.is_sqlstate(DROPPED))
                    && started.elapsed() < max_wait =>
            {
                pool.check(Side::Source)?;
                log::info!("barrier, attempt {attempt}: {error}");
                pool.pause(Duration::from_millis((100 * attempt).min(1000)));
            }
            other => {
                return other
                    .map(|moment| SnapshotPair { files, ..moment })
                    .map_err(|error| ran_out(error, started, max_wait));
            }
        }
    }
}

/// Begins a transaction in which the wait for all locks together lasts no longer than a part of `deadlock_timeout`.
/// Locks on several tables can meet a writer's locks in a deadlock, and the server would end whichever of
/// the two looks first: it must be us who step back, never the application or the apply worker. Where the role may, the
/// session looks much earlier than that, and the server then cancels an autovacuum that holds a table.
fn give_way_first(session: &mut Session, max_barrier: Duration) -> Result<(), Error> {
    let patience = deadlock_timeout(session)? / 2;
    lower_deadlock_timeout(session)?;
    session.begin(Begin::ReadOnly)?;
    let millis = max_barrier.as_millis().max(1);
    session.batch(&format!("SET LOCAL lock_timeout = {millis}"))?;
    let millis = patience.min(max_barrier).as_millis().max(1);
    session.batch(&format!("SET LOCAL statement_timeout = {millis}"))
}

fn once(
    pool: &Pool,
    lsn_wait: &mut LsnWait,
    [lock, close]: &[String; 2],
    max_barrier: Duration,
) -> Result<SnapshotPair, Error> {
    // Everything that takes time is done before the lock: connecting above all.
    let (mut locker, _watch) = pool.open(Side::Source, Access::ReadOnly)?;
    let (mut closer, _closer_watch) = pool.open(Side::Target, Access::ReadOnly)?;
    let mut source = pool.open(Side::Source, Access::ReadOnly)?;
    let mut target = pool.open(Side::Target, Access::ReadOnly)?;
    give_way_first(&mut locker, max_barrier)?;
    give_way_first(&mut closer, max_barrier)?;
    let asked = Instant::now();
    locker
        .batch(lock)
        .map_err(|error| error.with_context("locking the source tables"))?;
    let source_id = source.0.export_snapshot()?;
    let lsn = lsn_wait.position()?;
    lsn_wait.wait(pool, lsn, max_barrier.saturating_sub(asked.elapsed()))?;
    // The origin moves a moment before the applied transaction becomes visible. The apply worker
    // keeps its lock until after that, so a lock that conflicts with it closes the gap.
    closer
        .batch(close)
        .map_err(|error| error.with_context("locking the target tables"))?;
    let target_id = target.0.export_snapshot()?;
    locker.rollback()?;
    let held = asked.elapsed();
    closer.rollback()?;
    let applied = lsn_wait.applied()?;
    Ok(SnapshotPair {
        source: Some(source_id),
        target: Some(target_id),
        source_lsn: Some(lsn),
        applied_lsn: applied,
        between: Between::Nothing,
        held: Some(held),
        files: Files::default(),
        _holders: Mutex::new(vec![source, target]),
    })
}
