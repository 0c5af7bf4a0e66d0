//! What both sides have under a name, and where their partitions differ.

use std::collections::{BTreeMap, BTreeSet};

use super::{Catalog, Wishes};
use crate::plan::{Plan, PlanTable, Set};
use crate::verify::types::RelationInfo;
use crate::{QualifiedName, Side};

/// Schemas that belong to the replication itself or to the server.
const OWN_SCHEMAS: &[&str] = &[
    "pglogical",
    "pglogical_origin",
    crate::migration::OWN_SCHEMA,
    "information_schema",
];

/// Whether it is in one of these, with the tables in which its rows are seen.
pub(super) fn is_own(relation: &RelationInfo) -> bool {
    let own = |schema: &str| OWN_SCHEMAS.contains(&schema) || schema.starts_with("pg_");
    let mut above = relation.above.iter().chain(&relation.parents);
    own(&relation.schema) && above.all(|one| own(&one.schema))
}

/// What a name stands for on the source and on the target.
pub(super) type Found<'a> = (Option<&'a RelationInfo>, Option<&'a RelationInfo>);

fn both<'a>(found: Found<'a>) -> impl Iterator<Item = &'a RelationInfo> {
    [found.0, found.1].into_iter().flatten()
}

/// The relations of one side.
pub(super) struct Index<'a> {
    named: BTreeMap<QualifiedName, &'a RelationInfo>,
    /// Partitions by the table at the top, those in the middle too; an entry for each partitioned table.
    under: BTreeMap<QualifiedName, Vec<&'a RelationInfo>>,
}

impl<'a> Index<'a> {
    pub(super) fn of(catalog: &'a Catalog) -> Self {
        let mut index = Self {
            named: BTreeMap::new(),
            under: BTreeMap::new(),
        };
        for relation in &catalog.relations {
            let name = relation.qualified();
            match relation.root() {
                Some(root) => index.under.entry(root.clone()).or_default().push(relation),
                None if relation.kind == "p" => {
                    index.under.entry(name.clone()).or_default();
                }
                None => {}
            }
            index.named.insert(name, relation);
        }
        index
    }

    /// The relation of this name, and all partitions under it.
    pub(super) fn with_partitions(
        &self,
        name: &QualifiedName,
    ) -> impl Iterator<Item = &'a RelationInfo> {
        let own = self.named.get(name).into_iter();
        own.chain(self.under.get(name).into_iter().flatten())
            .copied()
    }

    /// All that a table inherits from, or is a partition of.
    fn ancestors(&self, relation: &RelationInfo) -> BTreeSet<QualifiedName> {
        let mut all = BTreeSet::new();
        let mut next: Vec<&QualifiedName> =
            relation.above.iter().chain(&relation.parents).collect();
        while let Some(name) = next.pop() {
            if all.insert(name.clone()) {
                next.extend(
                    self.named
                        .get(name)
                        .into_iter()
                        .flat_map(|one| &one.parents),
                );
            }
        }
        all
    }
}

fn shown(names: &BTreeSet<QualifiedName>) -> String {
    let names: Vec<String> = names.iter().map(QualifiedName::to_string).collect();
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}

/// The partitioned tables that a relation is a partition of, where they are not the same on the source and on the target.
pub(super) struct Elsewhere(Option<QualifiedName>, Option<QualifiedName>);

impl Elsewhere {
    pub(super) fn said(&self, name: &QualifiedName) -> String {
        let place = |root: &Option<QualifiedName>| match root {
            Some(root) => format!("a partition of {root}"),
            None => "a table of its own".to_owned(),
        };
        let (here, there) = (place(&self.0), place(&self.1));
        format!("{name} is {here} on the source, {there} on the target")
    }
}

/// Both catalogs, what was asked for, and what the plan says.
pub(super) struct Sides<'a> {
    pub(super) source: &'a Catalog,
    pub(super) target: &'a Catalog,
    pub(super) wishes: &'a Wishes,
    planned: BTreeMap<QualifiedName, &'a PlanTable>,
    ours: Index<'a>,
    theirs: Index<'a>,
    names: BTreeMap<QualifiedName, Found<'a>>,
    /// Relations that are partitions of other tables on the other side, or of none: each is compared by its own name, and
    /// counts under no root.
    elsewhere: BTreeMap<QualifiedName, Elsewhere>,
    /// Partitioned tables whose partitions differ by name or by bounds, with the partitions whose bounds do. What is left
    /// out is no part of them: as long as the others are the same, each of those is compared by its own name.
    uneven: BTreeMap<QualifiedName, Vec<(&'a RelationInfo, &'a RelationInfo)>>,
}

