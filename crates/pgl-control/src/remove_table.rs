//! `remove-table`: tables leave replication. Their rows on the target stay.

use pgl_apply::{control, journal};
use pgl_cli::Failure;
use pgl_conn::Begin;
use pgl_core::control::remove_table;
use pgl_core::doc::Verdict;
use pgl_core::journal::{PLAN, TABLES, TableChange};
use pgl_core::plan::Set;
use pgl_core::{Exit, QualifiedName, Side};

use crate::context::failure;
use crate::view::TableReport;
use crate::work::{Outcome, Work};

/// What is left of a table's membership.
struct Leaving {
    table: QualifiedName,
    /// Statements on the source.
    sql: Vec<String>,
    /// Whether the plan replicates it.
    planned: bool,
}

pub(crate) fn run(work: &mut Work<'_>) -> Outcome {
    let known: Vec<QualifiedName> = work
        .migration
        .plan
        .tables
        .iter()
        .map(|one| one.qualified())
        .collect();
    let members = pgl_catalog::setup::members(&mut work.migration.source)?;
    let on_source = pgl_catalog::setup::tables(&mut work.migration.source)?;
    let mut all = Vec::new();
    for typed in &work.names {
        let table = typed
            .resolve(known.iter())
            .map_err(|error| Failure::refused(format!("no table of this migration: {error}")))?;
        let sets: Vec<String> = members
            .iter()
            .filter(|one| one.schema == table.schema && one.name == table.name)
            .map(|one| one.set.clone())
            .collect();
        let exists = on_source
            .iter()
            .any(|one| one.schema == table.schema && one.name == table.name);
        let triggers = if exists {
            control::truncate_triggers(&mut work.migration.source, &table)?
        } else {
            Vec::new()
        };
        let planned = (work.migration.plan.tables.iter())
            .filter(|one| one.is_carried())
            .any(|one| one.qualified() == table);
        all.push(Leaving {
            sql: control::leave_sql(&table, &sets, &triggers),
            table,
            planned,
        });
    }
    for one in &all {
        work.body.tables.push(TableReport {
            schema: one.table.schema.clone(),
            name: one.table.name.clone(),
            set: None,
            emptied: None,
            referenced_by: Vec::new(),
            replaced: None,
            equal: false,
        });
    }
    if all.iter().all(|one| one.sql.is_empty() && !one.planned) {
        work.body.already = true;
        work.body.already(
            "source.leave",
            Side::Source,
            "they are in no replication set",
        );
        return if work.body.dry_run {
            Ok(Verdict::Ok)
        } else {
            arrived(work)
        };
    }
    work.body.note(
        "their rows on the target stay as they are when the last change has arrived; nothing keeps them equal to the source afterwards",
    );
    if work.body.dry_run {
        for one in &all {
            let what = format!(
                "take {} out of its sets, with its truncate triggers",
                one.table
            );
            work.body
                .step("source.leave", Side::Source, what, one.sql.clone());
        }
        work.body.step(
            "target.plan",
            Side::Target,
            "note in the plan that they are left out",
            [],
        );
        return Ok(Verdict::Ok);
    }
    let names: Vec<String> = all.iter().map(|one| one.table.to_string()).collect();
    work.consent(&format!("{} would leave replication.", names.join(", ")))?;
    for one in &all {
        leave(work, one)?;
    }
    arrived(work)
}

/// What was written before the tables left their sets still has to be applied, and a target that has
/// stopped does not get there by itself.
fn arrived(work: &mut Work<'_>) -> Outcome {
    if !work.migration.worker().map_err(failure)?.enabled {
        work.body
            .note("replication is paused: what was written before is still to come");
        return Ok(Verdict::Ok);
    }
    match work.settle() {
        Ok(()) => {}
        Err(error) if error.exit == Exit::Refused => {
            work.context.say(&format!("pgl-control: error: {error}"));
            work.body.note(
                "what was written to these tables before is still to be applied: pgl-control skip shows the transaction that fails",
            );
            work.body.error = Some(error.to_string());
            return Ok(Verdict::Partial);
        }
        Err(error) => return Err(error),
    }
    work.body.step(
        "arrived",
        None,
        "what was written before has arrived on the target",
        [],
    );
    Ok(Verdict::Ok)
}

fn leave(work: &mut Work<'_>, one: &Leaving) -> Result<(), Failure> {
    if one.sql.is_empty() {
        work.body.already(
            "source.leave",
            Side::Source,
            format!("{} is in no set", one.table),
        );
    } else {
        let mut polite = work.migration.polite()?;
        let _watched = work.context.watch(&polite);
        control::leave(
            &mut polite,
            &one.table,
            &one.sql,
            work.args.timeout,
            work.watch,
        )
        .map_err(failure)?;
        work.body.step(
            "source.leave",
            Side::Source,
            format!("{} is in no set any more", one.table),
            one.sql.clone(),
        );
    }
    let migration = work.migration.name.clone();
    let subscription = work.migration.plan.names.subscription.clone();
    let next = remove_table(&work.migration.plan, &one.table);
    debug_assert!(
        next.tables
            .iter()
            .any(|t| t.qualified() == one.table && t.set == Set::Excluded)
    );
    let target = &mut work.migration.target;
    target.begin(Begin::ReadWrite)?;
    control::unsynced(target, &subscription, &one.table)?;
    journal::write(target, &migration, &PLAN, &next)?;
    let key = TABLES.of(one.table.sql());
    journal::write(target, &migration, &key, &TableChange::Removed)?;
    target.commit()?;
    work.migration.plan = next;
    work.body.step(
        "target.plan",
        Side::Target,
        format!("the plan leaves {} out", one.table),
        [],
    );
    Ok(())
}
