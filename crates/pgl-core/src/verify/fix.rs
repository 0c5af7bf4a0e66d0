//! Statements that make the target's rows those of the source, for a person to read and run. Never run here.
//!
//! A row of the target is named by its place and its version: exactly the row that was compared, also where its key is
//! there twice, or is equal to another by a rule of its type. A row that differs is deleted and inserted, all deletions
//! of a table before its insertions: values that two rows have to exchange do not collide on the way. Each statement
//! has to meet exactly one row, or the transaction fails and nothing is changed. What cannot be repaired like this
//! is named, with the command that can.

use std::collections::BTreeSet;

use super::outcome::{Mode, Status, TableResult, computed_otherwise};
use super::rows::Place;
use crate::QualifiedName;
use crate::definitions::DefinitionChange;
use crate::name::{quote_ident, quote_literal};

/// A column's name and its full text; none for NULL.
pub type Cell = (String, Option<String>);

/// What makes one row right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowFix {
    /// The row of the target that has to go.
    pub delete: Option<TargetRow>,
    /// The row as the source has it, without what the target computes.
    pub insert: Option<Vec<Cell>>,
    /// A column that the target computes, where nothing else differs.
    pub computed: Option<String>,
}

/// A row of the target, as it was compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRow {
    /// What holds it.
    pub relation: QualifiedName,
    /// That one's `pg_class.relfilenode`: places are those of this file.
    pub file: i64,
    /// Where it is.
    pub place: Place,
    /// Its version (`xmin`).
    pub version: String,
}

/// Why a table has no statements.
fn refused(table: &TableResult, rows: &[RowFix], target: &Target) -> Option<String> {
    let resync = format!(
        "repair it with: pgl-control resync {} --yes",
        table.qualified().argument()
    );
    if let Some(reason) = table
        .reason
        .as_ref()
        .filter(|_| table.status == Status::Error)
    {
        return Some(format!("it could not be compared: {reason}"));
    }
    if !table.schema_differences.is_empty() {
        return Some(format!(
            "its definitions differ ({}); make them the same first",
            table.schema_differences.join("; ")
        ));
    }
    if rows.is_empty() {
        return match &table.reason {
            Some(reason) => Some(reason.clone()),
            None => Some(resync),
        };
    }
    if let Some(trigger) = &table.replica_trigger {
        return Some(format!(
            "on the target, {trigger} would fire for the statements and may change what they write; {resync}"
        ));
    }
    if let Some(why) = table
        .changes_rows
        .as_ref()
        .filter(|_| rows.iter().any(|row| row.insert.is_some()))
    {
        return Some(why.clone());
    }
    let empty = |row: &RowFix| row.insert.as_ref().is_some_and(Vec::is_empty);
    if rows.iter().any(empty) {
        return Some(format!("no column of it can be written; {resync}"));
    }
    if let Some(how) = &target.conflict_resolution {
        return Some(format!(
            "pglogical.conflict_resolution = {how} on the target: later changes of the source to these rows would be lost; set it to \
             apply_remote first"
        ));
    }
    if target.unchecked {
        return Some(format!(
            "its text has no known encoding (SQL_ASCII); {resync}"
        ));
    }
    if let Some(column) = rows.iter().find_map(|row| row.computed.as_ref()) {
        return Some(computed_otherwise(&table.qualified(), column));
    }
    let unproven = table.rows.iter().any(|row| !row.proven);
    if !table.counts_exact
        || table.unresolved > 0
        || unproven
        || (rows.len() as u64) < table.proven()
    {
        return Some(format!(
            "not all of its rows are known (see --max-diffs); {resync}"
        ));
    }
    if table.mode != Some(Mode::Static) && rows.iter().any(|row| row.delete.is_none()) {
        return Some(format!(
            "rows are missing on the target, and replication goes on: a row that the source deletes before the \
             statements run would come back with them; {resync}, or stop all writers and use --mode static"
        ));
    }
    None
}

