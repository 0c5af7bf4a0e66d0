//! `resync`: the rows of tables again. `add-table` ends the same way.

use pgl_apply::control::{self, Replacing, Why};
use pgl_apply::fingerprint::{self, MarksOf, keep_marks};
use pgl_apply::full::Full;
use pgl_apply::{Watch, copy, journal};
use pgl_catalog::foreign_keys::referring;
use pgl_cli::Failure;
use pgl_conn::Session;
use pgl_core::control::{Emptied, LinkedKey, Part, part};
use pgl_core::cutover::TableMark;
use pgl_core::doc::Verdict;
use pgl_core::journal::{TABLES, TableChange, part as journal_part};
use pgl_core::plan::Set;
use pgl_core::setup::copy::{RowScope, Task, tasks};
use pgl_core::{QualifiedName, Side, plural};

use crate::args::Command;
use crate::context::failure;
use crate::orphaned_rows;
use crate::view::TableReport;
use crate::work::{Outcome, Work};

/// A table that is about to be copied.
pub(crate) struct Chosen {
    pub(crate) replacing: Replacing,
    pub(crate) set: Set,
    pub(crate) references: Vec<LinkedKey>,
    pub(crate) part: Part,
    /// In how many sets the source's table is.
    pub(crate) sets: usize,
}

impl Chosen {
    pub(crate) fn table(&self) -> &QualifiedName {
        &self.replacing.task.table
    }

    fn report(&self) -> TableReport {
        TableReport {
            schema: self.table().schema.clone(),
            name: self.table().name.clone(),
            set: self.set.name().map(str::to_owned),
            emptied: Some(self.replacing.emptied),
            referenced_by: self.references.iter().map(ToString::to_string).collect(),
            replaced: None,
            equal: false,
        }
    }

    fn whole(&self) -> bool {
        self.part.columns.is_none() && self.part.condition.is_none()
    }
}

pub(crate) fn run(work: &mut Work<'_>) -> Outcome {
    let all: Vec<QualifiedName> = work
        .migration
        .plan
        .replicated()
        .map(|table| table.qualified())
        .collect();
    let mut tables = Vec::new();
    for typed in &work.names {
        let found = typed.resolve(all.iter()).map_err(|error| {
            Failure::refused(format!("not a replicated table of this migration: {error}"))
                .hint("pgl-control add-table lets a table join; a partitioned table is resynced by its partitions")
        })?;
        if !tables.contains(&found) {
            tables.push(found);
        }
    }
    work.migration.must_run().map_err(failure)?;
    let plan = work.migration.plan.clone();
    work.migration.must_fit(&plan, &tables).map_err(failure)?;
    let chosen = choose(work, &plan, &tables)?;
    if let Some(one) = chosen.iter().find(|one| one.sets == 0) {
        let table = one.table();
        return Err(Failure::refused(format!(
            "{table}: the table of this name on the source is in no replication set, so that nothing would be replicated after the copy"
        ))
        .on(Side::Source)
        .hint(format!("pgl-control add-table {} adds it again, with its rows", table.argument())));
    }
    for one in &chosen {
        explain(work, one);
    }
    if work.body.dry_run {
        plan_steps(work, &chosen, Why::Replicated, None);
        return Ok(Verdict::Ok);
    }
    let names: Vec<String> = tables.iter().map(ToString::to_string).collect();
    work.consent(&format!(
        "the rows of {} on the TARGET would be replaced by the source's.",
        names.join(", ")
    ))?;
    let migration = &mut work.migration;
    if let Some(note) = fingerprint::note_timeline(&mut migration.target, &migration.name)? {
        control::write_note(&mut migration.target, &note)?;
    }
    work.settle()?;
    let copied = copy_all(work, &chosen, Why::Replicated, "", &[])?;
    if !copied {
        work.body.already = true;
        return Ok(Verdict::Ok);
    }
    prove(work, &chosen)
}

