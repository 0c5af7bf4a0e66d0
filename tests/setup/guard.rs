//! What is refused before the source is changed: names that the target's server lacks, statements that it does not accept.

use anyhow::{Result, ensure};
use pgl_testkit::{PairDb, Tool, shared_pair};

use super::support::{PATIENCE, definition_differences, drain, same_rows, setup};
use crate::common::Documented;

/// Nothing of ours is on the source, and no temporary database is left on the target's server.
fn untouched(db: &PairDb) -> Result<()> {
    let found = db.source().value(
        db.name(),
        "SELECT count(*) FROM pg_namespace WHERE nspname IN ('pgl', 'pglogical')",
    )?;
    ensure!(found == "0", "the source was changed");
    // Other tests have theirs for a moment.
    db.target().wait_until(
        db.name(),
        "SELECT NOT EXISTS (SELECT FROM pg_database WHERE datname ~ '^pgl_trial_')",
        PATIENCE,
    )?;
    Ok(())
}

/// Each statement that the target does not accept is named, and what depends on it is not; without them the same command succeeds.
#[test]
fn what_the_target_does_not_accept_is_known_first() -> Result<()> {
    // In a transaction.
    what_the_target_does_not_accept(&shared_pair(13, 17)?.database("refused")?)?;
    // In a database of its own, after a run that was killed.
    let db = shared_pair(13, 18)?.database("refused")?;
    db.on_source("CREATE VIEW vb AS SELECT checkpoints_timed FROM pg_stat_bgwriter")?;
    db.on_target("CREATE DATABASE pgl_trial_4194305")?;
    let missing = db.target().dsn(&format!("{}_missing", db.name()));
    let refused = setup(&db).env("PGL_TARGET", missing).run()?.expect(5)?;
    ensure!(
        refused.stdout.contains("VIEW public.vb")
            && refused.stdout.contains("a temporary database"),
        "{}",
        refused.stdout
    );
    untouched(&db)?;
    // What is there already is known, too.
    db.on_source("DROP VIEW vb; CREATE SCHEMA kept; CREATE TABLE kept.t (id int PRIMARY KEY)")?;
    db.on_target("CREATE SCHEMA kept")?;
    let refused = setup(&db).run()?.expect(5)?;
    ensure!(
        refused.stdout.contains("42P06") && refused.stdout.contains("a transaction"),
        "{}",
        refused.stdout
    );
    untouched(&db)
}

fn what_the_target_does_not_accept(db: &PairDb) -> Result<()> {
    db.on_source(
        "CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'x');
         CREATE VIEW vb AS SELECT checkpoints_timed FROM pg_stat_bgwriter; CREATE VIEW above AS SELECT * FROM vb;
         CREATE FUNCTION ff() RETURNS int LANGUAGE sql SET force_parallel_mode = on AS 'SELECT 1';
         CREATE VIEW fact AS SELECT (id::bigint !) AS f FROM t",
    )?;
    // Also where this run ends before the schema.
    let until = ["--format", "json", "--until", "source.extension"];
    let refused = setup(db).args(until).run()?.expect(5)?;
    let text = refused.document()?.to_string();
    for (object, state) in [
        ("VIEW public.vb", "42703"),
        ("FUNCTION public.ff()", "42704"),
        ("VIEW public.fact", "42601"),
    ] {
        ensure!(
            text.contains(object) && text.contains(state),
            "{object}: {text}"
        );
    }
    ensure!(!text.contains("public.above"), "{text}");
    untouched(db)?;
    db.on_source("DROP VIEW above, vb, fact; DROP FUNCTION ff()")?;
    setup(db).run()?.expect(0)?;
    drain(db)?;
    same_rows(db)
}

/// Where processes of another migration have nothing to do, DROP DATABASE on a server of 15 to 17 does not end.
#[test]
fn a_second_migration_to_one_server_is_tried_like_the_first() -> Result<()> {
    for target in [15, 17] {
        let pair = shared_pair(13, target)?;
        let (first, second) = (pair.database("first")?, pair.database("second")?);
        for db in [&first, &second] {
            db.on_source("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")?;
            let out = setup(db).run()?.expect(0)?;
            ensure!(
                out.stdout.contains("; the target accepts "),
                "{target}: {}",
                out.stdout
            );
            drain(db)?;
        }
    }
    Ok(())
}

