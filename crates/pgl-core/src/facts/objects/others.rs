//! Everything that is neither table nor sequence.

use serde::{Deserialize, Serialize};

use crate::QualifiedName;

/// The database itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DatabaseState {
    /// Whether data pages carry checksums.
    pub data_checksums: bool,
    /// Pages found broken since the statistics were reset (12+, with checksums).
    pub checksum_failures: Option<i64>,
    /// How many temporary tables sessions hold at this moment.
    pub temporary_tables: i64,
}

/// One schema.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Schema {
    /// Name.
    pub name: String,
    /// Owner.
    pub owner: String,
    /// For the suite's own and pglogical's schemas: names of the relations in them that no
    /// extension owns. Empty for others.
    pub relations: Vec<String>,
}

/// What a target has before the schema is restored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExistingKind {
    /// Schema public.
    #[default]
    Schema,
    /// The members of an extension: those are existing by the time a dump speaks of them.
    Extension,
}

/// Something that stands before the schema is restored, and that a dump speaks of all the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExistingObject {
    /// What it is.
    pub kind: ExistingKind,
    /// The schema or extension.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// Whether a dump carries a comment on it. Comments on extensions are never restored.
    pub comment: bool,
    /// Whether a dump carries privileges on it or its members: they are not the ordinary ones of
    /// 15 and later, or those that the extension's script gave.
    pub privileges: bool,
    /// Whether the connected role has the rights of its owner, and of its members' owners.
    pub mine: bool,
}

/// One type.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TypeFact {
    /// OID.
    pub oid: u32,
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// `typtype`: b, c, d, e, p, r, m.
    pub kind: String,
    /// Element type of an array, else 0.
    pub element: u32,
    /// Base type of a domain, else 0.
    pub base: u32,
    /// The extension that owns it.
    pub extension: Option<String>,
    /// Whether the server itself brings it.
    pub system: bool,
    /// Whether its input function is written in C and no extension owns it.
    pub native: bool,
    /// Enum labels in order; attributes of a composite; base and checks of a domain.
    pub parts: Vec<String>,
}

impl TypeFact {
    /// Schema and name.
    pub fn qualified(&self) -> QualifiedName {
        QualifiedName::new(&self.schema, &self.name)
    }
}

/// A view that reads another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ViewLink {
    /// The reader.
    pub view: u32,
    /// What it reads.
    pub needs: u32,
}

/// A view over one of the server's own views.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CatalogView {
    /// The user's view.
    pub view: u32,
    /// The server's: `pg_catalog.pg_stat_activity`.
    pub needs: String,
}

/// What calls a function.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsedIn {
    /// An index expression or predicate.
    #[default]
    Index,
    /// A check constraint.
    Check,
    /// A check of the domain that a column has.
    Domain,
    /// A generated column.
    Generated,
    /// The key of a partitioned table.
    PartitionKey,
    /// A materialised view, or a view that it reads.
    MatView,
}

/// A function that runs while data is loaded, indexes are built or views refreshed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoutineUse {
    /// `regprocedure` text, always schema-qualified.
    pub routine: String,
    /// Language.
    pub language: String,
    /// Whether the function sets its own search_path.
    pub fixed_path: bool,
    /// `provolatile`: i, s or v.
    pub volatility: String,
    /// The owner, where that is no superuser and the function runs with the rights of its caller.
    pub owner: Option<String>,
    /// What calls it.
    pub used_in: UsedIn,
    /// The relation that it happens in.
    pub relation: u32,
    /// The index, constraint or column.
    pub object: String,
    /// Schemas of the objects that its body names without one; null where that cannot be known.
    pub needed_schemas: Option<Vec<String>>,
}

/// One event trigger.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventTrigger {
    /// Name.
    pub name: String,
    /// `ddl_command_end` and so on.
    pub event: String,
    /// When it fires.
    pub enabled: super::Enabled,
    /// The extension that owns it.
    pub extension: Option<String>,
}

/// One tablespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Tablespace {
    /// Name.
    pub name: String,
    /// Relations of this database that name it.
    pub relations: i64,
}

/// Large objects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LargeObjects {
    /// How many, counted up to [`Self::COUNT_LIMIT`].
    pub count: i64,
    /// Bytes of `pg_largeobject`.
    pub bytes: u64,
}

impl LargeObjects {
    /// Where counting stops: there may be a hundred million.
    pub const COUNT_LIMIT: i64 = 10_000;
}

/// One foreign server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ForeignServer {
    /// Name.
    pub name: String,
    /// Foreign-data wrapper.
    pub wrapper: String,
    /// The extension that owns it.
    pub extension: Option<String>,
}

/// A configuration table of an extension.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExtensionConfig {
    /// The extension.
    pub extension: String,
    /// Schema and name, as SQL writes it.
    pub name: String,
    /// Rows that the extension's own filter takes for the user's, counted up to 1000; null where
    /// the role may not read it.
    pub user_rows: Option<i64>,
}

/// A relation in a replication set of pglogical.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Member {
    /// The set.
    pub set_name: String,
    /// The table or sequence.
    pub relation: u32,
}

/// Rarer kinds of object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MiscKind {
    /// A function in C outside extensions.
    #[default]
    CFunction,
    /// A postfix operator (before 14).
    PostfixOperator,
    /// An encoding conversion.
    Conversion,
    /// An aggregate or operator over array functions whose argument types changed in 14.
    PolymorphicArray,
    /// A procedural language outside extensions.
    Language,
    /// A cast.
    Cast,
    /// A text search dictionary, parser or template.
    TextSearch,
    /// Security labels of one provider.
    SecurityLabel,
    /// `ALTER DEFAULT PRIVILEGES`.
    DefaultPrivileges,
    /// A table that is partitioned by the hash of an enum.
    HashOfEnum,
}

/// An object of a rarer kind; never one that an extension owns.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Misc {
    /// Kind.
    pub kind: MiscKind,
    /// Name for people.
    pub name: String,
    /// Library, template, function or number of labels.
    pub detail: Option<String>,
}

/// What pg_dump does not write, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotDumpedKind {
    /// Name or comment of a partition's foreign key that comes from a table above it.
    #[default]
    ForeignKey,
    /// Name or comment of a partition's trigger that comes from a table above it.
    Trigger,
    /// Comment on a check constraint that is only inherited.
    Check,
    /// Storage or compression of an inherited column that is the type's default again.
    Column,
    /// Security label of a large object.
    LargeObject,
    /// Security label of the database itself.
    Database,
    /// Object of a user in a schema of the server.
    SystemSchema,
}

/// A thing that pg_dump does not write, with a statement that restores it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NotDumped {
    /// Kind.
    pub kind: NotDumpedKind,
    /// The table; of partitions the uppermost one.
    pub relation: Option<u32>,
    /// Name for people.
    pub name: String,
    /// What restores it; a trigger's name cannot be restored from 15 on.
    pub statement: Option<String>,
    /// Whether the statement is for targets before 15 only, or for later ones only.
    pub before_15: Option<bool>,
}

impl NotDumped {
    /// Whether it is the same on another server, where tables have other OIDs.
    pub fn is_as(&self, other: &Self) -> bool {
        (self.kind, &self.name, &self.statement) == (other.kind, &other.name, &other.statement)
    }
}
