//! `pgl-status`: where a migration stands, and why it does not run.
//!
//! Reads both databases and nothing else: no state file, and no trust in the word `replicating`,
//! which says only that a process exists. The lag is what the target has applied and flushed
//! against what the source has written; seconds are measured on the source's clock alone. Where
//! replication stands, the cause is found by evidence: slots, settings, replication sets, the
//! target's tables, foreign keys, roles and sequences, the connection string tried from here, and
//! the server logs where the role may read them.
//!
//! It changes nothing: its sessions are read-only, and it is not linked with the code that writes.
//! It never says that a copy is complete: pglogical reports success also where its copy was rolled
//! back, and only pgl-verify compares rows.

mod args;
mod body;
mod collect;
mod metrics;
mod run;
mod view;

use std::process::ExitCode;

pub use args::StatusArgs;
pub use body::StatusBody;
use pgl_cli::args::Output;
use pgl_cli::{Context, Failure, Tool};
use pgl_core::doc::Verdict;

impl Tool for StatusArgs {
    const NAME: &'static str = "pgl-status";
    const METRICS: bool = true;

    fn output(&self) -> &Output {
        &self.output
    }

    fn run(self, context: &Context) -> Result<Verdict, Failure> {
        run::run(&self, context)
    }
}

/// Entry point of the binary.
pub fn main() -> ExitCode {
    pgl_cli::run::<StatusArgs>()
}

/// The command line, for man pages and completions.
pub fn command() -> clap::Command {
    pgl_cli::command::<StatusArgs>()
}
