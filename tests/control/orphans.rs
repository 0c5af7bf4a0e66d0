//! Rows of other tables that refer to a table which was copied again, and find nothing there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use pgl_testkit::{PairDb, Tool};

use super::support::{PAIRS, PATIENCE, control, does, replicating, same};

const TABLES: &str = r#"
    CREATE TABLE parent (id int PRIMARY KEY, v text);
    CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent);
    INSERT INTO parent SELECT n, 'v' FROM generate_series(1, 300) n;
    INSERT INTO child SELECT n, CASE WHEN n < 290 THEN n END FROM generate_series(1, 300) n;
    CREATE TABLE keyless (parent int REFERENCES parent);
    CREATE TABLE old (id int PRIMARY KEY, parent int);
    INSERT INTO old VALUES (1, -1);
    ALTER TABLE old ADD CONSTRAINT never_checked FOREIGN KEY (parent) REFERENCES parent NOT VALID;
    CREATE SCHEMA "We'ird";
    CREATE TABLE "We'ird".two (a int, "b ""c" text COLLATE "C", PRIMARY KEY (a, "b ""c"));
    INSERT INTO "We'ird".two SELECT n, 'x' FROM generate_series(1, 9) n;
    CREATE TABLE "We'ird".pairs (id int PRIMARY KEY, "x y" bigint, z varchar(9),
        CONSTRAINT "to ""two" FOREIGN KEY ("x y", z) REFERENCES "We'ird".two MATCH FULL);
    INSERT INTO "We'ird".pairs SELECT n, n, 'x' FROM generate_series(1, 9) n UNION ALL SELECT 10, NULL, NULL;
    CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
    CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (100) TO (200);
    INSERT INTO parts SELECT generate_series(1, 199);
    CREATE TABLE of_parts (id int PRIMARY KEY, part int REFERENCES parts);
    INSERT INTO of_parts SELECT n, n FROM generate_series(1, 199) n;"#;

/// Families come and go, each in one transaction, so that at every moment some are on their way.
fn families(db: &PairDb, stop: Arc<AtomicBool>) -> Result<JoinHandle<Result<u32>>> {
    let mut client = db.source_client()?;
    Ok(std::thread::spawn(move || {
        let mut n = 1000;
        while !stop.load(Ordering::SeqCst) {
            client.batch_execute(&format!(
                "BEGIN; INSERT INTO parent SELECT g, 'new' FROM generate_series({n}, {n} + 9) g;
                 INSERT INTO child SELECT g, g FROM generate_series({n}, {n} + 9) g; COMMIT;
                 BEGIN; DELETE FROM child WHERE id BETWEEN {n} - 40 AND {n} - 35;
                 DELETE FROM parent WHERE id BETWEEN {n} - 40 AND {n} - 35;
                 UPDATE child SET parent = {n} WHERE id = {n} - 30; DELETE FROM parent WHERE id = {n} - 30; COMMIT"
            ))?;
            n += 10;
        }
        Ok(n)
    }))
}

#[test]
fn orphans_are_seen_and_rows_on_their_way_are_none() -> Result<()> {
    for (pair, when) in PAIRS.into_iter().zip(["at-cutover", "now"]) {
        let db = replicating(pair, "orphans", TABLES, &["--foreign-keys", when])?;
        let stop = Arc::new(AtomicBool::new(false));
        let writer = families(&db, Arc::clone(&stop))?;
        for _ in 0..6 {
            std::thread::sleep(Duration::from_millis(150));
            let fine = does(&db, &["resync", "parent", "--always", "--yes"], 0)?;
            ensure!(fine["orphans"] == serde_json::json!([]), "{fine:#}");
            let steps = fine["steps"].to_string();
            ensure!(steps.contains("1 foreign keys refer"), "{fine:#}");
            let notes = fine["notes"].to_string();
            ensure!(
                notes.contains("keyless, keyless_parent_fkey was not looked at")
                    && notes.contains("public.old, never_checked was not looked at"),
                "{fine:#}"
            );
        }
        // Damage, while the writers go on.
        db.on_target(
            "SET session_replication_role = replica;
             UPDATE child SET parent = 900000 + id WHERE id BETWEEN 11 AND 17",
        )?;
        let bad = does(&db, &["resync", "parent", "--always", "--yes"], 1)?;
        let found = &bad["orphans"][0];
        ensure!(
            bad["verdict"] == "no" && bad["orphans"][1].is_null(),
            "{bad:#}"
        );
        ensure!(
            found["table"] == "child"
                && found["constraint"] == "child_parent_fkey"
                && found["references"] == "public.parent"
                && found["rows"] == 7,
            "{bad:#}"
        );
        ensure!(
            found["keys"]
                == serde_json::json!(["(900011)", "(900012)", "(900013)", "(900014)", "(900015)"]),
            "{bad:#}"
        );
        // The copy itself is made, and says so.
        ensure!(
            bad["tables"][0]["replaced"]["rows"].as_u64() > Some(200),
            "{bad:#}"
        );
        let text = control(
            &db,
            &["resync", "parent", "--always", "--yes", "--format", "text"],
        )
        .run()?
        .expect(1)?;
        ensure!(
            text.stdout
                .contains("public.child: 7 rows without a row in public.parent"),
            "{}",
            text.stdout
        );
        does(&db, &["resync", "child", "--yes"], 0)?;
        does(&db, &["resync", "parent", "--always", "--yes"], 0)?;
        stop.store(true, Ordering::SeqCst);
        let last = writer
            .join()
            .map_err(|_| anyhow!("the writer panicked"))??;
        ensure!(last > 1100, "{last}: nobody wrote");
        does(&db, &["resume"], 0)?;
        same(&db, &["parent", "child"])?;
    }
    Ok(())
}

