//! The target's schema: taken from the source with pg_dump, kept statement by statement in the
//! target's `pgl.held`, run by step.

mod dump;
mod run;

pub use dump::{Dumped, Programs, dump};
pub use run::{How, held, run, secrets, store, wants_secrets};
