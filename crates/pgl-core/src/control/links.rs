//! Foreign keys that refer to a table whose rows were replaced: which of them the target's rows have
//! to satisfy by now.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::{QualifiedName, show_ident};
use crate::plan::{Plan, Set};

/// A foreign key between two tables, as it was declared.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LinkedKey {
    /// Its name.
    pub name: String,
    /// Schema of the table that refers.
    pub schema: String,
    /// The table that refers.
    pub table: String,
    /// Whether that is a partitioned one.
    pub partitioned: bool,
    /// Schema of the table that is referred to.
    pub references_schema: String,
    /// The table that is referred to.
    pub references: String,
    /// Whether that is a partitioned one.
    pub references_partitioned: bool,
    /// Whether every row was checked.
    pub valid: bool,
    /// Whether it is enforced (servers from 18 on can leave that away).
    pub enforced: bool,
    /// Whether it compares periods (from 18 on).
    pub period: bool,
    /// Columns of the table that refers.
    pub columns: Vec<String>,
    /// When row `fk` refers to row `pk`, in SQL as the catalog gave it.
    pub matches: String,
    /// When row `fk` refers to anything at all, in SQL as the catalog gave it.
    pub present: String,
}

impl LinkedKey {
    /// The table that refers.
    pub fn child(&self) -> QualifiedName {
        QualifiedName::new(&self.schema, &self.table)
    }

    /// The table that is referred to.
    pub fn referenced(&self) -> QualifiedName {
        QualifiedName::new(&self.references_schema, &self.references)
    }

    fn same(&self, other: &Self) -> bool {
        (&self.schema, &self.table, &self.name) == (&other.schema, &other.table, &other.name)
    }
}

/// Table and name: a key's name is its own only within its table.
impl fmt::Display for LinkedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.child(), show_ident(&self.name))
    }
}

/// Rows of one table that refer to rows which are not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Orphans {
    /// Schema of the table that refers.
    pub schema: String,
    /// The table that refers.
    pub table: String,
    /// The foreign key that they contradict.
    pub constraint: String,
    /// The table that is referred to.
    pub references: String,
    /// Columns of the foreign key.
    pub columns: Vec<String>,
    /// How many rows.
    pub rows: u64,
    /// A few of the values, each as PostgreSQL writes a row of these columns.
    pub keys: Vec<String>,
}

/// The table and its key, how many rows, and some of their values.
impl fmt::Display for Orphans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}): {} without its row in {}: {}",
            QualifiedName::new(&self.schema, &self.table),
            show_ident(&self.constraint),
            self.rows,
            self.references,
            self.keys.join(", ")
        )
    }
}

/// What is to be looked at, and what is left out, in sentences.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looked {
    /// Keys whose rows are to be looked at on the target.
    pub keys: Vec<LinkedKey>,
    /// Keys that say nothing yet, and why.
    pub left_out: Vec<String>,
}

