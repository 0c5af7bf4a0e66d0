//! The wall around a home that is left: a trigger on each table that refuses every write, also of a
//! session that overrides the read-only setting. What was written there would be lost.
//!
//! It is an ordinary trigger, so pglogical's worker, which applies as a replica, passes it: replication
//! back goes on. It is built while the tables are locked, and committed before the new home is released: locks go
//! with their session, a trigger outlives a kill and a restart. To let everybody pass again only its function is
//! replaced, which waits for nobody; the triggers go later.

use pgl_conn::{Error, Kind, Session};
use pgl_core::QualifiedName;
use pgl_core::cutover::{unwall_sql, wall_sql};
use serde::Deserialize;

use super::{gate, note};

const WALL: &str = "wall";
const BUILDING: &str = "keeping writers out of the home that is left";
/// How long the removal of one trigger waits for whoever reads its table: writers wait behind it.
const CLEARING_MS: u32 = 150;
/// How often it is tried.
const CLEARING_TRIES: u32 = 4;

/// The triggers of one home.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wall {
    /// Tables that have one when it stands.
    tables: Vec<QualifiedName>,
    /// Those that have none yet.
    missing: Vec<QualifiedName>,
}

#[derive(Deserialize)]
struct Place {
    table: QualifiedName,
    there: bool,
}

impl Wall {
    /// The wall for these tables and what they are partitions of.
    ///
    /// # Errors
    /// The server's.
    pub fn plan(session: &mut Session, tables: &[QualifiedName]) -> Result<Self, Error> {
        let (schemas, names) = QualifiedName::split(tables);
        let places: Vec<Place> = pgl_catalog::rows(
            session,
            include_str!("../../sql/cutover/wall_tables.sql"),
            &[&schemas, &names],
        )?;
        let mut wall = Self::default();
        for place in places {
            if !place.there {
                wall.missing.push(place.table.clone());
            }
            wall.tables.push(place.table);
        }
        Ok(wall)
    }

    /// How many tables it has.
    pub fn len(&self) -> usize {
        self.tables.len()
    }

    /// Whether there is no table to keep anybody out of.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// The statements that build it, but for the function's.
    pub fn script(&self) -> Vec<String> {
        wall_sql(&self.missing)
    }

    /// Builds it in the transaction that the session is in, next to the locks that it holds. Nobody else
    /// meets it before [`Self::keep`].
    ///
    /// # Errors
    /// The server's. The transaction lives on with its locks and without the wall, but where the
    /// connection is lost.
    pub fn raise(&self, session: &mut Session) -> Result<(), Error> {
        session.batch("SAVEPOINT pgl_wall")?;
        let built = self.build(session);
        if let Err(error) = &built
            && !error.is_lost()
        {
            session.batch("ROLLBACK TO SAVEPOINT pgl_wall")?;
        }
        built
    }

    /// Commits what was built, with the list of its tables and `statements`: from here on the wall keeps
    /// writers out, and the locks go.
    ///
    /// # Errors
    /// The server's: nothing is committed then, unless the connection was lost.
    pub fn keep(
        &self,
        session: &mut Session,
        migration: &str,
        statements: &str,
    ) -> Result<(), Error> {
        let detail = serde_json::json!(self.tables).to_string();
        let row = note::statement(migration, WALL, WALL, &detail);
        session
            .batch(&format!("{row}{statements}COMMIT"))
            .map_err(|error| error.with_context(BUILDING))
    }

    /// Builds it in a transaction of its own, where that could not be done before; says whether it had to be. A
    /// home that is not closed, or has its wall, is left alone. Triggers alone are none: those of an attempt that
    /// was taken back let everything pass.
    ///
    /// # Errors
    /// The server's: nothing was built.
    pub fn build_afterwards(&self, session: &mut Session, migration: &str) -> Result<bool, Error> {
        let closed = gate::closed(session, migration)?.is_some();
        if !closed || self.is_empty() || (self.missing.is_empty() && refuses(session)?) {
            return Ok(false);
        }
        session.batch(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = '5s'",
        )?;
        let outcome = self
            .build(session)
            .and_then(|()| self.keep(session, migration, ""));
        if let Err(error) = &outcome
            && !error.is_lost()
        {
            session.rollback()?;
        }
        outcome.map(|()| true)
    }

    fn build(&self, session: &mut Session) -> Result<(), Error> {
        let function = include_str!("../../sql/cutover/wall_function.sql");
        let sql = format!("{function};\n{}", self.script().join(";\n"));
        session
            .batch(&sql)
            .map_err(|error| error.with_context(BUILDING))
    }
}

/// Whether the function that the triggers call refuses writes.
fn refuses(session: &mut Session) -> Result<bool, Error> {
    session.value(
        include_str!("../../sql/cutover/wall_refuses.sql"),
        &[],
        "whether the triggers of the wall refuse",
    )
}

/// Tables that have a trigger of the wall, whether it lets pass or not.
///
/// # Errors
/// The server's.
pub fn standing(session: &mut Session, migration: &str) -> Result<Vec<QualifiedName>, Error> {
    match note::read_object(session, migration, WALL)? {
        Some(text) => note::parse(session, &text),
        None => Ok(Vec::new()),
    }
}

/// The statement that lets everybody pass; empty where there is no wall.
pub(super) fn disarm_sql(walls: &[QualifiedName]) -> &'static str {
    if walls.is_empty() {
        ""
    } else {
        concat!(include_str!("../../sql/cutover/wall_disarm.sql"), ";\n")
    }
}

/// Takes the triggers of a disarmed wall away, one by one, where nobody reads their tables: they do no harm where
/// they stay, and the next attempt, or pgl-teardown, finds them in the journal.
pub fn clear(session: &mut Session, migration: &str, walls: &[QualifiedName]) {
    if walls.is_empty() {
        return;
    }
    let side = session.side();
    if let Err(error) = take_away(session, migration, walls) {
        let why = match error.kind {
            Kind::LockTimeout => "somebody reads or writes them".to_owned(),
            _ => error.to_string(),
        };
        log::warn!(
            "{side}: triggers pgl_refuse_write, which let everything pass now, stay on tables ({why}): \
             pgl-teardown removes them"
        );
    }
}

fn take_away(session: &mut Session, migration: &str, walls: &[QualifiedName]) -> Result<(), Error> {
    let statements = unwall_sql(walls);
    for (number, sql) in statements.iter().enumerate() {
        // The function goes last, and with it the list.
        let last = number + 1 == statements.len();
        let forget = if last {
            note::forget(migration, WALL)
        } else {
            String::new()
        };
        let script =
            format!("BEGIN; SET LOCAL lock_timeout = {CLEARING_MS};\n{sql};\n{forget}COMMIT");
        let mut tries = 1;
        while let Err(error) = session.batch(&script) {
            if error.is_lost() {
                return Err(error);
            }
            session.rollback()?;
            if error.kind != Kind::LockTimeout || tries == CLEARING_TRIES {
                return Err(error);
            }
            tries += 1;
        }
    }
    Ok(())
}
