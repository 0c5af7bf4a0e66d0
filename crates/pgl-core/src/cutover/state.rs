//! Whether a migration was cut over, as the journals of its two databases say, and what a tool may still
//! do then.
//!
//! The promotion is recorded on the target in the commit that promotes it, so the target's record decides.
//! The source's record of the attempt is enough where the target's is gone or cannot be read. Both are
//! kept as long as schema `pgl` of their database, and pgl-teardown removes that last.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Attempt, Direction, State};

/// What the journal of one database records about cutovers of a migration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutoverRecord {
    /// The last attempt to move clients away from this database.
    pub attempt: Option<Attempt>,
    /// When that attempt reached its state, by this server's clock, as `2026-11-29T10:12:09Z`.
    pub attempt_at: Option<String>,
    /// The last promotion of this database.
    pub promotion: Option<Promotion>,
}

/// The promotion of a database: from then on its clients write there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Promotion {
    /// When, by the promoted server's clock, as `2026-11-29T10:12:09Z`.
    pub at: String,
    /// Token of the attempt that promoted it.
    pub token: String,
    /// Whether replication back to the other database was prepared before.
    pub reverse: bool,
}

/// A promoted target: the production database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CutOver {
    /// The promotion.
    #[serde(flatten)]
    pub promotion: Promotion,
    /// Whether the work after the promotion is done too; `pgl-cutover --resume` does the rest.
    pub finished: bool,
    /// How far an attempt at `pgl-cutover rollback` has come that is neither finished nor aborted.
    pub rollback: Option<State>,
}

/// Which database of a migration is the production database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CutoverState {
    /// The source: no cutover was made, or it was aborted or rolled back.
    NotCutOver,
    /// An attempt (forward, or a rollback that has promoted the source) is neither finished nor aborted.
    Unfinished(Attempt),
    /// The target.
    CutOver(CutOver),
    /// What is given as the source is this migration's target, or the other way round.
    Swapped,
}

/// What both journals say together; `None` for a database that was not read.
pub fn cutover_state(
    source: Option<&CutoverRecord>,
    target: Option<&CutoverRecord>,
) -> CutoverState {
    let of = |record: Option<&CutoverRecord>, direction| {
        record
            .and_then(|record| record.attempt.clone())
            .filter(|attempt| attempt.direction == direction)
    };
    // An attempt is recorded in the database that clients are moved away from.
    if of(source, Direction::Back).is_some() || of(target, Direction::Forward).is_some() {
        return CutoverState::Swapped;
    }
    let forward = of(source, Direction::Forward);
    let back = of(target, Direction::Back);
    let promoted_back = source.and_then(|record| record.promotion.as_ref());
    if let Some(promotion) = target.and_then(|record| record.promotion.as_ref()) {
        let source_promoted = back.as_ref().is_some_and(|back| {
            back.state == State::Done || promoted_back.is_some_and(|it| it.token == back.token)
        });
        let rolled_back = source_promoted
            || forward.as_ref().is_some_and(|forward| {
                forward.token == promotion.token && forward.state == State::RolledBack
            });
        if !rolled_back {
            return CutoverState::CutOver(CutOver {
                promotion: promotion.clone(),
                finished: forward.is_none_or(|forward| forward.state == State::Done),
                rollback: back.filter(|back| !back.state.is_over()).map(|it| it.state),
            });
        }
        if let Some(back) = back.filter(|back| !back.state.is_over()) {
            return CutoverState::Unfinished(back);
        }
    }
    match forward {
        Some(forward) if matches!(forward.state, State::Switched | State::Done) => {
            CutoverState::CutOver(CutOver {
                promotion: Promotion {
                    at: source
                        .and_then(|record| record.attempt_at.clone())
                        .unwrap_or_default(),
                    token: forward.token,
                    reverse: forward.reverse,
                },
                finished: forward.state == State::Done,
                rollback: None,
            })
        }
        Some(forward) if !forward.state.is_over() => CutoverState::Unfinished(forward),
        Some(_) | None => CutoverState::NotCutOver,
    }
}

/// What a tool is about to do to a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Make or complete a target: schema, rows, subscription.
    SetUp,
    /// Change what is replicated, or copy tables again.
    ChangeReplication,
    /// Set sequences of the target.
    SetSequences,
    /// Print SQL that prepares source or target for replication.
    Fix,
    /// Remove the migration's objects.
    TearDown,
}

