//! The guards: everything that has to hold, read from both servers.

use std::collections::{BTreeSet, HashSet};

use pgl_apply::control::missing_right;
use pgl_apply::copy::may_write_catalog;
use pgl_apply::cutover::{self as apply, PromotionPlan};
use pgl_apply::provider::node_dsn_refused;
use pgl_apply::{Error, subscription};
use pgl_catalog::definitions;
use pgl_catalog::facts::{Request as FactsRequest, collect};
use pgl_catalog::foreign_keys;
use pgl_catalog::link::ServerProbe;
use pgl_catalog::sequences as catalog;
use pgl_catalog::server::grantee;
use pgl_cli::Interrupt;
use pgl_conn::{DsnOutline, Kind, Session};
use pgl_core::control::to_look_at;
use pgl_core::cutover::{
    Closed, CutoverLimits, Direction, Preconditions, REPLICATING, Refusal, SequenceMismatch,
    SequenceUser, WriteBlock, guards, left_behind, not_replicated_back, removed_tables, renamed,
    replica_triggers, sequence_mismatches, stays_read_only, unplanned,
};
use pgl_core::definitions::{PromotedDefinitions, Sought};
use pgl_core::facts::{Asked, Facts};
use pgl_core::plan::{PlanTable, Set};
use pgl_core::preflight::{Choice, examine};
use pgl_core::rights;
use pgl_core::rules::all;
use pgl_core::seqsync::{SequenceMode, SequenceOutcome, SequenceReading, SequenceRequest, decide};
use pgl_core::setup::compare::{SideShapes, TableShape, Wire, compare};
use pgl_core::setup::{CopyMode, Stage, left_to_steps};
use pgl_core::{Finding, Plan, QualifiedName, Severity, Side};

use crate::args::{Order, Verify};
use crate::context::CutoverContext;

/// How sequences are carried over.
pub(crate) const EXACT: SequenceRequest = SequenceRequest {
    mode: SequenceMode::Exact,
    margin: 0,
    check: false,
    at_least_column: false,
};

/// Sequences of both sides, read before the pause.
pub(crate) struct Sequences {
    pub(crate) old: Vec<SequenceReading>,
    pub(crate) new: Vec<SequenceReading>,
    pub(crate) wanted: Vec<QualifiedName>,
    pub(crate) room: usize,
}

pub(crate) fn read_sequences(
    plan: &Plan,
    old: &mut Session,
    new: &mut Session,
) -> Result<Sequences, Error> {
    let (room, old, new) = (
        catalog::lock_room(new)?,
        catalog::sequences(old)?,
        catalog::sequences(new)?,
    );
    // One that neither side has any more was dropped on both.
    let exists = |name: &QualifiedName| {
        let mut both = old.iter().chain(&new);
        both.any(|one| one.schema == name.schema && one.name == name.name)
    };
    let wanted = plan.sequences.iter().map(|one| one.qualified());
    Ok(Sequences {
        wanted: wanted.filter(exists).collect(),
        old,
        new,
        room,
    })
}

/// A session, and what is stored of its database while it is read-only by the tools.
type SideRead<'a> = (&'a mut Session, &'a Closed);

/// Subscriptions that write to the side that a rollback leaves: their rows carry an origin that reverse replication does not
/// forward. In the other direction preflight's check says so.
fn fed(provider: &mut Session) -> Result<Vec<(String, String)>, Error> {
    Ok(pgl_catalog::server::subscriptions(provider)?
        .into_iter()
        .map(|one| {
            let what = format!(
                "the {} is a subscriber: {}; the rows that it receives are not replicated back",
                provider.side(),
                pgl_core::name::show_ident(&one.name)
            );
            ("repl.cascading_origin".to_owned(), what)
        })
        .collect())
}

