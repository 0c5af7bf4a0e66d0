//! The command line.

use std::path::PathBuf;

use clap::Parser;
use pgl_cli::args::{Connect, Output};
use pgl_core::teardown::ExtensionRemoval;

/// Take a migration down: subscription, slot, origin, nodes, sets, privileges, extension, schema pgl
///
/// Nothing that cannot be proved to be of this migration is touched; no row of a table is.
#[derive(Parser)]
#[command(after_help = AFTER)]
pub struct TeardownArgs {
    #[command(flatten)]
    pub(crate) connect: Connect,
    /// Document of an earlier tool to take migration and plan from, whatever its verdict; - is standard input
    #[arg(long, value_name = "FILE|-", help_heading = "Input")]
    pub(crate) plan: Option<PathBuf>,
    /// Name of the migration [default: the plan's, else the one in the journal, else
    /// the source database's name]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The target is gone or not to be touched
    #[arg(long, conflicts_with_all = ["target_only", "drop_held"])]
    pub(crate) source_only: bool,
    /// The source is gone or not to be touched
    #[arg(long)]
    pub(crate) target_only: bool,
    /// Show everything of pglogical and of this suite that is there; change nothing; exit 1 when
    /// something is
    #[arg(long, conflicts_with_all = ["dry_run", "yes", "keep_extension", "drop_extension", "drop_held", "drop_role"])]
    pub(crate) scan: bool,
    /// Show what would be dropped, with the statements
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Leave the extension even where the migration created it
    #[arg(long, conflicts_with = "drop_extension")]
    pub(crate) keep_extension: bool,
    /// Drop the extension even where it was there before
    #[arg(long)]
    pub(crate) drop_extension: bool,
    /// Lose the statements of the target's schema that are deferred
    #[arg(long)]
    pub(crate) drop_held: bool,
    /// Drop this role on the source, too: the one that replication logged in as
    #[arg(long, value_name = "ROLE", conflicts_with = "target_only")]
    pub(crate) drop_role: Option<String>,
    /// Confirm without being asked
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

const AFTER: &str = "\
Examples:
  pgl-teardown --scan                    what of pglogical is there at all?
  pgl-teardown --dry-run                 what would go
  pgl-teardown --yes
  pgl-teardown --source-only --yes       the target is gone, its slot fills the source's disk";

impl TeardownArgs {
    pub(crate) fn extension(&self) -> ExtensionRemoval {
        match (self.keep_extension, self.drop_extension) {
            (true, _) => ExtensionRemoval::Keep,
            (false, true) => ExtensionRemoval::Drop,
            (false, false) => ExtensionRemoval::IfOurs,
        }
    }
}
