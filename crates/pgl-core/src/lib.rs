//! The pure heart of the suite: values, facts, rules, the plan, documents and exit codes.
//!
//! Nothing here opens a connection, a file or the terminal, and nothing reads the clock or the
//! environment: facts go in, findings, plans and verdicts come out. That is what makes the
//! decisions that an operator has to trust testable in milliseconds.

pub mod control;
pub mod cutover;
pub mod database_properties;
pub mod definitions;
pub mod doc;
pub mod exit;
pub mod facts;
pub mod finding;
pub mod journal;
pub mod lock_wait;
pub mod lsn;
pub mod migration;
pub mod name;
pub mod pgl_schema;
pub mod plan;
mod plural;
pub mod preflight;
pub mod redact;
pub mod rights;
pub mod roles;
pub mod rules;
pub mod select;
pub mod seqsync;
pub mod setup;
pub mod side;
pub mod status;
pub mod teardown;
pub mod verify;
pub mod version;

pub use exit::Exit;
pub use finding::{Finding, Severity};
pub use lsn::Lsn;
pub use migration::{Database, Migration};
pub use name::{QualifiedName, quote_ident, quote_literal, setting_literal};
pub use plan::Plan;
pub use plural::plural;
pub use redact::redact;
pub use side::Side;
pub use version::ServerVersion;
