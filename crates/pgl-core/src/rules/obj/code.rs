//! Functions, languages, operators and the rest of what the target must be able to run.

use std::collections::BTreeSet;

use crate::facts::Facts;
use crate::facts::objects::{MiscKind, UsedIn, View};
use crate::rules::{Emit, Ran, Rule};
use crate::{Side, quote_ident};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    ("obj.c_functions", |facts, emit| {
        misc(facts, emit, MiscKind::CFunction, "function", "from library")
    }),
    ("obj.languages", |facts, emit| {
        misc(facts, emit, MiscKind::Language, "language", "")
    }),
    ("obj.postfix_operators", |facts, emit| {
        gone(facts, emit, MiscKind::PostfixOperator, "operator")
    }),
    ("obj.conversions", |facts, emit| {
        gone(facts, emit, MiscKind::Conversion, "conversion")
    }),
    ("obj.polymorphic_arrays", |facts, emit| {
        gone(facts, emit, MiscKind::PolymorphicArray, "object")
    }),
    ("obj.casts", |facts, emit| {
        misc(facts, emit, MiscKind::Cast, "cast", "with")
    }),
    ("obj.text_search", |facts, emit| {
        misc(
            facts,
            emit,
            MiscKind::TextSearch,
            "text search object",
            "using",
        )
    }),
    ("obj.security_labels", |facts, emit| {
        misc(facts, emit, MiscKind::SecurityLabel, "provider", "labels:")
    }),
    ("obj.default_privileges", |facts, emit| {
        misc(
            facts,
            emit,
            MiscKind::DefaultPrivileges,
            "default privileges of role",
            "in schema",
        )
    }),
    ("obj.functions_search_path", search_path),
];

fn misc(
    facts: &Facts,
    emit: &mut Emit<'_>,
    kind: MiscKind,
    word: &str,
    before_detail: &str,
) -> Ran {
    let mut all: Vec<_> = facts.source.objects.misc.get()?.iter().collect();
    all.sort();
    for one in all.into_iter().filter(|one| one.kind == kind) {
        let detail = match &one.detail {
            Some(detail) if before_detail.is_empty() => format!(" ({detail})"),
            Some(detail) => format!(" {before_detail} {detail}"),
            None => String::new(),
        };
        emit.find(Side::Source, format!("{word} {}{detail}", one.name))
            .object(&one.name);
    }
    Ok(())
}

/// Objects that cannot be created from 14 on, where the source is older and the target is not.
fn gone(facts: &Facts, emit: &mut Emit<'_>, kind: MiscKind, word: &str) -> Ran {
    let source = facts.source.server.identity.get()?.version;
    let target = match facts.target() {
        Ok(target) => Some(target.server.identity.get()?.version),
        Err(_) => None,
    };
    if source.at_least(14) || target.is_some_and(|target| !target.at_least(14)) {
        return Ok(());
    }
    misc(facts, emit, kind, word, "using")
}

fn search_path(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    let mut seen = BTreeSet::new();
    for one in facts.source.objects.routine_uses.get()? {
        let Some(relation) = view.relation(one.relation) else {
            continue;
        };
        // C functions look names up by OID, and nothing in them depends on the path.
        if one.fixed_path
            || matches!(one.language.as_str(), "c" | "internal")
            || relation.extension.is_some()
            || !view.wanted(relation)
        {
            continue;
        }
        let place = match one.used_in {
            UsedIn::Index => "an index of",
            UsedIn::Check => "a check of",
            UsedIn::Generated => "a generated column of",
            UsedIn::MatView => "the query of",
        };
        seen.insert((
            one.routine.clone(),
            place,
            relation.qualified(),
            one.needed_schemas.clone(),
        ));
    }
    // pg_catalog is searched first unless somebody has put it elsewhere.
    let usual = facts
        .source
        .server
        .setting("search_path")
        .ok()
        .flatten()
        .and_then(|setting| setting.value.as_deref())
        .is_some_and(|value| !value.contains("pg_catalog"));
    for (routine, place, name, needed) in seen {
        let draft = emit
            .find(
                Side::Source,
                format!("function {routine} sets no search_path and is called in {place} {name}"),
            )
            .object(&routine);
        if let (Some(needed), true) = (needed, usual) {
            let mut path = vec!["pg_catalog".to_owned()];
            path.extend(needed.iter().map(|schema| quote_ident(schema)));
            path.push("pg_temp".to_owned());
            draft
                .remedy(
                    "Set the function's search_path to the schemas that its body needs, as the statement does, or write \
                     all names in it with their schema; where the function has to be inlined, only the latter.",
                )
                .sql(format!(
                    "ALTER FUNCTION {routine} SET search_path = {};",
                    path.join(", ")
                ));
        }
    }
    Ok(())
}
