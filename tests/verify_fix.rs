//! The statements of `pgl-verify --fix-sql`: applied in one transaction, they make the target's rows those of the
//! source, whatever the rows and their keys are; or they change nothing.

use anyhow::{Result, ensure};
use pgl_testkit::{PairDb, shared_pair};

use crate::common::Documented;
use crate::verify_gallery::verify;

fn both(db: &PairDb, sql: &str) -> Result<()> {
    db.on_source(sql)?;
    db.on_target(sql)?;
    Ok(())
}

/// Each table a class of differences that statements by key get wrong.
const TABLES: &str = "
    CREATE EXTENSION citext;
    CREATE COLLATION caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE TYPE pair AS (a int, b text);
    CREATE TABLE damaged (id int, v text);
    INSERT INTO damaged VALUES (1, 'a'), (2, 'b'), (3, 'c');
    CREATE TABLE parent (id int PRIMARY KEY, v text); CREATE TABLE child () INHERITS (parent);
    INSERT INTO parent VALUES (1, 'p'); INSERT INTO child VALUES (1, 'c');
    CREATE TABLE identity (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text, g int GENERATED ALWAYS AS (1) STORED);
    INSERT INTO identity (v) SELECT 'v' || k FROM generate_series(1, 5) AS k;
    CREATE TABLE equal (k citext PRIMARY KEY, v int); INSERT INTO equal VALUES ('abc', 1), ('x', 2);
    CREATE TABLE scaled (k numeric PRIMARY KEY, v int); INSERT INTO scaled VALUES (1.0, 1), (2.00, 2);
    CREATE TABLE folded (k text COLLATE caseless PRIMARY KEY, v int); INSERT INTO folded VALUES ('abc', 1), ('x', 2);
    CREATE TABLE composed (k pair PRIMARY KEY, v int); INSERT INTO composed VALUES ('(1,a)', 1), ('(2,b)', 2);
    CREATE TABLE exchanged (id int PRIMARY KEY, u int UNIQUE); INSERT INTO exchanged VALUES (1, 10), (2, 20);
    CREATE TABLE keyless (v text, w int); INSERT INTO keyless SELECT 'v', 1 FROM generate_series(1, 5); INSERT INTO keyless VALUES ('x', NULL);
    CREATE TABLE parts (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10); CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20);
    INSERT INTO parts SELECT k, 'v' FROM generate_series(1, 19) AS k;
    CREATE TABLE several (id int PRIMARY KEY, a text[], x xml, t text, f float8, f4 float4, iv interval, tz timestamptz, m money, b bytea, c char(5), j jsonb,
        n numeric, d date, bits varbit, ip inet, r int4range, p pair, ps pair[]);
    INSERT INTO several SELECT k, ARRAY['NULL', NULL, E'a\\\\b\"c'], '<a/>text', E'it''s \\\\ $pgl$ \\n $$', k / 3.0, k / 7.0, '-1 mon 3 days -04:00:00.5',
        '2024-02-29 12:00:00.123456+05', 12.34, '\\x00ff', 'c', '{\"n\": 1.00}', 1.10, '0044-03-15 BC', B'0101', '10.0.0.1/8', '[1,5)', '(1,\"a,b\")',
        ARRAY[ROW(1, NULL)::pair, NULL] FROM generate_series(1, 5) AS k;
    CREATE TABLE watched (id int PRIMARY KEY, v text); INSERT INTO watched VALUES (1, 'a'), (2, 'b');";

const DAMAGE: &str = "
    UPDATE damaged SET id = 2 WHERE id = 3; INSERT INTO damaged VALUES (2, 'b'), (9, 'z');
    UPDATE ONLY parent SET v = 'x'; UPDATE child SET v = 'y';
    DELETE FROM identity WHERE id = 2; UPDATE identity SET v = 'x' WHERE id = 3; INSERT INTO identity (v) VALUES ('extra');
    UPDATE equal SET k = 'ABC' WHERE k = 'abc'; UPDATE equal SET v = 3 WHERE k = 'x';
    UPDATE scaled SET k = 1.00 WHERE k = 1; UPDATE scaled SET v = 3 WHERE k = 2;
    UPDATE folded SET k = 'ABC' WHERE k = 'abc'; UPDATE folded SET v = 3 WHERE k = 'x';
    UPDATE composed SET v = 9 WHERE (k).a = 1; DELETE FROM composed WHERE (k).a = 2; INSERT INTO composed VALUES ('(3,\"q,\")', 1);
    UPDATE exchanged SET u = 30 WHERE id = 1; UPDATE exchanged SET u = 10 WHERE id = 2; UPDATE exchanged SET u = 20 WHERE id = 1;
    DELETE FROM keyless WHERE ctid IN (SELECT ctid FROM keyless WHERE v = 'v' LIMIT 2); INSERT INTO keyless VALUES ('x', NULL), ('new', 1);
    UPDATE parts SET v = 'x' WHERE id IN (3, 12); DELETE FROM parts WHERE id = 13; DELETE FROM parts WHERE id = 4;
    DELETE FROM several WHERE id = 1;
    UPDATE several SET a = '{}', x = '<b/>', t = '', f = 0, f4 = 0, iv = '0', tz = now(), m = 0, b = '', c = '', j = '{}', n = 1.1, d = now(), bits = B'',
        ip = '10.0.0.1', r = 'empty', p = NULL, ps = NULL WHERE id = 2;
    UPDATE watched SET v = 'x' WHERE id = 1;
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN RAISE EXCEPTION 'no'; END $f$;
    CREATE TRIGGER refuse BEFORE INSERT OR DELETE OR UPDATE ON watched FOR EACH ROW EXECUTE PROCEDURE refuse();
    CREATE RULE nothing AS ON DELETE TO watched DO INSTEAD NOTHING;";

