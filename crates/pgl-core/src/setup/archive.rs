//! The archive of the schema taken apart: the text of `pg_restore --verbose --file=-`, one piece of
//! SQL for each entry of the table of contents, and the step that each entry belongs to.
//!
//! Only the headers that the program itself writes are read, never the SQL. A line in a function
//! body or a literal that looks like a header is noticed, because then an entry appears twice or
//! one that the table of contents does not have: the whole is refused rather than cut wrongly.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::StepId;
use super::server_options::without_own;
use crate::migration::OWN_SCHEMA;

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
    /// Entries that have to come before.
    pub depends: Vec<u32>,
    /// What creates it.
    pub sql: String,
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

/// Why the text cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadArchive {
    /// A header without its lines.
    #[error("entry {0} of the schema archive has no readable header")]
    Header(u32),
    /// Text that looks like a header stands inside an object.
    #[error(
        "entry {0} is twice in the schema archive, or not in its table of contents: some object contains text that looks like an archive header"
    )]
    Twice(u32),
    /// An entry of the table of contents that has no SQL.
    #[error("entry {0} of the schema archive has no text")]
    Missing(u32),
    /// Kind, schema and name of an entry cannot be told apart.
    #[error(
        "entry {0} of the schema archive can be read in several ways: a name in it holds text that looks like an archive header"
    )]
    Ambiguous(u32),
}

/// Kinds that only describe the archive or hold data: they have no text in the output.
const NO_TEXT: [&str; 10] = [
    "ENCODING",
    "STDSTRINGS",
    "SEARCHPATH",
    "DATABASE",
    "DATABASE PROPERTIES",
    "TABLE DATA",
    "SEQUENCE SET",
    "MATERIALIZED VIEW DATA",
    "STATISTICS DATA",
    "BLOB",
];

/// Entries of a listing (`pg_restore --list`) in its order: number, and `KIND SCHEMA NAME OWNER` as it
/// is written there.
pub fn listed(listing: &str) -> Vec<(u32, &str)> {
    listing
        .lines()
        .filter_map(|line| {
            // A remark begins with a semicolon, and so with no number.
            let (id, rest) = line.split_once("; ")?;
            // "class oid KIND schema name owner"
            let what = rest.splitn(3, ' ').nth(2)?;
            Some((id.parse().ok()?, what))
        })
        .collect()
}

/// Takes the text apart. `wanted` are the entries that the listing of the same archive gives.
///
/// # Errors
/// See [`BadArchive`]: nothing is guessed.
pub fn split(text: &str, wanted: &[(u32, &str)]) -> Result<Vec<ArchiveEntry>, BadArchive> {
    let listed: BTreeMap<u32, &str> = wanted.iter().copied().collect();
    // By line feeds alone: a carriage return belongs to the statement.
    let lines: Vec<&str> = text.split('\n').collect();
    let heads: Vec<(usize, u32, u32, u32)> = lines
        .iter()
        .enumerate()
        .filter_map(|(at, line)| header(line).map(|(id, class, oid)| (at, id, class, oid)))
        .collect();
    let mut seen = BTreeSet::new();
    let mut entries = Vec::with_capacity(heads.len());
    // Tablespace and access method are set between the pieces and hold for those that follow.
    let mut state: BTreeMap<&str, &str> = BTreeMap::new();
    let before = heads.first().map_or(lines.len(), |head| head.0);
    trailing_state(&lines[..before], &mut state);
    for (n, (at, id, class, oid)) in heads.iter().enumerate() {
        let Some(what) = listed.get(id).filter(|_| seen.insert(*id)) else {
            return Err(BadArchive::Twice(*id));
        };
        let end = heads.get(n + 1).map_or(lines.len(), |next| next.0);
        let mut body = at + 1;
        let mut depends = Vec::new();
        if let Some(list) = lines
            .get(body)
            .and_then(|l| l.strip_prefix("-- Dependencies:"))
        {
            depends = list
                .split_whitespace()
                .filter_map(|d| d.parse().ok())
                .collect();
            body += 1;
        }
        let line = lines.get(body).ok_or(BadArchive::Header(*id))?;
        let mut readings = name_line(line, what);
        let (name, kind, schema) = readings.pop().ok_or(BadArchive::Header(*id))?;
        if !readings.is_empty() {
            return Err(BadArchive::Ambiguous(*id));
        }
        body += 1;
        while lines
            .get(body)
            .is_some_and(|line| line.starts_with("-- Data Pos:"))
        {
            body += 1;
        }
        if lines.get(body) != Some(&"--") {
            return Err(BadArchive::Header(*id));
        }
        let prelude: String = state.values().map(|line| format!("{line}\n")).collect();
        let piece = &lines[body + 1..end];
        let after = trailing_state(piece, &mut state);
        let sql = piece[..after].join("\n");
        let sql = sql.trim();
        if sql.is_empty() {
            return Err(BadArchive::Missing(*id));
        }
        entries.push(ArchiveEntry {
            id: *id,
            kind: kind.to_owned(),
            schema: (schema != "-").then(|| schema.to_owned()),
            name: name.to_owned(),
            class: *class,
            oid: *oid,
            depends,
            sql: without_own(kind, format!("{prelude}{sql}\n")),
        });
    }
    Ok(entries)
}

