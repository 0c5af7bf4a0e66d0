//! The stream between the source's walsender and the apply worker: another process that reads the slot, a worker
//! without a walsender, a worker that does not answer.

use super::{Cause, Seen};
use crate::Side;
use crate::status::facts::{Snapshot, SourceNow, TargetNow, WalSenderNow};
use crate::status::state::{Word, word};

/// Twice as long as pglogical waits before it confirms what it has received.
const SILENT_SECONDS: f64 = 20.0;
/// A worker that was just started has not connected yet.
const CONNECTING_SECONDS: f64 = 5.0;

pub(super) fn look(seen: &Seen<'_>, found: &mut Vec<Cause>) {
    found.extend(other_consumer(seen));
    if let (Some(source), Some(target)) = (seen.source, seen.target)
        && seen.word == Word::Replicating
    {
        found.extend(no_walsender(seen, source, target));
        found.extend(silent(seen, source, target));
    }
}

/// Whether no apply worker of the subscription runs.
fn quiet(target: &TargetNow) -> bool {
    let word = word(Some(target));
    matches!(word, Word::Disabled | Word::Down | Word::Missing) && target.apply().is_none()
}

/// The slot's position moves while no worker of the subscription runs: what it passed is gone for the
/// subscription.
fn other_consumer(seen: &Seen<'_>) -> Option<Cause> {
    let subscription = seen.subscription?;
    let position = |sample: &Snapshot| {
        let source = sample.source.known()?;
        let target = sample.target.known()?;
        // Of an enabled subscription a worker may have come and gone between two samples.
        let off = target.subscription.as_ref().is_some_and(|one| !one.enabled);
        let state = (source.confirmed()?, source.slot.as_ref()?.active);
        (off && quiet(target)).then_some((state.0, state.1, target.applied()))
    };
    let moved = seen.all.windows(2).find_map(|pair| {
        let [before, after] = pair else {
            return None;
        };
        let (from, active, origin) = position(before)?;
        let (to, _, origin_now) = position(after)?;
        // A walsender that still holds the slot may take in what its worker sent last.
        (!active && to > from && origin == origin_now).then_some((from, to, origin))
    });
    let reader = seen
        .source
        .and_then(|now| now.sender.as_ref())
        .filter(|sender| {
            let named = sender.application.as_deref();
            named.is_some_and(|name| !name.is_empty() && name != subscription.name)
                && seen.target.is_some_and(quiet)
        });
    if moved.is_none() && reader.is_none() {
        return None;
    }
    let slot = &subscription.slot_name;
    let mut cause = Cause::new(
        "slot.other_consumer",
        Side::Source,
        format!("another process reads the slot {slot}: the changes that it confirms never arrive on the target"),
    )
    .object(slot)
    .remedy("end that process, then copy every table that was written to since: pgl-control resync SCHEMA.TABLE --yes. Nothing shows afterwards which changes were read elsewhere; pgl-verify finds the rows");
    if let Some((from, to, origin)) = moved {
        let origin = origin.map_or("no position".to_owned(), |lsn| lsn.to_string());
        cause = cause.seen(format!(
            "confirmed_flush_lsn went from {from} to {to} while no apply worker ran; the subscription's origin stayed at {origin}"
        ));
    }
    if let Some(sender) = reader {
        cause = cause.seen(format!(
            "process {} ({}) is connected to the slot",
            sender.pid,
            sender.application.as_deref().unwrap_or("?")
        ));
        if moved.is_none() {
            cause = cause.likely();
        }
        cause = cause.sql(format!("SELECT pg_terminate_backend({});", sender.pid));
    }
    Some(cause)
}

fn no_walsender(seen: &Seen<'_>, source: &SourceNow, target: &TargetNow) -> Option<Cause> {
    let (slot, worker) = source.slot.as_ref().zip(target.apply())?;
    let age = target.clock - worker.started;
    if slot.active || slot.is_lost() || age < CONNECTING_SECONDS {
        return None;
    }
    let confirmed = slot
        .confirmed_flush_lsn
        .map_or("nothing".to_owned(), |lsn| lsn.to_string());
    let mut cause = Cause::new(
        "stream.none",
        Side::Source,
        "no walsender of the source serves the apply worker's slot any more, and the worker has not noticed: its process is stopped, or the network between the two servers is cut",
    )
    .object(&slot.name)
    .may_pass()
    .seen(format!(
        "the worker (process {}) was started {age:.0} s ago, the slot is inactive and confirmed {confirmed}",
        worker.pid
    ))
    .remedy(format!(
        "on the target's machine: ps -o stat= -p {0}; where it begins with T the process is stopped, and kill -CONT {0} lets it go on; else find out \
         what cut the network, and restart the worker, which would notice it only much later",
        worker.pid
    ))
    .sql(seen.kick())
    .fix_on(Side::Target);
    let lasts = seen.samples.iter().all(|sample| {
        let slot = sample.source.known().and_then(|now| now.slot.as_ref());
        slot.is_some_and(|slot| !slot.active)
    });
    if !lasts || seen.samples.len() < 2 {
        cause = cause.likely();
    }
    Some(cause)
}

