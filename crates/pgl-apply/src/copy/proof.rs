//! The proof after a copy that pglogical makes, as it does for one table on request: it may report success over an empty
//! one. Counts of both sides, while the source is written to.
//!
//! The target's count must lie between the source's earlier count minus what has been deleted since
//! and plus what has been inserted since, by the source's own counters. Those counters may be late,
//! never early, so they are read again after a pause; they count what was rolled back, too, which
//! makes the bracket wider, never narrower than the truth.

use std::collections::HashMap;
use std::time::Duration;

use pgl_conn::Session;
use pgl_core::{QualifiedName, Side};
use serde::Deserialize;

use crate::{Error, ObjectFailure, Watch, marker};

/// How late a server's counters may be.
const COUNTERS_LATE: Duration = Duration::from_millis(1500);
/// How often a table that does not fit is looked at again: a TRUNCATE is in no counter.
const ROUNDS: u32 = 4;
/// How long the marker may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// Inserted and deleted, by schema and name.
type Counters = HashMap<(String, String), (i64, i64)>;

#[derive(Deserialize)]
struct Counter {
    schema: String,
    name: String,
    inserted: i64,
    deleted: i64,
}

/// Compares the counts of tables.
///
/// # Errors
/// [`Error::Objects`] with every table whose rows are not there.
pub fn prove(
    source: &mut Session,
    target: &mut Session,
    tables: &[QualifiedName],
    watch: &dyn Watch,
) -> Result<u64, Error> {
    let mut open: Vec<QualifiedName> = tables.to_vec();
    let mut failures = Vec::new();
    let mut total = 0;
    for _ in 0..ROUNDS {
        let before = counters(source)?;
        let there = counts(source, &open, watch)?;
        marker::write_and_wait(source, target, "setup", PATIENCE, watch)?;
        let here = counts(target, &open, watch)?;
        std::thread::sleep(COUNTERS_LATE);
        let after = counters(source)?;
        failures.clear();
        let mut again = Vec::new();
        for ((table, expected), found) in open.iter().zip(&there).zip(&here) {
            let key = (table.schema.clone(), table.name.clone());
            let of = |all: &Counters| all.get(&key).copied().unwrap_or_default();
            let (before, after) = (of(&before), of(&after));
            let (low, high) = (
                expected - (after.1 - before.1),
                expected + (after.0 - before.0),
            );
            if (low..=high).contains(found) {
                total += found.unsigned_abs();
                continue;
            }
            again.push(table.clone());
            failures.push(ObjectFailure {
                object: table.to_string(),
                sqlstate: None,
                message: "rows are missing on the target, or too many".to_owned(),
                detail: Some(format!(
                    "source {expected}, target {found}, expected {low} to {high}"
                )),
                context: None,
                hint: None,
            });
        }
        if again.is_empty() {
            return Ok(total);
        }
        open = again;
    }
    Err(Error::Objects {
        side: Side::Target,
        what: "pglogical says that the copy succeeded, and the counts say that it did not"
            .to_owned(),
        failures,
    })
}

fn counters(source: &mut Session) -> Result<Counters, pgl_conn::Error> {
    let rows: Vec<Counter> =
        pgl_catalog::rows(source, include_str!("../../sql/change_counters.sql"), &[])?;
    Ok(rows
        .into_iter()
        .map(|row| ((row.schema, row.name), (row.inserted, row.deleted)))
        .collect())
}

fn counts(
    session: &mut Session,
    tables: &[QualifiedName],
    watch: &dyn Watch,
) -> Result<Vec<i64>, Error> {
    let _cancel = watch.cancel_on_stop(session.cancel_handle());
    let mut out = Vec::with_capacity(tables.len());
    for table in tables {
        if watch.stop() {
            return Err(Error::Interrupted);
        }
        out.push(session.value(
            &format!("SELECT count(*) FROM ONLY {}", table.sql()),
            &[],
            &format!("the number of rows of {table}"),
        )?);
    }
    Ok(out)
}
