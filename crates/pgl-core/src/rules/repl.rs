//! Replication that exists already: leftovers, clashes, and others who read from the source.

use super::common::{bytes, each, plural, some_of, source, target};
use super::{Emit, Ran, Rule};
use crate::facts::Facts;
use crate::facts::server::Slot;
use crate::name::show_ident;
use crate::{Severity, Side, quote_ident, quote_literal};

pub(super) const CHECKS: &[Rule] = &[
    ("repl.pglogical_leftovers", pglogical_leftovers),
    ("repl.slot_name_clash", slot_name_clash),
    ("repl.inactive_slots", inactive_slots),
    ("repl.lost_slots", lost_slots),
    ("repl.origins_orphans", origins_orphans),
    ("repl.other_consumers", other_consumers),
    ("repl.publications", publications),
    ("repl.cascading_origin", cascading_origin),
    ("repl.subscriptions", subscriptions),
    ("repl.physical_standbys", physical_standbys),
];

fn pglogical_leftovers(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let names = facts.names()?;
    each(facts, emit, |side, server, emit| {
        let Some(pglogical) = server.pglogical.get()? else {
            return Ok(());
        };
        let ours = match side {
            Side::Source => &names.provider_node,
            Side::Target => &names.subscriber_node,
        };
        let own = match side {
            Side::Source => names.back_subscription(),
            Side::Target => names.subscription.clone(),
        };
        let strangers = pglogical
            .subscriptions
            .iter()
            .filter(|found| found.name != own);
        for found in strangers {
            emit.find(
                side,
                format!(
                    "the {side} has a pglogical subscription {} to node {}{}",
                    show_ident(&found.name),
                    show_ident(&found.provider),
                    if found.enabled { "" } else { " (disabled)" }
                ),
            )
            .object(show_ident(&found.name))
            .sql(format!(
                "SELECT pglogical.drop_subscription({});",
                quote_literal(&found.name)
            ));
        }
        match &pglogical.local_node {
            Some(node) if node != ours => {
                let tables: u64 = pglogical.sets.iter().map(|set| set.tables).sum();
                emit.find(
                    side,
                    format!(
                        "the {side} is pglogical node {} with {} in its replication sets",
                        show_ident(node),
                        plural(tables, "table")
                    ),
                )
                .object(show_ident(node))
                .sql(format!(
                    "SELECT pglogical.drop_node({});",
                    quote_literal(node)
                ));
            }
            Some(node) => {
                emit.find(
                    side,
                    format!(
                        "the {side} is already this migration's node {}",
                        show_ident(node)
                    ),
                )
                .object(show_ident(node))
                .severity(Severity::Info)
                .why("pgl-setup has begun or completed this migration.")
                .remedy("Continue with pgl-setup, or start over after pgl-teardown.");
            }
            None => {}
        }
        Ok(())
    })
}

fn slot_name_clash(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    target(facts)?;
    let own = &facts.link.slot_names.get()?.forward;
    if facts.under_way() {
        return Ok(());
    }
    for slot in source(facts)
        .slots
        .get()?
        .iter()
        .filter(|slot| slot.name == *own)
    {
        let state = if slot.active { "active" } else { "inactive" };
        let draft = emit
            .find(
                Side::Source,
                format!(
                    "slot {} exists already ({}, {state}), and the target has no subscription of that name",
                    slot.name,
                    kind(slot)
                ),
            )
            .object(&slot.name);
        if !slot.active {
            draft.sql(drop_slot(slot));
        }
    }
    Ok(())
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
    slot.plugin
        .as_deref()
        .is_some_and(|plugin| plugin.starts_with("pglogical"))
}

/// Who may need a slot, as far as the slot itself shows: what to look at before it is dropped.
fn owner(slot: &Slot) -> String {
    if is_pglogical(slot) {
        format!(
            "It is the slot of a pglogical subscription to database {}, perhaps of a migration that is paused or \
             still copies. Its name is pgl_, the subscriber's database, the provider's node and the subscription \
             (each shortened above 16 characters): find that subscriber, run pgl-status or pgl-teardown there, \
             and drop the slot only when the subscriber is gone.",
            slot.database.as_deref().map_or("?".to_owned(), show_ident)
        )
    } else {
        format!(
            "Find out who made it ({}): change data capture, a subscriber, a standby or a backup tool. Drop it only \
             when its reader does not come back.",
            kind(slot)
        )
    }
}

fn drop_slot(slot: &Slot) -> String {
    // Nothing to do where the slot went with its node, or somebody reads from it after all.
    format!(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = {} \
         AND NOT active;",
        quote_literal(&slot.name)
    )
}

fn retained(slot: &Slot) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a size for people")]
    let wal = slot.retained_bytes.map(|count| bytes(count.max(0) as f64));
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

/// The name of this migration's own slot on a side; none where it is not known.
fn own_slot(facts: &Facts, side: Side) -> Option<&str> {
    let names = facts.link.slot_names.get().ok()?;
    Some(match side {
        Side::Source => &names.forward,
        Side::Target => &names.reverse,
    })
}

