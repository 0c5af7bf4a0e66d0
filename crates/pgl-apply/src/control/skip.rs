//! The transaction that stops the target: looked at on the source, left out on the target.

use pgl_conn::{Error as ConnError, Kind, Session};
use pgl_core::control::{Peeked, Transaction};
use pgl_core::{Lsn, Side, quote_literal};

use crate::Error;

/// How many changes are read at first, and then; all at last. A look reads whole transactions.
const READ: [Option<i32>; 3] = [Some(1), Some(10_000), None];
/// How many changes are shown.
const SHOWN: i32 = 200;

/// The first transaction behind `position` that has changes for these sets. Looks into a copy of the
/// slot, so that the slot may be in use; servers before 12 cannot copy one, and there nobody may
/// read it.
///
/// # Errors
/// The server's; [`Error::NotYet`] before 12 while the slot is read.
pub fn look(
    source: &mut Session,
    slot: &str,
    position: Lsn,
    sets: &[String],
) -> Result<Option<Transaction>, Error> {
    let copied = if source.version().at_least(12) {
        let name = format!("pgl_control_{}", source.backend_pid());
        source
            .query(
                include_str!("../../sql/control/copy_slot.sql"),
                &[&slot, &name],
            )
            .map_err(|error| error.with_context("copying the slot to look into it"))?;
        Some(name)
    } else {
        None
    };
    let found = peek(source, copied.as_deref().unwrap_or(slot), position, sets);
    if let Some(name) = copied
        && !source.is_closed()
    {
        source.query("SELECT pg_drop_replication_slot($1::text::name)", &[&name])?;
    }
    found.map_err(|error| {
        if error.is_sqlstate("55006") {
            Error::NotYet {
                side: Side::Source,
                what: format!("slot {slot} is being read"),
                hint: "the target tries once more just now; run this again".to_owned(),
            }
        } else {
            error.with_context("looking into the slot").into()
        }
    })
}

fn peek(
    source: &mut Session,
    slot: &str,
    position: Lsn,
    sets: &[String],
) -> Result<Option<Transaction>, ConnError> {
    let (position, sets) = (position.to_string(), sets.join(","));
    for read in READ {
        let peeked: Vec<Peeked> = pgl_catalog::rows(
            source,
            include_str!("../../sql/control/peek.sql"),
            &[&slot, &position, &sets, &read, &SHOWN],
        )?;
        if let Some(found) = Transaction::of(&peeked) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The statement that moves the position.
pub fn advance_sql(origin: &str, to: Lsn) -> String {
    format!(
        "SELECT pg_replication_origin_advance({}, '{to}')",
        quote_literal(origin)
    )
}

/// Moves the target's position to the end of a transaction, and reads it back. No worker may use the
/// origin.
///
/// # Errors
/// The server's; a refusal when the position is another one afterwards.
pub fn advance(target: &mut Session, origin: &str, to: Lsn) -> Result<(), Error> {
    target.batch(&advance_sql(origin, to))?;
    let now: Option<String> = target.value(
        "SELECT pg_replication_origin_progress($1, true)::text",
        &[&origin],
        "where the origin is",
    )?;
    if now.as_ref().and_then(|text| text.parse().ok()) == Some(to) {
        return Ok(());
    }
    Err(ConnError::new(
        Side::Target,
        Kind::Protocol,
        format!("origin {origin} is at {now:?} after it was moved to {to}"),
    )
    .into())
}
