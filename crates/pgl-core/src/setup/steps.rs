//! The steps of a setup: stable ids, order, and which of them a run takes.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Side;

/// A step. The id is what the user types and what documents carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the table below says what each one does")]
pub enum StepId {
    Guard,
    SourceExtension,
    SourceNode,
    SourceMarker,
    SourceGrants,
    SourceSets,
    TargetDatabase,
    TargetMarker,
    TargetRoles,
    TargetSchema,
    TargetExtension,
    TargetGrants,
    TargetNode,
    Copy,
    TargetKeys,
    TargetIndexes,
    TargetConstraints,
    TargetTriggers,
    TargetSubscription,
    TargetMatviews,
    TargetAnalyze,
    TargetProperties,
    TargetForeignKeys,
    TargetDefinitions,
}

impl StepId {
    /// Every step: id, the server that it changes, what it does.
    pub const TABLE: &'static [(Self, &'static str, Option<Side>, &'static str)] = &[
        (
            Self::Guard,
            "guard",
            None,
            "run the blocking checks again and take the lock that keeps a second run away",
        ),
        (
            Self::SourceExtension,
            "source.extension",
            Some(Side::Source),
            "create the extension pglogical",
        ),
        (
            Self::SourceNode,
            "source.node",
            Some(Side::Source),
            "make the database a pglogical node",
        ),
        (
            Self::SourceMarker,
            "source.marker",
            Some(Side::Source),
            "create schema pgl with the marker table and the journal",
        ),
        (
            Self::SourceGrants,
            "source.grants",
            Some(Side::Source),
            "let every role use schema pglogical, without which DROP and TRUNCATE fail, and PUBLIC not execute its functions",
        ),
        (
            Self::SourceSets,
            "source.sets",
            Some(Side::Source),
            "add the tables to their replication sets, one by one",
        ),
        (
            Self::TargetDatabase,
            "target.database",
            Some(Side::Target),
            "create the database with the source's encoding and locale, if it is missing",
        ),
        (
            Self::TargetMarker,
            "target.marker",
            Some(Side::Target),
            "create schema pgl with the marker table and the journal",
        ),
        (
            Self::TargetRoles,
            "target.roles",
            Some(Side::Target),
            "check (or create) the roles that own objects or hold privileges",
        ),
        (
            Self::TargetSchema,
            "target.schema",
            Some(Side::Target),
            "create types, functions, tables, views and privileges; hold indexes, constraints and triggers back",
        ),
        (
            Self::TargetExtension,
            "target.extension",
            Some(Side::Target),
            "create the extension pglogical",
        ),
        (
            Self::TargetGrants,
            "target.grants",
            Some(Side::Target),
            "the same as source.grants",
        ),
        (
            Self::TargetNode,
            "target.node",
            Some(Side::Target),
            "make the database a pglogical node",
        ),
        (
            Self::Copy,
            "copy",
            Some(Side::Target),
            "create the slot and copy every table under its snapshot",
        ),
        (
            Self::TargetKeys,
            "target.keys",
            Some(Side::Target),
            "create primary keys and replica identities",
        ),
        (
            Self::TargetIndexes,
            "target.indexes",
            Some(Side::Target),
            "create the other indexes, largest first",
        ),
        (
            Self::TargetConstraints,
            "target.constraints",
            Some(Side::Target),
            "create unique, exclusion and check constraints, rules, policies, statistics, publications",
        ),
        (
            Self::TargetTriggers,
            "target.triggers",
            Some(Side::Target),
            "create triggers; those that would fire for replicated rows stay disabled until the cutover",
        ),
        (
            Self::TargetSubscription,
            "target.subscription",
            Some(Side::Target),
            "subscribe exactly at the slot's position",
        ),
        (
            Self::TargetMatviews,
            "target.matviews",
            Some(Side::Target),
            "refresh materialised views in the order of their dependencies",
        ),
        (
            Self::TargetAnalyze,
            "target.analyze",
            Some(Side::Target),
            "gather planner statistics",
        ),
        (
            Self::TargetProperties,
            "target.properties",
            Some(Side::Target),
            "give the database the owner, privileges, connection limit and comments that the source's has",
        ),
        (
            Self::TargetForeignKeys,
            "target.foreign-keys",
            Some(Side::Target),
            "add foreign keys without checking, then validate them",
        ),
        (
            Self::TargetDefinitions,
            "target.definitions",
            Some(Side::Target),
            "record the definitions of both sides, so that later changes are found",
        ),
    ];

    fn row(self) -> (&'static str, Option<Side>, &'static str) {
        Self::TABLE
            .iter()
            .find(|row| row.0 == self)
            .map_or(("", None, ""), |row| (row.1, row.2, row.3))
    }

    /// The stable id.
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The server that it changes; none for the guard.
    pub fn side(self) -> Option<Side> {
        self.row().1
    }

    /// What it does, in one line.
    pub fn title(self) -> &'static str {
        self.row().2
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for StepId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::TABLE
            .iter()
            .find(|row| row.1 == text)
            .map(|row| row.0)
            .ok_or_else(|| format!("no step {text:?}; --list-steps shows them"))
    }
}

