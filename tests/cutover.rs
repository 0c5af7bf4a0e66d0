//! `pgl-cutover` on real pairs under load: what writers were promised is on the subscriber, once; what
//! goes wrong is rolled back, and the source accepts writes again.
//!
//! The writers list both servers and ask for one that accepts writes, as an application would: they find
//! the target by themselves, and try it all the time.

mod back;
mod compare;
mod crash;
mod deferred;
mod definitions;
mod drift;
mod encodings;
mod faults;
mod guards;
mod hooks;
mod identity;
mod intruder;
mod large;
mod left_out;
mod overtaken;
mod pgbouncer;
mod promoted;
mod properties;
mod published;
mod replica_identity;
mod replica_triggers;
mod reset;
mod resume;
mod run;
mod series;
mod silence;
mod soak;
mod support;
mod write_block;
