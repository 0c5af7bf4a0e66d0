//! Runs of these tools, as the lock and the journal show them, and what comes after the cutover.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who holds the migration's lock.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Holder {
    /// `pgl-setup`.
    pub tool: String,
    /// Its session's process on the target.
    pub pid: i64,
    /// Where it is connected from; null for a local socket.
    pub address: Option<String>,
    /// When it connected, in seconds since 1970 on the target's clock.
    pub since: f64,
}

/// What the target's journal has of a copy by pgl-setup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CopyJournal {
    /// The step that was journalled last.
    pub step: Option<String>,
    /// Tables that are copied, as they are quoted in SQL.
    pub copied: Vec<String>,
}

/// Replication from the promoted target back to the former source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reverse {
    /// The subscription on the former source.
    pub subscription: String,
    /// Its state as pglogical reports it; null where that may not be read.
    pub state: Option<String>,
    /// Its slot on the target.
    pub slot: String,
    /// WAL of the target that the former source has not confirmed, in bytes.
    pub lag_bytes: Option<u64>,
}
