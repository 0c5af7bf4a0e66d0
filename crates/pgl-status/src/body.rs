//! What is said about one instant: the tool's part of the document.

use pgl_core::cutover::{CutOver, PROMOTION_UNKNOWN, WriteBlock};
use pgl_core::definitions::{DefinitionChange, DefinitionComparison};
use pgl_core::status::facts::{Close, Reverse, Seen, Snapshot};
use pgl_core::status::log::without_values;
use pgl_core::status::measure::{as_f64, lag, rates, retained, skew};
use pgl_core::status::state::{tables, unpinned, word};
use pgl_core::status::{
    Cause, Goal, Lag, MaxLag, Rates, Retained, SecondsFrom, Skew, Tables, Word, causes, wait,
};
use pgl_core::{Lsn, ServerVersion, Severity};
use schemars::JsonSchema;
use serde::Serialize;

use crate::collect::CopySizes;

/// The tool's own part of the document.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StatusBody {
    /// Name of the migration.
    pub name: String,
    /// The subscription.
    pub subscription: String,
    /// Its state in pglogical's words.
    pub state: Word,
    /// Whether all is well: exit code 0.
    pub healthy: bool,
    /// Whether values arrive as they are: null where the subscription could not be read.
    pub safe: Option<bool>,
    /// The source.
    pub source: ServerView,
    /// The target.
    pub target: ServerView,
    /// How far the target is behind.
    pub lag: Option<Lag>,
    /// What changes, per second.
    pub rates: Rates,
    /// The slot and the WAL that it retains.
    pub slot: Option<Retained>,
    /// The stream, as the source sees it: `catchup`, `streaming`; null where there is none.
    pub stream: Option<String>,
    /// What was sent. Not what was applied.
    pub sent_lsn: Option<Lsn>,
    /// Sync states of the tables.
    pub tables: Tables,
    /// The promotion, once the target is the production database.
    pub cutover: Option<CutOver>,
    /// Replication back to the former source, after a cutover.
    pub reverse: Option<Reverse>,
    /// The run of one of these tools that holds the migration's lock.
    pub running: Option<RunningView>,
    /// The initial copy, while it runs.
    pub copy: Option<CopyProgress>,
    /// pglogical's processes on the target.
    pub workers: Vec<WorkerView>,
    /// Rows that met a differing row, as far as the target's log shows it.
    pub conflicts: Option<Conflicts>,
    /// The difference between the servers' clocks; nothing else in this document depends on it.
    pub clock_skew: Option<Skew>,
    /// Why it does not run, or is not safe: the surest first.
    pub causes: Vec<Cause>,
    /// Definitions that are not the same on both sides and have changed since the setup; null where they were not compared.
    pub definitions: Option<Vec<DefinitionChange>>,
    /// What has to be known to read this, in sentences.
    pub notes: Vec<String>,
    /// What was waited for.
    pub wait: Option<WaitView>,
}

/// One server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct ServerView {
    /// Whether it was read; null where none was given.
    pub reachable: Option<bool>,
    /// Its version.
    pub version: Option<ServerVersion>,
    /// pglogical's version, on the target.
    pub pglogical: Option<String>,
    /// Why it was not read.
    pub error: Option<String>,
}

/// A run of one of these tools.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RunningView {
    /// `pgl-setup`.
    pub tool: String,
    /// Its session's process on the target.
    pub pid: i32,
    /// Where it is connected from.
    pub address: String,
    /// Seconds since it connected; null where that may not be read.
    pub seconds: Option<f64>,
    /// The step that it journalled last.
    pub step: Option<String>,
}

/// One of pglogical's processes.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct WorkerView {
    /// `apply`, `sync`, `manager`, `supervisor`.
    pub kind: String,
    /// Process.
    pub pid: i64,
    /// Seconds since it was started.
    pub age_seconds: f64,
    /// What it waits for.
    pub wait: Option<String>,
}

/// Conflicts that the log shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Conflicts {
    /// Lines within the part of the log that was read.
    pub in_log: usize,
    /// The last of them.
    pub last: String,
}

/// The initial copy.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CopyProgress {
    /// Tables being copied.
    pub running: Vec<CopyTable>,
    /// Size of all tables on the source, in bytes; null where unknown.
    pub total_bytes: Option<u64>,
    /// Their size on the target so far.
    pub done_bytes: Option<u64>,
    /// Bytes per second.
    pub bytes_per_second: Option<f64>,
    /// Seconds until it is done at this rate: an estimate, from sizes on disk.
    pub eta_seconds: Option<f64>,
}

/// One table being copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CopyTable {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Rows so far; null before 14.
    pub rows: Option<u64>,
    /// Size on the target's disk; null where the table is locked against reading that.
    pub disk_bytes: Option<u64>,
    /// Size on the source's disk.
    pub source_bytes: Option<u64>,
}

