//! The target's definitions are the source's, to the byte and in meaning.

use anyhow::{Result, ensure};
use pgl_testkit::{PairDb, shared_pair};

use super::support::{drain, same_rows, setup};

fn same(db: &PairDb, sql: &str) -> Result<()> {
    let (source, target) = (db.on_source(sql)?, db.on_target(sql)?);
    ensure!(
        source == target,
        "{sql}\nsource {source:?}\ntarget {target:?}"
    );
    ensure!(!source.is_empty(), "{sql} yields nothing");
    Ok(())
}

/// Carriage returns in literals, bodies, comments, labels and names.
#[test]
fn carriage_returns_arrive() -> Result<()> {
    let db = shared_pair(13, 17)?.database("returns")?;
    db.on_source(
        "CREATE TABLE \"a\r\nb\" (id int PRIMARY KEY, v text DEFAULT E'x\r\ny' CHECK (v <> E'p\r\nq'));
         INSERT INTO \"a\r\nb\" (id) VALUES (1);
         CREATE TYPE e AS ENUM (E'one\r\ntwo');
         CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $f$\r\nSELECT 'l\r\nm'::text\r\n$f$;
         COMMENT ON FUNCTION f() IS E'c\r\nd\r\n'; CREATE VIEW w AS SELECT 'n\r\no'::text AS t",
    )?;
    setup(&db).run()?.expect(0)?;
    for sql in [
        "SELECT encode(convert_to(relname, 'UTF8'), 'hex') FROM pg_class WHERE relname LIKE 'a%b'",
        "SELECT encode(convert_to(pg_get_expr(adbin, adrelid), 'UTF8'), 'hex') FROM pg_attrdef d JOIN pg_class c ON c.oid = adrelid WHERE relname LIKE 'a%b'",
        "SELECT encode(convert_to(pg_get_constraintdef(k.oid), 'UTF8'), 'hex') FROM pg_constraint k JOIN pg_class c ON c.oid = conrelid WHERE contype = 'c' AND relname LIKE 'a%b'",
        "SELECT encode(convert_to(prosrc || f() || obj_description(oid, 'pg_proc'), 'UTF8'), 'hex') FROM pg_proc WHERE proname = 'f' AND pronamespace = 'public'::regnamespace",
        "SELECT encode(convert_to(enumlabel, 'UTF8'), 'hex') FROM pg_enum",
        "SELECT encode(convert_to(t, 'UTF8'), 'hex') FROM w",
    ] {
        same(&db, sql)?;
    }
    drain(&db)?;
    same_rows(&db)
}

/// Parts of an index are attached in several levels by several sessions: each index above them becomes valid.
#[test]
fn indexes_of_partitioned_tables_are_valid() -> Result<()> {
    let db = shared_pair(13, 15)?.database("levels")?;
    db.on_source(
        "CREATE TABLE top (a int, b int, v int, PRIMARY KEY (a, b)) PARTITION BY LIST (a);
         CREATE INDEX ON top (v);
         DO $$ BEGIN FOR a IN 1..10 LOOP
             EXECUTE format('CREATE TABLE t%s PARTITION OF top FOR VALUES IN (%s) PARTITION BY HASH (b)', a, a);
             FOR b IN 0..1 LOOP
                 EXECUTE format('CREATE TABLE t%s_%s PARTITION OF t%s FOR VALUES WITH (MODULUS 2, REMAINDER %s)', a, b, a, b);
             END LOOP;
         END LOOP; END $$;
         INSERT INTO top SELECT k % 10 + 1, k, k FROM generate_series(1, 100) AS k",
    )?;
    setup(&db).args(["--jobs", "8"]).run()?.expect(0)?;
    same(
        &db,
        "SELECT indexrelid::regclass::text || ' ' || indisvalid FROM pg_index WHERE indrelid::regclass::text ~ '^t' ORDER BY 1",
    )?;
    same(
        &db,
        "SELECT count(*) FROM pg_index WHERE indrelid::regclass::text ~ '^t' AND indisvalid",
    )
}

