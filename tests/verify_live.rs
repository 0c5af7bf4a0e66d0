//! `pgl-verify` while writes go on: writers on the source, a corruptor on the target. Everything
//! that was planted is found, nothing else is reported.

use crate::common::Documented;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pgl_testkit::{PairDb, Tool, shared_pair};
use serde_json::Value;

use crate::verify_gallery::verify;

const TABLES: &str = concat!(
    include_str!("../crates/pgl-apply/sql/own_schema.sql"),
    "
    CREATE TABLE hot (id int PRIMARY KEY, n bigint, note text);
    CREATE TABLE churn (id text PRIMARY KEY, n int);
    CREATE TABLE log (a int, b text);
    CREATE TABLE still (id int PRIMARY KEY, note text);"
);

/// Tables on both sides, replicated by pglogical, with rows in them.
pub(crate) fn replicated(source: u16, target: u16) -> Result<PairDb> {
    replicated_on(shared_pair(source, target)?.database("live")?)
}

/// The same in a database of these servers.
pub(crate) fn replicated_on(db: PairDb) -> Result<PairDb> {
    let dsn = db.source_dsn();
    db.on_source(TABLES)?;
    db.on_target(TABLES)?;
    db.on_source(
        "INSERT INTO hot SELECT k, 0, 'good' FROM generate_series(1, 30000) AS k;
         INSERT INTO churn SELECT 'key ' || k, 0 FROM generate_series(1, 2000) AS k;
         INSERT INTO still SELECT k, 'good' FROM generate_series(1, 1000) AS k;
         CREATE EXTENSION pglogical",
    )?;
    db.on_target("CREATE EXTENSION pglogical")?;
    db.on_source(&format!("SELECT pglogical.create_node('source', '{dsn}')"))?;
    for table in ["pgl.marker", "hot", "churn", "still"] {
        db.on_source(&format!(
            "SELECT pglogical.replication_set_add_table('default', '{table}', true)"
        ))?;
    }
    db.on_source("SELECT pglogical.replication_set_add_table('default_insert_only', 'log', true)")?;
    db.on_target(&format!(
        "SELECT pglogical.create_node('target', '{}')",
        db.target_dsn()
    ))?;
    db.on_target(&format!(
        "SELECT pglogical.create_subscription('moving', '{dsn}')"
    ))?;
    db.target().wait_until(
        db.name(),
        "SELECT count(*) = 5 FROM pglogical.local_sync_status
         WHERE sync_relname IS NOT NULL AND sync_status = 'r'",
        Duration::from_secs(60),
    )?;
    Ok(db)
}

/// Rows 1 to this number of `hot` are written all the time; those above only now and then.
const HOT: u64 = 500;

/// Writes until told to stop: updates, inserts, deletes, key changes, rollbacks, subtransactions.
fn write(db: &PairDb, seed: u64, stop: &AtomicBool, count: &AtomicU64) -> Result<()> {
    let mut client = db.source_client()?;
    let mut state = seed;
    let mut next = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    while !stop.load(Ordering::SeqCst) {
        let (warm, hot, key) = (next(20_000) + 1, next(HOT) + 1, next(2000) + 1);
        let end = if next(20) == 0 { "ROLLBACK" } else { "COMMIT" };
        client.batch_execute(&format!(
            "BEGIN;
             UPDATE hot SET n = n + 1 WHERE id IN ({warm}, {hot});
             SAVEPOINT s; INSERT INTO log VALUES ({warm}, 'entry'); RELEASE s;
             INSERT INTO churn VALUES ('new {seed} {warm} {key}', 1) ON CONFLICT DO NOTHING;
             UPDATE churn SET id = id || 'x' WHERE id = 'key {key}';
             DELETE FROM churn WHERE id LIKE 'key {key}xxx%';
             {end}"
        ))?;
        count.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// `table key` of every row that a document calls different.
fn reported(document: &Value) -> BTreeSet<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut all = BTreeSet::new();
    for table in list(&document["tables"]) {
        for row in list(&table["rows"]) {
            if row["proven"] != true {
                continue;
            }
            let key = match row["key"][0]["value"].as_str() {
                Some(key) => key.to_owned(),
                None => row["columns"][0]["target"]["text"].to_string(),
            };
            all.insert(format!("{} {key}", table["name"].as_str().unwrap_or("")));
        }
    }
    all
}

/// Runs writers while `work` runs; gives how many transactions they did.
fn under_load<T>(db: &PairDb, work: impl FnOnce() -> Result<T>) -> Result<(T, u64)> {
    let stop = AtomicBool::new(false);
    let count = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (1..=2)
            .map(|seed| {
                let (stop, count) = (&stop, &count);
                scope.spawn(move || write(db, seed, stop, count))
            })
            .collect();
        let result = work();
        stop.store(true, Ordering::SeqCst);
        for writer in writers {
            writer
                .join()
                .map_err(|_| anyhow::anyhow!("a writer panicked"))??;
        }
        Ok((result?, count.load(Ordering::SeqCst)))
    })
}

