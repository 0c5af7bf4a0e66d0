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
            // 19 reads literals in one way only.
            if setting.starts_with("standard_conforming_strings") && db.target().major() >= 19 {
                continue;
            }
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
    // Where the wrong row was compared, there is a good one of the same transaction once the table was rewritten.
    both(&db, "CREATE TABLE moved (id int PRIMARY KEY)")?;
    db.on_source("INSERT INTO moved SELECT generate_series(1, 20)")?;
    db.on_target(
        "INSERT INTO moved SELECT k FROM unnest(ARRAY[900, 1000] || ARRAY(SELECT generate_series(1, 20))) AS k;
         DELETE FROM moved WHERE id = 900",
    )?;
    let fix = verify(&db)
        .args(["--table", "moved", "--fix-sql"])
        .run()?
        .expect(1)?;
    for rewrite in ["VACUUM FULL moved", "CLUSTER moved USING moved_pkey"] {
        db.target_client()?.batch_execute(rewrite)?;
        let failed = db.on_target(&fix.stdout);
        ensure!(
            failed.is_err_and(|error| format!("{error:#}").contains("the target has changed")),
            "{}",
            fix.stdout
        );
    }
    Ok(())
}

/// A column that the source alone computes is an ordinary one on the target: its values are written like all others.
#[test]
fn a_column_that_the_source_alone_computes_is_repaired() -> Result<()> {
    let db = shared_pair(13, 17)?.database("plain")?;
    db.on_source(
        "CREATE TABLE plain (k int PRIMARY KEY, v text, g int GENERATED ALWAYS AS (k * 2) STORED);
         INSERT INTO plain VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')",
    )?;
    db.on_target(
        "CREATE TABLE plain (k int PRIMARY KEY, v text, g int);
         INSERT INTO plain VALUES (1, 'a', 2), (2, 'b', 5), (3, 'x', 6)",
    )?;
    let report = verify(&db).run()?.expect(1)?.document()?;
    let next = &report["tables"][0]["next"];
    ensure!(
        (next.as_str()).is_some_and(|next| next.contains("resync")),
        "{report:#}"
    );
    let fix = verify(&db)
        .args(["--mode", "static", "--fix-sql"])
        .run()?
        .expect(1)?;
    db.on_target(&fix.stdout)?;
    verify(&db).run()?.expect(0)?;
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
        "-- public.computed: nothing is printed: the target computes column g differently",
    ] {
        ensure!(fix.stdout.contains(line), "{line}\n{}", fix.stdout);
    }
    ensure!(!fix.stdout.contains("DELETE"), "{}", fix.stdout);
    let report = verify(&db)
        .args(["--table", "computed"])
        .run()?
        .expect(1)?
        .document()?;
    let next = &report["tables"][0]["next"];
    ensure!(
        (next.as_str()).is_some_and(|next| next.contains("expression has to be repaired")),
        "{report:#}"
    );
    let all = verify(&db)
        .args(["--fix-sql", "--max-diffs", "1000", "--table", "many"])
        .run()?
        .expect(1)?;
    db.on_target(&all.stdout)?;
    verify(&db).args(["--table", "many"]).run()?.expect(0)?;
    // Statements of some columns would lose the others; a row that meets a condition on one side is not missing or extra.
    for more in [
        ["--columns", "v"],
        ["--exclude-column", "v"],
        ["--where", "v = 1"],
    ] {
        verify(&db).arg("--fix-sql").args(more).run()?.expect(2)?;
    }
    Ok(())
}

