//! Every tool where the superuser of a side belongs to a managed service.

use anyhow::{Result, ensure};
use pgl_testkit::{ClusterOptions, ManagedService, Outcome, Pair, Tool};
use serde_json::Value;

use crate::common::Documented;

const SCHEMA: &str = "CREATE TABLE t (id serial PRIMARY KEY, v text);
    CREATE TABLE child (id int PRIMARY KEY, t int REFERENCES t);
    CREATE TABLE unkeyed (v int);
    INSERT INTO t (v) SELECT g::text FROM generate_series(1, 500) g;
    INSERT INTO child SELECT g, g FROM generate_series(1, 100) g;
    INSERT INTO unkeyed SELECT generate_series(1, 50)";

/// Two servers, of which a service runs those that are marked.
struct Sides {
    pair: Pair,
    source: Option<ManagedService>,
    target: Option<ManagedService>,
}

impl Sides {
    fn start((from, source): (u16, bool), (to, target): (u16, bool)) -> Result<Self> {
        let options = |managed| match managed {
            true => ManagedService::options(),
            false => ClusterOptions::new(),
        };
        let pair = Pair::start_with(from, options(source), to, options(target))?;
        let mut all = Self {
            source: source
                .then(|| ManagedService::of(&pair.source))
                .transpose()?,
            target: target
                .then(|| ManagedService::of(&pair.target))
                .transpose()?,
            pair,
        };
        for (service, cluster) in [
            (&mut all.source, &all.pair.source),
            (&mut all.target, &all.pair.target),
        ] {
            match service {
                Some(service) => service.createdb(cluster, "shop")?,
                None => cluster.createdb("shop")?,
            }
        }
        all.pair.source.sql("shop", SCHEMA)?;
        Ok(all)
    }

    fn tool(&self, path: &str) -> Tool {
        Tool::new(path).envs(self.pair.env("shop"))
    }

    /// From nothing to a migration that runs; the service's own roles are not on a server of one's own.
    fn set_up(&self) -> Result<()> {
        self.tool(env!("CARGO_BIN_EXE_pgl-setup"))
            .args(["--roles", "skip"])
            .run()?
            .expect(0)?;
        self.tool(env!("CARGO_BIN_EXE_pgl-status"))
            .args(["--wait-for", "caught-up", "--timeout", "60s"])
            .run()?
            .expect(0)?;
        Ok(())
    }

    fn cutover(&self, args: &[&str]) -> Result<Outcome> {
        self.tool(env!("CARGO_BIN_EXE_pgl-cutover"))
            .args(args)
            .run()
    }

    /// The precondition of a dry run that does not hold, and nothing else.
    fn refused(&self, args: &[&str], id: &str) -> Result<Value> {
        let all = [&["--dry-run", "--format", "json"], args].concat();
        let document = self.cutover(&all)?.expect(1)?.document()?;
        let found = &document["refusals"];
        ensure!(
            found.as_array().is_some_and(|all| all.len() == 1) && found[0]["id"] == id,
            "{document:#}"
        );
        Ok(found[0].clone())
    }

    fn same_rows(&self) -> Result<()> {
        for sql in [
            "SELECT * FROM t ORDER BY 1",
            "SELECT * FROM child ORDER BY 1",
            "SELECT * FROM unkeyed ORDER BY 1",
        ] {
            let rows = self.pair.target.sql("shop", sql)?;
            ensure!(
                !rows.is_empty() && rows == self.pair.source.sql("shop", sql)?,
                "{sql}"
            );
        }
        Ok(())
    }
}