/// Rounds of: verify, plant one more corruption, verify again.
fn soak(db: &PairDb, mode: &[&str], time: Duration) -> Result<()> {
    let mut planted = BTreeSet::new();
    let ((), count) = under_load(db, || {
        let end = Instant::now() + time;
        let mut round = 0;
        while Instant::now() < end || round < 2 {
            round += 1;
            // Above what the writers touch: a write would mend the row.
            let id = 25_000 + round;
            let at = match round % 3 {
                0 => {
                    db.on_target(&format!("DELETE FROM hot WHERE id = {id}"))?;
                    format!("hot {id}")
                }
                1 => {
                    db.on_target(&format!("UPDATE hot SET note = 'bad' WHERE id = {id}"))?;
                    format!("hot {id}")
                }
                _ => {
                    db.on_target(&format!("INSERT INTO still VALUES ({id}, 'extra')"))?;
                    format!("still {id}")
                }
            };
            planted.insert(at);
            let document = verify(db).args(mode).run()?.expect(1)?.document()?;
            let seen = reported(&document);
            ensure!(
                seen == planted,
                "round {round}: missed {:?}, false alarms {:?} in {document:#}",
                planted.difference(&seen).collect::<Vec<_>>(),
                seen.difference(&planted).collect::<Vec<_>>()
            );
        }
        Ok(())
    })?;
    ensure!(count > 50, "only {count} transactions: that was no load");
    Ok(())
}

/// Verifies without a pause while a corruptor plants changes at its own pace. What was planted before a
/// run began must be in its answer, and nothing may be in it that was not planted when it ended.
fn soak_beside(db: &PairDb, mode: &[&str], time: Duration, every: Duration) -> Result<(u64, u64)> {
    let planted = Mutex::new(BTreeSet::new());
    let over = AtomicBool::new(false);
    let plant = |round: u64| -> Result<()> {
        // Above what the writers touch: a write would mend the row.
        let id = 20_500 + round;
        let (sql, at) = match round % 4 {
            0 => (
                format!("DELETE FROM hot WHERE id = {id}"),
                format!("hot {id}"),
            ),
            1 => (
                format!("UPDATE hot SET note = 'bad' WHERE id = {id}"),
                format!("hot {id}"),
            ),
            2 => (
                format!("UPDATE hot SET n = n + 1 WHERE id = {id}"),
                format!("hot {id}"),
            ),
            _ => (
                format!("INSERT INTO still VALUES ({id}, 'extra')"),
                format!("still {id}"),
            ),
        };
        // Held while it is done: a run sees either none of it or all.
        let mut planted = planted.lock().map_err(|_| anyhow::anyhow!("poisoned"))?;
        db.on_target(&sql)?;
        planted.insert(at);
        Ok(())
    };
    let known = || -> Result<BTreeSet<String>> {
        Ok(planted
            .lock()
            .map_err(|_| anyhow::anyhow!("poisoned"))?
            .clone())
    };
    let (runs, transactions) = under_load(db, || {
        std::thread::scope(|scope| {
            let corruptor = scope.spawn(|| -> Result<()> {
                let mut round = 0;
                while !over.load(Ordering::SeqCst) {
                    plant(round)?;
                    round += 1;
                    std::thread::sleep(every);
                }
                Ok(())
            });
            let work = || -> Result<u64> {
                let end = Instant::now() + time;
                let mut runs = 0;
                while Instant::now() < end || runs < 3 {
                    let before = known()?;
                    let outcome = verify(db)
                        .args(mode)
                        .args(["--max-diffs", "100000"])
                        .run()?;
                    // The very first one may be faster than the corruptor.
                    let right = |code| code == 1 || code == 0 && before.is_empty();
                    ensure!(outcome.code().is_some_and(right), "{outcome:?}");
                    let document = outcome.document()?;
                    let (seen, after) = (reported(&document), known()?);
                    ensure!(
                        before.is_subset(&seen) && seen.is_subset(&after),
                        "run {runs}: missed {:?}, false alarms {:?} in {document:#}",
                        before.difference(&seen).collect::<Vec<_>>(),
                        seen.difference(&after).collect::<Vec<_>>()
                    );
                    runs += 1;
                }
                Ok(runs)
            };
            let runs = work();
            over.store(true, Ordering::SeqCst);
            corruptor
                .join()
                .map_err(|_| anyhow::anyhow!("the corruptor panicked"))??;
            runs
        })
    })?;
    // At rest, exactly what was planted.
    let document = verify(db)
        .args(mode)
        .args(["--max-diffs", "100000"])
        .run()?
        .expect(1)?
        .document()?;
    let (seen, planted) = (reported(&document), known()?);
    ensure!(seen == planted, "planted {planted:?}, found {seen:?}");
    Ok((runs, transactions))
}

