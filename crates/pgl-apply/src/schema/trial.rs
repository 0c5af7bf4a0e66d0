//! The schema's statements tried on the target's server before anything else is changed: what a newer server refuses is known
//! then. In an empty database of their own, or in a transaction on the target's.

use std::collections::HashSet;

use pgl_catalog::setup::half_of_the_locks_are_taken;
use pgl_conn::{Error as ConnError, Session};
use pgl_core::setup::archive::{SESSION, Work};
use pgl_core::setup::secrets::redacted;
use pgl_core::{ServerVersion, quote_ident, quote_literal};

use crate::sequences::OUT_OF_LOCKS;
use crate::target::{Locale, create_sql};
use crate::unlogged::unlogged_statements;
use crate::{Error, ObjectFailure, Servers, Watch};

const PREFIX: &str = "pgl_trial_";
/// How long dropping it may take.
const DROP_MS: u32 = 20_000;

/// What a trial came to.
#[derive(Debug, Default)]
pub struct Trial {
    /// How many statements there are.
    pub all: usize,
    /// How many were accepted.
    pub accepted: usize,
    /// Whether it ended early, because a transaction would hold too many locks.
    pub cut_short: bool,
    /// What the server refuses.
    pub refused: Vec<ObjectFailure>,
    /// What could not be tried, and why.
    pub untried: Vec<String>,
}

/// Whether DROP DATABASE may wait for ever on this server. From 15 on it waits until every process of the server has answered,
/// and pglogical's do not while they have nothing to do; measured on 15 to 17, not on 18.
pub fn drop_may_wait(target: ServerVersion) -> bool {
    target.at_least(15) && !target.at_least(18)
}

impl Trial {
    fn cut_short(&mut self, work: &[Work], tried: usize) {
        let label = work.get(tried).map(|item| item.entry.label());
        self.untried.push(format!(
            "{} of {} statements, from {} on: in one transaction they would take too many of the locks that the server has room \
             for (max_locks_per_transaction)",
            work.len() - tried,
            work.len(),
            label.unwrap_or_default()
        ));
        self.cut_short = true;
    }
}

/// Runs every statement in a database that is made for it and dropped after it. `missing` are roles that do not exist
/// yet, so that what names them is not refused for that. `Ok(Err(_))` says why there was no trial.
///
/// # Errors
/// The server's, where it is no statement's; [`Error::Interrupted`].
pub fn trial(
    servers: &Servers,
    maintenance: &mut Session,
    locale: &Locale,
    work: &[Work],
    missing: &[&str],
    watch: &dyn Watch,
) -> Result<Result<Trial, String>, Error> {
    drop_left(maintenance)?;
    let name = format!("{PREFIX}{}", maintenance.backend_pid());
    // Held as long as this run lives: the next one drops what has no such lock.
    maintenance.batch(&format!(
        "SELECT pg_catalog.pg_advisory_lock({})",
        key(&name)
    ))?;
    let created = maintenance.batch(&create_sql(&name, locale, maintenance.version()));
    let result = match created {
        Ok(()) => {
            let servers = Servers {
                target: servers.target.with_dbname(&name),
                ..servers.clone()
            };
            let result = run(&servers, Scope::Database, work, missing, watch);
            drop_database(maintenance, &name)?;
            result.map(Ok)
        }
        Err(error) if error.is_lost() => Err(error.into()),
        Err(error) => Ok(Err(error.message.clone())),
    };
    maintenance.batch(&format!(
        "SELECT pg_catalog.pg_advisory_unlock({})",
        key(&name)
    ))?;
    result
}

fn key(name: &str) -> String {
    format!("pg_catalog.hashtext({})", quote_literal(name))
}

/// May wait for other sessions, and not for ever: a later run drops what is left.
fn drop_database(maintenance: &mut Session, name: &str) -> Result<(), ConnError> {
    maintenance.batch(&format!("SET statement_timeout = {DROP_MS}"))?;
    let dropped = maintenance.batch(&format!("DROP DATABASE {}", quote_ident(name)));
    match dropped {
        Err(error) if error.is_lost() => return Err(error),
        Err(error) => log::warn!(
            "target: database {name} is left, the next run drops it: {}",
            error.message
        ),
        Ok(()) => {}
    }
    maintenance.batch("SET statement_timeout = 0")
}

/// Drops what killed runs of this role have left.
fn drop_left(maintenance: &mut Session) -> Result<(), Error> {
    for name in pgl_catalog::setup::trials(maintenance)? {
        let over: bool = maintenance.value(
            &format!("SELECT pg_catalog.pg_try_advisory_lock({})", key(&name)),
            &[],
            "whether a trial goes on",
        )?;
        if over {
            drop_database(maintenance, &name)?;
            maintenance.batch(&format!(
                "SELECT pg_catalog.pg_advisory_unlock({})",
                key(&name)
            ))?;
        }
    }
    Ok(())
}

