//! Databases whose owner means harm: what a tool runs with its rights. `tests/sql/hostile.sql` writes a line to the
//! server's log whenever code of its owner runs in a session of a tool of ours.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pgl_testkit::{PairDb, Tool, shared_pair};
use serde_json::Value;

use crate::common::{Documented, PROGRAMS};
use crate::verify_gallery::verify;

const HOSTILE: &str = include_str!("sql/hostile.sql");

/// The gallery on a side, made by a role that may only create. Gives the role.
fn plant(db: &PairDb, source: bool) -> Result<String> {
    let role = db.role("mallory");
    let name = db.name();
    let on = |sql: &str| match source {
        true => db.on_source(sql),
        false => db.on_target(sql),
    };
    on(&format!(
        "CREATE ROLE {role} LOGIN; GRANT CREATE ON DATABASE {name} TO {role}; GRANT CREATE ON SCHEMA public TO {role};
         ALTER DATABASE {name} SET search_path = public, pg_catalog, hostile;
         ALTER DATABASE {name} SET array_nulls = off; ALTER DATABASE {name} SET transform_null_equals = on"
    ))?;
    on(&format!(
        "SET search_path = pg_catalog; SET array_nulls = on; SET ROLE {role}; {HOSTILE}"
    ))?;
    Ok(role)
}

/// Where both logs end now.
struct Logs(usize, usize);

impl Logs {
    fn mark(db: &PairDb) -> Result<Self> {
        Ok(Self(db.source().log_mark()?, db.target().log_mark()?))
    }

    /// What ran since, of this database.
    fn ran(&self, db: &PairDb) -> Result<Vec<String>> {
        let wanted = format!("hostile code in {}:", db.name());
        let mut all = Vec::new();
        for (side, log) in [
            ("source", db.source().log_since(self.0)?),
            ("target", db.target().log_since(self.1)?),
        ] {
            for line in log.lines() {
                if let Some(at) = line.find(&wanted) {
                    all.push(format!("{side}:{}", &line[at + wanted.len()..]));
                }
            }
        }
        all.sort();
        all.dedup();
        Ok(all)
    }
}

/// What runs with a superuser's rights when COPY puts rows into a table, as it does for pg_restore.
const COPIED: [&str; 3] = [
    "check of a domain",
    "a generated column or an index expression",
    "a check of a table",
];

/// Runs the tools one after the other as a superuser, on a hostile source that is replicated to a target of ours.
#[test]
fn no_tool_runs_code_of_an_owner_with_its_rights() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18)] {
        let db = shared_pair(source, target)?.database("all_tools")?;
        let owner = plant(&db, true)?;
        db.on_target(&format!("CREATE ROLE {owner} LOGIN"))?;
        let run = |name: &str, args: &[&str]| -> Result<()> {
            let program = PROGRAMS.iter().find(|one| one.name == name);
            let program = program.context("no such program")?;
            let logs = Logs::mark(&db)?;
            let outcome = Tool::new(program.path)
                .envs(db.env())
                .args(args)
                .limit(Duration::from_secs(120))
                .run()?
                .expect(0)?;
            let copies = ["pgl-setup", "pgl-control", "pgl-cutover"].contains(&name);
            let ours = format!(" as {owner}");
            let ran: Vec<String> = (logs.ran(&db)?.into_iter())
                .filter(|line| !line.ends_with(&ours))
                .filter(|line| {
                    let copied = COPIED.iter().any(|what| line.contains(what));
                    !(copies && copied && line.starts_with("target:"))
                })
                .collect();
            ensure!(
                ran.is_empty(),
                "{name} {args:?} on {source} to {target}: {ran:#?}\n{}",
                outcome.stderr
            );
            Ok(())
        };
        run("pgl-preflight", &["--record", "/dev/null"])?;
        run("pgl-setup", &[])?;
        run(
            "pgl-status",
            &["--wait-for", "caught-up", "--timeout", "60s"],
        )?;
        run("pgl-seqsync", &[])?;
        run("pgl-verify", &[])?;
        run("pgl-verify", &["--mode", "barrier"])?;
        run(
            "pgl-control",
            &["resync", "hostile.by_color", "--always", "--yes"],
        )?;
        run(
            "pgl-control",
            &["resync", "hostile.everything", "--always", "--yes"],
        )?;
        run("pgl-cutover", &["rehearse", "--verify", "full", "--yes"])?;
        run("pgl-teardown", &["--yes"])?;
    }
    Ok(())
}