/// Which of the two ends of a connection that is silent does not move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Still {
    Walsender,
    Worker,
    /// One of them, or the network between them.
    Unknown,
}

/// What a walsender has left unsent since the sample before, while it waits for more, it does not see: its process does
/// not run. One that waits until the worker takes what it sends, or that has moved since the last answer was overdue,
/// runs.
fn still(sender: &WalSenderNow, samples: &[Snapshot]) -> Still {
    let sources = || {
        samples
            .iter()
            .rev()
            .skip(1)
            .filter_map(|one| one.source.known())
    };
    let waits = |event: &str| {
        let wait = sender.wait.as_deref();
        wait.is_some_and(|wait| wait.eq_ignore_ascii_case(event))
    };
    let unsent = sources().next().and_then(|before| before.wal_lsn) > sender.sent_lsn;
    let moved = sources().any(|before| {
        before.sender.as_ref().is_some_and(|before| {
            before.pid == sender.pid
                && before.sent_lsn < sender.sent_lsn
                && before.replied_ago.is_some_and(|ago| ago > SILENT_SECONDS)
        })
    });
    if waits("WalSenderWriteData") || moved {
        Still::Worker
    } else if unsent
        && sender.sent_lsn.is_some()
        && (waits("WalSenderWaitForWAL") || waits("WalSenderMain"))
    {
        Still::Walsender
    } else {
        Still::Unknown
    }
}

/// The worker is connected and does not answer. Where there is nothing to confirm it answers only when the walsender
/// asks, after half of wal_sender_timeout.
fn silent(seen: &Seen<'_>, source: &SourceNow, target: &TargetNow) -> Option<Cause> {
    let sender = source.sender.as_ref()?;
    let silent = sender.replied_ago.filter(|ago| *ago > SILENT_SECONDS)?;
    let timeout = seen.close.source.as_ref().map(|close| close.sender_timeout);
    let asked = timeout.is_some_and(|timeout| timeout > 0.0 && silent > timeout / 2.0 + 10.0);
    let confirmed = source.confirmed();
    let unconfirmed = |sample: &Snapshot| {
        let written = sample.source.known().and_then(|now| now.wal_lsn);
        written
            .zip(confirmed)
            .is_some_and(|(written, confirmed)| written > confirmed)
    };
    // What was written at the sample before has had its time.
    let waiting = seen.samples.iter().rev().nth(1).is_some_and(unconfirmed);
    if !asked && !waiting {
        return None;
    }
    let since = sender.replied_at.as_deref().unwrap_or("?");
    let since = format!("since {since} ({silent:.0} s ago)");
    let pid = sender.pid;
    let worker = target.apply();
    let process = worker.map_or("the apply worker".to_owned(), |one| {
        format!("the apply worker (process {})", one.pid)
    });
    const TIMEOUT: &str = "The source ends the connection after wal_sender_timeout";
    let (id, side, what, remedy) = match still(sender, seen.samples) {
        Still::Worker => (
            "apply.silent",
            Side::Target,
            format!("the apply worker has not confirmed anything {since}"),
            format!(
                "if it waits for a lock, end the session that holds it; if one large transaction is being applied, wait; else the network between the servers is cut or the process is stopped: look at it on the target's machine. {TIMEOUT}"
            ),
        ),
        Still::Walsender => (
            "stream.silent",
            Side::Source,
            format!(
                "the source's walsender (process {pid}) does not send what has been written, and has taken no answer {since}"
            ),
            format!(
                "the process is stopped, or its machine is: look at it on the source's machine. pg_terminate_backend({pid}) on the source ends it once it runs again, and pglogical connects anew"
            ),
        ),
        Still::Unknown => (
            "stream.silent",
            Side::Source,
            format!(
                "the source's walsender (process {pid}) has had no answer of the apply worker {since}: one of the two does not run, or the network between them is cut"
            ),
            format!(
                "look at the walsender on the source's machine and at {process} on the target's: if the worker waits for a lock, end the session that holds it; if one large transaction is being applied, wait. {TIMEOUT}"
            ),
        ),
    };
    let lsn = |lsn: Option<crate::Lsn>| lsn.map_or("?".to_owned(), |lsn| lsn.to_string());
    let waits = |wait: Option<&str>| wait.unwrap_or("nothing that the server shows").to_owned();
    Some(
        Cause::new(id, side, what)
            .may_pass()
            .seen(format!(
                "the source's walsender {pid} is in state {}, sent {}, confirmed {}; the source is at {}",
                sender.state.as_deref().unwrap_or("?"),
                lsn(sender.sent_lsn),
                lsn(confirmed),
                lsn(source.wal_lsn),
            ))
            .seen(format!("the walsender waits for: {}", waits(sender.wait.as_deref())))
            .seen(format!(
                "the worker on the target waits for: {}",
                waits(worker.and_then(|worker| worker.wait.as_deref()))
            ))
            .remedy(remedy),
    )
}
