//! A transaction that the target cannot apply.

use anyhow::{Context, Result, ensure};
use pgl_testkit::PairDb;
use serde_json::Value;

use super::support::{
    PAIRS, control, does, drained, on_target, other, ran, refuses, replicating, same, writers,
};

const TABLES: &str =
    "CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int PRIMARY KEY);
    INSERT INTO a SELECT n, 'v' FROM generate_series(1, 10) n";

/// What stops the target, as the tool names it.
fn found(db: &PairDb) -> Result<(String, Value)> {
    let document = does(db, &["skip"], 5)?;
    let lsn = document["transaction"]["lsn"]
        .as_str()
        .with_context(|| format!("{document:#}"))?
        .to_owned();
    Ok((lsn, document))
}

#[test]
fn exactly_one_transaction_is_left_out_and_recorded() -> Result<()> {
    for pair in PAIRS {
        let db = replicating(pair, "skip", TABLES, &[])?;
        let writers = writers(&db)?;
        let said = refuses(&db, &["skip"], 5)?;
        ensure!(said.contains("nothing stops"), "{said}");
        db.on_target("ALTER TABLE a ADD CONSTRAINT tame CHECK (v <> 'bad')")?;
        db.on_source("INSERT INTO a VALUES (100, 'good')")?;
        db.on_source("BEGIN; INSERT INTO b VALUES (1); INSERT INTO a VALUES (101, 'bad'); INSERT INTO a VALUES (102, 'good'); COMMIT")?;
        db.on_source("INSERT INTO a VALUES (103, 'good'); INSERT INTO b VALUES (2)")?;
        let (lsn, document) = found(&db)?;
        ensure!(document["transaction"]["changes"] == 3, "{document:#}");
        ensure!(
            document["transaction"]["tables"] == serde_json::json!(["public.a", "public.b"]),
            "{document:#}"
        );
        // Only the exact position, only with consent.
        does(&db, &["skip", "--lsn", "0/1", "--yes"], 5)?;
        does(&db, &["skip", "--lsn", &lsn], 5)?;
        let dry = does(&db, &["skip", "--lsn", &lsn, "--yes", "--dry-run"], 0)?;
        ensure!(
            dry.to_string().contains("pg_replication_origin_advance"),
            "{dry:#}"
        );
        ensure!(on_target(&db, "SELECT count(*) FROM a WHERE id > 100")? == "0");
        does(&db, &["skip", "--lsn", &lsn, "--yes"], 0)?;
        let again = does(&db, &["skip", "--lsn", &lsn, "--yes"], 0)?;
        ensure!(again["already"] == true, "{again:#}");
        // That one is missing, and nothing else: not a row of the writers.
        drained(&db, writers)?;
        ensure!(
            on_target(
                &db,
                "SELECT string_agg(id::text, ',' ORDER BY id) FROM a WHERE id >= 100"
            )? == "100,103"
        );
        ensure!(on_target(&db, "SELECT string_agg(id::text, ',') FROM b")? == "2");
        let kept = on_target(
            &db,
            "SELECT detail::text FROM pgl.journal WHERE step = 'control.skip' AND detail ->> 'skipped' = 'true'",
        )?;
        ensure!(kept.contains("101"), "{kept}");
        // The cause gone, a resync mends the difference.
        other(&db, "pgl-verify", &[], 1)?;
        db.on_target("ALTER TABLE a DROP CONSTRAINT tame")?;
        does(&db, &["resync", "a", "b", "--yes"], 0)?;
        same(&db, &["a", "b"])?;
        other(&db, "pgl-verify", &[], 0)?;
    }
    Ok(())
}

/// Two in a row: each is a decision of its own. Then a column that the target has lost.
#[test]
fn the_next_one_is_another_decision() -> Result<()> {
    let db = replicating((13, 17), "twice", TABLES, &[])?;
    db.on_target("ALTER TABLE a ADD CONSTRAINT tame CHECK (v <> 'bad')")?;
    db.on_source("INSERT INTO a VALUES (101, 'bad')")?;
    db.on_source("INSERT INTO a VALUES (102, 'bad')")?;
    let (first, _) = found(&db)?;
    let out = control(&db, &["skip", "--lsn", &first, "--yes", "--timeout", "4s"]).run()?;
    ensure!(out.code() == Some(4), "{:?} {}", out.code(), out.stderr);
    ran(out)?;
    let (second, _) = found(&db)?;
    ensure!(first != second);
    does(&db, &["skip", "--lsn", &second, "--yes"], 0)?;
    db.on_target("ALTER TABLE a DROP COLUMN v")?;
    db.on_source("UPDATE a SET v = 'x' WHERE id = 1")?;
    let (third, document) = found(&db)?;
    ensure!(
        document["transaction"]["shown"][0]["action"] == "update",
        "{document:#}"
    );
    db.on_target("ALTER TABLE a ADD COLUMN v text")?;
    // Mended instead: it applies, and is not left out any more.
    does(&db, &["resume"], 0)?;
    ensure!(on_target(&db, "SELECT v FROM a WHERE id = 1")? == "x");
    let said = refuses(&db, &["skip", "--lsn", &third, "--yes"], 5)?;
    ensure!(said.contains("nothing stops"), "{said}");
    Ok(())
}

/// A role without rights on replication origins, as on managed services: it pauses and resumes; what it
/// cannot do to the end it does not begin.
#[test]
fn without_rights_on_origins_nothing_is_begun_that_needs_them() -> Result<()> {
    let db = replicating((15, 18), "rights", TABLES, &[])?;
    let role = db.role("mover");
    for cluster in [db.source(), db.target()] {
        cluster.sql(
            db.name(),
            &format!(
                "CREATE ROLE {role} LOGIN REPLICATION; GRANT USAGE ON SCHEMA pgl, pglogical TO {role};
                 GRANT ALL ON ALL TABLES IN SCHEMA pgl, pglogical TO {role};
                 GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pglogical TO {role};
                 ALTER TABLE pgl.marker OWNER TO {role}; ALTER TABLE pgl.journal OWNER TO {role};
                 ALTER TABLE pgl.held OWNER TO {role}; ALTER SCHEMA pgl OWNER TO {role}"
            ),
        )?;
    }
    let run = |args: &[&str], code: i32| -> Result<_> {
        control(&db, args)
            .env("PGL_SOURCE", db.source().dsn_as(&role, db.name()))
            .env("PGL_TARGET", db.target().dsn_as(&role, db.name()))
            .run()?
            .expect(code)
    };
    ran(run(&["pause"], 0)?)?;
    ran(run(&["resume"], 0)?)?;
    let granted = |what: &str| db.on_target(&format!("GRANT EXECUTE ON FUNCTION {what} TO {role}"));
    let enabled = "SELECT sub_enabled FROM pglogical.subscription";
    for part in [
        "pg_show_replication_origin_status()",
        "pg_replication_origin_progress(text, boolean)",
    ] {
        for args in [
            &["skip"][..],
            &["skip", "--dry-run"],
            &["skip", "--lsn", "0/1", "--yes"],
        ] {
            let refused = run(args, 5)?;
            ensure!(
                refused.stderr.contains("GRANT EXECUTE ON FUNCTION")
                    && refused.stderr.contains("pg_replication_origin_advance"),
                "{}",
                refused.stderr
            );
        }
        ensure!(on_target(&db, enabled)? == "t");
        granted(part)?;
    }
    granted("pg_replication_origin_advance(text, pg_lsn)")?;
    let nothing = run(&["skip"], 5)?;
    ensure!(
        nothing.stderr.contains("nothing stops"),
        "{}",
        nothing.stderr
    );
    Ok(())
}
