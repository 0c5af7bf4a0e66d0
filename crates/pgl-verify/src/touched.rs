//! Which rows were written between two snapshots, from the decoded changes.

use std::collections::{HashMap, HashSet};

use pgl_core::QualifiedName;
use pgl_core::verify::decoding::{Change, Tuple, Value, What};
use pgl_core::verify::pairing::Pair;

/// Values kept of all changes together, in bytes; beyond this whole tables count as touched, so
/// that memory stays flat however far the target lags behind.
const ROOM: usize = 32 << 20;

/// What was written.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    tables: HashMap<QualifiedName, Written>,
    bytes: usize,
}

/// What was written to one table.
#[derive(Debug)]
enum Written {
    /// These rows.
    Rows(Vec<Tuple>),
    /// Nobody can say which: truncated, without replica identity, or too many.
    Everything,
}

/// The answer for one table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Key columns as text, of every row written.
    Some(Vec<Vec<Option<String>>>),
    /// All rows may have been written.
    All,
}

impl Touched {
    /// Takes note of a change.
    pub(crate) fn add(&mut self, change: Change) {
        let tuples = match change.what {
            What::Insert(new) => vec![new],
            What::Update(old, new) => old.into_iter().chain([new]).collect(),
            What::Delete(old) => vec![old],
            What::Truncate | What::Unknown => {
                for table in change.tables {
                    self.tables.insert(table, Written::Everything);
                }
                return;
            }
        };
        let size: usize = tuples
            .iter()
            .flat_map(|tuple| &tuple.0)
            .map(|(name, value)| {
                let text = match value {
                    Value::Text(text) => text.len(),
                    Value::Null | Value::Unchanged => 0,
                };
                name.len() + text + 64
            })
            .sum();
        self.bytes += size;
        let full = self.bytes > ROOM;
        for table in change.tables {
            let written = self
                .tables
                .entry(table)
                .or_insert_with(|| Written::Rows(Vec::new()));
            match written {
                Written::Everything => {}
                written if full => *written = Written::Everything,
                Written::Rows(rows) => rows.extend(tuples.iter().cloned()),
            }
        }
    }

    /// Keeps only the columns that will be asked for.
    pub(crate) fn trim(change: &mut Change, columns: &HashMap<QualifiedName, HashSet<String>>) {
        let wanted = |name: &str| {
            change
                .tables
                .iter()
                .any(|table| columns.get(table).is_some_and(|set| set.contains(name)))
        };
        match &mut change.what {
            What::Insert(tuple) | What::Delete(tuple) => tuple.0.retain(|(name, _)| wanted(name)),
            What::Update(old, new) => {
                new.0.retain(|(name, _)| wanted(name));
                if let Some(old) = old {
                    old.0.retain(|(name, _)| wanted(name));
                }
            }
            What::Truncate | What::Unknown => {}
        }
    }

    /// What was written to a table, over all its partitions on the source.
    pub(crate) fn of(&self, pair: &Pair) -> Keys {
        let whole: Vec<String> = pair.columns.iter().map(|c| c.name.clone()).collect();
        let columns = pair.key.as_ref().unwrap_or(&whole);
        let mut keys = Vec::new();
        let names = pair.source.iter().map(|r| r.qualified());
        for name in names.chain([pair.name.clone()]) {
            match self.tables.get(&name) {
                None => {}
                Some(Written::Everything) => return Keys::All,
                Some(Written::Rows(rows)) => {
                    for row in rows {
                        match row.texts(columns) {
                            Some(key) => keys.push(key),
                            None => return Keys::All,
                        }
                    }
                }
            }
            if name == pair.name {
                break;
            }
        }
        keys.sort();
        keys.dedup();
        Keys::Some(keys)
    }
}
