//! pgl-preflight as a program: what only shows when all facts of both servers are read in one run.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use pgl_testkit::{PairDb, Tool, shared_pair};
use serde_json::Value;

/// Runs the program and gives its document. Whether something blocks is the caller's question.
fn preflight(db: &PairDb, args: &[&str]) -> Result<Value> {
    let outcome = Tool::new(env!("CARGO_BIN_EXE_pgl-preflight"))
        .args(["--format", "json"])
        .args(args)
        .envs(db.env())
        .run()?;
    ensure!(matches!(outcome.code(), Some(0 | 1)), "{outcome:?}");
    outcome.json()
}

/// The findings of one check.
fn of<'a>(document: &'a Value, id: &str) -> Result<Vec<&'a Value>> {
    let findings = document["findings"].as_array().context("findings")?;
    Ok(findings.iter().filter(|one| one["id"] == id).collect())
}

#[test]
fn each_setting_of_databases_and_roles_is_reported_once() -> Result<()> {
    for (from, to) in [(13, 17), (15, 18)] {
        let db = shared_pair(from, to)?.database("pfsettings")?;
        let (app, name) = (db.role("app"), db.name().to_owned());
        db.on_source(&format!("CREATE ROLE {app} LOGIN"))?;
        db.on_target(&format!("CREATE ROLE {app} LOGIN"))?;
        for (scope, value) in [
            (format!("DATABASE {name}"), "of_database, public"),
            (format!("ROLE {app}"), "of_role, public"),
            (format!("ROLE {app} IN DATABASE {name}"), "of_both, public"),
        ] {
            db.on_source(&format!("ALTER {scope} SET search_path = {value}"))?;
        }
        let only = ["--only", "conf.db_settings,obj.db_role_settings"];
        let mine = |document: &Value| -> Result<BTreeMap<String, Vec<String>>> {
            let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for id in ["conf.db_settings", "obj.db_role_settings"] {
                // Other databases' roles live on these servers, too.
                for found in of(document, id)? {
                    let what = found["what"].as_str().context("what")?;
                    for word in ["of_database", "of_role", "of_both"] {
                        if what.contains(word) && (word != "of_role" || what.contains(&app)) {
                            seen.entry(word.to_owned()).or_default().push(id.to_owned());
                        }
                    }
                }
            }
            Ok(seen)
        };
        let document = preflight(&db, &only)?;
        let expected = [
            ("of_both", "obj.db_role_settings"),
            ("of_database", "obj.db_role_settings"),
            ("of_role", "conf.db_settings"),
        ];
        let expected: BTreeMap<_, _> = expected
            .map(|(word, id)| (word.to_owned(), vec![id.to_owned()]))
            .into();
        assert_eq!(mine(&document)?, expected, "{from} → {to}");
        // What the remedies say brings the target to the source's state.
        for id in ["conf.db_settings", "obj.db_role_settings"] {
            for found in of(&document, id)? {
                if let Some(sql) = found["sql"].as_str().filter(|sql| sql.contains("public")) {
                    db.on_target(sql).with_context(|| sql.to_owned())?;
                }
            }
        }
        assert_eq!(mine(&preflight(&db, &only)?)?, BTreeMap::new());
    }
    Ok(())
}

