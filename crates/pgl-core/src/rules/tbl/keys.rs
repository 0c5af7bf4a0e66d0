//! Replica identities. pglogical finds the row to update or delete by the relation's identity
//! index alone; a table without one can only have its inserts carried.

use std::collections::HashMap;

use crate::Side::Source;
use crate::facts::objects::{Activity, KeySource, RelKind, Relation, ReplIdent, View};
use crate::facts::{Facts, NotRun};
use crate::name::{quote_ident, show_ident};
use crate::rules::{Emit, Ran, Rule};

use super::index_name;

pub(in crate::rules) const CHECKS: &[Rule] = &[
    ("tbl.no_key", no_key),
    ("tbl.no_key_candidate", no_key_candidate),
    ("tbl.no_key_mutations", no_key_mutations),
    ("tbl.identity_full", |facts, emit| {
        unusual(facts, emit, ReplIdent::Full)
    }),
    ("tbl.identity_nothing", |facts, emit| {
        unusual(facts, emit, ReplIdent::Nothing)
    }),
    ("tbl.identity_index_bad", |facts, emit| {
        unusual(facts, emit, ReplIdent::Index)
    }),
    ("tbl.pk_deferrable", pk_deferrable),
    ("tbl.pk_wide", pk_wide),
];

/// `ALTER TABLE … REPLICA IDENTITY` that makes this table usable, if an index is there already.
fn identity_sql(view: &View<'_>, relation: &Relation) -> Result<Option<String>, NotRun> {
    let table = relation.qualified().sql();
    Ok(view.candidate(relation.oid)?.map(|index| {
        if index.primary {
            format!("ALTER TABLE {table} REPLICA IDENTITY DEFAULT;")
        } else {
            let index = quote_ident(&index.name);
            format!("ALTER TABLE {table} REPLICA IDENTITY USING INDEX {index};")
        }
    }))
}

fn no_key(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    for relation in view.carried() {
        if view.key(relation)? != KeySource::Missing {
            continue;
        }
        let name = relation.qualified();
        let found = emit
            .find(
                Source,
                format!("table {name} has no primary key and no other replica identity"),
            )
            .object(&name);
        if let Some(sql) = identity_sql(&view, relation)? {
            found.sql(sql);
        }
    }
    Ok(())
}

fn no_key_candidate(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    for relation in view.carried() {
        if view.key(relation)? != KeySource::Missing {
            continue;
        }
        let (Some(index), Some(sql)) = (
            view.candidate(relation.oid)?,
            identity_sql(&view, relation)?,
        ) else {
            continue;
        };
        let (name, columns) = (relation.qualified(), view.key_names(index)?.join(", "));
        let index = show_ident(&index.name);
        emit.find(
            Source,
            format!("table {name} has the unique index {index} over NOT NULL columns ({columns})"),
        )
        .object(&name)
        .sql(sql);
    }
    Ok(())
}

fn no_key_mutations(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    let by_table = |all: &[Activity]| -> HashMap<u32, Activity> {
        all.iter().map(|one| (one.relation, *one)).collect()
    };
    let now = by_table(facts.source.objects.activity.get()?);
    let earlier = facts.source.objects.earlier.as_ref();
    let before = by_table(earlier.map_or(&[], |sample| sample.activity.as_slice()));
    for relation in view.carried() {
        if matches!(view.key(relation)?, KeySource::Key(_)) {
            continue;
        }
        let counted = now.get(&relation.oid);
        let Some(counted) = counted.filter(|one| one.updated > 0 || one.deleted > 0) else {
            continue;
        };
        let name = relation.qualified();
        let mut what = format!(
            "table {name} without usable key saw {} updates and {} deletes since the statistics were reset",
            counted.updated, counted.deleted
        );
        if let Some(sample) = earlier {
            let before = before.get(&relation.oid).copied().unwrap_or_default();
            let (updated, deleted) = (
                counted.updated.saturating_sub(before.updated).max(0),
                counted.deleted.saturating_sub(before.deleted).max(0),
            );
            what.push_str(&format!(
                "; {updated} and {deleted} of them in the last {:.0} s",
                sample.seconds
            ));
        }
        let found = emit.find(Source, what).object(&name);
        if let Some(sql) = identity_sql(&view, relation)? {
            found.sql(sql);
        }
    }
    Ok(())
}

fn unusual(facts: &Facts, emit: &mut Emit<'_>, identity: ReplIdent) -> Ran {
    let view = View::source(facts)?;
    for relation in view.carried().filter(|one| one.identity == identity) {
        let name = relation.qualified();
        let what = match view.key(relation)? {
            KeySource::Full => format!("table {name} has REPLICA IDENTITY FULL"),
            KeySource::Nothing => format!("table {name} has REPLICA IDENTITY NOTHING"),
            KeySource::BadIndex => format!(
                "table {name} has REPLICA IDENTITY USING INDEX, but that index is gone, invalid, partial, deferrable or over nullable columns"
            ),
            KeySource::Key(_) | KeySource::Missing | KeySource::Deferrable(_) => continue,
        };
        let found = emit.find(Source, what).object(&name);
        match identity_sql(&view, relation)? {
            Some(sql) => found.sql(sql),
            None => found.remedy(
                "No index can serve: add a primary key and set REPLICA IDENTITY DEFAULT; until then the table is insert-only.",
            ),
        };
    }
    Ok(())
}

fn pk_deferrable(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    for relation in view.carried() {
        let KeySource::Deferrable(primary) = view.key(relation)? else {
            continue;
        };
        let name = relation.qualified();
        let sql = match identity_sql(&view, relation)? {
            Some(sql) => sql,
            None => {
                let index = quote_ident(&index_name(&relation.name, "identity"));
                let columns: Vec<String> = view
                    .key_names(primary)?
                    .iter()
                    .map(|name| quote_ident(name))
                    .collect();
                let (table, columns) = (name.sql(), columns.join(", "));
                format!(
                    "CREATE UNIQUE INDEX CONCURRENTLY {index} ON {table} ({columns});\n\
                     ALTER TABLE {table} REPLICA IDENTITY USING INDEX {index};"
                )
            }
        };
        let key = show_ident(&primary.name);
        emit.find(
            Source,
            format!("the primary key {key} of table {name} is deferrable"),
        )
        .object(&name)
        .sql(sql);
    }
    Ok(())
}

fn pk_wide(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    for relation in view.carried().filter(|one| one.kind == RelKind::Table) {
        let KeySource::Key(index) = view.key(relation)? else {
            continue;
        };
        for number in &index.key {
            let Some(column) = view.column(relation.oid, *number)? else {
                continue;
            };
            if matches!(
                column.type_name.as_str(),
                "bytea" | "json" | "jsonb" | "xml"
            ) {
                let (name, column, of) = (
                    relation.qualified(),
                    show_ident(&column.name),
                    &column.type_name,
                );
                emit.find(
                    Source,
                    format!("the key of table {name} has column {column} of type {of}"),
                )
                .object(&name);
            }
        }
    }
    Ok(())
}
