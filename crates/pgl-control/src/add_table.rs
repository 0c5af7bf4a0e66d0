//! `add-table`: tables join, created where they are missing, with their rows.

use pgl_apply::control::{self, Why};
use pgl_apply::provider::{self, MemberToAdd};
use pgl_apply::schema;
use pgl_apply::{Watch, copy, journal};
use pgl_catalog::facts::{Request, collect};
use pgl_catalog::link::ServerProbe;
use pgl_catalog::pg_dump::{PgDump, SchemaDump};
use pgl_catalog::server::grantee;
use pgl_cli::Failure;
use pgl_conn::Kind;
use pgl_core::control::{Lapsed, ReplicatedTable, add_sequences, add_tables, lapsed};
use pgl_core::doc::Verdict;
use pgl_core::facts::{Asked, Facts};
use pgl_core::journal::{PLAN, TABLES, TableChange, part};
use pgl_core::plan::{Plan, PlanSequence, PlanTable, Set};
use pgl_core::rights::ADD_TABLE;
use pgl_core::setup::archive::{self, Tablespaces, Work as Piece};
use pgl_core::{QualifiedName, Side, plural};

use crate::context::failure;
use crate::resync::{choose, copy_all, plan_steps, prove};
use crate::work::{Outcome, Work};

pub(crate) fn run(work: &mut Work<'_>) -> Outcome {
    work.migration.must_run().map_err(failure)?;
    if !copy::may_write_catalog(&mut work.migration.target)? {
        return Err(Failure::refused(
            "this role may not write where the replication of a table begins",
        )
        .on(Side::Target)
        .hint(ADD_TABLE.hint(Side::Target, &grantee(&mut work.migration.target)?)));
    }
    let (facts, fresh) = fresh(work)?;
    let tables = wanted(work, &fresh)?;
    let mut next = add_tables(&work.migration.plan, &fresh, &tables)
        .map_err(|error| Failure::refused(error.to_string()).on(Side::Source))?;
    let sequences = sequences_of(&facts, &fresh, &tables);
    next = add_sequences(&next, &sequences);
    let replicated: Vec<QualifiedName> = work
        .migration
        .plan
        .replicated()
        .map(|t| t.qualified())
        .collect();
    let mut new = Vec::new();
    for name in &tables {
        if !replicated.contains(name) {
            new.push(name.clone());
        } else if let Some(why) = why_again(work, &next, name)? {
            work.body
                .note(format!("{name} is added again: {}", why.text()));
            new.push(name.clone());
        } else {
            work.body
                .already("source.join", Side::Source, format!("{name} is replicated"));
        }
    }
    // The plan has them already, to be copied at the cutover.
    let mut there = Vec::new();
    for name in &new {
        let is_it = |one: &&PlanTable| one.qualified() == *name;
        let (now, then) = (&next.tables, &work.migration.plan.tables);
        if now
            .iter()
            .find(is_it)
            .is_some_and(|one| one.set == Set::Excluded)
            && then.iter().find(is_it).is_some_and(PlanTable::is_carried)
            && control::table_oid(&mut work.migration.target, name)?.is_some()
        {
            work.body.already(
                "target.plan",
                Side::Target,
                format!("{name} is in the plan"),
            );
            there.push(name.clone());
        }
    }
    new.retain(|name| !there.contains(name));
    if new.is_empty() {
        work.body.already = true;
        return Ok(Verdict::Ok);
    }
    work.body.sequences = next
        .sequences
        .iter()
        .filter(|one| !work.migration.plan.sequences.contains(one))
        .map(|one| one.qualified().to_string())
        .collect();
    join(work, next, &new, &sequences)
}

/// Why a table that the plan replicates is not replicated all the same: names are the plan's, objects
/// are the servers'.
fn why_again(
    work: &mut Work<'_>,
    next: &Plan,
    table: &QualifiedName,
) -> Result<Option<Lapsed>, Failure> {
    let name = work.migration.name.clone();
    let set = next
        .tables
        .iter()
        .find(|one| one.qualified() == *table)
        .and_then(|one| one.set.name());
    let migration = &mut work.migration;
    let in_set = pgl_catalog::setup::members(&mut migration.source)?
        .iter()
        .any(|one| {
            one.schema == table.schema && one.name == table.name && Some(one.set.as_str()) == set
        });
    let on_target = control::table_oid(&mut migration.target, table)?;
    let filled = pgl_catalog::status::filled(&mut migration.target, &name)?
        .get(&table.sql())
        .copied();
    let rows_on_target = on_target.is_some() && control::rows_in(&mut migration.target, table)?;
    Ok(lapsed(&ReplicatedTable {
        in_set,
        on_target,
        filled,
        rows_on_source: control::rows_in(&mut migration.source, table)?,
        rows_on_target,
    }))
}

