//! Two operators at once: a run that was stopped anywhere and goes on later finds what has become of the
//! migration meanwhile, and touches nothing that is not its own any more. At no moment do both sides accept writes,
//! and none of them only while a run that can be continued or ended has blocked the source.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pgl_testkit::{Outcome, PairDb, Running, Tool, shared_pair};

use super::support::{PATIENCE, cutover, holders, replicating, setup, writes_within};

const SOON: Duration = Duration::from_secs(60);

/// Points of an attempt, from the first that it records to the last before the promotion.
const BEFORE: [&str; 11] = [
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
];

fn tool(db: &PairDb, name: &str) -> Result<Tool> {
    let program = match name {
        "pgl-cutover" => return Ok(cutover(db)),
        "pgl-setup" => return Ok(setup(db)),
        "pgl-control" => env!("CARGO_BIN_EXE_pgl-control"),
        "pgl-seqsync" => env!("CARGO_BIN_EXE_pgl-seqsync"),
        "pgl-teardown" => env!("CARGO_BIN_EXE_pgl-teardown"),
        other => anyhow::bail!("no tool {other}"),
    };
    Ok(Tool::new(program).envs(db.env()).limit(PATIENCE))
}

/// Starts a tool and waits until it has stopped itself there.
pub(super) fn stopped(tool: Tool, point: &str) -> Result<Running> {
    let mut running = tool.env("PGL_TEST_STOP_AT", point).start()?;
    ensure!(
        running.stopped(PATIENCE)?,
        "it never came to {point}: {} {}",
        running.stdout_so_far(),
        running.stderr_so_far()
    );
    Ok(running)
}

fn goes_on(running: Running) -> Result<Outcome> {
    running.go_on()?;
    running.wait(PATIENCE)
}

/// An attempt whose write outage may last as long as the test needs.
fn attempt(db: &PairDb) -> Tool {
    cutover(db).args(["--yes", "--max-pause", "300s"])
}

fn accepts_writes(side: &str, db: &PairDb) -> Result<bool> {
    let mut client = match side {
        "source" => db.source_client()?,
        _ => db.target_client()?,
    };
    client.batch_execute("SET lock_timeout = '500ms'")?;
    let sql = "INSERT INTO parent VALUES (-1); DELETE FROM parent WHERE id = -1";
    Ok(client.batch_execute(sql).is_ok())
}

/// Which of the two accept writes of clients.
fn writable(db: &PairDb) -> Result<(bool, bool)> {
    Ok((accepts_writes("source", db)?, accepts_writes("target", db)?))
}

/// The state of the last attempt, and its token, as the source's journal has them.
fn recorded(db: &PairDb) -> Result<Vec<Vec<Option<String>>>> {
    db.on_source(
        "SELECT detail ->> 'state', detail ->> 'token' FROM pgl.journal WHERE step = 'cutover' AND object = ''",
    )
}

#[test]
fn a_run_that_is_alive_is_neither_aborted_nor_resumed_by_another() -> Result<()> {
    let db = replicating(13, 17, "alive")?;
    let running = stopped(attempt(&db).command("rehearse"), "drain")?;
    let before = recorded(&db)?;
    for args in [&["abort"][..], &["resume"], &["--yes"]] {
        let refused = cutover(&db).args(args).run()?.expect(5)?;
        holders(&refused)?;
        ensure!(recorded(&db)? == before, "{args:?} has changed the journal");
    }
    // A process that does not hold the lock is not ended.
    let refused = cutover(&db)
        .args(["abort", "--yes", "--terminate", "1"])
        .run()?
        .expect(5)?;
    ensure!(
        refused.stderr.contains("process 1 does not hold the lock"),
        "{}",
        refused.stderr
    );
    // Without a word it is not ended either, nor one of its two sessions alone.
    let pids = holders(&cutover(&db).command("abort").run()?)?;
    let refused = cutover(&db)
        .args(["abort", "--yes"])
        .args(pids.iter().take(2))
        .run()?
        .expect(5)?;
    ensure!(
        refused.stderr.contains("too: no session was ended"),
        "{}",
        refused.stderr
    );
    ensure!(holders(&cutover(&db).command("abort").run()?)? == pids);
    cutover(&db).command("abort").args(&pids).run()?.expect(5)?;
    ensure!(writable(&db)? == (false, false) && recorded(&db)? == before);
    goes_on(running)?.expect(0)?;
    ensure!(writable(&db)? == (true, false));
    Ok(())
}

