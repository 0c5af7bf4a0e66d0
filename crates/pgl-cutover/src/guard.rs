//! The guards: everything that has to hold, read from both servers.

use std::collections::BTreeSet;

use pgl_apply::Error;
use pgl_apply::cutover as apply;
use pgl_catalog::facts::{Request as FactsRequest, collect};
use pgl_catalog::link::ServerProbe;
use pgl_catalog::sequences as catalog;
use pgl_conn::Session;
use pgl_core::cutover::{Direction, Facts, Limits, Refusal, guards, one_sided, unplanned};
use pgl_core::facts::Asked;
use pgl_core::preflight::{Choice, examine};
use pgl_core::rules::all;
use pgl_core::seqsync::{Mode, Outcome, Reading, Request, decide};
use pgl_core::setup::compare::{Wire, compare};
use pgl_core::setup::{CopyMode, Stage, left_to_steps};
use pgl_core::{Plan, QualifiedName, Severity};

use crate::args::Cutover;
use crate::ground::Ground;

/// How sequences are carried over.
pub(crate) const EXACT: Request = Request {
    mode: Mode::Exact,
    margin: 0,
    check: false,
    at_least_column: false,
};

/// Sequences of both sides, read before the pause.
pub(crate) struct Sequences {
    pub(crate) old: Vec<Reading>,
    pub(crate) new: Vec<Reading>,
    pub(crate) wanted: Vec<QualifiedName>,
    pub(crate) room: usize,
}

pub(crate) fn read_sequences(
    plan: &Plan,
    old: &mut Session,
    new: &mut Session,
) -> Result<Sequences, Error> {
    Ok(Sequences {
        old: catalog::sequences(old)?,
        new: catalog::sequences(new)?,
        wanted: plan.sequences.iter().map(|one| one.qualified()).collect(),
        room: catalog::lock_room(new)?,
    })
}

/// Everything that is in the way.
pub(crate) fn check(
    args: &Cutover,
    ground: &Ground,
    direction: Direction,
    (old, new): (&mut Session, &mut Session),
    sequences: &Sequences,
    (recopied, rewritten): (&[QualifiedName], &[String]),
) -> Result<Vec<Refusal>, Error> {
    let home = ground.home(direction, new)?;
    let mut plan = ground.plan.clone();
    if direction == Direction::Back {
        plan.tables
            .retain(|table| !recopied.contains(&table.qualified()));
    }
    let mut facts: Facts = apply::facts(old, new, &ground.name, &home, &plan)?;
    facts.rewritten = rewritten.to_vec();
    facts.circular =
        direction == Direction::Forward && args.reverse && !old.version().at_least_num(90_500);
    if direction == Direction::Back {
        // The rows came from here: there is no copy to be proven, and nothing was held back.
        facts.copy_proven = true;
        facts.held = 0;
        facts.without_statistics.clear();
    }
    let names: Vec<QualifiedName> = ground
        .plan
        .replicated()
        .map(|table| table.qualified())
        .collect();
    let shapes = (
        pgl_catalog::setup::tables(old)?,
        pgl_catalog::setup::tables(new)?,
    );
    let wire = if old.version().major_num() == new.version().major_num() {
        Wire::Same
    } else {
        Wire::Text
    };
    facts.differences = compare(&names, &shapes.0, &shapes.1, wire)
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
    .filter(|task| task.entry.outcome == Outcome::Refused)
    .map(|task| task.entry.qualified().to_string())
    .collect();
    if !args.large_objects {
        facts.large_objects = apply::large_objects_missing(old, new)?;
    }
    if direction == Direction::Forward {
        let seen = examined(ground)?;
        facts.findings = guardrails(&seen);
        let now = pgl_core::plan::build(&seen);
        facts.unplanned = match now {
            Ok(now) => unplanned(&ground.plan, &now),
            Err(why) => vec![format!("what could not be read: {why}")],
        };
        facts.one_sided = one_sided(
            &ground.plan,
            &pgl_catalog::setup::definitions(old)?,
            &pgl_catalog::setup::definitions(new)?,
            &apply::held_labels(new, &ground.name)?,
        );
    }
    let limits = Limits {
        max_lag: args.max_lag,
    };
    Ok(guards(&facts, limits, &args.input.force))
}

/// What preflight sees now.
fn examined(ground: &Ground) -> Result<pgl_core::facts::Facts, Error> {
    let request = FactsRequest {
        source: ground.source.clone(),
        target: Some(ground.target.clone()),
        provider_dsn: None,
        asked: Asked {
            name: ground.name.clone(),
            selection: ground.plan.selection.clone(),
            ..Asked::default()
        },
        probe: ServerProbe::Off,
        tool: ground.tool,
    };
    Ok(collect(&request, &mut |_| {})?)
}

/// What a switch would make permanent, however harmless it is while rows only arrive.
const FOR_GOOD: [&str; 3] = ["seq.params", "tbl.type_mismatch", "tbl.unlogged_target"];

/// Preflight's guardrail checks once more, as far as they block: what has come up since the setup. What
/// the migration itself has made is found by those checks, too, and left out.
fn guardrails(facts: &pgl_core::facts::Facts) -> Vec<(String, String)> {
    let guardrails: BTreeSet<&str> = all()
        .filter(|check| check.text.guardrail)
        .map(|check| check.id)
        .collect();
    examine(facts, &Choice::default())
        .findings
        .into_iter()
        .filter(|finding| {
            finding.severity == Severity::Block || FOR_GOOD.contains(&finding.id.as_str())
        })
        // A home that we have closed ourselves is read-only; our own sessions are not held by it.
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
