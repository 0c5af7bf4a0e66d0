//! `cargo xtask ci`: everything that a change has to pass, cheapest first.

use std::process::Command;

use anyhow::Result;
use pgl_testkit::MAJORS;

use crate::run::{cargo, check, say};
use crate::{manual, setup, test, tidy};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Everything but the tests.
    #[arg(long)]
    lints: bool,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    lints()?;
    if args.lints {
        return Ok(());
    }
    test::main(&test::Args::default())
}

fn lints() -> Result<()> {
    step("formatting", &mut cargo(&["fmt", "--check"]))?;
    say("ci: invariants");
    tidy::main(&tidy::Args::default())?;
    setup::packages(&MAJORS, &[])?;
    step(
        "lints",
        &mut cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ]),
    )?;
    step(
        "links in the documentation",
        cargo(&["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    say("ci: the manual is what the tools are");
    manual::main(&manual::Args { check: true })
}

fn step(name: &str, command: &mut Command) -> Result<()> {
    say(&format!("ci: {name}"));
    check(command)
}