/// The planner computes a call with constants alone as soon as a table is read. And what a condition of the operator's
/// reads are tables: a table that its owner makes a view while it is compared runs nothing.
#[test]
fn what_the_planner_would_run_is_not_read_and_no_view_is() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18)] {
        let db = shared_pair(source, target)?.database("planned")?;
        plant(&db, true)?;
        let owner = plant(&db, false)?;
        db.on_target(&format!(
            "SET search_path = pg_catalog; SET ROLE {owner};
             CREATE INDEX ON hostile.ruled (id) WHERE hostile.ran('a constant in an index');
             CREATE STATISTICS hostile.s ON (hostile.computed('a') || v), w FROM hostile.by_word;
             CREATE FUNCTION hostile.inlined(text) RETURNS text LANGUAGE sql IMMUTABLE
                 AS $$ SELECT hostile.computed('a') || $1 $$;
             CREATE INDEX ON hostile.by_pair (hostile.inlined(v));
             CREATE FUNCTION hostile.called(text) RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog
                 AS $$ SELECT hostile.computed('a') || $1 $$;
             CREATE INDEX ON hostile.by_span (hostile.called(v))"
        ))?;
        let logs = Logs::mark(&db)?;
        let document = verify(&db).run()?.expect(3)?.document()?;
        // A function that is not inlined runs only where its index is used.
        let all = document["tables"].as_array().into_iter().flatten();
        let compared = |one: &Value| one["name"] == "by_span" && one["status"] == "identical";
        ensure!(all.clone().any(compared), "{document:#}");
        for name in ["ruled", "by_word", "by_pair"] {
            let all = document["tables"].as_array().into_iter().flatten();
            let one = all
                .filter(|one| one["name"] == name)
                .find(|one| one["status"] == "error");
            let reason = one.and_then(|one| one["reason"].as_str()).unwrap_or("");
            ensure!(
                reason.contains("the planner could run"),
                "{name}: {document:#}"
            );
        }
        let view = verify(&db)
            .args([
                "--table",
                "hostile.by_color",
                "--where",
                "v IN (SELECT v::text FROM hostile.seen)",
            ])
            .run()?
            .expect(2)?;
        ensure!(view.stderr.contains("subquery"), "{}", view.stderr);
        // The owner may.
        verify(&db)
            .env("PGL_TARGET", db.target().dsn_as(&owner, db.name()))
            .args(["--table", "hostile.ruled"])
            .run()?
            .expect(0)?;
        let ran = logs.ran(&db)?;
        let others: Vec<&String> = ran
            .iter()
            .filter(|line| !line.ends_with(&format!(" as {owner}")))
            .collect();
        ensure!(others.is_empty(), "{source} to {target}: {others:#?}");
    }
    Ok(())
}

fn rows<'a>(document: &'a Value, table: &str) -> Vec<&'a Value> {
    let all = document["tables"].as_array().into_iter().flatten();
    all.filter(|one| one["name"] == table)
        .flat_map(|one| one["rows"].as_array().into_iter().flatten())
        .collect()
}

#[test]
fn verify_runs_nobodys_code_and_is_not_misled_by_it() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18)] {
        let db = shared_pair(source, target)?.database("hostile")?;
        plant(&db, true)?;
        let owner = plant(&db, false)?;
        let logs = Logs::mark(&db)?;
        let all = [&[][..], &["--digest", "md5"], &["--digest", "client"]];
        for more in all {
            verify(&db).args(more).run()?.expect(0)?;
        }
        // What a cast by the owner would hide: it gives the same text for every value.
        db.on_target(
            "SET search_path = pg_catalog; SET array_nulls = on; SET session_replication_role = replica;
             UPDATE hostile.everything SET e = 'green' WHERE id = 1;
             UPDATE hostile.everything SET es = '{red,red}' WHERE id = 2;
             UPDATE hostile.everything SET ns = '{2,1}' WHERE id = 3;
             UPDATE hostile.everything SET p = '(1,2,green)' WHERE id = 4;
             UPDATE hostile.everything SET ps = '{\"(1,2,red)\",NULL,NULL}' WHERE id = 5;
             UPDATE hostile.everything SET s = '[red,red]' WHERE id = 6;
             UPDATE hostile.everything SET w = 'other' WHERE id = 7;
             DELETE FROM hostile.everything WHERE id = 8;
             UPDATE hostile.by_color SET v = 'x' WHERE v = 'a'; UPDATE hostile.by_pair SET v = 'x' WHERE v = 'a';
             UPDATE hostile.by_span SET v = 'x' WHERE v = 'a'; UPDATE hostile.by_word SET v = 'x' WHERE v = 'a';
             UPDATE hostile.without_key SET e = 'green'
             WHERE ctid = (SELECT min(ctid) FROM hostile.without_key)",
        )?;
        let logs = Logs(logs.0, Logs::mark(&db)?.1);
        for more in all {
            let document = verify(&db).args(more).run()?.expect(1)?.document()?;
            let found = rows(&document, "everything");
            ensure!(found.len() == 8, "{more:?}: {document:#}");
            let columns: Vec<&str> = found
                .iter()
                .filter(|row| row["columns"].as_array().is_some_and(|c| c.len() == 1))
                .filter_map(|row| row["columns"][0]["name"].as_str())
                .collect();
            let mut columns = columns;
            columns.sort_unstable();
            ensure!(
                columns == ["e", "es", "ns", "p", "ps", "s", "w"],
                "{more:?}: {columns:?}"
            );
            for table in ["by_color", "by_pair", "by_span", "by_word", "without_key"] {
                ensure!(!rows(&document, table).is_empty(), "{table}: {document:#}");
            }
            verify(&db).args(more).arg("--fix-sql").run()?.expect(1)?;
        }
        // With fewer rights, too.
        verify(&db)
            .env("PGL_TARGET", db.target().dsn_as(&owner, db.name()))
            .run()?
            .expect(1)?;
        let ran = logs.ran(&db)?;
        ensure!(ran.is_empty(), "{source} to {target}: {ran:#?}");
    }
    Ok(())
}
