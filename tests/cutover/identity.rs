//! A migration is between two databases, and no other is taken for one of them: no copy, and not the database of another
//! migration.

use anyhow::{Context, Result, ensure};
use pgl_testkit::{Outcome, PairDb, Tool, shared_pair};

use super::support::{PATIENCE, cutover, prepared, replicating, setup};

const PREFLIGHT: &str = env!("CARGO_BIN_EXE_pgl-preflight");
const STATUS: &str = env!("CARGO_BIN_EXE_pgl-status");
const VERIFY: &str = env!("CARGO_BIN_EXE_pgl-verify");
const SEQSYNC: &str = env!("CARGO_BIN_EXE_pgl-seqsync");
const CONTROL: &str = env!("CARGO_BIN_EXE_pgl-control");
const CUTOVER: &str = env!("CARGO_BIN_EXE_pgl-cutover");
const TEARDOWN: &str = env!("CARGO_BIN_EXE_pgl-teardown");

/// Runs a tool on any two databases.
fn run(program: &str, source: &str, target: &str, args: &[&str]) -> Result<Outcome> {
    Tool::new(program)
        .args(args)
        .args(["--source", source, "--target", target])
        .limit(PATIENCE)
        .run()
}

fn refused(program: &str, (source, target): (&str, &str), args: &[&str], why: &str) -> Result<()> {
    let out = run(program, source, target, args)?;
    ensure!(
        out.code() == Some(5) && out.stderr.contains(why),
        "{program} {args:?}: {out:?}"
    );
    Ok(())
}

#[test]
fn the_source_of_another_migration_is_not_this_one_s() -> Result<()> {
    // Both on the same servers, whatever others take meanwhile.
    let servers = shared_pair(13, 17)?;
    let [app, other] = [servers.database("app")?, servers.database("other")?];
    for db in [&app, &other] {
        prepared(db, "SELECT 1")?;
    }
    cutover(&other).args(["--yes"]).run()?.expect(0)?;
    let name = app.name();
    let wrong = (&*other.source_dsn(), &*app.target_dsn());
    let why = format!(
        "database {} (OID {}, system identifier ",
        other.name(),
        app.source().value(
            other.name(),
            "SELECT oid FROM pg_database WHERE datname = current_database()"
        )?
    );
    for (program, args) in [
        (CUTOVER, &["--yes"][..]),
        (CUTOVER, &["--dry-run"]),
        (CUTOVER, &["abort"]),
        (CUTOVER, &["rollback", "--dry-run"]),
        (CONTROL, &["pause"]),
        (CONTROL, &["resync", "public.keyless", "--always", "--yes"]),
        (TEARDOWN, &["--yes"]),
    ] {
        refused(program, wrong, &[args, &["--name", name]].concat(), &why)?;
    }
    // Without --name it is the other one's source with a target that is not its own.
    let why = format!("database {name} (OID ");
    for (program, args) in [(SEQSYNC, &[][..]), (SEQSYNC, &["--check"]), (VERIFY, &[])] {
        refused(program, wrong, args, &why)?;
    }
    let document = run(
        PREFLIGHT,
        wrong.0,
        wrong.1,
        &["--name", name, "--format", "json"],
    )?
    .expect(1)?
    .json()?;
    ensure!(
        document["blocked_by"] == serde_json::json!(["repl.cutover"]),
        "{document:#}"
    );
    cutover(&app).arg("--yes").run()?.expect(0)?;
    Ok(())
}

