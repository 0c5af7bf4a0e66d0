//! The cutover as data: its states, what closes and opens a database, what an interrupted attempt
//! has left, what has to hold before it begins. All pure.
//!
//! Two commits carry everything. The one that **closes** the provider stores what it changes
//! together with the change, so that it can be rolled back whoever died in between. The one that
//! **releases** the subscriber brings foreign keys, triggers, settings and the note "released" at
//! once: before it the attempt can only be rolled back, after it only be finished. Nobody has to
//! remember where a killed run was; both databases say it.

mod drift;
mod fingerprint;
mod guard;
mod identity;
mod last_attempt;
mod origin;
mod permissions;
mod read_only;
mod replica_trigger;
mod sequence_lock;
mod sequence_names;
mod state;
mod timeline;
mod write_block;

pub use drift::{
    Renamed, Stored, dropped_on_both, excluded_tables, left_behind, not_replicated, removed_tables,
    renamed, unplanned,
};
pub use fingerprint::{
    CatalogMark, Doubt, Fingerprint, KeptMarks, Labels, TableMark, UnkeyedChecks, changes,
    counters_reliable, doubtful, not_members, unkeyed_checks,
};
pub use guard::{CutoverLimits, Preconditions, REPLICATING, Refusal, can_be_forced, guards};
pub use identity::{DatabaseIdentity, IdentityMismatch, IdentityPair};
pub use last_attempt::{Attempt, AttemptState, Direction, LastAttempt, last_attempt};
pub use origin::OriginRoom;
pub(crate) use permissions::{may_not, to_be_closed};
pub use permissions::{not_permitted, not_replicated_back};
pub use read_only::{ReadOnlySettings, StaysReadOnly, stays_read_only};
pub use replica_trigger::{
    DisabledTrigger, ReplicaTrigger, TriggerState, disable_copied, replica_triggers,
};
pub use sequence_lock::{SequenceLock, SequenceLocks};
pub use sequence_names::said as sequence_mismatches_said;
pub use sequence_names::{SequenceMismatch, SequenceUser, sequence_mismatches};
pub(crate) use state::UNFINISHED;
pub use state::{
    CutOver, CutoverRecord, CutoverRefusal, CutoverState, PROMOTION_UNKNOWN, Promotion, Purpose,
    Traces, WITHOUT_JOURNAL, cutover_state, refusal, without_journal,
};
pub use timeline::Timelines;
pub use write_block::{
    BlockedTable, Closed, READ_WRITE, ReadOnlyOverride, SKIPPED_ROLE, WriteBlock, block_sql,
    close_sql, open_sql, reset_sql, unblock_sql,
};

use crate::QualifiedName;
use crate::plan::{Plan, PlanTable, Set};

/// A table to count, with its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sized {
    /// The table.
    pub table: QualifiedName,
    /// Size of its heap in bytes.
    pub bytes: u64,
}

impl From<&PlanTable> for Sized {
    fn from(table: &PlanTable) -> Self {
        Self {
            table: table.qualified(),
            bytes: table.bytes,
        }
    }
}

/// Which tables are counted within the pause and which right after it, in views that were taken
/// within: smallest first, up to `budget` bytes on one side.
pub fn within_budget(
    mut tables: Vec<Sized>,
    budget: u64,
) -> (Vec<QualifiedName>, Vec<QualifiedName>) {
    tables.sort_by(|a, b| a.bytes.cmp(&b.bytes).then_with(|| a.table.cmp(&b.table)));
    let mut spent = 0_u64;
    let (mut inside, mut after) = (Vec::new(), Vec::new());
    for one in tables {
        spent = spent.saturating_add(one.bytes);
        if spent <= budget {
            inside.push(one.table);
        } else {
            after.push(one.table);
        }
    }
    (inside, after)
}

/// Marks the tables without a key that are copied again whatever the plan says: the smallest, up to
/// `budget` bytes. The plan judges by the server's counters, which are late, and gone after a crash;
/// whoever updates a row a second later is not seen, and a count of rows does not notice it. What
/// this marks depends on the plan alone, so that the way back copies the same ones.
pub fn copy_small_again(plan: &mut Plan, budget: u64) {
    let sized = plan
        .tables
        .iter()
        .filter(|table| table.set == Set::DefaultInsertOnly && !table.recopy_at_cutover)
        .map(Sized::from)
        .collect();
    let (small, _) = within_budget(sized, budget);
    for table in &mut plan.tables {
        if small.contains(&table.qualified()) {
            table.recopy_at_cutover = true;
        }
    }
}

