//! What the command line asks for, and what becomes of it.

use pgl_cli::{Context, StepProgress};
use pgl_core::Exit;
use pgl_core::doc::Verdict;

use crate::args::{Command, Control};
use crate::context::ControlContext;
use crate::view::ControlBody;
use crate::work::{Outcome, Work};
use crate::{add_sequence, add_table, pause, remove_table, resync, skip};

pub(crate) fn run(control: &Control, context: &Context) -> Outcome {
    let args = control.common();
    let screen = StepProgress::new(context);
    let mut work = Work {
        control,
        args,
        context,
        migration: ControlContext::find(args, context)?,
        watch: &screen,
        body: ControlBody::new(control.verb(), args.dry_run),
        names: control.names().to_vec(),
    };
    let _watched = (
        context.watch(&work.migration.source),
        context.watch(&work.migration.target),
    );
    let verdict = match &control.command {
        Command::Pause(_) => pause::pause(&mut work),
        Command::Resume(_) => pause::resume(&mut work),
        Command::Resync { .. } => resync::run(&mut work),
        Command::AddTable { .. } => add_table::run(&mut work),
        Command::RemoveTable { .. } => remove_table::run(&mut work),
        Command::AddSequence { .. } => add_sequence::run(&mut work),
        Command::Skip { lsn, .. } => skip::run(&mut work, *lsn),
    };
    match verdict {
        Ok(verdict) => work.emit(verdict),
        Err(error) => {
            // What was done before it stands in the document; a run that did nothing has none.
            if work.body.dry_run || work.body.steps.is_empty() {
                return Err(error);
            }
            work.body.error = Some(error.message.clone());
            context.say(&format!("pgl-control: error: {error}"));
            let verdict = match error.exit {
                // "Nothing was changed" would not be true.
                Exit::Refused if work.body.changed() => Verdict::Partial,
                Exit::Refused => Verdict::Refused,
                Exit::NotYet => Verdict::NotYet,
                Exit::No => Verdict::No,
                _ if work.body.changed() => Verdict::Partial,
                _ => Verdict::Unknown,
            };
            work.emit(verdict)
        }
    }
}
