//! What goes on now: processes, open transactions, and how much and how fast data changes.

use serde::{Deserialize, Serialize};

/// Processes by kind, from `pg_stat_activity`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Backends {
    /// Client connections, our own included.
    pub clients: u32,
    /// Background workers, which count against `max_worker_processes`; parallel workers left out.
    pub workers: u32,
    /// pglogical's supervisor, one a cluster.
    pub pglogical_supervisors: u32,
    /// Processes whose kind the role may not see.
    pub hidden: u32,
}

/// A session of the connected database, or an open transaction anywhere in the cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OpenSession {
    /// Process id.
    pub pid: i32,
    /// Database; null for processes without one.
    pub database: Option<String>,
    /// Role; null for processes without one.
    pub user: Option<String>,
    /// `application_name`.
    pub application: String,
    /// `client backend`, `autovacuum worker` …; null before 10, and where the role may not see it.
    pub kind: Option<String>,
    /// `active`, `idle`, `idle in transaction` …; null where the role may not see it.
    pub state: Option<String>,
    /// Age of the transaction.
    pub transaction_seconds: Option<f64>,
    /// Time since the last change of state.
    pub state_seconds: Option<f64>,
    /// Whether it has written: it holds a transaction id.
    pub has_xid: bool,
    /// First words of the command, upper case, without any values: `ALTER TABLE`.
    pub command: String,
    /// Whether it is a vacuum against wraparound.
    pub wraparound: bool,
    /// Whether it is one of the suite's own sessions.
    pub own: bool,
}

impl OpenSession {
    /// Whether an application or a person is behind it, and not the server or replication.
    pub fn is_client(&self) -> bool {
        !self.own
            && !self.application.starts_with("pglogical ")
            && self
                .kind
                .as_deref()
                .is_none_or(|kind| kind == "client backend")
    }

    /// `pid 4711 (role app, application web)`, for findings.
    pub fn label(&self) -> String {
        let user = self.user.as_deref().unwrap_or("-");
        if self.application.is_empty() {
            format!("pid {} (role {user})", self.pid)
        } else {
            format!(
                "pid {} (role {user}, application {})",
                self.pid, self.application
            )
        }
    }
}

/// One row of `pg_prepared_xacts`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Prepared {
    /// Global id.
    pub gid: String,
    /// Database.
    pub database: String,
    /// Who prepared it.
    pub owner: String,
    /// Since when.
    pub age_seconds: f64,
}

/// How much there is in the database.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Volume {
    /// `pg_database_size`.
    pub database_bytes: u64,
    /// Tables and partitioned tables outside the system schemas.
    pub tables: u64,
    /// Indexes outside the system schemas.
    pub indexes: u64,
    /// Sequences.
    pub sequences: u64,
}

/// How fast the database changes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WriteRate {
    /// Rows inserted, updated and deleted in this database since the statistics were reset.
    pub rows_changed: u64,
    /// Seconds since then.
    pub seconds: f64,
    /// Bytes of WAL that the cluster wrote over `wal_seconds`: since its statistics were reset
    /// (14+), else while the facts were collected.
    pub wal_bytes: u64,
    /// Seconds for that.
    pub wal_seconds: f64,
}
