//! What is compared before the target is released.

use anyhow::{Result, ensure};

use super::support::{PAIRS, cutover, replicating_with, same, writes_within};

/// Values whose text differs between majors, and a partitioned table with a foreign key.
const MORE: &str = "
    CREATE TABLE value (id int PRIMARY KEY, f float8, r real, n numeric, j jsonb, t timestamptz, b bytea);
    INSERT INTO value SELECT g, sqrt(g), g / 7.0, g / 3.0, json_build_object('g', g), now(), decode(md5(g::text), 'hex')
      FROM generate_series(1, 500) g;
    CREATE TABLE part (id int PRIMARY KEY, parent int NOT NULL REFERENCES parent) PARTITION BY RANGE (id);
    CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (1) TO (100);
    CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (100) TO (1000);
    INSERT INTO part SELECT g, g FROM generate_series(1, 900) g;
    ANALYZE";

/// One value that is wrong on the target stops the cutover where every row is asked for; the numbers of
/// rows alone do not see it, and say that they are only that.
#[test]
fn a_wrong_value_stops_the_switch_where_rows_are_compared() -> Result<()> {
    for (source, target) in PAIRS {
        let db = replicating_with(source, target, "full", MORE)?;
        for (wrong, right, table) in [
            (
                "UPDATE value SET f = f + 1e-12 WHERE id = 77",
                "UPDATE value SET f = sqrt(77::float8) WHERE id = 77",
                "value",
            ),
            (
                "UPDATE part SET parent = 1 WHERE id = 500",
                "UPDATE part SET parent = 500 WHERE id = 500",
                "part",
            ),
            (
                "UPDATE child c SET parent = o.parent FROM child o WHERE c.id + o.id = 41 AND c.id IN (20, 21)",
                "UPDATE child c SET parent = o.parent FROM child o WHERE c.id + o.id = 41 AND c.id IN (20, 21)",
                "child",
            ),
        ] {
            let past_the_write_block = |sql: &str| -> Result<()> {
                let mut client = db.target_client()?;
                // As the apply worker writes: write-block triggers keep everybody else away.
                client.batch_execute(
                    "SET default_transaction_read_only = off; SET session_replication_role = replica",
                )?;
                Ok(client.batch_execute(sql)?)
            };
            past_the_write_block(wrong)?;
            let out = cutover(&db)
                .args(["--yes", "--verify", "full"])
                .run()?
                .expect(5)?
                .json()?;
            ensure!(out["state"] == "restored", "{out:#}");
            let found = out["checked"]["differences"].to_string();
            ensure!(
                found.contains(&format!("public.{table}")) && found.contains("other values"),
                "{found}"
            );
            writes_within(&db, std::time::Duration::from_secs(5))?;
            past_the_write_block(right)?;
        }
        let out = cutover(&db)
            .args(["--yes", "--verify", "full"])
            .run()?
            .expect(0)?
            .json()?;
        ensure!(
            out["phases"].to_string().contains("equal row for row"),
            "{out:#}"
        );
        ensure!(
            out["checked"]["before"].as_u64().is_some_and(|n| n >= 8),
            "{out:#}"
        );
        same(
            &db,
            &["value", "part", "parent", "child", "keyless", "scratch"],
        )?;
        let keys = db.on_target(
            "SELECT count(*) FROM pg_constraint WHERE conrelid = 'part'::regclass AND contype = 'f' AND convalidated",
        )?;
        ensure!(keys == [[Some("1".to_owned())]], "{keys:?}");
        // A statement on the root goes past the triggers of its partitions.
        let mut client = db.source_client()?;
        client.batch_execute("SET default_transaction_read_only = off")?;
        ensure!(
            client
                .batch_execute("INSERT INTO part VALUES (950, 1)")
                .is_err()
        );
    }
    Ok(())
}
