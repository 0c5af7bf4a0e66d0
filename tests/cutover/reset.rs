//! What was stored when a database was made read-only, and what is printed for people while it is: both work, whatever has
//! happened meanwhile.

use anyhow::{Context, Result, ensure};
use pgl_testkit::Tool;

use super::support::{cutover, replicating, roles, settings, settings_of, writes_within};
use crate::common::{Documented, pasted};

/// A role with a setting of its own is dropped while the database is read-only: on the source during an attempt, on the
/// target between two; and on both between the reading of the settings and the block.
#[test]
fn a_role_that_was_dropped_meanwhile_is_skipped_by_name() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18)] {
        let db = replicating(source, target, "norole")?;
        let (_, role) = roles(&db)?;
        let other = db.role("stays");
        db.on_source(&format!(
            "CREATE ROLE \"{other}\" LOGIN; ALTER ROLE \"{other}\" SET default_transaction_read_only = off"
        ))?;
        let before = settings(&db)?;
        let running = cutover(&db)
            .args(["--yes", "--max-pause", "300s"])
            .env("PGL_TEST_STOP_AT", "drain")
            .start()?;
        let mut running = running;
        ensure!(
            running.stopped(super::support::PATIENCE)?,
            "it never stopped"
        );
        let drop = format!("DROP ROLE \"{role}\"");
        db.source().sql("postgres", &drop)?;
        running.kill9()?;
        let out = cutover(&db).command("abort").run()?.expect(0)?;
        ensure!(
            out.stderr
                .contains(&format!("role \"{role}\" does not exist any more")),
            "{}",
            out.stderr
        );
        ensure!(settings(&db)? == before, "the other settings came back");
        writes_within(&db, std::time::Duration::from_secs(5))?;
        // The target has stayed read-only, with a setting of that role.
        db.target().sql("postgres", &drop)?;
        let early = db.role("early");
        for cluster in [db.source(), db.target()] {
            cluster.sql(
                "postgres",
                &format!(
                    "CREATE ROLE \"{early}\"; ALTER ROLE \"{early}\" SET default_transaction_read_only = off"
                ),
            )?;
        }
        let mut running = cutover(&db)
            .arg("--yes")
            .env("PGL_TEST_STOP_AT", "target-read-only")
            .start()?;
        ensure!(
            running.stopped(super::support::PATIENCE)?,
            "it never stopped"
        );
        for cluster in [db.source(), db.target()] {
            cluster.sql("postgres", &format!("DROP ROLE \"{early}\""))?;
        }
        running.go_on()?;
        let out = running.wait(super::support::PATIENCE)?.expect(0)?;
        for side in ["source", "target"] {
            let warning = format!("{side}: role \"{early}\" does not exist any more");
            ensure!(out.stderr.contains(&warning), "{}", out.stderr);
        }
        db.on_target("INSERT INTO parent VALUES (7001)")?;
        let left = settings_of(db.target(), &db)?;
        ensure!(
            left.iter()
                .flatten()
                .flatten()
                .all(|text| !text.contains("read_only=on")),
            "{left:?}"
        );
    }
    Ok(())
}

/// Settings come back to the role that had them, whatever it is called then.
#[test]
fn a_role_that_was_renamed_meanwhile_writes_again() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18)] {
        let db = replicating(source, target, "renamed")?;
        let (_, role) = roles(&db)?;
        let (before, now) = (settings(&db)?, db.role("married"));
        let mut running = cutover(&db)
            .args(["--yes", "--max-pause", "300s"])
            .env("PGL_TEST_STOP_AT", "drain")
            .start()?;
        ensure!(
            running.stopped(super::support::PATIENCE)?,
            "it never stopped"
        );
        let rename = |from: &str, to: &str| {
            let sql = format!("ALTER ROLE \"{from}\" RENAME TO \"{to}\"");
            db.source().sql("postgres", &sql)
        };
        rename(&role, &now)?;
        running.kill9()?;
        let out = cutover(&db).command("abort").run()?.expect(0)?;
        let gone = format!("role \"{role}\" does not exist");
        ensure!(!out.stderr.contains(&gone), "{}", out.stderr);
        rename(&now, &role)?;
        ensure!(settings(&db)? == before, "other settings came back");
    }
    Ok(())
}

/// Fixes that are printed for a target that an attempt has left read-only work in a session that begins there.
#[test]
fn what_is_printed_for_a_read_only_database_works_there() -> Result<()> {
    let db = replicating(15, 18, "printed")?;
    cutover(&db).args(["rehearse", "--yes"]).run()?.expect(0)?;
    ensure!(
        db.target_client()?
            .batch_execute("CREATE TABLE other (id int)")
            .is_err(),
        "the target accepts writes"
    );
    // pgl-status, by text: the columns are not known to it in full.
    db.on_source(
        "ALTER TABLE keyless ADD COLUMN extra int; INSERT INTO keyless VALUES (1000, 'x', 5)",
    )?;
    let status = || Tool::new(env!("CARGO_BIN_EXE_pgl-status")).envs(db.env());
    let until = std::time::Instant::now() + super::support::PATIENCE;
    let cause = loop {
        let document = status().run()?.document()?;
        let causes = document["causes"].as_array().context("causes")?.clone();
        if let Some(cause) = causes
            .into_iter()
            .find(|one| one["id"] == "apply.column_missing")
        {
            break cause;
        }
        ensure!(std::time::Instant::now() < until, "{document:#}");
    };
    let remedy = cause["remedy"].as_str().unwrap_or_default();
    let first = remedy
        .rsplit_once("so first: ")
        .with_context(|| remedy.to_owned())?
        .1;
    let mut client = db.target_client()?;
    pasted(
        &mut client,
        &format!("{first} ALTER TABLE keyless ADD COLUMN extra int;"),
    )?;
    // pgl-seqsync: every statement that it would execute.
    db.on_source("SELECT nextval('child_id_seq')")?;
    let printed = Tool::new(env!("CARGO_BIN_EXE_pgl-seqsync"))
        .envs(db.env())
        .args(["--dry-run", "--format", "text"])
        .run()?
        .expect(0)?
        .stdout;
    let statements: String = printed
        .lines()
        .filter(|line| line.starts_with("SELECT ") || line.starts_with("SET "))
        .collect();
    ensure!(statements.contains("child_id_seq"), "{printed}");
    pasted(&mut db.target_client()?, &statements)?;
    // pgl-preflight's script.
    let script = Tool::new(env!("CARGO_BIN_EXE_pgl-preflight"))
        .envs(db.env())
        .args(["--fix-sql", "target"])
        .run()?
        .stdout;
    let mut client = db.target_client()?;
    ensure!(
        script.contains("RESET default_transaction_read_only"),
        "{script}"
    );
    for line in script.lines().filter(|line| !line.starts_with("--")) {
        pasted(&mut client, line)?;
    }
    db.target_client()?
        .batch_execute("CREATE TABLE other (id int)")?;
    Ok(())
}
