//! What is reported against what is so: membership by OID, old lines of a log, other readers of the slot,
//! workers that do not answer, plans of other databases.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::common::Documented;

#[test]
fn a_table_in_no_set_is_never_healthy() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18)] {
        let db = shared_pair(source, target)?.database("members")?;
        let lab = Lab::shared(&db);
        lab.nodes(SCHEMA, &["a", "b"])?;
        lab.subscribe()?;
        lab.replicating()?;
        lab.on_source("INSERT INTO a VALUES (1, 'x')")?;
        lab.drained()?;
        of(&db).run()?.expect(0)?;
        // A deploy that makes the table anew, and a set that loses one.
        lab.on_source("DROP TABLE a CASCADE; CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a VALUES (7, 'lost')")?;
        let document = of(&db).run()?.expect(1)?.document()?;
        assert_eq!(document["state"], "replicating");
        let missing = cause(&document, "set.table_missing")?;
        assert_eq!(missing["object"], "public.a");
        assert_eq!(missing["certainty"], "proven");
        assert!(missing["sql"].is_null(), "{missing:#}");
        assert!(
            missing["remedy"]
                .to_string()
                .contains("pgl-control add-table public.a"),
            "{missing:#}"
        );
        lab.on_source("SELECT pglogical.replication_set_remove_table('default', 'b')")?;
        let document = of(&db).run()?.expect(1)?.document()?;
        assert!(
            cause(&document, "set.table_missing")?["what"]
                .to_string()
                .contains("2 tables"),
            "{document:#}"
        );
        // No waiting brings these rows.
        let wait = of(&db)
            .args(["--wait-for", "caught-up", "--timeout", "1h"])
            .run()?
            .expect(1)?;
        assert!(
            wait.stderr.contains("in no replication set"),
            "{}",
            wait.stderr
        );
        for table in ["a", "b"] {
            lab.on_source(&format!(
                "SELECT pglogical.replication_set_add_table('default', '{table}')"
            ))?;
        }
        of(&db).run()?.expect(0)?;
    }
    Ok(())
}

/// It is in its set, and yet its changes are lost: while it is so, no state of replication shows it.
#[test]
fn a_table_whose_changes_are_not_all_replicated_is_never_healthy() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18)] {
        let db = shared_pair(source, target)?.database("partly")?;
        let lab = Lab::shared(&db);
        lab.nodes(SCHEMA, &["a", "b"])?;
        lab.subscribe()?;
        lab.replicating()?;
        of(&db).run()?.expect(0)?;
        for (change, back, says) in [
            (
                "ALTER TABLE a SET UNLOGGED",
                "ALTER TABLE a SET LOGGED",
                "public.a is replicated: it is UNLOGGED",
            ),
            (
                "ALTER TABLE a REPLICA IDENTITY NOTHING",
                "ALTER TABLE a REPLICA IDENTITY DEFAULT",
                "public.a is replicated: it has no replica identity",
            ),
            (
                "SELECT pglogical.alter_replication_set('default', replicate_update := false)",
                "SELECT pglogical.alter_replication_set('default', replicate_update := true)",
                "replication set \"default\" does not replicate UPDATE",
            ),
        ] {
            lab.on_source(change)?;
            let document = of(&db).run()?.expect(1)?.document()?;
            let found = cause(&document, "set.unreplicated")?;
            assert!(
                found["what"].to_string().replace('\\', "").contains(says),
                "{found:#}"
            );
            lab.on_source(back)?;
            of(&db).run()?.expect(0)?;
        }
    }
    Ok(())
}

