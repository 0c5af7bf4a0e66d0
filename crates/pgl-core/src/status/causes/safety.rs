//! Replication runs and cannot be trusted, or makes no progress: values that arrive changed,
//! tables that are empty although pglogical calls them replicated, a worker that waits.

use std::collections::HashMap;

use super::members::{few, resync};
use super::{Cause, Seen};
use crate::cutover::{self, Direction, ReplicaTrigger, Timelines};
use crate::definitions::FIX;
use crate::name::show_ident;
use crate::rules::shadows;
use crate::status::facts::{OutputOverride, Snapshot, SubscriptionNow, TargetTable, Worker};
use crate::status::measure::applied;
use crate::status::state::{Word, unpinned};
use crate::{QualifiedName, ServerVersion, Severity, Side, plural};

pub(super) fn look(seen: &Seen<'_>, found: &mut Vec<Cause>) {
    if let Some(subscription) = seen.subscription {
        found.extend(output(seen, subscription));
        found.extend(input_settings(seen));
        found.extend(conflict_resolution(seen));
        found.extend(types(seen));
        found.extend(fed(seen));
        found.extend(set_back(seen));
        found.extend(slot_moved(seen, subscription));
        found.extend(sequence_names(seen));
        found.extend(replica_triggers(seen, Direction::Forward));
        found.extend(copies(seen, subscription));
    }
    found.extend(empty_tables(seen));
    waits(seen, found);
    found.extend(frozen(seen, found));
}

/// What the source's role, database or version sets where the DSN pins nothing.
fn output(seen: &Seen<'_>, subscription: &SubscriptionNow) -> Option<Cause> {
    let version = seen
        .source
        .map_or(ServerVersion(0), |source| source.version);
    let missing = unpinned(subscription, version);
    if missing.is_empty() {
        return None;
    }
    let mut dangers = Vec::new();
    let as_text = seen.majors_differ() != Some(false);
    let floats = missing.iter().any(|setting| setting.starts_with("extra"));
    if floats && seen.source.is_some() && !version.at_least(12) {
        dangers.push("extra_float_digits is 0 by default before 12".to_owned());
    }
    if let Some(close) = &seen.close.source {
        let applies = |setting: &&OutputOverride| setting.applies(subscription);
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
                    setting.whose()
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
    if dangers.is_empty() || !as_text {
        cause = cause.warn().likely();
    }
    Some(cause.seen_all(dangers))
}

/// Settings of the target by which values are read as others.
fn input_settings(seen: &Seen<'_>) -> Option<Cause> {
    let close = seen.close.target.as_ref()?;
    let as_text = seen.majors_differ() == Some(true);
    let first = close.input_settings.first().filter(|_| as_text)?;
    Some(
        Cause::new(
            "unsafe.input_settings",
            Side::Target,
            format!(
                "unsafe: pglogical's apply worker reads other values than the source sent: {}",
                close.input_settings.join(", ")
            ),
        )
        .object(first.split(' ').next().unwrap_or_default())
        .seen("pg_db_role_setting of this database and of all roles, else the server's configuration")
        .remedy("reset it for the database, all roles or the server (ALTER DATABASE … RESET, ALTER ROLE ALL RESET, ALTER SYSTEM RESET), restart the worker, and let pgl-verify compare"),
    )
}

/// A setting of the target that turns changes into losses.
fn conflict_resolution(seen: &Seen<'_>) -> Option<Cause> {
    let close = seen.close.target.as_ref()?;
    let how = close.conflict_resolution.as_deref()?;
    let local_wins = matches!(how, "keep_local" | "last_update_wins" | "first_update_wins");
    (local_wins && close.track_commit_timestamp).then(|| {
        Cause::new(
            "unsafe.conflict_resolution",
            Side::Target,
            format!("unsafe: pglogical.conflict_resolution = {how} lets copied rows win over changes of the source, silently"),
        )
        .seen(format!("pglogical.conflict_resolution = {how}, track_commit_timestamp = on"))
        .remedy("set it to apply_remote and restart the worker; then let pgl-verify compare")
        .sql("ALTER SYSTEM SET pglogical.conflict_resolution = 'apply_remote'; SELECT pg_reload_conf();")
    })
}

/// Columns whose types differ: what is applied is converted, and may be another value.
fn types(seen: &Seen<'_>) -> Option<Cause> {
    let (source, target) = seen.both()?;
    let there: HashMap<&QualifiedName, &TargetTable> =
        target.tables.iter().map(|one| (&one.table, one)).collect();
    let mut differ = Vec::new();
    for one in &source.tables {
        let Some(other) = there.get(&one.table) else {
            continue;
        };
        let types: HashMap<&str, &str> = names_and_types(&other.columns, &other.types).collect();
        for (column, from) in names_and_types(&one.columns, &one.types) {
            if let Some(to) = types.get(column).filter(|to| **to != from) {
                let column = show_ident(column);
                differ.push((
                    &one.table,
                    format!("column {column} is {from} on the source and {to} on the target"),
                ));
            }
        }
    }
    let (first, what) = differ.first()?;
    Some(
        Cause::new(
            "unsafe.column_types",
            Side::Target,
            format!("unsafe: values may be changed when they are applied: {first}: {what}"),
        )
        .object(first)
        .seen_all(differ.iter().skip(1).take(9).map(|(table, what)| format!("{table}: {what}")))
        .seen(format!("format_type() of both sides differs for {}", plural(differ.len(), "column")))
        .remedy(format!(
            "make the types the same again (ALTER TABLE … ALTER COLUMN … TYPE) and copy the table again: {}",
            resync(std::slice::from_ref(*first))
        )),
    )
}

fn names_and_types<'a>(
    columns: &'a [String],
    types: &'a [String],
) -> impl Iterator<Item = (&'a str, &'a str)> {
    columns
        .iter()
        .map(String::as_str)
        .zip(types.iter().map(String::as_str))
}

