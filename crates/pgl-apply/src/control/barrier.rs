//! Both sides at one moment: the target's apply worker stands before a marker, and a session of the
//! source sees exactly what was committed before it.

use std::time::{Duration, Instant};

use pgl_conn::{Begin, Error as ConnError, Session};
use pgl_core::cutover::TableMark;
use pgl_core::lock_wait::Holders;
use pgl_core::{QualifiedName, Side, quote_literal};

use super::diagnose::Observer;
use super::state::worker;
use crate::fingerprint::marks_to_keep;
use crate::lock_wait::{LockWait, is_busy};
use crate::provider::MemberToAdd;
use crate::{Error, Watch, marker, subscription};

/// The marker's name.
const MARKER: &str = "control";

/// The target's half: the worker is held at the next marker.
pub fn hold_sql() -> [String; 2] {
    let text = HOLD.split_once('\n').map_or(HOLD, |(_, sql)| sql);
    [
        "BEGIN".to_owned(),
        text.replace("$1", &quote_literal(MARKER)),
    ]
}

const HOLD: &str = include_str!("../../sql/control/hold_marker.sql");

/// The source's half.
pub fn moment_sql(tables: &[QualifiedName], why: Why<'_>) -> Vec<String> {
    let mut sql = vec!["BEGIN".to_owned(), lock_sql(tables, why)];
    if let Why::Joining(all) = why {
        sql.extend(all.iter().map(MemberToAdd::sql));
    }
    sql.push("-- another session takes its view now; then the marker is written".to_owned());
    sql.push("COMMIT".to_owned());
    sql
}

/// What ends the target's transaction.
pub fn release_sql(before: Option<&str>) -> Vec<String> {
    before
        .into_iter()
        .map(str::to_owned)
        .chain(["COMMIT".to_owned()])
        .collect()
}

/// What keeps the writers of the tables away while the view of them is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why<'a> {
    /// They are replicated already.
    Replicated,
    /// They join their sets in the same transaction.
    Joining(&'a [MemberToAdd]),
}

/// The lock on the source: writers wait, readers do not.
fn lock_sql(tables: &[QualifiedName], why: Why<'_>) -> String {
    let mut sorted = tables.to_vec();
    sorted.sort();
    let names: Vec<String> = sorted.iter().map(|t| format!("ONLY {}", t.sql())).collect();
    let mode = match why {
        Why::Replicated => "SHARE",
        // What pglogical takes itself: asked for once, so that it need not wait twice.
        Why::Joining(_) => "SHARE ROW EXCLUSIVE",
    };
    format!("LOCK TABLE {} IN {mode} MODE", names.join(", "))
}

/// Opens a transaction on the target that stands where a view in `reader` was taken: everything that
/// was committed to the tables before is applied, nothing that was committed after. Both stay until
/// their transactions end. What comes back are the marks of the tables at that moment. `locker` must have a short `lock_timeout`; its lock lasts for some
/// milliseconds, and is tried for again and again.
///
/// # Errors
/// The servers'; [`Error::NotYet`] when a table stays locked, or the target does not come so far.
/// The target's transaction is rolled back by then.
#[expect(
    clippy::too_many_arguments,
    reason = "sessions that have to stay apart"
)]
pub fn barrier(
    locker: &mut Session,
    reader: &mut Session,
    target: &mut Session,
    observe: (&mut Session, &mut Session),
    subscription: &str,
    tables: &[QualifiedName],
    why: Why<'_>,
    limit: Duration,
    watch: &dyn Watch,
) -> Result<Vec<TableMark>, Error> {
    let outcome = stand(
        locker,
        reader,
        target,
        observe,
        subscription,
        tables,
        why,
        limit,
        watch,
    );
    if outcome.is_err() {
        for session in [reader, target] {
            if !session.is_closed() {
                session.rollback()?;
            }
        }
    }
    outcome
}

