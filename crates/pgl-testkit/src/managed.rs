//! A cluster as a managed service hands it over: its superuser belongs to the service.

use anyhow::{Context, Result};
use postgres::Client;

use crate::cluster::{Cluster, quote};

/// The superuser of the service.
const ADMIN: &str = "rdsadmin";
/// Functions of replication origins that the service keeps to itself.
const ORIGIN_FUNCTIONS: &str = "pg_show_replication_origin_status(), pg_replication_origin_create(text), \
    pg_replication_origin_drop(text), pg_replication_origin_oid(text), \
    pg_replication_origin_advance(text, pg_lsn), pg_replication_origin_progress(text, boolean), \
    pg_replication_origin_session_setup, pg_replication_origin_session_reset(), \
    pg_replication_origin_session_is_setup(), pg_replication_origin_session_progress(boolean)";

/// Amazon RDS, as far as roles and privileges go: `postgres`, as which all else here connects, is no superuser. The
/// service keeps a session open in every database, until this is dropped.
pub struct ManagedService {
    sessions: Vec<Client>,
}

impl ManagedService {
    /// Turns a freshly started cluster into one.
    pub fn of(cluster: &Cluster) -> Result<Self> {
        let major = cluster.major();
        cluster.sql("postgres", "CREATE ROLE renamer SUPERUSER LOGIN")?;
        cluster
            .client_as("renamer", "postgres")?
            .batch_execute("ALTER ROLE postgres RENAME TO rdsadmin")?;
        let mut admin = cluster.client_as(ADMIN, "postgres")?;
        let mut groups = vec!["pg_monitor", "pg_signal_backend"];
        if major >= 14 {
            groups.extend(["pg_read_all_data", "pg_write_all_data"]);
        }
        admin.batch_execute(&format!(
            "DROP ROLE renamer; CREATE ROLE rds_superuser; CREATE ROLE rds_replication;
             GRANT {} TO rds_superuser WITH ADMIN OPTION;
             CREATE ROLE postgres LOGIN CREATEDB CREATEROLE REPLICATION;
             GRANT rds_superuser, rds_replication TO postgres",
            groups.join(", ")
        ))?;
        if major >= 15 {
            admin.batch_execute(
                "GRANT SET ON PARAMETER session_replication_role TO rds_superuser",
            )?;
        }
        // A statement of its own, because it cannot be in a transaction.
        admin.batch_execute("CREATE DATABASE rdsadmin TEMPLATE template0")?;
        // Functions are those of one database, and new ones come from template0.
        admin.batch_execute("ALTER DATABASE template0 ALLOW_CONNECTIONS true")?;
        cluster
            .client_as(ADMIN, "template0")?
            .batch_execute(&format!(
                "REVOKE EXECUTE ON FUNCTION {ORIGIN_FUNCTIONS} FROM PUBLIC"
            ))?;
        admin.batch_execute("ALTER DATABASE template0 ALLOW_CONNECTIONS false")?;
        let sessions = vec![admin, cluster.client_as(ADMIN, "rdsadmin")?];
        Ok(Self { sessions })
    }

    /// A database of the customer's, with pglogical, which the administrator has created.
    pub fn createdb(&mut self, cluster: &Cluster, name: &str) -> Result<()> {
        let quoted = quote(name);
        self.admin()?.batch_execute(&format!(
            "CREATE DATABASE {quoted} TEMPLATE template0 OWNER postgres"
        ))?;
        let mut admin = cluster.client_as(ADMIN, name)?;
        // A setting of an extension that is not loaded here is in no view: it has to be added.
        admin.batch_execute(
            "SET allow_system_table_mods = on;
             CREATE OR REPLACE VIEW pg_catalog.pg_settings AS
                 SELECT a.* FROM pg_show_all_settings() a UNION ALL
                 SELECT (json_populate_record(NULL::pg_catalog.pg_settings,
                             json_build_object('name', s.name, 'setting', s.value, 'reset_val', s.value, 'context', 'postmaster'))).*
                   FROM (VALUES ('rds.extensions', 'pglogical, pg_stat_statements'), ('rds.logical_replication', 'on')) s (name, value)",
        )?;
        admin.batch_execute(
            "CREATE EXTENSION pglogical; GRANT USAGE ON SCHEMA pglogical TO rds_superuser;
             GRANT SELECT ON ALL TABLES IN SCHEMA pglogical TO rds_superuser; ALTER SCHEMA public OWNER TO postgres",
        )?;
        self.sessions.push(admin);
        Ok(())
    }

    /// A session of the administrator in the database of the last [`ManagedService::createdb`].
    pub fn admin(&mut self) -> Result<&mut Client> {
        self.sessions.last_mut().context("no session")
    }
}
