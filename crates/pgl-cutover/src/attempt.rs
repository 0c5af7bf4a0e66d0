//! One attempt, by whoever decides: the engine works aside, and what it comes back with, or that it
//! does not come back, leads to the release, to what comes after it, or to taking everything back.

use std::sync::Arc;
use std::time::Instant;

use pgl_apply::{Error, subscription};
use pgl_cli::{Context, Failure, StepProgress};
use pgl_conn::{DsnText, Endpoint, Error as ConnError, Session, add_options};
use pgl_core::cutover::{Attempt, AttemptState, Direction};
use pgl_core::doc::Verdict;
use pgl_core::{Exit, Side};

use crate::args::Order;
use crate::context::{CutoverContext, Lock, emit, failure};
use crate::drop_reverse;
use crate::engine::{Engine, Pids, PromotionOutcome};
use crate::finish::{Rest, finish, taken_over};
use crate::hook::{restored_hook, run_after};
use crate::restore::{Found, RolledBack, STAYS_READ_ONLY, end_left, find_out, restore, still_held};
use crate::view::CutoverBody;
use crate::watchdog::{Came, Shared, on_thread};

/// What is known of an attempt whoever works on it.
struct Trail<'a> {
    args: &'a Order,
    context: &'a Context,
    migration: &'a CutoverContext,
    direction: Direction,
    attempt: Attempt,
    body: CutoverBody,
    pids: Pids,
    shared: Shared,
    lock: Lock,
}

/// An attempt with its preconditions evaluated.
fn examined(
    args: &Order,
    context: &Context,
    migration: &Arc<CutoverContext>,
    direction: Direction,
) -> Result<Engine, Failure> {
    let interrupt = context.interrupt.clone();
    if args.reverse() && direction == Direction::Forward {
        warn_of_passwords(args, &migration.target)?;
    }
    let mut engine =
        Engine::open(args, migration, direction, interrupt.clone()).map_err(failure)?;
    interrupt.check()?;
    engine.guards().map_err(failure)?;
    interrupt.check()?;
    Ok(engine)
}

/// What an attempt would do, and what prevents it; reads only, so it needs no lock.
pub(crate) fn dry_run(
    args: &Order,
    context: &Context,
    migration: &Arc<CutoverContext>,
    direction: Direction,
) -> Result<Verdict, Failure> {
    let mut engine = examined(args, context, migration, direction)?;
    engine.body.sql = engine.script();
    let verdict = match engine.body.refusals.is_empty() {
        true => Verdict::Ok,
        false => Verdict::No,
    };
    emit(context, migration, verdict, engine.body)
}

pub(crate) fn attempt_once(
    args: &Order,
    context: &Context,
    migration: &Arc<CutoverContext>,
    mut lock: Lock,
    direction: Direction,
) -> Result<Verdict, Failure> {
    let screen = StepProgress::new(context);
    let interrupt = context.interrupt.clone();
    let examined = examined(args, context, migration, direction);
    still_held(migration, &mut lock).map_err(failure)?;
    let mut engine = examined?;
    if !engine.body.refusals.is_empty() {
        return emit(context, migration, Verdict::Refused, engine.body);
    }
    engine.mark_loader().map_err(failure)?;
    if args.reverse() && direction == Direction::Forward {
        let encoding = engine.provider_encoding().map_err(failure)?;
        let dsn = reverse_dsn(args, &migration.target, &encoding)?;
        let own = args.reverse_subscriber_dsn();
        if let Err(error) = engine.prepare_back(&dsn, own.as_ref(), &screen) {
            still_held(migration, &mut lock).map_err(failure)?;
            drop_reverse::remove(migration, &mut engine.body);
            for note in &engine.body.notes {
                context.say(&format!("pgl-cutover: {note}"));
            }
            return Err(failure(error));
        }
    }
    let trail = Trail {
        args,
        context,
        migration,
        direction,
        attempt: engine.attempt.clone(),
        body: engine.body.clone(),
        pids: engine.pids(),
        shared: Arc::clone(&engine.shared),
        lock,
    };
    let watched: Vec<_> = engine
        .handles()
        .into_iter()
        .map(|handle| context.cancel_on_signal(handle))
        .collect();
    let came = on_thread(Box::new(engine), &trail.shared, &interrupt, Engine::advance);
    match came {
        Came::Back(engine, Err(error)) => {
            drop(watched);
            trail.give_up(*engine, error)
        }
        Came::Left { why, .. } => {
            // A cancel request on its way through a silent network would be waited for.
            std::thread::spawn(move || drop(watched));
            trail.give_up_left(why)
        }
        Came::Back(engine, Ok(())) if args.rehearse => {
            drop(watched);
            trail.rehearsed(*engine)
        }
        Came::Back(engine, Ok(())) => {
            drop(watched);
            let came = on_thread(engine, &trail.shared, &interrupt, Engine::release);
            trail.released(came, &screen)
        }
    }
}

