//! `pgl-setup` on real pairs: what arrives, under load, after every kind of interruption.
//!
//! The proof is never the tool's own word: both sides are read in full and in order by the tests,
//! and the writers know what was acknowledged to them.

mod cascade;
mod fidelity;
mod guard;
mod hidden;
mod kill;
mod matrix;
mod pgl_schema;
mod refuse;
mod restart;
mod support;
mod traps;
