//! The release of the new home: one transaction that stays open until everything is proven, with
//! foreign keys, triggers, settings and the note in it. Rolled back, nothing of it was there.

use pgl_conn::{Error, Session};
use pgl_core::QualifiedName;
use pgl_core::cutover::{Attempt, Closed};
use pgl_core::quote_literal;
use pgl_core::setup::StepId;
use pgl_core::setup::archive::unchecked;
use serde::Deserialize;

use super::{gate, note, wall};
use crate::journal;

#[derive(Deserialize)]
struct Held {
    id: u32,
    kind: String,
    object: String,
    sql: String,
}

#[derive(Deserialize)]
struct Quieted {
    object: String,
    sql: String,
}

/// The statements of a release, read before the pause.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Release {
    /// Foreign keys: what they are called, and what creates them.
    pub keys: Vec<(String, String)>,
    /// Triggers that come back.
    pub triggers: Vec<String>,
}

impl Release {
    /// Everything before the settings, as one script without BEGIN and COMMIT.
    fn script(&self) -> String {
        let mut sql = String::new();
        for statement in self.keys.iter().map(|(_, sql)| sql).chain(&self.triggers) {
            sql.push_str(statement.trim_end().trim_end_matches(';'));
            sql.push_str(";\n");
        }
        sql
    }

    /// The statements that promote, for the commit: write-block triggers of an earlier cutover are disabled, and an
    /// earlier attempt to leave this database (`left`) is undone.
    pub fn open_sql(
        migration: &str,
        closed: &Closed,
        walls: &[QualifiedName],
        attempt: &Attempt,
        left: Option<&Attempt>,
    ) -> String {
        format!(
            "{}{}{}{}",
            note::claimed(migration, &attempt.token),
            wall::disarm_sql(walls),
            gate::open_statements(migration, closed),
            note::promoted_sql(migration, attempt, left)
        )
    }
}

/// Reads what is held back for the release.
///
/// # Errors
/// The server's.
pub fn prepare(session: &mut Session, migration: &str) -> Result<Release, Error> {
    if !journal::exists(session)? {
        return Ok(Release::default());
    }
    let held: Vec<Held> = pgl_catalog::rows(
        session,
        include_str!("../../sql/held_read.sql"),
        &[&migration, &StepId::TargetForeignKeys.as_str()],
    )?;
    let mut release = Release::default();
    for one in held.into_iter().filter(|one| one.kind == "FK CONSTRAINT") {
        let own = quote_literal(migration);
        // Added unchecked where the server can, and what is left to do written down; partitioned
        // tables of older servers take only whole keys.
        let sql = match unchecked(&one.sql) {
            Some((add, validate)) => format!(
                "{add}\nUPDATE pgl.held SET sql = {} WHERE migration = {own} AND id = {}",
                quote_literal(&validate),
                one.id
            ),
            // Already added by an earlier run: only its check is left, for after the pause.
            None if one.sql.contains(" VALIDATE CONSTRAINT ") => continue,
            None => format!(
                "{};\nUPDATE pgl.held SET done = clock_timestamp() WHERE migration = {own} AND id = {}",
                one.sql.trim_end().trim_end_matches(';'),
                one.id
            ),
        };
        release.keys.push((one.object, sql));
    }
    let quieted: Vec<Quieted> = pgl_catalog::rows(
        session,
        include_str!("../../sql/cutover/quieted.sql"),
        &[&migration],
    )?;
    for one in quieted {
        release.triggers.push(format!(
            "{};\nUPDATE pgl.journal SET state = 'enabled' WHERE migration = {} AND step = 'target.triggers' AND object = {}",
            one.sql,
            quote_literal(migration),
            quote_literal(&one.object)
        ));
    }
    Ok(release)
}

/// Begins the transaction of the release and brings foreign keys and triggers in it.
///
/// # Errors
/// The server's; the transaction is rolled back then.
pub fn constraints(session: &mut Session, release: &Release) -> Result<(), Error> {
    let sql = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;\n{}{}",
        wall::quiet_sql(session),
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
