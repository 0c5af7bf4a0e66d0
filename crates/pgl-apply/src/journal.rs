//! The journal in schema `pgl`: what has been done in this database, row by row.

use pgl_conn::{Error, Session};
use pgl_core::cutover::IdentityPair;
use pgl_core::journal::{Key, PAIR, PARTS};
use pgl_core::quote_literal;
use serde::Serialize;

pub use pgl_catalog::journal::{all, read, written_at};
pub use pgl_catalog::pgl_schema::usable as exists;

/// Records in both journals which two databases the migration is between.
///
/// # Errors
/// The servers'.
pub fn keep_pair(source: &mut Session, target: &mut Session, migration: &str) -> Result<(), Error> {
    let (one, two) = (
        pgl_catalog::identity(source)?,
        pgl_catalog::identity(target)?,
    );
    for session in [source, target] {
        if !exists(session)? {
            continue;
        }
        let kept = read(session, migration, &PAIR)?;
        // What one role knows of a cluster is not replaced by what another may not read.
        if !kept.is_some_and(|kept| kept.source.same(&one) && kept.target.same(&two)) {
            let pair = IdentityPair {
                side: session.side(),
                source: one.clone(),
                target: two.clone(),
            };
            write(session, migration, &PAIR, &pair)?;
        }
    }
    Ok(())
}

/// Writes a row, replacing an earlier one.
///
/// # Errors
/// The server's.
pub fn write<T: Serialize>(
    session: &mut Session,
    migration: &str,
    key: &Key<T>,
    detail: &T,
) -> Result<(), Error> {
    session.batch(&statement(migration, key, detail))
}

/// The statements that write a row, for a transaction that does more.
pub fn statement<T: Serialize>(migration: &str, key: &Key<T>, detail: &T) -> String {
    let detail = serde_json::json!(detail).to_string();
    let values = [migration, key.step, &key.object, &detail].map(quote_literal);
    format!(
        "{}INSERT INTO pgl.journal (migration, step, object, detail) VALUES ({});\n",
        forget(migration, key),
        values.join(", ")
    )
}

/// The statement that removes a row.
pub fn forget<T>(migration: &str, key: &Key<T>) -> String {
    format!("DELETE FROM pgl.journal WHERE {};\n", is(migration, key))
}

/// The statement that removes what is recorded of the copy of a table, which is written as in SQL.
pub fn forget_parts(migration: &str, table: &str) -> String {
    let [migration, step, table] = [migration, PARTS.step, table].map(quote_literal);
    format!(
        "DELETE FROM pgl.journal WHERE migration = {migration} AND step = {step} AND (detail ->> 'table') = {table};\n"
    )
}

/// The condition that a row is the one of this key.
pub(crate) fn is<T>(migration: &str, key: &Key<T>) -> String {
    let [migration, step, object] = [migration, key.step, &key.object].map(quote_literal);
    format!("migration = {migration} AND step = {step} AND object = {object}")
}
