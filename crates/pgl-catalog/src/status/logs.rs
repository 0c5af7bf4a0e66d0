//! The end of a server log, through SQL, where the role may read files of the server.

use pgl_conn::{Error, Kind, Session};
use pgl_core::status::facts::Log;
use pgl_core::status::log::entries;
use serde::Deserialize;

use crate::{column, rows};

/// How much of the log is read.
const TAIL: i64 = 512 * 1024;

/// Where the server's standard error goes, seen from one of its own processes. Where that is a
/// plain file (`pg_ctl -l`, Debian's `pg_ctlcluster`), it is the log.
const STANDARD_ERROR: &str = "/proc/self/fd/2";

#[derive(Deserialize, Default)]
struct File {
    path: Option<String>,
    data_directory: Option<String>,
}

/// The last part of the server's log with all passwords removed, or why it cannot be read.
///
/// # Errors
/// The server's, except those of reading the log itself.
pub fn tail(session: &mut Session) -> Result<Log, Error> {
    let mut log = Log {
        place: "the server's log".to_owned(),
        ..Log::default()
    };
    match read(session, &mut log) {
        Ok(()) => {}
        Err(error) if matches!(error.kind, Kind::Denied | Kind::Server) => {
            log.unread = Some(error.message.clone());
        }
        Err(error) => return Err(error),
    }
    Ok(log)
}

fn read(session: &mut Session, log: &mut Log) -> Result<(), Error> {
    let mut path = STANDARD_ERROR.to_owned();
    if session.version().at_least(10) {
        let file: File = rows(session, sql!("status/log_file"), &[])?
            .pop()
            .unwrap_or_default();
        let directory = file.data_directory;
        if let Some(name) = file.path {
            log.place = match (&directory, name.starts_with('/')) {
                (Some(directory), false) => format!("{directory}/{name}"),
                _ => name.clone(),
            };
            path = name;
        } else if let Some(directory) = directory {
            log.place = format!(
                "the file or journal that takes the standard error of the server in {directory} \
                 (Debian: under /var/log/postgresql)"
            );
        }
    }
    let sql = sql!("status/log_size");
    let size: Option<Option<i64>> = column(session, sql, &[&path])?.pop();
    // A pipe, a socket and a terminal have no size, and reading one would wait for ever.
    let size = size.flatten().unwrap_or(0);
    if size == 0 {
        log.unread = Some("the server's standard error is not a file".to_owned());
        return Ok(());
    }
    let from = (size - TAIL).max(0);
    let sql = sql!("status/log_read");
    let bytes: Option<Option<Vec<u8>>> =
        session.value_opt(sql, &[&path, &from, &TAIL], "the end of the server's log")?;
    let bytes = bytes.flatten();
    // Lines of several databases stand in one log, each in its own encoding.
    let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
    log.tail = Some(entries(&text).join("\n"));
    log.now = column(session, sql!("status/log_now"), &[])?.pop();
    Ok(())
}
