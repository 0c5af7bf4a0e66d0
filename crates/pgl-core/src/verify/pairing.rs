//! The list of what is compared: tables of both catalogs, paired by name, with the reason where a
//! table is not compared.

use std::collections::BTreeMap;

use super::canon::{Canon, Encoding};
use super::types::{ColumnInfo, RelationInfo, Types};
use crate::plan::{Plan, Set};
use crate::select::Selection;
use crate::{QualifiedName, Side};

/// One side of the catalog.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Tables, partitioned roots, materialised views and foreign tables.
    pub relations: Vec<RelationInfo>,
    /// Types in use.
    pub types: Types,
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
pub struct Column {
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
    /// Whether a server computes it.
    pub generated: bool,
}

impl Column {
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
pub struct Pair {
    /// The table's name; the root's where partitions differ.
    pub name: QualifiedName,
    /// Relations with rows on the source: the table itself, or all leaves under the root.
    pub source: Vec<RelationInfo>,
    /// The same on the target.
    pub target: Vec<RelationInfo>,
    /// Columns compared, in the source's order.
    pub columns: Vec<Column>,
    /// Columns of the key, in key order; none where rows are compared by multiplicity.
    pub key: Option<Vec<String>>,
    /// Whether the server checks no encoding (SQL_ASCII), on the source and on the target.
    pub unchecked: (bool, bool),
    /// Differences of the definitions that make the table different.
    pub schema_differences: Vec<String>,
    /// What else a reader should know.
    pub notes: Vec<String>,
}

impl Pair {
    /// The relations of a side.
    pub fn relations(&self, side: Side) -> &[RelationInfo] {
        match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        }
    }

    /// Whether text of a side may be in any encoding.
    pub fn is_unchecked(&self, side: Side) -> bool {
        match side {
            Side::Source => self.unchecked.0,
            Side::Target => self.unchecked.1,
        }
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
    pub fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.key
            .iter()
            .flatten()
            .filter_map(|name| self.columns.iter().find(|column| column.name == *name))
    }
}

/// One entry of the list.
#[derive(Debug, Clone)]
pub enum Entry {
    /// To be compared.
    Compare(Box<Pair>),
    /// Not compared, on purpose.
    Skip(QualifiedName, String),
    /// Different without looking at rows: one side has no such table.
    Differs(QualifiedName, String),
    /// Cannot be read.
    Error(QualifiedName, String),
}

impl Entry {
    /// The table's name.
    pub fn name(&self) -> &QualifiedName {
        match self {
            Self::Compare(pair) => &pair.name,
            Self::Skip(name, _) | Self::Differs(name, _) | Self::Error(name, _) => name,
        }
    }
}

/// Schemas that belong to the replication itself or to the server.
const OWN_SCHEMAS: &[&str] = &[
    "pglogical",
    "pglogical_origin",
    crate::migration::OWN_SCHEMA,
    "information_schema",
];

fn is_own(schema: &str) -> bool {
    OWN_SCHEMAS.contains(&schema) || schema.starts_with("pg_")
}

/// Pairs both catalogs. Every relation of either side that the selection includes is in the
/// result, once: a leaf partition counts with its root where the layouts differ.
pub fn pair(
    source: &Catalog,
    target: &Catalog,
    wishes: &Wishes,
    plan: Option<&Plan>,
) -> Vec<Entry> {
    let roots = Roots::of(source, target);
    let mut names: BTreeMap<QualifiedName, (Option<&RelationInfo>, Option<&RelationInfo>)> =
        BTreeMap::new();
    for relation in &source.relations {
        names.entry(relation.qualified()).or_default().0 = Some(relation);
    }
    for relation in &target.relations {
        names.entry(relation.qualified()).or_default().1 = Some(relation);
    }
    let source_schemas: Vec<&str> = source.relations.iter().map(|r| r.schema.as_str()).collect();
    let mut entries = Vec::new();
    for (name, found) in &names {
        if is_own(&name.schema) {
            continue;
        }
        let by_root = roots.covering(found);
        if let Some(root) = &by_root {
            // Counted with its root, which is in the list itself.
            if root != name {
                continue;
            }
        }
        // A partitioned table is meant with all its partitions.
        let root = [found.0, found.1].into_iter().flatten();
        let wanted = wishes.selection.includes(name)
            || roots
                .members(name)
                .any(|leaf| wishes.selection.includes(leaf))
            || root
                .filter_map(|relation| relation.root.as_ref())
                .any(|root| wishes.selection.includes(root) && !wishes.selection.excludes(name));
        if !wanted {
            continue;
        }
        let matched = Matched {
            name,
            found: *found,
            source,
            target,
            wishes,
            plan,
            new_schema: !source_schemas.contains(&name.schema.as_str()),
        };
        if let Some(entry) = matched.entry(&roots) {
            entries.push(entry);
        }
    }
    // What the plan names has to be somewhere.
    let gone = plan
        .into_iter()
        .flat_map(|plan| &plan.tables)
        .filter(|table| {
            let name = table.qualified();
            table.set != Set::Excluded
                && !names.contains_key(&name)
                && wishes.selection.includes(&name)
        });
    entries.extend(gone.map(|table| {
        let why = "the plan names it, and neither side has it";
        Entry::Error(table.qualified(), why.to_owned())
    }));
    entries
}

