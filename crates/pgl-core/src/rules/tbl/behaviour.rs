//! What tables do by themselves when rows arrive: triggers, rules, row security, deferred checks.

use std::collections::HashMap;

use crate::Side::{self, Source, Target};
use crate::facts::objects::{ConstraintKind, RelKind, View};
use crate::facts::{Facts, NotRun};
use crate::name::{quote_ident, show_ident};
use crate::rules::common::alter;
use crate::rules::{Rule, carried, facts, objects};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    carried("tbl.rls", |_, one, emit| {
        if one.row_security {
            let name = one.qualified();
            emit.find(Source, format!("table {name} has row-level security"))
                .object(name);
        }
        Ok(())
    }),
    facts("tbl.triggers_always", |facts, emit| {
        let source = View::source(facts)?;
        for (side, view) in views(facts)? {
            let triggers = view.objects().triggers.get()?;
            for (relation, trigger) in
                view.with_relations(triggers, |one| (one.relation, &one.name))
            {
                let name = relation.qualified();
                if trigger.enabled.fires_in_replica() && source.carries(&name) {
                    let (shown, how) = (show_ident(&trigger.name), trigger.enabled.as_str());
                    let disable = format!("DISABLE TRIGGER {}", quote_ident(&trigger.name));
                    emit.find(side, format!("trigger {shown} of table {name} is {how}"))
                        .object(&name)
                        .fix_on(Target)
                        .sql(alter(&name, disable));
                }
            }
        }
        Ok(())
    }),
    facts("tbl.constraint_triggers", |facts, emit| {
        let source = View::source(facts)?;
        let mut disabled: HashMap<_, [Option<usize>; 2]> = HashMap::new();
        for (side, view) in views(facts)? {
            for (relation, one) in view.constraints()? {
                let counts = disabled.entry((relation.qualified(), &one.name));
                counts.or_default()[usize::from(side == Target)] = Some(one.enable.len());
            }
        }
        for (side, view) in views(facts)? {
            for (relation, one) in view.constraints()? {
                let name = relation.qualified();
                let [on_source, on_target] = disabled[&(name.clone(), &one.name)];
                // Where the target does not have it yet, it gets one whose triggers fire.
                let differs = match side {
                    Source => on_source > Some(on_target.unwrap_or(0)),
                    Target => on_source.is_some() && on_target > on_source,
                };
                if !differs || !source.named(&name).is_some_and(|one| source.wanted(one)) {
                    continue;
                }
                let shown = show_ident(&one.name);
                let what = format!("constraint {shown} of table {name} has disabled triggers");
                let (draft, sql) = (emit.find(side, what).object(name), one.enable.join("\n"));
                match side {
                    // What the application writes may be refused then.
                    Source => draft.manual_sql(sql),
                    Target => draft.sql(sql),
                };
            }
        }
        Ok(())
    }),
    facts("tbl.rules", |facts, emit| {
        let source = View::source(facts)?;
        for (side, view) in views(facts)? {
            let rules = view.objects().rules.get()?;
            for (relation, rule) in view.with_relations(rules, |one| (one.relation, &one.name)) {
                let (name, rule) = (relation.qualified(), show_ident(&rule.name));
                if relation.kind == RelKind::Table && source.carries(&name) {
                    emit.find(side, format!("table {name} has rule {rule}"))
                        .object(name);
                }
            }
        }
        Ok(())
    }),
    facts("tbl.unique_deferrable", |facts, emit| {
        let source = View::source(facts)?;
        for (side, view) in views(facts)? {
            for (relation, constraint) in view.constraints()? {
                let kind = match constraint.kind {
                    ConstraintKind::Unique => "unique constraint",
                    ConstraintKind::Exclusion => "exclusion constraint",
                    // On the source this is tbl.pk_deferrable.
                    ConstraintKind::Primary if side == Target => "primary key",
                    _ => continue,
                };
                let (name, shown) = (relation.qualified(), show_ident(&constraint.name));
                if constraint.deferrable && source.carries(&name) {
                    let what = format!("{kind} {shown} of table {name} is deferrable");
                    emit.find(side, what).object(name).fix_on(Target);
                }
            }
        }
        Ok(())
    }),
    objects("tbl.exclusion_constraint", |view, emit| {
        for (relation, one) in view.constraints()? {
            let exclusion = one.kind == ConstraintKind::Exclusion && !one.deferrable;
            if exclusion && view.is_carried(relation) {
                let (name, shown) = (relation.qualified(), show_ident(&one.name));
                let what = format!("table {name} has exclusion constraint {shown}");
                emit.find(Source, what).object(name);
            }
        }
        Ok(())
    }),
];

/// The sides to look at: the source, and the target where its facts are there.
fn views(facts: &Facts) -> Result<Vec<(Side, View<'_>)>, NotRun> {
    let selection = &facts.asked.selection;
    let view = |(side, one)| Ok((side, View::of(one, selection)?));
    facts.sides().map(view).collect()
}
