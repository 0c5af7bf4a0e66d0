//! What was checked before is checked again while writes are blocked: the definitions, and the rows of tables whose
//! changes replication may have missed.

use std::collections::{BTreeMap, BTreeSet};

use pgl_apply::fingerprint::{fingerprint, is_unchanged, labels, statistics, younger};
use pgl_apply::journal::read;
use pgl_core::cutover::{
    Doubt, KeptMarks, UnkeyedChecks, changes, counters_reliable, doubtful, unkeyed_checks,
};
use pgl_core::journal::{MARKS, PROMOTED_MARKS};
use pgl_core::plan::Set;

use super::*;

/// What is compared row by row while writes are blocked, on one side.
const CONTENT: u64 = 512 << 20;
/// How often the preconditions are checked anew when definitions keep changing.
const CHECKS: u32 = 3;

/// Tables whose UPDATE and DELETE may not have been replicated.
#[derive(Default)]
pub(super) struct ContentChecks {
    /// Their rows are compared under the locks.
    full: Option<Full>,
    /// The statistics must count no UPDATE and no DELETE when all sessions have ended.
    counters: Vec<QualifiedName>,
    /// When the statistics began anew, as it was read with the preconditions.
    stats_reset: Option<String>,
    /// Why a table cannot be compared; a precondition that has failed may say it better.
    refused: Option<Error>,
    /// Rewritten or altered since the copy, and compared under the locks.
    pub(super) doubtful: Vec<QualifiedName>,
    /// Rewritten or given another replica identity since the copy, and too large.
    pub(super) too_large: Vec<String>,
}

impl ContentChecks {
    pub(super) fn plan(
        migration: &CutoverContext,
        direction: Direction,
        recopied: &[QualifiedName],
        print: &Fingerprint,
        old: &mut Session,
        peer: &mut Session,
    ) -> Result<Self, Error> {
        let rest = || {
            let all = migration.plan.replicated();
            all.filter(|table| !recopied.contains(&table.qualified()))
        };
        let kept = match direction {
            Direction::Forward => read(peer, &migration.name, &MARKS)?,
            Direction::Back => None,
        };
        let state = statistics(old)?;
        let reliable = counters_reliable(
            old.version().at_least(15),
            state.track_counts,
            kept.as_ref(),
            state.stats_reset.as_deref(),
        );
        let unkeyed = rest()
            .filter(|table| table.set == Set::DefaultInsertOnly)
            .map(Sized::from)
            .collect();
        let UnkeyedChecks { content, counters } = unkeyed_checks(unkeyed, CONTENT, reliable);
        let doubts = match kept {
            Some(kept) => doubts(&kept, print, old)?,
            None => BTreeMap::new(),
        };
        let sized = rest()
            .filter(|table| {
                doubts.get(&table.qualified()).is_some_and(|doubt| {
                    // What has no replica identity anyway is compared, or its changes are counted.
                    *doubt == Doubt::Rewritten || table.set == Set::Default
                })
            })
            .map(Sized::from)
            .collect();
        let (small, large) = within_budget(sized, CONTENT);
        let all: Vec<QualifiedName> = content
            .into_iter()
            .chain(small.iter().cloned())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let prepared = match all.is_empty() {
            true => Ok(None),
            false => Full::prepare(&migration.plan, &all, old, peer).map(Some),
        };
        let mut checks = Self {
            full: None,
            refused: None,
            counters,
            stats_reset: state.stats_reset,
            doubtful: small,
            too_large: large.iter().map(ToString::to_string).collect(),
        };
        checks.full = checks.unless_refused(prepared.map_err(not_comparable))?;
        Ok(checks)
    }

    /// What was prepared; a refusal is kept until the preconditions have been checked.
    pub(super) fn unless_refused(
        &mut self,
        prepared: Result<Option<Full>, Error>,
    ) -> Result<Option<Full>, Error> {
        match prepared {
            Err(error @ Error::Refused { .. }) => {
                self.refused.get_or_insert(error);
                Ok(None)
            }
            other => other,
        }
    }