/// The part of a script for one table that differs.
pub fn table(result: &TableResult, rows: &[RowFix], target: &Target) -> String {
    let name = result.qualified();
    let shown = one_line(&name.to_string());
    if let Some(why) = refused(result, rows, target) {
        return format!("-- {shown}: nothing is printed: {}\n", one_line(&why));
    }
    let mut body = String::new();
    let gone = || rows.iter().filter_map(|row| row.delete.as_ref());
    // VACUUM FULL and CLUSTER put another row of the same version into its place. From here on they have to wait.
    let files: BTreeSet<(&QualifiedName, i64)> =
        gone().map(|row| (&row.relation, row.file)).collect();
    for (relation, file) in files {
        let name = relation.sql();
        body.push_str(&format!(
            "  LOCK TABLE ONLY {name} IN ROW EXCLUSIVE MODE;\n  n := CASE pg_relation_filenode({}::regclass) WHEN {file} THEN 1 END;\n{CHECK}",
            quote_literal(&name)
        ));
    }
    for row in gone() {
        body.push_str(&format!(
            "  DELETE FROM ONLY {} WHERE ctid = '({},{})' AND xmin = '{}';\n{COUNT}{CHECK}",
            row.relation.sql(),
            row.place.block,
            row.place.offset,
            row.version
        ));
    }
    for cells in rows.iter().filter_map(|row| row.insert.as_ref()) {
        body.push_str(&insert(&name, cells, target));
    }
    let mut tag = "$pgl$".to_owned();
    while body.contains(&tag) {
        tag.insert(tag.len() - 1, 'x');
    }
    format!("-- {shown}\nDO {tag}\nDECLARE n bigint;\nBEGIN\n{body}END {tag};\n")
}

/// What is known of the target.
#[derive(Debug, Clone)]
pub struct Target {
    /// Whether it knows identity columns (10 and later).
    pub identity: bool,
    /// Whether its text may be in any encoding.
    pub unchecked: bool,
    /// `pglogical.conflict_resolution`, where it is not `apply_remote`: a row that a script has written is then the newer one, or
    /// stops the apply worker.
    pub conflict_resolution: Option<String>,
}

const COUNT: &str = "  GET DIAGNOSTICS n = ROW_COUNT;\n";
const CHECK: &str = "  IF n IS DISTINCT FROM 1 THEN RAISE EXCEPTION \
    'the target has changed since it was compared: nothing is changed; run pgl-verify --fix-sql again'; END IF;\n";

fn insert(table: &QualifiedName, cells: &[Cell], target: &Target) -> String {
    let names: Vec<String> = cells.iter().map(|(name, _)| quote_ident(name)).collect();
    let values: Vec<String> = cells
        .iter()
        .map(|(_, value)| {
            value
                .as_ref()
                .map_or_else(|| "NULL".to_owned(), |text| quote_literal(text))
        })
        .collect();
    let overriding = match target.identity {
        true => " OVERRIDING SYSTEM VALUE",
        false => "",
    };
    format!(
        "  INSERT INTO {} ({}){overriding} VALUES ({});\n{COUNT}{CHECK}",
        table.sql(),
        names.join(", "),
        values.join(", ")
    )
}

/// A name must not end a comment.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// What is said of a definition that differs. As comments: run as it is, most of them would fail or drop something.
pub fn definition(change: &DefinitionChange) -> String {
    let mut text = format!("\n{change}\n");
    match &change.source {
        Some(source) => text += &format!("On the source:\n{source}"),
        None => text += "The source does not have it.",
    }
    let lines = text.split(['\n', '\r']);
    lines.map(|line| format!("-- {line}\n")).collect()
}

