//! What was seen at one instant, and what is looked at more closely when something is wrong.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::control::SlotMoved;
use crate::cutover::{AttemptState, CutOver, Direction, ReplicaTrigger, SequenceUser, Timelines};
use crate::definitions::DefinitionComparison;
use crate::facts::server::Platform;
use crate::{Lsn, QualifiedName, ServerVersion};

mod run;

pub use run::{CopyJournal, Reverse, RunHolder};

/// What became of looking at one server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen<T> {
    /// No connection string was given for it.
    #[default]
    NotGiven,
    /// What was read.
    Known(T),
    /// It could not be read.
    Failed(Trouble),
}

impl<T> Seen<T> {
    /// The value, if it is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::NotGiven | Self::Failed(_) => None,
        }
    }

    /// The same of something that is made of the value.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Seen<U> {
        match self {
            Self::NotGiven => Seen::NotGiven,
            Self::Known(value) => Seen::Known(make(value)),
            Self::Failed(trouble) => Seen::Failed(trouble),
        }
    }

    /// The trouble, if it failed.
    pub fn trouble(&self) -> Option<&Trouble> {
        match self {
            Self::Failed(trouble) => Some(trouble),
            Self::NotGiven | Self::Known(_) => None,
        }
    }
}

/// Why a server could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// In which way.
    pub kind: TroubleKind,
    /// What was said, without secrets.
    pub message: String,
    /// SQLSTATE, where a server said it.
    pub sqlstate: Option<String>,
    /// What to do, where that is known.
    #[serde(default)]
    pub hint: Option<String>,
}

/// In which way a server could not be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TroubleKind {
    /// Nobody answers, or the name does not resolve.
    Unreachable,
    /// It rejects the role, the password or the address.
    Auth,
    /// TLS could not be agreed on.
    Tls,
    /// It is starting, stopping or recovering from a crash.
    Recovering,
    /// Login succeeded and the role may not read what is needed.
    NotPermitted,
    /// Anything else.
    Other,
}

/// Both servers at (nearly) one instant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    /// When it was taken, in seconds on this program's own monotonic clock.
    pub at: f64,
    /// The source.
    pub source: Seen<SourceNow>,
    /// The target.
    pub target: Seen<TargetNow>,
}

/// The source, cheaply: read at every sample.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceNow {
    /// Version.
    pub version: ServerVersion,
    /// Cluster identifier.
    pub system_identifier: Option<String>,
    /// Database.
    pub database: String,
    /// The server's clock, in seconds since 1970.
    pub clock: f64,
    /// When that was read, in seconds on this program's own monotonic clock.
    pub clock_at: f64,
    /// Half the round trip of the query that read the clock, in seconds.
    pub clock_error: f64,
    /// Current write position.
    pub wal_lsn: Option<Lsn>,
    /// The subscription's slot.
    pub slot: Option<SlotNow>,
    /// The walsender that serves it.
    pub sender: Option<WalSenderNow>,
    /// The run that holds the migration's lock: `pgl-cutover abort` holds it here alone where the target cannot be reached.
    pub holder: Option<RunHolder>,
    /// `max_slot_wal_keep_size` in bytes; null where unlimited or before 13.
    pub max_slot_wal_keep_bytes: Option<u64>,
    /// When the server process was started, in seconds since 1970.
    pub started: f64,
    /// When its helpers were last started: later than the server itself after a crash (10 and
    /// later).
    pub helpers_started: Option<f64>,
}

/// A replication slot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SlotNow {
    /// Its name.
    pub name: String,
    /// Output plugin.
    pub plugin: Option<String>,
    /// Its database.
    pub database: Option<String>,
    /// Whether somebody streams from it.
    pub active: bool,
    /// Who (9.5 and later).
    pub active_pid: Option<i64>,
    /// Oldest WAL that it holds back.
    pub restart_lsn: Option<Lsn>,
    /// What the target has confirmed as flushed (9.6 and later).
    pub confirmed_flush_lsn: Option<Lsn>,
    /// `reserved`, `extended`, `unreserved`, `lost` (13 and later).
    pub wal_status: Option<String>,
    /// Bytes until it may be lost (13 and later, where a limit is set).
    pub safe_wal_size: Option<i64>,
    /// Why it was invalidated (16 and later).
    pub invalidation_reason: Option<String>,
}

impl SlotNow {
    /// Whether the source has deleted WAL that it needed.
    pub(crate) fn is_lost(&self) -> bool {
        self.wal_status.as_deref() == Some("lost") || self.invalidation_reason.is_some()
    }
}

