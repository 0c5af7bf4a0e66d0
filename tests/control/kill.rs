//! `kill -9` in the middle: nothing is half done for good, replication goes on, and the same command
//! again comes to the same end.

use std::time::Duration;

use anyhow::{Result, ensure};
use pgl_testkit::PairDb;

use super::support::{
    PAIRS, PATIENCE, control, does, drained, on_target, replicating, same, writers,
};

/// Kills the tool while it waits for the lock of a table of the target, in the midst of its copy.
fn killed_in_the_copy(db: &PairDb, table: &str, args: &[&str]) -> Result<()> {
    let mut reader = db.target_client()?;
    reader.batch_execute(&format!("BEGIN; LOCK TABLE {table} IN ACCESS SHARE MODE"))?;
    let run = control(db, args).start()?;
    db.target().wait_until(
        db.name(),
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'pgl-control' AND wait_event_type = 'Lock' AND datname = current_database())",
        PATIENCE,
    )?;
    run.kill9()?;
    reader.batch_execute("COMMIT")?;
    Ok(())
}

#[test]
fn a_resync_that_is_killed_has_done_nothing() -> Result<()> {
    for pair in PAIRS {
        let db = replicating(
            pair,
            "killed",
            "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a SELECT generate_series(1, 1000)",
            &[],
        )?;
        let writers = writers(&db)?;
        db.on_target("DELETE FROM a WHERE id > 500")?;
        let args = ["resync", "a", "load.item", "--always", "--yes"];
        killed_in_the_copy(&db, "load.item", &args)?;
        // Replication goes on by itself.
        does(&db, &["resume"], 0)?;
        ensure!(on_target(&db, "SELECT count(*) FROM a")? == "500");
        // At any other moment, too.
        for millis in [30, 60, 90, 120, 160, 220] {
            let run = control(&db, &args).start()?;
            std::thread::sleep(Duration::from_millis(millis));
            run.kill9()?;
        }
        does(&db, &args, 0)?;
        drained(&db, writers)?;
        same(&db, &["a"])?;
    }
    Ok(())
}

#[test]
fn an_addition_that_is_killed_is_completed() -> Result<()> {
    for pair in PAIRS {
        let db = replicating(pair, "adding", "", &["--exclude-table", "load.item"])?;
        let writers = writers(&db)?;
        let args = ["add-table", "load.item"];
        // It has joined its set; its rows are not there, and changes of it arrive.
        killed_in_the_copy(&db, "load.item", &args)?;
        does(&db, &["resume"], 0)?;
        writers.wait_for(100, PATIENCE)?;
        let document = does(&db, &args, 0)?;
        ensure!(document["already"] == false, "{document:#}");
        db.on_source("CREATE TABLE late (id int PRIMARY KEY); INSERT INTO late SELECT generate_series(1, 1000)")?;
        let args = ["add-table", "late"];
        for millis in [100, 200, 300, 400, 500, 600] {
            let run = control(&db, &args).start()?;
            std::thread::sleep(Duration::from_millis(millis));
            run.kill9()?;
        }
        does(&db, &args, 0)?;
        let again = does(&db, &args, 0)?;
        ensure!(again["already"] == true, "{again:#}");
        drained(&db, writers)?;
        same(&db, &["late"])?;
    }
    Ok(())
}

#[test]
fn a_skip_that_is_killed_is_completed_or_taken_back() -> Result<()> {
    let db = replicating(
        (15, 18),
        "skipping",
        "CREATE TABLE a (id int PRIMARY KEY, v text)",
        &[],
    )?;
    for round in 1..=3_u64 {
        db.on_target("ALTER TABLE a ADD CONSTRAINT tame CHECK (v <> 'bad')")?;
        db.on_source(&format!("INSERT INTO a VALUES ({round}, 'bad')"))?;
        db.on_source(&format!("INSERT INTO a VALUES ({}, 'good')", 100 + round))?;
        let document = does(&db, &["skip"], 5)?;
        let lsn = document["transaction"]["lsn"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let args = ["skip", "--lsn", &lsn, "--yes"];
        let run = control(&db, &args).start()?;
        // Until it has disabled the subscription, and a little longer.
        let off = "SELECT NOT sub_enabled OR EXISTS (SELECT FROM pgl.journal WHERE step = 'control.skip' AND object = $lsn$LSN$lsn$ AND detail ->> 'skipped' = 'true') FROM pglogical.subscription";
        db.target()
            .wait_until(db.name(), &off.replace("LSN", &lsn), PATIENCE)?;
        std::thread::sleep(Duration::from_millis(20 * round));
        run.kill9()?;
        if round == 2 {
            // Taken back, or, where it had come so far, completed; it never hangs in between.
            db.on_target("ALTER TABLE a DROP CONSTRAINT tame")?;
            does(&db, &["resume"], 0)?;
        } else {
            does(&db, &args, 0)?;
            db.on_target("ALTER TABLE a DROP CONSTRAINT tame")?;
            let missing = format!("SELECT count(*) FROM a WHERE id = {round}");
            ensure!(on_target(&db, &missing)? == "0");
        }
        let later = format!("SELECT count(*) FROM a WHERE id = {}", 100 + round);
        ensure!(on_target(&db, &later)? == "1");
        let begun = "SELECT count(*) FROM pgl.journal WHERE step = 'control.skip' AND detail ->> 'skipped' = 'false'";
        ensure!(on_target(&db, begun)? == "0");
        db.on_target("DELETE FROM a WHERE v = 'bad'")?;
    }
    Ok(())
}
