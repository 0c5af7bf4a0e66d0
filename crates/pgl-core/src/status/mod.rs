//! The state of a migration: from samples of two servers to a state, a lag, and the reason why it
//! does not run.
//!
//! Everything here is a pure function over what was seen ([`facts`]); the tool that looks is
//! `pgl-status`.

pub mod causes;
pub mod facts;
pub mod log;
pub mod measure;
pub mod state;
pub mod wait;

pub use causes::{Cause, Certainty, Heals, causes};
pub use measure::{Lag, Rates, Retained, SecondsFrom, Skew};
pub use state::{TableState, Tables, Word};
pub use wait::{Goal, MaxLag, WaitProgress};

#[cfg(test)]
mod tests;
