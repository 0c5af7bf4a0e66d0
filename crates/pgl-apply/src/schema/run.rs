//! Running the statements of `pgl.held`: in parallel where their dependencies allow, each in one
//! transaction with the mark that it is done. Quick ones share a transaction, unless one of them fails.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Condvar, Mutex, PoisonError};

use pgl_catalog::pgl_schema;
use pgl_conn::{Session, field};
use pgl_core::journal::SCHEMA;
use pgl_core::setup::StepId;
use pgl_core::setup::archive::{ArchiveEntry, SESSION, Work, is_validation};
use pgl_core::setup::secrets::{HIDDEN, has_options, redacted};
use pgl_core::{Side, plural, quote_literal};
use serde::Deserialize;

use crate::journal::write;
use crate::unlogged::unlogged_statements;
use crate::worker_pool::run_workers;
use crate::{Done, Error, ObjectFailure, Servers, Watch};

const FOREIGN_KEY: &str = "FK CONSTRAINT";
const INDEX_ATTACH: &str = "INDEX ATTACH";
/// How many statements share a transaction at most.
const AT_ONCE: usize = 50;
/// How large their tables may be together: what takes longer is done one by one, and by several sessions.
const AT_ONCE_BYTES: u64 = 8 << 20;

/// A statement that is not done yet.
#[derive(Debug, Clone, Deserialize)]
struct Held {
    id: u32,
    place: u32,
    kind: String,
    object: String,
    sql: String,
    depends: Vec<u32>,
    bytes: u64,
}

impl Held {
    /// Whether its values are not stored.
    fn is_hidden(&self) -> bool {
        has_options(&self.kind) && self.sql.contains(HIDDEN)
    }

    /// Whether others may share its transaction: it locks nothing that a statement of another session needs at the same time.
    fn may_share(&self) -> bool {
        !self.is_hidden() && self.kind != FOREIGN_KEY && self.kind != INDEX_ATTACH
    }
}

/// How statements of a step are run.
#[derive(Debug, Clone)]
pub struct How {
    /// Sessions at the same time.
    pub jobs: usize,
    /// Settings of each session.
    pub settings: Vec<(String, String)>,
    /// Statements with values that are not stored, by their object: see [`secrets`].
    pub secrets: HashMap<String, String>,
}

/// The statements among `work` that are stored with values hidden: whoever runs them has to bring them along.
pub fn secrets(work: &[Work]) -> HashMap<String, String> {
    work.iter()
        .map(|item| &item.entry)
        .filter(|entry| redacted(&entry.kind, &entry.sql).is_some())
        .map(|entry| (entry.label(), entry.sql.clone()))
        .collect()
}

/// Whether an earlier run has left statements undone, but for foreign keys, which wait for the cutover.
///
/// # Errors
/// The server's.
pub fn is_unfinished(session: &mut Session, migration: &str) -> Result<bool, Error> {
    pgl_schema::require(session)?;
    Ok(session.value(
        "SELECT EXISTS (SELECT FROM pgl.held WHERE migration = $1 AND done IS NULL AND step <> $2)",
        &[&migration, &StepId::TargetForeignKeys.as_str()],
        "whether statements are undone",
    )?)
}

/// What is in `pgl.held` and stays there: what is done, and keys that are only to be validated.
#[derive(Deserialize)]
struct Kept {
    id: u32,
    kind: String,
    object: String,
    sql: String,
}

impl Kept {
    /// Whether it is this work, which is one of several of its name: operators and default privileges may be.
    fn is(&self, item: &Work, of_one_name: bool) -> bool {
        let entry = &item.entry;
        self.kind == entry.kind
            && self.object == entry.label()
            && (!of_one_name || self.sql == stored(entry))
    }
}

/// Kinds of which several may have one name.
const ALIKE: [&str; 5] = [
    "COLLATION",
    "DEFAULT ACL",
    "OPERATOR",
    "OPERATOR CLASS",
    "OPERATOR FAMILY",
];