impl Serialize for StepId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for StepId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for StepId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StepId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let ids: Vec<&str> = Self::TABLE.iter().map(|row| row.1).collect();
        schemars::json_schema!({"type": "string", "enum": ids})
    }
}

/// Who copies the rows that exist already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CopyMode {
    /// We do: tables side by side under the slot's own snapshot.
    Parallel,
    /// Nobody: only changes from now on are replicated.
    None,
}

/// Where the target's schema comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SchemaMode {
    /// Copied with pg_dump, unless the target has all of it already.
    Auto,
    /// It is there as it is meant to be: what it lacks is said.
    Skip,
}

/// What happens about roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoleMode {
    /// Every role that is needed has to exist.
    Check,
    /// Missing ones are created, with their attributes and memberships.
    Copy,
    /// What names a missing one is left out.
    Skip,
}

/// When foreign keys come to the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ForeignKeys {
    /// At the cutover: a TRUNCATE that is replicated meets no foreign key.
    AtCutover,
    /// Now.
    Now,
}

/// Whether secondary indexes exist while rows are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeepIndexes {
    /// Indexes are built after the copy: faster.
    No,
    /// Indexes are there from the start.
    Yes,
}

/// What decides on the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Options {
    /// Who copies.
    pub copy: CopyMode,
    /// Where the schema comes from.
    pub schema: SchemaMode,
    /// Roles.
    pub roles: RoleMode,
    /// Foreign keys.
    pub foreign_keys: ForeignKeys,
    /// Secondary indexes.
    pub keep_indexes: KeepIndexes,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            copy: CopyMode::Parallel,
            schema: SchemaMode::Auto,
            roles: RoleMode::Check,
            foreign_keys: ForeignKeys::AtCutover,
            keep_indexes: KeepIndexes::No,
        }
    }
}

/// Whether a run takes a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// In its turn.
    Now,
    /// Not in this run, for this reason.
    Not(&'static str),
}

/// One step of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub id: StepId,
    /// Whether this run takes it.
    pub when: When,
}

/// The steps of a run, in the order in which they are taken.
///
/// The copy fills tables without any index, and keys are built afterwards. Indexes and constraints are
/// built before the subscription starts: CREATE INDEX would hold up the single apply worker until
/// the source ends its connection.
pub fn steps(options: &Options) -> Vec<Step> {
    use StepId as S;
    let mut order = vec![
        S::Guard,
        S::SourceExtension,
        S::SourceNode,
        S::SourceMarker,
        S::SourceGrants,
        S::SourceSets,
        S::TargetDatabase,
        S::TargetMarker,
        S::TargetRoles,
        S::TargetSchema,
        S::TargetExtension,
        S::TargetGrants,
        S::TargetNode,
    ];
    order.extend(match options.keep_indexes {
        KeepIndexes::Yes => [S::TargetKeys, S::TargetIndexes, S::Copy],
        KeepIndexes::No => [S::Copy, S::TargetKeys, S::TargetIndexes],
    });
    order.extend([
        S::TargetConstraints,
        S::TargetTriggers,
        S::TargetSubscription,
        S::TargetMatviews,
        S::TargetAnalyze,
        S::TargetProperties,
        S::TargetForeignKeys,
        S::TargetDefinitions,
    ]);
    order
        .into_iter()
        .map(|id| Step {
            id,
            when: when(id, options),
        })
        .collect()
}

