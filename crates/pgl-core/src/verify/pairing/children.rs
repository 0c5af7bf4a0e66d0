//! Rows that are seen in another table than when the tables were listed: partitions and inheritance children that came
//! meanwhile.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::Deserialize;

use super::sides::Sides;
use super::{Catalog, PairingEntry};
use crate::QualifiedName;
use crate::select::Selection;

/// A partition, an inheritance child, or a table above one, as a server has it at some moment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ChildNow {
    /// `pg_class.oid`.
    pub oid: u32,
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// `relkind`: r, f, p.
    pub kind: String,
    /// `pg_class.oid` of the tables that it is a partition of, or inherits from.
    pub parents: Vec<u32>,
}

impl ChildNow {
    fn qualified(&self) -> QualifiedName {
        QualifiedName::new(&self.schema, &self.name)
    }
}

/// Where a table's rows are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Counted {
    /// In this result; where partitions are compared by their own names, in a result of their table that says what it lacks.
    In(QualifiedName),
    /// A partitioned table that is left out, with all below it.
    Nowhere,
}

/// One side when the tables were listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownChildren {
    /// By `pg_class.oid`; without tables that nobody asked for.
    counted: HashMap<u32, Counted>,
    /// `pg_class.oid` by name: a table that was made again has another one.
    named: BTreeMap<QualifiedName, u32>,
    /// In which results the rows of a table were seen, but for its own.
    seen: HashMap<u32, BTreeSet<QualifiedName>>,
    selection: Selection,
}

impl KnownChildren {
    pub(super) fn of(sides: &Sides<'_>, catalog: &Catalog, entries: &[PairingEntry]) -> Self {
        let entries: HashSet<&QualifiedName> = entries.iter().map(PairingEntry::name).collect();
        let named: BTreeMap<QualifiedName, u32> = (catalog.relations.iter())
            .map(|one| (one.qualified(), one.oid))
            .collect();
        let mut known = Self {
            selection: sides.wishes.selection.clone(),
            ..Self::default()
        };
        let mut then = Vec::new();
        for table in &catalog.relations {
            let name = table.qualified();
            let parents = table.parents.iter();
            then.push(ChildNow {
                oid: table.oid,
                schema: table.schema.clone(),
                name: table.name.clone(),
                kind: table.kind.clone(),
                parents: parents.filter_map(|one| named.get(one).copied()).collect(),
            });
            let lineage = || std::iter::once(&name).chain(&table.above);
            let partitioned = table.kind == "p";
            let result = (lineage().find(|one| entries.contains(one)))
                .or_else(|| lineage().rfind(|one| partitioned && sides.meant(one)));
            if sides.is_left_out(&name) {
                if partitioned {
                    known.counted.insert(table.oid, Counted::Nowhere);
                }
            } else if let Some(result) = result {
                known.counted.insert(table.oid, Counted::In(result.clone()));
            }
        }
        known.named = named;
        let tree = Tree::of(&then);
        let seen = then.iter().map(|one| (one.oid, known.seen_in(&tree, one)));
        known.seen = seen.filter(|(_, results)| !results.is_empty()).collect();
        known
    }

    /// The results that do not have all rows that are seen in their table by now.
    pub fn lacking(&self, now: &[ChildNow]) -> BTreeSet<QualifiedName> {
        let tree = Tree::of(now);
        let children = now
            .iter()
            .filter(|one| one.kind != "p" && !self.selection.excludes(&one.qualified()));
        let lacking = children.flat_map(|one| {
            let mut results = self.seen_in(&tree, one);
            if let Some(then) = self.seen.get(&one.oid) {
                results.retain(|result| !then.contains(result));
            }
            results
        });
        lacking.collect()
    }

    /// The results in which the rows of a table are seen, but for its own.
    fn seen_in(&self, tree: &Tree<'_>, table: &ChildNow) -> BTreeSet<QualifiedName> {
        let mut results = BTreeSet::new();
        let mut visited = HashSet::new();
        let mut next = tree.parents(table);
        while let Some(above) = next.pop() {
            if !visited.insert(above.oid) {
                continue;
            }
            let by_name = || {
                let oid = self.named.get(&above.qualified())?;
                self.counted.get(oid)
            };
            match self.counted.get(&above.oid).or_else(by_name) {
                Some(Counted::Nowhere) => continue,
                Some(Counted::In(result)) => {
                    results.insert(result.clone());
                }
                None => {}
            }
            next.extend(tree.parents(above));
        }
        results
    }
}

/// Tables by `pg_class.oid`.
struct Tree<'a>(HashMap<u32, &'a ChildNow>);

impl<'a> Tree<'a> {
    fn of(all: &'a [ChildNow]) -> Self {
        Self(all.iter().map(|one| (one.oid, one)).collect())
    }

    fn parents(&self, of: &ChildNow) -> Vec<&'a ChildNow> {
        let parents = of.parents.iter();
        parents.filter_map(|oid| self.0.get(oid).copied()).collect()
    }
}
