//! Tables that replication cannot carry (without a key, or unlogged), copied again while nobody writes.

use std::time::Instant;

use pgl_catalog::foreign_keys::referring;
use pgl_conn::{Error as ConnError, Session};
use pgl_core::control::Emptied;
use pgl_core::cutover::OriginRoom;
use pgl_core::setup::copy::Task;

use super::end_sessions;
use crate::copy::Freeze;
use crate::copy::set_aside::SetAside;
use crate::copy::stream::{Streamed, encoding, stream};
use crate::lock_wait::is_busy;
use crate::{Error, ObjectFailure, Watch};

/// A table to be copied again, and what can be known of that before the pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recopy {
    task: Task,
    emptied: Emptied,
    encoding: String,
}

/// What was copied again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recopied {
    /// The table.
    pub table: pgl_core::QualifiedName,
    /// Rows that the subscriber took.
    pub rows: u64,
    /// Bytes that travelled.
    pub bytes: u64,
}

impl Recopy {
    /// The table.
    pub fn table(&self) -> pgl_core::QualifiedName {
        self.task.table.clone()
    }
}

/// The origin of rows that are copied again.
pub fn recopy_origin(subscription: &str) -> String {
    format!("pgl_recopy_{subscription}")
}

/// The room that a server has for this origin; none where it knows no origins.
///
/// # Errors
/// The server's.
pub fn origin_room(session: &mut Session, name: &str) -> Result<Option<OriginRoom>, ConnError> {
    if !session.version().at_least_num(90_500) {
        return Ok(None);
    }
    pgl_catalog::row(
        session,
        include_str!("../../sql/cutover/origins.sql"),
        &[&name],
    )
    .map(Some)
}

/// Gives what the session writes an origin: replication in the other direction passes on only what
/// has none, and would double these rows.
///
/// # Errors
/// The server's; no replication origin may be free.
pub fn mark_origin(new: &mut Session, subscription: &str) -> Result<(), ConnError> {
    if !new.version().at_least_num(90_500) {
        return Ok(());
    }
    let name = recopy_origin(subscription);
    new.query(
        "SELECT CASE WHEN pg_catalog.pg_replication_origin_oid($1) IS NULL THEN pg_catalog.pg_replication_origin_create($1) END",
        &[&name],
    )?;
    new.query(
        "SELECT pg_catalog.pg_replication_origin_session_setup($1)",
        &[&name],
    )
    .map(drop)
}

/// Removes it again.
///
/// # Errors
/// The server's.
pub fn forget_origin(new: &mut Session, subscription: &str) -> Result<(), ConnError> {
    if !new.version().at_least_num(90_500) {
        return Ok(());
    }
    new.batch("SELECT pg_catalog.pg_replication_origin_session_reset()")?;
    new.query(
        "SELECT pg_catalog.pg_replication_origin_drop($1)",
        &[&recopy_origin(subscription)],
    )
    .map(drop)
}

/// Looks how each table can be emptied: nothing is truncated that a foreign key points to.
///
/// # Errors
/// The servers'.
pub fn plan_recopy(
    old: &mut Session,
    new: &mut Session,
    tasks: Vec<Task>,
) -> Result<Vec<Recopy>, ConnError> {
    let encoding = encoding(old)?;
    let mut all = Vec::new();
    for task in tasks {
        all.push(Recopy {
            emptied: Emptied::of(&referring(new, std::slice::from_ref(&task.table))?),
            encoding: encoding.clone(),
            task,
        });
    }
    Ok(all)
}

/// How long one attempt to lock the table on the subscriber waits before the sessions there are ended.
const LOCK_MS: u32 = 200;

/// Replaces the rows of one table, in one transaction of the subscriber. Sessions of clients that hold a lock on it there
/// are ended, by the first of `ends` and but for those of the second: the database is read-only for them anyway.
///
/// # Errors
/// The servers'; [`Error::Objects`] when the subscriber did not take every row that was sent. The new
/// link's table is as it was then.
pub fn recopy(
    old: &mut Session,
    new: &mut Session,
    ends: (&mut Session, &[i32]),
    one: &Recopy,
    deadline: Instant,
    watch: &dyn Watch,
) -> Result<Recopied, Error> {
    let outcome = empty(new, ends, one, deadline, watch)
        .and_then(|aside| replace(old, new, one, &aside, watch));
    if let Err(error) = &outcome
        && !matches!(error, Error::Server(error) if error.is_lost())
        && !new.is_closed()
        && let Err(second) = new.rollback()
    {
        log::warn!("{second}");
    }
    outcome.map_err(|error| match error {
        Error::Server(error) => error
            .with_context(format!("copying {} again", one.task.table))
            .into(),
        other => other,
    })
}

/// Begins the transaction, and empties the table in it. Gives back what is set aside in it.
fn empty(
    new: &mut Session,
    (helper, ours): (&mut Session, &[i32]),
    one: &Recopy,
    deadline: Instant,
    watch: &dyn Watch,
) -> Result<SetAside, Error> {
    let table = one.task.table.sql();
    // Both keep everybody else from creating a trigger.
    let (empty, mode) = match one.emptied {
        Emptied::Delete => ("DELETE FROM ONLY", "SHARE ROW EXCLUSIVE"),
        Emptied::Truncate => ("TRUNCATE ONLY", "ACCESS EXCLUSIVE"),
    };
    let sql = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = {LOCK_MS}; LOCK TABLE ONLY {table} IN {mode} MODE"
    );
    loop {
        // What is inherited is set aside under locks on other tables as well.
        let aside = new
            .batch(&sql)
            .and_then(|()| SetAside::of(new, &table))
            .and_then(|aside| {
                new.batch(&format!("{empty} {table}"))?;
                Ok(aside)
            });
        match aside {
            Ok(aside) => return Ok(aside),
            Err(error) if is_busy(&error) && Instant::now() < deadline => new.rollback()?,
            Err(error) => return Err(error.into()),
        }
        if watch.stop() {
            return Err(Error::Interrupted);
        }
        end_sessions(helper, ours)?;
    }
}

fn replace(
    old: &mut Session,
    new: &mut Session,
    one: &Recopy,
    aside: &SetAside,
    watch: &dyn Watch,
) -> Result<Recopied, Error> {
    let task = &one.task;
    let Streamed { sent, taken, bytes } = new.with_views(true, |new| {
        stream(old, new, task, &one.encoding, Freeze::No, watch)
    })?;
    if sent != taken {
        return Err(Error::Objects {
            side: new.side(),
            what: "row counts differ".to_owned(),
            failures: vec![ObjectFailure {
                object: task.table.to_string(),
                sqlstate: None,
                message: format!("{sent} rows were sent, {taken} were taken"),
                detail: None,
                context: None,
                hint: Some("a trigger drops rows".to_owned()),
            }],
        });
    }
    aside.give_back(new)?;
    new.commit()?;
    Ok(Recopied {
        table: task.table.clone(),
        rows: taken,
        bytes,
    })
}
