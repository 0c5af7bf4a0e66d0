//! Who tries to write where nobody may.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use pgl_testkit::{PairDb, Tool, texts};
use postgres::Client;
use serde_json::Value;

use super::overtaken::stopped;
use super::support::{
    AtHook, PATIENCE, cutover, overriding, replicating, replicating_with, roles, same, wait_for,
    writes_within,
};
use crate::common::Documented;

/// T16: a write block that only the settings make is none for open sessions and for roles that override them.
#[test]
fn open_sessions_and_overrides_write_nothing_that_is_lost() -> Result<()> {
    for (source, target) in super::support::PAIRS {
        let db = replicating(source, target, "open")?;
        let (_, stubborn) = roles(&db)?;
        let grant = format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO \"{stubborn}\"");
        db.on_source(&grant)?;
        db.on_target(&grant)?;
        // Open since long ago, overriding by themselves; one of them in the middle of a transaction.
        let mut idle = db.source_client()?;
        idle.batch_execute("SET default_transaction_read_only = off")?;
        let mut busy = db.source_client()?;
        busy.batch_execute(
            "SET default_transaction_read_only = off; BEGIN; INSERT INTO parent VALUES (777777)",
        )?;
        let mut stubborn = db.source().client_as(&stubborn, db.name())?;
        stubborn.batch_execute("INSERT INTO parent VALUES (555555)")?;

        cutover(&db).arg("--yes").run()?.expect(0)?;
        ensure!(
            busy.batch_execute("COMMIT").is_err(),
            "an open transaction was committed"
        );
        ensure!(
            idle.batch_execute("INSERT INTO parent VALUES (777778)")
                .is_err()
        );
        ensure!(
            stubborn
                .batch_execute("INSERT INTO parent VALUES (777779)")
                .is_err()
        );
        same(&db, &["parent", "child", "keyless"])?;
        let there = db.on_target("SELECT count(*) FROM parent WHERE id > 500000")?;
        ensure!(there == [[Some("1".to_owned())]], "{there:?}");
    }
    Ok(())
}

/// T17: what was committed just before the block has arrived before anything else is done.
#[test]
fn a_large_update_just_before_the_block_arrives_in_full() -> Result<()> {
    // The foreign key looks for each row: without the index the UPDATE takes minutes, in which nobody gets a slot on these servers.
    let index = "CREATE INDEX child_parent ON child (parent)";
    let db = replicating_with(13, 17, "burst", index)?;
    db.on_source("INSERT INTO parent SELECT generate_series(1001, 501000)")?;
    let mut writer = db.source_client()?;
    writer.batch_execute("CREATE TABLE IF NOT EXISTS pg_temp.x (a int); UPDATE parent SET id = id + 1000000 WHERE id > 1000")?;
    let out = cutover(&db)
        .args(["--yes", "--max-lag", "1GB", "--max-pause", "60s"])
        .run()?
        .expect(0)?;
    ensure!(out.json()?["state"] == "done");
    same(&db, &["parent", "child"])?;
    Ok(())
}

/// T18: a client that fails over early: it is refused until sequences, keys and rows are right.
#[test]
fn the_target_is_read_only_until_promotion() -> Result<()> {
    for (source, target) in super::support::PAIRS {
        let db = replicating(source, target, "early")?;
        let running = cutover(&db)
            .args(["--yes", "--hook-drained", "sleep 0.5"])
            .start()?;
        wait_for(db.target(), &db, "object = 'closed'")?;
        let mut refused = 0;
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let mut client = db.target_client()?;
            match client.batch_execute("INSERT INTO load.beat VALUES (-7)") {
                Ok(()) => break,
                Err(error) => {
                    let state = error.code().map(|code| code.code().to_owned());
                    ensure!(
                        // One that is ended while it sends may only see that its session is lost.
                        matches!(state.as_deref(), None | Some("25006" | "57P01")),
                        "{error}"
                    );
                    refused += 1;
                }
            }
            ensure!(Instant::now() < until, "never released");
            std::thread::sleep(Duration::from_millis(5));
        }
        ensure!(refused > 20, "the target was open all the time ({refused})");
        db.on_target("INSERT INTO child (parent) VALUES (1)")?;
        let first = db.on_target(
            "SELECT (SELECT count(*) FROM pgl.journal WHERE object = 'promoted'), max(id), (SELECT count(*) FROM pg_constraint WHERE conname = 'child_parent_fkey') FROM child",
        )?;
        ensure!(
            first
                == [[
                    Some("1".to_owned()),
                    Some("3001".to_owned()),
                    Some("1".to_owned())
                ]],
            "{first:?}"
        );
        running.wait(Duration::from_secs(60))?.expect(0)?;
    }
    Ok(())
}

