//! Rolling an attempt back: the database that it was to leave accepts writes as before.

use std::time::{Duration, Instant};

use pgl_apply::Error;
use pgl_apply::cutover::{disabled_triggers, end_these, limit, open as reset_read_only, undo};
use pgl_apply::journal::read;
use pgl_cli::stop_point;
use pgl_conn::Session;
use pgl_core::Side;
use pgl_core::cutover::{Attempt, Direction};
use pgl_core::journal::{PROMOTED, ROLLED_BACK_BY};

use crate::context::{CutoverContext, Lock, open};

/// How long a server that is away is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a process that was told to end may take.
const GONE: Duration = Duration::from_secs(3);
/// Between two attempts to reach it.
const AGAIN: Duration = Duration::from_millis(100);

/// What is said of the target then.
pub(crate) const STAYS_READ_ONLY: &str = "the target stays read-only until promotion, so that clients with target_session_attrs=read-write \
                          cannot connect to it early; to make it writable: pgl-cutover abort --open-target";

/// What there was to be rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RolledBack {
    /// The attempt: the database accepts writes again.
    Attempt,
    /// Nothing: the attempt was not even recorded.
    Nothing,
}

/// Unblocks the database that the attempt was to leave, after ending what is left of the processes `pids` there:
/// one of them could block it again. The caller knows that the other database was not promoted.
///
/// The other database stays read-only. Clients that look for whichever server accepts writes may have been refused
/// by the first one a moment ago, and ask the other one next: if it accepted writes then, they would write there,
/// with keys that the first one hands out again.
///
/// # Errors
/// [`Error::Overtaken`] or [`Error::Refused`] when another run has taken over: nothing is touched then. Otherwise when the database cannot
/// be reached for a minute: it is still blocked then.
pub(crate) fn restore(
    migration: &CutoverContext,
    lock: &mut Lock,
    direction: Direction,
    attempt: &Attempt,
    mut left: Option<Session>,
    pids: &[i32],
) -> Result<RolledBack, Error> {
    stop_point("unblock");
    let endpoint = migration.provider(direction);
    let until = Instant::now() + PATIENCE;
    // A commit whose answer was lost may have been made: this tells it from another run's.
    let me = format!("{} {:?}", std::process::id(), std::time::SystemTime::now());
    loop {
        let outcome = match left.take() {
            Some(mut own) => calm(&mut own)
                .map_err(Error::from)
                .and_then(|()| unblock(&mut own, &migration.name, attempt, &me)),
            None => {
                let again = || open(migration.tool, endpoint);
                match endpoint.side() {
                    Side::Source => lock.keep_source(again),
                    Side::Target => lock.keep_target(again),
                }
            }
            .and_then(|()| Ok(migration.open(endpoint)?))
            .and_then(|mut fresh| {
                end_left(&mut fresh, pids)?;
                unblock(&mut fresh, &migration.name, attempt, &me)
            }),
        };
        match outcome {
            Ok(()) => return Ok(RolledBack::Attempt),
            Err(error @ Error::Overtaken { .. }) => {
                return not_undone(migration, lock, direction, &me, error);
            }
            Err(Error::Refused { side, what, hint }) => {
                return Err(Error::Refused {
                    side,
                    what: format!("another run has taken over: {what}"),
                    hint,
                });
            }
            Err(error) if Instant::now() > until => {
                return Err(match error {
                    Error::Server(error) => error
                        .with_context("unblocking the database")
                        .with_hint("pgl-cutover abort does it as soon as the server can be reached")
                        .into(),
                    other => other,
                });
            }
            Err(error) => {
                log::warn!("{error}; trying again");
                std::thread::sleep(AGAIN);
            }
        }
    }
}

/// What it means that the database does not record the attempt as one that can be rolled back. It had not been recorded
/// when the journal is as it was when the lock was taken. Otherwise `me`, whose commit was not answered, or another run has
/// rolled it back.
fn not_undone(
    migration: &CutoverContext,
    lock: &mut Lock,
    direction: Direction,
    me: &str,
    refusal: Error,
) -> Result<RolledBack, Error> {
    let mut session = open(migration.tool, migration.provider(direction))?;
    if read(&mut session, &migration.name, &ROLLED_BACK_BY)?.as_deref() == Some(me) {
        return Ok(RolledBack::Attempt);
    }
    let now = pgl_catalog::cutover_record(&mut session, &migration.name)?;
    let state = lock.state();
    let before = match direction {
        Direction::Forward => &state.source,
        Direction::Back => &state.target,
    };
    match before {
        Some(before) if before.attempt == now.attempt => {
            still_held(migration, lock)?;
            Ok(RolledBack::Nothing)
        }
        Some(_) | None => Err(refusal),
    }
}

