//! pgl-preflight beside migrations that run: what is somebody's is left alone, and the pipeline can be run again.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use pgl_testkit::{Cluster, Outcome, Pair, Tool, shared_pair};
use serde_json::Value;

const PREFLIGHT: &str = env!("CARGO_BIN_EXE_pgl-preflight");
const SETUP: &str = env!("CARGO_BIN_EXE_pgl-setup");
const STATUS: &str = env!("CARGO_BIN_EXE_pgl-status");
const CONTROL: &str = env!("CARGO_BIN_EXE_pgl-control");
const SEQSYNC: &str = env!("CARGO_BIN_EXE_pgl-seqsync");
const VERIFY: &str = env!("CARGO_BIN_EXE_pgl-verify");

/// Two databases whose names begin with the same letters: pglogical shortens them to the same eight.
const EU: &str = "customer_data_production_eu";
const US: &str = "customer_data_production_us";

fn run(pair: &Pair, database: &str, program: &str, args: &[&str]) -> Result<Outcome> {
    Tool::new(program).args(args).envs(pair.env(database)).run()
}

fn findings<'a>(document: &'a Value, id: &str) -> Result<Vec<&'a Value>> {
    let all = document["findings"].as_array().context("findings")?;
    Ok(all.iter().filter(|one| one["id"] == id).collect())
}

/// Runs the script of fixes of one side as `psql -f` would.
fn fix(pair: &Pair, database: &str, side: &str) -> Result<String> {
    let outcome = run(pair, database, PREFLIGHT, &["--fix-sql", side])?;
    let cluster: &Cluster = match side {
        "source" => &pair.source,
        _ => &pair.target,
    };
    // Statement by statement: some of them may not run in a transaction block.
    let mut client = cluster.client(database)?;
    for statement in outcome
        .stdout
        .lines()
        .filter(|line| !line.starts_with("--"))
    {
        client
            .batch_execute(statement)
            .with_context(|| format!("{statement}\n{}", outcome.stdout))?;
    }
    Ok(outcome.stdout)
}

fn slots(cluster: &Cluster) -> Result<String> {
    cluster.value(
        "postgres",
        "SELECT string_agg(slot_name, ' ' ORDER BY slot_name) FROM pg_replication_slots",
    )
}

#[test]
fn two_migrations_of_one_cluster_leave_each_other_alone() -> Result<()> {
    for (from, to) in [(13, 17), (15, 18)] {
        let pair = Pair::start(from, to)?;
        for database in [EU, US] {
            pair.createdb(database)?;
            pair.source.sql(
                database,
                "CREATE TABLE customer (id int PRIMARY KEY, v text); INSERT INTO customer VALUES (1, 'a')",
            )?;
        }
        run(&pair, EU, SETUP, &[])?.expect(0)?;
        run(
            &pair,
            EU,
            STATUS,
            &["--wait-for", "caught-up", "--timeout", "2m"],
        )?
        .expect(0)?;
        run(&pair, EU, CONTROL, &["pause"])?.expect(0)?;
        let before = slots(&pair.source)?;

        // The other migration sees a slot that is not its own, and does not offer to drop it.
        let document = run(&pair, US, PREFLIGHT, &["--format", "json"])?
            .expect(0)?
            .json()?;
        ensure!(
            findings(&document, "repl.slot_name_clash")?.is_empty(),
            "{document:#}"
        );
        let inactive = findings(&document, "repl.inactive_slots")?;
        let [slot] = &inactive[..] else {
            anyhow::bail!("one inactive slot: {inactive:#?}");
        };
        ensure!(
            slot["severity"] == "warn" && slot["sql"].is_null(),
            "{slot:#}"
        );
        ensure!(
            slot["what"].as_str().context("what")?.contains(EU),
            "{slot:#}"
        );
        for side in ["source", "target"] {
            let script = fix(&pair, US, side)?;
            ensure!(
                side == "target" || script.contains("--   SELECT pg_drop_replication_slot"),
                "{script}"
            );
        }
        ensure!(slots(&pair.source)? == before, "a slot is gone");

        // Its own migration knows the slot, and can be continued with the same pipeline.
        let again = run(&pair, EU, PREFLIGHT, &["--format", "json"])?.expect(0)?;
        let document = again.json()?;
        let own = findings(&document, "repl.inactive_slots")?;
        ensure!(own.len() == 1 && own[0]["severity"] == "info", "{own:#?}");
        for side in ["source", "target"] {
            fix(&pair, EU, side)?;
        }
        ensure!(slots(&pair.source)? == before, "a slot is gone");
        run(&pair, EU, CONTROL, &["resume"])?.expect(0)?;
        let piped = Tool::new(SETUP)
            .args(["--plan", "-", "--format", "json"])
            .envs(pair.env(EU))
            .stdin(again.stdout)
            .run()?
            .expect(0)?
            .json()?;
        let changed = piped["steps"]
            .as_array()
            .context("steps")?
            .iter()
            .filter(|step| step["state"] == "done")
            .count();
        ensure!(changed == 0, "the second run changed something: {piped:#}");

        // Both run; neither blocks the other.
        run(&pair, US, SETUP, &[])?.expect(0)?;
        for database in [EU, US] {
            run(
                &pair,
                database,
                STATUS,
                &["--wait-for", "caught-up", "--timeout", "2m"],
            )?
            .expect(0)?;
            let document = run(&pair, database, PREFLIGHT, &["--format", "json"])?
                .expect(0)?
                .json()?;
            let blocked = document["blocked_by"].as_array().context("blocked_by")?;
            ensure!(blocked.is_empty(), "{document:#}");
            let rows = pair
                .target
                .value(database, "SELECT count(*)::text FROM customer")?;
            ensure!(rows == "1");
        }
    }
    Ok(())
}

