//! A server crashes while an attempt is under way. Whoever recovers relies on what the attempt had recorded, also where
//! the database's own transactions may be lost in a crash (`synchronous_commit = off`).

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pgl_testkit::{PairDb, Shutdown};

use super::support::{PATIENCE, cutover, prepared, writes_within};

/// Nothing but a commit that waits for it reaches the disk in time.
const LATE: &str =
    "ALTER SYSTEM SET wal_writer_delay = '10s'; ALTER SYSTEM SET wal_writer_flush_after = 0";

fn late(db: &PairDb) -> Result<()> {
    for server in [db.source(), db.target()] {
        for sql in LATE.split("; ") {
            server.sql("postgres", sql)?;
        }
        server.sql("postgres", "SELECT pg_reload_conf()")?;
        server.sql(
            "postgres",
            &format!(
                "ALTER DATABASE \"{}\" SET synchronous_commit = off",
                db.name()
            ),
        )?;
    }
    Ok(())
}

fn value(db: &PairDb, sql: &str) -> Result<String> {
    db.source().value(db.name(), sql)
}

#[test]
fn what_an_attempt_has_recorded_survives_a_crash_of_the_source() -> Result<()> {
    let mut db = PairDb::alone(13, 17, "crash")?;
    prepared(&db, "SELECT 1")?;
    late(&db)?;
    for point in ["blocked", "promote-commit"] {
        let mut running = cutover(&db)
            .args(["--yes", "--max-pause", "300s"])
            .env("PGL_TEST_STOP_AT", point)
            .start()?;
        ensure!(running.stopped(PATIENCE)?, "{}", running.stderr_so_far());
        let pair = db.servers().context("the servers are shared")?;
        pair.source.stop(Shutdown::Immediate)?;
        running.kill9()?;
        pair.source.start_again()?;
        let recorded = value(
            &db,
            "SELECT count(*) FROM pgl.journal WHERE step = 'cutover' AND object IN ('', 'closed')",
        )?;
        ensure!(
            recorded == "2",
            "{point}: {recorded} rows of the attempt are left"
        );
        ensure!(
            db.on_source("INSERT INTO parent VALUES (-1)").is_err(),
            "{point}: the source accepts writes after the crash"
        );
        if point == "promote-commit" {
            let blocks = value(
                &db,
                "SELECT count(*) FROM pg_trigger WHERE tgname = 'pgl_refuse_write'",
            )?;
            ensure!(blocks != "0", "the write-block triggers are gone");
        }
        cutover(&db).arg("--abort").run()?.expect(0)?;
        writes_within(&db, Duration::from_secs(10))?;
        db.target().wait_until(
            db.name(),
            "SELECT bool_and(status = 'replicating') FROM pglogical.show_subscription_status()",
            PATIENCE,
        )?;
    }
    // The promotion, on the other server.
    let mut running = cutover(&db)
        .args(["--yes", "--max-pause", "300s"])
        .env("PGL_TEST_STOP_AT", "promoted")
        .start()?;
    ensure!(running.stopped(PATIENCE)?, "{}", running.stderr_so_far());
    let pair = db.servers().context("the servers are shared")?;
    pair.target.stop(Shutdown::Immediate)?;
    running.kill9()?;
    pair.target.start_again()?;
    db.on_target("INSERT INTO parent VALUES (-1)")?;
    cutover(&db).args(["--resume", "--yes"]).run()?.expect(0)?;
    ensure!(db.on_source("INSERT INTO parent VALUES (-1)").is_err());
    Ok(())
}

/// The slot's confirmation is what the end of the cutover waits for; without it the subscription stays enabled, and
/// the cutover is not done.
#[test]
fn a_slot_that_is_not_confirmed_leaves_the_cutover_to_be_finished() -> Result<()> {
    let db = super::support::replicating(13, 17, "unconfirmed")?;
    let mut running = cutover(&db)
        .args(["--yes", "--max-pause", "300s"])
        .env("PGL_TEST_STOP_AT", "promoted")
        .start()?;
    ensure!(running.stopped(PATIENCE)?, "{}", running.stderr_so_far());
    let slot = "(SELECT slot_name FROM pg_replication_slots WHERE database = current_database())";
    let name = value(&db, &format!("SELECT {slot}::text"))?;
    db.on_target(
        "SELECT pglogical.alter_subscription_disable(sub_name, true) FROM pglogical.subscription",
    )?;
    db.source().wait_until(
        db.name(),
        "SELECT NOT active FROM pg_replication_slots WHERE database = current_database()",
        PATIENCE,
    )?;
    let mut source = db.source_client()?;
    source.batch_execute("SET default_transaction_read_only = off")?;
    source.batch_execute(&format!("SELECT pg_drop_replication_slot('{name}')"))?;
    running.go_on()?;
    let out = running.wait(PATIENCE)?.expect(6)?;
    let document = out.json()?;
    ensure!(
        document["state"] == "switched" && out.stderr.contains("is not confirmed up to LSN"),
        "{} {}",
        out.stdout,
        out.stderr
    );
    source.batch_execute(&format!(
        "SELECT pg_create_logical_replication_slot('{name}', 'pglogical_output')"
    ))?;
    let document = cutover(&db)
        .args(["--resume", "--yes"])
        .run()?
        .expect(0)?
        .json()?;
    ensure!(document["state"] == "done", "{document:#}");
    Ok(())
}
