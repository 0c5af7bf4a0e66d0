//! A differential oracle for `pgl-verify`: random tables, random rows, random damage on the target (often none), random
//! writers on the source; and the truth from an independent comparison of all rows through binary COPY, read when the
//! writers have stopped and the target has caught up. No table that differs may be called identical, none that does not may
//! be called different, and undecided has to be rare.
//!
//! `PGL_ORACLE_SECONDS` makes it a long one, `PGL_ORACLE_SEED` another one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pgl_testkit::PairDb;
use postgres::Client;

use crate::verify_gallery::verify;
use crate::verify_live::replicated;
use crate::verify_proof::caught_up;

mod generate;

use generate::{Random, Table, damage, quoted, table, write_one};

/// Adds every table of a schema that has rows to the set that its key allows.
const ADD: &str = "SELECT pglogical.replication_set_add_table(
        CASE WHEN c.relreplident = 'i' OR c.relreplident = 'd'
                AND EXISTS (SELECT 1 FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary)
            THEN 'default' ELSE 'default_insert_only' END, c.oid)
    FROM pg_class AS c WHERE c.relkind = 'r' AND c.relnamespace = $schema$::regnamespace";

fn writer(db: &PairDb, tables: &[Table], seed: u64, over: &AtomicBool) -> Result<usize> {
    let mut client = db.source_client()?;
    let mut random = Random(seed);
    let mut fresh = usize::try_from(seed % 10).unwrap_or(0) * 100_000;
    let mut count = 0;
    while !over.load(Ordering::SeqCst) {
        let mut sql = "BEGIN;".to_owned();
        for _ in 0..1 + random.below(4) {
            let table = &tables[random.below(tables.len())];
            let one = write_one(&mut random, table, &mut fresh);
            let _ = write!(sql, "{one};");
        }
        sql.push_str(if random.chance(10) {
            "ROLLBACK"
        } else {
            "COMMIT"
        });
        if let Err(error) = client.batch_execute(&sql) {
            // Two writers may meet in the same rows, or one of them may move a row to another partition.
            let code = error.code().map(|code| code.code().to_owned());
            ensure!(
                matches!(code.as_deref(), Some("40001" | "40P01" | "23505")),
                "{error:?}: {sql}"
            );
            client.batch_execute("ROLLBACK")?;
        }
        count += 1;
        std::thread::sleep(Duration::from_millis(3));
    }
    Ok(count)
}

type Rows = Vec<Vec<u8>>;

/// All rows of each table of a schema, ordered, as binary COPY gives them. Arrays of composites carry their type's number,
/// which is each server's own: those as text.
fn contents(client: &mut Client, schema: &str) -> Result<BTreeMap<String, Rows>> {
    client.batch_execute(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL extra_float_digits = 3",
    )?;
    let tables = client.query(
        "SELECT c.relname::text, array_agg(quote_ident(a.attname) || CASE a.atttypid WHEN 'oracle.two[]'::regtype THEN '::text' ELSE '' END
            ORDER BY a.attname COLLATE \"C\")
         FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE c.relkind = 'r' AND c.relnamespace = $1::text::regnamespace GROUP BY c.oid, c.relname",
        &[&schema],
    )?;
    let mut all = BTreeMap::new();
    for row in tables {
        let (name, columns): (String, Vec<String>) = (row.get(0), row.get(1));
        let sql = format!(
            "COPY (SELECT {} FROM ONLY {schema}.{}) TO STDOUT (FORMAT binary)",
            columns.join(", "),
            quoted(&name)
        );
        let mut bytes = Vec::new();
        client.copy_out(&sql)?.read_to_end(&mut bytes)?;
        all.insert(name, rows(&bytes)?);
    }
    client.batch_execute("ROLLBACK")?;
    Ok(all)
}

/// The rows of a binary COPY, ordered by their bytes.
fn rows(bytes: &[u8]) -> Result<Rows> {
    let mut rest = bytes.get(19..).context("a header")?;
    let mut all = Vec::new();
    loop {
        let start = rest;
        let count = i16::from_be_bytes(rest.get(..2).context("a row")?.try_into()?);
        rest = &rest[2..];
        if count < 0 {
            all.sort();
            return Ok(all);
        }
        for _ in 0..count {
            let length = i32::from_be_bytes(rest.get(..4).context("a length")?.try_into()?);
            rest = rest
                .get(4 + usize::try_from(length.max(0))?..)
                .context("a field")?;
        }
        all.push(start[..start.len() - rest.len()].to_vec());
    }
}