#[test]
fn a_copy_of_the_promoted_target_is_not_the_target() -> Result<()> {
    let db = PairDb::alone(15, 18, "app")?;
    prepared(&db, "SELECT 1")?;
    cutover(&db).args(["--yes", "--reverse"]).run()?.expect(0)?;
    db.target()
        .sql("postgres", "ALTER DATABASE app ALLOW_CONNECTIONS false")?;
    db.target().wait_until(
        "postgres",
        "SELECT count(pg_terminate_backend(pid)) = 0 FROM pg_stat_activity WHERE datname = 'app'",
        PATIENCE,
    )?;
    db.target()
        .sql("postgres", "CREATE DATABASE copy TEMPLATE app")?;
    db.target()
        .sql("postgres", "ALTER DATABASE app ALLOW_CONNECTIONS true")?;
    let wrong = (&*db.source_dsn(), &*db.target().dsn("copy"));
    let why = "given as the target, is a copy of database app (OID ";
    for (program, args) in [
        (CUTOVER, &["rollback", "--dry-run"][..]),
        (CUTOVER, &["rollback", "--yes"]),
        (CUTOVER, &["resume"]),
        (TEARDOWN, &["--yes"]),
        (TEARDOWN, &["--dry-run"]),
        (TEARDOWN, &["--yes", "--target-only", "--name", "app"]),
        (SEQSYNC, &[]),
        (VERIFY, &[]),
        (CONTROL, &["resync", "public.keyless", "--always", "--yes"]),
    ] {
        refused(program, wrong, args, why)?;
    }
    let status = run(STATUS, wrong.0, wrong.1, &["--format", "json"])?
        .expect(1)?
        .json()?;
    ensure!(
        status["cutover"].is_null() && status.to_string().contains(why),
        "{status:#}"
    );
    // It has taken the target's place, somebody says.
    for (cluster, database) in [(db.source(), "app"), (db.target(), "copy")] {
        let mut client = cluster.client(database)?;
        client.batch_execute("SET default_transaction_read_only = off")?;
        client.batch_execute("DELETE FROM pgl.journal WHERE step = 'pair'")?;
    }
    run(TEARDOWN, wrong.0, wrong.1, &["--dry-run"])?.expect(0)?;
    Ok(())
}

#[test]
fn a_promoted_pair_is_known_whatever_name_is_asked_for() -> Result<()> {
    let db = replicating(13, 17, "known")?;
    cutover(&db).args(["--yes", "--reverse"]).run()?.expect(0)?;
    let name = db.name();
    for args in [&["--name", "other"][..], &["--name", name]] {
        let document = Tool::new(PREFLIGHT)
            .envs(db.env())
            .args(args)
            .args(["--format", "json"])
            .run()?
            .expect(1)?
            .json()?;
        ensure!(
            document["blocked_by"] == serde_json::json!(["repl.cutover"])
                && document["findings"][0]["what"]
                    .as_str()
                    .context("what")?
                    .contains("cut over at 20"),
            "{document:#}"
        );
        let fix = Tool::new(PREFLIGHT)
            .envs(db.env())
            .args(args)
            .args(["--fix-sql", "source"])
            .run()?;
        ensure!(
            fix.stdout
                .lines()
                .all(|line| line.is_empty() || line.starts_with("--")),
            "{}",
            fix.stdout
        );
    }
    let out = setup(&db).args(["--name", "other"]).run()?.expect(5)?;
    ensure!(out.stdout.contains("cut over at 20"), "{}", out.stdout);
    Ok(())
}

