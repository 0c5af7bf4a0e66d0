//! Tables copied again beside running replication.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pgl_core::Side;
use pgl_testkit::Tool;

use super::support::{
    PAIRS, PATIENCE, damage, does, drained, on_source, on_target, other, refuses, replicating,
    same, writers,
};

#[test]
fn a_resync_under_load_begins_exactly_where_replication_stands() -> Result<()> {
    for pair in PAIRS {
        let db = replicating(pair, "resync", "", &[])?;
        let writers = writers(&db)?;
        for _ in 0..4 {
            // Damage of every kind, in rows that the writers go on with.
            damage(
                &db,
                "DELETE FROM load.item WHERE id % 3 = 0;
                 UPDATE load.item SET note = 'wrong' WHERE id % 3 = 1;
                 DELETE FROM load.entry WHERE id % 2 = 0",
            )?;
            let document = does(&db, &["resync", "load.item", "load.entry", "--yes"], 0)?;
            ensure!(document["already"] == false, "{document:#}");
            for table in document["tables"].as_array().into_iter().flatten() {
                ensure!(table["emptied"] == "truncate", "{table:#}");
                ensure!(table["replaced"]["rows"].as_u64() > Some(0), "{table:#}");
            }
            writers.wait_for(50, PATIENCE)?;
        }
        drained(&db, writers)?;
        // Equal now: read, and left alone; unless asked for.
        let again = does(&db, &["resync", "load.item", "--yes"], 0)?;
        ensure!(again["already"] == true, "{again:#}");
        ensure!(again["tables"][0]["equal"] == true, "{again:#}");
        let always = does(&db, &["resync", "load.item", "--always", "--yes"], 0)?;
        ensure!(always["already"] == false, "{always:#}");
        same(&db, &["load.item"])?;
    }
    Ok(())
}

/// What reverse replication would send of a table, as JSON: rows that were written on the target itself.
const SENT: &str = "SELECT count(*) FROM pg_logical_slot_peek_changes('probe', NULL, NULL,
    'startup_params_format', '1', 'min_proto_version', '1', 'max_proto_version', '1', 'proto_format', 'json',
    'expected_encoding', 'UTF8', 'pglogical.replication_set_names', 'default')
    WHERE data LIKE '%\"relation\":[\"public\",\"a\"]%'";

/// A copy is the source's own rows: sent back, they would overwrite newer ones there.
#[test]
fn rows_of_a_copy_are_not_sent_back() -> Result<()> {
    for pair in PAIRS {
        let db = replicating(
            pair,
            "origin",
            "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a SELECT generate_series(1, 10)",
            &[],
        )?;
        db.on_target("SELECT pglogical.replication_set_add_table('default', 'a')")?;
        db.on_target("SELECT pg_create_logical_replication_slot('probe', 'pglogical_output')")?;
        does(&db, &["resync", "a", "--always", "--yes"], 0)?;
        does(&db, &["remove-table", "a", "--yes"], 0)?;
        does(&db, &["add-table", "a", "--yes"], 0)?;
        ensure!(on_target(&db, SENT)? == "0");
        // The slot sends what has no origin, so that this proves something.
        db.on_target("INSERT INTO a VALUES (11)")?;
        ensure!(on_target(&db, SENT)? == "1");
        let origins = "SELECT count(*) FROM pg_replication_origin WHERE roname LIKE 'pgl_recopy%'
                          AND right(roname, length(current_database()) + 1) = '_' || current_database()";
        ensure!(on_target(&db, origins)? == "0");
        db.on_target("SELECT pg_drop_replication_slot('probe')")?;
    }
    Ok(())
}

/// A rehearsal with reverse replication, then a copy while writers go on: no update of theirs is lost.
#[test]
fn a_resync_after_a_rehearsed_reverse_loses_nothing_on_the_source() -> Result<()> {
    for pair in PAIRS {
        let db = replicating(pair, "rehearsed", "", &[])?;
        let writers = writers(&db)?;
        let rehearsed = other(&db, "pgl-cutover", &["rehearse", "--reverse", "--yes"], 0)?;
        ensure!(
            rehearsed["notes"]
                .to_string()
                .contains("reverse replication was removed"),
            "{rehearsed:#}"
        );
        ensure!(on_source(&db, "SELECT count(*) FROM pglogical.subscription")? == "0");
        let slots = "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()";
        ensure!(on_target(&db, slots)? == "0");
        for _ in 0..3 {
            does(
                &db,
                &["resync", "load.item", "load.entry", "--always", "--yes"],
                0,
            )?;
            writers.wait_for(50, PATIENCE)?;
        }
        let ledger = drained(&db, writers)?;
        ledger.check(&mut db.source_client()?)?;
    }
    Ok(())
}

