//! The lab itself: every major starts with pglogical, a pair replicates, nothing is left behind.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use pgl_testkit::load::{self, Load, Probe};
use pgl_testkit::{
    Cluster, ClusterOptions, MAJORS, Pair, PairDb, Server, Tool, dump_ordered, proc, shared_pair,
};

#[test]
fn every_major_starts_with_pglogical() -> Result<()> {
    for major in MAJORS {
        let cluster = Cluster::start(major, ClusterOptions::new())?;
        cluster.sql("postgres", "CREATE EXTENSION pglogical")?;
        assert!(
            cluster
                .value("postgres", "SHOW server_version")?
                .starts_with(&major.to_string())
        );
        assert_eq!(cluster.value("postgres", "SHOW wal_level")?, "logical");
        let dir = cluster.dir().to_owned();
        assert!(dir.exists());
        drop(cluster);
        assert!(!dir.exists(), "{} is left", dir.display());
    }
    Ok(())
}

#[test]
fn a_pair_replicates_a_row() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18)] {
        let db = shared_pair(source, target)?.database("row")?;
        replicate(&db, "CREATE TABLE t (id int PRIMARY KEY, v text)", &["t"])?;
        db.on_source("INSERT INTO t VALUES (1, 'carried over')")?;
        db.target().wait_until(
            db.name(),
            "SELECT count(*) = 1 FROM t WHERE v = 'carried over'",
            Duration::from_secs(30),
        )?;
    }
    Ok(())
}

#[test]
fn clusters_are_told_apart_by_their_system_identifier() -> Result<()> {
    let pair = Pair::start(17, 17)?;
    let identifier = "SELECT system_identifier::text FROM pg_control_system()";
    assert_ne!(
        pair.source.value("postgres", identifier)?,
        pair.target.value("postgres", identifier)?
    );
    Ok(())
}

#[test]
fn a_cluster_can_be_killed_restarted_and_configured() -> Result<()> {
    for major in MAJORS {
        let options = ClusterOptions::new()
            .set("max_wal_senders", "7")
            .set("work_mem", "5MB");
        let mut cluster = Cluster::start(major, options)?;
        cluster.createdb("it's")?;
        cluster.sql("it's", "CREATE TABLE t AS SELECT 1 AS x")?;
        cluster.kill9()?;
        assert!(cluster.postmaster().is_none());
        let mark = cluster.log_mark()?;
        cluster.start_again()?;
        assert!(
            cluster
                .log_since(mark)?
                .contains("automatic recovery in progress")
        );
        assert_eq!(cluster.value("it's", "SELECT x FROM t")?, "1");
        assert_eq!(cluster.value("it's", "SHOW max_wal_senders")?, "7");
        cluster.configure(&[("work_mem", "6MB"), ("max_wal_senders", "8")])?;
        cluster.reload()?;
        cluster.wait_until(
            "it's",
            "SELECT current_setting('work_mem') = '6MB'",
            Duration::from_secs(5),
        )?;
        cluster.restart()?;
        assert_eq!(cluster.value("it's", "SHOW max_wal_senders")?, "8");
    }
    Ok(())
}

#[test]
fn the_output_plugin_setting_can_be_left_at_its_default() -> Result<()> {
    let cluster = Cluster::start(17, ClusterOptions::new().unset("output_plugin_libraries"))?;
    let known = cluster.sql(
        "postgres",
        "SELECT FROM pg_settings WHERE name = 'output_plugin_libraries'",
    )?;
    // Only minor releases of 2026 know it.
    if !known.is_empty() {
        let slot = "SELECT pg_create_logical_replication_slot('s', 'pglogical_output')";
        let error = cluster
            .sql("postgres", slot)
            .expect_err("refused by default");
        assert!(
            format!("{error:#}").contains("may not be used"),
            "{error:#}"
        );
        Cluster::start(17, ClusterOptions::new())?.sql("postgres", slot)?;
    }
    Ok(())
}

#[test]
fn a_standby_follows() -> Result<()> {
    let primary = Cluster::start(15, ClusterOptions::new())?;
    let standby = primary.standby(ClusterOptions::new())?;
    primary.sql("postgres", "CREATE TABLE t AS SELECT 1 AS x")?;
    standby.wait_until(
        "postgres",
        "SELECT to_regclass('t') IS NOT NULL",
        Duration::from_secs(20),
    )?;
    assert_eq!(
        standby.value("postgres", "SELECT pg_is_in_recovery()")?,
        "t"
    );
    Ok(())
}

