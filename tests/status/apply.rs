//! Each failure of the apply worker and of the copy, planted and diagnosed.

use super::*;
use crate::common::Documented;

/// A planted failure of the apply worker: what the target lacks, what is written then, the cause,
/// and what mends it.
struct Planted {
    id: &'static str,
    target: &'static str,
    source: &'static str,
    repair: &'static str,
    evidence: &'static str,
}

const PLANTED: &[Planted] = &[
    Planted {
        id: "apply.fk_truncate",
        target: "ALTER TABLE b ADD CONSTRAINT b_fk FOREIGN KEY (a_id) REFERENCES a (id)",
        source: "TRUNCATE a, b",
        repair: "ALTER TABLE b DROP CONSTRAINT b_fk",
        evidence: "b_fk",
    },
    Planted {
        id: "apply.column_missing",
        target: "SELECT 1",
        source: "ALTER TABLE a ADD COLUMN extra int; INSERT INTO a VALUES (1000, 'x', 5)",
        repair: "ALTER TABLE a ADD COLUMN extra int",
        evidence: "extra",
    },
    Planted {
        id: "apply.table_missing",
        target: "SELECT 1",
        source: "CREATE TABLE late (id int PRIMARY KEY); SELECT pglogical.replication_set_add_table('default', 'late'); INSERT INTO late VALUES (1)",
        repair: "CREATE TABLE late (id int PRIMARY KEY)",
        evidence: "late",
    },
    Planted {
        id: "apply.key_missing",
        target: "ALTER TABLE b DROP CONSTRAINT b_pkey",
        source: "INSERT INTO b VALUES (7, 7); UPDATE b SET a_id = 8 WHERE id = 7",
        repair: "ALTER TABLE b ADD CONSTRAINT b_pkey PRIMARY KEY (id)",
        evidence: "REPLICA IDENTITY",
    },
    Planted {
        id: "apply.duplicate_key",
        target: "CREATE UNIQUE INDEX only_here ON a (v)",
        source: "INSERT INTO a (id, v) VALUES (2000, 'p'), (2001, 'q'); UPDATE a SET v = 'q' WHERE id = 2000",
        repair: "DROP INDEX only_here",
        evidence: "only_here",
    },
    Planted {
        id: "apply.constraint",
        target: "ALTER TABLE a ADD CONSTRAINT small CHECK (id < 3000)",
        source: "INSERT INTO a (id) VALUES (3000)",
        repair: "ALTER TABLE a DROP CONSTRAINT small",
        evidence: "small",
    },
    Planted {
        id: "apply.sequence_bounds",
        target: "CREATE SEQUENCE few MAXVALUE 10",
        source: "CREATE SEQUENCE few MAXVALUE 10; SELECT pglogical.replication_set_add_sequence('default', 'few'); SELECT pglogical.synchronize_sequence('few')",
        repair: "ALTER SEQUENCE few MAXVALUE 5000",
        evidence: "1001",
    },
];

#[test]
fn each_failure_of_the_apply_worker_is_named() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18)] {
        let pair = logged(source, target)?;
        let lab = Lab::own(&pair, "shop")?;
        let env = pair.env("shop");
        lab.nodes(SCHEMA, &["a", "b"])?;
        lab.subscribe()?;
        lab.replicating()?;
        for planted in PLANTED {
            lab.drained()?;
            lab.on_target(planted.target)?;
            lab.on_source(planted.source)?;
            let tool = || status(env.clone()).args(["--sample", "100ms"]);
            // What the catalogs confirm is proven; a line of the log alone is not.
            let certainty = match planted.id {
                "apply.duplicate_key" | "apply.constraint" => "likely",
                _ => "proven",
            };
            let document = diagnosed_as(tool, planted.id, Some(certainty))
                .with_context(|| format!("{source}→{target}"))?;
            let cause = cause(&document, planted.id)?;
            assert!(
                cause["evidence"].to_string().contains(planted.evidence),
                "{cause:#}"
            );
            lab.mend(planted.repair)
                .with_context(|| format!("{} {source}→{target}", planted.id))?;
        }
        lab.drained()?;
        status(env).run()?.expect(0)?;
    }
    Ok(())
}

#[test]
fn a_log_without_the_collector_is_read_too() -> Result<()> {
    // The target of this pair runs on this machine's own file system and writes its log the way
    // pg_ctl -l does.
    let db = shared_pair(13, 15)?.database("stderr")?;
    let lab = Lab::shared(&db);
    lab.nodes(SCHEMA, &["a", "b"])?;
    lab.subscribe()?;
    lab.replicating()?;
    lab.on_target("ALTER TABLE a ADD CONSTRAINT small CHECK (id < 3000)")?;
    lab.on_source("INSERT INTO a (id) VALUES (3000)")?;
    let document = diagnosed(|| of(&db), "apply.constraint")?;
    let cause = cause(&document, "apply.constraint")?;
    assert_eq!(cause["certainty"], "likely");
    assert_eq!(cause["object"], "public.a");
    Ok(())
}

