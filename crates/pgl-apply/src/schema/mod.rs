//! The target's schema: taken from the source with pg_dump, kept statement by statement in the
//! target's `pgl.held`, run by step.

mod definitions;
mod run;
mod trial;

pub use definitions::add;
pub use run::{How, held, is_unfinished, run, secrets, store};
pub use trial::{Trial, drop_may_wait, trial, trial_in_transaction};