    /// What the answer, and a dry run above all, says of the tables whose rows decide.
    pub(super) fn note(&self, side: pgl_core::Side) -> Option<String> {
        let names: Vec<String> = self.doubtful.iter().map(ToString::to_string).collect();
        (!names.is_empty()).then(|| {
            format!(
                "rewritten or altered on the {side} since their rows were copied, and so compared row by row while writes are blocked; a difference \
                 rolls the attempt back, pgl-verify --table finds it before: {}",
                names.join(", ")
            )
        })
    }
}

fn doubts(
    kept: &KeptMarks,
    print: &Fingerprint,
    old: &mut Session,
) -> Result<BTreeMap<QualifiedName, Doubt>, Error> {
    let tables: Vec<QualifiedName> = print.tables.iter().map(|mark| mark.table.clone()).collect();
    Ok(doubtful(kept, &print.tables, &labels(old, &tables)?)
        .into_iter()
        .collect())
}

/// For a rollback: the tables whose changes since the promotion may not all have been replicated back. Those of the first list
/// are copied again; there is no time for the others while writes are blocked.
pub(super) fn doubtful_since_promotion(
    migration: &CutoverContext,
    print: &Fingerprint,
    old: &mut Session,
) -> Result<(Vec<QualifiedName>, Vec<QualifiedName>), Error> {
    let doubts = match read(old, &migration.name, &PROMOTED_MARKS)? {
        Some(kept) => doubts(&kept, print, old)?,
        None => BTreeMap::new(),
    };
    let sized = migration
        .plan
        .replicated()
        .filter(|table| doubts.contains_key(&table.qualified()))
        .map(Sized::from)
        .collect();
    Ok(within_budget(sized, CONTENT))
}

impl ContentChecks {
    /// # Errors
    /// Where a table that has to be compared cannot be.
    pub(super) fn possible(&mut self) -> Result<(), Error> {
        self.refused.take().map_or(Ok(()), Err)
    }
}

impl Engine {
    /// Before writes are blocked: where definitions have changed since the preconditions were checked, they are checked
    /// again. Not where a table of the plan has changed: the statements of this attempt were made for it as it was.
    pub(super) fn check_again(&mut self) -> Result<(), Error> {
        for _ in 0..CHECKS {
            let Some((now, found)) = self.changed()? else {
                return self.settings_hold();
            };
            if now.tables != self.print.tables {
                return Err(changed_meanwhile(self.sessions.old.side(), &found));
            }
            log::info!("checking the preconditions again: {}", found.join("; "));
            // Read before the checks: what changes while they are made is seen as well.
            self.print = now;
            self.guards()?;
            if let Some(first) = self.body.refusals.first() {
                return Err(Error::refused(
                    self.sessions.old.side(),
                    format!(
                        "definitions changed ({}), and preconditions failed: {}: {}",
                        found.join("; "),
                        first.id,
                        first.what
                    ),
                    first.hint.clone(),
                ));
            }
            self.stop()?;
        }
        self.settings_hold()
    }

    /// The preconditions that no lock of ours and no definition of the source decides.
    pub(super) fn settings_hold(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        let recopied = self.recopy.iter().map(Recopy::table).collect::<Vec<_>>();
        // Not the peer: its view of the large tables is frozen by then.
        let Sessions { old, release, .. } = &mut self.sessions;
        let (args, migration) = (&self.args, &self.migration);
        let again = (recopied.as_slice(), &self.release, &self.sequence_users[..]);
        let failed = guard::check_again(args, migration, self.direction, again, (old, release))?;
        if let Some(one) = failed.into_iter().next() {
            return Err(Error::Refused {
                side: None,
                what: format!(
                    "changed after the preconditions were checked: {}: {}",
                    one.id, one.what
                ),
                hint: one.hint,
            });
        }
        if self.began.is_some() {
            self.done(
                "preconditions",
                started,
                "settings are as they were checked",
            );
        }
        Ok(())
    }

