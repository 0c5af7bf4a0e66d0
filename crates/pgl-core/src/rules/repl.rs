//! Replication that exists already: leftovers, clashes, and others who read from the source.

use super::common::{bytes, float, some_of};
use super::{Emit, Ran, Rule, each, facts, source, target};
use crate::Side::{self, Source, Target};
use crate::facts::server::{ServerState, Slot};
use crate::facts::{Facts, NotRun};
use crate::name::show_ident;
use crate::{Severity, plural, quote_ident, quote_literal};

pub(super) const CHECKS: &[Rule] = &[
    each("repl.pglogical_leftovers", pglogical_leftovers),
    facts("repl.slot_name_clash", |facts, emit| {
        facts.target()?;
        let own = &facts.link.slot_names.get()?.forward;
        if facts.under_way() {
            return Ok(());
        }
        let slots = facts.source.server.slots.get()?.iter();
        for slot in slots.filter(|slot| slot.name == *own) {
            let (name, kind) = (&slot.name, kind(slot));
            let state = if slot.active { "active" } else { "inactive" };
            let what = format!(
                "slot {name} exists already ({kind}, {state}), and the target has no subscription of that name"
            );
            let sql = (!slot.active).then(|| drop_slot(slot));
            emit.find(Source, what).object(name).sql(sql);
        }
        Ok(())
    }),
    each("repl.inactive_slots", |side, server, emit| {
        let slots = server.slots.get()?.iter();
        // A lost slot has a finding of its own.
        for slot in slots.filter(|slot| !slot.active && !slot.temporary && !is_lost(slot)) {
            let (name, retained) = (&slot.name, retained(slot));
            if !is_own(emit.facts, side, slot) {
                let what = format!(
                    "slot {name} ({}) is inactive; it retains {retained}",
                    kind(slot)
                );
                let draft = emit.find(side, what).object(name);
                draft.remedy(owner(slot)).sql(drop_slot(slot));
            } else if emit.facts.under_way() {
                // Without its subscription it has a finding of its own.
                let what =
                    format!("this migration's slot {name} is inactive; it retains {retained}");
                let draft = emit.find(side, what).object(name);
                draft
                    .severity(Severity::Info)
                    .remedy("pgl-status prints why; pgl-control resume ends a pause.");
            }
        }
        Ok(())
    }),
    each("repl.lost_slots", |side, server, emit| {
        for slot in server.slots.get()?.iter().filter(|slot| is_lost(slot)) {
            let (name, kind) = (&slot.name, kind(slot));
            let reason = slot.invalidation_reason.as_deref().unwrap_or("WAL removed");
            let own = is_own(emit.facts, side, slot) && emit.facts.under_way();
            let draft = emit.find(side, format!("slot {name} ({kind}) is lost: {reason}"));
            let draft = draft.object(name);
            if own {
                draft.remedy("It is this migration's slot: the copy has to begin again, with pgl-teardown and pgl-setup.");
            } else {
                draft.remedy(owner(slot)).sql(drop_slot(slot));
            }
        }
        Ok(())
    }),
    target("repl.origins_orphans", |server, emit| {
        let pglogical = server.pglogical.get()?.iter();
        let mut pglogical = pglogical.flat_map(|found| &found.subscriptions);
        let mut native = server.subscriptions.get()?.iter();
        let own = &emit.facts.link.slot_names.get()?.forward;
        let used = pglogical.any(|found| found.slot == *own)
            || native.any(|found| format!("pg_{}", found.oid) == *own);
        // Origins belong to the cluster; of another database's nothing is known here.
        if server
            .origins
            .get()?
            .iter()
            .any(|origin| origin.name == *own)
            && !used
        {
            let what = format!("replication origin {own} exists, its subscription does not");
            let literal = quote_literal(own);
            let sql = format!("SELECT pg_replication_origin_drop({literal});");
            emit.find(Target, what).object(own).sql(sql);
        }
        Ok(())
    }),
    source("repl.other_consumers", |server, emit| {
        let database = Some(&server.identity.get()?.database);
        for slot in server.slots.get()? {
            let (name, plugin) = (&slot.name, slot.plugin.as_deref());
            if let Some(plugin) = plugin
                && slot.active
                && slot.database.as_ref() == database
                && !is_pglogical(slot)
            {
                let what = format!("slot {name} is read from with plugin {plugin}");
                emit.find(Source, what).object(name);
            }
        }
        Ok(())
    }),
    source("repl.publications", |server, emit| {
        let (all, others): (Vec<_>, Vec<_>) = server
            .publications
            .get()?
            .iter()
            .partition(|one| one.all_tables);
        for publication in all {
            let name = show_ident(&publication.name);
            emit.find(Source, format!("publication {name} is FOR ALL TABLES"))
                .object(name);
        }
        let others: Vec<String> = others.iter().map(|one| show_ident(&one.name)).collect();
        if !others.is_empty() {
            let count = plural(others.len() as u64, "publication");
            emit.find(Source, format!("{count}: {}", some_of(&others)))
                .object(others.join(", "))
                .severity(Severity::Info)
                .why("Publications are part of the schema dump, their subscribers' slots are not.")
                .remedy("Move the subscribers to the new server at the cutover.");
        }
        Ok(())
    }),
    source("repl.cascading_origin", |server, emit| {
        for found in server.subscriptions.get()? {
            let (name, disabled) = (show_ident(&found.name), disabled(found.enabled));
            let quoted = quote_ident(&found.name);
            let what = format!("the source is a subscriber: {name}{disabled}");
            emit.find(Source, what).object(name).sql(format!(
                "ALTER SUBSCRIPTION {quoted} DISABLE;\nDROP SUBSCRIPTION {quoted};"
            ));
        }
        Ok(())
    }),
    source("repl.origins", |server, emit| {
        let pglogical = server.pglogical.get()?.iter();
        let fed: Vec<&str> = (pglogical.flat_map(|found| &found.subscriptions))
            .map(|found| found.slot.as_str())
            .collect();
        // Origins belong to the cluster: those of subscriptions, also of other databases, are known by their form.
        let of_subscription = |name: &str| {
            let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            name.starts_with("pgl_")
                || fed.contains(&name)
                || name
                    .strip_prefix("pg_")
                    .is_some_and(|rest| rest.split('_').all(digits))
        };
        let others: Vec<&str> = (server.origins.get()?.iter())
            .map(|origin| origin.name.as_str())
            .filter(|name| !of_subscription(name))
            .collect();
        if !others.is_empty() {
            let count = plural(others.len() as u64, "replication origin");
            let what = format!("{count} of other software: {}", some_of(&others));
            emit.find(Source, what).object(others.join(", "));
        }
        Ok(())
    }),
    target("repl.subscriptions", |server, emit| {
        for found in server.subscriptions.get()? {
            let (name, disabled) = (show_ident(&found.name), disabled(found.enabled));
            let what = format!("the target is a subscriber: {name}{disabled}");
            emit.find(Target, what).object(name);
        }
        Ok(())
    }),
    source("repl.physical_standbys", |server, emit| {
        let found = standbys(server)?;
        if found.is_empty() {
            return Ok(());
        }
        let new = match &emit.facts.target {
            Some(target) => standbys(&target.server)?.len(),
            None => 0,
        };
        let count = plural(found.len() as u64, "standby or receiver of WAL").replace("WALs", "WAL");
        let found = some_of(&found);
        emit.find(
            Source,
            format!("the source has {count}: {found}; the target has {new}"),
        );
        Ok(())
    }),
];

