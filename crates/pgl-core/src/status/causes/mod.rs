//! Why replication does not run: causes with their evidence and their remedy.
//!
//! pglogical reports `down` for sixteen different failures alike. Each cause here rests on something
//! seen. A fact that stops replication by itself, as the servers show it now, makes a cause proven; a
//! circumstance that would explain the failure, or a line of the log, makes it likely; both together prove it.
//! Where nothing was found, the answer is "unknown" with the place of the log that has the reason.

mod apply;
mod known;
mod link;
mod log;
pub(crate) mod members;
mod safety;
mod slot;
mod stream;

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts::{
    Close, PlannedMember, Snapshot, SourceClose, SourceNow, SubscriptionNow, TargetClose,
    TargetNow, TargetTable, Trouble, TroubleKind,
};
use super::state::{Word, word};
use crate::cutover::{CutOver, Direction, PROMOTION_UNKNOWN, READ_WRITE, UNFINISHED};
use crate::rights::READ_PGLOGICAL;
use crate::{QualifiedName, Severity, Side, quote_literal};
use members::few;

/// How sure a cause is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// What the servers show now stops replication by itself, or explains what the log says.
    Proven,
    /// It would explain what is seen.
    Likely,
}

/// Whether it may pass without anybody doing something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Heals {
    /// Somebody has to act.
    Never,
    /// A server may come back, a lock may be released.
    Perhaps,
}

/// One reason why replication does not run, or is not safe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// Stable id: `apply.fk_truncate`.
    pub id: String,
    /// `block`: replication has stopped or loses data. `warn`: it runs and is in danger.
    pub severity: Severity,
    /// How sure it is.
    pub certainty: Certainty,
    /// Whether it may pass by itself.
    pub heals: Heals,
    /// The server that it is about.
    pub side: Side,
    /// The object.
    pub object: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What was seen, word for word where it is a message.
    pub evidence: Vec<String>,
    /// What to do.
    pub remedy: String,
    /// SQL that does it, where SQL can.
    pub sql: Option<String>,
    /// Where it is to be done.
    pub fix_side: Side,
    /// What makes pglogical try again at once, on the target, after the fix: it waits up to 180 seconds
    /// otherwise.
    pub wake: Option<String>,
    /// Whether only a line of a log shows it.
    #[serde(skip)]
    pub(crate) from_log: bool,
}

impl Cause {
    /// Whether it keeps replication from going on, rather than making it untrustworthy.
    pub fn stops(&self) -> bool {
        self.severity == Severity::Block && !self.id.starts_with("unsafe.")
    }

    /// Whether waiting does not help: it is sure, and somebody has to act.
    pub fn ends_wait(&self) -> bool {
        self.stops() && self.is_proven() && self.heals == Heals::Never
    }

    /// Whether rows are missing on the target that no waiting brings, or may be: a table that is empty there
    /// may only be late, and until that is known nothing is synced.
    pub fn loses_rows(&self) -> bool {
        const LOSE: [&str; 6] = [
            "copy.empty_tables",
            "set.table_missing",
            "set.table_changed",
            "set.unreplicated",
            "slot.other_consumer",
            "unsafe.table_recreated",
        ];
        LOSE.contains(&self.id.as_str())
    }

    pub(crate) fn is_proven(&self) -> bool {
        self.certainty == Certainty::Proven
    }

    /// Shown by a line of a log only: likely, and nobody knows whether it still holds.
    pub(crate) fn logged(mut self) -> Self {
        self.from_log = true;
        self.likely().may_pass()
    }

    /// A proven cause that stops replication until somebody acts.
    pub(crate) fn new(id: &str, side: Side, what: impl Into<String>) -> Self {
        Self {
            id: id.to_owned(),
            severity: Severity::Block,
            certainty: Certainty::Proven,
            heals: Heals::Never,
            side,
            object: None,
            what: what.into(),
            evidence: Vec::new(),
            remedy: String::new(),
            sql: None,
            fix_side: side,
            wake: None,
            from_log: false,
        }
    }

    pub(crate) fn object(mut self, object: impl ToString) -> Self {
        self.object = Some(object.to_string());
        self
    }

    pub(crate) fn seen(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.push(evidence.into());
        self
    }

    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    pub(crate) fn sql(mut self, sql: impl Into<String>) -> Self {
        self.sql = Some(sql.into());
        self
    }

