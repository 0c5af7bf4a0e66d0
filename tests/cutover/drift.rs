//! What somebody has changed between the setup and the cutover.

use anyhow::{Context, Result, ensure};
use pgl_testkit::{Cluster, PairDb, Tool};
use serde_json::Value;

use super::support::{PAIRS, PATIENCE, cutover, replicating_with};

const MORE: &str = "
    CREATE TABLE part (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
    CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (1) TO (100);
    INSERT INTO part SELECT g, 'v' FROM generate_series(1, 50) g;
    CREATE TABLE plain (id int PRIMARY KEY, v text);
    CREATE SEQUENCE ticket;
    CREATE TYPE mood AS ENUM ('glum');
    CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';
    ALTER TABLE plain ADD CONSTRAINT long_enough CHECK (length(v) > 0);
    CREATE INDEX ON plain (v);
    ANALYZE";

/// A change of the source, how it is rolled back, the guard that sees it, and what it names.
const CHANGES: [[&str; 4]; 16] = [
    [
        "CREATE TABLE late (id int PRIMARY KEY); INSERT INTO late VALUES (1)",
        "DROP TABLE late",
        "cut.unplanned",
        "public.late",
    ],
    [
        "CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (100) TO (200); INSERT INTO part VALUES (150, 'v')",
        "DROP TABLE part_2",
        "cut.unplanned",
        "public.part_2",
    ],
    [
        "ALTER TABLE plain SET UNLOGGED",
        "ALTER TABLE plain SET LOGGED",
        "cut.unplanned",
        "public.plain is left out now",
    ],
    [
        "ALTER TABLE plain ADD note text",
        "ALTER TABLE plain DROP note",
        "cut.schema",
        "public.plain: column note is missing on the target",
    ],
    [
        "ALTER TABLE part DETACH PARTITION part_1",
        "ALTER TABLE part ATTACH PARTITION part_1 FOR VALUES FROM (1) TO (100)",
        "cut.definitions",
        "TABLE ATTACH public.part_1 is only on the target",
    ],
    [
        "ALTER TABLE plain ALTER v TYPE varchar(20)",
        "ALTER TABLE plain ALTER v TYPE text",
        "tbl.type_mismatch",
        "public.plain",
    ],
    [
        "ALTER TABLE plain ALTER v SET DEFAULT 'x'",
        "ALTER TABLE plain ALTER v DROP DEFAULT",
        "cut.definitions",
        "TABLE public.plain has changed on the source",
    ],
    [
        "ALTER TABLE plain ALTER v SET NOT NULL",
        "ALTER TABLE plain ALTER v DROP NOT NULL",
        "cut.definitions",
        "TABLE public.plain has changed on the source",
    ],
    [
        "ALTER SEQUENCE ticket INCREMENT 50",
        "ALTER SEQUENCE ticket INCREMENT 1",
        "seq.params",
        "public.ticket",
    ],
    [
        "CREATE UNIQUE INDEX once ON plain (v)",
        "DROP INDEX once",
        "cut.definitions",
        "INDEX public.once is not on the target",
    ],
    [
        "ALTER TABLE child ADD CONSTRAINT second FOREIGN KEY (parent) REFERENCES parent",
        "ALTER TABLE child DROP CONSTRAINT second",
        "cut.definitions",
        "FK CONSTRAINT public.child second",
    ],
    [
        "ALTER TABLE plain DROP CONSTRAINT long_enough",
        "ALTER TABLE plain ADD CONSTRAINT long_enough CHECK (length(v) > 0)",
        "cut.definitions",
        "TABLE public.plain has changed on the source",
    ],
    [
        "CREATE VIEW more AS SELECT 1 AS x",
        "DROP VIEW more",
        "cut.definitions",
        "VIEW public.more",
    ],
    [
        "CREATE FUNCTION one(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP FUNCTION one(int)",
        "cut.definitions",
        "FUNCTION public.one(integer)",
    ],
    [
        "GRANT SELECT ON plain TO PUBLIC",
        "REVOKE SELECT ON plain FROM PUBLIC",
        "cut.rights",
        "ACL public.TABLE plain",
    ],
    [
        "ALTER TABLE plain ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE plain DISABLE ROW LEVEL SECURITY",
        "cut.definitions",
        "ROW SECURITY public.plain",
    ],
];

/// Replication carries no definition: each change stops the cutover by name, nothing has happened then, and
/// once it is made on both sides or rolled back the way is free.
#[test]
fn definitions_that_changed_since_the_setup_stop_the_switch_by_name() -> Result<()> {
    for (turn, (source, target)) in PAIRS.into_iter().enumerate() {
        let db = replicating_with(source, target, "drift", MORE)?;
        cutover(&db).arg("--dry-run").run()?.expect(0)?;
        // Each on one of the pairs.
        for [change, back, id, names] in CHANGES.into_iter().skip(turn).step_by(PAIRS.len()) {
            db.on_source(change)?;
            let out = cutover(&db)
                .arg("--yes")
                .run()?
                .expect(5)
                .with_context(|| change.to_owned())?
                .json()?;
            ensure!(
                out["refusals"].as_array().is_some_and(|all| all
                    .iter()
                    .any(|one| one["id"] == id && one["what"].to_string().contains(names))),
                "{change}: {out:#}"
            );
            db.on_source(back)?;
        }
        let both = "CREATE SEQUENCE late_number";
        db.on_source(both)?;
        db.on_target(both)?;
        let out = cutover(&db).arg("--dry-run").run()?.expect(1)?.json()?;
        ensure!(
            out["refusals"]
                .to_string()
                .contains("sequence public.late_number is in no plan"),
            "{out:#}"
        );
        db.on_source("DROP SEQUENCE late_number")?;
        // A value of an enumerated type cannot be rolled back; made on both sides it is no difference.
        db.on_source("ALTER TYPE mood ADD VALUE 'merry'")?;
        let out = cutover(&db).arg("--dry-run").run()?.expect(1)?.json()?;
        ensure!(
            out["refusals"]
                .to_string()
                .contains("TYPE public.mood has changed on the source"),
            "{out:#}"
        );
        db.on_target("ALTER TYPE mood ADD VALUE 'merry'")?;
        // What was prepared on the target alone is nobody's loss.
        db.on_target(
            "CREATE INDEX prepared ON plain (v); CREATE VIEW prepared_view AS SELECT 1 AS x",
        )?;
        cutover(&db).arg("--yes").run()?.expect(0)?;
    }
    Ok(())
}

/// Foreign keys are deferred until the cutover; what becomes of them on the source meanwhile holds.
#[test]
fn foreign_keys_are_created_as_the_source_has_them_at_the_cutover() -> Result<()> {
    const KEYS: &str = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'child'::regclass AND contype = 'f'";
    for (source, target) in PAIRS {
        let db = replicating_with(source, target, "newkey", MORE)?;
        let same = cutover(&db).args(["rehearse", "--yes"]).run()?.expect(0)?;
        ensure!(!same.stdout.contains("FK CONSTRAINT"), "{same:?}");
        db.on_source(
            "ALTER TABLE child DROP CONSTRAINT child_parent_fkey,
             ADD CONSTRAINT child_parent_fkey FOREIGN KEY (parent) REFERENCES parent ON DELETE CASCADE",
        )?;
        let out = cutover(&db).arg("--yes").run()?.expect(0)?;
        ensure!(
            out.stdout.contains("created as the source has it now"),
            "{out:?}"
        );
        ensure!(db.on_target(KEYS)? == db.on_source(KEYS)?, "another key");

        let db = replicating_with(source, target, "nokey", MORE)?;
        db.on_source(
            "ALTER TABLE child DROP CONSTRAINT child_parent_fkey; INSERT INTO child (parent) VALUES (-7)",
        )?;
        let out = cutover(&db).arg("--yes").run()?.expect(0)?;
        ensure!(
            out.stdout.contains("the source does not have it any more"),
            "{out:?}"
        );
        ensure!(db.on_target(KEYS)?.is_empty(), "a key that does not hold");
    }
    Ok(())
}

/// What the refusal with this id says, of a dry run and of a run, which has changed nothing then.
fn refusal(db: &PairDb, command: &[&str], id: &str) -> Result<Value> {
    let mut found = Value::Null;
    for (more, exit) in [("--dry-run", 1), ("--yes", 5)] {
        let out = cutover(db)
            .args(command)
            .arg(more)
            .run()?
            .expect(exit)?
            .json()?;
        ensure!(out["state"].is_null(), "{out:#}");
        found = out["refusals"]
            .as_array()
            .and_then(|all| all.iter().find(|one| one["id"] == id))
            .with_context(|| format!("{id}: {out:#}"))?
            .clone();
    }
    Ok(found)
}

fn status(db: &PairDb) -> Result<String> {
    let out = Tool::new(env!("CARGO_BIN_EXE_pgl-status"))
        .envs(db.env())
        .args(["--sample", "0s"])
        .limit(PATIENCE)
        .run()?;
    Ok(out.stdout)
}

const NUMBERS: &str = "
    CREATE SEQUENCE order_no; CREATE SEQUENCE invoice_no;
    CREATE TABLE orders (id int PRIMARY KEY, no bigint DEFAULT nextval('order_no'));
    CREATE TABLE invoices (id int PRIMARY KEY, no bigint DEFAULT nextval('invoice_no'));
    INSERT INTO orders SELECT generate_series(1, 10);
    INSERT INTO invoices SELECT generate_series(1, 500)";

const EXCHANGE: &str = "ALTER SEQUENCE order_no RENAME TO zz; ALTER SEQUENCE invoice_no RENAME TO order_no; ALTER SEQUENCE zz RENAME TO invoice_no";

/// The first number after these, as the next row of each table gets it.
fn go_on_after(cluster: &Cluster, db: &PairDb, orders: u32, invoices: u32) -> Result<()> {
    for (table, last) in [("orders", orders), ("invoices", invoices)] {
        let sql =
            format!("INSERT INTO {table} SELECT max(id) + 1 FROM {table} RETURNING no - {last}");
        let further = cluster.value(db.name(), &sql)?;
        ensure!(further == "1", "{table}: {last} + {further}");
    }
    Ok(())
}

/// Defaults know a sequence by its OID, the cutover sets sequences by their names.
#[test]
fn the_hint_for_exchanged_sequences_leads_to_a_cutover_and_to_a_rollback() -> Result<()> {
    for (source, target) in PAIRS {
        let db = replicating_with(source, target, "numbers", NUMBERS)?;
        let (from, to) = (db.source(), db.target());
        for (command, from, to, side) in [
            (&[][..], from, to, "target"),
            (&["rollback"], to, from, "source"),
        ] {
            from.sql(db.name(), EXCHANGE)?;
            let found = refusal(&db, command, "cut.sequence_names")?;
            let what = found["what"].as_str().context("no text")?;
            for text in ["public.invoices.no", "public.orders.no"] {
                ensure!(what.contains(text), "{found:#}");
            }
            if side == "target" {
                let out = status(&db)?;
                ensure!(out.contains("unsafe.sequence_names"), "{out}");
                let refused = Tool::new(env!("CARGO_BIN_EXE_pgl-seqsync"))
                    .envs(db.env())
                    .run()?
                    .expect(5)?;
                ensure!(refused.stderr.contains("public.orders.no"), "{refused:?}");
            }
            // Back again, and on.
            from.sql(db.name(), EXCHANGE)?;
            cutover(&db)
                .args(command)
                .arg("--dry-run")
                .run()?
                .expect(0)?;
            from.sql(db.name(), EXCHANGE)?;
            let hint = found["hint"].as_str().context("no hint")?;
            let statements = hint
                .split_once(&format!("on the {side}: "))
                .and_then(|(_, rest)| rest.split_once("; or "))
                .context(hint.to_owned())?
                .0;
            let mut client = to.client(db.name())?;
            for statement in statements.split("; ") {
                client.batch_execute(statement)?;
            }
            if side == "target" {
                ensure!(status(&db)?.contains(r#""verdict": "ok""#), "not healthy");
                db.on_source("INSERT INTO invoices SELECT generate_series(501, 1000)")?;
                cutover(&db).args(["--yes", "--reverse"]).run()?.expect(0)?;
                go_on_after(to, &db, 10, 1000)?;
            } else {
                cutover(&db).args(["rollback", "--yes"]).run()?.expect(0)?;
                go_on_after(to, &db, 11, 1001)?;
            }
        }
    }
    Ok(())
}

/// One that the same column uses is the one that counts; the target's column goes on with no other.
#[test]
fn a_sequence_that_was_created_again_is_refused_until_its_column_uses_it() -> Result<()> {
    let db = replicating_with(13, 17, "again", NUMBERS)?;
    db.on_source(
        "DROP SEQUENCE order_no CASCADE; CREATE SEQUENCE order_no; SELECT setval('order_no', 70)",
    )?;
    let found = refusal(&db, &[], "cut.sequence_names")?;
    ensure!(
        found["what"]
            .to_string()
            .contains("public.orders.no (none on the source"),
        "{found:#}"
    );
    db.on_source("ALTER TABLE orders ALTER no SET DEFAULT nextval('invoice_no')")?;
    refusal(&db, &[], "cut.sequence_names")?;
    db.on_source("ALTER TABLE orders ALTER no SET DEFAULT nextval('order_no')")?;
    cutover(&db).arg("--yes").run()?.expect(0)?;
    go_on_after(db.target(), &db, 70, 500)
}

/// Nobody is kept from writing for what is certain to be refused.
#[test]
fn bounds_that_partitions_have_exchanged_are_found_before_writes_are_blocked() -> Result<()> {
    let swap = |one: u8, two: u8| {
        format!(
            "BEGIN; ALTER TABLE listed DETACH PARTITION p1; ALTER TABLE listed DETACH PARTITION p2;
             UPDATE p1 SET k = {one}; UPDATE p2 SET k = {two};
             ALTER TABLE listed ATTACH PARTITION p1 FOR VALUES IN ({one}); ALTER TABLE listed ATTACH PARTITION p2 FOR VALUES IN ({two}); COMMIT"
        )
    };
    for (source, target) in PAIRS {
        let db = replicating_with(
            source,
            target,
            "bounds",
            "CREATE TABLE listed (id int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
             CREATE TABLE p1 PARTITION OF listed FOR VALUES IN (1);
             CREATE TABLE p2 PARTITION OF listed FOR VALUES IN (2) PARTITION BY LIST (k);
             CREATE TABLE p2_leaf PARTITION OF p2 DEFAULT",
        )?;
        db.on_source(&swap(2, 1))?;
        let found = refusal(&db, &[], "cut.schema")?;
        for text in ["public.p1", "FOR VALUES IN (2)", "public.p2_leaf"] {
            ensure!(found["what"].to_string().contains(text), "{found:#}");
        }
        db.on_source(&swap(1, 2))?;
        cutover(&db).arg("--yes").run()?.expect(0)?;
    }
    Ok(())
}

/// Whether their rows differ is only known once they are compared; which tables that will be is known before.
#[test]
fn tables_that_will_be_compared_are_named_by_the_dry_run() -> Result<()> {
    let db = replicating_with(
        13,
        17,
        "compared",
        "CREATE TABLE plain (id int PRIMARY KEY, a text, b text); INSERT INTO plain VALUES (1, 'a', 'b')",
    )?;
    let notes = || -> Result<String> {
        let out = cutover(&db)
            .args(["--dry-run", "--force", "cut.definitions"])
            .run()?
            .expect(0)?
            .json()?;
        Ok(out["notes"].to_string())
    };
    let before = notes()?;
    ensure!(!before.contains("public.plain"), "{before}");
    db.on_source(
        "ALTER TABLE plain RENAME a TO x; ALTER TABLE plain RENAME b TO a; ALTER TABLE plain RENAME x TO b",
    )?;
    let after = notes()?;
    ensure!(after.contains("public.plain"), "{after}");
    Ok(())
}
