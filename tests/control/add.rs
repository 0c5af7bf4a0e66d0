//! Tables, partitions and sequences that join a migration that runs.

use anyhow::{Result, ensure};

use super::support::{
    PAIRS, does, does_twice, drained, on_target, other, refuses, replicating, same, writers,
};

/// The table that the writers use joins while they write; then the whole way to the other side.
#[test]
fn a_table_joins_under_load_and_the_other_tools_know_it() -> Result<()> {
    for pair in PAIRS {
        let db = replicating(pair, "add", "", &["--exclude-table", "load.item"])?;
        let writers = writers(&db)?;
        ensure!(on_target(&db, "SELECT count(*) FROM load.item")? == "0");
        let dry = does(&db, &["add-table", "load.item", "--dry-run"], 0)?;
        ensure!(
            dry.to_string().contains("replication_set_add_table"),
            "{dry:#}"
        );
        let document = does_twice(&db, &["add-table", "load.item"])?;
        ensure!(
            document["tables"][0]["replaced"]["rows"].as_u64() > Some(0),
            "{document:#}"
        );
        drained(&db, writers)?;
        let verified = other(&db, "pgl-verify", &["--format", "json"], 0)?;
        ensure!(verified.to_string().contains("\"item\""), "{verified:#}");
        other(&db, "pgl-status", &["--sample", "0s"], 0)?;
        let moved = other(&db, "pgl-cutover", &["--yes"], 0)?;
        ensure!(moved["state"] == "done", "{moved:#}");
        same(&db, &["load.item"])?;
        let said = refuses(&db, &["add-table", "load.beat"], 5)?;
        ensure!(said.contains("cut over at 20"), "{said}");
    }
    Ok(())
}

#[test]
fn a_new_table_is_created_with_its_keys_and_sequences() -> Result<()> {
    for pair in PAIRS {
        let db = replicating(
            pair,
            "new",
            "CREATE TABLE old (id int PRIMARY KEY); INSERT INTO old SELECT generate_series(1, 10)",
            &[],
        )?;
        let before = does(&db, &["resume", "--dry-run"], 0)?;
        db.on_source(
            "CREATE SEQUENCE ticket;
             CREATE TABLE fresh (id serial PRIMARY KEY, ticket bigint DEFAULT nextval('ticket'), old int REFERENCES old,
                                 twice bigint GENERATED ALWAYS AS (id * 2) STORED, u text UNIQUE, CHECK (id > 0));
             CREATE INDEX fresh_ticket ON fresh (ticket);
             INSERT INTO fresh (old, u) SELECT n, n::text FROM generate_series(1, 10) n;
             CREATE TABLE nokey (a int); INSERT INTO nokey VALUES (1), (2)",
        )?;
        let document = does_twice(&db, &["add-table", "fresh", "nokey"])?;
        ensure!(
            document["sequences"] == serde_json::json!(["public.fresh_id_seq", "public.ticket"]),
            "{document:#}"
        );
        let sets: Vec<_> = document["tables"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|t| &t["set"])
            .collect();
        ensure!(sets == ["default", "default_insert_only"], "{sets:?}");
        db.on_source("UPDATE fresh SET old = 1 WHERE id = 5; DELETE FROM fresh WHERE id = 6; INSERT INTO nokey VALUES (3)")?;
        does(&db, &["resume"], 0)?;
        same(&db, &["fresh", "nokey"])?;
        ensure!(
            on_target(
                &db,
                "SELECT count(*) FROM pg_index WHERE indrelid = 'fresh'::regclass"
            )? == "3"
        );
        // Its foreign key waits for the cutover like everybody's.
        ensure!(
            on_target(
                &db,
                "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid = 'fresh'::regclass"
            )? == "0"
        );
        ensure!(
            on_target(
                &db,
                "SELECT count(*) FROM pgl.held WHERE kind = 'FK CONSTRAINT' AND done IS NULL"
            )? == "1"
        );
        // TRUNCATE goes on for owners, and travels.
        db.on_source("TRUNCATE nokey")?;
        does(&db, &["resume"], 0)?;
        same(&db, &["nokey"])?;
        // A document from before does not know them.
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), before.to_string())?;
        let out = pgl_testkit::Tool::new(env!("CARGO_BIN_EXE_pgl-cutover"))
            .envs(db.env())
            .args(["--dry-run", "--plan"])
            .arg(file.path())
            .run()?
            .expect(5)?;
        ensure!(out.stderr.contains("pgl-control"), "{}", out.stderr);
        let moved = other(&db, "pgl-cutover", &["--yes"], 0)?;
        ensure!(moved["state"] == "done", "{moved:#}");
        ensure!(on_target(&db, "SELECT nextval('ticket')")? == "11");
        ensure!(on_target(&db, "SELECT nextval('fresh_id_seq')")? == "11");
        ensure!(
            on_target(
                &db,
                "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated AND conrelid = 'fresh'::regclass"
            )? == "1"
        );
    }
    Ok(())
}

