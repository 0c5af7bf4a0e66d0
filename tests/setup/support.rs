//! Running the tool, waiting for the drain, holding both sides against each other.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pgl_testkit::{PairDb, Server, Tool, dump_ordered, texts};
use serde_json::Value;

/// How long replication may take to drain on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// The tool for this pair, with client programs that are new enough.
pub(super) fn setup(db: &PairDb) -> Result<Tool> {
    let major = db.source().major().max(db.target().major());
    Ok(Tool::new(env!("CARGO_BIN_EXE_pgl-setup"))
        .envs(db.env())
        .env("PGL_PG_BINDIR", Server::require(major)?.client_dir()?))
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

/// Every definition that both sides must share, one line each; foreign keys only where asked for.
pub(super) fn definitions(db: &PairDb, with_keys: bool) -> Result<(Vec<String>, Vec<String>)> {
    let sql =
        include_str!("definitions.sql").replace("$keys", if with_keys { "true" } else { "false" });
    let read = |client: &mut _| -> Result<Vec<String>> {
        Ok(texts(client, &sql)?
            .into_iter()
            .map(|row| {
                row.into_iter()
                    .map(|cell| cell.unwrap_or_default())
                    .collect::<Vec<_>>()
                    .join(" | ")
            })
            .collect())
    };
    Ok((
        read(&mut db.source_client()?)?,
        read(&mut db.target_client()?)?,
    ))
}

/// What only one side defines.
pub(super) fn definition_differences(db: &PairDb, with_keys: bool) -> Result<Vec<String>> {
    let (source, target) = definitions(db, with_keys)?;
    ensure!(
        source.len() > 5,
        "too few definitions were read: {source:?}"
    );
    let mut all: Vec<String> = source
        .iter()
        .filter(|line| !target.contains(line))
        .map(|line| format!("only on the source: {line}"))
        .collect();
    all.extend(
        target
            .iter()
            .filter(|line| !source.contains(line))
            .map(|line| format!("only on the target: {line}")),
    );
    Ok(all)
}
