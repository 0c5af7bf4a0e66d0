//! Kills, cuts, signals and failing hooks in every phase.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use pgl_testkit::load::Load;
use pgl_testkit::{PairDb, Signal};

use super::support::{
    PAIRS, PATIENCE, cutover, either, go_on, opens_the_target, replicating, roles, settings,
    target_is_shut, wait_for, writes_within,
};

const RESTORED: Duration = Duration::from_secs(60);

/// Takes back or finishes what a dead run has left; whether the cutover was made.
fn recover(db: &PairDb) -> Result<bool> {
    let out = cutover(db).command("abort").run()?;
    match out.code() {
        Some(0) => Ok(false),
        Some(5) => {
            cutover(db).command("resume").run()?.expect(0)?;
            Ok(true)
        }
        _ => {
            out.expect(0)?;
            Ok(false)
        }
    }
}

/// Every point of an attempt, in order.
const POINTS: [&str; 14] = [
    "target-read-only",
    "wait-caught-up",
    "block-writes",
    "blocked",
    "drain",
    "sequences",
    "copy-unkeyed",
    "constraints",
    "verify",
    "write-block-triggers",
    "promote",
    "promote-commit",
    "promoted",
    "finish",
];

#[test]
fn killed_anywhere_the_source_takes_writes_within_seconds_and_nothing_is_lost() -> Result<()> {
    for (pair, (source, target)) in PAIRS.into_iter().enumerate() {
        let mut db = replicating(source, target, "kill")?;
        let mut all = roles(&db)?;
        let mut writers = Load::new()
            .workers(3)
            .start(&[either(&db, &all.0), either(&db, &all.1)])?;
        writers = go_on(writers, 100)?;
        // Each pair has every other point.
        for point in POINTS.into_iter().skip(pair).step_by(PAIRS.len()) {
            let before = settings(&db)?;
            let mut running = cutover(&db)
                .args(["--yes", "--max-pause", "300s"])
                .env("PGL_TEST_STOP_AT", point)
                .start()?;
            ensure!(running.stopped(PATIENCE)?, "{}", running.stderr_so_far());
            running.kill9()?;
            let died = Instant::now();
            let made = recover(&db)?;
            ensure!(
                made == matches!(point, "promoted" | "finish"),
                "{point}: made: {made}"
            );
            if made {
                writers = go_on(writers, 50)?;
                writers.stop()?.check(&mut db.target_client()?)?;
                db = replicating(source, target, "kill")?;
                all = roles(&db)?;
                writers = Load::new()
                    .workers(3)
                    .start(&[either(&db, &all.0), either(&db, &all.1)])?;
                writers = go_on(writers, 50)?;
                continue;
            }
            writes_within(&db, RESTORED)?;
            ensure!(died.elapsed() < RESTORED, "{point}: {:?}", died.elapsed());
            ensure!(settings(&db)? == before, "{point}");
            if point != "target-read-only" {
                target_is_shut(&db)?;
            }
            writers = go_on(writers, 20)?;
        }
        cutover(&db).arg("--yes").run()?.expect(0)?;
        writers = go_on(writers, 50)?;
        writers.stop()?.check(&mut db.target_client()?)?;
    }
    Ok(())
}

#[test]
fn cut_connections_are_taken_back_by_the_tool_itself() -> Result<()> {
    let db = replicating(13, 17, "cut")?;
    let (app, _) = roles(&db)?;
    let mut writers = Load::new().workers(2).start(&[either(&db, &app)])?;
    writers = go_on(writers, 50)?;
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgl-cutover' AND datname = current_database()";
    for (hook, on_source, on_target) in [
        ("--hook-blocked", true, false),
        ("--hook-blocked", false, true),
        ("--hook-drained", true, true),
        ("--hook-drained", false, true),
    ] {
        let before = settings(&db)?;
        let running = cutover(&db).args(["--yes", hook, "sleep 0.5"]).start()?;
        wait_for(
            db.source(),
            &db,
            "object = '' AND detail ->> 'state' IN ('blocked', 'verified')",
        )?;
        std::thread::sleep(Duration::from_millis(100));
        if on_source {
            db.on_source(cut)?;
        }
        if on_target {
            db.on_target(cut)?;
        }
        let out = running.wait(PATIENCE)?;
        ensure!(out.code() != Some(0), "{}", out.stdout);
        ensure!(out.json()?["state"] == "restored", "{}", out.stdout);
        writes_within(&db, RESTORED)?;
        ensure!(settings(&db)? == before);
        target_is_shut(&db)?;
        writers = go_on(writers, 20)?;
    }
    cutover(&db).arg("--yes").run()?.expect(0)?;
    let writers = go_on(writers, 50)?;
    writers.stop()?.check(&mut db.target_client()?)
}

