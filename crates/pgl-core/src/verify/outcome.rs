//! What the comparison of each table came to, and the verdict for the whole.
//!
//! Fails closed: the verdict is "equal" only when every table asked for was compared and is equal.
//! A table that could not be read never disappears from the count.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rows::DifferenceKind;
use crate::cutover::CutOver;
use crate::doc::Verdict;
use crate::{Lsn, QualifiedName, plural};

/// How writes that go on are dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Nobody writes; plain comparison.
    Static,
    /// Snapshots of both sides and the changes decoded in between.
    Live,
    /// Live without decoding: row versions name what was written between the snapshots.
    Fenced,
    /// Source tables locked for the instant in which both snapshots are taken.
    Barrier,
}

impl Mode {
    /// `static`, `live`, `fenced`, `barrier`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Live => "live",
            Self::Fenced => "fenced",
            Self::Barrier => "barrier",
        }
    }
}

/// What one table came to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Compared; both sides hold the same rows.
    Identical,
    /// Compared; they do not.
    Different,
    /// Compared as far as possible; equality is not proven.
    Inconclusive,
    /// Not compared on purpose.
    Skipped,
    /// Could not be read.
    Error,
}

impl Status {
    /// `identical` and so on.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identical => "identical",
            Self::Different => "different",
            Self::Inconclusive => "inconclusive",
            Self::Skipped => "skipped",
            Self::Error => "error",
        }
    }
}

/// How a table's rows were digested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Digest {
    /// PostgreSQL's seeded hash functions over exact values, 64 bits a row; both servers 11 or later.
    Hash,
    /// Both halves of `md5` over the binary row.
    Md5,
    /// Binary COPY to the client, 128 bits there.
    Client,
    /// Row counts only: says nothing about content.
    Counts,
}

impl Digest {
    /// `hash`, `md5`, `client`, `counts`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::Md5 => "md5",
            Self::Client => "client",
            Self::Counts => "counts",
        }
    }
}

/// Everything about one table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TableResult {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// What it came to.
    pub status: Status,
    /// Why, where the status does not say it all.
    pub reason: Option<String>,
    /// How writes were dealt with.
    pub mode: Option<Mode>,
    /// How rows were digested.
    pub digest: Option<Digest>,
    /// Position of the source that the comparison holds for.
    pub source_lsn: Option<Lsn>,
    /// How far the target had applied the source, where that is known.
    pub applied_lsn: Option<Lsn>,
    /// Columns that identify a row; null where whole rows were compared by multiplicity.
    pub key: Option<Vec<String>>,
    /// Rows on the source.
    pub source_rows: Option<u64>,
    /// Rows on the target.
    pub target_rows: Option<u64>,
    /// Digest of all rows of the source; equal data gives equal text.
    pub source_digest: Option<String>,
    /// Digest of all rows of the target.
    pub target_digest: Option<String>,
    /// Rows that only the source has.
    pub missing: u64,
    /// Rows that only the target has.
    pub extra: u64,
    /// Keys whose rows differ.
    pub different: u64,
    /// Rows that both sides have, one of them more often; its surplus counts as missing or extra as well.
    pub duplicated: u64,
    /// Rows that were written while they were looked at: neither equal nor different.
    pub unresolved: u64,
    /// Rows that differed at first and turned out to be in flight.
    pub in_flight: u64,
    /// Whether the three counts are complete; false when looking stopped at the limit, or rows were not decided at the position of the counts.
    pub counts_exact: bool,
    /// Columns with differing rows, with how many of the rows looked at.
    pub columns: Vec<ColumnCount>,
    /// Differences of the definitions.
    pub schema_differences: Vec<String>,
    /// Leaf partitions to copy again once their bounds are those of the source.
    #[serde(skip)]
    pub copy_again: Vec<QualifiedName>,
    /// Columns that the target computes.
    #[serde(skip)]
    pub computed: Vec<String>,
    /// A trigger or rule of the target that fires under `session_replication_role = replica`.
    #[serde(skip)]
    pub replica_trigger: Option<String>,
    /// Whether the sides have other partitions of it: it was compared as a whole.
    #[serde(skip)]
    pub other_partitions: bool,
    /// Why a row of the source may be another one once it is inserted on the target.
    #[serde(skip)]
    pub changes_rows: Option<String>,
    /// When the run began that compared it, where that was an earlier one (`--resume`): the result holds for then.
    #[serde(default)]
    pub resumed_from: Option<String>,
    /// What else a reader should know.
    pub notes: Vec<String>,
    /// The differing rows, as many as asked for.
    pub rows: Vec<RowDiff>,
    /// The command that comes next, where the table is not identical.
    pub next: Option<String>,
    /// Heap bytes read on both sides.
    pub bytes: u64,
    /// Time spent, in seconds.
    pub seconds: f64,
}

