//! What an earlier run left behind, and how it is cleared away.

use std::collections::BTreeMap;

use pgl_catalog::foreign_keys::referring;
use pgl_conn::{Session, field};
use pgl_core::control::Emptied;
use pgl_core::journal::{
    COPY, CopiedPart, CopiedRows, CopyRun, MARKS, PARTS, PAUSE, SLOTS, SUBSCRIPTION,
};
use pgl_core::migration::Names;
use pgl_core::setup::copy::Task;
use pgl_core::teardown::{Removal, RemovalKind};
use pgl_core::{Lsn, QualifiedName, Side};

use crate::journal::{all, forget, forget_parts, read, write};
use crate::{Error, Watch, subscription, teardown};

/// How far the copy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyState {
    /// Never begun.
    Fresh,
    /// Begun and not finished; its snapshot is gone.
    Unfinished(CopyRun),
    /// Every table is there, and the slot is where it began.
    Complete(CopyRun, Lsn),
    /// It was complete, and replication cannot begin where it ended, for this reason.
    Lost(CopyRun, String),
}

/// The refusal to make a copy again that was complete: the tables may hold more than the copy by now.
pub fn lost(migration: &str, why: &str) -> Error {
    Error::refused(
        Side::Target,
        format!("the copy of migration {migration:?} was completed, but {why}"),
        "pgl-setup --restart empties the tables that it filled and copies them again; pgl-teardown removes the migration and leaves the rows",
    )
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

/// The LSN of the source at which the rows of a complete copy were read; none where there is none.
///
/// # Errors
/// The target's.
pub fn copied_at(target: &mut Session, migration: &str) -> Result<Option<Lsn>, pgl_conn::Error> {
    Ok(read(target, migration, &COPY)?.and_then(|run| run.lsn))
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
) -> Result<CopyState, Error> {
    let Some(run) = read(target, migration, &COPY)? else {
        return Ok(CopyState::Fresh);
    };
    let (true, Some(lsn)) = (run.copied, run.lsn) else {
        return Ok(CopyState::Unfinished(run));
    };
    let filled = filled(target, migration)?;
    let copied = |task: &Task| filled.contains_key(&task.table.sql());
    if let Some(task) = tasks.iter().find(|task| !copied(task)) {
        let why = format!("{} of the plan is not in it", task.table);
        return Ok(CopyState::Lost(run, why));
    }
    Ok(
        match unusable(slot(source, &run.slot)?.as_ref(), &run.slot, lsn) {
            None => CopyState::Complete(run, lsn),
            Some(why) => CopyState::Lost(run, why),
        },
    )
}

/// Why replication cannot begin at `lsn` with this slot.
fn unusable(found: Option<&Slot>, name: &str, lsn: Lsn) -> Option<String> {
    let found = match found {
        None => {
            return Some(format!(
                "replication slot {name} of the source does not exist any more"
            ));
        }
        Some(found) => found,
    };
    if found.lost {
        return Some(format!(
            "replication slot {name} of the source is lost (wal_status): the WAL that it needs was removed"
        ));
    }
    let confirmed = found.confirmed.filter(|confirmed| *confirmed > lsn)?;
    Some(format!(
        "replication slot {name} of the source is at {confirmed}, behind the copy's {lsn}: changes in between were read by another consumer"
    ))
}

/// Why a subscription that is not running will never run: its slot is missing or lost.
///
/// # Errors
/// The server's.
pub fn slot_gone(source: &mut Session, name: &str) -> Result<Option<String>, pgl_conn::Error> {
    Ok(match slot(source, name)? {
        None => Some(format!(
            "replication slot {name} of the source does not exist"
        )),
        Some(found) if found.lost => Some(format!(
            "replication slot {name} of the source is lost (wal_status): the WAL that it needs was removed"
        )),
        Some(_) => None,
    })
}

/// Tables that hold rows.
///
/// # Errors
/// The server's.
fn not_empty(
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

/// Clears away what a copy left that was never completed: its workers, its slot, its rows. Rows are taken away only where
/// the journal and column xmin prove that the copy wrote every one of them; a table with other rows is refused.
///
/// # Errors
/// The servers', and the refusals.
pub(super) fn clear(
    source: &mut Session,
    target: &mut Session,
    migration: &str,
    unfinished: Option<&CopyRun>,
    tasks: &[Task],
) -> Result<(), Error> {
    if let Some(run) = unfinished {
        drop_slot(source, migration, run)?;
    }
    // By the journal, not by the tasks: the plan may have lost a table since.
    for (table, parts) in filled(target, migration)? {
        empty(target, migration, &table, Some(&parts))?;
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
            "empty them if they can be thrown away (TRUNCATE); a table that has rows of its own cannot be the target of a copy",
        ));
    }
    Ok(())
}

/// What was filled, by table as it is written in SQL.
fn filled(
    target: &mut Session,
    migration: &str,
) -> Result<BTreeMap<String, Vec<CopiedPart>>, pgl_conn::Error> {
    let mut filled: BTreeMap<String, Vec<CopiedPart>> = BTreeMap::new();
    for part in all(target, migration, &PARTS)? {
        filled.entry(part.table.clone()).or_default().push(part);
    }
    Ok(filled)
}

