//! Compares the tables of both sides before rows are copied or applied: pglogical finds out about a
//! missing column only when a change for it arrives, and then its worker restarts for ever.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{QualifiedName, Side};

/// A table as one side has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableShape {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// `pg_class.relkind`.
    pub relkind: String,
    /// Which rows a partition takes, after what its parents take; null for any other table.
    #[serde(default)]
    pub bounds: Option<String>,
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
pub struct DefinitionDifference {
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

/// The tables of one side.
#[derive(Debug, Clone, Copy)]
pub struct SideShapes<'a> {
    /// The side.
    pub side: Side,
    /// Its tables.
    pub tables: &'a [TableShape],
}

impl<'a> SideShapes<'a> {
    fn by_name(self) -> HashMap<(&'a str, &'a str), &'a TableShape> {
        let named = |table: &'a TableShape| ((table.schema.as_str(), table.name.as_str()), table);
        self.tables.iter().map(named).collect()
    }
}

/// What differs between the tables of the plan on both sides, where changes of `from` are applied on `to`: in a rollback those of
/// the target on the source.
pub fn compare(
    wanted: &[QualifiedName],
    from: SideShapes<'_>,
    to: SideShapes<'_>,
    wire: Wire,
) -> Vec<DefinitionDifference> {
    let (before, after) = (from.by_name(), to.by_name());
    let mut out = Vec::new();
    for name in wanted {
        let key = (name.schema.as_str(), name.name.as_str());
        let missing = match (before.get(&key), after.get(&key)) {
            (Some(one), Some(other)) => {
                compare_table(name, (one, other), (from.side, to.side), wire, &mut out);
                continue;
            }
            (None, _) => from.side,
            (_, None) => to.side,
        };
        out.push(whole(name, format!("does not exist on the {missing}")));
    }
    out
}

fn whole(name: &QualifiedName, what: String) -> DefinitionDifference {
    DefinitionDifference {
        table: name.to_string(),
        column: None,
        what,
    }
}