/// Every tool once. A superuser's session stays open on each managed side all the time.
fn everything(from: (u16, bool), to: (u16, bool)) -> Result<()> {
    let mut sides = Sides::start(from, to)?;
    let run = |sides: &Sides, path: &str, args: &[&str]| sides.tool(path).args(args).run();
    // What a role of the customer's may not read is said to be unknown, with exit code 3.
    let preflight = env!("CARGO_BIN_EXE_pgl-preflight");
    let out = run(&sides, preflight, &["--format", "json"])?;
    ensure!([Some(0), Some(3)].contains(&out.code()), "{out:?}");
    let document = out.document()?;
    ensure!(
        document["blocked_by"] == serde_json::json!([]),
        "{document:#}"
    );
    sides.set_up()?;
    sides.pair.source.sql(
        "shop",
        "INSERT INTO t (v) VALUES ('new'); UPDATE t SET v = 'changed' WHERE id = 7; DELETE FROM child WHERE id = 9;
         UPDATE unkeyed SET v = -v WHERE v < 5",
    )?;
    run(&sides, env!("CARGO_BIN_EXE_pgl-seqsync"), &[])?.expect(0)?;
    let verify = env!("CARGO_BIN_EXE_pgl-verify");
    for mode in ["live", "barrier"] {
        run(
            &sides,
            verify,
            &["--mode", mode, "--exclude-table", "unkeyed"],
        )?
        .expect(0)?;
    }
    let control = env!("CARGO_BIN_EXE_pgl-control");
    run(&sides, control, &["pause"])?.expect(0)?;
    run(&sides, control, &["resume"])?.expect(0)?;
    run(&sides, control, &["resync", "public.t", "--yes"])?.expect(0)?;
    let skip = run(&sides, control, &["skip", "--dry-run"])?.expect(5)?;
    let hint = "GRANT EXECUTE ON FUNCTION pg_show_replication_origin_status()";
    ensure!(skip.stderr.contains(hint) == to.1, "{}", skip.stderr);
    let dry = sides.cutover(&["--dry-run"])?.expect(0)?;
    let noted = dry.stdout.contains("sessions of superusers");
    ensure!(noted == (from.1 || to.1), "{}", dry.stdout);
    sides.cutover(&["-y"])?.expect(0)?;
    run(&sides, verify, &["--mode", "static"])?.expect(0)?;
    sides.same_rows()?;
    // The session that could not be ended began before the source was read-only.
    if let Some(service) = &mut sides.source {
        for sql in [
            "UPDATE t SET v = 'lost'",
            "INSERT INTO unkeyed VALUES (0)",
            "TRUNCATE t CASCADE",
        ] {
            ensure!(service.admin()?.batch_execute(sql).is_err(), "{sql}");
        }
    }
    run(&sides, env!("CARGO_BIN_EXE_pgl-teardown"), &["-y"])?.expect(0)?;
    sides
        .pair
        .target
        .sql("shop", "INSERT INTO t (v) VALUES ('after')")?;
    Ok(())
}

#[test]
fn from_ones_own_server_to_a_service() -> Result<()> {
    everything((13, false), (17, true))
}

#[test]
fn from_a_service_to_ones_own_server() -> Result<()> {
    everything((13, true), (17, false))
}

#[test]
fn from_a_service_to_another_one() -> Result<()> {
    everything((17, true), (18, true))
}

/// pglogical has no row for a table there that it could delete.
#[test]
fn a_table_that_was_made_again_on_the_target_is_noticed() -> Result<()> {
    let sides = Sides::start((13, false), (17, true))?;
    sides.set_up()?;
    let on_target = |sql: &str| sides.pair.target.sql("shop", sql);
    let resync = || {
        sides
            .tool(env!("CARGO_BIN_EXE_pgl-control"))
            .args(["resync", "public.t", "--yes"])
            .run()?
            .expect(0)
    };
    for sql in [
        "ALTER TABLE t DROP COLUMN v; ALTER TABLE t ADD COLUMN v text",
        "CREATE TABLE other (LIKE t INCLUDING ALL); INSERT INTO other SELECT * FROM t; ALTER SEQUENCE t_id_seq OWNED BY other.id; DROP TABLE t; ALTER TABLE other RENAME TO t; ANALYZE t",
    ] {
        on_target(sql)?;
        let found = sides.refused(&["--force", "cut.definitions"], "cut.followed")?;
        ensure!(found["what"].to_string().contains("public.t"), "{found}");
        resync()?;
        let now = sides.cutover(&[
            "--dry-run",
            "--format",
            "json",
            "--force",
            "cut.definitions",
        ])?;
        ensure!(!now.stdout.contains("cut.followed"), "{}", now.stdout);
    }
    sides.same_rows()
}

#[test]
fn what_the_role_lacks_is_said_by_the_dry_run() -> Result<()> {
    let sides = Sides::start((17, true), (18, true))?;
    sides.set_up()?;
    let found = sides
        .cutover(&["--dry-run", "--reverse", "--format", "json"])?
        .expect(1)?
        .document()?;
    let said = found["refusals"].to_string();
    for grant in [
        "pg_replication_origin_advance(text, pg_lsn) TO the role",
        "INSERT, UPDATE ON pglogical.local_sync_status",
        "pg_replication_origin_session_setup",
    ] {
        ensure!(said.contains(grant), "{grant}: {said}");
    }
    sides.pair.source.sql("shop", "CREATE ROLE app")?;
    let mut admin = sides.pair.source.client_as("rdsadmin", "shop")?;
    admin.batch_execute("ALTER TABLE child OWNER TO app; GRANT SELECT ON child TO postgres; REVOKE app FROM postgres")?;
    let all = sides
        .cutover(&["--dry-run", "--format", "json"])?
        .expect(1)?
        .document()?;
    let said = all["refusals"].to_string();
    ensure!(
        said.contains("table public.child of app") && said.contains("GRANT app TO postgres"),
        "{said}"
    );
    admin.batch_execute("ALTER TABLE child OWNER TO postgres; CREATE ROLE reports; ALTER ROLE reports IN DATABASE shop SET default_transaction_read_only = off")?;
    let found = sides.refused(&[], "cut.rights")?;
    ensure!(
        found["what"].to_string().contains("role reports"),
        "{found}"
    );
    Ok(())
}
