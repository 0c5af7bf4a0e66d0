//! What a database has beside what is in it.

use serde::Deserialize;

use crate::facts::server::Override;

/// The properties of one database; see `database_properties.sql`.
#[derive(Debug, Clone, Deserialize)]
pub struct DatabaseProperties {
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// The role of the session that has read this.
    pub connected_as: String,
    /// How many may connect; -1 for any number.
    pub connection_limit: i32,
    /// Privileges; null for those of a new database.
    pub acl: Option<Vec<Grant>>,
    /// Whether every role that may create databases may copy it.
    pub template: bool,
    /// Where its relations are that name no other.
    pub tablespace: String,
    /// Its comment.
    pub comment: Option<String>,
    /// What roles, or all of them, have set here.
    pub settings: Vec<Override>,
    /// Its extensions.
    pub extensions: Vec<ExtensionComment>,
}

/// The comment of an extension.
#[derive(Debug, Clone, Deserialize)]
pub struct ExtensionComment {
    /// Its name.
    pub name: String,
    /// Its comment here.
    pub comment: Option<String>,
    /// The one that it comes with.
    pub comes_with: Option<String>,
}

/// A privilege of databases and large objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "they are PostgreSQL's words")]
pub enum Privilege {
    Select,
    Update,
    Create,
    Connect,
    Temporary,
}

/// What one role may do with an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Grant {
    /// Null for everybody.
    pub grantee: Option<String>,
    /// What it may do.
    pub right: Privilege,
    /// Whether it may give that to others.
    pub grantable: bool,
}
