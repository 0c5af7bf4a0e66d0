//! What an earlier run left behind, and how it is cleared away.

use pgl_conn::{Session, field};
use pgl_core::setup::StepId;
use pgl_core::setup::copy::Task;
use pgl_core::{Lsn, QualifiedName, Side, quote_literal};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::by_pglogical;
use crate::{Error, journal};

/// A run of the copy, as both databases note it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The slot.
    pub slot: String,
    /// Its consistent point; null while it is being created.
    pub lsn: Option<Lsn>,
    /// The target's system identifier and database: on the source it tells whose slot it is.
    pub target: String,
}

/// How far the copy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Never begun.
    Fresh,
    /// Begun and not finished; its snapshot is gone.
    Broken(Run),
    /// Every table is there, and the slot still stands where it began.
    Complete(Run, Lsn),
}

/// What of a slot matters.
struct Slot {
    plugin: String,
    database: String,
    active: bool,
    lost: bool,
    confirmed: Option<Lsn>,
}

fn slot(source: &mut Session, name: &str) -> Result<Option<Slot>, pgl_conn::Error> {
    let version = source.version();
    let lost = if version.at_least(13) {
        "COALESCE(wal_status, '') = 'lost'"
    } else {
        "false"
    };
    let confirmed = if version.at_least_num(90_600) {
        "confirmed_flush_lsn::text"
    } else {
        "NULL::text"
    };
    let row = source.query_opt(
        &format!(
            "SELECT COALESCE(plugin, '')::text, COALESCE(database, '')::text, active, {lost}, {confirmed}
               FROM pg_replication_slots WHERE slot_name = $1::text"
        ),
        &[&name],
    )?;
    let Some(row) = row else { return Ok(None) };
    let (side, what) = (source.side(), format!("slot {name}"));
    let confirmed: Option<String> = field(side, &row, 4, &what)?;
    Ok(Some(Slot {
        plugin: field(side, &row, 0, &what)?,
        database: field(side, &row, 1, &what)?,
        active: field(side, &row, 2, &what)?,
        lost: field(side, &row, 3, &what)?,
        // The type's own text; NULL where nobody has confirmed anything.
        confirmed: confirmed.and_then(|text| text.parse().ok()),
    }))
}

/// Reads how far the copy of these tasks is. A table that the plan has got since a copy was made
/// is not in it, so that copy does not count.
///
/// # Errors
/// The servers'.
pub fn state(
    source: &mut Session,
    target: &mut Session,
    migration: &str,
    tasks: &[Task],
) -> Result<State, Error> {
    let Some(note) = journal::note(target, migration, StepId::Copy, "")? else {
        return Ok(State::Fresh);
    };
    if matches!(
        note.state.as_str(),
        by_pglogical::BEGUN | by_pglogical::PROVED
    ) {
        return Err(Error::refused(
            Side::Target,
            "this migration began with pglogical's own copy",
            "go on with --copy pglogical, or run pgl-teardown and begin again",
        ));
    }
    let run: Run = serde_json::from_value(note.detail).map_err(|error| {
        Error::refused(
            Side::Target,
            format!("the journal's note about the copy cannot be read: {error}"),
            "it was written by another version of this tool: use that one, or run pgl-teardown",
        )
    })?;
    let notes = journal::notes(target, migration, StepId::Copy)?;
    let copied = |task: &Task| {
        let name = task.table.sql();
        notes.iter().any(|note| {
            note.object
                .rsplit_once('#')
                .is_some_and(|(table, _)| table == name)
        })
    };
    if let ("copied", Some(lsn)) = (note.state.as_str(), run.lsn)
        && tasks.iter().all(copied)
        && let Some(found) = slot(source, &run.slot)?
        && !found.lost
        && found.confirmed.is_none_or(|confirmed| confirmed <= lsn)
    {
        return Ok(State::Complete(run, lsn));
    }
    Ok(State::Broken(run))
}

/// Tables that hold rows.
///
/// # Errors
/// The server's.
pub(super) fn not_empty(
    target: &mut Session,
    tables: &[QualifiedName],
) -> Result<Vec<QualifiedName>, pgl_conn::Error> {
    let mut out = Vec::new();
    for chunk in tables.chunks(200) {
        let sql: Vec<String> = chunk
            .iter()
            .enumerate()
            .map(|(n, table)| format!("SELECT {n} WHERE EXISTS (SELECT FROM ONLY {})", table.sql()))
            .collect();
        let found: Vec<i32> =
            target.values(&sql.join("\nUNION ALL\n"), &[], "which tables hold rows")?;
        for n in found {
            let at = usize::try_from(n).ok();
            out.extend(at.and_then(|at| chunk.get(at)).cloned());
        }
    }
    Ok(out)
}

