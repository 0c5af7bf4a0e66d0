//! `pgl-verify` where its answer was once wrong: rows that are written all the time, tables that are truncated or
//! rewritten while they are read, replication that does not run; and what it keeps others waiting for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pgl_testkit::{Outcome, PairDb, Running};
use serde_json::Value;

use crate::common::Documented;
use crate::verify_gallery::verify;
use crate::verify_live::replicated;

fn table<'a>(document: &'a Value, name: &str) -> Result<&'a Value> {
    document["tables"]
        .as_array()
        .and_then(|all| all.iter().find(|one| one["name"] == name))
        .with_context(|| format!("no table {name} in {document:#}"))
}

/// A table on both sides, in a replication set.
fn add(db: &PairDb, table: &str, definition: &str, set: &str) -> Result<()> {
    db.on_source(definition)?;
    db.on_target(definition)?;
    db.on_source(&format!(
        "SELECT pglogical.replication_set_add_table('{set}', '{table}')"
    ))?;
    Ok(())
}

/// Waits until the target has everything that the source has committed so far.
pub(crate) fn caught_up(db: &PairDb) -> Result<()> {
    let row = db.on_source(
        "INSERT INTO pgl.marker VALUES ('test', clock_timestamp()::text, now())
         ON CONFLICT (name) DO UPDATE SET token = excluded.token RETURNING token",
    )?;
    let token = row[0][0].clone().context("a token")?;
    db.target().wait_until(
        db.name(),
        &format!("SELECT count(*) = 1 FROM pgl.marker WHERE name = 'test' AND token = '{token}'"),
        Duration::from_secs(30),
    )
}

/// Runs a statement on the source again and again, with a pause, while `work` runs.
fn beside<T>(
    db: &PairDb,
    sql: &str,
    every: Duration,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| -> Result<u64> {
            let mut client = db.source_client()?;
            let mut count = 0;
            while !over.load(Ordering::SeqCst) {
                client.batch_execute(sql)?;
                count += 1;
                std::thread::sleep(every);
            }
            Ok(count)
        });
        let result = work();
        over.store(true, Ordering::SeqCst);
        let count = writer
            .join()
            .map_err(|_| anyhow::anyhow!("the writer panicked"))??;
        let result = result?;
        ensure!(count > 5, "only {count} writes: that was no load");
        Ok(result)
    })
}

const LOGGED: &str =
    "INSERT INTO log SELECT k % 5, 'entry ' || k % 5 FROM generate_series(1, 2000) AS k";

