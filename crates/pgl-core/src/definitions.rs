//! What both databases define, compared in three ways. Two servers write one definition in two ways, so that texts alone
//! say little: what matters is which side has changed since pgl-setup. Digests of both sides' texts are kept then; both
//! are dumped again by the same pg_dump, and what is different by now and has changed on one side is a difference.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::xxh3_128;

use crate::cutover::{CatalogMark, READ_WRITE};
use crate::plan::PlanTable;
use crate::setup::archive::{ArchiveEntry, is_foreign_to_schema};
use crate::setup::secrets::{has_options, redacted};
use crate::{Plan, QualifiedName, quote_ident};

/// How the definitions of one side were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptDefinitions {
    /// Major version of the pg_dump that wrote the texts; another one writes them in another way.
    pub pg_dump: u32,
    /// A digest of each text, by kind, schema and name.
    pub digests: BTreeMap<String, String>,
    /// The catalogs before that: nothing has changed where they are the same.
    pub catalogs: Vec<CatalogMark>,
}

/// How the definitions of both sides were when a cutover compared them: a rollback looks for what has changed since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromotedDefinitions {
    /// Those of the source.
    pub source: KeptDefinitions,
    /// Those of the target, without what the cutover creates there.
    pub target: KeptDefinitions,
}

/// Whether pg_dump leaves an object out where it is as initdb has made it: only one of two servers may show it.
fn is_built_in(label: &str) -> bool {
    let kinds = ["EXTENSION ", "PROCEDURAL LANGUAGE ", "ACL pg_catalog."];
    label == "SCHEMA public" || kinds.iter().any(|kind| label.starts_with(kind))
}

impl KeptDefinitions {
    /// What the other side has and this one has not counts as dropped here: pgl-setup has created all of it but what has these
    /// labels, and what the target's server may have by itself.
    pub fn expect<'a>(&mut self, other: &Self, but: impl Iterator<Item = &'a String>) {
        let but: HashSet<String> = but.map(|label| canonical(label)).collect();
        let missing: Vec<&String> = (other.digests.keys())
            .filter(|label| !self.digests.contains_key(*label) && !but.contains(*label))
            .filter(|label| !is_built_in(label))
            .collect();
        if !missing.is_empty() {
            // There is something to be compared from the beginning.
            self.catalogs.clear();
        }
        let dropped = missing
            .into_iter()
            .map(|label| (label.clone(), String::new()));
        self.digests.extend(dropped);
    }

    /// After a cutover: what the target has never had is no change there, but what the cutover has created there is to be as on the
    /// source.
    pub fn promoted(&mut self, created: impl IntoIterator<Item = String>) {
        self.digests.retain(|_, digest| !digest.is_empty());
        for label in created {
            self.digests.entry(canonical(&label)).or_default();
        }
    }

    /// One definition as it was in an earlier record.
    fn restore(&mut self, label: &str, then: &BTreeMap<String, String>) {
        match then.get(label) {
            Some(digest) => self.digests.insert(label.to_owned(), digest.clone()),
            None => self.digests.remove(label),
        };
    }

    /// Those of objects that were made since.
    pub fn add(&mut self, new: &Definitions) {
        if new.pg_dump == self.pg_dump {
            self.digests.extend(new.digests());
        }
    }
}

/// The definitions of one side as pg_dump writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definitions {
    pg_dump: u32,
    entries: Vec<ArchiveEntry>,
}

#[derive(Debug)]
struct Definition<'a> {
    kind: &'a str,
    text: String,
    without_owner: String,
}

impl Definition<'_> {
    /// What is kept of it, in schema pgl of the database that has the options themselves. A short password can be guessed from it,
    /// for each object anew: the label is part of it.
    fn digest(&self, label: &str) -> String {
        if has_options(self.kind) {
            let mut hash = Sha256::new();
            for part in [label, "\0", &self.text] {
                hash.update(part);
            }
            (hash.finalize().iter())
                .map(|byte| format!("{byte:02x}"))
                .collect()
        } else {
            format!("{:032x}", xxh3_128(self.text.as_bytes()))
        }
    }

    /// Its text without values that may be secrets.
    fn shown(&self) -> String {
        redacted(self.kind, &self.text).unwrap_or_else(|| self.text.clone())
    }
}

