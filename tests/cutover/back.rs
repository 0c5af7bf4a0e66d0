//! Replication back, and the rollback.

use anyhow::{Result, ensure};
use pgl_testkit::load::Load;

use super::support::{PAIRS, cutover, either, go_on, replicating, roles, same};

/// T19: from 17 and 18 back to an old pglogical, which cannot make its own slot there.
#[test]
fn a_rollback_loses_nothing_that_was_written_on_the_target() -> Result<()> {
    for (source, target) in PAIRS {
        let db = replicating(source, target, "back")?;
        let (app, stubborn) = roles(&db)?;
        let writers = Load::new()
            .workers(3)
            .start(&[either(&db, &app), either(&db, &stubborn)])?;
        let writers = go_on(writers, 100)?;
        let document = cutover(&db)
            .args(["--yes", "--reverse"])
            .run()?
            .expect(0)?
            .json()?;
        ensure!(document["reverse"] == true, "{document:#}");
        let writers = go_on(writers, 100)?;
        db.on_target(
            "UPDATE keyless SET b = 'new' WHERE a = 20; DELETE FROM keyless WHERE a = 21;
             INSERT INTO parent VALUES (9000); INSERT INTO child (parent) VALUES (9000); INSERT INTO scratch (v) VALUES ('new')",
        )?;
        let back = cutover(&db)
            .args(["rollback", "--yes"])
            .run()?
            .expect(0)?
            .json()?;
        ensure!(
            back["direction"] == "back" && back["state"] == "done",
            "{back:#}"
        );
        let writers = go_on(writers, 100)?;
        same(&db, &["parent", "child", "keyless", "scratch"])?;
        // The source hands out what follows, and takes writes; the target does not.
        ensure!(
            db.on_source("INSERT INTO child (parent) VALUES (9000) RETURNING id")?
                == [[Some("3002".to_owned())]]
        );
        ensure!(db.on_target("INSERT INTO parent VALUES (9001)").is_err());
        let walls = "SELECT count(*) FROM pg_trigger WHERE tgname = 'pgl_refuse_write'";
        ensure!(db.source().value(db.name(), walls)? == "0");
        ensure!(db.target().value(db.name(), walls)? != "0");

        // And once more, in the first direction.
        cutover(&db).arg("--yes").run()?.expect(0)?;
        let writers = go_on(writers, 100)?;
        writers.stop()?.check(&mut db.target_client()?)?;
    }
    Ok(())
}

/// The source is the production database then: rows that somebody writes on the target stay there.
#[test]
fn an_attempt_that_was_rolled_back_leaves_no_reverse_replication() -> Result<()> {
    for (source, target) in PAIRS {
        let db = replicating(source, target, "unreverse")?;
        let gone = || -> Result<()> {
            let subscriptions = "SELECT count(*) FROM pglogical.subscription";
            ensure!(db.source().value(db.name(), subscriptions)? == "0");
            let slots =
                "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()";
            ensure!(db.target().value(db.name(), slots)? == "0");
            Ok(())
        };
        let attempt = |hook: &str| {
            cutover(&db)
                .args(["--yes", "--reverse", "--hook-blocked", hook])
                .run()
        };
        ensure!(attempt("exit 1")?.code() != Some(0));
        gone()?;
        attempt("kill -9 $PPID")?;
        ensure!(gone().is_err(), "it was prepared");
        cutover(&db).arg("--abort").run()?.expect(0)?;
        gone()?;
        // It is made anew for the attempt that succeeds.
        let done = cutover(&db).args(["--yes", "--reverse"]).run()?.expect(0)?;
        ensure!(done.json()?["reverse"] == true);
        ensure!(gone().is_err());
    }
    Ok(())
}

#[test]
fn without_a_way_back_a_rollback_is_refused() -> Result<()> {
    let db = replicating(13, 17, "noway")?;
    cutover(&db).args(["rollback", "--yes"]).run()?.expect(5)?;
    cutover(&db).arg("--yes").run()?.expect(0)?;
    cutover(&db).args(["rollback", "--yes"]).run()?.expect(5)?;
    Ok(())
}
