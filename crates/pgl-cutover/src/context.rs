//! Where an attempt works: the two databases, the plan, and what both journals say.

use std::collections::BTreeSet;

use pgl_apply::control::Observer;
use pgl_apply::cutover::{SubscriptionSlot, back_names, back_slot};
use pgl_apply::lock::{self, LockSessions, LockedMigration, MigrationState};
use pgl_apply::{Error, copy, subscription};
use pgl_cli::signal::Registration;
use pgl_cli::{Context, Failure, input, stop_point};
use pgl_conn::{Access, Endpoint, Environment, Error as ConnError, Session, SessionOptions};
use pgl_core::cutover::{
    CutoverState, Direction, LastAttempt, Purpose, WITHOUT_JOURNAL, copy_small_again, refusal,
};
use pgl_core::doc::Verdict;
use pgl_core::{Database, Migration, Plan, QualifiedName, Side};

use crate::args::Common;
use crate::view::CutoverBody;

/// Tables without a key that are copied again within the pause, seen as needed or not, in bytes.
const AGAIN: u64 = 16 << 20;

/// The lock of the migration, in sessions that do nothing else.
pub(crate) type Lock<T = Session> = LockedMigration<Session, T>;

#[derive(Clone)]
pub(crate) struct CutoverContext {
    pub(crate) tool: &'static str,
    pub(crate) source: Endpoint,
    pub(crate) target: Endpoint,
    pub(crate) source_db: Database,
    pub(crate) target_db: Database,
    pub(crate) name: String,
    /// The processes that hold the lock, on the source and on the target; none in a dry run.
    lock_pids: Option<(i32, i32)>,
    pub(crate) plan: Plan,
    pub(crate) cutover: CutoverState,
    pub(crate) forward: LastAttempt,
    pub(crate) back: LastAttempt,
}

/// What sessions of a cutover have in common. The server looks whether we are still there: where the
/// network has fallen silent, locks must not stay for the two hours that the system would wait.
fn options(tool: &'static str) -> SessionOptions {
    SessionOptions::new(tool, Access::IgnoreReadOnly)
        .set("tcp_keepalives_idle", "10")
        .set("tcp_keepalives_interval", "5")
        .set("tcp_keepalives_count", "3")
        .connect_timeout(Some(std::time::Duration::from_secs(5)))
}

/// A session that may write where everybody else may not.
pub(crate) fn open(tool: &'static str, endpoint: &Endpoint) -> Result<Session, ConnError> {
    Session::connect(endpoint, &options(tool))
}

/// Every attempt is recorded in both databases, and one that was made can be undone only from there.
fn with_journals(state: &MigrationState) -> Result<(), Failure> {
    let sides = [(Side::Source, &state.source), (Side::Target, &state.target)];
    let mut without = sides
        .into_iter()
        .filter(|(_, record)| record.as_ref().is_some_and(|one| one.traces.is_some()))
        .map(|(side, _)| side);
    let Some(side) = without.next() else {
        return Ok(());
    };
    let (what, hint) = match state.cutover() {
        CutoverState::CutOver(cut) if cut.promotion.token.is_empty() => {
            (cut.to_string(), WITHOUT_JOURNAL)
        }
        CutoverState::CutOver(cut) => (
            format!("schema pgl does not exist in the {side} database any more; {cut}"),
            WITHOUT_JOURNAL,
        ),
        // Neither has one: that there is no plan is said with the name.
        _ if without.next().is_some() => return Ok(()),
        _ => (
            format!("schema pgl does not exist in the {side} database any more"),
            "run pgl-setup again: it reports what else is missing",
        ),
    };
    Err(Failure::refused(what).on(side).hint(hint))
}

/// A table that one of two plans replicates and the other does not.
fn in_one_only(one: &Plan, other: &Plan) -> Option<QualifiedName> {
    let names = |plan: &Plan| -> BTreeSet<QualifiedName> {
        plan.replicated().map(|table| table.qualified()).collect()
    };
    names(one)
        .symmetric_difference(&names(other))
        .next()
        .cloned()
}

