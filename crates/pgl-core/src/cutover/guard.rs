//! What has to hold before anybody is kept from writing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::drift::Renamed;
use super::read_only::StaysReadOnly;
use super::replica_trigger::{ReplicaTrigger, disable_copied};
use super::sequence_names::{SequenceMismatch, said};
use super::timeline::Timelines;
use super::write_block::READ_WRITE;
use crate::control::MissingChanges;
use crate::definitions::{DefinitionComparison, FIX, NamesOnly, fix_of_rollback};
use crate::rules::some_of;
use crate::status::causes::members::{COPY_AGAIN, UNDO};
use crate::{Side, plural};

/// What pglogical says of a subscription that works.
pub const REPLICATING: &str = "replicating";

/// What was seen just before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// What pglogical says of the subscription; null where it does not exist.
    pub subscription: Option<String>,
    /// Tables that are not synchronised.
    pub tables_behind: u64,
    /// `apply_delay` in milliseconds.
    pub delay_ms: u64,
    /// Replicated tables of the plan that the subscription does not follow.
    pub not_followed: Vec<String>,
    /// Replication origins under which sessions may have written to the provider: those changes are not replicated.
    pub origin_writers: Vec<String>,
    /// The subscriber's timelines; null where they are not known, or every row is compared under the locks.
    pub timelines: Option<Timelines>,
    /// What is missing since the slot or the origin was moved; null where nothing is known, or every row is compared under the locks.
    pub slot_moved: Option<MissingChanges>,
    /// Replication sets of the plan that the subscription does not have.
    pub missing_sets: Vec<String>,
    /// Replicated tables of the plan that are not in the source's replication set, by OID.
    pub not_members: Vec<String>,
    /// VACUUM and the like that the server does not cancel for a lock, as sentences.
    pub vacuums: Vec<String>,
    /// Tables that were rewritten or given another replica identity since their rows were copied, where they are too large to be
    /// compared under the locks.
    pub rewritten: Vec<String>,
    /// Bytes of the source's log that the target has not confirmed: first and second reading.
    pub lag: (u64, u64),
    /// Prepared transactions of the provider.
    pub prepared: u64,
    /// Indexes of the subscriber that are not valid, and are on the provider.
    pub invalid_indexes: Vec<String>,
    /// Statements that pgl-setup holds back for other steps than foreign keys.
    pub held: u64,
    /// Materialised views that are filled on the provider and not on the subscriber.
    pub unfilled: Vec<String>,
    /// Unique indexes of the source that are not valid, where reverse replication is to write there.
    pub invalid_unique: Vec<String>,
    /// Settings of the source by which the apply worker of reverse replication reads other values than were sent.
    pub input_settings: Vec<String>,
    /// Rows of the target that contradict foreign keys of the source, as sentences.
    pub orphans: Vec<String>,
    /// Replicated tables of the subscriber without statistics.
    pub without_statistics: Vec<String>,
    /// Replicated tables without a key that are not copied again, and have seen updates or deletes.
    pub uncarried: Vec<String>,
    /// Differences between the tables of both sides.
    pub differences: Vec<String>,
    /// Tables of the provider that the plan does not carry as it would have to.
    pub unplanned: Vec<String>,
    /// Whether this is a rollback: pgl-control changes nothing after the promotion.
    pub rollback: bool,
    /// Triggers and rules of the subscriber that its apply worker fires, and that were not there before.
    pub replica_triggers: Vec<ReplicaTrigger>,
    /// Tables of the provider that pgl-control has removed from replication.
    pub left_out: Vec<String>,
    /// Tables that were renamed where they are replicated from.
    pub renamed: Renamed,
    /// For a rollback, tables and sequences that were made on the target after the cutover.
    pub left_behind: Vec<String>,
    /// What the attempt has to make on the servers and cannot: replication origins, write-block triggers; and rights that it needs and the role lacks.
    pub impossible: Vec<Refusal>,
    /// Settings that would keep clients from writing after the promotion, of the side that is promoted.
    pub read_only: Vec<StaysReadOnly>,
    /// Definitions that have changed since the setup and are not the same on both sides.
    pub definitions: DefinitionComparison,
    /// Why they could not be compared; null where they were.
    pub definitions_unknown: Option<String>,
    /// Columns of planned sequences that take their values from sequences of other names on the other side.
    pub sequence_mismatches: Vec<SequenceMismatch>,
    /// Sequences that cannot be copied.
    pub sequences: Vec<String>,
    /// Large objects that would stay behind, as a sentence; null where none would.
    pub large_objects: Option<String>,
    /// Whether the copy of the rows was counted and found equal.
    pub copy_proven: bool,
    /// Tables whose changes are not all replicated although they are in a set, each with the reasons.
    pub unreplicated: Vec<String>,
    /// Whether reverse replication is asked for, to a server that does not record where a change came from.
    pub circular: bool,
    /// Blocking findings of preflight's guardrail checks, as `id: what`.
    pub findings: Vec<(String, String)>,
}