/// One database has many addresses, and may be renamed; a migration that was set up before pairs were recorded goes on.
#[test]
fn the_pair_is_known_by_other_addresses_and_names() -> Result<()> {
    let db = replicating(15, 18, "address")?;
    let recorded = |sql: &str| -> Result<()> {
        for found in [db.on_source(sql)?, db.on_target(sql)?] {
            ensure!(found == [[Some("1".to_owned())]], "{found:?}");
        }
        Ok(())
    };
    let pair = "SELECT count(*)::text FROM pgl.journal WHERE step = 'pair'";
    recorded(pair)?;
    let elsewhere = [db.source_dsn(), db.target_dsn()]
        .map(|dsn| dsn.replace("host=127.0.0.1", "host=localhost"));
    ensure!(elsewhere[0] != db.source_dsn(), "{elsewhere:?}");
    run(CUTOVER, &elsewhere[0], &elsewhere[1], &["--dry-run"])?.expect(0)?;
    let swapped = (&*db.target_dsn(), &*db.source_dsn());
    for (program, args) in [
        (CUTOVER, &["--yes"][..]),
        (TEARDOWN, &["--yes"]),
        (VERIFY, &[]),
    ] {
        refused(program, swapped, args, "source and target are swapped")?;
    }
    for forget in [
        db.on_source("DELETE FROM pgl.journal WHERE step = 'pair'")?,
        db.on_target("DELETE FROM pgl.journal WHERE step = 'pair'")?,
    ] {
        ensure!(forget.is_empty());
    }
    cutover(&db).arg("--dry-run").run()?.expect(0)?;
    setup(&db).run()?.expect(0)?;
    recorded(pair)?;
    cutover(&db).arg("--yes").run()?.expect(0)?;
    // Another target for the same source: said before anything is changed, with the way out.
    let again = format!("{}_again", db.name());
    db.target().createdb(&again)?;
    refused(
        TEARDOWN,
        (&db.source_dsn(), &db.target().dsn(&again)),
        &["--yes"],
        "is not the target of this migration: that is database",
    )
}

/// On a database that is read-only for whoever does not override that.
fn drop_schema(db: &PairDb, on_target: bool) -> Result<()> {
    let mut client = match on_target {
        true => db.target_client()?,
        false => db.source_client()?,
    };
    client.batch_execute("SET default_transaction_read_only = off")?;
    Ok(client.batch_execute("DROP SCHEMA pgl CASCADE")?)
}

/// The journals are gone on both sides; the reverse subscription is there.
#[test]
fn a_promotion_is_known_by_the_reverse_subscription_alone() -> Result<()> {
    let db = replicating(13, 17, "traces")?;
    cutover(&db).args(["--yes", "--reverse"]).run()?.expect(0)?;
    drop_schema(&db, false)?;
    drop_schema(&db, true)?;
    let (source, target) = (db.source_dsn(), db.target_dsn());
    let why = "cut over, known by the reverse subscription alone";
    for (program, args) in [
        (CUTOVER, &["--yes"][..]),
        (CUTOVER, &["--dry-run"]),
        (CUTOVER, &["rollback", "--yes"]),
        (CONTROL, &["resync", "public.keyless", "--always", "--yes"]),
        (SEQSYNC, &[]),
    ] {
        refused(program, (&source, &target), args, why)?;
        refused(
            program,
            (&target, &source),
            args,
            "source and target are swapped",
        )?;
    }
    let out = setup(&db).run()?.expect(5)?;
    ensure!(out.stderr.contains(why), "{}", out.stderr);
    let document = run(PREFLIGHT, &source, &target, &["--format", "json"])?
        .expect(1)?
        .json()?;
    ensure!(
        document["blocked_by"] == serde_json::json!(["repl.cutover"]),
        "{document:#}"
    );
    let status = run(STATUS, &source, &target, &["--format", "json"])?.json()?;
    ensure!(
        status["state"] == "cut_over" && status["reverse"]["state"] == "replicating",
        "{status:#}"
    );
    let out = run(VERIFY, &source, &target, &[])?;
    ensure!(out.stderr.contains(why), "{out:?}");
    // The target alone does not show it, and says so.
    let alone = |program: &str| {
        Tool::new(program).env("PGL_TARGET", &target).args([
            "--name",
            db.name(),
            "--format",
            "json",
        ])
    };
    let unknown = "whether the target was promoted is not known";
    let status = alone(STATUS).run()?.expect(1)?.json()?;
    ensure!(status["notes"].to_string().contains(unknown), "{status:#}");
    let document = alone(TEARDOWN).args(["--target-only", "--dry-run"]);
    let document = document.run()?.expect(0)?.json()?;
    let text = document["unknown"].to_string();
    ensure!(
        text.contains(unknown) && text.contains("the source was not looked at"),
        "{document:#}"
    );
    run(TEARDOWN, &source, &target, &["--yes"])?;
    let slots =
        "SELECT slot_name::text FROM pg_replication_slots WHERE database = current_database()";
    for found in [db.on_source(slots)?, db.on_target(slots)?] {
        ensure!(found.is_empty(), "{found:?}");
    }
    Ok(())
}