#[test]
fn without_the_log_facts_still_tell() -> Result<()> {
    let db = shared_pair(13, 17)?.database("nolog")?;
    let lab = Lab::shared(&db);
    lab.nodes(SCHEMA, &["a", "b"])?;
    lab.subscribe()?;
    lab.replicating()?;
    lab.drained()?;
    // A role that may read pglogical's catalog and the tables, and no file of the server.
    let role = db.role("watcher");
    let make = format!("CREATE ROLE {role} LOGIN");
    lab.on_source(&make)?;
    lab.on_target(&make)?;
    let tool = || {
        Tool::new(env!("CARGO_BIN_EXE_pgl-status"))
            .env("PGL_SOURCE", db.source().dsn_as(&role, db.name()))
            .env("PGL_TARGET", db.target().dsn_as(&role, db.name()))
            .args(["--subscription", "moving", "--sample", "100ms"])
    };
    let document = diagnosed(tool, "server.not_permitted")?;
    let found = cause(&document, "server.not_permitted")?;
    let grants = format!(
        "GRANT USAGE ON SCHEMA pglogical TO \"{role}\"; GRANT SELECT ON ALL TABLES IN SCHEMA pglogical TO \"{role}\""
    );
    assert_eq!(
        found["remedy"],
        format!("on the target, as a superuser: {grants}"),
        "{found:#}"
    );
    // What it says is enough.
    lab.on_target(&grants)?;
    lab.on_source(&grants)?;
    tool().run()?.expect(0)?;
    lab.on_target("ALTER TABLE b ADD CONSTRAINT b_fk FOREIGN KEY (a_id) REFERENCES a (id)")?;
    lab.on_source("TRUNCATE a, b")?;
    let document = diagnosed(tool, "apply.fk_truncate")?;
    let cause = cause(&document, "apply.fk_truncate")?;
    assert_eq!(cause["certainty"], "likely", "{cause:#}");
    assert!(
        cause["sql"]
            .as_str()
            .context("sql")?
            .contains("DROP CONSTRAINT \"b_fk\"")
    );
    lab.mend("ALTER TABLE b DROP CONSTRAINT b_fk")?;
    // Nothing in the catalogs explains this one: the place to look at is named.
    lab.on_target("ALTER TABLE a ADD CONSTRAINT small CHECK (id < 3000)")?;
    lab.on_source("INSERT INTO a (id) VALUES (3000)")?;
    let unknown = diagnosed(tool, "unknown")?;
    let text = unknown["causes"].to_string();
    assert!(
        text.contains("pglogical apply ") && text.contains("log"),
        "{text}"
    );
    Ok(())
}

#[test]
fn a_role_that_does_not_exist_on_the_target() -> Result<()> {
    let db = shared_pair(15, 18)?.database("role")?;
    let lab = Lab::shared(&db);
    lab.nodes(SCHEMA, &["a"])?;
    lab.subscribe()?;
    lab.replicating()?;
    let role = db.role("ddl");
    lab.on_source(&format!("CREATE ROLE {role} SUPERUSER LOGIN"))?;
    db.source().client_as(&role, db.name())?.batch_execute(
        "SELECT pglogical.replicate_ddl_command('CREATE TABLE public.by_ddl (id int)')",
    )?;
    let document = diagnosed(|| of(&db), "apply.role_missing")?;
    assert!(
        cause(&document, "apply.role_missing")?
            .to_string()
            .contains(&role)
    );
    lab.mend(&format!(
        "CREATE ROLE {role}; GRANT CREATE ON SCHEMA public TO {role}"
    ))?;
    Ok(())
}

