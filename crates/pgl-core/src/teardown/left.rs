//! What of a migration is there: after a teardown nothing, and of a name that means nothing neither.

use super::{EMULATION, Own, Remaining, TeardownRequest};
use crate::Side;
use crate::cutover::{CutoverRecord, CutoverState, PROMOTION_UNKNOWN, without_journal};
use crate::migration::OWN_SCHEMA;

/// What cannot be known: of a database that was not looked at, and of a cutover where the journals are gone. Something is
/// removed or left, or nothing of a side was seen.
pub fn unknown(
    source: Option<&CutoverRecord>,
    target: Option<&CutoverRecord>,
    state: &CutoverState,
    found: bool,
) -> Vec<String> {
    let mut unknown = Vec::new();
    for (side, record) in [(Side::Source, source), (Side::Target, target)] {
        if record.is_none() {
            unknown.push(format!(
                "the {side} was not looked at: whether it has objects of the migration is not known; a slot there retains WAL"
            ));
        }
    }
    let not_cut_over = matches!(state, CutoverState::NotCutOver);
    if not_cut_over && without_journal(source, target) && (found || !unknown.is_empty()) {
        unknown.push(format!(
            "{PROMOTION_UNKNOWN}; nor is which settings of databases and roles a cutover has changed"
        ));
    }
    unknown
}

/// Migrations that are here, where none of this name is: a name that means nothing is a mistake. None
/// where there is one, or where there is none at all, as after a complete teardown.
pub fn other_names(
    request: &TeardownRequest<'_>,
    sides: &[(Side, &Remaining)],
) -> Option<Vec<String>> {
    let mut others = Vec::new();
    for (side, remaining) in sides {
        let own = Own::new(request, *side, remaining);
        let here = own.has_journal()
            || (remaining.node.iter()).any(|node| own.has_node(node))
            || (remaining.subscriptions.iter()).any(|one| own.has_subscription(one))
            || (remaining.slots.iter()).any(|slot| own.has_slot(&slot.name));
        if here {
            return None;
        }
        others.extend(remaining.journal.iter().cloned());
    }
    others.sort();
    others.dedup();
    (!others.is_empty()).then_some(others)
}

/// What of a remaining is still this migration's: empty after a complete teardown.
pub fn leftovers(request: &TeardownRequest<'_>, side: Side, remaining: &Remaining) -> Vec<String> {
    let own = Own::new(request, side, remaining);
    let subscriptions = remaining.subscriptions.iter();
    let subscriptions = subscriptions.filter(|one| own.has_subscription(one));
    let slots = remaining.slots.iter().map(|slot| &slot.name);
    let origins = remaining.origins.iter();
    let nodes = remaining.node.iter();
    let mut left: Vec<String> = (subscriptions.map(|one| format!("subscription {}", one.name)))
        .chain(
            slots
                .filter(|name| own.has_slot(name))
                .map(|name| format!("slot {name}")),
        )
        .chain(
            origins
                .filter(|name| own.has_origin(name))
                .map(|name| format!("origin {name}")),
        )
        .chain(
            nodes
                .filter(|name| own.has_node(name))
                .map(|name| format!("node {name}")),
        )
        .collect();
    let drops = own.drops_extension(true);
    if drops {
        left.push("extension pglogical".to_owned());
    }
    if (drops || remaining.extension.is_none()) && own.drops_emulation() {
        left.push(format!("extension {EMULATION}"));
    }
    if remaining.extension.is_none() && remaining.extension_schema {
        left.push("schema pglogical without its extension".to_owned());
    }
    let idle = remaining
        .truncate_triggers
        .iter()
        .filter(|trigger| !trigger.in_set)
        .count();
    if !drops && idle > 0 {
        left.push(format!("{idle} truncate triggers of pglogical"));
    }
    let ours_alone = remaining
        .journal
        .iter()
        .all(|name| name == request.migration);
    if remaining.schema_ours == Some(true) && ours_alone {
        left.push(format!("schema {OWN_SCHEMA}"));
    } else if own.has_journal() {
        left.push(format!("journal of {}", request.migration));
    }
    left.into_iter()
        .map(|what| format!("{side}: {what}"))
        .collect()
}