    pub(crate) fn seen_all(mut self, evidence: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    pub(crate) fn fix_on(mut self, side: Side) -> Self {
        self.fix_side = side;
        self
    }

    pub(crate) fn likely(mut self) -> Self {
        self.certainty = Certainty::Likely;
        self
    }

    pub(crate) fn may_pass(mut self) -> Self {
        self.heals = Heals::Perhaps;
        self
    }

    pub(crate) fn warn(mut self) -> Self {
        self.severity = Severity::Warn;
        self
    }
}

/// What the rules look at: the newest sample, and the closer look where one was taken.
pub(crate) struct Seen<'a> {
    pub(crate) all: &'a [Snapshot],
    pub(crate) samples: &'a [Snapshot],
    pub(crate) source: Option<&'a SourceNow>,
    pub(crate) target: Option<&'a TargetNow>,
    pub(crate) subscription: Option<&'a SubscriptionNow>,
    pub(crate) close: &'a Close,
    pub(crate) word: Word,
    /// By table, of which there may be many thousands.
    tables: HashMap<&'a QualifiedName, SeenTable<'a>>,
}

/// What is known of one table.
#[derive(Default)]
struct SeenTable<'a> {
    /// Whether it is to be replicated.
    wanted: bool,
    /// What the subscription's sets have of it.
    member: Option<&'a PlannedMember>,
    /// The subscription's sync state of it.
    sync: Option<char>,
    /// The table on the target.
    there: Option<&'a TargetTable>,
}

impl<'a> SeenTable<'a> {
    fn by_name(
        target: Option<&'a TargetNow>,
        close: &'a Close,
    ) -> HashMap<&'a QualifiedName, Self> {
        let mut all: HashMap<&QualifiedName, Self> = HashMap::new();
        for one in &close.wanted {
            all.entry(&one.table).or_default().wanted = true;
        }
        for one in close
            .source
            .iter()
            .flat_map(|close| &close.members)
            .flatten()
        {
            all.entry(&one.table).or_default().member = Some(one);
        }
        for one in target.iter().flat_map(|target| &target.tables) {
            all.entry(&one.table).or_default().sync = Some(one.status);
        }
        for one in close.target.iter().flat_map(|close| &close.tables) {
            all.entry(&one.table).or_default().there = Some(one);
        }
        all
    }
}

impl<'a> Seen<'a> {
    /// Whether this table is to be replicated.
    fn wants(&self, table: &QualifiedName) -> bool {
        self.tables.get(table).is_some_and(|one| one.wanted)
    }

    /// What the subscription's sets have of this table.
    fn member(&self, table: &QualifiedName) -> Option<&'a PlannedMember> {
        self.tables.get(table)?.member
    }

    /// The subscription's sync state of this table.
    fn sync(&self, table: &QualifiedName) -> Option<char> {
        self.tables.get(table)?.sync
    }

    /// The table of this name on the target.
    fn there(&self, table: &QualifiedName) -> Option<&'a TargetTable> {
        self.tables.get(table)?.there
    }

    /// Whether replication has stopped: no worker, or one that keeps ending.
    pub(crate) fn stopped(&self) -> bool {
        matches!(self.word, Word::Down) || self.flaps()
    }

    /// The target over time, where the subscription was enabled all the time.
    fn enabled(&self) -> Vec<(f64, &TargetNow)> {
        let samples = self.samples.iter();
        let seen: Vec<_> = samples
            .filter_map(|sample| Some((sample.at, sample.target.known()?)))
            .collect();
        let enabled = |now: &TargetNow| now.subscription.as_ref().is_some_and(|one| one.enabled);
        match seen.iter().all(|(_, now)| enabled(now)) {
            true => seen,
            false => Vec::new(),
        }
    }

    /// Whether apply workers ended twice or more while the subscription was enabled. One end alone is
    /// that of a worker which was restarted on purpose.
    fn flaps(&self) -> bool {
        ends(&self.enabled()) > 1
    }

    /// That the worker fails at what it has to apply, and not once: while the position stayed where it is, workers ended
    /// twice or more, or none came for longer than pglogical waits before it starts one again.
    fn fails(&self) -> Option<String> {
        let seen = self.enabled();
        let at = self.target?.applied();
        let moved = seen.iter().rposition(|(_, now)| now.applied() != at);
        let stuck = &seen[moved.map_or(0, |last| last + 1)..];
        let ran = stuck.iter().rposition(|(_, now)| now.apply().is_some());
        let without = &stuck[ran.map_or(0, |last| last + 1)..];
        let gone = match without {
            [(first, _), .., (last, _)] => last - first,
            _ => 0.0,
        };
        let stays = at.map_or(String::new(), |at| format!("; the position stays at {at}"));
        match ends(stuck) {
            _ if gone >= RESTART_SECONDS => {
                Some(format!("no apply worker runs for {gone:.0} s{stays}"))
            }
            0 | 1 => None,
            times => Some(format!("apply workers ended {times} times{stays}")),
        }
    }

    /// The closer looks at both servers.
    fn both(&self) -> Option<(&SourceClose, &TargetClose)> {
        self.close.source.as_ref().zip(self.close.target.as_ref())
    }

    /// Whether the servers are of different majors: between equal ones values travel in their internal form.
    fn majors_differ(&self) -> Option<bool> {
        let (source, target) = self.source.zip(self.target)?;
        Some(source.version.major_num() != target.version.major_num())
    }

    /// Name of the subscription.
    fn name(&self) -> &str {
        self.subscription.map_or("", |one| &one.name)
    }

    /// The statement that makes pglogical try again at once instead of up to 180 seconds later.
    fn kick(&self) -> String {
        on_subscription("alter_subscription_enable", self.name())
    }
}

