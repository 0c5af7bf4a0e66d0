//! Functions, languages, operators and the rest of what the target must be able to run.

use std::collections::{BTreeMap, BTreeSet};

use crate::Side::{Source, Target};
use crate::facts::Facts;
use crate::facts::objects::{MiscKind, NotDumpedKind, Relation, UsedIn, View};
use crate::quote_ident;
use crate::rules::common::some_of;
use crate::rules::{Emit, Ran, Rule, facts, objects};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    facts("obj.c_functions", |facts, emit| {
        misc(facts, emit, MiscKind::CFunction, "function", "from library")
    }),
    facts("obj.languages", |facts, emit| {
        misc(facts, emit, MiscKind::Language, "language", "")
    }),
    facts("obj.postfix_operators", |facts, emit| {
        gone(facts, emit, MiscKind::PostfixOperator, "operator")
    }),
    facts("obj.conversions", |facts, emit| {
        gone(facts, emit, MiscKind::Conversion, "conversion")
    }),
    facts("obj.polymorphic_arrays", |facts, emit| {
        gone(facts, emit, MiscKind::PolymorphicArray, "object")
    }),
    facts("obj.casts", |facts, emit| {
        misc(facts, emit, MiscKind::Cast, "cast", "with")
    }),
    facts("obj.text_search", |facts, emit| {
        let word = "text search object";
        misc(facts, emit, MiscKind::TextSearch, word, "using")
    }),
    facts("obj.security_labels", |facts, emit| {
        misc(facts, emit, MiscKind::SecurityLabel, "provider", "labels:")
    }),
    objects("obj.not_dumped", not_dumped),
    facts("obj.default_privileges", |facts, emit| {
        let word = "default privileges of role";
        misc(facts, emit, MiscKind::DefaultPrivileges, word, "in schema")
    }),
    facts("obj.hash_of_enum", |facts, emit| {
        let word = "partitioned table";
        misc(facts, emit, MiscKind::HashOfEnum, word, "has the hash of")
    }),
    objects("obj.functions_search_path", search_path),
    facts("obj.functions_rights", rights),
];

fn misc(
    facts: &Facts,
    emit: &mut Emit<'_>,
    kind: MiscKind,
    word: &str,
    before_detail: &str,
) -> Ran {
    let all = facts.source.objects.misc.get()?.iter();
    let mut all: Vec<_> = all.filter(|one| one.kind == kind).collect();
    all.sort();
    for one in all {
        let (name, detail) = (&one.name, one.detail.as_deref());
        let detail = detail.map_or(String::new(), |detail| match before_detail {
            "" => format!(" ({detail})"),
            before => format!(" {before} {detail}"),
        });
        emit.find(Source, format!("{word} {name}{detail}"))
            .object(name);
    }
    Ok(())
}

/// Objects that cannot be created from 14 on, where the source is older and the target is not.
fn gone(facts: &Facts, emit: &mut Emit<'_>, kind: MiscKind, word: &str) -> Ran {
    let source = facts.source.server.version()?;
    let target = facts.target.as_ref();
    let target = target.map(|target| target.server.version()).transpose()?;
    if source.at_least(14) || target.is_some_and(|target| !target.at_least(14)) {
        return Ok(());
    }
    misc(facts, emit, kind, word, "using")
}

/// Whether the migration is about a relation that calls a function.
fn taken(view: &View<'_>, relation: &Relation) -> bool {
    relation.extension.is_none() && view.wanted(relation)
}

/// Rows are written to the target as they are by pg_restore: what a table's owner makes run for each row, runs with the
/// rights of the role that writes. Indexes are built, and materialised views refreshed, with those of their owners.
fn rights(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let me = facts.target()?.server.session_role()?;
    if !me.superuser {
        return Ok(());
    }
    let view = View::source(facts)?;
    let mut found = BTreeSet::new();
    for one in facts.source.objects.routine_uses.get()? {
        if let (Some(relation), Some(owner)) = (view.relation(one.relation), &one.owner)
            && one.used_in != UsedIn::MatView
            && taken(&view, relation)
        {
            found.insert(format!("{} (owner {owner})", one.routine));
        }
    }
    if !found.is_empty() {
        let (me, names) = (&me.name, found.into_iter().collect::<Vec<_>>().join(", "));
        let what = format!("functions that run with the rights of the superuser {me}: {names}");
        emit.find(Target, what);
    }
    Ok(())
}