impl<'a> Sides<'a> {
    pub(super) fn new(
        source: &'a Catalog,
        target: &'a Catalog,
        wishes: &'a Wishes,
        plan: Option<&'a Plan>,
    ) -> Self {
        let (ours, theirs) = (Index::of(source), Index::of(target));
        let names = (ours.named.keys().chain(theirs.named.keys())).map(|name| {
            let found = |index: &Index<'a>| index.named.get(name).copied();
            (name.clone(), (found(&ours), found(&theirs)))
        });
        let names: BTreeMap<QualifiedName, Found<'a>> = names.collect();
        let elsewhere = names.iter().filter_map(|(name, found)| {
            let (one, two) = (found.0?.root(), found.1?.root());
            (one != two).then(|| (name.clone(), Elsewhere(one.cloned(), two.cloned())))
        });
        let planned = plan.into_iter().flat_map(|plan| &plan.tables);
        let mut sides = Self {
            source,
            target,
            wishes,
            planned: planned.map(|table| (table.qualified(), table)).collect(),
            elsewhere: elsewhere.collect(),
            uneven: BTreeMap::new(),
            ours,
            theirs,
            names,
        };
        sides.uneven = (sides.names.iter())
            .filter(|(_, found)| found.0.is_some() && found.1.is_some())
            .filter_map(|(root, _)| Some((root.clone(), sides.differences(root)?)))
            .collect();
        sides
    }

