//! What is refused, selected, skipped or named, as the servers see it.

use anyhow::{Result, ensure};
use pgl_testkit::{Tool, shared_pair};

use super::{entry, outcome, seqsync, state};
use crate::common::Documented;

/// The target's own next value decides, as the server hands it out.
#[test]
fn definitions_that_differ_never_hand_out_a_value_twice() -> Result<()> {
    let db = shared_pair(13, 17)?.database("others")?;
    db.on_source(
        "CREATE SEQUENCE used_up MAXVALUE 5; SELECT nextval('used_up') FROM generate_series(1, 5);
         CREATE SEQUENCE tens INCREMENT 10; SELECT nextval('tens') FROM generate_series(1, 4);
         CREATE SEQUENCE wide; SELECT setval('wide', 5);",
    )?;
    db.on_target(
        "CREATE SEQUENCE used_up MAXVALUE 5 CYCLE; SELECT setval('used_up', 5);
         CREATE SEQUENCE tens; SELECT setval('tens', 35);
         CREATE SEQUENCE wide MAXVALUE 5;",
    )?;
    let document = seqsync(&db).arg("--check").run()?.expect(1)?.document()?;
    assert_eq!(entry(&document, "used_up")?["why"], "would_repeat");
    assert_eq!(entry(&document, "wide")?["why"], "exhausted");
    assert_eq!(outcome(&document, "tens")?, "kept");
    let run = seqsync(&db).args(["--format", "text"]).run()?.expect(5)?;
    ensure!(
        run.stdout
            .contains("the target would hand out 1 next, which the source has used"),
        "{}",
        run.stdout
    );
    assert_eq!(
        db.target().value(db.name(), "SELECT nextval('tens')")?,
        "36",
        "31, the source's last value, would be a step back"
    );
    // With one definition they are carried over.
    db.on_target(
        "ALTER SEQUENCE used_up NO CYCLE; ALTER SEQUENCE wide MAXVALUE 9223372036854775807",
    )?;
    seqsync(&db).run()?.expect(0)?;
    assert_eq!(state(db.target(), db.name(), "wide")?, "5,true");
    assert!(
        db.target()
            .value(db.name(), "SELECT nextval('used_up')")
            .is_err()
    );
    Ok(())
}

#[test]
fn a_table_selects_its_sequences_and_a_name_that_means_nothing_is_an_error() -> Result<()> {
    let db = shared_pair(15, 18)?.database("selected")?;
    let tables = "CREATE SCHEMA shop;
        CREATE TABLE shop.orders (id serial PRIMARY KEY, line bigint GENERATED ALWAYS AS IDENTITY);
        CREATE TABLE shop.items (id serial PRIMARY KEY);
        CREATE TABLE shop.plain (id int PRIMARY KEY)";
    db.on_source(tables)?;
    db.on_target(tables)?;
    db.on_source("INSERT INTO shop.orders DEFAULT VALUES; INSERT INTO shop.items DEFAULT VALUES")?;
    let document = seqsync(&db)
        .args(["--check", "--table", "shop.orders"])
        .run()?
        .expect(1)?
        .document()?;
    assert_eq!(document["counts"]["behind"], 2, "{document:#}");
    assert_eq!(document["counts"]["total"], 2);
    let document = seqsync(&db)
        .args([
            "--table",
            "orders",
            "--schema",
            "shop",
            "--exclude-table",
            "items",
        ])
        .run()?
        .expect(0)?
        .document()?;
    assert_eq!(document["counts"]["set"], 2, "{document:#}");
    assert_eq!(
        state(db.target(), db.name(), "shop.items_id_seq")?,
        "1,false"
    );
    for (typed, said) in [
        (vec!["--table", "shop.order"], "matches --table shop.order"),
        (
            vec!["--table", "shop.orders", "--table", "typo"],
            "matches --table typo",
        ),
        (vec!["--schema", "public"], "matches --schema public"),
        (vec!["--table", "shop.plain"], "matches --table shop.plain"),
        (vec!["--exclude-schema", "*"], "is left by the exclusions"),
    ] {
        for mode in ["--check", "--dry-run", "--margin=0"] {
            let refused = seqsync(&db).arg(mode).args(&typed).run()?.expect(2)?;
            assert!(refused.stderr.contains(said), "{}", refused.stderr);
            assert!(refused.stdout.is_empty());
        }
    }
    Ok(())
}