/// The walsender of the slot, from `pg_stat_replication`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WalSenderNow {
    /// Its process.
    pub pid: i64,
    /// `startup`, `catchup`, `streaming`…
    pub state: Option<String>,
    /// What was sent. Not what was applied.
    pub sent_lsn: Option<Lsn>,
    /// What the receiver has confirmed as flushed.
    pub flush_lsn: Option<Lsn>,
    /// Its age in seconds.
    pub age: Option<f64>,
    /// What its client calls itself: the subscription's name where that is pglogical.
    pub application: Option<String>,
    /// When the client answered last, on the source's clock (12 and later).
    pub replied_at: Option<String>,
    /// Seconds since then.
    pub replied_ago: Option<f64>,
    /// What it waits for (10 and later): `WalSenderWriteData`.
    pub wait: Option<String>,
}

/// The target, cheaply: read at every sample.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetNow {
    /// Version.
    pub version: ServerVersion,
    /// The server's clock, in seconds since 1970.
    pub clock: f64,
    /// When that was read, in seconds on this program's own monotonic clock.
    pub clock_at: f64,
    /// Half the round trip of the query that read the clock, in seconds.
    pub clock_error: f64,
    /// When the server process was started, in seconds since 1970.
    pub started: f64,
    /// When its helpers were last started: later than the server itself after a crash.
    pub helpers_started: Option<f64>,
    /// Version of the extension; null where it is not installed.
    pub pglogical: Option<String>,
    /// Subscriptions in this database.
    pub subscriptions: Vec<String>,
    /// The one that is meant.
    pub subscription: Option<SubscriptionNow>,
    /// Sync states of its tables.
    pub tables: Vec<TableSync>,
    /// pglogical's processes for this database.
    pub workers: Vec<Worker>,
    /// The replication origin.
    pub origin: Option<TargetOrigin>,
    /// Whether the role may read origins: one that is missing is then known to be.
    pub origin_readable: bool,
    /// When the last transaction that was applied had been committed, on the source's clock, in
    /// seconds since 1970; null unless `track_commit_timestamp` is on.
    pub last_applied: Option<f64>,
    /// Copies that run.
    pub copies: Vec<CopyNow>,
    /// The run of one of these tools that holds the migration's lock.
    pub holder: Option<RunHolder>,
    /// What the journal of that run has of the copy.
    pub journal: CopyJournal,
}

impl SourceNow {
    /// What the target has confirmed as flushed. Before 9.6 a slot does not show it: there as long as the target is connected.
    pub fn confirmed(&self) -> Option<Lsn> {
        let slot = self.slot.as_ref()?.confirmed_flush_lsn;
        slot.or_else(|| self.sender.as_ref()?.flush_lsn)
    }
}

impl TargetNow {
    /// The source's position up to which everything is applied.
    pub fn applied(&self) -> Option<Lsn> {
        self.origin?.remote_lsn
    }

    /// The subscription's apply worker.
    pub fn apply(&self) -> Option<&Worker> {
        self.workers.iter().find(|worker| worker.kind == "apply")
    }
}

/// A subscription, without its connection string.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubscriptionNow {
    /// Its number; part of the workers' names.
    pub id: u32,
    /// Object id of its database; the other part.
    pub database_oid: u32,
    /// Its name.
    pub name: String,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Its slot on the source.
    pub slot_name: String,
    /// Its replication sets.
    pub sets: Vec<String>,
    /// Kind of initial synchronisation: `f`, `d`, `s` or `i` (none).
    pub sync_kind: Option<char>,
    /// State of the subscription as a whole: `i`, `s`, `d`, `c`, `w`, `u`, `y`, `r`.
    pub sync_status: Option<char>,
    /// Its state as `pglogical.show_subscription_status` reports it; null where that is not permitted.
    pub shown: Option<String>,
    /// What is known of its provider DSN.
    pub dsn: Dsn,
}

impl SubscriptionNow {
    /// Name of its apply worker, in `pg_stat_activity` and in the log.
    pub fn apply_name(&self) -> String {
        format!("pglogical apply {}:{}", self.database_oid, self.id)
    }
}

/// What is known of a provider DSN: nothing that could not stand in a mailed document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dsn {
    /// The role that pglogical connects as, where the DSN names it.
    pub user: Option<String>,
    /// `extra_float_digits` that it pins.
    pub extra_float_digits: Option<String>,
    /// `DateStyle` that it pins.
    pub datestyle: Option<String>,
    /// `IntervalStyle` that it pins.
    pub intervalstyle: Option<String>,
}

/// The sync state of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct TableSync {
    /// Its name.
    #[serde(flatten)]
    pub table: QualifiedName,
    /// pglogical's letter.
    pub status: char,
}

/// One of pglogical's processes, or one of the sessions that a copy uses.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Worker {
    /// `apply`, `sync`, `manager`, `supervisor`, `copy`.
    pub kind: String,
    /// Process.
    pub pid: i64,
    /// When it was started, in seconds since 1970 on that server's clock.
    pub started: f64,
    /// What it waits for, where the version shows it: `Lock: relation`.
    pub wait: Option<String>,
    /// Processes that hold what it waits for (9.6 and later).
    pub blocked_by: Vec<i64>,
    /// The first blocker's role, client and query, cut short; null where not permitted.
    pub blocker: Option<String>,
}

