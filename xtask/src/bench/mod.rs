//! `cargo xtask bench`: speed, always as a ratio against a peer in the same run. A figure without its
//! peer would measure the machine.

mod cutover;
mod preflight;
mod seqsync;
mod verify;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::run::{cargo, check, root, say};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to measure.
    #[arg(value_enum)]
    what: What,
    /// How often each command runs: the fastest counts, and for the cutover the median [default: 3, 30].
    #[arg(long)]
    runs: Option<u32>,
}

#[derive(clap::ValueEnum, Clone, Copy)]
enum What {
    /// pgl-preflight on 10,000 tables and 10,000 sequences against pg_dump -s of the same database.
    Preflight,
    /// pgl-seqsync on 10,000 sequences against psql one-liners.
    Seqsync,
    /// pgl-verify on 4 × 1,000,000 rows against COPY to nowhere, one-liners and pgcopydb.
    Verify,
    /// pgl-cutover on the demo's database under load against the same switch by hand; takes minutes.
    Cutover,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    match args.what {
        What::Preflight => preflight::main(args.runs.unwrap_or(3)),
        What::Seqsync => seqsync::main(args.runs.unwrap_or(3)),
        What::Verify => verify::main(args.runs.unwrap_or(3)),
        What::Cutover => cutover::main(args.runs.unwrap_or(30)),
    }
}

/// Builds a tool as users run it; says where it is.
pub(crate) fn release_binary(name: &str) -> Result<PathBuf> {
    check(&mut cargo(&[
        "build",
        "--release",
        "--quiet",
        "--package=pgl",
        "--bin",
        name,
    ]))?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    Ok(target.join("release").join(name))
}

/// The fastest of several runs. `accept` are the exit codes that count as done.
pub(crate) fn fastest(
    runs: u32,
    accept: &[i32],
    mut command: impl FnMut() -> Result<Command>,
) -> Result<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..runs.max(1) {
        let mut command = command()?;
        let line = format!("{command:?}");
        let start = Instant::now();
        let status = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .with_context(|| format!("cannot run {line}"))?;
        let took = start.elapsed();
        if !status.code().is_some_and(|code| accept.contains(&code)) {
            bail!("{line}: {status}");
        }
        best = best.min(took);
    }
    Ok(best)
}

/// One line of a result.
pub(crate) fn report(name: &str, time: Duration, peer: Duration) {
    let ratio = time.as_secs_f64() / peer.as_secs_f64();
    say(&format!(
        "{name:<40} {:>9.2} s  ratio {ratio:.2}",
        time.as_secs_f64()
    ));
}
