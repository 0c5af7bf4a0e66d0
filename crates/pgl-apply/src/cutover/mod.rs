//! What a cutover writes: closing and opening databases, the proof that nobody writes, the release.
//!
//! Functions speak of the **old home** and the **new home**, because a rollback runs the same way
//! back. Each takes sessions that were opened before the pause; none opens one within it.

mod block;
mod count;
mod facts;
mod gate;
mod large;
mod note;
mod recopy;
mod release;
mod reverse;
mod session;
mod wall;

pub use block::{
    LOCK_ATTEMPT, Locked, confirmed, end_sessions, end_sessions_and_wait, end_waiting, lock_all,
    marker, sequence_locks,
};
pub use count::{Counted, compare};
pub use facts::{Home, changed_tables, facts, held_labels};
pub use gate::{close, closed, closed_at, end_since, open, plan_close, skipped_roles};
pub use large::{
    Carried, carry as carry_large_objects, lockable as large_objects_lockable,
    missing as large_objects_missing,
};
pub use note::{
    OVERTAKEN, advance, attempt, claim, claimed, conclude, disclaim, promoted_by, rolled_back_by,
    start, undo,
};
pub use recopy::{Recopied, Recopy, forget_origin, mark_origin, plan_recopy, recopy};
pub use release::{Release, constraints, prepare};
pub use reverse::{
    Back, back_names, prepare as prepare_back, remove as remove_back, slot as back_slot,
    tables as back_tables,
};
pub use session::{disable, end_these, freeze_view, limit, note_firmly, note_lightly, token};
pub use wall::{Wall, clear as clear_wall, standing as wall_standing};