fn compare_table(
    name: &QualifiedName,
    (before, after): (&TableShape, &TableShape),
    (from, to): (Side, Side),
    wire: Wire,
    out: &mut Vec<DefinitionDifference>,
) {
    if before.relkind != after.relkind {
        out.push(whole(
            name,
            format!(
                "is {} on the {from} and {} on the {to}",
                relkind(&before.relkind),
                relkind(&after.relkind)
            ),
        ));
        return;
    }
    // pglogical writes a row to the partition of the same name, whatever that takes.
    if let (Some(one), Some(other)) = (&before.bounds, &after.bounds)
        && one != other
    {
        let what = format!("takes {one} on the {from} and {other} on the {to}");
        out.push(whole(name, what));
    }
    let mut differs = |column: &str, what: String| {
        out.push(DefinitionDifference {
            table: name.to_string(),
            column: Some(column.to_owned()),
            what,
        });
    };
    for column in &before.columns {
        let Some(other) = after.columns.iter().find(|c| c.name == column.name) else {
            differs(&column.name, format!("is missing on the {to}"));
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
                    "is {} on the {from} and {} on the {to}",
                    says(column),
                    says(other)
                ),
            );
        }
        if column.type_name != other.type_name && wire == Wire::Same {
            differs(
                &column.name,
                format!(
                    "has type {} on the {from} and {} on the {to}, and servers of one version exchange binary values",
                    column.type_name, other.type_name
                ),
            );
        }
        if other.not_null && !column.not_null {
            differs(
                &column.name,
                format!("takes nulls on the {from} and not on the {to}"),
            );
        }
    }
    for column in &after.columns {
        let known = before.columns.iter().any(|c| c.name == column.name);
        if !known && column.not_null && !column.has_default {
            differs(
                &column.name,
                format!("exists only on the {to}, where it takes neither null nor a default"),
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
            bounds: None,
            columns,
        }
    }

    fn differences(source: &TableShape, target: &TableShape, wire: Wire) -> Vec<String> {
        compare(
            &[QualifiedName::new("public", "t")],
            SideShapes {
                side: Side::Source,
                tables: std::slice::from_ref(source),
            },
            SideShapes {
                side: Side::Target,
                tables: std::slice::from_ref(target),
            },
            wire,
        )
        .into_iter()
        .map(|d| d.column.unwrap_or_else(|| "-".to_owned()))
        .collect()
    }

    #[test]
    fn in_a_rollback_the_source_is_where_changes_are_applied() {
        let (long, short) = (table(vec![column("a")]), table(Vec::new()));
        let side = |side, table| SideShapes {
            side,
            tables: std::slice::from_ref(table),
        };
        let found = compare(
            &[QualifiedName::new("public", "t")],
            side(Side::Target, &long),
            side(Side::Source, &short),
            Wire::Text,
        );
        assert_eq!(found[0].what, "is missing on the source");
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
        let strict = |name| ColumnShape {
            not_null: true,
            ..column(name)
        };
        let stricter = table(vec![strict("a"), column("b")]);
        assert_eq!(differences(&plain, &stricter, Wire::Text), ["a"]);
        assert!(differences(&stricter, &stricter, Wire::Text).is_empty());
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
        let mut found = Vec::new();
        let name = QualifiedName::new("public", "t");
        let sides = (Side::Source, Side::Target);
        compare_table(&name, (&narrow, &wide), sides, Wire::Same, &mut found);
        assert!(
            found[0]
                .what
                .starts_with("has type integer on the source and bigint on the target"),
            "{found:?}"
        );
    }

    #[test]
    fn partitions_of_one_name_take_the_same_rows() {
        let plain = table(Vec::new());
        let taking = |bounds: &str| TableShape {
            bounds: Some(bounds.to_owned()),
            ..plain.clone()
        };
        let (one, two) = (taking("FOR VALUES IN (1)"), taking("FOR VALUES IN (2)"));
        let mut found = Vec::new();
        let name = QualifiedName::new("public", "t");
        let sides = (Side::Source, Side::Target);
        // One that is a table of its own on a side is another precondition.
        for both in [(&one, &one), (&one, &plain), (&plain, &one), (&one, &two)] {
            assert!(found.is_empty(), "{found:?}");
            compare_table(&name, both, sides, Wire::Text, &mut found);
        }
        assert_eq!(
            found[0].what,
            "takes FOR VALUES IN (1) on the source and FOR VALUES IN (2) on the target"
        );
    }

    #[test]
    fn another_kind_of_relation_and_a_missing_one() {
        let plain = table(vec![column("a")]);
        let mut partitioned = plain.clone();
        partitioned.relkind = "p".to_owned();
        partitioned.columns.clear();
        let wanted = [QualifiedName::new("public", "t")];
        let what = |source: &[TableShape], target: &[TableShape]| {
            let found = compare(
                &wanted,
                SideShapes {
                    side: Side::Source,
                    tables: source,
                },
                SideShapes {
                    side: Side::Target,
                    tables: target,
                },
                Wire::Text,
            );
            found.into_iter().map(|one| one.what).collect::<Vec<_>>()
        };
        let plain = [plain];
        assert_eq!(
            what(&plain, &[partitioned]),
            ["is an ordinary table on the source and a partitioned table on the target"],
            "one sentence, and none about its columns"
        );
        let mut computed = plain.clone();
        computed[0].columns[0].generated = true;
        let mut foreign = plain.clone();
        foreign[0].relkind = "f".to_owned();
        let mut view = plain.clone();
        view[0].relkind = "v".to_owned();
        assert_eq!(
            what(&foreign, &view),
            ["is a foreign table on the source and a view on the target"]
        );
        assert_eq!(
            what(&plain, &computed),
            ["is stored as given on the source and computed on the target"]
        );
        assert_eq!(what(&[], &plain), ["does not exist on the source"]);
        let mut elsewhere = plain.clone();
        elsewhere[0].schema = "other".to_owned();
        assert_eq!(what(&plain, &elsewhere), ["does not exist on the target"]);
    }
}