/// The attempt was rolled back by somebody else, and a third run has blocked the source for its own.
#[test]
fn an_overtaken_run_does_not_unblock_the_source_of_another_attempt() -> Result<()> {
    for (source, target, points) in [(13, 17, &BEFORE[..5]), (15, 18, &BEFORE[5..])] {
        let db = replicating(source, target, "overtaken")?;
        for (rehearse, point) in points
            .iter()
            .map(|point| (false, *point))
            .chain([(true, "unblock")])
        {
            one_overtaken(&db, rehearse, point).with_context(|| format!("stopped at {point}"))?;
        }
        cutover(&db).arg("--yes").run()?.expect(0)?;
        ensure!(writable(&db)? == (false, true));
    }
    Ok(())
}

fn one_overtaken(db: &PairDb, rehearse: bool, point: &str) -> Result<()> {
    let first = match rehearse {
        true => attempt(db).command("rehearse"),
        false => attempt(db),
    };
    let first = stopped(first, point)?;
    // The command that is printed works as it is.
    let refused = cutover(db).command("abort").run()?.expect(5)?.stderr;
    let (_, printed) = refused.split_once("pgl-cutover abort").context("hint")?;
    let (options, _) = printed.split_once(" ends it").context("hint")?;
    cutover(db)
        .command("abort")
        .args(options.split_whitespace())
        .run()?
        .expect(0)?;
    ensure!(writable(db)? == (true, false), "after the abort");
    let second = stopped(attempt(db).command("rehearse"), "drain")?;
    let before = recorded(db)?;
    let out = goes_on(first)?.expect(5)?;
    ensure!(
        out.stderr.contains("another run has taken over"),
        "{}",
        out.stderr
    );
    ensure!(out.json()?["state"].is_null(), "{}", out.stdout);
    ensure!(
        recorded(db)? == before && writable(db)? == (false, false),
        "it has touched the attempt of another run"
    );
    goes_on(second)?.expect(0)?;
    ensure!(writable(db)? == (true, false), "after the second run");
    Ok(())
}

/// The attempt was rolled back by somebody else, and nothing has come after it: also then the run reports that, whatever it
/// would have ended with by itself.
#[test]
fn a_run_that_was_aborted_by_another_reports_that_and_begins_nothing() -> Result<()> {
    let none = Duration::ZERO;
    let over = Duration::from_secs(6);
    for (source, target, points) in [
        (
            13,
            17,
            &[
                ("locked", none),
                ("target-read-only", none),
                ("blocked", over),
                ("sequences", none),
            ][..],
        ),
        (
            15,
            18,
            &[
                ("wait-caught-up", none),
                ("unblock", over),
                ("promote", none),
                ("promote-commit", over),
            ][..],
        ),
    ] {
        let db = replicating(source, target, "aborted")?;
        for (point, pause) in points {
            let mut tool = cutover(&db).args(["--yes", "--reverse"]);
            if *point == "unblock" {
                tool = tool.command("rehearse");
            }
            // The time that passes is the limit of the write outage.
            let limit = if pause.is_zero() { "300s" } else { "5s" };
            let first = stopped(tool.args(["--max-pause", limit]), point)?;
            let pids = holders(&cutover(&db).command("abort").run()?.expect(5)?)?;
            cutover(&db)
                .args(["abort", "--yes"])
                .args(&pids)
                .run()?
                .expect(0)?;
            let before = (recorded(&db)?, writable(&db)?);
            ensure!(before.1.0, "stopped at {point}: the source is blocked");
            std::thread::sleep(*pause);
            let out = goes_on(first)?;
            ensure!(
                out.code() == Some(5) && out.stderr.contains("another run has taken over"),
                "stopped at {point}: {out:?}"
            );
            ensure!(
                (recorded(&db)?, writable(&db)?) == before,
                "stopped at {point}: it has touched something"
            );
            let back = db.on_source("SELECT sub_name FROM pglogical.subscription")?;
            ensure!(back.is_empty(), "stopped at {point}: {back:?}");
        }
    }
    Ok(())
}