/// What the triggers say, and not the server by itself.
fn refused_by_the_write_block(outcome: Result<(), postgres::Error>) -> Result<()> {
    let Err(error) = outcome else {
        bail!("written to the provider, and lost");
    };
    let said = error.as_db_error().map(|error| error.message().to_owned());
    ensure!(
        said.as_deref()
            .is_some_and(|text| text.contains("has blocked writes")),
        "{error}: {said:?}"
    );
    Ok(())
}

/// Locks go with the session that holds them: what keeps writers out after the release stands before it.
#[test]
fn nothing_is_written_to_the_former_source_when_the_tool_dies_after_the_promotion() -> Result<()> {
    for (source, target) in super::support::PAIRS {
        let db = replicating(source, target, "gap")?;
        let killed = cutover(&db)
            .args(["--yes", "--hook-promoted", "kill -9 $PPID"])
            .start()?
            .wait(PATIENCE)?;
        ensure!(killed.code().is_none(), "{killed:?}");
        db.on_target("INSERT INTO parent VALUES (888888)")?;
        for sql in [
            "INSERT INTO parent VALUES (999999)",
            "DELETE FROM child",
            "TRUNCATE keyless",
        ] {
            refused_by_the_write_block(overriding(&db)?.batch_execute(sql))?;
        }
        cutover(&db).command("resume").run()?.expect(0)?;
        same(&db, &["child", "keyless"])?;
        let status = || Tool::new(env!("CARGO_BIN_EXE_pgl-status")).envs(db.env());
        let unblocked = |document: &Value| document.to_string().contains("cutover.unblocked");
        ensure!(!unblocked(&status().run()?.document()?));
        overriding(&db)?.batch_execute("ALTER TABLE child DISABLE TRIGGER pgl_refuse_write")?;
        let document = status().run()?.document()?;
        ensure!(
            unblocked(&document) && document.to_string().contains("trigger on public.child"),
            "{document:#}"
        );
    }
    Ok(())
}

/// An attempt that is rolled back after its write-block triggers was committed: the release has lost its session. Gives a session that
/// reads a table of the write-block triggers meanwhile and goes on, or does nothing.
fn release_fails(db: &PairDb, reads: bool) -> Result<Client> {
    // After everything that is looked at once more.
    let tool = cutover(db).args(["--yes", "--max-pause", "300s"]);
    let running = stopped(tool, "promote")?;
    // After the block, which ends every session.
    let mut reader = db.source_client()?;
    if reads {
        reader.batch_execute("BEGIN; SELECT count(*) FROM parent")?;
    }
    let ended = db.on_target(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND application_name = 'pgl-cutover' AND state = 'idle in transaction'",
    )?;
    ensure!(!ended.is_empty(), "no transaction of a release is open");
    running.go_on()?;
    let outcome = running.wait(PATIENCE)?;
    ensure!(outcome.json()?["state"] == "restored", "{outcome:?}");
    Ok(reader)
}

/// The wall stands, and the release fails: it lets everybody pass at once, also where somebody reads the
/// tables, and goes when nobody does.
#[test]
fn a_promotion_that_fails_unblocks_writes() -> Result<()> {
    for ((source, target), reads) in super::support::PAIRS.into_iter().zip([true, false]) {
        let db = replicating(source, target, "unwall")?;
        let reader = release_fails(&db, reads)?;
        writes_within(&db, Duration::from_secs(1))?;
        overriding(&db)?
            .batch_execute("INSERT INTO parent VALUES (444444); DELETE FROM keyless WHERE a = 1")?;
        let walls = "SELECT count(*) FROM pg_trigger WHERE tgname = 'pgl_refuse_write'";
        let left = db.source().value(db.name(), walls)?;
        ensure!(
            (left != "0") == reads,
            "{left} triggers stay, somebody reads: {reads}"
        );
        drop(reader);
        if reads {
            // The next attempt arms those that stayed.
            let shut = cutover(&db)
                .args(["--yes", "--hook-promoted", "kill -9 $PPID"])
                .start()?
                .wait(PATIENCE)?;
            ensure!(shut.code().is_none(), "{shut:?}");
            refused_by_the_write_block(
                overriding(&db)?.batch_execute("INSERT INTO parent VALUES (333333)"),
            )?;
            cutover(&db).command("resume").run()?.expect(0)?;
        } else {
            cutover(&db).arg("--yes").run()?.expect(0)?;
        }
        same(&db, &["parent", "child", "keyless", "scratch"])?;
    }
    Ok(())
}

