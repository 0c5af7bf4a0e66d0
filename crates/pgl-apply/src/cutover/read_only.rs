//! Closing a database to writers, and opening it again, each in one commit with its note.

use pgl_conn::{Error, Session};
use pgl_core::cutover::{
    Closed, ReadOnlyOverride, ReadOnlySettings, SKIPPED_ROLE, close_sql, open_sql,
};
use pgl_core::journal::CLOSED;
use serde::Deserialize;

use super::write_block;
use crate::journal::{forget, read, statement, written_at};

/// How a database was before we closed it, if we have.
///
/// # Errors
/// The server's.
pub fn closed(session: &mut Session, migration: &str) -> Result<Option<Closed>, Error> {
    read(session, migration, &CLOSED)?
        .map(|stored| pgl_catalog::renamed(session, stored))
        .transpose()
}

fn overrides(session: &mut Session) -> Result<Vec<ReadOnlyOverride>, Error> {
    pgl_catalog::rows(
        session,
        include_str!("../../sql/cutover/overrides.sql"),
        &[],
    )
}

#[derive(Deserialize)]
struct ServerDefault {
    server: Option<bool>,
    may_read_files: bool,
    logins: Vec<String>,
}

#[derive(Deserialize)]
struct InFile {
    server: bool,
}

/// Who is read-only on both sides by settings that are not ours: each side comes with what is stored of it.
///
/// # Errors
/// The servers'.
pub fn read_only_settings(
    (old, closed_old): (&mut Session, &Closed),
    (new, closed_new): (&mut Session, &Closed),
) -> Result<(ReadOnlySettings, ReadOnlySettings), Error> {
    let on_old = closed_old.after_opening(overrides(old)?);
    let on_new = closed_new.after_opening(overrides(new)?);
    let roles: Vec<String> = on_old
        .iter()
        .chain(&on_new)
        .filter_map(|one| one.role.clone())
        .collect();
    Ok((
        read_only_of(old, closed_old, on_old, &roles)?,
        read_only_of(new, closed_new, on_new, &roles)?,
    ))
}

fn read_only_of(
    session: &mut Session,
    closed: &Closed,
    overrides: Vec<ReadOnlyOverride>,
    roles: &[String],
) -> Result<ReadOnlySettings, Error> {
    let found: ServerDefault = pgl_catalog::row(
        session,
        include_str!("../../sql/cutover/default_read_only.sql"),
        &[&roles],
    )?;
    let mut server = found.server;
    if server.is_none() && found.may_read_files {
        let in_file: Vec<InFile> = pgl_catalog::rows(
            session,
            include_str!("../../sql/cutover/file_read_only.sql"),
            &[],
        )?;
        server = in_file.first().map(|one| one.server);
    }
    Ok(ReadOnlySettings {
        side: session.side(),
        database: closed.database.clone(),
        overrides,
        // What no right allows to see is not claimed.
        server: server.unwrap_or(false),
        logins: found.logins,
    })
}

/// What there is to be stored and changed. Where the database is read-only already, what was stored
/// then stays; settings that somebody made since then are added, because each of them would let its
/// role write.
///
/// # Errors
/// The server's.
pub fn plan_close(session: &mut Session, migration: &str) -> Result<Closed, Error> {
    let overrides = overrides(session)?;
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
    let sql = format!(
        "BEGIN;\n{}{with}{};\nCOMMIT;",
        statement(migration, &CLOSED, plan),
        close_sql(plan).join(";\n")
    );
    run(session, &sql, "closing the database to writers")?;
    warn_of_skipped_roles(session);
    Ok(())
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
        forget(migration, &CLOSED)
    )
}

/// Opens the database if we have closed it; `with` goes into the same commit. Says whether it was
/// closed.
///
/// It waits for nobody: write-block triggers are disabled by that commit, and are dropped afterwards if nobody reads
/// their tables.
///
/// # Errors
/// The server's: nothing is changed then.
pub fn open(session: &mut Session, migration: &str, with: &str) -> Result<bool, Error> {
    let found = closed(session, migration)?;
    let write_block = write_block::blocked_tables(session, migration)?;
    let mut opening = write_block::disable_sql(&write_block).to_owned();
    if let Some(plan) = &found {
        opening.push_str(&open_statements(migration, plan));
    }
    if opening.is_empty() && with.is_empty() {
        return Ok(false);
    }
    let at = match found {
        Some(_) => written_at(session, migration, &CLOSED)?,
        None => None,
    };
    let quiet = crate::quiet_ddl::quiet_sql(session);
    let sql = format!("BEGIN;\n{quiet}{opening}{with}COMMIT;");
    run(session, &sql, "opening the database to writers")?;
    warn_of_skipped_roles(session);
    if let Some(at) = at {
        end_since(session, &at)?;
    }
    write_block::clear(session, migration, &write_block);
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

fn warn_of_skipped_roles(session: &mut Session) {
    for skipped in skipped_roles(session) {
        log::warn!("{}: {skipped}", session.side());
    }
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