/// How often a column differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ColumnCount {
    /// Column name.
    pub name: String,
    /// Rows, among those looked at.
    pub rows: u64,
}

/// One differing row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RowDiff {
    /// In which way.
    pub kind: DifferenceKind,
    /// Whether it is proven; false for rows that kept changing.
    pub proven: bool,
    /// The key's columns and values as text.
    pub key: Vec<KeyPart>,
    /// How often the source has the row; null where that is not known, because the row was written meanwhile.
    pub source_count: Option<u64>,
    /// How often the target has it; null where that is not known.
    pub target_count: Option<u64>,
    /// Partition on the source, where the table has partitions.
    pub source_partition: Option<String>,
    /// Partition on the target.
    pub target_partition: Option<String>,
    /// The columns that differ; all columns for a row that one side lacks. Null where they are not known, because the row was
    /// written meanwhile.
    pub columns: Option<Vec<ColumnDiff>>,
}

/// A column of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyPart {
    /// Column name.
    pub name: String,
    /// Its text; null for NULL and where values are redacted.
    pub value: Option<String>,
}

/// A column that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ColumnDiff {
    /// Column name.
    pub name: String,
    /// The value on the source.
    pub source: Shown,
    /// The value on the target.
    pub target: Shown,
}

/// A value as people see it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shown {
    /// Whether there is a row at all.
    pub present: bool,
    /// Text, shortened in the middle; null for NULL and where values are redacted.
    pub text: Option<String>,
    /// Whether the value is NULL.
    pub null: bool,
    /// Length of the whole text in characters.
    pub length: Option<u64>,
    /// Digest of the stored value: tells values apart that print alike, also when redacted.
    pub digest: Option<String>,
}

impl TableResult {
    /// The status that follows from the counts.
    pub fn settle(&mut self) {
        let rows = self.proven();
        if rows > 0 {
            self.status = Status::Different;
        } else if !self.schema_differences.is_empty() {
            self.status = Status::Different;
            self.reason = Some(self.schema_differences.join("; "));
        } else if self.unresolved > 0 || !self.counts_exact {
            self.status = Status::Inconclusive;
            self.reason = Some(if self.unresolved > 0 {
                format!(
                    "{} kept changing while being compared",
                    plural(self.unresolved, "row")
                )
            } else {
                "too many rows differ at first to follow them all; try again with less lag".into()
            });
        } else {
            self.status = Status::Identical;
            self.reason = None;
        }
    }

    /// A result without content.
    pub fn new(name: &QualifiedName, status: Status, reason: Option<String>) -> Self {
        Self {
            schema: name.schema.clone(),
            name: name.name.clone(),
            status,
            reason,
            mode: None,
            digest: None,
            source_lsn: None,
            applied_lsn: None,
            key: None,
            source_rows: None,
            target_rows: None,
            source_digest: None,
            target_digest: None,
            missing: 0,
            extra: 0,
            different: 0,
            duplicated: 0,
            unresolved: 0,
            in_flight: 0,
            counts_exact: true,
            columns: Vec::new(),
            schema_differences: Vec::new(),
            copy_again: Vec::new(),
            computed: Vec::new(),
            replica_trigger: None,
            other_partitions: false,
            changes_rows: None,
            resumed_from: None,
            notes: Vec::new(),
            rows: Vec::new(),
            next: None,
            bytes: 0,
            seconds: 0.0,
        }
    }

