//! Reading both sides, deciding, setting, reading back.

use std::time::{Duration, Instant};

use pgl_apply::lock;
use pgl_apply::sequences::{self as apply, Setting};
use pgl_catalog::sequences as catalog;
use pgl_cli::{Context, Failure, input, stop_point};
use pgl_conn::{Access, Environment, Session, SessionOptions};
use pgl_core::cutover::Purpose;
use pgl_core::doc::Verdict;
use pgl_core::select::Selection;
use pgl_core::seqsync::{Mode, Outcome, Reading, State, Task, decide, verdict, verdict_of_check};
use pgl_core::{Migration, QualifiedName, Side};

use crate::Args;
use crate::view::Body;

/// Between two looks at whether pglogical's messages have arrived.
const PAUSE: Duration = Duration::from_millis(200);
/// A sequence that somebody is adding to a replication set is locked for a moment.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn run(args: &Args, context: &Context) -> Result<Verdict, Failure> {
    let started = Instant::now();
    if args.mode == crate::args::Way::Pglogical && (args.margin > 0 || args.at_least_max_of_column)
    {
        return Err(
            Failure::usage("--margin and --at-least-max-of-column belong to --mode exact")
                .hint("pglogical decides by itself how far ahead its messages are"),
        );
    }
    let incoming = input::read_plan(&args.input, &context.interrupt)?;
    let environment = Environment::capture();
    let source = context.endpoint(Side::Source, &args.connect, &environment)?;
    let target = context.endpoint(Side::Target, &args.connect, &environment)?;
    let writes = |wanted: bool| {
        if wanted {
            Access::WriteEvenIfShut
        } else {
            Access::ReadOnly
        }
    };
    let by_pglogical = args.mode == crate::args::Way::Pglogical;
    let mut source = Session::connect(&source, &options(writes(args.writes() && by_pglogical)))?;
    let mut target = Session::connect(&target, &options(writes(args.writes() && !by_pglogical)))?;
    let _watched = (context.watch(&source), context.watch(&target));

    let databases = (
        pgl_catalog::database(&mut source)?,
        pgl_catalog::database(&mut target)?,
    );
    let earlier = incoming
        .as_ref()
        .and_then(|document| document.migration.as_ref());
    input::same_pair(earlier, &databases.0, Some(&databases.1))?;
    if args.writes() && !by_pglogical && target.is_standby() {
        return Err(
            Failure::refused("the target is a standby: sequences cannot be set there")
                .on(Side::Target)
                .hint("connect to its primary, or promote it"),
        );
    }

    let name = earlier
        .map_or(&databases.0.database, |migration| &migration.name)
        .clone();
    stop_point("lock");
    let (mut source, mut target) = if args.writes() {
        let lock =
            lock::acquire(&name, source, target).map_err(|error| Failure::from(error.told()))?;
        lock.state()
            .allows(Purpose::SetSequences)
            .map_err(|error| Failure::from(error.told()))?;
        let (source, target, _) = lock.into_parts();
        (source, target)
    } else {
        (source, target)
    };
    stop_point("locked");

    let plan = incoming.as_ref().and_then(|document| document.plan.clone());
    let selection = Selection::from(args.select.clone());
    let mut from = catalog::sequences(&mut source)?;
    let mut to = catalog::sequences(&mut target)?;
    if args.at_least_max_of_column {
        catalog::furthest(&mut source, &mut from)?;
        catalog::furthest(&mut target, &mut to)?;
    }
    let wanted: Vec<QualifiedName> = match &plan {
        Some(plan) => plan.sequences.iter().map(|one| one.qualified()).collect(),
        None => from.iter().map(Reading::qualified).collect(),
    };
    let wanted: Vec<QualifiedName> = wanted
        .into_iter()
        .filter(|name| selection.includes(name))
        .collect();
    context.interrupt.check()?;

    let mut tasks = decide(args.request(), &from, &to, Some(&wanted));
    let mut transactions = 0;
    if args.writes() {
        let sessions = (&mut source, &mut target);
        transactions = carry_out(args, context, sessions, &mut tasks, &mut to)?;
    }
    let entries: Vec<_> = tasks.into_iter().map(|task| task.entry).collect();
    let verdict = if args.check {
        verdict_of_check(&entries)
    } else {
        verdict(&entries)
    };
    let migration = Migration {
        name,
        source: databases.0,
        target: Some(databases.1),
    };
    let body = Body::new(args, entries, transactions, started.elapsed());
    context.emit(&context.document(verdict, Some(migration), plan, body))?;
    Ok(verdict)
}