impl Definitions {
    /// Those of an archive that this major version of pg_dump wrote.
    pub fn new(pg_dump: u32, mut entries: Vec<ArchiveEntry>) -> Self {
        entries.retain(|entry| !is_foreign_to_schema(entry) && !is_ours(entry));
        for entry in &mut entries {
            if is_privilege(&entry.kind) {
                entry.sql = entry.sql.replace(ALL_BELOW_17, "ALL");
            }
        }
        Self { pg_dump, entries }
    }

    /// Without whether these triggers fire: pgl-setup has disabled them, and the promotion gives them the state that the source has then.
    #[must_use]
    pub fn without_states(mut self, triggers: &BTreeSet<String>) -> Self {
        self.entries.retain_mut(|entry| {
            if triggers.contains(&entry.label()) {
                let owner = entry.owner.clone().unwrap_or_default();
                let text = without_owner(entry);
                // A statement of its own, and the only one of a partition's trigger.
                let state = text.rfind("ALTER ").filter(|at| {
                    let rest = &text[*at..];
                    (*at == 0 || text[..*at].ends_with('\n')) && rest.contains("TRIGGER ")
                });
                entry.sql = match text[..state.unwrap_or(text.len())].trim_end() {
                    "" => String::new(),
                    text => format!("{text}\n{owner}"),
                };
            }
            !entry.sql.is_empty()
        });
        self
    }

    /// What is kept of them.
    pub fn kept(&self, catalogs: Vec<CatalogMark>) -> KeptDefinitions {
        KeptDefinitions {
            pg_dump: self.pg_dump,
            digests: self.digests(),
            catalogs,
        }
    }

    fn digests(&self) -> BTreeMap<String, String> {
        (by_label(self.entries.iter()).into_iter())
            .map(|(label, one)| {
                let digest = one.digest(&label);
                (label, digest)
            })
            .collect()
    }

    /// Without what the plan does not reach: whatever belongs to a table that it leaves out, or does not replicate and that only
    /// one side has, which other preconditions find; and where it names what is migrated, whatever it does not name.
    fn reached(
        &self,
        plan: &Plan,
        other: &Self,
        sought: Sought,
    ) -> BTreeMap<String, Definition<'_>> {
        let tables: HashSet<QualifiedName> = (plan.replicated())
            .flat_map(|table| [Some(table.qualified()), table.partition_root.clone()])
            .flatten()
            .collect();
        let chosen = &plan.selection;
        let named = !(chosen.schemas.is_empty() && chosen.tables.is_empty());
        let there: HashSet<String> = (other.entries.iter()).map(ArchiveEntry::label).collect();
        // Those of one side are another precondition's: tables, and of a rollback sequences.
        let on_both =
            |kind: &str| kind == "TABLE" || kind == "SEQUENCE" && sought == Sought::LeftBehind;
        let taken_out: HashSet<QualifiedName> =
            plan.taken_out().map(PlanTable::qualified).collect();
        let meant = |entry: &ArchiveEntry| match (&entry.schema, entry.kind.as_str()) {
            (Some(schema), kind) => {
                let name = QualifiedName::new(schema, &entry.name);
                tables.contains(&name)
                    || (chosen.includes(&name) || taken_out.contains(&name))
                        && (!on_both(kind) || there.contains(&entry.label()))
            }
            (None, "SCHEMA") => chosen.includes(&QualifiedName::new(&entry.name, "")),
            (None, _) => !named,
        };
        let kinds: BTreeMap<u32, &str> = (self.entries.iter())
            .map(|entry| (entry.id, entry.kind.as_str()))
            .collect();
        let mut outside: HashSet<u32> = HashSet::new();
        for entry in &self.entries {
            let is = |id: &&u32, kind: &str| kinds.get(id).is_some_and(|one| *one == kind);
            // A part depends on what it is a part of; a foreign key on the table that it names, too; the sequence of an identity
            // column on its table.
            let of_outside = || entry.depends.iter().any(|id| outside.contains(id));
            let out = match entry.kind.as_str() {
                "SEQUENCE" => of_outside() || !meant(entry),
                kind if is_part(kind) => of_outside(),
                _ => !meant(entry),
            };
            if out || plan.excluded_objects.contains(&entry.label()) {
                outside.insert(entry.id);
                if entry.kind == "SEQUENCE OWNED BY" {
                    let sequences = entry.depends.iter().filter(|id| is(id, "SEQUENCE"));
                    outside.extend(sequences);
                }
            }
        }
        by_label((self.entries.iter()).filter(|entry| !outside.contains(&entry.id)))
    }
}