    /// Schema and name.
    pub fn qualified(&self) -> QualifiedName {
        QualifiedName::new(&self.schema, &self.name)
    }

    /// What to do about it, from what it came to. After a cutover the target's rows are the right ones.
    pub fn next(&self, cut_over: Option<&CutOver>) -> Option<String> {
        if let (Status::Different, Some(cut)) = (self.status, cut_over) {
            let why = match cut.promotion.reverse {
                true => "; pgl-status reports reverse replication to the former source",
                false => ": what is written there is not replicated to the former source",
            };
            return Some(format!(
                "change nothing on the target, which is the production database{why}"
            ));
        }
        let name = self.qualified().argument();
        match self.status {
            Status::Identical | Status::Skipped => None,
            // A leaf takes only rows within its bounds: nothing can be copied before.
            Status::Different if !self.copy_again.is_empty() => {
                let leaves: Vec<String> = (self.copy_again.iter())
                    .map(QualifiedName::argument)
                    .collect();
                Some(format!(
                    "on the target, in one transaction, for each partition with other bounds: ALTER TABLE ... DETACH \
                     PARTITION, TRUNCATE it, ALTER TABLE ... ATTACH PARTITION with the bounds of the source; then: \
                     pgl-control resync {} --yes",
                    leaves.join(" ")
                ))
            }
            Status::Different
                if self.source_rows.is_none()
                    || !self.schema_differences.is_empty()
                    || self.other_partitions =>
            {
                Some("make the definitions the same on both sides, then compare again".to_owned())
            }
            Status::Different => match self.computed_alone() {
                Some(column) => Some(computed_otherwise(&self.qualified(), column)),
                None => Some(format!("pgl-control resync {name} --yes")),
            },
            // Rows that are written all the time stand still for a moment there.
            Status::Inconclusive if self.unresolved > 0 => {
                Some(format!("pgl-verify --mode barrier --table {name}"))
            }
            Status::Inconclusive | Status::Error => Some(format!("pgl-verify --table {name}")),
        }
    }

    /// A column that the servers compute, where no others were found to differ.
    fn computed_alone(&self) -> Option<&str> {
        let alone = self.missing == 0
            && self.extra == 0
            && (self.columns.iter()).all(|column| self.computed.contains(&column.name));
        let first = self.columns.first().filter(|_| alone)?;
        Some(&first.name)
    }

    /// Under a condition, a table of which no row was compared does not count as compared: an empty selection proves nothing.
    pub fn require_rows(&mut self) {
        if self.status == Status::Identical
            && self.source_rows == Some(0)
            && self.target_rows == Some(0)
        {
            self.status = Status::Skipped;
            self.reason =
                Some("no row of either side meets the condition: nothing was compared".to_owned());
        }
    }

    /// Rows that differ for certain.
    pub fn proven(&self) -> u64 {
        self.missing + self.extra + self.different
    }
}

/// What of the rows is compared: what a verdict speaks of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scope {
    /// Only how many rows there are.
    pub counts_only: bool,
    /// Only rows that meet this condition.
    pub condition: Option<String>,
    /// Only these columns and the keys.
    pub columns: Vec<String>,
    /// Without these columns.
    pub exclude_columns: Vec<String>,
}

impl Scope {
    /// What is the same on both sides when the verdict is yes: never more than was compared.
    pub fn equal(&self, tables: u64) -> String {
        let tables = plural(tables, "table");
        let of = match &self.condition {
            Some(condition) => format!(" that meet {condition:?}"),
            None => String::new(),
        };
        let columns = match (self.columns.is_empty(), self.exclude_columns.is_empty()) {
            (true, true) => None,
            (false, _) => Some(format!("columns {}", self.columns.join(", "))),
            (true, false) => Some(format!(
                "columns except {}",
                self.exclude_columns.join(", ")
            )),
        };
        if self.counts_only {
            return format!(
                "{tables}: the same number of rows{of} on both sides; contents were not compared"
            );
        }
        match columns {
            Some(columns) => {
                format!("{tables}: the rows{of} are the same on both sides in {columns}")
            }
            None if self.condition.is_some() => {
                format!(
                    "{tables}: the rows{of} are the same on both sides; others were not compared"
                )
            }
            None => format!("{tables}: both sides hold the same rows"),
        }
    }
}

