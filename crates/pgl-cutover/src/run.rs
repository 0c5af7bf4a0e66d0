//! What the command line asks for, and what becomes of it.

use std::sync::Arc;
use std::time::Instant;

use pgl_apply::{Error, cutover as apply};
use pgl_cli::{Context, Failure, StepProgress};
use pgl_core::cutover::{Attempt, AttemptState, Direction, LastAttempt};
use pgl_core::doc::Verdict;
use pgl_core::{Exit, Side};

use crate::abort_offline;
use crate::args::{Abort, Asked, Order, RestoredHook, What};
use crate::attempt::{attempt_once, dry_run};
use crate::context::{CutoverContext, Lock, emit, failure};
use crate::drop_reverse;
use crate::finish::{Rest, finish};
use crate::hook::{restored_hook, run_after};
use crate::restore::{STAYS_READ_ONLY, restore, still_held};
use crate::view::CutoverBody;

pub(crate) fn run(asked: Asked, context: &Context) -> Result<Verdict, Failure> {
    match asked {
        Asked::Attempt(order) => attempt(*order, context),
        Asked::Abort(args) => abort(&args, context),
    }
}

fn attempt(mut args: Order, context: &Context) -> Result<Verdict, Failure> {
    let mut direction = match args.what {
        What::Rollback => Direction::Back,
        What::Run | What::Resume => Direction::Forward,
    };
    if args.dry_run {
        let migration = Arc::new(CutoverContext::observe(context, &args.common)?);
        may_begin(&migration, direction)?;
        if made(&migration, direction).is_some() {
            return Err(migration.promoted());
        }
        return dry_run(&args, context, &migration, direction);
    }
    let (migration, mut lock) = CutoverContext::lock(context, &args.common, &args.terminate)?;
    let mut migration = Arc::new(migration);
    match before_attempt(
        &mut args,
        context,
        &mut migration,
        &mut lock,
        &mut direction,
    ) {
        Ok(None) => attempt_once(&args, context, &migration, lock, direction),
        Ok(Some(verdict)) => Ok(verdict),
        Err(error) => Err(or_overtaken(&migration, &mut lock, error)),
    }
}

/// Whoever has taken over has ended the sessions that this run was using: that is what is reported then.
fn or_overtaken(migration: &CutoverContext, lock: &mut Lock, error: Failure) -> Failure {
    if error.exit == Exit::Unknown
        && let Err(overtaken @ Error::Refused { .. }) = still_held(migration, lock)
    {
        return failure(overtaken);
    }
    error
}

/// What comes before an attempt, or instead of one: a verdict then.
fn before_attempt(
    args: &mut Order,
    context: &Context,
    migration: &mut Arc<CutoverContext>,
    lock: &mut Lock,
    direction: &mut Direction,
) -> Result<Option<Verdict>, Failure> {
    if args.what == What::Resume {
        if let Some((left, attempt)) = halfway(migration) {
            take_back(
                &args.options.restored,
                context,
                migration,
                lock,
                left,
                &attempt,
            )?;
            let stopped = format!("had stopped at {}: rolled back", attempt.state.as_str());
            if attempt.rehearsal {
                let mut body = CutoverBody::new(left);
                body.rehearsal = true;
                body.state = Some(AttemptState::Restored);
                body.notes
                    .push(format!("a rehearsal {stopped}; it is not begun again"));
                if left == Direction::Forward {
                    target_stays(false, migration, Some(&attempt), &mut body)?;
                    drop_reverse::remove(migration, &mut body);
                }
                return emit(context, migration, Verdict::Ok, body).map(Some);
            }
            context.say(&format!(
                "pgl-cutover: an attempt {stopped}, beginning again"
            ));
            *direction = left;
            if attempt.reverse
                && let Some(forward) = &mut args.forward
            {
                // As it was asked for then.
                forward.reverse = true;
            }
            lock.read_again()?;
            *migration = Arc::new(migration.again(lock.state()));
        } else if let Some((left, attempt)) = promoted(migration) {
            return resume_rest(args, context, migration, left, attempt).map(Some);
        } else if made(migration, *direction).is_none() {
            return Err(Failure::refused(
                "no run of pgl-cutover has left anything to finish: nothing was changed",
            )
            .hint("pgl-cutover run --yes makes the cutover"));
        }
    }
    may_begin(migration, *direction)?;
    if let Some(made) = made(migration, *direction) {
        if args.rehearse {
            return Err(migration.promoted());
        }
        return already(args, context, migration, made).map(Some);
    }
    let after = match (args.rehearse, *direction) {
        (true, _) => "and allowed again after that",
        (false, Direction::Forward) => "and the target would then be the production database",
        (false, Direction::Back) => "and the source would then be the production database",
    };
    context.consent(
        &format!("Writes would be blocked, {after}."),
        args.common.yes || args.what == What::Resume,
    )?;
    Ok(None)
}

