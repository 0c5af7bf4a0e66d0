//! What a cutover writes: closing and opening databases, the proof that nobody writes, the release.
//!
//! Functions speak of the **provider** and the **subscriber**, because a rollback runs the same way
//! back. Each takes sessions that were opened before the pause; none opens one within it.

mod block;
mod count;
mod facts;
mod journal;
mod large;
mod origin_writers;
mod promotion;
mod read_only;
mod recopy;
mod reverse;
mod session;
mod write_block;

pub use block::{
    Behind, LOCK_ATTEMPT, Locked, confirmed, end_sessions, end_sessions_and_wait, end_waiting,
    lock_all, marker, not_ended, open_writers, sequence_locks,
};
pub use count::{Counted, compare};
pub use facts::{
    SubscriptionSlot, changed_tables, facts, invalid_unique_indexes, not_followed, not_permitted,
    wait_for_lag,
};
pub use journal::{OVERTAKEN, advance, claim, conclude, disclaim, start, still_made, undo};
pub use large::{
    Carried, carry as carry_large_objects, lockable as large_objects_lockable,
    missing as large_objects_missing, unlocked as large_objects_unlocked,
};
pub use origin_writers::{origin_writers, timelines};
pub use promotion::{PromotionPlan, constraints, disabled_triggers, prepare};
pub use read_only::{
    close, closed, end_since, open, plan_close, read_only_settings, skipped_roles,
};
pub use recopy::{
    Recopied, Recopy, forget_origin, mark_origin, origin_room, plan_recopy, recopy, recopy_origin,
};
pub use reverse::{
    Back, back_names, prepare as prepare_back, remove as remove_back, slot as back_slot,
    tables as back_tables,
};
pub use session::{disable, end_these, freeze_view, limit, note_firmly, note_lightly, token};
pub use write_block::{
    WriteBlockTriggers, blocked_tables as write_block_tables, clear as clear_write_block,
    refused as write_block_refused,
};