/// The foreign keys that the target's rows have to satisfy now, from those of both sides that refer to
/// a table: on the target most of them come only at the cutover. `there` tells whether the target
/// has a table.
pub fn to_look_at(
    source: &[LinkedKey],
    target: &[LinkedKey],
    plan: &Plan,
    there: impl Fn(&QualifiedName) -> bool,
) -> Looked {
    let mut looked = Looked::default();
    let only_there = source
        .iter()
        .filter(|key| !target.iter().any(|other| other.same(key)))
        .filter(|key| there(&key.child()) && there(&key.referenced()));
    for key in target.iter().chain(only_there) {
        let on_source = source.iter().find(|other| other.same(key));
        let sets: Vec<Set> = plan
            .tables
            .iter()
            .filter(|one| one.qualified() == key.child() || one.partition_root == Some(key.child()))
            .map(|one| one.set)
            .collect();
        if !target.contains(key) && sets.iter().all(|set| *set == Set::Excluded) {
            // Neither its rows nor the key are carried over.
            continue;
        }
        let why = if !key.enforced || on_source.is_some_and(|one| !one.enforced) {
            "it is not enforced"
        } else if key.period {
            "it compares periods"
        } else if sets.contains(&Set::DefaultInsertOnly) {
            "updates and deletes of the referencing table are not replicated, because it has no replica identity"
        } else if on_source.is_some_and(|one| !one.valid) {
            "it was never checked on the source either"
        } else {
            looked.keys.push(key.clone());
            continue;
        };
        looked.left_out.push(format!(
            "{key} was not looked at for rows that refer to nothing: {why}"
        ));
    }
    looked
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::plan::PlanTable;

    pub(in super::super) fn key(child: &str, name: &str) -> LinkedKey {
        LinkedKey {
            name: name.into(),
            schema: "public".into(),
            table: child.into(),
            partitioned: false,
            references_schema: "public".into(),
            references: "parent".into(),
            references_partitioned: false,
            valid: true,
            enforced: true,
            period: false,
            columns: vec!["p".into()],
            matches: String::new(),
            present: String::new(),
        }
    }

    fn plan(tables: &[(&str, Set, Option<&str>)]) -> Plan {
        let tables = tables.iter().map(|(name, set, root)| PlanTable {
            partition_root: root.map(|root| QualifiedName::new("public", root)),
            ..PlanTable::example("public", name, *set)
        });
        Plan::example(tables.collect())
    }

    fn names(looked: &Looked) -> Vec<&str> {
        looked.keys.iter().map(|key| key.name.as_str()).collect()
    }

    #[test]
    fn keys_that_come_at_the_cutover_are_looked_at_by_now() {
        let plan = plan(&[
            ("a", Set::Default, None),
            ("p1", Set::Default, Some("p")),
            ("keyless", Set::DefaultInsertOnly, None),
            ("out", Set::Excluded, None),
        ]);
        let source = [
            key("a", "a_fk"),
            key("p", "p_fk"),
            key("keyless", "k_fk"),
            key("out", "o_fk"),
            key("nowhere", "n_fk"),
        ];
        let there = |table: &QualifiedName| table.name != "gone";
        let looked = to_look_at(&source, &[], &plan, there);
        assert_eq!(names(&looked), ["a_fk", "p_fk"]);
        assert_eq!(looked.left_out.len(), 1, "{looked:?}");
        assert!(looked.left_out[0].starts_with("public.keyless, k_fk was not"));
        // The target's own view of a key counts, and is looked at once; a key of the target alone, too.
        let mut mine = key("a", "a_fk");
        mine.matches = "the target's".into();
        let target = [mine.clone(), key("out", "own")];
        let looked = to_look_at(&source, &target, &plan, there);
        assert_eq!(names(&looked), ["a_fk", "own", "p_fk"]);
        assert_eq!(looked.keys[0], mine);
        let looked = to_look_at(&source, &[], &plan, |table| table.name != "a");
        assert_eq!(names(&looked), ["p_fk"]);
    }

    #[test]
    fn what_the_source_does_not_hold_itself_to_is_left_out_with_a_word() {
        let plan = plan(&[("a", Set::Default, None)]);
        for (change, word) in [
            (
                (|key: &mut LinkedKey| key.valid = false) as fn(&mut LinkedKey),
                "never checked",
            ),
            (|key| key.enforced = false, "not enforced"),
            (|key| key.period = true, "periods"),
        ] {
            let mut one = key("a", "a_fk");
            change(&mut one);
            for target in [vec![], vec![one.clone()]] {
                let looked = to_look_at(std::slice::from_ref(&one), &target, &plan, |_| true);
                assert_eq!(names(&looked), [""; 0], "{word}");
                assert!(looked.left_out[0].contains(word), "{looked:?}");
            }
        }
        // Added unchecked by us, for the cutover: the source's is checked.
        let mut unchecked = key("a", "a_fk");
        unchecked.valid = false;
        let looked = to_look_at(&[key("a", "a_fk")], &[unchecked], &plan, |_| true);
        assert_eq!(names(&looked), ["a_fk"]);
    }
}
