//! What a step would find: whether its work is done already, whether it would be refused. Reads only; for `--dry-run`,
//! and for single steps that are run before their turn.

use pgl_apply::schema;
use pgl_apply::{Done, Error, copy, journal, provider, subscription, target};
use pgl_catalog::pgl_schema;
use pgl_core::journal::{DEFINITIONS, SUBSCRIPTION};
use pgl_core::pgl_schema::PglSchema;
use pgl_core::setup::{RoleMode, StepId, needs};
use pgl_core::{Side, plural};

use crate::replicate::foreign;
use crate::steps::{Run, SchemaState};

/// What a step would find.
pub(crate) enum Look {
    /// Its work is done, for this reason.
    Already(String),
    /// It would work.
    Planned,
}

impl Run<'_> {
    /// What a step would find now.
    ///
    /// # Errors
    /// The servers'; [`Error::Refused`] and [`Error::Objects`] where the step would refuse.
    pub(crate) fn look(&mut self, id: StepId) -> Result<Look, Error> {
        if self.target.is_none() && id.side() == Some(Side::Target) {
            return Ok(Look::Planned);
        }
        let name = self.name.clone();
        match id {
            StepId::Guard => self.checks().map(|_| Look::Planned),
            StepId::SourceExtension => extension(provider::installed(&mut self.source)?),
            StepId::TargetExtension => extension(provider::installed(self.target()?)?),
            StepId::SourceNode => {
                let node = self.plan.names.provider_node.clone();
                done(provider::node_found(&mut self.source, &node)?)
            }
            StepId::TargetNode => {
                let node = self.plan.names.subscriber_node.clone();
                done(provider::node_found(self.target()?, &node)?)
            }
            StepId::SourceMarker => own(pgl_schema::check(&mut self.source)?),
            StepId::TargetMarker => own(pgl_schema::check(self.target()?)?),
            StepId::SourceGrants => granted(&mut self.source),
            StepId::TargetGrants => granted(self.target()?),
            StepId::SourceSets => {
                if provider::installed(&mut self.source)?.is_none() {
                    return Ok(Look::Planned);
                }
                let join = match self.running()? {
                    true => provider::Join::Closed,
                    false => provider::Join::Open,
                };
                let wanted = provider::wanted(&self.plan);
                match provider::missing_members(&mut self.source, &wanted, join)?.len() {
                    0 => already(&format!("{} present", plural(wanted.len(), "member"))),
                    _ => Ok(Look::Planned),
                }
            }
            StepId::TargetDatabase => already("the database exists"),
            StepId::TargetRoles => {
                let wanted = self.missing_roles();
                let target = self.target.as_mut().ok_or_else(crate::steps::no_target)?;
                let (missing, _) = target::missing(&mut self.source, target, wanted)?;
                match (missing.is_empty(), self.options.roles) {
                    (true, _) => already("every role that is needed exists"),
                    (false, RoleMode::Copy) => Ok(Look::Planned),
                    (false, _) => Err(target::roles_missing(&missing)),
                }
            }
            StepId::TargetSchema => self.look_at_schema(),
            StepId::Copy => self.look_at_copy(),
            StepId::TargetKeys
            | StepId::TargetIndexes
            | StepId::TargetConstraints
            | StepId::TargetForeignKeys => self.look_at_deferred(id),
            StepId::TargetTriggers => match self.look_at_deferred(id)? {
                Look::Already(_)
                    if !pgl_catalog::setup::loud_triggers(self.target()?)?.is_empty() =>
                {
                    Ok(Look::Planned)
                }
                look => Ok(look),
            },
            StepId::TargetSubscription => self.look_at_subscription(&name),
            StepId::TargetMatviews => {
                if let Look::Planned = self.look_at_schema()? {
                    return Ok(Look::Planned);
                }
                let target = self.target.as_mut().ok_or_else(crate::steps::no_target)?;
                match target::unfilled(&mut self.source, target)?.len() {
                    0 => already("every materialised view that holds rows on the source is filled"),
                    _ => Ok(Look::Planned),
                }
            }
            StepId::TargetProperties => {
                let target = self.target.as_mut().ok_or_else(crate::steps::no_target)?;
                let carry = target::properties(&mut self.source, target)?.lasting;
                match carry.given.is_empty() {
                    true => already("nothing to give"),
                    false => Ok(Look::Planned),
                }
            }
            StepId::TargetDefinitions => {
                match journal::read(self.target()?, &name, &DEFINITIONS.of(Side::Target))? {
                    Some(_) => already("both sides' definitions are recorded"),
                    None => Ok(Look::Planned),
                }
            }
            StepId::TargetAnalyze => {
                if let Look::Planned = self.look_at_schema()? {
                    return Ok(Look::Planned);
                }
                match target::unanalyzed(self.target()?)?.len() {
                    0 => already("every table has statistics"),
                    _ => Ok(Look::Planned),
                }
            }
        }
    }

    /// Refuses a single step whose precondition another step has to make first.
    ///
    /// # Errors
    /// The servers', and the refusal that names the missing step.
    pub(crate) fn in_turn(&mut self, id: StepId) -> Result<(), Error> {
        for needed in needs(id) {
            if let Look::Planned = self.look(*needed)? {
                return Err(Error::Refused {
                    side: needed.side(),
                    what: format!("step {id} comes after step {needed}, which is not done"),
                    hint: format!(
                        "pgl-setup --until {id} runs the steps up to it that are not done"
                    ),
                });
            }
        }
        Ok(())
    }

    fn look_at_schema(&mut self) -> Result<Look, Error> {
        match self.schema_state()? {
            SchemaState::Stored => self.deferred(StepId::TargetSchema),
            SchemaState::Exists => already("the target has the schema"),
            SchemaState::Missing => Ok(Look::Planned),
        }
    }

    fn look_at_deferred(&mut self, id: StepId) -> Result<Look, Error> {
        match self.schema_state()? {
            SchemaState::Stored => self.deferred(id),
            SchemaState::Exists => already("nothing is deferred for it"),
            SchemaState::Missing => Ok(Look::Planned),
        }
    }

    fn deferred(&mut self, id: StepId) -> Result<Look, Error> {
        let name = self.name.clone();
        match schema::held(self.target()?, &name, id)? {
            (0, _) => already("nothing is deferred for it"),
            (total, 0) => already(&format!("{} present", plural(total, "object"))),
            _ => Ok(Look::Planned),
        }
    }

    fn look_at_copy(&mut self) -> Result<Look, Error> {
        if self.args.restart {
            return Ok(Look::Planned);
        }
        if let Some(found) = self.subscribed()?
            && found.is_past_copy()
        {
            return already(&format!("subscription {} is past its copy", found.name));
        }
        if !journal::exists(self.target()?)? {
            return Ok(Look::Planned);
        }
        let (name, tasks) = (self.name.clone(), self.tasks()?);
        let target = self.target.as_mut().ok_or_else(crate::steps::no_target)?;
        match copy::state(&mut self.source, target, &name, &tasks)? {
            copy::CopyState::Complete(_, lsn) => already(&format!(
                "{} copied, from {lsn}",
                plural(tasks.len(), "table")
            )),
            copy::CopyState::Lost(_, why) => Err(copy::lost(&name, &why)),
            copy::CopyState::Fresh | copy::CopyState::Unfinished(_) => Ok(Look::Planned),
        }
    }

    fn look_at_subscription(&mut self, name: &str) -> Result<Look, Error> {
        match self.subscribed()? {
            Some(found) if found.is_past_copy() => {
                self.not_paused(&found, name)?;
                already(&format!("subscription {} exists", found.name))
            }
            Some(found) if copy::may_write_catalog(self.target()?)? => Err(foreign(&found)),
            _ => Ok(Look::Planned),
        }
    }

    /// Whether somebody has paused what was set up.
    pub(crate) fn not_paused(
        &mut self,
        found: &subscription::Subscription,
        name: &str,
    ) -> Result<(), Error> {
        if found.enabled || journal::read(self.target()?, name, &SUBSCRIPTION)?.is_none() {
            return Ok(());
        }
        Err(Error::refused(
            Side::Target,
            format!("subscription {} is disabled", found.name),
            "somebody has paused it since it was set up: pgl-control resume starts it again",
        ))
    }
}

fn already(why: &str) -> Result<Look, Error> {
    Ok(Look::Already(why.to_owned()))
}

fn done(found: Option<Done>) -> Result<Look, Error> {
    match found {
        Some(Done::Already(why)) => Ok(Look::Already(why)),
        Some(Done::Changed(_)) | None => Ok(Look::Planned),
    }
}

fn extension(version: Option<String>) -> Result<Look, Error> {
    match version {
        Some(version) => already(&format!("pglogical {version} is there")),
        None => Ok(Look::Planned),
    }
}

fn own(found: PglSchema) -> Result<Look, Error> {
    match found {
        PglSchema::Usable => already("schema pgl exists"),
        PglSchema::Absent | PglSchema::Incomplete => Ok(Look::Planned),
    }
}

/// Whether every role may use schema pglogical already.
fn granted(session: &mut pgl_conn::Session) -> Result<Look, Error> {
    if provider::installed(session)?.is_none() || !provider::may_use(session)? {
        return Ok(Look::Planned);
    }
    already("every role may use schema pglogical")
}
