//! The project's own tasks: `cargo xtask setup`, `lab`, `demo`, `test`, `bench`, `gen`, `tidy`, `ci`.
//!
//! One module a task. Standard output carries what a script may want to read, standard error the rest.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod ci;
mod demo;
mod lab;
mod manual;
mod run;
mod setup;
mod test;
mod tidy;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Tasks of the pgl project",
    disable_version_flag = true
)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Get what the project needs on this machine: libraries, servers.
    Setup(setup::Args),
    /// Two throw-away clusters with pglogical, to try things by hand.
    Lab(lab::Args),
    /// Watch the suite at work on two throw-away servers.
    Demo(demo::Args),
    /// Set up, then run all tests.
    Test(test::Args),
    /// Measure speed, as ratios against a peer in the same run.
    Bench(bench::Args),
    /// Make the manual from the tools: man pages, completions, schemas, parts of README.md.
    Gen(manual::Args),
    /// Prove the invariants of crates/ARCHITECTURE.md.
    Tidy(tidy::Args),
    /// Everything that a change has to pass: formatting, lints, tests.
    Ci(ci::Args),
}

fn main() -> ExitCode {
    let args = Args::parse();
    let result = match args.task {
        Task::Setup(args) => setup::main(&args),
        Task::Lab(args) => lab::main(args),
        Task::Demo(args) => demo::main(&args),
        Task::Test(args) => test::main(&args),
        Task::Bench(args) => bench::main(&args),
        Task::Gen(args) => manual::main(&args),
        Task::Tidy(args) => tidy::main(&args),
        Task::Ci(args) => ci::main(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            run::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
