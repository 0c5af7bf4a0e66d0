//! Taking an attempt back: the old home takes writes as before.

use std::time::{Duration, Instant};

use pgl_apply::cutover::{begin, end_own, end_these, limit, open as open_gate, promoted_by};
use pgl_apply::{Error, lock};
use pgl_conn::Session;
use pgl_core::cutover::{Attempt, Direction, State};

use crate::ground::{Ground, open};

/// How long a server that is away is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a process that was told to end may take.
const GONE: Duration = Duration::from_secs(3);
/// Between two attempts to reach it.
const AGAIN: Duration = Duration::from_millis(100);

/// Opens the old home, after ending what is left of the processes `pids` there: one of them could close
/// it again. The caller knows that the new home was not released.
///
/// The new home stays shut. Clients that look for whichever server takes writes may have been refused
/// by the old home a moment ago, and ask the new one next: if it was open then, they would write there,
/// with keys that the old home hands out again.
///
/// # Errors
/// When the old home cannot be reached for a minute: it is still closed then.
pub(crate) fn restore(
    ground: &Ground,
    direction: Direction,
    attempt: &Attempt,
    mut left: Option<Session>,
    pids: &[i32],
) -> Result<(), Error> {
    let mut over = attempt.clone();
    over.state = State::Restored;
    let note = begin(&ground.name, &over);
    let endpoint = ground.old_home(direction);
    let until = Instant::now() + PATIENCE;
    loop {
        let outcome = match left.take() {
            Some(mut own) => calm(&mut own)
                .and_then(|()| open_gate(&mut own, &ground.name, &note))
                .map(drop)
                .map_err(Error::from),
            None => open(ground.tool, endpoint)
                .map_err(Error::from)
                .and_then(|mut fresh| {
                    end_left(&mut fresh, pids)?;
                    open_gate(&mut fresh, &ground.name, &note)?;
                    Ok(())
                }),
        };
        match outcome {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > until => {
                return Err(match error {
                    Error::Server(error) => error
                        .with_context("opening the database again")
                        .with_hint(
                            "pgl-cutover --abort does it as soon as the server can be reached",
                        )
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

/// Opens the old home in a session that works, and notes that it was.
///
/// # Errors
/// The server's: nothing is changed then.
pub(crate) fn open_again(
    session: &mut Session,
    name: &str,
    attempt: &Attempt,
) -> Result<(), pgl_conn::Error> {
    let mut over = attempt.clone();
    over.state = State::Restored;
    open_gate(session, name, &begin(name, &over)).map(drop)
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

/// What became of a release whose answer did not come.
pub(crate) enum Found {
    /// It was made; a session there that holds the operator's lock.
    Released(Box<Session>),
    /// It was not made, and will not be.
    Not,
    /// The new home cannot be reached.
    Nothing,
}

/// Asks the new home, after ending the process that was to commit the release: once that is gone, the
/// answer does not change any more.
pub(crate) fn find_out(ground: &Ground, direction: Direction, token: &str, pid: i32) -> Found {
    let until = Instant::now() + PATIENCE;
    loop {
        let asked = open(ground.tool, ground.new_home(direction))
            .map_err(Error::from)
            .and_then(|mut session| {
                end_left(&mut session, &[pid])?;
                lock::take(&mut session, &ground.name)?;
                let found = promoted_by(&mut session, &ground.name)?;
                Ok((session, found))
            });
        match asked {
            Ok((session, found)) if found.as_deref() == Some(token) => {
                return Found::Released(Box::new(session));
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

/// Makes sure that nobody works on this migration any more: sessions of a dead run may live on for a
/// moment, and one behind a broken network for hours.
///
/// # Errors
/// The refusal of [`lock::take`] after some seconds.
pub(crate) fn alone(session: &mut Session, name: &str) -> Result<(), Error> {
    let until = Instant::now() + Duration::from_secs(3);
    let mut ended = false;
    loop {
        match lock::take(session, name) {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > until => return Err(error),
            Err(Error::Refused { .. }) => {
                if !ended && Instant::now() + Duration::from_secs(2) > until {
                    end_own(session)?;
                    ended = true;
                }
                std::thread::sleep(AGAIN);
            }
            Err(other) => return Err(other),
        }
    }
}
