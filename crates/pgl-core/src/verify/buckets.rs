//! Sums of row digests, by bucket.
//!
//! A row belongs to the bucket that the hash of its key names; a bucket holds how many rows it has
//! and the sums of one or two 64-bit digests. Sums, not exclusive or: a pair of equal
//! rows must not vanish. They do not depend on the order of rows, on page layout, on collations or
//! on partitions, so parts read in parallel are simply added.
//!
//! The first pass needs one bucket only: parts of a table add up to the table, however the rows lie on
//! either side. Buckets are for finding the rows of a table that is known to differ.
//!
//! The digest of a row has to depend on all its columns together. A sum of per-column hashes would
//! not see two rows that exchange a value; so the statements that produce these digests hash the
//! combined hash of a row once more before it is added.

/// Tables with fewer rows are fetched whole when they differ.
const FEW: u64 = 10_000;

/// Count and sums of one bucket; sums are modulo 2^64.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Rows.
    pub count: u64,
    /// Sum of the first digest.
    pub first: u64,
    /// Sum of the second digest.
    pub second: u64,
}

/// How much of a bucket's sums is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halves {
    /// The first sum; the second is always 0.
    One,
    /// Both.
    Both,
}

/// All buckets of one table on one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buckets {
    list: Vec<Bucket>,
}

/// A bucket number beyond the number of buckets, or a sum that is no integer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server's digest makes no sense: {0}")]
pub struct BadSum(pub String);

impl Buckets {
    /// `count` empty buckets; a power of two.
    pub fn new(count: usize) -> Self {
        Self {
            list: vec![Bucket::default(); count],
        }
    }

    /// How many buckets suit a table: about 250 rows each, so that the rows of a differing bucket
    /// are quickly fetched, within bounds that keep the answers small.
    pub fn suited(rows: u64) -> usize {
        if rows < FEW {
            return 1;
        }
        let wanted = (rows / 250).clamp(1, 16_384);
        usize::try_from(wanted.next_power_of_two()).unwrap_or(16_384)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// Adds a part of a bucket; the sums as the server's exact integers in text.
    pub fn add_sums(
        &mut self,
        bucket: u32,
        count: u64,
        first: &str,
        second: &str,
    ) -> Result<(), BadSum> {
        let first = modulo(first)?;
        let second = modulo(second)?;
        self.add(
            bucket,
            Bucket {
                count,
                first,
                second,
            },
        )
    }

    /// Adds a part of a bucket.
    pub fn add(&mut self, bucket: u32, part: Bucket) -> Result<(), BadSum> {
        let slot = usize::try_from(bucket)
            .ok()
            .and_then(|at| self.list.get_mut(at))
            .ok_or_else(|| BadSum(format!("bucket {bucket}")))?;
        slot.count = slot.count.wrapping_add(part.count);
        slot.first = slot.first.wrapping_add(part.first);
        slot.second = slot.second.wrapping_add(part.second);
        Ok(())
    }

    /// Adds a row so many times, or takes it away.
    pub fn add_times(&mut self, bucket: u32, row: Bucket, times: i64) -> Result<(), BadSum> {
        let many = times.cast_unsigned();
        self.add(
            bucket,
            Bucket {
                count: many.wrapping_mul(row.count),
                first: many.wrapping_mul(row.first),
                second: many.wrapping_mul(row.second),
            },
        )
    }

    /// Adds what another reader found.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.list.iter_mut().zip(&other.list) {
            mine.count = mine.count.wrapping_add(theirs.count);
            mine.first = mine.first.wrapping_add(theirs.first);
            mine.second = mine.second.wrapping_add(theirs.second);
        }
    }

    /// Rows in all buckets.
    pub fn rows(&self) -> u64 {
        self.list.iter().map(|bucket| bucket.count).sum()
    }

    /// Rows in these buckets.
    pub fn rows_in(&self, buckets: &[u32]) -> u64 {
        buckets
            .iter()
            .filter_map(|at| self.list.get(usize::try_from(*at).ok()?))
            .map(|bucket| bucket.count)
            .sum()
    }

    /// Numbers of the buckets that differ. Vectors of different length differ everywhere.
    pub fn differing(&self, other: &Self) -> Vec<u32> {
        let longest = self.list.len().max(other.list.len());
        (0..longest)
            .filter(|at| self.list.get(*at) != other.list.get(*at))
            .filter_map(|at| u32::try_from(at).ok())
            .collect()
    }

    /// One digest over all buckets, for the report: the same data gives the same text, whatever
    /// the chunks were.
    pub fn summary(&self, halves: Halves) -> String {
        let total = self.list.iter().fold((0_u64, 0_u64), |sum, bucket| {
            (
                sum.0.wrapping_add(bucket.first),
                sum.1.wrapping_add(bucket.second),
            )
        });
        match halves {
            Halves::One => format!("{:016x}", total.0),
            Halves::Both => format!("{:016x}{:016x}", total.0, total.1),
        }
    }
}

