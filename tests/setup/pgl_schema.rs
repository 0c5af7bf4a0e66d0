//! Schema `pgl` in the hands of other roles: what they planted there is neither executed nor believed.

use anyhow::{Result, ensure};
use pgl_testkit::{PairDb, Tool, shared_pair};

use super::support::{drain, same_rows, setup};
use crate::common::{PLAN, PROGRAMS};

/// The suite's own script, as anybody can read it.
const SCRIPT: &str = include_str!("../../crates/pgl-apply/sql/own_schema.sql");

fn is_superuser(db: &PairDb, role: &str) -> Result<bool> {
    let sql = format!("SELECT rolsuper::text FROM pg_roles WHERE rolname = '{role}'");
    let found = [db.on_source(&sql)?, db.on_target(&sql)?];
    ensure!(found.iter().any(|rows| !rows.is_empty()), "no role {role}");
    Ok(found
        .iter()
        .flatten()
        .flatten()
        .any(|cell| cell.as_deref() == Some("true")))
}

/// Runs SQL as a role that may create schemas and nothing else.
fn as_role(role: &str, sql: &str) -> String {
    format!("SET ROLE \"{role}\"; {sql}; RESET ROLE")
}

/// Every program that reads or writes the schema refuses, and names it.
fn all_refuse(db: &PairDb, plan: &str) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("plan.json");
    std::fs::write(&file, plan)?;
    for program in PROGRAMS {
        if ["pgl-preflight", "pgl-seqsync", "pgl-status"].contains(&program.name) {
            continue;
        }
        let arguments = match program.name {
            "pgl-verify" => vec!["--mode", "live"],
            "pgl-setup" => vec!["--plan", PLAN],
            _ => program.looking.to_vec(),
        };
        let arguments = arguments.into_iter().map(|argument| match argument {
            PLAN => file.display().to_string(),
            other => other.to_owned(),
        });
        let out = Tool::new(program.path)
            .envs(db.env())
            .args(arguments)
            .run()?;
        let all = format!("{}{}", out.stdout, out.stderr);
        ensure!(
            out.code() == Some(5) && all.contains("pgl"),
            "{}: {:?}\n{all}",
            program.name,
            out.code()
        );
    }
    Ok(())
}

/// A role that may create a schema makes it before pgl-setup does, with a statement that would make it a superuser.
#[test]
fn statements_in_a_planted_schema_are_never_executed() -> Result<()> {
    let db = shared_pair(13, 17)?.database("planted")?;
    let (mallory, name) = (db.role("mallory"), db.name());
    db.on_source("CREATE TABLE t (id int PRIMARY KEY)")?;
    let plan = setup(&db).arg("--dry-run").run()?.expect(0)?.stdout;
    db.on_target(&format!(
        "CREATE ROLE \"{mallory}\"; GRANT CREATE ON DATABASE \"{name}\" TO \"{mallory}\""
    ))?;
    db.on_target(&as_role(&mallory, &format!(
        "{SCRIPT}; INSERT INTO pgl.journal (migration, step, object, detail) VALUES ('{name}', 'target.schema', '', 'null');
         INSERT INTO pgl.held VALUES ('{name}', 1, 1, 'target.schema', 'TABLE', 'TABLE t', 'ALTER ROLE \"{mallory}\" SUPERUSER', '{{}}', 0)"
    )))?;
    let out = setup(&db)
        .args(["--force", "obj.schema_pgl"])
        .run()?
        .expect(5)?;
    let said = format!("{}{}", out.stdout, out.stderr);
    ensure!(
        said.contains("neither the connected role nor a superuser"),
        "{said}"
    );
    all_refuse(&db, &plan)?;
    ensure!(!is_superuser(&db, &mallory)?, "the statement was executed");
    Ok(())
}

/// A view in place of a table runs its functions as whoever reads it.
#[test]
fn a_view_in_place_of_a_table_is_never_read() -> Result<()> {
    let db = shared_pair(13, 17)?.database("planted_view")?;
    let (mallory, name) = (db.role("mallory"), db.name());
    db.on_source("CREATE TABLE t (id int PRIMARY KEY)")?;
    let plan = setup(&db).arg("--dry-run").run()?.expect(0)?.stdout;
    db.on_target(&format!(
        "CREATE ROLE \"{mallory}\"; GRANT CREATE ON DATABASE \"{name}\" TO \"{mallory}\""
    ))?;
    db.on_target(&as_role(&mallory, &format!(
        "CREATE SCHEMA pgl; COMMENT ON SCHEMA pgl IS 'pgl: made to look alike';
         CREATE FUNCTION pgl.f() RETURNS text LANGUAGE plpgsql AS $f$ BEGIN EXECUTE 'ALTER ROLE \"{mallory}\" SUPERUSER'; RETURN 'x'; END $f$;
         CREATE VIEW pgl.journal AS SELECT pgl.f() AS migration, pgl.f() AS step, pgl.f() AS object, NULL::json AS detail, now() AS at;
         CREATE TABLE pgl.marker (name text, token text); CREATE TABLE pgl.held (migration text)"
    )))?;
    setup(&db).run()?.expect(5)?;
    all_refuse(&db, &plan)?;
    ensure!(!is_superuser(&db, &mallory)?, "the view was read");
    Ok(())
}

