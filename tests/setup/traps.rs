//! The failures that pglogical is known for.

use crate::common::Documented;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use pgl_testkit::{Tool, shared_pair};

use super::support::{PATIENCE, drain, same_rows, setup, state};

/// T14: values that text settings of the source would change.
#[test]
fn floats_dates_and_intervals_arrive_to_the_bit() -> Result<()> {
    let db = shared_pair(13, 17)?.database("bits")?;
    let name = db.name();
    db.on_source(&format!(
        "ALTER DATABASE \"{name}\" SET extra_float_digits = 0; ALTER DATABASE \"{name}\" SET datestyle = 'SQL, DMY'; ALTER DATABASE \"{name}\" SET intervalstyle = 'sql_standard';
         CREATE TABLE t (id int PRIMARY KEY, f float8, g float4, d date, z timestamptz, i interval)"
    ))?;
    let values = "0.1::float8 + 0.2::float8, 1e-6::float4 + 1.5::float4, '2024-03-04'::date, '2024-03-04 05:06:07.123456+02'::timestamptz, interval '-1 day +2 hours'";
    db.on_source(&format!(
        "SET datestyle = 'ISO'; INSERT INTO t SELECT 1, {values}"
    ))?;
    setup(&db).run()?.expect(0)?;
    db.on_source(&format!(
        "SET datestyle = 'ISO'; INSERT INTO t SELECT 2, {values}; UPDATE t SET id = 3 WHERE id = 1"
    ))?;
    drain(&db)?;
    same_rows(&db)?;
    let bits = "SELECT id, encode(float8send(f) || float4send(g) || date_send(d) || timestamptz_send(z) || interval_send(i), 'hex') FROM t ORDER BY id";
    ensure!(db.on_source(bits)? == db.on_target(bits)?);
    Ok(())
}

/// T15 and T3: the application truncates, also what foreign keys refer to, and nobody is stopped.
#[test]
fn the_application_goes_on_truncating() -> Result<()> {
    let db = shared_pair(13, 17)?.database("truncating")?;
    let role = db.role("app");
    db.on_source(&format!("CREATE ROLE \"{role}\" LOGIN"))?;
    db.on_target(&format!("CREATE ROLE \"{role}\" LOGIN"))?;
    db.on_source(&format!(
        "CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int PRIMARY KEY, p int REFERENCES parent);
         CREATE TABLE shared (id int PRIMARY KEY);
         ALTER TABLE parent OWNER TO \"{role}\"; ALTER TABLE child OWNER TO \"{role}\"; GRANT INSERT, TRUNCATE ON shared TO PUBLIC;
         INSERT INTO parent SELECT generate_series(1, 10); INSERT INTO child SELECT g, g FROM generate_series(1, 10) g; INSERT INTO shared VALUES (1)"
    ))?;
    // The extension is theirs, and a role uses it.
    let monitor = db.role("monitor");
    db.on_source(&format!(
        "CREATE EXTENSION pglogical; CREATE ROLE \"{monitor}\"; GRANT USAGE ON SCHEMA pglogical TO \"{monitor}\""
    ))?;
    let executable = |role: &str| -> Result<bool> {
        let found = db.on_source(&format!(
            "SELECT has_function_privilege('{role}', 'pglogical.replication_set_remove_table(name, regclass)', 'EXECUTE')::text"
        ))?;
        Ok(found == [[Some("true".to_owned())]])
    };
    ensure!(executable(&role)? && executable(&monitor)?);
    setup(&db).run()?.expect(0)?;
    ensure!(
        !executable(&role)? && executable(&monitor)?,
        "who may truncate may remove tables from the set"
    );
    let mut app = db.source().client_as(&role, db.name())?;
    let denied = app
        .batch_execute("SELECT pglogical.replication_set_remove_table('default', 'parent')")
        .err()
        .and_then(|error| error.code().map(|code| code.code().to_owned()));
    ensure!(denied.as_deref() == Some("42501"), "{denied:?}");
    app.batch_execute("TRUNCATE child, parent; INSERT INTO parent VALUES (77); INSERT INTO child VALUES (1, 77); TRUNCATE shared; INSERT INTO shared VALUES (2)")?;
    drain(&db)?;
    same_rows(&db)?;
    // pglogical looks into its schema at every DROP, on either side.
    let plain = db.role("plain");
    for cluster in [db.source(), db.target()] {
        cluster.sql(db.name(), &format!("CREATE ROLE \"{plain}\" LOGIN"))?;
        let mut other = cluster.client_as(&plain, db.name())?;
        other.batch_execute("CREATE TEMP TABLE mine (a int, b int); ALTER TABLE mine DROP COLUMN b; DROP TABLE mine")?;
        let denied = other.batch_execute("SELECT pglogical.drop_node('x')").err();
        let denied = denied.and_then(|error| error.code().map(|code| code.code().to_owned()));
        ensure!(denied.as_deref() == Some("42501"), "{denied:?}");
    }
    // What was granted is written down, so that it can be rolled back.
    let granted =
        db.on_source("SELECT object FROM pgl.journal WHERE step = 'source.grants' ORDER BY 1")?;
    ensure!(
        granted
            .iter()
            .any(|row| row[0].as_deref() == Some("PUBLIC")),
        "{granted:?}"
    );
    Tool::new(env!("CARGO_BIN_EXE_pgl-teardown"))
        .envs(db.env())
        .args(["--yes", "--drop-held"])
        .run()?
        .expect(0)?;
    // The extension stays, and without the use of its schema TRUNCATE fails: whoever keeps that for TRUNCATE is
    // not given the functions.
    ensure!(
        !executable(&role)? && executable(&monitor)?,
        "USAGE and EXECUTE together are as much as superuser"
    );
    app.batch_execute("TRUNCATE child, parent; TRUNCATE shared")?;
    Ok(())
}

