//! The rights that the steps of a migration need, and who can give them. The checks and pgl-cutover's preconditions take from
//! here what they say, and the table in README.md is made of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::cutover::Refusal;
use crate::facts::server::Platform;
use crate::name::show_ident;
use crate::{ServerVersion, Side, quote_ident};

/// The statement that takes EXECUTE on pglogical's functions from PUBLIC. They are nobody's to call who only truncates: they remove
/// tables from sets, subscribe to other servers and replicate DDL.
pub const REVOKE_EXECUTE: &str = "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA pglogical FROM PUBLIC";

/// The statement that lets every role use pglogical's schema. While the extension is there, the server looks into that
/// schema at every DROP of anything, temporary tables too, and in the trigger that a replication set puts on a table
/// for TRUNCATE: both fail for a role that may not.
pub const LET_EVERYBODY_USE: &str = "GRANT USAGE ON SCHEMA pglogical TO PUBLIC";

/// Id of the precondition of a cutover about rights.
pub const PERMISSIONS: &str = "cut.permissions";

/// A right of the role that the tools connect as, where it names no other.
#[derive(Debug)]
pub struct Right {
    /// Its name.
    pub name: &'static str,
    /// The server; none where it is needed on both.
    pub side: Option<Side>,
    /// What is not possible without it.
    pub needed_for: &'static str,
    /// What to do instead of giving it; empty where there is nothing.
    pub otherwise: &'static str,
    /// Functions that have to be executed.
    pub functions: &'static [&'static str],
    /// Tables of pglogical, each with a privilege on it.
    pub tables: &'static [(&'static str, &'static str)],
    /// Who gives it, if not a superuser or the service's administrator; else empty.
    pub given_by: &'static str,
    /// How it is given on a server of one's own.
    pub own: Given,
    /// The first major version where that is enough; before it only a superuser has the right.
    pub since: u32,
    /// How it is given on Amazon RDS and Aurora.
    pub amazon: Given,
    /// On Google Cloud SQL.
    pub cloud_sql: Given,
    /// On Google AlloyDB.
    pub alloy_db: Given,
    /// On Azure Database for PostgreSQL.
    pub azure: Given,
    /// The checks and preconditions that report that it is missing.
    pub found_by: &'static [&'static str],
}

