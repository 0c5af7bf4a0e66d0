//! Running the statements of `pgl.held`: in parallel where their dependencies allow, each in one
//! transaction with the mark that it is done.

use pgl_core::plural;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Condvar, Mutex, PoisonError};

use pgl_catalog::pgl_schema;
use pgl_conn::{Session, field};
use pgl_core::journal::SCHEMA;
use pgl_core::setup::StepId;
use pgl_core::setup::archive::{ArchiveEntry, SESSION, Work, is_validation};
use pgl_core::setup::secrets::{HIDDEN, has_options, redacted};
use pgl_core::{Side, quote_literal};
use serde::Deserialize;

use crate::journal::write;
use crate::unlogged::unlogged_statements;
use crate::worker_pool::run_workers;
use crate::{Done, Error, ObjectFailure, Servers, Watch};

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

/// The queue of one step.
struct Queue {
    ready: BTreeSet<(std::cmp::Reverse<u64>, u32, u32)>,
    waiting: HashMap<u32, HashSet<u32>>,
    running: usize,
    failures: Vec<ObjectFailure>,
    failed: HashSet<u32>,
    stopped: bool,
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
    let mut queue = Queue {
        ready: BTreeSet::new(),
        waiting: HashMap::new(),
        running: 0,
        failures: Vec::new(),
        failed: HashSet::new(),
        stopped: false,
    };
    for item in &items {
        let open: HashSet<u32> = item
            .depends
            .iter()
            .copied()
            .filter(|id| *id != item.id && by_id.contains_key(id))
            .collect();
        if open.is_empty() {
            queue
                .ready
                .insert((std::cmp::Reverse(item.bytes), item.place, item.id));
        } else {
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
            failures.push(ObjectFailure {
                object: item.object.clone(),
                sqlstate: None,
                message: "not tried: something that it needs failed".to_owned(),
                detail: blocker.map(|b| format!("it needs {}", b.object)),
                context: None,
                hint: None,
            });
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
        while let Some(id) = next(queue, turn, watch) {
            let Some(item) = items.get(&id) else { continue };
            watch.doing(&item.object);
            let _cancel = watch.cancel_on_stop(session.cancel_handle());
            let outcome = match (item.is_hidden(), how.secrets.get(&item.object)) {
                (false, _) => once(&mut session, migration, item, &item.sql),
                (true, Some(sql)) => {
                    unlogged_statements(&mut session, |session| once(session, migration, item, sql))
                }
                (true, None) => Err(pgl_conn::Error::new(
                    Side::Target,
                    pgl_conn::Kind::Refused,
                    "its statement holds values that are not stored",
                )
                .with_hint("pgl-setup reads them from the source again")),
            };
            let lost = outcome.as_ref().err().is_some_and(pgl_conn::Error::is_lost);
            finish(queue, turn, item, outcome, watch);
            if lost {
                session = open(servers, migration, how)?;
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

fn next(queue: &Mutex<Queue>, turn: &Condvar, watch: &dyn Watch) -> Option<u32> {
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if queue.stopped || watch.stop() {
            queue.stopped = true;
            turn.notify_all();
            return None;
        }
        if let Some((_, _, id)) = queue.ready.pop_first() {
            queue.running += 1;
            return Some(id);
        }
        if queue.running == 0 {
            turn.notify_all();
            return None;
        }
        queue = turn.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
}

fn finish(
    queue: &Mutex<Queue>,
    turn: &Condvar,
    item: &Held,
    outcome: Result<(), pgl_conn::Error>,
    watch: &dyn Watch,
) {
    let mut guard = queue.lock().unwrap_or_else(PoisonError::into_inner);
    let queue = &mut *guard;
    queue.running -= 1;
    match outcome {
        Ok(()) => {
            watch.add(1);
            queue.waiting.retain(|id, open| {
                open.remove(&item.id);
                if open.is_empty() {
                    queue.ready.insert((std::cmp::Reverse(0), item.place, *id));
                }
                !open.is_empty()
            });
        }
        Err(error) => {
            queue.failed.insert(item.id);
            queue
                .failures
                .push(ObjectFailure::new(&item.object, &error));
        }
    }
    turn.notify_all();
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
    let alone = if item.kind == "INDEX ATTACH" {
        "SELECT pg_catalog.pg_advisory_xact_lock('pgl.held'::pg_catalog.regclass::pg_catalog.oid::pg_catalog.int8);"
    } else {
        ""
    };
    let quiet = if item.kind.ends_with("TRIGGER") {
        include_str!("../../sql/quiet_triggers.sql")
    } else {
        ""
    };
    let sql = format!(
        "BEGIN;\n{alone}{}\n;{quiet}\n;UPDATE pgl.held SET done = clock_timestamp() WHERE migration = {} AND id = {};\nCOMMIT;",
        statement,
        quote_literal(migration),
        item.id
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
                    && item.kind == "FK CONSTRAINT"
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
