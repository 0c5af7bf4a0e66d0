//! Writing: steps in, outcomes out. Everything that changes a server lives here, and nothing here
//! decides whether it should: plans and checks come from the core.
//!
//! Each function looks first whether its work is done, so that a tool that was killed is simply run
//! again. What has to be remembered stands in the two databases, in schema `pgl`
//! (`sql/own_schema.sql`): the journal of steps and tables, and the statements that are held back.

pub mod control;
pub mod copy;
pub mod cutover;
mod error;
pub mod fingerprint;
pub mod full;
mod grant;
pub mod journal;
pub mod lock;
pub mod lock_wait;
pub mod marker;
pub mod pgl_schema;
pub mod provider;
mod quiet_ddl;
pub mod schema;
pub mod sequences;
mod servers;
pub mod subscription;
pub mod target;
pub mod teardown;
mod unlogged;
mod worker_pool;

pub use error::{Error, ObjectFailure};
pub use pgl_conn::{Silent, Watch};
pub use servers::Servers;

/// What a step did, for the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// It changed something; says what.
    Changed(String),
    /// There was nothing to do; says why.
    Already(String),
}
