//! The list of what is compared: tables of both catalogs, paired by name, with the reason where a
//! table is not compared.

use std::collections::{BTreeMap, BTreeSet};

use super::canon::{Canon, Encoding};
use super::types::{ColumnInfo, RelationInfo, Types};
use crate::plan::Plan;
use crate::select::Selection;
use crate::{QualifiedName, Side};
use children::KnownChildren;
use sides::{Found, Index, Sides, is_own};

pub mod children;
mod sides;

/// One side of the catalog.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Tables, partitioned roots, materialised views and foreign tables.
    pub relations: Vec<RelationInfo>,
    /// Types in use.
    pub types: Types,
    /// All schemas.
    pub schemas: BTreeSet<String>,
    /// The database's encoding.
    pub encoding: String,
}

/// What the user asked about columns and tables.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// Tables meant.
    pub selection: Selection,
    /// Only these columns, where any are named.
    pub columns: Vec<String>,
    /// Not these columns.
    pub exclude_columns: Vec<String>,
}

/// A column that is compared.
#[derive(Debug, Clone)]
pub struct ComparedColumn {
    /// Its name.
    pub name: String,
    /// Type on the source, for people.
    pub shown: String,
    /// Its canonical form.
    pub canon: Canon,
    /// The types that a text of the column becomes, as SQL, on the source and on the target; none where that would run
    /// the checks of a domain.
    pub types: (Option<String>, Option<String>),
    /// The types themselves, as SQL without modifiers.
    pub names: (String, String),
    /// Whether the source, and whether the target, computes it.
    pub generated: (bool, bool),
    /// Whether the source computes it when it is read: decoded changes show NULL in its place.
    pub is_virtual: bool,
}

impl ComparedColumn {
    /// The column's own type on a side, as SQL without modifiers.
    pub fn type_name(&self, side: Side) -> &str {
        match side {
            Side::Source => &self.names.0,
            Side::Target => &self.names.1,
        }
    }

    /// The type that a text of the column becomes on a side, as SQL without modifiers.
    pub fn input_type(&self, side: Side) -> Option<&str> {
        match side {
            Side::Source => self.types.0.as_deref(),
            Side::Target => self.types.1.as_deref(),
        }
    }
}

/// A table to compare: one or several relations with rows on each side.
#[derive(Debug, Clone)]
pub struct TablePair {
    /// The table's name; the root's where partitions differ.
    pub name: QualifiedName,
    /// Relations with rows on the source: the table itself, or all leaves under the root.
    pub source: Vec<RelationInfo>,
    /// The same on the target.
    pub target: Vec<RelationInfo>,
    /// `pg_class.oid` of all partitions with rows below it, also of those that are not compared with it, in order, on the
    /// source and on the target; none where it has none.
    pub leaves: (Vec<u32>, Vec<u32>),
    /// Columns compared, in the source's order.
    pub columns: Vec<ComparedColumn>,
    /// Columns of the key, in key order; none where rows are compared by multiplicity.
    pub key: Option<Vec<String>>,
    /// Whether the server checks no encoding (SQL_ASCII), on the source and on the target.
    pub unchecked: (bool, bool),
    /// Differences of the definitions that make the table different.
    pub schema_differences: Vec<String>,
    /// Leaf partitions to copy again once their bounds are those of the source.
    pub copy_again: Vec<QualifiedName>,
    /// A trigger or rule of the target that fires under `session_replication_role = replica`.
    pub replica_trigger: Option<String>,
    /// Why a row of the source may be another one once it is inserted on the target.
    pub changes_rows: Option<String>,
    /// What else a reader should know.
    pub notes: Vec<String>,
}

