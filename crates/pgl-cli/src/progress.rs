//! Progress for people: bars on stderr where it is a terminal, nothing otherwise.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::Streams;
use crate::escape::{Breaks, escape};

/// What a bar counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes, shown in IEC units.
    Bytes,
    /// Things.
    Items,
}

/// A bar over a known total, or a spinner without one. Thread-safe; clones share the bar.
#[derive(Clone)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar; hidden unless stderr is a terminal and the tool is not quiet.
    pub fn new(
        streams: &Streams,
        quiet: Quiet,
        label: &str,
        total: Option<u64>,
        unit: Unit,
    ) -> Self {
        let target = if streams.err_tty && quiet == Quiet::No {
            ProgressDrawTarget::stderr_with_hz(5)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(total, target);
        let template = match (total, unit) {
            (None, _) => "{prefix} {spinner} {msg} [{elapsed}]",
            (_, Unit::Bytes) => {
                "{prefix} [{bar:30}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}, ETA {eta}  {msg}"
            }
            (_, Unit::Items) => "{prefix} [{bar:30}] {pos}/{len}, ETA {eta}  {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(one_line(label));
        if total.is_none() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { bar }
    }

    /// Counts.
    pub fn add(&self, count: u64) {
        self.bar.inc(count);
    }

    /// Sets the count.
    pub fn set(&self, count: u64) {
        self.bar.set_position(count);
    }

    /// Says what is being done now.
    pub fn message(&self, text: &str) {
        self.bar.set_message(one_line(text));
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn one_line(text: &str) -> String {
    escape(text, Breaks::Escape).into_owned()
}

/// Whether `-q` was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quiet {
    /// Errors only.
    Yes,
    /// Progress and warnings too.
    No,
}