/// A session that takes values of a sequence, as fast as it gets them, until it is told to stop.
fn taking(
    db: &PairDb,
    sequence: &'static str,
) -> Result<(Arc<AtomicBool>, JoinHandle<Result<()>>)> {
    let mut client = db.source_client()?;
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let take = format!("SELECT nextval('{sequence}') FROM generate_series(1, 20)");
    let worker = std::thread::spawn(move || {
        while !told.load(Ordering::Relaxed) {
            client.batch_execute(&take)?;
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    });
    Ok((stop, worker))
}

#[test]
fn a_hot_sequence_is_named_with_a_margin_that_holds() -> Result<()> {
    for (from, to) in [(13, 17), (15, 18)] {
        let db = shared_pair(from, to)?.database("pfhot")?;
        let make = "CREATE TABLE \"Busy\" (id serial PRIMARY KEY);
                    CREATE TABLE quiet (id serial PRIMARY KEY);
                    CREATE SEQUENCE by_seven INCREMENT 7 CACHE 20";
        db.source_client()?.batch_execute(make)?;
        db.target_client()?.batch_execute(make)?;
        db.on_source(
            "SELECT nextval('\"Busy_id_seq\"'), nextval('quiet_id_seq'), nextval('by_seven')",
        )?;
        let busy = taking(&db, "\"Busy_id_seq\"")?;
        let by_seven = taking(&db, "by_seven")?;
        let document = preflight(&db, &["--only", "seq"])?;
        let found = of(&document, "seq.hot")?;
        let objects: Vec<_> = found.iter().map(|one| one["object"].as_str()).collect();
        assert_eq!(
            objects,
            [Some("public.\"Busy_id_seq\""), Some("public.by_seven")],
            "{from} → {to}: {found:#?}"
        );
        let mut margins = Vec::new();
        for one in found {
            ensure!(
                one["severity"] == "info" && one["side"] == "source",
                "{one:#}"
            );
            let what = one["what"].as_str().context("what")?;
            let margin = what
                .split_once("--margin ")
                .and_then(|(_, rest)| rest.split_once(' '))
                .context("a margin is named")?;
            margins.push(margin.0.parse::<u64>()?);
        }
        // Ten minutes are promised; the writers go on for a moment and stay behind the target.
        let margin = margins.into_iter().max().context("margins")?.to_string();
        let seqsync = |args: &[&str]| {
            Tool::new(env!("CARGO_BIN_EXE_pgl-seqsync"))
                .args(args)
                .envs(db.env())
                .run()
        };
        seqsync(&["--margin", &margin])?.expect(0)?;
        std::thread::sleep(Duration::from_secs(1));
        for (stop, worker) in [busy, by_seven] {
            stop.store(true, Ordering::Relaxed);
            worker
                .join()
                .map_err(|_| anyhow!("the writer panicked"))??;
        }
        seqsync(&["--check"])?.expect(0)?;
        // At rest nothing is hot.
        ensure!(of(&preflight(&db, &["--only", "seq"])?, "seq.hot")?.is_empty());
    }
    Ok(())
}

/// The findings of one check as (object, severity, SQL), those only that name one of these roles:
/// other tests have roles on the same servers.
fn about(document: &Value, id: &str, roles: &[&str]) -> Result<Vec<(String, String, String)>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found: Vec<_> = of(document, id)?
        .into_iter()
        .map(|one| {
            (
                text(&one["object"]),
                text(&one["severity"]),
                text(&one["sql"]),
            )
        })
        .filter(|one| roles.contains(&one.0.as_str()))
        .collect();
    found.sort();
    Ok(found)
}

