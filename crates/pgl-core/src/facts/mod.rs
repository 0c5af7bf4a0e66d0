//! Facts: what was observed on the servers, before anything is concluded.
//!
//! Facts are plain data that round-trips through JSON: `pgl-preflight --record` writes them, and a
//! recording from any site is a test case. Each section of a server's facts is either known or
//! says why it could not be read; a rule that needs an unknown section reports itself as not run.

pub mod generated;
pub mod link;
pub mod objects;
pub mod server;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cutover::{CutoverRecord, CutoverState, cutover_state};
use crate::migration::{Migration, Names};
use crate::select::{EmptySelection, Selection};
use crate::{QualifiedName, Side};
pub use generated::{Evaluation, GeneratedColumn, STAND_IN};
pub use link::Link;
pub use objects::Objects;
use objects::{RelKind, Relation, Sequence};
pub use server::ServerState;

/// Everything that preflight looks at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The source.
    pub source: ServerFacts,
    /// The target; null where none was given.
    pub target: Option<ServerFacts>,
    /// What was seen of the way from the target server to the source, and of the client.
    pub link: Link,
    /// Stored generated columns of the source that are carried, with what the target computes.
    pub generated: Section<Vec<GeneratedColumn>>,
    /// What was asked for.
    pub asked: Asked,
}

/// Facts in a file, as `--record` writes and `--replay` reads them. Facts alone would not do: every
/// section may be missing from them, so that any JSON object could be taken for some.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// [`Recording::SCHEMA`].
    pub schema: String,
    /// Version of the tool that recorded.
    pub version: String,
    /// When it was made, RFC 3339 in UTC.
    pub recorded_at: String,
    /// What was read.
    pub facts: Facts,
}

impl Recording {
    /// The form that this version writes and reads.
    pub const SCHEMA: &'static str = "pgl.facts/1";

    /// Reads a recording.
    ///
    /// # Errors
    /// Why the text is none.
    pub fn read(text: &str) -> Result<Self, String> {
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|error| error.to_string())?;
        match value.get("schema").and_then(serde_json::Value::as_str) {
            Some(Self::SCHEMA) => serde_json::from_value(value).map_err(|error| error.to_string()),
            Some(other) => Err(format!("its schema is {other}, not {}", Self::SCHEMA)),
            None => Err(format!("it has no schema {}", Self::SCHEMA)),
        }
    }
}

/// One server and the one database that is looked at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerFacts {
    /// Version, settings, capacity, roles, replication state, activity, locale, extensions.
    pub server: ServerState,
    /// Tables, columns, types, sequences and the other objects of the database.
    pub objects: Objects,
    /// What the tools have recorded in the database about this migration.
    pub record: Section<MigrationRecord>,
    /// Whether another database of the server stood in for one that does not exist yet: what was read of the server
    /// holds, what was read of the database does not.
    pub stood_in: bool,
}

/// What the journal of a database records about a migration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MigrationRecord {
    /// Whether pgl-setup has begun it: the journal has entries.
    pub begun: bool,
    /// Attempts at a cutover.
    pub cutover: CutoverRecord,
    /// The same of the other migrations that the journal knows, by name.
    pub others: BTreeMap<String, CutoverRecord>,
}

/// The options that rules and the plan depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// `--name`; empty means the source database's name.
    pub name: String,
    /// The `--schema … --exclude-table` patterns.
    pub selection: Selection,
    /// How many databases of the cluster will be migrated together.
    pub databases_total: u32,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            name: String::new(),
            selection: Selection::default(),
            databases_total: 1,
        }
    }
}

/// A part of the facts that may have been unreadable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Section<T> {
    /// What was read.
    Known(T),
    /// Why it could not be read: the server's message with its SQLSTATE.
    Unknown(String),
}

impl<T> Default for Section<T> {
    fn default() -> Self {
        Self::Unknown("not collected".to_owned())
    }
}

/// Why a check could not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotRun(pub String);

impl<T> Section<T> {
    /// The value, or why there is none; `?` in a rule makes it report itself as not run.
    pub fn get(&self) -> Result<&T, NotRun> {
        match self {
            Self::Known(value) => Ok(value),
            Self::Unknown(reason) => Err(NotRun(reason.clone())),
        }
    }

    /// The same with what is made of the value.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Section<U> {
        match self {
            Self::Known(value) => Section::Known(make(value)),
            Self::Unknown(reason) => Section::Unknown(reason),
        }
    }
}

impl Facts {
    /// The migration's name: what was asked for, else the source database's name.
    pub fn migration_name(&self) -> Result<String, NotRun> {
        if self.asked.name.is_empty() {
            Ok(self.source.server.identity.get()?.database.clone())
        } else {
            Ok(self.asked.name.clone())
        }
    }