/// A statement as it is stored: without values that may be secrets.
fn stored(entry: &ArchiveEntry) -> String {
    redacted(&entry.kind, &entry.sql).unwrap_or_else(|| entry.sql.clone())
}

/// Stores all work in one transaction, and that the schema has been taken from the source. What an earlier run has done
/// stays; what it has not done is replaced: its cause may have been fixed on the source.
///
/// # Errors
/// The server's.
pub fn store(session: &mut Session, migration: &str, work: &[Work]) -> Result<(), Error> {
    pgl_schema::require(session)?;
    session.batch("BEGIN")?;
    session.batch(&format!(
        "DELETE FROM pgl.held WHERE migration = {} AND done IS NULL AND (kind <> 'FK CONSTRAINT' OR sql LIKE E'%\\n    ADD CONSTRAINT %')",
        quote_literal(migration)
    ))?;
    let kept: Vec<Kept> = pgl_catalog::rows(
        session,
        include_str!("../../sql/held_kept.sql"),
        &[&migration],
    )?;
    // The numbers of another archive are other objects': the new ones come behind them.
    let first = kept.iter().map(|one| one.id + 1).max().unwrap_or(0);
    let mut named: HashMap<String, usize> = HashMap::new();
    for item in work {
        *named.entry(item.entry.label()).or_default() += 1;
    }
    let mut by_name: HashMap<&str, Vec<&Kept>> = HashMap::new();
    for one in &kept {
        by_name.entry(&one.object).or_default().push(one);
    }
    let work: Vec<&Work> = (work.iter())
        .filter(|item| {
            let label = item.entry.label();
            let done = by_name.get(label.as_str()).map_or(&[][..], Vec::as_slice);
            let alike = named[&label] > 1 || ALIKE.contains(&item.entry.kind.as_str());
            !(done.iter()).any(|one| one.is(item, alike))
        })
        .collect();
    for (chunk_at, chunk) in work.chunks(500).enumerate() {
        let mut sql = String::from(
            "INSERT INTO pgl.held (migration, id, place, step, kind, object, sql, depends, bytes) VALUES\n",
        );
        for (n, item) in chunk.iter().enumerate() {
            let entry = &item.entry;
            let depends: Vec<String> = entry
                .depends
                .iter()
                .map(|id| (id + first).to_string())
                .collect();
            if n > 0 {
                sql.push_str(",\n");
            }
            sql.push_str(&format!(
                "({}, {}, {}, {}, {}, {}, {}, '{{{}}}', {})",
                quote_literal(migration),
                entry.id + first,
                chunk_at * 500 + n,
                quote_literal(item.step.as_str()),
                quote_literal(&entry.kind),
                quote_literal(&entry.label()),
                quote_literal(&stored(entry)),
                depends.join(","),
                item.bytes
            ));
        }
        session.batch(&sql)?;
    }
    write(session, migration, &SCHEMA, &())?;
    session.commit()?;
    Ok(())
}

/// How many statements of a step there are, and how many of them are not done.
///
/// # Errors
/// The server's.
pub fn held(session: &mut Session, migration: &str, step: StepId) -> Result<(u64, u64), Error> {
    let row = session.query_one(
        "SELECT count(*), count(*) FILTER (WHERE done IS NULL) FROM pgl.held WHERE migration = $1 AND step = $2",
        &[&migration, &step.as_str()],
    )?;
    let side = session.side();
    let number = |at| {
        field::<i64>(side, &row, at, "how many statements are deferred").map(i64::unsigned_abs)
    };
    Ok((number(0)?, number(1)?))
}

/// Its turn among what can be done: the largest first, then the archive's order.
fn turn_of(item: &Held) -> Turn {
    (std::cmp::Reverse(item.bytes), item.place, item.id)
}

type Turn = (std::cmp::Reverse<u64>, u32, u32);

/// The queue of one step.
#[derive(Default)]
struct Queue {
    ready: BTreeSet<Turn>,
    waiting: HashMap<u32, HashSet<u32>>,
    /// What waits for each.
    needed_by: HashMap<u32, Vec<u32>>,
    running: usize,
    failures: Vec<ObjectFailure>,
    stopped: bool,
}

