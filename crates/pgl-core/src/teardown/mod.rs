//! Taking a migration down: what is seen, what of it is ours, and the steps that remove it.
//!
//! Ours is what carries a name derived from the migration's, the schema with our comment, and what
//! the journal says we granted. Everything else is shown and left alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cutover::{AttemptState, Closed};
use crate::migration::{Names, OWN_SCHEMA};
use crate::{QualifiedName, Side, plural, quote_ident};

mod left;
mod write_block;

pub use left::{leftovers, other_names, unknown};

/// Beginning of the comment that marks an object as made by this suite.
pub const OWN_COMMENT: &str = "pgl:";
/// The extension without which 9.4 has no pglogical.
const EMULATION: &str = "pglogical_origin";

/// What stands in one database, and of its cluster what belongs to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Remaining {
    /// Version of extension pglogical; null where it is not there.
    pub extension: Option<String>,
    /// Whether the extension carries our comment.
    pub extension_ours: bool,
    /// Whether extension pglogical_origin, which 9.4 needs, is there and carries our comment.
    pub emulation_ours: bool,
    /// Whether schema `pglogical` is there: CREATE EXTENSION makes it, DROP EXTENSION leaves it.
    pub extension_schema: bool,
    /// Schema `pgl`: null where there is none, else whether it carries our comment.
    pub schema_ours: Option<bool>,
    /// Migrations with entries in the journal.
    pub journal: Vec<String>,
    /// Slots that this migration's journal names.
    pub noted_slots: Vec<String>,
    /// The pglogical node that this database is.
    pub node: Option<String>,
    /// Subscriptions of this database.
    pub subscriptions: Vec<RemainingSubscription>,
    /// pglogical's slots of this database.
    pub slots: Vec<RemainingSlot>,
    /// Replication origins of the cluster with pglogical's names.
    pub origins: Vec<String>,
    /// Replication sets with the number of their members.
    pub sets: Vec<(String, i64)>,
    /// Truncate triggers of pglogical on tables.
    pub truncate_triggers: Vec<TruncateTrigger>,
    /// Statements of the schema that are deferred, by setup's step: foreign keys that wait
    /// for the cutover, say. They stand only in schema `pgl`.
    pub held: Vec<(String, i64)>,
    /// Roles that were granted the use of schema pglogical by us; `PUBLIC` for everybody.
    pub grants: Vec<String>,
    /// `PUBLIC`, where we revoked EXECUTE on pglogical's functions from it, and roles that were granted it instead.
    pub execute: Vec<String>,
    /// How the database was before a cutover closed it to writers; null where it is not closed.
    pub closed: Option<Closed>,
    /// Tables with a trigger of a cutover that refuses writes, or has refused them.
    pub write_block: Vec<QualifiedName>,
    /// Statements that enable triggers as they were, which were disabled because they fire for replicated rows.
    pub disabled_triggers: Vec<String>,
    /// Where the last attempt is that had this database as its provider.
    pub attempt: Option<AttemptState>,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RemainingSubscription {
    /// Name.
    pub name: String,
    /// Its slot on the provider.
    pub slot: String,
    /// Whether it is enabled.
    pub enabled: bool,
}

/// A trigger by which pglogical replicates TRUNCATE of a table. It stays when the table leaves its
/// replication set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TruncateTrigger {
    /// The table's schema.
    pub schema: String,
    /// The table.
    pub table: String,
    /// The trigger.
    pub name: String,
    /// Whether the table is in a replication set.
    pub in_set: bool,
}

/// A slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RemainingSlot {
    /// Name.
    pub name: String,
    /// Process that uses it; null where nobody does.
    pub active_pid: Option<i32>,
    /// WAL that it holds back, in bytes; null where the server does not say.
    pub held_bytes: Option<i64>,
}

/// What is to go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ExtensionRemoval {
    /// Drop it where we made it.
    #[default]
    IfOurs,
    /// Leave it.
    Keep,
    /// Drop it though somebody else made it.
    Drop,
}

/// Why a teardown must not begin, and what to do: dropping schema `pgl` would lose a part of the
/// target's schema.
pub fn refusal(
    request: &TeardownRequest<'_>,
    side: Side,
    remaining: &Remaining,
) -> Option<(String, &'static str)> {
    if side == Side::Source || request.drop_held || remaining.held.is_empty() {
        return None;
    }
    let parts = remaining.held.iter();
    let parts: Vec<String> = parts
        .map(|(step, count)| format!("{count} of {step}"))
        .collect();
    Some((
        format!(
            "statements of the target's schema are deferred and would be lost: {}",
            parts.join(", ")
        ),
        "foreign keys: pgl-setup --step target.foreign-keys, or the cutover; others: pgl-setup once more. To begin again, or where the target is given up: --drop-held",
    ))
}

