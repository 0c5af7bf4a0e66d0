//! The shell around every tool: shared arguments, streams, rendering, progress, signals.
//!
//! Only this crate writes to stdout and stderr, and only through fallible writers: a closed pipe or
//! a full disk is an exit code, not a panic. A tool is a `clap` struct and a function from a
//! [`Context`] to a [`Verdict`](pgl_core::doc::Verdict); everything between the two is here.

pub mod args;
mod confirm;
mod connect;
mod context;
mod escape;
mod failure;
pub mod input;
mod log;
pub mod progress;
pub mod report;
pub mod signal;
mod step_progress;
mod stop;
mod streams;
pub mod table;
mod tool;
pub mod units;

pub use connect::Endpoints;
pub use context::{Context, now};
pub use failure::Failure;
pub use report::Report;
pub use signal::{Interrupt, Registration};
pub use step_progress::StepProgress;
pub use stop::stop_point;
pub use streams::Streams;
pub use table::{Page, Style, Table};
pub use tool::{Tool, command, run};