/// One finding for each kind and table; of partitions, for the uppermost table. What the target has by now is none.
fn not_dumped(view: &View<'_>, emit: &mut Emit<'_>) -> Ran {
    let target = emit.facts.target.as_ref();
    let there = target.filter(|target| !target.stood_in);
    let there = there.and_then(|target| target.objects.not_dumped.get().ok());
    let target = target.map(|target| target.server.version()).transpose()?;
    let before_15 = target.is_some_and(|target| !target.at_least(15));
    let mut found = BTreeMap::new();
    for one in view.objects().not_dumped.get()? {
        let table = one.relation.and_then(|oid| view.relation(oid));
        let table = table.filter(|table| taken(view, table));
        if one.relation.is_some() && table.is_none()
            || one.before_15.is_some_and(|before| before != before_15)
            || there.is_some_and(|there| there.iter().any(|other| one.is_as(other)))
        {
            continue;
        }
        let key = (one.kind, table.map(Relation::qualified));
        let (names, sql): &mut (BTreeSet<_>, Vec<_>) = found.entry(key).or_default();
        names.insert(one.name.as_str());
        sql.extend(one.statement.as_deref());
    }
    for ((kind, table), (names, sql)) in found {
        let what = match kind {
            NotDumpedKind::ForeignKey => "names or comments of foreign keys of partitions",
            NotDumpedKind::Trigger => "names or comments of triggers of partitions",
            NotDumpedKind::Check => "comments on inherited check constraints",
            NotDumpedKind::Column => "storage or compression of inherited columns",
            NotDumpedKind::LargeObject => "security labels of large objects",
            NotDumpedKind::Database => "security labels of the database",
            NotDumpedKind::SystemSchema => "objects in schemas of the server",
        };
        let of = table.as_ref();
        let of = of.map_or(String::new(), |table| format!(" of table {table}"));
        let names = some_of(&names.into_iter().collect::<Vec<_>>());
        let what = format!("pg_dump does not write {what}{of}: {names}");
        let mut draft = emit.find(Source, what).fix_on(Target);
        if let Some(table) = table {
            draft = draft.object(table);
        }
        // They can run only when the target has the objects.
        if !sql.is_empty() {
            draft.manual_sql(sql.join("\n"));
        }
    }
    Ok(())
}

fn search_path(view: &View<'_>, emit: &mut Emit<'_>) -> Ran {
    let mut seen = BTreeSet::new();
    for one in view.objects().routine_uses.get()? {
        let relation = view.relation(one.relation);
        let Some(relation) = relation.filter(|relation| taken(view, relation)) else {
            continue;
        };
        // C functions look names up by OID, and nothing in them depends on the path.
        if one.fixed_path || matches!(one.language.as_str(), "c" | "internal") {
            continue;
        }
        let place = match one.used_in {
            UsedIn::Index => "an index of",
            UsedIn::Check => "a check of",
            UsedIn::Domain => "the domain of a column of",
            UsedIn::Generated => "a generated column of",
            UsedIn::PartitionKey => "the partition key of",
            UsedIn::MatView => "the query of",
        };
        seen.insert((
            &one.routine,
            place,
            relation.qualified(),
            &one.needed_schemas,
        ));
    }
    // pg_catalog is searched first unless somebody has put it elsewhere.
    let path = emit.facts.source.server.value("search_path");
    let usual = matches!(path, Ok(Some(path)) if !path.contains("pg_catalog"));
    for (routine, place, name, needed) in seen {
        let what =
            format!("function {routine} sets no search_path and is called in {place} {name}");
        let draft = emit.find(Source, what).object(routine);
        if let (Some(needed), true) = (needed, usual) {
            let mut path = vec!["pg_catalog".to_owned()];
            path.extend(needed.iter().map(|schema| quote_ident(schema)));
            path.push("pg_temp".to_owned());
            let path = path.join(", ");
            draft
                .remedy(
                    "Set the function's search_path to the schemas that its body needs, as the statement does, or write \
                     all names in it with their schema; where the function has to be inlined, only the latter.",
                )
                .sql(format!("ALTER FUNCTION {routine} SET search_path = {path};"));
        }
    }
    Ok(())
}
