//! Objects that are neither tables nor sequences.

pub(super) mod code;
pub(super) mod database;
pub(super) mod existing;
pub(super) mod relations;
