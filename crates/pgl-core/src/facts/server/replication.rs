//! Replication that exists already: slots, walsenders, origins, publications, subscriptions.

use serde::{Deserialize, Serialize};

/// One row of `pg_replication_slots`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Slot {
    /// Name.
    pub name: String,
    /// Output plugin; null for a physical slot.
    pub plugin: Option<String>,
    /// Database; null for a physical slot.
    pub database: Option<String>,
    /// Whether somebody streams from it.
    pub active: bool,
    /// Whether it goes with its session (10+).
    pub temporary: bool,
    /// Bytes of WAL that it holds back.
    pub retained_bytes: Option<i64>,
    /// `reserved`, `extended`, `unreserved`, `lost` (13+).
    pub wal_status: Option<String>,
    /// Why it is of no use any more (17+).
    pub invalidation_reason: Option<String>,
    /// Age in transactions of the oldest row version that it keeps from vacuum.
    pub xmin_age: Option<i64>,
    /// Transactions that were too large to be decoded in memory, since the slot's statistics were
    /// reset (14+).
    pub spilled_transactions: Option<i64>,
    /// Bytes of them that were written to files.
    pub spilled_bytes: Option<i64>,
}

/// One row of `pg_stat_replication`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sender {
    /// `application_name`; for pglogical the subscription, for a standby its name.
    pub application: String,
    /// `startup`, `catchup`, `streaming`, `backup`; null where the role may not see it.
    pub state: Option<String>,
    /// `async`, `potential`, `sync`, `quorum`.
    pub sync_state: Option<String>,
    /// Whether the slot in use is logical.
    pub logical: bool,
}

/// One row of `pg_replication_origin`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// Name.
    pub name: String,
}

/// One row of `pg_publication`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Publication {
    /// Name.
    pub name: String,
    /// FOR ALL TABLES.
    pub all_tables: bool,
}

/// One row of `pg_subscription` of the connected database.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NativeSubscription {
    /// Name.
    pub name: String,
    /// Enabled.
    pub enabled: bool,
    /// Object id: the origin is called `pg_<oid>`.
    pub oid: u32,
}
