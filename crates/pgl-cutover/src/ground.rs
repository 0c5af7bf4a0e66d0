//! Where an attempt works: the two databases, the plan, and what both journals say.

use std::collections::BTreeSet;

use pgl_apply::cutover::{Home, back_names, back_slot};
use pgl_apply::lock::{self, Held, MigrationState};
use pgl_apply::{Error, copy, subscription};
use pgl_cli::{Consent, Context, Failure, input, stop_point};
use pgl_conn::{Access, Endpoint, Environment, Error as ConnError, Session, SessionOptions};
use pgl_core::cutover::{Direction, Standing, copy_small_again};
use pgl_core::plan::Set;
use pgl_core::{Database, Migration, Plan, QualifiedName, Side};

use crate::args::Cutover;
use crate::restore::Lock;
use crate::run::failure;

/// Tables without a key that are copied again within the pause, seen as needed or not, in bytes.
const AGAIN: u64 = 16 << 20;

#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) tool: &'static str,
    pub(crate) source: Endpoint,
    pub(crate) target: Endpoint,
    pub(crate) source_db: Database,
    pub(crate) target_db: Database,
    pub(crate) name: String,
    dry_run: bool,
    /// The processes that hold the lock, on the source and on the target; none in a dry run.
    lock_pids: Option<(i32, i32)>,
    pub(crate) plan: Plan,
    pub(crate) forward: Standing,
    pub(crate) back: Standing,
}

/// What sessions of a switch have in common. The server looks whether we are still there: where the
/// network has fallen silent, locks must not stay for the two hours that the system would wait.
fn options(tool: &'static str) -> SessionOptions {
    SessionOptions::new(tool, Access::WriteEvenIfShut)
        .set("tcp_keepalives_idle", "10")
        .set("tcp_keepalives_interval", "5")
        .set("tcp_keepalives_count", "3")
        .connect_timeout(Some(std::time::Duration::from_secs(5)))
}

/// A session that may write where everybody else may not.
pub(crate) fn open(tool: &'static str, endpoint: &Endpoint) -> Result<Session, ConnError> {
    Session::connect(endpoint, &options(tool))
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
pub(crate) fn take<T: Held>(
    args: &Cutover,
    context: &Context,
    name: &str,
    mut source: Session,
    mut target: T,
) -> Result<Lock<T>, Failure> {
    if !args.terminate.is_empty() {
        let consent = match args.yes {
            true => Consent::Given,
            false => Consent::Ask,
        };
        let question = "the run that holds the lock will be ended (pg_terminate_backend).";
        context.consent(question, consent)?;
        let mut sessions = vec![&mut source];
        sessions.extend(target.held());
        lock::terminate(&mut sessions, name, &args.terminate).map_err(failure)?;
    }
    lock::acquire(name, source, target).map_err(failure)
}

impl Ground {
    /// The state of the migration with its lock; without it for a dry run, which only prints.
    pub(crate) fn find(args: &Cutover, context: &Context) -> Result<(Self, Option<Lock>), Failure> {
        let document = input::read_plan(&args.input, &context.interrupt)?;
        let environment = Environment::capture();
        let source = context.endpoint(Side::Source, &args.connect, &environment)?;
        let target = context.endpoint(Side::Target, &args.connect, &environment)?;
        let mut on_source = open(context.tool, &source)?;
        let mut on_target = open(context.tool, &target)?;
        let _watched = (context.watch(&on_source), context.watch(&on_target));
        let source_db = pgl_catalog::database(&mut on_source)?;
        let target_db = pgl_catalog::database(&mut on_target)?;
        let planned = document.as_ref().and_then(|d| d.migration.as_ref());
        input::same_pair(planned, &source_db, Some(&target_db))?;
        let name = args
            .name
            .clone()
            .or_else(|| planned.map(|migration| migration.name.clone()))
            .unwrap_or_else(|| source_db.database.clone());
        let (source, target) = (on_source.endpoint().clone(), on_target.endpoint().clone());
        stop_point("lock");
        let (lock, state) = if args.dry_run {
            let state = MigrationState::observe(&name, &mut on_source, &mut on_target)?;
            (None, state)
        } else {
            let lock = take(args, context, &name, on_source, on_target)?;
            let state = lock.state().clone();
            (Some(lock), state)
        };
        stop_point("locked");
        let kept = state.plan.clone();
        let given = document.and_then(|document| document.plan);
        if let (Some(given), Some(kept)) = (&given, &kept)
            && let Some(table) = in_one_only(given, kept)
        {
            return Err(Failure::refused(format!(
                "the plan given and the one that the target keeps do not both replicate {table}"
            ))
            .hint("pgl-control has changed it since that document was made: leave --plan away"));
        }
        let Some(mut plan) = given.or(kept) else {
            return Err(Failure::refused(format!(
                "the target has no plan of a migration named {name:?}"
            ))
            .hint("run pgl-setup first, or give --name, or --plan with its document"));
        };
        copy_small_again(&mut plan, AGAIN);
        let ground = Self {
            tool: context.tool,
            source,
            target,
            source_db,
            target_db,
            name,
            dry_run: args.dry_run,
            lock_pids: lock
                .as_ref()
                .map(|lock| (lock.source.backend_pid(), lock.target.backend_pid())),
            plan,
            forward: state.standing(Direction::Forward),
            back: state.standing(Direction::Back),
        };
        Ok((ground, lock))
    }

    /// The same after a change of this run's own.
    pub(crate) fn again(&self, state: &MigrationState) -> Self {
        Self {
            forward: state.standing(Direction::Forward),
            back: state.standing(Direction::Back),
            ..self.clone()
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
        if !self.dry_run {
            lock::join(&mut session, &self.name)?;
        }
        Ok(session)
    }

    pub(crate) fn old_home(&self, direction: Direction) -> &Endpoint {
        match direction {
            Direction::Forward => &self.source,
            Direction::Back => &self.target,
        }
    }

    pub(crate) fn new_home(&self, direction: Direction) -> &Endpoint {
        match direction {
            Direction::Forward => &self.target,
            Direction::Back => &self.source,
        }
    }

    /// Tables that are replicated, or copied again at the cutover.
    pub(crate) fn carried(&self) -> Vec<QualifiedName> {
        let tables = self.plan.tables.iter();
        tables
            .filter(|table| table.set != Set::Excluded || table.recopy_at_cutover)
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

    /// Subscription and slot that carry changes in this direction. `new` is a session there.
    pub(crate) fn home(&self, direction: Direction, new: &mut Session) -> Result<Home, Error> {
        let names = &self.plan.names;
        let subscription = match direction {
            Direction::Forward => names.subscription.clone(),
            Direction::Back => back_names(names).subscription,
        };
        if subscription::find(new, &subscription)?.is_none() {
            // The guards say so.
            return Ok(Home {
                subscription,
                slot: String::new(),
            });
        }
        Ok(match direction {
            Direction::Forward => Home {
                subscription: names.subscription.clone(),
                slot: copy::slot_name(new, &names.provider_node, &names.subscription)?,
            },
            Direction::Back => {
                let back = back_names(names);
                let slot = back_slot(new, &back)?;
                Home {
                    subscription: back.subscription,
                    slot,
                }
            }
        })
    }
}
