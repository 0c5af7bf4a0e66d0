//! What becomes of the plan when a table joins or leaves. The selection changes along, so that every
//! tool that reads the plan means the same tables.

use crate::plan::{Plan, PlanSequence, PlanTable, Set};
use crate::select::Selection;
use crate::{QualifiedName, quote_ident};

/// Why a table cannot join.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Barred {
    /// The source has no such table with rows of its own.
    #[error("{0} is no table that can be replicated")]
    NoTable(String),
    /// It cannot be replicated at all.
    #[error("{0} cannot be replicated: {1}")]
    Excluded(String, String),
    /// A pattern of the migration leaves it out, and others with it.
    #[error("{0} is left out by the patterns that the migration was set up with")]
    Selection(String),
}

/// The plan with these tables. `fresh` is a plan of everything in the source as it is now.
///
/// # Errors
/// [`Barred`], for the first table that cannot join.
pub fn add_tables(plan: &Plan, fresh: &Plan, wanted: &[QualifiedName]) -> Result<Plan, Barred> {
    let mut next = plan.clone();
    for name in wanted {
        let table = fresh
            .tables
            .iter()
            .find(|table| table.qualified() == *name)
            .ok_or_else(|| Barred::NoTable(name.to_string()))?;
        if !table.is_carried() {
            let why = table.reason.clone().unwrap_or_default();
            return Err(Barred::Excluded(name.to_string(), why));
        }
        admit(&mut next.selection, name, fresh)?;
        next.tables.retain(|one| one.qualified() != *name);
        next.tables.push(table.clone());
        next.manual_steps.extend(
            fresh
                .manual_steps
                .iter()
                .filter(|one| one.object.as_deref() == Some(name.to_string().as_str()))
                .cloned(),
        );
    }
    next.tables.sort_by_key(PlanTable::qualified);
    next.manual_steps.sort();
    next.manual_steps.dedup();
    Ok(next)
}

/// Lets a selection include a table. Only a pattern that means nothing but this table is rolled back.
fn admit(selection: &mut Selection, name: &QualifiedName, fresh: &Plan) -> Result<(), Barred> {
    if selection.includes(name) {
        return Ok(());
    }
    let mut wider = selection.clone();
    wider.exclude_tables.retain(|pattern| {
        let only = Selection {
            exclude_tables: vec![pattern.clone()],
            ..Selection::default()
        };
        let others = fresh
            .tables
            .iter()
            .map(PlanTable::qualified)
            .any(|other| other != *name && only.excludes(&other));
        others || !only.excludes(name)
    });
    if !wider.includes(name) && !wider.excludes(name) {
        wider.tables.push(pattern(name));
    }
    if !wider.includes(name) {
        return Err(Barred::Selection(name.to_string()));
    }
    *selection = wider;
    Ok(())
}

/// A pattern for exactly this table.
fn pattern(name: &QualifiedName) -> String {
    format!("{}.{}", quote_ident(&name.schema), quote_ident(&name.name))
}

/// The plan with these sequences, those that it has already being kept.
pub fn add_sequences(plan: &Plan, sequences: &[PlanSequence]) -> Plan {
    let mut next = plan.clone();
    for sequence in sequences {
        next.sequences
            .retain(|one| one.qualified() != sequence.qualified());
        next.sequences.push(sequence.clone());
    }
    next.sequences.sort_by_key(PlanSequence::qualified);
    next
}

/// The reason of a table that was replicated and is no longer, by request.
pub const TAKEN_OUT: &str = "taken out by pgl-control";

impl Plan {
    /// The tables that were replicated and are no longer, by request: those on both sides are compared, and lack rows there.
    pub fn taken_out(&self) -> impl Iterator<Item = &PlanTable> {
        let by_request = |table: &&PlanTable| table.reason.as_deref() == Some(TAKEN_OUT);
        (self.tables.iter()).filter(move |table| table.set == Set::Excluded && by_request(table))
    }
}

