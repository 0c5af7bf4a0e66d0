//! Waiting until the target has applied a position of the source.
//!
//! Three signs, any of which will do: the target's replication origin stands there (at once, but
//! only moves when something replicated commits, and not every role may read it); the source's
//! slot has been confirmed up to there (about once a second); a marker row written after the
//! position has arrived.

use std::time::{Duration, Instant};

use pgl_catalog::verify::replication as catalog;
use pgl_cli::signal::Registration;
use pgl_conn::{Access, Begin, Error, Kind, Session};
use pgl_core::{Lsn, Side};

use crate::pool::Pool;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// The target's row of the marker table, once it has been written on the source.
pub(crate) const MARKER_NAME: &str = "verify";

/// Sessions that look, and by which slots the target is fed.
pub(crate) struct Fence {
    source: (Session, Registration),
    target: (Session, Registration),
    slots: Vec<String>,
    origin_readable: bool,
}

impl Fence {
    /// Opens the two sessions.
    pub(crate) fn open(pool: &Pool, slots: &[String]) -> Result<Self, Error> {
        Ok(Self {
            source: pool.open(Side::Source, Access::ReadOnly)?,
            target: pool.open(Side::Target, Access::ReadOnly)?,
            slots: slots.to_vec(),
            origin_readable: true,
        })
    }

    /// Where the source writes now.
    pub(crate) fn position(&mut self) -> Result<Lsn, Error> {
        pgl_catalog::verify::insert_lsn(&mut self.source.0)
    }

    /// How far the target has come, as far as that can be seen.
    pub(crate) fn applied(&mut self) -> Result<Option<Lsn>, Error> {
        let mut best = None;
        if self.origin_readable {
            match catalog::applied(&mut self.target.0, &self.slots) {
                Ok(found) => best = found,
                Err(error) if error.kind == Kind::Denied => self.origin_readable = false,
                Err(error) => return Err(error),
            }
        }
        let confirmed = catalog::confirmed(&mut self.source.0, &self.slots)?;
        Ok(best.max(confirmed))
    }

    /// Waits until the target is at `lsn`.
    pub(crate) fn wait(&mut self, pool: &Pool, lsn: Lsn, limit: Duration) -> Result<(), Error> {
        let end = Instant::now() + limit;
        loop {
            let applied = self.applied()?;
            if applied >= Some(lsn) {
                return Ok(());
            }
            pool.check(Side::Target)?;
            if Instant::now() >= end {
                return Err(too_late(lsn, applied));
            }
            std::thread::sleep(PAUSE);
        }
    }
}

fn too_late(lsn: Lsn, applied: Option<Lsn>) -> Error {
    let seen = applied.map_or_else(
        || "nowhere that can be seen".to_owned(),
        |at| at.to_string(),
    );
    Error::new(
        Side::Target,
        Kind::Timeout,
        format!("the target did not reach {lsn} of the source in time; it is at {seen}"),
    )
    .with_hint("see pgl-status for the lag and its cause; --max-wait gives it more time")
}

/// The marker: one row on the source with a token of this run.
pub(crate) struct Marker {
    session: (Session, Registration),
}

impl Marker {
    /// Opens the one session that may write.
    pub(crate) fn open(pool: &Pool) -> Result<Self, Error> {
        let mut session = pool.open(Side::Source, Access::ReadWrite)?;
        // Its commit has to be flushed: it carries all earlier commits with it.
        session.0.batch("SET synchronous_commit = on")?;
        Ok(Self { session })
    }

    /// Writes a token.
    pub(crate) fn write(&mut self, token: &str) -> Result<(), Error> {
        self.session
            .0
            .execute(
                include_str!("../sql/marker_write.sql"),
                &[&MARKER_NAME, &token],
            )
            .map(|_| ())
            .map_err(|error| error.with_context("writing the marker"))
    }
}

/// Opens snapshots on the target until one has seen the token; gives the session with that
/// snapshot open.
pub(crate) fn snapshot_after_marker(
    pool: &Pool,
    token: &str,
    limit: Duration,
) -> Result<(Session, Registration), Error> {
    let (mut session, registration) = pool.open(Side::Target, Access::ReadOnly)?;
    let end = Instant::now() + limit;
    loop {
        session.begin(Begin::Snapshot)?;
        if catalog::marker_seen(&mut session, MARKER_NAME, token)? {
            return Ok((session, registration));
        }
        session.rollback()?;
        pool.check(Side::Target)?;
        if Instant::now() >= end {
            return Err(Error::new(
                Side::Target,
                Kind::Timeout,
                "the marker row did not arrive on the target in time",
            )
            .with_hint("see pgl-status for the lag and its cause; --max-wait gives it more time"));
        }
        std::thread::sleep(PAUSE);
    }
}