/// Tasks, sets and foreign keys of tables of a plan.
pub(crate) fn choose(
    work: &mut Work<'_>,
    plan: &pgl_core::Plan,
    tables: &[QualifiedName],
) -> Result<Vec<Chosen>, Failure> {
    let mut some = plan.clone();
    some.tables.retain(|one| tables.contains(&one.qualified()));
    let shapes = pgl_catalog::setup::tables(&mut work.migration.source)?;
    let versions = (
        work.migration.source.version(),
        work.migration.target.version(),
    );
    let sets = work.migration.subscription.sets.clone();
    let encoding = copy::encoding(&mut work.migration.source).map_err(Failure::from)?;
    let mut chosen = Vec::new();
    for mut task in tasks(&some, &[], &shapes, versions.0, versions.1) {
        let Some(planned) = some.tables.iter().find(|one| one.qualified() == task.table) else {
            continue;
        };
        let members = control::memberships(&mut work.migration.source, &task.table, &sets)?;
        let part = part(&members);
        narrow(&mut task, &part);
        let references = referring(
            &mut work.migration.target,
            std::slice::from_ref(&task.table),
        )?;
        chosen.push(Chosen {
            replacing: Replacing {
                task,
                emptied: Emptied::of(&references),
                encoding: encoding.clone(),
            },
            set: planned.set,
            references,
            part,
            sets: members.len(),
        });
    }
    Ok(chosen)
}

fn narrow(task: &mut Task, part: &Part) {
    if let Some(columns) = &part.columns {
        task.columns.retain(|one| columns.contains(one));
    }
    if let Some(condition) = &part.condition {
        task.rows = RowScope::Where(condition.clone());
    }
}

pub(crate) fn explain(work: &mut Work<'_>, one: &Chosen) {
    let table = one.table();
    work.body.tables.push(one.report());
    if one.replacing.emptied == Emptied::Delete {
        work.body.note(format!(
            "{table} on the target is emptied by DELETE and not by TRUNCATE, because foreign keys refer to it: no row of another table is touched, and vacuum has to clean up after it"
        ));
    }
    if one.set == Set::DefaultInsertOnly {
        work.body.note(format!(
            "{table} has no replica identity: its updates and deletes are not replicated after this copy either"
        ));
    }
    if let Some(condition) = &one.part.condition {
        work.body.note(format!(
            "{table}: its set replicates only rows where {condition}"
        ));
    }
}

/// The steps of a copy, for a dry run.
pub(crate) fn plan_steps(work: &mut Work<'_>, chosen: &[Chosen], why: Why<'_>, then: Option<&str>) {
    let tables: Vec<QualifiedName> = chosen.iter().map(|one| one.table().clone()).collect();
    work.body.step(
        "target.hold",
        Side::Target,
        "let the apply worker stop at the next marker",
        control::hold_sql(),
    );
    work.body.step(
        "source.moment",
        Side::Source,
        "keep writers of the tables away for some milliseconds and take a view of them",
        control::moment_sql(&tables, why),
    );
    for one in chosen {
        let [lock, empty, out, into] = control::copy_statements(&one.replacing);
        work.body.step(
            "target.copy",
            Side::Target,
            format!("replace the rows of {} and count both sides", one.table()),
            [lock, empty, format!("-- source: {out}"), into],
        );
    }
    work.body.step(
        "target.commit",
        Side::Target,
        "bring it all with one commit; the apply worker goes on",
        control::release_sql(then),
    );
}

