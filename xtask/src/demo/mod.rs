//! `cargo xtask demo`: the suite at work on two throw-away servers, with each step explained.
//!
//! Everything it starts goes with it, also on Ctrl-C: the servers die with this process.

mod stage;
mod steps;

use anyhow::{Context, Result};
use pgl_testkit::MAJORS;

use crate::run::{cargo, check, say};
use crate::setup;
use stage::Stage;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The major version of the source.
    #[arg(long, default_value_t = 13)]
    source: u16,
    /// The major version of the target.
    #[arg(long, default_value_t = 17)]
    target: u16,
}

/// One step of the story.
struct Step {
    title: &'static str,
    /// What happens and why, for somebody who sees it for the first time.
    tells: &'static str,
    act: fn(&mut Stage) -> Result<()>,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    setup::provide(&MAJORS)?;
    say("building the tools");
    check(&mut cargo(&["build", "--quiet", "--package=pgl", "--bins"]))?;
    let mut stage = Stage::set(args.source, args.target)?;
    let steps = steps::all();
    for (number, step) in steps.iter().enumerate() {
        stage.tell(&format!("\n{}/{}  {}", number + 1, steps.len(), step.title))?;
        stage.tell(&format!("     {}\n", step.tells.replace('\n', "\n     ")))?;
        (step.act)(&mut stage).with_context(|| format!("the step {:?} failed", step.title))?;
    }
    stage.tell("\nDone. The servers and their data are gone with this command.")
}