/// Roles and tablespaces that the target's server lacks; each has an option to go on.
#[test]
fn names_that_the_target_lacks_are_known_first() -> Result<()> {
    let db = shared_pair(13, 17)?.database("lacking")?;
    let (role, space) = (db.role("owner"), db.role("space"));
    let place = db
        .source()
        .value(db.name(), "SELECT current_setting('data_directory')")?;
    db.on_source(&format!(
        // A program that does not read what it is given breaks the pipe.
        "COPY (SELECT 1) TO PROGRAM 'cat && mkdir \"{place}/../{space}\"'"
    ))?;
    db.on_source(&format!(
        "CREATE TABLESPACE \"{space}\" LOCATION '{place}/../{space}'"
    ))?;
    db.on_source(&format!(
        "CREATE ROLE \"{role}\";
         CREATE TABLE t (id int PRIMARY KEY) TABLESPACE \"{space}\"; ALTER TABLE t OWNER TO \"{role}\";
         CREATE VIEW v AS SELECT * FROM t; GRANT SELECT ON v TO \"{role}\";
         CREATE POLICY p ON t TO \"{role}\" USING (true); INSERT INTO t VALUES (1)"
    ))?;
    for (arguments, lacks) in [(&[][..], &role), (&["--roles", "copy"], &space)] {
        for more in [&[][..], &["--dry-run"]] {
            let refused = setup(&db)
                .args(arguments)
                .args(more)
                .args(["--format", "json"])
                .run()?;
            let text = refused.expect(5)?.document()?.to_string();
            ensure!(text.contains(&**lacks), "{lacks}: {text}");
        }
        untouched(&db)?;
    }
    setup(&db)
        .args(["--roles", "copy", "--no-tablespaces"])
        .run()?
        .expect(0)?;
    untouched_target(&db)?;
    let differences = definition_differences(&db, false)?;
    ensure!(differences.is_empty(), "{differences:#?}");
    drain(&db)?;
    same_rows(&db)
}

/// `--roles skip` leaves out what names a role that the target lacks, all of it and nothing else, and says so.
#[test]
fn what_names_missing_roles_is_left_out() -> Result<()> {
    let db = shared_pair(13, 17)?.database("roleless")?;
    // Roles are the source's alone.
    let (own, app, extended) = (db.role("own"), db.role("app"), db.role("extended"));
    let objects = "CREATE SCHEMA s; CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'x');
         CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; REVOKE EXECUTE ON FUNCTION f() FROM PUBLIC;
         CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw;
         GRANT UPDATE (a) ON t TO pg_monitor; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO pg_monitor;
         CREATE POLICY q ON t TO pg_monitor USING (a <> 'TO \"x\"');";
    db.on_source(&format!(
        "CREATE ROLE \"{own}\"; CREATE ROLE \"{app}\" LOGIN; {objects}
         ALTER SCHEMA s OWNER TO \"{own}\"; ALTER TABLE t OWNER TO \"{own}\"; ALTER FUNCTION f() OWNER TO \"{own}\";
         ALTER DEFAULT PRIVILEGES FOR ROLE \"{own}\" GRANT SELECT ON TABLES TO PUBLIC;
         GRANT SELECT, UPDATE (a) ON t TO \"{app}\"; GRANT EXECUTE ON FUNCTION f() TO \"{app}\";
         ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO \"{app}\";
         ALTER POLICY q ON t TO pg_monitor, \"{app}\"; CREATE POLICY p ON t TO \"{app}\"; COMMENT ON POLICY p ON t IS 'of one';
         CREATE USER MAPPING FOR \"{app}\" SERVER far OPTIONS (user 'TO');
         CREATE VIEW g AS SELECT 1 AS one; CREATE VIEW h AS SELECT 2 AS two; GRANT SELECT ON g, h TO \"{app}\" WITH GRANT OPTION;
         SET ROLE \"{app}\"; GRANT SELECT ON g TO \"{own}\"; GRANT SELECT ON h TO pg_monitor; RESET ROLE;
         CREATE ROLE \"{extended}\"; GRANT EXECUTE ON FUNCTION postgres_fdw_handler() TO \"{extended}\""
    ))?;
    // A second run leaves out the same, and no more.
    (setup(&db)
        .args(["--roles", "skip", "--until", "target.schema"])
        .run()?)
    .expect(0)?;
    let out = setup(&db)
        .args(["--roles", "skip", "--format", "json"])
        .run()?
        .expect(0)?;
    let left_out = out.document()?["plan"]["without_roles"].to_string();
    for wanted in [
        format!("OWNER {own} of TABLE public.t"),
        format!("OWNER {own} of SCHEMA s"),
        format!("TO {app} in POLICY public.t q"),
        "POLICY public.t p".to_owned(),
        "ACL public.TABLE \\\"g\\\"".to_owned(),
        format!("GRANTOR {app} in ACL public.TABLE \\\"h\\\""),
        "ACL public.FUNCTION \\\"postgres_fdw_handler\\\"()".to_owned(),
    ] {
        ensure!(left_out.contains(&wanted), "{wanted}: {left_out}");
    }
    // It is reported until it was done, also when the role is there, and when what is there was recorded.
    db.on_target(&format!(
        "CREATE ROLE \"{own}\"; ALTER TABLE t OWNER TO \"{own}\""
    ))?;
    for step in ["target.properties", "target.definitions"] {
        setup(&db).args(["--step", step]).run()?.expect(0)?;
        let status = Tool::new(env!("CARGO_BIN_EXE_pgl-status")).envs(db.env());
        let status = (status.args(["--definitions", "--format", "json"]).run()?).expect(0)?;
        let notes = status.document()?["notes"].to_string();
        ensure!(
            notes.contains(&format!("OWNER {own} of SCHEMA s"))
                && !notes.contains(&format!("OWNER {own} of TABLE")),
            "{step}: {notes}"
        );
    }
    db.on_target(&format!("REASSIGN OWNED BY \"{own}\" TO postgres"))?;
    // The source without them is what the target has.
    db.on_source(&format!(
        "REASSIGN OWNED BY \"{own}\" TO postgres; DROP OWNED BY \"{own}\", \"{app}\", \"{extended}\"; GRANT SELECT ON h TO pg_monitor"
    ))?;
    let differences = definition_differences(&db, false)?;
    ensure!(differences.is_empty(), "{differences:#?}");
    drain(&db)?;
    same_rows(&db)
}

