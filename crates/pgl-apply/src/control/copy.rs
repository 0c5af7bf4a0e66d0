//! A table's rows replaced by the source's, behind a barrier, proved by counts of both sides at that
//! moment.

use std::time::Instant;

use pgl_conn::{Error as ConnError, Session};
use pgl_core::Side;
use pgl_core::control::Emptied;
use pgl_core::setup::copy::{RowScope, Task};
use schemars::JsonSchema;
use serde::Serialize;

use crate::copy::set_aside::SetAside;
use crate::copy::stream::{Streamed, stream};
use crate::copy::{Freeze, copy_in, copy_out};
use crate::{Error, ObjectFailure, Watch};

/// One table to fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacing {
    /// Table, columns, rows.
    pub task: Task,
    /// How its rows make room.
    pub emptied: Emptied,
    /// The source's encoding, in which they travel.
    pub encoding: String,
}

/// What was replaced by what.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Replaced {
    /// Rows that the target had.
    pub rows_before: u64,
    /// Rows now, equal to the source's at the same moment.
    pub rows: u64,
    /// Bytes that travelled.
    pub bytes: u64,
    /// Seconds it took.
    pub seconds: f64,
}

/// The statements: what empties the table, what is run on the source, what on the target.
pub fn statements(one: &Replacing) -> [String; 4] {
    let table = one.task.table.sql();
    let (lock, empty, freeze) = match one.emptied {
        Emptied::Truncate => (
            format!("LOCK TABLE ONLY {table} IN ACCESS EXCLUSIVE MODE"),
            format!("TRUNCATE ONLY {table}"),
            Freeze::Yes,
        ),
        Emptied::Delete => (
            format!("LOCK TABLE ONLY {table} IN SHARE ROW EXCLUSIVE MODE"),
            format!("DELETE FROM ONLY {table}"),
            Freeze::No,
        ),
    };
    [
        lock,
        empty,
        copy_out(&one.task, &one.encoding),
        copy_in(&one.task, &one.encoding, freeze),
    ]
}

/// Replaces the rows in the transactions that both sessions are in; commits nothing. The target's
/// session must be one in which triggers do not fire.
///
/// # Errors
/// The servers'; [`Error::Objects`] when the counts of both sides differ.
pub fn replace(
    reader: &mut Session,
    target: &mut Session,
    one: &Replacing,
    watch: &dyn Watch,
) -> Result<Replaced, Error> {
    let started = Instant::now();
    let [lock, empty, ..] = statements(one);
    target.batch(&lock)?;
    let before = count(target, &format!("ONLY {}", one.task.table.sql()))?;
    let aside = SetAside::of(target, &one.task.table.sql())?;
    target.batch(&empty)?;
    let freeze = match one.emptied {
        Emptied::Truncate => Freeze::Yes,
        Emptied::Delete => Freeze::No,
    };
    let Streamed { sent, taken, bytes } = target
        .with_views(true, |target| {
            stream(reader, target, &one.task, &one.encoding, freeze, watch)
        })
        .map_err(|error| error.with_context(format!("copying {}", one.task.table)))?;
    let table = format!("ONLY {}", one.task.table.sql());
    let there = match &one.task.rows {
        RowScope::All => count(reader, &table)?,
        RowScope::Where(condition) => count(reader, &format!("{table} WHERE {condition}"))?,
    };
    let here = count(target, &table)?;
    if [sent, taken, here].iter().any(|rows| *rows != there) {
        return Err(Error::Objects {
            side: Side::Target,
            what: "row counts differ".to_owned(),
            failures: vec![ObjectFailure {
                object: one.task.table.to_string(),
                sqlstate: None,
                message: format!(
                    "the source counts {there} rows and sent {sent}, the target took {taken} and counts {here}"
                ),
                detail: None,
                context: None,
                hint: Some("a trigger or rule of the target drops or makes rows".to_owned()),
            }],
        });
    }
    aside.give_back(target)?;
    Ok(Replaced {
        rows_before: before,
        rows: here,
        bytes,
        seconds: started.elapsed().as_secs_f64(),
    })
}

fn count(session: &mut Session, from: &str) -> Result<u64, ConnError> {
    session.count(
        &format!("SELECT count(*) FROM {from}"),
        &[],
        &format!("the number of rows of {from}"),
    )
}
