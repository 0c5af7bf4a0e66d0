//! One sample of each server.

use std::collections::HashMap;
use std::time::Instant;

use pgl_conn::{DsnText, Error, Session};
use pgl_core::journal::{PARTS, PLAN};
use pgl_core::migration::Names;
use pgl_core::status::facts::{
    CopyJournal, CopyNow, RunHolder, SlotNow, SourceNow, SubscriptionNow, TargetNow, TargetOrigin,
    WalSenderNow, Worker,
};
use pgl_core::{Plan, QualifiedName};
use serde::Deserialize;

use super::{allowed, by_table, shown};
use crate::pgl_schema::{pglogical, readable};
use crate::{column, journal, lock_holders, row, rows};

/// The source now: its clock and position, the slot of this name and who serves it, and the run that holds the migration's
/// lock there. `began` is
/// where the program's own clock starts.
///
/// # Errors
/// The server's.
pub fn source_now(
    session: &mut Session,
    migration: &str,
    slot: Option<&str>,
    began: Instant,
) -> Result<SourceNow, Error> {
    let sql =
        sql!(session.version(), 100_000 => "status/source_now_pg94", _ => "status/source_now");
    // The slot first and the position after it: what is between them is never too little.
    let slot = match slot {
        Some(slot) => rows::<SlotNow>(session, sql!("status/slot"), &[&slot])?.pop(),
        None => None,
    };
    let asked = Instant::now();
    let mut now: SourceNow = row(session, sql, &[])?;
    now.clock_error = asked.elapsed().as_secs_f64() / 2.0;
    now.clock_at = (asked - began).as_secs_f64() + now.clock_error;
    if let Some(slot) = slot.as_ref().filter(|slot| slot.active) {
        let sql = sql!("status/sender");
        let subscription = Names::of(migration).subscription;
        now.sender = rows::<WalSenderNow>(session, sql, &[&slot.active_pid, &subscription])?.pop();
    }
    now.slot = slot;
    now.holder = run_holder(session, migration)?;
    Ok(now)
}

/// The name of the slot that a subscription in the target database would have, asked of the source;
/// none where the source has no node.
///
/// # Errors
/// The server's.
pub fn slot_name(
    session: &mut Session,
    target_database: &str,
    subscription: &str,
) -> Result<Option<String>, Error> {
    let sql = sql!("status/slot_name");
    Ok(column(session, sql, &[&target_database, &subscription])?.pop())
}

#[derive(Deserialize)]
struct Base {
    #[serde(flatten)]
    now: TargetNow,
    track_commit_timestamp: bool,
}

#[derive(Deserialize)]
struct Found {
    #[serde(flatten)]
    now: SubscriptionNow,
    secret_dsn: Option<String>,
}

/// The target now, as far as it concerns the migration of this name and its subscription, and that
/// subscription's provider DSN. `began` is where the program's own clock starts.
///
/// # Errors
/// The server's; `Denied` where the role may not read pglogical's catalog.
pub fn target_now(
    session: &mut Session,
    migration: &str,
    subscription: &str,
    began: Instant,
) -> Result<(TargetNow, Option<DsnText>), Error> {
    pglogical(session)?;
    let sql =
        sql!(session.version(), 100_000 => "status/target_now_pg94", _ => "status/target_now");
    let asked = Instant::now();
    let base: Base = row(session, sql, &[])?;
    let mut now = base.now;
    now.clock_error = asked.elapsed().as_secs_f64() / 2.0;
    now.clock_at = (asked - began).as_secs_f64() + now.clock_error;
    let copier = format!("{subscription}_copy");
    now.copies = copies(session, &copier)?;
    (now.holder, now.journal) = holder(session, migration)?;
    if now.pglogical.is_none() {
        return Ok((now, None));
    }
    now.subscriptions = column(session, sql!("status/subscriptions"), &[])?;
    let found: Option<Found> = rows(session, sql!("status/subscription"), &[&subscription])?.pop();
    let Some(found) = found else {
        return Ok((now, None));
    };
    let dsn = found.secret_dsn.map(DsnText::new);
    let mut subscription = found.now;
    subscription.shown = shown(session, &subscription.name)?;
    let id = i64::from(subscription.id);
    now.tables = rows(session, sql!("status/tables"), &[&id])?;
    now.workers = workers(session, &subscription.apply_name())?;
    (now.origin, now.origin_readable) = origin(session, &subscription.slot_name)?;
    if base.track_commit_timestamp {
        now.last_applied = last_applied(session, &subscription.slot_name)?;
    }
    now.subscription = Some(subscription);
    Ok((now, dsn))
}

