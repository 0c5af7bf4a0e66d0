//! `pgl-verify` is honest: what was not compared is never called equal, whatever goes wrong.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pgl_testkit::{Pair, PairDb, Signal, Tool, shared_pair};
use serde_json::Value;

use crate::common::Documented;
use crate::verify_gallery::verify;

const TABLES: &str = "
    CREATE TABLE a (id int PRIMARY KEY, v text, w int);
    INSERT INTO a SELECT k, 'v' || k, k FROM generate_series(1, 5000) AS k;
    CREATE TABLE b (id int PRIMARY KEY, v text);
    INSERT INTO b SELECT k, 'v' || k FROM generate_series(1, 5000) AS k;
    CREATE TABLE c (v text);
    INSERT INTO c SELECT 'v' || k % 10 FROM generate_series(1, 500) AS k";

fn both(db: &PairDb, sql: &str) -> Result<()> {
    db.on_source(sql)?;
    db.on_target(sql)?;
    Ok(())
}

fn pair(hint: &str) -> Result<PairDb> {
    let db = shared_pair(15, 18)?.database(hint)?;
    both(&db, TABLES)?;
    Ok(db)
}

fn table<'a>(document: &'a Value, name: &str) -> Result<&'a Value> {
    document["tables"]
        .as_array()
        .and_then(|all| all.iter().find(|one| one["name"] == name))
        .with_context(|| format!("no table {name} in {document:#}"))
}

#[test]
fn the_document_is_what_its_schema_says() -> Result<()> {
    let db = pair("schema")?;
    verify(&db).run()?.expect(0)?.document()?;
    db.on_target("UPDATE a SET v = NULL WHERE id = 7; DELETE FROM c WHERE v = 'v3'")?;
    let document = verify(&db).run()?.expect(1)?.document()?;
    ensure!(document["verdict"] == "no");
    ensure!(
        table(&document, "a")?["columns"][0]["name"] == "v",
        "{document:#}"
    );
    ensure!(table(&document, "c")?["missing"] == 50, "{document:#}");
    ensure!(
        table(&document, "a")?["next"] == "pgl-control resync public.a --yes",
        "{document:#}"
    );
    Ok(())
}

/// With no migration: what both sides have; each side's change is seen, and no statement is run.
#[test]
fn definitions_are_compared_on_request() -> Result<()> {
    let db = pair("definitions")?;
    both(
        &db,
        "CREATE VIEW v AS SELECT id, w FROM a WHERE w > 3; CREATE TYPE r AS RANGE (subtype = float8);
         CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; GRANT ALL ON a TO PUBLIC",
    )?;
    let definitions = |code| -> Result<Value> {
        verify(&db)
            .arg("--definitions")
            .run()?
            .expect(code)?
            .document()
    };
    let document = definitions(0)?;
    ensure!(
        document["definitions"] == serde_json::json!([])
            && document["definitions_since_setup"] == false,
        "{document:#}"
    );
    db.on_source("CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'")?;
    db.on_target("CREATE INDEX only_there ON a (v)")?;
    let document = definitions(1)?;
    ensure!(document["verdict"] == "no" && document["totals"]["different"] == 0);
    let [function, index] = document["definitions"]
        .as_array()
        .map_or(&[][..], Vec::as_slice)
    else {
        anyhow::bail!("{document:#}");
    };
    ensure!(function["object"] == "FUNCTION public.f()" && function["changed"] == "unknown");
    ensure!(index["object"] == "INDEX public.only_there" && index["source"].is_null());
    ensure!(verify(&db).run()?.expect(0)?.document()?["definitions"].is_null());
    let fix = verify(&db)
        .args(["--definitions", "--fix-sql"])
        .run()?
        .expect(1)?;
    ensure!(fix.stdout.contains("SELECT 2"), "{}", fix.stdout);
    db.on_target(&fix.stdout)?;
    // What cannot be compared is not equal.
    let unknown = verify(&db)
        .args(["--definitions", "--pg-bindir", "/nowhere"])
        .run()?
        .expect(3)?;
    ensure!(
        unknown.document()?["definitions_unknown"]
            .to_string()
            .contains("pg_dump")
    );
    verify(&db)
        .args(["--pg-bindir", "/nowhere"])
        .run()?
        .expect(2)?;
    Ok(())
}

