//! `pgl-verify` compares what is stored: types of users, extensions and names that could be mistaken, encodings, settings.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pgl_testkit::{PairDb, Tool, shared_pair};
use serde_json::Value;

use crate::common::Documented;
use crate::verify_gallery::verify;

const PAIRS: [(u16, u16); 2] = [(13, 17), (15, 18)];
const DIGESTS: [&[&str]; 3] = [&[], &["--digest", "md5"], &["--digest", "client"]];

fn table<'a>(document: &'a Value, name: &str) -> Result<&'a Value> {
    document["tables"]
        .as_array()
        .and_then(|all| all.iter().find(|one| one["name"] == name))
        .with_context(|| format!("no table {name} in {document:#}"))
}

fn both(db: &PairDb, sql: &str) -> Result<()> {
    db.on_source(sql)?;
    db.on_target(sql)?;
    Ok(())
}

/// Names that a generated query could use are a user's to have; a NULL in an array is no row of nulls.
#[test]
fn arrays_of_composites_differ_by_each_element_whatever_the_columns_are_called() -> Result<()> {
    for (source, target) in PAIRS {
        let db = shared_pair(source, target)?.database("composites")?;
        both(
            &db,
            "CREATE TYPE comp AS (a int, e text);
             CREATE TABLE e (id int PRIMARY KEY, e comp, v comp[], pgl_e comp[]);
             CREATE TABLE t (element int PRIMARY KEY, pgl_e comp[], t comp, k0 text, r int, q int);
             CREATE TABLE q (id int PRIMARY KEY, v comp[]);
             CREATE TABLE pgl_e (id int PRIMARY KEY, element comp[]);
             INSERT INTO e VALUES (1, '(1,x)', '{\"(1,x)\"}', '{}'), (2, NULL, '{NULL}', NULL), (3, '(,)', '{\"(,)\"}', '{}');
             INSERT INTO t VALUES (1, '{\"(1,x)\",NULL}', '(1,x)', 'a', 1, 2);
             INSERT INTO q VALUES (1, '{\"(,)\"}'), (2, '{NULL}'), (3, '{}'), (4, NULL), (5, '[2:3]={NULL,\"(,)\"}');
             INSERT INTO pgl_e VALUES (1, '{{NULL,\"(,)\"},{\"(1,a)\",\"(2,b)\"}}')",
        )?;
        for more in DIGESTS {
            verify(&db).args(more).run()?.expect(0)?;
        }
        for (name, column, key, damage) in [
            ("e", "v", 1, "UPDATE e SET v = '{\"(2,x)\"}' WHERE id = 1"),
            ("e", "v", 2, "UPDATE e SET v = '{\"(,)\"}' WHERE id = 2"),
            ("e", "e", 3, "UPDATE e SET e = NULL WHERE id = 3"),
            (
                "t",
                "pgl_e",
                1,
                "UPDATE t SET pgl_e = '{\"(1,x)\",\"(,)\"}'",
            ),
            ("q", "v", 1, "UPDATE q SET v = '{NULL}' WHERE id = 1"),
            ("q", "v", 3, "UPDATE q SET v = NULL WHERE id = 3"),
            (
                "q",
                "v",
                5,
                "UPDATE q SET v = '{NULL,\"(,)\"}' WHERE id = 5",
            ),
            (
                "pgl_e",
                "element",
                1,
                "UPDATE pgl_e SET element = '{{NULL,\"(,)\",\"(1,a)\",\"(2,b)\"}}'",
            ),
        ] {
            db.on_target(&format!(
                "CREATE SCHEMA IF NOT EXISTS aside; CREATE TABLE aside.kept AS SELECT * FROM {name}; {damage}"
            ))?;
            for more in DIGESTS {
                let document = verify(&db)
                    .args(more)
                    .args(["--table", &format!("public.{name}")])
                    .run()?
                    .expect(1)?
                    .document()?;
                let rows = &table(&document, name)?["rows"];
                ensure!(
                    rows.as_array().is_some_and(|rows| rows.len() == 1)
                        && rows[0]["key"][0]["value"].as_str() == Some(key.to_string().as_str())
                        && rows[0]["columns"][0]["name"] == column,
                    "{damage} {more:?}: {rows:#}"
                );
            }
            db.on_target(&format!("TRUNCATE {name}; INSERT INTO {name} SELECT * FROM aside.kept; DROP TABLE aside.kept"))?;
        }
        verify(&db).run()?.expect(0)?;
    }
    Ok(())
}

