//! Every pair of majors, with everything, under load.

use crate::common::Documented;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pgl_testkit::load::{self, Load};
use pgl_testkit::{PairDb, shared_pair};

use super::support::{
    PATIENCE, definition_differences, drain, everything, same_rows, setup, state,
};

fn carries_everything(source: u16, target: u16) -> Result<()> {
    let db = shared_pair(source, target)?.database("everything")?;
    let (owner, reader) = everything(&db)?;
    objects(&db, &owner, &reader)?;
    db.on_source(load::SCHEMA)?;
    let writers = Load::new()
        .workers(2)
        .large_rows(500)
        .start(&[db.source_dsn()])?;
    writers.wait_for(50, PATIENCE)?;
    let out = setup(&db).args(["--roles", "copy"]).run()?.expect(0)?;
    let document = out.document()?;
    ensure!(state(&document, "copy")? == "done", "{document:#}");
    ensure!(
        state(&document, "target.foreign-keys")? == "skipped",
        "{document:#}"
    );
    // What the application does goes on, and every kind of it arrives.
    writers.wait_for(100, PATIENCE)?;
    changes(&db, &owner)?;
    writers.wait_for(50, PATIENCE)?;
    let ledger = writers.stop()?;
    ensure!(
        ledger.refusals().is_empty(),
        "refused: {:?}",
        ledger.refusals()
    );
    ensure!(ledger.acknowledged() > 150);
    drain(&db)?;
    same_rows(&db)?;
    ledger.check(&mut db.target_client()?)?;
    let differences = definition_differences(&db, false)?;
    ensure!(differences.is_empty(), "{}", differences.join("\n"));

    // Again: nothing to do. Then the foreign keys, as at a cutover.
    let again = setup(&db).run()?.expect(0)?.document()?;
    for step in again["steps"].as_array().into_iter().flatten() {
        ensure!(step["state"] != "done", "done twice: {step}");
    }
    setup(&db)
        .args(["--step", "target.foreign-keys"])
        .run()?
        .expect(0)?;
    let differences = definition_differences(&db, true)?;
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    // Large objects come with the cutover.
    let large = db.on_target("SELECT FROM pg_largeobject_metadata")?;
    ensure!(large.is_empty(), "{large:?}");
    Ok(())
}

/// The objects of `objects.sql` that the source's version has.
fn objects(db: &PairDb, owner: &str, reader: &str) -> Result<()> {
    let odd = format!("\"{}\"", db.role("odd 'x'; -- Type: ROLE"));
    db.on_source(&format!("CREATE ROLE {odd}"))?;
    let parts = include_str!("../sql/objects.sql").split("\n-- From PostgreSQL ");
    for (n, part) in parts.enumerate() {
        let (major, sql) = match n {
            0 => ("0", part),
            _ => part.split_once('\n').context("a part without statements")?,
        };
        let major: u16 = major.parse()?;
        if major <= db.source().major() {
            db.on_source(
                &sql.replace("app_owner", &format!("\"{owner}\""))
                    .replace("app_reader", &format!("\"{reader}\""))
                    .replace("app_odd", &odd),
            )
            .with_context(|| format!("objects since {major}"))?;
        }
    }
    Ok(())
}

