//! pgl-setup: carries a live database over to another server, up to the point where every change
//! of the source arrives on the target.
//!
//! It takes the plan that `pgl-preflight` made (or makes one), and then, step by step: makes the
//! source a pglogical provider, creates the schema on the target, copies every table under one
//! snapshot, builds keys and indexes, and subscribes exactly where that snapshot ends. Each step
//! looks first whether it is done, and what has been done stands in the two databases; a run that
//! was stopped or killed is simply repeated.
//!
//! What it refuses: to go on past a blocking finding that `--force` does not name; to work with a
//! plan that was made for other servers; to touch rows, slots, nodes or schemas that it did not
//! make.

mod args;
mod collect;
mod dry;
mod endpoints;
mod engine;
mod guard;
mod replicate;
mod steps;
mod view;

use std::process::ExitCode;

use pgl_cli::args::Output;
use pgl_cli::{Context, Failure, Tool};
use pgl_core::doc::Verdict;
pub use view::{SetupReport, StepReport};

impl Tool for args::Setup {
    const NAME: &'static str = "pgl-setup";

    fn output(&self) -> &Output {
        &self.output
    }

    fn run(self, context: &Context) -> Result<Verdict, Failure> {
        engine::run(&self, context)
    }
}

/// Entry point of the binary.
pub fn main() -> ExitCode {
    pgl_cli::run::<args::Setup>()
}

/// The command line, for man pages and completions.
pub fn command() -> clap::Command {
    pgl_cli::command::<args::Setup>()
}
