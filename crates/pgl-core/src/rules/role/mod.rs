//! Roles: what the connected and the replicating role may do, and the roles that objects name.

pub(super) mod grants;
pub(super) mod names;
pub(super) use names::comes_with_the_server;
pub(super) mod pglogical;
pub(super) use pglogical::replicating_role;
pub(super) mod rights;