/// Those with one label, as overloaded operators and default privileges of several roles, are one definition.
fn by_label<'a>(
    entries: impl Iterator<Item = &'a ArchiveEntry>,
) -> BTreeMap<String, Definition<'a>> {
    let mut all: BTreeMap<String, Vec<&ArchiveEntry>> = BTreeMap::new();
    for entry in entries {
        all.entry(canonical(&entry.label()))
            .or_default()
            .push(entry);
    }
    (all.into_iter())
        .map(|(label, mut entries)| {
            entries.sort_by_key(|entry| &entry.sql);
            let one = Definition {
                kind: entries.first().map_or("", |entry| &entry.kind),
                text: entries.iter().map(|entry| entry.sql.as_str()).collect(),
                without_owner: entries.iter().map(|one| without_owner(one)).collect(),
            };
            (label, one)
        })
        .collect()
}

fn without_owner(entry: &ArchiveEntry) -> &str {
    let owner = entry.owner.as_deref().unwrap_or_default();
    entry.sql.strip_suffix(owner).unwrap_or(&entry.sql)
}

/// Write-block triggers of a cutover, and the rights on replication origins that the role of the migration is given.
fn is_ours(entry: &ArchiveEntry) -> bool {
    let write_block = entry.kind == "TRIGGER"
        && entry.name.ends_with(" pgl_refuse_write")
        && entry.sql.contains("\"pgl\".\"refuse_write\"(");
    let origins = entry.kind == "ACL"
        && entry.schema.as_deref() == Some("pg_catalog")
        && canonical(&entry.name).starts_with("FUNCTION pg_replication_origin_");
    write_block || origins
}

/// Kinds that are a part or a property of another entry.
fn is_part(kind: &str) -> bool {
    matches!(
        kind,
        "ACL"
            | "CHECK CONSTRAINT"
            | "COMMENT"
            | "CONSTRAINT"
            | "DEFAULT"
            | "FK CONSTRAINT"
            | "INDEX"
            | "INDEX ATTACH"
            | "POLICY"
            | "ROW SECURITY"
            | "RULE"
            | "SECURITY LABEL"
            | "SEQUENCE OWNED BY"
            | "STATISTICS"
            | "TABLE ATTACH"
            | "TRIGGER"
    )
}

/// One side: now, and at the setup where that is known.
#[derive(Debug)]
pub struct SideDefinitions {
    /// As they are.
    pub now: Definitions,
    /// As they were.
    pub then: Option<KeptDefinitions>,
}

/// Which side has changed since pgl-setup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangedSide {
    /// The source only.
    Source,
    /// The target only.
    Target,
    /// Both, and not in the same way.
    Both,
    /// It is not known how they were.
    Unknown,
}

/// A definition that is not the same on both sides and has changed since pgl-setup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DefinitionChange {
    /// Kind, schema and name, as pg_dump writes them.
    pub object: String,
    /// The kind alone.
    pub kind: String,
    /// Where it has changed.
    pub changed: ChangedSide,
    /// Whether only owner or privileges differ, which a managed target may have on purpose as they are.
    pub rights: bool,
    /// Its text on the source; null where it does not exist.
    pub source: Option<String>,
    /// Its text on the target; null where it does not exist.
    pub target: Option<String>,
}

impl DefinitionChange {
    /// Whether a schema that others have made is another one for it: by more than a remark, a right, what a server has by itself, or an
    /// addition that neither refuses nor changes rows. Servers of two major versions write one query in two ways.
    pub fn is_another_schema(&self, same_major: bool) -> bool {
        if self.rights || is_built_in(&self.object) || self.kind == "COMMENT" {
            return false;
        }
        match (&self.source, &self.target) {
            (Some(_), None) => true,
            (None, Some(target)) => takes_away(&self.kind, target),
            (Some(source), _) => same_major || !is_query(&self.kind, source),
            (None, None) => false,
        }
    }
}

