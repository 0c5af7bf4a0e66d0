//! `pgl-verify` against the corruption gallery: every seeded corruption is named by table, key and
//! column, nothing else is; and differences that are none stay silent.

use crate::common::Documented;
use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use pgl_testkit::{PairDb, Tool, shared_pair};
use serde_json::Value;

const GALLERY: &str = include_str!("sql/gallery.sql");
const SEEDS: &str = include_str!("sql/gallery_seeds.sql");

/// Table, kind, key, columns.
type Seed = (String, String, String, String);

pub(crate) fn verify(db: &PairDb) -> Tool {
    Tool::new(env!("CARGO_BIN_EXE_pgl-verify"))
        .envs(db.env())
        .args(["--format", "json"])
}

/// What the seeds' own comments say has to be found.
fn expected() -> Result<BTreeSet<Seed>> {
    let mut all = BTreeSet::new();
    for line in SEEDS.lines() {
        let Some(rest) = line.strip_prefix("-- expect: ") else {
            continue;
        };
        let kinds = ["different", "missing", "extra", "duplicated", "status"];
        let (at, kind) = kinds
            .iter()
            .filter_map(|kind| rest.find(&format!(" {kind} ")).map(|at| (at, *kind)))
            .min()
            .with_context(|| format!("no kind in {line}"))?;
        let table = rest[..at].to_owned();
        let after = &rest[at + kind.len() + 2..];
        let (key, columns) = match kind {
            "status" => (after.trim_end_matches(" -"), "-"),
            // Keys may have blanks in them, the columns of a missing row are not listed.
            "missing" | "extra" | "duplicated" => (after.trim_end_matches(" -"), "-"),
            _ if after.starts_with("- ") => ("-", &after[2..]),
            _ => after
                .match_indices(' ')
                .map(|(at, _)| after.split_at(at))
                .next()
                .map(|(key, columns)| (key, columns.trim_start()))
                .with_context(|| format!("no columns in {line}"))?,
        };
        all.insert((table, kind.to_owned(), key.to_owned(), columns.to_owned()));
    }
    Ok(all)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("NULL").to_owned()
}

/// The tables of a document in the form of the seeds.
fn found(document: &Value, by_status: &BTreeSet<String>) -> BTreeSet<Seed> {
    let mut all = BTreeSet::new();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for table in list(&document["tables"]) {
        let name = text(&table["name"]);
        let status = text(&table["status"]);
        if by_status.contains(&name) || (status != "identical" && list(&table["rows"]).is_empty()) {
            all.insert((name, "status".into(), status, "-".into()));
            continue;
        }
        for row in list(&table["rows"]) {
            let kind = text(&row["kind"]);
            let columns: Vec<Value> = list(&row["columns"]);
            let mut key: Vec<String> = list(&row["key"])
                .iter()
                .map(|part| format!("{}={}", text(&part["name"]), text(&part["value"])))
                .collect();
            if key.is_empty() && kind != "different" {
                // Without a key the gallery names such rows by their first column.
                let first = &columns[0];
                let side = if first["source"]["present"] == true {
                    "source"
                } else {
                    "target"
                };
                key.push(format!(
                    "{}={}",
                    text(&first["name"]),
                    text(&first[side]["text"])
                ));
            }
            let key = if key.is_empty() {
                "-".to_owned()
            } else {
                key.join(",")
            };
            let columns = if kind == "different" {
                let names: Vec<String> = columns.iter().map(|c| text(&c["name"])).collect();
                names.join(",")
            } else {
                "-".to_owned()
            };
            all.insert((name.clone(), kind, key, columns));
        }
    }
    all
}

fn gallery(source: u16, target: u16, more: &[&str]) -> Result<()> {
    let db = shared_pair(source, target)?.database("gallery")?;
    db.on_source(GALLERY)?;
    db.on_target(GALLERY)?;
    // Before anything is damaged nothing is found.
    let clean = verify(&db).args(more).run()?.expect(0)?.document()?;
    ensure!(clean["verdict"] == "ok", "{clean:#}");
    db.on_target(SEEDS)?;
    let document = verify(&db)
        .args(more)
        .args(["--max-diffs", "1000"])
        .run()?
        .expect(1)?
        .document()?;
    let wanted = expected()?;
    ensure!(wanted.len() > 110, "only {} seeds were read", wanted.len());
    let by_status = wanted
        .iter()
        .filter(|seed| seed.1 == "status")
        .map(|seed| seed.0.clone())
        .collect();
    let seen = found(&document, &by_status);
    let missed: Vec<&Seed> = wanted.difference(&seen).collect();
    let false_alarms: Vec<&Seed> = seen.difference(&wanted).collect();
    ensure!(
        missed.is_empty() && false_alarms.is_empty(),
        "missed: {missed:#?}\nfalse alarms: {false_alarms:#?}"
    );
    Ok(())
}

#[test]
fn every_corruption_is_named_13_to_17() -> Result<()> {
    gallery(13, 17, &[])
}

#[test]
fn every_corruption_is_named_13_to_15() -> Result<()> {
    gallery(13, 15, &[])
}