/// Names that are words of SQL on the newer server only.
#[test]
fn names_stay_names_on_a_newer_server() -> Result<()> {
    let db = shared_pair(13, 17)?.database("words")?;
    db.on_source(
        "CREATE TABLE acc (id int PRIMARY KEY, system_user text CHECK (system_user <> 'root'));
         INSERT INTO acc VALUES (1, 'me');
         ALTER TABLE acc ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON acc USING (system_user = 'me');
         CREATE FUNCTION g(json text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
    )?;
    setup(&db).run()?.expect(0)?;
    for sql in [
        "SET quote_all_identifiers = on; SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'acc_system_user_check'",
        "SET quote_all_identifiers = on; SELECT pg_get_expr(polqual, polrelid) FROM pg_policy",
        "SELECT proargnames::text, g('x') FROM pg_proc WHERE proname = 'g'",
    ] {
        same(&db, sql)?;
    }
    let refused = db.on_target("INSERT INTO acc VALUES (2, 'root')");
    ensure!(refused.is_err(), "the constraint lets everything pass");
    Ok(())
}

/// A database whose literals are read in the old way.
#[test]
fn backslashes_are_not_doubled() -> Result<()> {
    let db = shared_pair(13, 17)?.database("backslashes")?;
    let name = db.name();
    db.on_source(&format!(
        "ALTER DATABASE \"{name}\" SET standard_conforming_strings = off"
    ))?;
    db.on_source(
        "CREATE TABLE t (id int PRIMARY KEY, v text DEFAULT E'a\\\\b' CHECK (v <> E'c\\\\d')); INSERT INTO t (id) VALUES (1);
         COMMENT ON TABLE t IS E'e\\\\f'; CREATE VIEW w AS SELECT E'g\\\\h'::text AS x",
    )?;
    setup(&db).run()?.expect(0)?;
    for sql in [
        "SELECT x, length(x), obj_description('t'::regclass) FROM w",
        "SET standard_conforming_strings = on; SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 't'::regclass",
        "SET standard_conforming_strings = on; SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 't'::regclass AND contype = 'c'",
    ] {
        same(&db, sql)?;
    }
    drain(&db)?;
    same_rows(&db)
}

/// A view that groups by a primary key is created after the key, and its indexes after the view.
#[test]
fn indexes_of_a_view_that_needs_a_key_come_after_it() -> Result<()> {
    let db = shared_pair(13, 17)?.database("grouped")?;
    db.on_source(
        "CREATE TABLE t (id int PRIMARY KEY, a text, b int); INSERT INTO t VALUES (1, 'x', 2);
         CREATE MATERIALIZED VIEW m AS SELECT id, a, sum(b) AS s FROM t GROUP BY id;
         CREATE UNIQUE INDEX mi ON m (id); CREATE INDEX mi2 ON m (s);
         COMMENT ON INDEX mi2 IS 'second'",
    )?;
    setup(&db).run()?.expect(0)?;
    same(
        &db,
        "SELECT indexdef || coalesce(obj_description(indexname::regclass), '') FROM pg_indexes WHERE tablename = 'm' ORDER BY 1",
    )?;
    same(&db, "SELECT * FROM m")
}

/// Texts that look like parts of an archive or of a script, in bodies, literals and names.
#[test]
fn texts_that_look_like_an_archive_arrive() -> Result<()> {
    let db = shared_pair(13, 17)?.database("looks")?;
    let texts = [
        "\n--\n-- TOC entry 215 (class 1259 OID 16400)\n-- Name: t; Type: TABLE; Schema: public; Owner: postgres\n--\n\n",
        "a\nSET default_tablespace = ;",
        "a\nSET default_table_access_method = x;\n",
        "\n--\n-- PostgreSQL database dump complete\n--\n\\unrestrict x",
        "$$ $_$ ' \" \\ \r\n\r \t ünï ; Type: TABLE; Schema: -; Owner: x",
    ];
    let mut sql = String::new();
    for (n, text) in texts.iter().enumerate() {
        let text = text.replace('\\', "\\\\").replace('\'', "''");
        sql += &format!(
            "CREATE TABLE t{n} (id int PRIMARY KEY, v text DEFAULT E'{text}' CHECK (v <> E'{text}x'));
             COMMENT ON TABLE t{n} IS E'{text}'; INSERT INTO t{n} VALUES ({n});
             CREATE FUNCTION f{n}() RETURNS text LANGUAGE plpgsql AS E'/* {text} */ BEGIN RETURN 1; END';
             DO $do$ BEGIN
                 EXECUTE format('CREATE VIEW %I AS SELECT %L::text AS x', left(E'v{n}{text}', 60), E'{text}');
             END $do$;\n"
        );
    }
    db.on_source(&sql)?;
    setup(&db).run()?.expect(0)?;
    for sql in [
        "SELECT string_agg(relname || coalesce(obj_description(oid, 'pg_class'), ''), '|' ORDER BY relname COLLATE \"C\") FROM pg_class WHERE relnamespace = 'public'::regnamespace",
        "SELECT string_agg(pg_get_expr(adbin, adrelid), '|' ORDER BY adrelid::regclass::text) FROM pg_attrdef WHERE adrelid::regclass::text ~ '^t'",
        "SELECT string_agg(pg_get_constraintdef(oid), '|' ORDER BY conname) FROM pg_constraint WHERE contype = 'c' AND conrelid::regclass::text ~ '^t'",
        "SELECT string_agg(prosrc, '|' ORDER BY proname) FROM pg_proc WHERE proname ~ '^f[0-9]$'",
        "SELECT string_agg(pg_get_viewdef(oid), '|' ORDER BY relname COLLATE \"C\") FROM pg_class WHERE relname ~ '^v[0-9]'",
    ] {
        same(&db, sql)?;
    }
    drain(&db)?;
    same_rows(&db)
}

/// A CHECK that reads another table, whatever is copied first; one that no order of tables satisfies fails with its row.
#[test]
fn a_check_that_reads_another_table_waits_for_it() -> Result<()> {
    let db = shared_pair(15, 18)?.database("checkreads")?;
    db.on_source(
        "CREATE TABLE b_ref (id int PRIMARY KEY); CREATE TABLE c_ref (id int PRIMARY KEY);
         CREATE FUNCTION has_b(int) RETURNS boolean LANGUAGE sql AS 'SELECT EXISTS (SELECT FROM public.b_ref WHERE id = $1)';
         CREATE FUNCTION has_c(int) RETURNS boolean LANGUAGE sql AS 'SELECT EXISTS (SELECT FROM public.c_ref WHERE id = $1)';
         INSERT INTO c_ref VALUES (1), (2), (3);
         ALTER TABLE b_ref ADD CHECK (has_c(id)); INSERT INTO b_ref SELECT generate_series(1, 3) FROM (SELECT) one;
         CREATE TABLE a_chk (id int PRIMARY KEY, r int CHECK (has_b(r)));
         INSERT INTO a_chk SELECT g, g % 3 + 1 FROM generate_series(1, 5000) AS g;
         CREATE FUNCTION raises(int) RETURNS boolean LANGUAGE plpgsql AS
             'BEGIN IF NOT EXISTS (SELECT FROM public.b_ref WHERE id = $1) THEN RAISE EXCEPTION ''no base''; END IF; RETURN true; END';
         CREATE TABLE raised (id int PRIMARY KEY, r int CHECK (raises(r))); INSERT INTO raised SELECT g, 1 FROM generate_series(1, 5000) AS g",
    )?;
    setup(&db).args(["--jobs", "1"]).run()?.expect(0)?;
    drain(&db)?;
    same_rows(&db)?;
    let db = shared_pair(15, 18)?.database("checkfails")?;
    db.on_source(
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (7); CREATE TABLE u (id int PRIMARY KEY);
         CREATE FUNCTION old() RETURNS boolean LANGUAGE sql AS 'SELECT current_setting(''server_version_num'')::int < 180000';
         ALTER TABLE t ADD CONSTRAINT elder CHECK (old())",
    )?;
    let failed = setup(&db).run()?.expect(6)?;
    ensure!(
        failed.stdout.contains("check constraint \\\"elder\\\"") && failed.stdout.contains("23514"),
        "{}",
        failed.stdout
    );
    Ok(())
}