/// The steps whose work has to be done before a step can begin.
pub fn needs(id: StepId) -> &'static [StepId] {
    use StepId as S;
    match id {
        S::Guard | S::SourceExtension | S::SourceMarker | S::TargetDatabase => &[],
        S::SourceNode => &[S::SourceExtension],
        S::SourceGrants => &[S::SourceExtension, S::SourceMarker],
        S::TargetGrants => &[S::TargetExtension, S::TargetMarker],
        S::SourceSets => &[S::SourceNode, S::SourceMarker],
        S::TargetMarker | S::TargetRoles | S::TargetExtension => &[S::TargetDatabase],
        S::TargetSchema => &[S::TargetDatabase, S::TargetMarker],
        S::TargetNode => &[S::TargetExtension],
        S::Copy => &[
            S::SourceSets,
            S::TargetMarker,
            S::TargetSchema,
            S::TargetNode,
        ],
        S::TargetKeys | S::TargetIndexes | S::TargetConstraints | S::TargetTriggers => {
            &[S::TargetMarker, S::TargetSchema]
        }
        S::TargetSubscription => &[S::Copy, S::TargetKeys, S::TargetTriggers],
        S::TargetMatviews | S::TargetForeignKeys => &[S::TargetSchema, S::Copy],
        S::TargetAnalyze | S::TargetProperties => &[S::TargetSchema],
        S::TargetDefinitions => &[S::TargetIndexes, S::TargetConstraints, S::TargetTriggers],
    }
}

fn when(id: StepId, options: &Options) -> When {
    match id {
        StepId::TargetRoles if options.roles == RoleMode::Skip => When::Not("--roles skip"),
        StepId::TargetForeignKeys if options.foreign_keys == ForeignKeys::AtCutover => When::Not(
            "foreign keys that pgl-setup copies wait for the cutover: a replicated TRUNCATE would stop at them; \
             pgl-setup --step target.foreign-keys creates them",
        ),
        _ => When::Now,
    }
}

/// Why a step is left out that `--step` does not name.
pub const NOT_NAMED: &str = "not named by --step";
/// Why a step is left out that comes after `--until`.
pub const AFTER_UNTIL: &str = "after --until";