/// Runs every statement in one transaction on the target's database, which is rolled back.
///
/// # Errors
/// The server's, where it is no statement's; [`Error::Interrupted`].
pub fn trial_in_transaction(
    servers: &Servers,
    work: &[Work],
    missing: &[&str],
    watch: &dyn Watch,
) -> Result<Trial, Error> {
    run(servers, Scope::Transaction, work, missing, watch)
}

/// What a trial is undone with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Database,
    Transaction,
}

impl Scope {
    fn statement(self, session: &mut Session, sql: &str) -> Result<(), ConnError> {
        if self == Self::Database {
            return session.batch(sql);
        }
        // By itself: of a string that is not SQL nothing is run.
        session.batch("SAVEPOINT pgl_trial")?;
        let outcome = session.batch(&format!("{sql}\n;RELEASE SAVEPOINT pgl_trial"));
        if outcome.as_ref().is_err_and(|error| !error.is_lost()) {
            session.batch("ROLLBACK TO SAVEPOINT pgl_trial")?;
        }
        outcome
    }
}

/// How many statements are run between two looks at the locks.
const STATEMENTS_PER_LOOK: usize = 50;

fn run(
    servers: &Servers,
    scope: Scope,
    work: &[Work],
    missing: &[&str],
    watch: &dyn Watch,
) -> Result<Trial, Error> {
    let mut session = servers.loader()?;
    let _cancel = watch.cancel_on_stop(session.cancel_handle());
    session.batch(SESSION)?;
    let all = |session: &mut Session| {
        if scope == Scope::Database {
            return statements(session, scope, work, missing, watch);
        }
        session.batch("BEGIN")?;
        let trial = statements(session, scope, work, missing, watch)?;
        session.batch("ROLLBACK")?;
        Ok(trial)
    };
    let is_secret = |item: &Work| redacted(&item.entry.kind, &item.entry.sql).is_some();
    if work.iter().any(is_secret) {
        unlogged_statements(&mut session, all)
    } else {
        all(&mut session)
    }
}

fn statements(
    session: &mut Session,
    scope: Scope,
    work: &[Work],
    missing: &[&str],
    watch: &dyn Watch,
) -> Result<Trial, Error> {
    let mut trial = Trial {
        all: work.len(),
        ..Trial::default()
    };
    // What failed, and what needs it: only the first is counted.
    let mut gone: HashSet<u32> = HashSet::new();
    // Up to here the statements were accepted together.
    let mut accepted = 0;
    for (tried, item) in work.iter().enumerate() {
        if tried < accepted {
            continue;
        }
        let entry = &item.entry;
        let needs_gone = |item: &Work| (item.entry.depends.iter()).any(|id| gone.contains(id));
        watch.doing(&entry.label());
        if watch.stop() {
            return Err(Error::Interrupted);
        }
        if scope == Scope::Transaction
            && tried % STATEMENTS_PER_LOOK == STATEMENTS_PER_LOOK - 1
            && half_of_the_locks_are_taken(session)?
        {
            trial.cut_short(work, tried);
            break;
        }
        if tried % STATEMENTS_PER_LOOK == 0 {
            let some = &work[tried..work.len().min(tried + STATEMENTS_PER_LOOK - 1)];
            let sql: Vec<&str> = some.iter().map(|item| item.entry.sql.as_str()).collect();
            if !some.iter().any(needs_gone) && scope.statement(session, &sql.join("\n;\n")).is_ok()
            {
                trial.accepted += some.len();
                accepted = tried + some.len();
                continue;
            }
        }
        if needs_gone(item) {
            gone.insert(entry.id);
            continue;
        }
        let mut outcome = scope.statement(session, &entry.sql);
        let names_missing = |error: &ConnError| {
            error.is_sqlstate("42704")
                && missing
                    .iter()
                    .any(|role| error.message.contains(&format!("\"{role}\"")))
        };
        let mut without_role = false;
        if outcome.as_ref().err().is_some_and(names_missing) {
            let unowned = entry.owner.as_deref();
            let unowned = unowned.and_then(|owner| entry.sql.strip_suffix(owner));
            without_role = unowned.is_none();
            if let Some(sql) = unowned {
                outcome = scope.statement(session, sql);
            }
        }
        match outcome {
            Ok(()) => trial.accepted += 1,
            Err(_) if watch.stop() => return Err(Error::Interrupted),
            Err(error) if error.is_lost() => return Err(error.into()),
            Err(error) if scope == Scope::Transaction && error.is_sqlstate(OUT_OF_LOCKS) => {
                trial.cut_short(work, tried);
                break;
            }
            Err(error) => {
                gone.insert(entry.id);
                if without_role {
                    continue;
                }
                if entry.kind == "EXTENSION" {
                    // It may be for one database of the server only, or be installed by somebody with more rights.
                    trial
                        .untried
                        .push(format!("{}: {}", entry.label(), error.message));
                } else {
                    trial
                        .refused
                        .push(ObjectFailure::new(entry.label(), &error));
                }
            }
        }
    }
    Ok(trial)
}