/// Copies behind one barrier; false when every table was equal already. `note` goes into the
/// target's transaction, and so does that the tables of `joining` are synchronised.
pub(crate) fn copy_all(
    work: &mut Work<'_>,
    chosen: &[Chosen],
    why: Why<'_>,
    note: &str,
    joining: &[QualifiedName],
) -> Result<bool, Failure> {
    let name = work.migration.plan.names.subscription.clone();
    let tables: Vec<QualifiedName> = chosen.iter().map(|one| one.table().clone()).collect();
    let mut locker = work.migration.polite()?;
    let mut reader = work.migration.reader()?;
    let mut loader = work.migration.loader()?;
    let _watched = [&locker, &reader, &loader].map(|session| work.context.watch(session));
    let prepared: Vec<Option<Full>> = chosen
        .iter()
        .map(|one| comparable(work, one, why))
        .collect();
    // Created on the target since the setup, one would fire for the copied rows.
    let quiet =
        pgl_apply::target::quiet_triggers(&mut work.migration.target, &work.migration.name)?;
    work.body.notes.extend(quiet);
    let marked = control::mark(&mut loader, &name, work.watch).map_err(failure)?;
    let marks = control::barrier(
        &mut locker,
        &mut reader,
        &mut loader,
        (&mut work.migration.source, &mut work.migration.target),
        &name,
        &tables,
        why,
        work.args.timeout,
        work.watch,
    )
    .map_err(|error| {
        if let Why::Joining(_) = why {
            work.body.note(
                "the tables may have joined their sets already: run this again, it goes on from there",
            );
        }
        failure(error)
    })?;
    if let Why::Joining(joined) = why
        && !joined.is_empty()
    {
        work.body.step(
            "source.join",
            Side::Source,
            format!(
                "{} added to the replication sets",
                plural(joined.len(), "table")
            ),
            joined.iter().map(pgl_apply::provider::MemberToAdd::sql),
        );
    }
    work.body.step(
        "barrier",
        None,
        "both sides are at one LSN; replication waits for the copy",
        [],
    );
    let steps = work.body.steps.len();
    let marks = keep(work, chosen, marks);
    let outcome = behind(work, chosen, &mut reader, &mut loader, &prepared);
    let outcome = outcome.and_then(|mut copied| {
        loader.batch(&marks?)?;
        for table in joining {
            control::synced(&mut loader, &name, table)?;
        }
        // pglogical deletes the row when a column of the table is dropped.
        for table in tables.iter().filter(|table| !joining.contains(table)) {
            if !copy::may_write_catalog(&mut loader)? {
                // The cutover looks at this where pglogical has no row.
                let (migration, key) = (&work.migration.name, journal_part(table, None));
                let part = control::copied_part(&mut loader, &name, table, None)?;
                loader.batch(&journal::forget_parts(migration, &part.table))?;
                loader.batch(&journal::statement(migration, &key, &part))?;
            } else if control::synced(&mut loader, &name, table)? {
                copied = true;
                work.body.step(
                    "target.state",
                    Side::Target,
                    format!("{table} has its row in pglogical.local_sync_status again"),
                    [],
                );
            }
        }
        if !note.is_empty() {
            loader.batch(note)?;
        }
        loader.commit()?;
        reader.rollback()?;
        Ok(copied)
    });
    if outcome.is_err() && !loader.is_closed() {
        loader.rollback()?;
        work.body.steps.truncate(steps);
        for table in &mut work.body.tables {
            (table.replaced, table.equal) = (None, false);
        }
        work.body.note(
            "the target's transaction was rolled back: its tables hold what they held before",
        );
    }
    if !loader.is_closed()
        && let Err(error) = control::unmark(&mut loader, &name, marked)
    {
        // The next copy uses it again, and pgl-teardown removes it.
        work.context.say(&format!(
            "pgl-control: the replication origin of the copied rows is left on the target: {error}"
        ));
    }
    outcome
}

/// What tells the cutover from now on whether one of these tables was rewritten or altered after its rows were copied.
fn keep(work: &mut Work<'_>, chosen: &[Chosen], marks: Vec<TableMark>) -> Result<String, Failure> {
    let whole = |mark: &TableMark| {
        let found = chosen.iter().find(|one| *one.table() == mark.table);
        found.is_some_and(Chosen::whole)
    };
    let migration = &mut work.migration;
    Ok(keep_marks(
        &mut migration.source,
        &mut migration.target,
        &migration.name,
        MarksOf::NewRows(marks.into_iter().filter(whole).collect()),
    )?)
}