impl fmt::Display for DefinitionChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, .. } = self;
        // A partition's trigger that has another state than its parent's: the statement is all of the entry.
        let state = |text: &Option<String>| {
            let text = text.as_deref().unwrap_or_default().trim_end();
            (self.kind == "TRIGGER" && text.starts_with("ALTER ")).then(|| bare(text).to_owned())
        };
        let as_parent = || "the state of its parent's".to_owned();
        match (&self.source, &self.target) {
            (Some(_), None) | (None, Some(_))
                if state(&self.source)
                    .or_else(|| state(&self.target))
                    .is_some() =>
            {
                write!(
                    f,
                    "{object} has another state ({} on the source, {} on the target)",
                    state(&self.source).unwrap_or_else(as_parent),
                    state(&self.target).unwrap_or_else(as_parent)
                )
            }
            (Some(_), None) => {
                let why = match self.changed {
                    ChangedSide::Source => " (created on the source after the setup)",
                    ChangedSide::Target => " (dropped there after the setup)",
                    ChangedSide::Both | ChangedSide::Unknown => "",
                };
                write!(f, "{object} is not on the target{why}")
            }
            (None, _) => {
                let why = match self.changed {
                    ChangedSide::Source => " (dropped on the source after the setup)",
                    ChangedSide::Target => " (created there after the setup)",
                    ChangedSide::Both | ChangedSide::Unknown => "",
                };
                write!(f, "{object} is only on the target{why}")
            }
            (Some(source), Some(target)) => {
                let how = match self.changed {
                    ChangedSide::Source => "has changed on the source, not on the target",
                    ChangedSide::Target => "has changed on the target, not on the source",
                    ChangedSide::Both => "has changed on both sides, in different ways",
                    ChangedSide::Unknown => "differs",
                };
                write!(f, "{object} {how}")?;
                let own = (
                    first_of_its_own(source, target),
                    first_of_its_own(target, source),
                );
                let from = match own {
                    (Some(one), Some(other)) => first_different(one, other),
                    _ => 0,
                };
                let nothing = || "nothing more".to_owned();
                match own {
                    (None, None) if source == target => {
                        write!(f, " (in the value of an option, which is not shown)")
                    }
                    (None, None) => write!(f, " (in the order of lines, or in blanks)"),
                    (one, other) => write!(
                        f,
                        " ({} on the source, {} on the target)",
                        one.map_or_else(nothing, |line| shown(line, from)),
                        other.map_or_else(nothing, |line| shown(line, from))
                    ),
                }
            }
        }
    }
}

/// How many characters of a line fit into a sentence.
const SHOWN: usize = 80;

/// The first line of a text that another does not have.
fn first_of_its_own<'a>(text: &'a str, other: &str) -> Option<&'a str> {
    let known: HashSet<&str> = other.lines().map(bare).collect();
    let own = |line: &&str| !line.is_empty() && !known.contains(line);
    text.lines().map(bare).find(own)
}

/// The character from which two lines are shown: they differ within what fits.
fn first_different(one: &str, other: &str) -> usize {
    const BEFORE: usize = SHOWN / 4;
    let alike = one.chars().zip(other.chars());
    let alike = alike.take_while(|(one, other)| one == other).count();
    match alike < SHOWN - BEFORE {
        true => 0,
        false => alike - BEFORE,
    }
}

/// A line from this character on, as far as it fits into a sentence.
fn shown(line: &str, from: usize) -> String {
    let rest: String = line.chars().skip(from).take(SHOWN).collect();
    let (before, after) = (from > 0, line.chars().count() > from + SHOWN);
    let dots = |cut: bool, dots: &'static str| if cut { dots } else { "" };
    format!("{}{rest}{}", dots(before, "... "), dots(after, " ..."))
}

fn bare(line: &str) -> &str {
    line.trim().trim_end_matches([',', ';'])
}

/// What to do about a difference.
pub const FIX: &str = "make the change on the other side, too; where it is meant to be so: pgl-setup --step target.definitions records it";

/// The same before a rollback: the source is read-only, and nothing is recorded any more.
pub fn fix_of_rollback() -> String {
    format!(
        "make both sides alike again (on the source: {READ_WRITE}); where the source may be as it is"
    )
}

/// Why nothing is compared after a cutover.
pub const AFTER_CUTOVER: &str = "--definitions: the target is the production database, and no change is missing there any more; what the source would lack after a rollback: \
     pgl-cutover rollback --dry-run (of a cutover with --reverse)";

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sought {
    /// What the target lacks of the source, or takes away. Where it is not known how definitions were at the setup only names
    /// are compared: two servers may write one definition in two ways.
    Missing,
    /// The same, and where that is not known, all that differs.
    Everything,
    /// What a rollback would leave behind: what has been made or changed on the target, and what is not on the former source as it was
    /// at the cutover. What that alone has is meant, unless it takes something away and was made since.
    LeftBehind,
}