#[test]
fn what_the_targets_role_may_not_do_with_other_roles() -> Result<()> {
    for (from, to) in [(13, 15), (13, 17), (15, 18)] {
        let db = shared_pair(from, to)?.database("pfgrants")?;
        let [app, own, group, admin] = ["app", "own", "group", "admin"].map(|hint| db.role(hint));
        // The target's version has it no more.
        let gone = match from {
            13 => "vacuum_cleanup_index_scale_factor",
            _ => "force_parallel_mode",
        };
        for sql in [
            format!("CREATE ROLE {group}"),
            format!("CREATE ROLE {own}"),
            format!("CREATE ROLE {app} LOGIN IN ROLE {group}"),
            format!("ALTER ROLE {app} SET {gone} = 0; ALTER ROLE {app} SET work_mem = '7MB'"),
            format!("CREATE TABLE a (id int PRIMARY KEY); ALTER TABLE a OWNER TO {app}"),
            format!("CREATE TABLE b (id int PRIMARY KEY); ALTER TABLE b OWNER TO {own}"),
        ] {
            db.on_source(&sql)?;
        }
        for sql in [
            format!("CREATE ROLE {group}"),
            format!("CREATE ROLE {own}"),
            format!("CREATE ROLE {admin} LOGIN"),
            format!("GRANT CREATE ON SCHEMA public TO {admin}, {own}"),
        ] {
            db.on_target(&sql)?;
        }
        let roles = [app.as_str(), &own, &group, &admin];
        let target = db.target().dsn_as(&admin, db.name());
        let look = || preflight(&db, &["--only", "role", "--target", &target]);

        let document = look()?;
        let createrole = format!("ALTER ROLE \"{admin}\" CREATEROLE;");
        let expected = [(admin.clone(), "warn".to_owned(), createrole.clone())];
        assert_eq!(about(&document, "role.createrole", &roles)?, expected);
        db.on_target(&createrole)?;

        let document = look()?;
        assert_eq!(about(&document, "role.createrole", &roles)?, []);
        let grant_group = format!("GRANT \"{group}\" TO \"{admin}\" WITH ADMIN OPTION;");
        let grant_owner = format!("GRANT \"{own}\" TO \"{admin}\";");
        let expected = [(own.clone(), "block".to_owned(), grant_owner.clone())];
        assert_eq!(about(&document, "role.set_owner", &roles)?, expected);
        let expected = match to {
            15 => vec![],
            _ => vec![(group.clone(), "warn".to_owned(), grant_group.clone())],
        };
        assert_eq!(about(&document, "role.admin_option", &roles)?, expected);

        // What is said to fail does fail, and what is said to help does.
        let mut client = db.target().client_as(&admin, db.name())?;
        let mut refused = |statement: &str| {
            let text = format!("BEGIN; CREATE ROLE {app} LOGIN; {statement}");
            let outcome = client.batch_execute(&text);
            let refused = outcome.as_ref().is_err_and(|error| {
                error.code() == Some(&postgres::error::SqlState::INSUFFICIENT_PRIVILEGE)
            });
            client.batch_execute("ROLLBACK")?;
            match outcome {
                Err(error) if !refused => Err(error.into()),
                _ => anyhow::Ok(refused),
            }
        };
        let join = format!("GRANT {group} TO {app}");
        let give = |role: &str| format!("CREATE TABLE t (id int); ALTER TABLE t OWNER TO {role}");
        ensure!(refused(&join)? == (to > 15), "membership on {to}");
        ensure!(refused(&give(&own))?, "an existing owner on {to}");
        ensure!(refused(&give(&app))?, "a new owner on {to}");
        db.on_target(&grant_owner)?;
        db.on_target(&grant_group)?;
        ensure!(!refused(&join)?, "membership on {to} after the grant");
        ensure!(
            !refused(&give(&own))?,
            "an existing owner on {to} after the grant"
        );
        let document = look()?;
        assert_eq!(about(&document, "role.admin_option", &roles)?, []);
        assert_eq!(about(&document, "role.set_owner", &roles)?, []);
        // pgl-setup becomes a member of the roles that it creates.
        db.on_target("GRANT CREATE ON SCHEMA public TO PUBLIC")?;
        let made = Tool::new(env!("CARGO_BIN_EXE_pgl-setup"))
            .envs(db.env())
            .args([
                "--roles",
                "copy",
                "--step",
                "target.roles",
                "--target",
                &target,
            ])
            .args(["--force", "role.superuser_or_equiv,role.create_on_db,role.set_replication_role,role.origin_functions,obj.comments_acl"])
            .run()?
            .expect(0)?;
        let unset = format!("not set: {gone} of {app}");
        ensure!(made.stdout.contains(&unset), "{}", made.stdout);
        let set = "SELECT setconfig::text FROM pg_db_role_setting WHERE setdatabase = 0 AND setrole = $1::regrole";
        let set = set.replace("$1", &format!("'{app}'"));
        ensure!(db.target().value(db.name(), &set)? == "{work_mem=7MB}");
        client.batch_execute(&format!("BEGIN; {}; ROLLBACK", give(&app)))?;
        // A superuser may do it all.
        let document = preflight(&db, &["--only", "role"])?;
        for id in ["role.createrole", "role.admin_option", "role.set_owner"] {
            assert_eq!(about(&document, id, &roles)?, [], "{id}");
        }
    }
    Ok(())
}

/// What a schema dump of the source says of schema public, statement by statement.
fn said_of_public(db: &PairDb) -> Result<Vec<String>> {
    let dump = Command::new(db.target().server().client_dir()?.join("pg_dump"))
        .args(["--schema-only", "--dbname", &db.source_dsn()])
        .output()?;
    ensure!(dump.status.success(), "{dump:?}");
    let said = |line: &&str| {
        ["ALTER SCHEMA public", "COMMENT ON SCHEMA public"]
            .iter()
            .any(|start| line.starts_with(start))
            || line.ends_with(" SCHEMA public TO PUBLIC;")
    };
    let text = String::from_utf8(dump.stdout)?;
    Ok(text.lines().filter(said).map(str::to_owned).collect())
}