fn pglogical_leftovers(side: Side, server: &ServerState, emit: &mut Emit<'_>) -> Ran {
    let names = emit.facts.names()?;
    let Some(pglogical) = server.pglogical.get()? else {
        return Ok(());
    };
    let (ours, own) = match side {
        Source => (&names.provider_node, names.back_subscription()),
        Target => (&names.subscriber_node, names.subscription.clone()),
    };
    let subscriptions = pglogical.subscriptions.iter();
    for found in subscriptions.filter(|found| found.name != own) {
        let (name, provider) = (show_ident(&found.name), show_ident(&found.provider));
        let (literal, disabled) = (quote_literal(&found.name), disabled(found.enabled));
        let what =
            format!("the {side} has a pglogical subscription {name} to node {provider}{disabled}");
        let sql = format!("SELECT pglogical.drop_subscription({literal});");
        emit.find(side, what).object(name).sql(sql);
    }
    let Some(node) = &pglogical.local_node else {
        return Ok(());
    };
    let name = show_ident(node);
    if node == ours {
        let what = format!("the {side} is already this migration's node {name}");
        emit.find(side, what)
            .object(name)
            .severity(Severity::Info)
            .why("pgl-setup has begun or completed this migration.")
            .remedy("Continue with pgl-setup, or start over after pgl-teardown.");
    } else {
        let tables = plural(
            pglogical.sets.iter().map(|set| set.tables).sum::<u64>(),
            "table",
        );
        let what =
            format!("the {side} is pglogical node {name} with {tables} in its replication sets");
        let sql = format!("SELECT pglogical.drop_node({});", quote_literal(node));
        emit.find(side, what).object(name).sql(sql);
    }
    Ok(())
}