fn clean_under_load(db: &PairDb, mode: &[&str]) -> Result<Value> {
    let (document, count) = under_load(db, || {
        for _ in 0..2 {
            verify(db).args(mode).run()?.expect(0)?;
        }
        verify(db).args(mode).run()?.expect(0)?.document()
    })?;
    ensure!(count > 30, "only {count} transactions: that was no load");
    Ok(document)
}

#[test]
fn live_finds_what_is_planted_and_nothing_else_13_to_17() -> Result<()> {
    let db = replicated(13, 17)?;
    let document = clean_under_load(&db, &["--mode", "live"])?;
    ensure!(document["mode"] == "live", "{document:#}");
    for table in document["tables"].as_array().context("tables")? {
        ensure!(table["source_lsn"].is_string() && table["applied_lsn"].is_string());
    }
    soak(&db, &["--mode", "auto"], Duration::from_secs(8))?;
    // Nothing of the proof is left on the source. Slots are the whole server's: other tests have theirs.
    db.source().wait_until(
        db.name(),
        "SELECT count(*) = 0 FROM pg_replication_slots
         WHERE slot_name LIKE 'pgl_verify%' AND database = current_database()",
        Duration::from_secs(5),
    )?;
    Ok(())
}

#[test]
fn live_finds_what_is_planted_and_nothing_else_15_to_18() -> Result<()> {
    let db = replicated(15, 18)?;
    clean_under_load(&db, &["--mode", "live"])?;
    soak(&db, &["--mode", "live"], Duration::from_secs(8))
}

/// `PGL_SOAK_SECONDS` makes it a long one.
#[test]
fn live_beside_a_corruptor_finds_all_and_nothing_else() -> Result<()> {
    let seconds = match std::env::var("PGL_SOAK_SECONDS") {
        Ok(text) => text.parse().context("PGL_SOAK_SECONDS")?,
        Err(_) => 15,
    };
    let every = Duration::from_millis(if seconds > 60 { 3000 } else { 700 });
    let db = replicated(13, 17)?;
    let (runs, transactions) = soak_beside(
        &db,
        &["--mode", "live"],
        Duration::from_secs(seconds),
        every,
    )?;
    ensure!(
        runs >= 3 && transactions > 50,
        "{runs} runs beside {transactions} transactions: that proves little"
    );
    Ok(())
}

/// With two subscriptions no single slot tells what is in flight: the second form of live, and it says so.
#[test]
fn several_subscriptions_are_compared_without_decoding() -> Result<()> {
    let db = replicated(15, 18)?;
    let dsn = db.source_dsn();
    db.on_source(
        "CREATE TABLE apart (id int PRIMARY KEY, note text);
         INSERT INTO apart SELECT k, 'good' FROM generate_series(1, 1000) AS k;
         SELECT pglogical.create_replication_set('apart');
         SELECT pglogical.replication_set_add_table('apart', 'apart', true)",
    )?;
    db.on_target("CREATE TABLE apart (id int PRIMARY KEY, note text)")?;
    db.on_target(&format!(
        "SELECT pglogical.create_subscription('apart', '{dsn}', ARRAY['apart'])"
    ))?;
    db.target().wait_until(
        db.name(),
        "SELECT count(*) = 6 FROM pglogical.local_sync_status
         WHERE sync_relname IS NOT NULL AND sync_status = 'r'",
        Duration::from_secs(60),
    )?;
    db.on_target(
        "UPDATE hot SET note = 'bad' WHERE id = 29999; DELETE FROM apart WHERE id = 5;
         INSERT INTO still VALUES (5000, 'extra')",
    )?;
    let (document, count) = under_load(&db, || {
        let outcome = verify(&db).run()?;
        // Rows that kept changing may stay unresolved: then not everything is decided yet.
        ensure!(matches!(outcome.code(), Some(1 | 4)), "{outcome:?}");
        outcome.document()
    })?;
    ensure!(count > 10, "only {count} transactions: that was no load");
    ensure!(document["mode"] == "fenced", "{document:#}");
    let why = document["mode_reason"].as_str().context("a reason")?;
    ensure!(why.contains("several subscriptions"), "{why}");
    let wanted: BTreeSet<String> = ["hot 29999", "apart 5", "still 5000"]
        .map(str::to_owned)
        .into();
    ensure!(reported(&document) == wanted, "{document:#}");
    Ok(())
}

