//! Reading the servers: a session in, facts out. Nothing here changes anything, and nothing here
//! draws a conclusion.
//!
//! Statements live in `sql/`, each a file that runs in psql as it stands; variants for older
//! servers carry a suffix such as `_pg96`.

/// A statement in the crate's `sql/`, in the variant for a server: the first of those for servers before a version that is above
/// the server's, else the last.
#[macro_export]
macro_rules! sql {
    ($file:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/", $file, ".sql"))
    };
    ($version:expr, $($before:literal => $older:literal,)+ _ => $newest:literal) => {{
        let version: pgl_core::ServerVersion = $version;
        $(if version.0 < $before {
            $crate::sql!($older)
        } else)+ {
            $crate::sql!($newest)
        }
    }};
}

mod cutover;
mod database;
pub mod definitions;
pub mod facts;
pub mod foreign_keys;
pub mod generated;
pub mod journal;
pub mod link;
mod lock;
pub mod lock_wait;
pub mod objects;
pub mod pg_dump;
pub mod pgl_schema;
mod remaining;
mod rows;
pub mod sequences;
pub mod server;
pub mod setup;
pub mod status;
pub mod subscription;
pub mod verify;

pub use cutover::{
    cutover_record, journal_names, migration_record, renamed, slot_moved, timeline, write_block,
};
pub use database::{database, identity};
pub use lock::{RUN as LOCK_RUN, SESSIONS as LOCK_SESSIONS, lock_holders};
pub use remaining::{remaining, slot_endings};
use rows::{column, gexec};
pub use rows::{row, rows};
