//! From the words of a log to a cause.

use super::known::KNOWN;
use super::link::remedy_for_dsn;
use super::{Cause, Seen};
use crate::status::log::{Incident, incident, source_errors};
use crate::{Side, quote_literal};

pub(super) fn look(seen: &Seen<'_>, found: &mut Vec<Cause>) {
    let Some(subscription) = seen.subscription.filter(|_| seen.stands()) else {
        return;
    };
    let tail = |log: &crate::status::facts::Log| log.tail.clone();
    let on_target = seen
        .close
        .target
        .as_ref()
        .and_then(|close| tail(&close.log));
    let on_source = seen
        .close
        .source
        .as_ref()
        .and_then(|close| tail(&close.log));
    let source_says = on_source
        .as_deref()
        .map(|log| source_errors(log, &subscription.slot_name))
        .unwrap_or_default();
    let incident = on_target
        .as_deref()
        .and_then(|log| incident(log, &subscription.apply_name()));
    if let Some(incident) = incident {
        let mut causes = from_incident(seen, &incident);
        // The other end of a broken conversation knows why it broke off.
        if causes.iter().any(|cause| cause.id == "link.ended") && !source_says.is_empty() {
            causes.retain(|cause| cause.id != "link.ended");
            causes.push(from_source(seen, &source_says));
        }
        if subscription.sync_status == Some('i') {
            // A subscription that was dropped and made again has the same number: what its
            // predecessor's worker died of in a later phase is no news.
            causes
                .retain(|cause| !cause.id.starts_with("apply.") && !cause.id.starts_with("copy."));
        }
        for mut cause in causes {
            if incident.times > 1 {
                cause.evidence.push(format!(
                    "the worker ended {} times within the part of the log that was read",
                    incident.times
                ));
            }
            tried_since(seen, found, &mut cause);
            found.push(cause);
        }
    } else if !source_says.is_empty() {
        found.push(from_source(seen, &source_says));
    }
    if let Some(line) = on_target
        .as_deref()
        .and_then(crate::status::log::no_worker_left)
    {
        found.push(
            Cause::new(
                "target.workers_exhausted",
                Side::Target,
                "the target has no background worker left for pglogical",
            )
            .seen(line)
            .remedy("raise max_worker_processes (one for the supervisor, one a database, two a subscription, and what others need) and restart the target"),
        );
    }
}

/// Where both sides were looked at and the reason is gone, the worker has only not tried again.
fn tried_since(seen: &Seen<'_>, found: &[Cause], cause: &mut Cause) {
    const SHOWN_BY_FACTS: [&str; 5] = [
        "apply.table_missing",
        "apply.column_missing",
        "apply.key_missing",
        "apply.role_missing",
        "slot.missing",
    ];
    let shown = SHOWN_BY_FACTS.contains(&cause.id.as_str());
    if shown && seen.looked() && !found.iter().any(|other| other.id == cause.id) {
        cause.heals = super::Heals::Perhaps;
        cause.evidence.push(
            "it seems to be mended since: pglogical tries again 5 to 180 seconds after its last attempt"
                .to_owned(),
        );
        cause.sql = Some(seen.kick());
    }
}

fn from_incident(seen: &Seen<'_>, incident: &Incident) -> Vec<Cause> {
    if incident.end.contains("signal") {
        return vec![crash(seen, incident)];
    }
    let mut causes = Vec::new();
    let copy = incident.says("nonrecoverable step") || incident.says("table copy failed");
    let says_all = |known: &&super::known::Known| known.says.iter().all(|text| incident.says(text));
    if let Some(known) = KNOWN.iter().find(says_all) {
        let mut cause =
            Cause::new(known.id, known.side, known.what).remedy(if known.remedy.is_empty() {
                remedy_for_dsn()
            } else {
                known.remedy
            });
        if known.may_pass {
            cause = cause.may_pass();
        }
        if known.id.starts_with("apply.") {
            cause = cause.sql(seen.kick());
            cause.object = object_of(incident);
        }
        if known.id == "set.missing"
            && let (Some(subscription), Some(set)) = (seen.subscription, set_of(incident))
        {
            cause = cause.object(&set).fix_on(Side::Target).sql(format!(
                "SELECT pglogical.alter_subscription_remove_replication_set({}, {});",
                quote_literal(&subscription.name),
                quote_literal(&set)
            ));
        }
        cause.evidence.clone_from(&incident.lines);
        if copy {
            // The reason of a failed copy: mending it alone does not bring the copy back.
            cause.sql = None;
        }
        causes.push(cause);
    }
    if copy {
        let mut cause = Cause::new(
            "copy.failed",
            Side::Target,
            "pglogical's initial copy failed and is never tried again",
        )
        .remedy("everything copied was rolled back. Mend the reason, drop the subscription, empty the target's tables, and run pgl-setup: its own copy starts again table by table");
        if let Some(subscription) = seen.subscription {
            cause = cause.object(&subscription.name).sql(format!(
                "SELECT pglogical.drop_subscription({});",
                quote_literal(&subscription.name)
            ));
        }
        cause.evidence.clone_from(&incident.lines);
        causes.push(cause);
    }
    if causes.is_empty() && !incident.lines.is_empty() {
        let mut cause = Cause::new(
            "apply.error",
            Side::Target,
            "the apply worker fails with an error that this program does not know",
        )
        .remedy("see the message; after mending it, let pglogical try again")
        .sql(seen.kick());
        cause.evidence.clone_from(&incident.lines);
        causes.push(cause);
    }
    causes
}

/// `replication set "x" used by this connection was deleted`, `replication set x not found`.
fn set_of(incident: &Incident) -> Option<String> {
    let line = incident.line("replication set ")?;
    let rest = line.split_once("replication set ")?.1;
    let name = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => rest.split_whitespace().next()?,
    };
    Some(name.to_owned())
}

/// `… from remote relation public.t in commit …` names the table.
fn object_of(incident: &Incident) -> Option<String> {
    let line = incident.line("from remote relation ")?;
    let rest = line.split_once("from remote relation ")?.1;
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
        "worker {} {}, {} times within the part of the log that was read",
        incident.pid, incident.end, incident.times
    ))
    .remedy("switch the subscription off first of all. Known reasons: a column list in a replication set that leaves out a generated column, a table that is partitioned on the target only, pglogical before 2.4.5");
    if let Some(subscription) = seen.subscription {
        cause = cause.sql(format!(
            "SELECT pglogical.alter_subscription_disable({});",
            quote_literal(&subscription.name)
        ));
    }
    cause
}

fn from_source(seen: &Seen<'_>, lines: &[String]) -> Cause {
    let incident = Incident {
        pid: 0,
        end: String::new(),
        times: 1,
        lines: lines.to_vec(),
    };
    from_incident(seen, &incident).pop().map_or_else(
        || {
            Cause::new(
                "link.ended",
                Side::Source,
                "the source ended the connection",
            )
            .may_pass()
        },
        |mut cause| {
            if cause.id == "apply.error" {
                cause = Cause::new(
                    "source.error",
                    Side::Source,
                    "the source ends the connection with an error that this program does not know",
                )
                .remedy("see the message");
                cause.evidence = lines.to_vec();
            }
            cause
        },
    )
}
