//! What the command line asks for, and what becomes of it.

use pgl_cli::{Consent, Context, Failure, Screen};
use pgl_core::Exit;
use pgl_core::control::{Typed, Verb};
use pgl_core::doc::Verdict;

use crate::args::Control;
use crate::ground::{Ground, failure};
use crate::view::Body;
use crate::{add, flow, leave, resync, sequence, skip};

/// What a verb works with.
pub(crate) struct Work<'a> {
    pub(crate) args: &'a Control,
    pub(crate) context: &'a Context,
    pub(crate) ground: Ground,
    pub(crate) watch: &'a Screen<'a>,
    pub(crate) body: Body,
    pub(crate) names: Vec<Typed>,
}

/// How a verb ends; errors before anything was changed are failures, later ones stand in the body.
pub(crate) type Outcome = Result<Verdict, Failure>;

pub(crate) fn run(args: &Control, context: &Context) -> Outcome {
    let verb = args.action.verb();
    let names = names(args, verb)?;
    let screen = Screen::new(context);
    let mut work = Work {
        args,
        context,
        ground: Ground::find(args, context)?,
        watch: &screen,
        body: Body::new(verb, args.dry_run),
        names,
    };
    let _watched = (
        context.watch(&work.ground.source),
        context.watch(&work.ground.target),
    );
    let verdict = match verb {
        Verb::Pause => flow::pause(&mut work),
        Verb::Resume => flow::resume(&mut work),
        Verb::Resync => resync::run(&mut work),
        Verb::AddTable => add::run(&mut work),
        Verb::RemoveTable => leave::run(&mut work),
        Verb::AddSequence => sequence::run(&mut work),
        Verb::Skip => skip::run(&mut work),
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

fn names(args: &Control, verb: Verb) -> Result<Vec<Typed>, Failure> {
    if verb.takes_names() == args.names.is_empty() {
        return Err(Failure::usage(if verb.takes_names() {
            format!("{} which? Name at least one", verb.as_str())
        } else {
            format!("{} takes no names", verb.as_str())
        }));
    }
    if args.lsn.is_some() && verb != Verb::Skip {
        return Err(Failure::usage("--lsn goes with skip"));
    }
    if args.always && verb != Verb::Resync {
        return Err(Failure::usage("--always goes with resync"));
    }
    args.names
        .iter()
        .map(|text| Typed::parse(text).map_err(|error| Failure::usage(error.to_string())))
        .collect()
}

impl Work<'_> {
    fn emit(self, verdict: Verdict) -> Outcome {
        let document = self.context.document(
            verdict,
            Some(self.ground.migration()),
            Some(self.ground.plan),
            self.body,
        );
        self.context.emit(&document)?;
        Ok(verdict)
    }

    /// Goes on only with `--yes` or a person's word.
    pub(crate) fn consent(&self, question: &str) -> Result<(), Failure> {
        let consent = if self.args.yes {
            Consent::Given
        } else {
            Consent::Ask
        };
        self.context.consent(question, consent)
    }

    /// Waits until what the source has written by now has arrived.
    pub(crate) fn settle(&mut self) -> Result<(), Failure> {
        let name = self.ground.plan.names.subscription.clone();
        pgl_apply::control::settle(
            &mut self.ground.source,
            &mut self.ground.target,
            &name,
            self.args.timeout,
            self.watch,
        )
        .map_err(failure)
    }
}
