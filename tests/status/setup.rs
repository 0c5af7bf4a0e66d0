//! While pgl-setup works: who does, how far the copy is, and a wait that lasts until it is done.

use super::*;
use crate::common::Documented;
use crate::verify_gallery::verify;

#[test]
fn a_copy_by_pgl_setup_is_reported_and_waited_for() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18)] {
        let db = shared_pair(source, target)?.database("copying")?;
        db.on_source(
            "CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT g, repeat('x', 50) FROM generate_series(1, 20000) g; \
             CREATE TABLE b (id int PRIMARY KEY, v text); INSERT INTO b SELECT g, repeat('y', 50) FROM generate_series(1, 20000) g",
        )?;
        let setup = || Tool::new(env!("CARGO_BIN_EXE_pgl-setup")).envs(db.env());
        let tool = || Tool::new(env!("CARGO_BIN_EXE_pgl-status")).envs(db.env());
        setup()
            .args(["--until", "target.schema"])
            .run()?
            .expect(0)?;
        // One table is copied, the other has to wait for a lock, for as long as this session reads it.
        let mut holder = db.target_client()?;
        holder.batch_execute("BEGIN; LOCK TABLE a IN ACCESS SHARE MODE")?;
        let run = setup().args(["--jobs", "2"]).start()?;
        db.target().wait_until(
            db.name(),
            "SELECT count(*) > 0 FROM pgl.journal WHERE step = 'copy' AND object ~ '\"b\"'",
            SOON,
        )?;
        let outcome = tool().run()?.expect(1)?;
        let document = outcome.document()?;
        assert_eq!(document["state"], "setting_up", "{document:#}");
        assert_eq!(ids(&document), [""; 0], "{document:#}");
        assert_eq!(document["running"]["tool"], "pgl-setup");
        assert!(document["running"]["pid"].as_i64().context("pid")? > 0);
        let (done, total) = (
            document["copy"]["done_bytes"].as_u64().context("done")?,
            document["copy"]["total_bytes"].as_u64().context("total")?,
        );
        assert!(done > 0 && done < total, "{document:#}");
        let text = tool().args(["--format", "text"]).run()?.expect(1)?.stdout;
        let line = format!(
            "setup by pid {} at 127.0.0.1: copy ",
            document["running"]["pid"]
        );
        assert!(text.contains(&line), "{text}");

        let mut waiting = tool()
            .args(["--wait-for", "synced", "--timeout", "2m"])
            .start()?;
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            ensure!(!waiting.is_done()?, "{}", waiting.stderr_so_far());
            std::thread::sleep(Duration::from_millis(200));
        }
        holder.batch_execute("ROLLBACK")?;
        run.wait(SOON)?.expect(0)?;
        waiting.wait(SOON)?.expect(0)?;
        let document = tool()
            .args(["--wait-for", "caught-up"])
            .run()?
            .expect(0)?
            .document()?;
        assert!(document["running"].is_null(), "{document:#}");
        // The plan that pgl-setup keeps is the measure from now on.
        db.on_source("SELECT pglogical.replication_set_remove_table('default', 'b')")?;
        let document = tool().run()?.expect(1)?.document()?;
        assert_eq!(ids(&document), ["set.table_missing"], "{document:#}");
    }
    Ok(())
}

/// Until both sides have them.
fn changed_definitions_are_reported(db: &PairDb, tool: impl Fn() -> Tool) -> Result<()> {
    let definitions = |code| -> Result<Value> {
        tool()
            .args(["--definitions", "--sample", "0"])
            .run()?
            .expect(code)?
            .document()
    };
    let none = Value::Array(Vec::new());
    assert_eq!(definitions(0)?["definitions"], none);
    let changes = [
        "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "GRANT SELECT ON a TO pg_monitor",
    ];
    for change in changes {
        db.on_source(change)?;
    }
    let document = definitions(1)?;
    assert_eq!(ids(&document), ["unsafe.definitions", "unsafe.rights"]);
    let one = &document["definitions"][1];
    assert_eq!(one["object"], "FUNCTION public.one()", "{document:#}");
    assert_eq!(one["changed"], "source", "{document:#}");
    assert!(
        one["source"]
            .as_str()
            .is_some_and(|sql| sql.contains("SELECT 1"))
    );
    assert_eq!(one["target"], Value::Null);
    let compared = verify(db).arg("--definitions").run()?.expect(1)?;
    assert_eq!(compared.document()?["definitions"], document["definitions"]);
    let missing = ["--definitions", "--pg-bindir", "/nowhere"];
    let document = tool().args(missing).run()?.expect(1)?.document()?;
    let what = &cause(&document, "unsafe.definitions")?["what"];
    assert!(
        what.to_string().contains(&format!(
            "pg_dump {} or later is needed",
            db.target().major()
        )),
        "{what}"
    );
    for change in changes {
        db.on_target(change)?;
    }
    assert_eq!(definitions(0)?["definitions"], none);
    // What would be ignored is refused.
    for ignored in [
        &["--pg-bindir", "/nowhere"][..],
        &["--definitions", "--watch"],
        &["--definitions", "--wait-for", "synced"],
    ] {
        tool().args(ignored).run()?.expect(2)?;
    }
    Ok(())
}

#[test]
fn a_cutover_is_reported_and_no_failure() -> Result<()> {
    let db = shared_pair(15, 18)?.database("cut")?;
    db.on_source("CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a VALUES (1, 'x')")?;
    Tool::new(env!("CARGO_BIN_EXE_pgl-setup"))
        .envs(db.env())
        .run()?
        .expect(0)?;
    let tool = || Tool::new(env!("CARGO_BIN_EXE_pgl-status")).envs(db.env());
    tool().args(["--wait-for", "caught-up"]).run()?.expect(0)?;
    changed_definitions_are_reported(&db, tool)?;
    Tool::new(env!("CARGO_BIN_EXE_pgl-cutover"))
        .envs(db.env())
        .args(["--yes", "--reverse"])
        .run()?
        .expect(0)?;
    // Replication back may need a moment.
    let until = Instant::now() + SOON;
    let document = loop {
        let outcome = tool().run()?;
        let document = outcome.document()?;
        assert_eq!(document["state"], "cut_over", "{document:#}");
        if outcome.code() == Some(0) {
            break document;
        }
        ensure!(Instant::now() < until, "{document:#}");
    };
    assert_eq!(document["reverse"]["state"], "replicating", "{document:#}");
    assert!(document["reverse"]["lag_bytes"].is_u64(), "{document:#}");
    assert_eq!(document["causes"], Value::Array(Vec::new()));
    let text = tool().args(["--format", "text"]).run()?.expect(0)?.stdout;
    assert!(text.contains("cut over at 20"), "{text}");
    let refused = tool().arg("--definitions").run()?.expect(2)?.stderr;
    ensure!(
        refused.contains("pgl-cutover rollback --dry-run"),
        "{refused}"
    );
    let verify = Tool::new(env!("CARGO_BIN_EXE_pgl-verify"))
        .envs(db.env())
        .run()?;
    assert!(
        verify.stderr.contains("cut over at 20"),
        "{}",
        verify.stderr
    );
    let wait = tool()
        .args(["--wait-for", "caught-up", "--timeout", "1h"])
        .run()?
        .expect(1)?;
    assert!(wait.stderr.contains("cut over at 20"), "{}", wait.stderr);
    Ok(())
}
