//! The cutover itself, under load, measured by a client.

use anyhow::{Context, Result, ensure};
use pgl_testkit::load::{Load, Probe};
use pgl_testkit::shared_pair;
use serde_json::Value;

use super::support::{
    PAIRS, PATIENCE, cutover, either, go_on, replicating, roles, same, settings, settings_of,
    writes_within,
};

#[test]
fn nothing_acknowledged_is_lost_and_clients_follow_by_themselves() -> Result<()> {
    for (source, target) in PAIRS {
        let db = replicating(source, target, "switch")?;
        let (app, stubborn) = roles(&db)?;
        let writers = Load::new()
            .workers(4)
            .start(&[either(&db, &app), either(&db, &stubborn)])?;
        let probe = Probe::start(&either(&db, &app));
        let writers = go_on(writers, 200)?;
        let out = cutover(&db).arg("--yes").run()?.expect(0)?;
        let document = out.json()?;
        let writers = go_on(writers, 200)?;
        let ledger = writers.stop()?;
        let pause = probe.stop()?;

        ensure!(document["state"] == "done", "{document:#}");
        // Only the sequences that have changed since are set while writes are blocked.
        let phases = document["phases"].as_array().context("no phases")?;
        let of_sequences = phases.iter().filter(|one| one["id"] == "sequences");
        let in_pause: Vec<Option<bool>> =
            of_sequences.map(|one| one["in_pause"].as_bool()).collect();
        ensure!(in_pause == [Some(false), Some(true)], "{document:#}");
        ledger.check(&mut db.target_client()?)?;
        ensure!(pause.missing(&mut db.target_client()?)? == 0);
        let said = document["pause_seconds"].as_f64().context("no pause")?;
        ensure!(
            said > 0.0 && said < out.took.as_secs_f64(),
            "said {said}, ran {:?}",
            out.took
        );
        // What replication does not carry.
        same(&db, &["parent", "child", "keyless", "scratch"])?;
        let key = db.on_target(
            "SELECT convalidated FROM pg_constraint WHERE conname = 'child_parent_fkey'",
        )?;
        ensure!(key == [[Some("t".to_owned())]], "{key:?}");
        // No value is handed out twice, and none far ahead.
        let next = "INSERT INTO child (parent) VALUES (1) RETURNING id";
        ensure!(db.on_target(next)? == [[Some("3001".to_owned())]]);
        // The provider stays closed, for the role that overrides settings as well.
        for role in [&app, &stubborn] {
            let mut client = db.source().client_as(role, db.name())?;
            let refused = client
                .batch_execute("INSERT INTO load.beat VALUES (-1)")
                .err();
            let state = refused.and_then(|e| e.code().map(|c| c.code().to_owned()));
            ensure!(state.as_deref() == Some("25006"), "{role}: {state:?}");
        }
        // Nor does it take the writes of a superuser who insists.
        for write in [
            "INSERT INTO load.beat VALUES (-1)",
            "UPDATE child SET parent = 1",
            "DELETE FROM keyless",
            "TRUNCATE scratch",
        ] {
            let mut client = db.source_client()?;
            client.batch_execute("SET default_transaction_read_only = off")?;
            let refused = client.batch_execute(write).err();
            let state = refused.and_then(|e| e.code().map(|c| c.code().to_owned()));
            ensure!(state.as_deref() == Some("25006"), "{write}: {state:?}");
        }
        // Again: nothing to do, and it says so.
        let again = cutover(&db).arg("--yes").run()?.expect(0)?.json()?;
        ensure!(again["state"] == "done" && again["phases"] == Value::Array(Vec::new()));
        cutover(&db).command("abort").run()?.expect(5)?;
    }
    Ok(())
}

/// Ways of blocking that are not there are named, and nothing was touched before a missing hook is noticed.
#[test]
fn a_block_that_cannot_be_is_a_usage_error() -> Result<()> {
    let db = shared_pair(13, 17)?.database("usage")?;
    for args in [
        ["--yes", "--block", "lock"].as_slice(),
        &["--yes", "--block", "revoke"],
        &["--yes", "--block", "hook"],
    ] {
        let out = cutover(&db).args(args).run()?.expect(2)?;
        ensure!(
            out.stderr.contains("--block") || out.stderr.contains("--hook-blocked"),
            "{out:?}"
        );
    }
    Ok(())
}

#[test]
fn a_rehearsal_and_a_dry_run_leave_everything_as_it_was() -> Result<()> {
    let db = replicating(13, 17, "rehearse")?;
    let (app, stubborn) = roles(&db)?;
    db.on_source(&format!(
        "ALTER ROLE \"{stubborn}\" IN DATABASE \"{0}\" SET default_transaction_read_only = off;
         ALTER DATABASE \"{0}\" SET default_transaction_read_only = off",
        db.name()
    ))?;
    let before = settings(&db)?;
    let target_before = settings_of(db.target(), &db)?;
    let dry = cutover(&db).arg("--dry-run").run()?.expect(0)?.json()?;
    ensure!(
        dry["sql"].as_array().is_some_and(|sql| sql.len() > 5),
        "{dry:#}"
    );
    cutover(&db).run()?.expect(5)?;
    let writers = Load::new()
        .workers(2)
        .start(&[db.source().dsn_as(&app, db.name())])?;
    let writers = go_on(writers, 50)?;
    let names = |rows: Vec<Vec<Option<String>>>| -> Vec<_> {
        rows.into_iter()
            .map(|row| (row[0].clone(), row[1].clone()))
            .collect()
    };
    let rehearse = |more: &[&str]| -> Result<()> {
        let out = cutover(&db)
            .args(["rehearse", "--yes"])
            .args(more.iter().copied())
            .run()?
            .expect(0)?;
        let document = out.json()?;
        ensure!(
            document["state"] == "restored" && document["rehearsal"] == true,
            "{document:#}"
        );
        ensure!(document["pause_seconds"].as_f64().is_some_and(|s| s > 0.0));
        writes_within(&db, PATIENCE)?;
        ensure!(names(settings(&db)?) == names(before.clone()), "{more:?}");
        Ok(())
    };
    rehearse(&[])?;
    let writers = go_on(writers, 50)?;
    writers.stop()?.check(&mut db.source_client()?)?;
    rehearse(&["--block", "hook", "--hook-blocked", "true"])?;
    super::support::target_is_shut(&db)?;
    // Nor does that keep the setup from going on.
    super::support::setup(&db).run()?.expect(0)?;
    super::support::opens_the_target(&db)?;
    ensure!(settings_of(db.target(), &db)? == target_before);
    cutover(&db).arg("--yes").run()?.expect(0)?;
    Ok(())
}