/// What a run said of each table.
#[derive(Debug)]
struct Said {
    run: String,
    statuses: BTreeMap<String, String>,
}

/// How runs compare with the truth.
#[derive(Debug, Default)]
struct Score {
    cases: usize,
    different: usize,
    undecided: usize,
    wrong: Vec<String>,
}

fn run(db: &PairDb, schema: &str, name: &str, args: &[&str], env: Option<&str>) -> Result<Said> {
    let mut tool = verify(db)
        .args(["--schema", schema])
        .args(args)
        .limit(Duration::from_secs(120));
    if let Some(source) = env {
        tool = tool.env("PGL_SOURCE", source);
    }
    let outcome = tool.run()?;
    ensure!(
        matches!(outcome.code(), Some(0 | 1 | 4)),
        "{name}: {outcome:?}"
    );
    let document = outcome
        .json()
        .with_context(|| format!("{name}: {outcome:?}"))?;
    let mut statuses = BTreeMap::new();
    for table in document["tables"].as_array().context("tables")? {
        let text = |field: &str| table[field].as_str().unwrap_or("").to_owned();
        let status = text("status");
        ensure!(
            status != "error" && status != "skipped",
            "{name}: {table:#}"
        );
        statuses.insert(text("name"), status);
    }
    Ok(Said {
        run: format!("{name} {}", document["mode"].as_str().unwrap_or("")),
        statuses,
    })
}

fn batch(db: &PairDb, seed: u64, number: usize, score: &mut Score) -> Result<()> {
    let mut random = Random(seed.wrapping_mul(1_000_003).wrapping_add(number as u64));
    let schema = format!("oracle_{number}");
    let mut tables = Vec::new();
    let (mut source, mut target) = (String::new(), String::new());
    for at in 0..40 {
        let (table, on_source, on_target) = table(&mut random, &schema, at);
        tables.push(table);
        source.push_str(&on_source);
        target.push_str(&on_target);
    }
    let create = format!(
        "CREATE SCHEMA {schema}; SET check_function_bodies = off; SET TimeZone = 'UTC'; SET lc_monetary = 'C';"
    );
    db.on_source(&format!("{create}{source}"))?;
    db.on_target(&format!("{create}{target}"))?;
    db.on_source(&ADD.replace("$schema$", &format!("'{schema}'")))?;
    let mut damages = BTreeMap::new();
    for table in &tables {
        if let Some(sql) = damage(&mut random, table) {
            db.on_target(&sql).with_context(|| sql.clone())?;
            damages.insert(table.name.clone(), sql);
        }
    }
    let reader = reader(db, &schema)?;
    let over = AtomicBool::new(false);
    let said = Mutex::new(Vec::new());
    let digest = ["auto", "md5", "client"][number % 3];
    let runs = || -> Result<()> {
        for (name, args, env) in [
            ("live", &["--mode", "live", "--digest", digest][..], None),
            (
                "barrier",
                &["--mode", "barrier", "--max-barrier", "5s"][..],
                None,
            ),
            ("no rights", &[][..], Some(reader.as_str())),
        ] {
            let one = run(db, &schema, name, args, env)?;
            said.lock()
                .map_err(|_| anyhow::anyhow!("poisoned"))?
                .push(one);
        }
        Ok(())
    };
    let written = std::thread::scope(|scope| -> Result<usize> {
        let writers: Vec<_> = (1..=2)
            .map(|at| {
                let (tables, over) = (&tables, &over);
                scope.spawn(move || writer(db, tables, seed + number as u64 * 10 + at, over))
            })
            .collect();
        let outcome = runs();
        over.store(true, Ordering::SeqCst);
        let mut written = 0;
        for writer in writers {
            written += writer
                .join()
                .map_err(|_| anyhow::anyhow!("a writer panicked"))??;
        }
        outcome.map(|()| written)
    })?;
    ensure!(
        written > 20,
        "only {written} transactions: that was no load"
    );
    caught_up(db)?;
    let mut said = said.into_inner().map_err(|_| anyhow::anyhow!("poisoned"))?;
    said.push(run(
        db,
        &schema,
        "rest",
        &["--mode", "static", "--digest", digest],
        None,
    )?);
    said.push(run(
        db,
        &schema,
        "rest",
        &["--mode", "live", "--digest", digest],
        None,
    )?);
    let one = contents(&mut db.source_client()?, &schema)?;
    let two = contents(&mut db.target_client()?, &schema)?;
    ensure!(
        one.len() == two.len() && one.len() >= tables.len(),
        "tables are missing"
    );
    for (name, rows) in &one {
        let truth = if two.get(name) == Some(rows) {
            "identical"
        } else {
            "different"
        };
        for said in &said {
            let status = said
                .statuses
                .get(name)
                .with_context(|| format!("{}: no {name}", said.run))?;
            score.cases += 1;
            score.different += usize::from(truth == "different");
            if status == "inconclusive" && said.run.starts_with("rest") {
                score.wrong.push(format!(
                    "{name} of {schema}: undecided at rest by {}",
                    said.run
                ));
            } else if status == "inconclusive" {
                score.undecided += usize::from(!said.run.contains("fenced"));
            } else if status != truth {
                let damage: Vec<_> = damages
                    .iter()
                    .filter(|(table, _)| table.contains(name.as_str()))
                    .collect();
                score.wrong.push(format!(
                    "seed {seed}, {name} of {schema}: {} says {status}, and it is {truth} ({damage:?})",
                    said.run
                ));
            }
        }
    }
    db.on_source(&format!("DROP SCHEMA {schema} CASCADE"))?;
    db.on_target(&format!("DROP SCHEMA {schema} CASCADE"))?;
    Ok(())
}

