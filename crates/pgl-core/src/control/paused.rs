//! Where replication was when it was paused, against where it is when it is resumed, and what is missing where a position was moved.

use serde::{Deserialize, Serialize};

use crate::{Lsn, QualifiedName};

/// The two positions that say what is sent next; null where a role may not read one, or the server does not show it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PausedAt {
    /// `confirmed_flush_lsn` of the slot, on the source.
    pub confirmed: Option<Lsn>,
    /// `remote_lsn` of the replication origin, on the target.
    pub applied: Option<Lsn>,
}

impl PausedAt {
    /// What was moved forward meanwhile, as a sentence: changes between are never sent. A crash moves them back only, and then
    /// what was sent is sent again.
    pub fn moved(&self, now: &Self) -> Option<String> {
        let forward = |what: &str, then: Option<Lsn>, now: Option<Lsn>| {
            let (then, now) = then.zip(now)?;
            (now > then).then(|| format!("{what} was moved from {then} to {now}"))
        };
        forward(
            "confirmed_flush_lsn of the slot",
            self.confirmed,
            now.confirmed,
        )
        .or_else(|| {
            forward(
                "the replication origin of the target",
                self.applied,
                now.applied,
            )
        })
    }
}

/// What shows, without a note of the positions, that a slot was dropped and created again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SlotHistory {
    /// The statistics of the slot count no transaction; from 14 on.
    pub unread: bool,
    /// The server has lost no statistics since the copy.
    pub counted_since_copy: bool,
    /// The LSN of the source at which the rows of the copy were read.
    pub copied: Option<Lsn>,
}

impl SlotHistory {
    /// That the slot was created again, as a sentence. The target has applied what this slot never sent. A slot that was only
    /// advanced cannot be told from one that keepalives have advanced.
    pub fn recreated(&self, now: &PausedAt) -> Option<String> {
        let (copied, applied, confirmed) = (self.copied?, now.applied?, now.confirmed?);
        (self.unread && self.counted_since_copy && applied > copied && confirmed > applied).then(|| {
            format!(
                "the slot was dropped and created again (pg_stat_replication_slots has no transaction of it): it begins at {confirmed}, the target has applied up to {applied}"
            )
        })
    }
}

/// That a position was moved, as the journal has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotMoved {
    /// What was moved, as a sentence.
    pub what: String,
    /// Tables that pgl-control has compared or copied since, quoted for SQL.
    pub again: Vec<String>,
}

impl SlotMoved {
    /// What may be missing; nothing once all these tables were compared or copied since.
    pub fn missing(
        self,
        replicated: impl Iterator<Item = QualifiedName>,
    ) -> Option<MissingChanges> {
        let tables: Vec<QualifiedName> = replicated
            .filter(|table| !self.again.contains(&table.sql()))
            .collect();
        (!tables.is_empty()).then_some(MissingChanges {
            what: self.what,
            tables,
        })
    }
}

/// What may be missing on the target since a position was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingChanges {
    /// What was moved, as a sentence.
    pub what: String,
    /// The tables that nobody has compared or copied since.
    pub tables: Vec<QualifiedName>,
}

impl MissingChanges {
    /// The command that compares the tables and copies those that differ.
    pub fn remedy(&self) -> String {
        let tables: Vec<String> = self.tables.iter().map(QualifiedName::argument).collect();
        format!(
            "compare these tables and copy those that differ: pgl-control resync {} --yes",
            tables.join(" ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_never_sent_what_was_applied_was_created_again() {
        let now = PausedAt {
            confirmed: Some(Lsn(300)),
            applied: Some(Lsn(200)),
        };
        let sure = SlotHistory {
            unread: true,
            counted_since_copy: true,
            copied: Some(Lsn(100)),
        };
        assert!(sure.recreated(&now).is_some());
        let unsure: [fn(&mut SlotHistory, &mut PausedAt); 7] = [
            |history, _| history.unread = false,
            |history, _| history.counted_since_copy = false,
            |history, _| history.copied = None,
            |history, _| history.copied = Some(Lsn(200)),
            |_, now| now.confirmed = Some(Lsn(200)),
            |_, now| now.confirmed = None,
            |_, now| now.applied = None,
        ];
        for change in unsure {
            let (mut history, mut now) = (sure, now);
            change(&mut history, &mut now);
            assert_eq!(history.recreated(&now), None);
        }
    }

    #[test]
    fn changes_are_missing_until_each_table_was_compared_or_copied() {
        let table = |name: &str| QualifiedName::new("s", name);
        let moved = |again: &[&str]| SlotMoved {
            what: "the slot was moved".to_owned(),
            again: again.iter().map(|name| table(name).sql()).collect(),
        };
        let all = || ["a", "b c"].map(table).into_iter();
        let missing = moved(&["gone"]).missing(all()).expect("both");
        assert_eq!(missing.tables, ["a", "b c"].map(table));
        let missing = moved(&["a"]).missing(all()).expect("one");
        assert!(missing.remedy().contains(r#"resync '"s"."b c"' --yes"#));
        assert_eq!(moved(&["b c", "a"]).missing(all()), None);
    }

    #[test]
    fn only_what_moved_forward_loses_changes() {
        let at = |confirmed: Option<u64>, applied: Option<u64>| PausedAt {
            confirmed: confirmed.map(Lsn),
            applied: applied.map(Lsn),
        };
        let then = at(Some(100), Some(90));
        assert_eq!(then.moved(&then), None);
        assert_eq!(then.moved(&at(Some(99), Some(80))), None);
        assert_eq!(then.moved(&at(None, None)), None);
        assert_eq!(PausedAt::default().moved(&then), None);
        let slot = then.moved(&at(Some(101), Some(90)));
        assert!(slot.is_some_and(|what| what.ends_with("of the slot was moved from 0/64 to 0/65")));
        let origin = then.moved(&at(Some(100), Some(91)));
        assert!(origin.is_some_and(|what| what.contains("origin of the target was moved")));
    }
}
