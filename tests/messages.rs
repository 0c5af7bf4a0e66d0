//! What the tools say to the mistakes that people make: the object, the side, and what to do.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pgl_testkit::{PairDb, Signal, Tool, shared_pair};

const LIMIT: Duration = Duration::from_secs(120);

fn tool(name: &str) -> Result<Tool> {
    let program = crate::common::PROGRAMS.iter().find(|one| one.name == name);
    let tool = Tool::new(program.context("no such program")?.path);
    Ok(tool.limit(LIMIT))
}

/// Runs a command line on a pair and holds its messages, without line breaks, against texts.
fn says(db: &PairDb, line: &str, code: i32, texts: &[&str]) -> Result<()> {
    let mut words = line.split(' ');
    let name = words.next().unwrap_or_default();
    let out = tool(name)?
        .envs(db.env())
        .args(words)
        .args(["--format", "text"])
        .run()?
        .expect(code)
        .with_context(|| line.to_owned())?;
    let all = format!("{}\n{}", out.stdout, out.stderr);
    let words: Vec<&str> = all.split_whitespace().collect();
    let all = words.join(" ");
    for text in texts {
        ensure!(all.contains(text), "{line}: {text:?} is not in: {all}");
    }
    Ok(())
}

#[test]
fn what_is_no_postgresql_server_is_named() -> Result<()> {
    // One answers in another protocol, one hangs up on what it does not understand.
    for (answer, what) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "check host and port",
        ),
        (b"", "check host and port"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _read = stream.read(&mut [0; 4]);
                let _written = stream.write_all(answer);
            }
        });
        for mode in ["prefer", "disable"] {
            let dsn = format!("host=127.0.0.1 port={port} dbname=x user=x sslmode={mode}");
            let out = tool("pgl-preflight")?
                .args(["--source", &dsn, "--format", "text"])
                .run()?
                .expect(3)?;
            ensure!(out.stderr.contains(what), "{mode}: {}", out.stderr);
        }
    }
    let out = tool("pgl-preflight")?
        .args(["--source", "host=127.0.0.1 port=1 dbname=x user=x"])
        .run()?
        .expect(3)?;
    ensure!(
        out.stderr.contains("nothing listens there"),
        "{}",
        out.stderr
    );
    Ok(())
}

#[test]
fn what_was_forgotten_or_mistyped_is_named() -> Result<()> {
    for (name, args, texts) in [
        (
            "pgl-setup",
            &["--yes"][..],
            ["--yes confirms --restart", "leave --yes away"],
        ),
        (
            "pgl-setup",
            &["--name", ""],
            ["--name", "value is required"],
        ),
        (
            "pgl-setup",
            &["--force", "nosuch"],
            ["--force nosuch", "nothing blocks under this id"],
        ),
        (
            "pgl-setup",
            &["--plan", "-"],
            ["incomplete document", "run pgl-preflight"],
        ),
        (
            "pgl-verify",
            &[],
            ["no source database is given", "set PGL_SOURCE"],
        ),
    ] {
        let out = tool(name)?
            .args(args)
            .args(["--format", "text"])
            .env("PGL_SOURCE", "")
            .stdin("{\"schema\": \"pgl.preflight/1\", \"tool\":")
            .run()?
            .expect(2)?;
        for text in texts {
            ensure!(out.stderr.contains(text), "{args:?}: {}", out.stderr);
        }
    }
    Ok(())
}

#[test]
fn before_the_setup_each_tool_says_what_comes_first() -> Result<()> {
    let db = shared_pair(13, 17)?.database("msgfirst")?;
    db.on_source("CREATE TABLE t (id int PRIMARY KEY, v text)")?;
    for (line, code, texts) in [
        (
            "pgl-setup --step copy",
            5,
            &[
                "step copy comes after step source.sets",
                "pgl-setup --until copy",
            ][..],
        ),
        (
            "pgl-setup --step target.foreign-keys",
            5,
            &[
                "comes after step target.schema",
                "pgl-setup --until target.foreign-keys",
            ],
        ),
        (
            "pgl-verify",
            1,
            &["no migration is set up, and the tables are compared as they are"],
        ),
        (
            "pgl-cutover --yes",
            5,
            &["target: the target has no plan", "run pgl-setup first"],
        ),
        (
            "pgl-control pause",
            5,
            &["target: the target has no plan", "run pgl-setup first"],
        ),
    ] {
        says(&db, line, code, texts)?;
    }
    let plan = tool("pgl-preflight")?.envs(db.env()).run()?.expect(0)?;
    let mut other = plan.json()?;
    let real = other["migration"]["source"]["system_identifier"].clone();
    let real = real.as_str().context("an identifier")?.to_owned();
    other["migration"]["source"]["system_identifier"] = "1234".into();
    let out = tool("pgl-setup")?
        .envs(db.env())
        .args(["--plan", "-", "--format", "text"])
        .stdin(other.to_string())
        .run()?
        .expect(5)?;
    for text in [
        "system identifier 1234",
        &format!("system identifier {real}"),
    ] {
        ensure!(out.stderr.contains(text), "{}", out.stderr);
    }

    // What blocks is said once, and beside an answer that goes into a file.
    db.on_target("CREATE TABLE t (id int PRIMARY KEY)")?;
    says(
        &db,
        "pgl-setup",
        5,
        &[
            "blocked by 1 check: tbl.column_mismatch",
            "pgl-preflight --only tbl.column_mismatch",
            "steps, source.extension to target.definitions",
        ],
    )?;
    let blocked = "pgl-preflight: blocked by 1 check: tbl.column_mismatch";
    let out = tool("pgl-preflight")?.envs(db.env()).run()?.expect(1)?;
    ensure!(out.stderr.contains(blocked), "{}", out.stderr);
    let out = tool("pgl-preflight")?
        .envs(db.env())
        .arg("-q")
        .run()?
        .expect(1)?;
    ensure!(out.stderr.is_empty(), "{}", out.stderr);
    Ok(())
}

