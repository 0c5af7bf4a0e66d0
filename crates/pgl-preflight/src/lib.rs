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

pub use args::Args;
pub use body::Preflight;
pub use catalogue::markdown;

/// Entry point of the binary.
pub fn main() -> std::process::ExitCode {
    pgl_cli::run::<Args>()
}

/// The command line, for the manual page and completions.
pub fn command() -> clap::Command {
    pgl_cli::command::<Args>()
}
