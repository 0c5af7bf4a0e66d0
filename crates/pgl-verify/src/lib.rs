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
mod definitions;
mod detail;
mod digest;
mod engine;
mod fetch_rows;
mod first_pass;
mod lsn_wait;
mod mode;
mod outcome;
mod pool;
mod recheck;
mod resume;
mod run;
mod snapshot_pair;
mod throttle;
mod view;

use std::process::ExitCode;

use pgl_cli::args::Output;
use pgl_cli::{Context, Failure, Tool};
use pgl_core::doc::Verdict;

pub use view::VerifyBody;

/// What each mode promises, and what is not looked at; part of `--help`.
pub(crate) const MODES: &str = "\
Examples:
  pgl-verify                             every table of the migration, while writes go on
  pgl-verify --table shop.orders         one table
  pgl-verify --counts-only               row counts only
  pgl-verify --resume verify.ndjson      continue a run that was stopped
  pgl-verify --fix-sql > fix.sql         the statements that make the target equal

Modes and what each of them promises:
  static    One snapshot of each side. Right while nobody writes to either; with writes going on
            it reports rows that are not replicated yet as differences.
  live      Exact while writes go on, without locks on writers: a temporary logical slot, a
            snapshot of the source, a marker row that is replicated, a snapshot of the target that
            has it, and the transactions decoded in between. Rows that were written meanwhile are
            compared with what their last change left. Needs REPLICATION on the source and the
            plugin test_decoding, and is quicker with the marker table that pgl-setup makes. Without
            decoding (mode fenced), row versions name the rows written meanwhile. A row of which
            nothing is known in any of several attempts is unresolved, never equal.
  barrier   Exact: SHARE locks on the source tables until the target has caught up and both
            snapshots are taken, usually some ten milliseconds; says how long writers waited.
  auto      live where the target is subscribed to this source, static where it has no
            subscription. Refused where a subscription is disabled or has no slot on the source,
            and for a standby of the target.
            With several subscriptions to this source, live does without decoding.

No lock on a table is kept after its read, and a read that TRUNCATE, ALTER TABLE or the apply worker
waits for is cancelled and done again; CREATE INDEX CONCURRENTLY waits until it ends. A table that is
truncated or rewritten meanwhile is compared again; one whose columns are changed is inconclusive.

Not looked at:
  sequences        pgl-seqsync --check compares them
  large objects    pglogical does not replicate them
  indexes          rows are read from the tables; whether an index finds them is a question for
                   amcheck: bt_index_parent_check(index, true)
  definitions      defaults, constraints, triggers, rights, owners, statistics: with --definitions,
                   those that one side has changed since pgl-setup, or all that differ where it has not run
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