/// Tables whose changes are not all replicated although they are in a set, with the reasons.
fn unreplicated(provider: &mut Session, plan: &Plan) -> Result<Vec<String>, Error> {
    let tables: Vec<QualifiedName> = plan.replicated().map(|table| table.qualified()).collect();
    let sets: Vec<String> = [Set::Default, Set::DefaultInsertOnly]
        .iter()
        .filter_map(|set| set.name().map(str::to_owned))
        .collect();
    Ok(pgl_catalog::status::members(provider, &tables, &sets)?
        .into_iter()
        .filter(|one| !one.unreplicated.is_empty())
        .map(|one| format!("{} ({})", one.table, one.unreplicated.join(", ")))
        .collect())
}

/// What the preconditions came to.
pub(crate) struct CheckedPreconditions {
    /// Everything that is in the way.
    pub(crate) refusals: Vec<Refusal>,
    /// For people.
    pub(crate) notes: Vec<String>,
    /// What a rollback compares definitions with.
    pub(crate) promoted: Option<PromotedDefinitions>,
    /// Which columns take their values from which sequences where rows are replicated from.
    pub(crate) sequence_users: Vec<SequenceUser>,
}

/// Evaluates all of them.
pub(crate) fn check(
    args: &Order,
    migration: &CutoverContext,
    direction: Direction,
    ((old, closed_old), (new, closed_new)): (SideRead<'_>, SideRead<'_>),
    sequences: &Sequences,
    (recopied, rewritten): (&[QualifiedName], &[String]),
    interrupt: &Interrupt,
) -> Result<CheckedPreconditions, Error> {
    let mut notes = Vec::new();
    let link = migration.link(direction, new)?;
    let plan = followed(migration, direction, recopied);
    let mut facts: Preconditions = apply::facts(old, new, &migration.name, &link, &plan)?;
    facts.rewritten = rewritten.to_vec();
    facts.unreplicated = unreplicated(old, &plan)?;
    facts.rollback = direction == Direction::Back;
    facts.circular =
        direction == Direction::Forward && args.reverse() && !old.version().at_least_num(90_500);
    let stored = pgl_catalog::setup::stored(old)?;
    let members: Vec<QualifiedName> = pgl_catalog::setup::members(old)?
        .iter()
        .map(|one| QualifiedName::new(&one.schema, &one.name))
        .collect();
    let carried: Vec<QualifiedName> = plan.replicated().map(|t| t.qualified()).collect();
    facts.renamed = renamed(direction, &migration.plan, &carried, &stored, &members);
    if direction == Direction::Back {
        // The rows came from here: there is no copy to be proven, and nothing was held back.
        facts.copy_proven = true;
        facts.held = 0;
        facts.without_statistics.clear();
        notes.push(format!(
            "roles were not compared: what was changed of them since the cutover is not on the {}",
            new.side()
        ));
        facts.left_behind = left_behind(&migration.plan, &stored, &facts.renamed.now);
        facts.findings = fed(old)?;
    }
    facts.left_out = removed_tables(&migration.plan, &stored);
    read_settings(
        &mut facts,
        args,
        direction,
        ((old, closed_old), (new, closed_new)),
    )?;
    facts.origin_writers =
        apply::origin_writers(direction, old, new, &migration.name, &migration.plan)?;
    if args.options.verify != Verify::Full {
        facts.timelines = apply::timelines(direction, old, new, &migration.name)?;
        if direction == Direction::Forward {
            facts.slot_moved = pgl_catalog::slot_moved(new, &migration.name)?
                .and_then(|moved| moved.missing(carried.into_iter()));
        }
    }
    facts.impossible = missing_origins(args, migration, direction, (old, new), recopied)?;
    let blocked = migration.carried();
    let on_old = [blocked.as_slice(), &sequences.wanted].concat();
    // The ALTER TABLE that locks sequences is refused by what refuses the one of such triggers.
    let fires = (WriteBlock::Always, WriteBlock::ButReplicas);
    let mut permitted = true;
    let applies = direction == Direction::Back || args.reverse();
    for (session, relations, closed, fires, applies) in [
        (&mut *old, &on_old, closed_old, fires.0, applies),
        (&mut *new, &blocked, closed_new, fires.1, false),
    ] {
        let refusal = apply::not_permitted(session, relations, closed, applies)?;
        permitted &= refusal.is_none();
        // Where rights are missing, those are what is reported.
        let tables: &[QualifiedName] = if refusal.is_none() { &blocked } else { &[] };
        facts
            .impossible
            .extend(apply::write_block_refused(session, fires, tables)?);
        facts.impossible.extend(refusal);
        let open = apply::not_ended(session)?;
        if !open.is_empty() {
            // The former source's triggers fire for every session where nothing is replicated to it.
            let but = match session.side() == Side::Source
                && direction == Direction::Forward
                && !args.reverse()
            {
                true => "",
                false => ", but the triggers do not with session_replication_role = replica",
            };
            notes.push(format!(
                "sessions of superusers on the {}, which this role may not end, stay open; locks and write-block triggers hold for them{but}: {}",
                session.side(),
                open.join(", ")
            ));
        }
    }
    let names = blocked;
    let shapes = (
        pgl_catalog::setup::tables(old)?,
        pgl_catalog::setup::tables(new)?,
    );
    let sequence_users = catalog::users(old)?;
    facts.sequence_mismatches = exchanged(&migration.plan, &sequence_users, new, &shapes.0)?;
    let wire = if old.version().major_num() == new.version().major_num() {
        Wire::Same
    } else {
        Wire::Text
    };
    let from = SideShapes {
        side: old.side(),
        tables: &shapes.0,
    };
    let to = SideShapes {
        side: new.side(),
        tables: &shapes.1,
    };
    facts.differences = compare(&names, from, to, wire)
        .into_iter()
        .map(|one| match &one.column {
            Some(column) => format!("{}: column {column} {}", one.table, one.what),
            None => format!("{}: {}", one.table, one.what),
        })
        .collect();
    facts.sequences = decide(
        EXACT,
        &sequences.old,
        &sequences.new,
        Some(&sequences.wanted),
    )
    .into_iter()
    .filter(|task| task.entry.outcome == SequenceOutcome::Refused)
    .map(|task| task.entry.qualified().to_string())
    .collect();
    facts.unfilled = pgl_apply::target::unfilled(old, new)?
        .iter()
        .map(ToString::to_string)
        .collect();
    if direction == Direction::Forward && args.reverse() {
        facts.invalid_unique = apply::invalid_unique_indexes(old)?;
    }
    // Rows of the same version are replicated in their internal form.
    if wire == Wire::Text && (direction == Direction::Back || args.reverse()) {
        let source = match direction {
            Direction::Forward => &mut *old,
            Direction::Back => &mut *new,
        };
        facts.input_settings = pgl_catalog::status::input_settings(source)?;
    }
    if direction == Direction::Forward {
        let seen = examined(migration)?;
        if args.reverse() {
            facts.impossible.extend(no_reverse_slot(args, &seen)?);
        }
        let found = examine(&seen, &Choice::default()).findings;
        notes.extend(roles(&found));
        notes.extend(constraint_triggers(&found));
        notes.extend(not_dumped(&found));
        facts.findings = guardrails(found);
        let now = pgl_core::plan::build(&seen);
        facts.unplanned = match now {
            Ok(mut now) => {
                // They need no place in the plan, but their names back.
                let fresh = |table: &PlanTable| !facts.renamed.now.contains(&table.qualified());
                now.tables.retain(fresh);
                unplanned(&migration.plan, &now)
            }
            Err(why) => vec![format!("what could not be read: {why}")],
        };
        if permitted && !args.common.input.force.iter().any(|id| id == "cut.orphans") {
            facts.orphans = orphaned_rows(&migration.plan, (old, new), &shapes.1)?;
        }
    }
    let (sought, sides) = match direction {
        Direction::Forward => (Sought::Missing, (&mut *old, &mut *new)),
        Direction::Back => (Sought::LeftBehind, (&mut *new, &mut *old)),
    };
    let compared = definitions::compare(
        args.pg_bindir.as_deref(),
        sides,
        (&migration.source, &migration.target),
        &migration.name,
        &migration.plan,
        sought,
        interrupt,
    );
    match compared {
        Ok(mut found) => {
            if direction == Direction::Back {
                found.without_roles.clear();
                found.excluded.clear();
            }
            notes.extend(found.notes());
            facts.definitions = found;
        }
        Err(error) if error.kind == Kind::Program => {
            facts.definitions_unknown = Some(error.to_string());
        }
        Err(error) => return Err(error.into()),
    }
    let limits = CutoverLimits {
        max_lag: args.options.max_lag,
    };
    if facts.subscription.as_deref() == Some(REPLICATING) {
        let stop = || interrupt.exit().is_some();
        apply::wait_for_lag(old, &link, &mut facts, limits, stop)?;
    }
    let promoted = facts.definitions.promoted.take();
    Ok(CheckedPreconditions {
        refusals: guards(&facts, limits, &args.common.input.force),
        notes,
        promoted,
        sequence_users,
    })
}