#[test]
fn a_copy_that_failed_and_one_that_lied() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18)] {
        // A table that is not the last: pglogical gives up for ever.
        let pair = logged(source, target)?;
        let lab = Lab::own(&pair, "shop")?;
        let env = pair.env("shop");
        lab.nodes(SCHEMA, &["a", "b"])?;
        lab.on_source("INSERT INTO a VALUES (1, 'x'); INSERT INTO b VALUES (1, 1)")?;
        lab.on_target("INSERT INTO a VALUES (1, 'here before'); INSERT INTO b VALUES (1, 1)")?;
        lab.subscribe()?;
        // Which table comes last is pglogical's choice; both fail here, so the first stops it.
        let document = diagnosed(|| status(env.clone()), "copy.failed")?;
        assert!(
            document.to_string().contains("duplicate key"),
            "{document:#}"
        );
        let waited = status(env)
            .args(["--wait-for", "synced", "--timeout", "1h"])
            .run()?
            .expect(1)?;
        assert!(waited.took < Duration::from_secs(30), "{:?}", waited.took);
        assert!(
            waited.stderr.contains("cannot be reached"),
            "{}",
            waited.stderr
        );

        // The only table, and the last: everything is rolled back and pglogical says replicating.
        let db = shared_pair(source, target)?.database("lie")?;
        let lab = Lab::shared(&db);
        lab.nodes("CREATE TABLE t (id int PRIMARY KEY, v int)", &["t"])?;
        lab.on_source("INSERT INTO t SELECT g, g FROM generate_series(1, 50) g")?;
        lab.on_target("ALTER TABLE t ADD CONSTRAINT no CHECK (v < 10)")?;
        lab.subscribe()?;
        lab.replicating()?;
        assert_eq!(db.target().value(db.name(), "SELECT count(*) FROM t")?, "0");
        let document = diagnosed(|| of(&db), "copy.empty_tables")?;
        assert_eq!(document["state"], "replicating");
        of(&db)
            .args(["--wait-for", "synced", "--timeout", "1h"])
            .run()?
            .expect(1)?;
        of(&db)
            .args(["--wait-for", "replicating"])
            .run()?
            .expect(0)?;
    }
    Ok(())
}

#[test]
fn a_generated_column_stops_pglogical_s_copy() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18)] {
        let db = shared_pair(source, target)?.database("gen")?;
        let lab = Lab::shared(&db);
        let tables =
            "CREATE TABLE g (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED)";
        lab.nodes(tables, &["g"])?;
        lab.on_source("INSERT INTO g VALUES (1)")?;
        lab.subscribe()?;
        let document = diagnosed(|| of(&db), "copy.failed")?;
        assert!(
            ids(&document).contains(&"copy.generated_column"),
            "{document:#}"
        );
    }
    Ok(())
}

#[test]
fn slot_and_set_that_are_gone() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18)] {
        let pair = logged(source, target)?;
        let lab = Lab::own(&pair, "shop")?;
        let env = pair.env("shop");
        lab.nodes(SCHEMA, &["a", "b"])?;
        lab.subscribe()?;
        lab.replicating()?;
        lab.on_source("SELECT pglogical.drop_replication_set('ddl_sql')")?;
        // The walsender notices with the next change, or the next connection does.
        lab.on_source("INSERT INTO a VALUES (1, 'x')")?;
        let document = diagnosed(|| status(env.clone()), "set.missing")?;
        assert_eq!(cause(&document, "set.missing")?["object"], "ddl_sql");
        // Creating it again would not help: changes are read with the sets of their own time.
        let sql = cause(&document, "set.missing")?["sql"]
            .as_str()
            .context("sql")?
            .to_owned();
        lab.mend(&sql)?;

        lab.on_target("SELECT pglogical.alter_subscription_disable('moving', true)")?;
        lab.state("disabled")?;
        pair.source.wait_until(
            "shop",
            "SELECT bool_and(NOT active) FROM pg_replication_slots WHERE database = current_database()",
            SOON,
        )?;
        lab.on_source("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()")?;
        lab.on_target("SELECT pglogical.alter_subscription_enable('moving', true)")?;
        diagnosed(|| status(env.clone()), "slot.missing")?;
        let wait = status(env)
            .args(["--wait-for", "caught-up", "--timeout", "1h"])
            .run()?
            .expect(1)?;
        assert!(wait.took < Duration::from_secs(20), "{:?}", wait.took);
    }
    Ok(())
}

#[test]
fn values_that_would_arrive_changed_are_called_unsafe() -> Result<()> {
    let db = shared_pair(15, 18)?.database("unsafe")?;
    let lab = Lab::shared(&db);
    lab.nodes(SCHEMA, &["a"])?;
    lab.subscribe_with(&db.source_dsn(), true)?;
    lab.replicating()?;
    let document = of(&db).run()?.expect(0)?.document()?;
    assert_eq!(document["safe"], false);
    assert_eq!(
        cause(&document, "unsafe.output_settings")?["severity"],
        "warn"
    );
    lab.on_source(&format!(
        "ALTER DATABASE {} SET DateStyle = 'SQL, DMY'",
        db.name()
    ))?;
    let document = of(&db).run()?.expect(1)?.document()?;
    let cause = cause(&document, "unsafe.output_settings")?;
    assert_eq!(cause["severity"], "block");
    assert!(
        cause["evidence"].to_string().contains("SQL, DMY"),
        "{cause:#}"
    );
    Ok(())
}
