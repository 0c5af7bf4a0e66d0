//! pglogical's own catalogs, without its connection strings.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What pglogical holds in the connected database. Connection strings are never read: they hold
/// passwords.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pglogical {
    /// The database's own node.
    pub local_node: Option<String>,
    /// Replication sets of the local node.
    pub sets: Vec<PglogicalSet>,
    /// Subscriptions.
    pub subscriptions: Vec<PglogicalSubscription>,
    /// Roles without superuser rights that have USAGE on schema pglogical and do not own it; `public` stands for
    /// everyone.
    pub users: Vec<String>,
    /// How many functions of schema pglogical everyone may execute.
    pub public_functions: u64,
}

/// One replication set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PglogicalSet {
    /// Name.
    pub name: String,
    /// Tables in it.
    pub tables: u64,
}

/// One subscription.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PglogicalSubscription {
    /// Name.
    pub name: String,
    /// Node that it gets data from.
    pub provider: String,
    /// Enabled.
    pub enabled: bool,
    /// Slot on the provider; also the name of its origin here.
    pub slot: String,
}

/// A release of pglogical: 2.4.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PglogicalVersion(pub u32, pub u32, pub u32);

impl PglogicalVersion {
    /// Reads `2.4.5`, also `2.3`; null for anything that does not begin with a number.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| {
            let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<u32>().ok()
        });
        let mut next = || parts.next().flatten();
        let major = next()?;
        Some(Self(major, next().unwrap_or(0), next().unwrap_or(0)))
    }
}

impl fmt::Display for PglogicalVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_ordered() {
        let v = |text| PglogicalVersion::parse(text).unwrap();
        assert!(v("2.4.10") > v("2.4.9"));
        assert_eq!(v("2.3"), PglogicalVersion(2, 3, 0));
        assert_eq!(v("2.4.8-2").to_string(), "2.4.8");
        assert_eq!(PglogicalVersion::parse("latest"), None);
    }
}