/// How many tables came to what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// Tables in the list at the start.
    pub tables: u64,
    /// Compared and equal.
    pub identical: u64,
    /// Compared and different.
    pub different: u64,
    /// Not proven.
    pub inconclusive: u64,
    /// Not compared on purpose.
    pub skipped: u64,
    /// Could not be read.
    pub error: u64,
    /// Rows compared on the source.
    pub source_rows: u64,
    /// Rows compared on the target.
    pub target_rows: u64,
    /// Rows that differ for certain, as far as looked.
    pub differing_rows: u64,
}

impl Totals {
    /// Counts results against the length of the list that the run set out with.
    pub fn of(asked: u64, results: &[TableResult]) -> Self {
        let with = |status: Status| results.iter().filter(|r| r.status == status).count() as u64;
        Self {
            tables: asked,
            identical: with(Status::Identical),
            different: with(Status::Different),
            inconclusive: with(Status::Inconclusive),
            skipped: with(Status::Skipped),
            error: with(Status::Error),
            source_rows: results.iter().filter_map(|r| r.source_rows).sum(),
            target_rows: results.iter().filter_map(|r| r.target_rows).sum(),
            differing_rows: results.iter().map(TableResult::proven).sum(),
        }
    }

    /// How many tables have any result.
    pub fn answered(&self) -> u64 {
        self.identical + self.different + self.inconclusive + self.skipped + self.error
    }

    /// The verdict. Equal needs at least one table that was compared: a selection that matched
    /// nothing proves nothing. What was not decided, for want of time or because of writes that went on, may be the next
    /// time; it hides no difference.
    pub fn verdict(&self) -> Verdict {
        if self.error > 0 || self.answered() != self.tables {
            Verdict::Unknown
        } else if self.different > 0 {
            Verdict::No
        } else if self.inconclusive > 0 {
            Verdict::NotYet
        } else if self.identical == 0 {
            Verdict::Unknown
        } else {
            Verdict::Ok
        }
    }
}

/// A column that the target computes: no copy of the rows changes it.
pub(crate) fn computed_otherwise(table: &QualifiedName, column: &str) -> String {
    let exclude = exclude_column(table, column);
    format!(
        "the target computes column {column} differently from what the source has: its expression has to be repaired, \
         not its rows. Where the target's version computes it otherwise (tbl.generated_values of pgl-preflight): after the \
         promotion, UPDATE a column that the expression reads to itself; until then, {exclude}"
    )
}

