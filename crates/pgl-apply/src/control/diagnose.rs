//! Why nothing arrives: looked for while something waits for it, so that a wait ends at a cause that does
//! not pass by itself.

use std::time::{Duration, Instant};

use pgl_catalog::status as catalog;
use pgl_conn::{Error as ConnError, Session};
use pgl_core::Side;
use pgl_core::control::{Look, failing};
use pgl_core::status::facts::{Close, Seen, Snapshot};
use pgl_core::status::wait::LastingCauses;
use pgl_core::status::{Cause, Certainty, WaitProgress, causes};

use super::state::worker;
use crate::Error;

/// Between two looks at the worker.
const EVERY: Duration = Duration::from_millis(500);
/// Between two closer looks.
const CLOSER: Duration = Duration::from_secs(2);
/// Looks and samples that are remembered: what is older says nothing about now.
const REMEMBERED: usize = 40;

/// What was seen of a subscription while something waited.
pub struct Observer<'a> {
    subscription: &'a str,
    began: Instant,
    looked: Option<Instant>,
    looked_closer: Option<Instant>,
    looks: Vec<Look>,
    samples: Vec<Snapshot>,
    trouble: LastingCauses,
}

impl<'a> Observer<'a> {
    /// Nothing is seen yet.
    pub fn new(subscription: &'a str) -> Self {
        Self {
            subscription,
            began: Instant::now(),
            looked: None,
            looked_closer: None,
            looks: Vec::new(),
            samples: Vec::new(),
            trouble: LastingCauses::default(),
        }
    }

    /// Looks, when it is time to; fails with the cause where replication has stopped for good.
    ///
    /// # Errors
    /// The servers', and a refusal with the cause.
    pub fn look(&mut self, source: &mut Session, target: &mut Session) -> Result<(), Error> {
        if self.looked.is_some_and(|at| at.elapsed() < EVERY) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        let Some(now) = worker(target, self.subscription)? else {
            return Err(Error::refused(
                Side::Target,
                format!("subscription {} is gone", self.subscription),
                "pgl-setup makes it",
            ));
        };
        if self.looks.len() == REMEMBERED {
            self.looks.remove(0);
        }
        self.looks.push(Look {
            position: now.position,
            worker: now.worker,
        });
        if !failing(&self.looks) {
            self.trouble = LastingCauses::default();
            return Ok(());
        }
        if self.looked_closer.is_some_and(|at| at.elapsed() < CLOSER) {
            return Ok(());
        }
        self.looked_closer = Some(Instant::now());
        let found = match self.closer(source, target) {
            Ok(found) => found,
            // A role that may not read what a diagnosis needs goes on waiting.
            Err(error) if !error.is_lost() => {
                log::info!("why replication has stopped cannot be read: {error}");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let at = self.began.elapsed().as_secs_f64();
        let progress = self.trouble.judge(at, &found, false);
        let sure = |cause: &&Cause| cause.stops() && cause.certainty == Certainty::Proven;
        match found.iter().find(sure) {
            Some(cause) if progress == WaitProgress::Broken => Err(stopped(cause)),
            _ => Ok(()),
        }
    }

    fn closer(
        &mut self,
        source: &mut Session,
        target: &mut Session,
    ) -> Result<Vec<Cause>, ConnError> {
        let at = self.began.elapsed().as_secs_f64();
        // No migration: whoever holds its lock is this run.
        let (target_now, dsn) = catalog::target_now(target, "", self.subscription, self.began)?;
        let subscription = target_now.subscription.as_ref();
        let slot = subscription.map(|one| one.slot_name.clone());
        let sets = subscription.map(|one| one.sets.clone()).unwrap_or_default();
        let source_now = catalog::source_now(source, "", slot.as_deref(), self.began)?;
        if self.samples.len() == REMEMBERED {
            self.samples.remove(0);
        }
        self.samples.push(Snapshot {
            at,
            source: Seen::Known(source_now),
            target: Seen::Known(target_now),
        });
        let close = Close {
            source: Some(catalog::source_close(source, &sets, &[])?),
            target: Some(catalog::target_close(target, "")?),
            dsn_from_here: dsn.as_ref().map_or(Seen::NotGiven, |dsn| {
                catalog::try_dsn(dsn, Some(source.endpoint()))
            }),
            ..Close::default()
        };
        Ok(causes(&self.samples, &self.samples, &close))
    }
}

fn stopped(cause: &Cause) -> Error {
    let evidence = cause.evidence.first().map(|seen| format!(" ({seen})"));
    let sql = cause
        .sql
        .as_ref()
        .map(|sql| format!(": on the {}: {sql}", cause.fix_side));
    Error::refused(
        cause.side,
        format!(
            "replication has stopped: {}{}",
            cause.what,
            evidence.unwrap_or_default()
        ),
        format!(
            "{}{}; then run this again",
            cause.remedy,
            sql.unwrap_or_default()
        ),
    )
}
