//! What somebody has changed between the setup and the switch.

use anyhow::{Context, Result, ensure};

use super::support::{PAIRS, cutover, replicating_with};

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

/// A change of the source, how it is taken back, the guard that sees it, and what it names.
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
        "public.part_1: parent public.part is only on the new home",
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
        "default of column v",
    ],
    [
        "ALTER TABLE plain ALTER v SET NOT NULL",
        "ALTER TABLE plain ALTER v DROP NOT NULL",
        "cut.definitions",
        "not null of column v",
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
        "public.plain: index once",
    ],
    [
        "ALTER TABLE child ADD CONSTRAINT second FOREIGN KEY (parent) REFERENCES parent",
        "ALTER TABLE child DROP CONSTRAINT second",
        "cut.definitions",
        "public.child: foreign key second",
    ],
    [
        "ALTER TABLE plain DROP CONSTRAINT long_enough",
        "ALTER TABLE plain ADD CONSTRAINT long_enough CHECK (length(v) > 0)",
        "cut.definitions",
        "constraint long_enough is only on the new home",
    ],
    [
        "CREATE VIEW more AS SELECT 1 AS x",
        "DROP VIEW more",
        "cut.definitions",
        "view more",
    ],
    [
        "CREATE FUNCTION one(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP FUNCTION one(int)",
        "cut.definitions",
        "function one(integer)",
    ],
    [
        "GRANT SELECT ON plain TO PUBLIC",
        "REVOKE SELECT ON plain FROM PUBLIC",
        "cut.rights",
        "privilege select of PUBLIC",
    ],
    [
        "ALTER TABLE plain ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE plain DISABLE ROW LEVEL SECURITY",
        "cut.definitions",
        "row security",
    ],
];

/// Replication carries no definition: each change stops the switch by name, nothing has happened then, and
/// once it is made on both sides or taken back the way is free.
#[test]
fn definitions_that_changed_since_the_setup_stop_the_switch_by_name() -> Result<()> {
    for (source, target) in PAIRS {
        let db = replicating_with(source, target, "drift", MORE)?;
        cutover(&db).arg("--dry-run").run()?.expect(0)?;
        for [change, back, id, names] in CHANGES {
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
        // A value of an enumerated type cannot be taken back; made on both sides it is no difference.
        db.on_source("ALTER TYPE mood ADD VALUE 'merry'")?;
        let out = cutover(&db).arg("--dry-run").run()?.expect(1)?.json()?;
        ensure!(
            out["refusals"]
                .to_string()
                .contains("value of enum mood merry"),
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