/// Why only names were compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamesOnly {
    /// It is not known how the definitions were at the setup.
    NotKept,
    /// Another pg_dump has recorded them, so that it is not known which have changed: an installation away from the answer.
    OtherPgDump {
        /// The major versions that the setup used: one for both sides, or one for each.
        then: BTreeSet<u32>,
        /// This one.
        now: u32,
    },
}

impl NamesOnly {
    /// The major version of pg_dump that could compare the texts.
    pub fn needed(&self) -> Option<u32> {
        match self {
            Self::OtherPgDump { then, .. } if then.len() == 1 => then.first().copied(),
            _ => None,
        }
    }
}

impl fmt::Display for NamesOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotKept => f.write_str(
                "pgl-setup has not recorded both sides' definitions: only their names were compared",
            ),
            Self::OtherPgDump { then, now } => {
                let then: Vec<String> = then.iter().map(u32::to_string).collect();
                let then = then.join(" and ");
                write!(
                    f,
                    "pgl-setup used pg_dump {then} and this is pg_dump {now}, which writes definitions in another way: \
                     only their names were compared"
                )
            }
        }
    }
}

/// What a comparison came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefinitionComparison {
    /// Each difference.
    pub differences: Vec<DefinitionChange>,
    /// Whether those are left out that differed at the setup and have not changed since.
    pub since_setup: bool,
    /// Why texts were not compared; none where they were.
    pub names_only: Option<NamesOnly>,
    /// What pgl-setup has left out because the target lacked roles, and is still not there.
    pub without_roles: Vec<String>,
    /// What [`Plan::excluded_objects`] has kept off the target, and the source still has.
    pub excluded: Vec<String>,
    /// What a rollback compares with after a cutover that begins with this; none where texts were not compared, and it then compares
    /// with what pgl-setup has kept.
    #[serde(skip)]
    pub promoted: Option<PromotedDefinitions>,
}

impl DefinitionComparison {
    /// What is said beside the differences.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        let left_out = (!self.without_roles.is_empty()).then(|| {
            format!(
                "pgl-setup has left out, because the target lacked roles, and the target still does not have (pg_dump --schema-only of the source \
                 has the statements, for when the roles are there): {}",
                self.without_roles.join(", ")
            )
        });
        let excluded = (!self.excluded.is_empty()).then(|| {
            format!(
                "left out of the target by --exclude-object: {}",
                self.excluded.join(", ")
            )
        });
        (self.names_only.iter().map(ToString::to_string))
            .chain(left_out)
            .chain(excluded)
    }

    /// The differences of owners and privileges, or the others, as sentences.
    pub fn said(&self, rights: bool) -> Vec<String> {
        (self.differences.iter())
            .filter(|one| one.rights == rights)
            .map(ToString::to_string)
            .collect()
    }
}

