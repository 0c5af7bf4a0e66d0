//! `pgl-control` on real pairs, under load: every verb, and what goes wrong with it. What both sides
//! hold is read by the tests themselves.

mod add;
mod dropped;
mod flow;
mod kill;
mod leave;
mod orphans;
mod resync;
mod skip;
mod support;
