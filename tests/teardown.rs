//! `pgl-teardown` on real pairs: everything of a migration goes, nothing else does.
//!
//! What is left is read from the catalogs by the tests themselves.

use crate::common::Documented;
use std::time::Duration;

use anyhow::{Result, ensure};
use pgl_testkit::{PairDb, Server, Tool, shared_pair};

fn teardown(db: &PairDb) -> Tool {
    Tool::new(env!("CARGO_BIN_EXE_pgl-teardown")).envs(db.env())
}

/// A migration that runs: two tables, one with a foreign key that waits for the cutover.
fn migrated(db: &PairDb) -> Result<()> {
    db.on_source(
        "CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT i, 'x' FROM generate_series(1, 50) i;
         CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a); INSERT INTO b SELECT i, i FROM generate_series(1, 50) i",
    )?;
    let major = db.source().major().max(db.target().major());
    let plan = Tool::new(env!("CARGO_BIN_EXE_pgl-preflight"))
        .envs(db.env())
        .args(["--format", "json"])
        .run()?
        .expect(0)?;
    Tool::new(env!("CARGO_BIN_EXE_pgl-setup"))
        .envs(db.env())
        .env("PGL_PG_BINDIR", Server::require(major)?.client_dir()?)
        .args(["--plan", "-"])
        .stdin(plan.stdout.into_bytes())
        .run()?
        .expect(0)?;
    Ok(())
}

/// Everything of pglogical and of the suite in the two databases, read independently.
fn what_is_there(db: &PairDb) -> Result<Vec<String>> {
    let mut seen = Vec::new();
    for (side, cluster) in [("source", db.source()), ("target", db.target())] {
        for (what, sql) in [
            (
                "extension",
                "SELECT count(*) FROM pg_extension WHERE extname LIKE 'pglogical%'",
            ),
            (
                "schema",
                "SELECT count(*) FROM pg_namespace WHERE nspname IN ('pgl', 'pglogical')",
            ),
            (
                "slot",
                "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()",
            ),
            (
                "origin",
                "SELECT count(*) FROM pg_replication_origin WHERE roname LIKE 'pgl\\_' || left(current_database(), 8) || '%'",
            ),
            (
                "trigger",
                "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'queue_truncate%'",
            ),
        ] {
            if cluster.value(db.name(), sql)? != "0" {
                seen.push(format!("{side} {what}"));
            }
        }
    }
    Ok(seen)
}

fn complete(source: u16, target: u16) -> Result<()> {
    let db = shared_pair(source, target)?.database("teardown")?;
    migrated(&db)?;
    ensure!(
        what_is_there(&db)?.len() >= 7,
        "the migration stands: {:?}",
        what_is_there(&db)?
    );

    // The foreign key exists only in schema pgl: it must not be lost unnoticed.
    let held = teardown(&db).arg("--yes").run()?.expect(5)?;
    ensure!(
        held.stderr.contains("target.foreign-keys"),
        "{}",
        held.stderr
    );
    // Nobody is there to ask.
    teardown(&db).arg("--drop-held").run()?.expect(5)?;
    let shown = teardown(&db)
        .args(["--drop-held", "--dry-run"])
        .run()?
        .expect(0)?;
    let document = pgl_manual::validate_document("pgl-teardown", &shown.stdout)?;
    ensure!(
        document["removals"]
            .as_array()
            .is_some_and(|all| all.len() >= 9),
        "{document:#}"
    );
    ensure!(
        what_is_there(&db)?.len() >= 7,
        "a dry run dropped something"
    );

    let done = teardown(&db)
        .args(["--drop-held", "--yes", "--format", "json"])
        .run()?
        .expect(0)?;
    let document = pgl_manual::validate_document("pgl-teardown", &done.stdout)?;
    ensure!(
        document["left"].as_array().is_some_and(Vec::is_empty),
        "{document:#}"
    );
    ensure!(
        what_is_there(&db)?.is_empty(),
        "left: {:?}",
        what_is_there(&db)?
    );
    // The rows are nobody's business here.
    ensure!(db.source().value(db.name(), "SELECT count(*) FROM a")? == "50");
    ensure!(db.target().value(db.name(), "SELECT count(*) FROM a")? == "50");
    // Again: nothing to do, and a scan says so.
    teardown(&db).arg("--yes").run()?.expect(0)?;
    teardown(&db).arg("--scan").run()?.expect(0)?;
    Ok(())
}

#[test]
fn nothing_is_left_13_to_17() -> Result<()> {
    complete(13, 17)
}

#[test]
fn nothing_is_left_15_to_18() -> Result<()> {
    complete(15, 18)
}

