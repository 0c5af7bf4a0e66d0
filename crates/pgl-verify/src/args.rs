//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use pgl_cli::args::{ClientPrograms, Connect, Output, PlanInput, Select};
use pgl_cli::units::{parse_duration, parse_rate};

/// Prove that source and target hold the same rows, also while writes go on
#[derive(Parser)]
#[command(after_help = crate::MODES, mut_arg("force", |force| force.requires("plan")), mut_arg("pg_bindir", |dir| dir.requires("definitions")))]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) connect: Connect,
    #[command(flatten)]
    pub(crate) select: Select,
    #[command(flatten)]
    pub(crate) plan: PlanInput,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) programs: ClientPrograms,
    #[command(flatten)]
    pub(crate) how: How,
}

#[derive(clap::Args, Clone)]
pub(crate) struct How {
    /// How writes that go on are dealt with; see below
    #[arg(
        long,
        value_name = "MODE",
        default_value = "auto",
        help_heading = "Comparison"
    )]
    pub(crate) mode: ModeArg,
    /// Compare row counts only, not contents
    #[arg(long, conflicts_with_all = ["digest", "fix_sql", "columns", "exclude_column", "max_diffs"], help_heading = "Comparison")]
    pub(crate) counts_only: bool,
    /// Compare the definitions of both sides as well, after the rows
    #[arg(long, help_heading = "Comparison")]
    pub(crate) definitions: bool,
    /// Where rows are hashed
    #[arg(
        long,
        value_name = "WHERE",
        default_value = "auto",
        help_heading = "Comparison"
    )]
    pub(crate) digest: DigestArg,
    /// Queries at a time, on both servers together
    #[arg(short, long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Load")]
    pub(crate) jobs: u16,
    /// Bytes of tables to read per second at most, on both servers together (10MB)
    #[arg(long, value_name = "SIZE", value_parser = parse_rate, help_heading = "Load")]
    pub(crate) throttle: Option<u64>,
    /// End after this time; tables that are not finished count as inconclusive
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Load")]
    pub(crate) timeout: Option<Duration>,
    /// Differing rows to name per table
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100,
        help_heading = "Comparison"
    )]
    pub(crate) max_diffs: u64,
    /// Only these columns and the key: COLUMN or [SCHEMA.]TABLE.COLUMN
    #[arg(
        long,
        value_name = "COLUMN",
        value_delimiter = ',',
        help_heading = "Comparison"
    )]
    pub(crate) columns: Vec<String>,
    /// Not these columns
    #[arg(
        long,
        value_name = "COLUMN",
        value_delimiter = ',',
        help_heading = "Comparison"
    )]
    pub(crate) exclude_column: Vec<String>,
    /// Only rows that meet this SQL condition, on both sides (names outside pg_catalog with schema), which has to follow from
    /// the row alone: no subquery, no system column, no now(); a table of which no row does counts as skipped
    #[arg(
        long = "where",
        value_name = "SQL",
        requires = "table",
        help_heading = "Comparison"
    )]
    pub(crate) condition: Option<String>,
    /// Show no values, only which rows and columns differ
    #[arg(long, help_heading = "Output")]
    pub(crate) redact: bool,
    /// Print the statements that make the target's rows those of the source, instead of the report; run none. Missing rows
    /// only where nothing is replicated (--mode static): let nobody write to the source until they have run
    #[arg(long, conflicts_with_all = ["redact", "columns", "exclude_column", "condition"], help_heading = "Output")]
    pub(crate) fix_sql: bool,
    /// Keep finished tables in this file, and take them from it after a run that did not end, for a day at most
    #[arg(long, value_name = "FILE", help_heading = "Large databases")]
    pub(crate) resume: Option<PathBuf>,
    /// How long the target may take to catch up with a position of the source
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration, help_heading = "Load")]
    pub(crate) max_wait: Duration,
    /// With --mode barrier: how long writers may wait behind its locks [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Load")]
    pub(crate) max_barrier: Option<Duration>,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModeArg {
    /// live where a subscription runs, static otherwise; says which
    Auto,
    /// Proof without locks while writes go on
    Live,
    /// Proof by a short lock on the source
    Barrier,
    /// Plain comparison: nobody writes
    Static,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DigestArg {
    /// The fastest exact function that both servers have
    Auto,
    /// Inside the servers
    Server,
    /// Inside the servers with md5, as for servers before 11: slower, 128 bits a row
    Md5,
    /// Here, from binary COPY, 128 bits a row: sends every row over the network
    Client,
}