/// Compares both sides as far as the plan reaches. `held` are the labels of the DDL that is deferred on the target until the
/// cutover, which has rules of its own for it.
pub fn compare_definitions(
    plan: &Plan,
    sought: Sought,
    held: &BTreeSet<String>,
    source: &SideDefinitions,
    target: &SideDefinitions,
) -> DefinitionComparison {
    let majors = [source, target].map(|side| side.then.as_ref().map(|kept| kept.pg_dump));
    let (then, names_only) = match (&source.then, &target.then) {
        (Some(one), Some(other))
            if majors == [Some(source.now.pg_dump), Some(target.now.pg_dump)] =>
        {
            (Some((&one.digests, &other.digests)), None)
        }
        (Some(one), Some(other)) => {
            let why = NamesOnly::OtherPgDump {
                then: [one.pg_dump, other.pg_dump].into(),
                now: source.now.pg_dump,
            };
            (None, Some(why))
        }
        _ => (None, Some(NamesOnly::NotKept)),
    };
    let names_only = names_only.filter(|_| sought != Sought::Everything);
    let (here, there) = (
        source.now.reached(plan, &target.now, sought),
        target.now.reached(plan, &source.now, sought),
    );
    let comments = comments_of(&source.now, held);
    let absent = held.iter().chain(&plan.without_roles).chain(&comments);
    let absent: HashSet<String> = absent.map(|label| canonical(label)).collect();
    let labels: BTreeSet<&String> = here.keys().chain(there.keys()).collect();
    let mut differences = Vec::new();
    let mut promoted = then.map(|_| PromotedDefinitions {
        source: source.now.kept(Vec::new()),
        target: target.now.kept(Vec::new()),
    });
    for label in labels {
        let (one, other) = (here.get(label), there.get(label));
        let kind = one.or(other).map_or("", |found| found.kind);
        let changed = match (one, other, then) {
            (Some(one), Some(other), _) if one.text == other.text => continue,
            (Some(one), Some(other), None) if same(kind, &one.text, &other.text) => continue,
            (Some(_), Some(_), None) if sought != Sought::Everything => continue,
            (_, _, None) => ChangedSide::Unknown,
            (_, _, Some((source, target))) => {
                let changed = |then: &BTreeMap<String, String>, now: Option<&Definition<'_>>| {
                    then.get(label).cloned() != now.map(|now| now.digest(label))
                };
                let alike = || match (one, other) {
                    (Some(one), Some(other)) => same(kind, &one.text, &other.text),
                    _ => false,
                };
                match (changed(source, one), changed(target, other)) {
                    (false, false) => continue,
                    // Changed in the same way on both, after the source's was recorded and before the target's.
                    (true, false) if kind.ends_with("VIEW") && alike() => continue,
                    // That the texts of two servers look alike does not undo what has changed on the source.
                    (true, false) => ChangedSide::Source,
                    (_, true) if alike() => continue,
                    // Made there since the setup, and not as it is on the source.
                    (false, true)
                        if one.is_some()
                            && other.is_some()
                            && target.get(label).is_some_and(String::is_empty) =>
                    {
                        ChangedSide::Unknown
                    }
                    (false, true) => ChangedSide::Target,
                    (true, true) => ChangedSide::Both,
                }
            }
        };
        let back = sought == Sought::LeftBehind;
        let meant = match (one, other) {
            // It may have been so from the beginning, or was made there since; unless the target has had it.
            (Some(one), None) if back && changed != ChangedSide::Target => {
                let had = then.and_then(|(_, target)| target.get(label));
                let made = changed == ChangedSide::Source;
                had.is_none_or(String::is_empty) && !(made && takes_away(kind, &one.text))
            }
            (None, Some(_)) if back => changed == ChangedSide::Unknown && is_built_in(label),
            (Some(_), Some(_)) if back => false,
            (Some(_), None) => absent.contains(label),
            (Some(one), Some(other)) => {
                changed == ChangedSide::Target && is_harmless(kind, &one.text, &other.text)
            }
            // Somebody has prepared it there.
            (None, other) => {
                let there_alone = match changed {
                    ChangedSide::Target => true,
                    ChangedSide::Unknown => sought == Sought::Missing,
                    ChangedSide::Source | ChangedSide::Both => false,
                };
                let harms = |found: &Definition<'_>| match changed {
                    // It may have been so from the beginning.
                    ChangedSide::Unknown => refuses_rows(kind),
                    _ => takes_away(kind, &found.text),
                };
                there_alone && !other.is_some_and(harms)
            }
        };
        if meant {
            // Nobody was asked about it: a rollback names what the target alone has had since the setup.
            if let (Some(promoted), Some((source, target))) = (&mut promoted, then) {
                promoted.source.restore(label, source);
                promoted.target.restore(label, target);
            }
            continue;
        }
        differences.push(DefinitionChange {
            object: label.clone(),
            kind: kind.to_owned(),
            changed,
            rights: is_about_rights(one, other),
            source: one.map(Definition::shown),
            target: other.map(Definition::shown),
        });
    }
    DefinitionComparison {
        differences,
        since_setup: then.is_some(),
        names_only,
        without_roles: still_left_out(plan, &here, &there),
        excluded: still_excluded(plan, &source.now, &target.now),
        promoted,
    }
}

/// Labels of the comments on what has these labels: what is created at the cutover comes with the comment that the source has then.
fn comments_of(definitions: &Definitions, labels: &BTreeSet<String>) -> Vec<String> {
    let all = || definitions.entries.iter();
    let ids: HashSet<u32> = all()
        .filter(|one| labels.contains(&one.label()))
        .map(|one| one.id)
        .collect();
    all()
        .filter(|one| one.kind == "COMMENT" && one.depends.iter().any(|id| ids.contains(id)))
        .map(ArchiveEntry::label)
        .collect()
}

