//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use pgl_cli::args::{Connect, Output, PlanInput};
use pgl_cli::units::parse_duration;
use pgl_cli::{Context, Failure, Tool};
use pgl_core::Lsn;
use pgl_core::control::Verb;
use pgl_core::doc::Verdict;

/// Change a migration that runs: pause, copy tables again, let tables join and leave, skip
#[derive(Parser, Clone)]
#[command(after_help = AFTER, mut_arg("force", |force| force.requires("plan")))]
pub struct Control {
    /// What to do
    #[arg(value_enum)]
    pub(crate) action: Action,
    /// Tables or sequences: name or schema.name, in double quotes where not lower case
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) connect: Connect,
    #[command(flatten)]
    pub(crate) input: PlanInput,
    /// Name of the migration [default: the plan's, else the source database's]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// skip: the transaction to leave out, by the position where its commit ends
    #[arg(long, value_name = "LSN")]
    pub(crate) lsn: Option<Lsn>,
    /// resync: copy a table also where both sides are equal
    #[arg(long)]
    pub(crate) always: bool,
    /// How long to wait for locks on the source, and for the target to come along
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = parse_duration)]
    pub(crate) timeout: Duration,
    /// How long writers of a table may have to wait behind one try to lock it
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = parse_duration)]
    pub(crate) lock_timeout: Duration,
    /// Directory with pg_dump and pg_restore, for a table that the target lacks
    #[arg(long, value_name = "DIR", env = "PGL_PG_BINDIR")]
    pub(crate) pg_bindir: Option<PathBuf>,
    /// Change nothing, show what would be done, with the statements
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Confirm without being asked
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// What to do.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Stop replication; nothing is lost
    Pause,
    /// Let it go on
    Resume,
    /// Copy tables again
    Resync,
    /// Let tables join, with their rows
    AddTable,
    /// Take tables out; their rows on the target stay
    RemoveTable,
    /// Let sequences join the plan
    AddSequence,
    /// Leave out the transaction that stops the target
    Skip,
}

impl Action {
    pub(crate) fn verb(self) -> Verb {
        match self {
            Self::Pause => Verb::Pause,
            Self::Resume => Verb::Resume,
            Self::Resync => Verb::Resync,
            Self::AddTable => Verb::AddTable,
            Self::RemoveTable => Verb::RemoveTable,
            Self::AddSequence => Verb::AddSequence,
            Self::Skip => Verb::Skip,
        }
    }
}

const AFTER: &str = "\
Examples:
  pgl-control pause
  pgl-control resume
  pgl-control resync shop.orders --dry-run
  pgl-control resync shop.orders --yes
  pgl-control add-table shop.orders_2027_01
  pgl-control skip                               what stops the target?
  pgl-control skip --lsn 0/1A2B3C8 --yes         leave exactly that out";

impl Tool for Control {
    const NAME: &'static str = "pgl-control";

    fn output(&self) -> &Output {
        &self.output
    }

    fn run(self, context: &Context) -> Result<Verdict, Failure> {
        crate::run::run(&self, context)
    }
}
