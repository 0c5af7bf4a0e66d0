//! What changes after the preconditions were checked, or was never seen by them: found while writes are blocked,
//! before the target is promoted.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pgl_testkit::{Cluster, Outcome, PairDb, Tool};

use super::support::{
    AtHook, PAIRS, PATIENCE, before_the_block, cutover, opens_the_target, overriding, prepared,
    refused_with, replicating, replicating_with, same, setup, writes_within,
};

/// More than is copied again under the locks whatever the plan says.
const BIG: &str = "
    CREATE TABLE big (a int, b text);
    INSERT INTO big SELECT n, repeat('x', 1000) FROM generate_series(1, 24000) n;
    CREATE TABLE part (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
    CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (1) TO (100);
    INSERT INTO part SELECT g, 'v' FROM generate_series(1, 50) g;
    CREATE TABLE plain (id int PRIMARY KEY, v text);
    INSERT INTO plain SELECT g, 'v' FROM generate_series(1, 500) g;
    ANALYZE";

/// An attempt that was rolled back, and what its document says.
fn rolled_back(db: &PairDb, out: Outcome, says: &str) -> Result<()> {
    let out = out.expect(5)?;
    let document = out.json()?;
    ensure!(document["state"] == "restored", "{document:#}");
    ensure!(
        document["error"]
            .as_str()
            .is_some_and(|text| text.contains(says)),
        "{says:?} is not in {}",
        document["error"]
    );
    writes_within(db, Duration::from_secs(5)).map(drop)
}

/// DDL between the preconditions and the write block, and by a session that overrides it while writes are blocked.
#[test]
fn definitions_that_change_during_an_attempt_roll_it_back_by_name() -> Result<()> {
    let late = "CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (100) TO (200);
                INSERT INTO part VALUES (150, 'late')";
    for (source, target) in PAIRS {
        let db = replicating_with(source, target, "ddl", BIG)?;
        let before = before_the_block(&db)?;
        db.on_source(late)?;
        rolled_back(&db, before.go()?, "table public.part_2")?;
        db.on_source("DROP TABLE part_2")?;

        let blocked = AtHook::start(cutover(&db).arg("--yes"), "--hook-blocked")?;
        overriding(&db)?.batch_execute(late)?;
        rolled_back(&db, blocked.go()?, "table public.part_2")?;
        db.on_source("DROP TABLE part_2")?;

        for (change, back, says) in [
            (
                "CREATE TABLE fresh (id int PRIMARY KEY)",
                "DROP TABLE fresh",
                "table public.fresh",
            ),
            (
                "CREATE SEQUENCE fresh",
                "DROP SEQUENCE fresh",
                "sequence public.fresh",
            ),
            (
                "ALTER TABLE plain ADD fresh int",
                "ALTER TABLE plain DROP fresh",
                "table public.plain",
            ),
            (
                "CREATE FUNCTION fresh() RETURNS int LANGUAGE sql AS 'SELECT 1'",
                "DROP FUNCTION fresh()",
                "function public.fresh",
            ),
            (
                "ALTER TABLE plain REPLICA IDENTITY FULL",
                "ALTER TABLE plain REPLICA IDENTITY DEFAULT",
                "source table public.plain has another replica identity",
            ),
        ] {
            let before = before_the_block(&db)?;
            db.on_source(change)?;
            rolled_back(&db, before.go()?, says).with_context(|| change.to_owned())?;
            db.on_source(back)?;
        }
        // Temporary tables are nobody's loss.
        let before = before_the_block(&db)?;
        let mut session = db.source_client()?;
        session.batch_execute("CREATE TEMP TABLE mine (id serial PRIMARY KEY, v text)")?;
        before.go()?.expect(0)?;
        same(&db, &["part", "plain", "big", "keyless"])?;
    }
    Ok(())
}

/// The statistics are late, and the number of rows is the same: only the rows show it.
#[test]
fn an_update_without_a_replica_identity_just_before_the_block_is_not_lost() -> Result<()> {
    for (source, target) in PAIRS {
        let db = replicating_with(source, target, "unkeyed", BIG)?;
        let before = before_the_block(&db)?;
        // The session stays: it need not have reported its changes yet.
        let mut session = db.source_client()?;
        session.batch_execute("UPDATE big SET b = 'changed' WHERE a = 77")?;
        rolled_back(&db, before.go()?, "public.big")?;
        drop(session);
        // The next one knows it before anybody is kept waiting.
        db.source().wait_until(
            db.name(),
            "SELECT n_tup_upd > 0 FROM pg_stat_user_tables WHERE relname = 'big'",
            PATIENCE,
        )?;
        let out = cutover(&db).arg("--yes").run()?.expect(5)?.json()?;
        ensure!(out["refusals"][0]["id"] == "cut.no_key", "{out:#}");
    }
    Ok(())
}

/// What README promises: such a table is copied back.
#[test]
fn a_rollback_copies_large_tables_without_a_replica_identity_back() -> Result<()> {
    for (source, target) in PAIRS {
        let db = replicating_with(source, target, "unkeyed_back", BIG)?;
        cutover(&db).args(["--yes", "--reverse"]).run()?.expect(0)?;
        db.on_target(
            "UPDATE big SET b = 'changed' WHERE a = 77; INSERT INTO big VALUES (0, 'new')",
        )?;
        db.target().wait_until(
            db.name(),
            "SELECT n_tup_upd > 0 FROM pg_stat_user_tables WHERE relname = 'big'",
            PATIENCE,
        )?;
        let out = cutover(&db)
            .args(["rollback", "--yes"])
            .run()?
            .expect(0)?
            .json()?;
        ensure!(
            out["recopied"].to_string().contains("public.big"),
            "{out:#}"
        );
        same(&db, &["big", "keyless", "plain"])?;
    }
    Ok(())
}

/// A session has reported what it changed once it is gone: what the check of the largest tables relies on from 15 on.
#[test]
fn a_session_that_was_ended_has_reported_its_changes_when_it_is_gone() -> Result<()> {
    for source in [15, 17, 18] {
        let cluster = Cluster::start(source, pgl_testkit::ClusterOptions::new())?;
        cluster.sql(
            "postgres",
            "CREATE TABLE t (a int); INSERT INTO t VALUES (1)",
        )?;
        let mut admin = cluster.client("postgres")?;
        for round in 1..=20_i64 {
            let mut session = cluster.client("postgres")?;
            session.batch_execute("UPDATE t SET a = a + 1")?;
            let pid: i32 = session.query_one("SELECT pg_backend_pid()", &[])?.get(0);
            admin.execute("SELECT pg_terminate_backend($1)", &[&pid])?;
            let there = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1";
            while admin.query_one(there, &[&pid])?.get::<_, i64>(0) > 0 {}
            let counted: i64 = admin
                .query_one(
                    "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 't'",
                    &[],
                )?
                .get(0);
            ensure!(counted == round, "{source}: {counted} of {round} updates");
        }
    }
    Ok(())
}

/// By name it is there, and nothing of it is replicated.
#[test]
fn a_table_that_was_dropped_and_created_again_stops_the_cutover() -> Result<()> {
    for (source, target) in PAIRS {
        let db = replicating_with(source, target, "again", BIG)?;
        db.on_source(
            "DROP TABLE plain CASCADE; CREATE TABLE plain (id int PRIMARY KEY, v text); INSERT INTO plain VALUES (1, 'other'); ANALYZE plain",
        )?;
        let out = cutover(&db).arg("--yes").run()?.expect(5)?.json()?;
        let followed = out["refusals"].as_array().is_some_and(|all| {
            all.iter().any(|one| {
                one["id"] == "cut.followed" && one["what"].to_string().contains("public.plain")
            })
        });
        ensure!(followed && out["state"].is_null(), "{out:#}");
    }
    Ok(())
}

/// While a table is unlogged nothing of it is replicated, and afterwards it looks as before.
#[test]
fn a_table_that_was_unlogged_for_a_while_is_compared() -> Result<()> {
    for (source, target) in PAIRS {
        let db = replicating_with(source, target, "unlogged", BIG)?;
        // Rewritten without any change: no reason to stop.
        db.on_source("ALTER TABLE part_1 SET UNLOGGED; ALTER TABLE part_1 SET LOGGED")?;
        cutover(&db)
            .args(["--rehearse", "--yes"])
            .run()?
            .expect(0)?;
        db.on_source(
            "ALTER TABLE plain SET UNLOGGED; UPDATE plain SET v = 'lost' WHERE id = 7; ALTER TABLE plain SET LOGGED",
        )?;
        rolled_back(&db, cutover(&db).arg("--yes").run()?, "public.plain")?;
        let newest = source.max(target);
        Tool::new(env!("CARGO_BIN_EXE_pgl-control"))
            .envs(db.env())
            .env(
                "PGL_PG_BINDIR",
                pgl_testkit::Server::require(newest)?.client_dir()?,
            )
            .args(["resync", "public.plain", "--yes"])
            .limit(PATIENCE)
            .run()?
            .expect(0)?;
        cutover(&db).arg("--yes").run()?.expect(0)?;
        same(&db, &["plain", "part"])?;
    }
    Ok(())
}

/// Nobody is handed a value that the target hands out again, who overrides the read-only setting either.
#[test]
fn no_session_draws_from_a_sequence_while_writes_are_blocked() -> Result<()> {
    for (source, target) in PAIRS {
        let db = replicating(source, target, "draws")?;
        for hook in ["--hook-blocked", "--hook-drained"] {
            let at = AtHook::start(cutover(&db).args(["--rehearse", "--yes"]), hook)?;
            let mut client = overriding(&db)?;
            client.batch_execute("SET lock_timeout = '300ms'")?;
            let refused = refused_with(client.batch_execute("SELECT nextval('child_id_seq')"))?;
            ensure!(refused == "55P03", "{hook}: {refused}");
            at.go()?.expect(0)?;
        }
        // The same where a hook is said to have stopped the writers.
        let tool = cutover(&db).args(["--yes", "--block", "hook", "--hook-blocked", "true"]);
        let at = AtHook::start(tool, "--hook-drained")?;
        let mut client = overriding(&db)?;
        client.batch_execute("SET lock_timeout = '300ms'")?;
        let refused = refused_with(client.batch_execute("SELECT nextval('child_id_seq')"))?;
        ensure!(refused == "55P03", "{refused}");
        at.go()?.expect(0)?;
        let next = db.on_target("SELECT nextval('child_id_seq')")?;
        ensure!(next == [[Some("3001".to_owned())]], "{next:?}");
    }
    Ok(())
}

/// It keeps its locks for ever: no attempt waits for it.
#[test]
fn a_prepared_transaction_is_not_waited_for() -> Result<()> {
    let db = PairDb::alone(15, 18, "prepared")?;
    let mut db = db;
    let servers = db.servers().context("the servers are shared")?;
    servers
        .source
        .configure(&[("max_prepared_transactions", "5")])?;
    servers.source.restart()?;
    prepared(&db, "SELECT 1")?;
    let before = before_the_block(&db)?;
    db.on_source("BEGIN; INSERT INTO parent VALUES (5555); PREPARE TRANSACTION 'left over'")?;
    let asked = Instant::now();
    rolled_back(
        &db,
        before.go()?,
        "prepared transaction 'left over' holds a lock on source table public.parent",
    )?;
    ensure!(
        asked.elapsed() < Duration::from_secs(20),
        "waited for it: {:?}",
        asked.elapsed()
    );
    db.on_source("ROLLBACK PREPARED 'left over'")?;
    cutover(&db).arg("--yes").run()?.expect(0)?;
    Ok(())
}

/// A session that has read a table which is copied again keeps it from being emptied.
#[test]
fn readers_of_the_target_do_not_hold_the_pause() -> Result<()> {
    for (source, target) in PAIRS {
        let db = replicating(source, target, "readers")?;
        let at = AtHook::start(cutover(&db).arg("--yes"), "--hook-blocked")?;
        let mut reader = db.target_client()?;
        reader
            .batch_execute("BEGIN; SELECT count(*) FROM keyless; SELECT count(*) FROM scratch")?;
        at.go()?.expect(0)?;
        ensure!(
            reader.batch_execute("SELECT 1").is_err(),
            "it was not ended"
        );
        same(&db, &["keyless", "scratch"])?;
    }
    Ok(())
}

/// Tables that are copied again, and partitions, are compared like all others, or it is said that they cannot be.
#[test]
fn verify_full_compares_every_table_or_says_which_it_cannot() -> Result<()> {
    for (source, target) in PAIRS {
        let db = replicating_with(source, target, "every", BIG)?;
        let at = AtHook::start(
            cutover(&db).args(["--yes", "--verify", "full"]),
            "--hook-blocked",
        )?;
        let document = at.go()?.expect(0)?.json()?;
        // load.item, load.entry, load.beat, parent, child, keyless, scratch, big, part_1, plain.
        ensure!(document["checked"]["before"] == 10, "{document:#}");
    }
    let db = replicating_with(13, 17, "missing", BIG)?;
    db.on_target("DROP TABLE plain")?;
    let out = cutover(&db)
        .args(["--yes", "--verify", "full"])
        .run()?
        .expect(5)?;
    ensure!(
        out.stderr.contains("public.plain cannot be compared"),
        "{out:?}"
    );
    Ok(())
}

/// A throttled autovacuum of a table, which would take many minutes.
struct Throttled<'a> {
    cluster: &'a Cluster,
    database: String,
}