#[test]
fn referenced_and_generated_and_filtered_and_keyless_tables() -> Result<()> {
    for pair in PAIRS {
        let db = replicating(
            pair,
            "kinds",
            "CREATE TABLE parent (id int PRIMARY KEY, v text);
             CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE);
             INSERT INTO parent SELECT n, 'v' FROM generate_series(1, 100) n;
             INSERT INTO child SELECT n, n FROM generate_series(1, 100) n;
             CREATE TABLE made (id int PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED);
             INSERT INTO made SELECT n, n FROM generate_series(1, 100) n;
             CREATE TABLE part (id int PRIMARY KEY, v text);
             INSERT INTO part SELECT n, 'v' FROM generate_series(1, 100) n;
             CREATE TABLE keyless (a int);
             INSERT INTO keyless SELECT generate_series(1, 100);
             CREATE SCHEMA \"We'ird\";
             CREATE TABLE \"We'ird\".\"T \"\"x\" (id int PRIMARY KEY, \"a b\" text);
             INSERT INTO \"We'ird\".\"T \"\"x\" VALUES (1, 'x')",
            &["--foreign-keys", "now"],
        )?;
        // Referred to: no TRUNCATE, no CASCADE, no row of another table.
        db.on_target("UPDATE parent SET v = 'wrong' WHERE id < 50")?;
        let dry = does(&db, &["resync", "parent", "--dry-run"], 0)?;
        ensure!(dry["tables"][0]["emptied"] == "delete", "{dry:#}");
        ensure!(
            dry["tables"][0]["referenced_by"][0] == "public.child, child_parent_fkey",
            "{dry:#}"
        );
        ensure!(!dry["steps"].to_string().contains("TRUNCATE"), "{dry:#}");
        let said = refuses(&db, &["resync", "parent"], 5)?;
        ensure!(said.contains("no terminal to confirm on"), "{said}");
        does(&db, &["resync", "parent", "--yes"], 0)?;
        ensure!(on_target(&db, "SELECT count(*) FROM child")? == "100");
        same(&db, &["parent", "child"])?;

        db.on_target("DELETE FROM made WHERE id < 50")?;
        does(&db, &["resync", "made", "--yes"], 0)?;
        db.on_source("UPDATE made SET a = a + 1")?;

        // Somebody gave the table a row filter.
        db.on_source(
            "SELECT pglogical.replication_set_remove_table('default', 'part');
             SELECT pglogical.replication_set_add_table('default', 'part', false, NULL, 'id > 40')",
        )?;
        let document = does(&db, &["resync", "part", "--yes"], 0)?;
        ensure!(
            document["tables"][0]["replaced"]["rows"] == 60,
            "{document:#}"
        );
        ensure!(on_target(&db, "SELECT min(id) FROM part")? == "41");

        db.on_source("DELETE FROM keyless WHERE a > 50")?;
        let document = does(&db, &["resync", "keyless", "--yes"], 0)?;
        ensure!(
            document["tables"][0]["set"] == "default_insert_only",
            "{document:#}"
        );
        db.on_target("DELETE FROM \"We'ird\".\"T \"\"x\"")?;
        does(&db, &["resync", "\"We'ird\".\"T \"\"x\"", "--yes"], 0)?;
        does(&db, &["resume"], 0)?;
        same(&db, &["made", "keyless", "\"We'ird\".\"T \"\"x\""])?;
        let said = refuses(&db, &["resync", "nowhere", "--yes"], 5)?;
        ensure!(said.contains("add-table"), "{said}");
    }
    Ok(())
}

#[test]
fn a_copy_that_fails_leaves_what_was_there() -> Result<()> {
    let db = replicating(
        (13, 17),
        "fails",
        "CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT n, 'v' FROM generate_series(1, 100) n",
        &[],
    )?;
    let writers = writers(&db)?;
    db.on_target("DELETE FROM a WHERE id <= 10; ALTER TABLE a ADD CHECK (id > 10)")?;
    let document = does(&db, &["resync", "load.item", "a", "--always", "--yes"], 3)?;
    ensure!(document["verdict"] == "unknown", "{document:#}");
    ensure!(
        document["error"].to_string().contains("check constraint"),
        "{document:#}"
    );
    ensure!(document["tables"][0]["replaced"].is_null(), "{document:#}");
    ensure!(on_target(&db, "SELECT count(*) FROM a")? == "90");
    // Counts that do not come out are an error, too.
    db.on_target(
        "ALTER TABLE a DROP CONSTRAINT a_id_check;
         CREATE FUNCTION drop_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.id = 7 THEN RETURN NULL; END IF; RETURN NEW; END';
         CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION drop_it();
         ALTER TABLE a ENABLE ALWAYS TRIGGER t",
    )?;
    let said = refuses(&db, &["resync", "a", "--yes"], 5)?;
    ensure!(said.contains("trigger"), "{said}");
    db.on_target("DROP TRIGGER t ON a; TRUNCATE a; ALTER TABLE a ADD COLUMN more int NOT NULL")?;
    let said = refuses(&db, &["resync", "a", "--yes"], 5)?;
    ensure!(said.contains("more"), "{said}");
    db.on_target("ALTER TABLE a DROP COLUMN more")?;
    does(&db, &["resync", "a", "--yes"], 0)?;
    same(&db, &["a"])?;
    drained(&db, writers)?;
    Ok(())
}

