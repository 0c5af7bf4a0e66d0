//! `kill -9` at every step, and in the middle of them: the same command again reaches the same end.

use crate::common::Documented;
use anyhow::{Context, Result, ensure};
use pgl_testkit::load::{self, Load};
use pgl_testkit::{Cluster, PairDb, Running, Signal, Tool, shared_pair};

use super::support::{
    PATIENCE, definition_differences, drain, everything, same_rows, setup, state,
};

/// Every step that a run takes by itself, as the tool lists them: a new one is killed at, too.
fn steps() -> Result<Vec<String>> {
    let out = Tool::new(env!("CARGO_BIN_EXE_pgl-setup"))
        .arg("--list-steps")
        .run()?
        .expect(0)?;
    let steps: Vec<String> = out
        .stdout
        .lines()
        .filter(|line| !line.ends_with("(not by itself)"))
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect();
    ensure!(steps.len() > 15, "{}", out.stdout);
    Ok(steps)
}

/// Runs until a step begins: the tool has stopped itself there.
fn stopped_at(db: &PairDb, step: &str) -> Result<Running> {
    let mut run = setup(db)
        .args(["--roles", "copy"])
        .env("PGL_TEST_STOP_AT", step)
        .start()?;
    let stopped = run.stopped(PATIENCE)?;
    ensure!(stopped, "{step} never began: {}", run.stderr_so_far());
    Ok(run)
}

/// Kills a run while a step waits to write to this table, or to lock it: what it did before is not committed, or not
/// recorded.
fn killed_within(db: &PairDb, step: &str, (cluster, table): (&Cluster, &str)) -> Result<()> {
    let run = stopped_at(db, step)?;
    let mut locker = cluster.client(db.name())?;
    let mut lock = locker.transaction()?;
    lock.batch_execute(&format!("LOCK TABLE {table} IN EXCLUSIVE MODE"))?;
    run.go_on()?;
    let waits = "SELECT count(*) > 0 FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                  WHERE NOT l.granted AND a.datname = current_database() AND a.application_name LIKE 'pgl-setup%'";
    cluster
        .wait_until(db.name(), waits, PATIENCE)
        .with_context(|| format!("it does not wait: {}", run.stderr_so_far()))?;
    run.kill9()?;
    Ok(lock.rollback()?)
}

fn ends_well(db: &PairDb) -> Result<()> {
    let out = setup(db).args(["--roles", "copy"]).run()?.expect(0)?;
    ensure!(out.document()?["verdict"] == "ok", "{}", out.stdout);
    drain(db)?;
    same_rows(db)?;
    let differences = definition_differences(db, false)?;
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    let slots = db.on_source(
        "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()",
    )?;
    ensure!(slots == [[Some("1".to_owned())]], "slots: {slots:?}");
    Ok(())
}

#[test]
fn killed_at_the_beginning_of_every_step() -> Result<()> {
    let db = shared_pair(13, 17)?.database("killed_at_each")?;
    everything(&db)?;
    db.on_source(load::SCHEMA)?;
    let writers = Load::new()
        .workers(1)
        .large_rows(200)
        .start(&[db.source_dsn()])?;
    for step in &steps()? {
        stopped_at(&db, step)?.kill9()?;
    }
    let ledger = writers.stop()?;
    ends_well(&db)?;
    ledger.check(&mut db.target_client()?)
}

#[test]
fn killed_in_the_middle_of_the_long_steps() -> Result<()> {
    let db = shared_pair(15, 18)?.database("killed_within")?;
    everything(&db)?;
    db.on_source("INSERT INTO shop.large SELECT g, repeat(md5(g::text), 20000), NULL, 'p' FROM generate_series(100, 160) g")?;
    db.on_source(load::SCHEMA)?;
    let writers = Load::new()
        .workers(1)
        .large_rows(200)
        .start(&[db.source_dsn()])?;
    let (source, target) = (db.source(), db.target());
    for (step, at) in [
        ("source.sets", (source, "shop.large")),
        ("target.schema", (target, "pgl.held")),
        ("copy", (target, "pgl.journal")),
        ("target.keys", (target, "pgl.held")),
        ("target.indexes", (target, "pgl.held")),
        ("target.constraints", (target, "pgl.held")),
        ("target.triggers", (target, "pgl.held")),
        ("target.subscription", (target, "pglogical.subscription")),
    ] {
        killed_within(&db, step, at).with_context(|| format!("killed within {step}"))?;
    }
    let ledger = writers.stop()?;
    ends_well(&db)?;
    ledger.check(&mut db.target_client()?)
}

#[test]
fn a_signal_ends_it_cleanly_and_it_goes_on() -> Result<()> {
    let db = shared_pair(13, 17)?.database("interrupted")?;
    everything(&db)?;
    let run = stopped_at(&db, "copy")?;
    run.signal(Signal::INT)?;
    run.go_on()?;
    let out = run.wait(PATIENCE)?.expect(130)?;
    ensure!(out.document()?["verdict"] == "partial", "{}", out.stdout);
    ends_well(&db)
}

#[test]
fn step_by_step_reaches_the_same_end() -> Result<()> {
    let db = shared_pair(13, 17)?.database("step_by_step")?;
    everything(&db)?;
    for step in &steps()? {
        let out = setup(&db)
            .args(["--roles", "copy", "--step", step])
            .run()?
            .expect(0)?;
        let document = out.document()?;
        ensure!(state(&document, step)? != "skipped", "{document:#}");
    }
    ends_well(&db)
}

/// Ends connections of the tool on one side in the middle of the copy.
fn while_copying(db: &PairDb, cluster: &Cluster, whom: &str) -> Result<()> {
    db.on_source(
        "CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (LIKE a INCLUDING ALL); CREATE TABLE c (LIKE a INCLUDING ALL);
         ALTER TABLE a ALTER v SET STORAGE EXTERNAL; ALTER TABLE b ALTER v SET STORAGE EXTERNAL;
         INSERT INTO a SELECT g, repeat(md5(g::text), 3000) FROM generate_series(1, 400) g;
         INSERT INTO b SELECT * FROM a; INSERT INTO c SELECT g, 'x' FROM generate_series(1, 1000) g",
    )?;
    let run = setup(db).args(["--jobs", "2", "-v"]).start()?;
    cluster
        .wait_until(
            db.name(),
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'pgl-setup' AND datname = current_database() AND query ~ '^COPY' AND state = 'active'",
            PATIENCE,
        )
        .context("no COPY was seen")?;
    let ended = cluster.sql(
        db.name(),
        &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgl-setup' AND datname = current_database() AND {whom}"),
    )?;
    ensure!(!ended.is_empty(), "nobody was ended");
    let out = run.wait(PATIENCE)?.expect(0)?;
    db.on_source("UPDATE c SET v = 'y' WHERE id % 2 = 0")?;
    drain(db)?;
    same_rows(db).context(out.stderr)
}

#[test]
fn a_worker_that_loses_its_source_tries_again() -> Result<()> {
    let db = shared_pair(13, 17)?.database("lost_source")?;
    while_copying(&db, db.source(), "query ~ '^COPY'")
}

#[test]
fn a_worker_that_loses_its_target_tries_again() -> Result<()> {
    let db = shared_pair(13, 17)?.database("lost_target")?;
    while_copying(&db, db.target(), "query ~ '^COPY'")
}

/// A second session holds the snapshot.
#[test]
fn the_holder_of_the_snapshot_may_be_lost() -> Result<()> {
    let db = shared_pair(13, 17)?.database("lost_holder")?;
    while_copying(&db, db.source(), "backend_type = 'walsender'")
}