/// Rows go on arriving, with other values or not all of them.
#[test]
fn what_changes_values_on_the_way_is_never_healthy() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18)] {
        let db = shared_pair(source, target)?.database("changed_values")?;
        let lab = Lab::shared(&db);
        lab.nodes(SCHEMA, &["a", "b"])?;
        lab.subscribe()?;
        lab.replicating()?;
        of(&db).run()?.expect(0)?;
        let (source, target) = (db.source(), db.target());
        let name = db.name();
        for (cluster, change, back, id) in [
            (
                target,
                "ALTER TABLE a ALTER v TYPE varchar(3)".to_owned(),
                "ALTER TABLE a ALTER v TYPE text".to_owned(),
                "unsafe.column_types",
            ),
            (
                target,
                format!("ALTER DATABASE \"{name}\" SET array_nulls = off"),
                format!("ALTER DATABASE \"{name}\" RESET array_nulls"),
                "unsafe.input_settings",
            ),
            (
                source,
                "CREATE SUBSCRIPTION feeding CONNECTION 'host=127.0.0.1' PUBLICATION p WITH (connect = false)".to_owned(),
                "ALTER SUBSCRIPTION feeding SET (slot_name = NONE); DROP SUBSCRIPTION feeding".to_owned(),
                "unsafe.cascading_origin",
            ),
        ] {
            cluster.sql(name, &change)?;
            let document = of(&db).run()?.expect(1)?.document()?;
            cause(&document, id)?;
            for sql in back.split("; ") {
                cluster.sql(name, sql)?;
            }
            of(&db).run()?.expect(0)?;
        }
    }
    Ok(())
}

#[test]
fn a_dropped_set_that_held_tables_has_no_one_line_fix() -> Result<()> {
    let db = shared_pair(13, 17)?.database("dropped_set")?;
    let lab = Lab::shared(&db);
    lab.nodes(SCHEMA, &["a", "b"])?;
    lab.subscribe()?;
    lab.replicating()?;
    lab.on_source("SELECT pglogical.drop_replication_set('default')")?;
    lab.on_source("INSERT INTO a VALUES (1, 'x')")?;
    lab.on_source("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = current_database()")?;
    let document = diagnosed(|| of(&db), "set.missing")?;
    let set = cause(&document, "set.missing")?;
    assert!(set["sql"].is_null(), "{set:#}");
    assert!(
        set["remedy"].to_string().contains("pgl-control add-table"),
        "{set:#}"
    );
    cause(&document, "set.table_missing")?;
    // What that statement would have hidden.
    lab.mend("SELECT pglogical.alter_subscription_remove_replication_set('moving', 'default')")?;
    let document = of(&db).run()?.expect(1)?.document()?;
    assert_eq!(document["state"], "replicating");
    assert_eq!(ids(&document), ["set.table_missing"], "{document:#}");
    Ok(())
}

#[test]
fn another_reader_of_the_slot_is_reported() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18)] {
        let db = shared_pair(source, target)?.database("reader")?;
        let lab = Lab::shared(&db);
        lab.nodes(SCHEMA, &["a", "b"])?;
        lab.subscribe()?;
        lab.replicating()?;
        lab.drained()?;
        lab.on_target("SELECT pglogical.alter_subscription_disable('moving', true)")?;
        lab.state("disabled")?;
        db.source().wait_until(
            db.name(),
            "SELECT bool_and(NOT active) FROM pg_replication_slots WHERE database = current_database()",
            SOON,
        )?;
        // Alone it stays where it is, whatever is written.
        lab.on_source("INSERT INTO a VALUES (1, 'kept')")?;
        let document = of(&db).run()?.expect(1)?.document()?;
        assert_eq!(ids(&document), ["subscription.disabled"], "{document:#}");
        let watch = of(&db).args(["--watch", "--interval", "500ms"]).start()?;
        let until = Instant::now() + SOON;
        let mut n = 10;
        while !watch.stdout_so_far().contains("slot.other_consumer") {
            ensure!(Instant::now() < until, "{}", watch.stdout_so_far());
            lab.on_source(&format!("INSERT INTO a VALUES ({n}, 'read elsewhere')"))?;
            lab.on_source("SELECT pg_replication_slot_advance(slot_name, pg_current_wal_lsn()) FROM pg_replication_slots WHERE database = current_database()")?;
            n += 1;
            std::thread::sleep(Duration::from_millis(300));
        }
        watch.signal(pgl_testkit::Signal::TERM)?;
        let lines = watch.wait(SOON)?.ndjson()?;
        let document = lines
            .iter()
            .rfind(|line| line.to_string().contains("slot.other_consumer"))
            .context("a reading")?;
        let other = cause(document, "slot.other_consumer")?;
        assert_eq!(other["severity"], "block", "{other:#}");
        assert!(
            other["remedy"].to_string().contains("pgl-control resync"),
            "{other:#}"
        );
    }
    Ok(())
}