/// Once the schema exists, somebody lets another role write to it, or attach a trigger.
#[test]
fn rights_of_others_in_our_schema_stop_every_tool() -> Result<()> {
    let db = shared_pair(13, 17)?.database("lent")?;
    let mallory = db.role("mallory");
    db.on_source("CREATE TABLE t (id int PRIMARY KEY)")?;
    let plan = setup(&db).run()?.expect(0)?.stdout;
    for (open, close) in [
        (
            format!("GRANT INSERT ON pgl.held TO \"{mallory}\""),
            format!("REVOKE INSERT ON pgl.held FROM \"{mallory}\""),
        ),
        (
            "GRANT CREATE ON SCHEMA pgl TO PUBLIC".to_owned(),
            "REVOKE CREATE ON SCHEMA pgl FROM PUBLIC".to_owned(),
        ),
        (
            format!("GRANT UPDATE (sql) ON pgl.held TO \"{mallory}\""),
            format!("REVOKE UPDATE (sql) ON pgl.held FROM \"{mallory}\""),
        ),
        (
            "CREATE TABLE public.child () INHERITS (pgl.journal)".to_owned(),
            "DROP TABLE public.child".to_owned(),
        ),
        (
            "GRANT CREATE ON SCHEMA pglogical TO PUBLIC".to_owned(),
            "REVOKE CREATE ON SCHEMA pglogical FROM PUBLIC".to_owned(),
        ),
    ] {
        db.on_target(&format!(
            "DO $$ BEGIN CREATE ROLE \"{mallory}\"; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        ))?;
        db.on_target(&open)?;
        let out = setup(&db).run()?;
        let said = format!("{}{}", out.stdout, out.stderr);
        ensure!(
            out.code() == Some(5) && said.contains("cannot be trusted"),
            "{open}: {:?} {said}",
            out.code()
        );
        db.on_target(&close)?;
    }
    // On the source: a trigger of a role that was lent the right, which would run as whoever writes the marker.
    db.on_source(&format!(
        "CREATE ROLE \"{mallory}\"; GRANT USAGE ON SCHEMA pgl TO \"{mallory}\"; GRANT TRIGGER ON pgl.marker TO \"{mallory}\";
         CREATE SCHEMA theirs AUTHORIZATION \"{mallory}\""
    ))?;
    db.on_source(&as_role(&mallory, &format!(
        "CREATE FUNCTION theirs.f() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN EXECUTE 'ALTER ROLE \"{mallory}\" SUPERUSER'; RETURN NEW; END $f$;
         CREATE TRIGGER planted BEFORE INSERT OR UPDATE ON pgl.marker FOR EACH ROW EXECUTE FUNCTION theirs.f()"
    )))?;
    db.on_source(&format!("REVOKE TRIGGER ON pgl.marker FROM \"{mallory}\""))?;
    all_refuse(&db, &plan)?;
    ensure!(!is_superuser(&db, &mallory)?, "the trigger ran");
    db.on_source("DROP TRIGGER planted ON pgl.marker")?;
    setup(&db).run()?.expect(0)?;
    drain(&db)?;
    same_rows(&db)
}

/// Default privileges of the role that sets up reach new tables by themselves: they are revoked at once, those of pglogical
/// too, whose apply worker executes as a superuser what is in its queue.
#[test]
fn default_privileges_do_not_reach_our_tables() -> Result<()> {
    let db = shared_pair(13, 17)?.database("defaults")?;
    let app = db.role("app");
    db.on_source("CREATE TABLE t (id int PRIMARY KEY)")?;
    let lend = format!(
        "CREATE ROLE \"{app}\" LOGIN; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC, \"{app}\"; \
         ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO \"{app}\"; ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO PUBLIC"
    );
    db.on_source(&lend)?;
    db.on_target(&lend)?;
    setup(&db).run()?.expect(0)?;
    let lent = "SELECT (SELECT count(*) FROM pg_class c, aclexplode(c.relacl) a
                         WHERE c.relnamespace IN ('pgl'::regnamespace, 'pglogical'::regnamespace) AND a.grantee <> c.relowner)
                     + (SELECT count(*) FROM pg_proc p, aclexplode(p.proacl) a
                         WHERE p.pronamespace = 'pglogical'::regnamespace AND a.grantee <> p.proowner)";
    for found in [db.on_source(lent)?, db.on_target(lent)?] {
        ensure!(found == [[Some("0".to_owned())]], "{found:?}");
    }
    let queue =
        "INSERT INTO pglogical.queue (queued_at, role, replication_sets, message_type, message)
                 VALUES (now(), 'postgres', '{default}', 'Q', to_json('SELECT 1'::text))";
    let refused = db
        .source()
        .client_as(&app, db.name())?
        .batch_execute(queue)
        .err();
    let state = refused.and_then(|error| error.code().map(|code| code.code().to_owned()));
    ensure!(state.as_deref() == Some("42501"), "{state:?}");
    Ok(())
}

/// An extension that was there before, with privileges that reach the other side's superuser: refused by name until they
/// are revoked as the hint says.
#[test]
fn who_may_write_pglogical_s_tables_is_named_and_refused() -> Result<()> {
    let db = shared_pair(15, 18)?.database("lent")?;
    let app = db.role("app");
    db.on_source("CREATE TABLE t (id int PRIMARY KEY)")?;
    db.on_source(&format!(
        "CREATE ROLE \"{app}\"; CREATE EXTENSION pglogical; GRANT SELECT ON ALL TABLES IN SCHEMA pglogical TO \"{app}\""
    ))?;
    for (grant, privilege) in [
        (
            "INSERT ON pglogical.queue",
            "INSERT on relation pglogical.queue",
        ),
        (
            "UPDATE (message) ON pglogical.queue",
            "UPDATE on relation pglogical.queue, column message",
        ),
    ] {
        db.on_source(&format!("GRANT {grant} TO \"{app}\""))?;
        let out = Tool::new(env!("CARGO_BIN_EXE_pgl-preflight"))
            .envs(db.env())
            .args(["--format", "json"])
            .run()?
            .expect(1)?;
        let found = format!("role \\\"{app}\\\" has {privilege}");
        ensure!(out.stdout.contains(&found), "{found}: {}", out.stdout);
        let out = setup(&db)
            .args(["--force", "obj.schema_pglogical", "--format", "json"])
            .run()?;
        let said = format!("{}{}", out.stdout, out.stderr);
        ensure!(
            matches!(out.code(), Some(5 | 6)) && said.contains(privilege),
            "{said}"
        );
        let hint = said
            .split("REVOKE ALL ON ALL TABLES")
            .nth(1)
            .and_then(|rest| rest.split(" (ALTER DEFAULT").next())
            .map(|rest| format!("REVOKE ALL ON ALL TABLES{}", rest.replace('\\', "")))
            .unwrap_or_default();
        db.on_source(&hint)?;
    }
    setup(&db).run()?.expect(0)?;
    Ok(())
}

/// CREATE EXTENSION takes a schema that exists with its owner, who could put functions beside pglogical's: overloads that
/// the tools' calls meet first.
#[test]
fn a_schema_pglogical_of_somebody_else_is_not_taken_over() -> Result<()> {
    for side in ["source", "target"] {
        let db = shared_pair(13, 17)?.database("adopted")?;
        let mallory = db.role("mallory");
        db.on_source("CREATE TABLE t (id int PRIMARY KEY)")?;
        let planted = format!(
            "CREATE ROLE \"{mallory}\"; CREATE SCHEMA pglogical AUTHORIZATION \"{mallory}\""
        );
        match side {
            "source" => db.on_source(&planted)?,
            _ => db.on_target(&planted)?,
        };
        let words = format!(
            "schema \\\"pglogical\\\" cannot be trusted, none of its functions is called: schema pglogical is owned by role \\\"{mallory}\\\""
        );
        let found = Tool::new(env!("CARGO_BIN_EXE_pgl-preflight"))
            .envs(db.env())
            .args(["--format", "json"])
            .run()?
            .expect(1)?;
        let finding = found.json()?["findings"]
            .as_array()
            .and_then(|all| {
                all.iter()
                    .find(|one| one["id"] == "obj.schema_pglogical" && one["side"] == side)
            })
            .map(ToString::to_string)
            .unwrap_or_default();
        ensure!(
            finding.contains(&words) && finding.contains("\"block\""),
            "{side}: {finding}"
        );
        // The document blocks; and so does the first step that would take the schema over.
        setup(&db).run()?.expect(5)?;
        let out = setup(&db).args(["--force", "obj.schema_pglogical"]).run()?;
        let said = format!("{}{}", out.stdout, out.stderr);
        ensure!(
            matches!(out.code(), Some(5 | 6)) && said.contains(&words),
            "{side}: {:?} {said}",
            out.code()
        );
        let extension = "SELECT count(*)::text FROM pg_extension WHERE extname = 'pglogical'";
        let found = match side {
            "source" => db.on_source(extension)?,
            _ => db.on_target(extension)?,
        };
        ensure!(found == [[Some("0".to_owned())]], "{side}: {found:?}");
        match side {
            "source" => db.on_source("DROP SCHEMA pglogical")?,
            _ => db.on_target("DROP SCHEMA pglogical")?,
        };
        setup(&db).run()?.expect(0)?;
    }
    Ok(())
}
