//! The archive of the schema taken apart: each entry of its table of contents with the SQL that
//! pg_restore would run for it, and the step that it belongs to.
//!
//! Every statement stands alone in the archive; its owner, its tablespace and its access method are fields beside it. So no SQL is
//! read: a text in a function body, a literal or a name may look like anything.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::StepId;
use super::server_options::without_own;
use crate::control::object_name::ident;
use crate::migration::OWN_SCHEMA;
use crate::{QualifiedName, quote_ident};

mod roles;
mod toc;

pub use roles::without_roles;
use toc::{Section, TocEntry};

/// Settings that the pieces rely on, to be made in every session that runs one. `search_path` and
/// the output settings are the session's own already.
pub const SESSION: &str = "SELECT pg_catalog.set_config('search_path', '', false);\nSET check_function_bodies = false;\nSET client_min_messages = warning;\n";

/// One entry of the archive with its SQL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveEntry {
    /// Number in the archive's table of contents.
    pub id: u32,
    /// `TABLE`, `FK CONSTRAINT`, …
    pub kind: String,
    /// Schema; none for objects that live in no schema.
    pub schema: Option<String>,
    /// Name as the archive gives it: `t t_pkey` for a constraint.
    pub name: String,
    /// Catalog that the object stands in; 0 for what is none of its own.
    pub class: u32,
    /// Its OID on the source; 0 likewise.
    pub oid: u32,
    /// Whether it comes before any rows.
    pub early: bool,
    /// Entries that have to come before.
    pub depends: Vec<u32>,
    /// The tablespace that it names.
    pub tablespace: Option<String>,
    /// What creates it.
    pub sql: String,
    /// The end of `sql`, where that gives it its owner.
    pub owner: Option<String>,
}

impl ArchiveEntry {
    /// Kind, schema and name, for people.
    pub fn label(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{} {schema}.{}", self.kind, self.name),
            None => format!("{} {}", self.kind, self.name),
        }
    }
}

/// Why an archive cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadArchive {
    /// Another file.
    #[error("this is not what pg_dump writes in the custom format")]
    Foreign,
    /// A version that is not known.
    #[error("the archive has version {0}.{1}, and only 1.12 to 1.16 are known")]
    Version(u8, u8),
    /// It ends too early.
    #[error("the archive ends in the middle of its table of contents")]
    Cut,
    /// Bytes that are no characters.
    #[error("a name or a function body holds bytes that are no characters")]
    NotUtf8,
    /// A number that is none.
    #[error("the archive has {0:?} where a number is expected")]
    Number(String),
}

/// Whether objects go to the tablespaces that they are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tablespaces {
    /// They do.
    Keep,
    /// All go to the database's own.
    Default,
}

/// Takes an archive apart: what creates the schema's objects, in the order of pg_restore.
///
/// # Errors
/// See [`BadArchive`].
pub fn read(archive: &[u8], tablespaces: Tablespaces) -> Result<Vec<ArchiveEntry>, BadArchive> {
    let mut section = Section::PreData;
    let mut entries = Vec::new();
    for mut entry in toc::read(archive)? {
        if entry.section != Section::AsBefore {
            section = entry.section;
        }
        if entry.create.is_empty() || section == Section::Data || is_of_the_database(&entry) {
            continue;
        }
        if tablespaces == Tablespaces::Default {
            entry.tablespace = entry.tablespace.and(Some(""));
        }
        let owner = owned(&entry)
            .map(|object| format!("ALTER {object} OWNER TO {};\n", quote_ident(entry.owner)));
        let sql = statements(&entry) + owner.as_deref().unwrap_or_default();
        entries.push(ArchiveEntry {
            sql: without_own(entry.kind, sql),
            owner,
            tablespace: entry
                .tablespace
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
            id: entry.id,
            kind: entry.kind.to_owned(),
            schema: entry.schema.map(str::to_owned),
            name: entry.name.to_owned(),
            class: entry.class,
            oid: entry.oid,
            early: section == Section::PreData,
            depends: entry.depends,
        });
    }
    entries.sort_by_key(|entry| pass(&entry.kind, &entry.name));
    Ok(entries)
}

/// Settings of the archive, and the database itself, which exists when the rest is restored.
fn is_of_the_database(entry: &TocEntry<'_>) -> bool {
    match entry.kind {
        "ENCODING" | "STDSTRINGS" | "SEARCHPATH" | "DATABASE" | "DATABASE PROPERTIES" => true,
        "COMMENT" | "ACL" | "SECURITY LABEL" => entry.name.starts_with("DATABASE "),
        _ => false,
    }
}