/// Clears away what a broken run left: its workers, its slot, its rows. Rows are taken away only
/// from tables that the journal says that run filled; a table with other rows is refused.
///
/// # Errors
/// The servers', and the refusals.
pub(super) fn clear(
    source: &mut Session,
    target: &mut Session,
    migration: &str,
    broken: Option<&Run>,
    tasks: &[Task],
) -> Result<(), Error> {
    if let Some(run) = broken {
        drop_slot(source, migration, run)?;
    }
    let notes = journal::notes(target, migration, StepId::Copy)?;
    // By the journal, not by the tasks: the plan may have lost a table since.
    let mut filled: Vec<&str> = notes
        .iter()
        .filter_map(|note| Some(note.object.rsplit_once('#')?.0))
        .collect();
    filled.sort_unstable();
    filled.dedup();
    if !filled.is_empty() {
        let list: Vec<String> = filled.iter().map(|table| format!("ONLY {table}")).collect();
        target
            .batch(&format!(
                "BEGIN;\nSET LOCAL session_replication_role = replica;\nTRUNCATE {};\n\
             DELETE FROM pgl.journal WHERE migration = {} AND step = {} AND object <> '';\nCOMMIT;",
                list.join(", "),
                quote_literal(migration),
                quote_literal(StepId::Copy.as_str())
            ))
            .or_else(|error| {
                target.rollback()?;
                Err(error.with_context("emptying the tables that an earlier run had filled"))
            })?;
    }
    let all: Vec<QualifiedName> = tasks.iter().map(|task| task.table.clone()).collect();
    let foreign = not_empty(target, &all)?;
    if !foreign.is_empty() {
        let mut names: Vec<String> = foreign.iter().take(10).map(ToString::to_string).collect();
        if foreign.len() > 10 {
            names.push(format!("and {} more", foreign.len() - 10));
        }
        return Err(Error::refused(
            Side::Target,
            format!(
                "tables hold rows that this migration did not put there: {}",
                names.join(", ")
            ),
            "empty them if they can be thrown away; a table that has rows of its own cannot be the target of a copy",
        ));
    }
    Ok(())
}

/// Drops a slot that the source's journal says is ours. One that belongs to another target, or that
/// somebody uses, stays.
pub(super) fn drop_slot(source: &mut Session, migration: &str, run: &Run) -> Result<(), Error> {
    let Some(found) = slot(source, &run.slot)? else {
        return Ok(());
    };
    let object = format!("slot {}", run.slot);
    let note = journal::note(source, migration, StepId::Copy, &object)?;
    let ours = note.is_some_and(|note| note.detail == json!({"target": run.target}));
    let here = source.endpoint().dbname() == found.database;
    if !ours || !here || found.plugin != "pglogical_output" {
        return Err(foreign_slot(&run.slot));
    }
    if found.active {
        return Err(Error::refused(
            Side::Source,
            format!("slot {:?} of an earlier run is in use", run.slot),
            "a subscription reads it: run pgl-teardown if that migration is to begin again",
        ));
    }
    source
        .query(
            "SELECT pg_drop_replication_slot($1::text::name)",
            &[&run.slot],
        )
        .map_err(|error| error.with_context("dropping the slot of an earlier run"))?;
    Ok(())
}

fn foreign_slot(name: &str) -> Error {
    Error::refused(
        Side::Source,
        format!("slot {name:?} exists and this target did not make it"),
        "another migration of this source may use the same name: choose another --name, or drop the slot if nobody reads it",
    )
}

/// Notes on both servers that a run begins, before there is anything to clear away.
///
/// # Errors
/// The servers', and a refusal where a slot of that name exists.
pub(super) fn announce(
    source: &mut Session,
    target: &mut Session,
    migration: &str,
    run: &Run,
) -> Result<(), Error> {
    if slot(source, &run.slot)?.is_some() {
        return Err(foreign_slot(&run.slot));
    }
    journal::write(target, migration, StepId::Copy, "", "begun", &json!(run))?;
    journal::write(
        source,
        migration,
        StepId::Copy,
        &format!("slot {}", run.slot),
        "created",
        &json!({"target": run.target}),
    )?;
    Ok(())
}
