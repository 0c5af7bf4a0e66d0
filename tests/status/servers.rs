//! Servers that go away, crash, refuse or run out of something, each diagnosed.

use super::*;
use crate::common::Documented;

#[test]
fn the_source_goes_away_and_comes_back() -> Result<()> {
    let mut pair = Pair::start(13, 17)?;
    let db = "shop";
    {
        let lab = Lab::own(&pair, db)?;
        lab.nodes(SCHEMA, &["a", "b"])?;
        lab.subscribe()?;
        lab.replicating()?;
        lab.drained()?;
    }
    let env = pair.env(db);
    pair.source.stop(pgl_testkit::Shutdown::Fast)?;
    let document = diagnosed(|| status(env.clone()), "server.unreachable")?;
    assert_eq!(document["source"]["reachable"], false);
    assert_eq!(document["target"]["reachable"], true);
    assert_eq!(document["subscription"], "moving");
    assert!(document["lag"].is_null());
    let metrics = status(env.clone())
        .args(["--format", "prometheus"])
        .run()?
        .stdout;
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        ensure!(line.contains("{migration=\"shop\","), "{line}");
    }
    let document = diagnosed(|| status(env.clone()), "link.unreachable")?;
    assert_eq!(cause(&document, "link.unreachable")?["heals"], "perhaps");
    // A wait outlives that: the source comes back and pglogical with it.
    let waiting = status(env.clone())
        .args(["--wait-for", "replicating", "--timeout", "150s"])
        .start()?;
    std::thread::sleep(Duration::from_secs(4));
    pair.source.start_again()?;
    let lab = Lab {
        source: &pair.source,
        target: &pair.target,
        db,
    };
    lab.mend("SELECT 1")?;
    waiting.wait(Duration::from_secs(60))?.expect(0)?;

    // Without a target nothing can be said about the subscription, but the slot is still seen.
    pair.target.stop(pgl_testkit::Shutdown::Fast)?;
    let blind: Outcome = status(env).run()?.expect(3)?;
    let document = blind.document()?;
    assert_eq!(document["state"], "unknown");
    assert_eq!(document["slot"]["active"], false, "{document:#}");
    Ok(())
}

#[test]
fn the_way_to_the_source_is_blocked() -> Result<()> {
    // Everybody needs a password but from this test's own role.
    let hba = "host all postgres 127.0.0.1/32 trust\n\
               host replication postgres 127.0.0.1/32 trust\n\
               host all mover 127.0.0.1/32 md5\n";
    let source = Cluster::start(
        13,
        ClusterOptions::new()
            .hba(hba)
            .set("password_encryption", "md5"),
    )?;
    let target = Cluster::start(17, ClusterOptions::new())?;
    let pair = Pair { source, target };
    let lab = Lab::own(&pair, "shop")?;
    lab.nodes(SCHEMA, &["a", "b"])?;
    lab.on_source("CREATE ROLE mover LOGIN REPLICATION SUPERUSER PASSWORD 'right'")?;
    let dsn = |password: &str| {
        format!(
            "host=127.0.0.1 port={} dbname=shop user=mover password={password} {PINS}",
            pair.source.port()
        )
    };
    lab.subscribe_with(&dsn("right"), true)?;
    lab.replicating()?;
    let env = pair.env("shop");
    let tool = || status(env.clone());
    tool().run()?.expect(0)?;

    // Somebody changes the password.
    lab.on_source("ALTER ROLE mover PASSWORD 'secret-2'; SELECT pg_terminate_backend(pid) FROM pg_stat_replication")?;
    let document = diagnosed_as(tool, "link.password", Some("proven"))?;
    let text = document.to_string();
    for secret in ["right", "secret-2"] {
        assert!(!text.contains(&format!("={secret}")), "{text}");
    }
    let wait = tool()
        .args(["--wait-for", "replicating", "--timeout", "1h"])
        .run()?
        .expect(1)?;
    assert!(wait.took < Duration::from_secs(30));
    lab.on_source("ALTER ROLE mover PASSWORD 'right'")?;
    lab.mend("SELECT 1")?;

    // A host that the target cannot resolve.
    lab.on_target("SELECT pglogical.alter_subscription_disable('moving', true)")?;
    lab.state("disabled")?;
    lab.on_target(&format!(
        "SELECT pglogical.alter_node_add_interface('old', 'wrong', 'host=no-such-host.invalid port={} dbname=shop user=mover {PINS}'), \
         pglogical.alter_subscription_interface('moving', 'wrong')",
        pair.source.port()
    ))?;
    lab.on_target("SELECT pglogical.alter_subscription_enable('moving', true)")?;
    let document = diagnosed(tool, "link.unreachable")?;
    assert!(
        document.to_string().contains("no-such-host.invalid"),
        "{document:#}"
    );
    Ok(())
}

