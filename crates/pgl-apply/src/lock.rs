//! The lock of a migration, and its state, which is read under it.
//!
//! Two advisory locks in each database. A run holds the first one exclusively, in a session that does nothing
//! else: that session lives as long as the run is connected, so whoever holds it is alive as far as the server
//! can know. Every other session of a run that writes shares the second one: when the first lock is free, such
//! sessions belong to a run that has lost it, and are ended before anything is decided.
//!
//! The server gives both back when the session ends, however it ends.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use pgl_catalog::{LOCK_RUN, LOCK_SESSIONS, lock_holders};
use pgl_conn::{Error as ConnError, Session};
use pgl_core::cutover::{CutoverRecord, CutoverState, Direction, LastAttempt, Purpose};
use pgl_core::cutover::{cutover_state, last_attempt, refusal};
use pgl_core::journal::PLAN;
use pgl_core::migration::lock_key;
use pgl_core::status::facts::RunHolder;
use pgl_core::{Plan, Side, plural};

use crate::Error;
use crate::journal::{exists, read};
use crate::subscription::{self, Subscription};

/// How long a run that has just been killed may take to disappear.
const DISAPPEARS: Duration = Duration::from_secs(2);
/// How long a session that was ended may take.
const ENDS: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// A session that a tool has, or may have.
pub trait LockSessions {
    /// The session, where there is one.
    fn held(&mut self) -> Option<&mut Session>;
}

impl LockSessions for Session {
    fn held(&mut self) -> Option<&mut Session> {
        Some(self)
    }
}

impl LockSessions for Option<Session> {
    fn held(&mut self) -> Option<&mut Session> {
        self.as_mut()
    }
}

/// What a migration is, read from its databases.
#[derive(Debug, Clone, Default)]
pub struct MigrationState {
    /// The plan that the target keeps.
    pub plan: Option<Plan>,
    /// Whether one of the databases has a journal.
    pub begun: bool,
    /// Migrations of other names that a journal has; read only where this one has no subscription.
    pub others: Vec<String>,
    /// What the source records about cutovers; null where it was not read.
    pub source: Option<CutoverRecord>,
    /// What the target records about cutovers; null where it was not read.
    pub target: Option<CutoverRecord>,
    /// The plan's subscription.
    pub subscription: Option<Subscription>,
}

impl MigrationState {
    /// Reads it without the lock: for what only reports or prints. It may be out of date at once.
    ///
    /// # Errors
    /// The servers'; also when another version of these tools wrote what is there.
    pub fn observe(
        name: &str,
        source: &mut impl LockSessions,
        target: &mut impl LockSessions,
    ) -> Result<Self, ConnError> {
        let mut state = Self::default();
        if let Some(source) = source.held() {
            state.begun |= exists(source)?;
            state.source = Some(pgl_catalog::cutover_record(source, name)?);
        }
        if let Some(target) = target.held() {
            state.begun |= exists(target)?;
            state.target = Some(pgl_catalog::cutover_record(target, name)?);
            state.plan = read(target, name, &PLAN)?;
            if let Some(plan) = &state.plan {
                state.subscription = subscription::find(target, &plan.names.subscription)?;
            }
        }
        if state.subscription.is_none() {
            let mut names = BTreeSet::new();
            for session in [source.held(), target.held()].into_iter().flatten() {
                names.extend(pgl_catalog::journal::migrations(session)?);
            }
            names.remove(name);
            state.others = names.into_iter().collect();
        }
        Ok(state)
    }

    /// Which database is the production database.
    pub fn cutover(&self) -> CutoverState {
        cutover_state(self.source.as_ref(), self.target.as_ref())
    }

    /// What the last attempt in a direction has come to.
    pub fn last_attempt(&self, direction: Direction) -> LastAttempt {
        let (left, promoted) = match direction {
            Direction::Forward => (&self.source, &self.target),
            Direction::Back => (&self.target, &self.source),
        };
        let token = promoted
            .as_ref()
            .and_then(|record| record.promotion.as_ref());
        last_attempt(
            left.as_ref().and_then(|record| record.attempt.clone()),
            token.map(|promotion| promotion.token.as_str()),
        )
    }

    /// The refusal where the databases have a migration of another name.
    pub fn another_exists(&self) -> Error {
        let names: Vec<&str> = self.others.iter().map(String::as_str).collect();
        let word = shell_word(names.first().copied().unwrap_or_default());
        Error::refused(
            Side::Source,
            format!(
                "these databases have a migration named {}, and a database can be in one only",
                names.join(", ")
            ),
            format!("to continue it: --name {word}; to remove it: pgl-teardown --name {word}"),
        )
    }

