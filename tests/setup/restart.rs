//! A copy that was completed is made again only on request, and one that was not only where nobody else wrote.

use anyhow::{Result, ensure};
use pgl_testkit::{PairDb, shared_pair};

use super::support::{PATIENCE, drain, same_rows, setup, state};
use crate::common::Documented;

const TABLES: &str = "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE u (id int PRIMARY KEY); INSERT INTO t SELECT g, repeat('x', 1000) FROM generate_series(1, 50) g; INSERT INTO u SELECT g FROM generate_series(1, 5) g";

fn rows(db: &PairDb, table: &str) -> Result<String> {
    let found = db.on_target(&format!("SELECT count(*)::text FROM {table}"))?;
    Ok(found[0][0].clone().unwrap_or_default())
}

/// The subscription of a migration that ran was dropped; the target has been written to since.
#[test]
fn a_completed_copy_is_not_made_again_unasked() -> Result<()> {
    let db = shared_pair(13, 17)?.database("gone")?;
    db.on_source(TABLES)?;
    setup(&db).run()?.expect(0)?;
    drain(&db)?;
    db.on_target(&format!(
        "SELECT pglogical.drop_subscription('pgl_{}')",
        db.name()
    ))?;
    db.on_target(
        "INSERT INTO t SELECT g, 'written on the target' FROM generate_series(101, 150) g",
    )?;
    for _ in 0..2 {
        let out = setup(&db).run()?.expect(5)?;
        ensure!(
            out.stdout.contains("was completed, but") && out.stdout.contains("pgl-setup --restart"),
            "{}",
            out.stdout
        );
        ensure!(rows(&db, "t")? == "100", "rows of the target were lost");
    }
    // Nobody is there to confirm, and nothing happens.
    let out = setup(&db).arg("--restart").run()?.expect(5)?;
    ensure!(out.stderr.contains("--restart drops"), "{}", out.stderr);
    ensure!(rows(&db, "t")? == "100", "rows of the target were lost");
    setup(&db).args(["--restart", "--yes"]).run()?.expect(0)?;
    ensure!(rows(&db, "t")? == "50");
    db.on_source("INSERT INTO t VALUES (200, 'after')")?;
    drain(&db)?;
    same_rows(&db)
}

/// After a rollback, reverse replication is gone: the rows that are deleted for the new copy stay on the source.
#[test]
fn a_restart_after_a_rollback_leaves_the_source_as_it_is() -> Result<()> {
    let db = shared_pair(15, 18)?.database("rolled_back")?;
    db.on_source(TABLES)?;
    db.on_source(
        "CREATE TABLE v (id serial PRIMARY KEY, u int REFERENCES u); INSERT INTO v (u) SELECT id FROM u",
    )?;
    setup(&db)
        .args(["--foreign-keys", "now"])
        .run()?
        .expect(0)?;
    drain(&db)?;
    for args in [&["--reverse", "--yes"][..], &["rollback", "--yes"]] {
        pgl_testkit::Tool::new(env!("CARGO_BIN_EXE_pgl-cutover"))
            .envs(db.env())
            .args(args)
            .limit(PATIENCE)
            .run()?
            .expect(0)?;
    }
    let back = "SELECT count(*)::text FROM pglogical.subscription";
    ensure!(db.source().value(db.name(), back)? == "0");
    setup(&db)
        .args(["--foreign-keys", "now", "--restart", "--yes"])
        .run()?
        .expect(0)?;
    db.on_source("INSERT INTO v (u) VALUES (1)")?;
    drain(&db)?;
    for (table, count) in [("t", "50"), ("u", "5"), ("v", "6")] {
        let sql = format!("SELECT count(*)::text FROM {table}");
        ensure!(db.source().value(db.name(), &sql)? == count, "{table}");
    }
    same_rows(&db)
}

/// A migration that runs can be begun again, too.
#[test]
fn a_running_migration_is_restarted_on_request() -> Result<()> {
    let db = shared_pair(13, 17)?.database("restarted")?;
    db.on_source(TABLES)?;
    setup(&db)
        .args(["--foreign-keys", "now"])
        .run()?
        .expect(0)?;
    db.on_target("SET session_replication_role = replica; DELETE FROM t WHERE id < 20")?;
    let out = setup(&db).args(["--restart", "--yes"]).run()?.expect(0)?;
    ensure!(state(&out.document()?, "copy")? == "done", "{}", out.stdout);
    db.on_source("UPDATE t SET v = 'y'")?;
    drain(&db)?;
    same_rows(&db)
}