/// pg_restore goes through an archive three times: privileges come after everything that is made, so that default ones are not given to
/// it and none is missing meanwhile; event triggers, which would fire, come last.
fn pass(kind: &str, name: &str) -> u8 {
    match kind {
        "ACL" | "ACL LANGUAGE" | "DEFAULT ACL" => 1,
        "EVENT TRIGGER" => 2,
        "COMMENT" | "SECURITY LABEL" if name.starts_with("EVENT TRIGGER ") => 2,
        _ => 0,
    }
}

/// What pg_restore runs for an entry (`_printTocEntry` in pg_backup_archiver.c), but for its owner. The settings hold for the session, and so
/// are made for each entry anew.
fn statements(entry: &TocEntry<'_>) -> String {
    let mut sql = String::new();
    if let Some(tablespace) = entry.tablespace {
        let value = if tablespace.is_empty() {
            "''".to_owned()
        } else {
            quote_ident(tablespace)
        };
        sql += &format!("SET default_tablespace = {value};\n");
    }
    if let (Some(method), false) = (entry.access_method, entry.partitioned) {
        sql += &format!(
            "SET default_table_access_method = {};\n",
            quote_ident(method)
        );
    }
    sql += entry.create.trim_end_matches('\n');
    sql.push('\n');
    if let (Some(method), true) = (entry.access_method, entry.partitioned) {
        let table = qualified(entry);
        sql += &format!(
            "ALTER TABLE {table} SET ACCESS METHOD {};\n",
            quote_ident(method)
        );
    }
    sql
}

fn qualified(entry: &TocEntry<'_>) -> String {
    match entry.schema {
        Some(schema) => QualifiedName::new(schema, entry.name).sql(),
        None => quote_ident(entry.name),
    }
}

/// The object as ALTER … OWNER names it; none where it has no owner of its own.
fn owned(entry: &TocEntry<'_>) -> Option<String> {
    if entry.owner.is_empty() || entry.drop.is_empty() {
        return None;
    }
    match entry.kind {
        "COLLATION"
        | "CONVERSION"
        | "DOMAIN"
        | "FOREIGN TABLE"
        | "MATERIALIZED VIEW"
        | "SEQUENCE"
        | "STATISTICS"
        | "TABLE"
        | "TEXT SEARCH DICTIONARY"
        | "TEXT SEARCH CONFIGURATION"
        | "TYPE"
        | "VIEW"
        | "PROCEDURAL LANGUAGE"
        | "SCHEMA"
        | "EVENT TRIGGER"
        | "FOREIGN DATA WRAPPER"
        | "SERVER"
        | "PUBLICATION"
        | "SUBSCRIPTION" => Some(format!("{} {}", entry.kind, qualified(entry))),
        // Arguments and access methods are in the statement that drops it, and nowhere else.
        "AGGREGATE" | "FUNCTION" | "OPERATOR" | "OPERATOR CLASS" | "OPERATOR FAMILY"
        | "PROCEDURE" => entry
            .drop
            .trim_end_matches(['\n', ';'])
            .strip_prefix("DROP ")
            .map(str::to_owned),
        _ => None,
    }
}

/// What is known of an index or constraint on the source, beyond the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexFact {
    /// Catalog of the object: 1259 for an index, 2606 for a constraint.
    pub class: u32,
    /// Its OID.
    pub oid: u32,
    /// Whether it is the primary key or the replica identity of its table.
    pub identity: bool,
    /// Size on the source in bytes, for the order.
    pub bytes: u64,
}

/// An entry with the step it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// The entry.
    pub entry: ArchiveEntry,
    /// The step that runs it.
    pub step: StepId,
    /// Size on the source in bytes, for the order; 0 where it does not matter.
    pub bytes: u64,
}

/// Gives each entry its step; leaves out what must not be copied.
pub fn assign(entries: Vec<ArchiveEntry>, facts: &[IndexFact]) -> Vec<Work> {
    let facts: HashMap<(u32, u32), &IndexFact> = facts
        .iter()
        .map(|fact| ((fact.class, fact.oid), fact))
        .collect();
    let mut steps: HashMap<u32, StepId> = HashMap::new();
    let mut work = Vec::new();
    for entry in entries {
        if is_foreign_to_schema(&entry) {
            continue;
        }
        let fact = facts.get(&(entry.class, entry.oid));
        let own = if entry.early {
            Some(StepId::TargetSchema)
        } else {
            match entry.kind.as_str() {
                "FK CONSTRAINT" => Some(StepId::TargetForeignKeys),
                "TRIGGER" | "EVENT TRIGGER" => Some(StepId::TargetTriggers),
                "CONSTRAINT" | "INDEX" if fact.is_some_and(|fact| fact.identity) => {
                    Some(StepId::TargetKeys)
                }
                "INDEX" => Some(StepId::TargetIndexes),
                // A remark, a privilege or an attached partition index goes with its object.
                "INDEX ATTACH" | "COMMENT" | "ACL" | "SECURITY LABEL" => None,
                _ => Some(StepId::TargetConstraints),
            }
        };
        // Nothing comes before what it needs: an index of a materialised view that itself waits for a primary key.
        let needed = entry.depends.iter().filter_map(|id| steps.get(id)).copied();
        let step = needed
            .chain(own)
            .max_by_key(|step| order(*step))
            .unwrap_or(StepId::TargetConstraints);
        steps.insert(entry.id, step);
        work.push(Work {
            step,
            bytes: fact.map_or(0, |fact| fact.bytes),
            entry,
        });
    }
    work
}

