//! What each step does: the I/O between the core's decisions and the functions that write.

use std::collections::{BTreeSet, HashMap};

use pgl_apply::copy::Copied;
use pgl_apply::fingerprint::{MarksOf, keep_marks};
use pgl_apply::lock::{self, MigrationState};
use pgl_apply::schema::{self, How};
use pgl_apply::target::{self, Missing, MissingRole};
use pgl_apply::{Done, Error, Watch, journal, pgl_schema, provider};
use pgl_catalog::definitions::{catalog_marks, held_labels};
use pgl_catalog::pg_dump::{PgDump, SchemaDump};
use pgl_catalog::setup::trigger_states;
use pgl_cli::{Context, Failure, input, stop_point};
use pgl_conn::{Kind, Session};
use pgl_core::cutover::CatalogMark;
use pgl_core::doc::Incoming;
use pgl_core::facts::Facts;
use pgl_core::journal::{DEFINITIONS, PLAN, SCHEMA};
use pgl_core::rules::some_of;
use pgl_core::select::Selection;
use pgl_core::setup::archive::{self, Tablespaces, Work};
use pgl_core::setup::compare::{SideShapes, TableShape, Wire, compare};
use pgl_core::setup::{Options, RoleMode, SchemaMode, StepId};
use pgl_core::{Database, Migration, Plan, QualifiedName, ServerVersion, Side, plural};

use crate::args::Setup;
use crate::endpoints::Place;

/// A run with its sessions. The two sessions hold the lock of the migration until the end.
pub(crate) struct Run<'a> {
    pub(crate) args: &'a Setup,
    pub(crate) place: &'a Place,
    pub(crate) watch: &'a dyn Watch,
    pub(crate) options: Options,
    pub(crate) source: Session,
    pub(crate) target: Option<Session>,
    pub(crate) source_db: Database,
    pub(crate) target_db: Option<Database>,
    pub(crate) plan: Plan,
    pub(crate) name: String,
    /// The migration, as it was when its lock was taken.
    pub(crate) state: MigrationState,
    /// What the plan was made of, for the guard of the same moment.
    pub(crate) facts: Option<Facts>,
    /// What the copy came to.
    pub(crate) copied: Option<Copied>,
    /// The source's schema before any step, for the guard and for a dry run.
    pub(crate) dumped: Option<SourceSchema>,
    /// In what the schema that the target has is not the source's.
    pub(crate) another_schema: Vec<String>,
}

/// The source's schema: every object with its statement and its step, and all of it to be compared.
pub(crate) struct SourceSchema {
    pub(crate) work: Vec<Work>,
    /// What is left out because the target lacks a role.
    without_roles: Vec<String>,
    dump: SchemaDump,
    /// The catalogs before that: what changes meanwhile is in neither of them for certain.
    marks: Vec<CatalogMark>,
}

