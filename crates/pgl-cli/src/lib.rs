//! The shell around every tool: shared arguments, streams, rendering, progress, signals.
//!
//! Only this crate writes to stdout and stderr, and only through fallible writers: a closed pipe or
//! a full disk is an exit code, not a panic. A tool is a `clap` struct and a function from a
//! [`Context`] to a [`Verdict`](pgl_core::doc::Verdict); everything between the two is here.

pub mod args;
mod connect;
mod consent;
mod context;
mod escape;
mod failure;
pub mod input;
mod log;
pub mod page;
pub mod progress;
pub mod report;
mod screen;
pub mod signal;
mod stop;
mod streams;
mod tool;
pub mod units;

pub use connect::Endpoints;
pub use consent::Consent;
pub use context::{Context, now};
pub use failure::Failure;
pub use page::{Page, Style, Table};
pub use report::Report;
pub use screen::Screen;
pub use signal::{Interrupt, Registration};
pub use stop::stop_point;
pub use streams::Streams;
pub use tool::{Tool, command, run};
