//! The other way to start at a slot's position, for roles that may not write pglogical's catalog or
//! make replication origins: pglogical's public functions only.
//!
//! The subscription is made first, on the one set that holds no tables, so that pglogical makes its
//! origin and writes its own state. It is disabled before its slot is replaced by ours under the same
//! name, and gets the other sets after the copy. The server moves a start before the slot's position
//! up to it.

use std::time::{Duration, Instant};

use pgl_conn::{DsnText, Session};
use pgl_core::Side;
use pgl_core::migration::Names;
use pgl_core::rights;

use crate::subscription;
use crate::unlogged::unlogged;
use crate::{Error, Watch};

/// The set that every node has and that holds no tables.
const EMPTY_SET: &str = "ddl_sql";
/// How long pglogical may take to start or to stop a worker.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the public way needs beside the order.
#[derive(Debug, Clone, Copy)]
pub struct Public<'a> {
    /// Names of the migration.
    pub names: &'a Names,
    /// The source, as the target's server reaches it.
    pub dsn: &'a DsnText,
}

/// Whether this role may write the state that the direct way writes.
///
/// # Errors
/// The server's.
pub fn may_write_catalog(target: &mut Session) -> Result<bool, pgl_conn::Error> {
    Ok(pgl_catalog::server::lacking(target, &[rights::ADD_TABLE])?.is_empty())
}

/// Makes the subscription if there is none, and sees it start once.
pub(super) fn begin(
    source: &mut Session,
    target: &mut Session,
    public: &Public<'_>,
    watch: &dyn Watch,
) -> Result<(), Error> {
    let name = &public.names.subscription;
    if subscription::find(target, name)?.is_none() {
        watch.doing("subscribing without tables, for pglogical to make its origin");
        let sql = subscription::create_sql(public.names, &[EMPTY_SET]);
        unlogged(target, |target| target.query(&sql, &[public.dsn]))
            .map_err(|error| error.with_context(format!("subscribing {name}")))?;
    }
    // A worker that never ran has not made its slot and origin.
    let found = subscription::find(target, name)?;
    if found.is_some_and(|found| found.sync.as_deref() != Some("r")) {
        subscription::wait_running(source, target, name, PATIENCE, watch)?;
    }
    Ok(())
}

/// Disables the subscription, if there is one, and waits until nobody reads its slot.
pub(super) fn pause(
    source: &mut Session,
    target: &mut Session,
    public: &Public<'_>,
    slot: &str,
    watch: &dyn Watch,
) -> Result<(), Error> {
    let name = &public.names.subscription;
    let Some(found) = subscription::find(target, name)? else {
        return Ok(());
    };
    if found.sets.iter().any(|set| set != EMPTY_SET) {
        return Err(Error::refused(
            Side::Target,
            format!("subscription {name} follows sets with tables already"),
            "it was not made by this tool, or is past its copy: run pgl-teardown to begin again",
        ));
    }
    if found.enabled {
        if found.sync.as_deref() != Some("r") {
            subscription::wait_running(source, target, name, PATIENCE, watch)?;
        }
        target.query(
            "SELECT pglogical.alter_subscription_disable($1::text::name, true)",
            &[name],
        )?;
    }
    let started = Instant::now();
    loop {
        let idle: bool = source.value(
            "SELECT NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1::text AND active)",
            &[&slot],
            "whether the slot is still read",
        )?;
        if idle {
            return Ok(());
        }
        if watch.stop() {
            return Err(Error::Interrupted);
        }
        if started.elapsed() > PATIENCE {
            return Err(Error::NotYet {
                side: Side::Source,
                what: format!("slot {slot} is still read although its subscription is disabled"),
                hint: "a worker of pglogical does not end: look at the target's processes"
                    .to_owned(),
            });
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Gives the subscription its tables and starts it.
///
/// # Errors
/// The server's.
pub fn finish(target: &mut Session, names: &Names) -> Result<(), pgl_conn::Error> {
    let name = &names.subscription;
    let found = subscription::find(target, name)?;
    let has = found.map(|found| found.sets).unwrap_or_default();
    for set in subscription::SETS {
        if !has.iter().any(|one| one == set) {
            target.query(
                "SELECT pglogical.alter_subscription_add_replication_set($1::text::name, $2::text::name)",
                &[name, &set],
            )?;
        }
    }
    subscription::kick(target, name)
}
