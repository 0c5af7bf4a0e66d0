//! `pgl-preflight`: everything that would make a migration fail, found before it begins.
//!
//! It reads both servers (or the source alone), runs its checks over what it saw, and prints the
//! findings and the plan. Its sessions are read-only and it does not link the code that writes.
//!
//! ```text
//! pgl-preflight                                  # findings for people; exit 1 when something blocks
//! pgl-preflight --format json > plan.json        # for pgl-setup --plan plan.json
//! pgl-preflight --fix-sql source | psql …        # read it first
//! pgl-preflight --record facts.json              # write the facts that were read
//! pgl-preflight --replay facts.json              # evaluate them again, without servers
//! pgl-preflight --list-checks
//! ```

mod args;
mod body;
mod catalogue;
mod run;
mod view;

pub use args::PreflightArgs;
pub use body::Preflight;
pub use catalogue::markdown;
use pgl_cli::args::Output;
use pgl_cli::{Context, Failure, Tool};
use pgl_core::doc::Verdict;

impl Tool for PreflightArgs {
    const NAME: &'static str = "pgl-preflight";

    fn output(&self) -> &Output {
        &self.output
    }

    fn run(self, context: &Context) -> Result<Verdict, Failure> {
        run::run(self, context)
    }
}

/// Entry point of the binary.
pub fn main() -> std::process::ExitCode {
    pgl_cli::run::<PreflightArgs>()
}

/// The command line, for the manual page and completions.
pub fn command() -> clap::Command {
    pgl_cli::command::<PreflightArgs>()
}
