//! The guard: the lock of the migration, and the blocking checks once more.

use pgl_apply::schema::Programs;
use pgl_apply::{Done, Error, journal};
use pgl_core::cutover::Purpose;
use pgl_core::journal::SCHEMA;
use pgl_core::preflight::{Choice, examine};
use pgl_core::setup::{SchemaMode, Stage, left_to_steps};
use pgl_core::{Severity, Side};

use crate::steps::Run;

/// What preflight finds on a target that is read-only.
const READ_ONLY: &str = "conf.default_read_only";

impl Run<'_> {
    /// Refuses to go on past a blocking finding that nobody overrides.
    pub(crate) fn guard(&mut self) -> Result<Done, Error> {
        let name = self.name.clone();
        let passed = self.checks()?;
        Ok(Done::Already(format!(
            "{passed} checks passed; migration {name} is locked for this run"
        )))
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
        let dumped = match &mut self.target {
            Some(target) => journal::read(target, &name, &SCHEMA)?.is_some(),
            None => false,
        };
        if self.options.schema == SchemaMode::Auto && !dumped {
            // Found out now, not after the source has been changed.
            let target = match &self.target {
                Some(target) => target.version(),
                None => self.place.maintenance()?.version(),
            };
            Programs::find(
                self.args.pg_bindir.as_deref(),
                self.source.version(),
                target,
            )?;
        }
        // A target that an attempt at the cutover has shut does not shut us out.
        let shut = match &mut self.target {
            Some(target) => pgl_apply::cutover::closed(target, &name)?.is_some(),
            None => false,
        };
        let selection = self.plan.selection.clone();
        let facts = self.place.facts(&name, &selection, self.watch)?;
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
            return Ok(examined.counts.passed);
        }
        let mut ids: Vec<&str> = blocking.iter().map(|finding| finding.id.as_str()).collect();
        ids.dedup();
        Err(Error::Objects {
            side: blocking
                .first()
                .map_or(Side::Source, |finding| finding.side),
            what: format!("refused by {}", ids.join(", ")),
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
