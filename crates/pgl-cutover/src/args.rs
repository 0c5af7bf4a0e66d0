//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use pgl_cli::args::{ClientPrograms, Connect, Output, PlanInput};
use pgl_cli::units::{parse_bytes, parse_duration};
use pgl_conn::DsnText;

/// Make the target the database that accepts writes, within a moment; or go back
#[derive(Parser, Clone)]
#[command(after_help = AFTER, args_conflicts_with_subcommands = true)]
pub struct Cutover {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

/// What to do.
#[derive(Subcommand, Clone)]
enum Command {
    /// Promote the target (this is what happens without a command)
    #[command(after_help = "\
Examples:
  pgl-cutover run --dry-run               what would be done, and which preconditions fail
  pgl-cutover run --yes --reverse         the cutover, with reverse replication")]
    Run(Run),
    /// Do everything up to the promotion, then roll back; reports how long writes are blocked
    #[command(after_help = "Examples:\n  pgl-cutover rehearse --yes")]
    Rehearse(Rehearse),
    /// Go back to the source with what was written on the target (needs --reverse at the cutover)
    #[command(after_help = "Examples:\n  pgl-cutover rollback --yes")]
    Rollback(Rollback),
    /// Roll back what an earlier run left: the source accepts writes again
    #[command(after_help = "\
Examples:
  pgl-cutover abort                       after a kill -9
  pgl-cutover abort --open-target         and make the target writable, which attempts leave read-only")]
    Abort(Abort),
    /// Finish, or roll back and begin again, what an earlier run left
    #[command(after_help = "Examples:\n  pgl-cutover resume")]
    Resume(Resume),
}

#[derive(Args, Clone)]
struct Run {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    forward: Forward,
    /// Evaluate the preconditions, change nothing, print the statements
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args, Clone)]
struct Rehearse {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    forward: Forward,
}

#[derive(Args, Clone)]
struct Rollback {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    options: Options,
    /// Evaluate the preconditions, change nothing, print the statements
    #[arg(long)]
    dry_run: bool,
    /// Do everything up to the moment at which the source would accept writes, then undo it
    #[arg(long, conflicts_with = "dry_run")]
    rehearse: bool,
    #[command(flatten)]
    programs: ClientPrograms,
}

#[derive(Args, Clone)]
struct Resume {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    forward: Forward,
    #[command(flatten)]
    terminate: Terminate,
}

/// `pgl-cutover abort`
#[derive(Args, Clone)]
pub(crate) struct Abort {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Make the target writable again, which attempts leave read-only
    #[arg(long)]
    pub(crate) open_target: bool,
    #[command(flatten)]
    pub(crate) restored: RestoredHook,
    #[command(flatten)]
    pub(crate) terminate: Terminate,
}

/// What every command takes.
#[derive(Args, Clone)]
pub(crate) struct Common {
    #[command(flatten)]
    pub(crate) connect: Connect,
    #[command(flatten)]
    pub(crate) input: PlanInput,
    /// Name of the migration [default: the plan's, else the source database's]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Confirm without being asked
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// How an attempt is made.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Begin only when the target is at most this far behind, or catching up
    #[arg(long, value_name = "SIZE", default_value = "10MB", value_parser = parse_bytes)]
    pub(crate) max_lag: u64,
    /// Roll back when writes are blocked for longer
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub(crate) max_pause: Duration,
    /// How writes on the source are blocked
    #[arg(long, value_name = "HOW", default_value = "read-only")]
    pub(crate) block: Block,
    /// What is compared before the promotion
    #[arg(long, value_name = "DEPTH", default_value = "counts")]
    pub(crate) verify: Verify,
    /// Copy large objects: all before writes are blocked, and then what has changed since
    #[arg(long)]
    pub(crate) large_objects: bool,
    /// Run CMD after writes are blocked; with --block hook, CMD stops the writers
    #[arg(
        long,
        value_name = "CMD",
        help_heading = "Hooks",
        required_if_eq("block", "hook")
    )]
    pub(crate) hook_blocked: Option<OsString>,
    /// Run CMD when the target has everything, just before the promotion
    #[arg(long, value_name = "CMD", help_heading = "Hooks")]
    pub(crate) hook_drained: Option<OsString>,
    /// Run CMD after the promotion: it sends the clients to the target
    #[arg(long, value_name = "CMD", help_heading = "Hooks")]
    pub(crate) hook_promoted: Option<OsString>,
    #[command(flatten)]
    pub(crate) restored: RestoredHook,
}

/// The hook that runs when an attempt was rolled back, and the limit of every hook.
#[derive(Args, Clone)]
pub(crate) struct RestoredHook {
    /// Run CMD when the source accepts writes again
    #[arg(long, value_name = "CMD", help_heading = "Hooks")]
    pub(crate) hook_restored: Option<OsString>,
    /// How long a hook may take
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration, help_heading = "Hooks")]
    pub(crate) hook_timeout: Duration,
}

