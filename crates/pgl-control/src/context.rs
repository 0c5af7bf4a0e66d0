//! Where a change works: the two databases, the plan that the target keeps, the subscription.

use std::time::Duration;

use pgl_apply::control::WorkingSubscription;
use pgl_apply::lock::{self, MigrationState};
use pgl_apply::subscription::{self, Subscription};
use pgl_apply::{Error, Servers, control};
use pgl_cli::{Context, Failure, input, stop_point};
use pgl_conn::{Access, Endpoint, Environment, Error as ConnError, Session, SessionOptions};
use pgl_core::cutover::Purpose;
use pgl_core::setup::compare::{SideShapes, TableShape};
use pgl_core::{Database, Migration, Plan, QualifiedName, Side};

use crate::args::Common;

/// How long a table of the target may be in use before the copy gives up.
const TARGET_LOCK: Duration = Duration::from_secs(30);

/// Two sessions that hold the lock of the migration, and what was found.
pub(crate) struct ControlContext {
    pub(crate) servers: Servers,
    pub(crate) lock_timeout: Duration,
    pub(crate) source: Session,
    pub(crate) target: Session,
    pub(crate) source_db: Database,
    pub(crate) target_db: Database,
    pub(crate) name: String,
    pub(crate) plan: Plan,
    pub(crate) subscription: Subscription,
}

/// A session that may write where everybody else may not.
fn open(
    tool: &'static str,
    endpoint: &Endpoint,
    lock_timeout: Option<Duration>,
    settings: &[(&str, &str)],
) -> Result<Session, ConnError> {
    let mut options = SessionOptions::new(tool, Access::IgnoreReadOnly);
    for (name, value) in settings {
        options = options.set(name, value);
    }
    if let Some(limit) = lock_timeout {
        options = options.lock_timeout(limit);
    }
    Session::connect(endpoint, &options)
}

impl ControlContext {
    pub(crate) fn find(args: &Common, context: &Context) -> Result<Self, Failure> {
        let document = input::read_plan(&args.input, &context.interrupt)?;
        let environment = Environment::capture();
        let source = context.endpoint(Side::Source, &args.connect, &environment)?;
        let target = context.endpoint(Side::Target, &args.connect, &environment)?;
        let mut source = open(context.tool, &source, None, &[])?;
        let mut target = open(context.tool, &target, None, &[])?;
        let _watched = (context.watch(&source), context.watch(&target));
        let source_db = pgl_catalog::database(&mut source)?;
        let target_db = pgl_catalog::database(&mut target)?;
        let planned = document.as_ref().and_then(|d| d.migration.as_ref());
        input::same_pair(planned, &source_db, Some(&target_db))?;
        let name = args
            .name
            .clone()
            .or_else(|| planned.map(|migration| migration.name.clone()))
            .unwrap_or_else(|| source_db.database.clone());
        stop_point("lock");
        let (source, target, state) = if args.dry_run {
            let state = MigrationState::observe(&name, &mut source, &mut target)?;
            (source, target, state)
        } else {
            lock::acquire(&name, source, target)
                .map_err(failure)?
                .into_parts()
        };
        stop_point("locked");
        state.allows(Purpose::ChangeReplication).map_err(failure)?;
        // The target's plan, not a document's: a table may have been added since that was written.
        let lacks = |what| failure(state.lacks(&name, what));
        let plan = state.plan.clone().ok_or_else(|| lacks("plan"))?;
        let subscription = (state.subscription.clone()).ok_or_else(|| lacks("subscription"))?;
        Ok(Self {
            servers: Servers {
                tool: context.tool,
                source: source.endpoint().clone(),
                target: target.endpoint().clone(),
            },
            lock_timeout: args.lock_timeout,
            source,
            target,
            source_db,
            target_db,
            name,
            plan,
            subscription,
        })
    }

    pub(crate) fn migration(&self) -> Migration {
        Migration {
            name: self.name.clone(),
            source: self.source_db.clone(),
            target: Some(self.target_db.clone()),
        }
    }