/// Changes of every kind on the tables of `everything.sql`, the owner's TRUNCATE among them.
fn changes(db: &PairDb, owner: &str) -> Result<()> {
    db.on_source(
        "UPDATE shop.types SET c_text = c_text || '!', c_float8 = c_float8 * 1.1, c_interval = c_interval * 2 WHERE id % 3 = 0;
         INSERT INTO shop.types (id, c_float8, c_float4, c_timestamptz, c_money) SELECT id + 10000, c_float8 / 3, c_float4 / 3, c_timestamptz, c_money FROM shop.types;
         DELETE FROM shop.types WHERE id % 17 = 0;
         UPDATE shop.orders SET amount = amount + 0.01 WHERE id % 5 = 0;
         INSERT INTO shop.orders (customer, amount) SELECT 1, 1.5 FROM generate_series(1, 100);
         UPDATE shop.generated_only SET a = a + 1;
         UPDATE shop.composite SET a = a + 5000 WHERE a % 10 = 0;
         UPDATE shop.text_key SET code = 'new ' || code WHERE v % 50 = 0;
         UPDATE shop.by_list SET region = 'eu' WHERE id % 30 = 1;
         UPDATE shop.by_range SET day = day + 200 WHERE id % 40 = 0 AND day < '2024-06-01';
         DELETE FROM shop.by_hash WHERE id > 550;
         INSERT INTO shop.keyless (line) SELECT 'more ' || g FROM generate_series(1, 50) g;
         INSERT INTO shop.no_columns DEFAULT VALUES;
         UPDATE shop.large SET plain = 'changed' WHERE id < 10;
         UPDATE shop.large SET body = repeat('x', 200000) WHERE id = 3;
         UPDATE shop.tree SET parent = 1 WHERE id = 499;
         INSERT INTO shop.booking VALUES (1000, '[2030-01-01,2030-01-02)');
         DELETE FROM shop.dogs WHERE id > 1050;
         UPDATE \"Ünïcode Schema\".\"We'ird \"\"Täble\"\" 表\" SET \"select\" = 'ß' WHERE \"Ïd\" < 20;
         BEGIN; DELETE FROM shop.customers WHERE id NOT IN (SELECT customer FROM shop.orders); ROLLBACK;
         BEGIN; SAVEPOINT a; INSERT INTO shop.nothing_in_it VALUES (1); ROLLBACK TO a; INSERT INTO shop.nothing_in_it VALUES (2); COMMIT;
         UPDATE shop.by_index SET v = 'changed' WHERE u < 10;",
    )?;
    let mut as_owner = db.source().client_as(owner, db.name())?;
    as_owner
        .batch_execute("TRUNCATE shop.scratch; INSERT INTO shop.scratch VALUES (1, 'after')")?;
    Ok(())
}

#[test]
fn from_13_to_15() -> Result<()> {
    carries_everything(13, 15)
}

#[test]
fn from_13_to_17() -> Result<()> {
    carries_everything(13, 17)
}

#[test]
fn from_13_to_18() -> Result<()> {
    carries_everything(13, 18)
}

#[test]
fn from_15_to_17() -> Result<()> {
    carries_everything(15, 17)
}

#[test]
fn from_15_to_18() -> Result<()> {
    carries_everything(15, 18)
}

#[test]
fn from_17_to_18() -> Result<()> {
    carries_everything(17, 18)
}

#[test]
fn from_18_to_18() -> Result<()> {
    carries_everything(18, 18)
}

#[test]
fn five_hundred_tables_and_a_huge_value() -> Result<()> {
    let db = shared_pair(13, 17)?.database("many")?;
    db.on_source(
        "DO $$ BEGIN FOR n IN 1..500 LOOP
             EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, v text, w int); CREATE INDEX ON t%s (w)', n, n);
             EXECUTE format('INSERT INTO t%s SELECT g, ''v'' || g, g %% 7 FROM generate_series(1, %s) g', n, n % 50);
         END LOOP; END $$;
         CREATE TABLE huge (id int PRIMARY KEY, v text, b bytea);
         ALTER TABLE huge ALTER v SET STORAGE EXTERNAL;
         INSERT INTO huge SELECT 1, string_agg(md5(g::text), ''), NULL FROM generate_series(1, 1638400) g;
         INSERT INTO huge SELECT 2, NULL, convert_to(repeat('äöü', 1000000), 'UTF8')",
    )?;
    let out = setup(&db)
        .limit(Duration::from_secs(240))
        .run()?
        .expect(0)?;
    let tables = out.document()?["copy"]["tables"]
        .as_array()
        .map_or(0, Vec::len);
    ensure!(tables == 502, "{tables} tables were copied");
    db.on_source("UPDATE huge SET v = v || 'x' WHERE id = 1; UPDATE t500 SET w = 9; INSERT INTO t499 VALUES (1000, 'n', 1)")?;
    drain(&db)?;
    same_rows(&db)?;
    Ok(())
}