/// Rows of the target that contradict the foreign keys which the cutover will create: found while writes are not blocked.
fn orphaned_rows(
    plan: &Plan,
    (old, new): (&mut Session, &mut Session),
    here: &[TableShape],
) -> Result<Vec<String>, Error> {
    let tables: Vec<QualifiedName> = (plan.tables.iter())
        .flat_map(|table| std::iter::once(table.qualified()).chain(table.partition_root.clone()))
        .collect();
    let on_source = foreign_keys::all(old, &tables)?;
    let on_target = foreign_keys::all(new, &tables)?;
    let here: HashSet<QualifiedName> = (here.iter())
        .map(|table| QualifiedName::new(&table.schema, &table.name))
        .collect();
    let looked = to_look_at(&on_source, &on_target, plan, |table| here.contains(table));
    let mut found = Vec::new();
    for key in &looked.keys {
        found.extend(foreign_keys::orphans(new, key)?.map(|orphans| orphans.to_string()));
    }
    Ok(found)
}

/// Columns whose sequences have other names on the other side, as far as the plan has one of these.
fn exchanged(
    plan: &Plan,
    old: &[SequenceUser],
    new: &mut Session,
    known: &[TableShape],
) -> Result<Vec<SequenceMismatch>, Error> {
    let mut found = sequence_mismatches(old, &catalog::users(new)?, known);
    found.retain(|one| {
        let mut names = one.provider.union(&one.subscriber);
        names.any(|name| {
            plan.sequences
                .iter()
                .any(|known| known.qualified() == *name)
        })
    });
    Ok(found)
}