/// Split brain: the source must stay blocked after another operator's cutover.
#[test]
fn an_overtaken_run_does_not_unblock_the_source_after_a_cutover() -> Result<()> {
    for (point, source, target) in [("blocked", 13, 17), ("promote-commit", 15, 18)] {
        let db = replicating(source, target, "splitbrain")?;
        let first = stopped(attempt(&db), point)?;
        let pids = holders(&cutover(&db).command("resume").run()?.expect(5)?)?;
        cutover(&db)
            .args(["resume", "--yes"])
            .args(&pids)
            .run()?
            .expect(0)?;
        ensure!(writable(&db)? == (false, true));
        db.on_target(
            "INSERT INTO parent VALUES (7001); UPDATE keyless SET b = 'after' WHERE a = 20",
        )?;
        let out = goes_on(first)?.expect(5)?;
        ensure!(
            out.stderr.contains("another run has taken over"),
            "{}",
            out.stderr
        );
        ensure!(writable(&db)? == (false, true), "stopped at {point}");
        let kept = db.on_target(
            "SELECT (SELECT count(*) FROM parent WHERE id = 7001), (SELECT b FROM keyless WHERE a = 20)",
        )?;
        ensure!(kept == [[Some("1".to_owned()), Some("after".to_owned())]]);
    }
    Ok(())
}

/// The promotion was made, and nobody has told the run so: it finishes, whoever else has done so.
#[test]
fn a_run_that_has_promoted_the_target_finishes_after_somebody_else_did() -> Result<()> {
    let db = replicating(13, 17, "finisher")?;
    let first = stopped(attempt(&db), "promoted")?;
    let pids = holders(&cutover(&db).command("abort").run()?.expect(5)?)?;
    // Nothing is rolled back behind a promotion.
    let refused = cutover(&db)
        .args(["abort", "--yes"])
        .args(&pids)
        .run()?
        .expect(5)?;
    ensure!(
        refused.stderr.contains("the cutover is made"),
        "{}",
        refused.stderr
    );
    cutover(&db).args(["resume", "--yes"]).run()?.expect(0)?;
    let out = goes_on(first)?;
    ensure!(
        matches!(out.code(), Some(0 | 6)),
        "{} {}",
        out.stdout,
        out.stderr
    );
    ensure!(writable(&db)? == (false, true));
    ensure!(recorded(&db)?[0][0].as_deref() == Some("done"));
    Ok(())
}

/// The same on the way back: the target stays as the other run has left it.
#[test]
fn a_rollback_that_was_aborted_by_another_run_reports_that() -> Result<()> {
    let db = replicating(15, 18, "backaborted")?;
    cutover(&db).args(["--yes", "--reverse"]).run()?.expect(0)?;
    let back = || cutover(&db).args(["rollback", "--yes", "--max-pause", "300s"]);
    for point in ["locked"].into_iter().chain(BEFORE) {
        let first = stopped(back(), point)?;
        let pids = holders(&cutover(&db).command("abort").run()?.expect(5)?)?;
        let aborted = cutover(&db).args(["abort", "--yes"]).args(&pids).run()?;
        ensure!(
            matches!(aborted.code(), Some(0 | 5)),
            "{point}: {aborted:?}"
        );
        let out = goes_on(first)?;
        ensure!(
            out.code() == Some(5) && out.stderr.contains("another run has taken over"),
            "stopped at {point}: {out:?}"
        );
        ensure!(
            writable(&db)? == (false, true),
            "stopped at {point}: it has touched something"
        );
    }
    cutover(&db).args(["rollback", "--yes"]).run()?.expect(0)?;
    Ok(())
}

