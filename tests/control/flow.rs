//! Pause and resume.

use anyhow::{Context, Result, ensure};
use pgl_testkit::{PairDb, Shutdown, shared_pair};

use super::support::{
    PAIRS, PATIENCE, control, does, does_twice, drained, on_source, on_target, other, refuses,
    replicating, setup, writers,
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
        writers.wait_for(100, PATIENCE)?;
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

/// What is written while replication is paused is kept by the slot alone: where that was moved, rows are missing.
#[test]
fn a_slot_or_an_origin_that_was_moved_during_a_pause_is_noticed() -> Result<()> {
    let pauses = [
        (PAIRS[0], "slot", false),
        (PAIRS[1], "origin", false),
        (PAIRS[1], "slot", true),
    ];
    for (pair, moved, disabled_before) in pauses {
        let db = replicating(pair, "moved", "", &[])?;
        if disabled_before {
            disable(&db)?;
        }
        does(&db, &["pause"], 0)?;
        db.on_source("CREATE TABLE unrelated (a int); INSERT INTO unrelated VALUES (1)")?;
        let to = on_source(&db, "SELECT pg_current_wal_lsn()")?;
        match moved {
            "slot" => db.on_source(&format!(
                "SELECT pg_replication_slot_advance(slot_name, '{to}') FROM pg_replication_slots
                  WHERE database = current_database()"
            ))?,
            _ => db.on_target(&format!(
                "SELECT pg_replication_origin_advance(sub_slot_name::text, '{to}') FROM pglogical.subscription"
            ))?,
        };
        let said = refuses(&db, &["resume"], 5)?;
        ensure!(
            said.contains(&format!("{moved} of the target was moved"))
                || said.contains(&format!("of the {moved} was moved")),
            "{said}"
        );
        let document = does(&db, &["resume", "--yes"], 0)?;
        ensure!(
            document.to_string().contains("changes are missing"),
            "{document:#}"
        );
    }
    Ok(())
}

const SLOT: &str = "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()";

/// Nobody reads the slot any more.
fn unread(db: &PairDb) -> Result<()> {
    let sql = format!("SELECT NOT EXISTS ({SLOT} AND active)");
    db.source().wait_until(db.name(), &sql, PATIENCE)
}

fn disable(db: &PairDb) -> Result<()> {
    db.on_target(
        "SELECT pglogical.alter_subscription_disable(sub_name, true) FROM pglogical.subscription",
    )?;
    unread(db)
}

fn created_again(db: &PairDb) -> Result<()> {
    let name = on_source(db, SLOT)?;
    db.on_source(&format!(
        "SELECT pg_drop_replication_slot('{name}'); SELECT pg_create_logical_replication_slot('{name}', 'pglogical_output')"
    ))?;
    Ok(())
}

/// Not healthy and no cutover; the arguments of the command that settles it.
fn not_complete(db: &PairDb) -> Result<Vec<String>> {
    let status = other(db, "pgl-status", &[], 1)?;
    let all = status["causes"].as_array().context("causes")?;
    let cause = all.iter().find(|one| one["id"] == "unsafe.slot_moved");
    let cause = cause.with_context(|| format!("{status:#}"))?;
    ensure!(cause["severity"] == "block", "{cause:#}");
    let dry = other(db, "pgl-cutover", &["--dry-run"], 1)?;
    let all = dry["refusals"].as_array().context("refusals")?;
    ensure!(
        all.iter().any(|one| one["id"] == "cut.slot_moved"),
        "{dry:#}"
    );
    let remedy = cause["remedy"].as_str().context("a remedy")?;
    let (_, command) = remedy.split_once("pgl-control ").context("a command")?;
    Ok(command.split(' ').map(str::to_owned).collect())
}

fn complete(db: &PairDb) -> Result<()> {
    let wait = ["--wait-for", "caught-up", "--timeout", "60s"];
    other(db, "pgl-status", &wait, 0)?;
    other(db, "pgl-status", &[], 0)?;
    other(db, "pgl-cutover", &["--dry-run"], 0)?;
    Ok(())
}

/// Whoever enables the subscription afterwards, and how: rows are missing until each table was compared or copied.
#[test]
fn a_moved_slot_is_remembered_until_every_table_was_compared() -> Result<()> {
    for (pair, plain) in PAIRS.into_iter().zip([false, true]) {
        let db = replicating(
            pair,
            "forgotten",
            "CREATE TABLE lost (a int PRIMARY KEY)",
            &[],
        )?;
        complete(&db)?;
        does(&db, &["pause"], 0)?;
        db.on_source("INSERT INTO lost VALUES (1)")?;
        created_again(&db)?;
        let status = other(&db, "pgl-status", &[], 1)?;
        let cause = &status["causes"][0];
        ensure!(
            cause["remedy"].to_string().contains("pgl-control resume") && cause["sql"].is_null(),
            "{cause:#}"
        );
        let dry = does(&db, &["resume", "--dry-run"], 0)?;
        ensure!(dry.to_string().contains("changes are missing"), "{dry:#}");
        let noted = "SELECT count(*) FROM pgl.journal WHERE object = 'moved'";
        ensure!(on_target(&db, noted)? == "0", "a dry run wrote");
        refuses(&db, &["resume"], 5)?;
        if plain {
            db.on_target("SELECT pglogical.alter_subscription_enable(sub_name, true) FROM pglogical.subscription")?;
        }
        does(&db, &["resume", "--yes"], 0)?;
        ensure!(on_target(&db, "SELECT count(*) FROM lost")? == "0");
        let all = not_complete(&db)?;
        ensure!(
            all.iter().any(|one| one == "public.lost") && all.len() > 3,
            "{all:?}"
        );
        if plain {
            let full = other(&db, "pgl-cutover", &["--yes", "--verify", "full"], 5)?;
            ensure!(full.to_string().contains("public.lost"), "{full:#}");
        }
        // One of them is not all of them, copied or compared.
        does(
            &db,
            &["resync", "public.lost", "load.item", "--always", "--yes"],
            0,
        )?;
        let rest = not_complete(&db)?;
        ensure!(
            rest.len() == all.len() - 2 && !rest.contains(&"public.lost".to_owned()),
            "{rest:?}"
        );
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        let document = does(&db, &rest, 0)?;
        ensure!(document["already"] == true, "{document:#}");
        complete(&db)?;
        // The next pause is another one.
        does(&db, &["pause"], 0)?;
        does(&db, &["resume"], 0)?;
        complete(&db)?;
    }
    Ok(())
}

/// Without a note of the positions an advanced slot looks like one that keepalives have advanced, also after a crash. One that
/// has sent nothing, although the target has applied changes, was created again.
#[test]
fn a_slot_that_was_created_again_without_a_pause_is_noticed() -> Result<()> {
    let mut db = PairDb::alone(15, 18, "again")?;
    db.on_source("CREATE TABLE lost (a int PRIMARY KEY)")?;
    setup(&db, &[])?;
    // A slot's confirmation survives a crash where its restart_lsn has moved on, too.
    let idle = |db: &PairDb| -> Result<()> {
        db.on_source("CHECKPOINT")?;
        db.on_source("CHECKPOINT")?;
        let lsn = on_source(db, "SELECT pg_switch_wal()")?;
        let confirmed = format!("SELECT EXISTS ({SLOT} AND confirmed_flush_lsn >= '{lsn}')");
        db.source().wait_until(db.name(), &confirmed, PATIENCE)?;
        disable(db)
    };
    let ordinary = |db: &PairDb| -> Result<()> {
        idle(db)?;
        let document = does(db, &["resume"], 0)?;
        ensure!(!document.to_string().contains("missing"), "{document:#}");
        Ok(())
    };
    ordinary(&db)?;
    disable(&db)?;
    let name = on_source(&db, SLOT)?;
    db.on_source(&format!("SELECT pg_drop_replication_slot('{name}')"))?;
    let said = refuses(&db, &["resume"], 5)?;
    ensure!(said.contains("is gone"), "{said}");
    db.on_source("INSERT INTO lost VALUES (1)")?;
    db.on_source(&format!(
        "SELECT pg_create_logical_replication_slot('{name}', 'pglogical_output')"
    ))?;
    let said = refuses(&db, &["resume"], 5)?;
    ensure!(said.contains("was dropped and created again"), "{said}");
    does(&db, &["resume", "--yes"], 0)?;
    let all = not_complete(&db)?;
    does(&db, &all.iter().map(String::as_str).collect::<Vec<_>>(), 0)?;
    complete(&db)?;
    ordinary(&db)?;

    // A crash takes the statistics of the slot along with all others.
    idle(&db)?;
    let pair = db.servers().context("the servers are shared")?;
    pair.source.stop(Shutdown::Immediate)?;
    pair.source.start_again()?;
    let document = does(&db, &["resume"], 0)?;
    ensure!(!document.to_string().contains("missing"), "{document:#}");
    complete(&db)
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
        control(&db, args).run()?.expect(2)?;
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
        said.contains("reading pgl.journal (step guard, object"),
        "{said}"
    );
    for program in [
        env!("CARGO_BIN_EXE_pgl-cutover"),
        env!("CARGO_BIN_EXE_pgl-setup"),
    ] {
        let tool = pgl_testkit::Tool::new(program)
            .envs(db.env())
            .arg("--dry-run")
            .limit(PATIENCE);
        let out = tool.run()?.expect(3)?;
        ensure!(
            out.stderr
                .contains("reading pgl.journal (step guard, object"),
            "{program}: {}",
            out.stderr
        );
    }
    ensure!(on_target(&db, kept)? == "{\"names\": 1}");
    Ok(())
}