/// Refuses where this run has lost its lock although the servers can be reached. Sessions that were opened before this was
/// asked are ended by whoever takes the lock later.
///
/// # Errors
/// [`Error::Refused`] then; the lost connection's where a server cannot be reached.
pub(crate) fn still_held(migration: &CutoverContext, lock: &mut Lock) -> Result<(), Error> {
    let (source, target) = (lock.source.ping(), lock.target.ping());
    let lost = [source.err(), target.err()]
        .into_iter()
        .flatten()
        .find(pgl_conn::Error::is_lost);
    let Some(lost) = lost else {
        return Ok(());
    };
    if [&migration.source, &migration.target]
        .into_iter()
        .any(|endpoint| open(migration.tool, endpoint).is_err())
    {
        return Err(lost.into());
    }
    Err(Error::refused(
        lost.side,
        format!(
            "this run has lost the lock of the migration: another run has taken over, or the server has ended its \
             sessions ({lost}); it has touched nothing since"
        ),
        "pgl-cutover --dry-run reports what holds now",
    ))
}

/// Unblocks the database and records that the attempt was rolled back, in one transaction.
///
/// # Errors
/// [`Error::Overtaken`] when the database records another attempt by now; the server's. Nothing is changed then.
pub(crate) fn unblock(
    session: &mut Session,
    name: &str,
    attempt: &Attempt,
    by: &str,
) -> Result<(), Error> {
    let mut with = undo(name, attempt, by);
    if attempt.direction == Direction::Back || attempt.reverse {
        // Disabled just before the promotion that did not happen.
        for enable in disabled_triggers(session, name, None)? {
            with.push_str(&format!("{enable};\n"));
        }
    }
    reset_read_only(session, name, &with)?;
    Ok(())
}

/// Leaves whatever transaction the session is in, and its time limit.
fn calm(session: &mut Session) -> Result<(), pgl_conn::Error> {
    session.rollback()?;
    limit(session, None)
}

/// Ends processes of an attempt that was left, and waits until they are gone.
///
/// # Errors
/// [`Error::NotYet`] when one does not go.
pub(crate) fn end_left(session: &mut Session, pids: &[i32]) -> Result<(), Error> {
    let until = Instant::now() + GONE;
    while end_these(session, pids)? > 0 {
        if Instant::now() > until {
            return Err(Error::NotYet {
                side: session.side(),
                what: "a session of this attempt does not end".to_owned(),
                hint: "pg_stat_activity shows what it waits for".to_owned(),
            });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// What became of a promotion whose answer did not come.
pub(crate) enum Found {
    /// It was made; a session there.
    PromotionOutcome(Box<Session>),
    /// It was not made, and will not be.
    Not,
    /// The server cannot be reached.
    Nothing,
}

/// Asks the database that was to be promoted, after ending the process that was to commit that: once it is gone,
/// the answer does not change any more.
pub(crate) fn find_out(
    migration: &CutoverContext,
    direction: Direction,
    token: &str,
    pid: i32,
) -> Found {
    let until = Instant::now() + PATIENCE;
    loop {
        let asked = migration
            .open(migration.subscriber(direction))
            .map_err(Error::from)
            .and_then(|mut session| {
                end_left(&mut session, &[pid])?;
                let found = read(&mut session, &migration.name, &PROMOTED)?;
                Ok((session, found))
            });
        match asked {
            Ok((session, found)) if found.as_ref().is_some_and(|it| it.token == token) => {
                return Found::PromotionOutcome(Box::new(session));
            }
            Ok(_) => return Found::Not,
            Err(_) if Instant::now() > until => return Found::Nothing,
            Err(error) => {
                log::warn!("{error}; asking again");
                std::thread::sleep(AGAIN);
            }
        }
    }
}