/// A table of the target was dropped since: the restart names it before it drops or empties anything.
#[test]
fn a_restart_names_a_table_that_the_target_has_lost() -> Result<()> {
    let db = shared_pair(13, 17)?.database("lost_table")?;
    db.on_source(TABLES)?;
    setup(&db).run()?.expect(0)?;
    drain(&db)?;
    db.on_target("DROP TABLE t")?;
    for args in [&[][..], &["--step", "copy"]] {
        let out = setup(&db).args(["--restart", "--yes"]).args(args).run()?;
        ensure!(
            out.code() != Some(0)
                && !out.stdout.contains("42P01")
                && out.stdout.contains("public.t"),
            "{args:?}: {out:?}"
        );
        ensure!(rows(&db, "u")? == "5", "{args:?}: it was emptied");
        let kept = db.on_target("SELECT sub_name::text FROM pglogical.subscription")?;
        ensure!(kept.len() == 1, "{args:?}: {kept:?}");
    }
    db.on_target("CREATE TABLE t (id int PRIMARY KEY, v text)")?;
    setup(&db).args(["--restart", "--yes"]).run()?.expect(0)?;
    drain(&db)?;
    same_rows(&db)
}

/// A copy that was stopped half-way is made again by itself only where its tables hold nothing but its rows.
#[test]
fn an_unfinished_copy_is_made_again_only_over_its_own_rows() -> Result<()> {
    let db = shared_pair(13, 17)?.database("halfway")?;
    db.on_source(TABLES)?;
    setup(&db)
        .args(["--until", "target.node"])
        .run()?
        .expect(0)?;
    // The largest table comes first; the other one is locked, so that the copy stops between them.
    let mut holder = db.target_client()?;
    holder.batch_execute("BEGIN; LOCK TABLE u IN SHARE MODE")?;
    let run = setup(&db).args(["--jobs", "1"]).start()?;
    db.target()
        .wait_until(db.name(), "SELECT count(*) = 50 FROM t", PATIENCE)?;
    db.target().wait_until(
        db.name(),
        "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'u'::regclass)",
        PATIENCE,
    )?;
    run.kill9()?;
    holder.batch_execute("ROLLBACK")?;
    db.on_target("UPDATE t SET v = 'changed on the target' WHERE id = 7")?;
    let out = setup(&db).run()?.expect(5)?;
    ensure!(
        out.stdout
            .contains("was written to since: 50 rows, 1 of them not the copy's"),
        "{}",
        out.stdout
    );
    let kept = db.on_target("SELECT v FROM t WHERE id = 7")?;
    ensure!(kept == [[Some("changed on the target".to_owned())]]);
    setup(&db).args(["--restart", "--yes"]).run()?.expect(0)?;
    drain(&db)?;
    same_rows(&db)
}

/// The slot was lost before the subscription could start: said at once, not after the time limit.
#[test]
fn a_slot_that_is_gone_ends_the_wait() -> Result<()> {
    let db = shared_pair(13, 17)?.database("slotless")?;
    db.on_source(TABLES)?;
    setup(&db).run()?.expect(0)?;
    let slot = db.on_source(
        "SELECT slot_name::text FROM pg_replication_slots WHERE database = current_database()",
    )?[0][0]
        .clone()
        .unwrap_or_default();
    db.on_target(&format!(
        "SELECT pglogical.alter_subscription_disable('pgl_{}', true)",
        db.name()
    ))?;
    db.source().wait_until(
        db.name(),
        &format!("SELECT NOT active FROM pg_replication_slots WHERE slot_name = '{slot}'"),
        PATIENCE,
    )?;
    db.on_source(&format!("SELECT pg_drop_replication_slot('{slot}')"))?;
    db.on_target(&format!(
        "SELECT pglogical.alter_subscription_enable('pgl_{}', true)",
        db.name()
    ))?;
    let begun = std::time::Instant::now();
    let out = setup(&db).args(["--timeout", "10m"]).run()?.expect(5)?;
    ensure!(
        out.stdout.contains(&format!(
            "replication slot {slot} of the source does not exist"
        )),
        "{}",
        out.stdout
    );
    ensure!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    Ok(())
}

/// Tables that are copied already are free: the application alters and truncates them while others are still copied.
#[test]
fn a_copied_table_is_not_locked_on_the_source() -> Result<()> {
    let db = shared_pair(13, 17)?.database("unlocked")?;
    db.on_source(TABLES)?;
    setup(&db)
        .args(["--until", "target.node"])
        .run()?
        .expect(0)?;
    let mut holder = db.target_client()?;
    holder.batch_execute("BEGIN; LOCK TABLE u IN SHARE MODE")?;
    let run = setup(&db).args(["--jobs", "1"]).start()?;
    db.target().wait_until(
        db.name(),
        "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'u'::regclass)",
        PATIENCE,
    )?;
    db.on_source("SET lock_timeout = '5s'; ALTER TABLE t SET (fillfactor = 90); TRUNCATE t; INSERT INTO t VALUES (1, 'after')")?;
    let locked = db.on_source("SELECT count(DISTINCT l.relation)::text FROM pg_locks l JOIN pg_stat_activity a USING (pid) JOIN pg_class c ON c.oid = l.relation WHERE a.application_name = 'pgl-setup' AND c.relnamespace = 'public'::regnamespace")?;
    ensure!(locked == [[Some("0".to_owned())]], "{locked:?}");
    holder.batch_execute("ROLLBACK")?;
    run.wait(PATIENCE)?.expect(0)?;
    drain(&db)?;
    same_rows(&db)
}