impl Trail<'_> {
    fn released(
        self,
        came: Came<Engine, PromotionOutcome>,
        screen: &StepProgress<'_>,
    ) -> Result<Verdict, Failure> {
        match came {
            Came::Back(engine, PromotionOutcome::Yes) => self.after_release(*engine, screen),
            Came::Back(engine, PromotionOutcome::No(error)) => self.give_up(*engine, error),
            Came::Back(mut engine, PromotionOutcome::Unknown(error)) => match self.find_out() {
                Found::PromotionOutcome(session) => {
                    engine.seen_released(*session);
                    self.after_release(*engine, screen)
                }
                Found::Not => self.give_up(*engine, error),
                Found::Nothing => self.unknown(error),
            },
            Came::Left { why, unsent: true } => self.give_up_left(why),
            Came::Left { why, unsent: false } => match self.find_out() {
                Found::PromotionOutcome(session) => self.after_left(*session, screen),
                Found::Not => self.give_up_left(why),
                Found::Nothing => self.unknown(why),
            },
        }
    }

    fn find_out(&self) -> Found {
        find_out(
            self.migration,
            self.direction,
            &self.attempt.token,
            self.pids.release,
        )
    }

    fn unknown(mut self, error: Error) -> Result<Verdict, Failure> {
        self.body.state = Some(AttemptState::Promoting);
        self.body.phases = self.shared.phases();
        self.body.error = Some(error.to_string());
        self.body.notes.push(format!(
            "the connection broke while the {} was being promoted, and it cannot be reached: the {} stays read-only. \
             pgl-cutover resume finds out and goes on",
            self.migration.subscriber(self.direction).side(),
            self.migration.provider(self.direction).side()
        ));
        emit(self.context, self.migration, Verdict::Partial, self.body)
    }

    /// Not where another run has taken this attempt over and rolled it back: clients would be sent to a database that
    /// does not accept writes.
    fn hook_promoted(&mut self, input: &serde_json::Value) -> Option<Result<Instant, Error>> {
        let command = self.args.options.hook_promoted.as_ref()?;
        let lost = self.lock.source.ping().is_err() || self.lock.target.ping().is_err();
        if lost && taken_over(self.migration, self.direction, &self.attempt.token) {
            return None;
        }
        let started = Instant::now();
        let outcome = run_after(
            self.context,
            "hook-promoted",
            command,
            input,
            self.args.options.restored.hook_timeout,
        );
        Some(outcome.map(|()| started))
    }

    fn after_release(
        mut self,
        mut engine: Engine,
        screen: &StepProgress<'_>,
    ) -> Result<Verdict, Failure> {
        let mut faults = Vec::new();
        match self.hook_promoted(&engine.hook_input("hook-promoted")) {
            Some(Ok(started)) => engine.report("hook-promoted", started, "succeeded"),
            Some(Err(error)) => faults.push(error.to_string()),
            None => {}
        }
        engine.pause_is_over();
        if let Err(error) = engine.let_go() {
            // The rest writes down that the target is promoted.
            engine.body.notes.push(format!(
                "sessions that reconnected to the source before the promotion may still be there, read-only: {error}"
            ));
        }
        if let Err(error) = engine.verify_after() {
            faults.push(format!("large tables could not be compared: {error}"));
        }
        let (body, attempt, old, new) = engine.into_rest();
        let alive = |session: Session, endpoint: &Endpoint| {
            if session.is_closed() {
                self.migration.open(endpoint)
            } else {
                Ok(session)
            }
        };
        let sessions = alive(old, self.migration.provider(self.direction))
            .and_then(|old| Ok((old, alive(new, self.migration.subscriber(self.direction))?)));
        let (old, new) = match sessions {
            Ok(both) => both,
            Err(error) => return stands(self.context, self.migration, body, faults, &error),
        };
        let rest = Rest {
            migration: self.migration,
            watch: screen,
            direction: self.direction,
            attempt,
            body,
            old,
            new,
        };
        finish(self.context, self.migration, rest, faults)
    }

    /// The release was made by a thread that was left: its locks go with its sessions.
    fn after_left(mut self, new: Session, screen: &StepProgress<'_>) -> Result<Verdict, Failure> {
        let mut faults = Vec::new();
        self.attempt.state = AttemptState::Promoted;
        let input = serde_json::json!({"hook": "hook-promoted", "attempt": self.attempt});
        if let Some(Err(error)) = self.hook_promoted(&input) {
            faults.push(error.to_string());
        }
        let mut body = self.body;
        body.phases = self.shared.phases();
        let mut old = match self.migration.open(self.migration.provider(self.direction)) {
            Ok(old) => old,
            Err(error) => return stands(self.context, self.migration, body, faults, &error),
        };
        if let Err(error) = end_left(&mut old, &self.pids.old) {
            faults.push(error.to_string());
        }
        body.notes.push(
            "a server did not answer after the promotion: tables that are too large to be compared while writes are blocked were not compared; \
             pgl-verify does it"
                .to_owned(),
        );
        let rest = Rest {
            migration: self.migration,
            watch: screen,
            direction: self.direction,
            attempt: self.attempt,
            body,
            old,
            new,
        };
        finish(self.context, self.migration, rest, faults)
    }

    fn give_up(mut self, engine: Engine, error: Error) -> Result<Verdict, Failure> {
        let (body, attempt, left) = engine.give_up();
        (self.body, self.attempt) = (body, attempt);
        self.taken_back(left, error)
    }

    fn give_up_left(mut self, error: Error) -> Result<Verdict, Failure> {
        self.body.phases = self.shared.phases();
        self.taken_back(None, error)
    }

    fn taken_back(mut self, left: Option<Session>, error: Error) -> Result<Verdict, Failure> {
        // Where the engine came back its sessions are closed already: nothing is found then.
        let outcome = restore(
            self.migration,
            &mut self.lock,
            self.direction,
            &self.attempt,
            left,
            &self.pids.old,
        );
        let pause = self.shared.pause();
        self.body.pause_seconds = pause.map(|(began, _)| began.elapsed().as_secs_f64());
        let why = failure(error);
        self.body.error = Some(why.message.clone());
        match outcome {
            Ok(RolledBack::Attempt) => {
                self.body.state = Some(AttemptState::Restored);
                self.body.notes.push(format!(
                    "everything was rolled back: the {} accepts writes",
                    self.migration.provider(self.direction).side()
                ));
                if self.direction == Direction::Forward {
                    self.body.notes.push(STAYS_READ_ONLY.to_owned());
                    drop_reverse::remove(self.migration, &mut self.body);
                }
                restored_hook(&self.args.options.restored, self.context, &self.attempt);
            }
            Ok(RolledBack::Nothing) => {
                self.body.state = None;
                self.body.notes.push("nothing was begun".to_owned());
                if self.direction == Direction::Forward {
                    drop_reverse::remove(self.migration, &mut self.body);
                }
            }
            Err(second) => return self.not_unblocked(second, &why.message),
        }
        // What was left there holds locks that the apply worker waits for.
        let ended = self
            .migration
            .open(self.migration.subscriber(self.direction))
            .map_err(Error::from)
            .and_then(|mut new| end_left(&mut new, &self.pids.new));
        if let Err(error) = ended {
            self.body.notes.push(format!(
                "sessions of the attempt may still be open ({error}): pgl-cutover abort ends them"
            ));
        }
        let verdict = match why.exit {
            Exit::Refused => Verdict::Refused,
            Exit::NotYet => Verdict::NotYet,
            Exit::No => Verdict::No,
            _ => Verdict::Unknown,
        };
        self.context.say(&format!("pgl-cutover: error: {why}"));
        emit(self.context, self.migration, verdict, self.body)
    }

    /// The database could not be unblocked; or it must not be, because another run has rolled this attempt back or
    /// finished it, and may have begun its own: then nothing was touched.
    fn not_unblocked(mut self, error: Error, why: &str) -> Result<Verdict, Failure> {
        let overtaken = matches!(error, Error::Overtaken { .. } | Error::Refused { .. });
        let failure = failure(error);
        self.context.say(&format!("pgl-cutover: error: {failure}"));
        let verdict = if overtaken {
            self.body.state = None;
            self.body
                .notes
                .push(format!("this run had ended with: {why}"));
            self.body.error = Some(failure.message);
            Verdict::Refused
        } else {
            self.body.state = Some(self.attempt.state);
            self.body.notes.push(format!(
                "the {} could not be unblocked: pgl-cutover abort does it",
                self.migration.provider(self.direction).side()
            ));
            Verdict::Partial
        };
        emit(self.context, self.migration, verdict, self.body)
    }

    fn rehearsed(mut self, engine: Engine) -> Result<Verdict, Failure> {
        let pause = engine.pause();
        let (mut body, attempt, left) = engine.give_up();
        let outcome = restore(
            self.migration,
            &mut self.lock,
            self.direction,
            &attempt,
            left,
            &self.pids.old,
        );
        if let Err(error) = outcome {
            (self.body, self.attempt) = (body, attempt);
            return self.not_unblocked(error, "the rehearsal was done");
        }
        restored_hook(&self.args.options.restored, self.context, &attempt);
        body.state = Some(AttemptState::Restored);
        body.rehearsal = true;
        body.pause_seconds = pause;
        body.notes.push(format!(
            "a rehearsal: everything was rolled back, the {} accepts writes",
            self.migration.provider(self.direction).side()
        ));
        if self.direction == Direction::Forward {
            body.notes.push(STAYS_READ_ONLY.to_owned());
            drop_reverse::remove(self.migration, &mut body);
        }
        emit(self.context, self.migration, Verdict::Ok, body)
    }
}

