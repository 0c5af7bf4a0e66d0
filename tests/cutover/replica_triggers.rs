//! Triggers that an owner enables for replicated rows: pglogical's apply worker would run them as a superuser.

use anyhow::{Context, Result, ensure};
use pgl_testkit::{PairDb, Tool, shared_pair};
use serde_json::Value;

use crate::common::Documented;

use super::support::{
    PAIRS, PATIENCE, before_the_block, cutover, overriding, overriding_target, prepared, same,
};

/// Made by the owner of the table, with no other right.
fn trap(client: &mut postgres::Client, role: &str) -> Result<()> {
    client.batch_execute(&format!(
        "SET SESSION AUTHORIZATION \"{role}\";
         CREATE FUNCTION app.evil() RETURNS trigger LANGUAGE plpgsql AS
         $$BEGIN EXECUTE 'ALTER ROLE \"{role}\" SUPERUSER'; RETURN NEW; END$$;
         CREATE TRIGGER \"e 1\" BEFORE INSERT ON app.k FOR EACH ROW EXECUTE PROCEDURE app.evil();
         ALTER TABLE app.k ENABLE ALWAYS TRIGGER \"e 1\";
         RESET SESSION AUTHORIZATION"
    ))?;
    Ok(())
}

fn control(db: &PairDb, args: &[&str]) -> Result<()> {
    Tool::new(env!("CARGO_BIN_EXE_pgl-control"))
        .envs(db.env())
        .args(args)
        .limit(PATIENCE)
        .run()?
        .expect(0)?;
    Ok(())
}

fn status(db: &PairDb) -> Result<Value> {
    Tool::new(env!("CARGO_BIN_EXE_pgl-status"))
        .envs(db.env())
        .args(["--sample", "0s"])
        .limit(PATIENCE)
        .run()?
        .document()
}

/// The statement of the cause that pgl-status reports.
fn fix(db: &PairDb, side: &str, role: &str) -> Result<String> {
    let document = status(db)?;
    let all = document["causes"].as_array().context("no causes")?;
    let cause = all
        .iter()
        .find(|one| one["id"] == "unsafe.replica_triggers")
        .with_context(|| format!("not reported: {document:#}"))?;
    ensure!(document["healthy"] == false, "{document:#}");
    ensure!(
        cause["side"] == side && cause["object"] == "app.k",
        "{cause:#}"
    );
    let evidence = cause["evidence"].to_string();
    ensure!(
        evidence.contains("trigger e 1 on app.k (ENABLE ALWAYS") && evidence.contains(role),
        "{evidence}"
    );
    let sql = cause["sql"].as_str().context("no statement")?;
    Ok(sql.to_owned())
}

fn refused(out: &Value, side: &str) -> Result<()> {
    let all = out["refusals"].as_array().context("no preconditions")?;
    let found: Vec<&Value> = all
        .iter()
        // It is one on one side alone, too.
        .filter(|one| one["id"] != "cut.definitions")
        .collect();
    ensure!(
        found.len() == 1 && found[0]["id"] == "cut.replica_triggers",
        "{out:#}"
    );
    let hint = found[0]["hint"].as_str().unwrap_or_default();
    ensure!(
        hint.starts_with(&format!("on the {side}: "))
            && hint.contains("ALTER TABLE ONLY app.k DISABLE TRIGGER \"e 1\""),
        "{hint}"
    );
    Ok(())
}

