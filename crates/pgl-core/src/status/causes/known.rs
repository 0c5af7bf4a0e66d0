//! Messages of PostgreSQL and pglogical, what they mean, and what to do. English only: the texts of
//! a server with other lc_messages are shown as they are.

use crate::Side;
use crate::Side::{Source, Target};

/// The source reads its replication sets as they were when a change was written.
pub(super) const SET_REMEDY: &str = "creating it again does not help, because changes written in \
    between are read with the sets of that time. Remove it from the subscription with \
    pglogical.alter_subscription_remove_replication_set() on the target. If it held tables, their \
    changes since are missing on the target: add each to a set again and copy it, with \
    pgl-control add-table SCHEMA.TABLE";

/// How a message is known, and what it means.
pub(super) struct Known {
    /// All of these are in the last error or its details; of those between bars, one.
    pub(super) says: &'static [&'static str],
    pub(super) id: &'static str,
    pub(super) side: Side,
    pub(super) what: &'static str,
    pub(super) remedy: &'static str,
    /// Whose line it is.
    pub(super) from: From,
}

/// Which process reports a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// The apply worker on the target.
    Worker,
    /// The walsender on the source, in its own log.
    Source,
    /// The walsender, and the worker that repeats it.
    Either,
}

const fn known(
    says: &'static [&'static str],
    id: &'static str,
    side: Side,
    what: &'static str,
    remedy: &'static str,
) -> Known {
    Known {
        says,
        id,
        side,
        what,
        remedy,
        from: From::Either,
    }
}

impl Known {
    const fn by(mut self, from: From) -> Self {
        self.from = from;
        self
    }
}