#[test]
fn after_the_setup_each_tool_says_what_to_run() -> Result<()> {
    let db = shared_pair(13, 17)?.database("msgthen")?;
    let name = db.name().to_owned();
    db.on_source("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'x')")?;
    let out = tool("pgl-setup")?
        .envs(db.env())
        .arg("-q")
        .run()?
        .expect(0)?;
    ensure!(out.stderr.is_empty(), "{}", out.stderr);
    let other = [
        format!("--name {name}"),
        format!("pgl-teardown --name {name}"),
    ];
    let hints = [&*other[0], &*other[1]];
    says(&db, "pgl-setup --name other", 5, &hints)?;
    says(&db, "pgl-control pause --name other", 5, &hints[..1])?;
    says(&db, "pgl-cutover --name other --yes", 5, &hints[..1])?;
    says(&db, "pgl-cutover", 5, &["--yes confirms it"])?;

    let reverse = |dsn: &str, code: i32, text: &str| -> Result<()> {
        let out = tool("pgl-cutover")?
            .envs(db.env())
            .args([
                "--reverse",
                "--yes",
                "--format",
                "text",
                "--reverse-dsn",
                dsn,
            ])
            .run()?
            .expect(code)?;
        ensure!(out.stderr.contains(text), "{dsn}: {}", out.stderr);
        ensure!(!out.stderr.contains("XX000"), "{dsn}: {}", out.stderr);
        Ok(())
    };
    reverse("hst=127.0.0.1", 2, "--reverse-dsn: unknown keyword \"hst\"")?;
    let nowhere = format!("host=127.0.0.1 port=1 dbname={name} user=postgres");
    reverse(
        &nowhere,
        3,
        "the source's server cannot connect to the target with --reverse-dsn",
    )?;
    let itself = db.source_dsn();
    reverse(
        &itself,
        3,
        "--reverse-dsn leads to the source itself, not to the target",
    )?;

    says(&db, "pgl-control pause", 0, &[])?;
    for (line, code) in [
        ("pgl-status", 1),
        ("pgl-cutover --yes", 5),
        ("pgl-verify", 5),
    ] {
        says(&db, line, code, &["pgl-control resume"])?;
    }
    says(&db, "pgl-control resume", 0, &[])?;

    // A lock keeps both waiting: a signal ends them.
    let mut client = db.source_client()?;
    client.batch_execute("BEGIN; LOCK TABLE t")?;
    let running = tool("pgl-verify")?
        .envs(db.env())
        .args(["--format", "text"])
        .start()?;
    waits(&db)?;
    running.signal(Signal::INT)?;
    let out = running.wait(LIMIT)?.expect(130)?;
    ensure!(
        out.stderr.contains("pgl-verify: error: interrupted\n"),
        "{}",
        out.stderr
    );
    let mut restart = tool("pgl-setup")?.envs(db.env());
    restart = restart.args(["--restart", "--yes", "--format", "text"]);
    let running = restart.start()?;
    waits(&db)?;
    running.signal(Signal::INT)?;
    let out = running.wait(LIMIT)?.expect(130)?;
    for text in ["interrupted", "run the same command again to continue"] {
        ensure!(out.stderr.contains(text), "{}", out.stderr);
    }
    client.batch_execute("ROLLBACK")?;
    says(&db, "pgl-setup --restart --yes", 0, &[])?;

    db.on_source(
        "ALTER TABLE t ADD COLUMN w numeric(8,2) NOT NULL DEFAULT 7.5; UPDATE t SET v = 'y'",
    )?;
    let statement =
        "ALTER TABLE \"public\".\"t\" ADD COLUMN \"w\" numeric(8,2) DEFAULT 7.5 NOT NULL;";
    says(&db, "pgl-status", 1, &[statement])
}

/// Until a session waits for a lock on the source.
fn waits(db: &PairDb) -> Result<()> {
    db.source().wait_until(
        db.name(),
        "SELECT count(*) > 0 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.datname = current_database()",
        LIMIT,
    )
}