fn inactive_slots(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    each(facts, emit, |side, server, emit| {
        let idle = server
            .slots
            .get()?
            .iter()
            // A lost slot has a finding of its own.
            .filter(|slot| !slot.active && !slot.temporary && !is_lost(slot));
        for slot in idle {
            let retained = retained(slot);
            if own_slot(facts, side) == Some(slot.name.as_str()) {
                // Without its subscription it has a finding of its own.
                if facts.under_way() {
                    emit.find(
                        side,
                        format!(
                            "this migration's slot {} is inactive; it retains {retained}",
                            slot.name
                        ),
                    )
                    .object(&slot.name)
                    .severity(Severity::Info)
                    .remedy("pgl-status prints why; pgl-control resume ends a pause.");
                }
                continue;
            }
            emit.find(
                side,
                format!(
                    "slot {} ({}) is inactive; it retains {retained}",
                    slot.name,
                    kind(slot)
                ),
            )
            .object(&slot.name)
            .remedy(owner(slot))
            .sql(drop_slot(slot));
        }
        Ok(())
    })
}

fn lost_slots(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    each(facts, emit, |side, server, emit| {
        for slot in server.slots.get()?.iter().filter(|slot| is_lost(slot)) {
            let reason = slot.invalidation_reason.as_deref().unwrap_or("WAL removed");
            let draft = emit
                .find(
                    side,
                    format!("slot {} ({}) is lost: {reason}", slot.name, kind(slot)),
                )
                .object(&slot.name);
            if own_slot(facts, side) == Some(slot.name.as_str()) && facts.under_way() {
                draft.remedy(
                    "It is this migration's slot: the copy has to begin again, with pgl-teardown and pgl-setup.",
                );
            } else {
                draft.remedy(owner(slot)).sql(drop_slot(slot));
            }
        }
        Ok(())
    })
}

fn origins_orphans(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = target(facts)?;
    let pglogical = server.pglogical.get()?;
    let native = server.subscriptions.get()?;
    let own = &facts.link.slot_names.get()?.forward;
    for origin in server.origins.get()? {
        // Origins belong to the cluster; of another database's nothing is known here.
        let ours = origin.name == *own;
        let used = pglogical
            .iter()
            .flat_map(|found| &found.subscriptions)
            .any(|found| found.slot == origin.name)
            || native
                .iter()
                .any(|found| format!("pg_{}", found.oid) == origin.name);
        if ours && !used {
            emit.find(
                Side::Target,
                format!(
                    "replication origin {} exists, its subscription does not",
                    origin.name
                ),
            )
            .object(&origin.name)
            .sql(format!(
                "SELECT pg_replication_origin_drop({});",
                quote_literal(&origin.name)
            ));
        }
    }
    Ok(())
}

fn other_consumers(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = source(facts);
    let database = &server.identity.get()?.database;
    for slot in server.slots.get()? {
        let Some(plugin) = slot.plugin.as_deref() else {
            continue;
        };
        let here = slot.database.as_ref() == Some(database);
        if here && slot.active && !plugin.starts_with("pglogical") {
            emit.find(
                Side::Source,
                format!("slot {} is read from with plugin {plugin}", slot.name),
            )
            .object(&slot.name);
        }
    }
    Ok(())
}

fn publications(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let found = source(facts).publications.get()?;
    for publication in found.iter().filter(|publication| publication.all_tables) {
        emit.find(
            Side::Source,
            format!(
                "publication {} is FOR ALL TABLES",
                show_ident(&publication.name)
            ),
        )
        .object(show_ident(&publication.name));
    }
    let others: Vec<String> = found
        .iter()
        .filter(|publication| !publication.all_tables)
        .map(|publication| show_ident(&publication.name))
        .collect();
    if !others.is_empty() {
        emit.find(
            Side::Source,
            format!(
                "{}: {}",
                plural(others.len() as u64, "publication"),
                some_of(&others)
            ),
        )
        .object(others.join(", "))
        .severity(Severity::Info)
        .why("Publications are part of the schema dump, their subscribers' slots are not.")
        .remedy("Move the subscribers to the new server at the cutover.");
    }
    Ok(())
}

fn cascading_origin(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    for found in source(facts).subscriptions.get()? {
        emit.find(
            Side::Source,
            format!(
                "the source is a subscriber: {}{}",
                show_ident(&found.name),
                if found.enabled { "" } else { " (disabled)" }
            ),
        )
        .object(show_ident(&found.name))
        .sql(format!(
            "ALTER SUBSCRIPTION {0} DISABLE;\nDROP SUBSCRIPTION {0};",
            quote_ident(&found.name)
        ));
    }
    Ok(())
}

fn subscriptions(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    for found in target(facts)?.subscriptions.get()? {
        emit.find(
            Side::Target,
            format!(
                "the target is a subscriber: {}{}",
                show_ident(&found.name),
                if found.enabled { "" } else { " (disabled)" }
            ),
        )
        .object(show_ident(&found.name));
    }
    Ok(())
}

fn physical_standbys(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let standbys =
        |server: &crate::facts::server::ServerState| -> Result<Vec<String>, crate::facts::NotRun> {
            Ok(server
                .senders
                .get()?
                .iter()
                .filter(|sender| !sender.logical && sender.state.as_deref() != Some("backup"))
                .map(|sender| sender.application.clone())
                .collect())
        };
    let found = standbys(source(facts))?;
    if found.is_empty() {
        return Ok(());
    }
    let new = match target(facts) {
        Ok(server) => standbys(server)?.len(),
        Err(_) => 0,
    };
    emit.find(
        Side::Source,
        format!(
            "the source has {}: {}; the target has {new}",
            plural(found.len() as u64, "standby or receiver of WAL").replace("WALs", "WAL"),
            some_of(&found)
        ),
    );
    Ok(())
}

#[cfg(test)]
pub(super) use cases::CASES;

#[cfg(test)]
mod cases;