/// How a right is given.
#[derive(Debug, Clone, Copy)]
pub enum Given {
    /// As on a server of one's own, by the service's administrator.
    Same,
    /// By EXECUTE on the functions and the privileges on the tables.
    Grants,
    /// By a statement; `{role}` stands for the role, `{object}` for what it is given.
    Sql(&'static str),
    /// As on a server of one's own, but by nobody who is a customer of the service.
    ByService,
    /// By something else.
    Words(&'static str),
}

const ANY: Right = Right {
    name: "",
    side: None,
    needed_for: "",
    otherwise: "",
    functions: &[],
    tables: &[],
    given_by: "",
    own: Given::Grants,
    since: 0,
    amazon: Given::Same,
    cloud_sql: Given::Same,
    alloy_db: Given::Same,
    azure: Given::Same,
    found_by: &[],
};

const A_SUPERUSER: &str = "a superuser";
const BY_SERVICE: &str =
    "Only a superuser of the service can give it: ask its support, or do without.";

const INSTEAD_OF_REVERSE: &str = "run this without --reverse";
const LEAVE_OUT: &str = "leave the table out (pgl-preflight --exclude-table)";

/// Functions of replication origins and tables of pglogical, which superusers may use.
const INTERNAL: Right = Right {
    since: 14,
    amazon: Given::ByService,
    cloud_sql: Given::ByService,
    alloy_db: Given::ByService,
    azure: Given::ByService,
    ..ANY
};

/// To be an administrator.
pub const ADMINISTRATOR: Right = Right {
    name: "superuser, or the service's role of administrators",
    needed_for: "everything: pglogical's extension, nodes and subscriptions",
    own: Given::Sql("ALTER ROLE {role} SUPERUSER;"),
    amazon: Given::Sql("GRANT rds_superuser TO {role};"),
    cloud_sql: Given::Sql("GRANT cloudsqlsuperuser TO {role};"),
    alloy_db: Given::Sql("GRANT alloydbsuperuser TO {role};"),
    azure: Given::Sql("GRANT azure_pg_admin TO {role};"),
    found_by: &["role.superuser_or_equiv"],
    ..ANY
};

/// To replicate.
pub const REPLICATION: Right = Right {
    name: "REPLICATION, of the role in `--provider-dsn`",
    side: Some(Side::Source),
    needed_for: "replication",
    own: Given::Sql("ALTER ROLE {role} REPLICATION;"),
    amazon: Given::Sql("GRANT rds_replication TO {role};"),
    found_by: &["role.replication"],
    ..ANY
};

/// To replicate back.
pub const REVERSE_REPLICATION: Right = Right {
    name: "REPLICATION, of the role in `--reverse-dsn`",
    side: Some(Side::Target),
    needed_for: "`pgl-cutover --reverse`",
    otherwise: INSTEAD_OF_REVERSE,
    found_by: &["role.replication", PERMISSIONS],
    ..REPLICATION
};

/// To read pglogical's catalogs.
pub const READ_PGLOGICAL: Right = Right {
    name: "USAGE on schema `pglogical` and SELECT on its tables, of the role in `--provider-dsn`",
    side: Some(Side::Source),
    needed_for: "replication",
    own: Given::Sql(
        "GRANT USAGE ON SCHEMA pglogical TO {role};\nGRANT SELECT ON ALL TABLES IN SCHEMA pglogical TO {role};",
    ),
    found_by: &["role.pglogical_schema_usage"],
    ..ANY
};

/// To be asked by pglogical for the node that a reverse subscription is of.
pub const REVERSE_READ_PGLOGICAL: Right = Right {
    name: "USAGE on schema `pglogical` and EXECUTE on `pglogical.pglogical_node_info()`, of the role in `--reverse-dsn`",
    side: Some(Side::Target),
    needed_for: "`pgl-cutover --reverse`",
    otherwise: INSTEAD_OF_REVERSE,
    own: Given::Sql(
        "GRANT USAGE ON SCHEMA pglogical TO {role};\nGRANT EXECUTE ON FUNCTION pglogical.pglogical_node_info() TO {role};",
    ),
    found_by: &["role.pglogical_schema_usage", PERMISSIONS],
    ..ANY
};

/// To read tables.
pub const READ_TABLES: Right = Right {
    name: "USAGE on the schemas, SELECT on the tables",
    side: Some(Side::Source),
    needed_for: "the copy, pgl-verify",
    otherwise: LEAVE_OUT,
    own: Given::Sql(
        "GRANT USAGE ON SCHEMA {object} TO {role};\nGRANT SELECT ON ALL TABLES IN SCHEMA {object} TO {role};",
    ),
    found_by: &["role.select_tables"],
    ..ANY
};

/// To read sequences.
pub const READ_SEQUENCES: Right = Right {
    name: "USAGE on the schemas, SELECT on the sequences",
    needed_for: "pgl-seqsync, pgl-cutover",
    otherwise: "",
    own: Given::Sql(
        "GRANT USAGE ON SCHEMA {object} TO {role};\nGRANT SELECT ON ALL SEQUENCES IN SCHEMA {object} TO {role};",
    ),
    found_by: &["role.select_sequences"],
    ..READ_TABLES
};

/// To be what owners are.
pub const OWNERS: Right = Right {
    name: "membership in the owners of the database, its tables and sequences",
    needed_for: "replication sets; pgl-cutover: locks, write-block triggers, the database's settings",
    otherwise: LEAVE_OUT,
    own: Given::Sql("GRANT {object} TO {role};"),
    found_by: &["role.owner_of_tables", PERMISSIONS],
    ..ANY
};

/// To be what superusers are that own something: nobody becomes a member of one on a service.
pub const OWNED_BY_SUPERUSER: Right = Right {
    name: "ownership of the database, its tables and sequences, where a superuser owns them",
    own: Given::Sql("ALTER {object} OWNER TO {role};"),
    amazon: Given::ByService,
    cloud_sql: Given::ByService,
    alloy_db: Given::ByService,
    azure: Given::ByService,
    ..OWNERS
};

/// To see and write all rows.
pub const ROW_SECURITY: Right = Right {
    name: "BYPASSRLS, where tables have row security",
    needed_for: "the copy",
    otherwise: LEAVE_OUT,
    own: Given::Sql("ALTER ROLE {role} BYPASSRLS;"),
    found_by: &["role.bypassrls", "role.write_target_rls"],
    ..ANY
};

/// To make schemas.
pub const CREATE: Right = Right {
    name: "CREATE on the database",
    side: Some(Side::Target),
    needed_for: "pgl-setup: the schema",
    own: Given::Sql("GRANT CREATE ON DATABASE {object} TO {role};"),
    found_by: &["role.create_on_db"],
    ..ANY
};

const BY_ITS_ADMINISTRATOR: Given =
    Given::Words("Connect as the administrator that the service has given you.");

/// To write without triggers.
pub const REPLICATION_ROLE: Right = Right {
    name: "SET on `session_replication_role`",
    side: Some(Side::Target),
    needed_for: "the copy",
    own: Given::Sql("GRANT SET ON PARAMETER session_replication_role TO {role};"),
    since: 15,
    amazon: BY_ITS_ADMINISTRATOR,
    cloud_sql: Given::Words(
        "Google Cloud SQL gives this right to no role of a customer: it may be the source of a migration, and not its target.",
    ),
    alloy_db: BY_ITS_ADMINISTRATOR,
    azure: BY_ITS_ADMINISTRATOR,
    found_by: &["role.set_replication_role"],
    ..ANY
};

/// To make roles.
pub const CREATE_ROLES: Right = Right {
    name: "CREATEROLE",
    side: Some(Side::Target),
    needed_for: "`pgl-setup --roles copy`",
    otherwise: "let somebody who has it create the roles that are missing",
    own: Given::Sql("ALTER ROLE {role} CREATEROLE;"),
    found_by: &["role.createrole"],
    ..ANY
};

/// To add members to groups.
pub const GROUPS: Right = Right {
    name: "ADMIN OPTION on the groups of the new roles, from 16 on",
    own: Given::Sql("GRANT {object} TO {role} WITH ADMIN OPTION;"),
    found_by: &["role.admin_option"],
    ..CREATE_ROLES
};

/// To give objects away.
pub const GIVE_AWAY: Right = Right {
    name: "membership in the owners of the source's objects, from 16 on with SET",
    side: Some(Side::Target),
    needed_for: "pgl-setup: the schema",
    own: Given::Sql("GRANT {object} TO {role};"),
    found_by: &["role.set_owner"],
    ..ANY
};

/// To let others truncate.
pub const GRANT_USAGE: Right = Right {
    name: "ownership of schema `pglogical`, where other roles may TRUNCATE tables and have no USAGE on it",
    side: Some(Side::Source),
    needed_for: "pgl-setup: TRUNCATE of replicated tables by such roles",
    given_by: "the owner of schema pglogical",
    own: Given::Sql(
        // REVOKE_EXECUTE, and a grant to those who need it.
        "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA pglogical FROM PUBLIC;\nGRANT USAGE ON SCHEMA pglogical TO {object};",
    ),
    found_by: &["role.truncate_rights"],
    ..ANY
};

const START: Right = Right {
    name: "EXECUTE on functions that make and move a replication origin, INSERT and UPDATE on `pglogical.local_sync_status`",
    functions: &[
        "pg_replication_origin_create(text)",
        "pg_replication_origin_advance(text, pg_lsn)",
    ],
    tables: &[
        ("pglogical.local_sync_status", "INSERT"),
        ("pglogical.local_sync_status", "UPDATE"),
    ],
    ..INTERNAL
};

/// To begin the replication of a table at a position.
pub const ADD_TABLE: Right = Right {
    side: Some(Side::Target),
    needed_for: "`pgl-control add-table`",
    found_by: &["role.origin_functions"],
    ..START
};

/// To disable what would fire for rows that are applied.
pub const EVENT_TRIGGERS: Right = Right {
    name: "membership in the owners of event triggers that are ENABLE ALWAYS or REPLICA",
    side: Some(Side::Source),
    needed_for: "`pgl-cutover --reverse`",
    otherwise: INSTEAD_OF_REVERSE,
    own: Given::Sql("GRANT {object} TO {role};"),
    found_by: &["role.cutover_rights", PERMISSIONS],
    ..ANY
};

/// The same, where superusers own it.
pub const EVENT_TRIGGERS_OF_SUPERUSER: Right = Right {
    name: "superuser, where superusers have event triggers that are ENABLE ALWAYS or REPLICA",
    own: Given::Sql("ALTER EVENT TRIGGER {object} DISABLE;"),
    amazon: Given::ByService,
    cloud_sql: Given::ByService,
    alloy_db: Given::ByService,
    azure: Given::ByService,
    ..EVENT_TRIGGERS
};

/// To begin reverse replication at a position.
pub const REVERSE: Right = Right {
    side: Some(Side::Source),
    needed_for: "`pgl-cutover --reverse`",
    otherwise: INSTEAD_OF_REVERSE,
    found_by: &["role.origin_functions", PERMISSIONS],
    ..START
};

/// To give rows that are copied an origin.
pub const MARK_ROWS: Right = Right {
    name: "EXECUTE on functions that give rows a replication origin",
    side: Some(Side::Target),
    needed_for: "`pgl-cutover --reverse` where tables are copied again",
    otherwise: INSTEAD_OF_REVERSE,
    functions: &[
        "pg_replication_origin_oid(text)",
        "pg_replication_origin_create(text)",
        // It has another argument from 19 on.
        "pg_replication_origin_session_setup",
        "pg_replication_origin_session_reset()",
        "pg_replication_origin_drop(text)",
    ],
    found_by: &["role.origin_functions", PERMISSIONS],
    ..INTERNAL
};

/// To drop an origin that nothing uses any more.
pub const DROP_ORIGIN: Right = Right {
    name: "EXECUTE on the function that drops a replication origin",
    needed_for: "pgl-teardown, where it has to drop a replication origin by itself",
    functions: &["pg_replication_origin_drop(text)"],
    found_by: &["role.origin_functions"],
    ..INTERNAL
};

/// To move the target's position.
pub const SKIP: Right = Right {
    name: "EXECUTE on functions that read and move the target's position",
    side: Some(Side::Target),
    needed_for: "`pgl-control skip`",
    functions: &[
        "pg_show_replication_origin_status()",
        "pg_replication_origin_progress(text, boolean)",
        "pg_replication_origin_advance(text, pg_lsn)",
    ],
    found_by: &["role.origin_functions"],
    ..INTERNAL
};

/// To change how the source reaches itself.
pub const NODE_DSN: Right = Right {
    name: "SELECT and UPDATE on `pglogical.node_interface`",
    side: Some(Side::Source),
    needed_for: "`pgl-cutover --reverse-subscriber-dsn`",
    otherwise: "run this without --reverse-subscriber-dsn",
    tables: &[
        ("pglogical.node_interface", "SELECT"),
        ("pglogical.node_interface", "UPDATE"),
    ],
    found_by: &["role.origin_functions", PERMISSIONS],
    since: 0,
    ..INTERNAL
};

/// To end sessions.
pub const SIGNAL: Right = Right {
    name: "membership in `pg_signal_backend`",
    needed_for: "pgl-cutover",
    own: Given::Sql("GRANT pg_signal_backend TO {role};"),
    found_by: &["role.signal_backend", PERMISSIONS],
    ..ANY
};

/// To see sessions.
pub const SEE_SESSIONS: Right = Right {
    name: "membership in `pg_read_all_stats`, which `pg_monitor` brings",
    needed_for: "pgl-cutover",
    own: Given::Sql("GRANT pg_read_all_stats TO {role};"),
    found_by: &["role.signal_backend", PERMISSIONS],
    ..ANY
};

/// To change what roles set for themselves.
pub const ROLE_SETTINGS: Right = Right {
    name: "CREATEROLE, where roles have a `default_transaction_read_only` of their own",
    needed_for: "pgl-cutover",
    own: Given::Sql("ALTER ROLE {role} CREATEROLE;"),
    found_by: &["role.cutover_rights", PERMISSIONS],
    ..ANY
};

/// To change what single roles set for themselves.
pub const SETTINGS_OF_ROLE: Right = Right {
    name: "ADMIN OPTION on roles that have a `default_transaction_read_only` of their own, from 16 on",
    own: Given::Sql("GRANT {object} TO {role} WITH ADMIN OPTION;"),
    ..ROLE_SETTINGS
};

/// To change what superusers set for themselves.
pub const SETTINGS_OF_SUPERUSER: Right = Right {
    name: "superuser, where superusers have a `default_transaction_read_only` of their own",
    own: Given::Sql("ALTER ROLE {object} RESET default_transaction_read_only;"),
    amazon: Given::ByService,
    cloud_sql: Given::ByService,
    alloy_db: Given::ByService,
    azure: Given::ByService,
    ..ROLE_SETTINGS
};

/// To set sequences.
pub const SET_SEQUENCES: Right = Right {
    name: "UPDATE on the sequences",
    side: Some(Side::Target),
    needed_for: "pgl-seqsync, pgl-cutover",
    own: Given::Sql("GRANT UPDATE ON SEQUENCE {object} TO {role};"),
    found_by: &["cut.sequences"],
    ..ANY
};

/// To lock large objects.
pub const LARGE_OBJECTS: Right = Right {
    name: "superuser, where sessions of superusers stay open",
    side: Some(Side::Source),
    needed_for: "`pgl-cutover --large-objects`",
    otherwise: "have these sessions ended",
    own: Given::Sql("ALTER ROLE {role} SUPERUSER;"),
    amazon: Given::ByService,
    cloud_sql: Given::ByService,
    alloy_db: Given::ByService,
    azure: Given::ByService,
    found_by: &["cut.large_objects"],
    ..ANY
};

/// To connect to the source.
pub const NETWORK: Right = Right {
    name: "`pg_hba.conf` and firewall: the target server's address, for the role in `--provider-dsn`",
    side: Some(Side::Source),
    needed_for: "replication",
    otherwise: "give `--provider-dsn` as the target's server has to read it",
    own: Given::Words("Add a line to `pg_hba.conf` and run `pg_reload_conf()`."),
    amazon: Given::Words("Let the address in by the instance's security groups."),
    cloud_sql: Given::Words("Add the address to the instance's authorized networks."),
    alloy_db: Given::Words("Let the address in by the cluster's networks."),
    azure: Given::Words("Let the address in by the server's firewall rules."),
    found_by: &["conn.server_to_server"],
    ..ANY
};

/// The table, in the order of a migration.
pub const RIGHTS: &[Right] = &[
    ADMINISTRATOR,
    NETWORK,
    REPLICATION,
    READ_PGLOGICAL,
    READ_TABLES,
    READ_SEQUENCES,
    OWNERS,
    OWNED_BY_SUPERUSER,
    GRANT_USAGE,
    ROW_SECURITY,
    CREATE,
    REPLICATION_ROLE,
    CREATE_ROLES,
    GROUPS,
    GIVE_AWAY,
    ADD_TABLE,
    SKIP,
    SIGNAL,
    SEE_SESSIONS,
    ROLE_SETTINGS,
    SETTINGS_OF_ROLE,
    SETTINGS_OF_SUPERUSER,
    SET_SEQUENCES,
    LARGE_OBJECTS,
    REVERSE_REPLICATION,
    REVERSE_READ_PGLOGICAL,
    REVERSE,
    EVENT_TRIGGERS,
    EVENT_TRIGGERS_OF_SUPERUSER,
    MARK_ROWS,
    NODE_DSN,
    DROP_ORIGIN,
];

/// A role that lacks a right, and its server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grantee {
    /// Name.
    pub role: String,
    /// Who runs the server.
    pub platform: Platform,
    /// Its version.
    pub version: ServerVersion,
}

/// How a right is given to a role on its server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// By statements of this role.
    Sql(&'static str, String),
    /// By statements of nobody who is a customer of the service.
    ByService(String),
    /// By something else.
    Words(&'static str),
}

impl Right {
    /// How it is given, for an object (quoted, if any).
    fn way(&self, grantee: &Grantee, object: &str) -> Way {
        let on_service = match grantee.platform {
            Platform::SelfManaged => Given::Same,
            Platform::Rds | Platform::Aurora => self.amazon,
            Platform::CloudSql => self.cloud_sql,
            Platform::AlloyDb => self.alloy_db,
            Platform::Azure => self.azure,
        };
        let statements = |given| match given {
            Given::Sql(sql) => sql
                .replace("{role}", &quote_ident(&grantee.role))
                .replace("{object}", object),
            _ => self.grants(&quote_ident(&grantee.role)).join("\n"),
        };
        let by = match grantee.platform.is_managed() {
            _ if !self.given_by.is_empty() => self.given_by,
            true => "the service's administrator",
            false => A_SUPERUSER,
        };
        match on_service {
            Given::Same if !grantee.version.at_least(self.since) => Way::Words(
                "Connect as a superuser: this version lets no other role have the right.",
            ),
            Given::Same => match self.own {
                Given::Words(words) => Way::Words(words),
                own => Way::Sql(by, statements(own)),
            },
            Given::ByService => Way::ByService(statements(self.own)),
            Given::Words(words) => Way::Words(words),
            other => Way::Sql(by, statements(other)),
        }
    }

    /// The statements that give it, for an object (quoted, if any), where a user of the server may run them.
    pub fn sql(&self, grantee: &Grantee, object: &str) -> Option<String> {
        match self.way(grantee, object) {
            Way::Sql(_, sql) => Some(sql),
            Way::ByService(_) | Way::Words(_) => None,
        }
    }

    /// What to do, beside the statements, and what is not possible without it.
    pub fn remedy(&self, grantee: &Grantee) -> String {
        let mut text = match self.way(grantee, "") {
            Way::Sql(A_SUPERUSER, _) => {
                "Let a superuser run the statement, or connect as one.".to_owned()
            }
            Way::Sql(by, _) => format!("Let {by} run the statement."),
            Way::ByService(_) => BY_SERVICE.to_owned(),
            Way::Words(words) => words.to_owned(),
        };
        if !self.otherwise.is_empty() {
            text = format!("{}; or {}.", text.trim_end_matches('.'), self.otherwise);
        }
        text.push_str(&format!(" Without it not possible: {}.", self.needed_for));
        text.replace('`', "")
    }

    /// What to do, where neither the role nor its server is known.
    pub(crate) fn in_words(&self, side: Side) -> String {
        let how = self.shown().replace("<br>", "; ").replace('`', "");
        format!("on the {side}: {how}")
    }

    /// What to do, with the statements.
    pub fn hint(&self, side: Side, grantee: &Grantee) -> String {
        hint(side, grantee, &[(self, String::new())])
    }

    /// The statements that grant the functions and the privileges on tables.
    pub fn grants(&self, grantee: &str) -> Vec<String> {
        let mut all = Vec::new();
        if !self.functions.is_empty() {
            let functions = self.functions.join(", ");
            all.push(format!(
                "GRANT EXECUTE ON FUNCTION {functions} TO {grantee};"
            ));
        }
        if let Some((table, _)) = self.tables.first() {
            let privileges: Vec<&str> = self.tables.iter().map(|(_, one)| *one).collect();
            let privileges = privileges.join(", ");
            all.push(format!("GRANT {privileges} ON {table} TO {grantee};"));
        }
        all
    }

    /// Those of its functions and privileges that are among the `lacking` ones.
    pub fn missing<'a>(&self, lacking: &'a [String]) -> Vec<&'a str> {
        let of_it = |name: &&str| {
            self.functions.contains(name) || self.tables.iter().any(|one| privilege(one) == *name)
        };
        lacking.iter().map(String::as_str).filter(of_it).collect()
    }

