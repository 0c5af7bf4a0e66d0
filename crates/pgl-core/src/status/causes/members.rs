//! What the source replicates, against what was to be replicated: the plan, or the tables that the
//! subscription has a state for.
//!
//! pglogical keeps a table's membership by its OID. A table that was dropped and created again, with its
//! set or by itself, is in no set, and nothing on the target shows it.

use super::{Cause, Seen};
use crate::status::facts::{Member, Wanted};
use crate::{QualifiedName, Side};

pub(super) fn look(seen: &Seen<'_>, found: &mut Vec<Cause>) {
    let (Some(close), Some(_)) = (&seen.close.source, seen.subscription) else {
        return;
    };
    let Some(members) = close.members.as_ref().filter(|_| close.pglogical) else {
        return;
    };
    let of = |wanted: &Wanted| -> Option<&Member> {
        members
            .iter()
            .find(|one| one.schema == wanted.schema && one.name == wanted.name)
    };
    let (mut missing, mut gone, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    for wanted in &seen.close.wanted {
        let name = QualifiedName::new(&wanted.schema, &wanted.name);
        match of(wanted) {
            None => {}
            Some(member) if !member.exists => gone.push(name),
            Some(member) if member.sets.is_empty() => missing.push(name),
            Some(member) => {
                if let Some(set) = wanted.set.as_ref().filter(|set| !member.sets.contains(set)) {
                    changed.push((name, set.clone(), member.sets.join(", ")));
                }
            }
        }
    }
    in_no_set(seen, &missing, found);
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
                "changes that {set} replicates and {sets} does not are missing on the target: pgl-control remove-table {name} --yes, then pgl-control add-table {name} --yes"
            )),
        );
    }
    if let Some(first) = gone.first() {
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
                "remove it from the migration: pgl-control remove-table {first} --yes"
            )),
        );
    }
}

fn in_no_set(seen: &Seen<'_>, missing: &[QualifiedName], found: &mut Vec<Cause>) {
    let Some(first) = missing.first() else {
        return;
    };
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
        .map(|name| format!("pgl-control add-table {name}"))
        .collect();
    let planned = seen.close.wanted.iter().any(|wanted| wanted.set.is_some());
    let otherwise = if planned {
        ""
    } else {
        ". If they were removed on purpose: pglogical.alter_subscription_synchronize() on the target forgets them"
    };
    found.push(
        Cause::new("set.table_missing", Side::Source, what)
            .object(first)
            .seen(few(missing))
            .seen("no row in pglogical.replication_set_table for the OID of the table: it was removed from its set, its set was dropped, or the table was dropped and created again")
            .remedy(format!(
                "add each to a set again and copy it, because what was written since is missing on the target: {}{}{otherwise}",
                again.join("; "),
                if missing.len() > 3 { "; …" } else { "" }
            )),
    );
}

fn few(names: &[QualifiedName]) -> String {
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
