//! Look, plan, ask, remove, look again.

use pgl_apply::{Silent, lock};
use pgl_catalog::{remaining, slot_endings};
use pgl_cli::{Context, Failure, Tool, input, stop_point};
use pgl_conn::{Access, Environment, Session, SessionOptions};
use pgl_core::cutover::{self, CutoverRecord, CutoverState, Purpose, cutover_state};
use pgl_core::doc::{Incoming, StepState, Verdict};
use pgl_core::migration::Names;
use pgl_core::teardown::{
    Remaining, Removal, TeardownRequest, leftovers, other_names, plan, refusal, unknown,
};
use pgl_core::{Database, Migration, Plan, Side, plural};

use crate::args::TeardownArgs;
use crate::view::{Removed, Teardown};

/// A server that is looked at.
struct Place {
    side: Side,
    session: Session,
    database: Database,
    before: Remaining,
}

/// Runs the tool.
pub(crate) fn run(args: &TeardownArgs, context: &Context) -> Result<Verdict, Failure> {
    // What an earlier tool came to does not matter here: taking down is right after a failure, too.
    let incoming = incoming(args, context)?;
    let sides: &[Side] = match (args.source_only, args.target_only) {
        (true, _) => &[Side::Source],
        (_, true) => &[Side::Target],
        _ => &[Side::Source, Side::Target],
    };
    let mut sessions = Vec::new();
    let mut watched = Vec::new();
    for &side in sides {
        let session = open(args, context, side)?;
        watched.push(context.watch(&session));
        sessions.push((side, session));
    }
    let name = migration_name(args, incoming.as_ref(), &mut sessions)?;
    stop_point("lock");
    if !(args.scan || args.dry_run) {
        let mut all: Vec<&mut Session> = sessions.iter_mut().map(|(_, session)| session).collect();
        lock::hold(&mut all, &name).map_err(failure)?;
    }
    stop_point("locked");
    let answer = Answer {
        context,
        name: &name,
        plan: incoming.as_ref().and_then(|document| document.plan.clone()),
    };
    let mut places = Vec::new();
    for (side, mut session) in sessions {
        let database = pgl_catalog::database(&mut session)?;
        let before = remaining(&mut session, &name)?;
        places.push(Place {
            side,
            session,
            database,
            before,
        });
    }
    same_servers(incoming.as_ref(), &places)?;
    let (source, target) = records(&mut places, &name)?;
    let state = cutover_state(source.as_ref(), target.as_ref());
    let endings = endings(&mut places, &name)?;
    let request = TeardownRequest {
        migration: &name,
        slot_endings: &endings,
        extension: args.extension(),
        drop_held: args.drop_held,
        drop_role: args.drop_role.as_deref(),
    };
    let seen: Vec<(Side, &Remaining)> = places.iter().map(|p| (p.side, &p.before)).collect();
    if let Some(others) = other_names(&request, &seen)
        && !args.scan
    {
        return Err(Failure::usage(format!(
            "no migration is named {name:?} here; there is {}",
            others.join(", ")
        ))
        .hint("give its name with --name; --scan shows everything that is there"));
    }
    let of = |side| places.iter().find(|p| p.side == side).map(|p| &p.before);
    let planned = plan(&request, of(Side::Source), of(Side::Target));
    let left = left(&request, &places);
    let mut body = Teardown {
        dry_run: args.dry_run || args.scan,
        cut_over: match &state {
            CutoverState::CutOver(cut) => Some(cut.clone()),
            CutoverState::NotCutOver
            | CutoverState::Unfinished(_)
            | CutoverState::Swapped
            | CutoverState::Other(_) => None,
        },
        source_before: of(Side::Source).cloned(),
        target_before: of(Side::Target).cloned(),
        removals: Vec::new(),
        kept: planned.kept,
        left: Vec::new(),
        unknown: unknown(source.as_ref(), target.as_ref(), &state, !left.is_empty()),
    };
    if args.scan {
        let clean = places.iter().all(nothing);
        // A scan judges nothing: what is there is shown, not what would be kept.
        body.kept = Vec::new();
        body.left = left;
        let verdict = if clean { Verdict::Ok } else { Verdict::No };
        return answer.emit(&places, body, verdict);
    }
    if let Some(refusal) = cutover::refusal(&state, Purpose::TearDown) {
        return Err(Failure::refused(refusal.what).hint(refusal.hint));
    }
    for place in &places {
        if let Some((what, hint)) = refusal(&request, place.side, &place.before) {
            return Err(Failure::refused(what).on(place.side).hint(hint));
        }
    }
    body.removals = planned
        .removals
        .into_iter()
        .map(|removal| Removed {
            sql: pgl_apply::teardown::statements(&removal),
            removal,
            state: StepState::Planned,
            error: None,
        })
        .collect();
    if args.dry_run || body.removals.is_empty() {
        return answer.emit(&places, body, Verdict::Ok);
    }
    let count = body.removals.len();
    context.consent(
        &format!(
            "{} of migration {name} would be dropped.",
            plural(count, "object")
        ),
        args.yes,
    )?;
    let all_done = remove_all(context, &mut places, &mut body.removals);
    for place in &mut places {
        place.before = remaining(&mut place.session, &name)?;
    }
    body.left = self::left(&request, &places);
    let verdict = if all_done && body.left.is_empty() {
        Verdict::Ok
    } else {
        Verdict::Partial
    };
    answer.emit(&places, body, verdict)
}

