//! The example hooks, with a real pgbouncer and with stand-ins for what a test machine does not have:
//! they record what they were called with.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use pgl_testkit::load::{Load, Writers};
use pgl_testkit::{Bouncer, PairDb, Signal, Tool};
use tempfile::TempDir;

use super::support::{cutover, go_on, replicating, roles, same, settings, writes_within};

fn hook(name: &str, word: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts/hooks");
    format!("'{}' {word}", path.join(name).display())
}

/// pgbouncer as the gate, and writers that know nothing but it.
fn gate(db: &PairDb, app: &str, mode: &str) -> Result<(Bouncer, Writers)> {
    let bouncer = Bouncer::start(db.source(), db.name(), app, mode)?;
    let writers = Load::new()
        .workers(4)
        .pace(Duration::from_millis(5))
        .start(&[bouncer.dsn(app)])?;
    Ok((bouncer, go_on(writers, 100)?))
}

fn gated(db: &PairDb, bouncer: &Bouncer, app: &str) -> Tool {
    cutover(db)
        .args(["--yes", "--block", "hook", "--hook-blocked"])
        .arg(hook("pgbouncer.sh", "pause"))
        .arg("--hook-promoted")
        .arg(hook("pgbouncer.sh", "cutover"))
        .arg("--hook-restored")
        .arg(hook("pgbouncer.sh", "resume"))
        .envs(bouncer.hook_env(db.target(), app))
}

#[test]
fn behind_a_pausing_pooler_no_client_sees_an_error() -> Result<()> {
    let db = replicating(13, 17, "gate")?;
    let (app, _) = roles(&db)?;
    let (bouncer, writers) = gate(&db, &app, "transaction")?;
    // Taken back, with everybody waiting: they go on where they were.
    let out = gated(&db, &bouncer, &app)
        .args(["--hook-drained", "exit 7"])
        .run()?
        .expect(3)?;
    ensure!(out.json()?["state"] == "restored", "{}", out.stdout);
    let writers = go_on(writers, 100)?;
    let there = db.on_target("SELECT count(*) FROM pgl.journal WHERE object = 'promoted'")?;
    ensure!(there == [[Some("0".to_owned())]]);
    // And the cutover.
    gated(&db, &bouncer, &app).run()?.expect(0)?;
    let ledger = go_on(writers, 100)?.stop()?;
    ledger.check(&mut db.target_client()?)?;
    ensure!(
        ledger.refusals().is_empty() && ledger.in_doubt() == 0,
        "clients saw errors: {:?}, {} in doubt",
        ledger.refusals(),
        ledger.in_doubt()
    );
    same(&db, &["parent", "child", "keyless"])
}

/// PAUSE would wait until every client has gone: nobody is kept waiting for that.
#[test]
fn a_pooler_of_sessions_cannot_pause_and_says_so_at_once() -> Result<()> {
    let db = replicating(15, 18, "sessions")?;
    let (app, _) = roles(&db)?;
    let before = settings(&db)?;
    let (bouncer, writers) = gate(&db, &app, "session")?;
    let out = gated(&db, &bouncer, &app).run()?.expect(3)?;
    ensure!(out.json()?["state"] == "restored", "{}", out.stdout);
    ensure!(out.stderr.contains("pool_mode session"), "{}", out.stderr);
    ensure!(settings(&db)? == before);
    let ledger = go_on(writers, 50)?.stop()?;
    ensure!(ledger.refusals().is_empty(), "{:?}", ledger.refusals());
    ledger.check(&mut db.source_client()?)
}

/// A directory with one program that records its arguments and its input, and fails where told to.
fn stand_in(name: &str, fails_at: &str) -> Result<TempDir> {
    let dir = tempfile::tempdir()?;
    let program = dir.path().join(name);
    let log = dir.path().join("log");
    std::fs::write(&log, "")?;
    std::fs::write(
        &program,
        format!(
            "#!/bin/sh\nset -eu\necho \"$*\" >>'{0}'\n{1}\n[ \"${{1:-}}\" != '{fails_at}' ]\n",
            log.display(),
            if name == "nsupdate" {
                format!("cat >>'{}'", log.display())
            } else {
                String::new()
            }
        ),
    )?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    Ok(dir)
}

fn recorded(dir: &TempDir) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(dir.path().join("log"))?;
    Ok(text.lines().map(str::to_owned).collect())
}