/// Takes out what has one of these labels, and what depends on it. Gives back the labels of all that is left out.
pub fn exclude(work: &mut Vec<Work>, labels: &[String]) -> Vec<String> {
    let mut gone: HashSet<u32> = HashSet::new();
    let mut left_out = Vec::new();
    work.retain(|Work { entry, .. }| {
        let label = entry.label();
        let goes = labels.contains(&label) || entry.depends.iter().any(|id| gone.contains(id));
        if goes {
            gone.insert(entry.id);
            left_out.push(label);
        }
        !goes
    });
    left_out
}

/// Puts the states of triggers of partitions behind what creates these triggers: pg_dump knows that they are a partitioned table's only where
/// all tables between the two have states of their own.
pub fn states_come_after_triggers(work: &mut [Work]) {
    let mut created: HashMap<String, Vec<u32>> = HashMap::new();
    for Work { entry, .. } in work.iter().filter(|item| item.entry.kind == "TRIGGER") {
        let sql = entry.sql.trim_start();
        let made = (sql.strip_prefix("CREATE TRIGGER "))
            .or_else(|| sql.strip_prefix("CREATE CONSTRAINT TRIGGER "));
        if let Some((name, _)) = made.and_then(ident) {
            created.entry(name).or_default().push(entry.id);
        }
    }
    for Work { entry, .. } in work.iter_mut().filter(|item| item.entry.kind == "TRIGGER") {
        let state = (entry.sql.trim_start().strip_prefix("ALTER TABLE "))
            .and_then(|rest| rest.rsplit_once(" TRIGGER "))
            .and_then(|(_, name)| ident(name));
        if let Some(ids) = state.and_then(|(name, _)| created.get(&name)) {
            entry.depends.extend_from_slice(ids);
        }
    }
}

fn order(step: StepId) -> usize {
    StepId::TABLE
        .iter()
        .position(|row| row.0 == step)
        .unwrap_or(usize::MAX)
}

/// pglogical's objects, our own schema, subscriptions (they would connect) and remarks on
/// extensions (the extension's script has made them).
pub(crate) fn is_foreign_to_schema(entry: &ArchiveEntry) -> bool {
    let ours = |name: &str| name == OWN_SCHEMA || name == "pglogical" || name == "pglogical_origin";
    match entry.kind.as_str() {
        "SUBSCRIPTION" | "SUBSCRIPTION TABLE" => true,
        "EXTENSION" | "SCHEMA" if ours(&entry.name) => true,
        "COMMENT" if entry.name.starts_with("EXTENSION ") => true,
        "COMMENT" | "ACL" | "SECURITY LABEL" if entry.schema.is_none() => entry
            .name
            .strip_prefix("SCHEMA ")
            .is_some_and(|name| ours(name.trim_matches('"'))),
        _ => entry.schema.as_deref().is_some_and(ours),
    }
}

/// A foreign key's statement in two: added without looking at the rows, and validated later. None
/// where the statement is of another form: partitioned tables take no unchecked keys, and a key
/// that the source never validated is not validated here.
pub fn unchecked(sql: &str) -> Option<(String, String)> {
    let body = sql.trim_end().strip_suffix(';')?;
    let at = body.find("ALTER TABLE ONLY ")?;
    let (table, rest) =
        body[at + "ALTER TABLE ONLY ".len()..].split_once("\n    ADD CONSTRAINT ")?;
    let (name, _) = rest.split_once(" FOREIGN KEY (")?;
    if rest.ends_with(" NOT VALID") || rest.ends_with(" NOT ENFORCED") {
        return None;
    }
    Some((
        format!("{body} NOT VALID;"),
        format!("ALTER TABLE ONLY {table} VALIDATE CONSTRAINT {name};\n"),
    ))
}

/// Whether the statement of a foreign key is the second of [`unchecked`]: the key is there.
pub fn is_validation(sql: &str) -> bool {
    !sql.contains("\n    ADD CONSTRAINT ")
}

#[cfg(test)]
mod tests;