#[test]
fn sequences_of_extensions_are_named() -> Result<()> {
    let db = shared_pair(13, 17)?.database("extended")?;
    let extension = "CREATE EXTENSION pglogical; CREATE SEQUENCE mine; CREATE SEQUENCE counted;
        ALTER EXTENSION pglogical ADD SEQUENCE counted";
    db.on_source(extension)?;
    db.on_target(extension)?;
    let document = seqsync(&db).run()?.expect(0)?.document()?;
    assert_eq!(document["counts"]["total"], 1, "{document:#}");
    assert_eq!(document["skipped"][0]["name"], "counted", "{document:#}");
    let text = seqsync(&db).args(["--format", "text"]).run()?.expect(0)?;
    ensure!(
        text.stdout
            .contains("skipped public.counted: it belongs to extension pglogical"),
        "{}",
        text.stdout
    );
    Ok(())
}

#[test]
fn columns_that_cannot_be_compared_are_named() -> Result<()> {
    for pair in [(13, 17), (15, 18)] {
        let db = shared_pair(pair.0, pair.1)?.database("columns")?;
        let tables =
            "CREATE DOMAIN number AS bigint CHECK (VALUE > 0); CREATE DOMAIN deeper AS number;
            CREATE SEQUENCE of_domain; CREATE TABLE d (id deeper DEFAULT nextval('of_domain'));
            CREATE SEQUENCE of_float; CREATE TABLE f (id float8 DEFAULT nextval('of_float'));
            CREATE SEQUENCE of_real; CREATE TABLE r (id real DEFAULT nextval('of_real'));
            CREATE SEQUENCE of_text; CREATE TABLE t (id text DEFAULT 'ORD-' || nextval('of_text'));
            CREATE SEQUENCE of_money; CREATE TABLE m (id numeric DEFAULT nextval('of_money'));
            CREATE SEQUENCE of_nothing; CREATE TABLE n (id float8 DEFAULT nextval('of_nothing'))";
        db.on_source(tables)?;
        db.on_target(tables)?;
        // 2^53 + 2: a float of 15 digits would be another number.
        db.on_source(
            "INSERT INTO d VALUES (70); INSERT INTO f VALUES (9007199254740994), (0.5); INSERT INTO r VALUES (12.75);
             INSERT INTO t VALUES ('ORD-900'); INSERT INTO m VALUES ('NaN'); INSERT INTO n VALUES (1), ('Infinity')",
        )?;
        let run = seqsync(&db)
            .arg("--at-least-max-of-column")
            .run()?
            .expect(6)?;
        let document = run.document()?;
        for (name, wanted) in [
            ("of_domain", "70,true"),
            ("of_float", "9007199254740994,true"),
            ("of_real", "12,true"),
        ] {
            assert_eq!(state(db.target(), db.name(), name)?, wanted, "{document:#}");
        }
        for (name, said) in [
            (
                "of_text",
                "public.t.id is of type text, whose values are not compared",
            ),
            ("of_money", "public.m.id holds NaN"),
            ("of_nothing", "public.n.id holds Infinity"),
        ] {
            assert_eq!(entry(&document, name)?["why"], "column_unread");
            let notes = entry(&document, name)?["notes"].to_string();
            assert!(notes.contains(said), "{notes}");
        }
    }
    Ok(())
}

/// After a cutover the target hands out values of its own: nothing is set there any more.
#[test]
fn a_promoted_target_is_left_alone() -> Result<()> {
    let db = shared_pair(13, 17)?.database("promoted")?;
    db.on_source(
        "CREATE TABLE t (id serial PRIMARY KEY); INSERT INTO t SELECT FROM generate_series(1, 9)",
    )?;
    for (program, args) in [
        (env!("CARGO_BIN_EXE_pgl-setup"), &["--name", "moving"][..]),
        (
            env!("CARGO_BIN_EXE_pgl-cutover"),
            &["--name", "moving", "--yes"],
        ),
    ] {
        Tool::new(program)
            .envs(db.env())
            .args(args)
            .run()?
            .expect(0)?;
    }
    // Somebody sets the source's sequence further than the target's.
    db.on_source("BEGIN READ WRITE; SELECT setval('t_id_seq', 500); COMMIT")?;
    for mode in [&[][..], &["--dry-run"], &["--mode", "pglogical"]] {
        let refused = seqsync(&db).args(mode).run()?.expect(5)?;
        ensure!(
            refused.stderr.contains("cut over at 20"),
            "{}",
            refused.stderr
        );
    }
    assert_eq!(
        db.target().value(db.name(), "SELECT nextval('t_id_seq')")?,
        "10"
    );
    let checked = seqsync(&db).arg("--check").run()?.expect(1)?.document()?;
    ensure!(checked["cut_over"]["at"].is_string(), "{checked:#}");
    Ok(())
}
