//! What the guards look at.

use std::collections::BTreeSet;

use pgl_conn::{Error, Session};
use pgl_core::cutover::{Facts, not_members};
use pgl_core::lock_wait::vacuums_in_the_way;
use pgl_core::plan::Set;
use pgl_core::setup::StepId;
use pgl_core::{Plan, QualifiedName};
use serde::Deserialize;

use crate::fingerprint::table_marks;
use crate::lock_wait::lock_holders;
use crate::{journal, subscription};

/// The new home's view of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The subscription there.
    pub subscription: String,
    /// Its slot on the old home.
    pub slot: String,
}

#[derive(Deserialize)]
struct Old {
    prepared: u64,
    lag: i64,
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

fn old_facts(old: &mut Session, home: &Home) -> Result<Old, Error> {
    let (slot, receiver) = (&home.slot, &home.subscription);
    if old.version().at_least(10) {
        pgl_catalog::row(
            old,
            include_str!("../../sql/cutover/facts_old.sql"),
            &[slot],
        )
    } else if old.version().at_least_num(90_600) {
        pgl_catalog::row(
            old,
            include_str!("../../sql/cutover/facts_old_pg96.sql"),
            &[slot],
        )
    } else {
        pgl_catalog::row(
            old,
            include_str!("../../sql/cutover/facts_old_pg94.sql"),
            &[slot, receiver],
        )
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

/// Reads what can be read by statements; differences, sequences and findings are the caller's.
///
/// # Errors
/// The servers'.
pub fn facts(
    old: &mut Session,
    new: &mut Session,
    migration: &str,
    home: &Home,
    plan: &Plan,
) -> Result<Facts, Error> {
    let mut facts = Facts::default();
    let Some(found) = subscription::find(new, &home.subscription)? else {
        return Ok(facts);
    };
    let first = old_facts(old, home)?;
    facts.subscription = Some(subscription::status(new, &home.subscription)?);
    facts.tables_behind = found.tables_behind;
    let delay: Delay = pgl_catalog::row(
        new,
        include_str!("../../sql/cutover/delay.sql"),
        &[&home.subscription],
    )?;
    facts.delay_ms = delay.delay_ms;
    let tables: Vec<QualifiedName> = plan.replicated().map(|table| table.qualified()).collect();
    let (schemas, its) = QualifiedName::split(&tables);
    facts.not_followed = names(pgl_catalog::rows(
        new,
        include_str!("../../sql/cutover/followed.sql"),
        &[&schemas, &its, &home.subscription],
    )?);
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
    facts.invalid_indexes = names(pgl_catalog::rows(
        new,
        include_str!("../../sql/cutover/invalid_indexes.sql"),
        &[],
    )?);
    if journal::exists(new)? {
        facts.held = new.count(
            "SELECT count(*) FROM pgl.held WHERE migration = $1 AND done IS NULL AND step <> $2",
            &[&migration, &StepId::TargetForeignKeys.as_str()],
            "how many statements are held back",
        )?;
    }
    let copied = journal::note(new, migration, StepId::Copy, "")?;
    facts.copy_proven = copied.is_some_and(|note| note.state == "copied");
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
    let second = old_facts(old, home)?;
    facts.prepared = second.prepared;
    facts.lag = (
        first.lag.max(0).unsigned_abs(),
        second.lag.max(0).unsigned_abs(),
    );
    Ok(facts)
}

/// Labels of the foreign keys that wait for the switch.
///
/// # Errors
/// The server's.
pub fn held_labels(new: &mut Session, migration: &str) -> Result<BTreeSet<String>, Error> {
    if !journal::exists(new)? {
        return Ok(BTreeSet::new());
    }
    let labels: Vec<String> = new.values(
        "SELECT object FROM pgl.held WHERE migration = $1 AND done IS NULL AND step = $2",
        &[&migration, &StepId::TargetForeignKeys.as_str()],
        "foreign keys that wait for the switch",
    )?;
    Ok(labels.into_iter().collect())
}
