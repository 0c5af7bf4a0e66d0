//! `pgl-control`: changes to a migration that runs.
//!
//! ```text
//! pgl-control pause                     # replication stops, nothing is lost; the slot keeps what comes
//! pgl-control resume                    # goes on, and a marker proves it
//! pgl-control resync shop.orders        # the table's rows again, all of them
//! pgl-control add-table shop.new        # with its rows; also a new partition, or a partitioned table
//! pgl-control remove-table shop.log     # out of replication; its rows on the target stay
//! pgl-control add-sequence shop.ticket  # carried over at the cutover like the others
//! pgl-control skip                      # what stops the target; with --lsn LSN --yes it is left out
//! ```
//!
//! **Copying beside running replication.** The target's transaction holds the row of a marker; on the
//! source the tables are locked against writers for some milliseconds, in which a view of them is
//! taken and the marker written. The apply worker applies everything before the marker and waits at
//! it. Then the target's rows are replaced by those of the view, both sides are counted, and one
//! commit brings the rows, the notes and lets the worker go on. So the copy begins exactly where
//! replication stands, without a slot of its own; all of replication waits while it lasts, and a run
//! that is killed has done nothing. pglogical's own resynchronisation is not used: it can leave an
//! empty table and call it synchronised.
//!
//! **Rows that refer to it.** After a copy, rows of other tables on the target that refer to a copied one
//! and find nothing there are counted by foreign key, also for keys that come only at the cutover.
//! The copy stands; the answer is 1, for those rows cannot be the source's.
//!
//! What it refuses: a table whose shape differs on both sides; to empty a table on the target that it
//! does not know to be the migration's; to leave out a transaction that is not named by its exact
//! position, or that does not stop the target; to work while a cutover is under way.

mod add_sequence;
mod add_table;
mod args;
mod context;
mod orphaned_rows;
mod pause;
mod remove_table;
mod resync;
mod run;
mod skip;
mod view;
mod work;

use std::process::ExitCode;

pub use args::Control;
use pgl_cli::args::Output;
use pgl_cli::{Context, Failure, Tool};
use pgl_core::doc::Verdict;
pub use view::{ControlBody, ControlStep, TableReport};

impl Tool for Control {
    const NAME: &'static str = "pgl-control";

    fn output(&self) -> &Output {
        &self.common().output
    }

    fn run(self, context: &Context) -> Result<Verdict, Failure> {
        run::run(&self, context)
    }
}

/// Entry point of the binary.
pub fn main() -> ExitCode {
    pgl_cli::run::<Control>()
}

/// The command line, for man pages and completions.
pub fn command() -> clap::Command {
    pgl_cli::command::<Control>()
}
