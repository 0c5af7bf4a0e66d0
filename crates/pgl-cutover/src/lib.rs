//! `pgl-cutover`: the moment of the switch. Keeps everybody from writing, waits until the target has
//! everything, carries over what replication does not, proves it, and releases the target; or takes
//! all of it back.
//!
//! The order, with what is written down in schema `pgl` before it is acted on:
//!
//! 1. **guards**: replication runs and is nearly level, every table is synchronised and was counted,
//!    indexes are valid, both schemas are the same, sequences fit.
//! 2. **shut**: the target refuses writes of everybody but the apply worker until it is released.
//! 3. **block**: the source's database and every role that overrides it are set read-only, all sessions
//!    of clients are ended, then every table is locked in SHARE mode: the proof that nobody writes,
//!    and the wall for sessions that override every setting. The pause begins.
//! 4. **drain**: a marker is written behind the last write; when the target shows it, the target has
//!    all of it.
//! 5. **sequences**, tables without a key **copied again**, **counts**, foreign keys (unchecked) and
//!    triggers.
//! 6. **wall**: a trigger on each table of the source refuses every write; its commit lets go of the locks.
//!    Locks go with their session, and what has to hold from the release on must outlive a kill and a restart.
//! 7. **release**: one commit on the target brings keys, triggers, settings and the note. The pause
//!    ends. Before this commit the attempt can only be taken back, after it only be finished.
//! 8. **finish**: keys are validated, what was too large to count within the pause is compared in views
//!    that were taken within it, the slot is confirmed up to the last position.
//!
//! A failure, a signal, a lost connection or a time limit before the release opens the source again; the
//! target stays shut, also after a rehearsal, since a client that was refused by the source a moment ago
//! could else write there (`--abort --open-target` opens it).
//! After a `kill -9`, `--abort` does that, from any machine, and also while the target is away: what was
//! changed stands in the source, in the commit that changed it, and so does whether a release was tried. A
//! network that falls silent is no reason to wait: the limit of the pause and signals hold, and sessions that are
//! left behind are ended on the server. Clients whose connection string lists both servers with
//! `target_session_attrs=read-write` follow by themselves.
//!
//! What was seen on 13, 15, 17 and 18 and is relied on: `default_transaction_read_only` on the target's
//! database stops clients, superusers too, and neither a running nor a restarted apply worker of
//! pglogical (inserts, updates, deletes, truncates). A worker that restarts while the target is shut
//! stops at replicated DDL and at pglogical's sequence messages: the attempt runs into its time limit
//! then and is taken back.
//!
//! Large objects (`--large-objects`) are copied before the pause, and what has changed since within it. Before
//! version 16 a read-only session can write them; a lock on `pg_largeobject` keeps everybody out until
//! the release, where the role may take it.
//!
//! It refuses to begin while an earlier attempt is neither finished nor taken back, and never opens the
//! source when it does not know whether the target was released. After the switch the source stays
//! closed, and the wall refuses the writes of sessions that override the setting
//! (`SET default_transaction_read_only = off`, `BEGIN READ WRITE`, drivers that say so by themselves): what
//! they wrote there would be lost. Where the role may not create triggers, the locks stay until after the release,
//! and a note says what is open then. Replication back passes the wall; a rollback and pgl-teardown remove it.

mod args;
mod aside;
mod attempt;
mod engine;
mod finish;
mod full;
mod ground;
mod guard;
mod hook;
mod orphan;
mod restore;
mod run;
mod unreverse;
mod view;

use std::process::ExitCode;

pub use args::Cutover;
pub use view::{Body, Checked, Phase, Recopied};

/// Entry point of the binary.
pub fn main() -> ExitCode {
    pgl_cli::run::<Cutover>()
}

/// The command line, for man pages and completions.
pub fn command() -> clap::Command {
    pgl_cli::command::<Cutover>()
}
