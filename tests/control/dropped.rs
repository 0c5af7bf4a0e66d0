//! Columns and tables that are dropped on the target: pglogical deletes its row of the table, and applies what still arrives.

use anyhow::{Context, Result, ensure};
use pgl_testkit::{PairDb, Tool};
use serde_json::Value;

use crate::common::Documented;

use super::support::{PAIRS, PATIENCE, control, does, on_target, other, replicating, same};

const TABLES: &str = "
    CREATE TABLE both_sides (id int PRIMARY KEY, v text, w text);
    CREATE TABLE one_side (id int PRIMARY KEY, v text, w text);
    CREATE TABLE anew (id int PRIMARY KEY, v text);
    INSERT INTO both_sides SELECT n, 'v', 'w' FROM generate_series(1, 100) n;
    INSERT INTO one_side SELECT n, 'v', 'w' FROM generate_series(1, 100) n;
    INSERT INTO anew SELECT n, 'v' FROM generate_series(1, 100) n;
    ANALYZE";

/// What pgl-status reports of a table, once it does.
fn cause(db: &PairDb, id: &str, object: &str) -> Result<(Value, Value)> {
    let document = Tool::new(env!("CARGO_BIN_EXE_pgl-status"))
        .envs(db.env())
        .limit(PATIENCE)
        .run()?
        .document()?;
    let causes = document["causes"].as_array().context("no causes")?;
    let found = causes
        .iter()
        .find(|one| one["id"] == id && one["object"] == object)
        .with_context(|| format!("not reported: {document:#}"))?;
    let found = found.clone();
    Ok((document, found))
}

/// The command of pgl-control that a remedy or a hint ends in.
fn command(text: &Value) -> Result<Vec<String>> {
    let text = text.as_str().context("no text")?;
    let (_, command) = text.rsplit_once("pgl-control ").context("no command")?;
    let words = command.split_whitespace().map(str::to_owned);
    Ok(words.take_while(|word| word != "compares").collect())
}

fn follow(db: &PairDb, command: &[String]) -> Result<Value> {
    let args: Vec<&str> = command.iter().map(String::as_str).collect();
    let document = does(db, &args, 0)?;
    ensure!(document["already"] == false, "{document:#}");
    Ok(document)
}

fn has_its_row(db: &PairDb, table: &str) -> Result<bool> {
    let sql = format!(
        "SELECT count(*) FROM pglogical.local_sync_status WHERE sync_relname = '{table}' AND sync_status = 'r'"
    );
    Ok(on_target(db, &sql)? == "1")
}

#[test]
fn what_is_dropped_on_the_target_is_named_and_the_remedy_works() -> Result<()> {
    for pair in PAIRS {
        let db = replicating(pair, "dropped", TABLES, &[])?;
        // On both sides: everything is applied, and the remedy of either tool restores pglogical's row.
        for column in ["w", "v"] {
            for side in [PairDb::on_source, PairDb::on_target] {
                side(&db, &format!("ALTER TABLE both_sides DROP COLUMN {column}"))?;
            }
            ensure!(!has_its_row(&db, "both_sides")?);
            db.on_source("UPDATE both_sides SET id = id + 1000 WHERE id < 10")?;
            let (document, found) = cause(&db, "sync.row_missing", "public.both_sides")?;
            ensure!(
                document["healthy"] == true && found["severity"] == "warn",
                "{document:#}"
            );
            let dry = other(&db, "pgl-cutover", &["--dry-run"], 1)?;
            let refusal = &dry["refusals"][0];
            ensure!(refusal["id"] == "cut.followed", "{dry:#}");
            let command = match column {
                "w" => command(&found["remedy"])?,
                _ => command(&refusal["hint"])?
                    .iter()
                    .map(|word| word.replace("TABLE", "both_sides"))
                    .collect(),
            };
            follow(&db, &command)?;
            ensure!(has_its_row(&db, "both_sides")?);
        }
        same(&db, &["both_sides"])?;

        // On the target alone: what arrives cannot be applied, and the column's values are gone.
        db.on_target("ALTER TABLE one_side DROP COLUMN w")?;
        let (document, before) = cause(&db, "apply.column_missing", "public.one_side")?;
        ensure!(document["healthy"] == false, "{document:#}");
        db.on_source("UPDATE one_side SET v = 'new' WHERE id < 10")?;
        let (_, found) = cause(&db, "apply.column_missing", "public.one_side")?;
        ensure!(found["remedy"] == before["remedy"], "{found:#}");
        let refused = control(&db, &["resync", "one_side", "--yes"])
            .run()?
            .expect(5)?;
        ensure!(refused.stderr.contains("column w"), "{}", refused.stderr);
        db.on_target("ALTER TABLE one_side ADD COLUMN w text")?;
        follow(&db, &command(&found["remedy"])?)?;
        ensure!(has_its_row(&db, "one_side")?);
        same(&db, &["one_side"])?;

        // A table of that name that is not the one that was copied.
        db.on_target("DROP TABLE anew; CREATE TABLE anew (id int PRIMARY KEY, v text)")?;
        db.on_source("INSERT INTO anew VALUES (1001, 'later')")?;
        does(&db, &["resume"], 0)?;
        let (document, found) = cause(&db, "unsafe.table_recreated", "public.anew")?;
        ensure!(
            document["healthy"] == false && document["state"] == "replicating",
            "{document:#}"
        );
        follow(&db, &command(&found["remedy"])?)?;
        same(&db, &["anew"])?;
        other(&db, "pgl-cutover", &["--dry-run"], 0)?;

        // A table that is not there at all.
        db.on_target("DROP TABLE anew")?;
        let (document, found) = cause(&db, "apply.table_missing", "public.anew")?;
        ensure!(document["healthy"] == false, "{document:#}");
        db.on_source("UPDATE anew SET v = 'new' WHERE id < 10")?;
        db.on_target("CREATE TABLE anew (id int PRIMARY KEY, v text)")?;
        follow(&db, &command(&found["remedy"])?)?;
        same(&db, &["anew"])?;
        other(&db, "pgl-cutover", &["--yes"], 0)?;
    }
    Ok(())
}