impl TablePair {
    /// The relations of a side.
    pub fn relations(&self, side: Side) -> &[RelationInfo] {
        match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        }
    }

    /// The partitions with rows below it on a side.
    pub fn leaves(&self, side: Side) -> &[u32] {
        match side {
            Side::Source => &self.leaves.0,
            Side::Target => &self.leaves.1,
        }
    }

    /// Whether text of a side may be in any encoding.
    pub fn is_unchecked(&self, side: Side) -> bool {
        match side {
            Side::Source => self.unchecked.0,
            Side::Target => self.unchecked.1,
        }
    }

    /// Columns that the target computes: no row that is written there changes them.
    pub fn computed(&self) -> Vec<String> {
        let computed = self.columns.iter().filter(|column| column.generated.1);
        computed.map(|column| column.name.clone()).collect()
    }

    /// Heap bytes on both sides.
    pub fn bytes(&self) -> u64 {
        self.source
            .iter()
            .chain(&self.target)
            .map(|r| r.bytes)
            .sum()
    }

    /// The canonical forms of the key's columns.
    pub fn key_columns(&self) -> impl Iterator<Item = &ComparedColumn> {
        self.key
            .iter()
            .flatten()
            .filter_map(|name| self.columns.iter().find(|column| column.name == *name))
    }
}

/// One entry of the list.
#[derive(Debug, Clone)]
pub enum PairingEntry {
    /// To be compared.
    Compare(Box<TablePair>),
    /// Not compared, on purpose.
    Skip(QualifiedName, String),
    /// Different without looking at rows: one side has no such table.
    Differs(QualifiedName, String),
    /// Cannot be read.
    Error(QualifiedName, String),
}

impl PairingEntry {
    /// The table's name.
    pub fn name(&self) -> &QualifiedName {
        match self {
            Self::Compare(pair) => &pair.name,
            Self::Skip(name, _) | Self::Differs(name, _) | Self::Error(name, _) => name,
        }
    }
}

impl PairingEntry {
    /// What of the definitions differs; none where they can be compared as they are. Partitions that one side lacks
    /// count: their rows would be looked for where they are not.
    fn difference(&self) -> Option<String> {
        let names = |side: &[RelationInfo]| -> BTreeSet<QualifiedName> {
            side.iter().map(RelationInfo::qualified).collect()
        };
        match self {
            Self::Skip(..) | Self::Error(..) => None,
            Self::Differs(_, why) => Some(why.clone()),
            Self::Compare(pair) if !pair.schema_differences.is_empty() => {
                Some(pair.schema_differences.join("; "))
            }
            Self::Compare(pair) => (names(&pair.source) != names(&pair.target))
                .then(|| "partitions differ between the sides".to_owned()),
        }
    }

    /// The relations of a side that it rests on, without their sizes.
    fn definitions(&self, side: Side, catalog: &Index<'_>) -> Vec<RelationInfo> {
        let parts = match self {
            Self::Compare(pair) => pair.relations(side),
            _ => &[],
        };
        let own = catalog.with_partitions(self.name());
        own.chain(parts).map(RelationInfo::definition).collect()
    }
}

/// Both catalogs as they were read, the target's first, and what they say of each table.
#[derive(Debug, Clone)]
pub struct PairedCatalogs {
    /// The source's.
    pub source: Catalog,
    /// The target's.
    pub target: Catalog,
    /// What both hold, paired.
    pub entries: Vec<PairingEntry>,
    /// What is below other tables on the source, and on the target.
    pub children: (KnownChildren, KnownChildren),
}

impl PairedCatalogs {
    /// Pairs them.
    pub fn new(source: Catalog, target: Catalog, wishes: &Wishes, plan: Option<&Plan>) -> Self {
        let sides = Sides::new(&source, &target, wishes, plan);
        let entries = entries(&sides);
        let children = (
            KnownChildren::of(&sides, &source, &entries),
            KnownChildren::of(&sides, &target, &entries),
        );
        Self {
            source,
            target,
            entries,
            children,
        }
    }

    /// Tables whose definitions differ, with the difference.
    pub fn differing(&self) -> BTreeMap<QualifiedName, String> {
        let found = self.entries.iter();
        found
            .filter_map(|entry| Some((entry.name().clone(), entry.difference()?)))
            .collect()
    }