#[test]
fn every_corruption_is_named_15_to_18() -> Result<()> {
    gallery(15, 18, &[])
}

#[test]
fn every_corruption_is_named_by_the_clients_digest() -> Result<()> {
    gallery(15, 18, &["--digest", "client"])
}

/// What servers before 11 get.
#[test]
fn every_corruption_is_named_by_md5() -> Result<()> {
    gallery(13, 17, &["--digest", "md5"])
}

#[test]
fn differences_that_are_none_stay_silent() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18)] {
        let db = shared_pair(source, target)?.database("benign")?;
        db.on_source(include_str!("sql/gallery_benign_source.sql"))?;
        db.on_target(include_str!("sql/gallery_benign_target.sql"))?;
        for more in [&[][..], &["--digest", "client"], &["--digest", "md5"]] {
            let document = verify(&db).args(more).run()?.expect(0)?.document()?;
            ensure!(document["totals"]["identical"] == 5, "{document:#}");
            // What is not compared by design is named.
            ensure!(document["totals"]["skipped"] == 3, "{document:#}");
        }
        // Another width of a type is a difference.
        db.on_target("ALTER TABLE gallery.shape ALTER i TYPE bigint")?;
        let strict = verify(&db).run()?.expect(1)?.document()?;
        ensure!(strict["totals"]["different"] == 1, "{strict:#}");
    }
    Ok(())
}

/// An encoding of its own on the source: the same characters are the same.
#[test]
fn the_same_characters_in_another_encoding_are_the_same() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18)] {
        let pair = shared_pair(source, target)?;
        let db = pair.database("latin")?;
        let latin = format!("{}_latin1", db.name());
        db.source().sql(
            "postgres",
            &format!(
                "CREATE DATABASE {latin} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
            ),
        )?;
        let table = "CREATE TABLE t (id text PRIMARY KEY, v text, c char(8));
            INSERT INTO t SELECT 'schlüssel ' || k, 'élève', 'ß' FROM generate_series(1, 500) AS k";
        db.source().sql(&latin, table)?;
        db.on_target(table)?;
        let run = || {
            Tool::new(env!("CARGO_BIN_EXE_pgl-verify"))
                .envs(db.env())
                .env("PGL_SOURCE", db.source().dsn(&latin))
                .args(["--format", "json"])
                .run()
        };
        run()?.expect(0)?;
        db.on_target("UPDATE t SET v = 'eleve' WHERE id = 'schlüssel 77'")?;
        let document = run()?.expect(1)?.document()?;
        ensure!(document["tables"][0]["different"] == 1, "{document:#}");
        ensure!(
            document["tables"][0]["rows"][0]["key"][0]["value"] == "schlüssel 77",
            "{document:#}"
        );
    }
    Ok(())
}

/// Values that PostgreSQL's own hash functions do not tell apart: they follow type equality, and 64-bit
/// values are folded to 32 bits before they are hashed.
#[test]
fn values_with_the_same_hash_are_told_apart() -> Result<()> {
    let twins = [
        ("int8", "1", "4294967296"),
        ("int8", "-1", "4294967295"),
        (
            "timestamptz",
            "2024-05-05 12:00:00+00",
            "2024-05-05 13:11:34.967297+00",
        ),
        ("time", "00:00:00", "01:11:34.967297"),
        ("money", "0.01", "42949672.96"),
        ("numeric", "1", "-1"),
        ("numeric", "1.0", "1.00"),
        ("jsonb", "{\"a\": 1}", "{\"a\": -1}"),
        ("jsonb", "[1.0]", "[1.00]"),
        ("float8", "0", "-0"),
        ("float4", "0", "-0"),
        ("interval", "1 mon", "30 days"),
        ("interval", "1 day", "24:00:00"),
        ("bpchar", "a", "a  "),
        ("date", "infinity", "-infinity"),
        ("bool", "f", "t"),
        ("int4[]", "{1,2}", "[0:1]={1,2}"),
    ];
    for (source, target) in [(13, 17), (15, 18)] {
        let db = shared_pair(source, target)?.database("twins")?;
        for (at, (kind, one, two)) in twins.iter().enumerate() {
            let create = |value: &str| {
                format!(
                    "CREATE TABLE twin_{at} (id int PRIMARY KEY, v {kind}, w {kind});
                     INSERT INTO twin_{at} VALUES (1, '{value}', '{one}'), (2, NULL, '{two}')"
                )
            };
            db.on_source(&create(one))?;
            db.on_target(&create(two))?;
        }
        let document = verify(&db).run()?.expect(1)?.document()?;
        for (at, twin) in twins.iter().enumerate() {
            let name = format!("twin_{at}");
            let table = document["tables"]
                .as_array()
                .and_then(|all| all.iter().find(|one| one["name"] == *name))
                .with_context(|| format!("no {name}"))?;
            ensure!(
                table["digest"] == "hash"
                    && table["different"] == 1
                    && table["rows"][0]["columns"][0]["name"] == "v",
                "{twin:?} on {source} and {target}: {table:#}"
            );
        }
    }
    Ok(())
}