    /// The refusal of a cutover that needs it.
    pub fn refusal(&self, side: Side, grantee: &Grantee) -> Refusal {
        Refusal {
            id: PERMISSIONS.to_owned(),
            what: format!(
                "on the {side} role {} lacks a right that {} needs: {}",
                show_ident(&grantee.role),
                self.needed_for,
                self.name
            )
            .replace('`', ""),
            hint: self.hint(side, grantee),
        }
    }

    /// How it is given, for people: on a server of one's own, and where a service is different.
    fn shown(&self) -> String {
        let show = |given: &Given| match given {
            Given::Same => None,
            Given::Grants => Some(code(&self.grants("…").join(" "))),
            Given::Sql(sql) => {
                let sql = sql.replace("{role}", "…").replace("{object}", "…");
                Some(code(&sql.replace('\n', " ")))
            }
            Given::ByService => Some(BY_SERVICE.to_owned()),
            Given::Words(words) => Some((*words).to_owned()),
        };
        let mut text = show(&self.own).unwrap_or_default();
        if !self.given_by.is_empty() {
            text = format!("{}: {text}", self.given_by);
        }
        if self.since > 0 {
            text.push_str(&format!(" ({} and later)", self.since));
        }
        let services = [
            ("Amazon", &self.amazon),
            ("Cloud SQL", &self.cloud_sql),
            ("AlloyDB", &self.alloy_db),
            ("Azure", &self.azure),
        ];
        let mut said: Vec<(Vec<&str>, String)> = Vec::new();
        for (name, given) in services {
            let Some(how) = show(given) else { continue };
            match said.iter_mut().find(|(_, other)| *other == how) {
                Some((names, _)) => names.push(name),
                None => said.push((vec![name], how)),
            }
        }
        for (names, how) in said {
            let names = match names.len() {
                4 => "On a service".to_owned(),
                _ => names.join(", "),
            };
            text.push_str(&format!("<br>{names}: {how}"));
        }
        text
    }
}

