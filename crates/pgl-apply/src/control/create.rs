//! A table created on the target as the source has it: with its keys, indexes, constraints and
//! triggers, but for foreign keys, which wait for the cutover like everybody's.

use pgl_conn::{Error as ConnError, Session};
use pgl_core::quote_literal;
use pgl_core::setup::StepId;
use pgl_core::setup::archive::{SESSION, Work};
use serde::Deserialize;

#[derive(Deserialize)]
struct Next {
    id: u32,
}

/// What is run now, in order, and what is held back.
fn parts(work: &[Work]) -> (Vec<&Work>, Vec<&Work>) {
    let (held, mut now): (Vec<&Work>, Vec<&Work>) = work
        .iter()
        .partition(|item| item.step == StepId::TargetForeignKeys);
    // The archive's order, but a partition is attached after its own keys and indexes exist: they
    // become parts of its parent's then, where attaching an empty one would make others.
    now.sort_by_key(|item| match item.entry.kind.as_str() {
        "TABLE ATTACH" => 1,
        "INDEX ATTACH" => 2,
        kind if kind.ends_with("TRIGGER") => 3,
        _ => 0,
    });
    (now, held)
}

/// The statements that create it, for people.
pub fn statements(work: &[Work]) -> Vec<String> {
    let (now, held) = parts(work);
    let held = held
        .into_iter()
        .map(|item| format!("-- deferred until the cutover: {}", item.entry.sql.trim()));
    now.into_iter()
        .map(|item| item.entry.sql.trim().to_owned())
        .chain(held)
        .collect()
}

/// Creates it in one transaction with `note`.
///
/// # Errors
/// The server's: a type, a function, a schema or a role that the target lacks.
pub fn create(
    target: &mut Session,
    migration: &str,
    work: &[Work],
    note: &str,
) -> Result<(), ConnError> {
    target.batch("BEGIN")?;
    match target.with_views(true, |target| inside(target, migration, work, note)) {
        Err(error) if !error.is_lost() => target.rollback().and(Err(error)),
        other => other,
    }
}

fn inside(
    target: &mut Session,
    migration: &str,
    work: &[Work],
    note: &str,
) -> Result<(), ConnError> {
    let (now, held) = parts(work);
    target.batch(SESSION)?;
    target.batch(&format!(
        "SET LOCAL pgl.migration = {}",
        quote_literal(migration)
    ))?;
    for item in now {
        target
            .batch(&item.entry.sql)
            .map_err(|error| error.with_context(format!("creating {}", item.entry.label())))?;
        if item.entry.kind.ends_with("TRIGGER") {
            target.batch(include_str!("../../sql/quiet_triggers.sql"))?;
        }
    }
    let next: Next = pgl_catalog::row(
        target,
        include_str!("../../sql/control/held_next.sql"),
        &[&migration],
    )?;
    for (id, item) in (next.id..).zip(held) {
        // The numbers of another archive say nothing here: nothing is waited for.
        let [migration, step, kind, object, sql] = [
            migration,
            item.step.as_str(),
            &item.entry.kind,
            &item.entry.label(),
            &item.entry.sql,
        ]
        .map(quote_literal);
        // One of a table of this name that was dropped since.
        target.batch(&format!(
            "DELETE FROM pgl.held WHERE migration = {migration} AND kind = {kind} AND object = {object} AND done IS NULL"
        ))?;
        target.batch(&format!(
            "INSERT INTO pgl.held (migration, id, place, step, kind, object, sql, depends, bytes) \
             VALUES ({migration}, {id}, {id}, {step}, {kind}, {object}, {sql}, '{{}}', {})",
            item.bytes
        ))?;
    }
    target.batch(note)?;
    target.commit()
}