fn still_excluded(plan: &Plan, source: &Definitions, target: &Definitions) -> Vec<String> {
    let labels = |side: &Definitions| -> HashSet<String> {
        side.entries.iter().map(ArchiveEntry::label).collect()
    };
    let (here, there) = (labels(source), labels(target));
    let all = plan.excluded_objects.iter();
    all.filter(|one| here.contains(*one) && !there.contains(*one))
        .cloned()
        .collect()
}

/// What of [`Plan::without_roles`] the target still lacks of the source's.
fn still_left_out(
    plan: &Plan,
    source: &BTreeMap<String, Definition<'_>>,
    target: &BTreeMap<String, Definition<'_>>,
) -> Vec<String> {
    let lacks = |one: &String| {
        let find = |label: &str| source.get_key_value(&canonical(label));
        let parts = [("OWNER ", " of "), ("TO ", " in "), ("GRANTOR ", " in ")];
        let part = parts.iter().find_map(|(what, between)| {
            let rest = one.strip_prefix(what)?;
            let mut ends = rest.match_indices(' ');
            ends.find_map(|(at, _)| Some((&rest[..at], find(rest[at..].strip_prefix(between)?)?)))
        });
        match part {
            Some((role, (label, here))) => target.get(label).is_none_or(|there| {
                let there: HashSet<&str> = there.text.lines().collect();
                let role = quote_ident(role);
                let mut lines = here.text.lines().filter(|line| line.contains(&role));
                lines.any(|line| !there.contains(line))
            }),
            None => find(one).is_some_and(|(label, _)| !target.contains_key(label)),
        }
    };
    let all = plan.without_roles.iter();
    all.filter(|one| lacks(one)).cloned().collect()
}

/// What would refuse rows that the source accepts.
fn refuses_rows(kind: &str) -> bool {
    matches!(kind, "TABLE ATTACH" | "CONSTRAINT" | "CHECK CONSTRAINT")
}

/// What is not an addition only: it refuses, hides or changes rows that the source accepts, or takes a right away.
fn takes_away(kind: &str, text: &str) -> bool {
    match kind {
        "DEFAULT" | "EVENT TRIGGER" | "FK CONSTRAINT" | "POLICY" | "ROW SECURITY" | "RULE"
        | "TRIGGER" => true,
        "INDEX" => (text.lines()).any(|line| line.starts_with("CREATE UNIQUE INDEX ")),
        kind if is_privilege(kind) => revoked(text).next().is_some(),
        kind => refuses_rows(kind),
    }
}

/// The lines that revoke something from a role that does not get everything in a later one: other rights than by default are
/// written as REVOKE and GRANT, fewer as well as more.
fn revoked(text: &str) -> impl Iterator<Item = &str> {
    let after = |line: &str, word: &str| -> Option<String> {
        let role = line.rsplit_once(word)?.1.trim_end_matches(';');
        Some(role.trim_end_matches(" WITH GRANT OPTION").to_owned())
    };
    text.lines().enumerate().filter_map(move |(at, line)| {
        let role = after(line, " FROM ").filter(|_| line.contains("REVOKE "))?;
        let given =
            |line: &str| line.contains("GRANT ALL ") && after(line, " TO ").as_ref() == Some(&role);
        (!text.lines().skip(at + 1).any(given)).then_some(line)
    })
}

/// What a server keeps as a parsed query and writes anew.
fn is_query(kind: &str, text: &str) -> bool {
    match kind {
        "VIEW" | "MATERIALIZED VIEW" | "RULE" => true,
        "FUNCTION" | "PROCEDURE" => text.contains("BEGIN ATOMIC"),
        _ => false,
    }
}

/// What may be changed on the target alone: a remark, and privileges as far as the source's are among them.
fn is_harmless(kind: &str, source: &str, target: &str) -> bool {
    let (here, there): (HashSet<&str>, HashSet<&str>) =
        (source.lines().collect(), target.lines().collect());
    kind == "COMMENT"
        || is_privilege(kind)
            && here.is_subset(&there)
            && revoked(target).all(|line| here.contains(line))
}

/// What GRANT ALL on a table granted before there was MAINTAIN.
const ALL_BELOW_17: &str = "SELECT,INSERT,REFERENCES,DELETE,TRIGGER,TRUNCATE,UPDATE";

fn is_privilege(kind: &str) -> bool {
    matches!(kind, "ACL" | "DEFAULT ACL")
}