impl<'a> Throttled<'a> {
    /// The table `vac`, with rows that an autovacuum has to remove.
    const TABLE: &'static str = "
        CREATE TABLE vac (id int PRIMARY KEY, v text) WITH (autovacuum_enabled = off);
        INSERT INTO vac SELECT n, repeat('x', 200) FROM generate_series(1, 40000) n;
        UPDATE vac SET v = v || 'y';
        ANALYZE vac";

    fn on(cluster: &'a Cluster, database: &str) -> Result<Self> {
        cluster.sql(
            database,
            "ALTER TABLE vac SET (autovacuum_enabled = on, autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0,
                                  autovacuum_analyze_threshold = 2000000000, autovacuum_vacuum_cost_delay = 100,
                                  autovacuum_vacuum_cost_limit = 1)",
        )?;
        Ok(Self {
            cluster,
            database: database.to_owned(),
        })
    }

    /// Waits until it runs, and holds its lock.
    fn runs(&self) -> Result<()> {
        self.cluster.wait_until(
            &self.database,
            "SELECT count(*) > 0 FROM pg_locks l JOIN pg_stat_activity a USING (pid)
              WHERE l.relation = 'vac'::regclass AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted
                AND a.query LIKE 'autovacuum:%'",
            PATIENCE,
        )
    }
}