fn untouched_target(db: &PairDb) -> Result<()> {
    let owner = db.on_target(
        "SELECT tableowner, coalesce(tablespace, 'default') FROM pg_tables WHERE tablename = 't'",
    )?;
    ensure!(format!("{owner:?}").contains("default"), "{owner:?}");
    Ok(())
}

/// A statement that failed is fixed on the source, and the same command goes on: in the step that creates the schema, and after the copy.
#[test]
fn what_failed_is_read_from_the_source_again() -> Result<()> {
    let db = shared_pair(13, 17)?.database("again")?;
    db.on_source(
        "CREATE TABLE t (id int PRIMARY KEY, a text, r int REFERENCES t); INSERT INTO t VALUES (1, 'x', 1);
         CREATE VIEW vb AS SELECT checkpoints_timed FROM pg_stat_bgwriter; CREATE VIEW above AS SELECT * FROM vb;
         CREATE FUNCTION picky(text) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
             'BEGIN IF current_setting(''server_version_num'')::int > 150000 THEN RAISE ''not here''; END IF; RETURN 1; END';
         CREATE FUNCTION old(text) RETURNS text LANGUAGE sql IMMUTABLE SET force_parallel_mode = off AS 'SELECT $1'",
    )?;
    let failed = setup(&db).arg("--no-trial").run()?.expect(6)?;
    ensure!(
        failed.stdout.contains("VIEW public.vb"),
        "{}",
        failed.stdout
    );
    db.on_source(
        "DROP VIEW above, vb; ALTER FUNCTION old(text) RESET ALL; CREATE VIEW vb AS SELECT 1 AS one;
         CREATE INDEX broken ON t (picky(a))",
    )?;
    let failed = setup(&db).run()?.expect(6)?;
    ensure!(
        failed.stdout.contains("INDEX public.broken"),
        "{}",
        failed.stdout
    );
    db.on_source("DROP INDEX broken; CREATE INDEX mended ON t (old(a))")?;
    setup(&db).run()?.expect(0)?;
    let differences = definition_differences(&db, false)?;
    ensure!(differences.is_empty(), "{differences:#?}");
    let keys = db.target().value(
        db.name(),
        "SELECT count(*) FROM pgl.held WHERE kind = 'FK CONSTRAINT' AND done IS NULL",
    )?;
    ensure!(keys == "1", "{keys} foreign keys wait for the cutover");
    drain(&db)?;
    same_rows(&db)
}

