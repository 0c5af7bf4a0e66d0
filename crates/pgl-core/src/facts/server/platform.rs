//! Which managed service runs the server, as far as it shows.

use serde::{Deserialize, Serialize};

use super::{Identity, ServerState};
use crate::facts::NotRun;
use crate::rights::Grantee;

/// Who runs the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// No sign of a managed service.
    SelfManaged,
    /// Amazon RDS.
    Rds,
    /// Amazon Aurora.
    Aurora,
    /// Google Cloud SQL.
    CloudSql,
    /// Google AlloyDB.
    AlloyDb,
    /// Azure Database for PostgreSQL.
    Azure,
}

impl Platform {
    /// The name that its users know.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SelfManaged => "self-managed",
            Self::Rds => "Amazon RDS",
            Self::Aurora => "Amazon Aurora",
            Self::CloudSql => "Google Cloud SQL",
            Self::AlloyDb => "Google AlloyDB",
            Self::Azure => "Azure Database for PostgreSQL",
        }
    }

    /// Whether somebody else holds the superuser.
    pub fn is_managed(self) -> bool {
        self != Self::SelfManaged
    }

    /// Whether parameters live in an AWS parameter group.
    pub fn is_aws(self) -> bool {
        matches!(self, Self::Rds | Self::Aurora)
    }
}

/// What only a managed service has: a function, or settings that begin like this. The first that a server has counts. Roles are
/// no sign: a dump of one server's roles brings them to another.
const SIGNS: &[(&str, Platform)] = &[
    ("aurora_version", Platform::Aurora),
    ("rds", Platform::Rds),
    ("alloydb", Platform::AlloyDb),
    ("cloudsql", Platform::CloudSql),
    ("azure", Platform::Azure),
];

impl Identity {
    /// Who runs the server.
    pub fn platform(&self) -> Platform {
        let has = |name: &str| self.markers.iter().any(|marker| marker == name);
        let sign = SIGNS.iter().find(|(name, _)| has(name));
        sign.map_or(Platform::SelfManaged, |(_, platform)| *platform)
    }

    /// A role of the server that lacks a right.
    pub fn grantee(&self, role: &str) -> Grantee {
        Grantee {
            role: role.to_owned(),
            platform: self.platform(),
            version: self.version,
        }
    }
}

impl ServerState {
    /// Who runs the server.
    pub fn platform(&self) -> Result<Platform, NotRun> {
        Ok(self.identity.get()?.platform())
    }

    /// A role of the server that lacks a right.
    pub fn grantee(&self, role: &str) -> Result<Grantee, NotRun> {
        Ok(self.identity.get()?.grantee(role))
    }
}