#[test]
fn a_table_that_cannot_be_read_is_an_error_by_name() -> Result<()> {
    let db = pair("denied")?;
    let role = db.role("reader");
    db.on_target(&format!(
        "CREATE ROLE {role} LOGIN; GRANT SELECT ON a TO {role}; GRANT SELECT ON c TO {role};
         CREATE POLICY only_v1 ON c USING (v = 'v1'); ALTER TABLE c ENABLE ROW LEVEL SECURITY"
    ))?;
    let reader = db.target().dsn_as(&role, db.name());
    // Also when another table differs: the whole could not be found out.
    db.on_target("UPDATE a SET v = 'x' WHERE id = 1")?;
    let document = verify(&db)
        .env("PGL_TARGET", reader)
        .run()?
        .expect(3)?
        .document()?;
    ensure!(table(&document, "a")?["status"] == "different");
    for (name, why) in [("b", "no permission"), ("c", "row security")] {
        let found = table(&document, name)?;
        let reason = found["reason"].as_str().unwrap_or("");
        ensure!(
            found["status"] == "error" && reason.contains(why),
            "{found:#}"
        );
    }
    Ok(())
}

/// Tables large enough for the second pass: with a key of two columns, and without one.
#[test]
fn rows_of_large_tables_are_found_by_bucket() -> Result<()> {
    let db = shared_pair(13, 17)?.database("large")?;
    both(
        &db,
        "CREATE TABLE keyed (a text, b int8, v numeric, PRIMARY KEY (a, b));
         INSERT INTO keyed SELECT 'k' || k % 7, k, k / 8.0 FROM generate_series(1, 30000) AS k;
         CREATE TABLE keyless (v text, w int);
         INSERT INTO keyless SELECT 'v' || k % 9000, k % 9000 FROM generate_series(1, 27000) AS k",
    )?;
    for digest in ["auto", "md5", "client"] {
        let run = || verify(&db).args(["--digest", digest]).run();
        run()?.expect(0)?;
        // Values exchanged between two rows, one row gone, one row doubled instead of another.
        db.on_target(
            "UPDATE keyed SET v = CASE b WHEN 77 THEN 78 / 8.0 ELSE 77 / 8.0 END WHERE b IN (77, 78);
             DELETE FROM keyed WHERE b = 12345;
             UPDATE keyless SET v = 'v1', w = 1
             WHERE ctid = (SELECT min(ctid) FROM keyless WHERE v = 'v4321')",
        )?;
        let document = run()?.expect(1)?.document()?;
        let keyed = table(&document, "keyed")?;
        ensure!(
            keyed["different"] == 2 && keyed["missing"] == 1 && keyed["extra"] == 0,
            "{digest}: {keyed:#}"
        );
        let keyless = table(&document, "keyless")?;
        ensure!(
            keyless["missing"] == 1 && keyless["extra"] == 1 && keyless["counts_exact"] == true,
            "{digest}: {keyless:#}"
        );
        db.on_target(
            "UPDATE keyed SET v = b / 8.0 WHERE b IN (77, 78);
             INSERT INTO keyed VALUES ('k' || 12345 % 7, 12345, 12345 / 8.0);
             UPDATE keyless SET v = 'v4321', w = 4321
             WHERE ctid = (SELECT max(ctid) FROM keyless WHERE v = 'v1')",
        )?;
    }
    Ok(())
}

#[test]
fn nothing_selected_proves_nothing() -> Result<()> {
    let db = pair("nothing")?;
    verify(&db).args(["--table", "no_such"]).run()?.expect(2)?;
    let three = format!("{}.public.a", db.name());
    let refused = verify(&db).args(["--table", &three]).run()?.expect(2)?;
    ensure!(
        refused.stderr.contains("without a database"),
        "{}",
        refused.stderr
    );
    // Source and target must not be the same database.
    verify(&db)
        .env("PGL_TARGET", db.source_dsn())
        .run()?
        .expect(5)?;
    verify(&db)
        .env("PGL_TARGET", "host=127.0.0.1 port=1 dbname=x")
        .run()?
        .expect(3)?;
    verify(&db).args(["--where", "id < 5"]).run()?.expect(2)?;
    // A condition that no row meets; one that a single row meets, wherever it is, is a comparison.
    for counts in [&[][..], &["--counts-only"]] {
        let none = verify(&db)
            .args(["--table", "a", "--table", "b", "--where", "id = 0"])
            .args(counts)
            .run()?
            .expect(3)?
            .document()?;
        for name in ["a", "b"] {
            ensure!(table(&none, name)?["status"] == "skipped", "{none:#}");
            ensure!(
                table(&none, name)?["reason"]
                    .as_str()
                    .is_some_and(|why| why.contains("no row")),
                "{none:#}"
            );
        }
    }
    db.on_target("INSERT INTO a VALUES (0, 'x', 0)")?;
    verify(&db)
        .args(["--table", "a", "--where", "id = 0"])
        .run()?
        .expect(1)?;
    Ok(())
}

