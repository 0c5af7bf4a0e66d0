//! A source that itself receives rows from another server.

use anyhow::{Result, ensure};
use pgl_testkit::{Tool, shared_pair};

use super::support::{PATIENCE, drain, setup};

/// Rows that arrive with an origin are not passed on. That is seen here on servers, which is why
/// preflight and setup refuse such a source.
#[test]
fn rows_that_come_from_elsewhere_are_not_passed_on_and_that_blocks() -> Result<()> {
    let feed = shared_pair(15, 18)?.database("feed")?;
    let table = "CREATE TABLE t (id int PRIMARY KEY, v text)";
    feed.on_source(table)?;
    feed.on_source("CREATE PUBLICATION feed FOR TABLE t; INSERT INTO t VALUES (1, 'early')")?;
    let db = shared_pair(13, 17)?.database("cascade")?;
    db.on_source(table)?;
    let from = feed.source_dsn();
    db.on_source(&format!(
        "CREATE SUBSCRIPTION {0} CONNECTION '{from}' PUBLICATION feed",
        db.name()
    ))?;
    let has = |id: i32| format!("SELECT count(*) = 1 FROM t WHERE id = {id}");
    db.source().wait_until(db.name(), &has(1), PATIENCE)?;

    let found = Tool::new(env!("CARGO_BIN_EXE_pgl-preflight"))
        .envs(db.env())
        .run()?
        .expect(1)?
        .json()?;
    ensure!(
        found["blocked_by"]
            .as_array()
            .is_some_and(|ids| ids.iter().any(|id| id == "repl.cascading_origin")),
        "{:#}",
        found["blocked_by"]
    );
    setup(&db).run()?.expect(5)?;
    setup(&db)
        .args(["--force", "repl.cascading_origin"])
        .run()?
        .expect(0)?;

    feed.on_source("INSERT INTO t VALUES (2, 'from elsewhere')")?;
    db.source().wait_until(db.name(), &has(2), PATIENCE)?;
    db.on_source("INSERT INTO t VALUES (3, 'written here')")?;
    drain(&db)?;
    let there = db.on_target("SELECT string_agg(id::text, ',' ORDER BY id) FROM t")?;
    ensure!(there == [[Some("1,3".to_owned())]], "{there:?}");

    db.on_source(&format!("ALTER SUBSCRIPTION {0} DISABLE", db.name()))?;
    db.on_source(&format!("DROP SUBSCRIPTION {0}", db.name()))?;
    Ok(())
}