/// What the source holds now, all of it, planned afresh.
pub(crate) fn fresh(work: &mut Work<'_>) -> Result<(Facts, Plan), Failure> {
    let request = Request {
        source: work.migration.servers.source.clone(),
        target: Some(work.migration.servers.target.clone()),
        provider_dsn: None,
        asked: Asked {
            name: work.migration.name.clone(),
            ..Asked::default()
        },
        probe: ServerProbe::Off,
        pg_bindir: None,
        generated: false,
        tool: work.migration.servers.tool,
    };
    work.watch.doing("looking at the source");
    let mut watched = Vec::new();
    let facts = collect(&request, &mut |handle| {
        watched.push(work.context.cancel_on_signal(handle));
    })?;
    let plan = pgl_core::plan::build(&facts).map_err(|why| {
        Failure::unknown(format!("the source's tables cannot be read: {}", why.0)).on(Side::Source)
    })?;
    Ok((facts, plan))
}

/// The tables that are meant; a partitioned table stands for its partitions.
fn wanted(work: &Work<'_>, fresh: &Plan) -> Result<Vec<QualifiedName>, Failure> {
    let mut known: Vec<QualifiedName> = fresh.tables.iter().map(|one| one.qualified()).collect();
    known.extend(
        fresh
            .tables
            .iter()
            .filter_map(|one| one.partition_root.clone()),
    );
    let mut tables = Vec::new();
    for typed in &work.names {
        let name = typed.resolve(known.iter()).map_err(|error| {
            Failure::refused(format!("no table of the source: {error}")).on(Side::Source)
        })?;
        let leaves = fresh
            .tables
            .iter()
            .filter(|one| one.partition_root.as_ref() == Some(&name))
            .map(|one| one.qualified());
        let mut some: Vec<QualifiedName> = leaves.collect();
        if some.is_empty() {
            some.push(name);
        }
        tables.extend(some);
    }
    tables.sort();
    tables.dedup();
    Ok(tables)
}

/// Sequences that feed these tables: those that a column owns, and those that a default names.
fn sequences_of(facts: &Facts, fresh: &Plan, tables: &[QualifiedName]) -> Vec<PlanSequence> {
    let objects = &facts.source.objects;
    let mut used: Vec<QualifiedName> = Vec::new();
    if let (Ok(relations), Ok(uses), Ok(sequences)) = (
        objects.relations.get(),
        objects.sequence_uses.get(),
        objects.sequences.get(),
    ) {
        for one in uses {
            let of_ours = relations
                .iter()
                .any(|r| r.oid == one.relation && tables.contains(&r.qualified()));
            if of_ours {
                used.extend(
                    sequences
                        .iter()
                        .filter(|sequence| sequence.oid == one.sequence)
                        .map(|sequence| sequence.qualified()),
                );
            }
        }
    }
    fresh
        .sequences
        .iter()
        .filter(|one| used.contains(&one.qualified()))
        .cloned()
        .collect()
}