/// An audit trail by event trigger writes a row for each definition, and would meet the write-block trigger that was just
/// created; one that refuses definitions would keep it from being created. Neither fires for our own definitions.
#[test]
fn event_triggers_do_not_keep_the_write_block_triggers_away() -> Result<()> {
    for (source, target) in super::support::PAIRS {
        let db = replicating(source, target, "audited")?;
        let sequence = "CREATE SEQUENCE audit START 5000";
        db.on_source(sequence)?;
        db.on_target(sequence)?;
        for function in [
            "BEGIN INSERT INTO parent VALUES (nextval('audit')); END",
            "BEGIN IF current_setting('application_name') = 'pgl-cutover' THEN RAISE EXCEPTION 'frozen'; END IF; END",
        ] {
            db.on_source(&format!(
                "CREATE OR REPLACE FUNCTION public.audit() RETURNS event_trigger LANGUAGE plpgsql AS $${function}$$;
                 DROP EVENT TRIGGER IF EXISTS audit;
                 CREATE EVENT TRIGGER audit ON ddl_command_end EXECUTE PROCEDURE public.audit()"
            ))?;
            // Both ways: created, and disabled again.
            cutover(&db)
                .args(["rehearse", "--yes", "--force"])
                .arg("cut.definitions,cut.unplanned")
                .run()?
                .expect(0)?;
        }
        cutover(&db)
            .args(["--yes", "--force", "cut.definitions,cut.unplanned"])
            .run()?
            .expect(0)?;
        refused_by_the_write_block(
            overriding(&db)?.batch_execute("INSERT INTO parent VALUES (333333)"),
        )?;
        same(&db, &["parent", "child", "keyless"])?;
    }
    Ok(())
}

/// One that fires always and gives new functions away: the attempt is rolled back while it can be, and nothing is left that
/// no tool would trust.
#[test]
fn an_event_trigger_that_gives_new_functions_away_rolls_the_cutover_back() -> Result<()> {
    let db = replicating(13, 17, "given")?;
    let app = db.role("app");
    db.on_source(&format!(
        "CREATE ROLE \"{app}\";
         CREATE FUNCTION public.give() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
             IF tg_tag = 'CREATE FUNCTION' THEN EXECUTE 'ALTER FUNCTION pgl.refuse_write() OWNER TO \"{app}\"'; END IF; END $$;
         CREATE EVENT TRIGGER give ON ddl_command_end EXECUTE PROCEDURE public.give();
         ALTER EVENT TRIGGER give ENABLE ALWAYS"
    ))?;
    let attempt = || cutover(&db).args(["--force", "cut.definitions,cut.unplanned"]);
    let refused = |mode: &[&str], why: &str| -> Result<()> {
        let out = attempt().args(mode).run()?;
        let refusals = out.json()?["refusals"].to_string();
        ensure!(
            refusals.contains("cut.write_block") && refusals.contains(why),
            "{out:?}"
        );
        Ok(())
    };
    // Known before, and not in the pause.
    let given = format!("is owned by role {app}");
    refused(&["--dry-run"], &given)?;
    refused(&["--yes"], &given)?;
    let forced = "cut.definitions,cut.unplanned,cut.write_block";
    let out = cutover(&db).args(["--yes", "--force", forced]).run()?;
    ensure!(
        out.json()?["state"] == "restored"
            && out.stderr.contains(&given)
            && out.stderr.contains("ALTER EVENT TRIGGER"),
        "{out:?}"
    );
    writes_within(&db, PATIENCE)?;
    // One that refuses what every attempt has to do.
    let frozen = "CREATE OR REPLACE FUNCTION public.give() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
         IF tg_tag = 'ALTER TABLE' THEN RAISE EXCEPTION 'definitions are frozen'; END IF; END $$";
    db.on_source(frozen)?;
    refused(&["--dry-run", "--reverse"], "definitions are frozen")?;
    // Or only where it meets a table of the migration.
    let elsewhere = "CREATE OR REPLACE FUNCTION public.give() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
         IF tg_tag = 'CREATE TRIGGER' AND EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity NOT LIKE '% on pgl.%')
         THEN RAISE EXCEPTION 'tables are frozen'; END IF; END $$";
    db.on_source(elsewhere)?;
    refused(&["--dry-run"], "tables are frozen")?;
    db.on_source("DROP EVENT TRIGGER give; DROP FUNCTION public.give()")?;
    attempt().arg("--yes").run()?.expect(0)?;
    Ok(())
}