/// A call of one of pglogical's functions for this subscription.
fn on_subscription(function: &str, name: &str) -> String {
    format!("SELECT pglogical.{function}({});", quote_literal(name))
}

/// How long pglogical waits, at least, before it starts a worker again that has failed.
const RESTART_SECONDS: f64 = 5.0;

/// How often a worker that was seen was not there any more, or replaced, at the next sample.
fn ends(seen: &[(f64, &TargetNow)]) -> usize {
    let worker = |now: &TargetNow| now.apply().map(|one| one.pid);
    seen.windows(2)
        .filter(|pair| {
            let before = worker(pair[0].1);
            before.is_some() && before != worker(pair[1].1)
        })
        .count()
}

/// A worker that fails again and again makes sure what the catalogs alone make likely: a column that the target lacks,
/// say.
fn in_view_of_failures(seen: &Seen<'_>, found: &mut [Cause]) {
    let Some(evidence) = seen.fails() else {
        return;
    };
    let explains = |cause: &&mut Cause| cause.stops() && cause.heals == Heals::Never;
    for cause in found.iter_mut().filter(explains) {
        if !cause.is_proven() {
            cause.certainty = Certainty::Proven;
            cause.evidence.push(evidence.clone());
        }
    }
}

/// All causes that the evidence shows, the surest first. `all` are the samples since this program
/// began, `samples` the latest of them.
pub fn causes(all: &[Snapshot], samples: &[Snapshot], close: &Close) -> Vec<Cause> {
    let mut found = look(all, samples, close);
    for cause in &mut found {
        let read_only = match cause.fix_side {
            Side::Source => close.source.as_ref().is_some_and(|source| source.read_only),
            Side::Target => close.target.as_ref().is_some_and(|target| target.read_only),
        };
        if !read_only {
            continue;
        }
        let ddl = ["ALTER ", "CREATE ", "DROP "];
        if let Some(sql) = &mut cause.sql {
            *sql = format!("{READ_WRITE}; {sql}");
        } else if ddl.iter().any(|word| cause.remedy.contains(word)) {
            cause.remedy.push_str(&format!(
                "; sessions of this database begin read-only, so first: {READ_WRITE};"
            ));
        }
    }
    found
}

