//! What a verb works with, and what all of them do with it.

use pgl_cli::{Context, Failure, StepProgress};
use pgl_core::control::Typed;
use pgl_core::doc::Verdict;

use crate::args::{Common, Control};
use crate::context::{ControlContext, failure};
use crate::view::ControlBody;

/// What a verb works with.
pub(crate) struct Work<'a> {
    pub(crate) control: &'a Control,
    pub(crate) args: &'a Common,
    pub(crate) context: &'a Context,
    pub(crate) migration: ControlContext,
    pub(crate) watch: &'a StepProgress<'a>,
    pub(crate) body: ControlBody,
    pub(crate) names: Vec<Typed>,
}

/// How a verb ends; errors before anything was changed are failures, later ones stand in the body.
pub(crate) type Outcome = Result<Verdict, Failure>;

impl Work<'_> {
    pub(crate) fn emit(self, verdict: Verdict) -> Outcome {
        let document = self.context.document(
            verdict,
            Some(self.migration.migration()),
            Some(self.migration.plan),
            self.body,
        );
        self.context.emit(&document)?;
        Ok(verdict)
    }

    /// Goes on only with `--yes` or a person's word.
    pub(crate) fn consent(&self, question: &str) -> Result<(), Failure> {
        self.context.consent(question, self.args.yes)
    }

    /// Waits until what the source has written by now has arrived.
    pub(crate) fn settle(&mut self) -> Result<(), Failure> {
        let name = self.migration.plan.names.subscription.clone();
        pgl_apply::control::settle(
            &mut self.migration.source,
            &mut self.migration.target,
            &name,
            self.args.timeout,
            self.watch,
        )
        .map_err(failure)
    }
}