fn is_about_rights(source: Option<&Definition<'_>>, target: Option<&Definition<'_>>) -> bool {
    let is_privilege = |one: &Definition<'_>| is_privilege(one.kind);
    match (source, target) {
        (Some(one), Some(other)) => is_privilege(one) || one.without_owner == other.without_owner,
        (one, other) => one.or(other).is_some_and(is_privilege),
    }
}

/// What is said of every table from 12 on.
const HEAP: &str = "SET default_table_access_method = \"heap\";\n";

/// Whether two servers mean the same by two texts. Below 16 a view of one table names it before each column; from 14 on a range
/// has a multirange; from 17 on there is MAINTAIN; from 18 on a constraint NOT NULL has a name, which stays when the column is renamed.
fn same(kind: &str, one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one, other);
    loop {
        match (version_dependent(kind, one), version_dependent(kind, other)) {
            (Some(end), None) => one = &one[end..],
            (None, Some(end)) => other = &other[end..],
            _ => {
                let (Some(left), Some(right)) = (token(one), token(other)) else {
                    return one == other;
                };
                if unquoted(left) != unquoted(right) {
                    return false;
                }
                (one, other) = (&one[left.len()..], &other[right.len()..]);
            }
        }
    }
}

/// The length of what one server writes and another does not, if `text` begins with it.
fn version_dependent(kind: &str, text: &str) -> Option<usize> {
    match kind {
        "VIEW" | "MATERIALIZED VIEW" | "RULE" | "POLICY" => {
            let name = token(text).filter(|name| name.len() > 1 && name.starts_with('"'))?;
            text[name.len()..]
                .starts_with(".\"")
                .then_some(name.len() + 1)
        }
        "TYPE" => {
            let rest = text.strip_prefix(",\n    multirange_type_name = ")?;
            let end = rest.find([',', '\n'])?;
            Some(text.len() - rest.len() + end)
        }
        kind if is_privilege(kind) => {
            let mut words = ["MAINTAIN,", ",MAINTAIN"].into_iter();
            words.find(|word| text.starts_with(word)).map(str::len)
        }
        "TABLE" if text.starts_with(HEAP) => Some(HEAP.len()),
        "TABLE" => {
            let rest = text.strip_prefix("CONSTRAINT ")?;
            let name = token(rest)?;
            rest[name.len()..]
                .starts_with(" NOT NULL")
                .then_some("CONSTRAINT ".len() + name.len() + 1)
        }
        _ => None,
    }
}

/// The literal, the word, quoted or not, or else the character that a text begins with.
fn token(text: &str) -> Option<&str> {
    let first = text.chars().next()?;
    if let Some(end) = literal(text) {
        return Some(&text[..end]);
    }
    let quoted = text.strip_prefix('"').and_then(|rest| rest.find('"'));
    let word = text.find(|c: char| !is_plain(c)).unwrap_or(text.len());
    Some(&text[..quoted.map_or(word.max(first.len_utf8()), |end| end + 2)])
}

/// The length of the literal that a text begins with. pg_dump doubles the quotes within one, and those of `E'...'`.
fn literal(text: &str) -> Option<usize> {
    if text.starts_with('\'') {
        let mut at = 1;
        loop {
            at += text[at..].find('\'')? + 1;
            if !text[at..].starts_with('\'') {
                return Some(at);
            }
            at += 1;
        }
    }
    let tag = text.strip_prefix('$')?;
    let tag = &text[..tag.find('$')? + 2];
    let is_tag = |c: char| c.is_alphanumeric() || c == '_';
    if !tag[1..tag.len() - 1].chars().all(is_tag) {
        return None;
    }
    let end = text[tag.len()..].find(tag)?;
    Some(tag.len() + end + tag.len())
}

fn is_plain(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
}

/// A name without its quotes, where it needs none: whether a word of the language like `json` has them depends on the server.
fn unquoted(token: &str) -> &str {
    (token
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"')))
    .filter(|name| !name.is_empty() && name.chars().all(is_plain))
    .unwrap_or(token)
}

/// The label of an entry without quotes that depend on the server.
fn canonical(label: &str) -> String {
    let (mut rest, mut out) = (label, String::new());
    while let Some(next) = token(rest) {
        out.push_str(unquoted(next));
        rest = &rest[next.len()..];
    }
    out
}

#[cfg(test)]
mod tests;
