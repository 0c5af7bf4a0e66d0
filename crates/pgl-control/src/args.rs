//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use pgl_cli::args::{ClientPrograms, Connect, Output, PlanInput};
use pgl_cli::units::parse_duration;
use pgl_core::Lsn;
use pgl_core::control::{Typed, Verb};

/// Change a migration that runs: pause, resume, copy again, add or remove tables, skip a transaction
#[derive(Parser, Clone)]
#[command(after_help = AFTER)]
pub struct Control {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Subcommand, Clone)]
pub(crate) enum Command {
    /// Stop replication; the slot retains what is written meanwhile
    #[command(after_help = "Examples:\n  pgl-control pause")]
    Pause(Common),
    /// Start replication again, and prove with a marker row that it works
    #[command(after_help = "Examples:\n  pgl-control resume")]
    Resume(Common),
    /// Copy tables again
    #[command(after_help = "\
Examples:
  pgl-control resync shop.orders --dry-run
  pgl-control resync shop.orders --yes")]
    Resync {
        #[command(flatten)]
        names: Names,
        /// Copy a table also where both sides are equal
        #[arg(long)]
        always: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Add tables to the replication, with their rows
    #[command(after_help = "\
Examples:
  pgl-control add-table shop.orders_2027_01
  pgl-control add-table shop.invoices --dry-run")]
    AddTable {
        #[command(flatten)]
        names: Names,
        #[command(flatten)]
        programs: ClientPrograms,
        #[command(flatten)]
        common: Common,
    },
    /// Remove tables from the replication; their rows on the target stay
    #[command(after_help = "Examples:\n  pgl-control remove-table shop.log --yes")]
    RemoveTable {
        #[command(flatten)]
        names: Names,
        #[command(flatten)]
        common: Common,
    },
    /// Add sequences to the plan
    #[command(after_help = "Examples:\n  pgl-control add-sequence shop.ticket")]
    AddSequence {
        #[command(flatten)]
        names: Names,
        #[command(flatten)]
        programs: ClientPrograms,
        #[command(flatten)]
        common: Common,
    },
    /// Skip the transaction that stops the target; without --lsn, show it
    #[command(after_help = "\
Examples:
  pgl-control skip                               what stops the target?
  pgl-control skip --lsn 0/1A2B3C8 --yes         skip exactly that")]
    Skip {
        /// The transaction to skip, by the LSN at which its commit ends
        #[arg(long, value_name = "LSN")]
        lsn: Option<Lsn>,
        #[command(flatten)]
        common: Common,
    },
}

/// The objects that a command works on.
#[derive(Args, Clone)]
pub(crate) struct Names {
    /// Tables or sequences: name or schema.name, in double quotes where not lower case
    #[arg(value_name = "NAME", required = true, value_parser = parse_name)]
    names: Vec<Typed>,
}

fn parse_name(text: &str) -> Result<Typed, String> {
    if text.is_empty() {
        return Err("a value is required".to_owned());
    }
    Typed::parse(text).map_err(|error| error.to_string())
}

/// What every command takes.
#[derive(Args, Clone)]
#[command(mut_arg("force", |force| force.requires("plan")))]
pub(crate) struct Common {
    #[command(flatten)]
    pub(crate) connect: Connect,
    #[command(flatten)]
    pub(crate) input: PlanInput,
    /// Name of the migration [default: the plan's, else the source database's]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// How long to wait for locks on the source, and for the target to catch up
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = parse_duration)]
    pub(crate) timeout: Duration,
    /// How long writers of a table may have to wait behind one try to lock it
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = parse_duration)]
    pub(crate) lock_timeout: Duration,
    /// Change nothing; show what would be done, with the statements
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Confirm without being asked
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

impl Control {
    pub(crate) fn verb(&self) -> Verb {
        match self.command {
            Command::Pause(_) => Verb::Pause,
            Command::Resume(_) => Verb::Resume,
            Command::Resync { .. } => Verb::Resync,
            Command::AddTable { .. } => Verb::AddTable,
            Command::RemoveTable { .. } => Verb::RemoveTable,
            Command::AddSequence { .. } => Verb::AddSequence,
            Command::Skip { .. } => Verb::Skip,
        }
    }

    pub(crate) fn common(&self) -> &Common {
        match &self.command {
            Command::Pause(common)
            | Command::Resume(common)
            | Command::Resync { common, .. }
            | Command::AddTable { common, .. }
            | Command::RemoveTable { common, .. }
            | Command::AddSequence { common, .. }
            | Command::Skip { common, .. } => common,
        }
    }

    pub(crate) fn pg_bindir(&self) -> Option<PathBuf> {
        match &self.command {
            Command::AddTable { programs, .. } | Command::AddSequence { programs, .. } => {
                programs.dir()
            }
            _ => None,
        }
    }

    pub(crate) fn names(&self) -> &[Typed] {
        match &self.command {
            Command::Resync { names, .. }
            | Command::AddTable { names, .. }
            | Command::RemoveTable { names, .. }
            | Command::AddSequence { names, .. } => &names.names,
            Command::Pause(_) | Command::Resume(_) | Command::Skip { .. } => &[],
        }
    }
}

const AFTER: &str = "\
Examples:
  pgl-control pause
  pgl-control resync shop.orders --yes
  pgl-control add-table shop.orders_2027_01
  pgl-control skip                               what stops the target?";