/// The replication origin on the target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetOrigin {
    /// The source's position up to which everything is applied.
    pub remote_lsn: Option<Lsn>,
}

/// A table that is being copied.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CopyNow {
    /// Its name.
    #[serde(flatten)]
    pub table: QualifiedName,
    /// Bytes read by COPY (14 and later).
    pub bytes: Option<u64>,
    /// Rows read by COPY (14 and later).
    pub rows: Option<u64>,
    /// The table's size on disk now; null where it is locked against reading that.
    pub disk_bytes: Option<u64>,
}

/// A closer look, taken when something is wrong or has to be proved.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Close {
    /// The source.
    pub source: Option<SourceClose>,
    /// The target.
    pub target: Option<TargetClose>,
    /// What became of connecting with the subscription's own DSN from where this program runs;
    /// `Known` means it works from here.
    pub dsn_from_here: Seen<DsnEnd>,
    /// The tables that are to be replicated: the plan's, or those that the subscription has a state for.
    pub wanted: Vec<WantedTable>,
    /// Whether the values of rows may be shown.
    pub values: bool,
    /// That the target is the production database.
    pub cutover: Option<CutOver>,
    /// That no database that was read has schema pgl, and that nothing else shows a cutover.
    pub no_journal: bool,
    /// After a cutover: tables of the former source without an enabled write-block trigger.
    pub unblocked: Vec<QualifiedName>,
    /// The last position of the source before the target was promoted.
    pub final_lsn: Option<Lsn>,
    /// Why these two databases are not the migration's, in words.
    pub not_the_pair: Option<String>,
    /// An attempt at a cutover or a rollback that is not over.
    pub unfinished: Option<(Direction, AttemptState)>,
    /// Replication back to the former source.
    pub reverse: Option<Reverse>,
    /// The definitions of both sides, where they were asked for.
    pub definitions: Seen<DefinitionComparison>,
}

/// A table that is to be replicated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WantedTable {
    /// Its name.
    #[serde(flatten)]
    pub table: QualifiedName,
    /// Its replication set; null where no plan says it.
    pub set: Option<String>,
    /// Object id on the target of the table that was copied; null where no journal says it.
    pub filled: Option<u32>,
}

/// What the source's sets have of a table that is to be replicated, by its OID.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlannedMember {
    /// Its name.
    #[serde(flatten)]
    pub table: QualifiedName,
    /// Whether there is a table of this name.
    pub exists: bool,
    /// The subscription's replication sets that it is in.
    pub sets: Vec<String>,
    /// Why not all of its changes are replicated although it is in a set, as sentences.
    pub unreplicated: Vec<String>,
}

/// Where the subscription's own DSN leads, seen from here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DsnEnd {
    /// Cluster identifier.
    pub system_identifier: Option<String>,
    /// Database.
    pub database: String,
}

/// The source, looked at closely.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceClose {
    /// Whether pglogical is installed in the database.
    pub pglogical: bool,
    /// Who runs the server; null where that could not be read.
    pub platform: Option<Platform>,
    /// `wal_level`.
    pub wal_level: String,
    /// `output_plugin_libraries`, null where the server does not have it.
    pub output_plugin_libraries: Option<String>,
    /// `max_replication_slots`.
    pub max_slots: u32,
    /// Slots in use.
    pub used_slots: u32,
    /// `max_wal_senders`.
    pub max_senders: u32,
    /// Walsenders running.
    pub used_senders: u32,
    /// `wal_sender_timeout` in seconds; 0 means none.
    pub sender_timeout: f64,
    /// Settings that roles and databases override, which shape text: `extra_float_digits`,
    /// `datestyle`, `intervalstyle`.
    pub overrides: Vec<OutputOverride>,
    /// Replication sets of the node.
    pub sets: Vec<String>,
    /// Tables in the subscription's sets.
    pub tables: Vec<SetTable>,
    /// What the subscription's sets have of the tables that are to be replicated; null where that could
    /// not be read.
    pub members: Option<Vec<PlannedMember>>,
    /// Sequences in the subscription's sets.
    pub sequences: Vec<SetSequence>,
    /// The columns that take their values from sequences, in the whole database.
    pub sequence_users: Vec<SequenceUser>,
    /// The latest queued truncates and commands.
    pub queue: Vec<Queued>,
    /// Whether sessions of clients begin read-only: what is printed for this database has to say otherwise.
    pub read_only: bool,
    /// Subscriptions of PostgreSQL's own that write to this database.
    pub fed_by: Vec<String>,
    /// Transactions older than five minutes, oldest first: a slot waits for them.
    pub old_transactions: Vec<String>,
    /// Triggers and rules that fire for replicated rows.
    pub replica_triggers: Vec<ReplicaTrigger>,
    /// The end of the server log, without secrets.
    pub log: Log,
}

