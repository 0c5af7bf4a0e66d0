//! `pgl-cutover` on real pairs under load: what writers were promised is on the new home, once; what
//! goes wrong is taken back, and the source takes writes again.
//!
//! The writers list both servers and ask for one that takes writes, as an application would: they find
//! the target by themselves, and try it all the time.

mod back;
mod compare;
mod crash;
mod drift;
mod encodings;
mod faults;
mod guards;
mod hooks;
mod intruder;
mod large;
mod overtaken;
mod pgbouncer;
mod promoted;
mod published;
mod reset;
mod series;
mod silence;
mod soak;
mod support;
mod switch;
mod walls;