/// A migration of these tables that replicates.
fn replicating((source, target): (u16, u16), hint: &str, sql: &str) -> Result<PairDb> {
    let db = shared_pair(source, target)?.database(hint)?;
    db.on_source(sql)?;
    Tool::new(env!("CARGO_BIN_EXE_pgl-setup"))
        .envs(db.env())
        // That is tests/setup's.
        .arg("--no-trial")
        .limit(Duration::from_secs(120))
        .run()?
        .expect(0)?;
    Ok(db)
}

/// Keys whose types have no operator in `pg_catalog`, or whose text means something else under another setting.
#[test]
fn keys_of_any_type_are_found_while_writes_go_on() -> Result<()> {
    for majors in PAIRS {
        let db = replicating(
            majors,
            "keys",
            "CREATE EXTENSION ltree; CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION isn;
             CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN number AS int CHECK (VALUE > 0);
             CREATE TYPE pair AS (a int, n number); CREATE TYPE span AS RANGE (subtype = int4);
             CREATE TABLE by_ltree (k ltree PRIMARY KEY, v int); INSERT INTO by_ltree VALUES ('a.b', 1), ('a.c', 2);
             CREATE TABLE by_hstore (k hstore PRIMARY KEY, v int); INSERT INTO by_hstore VALUES ('a=>1', 1), ('b=>NULL', 2);
             CREATE TABLE by_citext (k citext PRIMARY KEY, v int); INSERT INTO by_citext VALUES ('A', 1), ('b', 2);
             CREATE TABLE by_isbn (k isbn PRIMARY KEY, v int); INSERT INTO by_isbn VALUES ('0-11-000533-3', 1), ('0-393-04002-X', 2);
             CREATE TABLE by_mood (k mood PRIMARY KEY, v int); INSERT INTO by_mood VALUES ('sad', 1), ('ok', 2);
             CREATE TABLE by_number (k number PRIMARY KEY, v int); INSERT INTO by_number VALUES (1, 1), (2, 2);
             CREATE TABLE by_pair (k pair PRIMARY KEY, v int); INSERT INTO by_pair VALUES ('(1,2)', 1), ('(2,2)', 2);
             CREATE TABLE by_span (k span PRIMARY KEY, v int); INSERT INTO by_span VALUES ('[1,2)', 1), ('[2,3)', 2);
             CREATE TABLE by_texts (k text[] PRIMARY KEY, v int); INSERT INTO by_texts VALUES ('{NULL,a}', 1), ('{\"NULL\",b}', 2);
             CREATE TABLE by_moods (k mood[] PRIMARY KEY, v int); INSERT INTO by_moods VALUES ('{sad}', 1), ('{ok,NULL}', 2);
             CREATE TABLE by_float (k float8 PRIMARY KEY, v int); INSERT INTO by_float VALUES (0.1, 1), (-0.0, 2);
             CREATE TABLE by_numeric (k numeric PRIMARY KEY, v int); INSERT INTO by_numeric VALUES (1.00, 1), (2.0, 2);
             CREATE TABLE by_nan (k float8 PRIMARY KEY, v int); INSERT INTO by_nan VALUES (-'NaN'::float8, 1), (2, 2);
             CREATE TABLE by_nans (k float4[] PRIMARY KEY, v int); INSERT INTO by_nans VALUES (ARRAY[-'NaN'::float4], 1), ('{2}', 2);
             CREATE TABLE by_ints (k int[] PRIMARY KEY, v int); INSERT INTO by_ints VALUES ((ARRAY[1, NULL])[1:1], 1), ('{2}', 2)",
        )?;
        let tables = [
            "by_ltree",
            "by_hstore",
            "by_citext",
            "by_isbn",
            "by_mood",
            "by_number",
            "by_pair",
            "by_span",
            "by_texts",
            "by_moods",
            "by_float",
            "by_numeric",
            "by_nan",
            "by_nans",
            "by_ints",
        ];
        for side in [db.source(), db.target()] {
            side.sql(
                "postgres",
                &format!("ALTER DATABASE {} SET array_nulls = off", db.name()),
            )?;
        }
        let document = verify(&db).run()?.expect(0)?.document()?;
        ensure!(document["mode"] == "live", "{document:#}");
        let damage: String = tables
            .iter()
            .map(|name| format!("UPDATE {name} SET v = 9 WHERE v = 1;"))
            .collect();
        db.on_target(&format!("SET session_replication_role = replica; {damage}"))?;
        for more in DIGESTS {
            let document = verify(&db).args(more).run()?.expect(1)?.document()?;
            ensure!(document["mode"] == "live", "{document:#}");
            for name in tables {
                let one = table(&document, name)?;
                ensure!(
                    one["status"] == "different" && one["different"] == 1 && one["unresolved"] == 0,
                    "{majors:?} {more:?}: {one:#}"
                );
            }
        }
    }
    Ok(())
}