fn look(all: &[Snapshot], samples: &[Snapshot], close: &Close) -> Vec<Cause> {
    let Some(newest) = samples.last() else {
        return Vec::new();
    };
    let target = newest.target.known();
    let seen = Seen {
        all,
        samples,
        source: newest.source.known(),
        target,
        subscription: target.and_then(|target| target.subscription.as_ref()),
        close,
        word: word(target),
        tables: SeenTable::by_name(target, close),
    };
    let mut found = Vec::new();
    unreachable(newest, &mut found);
    found.extend(unfinished(&seen));
    if let Some(cut) = &close.cutover {
        after_cutover(cut, close, &mut found);
        found.extend(unblocked(close));
        found.extend(written_since(&seen));
        if cut.promotion.reverse {
            found.extend(safety::replica_triggers(&seen, Direction::Back));
        }
        found.sort_by_key(|cause| (cause.severity, cause.certainty));
        return found;
    }
    // While pgl-setup works, what it has not made yet is not missing.
    if let Some(target) = target.filter(|_| seen.word != Word::SettingUp) {
        found.extend(missing(&seen, target));
        slot::look(&seen, &mut found);
        link::look(&seen, &mut found);
        apply::look(&seen, &mut found);
        members::look(&seen, &mut found);
        stream::look(&seen, &mut found);
        log::look(&seen, &mut found);
        safety::look(&seen, &mut found);
    } else if target.is_none() {
        link::look(&seen, &mut found);
    }
    merge(&mut found);
    in_view_of_failures(&seen, &mut found);
    let stopped = seen.stopped() && seen.subscription.is_some();
    if stopped && !found.iter().any(|cause| cause.severity == Severity::Block) {
        found.push(unknown(&seen));
    }
    found.extend(safety::definitions(&seen));
    for cause in &mut found {
        wake(&seen, cause);
    }
    found.sort_by_key(|cause| (cause.severity, cause.certainty));
    found
}

/// An attempt that nobody works on any more: it may have left one database read-only, or both.
fn unfinished(seen: &Seen<'_>) -> Option<Cause> {
    let (direction, state) = seen.close.unfinished?;
    let on_source = seen.source.and_then(|source| source.holder.as_ref());
    let on_target = seen.target.and_then(|target| target.holder.as_ref());
    let mut holders = on_source.into_iter().chain(on_target);
    if holders.any(|holder| holder.tool == "pgl-cutover") {
        return None;
    }
    let side = match direction {
        Direction::Forward => Side::Source,
        Direction::Back => Side::Target,
    };
    Some(
        Cause::new(
            "cutover.unfinished",
            side,
            format!(
                "a {} was begun and is not over: the {side} may be read-only",
                direction.noun()
            ),
        )
        .seen(format!(
            "the journal has it at {}, and no run of pgl-cutover holds the migration's lock",
            state.as_str()
        ))
        .remedy(UNFINISHED),
    )
}

/// The target is the production database: the subscription and its slot have done their work.
fn after_cutover(cut: &CutOver, close: &Close, found: &mut Vec<Cause>) {
    for cause in found.iter_mut().filter(|cause| cause.side == Side::Source) {
        // Nobody needs the former source but for replication back to it.
        if !cut.promotion.reverse {
            cause.severity = Severity::Warn;
        }
    }
    if !cut.finished {
        found.push(
            Cause::new(
                "cutover.unfinished",
                Side::Target,
                "the work after the promotion is not finished",
            )
            .seen(cut.to_string())
            .remedy("pgl-cutover resume finishes it"),
        );
    }
    let reverse = close.reverse.as_ref().filter(|_| cut.promotion.reverse);
    if let Some(reverse) = reverse.filter(|one| one.state.as_deref() != Some("replicating")) {
        found.push(
            Cause::new(
                "reverse.stopped",
                Side::Source,
                format!(
                    "reverse replication has stopped: subscription {} on the former source is {}",
                    reverse.subscription,
                    reverse.state.as_deref().unwrap_or("not readable")
                ),
            )
            .object(&reverse.subscription)
            .may_pass()
            .seen(format!("the slot {} on the target retains WAL until it runs", reverse.slot))
            .remedy("a rollback would have to wait for it: see the former source's log, and restart the worker; or remove the migration with pgl-teardown")
            .sql(on_subscription("alter_subscription_enable", &reverse.subscription)),
        );
    }
}

/// Tables that the former source would let ordinary sessions write to, where they override the setting of the database.
fn unblocked(close: &Close) -> Option<Cause> {
    let first = close.unblocked.first()?;
    Some(
        Cause::new(
            "cutover.unblocked",
            Side::Source,
            format!(
                "the former source has no enabled write-block trigger on {}: sessions that set default_transaction_read_only = off can write there, and those rows would be lost",
                few(&close.unblocked)
            ),
        )
        .object(first)
        .seen("pg_trigger has no enabled pgl_refuse_write for it: it was dropped or disabled, the table became a partition of another, or the role of pgl-cutover could not create it")
        .remedy("stop whoever connects to the former source; to block its writes again: ALTER TABLE … ENABLE ALWAYS TRIGGER pgl_refuse_write, or REVOKE the right to write")
        .warn(),
    )
}

