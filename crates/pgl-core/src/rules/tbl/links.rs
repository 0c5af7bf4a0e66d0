//! Foreign keys and check constraints of the source, and who truncates what they tie together.

use std::collections::{BTreeMap, BTreeSet};

use crate::Side::Source;
use crate::facts::NotRun;
use crate::facts::objects::{Constraint, ConstraintKind, RelKind, Relation, UsedIn, View};
use crate::name::{quote_ident, show_ident};
use crate::plural;
use crate::rules::common::{alter, block_if};
use crate::rules::{Rule, facts, objects};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    objects("tbl.fk_not_valid", |view, emit| {
        for (relation, one) in view.constraints()? {
            let kind = match one.kind {
                ConstraintKind::Foreign => "foreign key",
                ConstraintKind::Check => "check",
                _ => continue,
            };
            let own = !one.inherited && relation.extension.is_none();
            if own && !one.validated && view.wanted(relation) {
                let (name, shown) = (relation.qualified(), show_ident(&one.name));
                let validate = format!("VALIDATE CONSTRAINT {}", quote_ident(&one.name));
                let sql = alter(&name, validate);
                let what = format!("{kind} {shown} of table {name} is NOT VALID");
                emit.find(Source, what).object(name).sql(sql);
            }
        }
        Ok(())
    }),
    objects("tbl.fk_to_excluded", |view, emit| {
        let target = View::target(emit.facts).ok();
        for (from, key, to) in references(view)? {
            if !taken(view, from) || taken(view, to) {
                continue;
            }
            let (name, other, key) = (from.qualified(), to.qualified(), show_ident(&key.name));
            let there = target
                .as_ref()
                .is_some_and(|view| view.named(&other).is_some());
            let severity = block_if(to.extension.is_none() && !there);
            let what =
                format!("foreign key {key} of table {name} references {other}, which is left out");
            emit.find(Source, what).object(name).severity(severity);
        }
        Ok(())
    }),
    objects("tbl.truncate_fk", |view, emit| {
        let mut by_target: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in links(view)? {
            let (from, to) = (from.qualified().to_string(), to.qualified().to_string());
            by_target.entry(to).or_default().insert(from);
        }
        for (name, from) in by_target {
            let from = from.into_iter().collect::<Vec<_>>().join(", ");
            let what = format!("table {name} is referenced by {from}");
            emit.find(Source, what).object(name);
        }
        Ok(())
    }),
    facts("tbl.truncate_users", |facts, emit| {
        for statement in facts.source.objects.truncates.get()? {
            let (query, calls) = (statement.query.trim(), statement.calls);
            let what = format!("ran {}: {query}", plural(calls, "time"));
            emit.find(Source, what).object(query);
        }
        Ok(())
    }),
    objects("tbl.nullable_child", |view, emit| {
        let (source, target) = (&emit.facts.source.server, emit.facts.target()?);
        if source.version()?.at_least(18) || !target.server.version()?.at_least(18) {
            return Ok(());
        }
        for child in view.tables() {
            let columns = view.columns(child.oid)?;
            for parent in view.parents(child.oid) {
                for above in view.columns(parent.oid)?.iter().filter(|one| one.not_null) {
                    let Some(column) = columns.iter().find(|one| one.name == above.name) else {
                        continue;
                    };
                    if !column.not_null {
                        let (name, shown) = (child.qualified(), show_ident(&column.name));
                        let parent = parent.qualified();
                        let what = format!(
                            "column {shown} of table {name} takes nulls, and {parent}, from which it inherits, does not"
                        );
                        let set =
                            format!("ALTER COLUMN {} SET NOT NULL", quote_ident(&column.name));
                        let sql = alter(&name, set);
                        emit.find(Source, what).object(name).sql(sql);
                    }
                }
            }
        }
        Ok(())
    }),
    objects("tbl.check_volatile", |view, emit| {
        let uses = view.objects().routine_uses.get()?.iter();
        for one in uses.filter(|one| one.used_in == UsedIn::Check && one.volatility != "i") {
            if let Some(relation) = view.relation(one.relation).filter(|it| taken(view, it)) {
                let volatile = one.volatility == "v";
                let word = if volatile { "volatile" } else { "stable" };
                let (name, check) = (relation.qualified(), show_ident(&one.object));
                let routine = &one.routine;
                let what =
                    format!("check {check} of table {name} calls the {word} function {routine}");
                emit.find(Source, what).object(name);
            }
        }
        Ok(())
    }),
];

/// Foreign keys that stand on their own, between two relations that are known.
fn references<'a>(
    view: &View<'a>,
) -> Result<Vec<(&'a Relation, &'a Constraint, &'a Relation)>, NotRun> {
    let constraints = view.constraints()?.into_iter();
    let keys = constraints.filter(|(_, one)| one.kind == ConstraintKind::Foreign && !one.inherited);
    Ok(keys
        .filter_map(|(from, key)| Some((from, key, view.relation(key.references)?)))
        .collect())
}

/// Tables of the migration that reference another of its tables.
fn links<'a>(view: &View<'a>) -> Result<Vec<(&'a Relation, &'a Relation)>, NotRun> {
    let references = references(view)?.into_iter();
    let links = references.map(|(from, _, to)| (from, to));
    Ok(links
        .filter(|(from, to)| from.oid != to.oid && taken(view, from) && taken(view, to))
        .collect())
}

/// Whether the migration is about this table, be it only as the root of its partitions.
fn taken(view: &View<'_>, relation: &Relation) -> bool {
    let rows = matches!(relation.kind, RelKind::Table | RelKind::Partitioned);
    rows && relation.extension.is_none() && view.wanted(relation)
}