#[test]
fn every_kind_of_row_becomes_that_of_the_source() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18)] {
        let db = shared_pair(source, target)?.database("fix")?;
        both(&db, TABLES)?;
        db.on_target(DAMAGE)?;
        for setting in [
            "array_nulls = off",
            "xmloption = document",
            "standard_conforming_strings = off",
            "DateStyle = 'SQL, DMY'",
        ] {
            let name = db.name();
            db.on_target(&format!("ALTER DATABASE {name} SET {setting}"))?;
        }
        let before = verify(&db).run()?.expect(1)?.document()?;
        let totals = &before["totals"];
        ensure!(
            totals["different"] == 14 && totals["tables"] == 14,
            "{before:#}"
        );
        let fix = verify(&db).arg("--fix-sql").run()?.expect(1)?;
        ensure!(!fix.stdout.contains("nothing is printed"), "{}", fix.stdout);
        db.on_target(&fix.stdout)?;
        verify(&db).run()?.expect(0)?;
    }
    Ok(())
}

/// What was compared is what is repaired: a row that was written since makes the whole script fail.
#[test]
fn a_row_that_was_written_since_is_not_touched_and_nothing_else_either() -> Result<()> {
    let db = shared_pair(15, 18)?.database("since")?;
    both(
        &db,
        "CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a VALUES (1, 'a'), (2, 'b');
         CREATE TABLE b (id int PRIMARY KEY, v text); INSERT INTO b VALUES (1, 'a'), (2, 'b')",
    )?;
    db.on_target("UPDATE a SET v = 'x' WHERE id = 1; UPDATE b SET v = 'x' WHERE id = 1")?;
    let fix = verify(&db).arg("--fix-sql").run()?.expect(1)?;
    db.on_target("UPDATE b SET v = 'y' WHERE id = 1")?;
    let failed = db.on_target(&fix.stdout);
    ensure!(
        failed.is_err_and(|error| format!("{error:#}").contains("the target has changed")),
        "{}",
        fix.stdout
    );
    let left = db.on_target("SELECT a.v, b.v FROM a JOIN b USING (id) WHERE id = 1")?;
    ensure!(
        left == [[Some("x".to_owned()), Some("y".to_owned())]],
        "{left:?}"
    );
    Ok(())
}

/// Nothing is printed for what statements cannot repair, and it is named.
#[test]
fn what_has_to_be_copied_again_is_named() -> Result<()> {
    let db = shared_pair(13, 17)?.database("resync")?;
    both(
        &db,
        "CREATE TABLE many (id int PRIMARY KEY, v text); INSERT INTO many SELECT k, 'v' FROM generate_series(1, 500) AS k;
         CREATE TABLE shape (id int PRIMARY KEY, v text); INSERT INTO shape VALUES (1, 'a');
         CREATE TABLE lost (id int PRIMARY KEY);
         CREATE FUNCTION side() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
         CREATE TABLE computed (id int PRIMARY KEY, v int, g int GENERATED ALWAYS AS (v * side()) STORED)",
    )?;
    db.on_target(
        "UPDATE many SET v = 'x'; ALTER TABLE shape ADD w int; DROP TABLE lost;
         CREATE OR REPLACE FUNCTION side() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2'",
    )?;
    both(&db, "INSERT INTO computed VALUES (1, 1)")?;
    let fix = verify(&db).arg("--fix-sql").run()?.expect(1)?;
    for line in [
        "-- public.many: nothing is printed: not all of its rows are known (see --max-diffs); repair it with: pgl-control resync public.many --yes",
        "-- public.shape: nothing is printed: its definitions differ",
        "-- public.lost: nothing is printed: the target has no such table",
        "-- public.computed: nothing is printed: the two servers compute column g differently",
    ] {
        ensure!(fix.stdout.contains(line), "{line}\n{}", fix.stdout);
    }
    ensure!(!fix.stdout.contains("DELETE"), "{}", fix.stdout);
    let all = verify(&db)
        .args(["--fix-sql", "--max-diffs", "1000", "--table", "many"])
        .run()?
        .expect(1)?;
    db.on_target(&all.stdout)?;
    verify(&db).args(["--table", "many"]).run()?.expect(0)?;
    // Statements of some columns would lose the others.
    for more in [["--columns", "v"], ["--exclude-column", "v"]] {
        verify(&db).arg("--fix-sql").args(more).run()?.expect(2)?;
    }
    Ok(())
}
