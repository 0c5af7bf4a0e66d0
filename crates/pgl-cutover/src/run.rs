//! What the command line asks for, and what becomes of it.

use std::sync::Arc;
use std::time::Instant;

use pgl_apply::Error;
use pgl_cli::{Context, Failure, Screen};
use pgl_core::Side;
use pgl_core::cutover::{Attempt, Direction, Standing, State};
use pgl_core::doc::Verdict;

use crate::args::{Action, Cutover};
use crate::attempt::{attempt_once, run_after};
use crate::finish::Rest;
use crate::ground::{Ground, open};
use crate::orphan;
use crate::restore::{alone, restore};
use crate::view::Body;

pub(crate) const STAYS_SHUT: &str = "the target stays shut to clients until it is released: one that looks for a \
                          server that takes writes could else write there; \
                          --abort --open-target opens it";

pub(crate) fn run(args: &Cutover, context: &Context) -> Result<Verdict, Failure> {
    let mut ground = match Ground::find(args, context) {
        Ok(ground) => Arc::new(ground),
        Err(away) if args.abort && away.side == Some(Side::Target) => {
            return orphan::abort(args, context, away);
        }
        Err(failure) => return Err(failure),
    };
    if args.abort {
        return abort(args, context, &ground);
    }
    let mut direction = match args.action {
        Some(Action::Rollback) => Direction::Back,
        None => Direction::Forward,
    };
    if args.resume {
        if let Some((left, attempt)) = halfway(&ground) {
            take_back(args, context, &ground, left, &attempt)?;
            context.say(&format!(
                "pgl-cutover: an attempt had stopped at {}: taken back, beginning again",
                attempt.state.as_str()
            ));
            direction = left;
            ground = Arc::new(Ground::find(args, context)?);
        } else if let Some((left, attempt)) = switched(&ground) {
            return resume_rest(args, context, &ground, left, attempt);
        }
    } else if let Some((_, attempt)) = halfway(&ground) {
        return Err(Failure::refused(format!(
            "an earlier attempt stopped at {}: the source may refuse writes",
            attempt.state.as_str()
        ))
        .hint("pgl-cutover --abort takes it back; --resume takes it back and begins again"));
    } else if let Some((_, attempt)) = switched(&ground)
        && direction == Direction::Forward
    {
        return Err(Failure::refused(format!(
            "the switch is made, work after it is left (state {})",
            attempt.state.as_str()
        ))
        .hint("pgl-cutover --resume finishes it"));
    }
    match (direction, &ground.forward) {
        (Direction::Forward, Standing::Done(made)) => {
            return already(args, context, &ground, made);
        }
        (Direction::Forward, _) => {}
        (Direction::Back, Standing::Done(made) | Standing::Switched(made)) if made.reverse => {}
        (Direction::Back, Standing::Done(_) | Standing::Switched(_)) => {
            return Err(Failure::refused(
                "the switch was made without --reverse: nothing carries the target's writes back",
            ));
        }
        (Direction::Back, _) => {
            return Err(Failure::refused(
                "there was no switch that could be taken back",
            ));
        }
    }
    if !(args.yes || args.dry_run || args.resume) {
        return Err(Failure::refused("this keeps everybody from writing for a moment")
            .hint("--dry-run shows what would be done, --rehearse --yes how long it takes, --yes does it"));
    }
    attempt_once(args, context, &ground, direction)
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
        .push("the switch was made by an earlier run".to_owned());
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

/// Takes back what a run that is gone has left, after making sure that it is gone.
fn take_back(
    args: &Cutover,
    context: &Context,
    ground: &Ground,
    direction: Direction,
    attempt: &Attempt,
) -> Result<(), Failure> {
    let mut old = open(ground.tool, ground.old_home(direction))?;
    alone(&mut old, &ground.name).map_err(failure)?;
    // The old home first: nothing else is urgent. But a release on its way decides otherwise.
    let mut new = open(ground.tool, ground.new_home(direction))?;
    alone(&mut new, &ground.name).map_err(failure)?;
    let released = pgl_apply::cutover::promoted_by(&mut new, &ground.name)?;
    if released.as_deref() == Some(attempt.token.as_str()) {
        return Err(
            Failure::refused("the new home was released meanwhile: the switch is made")
                .hint("pgl-cutover --resume finishes it"),
        );
    }
    restore(ground, direction, attempt, Some(old), &[]).map_err(failure)?;
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

fn abort(args: &Cutover, context: &Context, ground: &Ground) -> Result<Verdict, Failure> {
    let started = Instant::now();
    let mut fresh = None;
    if halfway(ground).is_none() && matches!(ground.forward, Standing::Clean) {
        // A run that has not written anything yet would begin after this one has said that there is
        // nothing to take back.
        let mut source = open(ground.tool, &ground.source)?;
        alone(&mut source, &ground.name).map_err(failure)?;
        fresh = Some(Ground::find(args, context)?);
    }
    let ground = fresh.as_ref().unwrap_or(ground);
    if let Some((direction, attempt)) = halfway(ground) {
        take_back(args, context, ground, direction, &attempt)?;
        let mut body = Body::new(direction);
        body.state = Some(State::Restored);
        body.notes.push(format!(
            "an attempt had stopped at {}: taken back in {:.2} s, the old home takes writes",
            attempt.state.as_str(),
            started.elapsed().as_secs_f64()
        ));
        if direction == Direction::Forward {
            target_stays(args, ground, &mut body)?;
        }
        return emit(context, ground, Verdict::Ok, body);
    }
    if switched(ground).is_some() || matches!(ground.forward, Standing::Done(_)) {
        return Err(
            Failure::refused("the switch is made: there is nothing to abort")
                .hint("pgl-cutover rollback goes back, if it was made with --reverse"),
        );
    }
    let mut body = Body::new(Direction::Forward);
    body.notes.push("nothing was begun".to_owned());
    if args.open_target {
        target_stays(args, ground, &mut body)?;
    }
    emit(context, ground, Verdict::Ok, body)
}

/// What becomes of the target after an attempt was taken back: shut, unless it was asked otherwise.
fn target_stays(args: &Cutover, ground: &Ground, body: &mut Body) -> Result<(), Failure> {
    if !args.open_target {
        body.notes.push(STAYS_SHUT.to_owned());
        return Ok(());
    }
    let mut target = open(ground.tool, &ground.target)?;
    alone(&mut target, &ground.name).map_err(failure)?;
    let opened = pgl_apply::cutover::open(&mut target, &ground.name, "")?;
    let note = if opened {
        "the target takes writes of clients again"
    } else {
        "the target was not shut"
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
    let mut old = open(ground.tool, ground.old_home(direction))?;
    let mut new = open(ground.tool, ground.new_home(direction))?;
    alone(&mut old, &ground.name).map_err(failure)?;
    alone(&mut new, &ground.name).map_err(failure)?;
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
    let outcome = rest.run();
    let mut faults = faults;
    if let Err(error) = outcome {
        faults.push(format!("{}; pgl-cutover --resume goes on", named(&error)));
    }
    let mut body = rest.body;
    let verdict = if !body.checked.differences.is_empty() {
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
