//! Reverse replication of an attempt that was rolled back is removed: the source is the production database
//! then, and rows that are written on the target must not come to it.

use pgl_apply::{Error, Silent, cutover};

use crate::context::CutoverContext;
use crate::view::CutoverBody;

/// Removes it, where there is any, and reports that. The source is unblocked by now, so a failure is a note.
pub(crate) fn remove(migration: &CutoverContext, body: &mut CutoverBody) {
    let outcome = migration
        .open(&migration.source)
        .map_err(Error::from)
        .and_then(|mut source| {
            let mut target = migration.open(&migration.target)?;
            cutover::remove_back(&mut source, &mut target, &migration.plan.names, &Silent)
        });
    match outcome {
        Ok(true) => {
            body.reverse = false;
            body.notes
                .push("reverse replication was removed: the source is not written to by the target".to_owned());
        }
        Ok(false) => {}
        Err(error) => body.notes.push(format!(
            "reverse replication may still be prepared ({error}): pgl-cutover abort removes it; until then \
             what is written on the target is replicated to the source"
        )),
    }
}
