//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use pgl_cli::args::{Connect, Output, PlanInput, Select};
use pgl_cli::units::{parse_bytes, parse_duration};
use pgl_core::verify::merge::Shard;

/// Prove that source and target hold the same rows, also while writes go on
#[derive(Parser)]
#[command(
    after_help = crate::MODES,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) connect: Connect,
    #[command(flatten)]
    pub(crate) select: Select,
    #[command(flatten)]
    pub(crate) plan: PlanInput,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) how: How,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Join the JSON documents of all shards into one verdict
    Merge {
        /// Documents that pgl-verify --shard wrote
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        output: Output,
    },
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
    /// Compare row counts only: says nothing about content
    #[arg(long, conflicts_with_all = ["digest", "fix_sql"], help_heading = "Comparison")]
    pub(crate) counts_only: bool,
    /// Where rows are digested
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
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes, help_heading = "Load")]
    pub(crate) throttle: Option<u64>,
    /// Give up after this time; tables that are not finished count as inconclusive
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
    /// Only rows that meet this SQL condition, on both sides (names outside pg_catalog with schema)
    #[arg(
        long = "where",
        value_name = "SQL",
        requires = "table",
        help_heading = "Comparison"
    )]
    pub(crate) condition: Option<String>,
    /// Only this share of the rows in percent, chosen by a hash of the key
    #[arg(long, value_name = "PERCENT", value_parser = percent, help_heading = "Comparison")]
    pub(crate) sample: Option<f64>,
    /// Treat a column as the same where only the width of its type differs (integer and bigint)
    #[arg(long, help_heading = "Comparison")]
    pub(crate) allow_widening: bool,
    /// Show no values, only which rows and columns differ
    #[arg(long, help_heading = "Output")]
    pub(crate) redact: bool,
    /// Print the statements that would mend the target, instead of the report; never run here
    #[arg(long, conflicts_with = "redact", help_heading = "Output")]
    pub(crate) fix_sql: bool,
    /// Keep finished tables in this file, and take them from it when it is there
    #[arg(long, value_name = "FILE", help_heading = "Large databases")]
    pub(crate) resume: Option<PathBuf>,
    /// Only the i-th of n parts of the tables
    #[arg(long, value_name = "I/N", value_parser = Shard::parse, help_heading = "Large databases")]
    pub(crate) shard: Option<Shard>,
    /// Exported snapshot of the source, for --mode snapshot
    #[arg(long, value_name = "ID", help_heading = "Comparison")]
    pub(crate) source_snapshot: Option<String>,
    /// Exported snapshot of the target, for --mode snapshot
    #[arg(long, value_name = "ID", help_heading = "Comparison")]
    pub(crate) target_snapshot: Option<String>,
    /// How long the target may take to catch up with a position of the source
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration, help_heading = "Load")]
    pub(crate) max_wait: Duration,
    /// How long writers may wait behind the locks of --mode barrier
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration, help_heading = "Load")]
    pub(crate) max_barrier: Duration,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModeArg {
    /// live where a subscription runs, static otherwise; says which
    Auto,
    /// Proof without locks while writes go on
    Live,
    /// Proof by a short lock on the source
    Barrier,
    /// Two snapshots exported elsewhere
    Snapshot,
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

fn percent(text: &str) -> Result<f64, String> {
    let value: f64 = text
        .trim_end_matches('%')
        .parse()
        .map_err(|_| format!("not a percentage: {text:?}"))?;
    if value > 0.0 && value <= 100.0 {
        Ok(value)
    } else {
        Err(format!("{text:?} is not between 0 and 100"))
    }
}