#[test]
fn the_source_s_output_plugin_is_not_allowed() -> Result<()> {
    // Only minor releases that have the setting show this: 17 and 18 here.
    let source = Cluster::start(17, ClusterOptions::new())?;
    let target = Cluster::start(18, ClusterOptions::new())?;
    let pair = Pair { source, target };
    let lab = Lab::own(&pair, "shop")?;
    let known = pair.source.value(
        "postgres",
        "SELECT count(*) FROM pg_settings WHERE name = 'output_plugin_libraries'",
    )?;
    ensure!(
        known == "1",
        "17 of this lab has no output_plugin_libraries"
    );
    lab.nodes(SCHEMA, &["a", "b"])?;
    lab.subscribe()?;
    lab.replicating()?;
    pair.source
        .configure(&[("output_plugin_libraries", "pgoutput, test_decoding")])?;
    pair.source.reload()?;
    pair.source.wait_until(
        "postgres",
        "SELECT setting !~ 'pglogical' FROM pg_settings WHERE name = 'output_plugin_libraries'",
        SOON,
    )?;
    lab.on_source("SELECT pg_terminate_backend(pid) FROM pg_stat_replication")?;
    let env = pair.env("shop");
    let tool = || status(env.clone());
    let document = diagnosed_as(tool, "source.output_plugin", Some("proven"))?;
    let cause = cause(&document, "source.output_plugin")?;
    assert_eq!(
        cause["sql"],
        "ALTER SYSTEM SET output_plugin_libraries = pgoutput, test_decoding, pglogical_output; SELECT pg_reload_conf();"
    );
    for statement in cause["sql"]
        .as_str()
        .context("sql")?
        .split(';')
        .filter(|s| !s.trim().is_empty())
    {
        pair.source.sql("postgres", statement)?;
    }
    lab.mend("SELECT 1")?;
    status(env).run()?.expect(0)?;
    Ok(())
}