impl<'a> Run<'a> {
    /// Connects, and settles on the plan.
    pub(crate) fn open(
        args: &'a Setup,
        context: &'a Context,
        place: &'a Place,
        document: Option<Incoming>,
        watch: &'a dyn Watch,
    ) -> Result<Self, Failure> {
        let mut source = place.servers.session(Side::Source)?;
        let mut target = if place.target_missing {
            None
        } else {
            Some(place.servers.session(Side::Target)?)
        };
        context.interrupt.check()?;
        let source_db = pgl_catalog::database(&mut source)?;
        let target_db = target.as_mut().map(pgl_catalog::database).transpose()?;
        let planned = document
            .as_ref()
            .and_then(|document| document.migration.as_ref());
        input::same_pair(planned, &source_db, target_db.as_ref())?;
        let planned_name = planned.map(|migration| migration.name.clone());
        let name = match (&args.name, planned_name) {
            (Some(typed), Some(planned)) if *typed != planned => {
                return Err(Failure::usage(format!(
                    "--name {typed} differs from the plan's name {planned}"
                )));
            }
            (Some(typed), _) => typed.clone(),
            (None, Some(planned)) => planned,
            (None, None) => source_db.database.clone(),
        };
        stop_point("lock");
        let (source, target, state) = if args.dry_run {
            let state = MigrationState::observe(&name, &mut source, &mut target)?;
            (source, target, state)
        } else {
            lock::acquire(&name, source, target)
                .map_err(|error| Failure::from(error.report()))?
                .into_parts()
        };
        stop_point("locked");
        let kept = state.plan.clone();
        let selection = Selection::from(args.select.clone());
        let mut facts = None;
        let mut plan = match (document.and_then(|document| document.plan), kept) {
            (Some(mut given), kept) => {
                let kept = kept.map(|kept| kept.excluded_objects);
                given.excluded_objects.extend(kept.unwrap_or_default());
                given
            }
            (None, Some(kept)) if selection.is_everything() || selection == kept.selection => kept,
            (None, _) => {
                let facts = facts.insert(place.facts(&name, &selection, watch)?);
                facts.check_selection()?;
                pgl_core::plan::build(facts).map_err(|why| {
                    Failure::unknown(format!("the source's tables cannot be read: {}", why.0))
                        .on(Side::Source)
                })?
            }
        };
        plan.excluded_objects
            .extend_from_slice(&args.exclude_object);
        Ok(Self {
            args,
            place,
            watch,
            options: args.options(),
            source,
            target,
            source_db,
            target_db,
            plan,
            name,
            state,
            facts,
            copied: None,
            dumped: None,
            another_schema: Vec::new(),
        })
    }

    pub(crate) fn migration(&self) -> Migration {
        Migration {
            name: self.name.clone(),
            source: self.source_db.clone(),
            target: self.target_db.clone(),
        }
    }

    pub(crate) fn plan(&self) -> Plan {
        self.plan.clone()
    }

    /// Whether an earlier run has left its journal.
    pub(crate) fn journal_exists(&mut self) -> bool {
        let in_target = self
            .target
            .as_mut()
            .is_some_and(|t| journal::exists(t).unwrap_or(false));
        in_target || journal::exists(&mut self.source).unwrap_or(false)
    }

    pub(crate) fn target(&mut self) -> Result<&mut Session, Error> {
        self.target.as_mut().ok_or_else(no_target)
    }