#[test]
fn live_without_a_marker_table_relies_on_the_targets_position() -> Result<()> {
    let db = replicated(15, 18)?;
    db.on_target("DROP TABLE pgl.marker")?;
    db.on_source("SELECT pglogical.replication_set_remove_table('default', 'pgl.marker'); DROP TABLE pgl.marker")?;
    let document = clean_under_load(&db, &["--mode", "live"])?;
    let why = document["mode_reason"].as_str().context("a reason")?;
    ensure!(why.contains("position in place of a marker"), "{why}");
    soak(&db, &["--mode", "live"], Duration::from_secs(4))
}

#[test]
fn a_barrier_is_exact_and_short() -> Result<()> {
    let db = replicated(15, 18)?;
    let document = clean_under_load(&db, &["--mode", "barrier"])?;
    let held = document["barrier_seconds"].as_f64().context("seconds")?;
    ensure!(held < 1.0, "writers waited {held} s");
    soak(&db, &["--mode", "barrier"], Duration::from_secs(4))
}

/// A role that may only read.
#[test]
fn without_decoding_a_restless_row_is_never_called_equal_or_different() -> Result<()> {
    let db = replicated(15, 18)?;
    let role = db.role("reader");
    db.on_source(&format!(
        "CREATE ROLE {role} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
    ))?;
    let reader = db.source().dsn_as(&role, db.name());
    let run = |more: &[&str]| {
        Tool::new(env!("CARGO_BIN_EXE_pgl-verify"))
            .envs(db.env())
            .env("PGL_SOURCE", &reader)
            .args(["--format", "json", "--table", "hot", "--table", "still"])
            .args(more)
            .run()
    };
    db.on_target("UPDATE hot SET note = 'bad' WHERE id = 29999; DELETE FROM still WHERE id = 5")?;
    let (document, _) = under_load(&db, || {
        let outcome = run(&[])?;
        // Rows that kept changing may stay unresolved: then not everything is decided yet.
        ensure!(matches!(outcome.code(), Some(1 | 4)), "{outcome:?}");
        outcome.document()
    })?;
    ensure!(document["mode"] == "fenced", "{document:#}");
    let wanted: BTreeSet<String> = ["hot 29999", "still 5"].map(str::to_owned).into();
    ensure!(reported(&document) == wanted, "{document:#}");
    Ok(())
}

#[test]
fn live_is_refused_where_nothing_relates_the_sides() -> Result<()> {
    let db = shared_pair(15, 18)?.database("unrelated")?;
    for side in ["source", "target"] {
        let table = "CREATE TABLE t (id int PRIMARY KEY)";
        match side {
            "source" => db.on_source(table)?,
            _ => db.on_target(table)?,
        };
    }
    verify(&db).args(["--mode", "live"]).run()?.expect(5)?;
    verify(&db).args(["--mode", "barrier"]).run()?.expect(5)?;
    let document = verify(&db).run()?.expect(0)?.document()?;
    ensure!(document["mode"] == "static", "{document:#}");
    Ok(())
}