fn join(
    work: &mut Work<'_>,
    next: Plan,
    new: &[QualifiedName],
    sequences: &[PlanSequence],
) -> Outcome {
    let migration = work.migration.name.clone();
    let absent = missing(work, &next, new, sequences)?;
    let pieces = &absent.pieces;
    // The others are only copied at the cutover.
    let replicated: Vec<QualifiedName> = (next.replicated().map(|one| one.qualified()))
        .filter(|name| new.contains(name))
        .collect();
    let mut filled = Vec::new();
    let there = pgl_catalog::setup::tables(&mut work.migration.target)?;
    for table in &replicated {
        let target = &mut work.migration.target;
        let change = journal::read(target, &migration, &TABLES.of(table.sql()))?;
        let exists = there
            .iter()
            .any(|one| one.schema == table.schema && one.name == table.name);
        if exists && change != Some(TableChange::Adding) && control::rows_in(target, table)? {
            filled.push(table.to_string());
        }
    }
    if !filled.is_empty() {
        work.body.note(format!(
            "rows of {} on the target are replaced by the source's",
            filled.join(", ")
        ));
    }
    if work.body.dry_run {
        return dry(work, &next, new, pieces);
    }
    if !filled.is_empty() {
        work.consent(&format!(
            "{}: the TARGET holds rows that this run has not put there; they would be replaced by the source's.",
            filled.join(", ")
        ))?;
    }
    let adding: String = replicated
        .iter()
        .map(|table| {
            let key = TABLES.of(table.sql());
            journal::statement(&migration, &key, &TableChange::Adding)
        })
        .collect();
    if pieces.is_empty() {
        work.migration.must_fit(&next, new).map_err(failure)?;
        control::write_note(&mut work.migration.target, &adding)?;
    } else {
        let mut loader = work.migration.loader()?;
        control::create(&mut loader, &migration, pieces, &adding).map_err(|error| {
            Failure::from(error).hint(
                "create on the target what it needs (schema, type, function, role) and run this again; --dry-run shows the statements",
            )
        })?;
        work.body.step(
            "target.create",
            Side::Target,
            format!(
                "{} created as on the source",
                plural(pieces.len(), "object")
            ),
            control::create_statements(pieces),
        );
        keep_definitions(work, &absent)?;
        work.migration.must_fit(&next, new).map_err(failure)?;
    }
    match provider::grants(&mut work.migration.source, &migration, Some(&next)).map_err(failure)? {
        pgl_apply::Done::Changed(what) => work.body.step("source.grants", Side::Source, what, []),
        pgl_apply::Done::Already(_) => {}
    }
    work.settle()?;
    let chosen = choose(work, &next, new)?;
    report(work, &chosen);
    let joining = joins(work, &next, new)?;
    let note = plan_note(work, &next, new)?;
    if replicated.is_empty() {
        control::write_note(&mut work.migration.target, &note)?;
    } else {
        copy_all(work, &chosen, Why::Joining(&joining), &note, &replicated)?;
    }
    work.migration.plan = next;
    work.body.step(
        "target.plan",
        Side::Target,
        "the plan that the target keeps has them now",
        [],
    );
    prove(work, &chosen)
}

fn report(work: &mut Work<'_>, chosen: &[crate::resync::Chosen]) {
    for one in chosen {
        crate::resync::explain(work, one);
    }
}

/// What of the tables, and of what they need, the target lacks, as the source has it.
fn missing(
    work: &mut Work<'_>,
    next: &Plan,
    new: &[QualifiedName],
    sequences: &[PlanSequence],
) -> Result<Absent, Failure> {
    let there = pgl_catalog::setup::tables(&mut work.migration.target)?;
    let has = |name: &QualifiedName| {
        there
            .iter()
            .any(|one| one.schema == name.schema && one.name == name.name)
    };
    let mut absent: Vec<QualifiedName> = new.iter().filter(|name| !has(name)).cloned().collect();
    if absent.is_empty() {
        return Ok(Absent::default());
    }
    let above = next
        .tables
        .iter()
        .filter(|one| absent.contains(&one.qualified()))
        .filter_map(|one| one.partition_root.clone())
        .filter(|root| !has(root));
    absent.extend(above.collect::<Vec<_>>());
    let known: Vec<QualifiedName> = pgl_catalog::sequences::sequences(&mut work.migration.target)?
        .iter()
        .map(|one| one.qualified())
        .collect();
    absent.extend(
        sequences
            .iter()
            .map(|one| one.qualified())
            .filter(|name| !known.contains(name)),
    );
    absent.sort();
    absent.dedup();
    dump(work, absent)
}

/// Objects of the source that the target lacks.
#[derive(Default)]
pub(crate) struct Absent {
    names: Vec<QualifiedName>,
    pub(crate) pieces: Vec<Piece>,
    dump: Option<(PgDump, SchemaDump)>,
}