#[test]
fn a_rollback_without_a_journal_is_refused_at_once() -> Result<()> {
    let db = replicating(15, 18, "dropped")?;
    let plan = setup(&db)
        .args(["--dry-run", "--format", "json"])
        .run()?
        .expect(0)?
        .stdout;
    cutover(&db).args(["--yes", "--reverse"]).run()?.expect(0)?;
    drop_schema(&db, true)?;
    for args in [
        &["rollback", "--dry-run"][..],
        &["rollback", "--rehearse", "--yes"],
        &["rollback", "--yes"],
    ] {
        let out = cutover(&db)
            .args(args)
            .args(["--plan", "-"])
            .stdin(plan.clone())
            .run()?
            .expect(5)?;
        ensure!(
            out.stderr.contains(
                "schema pgl does not exist in the target database any more; cut over at 20"
            ) && out.stderr.contains("pgl-teardown removes the migration"),
            "{args:?}: {out:?}"
        );
    }
    db.on_target("INSERT INTO parent VALUES (-1); DELETE FROM parent WHERE id = -1")?;
    Ok(())
}

/// What was made can be neither looked at nor rehearsed again, and no tool offers to replace rows of the target.
#[test]
fn after_a_promotion_nothing_is_rehearsed_or_repaired() -> Result<()> {
    // Of its own: a replication origin belongs to the whole server.
    let db = PairDb::alone(13, 17, "rehearsed")?;
    prepared(&db, "SELECT 1")?;
    cutover(&db).args(["--yes", "--reverse"]).run()?.expect(0)?;
    for args in [&["rehearse", "--yes"][..], &["--dry-run"], &["rehearse"]] {
        let out = cutover(&db).args(args).run()?.expect(5)?;
        ensure!(
            out.stderr.contains("cut over at 20") && out.stdout.is_empty(),
            "{args:?}: {out:?}"
        );
    }
    // A run that finds nothing left to do has done it.
    let again = cutover(&db).arg("--yes").run()?.expect(0)?.json()?;
    ensure!(again["state"] == "done", "{again:#}");
    let document = cutover(&db)
        .args(["rollback", "--rehearse", "--yes"])
        .run()?
        .expect(0)?
        .json()?;
    ensure!(
        document["notes"]
            .to_string()
            .contains("everything was rolled back, the target accepts writes"),
        "{document:#}"
    );
    db.on_target("INSERT INTO parent VALUES (-1)")?;
    ensure!(db.on_source("INSERT INTO parent VALUES (-2)").is_err());
    // A difference: the row of the former source is gone.
    let mut former = db.source_client()?;
    former.batch_execute("SET default_transaction_read_only = off")?;
    former.batch_execute("SET session_replication_role = replica")?;
    // As if it had come from elsewhere: it is not replicated to the target.
    former.batch_execute(&format!(
        "SELECT pg_replication_origin_create('{name}'); SELECT pg_replication_origin_session_setup('{name}')",
        name = db.role("elsewhere")
    ))?;
    former.batch_execute("DELETE FROM parent WHERE id = 500")?;
    let (source, target) = (db.source_dsn(), db.target_dsn());
    let compared = ["--table", "public.parent", "--format", "json"];
    let out = run(VERIFY, &source, &target, &compared)?.expect(1)?;
    ensure!(
        !out.stdout.contains("resync")
            && out
                .stdout
                .contains("change nothing on the target, which is the production database"),
        "{}",
        out.stdout
    );
    refused(
        VERIFY,
        (&source, &target),
        &["--fix-sql"],
        "--fix-sql would print statements that make its rows those of the former source",
    )
}
