//! Schema `pgl`, checked before anything in it is read, written or executed.

use pgl_conn::{Error, Kind, Session};
use pgl_core::pgl_schema::{Aspect, PglSchema, SchemaFact, Untrusted, evaluate, own};

use crate::rows;

/// What is looked at once per session: where the schema exists, only this role and superusers can change what was found.
/// One that does not exist yet may be anybody's the next time.
const PGL: &str = "schema pgl can be used";
const PGLOGICAL: &str = "schema pglogical is nobody else's";

/// Checks schema `pgl` of the database that this session is connected to.
///
/// # Errors
/// The server's; [`Kind::Refused`] for a schema that other roles own, can write to or have attached something to.
pub fn check(session: &mut Session) -> Result<PglSchema, Error> {
    let facts = facts(session)?;
    evaluate(&facts).map_err(|found| refused(session, found))
}

/// Goes on only where nobody else can put functions into schema `pglogical`: the entry of every call of one.
///
/// # Errors
/// The server's; [`Kind::Refused`].
pub fn pglogical(session: &mut Session) -> Result<(), Error> {
    if session.has_established(PGLOGICAL) {
        return Ok(());
    }
    let facts = facts(session)?;
    pgl_core::pgl_schema::pglogical(&facts).map_err(|found| refused(session, found))
}

/// Whether its tables can be used, for those who only report: where another role could have written there, they cannot.
///
/// # Errors
/// As [`pglogical`].
pub fn readable(session: &mut Session) -> Result<bool, Error> {
    pglogical(session)?;
    Ok(session.has_established(PGL) || own(&facts(session)?) == Ok(PglSchema::Usable))
}

fn facts(session: &mut Session) -> Result<Vec<SchemaFact>, Error> {
    let facts = rows(session, sql!("pgl_schema"), &[])?;
    let exists = |fact: &SchemaFact| fact.aspect == Aspect::PglogicalExists;
    if pgl_core::pgl_schema::pglogical(&facts).is_ok() && facts.iter().any(exists) {
        session.establish(PGLOGICAL);
    }
    if evaluate(&facts) == Ok(PglSchema::Usable) {
        session.establish(PGL);
    }
    Ok(facts)
}

fn refused(session: &Session, found: Untrusted) -> Error {
    let side = session.side();
    Error::new(side, Kind::Refused, format!("{side}: {}", found.what)).with_hint(found.hint)
}

/// Whether its tables can be used: the entry of every statement on them.
///
/// # Errors
/// As [`check`].
pub fn usable(session: &mut Session) -> Result<bool, Error> {
    Ok(session.has_established(PGL) || check(session)? == PglSchema::Usable)
}

/// Goes on only where its tables can be used.
///
/// # Errors
/// As [`check`]; also [`Kind::Refused`] where the schema or a table of it is missing.
pub fn require(session: &mut Session) -> Result<(), Error> {
    if usable(session)? {
        return Ok(());
    }
    let side = session.side();
    Err(Error::new(
        side,
        Kind::Refused,
        format!("schema pgl does not exist in the {side} database, or is not complete"),
    )
    .with_hint(format!("pgl-setup --step {side}.marker creates it")))
}
