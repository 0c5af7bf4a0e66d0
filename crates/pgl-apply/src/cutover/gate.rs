//! Closing a database to writers, and opening it again, each in one commit with its note.

use pgl_conn::{Error, Session};
use pgl_core::cutover::{Closed, Override, SKIPPED_ROLE, close_sql, open_sql};

use super::{note, wall};

pub(super) const CLOSED: &str = "closed";

/// How a database was before we closed it, if we have.
///
/// # Errors
/// The server's.
pub fn closed(session: &mut Session, migration: &str) -> Result<Option<Closed>, Error> {
    match note::read_object(session, migration, CLOSED)? {
        Some(text) => note::parse(session, &text).map(Some),
        None => Ok(None),
    }
}

/// What there is to be stored and changed. Where the database is read-only already, what was stored
/// then stays; settings that somebody made since then are added, because each of them would let its
/// role write.
///
/// # Errors
/// The server's.
pub fn plan_close(session: &mut Session, migration: &str) -> Result<Closed, Error> {
    let overrides: Vec<Override> = pgl_catalog::rows(
        session,
        include_str!("../../sql/cutover/overrides.sql"),
        &[],
    )?;
    if let Some(before) = closed(session, migration)? {
        let there: Vec<String> = session.value(
            "SELECT ARRAY(SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname::text = ANY ($1::text[]))",
            &[&before.role_names()],
            "roles with settings of their own",
        )?;
        return Ok(before.with_roles(&there).with_new(overrides));
    }
    let database: String = session.value(
        "SELECT current_database()::text",
        &[],
        "the database's name",
    )?;
    Ok(Closed {
        database,
        overrides,
    })
}

/// Closes the database; `with` goes into the same commit.
///
/// # Errors
/// The server's: nothing is changed then.
pub fn close(
    session: &mut Session,
    migration: &str,
    plan: &Closed,
    with: &str,
) -> Result<(), Error> {
    let detail = serde_json::json!(plan).to_string();
    let sql = format!(
        "BEGIN;\n{}{with}{};\nCOMMIT;",
        note::statement(migration, CLOSED, CLOSED, &detail),
        close_sql(plan).join(";\n")
    );
    run(session, &sql, "closing the database to writers")
}

/// When the database was closed, if it is, by its own clock.
///
/// # Errors
/// The server's.
pub fn closed_at(session: &mut Session, migration: &str) -> Result<Option<String>, Error> {
    session.value_opt(
        "SELECT at::text FROM pgl.journal WHERE migration = $1 AND step = $2 AND object = $3",
        &[&migration, &pgl_core::cutover::STEP, &CLOSED],
        "when the database was closed",
    )
}

/// Ends sessions that began while the database was closed: a session keeps the setting that it began
/// with, and a pool of connections would go on being refused for hours.
///
/// # Errors
/// The server's.
pub fn end_since(session: &mut Session, at: &str) -> Result<u64, Error> {
    session.count(
        include_str!("../../sql/cutover/end_since.sql"),
        &[&at],
        "how many sessions were ended",
    )
}

/// The statements that open a database that was closed as `plan` says, without BEGIN and COMMIT.
pub(super) fn open_statements(migration: &str, plan: &Closed) -> String {
    format!(
        "{};\n{}",
        open_sql(plan).join(";\n"),
        note::forget(migration, CLOSED)
    )
}

/// Opens the database if we have closed it; `with` goes into the same commit. Says whether it was
/// closed.
///
/// It waits for nobody: a wall is disarmed by that commit, and its triggers go afterwards if nobody reads
/// their tables.
///
/// # Errors
/// The server's: nothing is changed then.
pub fn open(session: &mut Session, migration: &str, with: &str) -> Result<bool, Error> {
    let found = closed(session, migration)?;
    let walls = wall::standing(session, migration)?;
    let mut opening = wall::disarm_sql(&walls).to_owned();
    if let Some(plan) = &found {
        opening.push_str(&open_statements(migration, plan));
    }
    if opening.is_empty() && with.is_empty() {
        return Ok(false);
    }
    let at = match found {
        Some(_) => closed_at(session, migration)?,
        None => None,
    };
    let quiet = wall::quiet_sql(session);
    let sql = format!("BEGIN;\n{quiet}{opening}{with}COMMIT;");
    run(session, &sql, "opening the database to writers")?;
    for skipped in skipped_roles(session) {
        log::warn!("{}: {skipped}", session.side());
    }
    if let Some(at) = at {
        end_since(session, &at)?;
    }
    wall::clear(session, migration, &walls);
    Ok(found.is_some())
}

/// What the server has said about roles that were dropped while the database was read-only.
pub fn skipped_roles(session: &mut Session) -> Vec<String> {
    let notices = session.notices().into_iter();
    notices
        .filter(|notice| notice.sqlstate == SKIPPED_ROLE)
        .map(|notice| notice.message)
        .collect()
}

fn run(session: &mut Session, sql: &str, what: &str) -> Result<(), Error> {
    session.batch(sql).map_err(|error| {
        if !error.is_lost()
            && let Err(second) = session.rollback()
        {
            log::warn!("{second}");
        }
        error.with_context(what)
    })
}