/// Holds a cluster for as long as the test below lets it; by itself, the same for a moment.
#[test]
fn held_cluster() -> Result<()> {
    let cluster = Cluster::start(13, ClusterOptions::new())?;
    assert!(!proc::working_in(&cluster.data_dir()).is_empty());
    if let Some(file) = std::env::var_os("PGL_TEST_HELD_CLUSTER") {
        std::fs::write(&file, cluster.dir().to_string_lossy().as_bytes())?;
        std::thread::sleep(Duration::from_secs(120));
    }
    let data = cluster.data_dir();
    drop(cluster);
    assert!(proc::working_in(&data).is_empty());
    Ok(())
}

#[test]
fn a_killed_process_leaves_no_server() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let note = scratch.path().join("directory");
    let mut child = std::process::Command::new(std::env::current_exe()?)
        .args(["--exact", "lab::held_cluster"])
        .env("PGL_TEST_HELD_CLUSTER", &note)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()?;
    let until = Instant::now() + Duration::from_secs(60);
    let dir = loop {
        match std::fs::read_to_string(&note) {
            Ok(text) if !text.is_empty() => break std::path::PathBuf::from(text),
            _ => ensure!(
                Instant::now() < until,
                "the other process started no cluster"
            ),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(!proc::working_in(&dir).is_empty());
    child.kill()?;
    child.wait()?;
    assert!(
        proc::gone_within(&dir, Duration::from_secs(20)),
        "{:?}",
        proc::working_in(&dir)
    );
    while dir.exists() {
        ensure!(Instant::now() < until, "{} is left", dir.display());
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

#[test]
fn the_clients_of_every_major_run_here() -> Result<()> {
    for major in MAJORS {
        let server = Server::require(major)?;
        for program in ["psql", "pg_dump", "pg_restore"] {
            let outcome = Tool::new(server.client_dir()?.join(program))
                .arg("--version")
                .run()?
                .expect(0)?;
            assert!(
                outcome
                    .stdout
                    .contains(&format!("(PostgreSQL) {}", server.version())),
                "{outcome:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn the_ledger_and_the_dump_notice_a_single_row() -> Result<()> {
    let db = shared_pair(13, 17)?.database("ledger")?;
    replicate(&db, load::SCHEMA, &["load.item", "load.entry", "load.beat"])?;
    let role = db.role("app");
    db.on_source(&format!("CREATE ROLE {role} LOGIN"))?;
    let writers = Load::new()
        .workers(3)
        .pace(Duration::from_millis(1))
        .start(&[db.source_dsn(), db.source().dsn_as(&role, db.name())])?;
    let probe = Probe::start(&db.source_dsn());
    writers.wait_for(300, Duration::from_secs(60))?;
    // Sessions that end in the middle put transactions in doubt, not into the ledger.
    db.on_source(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'load'",
    )?;
    writers.wait_for(300, Duration::from_secs(60))?;
    let pause = probe.stop()?;
    let ledger = writers.stop()?;
    assert!(ledger.acknowledged() >= 600);
    assert!(
        // Whether the reason arrives before the connection ends is the network's.
        ["57P01", "lost"]
            .iter()
            .any(|why| ledger.refusals().contains_key(*why)),
        "{:?}",
        ledger.refusals()
    );
    assert!(
        pause.writes > 10 && pause.usual > Duration::ZERO && pause.longest >= pause.usual,
        "{pause:?}"
    );

    let mut source = db.source_client()?;
    ledger.check(&mut source)?;
    assert_eq!(pause.missing(&mut source)?, 0);
    let lsn = db
        .source()
        .value(db.name(), "SELECT pg_current_wal_lsn()::text")?;
    db.source().wait_until(
        db.name(),
        &format!(
            "SELECT bool_and(confirmed_flush_lsn >= '{lsn}') FROM pg_replication_slots \
             WHERE database = current_database()"
        ),
        Duration::from_secs(60),
    )?;
    let mut target = db.target_client()?;
    ledger.check(&mut target)?;
    assert_eq!(pause.missing(&mut target)?, 0);
    let left = dump_ordered(&mut source, &[])?;
    let right = dump_ordered(&mut target, &[])?;
    assert_eq!(left.table_differences(&right), Vec::<String>::new());
    assert!(left.tables["\"load\".\"item\""].rows > 100, "{left:?}");
    // pglogical does not carry sequences over.
    assert_eq!(left.sequence_differences(&right).len(), 1);

    for (change, expected) in [
        (
            "DELETE FROM load.item WHERE id = (SELECT max(id) FROM load.item)",
            "is missing",
        ),
        (
            "UPDATE load.item SET note = note || ' ' WHERE id = (SELECT min(id) FROM load.item)",
            "has the note",
        ),
        (
            "UPDATE load.item SET revision = -1 WHERE id = (SELECT min(id) FROM load.item)",
            "revision -1",
        ),
        (
            "DELETE FROM load.entry WHERE id = (SELECT max(id) FROM load.entry)",
            "is missing",
        ),
        (
            "INSERT INTO load.item VALUES (-1, 0, 1, '')",
            "should not be",
        ),
    ] {
        target.batch_execute("BEGIN")?;
        target.batch_execute(change)?;
        let found = ledger.differences(&mut target)?;
        assert_eq!(found.len(), 1, "{change}: {found:?}");
        assert!(found[0].contains(expected), "{found:?}");
        target.batch_execute("ROLLBACK")?;
    }
    db.on_target(
        "UPDATE load.item SET note = note || ' ' WHERE id = (SELECT min(id) FROM load.item)",
    )?;
    assert_eq!(
        left.table_differences(&dump_ordered(&mut target, &[])?)
            .len(),
        1
    );
    Ok(())
}

/// Both sides get the schema, then pglogical carries the tables over from the first row on.
fn replicate(db: &PairDb, schema: &str, tables: &[&str]) -> Result<()> {
    db.on_source(schema)?;
    db.on_target(schema)?;
    db.on_source("CREATE EXTENSION pglogical")?;
    db.on_target("CREATE EXTENSION pglogical")?;
    let source_dsn = db.source_dsn();
    db.on_source(&format!(
        "SELECT pglogical.create_node('source', '{source_dsn}')"
    ))?;
    for table in tables {
        db.on_source(&format!(
            "SELECT pglogical.replication_set_add_table('default', '{table}', true)"
        ))?;
    }
    db.on_target(&format!(
        "SELECT pglogical.create_node('target', '{}')",
        db.target_dsn()
    ))?;
    db.on_target(&format!(
        "SELECT pglogical.create_subscription('moving', '{source_dsn}')"
    ))?;
    db.target().wait_until(
        db.name(),
        "SELECT bool_and(sync_status = 'r') FROM pglogical.local_sync_status",
        Duration::from_secs(60),
    )
}

#[test]
fn a_lab_outlives_its_command_and_goes_down() -> Result<()> {
    let name = format!("test-{}", std::process::id());
    let up = xtask(&[
        "lab", "up", "--source", "15", "--target", "18", "--name", &name, "--db", "it's",
    ])?;
    let again = xtask(&[
        "lab", "up", "--source", "15", "--target", "18", "--name", &name, "--db", "it's",
    ])?;
    let listed = xtask(&["lab", "list"])?;
    // What the shell makes of the exports is what libpq gets.
    let script = format!(
        "{up}psql -XAtc 'SHOW wal_level' \"$PGL_SOURCE\" && psql -XAtc 'SELECT current_database()' \"$PGL_TARGET\""
    );
    let answer = std::process::Command::new("sh")
        .args(["-c", &script])
        .output()?;
    let down = xtask(&["lab", "down", &name]);
    let gone = xtask(&["lab", "list"])?;
    assert_eq!(up, again);
    assert_eq!(
        listed
            .lines()
            .filter(|line| line.starts_with(&name))
            .count(),
        2,
        "{listed}"
    );
    assert_eq!(
        String::from_utf8_lossy(&answer.stdout),
        "logical\nit's\n",
        "{answer:?}"
    );
    down?;
    assert!(!gone.contains(&name), "{gone}");
    Ok(())
}

fn xtask(args: &[&str]) -> Result<String> {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--package=xtask", "--"])
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