    /// Runs one step.
    pub(crate) fn step(&mut self, id: StepId) -> Result<Done, Error> {
        let name = self.name.clone();
        let how = self.how();
        match id {
            StepId::Guard => self.guard(),
            StepId::SourceExtension => provider::extension(&mut self.source),
            StepId::SourceNode => provider::node(
                &mut self.source,
                &self.plan.names.provider_node,
                &self.place.source_note,
            ),
            StepId::SourceMarker => pgl_schema::create(&mut self.source),
            StepId::SourceGrants => provider::grants(&mut self.source, &name, Some(&self.plan)),
            StepId::SourceSets => {
                let mut polite = self.place.servers.polite(Side::Source)?;
                let _cancel = self.watch.cancel_on_stop(polite.cancel_handle());
                let wanted = provider::wanted(&self.plan);
                let join = match self.running()? {
                    true => provider::Join::Closed,
                    false => provider::Join::Open,
                };
                provider::sets(&mut polite, &wanted, join, self.watch)
            }
            StepId::TargetDatabase => self.database(),
            StepId::TargetMarker => self.target_marker(),
            StepId::TargetRoles => {
                let missing = self.missing_roles();
                let target = self.target.as_mut().ok_or_else(no_target)?;
                target::roles(&mut self.source, target, missing)
            }
            StepId::TargetSchema => self.schema(),
            StepId::TargetExtension => provider::extension(self.target()?),
            StepId::TargetGrants => provider::grants(self.target()?, &name, None),
            StepId::TargetNode => {
                let dsn = self.place.subscriber_dsn.clone();
                let node = self.plan.names.subscriber_node.clone();
                match provider::node(self.target()?, &node, &dsn)? {
                    // A corrected string takes effect, before anything is copied.
                    Done::Already(_) => provider::node_dsn(self.target()?, &node, &dsn),
                    created => Ok(created),
                }
            }
            StepId::Copy => self.copy(),
            StepId::TargetKeys | StepId::TargetIndexes | StepId::TargetConstraints => {
                let (servers, watch) = (&self.place.servers, self.watch);
                let target = self.target.as_mut().ok_or_else(no_target)?;
                schema::run(servers, target, &name, id, &how, watch)
            }
            StepId::TargetTriggers => self.triggers(&how),
            StepId::TargetSubscription => self.subscribe(),
            StepId::TargetMatviews => {
                let target = self.target.as_mut().ok_or_else(no_target)?;
                target::matviews(&mut self.source, target, self.watch)
            }
            StepId::TargetAnalyze => {
                let jobs = usize::from(self.args.jobs);
                let (servers, watch) = (&self.place.servers, self.watch);
                target::analyze(
                    servers,
                    self.target.as_mut().ok_or_else(no_target)?,
                    jobs,
                    watch,
                )
            }
            StepId::TargetProperties => {
                let target = self.target.as_mut().ok_or_else(no_target)?;
                target::lasting_properties(&mut self.source, target)
            }
            StepId::TargetForeignKeys => {
                let (servers, watch) = (&self.place.servers, self.watch);
                target::foreign_keys(
                    servers,
                    self.target.as_mut().ok_or_else(no_target)?,
                    &name,
                    &how,
                    watch,
                )
            }
            StepId::TargetDefinitions => {
                self.keep_definitions_of(Side::Source)?;
                self.keep_definitions_of(Side::Target)
            }
        }
    }

    /// What happens about roles that the target does not have.
    pub(crate) fn missing_roles(&self) -> Missing {
        match self.options.roles {
            RoleMode::Copy => Missing::Create,
            RoleMode::Check | RoleMode::Skip => Missing::Refuse,
        }
    }

    fn how(&self) -> How {
        let mut settings = vec![(
            "maintenance_work_mem".to_owned(),
            self.args.maintenance_work_mem.clone(),
        )];
        if self
            .target
            .as_ref()
            .is_some_and(|target| target.version().at_least(11))
        {
            settings.push((
                "max_parallel_maintenance_workers".to_owned(),
                self.args.index_workers.to_string(),
            ));
        }
        How {
            secrets: HashMap::new(),
            jobs: usize::from(self.args.jobs),
            settings,
        }
    }

    /// Creates the target's database where it does not exist.
    pub(crate) fn database(&mut self) -> Result<Done, Error> {
        if self.target.is_some() {
            return Ok(Done::Already("the database exists".to_owned()));
        }
        let locale = target::locale(&mut self.source)?;
        let name = self.place.servers.target.dbname().to_owned();
        let mut maintenance = self.place.maintenance()?;
        target::create_database(&mut maintenance, &name, &locale)?;
        let mut session = self.place.servers.session(Side::Target)?;
        lock::hold(&mut [&mut session], &self.name)?;
        self.target_db = Some(pgl_catalog::database(&mut session)?);
        self.target = Some(session);
        Ok(Done::Changed(format!(
            "database {name:?} created, {} {}",
            locale.encoding, locale.collate
        )))
    }

    /// Tables of the plan and our own marker.
    pub(crate) fn names(&self) -> Vec<QualifiedName> {
        let mut all: Vec<QualifiedName> = self
            .plan
            .replicated()
            .map(|table| table.qualified())
            .collect();
        all.push(pgl_schema::marker());
        all
    }

