//! A server crashes while an attempt is under way. Whoever recovers relies on what the attempt had recorded, also where
//! the database's own transactions may be lost in a crash (`synchronous_commit = off`).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pgl_testkit::{Cluster, PairDb, Shutdown, Tool};

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
        cutover(&db).command("abort").run()?.expect(0)?;
        writes_within(&db, Duration::from_secs(10))?;
        db.replicates(PATIENCE)?;
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
    cutover(&db).args(["resume", "--yes"]).run()?.expect(0)?;
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
        document["state"] == "promoted" && out.stderr.contains("is not confirmed up to LSN"),
        "{} {}",
        out.stdout,
        out.stderr
    );
    source.batch_execute(&format!(
        "SELECT pg_create_logical_replication_slot('{name}', 'pglogical_output')"
    ))?;
    let document = cutover(&db)
        .args(["resume", "--yes"])
        .run()?
        .expect(0)?
        .json()?;
    ensure!(document["state"] == "done", "{document:#}");
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let done = Command::new("cp").arg("-a").args([from, to]).status()?;
    ensure!(done.success(), "cp {from:?} {to:?}");
    Ok(())
}

/// Copies the server's files while it is down.
fn backup(server: &mut Cluster) -> Result<PathBuf> {
    let kept = server.dir().join("backup");
    server.stop(Shutdown::Fast)?;
    copy(&server.data_dir(), &kept)?;
    server.start_again()?;
    Ok(kept)
}

/// Puts them back, as a backup is restored: the server begins a new timeline.
fn restore(server: &mut Cluster, kept: &Path) -> Result<()> {
    server.stop(Shutdown::Fast)?;
    std::fs::remove_dir_all(server.data_dir())?;
    copy(kept, &server.data_dir())?;
    std::fs::remove_dir_all(kept)?;
    server.put_file("recovery.signal", b"", 0o600)?;
    server.configure(&[("restore_command", "false")])?;
    server.start_again()
}

fn written_and_confirmed(
    provider: &Cluster,
    subscriber: &Cluster,
    (name, id): (&str, i32),
) -> Result<()> {
    provider.sql(name, &format!("INSERT INTO parent VALUES ({id})"))?;
    subscriber.wait_until(
        name,
        &format!("SELECT count(*) = 1 FROM parent WHERE id = {id}"),
        PATIENCE,
    )?;
    let lsn = provider.value(name, "SELECT pg_current_wal_insert_lsn()")?;
    let confirmed = format!(
        "SELECT bool_and(confirmed_flush_lsn >= '{lsn}') FROM pg_replication_slots WHERE database = current_database()"
    );
    provider.wait_until(name, &confirmed, PATIENCE)
}

/// A server whose backup was restored has confirmed more than it has: the provider does not send that again.
#[test]
fn a_server_that_was_restored_from_a_backup_is_not_taken_for_complete() -> Result<()> {
    let mut db = PairDb::alone(15, 18, "restored")?;
    prepared(&db, "SELECT 1")?;
    db.replicates(PATIENCE)?;
    let name = db.name().to_owned();
    let refused = |tool: Tool| -> Result<()> {
        let out = tool.arg("--dry-run").run()?.expect(1)?.json()?;
        let ids = out["refusals"].as_array().context("no refusals")?;
        ensure!(ids.iter().any(|one| one["id"] == "cut.timeline"), "{out:#}");
        Ok(())
    };
    let pair = db.servers().context("the servers are shared")?;
    let kept = backup(&mut pair.target)?;
    written_and_confirmed(&pair.source, &pair.target, (&name, 100_001))?;
    restore(&mut pair.target, &kept)?;
    db.replicates(PATIENCE)?;
    let lost = "SELECT count(*) FROM parent WHERE id = 100001";
    ensure!(
        db.on_target(lost)?[0][0].as_deref() == Some("0"),
        "nothing was lost"
    );
    let status = Tool::new(env!("CARGO_BIN_EXE_pgl-status"))
        .envs(db.env())
        .run()?
        .expect(1)?;
    ensure!(status.stdout.contains("unsafe.timeline"), "{status:?}");
    refused(cutover(&db))?;
    let full = cutover(&db)
        .args(["--yes", "--verify", "full"])
        .run()?
        .expect(5)?;
    ensure!(full.stdout.contains("public.parent"), "{full:?}");

    // The remedy.
    let tables = db.on_source(
        "SELECT format('%I.%I', nspname, relname) FROM pglogical.tables WHERE set_name IS NOT NULL AND nspname <> 'pgl'",
    )?;
    let tables = tables.into_iter().flatten().flatten();
    Tool::new(env!("CARGO_BIN_EXE_pgl-control"))
        .envs(db.env())
        .arg("resync")
        .args(tables)
        .arg("--yes")
        .limit(PATIENCE)
        .run()?
        .expect(0)?;
    Tool::new(env!("CARGO_BIN_EXE_pgl-status"))
        .envs(db.env())
        .run()?
        .expect(0)?;
    cutover(&db).args(["--yes", "--reverse"]).run()?.expect(0)?;
    let pair = db.servers().context("the servers are shared")?;
    let kept = backup(&mut pair.source)?;
    written_and_confirmed(&pair.target, &pair.source, (&name, 100_002))?;
    restore(&mut pair.source, &kept)?;
    refused(cutover(&db).command("rollback"))
}
