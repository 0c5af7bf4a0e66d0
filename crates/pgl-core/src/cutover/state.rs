//! Whether a migration was cut over, as the journals of its two databases say, and what a tool may still
//! do then.
//!
//! The promotion is recorded on the target in the commit that promotes it, so the target's record decides.
//! The source's record of the attempt is enough where the target's is gone or cannot be read. Both are
//! kept as long as schema `pgl` of their database, and pgl-teardown removes that last.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::identity::{DatabaseIdentity, IdentityMismatch, IdentityPair, Wrong, wrong};
use super::{Attempt, AttemptState, Direction};

/// What the journal of one database records about a migration's databases and its cutovers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CutoverRecord {
    /// The database that it was read in.
    pub here: Option<DatabaseIdentity>,
    /// What stands beside the journal, read where there is none; null where there is one.
    pub traces: Option<Traces>,
    /// The two databases; null where the migration was set up before that was recorded.
    pub pair: Option<IdentityPair>,
    /// The last attempt to move clients away from this database.
    pub attempt: Option<Attempt>,
    /// When that attempt reached its state, by this server's clock, as `2026-11-29T10:12:09Z`.
    pub attempt_at: Option<String>,
    /// The last promotion of this database.
    pub promotion: Option<Promotion>,
}

/// What a database without a journal shows of a cutover.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traces {
    /// Whether it has the migration's reverse subscription.
    pub reverse_subscription: bool,
    /// Whether it is read-only for clients by its own setting.
    pub read_only: bool,
}

/// The promotion of a database: from then on its clients write there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Promotion {
    /// When, by the promoted server's clock, as `2026-11-29T10:12:09Z`; empty where both journals are gone.
    pub at: String,
    /// Token of the attempt that promoted it; empty where both journals are gone.
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
    /// Whether the work after the promotion is done too; `pgl-cutover resume` does the rest.
    pub finished: bool,
    /// How far an attempt at `pgl-cutover rollback` has come that is neither finished nor aborted.
    pub rollback: Option<AttemptState>,
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
    /// One of the two databases is none of this migration's.
    Other(IdentityMismatch),
}

/// What both journals say together; `None` for a database that was not read.
pub fn cutover_state(
    source: Option<&CutoverRecord>,
    target: Option<&CutoverRecord>,
) -> CutoverState {
    match wrong(source, target) {
        Some(Wrong::Swapped) => return CutoverState::Swapped,
        Some(Wrong::Other(mismatch)) => return CutoverState::Other(mismatch),
        None => {}
    }
    if let Some(state) = without_journals(source, target) {
        return state;
    }
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
            back.state == AttemptState::Done
                || promoted_back.is_some_and(|it| it.token == back.token)
        });
        let rolled_back = source_promoted
            || forward.as_ref().is_some_and(|forward| {
                forward.token == promotion.token && forward.state == AttemptState::RolledBack
            });
        if !rolled_back {
            return CutoverState::CutOver(CutOver {
                promotion: promotion.clone(),
                finished: forward.is_none_or(|forward| forward.state == AttemptState::Done),
                rollback: back.filter(|back| !back.state.is_over()).map(|it| it.state),
            });
        }
        if let Some(back) = back.filter(|back| !back.state.is_over()) {
            return CutoverState::Unfinished(back);
        }
    }
    match forward {
        Some(forward) if matches!(forward.state, AttemptState::Promoted | AttemptState::Done) => {
            CutoverState::CutOver(CutOver {
                promotion: Promotion {
                    at: source
                        .and_then(|record| record.attempt_at.clone())
                        .unwrap_or_default(),
                    token: forward.token,
                    reverse: forward.reverse,
                },
                finished: forward.state == AttemptState::Done,
                rollback: None,
            })
        }
        Some(forward) if !forward.state.is_over() => CutoverState::Unfinished(forward),
        Some(_) | None => CutoverState::NotCutOver,
    }
}

/// Whether no database that was read has a journal: only what else there is can show a cutover.
pub fn without_journal(source: Option<&CutoverRecord>, target: Option<&CutoverRecord>) -> bool {
    let mut read = [source, target].into_iter().flatten().peekable();
    read.peek().is_some() && read.all(|record| record.traces.is_some())
}

