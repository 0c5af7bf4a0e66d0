//! A promoted target is the production database: no tool fills, empties or configures it again.

use anyhow::{Result, ensure};
use pgl_testkit::PairDb;

use super::support::{cutover, replicating, setup};

/// The rows of the production database, and that clients can write there.
fn production(db: &PairDb) -> Result<Vec<Vec<Option<String>>>> {
    db.on_target("INSERT INTO parent VALUES (-1); DELETE FROM parent WHERE id = -1")?;
    db.on_target(
        "SELECT (SELECT count(*) FROM parent), (SELECT count(*) FROM child), (SELECT count(*) FROM keyless),
                (SELECT setconfig::text FROM pg_db_role_setting
                  WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) AND setrole = 0)",
    )
}

/// On the source after it was left: it is read-only for whoever does not override that.
fn on_former_source(db: &PairDb, sql: &str) -> Result<()> {
    let mut client = db.source_client()?;
    client.batch_execute("SET default_transaction_read_only = off")?;
    Ok(client.batch_execute(sql)?)
}

fn refused(db: &PairDb, args: &[&str]) -> Result<()> {
    let before = production(db)?;
    let out = setup(db).args(args).run()?.expect(5)?;
    ensure!(
        out.stderr.contains("cut over at 2"),
        "{args:?}: {}",
        out.stderr
    );
    ensure!(production(db)? == before, "{args:?} has changed the target");
    Ok(())
}

#[test]
fn setup_is_refused_whatever_has_become_of_the_subscription() -> Result<()> {
    let db = replicating(13, 17, "promoted")?;
    cutover(&db).arg("--yes").run()?.expect(0)?;
    db.on_target("INSERT INTO parent SELECT generate_series(5001, 5050)")?;
    refused(&db, &[])?;
    // What a DBA, or a teardown that was killed, leaves in order.
    let states: [(bool, &str); 4] = [
        (
            true,
            "SELECT pglogical.drop_subscription(sub_name) FROM pglogical.subscription",
        ),
        (
            true,
            "SELECT pglogical.drop_node(node_name) FROM pglogical.node",
        ),
        (true, "DROP EXTENSION pglogical"),
        (false, "DROP SCHEMA pgl CASCADE"),
    ];
    for (on_target, sql) in states {
        match on_target {
            true => drop(db.on_target(sql)?),
            false => on_former_source(&db, sql)?,
        }
        for args in [
            &[][..],
            &["--copy", "none"],
            &["--step", "copy"],
            &["--dry-run"],
        ] {
            refused(&db, args)?;
        }
    }
    Ok(())
}

#[test]
fn the_source_alone_says_it_too() -> Result<()> {
    let db = replicating(15, 18, "promoted_source")?;
    cutover(&db).arg("--yes").run()?.expect(0)?;
    db.on_target(
        "SELECT pglogical.drop_subscription(sub_name) FROM pglogical.subscription; DROP SCHEMA pgl CASCADE",
    )?;
    refused(&db, &[])
}

#[test]
fn after_a_rollback_and_an_abort_it_may_be_set_up_again() -> Result<()> {
    let db = replicating(13, 17, "unpromoted")?;
    cutover(&db).args(["rehearse", "--yes"]).run()?.expect(0)?;
    setup(&db).run()?.expect(0)?;
    cutover(&db).args(["--yes", "--reverse"]).run()?.expect(0)?;
    refused(&db, &[])?;
    cutover(&db).args(["rollback", "--yes"]).run()?.expect(0)?;
    setup(&db).arg("--dry-run").run()?.expect(0)?;
    // The second cutover counts, and not the rollback before it.
    cutover(&db).arg("--yes").run()?.expect(0)?;
    refused(&db, &[])?;
    on_former_source(&db, "DROP SCHEMA pgl CASCADE")?;
    refused(&db, &[])
}