    /// Tables whose definitions differ, and of which it is not known whether replication will bring the change. This reading
    /// of the target's catalog came once everything was applied that the source had in the earlier reading. A difference is
    /// known to last where both sides had the same definitions in both readings, down to the versions of the catalog's
    /// rows: then the target was read as it was before, at and after the source's state, and nothing on the way changed it.
    pub fn unconfirmed<'a>(&'a self, earlier: &'a Self) -> BTreeMap<QualifiedName, String> {
        let before: BTreeMap<&QualifiedName, &PairingEntry> = (earlier.entries.iter())
            .map(|entry| (entry.name(), entry))
            .collect();
        let catalogs = |reading: &'a Self| (Index::of(&reading.source), Index::of(&reading.target));
        let (old, new) = (catalogs(earlier), catalogs(self));
        let rests_on = |(source, target): &(Index<'_>, Index<'_>), entry: &PairingEntry| {
            let source = entry.definitions(Side::Source, source);
            (source, entry.definitions(Side::Target, target))
        };
        let lasts = |entry: &PairingEntry, difference: &str| {
            before.get(entry.name()).is_some_and(|before| {
                before.difference().as_deref() == Some(difference)
                    && rests_on(&old, before) == rests_on(&new, entry)
            })
        };
        let different = self.entries.iter().filter_map(|entry| {
            let difference = entry.difference()?;
            (!lasts(entry, &difference)).then(|| (entry.name().clone(), difference))
        });
        different.collect()
    }
}

/// Pairs both catalogs. Every relation of either side that the selection includes is in the
/// result, once: a leaf partition counts with its root where the layouts differ.
pub fn pair(
    source: &Catalog,
    target: &Catalog,
    wishes: &Wishes,
    plan: Option<&Plan>,
) -> Vec<PairingEntry> {
    entries(&Sides::new(source, target, wishes, plan))
}

fn entries(sides: &Sides<'_>) -> Vec<PairingEntry> {
    let entries = sides.names().filter_map(|(name, found)| {
        let matched = Matched { name, found, sides };
        matched.entry()
    });
    let gone = sides.gone().map(|name| {
        let why = "the plan names it, and neither side has it";
        PairingEntry::Error(name.clone(), why.to_owned())
    });
    entries.chain(gone).collect()
}

/// Columns that were asked for, or not to be compared, and that no selected table of either side has.
pub fn unknown_columns(source: &Catalog, target: &Catalog, wishes: &Wishes) -> Vec<String> {
    let relations: Vec<&RelationInfo> = (source.relations.iter())
        .chain(&target.relations)
        .filter(|relation| {
            let own = std::iter::once(relation.qualified());
            let names: Vec<_> = own.chain(relation.above.iter().cloned()).collect();
            !is_own(relation) && wishes.selection.includes_any(&names)
        })
        .collect();
    (wishes.columns.iter())
        .chain(&wishes.exclude_columns)
        .filter(|text| {
            !relations.iter().any(|relation| {
                let name = relation.qualified();
                (relation.columns.iter()).any(|column| names_column(text, &name, &column.name))
            })
        })
        .cloned()
        .collect()
}

/// Whether `[[SCHEMA.]TABLE.]COLUMN` names this column.
fn names_column(text: &str, table: &QualifiedName, column: &str) -> bool {
    let (of, name) = match text.rsplit_once('.') {
        Some((of, name)) => (Some(of), name),
        None => (None, text),
    };
    let here =
        of.is_none_or(|of| of == table.name || of == format!("{}.{}", table.schema, table.name));
    here && name == column
}

/// One name, and what has it on the source and on the target.
struct Matched<'a> {
    name: &'a QualifiedName,
    found: Found<'a>,
    sides: &'a Sides<'a>,
}