/// Whether the rows of a table are copied again under the locks. On the way back that is also so where UPDATE and DELETE on a
/// table without a replica identity were counted on the target (`changed`): reverse replication did not carry them.
pub fn copied_again(table: &PlanTable, direction: Direction, changed: &[QualifiedName]) -> bool {
    table.recopy_at_cutover
        || (direction == Direction::Back
            && table.set == Set::DefaultInsertOnly
            && changed.contains(&table.qualified()))
}

/// The one statement that waits for every writer and keeps new ones out.
pub fn lock_sql(tables: &[QualifiedName]) -> Option<String> {
    if tables.is_empty() {
        return None;
    }
    let mut sorted = tables.to_vec();
    sorted.sort();
    sorted.dedup();
    let names: Vec<String> = sorted.iter().map(QualifiedName::sql).collect();
    Some(format!(
        "LOCK TABLE ONLY {} IN SHARE MODE",
        names.join(", ONLY ")
    ))
}

#[cfg(test)]
mod tests {
    use super::drift::tests::{plan, table};
    use super::*;

    #[test]
    fn the_small_ones_are_counted_within_the_pause() {
        let sized = |name: &str, bytes| Sized {
            table: QualifiedName::new("public", name),
            bytes,
        };
        let all = vec![sized("big", 900), sized("a", 10), sized("b", 90)];
        let (inside, after) = within_budget(all, 100);
        let names = |all: &[QualifiedName]| all.iter().map(|t| t.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&inside), ["a", "b"]);
        assert_eq!(names(&after), ["big"]);
    }

    fn planned(name: &str, set: Set, bytes: u64, recopy_at_cutover: bool) -> PlanTable {
        PlanTable {
            bytes,
            recopy_at_cutover,
            ..table(name, set)
        }
    }

    #[test]
    fn small_tables_without_a_key_are_copied_again_whatever_the_plan_says() {
        let mut plan = plan(vec![
            planned("keyed", Set::Default, 1, false),
            planned("excluded", Set::Excluded, 1, false),
            // What the plan copies anyway does not count.
            planned("planned", Set::DefaultInsertOnly, 1, true),
            planned("small", Set::DefaultInsertOnly, 10, false),
            planned("fits", Set::DefaultInsertOnly, 90, false),
            planned("large", Set::DefaultInsertOnly, 91, false),
        ]);
        copy_small_again(&mut plan, 100);
        let copied = plan.tables.iter().filter(|one| one.recopy_at_cutover);
        let names: Vec<&str> = copied.map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["planned", "small", "fits"]);
    }

    #[test]
    fn the_way_back_also_copies_what_was_updated_without_a_key() {
        use Direction::{Back, Forward};
        let changed = [QualifiedName::new("s", "t")];
        for (set, recopy, direction, changed, again) in [
            (Set::Default, true, Forward, &[][..], true),
            (Set::DefaultInsertOnly, true, Back, &[], true),
            (Set::DefaultInsertOnly, false, Back, &changed, true),
            (Set::DefaultInsertOnly, false, Back, &[], false),
            (Set::DefaultInsertOnly, false, Forward, &changed, false),
            (Set::Default, false, Back, &changed, false),
        ] {
            let table = planned("t", set, 1, recopy);
            assert_eq!(
                copied_again(&table, direction, changed),
                again,
                "{set:?} {recopy} {direction:?}"
            );
        }
    }

    #[test]
    fn one_lock_statement_in_a_fixed_order() {
        let all = [
            QualifiedName::new("s", "b"),
            QualifiedName::new("s", "a"),
            QualifiedName::new("s", "b"),
        ];
        assert_eq!(
            lock_sql(&all).unwrap(),
            r#"LOCK TABLE ONLY "s"."a", ONLY "s"."b" IN SHARE MODE"#
        );
        assert_eq!(lock_sql(&[]), None);
    }
}
