//! The definitions of both sides while replication goes on: DDL that the target has not applied yet is no difference.

use std::time::{Duration, Instant};

use pgl_conn::{Error, Kind, Session};
use pgl_core::QualifiedName;
use pgl_core::plan::Plan;
use pgl_core::verify::pairing::{Catalog, PairingEntry, Wishes, differing, pair, unconfirmed};

use crate::lsn_wait::{LsnWait, unseen_commits};
use crate::pool::Pool;

/// Between two readings of the catalogs.
const PAUSE: Duration = Duration::from_millis(200);

/// The tables as they were read last, and those whose definitions differ with nobody knowing whether they will, with the reason.
pub(crate) struct Definitions {
    pub(crate) entries: Vec<PairingEntry>,
    pub(crate) undecided: Vec<(QualifiedName, String)>,
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
    pub(crate) fn confirm(
        &mut self,
        mut source: Catalog,
        entries: Vec<PairingEntry>,
    ) -> Result<Definitions, Error> {
        let mut known = Definitions {
            undecided: differing(&entries),
            entries,
        };
        if known.undecided.is_empty() {
            return Ok(known);
        }
        let end = Instant::now() + self.limit;
        let mut lsn_wait = LsnWait::open(self.pool, self.slots)?;
        loop {
            log::info!(
                "definitions differ; they are read again once the target has caught up: {}",
                shown(&known.undecided)
            );
            let left = end.saturating_duration_since(Instant::now());
            let again = self.again(&mut lsn_wait, &source, left);
            match again {
                Ok(next) => (source, known) = next,
                Err(error) if error.kind == Kind::NotYet || self.pool.is_expired() => {
                    because(&mut known.undecided, &error.to_string());
                    return Ok(known);
                }
                Err(error) => return Err(error),
            }
            if known.undecided.is_empty() {
                return Ok(known);
            }
            if Instant::now() >= end {
                because(
                    &mut known.undecided,
                    "the source's definition changed each time that it was read",
                );
                return Ok(known);
            }
            self.pool.pause(PAUSE);
        }
    }

    /// The target's catalog once it has what the source had, and the source's after it.
    fn again(
        &mut self,
        lsn_wait: &mut LsnWait,
        before: &Catalog,
        left: Duration,
    ) -> Result<(Catalog, Definitions), Error> {
        let position = lsn_wait.position()?;
        lsn_wait.wait_visible(self.pool, position, left)?;
        let read = |session: &mut Session, encoding: &str| {
            pgl_catalog::verify::catalog(session, encoding)
                .map_err(|error| error.with_context("reading the catalog"))
        };
        let encoding = pgl_catalog::verify::database(self.target)?.encoding;
        let target = read(self.target, &encoding)?;
        if lsn_wait.commits_wait()? {
            return Err(unseen_commits());
        }
        let source = read(self.source, &before.encoding)?;
        let earlier = pair(before, &target, self.wishes, self.plan);
        let entries = pair(&source, &target, self.wishes, self.plan);
        let undecided = unconfirmed((before, &earlier), (&source, &entries));
        Ok((source, Definitions { entries, undecided }))
    }
}

fn shown(tables: &[(QualifiedName, String)]) -> String {
    let all: Vec<String> = tables
        .iter()
        .map(|(name, why)| format!("{name} ({why})"))
        .collect();
    all.join(", ")
}

fn because(tables: &mut [(QualifiedName, String)], why: &str) {
    for (_, difference) in tables {
        *difference = format!(
            "its definitions differ ({difference}), and replication may change that: {why}"
        );
    }
}
