//! The promotion of the subscriber: one transaction that stays open until everything is proven, with
//! foreign keys, triggers, settings and the note in it. Rolled back, nothing of it was there.

use std::collections::HashMap;

use pgl_catalog::setup::trigger_states;
use pgl_conn::{Error, Session};
use pgl_core::QualifiedName;
use pgl_core::cutover::{Attempt, Closed, DisabledTrigger, ReplicaTrigger, TriggerState};
use pgl_core::journal::TRIGGERS;
use pgl_core::quote_literal;
use pgl_core::setup::StepId;
use pgl_core::setup::archive::{is_validation, unchecked};
use serde::Deserialize;

use super::{journal, read_only, write_block};
use crate::journal::{exists, forget};
use crate::quiet_ddl::quiet_sql;

#[derive(Deserialize)]
struct Held {
    id: u32,
    kind: String,
    object: String,
    sql: String,
}

#[derive(Deserialize)]
struct ForeignKey {
    label: String,
    table: String,
    name: String,
    definition: String,
    sql: String,
    comment: Option<String>,
}

/// The statements of a promotion, read before writes are blocked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PromotionPlan {
    /// Foreign keys: what they are called, and what creates them.
    pub keys: Vec<(String, String)>,
    /// Their comments, and what marks them in the journal.
    pub comments: Vec<String>,
    /// Triggers that come back.
    pub triggers: Vec<String>,
    /// Foreign keys that are not created as pgl-setup deferred them, as sentences.
    pub notes: Vec<String>,
}

impl PromotionPlan {
    /// Everything before the settings, as one script without BEGIN and COMMIT.
    fn script(&self) -> String {
        let mut sql = String::new();
        let keys = self.keys.iter().map(|(_, sql)| sql);
        for statement in keys.chain(&self.comments).chain(&self.triggers) {
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

/// Reads what is deferred until the promotion. Foreign keys, their comments and the triggers' states are the source's now.
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
    let (keys, there) = (foreign_keys(source)?, foreign_keys(session)?);
    let held: Vec<Held> = pgl_catalog::rows(
        session,
        include_str!("../../sql/held_read.sql"),
        &[&migration, &StepId::TargetForeignKeys.as_str()],
    )?;
    let mut plan = PromotionPlan::default();
    let own = quote_literal(migration);
    for mut one in held {
        let done = format!(
            "UPDATE pgl.held SET done = clock_timestamp() WHERE migration = {own} AND id = {}",
            one.id
        );
        if one.kind != "FK CONSTRAINT" {
            // The comment of a key, which comes with the key as the source has it.
            plan.comments.push(done);
            continue;
        }
        // Added by an earlier run: only its check is left, for after the write outage.
        let is_added = is_validation(&one.sql);
        let Some(key) = find(&keys, &one) else {
            if !is_added {
                plan.notes.push(format!(
                    "{}: not created, because the source does not have it any more",
                    one.object
                ));
                plan.keys.push((one.object, done));
            }
            continue;
        };
        plan.comments.extend(key.comment.clone());
        if let Some(here) = find(&there, &one) {
            if !is_added {
                let how = match here.definition == key.definition {
                    true => String::new(),
                    false => format!(", and it stays as it is there: {}", here.definition),
                };
                plan.notes
                    .push(format!("{}: the target has it already{how}", one.object));
                plan.keys.push((one.object, done));
            }
            continue;
        }
        let as_it_was = format!(" {};", key.definition);
        if is_added || !one.sql.trim_end().ends_with(&as_it_was) {
            plan.notes.push(format!(
                "{}: created as the source has it now: {}",
                one.object, key.definition
            ));
            one.sql.clone_from(&key.sql);
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
        plan.keys.push((one.object, sql));
    }
    plan.triggers = disabled_triggers(session, migration, Some(&trigger_states(source)?))?;
    Ok(plan)
}

/// The one of these that a deferred statement is about.
fn find<'a>(keys: &'a HashMap<String, Vec<ForeignKey>>, held: &Held) -> Option<&'a ForeignKey> {
    keys.get(&held.object)?.iter().find(|key| {
        let ForeignKey { table, name, .. } = key;
        let added = format!(" {table}\n    ADD CONSTRAINT {name} FOREIGN KEY (");
        held.sql.contains(&added)
            || (held.sql).ends_with(&format!(" {table} VALIDATE CONSTRAINT {name};\n"))
    })
}

/// By label.
fn foreign_keys(session: &mut Session) -> Result<HashMap<String, Vec<ForeignKey>>, Error> {
    // As pgl-setup lets pg_dump write them: a newer target reserves more words.
    session.batch("SET quote_all_identifiers = on")?;
    let keys: Vec<ForeignKey> = pgl_catalog::rows(
        session,
        include_str!("../../sql/cutover/foreign_keys.sql"),
        &[],
    )?;
    session.batch("RESET quote_all_identifiers")?;
    let mut by_label: HashMap<String, Vec<ForeignKey>> = HashMap::new();
    for key in keys {
        by_label.entry(key.label.clone()).or_default().push(key);
    }
    Ok(by_label)
}

/// The statements that give back their states to the triggers that are disabled because they fire for replicated rows: those that they have
/// on the other side (`there`), or had before where it has no such trigger. Without another side what was disabled a moment ago is meant.
///
/// # Errors
/// The server's.
pub fn disabled_triggers(
    session: &mut Session,
    migration: &str,
    there: Option<&[TriggerState]>,
) -> Result<Vec<String>, Error> {
    let enable = |one: DisabledTrigger| {
        let same = |other: &&TriggerState| {
            (&other.schema, &other.table, Some(&other.name))
                == (&one.schema, &one.table, one.name.as_ref())
        };
        let state = (there.into_iter().flatten())
            .find(same)
            .map_or(&one.enabled, |other| &other.enabled);
        let forget = forget(migration, &TRIGGERS.of(&one.object));
        match one.enable(state) {
            Some(sql) => format!("{sql};\n{forget}"),
            None => forget,
        }
    };
    let mut all = pgl_catalog::setup::disabled_triggers(session, migration)?;
    all.retain(|one| there.is_some() || !one.inherited);
    Ok(all.into_iter().map(enable).collect())
}

/// Begins the transaction of the release and brings foreign keys and triggers in it.
///
/// # Errors
/// The server's; the transaction is rolled back then.
pub fn constraints(session: &mut Session, release: &PromotionPlan) -> Result<(), Error> {
    let sql = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;\n{}{}",
        quiet_sql(session),
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
