//! What changes after the preconditions were checked, or was never seen by them: found while writes are blocked,
//! before the target is promoted.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pgl_testkit::{Cluster, Outcome, PairDb, Running, Signal, Tool};

use super::support::{
    AtHook, PAIRS, PATIENCE, before_the_block, cutover, opens_the_target, overriding,
    overriding_target, prepared, refused_with, replicating, replicating_with, same, setup,
    writes_within,
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
    writes_within(db, PATIENCE).map(drop)
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
        cutover(&db).args(["rehearse", "--yes"]).run()?.expect(0)?;
        db.on_source(
            "ALTER TABLE plain SET UNLOGGED; UPDATE plain SET v = 'lost' WHERE id = 7; ALTER TABLE plain SET LOGGED",
        )?;
        rolled_back(&db, cutover(&db).arg("--yes").run()?, "public.plain")?;
        Tool::new(env!("CARGO_BIN_EXE_pgl-control"))
            .envs(db.env())
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
            let at = AtHook::start(cutover(&db).args(["rehearse", "--yes"]), hook)?;
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

/// An UPDATE of the marker's row on the source is not applied where the target has no such row.
#[test]
fn a_marker_that_the_target_has_lost_is_written_again() -> Result<()> {
    let db = replicating(15, 18, "marker")?;
    cutover(&db).args(["rehearse", "--yes"]).run()?.expect(0)?;
    overriding_target(&db)?.batch_execute("DELETE FROM pgl.marker")?;
    cutover(&db).arg("--yes").run()?.expect(0)?;
    Ok(())
}

/// A setting of the target that changes replicated values, made since pgl-setup.
#[test]
fn a_setting_that_changes_values_is_found_by_the_preconditions() -> Result<()> {
    let db = replicating(13, 17, "setting")?;
    let name = db.name();
    db.on_target(&format!("ALTER DATABASE \"{name}\" SET array_nulls = off"))?;
    let out = cutover(&db).arg("--yes").run()?.expect(5)?.json()?;
    ensure!(
        out["refusals"].to_string().contains("conf.array_nulls"),
        "{out:#}"
    );
    db.on_target(&format!("ALTER DATABASE \"{name}\" RESET array_nulls"))?;
    cutover(&db).arg("--yes").run()?.expect(0)?;
    Ok(())
}

/// The subscription does not have a set of the plan any more: what is written then never arrives.
#[test]
fn a_replication_set_that_the_subscription_has_lost_is_found_by_the_preconditions() -> Result<()> {
    let db = replicating(15, 18, "lostset")?;
    let call = |what: &str| {
        db.on_target(&format!(
            "SELECT pglogical.alter_subscription_{what}_replication_set(sub_name, 'default')
               FROM pglogical.subscription"
        ))
    };
    call("remove")?;
    let out = cutover(&db).arg("--yes").run()?.expect(5)?.json()?;
    ensure!(
        out["refusals"]
            .to_string()
            .contains("does not have replication set default"),
        "{out:#}"
    );
    call("add")?;
    cutover(&db).arg("--yes").run()?.expect(0)?;
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

/// Two readings a moment apart tell nothing about a walsender that gets no processor time: whether the target catches
/// up is watched for a while.
#[test]
fn a_walsender_that_stands_for_a_moment_is_waited_for() -> Result<()> {
    let db = replicating(15, 18, "moment")?;
    let pid = db.source().value(
        db.name(),
        "SELECT s.active_pid FROM pg_replication_slots s WHERE s.database = current_database()",
    )?;
    let send = |signal: &str| -> Result<()> {
        ensure!(
            Command::new("kill")
                .args([signal, &pid])
                .status()?
                .success()
        );
        Ok(())
    };
    send("-STOP")?;
    let behind = || -> Result<Running> {
        db.on_source("CREATE TABLE IF NOT EXISTS noise (a text); INSERT INTO noise SELECT repeat('x', 1000) FROM generate_series(1, 12000); DROP TABLE noise")?;
        let running = cutover(&db).arg("--yes").start()?;
        db.source().wait_until(
            db.name(),
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'pgl-cutover' AND state = 'idle'
                AND query LIKE '%What has to hold on the provider%' AND now() - query_start < '0.1 s' AND now() - backend_start > '2 s'",
            PATIENCE,
        )?;
        Ok(running)
    };
    let running = behind()?;
    running.signal(Signal::TERM)?;
    running.wait(PATIENCE)?.expect(143)?;
    let running = behind()?;
    send("-CONT")?;
    running.wait(PATIENCE)?.expect(0)?;
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
        out.stdout
            .contains("public.plain: does not exist on the target"),
        "{out:?}"
    );
    let out = cutover(&db)
        .args(["--yes", "--verify", "full", "--force", "cut.schema"])
        .args(["--force", "cut.followed", "--force", "cut.definitions"])
        .args(["--force", "cut.rights"])
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

fn control(db: &PairDb) -> Tool {
    Tool::new(env!("CARGO_BIN_EXE_pgl-control"))
        .envs(db.env())
        .limit(PATIENCE)
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
        control(&db)
            .args(["resync", "public.vac", "--always", "--yes"])
            .run()?
            .expect(0)?;
        vacuum.runs()?;
        control(&db)
            .args(["remove-table", "public.vac", "--yes"])
            .run()?
            .expect(0)?;
        vacuum.runs()?;
        db.on_target("TRUNCATE vac")?;
        control(&db)
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
            .and_then(|all| all.iter().find(|one| one["id"] == "block-writes"))
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
    setup(&db).run()?.expect(0)?;
    opens_the_target(&db)
}

/// A role that is read-only on the promoted side alone could not write any more. What the tools set themselves is no such
/// thing, and the statement of the hint is enough.
#[test]
fn who_would_stay_read_only_is_named_before_the_promotion() -> Result<()> {
    const SET: &str = "SET default_transaction_read_only = on";
    let (source, target) = PAIRS[0];
    // A role's setting is the whole cluster's: servers of its own.
    let db = PairDb::alone(source, target, "stays")?;
    prepared(&db, "SELECT 1")?;
    let [app, here, reports] = ["App", "here", "reports"].map(|hint| db.role(hint));
    let name = db.name();
    for on in [db.source(), db.target()] {
        for role in [&app, &here, &reports] {
            on.sql(name, &format!("CREATE ROLE \"{role}\" LOGIN"))?;
        }
        on.sql(name, &format!("ALTER ROLE \"{reports}\" {SET}"))?;
    }
    let refused = |tool: Tool, count: usize| -> Result<Vec<String>> {
        let out = tool.run()?.expect(1)?.json()?;
        let all = out["refusals"].as_array().context("no refusals")?;
        let found = all.iter().filter(|one| one["id"] == "cut.read_only");
        let hints: Vec<String> = found
            .filter_map(|one| {
                one["hint"]
                    .as_str()?
                    .split_once(": ")?
                    .1
                    .split_once("; where")
            })
            .map(|(sql, _)| sql.to_owned())
            .collect();
        ensure!(
            hints.len() == count && all.len() == count,
            "{count} expected: {out:#}"
        );
        Ok(hints)
    };
    db.on_target(&format!("ALTER ROLE \"{app}\" {SET}"))?;
    db.on_target(&format!(
        "ALTER ROLE \"{here}\" IN DATABASE \"{name}\" {SET}"
    ))?;
    db.on_target(&format!("ALTER DATABASE \"{name}\" {SET}"))?;
    // As they are printed, in a session that finds the database read-only.
    let as_printed = |hints: Vec<String>| -> Result<()> {
        for sql in hints {
            let mut client = db.target_client()?;
            for statement in sql.split("; ") {
                client.batch_execute(statement)?;
            }
        }
        Ok(())
    };
    as_printed(refused(cutover(&db).arg("--dry-run"), 3)?)?;
    cutover(&db).args(["rehearse", "--yes"]).run()?.expect(0)?;
    // The target is read-only by us now, for each role with a setting of its own, too.
    overriding_target(&db)?.batch_execute(&format!("ALTER ROLE \"{app}\" {SET}"))?;
    as_printed(refused(cutover(&db).arg("--dry-run"), 1)?)?;
    cutover(&db).args(["--yes", "--reverse"]).run()?.expect(0)?;
    overriding(&db)?.batch_execute(&format!("ALTER ROLE \"{app}\" {SET}"))?;
    let hints = refused(cutover(&db).args(["rollback", "--dry-run"]), 1)?;
    ensure!(
        hints
            == [format!(
                "SET default_transaction_read_only = off; SET transaction_read_only = off; ALTER ROLE \"{app}\" RESET default_transaction_read_only"
            )],
        "{hints:?}"
    );
    Ok(())
}

/// What no lock keeps anybody from changing after the preconditions were checked, and what takes it back.
#[test]
fn what_no_lock_protects_is_looked_at_again_before_the_promotion() -> Result<()> {
    let (source, target) = PAIRS[1];
    let db = PairDb::alone(source, target, "again")?;
    prepared(&db, BIG)?;
    let (app, name) = (db.role("app"), db.name());
    for on in [db.source(), db.target()] {
        on.sql(name, &format!("CREATE ROLE \"{app}\" LOGIN"))?;
    }
    let setting = "default_transaction_read_only";
    let (on_source, on_target) = (true, false);
    for (at_source, change, back, id) in [
        (
            on_target,
            format!("ALTER ROLE \"{app}\" SET {setting} = on"),
            format!("ALTER ROLE \"{app}\" RESET {setting}"),
            "cut.read_only",
        ),
        (
            on_target,
            format!("ALTER ROLE \"{app}\" IN DATABASE \"{name}\" SET {setting} = on"),
            format!("ALTER ROLE \"{app}\" IN DATABASE \"{name}\" RESET {setting}"),
            "cut.read_only",
        ),
        (
            on_source,
            "SELECT lo_create(4711)".to_owned(),
            "SELECT lo_unlink(4711)".to_owned(),
            "cut.large_objects",
        ),
        (
            on_target,
            "CREATE TABLE kept AS SELECT * FROM pglogical.local_sync_status WHERE sync_relname = 'plain';
             DELETE FROM pglogical.local_sync_status WHERE sync_relname = 'plain'"
                .to_owned(),
            "INSERT INTO pglogical.local_sync_status SELECT * FROM kept; DROP TABLE kept".to_owned(),
            "cut.followed",
        ),
    ] {
        for hook in ["--hook-blocked", "--hook-drained"] {
            let mut tool = cutover(&db).arg("--yes");
            if hook == "--hook-blocked" {
                tool = tool.args(["--block", "hook"]);
            }
            let at = AtHook::start(tool, hook)?;
            let mut client = match at_source {
                true => overriding(&db)?,
                false => overriding_target(&db)?,
            };
            client.batch_execute(&change)?;
            rolled_back(&db, at.go()?, id).with_context(|| format!("{hook}: {change}"))?;
            drop(client);
            let mut client = match at_source {
                true => overriding(&db)?,
                false => overriding_target(&db)?,
            };
            client.batch_execute(&back)?;
        }
    }
    cutover(&db).arg("--yes").run()?.expect(0)?;
    Ok(())
}

/// The run would end with 53400 before the pause, or wait for a worker that cannot start.
#[test]
fn a_replication_origin_that_does_not_fit_is_found_by_the_dry_run() -> Result<()> {
    const FILL: &str = "SELECT pg_replication_origin_create('other' || n),
                               pg_replication_origin_advance('other' || n, '0/1')
                          FROM generate_series(1, (SELECT setting::int FROM pg_settings
                                                    WHERE name IN ('max_active_replication_origins', 'max_replication_slots')
                                                    ORDER BY name LIMIT 1)
                                                - (SELECT count(*)::int FROM pg_replication_origin)) n";
    let db = PairDb::alone(17, 18, "origins")?;
    prepared(&db, "SELECT 1")?;
    for on in [db.source(), db.target()] {
        on.sql(db.name(), FILL)?;
    }
    for (args, code) in [("--dry-run", 1), ("--yes", 5)] {
        let out = cutover(&db).args([args, "--reverse"]).run()?.expect(code)?;
        let all = out.json()?["refusals"].to_string();
        for says in [
            "max_active_replication_origins is 24 on the target, where 24 other",
            "max_replication_slots is 24 on the source, where 24 other",
            "max_active_replication_origins = 25",
        ] {
            ensure!(all.contains(says), "{says:?} is not in {all}");
        }
    }
    for on in [db.source(), db.target()] {
        on.sql(db.name(), "SELECT pg_replication_origin_drop('other1')")?;
    }
    // Nobody knows who has used the others.
    cutover(&db)
        .args(["--yes", "--reverse", "--force", "cut.origin"])
        .run()?
        .expect(0)?;
    Ok(())
}

/// Changes of a session with a replication origin are forwarded by neither subscription.
#[test]
fn what_is_written_under_a_replication_origin_is_found() -> Result<()> {
    for (source, target) in PAIRS {
        let db = PairDb::alone(source, target, "origin")?;
        prepared(&db, "SELECT 1")?;
        let write = |mut client: postgres::Client, name: &str, parent: i32| -> Result<()> {
            client.batch_execute(&format!(
                "SELECT pg_replication_origin_create('{name}') WHERE pg_replication_origin_oid('{name}') IS NULL;
                 SELECT pg_replication_origin_session_setup('{name}');
                 UPDATE child SET parent = {parent} WHERE id = 1"
            ))?;
            Ok(())
        };
        let refused = |tool: Tool| -> Result<()> {
            let out = tool.arg("--yes").run()?.expect(5)?.json()?;
            ensure!(
                out["refusals"][0]["id"] == "cut.origin"
                    && out["refusals"][0]["what"]
                        .to_string()
                        .contains("under replication origin etl:"),
                "{out:#}"
            );
            Ok(())
        };
        let name = "etl";
        write(db.source_client()?, name, 700)?;
        refused(cutover(&db))?;
        db.on_source(&format!("SELECT pg_replication_origin_drop('{name}')"))?;
        Tool::new(env!("CARGO_BIN_EXE_pgl-control"))
            .envs(db.env())
            .args(["resync", "child", "--yes"])
            .run()?
            .expect(0)?;
        cutover(&db).args(["--yes", "--reverse"]).run()?.expect(0)?;
        ensure!(
            db.on_target("SELECT parent FROM child WHERE id = 1")?
                == db.on_source("SELECT parent FROM child WHERE id = 1")?,
            "lost"
        );
        write(db.target_client()?, name, 701)?;
        refused(cutover(&db).command("rollback"))?;
        db.on_target(&format!("SELECT pg_replication_origin_drop('{name}')"))?;
        cutover(&db)
            .command("rollback")
            .arg("--yes")
            .run()?
            .expect(0)?;
    }
    Ok(())
}

/// What would be missed only after the promotion: rows that contradict a foreign key, a materialised view that no query can
/// read. And what is no fault: indexes that are not valid on the source either, a sequence that was restarted there.
#[test]
fn what_would_fail_after_the_promotion_is_found_before() -> Result<()> {
    let db = replicating_with(
        13,
        17,
        "later",
        "CREATE TABLE house (id int PRIMARY KEY);
         CREATE TABLE guest (id serial PRIMARY KEY, house int REFERENCES house, host int REFERENCES guest, v int);
         INSERT INTO house VALUES (1), (2), (3);
         INSERT INTO guest (house, host, v) VALUES (1, 1, 0), (2, 1, 0), (3, 1, 0);
         SET session_replication_role = replica;
         DELETE FROM house WHERE id = 3; UPDATE guest SET host = 9 WHERE id = 2;
         RESET session_replication_role;
         CREATE TABLE cut (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);
         CREATE TABLE cut_1 PARTITION OF cut FOR VALUES FROM (0) TO (10);
         CREATE INDEX cut_v ON ONLY cut (v);
         CREATE MATERIALIZED VIEW seen AS SELECT * FROM house WITH NO DATA",
    )?;
    let failed = db.on_source("CREATE UNIQUE INDEX CONCURRENTLY guest_v ON guest (v)");
    ensure!(failed.is_err(), "the values are the same");
    db.on_source("REFRESH MATERIALIZED VIEW seen")?;
    db.on_target("SELECT setval('guest_id_seq', 100)")?;
    let out = cutover(&db).arg("--dry-run").run()?.expect(1)?.json()?;
    let refusals = out["refusals"].as_array().context("refusals")?;
    let said = |id: &str| {
        let found = refusals.iter().find(|one| one["id"] == id);
        found.map_or_else(String::new, |one| one["what"].to_string())
    };
    ensure!(refusals.len() == 2, "{out:#}");
    ensure!(said("cut.matviews").contains("public.seen"), "{out:#}");
    for part in [
        "public.guest (guest_house_fkey): 1 without its row in public.house: (3)",
        "public.guest (guest_host_fkey): 1 without its row in public.guest: (9)",
    ] {
        ensure!(said("cut.orphans").contains(part), "{part}: {out:#}");
    }
    db.on_source("DELETE FROM guest WHERE id > 1")?;
    db.on_target("REFRESH MATERIALIZED VIEW seen")?;
    let out = cutover(&db).arg("--yes").run()?.expect(0)?.json()?;
    ensure!(
        out["notes"]
            .to_string()
            .contains("stay there: public.guest_id_seq"),
        "{out:#}"
    );
    Ok(())
}
