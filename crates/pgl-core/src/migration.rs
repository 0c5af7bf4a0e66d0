//! Which two databases a document is about. Never a connection string: a document can be mailed.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ServerVersion;

/// One database of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Database {
    /// `pg_control_system().system_identifier` (9.6+; walsender's IDENTIFY_SYSTEM before), as a
    /// string because it exceeds 2^53; null where the role may not read it.
    pub system_identifier: Option<String>,
    /// Database name.
    pub database: String,
    /// `server_version_num`.
    pub server_version: ServerVersion,
}

impl Database {
    /// Whether both are the same database of the same cluster, as far as can be told: null when
    /// an identifier is missing.
    pub fn same_as(&self, other: &Self) -> Option<bool> {
        match (&self.system_identifier, &other.system_identifier) {
            (Some(one), Some(two)) => Some(one == two && self.database == other.database),
            _ if self.database != other.database => Some(false),
            _ => None,
        }
    }
}

/// As errors name it.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cluster = self.system_identifier.as_deref().unwrap_or("unknown");
        write!(
            f,
            "database {} of system identifier {cluster}",
            self.database
        )
    }
}

/// One migration: a source database, a target database and a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Migration {
    /// The name; the source database's name unless `--name` says otherwise.
    pub name: String,
    /// The database to move.
    pub source: Database,
    /// The target; null where a tool ran without one.
    pub target: Option<Database>,
}

/// The names that pglogical's objects of a migration carry, derived from its name alone, so that
/// no tool needs a state file to find them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Names {
    /// pglogical node on the source.
    pub provider_node: String,
    /// pglogical node on the target.
    pub subscriber_node: String,
    /// Subscription on the target; pglogical takes only `[a-z0-9_]` here.
    pub subscription: String,
}

/// Schema of the suite's own objects (marker table) on both sides.
pub const OWN_SCHEMA: &str = "pgl";
/// The suite's marker table in [`OWN_SCHEMA`].
pub const MARKER_TABLE: &str = "marker";
/// All tables of the suite's own schema.
pub const OWN_TABLES: &[&str] = &[MARKER_TABLE, "journal", "held"];

impl Names {
    /// Subscription of the way back, on the source: it carries what is written on the subscriber
    /// after the cutover.
    pub fn back_subscription(&self) -> String {
        format!("{}_back", self.subscription)
    }

    /// Derives the names of a migration. Other characters than `[a-z0-9_]` and lengths above 40
    /// are folded into a hash, so that two names never meet in one.
    pub fn of(migration: &str) -> Self {
        let plain = |c: char| matches!(c, 'a'..='z' | '0'..='9');
        let plain = migration.replace(|c: char| !plain(c), "_");
        let unchanged = plain == migration && plain.len() <= 40;
        let stem = if unchanged {
            plain
        } else {
            format!("{plain:.24}_{:08x}", fnv1a(migration.as_bytes()))
        };
        Self {
            provider_node: format!("pgl_source_{stem}"),
            subscriber_node: format!("pgl_target_{stem}"),
            subscription: format!("pgl_{stem}"),
        }
    }
}

/// Second key of a migration's advisory lock.
pub fn lock_key(migration: &str) -> i32 {
    fnv1a(migration.as_bytes()).cast_signed()
}

fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_stay_readable() {
        let names = Names::of("shop_2");
        assert_eq!(names.subscription, "pgl_shop_2");
        assert_eq!(names.provider_node, "pgl_source_shop_2");
    }

    #[test]
    fn odd_names_differ_and_fit() {
        let odd = ["Shop", "shop ", "shöp", "sh-op", &"x".repeat(63)];
        let mut seen: Vec<String> = odd.iter().map(|n| Names::of(n).subscription).collect();
        for name in &seen {
            assert!(name.len() <= 63, "{name}");
            assert!(
                name.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            );
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), odd.len());
    }

    #[test]
    fn identity_needs_the_system_identifier() {
        let db = |id: Option<&str>, name: &str| Database {
            system_identifier: id.map(str::to_owned),
            database: name.to_owned(),
            server_version: ServerVersion(130_000),
        };
        assert_eq!(db(Some("1"), "a").same_as(&db(Some("1"), "a")), Some(true));
        assert_eq!(db(Some("1"), "a").same_as(&db(Some("2"), "a")), Some(false));
        assert_eq!(db(None, "a").same_as(&db(Some("2"), "a")), None);
        assert_eq!(db(None, "a").same_as(&db(None, "b")), Some(false));
    }
}
