//! Extensions.

use serde::{Deserialize, Serialize};

/// One installed extension.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Extension {
    /// Name.
    pub name: String,
    /// Installed version.
    pub version: String,
    /// Schema.
    pub schema: String,
}

/// One extension whose files are on the server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AvailableExtension {
    /// Name.
    pub name: String,
    /// The version that CREATE EXTENSION takes.
    pub default_version: Option<String>,
}