#[expect(clippy::too_many_arguments, reason = "likewise")]
fn stand(
    locker: &mut Session,
    reader: &mut Session,
    target: &mut Session,
    observe: (&mut Session, &mut Session),
    subscription: &str,
    tables: &[QualifiedName],
    why: Why<'_>,
    limit: Duration,
    watch: &dyn Watch,
) -> Result<Vec<TableMark>, Error> {
    target.begin(Begin::ReadWrite)?;
    let held = target.query(HOLD, &[&MARKER])?;
    if held.is_empty() {
        return Err(Error::refused(
            Side::Target,
            format!("marker {MARKER:?} is not on the target"),
            "it was not replicated: see pgl-status",
        ));
    }
    let started = Instant::now();
    let mut wait = LockWait::of(locker)?;
    let mut pause = Duration::from_millis(200);
    let marks = loop {
        if watch.stop() {
            return Err(Error::Interrupted);
        }
        match moment(locker, reader, tables, why) {
            Ok(marks) => break marks,
            Err(error) if is_busy(&error) => {
                locker.rollback()?;
                reader.rollback()?;
                if started.elapsed() > limit {
                    return Err(Error::NotYet {
                        side: Side::Source,
                        what: format!(
                            "the tables could not be locked for {} s ({})",
                            limit.as_secs(),
                            error.message
                        ),
                        hint: "a long transaction writes to one of them; run this again when it has ended"
                            .to_owned(),
                    });
                }
                if pause > Duration::from_secs(1) {
                    watch.say("the tables are busy, trying again");
                }
                wait.set_next(locker, tables, Holders::Waited)?;
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_secs(5));
            }
            Err(error) => {
                if !error.is_lost() {
                    locker.rollback()?;
                }
                return Err(error
                    .with_context("locking the tables on the source")
                    .into());
            }
        }
    };
    watch.doing("waiting until the target has come this far");
    let mut observer = Observer::new(subscription);
    while !target.value::<bool>(
        include_str!("../../sql/control/is_waited_for.sql"),
        &[],
        "whether the apply worker has come to the marker",
    )? {
        if watch.stop() {
            return Err(Error::Interrupted);
        }
        if started.elapsed() > limit {
            return Err(late(subscription, limit));
        }
        observer.look(&mut *observe.0, &mut *observe.1)?;
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(marks)
}

/// The source's half: with writers away, the view is taken and the marker written behind everything
/// that the view shows.
fn moment(
    locker: &mut Session,
    reader: &mut Session,
    tables: &[QualifiedName],
    why: Why<'_>,
) -> Result<Vec<TableMark>, ConnError> {
    locker.begin(Begin::ReadWrite)?;
    locker.batch(&lock_sql(tables, why))?;
    if let Why::Joining(members) = why {
        for member in members {
            locker.batch(&member.sql())?;
        }
    }
    reader.begin(Begin::Snapshot)?;
    reader.query("SELECT 1", &[])?;
    // Of this moment: a table that is altered while the target catches up is not as its rows were copied.
    let marks = marks_to_keep(locker, tables)?;
    marker::write(locker, MARKER)?;
    locker.commit()?;
    Ok(marks)
}

fn late(subscription: &str, limit: Duration) -> Error {
    Error::NotYet {
        side: Side::Target,
        what: format!(
            "subscription {subscription} has not come to the marker after {} s",
            limit.as_secs()
        ),
        hint:
            "pgl-status shows how far the target is behind, and why; --timeout gives it more time"
                .to_owned(),
    }
}

/// Waits until a marker that is written now has arrived; wakes a worker that has ended meanwhile.
///
/// # Errors
/// [`Error::NotYet`] when it does not arrive in time; a refusal with the cause where replication has
/// stopped and does not go on by itself.
pub fn settle(
    source: &mut Session,
    target: &mut Session,
    name: &str,
    limit: Duration,
    watch: &dyn Watch,
) -> Result<(), Error> {
    let token = marker::write(source, MARKER)?;
    let started = Instant::now();
    let mut kicked = Instant::now();
    let mut observer = Observer::new(name);
    while !marker::arrived(target, MARKER, &token)? {
        if watch.stop() {
            return Err(Error::Interrupted);
        }
        if started.elapsed() > limit {
            return Err(late(name, limit));
        }
        // A worker that stood for long was dropped by the source meanwhile, and ends; pglogical
        // takes up to minutes to start it again unless asked.
        if kicked.elapsed() > Duration::from_secs(6) {
            if worker(target, name)?.is_some_and(|now| now.worker.is_none() && now.enabled) {
                subscription::kick(target, name)?;
            }
            kicked = Instant::now();
        }
        observer.look(source, target)?;
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
