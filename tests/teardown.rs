//! `pgl-teardown` on real pairs: everything of a migration goes, nothing else does.
//!
//! What is left is read from the catalogs by the tests themselves.

use crate::common::{Documented, pasted};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pgl_testkit::{PairDb, Tool, shared_pair};

fn teardown(db: &PairDb) -> Tool {
    Tool::new(env!("CARGO_BIN_EXE_pgl-teardown")).envs(db.env())
}

/// A migration that runs: two tables, one with a foreign key that waits for the cutover.
fn migrated(db: &PairDb) -> Result<()> {
    db.on_source(
        "CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT i, 'x' FROM generate_series(1, 50) i;
         CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a); INSERT INTO b SELECT i, i FROM generate_series(1, 50) i",
    )?;
    let plan = Tool::new(env!("CARGO_BIN_EXE_pgl-preflight"))
        .envs(db.env())
        .args(["--format", "json"])
        .run()?
        .expect(0)?;
    Tool::new(env!("CARGO_BIN_EXE_pgl-setup"))
        .envs(db.env())
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
                "SELECT count(*) FROM pg_replication_origin WHERE roname LIKE 'pgl\\_' || current_database() || '\\_%'",
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
    ensure!(
        document["removals"]
            .as_array()
            .is_some_and(|all| all.iter().all(|one| one["state"] == "done")),
        "{document:#}"
    );
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
    teardown(&db)
        .args(["--drop-held", "--yes"])
        .run()?
        .expect(0)?;
    ensure!(
        what_is_there(&db)?.is_empty(),
        "left: {:?}",
        what_is_there(&db)?
    );
    Ok(())
}

/// pglogical was there before, and stays: its triggers on the application's tables go, and who truncates may
/// go on to use its schema, without which TRUNCATE fails wherever the extension is.
#[test]
fn truncate_goes_on_where_the_extension_was_there_before() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18)] {
        let db = shared_pair(source, target)?.database("before")?;
        db.on_source("CREATE EXTENSION pglogical")?;
        db.on_target("CREATE EXTENSION pglogical")?;
        let app = db.role("truncater");
        db.on_source(&format!("CREATE ROLE {app} LOGIN"))?;
        db.on_target(&format!("CREATE ROLE {app} LOGIN"))?;
        db.on_source(&format!(
            "CREATE TABLE c (id int PRIMARY KEY); INSERT INTO c VALUES (1); GRANT SELECT, TRUNCATE ON c TO {app}"
        ))?;
        migrated(&db)?;
        let triggers = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'queue_truncate%'";
        ensure!(db.source().value(db.name(), triggers)? != "0");
        let dry = teardown(&db)
            .args(["--drop-held", "--dry-run", "--format", "text"])
            .run()?
            .expect(0)?;
        ensure!(
            dry.stdout.contains("DROP TRIGGER IF EXISTS"),
            "{}",
            dry.stdout
        );
        // A reader of the table is waited for, in short tries: nobody queues behind them for long.
        let mut reader = db.source_client()?;
        let mut reading = reader.transaction()?;
        reading.execute("SELECT FROM c", &[])?;
        let run = std::thread::scope(|scope| -> Result<_> {
            let running = scope.spawn(|| teardown(&db).args(["--drop-held", "--yes"]).run());
            db.source().wait_until(
                db.name(),
                "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'c'::regclass AND NOT granted",
                Duration::from_secs(60),
            )?;
            reading.commit()?;
            running
                .join()
                .map_err(|_| anyhow::anyhow!("the tool's thread ended"))?
        })?
        .expect(0)?;
        let document = run.document()?;
        ensure!(
            document["kept"].to_string().contains("--drop-extension"),
            "{document:#}"
        );
        for cluster in [db.source(), db.target()] {
            ensure!(cluster.value(db.name(), triggers)? == "0");
        }
        db.source()
            .client_as(&app, db.name())?
            .batch_execute("TRUNCATE c")?;
        ensure!(db.source().value(db.name(), "SELECT count(*) FROM c")? == "0");
        ensure!(db.target().value(db.name(), "SELECT count(*) FROM c")? == "1");
    }
    Ok(())
}

#[test]
fn a_name_that_means_nothing_is_an_error() -> Result<()> {
    let db = shared_pair(15, 18)?.database("typo")?;
    migrated(&db)?;
    let before = what_is_there(&db)?;
    for mode in ["--yes", "--dry-run"] {
        let refused = teardown(&db)
            .args(["--drop-held", "--name", "typo", mode])
            .run()?
            .expect(2)?;
        ensure!(
            refused.stderr.contains("no migration is named")
                && refused.stderr.contains("typo")
                && refused.stderr.contains(db.name()),
            "{}",
            refused.stderr
        );
    }
    ensure!(what_is_there(&db)? == before);
    // With its own name it goes, and a second run has nothing to do.
    for _ in 0..2 {
        teardown(&db)
            .args(["--drop-held", "--name", db.name(), "--yes"])
            .run()?
            .expect(0)?;
    }
    ensure!(what_is_there(&db)?.is_empty());
    Ok(())
}