/// How a table can be compared before it is copied. What cannot be compared is copied.
fn comparable(work: &mut Work<'_>, one: &Chosen, why: Why<'_>) -> Option<Full> {
    if why != Why::Replicated
        || matches!(work.control.command, Command::Resync { always: true, .. })
        || !one.whole()
    {
        return None;
    }
    let migration = &mut work.migration;
    let table = std::slice::from_ref(one.table());
    match Full::prepare(
        &migration.plan,
        table,
        &mut migration.source,
        &mut migration.target,
    ) {
        Ok(full) if full.tables() == 1 => Some(full),
        Ok(_) => None,
        Err(error) => {
            log::debug!("{} is not compared: {error}", one.table());
            None
        }
    }
}

fn behind(
    work: &mut Work<'_>,
    chosen: &[Chosen],
    reader: &mut Session,
    loader: &mut Session,
    prepared: &[Option<Full>],
) -> Result<bool, Failure> {
    let mut copied = false;
    let bytes = chosen.iter().map(|one| one.replacing.task.bytes).sum();
    work.watch.begin("copy", bytes, true);
    for (at, one) in chosen.iter().enumerate() {
        let table = one.table();
        let (migration, key) = (&work.migration.name, TABLES.of(table.sql()));
        work.watch.doing(&table.to_string());
        if let Some(Some(full)) = prepared.get(at) {
            let differences = full.compare(reader, loader)?;
            if differences.is_empty() {
                work.body
                    .already("target.copy", Side::Target, format!("{table} is equal"));
                journal::write(loader, migration, &key, &TableChange::Equal)?;
                work.report(table, |report| {
                    report.equal = true;
                    report.emptied = None;
                });
                continue;
            }
        }
        let replaced =
            control::replace(reader, loader, &one.replacing, work.watch).map_err(failure)?;
        let sql = control::copy_statements(&one.replacing);
        journal::write(loader, migration, &key, &TableChange::Copied)?;
        work.body.step(
            "target.copy",
            Side::Target,
            format!(
                "{table}: {} replaced by {}, as many as the source has",
                plural(replaced.rows_before, "row"),
                replaced.rows
            ),
            sql,
        );
        work.report(table, |report| report.replaced = Some(replaced));
        copied = true;
    }
    work.watch.end();
    Ok(copied)
}

/// What comes after the commit: replication goes on, statistics, counts once more while it runs.
pub(crate) fn prove(work: &mut Work<'_>, chosen: &[Chosen]) -> Outcome {
    work.settle()?;
    work.body.step(
        "arrived",
        None,
        "replication goes on: a marker of the source has arrived",
        [],
    );
    let mut tables = Vec::new();
    for one in chosen {
        control::analyze(&mut work.migration.target, one.table())?;
        tables.push(one.table().clone());
    }
    let clean = orphaned_rows::look(work, &tables)?;
    let proven = if clean { Verdict::Ok } else { Verdict::No };
    // Without a key deletes stay behind, and a filter counts other rows: there the counts of the
    // moment are the proof.
    let fit: Vec<QualifiedName> = chosen
        .iter()
        .filter(|one| one.set == Set::Default && one.whole())
        .map(|one| one.table().clone())
        .collect();
    if fit.is_empty() {
        return Ok(proven);
    }
    let rows = copy::prove(
        &mut work.migration.source,
        &mut work.migration.target,
        &fit,
        work.watch,
    );
    match rows {
        Ok(rows) => {
            let what = format!(
                "{} on the target, as the source's counts and changes say",
                plural(rows, "row")
            );
            work.body.step("counted", None, what, []);
            Ok(proven)
        }
        Err(error @ pgl_apply::Error::Objects { .. }) => {
            let error = failure(error);
            work.context.say(&format!("pgl-control: error: {error}"));
            work.body.error = Some(error.to_string());
            Ok(Verdict::No)
        }
        Err(error) => Err(failure(error)),
    }
}

impl Work<'_> {
    pub(crate) fn report(&mut self, table: &QualifiedName, change: impl FnOnce(&mut TableReport)) {
        let found = self
            .body
            .tables
            .iter_mut()
            .find(|one| one.schema == table.schema && one.name == table.name);
        if let Some(found) = found {
            change(found);
        }
    }
}
