//! One attempt, by whoever decides: the engine works aside, and what it comes back with, or that it
//! does not come back, leads to the release, to what comes after it, or to taking everything back.

use std::ffi::OsStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pgl_apply::{Error, subscription};
use pgl_cli::{Context, Failure, Screen};
use pgl_conn::{DsnText, Endpoint, Session, add_options};
use pgl_core::cutover::{Attempt, Direction, State};
use pgl_core::doc::Verdict;
use pgl_core::{Exit, Side};

use crate::args::Cutover;
use crate::aside::{Came, Shared, aside};
use crate::engine::{Engine, Pids, Released};
use crate::finish::Rest;
use crate::ground::Ground;
use crate::hook::{self, HookLimit};
use crate::restore::{Found, Lock, RolledBack, end_left, find_out, restore, still_held};
use crate::run::{STAYS_SHUT, emit, failure, finish, restored_hook};
use crate::unreverse;
use crate::view::Body;

/// What is known of an attempt whoever works on it.
struct Trail<'a> {
    args: &'a Cutover,
    context: &'a Context,
    ground: &'a Ground,
    direction: Direction,
    attempt: Attempt,
    body: Body,
    pids: Pids,
    fence: Shared,
    lock: Lock,
}

/// An attempt with its preconditions evaluated.
fn examined(
    args: &Cutover,
    context: &Context,
    ground: &Arc<Ground>,
    direction: Direction,
) -> Result<Engine, Failure> {
    let interrupt = context.interrupt.clone();
    let mut engine = Engine::open(args, ground, direction, interrupt.clone()).map_err(failure)?;
    interrupt.check()?;
    engine.guards().map_err(failure)?;
    interrupt.check()?;
    Ok(engine)
}

/// What an attempt would do, and what prevents it; reads only, so it needs no lock.
pub(crate) fn dry_run(
    args: &Cutover,
    context: &Context,
    ground: &Arc<Ground>,
    direction: Direction,
) -> Result<Verdict, Failure> {
    let mut engine = examined(args, context, ground, direction)?;
    engine.body.sql = engine.script();
    let verdict = match engine.body.refusals.is_empty() {
        true => Verdict::Ok,
        false => Verdict::No,
    };
    emit(context, ground, verdict, engine.body)
}

pub(crate) fn attempt_once(
    args: &Cutover,
    context: &Context,
    ground: &Arc<Ground>,
    mut lock: Lock,
    direction: Direction,
) -> Result<Verdict, Failure> {
    let screen = Screen::new(context);
    let interrupt = context.interrupt.clone();
    let examined = examined(args, context, ground, direction);
    still_held(ground, &mut lock).map_err(failure)?;
    let mut engine = examined?;
    if !engine.body.refusals.is_empty() {
        return emit(context, ground, Verdict::Refused, engine.body);
    }
    if args.reverse && direction == Direction::Forward {
        let dsn = reverse_dsn(args, &ground.target)?;
        if let Err(error) = engine.prepare_back(&dsn, &screen) {
            still_held(ground, &mut lock).map_err(failure)?;
            unreverse::remove(ground, &mut engine.body);
            for note in &engine.body.notes {
                context.say(&format!("pgl-cutover: {note}"));
            }
            return Err(failure(error));
        }
    }
    let trail = Trail {
        args,
        context,
        ground,
        direction,
        attempt: engine.attempt.clone(),
        body: engine.body.clone(),
        pids: engine.pids(),
        fence: Arc::clone(&engine.fence),
        lock,
    };
    let watched: Vec<_> = engine
        .handles()
        .into_iter()
        .map(|handle| context.cancel_on_signal(handle))
        .collect();
    let came = aside(Box::new(engine), &trail.fence, &interrupt, Engine::advance);
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
            let came = aside(engine, &trail.fence, &interrupt, Engine::release);
            trail.released(came, &screen)
        }
    }
}