fn incoming(args: &TeardownArgs, context: &Context) -> Result<Option<Incoming>, Failure> {
    let Some(path) = &args.plan else {
        return Ok(None);
    };
    let text = input::read_text(path, &context.interrupt)?;
    let incoming = Incoming::read(&text)
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    Ok(Some(incoming))
}

fn open(args: &TeardownArgs, context: &Context, side: Side) -> Result<Session, Failure> {
    let endpoint = context.endpoint(side, &args.connect, &Environment::capture())?;
    let access = if args.scan || args.dry_run {
        Access::ReadOnly
    } else {
        Access::IgnoreReadOnly
    };
    Session::connect(&endpoint, &SessionOptions::new(TeardownArgs::NAME, access)).map_err(|error| {
        let lost = error.sqlstate.is_none();
        let failure = Failure::from(error);
        if lost && !args.source_only && !args.target_only {
            failure.hint(format!(
                "if this server is gone for good: --{}-only",
                side.other()
            ))
        } else {
            failure
        }
    })
}

fn migration_name(
    args: &TeardownArgs,
    incoming: Option<&Incoming>,
    sessions: &mut [(Side, Session)],
) -> Result<String, Failure> {
    let planned = incoming
        .and_then(|doc| doc.migration.as_ref())
        .map(|m| m.name.clone());
    if let Some(name) = args.name.clone().or(planned) {
        return Ok(name);
    }
    let mut noted = Vec::new();
    let mut source = None;
    for (side, session) in sessions.iter_mut() {
        noted.extend(remaining(session, "")?.journal);
        if *side == Side::Source {
            source = Some(session.endpoint().dbname().to_owned());
        }
    }
    noted.sort();
    noted.dedup();
    match (noted.as_slice(), source) {
        ([only], _) => Ok(only.clone()),
        ([], Some(database)) => Ok(database),
        ([], None) => Err(Failure::usage(
            "which migration? The target has no journal that names it",
        )
        .hint("give its name with --name; --scan shows what is there")),
        (several, _) => Err(Failure::usage(format!(
            "which migration? The journal has {}",
            several.join(", ")
        ))
        .hint("give its name with --name")),
    }
}

fn same_servers(incoming: Option<&Incoming>, places: &[Place]) -> Result<(), Failure> {
    let Some(planned) = incoming.and_then(|doc| doc.migration.as_ref()) else {
        return Ok(());
    };
    for place in places {
        input::same_server(planned, place.side, &place.database)?;
    }
    Ok(())
}

/// What the sides that are looked at record of a cutover.
fn records(
    places: &mut [Place],
    name: &str,
) -> Result<(Option<CutoverRecord>, Option<CutoverRecord>), Failure> {
    let mut record = |side| {
        let place = places.iter_mut().find(|place| place.side == side);
        place
            .map(|place| pgl_catalog::cutover_record(&mut place.session, name))
            .transpose()
    };
    Ok((record(Side::Source)?, record(Side::Target)?))
}

/// From whichever side still has pglogical's function.
fn endings(places: &mut [Place], name: &str) -> Result<Vec<String>, Failure> {
    let has = |place: &&mut Place| place.before.extension.is_some();
    match places.iter_mut().find(has) {
        Some(place) => Ok(slot_endings(&mut place.session, &Names::of(name))?),
        None => Ok(Vec::new()),
    }
}

fn left(request: &TeardownRequest<'_>, places: &[Place]) -> Vec<String> {
    places
        .iter()
        .flat_map(|place| leftovers(request, place.side, &place.before))
        .collect()
}

/// Whether nothing stands in this database. Origins belong to the whole cluster: those that
/// another database's subscription made are none of this one's.
fn nothing(place: &Place) -> bool {
    let prefix = format!("pgl_{}_", place.database.database);
    let origins = place.before.origins.iter();
    let ours = origins
        .filter(|origin| origin.starts_with(&prefix))
        .cloned();
    Remaining {
        origins: ours.collect(),
        ..place.before.clone()
    } == Remaining::default()
}

/// Removes one after the other; stops at the first failure, since what follows depends on it.
fn remove_all(context: &Context, places: &mut [Place], removals: &mut [Removed]) -> bool {
    let mut failed = false;
    for removed in removals {
        if failed || context.interrupt.exit().is_some() {
            removed.state = StepState::NotReached;
            failed = true;
            continue;
        }
        let Some(place) = places
            .iter_mut()
            .find(|place| place.side == removed.removal.side)
        else {
            continue;
        };
        let Removal { kind, side, .. } = &removed.removal;
        stop_point(&format!("{side}.{}", kind.as_str()));
        match pgl_apply::teardown::remove(&mut place.session, &removed.removal, &Silent) {
            Ok(()) => removed.state = StepState::Done,
            Err(error) => {
                removed.state = StepState::Failed;
                removed.error = Some(failure(error).to_string());
                failed = true;
            }
        }
    }
    !failed
}

/// What every form of the answer begins with.
struct Answer<'a> {
    context: &'a Context,
    name: &'a str,
    plan: Option<Plan>,
}

impl Answer<'_> {
    fn emit(self, places: &[Place], body: Teardown, verdict: Verdict) -> Result<Verdict, Failure> {
        let of = |side| places.iter().find(|place| place.side == side);
        let database = |side| of(side).map(|place| place.database.clone());
        // A document names the source first; without one there is no migration to name.
        let migration = database(Side::Source).map(|source| Migration {
            name: self.name.to_owned(),
            source,
            target: database(Side::Target),
        });
        let document = self.context.document(verdict, migration, self.plan, body);
        self.context.emit(&document)?;
        Ok(verdict)
    }
}

fn failure(error: pgl_apply::Error) -> Failure {
    error.report().into()
}
