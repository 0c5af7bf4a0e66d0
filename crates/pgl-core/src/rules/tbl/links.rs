//! Foreign keys and check constraints of the source, and who truncates what they tie together.

use std::collections::{BTreeMap, BTreeSet};

use crate::Severity;
use crate::Side::Source;
use crate::facts::objects::{Constraint, ConstraintKind, RelKind, Relation, UsedIn, View};
use crate::facts::{Facts, NotRun};
use crate::name::{quote_ident, show_ident};
use crate::rules::{Emit, Ran, Rule};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    ("tbl.fk_not_valid", not_valid),
    ("tbl.fk_to_excluded", fk_to_excluded),
    ("tbl.fk_cycles", fk_cycles),
    ("tbl.truncate_fk", truncate_fk),
    ("tbl.truncate_users", truncate_users),
    ("tbl.check_volatile", check_volatile),
];

fn not_valid(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    for (relation, constraint) in own(&view)? {
        let kind = match constraint.kind {
            ConstraintKind::Foreign => "foreign key",
            ConstraintKind::Check => "check",
            ConstraintKind::Exclusion | ConstraintKind::Unique | ConstraintKind::Primary => {
                continue;
            }
        };
        if constraint.validated || !view.wanted(relation) || relation.extension.is_some() {
            continue;
        }
        let (name, shown) = (relation.qualified(), show_ident(&constraint.name));
        emit.find(
            Source,
            format!("{kind} {shown} of table {name} is NOT VALID"),
        )
        .object(&name)
        .sql(format!(
            "ALTER TABLE {} VALIDATE CONSTRAINT {};",
            name.sql(),
            quote_ident(&constraint.name)
        ));
    }
    Ok(())
}

/// Constraints that stand on their own, with their relation, in a stable order.
fn own<'a>(view: &View<'a>) -> Result<Vec<(&'a Relation, &'a Constraint)>, NotRun> {
    let mut own: Vec<(&Relation, &Constraint)> = view
        .objects()
        .constraints
        .get()?
        .iter()
        .filter(|constraint| !constraint.inherited)
        .filter_map(|constraint| Some((view.relation(constraint.relation)?, constraint)))
        .collect();
    own.sort_by(|(a, one), (b, two)| {
        (&a.schema, &a.name, &one.name).cmp(&(&b.schema, &b.name, &two.name))
    });
    Ok(own)
}

/// Foreign keys between two relations that are known.
fn references<'a>(
    view: &View<'a>,
) -> Result<Vec<(&'a Relation, &'a Constraint, &'a Relation)>, NotRun> {
    Ok(own(view)?
        .into_iter()
        .filter(|(_, constraint)| constraint.kind == ConstraintKind::Foreign)
        .filter_map(|(from, key)| Some((from, key, view.relation(key.references)?)))
        .collect())
}

/// Whether the migration is about this table, be it only as the root of its partitions.
fn taken(view: &View<'_>, relation: &Relation) -> bool {
    let rows = matches!(relation.kind, RelKind::Table | RelKind::Partitioned);
    rows && relation.extension.is_none() && view.wanted(relation)
}

fn fk_to_excluded(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    let target = View::target(facts).ok();
    for (from, key, to) in references(&view)? {
        if !taken(&view, from) || taken(&view, to) {
            continue;
        }
        let there = target
            .as_ref()
            .is_some_and(|target| target.named(&to.qualified()).is_some());
        let certain = to.extension.is_none() && !there;
        let (name, other) = (from.qualified(), to.qualified());
        let key = show_ident(&key.name);
        emit.find(
            Source,
            format!("foreign key {key} of table {name} references {other}, which is left out"),
        )
        .object(&name)
        .severity(if certain {
            Severity::Block
        } else {
            Severity::Warn
        });
    }
    Ok(())
}

fn fk_cycles(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    let mut edges: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for (from, _, to) in references(&view)? {
        if from.oid != to.oid && taken(&view, from) && taken(&view, to) {
            edges.entry(from.oid).or_default().insert(to.oid);
        }
    }
    peel(&mut edges);
    let reach = |from: u32| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(here) = open.pop() {
            for next in edges.get(&here).into_iter().flatten() {
                if seen.insert(*next) {
                    open.push(*next);
                }
            }
        }
        seen
    };
    let reached: BTreeMap<u32, BTreeSet<u32>> =
        edges.keys().map(|oid| (*oid, reach(*oid))).collect();
    let mut done = BTreeSet::new();
    for oid in edges.keys().filter(|oid| reached[oid].contains(oid)) {
        let circle = reached[oid]
            .iter()
            .filter(|other| reached.get(other).is_some_and(|back| back.contains(oid)));
        let mut names: Vec<String> = circle
            .filter(|other| done.insert(**other))
            .filter_map(|other| view.relation(*other))
            .map(|relation| relation.qualified().to_string())
            .collect();
        names.sort();
        if let Some(first) = names.first() {
            let all = names.join(", ");
            emit.find(
                Source,
                format!("these tables reference each other in a circle: {all}"),
            )
            .object(first);
        }
    }
    Ok(())
}

/// Takes away, again and again, the tables that reference nothing that is left.
fn peel(edges: &mut BTreeMap<u32, BTreeSet<u32>>) {
    loop {
        let known: BTreeSet<u32> = edges.keys().copied().collect();
        let before = known.len();
        for to in edges.values_mut() {
            to.retain(|oid| known.contains(oid));
        }
        edges.retain(|_, to| !to.is_empty());
        if edges.len() == before {
            return;
        }
    }
}

fn truncate_fk(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    let mut by_target: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (from, _, to) in references(&view)? {
        if from.oid != to.oid && taken(&view, from) && taken(&view, to) {
            let from = from.qualified().to_string();
            by_target
                .entry(to.qualified().to_string())
                .or_default()
                .insert(from);
        }
    }
    for (name, from) in by_target {
        let from: Vec<String> = from.into_iter().collect();
        let what = format!("table {name} is referenced by {}", from.join(", "));
        emit.find(Source, what).object(name);
    }
    Ok(())
}

fn truncate_users(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    for statement in facts.source.objects.truncates.get()? {
        let (query, calls) = (statement.query.trim(), statement.calls);
        emit.find(Source, format!("ran {calls} times: {query}"))
            .object(query);
    }
    Ok(())
}

fn check_volatile(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    for one in facts.source.objects.routine_uses.get()? {
        let Some(relation) = view.relation(one.relation) else {
            continue;
        };
        if one.used_in != UsedIn::Check || one.volatility == "i" || !taken(&view, relation) {
            continue;
        }
        let name = relation.qualified();
        let word = if one.volatility == "v" {
            "volatile"
        } else {
            "stable"
        };
        let (check, routine) = (show_ident(&one.object), &one.routine);
        emit.find(
            Source,
            format!("check {check} of table {name} calls the {word} function {routine}"),
        )
        .object(&name);
    }
    Ok(())
}