fn options(access: Access) -> SessionOptions {
    SessionOptions::new("seqsync", access).lock_timeout(LOCK_TIMEOUT)
}

/// Sets what is to be set and fills in what came of it: the number of transactions.
fn carry_out(
    args: &Args,
    context: &Context,
    (source, target): (&mut Session, &mut Session),
    tasks: &mut [Task],
    to: &mut [Reading],
) -> Result<usize, Failure> {
    let planned = |task: &&Task| task.entry.outcome == Outcome::WouldSet;
    let todo: Vec<&Task> = tasks.iter().filter(planned).collect();
    if todo.is_empty() {
        return Ok(0);
    }
    let oids: Vec<i64> = todo.iter().map(|task| i64::from(task.target_oid)).collect();
    let request = args.request();
    let (transactions, deadline) = match request.mode {
        Mode::Exact => {
            let settings: Vec<Setting> = todo
                .iter()
                .filter_map(|task| {
                    Some(Setting {
                        oid: task.target_oid,
                        state: task.entry.wanted?,
                    })
                })
                .collect();
            let room = catalog::lock_room(target)?;
            let done = apply::set(target, &settings, room).map_err(|error| {
                Failure::from(error).hint(
                    "setval is not rolled back: some sequences may be set already; run again, it \
                     goes on from there",
                )
            })?;
            (done.transactions, None)
        }
        Mode::Pglogical => {
            let send: Vec<u32> = todo.iter().map(|task| task.source_oid).collect();
            apply::synchronize(source, &send)?;
            (1, Some(Instant::now() + args.timeout))
        }
    };
    loop {
        catalog::states(target, to, &oids)?;
        judge(tasks, to, request.mode);
        let pending = tasks
            .iter()
            .any(|task| task.entry.outcome == Outcome::Pending);
        match deadline {
            Some(deadline) if pending && Instant::now() < deadline => {
                context.interrupt.check()?;
                std::thread::sleep(PAUSE);
            }
            _ => return Ok(transactions),
        }
    }
}

/// Says of each planned sequence what it came to.
fn judge(tasks: &mut [Task], to: &[Reading], mode: Mode) {
    let states: std::collections::HashMap<u32, State> = to
        .iter()
        .filter_map(|reading| Some((reading.oid, reading.state()?)))
        .collect();
    let open =
        |task: &&mut Task| matches!(task.entry.outcome, Outcome::WouldSet | Outcome::Pending);
    for task in tasks.iter_mut().filter(open) {
        let entry = &mut task.entry;
        entry.after = states.get(&task.target_oid).copied();
        let (Some(after), Some(wanted)) = (entry.after, entry.wanted) else {
            entry.outcome = Outcome::Pending;
            continue;
        };
        entry.outcome = match mode {
            Mode::Exact => {
                if after != wanted
                    && entry
                        .notes
                        .iter()
                        .all(|note| !note.starts_with("meanwhile"))
                {
                    entry.notes.push(
                        "meanwhile somebody else took values or set it on the target".to_owned(),
                    );
                }
                Outcome::Set
            }
            // The source may have gone on since its value was read: further is right too.
            Mode::Pglogical if after.is_called && after.last_value >= wanted.last_value => {
                Outcome::Set
            }
            Mode::Pglogical => Outcome::Pending,
        };
    }
}
