//! Findings: the result of one check on one object.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Side;

/// How much a finding matters.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The migration would fail or lose data.
    Block,
    /// Something is left to do, or may go wrong.
    Warn,
    /// Good to know.
    Info,
}

impl Severity {
    /// `block`, `warn` or `info`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Warn => "warn",
            Self::Info => "info",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What one check says about one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Stable id of the check: `tbl.no_key`.
    pub id: String,
    /// How much it matters, on these facts.
    pub severity: Severity,
    /// The server it is about.
    pub side: Side,
    /// The object, as a person writes its name; null where the whole server is meant.
    pub object: Option<String>,
    /// What is wrong, with the object's name and the numbers seen.
    pub what: String,
    /// Why it matters, in one sentence.
    pub why: String,
    /// What to do about it, in words.
    pub remedy: String,
    /// SQL that does it, where SQL can, and that removes nothing. Run on `fix_side`.
    pub sql: Option<String>,
    /// SQL that would drop or end something that may be in use by somebody else. Never part of a
    /// script: to be run by a person who has found out whose it is. Run on `fix_side`.
    pub manual_sql: Option<String>,
    /// Where the SQL or the remedy applies; usually `side`.
    pub fix_side: Side,
    /// Whether the remedy takes effect only after a server restart.
    pub restart: bool,
}
