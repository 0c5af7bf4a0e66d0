//! Settings: what logical decoding needs, capacity, timeouts, text formats, apply, and the rest.

pub(super) mod apply;
pub(super) mod capacity;
pub(super) mod general;
pub(super) mod logical;
pub(super) mod text;
pub(super) mod timeouts;
