//! Column types: what is gone on newer servers, what means nothing elsewhere, what must be the
//! same on both sides.

use std::collections::{BTreeMap, HashMap};

use crate::facts::objects::{Column, Relation, TypeFact, View};
use crate::facts::{Facts, NotRun};
use crate::name::show_ident;
use crate::rules::{Emit, Ran, Rule};
use crate::{QualifiedName, ServerVersion, Severity, Side};

pub(super) const CHECKS: &[Rule] = &[
    ("type.removed", removed),
    ("type.reg", reg),
    ("type.oid_columns", oid_columns),
    ("type.system_composite", system_composite),
    ("type.mismatch", mismatch),
    ("type.c_language", c_language),
    ("type.money", money),
    ("type.float_text", float_text),
    ("type.xml", xml),
];

/// Types by OID, with the way down to what they are made of.
struct Types<'a>(HashMap<u32, &'a TypeFact>);

impl<'a> Types<'a> {
    fn of(facts: &'a Facts) -> Result<Self, NotRun> {
        let types = facts.source.objects.types.get()?;
        Ok(Self(types.iter().map(|one| (one.oid, one)).collect()))
    }

    /// The type below arrays and domains.
    fn bottom(&self, oid: u32) -> Option<&'a TypeFact> {
        let mut here = self.0.get(&oid).copied()?;
        for _ in 0..16 {
            let below = if here.kind == "d" {
                here.base
            } else {
                here.element
            };
            // Some fixed-length system types (name, point) have an element and are no arrays.
            let array = here.kind == "d" || here.name.starts_with('_');
            match self.0.get(&below).copied() {
                Some(next) if below != 0 && array => here = next,
                _ => break,
            }
        }
        Some(here)
    }
}

type Found<'a> = Vec<(&'a Relation, &'a Column, &'a TypeFact)>;

/// Columns of replicated tables whose type is made of one that `pick` takes.
fn columns<'a>(
    view: &View<'a>,
    types: &Types<'a>,
    pick: impl Fn(&TypeFact) -> bool,
) -> Result<Found<'a>, NotRun> {
    let mut found = Vec::new();
    for relation in view.carried() {
        for column in view.columns(relation.oid)? {
            if let Some(bottom) = types.bottom(column.type_oid)
                && pick(bottom)
            {
                found.push((relation, *column, bottom));
            }
        }
    }
    Ok(found)
}

fn named(fact: &TypeFact, names: &[&str]) -> bool {
    fact.system && names.contains(&fact.name.as_str())
}

fn source_version(facts: &Facts) -> Result<ServerVersion, NotRun> {
    Ok(facts.source.server.identity.get()?.version)
}

fn target_version(facts: &Facts) -> Option<ServerVersion> {
    let identity = facts.target.as_ref()?.server.identity.get().ok()?;
    Some(identity.version)
}

/// Reports each column with its type.
fn report(emit: &mut Emit<'_>, found: Found<'_>, severity: Option<Severity>) {
    for (relation, column, _) in found {
        let (name, of) = (relation.qualified(), &column.type_name);
        let column = show_ident(&column.name);
        let draft = emit
            .find(
                Side::Source,
                format!("column {column} of table {name} has type {of}"),
            )
            .object(&name);
        if let Some(severity) = severity {
            draft.severity(severity);
        }
    }
}

fn removed(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let (view, types) = (View::source(facts)?, Types::of(facts)?);
    // Without a target the newest is assumed: that is where people go.
    let target = target_version(facts).unwrap_or(ServerVersion(999_999));
    let found = columns(&view, &types, |fact| {
        let gone = if target.at_least(12) {
            &["abstime", "reltime", "tinterval", "unknown"][..]
        } else if target.at_least(10) {
            &["unknown"][..]
        } else {
            &[]
        };
        named(fact, gone)
    })?;
    report(emit, found, None);
    Ok(())
}