/// Columns that were asked for, or not to be compared, and that no selected table of either side has.
pub fn unknown_columns(source: &Catalog, target: &Catalog, wishes: &Wishes) -> Vec<String> {
    let relations: Vec<&RelationInfo> = (source.relations.iter())
        .chain(&target.relations)
        .filter(|relation| {
            let name = relation.qualified();
            let root = relation.root.as_ref();
            !is_own(&relation.schema)
                && (wishes.selection.includes(&name)
                    || root.is_some_and(|root| wishes.selection.includes(root)))
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

/// Partitioned tables whose leaves differ between the sides.
struct Roots {
    uneven: BTreeMap<QualifiedName, Vec<QualifiedName>>,
}

impl Roots {
    fn of(source: &Catalog, target: &Catalog) -> Self {
        let leaves = |catalog: &Catalog| {
            let mut map: BTreeMap<QualifiedName, Vec<QualifiedName>> = BTreeMap::new();
            for relation in &catalog.relations {
                if relation.kind == "p" && relation.root.is_none() {
                    map.entry(relation.qualified()).or_default();
                }
                if let (Some(root), true) = (&relation.root, relation.kind != "p") {
                    map.entry(root.clone())
                        .or_default()
                        .push(relation.qualified());
                }
            }
            for list in map.values_mut() {
                list.sort();
            }
            map
        };
        let (one, two) = (leaves(source), leaves(target));
        let mut uneven = BTreeMap::new();
        let exists = |catalog: &Catalog, name: &QualifiedName| {
            catalog.relations.iter().any(|r| r.qualified() == *name)
        };
        for name in one.keys().chain(two.keys()) {
            if one.get(name) != two.get(name) && exists(source, name) && exists(target, name) {
                let mut members: Vec<QualifiedName> = one
                    .get(name)
                    .into_iter()
                    .chain(two.get(name))
                    .flatten()
                    .cloned()
                    .collect();
                members.sort();
                members.dedup();
                uneven.insert(name.clone(), members);
            }
        }
        Self { uneven }
    }

    fn covering(
        &self,
        found: &(Option<&RelationInfo>, Option<&RelationInfo>),
    ) -> Option<QualifiedName> {
        [found.0, found.1]
            .into_iter()
            .flatten()
            .find_map(|relation| {
                let root = relation
                    .root
                    .clone()
                    .unwrap_or_else(|| relation.qualified());
                self.uneven.contains_key(&root).then_some(root)
            })
    }

    fn members(&self, name: &QualifiedName) -> impl Iterator<Item = &QualifiedName> {
        self.uneven.get(name).into_iter().flatten()
    }

    fn is_uneven(&self, name: &QualifiedName) -> bool {
        self.uneven.contains_key(name)
    }
}

struct Matched<'a> {
    name: &'a QualifiedName,
    found: (Option<&'a RelationInfo>, Option<&'a RelationInfo>),
    source: &'a Catalog,
    target: &'a Catalog,
    wishes: &'a Wishes,
    plan: Option<&'a Plan>,
    new_schema: bool,
}

impl Matched<'_> {
    fn entry(&self, roots: &Roots) -> Option<Entry> {
        let name = self.name.clone();
        let uneven = roots.is_uneven(self.name);
        if let Some(reason) = self.by_design(uneven) {
            return reason.map(|reason| Entry::Skip(name, reason));
        }
        let (one, two) = match self.found {
            (Some(one), Some(two)) => (one, two),
            (Some(_), None) => {
                return Some(Entry::Differs(name, "the target has no such table".into()));
            }
            (None, Some(_)) if self.new_schema => {
                return Some(Entry::Skip(
                    name,
                    "only on the target, in a schema that the source does not have".into(),
                ));
            }
            (None, _) => {
                return Some(Entry::Differs(name, "the source has no such table".into()));
            }
        };
        Some(match self.compare(one, two, uneven) {
            Ok(pair) => Entry::Compare(Box::new(pair)),
            Err(entry) => entry,
        })
    }

    /// Why the table is left out: some reason, or none where it has no rows of its own and its
    /// leaves stand in the list.
    fn by_design(&self, uneven: bool) -> Option<Option<String>> {
        let planned = self.plan.and_then(|plan| {
            plan.tables
                .iter()
                .find(|table| table.qualified() == *self.name)
        });
        if let Some(table) = planned.filter(|table| table.set == Set::Excluded) {
            let reason = table.reason.as_deref().unwrap_or("excluded");
            return Some(Some(format!("left out by the plan: {reason}")));
        }
        let relations = || [self.found.0, self.found.1].into_iter().flatten();
        if let Some(extension) = relations().find_map(|r| r.extension.as_ref()) {
            return Some(Some(format!("belongs to the extension {extension}")));
        }
        if relations().any(|r| r.kind == "f") {
            return Some(Some("foreign table: its rows are elsewhere".into()));
        }
        if relations().any(|r| r.kind == "m") {
            return Some(Some("materialised view: refreshed, not replicated".into()));
        }
        if relations().any(|r| r.persistence == "t") {
            return Some(Some("temporary".into()));
        }
        // One that the plan carries was logged when the plan was made: its rows have to be there.
        if relations().any(|r| r.persistence == "u")
            && planned.is_none()
            && self.wishes.selection.tables.is_empty()
        {
            return Some(Some(
                "unlogged: not replicated; --table compares it all the same".into(),
            ));
        }
        if !uneven && relations().all(|r| r.kind == "p") {
            return Some(None);
        }
        None
    }

    fn compare(&self, one: &RelationInfo, two: &RelationInfo, uneven: bool) -> Result<Pair, Entry> {
        let source = self.relations(Side::Source, one, uneven);
        let target = self.relations(Side::Target, two, uneven);
        for (side, list) in [(Side::Source, &source), (Side::Target, &target)] {
            if let Some(denied) = list.iter().find(|r| !r.readable) {
                let text = format!("{side}: no permission to read {}", denied.qualified());
                return Err(Entry::Error(self.name.clone(), text));
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
                return Err(Entry::Error(self.name.clone(), text));
            }
            if let Some(secured) = list.iter().find(|r| r.row_security) {
                let text = format!(
                    "{side}: row security would hide rows of {}; use a role with BYPASSRLS",
                    secured.qualified()
                );
                return Err(Entry::Error(self.name.clone(), text));
            }
        }
        let mut differences = Vec::new();
        let mut notes = Vec::new();
        let columns = self.columns(one, two, &mut differences, &mut notes);
        if uneven {
            notes.push("partitions differ between the sides: compared as one table".into());
        }
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
        if let Some(table) = self.plan.and_then(|plan| {
            plan.tables
                .iter()
                .find(|table| table.qualified() == *self.name)
        }) && table.set == Set::DefaultInsertOnly
        {
            notes.push(
                "insert-only replication set: updates and deletes on the source are not carried over"
                    .into(),
            );
        }
        Ok(Pair {
            name: self.name.clone(),
            source,
            target,
            columns,
            key,
            unchecked: (
                self.source.encoding == "SQL_ASCII",
                self.target.encoding == "SQL_ASCII",
            ),
            schema_differences: differences,
            notes,
        })
    }

    fn relations(&self, side: Side, own: &RelationInfo, uneven: bool) -> Vec<RelationInfo> {
        if !uneven || own.has_rows() {
            return vec![own.clone()];
        }
        let catalog = match side {
            Side::Source => self.source,
            Side::Target => self.target,
        };
        catalog
            .relations
            .iter()
            .filter(|r| r.has_rows() && r.root.as_ref() == Some(self.name))
            .cloned()
            .collect()
    }

    fn columns(
        &self,
        one: &RelationInfo,
        two: &RelationInfo,
        differences: &mut Vec<String>,
        notes: &mut Vec<String>,
    ) -> Vec<Column> {
        let encoding = Encoding::between(&self.source.encoding, &self.target.encoding);
        let wanted = |column: &&ColumnInfo| self.wanted(&column.name, one);
        let mut columns = Vec::new();
        for column in one.columns.iter().filter(wanted) {
            let Some(other) = two.columns.iter().find(|c| c.name == column.name) else {
                differences.push(format!("column {} is only on the source", column.name));
                continue;
            };
            let canon = Canon::of(
                (column, &self.source.types),
                (other, &self.target.types),
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
                    columns.push(Column {
                        name: column.name.clone(),
                        shown: column.shown.clone(),
                        canon,
                        types: (
                            self.source.types.input(column.type_oid),
                            self.target.types.input(other.type_oid),
                        ),
                        names: (
                            self.source.types.sql(column.type_oid),
                            self.target.types.sql(other.type_oid),
                        ),
                        generated: column.generated || other.generated,
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

    fn wanted(&self, column: &str, relation: &RelationInfo) -> bool {
        let names = |list: &[String]| {
            list.iter()
                .any(|text| names_column(text, self.name, column))
        };
        // The key is always read: without it no row could be named.
        let in_key = relation
            .key()
            .is_some_and(|key| key.iter().any(|name| name == column));
        if in_key {
            return true;
        }
        (self.wishes.columns.is_empty() || names(&self.wishes.columns))
            && !names(&self.wishes.exclude_columns)
    }
}

fn shown_key(key: Option<&Vec<String>>) -> String {
    key.map_or_else(|| "none".to_owned(), |key| key.join(", "))
}

#[cfg(test)]
mod tests;
