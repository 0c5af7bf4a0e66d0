//! Rows without a key that are most likely one row whose values differ: the nearest pairs of a missing and an extra row.

use super::outcome::RowDiff;
use super::rows::{DifferenceKind, Tally};

/// Pairs that are looked at; with more, rows stay missing and extra.
const MOST_PAIRS: usize = 250_000;

/// Without a key a changed row is one missing and one extra row. Two that agree in at least half of
/// their columns, and better than others, are shown as one row that differs.
pub fn pair_up(rows: &mut Vec<RowDiff>, tally: &mut Tally) {
    let of = |kind: DifferenceKind| -> Vec<usize> {
        (rows.iter().enumerate())
            .filter(|(_, row)| row.kind == kind && is_single(row))
            .map(|(at, _)| at)
            .collect()
    };
    let (missing, extra) = (of(DifferenceKind::Missing), of(DifferenceKind::Extra));
    if missing.len().saturating_mul(extra.len()) > MOST_PAIRS {
        return;
    }
    let mut pairs = Vec::new();
    for m in &missing {
        for e in &extra {
            let (one, two) = (
                rows[*m].columns.iter().flatten(),
                rows[*e].columns.iter().flatten(),
            );
            let count = one.clone().count();
            let same = one
                .zip(two)
                .filter(|(one, two)| one.source.digest == two.target.digest)
                .count();
            if same > 0 && same * 2 >= count && same < count {
                pairs.push((std::cmp::Reverse(same), *m, *e));
            }
        }
    }
    pairs.sort_unstable();
    let mut taken = vec![false; rows.len()];
    let mut gone = vec![false; rows.len()];
    for (_, m, e) in pairs {
        if taken[m] || taken[e] {
            continue;
        }
        (taken[m], taken[e], gone[e]) = (true, true, true);
        let extra = rows[e].clone();
        let row = &mut rows[m];
        row.kind = DifferenceKind::Different;
        row.target_count = Some(1);
        row.target_partition = extra.target_partition;
        if let (Some(columns), Some(others)) = (&mut row.columns, extra.columns) {
            for (column, other) in columns.iter_mut().zip(others) {
                column.target = other.target;
            }
            columns.retain(|column| column.source.digest != column.target.digest);
        }
        tally.missing = tally.missing.saturating_sub(1);
        tally.extra = tally.extra.saturating_sub(1);
        tally.different += 1;
    }
    let mut at = 0;
    rows.retain(|_| {
        at += 1;
        !gone[at - 1]
    });
}

/// Whether a row is there once, on one side.
fn is_single(row: &RowDiff) -> bool {
    row.source_count.unwrap_or(0) + row.target_count.unwrap_or(0) == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::outcome::{ColumnDiff, Shown};

    fn row(kind: DifferenceKind, values: &[&str]) -> RowDiff {
        let value = |text: &str| Shown {
            present: true,
            digest: Some(text.to_owned()),
            ..Shown::default()
        };
        let columns = values
            .iter()
            .enumerate()
            .map(|(at, text)| {
                let (source, target) = match kind {
                    DifferenceKind::Missing => (value(text), Shown::default()),
                    _ => (Shown::default(), value(text)),
                };
                ColumnDiff {
                    name: format!("c{at}"),
                    source,
                    target,
                }
            })
            .collect();
        let missing = u64::from(kind == DifferenceKind::Missing);
        RowDiff {
            kind,
            proven: true,
            key: Vec::new(),
            source_count: Some(missing),
            target_count: Some(1 - missing),
            source_partition: None,
            target_partition: None,
            columns: Some(columns),
        }
    }

    fn run(mut rows: Vec<RowDiff>) -> (Vec<(DifferenceKind, usize)>, Tally) {
        let mut tally = Tally {
            missing: rows
                .iter()
                .filter(|r| r.kind == DifferenceKind::Missing)
                .count() as u64,
            extra: rows
                .iter()
                .filter(|r| r.kind == DifferenceKind::Extra)
                .count() as u64,
            ..Tally::default()
        };
        pair_up(&mut rows, &mut tally);
        let kinds = (rows.iter())
            .map(|r| (r.kind, r.columns.iter().flatten().count()))
            .collect();
        (kinds, tally)
    }

    #[test]
    fn the_nearest_rows_become_one_that_differs() {
        let (rows, tally) = run(vec![
            row(DifferenceKind::Missing, &["a", "b", "c", "d"]),
            row(DifferenceKind::Extra, &["a", "b", "x", "y"]),
            row(DifferenceKind::Extra, &["a", "b", "c", "z"]),
        ]);
        assert_eq!(
            rows,
            [(DifferenceKind::Different, 1), (DifferenceKind::Extra, 4)]
        );
        assert_eq!((tally.missing, tally.extra, tally.different), (0, 1, 1));
        // Less than half, nothing, or everything in common is no pair.
        for other in [["a", "x", "y"], ["x", "y", "z"], ["a", "b", "c"]] {
            let (rows, tally) = run(vec![
                row(DifferenceKind::Missing, &["a", "b", "c"]),
                row(DifferenceKind::Extra, &other),
            ]);
            assert_eq!(rows.len(), 2);
            assert_eq!((tally.missing, tally.extra, tally.different), (1, 1, 0));
        }
        // Half is enough.
        let half = run(vec![
            row(DifferenceKind::Missing, &["a", "b"]),
            row(DifferenceKind::Extra, &["a", "x"]),
        ]);
        assert_eq!(half.0, [(DifferenceKind::Different, 1)]);
    }

    #[test]
    fn rows_that_are_there_several_times_stay_as_they_are() {
        let mut twice = row(DifferenceKind::Missing, &["a", "b"]);
        twice.source_count = Some(2);
        let (rows, _) = run(vec![twice, row(DifferenceKind::Extra, &["a", "x"])]);
        assert_eq!(
            rows,
            [(DifferenceKind::Missing, 2), (DifferenceKind::Extra, 2)]
        );
    }

    /// Ten thousand rows of each kind would be a hundred million pairs.
    #[test]
    fn the_work_is_bounded() {
        let all = |kind| std::iter::repeat_n(row(kind, &["a", "b"]), 10_000);
        let (rows, tally) = run(all(DifferenceKind::Missing)
            .chain(all(DifferenceKind::Extra))
            .collect());
        assert_eq!(rows.len(), 20_000);
        assert_eq!(tally.different, 0);
        let some = |kind| std::iter::repeat_n(row(kind, &["a", "b"]), 500);
        let mut rows: Vec<RowDiff> = some(DifferenceKind::Missing).collect();
        rows.extend(std::iter::repeat_n(
            row(DifferenceKind::Extra, &["a", "x"]),
            500,
        ));
        let (rows, tally) = run(rows);
        assert_eq!((rows.len(), tally.different), (500, 500));
    }
}