/// The plan of a document goes on into the next tool, as with every other one.
#[test]
fn the_plan_is_passed_on() -> Result<()> {
    let db = shared_pair(13, 17)?.database("passed")?;
    db.on_source("CREATE TABLE a (id int PRIMARY KEY)")?;
    let plan = Tool::new(env!("CARGO_BIN_EXE_pgl-preflight"))
        .envs(db.env())
        .args(["--format", "json"])
        .run()?
        .expect(0)?;
    let before = plan.json()?;
    ensure!(before["plan"].is_object(), "{before:#}");
    let after = teardown(&db)
        .args(["--plan", "-", "--yes"])
        .stdin(plan.stdout.into_bytes())
        .run()?
        .expect(0)?
        .document()?;
    ensure!(after["plan"] == before["plan"], "{after:#}");
    Ok(())
}

/// A role that may not drop origins takes a migration down whose origin goes with its subscription; where
/// one is left, the refusal says who can drop it.
#[test]
fn an_origin_that_is_gone_needs_no_right() -> Result<()> {
    for pair in [(13, 17), (15, 18)] {
        let db = shared_pair(pair.0, pair.1)?.database("rightless")?;
        migrated(&db)?;
        let role = db.role("mover");
        for cluster in [db.source(), db.target()] {
            cluster.sql(
                db.name(),
                &format!(
                    "CREATE ROLE {role} LOGIN REPLICATION;
                     GRANT USAGE ON SCHEMA pglogical TO {role};
                     GRANT SELECT ON ALL TABLES IN SCHEMA pglogical TO {role};
                     GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pglogical TO {role};
                     ALTER SCHEMA pgl OWNER TO {role}; ALTER TABLE pgl.marker OWNER TO {role};
                     ALTER TABLE pgl.journal OWNER TO {role}; ALTER TABLE pgl.held OWNER TO {role};
                     ALTER TABLE a OWNER TO {role}; ALTER TABLE b OWNER TO {role}"
                ),
            )?;
        }
        let run = |code: i32| -> Result<_> {
            Tool::new(env!("CARGO_BIN_EXE_pgl-teardown"))
                .env("PGL_SOURCE", db.source().dsn_as(&role, db.name()))
                .env("PGL_TARGET", db.target().dsn_as(&role, db.name()))
                .args(["--drop-held", "--keep-extension", "--yes"])
                .run()?
                .expect(code)?
                .document()
        };
        let done = run(0)?;
        let origins = done["removals"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|one| one["removal"]["kind"] == "origin" && one["state"] == "done")
            .count();
        ensure!(origins == 1, "{done:#}");
        ensure!(
            what_is_there(&db)?
                .iter()
                .all(|one| one.ends_with("extension") || one.ends_with("schema")),
            "{:?}",
            what_is_there(&db)?
        );
        let left = format!("pgl_recopy_pgl_{}", db.name());
        db.on_target(&format!("SELECT pg_replication_origin_create('{left}')"))?;
        let partial = run(6)?;
        ensure!(
            partial["removals"]
                .to_string()
                .contains("GRANT EXECUTE ON FUNCTION pg_replication_origin_drop"),
            "{partial:#}"
        );
        db.on_target(&format!("SELECT pg_replication_origin_drop('{left}')"))?;
        run(0)?;
    }
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

/// The extension and the comment by which pgl-teardown knows it are one transaction: a run that dies in between leaves
/// neither, and what the next one creates is dropped again.
#[test]
fn an_extension_of_a_setup_that_was_killed_in_between_is_dropped() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18)] {
        let db = shared_pair(source, target)?.database("halfmade")?;
        db.on_source("CREATE TABLE a (id int PRIMARY KEY, v text)")?;
        // COMMENT waits in the middle of that transaction, for as long as the test holds this lock.
        db.on_source(
            "CREATE FUNCTION public.waits() RETURNS event_trigger LANGUAGE plpgsql AS
                 $$ BEGIN PERFORM pg_catalog.pg_advisory_xact_lock(4711); END $$;
             CREATE EVENT TRIGGER waits ON ddl_command_start WHEN TAG IN ('COMMENT') EXECUTE PROCEDURE public.waits()",
        )?;
        let mut holder = db.source_client()?;
        holder.batch_execute("SELECT pg_advisory_lock(4711)")?;
        let setup =
            || -> Result<Tool> { Ok(Tool::new(env!("CARGO_BIN_EXE_pgl-setup")).envs(db.env())) };
        let mut running = setup()?.start()?;
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'
                        AND query LIKE 'COMMENT ON EXTENSION%'";
        while db.source().value(db.name(), waits)? != "1" {
            ensure!(
                !running.is_done()?,
                "{:?}",
                running.wait(Duration::from_secs(1))?
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        running.kill9()?;
        drop(holder);
        let working = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pgl-setup'";
        while db.source().value(db.name(), working)? != "0" {
            std::thread::sleep(Duration::from_millis(20));
        }
        let extensions = "SELECT count(*) FROM pg_extension WHERE extname LIKE 'pglogical%'";
        ensure!(
            db.source().value(db.name(), extensions)? == "0",
            "the extension stayed without its comment"
        );
        db.on_source("DROP EVENT TRIGGER waits; DROP FUNCTION waits()")?;
        setup()?.run()?.expect(0)?;
        teardown(&db)
            .args(["--drop-held", "--yes"])
            .run()?
            .expect(0)?;
        ensure!(what_is_there(&db)?.is_empty(), "{:?}", what_is_there(&db)?);
    }
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
    cutover(&db).args(["rehearse", "--yes"]).run()?.expect(0)?;
    ensure!(write(db.target_client()?).is_err(), "the target is open");
    cutover(&db)
        .args(["--yes", "--hook-blocked", "kill -9 $PPID"])
        .run()?;
    let refused = teardown(&db)
        .args(["--drop-held", "--yes"])
        .run()?
        .expect(5)?;
    ensure!(
        refused.stderr.contains("pgl-cutover abort"),
        "{}",
        refused.stderr
    );
    cutover(&db).command("abort").run()?.expect(0)?;
    teardown(&db)
        .args(["--drop-held", "--yes"])
        .run()?
        .expect(0)?;
    write(db.target_client()?)?;
    write(db.source_client()?)?;

    let db = shared_pair(15, 18)?.database("teardown")?;
    migrated(&db)?;
    cutover(&db).arg("--yes").run()?.expect(0)?;
    // The application goes on there, with settings of its own.
    db.on_target(&format!(
        "INSERT INTO a VALUES (1000, 'new'); ALTER TABLE a SET (fillfactor = 70);
         ALTER DATABASE {} SET work_mem = '7MB'",
        db.name()
    ))?;
    // Half of it: the target's record says what it is until the end.
    let half = teardown(&db)
        .args(["--source-only", "--yes"])
        .run()?
        .expect(0)?
        .document()?;
    ensure!(
        half["cut_over"]["at"]
            .as_str()
            .is_some_and(|at| at.starts_with("20")),
        "{half:#}"
    );
    for program in [
        env!("CARGO_BIN_EXE_pgl-setup"),
        env!("CARGO_BIN_EXE_pgl-seqsync"),
    ] {
        let refused = Tool::new(program).envs(db.env()).run()?.expect(5)?;
        ensure!(
            refused.stderr.contains("cut over at 20"),
            "{}",
            refused.stderr
        );
    }
    let printed = half["kept"]
        .as_array()
        .and_then(|kept| {
            let reasons = kept.iter().filter_map(|one| one["reason"].as_str());
            reasons
                .filter_map(|why| why.split_once("to allow writes: "))
                .next()
        })
        .map(|(_, sql)| sql.to_owned());
    let printed = printed.with_context(|| format!("{half:#}"))?;
    let done = teardown(&db)
        .args(["--yes", "--format", "text"])
        .run()?
        .expect(0)?;
    ensure!(done.stdout.contains("cut over at 20"), "{}", done.stdout);
    let last = done
        .stdout
        .lines()
        .rfind(|line| line.starts_with("dropped"));
    ensure!(
        last.is_some_and(|line| line.contains("target: schema pgl")),
        "{}",
        done.stdout
    );
    ensure!(what_is_there(&db)?.is_empty(), "{:?}", what_is_there(&db)?);
    ensure!(
        write(db.source_client()?).is_err(),
        "the source accepts writes"
    );
    pasted(&mut db.source_client()?, &printed)?;
    write(db.source_client()?)?;
    write(db.target_client()?)?;
    for (sql, value) in [
        ("SELECT count(*) FROM a", "51"),
        (
            "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated",
            "1",
        ),
        (
            "SELECT reloptions FROM pg_class WHERE oid = 'a'::regclass",
            "{fillfactor=70}",
        ),
        ("SHOW work_mem", "7MB"),
        (
            "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal",
            "0",
        ),
    ] {
        let found = db.target().value(db.name(), sql)?;
        ensure!(found == value, "{sql}: {found}");
    }
    Ok(())
}