fn reg(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let (view, types) = (View::source(facts)?, Types::of(facts)?);
    let found = columns(&view, &types, |fact| {
        let names = [
            "regproc",
            "regprocedure",
            "regoper",
            "regoperator",
            "regclass",
            "regtype",
            "regconfig",
            "regdictionary",
            "regrole",
            "regnamespace",
            "regcollation",
        ];
        named(fact, &names)
    })?;
    report(emit, found, None);
    Ok(())
}

fn oid_columns(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let (view, types) = (View::source(facts)?, Types::of(facts)?);
    let found = columns(&view, &types, |fact| named(fact, &["oid"]))?;
    let large = facts.source.objects.large_objects.get();
    let severity = match large {
        Ok(large) if large.count == 0 => Severity::Info,
        _ => Severity::Warn,
    };
    report(emit, found, Some(severity));
    Ok(())
}

fn system_composite(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let (view, types) = (View::source(facts)?, Types::of(facts)?);
    let found = columns(&view, &types, |fact| fact.system && fact.kind == "c")?;
    report(emit, found, None);
    Ok(())
}

fn mismatch(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let ours = |types: &[TypeFact]| -> BTreeMap<QualifiedName, TypeFact> {
        types
            .iter()
            .filter(|one| !one.system && one.extension.is_none())
            .filter(|one| matches!(one.kind.as_str(), "e" | "d" | "c"))
            .map(|one| (QualifiedName::new(&one.schema, &one.name), one.clone()))
            .collect()
    };
    let source = ours(facts.source.objects.types.get()?);
    let target = ours(facts.target()?.objects.types.get()?);
    for (name, one) in source {
        let Some(other) = target.get(&name).filter(|other| **other != one) else {
            continue;
        };
        if one.kind != other.kind {
            emit.find(
                Side::Target,
                format!("type {name} is of another kind on the target"),
            )
            .object(&name)
            .severity(Severity::Block);
            continue;
        }
        if one.parts == other.parts {
            continue;
        }
        let missing: Vec<&str> = one
            .parts
            .iter()
            .filter(|part| !other.parts.contains(part))
            .map(String::as_str)
            .collect();
        let enumerated = one.kind == "e";
        let based = one.kind == "d" && one.parts.first() != other.parts.first();
        let what = match (enumerated, missing.is_empty()) {
            (true, false) => format!(
                "enum {name} lacks these labels on the target: {}",
                missing.join(", ")
            ),
            (true, true) => format!("enum {name} has other labels or another order on the target"),
            (false, _) => format!(
                "type {name} is ({}) on the source and ({}) on the target",
                one.parts.join("; "),
                other.parts.join("; ")
            ),
        };
        let fatal = (enumerated && !missing.is_empty()) || based;
        emit.find(Side::Target, what)
            .object(&name)
            .severity(if fatal {
                Severity::Block
            } else {
                Severity::Warn
            });
    }
    Ok(())
}

fn c_language(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    for one in facts
        .source
        .objects
        .types
        .get()?
        .iter()
        .filter(|one| one.native)
    {
        let name = QualifiedName::new(&one.schema, &one.name);
        emit.find(
            Side::Source,
            format!("type {name} is written in C and belongs to no extension"),
        )
        .object(&name);
    }
    Ok(())
}

fn money(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let (view, types) = (View::source(facts)?, Types::of(facts)?);
    report(
        emit,
        columns(&view, &types, |fact| named(fact, &["money"]))?,
        None,
    );
    Ok(())
}

fn float_text(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    if source_version(facts)?.at_least(12) {
        return Ok(());
    }
    let (view, types) = (View::source(facts)?, Types::of(facts)?);
    let found = columns(&view, &types, |fact| named(fact, &["float4", "float8"]))?;
    if let Some((first, _, _)) = found.first() {
        let (count, name) = (found.len(), first.qualified());
        emit.find(
            Side::Source,
            format!("{count} floating-point columns on a source older than 12, the first in table {name}"),
        )
        .object(name);
    }
    Ok(())
}

fn xml(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let (view, types) = (View::source(facts)?, Types::of(facts)?);
    report(
        emit,
        columns(&view, &types, |fact| named(fact, &["xml"]))?,
        None,
    );
    Ok(())
}
