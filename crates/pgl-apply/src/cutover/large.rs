//! Large objects, which are not decoded from the WAL: copied before the pause, and what has changed
//! since copied again within it.
//!
//! An object keeps its number, owner, rights and comment. One that the provider does not have any more is
//! removed only where the journal says that we brought it.

use std::collections::{BTreeMap, BTreeSet};

use pgl_conn::{Error as ConnError, Kind, Session, field};
use pgl_core::database_properties::Grant;
use pgl_core::journal::LARGE_OBJECTS;
use pgl_core::{quote_ident, quote_literal};
use serde::Deserialize;

use super::not_ended;
use crate::grant::grant_sql;
use crate::journal::{all, forget, statement};
use crate::{Error, Watch};

/// What is read and written at once; `large_objects.sql` takes pieces of the same size.
const PIECE: i32 = 1 << 20;
/// Objects in one transaction of the subscriber.
const AT_ONCE: usize = 100;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Large {
    oid: u32,
    owner: String,
    /// Null for those of a new one.
    acl: Option<Vec<Grant>>,
    comment: Option<String>,
    bytes: i64,
    digest: String,
}

/// By number.
type List = BTreeMap<u32, Large>;

/// What was carried over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carried {
    /// Objects of the provider.
    pub all: usize,
    /// Objects that were written.
    pub written: usize,
    /// Objects that were removed.
    pub removed: usize,
    /// Bytes that travelled.
    pub bytes: u64,
}

/// How many there are.
fn count(session: &mut Session) -> Result<u64, ConnError> {
    #[derive(Deserialize)]
    struct Count {
        many: u64,
    }
    let sql = include_str!("../../sql/cutover/large_objects_count.sql");
    pgl_catalog::row(session, sql, &[]).map(|count: Count| count.many)
}

/// Whether this session may lock the table that holds them all.
///
/// # Errors
/// The server's.
pub fn lockable(session: &mut Session) -> Result<bool, ConnError> {
    session.value(
        "SELECT pg_catalog.has_table_privilege('pg_catalog.pg_largeobject', 'UPDATE')",
        &[],
        "whether pg_largeobject may be locked",
    )
}

fn list(session: &mut Session) -> Result<List, ConnError> {
    let sql = include_str!("../../sql/cutover/large_objects.sql");
    let all: Vec<Large> = pgl_catalog::rows(session, sql, &[])
        .map_err(|error| error.with_context("reading the large objects"))?;
    Ok(all.into_iter().map(|one| (one.oid, one)).collect())
}

/// Makes the subscriber's large objects those of the provider.
///
/// # Errors
/// The servers'; a refusal where the subscriber has one that the provider does not have and that was not
/// brought by us.
pub fn carry(
    old: &mut Session,
    new: &mut Session,
    migration: &str,
    watch: &dyn Watch,
) -> Result<Carried, Error> {
    let (theirs, here) = both(old, new)?;
    let ours: BTreeSet<u32> = all(new, migration, &LARGE_OBJECTS)?.into_iter().collect();
    let mut gone = Vec::new();
    for oid in here.keys().filter(|oid| !theirs.contains_key(*oid)) {
        if !ours.contains(oid) {
            return Err(Error::refused(
                new.side(),
                format!("large object {oid} is only there, and was not brought by this migration"),
                format!("SELECT lo_unlink({oid}) removes it, if nobody needs it"),
            ));
        }
        gone.push(*oid);
    }
    let changed: Vec<&Large> = theirs
        .values()
        .filter(|one| here.get(&one.oid) != Some(*one))
        .collect();
    let mut carried = Carried {
        all: theirs.len(),
        written: changed.len(),
        removed: gone.len(),
        bytes: 0,
    };
    for some in changed.chunks(AT_ONCE) {
        if watch.stop() {
            return Err(Error::Interrupted);
        }
        within(new, |new| {
            for one in some {
                let exists = here.contains_key(&one.oid);
                carried.bytes += write(old, new, migration, one, exists)
                    .map_err(|error| error.with_context(format!("large object {}", one.oid)))?;
            }
            Ok(())
        })?;
    }
    for some in gone.chunks(AT_ONCE) {
        within(new, |new| {
            for oid in some {
                new.query("SELECT pg_catalog.lo_unlink($1)", &[oid])?;
                new.batch(&forget(migration, &LARGE_OBJECTS.of(oid)))?;
            }
            Ok(())
        })?;
    }
    Ok(carried)
}