/// Takes the lock of the migration, after ending the run that `--terminate` names.
pub(crate) fn take<T: LockSessions>(
    context: &Context,
    args: &Common,
    terminate: &[i32],
    name: &str,
    mut source: Session,
    mut target: T,
) -> Result<Lock<T>, Failure> {
    if !terminate.is_empty() {
        let question = "the run that holds the lock will be ended (pg_terminate_backend).";
        context.consent(question, args.yes)?;
        let mut sessions = vec![&mut source];
        sessions.extend(target.held());
        lock::terminate(&mut sessions, name, terminate).map_err(failure)?;
    }
    lock::acquire(name, source, target).map_err(failure)
}

/// The two databases, and what the command line says of them.
struct Ends {
    source: Endpoint,
    target: Endpoint,
    source_db: Database,
    target_db: Database,
    name: String,
    planned: Option<Plan>,
}

/// The same with a session on each.
struct Opened {
    ends: Ends,
    on_source: Session,
    on_target: Session,
    /// A signal cancels what these sessions wait for.
    watched: [Registration; 2],
}

impl Opened {
    fn of(context: &Context, args: &Common) -> Result<Self, Failure> {
        let document = input::read_plan(&args.input, &context.interrupt)?;
        let environment = Environment::capture();
        let source = context.endpoint(Side::Source, &args.connect, &environment)?;
        let target = context.endpoint(Side::Target, &args.connect, &environment)?;
        let mut on_source = open(context.tool, &source)?;
        let mut on_target = open(context.tool, &target)?;
        let watched = [context.watch(&on_source), context.watch(&on_target)];
        let source_db = pgl_catalog::database(&mut on_source)?;
        let target_db = pgl_catalog::database(&mut on_target)?;
        let planned = document.as_ref().and_then(|d| d.migration.as_ref());
        input::same_pair(planned, &source_db, Some(&target_db))?;
        let name = args
            .name
            .clone()
            .or_else(|| planned.map(|migration| migration.name.clone()))
            .unwrap_or_else(|| source_db.database.clone());
        stop_point("lock");
        let ends = Ends {
            source: on_source.endpoint().clone(),
            target: on_target.endpoint().clone(),
            source_db,
            target_db,
            name,
            planned: document.and_then(|document| document.plan),
        };
        Ok(Self {
            ends,
            on_source,
            on_target,
            watched,
        })
    }
}

impl CutoverContext {
    /// The migration as both databases have it, without its lock: for a dry run, which only prints.
    pub(crate) fn observe(context: &Context, args: &Common) -> Result<Self, Failure> {
        let Opened {
            ends,
            mut on_source,
            mut on_target,
            watched: _watched,
        } = Opened::of(context, args)?;
        let state = MigrationState::observe(&ends.name, &mut on_source, &mut on_target)?;
        Self::of(context, ends, &state, None)
    }

    /// The same with the lock of the migration.
    pub(crate) fn lock(
        context: &Context,
        args: &Common,
        terminate: &[i32],
    ) -> Result<(Self, Lock), Failure> {
        let Opened {
            ends,
            on_source,
            on_target,
            watched: _watched,
        } = Opened::of(context, args)?;
        let lock = take(context, args, terminate, &ends.name, on_source, on_target)?;
        let pids = (lock.source.backend_pid(), lock.target.backend_pid());
        let migration = Self::of(context, ends, lock.state(), Some(pids))?;
        Ok((migration, lock))
    }

    /// What the databases say, as far as an attempt may work on it.
    fn of(
        context: &Context,
        ends: Ends,
        state: &MigrationState,
        lock_pids: Option<(i32, i32)>,
    ) -> Result<Self, Failure> {
        stop_point("locked");
        let name = ends.name;
        state.allows(Purpose::CutOver).map_err(failure)?;
        with_journals(state)?;
        let (given, kept) = (ends.planned, state.plan.clone());
        if let (Some(given), Some(kept)) = (&given, &kept)
            && let Some(table) = in_one_only(given, kept)
        {
            return Err(Failure::refused(format!(
                "the plan given and the one that the target keeps do not both replicate {table}"
            ))
            .hint("pgl-control has changed it since that document was made: leave --plan away"));
        }
        let Some(mut plan) = given.or(kept) else {
            return Err(failure(state.lacks(&name, "plan")));
        };
        copy_small_again(&mut plan, AGAIN);
        Ok(Self {
            tool: context.tool,
            source: ends.source,
            target: ends.target,
            source_db: ends.source_db,
            target_db: ends.target_db,
            name,
            lock_pids,
            plan,
            cutover: state.cutover(),
            forward: state.last_attempt(Direction::Forward),
            back: state.last_attempt(Direction::Back),
        })
    }