#[test]
fn what_stands_on_the_target_and_belongs_to_somebody_else() -> Result<()> {
    for (from, to) in [(13, 17), (15, 18)] {
        let db = shared_pair(from, to)?.database("pfexisting")?;
        let admin = db.role("admin");
        for sql in [
            "COMMENT ON SCHEMA public IS 'everything'",
            "CREATE EXTENSION pgcrypto",
            "REVOKE EXECUTE ON FUNCTION gen_random_bytes(int) FROM PUBLIC",
        ] {
            db.on_source(sql)?;
        }
        if from >= 15 {
            db.on_source("ALTER SCHEMA public OWNER TO postgres")?;
        }
        db.on_target(&format!("CREATE ROLE {admin} LOGIN CREATEROLE"))?;
        db.on_target(&format!(
            "GRANT CREATE ON DATABASE {} TO {admin}",
            db.name()
        ))?;
        let target = db.target().dsn_as(&admin, db.name());
        let look = || preflight(&db, &["--only", "obj.comments_acl", "--target", &target]);
        let seen = |document: &Value| -> Result<Vec<(String, String)>> {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let found = of(document, "obj.comments_acl")?.into_iter();
            Ok(found
                .map(|one| (text(&one["object"]), text(&one["severity"])))
                .collect())
        };
        let pair = |object: &str, severity: &str| (object.to_owned(), severity.to_owned());
        let document = look()?;
        let mut found = seen(&document)?;
        found.sort();
        // Before 15 everybody may create things in public, which since then is a grant of its own.
        let mut expected = vec![
            pair("pgcrypto", "warn"),
            pair("public", "block"),
            pair("public", "block"),
        ];
        expected.extend((from < 15).then(|| pair("public", "warn")));
        assert_eq!(found, expected, "{from} → {to}: {document:#}");

        // What blocks does stop a restore, and what warns is left out without an error.
        let mut client = db.target().client_as(&admin, db.name())?;
        let said = said_of_public(&db)?;
        ensure!(said.len() == if from < 15 { 3 } else { 2 }, "{said:?}");
        for statement in &said {
            let outcome = client.batch_execute(statement);
            let refused = outcome.as_ref().is_err_and(|error| {
                error.code() == Some(&postgres::error::SqlState::INSUFFICIENT_PRIVILEGE)
            });
            let is_grant = statement.starts_with("GRANT") || statement.starts_with("REVOKE");
            ensure!(refused != is_grant, "{statement}: {outcome:?}");
        }
        let may = "SELECT has_schema_privilege('public', 'public', 'CREATE')::text";
        ensure!(
            db.target().value(db.name(), may)? == "false",
            "it was granted"
        );
        client.batch_execute(
            "CREATE EXTENSION pgcrypto; REVOKE EXECUTE ON FUNCTION gen_random_bytes(int) FROM PUBLIC",
        )?;
        let may =
            "SELECT has_function_privilege('public', 'gen_random_bytes(int)', 'EXECUTE')::text";
        ensure!(
            db.target().value(db.name(), may)? == "true",
            "it was revoked"
        );
        assert_eq!(
            seen(&look()?)?.len(),
            expected.len(),
            "with the extension there"
        );

        // The remedies mend it.
        for one in of(&document, "obj.comments_acl")? {
            if let Some(sql) = one["sql"].as_str() {
                match one["fix_side"].as_str() {
                    Some("source") => db.on_source(sql)?,
                    _ => db.on_target(sql)?,
                };
            }
        }
        let left = seen(&look()?)?;
        ensure!(
            left.iter().all(|(_, severity)| severity == "warn"),
            "{left:?}"
        );
        for statement in said_of_public(&db)? {
            client.batch_execute(&statement).context(statement)?;
        }
        // A superuser may set it all.
        let document = preflight(&db, &["--only", "obj.comments_acl"])?;
        assert_eq!(seen(&document)?, []);
    }
    Ok(())
}
