//! What all programs share: closed pipes, signals, variables without a value, selections that match
//! nothing.

use std::ffi::OsStr;
use std::fs::File;
use std::io::pipe;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pgl_core::facts::{Facts, Recording};
use pgl_testkit::{Tool, shared_pair};

use crate::common::{PLAN, PROGRAMS};

const PREFLIGHT: &str = env!("CARGO_BIN_EXE_pgl-preflight");
const VERIFY: &str = env!("CARGO_BIN_EXE_pgl-verify");
const SETUP: &str = env!("CARGO_BIN_EXE_pgl-setup");

fn recording(facts: Facts) -> Result<String> {
    Ok(serde_json::to_string(&Recording {
        schema: Recording::SCHEMA.to_owned(),
        version: "0".to_owned(),
        recorded_at: "2026-11-29T00:00:00Z".to_owned(),
        facts,
    })?)
}

#[test]
fn an_answer_that_nobody_reads_is_never_a_yes() -> Result<()> {
    // Its reader is gone before the program starts.
    let closed = || -> Result<Stdio> {
        let (reader, writer) = pipe()?;
        drop(reader);
        Ok(writer.into())
    };
    for format in ["text", "json", "ndjson", "csv"] {
        let status = Command::new(PREFLIGHT)
            .args(["--list-checks", "--format", format])
            .stdout(closed()?)
            .stderr(Stdio::null())
            .status()?;
        ensure!(status.code() == Some(74), "{format}: {status}");
    }
    let db = shared_pair(15, 18)?.database("clclosed")?;
    db.on_source("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")?;
    db.on_target("CREATE TABLE t (id int PRIMARY KEY)")?;
    // The rows differ; a pipeline that goes on at 0 would go on here.
    for (program, args) in [(VERIFY, &[][..]), (PREFLIGHT, &["--only", "tbl"])] {
        let out = Command::new(program)
            .args(args)
            .envs(db.env())
            .stdout(closed()?)
            .output()?;
        ensure!(out.status.code() == Some(74), "{program}: {out:?}");
    }
    Ok(())
}

/// Every program: what a full disk, or a descriptor that is open for reading only, does not take is not written.
#[test]
fn an_answer_that_cannot_be_written_is_never_a_yes() -> Result<()> {
    let db = shared_pair(15, 18)?.database("clfull")?;
    db.on_source("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")?;
    let plan = Tool::new(PREFLIGHT).envs(db.env()).run()?.expect(0)?.stdout;
    let home = tempfile::TempDir::new()?;
    let path = home.path().join("plan.json");
    std::fs::write(&path, plan)?;
    let setup = Tool::new(SETUP).arg("--plan").arg(&path);
    setup.envs(db.env()).run()?.expect(0)?;
    for program in PROGRAMS {
        let looking: Vec<&OsStr> = program
            .looking
            .iter()
            .map(|arg| {
                if *arg == PLAN {
                    path.as_os_str()
                } else {
                    OsStr::new(arg)
                }
            })
            .collect();
        for args in [
            looking,
            vec![OsStr::new("--help")],
            vec![OsStr::new("--version")],
        ] {
            for out in [
                File::options().write(true).open("/dev/full")?,
                File::open("/dev/null")?,
            ] {
                let ran = Command::new(program.path)
                    .args(&args)
                    .envs(db.env())
                    .current_dir(home.path())
                    .stdout(out)
                    .stderr(Stdio::piped())
                    .spawn()?
                    .wait_with_output()?;
                ensure!(
                    ran.status.code() == Some(74),
                    "{} {args:?}: {ran:?}",
                    program.name
                );
            }
        }
    }
    Ok(())
}

/// Whether the process has a handler for SIGTERM.
fn handles_sigterm(child: &Child) -> Result<bool> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))
        .context("SigCgt")?;
    Ok(u64::from_str_radix(mask.trim(), 16)? & (1 << 14) != 0)
}

