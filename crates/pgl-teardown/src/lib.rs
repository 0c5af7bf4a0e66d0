//! `pgl-teardown`: takes a migration down and proves that nothing of it is left.
//!
//! It drops the subscription, its slot and origin, the nodes with their sets, the privileges that
//! were granted for the migration, the extension where the migration created it, and schema `pgl`;
//! on the target first, because a subscription takes its slot along. It knows what is the
//! migration's by names, comments and the journal, shows everything else of pglogical that it sees
//! and leaves that alone. No row of a user's table is touched.
//!
//! ```text
//! pgl-teardown --scan                  # what is there at all; exit 1 when something is
//! pgl-teardown --dry-run               # what would go, with the statements
//! pgl-teardown --yes
//! pgl-teardown --source-only --yes     # the target is gone: the slot fills the source's disk
//! ```

mod args;
mod run;
mod view;

pub use args::TeardownArgs;
use pgl_cli::args::Output;
use pgl_cli::{Context, Failure, Tool};
use pgl_core::doc::Verdict;
pub use view::Teardown;

impl Tool for TeardownArgs {
    const NAME: &'static str = "pgl-teardown";

    fn output(&self) -> &Output {
        &self.output
    }

    fn run(self, context: &Context) -> Result<Verdict, Failure> {
        run::run(&self, context)
    }
}

/// Entry point of the binary.
pub fn main() -> std::process::ExitCode {
    pgl_cli::run::<TeardownArgs>()
}

/// The command line, for the manual page and completions.
pub fn command() -> clap::Command {
    pgl_cli::command::<TeardownArgs>()
}