/// Rows that the source receives by replication have an origin, and the subscription does not forward those.
fn fed(seen: &Seen<'_>) -> Option<Cause> {
    let source = seen.close.source.as_ref()?;
    let first = source.fed_by.first()?;
    let names: Vec<String> = source.fed_by.iter().map(|name| show_ident(name)).collect();
    Some(
        Cause::new(
            "unsafe.cascading_origin",
            Side::Source,
            format!("unsafe: the source is a subscriber ({}): the rows that it receives are not replicated to the target", names.join(", ")),
        )
        .object(first)
        .seen("pg_subscription of the source's database")
        .remedy("let its publisher publish to the target instead: drop that subscription, and copy the tables that it wrote to again with pgl-control resync"),
    )
}

/// A server that was promoted or restored may lack what it had confirmed.
fn set_back(seen: &Seen<'_>) -> Option<Cause> {
    let timelines = seen.close.target.as_ref()?.timelines;
    let Timelines { then, now } = timelines.filter(|both| both.changed())?;
    Some(
        Cause::new(
            "unsafe.timeline",
            Side::Target,
            format!("unsafe: the target is on timeline {now}, and was on {then} when its rows were copied: a standby was promoted or a backup restored, and rows that had been confirmed to the source are not sent again"),
        )
        .object(now.to_string())
        .seen("pg_walfile_name, and the marks that pgl-setup keeps")
        .remedy("compare with pgl-verify, and copy the tables that differ again with pgl-control resync"),
    )
}

/// What was written before the position to which the slot or the origin was moved is not sent.
fn slot_moved(seen: &Seen<'_>, subscription: &SubscriptionNow) -> Option<Cause> {
    let moved = seen.close.target.as_ref()?.slot_moved.clone()?;
    let missing = moved.missing(seen.close.wanted.iter().map(|one| one.table.clone()))?;
    Some(
        Cause::new(
            "unsafe.slot_moved",
            Side::Target,
            format!("unsafe: {}: changes may be missing on the target", missing.what),
        )
        .object(&subscription.name)
        .seen(format!("not compared or copied since: {}", few(&missing.tables)))
        .seen("the journal's note of pgl-control resume, and of the tables that pgl-control has compared or copied since")
        .remedy(missing.remedy()),
    )
}

