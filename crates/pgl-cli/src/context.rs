//! What a running tool has at hand.

use std::time::SystemTime;

use pgl_core::doc::{Document, Verdict};
use pgl_core::{Migration, Plan};
use serde::Serialize;

use crate::progress::{Progress, Quiet, Unit};
use crate::report::{self, Report};
use crate::signal::Interrupt;
use crate::{Failure, Streams};

/// Streams, signals and the tool's name.
#[derive(Clone)]
pub struct Context {
    /// `pgl-preflight`.
    pub tool: &'static str,
    /// stdout and stderr.
    pub streams: Streams,
    /// Signals.
    pub interrupt: Interrupt,
    /// Whether `-q` was given.
    pub quiet: Quiet,
}

impl Context {
    /// A document of this tool, stamped with the time.
    pub fn document<B>(
        &self,
        verdict: Verdict,
        migration: Option<Migration>,
        plan: Option<Plan>,
        body: B,
    ) -> Document<B> {
        let short = self.tool.strip_prefix("pgl-").unwrap_or(self.tool);
        Document {
            schema: format!("pgl.{short}/1"),
            tool: self.tool.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            generated_at: now(),
            verdict,
            blocked_by: Vec::new(),
            migration,
            plan,
            body,
        }
    }

    /// Writes the answer in the format asked for.
    pub fn emit<B: Report>(&self, document: &Document<B>) -> Result<(), Failure> {
        let text = report::render(document, &self.streams)?;
        self.streams
            .answer(&text)
            .map_err(|error| Failure::output(&error))
    }

    /// Writes text to stdout as it is: help-like answers such as a list of checks.
    pub fn print(&self, text: &str) -> Result<(), Failure> {
        self.streams
            .answer(text)
            .map_err(|error| Failure::output(&error))
    }

    /// Writes one NDJSON record at once.
    pub fn record<T: Serialize>(&self, record: &T) -> Result<(), Failure> {
        let mut line = serde_json::to_string(record).map_err(|error| {
            Failure::new(
                pgl_core::Exit::Bug,
                format!("the record cannot be written: {error}"),
            )
        })?;
        line.push('\n');
        self.print(&line)
    }

    /// Says something to people on stderr, unless quiet.
    pub fn say(&self, line: &str) {
        if self.quiet == Quiet::No {
            self.streams.tell(line);
        }
    }

    /// A progress bar on stderr.
    pub fn progress(&self, label: &str, total: Option<u64>, unit: Unit) -> Progress {
        Progress::new(&self.streams, self.quiet, label, total, unit)
    }
}

/// The time now, RFC 3339 in UTC, to the second.
pub fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}
