//! The run: which steps, in which order, and what becomes of each.

use std::time::Instant;

use pgl_apply::{Done, Error};
use pgl_cli::{Context, Failure, StepProgress, input, stop_point};
use pgl_core::cutover::Purpose;
use pgl_core::doc::{StepState, Verdict};
use pgl_core::setup::{Step, StepId, When, choose, steps};

use crate::args::Setup;
use crate::collect::Look;
use crate::endpoints::Place;
use crate::steps::Run;
use crate::view::{SetupReport, StepReport};

pub(crate) fn run(args: &Setup, context: &Context) -> Result<Verdict, Failure> {
    let options = args.options();
    let chosen = choose(steps(&options), &args.step, args.until);
    if args.list_steps {
        return list(context, &chosen);
    }
    if args.yes && !args.restart {
        return Err(Failure::usage(
            "--yes confirms --restart, which was not given; nothing else of pgl-setup asks",
        )
        .hint("leave --yes away"));
    }
    let copies = |step: &Step| step.id == StepId::Copy && matches!(step.when, When::Now);
    if args.restart && !chosen.iter().any(copies) {
        return Err(Failure::usage(
            "--restart is of step copy, which is not among the steps of this run",
        ));
    }
    let document = input::read_plan(&args.plan, &context.interrupt)?;
    let place = Place::find(args, context)?;
    let screen = StepProgress::new(context);
    let mut run = Run::open(args, context, &place, document, &screen)?;
    if args.dry_run {
        return dry(context, &chosen, &mut run);
    }
    if args.restart {
        context.consent(
            &format!(
                "--restart drops the subscription and the slot of migration {}, empties every table on the target that it filled, and copies all rows again.",
                run.name
            ),
            args.yes,
        )?;
    }
    let mut reports: Vec<StepReport> = Vec::new();
    let mut broken: Option<Error> = None;
    for step in &chosen {
        let started = Instant::now();
        let mut report = StepReport {
            id: step.id,
            side: step.id.side(),
            state: StepState::NotReached,
            seconds: 0.0,
            what: String::new(),
            hint: None,
            sql: None,
            failures: Vec::new(),
        };
        match step.when {
            _ if broken.is_some() => {}
            When::Not(reason) => {
                report.state = StepState::Skipped;
                report.what = reason.to_owned();
            }
            When::Now => {
                log::info!("{}", step.id);
                stop_point(step.id.as_str());
                let result = match context.interrupt.check() {
                    Ok(()) if !args.step.is_empty() => {
                        run.in_turn(step.id).and_then(|()| run.step(step.id))
                    }
                    Ok(()) => run.step(step.id),
                    Err(_) => Err(Error::Interrupted),
                };
                report.seconds = started.elapsed().as_secs_f64();
                match result {
                    Ok(Done::Changed(what)) => {
                        context.say(&format!("{:<22} {what}", step.id));
                        (report.state, report.what) = (StepState::Done, what);
                    }
                    Ok(Done::Already(what)) => {
                        (report.state, report.what) = (StepState::Already, what);
                    }
                    Err(error) => {
                        // A query that a signal cancelled fails as "cancelled".
                        let error = match (context.interrupt.exit(), error) {
                            (
                                Some(_),
                                Error::Server(_) | Error::Program { .. } | Error::Objects { .. },
                            ) => Error::Interrupted,
                            (_, error) => error,
                        };
                        report.state = StepState::Failed;
                        report.fail(&error);
                        broken = Some(error);
                    }
                }
            }
        }
        reports.push(report);
    }
    let verdict = verdict(&broken, &reports, &mut run);
    let report = SetupReport {
        dry_run: false,
        steps: reports,
        copy: run.copied.take(),
    };
    let document = context.document(verdict, Some(run.migration()), Some(run.plan()), report);
    context.emit(&document)?;
    if let Some(error) = broken {
        let shown = Failure::from(error.report());
        context.say(&format!("pgl-setup: error: {shown}"));
    }
    Ok(verdict)
}

/// A guard that says no has changed nothing; any later failure leaves done steps behind, be it
/// those of an earlier run.
fn verdict(broken: &Option<Error>, reports: &[StepReport], run: &mut Run<'_>) -> Verdict {
    let Some(error) = broken else {
        return Verdict::Ok;
    };
    let at_guard = reports
        .iter()
        .any(|report| report.id == StepId::Guard && report.state == StepState::Failed);
    let touched = reports.iter().any(|report| report.state == StepState::Done);
    match error {
        Error::Objects { .. } if at_guard => Verdict::Refused,
        Error::Blocked { .. } => Verdict::Refused,
        Error::Refused { .. } if !touched => Verdict::Refused,
        Error::Server(error) if !touched && error.kind == pgl_conn::Kind::Refused => {
            Verdict::Refused
        }
        _ if !at_guard && (touched || run.journal_exists()) => Verdict::Partial,
        Error::Refused { .. } | Error::Overtaken { .. } => Verdict::Refused,
        Error::NotYet { .. } | Error::Late { .. } => Verdict::NotYet,
        Error::Server(_) | Error::Program { .. } | Error::Objects { .. } | Error::Interrupted => {
            Verdict::Unknown
        }
    }
}

/// Whether a step would refuse, rather than that it could not be found out.
fn refuses(error: &Error) -> bool {
    match error {
        Error::Refused { .. }
        | Error::Overtaken { .. }
        | Error::Objects { .. }
        | Error::Blocked { .. } => true,
        Error::Server(error) => error.kind == pgl_conn::Kind::Refused,
        Error::NotYet { .. } | Error::Late { .. } | Error::Program { .. } | Error::Interrupted => {
            false
        }
    }
}

fn dry(context: &Context, chosen: &[Step], run: &mut Run<'_>) -> Result<Verdict, Failure> {
    run.state
        .allows(Purpose::SetUp)
        .map_err(|error| Failure::from(error.report()))?;
    let mut reports = Vec::new();
    let mut verdict = Verdict::Ok;
    for step in chosen {
        let mut report = StepReport {
            id: step.id,
            side: step.id.side(),
            state: StepState::Planned,
            seconds: 0.0,
            what: step.id.title().to_owned(),
            hint: None,
            sql: None,
            failures: Vec::new(),
        };
        if let When::Not(reason) = step.when {
            (report.state, report.what) = (StepState::Skipped, reason.to_owned());
            reports.push(report);
            continue;
        }
        match run.look(step.id) {
            Ok(Look::Already(why)) => (report.state, report.what) = (StepState::Already, why),
            Ok(Look::Planned) => {
                let sql = run
                    .script(step.id)
                    .map_err(|error| Failure::from(error.report()))?;
                report.sql = Some(sql);
            }
            Err(error) if refuses(&error) => {
                verdict = Verdict::Refused;
                report.state = StepState::Refused;
                report.fail(&error);
            }
            Err(error) => return Err(Failure::from(error.report())),
        }
        reports.push(report);
    }
    let report = SetupReport {
        dry_run: true,
        steps: reports,
        copy: None,
    };
    let document = context.document(verdict, Some(run.migration()), Some(run.plan()), report);
    context.emit(&document)?;
    Ok(verdict)
}

fn list(context: &Context, chosen: &[Step]) -> Result<Verdict, Failure> {
    let mut text = String::new();
    for step in chosen {
        let note = match step.when {
            When::Now => String::new(),
            When::Not(_) => " (not by itself)".to_owned(),
        };
        text.push_str(&format!("{:<22} {}{note}\n", step.id, step.id.title()));
    }
    context.print(&text)?;
    Ok(Verdict::Ok)
}