/// What one side has defined anew since the setup, where that was asked for.
pub(super) fn definitions(seen: &Seen<'_>) -> Vec<Cause> {
    let read = &seen.close.definitions;
    let differ = |id, rights, what| {
        let all = read.known().map(|found| found.said(rights))?;
        let cause = Cause::new(id, Side::Source, format!("unsafe: {what} differ"));
        (!all.is_empty()).then(|| cause.seen_all(all).remedy(FIX))
    };
    let unknown = read.trouble().map(|trouble| {
        let what = format!(
            "the definitions of both sides cannot be compared: {}",
            trouble.message
        );
        Cause::new("unsafe.definitions", Side::Source, what)
            .remedy("remove that cause, or name the directory of pg_dump with --pg-bindir")
    });
    let all = [
        differ("unsafe.definitions", false, "definitions"),
        differ("unsafe.rights", true, "owners and privileges"),
        unknown,
    ];
    all.into_iter().flatten().collect()
}

/// Sequences that were exchanged: the cutover sets those of the target by name.
fn sequence_names(seen: &Seen<'_>) -> Option<Cause> {
    let (source, target) = seen.both()?;
    let mut all = cutover::sequence_mismatches(&source.sequence_users, &target.sequence_users, &[]);
    all.retain(|mismatch| {
        // An identity is the partitioned table's, whose partitions alone are replicated.
        seen.wants(&mismatch.table)
            || (seen.there(&mismatch.table)).is_some_and(|there| there.kind == "p")
    });
    let first = all.first()?;
    let (what, remedy) = cutover::sequence_mismatches_said(&all, Side::Source);
    Some(
        Cause::new(
            "unsafe.sequence_names",
            Side::Source,
            format!("unsafe: {what}"),
        )
        .object(first.table.to_string())
        .seen("pg_depend on both sides")
        .remedy(remedy),
    )
}

/// What the apply worker runs with its own rights where rows are applied: on the target, for reverse replication on the source.
pub(super) fn replica_triggers(seen: &Seen<'_>, direction: Direction) -> Option<Cause> {
    let (source, target) = seen.both()?;
    let (source, target) = (&source.replica_triggers, &target.replica_triggers);
    let (side, here, there) = match direction {
        Direction::Forward => (Side::Target, target, source),
        Direction::Back => (Side::Source, source, target),
    };
    let all = cutover::replica_triggers(direction, here, there);
    let first = all.first()?;
    let name = match (&first.schema, &first.table) {
        (Some(schema), Some(table)) => QualifiedName::new(schema, table).to_string(),
        _ => first.name.clone(),
    };
    let (copied, made): (Vec<_>, Vec<_>) = all.iter().partition(|one| one.on_both);
    let cause = Cause::new(
        "unsafe.replica_triggers",
        side,
        "unsafe: triggers or rules fire for replicated rows: pglogical's apply worker runs them as a superuser",
    )
    .object(name)
    .seen_all(all.iter().map(ReplicaTrigger::said));
    if made.is_empty() {
        return Some(cause.remedy(cutover::disable_copied(&copied)));
    }
    let off: Vec<String> = made.iter().map(|one| format!("{};", one.off)).collect();
    let mut remedy = "look who made it, which roles are superusers since, and what else it did; disable it, and compare the rows with pgl-verify. Until the cutover nobody but the role of the migration should log in to the target".to_owned();
    if !copied.is_empty() {
        remedy = format!("{remedy}; {}", cutover::disable_copied(&copied));
    }
    Some(cause.remedy(remedy).sql(off.join(" ")))
}