/// Two operators of one name, of which the second fails at first; and a view that is dropped before the end is reported.
#[test]
fn a_run_that_goes_on_makes_each_object_of_one_name() -> Result<()> {
    for (source, target) in [(13, 17), (17, 18)] {
        let db = shared_pair(source, target)?.database("twins")?;
        db.on_source(
            "CREATE FUNCTION a_op(int, int) RETURNS int LANGUAGE sql AS 'SELECT 1';
             CREATE FUNCTION b_op(text, text) RETURNS int LANGUAGE sql AS 'SELECT 1';
             CREATE OPERATOR === (FUNCTION = a_op, LEFTARG = int, RIGHTARG = int);
             CREATE OPERATOR === (FUNCTION = b_op, LEFTARG = text, RIGHTARG = text);
             CREATE VIEW seen AS SELECT 1 AS one; CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1);
             CREATE VIEW grown AS SELECT id FROM t",
        )?;
        db.on_target(
            "CREATE FUNCTION once() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN
                 IF tg_tag = 'CREATE OPERATOR' AND (SELECT count(*) FROM pg_operator WHERE oprname = '===') > 0
                 THEN RAISE 'not yet'; END IF; END$$;
             CREATE EVENT TRIGGER once ON ddl_command_start EXECUTE FUNCTION once();
             ALTER EVENT TRIGGER once ENABLE ALWAYS",
        )?;
        let failed = setup(&db).arg("--no-trial").run()?.expect(6)?;
        ensure!(
            failed.stdout.contains("OPERATOR public.==="),
            "{}",
            failed.stdout
        );
        db.on_target("DROP EVENT TRIGGER once; DROP FUNCTION once()")?;
        setup(&db).args(["--until", "copy"]).run()?.expect(0)?;
        let operators = "SELECT count(*) FROM pg_operator WHERE oprname = '==='";
        ensure!(db.target().value(db.name(), operators)? == "2");
        db.on_target("DROP VIEW seen")?;
        // What both sides change meanwhile is no difference, in whatever form each server writes it.
        let grown = "CREATE OR REPLACE VIEW grown AS SELECT id, id + 1 AS next FROM t";
        db.on_source(grown)?;
        db.on_target(grown)?;
        setup(&db).run()?.expect(0)?;
        let status = || {
            Tool::new(env!("CARGO_BIN_EXE_pgl-status"))
                .envs(db.env())
                .args(["--definitions", "--format", "json"])
                .run()
        };
        let found = status()?.expect(1)?.document()?["definitions"].to_string();
        ensure!(
            found.contains("\"VIEW public.seen\"") && !found.contains("public.grown"),
            "{found}"
        );
        setup(&db)
            .args(["--step", "target.definitions"])
            .run()?
            .expect(0)?;
        status()?.expect(0)?;
    }
    Ok(())
}

/// An object is left out with what depends on it, also by later runs that do not say so, and the plan has it.
#[test]
fn an_object_is_left_out_on_request() -> Result<()> {
    let db = shared_pair(13, 17)?.database("left_out")?;
    db.on_source(
        "CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'x');
         CREATE VIEW vb AS SELECT checkpoints_timed FROM pg_stat_bgwriter; CREATE VIEW above AS SELECT * FROM vb;
         COMMENT ON VIEW above IS 'c'; CREATE VIEW good AS SELECT * FROM t; CREATE INDEX broken ON t ((a || 'y'))",
    )?;
    let unknown = setup(&db)
        .args(["--exclude-object", "VIEW public.vx"])
        .run()?
        .expect(5)?;
    ensure!(
        unknown.stdout.contains("VIEW public.vx"),
        "{}",
        unknown.stdout
    );
    untouched(&db)?;
    setup(&db)
        .args([
            "--exclude-object",
            "VIEW public.vb",
            "--until",
            "target.schema",
        ])
        .run()?
        .expect(0)?;
    let out = setup(&db)
        .args([
            "--exclude-object",
            "INDEX public.broken",
            "--format",
            "json",
        ])
        .run()?
        .expect(0)?;
    let excluded = out.document()?["plan"]["excluded_objects"].to_string();
    for label in ["VIEW public.vb", "VIEW public.above", "INDEX public.broken"] {
        ensure!(excluded.contains(label), "{label}: {excluded}");
    }
    let there = db.on_target(
        "SELECT relname FROM pg_class WHERE relname IN ('vb', 'above', 'good', 'broken')",
    )?;
    ensure!(there == [[Some("good".to_owned())]], "{there:?}");
    drain(&db)?;
    same_rows(&db)
}
