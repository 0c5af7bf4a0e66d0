//! Which sequences are locked while writes are blocked, and why others are not.

use serde::Deserialize;

use crate::rules::some_of;
use crate::{QualifiedName, Side, plural};

/// A sequence of the plan, and how it is locked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SequenceLock {
    /// The sequence.
    pub sequence: QualifiedName,
    /// Whether there is one of this name.
    pub exists: bool,
    /// The statement; null where the role has no right to it.
    pub sql: Option<String>,
}

/// What is locked, and what is said of the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SequenceLocks {
    /// The statements.
    pub statements: Vec<String>,
    /// Sentences.
    pub notes: Vec<String>,
}

impl SequenceLocks {
    /// Decides with room for `room` locks.
    pub fn of(side: Side, all: Vec<SequenceLock>, room: usize) -> Self {
        let (there, dropped): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.exists);
        let number = there.len();
        let mut statements: Vec<String> = there.into_iter().filter_map(|one| one.sql).collect();
        if statements.len() > room {
            statements.clear();
        }
        let mut notes = Vec::new();
        if statements.len() < number {
            notes.push(format!(
                "not locked: {} (no right to, or max_locks_per_transaction is too low): a session that sets \
                 default_transaction_read_only = off can still call nextval while writes are blocked",
                plural(number - statements.len(), "sequence")
            ));
        }
        if !dropped.is_empty() {
            let names: Vec<String> = dropped.iter().map(|one| one.sequence.to_string()).collect();
            notes.push(format!(
                "sequences of the plan do not exist on the {side} any more: {}",
                some_of(&names)
            ));
        }
        Self { statements, notes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_that_was_dropped_is_not_one_without_a_right() {
        let one = |name: &str, exists, sql: Option<&str>| SequenceLock {
            sequence: QualifiedName::new("s", name),
            exists,
            sql: sql.map(str::to_owned),
        };
        let all = vec![one("a", true, Some("lock a")), one("gone", false, None)];
        let found = SequenceLocks::of(Side::Source, all.clone(), 1);
        assert_eq!(found.statements, ["lock a"]);
        assert_eq!(
            found.notes,
            ["sequences of the plan do not exist on the source any more: s.gone"]
        );
        let found = SequenceLocks::of(Side::Source, all, 0);
        assert!(found.statements.is_empty());
        assert!(found.notes[0].starts_with("not locked: 1 sequence ("));
        let found = SequenceLocks::of(Side::Source, vec![one("a", true, None)], 9);
        assert!(found.notes.len() == 1 && found.notes[0].contains("no right"));
    }
}
