//! The slot on the source.

use super::{Cause, Seen};
use crate::status::measure::retained;
use crate::status::state::Word;
use crate::{Side, quote_literal};

/// The slot cannot be caught up once the WAL is gone.
const AGAIN: &str = "the changes in between cannot be had any more: drop the subscription, empty \
                     the target's tables and run pgl-setup again";

pub(super) fn look(seen: &Seen<'_>, found: &mut Vec<Cause>) {
    origin(seen, found);
    let (Some(source), Some(subscription)) = (seen.source, seen.subscription) else {
        return;
    };
    let name = &subscription.slot_name;
    let synced = matches!(subscription.sync_status, Some('r' | 'u' | 'y' | 'w' | 'c'));
    let Some(slot) = &source.slot else {
        if synced {
            found.push(
                Cause::new(
                    "slot.missing",
                    Side::Source,
                    format!("the replication slot {name} does not exist on the source"),
                )
                .object(name)
                .seen("pg_replication_slots has no such row")
                .remedy(AGAIN),
            );
        }
        exhausted(seen, found);
        return;
    };
    let lost = slot.wal_status.as_deref() == Some("lost") || slot.invalidation_reason.is_some();
    if lost {
        let why = slot
            .invalidation_reason
            .as_deref()
            .unwrap_or("wal_status is lost");
        found.push(
            Cause::new(
                "slot.lost",
                Side::Source,
                format!("the source has deleted WAL that the slot {name} needed"),
            )
            .object(name)
            .seen(format!("pg_replication_slots: {why}"))
            .remedy(format!(
                "{AGAIN}; raise max_slot_wal_keep_size before (and idle_replication_slot_timeout on 18)"
            )),
        );
        return;
    }
    if slot
        .plugin
        .as_deref()
        .is_some_and(|plugin| plugin != "pglogical_output")
    {
        let plugin = slot.plugin.as_deref().unwrap_or("");
        found.push(
            Cause::new(
                "slot.other_plugin",
                Side::Source,
                format!("the slot {name} belongs to the output plugin {plugin}"),
            )
            .object(name)
            .seen(format!("pg_replication_slots.plugin = {plugin}"))
            .remedy(AGAIN),
        );
    }
    if slot
        .database
        .as_deref()
        .is_some_and(|database| database != source.database)
    {
        found.push(
            Cause::new(
                "slot.other_database",
                Side::Source,
                format!("the slot {name} belongs to another database of the source"),
            )
            .object(name)
            .seen(format!(
                "pg_replication_slots.database = {}, this program is connected to {}",
                slot.database.as_deref().unwrap_or(""),
                source.database
            ))
            .remedy("compare --source with the subscription's provider DSN"),
        );
    }
    if slot.active && seen.word == Word::Down {
        let pid = slot
            .active_pid
            .map_or("?".to_owned(), |pid| pid.to_string());
        found.push(
            Cause::new(
                "slot.in_use",
                Side::Source,
                format!("another process uses the slot {name}, or the source has not noticed yet that an old connection is dead"),
            )
            .object(name)
            .likely()
            .may_pass()
            .seen(format!("active for PID {pid} while the target has no worker"))
            .remedy("end that process on the source if it is not wanted")
            .sql(format!(
                "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = {};",
                quote_literal(name)
            )),
        );
    }
    danger(seen, found);
}

/// The slot is about to be lost.
fn danger(seen: &Seen<'_>, found: &mut Vec<Cause>) {
    let Some(retained) = retained(seen.samples) else {
        return;
    };
    let near = retained.lost_in_seconds.is_some_and(|left| left < 3600.0);
    let unreserved = retained.wal_status.as_deref() == Some("unreserved");
    if near || unreserved {
        let mut cause = Cause::new(
            "slot.endangered",
            Side::Source,
            format!(
                "the slot {} is about to lose WAL that it needs",
                retained.slot
            ),
        )
        .object(&retained.slot)
        .warn()
        .remedy(
            "raise max_slot_wal_keep_size (takes effect with a reload), or get the target going",
        )
        .sql("ALTER SYSTEM SET max_slot_wal_keep_size = -1; SELECT pg_reload_conf();");
        if let Some(seconds) = retained.lost_in_seconds {
            cause = cause.seen(format!("at the present growth lost in {seconds:.0} s"));
        }
        if let Some(status) = retained.wal_status {
            cause = cause.seen(format!("wal_status = {status}"));
        }
        found.push(cause);
    }
}

/// No slot yet, and none to be had.
fn exhausted(seen: &Seen<'_>, found: &mut Vec<Cause>) {
    let Some(close) = seen.close.source.as_ref().filter(|_| seen.stopped()) else {
        return;
    };
    if close.max_slots > 0 && close.used_slots >= close.max_slots {
        found.push(
            Cause::new(
                "slot.exhausted",
                Side::Source,
                "all replication slots of the source are in use",
            )
            .seen(format!(
                "{} of max_replication_slots = {}",
                close.used_slots, close.max_slots
            ))
            .remedy("drop slots that nobody uses, or raise max_replication_slots and restart the source"),
        );
    }
}

/// Without its origin the target does not know what it has applied.
fn origin(seen: &Seen<'_>, found: &mut Vec<Cause>) {
    let (Some(target), Some(subscription)) = (seen.target, seen.subscription) else {
        return;
    };
    let synced = subscription.sync_status == Some('r');
    if synced && target.origin_readable && target.origin.is_none() {
        let name = &subscription.slot_name;
        found.push(
            Cause::new(
                "origin.missing",
                Side::Target,
                format!(
                    "the subscription's replication origin {name} does not exist on the target"
                ),
            )
            .object(name)
            .seen("pg_replication_origin has no such row")
            .remedy(format!(
                "the position up to which the target has applied is lost; {AGAIN}"
            )),
        );
    }
}
