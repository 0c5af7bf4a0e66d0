//! What the command line asks for, and what becomes of it.

use std::sync::Arc;
use std::time::Instant;

use pgl_apply::{Error, cutover as apply};
use pgl_cli::{Context, Failure, Screen};
use pgl_core::cutover::{Attempt, Direction, Standing, State};
use pgl_core::doc::Verdict;
use pgl_core::{Exit, Side};

use crate::args::{Action, Cutover};
use crate::attempt::{attempt_once, dry_run, run_after};
use crate::finish::Rest;
use crate::ground::Ground;
use crate::orphan;
use crate::restore::{Lock, restore};
use crate::unreverse;
use crate::view::Body;

pub(crate) const STAYS_SHUT: &str = "the target stays read-only until promotion, so that clients with target_session_attrs=read-write \
                          cannot connect to it early; to make it writable: pgl-cutover --abort --open-target";

pub(crate) fn run(args: &Cutover, context: &Context) -> Result<Verdict, Failure> {
    if !(args.terminate.is_empty() || args.abort || args.resume) {
        return Err(Failure::usage("--terminate goes with --abort or --resume"));
    }
    let (ground, lock) = match Ground::find(args, context) {
        Ok(found) => found,
        Err(away)
            if args.abort && away.side == Some(Side::Target) && away.exit == Exit::Unknown =>
        {
            return orphan::abort(args, context, away);
        }
        Err(failure) => return Err(failure),
    };
    let mut ground = Arc::new(ground);
    let mut direction = match args.action {
        Some(Action::Rollback) => Direction::Back,
        None => Direction::Forward,
    };
    let Some(mut lock) = lock else {
        // A dry run.
        if let Some(made) = made(&ground, direction) {
            return already(args, context, &ground, made);
        }
        may_begin(&ground, direction)?;
        return dry_run(args, context, &ground, direction);
    };
    if args.abort {
        return abort(args, context, &ground, &mut lock);
    }
    if args.resume {
        if let Some((left, attempt)) = halfway(&ground) {
            take_back(args, context, &ground, &mut lock, left, &attempt)?;
            context.say(&format!(
                "pgl-cutover: an attempt had stopped at {}: rolled back, beginning again",
                attempt.state.as_str()
            ));
            direction = left;
            lock.read_again()?;
            ground = Arc::new(ground.again(lock.state()));
        } else if let Some((left, attempt)) = switched(&ground) {
            return resume_rest(args, context, &ground, left, attempt);
        }
    }
    if let Some(made) = made(&ground, direction) {
        return already(args, context, &ground, made);
    }
    may_begin(&ground, direction)?;
    if !(args.yes || args.resume) {
        return Err(Failure::refused("this keeps everybody from writing for a moment")
            .hint("--dry-run shows what would be done, --rehearse --yes how long it takes, --yes does it"));
    }
    attempt_once(args, context, &ground, lock, direction)
}

/// The attempt that leaves nothing to do in this direction.
fn made(ground: &Ground, direction: Direction) -> Option<&Attempt> {
    match (direction, &ground.forward) {
        (Direction::Forward, Standing::Done(made)) => Some(made),
        _ => None,
    }
}

/// Whether an attempt in this direction may begin in this state.
fn may_begin(ground: &Ground, direction: Direction) -> Result<(), Failure> {
    if let Some((_, attempt)) = halfway(ground) {
        return Err(Failure::refused(format!(
            "an earlier attempt stopped at {}: the source may be read-only",
            attempt.state.as_str()
        ))
        .hint("pgl-cutover --abort rolls it back; --resume rolls it back and begins again"));
    }
    if let Some((_, attempt)) = switched(ground)
        && direction == Direction::Forward
    {
        return Err(Failure::refused(format!(
            "the cutover is made, work after it is left (state {})",
            attempt.state.as_str()
        ))
        .hint("pgl-cutover --resume finishes it"));
    }
    match (direction, &ground.forward) {
        (Direction::Forward, _) => Ok(()),
        (Direction::Back, Standing::Done(made) | Standing::Switched(made)) if made.reverse => {
            Ok(())
        }
        (Direction::Back, Standing::Done(_) | Standing::Switched(_)) => Err(Failure::refused(
            "the cutover was made without --reverse: nothing replicates the target's writes to the source",
        )),
        (Direction::Back, _) => Err(Failure::refused(
            "there was no cutover that could be rolled back",
        )),
    }
}

