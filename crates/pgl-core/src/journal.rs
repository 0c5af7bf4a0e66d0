//! The rows of `pgl.journal`: under which step and object each of them is, and what its column `detail` holds. A key has the
//! type of its detail, so that a row is read as it was written. The statements that read the journal in SQL name
//! the same steps and objects.

use std::borrow::Cow;
use std::fmt::Display;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use crate::control::{PausedAt, Transaction};
use crate::cutover::{Attempt, Closed, IdentityPair, KeptMarks};
use crate::definitions::{KeptDefinitions, PromotedDefinitions};
use crate::{Lsn, Plan, QualifiedName, Side};

/// Where a row is; `T` is its detail.
#[derive(Debug)]
pub struct Key<T> {
    /// Its step.
    pub step: &'static str,
    /// Table, role, slot; empty for the step itself.
    pub object: Cow<'static, str>,
    detail: PhantomData<T>,
}

/// A step with a row for each of its objects.
#[derive(Debug)]
pub struct Each<T> {
    /// The step.
    pub step: &'static str,
    detail: PhantomData<T>,
}

impl<T> Each<T> {
    /// The row of one object.
    pub fn of(&self, object: impl Display) -> Key<T> {
        Key {
            step: self.step,
            object: Cow::Owned(object.to_string()),
            detail: PhantomData,
        }
    }
}

const fn one<T>(step: &'static str, object: &'static str) -> Key<T> {
    Key {
        step,
        object: Cow::Borrowed(object),
        detail: PhantomData,
    }
}

const fn each<T>(step: &'static str) -> Each<T> {
    Each {
        step,
        detail: PhantomData,
    }
}

/// The plan that pgl-setup carried out, and pgl-control changed since; on the target.
pub const PLAN: Key<Plan> = one("guard", "plan");
/// The marks of the source's tables before their rows were copied; on the target.
pub const MARKS: Key<KeptMarks> = one("guard", "fingerprint");
/// The marks of the target's tables when it was promoted; on the target.
pub const PROMOTED_MARKS: Key<KeptMarks> = one("guard", "fingerprint promoted");
/// How the definitions of both sides were before the target was promoted; on the target, null where they were not compared.
pub const PROMOTED_DEFINITIONS: Key<Option<PromotedDefinitions>> =
    one("guard", "definitions promoted");
/// The two databases of the migration; on both.
pub const PAIR: Key<IdentityPair> = one("pair", "");
/// The statements of the target's schema are in `pgl.held`.
pub const SCHEMA: Key<()> = one("target.schema", "");
/// How the definitions of a side were at the setup, by its name; both on the target.
pub const DEFINITIONS: Each<KeptDefinitions> = each("target.definitions");
/// The run of the copy; on the target.
pub const COPY: Key<CopyRun> = one("copy", "");
/// What the copy filled, see [`part`]; on the target.
pub const PARTS: Each<CopiedPart> = each("copy");
/// Slots that were made, each with [`CopyRun::target`]; on the source.
pub const SLOTS: Each<String> = each("source.slot");
/// Triggers that are disabled until the promotion, as `quiet_triggers.sql` writes them; on the target.
pub const TRIGGERS: Each<()> = each("target.triggers");
/// The copy at which the subscription began; on the target.
pub const SUBSCRIPTION: Key<CopyRun> = one("target.subscription", "");
/// Replication is paused; the positions are null until its processes have ended.
pub const PAUSE: Key<Option<PausedAt>> = one("control", "pause");
/// A position was moved while nothing was replicated: which one, as a sentence.
pub const MOVED: Key<String> = one("control", "moved");
/// What pgl-control did with a table, by its name in SQL.
pub const TABLES: Each<TableChange> = each("control.table");
/// Transactions that are skipped, by the LSN where they end.
pub const SKIPS: Each<Skip> = each("control.skip");
/// The last attempt at a cutover that has this database as its provider.
pub const ATTEMPT: Key<Attempt> = one("cutover", "");
/// The run that has rolled that attempt back.
pub const ROLLED_BACK_BY: Key<String> = one("cutover", "rolled_back_by");
/// The attempt that promoted this database last, as it was then.
pub const PROMOTED: Key<Attempt> = one("cutover", "promoted");
/// The attempt that may promote this database, as it was in the beginning.
pub const INCOMING: Key<Attempt> = one("cutover", "incoming");
/// How the database was before it was made read-only.
pub const CLOSED: Key<Closed> = one("cutover", "closed");
/// Tables with write-block triggers, enabled or disabled.
pub const WRITE_BLOCK: Key<Vec<QualifiedName>> = one("cutover", "write_block");
/// Large objects that were copied, by their OID, which is also the detail.
pub const LARGE_OBJECTS: Each<u32> = each("cutover.large-object");

/// A part of a table that the copy filled; without a number, a table that pgl-control added.
pub fn part(table: &QualifiedName, number: Option<usize>) -> Key<CopiedPart> {
    let number = number.map_or_else(|| "control".to_owned(), |number| number.to_string());
    PARTS.of(format_args!("{}#{number}", table.sql()))
}

/// Roles that were granted the use of schema pglogical.
pub const fn grants(side: Side) -> Each<()> {
    match side {
        Side::Source => each("source.grants"),
        Side::Target => each("target.grants"),
    }
}

/// Roles that were granted EXECUTE on pglogical's functions, and PUBLIC, from which it was revoked.
pub const fn execute(side: Side) -> Each<()> {
    match side {
        Side::Source => each("source.execute"),
        Side::Target => each("target.execute"),
    }
}

/// A run of the copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyRun {
    /// The slot.
    pub slot: String,
    /// Its consistent point; null while it is being created.
    pub lsn: Option<Lsn>,
    /// The target's system identifier and database: on the source it tells whose slot it is.
    pub target: String,
    /// Whether every table is copied.
    pub copied: bool,
}

/// A table that was filled, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedPart {
    /// The table as it is written in SQL.
    pub table: String,
    /// Its object id on the target; null where it was gone.
    pub oid: Option<u32>,
    /// How many of its columns had been dropped there: one that is dropped and added again has lost its values.
    pub dropped_columns: Option<u64>,
    /// Column xmin of the row that pglogical had for the subscription by then; null where it did not exist. One that is made again has
    /// another, and may lack rows.
    pub subscription: Option<String>,
    /// What was written; null where pgl-control did it.
    pub written: Option<CopiedRows>,
}

/// Rows that the copy wrote in one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedRows {
    /// How many.
    pub rows: u64,
    /// The transaction of the target, as column xmin shows it.
    pub xid: String,
}

/// What pgl-control did with a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TableChange {
    /// It is being added: the rows on the target are ours.
    Adding,
    /// It was added, with its rows.
    Added,
    /// It was removed.
    Removed,
    /// Its rows were compared, and are equal.
    Equal,
    /// Its rows were copied again.
    Copied,
}

/// A transaction that the target does not apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    /// Whether the target's position is behind it.
    pub skipped: bool,
    /// The transaction.
    pub transaction: Transaction,
}