/// A superuser's session that applies as a replica would pass ordinary triggers: where nothing is replicated back, they fire
/// for it too. Where something is, the document says that they do not.
#[test]
fn a_session_as_a_replica_writes_only_where_reverse_replication_does() -> Result<()> {
    for (reverse, (source, target)) in [false, true].into_iter().zip(super::support::PAIRS) {
        let db = replicating(source, target, "replica")?;
        let tool = cutover(&db).arg("--yes");
        let tool = if reverse { tool.arg("--reverse") } else { tool };
        let document = tool.run()?.expect(0)?.json()?;
        let gap = "do not fire for sessions with session_replication_role = replica";
        let noted = |document: &Value| document["notes"].to_string().contains(gap);
        ensure!(noted(&document) == reverse, "{document:#}");
        let status = Tool::new(env!("CARGO_BIN_EXE_pgl-status"))
            .envs(db.env())
            .run()?
            .json()?;
        ensure!(noted(&status) == reverse, "{status:#}");
        let causes = status["causes"].to_string();
        ensure!(!causes.contains("cutover.written_since"), "{status:#}");
        let mut client = overriding(&db)?;
        client.batch_execute("SET session_replication_role = replica")?;
        let outcome = client.batch_execute("INSERT INTO parent VALUES (333333)");
        if !reverse {
            refused_by_the_write_block(outcome)?;
            continue;
        }
        outcome?;
        // It is replicated to the promoted target, which pgl-status reports; pgl-verify sees the same rows.
        wait_for(
            db.target(),
            &db,
            "object = 'promoted' AND EXISTS (SELECT FROM parent WHERE id = 333333)",
        )?;
        let status = Tool::new(env!("CARGO_BIN_EXE_pgl-status"))
            .envs(db.env())
            .run()?
            .json()?;
        let causes = status["causes"].to_string();
        ensure!(causes.contains("cutover.written_since"), "{status:#}");
    }
    Ok(())
}

/// T18 and worse: a role that was made to override the read-only setting after the first attempt, and a superuser who
/// does it by himself, write nothing to the target before it is promoted.
#[test]
fn nobody_writes_to_the_target_between_attempts() -> Result<()> {
    for (source, target) in super::support::PAIRS {
        let db = replicating(source, target, "late_role")?;
        let (app, _) = roles(&db)?;
        db.on_target(&format!(
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO \"{app}\""
        ))?;
        cutover(&db).args(["rehearse", "--yes"]).run()?.expect(0)?;
        let mut admin = db.target_client()?;
        admin.batch_execute("SET default_transaction_read_only = off")?;
        admin.batch_execute(&format!(
            "ALTER ROLE \"{app}\" SET default_transaction_read_only = off"
        ))?;
        let write = "INSERT INTO parent VALUES (666666)";
        refused_by_the_write_block(admin.batch_execute(write))?;
        refused_by_the_write_block(db.target().client_as(&app, db.name())?.batch_execute(write))?;
        let at = AtHook::start(cutover(&db).arg("--yes"), "--hook-drained")?;
        // Read anew: the role begins read-only now.
        let mut late = db.target().client_as(&app, db.name())?;
        ensure!(
            texts(&mut late, "SHOW default_transaction_read_only")? == [[Some("on".to_owned())]],
            "the override of the role holds"
        );
        at.go()?.expect(0)?;
        ensure!(
            db.target()
                .client_as(&app, db.name())?
                .batch_execute(write)
                .is_ok(),
            "the promoted target accepts no writes"
        );
        let walls = "SELECT count(*) FROM pg_trigger WHERE tgname = 'pgl_refuse_write'";
        ensure!(db.target().value(db.name(), walls)? == "0");
    }
    Ok(())
}
