//! Whether replication runs, and stopping it.

use std::time::{Duration, Instant};

use pgl_conn::{Error as ConnError, Session};
use pgl_core::control::{PausedAt, SlotHistory};
use pgl_core::journal::MARKS;
use pgl_core::rights;
use pgl_core::{Lsn, Side, quote_literal};
use serde::Deserialize;

use crate::journal::read;
use crate::{Error, Watch, copy, fingerprint};

/// A subscription at work.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WorkingSubscription {
    /// Whether it is enabled.
    pub enabled: bool,
    /// The slot that it reads.
    pub slot: String,
    /// Its apply worker.
    pub worker: Option<i32>,
    /// Processes that work for it, those that copy single tables included.
    pub processes: u64,
    /// How far it has applied; none where the role may not read that, see [`origin_rights`].
    #[serde(skip)]
    pub position: Option<Lsn>,
}

#[derive(Deserialize)]
struct Position {
    position: Lsn,
}

/// What the subscription does; none where it does not exist.
///
/// # Errors
/// The server's.
pub fn worker(
    target: &mut Session,
    subscription: &str,
) -> Result<Option<WorkingSubscription>, ConnError> {
    let found: Vec<WorkingSubscription> = pgl_catalog::rows(
        target,
        include_str!("../../sql/control/worker.sql"),
        &[&subscription],
    )?;
    let Some(mut worker) = found.into_iter().next() else {
        return Ok(None);
    };
    if !origin_rights(target)?
        .iter()
        .any(|name| name.starts_with("pg_show_"))
    {
        let found: Vec<Position> = pgl_catalog::rows(
            target,
            include_str!("../../sql/control/position.sql"),
            &[&worker.slot],
        )?;
        worker.position = found.first().map(|one| one.position);
    }
    Ok(Some(worker))
}

/// Functions that move and read the target's position, and that the role may not call.
///
/// # Errors
/// The server's.
pub fn origin_rights(target: &mut Session) -> Result<Vec<String>, ConnError> {
    pgl_catalog::server::lacking(target, &[rights::SKIP])
}

/// Where replication is while nothing is sent.
///
/// # Errors
/// The servers'.
pub fn paused_at(
    source: &mut Session,
    target: &mut Session,
    subscription: &str,
) -> Result<PausedAt, ConnError> {
    let Some(worker) = worker(target, subscription)? else {
        return Ok(PausedAt::default());
    };
    let confirmed: Vec<Position> = if source.version().at_least_num(90_600) {
        let sql = include_str!("../../sql/control/confirmed.sql");
        pgl_catalog::rows(source, sql, &[&worker.slot])?
    } else {
        Vec::new()
    };
    Ok(PausedAt {
        confirmed: confirmed.first().map(|one| one.position),
        applied: worker.position,
    })
}

/// What shows that the slot was created again since the copy.
///
/// # Errors
/// The servers'.
pub fn slot_history(
    source: &mut Session,
    target: &mut Session,
    migration: &str,
    slot: &str,
) -> Result<SlotHistory, ConnError> {
    let unread: Option<bool> = if source.version().at_least(14) {
        source.value_opt(
            include_str!("../../sql/control/slot_unread.sql"),
            &[&slot],
            "what the slot has decoded",
        )?
    } else {
        None
    };
    let kept = read(target, migration, &MARKS)?;
    let now = fingerprint::statistics(source)?.stats_reset;
    Ok(SlotHistory {
        unread: unread.unwrap_or(false),
        counted_since_copy: kept.is_some_and(|kept| kept.stats_reset == now),
        copied: copy::copied_at(target, migration)?,
    })
}

/// Whether somebody reads the slot; none where it does not exist.
///
/// # Errors
/// The server's.
pub fn slot_active(source: &mut Session, slot: &str) -> Result<Option<bool>, ConnError> {
    source.value_opt(
        include_str!("../../sql/control/slot_active.sql"),
        &[&slot],
        "whether the slot is read",
    )
}

/// The statement that disables a subscription.
pub fn disable_sql(subscription: &str) -> String {
    format!(
        "SELECT pglogical.alter_subscription_disable({})",
        quote_literal(subscription)
    )
}

/// The statement that enables it, and wakes pglogical.
pub fn enable_sql(subscription: &str) -> String {
    format!(
        "SELECT pglogical.alter_subscription_enable({})",
        quote_literal(subscription)
    )
}

/// Enables the subscription, together with a note.
///
/// # Errors
/// The server's.
pub fn enable(target: &mut Session, subscription: &str, note: &str) -> Result<(), ConnError> {
    write_note(target, &format!("{note}{};\n", enable_sql(subscription)))
}

/// Writes notes in a transaction of their own.
///
/// # Errors
/// The server's.
pub fn write_note(target: &mut Session, note: &str) -> Result<(), ConnError> {
    target.batch(&format!("BEGIN;\n{note}COMMIT;"))
}

/// Disables the subscription, together with a note.
///
/// # Errors
/// The server's.
pub fn disable(target: &mut Session, subscription: &str, note: &str) -> Result<(), ConnError> {
    write_note(target, &format!("{};\n{note}", disable_sql(subscription)))
}

/// Waits until no process works for a disabled subscription and nobody reads its slot. A worker
/// ends between two changes, so one that waits for a lock ends later.
///
/// # Errors
/// [`Error::NotYet`] when it does not end in time.
pub fn wait_stopped(
    source: &mut Session,
    target: &mut Session,
    subscription: &str,
    limit: Duration,
    watch: &dyn Watch,
) -> Result<(), Error> {
    let started = Instant::now();
    loop {
        let Some(now) = worker(target, subscription)? else {
            return Ok(());
        };
        let reading = slot_active(source, &now.slot)?.unwrap_or(false);
        if now.processes == 0 && !reading {
            return Ok(());
        }
        if watch.stop() {
            return Err(Error::Interrupted);
        }
        if started.elapsed() > limit {
            let (side, what) = if now.processes > 0 {
                (
                    Side::Target,
                    format!(
                        "{} processes of subscription {subscription} still work",
                        now.processes
                    ),
                )
            } else {
                (Side::Source, format!("slot {} is still read", now.slot))
            };
            return Err(Error::NotYet {
                side,
                what: format!("{what} after {} s", limit.as_secs()),
                hint:
                    "the subscription is disabled already: it stops when the worker comes to the \
                       end of what it waits for; run this again"
                        .to_owned(),
            });
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
