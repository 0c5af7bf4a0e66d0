//! What was checked before is checked again while writes are blocked: the definitions, and the rows of tables whose
//! changes replication may have missed.

use std::collections::BTreeSet;

use pgl_apply::fingerprint::{fingerprint, kept_marks, statistics, table_marks, younger};
use pgl_core::cutover::{UnkeyedChecks, changes, counters_reliable, rewritten, unkeyed_checks};
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
    /// Rewritten since the copy, and too large.
    pub(super) too_large: Vec<String>,
}

impl ContentChecks {
    pub(super) fn plan(
        ground: &Ground,
        direction: Direction,
        recopied: &[QualifiedName],
        old: &mut Session,
        peer: &mut Session,
    ) -> Result<Self, Error> {
        let rest = || {
            let all = ground.plan.replicated();
            all.filter(|table| !recopied.contains(&table.qualified()))
        };
        let names: Vec<QualifiedName> = rest().map(|table| table.qualified()).collect();
        let kept = match direction {
            Direction::Forward => kept_marks(peer, &ground.name)?,
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
            .map(|table| Sized {
                table: table.qualified(),
                bytes: table.bytes,
            })
            .collect();
        let UnkeyedChecks { content, counters } = unkeyed_checks(unkeyed, CONTENT, reliable);
        let marks = table_marks(old, &names)?;
        let again: BTreeSet<QualifiedName> = kept
            .map(|kept| rewritten(&kept, &marks))
            .unwrap_or_default()
            .into_iter()
            .collect();
        let sized = rest()
            .filter(|table| again.contains(&table.qualified()))
            .map(|table| Sized {
                table: table.qualified(),
                bytes: table.bytes,
            })
            .collect();
        let (small, large) = within_budget(sized, CONTENT);
        let all: Vec<QualifiedName> = content
            .into_iter()
            .chain(small)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let full = if all.is_empty() {
            None
        } else {
            Some(Full::prepare(&ground.plan, &all, old, peer).map_err(not_comparable)?)
        };
        Ok(Self {
            full,
            counters,
            too_large: large.iter().map(ToString::to_string).collect(),
        })
    }
}

impl Engine {
    /// Before writes are blocked: where definitions have changed since the preconditions were checked, they are checked
    /// again.
    pub(super) fn check_again(&mut self) -> Result<(), Error> {
        for _ in 0..CHECKS {
            let found = self.changed()?;
            if found.is_empty() {
                return Ok(());
            }
            log::info!("checking the preconditions again: {}", found.join("; "));
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
        Ok(())
    }

    fn changed(&mut self) -> Result<Vec<String>, Error> {
        let carried = self.ground.carried();
        // Not the session of the locks: what that one has created itself is not committed, and so not seen.
        let old = &mut self.sessions.old;
        let now = fingerprint(old, &carried)?;
        let mut found = changes(old.side(), &self.print, &now);
        if !found.is_empty() {
            let names = younger(old, &self.print)?;
            if !names.is_empty() {
                found.push(format!("created or changed: {}", names.join(", ")));
            }
        }
        Ok(found)
    }

    /// Under the locks: nothing has changed since the preconditions were checked.
    pub(super) fn unchanged(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        let found = self.changed()?;
        if !found.is_empty() {
            return Err(Error::refused(
                self.sessions.old.side(),
                format!(
                    "definitions changed after the preconditions were checked: {}",
                    found.join("; ")
                ),
                "run this again when no DDL runs",
            ));
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
            let changed = apply::changed_tables(old)?;
            let lost: Vec<String> = changed
                .iter()
                .filter(|table| self.content.counters.contains(table))
                .map(ToString::to_string)
                .collect();
            if !lost.is_empty() {
                return Err(unkeyed(old.side(), &lost));
            }
        }
        let mut compared = 0;
        if let Some(full) = &self.content.full {
            compared = full.tables();
            let Sessions { old, peer, .. } = &mut self.sessions;
            let found = full.compare(old, peer)?;
            if !found.is_empty() {
                self.body.checked.differences.clone_from(&found);
                return Err(unkeyed(old.side(), &found));
            }
        }
        if compared + self.content.counters.len() > 0 {
            let what = format!(
                "{compared} tables are equal row for row, {} had no UPDATE or DELETE",
                self.content.counters.len()
            );
            self.done("compare-unkeyed", started, what);
        }
        self.stop()
    }
}

fn not_comparable(error: Error) -> Error {
    match error {
        Error::Refused { side, what, .. } => Error::Refused {
            side,
            what,
            hint: "UPDATE and DELETE on it are not replicated: give it a replica identity, or make a plan that \
                   copies it again with pgl-preflight, and pass it with --plan"
                .to_owned(),
        },
        other => other,
    }
}

fn unkeyed(side: pgl_core::Side, found: &[String]) -> Error {
    Error::refused(
        side,
        format!(
            "changes that were not replicated (no replica identity, or written while the table was unlogged): {}",
            found.join("; ")
        ),
        "make a plan that copies such a table again with pgl-preflight, and pass it with --plan; or give it a replica \
         identity; or pgl-control resync",
    )
}