    /// Where the target's schema comes from, and whether it is there.
    pub(crate) fn schema_state(&mut self) -> Result<SchemaState, Error> {
        let name = self.name.clone();
        if journal::read(self.target()?, &name, &SCHEMA)?.is_some() {
            return Ok(SchemaState::Stored);
        }
        let here = pgl_catalog::setup::tables(self.target()?)?;
        let (there, missing): (Vec<_>, Vec<_>) = self
            .plan
            .replicated()
            .map(|table| table.qualified())
            .partition(|name| has(&here, name));
        match (self.options.schema, missing.first(), there.first()) {
            (SchemaMode::Skip, _, _) | (SchemaMode::Auto, None, Some(_)) => Ok(SchemaState::Exists),
            (SchemaMode::Auto, Some(absent), Some(present)) => Err(Error::refused(
                Side::Target,
                format!("a part of the schema is there ({present}) and a part is not ({absent})"),
                "empty the target, or complete it and use --schema-copy skip",
            )),
            (SchemaMode::Auto, _, None) => Ok(SchemaState::Missing),
        }
    }

    fn schema(&mut self) -> Result<Done, Error> {
        let name = self.name.clone();
        let state = self.schema_state()?;
        let mut secrets = HashMap::new();
        let take = match state {
            SchemaState::Missing => true,
            SchemaState::Stored => schema::is_unfinished(self.target()?, &name)?,
            SchemaState::Exists => false,
        };
        if take {
            // Once more: the catalogs' marks belong to it, and the source's steps have changed them since the guard.
            let schema = self.dump()?;
            if state == SchemaState::Missing {
                let kept = schema.dump.definitions()?.kept(schema.marks);
                journal::write(self.target()?, &name, &DEFINITIONS.of(Side::Source), &kept)?;
            }
            let work = schema.work;
            schema::store(self.target()?, &name, &work)?;
            self.plan.without_roles.extend(schema.without_roles);
            self.plan.without_roles.sort();
            self.plan.without_roles.dedup();
            // It has what is left out.
            let plan = journal::statement(&name, &PLAN, &self.plan);
            self.target()?.batch(&plan)?;
            secrets = schema::secrets(&work);
        }
        let done = match state {
            SchemaState::Exists => {
                self.keep_definitions_of(Side::Source)?;
                let mut what = "the target has the schema".to_owned();
                if !self.another_schema.is_empty() {
                    let differences = self.another_schema.join(", ");
                    what += &format!(", which is not the source's: {differences}");
                }
                Done::Already(what)
            }
            SchemaState::Stored | SchemaState::Missing => {
                // Its parts build on one another: one after the other, in the archive's order.
                let how = How {
                    secrets,
                    jobs: 1,
                    ..self.how()
                };
                let done = schema::run(
                    &self.place.servers,
                    self.target.as_mut().ok_or_else(no_target)?,
                    &name,
                    StepId::TargetSchema,
                    &how,
                    self.watch,
                )?;
                target::analyze_catalogs(self.target()?)?;
                done
            }
        };
        self.compare()?;
        let mut left_out = self.plan.excluded_objects.join(", ");
        if !self.plan.without_roles.is_empty() {
            let of_roles = some_of(&self.plan.without_roles);
            left_out += &format!(", for want of roles {of_roles} (the plan lists all of it)");
        }
        Ok(match done {
            Done::Changed(what) if !left_out.is_empty() => Done::Changed(format!(
                "{what}; left out: {}",
                left_out.trim_start_matches(", ")
            )),
            done => done,
        })
    }

    pub(crate) fn pg_dump(&mut self) -> Result<PgDump, Error> {
        let target_version = match &self.target_db {
            Some(db) => db.server_version,
            None => self.place.maintenance()?.version(),
        };
        Ok(PgDump::find(
            self.place.pg_bindir.as_deref(),
            self.source_db.server_version,
            target_version,
        )?)
    }