/// These objects of the source, taken apart.
pub(crate) fn dump(work: &mut Work<'_>, names: Vec<QualifiedName>) -> Result<Absent, Failure> {
    let program = PgDump::find(
        work.control.pg_bindir().as_deref(),
        work.migration.source_db.server_version,
        work.migration.target_db.server_version,
    )?;
    let facts = pgl_catalog::setup::indexes(&mut work.migration.source)?;
    let dump = program.dump(&work.migration.servers.source, &names, work.watch)?;
    Ok(Absent {
        names,
        pieces: archive::assign(dump.entries(Tablespaces::Keep)?, &facts),
        dump: Some((program, dump)),
    })
}

/// Records how the objects are that were created, as pgl-setup does for all.
pub(crate) fn keep_definitions(work: &mut Work<'_>, absent: &Absent) -> Result<(), Failure> {
    let Some((program, source)) = &absent.dump else {
        return Ok(());
    };
    let target = &work.migration.servers.target;
    let target = match program.dump(target, &absent.names, work.watch) {
        Ok(dump) => dump,
        Err(error) if error.kind == Kind::Program => {
            work.body.note(format!(
                "the definitions of what was created are not recorded: {error}"
            ));
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    for (side, dump) in [(Side::Source, source), (Side::Target, &target)] {
        let (target, name) = (&mut work.migration.target, &work.migration.name);
        schema::add(target, name, side, &dump.definitions()?).map_err(failure)?;
    }
    Ok(())
}

/// Memberships that do not exist yet. One in another set than the plan's is refused.
fn joins(
    work: &mut Work<'_>,
    next: &Plan,
    new: &[QualifiedName],
) -> Result<Vec<MemberToAdd>, Failure> {
    let members = pgl_catalog::setup::members(&mut work.migration.source)?;
    let mut all = Vec::new();
    for table in next
        .tables
        .iter()
        .filter(|one| new.contains(&one.qualified()))
    {
        let Some(set) = table.set.name() else {
            continue;
        };
        let found: Vec<&str> = members
            .iter()
            .filter(|one| one.schema == table.schema && one.name == table.name)
            .map(|one| one.set.as_str())
            .collect();
        if let Some(other) = found.iter().find(|other| **other != set) {
            return Err(Failure::refused(format!(
                "{} is in replication set {other} already, not in {set}",
                table.qualified()
            ))
            .on(Side::Source)
            .hint("take it out with pglogical.replication_set_remove_table, and run this again"));
        }
        if found.is_empty() {
            all.push(MemberToAdd {
                set,
                object: table.qualified(),
            });
        }
    }
    Ok(all)
}

/// The plan, that the tables are in it, and that their rows are ours.
fn plan_note(work: &mut Work<'_>, next: &Plan, new: &[QualifiedName]) -> Result<String, Failure> {
    let migration = work.migration.name.as_str();
    let mut sql = journal::statement(migration, &PLAN, next);
    let subscription = work.migration.plan.names.subscription.clone();
    for table in next.replicated().map(PlanTable::qualified) {
        if !new.contains(&table) {
            continue;
        }
        let filled = control::copied_part(&mut work.migration.target, &subscription, &table, None)?;
        let key = TABLES.of(table.sql());
        sql += &journal::statement(migration, &key, &TableChange::Added);
        sql += &journal::statement(migration, &part(&table, None), &filled);
    }
    Ok(sql)
}

fn dry(work: &mut Work<'_>, next: &Plan, new: &[QualifiedName], pieces: &[Piece]) -> Outcome {
    if pieces.is_empty() {
        work.migration.must_fit(next, new).map_err(failure)?;
    } else {
        work.body.step(
            "target.create",
            Side::Target,
            "create on the target as the source has it",
            control::create_statements(pieces),
        );
    }
    let chosen = choose(work, next, new)?;
    report(work, &chosen);
    let joining = joins(work, next, new)?;
    if chosen.is_empty() {
        work.body.step(
            "target.plan",
            Side::Target,
            "note in the plan that they are copied at the cutover",
            [],
        );
        return Ok(Verdict::Ok);
    }
    plan_steps(
        work,
        &chosen,
        Why::Joining(&joining),
        Some("-- the plan in pgl.journal, and the tables' rows in pglogical.local_sync_status"),
    );
    Ok(Verdict::Ok)
}