/// The subscription goes on after the promotion, for a rollback, and replicates what the write block of the former source
/// did not stop. Only a transaction with rows moves the origin; those of reverse replication are not sent back.
fn written_since(seen: &Seen<'_>) -> Option<Cause> {
    let last = seen.close.final_lsn?;
    let now = seen.target?.applied().filter(|now| *now > last)?;
    Some(
        Cause::new(
            "cutover.written_since",
            Side::Source,
            "rows were written to the former source after the cutover, and were replicated to the target",
        )
        .seen(format!("the cutover ended at LSN {last} of the source; the target has applied rows up to {now}"))
        .remedy("on the former source, find and stop the sessions that set default_transaction_read_only = off or session_replication_role = replica. Both sides hold these rows: pgl-verify does not report them")
        .warn(),
    )
}

/// The statement that makes pglogical try again, where trying again helps.
fn wake(seen: &Seen<'_>, cause: &mut Cause) {
    // These need a new copy, or a restart of the server.
    const NO_USE: [&str; 11] = [
        "cutover.",
        "copy.",
        "origin.",
        "server.",
        "slot.lost",
        "slot.missing",
        "slot.other_",
        "subscription.",
        "target.no_supervisor",
        "target.workers_exhausted",
        "unsafe.",
    ];
    let enabled = seen.subscription.is_some_and(|one| one.enabled);
    let useless = NO_USE.iter().any(|prefix| cause.id.starts_with(prefix));
    let does = |sql: &str| sql.contains("pglogical.alter_subscription_enable");
    if enabled
        && seen.stopped()
        && cause.stops()
        && !useless
        && !cause.sql.as_deref().is_some_and(does)
    {
        cause.wake = Some(seen.kick());
    }
}

fn unreachable(newest: &Snapshot, found: &mut Vec<Cause>) {
    let sides = [
        (Side::Source, newest.source.trouble()),
        (Side::Target, newest.target.trouble()),
    ];
    for (side, trouble) in sides {
        let Some(trouble) = trouble else {
            continue;
        };
        let (id, what, remedy) = why_unreachable(side, trouble);
        let mut cause = Cause::new(id, side, what)
            .seen(trouble.message.clone())
            .remedy(remedy);
        if matches!(
            trouble.kind,
            TroubleKind::Unreachable | TroubleKind::Recovering | TroubleKind::Other
        ) {
            cause = cause.may_pass();
        }
        found.push(cause);
    }
}

fn why_unreachable(side: Side, trouble: &Trouble) -> (&'static str, String, String) {
    let (id, what, remedy) = match trouble.kind {
        TroubleKind::Unreachable => (
            "server.unreachable",
            format!("the {side} does not answer"),
            "start the server, or correct the network or the connection string of this program",
        ),
        TroubleKind::Auth => (
            "server.auth",
            format!("the {side} rejected this program's login"),
            "correct the password, role or sslmode of this program's connection string, or the server's pg_hba.conf",
        ),
        TroubleKind::Tls => (
            "server.tls",
            format!("TLS with the {side} could not be agreed on"),
            "compare sslmode and sslrootcert of the connection string with the server's certificate",
        ),
        TroubleKind::Recovering => (
            "server.recovering",
            format!("the {side} is starting up, shutting down or recovering from a crash"),
            "wait; where it happens again and again, its log names the process that crashes",
        ),
        TroubleKind::NotPermitted => (
            "server.not_permitted",
            format!("this program's role may not read what is needed on the {side}"),
            "",
        ),
        TroubleKind::Other => (
            "server.error",
            format!("the {side} could not be read"),
            trouble.hint.as_deref().unwrap_or("see the message"),
        ),
    };
    let remedy = match (trouble.kind, &trouble.hint) {
        (TroubleKind::NotPermitted, Some(hint)) => hint.clone(),
        (TroubleKind::NotPermitted, None) => READ_PGLOGICAL.in_words(side),
        _ => remedy.to_owned(),
    };
    (id, what, remedy)
}