/// Why a tool must not do that now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutoverRefusal {
    /// What holds.
    pub what: String,
    /// What to do instead.
    pub hint: &'static str,
}

/// Whether a purpose is allowed in a state: the target is never emptied, filled, re-configured or made
/// read-only once it is the production database, and nothing is changed below an attempt that is not over.
pub fn refusal(state: &CutoverState, purpose: Purpose) -> Option<CutoverRefusal> {
    let (what, hint) = match (state, purpose) {
        (CutoverState::NotCutOver, _) => return None,
        (CutoverState::CutOver(CutOver { rollback: None, .. }), Purpose::TearDown) => return None,
        (CutoverState::CutOver(cut), Purpose::TearDown) => (
            format!("{cut}, and a rollback was begun and is not over"),
            UNFINISHED,
        ),
        (CutoverState::CutOver(cut), _) => (
            format!("{cut}: the target is the production database"),
            match (cut.finished, cut.promotion.reverse) {
                (false, _) => "pgl-cutover --resume finishes the cutover",
                (true, true) => {
                    "pgl-cutover rollback --yes makes the source the production database again; pgl-teardown \
                     removes the migration"
                }
                (true, false) => "pgl-teardown removes the migration",
            },
        ),
        (CutoverState::Unfinished(attempt), _) => (
            format!(
                "an attempt at the {} was begun and is not over (state {})",
                match attempt.direction {
                    Direction::Forward => "cutover",
                    Direction::Back => "rollback",
                },
                attempt.state.as_str()
            ),
            UNFINISHED,
        ),
        (CutoverState::Swapped, _) => (
            "source and target are swapped: the journals record a cutover of this migration from what is given as the \
             target to what is given as the source"
                .to_owned(),
            "give the database that clients were moved away from as the source",
        ),
    };
    Some(CutoverRefusal { what, hint })
}

const UNFINISHED: &str = "pgl-cutover --abort rolls it back, pgl-cutover --resume finishes it";