/// One removal. The statements are pgl-apply's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Removal {
    /// What kind of thing.
    pub kind: RemovalKind,
    /// Where.
    pub side: Side,
    /// Its name.
    pub object: String,
    /// Its statements, where they depend on what was noted.
    #[serde(skip)]
    pub statements: Vec<String>,
    /// The triggers, where it is about those.
    #[serde(skip)]
    pub triggers: Vec<TruncateTrigger>,
}

impl Removal {
    fn new(kind: RemovalKind, side: Side, object: impl Into<String>) -> Self {
        Self {
            kind,
            side,
            object: object.into(),
            statements: Vec::new(),
            triggers: Vec::new(),
        }
    }
}

/// Kinds of things that a migration leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words are PostgreSQL's and pglogical's")]
pub enum RemovalKind {
    Subscription,
    Slot,
    Node,
    Origin,
    /// pglogical's truncate triggers on tables.
    Triggers,
    Grant,
    /// EXECUTE on pglogical's functions, given back to PUBLIC and taken from the roles that had it instead.
    Execute,
    Extension,
    /// What keeps writers out of a database.
    WriteBlockTriggers,
    /// That triggers which fire for replicated rows are disabled.
    DisabledTriggers,
    Schema,
    /// What the journal of a schema that stays holds of the migration.
    Journal,
    Role,
}

impl RemovalKind {
    /// `subscription`, `slot` …
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Subscription => "subscription",
            Self::Slot => "slot",
            Self::Node => "node",
            Self::Origin => "origin",
            Self::Triggers => "truncate triggers of",
            Self::Grant => "grant",
            Self::Execute => "privilege EXECUTE of",
            Self::Extension => "extension",
            Self::WriteBlockTriggers => "write block of database",
            Self::DisabledTriggers => "disabled state of",
            Self::Schema => "schema",
            Self::Journal => "journal of",
            Self::Role => "role",
        }
    }
}

/// Something that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Kept {
    /// Where.
    pub side: Side,
    /// What is left alone.
    pub object: String,
    /// Why.
    pub reason: String,
}

/// The removals in the order that works, and what is left alone with the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TeardownPlan {
    /// In order.
    pub removals: Vec<Removal>,
    /// Left alone.
    pub kept: Vec<Kept>,
}

/// What to take down.
#[derive(Debug, Clone)]
pub struct TeardownRequest<'a> {
    /// The migration.
    pub migration: &'a str,
    /// How the names of our slots end, as a server's `pglogical_gen_slot_name` tells: what stands
    /// before is the subscriber's database, which is unknown without that side.
    pub slot_endings: &'a [String],
    /// The extension.
    pub extension: ExtensionRemoval,
    /// Whether statements of the target's schema that are deferred may be lost.
    pub drop_held: bool,
    /// A role to drop on the source.
    pub drop_role: Option<&'a str>,
}

/// Plans the teardown. A side that is null is not looked at and not touched.
///
/// The order (subscriber first) is the one that leaves no worker behind: a subscription takes its
/// slot and origin along while the provider can be reached; `drop_node` on the provider drops
/// every pglogical slot of its database, which is why it waits until only ours are left. What the
/// journals know of the migration goes last, the target's after the source's: until then every tool
/// can tell that there is one, and that it was cut over.
pub fn plan(
    request: &TeardownRequest<'_>,
    source: Option<&Remaining>,
    target: Option<&Remaining>,
) -> TeardownPlan {
    let mut out = TeardownPlan::default();
    let source = source.map(|remaining| Own::new(request, Side::Source, remaining));
    let target = target.map(|remaining| Own::new(request, Side::Target, remaining));
    for own in target.iter().chain(&source) {
        subscriptions(&mut out, own);
    }
    for own in target.iter().chain(&source) {
        let slots_clear = slots(&mut out, own);
        let node_gone = node(&mut out, own, slots_clear);
        origins(&mut out, own);
        let drops = own.drops_extension(node_gone);
        triggers(&mut out, own, node_gone, drops);
        grants(&mut out, own, drops);
        extension(&mut out, own, drops);
        write_block::plan(&mut out, own.side, own.remaining);
        disabled_triggers(&mut out, own);
    }
    if let Some(own) = &source {
        schema(&mut out, own);
        if let Some(role) = request.drop_role {
            out.remove(RemovalKind::Role, Side::Source, role);
        }
    }
    if let Some(own) = &target {
        schema(&mut out, own);
    }
    out
}

impl TeardownPlan {
    fn remove(&mut self, kind: RemovalKind, side: Side, object: impl Into<String>) {
        self.removals.push(Removal::new(kind, side, object));
    }

