//! Keys, indexes and constraints of the target's tables against the source's.

use std::collections::BTreeSet;

use super::Both;
use crate::Side;
use crate::facts::objects::{ConstraintKind, Index, KeySource, RelKind, View};
use crate::facts::{Facts, NotRun};
use crate::name::{quote_ident, show_ident};
use crate::rules::{Emit, Ran, Rule};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    ("tbl.pk_mismatch", key),
    ("tbl.extra_unique_target", extra_unique),
    ("tbl.extra_check_target", extra_check),
    ("tbl.fk_on_target", foreign_keys),
    ("tbl.secondary_idx_present_target", secondary),
];

fn key(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let Some(both) = Both::of(facts)? else {
        return Ok(());
    };
    for (one, other) in both.tables() {
        let KeySource::Key(index) = both.source.key(one)? else {
            continue;
        };
        let name = one.qualified();
        let here = both.source.key_names(index)?;
        let list = |names: &[String]| names.join(", ");
        let what = match both.target.key(other)? {
            KeySource::Key(found) => {
                let there = both.target.key_names(found)?;
                let set = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
                if set(&here) == set(&there) {
                    continue;
                }
                format!(
                    "the replica identity of table {name} is ({}) on the source and ({}) on the target",
                    list(&here),
                    list(&there)
                )
            }
            _ => format!(
                "table {name} has the replica identity ({}) on the source and none on the target",
                list(&here)
            ),
        };
        let draft = emit.find(Side::Target, what).object(&name);
        if index.primary
            && !both
                .target
                .indexes(other.oid)?
                .iter()
                .any(|index| index.primary)
        {
            let columns: Vec<String> = here.iter().map(|name| quote_ident(name)).collect();
            draft.sql(format!(
                "ALTER TABLE {} ADD PRIMARY KEY ({});",
                name.sql(),
                columns.join(", ")
            ));
        }
    }
    Ok(())
}

/// The names of an index's plain key columns as a set; none for partial and expression indexes.
fn unique_columns(view: &View<'_>, index: &Index) -> Result<Option<BTreeSet<String>>, NotRun> {
    Ok(if index.partial || index.expressions {
        None
    } else {
        Some(view.key_names(index)?.into_iter().collect())
    })
}

fn extra_unique(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let Some(both) = Both::of(facts)? else {
        return Ok(());
    };
    for (one, other) in both.tables() {
        let mut names = BTreeSet::new();
        let mut sets = Vec::new();
        for index in both
            .source
            .indexes(one.oid)?
            .iter()
            .filter(|index| index.unique)
        {
            names.insert(index.name.as_str());
            sets.extend(unique_columns(&both.source, index)?);
        }
        for index in both
            .target
            .indexes(other.oid)?
            .iter()
            .filter(|index| index.unique)
        {
            let known = match unique_columns(&both.target, index)? {
                // A superset of a unique set of columns cannot collide either.
                Some(columns) => sets.iter().any(|set| set.is_subset(&columns)),
                None => names.contains(index.name.as_str()),
            };
            if !known {
                let (name, shown) = (one.qualified(), show_ident(&index.name));
                emit.find(
                    Side::Target,
                    format!(
                        "unique index {shown} of table {name} has no counterpart on the source"
                    ),
                )
                .object(&name);
            }
        }
    }
    Ok(())
}

fn extra_check(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let Some(both) = Both::of(facts)? else {
        return Ok(());
    };
    let checks =
        |view: &View<'_>, relation: u32| -> Result<Vec<(String, Option<String>)>, NotRun> {
            let mut found: Vec<_> = view
                .objects()
                .constraints
                .get()?
                .iter()
                .filter(|one| one.relation == relation && one.kind == ConstraintKind::Check)
                .map(|one| (one.name.clone(), one.definition.clone()))
                .collect();
            found.sort();
            Ok(found)
        };
    let with_checks: BTreeSet<u32> = both
        .target
        .objects()
        .constraints
        .get()?
        .iter()
        .filter(|one| one.kind == ConstraintKind::Check)
        .map(|one| one.relation)
        .collect();
    for (one, other) in both
        .tables()
        .filter(|(_, other)| with_checks.contains(&other.oid))
    {
        let here = checks(&both.source, one.oid)?;
        for (constraint, definition) in checks(&both.target, other.oid)? {
            let same = here
                .iter()
                .any(|(name, text)| *name == constraint || (text.is_some() && *text == definition));
            if !same {
                let (name, shown) = (one.qualified(), show_ident(&constraint));
                let (table, quoted) = (name.sql(), quote_ident(&constraint));
                emit.find(
                    Side::Target,
                    format!("check {shown} of table {name} has no counterpart on the source"),
                )
                .object(&name)
                .sql(format!("ALTER TABLE {table} DROP CONSTRAINT {quoted};"));
            }
        }
    }
    Ok(())
}

fn foreign_keys(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let Some(both) = Both::of(facts)? else {
        return Ok(());
    };
    let mut keys: Vec<_> = both
        .target
        .objects()
        .constraints
        .get()?
        .iter()
        .filter(|one| one.kind == ConstraintKind::Foreign && !one.inherited)
        .filter_map(|one| {
            let from = both.target.relation(one.relation)?;
            Some((from, one, both.target.relation(one.references)?))
        })
        .collect();
    keys.sort_by_key(|(from, one, _)| (from.qualified(), &one.name));
    for (from, constraint, to) in keys {
        let to = to.qualified();
        let carried = both.source.named(&to).is_some_and(|relation| {
            relation.kind == RelKind::Partitioned || both.source.is_carried(relation)
        });
        if !carried {
            continue;
        }
        let (name, shown) = (from.qualified(), show_ident(&constraint.name));
        let (table, quoted) = (name.sql(), quote_ident(&constraint.name));
        let mut sql = format!("ALTER TABLE {table} DROP CONSTRAINT {quoted};");
        // A newline in a name would end the comment in the middle of it.
        if let Some(definition) = &constraint.definition {
            let again = format!("ALTER TABLE {table} ADD CONSTRAINT {quoted} {definition};");
            if !again.contains(['\n', '\r']) {
                sql.push_str(&format!("\n-- at the cutover: {again}"));
            }
        }
        emit.find(
            Side::Target,
            format!("foreign key {shown} of table {name} references {to}"),
        )
        .object(&name)
        .sql(sql);
    }
    Ok(())
}

fn secondary(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let Some(both) = Both::of(facts)? else {
        return Ok(());
    };
    for (one, other) in both.tables() {
        let count = both
            .target
            .indexes(other.oid)?
            .iter()
            .filter(|index| !index.primary && !index.identity)
            .count();
        if count > 0 {
            let name = one.qualified();
            emit.find(
                Side::Target,
                format!("table {name} has {count} secondary indexes on the target"),
            )
            .object(&name);
        }
    }
    Ok(())
}