/// Rows that the target's definitions would change cannot be made those of the source by inserting them.
#[test]
fn nothing_is_printed_for_tables_whose_columns_change_what_is_inserted() -> Result<()> {
    let db = shared_pair(15, 18)?.database("narrow")?;
    db.on_source(
        "CREATE TABLE rounds (id int PRIMARY KEY, n numeric, c char(5)); INSERT INTO rounds VALUES (1, 1.005, 'ab');
         CREATE TABLE computes (id int PRIMARY KEY, a int, g int); INSERT INTO computes VALUES (7, 5, 11);
         CREATE TYPE turned AS (x int, y int); CREATE TABLE turns (id int PRIMARY KEY, c turned[]);
         INSERT INTO turns VALUES (1, '{\"(3,4)\"}');
         CREATE DOMAIN exact AS numeric; CREATE TABLE domains (id int PRIMARY KEY, n exact); INSERT INTO domains VALUES (1, 1.999);
         CREATE TABLE wider (id int PRIMARY KEY, n numeric(10, 2)); INSERT INTO wider VALUES (1, 1.05)",
    )?;
    db.on_target(
        "CREATE TABLE rounds (id int PRIMARY KEY, n numeric(10, 2), c char(3)); INSERT INTO rounds VALUES (1, 1.005, 'ab');
         CREATE TABLE computes (id int PRIMARY KEY, a int, g int GENERATED ALWAYS AS (a * 2) STORED);
         CREATE TYPE turned AS (y int, x int); CREATE TABLE turns (id int PRIMARY KEY, c turned[]);
         INSERT INTO turns VALUES (1, '{\"(9,3)\"}');
         CREATE DOMAIN exact AS numeric(10, 2); CREATE TABLE domains (id int PRIMARY KEY, n exact); INSERT INTO domains VALUES (1, 1.5);
         CREATE TABLE wider (id int PRIMARY KEY, n numeric); INSERT INTO wider VALUES (1, 2)",
    )?;
    let fix = verify(&db).arg("--fix-sql").run()?.expect(1)?;
    for line in [
        "-- public.rounds: nothing is printed: column n (numeric on the source, numeric(10,2) on the target) may round",
        "-- public.turns: nothing is printed: column c (public.turned[] on the source, public.turned[] on the target) may round, cut or exchange",
        "-- public.domains: nothing is printed: column n (public.exact on the source, public.exact on the target) may round",
        "-- public.computes: nothing is printed: the target computes column g; make the definitions the same first",
    ] {
        ensure!(fix.stdout.contains(line), "{line}\n{}", fix.stdout);
    }
    db.on_target(&fix.stdout)?;
    verify(&db).args(["--table", "wider"]).run()?.expect(0)?;
    Ok(())
}

/// A byte above ASCII is written in two ways by releases, and a name may be longer in another encoding.
#[test]
fn nothing_is_printed_for_values_that_are_read_otherwise() -> Result<()> {
    let db = shared_pair(13, 18)?.database("bytes")?;
    let sides = format!("{}_sides", db.name());
    for (cluster, encoding) in [(db.source(), "LATIN1"), (db.target(), "UTF8")] {
        cluster.sql(
            "postgres",
            &format!("CREATE DATABASE {sides} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"),
        )?;
        cluster.sql(
            &sides,
            "CREATE TABLE named (id int PRIMARY KEY, v name); CREATE TABLE bytes (id int PRIMARY KEY, v \"char\");
             CREATE TABLE texts (id int PRIMARY KEY, v text)",
        )?;
    }
    db.source().sql(
        &sides,
        "INSERT INTO named VALUES (1, repeat(U&'\\00e9', 63)::name); INSERT INTO bytes VALUES (1, chr(200)::\"char\"), (2, 'a');
         INSERT INTO texts VALUES (1, U&'\\00e9')",
    )?;
    let verify = || {
        verify(&db)
            .env("PGL_SOURCE", db.source().dsn(&sides))
            .env("PGL_TARGET", db.target().dsn(&sides))
    };
    let fix = verify().arg("--fix-sql").run()?.expect(1)?;
    for line in [
        "-- public.named: nothing is printed: column v (name on the source, name on the target) may round, cut or exchange values there",
        "-- public.bytes: nothing is printed: column v (\"char\" on the source, \"char\" on the target) may round",
    ] {
        ensure!(fix.stdout.contains(line), "{line}\n{}", fix.stdout);
    }
    db.target().sql(&sides, &fix.stdout)?;
    verify().args(["--table", "texts"]).run()?.expect(0)?;
    let report = verify().args(["--table", "bytes"]).run()?.expect(1)?;
    ensure!(report.document()?["tables"][0]["missing"] == 2);
    Ok(())
}

