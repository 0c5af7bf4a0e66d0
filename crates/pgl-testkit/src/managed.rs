//! A cluster as a managed service hands it over: its superuser belongs to the service.

use anyhow::{Context, Result};
use postgres::Client;

use crate::cluster::{Cluster, quote};

/// Who runs a server, as far as it shows to a customer; each as its provider describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Amazon RDS for PostgreSQL.
    Rds,
    /// Amazon Aurora: RDS with a function of its own.
    Aurora,
    /// Google Cloud SQL, where no customer may set `session_replication_role`.
    CloudSql,
    /// Google AlloyDB.
    AlloyDb,
    /// Azure Database for PostgreSQL.
    Azure,
}

impl Service {
    /// The superuser of the service, which has a database of that name.
    pub fn admin(self) -> &'static str {
        match self {
            Self::Rds | Self::Aurora => "rdsadmin",
            Self::CloudSql => "cloudsqladmin",
            Self::AlloyDb => "alloydbadmin",
            Self::Azure => "azuresu",
        }
    }

    /// The role whose members are the customer's administrators.
    pub fn group(self) -> &'static str {
        match self {
            Self::Rds | Self::Aurora => "rds_superuser",
            Self::CloudSql => "cloudsqlsuperuser",
            Self::AlloyDb => "alloydbsuperuser",
            Self::Azure => "azure_pg_admin",
        }
    }

    /// Who owns a new database of the customer's, and its schema public.
    fn owner(self) -> &'static str {
        match self {
            Self::Rds | Self::Aurora | Self::AlloyDb => "postgres",
            Self::CloudSql | Self::Azure => self.group(),
        }
    }

    /// Settings that only such a server has, as rows of VALUES.
    fn settings(self) -> &'static str {
        match self {
            Self::Rds | Self::Aurora => {
                "('rds.extensions', 'pglogical, pg_stat_statements'), ('rds.logical_replication', 'on')"
            }
            Self::CloudSql => {
                "('cloudsql.logical_decoding', 'on'), ('cloudsql.enable_pglogical', 'on')"
            }
            Self::AlloyDb => {
                "('alloydb.logical_decoding', 'on'), ('alloydb.enable_pglogical', 'on')"
            }
            Self::Azure => "('azure.extensions', 'PGLOGICAL,PG_STAT_STATEMENTS')",
        }
    }
}

/// Functions of replication origins that the service keeps to itself; before 14 their code asks for a superuser.
const ORIGIN_FUNCTIONS: &str = "pg_show_replication_origin_status(), pg_replication_origin_create(text), \
    pg_replication_origin_drop(text), pg_replication_origin_oid(text), \
    pg_replication_origin_advance(text, pg_lsn), pg_replication_origin_progress(text, boolean), \
    pg_replication_origin_session_setup, pg_replication_origin_session_reset(), \
    pg_replication_origin_session_is_setup(), pg_replication_origin_session_progress(boolean)";

/// A service, as far as roles, privileges and settings go: `postgres`, as which all else here connects, is no superuser. The
/// service keeps a session open in every database, until this is dropped.
pub struct ManagedService {
    service: Service,
    sessions: Vec<Client>,
}

impl ManagedService {
    /// Turns a freshly started cluster into one.
    pub fn of(cluster: &Cluster, service: Service) -> Result<Self> {
        let (major, admin, group) = (cluster.major(), service.admin(), service.group());
        cluster.sql("postgres", "CREATE ROLE renamer SUPERUSER LOGIN")?;
        cluster
            .client_as("renamer", "postgres")?
            .batch_execute(&format!("ALTER ROLE postgres RENAME TO {admin}"))?;
        let mut session = cluster.client_as(admin, "postgres")?;
        let mut groups = vec!["pg_monitor", "pg_signal_backend"];
        if major >= 14 {
            groups.extend(["pg_read_all_data", "pg_write_all_data"]);
        }
        session.batch_execute(&format!(
            "DROP ROLE renamer; CREATE ROLE {group};
             GRANT {} TO {group} WITH ADMIN OPTION;
             CREATE ROLE postgres LOGIN CREATEDB CREATEROLE REPLICATION;
             GRANT {group} TO postgres",
            groups.join(", ")
        ))?;
        if matches!(service, Service::Rds | Service::Aurora) {
            session
                .batch_execute("CREATE ROLE rds_replication; GRANT rds_replication TO postgres")?;
        }
        if major >= 15 && service != Service::CloudSql {
            session.batch_execute(&format!(
                "GRANT SET ON PARAMETER session_replication_role TO {group}"
            ))?;
        }
        // A statement of its own, because it cannot be in a transaction.
        session.batch_execute(&format!("CREATE DATABASE {admin} TEMPLATE template0"))?;
        if major >= 14 {
            // Functions are those of one database, and new ones come from template0.
            session.batch_execute("ALTER DATABASE template0 ALLOW_CONNECTIONS true")?;
            cluster
                .client_as(admin, "template0")?
                .batch_execute(&format!(
                    "REVOKE EXECUTE ON FUNCTION {ORIGIN_FUNCTIONS} FROM PUBLIC"
                ))?;
            session.batch_execute("ALTER DATABASE template0 ALLOW_CONNECTIONS false")?;
        }
        let sessions = vec![session, cluster.client_as(admin, admin)?];
        Ok(Self { service, sessions })
    }

    /// A database of the customer's, with pglogical, which the administrator has created.
    pub fn createdb(&mut self, cluster: &Cluster, name: &str) -> Result<()> {
        let (quoted, owner) = (quote(name), self.service.owner());
        self.admin()?.batch_execute(&format!(
            "CREATE DATABASE {quoted} TEMPLATE template0 OWNER {owner}"
        ))?;
        let mut admin = cluster.client_as(self.service.admin(), name)?;
        // A setting of an extension that is not loaded here is in no view: it has to be added.
        admin.batch_execute(&format!(
            "SET allow_system_table_mods = on;
             CREATE OR REPLACE VIEW pg_catalog.pg_settings AS
                 SELECT a.* FROM pg_show_all_settings() a UNION ALL
                 SELECT (json_populate_record(NULL::pg_catalog.pg_settings,
                             json_build_object('name', s.name, 'setting', s.value, 'reset_val', s.value, 'context', 'postmaster'))).*
                   FROM (VALUES {}) s (name, value)",
            self.service.settings()
        ))?;
        if self.service == Service::Aurora {
            admin.batch_execute(
                "CREATE FUNCTION pg_catalog.aurora_version() RETURNS text LANGUAGE sql AS 'SELECT ''17.4.1''::text'",
            )?;
        }
        admin.batch_execute(&format!(
            "CREATE EXTENSION pglogical; GRANT USAGE ON SCHEMA pglogical TO {group};
             GRANT SELECT ON ALL TABLES IN SCHEMA pglogical TO {group}; ALTER SCHEMA public OWNER TO {owner}",
            group = self.service.group()
        ))?;
        self.sessions.push(admin);
        Ok(())
    }

    /// Whose it is.
    pub fn service(&self) -> Service {
        self.service
    }

    /// A session of the administrator in the database of the last [`ManagedService::createdb`].
    pub fn admin(&mut self) -> Result<&mut Client> {
        self.sessions.last_mut().context("no session")
    }
}