/// What to do to give several rights, each for an object (quoted, if any).
pub fn hint(side: Side, grantee: &Grantee, lacking: &[(&Right, String)]) -> String {
    let ways: BTreeSet<Way> = lacking
        .iter()
        .map(|(right, object)| right.way(grantee, object))
        .collect();
    let (mut by_whom, mut said): (BTreeMap<&str, Vec<String>>, Vec<String>) = Default::default();
    for way in ways {
        match way {
            Way::Sql(by, sql) => by_whom.entry(by).or_default().push(sql),
            Way::ByService(sql) => by_whom
                .entry("a superuser of the service, whose support can be asked")
                .or_default()
                .push(sql),
            Way::Words(words) => said.push(words.to_owned()),
        }
    }
    let by_whom = by_whom.into_iter().map(|(by, all)| {
        let all = all.join("\n");
        let all = all.lines().map(|one| one.trim_end_matches(';'));
        format!(
            "on the {side}, as {by}: {}",
            all.collect::<Vec<_>>().join("; ")
        )
    });
    let mut parts: Vec<String> = by_whom.collect();
    parts.extend(said.iter().map(|words| {
        let words = words.trim_end_matches('.');
        format!("on the {side}: {words}")
    }));
    let otherwise: BTreeSet<&str> = lacking.iter().map(|(right, _)| right.otherwise).collect();
    let otherwise = otherwise.into_iter().filter(|words| !words.is_empty());
    parts.extend(otherwise.map(|words| format!("or {words}")));
    parts.join("; ").replace('`', "")
}