/// An exact sum of signed 64-bit numbers, reduced modulo 2^64.
fn modulo(text: &str) -> Result<u64, BadSum> {
    let value: i128 = text.parse().map_err(|_| BadSum(format!("sum {text:?}")))?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "reduced modulo 2^64 on purpose"
    )]
    Ok(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(parts: &[(u32, i64)]) -> Buckets {
        let mut all = Buckets::new(4);
        for (bucket, value) in parts {
            all.add_sums(*bucket, 1, &value.to_string(), &value.to_string())
                .unwrap();
        }
        all
    }

    #[test]
    fn order_and_chunks_do_not_matter() {
        let all = sums(&[(0, 5), (1, -7), (0, 9)]);
        let mut parts = sums(&[(0, 9)]);
        parts.merge(&sums(&[(1, -7), (0, 5)]));
        assert_eq!(all, parts);
        assert_eq!(all.summary(Halves::One), parts.summary(Halves::One));
        assert_eq!(all.summary(Halves::Both), parts.summary(Halves::Both));
        assert!(all.differing(&parts).is_empty());
    }

    #[test]
    fn duplicates_and_exchanged_multiplicities_are_seen() {
        // {x,x} against {y,y}, {x,x,y} against {x,y,y}, a pair added.
        assert_eq!(
            sums(&[(0, 5), (0, 5)]).differing(&sums(&[(0, 8), (0, 8)])),
            [0]
        );
        let (one, two) = (
            sums(&[(0, 5), (0, 5), (0, 8)]),
            sums(&[(0, 5), (0, 8), (0, 8)]),
        );
        assert_eq!(one.differing(&two), [0]);
        assert_eq!(
            sums(&[(0, 5)]).differing(&sums(&[(0, 5), (2, 1), (2, 1)])),
            [2]
        );
    }

    #[test]
    fn rows_are_counted_and_added_up() {
        let mut all = sums(&[(0, 5), (2, -7), (2, 9)]);
        assert_eq!((all.count(), all.rows()), (4, 3));
        for (buckets, rows) in [(&[2][..], 2), (&[0, 2], 3), (&[1, 9], 0)] {
            assert_eq!(all.rows_in(buckets), rows);
        }
        assert_eq!(all.summary(Halves::One), "0000000000000007");
        assert_eq!(all.summary(Halves::Both), "0000000000000007".repeat(2));
        let row = Bucket {
            count: 1,
            first: 5,
            second: 5,
        };
        all.add_times(0, row, -1).unwrap();
        assert_eq!(all, sums(&[(2, -7), (2, 9)]));
        all.add_times(1, row, 2).unwrap();
        assert_eq!(all, sums(&[(1, 5), (1, 5), (2, -7), (2, 9)]));
    }

    #[test]
    fn sums_beyond_64_bits_and_rubbish() {
        let mut one = Buckets::new(1);
        let big = (i128::from(i64::MIN) * 3).to_string();
        one.add_sums(0, 3, &big, &big).unwrap();
        let mut two = Buckets::new(1);
        for _ in 0..3 {
            two.add_sums(0, 1, &i64::MIN.to_string(), &i64::MIN.to_string())
                .unwrap();
        }
        assert_eq!(one, two);
        assert!(one.add_sums(1, 1, "1", "1").is_err());
        assert!(one.add_sums(0, 1, "1.5", "1").is_err());
    }

    #[test]
    fn bucket_counts_are_powers_of_two() {
        assert_eq!(Buckets::suited(0), 1);
        assert_eq!(Buckets::suited(9_999), 1);
        assert_eq!(Buckets::suited(10_000), 64);
        assert_eq!(Buckets::suited(1_000_000), 4096);
        assert_eq!(Buckets::suited(u64::MAX), 16_384);
    }
}
