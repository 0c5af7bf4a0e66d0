//! What `pgl-status` reads: cheap samples of both servers, and a closer look when something is
//! wrong. Read-only, and without what it takes from pglogical's tables never more than a handful
//! of rows.

mod close;
mod cutover;
mod dsn;
mod logs;
mod now;

pub use close::{has_rows, input_settings, members, source_close, target_close};
pub use cutover::{cutover, reverse, reverse_lag};
pub use dsn::{provider, trouble, try_dsn};
pub use logs::tail;
pub use now::{Sizes, filled, kept_plan, set_sizes, sizes, slot_name, source_now, target_now};

use pgl_conn::{Error, Kind, Session, ToSql};
use pgl_core::QualifiedName;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{column, rows};

/// What the role may not read is left out: a reason that needs it is then not found, and what is
/// readable still is.
fn allowed<T: Default>(read: Result<T, Error>) -> Result<T, Error> {
    match read {
        Err(error) if error.kind == Kind::Denied => {
            log::info!("left out: {error}");
            Ok(T::default())
        }
        other => other,
    }
}

#[derive(Deserialize)]
struct Of<T> {
    #[serde(flatten)]
    table: QualifiedName,
    value: Option<T>,
}

/// What a statement yields of each table; those of which that is null are left out.
fn by_table<T: DeserializeOwned>(
    session: &mut Session,
    sql: &str,
    params: &[&(dyn ToSql + Sync)],
) -> Result<Vec<(QualifiedName, T)>, Error> {
    Ok(known(rows(session, sql, params)?))
}

/// The values that could be read.
fn known<T>(found: Vec<Of<T>>) -> Vec<(QualifiedName, T)> {
    found
        .into_iter()
        .filter_map(|one| Some((one.table, one.value?)))
        .collect()
}

/// The state of a subscription as pglogical itself reports it; none where that is not permitted.
fn shown(session: &mut Session, subscription: &str) -> Result<Option<String>, Error> {
    let sql = sql!("status/shown");
    Ok(allowed(column(session, sql, &[&subscription]))?
        .pop()
        .flatten())
}