impl fmt::Display for CutOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reverse = if self.promotion.reverse {
            "reverse replication prepared"
        } else {
            "no reverse replication"
        };
        write!(f, "cut over at {} ({reverse})", self.promotion.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(token: &str, direction: Direction, state: State) -> Attempt {
        Attempt {
            token: token.to_owned(),
            direction,
            state,
            final_lsn: None,
            reverse: true,
        }
    }

    fn record(attempt: Option<Attempt>, promoted: Option<&str>) -> CutoverRecord {
        CutoverRecord {
            attempt_at: attempt.as_ref().map(|_| "source's time".to_owned()),
            attempt,
            promotion: promoted.map(|token| Promotion {
                at: "target's time".to_owned(),
                token: token.to_owned(),
                reverse: true,
            }),
        }
    }

    fn forward(state: State) -> CutoverRecord {
        record(Some(attempt("t1", Direction::Forward, state)), None)
    }

    fn is_cut_over(state: &CutoverState) -> bool {
        matches!(state, CutoverState::CutOver(_))
    }

    #[test]
    fn either_database_alone_says_that_it_was_cut_over() {
        let promoted = record(None, Some("t1"));
        for state in [State::Releasing, State::Switched, State::Done] {
            let both = cutover_state(Some(&forward(state)), Some(&promoted));
            let CutoverState::CutOver(cut) = both else {
                panic!("{both:?}");
            };
            assert_eq!(cut.promotion.at, "target's time");
            assert_eq!(cut.finished, state == State::Done);
        }
        // Half a teardown, or a side that cannot be reached.
        assert!(is_cut_over(&cutover_state(None, Some(&promoted))));
        for target in [None, Some(&CutoverRecord::default())] {
            assert!(is_cut_over(&cutover_state(
                Some(&CutoverRecord::default()),
                Some(&promoted)
            )));
            let source = forward(State::Done);
            let CutoverState::CutOver(cut) = cutover_state(Some(&source), target) else {
                panic!("the source's record is enough");
            };
            assert_eq!(cut.promotion.at, "source's time");
            let source = forward(State::Releasing);
            assert!(matches!(
                cutover_state(Some(&source), target),
                CutoverState::Unfinished(_)
            ));
        }
    }

    #[test]
    fn what_was_aborted_or_never_begun_is_not_cut_over() {
        assert_eq!(cutover_state(None, None), CutoverState::NotCutOver);
        let none = CutoverRecord::default();
        assert_eq!(
            cutover_state(Some(&forward(State::Restored)), Some(&none)),
            CutoverState::NotCutOver
        );
    }

    #[test]
    fn swapped_sides_are_known_by_where_the_attempts_are_recorded() {
        let target = record(
            Some(attempt("t2", Direction::Back, State::Restored)),
            Some("t1"),
        );
        for (source, target) in [
            (None, Some(&forward(State::Done))),
            (Some(&record(None, Some("t1"))), Some(&forward(State::Done))),
            (Some(&target), None),
        ] {
            let state = cutover_state(source, target);
            assert_eq!(state, CutoverState::Swapped);
            for purpose in [
                Purpose::SetUp,
                Purpose::SetSequences,
                Purpose::Fix,
                Purpose::TearDown,
            ] {
                assert!(refusal(&state, purpose).is_some());
            }
        }
    }

    #[test]
    fn the_target_is_production_until_the_source_is_promoted_again() {
        let source =
            |state, promoted| record(Some(attempt("t1", Direction::Forward, state)), promoted);
        let target = |state| record(Some(attempt("t2", Direction::Back, state)), Some("t1"));
        let begun = cutover_state(
            Some(&source(State::Done, None)),
            Some(&target(State::Blocked)),
        );
        let CutoverState::CutOver(cut) = &begun else {
            panic!("{begun:?}");
        };
        assert_eq!(cut.rollback, Some(State::Blocked));
        assert!(refusal(&begun, Purpose::TearDown).is_some());
        let aborted = cutover_state(
            Some(&source(State::Done, None)),
            Some(&target(State::Restored)),
        );
        let CutoverState::CutOver(cut) = aborted else {
            panic!("{aborted:?}");
        };
        assert_eq!(cut.rollback, None);
        // Promoted, with work left; then all done, by both databases and by each alone.
        let made = source(State::RolledBack, Some("t2"));
        assert!(matches!(
            cutover_state(Some(&made), Some(&target(State::Releasing))),
            CutoverState::Unfinished(Attempt {
                direction: Direction::Back,
                ..
            })
        ));
        let done = target(State::Done);
        assert_eq!(
            cutover_state(Some(&made), Some(&done)),
            CutoverState::NotCutOver
        );
        assert_eq!(cutover_state(None, Some(&done)), CutoverState::NotCutOver);
        assert_eq!(cutover_state(Some(&made), None), CutoverState::NotCutOver);
        // A second cutover: the promotion marks the rollback as undone.
        let again = record(
            Some(attempt("t3", Direction::Forward, State::Blocked)),
            Some("t2"),
        );
        assert!(matches!(
            cutover_state(Some(&again), Some(&done)),
            CutoverState::Unfinished(_)
        ));
        let again = record(
            Some(attempt("t3", Direction::Forward, State::Done)),
            Some("t2"),
        );
        let promoted = record(
            Some(attempt("t2", Direction::Back, State::RolledBack)),
            Some("t3"),
        );
        // Its own record of the rollback is older than the source's promotion by that rollback.
        assert!(is_cut_over(&cutover_state(None, Some(&promoted))));
        assert!(is_cut_over(&cutover_state(Some(&again), Some(&promoted))));
    }

    #[test]
    fn a_production_database_is_only_torn_down() {
        let cut = cutover_state(None, Some(&record(None, Some("t1"))));
        for purpose in [
            Purpose::SetUp,
            Purpose::ChangeReplication,
            Purpose::SetSequences,
            Purpose::Fix,
        ] {
            let refusal = refusal(&cut, purpose).unwrap();
            assert!(
                refusal
                    .what
                    .starts_with("cut over at target's time (reverse replication prepared)"),
                "{refusal:?}"
            );
            assert!(super::refusal(&CutoverState::NotCutOver, purpose).is_none());
        }
        assert_eq!(refusal(&cut, Purpose::TearDown), None);
        let begun = cutover_state(Some(&forward(State::Blocked)), None);
        for purpose in [Purpose::SetUp, Purpose::TearDown] {
            assert_eq!(
                refusal(&begun, purpose).unwrap().what,
                "an attempt at the cutover was begun and is not over (state blocked)"
            );
        }
    }
}
