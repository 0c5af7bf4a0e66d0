//! The command line.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use pgl_cli::args::{Connect, Output, PlanInput};
use pgl_cli::units::{parse_bytes, parse_duration};
use pgl_cli::{Context, Failure, Tool};
use pgl_core::doc::Verdict;

/// Switch from the source to the target within a moment, or take all of it back
#[derive(Parser, Clone)]
#[command(after_help = AFTER)]
pub struct Cutover {
    /// Go back to the source with what was written on the target (needs --reverse at the switch)
    #[arg(value_enum)]
    pub(crate) action: Option<Action>,
    #[command(flatten)]
    pub(crate) connect: Connect,
    #[command(flatten)]
    pub(crate) input: PlanInput,
    /// Name of the migration [default: the plan's, else the source database's]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Begin only when the target is at most this far behind, or catching up
    #[arg(long, value_name = "SIZE", default_value = "10MB", value_parser = parse_bytes)]
    pub(crate) max_lag: u64,
    /// Take everything back when the pause lasts longer
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub(crate) max_pause: Duration,
    /// How writes on the source are blocked
    #[arg(long, value_name = "HOW", default_value = "read-only")]
    pub(crate) block: Block,
    /// What is compared before the target is released
    #[arg(long, value_name = "DEPTH", default_value = "counts")]
    pub(crate) verify: Verify,
    /// Carry large objects over: all before the pause, and within it what has changed since
    #[arg(long)]
    pub(crate) large_objects: bool,
    /// Prepare replication from target to source first, for a rollback that loses nothing
    #[arg(long, conflicts_with = "action")]
    pub(crate) reverse: bool,
    /// The target as the source's server reaches it, for --reverse [default: as --target]
    #[arg(
        long,
        value_name = "CONNINFO",
        env = "PGL_REVERSE_DSN",
        hide_env_values = true,
        help_heading = "Connections"
    )]
    pub(crate) reverse_dsn: Option<OsString>,
    /// Run CMD after writes are blocked; with --block hook, CMD stops the writers
    #[arg(
        long,
        value_name = "CMD",
        help_heading = "Hooks",
        required_if_eq("block", "hook")
    )]
    pub(crate) hook_blocked: Option<OsString>,
    /// Command when the target has everything, just before it is released
    #[arg(long, value_name = "CMD", help_heading = "Hooks")]
    pub(crate) hook_drained: Option<OsString>,
    /// Command when the target takes writes: sends the clients there
    #[arg(long, value_name = "CMD", help_heading = "Hooks")]
    pub(crate) hook_switched: Option<OsString>,
    /// Command when the source takes writes again
    #[arg(long, value_name = "CMD", help_heading = "Hooks")]
    pub(crate) hook_restored: Option<OsString>,
    /// How long a hook may take
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration, help_heading = "Hooks")]
    pub(crate) hook_timeout: Duration,
    /// Everything up to the switch, then back; says how long the pause will be
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) rehearse: bool,
    /// Look at everything, change nothing, print the statements
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Finish, or begin again, what an earlier run left
    #[arg(long, conflicts_with_all = ["abort", "dry_run", "rehearse", "action"])]
    pub(crate) resume: bool,
    /// Take back what an earlier run left: the source takes writes again
    #[arg(long, conflicts_with_all = ["dry_run", "rehearse", "action"])]
    pub(crate) abort: bool,
    /// With --abort: clients may write on the target again, which attempts leave shut
    #[arg(long, requires = "abort")]
    pub(crate) open_target: bool,
    /// With --abort or --resume: end the run whose session has this process id and holds the lock; can be repeated
    #[arg(long, value_name = "PID", conflicts_with_all = ["dry_run", "rehearse", "action"])]
    pub(crate) terminate: Vec<i32>,
    /// Do it
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// What to do other than to switch.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Go back to the source
    Rollback,
}

/// `--block`
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// Set default_transaction_read_only on the database and end open sessions
    ReadOnly,
    /// --hook-blocked stops the writers first, then the same: the table locks are granted only when nobody writes
    Hook,
}

/// `--verify`
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verify {
    /// Row counts: small tables within the pause, large ones as of then, right after it
    Counts,
    /// Every row of every table, by a digest, within the pause
    Full,
    /// Nothing
    None,
}

const AFTER: &str = "\
Examples:
  pgl-cutover --dry-run                 what would be done, and what is in the way
  pgl-cutover --rehearse --yes          how long the pause will be
  pgl-cutover --yes --reverse           the switch, with a way back
  pgl-cutover rollback --yes            the way back
  pgl-cutover --abort                   after a kill -9: the source takes writes again";

impl Tool for Cutover {
    const NAME: &'static str = "pgl-cutover";

    fn output(&self) -> &Output {
        &self.output
    }

    fn run(self, context: &Context) -> Result<Verdict, Failure> {
        crate::run::run(&self, context)
    }
}