fn control(db: &PairDb) -> Result<Tool> {
    let newest = db.source().major().max(db.target().major());
    Ok(Tool::new(env!("CARGO_BIN_EXE_pgl-control"))
        .envs(db.env())
        .env(
            "PGL_PG_BINDIR",
            pgl_testkit::Server::require(newest)?.client_dir()?,
        )
        .limit(PATIENCE))
}

/// Every lock of ours gets past it: the server cancels it when it keeps somebody waiting for long enough.
#[test]
fn an_ordinary_autovacuum_keeps_no_tool_waiting() -> Result<()> {
    for (source, target) in PAIRS {
        let db = PairDb::alone(source, target, "vacuumed")?;
        db.source().configure(&[("autovacuum_naptime", "1s")])?;
        db.source().reload()?;
        db.on_source(Throttled::TABLE)?;
        let vacuum = Throttled::on(db.source(), db.name())?;
        vacuum.runs()?;
        prepared(&db, "SELECT 1")?;
        vacuum.runs()?;
        control(&db)?
            .args(["resync", "public.vac", "--always", "--yes"])
            .run()?
            .expect(0)?;
        vacuum.runs()?;
        control(&db)?
            .args(["remove-table", "public.vac", "--yes"])
            .run()?
            .expect(0)?;
        vacuum.runs()?;
        db.on_target("TRUNCATE vac")?;
        control(&db)?
            .args(["add-table", "public.vac", "--yes"])
            .run()?
            .expect(0)?;
        db.on_target("ANALYZE")?;
        vacuum.runs()?;
        let document = cutover(&db)
            .args(["--yes", "--max-pause", "60s"])
            .run()?
            .expect(0)?
            .json()?;
        let block = document["phases"]
            .as_array()
            .and_then(|all| all.iter().find(|one| one["id"] == "block"))
            .and_then(|one| one["seconds"].as_f64())
            .context("no block")?;
        ensure!(block < 20.0, "{document:#}");
        same(&db, &["vac"])?;
    }
    Ok(())
}

