//! The guard: the lock of the migration, and the blocking checks once more.

use std::collections::BTreeSet;

use pgl_apply::schema::{self, Trial};
use pgl_apply::target::{self, MissingRole};
use pgl_apply::{Done, Error, journal, lock};
use pgl_conn::Kind;
use pgl_core::cutover::Purpose;
use pgl_core::definitions::Sought;
use pgl_core::journal::DEFINITIONS;
use pgl_core::preflight::{Choice, examine};
use pgl_core::rules::some_of;
use pgl_core::setup::archive::Work;
use pgl_core::setup::{
    RoleMode, SchemaMode, Stage, Step, StepId, When, choose, left_to_steps, steps,
};
use pgl_core::{Database, QualifiedName, Severity, Side, plural};

use crate::steps::{Run, SchemaState};

/// What preflight finds on a target that is read-only.
const READ_ONLY: &str = "conf.default_read_only";
/// What preflight finds where another migration exists.
const LEFTOVERS: &str = "repl.pglogical_leftovers";
/// What it finds where a cutover has been made: that says more than the name.
const CUT_OVER: &str = "repl.cutover";

impl Run<'_> {
    /// Refuses to go on past a blocking finding that nobody overrides.
    pub(crate) fn guard(&mut self) -> Result<Done, Error> {
        let name = self.name.clone();
        let passed = self.checks()?;
        let tried = self.try_schema()?;
        Ok(Done::Already(format!(
            "{} passed{tried}; migration {name} is locked for this run",
            plural(passed, "check")
        )))
    }

    /// Whether this run, or the one that goes on after `--until`, is to copy the schema from the source.
    fn copies_schema(&mut self) -> Result<bool, Error> {
        let chosen = choose(steps(&self.options), &self.args.step, None);
        let copies =
            |step: &Step| step.id == StepId::TargetSchema && matches!(step.when, When::Now);
        Ok(chosen.iter().any(copies)
            && self.options.schema == SchemaMode::Auto
            && (self.target.is_none() || self.schema_state()? == SchemaState::Missing))
    }

    /// Whether this run takes the schema as the target has it, and nothing is recorded of it yet.
    fn begins_with_its_own_schema(&mut self) -> Result<bool, Error> {
        if self.target.is_none()
            || !self.args.step.is_empty()
            || self.schema_state()? != SchemaState::Exists
        {
            return Ok(false);
        }
        let (name, key) = (self.name.clone(), DEFINITIONS.of(Side::Target));
        Ok(journal::read(self.target()?, &name, &key)?.is_none())
    }

    /// A schema that others have made has to be the source's. Where it is announced to be another one, that is only said, here and
    /// in the answer.
    fn schema_is_the_sources(&mut self) -> Result<(), Error> {
        let target = self.target.as_mut().ok_or_else(crate::steps::no_target)?;
        let found = pgl_catalog::definitions::compare(
            self.place.pg_bindir.as_deref(),
            (&mut self.source, target),
            (&self.place.servers.source, &self.place.servers.target),
            &self.name,
            &self.plan,
            Sought::Everything,
            self.watch,
        );
        let found = match found {
            Ok(found) => found.differences,
            Err(error) if error.kind == Kind::Program => {
                log::warn!("target: its schema is not compared with the source's: {error}");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let major = |db: &Database| db.server_version.major_num();
        let same_major =
            (self.target_db.as_ref()).is_some_and(|db| major(db) == major(&self.source_db));
        let (another, words): (Vec<_>, Vec<_>) =
            (found.iter()).partition(|one| one.is_another_schema(same_major));
        if !words.is_empty() {
            let words: Vec<&str> = words.iter().map(|one| one.object.as_str()).collect();
            log::warn!(
                "target: not as on the source, or only in the words of another version: {}",
                some_of(&words)
            );
        }
        if another.is_empty() {
            return Ok(());
        }
        let another: Vec<String> = another.iter().map(ToString::to_string).collect();
        let what = "the target has a schema, and it is not the source's:";
        match self.options.schema {
            SchemaMode::Skip => {
                log::warn!("target: {what} {}", another.join(", "));
                self.another_schema = another;
                // What cannot be replicated so is refused before anything is changed.
                let names: Vec<QualifiedName> = self
                    .plan
                    .replicated()
                    .map(|table| table.qualified())
                    .collect();
                self.compare_these(&names).map_err(|error| match error {
                    Error::Objects { what, failures, .. } => {
                        let each = failures.iter();
                        let each = each.map(|one| format!("{} ({})", one.object, one.message));
                        Error::refused(
                            Side::Target,
                            format!("{what}: {}", some_of(&each.collect::<Vec<_>>())),
                            "create or change them there as the source has them; --exclude-table leaves a table out",
                        )
                    }
                    other => other,
                })
            }
            SchemaMode::Auto => Err(Error::refused(
                Side::Target,
                format!("{what} {}", some_of(&another)),
                "pgl-verify --definitions shows each: change it there, or empty the target, so that pgl-setup copies the schema; \
                 --schema-copy skip takes the target's as it is",
            )),
        }
    }

    /// Refuses where the schema names a role or a tablespace that the target's server does not have and nobody creates.
    fn named_objects_exist(&mut self) -> Result<(), Error> {
        match self.options.roles {
            RoleMode::Check => {
                let (missing, _) = self.missing()?;
                if !missing.is_empty() {
                    return Err(target::roles_missing(&missing));
                }
            }
            RoleMode::Copy => self.on_server(target::try_roles)?,
            RoleMode::Skip => {}
        }
        let there = self.on_server(|_, target| Ok(pgl_catalog::setup::tablespaces(target)?))?;
        let schema = self.dump()?;
        let named: BTreeSet<&str> = (schema.work)
            .iter()
            .filter_map(|item| item.entry.tablespace.as_deref())
            .filter(|name| !there.iter().any(|one| one == name))
            .collect();
        if !named.is_empty() {
            let named: Vec<&str> = named.into_iter().collect();
            return Err(Error::refused(
                Side::Target,
                format!(
                    "tablespaces of the schema are missing: {}",
                    named.join(", ")
                ),
                "create them on the target's server, or create everything in its default tablespace with --no-tablespaces",
            ));
        }
        self.dumped = Some(schema);
        Ok(())
    }

    /// Tries the schema's statements on the target's server; what came of it.
    fn try_schema(&mut self) -> Result<String, Error> {
        let Some(schema) = self.dumped.take().filter(|_| !self.args.no_trial) else {
            return Ok(String::new());
        };
        let version = self.on_server(|_, target| Ok(target.version()))?;
        let drop_may_wait = schema::drop_may_wait(version);
        // They are created before the schema is, or what names them is left out.
        let missing = match self.options.roles {
            RoleMode::Copy => self.missing()?.0,
            RoleMode::Check | RoleMode::Skip => Vec::new(),
        };
        let missing: Vec<&str> = missing.iter().map(MissingRole::name).collect();
        let mut unchanged = "nothing was changed".to_owned();
        let chosen = choose(steps(&self.options), &[], self.args.until);
        let creates =
            |step: &Step| step.id == StepId::TargetDatabase && matches!(step.when, When::Now);
        if drop_may_wait
            && chosen.iter().any(creates)
            && let Done::Changed(created) = self.database()?
        {
            unchanged = format!("{created}; nothing else was changed");
        }
        // In the target's own database what is there already is tried as well.
        let (mut place, mut trial) = ("a transaction that was rolled back", None);
        if self.target.is_some() {
            let (servers, watch) = (&self.place.servers, self.watch);
            trial = Some(schema::trial_in_transaction(
                servers,
                &schema.work,
                &missing,
                watch,
            )?);
        }
        let incomplete = |one: &Trial| one.cut_short && one.refused.is_empty();
        if !drop_may_wait && trial.as_ref().is_none_or(incomplete) {
            match self.try_in_database(&schema.work, &missing)? {
                Ok(whole) => (place, trial) = ("a temporary database", Some(whole)),
                Err(why) => log::warn!("target: no temporary database for the trial: {why}"),
            }
        }
        let Some(trial) = trial else {
            return Ok("; the schema's statements were not tried before".to_owned());
        };
        for what in &trial.untried {
            log::warn!("target: not tried, nor what depends on it: {what}");
        }
        if trial.refused.is_empty() {
            return Ok(format!(
                "; the target accepts {} of {} of the schema",
                trial.accepted,
                plural(trial.all, "statement")
            ));
        }
        Err(Error::Objects {
            side: Side::Target,
            what: format!(
                "the target refuses statements of the schema (tried in {place}; {unchanged}); --exclude-object leaves one out"
            ),
            failures: trial.refused,
        })
    }

    /// A trial in a database of its own, or why there is none.
    fn try_in_database(
        &mut self,
        work: &[Work],
        missing: &[&str],
    ) -> Result<Result<Trial, String>, Error> {
        let mut maintenance = match self.place.maintenance() {
            Ok(session) => session,
            Err(error) => return Ok(Err(error.message.clone())),
        };
        let locale = target::locale(self.target.as_mut().unwrap_or(&mut self.source))?;
        let servers = &self.place.servers;
        schema::trial(
            servers,
            &mut maintenance,
            &locale,
            work,
            missing,
            self.watch,
        )
    }

    /// The blocking checks; how many passed.
    pub(crate) fn checks(&mut self) -> Result<usize, Error> {
        let name = self.name.clone();
        self.state.allows(Purpose::SetUp)?;
        let stage = if self.state.begun {
            Stage::Continued
        } else {
            Stage::Fresh
        };
        // A target that an attempt at the cutover has shut does not shut us out.
        let shut = match &mut self.target {
            Some(target) => pgl_apply::cutover::closed(target, &name)?.is_some(),
            None => false,
        };
        let selection = self.plan.selection.clone();
        let facts = match self.facts.take() {
            Some(facts) => facts,
            None => self.place.facts(&name, &selection, self.watch)?,
        };
        let examined = examine(&facts, &Choice::default());
        let copy = self.options.copy;
        let blocking: Vec<_> = examined
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Block)
            .filter(|finding| !self.args.plan.force.contains(&finding.id))
            .filter(|finding| !left_to_steps(&finding.id, stage, copy))
            .filter(|finding| !(shut && finding.id == READ_ONLY && finding.side == Side::Target))
            .collect();
        if blocking.is_empty() {
            if self.copies_schema()? {
                self.named_objects_exist()?;
            } else if self.begins_with_its_own_schema()? {
                self.schema_is_the_sources()?;
            }
            return Ok(examined.counts.passed);
        }
        let is_blocked_by = |id: &str| blocking.iter().any(|one| one.id == id);
        if !self.state.others.is_empty() && is_blocked_by(LEFTOVERS) && !is_blocked_by(CUT_OVER) {
            return Err(self.state.another_exists());
        }
        let mut checks: Vec<String> = blocking.iter().map(|one| one.id.clone()).collect();
        checks.dedup();
        let of_name = match name == self.source_db.database {
            true => String::new(),
            false => format!(" --name {}", lock::shell_word(&name)),
        };
        Err(Error::Blocked {
            side: blocking
                .first()
                .map_or(Side::Source, |finding| finding.side),
            hint: format!(
                "pgl-preflight{of_name} --only {} prints how to fix what blocks; then run the same command again",
                checks.join(",")
            ),
            checks,
            failures: blocking
                .iter()
                .map(|finding| pgl_apply::ObjectFailure {
                    object: match &finding.object {
                        Some(object) => format!("{} {object}", finding.side),
                        None => finding.side.to_string(),
                    },
                    sqlstate: None,
                    message: format!("{}: {}", finding.id, finding.what),
                    detail: Some(finding.why.clone()),
                    context: None,
                    hint: Some(finding.remedy.clone()),
                })
                .collect(),
        })
    }
}
