//! Who tries to write where nobody may.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use pgl_testkit::{PairDb, Running};
use postgres::Client;

use super::support::{PATIENCE, cutover, replicating, roles, same, wait_for, writes_within};

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
    let db = replicating(13, 17, "burst")?;
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
fn the_target_is_shut_until_it_is_released() -> Result<()> {
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
                        matches!(state.as_deref(), Some("25006" | "57P01")),
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

/// A session that overrides the read-only setting; in a batch of its own, or the rest of the batch would be read-only
/// still.
fn overriding(db: &PairDb) -> Result<Client> {
    let mut client = db.source_client()?;
    client.batch_execute("SET default_transaction_read_only = off")?;
    Ok(client)
}

/// What the triggers say, and not the server by itself.
fn refused_by_the_wall(outcome: Result<(), postgres::Error>) -> Result<()> {
    let Err(error) = outcome else {
        bail!("written to the old home, and lost");
    };
    let said = error.as_db_error().map(|error| error.message().to_owned());
    ensure!(
        said.as_deref()
            .is_some_and(|text| text.contains("was left at a cutover")),
        "{error}: {said:?}"
    );
    Ok(())
}

/// Locks go with the session that holds them: what keeps writers out after the release stands before it.
#[test]
fn nothing_is_written_to_the_old_home_when_the_tool_dies_after_the_release() -> Result<()> {
    for (source, target) in super::support::PAIRS {
        let db = replicating(source, target, "gap")?;
        let killed = cutover(&db)
            .args(["--yes", "--hook-switched", "kill -9 $PPID"])
            .start()?
            .wait(PATIENCE)?;
        ensure!(killed.code().is_none(), "{killed:?}");
        db.on_target("INSERT INTO parent VALUES (888888)")?;
        for sql in [
            "INSERT INTO parent VALUES (999999)",
            "DELETE FROM child",
            "TRUNCATE keyless",
        ] {
            refused_by_the_wall(overriding(&db)?.batch_execute(sql))?;
        }
        cutover(&db).arg("--resume").run()?.expect(0)?;
        same(&db, &["child", "keyless"])?;
    }
    Ok(())
}

/// An attempt that is taken back after its wall was committed: the release has lost its session. Gives a session that
/// reads a table of the wall meanwhile and goes on, or does nothing.
fn release_fails(db: &PairDb, reads: bool) -> Result<Client> {
    let running = at_hook(db, "--hook-drained", "1.5", &[])?;
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
    let outcome = running.wait(PATIENCE)?;
    ensure!(outcome.json()?["state"] == "restored", "{outcome:?}");
    Ok(reader)
}

/// A switch that stands at a hook, which lasts some seconds.
fn at_hook(db: &PairDb, hook: &str, seconds: &str, more: &[&str]) -> Result<Running> {
    let signs = tempfile::tempdir()?;
    let sign = signs.path().join("here");
    let mut running = cutover(db)
        .arg("--yes")
        .args(more.iter().copied())
        .arg(hook)
        .arg(format!("touch '{}'; sleep {seconds}", sign.display()))
        .start()?;
    while !sign.exists() {
        if running.is_done()? {
            bail!("never came to its hook: {:?}", running.wait(PATIENCE)?);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(running)
}

/// The wall stands, and the release fails: it lets everybody pass at once, also where somebody reads the
/// tables, and goes when nobody does.
#[test]
fn a_release_that_fails_opens_the_wall() -> Result<()> {
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
                .args(["--yes", "--hook-switched", "kill -9 $PPID"])
                .start()?
                .wait(PATIENCE)?;
            ensure!(shut.code().is_none(), "{shut:?}");
            refused_by_the_wall(
                overriding(&db)?.batch_execute("INSERT INTO parent VALUES (333333)"),
            )?;
            cutover(&db).arg("--resume").run()?.expect(0)?;
        } else {
            cutover(&db).arg("--yes").run()?.expect(0)?;
        }
        same(&db, &["parent", "child", "keyless", "scratch"])?;
    }
    Ok(())
}

/// Triggers that stayed from an attempt that was taken back are no wall: where the next one cannot build its own in
/// time it is built after the release, and not taken for standing.
#[test]
fn triggers_that_let_everything_pass_are_no_wall() -> Result<()> {
    for (source, target) in super::support::PAIRS {
        let db = replicating(source, target, "relic")?;
        let reader = release_fails(&db, true)?;
        drop(reader);
        db.on_source("INSERT INTO parent VALUES (444444)")?;
        let walls = "SELECT count(*) > 0 FROM pg_trigger WHERE tgname = 'pgl_refuse_write'";
        ensure!(db.source().value(db.name(), walls)? == "t");

        // No function can be replaced on the source until after the release.
        db.on_source(
            "CREATE FUNCTION public.freeze() RETURNS event_trigger LANGUAGE plpgsql AS
             $$BEGIN RAISE EXCEPTION 'frozen'; END$$;
             CREATE EVENT TRIGGER frozen ON ddl_command_start WHEN TAG IN ('CREATE FUNCTION')
             EXECUTE PROCEDURE public.freeze()",
        )?;
        let force = ["--force", "cut.definitions,cut.unplanned"];
        let running = at_hook(&db, "--hook-switched", "2", &force)?;
        overriding(&db)?.batch_execute("DROP EVENT TRIGGER frozen")?;
        let outcome = running.wait(PATIENCE)?.expect(0)?;
        ensure!(outcome.stdout.contains("cannot be built"), "{outcome:?}");
        refused_by_the_wall(overriding(&db)?.batch_execute("INSERT INTO parent VALUES (333333)"))?;
        same(&db, &["parent", "child", "keyless"])?;
    }
    Ok(())
}
