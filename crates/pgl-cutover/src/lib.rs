//! `pgl-cutover`: blocks writes on the source, waits until the target has everything, copies what replication does not
//! carry, compares both sides, and promotes the target; or rolls all of it back.
//!
//! The order, with what is written down in schema `pgl` before it is acted on:
//!
//! 1. **preconditions**: replication runs and is almost caught up, every table is synchronised and was counted,
//!    indexes are valid, both schemas are the same, sequences fit.
//! 2. **target-read-only**: the target refuses writes of everybody but the apply worker until promotion.
//! 3. **block-writes**: the source's database and every role that overrides it are set read-only, all sessions
//!    of clients are ended, then every table is locked in SHARE mode: the proof that nobody writes,
//!    and the write-block triggers for sessions that override every setting. The pause begins.
//! 4. **drain**: a marker is written behind the last write; when the target shows it, the target has
//!    all of it.
//! 5. **sequences**, tables without a replica identity (**copy-unkeyed**), **counts**, foreign keys (unchecked) and
//!    triggers.
//! 6. **write-block-triggers**: a trigger on each table of the source refuses every write; they are created while rows are
//!    counted, and their commit lets go of the locks.
//!    Locks go with their session, and what has to hold from the release on must outlive a kill and a restart.
//! 7. **promote**: one commit on the target brings keys, triggers, settings and the note. The pause
//!    ends. Before this commit the attempt can only be rolled back, after it only be finished.
//! 8. **finish**: keys are validated, what was too large to count within the pause is compared in views
//!    that were taken within it, the slot is confirmed up to the last position.
//!
//! A failure, a signal, a lost connection or a time limit before the release opens the source again; the
//! target stays read-only, also after a rehearsal, since a client that was refused by the source a moment ago
//! could else write there (`pgl-cutover abort --open-target` opens it).
//! After a `kill -9`, `pgl-cutover abort` does that, from any machine, and also while the target is away: what was
//! changed stands in the source, in the commit that changed it, and so does whether a release was tried. A
//! network that falls silent is no reason to wait: the limit of the pause and signals hold, and sessions that are
//! left behind are ended on the server. Clients whose connection string lists both servers with
//! `target_session_attrs=read-write` follow by themselves.
//!
//! What was seen on 13, 15, 17 and 18 and is relied on: `default_transaction_read_only` on the target's
//! database stops clients, superusers too, and neither a running nor a restarted apply worker of
//! pglogical (inserts, updates, deletes, truncates). A worker that restarts while the target is read-only
//! stops at replicated DDL and at pglogical's sequence messages: the attempt runs into its time limit
//! then and is rolled back.
//!
//! Large objects (`--large-objects`) are copied before the pause, and what has changed since within it. Before
//! version 16 a read-only session can write them; a lock on `pg_largeobject` keeps everybody out until
//! the release, where the role may take it.
//!
//! It refuses to begin while an earlier attempt is neither finished nor rolled back, and never opens the
//! source when it does not know whether the target was released. After the cutover the source stays
//! closed, and the write-block triggers refuses the writes of sessions that override the setting
//! (`SET default_transaction_read_only = off`, `BEGIN READ WRITE`, drivers that say so by themselves): what
//! they wrote there would be lost. Where the role may not create triggers, the locks stay until after the release,
//! and a note says what is open then. Replication back passes the write-block triggers; a rollback and pgl-teardown remove it.

mod abort_offline;
mod args;
mod attempt;
mod context;
mod drop_reverse;
mod engine;
mod finish;
mod full;
mod guard;
mod hook;
mod restore;
mod run;
mod view;
mod watchdog;

use std::process::ExitCode;

pub use args::Cutover;
use pgl_cli::args::Output;
use pgl_cli::{Context, Failure, Tool};
use pgl_core::doc::Verdict;
pub use view::{Checked, CutoverBody, Phase, RecopiedTable};

impl Tool for Cutover {
    const NAME: &'static str = "pgl-cutover";

    fn output(&self) -> &Output {
        self.common_output()
    }

    fn run(self, context: &Context) -> Result<Verdict, Failure> {
        run::run(self.asked(), context)
    }
}

/// Entry point of the binary.
pub fn main() -> ExitCode {
    pgl_cli::run::<Cutover>()
}

/// The command line, for man pages and completions.
pub fn command() -> clap::Command {
    pgl_cli::command::<Cutover>()
}