/// What is known where no database that was read has a journal: reverse replication is prepared for a promotion, and the
/// source is read-only from then on. After a rollback it is the target that is.
fn without_journals(
    source: Option<&CutoverRecord>,
    target: Option<&CutoverRecord>,
) -> Option<CutoverState> {
    let traces = |record: Option<&CutoverRecord>| match record {
        None => Some(None),
        Some(record) => record.traces.map(Some),
    };
    let (source, target) = (traces(source)?, traces(target)?);
    let promoted = |left: Option<Traces>, other: Option<Traces>| {
        left.is_some_and(|left| {
            left.reverse_subscription
                && (left.read_only || other.is_some_and(|other| !other.read_only))
        })
    };
    if promoted(target, source) {
        return Some(CutoverState::Swapped);
    }
    promoted(source, target).then(|| {
        CutoverState::CutOver(CutOver {
            promotion: Promotion {
                at: String::new(),
                token: String::new(),
                reverse: true,
            },
            finished: true,
            rollback: None,
        })
    })
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
    /// Begin or end a cutover or a rollback, which has its own rules for everything but the pair.
    CutOver,
    /// Compare both databases.
    Compare,
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
        (CutoverState::NotCutOver, _)
        | (
            CutoverState::CutOver(_) | CutoverState::Unfinished(_),
            Purpose::CutOver | Purpose::Compare,
        ) => return None,
        (CutoverState::CutOver(CutOver { rollback: None, .. }), Purpose::TearDown) => return None,
        (
            CutoverState::CutOver(
                cut @ CutOver {
                    rollback: Some(state),
                    ..
                },
            ),
            _,
        ) => (
            format!(
                "{cut}, and a rollback was begun and is not over (state {})",
                state.as_str()
            ),
            UNFINISHED,
        ),
        (CutoverState::CutOver(cut), _) => (
            format!("{cut}: the target is the production database"),
            match (cut.finished, cut.promotion.reverse) {
                _ if cut.promotion.token.is_empty() => WITHOUT_JOURNAL,
                (false, _) => "pgl-cutover resume finishes the cutover",
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
                attempt.direction.noun(),
                attempt.state.as_str()
            ),
            UNFINISHED,
        ),
        (CutoverState::Swapped, _) => (
            "source and target are swapped: the journals record this migration from what is given as the target to what \
             is given as the source"
                .to_owned(),
            "exchange them: the source is the database that is moved",
        ),
        (CutoverState::Other(mismatch), _) => (
            mismatch.to_string(),
            match mismatch.copy {
                true => TAKEN_PLACE,
                false => NOT_THE_PARTNER,
            },
        ),
    };
    Some(CutoverRefusal { what, hint })
}

const TAKEN_PLACE: &str = "give that database; if this one has taken its place (restored or upgraded): DELETE FROM \
                           pgl.journal WHERE step = 'pair', in both databases";
const NOT_THE_PARTNER: &str = "give that database, or the other migration's --name; to begin again with this one, remove the \
                               migration from the other side first (pgl-teardown --source-only or --target-only); if it has \
                               taken that one's place (restored or upgraded): DELETE FROM pgl.journal WHERE step = 'pair', in \
                               both databases";
/// What cannot be known [`without_journal`].
pub const PROMOTION_UNKNOWN: &str = "no database that was read has schema pgl, which records a cutover: whether the target was promoted is not known";
/// What is left to do after a promotion where a journal was dropped.
pub const WITHOUT_JOURNAL: &str = "pgl-cutover goes back only with both journals: pgl-teardown removes the migration, and the \
                                   target stays the production database; to go back, set up a migration from it to an empty \
                                   database after that";
/// What to do about an attempt that is not over.
pub(crate) const UNFINISHED: &str =
    "pgl-cutover abort rolls it back, pgl-cutover resume finishes it";

