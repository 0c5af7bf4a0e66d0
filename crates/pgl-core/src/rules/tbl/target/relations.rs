//! Tables that are missing on the target, are something else there, or hold rows already.

use std::collections::HashMap;

use super::Both;
use crate::facts::Facts;
use crate::facts::objects::{Persistence, RelKind};
use crate::rules::{Emit, Ran, Rule};
use crate::{Severity, Side};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    ("tbl.target_not_empty", not_empty),
    ("tbl.missing_on_target", missing),
    ("tbl.kind_mismatch", kind),
    ("tbl.unlogged_target", unlogged),
    ("tbl.only_on_target", only_there),
];

fn not_empty(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    // From the copy on they hold this migration's rows.
    if facts.under_way() {
        return Ok(());
    }
    let Some(both) = Both::of(facts)? else {
        return Ok(());
    };
    let occupied: HashMap<u32, _> = facts
        .target()?
        .objects
        .occupied
        .get()?
        .iter()
        .map(|one| (one.relation, one))
        .collect();
    for (one, other) in both.pairs() {
        let Some(seen) = occupied.get(&other.oid) else {
            continue;
        };
        let name = one.qualified();
        match seen.has_rows {
            Some(true) => emit.find(Side::Target, format!("table {name} already holds rows on the target")),
            None => emit
                .find(
                    Side::Target,
                    format!("table {name} has {} bytes on the target; whether it holds rows was not looked at", seen.bytes),
                )
                .severity(Severity::Warn),
            Some(false) => continue,
        }
        .object(&name);
    }
    Ok(())
}

fn missing(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let Some(both) = Both::of(facts)? else {
        return Ok(());
    };
    for one in both.source.carried() {
        let name = one.qualified();
        if both.target.named(&name).is_none() {
            emit.find(Side::Target, format!("the target has no table {name}"))
                .object(&name);
        }
    }
    Ok(())
}

fn kind(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let Some(both) = Both::of(facts)? else {
        return Ok(());
    };
    for (one, other) in both
        .pairs()
        .filter(|(_, other)| other.kind != RelKind::Table)
    {
        let (name, kind) = (one.qualified(), other.kind.as_str());
        emit.find(
            Side::Target,
            format!("table {name} is a {kind} on the target"),
        )
        .object(&name);
    }
    Ok(())
}

fn unlogged(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let Some(both) = Both::of(facts)? else {
        return Ok(());
    };
    for (one, other) in both.tables() {
        if other.persistence == Persistence::Unlogged {
            let name = one.qualified();
            emit.find(
                Side::Target,
                format!("table {name} is unlogged on the target"),
            )
            .object(&name)
            .sql(format!("ALTER TABLE {} SET LOGGED;", name.sql()));
        }
    }
    Ok(())
}

fn only_there(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let Some(both) = Both::of(facts)? else {
        return Ok(());
    };
    for other in both.target.tables() {
        let name = other.qualified();
        if both.source.named(&name).is_none() {
            emit.find(
                Side::Target,
                format!("table {name} exists only on the target"),
            )
            .object(&name);
        }
    }
    Ok(())
}
