//! Sizes and names: nothing that stops a migration, but what an operator wants to know before.

use std::collections::BTreeMap;

use crate::Side::Source;
use crate::rules::{Rule, carried, objects};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    carried("tbl.huge", |_, one, emit| {
        if one.bytes() >= HUGE {
            let (name, gib) = (one.qualified(), one.bytes() >> 30);
            let what = format!("table {name} holds {gib} GiB without indexes");
            emit.find(Source, what).object(name);
        }
        Ok(())
    }),
    objects("tbl.bloat", |view, emit| {
        let activity = view.objects().activity.get()?;
        for (relation, one) in view.with_relations(activity, |one| (one.relation, "")) {
            let (dead, live) = (one.dead, one.live);
            if dead >= DEAD && dead > live / 2 && view.is_carried(relation) {
                let name = relation.qualified();
                let what = format!("table {name} has {dead} dead rows beside {live} live ones");
                let sql = format!("VACUUM (VERBOSE) {};", name.sql());
                emit.find(Source, what).object(name).sql(sql);
            }
        }
        Ok(())
    }),
    objects("tbl.similar_names", |view, emit| {
        let mut folded: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for relation in view.users() {
            let name = relation.qualified();
            let key = (name.schema.to_lowercase(), name.name.to_lowercase());
            folded.entry(key).or_default().push(name.to_string());
        }
        for names in folded.values().filter(|names| names.len() > 1) {
            let what = format!("names differ only in case: {}", names.join(", "));
            emit.find(Source, what).object(&names[0]);
        }
        Ok(())
    }),
    carried("tbl.zero_columns", |view, one, emit| {
        if view.columns(one.oid)?.is_empty() {
            let name = one.qualified();
            let what = format!("table {name} has no columns");
            emit.find(Source, what).object(name);
        }
        Ok(())
    }),
];

/// From this size on a table dominates the copy.
const HUGE: u64 = 50 << 30;
/// Fewer dead rows are not worth a VACUUM.
const DEAD: i64 = 100_000;
