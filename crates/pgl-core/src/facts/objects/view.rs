//! Lookups over the object facts of one server: who is whose column, partition or key, and which
//! tables the migration is about. Plan and rules see the facts through this.

use std::cell::OnceCell;
use std::collections::HashMap;

use super::{
    Column, Constraint, Generated, Index, Inherit, Objects, Persistence, RelKind, Relation,
    ReplIdent, Sequence, SequenceUse, Via,
};
use crate::QualifiedName;
use crate::facts::{Facts, NotRun, ServerFacts};
use crate::name::show_ident;
use crate::select::Selection;

/// What pglogical can use to find a row again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum KeySource<'a> {
    /// This index.
    Key(&'a Index),
    /// Nothing: no primary key and no index chosen.
    Missing,
    /// The primary key is deferrable, and pglogical sees none in it.
    Deferrable(&'a Index),
    /// REPLICA IDENTITY FULL, which pglogical does not support.
    Full,
    /// REPLICA IDENTITY NOTHING.
    Nothing,
    /// REPLICA IDENTITY USING INDEX, and that index is gone, invalid or not fit.
    BadIndex,
}

type ByRelation<'a, T> = HashMap<u32, Vec<&'a T>>;

/// One server's objects, ready for lookups.
pub struct View<'a> {
    objects: &'a Objects,
    selection: &'a Selection,
    relations: Vec<&'a Relation>,
    by_oid: HashMap<u32, &'a Relation>,
    parents: HashMap<u32, Vec<u32>>,
    columns: OnceCell<ByRelation<'a, Column>>,
    indexes: OnceCell<ByRelation<'a, Index>>,
    uses: OnceCell<ByRelation<'a, SequenceUse>>,
}

impl<'a> View<'a> {
    /// The source's objects.
    pub fn source(facts: &'a Facts) -> Result<Self, NotRun> {
        Self::of(&facts.source, &facts.asked.selection)
    }

    /// The target's objects.
    pub fn target(facts: &'a Facts) -> Result<Self, NotRun> {
        Self::of(facts.target()?, &facts.asked.selection)
    }

    /// Those of one side.
    pub fn of(server: &'a ServerFacts, selection: &'a Selection) -> Result<Self, NotRun> {
        let objects = &server.objects;
        let mut relations: Vec<&Relation> = objects.relations.get()?.iter().collect();
        relations.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
        let by_oid = relations.iter().map(|one| (one.oid, *one)).collect();
        let mut parents: HashMap<u32, Vec<u32>> = HashMap::new();
        for Inherit { child, parent } in objects.inherits.get()? {
            parents.entry(*child).or_default().push(*parent);
        }
        Ok(Self {
            objects,
            selection,
            relations,
            by_oid,
            parents,
            columns: OnceCell::new(),
            indexes: OnceCell::new(),
            uses: OnceCell::new(),
        })
    }