/// The source drops a reader that is silent for so long, in the middle of the copy.
#[test]
fn a_copy_may_last_longer_than_the_source_waits_for_its_reader() -> Result<()> {
    let db = replicating((15, 18), "long", "", &[])?;
    db.on_source(&format!(
        "ALTER DATABASE \"{}\" SET wal_sender_timeout = '1s'",
        db.name()
    ))?;
    does(&db, &["pause"], 0)?;
    does(&db, &["resume"], 0)?;
    let writers = writers(&db)?;
    let mut reader = db.target_client()?;
    reader.batch_execute("BEGIN; LOCK TABLE load.item IN ACCESS SHARE MODE")?;
    let run =
        super::support::control(&db, &["resync", "load.item", "--always", "--yes"]).start()?;
    std::thread::sleep(Duration::from_secs(5));
    reader.batch_execute("COMMIT")?;
    let document = super::support::ran(run.wait(PATIENCE)?.expect(0)?)?;
    ensure!(
        document["tables"][0]["replaced"]["rows"].as_u64() > Some(0),
        "{document:#}"
    );
    drained(&db, writers)?;
    Ok(())
}

/// A writer that does not end keeps the lock away; nobody waits behind us for long.
#[test]
fn a_busy_table_is_given_up_and_writers_go_on() -> Result<()> {
    let db = replicating((13, 17), "busy", "CREATE TABLE a (id int PRIMARY KEY)", &[])?;
    let mut busy = db.source_client()?;
    busy.batch_execute("BEGIN; INSERT INTO a VALUES (1)")?;
    let args = [
        "resync",
        "a",
        "--always",
        "--yes",
        "--timeout",
        "2s",
        "--lock-timeout",
        "100ms",
    ];
    let document = does(&db, &args, 4);
    let run = document
        .map(|_| ())
        .or_else(|_| refuses(&db, &args, 4).map(|_| ()));
    run?;
    busy.batch_execute("COMMIT")?;
    does(&db, &["resync", "a", "--always", "--yes"], 0)?;
    ensure!(on_source(&db, "SELECT count(*) FROM a")? == "1");
    same(&db, &["a"])?;
    other(&db, "pgl-verify", &[], 0)?;
    Ok(())
}

/// A table that its owner makes a view while a tool waits for it is not read: it would run what the view calls with the
/// rights of the tool.
#[test]
fn a_table_that_becomes_a_view_is_not_read() -> Result<()> {
    for (tool, args, side) in [
        (
            "pgl-control",
            &["resync", "taken", "--yes"][..],
            Side::Source,
        ),
        ("pgl-control", &["resync", "taken", "--yes"], Side::Target),
        (
            "pgl-seqsync",
            &["--at-least-max-of-column", "--dry-run"],
            Side::Source,
        ),
    ] {
        let db = replicating(
            (15, 18),
            "becomes_a_view",
            "CREATE TABLE taken (id serial PRIMARY KEY); INSERT INTO taken DEFAULT VALUES",
            &[],
        )?;
        let role = db.role("mallory");
        let cluster = match side {
            Side::Source => db.source(),
            Side::Target => db.target(),
        };
        let logged = format!("hostile code in {}", db.name());
        cluster.sql(
            db.name(),
            &format!(
                "CREATE ROLE {role}; ALTER TABLE taken OWNER TO {role}; GRANT CREATE ON SCHEMA public TO {role};
                 SET ROLE {role};
                 CREATE FUNCTION evil() RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE LOG '{logged}'; RETURN true; END$$"
            ),
        )?;
        let mark = cluster.log_mark()?;
        let mut owner = cluster.client(db.name())?;
        owner.batch_execute(&format!(
            "BEGIN; SET LOCAL ROLE {role}; LOCK TABLE taken IN ACCESS EXCLUSIVE MODE"
        ))?;
        let program = crate::common::PROGRAMS
            .iter()
            .find(|one| one.name == tool)
            .context("no such program")?;
        let running = Tool::new(program.path).envs(db.env()).args(args).start()?;
        cluster.wait_until(
            db.name(),
            &format!(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
                   AND application_name = '{tool}' AND wait_event_type = 'Lock')"
            ),
            PATIENCE,
        )?;
        owner.batch_execute(
            "ALTER TABLE taken RENAME TO kept; CREATE VIEW taken AS SELECT * FROM kept WHERE evil(); COMMIT",
        )?;
        let out = running.wait(PATIENCE)?;
        let log = cluster.log_since(mark)?;
        ensure!(!log.contains(&logged), "{tool} on the {side}: {log}");
        ensure!(out.code() != Some(0), "{tool} on the {side}: {out:?}");
    }
    Ok(())
}