#[test]
fn a_trigger_of_an_owner_that_the_apply_worker_would_run_is_reported_and_blocks() -> Result<()> {
    for (source, target) in PAIRS {
        let db = shared_pair(source, target)?.database("trap")?;
        let role = db.role("own");
        for cluster in [db.source(), db.target()] {
            cluster.sql(db.name(), &format!("CREATE ROLE \"{role}\" LOGIN"))?;
        }
        // Those that the schema brings are disabled until the cutover, and are no finding, there and back.
        prepared(
            &db,
            &format!(
                "CREATE SCHEMA app AUTHORIZATION \"{role}\";
                 CREATE TABLE app.k (id int PRIMARY KEY, v text);
                 ALTER TABLE app.k OWNER TO \"{role}\";
                 CREATE FUNCTION app.plain() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
                 CREATE TRIGGER plain BEFORE INSERT ON app.k FOR EACH ROW EXECUTE PROCEDURE app.plain();
                 ALTER TABLE app.k ENABLE ALWAYS TRIGGER plain;
                 CREATE RULE plain AS ON DELETE TO app.k DO ALSO NOTHING;
                 ALTER TABLE app.k ENABLE ALWAYS RULE plain"
            ),
        )?;
        cutover(&db).args(["rehearse", "--yes"]).run()?.expect(0)?;
        trap(&mut overriding_target(&db)?, &role)?;
        let sql = fix(&db, "target", &role)?;
        refused(
            &cutover(&db).arg("--dry-run").run()?.expect(1)?.json()?,
            "target",
        )?;
        refused(
            &cutover(&db).arg("--yes").run()?.expect(5)?.json()?,
            "target",
        )?;
        overriding_target(&db)?.batch_execute(&sql)?;
        ensure!(status(&db)?["healthy"] == true);
        Tool::new(env!("CARGO_BIN_EXE_pgl-setup"))
            .envs(db.env())
            .args(["--step", "target.definitions"])
            .run()?
            .expect(0)?;

        // After the preconditions were checked as well.
        let before = before_the_block(&db)?;
        overriding_target(&db)?.batch_execute("ALTER TABLE app.k ENABLE ALWAYS TRIGGER \"e 1\"")?;
        let out = before.go()?.expect(5)?.json()?;
        ensure!(
            out["error"]
                .as_str()
                .is_some_and(|text| text.contains("cut.replica_triggers")),
            "{out:#}"
        );
        overriding_target(&db)?
            .batch_execute(&format!("{sql} DROP FUNCTION app.evil() CASCADE"))?;

        cutover(&db).args(["--reverse", "--yes"]).run()?.expect(0)?;
        let document = status(&db)?;
        ensure!(document["healthy"] == true, "{document:#}");
        trap(&mut overriding(&db)?, &role)?;
        let sql = fix(&db, "source", &role)?;
        let out = cutover(&db).args(["rollback", "--yes"]).run()?.expect(5)?;
        refused(&out.json()?, "source")?;
        overriding(&db)?.batch_execute(&format!("{sql} DROP FUNCTION app.evil() CASCADE"))?;
        let superuser = format!("SELECT rolsuper FROM pg_roles WHERE rolname = '{role}'");
        for cluster in [db.source(), db.target()] {
            ensure!(cluster.value(db.name(), &superuser)? == "f");
        }
        cutover(&db).args(["rollback", "--yes"]).run()?.expect(0)?;
    }
    Ok(())
}

/// A trigger that came with the schema and fires always: disabled wherever the source's rows are applied, and enabled where clients write.
#[test]
fn triggers_of_the_schema_are_disabled_again_by_a_rollback() -> Result<()> {
    for (source, target) in PAIRS {
        let db = shared_pair(source, target)?.database("loud")?;
        prepared(
            &db,
            "CREATE TABLE k (id int PRIMARY KEY, v text);
             CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS
             $$BEGIN
                 IF current_setting('session_replication_role') = 'replica' THEN
                     RAISE 'fired for a replicated row';
                 END IF;
                 RETURN NEW;
             END$$;
             CREATE TRIGGER loud BEFORE INSERT ON k FOR EACH ROW EXECUTE PROCEDURE loud();
             ALTER TABLE k ENABLE ALWAYS TRIGGER loud",
        )?;
        let enabled = |source: &str, target: &str| -> Result<()> {
            let state = "SELECT tgenabled FROM pg_trigger WHERE tgname = 'loud'";
            for (cluster, expected) in [(db.source(), source), (db.target(), target)] {
                let found = cluster.value(db.name(), state)?;
                ensure!(
                    found == expected,
                    "{found} and not {expected} on {}",
                    cluster.major()
                );
            }
            Ok(())
        };
        // Just before the promotion they are disabled on both sides, and then as if there had been no attempt.
        let killed = |command: &str| -> Result<()> {
            let mut running = cutover(&db)
                .args([command, "--yes", "--max-pause", "300s"])
                .env("PGL_TEST_STOP_AT", "promote-commit")
                .start()?;
            ensure!(running.stopped(PATIENCE)?, "{}", running.stderr_so_far());
            enabled("D", "D")?;
            running.kill9()?;
            cutover(&db).command("abort").run()?.expect(0)?;
            Ok(())
        };
        enabled("A", "D")?;
        // Another one of that name, which the promotion would leave as it is.
        overriding_target(&db)?.batch_execute(
            "DROP TRIGGER loud ON k;
             CREATE TRIGGER loud BEFORE INSERT ON k FOR EACH ROW EXECUTE PROCEDURE loud()",
        )?;
        let refused = cutover(&db).arg("--yes").run()?.expect(5)?.json()?;
        ensure!(
            refused["refusals"][0]["id"] == "cut.definitions"
                && refused["refusals"]
                    .to_string()
                    .contains("TRIGGER public.k loud"),
            "{refused:#}"
        );
        // Enabled there again, as it is on the source: a statement that disables it would be another difference.
        overriding_target(&db)?.batch_execute("ALTER TABLE k ENABLE ALWAYS TRIGGER loud")?;
        let document = status(&db)?;
        let cause = &document["causes"][0];
        let remedy = cause["remedy"].to_string();
        ensure!(
            cause["id"] == "unsafe.replica_triggers"
                && cause["sql"].is_null()
                && remedy.contains("pgl-setup --step target.triggers"),
            "{document:#}"
        );
        Tool::new(env!("CARGO_BIN_EXE_pgl-setup"))
            .envs(db.env())
            .args(["--step", "target.triggers"])
            .run()?
            .expect(0)?;
        enabled("A", "D")?;
        killed("--reverse")?;
        enabled("A", "D")?;
        for round in 0..2 {
            cutover(&db).args(["--reverse", "--yes"]).run()?.expect(0)?;
            enabled("D", "A")?;
            db.on_target(&format!("INSERT INTO k VALUES (10 + {round}, 'back')"))?;
            killed("rollback")?;
            enabled("D", "A")?;
            cutover(&db).args(["rollback", "--yes"]).run()?.expect(0)?;
            enabled("A", "D")?;
            db.on_source(&format!("INSERT INTO k VALUES ({round}, 'v')"))?;
            ensure!(status(&db)?["healthy"] == true);
        }
        if source == 13 {
            cutover(&db).arg("--yes").run()?.expect(0)?;
        } else {
            cutover(&db).args(["--reverse", "--yes"]).run()?.expect(0)?;
            enabled("D", "A")?;
            Tool::new(env!("CARGO_BIN_EXE_pgl-teardown"))
                .envs(db.env())
                .arg("--yes")
                .run()?
                .expect(0)?;
        }
        enabled("A", "A")?;
        same(&db, &["k"])?;
    }
    Ok(())
}

