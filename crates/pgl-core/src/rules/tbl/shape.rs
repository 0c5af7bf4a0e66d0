//! Sizes and names: nothing that stops a migration, but what an operator wants to know before.

use std::collections::BTreeMap;

use crate::Side::Source;
use crate::facts::Facts;
use crate::facts::objects::View;
use crate::rules::{Emit, Ran, Rule};

/// From this size on a table dominates the copy.
const HUGE: u64 = 50 << 30;
/// Fewer dead rows are not worth a VACUUM.
const DEAD: i64 = 100_000;

pub(in crate::rules) const CHECKS: &[Rule] = &[
    ("tbl.huge", huge),
    ("tbl.bloat", bloat),
    ("tbl.similar_names", similar_names),
    ("tbl.zero_columns", zero_columns),
];

fn huge(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    for relation in view.carried().filter(|one| one.bytes() >= HUGE) {
        let (name, gib) = (relation.qualified(), relation.bytes() >> 30);
        emit.find(
            Source,
            format!("table {name} holds {gib} GiB without indexes"),
        )
        .object(&name);
    }
    Ok(())
}

fn bloat(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    let mut bloated: Vec<_> = facts
        .source
        .objects
        .activity
        .get()?
        .iter()
        .filter(|one| one.dead >= DEAD && one.dead > one.live / 2)
        .filter_map(|one| Some((view.relation(one.relation)?, one)))
        .filter(|(relation, _)| view.is_carried(relation))
        .collect();
    bloated.sort_by_key(|(relation, _)| relation.qualified());
    for (relation, one) in bloated {
        let name = relation.qualified();
        emit.find(
            Source,
            format!(
                "table {name} has {} dead rows beside {} live ones",
                one.dead, one.live
            ),
        )
        .object(&name)
        .sql(format!("VACUUM (VERBOSE) {};", name.sql()));
    }
    Ok(())
}

fn similar_names(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    let mut folded: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for relation in view.users() {
        let name = relation.qualified();
        let key = (name.schema.to_lowercase(), name.name.to_lowercase());
        folded.entry(key).or_default().push(name.to_string());
    }
    for names in folded.values().filter(|names| names.len() > 1) {
        let all = names.join(", ");
        emit.find(Source, format!("names differ only in case: {all}"))
            .object(&names[0]);
    }
    Ok(())
}

fn zero_columns(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    for relation in view.carried() {
        if view.columns(relation.oid)?.is_empty() {
            let name = relation.qualified();
            emit.find(Source, format!("table {name} has no columns"))
                .object(&name);
        }
    }
    Ok(())
}
