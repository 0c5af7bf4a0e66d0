//! What of a migration is there: after a teardown nothing, and of a name that means nothing neither.

use super::{
    EMULATION, ExtensionRemoval, Remaining, TeardownRequest, drops_emulation, is_own_node,
    is_own_origin, is_own_slot, is_own_subscription,
};
use crate::Side;
use crate::cutover::{CutoverRecord, CutoverState, PROMOTION_UNKNOWN, without_journal};
use crate::migration::{Names, OWN_SCHEMA};

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
    let names = Names::of(request.migration);
    let mut others = Vec::new();
    for (_, remaining) in sides {
        let here = remaining
            .journal
            .iter()
            .any(|name| name == request.migration)
            || remaining
                .node
                .as_ref()
                .is_some_and(|node| is_own_node(&names, node))
            || remaining
                .subscriptions
                .iter()
                .any(|one| is_own_subscription(&names, &one.name))
            || remaining
                .slots
                .iter()
                .any(|slot| is_own_slot(request, remaining, &slot.name));
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
    let names = Names::of(request.migration);
    let mut left = Vec::new();
    for subscription in &remaining.subscriptions {
        if is_own_subscription(&names, &subscription.name) {
            left.push(format!("subscription {}", subscription.name));
        }
    }
    for slot in remaining
        .slots
        .iter()
        .filter(|slot| is_own_slot(request, remaining, &slot.name))
    {
        left.push(format!("slot {}", slot.name));
    }
    for origin in remaining
        .origins
        .iter()
        .filter(|origin| is_own_origin(request, remaining, origin))
    {
        left.push(format!("origin {origin}"));
    }
    if let Some(node) = remaining
        .node
        .as_ref()
        .filter(|node| is_own_node(&names, node))
    {
        left.push(format!("node {node}"));
    }
    let drops = match request.extension {
        ExtensionRemoval::Keep => false,
        ExtensionRemoval::IfOurs => remaining.extension_ours,
        ExtensionRemoval::Drop => remaining.extension.is_some(),
    };
    if drops {
        left.push("extension pglogical".to_owned());
    }
    if (drops || remaining.extension.is_none()) && drops_emulation(request, remaining) {
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
    } else if remaining
        .journal
        .iter()
        .any(|name| name == request.migration)
    {
        left.push(format!("journal of {}", request.migration));
    }
    left.into_iter()
        .map(|what| format!("{side}: {what}"))
        .collect()
}
