//! Relations that are not plain logged tables of the user.

use std::collections::HashMap;

use crate::Side::Source;
use crate::facts::objects::{Persistence, RelKind, Relation};
use crate::name::show_ident;
use crate::plural;
use crate::rules::common::alter;
use crate::rules::{Rule, facts, objects};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    objects("tbl.unlogged", |view, emit| {
        // 9.4 cannot make a table logged in place.
        let alterable = emit.facts.source.server.version()?.at_least_num(90_500);
        let unlogged = |one: &&Relation| one.persistence == Persistence::Unlogged;
        for one in view.tables().filter(unlogged) {
            let name = one.qualified();
            let sql = alterable.then(|| alter(&name, "SET LOGGED"));
            let what = format!("table {name} is unlogged");
            emit.find(Source, what).object(name).sql(sql);
        }
        Ok(())
    }),
    facts("tbl.temp", |facts, emit| {
        let count = facts.source.objects.database.get()?.temporary_tables;
        if count > 0 {
            let what = format!("sessions hold {count} temporary tables at this moment");
            emit.find(Source, what);
        }
        Ok(())
    }),
    objects("tbl.partitioned", |view, emit| {
        let mut leaves: HashMap<u32, usize> = HashMap::new();
        let relations = view.relations().filter(|one| one.partition);
        for leaf in relations.filter(|one| one.kind != RelKind::Partitioned) {
            for above in view.above(leaf) {
                *leaves.entry(above.oid).or_default() += 1;
            }
        }
        let roots = view.users().filter(|one| !one.partition);
        for root in roots.filter(|one| one.kind == RelKind::Partitioned) {
            let (name, count) = (root.qualified(), leaves.get(&root.oid).unwrap_or(&0));
            let what = format!("table {name} is partitioned into {count} leaves");
            emit.find(Source, what).object(name);
        }
        Ok(())
    }),
    objects("tbl.foreign", |view, emit| {
        for one in view.users().filter(|one| one.kind == RelKind::Foreign) {
            let name = one.qualified();
            let what = format!("{name} is a foreign table; its rows are not copied");
            emit.find(Source, what).object(name);
        }
        Ok(())
    }),
    facts("tbl.extension_config", |facts, emit| {
        for one in facts.source.objects.extension_config.get()? {
            let (name, extension) = (&one.name, show_ident(&one.extension));
            let rows = match one.user_rows {
                Some(0) => continue,
                Some(1000..) => "holds 1000 or more rows of your own".to_owned(),
                Some(rows) => format!("holds {} of your own", plural(rows, "row")),
                None => "may hold rows of your own: it could not be read".to_owned(),
            };
            let what = format!("table {name} of extension {extension} {rows}");
            emit.find(Source, what).object(name);
        }
        Ok(())
    }),
    objects("tbl.with_oids", |view, emit| {
        for one in view.tables().filter(|one| one.oids) {
            let name = one.qualified();
            let sql = alter(&name, "SET WITHOUT OIDS");
            let what = format!("table {name} has the hidden column oid");
            emit.find(Source, what).object(name).sql(sql);
        }
        Ok(())
    }),
];