fn halfway(ground: &Ground) -> Option<(Direction, Attempt)> {
    match (&ground.forward, &ground.back) {
        (Standing::Halfway(attempt), _) => Some((Direction::Forward, attempt.clone())),
        (_, Standing::Halfway(attempt)) => Some((Direction::Back, attempt.clone())),
        _ => None,
    }
}

fn switched(ground: &Ground) -> Option<(Direction, Attempt)> {
    match (&ground.forward, &ground.back) {
        (Standing::Switched(attempt), _) => Some((Direction::Forward, attempt.clone())),
        (_, Standing::Switched(attempt)) => Some((Direction::Back, attempt.clone())),
        _ => None,
    }
}

fn already(
    args: &Cutover,
    context: &Context,
    ground: &Ground,
    made: &Attempt,
) -> Result<Verdict, Failure> {
    let mut body = Body::new(Direction::Forward);
    if args.resume {
        let faults = switched_hook(args, context, made);
        if !faults.is_empty() {
            body.state = Some(State::Done);
            body.error = Some(faults.join("; "));
            context.say(&format!("pgl-cutover: error: {}", faults.join("; ")));
            return emit(context, ground, Verdict::Partial, body);
        }
    }
    body.state = Some(State::Done);
    body.notes
        .push("the cutover was made by an earlier run".to_owned());
    emit(context, ground, Verdict::Ok, body)
}

pub(crate) fn emit(
    context: &Context,
    ground: &Ground,
    verdict: Verdict,
    body: Body,
) -> Result<Verdict, Failure> {
    let plan = Some(ground.plan.clone());
    context.emit(&context.document(verdict, Some(ground.migration()), plan, body))?;
    Ok(verdict)
}

/// Rolls back what a run that is gone has left. Nobody else works on it: this run has the lock.
fn take_back(
    args: &Cutover,
    context: &Context,
    ground: &Ground,
    lock: &mut Lock,
    direction: Direction,
    attempt: &Attempt,
) -> Result<(), Failure> {
    restore(ground, lock, direction, attempt, None, &[]).map_err(failure)?;
    restored_hook(args, context, attempt);
    Ok(())
}

pub(crate) fn restored_hook(args: &Cutover, context: &Context, attempt: &Attempt) {
    if let Some(command) = &args.hook_restored {
        let input = serde_json::json!({"hook": "hook-restored", "attempt": attempt});
        let outcome = run_after(context, "hook-restored", command, &input, args.hook_timeout);
        if let Err(error) = outcome {
            context.say(&format!("pgl-cutover: warning: {error}"));
        }
    }
}

fn abort(
    args: &Cutover,
    context: &Context,
    ground: &Ground,
    lock: &mut Lock,
) -> Result<Verdict, Failure> {
    let started = Instant::now();
    if let Some((direction, attempt)) = halfway(ground) {
        take_back(args, context, ground, lock, direction, &attempt)?;
        let mut body = Body::new(direction);
        body.state = Some(State::Restored);
        body.notes.push(format!(
            "an attempt had stopped at {}: rolled back in {:.2} s, the {} accepts writes",
            attempt.state.as_str(),
            started.elapsed().as_secs_f64(),
            ground.old_home(direction).side()
        ));
        if direction == Direction::Forward {
            target_stays(args, ground, Some(&attempt), &mut body)?;
            unreverse::remove(ground, &mut body);
        }
        return emit(context, ground, Verdict::Ok, body);
    }
    if switched(ground).is_some() || matches!(ground.forward, Standing::Done(_)) {
        return Err(already_made());
    }
    let mut body = Body::new(Direction::Forward);
    body.notes.push("nothing was begun".to_owned());
    if args.open_target {
        let last = lock.state().source.as_ref();
        let last = last.and_then(|record| record.attempt.clone());
        target_stays(args, ground, last.as_ref(), &mut body)?;
    }
    unreverse::remove(ground, &mut body);
    emit(context, ground, Verdict::Ok, body)
}