    fn keep(&mut self, side: Side, object: impl Into<String>, reason: impl Into<String>) {
        self.kept.push(Kept {
            side,
            object: object.into(),
            reason: reason.into(),
        });
    }
}

/// What stands on one side, and what of it is this migration's.
struct Own<'a> {
    request: &'a TeardownRequest<'a>,
    names: Names,
    side: Side,
    remaining: &'a Remaining,
}

impl<'a> Own<'a> {
    fn new(request: &'a TeardownRequest<'a>, side: Side, remaining: &'a Remaining) -> Self {
        Self {
            request,
            names: Names::of(request.migration),
            side,
            remaining,
        }
    }

    /// The forward subscription, and the one of the way back.
    fn has_subscription(&self, one: &RemainingSubscription) -> bool {
        one.name == self.names.subscription || one.name == self.names.back_subscription()
    }

    fn has_node(&self, name: &str) -> bool {
        name == self.names.provider_node || name == self.names.subscriber_node
    }

    /// `pgl_<subscriber's database>_<provider>_<subscription>`, each part shortened by a hash of the
    /// server's, or a name that the journal noted.
    fn has_slot(&self, name: &str) -> bool {
        let by_name = |ending: &String| {
            !ending.is_empty() && name.starts_with("pgl_") && name.ends_with(ending.as_str())
        };
        self.request.slot_endings.iter().any(by_name)
            || self.remaining.noted_slots.iter().any(|noted| noted == name)
    }

    /// A slot's name, or the mark that a cutover puts on tables that it copies again.
    fn has_origin(&self, name: &str) -> bool {
        self.has_slot(name) || name == format!("pgl_recopy_{}", self.names.subscription)
    }

    /// Whether the journal has entries of it.
    fn has_journal(&self) -> bool {
        let mut noted = self.remaining.journal.iter();
        noted.any(|name| name == self.request.migration)
    }

    /// Whether what 9.4 needs beside pglogical goes with it.
    fn drops_emulation(&self) -> bool {
        self.remaining.emulation_ours && self.request.extension != ExtensionRemoval::Keep
    }

    /// Whether the extension goes: asked for, or made by us, and of no use to anybody else.
    fn drops_extension(&self, node_gone: bool) -> bool {
        let wanted = match self.request.extension {
            ExtensionRemoval::Keep => false,
            ExtensionRemoval::IfOurs => self.remaining.extension_ours,
            ExtensionRemoval::Drop => true,
        };
        wanted && node_gone && self.remaining.extension.is_some()
    }
}

const NOT_OURS: &str = "not of this migration";

fn subscriptions(out: &mut TeardownPlan, own: &Own<'_>) {
    for one in &own.remaining.subscriptions {
        if own.has_subscription(one) {
            out.remove(RemovalKind::Subscription, own.side, &one.name);
        } else {
            out.keep(own.side, format!("subscription {}", one.name), NOT_OURS);
        }
    }
}

/// Whether every slot of the database is ours, so that `drop_node` cannot hit another's.
fn slots(out: &mut TeardownPlan, own: &Own<'_>) -> bool {
    let mut clear = true;
    for slot in &own.remaining.slots {
        if own.has_slot(&slot.name) {
            // Idempotent: drop_subscription has taken it along where it could reach this server.
            out.remove(RemovalKind::Slot, own.side, &slot.name);
        } else {
            clear = false;
            out.keep(own.side, format!("slot {}", slot.name), NOT_OURS);
        }
    }
    clear
}

fn node(out: &mut TeardownPlan, own: &Own<'_>, slots_clear: bool) -> bool {
    let Some(node) = &own.remaining.node else {
        return true;
    };
    let ours_alone = || {
        slots_clear
            && own
                .remaining
                .subscriptions
                .iter()
                .all(|one| own.has_subscription(one))
    };
    let reason = if !own.has_node(node) {
        NOT_OURS
    } else if !ours_alone() {
        "pglogical would drop every slot of this database with it, and not all are of this migration"
    } else {
        out.remove(RemovalKind::Node, own.side, node);
        return true;
    };
    out.keep(own.side, format!("node {node}"), reason);
    false
}

/// Origins of the cluster that carry a slot's name of ours; drop_subscription usually took them.
fn origins(out: &mut TeardownPlan, own: &Own<'_>) {
    let others = || {
        own.remaining
            .subscriptions
            .iter()
            .filter(|one| !own.has_subscription(one))
    };
    for origin in &own.remaining.origins {
        if others().any(|one| one.slot == *origin) {
            continue;
        }
        if own.has_origin(origin) {
            out.remove(RemovalKind::Origin, own.side, origin);
        } else {
            out.keep(own.side, format!("origin {origin}"), NOT_OURS);
        }
    }
}