fn both(old: &mut Session, new: &mut Session) -> Result<(List, List), ConnError> {
    let side = new.side();
    let (theirs, here) = std::thread::scope(|scope| {
        let here = scope.spawn(|| list(new));
        (list(old), here.join())
    });
    let here = here.map_err(|_| {
        ConnError::new(
            side,
            Kind::Protocol,
            "reading large objects ended unexpectedly",
        )
    })?;
    Ok((theirs?, here?))
}

/// In one transaction of the session.
fn within(
    session: &mut Session,
    work: impl FnOnce(&mut Session) -> Result<(), ConnError>,
) -> Result<(), ConnError> {
    session.batch("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")?;
    match work(session) {
        Ok(()) => session.commit(),
        Err(error) => {
            if !session.is_closed()
                && let Err(second) = session.rollback()
            {
                log::warn!("{second}");
            }
            Err(error)
        }
    }
}

fn write(
    old: &mut Session,
    new: &mut Session,
    migration: &str,
    one: &Large,
    exists: bool,
) -> Result<u64, ConnError> {
    if exists {
        new.query("SELECT pg_catalog.lo_unlink($1)", &[&one.oid])?;
    }
    new.query("SELECT pg_catalog.lo_create($1)", &[&one.oid])?;
    let mut place = 0_i64;
    while place < one.bytes {
        let row = match old.query_one(
            "SELECT pg_catalog.lo_get($1, $2, $3)",
            &[&one.oid, &place, &PIECE],
        ) {
            Ok(row) => row,
            // Removed since it was listed, before the pause: here, too.
            Err(error) if error.is_sqlstate("42704") => {
                new.query("SELECT pg_catalog.lo_unlink($1)", &[&one.oid])?;
                new.batch(&forget(migration, &LARGE_OBJECTS.of(one.oid)))?;
                return Ok(0);
            }
            Err(error) => return Err(error),
        };
        let piece: Vec<u8> = field(old.side(), &row, 0, "a piece of a large object")?;
        if piece.is_empty() {
            // It has become shorter since it was listed: the next look finds that.
            break;
        }
        new.query(
            "SELECT pg_catalog.lo_put($1, $2, $3)",
            &[&one.oid, &place, &piece],
        )?;
        place += piece.len() as i64;
    }
    let object = format!("LARGE OBJECT {}", one.oid);
    let mut sql = format!("ALTER {object} OWNER TO {};\n", quote_ident(&one.owner));
    if let Some(acl) = &one.acl {
        let owner = quote_ident(&one.owner);
        sql.push_str(&format!("REVOKE ALL ON {object} FROM {owner};\n"));
        for grant in acl {
            sql.push_str(&grant_sql(grant, &object));
            sql.push('\n');
        }
    }
    if let Some(comment) = &one.comment {
        let comment = quote_literal(comment);
        sql.push_str(&format!("COMMENT ON {object} IS {comment};\n"));
    }
    if !exists {
        let key = LARGE_OBJECTS.of(one.oid);
        sql.push_str(&statement(migration, &key, &one.oid));
    }
    new.batch(&sql)?;
    Ok(place.unsigned_abs())
}

/// What to say where there are large objects, and none are copied: equal numbers do not prove that they are the same.
/// `None` where there are none.
///
/// # Errors
/// The servers'.
pub fn missing(old: &mut Session, new: &mut Session) -> Result<Option<String>, ConnError> {
    let (theirs, here) = (count(old)?, count(new)?);
    Ok((theirs > 0 || here > 0).then(|| {
        format!(
            "{theirs} large objects on the {}, {here} on the {}: nothing replicates what has changed in them",
            old.side(),
            new.side()
        )
    }))
}

/// What to say where they are copied, and sessions that may write them stay open past the write block: no table of the plan holds
/// them, and this role may not lock the one that does. `None` where all is well.
///
/// # Errors
/// The server's.
pub fn unlocked(old: &mut Session) -> Result<Option<String>, ConnError> {
    let open = match lockable(old)? {
        true => Vec::new(),
        false => not_ended(old)?,
    };
    Ok((!open.is_empty()).then(|| {
        format!(
            "this role may not lock pg_largeobject, nor end these sessions of superusers on the {}, which could write there \
             meanwhile: {}",
            old.side(),
            open.join(", ")
        )
    }))
}
