//! The slot on the source.

use super::{Cause, Seen};
use crate::status::measure::retained;
use crate::status::state::Word;
use crate::{Side, quote_literal};

/// The slot cannot be caught up once the WAL is gone.
const AGAIN: &str = "the changes in between cannot be had any more: pgl-setup --restart --yes drops the subscription and the slot, \
                     empties the target's tables and copies all rows again; where the subscription was made without pgl-setup: \
                     SELECT pglogical.drop_subscription('NAME') and TRUNCATE of its tables on the target, then subscribe again";

pub(super) fn look(seen: &Seen<'_>, found: &mut Vec<Cause>) {
    found.extend(origin(seen));
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
        found.extend(exhausted(seen));
        return;
    };
    if slot.is_lost() {
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
    let plugin = slot.plugin.as_deref();
    if let Some(plugin) = plugin.filter(|plugin| *plugin != "pglogical_output") {
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
    let database = slot.database.as_deref();
    if let Some(database) = database.filter(|database| *database != source.database) {
        found.push(
            Cause::new(
                "slot.other_database",
                Side::Source,
                format!("the slot {name} belongs to another database of the source"),
            )
            .object(name)
            .seen(format!(
                "pg_replication_slots.database = {database}, this program is connected to {}",
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
    found.extend(danger(seen));
}

/// The slot is about to be lost.
fn danger(seen: &Seen<'_>) -> Option<Cause> {
    let retained = retained(seen.samples)?;
    let near = retained.lost_in_seconds.is_some_and(|left| left < 3600.0);
    let unreserved = retained.wal_status.as_deref() == Some("unreserved");
    let lost_in = |seconds: f64| format!("at the present growth lost in {seconds:.0} s");
    (near || unreserved).then(|| {
        Cause::new(
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
        .sql("ALTER SYSTEM SET max_slot_wal_keep_size = -1; SELECT pg_reload_conf();")
        .seen_all(retained.lost_in_seconds.map(lost_in))
        .seen_all(
            retained
                .wal_status
                .map(|status| format!("wal_status = {status}")),
        )
    })
}

/// No slot yet, and none to be had.
fn exhausted(seen: &Seen<'_>) -> Option<Cause> {
    let close = seen.close.source.as_ref().filter(|_| seen.stopped())?;
    used_up(close.used_slots, close.max_slots).then(|| {
        Cause::new(
            "slot.exhausted",
            Side::Source,
            "all replication slots of the source are in use",
        )
        .seen(format!(
            "{} of max_replication_slots = {}",
            close.used_slots, close.max_slots
        ))
        .remedy(
            "drop slots that nobody uses, or raise max_replication_slots and restart the source",
        )
    })
}

/// Whether a limit is reached; one that could not be read is 0.
pub(super) fn used_up(used: u32, limit: u32) -> bool {
    limit > 0 && used >= limit
}

/// Without its origin the target does not know what it has applied.
fn origin(seen: &Seen<'_>) -> Option<Cause> {
    let (target, subscription) = seen.target.zip(seen.subscription)?;
    let synced = subscription.sync_status == Some('r');
    let name = &subscription.slot_name;
    (synced && target.origin_readable && target.origin.is_none()).then(|| {
        Cause::new(
            "origin.missing",
            Side::Target,
            format!("the subscription's replication origin {name} does not exist on the target"),
        )
        .object(name)
        .seen("pg_replication_origin has no such row")
        .remedy(format!(
            "the position up to which the target has applied is lost; {AGAIN}"
        ))
    })
}
