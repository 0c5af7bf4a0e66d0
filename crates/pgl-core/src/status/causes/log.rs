//! From a line of a log to a cause.
//!
//! A line is evidence with a time, never a proof of what holds now: what the catalogs and the workers show now
//! goes first. A line that they contradict is history, and then the worker only has to try again.

use super::known::{From, KNOWN, Known};
use super::link::{REMEDY_FOR_DSN, remedy_of, workers_exhausted};
use super::{Cause, Seen, on_subscription};
use crate::status::facts::{Log, Seen as Tried, SourceClose};
use crate::status::log::{Incident, Said, incident, no_worker_left, source_error};
use crate::{Side, plural};

/// Longer than pglogical's longest pause between two attempts: an attempt would have been made since.
const LONGEST_PAUSE: f64 = 200.0;

pub(super) fn look(seen: &Seen<'_>, found: &mut Vec<Cause>) {
    let Some(subscription) = seen.subscription.filter(|_| seen.stopped()) else {
        return;
    };
    let on_target = seen.close.target.as_ref().map(|close| &close.log);
    let on_source = seen.close.source.as_ref().map(|close| &close.log);
    let target_up = seen.target.map(|now| now.clock - now.started);
    let source_up = seen.source.map(|now| now.clock - now.started);
    let tail_of_target = on_target.and_then(tail);
    let incident = tail_of_target
        .as_ref()
        .and_then(|(tail, now)| incident(tail, &subscription.apply_name(), *now))
        // What ended with an earlier life of the server does not keep this one's worker from running.
        .filter(|one| !older(one.age, target_up));
    let by_source = on_source
        .and_then(tail)
        .and_then(|(tail, now)| source_error(tail, &subscription.slot_name, now))
        .filter(|said| !older(said.age, source_up) && !older(said.age, Some(LONGEST_PAUSE)));
    // A cause that is shown now needs no line of a log, except for the reason of a failed copy.
    let live = found.iter().any(|cause| cause.stops() && cause.is_proven());
    let mut causes = match &incident {
        Some(incident) => from_incident(seen, incident),
        None => Vec::new(),
    };
    // The other end of a broken conversation knows why it broke off.
    let broke_off = causes.iter().all(|cause| cause.id == "link.ended");
    if let Some(said) = by_source.filter(|_| broke_off) {
        causes = vec![from_source(seen, &said)];
    }
    if subscription.sync_status == Some('i') {
        // A subscription that was dropped and made again has the same number: what its
        // predecessor's worker ended with in a later phase is no news.
        causes.retain(|cause| !cause.id.starts_with("apply.") && !cause.id.starts_with("copy."));
    }
    let copy = causes.iter().any(|cause| cause.id == "copy.failed");
    for mut cause in causes {
        let known_now = found.iter().any(|other| other.id == cause.id);
        if live && !copy && !known_now && cause.id != "server.crash_loop" {
            continue;
        }
        if let Some(times) = incident.as_ref().map(|one| one.times).filter(|n| *n > 1) {
            cause.evidence.push(format!(
                "the worker ended {times} times within the part of the log that was read"
            ));
        }
        if let Some(now) = refuted(seen, found, &cause) {
            cause = retry(cause, now);
        }
        found.push(cause);
    }
    let full = tail_of_target
        .and_then(|(tail, now)| no_worker_left(tail, now))
        .filter(|said| !older(said.age, Some(LONGEST_PAUSE)));
    if let Some(said) = full {
        let evidence = said.evidence("target's log", seen.close.values);
        found.push(workers_exhausted().logged().seen_all(evidence));
    }
}

/// The end of a log, and the server's time when it was read.
fn tail(log: &Log) -> Option<(&str, Option<&str>)> {
    Some((log.tail.as_deref()?, log.now.as_deref()))
}

/// Whether something is longer ago than this; what has no time is not.
fn older(age: Option<f64>, limit: Option<f64>) -> bool {
    age.zip(limit).is_some_and(|(age, limit)| age > limit)
}

