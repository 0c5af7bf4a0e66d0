//! What of a migration is there: after a teardown nothing, and of a name that means nothing neither.

use super::{
    EMULATION, Extension, Request, Standing, drops_emulation, is_own_node, is_own_origin,
    is_own_slot, is_own_subscription,
};
use crate::Side;
use crate::migration::{Names, OWN_SCHEMA};

/// Migrations that are here, where none of this name is: a name that means nothing is a mistake. None
/// where there is one, or where there is none at all, as after a complete teardown.
pub fn other_names(request: &Request<'_>, sides: &[(Side, &Standing)]) -> Option<Vec<String>> {
    let names = Names::of(request.migration);
    let mut others = Vec::new();
    for (_, standing) in sides {
        let here = standing
            .journal
            .iter()
            .any(|name| name == request.migration)
            || standing
                .node
                .as_ref()
                .is_some_and(|node| is_own_node(&names, node))
            || standing
                .subscriptions
                .iter()
                .any(|one| is_own_subscription(&names, &one.name))
            || standing
                .slots
                .iter()
                .any(|slot| is_own_slot(request, standing, &slot.name));
        if here {
            return None;
        }
        others.extend(standing.journal.iter().cloned());
    }
    others.sort();
    others.dedup();
    (!others.is_empty()).then_some(others)
}

/// What of a standing is still this migration's: empty after a complete teardown.
pub fn leftovers(request: &Request<'_>, side: Side, standing: &Standing) -> Vec<String> {
    let names = Names::of(request.migration);
    let mut left = Vec::new();
    for subscription in &standing.subscriptions {
        if is_own_subscription(&names, &subscription.name) {
            left.push(format!("subscription {}", subscription.name));
        }
    }
    for slot in standing
        .slots
        .iter()
        .filter(|slot| is_own_slot(request, standing, &slot.name))
    {
        left.push(format!("slot {}", slot.name));
    }
    for origin in standing
        .origins
        .iter()
        .filter(|origin| is_own_origin(request, standing, origin))
    {
        left.push(format!("origin {origin}"));
    }
    if let Some(node) = standing
        .node
        .as_ref()
        .filter(|node| is_own_node(&names, node))
    {
        left.push(format!("node {node}"));
    }
    let drops = match request.extension {
        Extension::Keep => false,
        Extension::IfOurs => standing.extension_ours,
        Extension::Drop => standing.extension.is_some(),
    };
    if drops {
        left.push("extension pglogical".to_owned());
    }
    if (drops || standing.extension.is_none()) && drops_emulation(request, standing) {
        left.push(format!("extension {EMULATION}"));
    }
    if standing.extension.is_none() && standing.extension_schema {
        left.push("schema pglogical without its extension".to_owned());
    }
    let idle = standing
        .truncate_triggers
        .iter()
        .filter(|trigger| !trigger.in_set)
        .count();
    if !drops && idle > 0 {
        left.push(format!("{idle} truncate triggers of pglogical"));
    }
    let ours_alone = standing
        .journal
        .iter()
        .all(|name| name == request.migration);
    if standing.schema_ours == Some(true) && ours_alone {
        left.push(format!("schema {OWN_SCHEMA}"));
    } else if standing
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
