//! What several subjects need: the programs, and a document held against its schema.

pub(crate) mod pki;

use anyhow::{Context, Result};
use pgl_testkit::Outcome;
use serde_json::Value;

/// Executes what a tool prints for people as psql does when it is pasted there: statement by statement.
pub(crate) fn pasted(client: &mut postgres::Client, sql: &str) -> Result<()> {
    for statement in sql.split_inclusive(';') {
        client
            .batch_execute(statement)
            .with_context(|| format!("{statement}, of {sql}"))?;
    }
    Ok(())
}

/// A table with a sequence, one that references it, and one without a key, with rows.
pub(crate) const SCHEMA: &str = "CREATE TABLE t (id serial PRIMARY KEY, v text);
    CREATE TABLE child (id int PRIMARY KEY, t int REFERENCES t);
    CREATE TABLE unkeyed (v int);
    INSERT INTO t (v) SELECT g::text FROM generate_series(1, 500) g;
    INSERT INTO child SELECT g, g FROM generate_series(1, 100) g;
    INSERT INTO unkeyed SELECT generate_series(1, 50)";

/// A program of the suite.
pub(crate) struct Program {
    /// `pgl-preflight`.
    pub(crate) name: &'static str,
    /// The file that cargo built for this test.
    pub(crate) path: &'static str,
    /// Arguments with which it only looks; [`PLAN`] stands for a plan.
    pub(crate) looking: &'static [&'static str],
}

/// Stands in [`Program::looking`] for the path of a plan that fits the databases.
pub(crate) const PLAN: &str = "{plan}";

/// Every program. A test in pgl-manual holds its own list equal to the binaries; this one is held
/// equal to that.
pub(crate) const PROGRAMS: &[Program] = &[
    Program {
        name: "pgl-preflight",
        path: env!("CARGO_BIN_EXE_pgl-preflight"),
        looking: &["--record", "facts.json"],
    },
    Program {
        name: "pgl-setup",
        path: env!("CARGO_BIN_EXE_pgl-setup"),
        looking: &["--dry-run", "--plan", PLAN],
    },
    Program {
        name: "pgl-status",
        path: env!("CARGO_BIN_EXE_pgl-status"),
        looking: &["--sample", "0s"],
    },
    Program {
        name: "pgl-seqsync",
        path: env!("CARGO_BIN_EXE_pgl-seqsync"),
        looking: &["--dry-run"],
    },
    Program {
        name: "pgl-verify",
        path: env!("CARGO_BIN_EXE_pgl-verify"),
        looking: &[],
    },
    Program {
        name: "pgl-control",
        path: env!("CARGO_BIN_EXE_pgl-control"),
        looking: &["pause", "--dry-run"],
    },
    Program {
        name: "pgl-cutover",
        path: env!("CARGO_BIN_EXE_pgl-cutover"),
        looking: &["--dry-run", "--plan", PLAN],
    },
    Program {
        name: "pgl-teardown",
        path: env!("CARGO_BIN_EXE_pgl-teardown"),
        looking: &["--dry-run"],
    },
];

/// A document that a program wrote, held against its schema.
pub(crate) trait Documented {
    /// Standard output as one document of the tool that it names itself, if it is what that tool's
    /// committed schema says and nothing more.
    fn document(&self) -> Result<Value>;
}

impl Documented for Outcome {
    fn document(&self) -> Result<Value> {
        let value = self.json()?;
        let tool = value["tool"]
            .as_str()
            .context("the document names no tool")?;
        pgl_manual::validate_document(tool, &self.stdout)
    }
}