/// A value that PostgreSQL can store in several ways, and one that is another: an array keeps the bitmap of nulls that it
/// has no more, NaN has many bit patterns. What prints the value and reads it again stores it in one way only.
const STORED_IN_SEVERAL_WAYS: &[(&str, &str, &str)] = &[
    ("int[]", "(ARRAY[1, 2, NULL])[1:2]", "'{1,NULL}'"),
    (
        "text[]",
        "(ARRAY[['a', 'b'], ['c', NULL]])[1:1]",
        "'{{a,NULL}}'",
    ),
    ("mood[]", "(ARRAY['sad', NULL]::mood[])[1:1]", "'{ok}'"),
    ("numbers", "(ARRAY[1, 2, NULL])[1:2]", "'{1}'"),
    (
        "numbers[]",
        "array_append('{NULL}'::numbers[], (ARRAY[1, 2, NULL])[1:2]::numbers)",
        "'{\"{1,2}\",\"{1,2}\"}'",
    ),
    (
        "parts",
        "ROW((ARRAY[1, NULL])[1:1], -'NaN'::float8, point(1, -'NaN'::float8))",
        "'({1},NaN,\"(2,NaN)\")'",
    ),
    (
        "parts[]",
        "ARRAY[ROW((ARRAY[1, NULL])[1:1], -'NaN'::float4, NULL)::parts, NULL]",
        "'{\"({1},NaN,)\"}'",
    ),
    (
        "lists",
        "lists((ARRAY[1, NULL])[1:1], (ARRAY[2, 3, NULL])[1:2])",
        "'[{1},\"{2,3}\"]'",
    ),
    (
        "lists[]",
        "ARRAY[lists((ARRAY[1, NULL])[1:1], NULL), NULL, 'empty']",
        "'{\"[{1},)\",NULL,\"(,)\"}'",
    ),
    ("floats", "floats(1, -'NaN'::float8)", "'(1,NaN)'"),
    ("float4", "-'NaN'::float4", "'Infinity'"),
    ("float8", "-'NaN'::float8", "'-Infinity'"),
    ("fraction", "-'NaN'::float8", "NULL"),
    (
        "fraction[]",
        "ARRAY[-'NaN'::float8, 0.1, NULL]::fraction[]",
        "'{NaN,0.2,NULL}'",
    ),
    (
        "float4[]",
        "ARRAY[[-'NaN'::float4], [0.1]]",
        "'{{NaN},{-0.1}}'",
    ),
    (
        "float8[]",
        "array_cat('[2:3]={0,NULL}', ARRAY[0.1, -'NaN'::float8])",
        "'{0,NULL,0.1,NaN}'",
    ),
    ("point", "point(-'NaN'::float8, 0.1)", "'(NaN,NaN)'"),
    (
        "point[]",
        "ARRAY[point(0.1, -'NaN'::float8), NULL]",
        "'{\"(0.2,NaN)\",NULL}'",
    ),
    (
        "line",
        "line(point(0.1, -'NaN'::float8), '(1,2)')",
        "'{1,NaN,0}'",
    ),
    (
        "lseg",
        "lseg(point(0.1, -'NaN'::float8), '(1,2)')",
        "'[(0.2,NaN),(1,2)]'",
    ),
    (
        "box",
        "box(point(0.1, -'NaN'::float8), '(0,2)')",
        "'(0.2,NaN),(0,2)'",
    ),
    (
        "box[]",
        "ARRAY[box(point(0.1, -'NaN'::float8), '(0,2)')]",
        "'{(0.2,NaN),(0,2)}'",
    ),
    (
        "path",
        "popen(path(polygon(box(point(0.1, -'NaN'::float8), '(0,2)'))))",
        "path(polygon(box(point(0.1, 'NaN'), '(0,2)')))",
    ),
    (
        "polygon",
        "polygon(box(point(0.1, -'NaN'::float8), '(0,2)'))",
        "polygon(box(point(0.2, 'NaN'), '(0,2)'))",
    ),
    (
        "circle",
        "circle(point(0.1, -'NaN'::float8), 3)",
        "'<(0.1,NaN),4>'",
    ),
    ("refcursor", "'a'", "'b'"),
    ("refcursor[]", "'{a,NULL}'", "'{a}'"),
];