fn workers(session: &mut Session, apply: &str) -> Result<Vec<Worker>, Error> {
    let sql = sql!(session.version(), 90_600 => "status/workers_pg94", _ => "status/workers");
    rows(session, sql, &[&apply])
}

/// The origin, and whether the role may read whether there is one.
fn origin(session: &mut Session, name: &str) -> Result<(Option<TargetOrigin>, bool), Error> {
    // 9.4 has no origins of its own; nobody moves to it.
    if !session.version().at_least_num(90_500) {
        return Ok((None, false));
    }
    let found = rows(session, sql!("status/origin"), &[&name]);
    allowed(found.map(|mut found| (found.pop(), true)))
}

/// The run of one of these tools that holds the migration's lock.
fn run_holder(session: &mut Session, migration: &str) -> Result<Option<RunHolder>, Error> {
    let mut all = lock_holders(session, migration)?.into_iter();
    Ok(all.find(|one| one.tool.starts_with("pgl-")))
}

/// The same, and what it has journalled.
fn holder(
    session: &mut Session,
    migration: &str,
) -> Result<(Option<RunHolder>, CopyJournal), Error> {
    let found = run_holder(session, migration)?;
    let journal = match &found {
        Some(_) if readable(session)? => {
            let sql = sql!("status/journal_copy");
            allowed(rows(session, sql, &[&migration]))?
                .pop()
                .unwrap_or_default()
        }
        _ => CopyJournal::default(),
    };
    Ok((found, journal))
}

/// The plan that pgl-setup keeps in the target's journal.
///
/// # Errors
/// The server's; also when there is one that cannot be read, for another version of these tools may
/// have written it.
pub fn kept_plan(session: &mut Session, migration: &str) -> Result<Option<Plan>, Error> {
    if !readable(session)? {
        return Ok(None);
    }
    allowed(journal::read_usable(session, migration, &PLAN))
}

/// Object ids on the target of the tables that the migration has filled, by the table's name in SQL;
/// the newest copy counts.
///
/// # Errors
/// The server's.
pub fn filled(target: &mut Session, migration: &str) -> Result<HashMap<String, u32>, Error> {
    if !readable(target)? {
        return Ok(HashMap::new());
    }
    let parts = allowed(journal::all(target, migration, &PARTS))?;
    let filled = parts
        .into_iter()
        .filter_map(|part| Some((part.table, part.oid?)));
    Ok(filled.collect())
}

fn last_applied(session: &mut Session, origin: &str) -> Result<Option<f64>, Error> {
    let sql =
        sql!(session.version(), 140_000 => "status/last_applied_pg95", _ => "status/last_applied");
    Ok(allowed(column(session, sql, &[&origin]))?.pop())
}

fn copies(session: &mut Session, copier: &str) -> Result<Vec<CopyNow>, Error> {
    let sql = sql!(
        session.version(), 90_600 => "status/copies_pg94", 140_000 => "status/copies_pg96",
        _ => "status/copies"
    );
    rows(session, sql, &[&copier])
}

/// Sizes of tables in bytes, by name.
pub type Sizes = Vec<(QualifiedName, u64)>;

/// The tables in these replication sets on the source and their sizes.
///
/// # Errors
/// The server's; also where pglogical is not installed.
pub fn set_sizes(session: &mut Session, sets: &[String]) -> Result<Sizes, Error> {
    let sql = sql!("status/set_sizes");
    by_table(session, sql, &[&sets])
}

/// Sizes of these tables; missing ones are left out.
///
/// # Errors
/// The server's.
pub fn sizes(session: &mut Session, names: &[QualifiedName]) -> Result<Sizes, Error> {
    let (schemas, tables) = QualifiedName::split(names);
    let sql = sql!("status/sizes");
    by_table(session, sql, &[&schemas, &tables])
}