/// What shows now that the reason of a logged error is gone.
fn refuted(seen: &Seen<'_>, found: &[Cause], cause: &Cause) -> Option<String> {
    const SHOWN_BY_FACTS: [&str; 5] = [
        "apply.table_missing",
        "apply.column_missing",
        "apply.key_missing",
        "apply.role_missing",
        "apply.fk_truncate",
    ];
    let id = cause.id.as_str();
    let shown = found.iter().any(|other| other.id == id);
    if SHOWN_BY_FACTS.contains(&id) {
        // What the source sent is read from its queue; that of a role that may not read it is empty.
        let by_queue = matches!(id, "apply.role_missing" | "apply.fk_truncate");
        let readable = |source: &SourceClose| !by_queue || !source.queue.is_empty();
        let gone = (seen.both()).is_some_and(|(source, _)| readable(source)) && !shown;
        return gone.then(|| "the catalogs of both servers show no reason for it now".to_owned());
    }
    let slot = seen.source.and_then(|now| now.slot.as_ref());
    let close = seen.close.source.as_ref();
    let left = |used: u32, limit: u32, what: &str| {
        (used < limit).then(|| format!("{used} of {limit} {what} are in use now"))
    };
    let (gone, now) = match id {
        "slot.exhausted" => {
            return close.and_then(|one| left(one.used_slots, one.max_slots, "slots"));
        }
        "source.senders_exhausted" => {
            return close.and_then(|one| left(one.used_senders, one.max_senders, "WAL senders"));
        }
        "slot.in_use" => (
            slot.is_some_and(|slot| !slot.active),
            "the slot is inactive now",
        ),
        "slot.missing" => (slot.is_some(), "the slot exists now"),
        "source.wal_level" => (
            close.is_some_and(|close| close.wal_level == "logical"),
            "wal_level is logical now",
        ),
        "source.output_plugin" => (
            close.is_some() && !shown,
            "output_plugin_libraries allows it now",
        ),
        "set.missing" => (
            close
                .zip(seen.subscription)
                .is_some_and(|(close, one)| one.sets.iter().all(|set| close.sets.contains(set))),
            "every replication set of the subscription exists now",
        ),
        "origin.missing" => (
            seen.target.is_some_and(|now| now.origin.is_some()),
            "the origin exists now",
        ),
        "link.password" | "link.role" | "link.database" | "link.privilege" | "link.full" => (
            matches!(seen.close.dsn_from_here, Tried::Known(_)),
            "a login with the subscription's provider DSN succeeded now, from here",
        ),
        _ => return None,
    };
    gone.then(|| now.to_owned())
}

/// The error is history: the worker has not tried again yet.
fn retry(logged: Cause, now: String) -> Cause {
    let mut cause = Cause::new(
        "retry.pending",
        Side::Target,
        format!(
            "the apply worker has not tried again since its last error, whose reason is gone ({})",
            logged.id
        ),
    )
    .logged()
    .seen(now)
    .remedy("wait: pglogical tries again 5 to 180 seconds after its last attempt; or restart the worker at once");
    cause.object = logged.object;
    cause.evidence.extend(logged.evidence);
    cause
}