    /// The facts below.
    pub fn objects(&self) -> &'a Objects {
        self.objects
    }

    /// Every relation, sorted by name.
    pub fn relations(&self) -> impl Iterator<Item = &'a Relation> {
        self.relations.iter().copied()
    }

    /// The relation with this OID.
    pub fn relation(&self, oid: u32) -> Option<&'a Relation> {
        self.by_oid.get(&oid).copied()
    }

    /// The relation of this name.
    pub fn named(&self, name: &QualifiedName) -> Option<&'a Relation> {
        self.relations
            .binary_search_by(|one| (&one.schema, &one.name).cmp(&(&name.schema, &name.name)))
            .ok()
            .map(|at| self.relations[at])
    }

    /// The relation's columns by number.
    pub fn columns(&self, relation: u32) -> Result<&[&'a Column], NotRun> {
        let order = |one: &Column| (one.relation, one.number);
        grouped(&self.columns, self.objects.columns.get()?, relation, order)
    }

    /// One column.
    pub fn column(&self, relation: u32, number: i16) -> Result<Option<&'a Column>, NotRun> {
        let columns = self.columns(relation)?;
        Ok(columns.iter().find(|one| one.number == number).copied())
    }

    /// `schema.table.column`, for people.
    pub fn column_name(&self, relation: u32, number: i16) -> Result<Option<String>, NotRun> {
        let column = self.column(relation, number)?;
        let known = self.relation(relation).zip(column);
        Ok(known.map(|(table, one)| format!("{}.{}", table.qualified(), show_ident(&one.name))))
    }

    /// The relation's indexes by name.
    pub fn indexes(&self, relation: u32) -> Result<&[&'a Index], NotRun> {
        let order = |one: &'a Index| (one.relation, &one.name);
        grouped(&self.indexes, self.objects.indexes.get()?, relation, order)
    }

    /// The names of an index's key columns, in key order.
    pub fn key_names(&self, index: &Index) -> Result<Vec<String>, NotRun> {
        let columns = index.key.iter();
        let columns = columns.map(|number| self.column(index.relation, *number));
        let known = columns.filter_map(Result::transpose);
        known.map(|column| Ok(column?.name.clone())).collect()
    }

    /// Direct parents, by inheritance or partitioning.
    pub fn parents(&self, relation: u32) -> impl Iterator<Item = &'a Relation> {
        let parents = self.parents.get(&relation);
        parents
            .into_iter()
            .flatten()
            .filter_map(|oid| self.relation(*oid))
    }

    /// The relations above a partition, nearest first; empty for anything else.
    pub fn above(&self, relation: &Relation) -> Vec<&'a Relation> {
        let mut above: Vec<&Relation> = Vec::new();
        let mut here = relation.partition.then_some(relation.oid);
        while let Some(oid) = here {
            let parent = self.parents(oid).next();
            // A catalog read in several statements could in theory show a circle.
            here = match parent {
                Some(parent) if !above.iter().any(|seen| seen.oid == parent.oid) => {
                    above.push(parent);
                    parent.partition.then_some(parent.oid)
                }
                _ => None,
            };
        }
        above
    }

    /// Whether the patterns take this relation. A partition also goes with the tables above it.
    pub fn wanted(&self, relation: &Relation) -> bool {
        let mut names = vec![relation.qualified()];
        names.extend(self.above(relation).into_iter().map(Relation::qualified));
        self.selection.includes_any(&names)
    }

    /// Relations of the user that the patterns take: no extension's, but of any kind.
    pub fn users(&self) -> impl Iterator<Item = &'a Relation> {
        self.relations()
            .filter(|one| one.extension.is_none() && self.wanted(one))
    }

    /// Of these the ordinary tables and leaf partitions.
    pub fn tables(&self) -> impl Iterator<Item = &'a Relation> {
        self.users().filter(|one| one.kind == RelKind::Table)
    }

    /// The tables that pglogical can carry.
    pub fn carried(&self) -> impl Iterator<Item = &'a Relation> {
        self.relations().filter(|one| self.is_carried(one))
    }

    /// Whether pglogical carries this relation in this migration.
    pub fn is_carried(&self, relation: &Relation) -> bool {
        relation.kind == RelKind::Table
            && relation.persistence == Persistence::Permanent
            && relation.extension.is_none()
            && self.wanted(relation)
    }

    /// Whether pglogical carries the relation of this name.
    pub fn carries(&self, name: &QualifiedName) -> bool {
        self.named(name).is_some_and(|one| self.is_carried(one))
    }

    /// What belongs to relations, with these: sorted by the relation's name and its own. What belongs to a relation
    /// that is not known is left out.
    pub fn with_relations<T>(
        &self,
        all: &'a [T],
        of: impl Fn(&T) -> (u32, &str),
    ) -> Vec<(&'a Relation, &'a T)> {
        let known = |one: &'a T| Some((self.relation(of(one).0)?, one));
        let mut found: Vec<_> = all.iter().filter_map(known).collect();
        found.sort_by(|(a, one), (b, two)| {
            (&a.schema, &a.name, of(one).1).cmp(&(&b.schema, &b.name, of(two).1))
        });
        found
    }

    /// The relations' constraints.
    pub fn constraints(&self) -> Result<Vec<(&'a Relation, &'a Constraint)>, NotRun> {
        let all = self.objects.constraints.get()?;
        Ok(self.with_relations(all, |one| (one.relation, &one.name)))
    }

    /// How pglogical would find the rows of this table.
    pub fn key(&self, relation: &Relation) -> Result<KeySource<'a>, NotRun> {
        let indexes = self.indexes(relation.oid)?;
        Ok(match relation.identity {
            ReplIdent::Full => KeySource::Full,
            ReplIdent::Nothing => KeySource::Nothing,
            ReplIdent::Default => match indexes.iter().find(|one| one.primary && one.valid) {
                Some(primary) if primary.immediate => KeySource::Key(primary),
                Some(primary) => KeySource::Deferrable(primary),
                None => KeySource::Missing,
            },
            ReplIdent::Index => match indexes.iter().find(|one| one.identity) {
                Some(index) if self.fit(index)? => KeySource::Key(index),
                _ => KeySource::BadIndex,
            },
        })
    }

    /// Whether `REPLICA IDENTITY USING INDEX` would take this index, and pglogical use it.
    fn fit(&self, index: &Index) -> Result<bool, NotRun> {
        let plain = index.unique
            && index.valid
            && index.ready
            && index.immediate
            && !index.partial
            && !index.expressions
            && !index.exclusion
            && !index.key.is_empty();
        if !plain {
            return Ok(false);
        }
        let columns = index.key.iter();
        let columns = columns.map(|number| self.column(index.relation, *number));
        let columns: Vec<Option<&Column>> = columns.collect::<Result<_, _>>()?;
        Ok((columns.iter()).all(|column| column.is_some_and(|one| one.not_null)))
    }

    /// The index that would serve best as replica identity: the fewest columns, then by name.
    pub fn candidate(&self, relation: u32) -> Result<Option<&'a Index>, NotRun> {
        let mut best: Option<&Index> = None;
        for index in self.indexes(relation)? {
            if self.fit(index)? && best.is_none_or(|seen| index.key.len() < seen.key.len()) {
                best = Some(index);
            }
        }
        Ok(best)
    }

    /// The names of the columns that COPY can carry; none if these are all.
    pub fn copy_columns(&self, relation: u32) -> Result<Option<Vec<String>>, NotRun> {
        let columns = self.columns(relation)?;
        let plain = columns
            .iter()
            .filter(|column| column.generated == Generated::No);
        let names: Vec<String> = plain.map(|column| column.name.clone()).collect();
        Ok((names.len() < columns.len()).then_some(names))
    }

    /// The sequences that the migration is about, sorted by name. An owned sequence goes with its
    /// table; others by their own name, or with a wanted table that takes its defaults from them.
    pub fn sequences(&self) -> Result<Vec<&'a Sequence>, NotRun> {
        let sequences = self.objects.sequences.get()?.iter();
        // Without them it is not known which are wanted.
        self.objects.sequence_uses.get()?;
        let mut wanted = Vec::new();
        for sequence in sequences {
            if self.wants_sequence(sequence, self.uses(sequence.oid)?) {
                wanted.push(sequence);
            }
        }
        wanted.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
        Ok(wanted)
    }

    /// The columns that a sequence belongs to.
    pub fn uses(&self, sequence: u32) -> Result<&[&'a SequenceUse], NotRun> {
        let order = |one: &SequenceUse| (one.sequence, ());
        grouped(
            &self.uses,
            self.objects.sequence_uses.get()?,
            sequence,
            order,
        )
    }

    fn wants_sequence(&self, sequence: &Sequence, uses: &[&SequenceUse]) -> bool {
        let name = sequence.qualified();
        if self.selection.excludes(&name) {
            return false;
        }
        let takes = |one: &&&SequenceUse| {
            self.relation(one.relation)
                .is_some_and(|table| table.extension.is_none() && self.wanted(table))
        };
        match uses.iter().find(|one| one.via != Via::Default) {
            Some(owner) => takes(&owner),
            None => self.selection.includes(&name) || uses.iter().any(|one| takes(&one)),
        }
    }
}

/// Facts of one object, of all of them grouped by the object that they belong to, in order.
fn grouped<'v, 'a, T, K: Ord>(
    groups: &'v OnceCell<ByRelation<'a, T>>,
    all: &'a [T],
    of: u32,
    order: impl Fn(&'a T) -> (u32, K),
) -> Result<&'v [&'a T], NotRun> {
    let groups = groups.get_or_init(|| {
        let mut groups: ByRelation<'a, T> = HashMap::new();
        for one in all {
            groups.entry(order(one).0).or_default().push(one);
        }
        for group in groups.values_mut() {
            group.sort_by_key(|one| order(one));
        }
        groups
    });
    Ok(groups.get(&of).map_or(&[], Vec::as_slice))
}