/// The attempt that leaves nothing to do in this direction.
fn made(migration: &CutoverContext, direction: Direction) -> Option<&Attempt> {
    match (direction, &migration.forward) {
        (Direction::Forward, LastAttempt::Done(made)) => Some(made),
        _ => None,
    }
}

/// Whether an attempt in this direction may begin in this state.
fn may_begin(migration: &CutoverContext, direction: Direction) -> Result<(), Failure> {
    if let Some((left, attempt)) = halfway(migration) {
        return Err(Failure::refused(format!(
            "an earlier attempt stopped at {}: the {} may be read-only",
            attempt.state.as_str(),
            migration.provider(left).side()
        ))
        .hint(
            "pgl-cutover abort rolls it back; pgl-cutover resume rolls it back and begins again",
        ));
    }
    if let Some((made, attempt)) = promoted(migration)
        && direction == Direction::Forward
    {
        return Err(work_is_left(made, &attempt));
    }
    match (direction, &migration.forward) {
        (Direction::Forward, _) => Ok(()),
        (Direction::Back, LastAttempt::Done(made) | LastAttempt::Promoted(made))
            if made.reverse =>
        {
            Ok(())
        }
        (Direction::Back, LastAttempt::Done(_) | LastAttempt::Promoted(_)) => {
            Err(Failure::refused(
                "the cutover was made without --reverse: nothing replicates the target's writes to the source",
            ))
        }
        (Direction::Back, _) => Err(Failure::refused(
            "there was no cutover that could be rolled back",
        )),
    }
}

fn work_is_left(made: Direction, attempt: &Attempt) -> Failure {
    Failure::refused(format!(
        "the {} is made, work after it is left (state {})",
        made.noun(),
        attempt.state.as_str()
    ))
    .hint("pgl-cutover resume finishes it")
}

fn halfway(migration: &CutoverContext) -> Option<(Direction, Attempt)> {
    match (&migration.forward, &migration.back) {
        (LastAttempt::Halfway(attempt), _) => Some((Direction::Forward, attempt.clone())),
        (_, LastAttempt::Halfway(attempt)) => Some((Direction::Back, attempt.clone())),
        _ => None,
    }
}

fn promoted(migration: &CutoverContext) -> Option<(Direction, Attempt)> {
    match (&migration.forward, &migration.back) {
        (LastAttempt::Promoted(attempt), _) => Some((Direction::Forward, attempt.clone())),
        (_, LastAttempt::Promoted(attempt)) => Some((Direction::Back, attempt.clone())),
        _ => None,
    }
}

fn already(
    args: &Order,
    context: &Context,
    migration: &CutoverContext,
    made: &Attempt,
) -> Result<Verdict, Failure> {
    let mut body = CutoverBody::new(Direction::Forward);
    if args.what == What::Resume {
        let faults = promoted_hook(args, context, made);
        if !faults.is_empty() {
            body.state = Some(AttemptState::Done);
            body.error = Some(faults.join("; "));
            context.say(&format!("pgl-cutover: error: {}", faults.join("; ")));
            return emit(context, migration, Verdict::Partial, body);
        }
    }
    body.state = Some(AttemptState::Done);
    body.notes
        .push("the cutover was made by an earlier run".to_owned());
    emit(context, migration, Verdict::Ok, body)
}

/// Rolls back what a run that is gone has left. Nobody else works on it: this run has the lock.
fn take_back(
    hook: &RestoredHook,
    context: &Context,
    migration: &CutoverContext,
    lock: &mut Lock,
    direction: Direction,
    attempt: &Attempt,
) -> Result<(), Failure> {
    restore(migration, lock, direction, attempt, None, &[]).map_err(failure)?;
    restored_hook(hook, context, attempt);
    Ok(())
}