/// The plan with the tables that the subscription of this direction has to follow.
fn followed(migration: &CutoverContext, direction: Direction, recopied: &[QualifiedName]) -> Plan {
    let mut plan = migration.plan.clone();
    if direction == Direction::Back {
        plan.tables
            .retain(|table| !recopied.contains(&table.qualified()));
    }
    plan
}

/// What somebody may change at any time, past every lock of ours.
fn read_settings(
    facts: &mut Preconditions,
    args: &Order,
    direction: Direction,
    ((old, closed_old), (new, closed_new)): (SideRead<'_>, SideRead<'_>),
) -> Result<(), Error> {
    let there = pgl_catalog::setup::replica_triggers(old)?;
    let here = pgl_catalog::setup::replica_triggers(new)?;
    facts.replica_triggers = replica_triggers(direction, &here, &there);
    facts.large_objects = match args.options.large_objects {
        true => apply::large_objects_unlocked(old)?,
        false => apply::large_objects_missing(old, new)?,
    };
    let (on_old, on_new) = apply::read_only_settings((old, closed_old), (new, closed_new))?;
    facts.read_only = stays_read_only(&on_old, &on_new);
    Ok(())
}

/// What the fingerprint of the definitions does not show, once more: before writes are blocked, and just before the
/// promotion. Everything else either is in the fingerprint, is proved by what an attempt does itself (that the target applies and
/// catches up, sequences, locks, replication origins), or is only changed by tools that need the lock of the migration.
pub(crate) fn check_again(
    args: &Order,
    migration: &CutoverContext,
    direction: Direction,
    (recopied, release, users): (&[QualifiedName], &PromotionPlan, &[SequenceUser]),
    (old, new): (&mut Session, &mut Session),
) -> Result<Vec<Refusal>, Error> {
    let link = migration.link(direction, new)?;
    let mut facts = Preconditions {
        copy_proven: true,
        rollback: direction == Direction::Back,
        ..Preconditions::default()
    };
    if let Some(found) = subscription::find(new, &link.subscription)? {
        let plan = followed(migration, direction, recopied);
        facts.subscription = Some(REPLICATING.to_owned());
        apply::not_followed(new, &migration.name, &found, &plan)?.note(&mut facts);
    }
    facts.origin_writers =
        apply::origin_writers(direction, old, new, &migration.name, &migration.plan)?;
    let closed_old = apply::plan_close(old, &migration.name)?;
    let closed_new = apply::plan_close(new, &migration.name)?;
    read_settings(
        &mut facts,
        args,
        direction,
        ((old, &closed_old), (new, &closed_new)),
    )?;
    facts.sequence_mismatches = exchanged(&migration.plan, users, new, &[])?;
    facts.replica_triggers.retain(|one| !release.enables(one));
    let limits = CutoverLimits {
        max_lag: args.options.max_lag,
    };
    Ok(guards(&facts, limits, &args.common.input.force))
}

