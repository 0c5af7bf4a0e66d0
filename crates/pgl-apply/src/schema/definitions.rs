//! What is kept of the definitions of both sides.

use pgl_conn::Session;
use pgl_core::Side;
use pgl_core::definitions::Definitions;
use pgl_core::journal::DEFINITIONS;

use crate::Error;
use crate::journal::{read, write};

/// Records how objects are that were made since, where the others are recorded.
///
/// # Errors
/// The server's.
pub fn add(
    target: &mut Session,
    migration: &str,
    side: Side,
    new: &Definitions,
) -> Result<(), Error> {
    let key = DEFINITIONS.of(side);
    if let Some(mut kept) = read(target, migration, &key)? {
        kept.add(new);
        write(target, migration, &key, &kept)?;
    }
    Ok(())
}