fn abort(args: &Abort, context: &Context) -> Result<Verdict, Failure> {
    match CutoverContext::lock(context, &args.common, &args.terminate.terminate) {
        Ok((migration, mut lock)) => abort_left(args, context, &migration, &mut lock)
            .map_err(|error| or_overtaken(&migration, &mut lock, error)),
        Err(away) if away.side == Some(Side::Target) && away.exit == Exit::Unknown => {
            abort_offline::abort(args, context, away)
        }
        Err(failure) => Err(failure),
    }
}

fn abort_left(
    args: &Abort,
    context: &Context,
    migration: &CutoverContext,
    lock: &mut Lock,
) -> Result<Verdict, Failure> {
    let started = Instant::now();
    if let Some((direction, attempt)) = halfway(migration) {
        take_back(
            &args.restored,
            context,
            migration,
            lock,
            direction,
            &attempt,
        )?;
        let mut body = CutoverBody::new(direction);
        body.state = Some(AttemptState::Restored);
        body.notes.push(format!(
            "an attempt had stopped at {}: rolled back in {:.2} s, the {} accepts writes",
            attempt.state.as_str(),
            started.elapsed().as_secs_f64(),
            migration.provider(direction).side()
        ));
        if direction == Direction::Forward {
            target_stays(args.open_target, migration, Some(&attempt), &mut body)?;
            drop_reverse::remove(migration, &mut body);
        }
        return emit(context, migration, Verdict::Ok, body);
    }
    if let Some((made, attempt)) = promoted(migration) {
        return Err(work_is_left(made, &attempt));
    }
    if matches!(migration.forward, LastAttempt::Done(_)) {
        return Err(already_made());
    }
    let mut body = CutoverBody::new(Direction::Forward);
    body.notes.push("nothing was begun".to_owned());
    if args.open_target {
        let last = lock.state().source.as_ref();
        let last = last.and_then(|record| record.attempt.clone());
        target_stays(args.open_target, migration, last.as_ref(), &mut body)?;
    }
    drop_reverse::remove(migration, &mut body);
    emit(context, migration, Verdict::Ok, body)
}

fn already_made() -> Failure {
    Failure::refused("the cutover is made: there is nothing to abort")
        .hint("pgl-cutover rollback --yes goes back to the source, if it was made with --reverse")
}

/// What becomes of the target after an attempt was rolled back: read-only, unless it was asked otherwise. No run
/// that was left behind may promote it then.
fn target_stays(
    open: bool,
    migration: &CutoverContext,
    last: Option<&Attempt>,
    body: &mut CutoverBody,
) -> Result<(), Failure> {
    if !open {
        body.notes.push(STAYS_READ_ONLY.to_owned());
        return Ok(());
    }
    let mut target = migration.open(&migration.target)?;
    let nobody = apply::disclaim(&migration.name, last.map(|attempt| attempt.token.as_str()));
    let opened = apply::open(&mut target, &migration.name, &nobody).map_err(Error::from);
    let note = if opened.map_err(failure)? {
        "the target accepts writes of clients again"
    } else {
        "the target was not read-only"
    };
    body.notes.push(note.to_owned());
    Ok(())
}

/// The hook after the promotion once more, where it is given: a run that died may not have come to it, or it has failed.
fn promoted_hook(args: &Order, context: &Context, attempt: &Attempt) -> Vec<String> {
    let Some(command) = &args.options.hook_promoted else {
        return Vec::new();
    };
    let input = serde_json::json!({"hook": "hook-promoted", "attempt": attempt});
    let limit = args.options.restored.hook_timeout;
    let outcome = run_after(context, "hook-promoted", command, &input, limit);
    outcome.err().iter().map(ToString::to_string).collect()
}

fn resume_rest(
    args: &Order,
    context: &Context,
    migration: &CutoverContext,
    direction: Direction,
    attempt: Attempt,
) -> Result<Verdict, Failure> {
    let screen = StepProgress::new(context);
    let old = migration.open(migration.provider(direction))?;
    let new = migration.open(migration.subscriber(direction))?;
    let faults = promoted_hook(args, context, &attempt);
    let body = CutoverBody::new(direction);
    let rest = Rest {
        migration,
        watch: &screen,
        direction,
        attempt,
        body,
        old,
        new,
    };
    finish(context, migration, rest, faults)
}
