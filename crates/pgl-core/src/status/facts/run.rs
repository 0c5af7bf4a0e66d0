//! Runs of these tools, as the lock and the journal show them, and what comes after the cutover.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Side;

/// A session that holds the migration's lock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunHolder {
    /// The server.
    pub side: Side,
    /// Its process there.
    pub pid: i32,
    /// The tool, by the session's application_name: `pgl-setup`.
    pub tool: String,
    /// Where it is connected from.
    pub address: String,
    /// When it connected, as `2026-11-29T10:12:09Z`; null where the role may not see it.
    pub since: Option<String>,
    /// Seconds since then, by that server's clock.
    pub seconds: Option<f64>,
}

#[cfg(test)]
impl RunHolder {
    /// A run of this tool.
    pub(crate) fn of(tool: &str) -> Self {
        Self {
            side: Side::Target,
            pid: 7,
            tool: tool.to_owned(),
            address: "a local socket".to_owned(),
            since: None,
            seconds: None,
        }
    }
}

impl fmt::Display for RunHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "process {} on the {} ({}, connected from {}",
            self.pid, self.side, self.tool, self.address
        )?;
        match &self.since {
            Some(since) => write!(f, " since {since})"),
            None => f.write_str(")"),
        }
    }
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