    /// A session of the source whose tries to lock a table are short.
    pub(crate) fn polite(&self) -> Result<Session, ConnError> {
        let limit = Some(self.lock_timeout);
        self.joined(open(self.servers.tool, &self.servers.source, limit, &[])?)
    }

    /// A session that reads the source.
    pub(crate) fn reader(&self) -> Result<Session, ConnError> {
        self.joined(open(self.servers.tool, &self.servers.source, None, &[])?)
    }

    fn joined(&self, mut session: Session) -> Result<Session, ConnError> {
        lock::join(&mut session, &self.name)?;
        Ok(session)
    }

    /// A session that writes rows on the target: no trigger or rule of an ordinary kind fires.
    pub(crate) fn loader(&self) -> Result<Session, ConnError> {
        self.joined(open(
            self.servers.tool,
            &self.servers.target,
            Some(TARGET_LOCK),
            &[("session_replication_role", "replica")],
        )?)
    }

    /// What the subscription does.
    pub(crate) fn worker(&mut self) -> Result<WorkingSubscription, Error> {
        control::worker(&mut self.target, &self.plan.names.subscription)?.ok_or_else(|| {
            Error::refused(Side::Target, "the subscription is gone", "run pgl-setup")
        })
    }

    /// Replication has to run before anything is copied beside it.
    pub(crate) fn must_run(&mut self) -> Result<(), Error> {
        if self.worker()?.enabled {
            return Ok(());
        }
        Err(Error::refused(
            Side::Target,
            "replication is paused",
            "pgl-control resume starts it; a copy begins where the target's worker is",
        ))
    }

    /// Tables of both sides.
    pub(crate) fn shapes(&mut self) -> Result<(Vec<TableShape>, Vec<TableShape>), Error> {
        Ok((
            pgl_catalog::setup::tables(&mut self.source)?,
            pgl_catalog::setup::tables(&mut self.target)?,
        ))
    }

    /// Whether both servers ship values in one form.
    pub(crate) fn wire(&self) -> pgl_core::setup::compare::Wire {
        if self.source.version().major_num() == self.target.version().major_num() {
            pgl_core::setup::compare::Wire::Same
        } else {
            pgl_core::setup::compare::Wire::Text
        }
    }

    /// Refuses tables that differ, or that the target cannot apply changes to.
    pub(crate) fn must_fit(&mut self, plan: &Plan, tables: &[QualifiedName]) -> Result<(), Error> {
        let shapes = self.shapes()?;
        let from = SideShapes {
            side: Side::Source,
            tables: &shapes.0,
        };
        let to = SideShapes {
            side: Side::Target,
            tables: &shapes.1,
        };
        let found = pgl_core::setup::compare::compare(tables, from, to, self.wire());
        if let Some(first) = found.first() {
            let column = first
                .column
                .as_ref()
                .map_or_else(String::new, |column| format!(", column {column}"));
            return Err(Error::refused(
                Side::Target,
                format!("{}{column}: {}", first.table, first.what),
                "make both definitions the same with ALTER TABLE; or drop the target's table, and pgl-control add-table creates it as the source has it",
            ));
        }
        let mut part = plan.clone();
        part.tables.retain(|one| tables.contains(&one.qualified()));
        subscription::check(&mut self.target, &part)
    }
}

/// The failure that an error of a step is; single objects with their causes.
pub(crate) fn failure(error: Error) -> Failure {
    let causes: Vec<String> = match &error {
        Error::Objects { failures, .. } => failures
            .iter()
            .map(|one| {
                let detail = one
                    .detail
                    .as_ref()
                    .map_or_else(String::new, |d| format!(" ({d})"));
                format!("{}: {}{detail}", one.object, one.message)
            })
            .collect(),
        _ => Vec::new(),
    };
    let mut failure: Failure = error.report().into();
    if let Some(first) = causes.first() {
        failure.message = format!("{}: {first}", failure.message);
    }
    failure
}
