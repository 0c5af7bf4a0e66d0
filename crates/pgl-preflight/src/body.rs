//! The tool's own part of its document.

use pgl_core::Finding;
use pgl_core::preflight::{CheckState, FindingCounts, TargetState};
use schemars::JsonSchema;
use serde::Serialize;

/// What `pgl-preflight` adds to the envelope.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Preflight {
    /// Whether the target was examined.
    pub target_state: TargetState,
    /// Numbers of findings and checks.
    pub counts: FindingCounts,
    /// Findings, the most severe first.
    pub findings: Vec<Finding>,
    /// Every check with what became of it.
    pub checks: Vec<CheckState>,
}
