//! The schema's statements tried in an empty database of their own on the target's server, before anything else is changed: what a newer
//! server refuses is known then.

use std::collections::HashSet;

use pgl_conn::{Endpoint, Error as ConnError, Session};
use pgl_core::setup::archive::{SESSION, Work};
use pgl_core::setup::secrets::redacted;
use pgl_core::{quote_ident, quote_literal};

use crate::target::{Locale, create_sql};
use crate::unlogged::unlogged_statements;
use crate::{Error, ObjectFailure, Servers, Watch};

const PREFIX: &str = "pgl_trial_";
/// How long dropping it may take.
const DROP_MS: u32 = 20_000;

/// What a trial came to.
#[derive(Debug, Default)]
pub struct Trial {
    /// How many statements were accepted.
    pub accepted: usize,
    /// What the server refuses.
    pub refused: Vec<ObjectFailure>,
    /// What could not be tried, and why.
    pub untried: Vec<String>,
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
            let endpoint = servers.target.with_dbname(&name);
            let result = run(servers, endpoint, work, missing, watch);
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

/// Waits for every process of the server from 15 on, and not for ever: a later run drops what is left.
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

fn run(
    servers: &Servers,
    endpoint: Endpoint,
    work: &[Work],
    missing: &[&str],
    watch: &dyn Watch,
) -> Result<Trial, Error> {
    let servers = Servers {
        target: endpoint,
        ..servers.clone()
    };
    let mut session = servers.loader()?;
    let _cancel = watch.cancel_on_stop(session.cancel_handle());
    session.batch(SESSION)?;
    let mut trial = Trial::default();
    // What failed, and what needs it: only the first is counted.
    let mut gone: HashSet<u32> = HashSet::new();
    for item in work {
        let entry = &item.entry;
        watch.doing(&entry.label());
        if watch.stop() {
            return Err(Error::Interrupted);
        }
        if entry.depends.iter().any(|id| gone.contains(id)) {
            gone.insert(entry.id);
            continue;
        }
        let mut outcome = once(&mut session, item, &entry.sql);
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
                outcome = once(&mut session, item, sql);
            }
        }
        match outcome {
            Ok(()) => trial.accepted += 1,
            Err(_) if watch.stop() => return Err(Error::Interrupted),
            Err(error) if error.is_lost() => return Err(error.into()),
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

fn once(session: &mut Session, item: &Work, sql: &str) -> Result<(), ConnError> {
    if redacted(&item.entry.kind, sql).is_some() {
        unlogged_statements(session, |session| session.batch(sql))
    } else {
        session.batch(sql)
    }
}
