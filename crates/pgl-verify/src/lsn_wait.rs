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
pub(crate) struct LsnWait {
    source: (Session, Watched),
    target: (Session, Watched),
    slots: Vec<String>,
    origin_readable: bool,
}

impl LsnWait {
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

    /// The session that looks at the source, outside of any transaction.
    pub(crate) fn source(&mut self) -> &mut Session {
        &mut self.source.0
    }

    /// Which transactions of the target are running now.
    pub(crate) fn target_xids(&mut self) -> Result<XidSnapshot, Error> {
        catalog::xids_in_progress(&mut self.target.0)
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

    /// Waits until every session of the target sees what the source has committed up to `lsn`.
    pub(crate) fn wait_visible(
        &mut self,
        pool: &Pool,
        lsn: Lsn,
        limit: Duration,
    ) -> Result<(), Error> {
        let end = Instant::now() + limit;
        self.wait(pool, lsn, limit)?;
        // The origin moves before its transaction becomes visible; what is confirmed is visible.
        let running = self.target_xids()?;
        loop {
            let open = self.target_xids()?.still_running(&running);
            if open.is_empty() || catalog::confirmed(&mut self.source.0, &self.slots)? >= Some(lsn)
            {
                return Ok(());
            }
            pool.check(Side::Target)?;
            if Instant::now() >= end {
                return Err(too_late(lsn, self.applied()?));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Whether transactions of the source are in its log, and may be on the target, and are not visible yet on the source
    /// because they wait for a synchronous standby.
    pub(crate) fn commits_wait(&mut self) -> Result<bool, Error> {
        let running = catalog::xids_in_progress(&mut self.source.0)?;
        let open = running.still_running(&running);
        Ok(catalog::unfinished_commits(&mut self.source.0, &open)? > 0)
    }
}

/// The source's log has transactions that the target may show before the source does.
pub(crate) fn unseen_commits() -> Error {
    Error::new(
        Side::Source,
        Kind::NotYet,
        "transactions have committed and wait for a synchronous standby: the target may have them before they are visible here",
    )
}

pub(crate) fn too_late(lsn: Lsn, applied: Option<Lsn>) -> Error {
    let seen = applied.map_or_else(
        || "nowhere that can be seen".to_owned(),
        |at| at.to_string(),
    );
    Error::new(
        Side::Target,
        Kind::NotYet,
        format!("the target did not reach {lsn} of the source in time; it is at {seen}"),
    )
    .with_hint("see pgl-status for the lag and its cause; --max-wait gives it more time")
}

/// A statement that waited until the limit, `--max-wait`, had passed.
pub(crate) fn ran_out(mut error: Error, since: Instant, limit: Duration) -> Error {
    let waited = matches!(
        error.kind,
        Kind::LockTimeout | Kind::Timeout | Kind::Cancelled
    );
    if waited && since.elapsed() >= limit {
        error.kind = Kind::NotYet;
    }
    error
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
        // Its commit has to be flushed: it carries all earlier commits with it. No standby needs it: the wait for one that
        // does not answer would never end, and no statement_timeout cancels it.
        session.0.batch("SET synchronous_commit = local")?;
        Ok(Self { session })
    }

    /// Writes a token, and waits no longer than this for locks.
    pub(crate) fn write(&mut self, token: &str, limit: Duration) -> Result<(), Error> {
        let (session, asked) = (&mut self.session.0, Instant::now());
        let millis = limit.as_millis().max(1);
        session.batch(&format!("SET statement_timeout = {millis}"))?;
        session
            .execute(
                include_str!("../sql/marker_write.sql"),
                &[&MARKER_NAME, &token],
            )
            .map(|_| ())
            .map_err(|error| ran_out(error, asked, limit).with_context("writing the marker"))
    }
}