/// What was waited for.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct WaitView {
    /// `replicating`, `synced`, `caught-up`, `drained:LSN`.
    pub goal: String,
    /// Whether it is reached.
    pub reached: bool,
    /// Whether it cannot be reached any more without somebody acting.
    pub broken: bool,
    /// How long it took.
    pub seconds: f64,
}

/// Everything that a reading is made of.
pub(crate) struct Material<'a> {
    /// All samples, oldest first.
    pub(crate) samples: &'a [Snapshot],
    /// Those that rates are taken over.
    pub(crate) recent: &'a [Snapshot],
    pub(crate) close: &'a Close,
    pub(crate) sizes: &'a CopySizes,
    pub(crate) name: &'a str,
    pub(crate) subscription: &'a str,
    pub(crate) max_lag: Option<MaxLag>,
}

impl Material<'_> {
    /// The reading; `wait` is filled in by whoever waits.
    pub(crate) fn reading(&self) -> StatusBody {
        let empty = Snapshot::default();
        let newest = self.samples.last().unwrap_or(&empty);
        let source = newest.source.known();
        let target = newest.target.known();
        let found = target.and_then(|target| target.subscription.as_ref());
        let mut lag = lag(self.samples);
        let rates = rates(self.recent);
        if let Some(lag) = &mut lag
            && lag.seconds_from.is_none()
            && let Some(rate) = rates.steady()
        {
            lag.seconds = Some(as_f64(lag.bytes) / rate);
            lag.seconds_from = Some(SecondsFrom::WalRate);
        }
        let causes = causes(self.samples, self.recent, self.close);
        let version = source.map_or(ServerVersion(0), |source| source.version);
        let unsafe_cause = causes.iter().any(|cause| cause.id.starts_with("unsafe."));
        let safe = found.map(|found| unpinned(found, version).is_empty() && !unsafe_cause);
        let cutover = self.close.cutover.clone().filter(|_| target.is_some());
        let healthy = match &cutover {
            Some(_) => causes.iter().all(|cause| cause.severity != Severity::Block),
            None => wait::healthy(self.samples, &causes, lag.as_ref(), self.max_lag),
        };
        StatusBody {
            name: self.name.to_owned(),
            subscription: self.subscription.to_owned(),
            state: if cutover.is_some() {
                Word::CutOver
            } else {
                word(target)
            },
            healthy,
            safe,
            source: view(&newest.source, |now| (now.version, None)),
            target: view(&newest.target, |now| (now.version, now.pglogical.clone())),
            rates,
            slot: retained(self.recent),
            stream: source.and_then(|now| now.sender.as_ref()?.state.clone()),
            sent_lsn: source.and_then(|now| now.sender.as_ref()?.sent_lsn),
            tables: tables(target),
            cutover,
            reverse: self.close.reverse.clone(),
            running: running(newest),
            copy: self.copy(newest),
            workers: target.map(workers).unwrap_or_default(),
            conflicts: self.conflicts(),
            clock_skew: skew(newest),
            definitions: (self.close.definitions.known()).map(|found| found.differences.clone()),
            notes: self.notes(newest, lag.as_ref()),
            causes,
            lag,
            wait: None,
        }
    }

    /// Whether the goal is reached.
    pub(crate) fn reached(&self, goal: Goal, reading: &StatusBody) -> bool {
        let lag = reading.lag.as_ref();
        wait::reached(goal, self.samples, &reading.causes, lag, self.max_lag)
    }

    fn copy(&self, newest: &Snapshot) -> Option<CopyProgress> {
        let target = newest.target.known()?;
        let initializing = matches!(word(Some(target)), Word::Initializing | Word::SettingUp);
        if target.copies.is_empty() && !initializing {
            return None;
        }
        let source = &self.sizes.source;
        let running = target
            .copies
            .iter()
            .map(|copy| CopyTable {
                schema: copy.table.schema.clone(),
                name: copy.table.name.clone(),
                rows: copy.rows,
                disk_bytes: copy.disk_bytes,
                source_bytes: source.get(&copy.table).copied(),
            })
            .collect();
        let total_bytes = (!source.is_empty()).then(|| source.values().sum());
        let done = self.sizes.target.last().copied();
        let since = |(at, _): &&(f64, u64)| done.is_some_and(|(now, _)| now - at <= 60.0);
        let rate = self.sizes.target.iter().find(since).zip(done).and_then(
            |((then, before), (now, bytes))| {
                let seconds = now - then;
                (seconds > 0.05).then(|| as_f64(bytes.saturating_sub(*before)) / seconds)
            },
        );
        let done_bytes = done.map(|(_, bytes)| bytes);
        let left = total_bytes
            .zip(done_bytes)
            .map(|(total, done): (u64, u64)| total.saturating_sub(done));
        Some(CopyProgress {
            running,
            total_bytes,
            done_bytes,
            bytes_per_second: rate.map(f64::round),
            eta_seconds: left
                .zip(rate.filter(|rate| *rate > 0.0))
                .map(|(left, rate)| (as_f64(left) / rate).ceil()),
        })
    }

    fn conflicts(&self) -> Option<Conflicts> {
        let tail = self.close.target.as_ref()?.log.tail.as_ref()?;
        let lines: Vec<&str> = tail
            .lines()
            .filter(|line| line.contains("CONFLICT: remote "))
            .collect();
        let last = lines.last()?;
        let from = last.find("CONFLICT: ").unwrap_or(0);
        Some(Conflicts {
            in_log: lines.len(),
            last: if self.close.values {
                last[from..].to_owned()
            } else {
                without_values(&last[from..])
            },
        })
    }

    fn notes(&self, newest: &Snapshot, lag: Option<&Lag>) -> Vec<String> {
        let target = newest.target.known();
        let subscription = target.and_then(|target| target.subscription.as_ref());
        let (source_close, state) = (self.close.source.as_ref(), word(target));
        let mut notes: Vec<String> = self.close.not_the_pair.iter().cloned().collect();
        let compared = self.close.definitions.known();
        notes.extend(compared.into_iter().flat_map(DefinitionComparison::notes));
        let reverse = |cut: &CutOver| cut.promotion.reverse;
        if self.close.cutover.as_ref().is_some_and(reverse)
            && let Some(gap) = WriteBlock::ButReplicas.gap()
        {
            notes.push(format!("on the former source, {gap}"));
        }
        if state == Word::Replicating {
            notes.push(
                "row counts are unproven: pglogical reports the same where its copy was rolled back; \
                 pgl-verify compares the rows"
                    .to_owned(),
            );
        }
        if let Some(log) = self.close.target.as_ref().map(|close| &close.log)
            && let Some(reason) = log.unread.as_ref().filter(|_| state == Word::Down)
        {
            notes.push(format!(
                "the target's log could not be read from here ({reason}); it is {}",
                log.place
            ));
        }
        let no_source = matches!(newest.source, Seen::NotGiven);
        let others = [
            (
                source_close.is_some_and(|close| close.pglogical && close.members.is_none()),
                "the source's replication sets could not be read: nothing is known of the tables in them",
            ),
            (
                no_source,
                "no source was given: lag, slot and stream are not known",
            ),
            (
                no_source && self.close.no_journal && subscription.is_some(),
                PROMOTION_UNKNOWN,
            ),
            (
                newest.source.trouble().is_some() && target.is_some(),
                "the source could not be read: lag, slot and stream are not known",
            ),
            (
                lag.is_some_and(|lag| lag.seconds.is_none()),
                "lag in seconds needs track_commit_timestamp on the target, or a longer watch",
            ),
        ];
        let said = others.into_iter().filter(|(holds, _)| *holds);
        notes.extend(said.map(|(_, text)| text.to_owned()));
        let waits_for_slot = subscription.is_some_and(|one| one.sync_status == Some('i'));
        let old = source_close.filter(|_| waits_for_slot);
        notes.extend(old.iter().flat_map(|close| &close.old_transactions).map(|transaction| {
            format!("the slot is created only when older transactions of the source have ended: {transaction}")
        }));
        notes
    }
}