/// In this order: what is more exact first.
pub(super) const KNOWN: &[Known] = &[
    known(
        &["invalid XML document"],
        "apply.xml_document",
        Target,
        "the target reads xml values as whole documents (xmloption = document), and a replicated value is a fragment",
        "set xmloption to content for the target's database or server (ALTER DATABASE ... SET xmloption = content), then restart the worker",
    )
    .by(From::Worker),
    known(
        &["may not be used as an output plugin"],
        "source.output_plugin",
        Source,
        "the source does not allow pglogical's output plugin (output_plugin_libraries)",
        "ALTER SYSTEM SET output_plugin_libraries = pgoutput, test_decoding, pglogical_output on the source (a list, not one quoted string) and reload",
    ),
    known(
        &["could not access file \"pglogical_output\""],
        "source.no_plugin_file",
        Source,
        "the source server has no pglogical_output library",
        "install the pglogical package for the source's major version",
    ),
    known(
        &["logical decoding requires wal_level"],
        "source.wal_level",
        Source,
        "wal_level of the source does not allow logical decoding",
        "set wal_level to logical and restart the source",
    ),
    known(
        &["all replication slots are in use"],
        "slot.exhausted",
        Source,
        "all replication slots of the source are in use",
        "drop slots that nobody uses, or raise max_replication_slots and restart the source",
    ),
    known(
        &["max_wal_senders"],
        "source.senders_exhausted",
        Source,
        "all WAL senders of the source are in use",
        "end replication connections that nobody needs, or raise max_wal_senders and restart the source",
    ),
    known(
        &["can no longer get changes from replication slot"],
        "slot.lost",
        Source,
        "the source has deleted WAL that the slot needed",
        "the changes in between cannot be had any more: drop the subscription, empty the target's tables and run pgl-setup again",
    ),
    known(
        &["replication slot", "is active for PID"],
        "slot.in_use",
        Source,
        "another process uses the slot, or the source has not noticed yet that an old connection is dead",
        "end that process on the source if it is not wanted; a dead connection is noticed after wal_sender_timeout",
    ),
    known(
        &["replication slot \"", "does not exist"],
        "slot.missing",
        Source,
        "the replication slot does not exist on the source",
        "the changes in between cannot be had any more: drop the subscription, empty the target's tables and run pgl-setup again",
    ),
    known(
        &["output plugin \"test_decoding\""],
        "slot.other_plugin",
        Source,
        "the slot belongs to another output plugin",
        "drop the subscription, empty the target's tables and run pgl-setup again",
    ),
    known(
        &["password authentication failed"],
        "link.password",
        Target,
        "the source refuses the password of the subscription's provider DSN",
        "",
    ),
    known(
        &["no password supplied"],
        "link.password",
        Target,
        "the source asks for a password and the subscription's provider DSN leads to none",
        "",
    ),
    known(
        &["permission denied to start WAL sender|must be superuser or replication role"],
        "link.privilege",
        Source,
        "the role of the subscription's provider DSN may not replicate",
        "",
    ),
    known(
        &["pg_hba.conf rejects"],
        "link.hba",
        Source,
        "the source's pg_hba.conf rejects the target",
        "change the line that rejects the target's address and the role, and reload the source",
    ),
    known(
        &["no pg_hba.conf entry"],
        "link.hba",
        Source,
        "the source's pg_hba.conf has no entry for the target",
        "add a line for the target's address and the role (and for \"replication\" up to 9.6), and reload the source",
    ),
    known(
        &["could not connect", "role \"", "does not exist"],
        "link.role",
        Source,
        "the role of the subscription's provider DSN does not exist on the source",
        "",
    ),
    known(
        &["could not connect", "database \"", "does not exist"],
        "link.database",
        Source,
        "the database of the subscription's provider DSN does not exist on the source",
        "",
    ),
    known(
        &["could not connect", "is not permitted to log in"],
        "link.role",
        Source,
        "the role of the subscription's provider DSN may not log in on the source",
        "ALTER ROLE … LOGIN REPLICATION on the source",
    ),
    known(
        &["could not connect", "too many"],
        "link.full",
        Source,
        "the source has no connection left for the target",
        "raise max_connections or the role's CONNECTION LIMIT, or end sessions that nobody needs",
    ),
    known(
        &["could not connect", "remaining connection slots"],
        "link.full",
        Source,
        "the source has no connection left for the target",
        "raise max_connections, or end sessions that nobody needs",
    ),
    known(
        &["could not connect", "certificate|does not support SSL|SSL error"],
        "link.tls",
        Target,
        "TLS between target and source cannot be agreed on",
        "",
    ),
    known(
        &["could not connect", "could not translate host name"],
        "link.unreachable",
        Target,
        "the target server cannot resolve the host name in the subscription's provider DSN",
        "",
    ),
    known(
        &["could not connect"],
        "link.unreachable",
        Target,
        "the target server cannot reach the source with the subscription's provider DSN",
        "",
    ),
    known(
        &["cannot truncate a table referenced in a foreign key"],
        "apply.fk_truncate",
        Target,
        "a table was truncated on the source that a foreign key references on the target",
        "drop the foreign keys on the target that reference it and create them again at the cutover (pgl-setup defers them for that)",
    ),
    known(
        &["is a generated column"],
        "copy.generated_column",
        Target,
        "pglogical's own copy cannot copy a generated column",
        "drop the subscription and run pgl-setup: its own copy leaves generated columns to the target",
    ),
    known(
        &["could not find REPLICA IDENTITY index"],
        "apply.key_missing",
        Target,
        "a table has no replica identity index on the target: no update or delete can be applied",
        "create the primary key that the source has on the target",
    ),
    known(
        &["unknown column name"],
        "apply.column_missing",
        Target,
        "a table lacks a column on the target",
        "add the column on the target as the source has it",
    ),
    known(
        &["QUEUED_SEQUENCE", "OID 0"],
        "apply.sequence_missing",
        Target,
        "a replicated sequence does not exist on the target",
        "create it on the target; better still, take it out of its set on the source and let pgl-seqsync set it",
    ),
    known(
        &["setval", "out of bounds"],
        "apply.sequence_bounds",
        Target,
        "pglogical sends a value for a sequence that is out of its bounds on the target",
        "widen the bounds on the target until the message has passed (ALTER SEQUENCE … MAXVALUE …), take the sequence out of its set on the source, and let pgl-seqsync set the value",
    ),
    known(
        &["QUEUED_SQL", "role \"", "does not exist"],
        "apply.role_missing",
        Target,
        "a command was sent that runs as a role which does not exist on the target",
        "create the role on the target with the rights that the command needs",
    ),
    known(
        &["QUEUED_SQL"],
        "apply.command_failed",
        Target,
        "a command sent with replicate_ddl_command fails on the target",
        "make the target ready for it, for instance by creating what it refers to",
    ),
    known(
        &["replication set \"", "was deleted"],
        "set.missing",
        Source,
        "a replication set of the subscription does not exist on the source",
        SET_REMEDY,
    ),
    known(
        &["replication set", "not found"],
        "set.missing",
        Source,
        "a replication set of the subscription does not exist on the source",
        SET_REMEDY,
    ),
    known(
        &["deferrable indexes"],
        "apply.deferrable",
        Target,
        "a transaction needs a deferrable constraint to be deferred, which pglogical cannot do",
        "drop the deferrable constraint on the target and create it again at the cutover",
    ),
    known(
        &["cannot apply conflicting row"],
        "apply.conflict",
        Target,
        "a change meets a row on the target that differs, and pglogical.conflict_resolution is error",
        "find out who writes on the target; set pglogical.conflict_resolution to apply_remote if the source is to win, and let pglogical try again",
    ),
    known(
        &["duplicate key value violates unique constraint"],
        "apply.duplicate_key",
        Target,
        "a change violates a unique index on the target",
        "find out who wrote the other row; delete it on the target, or drop an index that the source does not have",
    ),
    known(
        &["violates check constraint"],
        "apply.constraint",
        Target,
        "a change violates a check constraint on the target",
        "drop the constraint on the target, or make it what the source has",
    ),
    known(
        &["violates not-null constraint"],
        "apply.constraint",
        Target,
        "a change violates a not-null constraint on the target",
        "drop NOT NULL or add a default on the target",
    ),
    known(
        &["violates exclusion constraint"],
        "apply.constraint",
        Target,
        "a change violates an exclusion constraint on the target",
        "drop the constraint on the target and create it again at the cutover",
    ),
    known(
        &["replication origin \"", "does not exist"],
        "origin.missing",
        Target,
        "the subscription's replication origin does not exist on the target",
        "nobody knows any more what was applied: drop the subscription, empty the target's tables and run pgl-setup again",
    ),
    known(
        &["encoding"],
        "link.encoding",
        Target,
        "the two databases have different encodings",
        "create the target database with the source's encoding",
    ),
    known(
        &["relation \"", "does not exist"],
        "apply.table_missing",
        Target,
        "a replicated table does not exist on the target",
        "create it on the target with the source's definition; or take it out of its replication set on the source",
    ),
    known(
        &["administrator command"],
        "source.terminated",
        Source,
        "somebody ended the walsender of the subscription",
        "pglogical connects again after 5 to 180 seconds",
    )
    .by(From::Source),
    known(
        &["due to replication timeout"],
        "source.timeout",
        Source,
        "the source ended the connection: the apply worker did not answer for wal_sender_timeout",
        "find out what the worker waited for (a lock on the target, a network that drops packets); raise wal_sender_timeout on the source to 10 minutes",
    )
    .by(From::Source),
    known(
        &["terminating connection due to administrator command"],
        "apply.terminated",
        Target,
        "somebody ended the apply worker or its connection",
        "pglogical starts it again after 5 to 180 seconds",
    )
    .by(From::Worker),
    known(
        &["data stream ended"],
        "link.ended",
        Source,
        "the source ended the connection",
        "its log has the reason; pglogical tries again after 5 to 180 seconds",
    )
    .by(From::Worker),
];
