//! The statements of each step, for `--dry-run`: made by the same functions that a run uses.

use std::collections::BTreeSet;

use pgl_apply::copy::{Freeze, copy_in, copy_out};
use pgl_apply::target;
use pgl_apply::{Error, pgl_schema, provider, subscription};
use pgl_core::rights::{LET_EVERYBODY_USE, REVOKE_EXECUTE};
use pgl_core::setup::archive::{Work, unchecked};
use pgl_core::setup::secrets::redacted;
use pgl_core::setup::{SchemaMode, StepId};

use crate::steps::Run;

impl Run<'_> {
    /// What a step would run. Reads both servers, changes nothing.
    pub(crate) fn script(&mut self, id: StepId) -> Result<Vec<String>, Error> {
        let names = self.plan.names.clone();
        Ok(match id {
            StepId::Guard => vec!["-- takes an advisory lock on either server".to_owned()],
            StepId::SourceExtension => provider::extension_sql(self.source.version()),
            StepId::SourceNode => vec![provider::node_sql(&names.provider_node)],
            StepId::SourceMarker | StepId::TargetMarker => vec![pgl_schema::SQL.to_owned()],
            StepId::SourceGrants | StepId::TargetGrants => [REVOKE_EXECUTE, LET_EVERYBODY_USE]
                .map(str::to_owned)
                .into(),
            StepId::SourceSets => provider::wanted(&self.plan)
                .iter()
                .map(provider::MemberToAdd::sql)
                .collect(),
            StepId::TargetDatabase => {
                if self.target.is_some() {
                    Vec::new()
                } else {
                    let version = self.place.maintenance()?.version();
                    let name = self.place.servers.target.dbname();
                    vec![target::create_sql(
                        name,
                        &target::locale(&mut self.source)?,
                        version,
                    )]
                }
            }
            StepId::TargetRoles => {
                let mut maintenance = self.place.maintenance()?;
                target::roles_sql(&mut self.source, &mut maintenance)?
            }
            StepId::TargetExtension => provider::extension_sql(self.source.version()),
            StepId::TargetNode => vec![provider::node_sql(&names.subscriber_node)],
            StepId::Copy => {
                let slot = format!("<slot of {}>", names.subscription);
                let mut all = vec![format!(
                    "-- CREATE_REPLICATION_SLOT {slot} LOGICAL pglogical_output, in a replication connection"
                )];
                for task in self.tasks()? {
                    all.push(format!("-- on the source:\n{}", copy_out(&task, "UTF8")));
                    all.push(format!(
                        "-- on the target:\n{}",
                        copy_in(&task, "UTF8", Freeze::Yes)
                    ));
                }
                all
            }
            StepId::TargetSubscription => {
                subscription::statements(&names, "<slot>", "0/0", &self.names())
            }
            StepId::TargetMatviews => pgl_catalog::setup::matviews(&mut self.source)?
                .iter()
                .filter(|view| view.populated)
                .map(|view| {
                    let name = pgl_core::QualifiedName::new(&view.schema, &view.name);
                    format!("REFRESH MATERIALIZED VIEW {}", name.sql())
                })
                .collect(),
            StepId::TargetAnalyze => vec!["ANALYZE".to_owned()],
            StepId::TargetProperties => match &mut self.target {
                Some(target) => {
                    let carry = target::properties(&mut self.source, target)?.lasting;
                    carry.given.into_iter().map(|one| one.sql).collect()
                }
                None => vec!["-- what the source's database has and a new one has not".to_owned()],
            },
            StepId::TargetDefinitions => {
                vec!["-- a digest of each definition, in pgl.journal".to_owned()]
            }
            StepId::TargetForeignKeys => self
                .held(id)?
                .into_iter()
                .flat_map(|sql| match unchecked(&sql) {
                    Some((add, validate)) => vec![add, validate],
                    None => vec![sql],
                })
                .collect(),
            StepId::TargetSchema
            | StepId::TargetKeys
            | StepId::TargetIndexes
            | StepId::TargetConstraints
            | StepId::TargetTriggers => self.held(id)?,
        })
    }

    /// Statements of the schema that belong to a step.
    fn held(&mut self, step: StepId) -> Result<Vec<String>, Error> {
        if self.options.schema == SchemaMode::Skip {
            return Ok(Vec::new());
        }
        if self.dumped.is_none() {
            self.dumped = Some(self.dump()?);
        }
        let of_step = |work: &&Work| work.step == step;
        let dumped = self.dumped.iter().flat_map(|schema| &schema.work);
        let mut seen = BTreeSet::new();
        Ok(dumped
            .filter(of_step)
            .filter(|work| seen.insert(work.entry.id))
            .map(|work| &work.entry)
            .map(|entry| redacted(&entry.kind, &entry.sql).unwrap_or_else(|| entry.sql.clone()))
            .collect())
    }
}
