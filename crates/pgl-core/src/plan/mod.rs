//! The plan: what is to be replicated and how, what is left out and why, what is left to do.

mod build;
mod manual_steps;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::QualifiedName;
use crate::migration::Names;
use crate::select::Selection;

pub use build::build;
pub use manual_steps::refresh_order;

/// What a migration replicates. Sorted by name; the same database gives the same plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Names of pglogical's objects.
    pub names: Names,
    /// What was asked for.
    pub selection: Selection,
    /// Every ordinary table, leaf partition and excluded relation with rows of its own.
    pub tables: Vec<PlanTable>,
    /// Every sequence.
    pub sequences: Vec<PlanSequence>,
    /// What pglogical does not carry and somebody has to do.
    pub manual_steps: Vec<ManualStep>,
    /// What is left out of the target's schema on request, and what depends on it: kind and name, `VIEW public.v`.
    #[serde(default)]
    pub excluded_objects: Vec<String>,
    /// What else is left out of it because the target lacks a role: `POLICY public.t p`, `OWNER app of TABLE public.t`; and `GRANTOR app in LABEL` where the owner
    /// gives what that role has given.
    #[serde(default)]
    pub without_roles: Vec<String>,
}

impl Plan {
    /// The tables that pglogical replicates.
    pub fn replicated(&self) -> impl Iterator<Item = &PlanTable> {
        self.tables
            .iter()
            .filter(|table| table.set != Set::Excluded)
    }
}

/// The replication set that a table goes to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Set {
    /// Inserts, updates, deletes and truncates.
    Default,
    /// Inserts and truncates only: the table has no replica identity.
    DefaultInsertOnly,
    /// Not replicated; `reason` says why.
    Excluded,
}

impl Set {
    /// The set's name in pglogical's catalog; none for [`Set::Excluded`].
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Default => Some("default"),
            Self::DefaultInsertOnly => Some("default_insert_only"),
            Self::Excluded => None,
        }
    }
}

/// One table of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanTable {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Replication set.
    pub set: Set,
    /// Why it is excluded or insert-only; null for an ordinary table.
    pub reason: Option<String>,
    /// Columns of the replica identity, in key order; null without one.
    pub key: Option<Vec<String>>,
    /// Columns that the initial copy carries, where these are not all (generated columns are
    /// computed by the target); null means all.
    pub copy_columns: Option<Vec<String>>,
    /// The partitioned root above a leaf partition; null for other tables.
    pub partition_root: Option<QualifiedName>,
    /// Size of the heap with TOAST, without indexes, in bytes.
    pub bytes: u64,
    /// The planner's row estimate; null where never analysed.
    pub rows_estimate: Option<u64>,
    /// Whether the table has to be copied again at the cutover (key-less with updates or
    /// deletes, unlogged).
    pub recopy_at_cutover: bool,
}

impl PlanTable {
    /// Whether its rows are brought to the target, by replication or at the cutover.
    pub fn is_carried(&self) -> bool {
        self.set != Set::Excluded || self.recopy_at_cutover
    }

    /// Schema and name.
    pub fn qualified(&self) -> QualifiedName {
        QualifiedName::new(&self.schema, &self.name)
    }
}

#[cfg(test)]
impl PlanTable {
    /// An empty one without a key.
    pub(crate) fn example(schema: &str, name: &str, set: Set) -> Self {
        Self {
            schema: schema.to_owned(),
            name: name.to_owned(),
            set,
            reason: None,
            key: None,
            copy_columns: None,
            partition_root: None,
            bytes: 0,
            rows_estimate: None,
            recopy_at_cutover: false,
        }
    }
}

#[cfg(test)]
impl Plan {
    /// Of migration `m`, with these tables.
    pub(crate) fn example(tables: Vec<PlanTable>) -> Self {
        Self {
            names: Names::of("m"),
            selection: Selection::default(),
            tables,
            sequences: Vec::new(),
            manual_steps: Vec::new(),
            excluded_objects: Vec::new(),
            without_roles: Vec::new(),
        }
    }
}

/// One sequence of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanSequence {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// The column that owns it, as `schema.table.column`; null for a standalone sequence.
    pub owned_by: Option<String>,
    /// Whether it is an identity column's.
    pub identity: bool,
    /// Increment, negative for a descending sequence; a string because of its range.
    pub increment: String,
    /// Share of the range already used, 0 to 100; null where it cannot be told.
    pub used_percent: Option<u8>,
}

impl PlanSequence {
    /// Schema and name.
    pub fn qualified(&self) -> QualifiedName {
        QualifiedName::new(&self.schema, &self.name)
    }
}

/// Something that pglogical does not carry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct ManualStep {
    /// The check that found it.
    pub id: String,
    /// The object; null for the whole database.
    pub object: Option<String>,
    /// What to do, and when.
    pub action: String,
}
