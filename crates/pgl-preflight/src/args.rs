//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use pgl_catalog::link::ServerProbe;
use pgl_cli::args;
use pgl_core::Side;

/// Find everything that would make the migration fail or lose data; print findings and the plan
///
/// Reads only. Works with the source alone: checks of the target are then reported as not run, and the exit code is 3 where
/// nothing blocks.
#[derive(Parser)]
#[command(after_help = AFTER)]
pub struct PreflightArgs {
    #[command(flatten)]
    pub(crate) connect: args::Connect,
    #[command(flatten)]
    pub(crate) provider: args::Provider,
    #[command(flatten)]
    pub(crate) select: args::Select,
    #[command(flatten)]
    pub(crate) output: args::Output,

    /// Name of the migration [default: the source database's name]
    #[arg(long, value_name = "NAME", help_heading = "Checks")]
    pub(crate) name: Option<String>,
    /// Print all checks with their reasons and remedies, and exit
    #[arg(
        long,
        conflicts_with_all = ["source", "target", "Select", "name", "only", "skip", "strict", "databases_total",
                              "reach_probe", "fix_sql", "record", "replay"],
        help_heading = "Checks"
    )]
    pub(crate) list_checks: bool,
    /// Run only these checks: an id (tbl.no_key) or a family (tbl)
    #[arg(
        long,
        value_name = "ID",
        value_delimiter = ',',
        help_heading = "Checks"
    )]
    pub(crate) only: Vec<String>,
    /// Skip these checks: an id or a family
    #[arg(
        long,
        value_name = "ID",
        value_delimiter = ',',
        help_heading = "Checks"
    )]
    pub(crate) skip: Vec<String>,
    /// Warnings block too
    #[arg(long, help_heading = "Checks")]
    pub(crate) strict: bool,
    /// How many databases of this cluster will be migrated at the same time
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=10_000),
        help_heading = "Checks"
    )]
    pub(crate) databases_total: u32,
    #[command(flatten)]
    pub(crate) programs: args::ClientPrograms,
    /// How to test whether the target server can connect to the source
    #[arg(
        long,
        value_name = "HOW",
        default_value = "subscription",
        help_heading = "Checks"
    )]
    pub(crate) reach_probe: ReachProbe,

    /// Print a commented script of fixes for one side, instead of the findings
    #[arg(long, value_name = "SIDE", help_heading = "Output")]
    pub(crate) fix_sql: Option<FixSide>,
    /// Write the facts that were read to a file; - is standard output
    #[arg(
        long,
        value_name = "FILE|-",
        conflicts_with = "replay",
        help_heading = "Output"
    )]
    pub(crate) record: Option<PathBuf>,
    /// Evaluate recorded facts instead of reading servers; - is standard input
    #[arg(
        long,
        value_name = "FILE|-",
        conflicts_with_all = ["source", "target", "Select", "name", "databases_total", "reach_probe"],
        help_heading = "Input"
    )]
    pub(crate) replay: Option<PathBuf>,
}

/// How to test whether the target server can connect to the source, as pglogical has to.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReachProbe {
    /// CREATE SUBSCRIPTION in a transaction of the target that is always rolled back; it leaves
    /// nothing behind, but it is the one statement here that is not a read
    Subscription,
    /// Through dblink, where the target has it
    Dblink,
    /// Not at all; the check reports itself as not run
    Off,
}

impl From<ReachProbe> for ServerProbe {
    fn from(how: ReachProbe) -> Self {
        match how {
            ReachProbe::Subscription => Self::RolledBackSubscription,
            ReachProbe::Dblink => Self::ReadOnly,
            ReachProbe::Off => Self::Off,
        }
    }
}

/// The side that a script is for.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FixSide {
    /// The source
    Source,
    /// The target
    Target,
}

impl From<FixSide> for Side {
    fn from(side: FixSide) -> Self {
        match side {
            FixSide::Source => Self::Source,
            FixSide::Target => Self::Target,
        }
    }
}

const AFTER: &str = "\
Examples:
  pgl-preflight                          all checks, of both servers
  pgl-preflight --schema shop            of the tables in one schema
  pgl-preflight --fix-sql source > fix.sql
  pgl-preflight --only tbl,seq           two families of checks
  pgl-preflight --record facts.json      keep what was read, to evaluate it elsewhere
  pgl-preflight --list-checks";
