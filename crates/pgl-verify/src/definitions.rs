//! The definitions of both sides while replication goes on: DDL that the target has not applied yet is no difference.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pgl_conn::{Error, Kind, Session};
use pgl_core::QualifiedName;
use pgl_core::plan::Plan;
use pgl_core::verify::pairing::children::KnownChildren;
use pgl_core::verify::pairing::{PairedCatalogs, PairingEntry, Wishes};

use crate::lsn_wait::{LsnWait, unseen_commits};
use crate::pool::Pool;

/// Between two readings of the catalogs.
const PAUSE: Duration = Duration::from_millis(200);

/// The tables as they were read last, and those whose definitions differ with nobody knowing whether they will, with the reason.
pub(crate) struct Definitions {
    pub(crate) entries: Vec<PairingEntry>,
    pub(crate) undecided: BTreeMap<QualifiedName, String>,
    /// What was below other tables on the source, and on the target.
    pub(crate) children: (KnownChildren, KnownChildren),
}

impl Definitions {
    pub(crate) fn of(reading: PairedCatalogs, undecided: BTreeMap<QualifiedName, String>) -> Self {
        Self {
            entries: reading.entries,
            undecided,
            children: reading.children,
        }
    }
}

/// Where the catalogs are read.
pub(crate) struct Reader<'a> {
    pub(crate) pool: &'a Pool,
    pub(crate) slots: &'a [String],
    pub(crate) source: &'a mut Session,
    pub(crate) target: &'a mut Session,
    pub(crate) wishes: &'a Wishes,
    pub(crate) plan: Option<&'a Plan>,
    /// How long to wait for the target, all in all.
    pub(crate) limit: Duration,
}

impl Reader<'_> {
    /// Reads the catalogs again until every difference of definitions is known to last, or none is left.
    pub(crate) fn confirm(&mut self, mut reading: PairedCatalogs) -> Result<Definitions, Error> {
        let mut undecided = reading.differing();
        if undecided.is_empty() {
            return Ok(Definitions::of(reading, undecided));
        }
        let end = Instant::now() + self.limit;
        let mut lsn_wait = LsnWait::open(self.pool, self.slots)?;
        loop {
            log::info!(
                "definitions differ; they are read again once the target has caught up: {}",
                shown(&undecided)
            );
            let left = end.saturating_duration_since(Instant::now());
            let ended = match self.again(&mut lsn_wait, &reading, left) {
                Ok(next) => {
                    undecided = next.unconfirmed(&reading);
                    reading = next;
                    (Instant::now() >= end)
                        .then(|| "rows of the catalog that define it were written each time that they were read".to_owned())
                }
                Err(error) if error.kind == Kind::NotYet || self.pool.is_expired() => {
                    Some(error.to_string())
                }
                Err(error) => return Err(error),
            };
            if let Some(why) = &ended {
                because(&mut undecided, why);
            }
            if undecided.is_empty() || ended.is_some() {
                return Ok(Definitions::of(reading, undecided));
            }
            self.pool.pause(PAUSE);
        }
    }

    /// The target's catalog once it has what the source had in the reading before, and the source's after it.
    fn again(
        &mut self,
        lsn_wait: &mut LsnWait,
        before: &PairedCatalogs,
        left: Duration,
    ) -> Result<PairedCatalogs, Error> {
        let position = lsn_wait.position()?;
        lsn_wait.wait_visible(self.pool, position, left)?;
        let read = |session: &mut Session, encoding: &str| {
            pgl_catalog::verify::catalog(session, encoding)
                .map_err(|error| error.with_context("reading the catalog"))
        };
        let target = read(self.target, &before.target.encoding)?;
        if lsn_wait.commits_wait()? {
            return Err(unseen_commits());
        }
        let source = read(self.source, &before.source.encoding)?;
        Ok(PairedCatalogs::new(source, target, self.wishes, self.plan))
    }
}

fn shown(tables: &BTreeMap<QualifiedName, String>) -> String {
    let all: Vec<String> = tables
        .iter()
        .map(|(name, why)| format!("{name} ({why})"))
        .collect();
    all.join(", ")
}

fn because(tables: &mut BTreeMap<QualifiedName, String>, why: &str) {
    for difference in tables.values_mut() {
        *difference = format!(
            "its definitions differ ({difference}), and replication may change that: {why}"
        );
    }
}
