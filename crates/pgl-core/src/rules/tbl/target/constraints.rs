//! Keys, indexes and constraints of the target's tables against the source's.

use std::collections::{BTreeSet, HashMap};

use super::Both;
use crate::Side::Target;
use crate::facts::NotRun;
use crate::facts::objects::{Constraint, ConstraintKind, Index, KeySource, RelKind, View};
use crate::name::{quote_ident, show_ident};
use crate::rules::common::alter;
use crate::rules::{Emit, Ran, Rule, both};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    both("tbl.pk_mismatch", key),
    both("tbl.extra_unique_target", extra_unique),
    both("tbl.extra_check_target", |both, emit| {
        let theirs = checks(&both.target)?;
        if theirs.is_empty() {
            return Ok(());
        }
        let ours = checks(&both.source)?;
        for (one, other) in both.tables() {
            let here = ours.get(&one.oid).map_or(&[][..], Vec::as_slice);
            for check in theirs.get(&other.oid).into_iter().flatten() {
                let same = |own: &&Constraint| {
                    let text = own.definition.is_some() && own.definition == check.definition;
                    own.name == check.name || text
                };
                if !here.iter().any(same) {
                    let (name, shown) = (one.qualified(), show_ident(&check.name));
                    let sql = alter(&name, drop_constraint(check));
                    let what =
                        format!("check {shown} of table {name} has no counterpart on the source");
                    emit.find(Target, what).object(name).sql(sql);
                }
            }
        }
        Ok(())
    }),
    both("tbl.fk_on_target", foreign_keys),
    both("tbl.secondary_idx_present_target", |both, emit| {
        for (one, other) in both.tables() {
            let indexes = both.target.indexes(other.oid)?.iter();
            let count = indexes
                .filter(|index| !index.primary && !index.identity)
                .count();
            if count > 0 {
                let name = one.qualified();
                let what = format!("table {name} has {count} secondary indexes on the target");
                emit.find(Target, what).object(name);
            }
        }
        Ok(())
    }),
];

fn key(both: &Both<'_>, emit: &mut Emit<'_>) -> Ran {
    for (one, other) in both.tables() {
        let KeySource::Key(index) = both.source.key(one)? else {
            continue;
        };
        let (name, here) = (one.qualified(), both.source.key_names(index)?);
        let there = match both.target.key(other)? {
            KeySource::Key(found) => both.target.key_names(found)?,
            _ => Vec::new(),
        };
        if here.iter().collect::<BTreeSet<_>>() == there.iter().collect() {
            continue;
        }
        let (ours, theirs) = (here.join(", "), there.join(", "));
        let what = match there.is_empty() {
            true => format!(
                "table {name} has the replica identity ({ours}) on the source and none on the target"
            ),
            false => format!(
                "the replica identity of table {name} is ({ours}) on the source and ({theirs}) on the target"
            ),
        };
        let mut indexes = both.target.indexes(other.oid)?.iter();
        let has_primary = indexes.any(|index| index.primary);
        let columns: Vec<String> = here.iter().map(|name| quote_ident(name)).collect();
        let sql = alter(&name, format!("ADD PRIMARY KEY ({})", columns.join(", ")));
        let sql = (index.primary && !has_primary).then_some(sql);
        emit.find(Target, what).object(name).sql(sql);
    }
    Ok(())
}

/// A unique index, with the names of its plain key columns as a set; none for a partial or expression index.
type Unique<'a> = (&'a Index, Option<BTreeSet<String>>);

fn unique<'a>(view: &View<'a>, table: u32) -> Result<Vec<Unique<'a>>, NotRun> {
    let indexes = view.indexes(table)?.iter().filter(|index| index.unique);
    indexes
        .map(|index| {
            let plain = !index.partial && !index.expressions;
            let columns = plain.then(|| view.key_names(index)).transpose()?;
            Ok((*index, columns.map(|columns| columns.into_iter().collect())))
        })
        .collect()
}

fn extra_unique(both: &Both<'_>, emit: &mut Emit<'_>) -> Ran {
    for (one, other) in both.tables() {
        let here = unique(&both.source, one.oid)?;
        for (index, columns) in unique(&both.target, other.oid)? {
            let mut ours = here.iter();
            let known = match columns {
                // A superset of a unique set of columns cannot collide either.
                Some(columns) => ours
                    .filter_map(|(_, set)| set.as_ref())
                    .any(|set| set.is_subset(&columns)),
                None => ours.any(|(own, _)| own.name == index.name),
            };
            if !known {
                let (name, shown) = (one.qualified(), show_ident(&index.name));
                let what = format!(
                    "unique index {shown} of table {name} has no counterpart on the source"
                );
                emit.find(Target, what).object(name);
            }
        }
    }
    Ok(())
}

/// Check constraints by table, by name.
fn checks<'a>(view: &View<'a>) -> Result<HashMap<u32, Vec<&'a Constraint>>, NotRun> {
    let mut checks: HashMap<u32, Vec<&Constraint>> = HashMap::new();
    let constraints = view.constraints()?.into_iter();
    for (relation, check) in constraints.filter(|(_, one)| one.kind == ConstraintKind::Check) {
        checks.entry(relation.oid).or_default().push(check);
    }
    Ok(checks)
}

fn drop_constraint(constraint: &Constraint) -> String {
    format!("DROP CONSTRAINT {}", quote_ident(&constraint.name))
}

fn foreign_keys(both: &Both<'_>, emit: &mut Emit<'_>) -> Ran {
    let constraints = both.target.constraints()?.into_iter();
    let keys = constraints.filter(|(_, one)| one.kind == ConstraintKind::Foreign && !one.inherited);
    for (from, key) in keys {
        let Some(to) = both.target.relation(key.references) else {
            continue;
        };
        let to = to.qualified();
        let carried = both.source.named(&to).is_some_and(|relation| {
            relation.kind == RelKind::Partitioned || both.source.is_carried(relation)
        });
        if !carried {
            continue;
        }
        let (name, shown) = (from.qualified(), show_ident(&key.name));
        let mut sql = alter(&name, drop_constraint(key));
        // A newline in a name would end the comment in the middle of it.
        if let Some(definition) = &key.definition {
            let again = format!("ADD CONSTRAINT {} {definition}", quote_ident(&key.name));
            let again = alter(&name, again);
            if !again.contains(['\n', '\r']) {
                sql.push_str(&format!("\n-- at the cutover: {again}"));
            }
        }
        let what = format!("foreign key {shown} of table {name} references {to}");
        emit.find(Target, what).object(name).sql(sql);
    }
    Ok(())
}