/// The replication origins that this attempt needs and the subscription of its direction does not have yet.
fn missing_origins(
    args: &Order,
    migration: &CutoverContext,
    direction: Direction,
    (old, new): (&mut Session, &mut Session),
    recopied: &[QualifiedName],
) -> Result<Vec<Refusal>, Error> {
    let mut all = Vec::new();
    let names = &migration.plan.names;
    if !recopied.is_empty() {
        let reverse = args.reverse() && direction == Direction::Forward;
        all.extend(missing_right(new, reverse)?);
        let name = apply::recopy_origin(&names.subscription);
        let room = apply::origin_room(new, &name)?;
        all.extend(room.and_then(|room| {
            room.missing(new.side(), "the copy of tables without a replica identity")
        }));
    }
    if args.reverse() && direction == Direction::Forward {
        let own = args.reverse_subscriber_dsn();
        let dsn_refused = match &own {
            Some(dsn) => node_dsn_refused(old, dsn)?,
            None => false,
        };
        if dsn_refused {
            all.push(rights::NODE_DSN.refusal(Side::Source, &grantee(old)?));
        }
        if !may_write_catalog(old)? {
            all.push(rights::REVERSE.refusal(Side::Source, &grantee(old)?));
        }
        // pglogical names the origin of a subscription like its slot.
        let name = apply::back_slot(old, &apply::back_names(names))?;
        let room = apply::origin_room(old, &name)?;
        all.extend(room.and_then(|room| room.missing(old.side(), "reverse replication")));
    }
    Ok(all)
}

/// Reverse replication reads a slot of the target, as the role in `--reverse-dsn`.
fn no_reverse_slot(args: &Order, seen: &Facts) -> Result<Option<Refusal>, Error> {
    let Ok(target) = seen.target() else {
        return Ok(None);
    };
    let role = match args.reverse_dsn() {
        Some(dsn) => {
            DsnOutline::read(Side::Target, &dsn)
                .map_err(|error| error.with_context("--reverse-dsn"))?
                .user
        }
        None => target
            .server
            .identity
            .get()
            .ok()
            .map(|one| one.user.clone()),
    };
    // What could not be read is reported otherwise.
    Ok(not_replicated_back(&target.server, role.as_deref()).unwrap_or_default())
}

