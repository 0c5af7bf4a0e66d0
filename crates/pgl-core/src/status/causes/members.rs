//! What the source replicates, against what was to be replicated: the plan, or the tables that the
//! subscription has a state for.
//!
//! pglogical keeps a table's membership by its OID. A table that was dropped and created again, with its
//! set or by itself, is in no set, and nothing on the target shows it. On the target pglogical deletes a table's state
//! when the table or a column of it is dropped, and applies what arrives for a table of that name all the same.

use super::{Cause, Seen};
use crate::cutover::Renamed;
use crate::{QualifiedName, Side};

/// What helps where changes of a table in a set are not replicated.
pub(crate) const UNDO: &str =
    "undo it (ALTER TABLE … SET LOGGED or REPLICA IDENTITY; pglogical.alter_replication_set)";
/// And then, before a cutover: a running walsender goes on with what it has read of a set.
pub(crate) const COPY_AGAIN: &str = ", run pgl-control pause and pgl-control resume, and copy the table again, because what was written \
    since may be missing on the target";

pub(super) fn look(seen: &Seen<'_>, found: &mut Vec<Cause>) {
    without_state(seen, found);
    let (Some(close), Some(_)) = (&seen.close.source, seen.subscription) else {
        return;
    };
    if close.members.is_none() || !close.pglogical {
        return;
    }
    let (mut missing, mut gone, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    let mut partly: Vec<(QualifiedName, &[String])> = Vec::new();
    for wanted in &seen.close.wanted {
        let name = wanted.table.clone();
        match seen.member(&name) {
            None => {}
            Some(member) if !member.exists => gone.push(name),
            Some(member) if member.sets.is_empty() => missing.push(name),
            Some(member) => {
                if !member.unreplicated.is_empty() {
                    partly.push((name.clone(), &member.unreplicated));
                }
                if let Some(set) = wanted.set.as_ref().filter(|set| !member.sets.contains(set)) {
                    changed.push((name, set.clone(), member.sets.join(", ")));
                }
            }
        }
    }
    found.extend(in_no_set(seen, &missing));
    if let Some((first, why)) = partly.first() {
        let names: Vec<_> = partly.iter().map(|(name, _)| name.clone()).collect();
        found.push(
            Cause::new(
                "set.unreplicated",
                Side::Source,
                format!(
                    "not every change of {} is replicated: {}{}",
                    few(&names),
                    if names.len() == 1 {
                        String::new()
                    } else {
                        format!("{first}: ")
                    },
                    why.join(", ")
                ),
            )
            .object(first)
            .seen_all(
                partly
                    .iter()
                    .skip(1)
                    .take(9)
                    .map(|(name, why)| format!("{name}: {}", why.join(", "))),
            )
            .seen("pg_class and pglogical.replication_set on the source")
            .remedy(format!(
                "{UNDO}{COPY_AGAIN}: pgl-control resync {} --yes",
                first.argument()
            )),
        );
    }
    for (name, set, sets) in changed {
        found.push(
            Cause::new(
                "set.table_changed",
                Side::Source,
                format!("{name} is in replication set {sets} and not in {set}, as the plan says"),
            )
            .object(&name)
            .seen("pglogical.replication_set_table, by the table's OID")
            .remedy(format!(
                "changes that {set} replicates and {sets} does not are missing on the target: pgl-control remove-table {table} --yes, then pgl-control add-table {table} --yes",
                table = name.argument()
            )),
        );
    }
    let renamed = renamed(seen);
    if let Some(first) = renamed.now.first() {
        let explained = |cause: &Cause| cause.object.as_ref() == Some(&first.to_string());
        if !found.iter().any(explained) {
            let (what, remedy) = renamed.said();
            found.push(
                Cause::new("set.table_renamed", Side::Source, what)
                    .object(first)
                    .warn()
                    .seen("a replication set knows a table by its OID, and the target by its name: the next change of it stops replication")
                    .remedy(remedy),
            );
        }
    } else if let Some(first) = gone.first() {
        found.push(
            Cause::new(
                "set.table_dropped",
                Side::Source,
                format!("the source has no table {} any more", few(&gone)),
            )
            .object(first)
            .warn()
            .seen("no such table in the source's catalog")
            .remedy(format!(
                "remove {} from the migration: pgl-control remove-table {} --yes",
                if gone.len() == 1 { "it" } else { "them" },
                gone.iter()
                    .map(QualifiedName::argument)
                    .collect::<Vec<_>>()
                    .join(" ")
            )),
        );
    }
}

/// Tables that were renamed on the source: a set has a table under a name that is not wanted, and none has a wanted one's.
pub(super) fn renamed(seen: &Seen<'_>) -> Renamed {
    let (Some(close), Some(subscription)) = (&seen.close.source, seen.subscription) else {
        return Renamed::default();
    };
    let members = close.members.iter().flatten();
    let planned: Vec<QualifiedName> = members
        .filter(|one| !one.exists)
        .map(|one| one.table.clone())
        .collect();
    let unknown = |name: &&QualifiedName| name.schema != "pgl" && !seen.wants(name);
    let in_sets = close.tables.iter().map(|one| &one.table);
    let now: Vec<QualifiedName> = in_sets.filter(unknown).cloned().collect();
    if planned.is_empty() || now.is_empty() {
        return Renamed::default();
    }
    Renamed {
        now,
        planned,
        subscription: subscription.name.clone(),
        reverse: false,
    }
}

/// Whether pglogical has no state for a table of the plan on the target. A tool that works adds it with its own commit.
pub(super) fn lacks_state(seen: &Seen<'_>, table: &QualifiedName) -> bool {
    // Of a table that the source has no more, nothing is missing.
    seen.target.is_some_and(|now| now.holder.is_none())
        && seen.wants(table)
        && seen.member(table).is_none_or(|one| one.exists)
        && seen.sync(table).is_none()
}

/// The command that compares tables, copies those that differ, and restores the states of all.
pub(super) fn resync(names: &[QualifiedName]) -> String {
    let names: Vec<String> = names.iter().map(QualifiedName::argument).collect();
    format!("pgl-control resync {} --yes", names.join(" "))
}

fn without_state(seen: &Seen<'_>, found: &mut Vec<Cause>) {
    let mut applied = Vec::new();
    for wanted in &seen.close.wanted {
        let name = wanted.table.clone();
        let explained =
            |cause: &Cause| cause.stops() && cause.object.as_ref() == Some(&name.to_string());
        if !lacks_state(seen, &name) || found.iter().any(explained) {
            continue;
        }
        match (wanted.filled, seen.there(&name).map(|there| there.oid)) {
            (Some(filled), Some(oid)) if filled != oid => found.push(
                Cause::new(
                    "unsafe.table_recreated",
                    Side::Target,
                    format!("unsafe: {name} on the target is not the table that was copied: rows are missing"),
                )
                .object(&name)
                .seen(format!("its OID is {oid} and was {filled}: it was dropped and created again on the target"))
                .remedy(format!("copy its rows again: {}", resync(&[name]))),
            ),
            _ => applied.push(name),
        }
    }
    if let Some(first) = applied.first() {
        found.push(
            Cause::new(
                "sync.row_missing",
                Side::Target,
                format!("pglogical.local_sync_status has no row for {}", few(&applied)),
            )
            .object(first)
            .warn()
            .seen("pglogical deletes that row when a column of the table is dropped on the target. It applies the table's changes all the same, but pgl-cutover refuses (cut.followed)")
            .remedy(format!(
                "compare the rows and restore that row of pglogical: {}",
                resync(&applied)
            )),
        );
    }
}

fn in_no_set(seen: &Seen<'_>, missing: &[QualifiedName]) -> Option<Cause> {
    let first = missing.first()?;
    let what = if missing.len() == 1 {
        format!(
            "{first} is in no replication set of the subscription: its changes are not replicated"
        )
    } else {
        format!(
            "{} tables are in no replication set of the subscription: their changes are not replicated",
            missing.len()
        )
    };
    let again: Vec<String> = missing
        .iter()
        .take(3)
        .map(|name| format!("pgl-control add-table {}", name.argument()))
        .collect();
    let planned = seen.close.wanted.iter().any(|wanted| wanted.set.is_some());
    let otherwise = if planned {
        ""
    } else {
        ". If they were removed on purpose: pglogical.alter_subscription_synchronize() on the target forgets them"
    };
    Some(
        Cause::new("set.table_missing", Side::Source, what)
            .object(first)
            .seen(few(missing))
            .seen("no row in pglogical.replication_set_table for the OID of the table: it was removed from its set, its set was dropped, or the table was dropped and created again")
            .remedy(format!(
                "add each to a set again and copy it, because what was written since is missing on the target: {}{}{otherwise}",
                again.join("; "),
                if missing.len() > 3 { "; …" } else { "" }
            )),
    )
}

pub(super) fn few(names: &[QualifiedName]) -> String {
    let mut text = names
        .iter()
        .take(10)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > 10 {
        text.push_str(&format!(" and {} more", names.len() - 10));
    }
    text
}