    /// The refusal where the target lacks what pgl-setup makes there for a migration of this name.
    pub fn lacks(&self, name: &str, what: &str) -> Error {
        let hint = match self.others.first() {
            Some(other) => format!(
                "there is migration {}: give --name {}",
                self.others.join(", "),
                shell_word(other)
            ),
            None => "run pgl-setup first; --name is the name that was given to it, by default the source's database".to_owned(),
        };
        let what = format!("the target has no {what} of a migration named {name:?}");
        Error::refused(Side::Target, what, hint)
    }

    /// Refuses what must not be done in this state.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn allows(&self, purpose: Purpose) -> Result<(), Error> {
        let state = self.cutover();
        let side = match &state {
            CutoverState::Other(mismatch) => mismatch.given,
            _ => Side::Target,
        };
        match refusal(&state, purpose) {
            Some(refusal) => Err(Error::refused(side, refusal.what, refusal.hint)),
            None => Ok(()),
        }
    }
}

/// A migration whose lock is held, as long as this lives. Its state is what was read since then.
#[derive(Debug)]
pub struct LockedMigration<S = Session, T = Session> {
    /// Session on the source that holds the lock.
    pub source: S,
    /// Session on the target that holds the lock.
    pub target: T,
    name: String,
    state: MigrationState,
}

impl<S: LockSessions, T: LockSessions> LockedMigration<S, T> {
    /// The state as of the lock, or the last [`Self::read_again`].
    pub fn state(&self) -> &MigrationState {
        &self.state
    }

    /// Reads the state again, after a change of our own.
    ///
    /// # Errors
    /// The servers'.
    pub fn read_again(&mut self) -> Result<(), ConnError> {
        self.state = MigrationState::observe(&self.name, &mut self.source, &mut self.target)?;
        Ok(())
    }

    /// The sessions, which go on holding the lock, and the state.
    pub fn into_parts(self) -> (S, T, MigrationState) {
        (self.source, self.target, self.state)
    }
}

impl<T: LockSessions> LockedMigration<Session, T> {
    /// The same for a session that was lost: takes the lock again in a session that `open` makes.
    ///
    /// # Errors
    /// As [`acquire`]; whatever `open` says.
    pub fn keep_source(
        &mut self,
        open: impl FnOnce() -> Result<Session, ConnError>,
    ) -> Result<(), Error> {
        keep(&mut self.source, &self.name, open)
    }
}

impl<S: LockSessions> LockedMigration<S, Session> {
    /// As [`Self::keep_source`], on the target.
    ///
    /// # Errors
    /// Likewise.
    pub fn keep_target(
        &mut self,
        open: impl FnOnce() -> Result<Session, ConnError>,
    ) -> Result<(), Error> {
        keep(&mut self.target, &self.name, open)
    }
}

fn keep(
    held: &mut Session,
    name: &str,
    open: impl FnOnce() -> Result<Session, ConnError>,
) -> Result<(), Error> {
    if held.is_closed() {
        let mut fresh = open()?;
        hold(&mut [&mut fresh], name)?;
        *held = fresh;
    }
    Ok(())
}

/// Takes the lock of a migration in every database that there is a session for, ends what is left of
/// runs that have lost it, and reads the state.
///
/// # Errors
/// [`Error::Refused`], with the holders, when a run that is alive holds it; [`Error::NotYet`] when a session that
/// was ended stays.
pub fn acquire<S: LockSessions, T: LockSessions>(
    name: &str,
    mut source: S,
    mut target: T,
) -> Result<LockedMigration<S, T>, Error> {
    let mut sessions: Vec<&mut Session> = Vec::new();
    sessions.extend(source.held());
    sessions.extend(target.held());
    hold(&mut sessions, name)?;
    let state = MigrationState::observe(name, &mut source, &mut target)?;
    Ok(LockedMigration {
        source,
        target,
        name: name.to_owned(),
        state,
    })
}

/// Takes the lock in these sessions, one after the other, so that of two runs one gets all; for a tool that reads
/// everything by itself afterwards.
///
/// # Errors
/// As [`acquire`].
pub fn hold(sessions: &mut [&mut Session], name: &str) -> Result<(), Error> {
    let until = Instant::now() + DISAPPEARS;
    let mut got = 0;
    while let Some(session) = sessions.get_mut(got) {
        let taken: bool = session.value(
            "SELECT pg_try_advisory_lock($1, $2)",
            &[&LOCK_RUN, &lock_key(name)],
            "whether the migration is locked",
        )?;
        if taken {
            got += 1;
        } else if Instant::now() > until {
            let mut holders = Vec::new();
            for session in sessions.iter_mut() {
                holders.extend(lock_holders(session, name)?);
            }
            return Err(busy(name, &holders));
        } else {
            std::thread::sleep(LOOK);
        }
    }
    for session in sessions {
        end(session, LOCK_SESSIONS, name, None)?;
    }
    Ok(())
}

