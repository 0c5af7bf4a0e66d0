//! What was seen of the connections between the machines, and of the client's own tools.

use serde::{Deserialize, Serialize};

use super::Section;

/// The way from the target server to the source, and the client.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Link {
    /// Whether the target's server process reaches the source with the provider's connection
    /// string.
    pub server_to_server: Section<Reach>,
    /// Whether the source takes a replication connection from here.
    pub replication_login: Section<ReplicationLogin>,
    /// Whether a pooler stands before the source.
    pub source_pooler: Section<Pooler>,
    /// Whether a pooler stands before the target.
    pub target_pooler: Section<Pooler>,
    /// Whether further connections to the source can take over an exported snapshot.
    pub snapshot: Section<SnapshotImport>,
    /// Difference of the two servers' clocks.
    pub clock: Section<Clock>,
    /// The `pg_dump`s found on this machine.
    pub pg_dump: Section<Vec<ClientTool>>,
    /// Role that the provider's connection string names; null where it names none.
    pub provider_role: Option<String>,
    /// Whether the connection string that pglogical would store on the target holds a password; null in facts that were
    /// recorded before it was read.
    pub stored_password: Option<bool>,
    /// Names of the migration's own slots, which are also those of its origins.
    pub slot_names: Section<SlotNames>,
}

/// The names that pglogical gives the slots of this migration, as the server computes them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SlotNames {
    /// On the source: the slot of the target's subscription.
    pub forward: String,
    /// On the target: the slot of the reverse subscription.
    pub reverse: String,
}

/// The answer to: does the target's server reach the source?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Reach {
    /// It does.
    Reached {
        /// How it was tried.
        by: Probe,
    },
    /// It does not.
    Failed {
        /// How it was tried.
        by: Probe,
        /// libpq's message on the target server, without secrets.
        message: String,
    },
    /// It could not be tried from here.
    NotProvable {
        /// Why.
        reason: String,
    },
}

/// How the way from the target's server to the source was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// CREATE SUBSCRIPTION in a transaction that was rolled back: a replication connection.
    RolledBackSubscription,
    /// The dblink extension: an ordinary connection.
    Dblink,
}

/// A replication connection from here to the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum ReplicationLogin {
    /// IDENTIFY_SYSTEM answered.
    Ok,
    /// It was refused.
    Refused {
        /// SQLSTATE, where there was one.
        sqlstate: Option<String>,
        /// The server's message.
        message: String,
    },
}

/// Signs of a pooler between us and a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pooler {
    /// Whether the server process changed between two statements of one session.
    pub backend_changes: bool,
    /// Whether the settings of the start-up packet did not reach the server.
    pub settings_dropped: bool,
}

/// Import of one exported snapshot by further connections.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SnapshotImport {
    /// Connections that tried.
    pub tried: u32,
    /// Connections that succeeded.
    pub imported: u32,
    /// Message of the first failure.
    pub message: Option<String>,
}

/// Difference of the clocks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Clock {
    /// The target's clock minus the source's.
    pub skew_seconds: f64,
    /// Half of the round trips: how far the figure may be off.
    pub uncertainty_seconds: f64,
}

/// A client program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientTool {
    /// Version as it prints it: `15.20`.
    pub version: String,
    /// A number that orders majors as `ServerVersion::major_num` does.
    pub major_num: u32,
}
