//! What has changed since the setup: tables that no plan knows, and those that have got other names. Replication does not carry
//! them, and after the cutover nobody would miss them before they are needed.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::last_attempt::Direction;
use crate::plan::{Plan, PlanTable, Set};
use crate::{QualifiedName, Side, quote_ident, quote_literal};

/// Tables and sequences of the provider, as a plan made now has them, that the plan does not carry as it would
/// have to.
pub fn unplanned(plan: &Plan, now: &Plan) -> Vec<String> {
    let mut found = Vec::new();
    let tables: HashMap<QualifiedName, _> = (plan.tables.iter())
        .map(|one| (one.qualified(), one))
        .collect();
    for table in now.tables.iter() {
        let name = table.qualified();
        match tables.get(&name) {
            None if !table.is_carried() => {}
            None => found.push(format!("{name} is in no plan")),
            // Its changes leave no trace in the log that replication reads.
            Some(known) if known.set != Set::Excluded && table.set == Set::Excluded => {
                let why = table.reason.as_deref().unwrap_or("it cannot be replicated");
                found.push(format!("{name} is left out now: {why}"));
            }
            Some(known) if known.set == Set::Default && table.set == Set::DefaultInsertOnly => {
                let why = table.reason.as_deref().unwrap_or("it has no key");
                found.push(format!("{name} replicates only inserts now: {why}"));
            }
            Some(_) => {}
        }
    }
    let sequences: HashSet<QualifiedName> =
        plan.sequences.iter().map(|one| one.qualified()).collect();
    for sequence in now.sequences.iter() {
        let name = sequence.qualified();
        if !sequences.contains(&name) {
            found.push(format!("sequence {name} is in no plan"));
        }
    }
    found
}

/// A table or sequence that holds something of the user's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Whether it is a sequence.
    pub sequence: bool,
    /// The tables that it is a child or a partition of, directly or not.
    pub ancestors: Vec<QualifiedName>,
}

/// For a rollback: what the promoted target has and no plan knows, as far as the plan's selection reaches. It was made
/// after the cutover, and a rollback would leave it behind. What was only `renamed` was not.
pub fn left_behind(plan: &Plan, stored: &[Stored], renamed: &[QualifiedName]) -> Vec<String> {
    let tables: BTreeSet<QualifiedName> = plan.tables.iter().map(|t| t.qualified()).collect();
    let sequences: BTreeSet<QualifiedName> = plan.sequences.iter().map(|s| s.qualified()).collect();
    stored
        .iter()
        .filter_map(|one| {
            let name = QualifiedName::new(&one.schema, &one.name);
            let (known, kind) = match one.sequence {
                true => (&sequences, "sequence"),
                false => (&tables, "table"),
            };
            let mut names = one.ancestors.clone();
            names.push(name.clone());
            (!known.contains(&name)
                && !renamed.contains(&name)
                && plan.selection.includes_any(&names))
            .then(|| format!("{kind} {name}"))
        })
        .collect()
}

/// Tables that were renamed since the setup, or since the cutover for a rollback: a replication set knows them by OID.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renamed {
    /// Names that no plan knows, of tables in a replication set.
    pub now: Vec<QualifiedName>,
    /// Names of the plan that no table in a replication set has.
    pub planned: Vec<QualifiedName>,
    /// The subscription that replicates them.
    pub subscription: String,
    /// Whether that is reverse replication, from the target to the source.
    pub reverse: bool,
}

