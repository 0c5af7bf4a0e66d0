//! Column types: what is gone on newer servers, what means nothing elsewhere, what must be the
//! same on both sides.

use std::collections::{BTreeMap, HashMap};

use super::common::{block_if, warn_if};
use super::conf::text::meets;
use super::role::replicating_role;
use crate::Side::{Source, Target};
use crate::facts::objects::{Column, Relation, TypeFact, View};
use crate::facts::{Facts, NotRun};
use crate::name::show_ident;
use crate::rules::{Draft, Emit, Ran, Rule, facts, objects};
use crate::verify::canon::REG;
use crate::{QualifiedName, ServerVersion, Severity};

pub(super) const CHECKS: &[Rule] = &[
    objects("type.removed", |view, emit| {
        // Without a target the newest is assumed: that is where people go.
        let target = emit.facts.target();
        let target = target.and_then(|target| target.server.version());
        let target = target.unwrap_or(ServerVersion(999_999));
        report(view, emit, |fact| match fact.name.as_str() {
            "unknown" => fact.system && target.at_least(10),
            "abstime" | "reltime" | "tinterval" => fact.system && target.at_least(12),
            _ => false,
        })
    }),
    objects("type.reg", |view, emit| {
        // Names that one session shortens by its search_path are looked up by the other's, which has no role.
        let facts = emit.facts;
        let sender = Some(replicating_role(facts)?);
        let mut paths = facts.source.server.overrides_of("search_path")?;
        let mut overridden = paths.any(|one| meets(one, sender));
        if let Some(target) = &facts.target {
            let mut paths = target.server.overrides_of("search_path")?;
            overridden |= paths.any(|one| meets(one, None));
        }
        for (relation, column) in columns(view, |fact| named(fact, REG))? {
            let draft = of_column(relation, column, emit);
            if overridden {
                draft.severity(Severity::Block);
            }
        }
        Ok(())
    }),
    objects("type.oid_columns", |view, emit| {
        let large = view.objects().large_objects.get();
        let severity = warn_if(!large.is_ok_and(|large| large.count == 0));
        for (relation, column) in columns(view, |fact| named(fact, &["oid"]))? {
            of_column(relation, column, emit).severity(severity);
        }
        Ok(())
    }),
    objects("type.system_composite", |view, emit| {
        report(view, emit, |fact| fact.system && fact.kind == "c")
    }),
    facts("type.mismatch", mismatch),
    facts("type.c_language", |facts, emit| {
        let types = facts.source.objects.types.get()?.iter();
        for one in types.filter(|one| one.native) {
            let name = one.qualified();
            let what = format!("type {name} is written in C and belongs to no extension");
            emit.find(Source, what).object(&name);
        }
        Ok(())
    }),
    objects("type.money", |view, emit| {
        report(view, emit, |fact| named(fact, &["money"]))
    }),
    facts("type.float_text", |facts, emit| {
        if facts.source.server.version()?.at_least(12) {
            return Ok(());
        }
        let found = columns(&View::source(facts)?, |fact| {
            named(fact, &["float4", "float8"])
        })?;
        if let Some((first, _)) = found.first() {
            let (count, name) = (found.len(), first.qualified());
            let what = format!(
                "{count} floating-point columns on a source older than 12, the first in table {name}"
            );
            emit.find(Source, what).object(name);
        }
        Ok(())
    }),
    objects("type.xml", |view, emit| {
        report(view, emit, |fact| named(fact, &["xml"]))
    }),
];

fn named(fact: &TypeFact, names: &[&str]) -> bool {
    fact.system && names.contains(&fact.name.as_str())
}

/// The type below arrays and domains, of types by OID.
fn bottom<'a>(types: &HashMap<u32, &'a TypeFact>, oid: u32) -> Option<&'a TypeFact> {
    let mut here = *types.get(&oid)?;
    for _ in 0..16 {
        // Some fixed-length system types (name, point) have an element and are no arrays.
        let below = match here.kind.as_str() {
            "d" => here.base,
            _ if here.name.starts_with('_') => here.element,
            _ => 0,
        };
        match types.get(&below) {
            Some(next) if below != 0 => here = next,
            _ => break,
        }
    }
    Some(here)
}

/// Columns of replicated tables whose type is made of one that `pick` takes.
fn columns<'a>(
    view: &View<'a>,
    pick: impl Fn(&TypeFact) -> bool,
) -> Result<Vec<(&'a Relation, &'a Column)>, NotRun> {
    let types = view.objects().types.get()?.iter();
    let types: HashMap<u32, &TypeFact> = types.map(|one| (one.oid, one)).collect();
    let mut found = Vec::new();
    for relation in view.carried() {
        for column in view.columns(relation.oid)? {
            if bottom(&types, column.type_oid).is_some_and(&pick) {
                found.push((relation, *column));
            }
        }
    }
    Ok(found)
}

/// Reports each of them.
fn report(view: &View<'_>, emit: &mut Emit<'_>, pick: impl Fn(&TypeFact) -> bool) -> Ran {
    for (relation, column) in columns(view, pick)? {
        of_column(relation, column, emit);
    }
    Ok(())
}

fn of_column<'a>(relation: &Relation, column: &Column, emit: &'a mut Emit<'_>) -> Draft<'a> {
    let (name, of) = (relation.qualified(), &column.type_name);
    let column = show_ident(&column.name);
    let what = format!("column {column} of table {name} has type {of}");
    emit.find(Source, what).object(name)
}

fn mismatch(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let ours = |types: &'_ [TypeFact]| -> BTreeMap<QualifiedName, TypeFact> {
        let own = |one: &&TypeFact| !one.system && one.extension.is_none();
        let own = types.iter().filter(own);
        own.filter(|one| matches!(one.kind.as_str(), "e" | "d" | "c"))
            .map(|one| (one.qualified(), one.clone()))
            .collect()
    };
    let source = ours(facts.source.objects.types.get()?);
    let target = ours(facts.target()?.objects.types.get()?);
    for (name, one) in source {
        let Some(other) = target.get(&name) else {
            continue;
        };
        let (here, there) = (&one.parts, &other.parts);
        if one.kind != other.kind {
            let what = format!("type {name} is of another kind on the target");
            emit.find(Target, what)
                .object(&name)
                .severity(Severity::Block);
            continue;
        }
        if here == there {
            continue;
        }
        let missing = here.iter().filter(|part| !there.contains(part)).cloned();
        let missing: Vec<String> = missing.collect();
        let enumerated = one.kind == "e";
        let (lacks, missing) = (enumerated && !missing.is_empty(), missing.join(", "));
        let what = match (enumerated, lacks) {
            (true, true) => format!("enum {name} lacks these labels on the target: {missing}"),
            (true, false) => format!("enum {name} has other labels or another order on the target"),
            (false, _) => format!(
                "type {name} is ({}) on the source and ({}) on the target",
                here.join("; "),
                there.join("; ")
            ),
        };
        let based = one.kind == "d" && here.first() != there.first();
        let severity = block_if(lacks || based);
        emit.find(Target, what).object(&name).severity(severity);
    }
    Ok(())
}