/// What to do about what a check has found, without knowing the server; none where no right is lacking.
pub(crate) fn remedy_of(check: &str) -> Option<String> {
    let rights = RIGHTS.iter().filter(|one| one.found_by.contains(&check));
    let names: BTreeSet<&str> = rights.map(|one| one.name).collect();
    let names: Vec<&str> = names.into_iter().collect();
    (!names.is_empty()).then(|| format!("Give the right: {}.", names.join("; ")).replace('`', ""))
}

fn code(sql: &str) -> String {
    format!("`{}`", sql.trim_end_matches(';'))
}

/// How a privilege on a table is called among those that a role lacks.
pub fn privilege((table, privilege): &(&str, &str)) -> String {
    format!("{privilege} on {table}")
}

/// The table for README.md.
pub fn markdown() -> String {
    let mut text = String::from(
        "| right | on | needed for | who gives it: a superuser, or the service's administrator | found by |\n|---|---|---|---|---|\n",
    );
    for right in RIGHTS {
        let side = right.side.map_or("both", Side::as_str);
        let found_by: Vec<String> = right.found_by.iter().map(|id| format!("`{id}`")).collect();
        text.push_str(&format!(
            "| {} | {side} | {} | {} | {} |\n",
            right.name,
            right.needed_for,
            right.shown(),
            found_by.join(", ")
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cutover::can_be_forced;

    #[test]
    fn every_right_is_looked_at_before_anything_is_changed() {
        for right in RIGHTS {
            assert!(!right.found_by.is_empty(), "{}", right.name);
            for id in right.found_by {
                assert!(can_be_forced(id), "{}: {id}", right.name);
            }
        }
    }

    #[test]
    fn a_right_is_given_as_the_platform_gives_it() {
        let (old, new) = (ServerVersion(130_016), ServerVersion(170_011));
        let grantee = |platform, version| Grantee {
            role: "a".to_owned(),
            platform,
            version,
        };
        let sql = |right: &Right, platform, version| {
            let grantee = grantee(platform, version);
            right
                .sql(&grantee, "")
                .unwrap_or_else(|| right.remedy(&grantee))
        };
        assert_eq!(
            sql(&REPLICATION, Platform::Aurora, old),
            "GRANT rds_replication TO \"a\";"
        );
        assert_eq!(
            sql(&REPLICATION, Platform::Azure, old),
            "ALTER ROLE \"a\" REPLICATION;"
        );
        assert_eq!(
            sql(&REVERSE, Platform::SelfManaged, new),
            "GRANT EXECUTE ON FUNCTION pg_replication_origin_create(text), pg_replication_origin_advance(text, pg_lsn) TO \"a\";\n\
             GRANT INSERT, UPDATE ON pglogical.local_sync_status TO \"a\";"
        );
        assert!(sql(&REVERSE, Platform::SelfManaged, old).starts_with("Connect as a superuser"));
        assert_eq!(
            sql(&REVERSE, Platform::Rds, new),
            "Only a superuser of the service can give it: ask its support, or do without; \
             or run this without --reverse. Without it not possible: pgl-cutover --reverse."
        );
        assert_eq!(
            OWNERS.remedy(&grantee(Platform::CloudSql, old)),
            "Let the service's administrator run the statement; or leave the table out \
             (pgl-preflight --exclude-table). Without it not possible: replication sets; \
             pgl-cutover: locks, write-block triggers, the database's settings."
        );
    }

    #[test]
    fn several_rights_are_given_together() {
        let grantee = Grantee {
            role: "me".to_owned(),
            platform: Platform::Rds,
            version: ServerVersion(130_016),
        };
        let lacking = [
            (&OWNERS, "\"app\""),
            (&OWNED_BY_SUPERUSER, "TABLE public.t"),
            (&SIGNAL, ""),
            (&OWNERS, "\"app\""),
            (&REPLICATION_ROLE, ""),
        ]
        .map(|(right, object)| (right, object.to_owned()));
        assert_eq!(
            hint(Side::Source, &grantee, &lacking),
            "on the source, as a superuser of the service, whose support can be asked: ALTER TABLE public.t OWNER TO \"me\"; \
             on the source, as the service's administrator: GRANT \"app\" TO \"me\"; GRANT pg_signal_backend TO \"me\"; \
             on the source: Connect as the administrator that the service has given you; \
             or leave the table out (pgl-preflight --exclude-table)"
        );
    }

    #[test]
    fn the_statement_is_that_of_setup() {
        let Given::Sql(sql) = GRANT_USAGE.own else {
            panic!("{:?}", GRANT_USAGE.own)
        };
        assert!(sql.starts_with(&format!("{REVOKE_EXECUTE};")));
        assert!(sql.ends_with(&LET_EVERYBODY_USE.replace("PUBLIC", "{object};")));
    }
}
