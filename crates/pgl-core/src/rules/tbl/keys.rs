//! Replica identities. pglogical finds the row to update or delete by the relation's identity
//! index alone; a table without one can only have its inserts carried.

use std::collections::HashMap;

use super::index_name;
use crate::Side::Source;
use crate::facts::NotRun;
use crate::facts::objects::{Activity, KeySource, Relation, ReplIdent, View};
use crate::name::{quote_ident, show_ident};
use crate::rules::common::alter;
use crate::rules::{Emit, Ran, Rule, carried, objects};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    carried("tbl.no_key", |view, one, emit| {
        if view.key(one)? == KeySource::Missing {
            let name = one.qualified();
            let what = format!("table {name} has no primary key and no other replica identity");
            let draft = emit.find(Source, what).object(name);
            draft.sql(identity_sql(view, one)?);
        }
        Ok(())
    }),
    carried("tbl.no_key_candidate", |view, one, emit| {
        if view.key(one)? == KeySource::Missing
            && let Some(index) = view.candidate(one.oid)?
        {
            let (name, columns) = (one.qualified(), view.key_names(index)?.join(", "));
            let (index, sql) = (show_ident(&index.name), identity_sql(view, one)?);
            let what = format!(
                "table {name} has the unique index {index} over NOT NULL columns ({columns})"
            );
            emit.find(Source, what).object(name).sql(sql);
        }
        Ok(())
    }),
    objects("tbl.no_key_mutations", no_key_mutations),
    carried("tbl.identity_full", |view, one, emit| {
        unusual(view, one, emit, one.identity == ReplIdent::Full, "FULL")
    }),
    carried("tbl.identity_nothing", |view, one, emit| {
        unusual(
            view,
            one,
            emit,
            one.identity == ReplIdent::Nothing,
            "NOTHING",
        )
    }),
    carried("tbl.identity_index_bad", |view, one, emit| {
        let bad = one.identity == ReplIdent::Index && view.key(one)? == KeySource::BadIndex;
        let how = "USING INDEX, but that index is gone, invalid, partial, deferrable or over nullable columns";
        unusual(view, one, emit, bad, how)
    }),
    carried("tbl.pk_deferrable", |view, one, emit| {
        let KeySource::Deferrable(primary) = view.key(one)? else {
            return Ok(());
        };
        let name = one.qualified();
        let sql = match identity_sql(view, one)? {
            Some(sql) => sql,
            None => {
                let index = quote_ident(&index_name(&one.name, "identity"));
                let columns = view.key_names(primary)?;
                let columns: Vec<String> = columns.iter().map(|name| quote_ident(name)).collect();
                let (table, columns) = (name.sql(), columns.join(", "));
                format!(
                    "CREATE UNIQUE INDEX CONCURRENTLY {index} ON {table} ({columns});\n\
                     ALTER TABLE {table} REPLICA IDENTITY USING INDEX {index};"
                )
            }
        };
        let key = show_ident(&primary.name);
        let what = format!("the primary key {key} of table {name} is deferrable");
        emit.find(Source, what).object(name).sql(sql);
        Ok(())
    }),
];

/// `ALTER TABLE … REPLICA IDENTITY` that makes this table usable, if an index is there already.
fn identity_sql(view: &View<'_>, relation: &Relation) -> Result<Option<String>, NotRun> {
    Ok(view.candidate(relation.oid)?.map(|index| {
        let identity = match index.primary {
            true => "DEFAULT".to_owned(),
            false => format!("USING INDEX {}", quote_ident(&index.name)),
        };
        alter(
            &relation.qualified(),
            format!("REPLICA IDENTITY {identity}"),
        )
    }))
}

/// A replica identity that pglogical cannot use.
fn unusual(view: &View<'_>, one: &Relation, emit: &mut Emit<'_>, is: bool, how: &str) -> Ran {
    if !is {
        return Ok(());
    }
    let name = one.qualified();
    let what = format!("table {name} has REPLICA IDENTITY {how}");
    let draft = emit.find(Source, what).object(name);
    match identity_sql(view, one)? {
        Some(sql) => draft.sql(sql),
        None => draft.remedy(
            "No index can serve: add a primary key and set REPLICA IDENTITY DEFAULT; until then the table is insert-only.",
        ),
    };
    Ok(())
}

fn no_key_mutations(view: &View<'_>, emit: &mut Emit<'_>) -> Ran {
    let activity = view.objects().activity.get()?.iter();
    let activity: HashMap<u32, _> = activity.map(|one| (one.relation, one)).collect();
    for relation in view.carried() {
        if matches!(view.key(relation)?, KeySource::Key(_)) {
            continue;
        }
        let Some(Activity {
            updated, deleted, ..
        }) = activity.get(&relation.oid)
        else {
            continue;
        };
        if *updated <= 0 && *deleted <= 0 {
            continue;
        }
        let name = relation.qualified();
        let what = format!(
            "table {name} without usable key saw {updated} updates and {deleted} deletes since the statistics were reset"
        );
        let sql = identity_sql(view, relation)?;
        emit.find(Source, what).object(name).sql(sql);
    }
    Ok(())
}