impl Preconditions {
    /// Whether the target is further behind than is tolerated, and not catching up.
    pub fn is_behind(&self, limits: CutoverLimits) -> bool {
        let (first, second) = self.lag;
        second > limits.max_lag && second >= first
    }
}

/// What is tolerated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutoverLimits {
    /// Bytes.
    pub max_lag: u64,
}

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// Stable id; `--force` takes it.
    pub id: String,
    /// What was found.
    pub what: String,
    /// What to do.
    pub hint: String,
}

/// Ids of refusals that are not those of preflight's checks.
const REFUSALS: [&str; 34] = [
    "cut.definitions",
    "cut.delay",
    "cut.followed",
    "cut.held",
    "cut.indexes",
    "cut.input_settings",
    "cut.lag",
    "cut.large_objects",
    "cut.left_behind",
    "cut.left_out",
    "cut.matviews",
    "cut.no_key",
    "cut.origin",
    "cut.origins",
    "cut.orphans",
    "cut.permissions",
    "cut.prepared",
    "cut.proven",
    "cut.read_only",
    "cut.replica_triggers",
    "cut.reverse",
    "cut.rewritten",
    "cut.rights",
    "cut.schema",
    "cut.sequence_names",
    "cut.sequences",
    "cut.slot_moved",
    "cut.statistics",
    "cut.subscription",
    "cut.synced",
    "cut.timeline",
    "cut.unplanned",
    "cut.vacuum",
    "cut.write_block",
];

/// Whether `--force` may name this id: one of preflight's checks, or of what a cutover is refused for.
pub fn can_be_forced(id: &str) -> bool {
    REFUSALS.contains(&id) || crate::rules::all().any(|check| check.id == id)
}