/// What only a cutover takes: replication from the target to the former source.
#[derive(Args, Clone)]
pub(crate) struct Forward {
    /// Prepare replication from target to source first, for a rollback that loses nothing
    #[arg(long)]
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
    /// The source as its own server reaches itself, for --reverse [default: as --source of pgl-setup, no password]
    #[arg(
        long,
        value_name = "CONNINFO",
        env = "PGL_REVERSE_SUBSCRIBER_DSN",
        hide_env_values = true,
        help_heading = "Connections"
    )]
    pub(crate) reverse_subscriber_dsn: Option<OsString>,
    #[command(flatten)]
    pub(crate) programs: ClientPrograms,
}

/// The run to end.
#[derive(Args, Clone)]
pub(crate) struct Terminate {
    /// End the run whose session has this process id and holds the lock; can be repeated
    #[arg(long, value_name = "PID")]
    pub(crate) terminate: Vec<i32>,
}

/// An attempt that is asked for.
#[derive(Clone)]
pub(crate) struct Order {
    pub(crate) what: What,
    pub(crate) common: Common,
    pub(crate) options: Options,
    pub(crate) forward: Option<Forward>,
    /// Where pg_dump is.
    pub(crate) pg_bindir: Option<PathBuf>,
    pub(crate) terminate: Vec<i32>,
    pub(crate) dry_run: bool,
    /// Whether it is rolled back before the promotion.
    pub(crate) rehearse: bool,
}

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Run,
    Rollback,
    Resume,
}

impl Order {
    /// Whether reverse replication is to be prepared.
    pub(crate) fn reverse(&self) -> bool {
        self.forward.as_ref().is_some_and(|one| one.reverse)
    }

    /// The target as the source's server reaches it, where it was given.
    pub(crate) fn reverse_dsn(&self) -> Option<DsnText> {
        let given = self.forward.as_ref()?.reverse_dsn.as_ref()?;
        Some(DsnText::new(given.clone()))
    }

    /// The source as its own server reaches itself, where it was given.
    pub(crate) fn reverse_subscriber_dsn(&self) -> Option<DsnText> {
        let given = self.forward.as_ref()?.reverse_subscriber_dsn.as_ref()?;
        Some(DsnText::new(given.clone()))
    }

    fn new(what: What, common: Common, options: Options, forward: Option<Forward>) -> Self {
        Self {
            what,
            common,
            options,
            pg_bindir: forward.as_ref().and_then(|one| one.programs.dir()),
            forward,
            terminate: Vec::new(),
            dry_run: false,
            rehearse: false,
        }
    }
}

/// What a command line asks for.
pub(crate) enum Asked {
    Attempt(Box<Order>),
    Abort(Abort),
}

impl Cutover {
    pub(crate) fn common_output(&self) -> &Output {
        let common = match &self.command {
            None => &self.run.common,
            Some(Command::Run(one)) => &one.common,
            Some(Command::Rehearse(one)) => &one.common,
            Some(Command::Rollback(one)) => &one.common,
            Some(Command::Abort(one)) => &one.common,
            Some(Command::Resume(one)) => &one.common,
        };
        &common.output
    }

    pub(crate) fn asked(self) -> Asked {
        Asked::Attempt(Box::new(
            match self.command.unwrap_or(Command::Run(self.run)) {
                Command::Abort(abort) => return Asked::Abort(abort),
                Command::Run(run) => Order {
                    dry_run: run.dry_run,
                    ..Order::new(What::Run, run.common, run.options, Some(run.forward))
                },
                Command::Rehearse(one) => Order {
                    rehearse: true,
                    ..Order::new(What::Run, one.common, one.options, Some(one.forward))
                },
                Command::Rollback(back) => Order {
                    dry_run: back.dry_run,
                    rehearse: back.rehearse,
                    pg_bindir: back.programs.dir(),
                    ..Order::new(What::Rollback, back.common, back.options, None)
                },
                Command::Resume(one) => Order {
                    terminate: one.terminate.terminate,
                    ..Order::new(What::Resume, one.common, one.options, Some(one.forward))
                },
            },
        ))
    }
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
    /// Row counts: small tables while writes are blocked, large ones as of then, right after it
    Counts,
    /// Every row of every table, by a hash, while writes are blocked
    Full,
    /// Nothing
    None,
}

const AFTER: &str = "\
Examples:
  pgl-cutover --dry-run                 what would be done, and which preconditions fail
  pgl-cutover rehearse --yes            how long writes are blocked
  pgl-cutover --yes --reverse           the cutover, with reverse replication
  pgl-cutover rollback --yes            back to the source
  pgl-cutover abort                     after a kill -9: the source accepts writes again";
