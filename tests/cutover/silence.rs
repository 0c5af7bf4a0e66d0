//! Networks that fall silent, and a target that is away: nobody is told, and yet the source opens.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use pgl_testkit::{PairDb, Proxy, Shutdown, Tool, conninfo};

use super::support::{
    PATIENCE, cutover, holders, prepared, replicating, settings, target_is_shut, wait_for,
    writes_within,
};

const RESTORED: Duration = Duration::from_secs(60);

/// The tool, with networks of its own to both servers.
fn behind(db: &PairDb) -> Result<(Tool, [Proxy; 2])> {
    let ways = [
        Proxy::start(db.source().port())?,
        Proxy::start(db.target().port())?,
    ];
    let dsn = |way: &Proxy| {
        conninfo(&[
            ("host", "127.0.0.1"),
            ("port", &way.port().to_string()),
            ("user", "postgres"),
            ("dbname", db.name()),
        ])
    };
    let tool = cutover(db)
        .env("PGL_SOURCE", dsn(&ways[0]))
        .env("PGL_TARGET", dsn(&ways[1]))
        .args(["--yes", "--max-pause", "2s", "--hook-blocked", "sleep 0.5"]);
    Ok((tool, ways))
}

/// Sessions of the tool in the source database.
fn ours(db: &PairDb) -> Result<String> {
    db.source().value(
        "postgres",
        &format!(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgl-cutover' AND datname = '{}'",
            db.name()
        ),
    )
}

#[test]
fn a_target_that_falls_silent_is_left_at_the_limit_of_the_pause() -> Result<()> {
    let db = replicating(13, 17, "silent")?;
    let before = settings(&db)?;
    let (tool, ways) = behind(&db)?;
    let running = tool.start()?;
    wait_for(
        db.source(),
        &db,
        "object = '' AND detail ->> 'state' = 'blocked'",
    )?;
    let blocked = Instant::now();
    ways[1].freeze();
    writes_within(&db, Duration::from_secs(2) + RESTORED)?;
    ensure!(blocked.elapsed() < Duration::from_secs(2) + RESTORED);
    ensure!(settings(&db)? == before);
    let out = running.wait(PATIENCE)?.expect(4)?;
    ensure!(out.json()?["state"] == "restored", "{}", out.stdout);
    ways[1].resume();
    // What it has left there is ended by whoever comes next.
    cutover(&db).command("abort").run()?.expect(0)?;
    target_is_shut(&db)?;
    cutover(&db).arg("--yes").run()?.expect(0)?;
    Ok(())
}

#[test]
fn locks_of_a_session_behind_a_silent_network_are_taken_from_another_place() -> Result<()> {
    let db = replicating(15, 18, "elsewhere")?;
    let before = settings(&db)?;
    let (tool, ways) = behind(&db)?;
    let running = tool.start()?;
    wait_for(
        db.source(),
        &db,
        "object = '' AND detail ->> 'state' = 'blocked'",
    )?;
    ways.iter().for_each(Proxy::freeze);
    ensure!(
        ours(&db)? == "4",
        "the sessions are there, with their locks"
    );
    // For the servers it is alive: that somebody gives it up has to be said.
    let pids = holders(&cutover(&db).command("abort").run()?.expect(5)?)?;
    let asked = Instant::now();
    cutover(&db)
        .args(["abort", "--yes"])
        .args(&pids)
        .run()?
        .expect(0)?;
    writes_within(&db, RESTORED.saturating_sub(asked.elapsed()))?;
    ensure!(settings(&db)? == before && ours(&db)? == "0");
    // It wakes up, and cannot do anything any more.
    ways.iter().for_each(Proxy::resume);
    let out = running.wait(PATIENCE)?;
    ensure!(matches!(out.code(), Some(3..=5)), "{}", out.stdout);
    writes_within(&db, RESTORED)?;
    ensure!(settings(&db)? == before);
    target_is_shut(&db)
}

#[test]
fn without_the_target_the_source_opens_unless_it_may_have_been_released() -> Result<()> {
    let mut db = PairDb::alone(13, 17, "orphan")?;
    prepared(&db, "SELECT 1")?;
    let before = settings(&db)?;
    for (hook, opens) in [("--hook-drained", true), ("--hook-promoted", false)] {
        let kill = cutover(&db).args(["--yes", hook, "kill -9 $PPID"]);
        let killed = kill.run()?;
        ensure!(killed.code().is_none(), "{}", killed.stdout);
        let Some(pair) = db.servers() else {
            anyhow::bail!("the servers are shared");
        };
        pair.target.stop(Shutdown::Immediate)?;
        let out = cutover(&db).command("abort").run()?;
        if opens {
            ensure!(out.expect(0)?.json()?["state"] == "restored");
            writes_within(&db, RESTORED)?;
            ensure!(settings(&db)? == before);
        } else {
            let out = out.expect(3)?;
            ensure!(
                out.stderr.contains("may have been promoted"),
                "{}",
                out.stderr
            );
            ensure!(db.on_source("INSERT INTO parent VALUES (-1)").is_err());
        }
        if let Some(pair) = db.servers() {
            pair.target.start_again()?;
        }
        if opens {
            target_is_shut(&db)?;
            db.replicates(PATIENCE)?;
        }
    }
    cutover(&db).command("resume").run()?.expect(0)?;
    Ok(())
}
