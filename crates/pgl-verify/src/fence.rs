//! Waiting until the target has applied a position of the source.
//!
//! Three signs, any of which will do: the target's replication origin stands there (at once, but
//! only moves when something replicated commits, and not every role may read it); the source's
//! slot has been confirmed up to there (about once a second); a marker row written after the
//! position has arrived.

use std::time::{Duration, Instant};

use pgl_catalog::verify::replication as catalog;
use pgl_conn::{Access, Error, Kind, Session};
use pgl_core::verify::changes::XidSnapshot;
use pgl_core::{Lsn, Side};

use crate::pool::{Pool, Watched};

/// Between two looks.
pub(crate) const PAUSE: Duration = Duration::from_millis(5);

/// The target's row of the marker table, once it has been written on the source.
pub(crate) const MARKER_NAME: &str = "verify";

/// Sessions that look, and by which slots the target is fed.
pub(crate) struct Fence {
    source: (Session, Watched),
    target: (Session, Watched),
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

    /// The end of the last transaction that the target has applied, where its replication origin may be read. It moves
    /// a moment before that transaction becomes visible.
    pub(crate) fn origin(&mut self) -> Result<Option<Lsn>, Error> {
        if !self.origin_readable {
            return Ok(None);
        }
        match catalog::applied(&mut self.target.0, &self.slots) {
            Err(error) if error.kind == Kind::Denied => {
                self.origin_readable = false;
                Ok(None)
            }
            other => other,
        }
    }

    /// How far the target has come, as far as that can be seen.
    pub(crate) fn applied(&mut self) -> Result<Option<Lsn>, Error> {
        let origin = self.origin()?;
        let confirmed = catalog::confirmed(&mut self.source.0, &self.slots)?;
        Ok(origin.max(confirmed))
    }

    /// How many of these transactions of the source may have committed and are not visible yet.
    pub(crate) fn unfinished_commits(&mut self, xids: &[u64]) -> Result<i64, Error> {
        catalog::unfinished_commits(&mut self.source.0, xids)
    }

    /// Which transactions of the target are running now.
    pub(crate) fn target_xids(&mut self) -> Result<XidSnapshot, Error> {
        catalog::xid_snapshot(&mut self.target.0)
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

pub(crate) fn too_late(lsn: Lsn, applied: Option<Lsn>) -> Error {
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
    session: (Session, Watched),
}

impl Marker {
    /// Opens the one session that may write.
    pub(crate) fn open(pool: &Pool) -> Result<Self, Error> {
        let mut session = pool.open(Side::Source, Access::ReadWrite)?;
        pgl_catalog::pgl_schema::require(&mut session.0)?;
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