impl Matched<'_> {
    fn entry(&self) -> Option<PairingEntry> {
        let name = self.name.clone();
        if !self.sides.is_listed(self.name, self.found) {
            return None;
        }
        let differs = |why: String| Some(PairingEntry::Differs(name.clone(), why));
        let one_sided = self.sides.seen_on_one_side(self.found);
        match (
            self.sides.by_design(self.name, self.found),
            one_sided.first_key_value(),
        ) {
            (Some(reason), None) => return Some(PairingEntry::Skip(name, reason)),
            (Some(reason), Some((table, side))) => {
                return differs(format!(
                    "{reason}; but its rows are seen in {table} on the {side} alone"
                ));
            }
            (None, _) => {}
        }
        let (one, two) = match self.found {
            (Some(one), Some(two)) => (one, two),
            (Some(_), None) => return differs("the target has no such table".to_owned()),
            (None, Some(_)) if self.sides.is_new_schema(&name.schema) && one_sided.is_empty() => {
                let why = "only on the target, in a schema that the source does not have";
                return Some(PairingEntry::Skip(name, why.to_owned()));
            }
            (None, _) => return differs("the source has no such table".to_owned()),
        };
        if let Some(what) = match two.kind.as_str() {
            "f" => Some("a foreign table"),
            "m" => Some("a materialised view"),
            _ => None,
        } {
            return differs(format!("a table on the source, {what} on the target"));
        }
        if let Some(places) = self.sides.elsewhere(self.name)
            && [one, two]
                .iter()
                .any(|r| r.kind == "p" && r.root().is_some())
        {
            // Its own partitions count under the root on that side.
            return differs(places.said(self.name));
        }
        if one.kind != two.kind && (one.root().is_some() || two.root().is_some()) {
            // Its partitions would count under the root, were they not left out.
            let why = "it has partitions on one side alone, which are left out: its rows cannot be told from theirs; compare the \
                       whole table, or make the partitions the same";
            return Some(PairingEntry::Error(name, why.to_owned()));
        }
        if let Some((leaf, reason)) = self.sides.left_out(self.name) {
            let why = format!(
                "partitions differ between the sides, and {leaf} is left out ({reason}): its rows cannot be told from those of \
                 the others; compare the whole table, or make the partitions the same"
            );
            return Some(PairingEntry::Error(name, why));
        }
        if let Some(entry) = self.columns_elsewhere(one, two) {
            return Some(entry);
        }
        Some(match self.compare(one, two) {
            Ok(pair) => PairingEntry::Compare(Box::new(pair)),
            Err(entry) => entry,
        })
    }

    fn compare(&self, one: &RelationInfo, two: &RelationInfo) -> Result<TablePair, PairingEntry> {
        let (source, target) = (
            self.relations(Side::Source, one),
            self.relations(Side::Target, two),
        );
        for (side, list) in [(Side::Source, &source), (Side::Target, &target)] {
            if let Some(denied) = list.iter().find(|r| !r.readable) {
                let text = format!("{side}: no permission to read {}", denied.qualified());
                return Err(PairingEntry::Error(self.name.clone(), text));
            }
            if let Some((relation, function)) =
                list.iter().find_map(|r| Some((r, r.runs.as_ref()?)))
            {
                let text = format!(
                    "{side}: an index or statistics object of {} calls {function}: the planner could run that function \
                     with the rights of this role; connect as the function's owner, or read the function and give it to a \
                     superuser (ALTER FUNCTION ... OWNER TO), or leave the table out with --exclude-table",
                    relation.qualified()
                );
                return Err(PairingEntry::Error(self.name.clone(), text));
            }
            if let Some(secured) = list.iter().find(|r| r.row_security) {
                let text = format!(
                    "{side}: row security would hide rows of {}; use a role with BYPASSRLS",
                    secured.qualified()
                );
                return Err(PairingEntry::Error(self.name.clone(), text));
            }
        }
        let mut differences = Vec::new();
        let mut notes = Vec::new();
        let columns = self.columns(one, two, &mut differences, &mut notes);
        if self.sides.is_uneven(self.name) {
            notes.push("partitions differ between the sides: compared as one table".into());
        }
        differences.extend(self.sides.other_parents(one, two));
        let moved = self.sides.moved(self.name);
        differences.extend(moved.iter().map(|(one, two)| {
            let bound = |of: &RelationInfo| of.bound.clone().unwrap_or_default();
            let (name, here, there) = (one.qualified(), bound(one), bound(two));
            format!("partition {name}: {here} on the source, {there} on the target")
        }));
        let elsewhere = self.sides.elsewhere(self.name);
        differences.extend(elsewhere.map(|places| places.said(self.name)));
        // Where a partition with partitions of its own moved, any leaf may be under it.
        let copy_again = match moved.iter().all(|(one, _)| one.has_rows()) {
            true => moved.iter().map(|(one, _)| one.qualified()).collect(),
            false => source.iter().map(RelationInfo::qualified).collect(),
        };
        let whole = |key: &[String]| {
            key.iter()
                .all(|name| columns.iter().any(|column| column.name == *name))
        };
        let key = one.key().filter(|key| whole(key)).map(<[String]>::to_vec);
        if key.is_none() {
            notes.push("no key: compared as a multiset of rows".into());
        }
        if one.primary_key != two.primary_key {
            notes.push(format!(
                "primary key: {} on the source, {} on the target",
                shown_key(one.primary_key.as_ref()),
                shown_key(two.primary_key.as_ref())
            ));
        }
        if self.sides.is_insert_only(self.name) {
            notes.push(
                "insert-only replication set: updates and deletes on the source are not replicated"
                    .into(),
            );
        }
        // Rows are inserted into the table itself, and deleted from the relations that hold them.
        let replica_trigger = (std::iter::once(two).chain(&target))
            .find_map(|relation| relation.replica_trigger.clone());
        let changes_rows = one.columns.iter().find_map(|column| {
            let other = two.columns.iter().find(|c| c.name == column.name)?;
            if other.generated && !column.generated {
                return Some(format!(
                    "the target computes column {}; make the definitions the same first",
                    column.name
                ));
            }
            let types = (&self.sides.source.types, &self.sides.target.types);
            let recoded = self.sides.source.encoding != self.sides.target.encoding;
            changes_values(types, recoded, column.typed(), other.typed(), 16).then(|| {
                format!(
                    "column {} ({} on the source, {} on the target) may round, cut or exchange values there; make the \
                     definitions the same first, or the type text",
                    column.name, column.shown, other.shown
                )
            })
        });
        Ok(TablePair {
            name: self.name.clone(),
            leaves: (
                self.leaves(Side::Source, one),
                self.leaves(Side::Target, two),
            ),
            changes_rows,
            replica_trigger,
            source,
            target,
            columns,
            key,
            unchecked: (
                self.sides.source.encoding == "SQL_ASCII",
                self.sides.target.encoding == "SQL_ASCII",
            ),
            schema_differences: differences,
            copy_again,
            notes,
        })
    }

    /// The partitions with rows that stand for the table on a side where it has none of its own.
    fn parts(&self, side: Side, own: &RelationInfo) -> impl Iterator<Item = &RelationInfo> {
        let parts = match own.has_rows() {
            true => &[],
            false => self.sides.under(side, self.name),
        };
        parts.iter().copied().filter(|part| part.has_rows())
    }

    /// `pg_class.oid` of these partitions, in order.
    fn leaves(&self, side: Side, own: &RelationInfo) -> Vec<u32> {
        let mut leaves: Vec<u32> = self.parts(side, own).map(|part| part.oid).collect();
        leaves.sort_unstable();
        leaves
    }

    /// What is read on a side: the table itself, or its partitions but for those that are compared by their own names.
    fn relations(&self, side: Side, own: &RelationInfo) -> Vec<RelationInfo> {
        if own.has_rows() {
            return vec![own.clone()];
        }
        let parts = self.parts(side, own);
        parts
            .filter(|part| self.sides.elsewhere(&part.qualified()).is_none())
            .cloned()
            .collect()
    }

    fn columns(
        &self,
        one: &RelationInfo,
        two: &RelationInfo,
        differences: &mut Vec<String>,
        notes: &mut Vec<String>,
    ) -> Vec<ComparedColumn> {
        let encoding = Encoding::between(&self.sides.source.encoding, &self.sides.target.encoding);
        let wanted = |column: &&ColumnInfo| self.wanted(&column.name, one);
        let mut columns = Vec::new();
        for column in one.columns.iter().filter(wanted) {
            let Some(other) = two.columns.iter().find(|c| c.name == column.name) else {
                differences.push(format!("column {} is only on the source", column.name));
                continue;
            };
            let canon = Canon::of(
                (column, &self.sides.source.types),
                (other, &self.sides.target.types),
                encoding,
            );
            match canon {
                Ok(canon) => {
                    if column.shown != other.shown {
                        notes.push(format!(
                            "column {}: {} on the source, {} on the target",
                            column.name, column.shown, other.shown
                        ));
                    }
                    if let Some(name) = self.sides.source.types.without_binary_form(column.type_oid)
                    {
                        notes.push(format!(
                            "column {}: type {name} has no binary form: compared by its text, which may be rounded",
                            column.name
                        ));
                    }
                    columns.push(ComparedColumn {
                        name: column.name.clone(),
                        shown: column.shown.clone(),
                        canon,
                        types: (
                            self.sides.source.types.input(column.type_oid),
                            self.sides.target.types.input(other.type_oid),
                        ),
                        names: (
                            self.sides.source.types.sql(column.type_oid),
                            self.sides.target.types.sql(other.type_oid),
                        ),
                        generated: (column.generated, other.generated),
                        is_virtual: column.is_virtual,
                    });
                }
                Err(mismatch) => differences.push(mismatch.to_string()),
            }
        }
        for column in two.columns.iter().filter(wanted) {
            if !one.columns.iter().any(|c| c.name == column.name) {
                differences.push(format!("column {} is only on the target", column.name));
            }
        }
        columns
    }

    /// Whether one of these texts names a column of the table, of one above it, or of a partition that stands for it.
    fn names(&self, texts: &[String], column: &str) -> bool {
        if texts.is_empty() {
            return false;
        }
        let mut tables = self.sides.lineage(self.name);
        tables.extend(self.sides.parts(self.name));
        texts.iter().any(|text| {
            let mut tables = tables.iter();
            tables.any(|table| names_column(text, table, column))
        })
    }

    fn wanted(&self, column: &str, relation: &RelationInfo) -> bool {
        let wishes = self.sides.wishes;
        // The key is always read: without it no row could be named.
        let in_key = relation
            .key()
            .is_some_and(|key| key.iter().any(|name| name == column));
        if in_key {
            return true;
        }
        (wishes.columns.is_empty() || self.names(&wishes.columns, column))
            && !self.names(&wishes.exclude_columns, column)
    }

    /// Why columns that were asked for, or not, are none of this table's.
    fn columns_elsewhere(&self, one: &RelationInfo, two: &RelationInfo) -> Option<PairingEntry> {
        let wishes = self.sides.wishes;
        let mut all = one.columns.iter().chain(&two.columns);
        if !wishes.columns.is_empty()
            && !all.any(|column| self.names(&wishes.columns, &column.name))
        {
            let why = "none of the columns asked for is in it";
            return Some(PairingEntry::Skip(self.name.clone(), why.to_owned()));
        }
        let parts = self.sides.parts(self.name);
        let of_part = |text: &&String| {
            let mut columns = one.columns.iter().chain(&two.columns);
            columns.any(|column| {
                let mut parts = parts.iter();
                parts.any(|part| names_column(text, part, &column.name))
                    && !names_column(text, self.name, &column.name)
            })
        };
        let text = wishes.exclude_columns.iter().find(of_part)?;
        let why = format!(
            "partitions differ between the sides, and {text} is left out: its values cannot be told from those of the others; \
             make the partitions the same, or leave the column of the whole table out"
        );
        Some(PairingEntry::Error(self.name.clone(), why))
    }
}