#[test]
fn a_new_partition_joins() -> Result<()> {
    for pair in PAIRS {
        let db = replicating(
            pair,
            "partition",
            "CREATE TABLE day (id int, d date, PRIMARY KEY (id, d)) PARTITION BY RANGE (d);
             CREATE INDEX day_d ON day (d);
             CREATE TABLE day_1 PARTITION OF day FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
             INSERT INTO day SELECT n, '2026-01-05' FROM generate_series(1, 10) n",
            &[],
        )?;
        db.on_source(
            "CREATE TABLE day_2 PARTITION OF day FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
             INSERT INTO day SELECT n, '2026-02-05' FROM generate_series(1, 10) n",
        )?;
        // The partitioned table stands for its partitions: those that are new join.
        does_twice(&db, &["add-table", "day"])?;
        db.on_source(
            "UPDATE day SET id = id + 100 WHERE id > 5; INSERT INTO day VALUES (500, '2026-02-07')",
        )?;
        does(&db, &["resume"], 0)?;
        same(&db, &["day", "day_2"])?;
        let invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
        ensure!(on_target(&db, invalid)? == "0");
        ensure!(
            on_target(
                &db,
                "SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relkind = 'i'"
            )? == "4"
        );
        let moved = other(&db, "pgl-cutover", &["--yes"], 0)?;
        ensure!(moved["state"] == "done", "{moved:#}");
    }
    Ok(())
}

/// Names are the plan's, objects are the servers'.
#[test]
fn a_table_that_was_dropped_and_created_again_is_not_replicated_already() -> Result<()> {
    for pair in PAIRS {
        let db = replicating(
            pair,
            "again",
            "CREATE TABLE report (id int PRIMARY KEY, v text); INSERT INTO report SELECT n, 'old' FROM generate_series(1, 10) n;
             CREATE TABLE swap (id int PRIMARY KEY); INSERT INTO swap VALUES (1);
             CREATE TABLE gone (id int PRIMARY KEY, report int REFERENCES report); INSERT INTO gone VALUES (1, 1);
             CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (1);
             CREATE TABLE empty (id int PRIMARY KEY)",
            &[],
        )?;
        let document = does(&db, &["add-table", "report", "gone", "other", "empty"], 0)?;
        ensure!(document["already"] == true, "{document:#}");
        // On the source, as a deployment does it.
        db.on_source(
            "DROP TABLE report CASCADE; CREATE TABLE report (id int PRIMARY KEY, v text);
             INSERT INTO report SELECT n, 'new' FROM generate_series(5, 20) n;
             ALTER TABLE swap RENAME TO swap_old; CREATE TABLE swap (id int PRIMARY KEY); INSERT INTO swap VALUES (2)",
        )?;
        let said = refuses(&db, &["resync", "report", "--yes"], 5)?;
        ensure!(said.contains("add-table"), "{said}");
        let said = refuses(&db, &["add-table", "report", "swap"], 5)?;
        ensure!(said.contains("holds rows"), "{said}");
        let document = does_twice(&db, &["add-table", "report", "swap", "--yes"])?;
        ensure!(
            document["notes"]
                .to_string()
                .contains("in no replication set"),
            "{document:#}"
        );
        db.on_source("UPDATE report SET v = 'newer' WHERE id = 7; INSERT INTO swap VALUES (3)")?;
        does(&db, &["resume"], 0)?;
        same(&db, &["report", "swap"])?;
        // On the target: gone, gone and made again with other rows, emptied.
        db.on_target(
            "DROP TABLE gone; DROP TABLE other; CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (77)",
        )?;
        db.on_source("UPDATE gone SET report = NULL; INSERT INTO other VALUES (2)")?;
        let said = refuses(&db, &["add-table", "other"], 5)?;
        ensure!(said.contains("holds rows"), "{said}");
        let document = does_twice(&db, &["add-table", "gone", "other", "--yes"])?;
        let notes = document["notes"].to_string();
        ensure!(
            notes.contains("has no table of this name") && notes.contains("created again"),
            "{document:#}"
        );
        db.on_source("INSERT INTO gone VALUES (2); INSERT INTO other VALUES (3)")?;
        does(&db, &["resume"], 0)?;
        same(&db, &["report", "swap", "gone", "other"])?;
        db.on_target("TRUNCATE other")?;
        does_twice(&db, &["add-table", "other"])?;
        same(&db, &["other"])?;
        // Every deferred foreign key is there once.
        ensure!(
            on_target(
                &db,
                "SELECT count(*) - count(DISTINCT object) FROM pgl.held WHERE done IS NULL"
            )? == "0"
        );
    }
    Ok(())
}

