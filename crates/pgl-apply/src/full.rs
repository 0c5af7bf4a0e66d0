//! Every row of tables by pgl-verify's digest, in the transactions that two sessions are in. Everything
//! that can be prepared before such a moment is: catalogs, canonical forms, the choice of the digest.

use std::collections::BTreeSet;

use pgl_catalog::verify as catalog;
use pgl_catalog::verify::sql::{Pages, TableReading};
use pgl_conn::{Error as ConnError, Kind, Session, field};
use pgl_core::plan::Set;
use pgl_core::verify::buckets::Buckets;
use pgl_core::verify::outcome::Digest;
use pgl_core::verify::pairing::{PairingEntry, TablePair, Wishes, pair};
use pgl_core::verify::types::RelationInfo;
use pgl_core::{Plan, QualifiedName, Side};

use crate::Error;

/// What will be compared, and how.
pub struct Full {
    pairs: Vec<TablePair>,
    digest: Digest,
}

impl Full {
    /// Reads the catalogs and chooses the digest. A partition is compared with the whole of its table.
    ///
    /// # Errors
    /// The servers'; a refusal where a table cannot be compared or is not defined the same, or no digest is the same on both.
    pub fn prepare(
        plan: &Plan,
        tables: &[QualifiedName],
        old: &mut Session,
        new: &mut Session,
    ) -> Result<Self, Error> {
        let (source, target) = if old.side() == Side::Source {
            (old, new)
        } else {
            (new, old)
        };
        let read = |session: &mut Session| {
            let database = catalog::database(session)?;
            catalog::catalog(session, &database.encoding)
        };
        // Everything that is asked for, whatever the plan's selection and its sets say of it.
        let asked_for: BTreeSet<&QualifiedName> = tables.iter().collect();
        let roots: BTreeSet<&QualifiedName> = (plan.tables.iter())
            .filter(|one| asked_for.contains(&one.qualified()))
            .filter_map(|one| one.partition_root.as_ref())
            .collect();
        let mut asked = plan.clone();
        for table in &mut asked.tables {
            let name = table.qualified();
            if asked_for.contains(&name) || roots.contains(&name) {
                table.set = Set::Default;
            }
        }
        let mut pairs = Vec::new();
        let mut found = BTreeSet::new();
        let mut why_not: Vec<(QualifiedName, String)> = Vec::new();
        for entry in pair(
            &read(source)?,
            &read(target)?,
            &Wishes::default(),
            Some(&asked),
        ) {
            match entry {
                PairingEntry::Compare(pair) => {
                    let names: Vec<QualifiedName> = named(&pair).collect();
                    if names.iter().any(|name| asked_for.contains(name)) {
                        found.extend(names);
                        pairs.push(*pair);
                    }
                }
                PairingEntry::Differs(name, why)
                | PairingEntry::Error(name, why)
                | PairingEntry::Skip(name, why) => {
                    why_not.push((name, why));
                }
            }
        }
        let mut differ = pairs
            .iter()
            .filter(|pair| !pair.schema_differences.is_empty());
        if let Some(pair) = differ.next() {
            return Err(not_comparable(
                &pair.name,
                &pair.schema_differences.join(", "),
            ));
        }
        if let Some(table) = tables.iter().find(|table| !found.contains(table)) {
            let why = (why_not.iter())
                .find(|(name, _)| name == table || roots.contains(name))
                .map_or("it is not on both sides", |(_, why)| why);
            return Err(not_comparable(table, why));
        }
        let digest = common(source, target)?;
        Ok(Self { pairs, digest })
    }

    /// How many tables that is.
    pub fn tables(&self) -> usize {
        self.pairs.len()
    }

    /// Reads both sides at the same time; the differences as sentences, one a table.
    ///
    /// # Errors
    /// The servers'.
    pub fn compare(&self, old: &mut Session, new: &mut Session) -> Result<Vec<String>, ConnError> {
        let side = new.side();
        let (left, right) = std::thread::scope(|scope| {
            let other = scope.spawn(|| self.sums(new));
            (self.sums(old), other.join())
        });
        let right = right
            .map_err(|_| ConnError::new(side, Kind::Protocol, "comparing ended unexpectedly"))?;
        Ok(self
            .pairs
            .iter()
            .zip(left?.iter().zip(&right?))
            .filter_map(|(pair, (left, right))| {
                let what = if left.rows() != right.rows() {
                    format!("{} rows here, {} there", left.rows(), right.rows())
                } else if left != right {
                    format!("{} rows on both sides, with other values", left.rows())
                } else {
                    return None;
                };
                Some(format!("{}: {what}", pair.name))
            })
            .collect())
    }

    fn sums(&self, session: &mut Session) -> Result<Vec<Buckets>, ConnError> {
        const SUMS: &str = "the sums over a table's rows";
        let side = session.side();
        let bad = |what: &dyn std::fmt::Display| {
            ConnError::new(side, Kind::Protocol, format!("comparing rows: {what}"))
        };
        let mut all = Vec::with_capacity(self.pairs.len());
        for pair in &self.pairs {
            let reading = TableReading {
                pair,
                side,
                digest: self.digest,
                buckets: 1,
                condition: None,
            };
            let mut buckets = Buckets::new(1);
            for relation in pair.relations(side) {
                for row in session.query(&reading.sums(relation, Pages::ALL), &[])? {
                    let rows: i64 = field(side, &row, 1, SUMS)?;
                    let first: &str = field(side, &row, 2, SUMS)?;
                    let second: &str = field(side, &row, 3, SUMS)?;
                    buckets
                        .add_sums(0, rows.unsigned_abs(), first, second)
                        .map_err(|error| bad(&error))?;
                }
            }
            all.push(buckets);
        }
        Ok(all)
    }
}

fn not_comparable(table: &QualifiedName, why: &str) -> Error {
    Error::refused(
        Side::Target,
        format!("{table} cannot be compared: {why}"),
        "make both sides the same; pgl-cutover --verify counts compares the numbers of rows alone",
    )
}

/// The table itself, and the partitions that stand for it.
fn named(pair: &TablePair) -> impl Iterator<Item = QualifiedName> {
    let parts = pair.source.iter().chain(&pair.target);
    std::iter::once(pair.name.clone()).chain(parts.map(RelationInfo::qualified))
}

/// The best digest that gives the same answer on both servers.
fn common(source: &mut Session, target: &mut Session) -> Result<Digest, Error> {
    for digest in [Digest::Hash, Digest::Md5] {
        let new_enough =
            |session: &Session| digest == Digest::Md5 || session.version().at_least(11);
        if new_enough(source)
            && new_enough(target)
            && let Some(one) = catalog::probe(source, digest)?
            && catalog::probe(target, digest)? == Some(one)
        {
            return Ok(digest);
        }
    }
    Err(Error::refused(
        Side::Target,
        "no digest gives the same answer on both servers",
        "pgl-verify --digest client compares them; pgl-cutover --verify counts the numbers of rows alone",
    ))
}