impl Trail<'_> {
    fn released(
        self,
        came: Came<Engine, Released>,
        screen: &Screen<'_>,
    ) -> Result<Verdict, Failure> {
        match came {
            Came::Back(engine, Released::Yes) => self.after_release(*engine, screen),
            Came::Back(engine, Released::No(error)) => self.give_up(*engine, error),
            Came::Back(mut engine, Released::Unknown(error)) => match self.find_out() {
                Found::Released(session) => {
                    engine.seen_released(*session);
                    self.after_release(*engine, screen)
                }
                Found::Not => self.give_up(*engine, error),
                Found::Nothing => self.unknown(error),
            },
            Came::Left { why, unsent: true } => self.give_up_left(why),
            Came::Left { why, unsent: false } => match self.find_out() {
                Found::Released(session) => self.after_left(*session, screen),
                Found::Not => self.give_up_left(why),
                Found::Nothing => self.unknown(why),
            },
        }
    }

    fn find_out(&self) -> Found {
        find_out(
            self.ground,
            self.direction,
            &self.attempt.token,
            self.pids.release,
        )
    }

    fn unknown(mut self, error: Error) -> Result<Verdict, Failure> {
        self.body.state = Some(State::Releasing);
        self.body.phases = self.fence.phases();
        self.body.error = Some(error.to_string());
        self.body.notes.push(
            "the connection broke while the target was being released, and it cannot be reached: \
             the source stays closed. pgl-cutover --resume finds out and goes on"
                .to_owned(),
        );
        emit(self.context, self.ground, Verdict::Partial, self.body)
    }

    fn hook_switched(&self, input: &serde_json::Value) -> Option<Result<Instant, Error>> {
        let command = self.args.hook_switched.as_ref()?;
        let started = Instant::now();
        let outcome = run_after(
            self.context,
            "hook-switched",
            command,
            input,
            self.args.hook_timeout,
        );
        Some(outcome.map(|()| started))
    }

    fn after_release(self, mut engine: Engine, screen: &Screen<'_>) -> Result<Verdict, Failure> {
        let mut faults = Vec::new();
        match self.hook_switched(&engine.hook_input("hook-switched")) {
            Some(Ok(started)) => engine.report("hook-switched", started, "succeeded"),
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
                self.ground.open(endpoint)
            } else {
                Ok(session)
            }
        };
        let sessions = alive(old, self.ground.old_home(self.direction))
            .and_then(|old| Ok((old, alive(new, self.ground.new_home(self.direction))?)));
        let (old, new) = match sessions {
            Ok(both) => both,
            Err(error) => {
                // The switch stands, and its document is worth more than the reason alone.
                faults.push(format!("{error}; pgl-cutover --resume goes on"));
                let mut body = body;
                body.state = Some(State::Switched);
                body.error = Some(faults.join("; "));
                self.context
                    .say(&format!("pgl-cutover: error: {}", faults.join("; ")));
                return emit(self.context, self.ground, Verdict::Partial, body);
            }
        };
        let rest = Rest {
            ground: self.ground,
            watch: screen,
            direction: self.direction,
            attempt,
            body,
            old,
            new,
        };
        finish(self.context, self.ground, rest, faults)
    }

    /// The release was made by a thread that was left: its locks go with its sessions.
    fn after_left(mut self, new: Session, screen: &Screen<'_>) -> Result<Verdict, Failure> {
        let mut faults = Vec::new();
        self.attempt.state = State::Switched;
        let input = serde_json::json!({"hook": "hook-switched", "attempt": self.attempt});
        if let Some(Err(error)) = self.hook_switched(&input) {
            faults.push(error.to_string());
        }
        let mut old = self.ground.open(self.ground.old_home(self.direction))?;
        if let Err(error) = end_left(&mut old, &self.pids.old) {
            faults.push(error.to_string());
        }
        let mut body = self.body;
        body.phases = self.fence.phases();
        body.notes.push(
            "a server did not answer after the release: tables that are too large for the pause were not compared; \
             pgl-verify does it"
                .to_owned(),
        );
        let rest = Rest {
            ground: self.ground,
            watch: screen,
            direction: self.direction,
            attempt: self.attempt,
            body,
            old,
            new,
        };
        finish(self.context, self.ground, rest, faults)
    }

    fn give_up(mut self, engine: Engine, error: Error) -> Result<Verdict, Failure> {
        let (body, attempt, left) = engine.give_up();
        (self.body, self.attempt) = (body, attempt);
        self.taken_back(left, error)
    }

    fn give_up_left(mut self, error: Error) -> Result<Verdict, Failure> {
        self.body.phases = self.fence.phases();
        self.taken_back(None, error)
    }

    fn taken_back(mut self, left: Option<Session>, error: Error) -> Result<Verdict, Failure> {
        // Where the engine came back its sessions are closed already: nothing is found then.
        let outcome = restore(
            self.ground,
            &mut self.lock,
            self.direction,
            &self.attempt,
            left,
            &self.pids.old,
        );
        let pause = self.fence.pause();
        self.body.pause_seconds = pause.map(|(began, _)| began.elapsed().as_secs_f64());
        let why = failure(error);
        self.body.error = Some(why.message.clone());
        match outcome {
            Ok(RolledBack::Attempt) => {
                self.body.state = Some(State::Restored);
                self.body.notes.push(format!(
                    "everything was rolled back: the {} accepts writes",
                    self.ground.old_home(self.direction).side()
                ));
                if self.direction == Direction::Forward {
                    self.body.notes.push(STAYS_SHUT.to_owned());
                    unreverse::remove(self.ground, &mut self.body);
                }
                restored_hook(self.args, self.context, &self.attempt);
            }
            Ok(RolledBack::Nothing) => {
                self.body.state = None;
                self.body.notes.push("nothing was begun".to_owned());
                if self.direction == Direction::Forward {
                    unreverse::remove(self.ground, &mut self.body);
                }
            }
            Err(second) => return self.not_unblocked(second, &why.message),
        }
        // What was left there holds locks that the apply worker waits for.
        let ended = self
            .ground
            .open(self.ground.new_home(self.direction))
            .map_err(Error::from)
            .and_then(|mut new| end_left(&mut new, &self.pids.new));
        if let Err(error) = ended {
            self.body.notes.push(format!(
                "sessions on the new home may still be there ({error}): pgl-cutover --abort ends them"
            ));
        }
        let verdict = match why.exit {
            Exit::Refused => Verdict::Refused,
            Exit::NotYet => Verdict::NotYet,
            Exit::No => Verdict::No,
            _ => Verdict::Unknown,
        };
        self.context.say(&format!("pgl-cutover: error: {why}"));
        emit(self.context, self.ground, verdict, self.body)
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
                "the {} could not be unblocked: pgl-cutover --abort does it",
                self.ground.old_home(self.direction).side()
            ));
            Verdict::Partial
        };
        emit(self.context, self.ground, verdict, self.body)
    }

    fn rehearsed(mut self, engine: Engine) -> Result<Verdict, Failure> {
        let pause = engine.pause();
        let (mut body, attempt, left) = engine.give_up();
        let outcome = restore(
            self.ground,
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
        restored_hook(self.args, self.context, &attempt);
        body.state = Some(State::Restored);
        body.rehearsal = true;
        body.pause_seconds = pause;
        body.notes
            .push("a rehearsal: everything was rolled back, the source accepts writes".to_owned());
        if self.direction == Direction::Forward {
            body.notes.push(STAYS_SHUT.to_owned());
            unreverse::remove(self.ground, &mut body);
        }
        emit(self.context, self.ground, Verdict::Ok, body)
    }
}