/// A partition that is attached to a parent whose trigger waits for the cutover gets a disabled one.
#[test]
fn triggers_of_partitions_are_as_on_the_source_whenever_those_were_attached() -> Result<()> {
    for (source, target) in PAIRS {
        let db = shared_pair(source, target)?.database("loud_parts")?;
        prepared(
            &db,
            "CREATE TABLE p (id int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
             CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
             CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);
             CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
             CREATE TRIGGER loud AFTER UPDATE ON p FOR EACH ROW EXECUTE PROCEDURE loud();
             ALTER TABLE p ENABLE ALWAYS TRIGGER loud;
             ALTER TABLE p2 DISABLE TRIGGER loud;
             INSERT INTO p VALUES (1, 1), (2, 2)",
        )?;
        let more = "CREATE TABLE p3 PARTITION OF p FOR VALUES IN (3) PARTITION BY LIST (id);
                    CREATE TABLE p3d PARTITION OF p3 DEFAULT";
        db.on_source(&format!("{more}; INSERT INTO p VALUES (3, 3)"))?;
        overriding_target(&db)?.batch_execute(more)?;
        control(&db, &["add-table", "p", "--yes"])?;
        let enabled = |source: &str, target: &str| -> Result<()> {
            let state = "SELECT string_agg(relname || ' ' || tgenabled::text, ', ' ORDER BY relname) FROM pg_trigger \
                         JOIN pg_class c ON c.oid = tgrelid WHERE tgname = 'loud'";
            for (cluster, expected) in [(db.source(), source), (db.target(), target)] {
                let found = cluster.value(db.name(), state)?;
                ensure!(
                    found == expected,
                    "{found} and not {expected} on {}",
                    cluster.major()
                );
            }
            Ok(())
        };
        let (loud, quiet) = (
            "p A, p1 A, p2 D, p3 A, p3d A",
            "p D, p1 D, p2 D, p3 D, p3d D",
        );
        enabled(loud, quiet)?;
        let mut running = cutover(&db)
            .args(["--reverse", "--yes", "--max-pause", "300s"])
            .env("PGL_TEST_STOP_AT", "promote-commit")
            .start()?;
        ensure!(running.stopped(PATIENCE)?, "{}", running.stderr_so_far());
        running.kill9()?;
        cutover(&db).command("abort").run()?.expect(0)?;
        enabled(loud, quiet)?;
        cutover(&db).args(["--reverse", "--yes"]).run()?.expect(0)?;
        enabled(quiet, loud)?;
        db.on_target("INSERT INTO p VALUES (4, 1)")?;
        // A state that has been changed comes back, too.
        db.on_target("ALTER TABLE p1 DISABLE TRIGGER loud")?;
        cutover(&db).args(["rollback", "--yes"]).run()?.expect(0)?;
        enabled("p A, p1 D, p2 D, p3 A, p3d A", quiet)?;
        same(&db, &["p"])?;
    }
    Ok(())
}
