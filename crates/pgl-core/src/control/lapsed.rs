//! A table that the plan replicates and that is not replicated all the same: it was dropped and created
//! again on one side. Names are the same then, objects are not.

/// What both databases show of a table that the plan replicates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplicatedTable {
    /// Whether the object that has this name on the source is a member of a set that is subscribed to.
    pub in_set: bool,
    /// Object id of the table that has this name on the target.
    pub on_target: Option<u32>,
    /// Object id of the table that was filled there, where the journal has it.
    pub filled: Option<u32>,
    /// Whether the source's table holds rows.
    pub rows_on_source: bool,
    /// Whether the target's table holds rows.
    pub rows_on_target: bool,
}

/// Why a table of the plan has to be added again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lapsed {
    /// The source's table is in no set.
    NotInSet,
    /// The target has no such table.
    NotOnTarget,
    /// The target's table is not the one that was filled.
    Recreated,
    /// The target's table is empty, and the source's is not.
    Empty,
}

impl Lapsed {
    /// As a sentence about the table.
    pub fn text(self) -> &'static str {
        match self {
            Self::NotInSet => {
                "the table of this name on the source is in no replication set: it was dropped and created again, renamed, or removed from its set"
            }
            Self::NotOnTarget => "the target has no table of this name any more",
            Self::Recreated => {
                "the target's table was dropped and created again since its rows were copied"
            }
            Self::Empty => "the target's table is empty, and the source's is not",
        }
    }
}

/// Why the table has to be added again; none where it is replicated as planned.
pub fn lapsed(seen: &ReplicatedTable) -> Option<Lapsed> {
    let Some(oid) = seen.on_target else {
        return Some(Lapsed::NotOnTarget);
    };
    if !seen.in_set {
        Some(Lapsed::NotInSet)
    } else if seen.filled.is_some_and(|filled| filled != oid) {
        Some(Lapsed::Recreated)
    } else if seen.rows_on_source && !seen.rows_on_target {
        Some(Lapsed::Empty)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_table_that_was_copied_and_is_in_its_set_is_replicated_already() {
        let fine = ReplicatedTable {
            in_set: true,
            on_target: Some(7),
            filled: Some(7),
            rows_on_source: true,
            rows_on_target: true,
        };
        assert_eq!(lapsed(&fine), None);
        let cases = [
            (
                ReplicatedTable {
                    in_set: false,
                    ..fine.clone()
                },
                Some(Lapsed::NotInSet),
            ),
            (
                ReplicatedTable {
                    on_target: None,
                    ..fine.clone()
                },
                Some(Lapsed::NotOnTarget),
            ),
            (
                ReplicatedTable {
                    in_set: false,
                    on_target: None,
                    ..fine.clone()
                },
                Some(Lapsed::NotOnTarget),
            ),
            (
                ReplicatedTable {
                    on_target: Some(8),
                    ..fine.clone()
                },
                Some(Lapsed::Recreated),
            ),
            (
                ReplicatedTable {
                    rows_on_target: false,
                    ..fine.clone()
                },
                Some(Lapsed::Empty),
            ),
            (
                ReplicatedTable {
                    rows_on_target: false,
                    rows_on_source: false,
                    ..fine.clone()
                },
                None,
            ),
            (
                ReplicatedTable {
                    rows_on_source: false,
                    ..fine.clone()
                },
                None,
            ),
            // A journal that notes no object id proves nothing.
            (
                ReplicatedTable {
                    filled: None,
                    ..fine.clone()
                },
                None,
            ),
        ];
        for (seen, expected) in cases {
            assert_eq!(lapsed(&seen), expected, "{seen:?}");
        }
    }
}