/// The server does not cancel a VACUUM that somebody has started: it is named before anybody is kept waiting, and one that
/// comes later is ended with the other sessions.
#[test]
fn a_vacuum_of_a_client_is_named_before_the_pause() -> Result<()> {
    let db = replicating_with(13, 17, "manual", Throttled::TABLE)?;
    let slow = "SET vacuum_cost_delay = 100; SET vacuum_cost_limit = 1; VACUUM vac";
    let running = "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'vac'::regclass AND mode = 'ShareUpdateExclusiveLock' AND granted";
    let start = || -> Result<_> {
        let mut client = db.source_client()?;
        let thread = std::thread::spawn(move || {
            for statement in slow.split("; ") {
                client.batch_execute(statement)?;
            }
            Ok::<(), postgres::Error>(())
        });
        db.source().wait_until(db.name(), running, PATIENCE)?;
        Ok(thread)
    };
    let first = start()?;
    let out = cutover(&db).arg("--yes").run()?.expect(5)?.json()?;
    ensure!(
        out["refusals"][0]["id"] == "cut.vacuum"
            && out["refusals"][0]["what"]
                .to_string()
                .contains("public.vac"),
        "{out:#}"
    );
    db.on_source(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'VACUUM vac'",
    )?;
    ensure!(first.join().is_ok_and(|outcome| outcome.is_err()));
    // Where a hook is said to have stopped everybody nobody is ended: it is named, and not waited for.
    let before = before_the_block(&db)?;
    let second = start()?;
    rolled_back(&db, before.go()?, "source table public.vac")?;
    db.on_source(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'VACUUM vac'",
    )?;
    ensure!(second.join().is_ok_and(|outcome| outcome.is_err()));
    setup(&db)?.run()?.expect(0)?;
    opens_the_target(&db)
}
