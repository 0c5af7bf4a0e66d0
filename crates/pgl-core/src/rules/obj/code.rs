//! Functions, languages, operators and the rest of what the target must be able to run.

use std::collections::BTreeSet;

use crate::facts::Facts;
use crate::facts::objects::{MiscKind, UsedIn, View};
use crate::rules::{Check, Emit, On, Ran};
use crate::{Severity, Side, quote_ident};

pub(in crate::rules) const CHECKS: &[Check] = &[
    Check {
        id: "obj.c_functions",
        severity: Severity::Warn,
        on: On::Source,
        guardrail: false,
        title: "functions in C outside any extension",
        why: "The restore of such a function fails unless its library is installed on the target, built for that major version.",
        remedy: "Install the library on the target, or drop the function.",
        run: |facts, emit| misc(facts, emit, MiscKind::CFunction, "function", "from library"),
    },
    Check {
        id: "obj.languages",
        severity: Severity::Warn,
        on: On::Source,
        guardrail: false,
        title: "procedural languages outside any extension",
        why: "The target may not have the language, and managed services refuse untrusted ones.",
        remedy: "Install the language on the target as an extension.",
        run: |facts, emit| misc(facts, emit, MiscKind::Language, "language", ""),
    },
    Check {
        id: "obj.postfix_operators",
        severity: Severity::Block,
        on: On::Both,
        guardrail: false,
        title: "postfix operators",
        why: "PostgreSQL 14 and later have no postfix operators: the restore of the schema fails.",
        remedy: "Replace the operator by a function, and drop it.",
        run: |facts, emit| gone(facts, emit, MiscKind::PostfixOperator, "operator"),
    },
    Check {
        id: "obj.conversions",
        severity: Severity::Block,
        on: On::Both,
        guardrail: false,
        title: "encoding conversions of the user",
        why: "Conversion functions take other arguments from PostgreSQL 14 on: the restore of the schema fails.",
        remedy: "Drop the conversion, and create it on the target with a function made for that version.",
        run: |facts, emit| gone(facts, emit, MiscKind::Conversion, "conversion"),
    },
    Check {
        id: "obj.polymorphic_arrays",
        severity: Severity::Block,
        on: On::Both,
        guardrail: false,
        title: "aggregates and operators over array functions that changed in 14",
        why: "array_append and its like take anycompatiblearray from PostgreSQL 14 on: an aggregate or operator that names them with anyarray cannot be restored.",
        remedy: "Drop it before the schema dump, and create it on the target with anycompatible types.",
        run: |facts, emit| gone(facts, emit, MiscKind::PolymorphicArray, "object"),
    },
    Check {
        id: "obj.casts",
        severity: Severity::Info,
        on: On::Source,
        guardrail: false,
        title: "casts of the user",
        why: "They change how expressions are read, and restoring one needs the rights of its types' owner.",
        remedy: "Nothing, unless the target has a cast of the same types already.",
        run: |facts, emit| misc(facts, emit, MiscKind::Cast, "cast", "with"),
    },
    Check {
        id: "obj.text_search",
        severity: Severity::Info,
        on: On::Source,
        guardrail: false,
        title: "text search objects of the user",
        why: "Dictionaries read files of the server that no dump carries, and another file gives other lexemes.",
        remedy: "Put the same dictionary files on the target before the restore.",
        run: |facts, emit| {
            misc(
                facts,
                emit,
                MiscKind::TextSearch,
                "text search object",
                "using",
            )
        },
    },
    Check {
        id: "obj.security_labels",
        severity: Severity::Info,
        on: On::Source,
        guardrail: false,
        title: "security labels",
        why: "The restore of a label fails where its provider is not loaded.",
        remedy: "Load the provider on the target, or leave the labels out of the dump.",
        run: |facts, emit| misc(facts, emit, MiscKind::SecurityLabel, "provider", "labels:"),
    },
    Check {
        id: "obj.default_privileges",
        severity: Severity::Info,
        on: On::Source,
        guardrail: false,
        title: "default privileges",
        why: "They act on objects that a role creates: whatever is created on the target by another role does not get them.",
        remedy: "Nothing with pgl-setup, whose schema dump carries them; check the grants of objects made by hand.",
        run: |facts, emit| {
            misc(
                facts,
                emit,
                MiscKind::DefaultPrivileges,
                "default privileges of role",
                "in schema",
            )
        },
    },
    Check {
        id: "obj.functions_search_path",
        severity: Severity::Warn,
        on: On::Source,
        guardrail: false,
        title: "functions without a search_path of their own in indexes, checks, generated columns and materialised views",
        why: "Restore, index builds and refreshes run with an empty search_path: a name without schema in such a function is not found there.",
        remedy: "Write all names in the function's body with their schema, or set its search_path to all schemas that it and \
                 the functions called by it need.",
        run: search_path,
    },
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