#[test]
fn what_cannot_join_is_refused_and_changes_nothing() -> Result<()> {
    let db = replicating(
        (13, 17),
        "refuse",
        "CREATE TABLE old (id int PRIMARY KEY)",
        &[],
    )?;
    db.on_source(
        "CREATE TABLE shape (id int PRIMARY KEY, a int);
         CREATE TABLE mine (id int PRIMARY KEY); INSERT INTO mine VALUES (1);
         CREATE TYPE colour AS ENUM ('red');
         CREATE TABLE typed (id int PRIMARY KEY, c colour)",
    )?;
    db.on_target(
        "CREATE TABLE shape (id int PRIMARY KEY); CREATE TABLE mine (id int PRIMARY KEY); INSERT INTO mine VALUES (7)",
    )?;
    for (table, word) in [
        ("shape", "column a"),
        ("nowhere", "no nowhere"),
        ("mine", "holds rows"),
        ("typed", "colour"),
    ] {
        let out = super::support::control(&db, &["add-table", table]).run()?;
        ensure!(
            matches!(out.code(), Some(3 | 5)),
            "{table}: {:?} {}",
            out.code(),
            out.stderr
        );
        ensure!(out.stderr.contains(word), "{table}: {}", out.stderr);
    }
    let members = "SELECT count(*) FROM pglogical.replication_set_table";
    ensure!(super::support::on_source(&db, members)? == "5");
    // With consent its rows are replaced; nothing of another table is.
    does(&db, &["add-table", "mine", "--yes"], 0)?;
    same(&db, &["mine"])?;
    db.on_target("CREATE TYPE colour AS ENUM ('red')")?;
    does_twice(&db, &["add-table", "typed"])?;
    other(
        &db,
        "pgl-verify",
        &["--table", "mine", "--table", "typed", "--table", "old"],
        0,
    )?;
    Ok(())
}

#[test]
fn a_sequence_joins_the_plan_and_no_replication_set() -> Result<()> {
    for pair in PAIRS {
        let db = replicating(pair, "sequence", "CREATE TABLE a (id int PRIMARY KEY)", &[])?;
        db.on_source(
            "CREATE SEQUENCE down INCREMENT -1 MINVALUE -9 MAXVALUE -1; SELECT nextval('down'), nextval('down');
             CREATE SEQUENCE small AS smallint",
        )?;
        does_twice(&db, &["add-sequence", "down"])?;
        // pglogical, given a table, would take the server down.
        let said = refuses(&db, &["add-sequence", "a"], 5)?;
        ensure!(said.contains("is a table"), "{said}");
        db.on_target("CREATE SEQUENCE small INCREMENT 2")?;
        let said = refuses(&db, &["add-sequence", "nix"], 5)?;
        ensure!(said.contains("no nix"), "{said}");
        let members = "SELECT count(*) FROM pglogical.replication_set_seq";
        ensure!(super::support::on_source(&db, members)? == "0");
        let refused = other(&db, "pgl-cutover", &["--yes"], 5)?;
        for id in ["cut.unplanned", "seq.params"] {
            ensure!(
                refused["refusals"]
                    .as_array()
                    .is_some_and(|all| all.iter().any(|one| one["id"] == id)),
                "{id}: {refused:#}"
            );
        }
        db.on_target("ALTER SEQUENCE small AS smallint INCREMENT 1")?;
        does_twice(&db, &["add-sequence", "small"])?;
        let moved = other(&db, "pgl-cutover", &["--yes"], 0)?;
        ensure!(moved["state"] == "done", "{moved:#}");
        ensure!(on_target(&db, "SELECT nextval('down')")? == "-3");
    }
    Ok(())
}