    /// Reads the source's schema.
    pub(crate) fn dump(&mut self) -> Result<SourceSchema, Error> {
        let marks = catalog_marks(&mut self.source)?;
        let facts = pgl_catalog::setup::indexes(&mut self.source)?;
        let tablespaces = if self.args.no_tablespaces {
            Tablespaces::Default
        } else {
            Tablespaces::Keep
        };
        let program = self.pg_dump()?;
        let dump = program.dump(&self.place.servers.source, &[], self.watch)?;
        let mut work = archive::assign(dump.entries(tablespaces)?, &facts);
        let excluded = &mut self.plan.excluded_objects;
        let left_out = archive::exclude(&mut work, excluded);
        if let Some(unknown) = self
            .args
            .exclude_object
            .iter()
            .find(|one| !left_out.contains(one))
        {
            return Err(Error::refused(
                Side::Source,
                format!("the schema has no object {unknown:?}, which --exclude-object names"),
                "give its kind and name as pg_restore --list does: 'VIEW public.v', 'FUNCTION public.f(integer)'",
            ));
        }
        let excluded = &mut self.plan.excluded_objects;
        excluded.extend(left_out);
        excluded.sort();
        excluded.dedup();
        let (missing, of_a_service) = self.missing()?;
        let skipped = missing
            .iter()
            .filter(|_| self.options.roles == RoleMode::Skip);
        let absent: Vec<&str> = (skipped.map(MissingRole::name))
            .chain(of_a_service.iter().map(String::as_str))
            .collect();
        let without_roles = archive::without_roles(&mut work, &absent);
        archive::states_come_after_triggers(&mut work);
        Ok(SourceSchema {
            work,
            without_roles,
            dump,
            marks,
        })
    }

    /// The roles that the schema names and the target's server does not have, and apart those of the source's service.
    pub(crate) fn missing(&mut self) -> Result<(Vec<MissingRole>, BTreeSet<String>), Error> {
        self.on_server(|source, target| target::missing(source, target, Missing::Refuse))
    }

    /// Does something with the source and the target's server, also where the target's database does not exist.
    pub(crate) fn on_server<T>(
        &mut self,
        act: impl FnOnce(&mut Session, &mut Session) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match &mut self.target {
            Some(target) => act(&mut self.source, target),
            None => act(&mut self.source, &mut self.place.maintenance()?),
        }
    }

    /// Records how a side's definitions are. Nothing that the migration itself needs: where pg_dump is missing or may not read
    /// everything, less is compared.
    fn keep_definitions_of(&mut self, side: Side) -> Result<Done, Error> {
        let name = self.name.clone();
        let key = DEFINITIONS.of(side);
        // Named by --step it is meant to be recorded as it is by now.
        if self.args.step.is_empty() && journal::read(self.target()?, &name, &key)?.is_some() {
            return Ok(Done::Already(
                "both sides' definitions are recorded".to_owned(),
            ));
        }
        // Before the dump: what changes meanwhile is in neither of them for certain.
        let marks = catalog_marks(match side {
            Side::Source => &mut self.source,
            Side::Target => self.target()?,
        })?;
        let servers = self.place.servers.clone();
        let endpoint = match side {
            Side::Source => &servers.source,
            Side::Target => &servers.target,
        };
        let found = self
            .pg_dump()
            .and_then(|program| Ok(program.dump(endpoint, &[], self.watch)?.definitions()?));
        let mut kept = match found {
            Ok(found) => found.kept(marks),
            Err(Error::Server(error)) if error.kind == Kind::Program => {
                return Ok(Done::Already(format!(
                    "not recorded, so that later changes are found by name only: {error}"
                )));
            }
            Err(error) => return Err(error),
        };
        let count = kept.digests.len();
        // A schema that people have made may lack what they do not want.
        let copied = side == Side::Target
            && self.args.step.is_empty()
            && journal::read(self.target()?, &name, &SCHEMA)?.is_some();
        if copied
            && let Some(source) =
                journal::read(self.target()?, &name, &DEFINITIONS.of(Side::Source))?
        {
            let held = held_labels(self.target()?, &name)?;
            // pg_dump shows a partition's trigger only where it is not enabled as its parent's, and some are disabled until the cutover.
            let triggers: Vec<String> = (trigger_states(self.target()?)?.into_iter())
                .filter_map(|one| Some((one.schema?, one.table?, one.name)))
                .map(|(schema, table, name)| format!("TRIGGER {schema}.{table} {name}"))
                .collect();
            let but = held.iter().chain(&triggers);
            let but = but.chain(&self.plan.excluded_objects);
            kept.expect(&source, but.chain(&self.plan.without_roles));
        }
        journal::write(self.target()?, &name, &key, &kept)?;
        Ok(Done::Changed(format!(
            "{} recorded",
            plural(count, "definition")
        )))
    }

