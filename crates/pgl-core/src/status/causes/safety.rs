//! Replication runs and cannot be trusted, or makes no progress: values that arrive changed,
//! tables that are empty although pglogical calls them replicated, a worker that waits.

use super::{Cause, Seen};
use crate::status::facts::{Override, Snapshot, Subscription, Worker};
use crate::status::measure::applied;
use crate::status::state::{Word, unpinned};
use crate::{QualifiedName, ServerVersion, Severity, Side};

pub(super) fn look(seen: &Seen<'_>, found: &mut Vec<Cause>) {
    if let Some(subscription) = seen.subscription {
        output(seen, subscription, found);
        settings(seen, found);
    }
    empty_tables(seen, found);
    waits(seen, found);
    frozen(seen, found);
}

/// What the source's role, database or version sets where the DSN pins nothing.
fn output(seen: &Seen<'_>, subscription: &Subscription, found: &mut Vec<Cause>) {
    let version = seen
        .source
        .map_or(ServerVersion(0), |source| source.version);
    let missing = unpinned(subscription, version);
    if missing.is_empty() {
        return;
    }
    let mut dangers = Vec::new();
    let both = seen.source.zip(seen.target);
    // Between equal majors values travel in their internal form.
    let as_text = both
        .is_none_or(|(source, target)| source.version.major_num() != target.version.major_num());
    let floats = missing.iter().any(|setting| setting.starts_with("extra"));
    if floats && seen.source.is_some() && !version.at_least(12) {
        dangers.push("extra_float_digits is 0 by default before 12".to_owned());
    }
    if let Some(close) = &seen.close.source {
        let applies =
            |setting: &&Override| setting.role.is_none() || setting.role == subscription.dsn.user;
        for setting in close.overrides.iter().filter(applies) {
            let pinned = !missing
                .iter()
                .any(|one| one.starts_with(&format!("{}=", setting.name)));
            let harmless = match setting.name.as_str() {
                "datestyle" => setting.value.to_ascii_lowercase().starts_with("iso"),
                "intervalstyle" => setting.value.eq_ignore_ascii_case("postgres"),
                _ => matches!(setting.value.as_str(), "1" | "2" | "3") && version.at_least(12),
            };
            if !pinned && !harmless {
                dangers.push(format!(
                    "{} is {} for {}",
                    setting.name,
                    setting.value,
                    setting
                        .role
                        .as_deref()
                        .unwrap_or("everybody in this database")
                ));
            }
        }
    }
    let mut cause = Cause::new(
        "unsafe.output_settings",
        Side::Target,
        if dangers.is_empty() || !as_text {
            "unsafe: the subscription does not pin the text form of values; a changed setting on the source would corrupt them silently"
        } else {
            "unsafe: floats, dates or intervals arrive changed, silently: the subscription does not pin the text form of values"
        },
    )
    .object(&subscription.name)
    .seen(format!("not in the provider DSN's options: {}", missing.join(", ")))
    .remedy("give the subscription a DSN with options='-c extra_float_digits=3 -c datestyle=ISO -c intervalstyle=postgres' (pglogical.alter_node_add_interface() for the source's node and pglogical.alter_subscription_interface(), both on the target; pgl-setup always does), then let pgl-verify compare");
    for danger in &dangers {
        cause = cause.seen(danger.clone());
    }
    if dangers.is_empty() || !as_text {
        cause = cause.warn().likely();
    }
    found.push(cause);
}

/// Settings of the target that turn changes into losses.
fn settings(seen: &Seen<'_>, found: &mut Vec<Cause>) {
    let Some(close) = &seen.close.target else {
        return;
    };
    let Some(how) = close.conflict_resolution.as_deref() else {
        return;
    };
    let local_wins = matches!(how, "keep_local" | "last_update_wins" | "first_update_wins");
    if local_wins && close.track_commit_timestamp {
        found.push(
            Cause::new(
                "unsafe.conflict_resolution",
                Side::Target,
                format!("unsafe: pglogical.conflict_resolution = {how} lets copied rows win over changes of the source, silently"),
            )
            .seen(format!("pglogical.conflict_resolution = {how}, track_commit_timestamp = on"))
            .remedy("set it to apply_remote and restart the worker; then let pgl-verify compare")
            .sql("ALTER SYSTEM SET pglogical.conflict_resolution = 'apply_remote'; SELECT pg_reload_conf();"),
        );
    }
}