impl fmt::Display for CutOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reverse = if self.promotion.reverse {
            "reverse replication prepared"
        } else {
            "no reverse replication"
        };
        match self.promotion.at.as_str() {
            "" => f.write_str(
                "cut over, known by the reverse subscription alone (schema pgl was dropped in both databases)",
            ),
            at => write!(f, "cut over at {at} ({reverse})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(token: &str, direction: Direction, state: AttemptState) -> Attempt {
        Attempt {
            token: token.to_owned(),
            direction,
            state,
            final_lsn: None,
            reverse: true,
            rehearsal: false,
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
            ..CutoverRecord::default()
        }
    }

    fn forward(state: AttemptState) -> CutoverRecord {
        record(Some(attempt("t1", Direction::Forward, state)), None)
    }

    fn is_cut_over(state: &CutoverState) -> bool {
        matches!(state, CutoverState::CutOver(_))
    }

    #[test]
    fn either_database_alone_says_that_it_was_cut_over() {
        let promoted = record(None, Some("t1"));
        for state in [
            AttemptState::Promoting,
            AttemptState::Promoted,
            AttemptState::Done,
        ] {
            let both = cutover_state(Some(&forward(state)), Some(&promoted));
            let CutoverState::CutOver(cut) = both else {
                panic!("{both:?}");
            };
            assert_eq!(cut.promotion.at, "target's time");
            assert_eq!(cut.finished, state == AttemptState::Done);
        }
        // Half a teardown, or a side that cannot be reached.
        assert!(matches!(
            cutover_state(None, Some(&promoted)),
            CutoverState::CutOver(CutOver { finished: true, .. })
        ));
        for target in [None, Some(&CutoverRecord::default())] {
            assert!(is_cut_over(&cutover_state(
                Some(&CutoverRecord::default()),
                Some(&promoted)
            )));
            let source = forward(AttemptState::Done);
            let CutoverState::CutOver(cut) = cutover_state(Some(&source), target) else {
                panic!("the source's record is enough");
            };
            assert_eq!(cut.promotion.at, "source's time");
            assert!(cut.finished);
            let source = forward(AttemptState::Promoted);
            let CutoverState::CutOver(cut) = cutover_state(Some(&source), target) else {
                panic!("the source's record is enough");
            };
            assert!(!cut.finished);
            let source = forward(AttemptState::Promoting);
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
            cutover_state(Some(&forward(AttemptState::Restored)), Some(&none)),
            CutoverState::NotCutOver
        );
    }

    #[test]
    fn swapped_sides_are_known_by_where_the_attempts_are_recorded() {
        let target = record(
            Some(attempt("t2", Direction::Back, AttemptState::Restored)),
            Some("t1"),
        );
        for (source, target) in [
            (None, Some(&forward(AttemptState::Done))),
            (
                Some(&record(None, Some("t1"))),
                Some(&forward(AttemptState::Done)),
            ),
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
            Some(&source(AttemptState::Done, None)),
            Some(&target(AttemptState::Blocked)),
        );
        let CutoverState::CutOver(cut) = &begun else {
            panic!("{begun:?}");
        };
        assert_eq!(cut.rollback, Some(AttemptState::Blocked));
        assert!(refusal(&begun, Purpose::TearDown).is_some());
        let aborted = cutover_state(
            Some(&source(AttemptState::Done, None)),
            Some(&target(AttemptState::Restored)),
        );
        let CutoverState::CutOver(cut) = aborted else {
            panic!("{aborted:?}");
        };
        assert_eq!(cut.rollback, None);
        // Promoted, with work left; then all done, by both databases and by each alone.
        let made = source(AttemptState::RolledBack, Some("t2"));
        assert!(matches!(
            cutover_state(Some(&made), Some(&target(AttemptState::Promoting))),
            CutoverState::Unfinished(Attempt {
                direction: Direction::Back,
                ..
            })
        ));
        let done = target(AttemptState::Done);
        assert_eq!(
            cutover_state(Some(&made), Some(&done)),
            CutoverState::NotCutOver
        );
        assert_eq!(cutover_state(None, Some(&done)), CutoverState::NotCutOver);
        assert_eq!(cutover_state(Some(&made), None), CutoverState::NotCutOver);
        assert_eq!(
            cutover_state(Some(&made), Some(&record(None, Some("t1")))),
            CutoverState::NotCutOver
        );
        // The source's promotion alone tells it, where the run was killed right after that.
        assert!(matches!(
            cutover_state(
                Some(&source(AttemptState::Done, Some("t2"))),
                Some(&target(AttemptState::Promoting))
            ),
            CutoverState::Unfinished(_)
        ));
        // An earlier rollback's promotion does not.
        let earlier = source(AttemptState::Done, Some("t0"));
        assert!(is_cut_over(&cutover_state(
            Some(&earlier),
            Some(&target(AttemptState::Promoting))
        )));
        // A second cutover: the promotion marks the rollback as undone.
        let again = record(
            Some(attempt("t3", Direction::Forward, AttemptState::Blocked)),
            Some("t2"),
        );
        assert!(matches!(
            cutover_state(Some(&again), Some(&done)),
            CutoverState::Unfinished(_)
        ));
        let again = record(
            Some(attempt("t3", Direction::Forward, AttemptState::Done)),
            Some("t2"),
        );
        let promoted = record(
            Some(attempt("t2", Direction::Back, AttemptState::RolledBack)),
            Some("t3"),
        );
        // Its own record of the rollback is older than the source's promotion by that rollback.
        assert!(is_cut_over(&cutover_state(None, Some(&promoted))));
        assert!(is_cut_over(&cutover_state(Some(&again), Some(&promoted))));
    }

    #[test]
    fn without_journals_the_reverse_subscription_and_who_is_read_only_say_it() {
        let traces = |reverse_subscription, read_only| CutoverRecord {
            traces: Some(Traces {
                reverse_subscription,
                read_only,
            }),
            ..CutoverRecord::default()
        };
        let (former, promoted) = (traces(true, true), traces(false, false));
        for target in [Some(&promoted), Some(&traces(false, true)), None] {
            let state = cutover_state(Some(&former), target);
            // As much as can be known: nothing is left to finish, and the way back was prepared.
            assert!(
                matches!(
                    &state,
                    CutoverState::CutOver(CutOver {
                        promotion: Promotion { reverse: true, .. },
                        finished: true,
                        rollback: None
                    })
                ),
                "{state:?}"
            );
            let refusal = refusal(&state, Purpose::SetUp).unwrap();
            assert!(refusal.what.starts_with("cut over, known by the reverse"));
            assert_eq!(refusal.hint, WITHOUT_JOURNAL);
        }
        assert!(is_cut_over(&cutover_state(
            Some(&traces(true, false)),
            Some(&promoted)
        )));
        assert_eq!(
            cutover_state(Some(&promoted), Some(&former)),
            CutoverState::Swapped
        );
        // Reverse replication alone, prepared and not promoted, where the other side was not read.
        assert_eq!(
            cutover_state(Some(&traces(true, false)), None),
            CutoverState::NotCutOver
        );
        // After a rollback; where one database still has its journal, that decides; never cut over.
        for (source, target) in [
            (traces(true, false), traces(false, true)),
            (traces(false, true), traces(true, false)),
            (former.clone(), CutoverRecord::default()),
            (CutoverRecord::default(), promoted.clone()),
            (promoted.clone(), promoted),
        ] {
            assert_eq!(
                cutover_state(Some(&source), Some(&target)),
                CutoverState::NotCutOver
            );
        }
    }

    #[test]
    fn another_database_is_refused_with_what_helps() {
        let identity = |oid, name: &str| DatabaseIdentity {
            system_identifier: Some("1".to_owned()),
            oid,
            database: name.to_owned(),
        };
        let record = |side, here: DatabaseIdentity| CutoverRecord {
            here: Some(here),
            pair: Some(IdentityPair {
                side,
                source: identity(1, "app"),
                target: identity(2, "shop"),
            }),
            ..CutoverRecord::default()
        };
        let source = record(crate::Side::Source, identity(1, "app"));
        let hint = |source: &CutoverRecord, target: &CutoverRecord| {
            let state = cutover_state(Some(source), Some(target));
            refusal(&state, Purpose::SetUp).map(|one| one.hint)
        };
        let target = record(crate::Side::Target, identity(2, "shop"));
        assert_eq!(hint(&source, &target), None);
        let copy = record(crate::Side::Target, identity(3, "copy"));
        assert_eq!(hint(&source, &copy), Some(TAKEN_PLACE));
        let stranger = CutoverRecord {
            here: Some(identity(3, "other")),
            ..CutoverRecord::default()
        };
        assert_eq!(hint(&source, &stranger), Some(NOT_THE_PARTNER));
    }

    #[test]
    fn an_attempt_is_called_by_its_direction() {
        let begun =
            |direction| CutoverState::Unfinished(attempt("t", direction, AttemptState::Blocked));
        for (direction, noun) in [
            (Direction::Forward, "an attempt at the cutover"),
            (Direction::Back, "an attempt at the rollback"),
        ] {
            let refusal = refusal(&begun(direction), Purpose::SetUp).unwrap();
            assert!(refusal.what.starts_with(noun), "{refusal:?}");
        }
    }

    #[test]
    fn one_journal_is_enough_to_know_of_a_cutover() {
        let (with, gone) = (
            CutoverRecord::default(),
            CutoverRecord {
                traces: Some(Traces::default()),
                ..CutoverRecord::default()
            },
        );
        for (source, target, without) in [
            (Some(&gone), Some(&gone), true),
            (Some(&gone), None, true),
            (None, Some(&gone), true),
            (Some(&with), Some(&gone), false),
            (Some(&gone), Some(&with), false),
            (None, None, false),
        ] {
            assert_eq!(without_journal(source, target), without);
        }
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
        // What is left to do: never a rollback that was not prepared, nor one before the cutover is finished.
        for (finished, reverse, hint) in [
            (false, true, "pgl-cutover resume finishes the cutover"),
            (false, false, "pgl-cutover resume finishes the cutover"),
            (true, true, "pgl-cutover rollback --yes makes the source"),
            (true, false, "pgl-teardown removes the migration"),
        ] {
            let state = CutoverState::CutOver(CutOver {
                promotion: Promotion {
                    at: "then".to_owned(),
                    token: "t1".to_owned(),
                    reverse,
                },
                finished,
                rollback: None,
            });
            let refusal = refusal(&state, Purpose::SetUp).unwrap();
            assert!(refusal.hint.starts_with(hint), "{refusal:?}");
            let prepared = refusal.what.contains("(reverse replication prepared)");
            assert_eq!(prepared, reverse, "{refusal:?}");
        }
        let begun = cutover_state(Some(&forward(AttemptState::Blocked)), None);
        for purpose in [Purpose::SetUp, Purpose::TearDown] {
            assert_eq!(
                refusal(&begun, purpose).unwrap().what,
                "an attempt at the cutover was begun and is not over (state blocked)"
            );
        }
    }
}