    /// Holds the tables of both sides against each other.
    pub(crate) fn compare(&mut self) -> Result<(), Error> {
        self.compare_these(&self.names())
    }

    pub(crate) fn compare_these(&mut self, names: &[QualifiedName]) -> Result<(), Error> {
        let source = pgl_catalog::setup::tables(&mut self.source)?;
        let target = pgl_catalog::setup::tables(self.target()?)?;
        let versions = self.versions();
        let wire = if versions.0.major_num() == versions.1.major_num() {
            Wire::Same
        } else {
            Wire::Text
        };
        let from = SideShapes {
            side: Side::Source,
            tables: &source,
        };
        let to = SideShapes {
            side: Side::Target,
            tables: &target,
        };
        let found = compare(names, from, to, wire);
        if found.is_empty() {
            return Ok(());
        }
        let failures = found
            .into_iter()
            .map(|difference| pgl_apply::ObjectFailure {
                object: match &difference.column {
                    Some(column) => format!("{}, column {column}", difference.table),
                    None => difference.table.clone(),
                },
                sqlstate: None,
                message: difference.what,
                detail: None,
                context: None,
                hint: None,
            })
            .collect();
        Err(Error::Objects {
            side: Side::Target,
            what: "tables of source and target differ".to_owned(),
            failures,
        })
    }

    pub(crate) fn versions(&self) -> (ServerVersion, ServerVersion) {
        let source = self.source_db.server_version;
        let target = self
            .target_db
            .as_ref()
            .map_or(source, |db| db.server_version);
        (source, target)
    }

    /// Our schema, and in it the plan, with which a run without `--plan` continues, and the tables' marks.
    pub(crate) fn target_marker(&mut self) -> Result<Done, Error> {
        let (name, plan) = (self.name.clone(), self.plan());
        let tables: Vec<QualifiedName> = plan.replicated().map(|t| t.qualified()).collect();
        let target = self.target.as_mut().ok_or_else(no_target)?;
        let done = pgl_schema::create(target)?;
        let kept = journal::statement(&name, &PLAN, &plan);
        // Before the copy: a table that is rewritten from now on is compared at the cutover.
        let marks = keep_marks(&mut self.source, target, &name, MarksOf::TheCopy(&tables))?;
        target.batch(&format!("{kept}{marks}"))?;
        journal::keep_pair(&mut self.source, target, &name)?;
        Ok(done)
    }
}

/// Where the target's schema comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SchemaState {
    /// Its statements are in the target's journal.
    Stored,
    /// Somebody else has made it.
    Exists,
    /// It is still to be copied.
    Missing,
}

pub(crate) fn has(shapes: &[TableShape], name: &QualifiedName) -> bool {
    shapes
        .iter()
        .any(|shape| shape.schema == name.schema && shape.name == name.name)
}

pub(crate) fn no_target() -> Error {
    Error::refused(
        Side::Target,
        "the target's database does not exist",
        "run pgl-setup --step target.database, or create it yourself",
    )
}
