//! Databases that hold bytes which are nothing in UTF-8: they arrive as they are.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, anyhow, ensure};
use pgl_testkit::{Cluster, PairDb, Tool, shared_pair};

use super::support::{PAIRS, PATIENCE, cutover, prepared};
use crate::common::Documented;

/// What one table holds, as bytes that nothing has converted.
fn bytes(cluster: &Cluster, db: &PairDb, table: &str) -> Result<Vec<Vec<Option<String>>>> {
    cluster.sql(
        db.name(),
        &format!(
            "SELECT a, encode(convert_to(v, getdatabaseencoding()), 'hex') FROM {table} ORDER BY 1, 2"
        ),
    )
}

/// A comparison while such bytes are written: they are in no text that a client could read as characters.
fn compared_under_writes(db: &PairDb, odd: &str, encoding: &str) -> Result<()> {
    let done = AtomicBool::new(false);
    let out = std::thread::scope(|scope| {
        let writer = scope.spawn(|| -> Result<()> {
            let mut client = db.source_client()?;
            while !done.load(Ordering::SeqCst) {
                client.batch_execute(&format!("UPDATE odd SET v = {odd} WHERE a = 40"))?;
            }
            Ok(())
        });
        let out = Tool::new(env!("CARGO_BIN_EXE_pgl-verify"))
            .envs(db.env())
            .args(["--format", "json"])
            .limit(PATIENCE)
            .run();
        done.store(true, Ordering::SeqCst);
        writer
            .join()
            .map_err(|_| anyhow!("the writer panicked"))??;
        out
    })?;
    // Only the server finds out that a byte of it has no character, in a change that it decodes.
    if encoding == "WIN1252" && out.code() == Some(3) {
        ensure!(out.stderr.contains("--mode barrier"), "{out:?}");
        return Ok(());
    }
    let mode = match encoding {
        "SQL_ASCII" => "fenced",
        _ => "live",
    };
    ensure!(matches!(out.code(), Some(0 | 4)), "{encoding}: {out:?}");
    ensure!(out.json()?["mode"] == mode, "{encoding}: {}", out.stdout);
    Ok(())
}

/// By pgl-setup's copy, by pgl-control resync and by the copy of tables without a key within the pause.
#[test]
fn bytes_that_have_no_meaning_in_utf_8_arrive_as_they_are() -> Result<()> {
    // No characters of UTF-8; letters; undefined and stored all the same.
    let (any, letters, undefined) = (
        ("SQL_ASCII", "ff80c3"),
        ("LATIN1", "e9df"),
        ("WIN1252", "818d90"),
    );
    for ((source, target), both) in PAIRS.into_iter().zip([[any, letters], [any, undefined]]) {
        for (encoding, odd) in both {
            let db = shared_pair(source, target)?.database_in("odd", encoding)?;
            let odd = format!("convert_from(decode('{odd}', 'hex'), '{encoding}')");
            prepared(
                &db,
                &format!(
                    "CREATE TABLE odd (a int PRIMARY KEY, v text);
                     INSERT INTO odd SELECT n, n || {odd} FROM generate_series(1, 50) n;
                     CREATE TABLE odd_keyless (a int, v text);
                     INSERT INTO odd_keyless SELECT n, n || {odd} FROM generate_series(1, 50) n;
                     CREATE TABLE odd_child (a int REFERENCES odd, v text)"
                ),
            )?;
            let looked = Tool::new(env!("CARGO_BIN_EXE_pgl-preflight"))
                .envs(db.env())
                .limit(PATIENCE)
                .run()?;
            ensure!(
                looked.document()?["verdict"] != "unknown",
                "{}",
                looked.stderr
            );
            db.on_target("DELETE FROM odd WHERE a < 30")?;
            Tool::new(env!("CARGO_BIN_EXE_pgl-control"))
                .envs(db.env())
                .args(["resync", "odd", "--yes"])
                .limit(PATIENCE)
                .run()?
                .expect(0)?;
            compared_under_writes(&db, &odd, encoding)?;
            db.on_source(&format!(
                "INSERT INTO odd VALUES (99, {odd});
                 UPDATE odd_keyless SET v = {odd} WHERE a < 10;
                 DELETE FROM odd_keyless WHERE a > 40"
            ))?;
            let document = cutover(&db).arg("--yes").run()?.expect(0)?.document()?;
            let again = document["recopied"].to_string();
            ensure!(again.contains("odd_keyless"), "{document:#}");
            for table in ["odd", "odd_keyless"] {
                let (left, right) = (
                    bytes(db.source(), &db, table)?,
                    bytes(db.target(), &db, table)?,
                );
                ensure!(left.len() >= 40 && left == right, "{encoding}: {table}");
            }
        }
    }
    Ok(())
}