#[test]
fn a_target_that_crashes_again_and_again() -> Result<()> {
    let pair = logged(13, 17)?;
    let lab = Lab::own(&pair, "shop")?;
    lab.nodes(
        "CREATE TABLE g (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED)",
        &[],
    )?;
    lab.on_source(
        "SELECT pglogical.replication_set_add_table('default', 'g', false, ARRAY['id'])",
    )?;
    lab.subscribe()?;
    lab.replicating()?;
    // pglogical commits asynchronously: a crash would roll back even that the copy is done.
    pair.target.sql("postgres", "CHECKPOINT")?;
    lab.on_source("INSERT INTO g VALUES (1)")?;
    let env = pair.env("shop");
    // The server is there for a moment between two crashes: whichever is met has to be named.
    let until = Instant::now() + SOON;
    let mut seen = Vec::new();
    while !(seen.contains(&"server.crash_loop".to_owned())) {
        ensure!(Instant::now() < until, "seen: {seen:?}");
        let outcome = status(env.clone()).args(["--sample", "0s"]).run()?;
        ensure!(matches!(outcome.code(), Some(0 | 1 | 3)), "{outcome:?}");
        let document = outcome.document()?;
        for id in ids(&document) {
            if !seen.iter().any(|one| one == id) {
                seen.push(id.to_owned());
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let wait = status(env)
        .args(["--wait-for", "caught-up", "--timeout", "100s"])
        .run()?;
    ensure!(
        wait.code() == Some(3) && wait.stdout.contains("server.crash_loop"),
        "{wait:?}"
    );
    Ok(())
}

#[test]
fn workers_that_are_used_up() -> Result<()> {
    let source = Cluster::start(15, ClusterOptions::new())?;
    // The supervisor, the launcher of built-in replication, and a manager: nobody is left to apply.
    let options = ClusterOptions::new()
        .set("max_worker_processes", "3")
        .set("logging_collector", "on");
    let target = Cluster::start(18, options)?;
    let pair = Pair { source, target };
    let lab = Lab::own(&pair, "shop")?;
    lab.nodes(SCHEMA, &["a", "b"])?;
    lab.subscribe()?;
    let env = pair.env("shop");
    let document = diagnosed(|| status(env.clone()), "target.workers_exhausted")?;
    assert!(document.to_string().contains("max_worker_processes"));
    Ok(())
}

#[test]
fn a_slot_in_danger_and_a_slot_that_is_lost() -> Result<()> {
    let pair = Pair::start(13, 17)?;
    let lab = Lab::own(&pair, "shop")?;
    lab.nodes(SCHEMA, &["a", "b"])?;
    lab.subscribe()?;
    lab.replicating()?;
    lab.drained()?;
    pair.source.configure(&[
        ("max_slot_wal_keep_size", "32MB"),
        ("max_wal_size", "32MB"),
        ("min_wal_size", "32MB"),
        ("wal_keep_size", "0"),
    ])?;
    pair.source.reload()?;
    lab.on_target("SELECT pglogical.alter_subscription_disable('moving', true)")?;
    lab.state("disabled")?;
    let env = pair.env("shop");
    lab.on_source("INSERT INTO a SELECT g, repeat('z', 500) FROM generate_series(1, 10000) g")?;
    let document = status(env.clone()).run()?.expect(1)?.document()?;
    assert_eq!(document["slot"]["limit_bytes"], 32 * 1024 * 1024);
    assert!(
        document["slot"]["room_bytes"].as_u64().is_some(),
        "{document:#}"
    );
    for round in 0..8 {
        lab.on_source(&format!(
            "INSERT INTO a SELECT g + {round} * 100000 + 1000000, repeat('z', 500) FROM generate_series(1, 30000) g; SELECT pg_switch_wal()"
        ))?;
        pair.source.sql("postgres", "CHECKPOINT")?;
    }
    let document = diagnosed(|| status(env.clone()), "slot.lost")?;
    assert_eq!(document["slot"]["wal_status"], "lost");
    let text = document["causes"].to_string();
    assert!(text.contains("pgl-setup --restart --yes"), "{document:#}");
    assert!(document["slot"]["bytes"].is_null(), "{document:#}");
    let metrics = status(env).args(["--format", "prometheus"]).run()?.stdout;
    assert!(!metrics.contains("pgl_slot_retained_bytes{"), "{metrics}");
    Ok(())
}

#[test]
fn a_database_that_an_interrupted_drop_left_invalid() -> Result<()> {
    let pair = Pair::start(13, 17)?;
    pair.createdb("shop")?;
    let env = pair.env("shop");
    let preflight = || Tool::new(env!("CARGO_BIN_EXE_pgl-preflight")).envs(env.clone());
    let tools = || {
        [
            preflight(),
            Tool::new(env!("CARGO_BIN_EXE_pgl-setup")).envs(env.clone()),
            status(env.clone()),
        ]
    };
    let limit = |side: &Cluster, limit: i8| {
        let limit = format!("datconnlimit = {limit} WHERE datname = 'shop'");
        side.sql("postgres", &format!("UPDATE pg_database SET {limit}"))
    };
    for side in [&pair.source, &pair.target] {
        limit(side, -2)?;
        for tool in tools() {
            let out = tool.run()?;
            let said = format!("{}{}", out.stdout, out.stderr);
            for part in ["55000", "interrupted DROP DATABASE", "creates a target's"] {
                ensure!(said.contains(part), "{part}: {said}");
            }
        }
        limit(side, -1)?;
    }
    let closed = "ALTER DATABASE shop WITH ALLOW_CONNECTIONS false";
    pair.target.sql("postgres", closed)?;
    let document = preflight().run()?.expect(3)?.stdout;
    ensure!(document.contains("ALLOW_CONNECTIONS true"), "{document}");
    Ok(())
}