impl StatusBody {
    /// Whether a cause stands in the way.
    pub(crate) fn blocked(&self) -> bool {
        self.causes
            .iter()
            .any(|cause| cause.severity == Severity::Block)
    }
}

fn view<T>(seen: &Seen<T>, read: fn(&T) -> (ServerVersion, Option<String>)) -> ServerView {
    let (version, pglogical) = seen.known().map(read).unzip();
    ServerView {
        reachable: match seen {
            Seen::NotGiven => None,
            Seen::Known(_) => Some(true),
            Seen::Failed(_) => Some(false),
        },
        version,
        pglogical: pglogical.flatten(),
        error: seen.trouble().map(|trouble| trouble.message.clone()),
    }
}

/// The run that holds the migration's lock on either side.
fn running(now: &Snapshot) -> Option<RunningView> {
    let (source, target) = (now.source.known(), now.target.known());
    let on_target = target.and_then(|target| target.holder.as_ref());
    let holder = on_target.or_else(|| source.and_then(|source| source.holder.as_ref()))?;
    Some(RunningView {
        tool: holder.tool.clone(),
        pid: holder.pid,
        address: holder.address.clone(),
        seconds: holder.seconds.map(|seconds| seconds.max(0.0).round()),
        step: target.and_then(|target| target.journal.step.clone()),
    })
}

fn workers(now: &pgl_core::status::facts::TargetNow) -> Vec<WorkerView> {
    now.workers
        .iter()
        .map(|worker| WorkerView {
            kind: worker.kind.clone(),
            pid: worker.pid,
            age_seconds: (now.clock - worker.started).max(0.0).round(),
            wait: worker.wait.clone(),
        })
        .collect()
}
