//! Statements that would mend the target, for a person to read and run. Never run here.

use super::rows::Kind;
use crate::name::{quote_ident, quote_literal};
use crate::{QualifiedName, verify::rows::Place};

/// A column's name and its full text; none for NULL.
pub type Cell = (String, Option<String>);

/// What is known of one differing row.
#[derive(Debug, Clone, Default)]
pub struct Mend {
    /// The row as the source has it; none where the source has none.
    pub source: Option<Vec<Cell>>,
    /// The key, for finding the row on the target.
    pub key: Vec<Cell>,
    /// Columns to set; empty for whole rows.
    pub changed: Vec<String>,
    /// Columns that the target computes itself.
    pub generated: Vec<String>,
}

fn literal(value: Option<&String>) -> String {
    value.map_or_else(|| "NULL".to_owned(), |text| quote_literal(text))
}

fn condition(cells: &[Cell]) -> String {
    let parts: Vec<String> = cells
        .iter()
        .map(|(name, value)| match value {
            Some(text) => format!("{} = {}", quote_ident(name), quote_literal(text)),
            None => format!("{} IS NULL", quote_ident(name)),
        })
        .collect();
    parts.join(" AND ")
}

/// One statement, or none where no key says which row is meant.
pub fn statement(table: &QualifiedName, kind: Kind, mend: &Mend) -> Option<String> {
    let sql = table.sql();
    match (kind, &mend.source) {
        (Kind::Missing, Some(row)) => {
            let cells: Vec<&Cell> = row
                .iter()
                .filter(|(name, _)| !mend.generated.contains(name))
                .collect();
            let names: Vec<String> = cells.iter().map(|(name, _)| quote_ident(name)).collect();
            let values: Vec<String> = cells.iter().map(|(_, v)| literal(v.as_ref())).collect();
            Some(format!(
                "INSERT INTO {sql} ({}) OVERRIDING SYSTEM VALUE VALUES ({});",
                names.join(", "),
                values.join(", ")
            ))
        }
        (Kind::Extra, _) if !mend.key.is_empty() => {
            Some(format!("DELETE FROM {sql} WHERE {};", condition(&mend.key)))
        }
        (Kind::Changed, Some(row)) if !mend.key.is_empty() => {
            let sets: Vec<String> = row
                .iter()
                .filter(|(name, _)| mend.changed.contains(name) && !mend.generated.contains(name))
                .map(|(name, value)| format!("{} = {}", quote_ident(name), literal(value.as_ref())))
                .collect();
            (!sets.is_empty()).then(|| {
                format!(
                    "UPDATE {sql} SET {} WHERE {};",
                    sets.join(", "),
                    condition(&mend.key)
                )
            })
        }
        _ => None,
    }
}

/// A row that no key names, by its place: good only until anything writes to the table.
pub fn delete_at(table: &QualifiedName, place: Place) -> String {
    format!(
        "DELETE FROM ONLY {} WHERE ctid = '({},{})';",
        table.sql(),
        place.block,
        place.offset
    )
}

/// What goes before the statements.
pub fn preamble() -> &'static str {
    "-- Statements that would mend the target; run them there, after reading them.\n\
     -- With session_replication_role = replica no trigger fires and no foreign key is checked.\n\
     BEGIN;\n\
     SET LOCAL session_replication_role = replica;\n\
     SET LOCAL standard_conforming_strings = on;\n\
     SET LOCAL DateStyle = 'ISO, YMD';\n\
     SET LOCAL IntervalStyle = 'postgres';\n\
     SET LOCAL TimeZone = 'UTC';\n\
     SET LOCAL lc_monetary = 'C';\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(name: &str, value: Option<&str>) -> Cell {
        (name.to_owned(), value.map(str::to_owned))
    }

    #[test]
    fn statements_quote_everything() {
        let table = QualifiedName::new("s", "o'dd\"t");
        let mut mend = Mend {
            source: Some(vec![
                cell("id", Some("1")),
                cell("v", Some("it's")),
                cell("n", None),
            ]),
            key: vec![cell("id", Some("1"))],
            changed: vec!["v".into(), "n".into()],
            generated: Vec::new(),
        };
        assert_eq!(
            statement(&table, Kind::Changed, &mend).unwrap(),
            "UPDATE \"s\".\"o'dd\"\"t\" SET \"v\" = 'it''s', \"n\" = NULL WHERE \"id\" = '1';"
        );
        assert_eq!(
            statement(&table, Kind::Missing, &mend).unwrap(),
            "INSERT INTO \"s\".\"o'dd\"\"t\" (\"id\", \"v\", \"n\") OVERRIDING SYSTEM VALUE VALUES ('1', 'it''s', NULL);"
        );
        mend.source = None;
        assert_eq!(
            statement(&table, Kind::Extra, &mend).unwrap(),
            "DELETE FROM \"s\".\"o'dd\"\"t\" WHERE \"id\" = '1';"
        );
        mend.key.clear();
        assert_eq!(statement(&table, Kind::Extra, &mend), None);
    }
}