impl Queue {
    /// What comes next, and what can follow in the same transaction. A single session keeps the archive's order.
    fn take<'a>(&mut self, items: &HashMap<u32, &'a Held>) -> Vec<&'a Held> {
        let mut some: Vec<&Held> = Vec::new();
        let mut taken: HashSet<u32> = HashSet::new();
        let mut follow: BTreeSet<Turn> = BTreeSet::new();
        let mut bytes = 0;
        while let Some(turn) = (self.ready.first().into_iter().chain(follow.first())).min() {
            let (turn, Some(item)) = (*turn, items.get(&turn.2)) else {
                break;
            };
            bytes += item.bytes;
            let joins = item.may_share() && bytes <= AT_ONCE_BYTES && some.len() < AT_ONCE;
            if !(some.is_empty() || joins) {
                break;
            }
            if follow.remove(&turn) {
                self.waiting.remove(&item.id);
            }
            self.ready.remove(&turn);
            some.push(item);
            taken.insert(item.id);
            if !joins {
                break;
            }
            for id in self.needed_by.get(&item.id).into_iter().flatten() {
                let follows = (self.waiting.get(id)).is_some_and(|open| open.is_subset(&taken));
                follow.extend(items.get(id).filter(|_| follows).map(|item| turn_of(item)));
            }
        }
        some
    }
}

/// Runs what is not done of a step, which `target` reads.
///
/// # Errors
/// [`Error::Objects`] with every statement that failed; those that depend on one of them are named,
/// too. What could be done is done.
pub fn run(
    servers: &Servers,
    target: &mut Session,
    migration: &str,
    step: StepId,
    how: &How,
    watch: &dyn Watch,
) -> Result<Done, Error> {
    pgl_schema::require(target)?;
    let items: Vec<Held> = pgl_catalog::rows(
        target,
        include_str!("../../sql/held_read.sql"),
        &[&migration, &step.as_str()],
    )?;
    let (total, left) = held(target, migration, step)?;
    if left == 0 {
        let what = if total == 0 {
            "nothing is deferred for it".to_owned()
        } else {
            format!("{} present", plural(total, "object"))
        };
        return Ok(Done::Already(what));
    }
    let by_id: HashMap<u32, &Held> = items.iter().map(|item| (item.id, item)).collect();
    let mut queue = Queue::default();
    for item in &items {
        let open: HashSet<u32> = item
            .depends
            .iter()
            .copied()
            .filter(|id| *id != item.id && by_id.contains_key(id))
            .collect();
        if open.is_empty() {
            queue.ready.insert(turn_of(item));
        } else {
            for id in &open {
                queue.needed_by.entry(*id).or_default().push(item.id);
            }
            queue.waiting.insert(item.id, open);
        }
    }
    watch.begin(step.as_str(), items.len() as u64, false);
    let queue = Mutex::new(queue);
    let turn = Condvar::new();
    let jobs = how.jobs.clamp(1, items.len());
    let broken: Vec<pgl_conn::Error> = run_workers(jobs, || {
        work(servers, migration, how, &by_id, &queue, &turn, watch)
    })
    .into_iter()
    .filter_map(Result::err)
    .collect();
    watch.end();
    let queue = queue.into_inner().unwrap_or_else(PoisonError::into_inner);
    if watch.stop() {
        return Err(Error::Interrupted);
    }
    let mut failures = queue.failures;
    if let (true, Some(first)) = (failures.is_empty(), broken.into_iter().next()) {
        return Err(first.into());
    }
    for (id, open) in &queue.waiting {
        let blocker = open.iter().find_map(|id| by_id.get(id));
        if let Some(item) = by_id.get(id) {
            failures.push(not_tried(item, blocker.map(|b| b.object.as_str())));
        }
    }
    if failures.is_empty() {
        Ok(Done::Changed(format!(
            "{left} of {} created",
            plural(total, "object")
        )))
    } else {
        Err(Error::Objects {
            side: Side::Target,
            what: format!(
                "not created: {} of {}",
                failures.len(),
                plural(left, "object")
            ),
            failures,
        })
    }
}