/// Narrows the steps to what `--step` and `--until` say. A step that is named is taken, also one
/// that a whole run leaves out. The guard is always taken.
pub fn choose(all: Vec<Step>, only: &[StepId], until: Option<StepId>) -> Vec<Step> {
    let end = until
        .and_then(|last| all.iter().position(|step| step.id == last))
        .map_or(all.len(), |at| at + 1);
    all.into_iter()
        .enumerate()
        .map(|(at, step)| {
            let when = if step.id == StepId::Guard || only.contains(&step.id) {
                When::Now
            } else if !only.is_empty() {
                When::Not(NOT_NAMED)
            } else if at >= end {
                When::Not(AFTER_UNTIL)
            } else {
                step.when
            };
            Step { when, ..step }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn taken(steps: &[Step]) -> Vec<StepId> {
        steps
            .iter()
            .filter(|step| step.when == When::Now)
            .map(|step| step.id)
            .collect()
    }

    fn place(steps: &[Step], id: StepId) -> usize {
        steps.iter().position(|step| step.id == id).unwrap()
    }

    #[test]
    fn every_step_has_one_row_and_round_trips() {
        let all = steps(&Options::default());
        assert_eq!(all.len(), StepId::TABLE.len());
        let mut titles = BTreeSet::new();
        for step in all {
            let id = step.id.as_str();
            assert_eq!(id.parse(), Ok(step.id));
            assert_eq!(step.id.to_string(), id);
            titles.insert(step.id.title());
            let side = match id.split_once('.').map_or(id, |parts| parts.0) {
                "guard" => None,
                "source" => Some(Side::Source),
                _ => Some(Side::Target),
            };
            assert_eq!(step.id.side(), side, "{id}");
        }
        // Both sides get an extension, a node and a marker.
        assert_eq!(titles.len(), StepId::TABLE.len() - 3);
        assert!("target.nothing".parse::<StepId>().is_err());
    }

    #[test]
    fn the_schema_of_documents_lists_every_step() {
        let schema = serde_json::to_value(schemars::schema_for!(StepId)).unwrap();
        let ids: Vec<&str> = StepId::TABLE.iter().map(|row| row.1).collect();
        assert_eq!(schema["enum"], serde_json::json!(ids));
        // Schemas of documents refer to it by this name.
        assert_eq!(schema["title"], "StepId");
    }

    #[test]
    fn keys_come_before_anything_is_applied() {
        for copy in [CopyMode::Parallel, CopyMode::None] {
            for keep_indexes in [KeepIndexes::No, KeepIndexes::Yes] {
                let options = Options {
                    copy,
                    keep_indexes,
                    ..Options::default()
                };
                let order = steps(&options);
                let applies = place(&order, StepId::TargetSubscription);
                assert!(place(&order, StepId::TargetKeys) < applies);
                // The copy is faster without any index.
                let after = |id| place(&order, StepId::Copy) < place(&order, id);
                let bare = keep_indexes == KeepIndexes::No;
                assert_eq!(after(StepId::TargetKeys), bare);
                assert_eq!(after(StepId::TargetIndexes), bare);
                for step in &order {
                    for needed in needs(step.id) {
                        assert!(place(&order, *needed) < place(&order, step.id));
                    }
                }
                assert!(place(&order, StepId::SourceSets) < place(&order, StepId::Copy));
                assert!(
                    place(&order, StepId::SourceGrants) < place(&order, StepId::SourceSets),
                    "an owner's TRUNCATE would fail on the source"
                );
                assert!(
                    place(&order, StepId::TargetSubscription)
                        < place(&order, StepId::TargetForeignKeys)
                );
            }
        }
    }

    /// What a step needs, and what that needs.
    fn with_their_own(id: StepId) -> BTreeSet<StepId> {
        let direct = needs(id).iter().copied();
        direct
            .flat_map(|one| with_their_own(one).into_iter().chain([one]))
            .collect()
    }

    #[test]
    fn a_step_on_its_own_needs_the_work_of_others() {
        use StepId::{Copy, TargetKeys, TargetSubscription, TargetTriggers};
        assert_eq!(
            needs(TargetSubscription),
            [Copy, TargetKeys, TargetTriggers]
        );
        assert!(needs(StepId::Guard).is_empty());
        for (id, _, side, _) in StepId::TABLE.iter().copied() {
            let all = with_their_own(id);
            let on_target = side == Some(Side::Target) && id != StepId::TargetDatabase;
            assert_eq!(all.contains(&StepId::TargetDatabase), on_target, "{id}");
            // Only what the copy brings needs the source.
            let source = all.iter().any(|one| one.side() == Some(Side::Source));
            let rows = all.contains(&Copy) || id == Copy;
            assert!(side == Some(Side::Source) || source == rows, "{id}");
        }
        // Who has the rows; what would be granted; what sends the changes.
        for id in [StepId::TargetMatviews, StepId::TargetForeignKeys] {
            assert!(needs(id).contains(&Copy), "{id}");
        }
        assert!(needs(StepId::TargetGrants).contains(&StepId::TargetExtension));
        assert!(needs(Copy).contains(&StepId::SourceSets));
    }

    #[test]
    fn nobody_looks_at_roles_where_that_is_asked_for() {
        for (roles, looks) in [
            (RoleMode::Check, true),
            (RoleMode::Copy, true),
            (RoleMode::Skip, false),
        ] {
            let all = steps(&Options {
                roles,
                ..Options::default()
            });
            let when = all[place(&all, StepId::TargetRoles)].when;
            assert_eq!(when == When::Now, looks);
            assert!(looks || when == When::Not("--roles skip"), "{when:?}");
        }
    }

    #[test]
    fn foreign_keys_wait_unless_asked_for() {
        let whole = steps(&Options::default());
        assert!(!taken(&whole).contains(&StepId::TargetForeignKeys));
        let named = choose(whole.clone(), &[StepId::TargetForeignKeys], None);
        assert_eq!(taken(&named), [StepId::Guard, StepId::TargetForeignKeys]);
        let now = steps(&Options {
            foreign_keys: ForeignKeys::Now,
            ..Options::default()
        });
        assert!(taken(&now).contains(&StepId::TargetForeignKeys));
        let until = choose(whole, &[], Some(StepId::SourceNode));
        assert_eq!(
            taken(&until),
            [StepId::Guard, StepId::SourceExtension, StepId::SourceNode]
        );
    }
}
