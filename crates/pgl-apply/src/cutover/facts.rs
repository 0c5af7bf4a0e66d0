//! What the guards look at.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use pgl_catalog::server;
use pgl_conn::{Error, Session};
use pgl_core::cutover::{self, Closed, CutoverLimits, Preconditions, Refusal, not_members};
use pgl_core::journal::COPY;
use pgl_core::lock_wait::vacuums_in_the_way;
use pgl_core::plan::Set;
use pgl_core::setup::StepId;
use pgl_core::{Plan, QualifiedName};
use serde::Deserialize;

use crate::fingerprint::table_marks;
use crate::journal::{exists, read};
use crate::lock_wait::lock_holders;
use crate::subscription;

/// The subscriber's view of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionSlot {
    /// The subscription there.
    pub subscription: String,
    /// Its slot on the provider.
    pub slot: String,
}

#[derive(Deserialize)]
struct Old {
    prepared: u64,
    lag: i64,
}

impl Old {
    fn bytes_behind(&self) -> u64 {
        self.lag.max(0).unsigned_abs()
    }
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Changed {
    schema: String,
    name: String,
    updated: i64,
    deleted: i64,
}

#[derive(Deserialize)]
struct Delay {
    delay_ms: u64,
}

fn old_facts(old: &mut Session, link: &SubscriptionSlot) -> Result<Old, Error> {
    let (slot, receiver) = (&link.slot, &link.subscription);
    let sql = pgl_catalog::sql!(
        old.version(), 90_600 => "cutover/facts_old_pg94", 100_000 => "cutover/facts_old_pg96",
        _ => "cutover/facts_old"
    );
    match old.version().at_least_num(90_600) {
        true => pgl_catalog::row(old, sql, &[slot]),
        false => pgl_catalog::row(old, sql, &[slot, receiver]),
    }
}

fn names(all: Vec<Named>) -> Vec<String> {
    all.into_iter().map(|one| one.name).collect()
}

/// Tables in which the statistics count an UPDATE or a DELETE.
///
/// # Errors
/// The server's.
pub fn changed_tables(session: &mut Session) -> Result<Vec<QualifiedName>, Error> {
    let all: Vec<Changed> =
        pgl_catalog::rows(session, include_str!("../../sql/change_counters.sql"), &[])?;
    Ok(all
        .into_iter()
        .filter(|one| one.updated + one.deleted > 0)
        .map(|one| QualifiedName::new(one.schema, one.name))
        .collect())
}

/// What a subscription does not follow.
#[derive(Debug, Default)]
pub struct NotFollowed {
    /// Number of tables that are not synchronised.
    pub tables_behind: u64,
    /// Tables of the plan without a state.
    pub tables: Vec<String>,
    /// Replication sets of the plan that it does not have.
    pub sets: Vec<String>,
}

impl NotFollowed {
    /// Stores it among the facts.
    pub fn note(self, facts: &mut Preconditions) {
        facts.tables_behind = self.tables_behind;
        facts.not_followed = self.tables;
        facts.missing_sets = self.sets;
    }
}

/// What a subscription does not follow of this plan.
///
/// # Errors
/// The server's.
pub fn not_followed(
    new: &mut Session,
    migration: &str,
    found: &subscription::Subscription,
    plan: &Plan,
) -> Result<NotFollowed, Error> {
    let (planned, sets): (Vec<_>, BTreeSet<_>) = plan
        .replicated()
        .filter_map(|table| Some((table.qualified(), table.set.name()?)))
        .unzip();
    let (schemas, its) = QualifiedName::split(&planned);
    let mut tables = names(pgl_catalog::rows(
        new,
        include_str!("../../sql/cutover/followed.sql"),
        &[&schemas, &its, &found.name],
    )?);
    if !tables.is_empty() && exists(new)? {
        let as_is = names(pgl_catalog::rows(
            new,
            include_str!("../../sql/cutover/copied_as_is.sql"),
            &[&schemas, &its, &migration, &found.name],
        )?);
        tables.retain(|table| !as_is.contains(table));
    }
    let sets = sets.into_iter().map(str::to_owned);
    Ok(NotFollowed {
        tables_behind: found.tables_behind,
        tables,
        sets: sets.filter(|set| !found.sets.contains(set)).collect(),
    })
}

/// Reads what can be read by statements; differences, sequences and findings are the caller's.
///
/// # Errors
/// The servers'.
pub fn facts(
    old: &mut Session,
    new: &mut Session,
    migration: &str,
    link: &SubscriptionSlot,
    plan: &Plan,
) -> Result<Preconditions, Error> {
    let mut facts = Preconditions::default();
    let Some(found) = subscription::find(new, &link.subscription)? else {
        return Ok(facts);
    };
    let first = old_facts(old, link)?;
    facts.subscription = Some(subscription::status(new, &link.subscription)?);
    let delay: Delay = pgl_catalog::row(
        new,
        include_str!("../../sql/cutover/delay.sql"),
        &[&link.subscription],
    )?;
    facts.delay_ms = delay.delay_ms;
    let tables: Vec<QualifiedName> = plan.replicated().map(|table| table.qualified()).collect();
    not_followed(new, migration, &found, plan)?.note(&mut facts);
    let marks = table_marks(old, &tables)?;
    let wanted: Vec<(QualifiedName, &str)> = plan
        .replicated()
        .filter_map(|table| Some((table.qualified(), table.set.name()?)))
        .collect();
    facts.not_members = not_members(&wanted, &marks);
    let locked: Vec<QualifiedName> = plan.tables.iter().map(|t| t.qualified()).collect();
    facts.vacuums = vacuums_in_the_way(old.side(), &lock_holders(old, &locked)?);
    let changed = changed_tables(old)?;
    facts.uncarried = plan
        .tables
        .iter()
        .filter(|table| table.set == Set::DefaultInsertOnly && !table.recopy_at_cutover)
        .filter(|table| changed.contains(&table.qualified()))
        .map(|table| table.qualified().to_string())
        .collect();
    facts.invalid_indexes = indexes(new, false, false)?;
    if !facts.invalid_indexes.is_empty() {
        let there = indexes(old, true, false)?;
        facts.invalid_indexes.retain(|name| there.contains(name));
    }
    if exists(new)? {
        facts.held = new.count(
            "SELECT count(*) FROM pgl.held WHERE migration = $1 AND done IS NULL AND step <> $2",
            &[&migration, &StepId::TargetForeignKeys.as_str()],
            "how many statements are deferred",
        )?;
    }
    facts.copy_proven = read(new, migration, &COPY)?.is_some_and(|run| run.copied);
    let bare: Vec<QualifiedName> = pgl_catalog::rows(
        new,
        include_str!("../../sql/cutover/without_statistics.sql"),
        &[],
    )?;
    facts.without_statistics = bare
        .iter()
        .filter(|name| tables.contains(name))
        .map(ToString::to_string)
        .collect();
    let second = old_facts(old, link)?;
    facts.prepared = second.prepared;
    facts.lag = (first.bytes_behind(), second.bytes_behind());
    Ok(facts)
}

/// What an attempt would be refused that locks and alters these tables and sequences, and closes the database as `closed` says; `applies`
/// where rows are applied to the database from the promotion on.
///
/// # Errors
/// The server's.
pub fn not_permitted(
    session: &mut Session,
    relations: &[QualifiedName],
    closed: &Closed,
    applies: bool,
) -> Result<Option<Refusal>, Error> {
    let found = server::not_permitted(session, relations, &closed.roles(), applies)?;
    let grantee = server::grantee(session)?;
    Ok(cutover::not_permitted(
        session.side(),
        &grantee,
        &found,
        closed,
    ))
}

/// Waits until the subscriber is no longer too far behind, or catches up, or it is clear that it does not: two readings a
/// moment apart tell nothing where the walsender only waits for the processor. Ends early when `stop` says so.
///
/// # Errors
/// The server's.
pub fn wait_for_lag(
    old: &mut Session,
    link: &SubscriptionSlot,
    facts: &mut Preconditions,
    limits: CutoverLimits,
    stop: impl Fn() -> bool,
) -> Result<(), Error> {
    let until = Instant::now() + Duration::from_secs(15);
    while facts.is_behind(limits) && Instant::now() < until && !stop() {
        std::thread::sleep(Duration::from_millis(100));
        facts.lag.1 = old_facts(old, link)?.bytes_behind();
    }
    Ok(())
}

fn indexes(session: &mut Session, valid: bool, unique: bool) -> Result<Vec<String>, Error> {
    let sql = include_str!("../../sql/cutover/indexes.sql");
    Ok(names(pgl_catalog::rows(session, sql, &[&valid, &unique])?))
}

/// Unique indexes that are not valid, as CREATE INDEX CONCURRENTLY leaves them. Where rows are replicated to, pglogical looks for
/// conflicts in them, too: "could not read block 0", seen on 13, and the apply worker stops for ever.
///
/// # Errors
/// The server's.
pub fn invalid_unique_indexes(session: &mut Session) -> Result<Vec<String>, Error> {
    indexes(session, false, true)
}