/// K10: a table whose lock cannot be had makes nobody wait behind us.
#[test]
fn a_busy_table_never_queues_behind_us() -> Result<()> {
    let db = shared_pair(13, 17)?.database("busy")?;
    db.on_source("CREATE TABLE t (id int PRIMARY KEY)")?;
    let mut holder = db.source_client()?;
    holder.batch_execute("BEGIN; INSERT INTO t VALUES (1)")?;
    let run = setup(&db).arg("-v").start()?;
    while !run.stderr_so_far().contains("pgl-setup: source.sets\n") {
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut writer = db.source_client()?;
    let mut longest = Duration::ZERO;
    let until = Instant::now() + Duration::from_secs(4);
    let mut id = 1000;
    while Instant::now() < until {
        let begun = Instant::now();
        id += 1;
        writer.execute("INSERT INTO t VALUES ($1)", &[&id])?;
        longest = longest.max(begun.elapsed());
        std::thread::sleep(Duration::from_millis(5));
    }
    ensure!(
        longest < Duration::from_millis(1500),
        "a writer waited {longest:?}"
    );
    holder.batch_execute("COMMIT")?;
    run.wait(PATIENCE)?.expect(0)?;
    drain(&db)?;
    same_rows(&db)
}

/// Role and database settings that would end our sessions, and the holder of the snapshot.
#[test]
fn timeouts_of_the_database_do_not_end_the_copy() -> Result<()> {
    let db = shared_pair(15, 18)?.database("timeouts")?;
    let name = db.name();
    db.on_source("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, repeat('x', 1000) FROM generate_series(1, 20000) g")?;
    for setting in [
        "idle_in_transaction_session_timeout",
        "statement_timeout",
        "lock_timeout",
        "idle_session_timeout",
    ] {
        db.on_source(&format!(
            "ALTER DATABASE \"{name}\" SET {setting} = '100ms'"
        ))?;
    }
    setup(&db).run()?.expect(0)?;
    // For the test's own sessions.
    db.on_source(&format!("ALTER DATABASE \"{name}\" RESET ALL"))?;
    db.on_source("UPDATE t SET v = 'y' WHERE id % 2 = 0")?;
    drain(&db)?;
    same_rows(&db)
}

/// K7: conflict settings under which replicated updates would be thrown away.
#[test]
fn conflict_settings_that_lose_updates_are_refused() -> Result<()> {
    let db = shared_pair(13, 17)?.database("conflicts")?;
    let name = db.name();
    db.on_source("CREATE TABLE t (id int PRIMARY KEY)")?;
    db.on_target(&format!(
        "ALTER DATABASE \"{name}\" SET pglogical.conflict_resolution = 'last_update_wins'"
    ))?;
    let out = setup(&db)
        .args(["--force", "conf.conflict_resolution"])
        .run()?
        .expect(6)?;
    ensure!(out.stdout.contains("conflict_resolution"), "{}", out.stdout);
    db.on_target(&format!(
        "ALTER DATABASE \"{name}\" RESET pglogical.conflict_resolution"
    ))?;
    setup(&db).run()?.expect(0)?;
    Ok(())
}

/// Triggers that fire for replicated rows are there, and silent, and written down.
#[test]
fn loud_triggers_stay_silent_until_the_cutover() -> Result<()> {
    let db = shared_pair(13, 17)?.database("loud")?;
    db.on_source(
        "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE log (id serial PRIMARY KEY, what text);
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.log (what) VALUES (TG_NAME); RETURN NULL; END';
         CREATE TRIGGER loud AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note();
         ALTER TABLE t ENABLE ALWAYS TRIGGER loud;
         INSERT INTO t SELECT generate_series(1, 5)",
    )?;
    setup(&db).run()?.expect(0)?;
    db.on_source("INSERT INTO t SELECT generate_series(6, 9)")?;
    drain(&db)?;
    same_rows(&db)?;
    let noted = db.on_target("SELECT detail->>'name', detail->>'enabled' FROM pgl.journal WHERE step = 'target.triggers' AND object <> ''")?;
    ensure!(
        noted == [[Some("loud".to_owned()), Some("A".to_owned())]],
        "{noted:?}"
    );
    Ok(())
}

/// A database that does not exist yet is made with the source's encoding and locale.
#[test]
fn a_missing_database_is_created() -> Result<()> {
    let db = shared_pair(13, 17)?.database("missing")?;
    db.on_source("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")?;
    let fresh = format!("{}_fresh", db.name());
    let target = db.target().dsn(&fresh);
    let examined = Tool::new(env!("CARGO_BIN_EXE_pgl-preflight"))
        .envs(db.env())
        .env("PGL_TARGET", &target)
        .args(["--format", "json"])
        .run()?
        .expect(0)?;
    let found = examined.document()?;
    let finding = found["findings"].as_array().and_then(|all| {
        all.iter()
            .find(|finding| finding["id"] == "conn.target_database")
    });
    ensure!(
        finding.is_some_and(|finding| finding["object"] == fresh.as_str()),
        "{found:#}"
    );
    setup(&db)
        .env("PGL_TARGET", &target)
        .args(["--plan", "-"])
        .stdin(examined.stdout)
        .run()?
        .expect(0)?;
    db.target()
        .wait_until(&fresh, "SELECT count(*) = 1 FROM t", PATIENCE)?;
    let locale = "SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = current_database()";
    ensure!(db.on_source(locale)? == db.target().sql(&fresh, locale)?);
    // Its subscription must not outlive the test's own database.
    db.target().sql(
        &fresh,
        &format!("SELECT pglogical.drop_subscription('pgl_{}')", db.name()),
    )?;
    Ok(())
}

/// Only what changes from now on: rows that exist stay where they are.
#[test]
fn no_copy_carries_changes_only() -> Result<()> {
    let db = shared_pair(13, 17)?.database("no_copy")?;
    db.on_source("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")?;
    setup(&db).args(["--copy", "none"]).run()?.expect(0)?;
    db.on_source("INSERT INTO t VALUES (2)")?;
    drain(&db)?;
    ensure!(db.on_target("SELECT id FROM t ORDER BY 1")? == [[Some("2".to_owned())]]);
    Ok(())
}

/// A role that may neither write pglogical's catalog nor make replication origins.
#[test]
fn where_rights_are_missing_public_functions_do() -> Result<()> {
    use pgl_testkit::load::{self, Load};
    let db = shared_pair(13, 17)?.database("public_way")?;
    let (role, name) = (db.role("mover"), db.name());
    db.on_source(&format!("CREATE ROLE \"{role}\""))?;
    db.on_target(&format!(
        "CREATE ROLE \"{role}\" LOGIN; CREATE EXTENSION pglogical;
         GRANT SET ON PARAMETER session_replication_role TO \"{role}\";
         GRANT CREATE ON DATABASE \"{name}\" TO \"{role}\"; ALTER SCHEMA public OWNER TO \"{role}\";
         GRANT USAGE ON SCHEMA pglogical TO \"{role}\"; GRANT SELECT ON ALL TABLES IN SCHEMA pglogical TO \"{role}\""
    ))?;
    db.on_source(&format!("SET ROLE NONE; {}", load::SCHEMA))?;
    db.on_source(&format!(
        "DO $$ DECLARE t record; BEGIN
           FOR t IN SELECT c.oid::regclass AS name FROM pg_class c WHERE relnamespace = 'load'::regnamespace AND relkind = 'r' LOOP
             EXECUTE format('ALTER TABLE %s OWNER TO \"{role}\"', t.name);
           END LOOP;
         END $$; ALTER SCHEMA load OWNER TO \"{role}\"; ALTER SCHEMA public OWNER TO \"{role}\""
    ))?;
    let writers = Load::new().workers(2).start(&[db.source_dsn()])?;
    writers.wait_for(50, PATIENCE)?;
    let run = || -> Result<Tool> {
        Ok(setup(&db)
            .env("PGL_TARGET", db.target().dsn_as(&role, name))
            .args(["--force", "role.superuser_or_equiv,role.origin_functions,role.pglogical_schema_usage,role.owner_of_tables"]))
    };
    // Killed once in the copy: the half-made subscription is taken up again.
    let first = run()?.arg("-v").start()?;
    while !first.stderr_so_far().contains("pgl-setup: copy\n") {
        ensure!(
            !first.stderr_so_far().contains("error:"),
            "{}{}",
            first.stderr_so_far(),
            first.stdout_so_far()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(700));
    first.kill9()?;
    let out = run()?.run()?.expect(0)?;
    let what = out.document()?["steps"].to_string();
    ensure!(what.contains("by public functions"), "{what}");
    writers.wait_for(50, PATIENCE)?;
    let ledger = writers.stop()?;
    drain(&db)?;
    same_rows(&db)?;
    ledger.check(&mut db.target_client()?)
}

/// K6: a subscription that waits for its start would drop our slot and make another one.
#[test]
fn a_subscription_of_somebody_else_keeps_us_from_making_a_slot() -> Result<()> {
    let db = shared_pair(13, 17)?.database("theirs")?;
    db.on_source("CREATE TABLE t (id int PRIMARY KEY)")?;
    setup(&db)
        .args(["--until", "target.node"])
        .run()?
        .expect(0)?;
    // Disabled in the transaction that makes it: no worker ever sees it enabled, and it stays as it began.
    let (dsn, name) = (db.source_dsn(), db.name());
    db.on_target(&format!(
        "BEGIN; SELECT pglogical.create_subscription('pgl_{name}', $d${dsn} application_name=theirs$d$, '{{default}}', false, false);
         SELECT pglogical.alter_subscription_disable('pgl_{name}', false); COMMIT"
    ))?;
    let status = "SELECT sync_status FROM pglogical.local_sync_status WHERE sync_relname IS NULL";
    ensure!(db.target().value(name, status)? == "i");
    let out = setup(&db).run()?.expect(5)?;
    ensure!(out.stdout.contains("is not synchronised"), "{}", out.stdout);
    let document = out.document()?;
    ensure!(state(&document, "copy")? == "failed", "{document:#}");
    Ok(())
}
