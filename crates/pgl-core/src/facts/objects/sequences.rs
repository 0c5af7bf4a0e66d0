//! Sequences. Their numbers are strings: they need all 64 bits.

use serde::{Deserialize, Serialize};

use super::relations::Persistence;
use crate::QualifiedName;

/// One sequence of the user; those of extensions are not collected.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sequence {
    /// OID.
    pub oid: u32,
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Persistence (unlogged from 15).
    pub persistence: Persistence,
    /// Whether the role that looked may read it. Without that right servers before 10 do not even
    /// give the parameters: these are null then.
    pub readable: bool,
    /// `smallint`, `integer` or `bigint` (before 10 always `bigint`).
    pub data_type: String,
    /// Start value.
    pub start: Option<String>,
    /// Least value.
    pub min: Option<String>,
    /// Greatest value.
    pub max: Option<String>,
    /// Increment; negative for a descending sequence.
    pub increment: Option<String>,
    /// Values that a session takes at once.
    pub cache: Option<String>,
    /// Whether it starts over at its end.
    pub cycle: bool,
    /// Last value handed out; null where never called or not readable.
    pub last_value: Option<String>,
    /// When it was read, in seconds since 1970 by the server's clock; null where not readable.
    pub read_at: Option<f64>,
}

/// Where a sequence stood at the end of the collecting: a second reading, which turns values into
/// rates at the cost of one statement. Nothing waits for it; the time between is what collecting
/// everything else took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SequenceLater {
    /// The sequence.
    pub sequence: u32,
    /// Last value handed out; null where never called.
    pub last_value: Option<String>,
    /// When it was read, in seconds since 1970 by the server's clock.
    pub read_at: f64,
}

impl Sequence {
    /// Schema and name.
    pub fn qualified(&self) -> QualifiedName {
        QualifiedName::new(&self.schema, &self.name)
    }
}

/// A number as the facts carry it. Wider than 64 bits, so that differences cannot overflow.
pub(crate) fn number(text: Option<&String>) -> Option<i128> {
    text.and_then(|digits| digits.parse().ok())
}

/// How a column and a sequence belong together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Via {
    /// `OWNED BY`, as serial columns have it.
    #[default]
    #[serde(rename = "a")]
    Owned,
    /// Identity column.
    #[serde(rename = "i")]
    Identity,
    /// The column's default calls `nextval`.
    #[serde(rename = "d")]
    Default,
}

/// A column that belongs to a sequence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SequenceUse {
    /// The sequence.
    pub sequence: u32,
    /// The column's relation.
    pub relation: u32,
    /// The column's number.
    pub column: i16,
    /// How.
    pub via: Via,
}

/// Lowest and highest value of a column in the planner's statistics: a sample, so the true
/// extremes may lie further out, and a value may have been deleted since.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SequenceMark {
    /// The column's relation.
    pub relation: u32,
    /// The column's number.
    pub column: i16,
    /// Lowest.
    pub low: String,
    /// Highest.
    pub high: String,
}

impl Sequence {
    /// Share of the way from start of the range to its end that is used up, in percent; `limit`
    /// stands for a tighter end, such as that of the column's type. None where never called, not
    /// readable, or where it starts over at its end.
    pub fn used_share(&self, limit: Option<i128>) -> Option<f64> {
        if self.cycle {
            return None;
        }
        let last = number(self.last_value.as_ref())?;
        let (min, max) = (number(self.min.as_ref()), number(self.max.as_ref()));
        let from = if self.ascending()? { min? } else { max? };
        let to = self.end(limit)?;
        let whole = (to - from).abs();
        if whole == 0 {
            return Some(100.0);
        }
        Some((last - from).abs() as f64 / whole as f64 * 100.0)
    }

    /// The end of its range; `limit` stands for a tighter one.
    pub fn end(&self, limit: Option<i128>) -> Option<i128> {
        Some(if self.ascending()? {
            let max = number(self.max.as_ref())?;
            limit.map_or(max, |limit| max.min(limit))
        } else {
            let min = number(self.min.as_ref())?;
            limit.map_or(min, |limit| min.max(limit))
        })
    }

    /// How many values were taken between the two readings, and in how many seconds; none where
    /// it cannot be said: it was not readable or never called, or it was set back or started over
    /// in between. Values that a session took at once with `CACHE` count as taken.
    pub fn taken_until(&self, later: &SequenceLater) -> Option<(u64, f64)> {
        let (before, after) = (
            number(self.last_value.as_ref())?,
            number(later.last_value.as_ref())?,
        );
        let step = number(self.increment.as_ref()).filter(|step| *step != 0)?;
        let seconds = later.read_at - self.read_at?;
        let taken = u64::try_from((after - before) / step).ok()?;
        (seconds > 0.0).then_some((taken, seconds))
    }

    /// Whether it counts upwards; none where the parameters are not readable.
    pub fn ascending(&self) -> Option<bool> {
        number(self.increment.as_ref()).map(|increment| increment > 0)
    }
}