fn from_incident(seen: &Seen<'_>, incident: &Incident) -> Vec<Cause> {
    if incident.end.contains("signal") {
        return vec![crash(seen, incident)];
    }
    let all: Vec<&Said> = incident.copy.iter().chain(&incident.error).collect();
    let evidence: Vec<String> = all
        .iter()
        .flat_map(|said| said.evidence("target's log", seen.close.values))
        .collect();
    let says = |text: &str| all.iter().any(|said| said.says(text));
    let copy = says("nonrecoverable step") || says("table copy failed");
    let mut causes = Vec::new();
    if let Some((known, said)) = all
        .iter()
        .find_map(|said| Some((find(said, From::Worker)?, said)))
    {
        let mut cause = cause_of(seen, known);
        if known.id.starts_with("apply.") {
            cause.object = object_of(said);
        }
        if known.id == "set.missing" {
            cause.object = set_of(said);
        }
        cause.evidence.clone_from(&evidence);
        causes.push(cause);
    }
    if copy {
        let mut cause = Cause::new(
            "copy.failed",
            Side::Target,
            "pglogical's initial copy failed and is never tried again",
        )
        .logged()
        .remedy("everything copied was rolled back. Fix the reason, drop the subscription, empty the target's tables, and run pgl-setup: its own copy starts again table by table");
        if let Some(subscription) = seen.subscription {
            let name = &subscription.name;
            cause = cause
                .object(name)
                .sql(on_subscription("drop_subscription", name));
        }
        cause.evidence.clone_from(&evidence);
        causes.push(cause);
    }
    if causes.is_empty() && !evidence.is_empty() {
        let what = "the apply worker fails with an error that this program does not know";
        causes.push(
            Cause::new("apply.error", Side::Target, what)
                .logged()
                .remedy("see the message, and fix its reason")
                .seen_all(evidence),
        );
    }
    causes
}

fn find(said: &Said, from: From) -> Option<&'static Known> {
    KNOWN.iter().find(|known| {
        (known.from == From::Either || known.from == from)
            && known
                .says
                .iter()
                .all(|any| any.split('|').any(|text| said.says(text)))
    })
}

fn cause_of(seen: &Seen<'_>, known: &Known) -> Cause {
    let remedy = match known.remedy {
        "" => REMEDY_FOR_DSN,
        remedy => remedy,
    };
    Cause::new(known.id, known.side, known.what)
        .logged()
        .remedy(remedy_of(known.id, seen, remedy))
}

/// `replication set "x" used by this connection was deleted`, `replication set x not found`.
fn set_of(said: &Said) -> Option<String> {
    let rest = said.message.split_once("replication set ")?.1;
    let name = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => rest.split_whitespace().next()?,
    };
    Some(name.to_owned())
}

/// `… from remote relation public.t in commit …` names the table.
fn object_of(said: &Said) -> Option<String> {
    let mark = "from remote relation ";
    let line = said.details.iter().rfind(|line| line.contains(mark))?;
    let rest = line.split_once(mark)?.1;
    let name = rest.split_once(" in commit").map_or(rest, |(name, _)| name);
    Some(name.trim().to_owned())
}

/// A signal took the whole server down with the worker.
fn crash(seen: &Seen<'_>, incident: &Incident) -> Cause {
    let mut cause = Cause::new(
        "server.crash_loop",
        Side::Target,
        "the apply worker crashes and takes the whole target server down with it, each time it is started",
    )
    .seen(format!(
        "worker {} {}, {} within the part of the log that was read",
        incident.pid, incident.end, plural(incident.times, "time")
    ))
    .remedy("disable the subscription first of all. Known reasons: a column list in a replication set that leaves out a generated column, a table that is partitioned on the target only, pglogical before 2.4.5");
    if incident.times < 2 {
        cause = cause.logged();
    }
    if let Some(subscription) = seen.subscription {
        cause = cause.sql(on_subscription(
            "alter_subscription_disable",
            &subscription.name,
        ));
    }
    cause
}

/// What the source's walsender reported before it ended the connection.
fn from_source(seen: &Seen<'_>, said: &Said) -> Cause {
    let known = find(said, From::Source)
        .filter(|known| !known.id.starts_with("apply.") && !known.id.starts_with("copy."));
    let mut cause = match known {
        Some(known) => cause_of(seen, known),
        None => Cause::new(
            "source.error",
            Side::Source,
            "the source ended the connection with an error that this program does not know",
        )
        .logged()
        .remedy("see the message"),
    };
    if cause.id == "set.missing" {
        cause.object = set_of(said);
    }
    cause.evidence = said.evidence("source's log", seen.close.values);
    cause
}
