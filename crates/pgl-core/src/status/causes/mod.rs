//! Why replication does not run: causes with their evidence and their remedy.
//!
//! pglogical says `down` for sixteen different troubles alike. Each cause here stands on something
//! seen: a fact that stops replication by itself or a line of the log makes it proven, a
//! circumstance that would explain it makes it likely. Where nothing was found, the answer is
//! "unknown" with the place in the log where the reason stands.

mod apply;
mod known;
mod link;
mod log;
mod safety;
mod slot;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts::{Close, Snapshot, SourceNow, Subscription, TargetNow, Trouble, TroubleKind};
use super::state::{Word, word};
use crate::{Severity, Side, quote_literal};

/// How sure a cause is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// The evidence alone stops replication, or the log says so.
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
    /// `block`: replication stands or loses data. `warn`: it runs and is in danger.
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
}

impl Cause {
    /// Whether it keeps replication from going on, rather than making it untrustworthy.
    pub fn stops(&self) -> bool {
        self.severity == Severity::Block && !self.id.starts_with("unsafe.")
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
    pub(crate) samples: &'a [Snapshot],
    pub(crate) source: Option<&'a SourceNow>,
    pub(crate) target: Option<&'a TargetNow>,
    pub(crate) subscription: Option<&'a Subscription>,
    pub(crate) close: &'a Close,
    pub(crate) word: Word,
}

impl Seen<'_> {
    /// Whether replication stands: no worker, or one that keeps dying.
    pub(crate) fn stands(&self) -> bool {
        matches!(self.word, Word::Down) || self.flaps()
    }

    /// Whether the apply worker was another one in an earlier sample, or was missing there.
    fn flaps(&self) -> bool {
        let pids: Vec<Option<i64>> = self
            .samples
            .iter()
            .filter_map(|sample| sample.target.known())
            .filter(|target| target.subscription.is_some())
            .map(|target| {
                let apply = |worker: &&super::facts::Worker| worker.kind == "apply";
                target.workers.iter().find(apply).map(|worker| worker.pid)
            })
            .collect();
        // The first worker of a new subscription is no second one.
        let mut changes = pids
            .windows(2)
            .filter(|pair| pair[0].is_some() && pair[0] != pair[1]);
        changes.next().is_some()
    }

    /// Whether this program looked at the target closely.
    pub(crate) fn looked(&self) -> bool {
        self.close.source.is_some() && self.close.target.is_some()
    }

    /// The statement that makes pglogical try again at once instead of up to 180 seconds later.
    pub(crate) fn kick(&self) -> String {
        let name = self
            .subscription
            .map_or("", |subscription| subscription.name.as_str());
        format!(
            "SELECT pglogical.alter_subscription_enable({});",
            quote_literal(name)
        )
    }
}

/// All causes that the evidence shows, the surest first.
pub fn causes(samples: &[Snapshot], close: &Close) -> Vec<Cause> {
    let Some(newest) = samples.last() else {
        return Vec::new();
    };
    let target = newest.target.known();
    let seen = Seen {
        samples,
        source: newest.source.known(),
        target,
        subscription: target.and_then(|target| target.subscription.as_ref()),
        close,
        word: word(target),
    };
    let mut found = Vec::new();
    unreachable(newest, &mut found);
    if target.is_some() {
        missing(&seen, &mut found);
    }
    slot::look(&seen, &mut found);
    link::look(&seen, &mut found);
    apply::look(&seen, &mut found);
    log::look(&seen, &mut found);
    safety::look(&seen, &mut found);
    merge(&mut found);
    let stands = seen.stands() && seen.subscription.is_some();
    if stands && !found.iter().any(|cause| cause.severity == Severity::Block) {
        found.push(unknown(&seen));
    }
    found.sort_by_key(|cause| (cause.severity, cause.certainty));
    found
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

fn why_unreachable(side: Side, trouble: &Trouble) -> (&'static str, String, &'static str) {
    match trouble.kind {
        TroubleKind::Unreachable => (
            "server.unreachable",
            format!("the {side} does not answer"),
            "start the server, or mend the network or the connection string of this program",
        ),
        TroubleKind::Auth => (
            "server.auth",
            format!("the {side} refuses this program's login"),
            "give the role that this program uses a password or a line in pg_hba.conf",
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
            "GRANT USAGE ON SCHEMA pglogical and SELECT ON ALL TABLES IN SCHEMA pglogical to the role, or use the role that owns the extension",
        ),
        TroubleKind::Other => (
            "server.error",
            format!("the {side} could not be read"),
            "see the message",
        ),
    }
}

/// No extension, no subscription, or a switched-off one.
fn missing(seen: &Seen<'_>, found: &mut Vec<Cause>) {
    let Some(target) = seen.target else {
        return;
    };
    if target.pglogical.is_none() {
        found.push(
            Cause::new(
                "subscription.no_pglogical",
                Side::Target,
                "pglogical is not installed in the target database",
            )
            .seen("pg_extension has no row for it")
            .remedy("run pgl-setup; or check that the target's connection string names the right database"),
        );
        return;
    }
    if seen.subscription.is_none() {
        let others = if target.subscriptions.is_empty() {
            "there are none in this database".to_owned()
        } else {
            format!("there are: {}", target.subscriptions.join(", "))
        };
        found.push(
            Cause::new(
                "subscription.missing",
                Side::Target,
                "the subscription of this migration does not exist on the target",
            )
            .seen(others)
            .remedy("run pgl-setup, or name the migration with --name or the subscription with --subscription"),
        );
    }
    if seen.word == Word::Disabled {
        let name = seen.subscription.map_or("", |sub| sub.name.as_str());
        found.push(
            Cause::new(
                "subscription.disabled",
                Side::Target,
                format!("the subscription {name} is switched off"),
            )
            .object(name)
            .seen("pglogical.subscription.sub_enabled is false and no worker runs")
            .remedy("switch it on; the slot holds the source's WAL back until then")
            .sql(seen.kick()),
        );
    }
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
                one.certainty = one.certainty.min(cause.certainty);
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
        .map(|log| log.place.clone())
        .filter(|place| !place.is_empty())
        .unwrap_or_else(|| "the target's server log".to_owned());
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
         is that of the worker, and its ERROR lines stand just before. pglogical tries again \
         after 5 to 180 seconds, or at once with the statement below"
    ))
    .sql(seen.kick());
    if let Some(reason) = log.and_then(|log| log.unread.clone()) {
        cause = cause.seen(format!("the log could not be read from here: {reason}"));
    }
    cause
}

#[cfg(test)]
mod tests;
