//! What `pgl-cutover resume` finishes, and what it never begins.

use anyhow::{Result, ensure};
use pgl_testkit::PairDb;

use super::overtaken::stopped;
use super::support::{PATIENCE, cutover, replicating, writes_within};
use crate::common::Documented;

fn killed(db: &PairDb, args: &[&str]) -> Result<()> {
    stopped(cutover(db).args(args), "drain")?.kill9().map(drop)
}

/// Whether clients may write: on the source, on the target.
fn writable(db: &PairDb) -> (bool, bool) {
    let sql = "INSERT INTO parent VALUES (-1); DELETE FROM parent WHERE id = -1";
    (db.on_source(sql).is_ok(), db.on_target(sql).is_ok())
}

fn status(db: &PairDb) -> Result<(Option<i32>, String)> {
    let out = pgl_testkit::Tool::new(env!("CARGO_BIN_EXE_pgl-status"))
        .envs(db.env())
        .args(["--format", "text", "--sample", "0s"])
        .limit(PATIENCE)
        .run()?;
    Ok((out.code(), out.stdout))
}

#[test]
fn a_rehearsal_that_was_killed_is_rolled_back_and_never_made_real() -> Result<()> {
    let db = replicating(13, 17, "rehearsed")?;
    let refused = cutover(&db).args(["resume", "--yes"]).run()?.expect(5)?;
    ensure!(
        refused.stderr.contains("has left anything to finish"),
        "{refused:?}"
    );
    killed(&db, &["rehearse", "--reverse", "--yes"])?;
    let document = cutover(&db)
        .args(["resume", "--yes"])
        .run()?
        .expect(0)?
        .document()?;
    ensure!(
        document["state"] == "restored" && document["rehearsal"] == true,
        "{document:#}"
    );
    writes_within(&db, PATIENCE)?;
    ensure!(writable(&db) == (true, false));
    let back = "SELECT count(*)::text FROM pglogical.subscription";
    ensure!(db.source().value(db.name(), back)? == "0");
    // One that ended leaves nothing either.
    cutover(&db).args(["rehearse", "--yes"]).run()?.expect(0)?;
    cutover(&db).args(["resume", "--yes"]).run()?.expect(5)?;
    ensure!(writable(&db) == (true, false));
    Ok(())
}

#[test]
fn what_was_asked_for_with_reverse_is_begun_again_with_it() -> Result<()> {
    let db = replicating(15, 18, "again")?;
    killed(&db, &["--reverse", "--yes"])?;
    let document = cutover(&db)
        .args(["resume", "--yes"])
        .run()?
        .expect(0)?
        .document()?;
    ensure!(
        document["state"] == "done" && document["reverse"] == true,
        "{document:#}"
    );
    // A rollback that was killed: neither side accepts writes, and every tool says so.
    killed(&db, &["rollback", "--yes"])?;
    ensure!(writable(&db) == (false, false));
    let (code, text) = status(&db)?;
    ensure!(
        code == Some(1) && text.contains("a rollback was begun and is not over"),
        "{code:?} {text}"
    );
    for args in [&["--yes"][..], &["--dry-run"]] {
        let refused = cutover(&db).args(args).run()?.expect(5)?;
        ensure!(
            refused
                .stderr
                .contains("pgl-cutover abort rolls it back; pgl-cutover resume"),
            "{refused:?}"
        );
    }
    cutover(&db).args(["abort", "--yes"]).run()?.expect(0)?;
    ensure!(writable(&db) == (false, true));
    ensure!(status(&db)?.0 == Some(0));
    // One that was killed after its promotion is named as what it is.
    stopped(cutover(&db).args(["rollback", "--yes"]), "promoted")?.kill9()?;
    for args in [&["abort"][..], &["--yes"]] {
        let refused = cutover(&db).args(args).run()?.expect(5)?;
        ensure!(
            refused
                .stderr
                .contains("the rollback is made, work after it is left"),
            "{refused:?}"
        );
    }
    cutover(&db).args(["resume", "--yes"]).run()?.expect(0)?;
    // The rollback is over: there is nothing to finish, and nothing is begun.
    cutover(&db)
        .args(["resume", "--reverse", "--yes"])
        .run()?
        .expect(5)?;
    ensure!(writable(&db) == (true, false));
    Ok(())
}

/// A table's owner has a trigger that fires under `session_replication_role = replica`: the copy would run it with our
/// rights, and it could change the rows.
#[test]
fn triggers_of_a_table_that_is_copied_again_do_not_fire() -> Result<()> {
    let db = replicating(15, 18, "loud")?;
    let owner = db.role("owner");
    db.on_source(&format!("CREATE ROLE \"{owner}\" LOGIN"))?;
    db.on_target(&format!("CREATE ROLE \"{owner}\" LOGIN"))?;
    let trigger = format!(
        "CREATE SCHEMA evil;
         CREATE TABLE evil.ran (who text, op text);
         GRANT ALL ON SCHEMA evil TO PUBLIC; GRANT ALL ON evil.ran TO PUBLIC;
         CREATE FUNCTION evil.trg() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
            INSERT INTO evil.ran VALUES (current_user, TG_OP);
            IF TG_LEVEL = 'ROW' THEN NEW.b := 'changed'; END IF;
            RETURN NEW; END$$;
         CREATE TRIGGER aaa BEFORE INSERT OR DELETE OR TRUNCATE ON keyless FOR EACH STATEMENT EXECUTE FUNCTION evil.trg();
         CREATE TRIGGER bbb BEFORE INSERT ON keyless FOR EACH ROW EXECUTE FUNCTION evil.trg();
         ALTER TABLE keyless ENABLE ALWAYS TRIGGER aaa, ENABLE REPLICA TRIGGER bbb;
         ALTER TABLE keyless OWNER TO \"{owner}\""
    );
    cutover(&db).args(["--reverse", "--yes"]).run()?.expect(0)?;
    let mut source = db.source_client()?;
    source.batch_execute(
        "SET default_transaction_read_only = off; SET session_replication_role = replica",
    )?;
    source.batch_execute(&trigger)?;
    db.on_target(
        "INSERT INTO keyless VALUES (500, 'x'), (501, 'y'); DELETE FROM keyless WHERE a = 15",
    )?;
    let document = cutover(&db)
        .args(["rollback", "--yes"])
        .args(["--force", "cut.definitions,cut.replica_triggers,cut.rights"])
        .run()?
        .expect(0)?
        .document()?;
    ensure!(
        document["recopied"].to_string().contains("keyless"),
        "{document:#}"
    );
    ensure!(
        db.source()
            .value(db.name(), "SELECT count(*)::text FROM evil.ran")?
            == "0"
    );
    let changed = "SELECT count(*)::text FROM keyless WHERE b = 'changed'";
    ensure!(db.source().value(db.name(), changed)? == "0");
    let states = "SELECT string_agg(tgname::text || tgenabled::text, ',' ORDER BY tgname) FROM pg_trigger WHERE tgname IN ('aaa', 'bbb')";
    ensure!(db.source().value(db.name(), states)? == "aaaA,bbbR");
    Ok(())
}