/// What goes before the statements.
pub fn preamble() -> &'static str {
    "-- Statements that make the target's rows those of the source. Read them, then run them on the target in one session;\n\
     -- run pgl-verify afterwards. With session_replication_role = replica no ordinary trigger or rule\n\
     -- fires and no foreign key is checked; setting it needs a superuser, or the privilege to set it.\n\
     -- Checks of tables and domains and generated columns do run, with your rights, and so do triggers and rules that were made\n\
     -- ENABLE ALWAYS or REPLICA since the comparison (a table that had one then has no statements here): where you do not trust\n\
     -- the tables' owners, let pgl-control resync repair them.\n\
     -- The inserted rows are those of the source when it was compared. Where replication goes on, rows are only replaced and\n\
     -- removed, and only such as nothing has written on the target since; where the comparison was made with --mode static, let\n\
     -- nobody write to the source until this has run: a row deleted there meanwhile would come back.\n\
     BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;\n\
     SET LOCAL client_encoding = 'UTF8';\n\
     SET LOCAL search_path = pg_catalog, pg_temp;\n\
     SET LOCAL session_replication_role = replica;\n\
     SET LOCAL row_security = off;\n\
     SET LOCAL standard_conforming_strings = on;\n\
     SET LOCAL array_nulls = on;\n\
     SET LOCAL xmloption = content;\n\
     SET LOCAL DateStyle = 'ISO, YMD';\n\
     SET LOCAL IntervalStyle = 'postgres';\n\
     SET LOCAL TimeZone = 'UTC';\n\
     SET LOCAL lc_monetary = 'C';\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::outcome::RowDiff;
    use crate::verify::rows::DifferenceKind;

    const NEW: Target = Target {
        identity: true,
        unchecked: false,
        conflict_resolution: None,
    };

    fn cell(name: &str, value: Option<&str>) -> Cell {
        (name.to_owned(), value.map(str::to_owned))
    }

    fn result(rows: usize) -> TableResult {
        let name = QualifiedName::new("s", "o'dd\"t");
        let mut result = TableResult::new(&name, Status::Different, None);
        result.mode = Some(Mode::Static);
        let row = RowDiff {
            kind: DifferenceKind::Different,
            proven: true,
            key: Vec::new(),
            source_count: Some(1),
            target_count: Some(1),
            source_partition: None,
            target_partition: None,
            columns: Some(Vec::new()),
        };
        result.rows = vec![row; rows];
        result
    }

    fn gone(offset: u16) -> Option<TargetRow> {
        let place = Place {
            relation: 0,
            block: 7,
            offset,
        };
        Some(TargetRow {
            relation: QualifiedName::new("s", "leaf"),
            file: 16400,
            place,
            version: "745".to_owned(),
        })
    }

    #[test]
    fn nothing_is_printed_where_a_trigger_could_change_it() {
        let mut found = result(1);
        let row = RowFix {
            delete: gone(1),
            insert: None,
            computed: None,
        };
        assert!(table(&found, std::slice::from_ref(&row), &NEW).contains("DELETE"));
        found.replica_trigger = Some("trigger audit (ENABLE ALWAYS)".to_owned());
        let sql = table(&found, &[row], &NEW);
        assert!(sql.starts_with("-- ") && sql.lines().count() == 1, "{sql}");
        assert!(
            sql.contains("trigger audit (ENABLE ALWAYS) would fire"),
            "{sql}"
        );
    }

    #[test]
    fn rows_go_before_others_come_and_each_statement_meets_one_row() {
        let both = |offset, text: Option<&str>| RowFix {
            delete: gone(offset),
            insert: Some(vec![cell("id", Some("1")), cell("it's", text)]),
            computed: None,
        };
        let sql = table(&result(2), &[both(1, Some("a'b")), both(2, None)], &NEW);
        let lines: Vec<&str> = sql
            .lines()
            .filter(|line| line.contains("DELETE") || line.contains("INSERT"))
            .map(str::trim)
            .collect();
        assert_eq!(
            lines,
            [
                "DELETE FROM ONLY \"s\".\"leaf\" WHERE ctid = '(7,1)' AND xmin = '745';",
                "DELETE FROM ONLY \"s\".\"leaf\" WHERE ctid = '(7,2)' AND xmin = '745';",
                "INSERT INTO \"s\".\"o'dd\"\"t\" (\"id\", \"it's\") OVERRIDING SYSTEM VALUE VALUES ('1', 'a''b');",
                "INSERT INTO \"s\".\"o'dd\"\"t\" (\"id\", \"it's\") OVERRIDING SYSTEM VALUE VALUES ('1', NULL);",
            ]
        );
        assert_eq!(sql.matches("IF n IS DISTINCT FROM 1 THEN RAISE").count(), 5);
        let (before, _) = sql.split_once("DELETE").unwrap();
        assert!(
            before.contains("LOCK TABLE ONLY \"s\".\"leaf\" IN ROW EXCLUSIVE MODE;"),
            "{sql}"
        );
        assert!(
            before.contains("pg_relation_filenode('\"s\".\"leaf\"'::regclass) WHEN 16400"),
            "{sql}"
        );
        let old = Target {
            identity: false,
            ..NEW
        };
        assert!(!table(&result(1), &[both(1, None)], &old).contains("OVERRIDING"));
    }

    /// A row that only the source had may have been deleted there since, and nothing on the target shows that.
    #[test]
    fn missing_rows_are_not_inserted_while_replication_goes_on() {
        let insert = Some(vec![cell("id", Some("1"))]);
        let missing = RowFix {
            insert: insert.clone(),
            ..RowFix::default()
        };
        let replaced = RowFix {
            delete: gone(1),
            insert,
            computed: None,
        };
        let extra = RowFix {
            delete: gone(2),
            ..RowFix::default()
        };
        for mode in [Mode::Live, Mode::Fenced, Mode::Barrier, Mode::Static] {
            let script = |rows: &[RowFix]| {
                let mut result = result(rows.len());
                result.mode = Some(mode);
                table(&result, rows, &NEW)
            };
            let refused = script(&[replaced.clone(), missing.clone()]);
            assert_eq!(
                refused.contains("DO $pgl$"),
                mode == Mode::Static,
                "{refused}"
            );
            assert_eq!(
                refused.contains("pgl-control resync"),
                mode != Mode::Static,
                "{refused}"
            );
            let printed = script(&[replaced.clone(), extra.clone()]);
            assert!(
                printed.contains("INSERT") && printed.contains("(7,2)"),
                "{printed}"
            );
        }
    }

    #[test]
    fn no_value_ends_the_block_and_no_name_the_comment() {
        let fix = RowFix {
            insert: Some(vec![cell("v", Some("$pgl$; DROP TABLE x; $pglx$"))]),
            ..RowFix::default()
        };
        let mut result = result(1);
        result.name = "a\nDROP TABLE x".into();
        let sql = table(&result, &[fix], &NEW);
        let (comment, rest) = sql.split_once('\n').unwrap();
        assert_eq!(comment, "-- s.\"a DROP TABLE x\"");
        assert!(rest.starts_with("DO $pglxx$\n"), "{sql}");
    }

    #[test]
    fn what_cannot_be_repaired_row_by_row_is_named() {
        let rows = [RowFix {
            delete: gone(1),
            ..RowFix::default()
        }];
        let none = |result: &TableResult, rows: &[RowFix], part: &str| {
            let sql = table(result, rows, &NEW);
            assert!(sql.starts_with("-- ") && sql.lines().count() == 1, "{sql}");
            assert!(sql.contains(part), "{sql}");
        };
        let with = |change: &dyn Fn(&mut TableResult)| {
            let mut one = result(1);
            change(&mut one);
            one
        };
        none(
            &with(&|r| r.counts_exact = false),
            &rows,
            "pgl-control resync",
        );
        none(&with(&|r| r.unresolved = 1), &rows, "pgl-control resync");
        none(
            &with(&|r| r.rows[0].proven = false),
            &rows,
            "pgl-control resync",
        );
        none(
            &with(&|r| r.schema_differences = vec!["column x".into()]),
            &rows,
            "definitions differ",
        );
        none(
            &with(&|r| r.reason = Some("no such table".into())),
            &[],
            "no such table",
        );
        none(
            &with(&|r| r.status = Status::Error),
            &[],
            "pgl-control resync",
        );
        let whole = RowFix {
            insert: Some(Vec::new()),
            ..rows[0].clone()
        };
        let narrow = with(&|r| r.changes_rows = Some("column n may round".to_owned()));
        none(&narrow, &[whole], "column n may round");
        none(&result(1), &[], "pgl-control resync");
        let computed = RowFix {
            computed: Some("g".into()),
            ..RowFix::default()
        };
        none(&result(1), &[computed], "column g");
        let unchecked = Target {
            unchecked: true,
            ..NEW
        };
        assert!(table(&result(1), &rows, &unchecked).contains("SQL_ASCII"));
        let keeping = Target {
            conflict_resolution: Some("keep_local".into()),
            ..NEW
        };
        assert!(table(&result(1), &rows, &keeping).contains("= keep_local"));
        // A reason of a table that differs is no failure, and all rows that are known to differ are there.
        let printed = |missing| {
            table(
                &with(&|r| (r.reason, r.missing) = (Some("so".into()), missing)),
                &rows,
                &NEW,
            )
            .contains("DELETE")
        };
        assert_eq!([0, 1, 2].map(printed), [true, true, false]);
        let failed = with(&|r| (r.status, r.reason) = (Status::Error, Some("so".into())));
        none(&failed, &rows, "could not be compared: so");
    }

    #[test]
    fn the_script_is_one_transaction_of_a_replica() {
        let text = preamble();
        let comments = text
            .lines()
            .take_while(|line| line.starts_with("--"))
            .count();
        let rest: Vec<&str> = text.lines().skip(comments).collect();
        assert!(comments > 3 && rest.iter().all(|line| line.ends_with(';')));
        assert_eq!(rest[0], "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;");
        assert!(rest.contains(&"SET LOCAL session_replication_role = replica;"));
    }
}
