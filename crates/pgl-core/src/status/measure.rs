//! Lag, rates and forecasts, from samples.
//!
//! Seconds are never the difference of two clocks. They come from the source's clock alone: the
//! commit time of the last applied transaction was stamped by the source, and so was the moment
//! at which the source had written a position that the target has reached since. Each way gives
//! an upper bound; the smallest one is taken and named.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts::{Snapshot, SourceNow, TargetNow};
use crate::Lsn;

/// How far the target is behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lag {
    /// Current write position of the source.
    pub source_lsn: Lsn,
    /// Everything up to here is applied on the target: the further of the two below.
    pub applied_lsn: Lsn,
    /// What the target has confirmed as flushed to disk.
    pub confirmed_flush_lsn: Option<Lsn>,
    /// The origin's position: moves with every applied transaction.
    pub origin_lsn: Option<Lsn>,
    /// Bytes of WAL between the source's position and the applied one.
    pub bytes: u64,
    /// Bytes up to the confirmed position: what a crash of the target would fetch again.
    pub unconfirmed_bytes: Option<u64>,
    /// Seconds behind; null where nothing measured allows to say it.
    pub seconds: Option<f64>,
    /// Where the seconds come from.
    pub seconds_from: Option<SecondsFrom>,
}

/// Where lag in seconds comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecondsFrom {
    /// Nothing is outstanding.
    NothingOutstanding,
    /// The source's clock against the source's commit time of the last applied transaction.
    CommitTimestamp,
    /// The target has reached a position that the source was seen at so long ago.
    Samples,
    /// Bytes outstanding divided by the rate at which the source writes: an estimate.
    WalRate,
}

/// What changes, per second, over the samples at hand.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rates {
    /// Seconds between the first and the last sample.
    pub over_seconds: f64,
    /// WAL that the source writes, in bytes per second.
    pub wal_bytes: Option<f64>,
    /// WAL that the target applies, in bytes per second.
    pub applied_bytes: Option<f64>,
    /// Seconds until the target has caught up at these rates; null where it does not.
    pub eta_seconds: Option<f64>,
}

/// What the slot keeps the source from deleting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Retained {
    /// The slot.
    pub slot: String,
    /// Whether somebody streams from it.
    pub active: bool,
    /// Bytes of WAL retained; null for a slot that is lost.
    pub bytes: Option<u64>,
    /// Growth in bytes per second.
    pub growth: Option<f64>,
    /// `reserved`, `extended`, `unreserved`, `lost` (13 and later).
    pub wal_status: Option<String>,
    /// `max_slot_wal_keep_size`, null where unlimited.
    pub limit_bytes: Option<u64>,
    /// Bytes until the slot may be lost.
    pub room_bytes: Option<u64>,
    /// Seconds until then at the present growth; null where it does not shrink.
    pub lost_in_seconds: Option<f64>,
}

/// The difference between the two servers' clocks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Skew {
    /// Target minus source, in seconds.
    pub seconds: f64,
    /// How far that can be off.
    pub error: f64,
}

/// Everything up to here is applied: the origin moves with each transaction, the confirmed
/// position also past WAL that concerns nobody here.
pub fn applied(source: &SourceNow, target: Option<&TargetNow>) -> Option<Lsn> {
    source.confirmed().max(target.and_then(TargetNow::applied))
}

/// The lag in the newest of the samples, oldest first.
pub fn lag(samples: &[Snapshot]) -> Option<Lag> {
    let newest = samples.last()?;
    let source = newest.source.known()?;
    let target = newest.target.known();
    // While nothing was copied, an applied position says nothing.
    let copied = target
        .and_then(|target| target.subscription.as_ref())
        .is_none_or(|one| !matches!(one.sync_status, Some('i' | 's' | 'd' | 'c')));
    if !copied {
        return None;
    }
    let source_lsn = source.wal_lsn?;
    let applied_lsn = applied(source, target)?;
    let bytes = source_lsn.bytes_since(applied_lsn);
    let confirmed_flush_lsn = source.confirmed();
    let (seconds, seconds_from) = seconds(samples, source, target, applied_lsn, bytes)
        .map(|(seconds, from)| (round(seconds), from))
        .unzip();
    Some(Lag {
        source_lsn,
        applied_lsn,
        confirmed_flush_lsn,
        origin_lsn: target.and_then(TargetNow::applied),
        bytes,
        unconfirmed_bytes: confirmed_flush_lsn.map(|lsn| source_lsn.bytes_since(lsn)),
        seconds,
        seconds_from,
    })
}

