//! What a user waits for, and whether it has come, may still come, or cannot come any more.

use std::fmt;
use std::str::FromStr;

use super::causes::Cause;
use super::facts::{Snapshot, TargetNow};
use super::measure::{Lag, applied};
use super::state::{Word, word};
use crate::doc::Verdict;
use crate::{Lsn, Severity};

/// `--wait-for`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// The subscription replicates and its stream is connected.
    Replicating,
    /// Besides, no table is still being copied.
    Synced,
    /// Besides, everything is applied that the source had written a sample ago; with `--max-lag`,
    /// the lag is within it.
    CaughtUp,
    /// Besides, everything up to this position is applied.
    Drained(Lsn),
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replicating => f.write_str("replicating"),
            Self::Synced => f.write_str("synced"),
            Self::CaughtUp => f.write_str("caught-up"),
            Self::Drained(lsn) => write!(f, "drained:{lsn}"),
        }
    }
}

impl FromStr for Goal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "replicating" => Ok(Self::Replicating),
            "synced" => Ok(Self::Synced),
            "caught-up" => Ok(Self::CaughtUp),
            _ => match text.strip_prefix("drained:") {
                Some(lsn) => lsn
                    .parse()
                    .map(Self::Drained)
                    .map_err(|error: crate::lsn::BadLsn| error.to_string()),
                None => Err(format!(
                    "{text:?} is none of replicating, synced, caught-up, drained:LSN"
                )),
            },
        }
    }
}

/// `--max-lag`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxLag {
    /// In bytes of WAL.
    Bytes(u64),
    /// In seconds.
    Seconds(f64),
}

impl MaxLag {
    /// Whether the lag is within the limit. Seconds that nobody could measure are not.
    pub fn holds(self, lag: Option<&Lag>) -> bool {
        let Some(lag) = lag else {
            return false;
        };
        match self {
            Self::Bytes(limit) => lag.bytes <= limit,
            Self::Seconds(limit) => lag.seconds.is_some_and(|seconds| seconds <= limit),
        }
    }
}

/// Whether the newest sample is healthy: replicating, connected, the lag within the limit,
/// and nothing that blocks.
pub fn healthy(
    samples: &[Snapshot],
    causes: &[Cause],
    lag: Option<&Lag>,
    max_lag: Option<MaxLag>,
) -> bool {
    let Some(newest) = samples.last() else {
        return false;
    };
    word(newest.target.known()) == Word::Replicating
        && streaming(newest)
        && causes.iter().all(|cause| cause.severity != Severity::Block)
        && max_lag.is_none_or(|limit| limit.holds(lag))
}

/// Whether the source serves the slot. Where the source could not be asked this is unknown, and
/// unknown is not healthy.
fn streaming(sample: &Snapshot) -> bool {
    sample
        .source
        .known()
        .and_then(|source| source.slot.as_ref())
        .is_some_and(|slot| slot.active)
}

/// Whether the goal is reached in the newest sample. Tables whose rows are known to be missing are not
/// synced, whatever pglogical calls them.
pub fn reached(
    goal: Goal,
    samples: &[Snapshot],
    causes: &[Cause],
    lag: Option<&Lag>,
    max_lag: Option<MaxLag>,
) -> bool {
    let Some(newest) = samples.last() else {
        return false;
    };
    if causes.iter().any(Cause::loses_rows) && goal != Goal::Replicating {
        return false;
    }
    let target = newest.target.known();
    if let Goal::Drained(lsn) = goal {
        // The position says it, whatever became of the worker since; the source may be gone.
        return all_synced(target) && position(newest).is_some_and(|at| at >= lsn);
    }
    if word(target) != Word::Replicating || !streaming(newest) {
        return false;
    }
    match goal {
        Goal::Replicating => true,
        Goal::Synced => all_synced(target),
        Goal::CaughtUp => {
            all_synced(target)
                && match max_lag {
                    Some(limit) => limit.holds(lag),
                    None => caught_up(samples),
                }
        }
        Goal::Drained(_) => false,
    }
}

fn position(sample: &Snapshot) -> Option<Lsn> {
    let target = sample.target.known();
    match sample.source.known() {
        Some(source) => applied(source, target),
        None => target.and_then(TargetNow::applied),
    }
}

/// No table of the subscription is still being copied or catching up.
fn all_synced(target: Option<&TargetNow>) -> bool {
    target.is_some_and(|target| {
        target
            .subscription
            .as_ref()
            .is_some_and(|subscription| subscription.sync_status == Some('r'))
            && target.tables.iter().all(|table| table.status == 'r')
    })
}

/// Everything is applied that the source had written at the sample before.
fn caught_up(samples: &[Snapshot]) -> bool {
    let [.., before, newest] = samples else {
        return false;
    };
    let wanted = before.source.known().and_then(|source| source.wal_lsn);
    wanted
        .zip(position(newest))
        .is_some_and(|(wanted, at)| at >= wanted)
}

/// How a wait goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitProgress {
    /// It is reached.
    Reached,
    /// It may still come.
    Waiting,
    /// It cannot come any more without somebody acting.
    Broken,
}

/// The answer of a wait. What cannot be reached any more is a no, except where a server that rejects this program is
/// all that is known.
pub fn verdict(progress: WaitProgress, causes: &[Cause], cut_over: bool) -> Verdict {
    match progress {
        WaitProgress::Reached => Verdict::Ok,
        WaitProgress::Waiting => Verdict::NotYet,
        WaitProgress::Broken => {
            let mut ends = causes.iter().filter(|cause| cause.ends_wait()).peekable();
            let unasked =
                ends.peek().is_some() && ends.all(|cause| cause.id.starts_with("server."));
            match unasked && !cut_over {
                true => Verdict::Unknown,
                false => Verdict::No,
            }
        }
    }
}

/// How long a proven cause that never passes by itself lasts before a wait ends, in seconds. Whoever waits takes
/// a closer look again before that.
pub const PATIENCE: f64 = 3.0;

/// Causes over time that waiting does not help against: since when each is seen without a break.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LastingCauses {
    proven: Vec<(String, f64)>,
}

impl LastingCauses {
    /// Takes the newest sample in and says how the wait goes on. `at` is the program's own clock. What only a log
    /// says, and what may pass, never ends a wait.
    pub fn judge(&mut self, at: f64, causes: &[Cause], reached: bool) -> WaitProgress {
        if reached {
            return WaitProgress::Reached;
        }
        let fatal: Vec<&Cause> = causes.iter().filter(|cause| cause.ends_wait()).collect();
        self.proven
            .retain(|(id, _)| fatal.iter().any(|cause| &cause.id == id));
        for cause in fatal {
            if !self.proven.iter().any(|(id, _)| id == &cause.id) {
                self.proven.push((cause.id.clone(), at));
            }
        }
        if self.proven.iter().any(|(_, first)| at - first >= PATIENCE) {
            WaitProgress::Broken
        } else {
            WaitProgress::Waiting
        }
    }
}