#[test]
fn what_the_servers_show_goes_before_old_lines() -> Result<()> {
    let pair = logged(13, 17)?;
    let lab = Lab::own(&pair, "shop")?;
    let env = pair.env("shop");
    lab.nodes(SCHEMA, &["a", "b"])?;
    lab.subscribe()?;
    lab.replicating()?;
    lab.drained()?;
    // An old line: the slot was in use.
    lab.on_target("ALTER TABLE a ADD CONSTRAINT small CHECK (id < 3000)")?;
    lab.on_source("INSERT INTO a VALUES (3000, 'secret value')")?;
    let document = diagnosed(|| status(env.clone()), "apply.constraint")?;
    let constraint = cause(&document, "apply.constraint")?;
    assert_eq!(
        constraint["certainty"], "likely",
        "a line of a log is no proof"
    );
    assert!(
        constraint["evidence"][0]
            .to_string()
            .contains(" s ago: ERROR"),
        "{constraint:#}"
    );
    assert!(
        constraint["wake"]
            .to_string()
            .contains("alter_subscription_enable"),
        "{constraint:#}"
    );
    assert!(
        !document.to_string().contains("secret value"),
        "{document:#}"
    );
    let shown = status(env.clone()).args(["--show-values"]).run()?;
    assert!(shown.stdout.contains("secret value"), "{}", shown.stdout);

    // What only a log says does not end a wait: somebody fixes it, and the wait comes to its end.
    let mut waiting = status(env.clone())
        .args(["--wait-for", "caught-up", "--timeout", "100s"])
        .start()?;
    let until = Instant::now() + Duration::from_secs(12);
    while Instant::now() < until {
        ensure!(!waiting.is_done()?, "{}", waiting.stderr_so_far());
        std::thread::sleep(Duration::from_millis(200));
    }
    lab.mend("ALTER TABLE a DROP CONSTRAINT small")?;
    waiting.wait(SOON)?.expect(0)?;

    // The new cause, not the old line.
    lab.on_target("SELECT pglogical.alter_subscription_disable('moving', true)")?;
    lab.state("disabled")?;
    lab.on_target("SELECT pg_replication_origin_drop(roname) FROM pg_replication_origin")?;
    lab.on_target("SELECT pglogical.alter_subscription_enable('moving', true)")?;
    let document = diagnosed(|| status(env.clone()), "origin.missing")?;
    assert_eq!(ids(&document), ["origin.missing"], "{document:#}");
    assert_eq!(cause(&document, "origin.missing")?["certainty"], "proven");
    Ok(())
}

