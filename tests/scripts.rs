//! The scripts that users copy, run as they stand, on live databases.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pgl_testkit::load::{self, Load};
use pgl_testkit::{
    Bouncer, Outcome, Pair, PairDb, Server, Signal, Tool, dump_ordered, shared_pair,
};

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("scripts")
        .join(name)
}

/// A search path with our programs, and with client programs that are new enough.
fn with_programs(tool: Tool, major: u16) -> Result<Tool> {
    let ours = PathBuf::from(env!("CARGO_BIN_EXE_pgl-setup"));
    let ours = ours.parent().context("the programs are in a directory")?;
    let theirs = Server::require(major)?.client_dir()?;
    let path = format!("{}:{}:/usr/bin:/bin", ours.display(), theirs.display());
    Ok(tool
        .env("PATH", path)
        .env("PGL_PG_BINDIR", theirs)
        .limit(Duration::from_secs(240)))
}

fn same_tables(db: &PairDb) -> Result<()> {
    let source = dump_ordered(&mut db.source_client()?, &["pgl"])?;
    let target = dump_ordered(&mut db.target_client()?, &["pgl"])?;
    let differences = source.table_differences(&target);
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}

#[test]
fn migrate_carries_a_live_database_over() -> Result<()> {
    let db = shared_pair(13, 17)?.database("migrate")?;
    db.on_source(load::SCHEMA)?;
    let writers = Load::new()
        .workers(2)
        .pace(Duration::from_millis(5))
        .start(&[db.source_dsn()])?;
    writers.wait_for(50, Duration::from_secs(60))?;
    let documents = tempfile::tempdir()?;
    let run = || -> Result<Tool> {
        Ok(with_programs(Tool::new(script("migrate.sh")), 17)?
            .envs(db.env())
            .env("PGL_DIR", documents.path())
            .env("PGL_TIMEOUT", "2m"))
    };
    let out = run()?.run()?.expect(0)?;
    ensure!(
        out.stderr.contains("done: both sides hold the same rows"),
        "{}",
        out.stderr
    );
    for name in ["plan", "setup", "status", "seqsync", "verify"] {
        let text = std::fs::read_to_string(documents.path().join(format!("{name}.json")))?;
        let document: serde_json::Value =
            serde_json::from_str(&text).with_context(|| format!("{name}: {text}"))?;
        ensure!(document["verdict"] == "ok", "{name}: {text}");
    }
    // The same again changes nothing and says the same.
    run()?.run()?.expect(0)?;
    let ledger = writers.stop()?;
    db.target().wait_until(
        db.name(),
        &format!(
            "SELECT count(*) >= {} FROM load.entry",
            ledger.acknowledged() / 4
        ),
        Duration::from_secs(60),
    )?;
    let lsn = db
        .source()
        .value(db.name(), "SELECT pg_current_wal_insert_lsn()")?;
    db.on_source("UPDATE pgl.marker SET note = 'end'; CREATE TABLE nudge (); DROP TABLE nudge")?;
    db.source().wait_until(
        db.name(),
        &format!("SELECT bool_and(confirmed_flush_lsn >= '{lsn}') FROM pg_replication_slots WHERE database = current_database()"),
        Duration::from_secs(60),
    )?;
    ledger.check(&mut db.target_client()?)?;
    same_tables(&db)
}

#[test]
fn migrate_stops_where_preflight_says_no() -> Result<()> {
    let db = shared_pair(13, 17)?.database("migrate_no")?;
    let table = "CREATE TABLE t (id int PRIMARY KEY)";
    db.on_source(table)?;
    db.on_target(&format!("{table}; INSERT INTO t VALUES (1)"))?;
    let documents = tempfile::tempdir()?;
    let out = with_programs(Tool::new(script("migrate.sh")), 17)?
        .envs(db.env())
        .env("PGL_DIR", documents.path())
        .run()?
        .expect(1)?;
    ensure!(
        out.stderr.contains("tbl.target_not_empty"),
        "{}",
        out.stderr
    );
    ensure!(
        !documents.path().join("plan.json").exists(),
        "a plan that blocks was kept"
    );
    Ok(())
}

/// A script, ended while pgl-setup waits for a table: the tool ends with it, and what it waits for is
/// still locked then.
fn ended(script: Tool, db: &PairDb, signal: Signal, code: i32) -> Result<Outcome> {
    let mut locker = db.source_client()?;
    let mut lock = locker.transaction()?;
    lock.batch_execute("LOCK TABLE held IN ACCESS EXCLUSIVE MODE")?;
    let running = script.start()?;
    let tools = "SELECT count(*) FROM pg_stat_activity
                  WHERE datname = current_database() AND application_name LIKE 'pgl-setup%'";
    db.source().wait_until(
        db.name(),
        "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'held'::regclass AND NOT granted",
        Duration::from_secs(120),
    )?;
    running.signal(signal)?;
    let out = running.wait(Duration::from_secs(60))?.expect(code)?;
    db.source().wait_until(
        db.name(),
        &format!("SELECT ({tools}) = 0"),
        Duration::from_secs(20),
    )?;
    lock.rollback()?;
    Ok(out)
}

