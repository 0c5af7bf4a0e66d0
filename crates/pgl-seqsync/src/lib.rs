//! `pgl-seqsync`: carries the values of sequences over to the target.
//!
//! pglogical leaves sequences alone during its copy and, where they are in a replication set,
//! sends values that lie a thousand or more ahead. This tool sets them exactly: `last_value` and
//! `is_called`, for owned, identity and standalone sequences of both directions. It decides over
//! all of them before it sets the first, because no rollback undoes a `setval`, and reads back
//! what came of it.
//!
//! It refuses to move a sequence backwards, beyond the target's bounds, or against its direction, and
//! to call a sequence equal that would hand out a used value next, or none, by the target's own
//! definition. Of two cyclic sequences none is further on by its value alone: the target gets the
//! source's state, unless it is less than half a round ahead.

mod args;
mod run;
mod view;

use std::process::ExitCode;

pub use args::SeqsyncArgs;
use pgl_cli::args::Output;
use pgl_cli::{Context, Failure, Tool};
use pgl_core::doc::Verdict;
pub use view::{SeqsyncBody, SequenceCounts, Skipped};

impl Tool for SeqsyncArgs {
    const NAME: &'static str = "pgl-seqsync";

    fn output(&self) -> &Output {
        &self.output
    }

    fn run(self, context: &Context) -> Result<Verdict, Failure> {
        run::run(&self, context)
    }
}

/// Entry point of the binary.
pub fn main() -> ExitCode {
    pgl_cli::run::<SeqsyncArgs>()
}

/// The command line, for man pages and completions.
pub fn command() -> clap::Command {
    pgl_cli::command::<SeqsyncArgs>()
}