    /// The two databases, for the envelope of a document; none where the source is unknown.
    pub fn migration(&self) -> Option<Migration> {
        let target = self.target.as_ref();
        Some(Migration {
            name: self.migration_name().ok()?,
            source: self.source.server.as_database()?,
            target: target.and_then(|target| target.server.as_database()),
        })
    }

    /// Refuses patterns that select nothing of the source. Where its tables could not be read, nothing
    /// can be said.
    pub fn check_selection(&self) -> Result<(), EmptySelection> {
        let objects = &self.source.objects;
        let Ok(relations) = objects.relations.get() else {
            return Ok(());
        };
        let tables = relations
            .iter()
            .filter(|one| one.kind != RelKind::View)
            .map(Relation::qualified);
        let sequences = objects.sequences.get().into_iter().flatten();
        let names: Vec<QualifiedName> = tables.chain(sequences.map(Sequence::qualified)).collect();
        self.asked.selection.check(&names)
    }

    /// The names of pglogical's objects of this migration.
    pub fn names(&self) -> Result<Names, NotRun> {
        Ok(Names::of(&self.migration_name()?))
    }

    /// Whether the target holds this migration's subscription already, so that what the
    /// migration needs is in use and not still to be found.
    pub fn under_way(&self) -> bool {
        let subscribed = || -> Result<bool, NotRun> {
            let wanted = self.names()?.subscription;
            let pglogical = self.target()?.server.pglogical.get()?;
            Ok(pglogical
                .iter()
                .flat_map(|found| &found.subscriptions)
                .any(|found| found.name == wanted))
        };
        subscribed().unwrap_or(false)
    }

    /// Whether the migration was cut over, by what is recorded on the sides that were read.
    pub fn cutover(&self) -> CutoverState {
        let of = |server: &'_ ServerFacts| server.record.get().ok().map(|one| one.cutover.clone());
        let target = self.target.as_ref().and_then(of);
        cutover_state(of(&self.source).as_ref(), target.as_ref())
    }

    /// Another migration that has left the source or promoted the target, or is about to: by name, with the side that
    /// records it.
    pub fn other_cutover(&self) -> Option<(String, Side, CutoverState)> {
        let mut others: Vec<(&String, Side, &CutoverRecord)> = Vec::new();
        for (side, server) in self.sides() {
            let record = server.record.get().into_iter();
            let known = record.flat_map(|record| &record.others);
            others.extend(known.map(|(name, record)| (name, side, record)));
        }
        // Of one migration the target's record goes first.
        others.sort_by_key(|(name, side, _)| (*name, *side == Side::Source));
        others.into_iter().find_map(|(name, side, record)| {
            let state = match side {
                Side::Source => cutover_state(Some(record), None),
                Side::Target => cutover_state(None, Some(record)),
            };
            let left = matches!(
                state,
                CutoverState::CutOver(_) | CutoverState::Unfinished(_)
            );
            left.then(|| (name.clone(), side, state))
        })
    }

    /// Whether pgl-setup has begun this migration and not yet come to its subscription: its half-built schema, its rows
    /// and its slot are found then, and each of its steps tells them from others' by the journal.
    pub fn in_setup(&self) -> bool {
        let begun = |server: &ServerFacts| server.record.get().is_ok_and(|record| record.begun);
        !self.under_way() && self.target.as_ref().is_some_and(begun)
    }

    /// The source, and the target where there is one.
    pub fn sides(&self) -> impl Iterator<Item = (Side, &ServerFacts)> {
        let target = self.target.iter().map(|target| (Side::Target, target));
        std::iter::once((Side::Source, &self.source)).chain(target)
    }

    /// Whether the target's database does not exist yet.
    pub fn stood_in(&self) -> bool {
        self.target.as_ref().is_some_and(|target| target.stood_in)
    }

    /// The target's facts, or the reason to report a check as not run.
    pub fn target(&self) -> Result<&ServerFacts, NotRun> {
        self.target
            .as_ref()
            .ok_or_else(|| NotRun("no target given".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_recording_is_read_as_one() {
        let recording = Recording {
            schema: Recording::SCHEMA.to_owned(),
            version: "0".to_owned(),
            recorded_at: "2026-11-29T00:00:00Z".to_owned(),
            facts: Facts::default(),
        };
        let text = serde_json::to_string(&recording).unwrap();
        assert_eq!(Recording::read(&text), Ok(recording));
        for other in [
            "{}",
            "[]",
            r#"{"source":{},"target":null}"#,
            r#"{"schema":"pgl.preflight/1","verdict":"ok"}"#,
            r#"{"schema":"pgl.facts/2","facts":{}}"#,
            r#"{"schema":"pgl.facts/1"}"#,
        ] {
            assert!(Recording::read(other).is_err(), "{other}");
        }
    }
}
