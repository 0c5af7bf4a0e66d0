//! What of a migration, and of pglogical at all, stands in a database: for taking it down.

use pgl_conn::{Error, Session};
use pgl_core::QualifiedName;
use pgl_core::cutover::{AttemptState, Closed};
use pgl_core::migration::Names;
use pgl_core::teardown::Remaining;
use serde::Deserialize;

use crate::setup::disabled_triggers;
use crate::{column, pgl_schema, row, rows};

#[derive(Deserialize)]
struct Base {
    extension: Option<String>,
    extension_ours: bool,
    emulation_ours: bool,
    extension_schema: bool,
    schema_ours: Option<bool>,
    has_journal: bool,
}

#[derive(Deserialize)]
struct WriteBlockTriggers {
    closed: Option<Closed>,
    write_block: Option<Vec<QualifiedName>>,
    attempt: Option<AttemptState>,
}

#[derive(Deserialize)]
struct Noted {
    kind: String,
    name: String,
}

/// Reads what stands; `migration` picks the notes of the journal.
///
/// # Errors
/// The server's.
pub fn remaining(session: &mut Session, migration: &str) -> Result<Remaining, Error> {
    let version = session.version();
    let base: Base = row(
        session,
        sql!(version, 90_600 => "teardown/base_pg95", _ => "teardown/base"),
        &[],
    )?;
    let slots = sql!(
        version, 90_500 => "teardown/slots_pg94", 100_000 => "teardown/slots_pg96", _ => "teardown/slots"
    );
    let mut out = Remaining {
        extension: base.extension,
        extension_ours: base.extension_ours,
        emulation_ours: base.emulation_ours,
        extension_schema: base.extension_schema,
        schema_ours: base.schema_ours,
        slots: rows(session, slots, &[])?,
        ..Remaining::default()
    };
    if version.at_least_num(90_500) {
        out.origins = column(session, sql!("teardown/origins"), &[])?;
    }
    if out.extension.is_some() {
        out.node = column(session, sql!("teardown/node"), &[])?.pop();
        let sql = sql!("teardown/subscriptions");
        out.subscriptions = rows(session, sql, &[])?;
        let sql = sql!("teardown/truncate_triggers");
        out.truncate_triggers = rows(session, sql, &[])?;
        out.sets = column(session, sql!("teardown/sets"), &[])?;
    }
    // What other roles could have written there is never read, let alone acted upon.
    if base.has_journal && out.schema_ours == Some(true) {
        pgl_schema::require(session)?;
        out.journal = column(session, sql!("teardown/journal"), &[])?;
        let noted: Vec<Noted> = rows(session, sql!("teardown/noted"), &[&migration])?;
        out.held = column(session, sql!("teardown/held"), &[&migration])?;
        let of_kind = |kind: &str| -> Vec<String> {
            let mine = noted.iter().filter(|noted| noted.kind == kind);
            mine.map(|noted| noted.name.clone()).collect()
        };
        out.grants = of_kind("grant");
        out.execute = of_kind("execute");
        out.noted_slots = of_kind("slot");
        let write_block: WriteBlockTriggers =
            row(session, sql!("teardown/write_block"), &[&migration])?;
        let closed = write_block.closed;
        out.closed = closed
            .map(|closed| crate::renamed(session, closed))
            .transpose()?;
        out.write_block = write_block.write_block.unwrap_or_default();
        out.attempt = write_block.attempt;
        out.disabled_triggers = disabled_triggers(session, migration)?
            .iter()
            .filter(|one| !one.inherited)
            .filter_map(|one| one.enable(&one.enabled))
            .collect();
    }
    Ok(out)
}

/// How the names of a migration's slots end, forward and back, from a server that has pglogical.
///
/// # Errors
/// The server's.
pub fn slot_endings(session: &mut Session, names: &Names) -> Result<Vec<String>, Error> {
    let back = names.back_subscription();
    let pairs = [
        (&names.provider_node, &names.subscription),
        // On the way back the target's node is the provider.
        (&names.subscriber_node, &back),
    ];
    let sql = sql!("teardown/slot_endings");
    let mut endings = Vec::new();
    for (node, subscription) in pairs {
        endings.push(session.value(sql, &[node, subscription], "how the slot's name ends")?);
    }
    Ok(endings)
}
