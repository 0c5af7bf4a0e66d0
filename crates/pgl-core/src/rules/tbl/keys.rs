//! Replica identities. pglogical finds the row to update or delete by the relation's identity
//! index alone; a table without one can only have its inserts carried.

use std::collections::HashMap;

use crate::Severity;
use crate::Side::Source;
use crate::facts::objects::{Activity, KeySource, RelKind, Relation, ReplIdent, View};
use crate::facts::{Facts, NotRun};
use crate::name::{quote_ident, show_ident};
use crate::rules::{Check, Emit, On, Ran};

use super::index_name;

const INSERTS_ONLY: &str = "pglogical cannot find its rows again: only inserts and truncates are carried, and updates and \
     deletes on the source are silently missing on the target.";

pub(in crate::rules) const CHECKS: &[Check] = &[
    Check {
        id: "tbl.no_key",
        severity: Severity::Warn,
        on: On::Source,
        guardrail: false,
        title: "tables without primary key or other replica identity",
        why: INSERTS_ONLY,
        remedy: "Add a primary key, or choose a unique index over NOT NULL columns as replica identity; \
             else the table goes to default_insert_only and may have to be copied again at the cutover.",
        run: no_key,
    },
    Check {
        id: "tbl.no_key_candidate",
        severity: Severity::Info,
        on: On::Source,
        guardrail: false,
        title: "key-less tables with an index that could serve as replica identity",
        why: "One statement, without a rewrite, puts the table among those whose updates and deletes are carried.",
        remedy: "Choose the index as replica identity.",
        run: no_key_candidate,
    },
    Check {
        id: "tbl.no_key_mutations",
        severity: Severity::Warn,
        on: On::Source,
        guardrail: true,
        title: "key-less tables whose rows are updated or deleted",
        why: "These very changes are not carried: without a key, or a second copy at the cutover, the target ends up with stale and surplus rows.",
        remedy: "Give the table a replica identity, or plan its second copy while writes are stopped (the plan marks it recopy_at_cutover).",
        run: no_key_mutations,
    },
    Check {
        id: "tbl.identity_full",
        severity: Severity::Warn,
        on: On::Source,
        guardrail: false,
        title: "tables with REPLICA IDENTITY FULL",
        why: "pglogical does not support FULL: even with a primary key it refuses to carry the table's updates and deletes.",
        remedy: "Set the identity back to the primary key, or choose a unique index over NOT NULL columns.",
        run: |facts, emit| unusual(facts, emit, ReplIdent::Full),
    },
    Check {
        id: "tbl.identity_nothing",
        severity: Severity::Warn,
        on: On::Source,
        guardrail: false,
        title: "tables with REPLICA IDENTITY NOTHING",
        why: "Nothing identifies the old row in the WAL, so pglogical refuses to carry updates and deletes, even with a primary key.",
        remedy: "Set the identity back to the primary key, or choose a unique index over NOT NULL columns.",
        run: |facts, emit| unusual(facts, emit, ReplIdent::Nothing),
    },
    Check {
        id: "tbl.identity_index_bad",
        severity: Severity::Warn,
        on: On::Source,
        guardrail: false,
        title: "tables whose chosen replica identity index is gone or not fit",
        why: INSERTS_ONLY,
        remedy: "Rebuild the index or choose another replica identity.",
        run: |facts, emit| unusual(facts, emit, ReplIdent::Index),
    },
    Check {
        id: "tbl.pk_deferrable",
        severity: Severity::Warn,
        on: On::Source,
        guardrail: false,
        title: "tables with a deferrable primary key",
        why: "A deferrable key is no replica identity: pglogical treats the table as key-less and carries only inserts.",
        remedy: "Make the key immediate, or add an immediate unique index on the same columns and choose it as replica identity.",
        run: pk_deferrable,
    },
    Check {
        id: "tbl.pk_wide",
        severity: Severity::Info,
        on: On::Source,
        guardrail: false,
        title: "replica identities over bytea, json or xml",
        why: "Every update and delete ships the whole key, and large keys make apply and verification slow.",
        remedy: "Nothing has to be done; expect a lower apply rate on this table.",
        run: pk_wide,
    },
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