fn work(
    servers: &Servers,
    migration: &str,
    how: &How,
    items: &HashMap<u32, &Held>,
    queue: &Mutex<Queue>,
    turn: &Condvar,
    watch: &dyn Watch,
) -> Result<(), pgl_conn::Error> {
    let result = (|| {
        let mut session = open(servers, migration, how)?;
        while let Some(some) = next(items, queue, turn, watch) {
            if some.len() > 1 {
                watch.doing(&some[0].object);
                let cancel = watch.cancel_on_stop(session.cancel_handle());
                let outcome = together(&mut session, migration, &some);
                drop(cancel);
                let lost = outcome.as_ref().is_err_and(|error| error.is_lost());
                if outcome.is_ok() || lost || watch.stop() {
                    for item in &some {
                        let failure = outcome.as_ref().err();
                        let failure = failure.map(|error| ObjectFailure::new(&item.object, error));
                        finish(items, queue, turn, item, failure, watch);
                    }
                    if lost {
                        session = open(servers, migration, how)?;
                    }
                    continue;
                }
            }
            let mut failed: HashMap<u32, &str> = HashMap::new();
            for item in some {
                watch.doing(&item.object);
                let mut lost = false;
                let failure = match item.depends.iter().find_map(|id| failed.get(id)) {
                    Some(needed) => Some(not_tried(item, Some(needed))),
                    None => {
                        let _cancel = watch.cancel_on_stop(session.cancel_handle());
                        let outcome = with_secrets(&mut session, migration, how, item);
                        lost = outcome.as_ref().is_err_and(pgl_conn::Error::is_lost);
                        (outcome.err()).map(|error| ObjectFailure::new(&item.object, &error))
                    }
                };
                if failure.is_some() {
                    failed.insert(item.id, &item.object);
                }
                finish(items, queue, turn, item, failure, watch);
                if lost {
                    session = open(servers, migration, how)?;
                }
            }
        }
        Ok(())
    })();
    if result.is_err() {
        // The others must not wait for work that nobody does.
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.stopped = true;
        turn.notify_all();
    }
    result
}

fn open(servers: &Servers, migration: &str, how: &How) -> Result<Session, pgl_conn::Error> {
    let mut session = servers.loader()?;
    session.batch(SESSION)?;
    session.batch(&format!("SET pgl.migration = {}", quote_literal(migration)))?;
    for (name, value) in &how.settings {
        session.batch(&format!("SET {name} = {}", quote_literal(value)))?;
    }
    Ok(session)
}

fn not_tried(item: &Held, needed: Option<&str>) -> ObjectFailure {
    ObjectFailure {
        object: item.object.clone(),
        sqlstate: None,
        message: "not tried: something that it needs failed".to_owned(),
        detail: needed.map(|one| format!("it needs {one}")),
        context: None,
        hint: None,
    }
}

/// What can be done now: one statement, or several that share a transaction.
fn next<'a>(
    items: &HashMap<u32, &'a Held>,
    queue: &Mutex<Queue>,
    turn: &Condvar,
    watch: &dyn Watch,
) -> Option<Vec<&'a Held>> {
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if queue.stopped || watch.stop() {
            queue.stopped = true;
            turn.notify_all();
            return None;
        }
        let some = queue.take(items);
        if !some.is_empty() {
            queue.running += some.len();
            return Some(some);
        }
        if queue.running == 0 {
            turn.notify_all();
            return None;
        }
        queue = turn.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
}

