//! What was seen of the objects in one database.
//!
//! Each section is the result of one query whose columns are named like the fields here; objects
//! refer to each other by OID, which is meaningful only within one server's facts. Sections are
//! read one after the other, so an object that was created or dropped in between may be named in
//! one section and missing in another: readers skip what they cannot resolve.

mod body;
mod others;
mod relations;
mod sequences;
mod view;

use serde::{Deserialize, Serialize};

pub use body::{NamedObject, needed_schemas};
pub use others::{
    CatalogView, DatabaseState, EventTrigger, ExistingKind, ExistingObject, ExtensionConfig,
    ForeignServer, LargeObjects, Member, Misc, MiscKind, NotDumped, NotDumpedKind, RoutineUse,
    Schema, Tablespace, TypeFact, UsedIn, ViewLink,
};
pub use relations::{
    Activity, Column, Constraint, ConstraintKind, Enabled, Generated, IdentityColumn, Index,
    Inherit, Occupied, Persistence, RelKind, Relation, ReplIdent, Rule, Trigger, TruncateStatement,
};
pub(crate) use sequences::number as sequence_number;
pub use sequences::{Sequence, SequenceLater, SequenceMark, SequenceUse, Via};
pub use view::{KeySource, View};

use super::Section;

/// Sections of object facts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Objects {
    /// The database itself: encoding, checksums, age of the statistics.
    pub database: Section<DatabaseState>,
    /// Schemas that are neither the server's nor temporary, with pglogical's and our own.
    pub schemas: Section<Vec<Schema>>,
    /// Schema public and the members of extensions, with what a dump would say of them.
    pub existing: Section<Vec<ExistingObject>>,
    /// Tables, partition roots, foreign tables, views and materialised views of the user.
    pub relations: Section<Vec<Relation>>,
    /// Columns of tables, partition roots and foreign tables.
    pub columns: Section<Vec<Column>>,
    /// All indexes of tables, partition roots and materialised views.
    pub indexes: Section<Vec<Index>>,
    /// Inheritance and partitioning, parent by parent.
    pub inherits: Section<Vec<Inherit>>,
    /// Foreign keys, check and exclusion constraints, and deferrable keys.
    pub constraints: Section<Vec<Constraint>>,
    /// User triggers.
    pub triggers: Section<Vec<Trigger>>,
    /// Rewrite rules other than those that make views.
    pub rules: Section<Vec<Rule>>,
    /// Counters of row changes since the statistics were reset.
    pub activity: Section<Vec<Activity>>,
    /// Tables of the target with a file that is not empty; empty on the source.
    pub occupied: Section<Vec<Occupied>>,
    /// TRUNCATE statements that pg_stat_statements remembers.
    pub truncates: Section<Vec<TruncateStatement>>,
    /// Sequences with their parameters and state.
    pub sequences: Section<Vec<Sequence>>,
    /// Where the source's busiest sequences stood when everything else had been read; empty on
    /// the target.
    pub sequences_later: Section<Vec<SequenceLater>>,
    /// Which columns take their values from which sequence.
    pub sequence_uses: Section<Vec<SequenceUse>>,
    /// The planner's idea of the lowest and highest value in those columns.
    pub sequence_marks: Section<Vec<SequenceMark>>,
    /// Types that columns use, with their element and base types, and all of the user's types.
    pub types: Section<Vec<TypeFact>>,
    /// Views and materialised views that read other views or materialised views.
    pub view_links: Section<Vec<ViewLink>>,
    /// Views and materialised views over the server's own views.
    pub catalog_views: Section<Vec<CatalogView>>,
    /// Functions that indexes, constraints, generated columns and materialised views call.
    pub routine_uses: Section<Vec<RoutineUse>>,
    /// Event triggers.
    pub event_triggers: Section<Vec<EventTrigger>>,
    /// Tablespaces of the cluster and how many relations of this database lie there.
    pub tablespaces: Section<Vec<Tablespace>>,
    /// Large objects.
    pub large_objects: Section<LargeObjects>,
    /// Foreign servers.
    pub foreign_servers: Section<Vec<ForeignServer>>,
    /// Configuration tables of extensions, with rows that the user added.
    pub extension_config: Section<Vec<ExtensionConfig>>,
    /// What already stands in pglogical's replication sets.
    pub members: Section<Vec<Member>>,
    /// Objects of rarer kinds.
    pub misc: Section<Vec<Misc>>,
    /// What pg_dump does not write.
    pub not_dumped: Section<Vec<NotDumped>>,
}
