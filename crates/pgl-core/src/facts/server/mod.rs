//! What was seen of one server as a whole. Each section is one query, so that a missing right
//! costs one section and not the others.

mod activity;
mod extensions;
mod locale;
mod pglogical;
mod platform;
mod replication;
mod roles;
mod settings;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{NotRun, Section};
use crate::pgl_schema::SchemaFact;
use crate::{Database, ServerVersion};

pub use activity::{Backends, OpenSession, Prepared, Volume, WriteRate};
pub use extensions::{AvailableExtension, Extension};
pub(crate) use locale::plain;
pub use locale::{CollationUse, DatabaseInfo};
pub use pglogical::{Pglogical, PglogicalSet, PglogicalSubscription, PglogicalVersion};
pub use platform::Platform;
pub use replication::{NativeSubscription, Origin, Publication, Sender, Slot};
pub use roles::{
    MANAGED_ADMINS, Membership, ParameterGrant, Password, Referenced, RelationRight, Rights, Role,
    SystemGrant, Truncator, Unpermitted, UnpermittedKind,
};
pub(crate) use settings::is_true;
pub use settings::{Override, Setting, WATCHED};

/// Sections of server-wide facts. Each corresponds to one query.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerState {
    /// Who and what we are connected to.
    pub identity: Section<Identity>,
    /// The settings that rules look at, as a new session of this role in this database gets them.
    pub settings: Section<Vec<Setting>>,
    /// `ALTER DATABASE … SET` and `ALTER ROLE … SET`, of every database and role.
    pub overrides: Section<Vec<Override>>,
    /// All roles.
    pub roles: Section<Vec<Role>>,
    /// What the connected role may do.
    pub rights: Section<Rights>,
    /// Tables and sequences on which the connected role lacks something, or that have row
    /// security. Empty for a superuser where no table has row security.
    pub relation_rights: Section<Vec<RelationRight>>,
    /// What else of the database and of its server the connected role may not alter or see, which a cutover does: no tables or
    /// sequences, which are in `relation_rights`.
    pub not_permitted: Section<Vec<Unpermitted>>,
    /// Owners and grantees of the database's objects.
    pub referenced_roles: Section<Vec<Referenced>>,
    /// Roles without superuser rights that may truncate a table.
    pub truncators: Section<Vec<Truncator>>,
    /// Grants on system objects that differ from what initdb made.
    pub system_grants: Section<Vec<SystemGrant>>,
    /// Privileges on settings; empty before 15.
    pub parameter_grants: Section<Vec<ParameterGrant>>,
    /// Roles that log in with a password; only a superuser may look.
    pub passwords: Section<Vec<Password>>,
    /// Processes by kind.
    pub backends: Section<Backends>,
    /// Sessions of this database, and transactions open anywhere in the cluster.
    pub sessions: Section<Vec<OpenSession>>,
    /// Prepared transactions of the whole cluster.
    pub prepared: Section<Vec<Prepared>>,
    /// Replication slots of the whole cluster.
    pub slots: Section<Vec<Slot>>,
    /// Walsenders of the whole cluster.
    pub senders: Section<Vec<Sender>>,
    /// Replication origins of the whole cluster; empty before 9.5.
    pub origins: Section<Vec<Origin>>,
    /// pglogical's catalogs in this database; null where the extension is not installed.
    pub pglogical: Section<Option<Pglogical>>,
    /// Who besides the connected role and superusers has a part in schemas `pgl` and `pglogical` of this database.
    pub own_schemas: Section<Vec<SchemaFact>>,
    /// Publications of this database; empty before 10.
    pub publications: Section<Vec<Publication>>,
    /// Native subscriptions of this database; empty before 10.
    pub subscriptions: Section<Vec<NativeSubscription>>,
    /// Installed extensions.
    pub extensions: Section<Vec<Extension>>,
    /// Extensions whose files are there.
    pub available: Section<Vec<AvailableExtension>>,
    /// Databases of the cluster.
    pub databases: Section<Vec<DatabaseInfo>>,
    /// Collations that columns and indexes of the database use, besides the default and C.
    pub collation_uses: Section<Vec<CollationUse>>,
    /// Names of the collations in `pg_catalog` that fit the database's encoding.
    pub catalog_collations: Section<Vec<String>>,
    /// A fixed list of words, in the order of the database's default collation.
    pub order_probe: Section<Vec<String>>,
    /// How much there is.
    pub volume: Section<Volume>,
    /// How fast it changes.
    pub write_rate: Section<WriteRate>,
}