/// pglogical keeps a row that was written on the target later than the source's change of it, unless it is told otherwise.
#[test]
fn nothing_is_printed_where_changes_of_the_source_would_lose() -> Result<()> {
    let db = shared_pair(15, 18)?.database("keeps")?;
    both(
        &db,
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')",
    )?;
    db.on_target(&format!(
        "UPDATE t SET v = 'x'; ALTER DATABASE {} SET pglogical.conflict_resolution = 'last_update_wins'",
        db.name()
    ))?;
    let fix = verify(&db).arg("--fix-sql").run()?.expect(1)?;
    let line = "-- public.t: nothing is printed: pglogical.conflict_resolution = last_update_wins on the target";
    ensure!(fix.stdout.contains(line), "{}", fix.stdout);
    db.on_target(&format!(
        "ALTER DATABASE {} RESET pglogical.conflict_resolution",
        db.name()
    ))?;
    let fix = verify(&db).arg("--fix-sql").run()?.expect(1)?;
    db.on_target(&fix.stdout)?;
    verify(&db).run()?.expect(0)?;
    Ok(())
}

/// A trigger or rule that fires under session_replication_role = replica could change or redirect what is written.
#[test]
fn nothing_is_printed_for_tables_whose_triggers_or_rules_fire() -> Result<()> {
    let db = shared_pair(15, 18)?.database("fires")?;
    both(
        &db,
        "CREATE TABLE changed (id int PRIMARY KEY, v text); INSERT INTO changed VALUES (1, 'a');
         CREATE TABLE redirected (id int PRIMARY KEY, v text); INSERT INTO redirected VALUES (1, 'a');
         CREATE TABLE parted (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
         CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
         INSERT INTO parted VALUES (1, 'a');
         CREATE TABLE quiet (id int PRIMARY KEY, v text); INSERT INTO quiet VALUES (1, 'a')",
    )?;
    db.on_target(
        "CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20);
         UPDATE changed SET v = 'x'; UPDATE redirected SET v = 'x'; UPDATE parted SET v = 'x'; UPDATE quiet SET v = 'x';
         CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.v := ''spoiled''; RETURN NEW; END';
         CREATE TRIGGER spoil BEFORE INSERT ON changed FOR EACH ROW EXECUTE FUNCTION spoil();
         ALTER TABLE changed ENABLE ALWAYS TRIGGER spoil;
         CREATE TRIGGER spoil BEFORE INSERT ON parted FOR EACH STATEMENT EXECUTE FUNCTION spoil();
         ALTER TABLE parted ENABLE REPLICA TRIGGER spoil;
         CREATE TRIGGER spoil BEFORE INSERT ON quiet FOR EACH ROW EXECUTE FUNCTION spoil();
         CREATE TABLE elsewhere (id int, v text);
         CREATE RULE redirect AS ON INSERT TO redirected DO INSTEAD INSERT INTO elsewhere VALUES (NEW.id, NEW.v);
         ALTER TABLE redirected ENABLE ALWAYS RULE redirect",
    )?;
    let tables = ["changed", "redirected", "parted", "quiet"];
    let tables: Vec<&str> = (tables.iter()).flat_map(|name| ["--table", name]).collect();
    let fix = verify(&db)
        .args(["--mode", "static", "--fix-sql"])
        .args(tables)
        .run()?
        .expect(1)?;
    for line in [
        "-- public.changed: nothing is printed: on the target, trigger spoil (ENABLE ALWAYS) would fire",
        "-- public.redirected: nothing is printed: on the target, rule redirect (ENABLE ALWAYS) would fire",
        "-- public.parted: nothing is printed: on the target, trigger spoil (ENABLE REPLICA) would fire",
    ] {
        ensure!(fix.stdout.contains(line), "{line}\n{}", fix.stdout);
    }
    ensure!(
        fix.stdout.matches("DELETE FROM").count() == 1,
        "{}",
        fix.stdout
    );
    db.on_target(&fix.stdout)?;
    verify(&db).args(["--table", "quiet"]).run()?.expect(0)?;
    Ok(())
}
