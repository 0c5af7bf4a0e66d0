//! Partitions that were attached since the tables were listed: no entry stands for their rows.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::Deserialize;

use super::sides::Sides;
use super::{Catalog, PairingEntry};
use crate::QualifiedName;
use crate::select::Selection;

/// A partition, or a partitioned table, as a server has it at some moment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PartitionNow {
    /// `pg_class.oid`.
    pub oid: u32,
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// `relkind`: r, f, p.
    pub kind: String,
    /// `pg_class.oid` of the table that it is a partition of; none at the top.
    pub parent: Option<u32>,
}

impl PartitionNow {
    fn qualified(&self) -> QualifiedName {
        QualifiedName::new(&self.schema, &self.name)
    }
}

/// The partitions of one side when the tables were listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownPartitions {
    /// The result in which a partitioned table is said to have got another partition, by `pg_class.oid`; none where
    /// nobody asked for it.
    results: HashMap<u32, Option<QualifiedName>>,
    /// The same, by name.
    named: BTreeMap<QualifiedName, Option<QualifiedName>>,
    /// `pg_class.oid` of all relations.
    relations: HashSet<u32>,
    selection: Selection,
}

impl KnownPartitions {
    pub(super) fn of(sides: &Sides<'_>, catalog: &Catalog, entries: &[PairingEntry]) -> Self {
        let entries: HashSet<&QualifiedName> = entries.iter().map(PairingEntry::name).collect();
        let mut known = Self {
            relations: catalog.relations.iter().map(|one| one.oid).collect(),
            selection: sides.wishes.selection.clone(),
            ..Self::default()
        };
        for table in catalog.relations.iter().filter(|one| one.kind == "p") {
            let name = table.qualified();
            let lineage = || std::iter::once(&name).chain(&table.above);
            let result = (lineage().find(|one| entries.contains(one)))
                .or_else(|| lineage().rfind(|one| sides.meant(one)))
                .filter(|_| !sides.is_left_out(&name))
                .cloned();
            known.results.insert(table.oid, result.clone());
            known.named.insert(name.clone(), result);
        }
        known
    }

    /// The results that lack the rows of a partition which was not known.
    pub fn lacking(&self, now: &[PartitionNow]) -> BTreeSet<QualifiedName> {
        let tables: HashMap<u32, &PartitionNow> = now.iter().map(|one| (one.oid, one)).collect();
        let new = now.iter().filter(|one| {
            one.kind != "p"
                && !self.relations.contains(&one.oid)
                && !self.selection.excludes(&one.qualified())
        });
        let result = |leaf: &PartitionNow| {
            let parent = |one: &&PartitionNow| one.parent.and_then(|oid| tables.get(&oid).copied());
            let mut above = std::iter::successors(parent(&leaf), parent);
            above
                .find_map(|table| {
                    let by_oid = self.results.get(&table.oid);
                    by_oid.or_else(|| self.named.get(&table.qualified()))
                })?
                .clone()
        };
        new.filter_map(result).collect()
    }
}
