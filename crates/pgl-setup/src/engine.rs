//! The run: which steps, in which order, and what becomes of each.

use std::time::Instant;

use pgl_apply::{Done, Error};
use pgl_cli::{Context, Failure, Screen, input, stop_point};
use pgl_core::cutover::Purpose;
use pgl_core::doc::Verdict;
use pgl_core::setup::{Step, StepId, When, choose, steps};

use crate::args::Setup;
use crate::place::Place;
use crate::steps::Run;
use crate::view::{SetupReport, StepReport, StepState};

pub(crate) fn run(args: &Setup, context: &Context) -> Result<Verdict, Failure> {
    let options = args.options();
    let chosen = choose(steps(&options), &args.step, args.until);
    if args.list_steps {
        return list(context, &chosen);
    }
    let document = input::read_plan(&args.plan, &context.interrupt)?;
    let place = Place::find(args, context)?;
    let screen = Screen::new(context);
    let mut run = Run::open(args, context, &place, document, &screen)?;
    if args.dry_run {
        return dry(context, &chosen, &mut run);
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
                        report.state = StepState::Failed;
                        report.what = error.to_string();
                        report.hint = error.told().hint;
                        if let Error::Objects { failures, .. } = &error {
                            report.failures.clone_from(failures);
                        }
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
        let shown = Failure::from(error.told());
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
        _ if !at_guard && (touched || run.journal_exists()) => Verdict::Partial,
        Error::Refused { .. } | Error::Overtaken { .. } => Verdict::Refused,
        Error::NotYet { .. } => Verdict::NotYet,
        Error::Server(_) | Error::Program { .. } | Error::Objects { .. } | Error::Interrupted => {
            Verdict::Unknown
        }
    }
}

fn dry(context: &Context, chosen: &[Step], run: &mut Run<'_>) -> Result<Verdict, Failure> {
    run.state
        .allows(Purpose::SetUp)
        .map_err(|error| Failure::from(error.told()))?;
    let mut reports = Vec::new();
    for step in chosen {
        let (state, what, sql) = match step.when {
            When::Not(reason) => (StepState::Skipped, reason.to_owned(), None),
            When::Now => {
                let sql = run
                    .script(step.id)
                    .map_err(|error| Failure::from(error.told()))?;
                (StepState::Planned, step.id.title().to_owned(), Some(sql))
            }
        };
        reports.push(StepReport {
            id: step.id,
            side: step.id.side(),
            state,
            seconds: 0.0,
            what,
            hint: None,
            sql,
            failures: Vec::new(),
        });
    }
    let report = SetupReport {
        dry_run: true,
        steps: reports,
        copy: None,
    };
    let document = context.document(Verdict::Ok, Some(run.migration()), Some(run.plan()), report);
    context.emit(&document)?;
    Ok(Verdict::Ok)
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