/// Checks that every entry of the listing has its text.
///
/// # Errors
/// [`BadArchive::Missing`] with the first one that has none.
pub fn complete(entries: &[ArchiveEntry], wanted: &[(u32, &str)]) -> Result<(), BadArchive> {
    let have: BTreeSet<u32> = entries.iter().map(|entry| entry.id).collect();
    for (id, what) in wanted {
        let silent = NO_TEXT.iter().any(|none| {
            what.strip_prefix(none)
                .is_some_and(|rest| rest.starts_with(' '))
        });
        if !silent && !have.contains(id) {
            return Err(BadArchive::Missing(*id));
        }
    }
    Ok(())
}

fn header(line: &str) -> Option<(u32, u32, u32)> {
    let rest = line.strip_prefix("-- TOC entry ")?;
    let (id, rest) = rest.split_once(" (class ")?;
    let (class, rest) = rest.split_once(" OID ")?;
    let oid = rest.strip_suffix(')')?;
    Some((id.parse().ok()?, class.parse().ok()?, oid.parse().ok()?))
}

/// `-- Name: N; Type: T; Schema: S; Owner: O[; Tablespace: X]`: every way of reading it as name, kind and
/// schema that agrees with the listing, `T S N O`. Each name may hold anything, text like this
/// included, so one line alone proves nothing.
fn name_line<'a>(line: &'a str, listed: &str) -> Vec<(&'a str, &'a str, &'a str)> {
    let Some(line) = line.strip_prefix("-- Name: ") else {
        return Vec::new();
    };
    let splits = |text: &'a str, mark: &'static str| {
        text.match_indices(mark)
            .map(move |(at, _)| (&text[..at], &text[at + mark.len()..]))
    };
    let mut readings = Vec::new();
    for (name, rest) in splits(line, "; Type: ") {
        for (kind, rest) in splits(rest, "; Schema: ") {
            // A kind is one of pg_dump's own words: capitals and blanks.
            if !kind.bytes().all(|b| b.is_ascii_uppercase() || b == b' ') {
                continue;
            }
            for (schema, rest) in splits(rest, "; Owner: ") {
                let head = format!("{kind} {schema} {name} ");
                let Some(owner) = listed.strip_prefix(&head) else {
                    continue;
                };
                // The header has a hyphen where there is no owner.
                let with = if owner.is_empty() { "-" } else { owner };
                let ends = |owner: &str| {
                    rest.strip_prefix(owner)
                        .is_some_and(|end| end.is_empty() || end.starts_with("; Tablespace: "))
                };
                if ends(with) || ends(owner) {
                    readings.push((name, kind, schema));
                }
            }
        }
    }
    readings
}

/// Takes `SET default_…` lines off the end into the state; returns where they begin. The dash line of the next header,
/// closing remarks and psql's own commands go with them.
fn trailing_state<'a>(piece: &[&'a str], state: &mut BTreeMap<&'a str, &'a str>) -> usize {
    let end = piece
        .iter()
        .rposition(|line| setting(line).is_none() && !idle(line))
        .map_or(0, |last| last + 1);
    for line in &piece[end..] {
        if let Some(set) = setting(line) {
            state.insert(set, line);
        }
    }
    end
}

fn setting(line: &str) -> Option<&'static str> {
    [
        "SET default_tablespace = ",
        "SET default_table_access_method = ",
    ]
    .into_iter()
    .find(|set| line.starts_with(set) && line.ends_with(';'))
}

fn idle(line: &str) -> bool {
    matches!(line, "--" | "-- PostgreSQL database dump complete")
        || line.trim().is_empty()
        || line.starts_with("-- Completed on")
        || line.starts_with("\\unrestrict ")
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

/// Gives each entry its step; leaves out what must not be copied. `early` are the entries that come
/// before any data (`--section=pre-data`).
pub fn assign(entries: Vec<ArchiveEntry>, early: &[(u32, &str)], facts: &[IndexFact]) -> Vec<Work> {
    let early: BTreeSet<u32> = early.iter().map(|(id, _)| *id).collect();
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
        let own = if early.contains(&entry.id) {
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

fn order(step: StepId) -> usize {
    StepId::TABLE
        .iter()
        .position(|row| row.0 == step)
        .unwrap_or(usize::MAX)
}

/// pglogical's objects, our own schema, subscriptions (they would connect) and remarks on
/// extensions (the extension's script has made them).
fn is_foreign_to_schema(entry: &ArchiveEntry) -> bool {
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

#[cfg(test)]
mod tests;