#[test]
fn columns_conditions_and_counts() -> Result<()> {
    let db = pair("part")?;
    db.on_target("UPDATE a SET w = -1 WHERE id IN (10, 4000)")?;
    verify(&db).run()?.expect(1)?;
    verify(&db)
        .args(["--exclude-column", "a.w"])
        .run()?
        .expect(0)?;
    verify(&db).args(["--columns", "v"]).run()?.expect(0)?;
    verify(&db)
        .args(["--columns", "w", "--table", "a"])
        .run()?
        .expect(1)?;
    verify(&db)
        .args(["--table", "a", "--where", "id BETWEEN 100 AND 200"])
        .run()?
        .expect(0)?;
    let some = verify(&db)
        .args(["--table", "a", "--where", "id < 100"])
        .run()?
        .expect(1)?
        .document()?;
    ensure!(table(&some, "a")?["different"] == 1 && table(&some, "a")?["source_rows"] == 99);
    let counted = verify(&db)
        .arg("--counts-only")
        .run()?
        .expect(0)?
        .document()?;
    ensure!(counted["scope"]["counts_only"] == true, "{counted:#}");
    // What was not compared is not called the same; a name that nothing has is no selection of nothing.
    for (args, last) in [
        (
            &["--counts-only"][..],
            "3 tables: the same number of rows on both sides; contents were not compared",
        ),
        (
            &["--columns", "v", "--table", "a"],
            "1 table: the rows are the same on both sides in columns v",
        ),
        (
            &["--table", "a", "--where", "id = 1"],
            "1 table: the rows that meet \"id = 1\" are the same on both sides; others were not compared",
        ),
        (&["--table", "b"], "1 table: both sides hold the same rows"),
    ] {
        let text = Tool::new(env!("CARGO_BIN_EXE_pgl-verify"))
            .envs(db.env())
            .args(["--format", "text"])
            .args(args)
            .run()?
            .expect(0)?;
        let said = text.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        ensure!(said.ends_with(last), "{args:?}: {}", text.stdout);
    }
    for args in [["--columns", "typo"], ["--exclude-column", "a.typo"]] {
        let refused = verify(&db).args(args).run()?.expect(2)?;
        ensure!(refused.stderr.contains("typo"), "{}", refused.stderr);
    }
    // What does not follow from the row alone is refused before anything is asked of a server.
    for (condition, why) in [
        ("id < 10) or (true", "closing parenthesis"),
        (r"note = E'\156'", "without their codes"),
    ] {
        let refused = verify(&db)
            .env("PGL_TARGET", "host=127.0.0.1 port=1")
            .args(["--table", "a", "--where", condition])
            .run()?
            .expect(2)?;
        ensure!(refused.stderr.contains(why), "{}", refused.stderr);
    }
    let redacted = verify(&db)
        .args(["--redact", "--table", "a"])
        .run()?
        .expect(1)?;
    ensure!(!redacted.stdout.contains("\"-1\""), "{}", redacted.stdout);
    Ok(())
}

#[test]
fn the_statements_printed_mend_the_target() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18)] {
        let db = shared_pair(source, target)?.database("mend")?;
        both(&db, TABLES)?;
        both(
            &db,
            "CREATE TABLE d (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text, n numeric,
                f float8, b bytea, g int GENERATED ALWAYS AS (1) STORED, c char(5), a text[]);
             INSERT INTO d (t, n, f, b, c, a) SELECT E'it''s \\\\ ' || k, k / 3.0, k / 7.0, decode(md5(k::text), 'hex'), 'c', ARRAY['x', NULL]
                FROM generate_series(1, 100) AS k",
        )?;
        db.on_target(
            "UPDATE a SET v = NULL WHERE id = 7; DELETE FROM a WHERE id = 8; INSERT INTO a VALUES (9000, 'x', 1);
             DELETE FROM c WHERE ctid = (SELECT min(ctid) FROM c WHERE v = 'v3');
             INSERT INTO c VALUES ('v4'), ('new');
             DELETE FROM d WHERE id = 5; UPDATE d SET f = 0, t = 'x', c = 'y', a = '{}' WHERE id = 6;
             INSERT INTO d (t) VALUES ('extra')",
        )?;
        let fix = verify(&db).arg("--fix-sql").run()?.expect(1)?;
        db.on_target(&fix.stdout)?;
        verify(&db).run()?.expect(0)?;
    }
    Ok(())
}

