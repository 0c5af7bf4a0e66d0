//! Tables that leave, and come back.

use anyhow::{Context, Result, ensure};

use super::support::{
    PAIRS, PATIENCE, does, does_twice, drained, on_source, on_target, other, refuses, replicating,
    same, writers,
};

#[test]
fn a_table_leaves_with_its_truncate_trigger_and_comes_back() -> Result<()> {
    for pair in PAIRS {
        let db = replicating(
            pair,
            "leave",
            "CREATE TABLE log (id serial PRIMARY KEY); INSERT INTO log SELECT generate_series(1, 20)",
            &[],
        )?;
        let writers = writers(&db)?;
        db.on_source("INSERT INTO log VALUES (100)")?;
        let said = refuses(&db, &["remove-table", "log"], 5)?;
        ensure!(said.contains("no terminal to confirm on"), "{said}");
        does(&db, &["remove-table", "log", "--dry-run"], 0)?;
        let triggers = "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'log'::regclass";
        ensure!(on_source(&db, triggers)? == "1");
        does_twice(&db, &["remove-table", "log", "--yes"])?;
        ensure!(on_source(&db, triggers)? == "0");
        // What was written before has arrived; nothing comes after, no TRUNCATE either.
        db.on_source("INSERT INTO log VALUES (200); TRUNCATE log; INSERT INTO log VALUES (300)")?;
        does(&db, &["resume"], 0)?;
        ensure!(on_target(&db, "SELECT count(*) || ' ' || max(id) FROM log")? == "21 100");
        let said = refuses(&db, &["resync", "log", "--yes"], 5)?;
        ensure!(said.contains("not a replicated table"), "{said}");
        // Its rows stayed: coming back replaces them, with consent.
        let said = refuses(&db, &["add-table", "log"], 5)?;
        ensure!(said.contains("holds rows"), "{said}");
        does_twice(&db, &["add-table", "log", "--yes"])?;
        db.on_source("INSERT INTO log VALUES (400); TRUNCATE log; INSERT INTO log VALUES (500)")?;
        drained(&db, writers)?;
        same(&db, &["log"])?;
        ensure!(on_target(&db, "SELECT string_agg(id::text, ',') FROM log")? == "500");
        other(&db, "pgl-verify", &[], 0)?;
    }
    Ok(())
}

/// Nothing arrives any more, and why is known: nobody waits for ten minutes.
#[test]
fn a_target_that_has_stopped_is_not_waited_for() -> Result<()> {
    for pair in PAIRS {
        let db = replicating(
            pair,
            "stopped",
            "CREATE TABLE log (id int PRIMARY KEY); CREATE TABLE kept (id int PRIMARY KEY, v text)",
            &[],
        )?;
        db.on_target("ALTER TABLE kept DROP COLUMN v")?;
        db.on_source("INSERT INTO kept VALUES (1, 'x'); INSERT INTO log VALUES (100)")?;
        for _ in 0..2 {
            let document = does(&db, &["remove-table", "log", "--yes"], 6)?;
            ensure!(document["verdict"] == "partial", "{document:#}");
            let error = document["error"].to_string();
            ensure!(
                error.contains("replication has stopped") && error.contains("kept"),
                "{document:#}"
            );
            ensure!(
                on_source(
                    &db,
                    "SELECT count(*) FROM pglogical.replication_set_table WHERE set_reloid = 'log'::regclass"
                )? == "0"
            );
        }
        db.on_target("ALTER TABLE kept ADD COLUMN v text")?;
        let document = does(&db, &["remove-table", "log", "--yes"], 0)?;
        ensure!(document["already"] == true, "{document:#}");
        ensure!(on_target(&db, "SELECT id FROM log")? == "100");
        same(&db, &["kept"])?;
    }
    Ok(())
}

/// What stops replication for good, what takes it back, and what the cause says.
const STOPS: [[&str; 4]; 3] = [
    [
        "target: ALTER TABLE kept DROP COLUMN v",
        "source: INSERT INTO kept VALUES (1, 'x')",
        "target: ALTER TABLE kept ADD COLUMN v text",
        "kept",
    ],
    [
        "target: UPDATE pglogical.node_interface SET if_dsn = if_dsn || ' user=nobody_at_all'
                  WHERE if_id IN (SELECT sub_origin_if FROM pglogical.subscription)",
        "source: SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = current_database()",
        "target: UPDATE pglogical.node_interface SET if_dsn = replace(if_dsn, ' user=nobody_at_all', '')",
        "nobody_at_all",
    ],
    [
        "target: SELECT pglogical.alter_subscription_disable(sub_name, true) FROM pglogical.subscription",
        "source: SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()",
        "target: SELECT 1",
        "slot",
    ],
];

/// The same for every command that waits.
#[test]
fn a_wait_ends_at_the_cause_for_which_nothing_arrives() -> Result<()> {
    for pair in PAIRS {
        let db = replicating(
            pair,
            "ends",
            "CREATE TABLE log (id int PRIMARY KEY); CREATE TABLE kept (id int PRIMARY KEY, v text)",
            &[],
        )?;
        let run = |text: &str| -> Result<()> {
            match text.split_once(": ") {
                Some(("source", sql)) => db.on_source(sql),
                Some((_, sql)) => db.on_target(sql),
                None => anyhow::bail!("{text}"),
            }
            .map(drop)
        };
        for [stop, then, back, says] in STOPS {
            run(stop)?;
            if says == "slot" {
                // Its walsender ends a moment later.
                db.source().wait_until(
                    db.name(),
                    "SELECT bool_and(NOT active) FROM pg_replication_slots WHERE database = current_database()",
                    PATIENCE,
                )?;
            }
            run(then)?;
            if says == "slot" {
                db.on_target("SELECT pglogical.alter_subscription_enable(sub_name, true) FROM pglogical.subscription")?;
            }
            for args in [&["resync", "log", "--yes"][..], &["resume", "--yes"]] {
                let error = refuses(&db, args, 5).with_context(|| format!("{args:?}: {says}"))?;
                ensure!(
                    error.contains("replication has stopped") && error.contains(says),
                    "{args:?}: {error}"
                );
            }
            run(back)?;
            if says != "slot" {
                does(&db, &["resume"], 0)?;
            }
        }
    }
    Ok(())
}

/// A table that the source has dropped leaves the plan, so that the others can go over.
#[test]
fn a_dropped_table_leaves_the_plan() -> Result<()> {
    let db = replicating(
        (15, 18),
        "dropped",
        "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)",
        &[],
    )?;
    db.on_source("DROP TABLE b CASCADE")?;
    does_twice(&db, &["remove-table", "b", "--yes"])?;
    let moved = other(&db, "pgl-cutover", &["--yes"], 0)?;
    ensure!(moved["state"] == "done", "{moved:#}");
    Ok(())
}
