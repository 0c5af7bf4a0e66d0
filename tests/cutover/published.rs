//! A source that publishes every table natively, as change data capture wants it: the server refuses
//! UPDATE and DELETE on published tables without a key then, pglogical's own among them.

use anyhow::{Result, ensure};
use pgl_testkit::{PairDb, Tool};

use super::support::{PAIRS, PATIENCE, cutover, replicating_with, same};

const IDENTITY: &str =
    "SELECT relreplident::text FROM pg_class WHERE oid = 'pglogical.local_sync_status'::regclass";

fn control(db: &PairDb, args: &[&str]) -> Result<()> {
    let tool = Tool::new(env!("CARGO_BIN_EXE_pgl-control"))
        .envs(db.env())
        .args(args);
    tool.limit(PATIENCE).run()?.expect(0)?;
    Ok(())
}

#[test]
fn a_source_that_publishes_everything_goes_there_and_back() -> Result<()> {
    for (source, target) in PAIRS {
        let db = replicating_with(
            source,
            target,
            "published",
            "CREATE PUBLICATION every FOR ALL TABLES",
        )?;
        db.on_source(
            "UPDATE child SET parent = 2 WHERE id < 50; INSERT INTO keyless VALUES (5, 'z')",
        )?;
        control(&db, &["remove-table", "child", "--yes"])?;
        control(&db, &["add-table", "child", "--yes"])?;
        control(&db, &["resync", "child", "--yes"])?;
        ensure!(db.target().value(db.name(), IDENTITY)? == "d");
        cutover(&db).args(["--reverse", "--yes"]).run()?.expect(0)?;
        same(&db, &["parent", "child", "keyless", "scratch"])?;
        ensure!(db.source().value(db.name(), IDENTITY)? == "d");
        db.on_target(
            "UPDATE child SET parent = 3 WHERE id < 20; INSERT INTO parent VALUES (7000)",
        )?;
        cutover(&db).args(["rollback", "--yes"]).run()?.expect(0)?;
        same(&db, &["parent", "child", "keyless", "scratch"])?;
        cutover(&db).arg("--yes").run()?.expect(0)?;
        let teardown = Tool::new(env!("CARGO_BIN_EXE_pgl-teardown"))
            .envs(db.env())
            .arg("--yes");
        teardown.limit(PATIENCE).run()?.expect(0)?;
        for cluster in [db.source(), db.target()] {
            let published = "SELECT count(*) FROM pg_publication WHERE puballtables";
            ensure!(cluster.value(db.name(), published)? == "1");
        }
    }
    Ok(())
}
