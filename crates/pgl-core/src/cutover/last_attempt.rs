//! The states of an attempt, and what two databases say about the last one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Lsn;

/// Where an attempt is. Written to the journal of the provider before it is acted on.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// The preconditions hold; the subscriber is being made read-only.
    Guarded,
    /// The provider is being made read-only; what that changes is stored in the same commit.
    Blocking,
    /// Writes are blocked: every replicated table is locked.
    Blocked,
    /// The final LSN is known.
    FinalLsn,
    /// The subscriber has applied everything.
    Drained,
    /// Sequences hand out what the provider would have.
    Sequences,
    /// Tables without a replica identity are copied again.
    Recopied,
    /// Both sides hold the same.
    Verified,
    /// The subscriber is being promoted; the provider has its write-block triggers, where they can be made.
    Promoting,
    /// The subscriber accepts writes. From here on only a rollback leads back.
    Promoted,
    /// Everything is done, the work after the write outage included.
    Done,
    /// The provider accepts writes as before.
    Restored,
    /// A rollback has promoted this database again.
    RolledBack,
}

impl AttemptState {
    /// As the journal has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guarded => "guarded",
            Self::Blocking => "blocking",
            Self::Blocked => "blocked",
            Self::FinalLsn => "final_lsn",
            Self::Drained => "drained",
            Self::Sequences => "sequences",
            Self::Recopied => "recopied",
            Self::Verified => "verified",
            Self::Promoting => "promoting",
            Self::Promoted => "promoted",
            Self::Done => "done",
            Self::Restored => "restored",
            Self::RolledBack => "rolled_back",
        }
    }

    /// Whether an attempt in this state is over and has left nothing to undo.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Restored | Self::RolledBack)
    }
}

/// Which way an attempt goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the source to the target.
    Forward,
    /// From the target back to the source.
    Back,
}

impl Direction {
    /// What an attempt in this direction is called.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Forward => "cutover",
            Self::Back => "rollback",
        }
    }
}

/// An attempt as the journal of the provider has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    /// Never the same twice.
    pub token: String,
    /// Which way.
    pub direction: Direction,
    /// Where it is.
    pub state: AttemptState,
    /// The last position of the provider; null before it was known.
    pub final_lsn: Option<Lsn>,
    /// Whether replication back was prepared.
    pub reverse: bool,
    /// Whether it was to be rolled back in any case, as a rehearsal.
    #[serde(default)]
    pub rehearsal: bool,
}

/// What the last attempt has come to, by both journals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LastAttempt {
    /// There was none, or it was rolled back.
    Clean,
    /// Begun and neither finished nor rolled back; the provider may refuse writes.
    Halfway(Attempt),
    /// The subscriber is promoted; work after the write outage is left.
    Promoted(Attempt),
    /// All done.
    Done(Attempt),
}

impl LastAttempt {
    /// The attempt, where it promoted the other database.
    pub fn made(&self) -> Option<&Attempt> {
        match self {
            Self::Promoted(attempt) | Self::Done(attempt) => Some(attempt),
            Self::Clean | Self::Halfway(_) => None,
        }
    }
}

/// Judges the provider's note against the token with which the subscriber was released last. The
/// release and its note are one commit, so the subscriber's word decides.
pub fn last_attempt(attempt: Option<Attempt>, released: Option<&str>) -> LastAttempt {
    let Some(attempt) = attempt else {
        return LastAttempt::Clean;
    };
    match attempt.state {
        AttemptState::Restored | AttemptState::RolledBack => LastAttempt::Clean,
        AttemptState::Done => LastAttempt::Done(attempt),
        _ if released == Some(attempt.token.as_str()) => LastAttempt::Promoted(attempt),
        _ => LastAttempt::Halfway(attempt),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [AttemptState; 13] = [
        AttemptState::Guarded,
        AttemptState::Blocking,
        AttemptState::Blocked,
        AttemptState::FinalLsn,
        AttemptState::Drained,
        AttemptState::Sequences,
        AttemptState::Recopied,
        AttemptState::Verified,
        AttemptState::Promoting,
        AttemptState::Promoted,
        AttemptState::Done,
        AttemptState::Restored,
        AttemptState::RolledBack,
    ];

    fn attempt(state: AttemptState) -> Attempt {
        Attempt {
            token: "t1".to_owned(),
            direction: Direction::Forward,
            state,
            final_lsn: None,
            reverse: false,
            rehearsal: false,
        }
    }

    #[test]
    fn the_journal_and_the_document_use_the_same_words() {
        for state in ALL {
            let text = serde_json::to_string(&state).unwrap();
            assert_eq!(text, format!("\"{}\"", state.as_str()));
        }
    }

    #[test]
    fn the_release_decides_and_nothing_else() {
        for state in ALL {
            let killed = last_attempt(Some(attempt(state)), None);
            let released = last_attempt(Some(attempt(state)), Some("t1"));
            let other = last_attempt(Some(attempt(state)), Some("t0"));
            if state.is_over() {
                assert_eq!(killed, released);
                let expected = match state {
                    AttemptState::Done => LastAttempt::Done(attempt(state)),
                    _ => LastAttempt::Clean,
                };
                assert_eq!(killed, expected, "{state:?}");
                assert_eq!(killed.made().is_some(), state == AttemptState::Done);
            } else {
                assert_eq!(killed, LastAttempt::Halfway(attempt(state)), "{state:?}");
                assert_eq!(other, killed, "an earlier attempt's release says nothing");
                assert_eq!(released, LastAttempt::Promoted(attempt(state)), "{state:?}");
                assert_eq!(released.made(), Some(&attempt(state)));
                assert_eq!(killed.made(), None);
            }
        }
        assert_eq!(last_attempt(None, Some("t1")), LastAttempt::Clean);
    }
}
