//! What has changed since the setup: tables that no plan knows, and definitions that only one side has.
//! Replication carries neither, and after the switch nobody would miss them before they are needed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::QualifiedName;
use crate::plan::{Plan, Set};

/// Something that a database defines, by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Definition {
    /// Its schema, or that of its table.
    pub schema: String,
    /// The table that it belongs to; null for what belongs to none.
    pub on_table: Option<String>,
    /// `column`, `index`, `parent`, `view` …, as a person says it.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// Tables and sequences of the old home, as a plan made now has them, that the plan does not carry as it would
/// have to.
pub fn unplanned(plan: &Plan, now: &Plan) -> Vec<String> {
    let mut found = Vec::new();
    for table in now.tables.iter() {
        let name = table.qualified();
        match plan.tables.iter().find(|one| one.qualified() == name) {
            None if table.set == Set::Excluded && !table.recopy_at_cutover => {}
            None => found.push(format!("{name} is in no plan")),
            // Its changes leave no trace in the log that replication reads.
            Some(known) if known.set != Set::Excluded && table.set == Set::Excluded => {
                let why = table.reason.as_deref().unwrap_or("it cannot be replicated");
                found.push(format!("{name} is left out now: {why}"));
            }
            Some(known) if known.set == Set::Default && table.set == Set::DefaultInsertOnly => {
                let why = table.reason.as_deref().unwrap_or("it has no key");
                found.push(format!("{name} carries only inserts now: {why}"));
            }
            Some(_) => {}
        }
    }
    for sequence in now.sequences.iter() {
        let name = sequence.qualified();
        if !plan.sequences.iter().any(|one| one.qualified() == name) {
            found.push(format!("sequence {name} is in no plan"));
        }
    }
    found
}

/// What only one side has, as sentences.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OneSided {
    /// Columns, constraints, indexes, functions and the like.
    pub definitions: Vec<String>,
    /// Owners and privileges, which a managed target may have on purpose as they are.
    pub rights: Vec<String>,
}

/// Definitions that only one side has, as far as the plan reaches. `held` are the labels of what waits on the
/// new home for the switch. Indexes, triggers, defaults and whatever is no part of a table may exist on the new
/// home alone: somebody has prepared them there.
pub fn one_sided(
    plan: &Plan,
    old: &[Definition],
    new: &[Definition],
    held: &BTreeSet<String>,
) -> OneSided {
    let mut tables: BTreeSet<QualifiedName> =
        plan.replicated().map(|table| table.qualified()).collect();
    tables.extend(plan.tables.iter().filter_map(|t| t.partition_root.clone()));
    let everything = plan.selection.is_everything();
    let meant = |one: &&Definition| match &one.on_table {
        Some(table) => tables.contains(&QualifiedName::new(&one.schema, table)),
        None => everything,
    };
    let old: BTreeSet<&Definition> = old.iter().filter(meant).collect();
    let new: BTreeSet<&Definition> = new.iter().filter(meant).collect();
    let waits = |one: &Definition| {
        let table = one.on_table.as_deref().unwrap_or_default();
        one.kind == "foreign key"
            && held.contains(&format!(
                "FK CONSTRAINT {}.{table} {}",
                one.schema, one.name
            ))
    };
    let matters =
        |one: &Definition| matches!(one.kind.as_str(), "column" | "parent" | "constraint");
    let mut found = OneSided::default();
    for one in old.difference(&new).filter(|one| !waits(one)) {
        let list = match one.kind.as_str() {
            "owner" | "privilege" => &mut found.rights,
            _ => &mut found.definitions,
        };
        list.push(format!("{} is not on the new home", said(one)));
    }
    for one in new.difference(&old).filter(|one| matters(one)) {
        found
            .definitions
            .push(format!("{} is only on the new home", said(one)));
    }
    found
}

fn said(one: &Definition) -> String {
    match &one.on_table {
        Some(table) => format!(
            "{}: {} {}",
            QualifiedName::new(&one.schema, table),
            one.kind,
            one.name
        ),
        None => format!("{}: {} {}", one.schema, one.kind, one.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::Names;
    use crate::plan::PlanTable;
    use crate::select::Selection;

    fn table(name: &str, set: Set) -> PlanTable {
        PlanTable {
            schema: "s".to_owned(),
            name: name.to_owned(),
            set,
            reason: None,
            key: None,
            copy_columns: None,
            partition_root: None,
            bytes: 0,
            rows_estimate: None,
            recopy_at_cutover: false,
        }
    }

    fn plan(tables: Vec<PlanTable>) -> Plan {
        Plan {
            names: Names::of("m"),
            selection: Selection::default(),
            tables,
            sequences: Vec::new(),
            by_hand: Vec::new(),
        }
    }

    fn thing(table: Option<&str>, kind: &str, name: &str) -> Definition {
        Definition {
            schema: "s".to_owned(),
            on_table: table.map(str::to_owned),
            kind: kind.to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn a_table_that_came_later_and_one_that_lost_its_log_or_its_key() {
        let known = plan(vec![
            table("same", Set::Default),
            table("unlogged", Set::Default),
            table("keyless", Set::Default),
            table("better", Set::DefaultInsertOnly),
        ]);
        let now = plan(vec![
            table("same", Set::Default),
            table("unlogged", Set::Excluded),
            table("keyless", Set::DefaultInsertOnly),
            table("better", Set::Default),
            table("new", Set::Default),
            table("foreign", Set::Excluded),
        ]);
        assert!(unplanned(&known, &known).is_empty());
        let found = unplanned(&known, &now);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("s.unlogged is left out now"));
        assert!(found[1].starts_with("s.keyless carries only inserts now"));
        assert_eq!(found[2], "s.new is in no plan");
    }

    #[test]
    fn what_one_side_lacks_is_named_and_what_somebody_prepared_is_not() {
        let plan = plan(vec![table("t", Set::Default)]);
        let column = thing(Some("t"), "column", "a");
        let old = [
            column.clone(),
            thing(Some("t"), "index", "i"),
            thing(Some("t"), "foreign key", "held"),
            thing(Some("t"), "foreign key", "late"),
            thing(Some("elsewhere"), "column", "x"),
            thing(None, "view", "v"),
            thing(Some("t"), "owner", "anna"),
            thing(Some("t"), "privilege", "select of PUBLIC"),
        ];
        let new = [
            column,
            thing(Some("t"), "column", "left"),
            thing(Some("t"), "index", "prepared"),
            thing(None, "view", "prepared"),
        ];
        let held = BTreeSet::from(["FK CONSTRAINT s.t held".to_owned()]);
        let found = one_sided(&plan, &old, &new, &held);
        assert_eq!(
            found.rights,
            [
                "s.t: owner anna is not on the new home",
                "s.t: privilege select of PUBLIC is not on the new home",
            ]
        );
        assert_eq!(
            found.definitions,
            [
                "s: view v is not on the new home",
                "s.t: foreign key late is not on the new home",
                "s.t: index i is not on the new home",
                "s.t: column left is only on the new home",
            ]
        );
        assert_eq!(one_sided(&plan, &old, &old, &held), OneSided::default());
    }
}