fn finish(
    items: &HashMap<u32, &Held>,
    queue: &Mutex<Queue>,
    turn: &Condvar,
    item: &Held,
    failure: Option<ObjectFailure>,
    watch: &dyn Watch,
) {
    let mut guard = queue.lock().unwrap_or_else(PoisonError::into_inner);
    let queue = &mut *guard;
    queue.running -= 1;
    match failure {
        None => {
            watch.add(1);
            for id in queue.needed_by.remove(&item.id).unwrap_or_default() {
                let (Some(open), Some(next)) = (queue.waiting.get_mut(&id), items.get(&id)) else {
                    continue;
                };
                open.remove(&item.id);
                if open.is_empty() {
                    queue.waiting.remove(&id);
                    queue.ready.insert(turn_of(next));
                }
            }
        }
        Some(failure) => queue.failures.push(failure),
    }
    turn.notify_all();
}

/// A statement and its mark that it is done.
fn marked(migration: &str, item: &Held, statement: &str) -> String {
    format!(
        "{statement}\n;UPDATE pgl.held SET done = clock_timestamp() WHERE migration = {} AND id = {};\n",
        quote_literal(migration),
        item.id
    )
}

/// What keeps new triggers from firing for replicated rows.
fn quiet(items: &[&Held]) -> &'static str {
    if items.iter().any(|item| item.kind.ends_with("TRIGGER")) {
        include_str!("../../sql/quiet_triggers.sql")
    } else {
        ""
    }
}

/// Statements and their marks in one transaction, which is rolled back where one fails.
fn together(
    session: &mut Session,
    migration: &str,
    items: &[&Held],
) -> Result<(), pgl_conn::Error> {
    let each: String = items
        .iter()
        .map(|item| marked(migration, item, &item.sql))
        .collect();
    let outcome = session.batch(&format!("BEGIN;\n{each}{}\n;COMMIT", quiet(items)));
    if outcome.as_ref().is_err_and(|error| !error.is_lost()) {
        session.rollback()?;
    }
    outcome
}

/// One statement, with the values that are not stored where it has some.
fn with_secrets(
    session: &mut Session,
    migration: &str,
    how: &How,
    item: &Held,
) -> Result<(), pgl_conn::Error> {
    match (item.is_hidden(), how.secrets.get(&item.object)) {
        (false, _) => once(session, migration, item, &item.sql),
        (true, Some(sql)) => {
            unlogged_statements(session, |session| once(session, migration, item, sql))
        }
        (true, None) => Err(pgl_conn::Error::new(
            Side::Target,
            pgl_conn::Kind::Refused,
            "its statement holds values that are not stored",
        )
        .with_hint("pgl-setup reads them from the source again")),
    }
}

/// One statement and its mark. A deadlock with a neighbour (two partitions of one table) is tried
/// again.
fn once(
    session: &mut Session,
    migration: &str,
    item: &Held,
    statement: &str,
) -> Result<(), pgl_conn::Error> {
    // An index of a partitioned table becomes valid with its last part, and servers up to 18 look for that without a lock
    // that they keep: two parts attached at once, in two levels, leave it invalid.
    let alone = if item.kind == INDEX_ATTACH {
        "SELECT pg_catalog.pg_advisory_xact_lock('pgl.held'::pg_catalog.regclass::pg_catalog.oid::pg_catalog.int8);"
    } else {
        ""
    };
    let sql = format!(
        "BEGIN;\n{alone}{}{}\n;COMMIT",
        marked(migration, item, statement),
        quiet(&[item])
    );
    let mut tries = 0;
    loop {
        match session.batch(&sql) {
            Ok(()) => return Ok(()),
            Err(error) => {
                if !error.is_lost() {
                    session.rollback()?;
                }
                // Somebody has dropped a key that was added unchecked and cannot hold: nothing is left to be checked.
                if error.is_sqlstate("42704")
                    && item.kind == FOREIGN_KEY
                    && is_validation(&item.sql)
                {
                    log::warn!("{}: not validated: {}", item.object, error.message);
                    session.execute(
                        "UPDATE pgl.held SET done = clock_timestamp() WHERE migration = $1 AND id::bigint = $2",
                        &[&migration, &i64::from(item.id)],
                    )?;
                    return Ok(());
                }
                tries += 1;
                if !(error.is_sqlstate("40P01") && tries < 5) {
                    return Err(error);
                }
            }
        }
    }
}
