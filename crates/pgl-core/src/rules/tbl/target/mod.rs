//! The target's tables against the source's. Before the setup a target is empty, and then nothing
//! here has anything to say: these checks begin to speak once the target has at least one of the
//! tables that are to be replicated.

pub(in crate::rules) mod columns;
pub(in crate::rules) mod constraints;
pub(in crate::rules) mod relations;

use std::collections::HashMap;

use crate::facts::objects::{Column, RelKind, Relation, View};
use crate::facts::{Facts, NotRun};

/// Both sides, where the target has at least one of the tables.
pub(crate) struct Both<'a> {
    source: View<'a>,
    target: View<'a>,
}

impl<'a> Both<'a> {
    pub(in crate::rules) fn of(facts: &'a Facts) -> Result<Option<Self>, NotRun> {
        let (source, target) = (View::source(facts)?, View::target(facts)?);
        let prepared = source
            .carried()
            .any(|relation| target.named(&relation.qualified()).is_some());
        Ok(prepared.then_some(Self { source, target }))
    }

    /// Replicated tables with their counterpart.
    fn pairs(&self) -> impl Iterator<Item = (&'a Relation, &'a Relation)> {
        self.source
            .carried()
            .filter_map(|one| Some((one, self.target.named(&one.qualified())?)))
    }

    /// Of these the ones whose counterpart is a table.
    fn tables(&self) -> impl Iterator<Item = (&'a Relation, &'a Relation)> {
        self.pairs()
            .filter(|(_, other)| other.kind == RelKind::Table)
    }

    /// Columns of the same name, table by table.
    fn columns(&self) -> Result<Vec<(&'a Relation, &'a Column, &'a Column)>, NotRun> {
        let mut pairs = Vec::new();
        for (one, other) in self.tables() {
            let there = by_name(self.target.columns(other.oid)?);
            for column in self.source.columns(one.oid)? {
                if let Some(same) = there.get(column.name.as_str()) {
                    pairs.push((one, *column, *same));
                }
            }
        }
        Ok(pairs)
    }
}

fn by_name<'a>(columns: &[&'a Column]) -> HashMap<&'a str, &'a Column> {
    columns
        .iter()
        .map(|column| (column.name.as_str(), *column))
        .collect()
}
