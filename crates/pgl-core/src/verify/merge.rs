//! Joining the results of shards into one, and which shard a table belongs to.

use super::outcome::{TableResult, Totals};
use crate::QualifiedName;

/// `--shard i/n`: the i-th of n parts, counted from 1.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
pub struct Shard {
    /// Which part, from 1.
    pub index: u64,
    /// Of how many.
    pub count: u64,
}

impl Shard {
    /// Reads `2/8`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is no shard; write 2/8 for the second of eight");
        let (index, count) = text.split_once('/').ok_or_else(bad)?;
        let shard = Self {
            index: index.parse().map_err(|_| bad())?,
            count: count.parse().map_err(|_| bad())?,
        };
        if shard.index == 0 || shard.index > shard.count {
            return Err(bad());
        }
        Ok(shard)
    }

    /// Whether a table belongs to this part: by a hash of its name alone, so that every machine
    /// agrees without talking to another.
    pub fn holds(self, name: &QualifiedName) -> bool {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in name.schema.bytes().chain([0]).chain(name.name.bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        // The low bits of this hash alone are weak.
        (hash ^ (hash >> 32)) % self.count == self.index - 1
    }
}

/// Why results cannot be joined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unmergeable {
    /// The parts are of different splits.
    #[error("parts of different splits: {0} and {1} parts")]
    Splits(u64, u64),
    /// A part is there twice.
    #[error("part {0} is there twice")]
    Twice(u64),
    /// Parts are missing.
    #[error("missing parts: {0}")]
    Missing(String),
    /// One table in two parts.
    #[error("{0} is in two parts")]
    Overlap(String),
    /// Nothing to join.
    #[error("no results given")]
    Nothing,
}

/// One shard's results.
#[derive(Debug, Clone)]
pub struct Part {
    /// Which shard; none for a whole run, which stands alone.
    pub shard: Option<Shard>,
    /// How many tables it set out with.
    pub asked: u64,
    /// Its results.
    pub tables: Vec<TableResult>,
}

/// Joins parts into one result with totals; refuses an incomplete set.
pub fn merge(parts: Vec<Part>) -> Result<(Vec<TableResult>, Totals), Unmergeable> {
    let count = parts
        .first()
        .ok_or(Unmergeable::Nothing)?
        .shard
        .map_or(1, |shard| shard.count);
    let mut seen = Vec::new();
    for part in &parts {
        let shard = part.shard.unwrap_or(Shard { index: 1, count: 1 });
        if shard.count != count {
            return Err(Unmergeable::Splits(count, shard.count));
        }
        if seen.contains(&shard.index) {
            return Err(Unmergeable::Twice(shard.index));
        }
        seen.push(shard.index);
    }
    let missing: Vec<String> = (1..=count)
        .filter(|index| !seen.contains(index))
        .map(|index| format!("{index}/{count}"))
        .collect();
    if !missing.is_empty() {
        return Err(Unmergeable::Missing(missing.join(", ")));
    }
    let asked = parts.iter().map(|part| part.asked).sum();
    let mut tables: Vec<TableResult> = parts.into_iter().flat_map(|part| part.tables).collect();
    tables.sort_by_key(TableResult::qualified);
    for two in tables.windows(2) {
        if let [one, other] = two
            && one.qualified() == other.qualified()
        {
            return Err(Unmergeable::Overlap(one.qualified().to_string()));
        }
    }
    let totals = Totals::of(asked, &tables);
    Ok((tables, totals))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::Verdict;
    use crate::verify::Status;

    fn part(index: u64, count: u64, names: &[&str], status: Status) -> Part {
        Part {
            shard: Some(Shard { index, count }),
            asked: names.len() as u64,
            tables: names
                .iter()
                .map(|name| TableResult::new(&QualifiedName::new("s", *name), status, None))
                .collect(),
        }
    }

    #[test]
    fn every_table_belongs_to_exactly_one_shard() {
        for count in [1, 2, 3, 7, 64] {
            let mut sizes = vec![0_u32; usize::try_from(count).unwrap()];
            for at in 0..1000 {
                let name = QualifiedName::new("public", format!("table_{at}"));
                let holders: Vec<u64> = (1..=count)
                    .filter(|index| {
                        Shard {
                            index: *index,
                            count,
                        }
                        .holds(&name)
                    })
                    .collect();
                assert_eq!(holders.len(), 1);
                sizes[usize::try_from(holders[0] - 1).unwrap()] += 1;
            }
            assert!(
                sizes.iter().all(|size| u64::from(*size) * count > 300),
                "{sizes:?}"
            );
        }
        assert!(Shard::parse("0/2").is_err());
        assert!(Shard::parse("3/2").is_err());
        assert!(Shard::parse("x").is_err());
    }

    #[test]
    fn an_incomplete_set_is_refused() {
        let one = part(1, 2, &["a"], Status::Identical);
        let two = part(2, 2, &["b"], Status::Different);
        assert!(matches!(
            merge(vec![one.clone()]),
            Err(Unmergeable::Missing(_))
        ));
        assert!(matches!(
            merge(vec![one.clone(), one.clone()]),
            Err(Unmergeable::Twice(1))
        ));
        let (_, totals) = merge(vec![one.clone(), two]).unwrap();
        assert_eq!(totals.verdict(), Verdict::No);
        let same = part(2, 2, &["a"], Status::Identical);
        assert!(matches!(
            merge(vec![one, same]),
            Err(Unmergeable::Overlap(_))
        ));
        assert_eq!(merge(Vec::new()).unwrap_err(), Unmergeable::Nothing);
    }
}