/// While the extension is there, TRUNCATE fails for whoever may not use its schema, in a set or not.
fn grants(out: &mut TeardownPlan, own: &Own<'_>, drops_extension: bool) {
    let Own {
        side, remaining, ..
    } = *own;
    if remaining.extension.is_none() {
        return;
    }
    for role in &remaining.grants {
        if drops_extension {
            out.remove(RemovalKind::Grant, side, role);
            continue;
        }
        let who = if role == "PUBLIC" {
            role.clone()
        } else {
            quote_ident(role)
        };
        out.keep(
            side,
            format!("USAGE on schema pglogical, granted to {role}"),
            format!(
                "its TRUNCATE would fail while extension pglogical is there; after DROP EXTENSION nothing of it is left; \
                 to revoke it before: REVOKE USAGE ON SCHEMA pglogical FROM {who}"
            ),
        );
    }
    for role in &remaining.execute {
        if drops_extension || remaining.grants.is_empty() {
            out.remove(RemovalKind::Execute, side, role);
        } else if role == "PUBLIC" {
            out.keep(
                side,
                "EXECUTE on pglogical's functions, revoked from PUBLIC",
                "roles that keep USAGE on the schema for their TRUNCATE could call them and become superuser; \
                 to give it back: GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pglogical TO PUBLIC",
            );
        } else {
            out.keep(
                side,
                format!("EXECUTE on pglogical's functions, granted to {role}"),
                "it could call them before and still can, although PUBLIC cannot",
            );
        }
    }
}

/// Triggers that nothing needs any more. With the extension they go by themselves.
fn triggers(out: &mut TeardownPlan, own: &Own<'_>, node_gone: bool, drops_extension: bool) {
    let mut triggers = own.remaining.truncate_triggers.clone();
    triggers.retain(|trigger| !drops_extension && (node_gone || !trigger.in_set));
    if !triggers.is_empty() {
        let object = plural(triggers.len(), "table");
        out.removals.push(Removal {
            triggers,
            ..Removal::new(RemovalKind::Triggers, own.side, object)
        });
    }
}

/// Triggers that were disabled while rows were applied here: how they were is only in the schema that goes.
fn disabled_triggers(out: &mut TeardownPlan, own: &Own<'_>) {
    let statements = own.remaining.disabled_triggers.clone();
    if !statements.is_empty() {
        let object = plural(statements.len(), "trigger");
        out.removals.push(Removal {
            statements,
            ..Removal::new(RemovalKind::DisabledTriggers, own.side, object)
        });
    }
}

fn extension(out: &mut TeardownPlan, own: &Own<'_>, drops: bool) {
    let Own {
        side, remaining, ..
    } = *own;
    let emulation = own.drops_emulation();
    let Some(version) = &remaining.extension else {
        if emulation {
            out.remove(RemovalKind::Extension, side, EMULATION);
        }
        if remaining.extension_schema {
            out.keep(
                side,
                "schema pglogical",
                "its extension is gone already; its owner is not known",
            );
        }
        return;
    };
    if drops {
        out.remove(RemovalKind::Extension, side, "pglogical");
        if emulation {
            out.remove(RemovalKind::Extension, side, EMULATION);
        }
        return;
    }
    let reason = match (own.request.extension, remaining.extension_ours) {
        (ExtensionRemoval::Keep, _) => "asked to keep it",
        (ExtensionRemoval::IfOurs, false) => {
            "it was there before this migration; --drop-extension drops it"
        }
        (ExtensionRemoval::IfOurs | ExtensionRemoval::Drop, _) => "it is still in use",
    };
    out.keep(side, format!("extension pglogical {version}"), reason);
}

fn schema(out: &mut TeardownPlan, own: &Own<'_>) {
    let Own {
        side,
        remaining,
        request,
        ..
    } = *own;
    match remaining.schema_ours {
        None => {}
        Some(false) => out.keep(
            side,
            format!("schema {OWN_SCHEMA}"),
            "it is not this suite's",
        ),
        Some(true) => {
            let others: Vec<&str> = remaining
                .journal
                .iter()
                .map(String::as_str)
                .filter(|name| *name != request.migration)
                .collect();
            if others.is_empty() {
                out.remove(RemovalKind::Schema, side, OWN_SCHEMA);
            } else {
                let reason = format!("its journal has other migrations: {}", others.join(", "));
                out.keep(side, format!("schema {OWN_SCHEMA}"), reason);
                if own.has_journal() {
                    out.remove(RemovalKind::Journal, side, request.migration);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
