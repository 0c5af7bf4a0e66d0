//! Where SQL stands: statements in string literals, and the `.sql` files.

use super::lex::Kind;
use super::rule::Violation;
use super::tree::{Source, Tree};

/// SQL outside pgl-catalog and pgl-apply, and stray `.sql` files.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let literals = tree.sources.iter().flat_map(literals);
    literals.chain(files(tree)).collect()
}

fn literals(source: &Source) -> Vec<Violation> {
    if ["pgl-catalog", "pgl-apply"].contains(&source.package()) {
        return Vec::new();
    }
    source
        .shipped()
        .into_iter()
        .filter(|token| token.kind == Kind::Str && is_statement(&token.text))
        .map(|token| {
            let head: String = token.text.trim_start().chars().take(40).collect();
            let what = format!(
                "SQL outside pgl-catalog and pgl-apply: \"{}…\"",
                head.trim_end()
            );
            Violation::new("sql-place", &source.path, token.line, what)
        })
        .collect()
}

/// What a statement begins with. Two words where the first is English too.
const HEADS: &[&str] = &[
    "SELECT ",
    "INSERT INTO ",
    "DELETE FROM ",
    "TRUNCATE ",
    "WITH ",
    "VALUES (",
    "COPY ",
    "TABLE ",
    "CREATE ",
    "ALTER ",
    "DROP ",
    "GRANT ",
    "REVOKE ",
    "COMMENT ON ",
    "LOCK TABLE ",
    "SECURITY LABEL ",
    "REFRESH MATERIALIZED ",
    "BEGIN",
    "START TRANSACTION",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT ",
    "RELEASE ",
    "SET ",
    "RESET ",
    "SHOW ",
    "DO $",
    "CALL ",
    "VACUUM",
    "ANALYZE",
    "REINDEX ",
    "EXPLAIN ",
    "LISTEN ",
    "NOTIFY ",
    "DISCARD ",
    "IDENTIFY_SYSTEM",
    "CREATE_REPLICATION_SLOT ",
    "DROP_REPLICATION_SLOT ",
    "START_REPLICATION ",
];

/// Whether a literal reads like a statement: SQL keywords are written in capitals here; in lower
/// case only what cannot be English counts.
fn is_statement(literal: &str) -> bool {
    // Escapes stand as written: a line break is a backslash and an n.
    let flat = literal.replace("\\n", " ").replace('\\', " ");
    let spaced = flat.trim_start();
    let head = HEADS.iter().any(|head| {
        spaced.starts_with(head)
            && (head.ends_with([' ', '(', '$'])
                || spaced[head.len()..]
                    .chars()
                    .next()
                    .is_none_or(|c| [' ', ';'].contains(&c)))
    });
    let update = spaced.starts_with("UPDATE ") && spaced.contains(" SET ");
    let lower = spaced.starts_with("select ")
        && (spaced.contains(" from ") || spaced.contains('('))
        || spaced.starts_with("insert into ")
        || spaced.starts_with("delete from ")
        || spaced.starts_with("update ") && spaced.contains(" set ");
    head || update || lower
}

fn files(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.texts.iter().filter(|(path, _)| path.ends_with(".sql")) {
        if !text.starts_with("--") || first_comment(text).len() < 12 {
            let what = "does not begin with a comment that says what it yields";
            found.push(Violation::new("sql-comment", path, 1, what));
        }
        if let Some(line) = text.lines().position(|line| !line.is_ascii())
            && path.starts_with("crates/")
        {
            let what = "a character that a database in LATIN1 may not have";
            found.push(Violation::new("sql-ascii", path, line + 1, what));
        }
        for (number, line) in text.lines().enumerate() {
            if let Some(what) = misread(line).filter(|_| path.starts_with("crates/")) {
                found.push(Violation::new("sql-old", path, number + 1, what));
            }
        }
        if !is_included(tree, path) {
            let what = "nothing includes it";
            found.push(Violation::new("sql-used", path, 0, what));
        }
    }
    found
}

/// What an old server would misread or refuse although new ones take it.
fn misread(line: &str) -> Option<&'static str> {
    let line = line.split("--").next().unwrap_or(line);
    if is_after_operator(line) {
        return Some("before 9.5 IS binds tighter than ->>: parentheses are missing");
    }
    let flat = line.to_ascii_lowercase().replace(' ', "");
    let joined = flat.contains("using(oid") || flat.contains("naturaljoin");
    if joined {
        return Some("before 12 oid is a system column, which USING does not find: write ON");
    }
    let xml = [
        "_to_xml(",
        "xpath(",
        "xmltable(",
        "xmlparse(",
        "xmlelement(",
    ];
    if xml.iter().any(|call| flat.contains(call)) {
        return Some(
            "a server that was built without libxml has no XML: write a statement that writes statements",
        );
    }
    let extreme = ["min(", "max("].iter().any(|call| {
        flat.split(call).skip(1).any(|rest| {
            let operand = rest.split(')').next().unwrap_or(rest);
            operand.ends_with("lsn") || operand.ends_with("_location")
        })
    });
    extreme.then_some("before 13 there is no min and max of pg_lsn: ORDER BY and LIMIT 1")
}

/// Whether `IS` follows a key that an operator takes out of a document: before 9.5 `IS` binds tighter than `->>`.
fn is_after_operator(line: &str) -> bool {
    line.match_indices("->").any(|(at, _)| {
        let operand = line[at..].trim_start_matches(['-', '>', ' ']);
        let end = match operand.strip_prefix('\'') {
            Some(quoted) => quoted.find('\'').map(|end| end + 2),
            None => operand.find([' ', ')', ',']),
        };
        end.is_some_and(|end| operand[end..].trim_start().starts_with("IS "))
    })
}