#[test]
fn a_signal_ends_the_tool_that_runs() -> Result<()> {
    let db = shared_pair(13, 17)?.database("signalled")?;
    db.on_source("CREATE TABLE held (id int PRIMARY KEY); INSERT INTO held VALUES (1)")?;
    let documents = tempfile::tempdir()?;
    let script = || -> Result<Tool> {
        Ok(with_programs(Tool::new(script("migrate.sh")), 17)?
            .envs(db.env())
            .env("PGL_DIR", documents.path()))
    };
    let out = ended(script()?, &db, Signal::TERM, 143)?;
    ensure!(out.stderr.contains("ended by SIGTERM"), "{}", out.stderr);
    ensure!(!documents.path().join("status.json").exists());
    ended(script()?, &db, Signal::INT, 130)?;
    // The same command goes on from there.
    script()?.run()?.expect(0)?;
    Ok(())
}

#[test]
fn migrate_cluster_carries_every_database_over() -> Result<()> {
    let pair = Pair::start(15, 18)?;
    for name in ["shop", "It's \\odd"] {
        pair.source.createdb(name)?;
        pair.source.sql(name, "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 100) g")?;
    }
    pair.source
        .sql("shop", "CREATE ROLE keeper; ALTER TABLE t OWNER TO keeper")?;
    let documents = tempfile::tempdir()?;
    let server = |dsn: String| {
        dsn.replace(" dbname='postgres'", "")
            .replace(" dbname=postgres", "")
    };
    let out = with_programs(Tool::new(script("migrate-cluster.sh")), 18)?
        .env("PGL_SOURCE", server(pair.source.dsn("postgres")))
        .env("PGL_TARGET", server(pair.target.dsn("postgres")))
        .env("PGL_DIR", documents.path())
        .run()?
        .expect(0)?;
    ensure!(
        out.stderr.contains("migrate-cluster: It's \\odd"),
        "{}",
        out.stderr
    );
    for name in ["shop", "It's \\odd"] {
        let rows = pair.target.value(name, "SELECT count(*) FROM t")?;
        ensure!(rows == "100", "{name}: {rows}");
    }
    Ok(())
}

/// Writers behind pgbouncer: it is what stops them and lets them go on.
#[test]
fn cutover_stops_the_writers_and_starts_them_again_when_something_fails() -> Result<()> {
    let db = shared_pair(13, 17)?.database("by_script")?;
    db.on_source(load::SCHEMA)?;
    db.on_source(
        "CREATE TABLE parent (id int PRIMARY KEY);
         CREATE TABLE child (id serial PRIMARY KEY, parent int NOT NULL REFERENCES parent);
         INSERT INTO parent VALUES (1); INSERT INTO child (parent) SELECT 1 FROM generate_series(1, 100)",
    )?;
    let app = db.role("app");
    for cluster in [db.source(), db.target()] {
        cluster.sql(db.name(), &format!("CREATE ROLE \"{app}\" LOGIN"))?;
    }
    with_programs(Tool::new(env!("CARGO_BIN_EXE_pgl-setup")), 17)?
        .envs(db.env())
        .run()?
        .expect(0)?;
    let bouncer = Bouncer::start(db.source(), db.name(), &app, "transaction")?;
    let writers = Load::new().workers(3).start(&[bouncer.dsn(&app)])?;
    writers.wait_for(100, Duration::from_secs(60))?;
    let hook = |word: &str| format!("'{}' {word}", script("hooks/pgbouncer.sh").display());
    let run = || -> Result<Outcome> {
        with_programs(Tool::new(script("cutover.sh")), 17)?
            .envs(db.env())
            .envs(bouncer.hook_env(db.target(), &app))
            .env("STOP_WRITERS", hook("pause"))
            .env("START_WRITERS", hook("resume"))
            .run()
    };
    // A row that nobody wrote on the source: the comparison finds it while everybody waits.
    db.on_target("INSERT INTO child (id, parent) VALUES (9000, 1)")?;
    let out = run()?.expect(1)?;
    ensure!(
        out.stderr.contains("the source accepts writes"),
        "{}",
        out.stderr
    );
    writers.wait_for(50, Duration::from_secs(60))?;
    let last = db
        .source()
        .value(db.name(), "SELECT max(number) FROM load.entry")?;
    ensure!(last.parse::<i64>()? > 50, "they write to the source");
    db.on_target("DELETE FROM child WHERE id = 9000")?;

    run()?.expect(0)?;
    let moved = Tool::new("/bin/sh")
        .args(["-c", &hook("cutover")])
        .envs(bouncer.hook_env(db.target(), &app));
    moved.run()?.expect(0)?;
    writers.wait_for(50, Duration::from_secs(60))?;
    let ledger = writers.stop()?;
    ledger.check(&mut db.target_client()?)?;
    ensure!(
        ledger.refusals().is_empty(),
        "clients saw errors: {:?}",
        ledger.refusals()
    );
    let key = db.on_target("SELECT convalidated FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace")?;
    ensure!(key == [[Some("t".to_owned())]], "{key:?}");
    Ok(())
}
