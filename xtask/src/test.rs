//! `cargo xtask test`: set up, then every test; the end-to-end suite comes last, so that its summary
//! is what the run ends with.

use anyhow::{Result, anyhow};
use pgl_testkit::{BARE_MAJORS, MAJORS, NEWEST};

use crate::run::{cargo, check, say};
use crate::setup;

#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Only the end-to-end suite, with PostgreSQL 18 and 19 in the place of 17 and 18.
    #[arg(long)]
    newest: bool,
    /// Passed to the end-to-end suite alone (a name filter, --nocapture …); the unit tests are then left out.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    suite: Vec<String>,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    let newest = [MAJORS.as_slice(), &[19]].concat();
    let majors = if args.newest { &newest[..] } else { &MAJORS };
    let work = setup::packages(majors, &BARE_MAJORS)?;
    // Bootstrapping waits for the network and building for the processor.
    std::thread::scope(|scope| {
        let servers = scope.spawn(|| setup::servers(&work));
        let built = check(&mut cargo(&["test", "--workspace", "--no-run", "--quiet"]));
        let servers = servers
            .join()
            .unwrap_or_else(|_| Err(anyhow!("getting servers panicked")));
        built.and(servers)
    })?;
    let threads = format!("--test-threads={}", threads());
    if args.suite.is_empty() && !args.newest {
        check(&mut cargo(&[
            "test",
            "--workspace",
            "--exclude=pgl",
            "--lib",
            "--bins",
            "--tests",
            "--",
            &threads,
        ]))?;
        check(&mut cargo(&[
            "test",
            "--workspace",
            "--exclude=xtask",
            "--doc",
            "--quiet",
        ]))?;
    }
    let mut suite = cargo(&["test", "--package=pgl", "--test=suite", "--", &threads]);
    if args.newest {
        // The lab's own tests are about majors as such, and one is about a setting of 17.
        let other = "--skip=a_replication_origin_that_does_not_fit";
        suite.env(NEWEST, "1").args(["--skip=lab::", other]);
    }
    let result = check(suite.args(&args.suite));
    let left = pgl_testkit::sweep()?;
    if left > 0 {
        say(&format!("swept {left} clusters that a killed process left"));
    }
    result
}

/// A test with servers waits as often as it computes.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(3, |cores| (cores.get() + 2).clamp(3, 6))
}
