//! The definitions of both sides compared with what pgl-setup has kept of them.

use std::collections::BTreeSet;
use std::path::Path;

use pgl_conn::{Endpoint, Error, Session, Watch};
use pgl_core::cutover::CatalogMark;
use pgl_core::definitions::{
    DefinitionComparison, KeptDefinitions, SideDefinitions, Sought, compare_definitions,
};
use pgl_core::journal::{DEFINITIONS, PROMOTED_DEFINITIONS};
use pgl_core::{Plan, Side};

use crate::pg_dump::PgDump;
use crate::setup::disabled_triggers;
use crate::{journal, pgl_schema, rows};

/// How many rows the catalogs of definitions have, and which transactions wrote them.
///
/// # Errors
/// The server's.
pub fn catalog_marks(session: &mut Session) -> Result<Vec<CatalogMark>, Error> {
    let mut marks = rows(session, sql!("catalog_marks"), &[])?;
    if session.version().at_least(10) {
        marks.extend(rows(session, sql!("catalog_marks_pg10"), &[])?);
    }
    Ok(marks)
}

/// Compares the definitions of both sides as they are now.
///
/// # Errors
/// The servers'; [`pgl_conn::Kind::Program`] where they cannot be dumped.
pub fn compare(
    pg_bindir: Option<&Path>,
    (source, target): (&mut Session, &mut Session),
    (source_endpoint, target_endpoint): (&Endpoint, &Endpoint),
    migration: &str,
    plan: &Plan,
    sought: Sought,
    watch: &dyn Watch,
) -> Result<DefinitionComparison, Error> {
    let mut kept = |side| journal::read(target, migration, &DEFINITIONS.of(side));
    let (mut source_then, mut target_then) = (kept(Side::Source)?, kept(Side::Target)?);
    if sought == Sought::LeftBehind
        && let Some(promoted) = journal::read(target, migration, &PROMOTED_DEFINITIONS)?.flatten()
    {
        (source_then, target_then) = (Some(promoted.source), Some(promoted.target));
    }
    let is_as_then = |session: &mut Session, then: &Option<KeptDefinitions>| match then {
        Some(then) => Ok(then.catalogs == catalog_marks(session)?),
        None => Ok::<_, Error>(false),
    };
    // Nothing was defined since: no dump is needed, unless something was left out that may be there by now.
    if plan.without_roles.is_empty()
        && is_as_then(source, &source_then)?
        && is_as_then(target, &target_then)?
    {
        return Ok(DefinitionComparison {
            since_setup: true,
            excluded: plan.excluded_objects.clone(),
            ..DefinitionComparison::default()
        });
    }
    let held = held_labels(target, migration)?;
    if let (Sought::LeftBehind, Some(then)) = (sought, &mut target_then) {
        then.promoted(deferred(target, migration, true)?);
    }
    let mut quieted = quieted_labels(target, migration)?;
    if sought == Sought::LeftBehind {
        // While rows come back, those of the source are disabled.
        quieted.extend(quieted_labels(source, migration)?);
    }
    let program = PgDump::find(pg_bindir, source.version(), target.version())?;
    let dump = |endpoint| program.dump(endpoint, &[], watch)?.definitions();
    let (here, there) = std::thread::scope(|scope| {
        let source = scope.spawn(|| dump(source_endpoint));
        let target = dump(target_endpoint);
        (source.join(), target)
    });
    let source = SideDefinitions {
        now: here
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?
            .without_states(&quieted),
        then: source_then,
    };
    let target = SideDefinitions {
        now: there?.without_states(&quieted),
        then: target_then,
    };
    Ok(compare_definitions(plan, sought, &held, &source, &target))
}

/// Labels of the triggers that are disabled on a side until rows no longer arrive there.
fn quieted_labels(target: &mut Session, migration: &str) -> Result<BTreeSet<String>, Error> {
    if !pgl_schema::usable(target)? {
        return Ok(BTreeSet::new());
    }
    // Not one that was created again under that name: the promotion does not know it.
    let now = disabled_triggers(target, migration)?;
    Ok(now
        .into_iter()
        .filter_map(|one| match (one.schema, one.table, one.name?) {
            (Some(schema), Some(table), name) => Some(format!("TRIGGER {schema}.{table} {name}")),
            (_, _, name) => Some(format!("EVENT TRIGGER {name}")),
        })
        .collect())
}

/// Labels of the statements that have not run on the target: foreign keys wait for the cutover.
///
/// # Errors
/// The server's.
pub fn held_labels(target: &mut Session, migration: &str) -> Result<BTreeSet<String>, Error> {
    deferred(target, migration, false)
}

/// Labels of deferred statements: those that have run, or the others.
fn deferred(target: &mut Session, migration: &str, done: bool) -> Result<BTreeSet<String>, Error> {
    if !pgl_schema::usable(target)? {
        return Ok(BTreeSet::new());
    }
    let labels: Vec<String> = target.values(
        "SELECT object FROM pgl.held WHERE migration = $1 AND (done IS NOT NULL) = $2",
        &[&migration, &done],
        "deferred statements",
    )?;
    Ok(labels.into_iter().collect())
}
