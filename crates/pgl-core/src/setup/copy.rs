//! The tasks of the copy: what a worker takes from the queue.
//!
//! A task is a part of a table's rows; today always all of them. Largest first, so that the last
//! worker is not left alone with the largest table.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::compare::TableShape;
use crate::plan::{Plan, PlanTable};
use crate::{QualifiedName, ServerVersion};

/// Which rows of a table a task copies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowScope {
    /// All of them: the table may be emptied and frozen in the same transaction.
    All,
    /// Those for which an SQL condition holds; tasks of one table cover it without overlap.
    Where(String),
}

/// Form in which rows travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Text, under output settings that both sessions pin: exact to the bit.
    Text,
    /// Binary: only between servers of one major version, and built-in types only.
    Binary,
}

/// One task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The table.
    pub table: QualifiedName,
    /// Columns in the order in which they travel.
    pub columns: Vec<String>,
    /// Rows.
    pub rows: RowScope,
    /// Form.
    pub form: Form,
    /// Bytes expected, for the order and the progress.
    pub bytes: u64,
}

/// The tasks for a plan and for the `extra` tables, which are in no plan: largest first.
pub fn tasks(
    plan: &Plan,
    extra: &[QualifiedName],
    shapes: &[TableShape],
    source: ServerVersion,
    target: ServerVersion,
) -> Vec<Task> {
    let one_major = source.major_num() == target.major_num();
    let shapes: HashMap<(&str, &str), &TableShape> = (shapes.iter())
        .map(|shape| ((shape.schema.as_str(), shape.name.as_str()), shape))
        .collect();
    let mut tasks: Vec<Task> = plan
        .replicated()
        .map(|table| (table.qualified(), Some(table)))
        .chain(extra.iter().map(|name| (name.clone(), None)))
        .filter_map(|(name, planned)| task(name, planned, &shapes, one_major))
        .collect();
    tasks.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.table.cmp(&b.table)));
    tasks
}

fn task(
    name: QualifiedName,
    planned: Option<&PlanTable>,
    shapes: &HashMap<(&str, &str), &TableShape>,
    one_major: bool,
) -> Option<Task> {
    let shape = shapes.get(&(name.schema.as_str(), name.name.as_str()))?;
    let carried: Vec<_> = shape.columns.iter().filter(|c| !c.generated).collect();
    let form = if one_major && carried.iter().all(|c| c.built_in) {
        Form::Binary
    } else {
        Form::Text
    };
    Some(Task {
        table: name,
        columns: carried.iter().map(|c| c.name.clone()).collect(),
        rows: RowScope::All,
        form,
        bytes: planned.map_or(0, |table| table.bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Set;
    use crate::setup::compare::ColumnShape;

    fn planned(name: &str, bytes: u64) -> PlanTable {
        PlanTable {
            bytes,
            ..PlanTable::example("public", name, Set::Default)
        }
    }

    fn shape(name: &str, columns: &[(&str, bool, bool)]) -> TableShape {
        TableShape {
            schema: "public".to_owned(),
            name: name.to_owned(),
            relkind: "r".to_owned(),
            bounds: None,
            columns: columns
                .iter()
                .map(|(name, generated, built_in)| ColumnShape {
                    name: (*name).to_owned(),
                    type_name: "integer".to_owned(),
                    built_in: *built_in,
                    not_null: false,
                    has_default: false,
                    generated: *generated,
                })
                .collect(),
        }
    }

    #[test]
    fn largest_first_without_generated_columns() {
        let plan = Plan::example(vec![
            planned("small", 1),
            planned("big", 9),
            planned("mine", 5),
        ]);
        let shapes = [
            shape("small", &[("a", false, true), ("g", true, true)]),
            shape("big", &[]),
            shape("mine", &[("id", false, true), ("e\"x", false, false)]),
            shape("marker", &[]),
        ];
        let version = ServerVersion(150_001);
        let extra = [QualifiedName::new("public", "marker")];
        let tasks = tasks(&plan, &extra, &shapes, version, ServerVersion(150_009));
        let names: Vec<&str> = tasks.iter().map(|t| t.table.name.as_str()).collect();
        assert_eq!(names, ["big", "mine", "small", "marker"]);
        let other = super::tasks(&plan, &[], &shapes, version, ServerVersion(160_001));
        assert!(
            other.iter().all(|task| task.form == Form::Text),
            "between two majors"
        );
        assert_eq!(tasks[3].bytes, 0, "no plan has its size");
        assert_eq!(tasks[2].columns, ["a"]);
        assert_eq!(tasks[2].form, Form::Binary);
        assert_eq!(
            tasks[1].form,
            Form::Text,
            "a user's type has another OID elsewhere"
        );
    }
}
