//! Reading both sides, deciding, setting, reading back.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use pgl_apply::lock;
use pgl_apply::sequences::{self as apply, SequenceSetting};
use pgl_catalog::sequences as catalog;
use pgl_catalog::server::grantee;
use pgl_cli::{Context, Failure, input, stop_point};
use pgl_conn::{Access, Environment, Session, SessionOptions};
use pgl_core::cutover::{
    CutoverState, Purpose, cutover_state, refusal, sequence_mismatches, sequence_mismatches_said,
};
use pgl_core::doc::Verdict;
use pgl_core::rights;
use pgl_core::select::Selection;
use pgl_core::seqsync::{
    SequenceEntry, SequenceMode, SequenceOutcome, SequenceReading, SequenceState, SequenceTask,
    decide, pick, verdict, verdict_of_check,
};
use pgl_core::{Migration, Side};

use crate::SeqsyncArgs;
use crate::args::Way;
use crate::view::{SeqsyncBody, Skipped};

/// Between two looks at whether pglogical's messages have arrived.
const PAUSE: Duration = Duration::from_millis(200);
/// A sequence that somebody is adding to a replication set is locked for a moment.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long pglogical's messages may take to arrive, unless --timeout says otherwise.
const ARRIVES: Duration = Duration::from_secs(60);

pub(crate) fn run(args: &SeqsyncArgs, context: &Context) -> Result<Verdict, Failure> {
    let started = Instant::now();
    if args.mode == Way::Pglogical && (args.margin > 0 || args.at_least_max_of_column) {
        return Err(
            Failure::usage("--margin and --at-least-max-of-column belong to --mode exact")
                .hint("pglogical decides by itself how far ahead its messages are"),
        );
    }
    if args.mode == Way::Exact && args.timeout.is_some() {
        return Err(Failure::usage("--timeout belongs to --mode pglogical"));
    }
    let incoming = input::read_plan(&args.input, &context.interrupt)?;
    let environment = Environment::capture();
    let source = context.endpoint(Side::Source, &args.connect, &environment)?;
    let target = context.endpoint(Side::Target, &args.connect, &environment)?;
    let writes = |wanted: bool| {
        if wanted {
            Access::IgnoreReadOnly
        } else {
            Access::ReadOnly
        }
    };
    let by_pglogical = args.mode == Way::Pglogical;
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

    let name = earlier.map(|migration| migration.name.as_str());
    stop_point("lock");
    let known = journal_names(name, &mut source, &mut target)?;
    let mut names = known.clone();
    names.insert(name.unwrap_or(&databases.0.database).to_owned());
    let purpose = match args.check {
        true => Purpose::Compare,
        false => Purpose::SetSequences,
    };
    let mut cut_over = None;
    let (mut fits, mut elsewhere) = (false, None);
    for one in names {
        let state;
        (source, target, state) = state_of(args, &one, source, target)?;
        let refusal = refusal(&state, purpose).map(|found| {
            Failure::refused(found.what)
                .on(Side::Target)
                .hint(found.hint)
        });
        match (state, refusal) {
            // One of these databases may be in a migration with a third one, too.
            (CutoverState::Other(mismatch), refusal) if name.is_none() && !mismatch.copy => {
                elsewhere = refusal;
            }
            (_, Some(refusal)) => return Err(refusal),
            (state, None) => {
                fits |= known.contains(&one);
                if let CutoverState::CutOver(cut) = state {
                    cut_over = Some(cut);
                }
            }
        }
    }
    if let Some(refusal) = elsewhere
        && !fits
    {
        return Err(refusal);
    }
    stop_point("locked");
    let plan = incoming.as_ref().and_then(|document| document.plan.clone());
    let selection = Selection::from(args.select.clone());
    let mut from = catalog::sequences(&mut source)?;
    let mut to = catalog::sequences(&mut target)?;
    if args.at_least_max_of_column {
        catalog::furthest(&mut source, &mut from)?;
        catalog::furthest(&mut target, &mut to)?;
    }
    let planned = plan
        .as_ref()
        .map(|plan| plan.sequences.iter().map(|one| one.qualified()).collect());
    let wanted = pick(&selection, &from, planned).map_err(|error| {
        Failure::usage(error.to_string()).hint(
            "patterns are those of pg_dump; a table selects the sequences that its columns own, \
             and a sequence is selected by its own name, too",
        )
    })?;
    let (of_source, of_target) = (catalog::users(&mut source)?, catalog::users(&mut target)?);
    let mut mixed = sequence_mismatches(&of_source, &of_target, &[]);
    mixed.retain(|one| {
        let mut names = one.provider.union(&one.subscriber);
        names.any(|name| wanted.contains(name))
    });
    if !mixed.is_empty() {
        let (what, hint) = sequence_mismatches_said(&mixed, Side::Source);
        return Err(Failure::refused(what).hint(hint));
    }
    let skipped = catalog::of_extensions(&mut source)?
        .into_iter()
        .filter(|(name, _)| selection.includes(name))
        .map(|(name, extension)| Skipped::of_extension(name, &extension))
        .collect();
    context.interrupt.check()?;

    let mut tasks = decide(args.request(), &from, &to, Some(&wanted));
    let mut transactions = 0;
    if args.writes() {
        let sessions = (&mut source, &mut target);
        transactions = carry_out(args, context, sessions, &mut tasks, &mut to)?;
    }
    let mut entries: Vec<_> = tasks.into_iter().map(|task| task.entry).collect();
    name_rights(&mut entries, &mut source, &mut target)?;
    let verdict = if args.check {
        verdict_of_check(&entries)
    } else {
        verdict(&entries)
    };
    let migration = Migration {
        name: name.unwrap_or(&databases.0.database).to_owned(),
        source: databases.0,
        target: Some(databases.1),
    };
    let mut body = SeqsyncBody::new(args, entries, skipped, transactions, started.elapsed());
    body.cut_over = cut_over;
    context.emit(&context.document(verdict, Some(migration), plan, body))?;
    Ok(verdict)
}

