//! Real servers for tests and for `cargo xtask lab`, and independent means to judge the tools by.
//!
//! - [`Server`]: an installed PostgreSQL major, with pglogical or bare; [`obtain`] gets the missing ones.
//! - [`Cluster`]: a throw-away cluster, started in about half a second from a cached template. It
//!   dies with the process that started it, however that one ends.
//! - [`Pair`], [`shared_pair`]: a source and a target; fresh databases on servers that all tests of
//!   one binary share.
//! - [`ManagedService`]: a cluster of which the superuser is a service's.
//! - [`Tool`]: runs a program of the suite in an environment of its own.
//! - [`Proxy`]: a network that can be cut, or frozen.
//! - [`Bouncer`]: a real pgbouncer in front of a database.
//! - [`load`]: sessions that write, and a ledger of what the server acknowledged.
//! - [`dump_ordered`]: everything a database holds, to compare two of them.
//!
//! Nothing here is a mock, and nothing here uses the suite's own connection code: what a test
//! proves, it proves by other means than the code under test.
//!
//! Development only. Refuses to run without a server: a test that finds none fails.

mod bouncer;
pub mod cache;
mod clients;
mod cluster;
mod contents;
pub mod load;
mod managed;
pub mod obtain;
mod options;
mod pair;
pub mod proc;
mod proxy;
mod server;
mod shared;
mod sweep;
mod sysid;
mod template;
mod tool;

pub use rustix::process::Signal;

pub use bouncer::Bouncer;
pub use cluster::{Cluster, Shutdown, conninfo};
pub use contents::{Contents, TableContents, dump_ordered, texts};
pub use managed::{ManagedService, Service};
pub use options::ClusterOptions;
pub use pair::Pair;
pub use proxy::Proxy;
pub use server::{BARE_MAJORS, MAJORS, NEWEST, Server};
pub use shared::{PairDb, SharedPair, shared_pair};
pub use sweep::sweep;
pub use tool::{Outcome, Running, Tool};