#[test]
fn a_value_that_is_stored_in_several_ways_is_one_value() -> Result<()> {
    for (source, target) in PAIRS {
        let db = shared_pair(source, target)?.database("ways")?;
        both(
            &db,
            "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN numbers AS int[]; CREATE DOMAIN fraction AS float8;
             CREATE TYPE parts AS (a int[], f float8, p point);
             CREATE TYPE floats AS RANGE (subtype = float8); CREATE TYPE lists AS RANGE (subtype = int[])",
        )?;
        let mut values = STORED_IN_SEVERAL_WAYS.to_vec();
        if source >= 14 {
            values.push((
                "lists_multirange",
                "lists_multirange(lists((ARRAY[1, NULL])[1:1], '{2}'), lists('{3}', NULL))",
                "'{[{1},{2}),[{4},)}'",
            ));
            values.push((
                "floats_multirange",
                "floats_multirange(floats(1, -'NaN'::float8))",
                "'{}'",
            ));
        }
        for (at, (kind, value, _)) in values.iter().enumerate() {
            let create = |value: &str| {
                format!(
                    "CREATE TABLE way_{at} (id int PRIMARY KEY, v {kind});
                     INSERT INTO way_{at} VALUES (1, {value}), (2, NULL)"
                )
            };
            db.on_source(&create(value))?;
            db.on_target(&create(&format!("(({value})::{kind}::text)::{kind}")))?;
        }
        for more in DIGESTS {
            let document = verify(&db).args(more).run()?.document()?;
            for (at, way) in values.iter().enumerate() {
                let found = table(&document, &format!("way_{at}"))?;
                ensure!(
                    found["status"] == "identical",
                    "{way:?} on {source} and {target} {more:?}: {found:#}"
                );
            }
        }
        for (at, (.., other)) in values.iter().enumerate() {
            db.on_target(&format!("UPDATE way_{at} SET v = {other} WHERE id = 1"))?;
        }
        for more in DIGESTS {
            let document = verify(&db).args(more).run()?.expect(1)?.document()?;
            for (at, way) in values.iter().enumerate() {
                let found = table(&document, &format!("way_{at}"))?;
                ensure!(
                    found["different"] == 1 && found["rows"][0]["columns"][0]["name"] == "v",
                    "{way:?} on {source} and {target} {more:?}: {found:#}"
                );
            }
        }
    }
    Ok(())
}

