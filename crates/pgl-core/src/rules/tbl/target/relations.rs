//! Tables that are missing on the target, are something else there, or hold rows already.

use std::collections::HashMap;

use super::Both;
use crate::facts::Facts;
use crate::facts::objects::{Persistence, RelKind};
use crate::rules::{Check, Emit, On, Ran};
use crate::{Severity, Side};

pub(in crate::rules) const CHECKS: &[Check] = &[
    Check {
        id: "tbl.target_not_empty",
        severity: Severity::Block,
        on: On::Target,
        guardrail: false,
        title: "tables on the target that already hold rows",
        why: "The copy runs into duplicate keys, or the rows stay as surplus that nobody notices.",
        remedy: "Empty the table on the target if its rows are left over from an earlier attempt; else find out whose they are.",
        run: not_empty,
    },
    Check {
        id: "tbl.missing_on_target",
        severity: Severity::Block,
        on: On::Target,
        guardrail: true,
        title: "tables that the target does not have",
        why: "Apply stops for good at the first change of a table that it cannot find.",
        remedy: "Restore the missing tables from a schema dump of the source.",
        run: missing,
    },
    Check {
        id: "tbl.kind_mismatch",
        severity: Severity::Block,
        on: On::Target,
        guardrail: false,
        title: "tables that are something else on the target",
        why: "A plain table that is partitioned on the target makes the apply worker crash the whole server again and again; views and foreign tables cannot take changes at all.",
        remedy: "Create it on the target as the ordinary table that it is on the source.",
        run: kind,
    },
    Check {
        id: "tbl.unlogged_target",
        severity: Severity::Warn,
        on: On::Target,
        guardrail: true,
        title: "tables that are unlogged on the target",
        why: "A crash of the target empties the table, and no standby ever has it.",
        remedy: "Make it logged, at the latest before the cutover.",
        run: unlogged,
    },
    Check {
        id: "tbl.only_on_target",
        severity: Severity::Info,
        on: On::Target,
        guardrail: false,
        title: "tables that only the target has",
        why: "They are not part of the migration and stay as they are.",
        remedy: "Nothing; drop them if they are left over from an earlier attempt.",
        run: only_there,
    },
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
