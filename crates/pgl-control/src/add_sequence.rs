//! `add-sequence`: sequences join the plan, so that pgl-seqsync and the cutover carry them over.
//!
//! They do not join a replication set: pglogical sends values that lie ahead, which a sequence that
//! counts down or has a small maximum cannot take, and the target stops for good; and given a table
//! by mistake, it takes the source's server down.

use pgl_apply::{control, journal};
use pgl_catalog::sequences::sequences;
use pgl_cli::Failure;
use pgl_core::control::{Typed, add_sequences};
use pgl_core::doc::Verdict;
use pgl_core::journal::PLAN;
use pgl_core::plan::PlanSequence;
use pgl_core::seqsync::{
    SequenceMode, SequenceOutcome as Fate, SequenceReading, SequenceRequest, decide,
};
use pgl_core::{QualifiedName, Side};

use crate::add_table::{dump, fresh, keep_definitions};
use crate::context::failure;
use crate::work::{Outcome, Work};

pub(crate) fn run(work: &mut Work<'_>) -> Outcome {
    let here = sequences(&mut work.migration.source)?;
    let names = named(work, &here)?;
    let (_, fresh) = fresh(work)?;
    let wanted: Vec<PlanSequence> = fresh
        .sequences
        .iter()
        .filter(|one| names.contains(&one.qualified()))
        .cloned()
        .collect();
    if let Some(absent) = names
        .iter()
        .find(|name| !wanted.iter().any(|one| one.qualified() == **name))
    {
        return Err(Failure::refused(format!(
            "{absent} belongs to an extension or is not to be copied"
        ))
        .on(Side::Source));
    }
    let planned: Vec<QualifiedName> = work
        .migration
        .plan
        .sequences
        .iter()
        .map(|one| one.qualified())
        .collect();
    let there: Vec<QualifiedName> = sequences(&mut work.migration.target)?
        .iter()
        .map(SequenceReading::qualified)
        .collect();
    let absent: Vec<QualifiedName> = names
        .iter()
        .filter(|name| !there.contains(name))
        .cloned()
        .collect();
    if absent.is_empty() && names.iter().all(|name| planned.contains(name)) {
        work.body.already = true;
        work.body
            .already("target.plan", Side::Target, "the plan has them");
        return Ok(Verdict::Ok);
    }
    let next = add_sequences(&work.migration.plan, &wanted);
    work.body.sequences = names
        .iter()
        .filter(|name| !planned.contains(name))
        .map(ToString::to_string)
        .collect();
    let migration = work.migration.name.clone();
    let note = journal::statement(&migration, &PLAN, &next);
    work.body
        .note("pgl-seqsync copies their values, the cutover does so for the last time");
    if !absent.is_empty() {
        let absent = dump(work, absent)?;
        work.body.step(
            "target.create",
            Side::Target,
            "create on the target as the source has it",
            control::create_statements(&absent.pieces),
        );
        if !work.body.dry_run {
            let mut loader = work.migration.loader()?;
            control::create(&mut loader, &migration, &absent.pieces, "").map_err(|error| {
                Failure::from(error).hint("create on the target what it needs and run this again")
            })?;
            keep_definitions(work, &absent)?;
        }
    }
    fit(work, &here, &names)?;
    if !work.body.dry_run {
        control::write_note(&mut work.migration.target, &note)?;
        work.migration.plan = next;
    }
    work.body.step(
        "target.plan",
        Side::Target,
        "the plan that the target keeps has them",
        [],
    );
    Ok(Verdict::Ok)
}

/// The sequences that are meant. A table's name is told apart.
fn named(work: &mut Work<'_>, here: &[SequenceReading]) -> Result<Vec<QualifiedName>, Failure> {
    let all: Vec<QualifiedName> = here.iter().map(SequenceReading::qualified).collect();
    let tables = pgl_catalog::setup::tables(&mut work.migration.source)?;
    let mut names = Vec::new();
    for typed in &work.names {
        names.push(typed.resolve(all.iter()).map_err(|error| {
            let table = tables
                .iter()
                .any(|one| means(typed, &one.schema, &one.name));
            let what = if table {
                format!("{typed} is a table, not a sequence")
            } else {
                format!("no sequence of the source: {error}")
            };
            Failure::refused(what)
                .on(Side::Source)
                .hint("pgl-control add-table takes a table's sequences along")
        })?);
    }
    names.sort();
    names.dedup();
    Ok(names)
}

fn means(typed: &Typed, schema: &str, name: &str) -> bool {
    typed.means(&QualifiedName::new(schema, name))
}

/// The target's sequence has to take the source's values.
fn fit(
    work: &mut Work<'_>,
    here: &[SequenceReading],
    names: &[QualifiedName],
) -> Result<(), Failure> {
    let there = sequences(&mut work.migration.target)?;
    let exact = SequenceRequest {
        mode: SequenceMode::Exact,
        margin: 0,
        check: false,
        at_least_column: false,
    };
    let refused = decide(exact, here, &there, Some(names))
        .into_iter()
        .find(|task| task.entry.outcome == Fate::Refused)
        .map(|task| task.entry.qualified());
    match refused {
        Some(name) if !work.body.dry_run => Err(failure(pgl_apply::Error::refused(
            Side::Target,
            format!("{name} on the target cannot take the source's values"),
            "pgl-seqsync --dry-run shows why; make both the same (ALTER SEQUENCE)",
        ))),
        _ => Ok(()),
    }
}