/// What preflight sees now.
fn examined(migration: &CutoverContext) -> Result<Facts, Error> {
    let request = FactsRequest {
        source: migration.source.clone(),
        target: Some(migration.target.clone()),
        provider_dsn: None,
        asked: Asked {
            name: migration.name.clone(),
            selection: migration.plan.selection.clone(),
            ..Asked::default()
        },
        probe: ServerProbe::Off,
        pg_bindir: None,
        generated: false,
        tool: migration.tool,
    };
    Ok(collect(&request, &mut |_| {})?)
}

/// What a cutover would make permanent, however harmless it is while rows only arrive.
const FOR_GOOD: [&str; 3] = ["seq.params", "tbl.type_mismatch", "tbl.unlogged_target"];

/// Preflight's checks of roles and what belongs to them, which a cutover does not carry.
const OF_ROLES: [&str; 6] = [
    "role.missing_on_target",
    "role.login_missing_on_target",
    "role.password_missing",
    "role.differs",
    "role.parameter_grants",
    "conf.db_settings",
];

/// What roles have on the source and not on the target, as a note.
fn roles(findings: &[Finding]) -> Option<String> {
    let found = findings
        .iter()
        .filter(|one| OF_ROLES.contains(&one.id.as_str()));
    let found: Vec<&str> = found
        .map(|one| match (one.id.as_str(), &one.object) {
            // All of them, where a finding shows some.
            ("role.login_missing_on_target", Some(all)) => all,
            _ => one.what.as_str(),
        })
        .collect();
    (!found.is_empty()).then(|| {
        format!(
            "roles that are not on the target as they are on the source (pgl-preflight prints the remedies): {}",
            found.join("; ")
        )
    })
}

/// Constraints that one side does not check, as a note: a cutover leaves that to superusers.
fn constraint_triggers(findings: &[Finding]) -> Option<String> {
    let found: Vec<String> = (findings.iter())
        .filter(|one| one.id == "tbl.constraint_triggers")
        .map(|one| format!("{}, on the {}", one.what, one.side))
        .collect();
    (!found.is_empty()).then(|| {
        format!(
            "after the cutover the target checks rows otherwise than the source, until a superuser runs ALTER TABLE ... ENABLE or DISABLE TRIGGER there: {}",
            found.join("; ")
        )
    })
}

/// What pg_dump has not written and the target still does not have, as a note: most of it can be given after the cutover only.
fn not_dumped(findings: &[Finding]) -> Option<String> {
    let found: Vec<&str> = (findings.iter())
        .filter(|one| one.id == "obj.not_dumped")
        .map(|one| one.what.as_str())
        .collect();
    (!found.is_empty()).then(|| {
        format!(
            "{}; pgl-preflight --only obj.not_dumped has the statements for the target",
            found.join("; ")
        )
    })
}

/// Preflight's guardrail checks once more, as far as they block: what has come up since the setup. What
/// the migration itself has made is found by those checks, too, and left out.
fn guardrails(findings: Vec<Finding>) -> Vec<(String, String)> {
    let guardrails: BTreeSet<&str> = all()
        .filter(|check| check.text.guardrail)
        .map(|check| check.id)
        .collect();
    findings
        .into_iter()
        .filter(|finding| {
            finding.severity == Severity::Block || FOR_GOOD.contains(&finding.id.as_str())
        })
        // `cut.read_only` tells what we have set ourselves from what would stay.
        .filter(|finding| finding.id != "conf.default_read_only")
        .filter(|finding| guardrails.contains(finding.id.as_str()))
        .filter(|finding| !left_to_steps(&finding.id, Stage::Continued, CopyMode::Parallel))
        .map(|finding| {
            let what = match &finding.object {
                Some(object) => format!("{} {object}: {}", finding.side, finding.what),
                None => format!("{}: {}", finding.side, finding.what),
            };
            (finding.id, what)
        })
        .collect()
}