/// A name as an argument of a command in a shell.
pub fn shell_word(name: &str) -> String {
    if name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "._".contains(c))
    {
        return name.to_owned();
    }
    format!("'{}'", name.replace('\'', "'\\''"))
}

fn busy(name: &str, holders: &[RunHolder]) -> Error {
    let who: Vec<String> = holders.iter().map(ToString::to_string).collect();
    Error::Refused {
        side: holders.first().map(|holder| holder.side),
        what: format!(
            "another run holds the lock of migration {name:?}: {}",
            match who.as_slice() {
                [] => "it has just ended".to_owned(),
                _ => who.join(", "),
            }
        ),
        hint: busy_hint(name, holders),
    }
}

fn busy_hint(name: &str, holders: &[RunHolder]) -> String {
    match holders.first().map(|holder| holder.tool.as_str()) {
        None => "run this again".to_owned(),
        Some("pgl-cutover") => {
            let pids: Vec<String> = holders
                .iter()
                .map(|holder| format!(" --terminate {}", holder.pid))
                .collect();
            format!(
                "wait until it ends; if nobody is at it any more, pgl-cutover abort --yes --name {}{} ends it and rolls back",
                shell_word(name),
                pids.concat()
            )
        }
        Some(_) => {
            let each: Vec<String> = holders
                .iter()
                .map(|one| {
                    format!(
                        "on the {}: SELECT pg_terminate_backend({})",
                        one.side, one.pid
                    )
                })
                .collect();
            format!(
                "wait until it ends; if nobody is at it any more, end it: {}",
                each.join("; ")
            )
        }
    }
}

/// Lets a session of a run share the lock that tells them from others: it is ended by the next run, should
/// this one lose its lock.
///
/// # Errors
/// The server's.
pub fn join(session: &mut Session, name: &str) -> Result<(), ConnError> {
    session
        .query(
            "SELECT pg_advisory_lock_shared($1, $2)",
            &[&LOCK_SESSIONS, &lock_key(name)],
        )
        .map(drop)
}

/// Ends the run whose sessions with these process ids hold the lock.
///
/// # Errors
/// [`Error::Refused`], before a session is ended, for a process that does not hold it on either side, and where another one
/// would still hold it; [`Error::NotYet`] when it stays.
pub fn terminate(sessions: &mut [&mut Session], name: &str, pids: &[i32]) -> Result<(), Error> {
    let mut holders = Vec::new();
    for session in sessions.iter_mut() {
        holders.extend(lock_holders(session, name)?);
    }
    if let Some(other) = pids
        .iter()
        .find(|pid| holders.iter().all(|holder| holder.pid != **pid))
    {
        return Err(Error::Refused {
            side: None,
            what: format!("process {other} does not hold the lock of migration {name:?}"),
            hint: "without --terminate the processes that hold it are reported".to_owned(),
        });
    }
    if let Some(other) = holders.iter().find(|holder| !pids.contains(&holder.pid)) {
        return Err(Error::Refused {
            side: Some(other.side),
            what: format!(
                "{other} holds the lock of migration {name:?}, too: no session was ended"
            ),
            hint: busy_hint(name, &holders),
        });
    }
    for session in sessions.iter_mut() {
        end(session, LOCK_RUN, name, Some(pids))?;
    }
    Ok(())
}

/// Ends sessions that hold one of the two locks and waits until they are gone.
fn end(session: &mut Session, class: i32, name: &str, pids: Option<&[i32]>) -> Result<(), Error> {
    let until = Instant::now() + ENDS;
    let keys = (i64::from(class), i64::from(lock_key(name).cast_unsigned()));
    loop {
        let there = session
            .count(
                include_str!("../sql/lock_end.sql"),
                &[&keys.0, &keys.1, &pids],
                "how many sessions are still there",
            )
            .map_err(|error| {
                error.with_context("ending sessions that an earlier run of this migration has left")
            })?;
        if there == 0 {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(Error::NotYet {
                side: session.side(),
                what: format!("not ended: {} of an earlier run", plural(there, "session")),
                hint: "pg_stat_activity shows what they wait for".to_owned(),
            });
        }
        std::thread::sleep(LOOK);
    }
}