/// It was promoted, finished by somebody else, and rolled back: nothing is finished behind that, and no client is sent there.
#[test]
fn a_run_that_has_promoted_the_target_does_nothing_after_a_rollback() -> Result<()> {
    for (point, source, target) in [("promoted", 13, 17), ("finish", 15, 18)] {
        let db = replicating(source, target, "behind")?;
        let flag = std::env::temp_dir().join(format!("pgl-sent-{}-{point}", std::process::id()));
        let hook = format!("touch {}", flag.display());
        let mut first = attempt(&db).arg("--reverse");
        if point == "promoted" {
            first = first.args(["--hook-promoted", &hook]);
        }
        let first = stopped(first, point)?;
        let pids = holders(&cutover(&db).command("resume").run()?.expect(5)?)?;
        cutover(&db)
            .args(["resume", "--yes"])
            .args(&pids)
            .run()?
            .expect(0)?;
        cutover(&db).args(["rollback", "--yes"]).run()?.expect(0)?;
        let walls = || {
            db.target().value(
                db.name(),
                "SELECT count(*) FROM pg_trigger WHERE tgname = 'pgl_refuse_write'",
            )
        };
        let before = (recorded(&db)?, walls()?);
        ensure!(before.1 != "0", "the rollback has made no triggers");
        let out = goes_on(first)?;
        ensure!(
            out.code() == Some(5)
                && out.stderr.contains("another run has taken over")
                && out.json()?["state"].is_null(),
            "stopped at {point}: {out:?}"
        );
        ensure!(!flag.exists(), "clients were sent to the target");
        ensure!(
            (recorded(&db)?, walls()?) == before && writable(&db)? == (true, false),
            "stopped at {point}: it has touched something"
        );
    }
    Ok(())
}

/// A run that has rolled back what was left, and was overtaken in its hook.
#[test]
fn a_resumed_run_that_was_overtaken_in_a_hook_reports_that() -> Result<()> {
    let db = replicating(13, 17, "resumed")?;
    stopped(attempt(&db), "drain")?.kill9()?;
    let hook = "kill -STOP $PPID";
    let mut first = cutover(&db)
        .args(["resume", "--yes", "--hook-restored", hook])
        .start()?;
    ensure!(first.stopped(PATIENCE)?, "{}", first.stderr_so_far());
    let pids = holders(&cutover(&db).command("abort").run()?.expect(5)?)?;
    cutover(&db)
        .args(["abort", "--yes"])
        .args(&pids)
        .run()?
        .expect(0)?;
    let out = goes_on(first)?;
    ensure!(
        out.code() == Some(5) && out.stderr.contains("another run has taken over"),
        "{out:?}"
    );
    ensure!(writable(&db)? == (true, false));
    Ok(())
}

