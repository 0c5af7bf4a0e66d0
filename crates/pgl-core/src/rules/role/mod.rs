//! Roles: what the connected and the replicating role may do, and the roles that objects name.

pub(super) mod grants;
pub(super) mod names;
pub(super) use names::of_the_service;
pub(super) mod pglogical;
pub(super) mod rights;