fn first_comment(text: &str) -> &str {
    text.lines()
        .next()
        .unwrap_or("")
        .trim_start_matches('-')
        .trim()
}

/// Whether a string literal of the same package, or a script, ends in the file's path below its
/// package, or names a folder that is read as a whole.
fn is_included(tree: &Tree, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let folder = path.rsplit('/').nth(1).unwrap_or("");
    let stem = name.trim_end_matches(".sql");
    let named = |text: &str| {
        text == name || text.ends_with(&format!("/{name}")) || text == stem && !stem.is_empty()
    };
    let in_code = tree.sources.iter().any(|source| {
        source.code().iter().any(|t| {
            t.kind == Kind::Str
                && (named(&t.text) || t.text == format!("{folder}/{stem}"))
                // A macro that joins the folder and the identifier: `statement!(tables)`.
                || t.kind == Kind::Ident && t.text == stem && path.starts_with("crates/")
        })
    });
    let in_scripts = tree.texts.iter().any(|(other, text)| {
        (other.ends_with(".sh") || other.starts_with("scripts/")) && text.contains(name)
    });
    in_code || in_scripts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(files: &[(&str, &str)]) -> Vec<(&'static str, String)> {
        let files = files
            .iter()
            .map(|(p, t)| ((*p).to_owned(), (*t).to_owned()))
            .collect();
        check(&Tree::of(files))
            .into_iter()
            .map(|v| (v.rule, v.path))
            .collect()
    }

    #[test]
    fn statements_are_told_from_prose() {
        for sql in [
            "SELECT 1",
            "\\n  SELECT a FROM b",
            "UPDATE t SET a = 1",
            "BEGIN",
            "BEGIN;",
            "COMMIT",
            "SET lock_timeout = 0",
            "DO $$ BEGIN END $$",
            "select count(*) from t",
            "CREATE_REPLICATION_SLOT x",
        ] {
            assert!(is_statement(sql), "{sql}");
        }
        for prose in [
            "select a table",
            "update the target",
            "COMMITTED",
            "BEGINNING",
            "UPDATE without a key",
            "Set it to logical",
            "with a hint",
            "SETTING",
            "",
        ] {
            assert!(!is_statement(prose), "{prose}");
        }
    }

    #[test]
    fn sql_outside_its_crates_is_found_and_tests_may() {
        let text = "//! D.\nfn f() { q(\"SELECT 1\") }\n#[cfg(test)]\nmod t { fn g() { q(\"SELECT 2\") } }";
        let bad = ("sql-place", "crates/pgl-status/src/run.rs".to_owned());
        assert_eq!(broken(&[("crates/pgl-status/src/run.rs", text)]), [bad]);
        for fine in [
            "crates/pgl-catalog/src/a.rs",
            "crates/pgl-apply/src/a.rs",
            "tests/a.rs",
        ] {
            assert_eq!(broken(&[(fine, text)]), [], "{fine}");
        }
    }

    #[test]
    fn sql_files_speak_and_are_used() {
        let lib = (
            "crates/pgl-catalog/src/lib.rs",
            "const A: &str = include_str!(\"../sql/a.sql\");",
        );
        let good = (
            "crates/pgl-catalog/sql/a.sql",
            "-- One row per table.\nSELECT 1",
        );
        assert_eq!(broken(&[lib, good]), []);
        let silent = ("crates/pgl-catalog/sql/a.sql", "SELECT 1");
        assert_eq!(broken(&[lib, silent])[0].0, "sql-comment");
        let dots = (
            "crates/pgl-catalog/sql/a.sql",
            "-- One row per table…\nSELECT 1",
        );
        assert_eq!(broken(&[lib, dots])[0].0, "sql-ascii");
        let tight = (
            "crates/pgl-catalog/sql/a.sql",
            "-- One row per table.\nSELECT (a ->> 'b') IS NULL, a->'c' ->> 'd' IS NULL",
        );
        assert_eq!(broken(&[lib, tight])[0].0, "sql-old");
        let loose = (
            "crates/pgl-catalog/sql/a.sql",
            "-- One row per table.\nSELECT (a ->> 'b') IS NULL, (a->>'c') IS NOT NULL",
        );
        assert!(broken(&[lib, loose]).is_empty());
        let hidden = (
            "crates/pgl-catalog/sql/a.sql",
            "-- One row per table.\nSELECT 1 FROM a JOIN pg_class c USING (oid)",
        );
        assert_eq!(broken(&[lib, hidden])[0].0, "sql-old");
        let least = (
            "crates/pgl-catalog/sql/a.sql",
            "-- One row per table.\nSELECT min(s.confirmed_flush_lsn)::text FROM s",
        );
        assert_eq!(broken(&[lib, least])[0].0, "sql-old");
        let xml = (
            "crates/pgl-catalog/sql/a.sql",
            "-- One row per table.\nSELECT query_to_xml(s.text, true, false, '') FROM s",
        );
        assert_eq!(broken(&[lib, xml])[0].0, "sql-old");
        let stray = (
            "crates/pgl-catalog/sql/stray.sql",
            "-- One row per table.\nSELECT 1",
        );
        assert_eq!(
            broken(&[lib, good, stray]),
            [("sql-used", stray.0.to_owned())]
        );
    }
}