    /// The partitions of a root whose bounds differ; none where all partitions are the same on both sides.
    fn differences(
        &self,
        root: &QualifiedName,
    ) -> Option<Vec<(&'a RelationInfo, &'a RelationInfo)>> {
        let counted = |index: &Index<'a>| {
            let parts = index.under.get(root)?.iter().copied();
            let counted = parts
                .map(|part| (part.qualified(), part))
                .filter(|(name, _)| {
                    !self.elsewhere.contains_key(name) && self.why_left_out(name).is_none()
                });
            Some(counted.collect::<BTreeMap<QualifiedName, &RelationInfo>>())
        };
        let (one, two) = (counted(&self.ours), counted(&self.theirs));
        let names = |parts: &Option<BTreeMap<QualifiedName, &RelationInfo>>| {
            let names = parts.as_ref()?.keys();
            Some(names.cloned().collect::<Vec<_>>())
        };
        let other_names = names(&one) != names(&two);
        let theirs = two.unwrap_or_default();
        let moved: Vec<_> = (one.unwrap_or_default().into_iter())
            .filter_map(|(name, part)| Some((part, *theirs.get(&name)?)))
            .filter(|(one, two)| one.bound != two.bound)
            .collect();
        (other_names || !moved.is_empty()).then_some(moved)
    }

    /// Every name of either side.
    pub(super) fn names(&self) -> impl Iterator<Item = (&QualifiedName, Found<'a>)> {
        self.names.iter().map(|(name, found)| (name, *found))
    }

    fn found(&self, name: &QualifiedName) -> Found<'a> {
        self.names.get(name).copied().unwrap_or_default()
    }

    /// Tables that the plan carries and that neither side has.
    pub(super) fn gone(&self) -> impl Iterator<Item = &QualifiedName> {
        let wanted = self.planned.iter().filter(|(name, table)| {
            let names = [Some(*name), table.partition_root.as_ref()];
            let names: Vec<_> = names.into_iter().flatten().cloned().collect();
            table.set != Set::Excluded
                && !self.names.contains_key(name)
                && self.wishes.selection.includes_any(&names)
        });
        wanted.map(|(name, _)| name)
    }

    /// Whether the name has a place of its own in the list.
    pub(super) fn is_listed(&self, name: &QualifiedName, found: Found<'a>) -> bool {
        // Its partitions are in the list themselves.
        let has_partitions = || {
            both(found).all(|one| one.kind == "p")
                && (both(found).count() == 2 || both(found).any(|one| one.root().is_some()))
        };
        if both(found).all(is_own) {
            false
        } else if self.is_uneven(name) {
            // A partitioned table is meant with all its partitions.
            self.meant(name) || self.leaves(name).iter().any(|leaf| self.meant(leaf))
        } else {
            // Or with its root, which is in the list itself.
            let meant = self.meant(name) || self.is_meant_with_its_parents(name, found);
            !self.counts_with_its_root(name, found) && meant && !has_partitions()
        }
    }

    fn counts_with_its_root(&self, name: &QualifiedName, found: Found<'a>) -> bool {
        !self.elsewhere.contains_key(name)
            && both(found).any(|relation| relation.root().is_some_and(|root| self.is_uneven(root)))
    }

    /// Tables of the source in which one side alone shows the rows of its object of this name. What is left out is none.
    pub(super) fn seen_on_one_side(&self, found: Found<'a>) -> BTreeMap<QualifiedName, Side> {
        let (here, there) = self.ancestors(found);
        let here_only = (here.iter()).filter(|one| found.1.is_some() && !there.contains(*one));
        let there_only =
            (there.iter()).filter(|one| self.ours.named.contains_key(*one) && !here.contains(*one));
        here_only
            .map(|one| (one.clone(), Side::Source))
            .chain(there_only.map(|one| (one.clone(), Side::Target)))
            .filter(|(one, _)| !self.is_left_out(one))
            .collect()
    }

    /// All that an object inherits from, or is a partition of, on the source and on the target.
    fn ancestors(&self, found: Found<'a>) -> (BTreeSet<QualifiedName>, BTreeSet<QualifiedName>) {
        let of = |index: &Index<'a>, relation: Option<&RelationInfo>| {
            relation.map_or_else(BTreeSet::new, |one| index.ancestors(one))
        };
        (of(&self.ours, found.0), of(&self.theirs, found.1))
    }

    /// Whether a table that was asked for shows its rows on one side alone.
    fn is_meant_with_its_parents(&self, name: &QualifiedName, found: Found<'a>) -> bool {
        let one_sided = match found {
            (Some(_), None) => self.ancestors(found).0.into_iter().collect(),
            _ => self.seen_on_one_side(found).into_keys().collect::<Vec<_>>(),
        };
        one_sided.iter().any(|one| self.meant(one)) && !self.is_excluded(name)
    }

    /// What is asked of a partitioned table is asked of all below it, on either side.
    pub(super) fn meant(&self, name: &QualifiedName) -> bool {
        self.wishes.selection.asks_for_any(&self.lineage(name)) && !self.is_excluded(name)
    }

    /// The name itself and those of all above it on either side.
    pub(super) fn lineage(&self, name: &QualifiedName) -> Vec<QualifiedName> {
        let above = both(self.found(name)).flat_map(|relation| &relation.above);
        std::iter::once(name).chain(above).cloned().collect()
    }

    /// Whether an exclusion names it, or what it is a partition of on the source: where the target has put it is no reason.
    fn is_excluded(&self, name: &QualifiedName) -> bool {
        let found = self.found(name);
        let above = found.0.or(found.1).map(|relation| &relation.above);
        let mut names = std::iter::once(name).chain(above.into_iter().flatten());
        names.any(|one| self.wishes.selection.excludes(one))
    }

    /// Why a relation is skipped, whatever was asked for.
    pub(super) fn by_design(&self, name: &QualifiedName, found: Found<'a>) -> Option<String> {
        let planned = self.planned.get(name);
        if let Some(table) = planned.filter(|table| table.set == Set::Excluded) {
            let reason = table.reason.as_deref().unwrap_or("excluded");
            return Some(format!("left out by the plan: {reason}"));
        }
        // What the target has in its place is no reason: the source's rows have to be there. Nor is what it has below a
        // table of the source, where its rows are seen as that table's.
        let own = |_: &&RelationInfo| self.seen_on_one_side(found).is_empty();
        let relation = found.0.or(found.1.filter(own))?;
        if let Some(extension) = &relation.extension {
            return Some(format!("belongs to the extension {extension}"));
        }
        // One that the plan carries was logged when the plan was made: its rows have to be there.
        let unlogged = planned.is_none() && self.wishes.selection.tables.is_empty();
        let reason = match (relation.kind.as_str(), relation.persistence.as_str()) {
            // Before 18 it can be said of a partitioned table, without a meaning.
            ("p", _) => return None,
            ("f", _) => "foreign table: its rows are elsewhere",
            ("m", _) => "materialised view: refreshed, not replicated",
            (_, "t") => "temporary",
            (_, "u") if unlogged => "unlogged: not replicated; --table compares it all the same",
            _ => return None,
        };
        Some(reason.to_owned())
    }

    /// Why a partition is no part of what is compared with its root.
    fn why_left_out(&self, name: &QualifiedName) -> Option<String> {
        match self.is_excluded(name) {
            true => Some("excluded".to_owned()),
            false => self.by_design(name, self.found(name)),
        }
    }

    pub(super) fn is_left_out(&self, name: &QualifiedName) -> bool {
        self.why_left_out(name).is_some()
    }

    /// What tables that are no partitions inherit from, where that differs: their rows are seen in other tables, too. What is
    /// left out is none of it.
    pub(super) fn other_parents(&self, one: &RelationInfo, two: &RelationInfo) -> Option<String> {
        let parents = |index: &Index<'a>, relation: &RelationInfo| {
            let mut all = index.ancestors(relation);
            all.retain(|one| !self.is_left_out(one));
            all
        };
        let (here, there) = (parents(&self.ours, one), parents(&self.theirs, two));
        let plain = one.root().is_none() && two.root().is_none();
        (plain && here != there).then(|| {
            format!(
                "inherits from {} on the source, from {} on the target",
                shown(&here),
                shown(&there)
            )
        })
    }

    /// A partition with rows under an uneven root that is left out, and why.
    pub(super) fn left_out(&self, root: &QualifiedName) -> Option<(QualifiedName, String)> {
        let mut leaves = self.leaves(root).into_iter();
        let left_out = leaves.find_map(|leaf| {
            let reason = self.why_left_out(&leaf)?;
            Some((leaf, reason))
        });
        left_out.or_else(|| {
            let mut parts = self.under(Side::Target, root).iter();
            let foreign = parts.find(|part| {
                part.kind == "f" && !self.ours.named.contains_key(&part.qualified())
            })?;
            Some((
                foreign.qualified(),
                "a foreign table of the target alone".to_owned(),
            ))
        })
    }

    /// Partitions that stand for an uneven root on one of the sides.
    pub(super) fn parts(&self, root: &QualifiedName) -> Vec<QualifiedName> {
        let sides = [Side::Source, Side::Target].into_iter();
        let parts = sides.flat_map(|side| self.under(side, root));
        match self.is_uneven(root) {
            true => parts.map(|part| part.qualified()).collect(),
            false => Vec::new(),
        }
    }

    /// Names of the partitions with rows that are compared with an uneven root.
    fn leaves(&self, root: &QualifiedName) -> BTreeSet<QualifiedName> {
        if !self.is_uneven(root) {
            return BTreeSet::new();
        }
        let parts = [Side::Source, Side::Target]
            .into_iter()
            .flat_map(|side| self.under(side, root));
        parts
            .filter(|part| part.has_rows())
            .map(|part| part.qualified())
            .filter(|name| !self.elsewhere.contains_key(name))
            .collect()
    }

    pub(super) fn is_uneven(&self, name: &QualifiedName) -> bool {
        self.uneven.contains_key(name)
    }

    /// Partitions that both sides have under a root, with bounds that are not the same.
    pub(super) fn moved(&self, root: &QualifiedName) -> &[(&'a RelationInfo, &'a RelationInfo)] {
        self.uneven.get(root).map_or(&[], Vec::as_slice)
    }

    /// All partitions of a root on a side.
    pub(super) fn under(&self, side: Side, root: &QualifiedName) -> &[&'a RelationInfo] {
        let index = match side {
            Side::Source => &self.ours,
            Side::Target => &self.theirs,
        };
        index.under.get(root).map_or(&[], Vec::as_slice)
    }

    pub(super) fn elsewhere(&self, name: &QualifiedName) -> Option<&Elsewhere> {
        self.elsewhere.get(name)
    }

    /// Whether only the target has this schema.
    pub(super) fn is_new_schema(&self, schema: &str) -> bool {
        !self.source.schemas.contains(schema)
    }

    /// Whether the plan replicates only what is inserted into it.
    pub(super) fn is_insert_only(&self, name: &QualifiedName) -> bool {
        let planned = self.planned.get(name);
        planned.is_some_and(|table| table.set == Set::DefaultInsertOnly)
    }
}
