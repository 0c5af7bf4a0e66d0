//! `resync`: the rows of tables again. `add-table` ends the same way.

use pgl_apply::control::{self, Replacing, Why};
use pgl_apply::fingerprint::{MarksOf, keep_marks};
use pgl_apply::full::Full;
use pgl_apply::{Watch, copy};
use pgl_catalog::foreign_keys::referring;
use pgl_cli::Failure;
use pgl_conn::Session;
use pgl_core::control::{Emptied, ForeignKey, Part, part};
use pgl_core::doc::Verdict;
use pgl_core::plan::Set;
use pgl_core::setup::copy::{Rows, Task, tasks};
use pgl_core::{QualifiedName, Side};
use serde_json::json;

use crate::ground::failure;
use crate::orphans;
use crate::run::{Outcome, Work};
use crate::view::TableReport;

/// A table that is about to be copied.
pub(crate) struct Chosen {
    pub(crate) replacing: Replacing,
    pub(crate) set: Set,
    pub(crate) references: Vec<ForeignKey>,
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
        .ground
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
    work.ground.must_run().map_err(failure)?;
    let plan = work.ground.plan.clone();
    work.ground.must_fit(&plan, &tables).map_err(failure)?;
    let chosen = choose(work, &plan, &tables)?;
    if let Some(one) = chosen.iter().find(|one| one.sets == 0) {
        let table = one.table();
        return Err(Failure::refused(format!(
            "{table}: the table of this name on the source is in no replication set, so that nothing would be replicated after the copy"
        ))
        .on(Side::Source)
        .hint(format!("pgl-control add-table {} adds it again, with its rows", table.sql())));
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
    let shapes = pgl_catalog::setup::tables(&mut work.ground.source)?;
    let versions = (work.ground.source.version(), work.ground.target.version());
    let sets = work.ground.subscription.sets.clone();
    let encoding = copy::encoding(&mut work.ground.source).map_err(Failure::from)?;
    let mut chosen = Vec::new();
    for mut task in tasks(&some, &[], &shapes, versions.0, versions.1) {
        let Some(planned) = some.tables.iter().find(|one| one.qualified() == task.table) else {
            continue;
        };
        let members = control::memberships(&mut work.ground.source, &task.table, &sets)?;
        let part = part(&members);
        narrow(&mut task, &part);
        let references = referring(&mut work.ground.target, std::slice::from_ref(&task.table))?;
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
        task.rows = Rows::Where(condition.clone());
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
            "{table} has no key: its updates and deletes are not carried after this copy either"
        ));
    }
    if let Some(condition) = &one.part.condition {
        work.body.note(format!(
            "{table}: its set carries only rows where {condition}"
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
    let name = work.ground.plan.names.subscription.clone();
    let tables: Vec<QualifiedName> = chosen.iter().map(|one| one.table().clone()).collect();
    let mut locker = work.ground.polite()?;
    let mut reader = work.ground.reader()?;
    let mut loader = work.ground.loader()?;
    let _watched = [&locker, &reader, &loader].map(|session| work.context.watch(session));
    let prepared: Vec<Option<Full>> = chosen
        .iter()
        .map(|one| comparable(work, one, why))
        .collect();
    let marked = control::mark(&mut loader, &name, work.watch).map_err(failure)?;
    control::barrier(
        &mut locker,
        &mut reader,
        &mut loader,
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
            format!("{} tables joined their replication sets", joined.len()),
            joined.iter().map(pgl_apply::provider::Wanted::sql),
        );
    }
    work.body.step(
        "barrier",
        None,
        "both sides stand at one moment; replication waits for the copy",
        [],
    );
    let steps = work.body.steps.len();
    let marks = marks(work, chosen);
    let outcome = behind(work, chosen, &mut reader, &mut loader, &prepared);
    let outcome = outcome.and_then(|copied| {
        loader.batch(&marks?)?;
        for table in joining {
            control::synced(&mut loader, &name, table)?;
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

/// What tells the cutover from now on whether one of these tables was rewritten after its rows were copied.
fn marks(work: &mut Work<'_>, chosen: &[Chosen]) -> Result<String, Failure> {
    let whole: Vec<QualifiedName> = chosen
        .iter()
        .filter(|one| one.whole())
        .map(|one| one.table().clone())
        .collect();
    let ground = &mut work.ground;
    let (source, target) = (&mut ground.source, &mut ground.target);
    Ok(keep_marks(
        source,
        target,
        &ground.name,
        &whole,
        MarksOf::NewRows,
    )?)
}

/// How a table can be compared before it is copied. What cannot be compared is copied.
fn comparable(work: &mut Work<'_>, one: &Chosen, why: Why<'_>) -> Option<Full> {
    if why != Why::Replicated || work.args.always || !one.whole() {
        return None;
    }
    let ground = &mut work.ground;
    let table = std::slice::from_ref(one.table());
    match Full::prepare(&ground.plan, table, &mut ground.source, &mut ground.target) {
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
        work.watch.doing(&table.to_string());
        if let Some(Some(full)) = prepared.get(at) {
            let differences = full.compare(reader, loader)?;
            if differences.is_empty() {
                work.body
                    .already("target.copy", Side::Target, format!("{table} is equal"));
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
        loader.batch(&control::note_statement(
            &work.ground.name,
            &table.sql(),
            "copied",
            &json!({"rows": replaced.rows, "rows_before": replaced.rows_before}),
        ))?;
        work.body.step(
            "target.copy",
            Side::Target,
            format!(
                "{table}: {} rows replaced by {}, as many as the source has",
                replaced.rows_before, replaced.rows
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
        control::analyze(&mut work.ground.target, one.table())?;
        tables.push(one.table().clone());
    }
    let clean = orphans::look(work, &tables)?;
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
        &mut work.ground.source,
        &mut work.ground.target,
        &fit,
        work.watch,
    );
    match rows {
        Ok(rows) => {
            let what = format!("{rows} rows on the target, as the source's counts and changes say");
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