    /// The same after a change of this run's own.
    pub(crate) fn again(&self, state: &MigrationState) -> Self {
        Self {
            cutover: state.cutover(),
            forward: state.last_attempt(Direction::Forward),
            back: state.last_attempt(Direction::Back),
            ..self.clone()
        }
    }

    /// That there is nothing to look at or to rehearse: the target is the production database.
    pub(crate) fn promoted(&self) -> Failure {
        match refusal(&self.cutover, Purpose::ChangeReplication) {
            Some(found) => Failure::refused(found.what).hint(found.hint),
            None => Failure::refused("the cutover was made by an earlier run"),
        }
    }

    /// The process that holds the lock on the server of `endpoint`.
    pub(crate) fn lock_pid(&self, endpoint: &Endpoint) -> Option<i32> {
        let (source, target) = self.lock_pids?;
        Some(match endpoint.side() {
            Side::Source => source,
            Side::Target => target,
        })
    }

    /// A session of this run that may write where everybody else may not.
    pub(crate) fn open(&self, endpoint: &Endpoint) -> Result<Session, ConnError> {
        self.joined(open(self.tool, endpoint)?)
    }

    /// Such a session for rows: no trigger or rule of an ordinary kind fires.
    pub(crate) fn open_loader(&self, endpoint: &Endpoint) -> Result<Session, ConnError> {
        let options = options(self.tool).set("session_replication_role", "replica");
        self.joined(Session::connect(endpoint, &options)?)
    }

    fn joined(&self, mut session: Session) -> Result<Session, ConnError> {
        if self.lock_pids.is_some() {
            lock::join(&mut session, &self.name)?;
        }
        Ok(session)
    }

    pub(crate) fn provider(&self, direction: Direction) -> &Endpoint {
        match direction {
            Direction::Forward => &self.source,
            Direction::Back => &self.target,
        }
    }

    pub(crate) fn subscriber(&self, direction: Direction) -> &Endpoint {
        match direction {
            Direction::Forward => &self.target,
            Direction::Back => &self.source,
        }
    }

    /// Tables that are replicated, or copied again at the cutover.
    pub(crate) fn carried(&self) -> Vec<QualifiedName> {
        let tables = self.plan.tables.iter();
        tables
            .filter(|table| table.is_carried())
            .map(|table| table.qualified())
            .collect()
    }

    pub(crate) fn migration(&self) -> Migration {
        Migration {
            name: self.name.clone(),
            source: self.source_db.clone(),
            target: Some(self.target_db.clone()),
        }
    }

    /// What finds out why nothing arrives. Causes are named by the sides of the migration: not for reverse replication.
    pub(crate) fn observer(&self, direction: Direction) -> Option<Observer<'_>> {
        let observer = || Observer::new(&self.plan.names.subscription);
        (direction == Direction::Forward).then(observer)
    }

    /// Subscription and slot that carry changes in this direction. `new` is a session there.
    pub(crate) fn link(
        &self,
        direction: Direction,
        new: &mut Session,
    ) -> Result<SubscriptionSlot, Error> {
        let names = &self.plan.names;
        let subscription = match direction {
            Direction::Forward => names.subscription.clone(),
            Direction::Back => back_names(names).subscription,
        };
        if subscription::find(new, &subscription)?.is_none() {
            // The guards say so.
            return Ok(SubscriptionSlot {
                subscription,
                slot: String::new(),
            });
        }
        Ok(match direction {
            Direction::Forward => SubscriptionSlot {
                subscription: names.subscription.clone(),
                slot: copy::slot_name(new, &names.provider_node, &names.subscription)?,
            },
            Direction::Back => {
                let back = back_names(names);
                let slot = back_slot(new, &back)?;
                SubscriptionSlot {
                    subscription: back.subscription,
                    slot,
                }
            }
        })
    }
}

/// The answer.
pub(crate) fn emit(
    context: &Context,
    migration: &CutoverContext,
    verdict: Verdict,
    body: CutoverBody,
) -> Result<Verdict, Failure> {
    let plan = Some(migration.plan.clone());
    context.emit(&context.document(verdict, Some(migration.migration()), plan, body))?;
    Ok(verdict)
}

/// The failure that an error of a step is.
pub(crate) fn failure(error: Error) -> Failure {
    error.report().into()
}
