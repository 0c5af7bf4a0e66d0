//! Rows without a key that are most likely one row whose values differ: the nearest pairs of a missing and an extra row.

use super::outcome::RowDiff;
use super::rows::{Kind, Tally};

/// Pairs that are looked at; with more, rows stay missing and extra.
const MOST_PAIRS: usize = 250_000;

/// Without a key a changed row is one missing and one extra row. Two that agree in at least half of
/// their columns, and better than others, are shown as one row that differs.
pub fn pair_up(rows: &mut Vec<RowDiff>, tally: &mut Tally) {
    let of = |kind: Kind| -> Vec<usize> {
        (rows.iter().enumerate())
            .filter(|(_, row)| row.kind == kind && row.source_count + row.target_count == 1)
            .map(|(at, _)| at)
            .collect()
    };
    let (missing, extra) = (of(Kind::Missing), of(Kind::Extra));
    if missing.len().saturating_mul(extra.len()) > MOST_PAIRS {
        return;
    }
    let mut pairs = Vec::new();
    for m in &missing {
        for e in &extra {
            let (one, two) = (&rows[*m].columns, &rows[*e].columns);
            let same = one
                .iter()
                .zip(two)
                .filter(|(one, two)| one.source.digest == two.target.digest)
                .count();
            if same > 0 && same * 2 >= one.len() && same < one.len() {
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
        row.kind = Kind::Different;
        row.target_count = 1;
        row.target_partition = extra.target_partition;
        for (column, other) in row.columns.iter_mut().zip(extra.columns) {
            column.target = other.target;
        }
        row.columns
            .retain(|column| column.source.digest != column.target.digest);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::outcome::{ColumnDiff, Shown};

    fn row(kind: Kind, values: &[&str]) -> RowDiff {
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
                    Kind::Missing => (value(text), Shown::default()),
                    _ => (Shown::default(), value(text)),
                };
                ColumnDiff {
                    name: format!("c{at}"),
                    source,
                    target,
                }
            })
            .collect();
        let missing = u64::from(kind == Kind::Missing);
        RowDiff {
            kind,
            proven: true,
            key: Vec::new(),
            source_count: missing,
            target_count: 1 - missing,
            source_partition: None,
            target_partition: None,
            columns,
        }
    }

    fn run(mut rows: Vec<RowDiff>) -> (Vec<(Kind, usize)>, Tally) {
        let mut tally = Tally {
            missing: rows.iter().filter(|r| r.kind == Kind::Missing).count() as u64,
            extra: rows.iter().filter(|r| r.kind == Kind::Extra).count() as u64,
            ..Tally::default()
        };
        pair_up(&mut rows, &mut tally);
        let kinds = rows.iter().map(|r| (r.kind, r.columns.len())).collect();
        (kinds, tally)
    }

    #[test]
    fn the_nearest_rows_become_one_that_differs() {
        let (rows, tally) = run(vec![
            row(Kind::Missing, &["a", "b", "c", "d"]),
            row(Kind::Extra, &["a", "b", "x", "y"]),
            row(Kind::Extra, &["a", "b", "c", "z"]),
        ]);
        assert_eq!(rows, [(Kind::Different, 1), (Kind::Extra, 4)]);
        assert_eq!((tally.missing, tally.extra, tally.different), (0, 1, 1));
        // Less than half, nothing, or everything in common is no pair.
        for other in [["a", "x", "y"], ["x", "y", "z"], ["a", "b", "c"]] {
            let (rows, tally) = run(vec![
                row(Kind::Missing, &["a", "b", "c"]),
                row(Kind::Extra, &other),
            ]);
            assert_eq!(rows.len(), 2);
            assert_eq!((tally.missing, tally.extra, tally.different), (1, 1, 0));
        }
        // Half is enough.
        let half = run(vec![
            row(Kind::Missing, &["a", "b"]),
            row(Kind::Extra, &["a", "x"]),
        ]);
        assert_eq!(half.0, [(Kind::Different, 1)]);
    }

    #[test]
    fn rows_that_are_there_several_times_stay_as_they_are() {
        let mut twice = row(Kind::Missing, &["a", "b"]);
        twice.source_count = 2;
        let (rows, _) = run(vec![twice, row(Kind::Extra, &["a", "x"])]);
        assert_eq!(rows, [(Kind::Missing, 2), (Kind::Extra, 2)]);
    }

    /// Ten thousand rows of each kind would be a hundred million pairs.
    #[test]
    fn the_work_is_bounded() {
        let all = |kind| std::iter::repeat_n(row(kind, &["a", "b"]), 10_000);
        let (rows, tally) = run(all(Kind::Missing).chain(all(Kind::Extra)).collect());
        assert_eq!(rows.len(), 20_000);
        assert_eq!(tally.different, 0);
        let some = |kind| std::iter::repeat_n(row(kind, &["a", "b"]), 500);
        let mut rows: Vec<RowDiff> = some(Kind::Missing).collect();
        rows.extend(std::iter::repeat_n(row(Kind::Extra, &["a", "x"]), 500));
        let (rows, tally) = run(rows);
        assert_eq!((rows.len(), tally.different), (500, 500));
    }
}