fn already_made() -> Failure {
    Failure::refused("the cutover is made: there is nothing to abort")
        .hint("pgl-cutover rollback --yes goes back to the source, if it was made with --reverse")
}

/// What becomes of the target after an attempt was rolled back: read-only, unless it was asked otherwise. No run
/// that was left behind may promote it then.
fn target_stays(
    args: &Cutover,
    ground: &Ground,
    last: Option<&Attempt>,
    body: &mut Body,
) -> Result<(), Failure> {
    if !args.open_target {
        body.notes.push(STAYS_SHUT.to_owned());
        return Ok(());
    }
    let mut target = ground.open(&ground.target)?;
    let nobody = apply::disclaim(&ground.name, last.map(|attempt| attempt.token.as_str()));
    let opened = apply::open(&mut target, &ground.name, &nobody).map_err(Error::from);
    let note = if opened.map_err(failure)? {
        "the target accepts writes of clients again"
    } else {
        "the target was not read-only"
    };
    body.notes.push(note.to_owned());
    Ok(())
}

/// The hook after the promotion once more, where it is given: a run that died may not have come to it, or it has failed.
fn switched_hook(args: &Cutover, context: &Context, attempt: &Attempt) -> Vec<String> {
    let Some(command) = &args.hook_switched else {
        return Vec::new();
    };
    let input = serde_json::json!({"hook": "hook-switched", "attempt": attempt});
    let outcome = run_after(context, "hook-switched", command, &input, args.hook_timeout);
    outcome.err().iter().map(ToString::to_string).collect()
}

fn resume_rest(
    args: &Cutover,
    context: &Context,
    ground: &Ground,
    direction: Direction,
    attempt: Attempt,
) -> Result<Verdict, Failure> {
    let screen = Screen::new(context);
    let old = ground.open(ground.old_home(direction))?;
    let new = ground.open(ground.new_home(direction))?;
    let faults = switched_hook(args, context, &attempt);
    let body = Body::new(direction);
    let rest = Rest {
        ground,
        watch: &screen,
        direction,
        attempt,
        body,
        old,
        new,
    };
    finish(context, ground, rest, faults)
}

pub(crate) fn finish(
    context: &Context,
    ground: &Ground,
    mut rest: Rest<'_>,
    faults: Vec<String>,
) -> Result<Verdict, Failure> {
    rest.body.state = Some(State::Switched);
    let mut outcome = rest.run();
    if let Err(Error::Server(error)) = &outcome
        && error.is_lost()
    {
        // Whoever takes over ends our sessions: whether the attempt is still ours is asked in new ones.
        log::warn!("{error}; trying again");
        outcome = rest.again();
    }
    let mut faults = faults;
    let mut overtaken = false;
    if let Err(error) = outcome {
        overtaken = matches!(error, Error::Overtaken { .. });
        let next = if overtaken {
            ""
        } else {
            "; pgl-cutover --resume goes on"
        };
        faults.push(format!("{}{next}", named(&error)));
    }
    let mut body = rest.body;
    let verdict = if overtaken {
        body.state = None;
        Verdict::Refused
    } else if !body.checked.differences.is_empty() {
        Verdict::No
    } else if faults.is_empty() {
        Verdict::Ok
    } else {
        Verdict::Partial
    };
    if !faults.is_empty() {
        body.error = Some(faults.join("; "));
        context.say(&format!("pgl-cutover: error: {}", faults.join("; ")));
    }
    emit(context, ground, verdict, body)
}

/// An error with the objects that it is about: a foreign key that rows contradict has to be known by name.
fn named(error: &Error) -> String {
    let Error::Objects { failures, .. } = error else {
        return error.to_string();
    };
    let each = failures.iter().map(|one| {
        let detail = one
            .detail
            .as_deref()
            .map_or_else(String::new, |text| format!(" {text}"));
        format!("{}: {}{detail}", one.object, one.message)
    });
    format!("{error}: {}", each.collect::<Vec<_>>().join("; "))
}

/// The failure that an error of a step is.
pub(crate) fn failure(error: Error) -> Failure {
    error.told().into()
}