/// The command that compares a table but for one column. The option takes names as they are.
pub(crate) fn exclude_column(table: &QualifiedName, column: &str) -> String {
    let all = format!("{}.{}.{column}", table.schema, table.name);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    match all.chars().all(plain) {
        true => format!("pgl-verify --exclude-column {all}"),
        false => format!(
            "pgl-verify --exclude-column '{}'",
            all.replace('\'', "'\\''")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cutover::Promotion;

    fn verdict(asked: u64, list: &[Status]) -> Verdict {
        let name = QualifiedName::new("s", "t");
        let results: Vec<TableResult> = list
            .iter()
            .map(|status| TableResult::new(&name, *status, None))
            .collect();
        Totals::of(asked, &results).verdict()
    }

    #[test]
    fn a_condition_that_no_row_meets_proves_nothing() {
        use Status::{Different, Identical, Skipped};
        for (status, source, target, expected) in [
            (Identical, Some(0), Some(0), Skipped),
            (Identical, Some(1), Some(0), Identical),
            (Identical, Some(0), Some(1), Identical),
            (Different, Some(0), Some(0), Different),
            (Skipped, None, None, Skipped),
        ] {
            let mut result = TableResult::new(&QualifiedName::new("s", "t"), status, None);
            (result.source_rows, result.target_rows) = (source, target);
            result.require_rows();
            assert_eq!(result.status, expected);
            assert_eq!(result.reason.is_some(), status != expected);
        }
    }

    #[test]
    fn words_are_those_of_the_document() {
        fn same<T: Serialize>(list: &[T], word: fn(&T) -> &'static str) {
            for one in list {
                assert_eq!(serde_json::to_value(one).unwrap(), word(one));
            }
        }
        use Status::{Different, Error, Identical, Inconclusive, Skipped};
        same(
            &[Mode::Static, Mode::Live, Mode::Fenced, Mode::Barrier],
            |mode| mode.as_str(),
        );
        same(
            &[Identical, Different, Inconclusive, Skipped, Error],
            |status| status.as_str(),
        );
        same(
            &[Digest::Hash, Digest::Md5, Digest::Client, Digest::Counts],
            |digest| digest.as_str(),
        );
    }

    #[test]
    fn every_table_and_every_row_counts_once() {
        use Status::{Different, Error, Identical, Inconclusive, Skipped};
        let results: Vec<TableResult> = [Identical, Different, Inconclusive, Skipped, Error]
            .map(|status| {
                let mut result = TableResult::new(&QualifiedName::new("s", "t"), status, None);
                (result.source_rows, result.target_rows) = (Some(10), Some(20));
                (result.missing, result.extra, result.different) = (1, 2, 4);
                result
            })
            .into();
        assert_eq!(results[0].proven(), 7);
        let totals = Totals::of(9, &results);
        assert_eq!((totals.tables, totals.answered()), (9, 5));
        assert_eq!((totals.source_rows, totals.target_rows), (50, 100));
        assert_eq!(totals.differing_rows, 35);
    }

    #[test]
    fn equal_is_said_of_what_was_compared() {
        let whole = Scope::default();
        assert_eq!(whole.equal(2), "2 tables: both sides hold the same rows");
        assert_eq!(whole.equal(1), "1 table: both sides hold the same rows");
        let text = |change: &dyn Fn(&mut Scope)| {
            let mut scope = Scope::default();
            change(&mut scope);
            scope.equal(1)
        };
        let counts = text(&|scope| scope.counts_only = true);
        assert_eq!(
            counts,
            "1 table: the same number of rows on both sides; contents were not compared"
        );
        let some = text(&|scope| scope.condition = Some("id < 5".into()));
        assert_eq!(
            some,
            "1 table: the rows that meet \"id < 5\" are the same on both sides; others were not compared"
        );
        let columns = text(&|scope| scope.columns = vec!["a".into(), "b".into()]);
        assert_eq!(
            columns,
            "1 table: the rows are the same on both sides in columns a, b"
        );
        let without = text(&|scope| scope.exclude_columns = vec!["a".into()]);
        assert!(without.ends_with("in columns except a"), "{without}");
        let both = text(&|scope| {
            scope.counts_only = true;
            scope.condition = Some("x".into());
        });
        assert!(both.contains("number of rows that meet \"x\""), "{both}");
    }

    #[test]
    fn a_difference_comes_with_the_command_that_repairs_it() {
        let name = QualifiedName::new("shop", "orders");
        let next = |status, rows, differences: &[&str]| {
            let mut result = TableResult::new(&name, status, None);
            result.source_rows = rows;
            result.schema_differences = differences.iter().map(|d| (*d).to_owned()).collect();
            result.next(None)
        };
        let resync = next(Status::Different, Some(1), &[]);
        assert_eq!(
            resync.as_deref(),
            Some("pgl-control resync shop.orders --yes")
        );
        for one in [
            next(Status::Different, None, &[]),
            next(Status::Different, Some(1), &["x"]),
        ] {
            assert!(one.is_some_and(|text| text.contains("definitions")));
        }
        let mut bounds = TableResult::new(&name, Status::Different, None);
        bounds.copy_again = vec![QualifiedName::new("shop", "orders_1")];
        let bounds = bounds.next(None).unwrap_or_default();
        let resync = bounds.find("pgl-control resync shop.orders_1 --yes");
        assert!(bounds.find("ATTACH") < resync, "{bounds}");
        let again = Some("pgl-verify --table shop.orders".to_owned());
        assert_eq!(next(Status::Inconclusive, Some(1), &[]), again);
        assert_eq!(next(Status::Error, None, &[]), again);
        let mut computed = TableResult::new(&name, Status::Different, None);
        computed.source_rows = Some(1);
        computed.different = 1;
        computed.computed = vec!["g".to_owned()];
        let columns = |names: &[&str]| {
            let counts = names.iter().map(|name| ColumnCount {
                name: (*name).to_owned(),
                rows: 1,
            });
            counts.collect::<Vec<_>>()
        };
        computed.columns = columns(&["g"]);
        let expression = computed.next(None).unwrap_or_default();
        assert!(expression.contains("column g differently"), "{expression}");
        assert!(!expression.contains("resync"), "{expression}");
        let rows = Some("pgl-control resync shop.orders --yes".to_owned());
        computed.extra = 1;
        assert_eq!(computed.next(None), rows);
        computed.extra = 0;
        computed.columns = columns(&["g", "v"]);
        assert_eq!(computed.next(None), rows);
        computed.columns = Vec::new();
        assert_eq!(computed.next(None), rows);
        let mut restless = TableResult::new(&name, Status::Inconclusive, None);
        restless.unresolved = 1;
        let barrier = restless.next(None).unwrap_or_default();
        assert_eq!(barrier, "pgl-verify --mode barrier --table shop.orders");
        assert_eq!(next(Status::Identical, Some(1), &[]), None);
        assert_eq!(next(Status::Skipped, None, &[]), None);
        let quoted = |schema: &str, name: &str| QualifiedName::new(schema, name).argument();
        assert_eq!(quoted("shop", "o_1"), "shop.o_1");
        assert_eq!(quoted("shop", "1a"), "'\"shop\".\"1a\"'");
        assert_eq!(quoted("Shop", "it's"), "'\"Shop\".\"it'\\''s\"'");
    }

    #[test]
    fn the_production_database_is_not_repaired() {
        let name = QualifiedName::new("shop", "orders");
        for reverse in [true, false] {
            let cut = CutOver {
                promotion: Promotion {
                    at: String::new(),
                    token: String::new(),
                    reverse,
                },
                finished: true,
                rollback: None,
            };
            let next = |status| TableResult::new(&name, status, None).next(Some(&cut));
            let text = next(Status::Different).unwrap();
            assert!(
                text.contains("the production database") && !text.contains("resync"),
                "{text}"
            );
            assert_eq!(next(Status::Identical), None);
        }
    }

    #[test]
    fn equal_only_when_everything_was_compared() {
        use Status::{Different, Error, Identical, Inconclusive, Skipped};
        assert_eq!(verdict(2, &[Identical, Identical]), Verdict::Ok);
        assert_eq!(verdict(2, &[Identical, Skipped]), Verdict::Ok);
        assert_eq!(verdict(2, &[Identical, Different]), Verdict::No);
        assert_eq!(verdict(2, &[Identical, Inconclusive]), Verdict::NotYet);
        assert_eq!(verdict(2, &[Skipped, Inconclusive]), Verdict::NotYet);
        assert_eq!(verdict(2, &[Different, Inconclusive]), Verdict::No);
        assert_eq!(verdict(2, &[Inconclusive, Error]), Verdict::Unknown);
        // A table that could not be read hides a difference elsewhere no more than an equality.
        assert_eq!(verdict(2, &[Different, Error]), Verdict::Unknown);
        // A table that vanished from the results.
        assert_eq!(verdict(3, &[Identical, Identical]), Verdict::Unknown);
        assert_eq!(verdict(0, &[]), Verdict::Unknown);
        assert_eq!(verdict(1, &[Skipped]), Verdict::Unknown);
    }
}