/// A database in this encoding on the source, and its environment for the tool.
fn with_encodings(db: &PairDb, source: &str, target: &str) -> Result<(String, Tool)> {
    let create = |name: &str, encoding: &str| {
        format!(
            "CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
        )
    };
    let name = format!("{}_{}", db.name(), source.to_lowercase());
    db.source().sql("postgres", &create(&name, source))?;
    db.target().sql("postgres", &create(&name, target))?;
    let tool = Tool::new(env!("CARGO_BIN_EXE_pgl-verify"))
        .env("PGL_SOURCE", db.source().dsn(&name))
        .env("PGL_TARGET", db.target().dsn(&name))
        .args(["--format", "json"]);
    Ok((name, tool))
}

const TEXTS: &str = "CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ('müde', 'ok');
    CREATE TYPE duo AS (a text, j jsonb);
    CREATE TABLE t (id text PRIMARY KEY, c char(8), v varchar, n name, h hstore, ci citext, j json, jb jsonb, ts tsvector,
        a text[], ca char(4)[], jba jsonb[], m mood, b duo, ba duo[], x xml, q tsquery);
    INSERT INTO t SELECT 'schlüssel ' || k, 'ß', 'élève', 'ñandú', 'é=>1, bb=>ü, ccc=>NULL, a=>\"\\\"é\"', 'ÄÖ', '{\"é\": 1}',
        '{\"é\": 1.0, \"bb\": [{\"ü\": null, \"zz\": {}}, []], \"a\": \"é\"}', '''é'':1A ''f'':2 ''z'':3', '{é,NULL}', '{ß,b}', '{\"{\\\"é\\\": 1, \\\"bb\\\": 2}\",NULL}', 'müde',
        ROW('é', '{\"é\": 1, \"bb\": 2}'::jsonb)::duo, ARRAY[ROW('é', '{\"é\": 1, \"bb\": 2}'::jsonb)::duo, NULL], '<a>é</a>', '''é'' & ''f'''
    FROM generate_series(1, 50) AS k;";

const DAMAGES: [&str; 15] = [
    "c = 'ss'",
    "v = 'eleve'",
    "n = 'nandu'",
    "h = h || 'bb=>u'",
    "ci = 'äö'",
    "j = '{\"é\":1}'",
    "jb = '{\"é\": 1.00, \"bb\": [{\"ü\": null, \"zz\": {}}, []], \"a\": \"é\"}'",
    "ts = '''é'':1B ''f'':2 ''z'':3'",
    "a = '{é,\"NULL\"}'",
    "ca = '{ß,c}'",
    "jba = '{\"{\\\"é\\\": 1, \\\"bb\\\": 3}\",NULL}'",
    "m = 'ok'",
    "b = ROW('e', '{\"é\": 1, \"bb\": 2}')",
    "ba = ARRAY[ROW('é', '{\"é\": 1, \"bb\": 3}'::jsonb)::duo, NULL]",
    "x = '<a>e</a>'",
];

/// The same characters are the same, and the same bytes are, whatever the databases' encodings; each change is seen.
fn encodings(source: &str, target: &str, more: &[&str], hint: &str) -> Result<()> {
    let db = shared_pair(15, 18)?.database(hint)?;
    let (name, tool) = with_encodings(&db, source, target)?;
    drop(tool);
    // What a client that speaks UTF-8 sends is converted where the server has an encoding, and kept where it has none.
    for side in [db.source(), db.target()] {
        side.sql(&name, TEXTS)?;
    }
    let run = || {
        Tool::new(env!("CARGO_BIN_EXE_pgl-verify"))
            .env("PGL_SOURCE", db.source().dsn(&name))
            .env("PGL_TARGET", db.target().dsn(&name))
            .args(["--format", "json"])
            .args(more)
            .run()
    };
    run()?.expect(0)?;
    for (at, damage) in DAMAGES.iter().enumerate() {
        let id = format!("schlüssel {}", at + 1);
        db.target()
            .sql(&name, &format!("UPDATE t SET {damage} WHERE id = '{id}'"))?;
    }
    let document = run()?.expect(1)?.document()?;
    let found = table(&document, "t")?;
    ensure!(
        found["different"] == DAMAGES.len() && found["missing"] == 0 && found["extra"] == 0,
        "{source} to {target} {more:?}: {found:#}"
    );
    for (at, damage) in DAMAGES.iter().enumerate() {
        let column = damage.split(' ').next().unwrap_or_default();
        let row = found["rows"].as_array().and_then(|rows| {
            rows.iter().find(|row| {
                let key = row["key"][0]["value"].as_str().unwrap_or_default();
                key.ends_with(&format!(" {}", at + 1))
            })
        });
        let columns = row
            .and_then(|row| row["columns"].as_array())
            .context("no row")?;
        ensure!(
            columns.len() == 1 && columns[0]["name"] == column,
            "{source} to {target} {damage}: {columns:#?}"
        );
    }
    Ok(())
}