/// A role- or database-level setting.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutputOverride {
    /// The role; null means all.
    pub role: Option<String>,
    /// The setting, lower case.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl OutputOverride {
    /// Whether it is in force for the role that pglogical connects as.
    pub(crate) fn applies(&self, subscription: &SubscriptionNow) -> bool {
        self.role.is_none() || self.role == subscription.dsn.user
    }

    /// Whom it is for, in words.
    pub(crate) fn whose(&self) -> &str {
        (self.role.as_deref()).unwrap_or("everybody in this database")
    }
}

/// A table in one of the subscription's sets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SetTable {
    /// Its name.
    #[serde(flatten)]
    pub table: QualifiedName,
    /// Columns that are replicated.
    pub columns: Vec<String>,
    /// Their types, as `format_type` has them.
    pub types: Vec<String>,
    /// Their definitions, as ADD COLUMN takes them.
    pub definitions: Vec<String>,
    /// Stored generated columns among all of the table's.
    pub generated: Vec<String>,
    /// Generated columns that a column list leaves out.
    pub generated_left_out: Vec<String>,
    /// Whether updates and deletes are replicated.
    pub updates: bool,
    /// Whether it has rows; null where not looked at or not permitted.
    pub has_rows: Option<bool>,
}

/// A sequence in one of the subscription's sets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SetSequence {
    /// Its name.
    #[serde(flatten)]
    pub sequence: QualifiedName,
    /// The value that pglogical sends, which lies ahead of the sequence.
    pub sent: Option<i64>,
}

/// A message in pglogical's queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Queued {
    /// `T` truncate, `Q` command, `S` sequence.
    pub kind: String,
    /// Schema and name of a truncated table or of a sequence.
    pub schema: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// The role that a command runs as.
    pub role: Option<String>,
}

/// The target, looked at closely.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetClose {
    /// Tables and their columns.
    pub tables: Vec<TargetTable>,
    /// Sequences and the values that they can have.
    pub sequences: HashMap<QualifiedName, RangeInclusive<i64>>,
    /// The columns that take their values from sequences.
    pub sequence_users: Vec<SequenceUser>,
    /// Foreign keys, by what they reference.
    pub foreign_keys: Vec<TargetForeignKey>,
    /// Roles.
    pub roles: Vec<String>,
    /// `max_worker_processes`.
    pub max_workers: u32,
    /// Background workers running, as far as visible.
    pub used_workers: u32,
    /// Whether sessions of clients begin read-only.
    pub read_only: bool,
    /// `pglogical.conflict_resolution`.
    pub conflict_resolution: Option<String>,
    /// `track_commit_timestamp`.
    pub track_commit_timestamp: bool,
    /// Settings by which the apply worker reads other values than were sent: `array_nulls is off`.
    pub input_settings: Vec<String>,
    /// The server's timelines; null where pgl-setup has kept none.
    pub timelines: Option<Timelines>,
    /// That the slot or the origin was moved, as pgl-control has recorded it.
    pub slot_moved: Option<SlotMoved>,
    /// Triggers and rules that fire for replicated rows.
    pub replica_triggers: Vec<ReplicaTrigger>,
    /// The end of the server log, without secrets.
    pub log: Log,
    /// Sessions that began and were lost at once, between moments in which the server was recovering.
    pub sessions_lost: u32,
}

/// A table on the target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetTable {
    /// Its name.
    #[serde(flatten)]
    pub table: QualifiedName,
    /// Object id.
    pub oid: u32,
    /// `r` table, `p` partitioned, `v` view…
    pub kind: String,
    /// Columns.
    pub columns: Vec<String>,
    /// Their types, as `format_type` has them.
    pub types: Vec<String>,
    /// Generated columns among them.
    pub generated: Vec<String>,
    /// Columns that need a value and have no default.
    pub required: Vec<String>,
    /// Whether it has a usable replica identity index.
    pub has_identity: bool,
    /// Whether it has rows; null where not looked at or not permitted.
    pub has_rows: Option<bool>,
}

/// A foreign key on the target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetForeignKey {
    /// Its name.
    pub name: String,
    /// Schema of the referencing table.
    pub schema: String,
    /// Referencing table.
    pub table: String,
    /// Schema of the referenced table.
    pub references_schema: String,
    /// Referenced table.
    pub references: String,
}

/// The end of a server log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    /// Where it is, as a person would look for it.
    pub place: String,
    /// Its last part; null where it could not be read.
    pub tail: Option<String>,
    /// The server's time when that was read, in the zone of the log.
    pub now: Option<String>,
    /// Why it could not be read.
    pub unread: Option<String>,
}