/// State is read under the lock: what was true before somebody else's cutover does not count.
#[test]
fn tools_that_waited_for_the_lock_see_the_cutover_that_was_made_meanwhile() -> Result<()> {
    let db = replicating(13, 17, "waited")?;
    let waiting = [
        ("pgl-cutover", &["--yes"][..], 0),
        (
            "pgl-control",
            &["resync", "public.keyless", "--always", "--yes"],
            5,
        ),
        ("pgl-setup", &[], 5),
        ("pgl-seqsync", &[], 5),
    ];
    // After it has ended the sessions of everybody else.
    let first = stopped(attempt(&db), "promoted")?;
    let mut stopped_ones = Vec::new();
    for (name, args, code) in waiting {
        let one = stopped(tool(&db, name)?.args(args), "lock")?;
        stopped_ones.push((name, one, code));
    }
    goes_on(first)?.expect(0)?;
    db.on_target(
        "UPDATE keyless SET b = 'after' WHERE a = 20; INSERT INTO parent VALUES (7001);
         SELECT setval('child_id_seq', 900000)",
    )?;
    for (name, one, code) in stopped_ones {
        let out = goes_on(one)?.expect(code)?;
        ensure!(
            out.stderr.contains("cut over at") || out.stdout.contains("made by an earlier run"),
            "{name}: {} {}",
            out.stdout,
            out.stderr
        );
        let kept = db.on_target(
            "SELECT (SELECT count(*) FROM parent WHERE id = 7001), (SELECT b FROM keyless WHERE a = 20),
                    (SELECT last_value FROM child_id_seq)",
        )?;
        let expected = ["1", "after", "900000"].map(|text| Some(text.to_owned()));
        ensure!(
            kept == [expected],
            "{name} has written to the target: {kept:?}"
        );
    }
    ensure!(writable(&db)? == (false, true));
    Ok(())
}

/// Any two writing tools: the second one is refused while the first one has the lock, with its process and address, and
/// changes nothing; the first one ends as if nothing had been.
#[test]
fn of_two_writing_tools_the_second_is_refused() -> Result<()> {
    let db = replicating(15, 18, "pairs")?;
    let tools = [
        ("pgl-setup", &[][..]),
        (
            "pgl-control",
            &["resync", "public.keyless", "--always", "--yes"],
        ),
        ("pgl-seqsync", &[]),
        ("pgl-cutover", &["rehearse", "--yes"]),
        ("pgl-teardown", &["--yes", "--drop-held"]),
    ];
    for (first, first_args) in tools {
        let one = stopped(tool(&db, first)?.args(first_args), "locked")?;
        for (second, second_args) in tools {
            let out = tool(&db, second)?.args(second_args).run()?.expect(5)?;
            ensure!(
                out.stderr
                    .contains("another run holds the lock of migration")
                    && out
                        .stderr
                        .contains(&format!("({first}, connected from 127.0.0.1")),
                "{first} and {second}: {}",
                out.stderr
            );
        }
        goes_on(one)?.expect(0).with_context(|| first.to_owned())?;
        writes_within(&db, SOON)?;
    }
    Ok(())
}

/// Without a document pgl-seqsync does not know which migration it works for: it takes the lock of each that the journals know.
#[test]
fn sequences_are_set_under_the_lock_of_the_migration_whatever_its_name() -> Result<()> {
    let db = shared_pair(15, 18)?.database("named")?;
    db.on_source(pgl_testkit::load::SCHEMA)?;
    db.on_source("CREATE TABLE parent (id serial PRIMARY KEY)")?;
    setup(&db).args(["--name", "other"]).run()?.expect(0)?;
    let named = cutover(&db).args(["rehearse", "--name", "other", "--yes"]);
    let running = stopped(named, "locked")?;
    let refused = tool(&db, "pgl-seqsync")?.run()?.expect(5)?;
    ensure!(
        refused
            .stderr
            .contains("another run holds the lock of migration")
            && refused.stderr.contains("--name other"),
        "{}",
        refused.stderr
    );
    goes_on(running)?.expect(0)?;
    tool(&db, "pgl-seqsync")?.run()?.expect(0)?;
    Ok(())
}

/// Below an attempt that a killed run has left, no tool changes anything before it was rolled back.
#[test]
fn an_attempt_that_is_not_over_stops_every_other_tool() -> Result<()> {
    let db = replicating(13, 17, "notover")?;
    stopped(attempt(&db), "drain")?.kill9()?;
    let before = recorded(&db)?;
    for (name, args) in [
        ("pgl-setup", &[][..]),
        (
            "pgl-control",
            &["resync", "public.keyless", "--always", "--yes"],
        ),
        ("pgl-seqsync", &[]),
        ("pgl-teardown", &["--yes", "--drop-held"]),
        ("pgl-cutover", &["--yes"]),
        ("pgl-cutover", &["rollback", "--yes"]),
    ] {
        let out = tool(&db, name)?.args(args).run()?.expect(5)?;
        ensure!(
            out.stderr.contains("pgl-cutover abort rolls it back")
                || out.stderr.contains("pgl-cutover abort takes it back"),
            "{name} {args:?}: {}",
            out.stderr
        );
        ensure!(recorded(&db)? == before && writable(&db)? == (false, false));
    }
    cutover(&db).command("abort").run()?.expect(0)?;
    ensure!(writable(&db)? == (true, false));
    Ok(())
}

