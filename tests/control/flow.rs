//! Pause and resume.

use anyhow::{Result, ensure};
use pgl_testkit::shared_pair;

use super::support::{
    PAIRS, control, does, does_twice, drained, on_source, on_target, refuses, replicating, writers,
};

const ACTIVE: &str =
    "SELECT count(*) FROM pg_replication_slots WHERE database = current_database() AND active";

#[test]
fn a_pause_holds_everything_and_loses_nothing() -> Result<()> {
    for pair in PAIRS {
        let db = replicating(pair, "pause", "", &[])?;
        let writers = writers(&db)?;
        let dry = does(&db, &["pause", "--dry-run"], 0)?;
        ensure!(dry["steps"][0]["state"] == "planned", "{dry:#}");
        ensure!(on_source(&db, ACTIVE)? == "1", "a dry run paused it");
        does_twice(&db, &["pause"])?;
        ensure!(on_source(&db, ACTIVE)? == "0");
        let before = on_target(&db, "SELECT count(*) FROM load.entry")?;
        writers.wait_for(100, super::support::PATIENCE)?;
        ensure!(on_target(&db, "SELECT count(*) FROM load.entry")? == before);
        // A copy begins where the worker stands: not while there is none.
        let said = refuses(&db, &["resync", "load.item", "--yes"], 5)?;
        ensure!(said.contains("paused"), "{said}");
        let said = refuses(&db, &["skip"], 5)?;
        ensure!(said.contains("paused"), "{said}");
        does_twice(&db, &["resume"])?;
        ensure!(on_source(&db, ACTIVE)? == "1");
        drained(&db, writers)?;
    }
    Ok(())
}

#[test]
fn what_is_no_migration_is_refused_and_nothing_is_typed_wrongly() -> Result<()> {
    let db = shared_pair(13, 17)?.database("nothing")?;
    for args in [
        &["pause"][..],
        &["resync", "a", "--yes"],
        &["add-table", "a"],
    ] {
        let said = refuses(&db, args, 5)?;
        ensure!(said.contains("pgl-setup"), "{said}");
    }
    for args in [
        &["resync"][..],
        &["pause", "a"],
        &["add-table", "a.b.c"],
        &["resync", "a*"],
        &["pause", "--lsn", "0/1"],
        &["skip", "--lsn", "nonsense"],
    ] {
        control(&db, args)?.run()?.expect(2)?;
    }
    Ok(())
}

/// An answer that cannot be read is no answer: not "there is no plan", and no new one in its place.
#[test]
fn a_plan_that_cannot_be_read_stops_every_tool() -> Result<()> {
    let db = replicating((15, 18), "unreadable", "", &[])?;
    let damage = "UPDATE pgl.journal SET detail = '{\"names\": 1}' WHERE object = 'plan'";
    db.on_target(damage)?;
    let kept = "SELECT detail FROM pgl.journal WHERE object = 'plan'";
    let said = refuses(&db, &["pause"], 3)?;
    ensure!(
        said.contains("reading the plan that the target keeps"),
        "{said}"
    );
    for program in [
        env!("CARGO_BIN_EXE_pgl-cutover"),
        env!("CARGO_BIN_EXE_pgl-setup"),
    ] {
        let tool = pgl_testkit::Tool::new(program)
            .envs(db.env())
            .arg("--dry-run")
            .limit(super::support::PATIENCE);
        let out = super::support::with_programs(tool, &db)?.run()?.expect(3)?;
        ensure!(
            out.stderr
                .contains("reading the plan that the target keeps"),
            "{program}: {}",
            out.stderr
        );
    }
    ensure!(on_target(&db, kept)? == "{\"names\": 1}");
    Ok(())
}