/// Empties one table, and forgets that it was copied, in a transaction of its own. With `parts`, only where every row in
/// it is the copy's.
fn empty(
    target: &mut Session,
    migration: &str,
    table: &str,
    parts: Option<&[CopiedPart]>,
) -> Result<(), Error> {
    if !exists(target, table)? {
        // The plan and the target have lost it since.
        return Ok(target.batch(&forget_parts(migration, table))?);
    }
    target.batch(&format!(
        "BEGIN;\nSET LOCAL session_replication_role = replica;\nLOCK TABLE ONLY {table} IN ACCESS EXCLUSIVE MODE"
    ))?;
    let done = empty_locked(target, migration, table, parts);
    match &done {
        Ok(()) => target.commit()?,
        Err(Error::Server(error)) if error.is_lost() => {}
        Err(_) => target.rollback()?,
    }
    done
}

fn empty_locked(
    target: &mut Session,
    migration: &str,
    table: &str,
    parts: Option<&[CopiedPart]>,
) -> Result<(), Error> {
    if let Some(parts) = parts {
        let known: Vec<&CopiedRows> = parts.iter().filter_map(|p| p.written.as_ref()).collect();
        let xids: Vec<&str> = known.iter().map(|part| part.xid.as_str()).collect();
        let row = target.query_one(
            &format!(
                "SELECT count(*), count(*) FILTER (WHERE xmin::text <> ALL ($1)) FROM ONLY {table}"
            ),
            &[&xids],
        )?;
        let number = |at| field::<i64>(Side::Target, &row, at, "the rows of a table");
        let expected: u64 = known.iter().map(|part| part.rows).sum();
        let found = (number(0)?.unsigned_abs(), number(1)?.unsigned_abs());
        if known.len() != parts.len() || found != (expected, 0) {
            return Err(Error::refused(
                Side::Target,
                format!(
                    "an earlier copy was not completed, and {table} was written to since: {} rows, {} of them not the copy's, which wrote {expected}",
                    found.0, found.1
                ),
                "keep everybody away from the target until the cutover; pgl-setup --restart empties the tables that the copy filled, whatever is in them, and copies them again",
            ));
        }
    }
    let name = target.value_opt(
        "SELECT row_to_json(q)::text FROM (SELECT n.nspname AS schema, c.relname AS name FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1::text::pg_catalog.regclass) q",
        &[&table],
        "the name of a table",
    )?;
    let name: Option<QualifiedName> =
        name.and_then(|text: String| serde_json::from_str(&text).ok());
    let referring = referring(target, name.as_slice())?;
    let how = match Emptied::of(&referring) {
        Emptied::Truncate => "TRUNCATE ONLY",
        Emptied::Delete => "DELETE FROM ONLY",
    };
    let forget = forget_parts(migration, table);
    target.batch(&format!("{how} {table};\n{forget}"))?;
    Ok(())
}

fn exists(target: &mut Session, table: &str) -> Result<bool, pgl_conn::Error> {
    let sql =
        pgl_catalog::sql!(target.version(), 90_600 => "table_exists", _ => "table_exists_pg96");
    target.value(sql, &[&table], "whether a table exists")
}

/// Discards a copy, on explicit request: subscription, slot, every row in its tables, and what the journal says of it.
///
/// # Errors
/// The servers', and a refusal for a subscription or slot that the journal does not know.
pub fn discard(
    source: &mut Session,
    target: &mut Session,
    migration: &str,
    names: &Names,
    watch: &dyn Watch,
) -> Result<(), Error> {
    let Some(run) = read(target, migration, &COPY)? else {
        return Ok(());
    };
    if subscription::find(target, &names.subscription)?.is_some() {
        watch.say(&format!("dropping subscription {}", names.subscription));
        let removal = Removal {
            kind: RemovalKind::Subscription,
            side: Side::Target,
            object: names.subscription.clone(),
            statements: Vec::new(),
            triggers: Vec::new(),
        };
        teardown::remove(target, &removal, watch)?;
    }
    drop_slot(source, migration, &run)?;
    for table in filled(target, migration)?.keys() {
        if watch.stop() {
            return Err(Error::Interrupted);
        }
        watch.doing(&format!("emptying {table}"));
        empty(target, migration, table, None)?;
    }
    target.batch(&format!(
        "BEGIN;\n{}{}{}{}COMMIT;",
        forget(migration, &COPY),
        forget(migration, &SUBSCRIPTION),
        forget(migration, &MARKS),
        forget(migration, &PAUSE)
    ))?;
    Ok(())
}

/// Drops a slot that the source's journal says is ours. One that belongs to another target, or that
/// somebody uses, stays.
pub(super) fn drop_slot(source: &mut Session, migration: &str, run: &CopyRun) -> Result<(), Error> {
    let Some(found) = slot(source, &run.slot)? else {
        return Ok(());
    };
    let ours = read(source, migration, &SLOTS.of(&run.slot))?.as_ref() == Some(&run.target);
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
    run: &CopyRun,
) -> Result<(), Error> {
    if slot(source, &run.slot)?.is_some() {
        return Err(foreign_slot(&run.slot));
    }
    write(target, migration, &COPY, run)?;
    Ok(write(source, migration, &SLOTS.of(&run.slot), &run.target)?)
}