#[test]
fn keys_of_several_columns_and_of_partitioned_tables() -> Result<()> {
    for (pair, when) in PAIRS.into_iter().zip(["now", "at-cutover"]) {
        let db = replicating(pair, "orphan_kinds", TABLES, &["--foreign-keys", when])?;
        let two = "\"We'ird\".two";
        let all = ["resync", two, "parts_1", "--always", "--yes"];
        let fine = does(&db, &all, 0)?;
        ensure!(
            fine["steps"].to_string().contains("2 foreign keys refer"),
            "{fine:#}"
        );
        db.on_target(
            "SET session_replication_role = replica;
             UPDATE \"We'ird\".pairs SET z = 'y' WHERE id = 4;
             UPDATE \"We'ird\".pairs SET z = NULL WHERE id = 5;
             UPDATE of_parts SET part = 777 WHERE id IN (3, 150)",
        )?;
        let bad = does(&db, &all, 1)?;
        let found = bad["orphans"].as_array().context("no list")?;
        ensure!(found.len() == 2, "{bad:#}");
        ensure!(
            found[0]["constraint"] == "to \"two"
                && found[0]["keys"] == serde_json::json!(["(4,y)", "(5,)"])
                && found[0]["columns"] == serde_json::json!(["x y", "z"]),
            "{bad:#}"
        );
        ensure!(
            found[1]["table"] == "of_parts"
                && found[1]["references"] == "public.parts"
                && found[1]["rows"] == 2
                && found[1]["keys"] == serde_json::json!(["(777)"]),
            "{bad:#}"
        );
        let again = ["resync", "\"We'ird\".pairs", "of_parts", "--yes"];
        does(&db, &again, 0)?;
        does(&db, &all, 0)?;
    }
    Ok(())
}

/// Equal counts say nothing of a wrong reference: the key's own check finds it, when the cutover is made.
#[test]
fn a_switch_whose_foreign_key_does_not_hold_names_it() -> Result<()> {
    let db = replicating((15, 18), "orphan_switch", TABLES, &[])?;
    db.on_target("UPDATE child SET parent = 900000 + id WHERE id = 11")?;
    let cutover = |args: &[&str]| {
        Tool::new(env!("CARGO_BIN_EXE_pgl-cutover"))
            .envs(db.env())
            .args(args)
            .limit(PATIENCE)
            .run()
    };
    let document = cutover(&["--yes"])?.expect(5)?.json()?;
    ensure!(
        document["refusals"].to_string().contains("(900011)"),
        "{document:#}"
    );
    // Nobody looks, and it is found when the foreign key comes.
    let unseen = ["--yes", "--force", "cut.orphans"];
    let document = cutover(&unseen)?.expect(6)?.json()?;
    let error = document["error"].to_string();
    ensure!(
        document["state"] == "promoted"
            && error.contains("child_parent_fkey")
            && error.contains("(parent)=(900011)"),
        "{document:#}"
    );
    db.on_target("UPDATE child SET parent = 11 WHERE id = 11")?;
    cutover(&["resume", "--yes"])?.expect(0)?;
    Ok(())
}