/// The cutover stands, and its document is worth more than the reason alone why a server cannot be reached.
fn stands(
    context: &Context,
    migration: &CutoverContext,
    mut body: CutoverBody,
    mut faults: Vec<String>,
    error: &ConnError,
) -> Result<Verdict, Failure> {
    faults.push(format!("{error}; pgl-cutover resume goes on"));
    let error = faults.join("; ");
    context.say(&format!("pgl-cutover: error: {error}"));
    body.state = Some(AttemptState::Promoted);
    body.error = Some(error);
    emit(context, migration, Verdict::Partial, body)
}

/// Warns of passwords that pglogical would store for reverse replication.
fn warn_of_passwords(args: &Order, target: &Endpoint) -> Result<(), Failure> {
    let own = args.reverse_subscriber_dsn();
    for (option, dsn) in [
        ("--reverse-dsn", Some(to_target(args, target)?)),
        ("--reverse-subscriber-dsn", own),
    ] {
        let stored = dsn.map(|dsn| subscription::stored_password(option, Side::Source, &dsn));
        if let Some(warning) = stored.transpose()?.flatten() {
            log::warn!("{warning}");
        }
    }
    Ok(())
}

/// The target as the source's server reaches it.
fn to_target(args: &Order, target: &Endpoint) -> Result<DsnText, Failure> {
    Ok(match args.reverse_dsn() {
        Some(text) => text,
        None => target.portable_dsn()?,
    })
}

/// The same with output settings that keep values exact.
fn reverse_dsn(args: &Order, target: &Endpoint, encoding: &str) -> Result<DsnText, Failure> {
    let text = to_target(args, target)?;
    let merged = add_options(Side::Target, &text, &subscription::pinned(encoding))?;
    for warning in &merged.warnings {
        log::warn!("reverse DSN: {warning}");
    }
    Ok(merged.text)
}