#[test]
fn services_are_stopped_moved_and_started_again() -> Result<()> {
    let db = replicating(13, 17, "services")?;
    let before = settings(&db)?;
    let files = tempfile::tempdir()?;
    let file = files.path().join("database.env");
    std::fs::write(&file, "DATABASE_URL=old\n")?;
    let run = |systemctl: &TempDir| {
        cutover(&db)
            .args(["--yes", "--block", "hook", "--hook-blocked"])
            .arg(hook("systemd.sh", "stop"))
            .arg("--hook-promoted")
            .arg(hook("systemd.sh", "cutover"))
            .arg("--hook-restored")
            .arg(hook("systemd.sh", "start"))
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", systemctl.path().display()),
            )
            .env("SERVICES", "shop-web shop-worker")
            .env("SERVICE_ENV", &file)
            .env("SERVICE_TARGET", "DATABASE_URL=new")
            .run()
    };
    // One that does not stop: everything is rolled back, and the services run.
    let broken = stand_in("systemctl", "stop")?;
    let out = run(&broken)?.expect(3)?;
    ensure!(out.json()?["state"] == "restored", "{}", out.stdout);
    ensure!(recorded(&broken)? == ["stop shop-web shop-worker", "start shop-web shop-worker"]);
    ensure!(settings(&db)? == before);
    writes_within(&db, Duration::from_secs(5))?;
    ensure!(std::fs::read_to_string(&file)? == "DATABASE_URL=old\n");

    let sound = stand_in("systemctl", "nothing")?;
    run(&sound)?.expect(0)?;
    ensure!(recorded(&sound)? == ["stop shop-web shop-worker", "start shop-web shop-worker"]);
    ensure!(std::fs::read_to_string(&file)? == "DATABASE_URL=new\n");
    let kept = std::fs::read_to_string(files.path().join("database.env.before-cutover"))?;
    ensure!(kept == "DATABASE_URL=old\n");
    Ok(())
}

#[test]
fn a_name_is_moved_and_a_name_that_is_not_is_reported() -> Result<()> {
    for (fails_at, code) in [("nothing", 0), ("-k", 6)] {
        let db = replicating(15, 18, "name")?;
        let nsupdate = stand_in("nsupdate", fails_at)?;
        let out = cutover(&db)
            .args(["--yes", "--hook-promoted"])
            .arg(hook("dns.sh", ""))
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", nsupdate.path().display()),
            )
            .env("DNS_UPDATE", "nsupdate -k update.key")
            .env("DNS_NAME", "db.example.")
            .env("DNS_TARGET", "192.0.2.7")
            .run()?
            .expect(code)?;
        // The cutover is made either way: after the release there is nothing to be rolled back.
        let document = out.json()?;
        ensure!(document["state"] == "done", "{document:#}");
        ensure!(document["error"].is_null() == (code == 0), "{document:#}");
        ensure!(
            recorded(&nsupdate)?
                == [
                    "-k update.key",
                    "update delete db.example. A",
                    "update add db.example. 60 A 192.0.2.7",
                    "send"
                ]
        );
        db.on_target("INSERT INTO parent VALUES (-2)")?;
    }
    Ok(())
}

/// What a hook started ends with it: it would else send clients to the target after the attempt was rolled back.
#[test]
fn a_hook_that_is_ended_takes_everything_with_it_that_it_started() -> Result<()> {
    let db = replicating(13, 17, "group")?;
    let dir = tempfile::tempdir()?;
    let (begun, late) = (dir.path().join("begun"), dir.path().join("late"));
    let command = format!(
        "(touch '{}'; sleep 2; touch '{}') & wait",
        begun.display(),
        late.display()
    );
    let out = cutover(&db)
        .args([
            "--yes",
            "--hook-timeout",
            "500ms",
            "--hook-drained",
            &command,
        ])
        .run()?
        .expect(4)?;
    ensure!(out.json()?["state"] == "restored", "{}", out.stdout);
    std::fs::remove_file(&begun)?;
    // A signal is seen inside a hook.
    let running = cutover(&db)
        .args(["--yes", "--max-pause", "60s", "--hook-timeout", "60s"])
        .args(["--hook-drained", &command])
        .start()?;
    while !begun.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    running.signal(Signal::TERM)?;
    let out = running.wait(Duration::from_secs(60))?.expect(143)?;
    ensure!(out.json()?["state"] == "restored", "{}", out.stdout);
    writes_within(&db, Duration::from_secs(5))?;
    let processes = std::process::Command::new("pgrep")
        .args(["-f", &late.display().to_string()])
        .output()?;
    ensure!(processes.stdout.is_empty(), "still there: {processes:?}");
    ensure!(!late.exists(), "it went on after the rollback");
    Ok(())
}

/// A hook that takes too long is named with its limit, also where a process that it started keeps its group from ending: the
/// servers and the network have nothing to do with it.
#[test]
fn a_hook_that_takes_too_long_is_named_with_its_limit() -> Result<()> {
    let db = replicating(15, 18, "slow")?;
    // Its child is in the hook's process group and dies with it; the parent, in another one, does not wait for it.
    let lingering = "perl -e 'fork or do { sleep 60; exit }; setpgrp(0, 0); sleep 10; wait' & wait";
    for (command, hook, pause, timeout, limit) in [
        (
            "echo busy >&2; sleep 60",
            "--hook-drained",
            "60s",
            "500ms",
            "0.5 s, --hook-timeout: busy",
        ),
        (
            "sleep 60",
            "--hook-blocked",
            "2s",
            "30s",
            "what was left of --max-pause",
        ),
        (
            lingering,
            "--hook-drained",
            "3s",
            "30s",
            "what was left of --max-pause",
        ),
    ] {
        let out = cutover(&db)
            .args(["--yes", "--max-pause", pause, "--hook-timeout", timeout])
            .args([hook, command])
            .run()?
            .expect(4)?;
        let document = out.json()?;
        ensure!(document["state"] == "restored", "{document:#}");
        let error = document["error"].as_str().unwrap_or_default();
        ensure!(
            error.starts_with(&format!(
                "{} exceeded its limit: not done after",
                &hook[2..]
            )) && error.contains(limit),
            "{error}"
        );
    }
    Ok(())
}

