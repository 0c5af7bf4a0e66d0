//! The states of an attempt, and what two databases say about the last one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Lsn;

/// Where an attempt is. Written to the journal of the old home before it is acted on.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Everything that has to hold holds; the new home is being shut.
    Guarded,
    /// The old home is being closed; what that changes is stored in the same commit.
    Blocking,
    /// Nobody writes any more: every replicated table is locked.
    Blocked,
    /// The last position is known.
    FinalLsn,
    /// The new home has applied everything.
    Drained,
    /// Sequences hand out what the old home would have.
    Sequences,
    /// Tables that replication cannot carry are copied again.
    Recopied,
    /// Both sides hold the same.
    Verified,
    /// The new home is being released; the old one has its wall, where one can be built.
    Releasing,
    /// The new home takes writes. From here on there is no way back but a rollback.
    Switched,
    /// Everything is done, the work after the pause included.
    Done,
    /// The old home is being opened again.
    Aborting,
    /// The old home takes writes as before.
    Restored,
    /// A rollback has made this the home again.
    RolledBack,
}

impl State {
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
            Self::Releasing => "releasing",
            Self::Switched => "switched",
            Self::Done => "done",
            Self::Aborting => "aborting",
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

/// An attempt as the journal of the old home has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    /// Never the same twice.
    pub token: String,
    /// Which way.
    pub direction: Direction,
    /// Where it is.
    pub state: State,
    /// The last position of the old home; null before it was known.
    pub final_lsn: Option<Lsn>,
    /// Whether replication back was prepared.
    pub reverse: bool,
}

/// What an attempt has come to, by both journals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nothing was begun, or all of it was taken back.
    Clean,
    /// Begun and neither finished nor taken back; the old home may refuse writes.
    Halfway(Attempt),
    /// The new home is released; work after the pause is left.
    Switched(Attempt),
    /// All done.
    Done(Attempt),
}

impl Standing {
    /// The attempt, where it promoted the other database.
    pub fn made(&self) -> Option<&Attempt> {
        match self {
            Self::Switched(attempt) | Self::Done(attempt) => Some(attempt),
            Self::Clean | Self::Halfway(_) => None,
        }
    }
}

/// Judges the old home's note against the token with which the new home was released last. The
/// release and its note are one commit, so the new home's word decides.
pub fn standing(attempt: Option<Attempt>, released: Option<&str>) -> Standing {
    let Some(attempt) = attempt else {
        return Standing::Clean;
    };
    match attempt.state {
        State::Restored | State::RolledBack => Standing::Clean,
        State::Done => Standing::Done(attempt),
        _ if released == Some(attempt.token.as_str()) => Standing::Switched(attempt),
        _ => Standing::Halfway(attempt),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [State; 14] = [
        State::Guarded,
        State::Blocking,
        State::Blocked,
        State::FinalLsn,
        State::Drained,
        State::Sequences,
        State::Recopied,
        State::Verified,
        State::Releasing,
        State::Switched,
        State::Done,
        State::Aborting,
        State::Restored,
        State::RolledBack,
    ];

    fn attempt(state: State) -> Attempt {
        Attempt {
            token: "t1".to_owned(),
            direction: Direction::Forward,
            state,
            final_lsn: None,
            reverse: false,
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
            let killed = standing(Some(attempt(state)), None);
            let released = standing(Some(attempt(state)), Some("t1"));
            let other = standing(Some(attempt(state)), Some("t0"));
            if state.is_over() {
                assert_eq!(killed, released);
            } else {
                assert_eq!(killed, Standing::Halfway(attempt(state)), "{state:?}");
                assert_eq!(other, killed, "an earlier attempt's release says nothing");
                assert_eq!(released, Standing::Switched(attempt(state)), "{state:?}");
            }
        }
        assert_eq!(standing(None, Some("t1")), Standing::Clean);
    }
}
