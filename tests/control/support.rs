//! A migration that replicates, the tool on it, and what both sides say.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pgl_testkit::load::{Ledger, Load, Writers};
use pgl_testkit::{Outcome, PairDb, Tool, load, shared_pair, texts};
use serde_json::Value;

use crate::common::Documented;

pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// The pairs of majors that the tests run on.
pub(super) const PAIRS: [(u16, u16); 2] = [(13, 17), (15, 18)];

/// A migration after pgl-setup: the writers' tables and these. `setup` are its further arguments.
pub(super) fn replicating(
    (source, target): (u16, u16),
    hint: &str,
    sql: &str,
    setup: &[&str],
) -> Result<PairDb> {
    let db = shared_pair(source, target)?.database(hint)?;
    db.on_source(load::SCHEMA)?;
    db.on_source(sql)?;
    self::setup(&db, setup)?;
    Ok(db)
}

/// pgl-setup with these arguments.
pub(super) fn setup(db: &PairDb, args: &[&str]) -> Result<()> {
    let tool = Tool::new(env!("CARGO_BIN_EXE_pgl-setup"));
    // That is tests/setup's.
    let tool = tool.envs(db.env()).arg("--no-trial").args(args);
    tool.limit(PATIENCE).run()?.expect(0)?;
    Ok(())
}

/// The tool with these arguments.
pub(super) fn control(db: &PairDb, args: &[&str]) -> Tool {
    Tool::new(env!("CARGO_BIN_EXE_pgl-control"))
        .envs(db.env())
        .args(args)
        .limit(PATIENCE)
}

/// Its document, after it ended with this code; held against its schema.
pub(super) fn does(db: &PairDb, args: &[&str], code: i32) -> Result<Value> {
    ran(control(db, args).run()?.expect(code)?)
}

pub(super) fn ran(outcome: Outcome) -> Result<Value> {
    outcome
        .document()
        .with_context(|| format!("stderr: {}", outcome.stderr))
}

/// What it said where it refused before it had anything to report.
pub(super) fn refuses(db: &PairDb, args: &[&str], code: i32) -> Result<String> {
    Ok(control(db, args).run()?.expect(code)?.stderr)
}

/// Twice: the second time it says that it is so already.
pub(super) fn does_twice(db: &PairDb, args: &[&str]) -> Result<Value> {
    let first = does(db, args, 0)?;
    ensure!(first["already"] == false, "{first:#}");
    let second = does(db, args, 0)?;
    ensure!(second["already"] == true, "{second:#}");
    Ok(first)
}

/// Writers on the source.
pub(super) fn writers(db: &PairDb) -> Result<Writers> {
    let writers = Load::new()
        .workers(3)
        .pace(Duration::from_millis(10))
        .large_rows(200)
        .start(&[db.source_dsn()])?;
    writers.wait_for(100, PATIENCE)?;
    Ok(writers)
}

/// Ends the writers, waits until everything has arrived, and holds both sides against each other.
pub(super) fn drained(db: &PairDb, writers: Writers) -> Result<Ledger> {
    writers.wait_for(100, PATIENCE)?;
    let ledger = writers.stop()?;
    does(db, &["resume"], 0)?;
    ledger.check(&mut db.target_client()?)?;
    same(db, &["load.item", "load.entry"])?;
    Ok(ledger)
}

/// Tables held against each other in full: only while nobody writes.
pub(super) fn same(db: &PairDb, tables: &[&str]) -> Result<()> {
    let (mut source, mut target) = (db.source_client()?, db.target_client()?);
    for table in tables {
        let sql = format!("SELECT t::text FROM {table} t ORDER BY 1");
        let (left, right) = (texts(&mut source, &sql)?, texts(&mut target, &sql)?);
        ensure!(
            left == right,
            "{table}: {} rows and {} rows, or other values",
            left.len(),
            right.len()
        );
    }
    Ok(())
}

/// One value of the target.
pub(super) fn on_target(db: &PairDb, sql: &str) -> Result<String> {
    db.target().value(db.name(), sql)
}

/// Changes rows of the target that the apply worker changes, too: one of the two may have to give way.
pub(super) fn damage(db: &PairDb, sql: &str) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    while let Err(error) = db.on_target(sql) {
        ensure!(
            format!("{error:#}").contains("deadlock detected") && Instant::now() < until,
            "{error:#}"
        );
    }
    Ok(())
}

/// One value of the source.
pub(super) fn on_source(db: &PairDb, sql: &str) -> Result<String> {
    db.source().value(db.name(), sql)
}

/// Another tool of the suite, to this end.
pub(super) fn other(db: &PairDb, program: &str, args: &[&str], code: i32) -> Result<Value> {
    let path = crate::common::PROGRAMS
        .iter()
        .find(|one| one.name == program)
        .context("no such program")?
        .path;
    Tool::new(path)
        .envs(db.env())
        .args(args)
        .limit(PATIENCE)
        .run()?
        .expect(code)?
        .json()
}