/// pglogical calls everything replicated also where its copy was rolled back.
fn empty_tables(seen: &Seen<'_>, found: &mut Vec<Cause>) {
    let (Some(source), Some(target)) = (&seen.close.source, &seen.close.target) else {
        return;
    };
    if seen.word != Word::Replicating {
        return;
    }
    // Until the target has what the source had when it was first seen, it may only be late.
    let settled = source_reached(seen.samples);
    let mut empty: Vec<String> = Vec::new();
    for table in source
        .tables
        .iter()
        .filter(|table| table.has_rows == Some(true))
    {
        let there = target
            .tables
            .iter()
            .find(|there| there.schema == table.schema && there.name == table.name);
        let letter = seen.target.and_then(|now| {
            let same = |sync: &&crate::status::facts::TableSync| {
                sync.schema == table.schema && sync.name == table.name
            };
            now.tables.iter().find(same).map(|sync| sync.status)
        });
        if there.and_then(|there| there.has_rows) == Some(false) && letter.is_none_or(|l| l == 'r')
        {
            empty.push(QualifiedName::new(&table.schema, &table.name).to_string());
        }
    }
    if empty.is_empty() {
        return;
    }
    let few = empty
        .iter()
        .take(10)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    let cause = Cause::new(
            "copy.empty_tables",
            Side::Target,
            format!("{} tables are empty on the target and not on the source, although pglogical calls them replicated", empty.len()),
        )
        .object(&empty[0])
        .seen(few)
        .seen("pglogical reports success also where the last table of its copy failed and everything was rolled back")
        .remedy("look for an ERROR of the copy in the target's log; drop the subscription, empty the tables and run pgl-setup; then let pgl-verify prove the rows");
    found.push(if settled {
        cause
    } else {
        cause.warn().likely().may_pass()
    });
}

/// Whether the target has applied what the source had at the first sample: only then is an
/// empty table not merely late.
fn source_reached(samples: &[Snapshot]) -> bool {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        return false;
    };
    let before = first.source.known().and_then(|source| source.wal_lsn);
    let now = last
        .source
        .known()
        .and_then(|source| applied(source, last.target.known()));
    samples.len() > 1 && before.zip(now).is_some_and(|(before, now)| now >= before)
}

/// The apply worker waits for a lock that somebody holds.
fn waits(seen: &Seen<'_>, found: &mut Vec<Cause>) {
    let Some(target) = seen.target else {
        return;
    };
    for worker in target
        .workers
        .iter()
        .filter(|w| matches!(w.kind.as_str(), "apply" | "sync"))
    {
        let Some(blocker) = worker.blocked_by.first() else {
            continue;
        };
        let mut cause = Cause::new(
            "apply.blocked",
            Side::Target,
            format!(
                "the {} worker waits for a lock that process {blocker} holds",
                worker.kind
            ),
        )
        .may_pass()
        .seen(format!(
            "waits for {}",
            worker.wait.as_deref().unwrap_or("a lock")
        ))
        .remedy("let that session finish, or end it")
        .sql(format!("SELECT pg_terminate_backend({blocker});"));
        if let Some(who) = &worker.blocker {
            cause = cause.seen(who.clone());
        }
        if *blocker == 0 {
            cause.sql = None;
            cause = cause.remedy("a prepared transaction holds it: COMMIT PREPARED or ROLLBACK PREPARED, see pg_prepared_xacts");
        }
        // For a moment anybody waits for a lock.
        if !waited(seen, worker, *blocker) {
            cause = cause.warn();
        }
        found.push(cause);
    }
}

/// Whether this worker waited for the same process in an earlier sample too.
fn waited(seen: &Seen<'_>, worker: &Worker, blocker: i64) -> bool {
    let Some((newest, before)) = seen.samples.split_last() else {
        return false;
    };
    before
        .iter()
        .filter(|sample| newest.at - sample.at >= 0.5)
        .filter_map(|sample| sample.target.known())
        .flat_map(|now| &now.workers)
        .any(|one| one.pid == worker.pid && one.blocked_by.contains(&blocker))
}

/// Longer than any pause between two messages of an idle source.
const FROZEN_SECONDS: f64 = 60.0;

/// A worker runs, the source writes, and nothing is applied.
fn frozen(seen: &Seen<'_>, found: &mut Vec<Cause>) {
    let (Some(first), Some(last)) = (seen.samples.first(), seen.samples.last()) else {
        return;
    };
    if seen.word != Word::Replicating || last.at - first.at < FROZEN_SECONDS {
        return;
    }
    let position = |sample: &Snapshot| {
        let source = sample.source.known()?;
        Some((source.wal_lsn?, applied(source, sample.target.known())?))
    };
    let (Some(before), Some(now)) = (position(first), position(last)) else {
        return;
    };
    if now.0 > before.0 && now.1 == before.1 && !found.iter().any(|c| c.severity == Severity::Block)
    {
        let catchup: Vec<String> = seen
            .target
            .map(|target| {
                let waiting =
                    |sync: &&crate::status::facts::TableSync| matches!(sync.status, 'w' | 'u');
                let name = |sync: &crate::status::facts::TableSync| {
                    QualifiedName::new(&sync.schema, &sync.name).to_string()
                };
                target.tables.iter().filter(waiting).map(name).collect()
            })
            .unwrap_or_default();
        let mut cause = Cause::new(
            "apply.frozen",
            Side::Target,
            format!(
                "nothing was applied for {:.0} s while the source went on",
                last.at - first.at
            ),
        )
        .may_pass()
        .warn()
        .seen(format!(
            "the source went from {} to {}, the target stays at {}",
            before.0, now.0, now.1
        ));
        cause = if catchup.is_empty() {
            cause.remedy("one large transaction may be on its way, or a connection is cut again and again by wal_sender_timeout: raise that on the source to 10 minutes")
        } else {
            cause
                .seen(format!("catching up: {}", catchup.join(", ")))
                .remedy("before pglogical 2.4.7 the catch-up of a table waits for a commit on the source: write something replicated there")
        };
        found.push(cause);
    }
}