#[test]
fn after_a_cutover_nothing_is_fixed() -> Result<()> {
    for (from, to) in [(13, 17), (15, 18)] {
        let pair = Pair::start(from, to)?;
        pair.createdb(EU)?;
        let table = "CREATE TABLE customer (id serial PRIMARY KEY, v text); INSERT INTO customer (v) VALUES ('a')";
        pair.source.sql(EU, table)?;
        run(&pair, EU, SETUP, &[])?.expect(0)?;
        run(
            &pair,
            EU,
            STATUS,
            &["--wait-for", "caught-up", "--timeout", "2m"],
        )?
        .expect(0)?;
        // What is not confirmed is not done, in the same words everywhere; a dry run is never asked.
        let cutover = env!("CARGO_BIN_EXE_pgl-cutover");
        let teardown = env!("CARGO_BIN_EXE_pgl-teardown");
        for (program, args) in [
            (CONTROL, &["remove-table", "public.customer"][..]),
            (CONTROL, &["resync", "public.customer"]),
            (teardown, &[]),
            (cutover, &[]),
        ] {
            let refused = run(&pair, EU, program, args)?.expect(5)?;
            ensure!(
                refused
                    .stderr
                    .contains("There is no terminal to confirm on"),
                "{refused:?}"
            );
            run(&pair, EU, program, &[args, &["--dry-run"]].concat())?.expect(0)?;
        }
        run(&pair, EU, cutover, &["--yes", "--reverse"])?.expect(0)?;
        let document = run(&pair, EU, PREFLIGHT, &["--format", "json"])?
            .expect(1)?
            .json()?;
        ensure!(
            document["blocked_by"] == serde_json::json!(["repl.cutover"]),
            "{document:#}"
        );
        ensure!(document["counts"]["block"] == 1 && document["counts"]["warn"] == 0);
        let found = findings(&document, "repl.cutover")?;
        let what = found[0]["what"].as_str().context("what")?;
        ensure!(
            what.starts_with("cut over at 20") && what.contains("reverse replication: its slot is"),
            "{what}"
        );
        // Given the wrong way round, no tool offers or does anything.
        let swapped = |program: &str, args: &[&str]| {
            Tool::new(program)
                .args(args)
                .args([
                    "--source",
                    &pair.target.dsn(EU),
                    "--target",
                    &pair.source.dsn(EU),
                ])
                .run()
        };
        let document = swapped(PREFLIGHT, &["--format", "json"])?
            .expect(1)?
            .json()?;
        ensure!(
            document["blocked_by"] == serde_json::json!(["repl.cutover"]),
            "{document:#}"
        );
        let seqsync = env!("CARGO_BIN_EXE_pgl-seqsync");
        for (program, args) in [
            (SETUP, &[][..]),
            (seqsync, &[]),
            (CONTROL, &["resync", "public.customer", "--yes"]),
            (teardown, &["--yes"]),
        ] {
            let refused = swapped(program, args)?.expect(5)?;
            ensure!(
                refused.stderr.contains("are swapped"),
                "{program}: {refused:?}"
            );
        }
        // Neither the source alone, nor a new setup, says otherwise.
        let alone = Tool::new(PREFLIGHT)
            .args(["--format", "json", "--source", &pair.source.dsn(EU)])
            .run()?
            .expect(1)?
            .json()?;
        ensure!(
            alone["blocked_by"] == serde_json::json!(["repl.cutover"]),
            "{alone:#}"
        );
        for side in ["source", "target"] {
            fix(&pair, EU, side)?;
        }
        // The former source still refuses writes, the target takes them, and they are replicated back.
        let refused = pair
            .source
            .sql(EU, "INSERT INTO customer (v) VALUES ('lost')");
        ensure!(refused.is_err(), "the former source accepts writes");
        pair.target
            .sql(EU, "INSERT INTO customer (v) VALUES ('b')")?;
        pair.source.wait_until(
            EU,
            "SELECT count(*) = 1 FROM customer WHERE v = 'b'",
            std::time::Duration::from_secs(60),
        )?;
    }
    Ok(())
}

