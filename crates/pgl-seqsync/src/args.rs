//! The command line.

use std::time::Duration;

use clap::{Parser, ValueEnum};
use pgl_cli::args::{Connect, Output, PlanInput, Select};
use pgl_cli::units;
use pgl_core::seqsync::{SequenceMode, SequenceRequest};

/// Carry the values of sequences over to the target, exactly
///
/// Reads every sequence of the source and gives the one of the same name on the target the same
/// last_value and the same is_called, so that the next value handed out there is the one that the
/// source would have handed out. A target that is further on is left alone and reported. Run it
/// when the source takes no more writes; with --margin before that.
#[derive(Parser, Clone)]
#[command(after_help = AFTER, mut_arg("force", |force| force.requires("plan")))]
pub struct SeqsyncArgs {
    #[command(flatten)]
    pub(crate) connect: Connect,
    #[command(flatten)]
    pub(crate) input: PlanInput,
    #[command(flatten)]
    pub(crate) select: Select,
    /// How the values are copied
    #[arg(long, value_name = "MODE", default_value = "exact")]
    pub(crate) mode: Way,
    /// Go this many values further than the source, in the sequence's own direction
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) margin: u64,
    /// Also go as far as the rows in the columns that a sequence feeds (integer, numeric and float
    /// types, and domains of them; other columns are refused by name)
    #[arg(long)]
    pub(crate) at_least_max_of_column: bool,
    /// Change nothing; exit 1 if the target would hand out a value that the source has used
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) check: bool,
    /// Change nothing; show what would be set
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// With --mode pglogical: how long to wait for its messages to arrive [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration)]
    pub(crate) timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// How the values are copied.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// last_value and is_called as the source has them
    Exact,
    /// pglogical.synchronize_sequence() on the source: a thousand or more values ahead
    Pglogical,
}

const AFTER: &str = "\
Examples:
  pgl-seqsync                          set all sequences, after the last write on the source
  pgl-seqsync --margin 10000           while the source is still written to
  pgl-seqsync --table shop.orders      those that columns of this table own
  pgl-seqsync --check && echo safe     would anything be handed out twice?
  pgl-seqsync --dry-run --format text  the statements, without running them";

impl SeqsyncArgs {
    pub(crate) fn request(&self) -> SequenceRequest {
        SequenceRequest {
            mode: match self.mode {
                Way::Exact => SequenceMode::Exact,
                Way::Pglogical => SequenceMode::Pglogical,
            },
            margin: self.margin,
            check: self.check,
            at_least_column: self.at_least_max_of_column,
        }
    }

    /// Whether this run sets anything.
    pub(crate) fn writes(&self) -> bool {
        !self.check && !self.dry_run
    }
}