/// Everything that does not hold and that nobody overrides.
pub fn guards(facts: &Preconditions, limits: CutoverLimits, forced: &[String]) -> Vec<Refusal> {
    let mut all: Vec<Refusal> = Vec::new();
    let (here, there) = match facts.rollback {
        true => (Side::Target, Side::Source),
        false => (Side::Source, Side::Target),
    };
    let in_read_write = match facts.rollback {
        true => format!(", in a session that begins with {READ_WRITE}"),
        false => String::new(),
    };
    let mut refuse = |id: &str, what: String, hint: &str| {
        all.push(Refusal {
            id: id.to_owned(),
            what,
            hint: hint.to_owned(),
        });
    };
    match facts.subscription.as_deref() {
        Some(REPLICATING) => {}
        Some(other) => refuse(
            "cut.subscription",
            format!("the subscription is {other}"),
            match other {
                "disabled" => "pgl-control resume enables it",
                _ => "pgl-status reports why",
            },
        ),
        None => refuse(
            "cut.subscription",
            "there is no subscription of this migration".to_owned(),
            "run pgl-setup first, or give --name",
        ),
    }
    if facts.tables_behind > 0 {
        refuse(
            "cut.synced",
            format!("not synchronised: {}", plural(facts.tables_behind, "table")),
            "pgl-status --wait-for caught-up",
        );
    }
    if !facts.copy_proven {
        refuse(
            "cut.proven",
            "nothing says that the copy of the rows was complete".to_owned(),
            "pgl-verify proves it; then --force cut.proven",
        );
    }
    if !facts.not_followed.is_empty() {
        refuse(
            "cut.followed",
            format!(
                "no row in pglogical.local_sync_status: {}",
                some_of(&facts.not_followed)
            ),
            &format!(
                "pglogical deletes a table's row when the table or a column of it is dropped where rows are applied: {}",
                if facts.rollback {
                    "compare them with pgl-verify, then --force cut.followed"
                } else {
                    "pgl-control resync TABLE --yes compares the table, copies it where it differs, and restores the row"
                }
            ),
        );
    }
    if !facts.origin_writers.is_empty() {
        refuse(
            "cut.origin",
            format!(
                "sessions may have written under replication origin {}: what they write is not replicated",
                some_of(&facts.origin_writers)
            ),
            &format!(
                "stop them (pg_replication_origin_session_setup), or drop an origin that nobody uses (pg_replication_origin_drop); {}; then --force cut.origin",
                if facts.rollback {
                    "compare with pgl-verify, and copy to the source what it lacks"
                } else {
                    "pgl-control resync of the tables that they write to compares and copies them"
                }
            ),
        );
    }
    if let Some(Timelines { then, now }) = facts.timelines.filter(|both| both.changed()) {
        refuse(
            "cut.timeline",
            format!(
                "the {} is on timeline {now}, and was on {then} when replication to it began: a standby was promoted or a backup restored, and may lack rows that had been confirmed",
                if facts.rollback {
                    Side::Source
                } else {
                    Side::Target
                }
            ),
            if facts.rollback {
                "compare every row with --verify full in it, or with pgl-verify before it, and then --force cut.timeline"
            } else {
                "compare every row with --verify full in it, or with pgl-verify before it, copy what differs again with pgl-control resync, and then --force cut.timeline"
            },
        );
    }
    if let Some(missing) = &facts.slot_moved {
        refuse(
            "cut.slot_moved",
            format!("{}: changes may be missing on the target", missing.what),
            &format!(
                "{}; or compare every row with --verify full in it, or with pgl-verify before it, and then --force cut.slot_moved",
                missing.remedy()
            ),
        );
    }
    if !facts.missing_sets.is_empty() {
        refuse(
            "cut.followed",
            format!(
                "the subscription does not have replication set {}: no change of its tables is replicated",
                some_of(&facts.missing_sets)
            ),
            "where rows are applied: SELECT pglogical.alter_subscription_add_replication_set('SUBSCRIPTION', 'SET'); then copy its tables again, \
             because what was written since is missing: pgl-control resync TABLE --yes",
        );
    }
    if !facts.renamed.now.is_empty() {
        let (what, hint) = facts.renamed.said();
        refuse("cut.followed", what, &hint);
    } else if !facts.not_members.is_empty() && facts.rollback {
        refuse(
            "cut.followed",
            format!(
                "not in the target's replication set: {}",
                some_of(&facts.not_members)
            ),
            "a table that was dropped after the cutover, or dropped and created again, is in no set; on the target: create it where it is \
             missing, and SELECT pglogical.replication_set_add_table('SET', 'TABLE'); then copy its rows to the source",
        );
    } else if !facts.not_members.is_empty() {
        refuse(
            "cut.followed",
            format!(
                "not in the source's replication set: {}",
                some_of(&facts.not_members)
            ),
            "a table that was dropped and created again is in no set, and its rows are not on the target: \
             pgl-control remove-table TABLE --yes, then pgl-control add-table TABLE --yes",
        );
    }
    if !facts.unreplicated.is_empty() {
        refuse(
            "cut.followed",
            format!(
                "not every change is replicated: {}",
                some_of(&facts.unreplicated)
            ),
            &if facts.rollback {
                format!("{UNDO}; the rollback copies back what was written meanwhile")
            } else {
                format!("{UNDO}{COPY_AGAIN}: pgl-control resync TABLE --yes")
            },
        );
    }
    if !facts.vacuums.is_empty() {
        refuse(
            "cut.vacuum",
            format!(
                "a lock on these tables would wait for: {}",
                some_of(&facts.vacuums)
            ),
            "wait until it has ended (pg_stat_progress_vacuum), or end it",
        );
    }
    if !facts.rewritten.is_empty() {
        refuse(
            "cut.rewritten",
            format!(
                "rewritten or altered since the copy, and too large to be compared while writes are blocked: {}",
                some_of(&facts.rewritten)
            ),
            &format!(
                "what was written while a table was unlogged, in no replication set, or had no replica identity or another one, may not have been replicated: \
                 {}compare them with pgl-verify, then --force cut.rewritten",
                if facts.rollback {
                    ""
                } else {
                    "pgl-control resync TABLE --yes compares such a table while writes go on, and copies it where it differs; or "
                }
            ),
        );
    }
    if facts.delay_ms > 0 {
        refuse(
            "cut.delay",
            format!("the subscription applies {} ms late", facts.delay_ms),
            "writes would be blocked that long; subscribe without apply_delay",
        );
    }
    if facts.is_behind(limits) {
        let (_, second) = facts.lag;
        refuse(
            "cut.lag",
            format!(
                "the target is {second} bytes behind, more than {}, and not catching up",
                limits.max_lag
            ),
            "pgl-status --wait-for caught-up, or a larger --max-lag",
        );
    }
    if facts.prepared > 0 {
        refuse(
            "cut.prepared",
            format!("{} prepared transactions are open", facts.prepared),
            "they hold their locks for ever: COMMIT PREPARED or ROLLBACK PREPARED",
        );
    }
    if !facts.invalid_indexes.is_empty() {
        refuse(
            "cut.indexes",
            format!(
                "not valid on the {there}: {}",
                some_of(&facts.invalid_indexes)
            ),
            &format!("REINDEX them there{in_read_write}"),
        );
    }
    if !facts.invalid_unique.is_empty() {
        refuse(
            "cut.indexes",
            format!(
                "unique indexes that are not valid on the source, where they stop the apply worker of reverse replication: {}",
                some_of(&facts.invalid_unique)
            ),
            "REINDEX or DROP INDEX on the source, or no --reverse",
        );
    }
    if !facts.input_settings.is_empty() {
        refuse(
            "cut.input_settings",
            format!(
                "the apply worker of reverse replication reads other values than the target sends: on the source {}",
                facts.input_settings.join(", ")
            ),
            "reset it on the source for the database, all roles or the server (ALTER DATABASE … RESET, ALTER ROLE ALL RESET, ALTER SYSTEM RESET); \
             where rows were replicated back with it, the worker has to be restarted, and pgl-verify finds the rows",
        );
    }
    if facts.held > 0 {
        refuse(
            "cut.held",
            format!(
                "not created yet: {} of the schema",
                plural(facts.held, "object")
            ),
            "run pgl-setup again: it goes on where it was",
        );
    }
    if !facts.unfilled.is_empty() {
        refuse(
            "cut.matviews",
            format!(
                "materialised views are filled on the {here} and not on the {there}: {}",
                some_of(&facts.unfilled)
            ),
            &match facts.rollback {
                true => format!("REFRESH MATERIALIZED VIEW there{in_read_write}; where queries may fail until then: --force cut.matviews"),
                false => "pgl-setup --step target.matviews; where queries may fail until a REFRESH: --force cut.matviews".to_owned(),
            },
        );
    }
    if !facts.orphans.is_empty() {
        refuse(
            "cut.orphans",
            format!(
                "rows of the target contradict foreign keys: {}",
                some_of(&facts.orphans)
            ),
            "fix them on the source: a foreign key that does not hold there was not checked either (NOT VALID, or written with triggers disabled); \
             with --force cut.orphans they are not looked for, and the foreign key is missing after the promotion until the rows are fixed",
        );
    }
    if !facts.without_statistics.is_empty() {
        refuse(
            "cut.statistics",
            format!("never analysed: {}", some_of(&facts.without_statistics)),
            "pgl-setup --step target.analyze",
        );
    }
    if !facts.uncarried.is_empty() {
        refuse(
            "cut.no_key",
            format!(
                "updated or deleted from without a key since the plan was made: {}",
                some_of(&facts.uncarried)
            ),
            "only inserts were replicated: make a plan that copies them again with pgl-preflight, and pass it with --plan; or give them a replica identity",
        );
    }
    if !facts.differences.is_empty() {
        refuse(
            "cut.schema",
            format!("tables differ: {}", some_of(&facts.differences)),
            "somebody has changed the schema of one side since the setup",
        );
    }
    if !facts.unplanned.is_empty() {
        refuse(
            "cut.unplanned",
            format!("changed since the plan: {}", some_of(&facts.unplanned)),
            "pgl-control add-table and add-sequence let new ones join; a plan given with --plan may be older than that: leave it away",
        );
    }
    if !facts.left_out.is_empty() {
        refuse(
            "cut.left_out",
            format!(
                "removed from replication with pgl-control, so rows written since are only on the {}: {}",
                if facts.rollback {
                    Side::Target
                } else {
                    Side::Source
                },
                some_of(&facts.left_out)
            ),
            if facts.rollback {
                "bring their rows to the source with statements of your own; where they may stay behind: --force cut.left_out"
            } else {
                "pgl-control add-table TABLE --yes replicates it again; where its rows may stay behind: --force cut.left_out"
            },
        );
    }
    if !facts.replica_triggers.is_empty() {
        let side = if facts.rollback {
            Side::Source
        } else {
            Side::Target
        };
        let said: Vec<String> = facts
            .replica_triggers
            .iter()
            .map(ReplicaTrigger::said)
            .collect();
        let (copied, made): (Vec<_>, Vec<_>) =
            (facts.replica_triggers.iter()).partition(|one| one.on_both);
        let mut hints = Vec::new();
        if !made.is_empty() {
            let off: Vec<&str> = made.iter().map(|one| one.off.as_str()).collect();
            hints.push(format!(
                "on the {side}: SET default_transaction_read_only = off; {}; look who made it, which roles are superusers now, and compare the rows with \
                 pgl-verify{}; where it is meant to be so: --force cut.replica_triggers",
                off.join("; "),
                if facts.rollback {
                    ""
                } else {
                    "; one that came with the schema is disabled until the cutover by: pgl-setup --step target.triggers"
                }
            ));
        }
        if !copied.is_empty() {
            hints.push(disable_copied(&copied));
        }
        refuse(
            "cut.replica_triggers",
            format!(
                "pglogical's apply worker on the {side} runs what fires for replicated rows, as a superuser: {}",
                some_of(&said)
            ),
            &hints.join("; "),
        );
    }
    if !facts.left_behind.is_empty() {
        refuse(
            "cut.left_behind",
            format!(
                "made on the target after the cutover, and not replicated: {}",
                some_of(&facts.left_behind)
            ),
            "bring them to the source with statements of your own, with their rows, which nothing replicates; after that, and where they may stay behind: --force cut.left_behind",
        );
    }
    for one in &facts.read_only {
        refuse(
            "cut.read_only",
            format!(
                "default_transaction_read_only would still be on for {} after the promotion of the {}",
                one.scope, one.side
            ),
            &format!(
                "on the {}: {READ_WRITE}; {}; where it is meant to be so: --force cut.read_only",
                one.side, one.sql
            ),
        );
    }
    let (definitions, rights) = (facts.definitions.said(false), facts.definitions.said(true));
    let fix = match facts.rollback {
        true => format!("{}:", fix_of_rollback()),
        false => format!("{FIX}, or"),
    };
    if !definitions.is_empty() {
        refuse(
            "cut.definitions",
            format!("definitions differ: {}", some_of(&definitions)),
            &format!("{fix} --force cut.definitions"),
        );
    }
    if !rights.is_empty() {
        refuse(
            "cut.rights",
            format!("owners and privileges differ: {}", some_of(&rights)),
            &format!("{fix} --force cut.rights"),
        );
    }
    if let Some(why) = &facts.definitions.names_only
        && *why != NamesOnly::NotKept
    {
        let with = match why.needed() {
            Some(major) => format!(
                "name the directory of pg_dump {major} with --pg-bindir (package postgresql-client-{major})"
            ),
            None => "compare both sides yourself".to_owned(),
        };
        refuse(
            "cut.definitions",
            format!("definitions may have changed since the setup: {why}"),
            &format!("{with}; to go on without: --force cut.definitions"),
        );
    }
    if let Some(why) = &facts.definitions_unknown {
        refuse(
            "cut.definitions",
            format!("the definitions of both sides cannot be compared: {why}"),
            "remove that cause, or name the directory of pg_dump with --pg-bindir; to go on without: --force cut.definitions",
        );
    }
    if !facts.sequences.is_empty() {
        refuse(
            "cut.sequences",
            format!("cannot be copied: {}", some_of(&facts.sequences)),
            "pgl-seqsync --dry-run says why",
        );
    }
    if !facts.sequence_mismatches.is_empty() {
        let from = if facts.rollback {
            Side::Target
        } else {
            Side::Source
        };
        let (what, hint) = said(&facts.sequence_mismatches, from);
        refuse(
            "cut.sequence_names",
            what,
            &format!("{hint}; where it is meant to be so: --force cut.sequence_names"),
        );
    }
    if let Some(what) = &facts.large_objects {
        refuse(
            "cut.large_objects",
            format!("they are not replicated: {what}"),
            "--large-objects copies them, and a superuser can lock them; where they are of no use, or no session writes them: --force cut.large_objects",
        );
    }
    for (id, what) in &facts.findings {
        refuse(
            id,
            what.clone(),
            "pgl-preflight prints the remedy of each of its findings",
        );
    }
    all.extend(facts.impossible.iter().cloned());
    debug_assert!(all.iter().all(|one| can_be_forced(&one.id)), "{all:?}");
    all.retain(|refusal| !forced.contains(&refusal.id));
    if facts.circular {
        // Nothing to be overridden: there is nothing to run.
        all.push(Refusal {
            id: "cut.reverse".to_owned(),
            what: "PostgreSQL 9.4 does not write down where a change came from: with replication back each one \
                   would travel in a circle"
                .to_owned(),
            hint: "cut over without --reverse".to_owned(),
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QualifiedName;
    use crate::definitions::{ChangedSide, DefinitionChange};

    fn difference(rights: bool) -> DefinitionComparison {
        let one = DefinitionChange {
            object: "VIEW s.v".to_owned(),
            kind: "VIEW".to_owned(),
            changed: ChangedSide::Source,
            rights,
            source: None,
            target: None,
        };
        DefinitionComparison {
            differences: vec![one],
            ..DefinitionComparison::default()
        }
    }

    fn good() -> Preconditions {
        Preconditions {
            subscription: Some("replicating".to_owned()),
            copy_proven: true,
            ..Preconditions::default()
        }
    }

    fn ids(facts: &Preconditions) -> Vec<String> {
        let limits = CutoverLimits { max_lag: 100 };
        guards(facts, limits, &[])
            .into_iter()
            .map(|r| r.id)
            .collect()
    }

    #[test]
    fn a_sound_pair_passes_in_both_directions() {
        for rollback in [false, true] {
            let facts = Preconditions { rollback, ..good() };
            assert!(ids(&facts).is_empty(), "rollback: {rollback}");
        }
    }

    #[test]
    fn each_fault_has_its_id_and_can_be_overridden() {
        type Fault = fn(&mut Preconditions);
        let faults: [(&str, Fault); 38] = [
            ("cut.left_out", |f| f.left_out = vec!["odd".to_owned()]),
            ("cut.replica_triggers", |f| {
                f.replica_triggers = vec![ReplicaTrigger::default()]
            }),
            ("cut.subscription", |f| f.subscription = None),
            ("cut.subscription", |f| {
                f.subscription = Some("odd".to_owned())
            }),
            ("cut.synced", |f| f.tables_behind = 1),
            ("cut.proven", |f| f.copy_proven = false),
            ("cut.origin", |f| {
                f.origin_writers = vec!["odd".to_owned()];
            }),
            ("cut.sequence_names", |f| {
                f.sequence_mismatches = vec![super::super::sequence_names::tests::odd()];
            }),
            ("cut.timeline", |f| {
                f.timelines = Some(Timelines { then: 1, now: 2 });
            }),
            ("cut.slot_moved", |f| {
                f.slot_moved = Some(MissingChanges {
                    what: "the slot was moved".to_owned(),
                    tables: vec![QualifiedName::new("s", "t")],
                });
            }),
            ("cut.followed", |f| {
                f.missing_sets = vec!["default".to_owned()];
            }),
            ("cut.delay", |f| f.delay_ms = 1),
            ("cut.prepared", |f| f.prepared = 1),
            ("cut.followed", |f| f.not_followed = vec!["odd".to_owned()]),
            ("cut.followed", |f| f.not_members = vec!["odd".to_owned()]),
            ("cut.followed", |f| f.unreplicated = vec!["odd".to_owned()]),
            ("cut.indexes", |f| {
                f.invalid_indexes = vec!["odd".to_owned()]
            }),
            ("cut.indexes", |f| f.invalid_unique = vec!["odd".to_owned()]),
            ("cut.input_settings", |f| {
                f.input_settings = vec!["odd".to_owned()]
            }),
            ("cut.sequences", |f| f.sequences = vec!["odd".to_owned()]),
            ("cut.large_objects", |f| {
                f.large_objects = Some("odd".to_owned())
            }),
            ("seq.behind_data", |f| {
                f.findings = vec![("seq.behind_data".to_owned(), String::new())]
            }),
            ("cut.vacuum", |f| f.vacuums = vec!["odd".to_owned()]),
            ("cut.rewritten", |f| f.rewritten = vec!["odd".to_owned()]),
            ("cut.no_key", |f| f.uncarried = vec!["odd".to_owned()]),
            ("cut.held", |f| f.held = 1),
            ("cut.schema", |f| f.differences = vec!["odd".to_owned()]),
            ("cut.unplanned", |f| f.unplanned = vec!["odd".to_owned()]),
            ("cut.left_behind", |f| {
                f.left_behind = vec!["odd".to_owned()]
            }),
            ("cut.origins", |f| {
                f.impossible = vec![Refusal {
                    id: "cut.origins".to_owned(),
                    what: String::new(),
                    hint: String::new(),
                }]
            }),
            ("cut.read_only", |f| {
                f.read_only = vec![StaysReadOnly {
                    side: Side::Target,
                    scope: "role app".to_owned(),
                    sql: "ALTER ROLE".to_owned(),
                }]
            }),
            ("cut.definitions", |f| {
                f.definitions = difference(false);
            }),
            ("cut.definitions", |f| {
                f.definitions_unknown = Some("odd".to_owned());
            }),
            ("cut.definitions", |f| {
                f.definitions.names_only = Some(NamesOnly::OtherPgDump {
                    then: [17].into(),
                    now: 18,
                });
            }),
            ("cut.matviews", |f| f.unfilled = vec!["odd".to_owned()]),
            ("cut.orphans", |f| f.orphans = vec!["odd".to_owned()]),
            ("cut.rights", |f| f.definitions = difference(true)),
            ("cut.statistics", |f| {
                f.without_statistics = vec!["odd".to_owned()]
            }),
        ];
        for (id, fault) in faults {
            let mut facts = good();
            fault(&mut facts);
            let limits = CutoverLimits { max_lag: 100 };
            let found = guards(&facts, limits, &[]);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].id, id);
            // What is odd is named.
            let odd = format!("{facts:?}").contains("\"odd\"");
            assert_eq!(found[0].what.contains("odd"), odd, "{found:?}");
            assert!(guards(&facts, limits, &[id.to_owned()]).is_empty());
        }
    }

    /// What was never recorded cannot be found by another pg_dump.
    #[test]
    fn another_pg_dump_is_named_and_nothing_where_none_has_recorded() {
        let with = |why| {
            let mut facts = good();
            facts.definitions.names_only = Some(why);
            guards(&facts, CutoverLimits { max_lag: 100 }, &[])
        };
        assert!(with(NamesOnly::NotKept).is_empty());
        let found = with(NamesOnly::OtherPgDump {
            then: [17].into(),
            now: 18,
        });
        assert!(
            found[0].hint.contains("pg_dump 17 with --pg-bindir"),
            "{found:?}"
        );
    }

    #[test]
    fn after_the_promotion_no_hint_leads_to_pgl_control() {
        let facts = Preconditions {
            rollback: true,
            not_members: vec!["s.t (set default)".to_owned()],
            ..good()
        };
        let found = guards(&facts, CutoverLimits { max_lag: 100 }, &[]);
        assert_eq!(
            found[0].what,
            "not in the target's replication set: s.t (set default)"
        );
        assert!(!found[0].hint.contains("pgl-control"));
    }

    #[test]
    fn a_renamed_table_is_said_once_with_the_statements_that_help() {
        let facts = Preconditions {
            rollback: true,
            not_members: vec!["s.t (set default)".to_owned()],
            renamed: Renamed {
                now: vec![QualifiedName::new("s", "t2")],
                planned: vec![QualifiedName::new("s", "t")],
                subscription: "pgl_x_back".to_owned(),
                reverse: true,
            },
            ..good()
        };
        let found = guards(&facts, CutoverLimits { max_lag: 100 }, &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].id, "cut.followed");
        assert!(found[0].hint.contains("RENAME TO"), "{found:?}");
    }

    #[test]
    fn a_circle_cannot_be_forced() {
        let facts = Preconditions {
            circular: true,
            ..good()
        };
        let limits = CutoverLimits { max_lag: 100 };
        let left = guards(&facts, limits, &["cut.reverse".to_owned()]);
        assert_eq!(left[0].id, "cut.reverse");
    }

    #[test]
    fn lag_above_the_limit_passes_only_while_it_falls() {
        let mut facts = good();
        facts.lag = (500, 500);
        assert_eq!(ids(&facts), ["cut.lag"]);
        facts.lag = (500, 400);
        assert!(ids(&facts).is_empty());
        facts.lag = (10, 90);
        assert!(ids(&facts).is_empty());
        facts.lag = (100, 100);
        assert!(ids(&facts).is_empty(), "the limit itself is allowed");
    }
}
