//! What tables do by themselves when rows arrive: triggers, rules, row security, deferred checks.

use crate::Side;
use crate::facts::Facts;
use crate::facts::objects::{ConstraintKind, RelKind, View};
use crate::name::{quote_ident, show_ident};
use crate::rules::{Emit, Ran, Rule};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    ("tbl.rls", rls),
    ("tbl.triggers_always", triggers),
    ("tbl.rules", rules),
    ("tbl.unique_deferrable", deferrable),
    ("tbl.exclusion_constraint", exclusion),
];

/// The sides to look at: the source, and the target where its facts are there.
fn views(facts: &Facts) -> Result<Vec<(Side, View<'_>)>, crate::facts::NotRun> {
    let mut views = vec![(Side::Source, View::source(facts)?)];
    if facts.target.is_some() {
        views.push((Side::Target, View::target(facts)?));
    }
    Ok(views)
}

fn rls(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    for relation in view.carried().filter(|one| one.row_security) {
        let name = relation.qualified();
        emit.find(Side::Source, format!("table {name} has row-level security"))
            .object(&name);
    }
    Ok(())
}

fn triggers(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let source = View::source(facts)?;
    for (side, view) in views(facts)? {
        let mut firing: Vec<_> = view
            .objects()
            .triggers
            .get()?
            .iter()
            .filter(|trigger| trigger.enabled.fires_in_replica())
            .filter_map(|trigger| Some((view.relation(trigger.relation)?, trigger)))
            .collect();
        firing.sort_by_key(|(relation, trigger)| (relation.qualified(), &trigger.name));
        for (relation, trigger) in firing {
            let name = relation.qualified();
            if !source
                .named(&name)
                .is_some_and(|one| source.is_carried(one))
            {
                continue;
            }
            let (shown, how) = (show_ident(&trigger.name), trigger.enabled.as_str());
            emit.find(side, format!("trigger {shown} of table {name} is {how}"))
                .object(&name)
                .fix_on(Side::Target)
                .sql(format!(
                    "ALTER TABLE {} DISABLE TRIGGER {};",
                    name.sql(),
                    quote_ident(&trigger.name)
                ));
        }
    }
    Ok(())
}

fn rules(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let source = View::source(facts)?;
    for (side, view) in views(facts)? {
        let mut known: Vec<_> = view
            .objects()
            .rules
            .get()?
            .iter()
            .filter_map(|rule| Some((view.relation(rule.relation)?, rule)))
            .collect();
        known.sort_by_key(|(relation, rule)| (relation.qualified(), &rule.name));
        for (relation, rule) in known {
            let name = relation.qualified();
            let ours = |one| source.is_carried(one);
            if relation.kind == RelKind::Table && source.named(&name).is_some_and(ours) {
                let rule = show_ident(&rule.name);
                emit.find(side, format!("table {name} has rule {rule}"))
                    .object(&name);
            }
        }
    }
    Ok(())
}

fn deferrable(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let source = View::source(facts)?;
    for (side, view) in views(facts)? {
        let mut known: Vec<_> = view
            .objects()
            .constraints
            .get()?
            .iter()
            .filter(|one| one.deferrable)
            .filter_map(|one| Some((view.relation(one.relation)?, one)))
            .collect();
        known.sort_by_key(|(relation, one)| (relation.qualified(), &one.name));
        for (relation, constraint) in known {
            let kind = match constraint.kind {
                ConstraintKind::Unique => "unique constraint",
                ConstraintKind::Exclusion => "exclusion constraint",
                // On the source this is tbl.pk_deferrable.
                ConstraintKind::Primary if side == Side::Target => "primary key",
                ConstraintKind::Primary | ConstraintKind::Foreign | ConstraintKind::Check => {
                    continue;
                }
            };
            let name = relation.qualified();
            if !source
                .named(&name)
                .is_some_and(|one| source.is_carried(one))
            {
                continue;
            }
            let shown = show_ident(&constraint.name);
            emit.find(
                side,
                format!("{kind} {shown} of table {name} is deferrable"),
            )
            .object(&name)
            .fix_on(Side::Target);
        }
    }
    Ok(())
}

fn exclusion(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    let mut known: Vec<_> = facts
        .source
        .objects
        .constraints
        .get()?
        .iter()
        .filter(|one| one.kind == ConstraintKind::Exclusion && !one.deferrable)
        .filter_map(|one| Some((view.relation(one.relation)?, one)))
        .filter(|(relation, _)| view.is_carried(relation))
        .collect();
    known.sort_by_key(|(relation, one)| (relation.qualified(), &one.name));
    for (relation, constraint) in known {
        let (name, shown) = (relation.qualified(), show_ident(&constraint.name));
        emit.find(
            Side::Source,
            format!("table {name} has exclusion constraint {shown}"),
        )
        .object(&name);
    }
    Ok(())
}
