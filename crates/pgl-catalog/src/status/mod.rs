//! What `pgl-status` reads: cheap samples of both servers, and a closer look when something is
//! wrong. Read-only, and without what it takes from pglogical's tables never more than a handful
//! of rows.

mod close;
mod logs;
mod now;

pub use close::{has_rows, source_close, target_close};
pub use logs::tail;
pub use now::{Sizes, set_sizes, sizes, slot_name, source_now, target_now};

use pgl_conn::{Error, Kind};

/// What the role may not read is left out: a reason that needs it is then not found, and what is
/// readable still is.
fn allowed<T>(read: Result<Vec<T>, Error>) -> Result<Vec<T>, Error> {
    match read {
        Err(error) if error.kind == Kind::Denied => {
            log::info!("left out: {error}");
            Ok(Vec::new())
        }
        other => other,
    }
}