#[test]
fn an_orphaned_slot_goes_with_the_source_alone() -> Result<()> {
    let db = shared_pair(13, 17)?.database("orphan")?;
    migrated(&db)?;
    // The target "burns down": its end of the subscription goes without a word to the source.
    db.on_target(
        "SELECT pglogical.alter_subscription_disable(sub_name, true) FROM pglogical.subscription",
    )?;
    db.source().wait_until(
        db.name(),
        "SELECT NOT bool_or(active) FROM pg_replication_slots WHERE database = current_database()",
        Duration::from_secs(30),
    )?;
    let scan = teardown(&db)
        .args(["--source-only", "--scan", "--format", "text"])
        .run()?
        .expect(1)?;
    ensure!(scan.stdout.contains("nobody reads it"), "{}", scan.stdout);
    teardown(&db)
        .args(["--source-only", "--yes"])
        .run()?
        .expect(0)?;
    let left = what_is_there(&db)?;
    ensure!(left.iter().all(|one| one.starts_with("target")), "{left:?}");
    // And the target alone: its subscription cannot reach the slot any more, which is no obstacle.
    teardown(&db)
        .args(["--target-only", "--drop-held", "--yes"])
        .run()?
        .expect(0)?;
    ensure!(
        what_is_there(&db)?.is_empty(),
        "left: {:?}",
        what_is_there(&db)?
    );
    Ok(())
}

#[test]
fn what_belongs_to_others_stays() -> Result<()> {
    let db = shared_pair(13, 17)?.database("others")?;
    migrated(&db)?;
    db.on_source(
        "SELECT pg_create_logical_replication_slot('pgl_somebody_elses', 'pglogical_output')",
    )?;
    // Our node cannot go without the other's slot: the tool says that something is left.
    let out = teardown(&db)
        .args(["--drop-held", "--yes", "--format", "json"])
        .run()?
        .expect(6)?;
    let document = out.document()?;
    let kept = document["kept"].to_string();
    ensure!(
        kept.contains("slot pgl_somebody_elses") && kept.contains("node "),
        "{kept}"
    );
    let slots = db.source().value(
        db.name(),
        "SELECT string_agg(slot_name, ',') FROM pg_replication_slots WHERE database = current_database()",
    )?;
    ensure!(slots == "pgl_somebody_elses", "{slots}");
    // Once the other is gone, the rest goes, too.
    db.on_source("SELECT pg_drop_replication_slot('pgl_somebody_elses')")?;
    teardown(&db).args(["--yes"]).run()?.expect(0)?;
    ensure!(
        what_is_there(&db)?.is_empty(),
        "left: {:?}",
        what_is_there(&db)?
    );
    Ok(())
}

#[test]
fn a_dead_server_is_named_with_the_way_out() -> Result<()> {
    let db = shared_pair(13, 17)?.database("dead")?;
    let out = teardown(&db)
        .args(["--target", "host=127.0.0.1 port=1 dbname=x", "--yes"])
        .run()?
        .expect(3)?;
    ensure!(out.stderr.contains("--source-only"), "{}", out.stderr);
    Ok(())
}

fn cutover(db: &PairDb) -> Tool {
    Tool::new(env!("CARGO_BIN_EXE_pgl-cutover")).envs(db.env())
}

/// What attempts of a cutover have shut is opened, for how to do that goes with schema pgl; a home
/// that was left stays closed, with the statement that opens it; an attempt under way comes first.
#[test]
fn what_a_cutover_closed_is_opened_or_told() -> Result<()> {
    let write = |mut client: postgres::Client| {
        client.batch_execute("INSERT INTO a VALUES (-1, 'late'); DELETE FROM a WHERE id = -1")
    };
    let db = shared_pair(13, 17)?.database("teardown")?;
    migrated(&db)?;
    cutover(&db)
        .args(["--yes", "--rehearse"])
        .run()?
        .expect(0)?;
    ensure!(write(db.target_client()?).is_err(), "the target is open");
    cutover(&db)
        .args(["--yes", "--hook-blocked", "kill -9 $PPID"])
        .run()?;
    let refused = teardown(&db)
        .args(["--drop-held", "--yes"])
        .run()?
        .expect(5)?;
    ensure!(refused.stderr.contains("--abort"), "{}", refused.stderr);
    cutover(&db).arg("--abort").run()?.expect(0)?;
    teardown(&db)
        .args(["--drop-held", "--yes"])
        .run()?
        .expect(0)?;
    write(db.target_client()?)?;
    write(db.source_client()?)?;

    let db = shared_pair(15, 18)?.database("teardown")?;
    migrated(&db)?;
    cutover(&db).arg("--yes").run()?.expect(0)?;
    let done = teardown(&db).arg("--yes").run()?.expect(0)?.json()?;
    let sql = format!("ALTER DATABASE {} RESET", db.name());
    ensure!(
        done["kept"]
            .as_array()
            .is_some_and(|kept| kept.iter().any(|one| one["reason"]
                .as_str()
                .is_some_and(|why| why.replace('"', "").contains(&sql)))),
        "{done:#}"
    );
    ensure!(write(db.source_client()?).is_err(), "the old home is open");
    write(db.target_client()?)?;
    Ok(())
}