fn disabled(enabled: bool) -> &'static str {
    if enabled { "" } else { " (disabled)" }
}

/// What kind of slot it is, and in which database.
fn kind(slot: &Slot) -> String {
    match (&slot.plugin, &slot.database) {
        (Some(plugin), Some(database)) => {
            format!("plugin {plugin}, database {}", show_ident(database))
        }
        (Some(plugin), None) => format!("plugin {plugin}"),
        (None, _) => "a physical slot".to_owned(),
    }
}

fn is_pglogical(slot: &Slot) -> bool {
    let plugin = slot.plugin.as_deref().unwrap_or_default();
    plugin.starts_with("pglogical")
}

/// Who may need a slot, as far as the slot itself shows: what to look at before it is dropped.
fn owner(slot: &Slot) -> String {
    if is_pglogical(slot) {
        let database = slot.database.as_deref().map_or("?".to_owned(), show_ident);
        format!(
            "It is the slot of a pglogical subscription to database {database}, perhaps of a migration that is paused or \
             still copies. Its name is pgl_, the subscriber's database, the provider's node and the subscription \
             (each shortened above 16 characters): find that subscriber, run pgl-status or pgl-teardown there, \
             and drop the slot only when the subscriber is gone."
        )
    } else {
        let kind = kind(slot);
        format!(
            "Find out who made it ({kind}): change data capture, a subscriber, a standby or a backup tool. Drop it only \
             when its reader does not come back."
        )
    }
}

fn drop_slot(slot: &Slot) -> String {
    let name = quote_literal(&slot.name);
    // Nothing to do where the slot went with its node, or somebody reads from it after all.
    format!(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = {name} AND NOT active;"
    )
}

fn retained(slot: &Slot) -> String {
    let wal = slot
        .retained_bytes
        .map(|count| bytes(float(count.try_into().unwrap_or(0))));
    match (wal, slot.xmin_age.filter(|age| *age > 0)) {
        (Some(wal), Some(age)) => format!("{wal} of WAL and row versions {age} transactions old"),
        (Some(wal), None) => format!("{wal} of WAL"),
        (None, Some(age)) => format!("row versions {age} transactions old"),
        (None, None) => "an unknown amount of WAL".to_owned(),
    }
}

fn is_lost(slot: &Slot) -> bool {
    slot.wal_status.as_deref() == Some("lost") || slot.invalidation_reason.is_some()
}

/// Whether it is this migration's own slot on a side; no, where its name is not known.
fn is_own(facts: &Facts, side: Side, slot: &Slot) -> bool {
    facts.link.slot_names.get().is_ok_and(|names| match side {
        Source => slot.name == names.forward,
        Target => slot.name == names.reverse,
    })
}

/// Standbys and other receivers of WAL.
fn standbys(server: &ServerState) -> Result<Vec<&str>, NotRun> {
    let senders = server.senders.get()?.iter();
    let physical = senders.filter(|one| !one.logical && one.state.as_deref() != Some("backup"));
    Ok(physical.map(|sender| sender.application.as_str()).collect())
}

#[cfg(test)]
pub(super) use cases::CASES;

#[cfg(test)]
mod cases;