#[test]
fn latin1_to_utf8() -> Result<()> {
    DIGESTS
        .iter()
        .try_for_each(|more| encodings("LATIN1", "UTF8", more, "latin"))
}

#[test]
fn other_encodings_to_utf8() -> Result<()> {
    encodings("WIN1252", "UTF8", &[], "win")?;
    encodings("UTF8", "LATIN1", &[], "back")
}

#[test]
fn no_encoding_to_utf8() -> Result<()> {
    DIGESTS
        .iter()
        .try_for_each(|more| encodings("SQL_ASCII", "UTF8", more, "ascii"))
}

#[test]
fn one_encoding_that_is_not_utf8() -> Result<()> {
    encodings("LATIN1", "LATIN1", &[], "same")?;
    encodings("SQL_ASCII", "SQL_ASCII", &[], "none")
}

/// Bytes that are no text in any encoding we could ask for, in a database that checks none.
#[test]
fn bytes_that_are_no_characters_are_compared_as_they_are() -> Result<()> {
    let db = shared_pair(15, 18)?.database("bytes")?;
    let (name, _) = with_encodings(&db, "SQL_ASCII", "SQL_ASCII")?;
    let create = "CREATE EXTENSION citext; CREATE EXTENSION hstore;
        CREATE FUNCTION odd(suffix text) RETURNS text LANGUAGE sql AS
            $$ SELECT convert_from('\\xe9ff', 'SQL_ASCII') || suffix $$;
        CREATE TABLE t (id text PRIMARY KEY, c char(5), ci citext, j json, jb jsonb, h hstore, n name, ts tsvector, a text[]);
        INSERT INTO t SELECT odd(k::text), odd(''), odd('')::citext, ('\"' || odd('') || '\"')::json, ('\"' || odd('') || '\"')::jsonb,
            hstore(odd(''), odd('x')), odd('')::name, array_to_tsvector(ARRAY[odd('')]), ARRAY[odd(''), NULL] FROM generate_series(1, 20) AS k";
    for side in [db.source(), db.target()] {
        side.sql(&name, create)?;
    }
    let run = |more: &[&str]| {
        Tool::new(env!("CARGO_BIN_EXE_pgl-verify"))
            .env("PGL_SOURCE", db.source().dsn(&name))
            .env("PGL_TARGET", db.target().dsn(&name))
            .args(["--format", "json"])
            .args(more)
            .run()
    };
    for more in DIGESTS {
        run(more)?.expect(0)?;
    }
    for (at, damage) in [
        "c = odd('1')",
        "ci = odd('1')",
        "h = hstore(odd(''), odd('y'))",
        "a = ARRAY[odd('1'), NULL]",
    ]
    .iter()
    .enumerate()
    {
        db.target().sql(
            &name,
            &format!("UPDATE t SET {damage} WHERE id = odd('{}')", at + 1),
        )?;
    }
    for more in DIGESTS {
        let document = run(more)?.expect(1)?.document()?;
        let found = table(&document, "t")?;
        ensure!(found["different"] == 4, "{more:?}: {found:#}");
        let text = &found["rows"][0]["key"][0]["value"];
        ensure!(text == "\\351\\3771", "{text}");
    }
    let fix = run(&["--fix-sql"])?.expect(1)?;
    ensure!(fix.stdout.contains("SQL_ASCII"), "{}", fix.stdout);
    Ok(())
}

