//! `pgl-verify`: proves that both sides hold the same rows, also while writes go on.
//!
//! Rows are compared by what PostgreSQL stores. Each side digests its own rows in one pass: a count and a
//! sum per table. A table whose sums differ is read again, grouped into buckets by a hash of the key;
//! buckets that differ are read row by row and end as a list of keys and columns with both values. The result names for each table what was found, by
//! which method, and for which positions of the log it holds.
//!
//! It writes nothing, but for one row of the suite's own marker table in live mode, and never
//! says "equal" of what it did not compare: a table that could not be read makes the whole
//! answer "could not find out".

mod args;
mod client;
mod detail;
mod digest;
mod drill;
mod engine;
mod fence;
mod mode;
mod moment;
mod pool;
mod resume;
mod run;
mod settle;
mod throttle;
mod touched;
mod view;

use std::process::ExitCode;

use pgl_cli::args::Output;
use pgl_cli::{Context, Failure, Tool};
use pgl_core::doc::Verdict;

pub use view::Body;

/// What each mode promises, and what is not looked at; part of `--help`.
pub(crate) const MODES: &str = "\
Modes and what each of them promises:
  static    Nobody writes to either side. Exact then; with writes going on it reports rows in
            flight as differences.
  live      Exact while writes go on, without locks: a temporary logical slot and a snapshot of
            the source, a marker row that travels through the replication, a snapshot of the
            target that has seen it, and the changes decoded in between. A row that differs and
            was not written in between is corrupt. Needs REPLICATION on the source and the marker
            table that pgl-setup makes. Without these: rows that differ are read again behind a
            fence in the log, and one that keeps changing is reported as unresolved, never as equal.
  barrier   Exact: SHARE locks on the source tables until the target has caught up and both
            snapshots are taken, usually some ten milliseconds; says how long writers waited.
  auto      live where an enabled subscription feeds the target from this source, else static.
            With several such subscriptions, live is the second of its two forms.

Not looked at:
  sequences        pgl-seqsync --check compares them
  large objects    pglogical does not carry them over
  indexes          rows are read from the tables; whether an index finds them is a question for
                   amcheck: bt_index_parent_check(index, true)
  definitions      defaults, constraints, triggers, rights, owners, statistics
";

/// Entry point of the binary.
pub fn main() -> ExitCode {
    pgl_cli::run::<args::Args>()
}

/// The command line, for man pages and completions.
pub fn command() -> clap::Command {
    pgl_cli::command::<args::Args>()
}

impl Tool for args::Args {
    const NAME: &'static str = "pgl-verify";

    fn output(&self) -> &Output {
        &self.output
    }

    fn run(self, context: &Context) -> Result<Verdict, Failure> {
        run::run(self, context)
    }
}
