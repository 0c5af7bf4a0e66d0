//! Rows from one side to the other, counted on the way: the one loop that every copy of this crate
//! runs, in whichever direction.

use std::io::{BufRead, Write};

use pgl_conn::{Error as ConnError, Session};
use pgl_core::setup::copy::Task;

use super::rows::Counter;
use super::statement::{Freeze, copy_in, copy_out};
use crate::Watch;

/// What went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Streamed {
    /// Rows that were sent.
    pub(crate) sent: u64,
    /// Rows that were taken.
    pub(crate) taken: u64,
    /// Bytes.
    pub(crate) bytes: u64,
}

/// The encoding in which rows leave this database: its own, so that it converts nothing. In UTF-8 a
/// SQL_ASCII database refuses bytes that are not UTF-8, and a WIN1252 one those that mean nothing there;
/// both may be stored and have to arrive as they are.
///
/// # Errors
/// The server's.
pub fn encoding(from: &mut Session) -> Result<String, ConnError> {
    from.value(
        "SELECT pg_catalog.pg_encoding_to_char(d.encoding)::text FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()",
        &[],
        "the database's encoding",
    )
}

/// Streams a task's rows in the transactions that both sessions are in.
///
/// # Errors
/// The servers', on the side where they happened.
pub(crate) fn stream(
    from: &mut Session,
    to: &mut Session,
    task: &Task,
    encoding: &str,
    freeze: Freeze,
    watch: &dyn Watch,
) -> Result<Streamed, ConnError> {
    let mut counter = Counter::new(task.form);
    let mut bytes = 0_u64;
    let (left, right) = (from.side(), to.side());
    let mut from = from.copy_out(&copy_out(task, encoding))?;
    let mut into = to.copy_in(&copy_in(task, encoding, freeze))?;
    loop {
        let length = {
            let piece = from
                .fill_buf()
                .map_err(|error| ConnError::from_io(left, error))?;
            if piece.is_empty() {
                break;
            }
            counter.pass(piece);
            into.write_all(piece)
                .map_err(|error| ConnError::from_io(right, error))?;
            piece.len()
        };
        from.consume(length);
        bytes += length as u64;
        watch.add(length as u64);
    }
    let taken = into.finish()?;
    Ok(Streamed {
        sent: counter.rows(),
        taken,
        bytes,
    })
}
