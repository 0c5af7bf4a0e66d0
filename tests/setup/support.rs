//! Running the tool, waiting for the drain, holding both sides against each other.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pgl_testkit::{PairDb, Server, Tool, dump_ordered, texts};
use serde_json::Value;

/// How long replication may take to drain on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// The tool for this pair.
pub(super) fn setup(db: &PairDb) -> Tool {
    Tool::new(env!("CARGO_BIN_EXE_pgl-setup")).envs(db.env())
}

/// A database with everything, its roles under names of its own.
pub(super) fn everything(db: &PairDb) -> Result<(String, String)> {
    let (owner, reader) = (db.role("owner"), db.role("reader"));
    db.on_source(&format!(
        "CREATE ROLE \"{owner}\" LOGIN; CREATE ROLE \"{reader}\" LOGIN; GRANT \"{reader}\" TO \"{owner}\"; \
         ALTER ROLE \"{owner}\" SET search_path = shop, \"$user\""
    ))?;
    db.on_source(
        &include_str!("../sql/everything.sql")
            .replace("app_owner", &format!("\"{owner}\""))
            .replace("app_reader", &format!("\"{reader}\"")),
    )?;
    Ok((owner, reader))
}

/// The state of a step in a document.
pub(super) fn state<'a>(document: &'a Value, step: &str) -> Result<&'a str> {
    document["steps"]
        .as_array()
        .and_then(|steps| steps.iter().find(|one| one["id"] == step))
        .and_then(|one| one["state"].as_str())
        .with_context(|| format!("no step {step} in {document:#}"))
}

/// Waits until the target has applied and flushed everything that the source has committed.
pub(super) fn drain(db: &PairDb) -> Result<()> {
    let lsn = db
        .source()
        .value(db.name(), "SELECT pg_current_wal_insert_lsn()::text")?;
    // Something to send: an idle source tells its readers nothing.
    db.on_source("CREATE TABLE IF NOT EXISTS public.nudge (n int); INSERT INTO public.nudge VALUES (1); DROP TABLE public.nudge")?;
    db.source()
        .wait_until(
            db.name(),
            &format!(
                "SELECT bool_and(confirmed_flush_lsn >= '{lsn}') FROM pg_replication_slots WHERE database = current_database()"
            ),
            PATIENCE,
        )
        .with_context(|| match db.target().log() {
            Ok(log) => {
                let tail: Vec<&str> = log.lines().rev().take(30).collect();
                format!("not drained; the target's log ends with (latest first)\n{}", tail.join("\n"))
            }
            Err(error) => format!("not drained, and no log: {error}"),
        })
}

/// Holds all tables of both sides against each other, in full and in order.
pub(super) fn same_rows(db: &PairDb) -> Result<()> {
    let mine = ["pgl"];
    let source = dump_ordered(&mut db.source_client()?, &mine)?;
    let target = dump_ordered(&mut db.target_client()?, &mine)?;
    let differences = source.table_differences(&target);
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    ensure!(!source.tables.is_empty(), "nothing was compared");
    Ok(())
}

/// What only one side defines, as the newest pg_dump writes it; foreign keys only where asked for.
pub(super) fn definition_differences(db: &PairDb, with_keys: bool) -> Result<Vec<String>> {
    let (mut source, mut target) = (definitions(db, true)?, definitions(db, false)?);
    if !with_keys {
        // A remark on one is known by its name.
        let is_key =
            |entry: &str| entry.contains("; Type: FK CONSTRAINT;") || entry.contains("\"FK; ");
        source.retain(|entry| !is_key(entry));
        target.retain(|entry| !is_key(entry));
    }
    ensure!(
        source.len() > 5,
        "too few definitions were read: {source:?}"
    );
    let only = |side: &str, one: &[String], other: &[String]| -> Vec<String> {
        let own = one.iter().filter(|entry| !other.contains(entry));
        own.map(|entry| format!("only on the {side}: {entry}"))
            .collect()
    };
    let mut all = only("source", &source, &target);
    all.extend(only("target", &target, &source));
    Ok(all)
}