/// Identity of the server, the database and the session.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// `server_version_num`.
    pub version: ServerVersion,
    /// Full `version()` text.
    pub version_text: String,
    /// Cluster identifier; null where the role may not read it.
    pub system_identifier: Option<String>,
    /// Database name.
    pub database: String,
    /// Session user.
    pub user: String,
    /// Whether the server is in recovery (a standby).
    pub in_recovery: bool,
    /// Whether the connection came over a network, not a Unix socket or the loopback interface.
    pub remote: bool,
    /// Negotiated TLS version of this connection; null without TLS, and before 9.5.
    pub tls: Option<String>,
    /// Start of the server, seconds since 1970: tells two servers apart where the system
    /// identifier does not.
    pub started_at: f64,
    /// Signs of a managed service: names of functions and prefixes of settings that only such a service has.
    pub markers: Vec<String>,
}

impl ServerState {
    /// Identity of the database that was connected to; none where it is unknown.
    pub fn as_database(&self) -> Option<Database> {
        let identity = self.identity.get().ok()?;
        Some(Database {
            system_identifier: identity.system_identifier.clone(),
            database: identity.database.clone(),
            server_version: identity.version,
        })
    }

    /// Server version.
    pub fn version(&self) -> Result<ServerVersion, NotRun> {
        Ok(self.identity.get()?.version)
    }

    /// The row of the database that was connected to.
    pub fn database(&self) -> Result<&DatabaseInfo, NotRun> {
        let name = &self.identity.get()?.database;
        self.databases
            .get()?
            .iter()
            .find(|database| database.name == *name)
            .ok_or_else(|| NotRun(format!("database {name} is not in pg_database")))
    }

    /// The role that was connected as.
    pub fn session_role(&self) -> Result<&Role, NotRun> {
        let name = &self.identity.get()?.user;
        self.role(name)?
            .ok_or_else(|| NotRun(format!("role {name} is not in pg_roles")))
    }

    /// A role by name; null where there is none of that name.
    pub fn role(&self, name: &str) -> Result<Option<&Role>, NotRun> {
        Ok(self.roles.get()?.iter().find(|role| role.name == name))
    }

    /// All roles, for many look-ups.
    pub fn roles_by_name(&self) -> Result<HashMap<&str, &Role>, NotRun> {
        let roles = self.roles.get()?.iter();
        Ok(roles.map(|role| (role.name.as_str(), role)).collect())
    }

    /// An installed extension.
    pub fn extension(&self, name: &str) -> Result<Option<&Extension>, NotRun> {
        Ok(self.extensions.get()?.iter().find(|ext| ext.name == name))
    }

    /// An extension whose files are there.
    pub fn available(&self, name: &str) -> Result<Option<&AvailableExtension>, NotRun> {
        Ok(self.available.get()?.iter().find(|ext| ext.name == name))
    }

    /// The release of pglogical that would be used: the one installed in the database, else the
    /// one whose files are there.
    pub fn pglogical_version(&self) -> Result<Option<PglogicalVersion>, NotRun> {
        let text = match self.extension("pglogical")? {
            Some(extension) => Some(extension.version.as_str()),
            None => self
                .available("pglogical")?
                .and_then(|extension| extension.default_version.as_deref()),
        };
        Ok(text.and_then(PglogicalVersion::parse))
    }
}