/// The plan without this table: it stays listed, with the reason.
pub fn remove_table(plan: &Plan, name: &QualifiedName) -> Plan {
    let mut next = plan.clone();
    for table in &mut next.tables {
        if table.qualified() == *name {
            table.set = Set::Excluded;
            table.reason = Some(TAKEN_OUT.to_owned());
            table.recopy_at_cutover = false;
        }
    }
    let shown = name.to_string();
    next.manual_steps
        .retain(|one| one.object.as_deref() != Some(shown.as_str()));
    let mut selection = next.selection.clone();
    selection.tables.retain(|one| *one != pattern(name));
    // Without its own pattern an empty list would mean everything.
    if selection.tables.is_empty() != next.selection.tables.is_empty() {
        selection = next.selection.clone();
    }
    if selection.includes(name) {
        selection.exclude_tables.push(pattern(name));
    }
    next.selection = selection;
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, set: Set) -> PlanTable {
        PlanTable {
            reason: (set == Set::Excluded).then(|| "unlogged".to_owned()),
            ..PlanTable::example("public", name, set)
        }
    }

    fn plan(names: &[&str], selection: Selection) -> Plan {
        let tables = names.iter().map(|name| table(name, Set::Default));
        Plan {
            selection,
            ..Plan::example(tables.collect())
        }
    }

    fn name(name: &str) -> QualifiedName {
        QualifiedName::new("public", name)
    }

    #[test]
    fn a_table_joins_and_leaves_and_joins_again() {
        let fresh = plan(&["a", "b", "New"], Selection::default());
        let begun = plan(&["b", "c"], Selection::default());
        let added = add_tables(&begun, &fresh, &[name("New"), name("a")]).unwrap();
        let names: Vec<&str> = added.tables.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["New", "a", "b", "c"]);
        assert!(added.selection.is_everything());
        let removed = remove_table(&added, &name("New"));
        assert_eq!(removed.replicated().count(), 3);
        assert!(!removed.selection.includes(&name("New")));
        assert!(removed.selection.includes(&name("new")));
        let again = add_tables(&removed, &fresh, &[name("New")]).unwrap();
        assert_eq!(again, added);
    }

    #[test]
    fn the_selection_grows_by_exactly_this_table() {
        let fresh = plan(&["a", "log_1", "log_2"], Selection::default());
        let only = |tables: &[&str], exclude: &[&str]| Selection {
            tables: tables.iter().map(|t| (*t).to_owned()).collect(),
            exclude_tables: exclude.iter().map(|t| (*t).to_owned()).collect(),
            ..Selection::default()
        };
        let grown = add_tables(&plan(&["a"], only(&["a"], &[])), &fresh, &[name("log_1")]);
        let selection = grown.unwrap().selection;
        assert!(selection.includes(&name("log_1")) && !selection.includes(&name("log_2")));
        let exact = plan(&["a"], only(&[], &["log_1"]));
        let selection = add_tables(&exact, &fresh, &[name("log_1")])
            .unwrap()
            .selection;
        assert!(selection.is_everything());
        let pattern = plan(&["a"], only(&[], &["log_*"]));
        assert_eq!(
            add_tables(&pattern, &fresh, &[name("log_1")]),
            Err(Barred::Selection("public.log_1".to_owned()))
        );
    }

    #[test]
    fn what_cannot_be_replicated_does_not_join() {
        let mut fresh = plan(&["a"], Selection::default());
        fresh.tables.push(table("u", Set::Excluded));
        let begun = plan(&["a"], Selection::default());
        assert_eq!(
            add_tables(&begun, &fresh, &[name("u")]),
            Err(Barred::Excluded(
                "public.u".to_owned(),
                "unlogged".to_owned()
            ))
        );
        assert_eq!(
            add_tables(&begun, &fresh, &[name("v")]),
            Err(Barred::NoTable("public.v".to_owned()))
        );
    }

    #[test]
    fn a_selection_of_one_table_never_becomes_everything() {
        let fresh = plan(&["a", "b"], Selection::default());
        let one = Selection {
            tables: vec![pattern(&name("a"))],
            ..Selection::default()
        };
        let removed = remove_table(&plan(&["a"], one), &name("a"));
        assert!(!removed.selection.includes(&name("a")));
        assert!(!removed.selection.includes(&name("b")));
        assert!(add_tables(&removed, &fresh, &[name("a")]).is_ok());
    }
}