/// What a run has left behind when it lost its lock is ended by the next one, before that decides anything.
#[test]
fn sessions_that_lost_their_lock_are_ended_first() -> Result<()> {
    let db = replicating(13, 17, "lostlock")?;
    let first = stopped(attempt(&db), "promote-commit")?;
    // Only the sessions that hold the lock: as a firewall does with idle connections.
    for server in [db.source(), db.target()] {
        server.sql(
            db.name(),
            "SELECT pg_terminate_backend(pid) FROM pg_locks
              WHERE locktype = 'advisory' AND classid = 7366508 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )?;
    }
    cutover(&db).command("abort").run()?.expect(0)?;
    ensure!(writable(&db)? == (true, false));
    let out = goes_on(first)?;
    ensure!(out.code() != Some(0), "{}", out.stdout);
    ensure!(
        writable(&db)? == (true, false),
        "it was promoted after the abort"
    );
    Ok(())
}

/// The end of a cutover is recorded only where nobody has rolled it back meanwhile.
#[test]
fn a_cutover_that_was_rolled_back_meanwhile_is_not_reported_as_done() -> Result<()> {
    let db = replicating(15, 18, "undone")?;
    let first = stopped(attempt(&db).arg("--reverse"), "finish")?;
    let pids = holders(&cutover(&db).command("resume").run()?.expect(5)?)?;
    cutover(&db)
        .args(["resume", "--yes"])
        .args(&pids)
        .run()?
        .expect(0)?;
    cutover(&db).args(["rollback", "--yes"]).run()?.expect(0)?;
    let before = recorded(&db)?;
    let out = goes_on(first)?.expect(5)?;
    ensure!(
        out.stderr.contains("another run has taken over") && out.json()?["state"].is_null(),
        "{} {}",
        out.stdout,
        out.stderr
    );
    ensure!(recorded(&db)? == before && writable(&db)? == (true, false));
    Ok(())
}

/// `pgl-cutover abort` without the target has the lock on the source alone.
#[test]
fn a_run_that_holds_the_lock_on_the_source_alone_is_seen_by_pgl_status() -> Result<()> {
    let db = replicating(15, 18, "source_alone")?;
    stopped(attempt(&db), "drain")?.kill9()?;
    let status = || -> Result<serde_json::Value> {
        let program = env!("CARGO_BIN_EXE_pgl-status");
        Tool::new(program)
            .envs(db.env())
            .limit(PATIENCE)
            .run()?
            .json()
    };
    let unfinished = |document: &serde_json::Value| {
        let causes = document["causes"].as_array().into_iter().flatten();
        causes
            .filter(|one| one["id"] == "cutover.unfinished")
            .count()
    };
    let left = status()?;
    ensure!(
        unfinished(&left) == 1 && left["running"].is_null(),
        "{left:#}"
    );
    let mut run = db.source_client()?;
    let key = pgl_core::migration::lock_key(db.name());
    run.batch_execute(&format!(
        "SET application_name = 'pgl-cutover'; SELECT pg_advisory_lock(7366508, {key})"
    ))?;
    let running = status()?;
    ensure!(
        unfinished(&running) == 0 && running["running"]["tool"] == "pgl-cutover",
        "{running:#}"
    );
    drop(run);
    cutover(&db).command("abort").run()?.expect(0)?;
    Ok(())
}
