//! Stored generated columns that the target's version computes with another result: found beforehand, and computed
//! again at the end.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pgl_testkit::{PairDb, Tool, shared_pair};
use serde_json::Value;

use crate::common::Documented;

fn tool(db: &PairDb, path: &str) -> Tool {
    Tool::new(path)
        .envs(db.env())
        .limit(Duration::from_secs(120))
}

/// Object, severity, what and SQL of the findings.
fn findings(document: &Value) -> Vec<(String, String, String, Option<String>)> {
    let all = document["findings"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.filter(|one| one["id"] == "tbl.generated_values")
        .map(|one| {
            (
                text(&one["object"]),
                text(&one["severity"]),
                text(&one["what"]),
                one["manual_sql"].as_str().map(str::to_owned),
            )
        })
        .collect()
}

/// English stems of PostgreSQL 18 are others than those of 17: "added" was "ad" and is "add".
#[test]
fn a_column_that_the_target_computes_with_another_result_is_named_and_made_right() -> Result<()> {
    let db = shared_pair(15, 18)?.database("stems")?;
    db.on_source(
        r#"CREATE TABLE words (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "Text" text, code char(5), price numeric(8, 2),
               stems tsvector GENERATED ALWAYS AS (to_tsvector('english', id::text || ' ' || "Text")) STORED,
               upper text GENERATED ALWAYS AS (upper("Text" || code) COLLATE "C") STORED,
               gross numeric(6, 1) GENERATED ALWAYS AS (price * 1.19) STORED,
               here boolean GENERATED ALWAYS AS ("Text" IS NOT NULL) STORED);
           INSERT INTO words ("Text", code, price)
               SELECT CASE WHEN k % 4 = 0 THEN 'added ' || k WHEN k % 4 <> 1 THEN 'word' END, 'a', k FROM generate_series(1, 400) AS k"#,
    )?;
    let preflight = tool(&db, env!("CARGO_BIN_EXE_pgl-preflight"))
        .args(["--format", "json"])
        .run()?
        .expect(0)?;
    let found = findings(&preflight.document()?);
    let [(object, severity, what, Some(sql))] = &found[..] else {
        anyhow::bail!("{found:#?}");
    };
    ensure!(
        (&**object, &**severity) == ("public.words", "warn"),
        "{found:#?}"
    );
    let expected = "column stems of table public.words has another value on the target in 100 of 400 sampled rows: \
                    <'4':1,3 'ad':2> on the source, <'4':1,3 'add':2> on the target";
    ensure!(what == expected, "{what}");
    tool(&db, env!("CARGO_BIN_EXE_pgl-setup"))
        .args(["--plan", "-", "--no-trial"])
        .stdin(preflight.stdout)
        .run()?
        .expect(0)?;
    db.on_source(r#"UPDATE words SET "Text" = 'adding ' || id WHERE id <= 40"#)?;
    tool(&db, env!("CARGO_BIN_EXE_pgl-status"))
        .args(["--wait-for", "caught-up", "--timeout", "60s"])
        .run()?
        .expect(0)?;
    let verify = || tool(&db, env!("CARGO_BIN_EXE_pgl-verify"));
    let document = verify()
        .args(["--format", "json"])
        .run()?
        .expect(1)?
        .document()?;
    let next = document["tables"][0]["next"].as_str().context("next")?;
    ensure!(next.contains("tbl.generated_values"), "{next}");
    ensure!(
        next.contains("--exclude-column public.words.stems"),
        "{next}"
    );
    verify()
        .args(["--exclude-column", "public.words.stems"])
        .run()?
        .expect(0)?;
    let cutover = tool(&db, env!("CARGO_BIN_EXE_pgl-cutover"))
        .args(["--yes", "--format", "json"])
        .run()?
        .expect(0)?
        .document();
    let notes = cutover?["notes"].to_string();
    ensure!(
        notes.contains("after the promotion") && notes.contains("UPDATE"),
        "{notes}"
    );
    // Rows as the copy wrote them, and rows as the apply worker did.
    let others = r#"SELECT count(*)::text FROM words WHERE stems IS DISTINCT FROM to_tsvector('english', id::text || ' ' || "Text")"#;
    let count = || db.target().value(db.name(), others);
    ensure!(count()? == "40", "{}", count()?);
    db.on_target(sql)?;
    ensure!(count()? == "0", "{}", count()?);
    Ok(())
}

#[test]
fn what_is_not_computed_is_named_with_the_reason() -> Result<()> {
    let db = shared_pair(13, 17)?.database("untried")?;
    let owner = db.role("owner");
    db.on_source(&format!(
        "CREATE ROLE {owner} LOGIN; CREATE SCHEMA s AUTHORIZATION {owner}; SET ROLE {owner};
         CREATE FUNCTION s.own(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1; END';
         CREATE DOMAIN s.word AS text CHECK (s.own(VALUE) <> '');
         CREATE TABLE s.called (v text, g text GENERATED ALWAYS AS (s.own(v)) STORED);
         CREATE TABLE s.constant (v text, g int GENERATED ALWAYS AS (1) STORED);
         CREATE TABLE s.domain (v s.word, g text GENERATED ALWAYS AS (upper(v)) STORED);
         CREATE TABLE s.domain_itself (v text, g s.word GENERATED ALWAYS AS (upper(v)) STORED);
         CREATE TABLE s.empty (v text, g text GENERATED ALWAYS AS (upper(v)) STORED);
         CREATE TABLE s.gone (v text, g tsvector GENERATED ALWAYS AS (to_tsvector('danish', v)) STORED);
         CREATE TABLE s.planned (v text, g text GENERATED ALWAYS AS (upper(v)) STORED);
         CREATE INDEX ON s.planned (v) WHERE s.own('a') = v;
         CREATE TABLE s.system (v text, g oid GENERATED ALWAYS AS (tableoid) STORED);
         INSERT INTO s.gone VALUES ('a'); INSERT INTO s.planned VALUES ('a')"
    ))?;
    // As if the target's version had it no more.
    db.on_target("DELETE FROM pg_ts_config WHERE cfgname = 'danish'")?;
    let document = tool(&db, env!("CARGO_BIN_EXE_pgl-preflight"))
        .args(["--format", "json", "--only", "tbl.generated_values"])
        .run()?
        .expect(0)?
        .document()?;
    let mut found: Vec<_> = findings(&document)
        .into_iter()
        .map(|(object, severity, what, sql)| {
            assert_eq!(sql, None);
            let reason = what.split_once("target: ").map(|(_, why)| why.to_owned());
            (object, severity, reason.unwrap_or(what))
        })
        .collect();
    found.sort();
    let expected = [
        ("s.called", "info", "function s.own(text) is not built in"),
        ("s.constant", "info", "its expression reads no column"),
        ("s.domain", "info", "type s.word is not built in"),
        ("s.domain_itself", "info", "type s.word is not built in"),
        (
            "s.gone",
            "warn",
            "text search configuration \"danish\" does not exist (42704)",
        ),
        (
            "s.planned",
            "info",
            "the planner could run s.own of another owner, which an index or statistics of the table call",
        ),
        (
            "s.system",
            "info",
            "column tableoid of table s.system is not built in",
        ),
    ];
    let expected =
        expected.map(|(table, severity, why)| (table.into(), severity.into(), why.into()));
    ensure!(found == expected, "{found:#?}");
    Ok(())
}
