//! Changes to a migration that runs, as data: which table is meant, what becomes of the plan, which
//! rows and columns a table's sets carry, which transaction stops the target. All pure.

mod failing_transaction;
mod lapsed;
mod links;
pub(crate) mod object_name;
mod paused;
mod replan;
mod rows;

pub use failing_transaction::{Change, Look, Peeked, Transaction, failing};
pub use lapsed::{Lapsed, ReplicatedTable, lapsed};
pub use links::{LinkedKey, Looked, Orphans, to_look_at};
pub use object_name::{BadName, Typed};
pub use paused::{MissingChanges, PausedAt, SlotHistory, SlotMoved};
pub use replan::{Barred, TAKEN_OUT, add_sequences, add_tables, remove_table};
pub use rows::{Part, SetMembership, part};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Replication is stopped; nothing is lost.
    Pause,
    /// It goes on.
    Resume,
    /// Tables are copied again.
    Resync,
    /// Tables join the replication.
    AddTable,
    /// Tables leave it.
    RemoveTable,
    /// Sequences join the plan.
    AddSequence,
    /// A transaction that the target cannot apply is left out.
    Skip,
}

impl Verb {
    /// As it is typed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Resync => "resync",
            Self::AddTable => "add-table",
            Self::RemoveTable => "remove-table",
            Self::AddSequence => "add-sequence",
            Self::Skip => "skip",
        }
    }

    /// Whether it works on objects that have to be named.
    pub fn takes_names(self) -> bool {
        match self {
            Self::Resync | Self::AddTable | Self::RemoveTable | Self::AddSequence => true,
            Self::Pause | Self::Resume | Self::Skip => false,
        }
    }
}

/// How the target's rows make room for the copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Emptied {
    /// `TRUNCATE ONLY`: nothing refers to the table.
    Truncate,
    /// `DELETE FROM ONLY` with triggers of foreign keys at rest: TRUNCATE would refuse, or with
    /// CASCADE empty other tables.
    Delete,
}

impl Emptied {
    /// What is right for a table that these foreign keys refer to.
    pub fn of(references: &[LinkedKey]) -> Self {
        if references.is_empty() {
            Self::Truncate
        } else {
            Self::Delete
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_others_refer_to_is_never_truncated() {
        assert_eq!(Emptied::of(&[]), Emptied::Truncate);
        assert_eq!(
            Emptied::of(&[links::tests::key("b", "b_a_fkey")]),
            Emptied::Delete
        );
    }

    #[test]
    fn verbs_are_written_as_they_are_typed() {
        for verb in [Verb::Pause, Verb::AddTable, Verb::AddSequence, Verb::Skip] {
            assert_eq!(serde_json::json!(verb), verb.as_str());
        }
    }
}