fn seconds(
    samples: &[Snapshot],
    source: &SourceNow,
    target: Option<&TargetNow>,
    applied: Lsn,
    bytes: u64,
) -> Option<(f64, SecondsFrom)> {
    if bytes == 0 {
        return Some((0.0, SecondsFrom::NothingOutstanding));
    }
    // A stream that has caught up and began after that commit: it only says that nothing was written since.
    let idle = |ago: f64| {
        source.sender.as_ref().is_some_and(|sender| {
            sender.state.as_deref() == Some("streaming") && sender.age.is_some_and(|age| age < ago)
        })
    };
    let by_commit = target
        .and_then(|target| target.last_applied)
        .map(|committed| (source.clock - committed).max(0.0))
        .filter(|ago| !idle(*ago))
        .map(|ago| (ago, SecondsFrom::CommitTimestamp));
    let by_sample = samples
        .iter()
        .rev()
        .filter_map(|sample| sample.source.known())
        .find(|seen| seen.wal_lsn.is_some_and(|lsn| lsn <= applied))
        .map(|seen| ((source.clock - seen.clock).max(0.0), SecondsFrom::Samples));
    let bound = [by_commit, by_sample]
        .into_iter()
        .flatten()
        .min_by(|one, two| one.0.total_cmp(&two.0));
    bound.or_else(|| {
        Some((
            as_f64(bytes) / rates(samples).steady()?,
            SecondsFrom::WalRate,
        ))
    })
}

impl Rates {
    /// The rate at which the source writes, where enough was written to call it one: a few bytes in a
    /// second would make hours of a lag of seconds.
    pub fn steady(&self) -> Option<f64> {
        const ENOUGH: f64 = 65_536.0;
        self.wal_bytes
            .filter(|rate| rate * self.over_seconds >= ENOUGH)
    }
}

/// The rates over the samples, oldest first.
pub fn rates(samples: &[Snapshot]) -> Rates {
    let known: Vec<(f64, &SourceNow, Option<&TargetNow>)> = samples
        .iter()
        .filter_map(|sample| Some((sample.at, sample.source.known()?, sample.target.known())))
        .collect();
    let (Some(first), Some(last)) = (known.first(), known.last()) else {
        return Rates::default();
    };
    let over = last.0 - first.0;
    if over < 0.05 {
        return Rates::default();
    }
    let per_second =
        |from: Option<Lsn>, to: Option<Lsn>| Some(as_f64(to?.bytes_since(from?)) / over);
    let wal_bytes = per_second(first.1.wal_lsn, last.1.wal_lsn);
    let applied_bytes = per_second(applied(first.1, first.2), applied(last.1, last.2));
    let left = last
        .1
        .wal_lsn
        .zip(applied(last.1, last.2))
        .map(|(source, applied)| source.bytes_since(applied));
    let eta_seconds = match (left, wal_bytes, applied_bytes) {
        (Some(0), _, _) => Some(0.0),
        (Some(left), Some(wal), Some(applied)) if applied > wal => {
            Some(round(as_f64(left) / (applied - wal)))
        }
        _ => None,
    };
    Rates {
        over_seconds: round(over),
        wal_bytes: wal_bytes.map(round),
        applied_bytes: applied_bytes.map(round),
        eta_seconds,
    }
}

/// What the slot holds back, and for how long that can go on.
pub fn retained(samples: &[Snapshot]) -> Option<Retained> {
    let newest = samples.last()?.source.known()?;
    let slot = newest.slot.as_ref()?;
    let held = |source: &SourceNow| {
        let slot = source.slot.as_ref()?;
        Some(source.wal_lsn?.bytes_since(slot.restart_lsn?))
    };
    let bytes = held(newest);
    let oldest = samples
        .iter()
        .find_map(|sample| Some((sample.at, sample.source.known()?)));
    let over = samples.last()?.at - oldest.map_or(0.0, |(at, _)| at);
    let growth = oldest
        .and_then(|(_, source)| held(source))
        .zip(bytes)
        .filter(|_| over >= 0.05)
        .map(|(before, bytes)| (as_f64(bytes) - as_f64(before)) / over);
    let limit_bytes = newest.max_slot_wal_keep_bytes;
    let room_bytes = match (slot.safe_wal_size, limit_bytes) {
        (Some(safe), _) => Some(u64::try_from(safe).unwrap_or(0)),
        (None, Some(limit)) => bytes.map(|bytes| limit.saturating_sub(bytes)),
        (None, None) => None,
    };
    let lost_in_seconds = room_bytes
        .zip(growth.filter(|growth| *growth > 0.0))
        .map(|(room, growth)| round(as_f64(room) / growth));
    Some(Retained {
        slot: slot.name.clone(),
        active: slot.active,
        bytes,
        growth: growth.map(round),
        wal_status: slot.wal_status.clone(),
        limit_bytes,
        room_bytes,
        lost_in_seconds,
    })
}

/// How far the clocks are apart, in the newest sample.
pub fn skew(sample: &Snapshot) -> Option<Skew> {
    let source = sample.source.known()?;
    let target = sample.target.known()?;
    Some(Skew {
        seconds: round((target.clock - source.clock) - (target.clock_at - source.clock_at)),
        error: round(source.clock_error + target.clock_error),
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "rates and estimates; below 2^53 bytes nothing is lost"
)]
/// As a number that can be divided.
pub fn as_f64(bytes: u64) -> f64 {
    bytes as f64
}

/// To the millisecond: more digits would only pretend.
fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
