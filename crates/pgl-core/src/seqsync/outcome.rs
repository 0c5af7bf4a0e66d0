//! What is said about each sequence, and the verdict over all of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::Verdict;
use crate::rights::{READ_SEQUENCES, Right, SET_SEQUENCES};
use crate::{QualifiedName, Side, quote_ident};

/// `last_value` and `is_called`. The value is a string in documents: it exceeds 2^53.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SequenceState {
    /// Last value.
    #[serde(with = "as_text")]
    #[schemars(with = "String")]
    pub last_value: i64,
    /// Whether that value was already handed out.
    pub is_called: bool,
}

/// 64-bit values as strings.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What becomes of one sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SequenceOutcome {
    /// It already is as wanted.
    Equal,
    /// It is to be set; nothing was done (`--dry-run`).
    WouldSet,
    /// It was set.
    Set,
    /// The target is further on and stays there.
    Kept,
    /// `--check`: it would hand out what the source has already used.
    Behind,
    /// It cannot be copied; `why` says why not. Nothing was done to it.
    Refused,
    /// pglogical was asked to send its value and the value has not arrived yet.
    Pending,
}

/// Why a sequence was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SequenceRefusal {
    /// No sequence of that name on the target.
    MissingOnTarget,
    /// The plan names it and the source does not have it.
    MissingOnSource,
    /// The role may not read it on the source.
    UnreadableOnSource,
    /// The role may not read it on the target.
    UnreadableOnTarget,
    /// The role may not set it on the target.
    NotPermitted,
    /// The value lies outside the target's minimum and maximum.
    OutOfBounds,
    /// The target would hand out next what the source has used: their definitions differ.
    WouldRepeat,
    /// The target would have no value left where the source has.
    Exhausted,
    /// The margin goes beyond the end of the sequence.
    MarginTooLarge,
    /// One runs upwards and the other downwards.
    OtherDirection,
    /// The column that it feeds could not be read.
    ColumnUnread,
    /// pglogical does not replicate it.
    NotInSet,
    /// pglogical's value lies outside its bounds: applying it would stop replication.
    PglogicalOverflow,
}

/// A property that the two sequences do not share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SequenceDifference {
    /// `data_type`, `increment`, `min`, `max`, `cache`, `cycle`, `start`.
    pub property: String,
    /// On the source.
    pub source: String,
    /// On the target.
    pub target: String,
}

/// What is said about one sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SequenceEntry {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// What becomes of it.
    pub outcome: SequenceOutcome,
    /// The source's state.
    pub source: Option<SequenceState>,
    /// The target's state before.
    pub before: Option<SequenceState>,
    /// The state that is right: the source's, with the margin and the column's value where asked.
    pub wanted: Option<SequenceState>,
    /// The target's state afterwards, read back where it was set; null where it is not to be what
    /// it is.
    pub after: Option<SequenceState>,
    /// The column that owns it, as `schema.table.column`.
    pub owned_by: Option<String>,
    /// Whether it belongs to an identity column.
    pub identity: bool,
    /// Why it was refused.
    pub why: Option<SequenceRefusal>,
    /// Properties that differ between the two sides.
    pub differences: Vec<SequenceDifference>,
    /// What else there is to say, each a sentence.
    pub notes: Vec<String>,
    /// The statement that does it, for a person; null where nothing is to be done.
    pub sql: Option<String>,
}

impl SequenceRefusal {
    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Self::MissingOnTarget => "there is no such sequence on the target",
            Self::MissingOnSource => "there is no such sequence on the source",
            Self::UnreadableOnSource => "the role may not read it on the source",
            Self::UnreadableOnTarget => "the role may not read it on the target",
            Self::NotPermitted => "the role may not set it on the target",
            Self::OutOfBounds => "the value does not fit the target's bounds",
            Self::WouldRepeat => {
                "the definitions differ, and the target would hand out a used value: ALTER SEQUENCE on the target"
            }
            Self::Exhausted => {
                "the target would have no value left where the source has: ALTER SEQUENCE on the target"
            }
            Self::MarginTooLarge => "the margin goes beyond the end of the sequence",
            Self::OtherDirection => "one side counts upwards and the other downwards",
            Self::ColumnUnread => "the column that it feeds could not be read",
            Self::NotInSet => "pglogical does not replicate it: use --mode exact",
            Self::PglogicalOverflow => {
                "pglogical's message would stop replication: use --mode exact"
            }
        }
    }
}

impl SequenceOutcome {
    /// As in documents, for tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::WouldSet => "would_set",
            Self::Set => "set",
            Self::Kept => "kept",
            Self::Behind => "behind",
            Self::Refused => "refused",
            Self::Pending => "pending",
        }
    }
}

impl SequenceEntry {
    /// Schema and name.
    pub fn qualified(&self) -> QualifiedName {
        QualifiedName::new(&self.schema, &self.name)
    }

    /// The right that it was refused for, where there is one, with the server and what it is given for.
    pub fn lacking(&self) -> Option<(Side, &'static Right, String)> {
        let read = |side| (side, &READ_SEQUENCES, quote_ident(&self.schema));
        match self.why? {
            SequenceRefusal::UnreadableOnSource => Some(read(Side::Source)),
            SequenceRefusal::UnreadableOnTarget => Some(read(Side::Target)),
            SequenceRefusal::NotPermitted => {
                Some((Side::Target, &SET_SEQUENCES, self.qualified().sql()))
            }
            _ => None,
        }
    }
}

/// The verdict of a run that was to set: refusals beside things done are a part.
pub fn verdict(entries: &[SequenceEntry]) -> Verdict {
    let has = |outcome: SequenceOutcome| entries.iter().any(|entry| entry.outcome == outcome);
    if !has(SequenceOutcome::Refused) {
        if has(SequenceOutcome::Behind) {
            Verdict::No
        } else if has(SequenceOutcome::Pending) {
            Verdict::NotYet
        } else {
            Verdict::Ok
        }
    } else if has(SequenceOutcome::Set) || has(SequenceOutcome::Pending) {
        Verdict::Partial
    } else {
        Verdict::Refused
    }
}

/// The verdict of `--check`: behind is no, and what could not be read is unknown.
pub fn verdict_of_check(entries: &[SequenceEntry]) -> Verdict {
    let unread = |entry: &SequenceEntry| {
        matches!(
            entry.why,
            Some(
                SequenceRefusal::UnreadableOnSource
                    | SequenceRefusal::UnreadableOnTarget
                    | SequenceRefusal::ColumnUnread
            )
        )
    };
    if entries.iter().any(unread) {
        Verdict::Unknown
    } else if entries.iter().any(|entry| {
        matches!(
            entry.outcome,
            SequenceOutcome::Behind | SequenceOutcome::Refused
        )
    }) {
        Verdict::No
    } else {
        Verdict::Ok
    }
}