#[test]
fn a_restart_on_purpose_is_no_failure() -> Result<()> {
    let db = shared_pair(15, 18)?.database("restart")?;
    let lab = Lab::shared(&db);
    lab.nodes(SCHEMA, &["a", "b"])?;
    lab.subscribe()?;
    lab.replicating()?;
    lab.drained()?;
    let watch = of(&db).args(["--watch", "--interval", "200ms"]).start()?;
    let seen = |count: usize| -> Result<()> {
        let until = Instant::now() + SOON;
        while watch.stdout_so_far().lines().count() < count {
            ensure!(Instant::now() < until, "{}", watch.stderr_so_far());
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    };
    seen(3)?;
    lab.on_target("SELECT pglogical.alter_subscription_disable('moving', true)")?;
    lab.state("disabled")?;
    lab.on_target("SELECT pglogical.alter_subscription_enable('moving', true)")?;
    lab.replicating()?;
    db.source().wait_until(
        db.name(),
        "SELECT bool_and(active) FROM pg_replication_slots WHERE database = current_database()",
        SOON,
    )?;
    let before = watch.stdout_so_far().lines().count();
    seen(before + 10)?;
    watch.signal(pgl_testkit::Signal::TERM)?;
    let lines = watch.wait(SOON)?.ndjson()?;
    let after = &lines[before + 3..lines.len() - 1];
    ensure!(!after.is_empty());
    for line in after {
        assert_eq!(line["healthy"], true, "{line:#}");
    }
    Ok(())
}

#[test]
fn a_worker_that_does_not_answer_is_named() -> Result<()> {
    let db = shared_pair(15, 18)?.database("silent")?;
    let lab = Lab::shared(&db);
    lab.nodes(SCHEMA, &["a", "b"])?;
    lab.subscribe()?;
    lab.replicating()?;
    lab.drained()?;
    let worker = db.target().value(
        db.name(),
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'pglogical apply%'",
    )?;
    let send = |signal: &str| -> Result<()> {
        let done = std::process::Command::new("kill")
            .args([signal, &worker])
            .status()?;
        ensure!(done.success(), "kill {signal} {worker}");
        Ok(())
    };
    send("-STOP")?;
    // The walsender goes on sending: it is the worker that does not answer.
    let stop = AtomicBool::new(false);
    let document = std::thread::scope(|scope| {
        let writer = scope.spawn(|| -> Result<()> {
            let mut client = db.source_client()?;
            while !stop.load(Ordering::SeqCst) {
                client.batch_execute("INSERT INTO b SELECT coalesce(max(id), 0) + 1 FROM b")?;
                std::thread::sleep(Duration::from_millis(100));
            }
            Ok(())
        });
        let document = diagnosed(|| of(&db), "apply.silent");
        stop.store(true, Ordering::SeqCst);
        let wrote = writer.join();
        ensure!(matches!(wrote, Ok(Ok(()))), "{wrote:?}");
        document
    });
    send("-CONT")?;
    let document = document?;
    let silent = cause(&document, "apply.silent")?;
    assert!(
        silent["what"]
            .to_string()
            .contains("has not confirmed anything since"),
        "{silent:#}"
    );
    assert!(
        silent["evidence"][0].to_string().contains("walsender"),
        "{silent:#}"
    );
    Ok(())
}

#[test]
fn a_walsender_that_does_not_run_is_not_taken_for_the_worker() -> Result<()> {
    let db = shared_pair(15, 18)?.database("stopped")?;
    let lab = Lab::shared(&db);
    lab.nodes(SCHEMA, &["a", "b"])?;
    lab.subscribe()?;
    lab.replicating()?;
    lab.drained()?;
    let walsender = db.source().value(
        db.name(),
        "SELECT active_pid FROM pg_replication_slots WHERE database = current_database()",
    )?;
    let send = |signal: &str| -> Result<()> {
        let done = std::process::Command::new("kill")
            .args([signal, &walsender])
            .status()?;
        ensure!(done.success(), "kill {signal} {walsender}");
        Ok(())
    };
    // Stopped while it waits: one that is stopped between two waits shows the server nothing.
    let waits =
        format!("SELECT wait_event IS NOT NULL FROM pg_stat_activity WHERE pid = {walsender}");
    send("-STOP")?;
    let until = Instant::now() + SOON;
    while db.source().value(db.name(), &waits)? != "t" {
        send("-CONT")?;
        ensure!(Instant::now() < until, "the walsender never waits");
        send("-STOP")?;
    }
    lab.on_source("INSERT INTO a VALUES (-1, 'not sent')")?;
    let document = diagnosed(|| of(&db), "stream.silent");
    send("-CONT")?;
    let document = document?;
    let silent = cause(&document, "stream.silent")?;
    let named = format!("walsender (process {walsender}) does not send");
    ensure!(
        silent["what"].to_string().contains(&named) && silent["side"] == "source",
        "{silent:#}"
    );
    Ok(())
}

#[test]
fn rejected_by_pg_hba_and_without_replication() -> Result<()> {
    let hba = "host all +banned 127.0.0.1/32 reject\n\
               host all all 127.0.0.1/32 trust\n\
               host replication all 127.0.0.1/32 trust\n";
    let source = Cluster::start(15, ClusterOptions::new().hba(hba))?;
    let target = Cluster::start(18, ClusterOptions::new())?;
    let pair = Pair { source, target };
    let lab = Lab::own(&pair, "shop")?;
    lab.nodes(SCHEMA, &["a", "b"])?;
    lab.on_source("CREATE ROLE banned; CREATE ROLE mover LOGIN REPLICATION SUPERUSER")?;
    let dsn = format!(
        "host=127.0.0.1 port={} dbname=shop user=mover {PINS}",
        pair.source.port()
    );
    lab.subscribe_with(&dsn, true)?;
    lab.replicating()?;
    let env = pair.env("shop");
    let cut = "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active";
    for (harm, repair, id, certainty) in [
        (
            "ALTER ROLE mover NOSUPERUSER NOREPLICATION",
            "ALTER ROLE mover SUPERUSER REPLICATION",
            "link.privilege",
            Some("proven"),
        ),
        (
            "GRANT banned TO mover",
            "REVOKE banned FROM mover",
            "link.hba",
            // Where the target's log says the same, a login that is rejected from here is proven there, too.
            None,
        ),
    ] {
        lab.on_source(harm)?;
        lab.on_source(cut)?;
        let document = diagnosed_as(|| status(env.clone()), id, certainty)?;
        for other in ["link.tls", "link.unreachable", "apply.terminated"] {
            assert!(!ids(&document).contains(&other), "{document:#}");
        }
        lab.on_source(repair)?;
        let wake = cause(&document, id)?["wake"]
            .as_str()
            .context("wake")?
            .to_owned();
        lab.mend(&wake)?;
        lab.drained()?;
    }
    status(env).run()?.expect(0)?;
    Ok(())
}

#[test]
fn a_plan_of_other_databases_is_refused() -> Result<()> {
    let first = shared_pair(13, 17)?.database("planned")?;
    let second = shared_pair(13, 17)?.database("unplanned")?;
    for db in [&first, &second] {
        db.on_source(SCHEMA)?;
    }
    let plan = Tool::new(env!("CARGO_BIN_EXE_pgl-preflight"))
        .envs(first.env())
        .args(["--format", "json"])
        .run()?;
    let mut document = plan.json()?;
    document["verdict"] = "ok".into();
    document["blocked_by"] = Value::Array(Vec::new());
    let text = document.to_string();
    for tool in [
        env!("CARGO_BIN_EXE_pgl-status"),
        env!("CARGO_BIN_EXE_pgl-setup"),
        env!("CARGO_BIN_EXE_pgl-seqsync"),
        env!("CARGO_BIN_EXE_pgl-verify"),
        env!("CARGO_BIN_EXE_pgl-cutover"),
        env!("CARGO_BIN_EXE_pgl-teardown"),
    ] {
        let outcome = Tool::new(tool)
            .envs(second.env())
            .args(["--plan", "-"])
            .stdin(text.clone())
            .run()?
            .expect(5)?;
        assert!(
            outcome.stderr.contains("made for another"),
            "{tool}: {}",
            outcome.stderr
        );
    }
    // One side is enough.
    let half: Vec<(String, String)> = second
        .env()
        .into_iter()
        .filter(|(name, _)| name != "PGL_SOURCE")
        .collect();
    Tool::new(env!("CARGO_BIN_EXE_pgl-status"))
        .envs(half)
        .args(["--plan", "-"])
        .stdin(text)
        .run()?
        .expect(5)?;
    Ok(())
}
