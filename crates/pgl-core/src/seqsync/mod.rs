//! Sequences: from what two servers say to what has to be done on the target.
//!
//! A sequence is more than its last value: whether that value was already handed out
//! (`is_called`), which way it runs, where it ends and whether it starts over there decide
//! together which value comes next. Everything here is exact: no value is guessed, rounded up or
//! moved backwards, and arithmetic is done wide enough never to overflow.

mod decide;
mod outcome;
mod pick;
mod walk;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::QualifiedName;
pub use decide::{SequenceRequest, SequenceTask, decide};
pub use outcome::{
    SequenceDifference, SequenceEntry, SequenceOutcome, SequenceRefusal, SequenceState, verdict,
    verdict_of_check,
};
pub use pick::pick;
pub use walk::{beyond, next};

/// What one server says about one sequence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SequenceReading {
    /// Object id on that server.
    pub oid: u32,
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// `smallint`, `integer` or `bigint`; always `bigint` before 10.
    pub data_type: String,
    /// Value that an unused sequence hands out first.
    pub start: i64,
    /// Distance between two values, negative for a descending sequence.
    pub increment: i64,
    /// Smallest value.
    pub min: i64,
    /// Largest value.
    pub max: i64,
    /// How many values a session takes at once.
    pub cache: i64,
    /// Whether it starts over at the end.
    pub cycle: bool,
    /// `last_value`; null where the role may not read it.
    pub last_value: Option<i64>,
    /// `is_called`; null likewise.
    pub is_called: Option<bool>,
    /// When the state was read, by the server's clock: microseconds since 1970; null likewise.
    pub read_at: Option<i64>,
    /// The column that owns it, as `schema.table.column`.
    pub owned_by: Option<String>,
    /// Schema of the table whose column owns it.
    pub owner_schema: Option<String>,
    /// That table.
    pub owner_table: Option<String>,
    /// Whether it belongs to an identity column.
    pub identity: bool,
    /// Whether the role may set it.
    pub may_set: bool,
    /// `p` permanent, `u` unlogged.
    pub persistence: String,
    /// Whether one of pglogical's replication sets holds it.
    pub in_set: bool,
    /// How far ahead pglogical sends it, where it is in a set.
    pub pglogical_ahead: Option<i64>,
    /// The value furthest on among the columns that it feeds; read on request only.
    pub furthest: Option<i64>,
    /// Why [`SequenceReading::furthest`] could not be read, where it was asked for.
    pub furthest_unread: Option<String>,
}

impl SequenceReading {
    /// Schema and name.
    pub fn qualified(&self) -> QualifiedName {
        QualifiedName::new(&self.schema, &self.name)
    }

    /// The table whose column owns it.
    pub fn owner(&self) -> Option<QualifiedName> {
        Some(QualifiedName::new(
            self.owner_schema.as_ref()?,
            self.owner_table.as_ref()?,
        ))
    }

    /// The state, if it could be read.
    pub fn state(&self) -> Option<SequenceState> {
        Some(SequenceState {
            last_value: self.last_value?,
            is_called: self.is_called?,
        })
    }

    /// Whether it counts upwards; an increment is never 0.
    pub(crate) fn ascends(&self) -> bool {
        self.increment.is_positive()
    }

    /// Nobody has taken a value or set one: the state of a freshly created sequence.
    pub fn untouched(&self) -> bool {
        self.last_value == Some(self.start) && self.is_called == Some(false)
    }
}

/// How the values are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SequenceMode {
    /// `last_value` and `is_called` as the source has them.
    Exact,
    /// pglogical's own message, about a thousand values ahead.
    Pglogical,
}

#[cfg(test)]
mod tests;
