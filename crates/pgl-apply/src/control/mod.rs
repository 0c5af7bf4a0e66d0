//! Changes to a migration that runs: stopping and starting, tables copied again, joining and leaving,
//! a transaction left out.
//!
//! A copy beside running replication has to begin exactly where the target's apply worker stands.
//! [`barrier`] does that without a slot and without writing pglogical's catalogs: the target's own
//! transaction holds the row of a marker, the source writes that marker while it keeps writers of the
//! tables away for some milliseconds and a view of them is taken; the apply worker stops at the
//! marker, with everything before it applied and nothing after it. The rows are copied in that same
//! transaction of the target, so its commit brings them and lets the worker go on, and a session that
//! dies, with everything around it, leaves nothing done.

mod barrier;
mod copy;
mod create;
mod diagnose;
mod mark;
mod skip;
mod state;
mod tables;

pub use barrier::{Why, barrier, hold_sql, moment_sql, release_sql, settle};
pub use copy::{Replaced, Replacing, replace, statements as copy_statements};
pub use create::{create, statements as create_statements};
pub use diagnose::Observer;
pub use mark::{Marked, mark, missing_right, unmark};
pub use skip::{advance, advance_sql, look};
pub use state::{
    WorkingSubscription, disable, disable_sql, enable, enable_sql, origin_rights, paused_at,
    slot_active, slot_history, wait_stopped, worker, write_note,
};
pub use tables::{
    analyze, copied_part, leave, leave_sql, memberships, rows_in, synced, table_oid,
    truncate_triggers, unsynced,
};
