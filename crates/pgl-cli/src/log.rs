//! The logger: warnings and progress notes on stderr, nothing fancy.

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::streams::Streams;

struct Logger {
    streams: Streams,
    tool: &'static str,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // The driver logs every statement at debug; it would drown our own lines.
        metadata.target().starts_with("pgl") || metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let label = match record.level() {
            Level::Error => "error: ",
            Level::Warn => "warning: ",
            Level::Info => "",
            Level::Debug | Level::Trace => "debug: ",
        };
        self.streams
            .tell(&format!("{}: {label}{}", self.tool, record.args()));
    }

    fn flush(&self) {}
}

/// Installs the logger; a second call in one process (tests) leaves the first in place.
pub(crate) fn install(tool: &'static str, streams: &Streams, quiet: bool, verbose: u8) {
    let level = match (quiet, verbose) {
        (true, _) => LevelFilter::Error,
        (false, 0) => LevelFilter::Warn,
        (false, 1) => LevelFilter::Info,
        (false, _) => LevelFilter::Debug,
    };
    let logger = Logger {
        streams: streams.clone(),
        tool,
    };
    if log::set_boxed_logger(Box::new(logger)).is_ok() {
        log::set_max_level(level);
    }
}
