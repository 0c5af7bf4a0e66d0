//! From the rows of differing buckets to the rows that differ: by key where there is one, by
//! multiplicity where there is none.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Side;

/// Where a row is: which of the table's relations (partitions), and its place there. Valid under
/// the snapshot that it was read with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Number of the relation within the table's list.
    pub relation: u32,
    /// Page.
    pub block: u32,
    /// Line pointer.
    pub offset: u16,
}

/// A row as the drill-down reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowSeen {
    /// Canonical bytes of the key; of the whole row's digest where there is no key.
    pub key: Box<[u8]>,
    /// Digest of the row.
    pub digest: u128,
    /// Where it is.
    pub place: Place,
}

/// In which way a row differs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// Only the source has it.
    Missing,
    /// Only the target has it.
    Extra,
    /// Both have the key, the rows differ.
    Different,
    /// Both have it, a different number of times.
    Duplicated,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// In which way.
    pub kind: DifferenceKind,
    /// Canonical bytes of the key.
    pub key: Box<[u8]>,
    /// Rows on the source with this key that have no equal on the target.
    pub source: Vec<Place>,
    /// Rows on the target with this key that have no equal on the source.
    pub target: Vec<Place>,
    /// How often the row is on the source, where multiplicity matters.
    pub source_count: u64,
    /// How often on the target.
    pub target_count: u64,
}

/// Rows of both sides, joined by their canonical key bytes.
#[derive(Debug, Default)]
pub struct RowJoin {
    keys: HashMap<Box<[u8]>, Both>,
}

#[derive(Debug, Default)]
struct Both {
    source: Vec<(u128, Place)>,
    target: Vec<(u128, Place)>,
}

impl RowJoin {
    /// Adds a row of one side.
    pub fn add(&mut self, side: Side, row: RowSeen) {
        let both = self.keys.entry(row.key).or_default();
        match side {
            Side::Source => both.source.push((row.digest, row.place)),
            Side::Target => both.target.push((row.digest, row.place)),
        }
    }

    /// Adds the rows of another join.
    pub fn absorb(&mut self, other: Self) {
        for (key, theirs) in other.keys {
            let both = self.keys.entry(key).or_default();
            both.source.extend(theirs.source);
            both.target.extend(theirs.target);
        }
    }

    /// What differs where the target has to hold so many more, or fewer, of some rows than the source; for tables without
    /// a key. Nothing is known of rows for which `net` gives none.
    pub fn differences_from(mut self, net: &dyn Fn(&[u8]) -> Option<i64>) -> Vec<Difference> {
        let mut all: Vec<Difference> = self
            .keys
            .drain()
            .filter_map(|(key, both)| {
                let net = net(&key)?;
                counted(key, both, net)
            })
            .collect();
        all.sort_by(|one, two| one.key.cmp(&two.key));
        all
    }

    /// What differs, in the order of the key bytes.
    pub fn differences(self) -> Vec<Difference> {
        let mut all: Vec<Difference> = self
            .keys
            .into_iter()
            .filter_map(|(key, both)| compare(key, both))
            .collect();
        all.sort_by(|one, two| one.key.cmp(&two.key));
        all
    }
}

fn compare(key: Box<[u8]>, both: Both) -> Option<Difference> {
    let (source_count, target_count) = (both.source.len(), both.target.len());
    let (source, target) = unmatched(both.source, both.target);
    if source.is_empty() && target.is_empty() {
        return None;
    }
    let kind = match (source_count, target_count) {
        (_, 0) => DifferenceKind::Missing,
        (0, _) => DifferenceKind::Extra,
        (one, two) if one == two => DifferenceKind::Different,
        _ => DifferenceKind::Duplicated,
    };
    Some(Difference {
        kind,
        key,
        source,
        target,
        source_count: source_count as u64,
        target_count: target_count as u64,
    })
}

/// A row by how often the source has it, with what came since, and how often the target.
fn counted(key: Box<[u8]>, both: Both, net: i64) -> Option<Difference> {
    let wanted = (both.source.len() as u64).saturating_add_signed(net);
    let held = both.target.len() as u64;
    let kind = match (wanted, held) {
        (one, two) if one == two => return None,
        (_, 0) => DifferenceKind::Missing,
        (0, _) => DifferenceKind::Extra,
        _ => DifferenceKind::Duplicated,
    };
    let last = |rows: Vec<(u128, Place)>, count: u64| -> Vec<Place> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut places: Vec<Place> = rows.into_iter().map(|(_, place)| place).collect();
        places.sort_unstable();
        places.split_off(places.len().saturating_sub(count))
    };
    Some(Difference {
        kind,
        key,
        source: last(both.source, wanted.saturating_sub(held)),
        target: last(both.target, held.saturating_sub(wanted)),
        source_count: wanted,
        target_count: held,
    })
}