/// Objects that come and go while the catalogs are read, as deploys, nightly partitions and scratch tables do.
const COME_AND_GO: &[&str] = &[
    "CREATE TYPE shade AS ENUM ('a', 'b')",
    "CREATE TYPE both_of AS (a int, s shade)",
    "CREATE DOMAIN above_zero AS int CHECK (VALUE > 0)",
    "CREATE SEQUENCE alone",
    "CREATE TABLE scratch (id serial PRIMARY KEY, v above_zero, c both_of, u text UNIQUE CHECK (u <> ''))",
    "CREATE INDEX ON scratch (lower(u))",
    "CREATE VIEW shown AS SELECT * FROM scratch",
    "CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id)",
    "CREATE TABLE parts1 PARTITION OF parts FOR VALUES FROM (0) TO (10)",
    "CREATE TABLE parts2 PARTITION OF parts DEFAULT",
    "CREATE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW;END'",
    "CREATE TRIGGER fires BEFORE INSERT ON scratch FOR EACH ROW EXECUTE FUNCTION fires()",
    "CREATE POLICY open_to ON scratch USING (u <> 'x')",
    "DROP TABLE scratch CASCADE",
    "DROP TABLE parts",
    "DROP FUNCTION fires",
    "DROP TYPE both_of",
    "DROP TYPE shade",
    "DROP DOMAIN above_zero",
    "DROP SEQUENCE alone",
];

#[test]
fn objects_that_come_and_go_stop_no_tool() -> Result<()> {
    let db = shared_pair(15, 18)?.database("come_and_go")?;
    for cluster in [db.source(), db.target()] {
        cluster.sql(
            db.name(),
            "CREATE TABLE stays (id int PRIMARY KEY); CREATE SEQUENCE counts",
        )?;
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let deploys = [db.source(), db.target()].map(|cluster| {
            let over = &over;
            let name = db.name();
            scope.spawn(move || -> Result<u32> {
                let mut client = cluster.client(name)?;
                let mut rounds = 0;
                while !over.load(Ordering::Relaxed) {
                    // One statement after the other, each its own transaction.
                    for statement in COME_AND_GO {
                        (client.batch_execute(statement))
                            .with_context(|| format!("{name}: {statement}"))?;
                    }
                    rounds += 1;
                }
                Ok(rounds)
            })
        });
        let tools = || -> Result<()> {
            let run = |program: &str, args: &[&str]| -> Result<(Option<i32>, Value)> {
                let outcome = Tool::new(program)
                    .envs(db.env())
                    .args(["--format", "json"])
                    .args(args)
                    .run()?;
                let document = outcome
                    .json()
                    .with_context(|| format!("{program}: {outcome:?}"))?;
                Ok((outcome.code(), document))
            };
            let named = |list: &Value, name: &str| -> Option<Value> {
                let found = list.as_array()?.iter().find(|one| one["name"] == name);
                found.cloned()
            };
            for _ in 0..4 {
                let (code, document) = run(PREFLIGHT, &[])?;
                ensure!(matches!(code, Some(0 | 1)), "{document:#}");
                // What is gone before it was read is named; the others are judged.
                let (_, document) = run(SEQSYNC, &["--check"])?;
                let counts = named(&document["sequences"], "counts").context("counts")?;
                ensure!(counts["outcome"] == "equal", "{document:#}");
                let (_, document) = run(VERIFY, &[])?;
                let stays = named(&document["tables"], "stays").context("stays")?;
                ensure!(stays["status"] == "identical", "{document:#}");
                let failed = |one: &Value| one["status"] == "error";
                let tables = document["tables"].as_array().context("tables")?;
                ensure!(!tables.iter().any(failed), "{document:#}");
            }
            Ok(())
        };
        let ran = tools();
        over.store(true, Ordering::Relaxed);
        let mut fewest = u32::MAX;
        for deploy in deploys {
            let rounds = deploy
                .join()
                .map_err(|_| anyhow::anyhow!("a deploying session panicked"))??;
            fewest = fewest.min(rounds);
        }
        ran?;
        ensure!(fewest > 5, "only {fewest} rounds");
        Ok(())
    })
}