/// Runs a hook after the decision: a signal that came before it does not keep it from being run, one that comes now
/// ends it.
pub(crate) fn run_after(
    context: &Context,
    name: &str,
    command: &OsStr,
    input: &serde_json::Value,
    limit: Duration,
) -> Result<(), Error> {
    let before = context.interrupt.exit().is_some();
    let stop = || !before && context.interrupt.exit().is_some();
    hook::run(&HookLimit::new(name, limit, None), command, input, &stop)
}

/// The target as the source's server reaches it, with output settings that keep values exact.
fn reverse_dsn(args: &Cutover, target: &Endpoint) -> Result<DsnText, Failure> {
    let text = match &args.reverse_dsn {
        Some(text) => DsnText::new(text.clone()),
        None => reachable(target)?,
    };
    let merged = add_options(Side::Target, &text, &subscription::PINNED)?;
    for warning in &merged.warnings {
        log::warn!("reverse DSN: {warning}");
    }
    Ok(merged.text)
}

/// What the string means here: a service file or a variable of ours says nothing to the other server.
fn reachable(endpoint: &Endpoint) -> Result<DsnText, pgl_conn::Error> {
    let mut plain = endpoint.client_conninfo()?;
    for (name, value) in endpoint.client_env() {
        if let ("PGPASSWORD", Some(value)) = (name.to_str().unwrap_or_default(), value.to_str()) {
            plain.push_str(&format!(
                " password='{}'",
                value.replace('\\', "\\\\").replace('\'', "\\'")
            ));
        }
    }
    Ok(DsnText::new(plain))
}