fn wait_until(what: &str, mut met: impl FnMut() -> Result<bool>) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(60);
    while !met()? {
        ensure!(Instant::now() < until, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

#[test]
fn the_first_signal_ends_a_tool_that_waits_for_its_plan() -> Result<()> {
    for (name, signal, code) in [("TERM", "-TERM", 143), ("INT", "-INT", 130)] {
        for program in PROGRAMS {
            let args: &[&str] = match program.name {
                "pgl-preflight" => &["--replay", "-"],
                "pgl-control" => &["pause", "--dry-run", "--plan", "-"],
                _ => &["--plan", "-"],
            };
            let nowhere = "host=127.0.0.1 port=9 dbname=x";
            let mut child = Command::new(program.path)
                .args(args)
                .envs([("PGL_SOURCE", nowhere), ("PGL_TARGET", nowhere)])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?;
            // Held open: the tool before this one is still at work.
            let _stdin = child.stdin.take();
            wait_until("a signal handler", || handles_sigterm(&child))?;
            Command::new("kill")
                .args([signal, &child.id().to_string()])
                .status()?;
            let mut ended = None;
            let waited = wait_until("its end", || {
                ended = child.try_wait()?;
                Ok(ended.is_some())
            });
            if waited.is_err() {
                child.kill()?;
                child.wait()?;
            }
            waited.with_context(|| format!("{} after SIG{name}", program.name))?;
            let status = ended.context("a status")?;
            ensure!(status.code() == Some(code), "{}: {status}", program.name);
        }
    }
    Ok(())
}

#[test]
fn a_variable_without_a_value_counts_as_not_set() -> Result<()> {
    let listed = Tool::new(PREFLIGHT)
        .arg("--list-checks")
        .env("PGL_FORMAT", "")
        .env("PGL_PROVIDER_DSN", "")
        .run()?
        .expect(0)?;
    // Not a terminal: the default is JSON.
    ensure!(listed.json()?.is_array());
    Tool::new(PREFLIGHT)
        .arg("--list-checks")
        .env("PGL_FORMAT", "xml")
        .run()?
        .expect(2)?;
    Ok(())
}

#[test]
fn the_list_of_checks_is_a_stream_like_any_other() -> Result<()> {
    let outcome = Tool::new(PREFLIGHT)
        .args(["--list-checks", "--format", "ndjson"])
        .run()?
        .expect(0)?;
    let records = outcome.ndjson()?;
    let (summary, checks) = records.split_last().context("records")?;
    ensure!(summary["type"] == "summary", "{summary}");
    ensure!(summary["checks"] == checks.len() && checks.len() > 100);
    for record in checks {
        ensure!(record["type"] == "check_definition" && record["check"]["id"].is_string());
    }
    Ok(())
}

/// Every program, before it connects: what would not have the effect that its help promises is refused.
#[test]
fn an_option_that_would_be_ignored_is_refused() -> Result<()> {
    const REFUSED: &[(&str, &[&str])] = &[
        ("pgl-preflight", &["--list-checks", "--only", "tbl"]),
        ("pgl-preflight", &["--list-checks", "--record", "f.json"]),
        ("pgl-preflight", &["--replay", "f.json", "--table", "t"]),
        ("pgl-preflight", &["--replay", "f.json", "--name", "m"]),
        (
            "pgl-preflight",
            &["--replay", "f.json", "--source", "dbname=x"],
        ),
        ("pgl-preflight", &["--record", "-", "--fix-sql", "source"]),
        ("pgl-preflight", &["--record", "-", "--only", "tbl"]),
        ("pgl-setup", &["--plan", "p.json", "--table", "t"]),
        ("pgl-setup", &["--plan", "p.json", "--exclude-schema", "s"]),
        ("pgl-setup", &["--list-steps", "--plan", "p.json"]),
        ("pgl-setup", &["--list-steps", "--restart"]),
        ("pgl-setup", &["--restart", "--dry-run"]),
        (
            "pgl-setup",
            &["--restart", "--yes", "--step", "target.keys"],
        ),
        (
            "pgl-setup",
            &["--restart", "--yes", "--until", "source.sets"],
        ),
        ("pgl-setup", &["--yes"]),
        ("pgl-setup", &["--force", "tbl.nosuch"]),
        ("pgl-cutover", &["--dry-run", "--force", "cut.nosuch"]),
        ("pgl-cutover", &["--dry-run", "--force", "cut.held,nosuch"]),
        ("pgl-status", &["--interval", "5s"]),
        ("pgl-status", &["--watch", "--sample", "5s"]),
        ("pgl-status", &["--wait-for", "synced", "--max-lag", "5s"]),
        ("pgl-status", &["--force", "tbl.no_key"]),
        ("pgl-seqsync", &["--timeout", "5s"]),
        ("pgl-seqsync", &["--force", "tbl.no_key"]),
        ("pgl-verify", &["--counts-only", "--columns", "v"]),
        ("pgl-verify", &["--counts-only", "--max-diffs", "5"]),
        ("pgl-verify", &["--max-barrier", "5s"]),
        ("pgl-verify", &["--force", "tbl.no_key"]),
        ("pgl-control", &["pause", "--always"]),
        ("pgl-control", &["resync", "t", "--lsn", "0/1"]),
        ("pgl-control", &["pause", "--force", "tbl.no_key"]),
        ("pgl-cutover", &["rollback", "--reverse"]),
        ("pgl-teardown", &["--scan", "--drop-held"]),
        ("pgl-teardown", &["--scan", "--drop-role", "r"]),
        ("pgl-teardown", &["--source-only", "--drop-held"]),
        ("pgl-teardown", &["--target-only", "--drop-role", "r"]),
    ];
    let nowhere = "host=127.0.0.1 port=9 dbname=x";
    for (name, args) in REFUSED {
        let program = PROGRAMS.iter().find(|one| one.name == *name);
        let out = Tool::new(program.context("no such program")?.path)
            .args(*args)
            .envs([("PGL_SOURCE", nowhere), ("PGL_TARGET", nowhere)])
            .run()?;
        ensure!(out.code() == Some(2), "{name} {args:?}: {out:?}");
    }
    Ok(())
}

#[test]
fn an_empty_value_is_refused_by_every_option_of_every_program() -> Result<()> {
    let mut refused = 0;
    for program in PROGRAMS {
        let entry = pgl_manual::TOOLS
            .iter()
            .find(|one| one.name == program.name);
        let command = (entry.context("no such tool")?.command)();
        let whole = command.get_arguments().map(|arg| (None, arg));
        let below = command.get_subcommands().flat_map(|one| {
            let name = Some(one.get_name());
            one.get_arguments().map(move |arg| (name, arg))
        });
        for (name, arg) in whole.chain(below) {
            // An empty connection string has a meaning: libpq's defaults.
            let names = arg.get_value_names().unwrap_or_default();
            let takes = arg.get_action().takes_values() && names != ["CONNINFO"];
            let Some(option) = arg.get_long().filter(|_| takes) else {
                continue;
            };
            let out = Tool::new(program.path)
                .args(name)
                .args([format!("--{option}"), String::new()])
                .run()?;
            let said = out.stderr.contains(&format!("--{option}"));
            ensure!(
                out.code() == Some(2) && said,
                "{} --{option}: {out:?}",
                program.name
            );
            refused += 1;
        }
    }
    ensure!(refused > 150, "{refused}");
    let control = PROGRAMS.iter().find(|one| one.name == "pgl-control");
    let out = Tool::new(control.context("no such program")?.path)
        .args(["resync", ""])
        .run()?
        .expect(2)?;
    ensure!(out.stderr.contains("a value is required"), "{out:?}");
    Ok(())
}

#[test]
fn only_recorded_facts_are_replayed() -> Result<()> {
    let home = tempfile::TempDir::new()?;
    let path = home.path().join("facts.json");
    let replay = |text: &str| {
        std::fs::write(&path, text)?;
        Tool::new(PREFLIGHT).arg("--replay").arg(&path).run()
    };
    for text in [
        "{}",
        "[]",
        "",
        r#"{"schema":"pgl.preflight/1","verdict":"ok"}"#,
    ] {
        let outcome = replay(text)?.expect(2)?;
        ensure!(
            outcome.stderr.contains("holds no recorded facts"),
            "{outcome:?}"
        );
        ensure!(outcome.stdout.is_empty());
    }
    // Facts that hold nothing prove nothing.
    replay(&recording(Facts::default())?)?.expect(3)?;
    Ok(())
}

#[test]
fn patterns_that_match_nothing_are_refused_by_every_tool() -> Result<()> {
    let db = shared_pair(13, 17)?.database("clselect")?;
    db.on_source("CREATE TABLE orders (id int PRIMARY KEY)")?;
    db.on_target("CREATE TABLE orders (id int PRIMARY KEY)")?;
    let run = |program: &str, args: &[&str]| Tool::new(program).args(args).envs(db.env()).run();
    for program in [PREFLIGHT, VERIFY, SETUP] {
        let cases = [
            (["--table", "public.ordrs"], "--table public.ordrs"),
            (["--schema", "shop*"], "--schema shop*"),
            (["--exclude-table", "ordrs"], "--exclude-table ordrs"),
        ];
        for (args, named) in cases {
            let dry = if program == SETUP {
                &["--dry-run"][..]
            } else {
                &[]
            };
            let outcome = run(program, &[&args, dry].concat())?.expect(2)?;
            let message = format!("no table matches {named}");
            ensure!(outcome.stderr.contains(&message), "{program}: {outcome:?}");
            ensure!(outcome.stdout.is_empty(), "{program}: {outcome:?}");
        }
    }
    run(VERIFY, &["--table", "order?", "--exclude-table", "log_*"])?.expect(0)?;
    let outcome = run(
        PREFLIGHT,
        &["--table", "orders", "--exclude-schema", "public"],
    )?;
    let outcome = outcome.expect(2)?;
    ensure!(
        outcome
            .stderr
            .contains("no table is left by --exclude-schema public")
    );
    Ok(())
}

#[test]
fn a_target_that_was_not_examined_is_no_yes() -> Result<()> {
    let db = shared_pair(13, 17)?.database("cltarget")?;
    db.on_source("CREATE TABLE orders (id int PRIMARY KEY)")?;
    let run = |format: &str, target: Option<&str>| {
        let mut tool = Tool::new(PREFLIGHT)
            .args(["--format", format, "--only", "conn,tbl"])
            .env("PGL_SOURCE", db.source_dsn());
        if let Some(target) = target {
            tool = tool.args(["--target", target]);
        }
        tool.run()
    };
    let alone = run("json", None)?.expect(3)?.json()?;
    ensure!(alone["verdict"] == "unknown" && alone["target_state"]["state"] == "not_given");
    let text = run("text", None)?.expect(3)?.stdout;
    ensure!(
        text.contains("-> no target given") && text.contains("target was not examined"),
        "{text}"
    );

    // Nothing listens there.
    let nowhere = format!("host=127.0.0.1 port=1 dbname={}", db.name());
    let unreachable = run("json", Some(&nowhere))?.expect(3)?.json()?;
    ensure!(unreachable["verdict"] == "unknown", "{unreachable}");
    ensure!(unreachable["target_state"]["state"] == "unreachable");
    let text = run("text", Some(&nowhere))?.expect(3)?.stdout;
    ensure!(
        text.contains("-> target unreachable") && !text.contains("no target given"),
        "{text}"
    );

    run("json", Some(&db.target_dsn()))?.expect(0)?;
    // A database that pgl-setup will create is no reason to stop.
    let missing = db.target().dsn("cltarget_not_there");
    let missing = run("json", Some(&missing))?.expect(0)?.json()?;
    ensure!(
        missing["target_state"]["state"] == "database_missing",
        "{missing}"
    );
    Ok(())
}
