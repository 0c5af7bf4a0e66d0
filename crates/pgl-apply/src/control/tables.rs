//! Single tables: what refers to them, what carries them, how they leave.

use std::time::{Duration, Instant};

use pgl_conn::{Begin, Error as ConnError, Session};
use pgl_core::control::SetMembership;
use pgl_core::journal::{CopiedPart, CopiedRows};
use pgl_core::lock_wait::Holders;
use pgl_core::{QualifiedName, Side, quote_ident, quote_literal};
use serde::Deserialize;

use crate::lock_wait::{LockWait, is_busy};
use crate::subscription::although_published;
use crate::{Error, Watch};

#[derive(Deserialize)]
struct Named {
    name: String,
}

fn names(
    session: &mut Session,
    sql: &str,
    table: &QualifiedName,
) -> Result<Vec<String>, ConnError> {
    let found: Vec<Named> = pgl_catalog::rows(session, sql, &[&table.sql()])?;
    Ok(found.into_iter().map(|one| one.name).collect())
}

/// pglogical's truncate triggers on a table of the source.
///
/// # Errors
/// The server's; also when there is no such table.
pub fn truncate_triggers(
    source: &mut Session,
    table: &QualifiedName,
) -> Result<Vec<String>, ConnError> {
    names(
        source,
        include_str!("../../sql/control/truncate_triggers.sql"),
        table,
    )
}

/// The table's place in these sets.
///
/// # Errors
/// The server's; also when there is no such table.
pub fn memberships(
    source: &mut Session,
    table: &QualifiedName,
    sets: &[String],
) -> Result<Vec<SetMembership>, ConnError> {
    pgl_catalog::rows(
        source,
        include_str!("../../sql/control/memberships.sql"),
        &[&table.sql(), &sets],
    )
}

/// Object id of a table; none where there is no such table.
///
/// # Errors
/// The server's.
pub fn table_oid(session: &mut Session, table: &QualifiedName) -> Result<Option<u32>, ConnError> {
    session.value_opt(
        include_str!("../../sql/control/table_oid.sql"),
        &[&table.schema, &table.name],
        &format!("the object id of {table}"),
    )
}

/// What the journal holds of a table of the target that is filled.
///
/// # Errors
/// The server's.
pub fn copied_part(
    target: &mut Session,
    subscription: &str,
    table: &QualifiedName,
    written: Option<CopiedRows>,
) -> Result<CopiedPart, ConnError> {
    #[derive(Deserialize)]
    struct Now {
        oid: Option<u32>,
        dropped_columns: Option<u64>,
        subscription: Option<String>,
    }
    let sql = include_str!("../../sql/control/copied_part.sql");
    let arguments: &[&(dyn pgl_conn::ToSql + Sync)] = &[&table.schema, &table.name, &subscription];
    let now: Now = pgl_catalog::row(target, sql, arguments)?;
    Ok(CopiedPart {
        table: table.sql(),
        oid: now.oid,
        dropped_columns: now.dropped_columns,
        subscription: now.subscription,
        written,
    })
}

/// Whether a table holds rows.
///
/// # Errors
/// The server's.
pub fn rows_in(session: &mut Session, table: &QualifiedName) -> Result<bool, ConnError> {
    session.value(
        &format!("SELECT EXISTS (SELECT FROM ONLY {})", table.sql()),
        &[],
        &format!("whether {table} holds rows"),
    )
}

/// Tells pglogical that a table is synchronised: part of the transaction that makes it so. False where it knew.
///
/// # Errors
/// The server's.
pub fn synced(
    target: &mut Session,
    subscription: &str,
    table: &QualifiedName,
) -> Result<bool, ConnError> {
    let written = target.execute(
        include_str!("../../sql/control/synced.sql"),
        &[&subscription, &table.schema, &table.name],
    )?;
    Ok(written > 0)
}

/// Takes back what pglogical knows of a table.
///
/// # Errors
/// The server's.
pub fn unsynced(
    target: &mut Session,
    subscription: &str,
    table: &QualifiedName,
) -> Result<(), ConnError> {
    target.batch(&although_published(&format!(
        "DELETE FROM pglogical.local_sync_status y USING pglogical.subscription s \
         WHERE s.sub_name = {} AND y.sync_subid = s.sub_id AND y.sync_nspname = {} AND y.sync_relname = {}",
        quote_literal(subscription),
        quote_literal(&table.schema),
        quote_literal(&table.name)
    )))
}

/// The statements by which a table leaves its sets: with its truncate triggers, which pglogical
/// leaves behind.
pub fn leave_sql(table: &QualifiedName, sets: &[String], triggers: &[String]) -> Vec<String> {
    let removals = sets.iter().map(|set| {
        format!(
            "SELECT pglogical.replication_set_remove_table(set_name := {}, relation := {}::regclass)",
            quote_literal(set),
            quote_literal(&table.sql())
        )
    });
    let drops = triggers
        .iter()
        .map(|name| format!("DROP TRIGGER {} ON {}", quote_ident(name), table.sql()));
    removals.chain(drops).collect()
}

/// Takes the table out of its sets, in one transaction. `polite` must have a short `lock_timeout`.
///
/// # Errors
/// The server's; [`Error::NotYet`] when the table stays locked.
pub fn leave(
    polite: &mut Session,
    table: &QualifiedName,
    statements: &[String],
    limit: Duration,
    watch: &dyn Watch,
) -> Result<(), Error> {
    let started = Instant::now();
    let mut wait = LockWait::of(polite)?;
    let mut pause = Duration::from_millis(200);
    loop {
        if watch.stop() {
            return Err(Error::Interrupted);
        }
        polite.begin(Begin::ReadWrite)?;
        let outcome = statements
            .iter()
            .try_for_each(|statement| polite.batch(statement))
            .and_then(|()| polite.commit());
        let Err(error) = outcome else { return Ok(()) };
        if !error.is_lost() {
            polite.rollback()?;
        }
        if !is_busy(&error) {
            return Err(error.with_context(format!("taking {table} out")).into());
        }
        if started.elapsed() > limit {
            return Err(Error::NotYet {
                side: Side::Source,
                what: format!("{table} could not be locked for {} s", limit.as_secs()),
                hint: "a long transaction uses it; run this again when it has ended".to_owned(),
            });
        }
        wait.set_next(polite, std::slice::from_ref(table), Holders::Waited)?;
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

/// Planner statistics for a table whose rows are new.
///
/// # Errors
/// The server's.
pub fn analyze(target: &mut Session, table: &QualifiedName) -> Result<(), ConnError> {
    target.batch(&format!("ANALYZE {}", table.sql()))
}