/// A partitioned table is selected by its own name.
#[test]
fn a_partitioned_table_is_compared_when_it_is_selected() -> Result<()> {
    let db = shared_pair(13, 17)?.database("root")?;
    both(
        &db,
        "CREATE TABLE r (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
         CREATE TABLE r1 PARTITION OF r FOR VALUES FROM (0) TO (10); CREATE TABLE r2 PARTITION OF r FOR VALUES FROM (10) TO (20);
         INSERT INTO r SELECT k, 'v' FROM generate_series(1, 19) AS k; CREATE TABLE other (id int PRIMARY KEY)",
    )?;
    let document = verify(&db)
        .args(["--table", "public.r"])
        .run()?
        .expect(0)?
        .document()?;
    ensure!(document["totals"]["identical"] == 2, "{document:#}");
    db.on_target("UPDATE r SET v = 'x' WHERE id = 12")?;
    verify(&db).args(["--table", "r"]).run()?.expect(1)?;
    Ok(())
}

/// pglogical writes a row to the partition of the same name, whatever its bounds: where they differ, neither copying the
/// partition nor statements for its rows can work.
#[test]
fn partitions_with_other_bounds_are_named_with_a_remedy_that_works() -> Result<()> {
    let db = replicating(
        (15, 18),
        "bounds",
        "CREATE TABLE r (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
         CREATE TABLE r1 PARTITION OF r FOR VALUES FROM (0) TO (10); CREATE TABLE r2 PARTITION OF r FOR VALUES FROM (10) TO (20);
         INSERT INTO r SELECT k, 'v' FROM generate_series(1, 19) AS k",
    )?;
    let attach = |middle: u8| {
        format!(
            "BEGIN; SET LOCAL session_replication_role = replica;
             CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT * FROM r;
             ALTER TABLE r DETACH PARTITION r1; ALTER TABLE r DETACH PARTITION r2; TRUNCATE r1, r2;
             ALTER TABLE r ATTACH PARTITION r1 FOR VALUES FROM (0) TO ({middle});
             ALTER TABLE r ATTACH PARTITION r2 FOR VALUES FROM ({middle}) TO (20);
             INSERT INTO r SELECT * FROM kept; COMMIT"
        )
    };
    db.on_target(&attach(5))?;
    let document = verify(&db).run()?.expect(1)?.document()?;
    let found = table(&document, "r")?;
    ensure!(
        found["status"] == "different" && found["missing"] == 0 && found["extra"] == 0,
        "{found:#}"
    );
    ensure!(
        found["schema_differences"].as_array().map(Vec::len) == Some(2),
        "{found:#}"
    );
    let next = found["next"].as_str().unwrap_or_default();
    ensure!(
        next.contains("ATTACH PARTITION") && next.ends_with("resync public.r1 public.r2 --yes"),
        "{next}"
    );
    let fix = verify(&db).arg("--fix-sql").run()?.expect(1)?;
    ensure!(!fix.stdout.contains("DELETE FROM"), "{}", fix.stdout);
    db.on_target(&attach(10))?;
    verify(&db).run()?.expect(0)?;
    Ok(())
}

/// Two keys that a collation calls equal are two keys, each reported once.
#[test]
fn a_key_under_a_nondeterministic_collation_is_reported_once() -> Result<()> {
    let db = replicating(
        (15, 18),
        "caseless",
        "CREATE COLLATION caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
         CREATE TABLE t (k text COLLATE caseless PRIMARY KEY, v int); INSERT INTO t SELECT 'key ' || n, n FROM generate_series(1, 700) AS n",
    )?;
    db.on_target(
        "SET session_replication_role = replica; UPDATE t SET k = upper(k) WHERE v <= 600",
    )?;
    for more in DIGESTS {
        let document = verify(&db)
            .args(more)
            .args(["--max-diffs", "5000"])
            .run()?
            .expect(1)?
            .document()?;
        let found = table(&document, "t")?;
        ensure!(
            found["missing"] == 600 && found["extra"] == 600,
            "{more:?}: {found:#}"
        );
        ensure!(
            found["rows"].as_array().map(Vec::len) == Some(1200),
            "{more:?}"
        );
    }
    Ok(())
}