#[test]
fn a_killed_run_goes_on_where_it_was() -> Result<()> {
    let db = pair("resume")?;
    both(
        &db,
        "CREATE TABLE big (id int PRIMARY KEY, v text);
         INSERT INTO big SELECT k, repeat('x', 1000) FROM generate_series(1, 5000) AS k",
    )?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("done").to_string_lossy().into_owned();
    // The largest table goes first; after it the small ones wait for their share of the rate.
    let running = verify(&db)
        .args(["--resume", &file, "--throttle", "4MB", "--jobs", "1"])
        .start()?;
    let mut kept = String::new();
    for _ in 0..300 {
        kept = std::fs::read_to_string(&file).unwrap_or_default();
        if kept.contains("\"big\"") {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    running.kill9()?;
    ensure!(kept.contains("\"big\""), "nothing was kept: {kept}");
    let copies = [format!("{file}.1"), format!("{file}.2")];
    for copy in &copies {
        std::fs::copy(&file, copy)?;
    }
    // What is taken from the file is not looked at again: the damage since then is not seen, and the answer says so.
    db.on_target("DELETE FROM big WHERE id = 1")?;
    let document = verify(&db)
        .args(["--resume", &file])
        .run()?
        .expect(0)?
        .document()?;
    ensure!(document["totals"]["identical"] == 4, "{document:#}");
    let big = table(&document, "big")?;
    ensure!(big["resumed_from"].is_string(), "{big:#}");
    let text = Tool::new(env!("CARGO_BIN_EXE_pgl-verify"))
        .envs(db.env())
        .args(["--resume", &copies[0], "--format", "text"])
        .run()?
        .expect(0)?
        .stdout;
    ensure!(text.contains("not looked at again (--resume)"), "{text}");
    // A table that was emptied or rewritten meanwhile is another one.
    db.on_target("TRUNCATE big")?;
    let document = verify(&db)
        .args(["--resume", &copies[1]])
        .run()?
        .expect(1)?
        .document()?;
    ensure!(table(&document, "big")?["missing"] == 5000, "{document:#}");
    // That run came to its end: the next one takes nothing from it.
    verify(&db).args(["--resume", &file]).run()?.expect(1)?;
    // Another way to compare is another comparison.
    verify(&db)
        .args(["--resume", &file, "--digest", "client"])
        .run()?
        .expect(1)?;
    Ok(())
}

#[test]
fn the_file_to_resume_from_is_of_these_databases_or_left_alone() -> Result<()> {
    let (db, other) = (pair("own")?, pair("foreign")?);
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("plan.json");
    std::fs::write(&path, "{\"schema\": \"pgl.preflight/1\"}\n")?;
    let file = path.to_string_lossy().into_owned();
    let run = |db: &PairDb, file: &str| verify(db).args(["--resume", file]).run();
    run(&db, &file)?.expect(2)?;
    ensure!(std::fs::read_to_string(&path)? == "{\"schema\": \"pgl.preflight/1\"}\n");
    run(&db, "/dev/full")?.expect(2)?;
    std::fs::remove_file(&path)?;
    run(&db, &file)?.expect(0)?;
    let refused = run(&other, &file)?.expect(2)?;
    ensure!(
        refused.stderr.contains("other databases"),
        "{}",
        refused.stderr
    );
    Ok(())
}

/// A table that the plan names and neither side has is no table that was compared.
#[test]
fn a_planned_table_that_neither_side_has_is_an_error_by_name() -> Result<()> {
    let db = pair("gone")?;
    let found = Tool::new(env!("CARGO_BIN_EXE_pgl-preflight"))
        .envs(db.env())
        .args(["--format", "json"])
        .run()?;
    let mut plan = found.json()?;
    (plan["verdict"], plan["findings"]) = ("ok".into(), Value::Array(Vec::new()));
    both(&db, "DROP TABLE b")?;
    let document = verify(&db)
        .args(["--plan", "-"])
        .stdin(plan.to_string())
        .run()?
        .expect(3)?
        .document()?;
    let reason = table(&document, "b")?["reason"].as_str().unwrap_or("");
    ensure!(reason.contains("neither side has it"), "{document:#}");
    Ok(())
}

#[test]
fn lost_connections_and_restarts_are_survived() -> Result<()> {
    let mut pair = Pair::start(15, 18)?;
    pair.createdb("x")?;
    let sql = "CREATE TABLE t (id int PRIMARY KEY, v text);
        INSERT INTO t SELECT k, repeat('x', 500) FROM generate_series(1, 40000) AS k";
    pair.source.sql("x", sql)?;
    pair.target.sql("x", sql)?;
    let env = pair.env("x");
    let start = || {
        Tool::new(env!("CARGO_BIN_EXE_pgl-verify"))
            .envs(env.clone())
            .args(["--format", "json", "--throttle", "8MB"])
            .start()
    };
    let running = start()?;
    let mut ended = 0;
    for _ in 0..40 {
        std::thread::sleep(Duration::from_millis(50));
        for cluster in [&pair.source, &pair.target] {
            let rows = cluster.sql(
                "x",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgl-verify'",
            )?;
            ended += rows.len();
        }
        if ended > 2 {
            break;
        }
    }
    ensure!(ended > 0, "no session was there to end");
    let outcome = running.wait(Duration::from_secs(60))?;
    // The sessions that read the catalog at the start may be hit as well: then it says so.
    ensure!(matches!(outcome.code(), Some(0 | 3)), "{outcome:?}");
    // Rows are to be read, which the lock keeps from happening: before that a restart may end the run.
    let mut holder = pair.source.client("x")?;
    holder.batch_execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE")?;
    let running = start()?;
    pair.source.wait_until(
        "x",
        r#"SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'pgl-verify' AND wait_event_type = 'Lock'
            AND query ~ 'FROM (ONLY )?"?public"?\."?t\M')"#,
        Duration::from_secs(60),
    )?;
    pair.source.restart()?;
    running.wait(Duration::from_secs(90))?.expect(0)?;
    Ok(())
}

#[test]
fn time_limits_and_signals_end_it_without_a_verdict() -> Result<()> {
    let db = pair("limits")?;
    both(
        &db,
        "INSERT INTO b SELECT k, repeat('x', 1000) FROM generate_series(5001, 12000) AS k",
    )?;
    let outcome = verify(&db)
        .args(["--throttle", "1MB", "--timeout", "5s"])
        .run()?
        .expect(4)?;
    let document = outcome.document()?;
    ensure!(document["verdict"] == "not_yet", "{document:#}");
    ensure!(document["totals"]["tables"] == 3, "{document:#}");
    // What was proven until then stays proven: a table that one side lacks is known at once.
    db.on_target("CREATE TABLE only_here (id int)")?;
    verify(&db)
        .args(["--throttle", "1MB", "--timeout", "5s"])
        .run()?
        .expect(1)?;
    db.on_target("DROP TABLE only_here")?;
    let running = verify(&db).args(["--throttle", "1MB"]).start()?;
    std::thread::sleep(Duration::from_millis(1000));
    running.signal(Signal::INT)?;
    running.wait(Duration::from_secs(60))?.expect(130)?;
    Ok(())
}

/// A table that somebody has locked keeps no other from being compared, and no run beyond its time.
#[test]
fn a_locked_table_is_named_when_the_time_is_over() -> Result<()> {
    let db = pair("locked")?;
    for mut client in [db.source_client()?, db.target_client()?] {
        let mut holder = client.transaction()?;
        holder.batch_execute("LOCK TABLE a IN ACCESS EXCLUSIVE MODE")?;
        let outcome = verify(&db)
            .args(["--timeout", "10s"])
            .limit(Duration::from_secs(50))
            .run()?
            .expect(4)?;
        let document = outcome.document()?;
        let a = table(&document, "a")?;
        ensure!(a["status"] == "inconclusive", "{document:#}");
        let reason = a["reason"].as_str().unwrap_or_default();
        ensure!(
            reason.contains("public.a") && reason.contains("time given ran out"),
            "{document:#}"
        );
        for other in ["b", "c"] {
            ensure!(
                table(&document, other)?["status"] == "identical",
                "{document:#}"
            );
        }
    }
    Ok(())
}

#[test]
fn records_come_as_tables_finish_and_a_summary_closes() -> Result<()> {
    let db = pair("stream")?;
    let tool = || Tool::new(env!("CARGO_BIN_EXE_pgl-verify")).envs(db.env());
    let outcome = tool().args(["--format", "ndjson"]).run()?.expect(0)?;
    let lines = outcome.ndjson()?;
    let kinds: Vec<&str> = lines.iter().filter_map(|l| l["type"].as_str()).collect();
    ensure!(
        kinds == ["table", "table", "table", "totals", "summary"],
        "{kinds:?}"
    );
    let csv = tool().args(["--format", "csv"]).run()?.expect(0)?;
    ensure!(csv.stdout.lines().count() == 4, "{}", csv.stdout);
    Ok(())
}
