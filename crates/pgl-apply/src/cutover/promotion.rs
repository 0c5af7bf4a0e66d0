//! The promotion of the subscriber: one transaction that stays open until everything is proven, with
//! foreign keys, triggers, settings and the note in it. Rolled back, nothing of it was there.

use std::collections::HashMap;

use pgl_conn::{Error, Session};
use pgl_core::QualifiedName;
use pgl_core::cutover::{Attempt, Closed, ReplicaTrigger};
use pgl_core::journal::TRIGGERS;
use pgl_core::quote_literal;
use pgl_core::setup::StepId;
use pgl_core::setup::archive::unchecked;
use serde::Deserialize;

use super::{journal, read_only, write_block};
use crate::journal::{exists, forget};

#[derive(Deserialize)]
struct Held {
    id: u32,
    kind: String,
    object: String,
    sql: String,
}

/// A foreign key of the source.
#[derive(Deserialize)]
struct SourceKey {
    label: String,
    definition: String,
    sql: String,
}

#[derive(Deserialize)]
struct Quieted {
    object: String,
    sql: String,
}

/// The statements of a promotion, read before writes are blocked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PromotionPlan {
    /// Foreign keys: what they are called, and what creates them.
    pub keys: Vec<(String, String)>,
    /// Triggers that come back.
    pub triggers: Vec<String>,
    /// Foreign keys that are not created as pgl-setup deferred them, because the source has changed them, as sentences.
    pub notes: Vec<String>,
}

impl PromotionPlan {
    /// Everything before the settings, as one script without BEGIN and COMMIT.
    fn script(&self) -> String {
        let mut sql = String::new();
        for statement in self.keys.iter().map(|(_, sql)| sql).chain(&self.triggers) {
            sql.push_str(statement.trim_end().trim_end_matches(';'));
            sql.push_str(";\n");
        }
        sql
    }

    /// Whether the promotion itself enables it: its own session sees that before the commit.
    pub fn enables(&self, trigger: &ReplicaTrigger) -> bool {
        let its = format!("{};\n", trigger.enable);
        self.triggers.iter().any(|sql| sql.starts_with(&its))
    }

    /// The statements that promote, for the commit: write-block triggers of an earlier cutover are disabled, and an
    /// earlier attempt to leave this database (`left`) is undone.
    pub fn open_sql(
        migration: &str,
        closed: &Closed,
        write_block: &[QualifiedName],
        attempt: &Attempt,
        left: Option<&Attempt>,
    ) -> String {
        format!(
            "{}{}{}{}",
            journal::claimed(migration, attempt),
            write_block::disable_sql(write_block),
            read_only::open_statements(migration, closed),
            journal::promoted_sql(migration, attempt, left)
        )
    }
}

/// Reads what is deferred until the promotion. Foreign keys are created as the source has them now.
///
/// # Errors
/// The servers'.
pub fn prepare(
    source: &mut Session,
    session: &mut Session,
    migration: &str,
) -> Result<PromotionPlan, Error> {
    if !exists(session)? {
        return Ok(PromotionPlan::default());
    }
    // As pgl-setup lets pg_dump write them: a newer target reserves more words.
    source.batch("SET quote_all_identifiers = on")?;
    let keys: Vec<SourceKey> = pgl_catalog::rows(
        source,
        include_str!("../../sql/cutover/foreign_keys.sql"),
        &[],
    )?;
    source.batch("SET quote_all_identifiers = off")?;
    let keys: HashMap<&str, &SourceKey> =
        keys.iter().map(|key| (key.label.as_str(), key)).collect();
    let held: Vec<Held> = pgl_catalog::rows(
        session,
        include_str!("../../sql/held_read.sql"),
        &[&migration, &StepId::TargetForeignKeys.as_str()],
    )?;
    let mut release = PromotionPlan::default();
    for mut one in held.into_iter().filter(|one| one.kind == "FK CONSTRAINT") {
        let own = quote_literal(migration);
        // Already added by an earlier run: only its check is left, for after the write outage.
        if one.sql.contains(" VALIDATE CONSTRAINT ") {
            continue;
        }
        let done = format!(
            "UPDATE pgl.held SET done = clock_timestamp() WHERE migration = {own} AND id = {}",
            one.id
        );
        match keys.get(one.object.as_str()) {
            None => {
                release.notes.push(format!(
                    "{}: not created, because the source does not have it any more",
                    one.object
                ));
                release.keys.push((one.object, done));
                continue;
            }
            Some(key)
                if !one
                    .sql
                    .trim_end()
                    .ends_with(&format!(" {};", key.definition)) =>
            {
                release.notes.push(format!(
                    "{}: created as the source has it now: {}",
                    one.object, key.definition
                ));
                one.sql.clone_from(&key.sql);
            }
            Some(_) => {}
        }
        // Added unchecked where the server can, and what is left to do written down; partitioned
        // tables of older servers take only whole keys.
        let sql = match unchecked(&one.sql) {
            Some((add, validate)) => format!(
                "{add}\nUPDATE pgl.held SET sql = {} WHERE migration = {own} AND id = {}",
                quote_literal(&validate),
                one.id
            ),
            None => format!("{};\n{done}", one.sql.trim_end().trim_end_matches(';')),
        };
        release.keys.push((one.object, sql));
    }
    release.triggers = disabled_triggers(session, migration)?;
    Ok(release)
}

/// The statements that enable the triggers again that are disabled because they fire for replicated rows.
///
/// # Errors
/// The server's.
pub fn disabled_triggers(session: &mut Session, migration: &str) -> Result<Vec<String>, Error> {
    let quieted: Vec<Quieted> = pgl_catalog::rows(
        session,
        include_str!("../../sql/cutover/quieted.sql"),
        &[&migration],
    )?;
    let enable = |one: Quieted| {
        format!(
            "{};\n{}",
            one.sql,
            forget(migration, &TRIGGERS.of(&one.object))
        )
    };
    Ok(quieted.into_iter().map(enable).collect())
}

/// Begins the transaction of the release and brings foreign keys and triggers in it.
///
/// # Errors
/// The server's; the transaction is rolled back then.
pub fn constraints(session: &mut Session, release: &PromotionPlan) -> Result<(), Error> {
    let sql = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;\n{}{}",
        write_block::quiet_sql(session),
        release.script()
    );
    session.batch(&sql).map_err(|error| {
        if !error.is_lost()
            && let Err(second) = session.rollback()
        {
            log::warn!("{second}");
        }
        error.with_context("adding foreign keys and triggers")
    })
}
