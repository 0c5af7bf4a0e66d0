//! The copy of the rows that exist already: a slot with its snapshot, and workers that take tasks
//! from a queue, each with one session on either side.
//!
//! What makes it safe to be killed: the target notes the run before the slot is created, and each
//! table in the transaction that fills it. A run whose snapshot is gone cannot be continued; the
//! next one drops the slot that it made and empties the tables that it filled, and no others, and only where
//! every row in them is provably the copy's. A copy that was completed is made again only on request.

mod proof;
pub mod public;
mod queue;
mod reset;
mod rows;
mod run;
pub(crate) mod set_aside;
mod statement;
pub(crate) mod stream;
mod worker;

pub use proof::prove;
pub use public::{Public, may_write_catalog};
pub use reset::{CopyState, copied_at, discard, lost, slot_gone, state};
pub use run::{Copied, Order, Outcome, run, slot_name};
pub use statement::{Freeze, copy_in, copy_out};
pub use stream::encoding;
pub use worker::TableCopied;