/// A role that may only read, so that nothing can be decoded.
fn reader(db: &PairDb, schema: &str) -> Result<String> {
    let role = db.role("oracle_reader");
    db.on_source(&format!(
        "DO $$ BEGIN IF to_regrole('{role}') IS NULL THEN CREATE ROLE {role} LOGIN; END IF; END $$;
         GRANT USAGE ON SCHEMA oracle, {schema} TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}"
    ))?;
    Ok(db.source().dsn_as(&role, db.name()))
}

fn setting(name: &str, default: u64) -> Result<u64> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| name.to_owned()),
        Err(_) => Ok(default),
    }
}

fn oracle(source: u16, target: u16) -> Result<()> {
    let db = replicated(source, target)?;
    let types = "CREATE SCHEMA oracle; CREATE TYPE oracle.mood AS ENUM ('sad', 'o k', 'happy');
        CREATE DOMAIN oracle.positive AS int CHECK (VALUE > 0); CREATE TYPE oracle.two AS (a int, b text)";
    db.on_source(types)?;
    db.on_target(types)?;
    let seed = setting("PGL_ORACLE_SEED", 1)?;
    let end = Instant::now() + Duration::from_secs(setting("PGL_ORACLE_SECONDS", 20)?);
    let mut score = Score::default();
    let mut number = 0;
    while number < 2 || Instant::now() < end {
        batch(&db, seed, number, &mut score)
            .with_context(|| format!("seed {seed}, batch {number}"))?;
        number += 1;
        ensure!(
            score.wrong.is_empty(),
            "of {} cases: {:#?}",
            score.cases,
            score.wrong
        );
    }
    writeln!(
        std::io::stderr(),
        "{source} to {target}: {} cases, {} of them different, {} undecided",
        score.cases,
        score.different,
        score.undecided
    )?;
    ensure!(
        score.cases >= 400 && score.different >= 50,
        "that proves little: {score:?}"
    );
    ensure!(
        score.undecided * 50 <= score.cases,
        "too often undecided: {score:?}"
    );
    Ok(())
}

#[test]
fn random_tables_are_judged_as_copy_does_13_to_17() -> Result<()> {
    oracle(13, 17)
}

#[test]
fn random_tables_are_judged_as_copy_does_15_to_18() -> Result<()> {
    oracle(15, 18)
}