/// Notes how the right that a sequence was refused for is given.
fn name_rights(
    entries: &mut [SequenceEntry],
    source: &mut Session,
    target: &mut Session,
) -> Result<(), Failure> {
    if entries.iter().all(|entry| entry.lacking().is_none()) {
        return Ok(());
    }
    let (on_source, on_target) = (grantee(source)?, grantee(target)?);
    for entry in entries {
        if let Some((side, right, object)) = entry.lacking() {
            let grantee = match side {
                Side::Source => &on_source,
                Side::Target => &on_target,
            };
            entry
                .notes
                .push(rights::hint(side, grantee, &[(right, object)]));
        }
    }
    Ok(())
}

/// The migrations that these databases may belong to beside the document's: without one, all that the journals know.
fn journal_names(
    name: Option<&str>,
    source: &mut Session,
    target: &mut Session,
) -> Result<BTreeSet<String>, Failure> {
    let mut names = BTreeSet::new();
    if name.is_none() {
        for session in [source, target] {
            names.extend(pgl_catalog::journal_names(session).map_err(unread)?);
        }
    }
    Ok(names)
}

/// Which database is the production database of a migration. Where sequences are set that is read under the
/// migration's lock, which the sessions go on holding: after a cutover only `--check` goes on.
fn state_of(
    args: &SeqsyncArgs,
    name: &str,
    mut source: Session,
    mut target: Session,
) -> Result<(Session, Session, CutoverState), Failure> {
    if args.writes() {
        let locked = lock::acquire(name, source, target).map_err(|error| match error {
            pgl_apply::Error::Server(error) => unread(error),
            other => other.report().into(),
        })?;
        let (source, target, state) = locked.into_parts();
        return Ok((source, target, state.cutover()));
    }
    let from = pgl_catalog::cutover_record(&mut source, name).map_err(unread)?;
    let to = pgl_catalog::cutover_record(&mut target, name).map_err(unread)?;
    Ok((source, target, cutover_state(Some(&from), Some(&to))))
}

fn unread(error: pgl_conn::Error) -> Failure {
    let denied = error.kind == pgl_conn::Kind::Denied;
    let failure = Failure::from(error);
    if denied {
        failure.hint(
            "this role needs USAGE on schema pgl and SELECT on pgl.journal, which says whether the \
             target is the production database already",
        )
    } else {
        failure
    }
}

fn options(access: Access) -> SessionOptions {
    SessionOptions::new("seqsync", access).lock_timeout(LOCK_TIMEOUT)
}

/// Sets what is to be set and fills in what came of it: the number of transactions.
fn carry_out(
    args: &SeqsyncArgs,
    context: &Context,
    (source, target): (&mut Session, &mut Session),
    tasks: &mut [SequenceTask],
    to: &mut [SequenceReading],
) -> Result<usize, Failure> {
    let planned = |task: &&SequenceTask| task.entry.outcome == SequenceOutcome::WouldSet;
    let todo: Vec<&SequenceTask> = tasks.iter().filter(planned).collect();
    if todo.is_empty() {
        return Ok(0);
    }
    let oids: Vec<i64> = todo.iter().map(|task| i64::from(task.target_oid)).collect();
    let request = args.request();
    let (transactions, deadline) = match request.mode {
        SequenceMode::Exact => {
            let settings: Vec<SequenceSetting> = todo
                .iter()
                .filter_map(|task| {
                    Some(SequenceSetting {
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
        SequenceMode::Pglogical => {
            let send: Vec<u32> = todo.iter().map(|task| task.source_oid).collect();
            apply::synchronize(source, &send)?;
            (1, Some(Instant::now() + args.timeout.unwrap_or(ARRIVES)))
        }
    };
    loop {
        catalog::states(target, to, &oids)?;
        judge(tasks, to, request.mode);
        let pending = tasks
            .iter()
            .any(|task| task.entry.outcome == SequenceOutcome::Pending);
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
fn judge(tasks: &mut [SequenceTask], to: &[SequenceReading], mode: SequenceMode) {
    let states: std::collections::HashMap<u32, SequenceState> = to
        .iter()
        .filter_map(|reading| Some((reading.oid, reading.state()?)))
        .collect();
    let open = |task: &&mut SequenceTask| {
        matches!(
            task.entry.outcome,
            SequenceOutcome::WouldSet | SequenceOutcome::Pending
        )
    };
    for task in tasks.iter_mut().filter(open) {
        let entry = &mut task.entry;
        entry.after = states.get(&task.target_oid).copied();
        let (Some(after), Some(wanted)) = (entry.after, entry.wanted) else {
            entry.outcome = SequenceOutcome::Pending;
            continue;
        };
        entry.outcome = match mode {
            SequenceMode::Exact => {
                if after != wanted
                    && entry
                        .notes
                        .iter()
                        .all(|note| !note.starts_with("meanwhile"))
                {
                    entry.notes.push(
                        "meanwhile another session took values or set it on the target".to_owned(),
                    );
                }
                SequenceOutcome::Set
            }
            // The source may have gone on since its value was read: further is right too.
            SequenceMode::Pglogical if after.is_called && after.last_value >= wanted.last_value => {
                SequenceOutcome::Set
            }
            SequenceMode::Pglogical => SequenceOutcome::Pending,
        };
    }
}