/// `pg_type.oid` of `"char"`.
const CHAR: u32 = 18;
/// Of `name`, which is cut after 63 bytes.
const NAME: u32 = 19;

/// Whether a text of a type may become another value of the target's type: a modifier that the source has not, attributes in
/// another order, a byte that releases write in two ways, or a name that is longer in another encoding.
fn changes_values(
    types: (&Types, &Types),
    recoded: bool,
    one: (u32, i32),
    two: (u32, i32),
    depth: u32,
) -> bool {
    let (Some(depth), Some(from), Some(to)) =
        (depth.checked_sub(1), types.0.get(one.0), types.1.get(two.0))
    else {
        return true;
    };
    let inner = |one, two| changes_values(types, recoded, one, two, depth);
    match (from.base, to.base) {
        (Some(base), _) => return inner((base, from.typmod), two),
        (None, Some(base)) => return inner(one, (base, to.typmod)),
        (None, None) => {}
    }
    if let (Some(from), Some(to)) = (from.element, to.element) {
        return inner((from, one.1), (to, two.1));
    }
    if let (Some(from), Some(to)) = (from.subtype, to.subtype) {
        return inner((from, -1), (to, -1));
    }
    let mut fields = from.fields.iter().zip(&to.fields);
    two.1 != -1 && two.1 != one.1
        || two.0 == CHAR
        || recoded && two.0 == NAME
        || from.fields.len() != to.fields.len()
        || fields.any(|(one, two)| one.name != two.name || inner(one.typed(), two.typed()))
}

fn shown_key(key: Option<&Vec<String>>) -> String {
    key.map_or_else(|| "none".to_owned(), |key| key.join(", "))
}

#[cfg(test)]
mod tests;