/// No extension, no subscription, or a switched-off one.
fn missing(seen: &Seen<'_>, target: &TargetNow) -> Option<Cause> {
    if target.pglogical.is_none() {
        return Some(
            Cause::new(
                "subscription.no_pglogical",
                Side::Target,
                "pglogical is not installed in the target database",
            )
            .seen("pg_extension has no row for it")
            .remedy("run pgl-setup; or check that the target's connection string names the right database"),
        );
    }
    let Some(subscription) = seen.subscription else {
        let others = if target.subscriptions.is_empty() {
            "there are none in this database".to_owned()
        } else {
            format!("there are: {}", target.subscriptions.join(", "))
        };
        return Some(
            Cause::new(
                "subscription.missing",
                Side::Target,
                "the subscription of this migration does not exist on the target",
            )
            .seen(others)
            .remedy("run pgl-setup, or name the migration with --name or the subscription with --subscription"),
        );
    };
    if seen.word != Word::Disabled {
        return None;
    }
    let name = &subscription.name;
    let cause = Cause::new(
        "subscription.disabled",
        Side::Target,
        format!("the subscription {name} is disabled"),
    )
    .object(name)
    .seen("pglogical.subscription.sub_enabled is false and no worker runs");
    // Only pgl-setup's migrations have a plan, with the sets of its tables.
    let ours = seen.close.wanted.iter().any(|one| one.set.is_some());
    // pgl-cutover disables it where nothing is replicated back.
    Some(match seen.close.no_journal {
        false if ours => cause
            .remedy("pgl-control resume enables it, and asks first where the slot was moved meanwhile; the slot retains WAL on the source until then"),
        true => cause
            .seen(PROMOTION_UNKNOWN)
            .remedy("find out whether a cutover was made. If the target is the production database, leave the subscription disabled and remove the migration with pgl-teardown; else enable it: the slot retains WAL on the source until then"),
        false => cause
            .remedy("enable it; the slot retains WAL on the source until then")
            .sql(seen.kick()),
    })
}

/// The same cause from facts and from the log is one cause with both kinds of evidence.
fn merge(found: &mut Vec<Cause>) {
    let mut merged: Vec<Cause> = Vec::new();
    for cause in found.drain(..) {
        let same = merged.iter_mut().find(|one| {
            one.id == cause.id
                && (one.object == cause.object || one.object.is_none() || cause.object.is_none())
        });
        match same {
            None => merged.push(cause),
            Some(one) => {
                one.certainty = if one.from_log == cause.from_log {
                    one.certainty.min(cause.certainty)
                } else {
                    // A circumstance that the log confirms.
                    Certainty::Proven
                };
                if one.from_log && !cause.from_log {
                    one.heals = cause.heals;
                }
                one.from_log &= cause.from_log;
                one.object = one.object.take().or(cause.object);
                one.sql = one.sql.take().or(cause.sql);
                for line in cause.evidence {
                    if !one.evidence.contains(&line) {
                        one.evidence.push(line);
                    }
                }
            }
        }
    }
    *found = merged;
}

fn unknown(seen: &Seen<'_>) -> Cause {
    let name = seen
        .subscription
        .map_or(String::new(), |subscription| subscription.apply_name());
    let log = seen.close.target.as_ref().map(|target| &target.log);
    let place = log
        .map(|log| log.place.as_str())
        .filter(|place| !place.is_empty())
        .unwrap_or("the target's server log");
    let starting = seen
        .subscription
        .is_some_and(|subscription| subscription.sync_status == Some('i'));
    let mut cause = Cause::new(
        "unknown",
        Side::Target,
        if starting {
            "no worker runs for the subscription; it may not have been started yet"
        } else {
            "no worker runs for the subscription and nothing seen explains why"
        },
    )
    .may_pass()
    .likely()
    .remedy(format!(
        "look into {place} on the target for the last line with \"{name}\": the number behind PID \
         is that of the worker, and its ERROR lines come just before. pglogical tries again \
         after 5 to 180 seconds, or at once with the statement below"
    ));
    if let Some(reason) = log.and_then(|log| log.unread.clone()) {
        cause = cause.seen(format!("the log could not be read from here: {reason}"));
    }
    cause
}

#[cfg(test)]
mod tests;