#[test]
fn signals_limits_and_failing_hooks_are_taken_back() -> Result<()> {
    let db = replicating(15, 18, "signal")?;
    let before = settings(&db)?;
    let expect_restored = |out: pgl_testkit::Outcome, code: i32| -> Result<()> {
        let out = out.expect(code)?;
        ensure!(out.json()?["state"] == "restored", "{}", out.stdout);
        writes_within(&db, RESTORED)?;
        ensure!(settings(&db)? == before);
        target_is_shut(&db)
    };
    // A signal; each is like the others, but for the exit code.
    for (signal, code) in [
        (Signal::TERM, 143),
        (Signal::INT, 130),
        (Signal::QUIT, 131),
        (Signal::HUP, 129),
    ] {
        let mut running = cutover(&db)
            .args(["--yes", "--max-pause", "300s"])
            .env("PGL_TEST_STOP_AT", "drain")
            .start()?;
        ensure!(running.stopped(PATIENCE)?, "{}", running.stderr_so_far());
        running.signal(signal)?;
        running.go_on()?;
        expect_restored(running.wait(PATIENCE)?, code)?;
    }
    // A hook that fails, and one that does not end.
    let tool = cutover(&db).args(["--yes", "--hook-drained", "exit 7"]);
    expect_restored(tool.run()?, 3)?;
    let tool = cutover(&db).args([
        "--yes",
        "--hook-drained",
        "sleep 60",
        "--hook-timeout",
        "1s",
    ]);
    expect_restored(tool.run()?, 4)?;
    // The limit of the pause: nothing is applied any more.
    db.on_target(
        "SELECT pglogical.alter_subscription_disable(sub_name, true) FROM pglogical.subscription",
    )?;
    let refused = cutover(&db)
        .args(["--yes", "--max-pause", "1s"])
        .run()?
        .expect(5)?
        .json()?;
    ensure!(
        refused["refusals"][0]["id"] == "cut.subscription",
        "{refused:#}"
    );
    db.on_target(
        "SELECT pglogical.alter_subscription_enable(sub_name, true) FROM pglogical.subscription",
    )?;
    db.replicates(PATIENCE)?;
    let mut holder = db.target_client()?;
    let running = cutover(&db)
        .args(["--yes", "--max-pause", "2s", "--hook-blocked", "sleep 0.5"])
        .start()?;
    wait_for(
        db.source(),
        &db,
        "object = '' AND detail ->> 'state' = 'blocked'",
    )?;
    // It was ended with the others when the target was shut; this one came later.
    if holder.is_closed() || holder.batch_execute("SELECT 1").is_err() {
        holder = db.target_client()?;
    }
    holder
        .batch_execute("SET default_transaction_read_only = off; BEGIN; LOCK TABLE pgl.marker")?;
    expect_restored_late(&db, running.wait(PATIENCE)?, holder)?;
    ensure!(settings(&db)? == before);
    Ok(())
}

fn expect_restored_late(
    db: &PairDb,
    out: pgl_testkit::Outcome,
    holder: postgres::Client,
) -> Result<()> {
    let code = out.code();
    ensure!(matches!(code, Some(3 | 4)), "{code:?} {}", out.stderr);
    ensure!(out.json()?["state"] == "restored", "{}", out.stdout);
    drop(holder);
    writes_within(db, RESTORED)?;
    opens_the_target(db)
}