impl Renamed {
    /// What was found, and what helps: statements for the one table that it must be, and their form where there are
    /// several. The changes that were written under the new name are in the WAL under that name.
    pub(crate) fn said(&self) -> (String, String) {
        let list = |names: &[QualifiedName]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            crate::rules::some_of(&names)
        };
        let (now, planned) = match (self.now.as_slice(), self.planned.as_slice()) {
            ([now], [planned]) => (now.clone(), planned.clone()),
            _ => (
                QualifiedName::new("schema", "new_name"),
                QualifiedName::new("schema", "name"),
            ),
        };
        let rename = |from: &QualifiedName, to: &QualifiedName| {
            let (schema, name) = (quote_ident(&to.schema), quote_ident(&to.name));
            let mut all = Vec::new();
            if from.schema != to.schema {
                all.push(format!("CREATE SCHEMA IF NOT EXISTS {schema}"));
                all.push(format!("ALTER TABLE {} SET SCHEMA {schema}", from.sql()));
            }
            if from.name != to.name {
                let moved = QualifiedName::new(&to.schema, &from.name);
                all.push(format!("ALTER TABLE {} RENAME TO {name}", moved.sql()));
            }
            all.join("; ")
        };
        let (back, there) = (rename(&now, &planned), rename(&planned, &now));
        let restart = format!(
            "SELECT pglogical.alter_subscription_enable({})",
            quote_literal(&self.subscription)
        );
        let (from, to, since) = match self.reverse {
            true => (Side::Target, Side::Source, "cutover"),
            false => (Side::Source, Side::Target, "setup"),
        };
        (
            format!(
                "renamed on the {from} after the {since}: {}; the plan has {}",
                list(&self.now),
                list(&self.planned)
            ),
            format!(
                "on the {from}: {back}. If subscription {} is down then, rows were written under the new name; on the {to}: \
                 SET default_transaction_read_only = off; {there}; {restart}; once those rows have arrived: {back}; {restart}",
                self.subscription
            ),
        )
    }
}

/// Which tables of `stored` were renamed, of those in the replication sets, `members`; `carried` are the tables of
/// the plan that should be there.
pub fn renamed(
    direction: Direction,
    plan: &Plan,
    carried: &[QualifiedName],
    stored: &[Stored],
    members: &[QualifiedName],
) -> Renamed {
    let there = |one: &Stored| QualifiedName::new(&one.schema, &one.name);
    let known: HashSet<QualifiedName> = plan.tables.iter().map(PlanTable::qualified).collect();
    let unknown = |name: &QualifiedName| !known.contains(name);
    let all: HashSet<QualifiedName> = stored.iter().map(there).collect();
    let planned: Vec<QualifiedName> = carried
        .iter()
        .filter(|name| !all.contains(name))
        .cloned()
        .collect();
    // Without a table that is missing, somebody has added another one to the set.
    if planned.is_empty() {
        return Renamed::default();
    }
    let now = stored
        .iter()
        .filter(|one| !one.sequence)
        .map(there)
        .filter(|name| members.contains(name) && unknown(name))
        .collect();
    let subscription = &plan.names.subscription;
    let reverse = direction == Direction::Back;
    Renamed {
        now,
        planned,
        subscription: match reverse {
            true => format!("{subscription}_back"),
            false => subscription.clone(),
        },
        reverse,
    }
}

fn is_stored(stored: &[Stored], name: &QualifiedName) -> bool {
    let mut all = stored.iter().filter(|one| !one.sequence);
    all.any(|one| one.schema == name.schema && one.name == name.name)
}

/// Tables that pgl-control has removed from replication, as far as they are still among `stored`.
pub fn removed_tables(plan: &Plan, stored: &[Stored]) -> Vec<String> {
    plan.taken_out()
        .map(PlanTable::qualified)
        .filter(|name| is_stored(stored, name))
        .map(|name| name.to_string())
        .collect()
}

/// Takes out of the plan the tables that would only be copied again and that neither side has any more.
pub fn dropped_on_both(plan: &mut Plan, old: &[Stored], new: &[Stored]) -> Vec<String> {
    let mut dropped = Vec::new();
    plan.tables.retain(|table| {
        let name = table.qualified();
        let goes = table.set == Set::Excluded
            && table.recopy_at_cutover
            && !is_stored(old, &name)
            && !is_stored(new, &name);
        if goes {
            dropped.push(name.to_string());
        }
        !goes
    });
    dropped
}

/// The tables that are neither replicated nor copied again, as far as both sides have them: their writes are blocked as well, because
/// the target has no newer rows of them.
pub fn excluded_tables(plan: &Plan, old: &[Stored], new: &[Stored]) -> Vec<QualifiedName> {
    let excluded = plan.tables.iter().filter(|table| !table.is_carried());
    excluded
        .map(PlanTable::qualified)
        .filter(|name| is_stored(old, name) && is_stored(new, name))
        .collect()
}

