//! Foreign keys, held back until the cutover: added without a check of the rows, which takes a
//! moment, then validated side by side, which lets everybody else go on.

use pgl_conn::Session;
use pgl_core::quote_literal;
use pgl_core::setup::StepId;
use pgl_core::setup::archive::unchecked;
use serde::Deserialize;

use crate::schema::{self, How};
use crate::{Done, Error, ObjectFailure, Servers, Watch};

#[derive(Deserialize)]
struct Key {
    id: u32,
    kind: String,
    object: String,
    sql: String,
}

/// Adds what is held back and validates it.
///
/// # Errors
/// [`Error::Objects`] with every key that rows of the target contradict.
pub fn foreign_keys(
    servers: &Servers,
    target: &mut Session,
    migration: &str,
    how: &How,
    watch: &dyn Watch,
) -> Result<Done, Error> {
    let step = StepId::TargetForeignKeys;
    pgl_catalog::pgl_schema::require(target)?;
    let open: Vec<Key> = pgl_catalog::rows(
        target,
        include_str!("../../sql/held_read.sql"),
        &[&migration, &step.as_str()],
    )?;
    // Partitioned tables take no unchecked keys: those run as they are, below.
    watch.begin("foreign keys", open.len() as u64, false);
    let mut failures = Vec::new();
    for key in open.iter().filter(|key| key.kind == "FK CONSTRAINT") {
        let Some((add, validate)) = unchecked(&key.sql) else {
            continue;
        };
        watch.doing(&key.object);
        // Added, and what is left to do is written down, in one transaction.
        let sql = format!(
            "BEGIN;\n{add}\nUPDATE pgl.held SET sql = {} WHERE migration = {} AND id = {};\nCOMMIT;",
            quote_literal(&validate),
            quote_literal(migration),
            key.id
        );
        if let Err(error) = target.batch(&sql) {
            if error.is_lost() {
                return Err(error.into());
            }
            target.rollback()?;
            failures.push(ObjectFailure::new(&key.object, &error));
        }
    }
    watch.end();
    if !failures.is_empty() {
        return Err(Error::Objects {
            side: pgl_core::Side::Target,
            what: format!("{} foreign keys could not be added", failures.len()),
            failures,
        });
    }
    schema::run(servers, target, migration, step, how, watch)
}
