//! Every tool where the superuser of a side belongs to a managed service.

use anyhow::{Context, Result, ensure};
use pgl_core::Side;
use pgl_core::rights::{self, RIGHTS, Right};
use pgl_testkit::{ClusterOptions, ManagedService, Outcome, Pair, Service, Tool};
use serde_json::Value;

use crate::common::{Documented, SCHEMA};

/// Two servers, of which a service runs those that are marked.
struct Sides {
    pair: Pair,
    source: Option<ManagedService>,
    target: Option<ManagedService>,
}

impl Sides {
    /// Amazon RDS where one is marked.
    fn start((from, source): (u16, bool), (to, target): (u16, bool)) -> Result<Self> {
        let rds = |managed: bool| managed.then_some(Service::Rds);
        Self::between((from, rds(source)), (to, rds(target)))
    }

    fn between(
        (from, source): (u16, Option<Service>),
        (to, target): (u16, Option<Service>),
    ) -> Result<Self> {
        let pair = Pair::start(from, to)?;
        let mut all = Self {
            source: source
                .map(|service| ManagedService::of(&pair.source, service))
                .transpose()?,
            target: target
                .map(|service| ManagedService::of(&pair.target, service))
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
        let out = self
            .tool(env!("CARGO_BIN_EXE_pgl-setup"))
            .run()?
            .expect(0)?;
        let group =
            |service: &Option<ManagedService>| service.as_ref().map(|one| one.service().group());
        if let Some(there) = group(&self.source) {
            let said = out.stdout.contains(there);
            ensure!(
                said == (group(&self.target) != Some(there)),
                "{}",
                out.stdout
            );
        }
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
fn everything(from: (u16, Option<Service>), to: (u16, Option<Service>)) -> Result<()> {
    let mut sides = Sides::between(from, to)?;
    let run = |sides: &Sides, path: &str, args: &[&str]| sides.tool(path).args(args).run();
    // What a role of the customer's may not read is said to be unknown, with exit code 3.
    let preflight = env!("CARGO_BIN_EXE_pgl-preflight");
    let out = run(&sides, preflight, &["--format", "json"])?;
    ensure!([Some(0), Some(3)].contains(&out.code()), "{out:?}");
    let document = out.document()?;
    ensure!(!out.stdout.contains("conf.client_tools"), "{document:#}");
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
    ensure!(
        skip.stderr.contains(hint) == to.1.is_some(),
        "{}",
        skip.stderr
    );
    // What a session counts when it ends is not complete while one cannot be ended.
    let counted = include_str!("../crates/pgl-apply/sql/fingerprint/statistics.sql");
    let counted = &sides.pair.source.sql("shop", counted)?[0][1];
    ensure!(
        counted.as_deref() == Some(if from.1.is_some() { "f" } else { "t" }),
        "{counted:?}"
    );
    let dry = sides.cutover(&["--dry-run"])?.expect(0)?;
    let noted = dry.stdout.contains("sessions of superusers");
    ensure!(noted == (from.1.or(to.1)).is_some(), "{}", dry.stdout);
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
    everything((13, None), (17, Some(Service::Rds)))
}

#[test]
fn from_a_service_to_ones_own_server() -> Result<()> {
    everything((13, Some(Service::Rds)), (17, None))
}

#[test]
fn from_a_service_to_another_one() -> Result<()> {
    everything((17, Some(Service::Rds)), (18, Some(Service::Rds)))
}

#[test]
fn from_azure_to_aurora() -> Result<()> {
    everything((15, Some(Service::Azure)), (17, Some(Service::Aurora)))
}

#[test]
fn from_cloud_sql_to_alloydb() -> Result<()> {
    everything((13, Some(Service::CloudSql)), (17, Some(Service::AlloyDb)))
}

#[test]
fn from_cloud_sql_to_ones_own_server() -> Result<()> {
    everything((13, Some(Service::CloudSql)), (17, None))
}

#[test]
fn from_aurora_to_azure() -> Result<()> {
    everything((13, Some(Service::Aurora)), (18, Some(Service::Azure)))
}

/// No customer there may set session_replication_role, which the apply worker has to.
#[test]
fn cloud_sql_is_refused_as_a_target_before_anything_is_changed() -> Result<()> {
    let sides = Sides::between((13, None), (17, Some(Service::CloudSql)))?;
    for (tool, code) in [
        (env!("CARGO_BIN_EXE_pgl-preflight"), 1),
        (env!("CARGO_BIN_EXE_pgl-setup"), 5),
    ] {
        let out = sides.tool(tool).run()?.expect(code)?;
        let said = out.stdout + &out.stderr;
        ensure!(said.contains("role.set_replication_role"), "{said}");
        ensure!(said.contains("Google Cloud SQL gives this right"), "{said}");
    }
    let nodes = "SELECT to_regnamespace('pglogical') IS NULL AND to_regnamespace('pgl') IS NULL";
    ensure!(sides.pair.source.value("shop", nodes)? == "t");
    Ok(())
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
    sides.same_rows()?;
    // Rows between the two subscriptions would be missing.
    let read = |sql| sides.pair.target.value("shop", sql);
    let name = read("SELECT sub_name FROM pglogical.subscription")?;
    let dsn = read(
        "SELECT if_dsn FROM pglogical.subscription JOIN pglogical.node_interface ON if_id = sub_origin_if",
    )?;
    on_target(&format!("SELECT pglogical.drop_subscription('{name}')"))?;
    on_target(&format!(
        "SELECT pglogical.create_subscription('{name}', '{}', ARRAY['default', 'default_insert_only', 'ddl_sql'], false, false)",
        dsn.replace('\'', "''")
    ))?;
    sides
        .tool(env!("CARGO_BIN_EXE_pgl-status"))
        .args(["--wait-for", "replicating", "--timeout", "60s"])
        .run()?
        .expect(0)?;
    let document = sides
        .cutover(&["--dry-run", "--format", "json"])?
        .expect(1)?
        .document()?;
    let refusals = document["refusals"].as_array().into_iter().flatten();
    let followed = refusals
        .filter(|one| one["id"] == "cut.followed")
        .any(|one| one["what"].to_string().contains("public.child"));
    ensure!(followed, "{document:#}");
    Ok(())
}

/// A session of the service's superuser is not ended: its writes arrive or are refused, also those with `session_replication_role = replica`.
#[test]
fn a_superuser_that_writes_loses_nothing() -> Result<()> {
    let mut sides = Sides::start((17, true), (18, false))?;
    sides.set_up()?;
    let mut admin = sides.pair.source.client_as("rdsadmin", "shop")?;
    admin.batch_execute("SET session_replication_role = replica")?;
    for (sql, said) in [
        (
            "INSERT INTO t (v) VALUES ('open')",
            "the tables could not be locked",
        ),
        (
            "CREATE TABLE fresh AS SELECT 1 AS v",
            "have written in transactions that are still open",
        ),
    ] {
        admin.batch_execute(&format!("BEGIN; {sql}"))?;
        let out = sides.cutover(&["-y", "--max-pause", "2s"])?;
        ensure!(
            out.code() != Some(0) && out.stderr.contains(said),
            "{out:?}"
        );
        admin.batch_execute("ROLLBACK")?;
    }
    admin.batch_execute("SELECT pg_replication_origin_create('odd')")?;
    let found = sides.refused(&[], "cut.origin")?;
    ensure!(
        found["what"].to_string().contains("odd (this role may not"),
        "{found}"
    );
    admin.batch_execute("SELECT pg_replication_origin_drop('odd')")?;
    let found = sides.refused(&["--large-objects"], "cut.large_objects")?;
    ensure!(found["what"].to_string().contains("rdsadmin"), "{found}");
    let writer = std::thread::spawn(move || {
        let sql = "INSERT INTO t (v) VALUES ('written')";
        let written = (0..).take_while(|_| admin.batch_execute(sql).is_ok());
        let written = written.count();
        (written, admin.batch_execute(sql).err())
    });
    sides.cutover(&["-y"])?.expect(0)?;
    let (written, why) = writer.join().expect("the writer");
    let why = why.map(|error| format!("{error:?}")).unwrap_or_default();
    ensure!(why.contains("has blocked writes"), "{why}");
    let arrived = sides
        .pair
        .target
        .value("shop", "SELECT count(*) FROM t WHERE v = 'written'")?;
    ensure!(
        written > 0 && arrived == written.to_string(),
        "{written}, {arrived}"
    );
    sides.same_rows()?;
    // What the service's session had open all the time.
    let service = sides.source.as_mut().expect("a service");
    ensure!(service.admin()?.batch_execute("DELETE FROM t").is_err());
    Ok(())
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
        "pg_replication_origin_advance(text, pg_lsn) TO \\\"postgres\\\"",
        "INSERT, UPDATE ON pglogical.local_sync_status",
        "pg_replication_origin_session_setup",
    ] {
        ensure!(said.contains(grant), "{grant}: {said}");
    }
    sides.cutover(&["-y", "--reverse"])?.expect(5)?;
    let slots = "SELECT count(*) FROM pg_replication_slots";
    ensure!(sides.pair.target.value("shop", slots)? == "0");
    sides.pair.source.sql("shop", "CREATE ROLE app")?;
    let mut admin = sides.pair.source.client_as("rdsadmin", "shop")?;
    admin.batch_execute("ALTER TABLE child OWNER TO app; GRANT SELECT ON child TO postgres; REVOKE app FROM postgres")?;
    let all = sides
        .cutover(&["--dry-run", "--format", "json"])?
        .expect(1)?
        .document()?;
    let said = all["refusals"].to_string();
    ensure!(
        said.contains("table public.child of app")
            && said.contains(r#"as the service's administrator: GRANT \"app\" TO \"postgres\""#),
        "{said}"
    );
    admin.batch_execute("ALTER TABLE child OWNER TO rdsadmin")?;
    let owned = sides.refused(&["--force", "cut.rights"], "cut.permissions")?;
    ensure!(
        owned["hint"]
            .to_string()
            .contains(r#"ALTER TABLE \"public\".\"child\" OWNER TO \"postgres\""#),
        "{owned}"
    );
    admin.batch_execute("ALTER TABLE child OWNER TO postgres; CREATE ROLE reports; ALTER ROLE reports IN DATABASE shop SET default_transaction_read_only = off")?;
    let found = sides.refused(&[], "cut.permissions")?;
    ensure!(
        found["what"].to_string().contains("role reports"),
        "{found}"
    );
    // What the hints name is enough.
    admin.batch_execute(
        "ALTER ROLE reports IN DATABASE shop RESET ALL;
         GRANT EXECUTE ON FUNCTION pg_replication_origin_create(text), pg_replication_origin_advance(text, pg_lsn) TO postgres;
         GRANT INSERT, UPDATE ON pglogical.local_sync_status TO postgres",
    )?;
    sides.pair.target.client_as("rdsadmin", "shop")?.batch_execute(
        "GRANT EXECUTE ON FUNCTION pg_replication_origin_oid(text), pg_replication_origin_create(text),
             pg_replication_origin_session_setup, pg_replication_origin_session_reset(), pg_replication_origin_drop(text),
             pg_replication_origin_advance(text, pg_lsn) TO postgres;
         GRANT INSERT, UPDATE ON pglogical.local_sync_status TO postgres",
    )?;
    sides.pair.source.sql(
        "shop",
        "CREATE TABLE late AS SELECT 1 AS id; ALTER TABLE late ADD PRIMARY KEY (id)",
    )?;
    for verb in [
        ["add-table", "public.late", "--yes"],
        ["resync", "public.t", "--yes"],
    ] {
        let control = sides.tool(env!("CARGO_BIN_EXE_pgl-control"));
        control.args(verb).run()?.expect(0)?;
    }
    sides.cutover(&["-y", "--reverse"])?.expect(0)?;
    sides
        .pair
        .target
        .sql("shop", "INSERT INTO t (v) VALUES ('back')")?;
    let arrived = "SELECT count(*) = 1 FROM t WHERE v = 'back'";
    let limit = std::time::Duration::from_secs(30);
    sides.pair.source.wait_until("shop", arrived, limit)?;
    sides.same_rows()
}

/// A right, and how the service takes it from its customer and gives it back. Nothing where the customer never has it.
type Taken = (&'static Right, Side, &'static str, &'static str);

const BY_ROLE_SETTING: Taken = (
    &rights::ROLE_SETTINGS,
    Side::Source,
    "CREATE ROLE reports; ALTER ROLE reports IN DATABASE shop SET default_transaction_read_only = off;
     ALTER ROLE postgres NOCREATEROLE",
    "DROP ROLE reports; ALTER ROLE postgres CREATEROLE",
);

const BY_SETTING_OF_ROLE: Taken = (
    &rights::SETTINGS_OF_ROLE,
    Side::Source,
    "CREATE ROLE reports; ALTER ROLE reports IN DATABASE shop SET default_transaction_read_only = off",
    "DROP ROLE reports",
);

const BY_SETTING_OF_SUPERUSER: Taken = (
    &rights::SETTINGS_OF_SUPERUSER,
    Side::Source,
    "ALTER ROLE rdsadmin IN DATABASE shop SET default_transaction_read_only = off",
    "ALTER ROLE rdsadmin IN DATABASE shop RESET default_transaction_read_only",
);

const BY_EVENT_TRIGGER: Taken = (
    &rights::EVENT_TRIGGERS_OF_SUPERUSER,
    Side::Source,
    "CREATE FUNCTION fired() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
     CREATE EVENT TRIGGER audit ON sql_drop EXECUTE FUNCTION fired(); ALTER EVENT TRIGGER audit ENABLE ALWAYS",
    "DROP FUNCTION fired() CASCADE",
);

/// Services let roles that are no superusers own event triggers.
const BY_OWNED_EVENT_TRIGGER: Taken = (
    &rights::EVENT_TRIGGERS,
    Side::Source,
    "CREATE FUNCTION fired() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
     CREATE EVENT TRIGGER audit ON sql_drop EXECUTE FUNCTION fired(); ALTER EVENT TRIGGER audit ENABLE ALWAYS;
     CREATE ROLE keeper SUPERUSER; ALTER EVENT TRIGGER audit OWNER TO keeper; ALTER ROLE keeper NOSUPERUSER",
    "DROP FUNCTION fired() CASCADE; DROP ROLE keeper",
);

/// Before the setup, by pgl-preflight.
const BY_PREFLIGHT: &[Taken] = &[
    (
        &rights::ADMINISTRATOR,
        Side::Source,
        "REVOKE rds_superuser FROM postgres",
        "GRANT rds_superuser TO postgres",
    ),
    (
        &rights::REPLICATION,
        Side::Source,
        NO_REPLICATION,
        REPLICATION,
    ),
    (
        &rights::REVERSE_REPLICATION,
        Side::Target,
        NO_REPLICATION,
        REPLICATION,
    ),
    (
        &rights::READ_PGLOGICAL,
        Side::Source,
        "REVOKE USAGE ON SCHEMA pglogical FROM rds_superuser",
        "GRANT USAGE ON SCHEMA pglogical TO rds_superuser",
    ),
    (
        &rights::REVERSE_READ_PGLOGICAL,
        Side::Target,
        NOT_ASKED,
        ASKED,
    ),
    (&rights::READ_TABLES, Side::Source, HIDDEN, SHOWN),
    (&rights::READ_SEQUENCES, Side::Source, HIDDEN, SHOWN),
    (
        &rights::OWNERS,
        Side::Source,
        "ALTER TABLE child OWNER TO boss; REVOKE boss FROM postgres",
        "ALTER TABLE child OWNER TO postgres; GRANT boss TO postgres",
    ),
    (
        &rights::OWNED_BY_SUPERUSER,
        Side::Source,
        "ALTER TABLE child OWNER TO rdsadmin",
        "ALTER TABLE child OWNER TO postgres",
    ),
    (
        &rights::GRANT_USAGE,
        Side::Source,
        "CREATE ROLE app; GRANT TRUNCATE ON t TO app",
        "DROP OWNED BY app; DROP ROLE app",
    ),
    (
        &rights::ROW_SECURITY,
        Side::Source,
        "ALTER TABLE child ENABLE ROW LEVEL SECURITY; ALTER TABLE child OWNER TO rdsadmin",
        "ALTER TABLE child DISABLE ROW LEVEL SECURITY; ALTER TABLE child OWNER TO postgres",
    ),
    (
        &rights::CREATE,
        Side::Target,
        "ALTER DATABASE shop OWNER TO rdsadmin",
        "ALTER DATABASE shop OWNER TO postgres",
    ),
    (
        &rights::REPLICATION_ROLE,
        Side::Target,
        "REVOKE SET ON PARAMETER session_replication_role FROM rds_superuser",
        "GRANT SET ON PARAMETER session_replication_role TO rds_superuser",
    ),
    // An owner in a group, neither of them on the target yet.
    (
        &rights::CREATE_ROLES,
        Side::Target,
        "ALTER ROLE postgres NOCREATEROLE",
        "ALTER ROLE postgres CREATEROLE",
    ),
    (
        &rights::GROUPS,
        Side::Target,
        "CREATE ROLE staff",
        "DROP ROLE staff",
    ),
    (
        &rights::GIVE_AWAY,
        Side::Target,
        "CREATE ROLE boss",
        "DROP ROLE boss",
    ),
    (&rights::ADD_TABLE, Side::Target, "", ""),
    (&rights::SKIP, Side::Target, "", ""),
    (&rights::MARK_ROWS, Side::Target, "", ""),
    (&rights::REVERSE, Side::Source, "", ""),
    (&rights::NODE_DSN, Side::Source, "", ""),
    (&rights::DROP_ORIGIN, Side::Source, "", ""),
    (&rights::SIGNAL, Side::Source, NO_SIGNAL, SIGNAL),
    (&rights::SIGNAL, Side::Target, NO_SIGNAL, SIGNAL),
    (&rights::SEE_SESSIONS, Side::Source, UNSEEN, SEEN),
    (
        &rights::OWNERS,
        Side::Target,
        "CREATE ROLE app; ALTER DATABASE shop OWNER TO app",
        "ALTER DATABASE shop OWNER TO postgres; DROP ROLE app",
    ),
    (
        &rights::OWNED_BY_SUPERUSER,
        Side::Target,
        "ALTER DATABASE shop OWNER TO rdsadmin",
        "ALTER DATABASE shop OWNER TO postgres",
    ),
    BY_ROLE_SETTING,
    BY_SETTING_OF_ROLE,
    BY_SETTING_OF_SUPERUSER,
    BY_EVENT_TRIGGER,
    BY_OWNED_EVENT_TRIGGER,
];

/// After it, by the dry run of a cutover with reverse replication.
const BY_DRY_RUN: &[Taken] = &[
    (&rights::SIGNAL, Side::Source, NO_SIGNAL, SIGNAL),
    (&rights::SIGNAL, Side::Target, NO_SIGNAL, SIGNAL),
    (&rights::SEE_SESSIONS, Side::Source, UNSEEN, SEEN),
    (
        &rights::OWNERS,
        Side::Target,
        "CREATE ROLE app; ALTER TABLE child OWNER TO app",
        "ALTER TABLE child OWNER TO postgres; DROP ROLE app",
    ),
    (
        &rights::OWNED_BY_SUPERUSER,
        Side::Target,
        "ALTER TABLE child OWNER TO rdsadmin",
        "ALTER TABLE child OWNER TO postgres",
    ),
    BY_ROLE_SETTING,
    BY_SETTING_OF_ROLE,
    BY_SETTING_OF_SUPERUSER,
    (
        &rights::SET_SEQUENCES,
        Side::Target,
        "ALTER TABLE t OWNER TO rdsadmin",
        "ALTER TABLE t OWNER TO postgres",
    ),
    (
        &rights::REVERSE_REPLICATION,
        Side::Target,
        NO_REPLICATION,
        REPLICATION,
    ),
    (
        &rights::REVERSE_READ_PGLOGICAL,
        Side::Target,
        NOT_ASKED,
        ASKED,
    ),
    BY_EVENT_TRIGGER,
    BY_OWNED_EVENT_TRIGGER,
    (
        &rights::REVERSE,
        Side::Source,
        "REVOKE INSERT ON pglogical.local_sync_status FROM postgres",
        "GRANT INSERT ON pglogical.local_sync_status TO postgres",
    ),
    (
        &rights::MARK_ROWS,
        Side::Target,
        "REVOKE EXECUTE ON FUNCTION pg_replication_origin_drop(text) FROM postgres",
        "GRANT EXECUTE ON FUNCTION pg_replication_origin_drop(text) TO postgres",
    ),
    (
        &rights::NODE_DSN,
        Side::Source,
        "REVOKE UPDATE ON pglogical.node_interface FROM postgres",
        "GRANT UPDATE ON pglogical.node_interface TO postgres",
    ),
];

/// Not of the role, and `a_superuser_that_writes_loses_nothing`.
const ELSEWHERE: &[&Right] = &[&rights::NETWORK, &rights::LARGE_OBJECTS];

const NO_REPLICATION: &str =
    "ALTER ROLE postgres NOREPLICATION; REVOKE rds_replication FROM postgres";
const REPLICATION: &str = "ALTER ROLE postgres REPLICATION; GRANT rds_replication TO postgres";
const NOT_ASKED: &str = "REVOKE EXECUTE ON FUNCTION pglogical.pglogical_node_info() FROM PUBLIC";
const ASKED: &str = "GRANT EXECUTE ON FUNCTION pglogical.pglogical_node_info() TO PUBLIC";
const NO_SIGNAL: &str = "REVOKE pg_signal_backend FROM rds_superuser";
const SIGNAL: &str = "GRANT pg_signal_backend TO rds_superuser";
const UNSEEN: &str = "REVOKE pg_monitor FROM rds_superuser";
const SEEN: &str = "GRANT pg_monitor TO rds_superuser WITH ADMIN OPTION";
const HIDDEN: &str = "ALTER TABLE t OWNER TO rdsadmin";
const SHOWN: &str = "ALTER TABLE t OWNER TO postgres";

#[test]
fn each_right_that_is_missing_is_named_before_anything_is_changed() -> Result<()> {
    let same = |one: &Right, other: &Right| (one.name, one.side) == (other.name, other.side);
    for right in RIGHTS {
        let taken = BY_PREFLIGHT.iter().chain(BY_DRY_RUN).map(|one| one.0);
        let mut known = taken.chain(ELSEWHERE.iter().copied());
        ensure!(known.any(|one| same(one, right)), "{}", right.name);
    }
    let sides = Sides::start((17, true), (18, true))?;
    let as_admin = |side: Side, sql: &str| {
        let cluster = match side {
            Side::Source => &sides.pair.source,
            Side::Target => &sides.pair.target,
        };
        let mut admin = cluster.client_as("rdsadmin", "shop")?;
        admin.batch_execute(sql).with_context(|| sql.to_owned())
    };
    // Whether the document names the right.
    let named = |found: &Value, right: &Right, side: Side| {
        let found = found.as_array().into_iter().flatten();
        found.clone().any(|one| {
            let text = one.to_string();
            let of_side = one["id"] == "cut.sequences"
                || one["side"] == side.as_str()
                || text.contains(&format!("on the {side}"));
            let step = right.needed_for.replace('`', "");
            let about = (right.functions.is_empty() && right.tables.is_empty())
                || text.contains(&format!("{step}.\""))
                || text.contains(&format!("{step} needs"));
            of_side && about && right.found_by.iter().any(|id| one["id"] == *id)
        })
    };
    let preflight = || -> Result<Value> {
        let tool = sides.tool(env!("CARGO_BIN_EXE_pgl-preflight"));
        let out = tool.args(["--only", "role", "--format", "json"]).run()?;
        Ok(out.document()?["findings"].clone())
    };
    let own = format!("{} application_name=own", sides.pair.source.dsn("shop"));
    let dry_run = || -> Result<Value> {
        let args = [
            "--dry-run",
            "--reverse",
            "--format",
            "json",
            "--reverse-subscriber-dsn",
            &own,
        ];
        Ok(sides.cutover(&args)?.document()?["refusals"].clone())
    };
    let each = |all: &[Taken], look: &dyn Fn() -> Result<Value>| {
        for (right, side, take, give) in all {
            let name = format!("{} on the {side}", right.name);
            as_admin(*side, take)?;
            let found = look()?;
            ensure!(named(&found, right, *side), "{name}: {found:#}");
            as_admin(*side, give)?;
            if take.is_empty() {
                // What the table says is enough.
                as_admin(*side, &right.grants("postgres").join("\n"))?;
            }
            let found = look()?;
            ensure!(!named(&found, right, *side), "{name}, given: {found:#}");
        }
        Ok(())
    };
    for side in [Side::Source, Side::Target] {
        // As before 14.
        as_admin(
            side,
            "REVOKE pg_read_all_data, pg_write_all_data FROM rds_superuser",
        )?;
    }
    as_admin(
        Side::Source,
        "CREATE ROLE staff; CREATE ROLE boss IN ROLE staff; GRANT boss TO postgres;
         CREATE TYPE of_boss AS ENUM ('a'); ALTER TYPE of_boss OWNER TO boss",
    )?;
    each(BY_PREFLIGHT, &preflight)?;
    as_admin(
        Side::Source,
        "DROP TYPE of_boss; DROP ROLE boss; DROP ROLE staff",
    )?;
    sides.set_up()?;
    each(BY_DRY_RUN, &dry_run)?;
    ensure!(dry_run()? == serde_json::json!([]));
    sides.cutover(&["-y", "--reverse"])?.expect(0)?;
    sides.same_rows()
}

/// What the setup does without and the cutover does not.
#[test]
fn what_the_cutover_locks_and_alters_is_named_before_the_setup() -> Result<()> {
    const CHECKS: [&str; 2] = ["role.owner_of_tables", "role.cutover_rights"];
    let sides = Sides::start((17, true), (18, true))?;
    let as_admin = |side: &str, sql: &str| {
        let cluster = match side {
            "source" => &sides.pair.source,
            _ => &sides.pair.target,
        };
        let mut admin = cluster.client_as("rdsadmin", "shop")?;
        admin.batch_execute(sql).with_context(|| sql.to_owned())
    };
    for side in ["source", "target"] {
        as_admin(
            side,
            "CREATE ROLE boss; ALTER DATABASE shop OWNER TO boss; GRANT CREATE ON SCHEMA public TO boss;
             CREATE ROLE reports; ALTER ROLE reports SET default_transaction_read_only = on",
        )?;
    }
    as_admin(
        "source",
        "CREATE SEQUENCE numbers; ALTER SEQUENCE numbers OWNER TO boss; GRANT SELECT ON numbers TO postgres",
    )?;
    let preflight = || -> Result<Vec<Value>> {
        let tool = sides.tool(env!("CARGO_BIN_EXE_pgl-preflight"));
        let out = tool.args(["--only", "role", "--format", "json"]).run()?;
        let document = out.document()?;
        let mut all = document["findings"].as_array().cloned().unwrap_or_default();
        all.retain(|one| CHECKS.iter().any(|id| one["id"] == *id));
        Ok(all)
    };
    let found = preflight()?;
    let said: Vec<&str> = found
        .iter()
        .filter_map(|one| one["what"].as_str())
        .collect();
    for what in [
        "role postgres on the source may not: alter database shop of boss, lock sequence public.numbers of boss",
        "role postgres on the target may not: alter database shop of boss",
        "role postgres on the source may not: alter role reports",
        "role postgres on the target may not: alter role reports",
    ] {
        ensure!(said.contains(&what), "{what}: {found:#?}");
    }
    ensure!(said.len() == 4, "{found:#?}");
    for one in &found {
        ensure!(one["severity"] == "warn", "{one:#}");
        let sql = one["sql"].as_str().context("a statement")?;
        as_admin(one["side"].as_str().context("a side")?, sql)?;
    }
    let found = preflight()?;
    ensure!(found.is_empty(), "{found:#?}");
    sides.set_up()?;
    sides.cutover(&["--dry-run"])?.expect(0)?;
    // In the same words where it is taken away after the setup.
    as_admin("source", "REVOKE reports FROM postgres")?;
    let refused = sides.refused(&[], "cut.permissions")?;
    ensure!(
        refused["what"] == "role postgres on the source may not: alter role reports",
        "{refused:#}"
    );
    Ok(())
}

/// The former source connects to the target as the role of `--reverse-dsn`, whoever the tools connect as.
#[test]
fn the_role_of_the_reverse_dsn_has_to_replicate() -> Result<()> {
    let sides = Sides::start((13, false), (17, false))?;
    sides.set_up()?;
    let target = &sides.pair.target;
    let dsn = target.dsn_as("back", "shop");
    let reverse = ["--reverse", "--reverse-dsn", &dsn];
    let found = sides.refused(&reverse, "cut.permissions")?;
    ensure!(
        found["what"].to_string().contains("no role back"),
        "{found}"
    );
    target.sql("shop", "CREATE ROLE back LOGIN")?;
    let found = sides.refused(&reverse, "cut.permissions")?;
    ensure!(
        found["hint"]
            == "on the target, as a superuser: ALTER ROLE \"back\" REPLICATION; or run this without --reverse",
        "{found}"
    );
    target.sql("shop", "ALTER ROLE back REPLICATION")?;
    // What the source's server asks the target for as this role.
    let found = sides.refused(&reverse, "cut.permissions")?;
    let grants = "GRANT USAGE ON SCHEMA pglogical TO \"back\"; GRANT EXECUTE ON FUNCTION pglogical.pglogical_node_info() TO \"back\"";
    ensure!(
        found["hint"]
            == format!("on the target, as a superuser: {grants}; or run this without --reverse"),
        "{found}"
    );
    // What the hints name is enough.
    target.sql("shop", grants)?;
    let all = [&["-y"], &reverse[..]].concat();
    sides.cutover(&all)?.expect(0)?;
    target.sql("shop", "INSERT INTO t (v) VALUES ('back')")?;
    let arrived = "SELECT count(*) = 1 FROM t WHERE v = 'back'";
    let limit = std::time::Duration::from_secs(30);
    sides.pair.source.wait_until("shop", arrived, limit)?;
    sides.same_rows()
}

/// Where the source is one's own: its superuser may do there what the customer of a service may not.
#[test]
fn reverse_replication_from_a_service_and_back() -> Result<()> {
    let sides = Sides::start((13, false), (17, true))?;
    let (source, target) = (&sides.pair.source, &sides.pair.target);
    // To copy a table again needs more on the target.
    source.sql("shop", "DROP TABLE unkeyed")?;
    sides.set_up()?;
    sides.cutover(&["-y", "--reverse"])?.expect(0)?;
    target.sql("shop", "INSERT INTO t (v) VALUES ('back')")?;
    let arrived = "SELECT count(*) = 1 FROM t WHERE v = 'back'";
    source.wait_until("shop", arrived, std::time::Duration::from_secs(30))?;
    sides.cutover(&["rollback", "-y"])?.expect(0)?;
    source.sql("shop", "INSERT INTO t (v) VALUES ('again')")?;
    let tool = |path| sides.tool(path);
    tool(env!("CARGO_BIN_EXE_pgl-teardown"))
        .arg("-y")
        .run()?
        .expect(0)?;
    Ok(())
}

/// Roles are no sign of a service: a dump of roles brings them to another server.
#[test]
fn the_platform_is_known_by_its_settings() -> Result<()> {
    for (managed, remedy) in [
        (false, "Set wal_level = logical, then restart the server."),
        (
            true,
            "Set rds.logical_replication = 1 in the instance's DB parameter group, then reboot the instance.",
        ),
    ] {
        let options = ClusterOptions::new().set("wal_level", "replica");
        let pair = Pair::start_with(13, ClusterOptions::new(), 17, options)?;
        pair.source.createdb("shop")?;
        if managed {
            ManagedService::of(&pair.target, Service::Rds)?.createdb(&pair.target, "shop")?;
        } else {
            pair.target.createdb("shop")?;
            let roles = "CREATE ROLE rdsadmin; CREATE ROLE rds_superuser";
            pair.target.sql("shop", roles)?;
        }
        let document = Tool::new(env!("CARGO_BIN_EXE_pgl-preflight"))
            .envs(pair.env("shop"))
            .args(["--only", "conf.wal_level", "--format", "json"])
            .run()?
            .document()?;
        ensure!(document["findings"][0]["remedy"] == remedy, "{document:#}");
    }
    Ok(())
}

/// The apply worker passes the target's write-block triggers as a replica, and so does such a session.
#[test]
fn a_superuser_that_writes_on_the_target_is_found() -> Result<()> {
    let sides = Sides::start((13, false), (17, true))?;
    sides.set_up()?;
    let mut admin = sides.pair.target.client_as("rdsadmin", "shop")?;
    let mut refused = |sql: &str, said: &str| {
        admin.batch_execute(sql)?;
        let out = sides.cutover(&["-y", "--max-pause", "2s"])?;
        ensure!(
            out.code() != Some(0) && out.stderr.contains(said),
            "{out:?}"
        );
        Ok(())
    };
    refused(
        "SET session_replication_role = replica; BEGIN; INSERT INTO t (id, v) VALUES (999999, 'x')",
        "run this again when the tables are not locked",
    )?;
    refused("COMMIT", "public.t: 500 rows here, 501 there")?;
    admin.batch_execute("DELETE FROM t WHERE id = 999999")?;
    sides.cutover(&["-y"])?.expect(0)?;
    sides.same_rows()
}