    /// The definitions as they are now, and what has changed since the preconditions were checked.
    fn changed(&mut self) -> Result<Option<(Fingerprint, Vec<String>)>, Error> {
        // Not the session of the locks: what that one has created itself is not committed, and so not seen.
        let old = &mut self.sessions.old;
        if is_unchanged(old, &self.print)? {
            return Ok(None);
        }
        let now = fingerprint(old, &self.migration.carried())?;
        let mut found = changes(old.side(), &self.print, &now);
        if found.is_empty() {
            return Ok(None);
        }
        let names = younger(old, &self.print)?;
        if !names.is_empty() {
            found.push(format!("created or changed: {}", names.join(", ")));
        }
        Ok(Some((now, found)))
    }

    /// Under the locks: nothing has changed since the preconditions were checked.
    pub(super) fn unchanged(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        let old = &mut self.sessions.old;
        // Before the definitions are read: what such a transaction has created is not visible yet, and no lock of ours is in its way.
        let open = apply::open_writers(old)?;
        if !open.is_empty() {
            return Err(Error::refused(
                old.side(),
                format!(
                    "sessions of superusers, which this role may not end, have written in transactions that are still open: {}",
                    open.join(", ")
                ),
                "wait for their commit, or have a superuser end them: SELECT pg_terminate_backend(PID)",
            ));
        }
        if let Some((_, found)) = self.changed()? {
            return Err(changed_meanwhile(self.sessions.old.side(), &found));
        }
        self.done("unchanged", started, "definitions are as they were checked");
        self.stop()
    }

    /// Compares the rows of tables whose UPDATE and DELETE may not have been replicated.
    pub(super) fn compare_content(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        if !self.content.counters.is_empty() {
            let ours = self.spared().0;
            let old = &mut self.sessions.old;
            // What a session has changed is counted for certain when it is gone.
            apply::end_sessions_and_wait(old, &ours, self.deadline, &self.watch)?;
            if statistics(old)?.stats_reset != self.content.stats_reset {
                return Err(Error::refused(
                    old.side(),
                    "the statistics were reset after the preconditions were checked",
                    "run this again: such tables are then compared row by row",
                ));
            }
            let changed = apply::changed_tables(old)?;
            let lost: Vec<String> = changed
                .iter()
                .filter(|table| self.content.counters.contains(table))
                .map(ToString::to_string)
                .collect();
            if !lost.is_empty() {
                return Err(unkeyed(old.side(), self.direction, &lost));
            }
        }
        let mut compared = 0;
        if let Some(full) = &self.content.full {
            compared = full.tables();
            let Sessions { old, peer, .. } = &mut self.sessions;
            let found = full.compare(old, peer)?;
            if !found.is_empty() {
                self.body.checked.differences.clone_from(&found);
                return Err(unkeyed(old.side(), self.direction, &found));
            }
        }
        if compared + self.content.counters.len() > 0 {
            let what = format!(
                "{} equal row for row, {} had no UPDATE or DELETE",
                plural(compared, "table"),
                self.content.counters.len()
            );
            self.done("compare-unkeyed", started, what);
        }
        self.stop()
    }
}

fn changed_meanwhile(side: pgl_core::Side, found: &[String]) -> Error {
    Error::refused(
        side,
        format!(
            "definitions changed after the preconditions were checked: {}",
            found.join("; ")
        ),
        "run this again when no DDL runs",
    )
}

fn not_comparable(error: Error) -> Error {
    match error {
        Error::Refused { side, what, .. } => Error::Refused {
            side,
            what,
            hint: "make its definition the same on both sides; where UPDATE and DELETE on it are not replicated: give it a replica \
                   identity, or make a plan that copies it again with pgl-preflight, and pass it with --plan"
                .to_owned(),
        },
        other => other,
    }
}

fn unkeyed(side: pgl_core::Side, direction: Direction, found: &[String]) -> Error {
    Error::refused(
        side,
        format!(
            "changes that were not replicated (written while the table had no replica identity or another one, was in no replication set, or was unlogged; or tables, columns, enum labels or attributes were renamed): {}",
            found.join("; ")
        ),
        match direction {
            Direction::Forward => {
                "pgl-control resync TABLE --yes copies such a table again while writes go on; one that is updated without a replica \
                 identity needs one first: ALTER TABLE … REPLICA IDENTITY, or a primary key, on both sides"
            }
            Direction::Back => "run this again: what has changed is copied again",
        },
    )
}
