//! Compares the tables of both sides before rows are copied or applied: pglogical finds out about a
//! missing column only when a change for it arrives, and then its worker restarts for ever.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::QualifiedName;

/// A table as one side has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableShape {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// `pg_class.relkind`.
    pub relkind: String,
    /// Columns, in order of their position.
    pub columns: Vec<ColumnShape>,
}

/// A column as one side has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnShape {
    /// Name.
    pub name: String,
    /// `format_type`.
    pub type_name: String,
    /// Whether the type and everything in it is built in, so that its binary form means the same
    /// in another database of the same version.
    pub built_in: bool,
    /// Whether it refuses nulls.
    pub not_null: bool,
    /// Whether it has a default, an identity or an expression.
    pub has_default: bool,
    /// Whether its value is computed (STORED or VIRTUAL).
    pub generated: bool,
}

/// A difference that stops the migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// Table, as a person writes it.
    pub table: String,
    /// Column; null where the whole table is meant.
    pub column: Option<String>,
    /// What differs.
    pub what: String,
}

/// Whether both servers write a value in the same binary form, or only in the same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// pglogical ships internal binary values: types have to be the same.
    Same,
    /// It ships text: a type that reads the other's text will do.
    Text,
}

/// What differs between the tables of the plan on both sides.
pub fn compare(
    wanted: &[QualifiedName],
    source: &[TableShape],
    target: &[TableShape],
    wire: Wire,
) -> Vec<Difference> {
    let mut out = Vec::new();
    for name in wanted {
        let find = |side: &[TableShape]| {
            side.iter()
                .position(|table| table.schema == name.schema && table.name == name.name)
        };
        let (Some(s), Some(t)) = (find(source), find(target)) else {
            let where_ = if find(source).is_none() {
                "source"
            } else {
                "target"
            };
            out.push(whole(name, format!("does not exist on the {where_}")));
            continue;
        };
        compare_table(name, &source[s], &target[t], wire, &mut out);
    }
    out
}

fn whole(name: &QualifiedName, what: String) -> Difference {
    Difference {
        table: name.to_string(),
        column: None,
        what,
    }
}

fn compare_table(
    name: &QualifiedName,
    source: &TableShape,
    target: &TableShape,
    wire: Wire,
    out: &mut Vec<Difference>,
) {
    if source.relkind != target.relkind {
        out.push(whole(
            name,
            format!(
                "is {} on the source and {} on the target",
                relkind(&source.relkind),
                relkind(&target.relkind)
            ),
        ));
        return;
    }
    let mut differs = |column: &str, what: String| {
        out.push(Difference {
            table: name.to_string(),
            column: Some(column.to_owned()),
            what,
        });
    };
    for column in &source.columns {
        let Some(other) = target.columns.iter().find(|c| c.name == column.name) else {
            differs(&column.name, "is missing on the target".to_owned());
            continue;
        };
        if column.generated != other.generated {
            let says = |c: &ColumnShape| {
                if c.generated {
                    "computed"
                } else {
                    "stored as given"
                }
            };
            differs(
                &column.name,
                format!(
                    "is {} on the source and {} on the target",
                    says(column),
                    says(other)
                ),
            );
        }
        if column.type_name != other.type_name && wire == Wire::Same {
            differs(
                &column.name,
                format!(
                    "has type {} on the source and {} on the target, and servers of one version exchange binary values",
                    column.type_name, other.type_name
                ),
            );
        }
        if other.not_null && !column.not_null {
            differs(
                &column.name,
                "takes nulls on the source and not on the target".to_owned(),
            );
        }
    }
    for column in &target.columns {
        let known = source.columns.iter().any(|c| c.name == column.name);
        if !known && column.not_null && !column.has_default {
            differs(
                &column.name,
                "exists only on the target, where it takes neither null nor a default".to_owned(),
            );
        }
    }
}

fn relkind(kind: &str) -> &str {
    match kind {
        "r" => "an ordinary table",
        "p" => "a partitioned table",
        "f" => "a foreign table",
        "v" => "a view",
        "m" => "a materialised view",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str) -> ColumnShape {
        ColumnShape {
            name: name.to_owned(),
            type_name: "integer".to_owned(),
            built_in: true,
            not_null: false,
            has_default: false,
            generated: false,
        }
    }

    fn table(columns: Vec<ColumnShape>) -> TableShape {
        TableShape {
            schema: "public".to_owned(),
            name: "t".to_owned(),
            relkind: "r".to_owned(),
            columns,
        }
    }

    fn differences(source: &TableShape, target: &TableShape, wire: Wire) -> Vec<String> {
        compare(
            &[QualifiedName::new("public", "t")],
            std::slice::from_ref(source),
            std::slice::from_ref(target),
            wire,
        )
        .into_iter()
        .map(|d| d.column.unwrap_or_else(|| "-".to_owned()))
        .collect()
    }

    #[test]
    fn what_stops_the_apply_worker_is_found() {
        let plain = table(vec![column("a"), column("b")]);
        let swapped = table(vec![column("b"), column("a")]);
        assert!(differences(&plain, &swapped, Wire::Text).is_empty());
        assert_eq!(
            differences(&plain, &table(vec![column("a")]), Wire::Text),
            ["b"]
        );
        let mut strict = column("c");
        strict.not_null = true;
        let extra = table(vec![column("a"), column("b"), strict.clone()]);
        assert_eq!(differences(&plain, &extra, Wire::Text), ["c"]);
        strict.has_default = true;
        let harmless = table(vec![column("a"), column("b"), strict]);
        assert!(differences(&plain, &harmless, Wire::Text).is_empty());
        let mut computed = column("b");
        computed.generated = true;
        assert_eq!(
            differences(&plain, &table(vec![column("a"), computed]), Wire::Text),
            ["b"]
        );
    }

    #[test]
    fn types_matter_only_where_values_travel_in_binary() {
        let mut wide = column("a");
        wide.type_name = "bigint".to_owned();
        let (narrow, wide) = (table(vec![column("a")]), table(vec![wide]));
        assert!(differences(&narrow, &wide, Wire::Text).is_empty());
        assert_eq!(differences(&narrow, &wide, Wire::Same), ["a"]);
    }

    #[test]
    fn another_kind_of_relation_and_a_missing_one() {
        let plain = table(vec![column("a")]);
        let mut partitioned = plain.clone();
        partitioned.relkind = "p".to_owned();
        assert_eq!(differences(&plain, &partitioned, Wire::Text), ["-"]);
        let gone = compare(&[QualifiedName::new("x", "y")], &[plain], &[], Wire::Text);
        assert_eq!(gone[0].what, "does not exist on the source");
    }
}