/// The entries of a plain dump, in the words of the target, and what a dump does not show.
fn definitions(db: &PairDb, of_source: bool) -> Result<Vec<String>> {
    let (source, target) = (db.source().major(), db.target().major());
    let dsn = match of_source {
        true => db.source_dsn(),
        false => db.target_dsn(),
    };
    let output = Command::new(Server::require(18)?.client_dir()?.join("pg_dump"))
        .args([
            "--schema-only",
            "--no-tablespaces",
            "--exclude-schema=pgl",
            "--exclude-schema=pglogical",
        ])
        .args(["--exclude-extension=pglogical", "--dbname", &dsn])
        .output()?;
    ensure!(output.status.success(), "{output:?}");
    let dump = String::from_utf8(output.stdout)?;
    let (dump, _) = dump
        .rsplit_once("\n--\n-- PostgreSQL database dump complete")
        .context("the dump has no end")?;
    let mut method = String::new();
    let mut all = Vec::new();
    for entry in dump.split("\n\n--\n-- Name: ").skip(1) {
        let is = |kind: &str| entry.contains(&format!("; Type: {kind}; Schema: "));
        let (mut text, mut next) = (entry.trim_end(), method.clone());
        // Settings before the next entry.
        while let Some((before, setting)) = text.rsplit_once("\nSET default_") {
            if let Some(value) = setting.strip_prefix("table_access_method = ") {
                value.clone_into(&mut next);
            }
            text = before.trim_end();
        }
        let mut text = without_versions_of_columns(text);
        if is("TABLE") || is("MATERIALIZED VIEW") {
            text += &format!("\naccess method {method}");
        }
        method = next;
        if of_source {
            // What would fire in the apply worker is disabled until the cutover.
            text = text
                .replace(" ENABLE ALWAYS TRIGGER ", " DISABLE TRIGGER ")
                .replace(" ENABLE REPLICA TRIGGER ", " DISABLE TRIGGER ");
            if is("EVENT TRIGGER") {
                text = text
                    .replace(" ENABLE ALWAYS;", " DISABLE;")
                    .replace(" ENABLE REPLICA;", " DISABLE;");
            }
        }
        if source < 14 && target >= 14 {
            // A range has a multirange, and parameters of a procedure their mode.
            text = without_line(&text, "    multirange_type_name = ");
            if text.contains("PROCEDURE") {
                text = text.replace("(IN ", "(");
            }
        }
        if source < 16
            && target >= 16
            && (is("VIEW")
                || is("MATERIALIZED VIEW")
                || is("RULE")
                || text.contains("BEGIN ATOMIC"))
        {
            // A column of the only table has no qualifier.
            text = unqualified(&text);
        }
        if source < 17 && target >= 17 && (is("ACL") || is("DEFAULT ACL")) {
            // There is MAINTAIN, and the owner has it.
            text = text.replace(",MAINTAIN", "").replace(
                "REVOKE SELECT,INSERT,REFERENCES,DELETE,TRIGGER,TRUNCATE,UPDATE ON",
                "REVOKE ALL ON",
            );
        }
        all.push(text);
    }
    let beyond = "SELECT 'populated ' || c.oid::regclass FROM pg_class c WHERE relispopulated AND relkind = 'm'
                  UNION ALL SELECT 'invalid ' || indexrelid::regclass FROM pg_index WHERE NOT indisvalid";
    let mut client = match of_source {
        true => db.source_client()?,
        false => db.target_client()?,
    };
    all.extend(texts(&mut client, beyond)?.into_iter().flatten().flatten());
    Ok(all)
}

/// Without the option that minor releases of November 2026 keep with every column.
fn without_versions_of_columns(text: &str) -> String {
    let mut statements = Vec::new();
    for statement in text.split(";\n") {
        let mut statement = statement.trim_start_matches('\n').to_owned();
        if let Some((before, rest)) = statement.split_once("pg_attver=") {
            let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            let (before, rest) = match rest.strip_prefix(", ") {
                Some(rest) => (before, rest),
                None => (before.trim_end_matches(", "), rest),
            };
            if before.ends_with('(') && rest.starts_with(')') {
                continue;
            }
            statement = format!("{before}{rest}");
        }
        statements.push(statement);
    }
    statements.join(";\n")
}

fn without_line(text: &str, begins: &str) -> String {
    let lines = text.split('\n').filter(|line| !line.starts_with(begins));
    // The line before it may be the last one by now.
    lines.collect::<Vec<_>>().join("\n").replace(",\n)", "\n)")
}

/// Names without what they are qualified by.
fn unqualified(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        let quoted = rest.strip_prefix('"').and_then(|rest| rest.find('"'));
        let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
        let end = match quoted {
            Some(end) => end + 2,
            None => word.unwrap_or(rest.len()).max(first.len_utf8()),
        };
        let (token, after) = rest.split_at(end);
        match after.strip_prefix('.') {
            Some(name) if first == '"' || first.is_alphabetic() => rest = name,
            _ => {
                out += token;
                rest = after;
            }
        }
    }
    out
}