/// pglogical's own copy of a table asks the source with operators that it names without a schema.
fn copies(seen: &Seen<'_>, subscription: &SubscriptionNow) -> Option<Cause> {
    let (now, source) = seen.target.zip(seen.close.source.as_ref())?;
    // One that has just begun is no failed copy. A second attempt asks for its slot for ever.
    const BEGINS: f64 = 10.0;
    let young = |started: f64| now.clock - started < BEGINS;
    if (now.workers.iter()).any(|worker| worker.kind == "sync" && young(worker.started)) {
        return None;
    }
    let beginning = now.tables.iter().find(|table| table.status == 'i')?;
    let path = source.overrides.iter().find(|one| {
        one.name == "search_path" && one.applies(subscription) && shadows(&one.value)
    })?;
    Some(
        Cause::new(
            "copy.search_path",
            Side::Source,
            "pglogical's copy of a table does not begin: on the source a schema is searched before pg_catalog",
        )
        .object(&beginning.table)
        .seen(format!("search_path is {} for {}", path.value, path.whose()))
        .remedy(format!("take pg_catalog out of that search_path: it is searched first where it is not named. Then end the source's sessions with application_name {0}_copy and {0}_copy_slot, where they are: pglogical tries again", subscription.name))
        .warn()
        .likely(),
    )
}

/// pglogical calls everything replicated also where its copy was rolled back.
fn empty_tables(seen: &Seen<'_>) -> Option<Cause> {
    let replicating = seen.word == Word::Replicating;
    let (source, _) = seen.both().filter(|_| replicating)?;
    // Until the target has what the source had when it was first seen, it may only be late.
    let settled = source_reached(seen.samples);
    let lost = |name: &&QualifiedName| {
        seen.there(name).and_then(|there| there.has_rows) == Some(false)
            && seen.sync(name).is_none_or(|letter| letter == 'r')
    };
    let filled = source
        .tables
        .iter()
        .filter(|one| one.has_rows == Some(true));
    let empty: Vec<String> = filled
        .map(|one| &one.table)
        .filter(lost)
        .map(ToString::to_string)
        .collect();
    let first = empty.first()?;
    let cause = Cause::new(
            "copy.empty_tables",
            Side::Target,
            format!("{} empty on the target and not on the source, although pglogical calls this replicated", plural(empty.len(), "table")),
        )
        .object(first)
        .seen(empty[..empty.len().min(10)].join(", "))
        .seen("pglogical reports success also where the last table of its copy failed and everything was rolled back")
        .remedy("look for an ERROR of the copy in the target's log; drop the subscription, empty the tables and run pgl-setup; then let pgl-verify prove the rows");
    Some(if settled {
        cause
    } else {
        cause.warn().likely().may_pass()
    })
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
fn frozen(seen: &Seen<'_>, found: &[Cause]) -> Option<Cause> {
    let (first, last) = seen.samples.first().zip(seen.samples.last())?;
    if seen.word != Word::Replicating || last.at - first.at < FROZEN_SECONDS {
        return None;
    }
    let position = |sample: &Snapshot| {
        let source = sample.source.known()?;
        Some((source.wal_lsn?, applied(source, sample.target.known())?))
    };
    let (before, now) = position(first).zip(position(last))?;
    let moves = now.0 > before.0 && now.1 == before.1;
    if !moves || found.iter().any(|one| one.severity == Severity::Block) {
        return None;
    }
    let tables = seen.target.iter().flat_map(|target| &target.tables);
    let catchup: Vec<String> = tables
        .filter(|sync| matches!(sync.status, 'w' | 'u'))
        .map(|sync| sync.table.to_string())
        .collect();
    let cause = Cause::new(
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
    Some(if catchup.is_empty() {
        cause.remedy("one large transaction may be on its way, or a connection is cut again and again by wal_sender_timeout: raise that on the source to 10 minutes")
    } else {
        cause
            .seen(format!("catching up: {}", catchup.join(", ")))
            .remedy("before pglogical 2.4.7 the catch-up of a table waits for a commit on the source: write something replicated there")
    })
}