/// The row that is missing is inserted anew all the time: two snapshots of different moments show the same number of it now
/// and then.
#[test]
fn a_missing_duplicate_is_found_while_its_like_is_inserted() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18)] {
        let db = replicated(source, target)?;
        db.on_source(LOGGED)?;
        caught_up(&db)?;
        let insert = "INSERT INTO log VALUES (3, 'entry 3')";
        for every in [15, 60] {
            beside(&db, insert, Duration::from_millis(every), || {
                for _ in 0..4 {
                    verify(&db).args(["--table", "log"]).run()?.expect(0)?;
                }
                Ok(())
            })?;
        }
        db.on_target("DELETE FROM log WHERE ctid = (SELECT min(ctid) FROM log WHERE a = 3)")?;
        for every in [15, 60, 120] {
            beside(&db, insert, Duration::from_millis(every), || {
                for _ in 0..5 {
                    let document = verify(&db)
                        .args(["--table", "log", "--mode", "live"])
                        .run()?
                        .expect(1)?
                        .document()?;
                    let log = table(&document, "log")?;
                    ensure!(log["missing"] == 1 && log["extra"] == 0, "{log:#}");
                }
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// A trigger keeps the target's row as it is: it is right whenever the source happens to have that value.
#[test]
fn a_row_that_changes_to_and_fro_is_found_where_the_target_does_not_follow() -> Result<()> {
    let db = replicated(15, 18)?;
    db.on_target(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.note := ''good''; RETURN NEW; END';
         CREATE TRIGGER keep BEFORE UPDATE ON still FOR EACH ROW WHEN (NEW.id = 7) EXECUTE FUNCTION keep();
         ALTER TABLE still ENABLE REPLICA TRIGGER keep",
    )?;
    let toggle =
        "UPDATE still SET note = CASE note WHEN 'good' THEN 'other' ELSE 'good' END WHERE id = 7";
    beside(&db, toggle, Duration::from_millis(50), || {
        for run in 0..10 {
            let document = verify(&db)
                .args(["--table", "still", "--mode", "live"])
                .run()?
                .expect(1)?
                .document()?;
            let still = table(&document, "still")?;
            ensure!(
                still["different"] == 1 && still["missing"] == 0 && still["extra"] == 0,
                "run {run}: {still:#}"
            );
            ensure!(still["rows"][0]["key"][0]["value"] == "7", "{still:#}");
        }
        Ok(())
    })
}

/// A healthy row that is written far more often than anybody can look is equal, not unresolved.
#[test]
fn a_row_that_is_never_left_alone_is_still_decided() -> Result<()> {
    let db = replicated(15, 18)?;
    let hot = "UPDATE hot SET n = n + 1 WHERE id = 7";
    beside(&db, hot, Duration::ZERO, || {
        for _ in 0..3 {
            verify(&db).args(["--mode", "live"]).run()?.expect(0)?;
        }
        Ok(())
    })
}

/// Starts a comparison of a table that takes a while: each row that is read costs some milliseconds.
fn slowly(db: &PairDb, mode: &str, more: &[&str]) -> Result<Running> {
    verify(db)
        .args(["--mode", mode, "--table", "slow", "--jobs", "2"])
        .args(["--where", "pg_catalog.pg_sleep(0.004) IS NOT NULL"])
        .args(more)
        .limit(Duration::from_secs(120))
        .start()
}

const READING: &str = "SELECT count(*) > 0 FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'pgl-verify' AND query LIKE '%\"slow\"%pg_sleep%'
        AND state = 'active' AND wait_event = 'PgSleep'";

/// Waits until a side is being read.
fn reading(db: &PairDb, side: &str) -> Result<()> {
    let cluster = if side == "source" {
        db.source()
    } else {
        db.target()
    };
    cluster.wait_until(db.name(), READING, Duration::from_secs(30))
}

fn slow_table(db: &PairDb) -> Result<()> {
    let rows = "CREATE TABLE slow (id int PRIMARY KEY, v int);
        INSERT INTO slow SELECT k, k FROM generate_series(1, 1000) AS k";
    add(db, "slow", rows, "default")
}

fn done(running: Running, code: i32) -> Result<Value> {
    let outcome: Outcome = running.wait(Duration::from_secs(120))?;
    outcome.expect(code)?.document()
}

/// TRUNCATE and rewrites are not seen by old snapshots: what was read then is nothing, on both sides alike.
#[test]
fn a_table_that_is_rewritten_while_it_is_read_is_read_again() -> Result<()> {
    let db = replicated(15, 18)?;
    slow_table(&db)?;
    let extra = "INSERT INTO slow VALUES (5000, 1)";
    db.on_target(extra)?;
    for mode in ["live", "barrier"] {
        for side in ["source", "target"] {
            let running = slowly(&db, mode, &[])?;
            reading(&db, side)?;
            let rewrite = "ALTER TABLE slow ALTER v TYPE int USING v + 0";
            match side {
                "source" => db.on_source(rewrite)?,
                _ => db.on_target(rewrite)?,
            };
            let document = done(running, 1)?;
            let slow = table(&document, "slow")?;
            ensure!(
                slow["source_rows"] == 1000 && slow["target_rows"] == 1001 && slow["extra"] == 1,
                "{mode}, {side}: {slow:#}"
            );
        }
    }
    Ok(())
}

/// A table that is loaded anew again and again is never called different for that.
#[test]
fn a_table_that_is_reloaded_all_the_time_is_no_difference() -> Result<()> {
    let db = replicated(15, 18)?;
    let rows = "CREATE TABLE reload (id int PRIMARY KEY, v int);
        INSERT INTO reload SELECT k, k FROM generate_series(1, 500) AS k";
    add(&db, "reload", rows, "default")?;
    let reload = "BEGIN; TRUNCATE reload; INSERT INTO reload SELECT k, k FROM generate_series(1, 500) AS k; COMMIT";
    beside(&db, reload, Duration::from_millis(150), || {
        for mode in ["live", "barrier"] {
            for run in 0..4 {
                let outcome = verify(&db)
                    .args(["--table", "reload", "--mode", mode])
                    .run()?;
                // It may take longer to read it than it lasts; then nothing is said of it.
                ensure!(
                    matches!(outcome.code(), Some(0 | 4)),
                    "{mode}, run {run}: {outcome:?}"
                );
                let document = outcome.document()?;
                let found = table(&document, "reload")?;
                ensure!(
                    found["status"] == "inconclusive" || found["source_rows"] == 500,
                    "{mode}, run {run}: {found:#}"
                );
            }
        }
        Ok(())
    })?;
    caught_up(&db)?;
    verify(&db).args(["--table", "reload"]).run()?.expect(0)?;
    Ok(())
}

/// How long a statement of the source takes.
fn timed(db: &PairDb, sql: &str) -> Result<Duration> {
    let start = Instant::now();
    db.on_source(sql)?;
    Ok(start.elapsed())
}

/// Nobody waits for a comparison: neither for a table that has been read, nor for one that is being read, nor the apply worker
/// with a replicated TRUNCATE.
#[test]
fn truncate_does_not_wait_for_a_comparison() -> Result<()> {
    let db = replicated(15, 18)?;
    slow_table(&db)?;
    add(
        &db,
        "early",
        "CREATE TABLE early (id int PRIMARY KEY)",
        "default",
    )?;
    db.on_source("INSERT INTO early VALUES (1)")?;
    caught_up(&db)?;
    for mode in ["live", "barrier"] {
        let running = slowly(&db, mode, &["--table", "early"])?;
        reading(&db, "source")?;
        reading(&db, "target")?;
        // No lock is left of what has been read, and none is kept for the snapshots.
        let locks = "SELECT count(*) = 0 FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation
            JOIN pg_stat_activity AS a ON a.pid = l.pid
            WHERE a.datname = current_database() AND a.application_name = 'pgl-verify' AND a.state <> 'active'
                AND c.relname IN ('early', 'marker')";
        db.source()
            .wait_until(db.name(), locks, Duration::from_secs(5))?;
        db.target()
            .wait_until(db.name(), locks, Duration::from_secs(5))?;
        let mut waited = timed(&db, "TRUNCATE early; INSERT INTO early VALUES (2)")?;
        waited = waited.max(timed(
            &db,
            "TRUNCATE slow; INSERT INTO slow SELECT k, k FROM generate_series(1, 100) AS k",
        )?);
        ensure!(
            waited < Duration::from_secs(3),
            "{mode}: TRUNCATE waited {waited:?}"
        );
        // Reading the target's 1,000 rows takes 4 seconds; the replicated TRUNCATE is there before.
        let start = Instant::now();
        caught_up(&db)?;
        ensure!(
            start.elapsed() < Duration::from_secs(3),
            "{mode}: the apply worker waited {:?}",
            start.elapsed()
        );
        let document = done(running, 0)?;
        ensure!(
            table(&document, "slow")?["source_rows"] == 100,
            "{document:#}"
        );
        db.on_source("INSERT INTO slow SELECT k, k FROM generate_series(101, 1000) AS k")?;
        caught_up(&db)?;
    }
    Ok(())
}

/// A subscription that does not run: what the source writes is no difference, and no plain comparison is made of it.
#[test]
fn a_disabled_subscription_is_refused() -> Result<()> {
    let db = replicated(15, 18)?;
    db.on_target("SELECT pglogical.alter_subscription_disable('moving', true)")?;
    db.on_source("UPDATE still SET note = 'new'")?;
    for mode in ["auto", "live", "barrier"] {
        let outcome = verify(&db).args(["--mode", mode]).run()?.expect(5)?;
        ensure!(
            outcome
                .stderr
                .contains("subscription moving of the target is disabled")
                && outcome
                    .stderr
                    .contains("alter_subscription_enable('moving')"),
            "{outcome:?}"
        );
    }
    verify(&db).args(["--mode", "static"]).run()?.expect(1)?;
    db.on_target("SELECT pglogical.alter_subscription_enable('moving', true)")?;
    verify(&db).run()?.expect(0)?;
    Ok(())
}

/// Writes blocked by a setting of the database, as by hand or by a script: the comparison does not need to write.
#[test]
fn a_read_only_database_is_compared() -> Result<()> {
    let db = replicated(15, 18)?;
    let set = |value: &str| {
        format!(
            "ALTER DATABASE \"{}\" SET default_transaction_read_only = {value}",
            db.name()
        )
    };
    db.on_source(&set("on"))?;
    db.on_target(&set("on"))?;
    verify(&db).run()?.expect(0)?;
    let mut client = db.target_client()?;
    client.batch_execute("SET default_transaction_read_only = off")?;
    client.batch_execute("UPDATE still SET note = 'bad' WHERE id = 7")?;
    let document = verify(&db)
        .args(["--mode", "live"])
        .run()?
        .expect(1)?
        .document()?;
    ensure!(table(&document, "still")?["different"] == 1, "{document:#}");
    Ok(())
}

/// Without the right to decode: a difference of a table that nobody writes is found, with or without a key, and one of
/// a table that is written is not made up.
#[test]
fn without_decoding_cold_tables_are_decided_and_hot_ones_are_not_guessed() -> Result<()> {
    let db = replicated(15, 18)?;
    let role = db.role("reader");
    db.on_source(&format!(
        "CREATE TABLE cold (a int, b text); INSERT INTO cold SELECT k % 50, 'x' FROM generate_series(1, 500) AS k;
         CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES;
         CREATE ROLE {role} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
    ))?;
    db.on_target(
        "CREATE TABLE cold (a int, b text); INSERT INTO cold SELECT k % 50, 'x' FROM generate_series(1, 500) AS k;
         CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES;
         DELETE FROM cold WHERE ctid = (SELECT min(ctid) FROM cold WHERE a = 7);
         DELETE FROM still WHERE id = 5; INSERT INTO still VALUES (5000, 'extra')",
    )?;
    let reader = db.source().dsn_as(&role, db.name());
    let writes = "UPDATE hot SET n = n + 1 WHERE id % 100 = 1; INSERT INTO log VALUES (1, 'entry')";
    beside(&db, writes, Duration::from_millis(20), || {
        for _ in 0..2 {
            let outcome = verify(&db).env("PGL_SOURCE", &reader).run()?;
            ensure!(matches!(outcome.code(), Some(1 | 4)), "{outcome:?}");
            let document = outcome.document()?;
            ensure!(document["mode"] == "fenced", "{document:#}");
            let status = |name: &str| -> Result<String> {
                Ok(table(&document, name)?["status"]
                    .as_str()
                    .unwrap_or("")
                    .to_owned())
            };
            ensure!(
                status("cold")? == "different" && status("still")? == "different",
                "{document:#}"
            );
            let cold = table(&document, "cold")?;
            ensure!(cold["missing"] == 1 && cold["extra"] == 0, "{cold:#}");
            ensure!(
                status("nothing")? == "identical" && status("churn")? == "identical",
                "{document:#}"
            );
            for name in ["hot", "log"] {
                ensure!(status(name)? != "different", "{document:#}");
            }
        }
        Ok(())
    })
}

/// A table without columns has nothing but a number of rows.
#[test]
fn a_table_without_columns_is_counted_while_rows_come() -> Result<()> {
    let db = replicated(15, 18)?;
    add(
        &db,
        "nothing",
        "CREATE TABLE nothing ()",
        "default_insert_only",
    )?;
    let insert = "INSERT INTO nothing DEFAULT VALUES";
    beside(&db, insert, Duration::from_millis(30), || {
        for _ in 0..3 {
            verify(&db)
                .args(["--table", "nothing", "--mode", "live"])
                .run()?
                .expect(0)?;
        }
        db.on_target("INSERT INTO nothing DEFAULT VALUES")?;
        for _ in 0..3 {
            let document = verify(&db)
                .args(["--table", "nothing", "--mode", "live"])
                .run()?
                .expect(1)?
                .document()?;
            ensure!(table(&document, "nothing")?["extra"] == 1, "{document:#}");
        }
        Ok(())
    })
}