/// The hook after the promotion failed, or was never come to: `pgl-cutover resume` runs it.
#[test]
fn resume_runs_the_hook_after_the_promotion() -> Result<()> {
    for (first, code) in [("exit 3", Some(6)), ("kill -9 $PPID", None)] {
        let db = replicating(15, 18, "again")?;
        let out = cutover(&db)
            .args(["--yes", "--hook-promoted", first])
            .start()?
            .wait(Duration::from_secs(60))?;
        ensure!(out.code() == code, "{out:?}");
        let failing = cutover(&db)
            .args(["resume", "--hook-promoted", "echo no >&2; exit 4"])
            .run()?
            .expect(6)?;
        ensure!(failing.stderr.contains("exit status: 4: no"), "{failing:?}");
        let dir = tempfile::tempdir()?;
        let sign = dir.path().join("ran");
        cutover(&db)
            .args(["resume", "--hook-promoted"])
            .arg(format!("touch '{}'", sign.display()))
            .run()?
            .expect(0)?;
        ensure!(sign.exists(), "{first}: the hook was not run");
    }
    Ok(())
}

/// A reader of stderr that has stopped reading, of the tool and of its hooks, costs no time in which writes are blocked.
#[test]
fn a_full_pipe_on_stderr_keeps_nobody_waiting() -> Result<()> {
    let db = replicating(13, 17, "pipe")?;
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_pgl-cutover"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", "/nonexistent")
        .envs(db.env())
        .args(["--yes", "-vv", "--hook-blocked"])
        .arg("yes 'a line that nobody reads' | head -n 20000 >&2")
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()?;
    // Done, with everything that it has to say still in its hands.
    let until = std::time::Instant::now() + Duration::from_secs(90);
    let done = "SELECT count(*) FROM pgl.journal WHERE step = 'cutover' AND object = '' AND detail ->> 'state' = 'done'";
    while db.source().value(db.name(), done).ok().as_deref() != Some("1") {
        ensure!(std::time::Instant::now() < until, "it waits for its output");
        ensure!(child.try_wait()?.is_none(), "it has ended");
        std::thread::sleep(Duration::from_millis(50));
    }
    let out = child.wait_with_output()?;
    ensure!(out.status.success(), "{:?}", out.status);
    let lines = String::from_utf8_lossy(&out.stderr).lines().count();
    ensure!(lines > 20_000, "{lines} lines of stderr");
    Ok(())
}

/// Names as pgbouncer reads them, a target with backslashes, and a second run.
#[test]
fn pgbouncers_file_is_rewritten_whatever_its_names_look_like() -> Result<()> {
    let original = "[pgbouncer]\nshop = 1\n[databases]\n; shop = not this\n  shop = host=old port=1\n\t\"we \"\"ird\" = host=old\nlast=host=old\n[users]\nshop = 2\n";
    let psql = stand_in("psql", "nothing")?;
    let dir = tempfile::tempdir()?;
    let ini = dir.path().join("pgbouncer.ini");
    std::fs::write(&ini, original)?;
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts/hooks/pgbouncer.sh");
    let switch = |name: &str, target: &str| -> Result<bool> {
        let out = Tool::new("/bin/sh")
            .arg(&script)
            .arg("cutover")
            .env("PATH", format!("{}:/usr/bin:/bin", psql.path().display()))
            .env("PGBOUNCER_ADMIN", "dbname=pgbouncer")
            .env("PGBOUNCER_INI", &ini)
            .env("PGBOUNCER_DB", name)
            .env("PGBOUNCER_TARGET", target)
            .run()?;
        Ok(out.code() == Some(0))
    };
    ensure!(switch("shop", r"host=new password='a\tb\\c'")?);
    ensure!(switch("we \"ird", "host=new")?);
    ensure!(switch("last", "host=new")?);
    ensure!(!switch("nobody", "host=new")?);
    let expected = original
        .replace(
            "  shop = host=old port=1",
            r"shop = host=new password='a\tb\\c'",
        )
        .replace("\t\"we \"\"ird\" = host=old", "\"we \"\"ird\" = host=new")
        .replace("last=host=old", "last = host=new");
    ensure!(
        std::fs::read_to_string(&ini)? == expected,
        "{}",
        std::fs::read_to_string(&ini)?
    );
    let kept = std::fs::read_to_string(dir.path().join("pgbouncer.ini.before-cutover"))?;
    ensure!(kept == original, "{kept}");
    Ok(())
}