/// What is said of the tables of a plan that are neither replicated nor copied again, each with the reason; none where there are none.
pub fn not_replicated(plan: &Plan, from: Side) -> Option<String> {
    let names: Vec<String> = plan
        .tables
        .iter()
        .filter(|table| !table.is_carried())
        .map(|table| match &table.reason {
            Some(reason) => format!("{} ({reason})", table.qualified()),
            None => table.qualified().to_string(),
        })
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "not replicated, so the rows of the {from} are not on the {}: {}",
            from.other(),
            names.join(", ")
        )
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::control::TAKEN_OUT;
    use crate::plan::{PlanSequence, PlanTable};

    pub(in crate::cutover) fn table(name: &str, set: Set) -> PlanTable {
        PlanTable::example("s", name, set)
    }

    fn sequence(name: &str) -> PlanSequence {
        PlanSequence {
            schema: "s".to_owned(),
            name: name.to_owned(),
            owned_by: None,
            identity: false,
            increment: "1".to_owned(),
            used_percent: None,
        }
    }

    /// As a partition that a job adds every month.
    #[test]
    fn what_was_made_after_the_switch_would_be_left_behind() {
        let mut plan = plan(vec![
            table("part_1", Set::Default),
            table("scratch", Set::Excluded),
        ]);
        plan.sequences = vec![sequence("known")];
        let stored = |name: &str, sequence, root: Option<&str>| Stored {
            schema: "s".to_owned(),
            name: name.to_owned(),
            sequence,
            ancestors: root
                .map(|root| QualifiedName::new("s", root))
                .into_iter()
                .collect(),
        };
        let there = [
            stored("part_1", false, Some("part")),
            stored("scratch", false, None),
            stored("known", true, None),
            stored("part_2", false, Some("part")),
            stored("fresh", true, None),
        ];
        assert_eq!(
            left_behind(&plan, &there, &[]),
            ["table s.part_2", "sequence s.fresh"]
        );
        plan.selection.tables = vec!["s.part".to_owned()];
        assert_eq!(left_behind(&plan, &there, &[]), ["table s.part_2"]);
        plan.selection.tables = vec!["s.fresh".to_owned()];
        assert_eq!(left_behind(&plan, &there, &[]), ["sequence s.fresh"]);
    }

    #[test]
    fn a_table_that_was_renamed_after_the_switch_is_known_by_its_set() {
        let plan = plan(vec![table("t", Set::Default), table("kept", Set::Default)]);
        let stored = |name: &str| Stored {
            schema: "s".to_owned(),
            name: name.to_owned(),
            sequence: false,
            ancestors: Vec::new(),
        };
        let name = |name| QualifiedName::new("s", name);
        let carried = [name("t"), name("kept")];
        // A set has sequences, too: one that was renamed is not the table that is missing.
        let numbers = Stored {
            sequence: true,
            ..stored("numbers")
        };
        let there = [stored("t new"), stored("kept"), stored("fresh"), numbers];
        let members = [name("t new"), name("kept"), name("numbers")];
        let found = renamed(Direction::Back, &plan, &carried, &there, &members);
        assert_eq!(
            (&found.now, &found.planned),
            (&vec![name("t new")], &vec![name("t")])
        );
        assert_eq!(
            left_behind(&plan, &there, &found.now),
            ["table s.fresh", "sequence s.numbers"]
        );
        let (_, hint) = found.said();
        assert!(
            hint.starts_with(r#"on the target: ALTER TABLE "s"."t new" RENAME TO "t"."#),
            "{hint}"
        );
        assert!(
            hint.contains(r#"; ALTER TABLE "s"."t" RENAME TO "t new"; SELECT pglogical.alter_"#),
            "{hint}"
        );
        let moved = Renamed {
            now: vec![QualifiedName::new("archive", "t")],
            ..found.clone()
        };
        let (_, hint) = moved.said();
        assert!(
            hint.starts_with(
                r#"on the target: CREATE SCHEMA IF NOT EXISTS "s"; ALTER TABLE "archive"."t" SET SCHEMA "s". If"#
            ),
            "{hint}"
        );
        let both = Renamed {
            now: vec![QualifiedName::new("archive", "old t")],
            ..found.clone()
        };
        let (_, hint) = both.said();
        assert!(
            hint.contains(r#"; ALTER TABLE "archive"."old t" SET SCHEMA "s"; ALTER TABLE "s"."old t" RENAME TO "t". If"#),
            "{hint}"
        );
        // Which of two is which is not known.
        let two = Renamed {
            now: vec![name("t new"), name("u new")],
            planned: vec![name("t"), name("u")],
            ..found
        };
        let (what, hint) = two.said();
        assert!(
            what.contains(r#"s."t new", s."u new"; the plan has s.t, s.u"#),
            "{what}"
        );
        assert!(
            hint.contains(r#"ALTER TABLE "schema"."new_name" RENAME TO "name""#),
            "{hint}"
        );
        let all = [stored("t"), stored("kept"), stored("fresh")];
        let added = [name("t"), name("kept"), name("fresh")];
        let none = renamed(Direction::Forward, &plan, &carried, &all, &added);
        assert_eq!(none, Renamed::default());
        let found = renamed(Direction::Forward, &plan, &carried, &there, &members);
        let (what, hint) = found.said();
        assert!(
            what.starts_with("renamed on the source after the setup: "),
            "{what}"
        );
        assert!(
            hint.starts_with(r#"on the source: ALTER TABLE "s"."t new" RENAME"#),
            "{hint}"
        );
        assert_eq!(found.subscription, plan.names.subscription);
    }

    #[test]
    fn tables_that_are_not_replicated_are_told_by_where_they_are() {
        let taken = |name| PlanTable {
            reason: Some(TAKEN_OUT.to_owned()),
            ..table(name, Set::Excluded)
        };
        let again = PlanTable {
            recopy_at_cutover: true,
            ..table("again", Set::Excluded)
        };
        let plan = plan(vec![
            table("kept", Set::Default),
            table("chosen", Set::Excluded),
            taken("removed"),
            taken("one_side"),
            taken("dropped"),
            again,
        ]);
        let stored = |names: &[&str]| -> Vec<Stored> {
            let one = |name: &&str| Stored {
                schema: "s".to_owned(),
                name: (*name).to_owned(),
                sequence: *name == "dropped",
                ancestors: Vec::new(),
            };
            names.iter().map(one).collect()
        };
        let old = stored(&["kept", "chosen", "removed", "one_side", "dropped", "again"]);
        let new = stored(&["kept", "chosen", "removed", "dropped", "again"]);
        assert_eq!(removed_tables(&plan, &old), ["s.removed", "s.one_side"]);
        let name = |name| QualifiedName::new("s", name);
        assert_eq!(
            excluded_tables(&plan, &old, &new),
            [name("chosen"), name("removed")]
        );
    }

    pub(in crate::cutover) fn plan(tables: Vec<PlanTable>) -> Plan {
        Plan::example(tables)
    }

    #[test]
    fn a_table_that_came_later_and_one_that_lost_its_log_or_its_key() {
        let known = plan(vec![
            table("same", Set::Default),
            table("unlogged", Set::Default),
            table("keyless", Set::Default),
            table("better", Set::DefaultInsertOnly),
            table("lost", Set::DefaultInsertOnly),
            table("never", Set::Excluded),
        ]);
        let now = plan(vec![
            table("same", Set::Default),
            table("unlogged", Set::Excluded),
            table("keyless", Set::DefaultInsertOnly),
            table("better", Set::Default),
            table("lost", Set::Excluded),
            table("never", Set::Excluded),
            table("new", Set::Default),
            table("foreign", Set::Excluded),
        ]);
        assert!(unplanned(&known, &known).is_empty());
        let found = unplanned(&known, &now);
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[0].starts_with("s.unlogged is left out now"));
        assert!(found[1].starts_with("s.keyless replicates only inserts now"));
        assert!(found[2].starts_with("s.lost is left out now"));
        assert_eq!(found[3], "s.new is in no plan");
    }

    #[test]
    fn a_sequence_that_came_later_is_named() {
        let with = |names: &[&str]| Plan {
            sequences: names.iter().map(|name| sequence(name)).collect(),
            ..plan(Vec::new())
        };
        let known = with(&["kept", "dropped"]);
        assert_eq!(
            unplanned(&known, &with(&["kept", "new"])),
            ["sequence s.new is in no plan"]
        );
    }
}