/// The log does not show a large value that an UPDATE leaves alone: it is that of the row before.
#[test]
fn a_large_value_in_a_row_that_never_rests_is_compared() -> Result<()> {
    const WIDE: &str = "CREATE TABLE wide (id int PRIMARY KEY, n bigint, big text);
         ALTER TABLE wide ALTER big SET STORAGE EXTERNAL";
    let db = replicated(15, 18)?;
    db.on_source(WIDE)?;
    db.on_target(WIDE)?;
    db.on_source(
        "INSERT INTO wide SELECT k, 0, repeat(k::text, 20000) FROM generate_series(1, 3) AS k;
         SELECT pglogical.replication_set_add_table('default', 'wide', true)",
    )?;
    db.target().wait_until(
        db.name(),
        "SELECT count(*) = 6 FROM pglogical.local_sync_status
         WHERE sync_relname IS NOT NULL AND sync_status = 'r'",
        Duration::from_secs(60),
    )?;
    let stop = AtomicBool::new(false);
    let restless = || -> Result<()> {
        let mut client = db.source_client()?;
        while !stop.load(Ordering::SeqCst) {
            client.batch_execute(
                "UPDATE wide SET n = n + 1; UPDATE wide SET id = -id WHERE id IN (2, -2)",
            )?;
        }
        Ok(())
    };
    let compared = |code| -> Result<Value> {
        let tool = verify(&db).args(["--mode", "live", "--table", "wide"]);
        tool.run()?.expect(code)?.document()
    };
    std::thread::scope(|scope| {
        let writer = scope.spawn(restless);
        let work = || -> Result<()> {
            let document = compared(0)?;
            ensure!(document["tables"][0]["unresolved"] == 0, "{document:#}");
            db.on_target("UPDATE wide SET big = 'x' || big WHERE id = 3")?;
            let document = compared(1)?;
            let table = &document["tables"][0];
            ensure!(table["different"] == 1, "{document:#}");
            // The moment that shows it need not decide the other rows.
            let rows = table["rows"].as_array().context("rows")?;
            let proven: Vec<&Value> = rows.iter().filter(|row| row["proven"] == true).collect();
            ensure!(proven.len() == 1, "{document:#}");
            ensure!(proven[0]["key"][0]["value"] == "3", "{document:#}");
            Ok(())
        };
        let done = work();
        stop.store(true, Ordering::SeqCst);
        let wrote = writer.join();
        ensure!(matches!(wrote, Ok(Ok(()))), "{wrote:?}");
        done
    })
}

/// What the replication has not brought yet is in flight; what it will never bring is not.
#[test]
fn a_stopped_subscription_is_no_difference() -> Result<()> {
    let db = replicated(15, 18)?;
    // Holds the apply worker up: its change of this row waits.
    let mut holder = db.target_client()?;
    holder.batch_execute("BEGIN; UPDATE hot SET n = n WHERE id = 1")?;
    db.on_source("UPDATE hot SET n = 7 WHERE id BETWEEN 1 AND 100")?;
    let outcome = verify(&db)
        .args(["--mode", "live", "--max-wait", "2s"])
        .run()?;
    // Neither equal nor different can be said, nor is anything out of order.
    let document = outcome.expect(4)?.document()?;
    ensure!(document["verdict"] == "not_yet", "{document:#}");
    ensure!(
        document["totals"]["inconclusive"] == document["totals"]["tables"],
        "{document:#}"
    );
    holder.batch_execute("ROLLBACK")?;
    verify(&db).args(["--mode", "live"]).run()?.expect(0)?;
    Ok(())
}

/// A server that allows pglogical's plugin and not the one that decodes for the proof.
#[test]
fn where_no_slot_can_decode_row_versions_do() -> Result<()> {
    let db = replicated(17, 18)?;
    let without = format!(
        "{} options='-c output_plugin_libraries=pgoutput,pglogical_output'",
        db.source_dsn()
    );
    db.on_target("UPDATE still SET note = 'bad' WHERE id = 7")?;
    for mode in ["auto", "live"] {
        let document = Tool::new(env!("CARGO_BIN_EXE_pgl-verify"))
            .envs(db.env())
            .env("PGL_SOURCE", &without)
            .args(["--format", "json", "--mode", mode])
            .run()?
            .expect(1)?
            .document()?;
        ensure!(document["mode"] == "fenced", "{document:#}");
        let why = document["mode_reason"].as_str().context("a reason")?;
        ensure!(why.contains("test_decoding"), "{why}");
        let wanted: BTreeSet<String> = ["still 7"].map(str::to_owned).into();
        ensure!(reported(&document) == wanted, "{document:#}");
    }
    Ok(())
}

/// A transaction that keeps a table of the source locked holds up the slot as well: the run ends with its time and says so.
#[test]
fn a_run_that_waits_for_a_transaction_of_the_source_ends_with_its_time() -> Result<()> {
    let db = replicated(15, 18)?;
    for mode in ["live", "barrier"] {
        let mut client = db.source_client()?;
        let mut holder = client.transaction()?;
        holder.batch_execute("LOCK TABLE still IN ACCESS EXCLUSIVE MODE")?;
        let document = verify(&db)
            .args(["--mode", mode, "--timeout", "10s"])
            .limit(Duration::from_secs(50))
            .run()?
            .expect(4)?
            .document()?;
        let still = document["tables"]
            .as_array()
            .and_then(|all| all.iter().find(|one| one["name"] == "still"));
        ensure!(
            still.is_some_and(|one| one["status"] == "inconclusive" && one["reason"].is_string()),
            "{mode}: {document:#}"
        );
    }
    Ok(())
}
