//! Roles, what they may do, and where the database's objects name them.

use serde::{Deserialize, Serialize};

use super::Platform;

/// One row of `pg_roles`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Role {
    /// Name.
    pub name: String,
    /// May log in.
    pub login: bool,
    /// Is a superuser.
    pub superuser: bool,
    /// Has the REPLICATION attribute.
    pub replication: bool,
    /// Has BYPASSRLS.
    pub bypass_rls: bool,
    /// Names of the roles that it is a member of, directly or not, of a short list that gives
    /// rights of interest: the `pg_…` roles and those of managed services.
    pub member_of: Vec<String>,
    /// Connection limit; -1 for none.
    pub connection_limit: i32,
    /// Seconds until the password expires; null where it does not.
    pub expires_in_seconds: Option<f64>,
    /// Has CREATEROLE.
    pub createrole: bool,
    /// Inherits the rights of the roles that it is a member of; from 16 on the default of its memberships.
    pub inherit: bool,
    /// Has CREATEDB.
    pub createdb: bool,
    /// When its password expires, in UTC as SQL takes it; null where it does not.
    pub valid_until: Option<String>,
    /// Its comment.
    pub comment: Option<String>,
    /// Roles that it is a direct member of.
    pub memberships: Vec<Membership>,
    /// Whether the connected role may add members to it: from 16 on by ADMIN OPTION alone, before
    /// also by CREATEROLE.
    pub may_grant: bool,
    /// Whether the connected role may give objects to it: from 16 on by a membership that allows
    /// SET ROLE, before by any.
    pub may_become: bool,
    /// Whether pglogical's connections as this role are answered: USAGE on schema pglogical, and EXECUTE on
    /// `pglogical_node_info()`; null where there is no such function, and in facts that were recorded before it was read.
    pub asked_by_pglogical: Option<bool>,
}

/// A direct membership.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Membership {
    /// The role that it is a member of.
    pub role: String,
    /// ADMIN OPTION.
    pub admin: bool,
    /// INHERIT OPTION; null before 16, where the member's own attribute decides.
    pub inherit: Option<bool>,
    /// SET OPTION; null before 16, where every member may SET ROLE.
    pub set: Option<bool>,
}

/// That a role has a password.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Password {
    /// The role.
    pub role: String,
    /// Kept as an MD5 hash.
    pub md5: bool,
}

impl Role {
    /// Names of the roles that it is a direct member of.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.memberships.iter().map(|one| one.role.as_str())
    }

    /// Whether it is a superuser, or what a managed service gives in its place.
    pub fn is_admin(&self, platform: Platform) -> bool {
        self.superuser || platform.is_managed() && self.is_member_of(MANAGED_ADMINS)
    }

    /// Whether it may use replication connections.
    pub fn may_replicate(&self, platform: Platform) -> bool {
        let by_membership = || platform.is_aws() && self.is_member_of(&["rds_replication"]);
        self.superuser || self.replication || by_membership()
    }

    /// Whether it is a member of one of the given roles.
    pub fn is_member_of(&self, names: &[&str]) -> bool {
        self.member_of
            .iter()
            .any(|role| names.contains(&role.as_str()))
    }
}

/// The roles that managed services give in place of superuser.
pub const MANAGED_ADMINS: &[&str] = &[
    "rds_superuser",
    "cloudsqlsuperuser",
    "alloydbsuperuser",
    "azure_pg_admin",
];

/// What the connected role may do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rights {
    /// CREATE on the database.
    pub create_on_database: bool,
    /// USAGE on schema pglogical; null where there is no such schema.
    pub pglogical_usage: Option<bool>,
    /// Whether it may set `session_replication_role`.
    pub set_replication_role: bool,
    /// Whether it may let others use schema pglogical; null where there is no such schema.
    pub grant_pglogical_usage: Option<bool>,
    /// What it lacks of the functions and of the privileges on pglogical's tables that are in [`crate::rights::RIGHTS`];
    /// null in facts that were recorded before they were read.
    pub lacking: Option<Vec<String>>,
}

/// A table or sequence and what the connected role lacks on it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RelationRight {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Whether it is a sequence.
    pub sequence: bool,
    /// USAGE on the schema.
    pub usage: bool,
    /// SELECT on the relation.
    pub select: bool,
    /// Whether the role is the owner or a member of it.
    pub owner: bool,
    /// Its owner; null in facts that were recorded before it was read.
    pub owned_by: Option<String>,
    /// Whether row security would hide rows from the role, or stop its COPY FROM.
    pub row_security: bool,
}

/// Kind of what the connected role may not lock, alter or see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnpermittedKind {
    /// A table of the role.
    Table,
    /// A sequence of the role.
    Sequence,
    /// The database, which the role owns.
    Database,
    /// An event trigger of the role, which would fire while rows are applied.
    EventTrigger,
    /// The role itself.
    Role,
    /// Sessions of others, which members of the role see or end.
    Sessions,
}

/// Something that the connected role may not lock, alter or see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpermitted {
    /// What it is.
    pub kind: UnpermittedKind,
    /// Its schema, where it is a table or sequence.
    pub schema: Option<String>,
    /// Its name; empty of sessions.
    pub name: String,
    /// The role that a membership would have to be in.
    pub role: String,
    /// Whether that role is a superuser, of which nobody can be a member on a service.
    pub superuser: bool,
    /// Whether the connected role has CREATEROLE.
    pub createrole: bool,
}

/// A role that owns objects of the database or is granted something on them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Referenced {
    /// Role.
    pub role: String,
    /// Whether it is a superuser.
    pub superuser: bool,
    /// Relations, functions, types and schemas that it owns, extensions' own left out.
    pub owned: u64,
    /// Objects whose privileges or policies name it.
    pub granted: u64,
}

/// A role that may truncate tables.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Truncator {
    /// Role; `public` stands for everyone.
    pub role: String,
    /// How many tables.
    pub tables: u64,
    /// One of them, for the finding.
    pub example: String,
    /// USAGE on schema pglogical; null where there is no such schema.
    pub pglogical_usage: Option<bool>,
}

/// A system object whose privileges differ from what initdb made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SystemGrant {
    /// `table pg_authid`, `function pg_ls_dir`.
    pub object: String,
}

/// A privilege on a setting.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ParameterGrant {
    /// The setting.
    pub parameter: String,
    /// Who has the privilege; null for PUBLIC.
    pub grantee: Option<String>,
    /// `SET` or `ALTER SYSTEM`.
    pub privilege: String,
    /// Whether it may be given on.
    pub grantable: bool,
}
