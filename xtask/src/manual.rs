//! `cargo xtask gen`: the manual, made from the tools by the crate that links them.

use anyhow::Result;

use crate::run::{cargo, check};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Change nothing; fail where what is committed is stale.
    #[arg(long)]
    pub(crate) check: bool,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    let mut command = cargo(&["run", "--quiet", "--package", "pgl-manual"]);
    if args.check {
        command.args(["--", "--check"]);
    }
    check(&mut command)
}
