//! One way from a statement to values: PostgreSQL writes each row as JSON, serde reads it.
//!
//! A `.sql` file yields columns named like the fields of a fact. Going through JSON text spares a
//! mapping for every type that the driver cannot read (numeric, regclass, interval, name arrays),
//! and works from 9.4 on, where `row_to_json` has long been there.

use std::collections::HashMap;

use pgl_conn::{Error, Kind, Row, Session, ToSql, field};
use serde::de::DeserializeOwned;

/// Runs a query and reads each row into a `T`.
///
/// # Errors
/// What the server says; [`Kind::Protocol`] for a row that does not have the form of a `T`.
pub fn rows<T: DeserializeOwned>(
    session: &mut Session,
    sql: &str,
    params: &[&(dyn ToSql + Sync)],
) -> Result<Vec<T>, Error> {
    // The line break ends a comment that may stand on the file's last line.
    let wrapped = format!(
        "SELECT pg_catalog.row_to_json(q)::pg_catalog.text FROM (\n{}\n) q",
        bare(sql)
    );
    let side = session.side();
    let mut out = Vec::new();
    for row in query(session, &wrapped, params)? {
        let text: String = field(side, &row, 0, "a row of the catalog")?;
        out.push(serde_json::from_str(&text).map_err(|error| unreadable(side, &error))?);
    }
    Ok(out)
}

/// Statements of [`gexec`] in one round trip. Their tables and sequences stay locked (not against anybody's use) until it
/// ends, and the server's planner takes more than linear time for many more.
const TOGETHER: usize = 250;

/// Runs the statements that a query writes, as psql's `\gexec` does, and reads their rows: so a statement can name
/// objects that another one has found. Again from the beginning where one of them is gone by then.
///
/// # Errors
/// As [`rows`].
pub(crate) fn gexec<T: DeserializeOwned>(
    session: &mut Session,
    sql: &str,
    params: &[&(dyn ToSql + Sync)],
) -> Result<Vec<T>, Error> {
    let gone = |error: &Error| GONE.iter().any(|state| error.is_sqlstate(state));
    retried(gone, || {
        let statements: Vec<String> = column(session, sql, params)?;
        let mut all = Vec::new();
        for some in statements.chunks(TOGETHER) {
            let each: Vec<String> = some.iter().map(|one| format!("({one})")).collect();
            all.extend(rows(session, &each.join("\nUNION ALL\n"), &[])?);
        }
        Ok(all)
    })
}

/// What the server says of a table or a schema that is not there.
const GONE: [&str; 2] = ["42P01", "3F000"];

/// How often a statement is tried whose objects vanish while it runs.
const TRIES: usize = 4;

/// Runs a query; again where a function in it looked at an object that was dropped since the statement began: for that
/// the server has internal errors only (`try_relation_open`, `SearchSysCache` callers).
fn query(
    session: &mut Session,
    sql: &str,
    params: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Error> {
    let vanished = |error: &Error| {
        error.is_sqlstate("XX000")
            && (error.message.contains("could not open relation with OID")
                || error.message.contains("cache lookup failed"))
    };
    retried(vanished, || session.query(sql, params))
}

/// Tries again what has failed because of what `vanished` sees. In a transaction that has failed nothing can be tried
/// again, and the first error stands.
fn retried<T>(
    vanished: impl Fn(&Error) -> bool,
    mut attempt: impl FnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    let mut result = attempt();
    for _ in 1..TRIES {
        if !matches!(&result, Err(error) if vanished(error)) {
            break;
        }
        match attempt() {
            Err(error) if error.is_sqlstate("25P02") => break,
            again => result = again,
        }
    }
    result
}

/// Runs a query that yields exactly one row.
///
/// # Errors
/// As [`rows`]; [`Kind::Protocol`] for another number of rows.
pub fn row<T: DeserializeOwned>(
    session: &mut Session,
    sql: &str,
    params: &[&(dyn ToSql + Sync)],
) -> Result<T, Error> {
    let mut all = rows(session, sql, params)?;
    match (all.pop(), all.len()) {
        (Some(only), 0) => Ok(only),
        (last, rest) => {
            let count = rest + usize::from(last.is_some());
            let message = format!("expected one row, got {count}");
            Err(Error::new(session.side(), Kind::Protocol, message))
        }
    }
}

/// Runs a query that yields one column, and reads it.
///
/// # Errors
/// As [`rows`].
pub(crate) fn column<T: DeserializeOwned>(
    session: &mut Session,
    sql: &str,
    params: &[&(dyn ToSql + Sync)],
) -> Result<Vec<T>, Error> {
    let found: Vec<HashMap<String, T>> = rows(session, sql, params)?;
    let side = session.side();
    let only = |row: HashMap<String, T>| match row.len() {
        1 => Ok(row.into_values()),
        count => Err(unreadable(side, &format!("{count} columns"))),
    };
    let values: Result<Vec<_>, Error> = found.into_iter().map(only).collect();
    Ok(values?.into_iter().flatten().collect())
}

fn unreadable(side: pgl_core::Side, error: &dyn std::fmt::Display) -> Error {
    Error::new(
        side,
        Kind::Protocol,
        format!("a catalog row has an unexpected form: {error}"),
    )
}

/// The statement without the semicolon that psql needs.
fn bare(sql: &str) -> &str {
    sql.trim_end().trim_end_matches(';')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_for_psql_lose_only_their_last_semicolon() {
        assert_eq!(bare("SELECT ';'\n;\n"), "SELECT ';'\n");
        assert_eq!(bare("SELECT 1"), "SELECT 1");
    }
}