/// Rows without an equal on the other side, each row matched once.
fn unmatched(
    mut source: Vec<(u128, Place)>,
    mut target: Vec<(u128, Place)>,
) -> (Vec<Place>, Vec<Place>) {
    source.sort_unstable();
    target.sort_unstable();
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let (mut s, mut t) = (0, 0);
    while s < source.len() || t < target.len() {
        match (source.get(s), target.get(t)) {
            (Some(one), Some(two)) if one.0 == two.0 => (s, t) = (s + 1, t + 1),
            (Some(one), Some(two)) if one.0 < two.0 => {
                left.push(one.1);
                s += 1;
            }
            (Some(one), None) => {
                left.push(one.1);
                s += 1;
            }
            (_, Some(two)) => {
                right.push(two.1);
                t += 1;
            }
            (None, None) => break,
        }
    }
    (left, right)
}

/// How many differ in which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows that only the source has.
    pub missing: u64,
    /// Rows that only the target has.
    pub extra: u64,
    /// Keys whose rows differ.
    pub different: u64,
    /// Keys, or rows without one, that are there a different number of times.
    pub duplicated: u64,
}

impl Tally {
    /// Counts a difference.
    pub fn count(&mut self, found: &Difference) {
        let (source, target) = (found.source.len() as u64, found.target.len() as u64);
        self.duplicated += u64::from(found.kind == DifferenceKind::Duplicated);
        let changed = match found.kind {
            DifferenceKind::Duplicated | DifferenceKind::Missing | DifferenceKind::Extra => 0,
            DifferenceKind::Different => source.min(target),
        };
        self.different += changed;
        self.missing += source - changed;
        self.extra += target - changed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seen(key: &[u8], digest: u128, at: u16) -> RowSeen {
        RowSeen {
            key: key.into(),
            digest,
            place: Place {
                relation: 0,
                block: 0,
                offset: at,
            },
        }
    }

    fn diff(source: &[(&[u8], u128)], target: &[(&[u8], u128)]) -> Vec<(DifferenceKind, u64, u64)> {
        let mut join = RowJoin::default();
        for (at, (key, digest)) in source.iter().enumerate() {
            join.add(Side::Source, seen(key, *digest, u16::try_from(at).unwrap()));
        }
        for (at, (key, digest)) in target.iter().enumerate() {
            join.add(Side::Target, seen(key, *digest, u16::try_from(at).unwrap()));
        }
        join.differences()
            .iter()
            .map(|d| (d.kind, d.source_count, d.target_count))
            .collect()
    }

    #[test]
    fn keyed_rows() {
        let found = diff(
            &[(b"1", 10), (b"2", 20), (b"3", 30)],
            &[(b"1", 10), (b"2", 21), (b"4", 40)],
        );
        assert_eq!(
            found,
            [
                (DifferenceKind::Different, 1, 1),
                (DifferenceKind::Missing, 1, 0),
                (DifferenceKind::Extra, 0, 1)
            ]
        );
    }

    #[test]
    fn multiplicities() {
        assert!(diff(&[(b"x", 1), (b"x", 1)], &[(b"x", 1), (b"x", 1)]).is_empty());
        assert_eq!(
            diff(&[(b"x", 1), (b"x", 1)], &[(b"x", 1)]),
            [(DifferenceKind::Duplicated, 2, 1)]
        );
        // The target lost its unique index and holds a second, other row for the key.
        assert_eq!(
            diff(&[(b"x", 1)], &[(b"x", 1), (b"x", 2)]),
            [(DifferenceKind::Duplicated, 1, 2)]
        );
    }

    /// Of the same key, rows that are on both sides are left out, whichever come first.
    #[test]
    fn only_rows_without_an_equal_are_named() {
        for (source, target, left, right) in [
            (&[1, 3][..], &[2, 3][..], &[1][..], &[2][..]),
            (&[2, 3], &[1, 3], &[2], &[1]),
            (&[1, 4], &[4, 5], &[1], &[5]),
            (&[1, 2, 3], &[2], &[1, 3], &[]),
            (&[2], &[1, 2, 3], &[], &[1, 3]),
            (&[7, 7], &[7], &[7], &[]),
        ] {
            let (mut one, mut two) = (RowJoin::default(), RowJoin::default());
            for digest in source {
                one.add(
                    Side::Source,
                    seen(b"k", *digest, u16::try_from(*digest).unwrap()),
                );
            }
            for digest in target {
                two.add(
                    Side::Target,
                    seen(b"k", *digest, u16::try_from(*digest).unwrap()),
                );
            }
            // What two readers found is one.
            one.absorb(two);
            let found = one.differences();
            let offsets = |places: &[Place]| -> Vec<u128> {
                places.iter().map(|place| place.offset.into()).collect()
            };
            assert_eq!(found.len(), 1);
            assert_eq!(offsets(&found[0].source), left);
            assert_eq!(offsets(&found[0].target), right);
            let mut tally = Tally::default();
            tally.count(&found[0]);
            tally.count(&found[0]);
            let uneven = source.len() != target.len();
            assert_eq!(tally.duplicated, if uneven { 2 } else { 0 });
        }
    }

    /// Without a key a row has to be there as often as the source has it, with what came since.
    #[test]
    fn rows_without_a_key_are_counted_with_what_came_since() {
        for (source, target, net, expected) in [
            (2_u16, 2_u16, Some(0), None),
            (2, 3, Some(1), None),
            (2, 2, None, None),
            (2, 0, Some(0), Some((DifferenceKind::Missing, 2, 0))),
            (1, 0, Some(-1), None),
            (0, 1, Some(0), Some((DifferenceKind::Extra, 0, 1))),
            (1, 1, Some(-1), Some((DifferenceKind::Extra, 0, 1))),
            (3, 1, Some(0), Some((DifferenceKind::Duplicated, 3, 1))),
            (1, 3, Some(1), Some((DifferenceKind::Duplicated, 2, 3))),
        ] {
            let mut join = RowJoin::default();
            for at in 0..source {
                join.add(Side::Source, seen(b"k", 1, at));
            }
            for at in 0..target {
                join.add(Side::Target, seen(b"k", 1, at));
            }
            let found = join.differences_from(&|_| net);
            let kinds: Vec<_> = (found.iter())
                .map(|one| (one.kind, one.source_count, one.target_count))
                .collect();
            assert_eq!(kinds, expected.into_iter().collect::<Vec<_>>());
            if let Some(one) = found.first() {
                // The last of those that are too many.
                let more = |many: u64, few: u64| usize::try_from(many.saturating_sub(few)).unwrap();
                let last = |count: u16, more: usize| {
                    (0..count)
                        .collect::<Vec<_>>()
                        .split_off(usize::from(count).saturating_sub(more))
                };
                let (wanted, held) = (one.source_count, one.target_count);
                let offsets =
                    |places: &[Place]| places.iter().map(|p| p.offset).collect::<Vec<_>>();
                assert_eq!(offsets(&one.source), last(source, more(wanted, held)));
                assert_eq!(offsets(&one.target), last(target, more(held, wanted)));
            }
        }
    }

    proptest! {
        /// Nothing is reported for equal multisets in any order, and the tally is exact.
        #[test]
        fn the_tally_is_the_multiset_difference(
            common in prop::collection::vec((0_u8..20, 0_u128..4), 0..40),
            only_source in prop::collection::vec(0_u8..20, 0..10),
            only_target in prop::collection::vec(0_u8..20, 0..10),
        ) {
            let mut join = RowJoin::default();
            let mut at = 0;
            let mut put = |side, key: u8, digest| {
                at += 1;
                join.add(side, seen(&[key], digest, at));
            };
            for (key, digest) in &common {
                put(Side::Source, *key, *digest);
            }
            for (key, digest) in common.iter().rev() {
                put(Side::Target, *key, *digest);
            }
            for key in &only_source {
                put(Side::Source, *key, 100);
            }
            for key in &only_target {
                put(Side::Target, *key, 200);
            }
            let mut tally = Tally::default();
            for found in join.differences() {
                tally.count(&found);
            }
            prop_assert_eq!(tally.missing + tally.different, only_source.len() as u64);
            prop_assert_eq!(tally.extra + tally.different, only_target.len() as u64);
        }
    }
}
