//! How a step fails.

use std::collections::BTreeMap;
use std::fmt;

use pgl_core::exit::FailureReport;
use pgl_core::preflight::blocked_by;
use pgl_core::{Exit, Side, plural};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cutover::OVERTAKEN;

/// A failure of one object of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ObjectFailure {
    /// The object, as a person names it.
    pub object: String,
    /// The server's code.
    pub sqlstate: Option<String>,
    /// The server's message.
    pub message: String,
    /// Its detail.
    pub detail: Option<String>,
    /// The server's CONTEXT: the call stack inside functions, the line of a COPY.
    pub context: Option<String>,
    /// How to mend it.
    pub hint: Option<String>,
}

impl ObjectFailure {
    /// The failure of `object` that `error` tells.
    pub fn new(object: impl Into<String>, error: &pgl_conn::Error) -> Self {
        Self {
            object: object.into(),
            sqlstate: error.sqlstate.clone(),
            message: error.message.clone(),
            detail: error.detail.clone(),
            context: error.whence.clone(),
            hint: error.hint.clone(),
        }
    }
}

/// Why a step did not come to its end.
#[derive(Debug)]
pub enum Error {
    /// What a server or a connection said.
    Server(pgl_conn::Error),
    /// A precondition does not hold; nothing was changed by this step.
    Refused {
        /// The server it is about.
        side: Option<Side>,
        /// What is in the way.
        what: String,
        /// What to do.
        hint: String,
    },
    /// Another run has rolled back, finished or replaced the attempt that this one worked on: this transaction
    /// changed nothing.
    Overtaken {
        /// The server that records it.
        side: Side,
    },
    /// Time ran out; trying again makes sense.
    NotYet {
        /// The server it is about.
        side: Side,
        /// What was waited for.
        what: String,
        /// What to do.
        hint: String,
    },
    /// A program did not end within its limit.
    Late {
        /// Which program, and the limit.
        what: String,
        /// What to do.
        hint: String,
    },
    /// A program that is needed is missing or failed.
    Program {
        /// What failed.
        what: String,
        /// What it said.
        detail: String,
        /// What to do.
        hint: String,
    },
    /// Several objects failed; the others are done.
    Objects {
        /// The server.
        side: Side,
        /// What was being done.
        what: String,
        /// Each object with its error.
        failures: Vec<ObjectFailure>,
    },
    /// Checks block; nothing was changed.
    Blocked {
        /// The server of the first one.
        side: Side,
        /// The ids of the checks.
        checks: Vec<String>,
        /// What to do.
        hint: String,
        /// Each finding.
        failures: Vec<ObjectFailure>,
    },
    /// A signal came.
    Interrupted,
}

impl Error {
    /// As a tool tells it.
    pub fn report(&self) -> FailureReport {
        let mut told = FailureReport {
            exit: Exit::Unknown,
            side: None,
            sqlstate: None,
            message: self.to_string(),
            detail: None,
            hint: self.hint(),
        };
        match self {
            Self::Server(error) => return error.report(),
            Self::Refused { side, .. } => {
                told.exit = Exit::Refused;
                told.side = *side;
            }
            Self::Overtaken { side } | Self::Blocked { side, .. } => {
                told.exit = Exit::Refused;
                told.side = Some(*side);
            }
            Self::NotYet { side, .. } => {
                told.exit = Exit::NotYet;
                told.side = Some(*side);
            }
            Self::Late { .. } => told.exit = Exit::NotYet,
            Self::Objects { side, .. } => told.side = Some(*side),
            Self::Program { .. } => {}
            Self::Interrupted => told.exit = Exit::Interrupted,
        }
        told
    }

    /// What to do, where that is known.
    fn hint(&self) -> Option<String> {
        match self {
            Self::Server(error) => error.hint.clone(),
            Self::Refused { hint, .. }
            | Self::NotYet { hint, .. }
            | Self::Late { hint, .. }
            | Self::Blocked { hint, .. }
            | Self::Program { hint, .. } => Some(hint.clone()),
            Self::Objects { .. } => Some(
                "fix the cause and run the same command again: steps that are done are not repeated".to_owned(),
            ),
            Self::Overtaken { .. } => {
                Some("pgl-cutover --dry-run reports what holds now".to_owned())
            }
            Self::Interrupted => Some("run the same command again to continue".to_owned()),
        }
    }

    /// A refusal about one server.
    pub fn refused(side: Side, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused {
            side: Some(side),
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// The failures with equal cause, most frequent first.
    pub fn causes(failures: &[ObjectFailure]) -> Vec<SharedCause<'_>> {
        let mut groups: BTreeMap<(Option<&str>, &str), Vec<&ObjectFailure>> = BTreeMap::new();
        for failure in failures {
            groups
                .entry((failure.sqlstate.as_deref(), failure.message.as_str()))
                .or_default()
                .push(failure);
        }
        let causes = groups.into_iter().map(|((state, message), all)| {
            let first = all.first();
            let said = |label: &str, text: Option<&String>| {
                text.map(|text| {
                    format!("{label} of {}: {text}", first.map_or("", |one| &one.object))
                })
            };
            SharedCause {
                what: match state {
                    Some(state) => format!("{message} (SQLSTATE {state})"),
                    None => message.to_owned(),
                },
                objects: all.iter().map(|one| one.object.as_str()).collect(),
                more: [
                    said("detail", first.and_then(|one| one.detail.as_ref())),
                    said("context", first.and_then(|one| one.context.as_ref())),
                ]
                .into_iter()
                .flatten()
                .collect(),
            }
        });
        let mut out: Vec<SharedCause<'_>> = causes.collect();
        out.sort_by(|a, b| {
            (b.objects.len().cmp(&a.objects.len())).then_with(|| a.what.cmp(&b.what))
        });
        out
    }
}

/// What several objects failed of.
#[derive(Debug, PartialEq, Eq)]
pub struct SharedCause<'a> {
    /// The message and its code.
    pub what: String,
    /// The objects.
    pub objects: Vec<&'a str>,
    /// Detail and context of the first one, as far as the server gave any.
    pub more: Vec<String>,
}

impl From<pgl_conn::Error> for Error {
    fn from(error: pgl_conn::Error) -> Self {
        if error.is_sqlstate(OVERTAKEN) {
            return Self::Overtaken { side: error.side };
        }
        Self::Server(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(error) => error.fmt(f),
            Self::Refused { what, .. } | Self::NotYet { what, .. } | Self::Late { what, .. } => {
                f.write_str(what)
            }
            Self::Overtaken { .. } => f.write_str(
                "another run has taken over this attempt at the cutover: this run has touched nothing since",
            ),
            Self::Program { what, detail, .. } => write!(f, "{what}: {detail}"),
            Self::Objects { what, failures, .. } => {
                write!(f, "{what}: {} failed", plural(failures.len(), "object"))
            }
            Self::Blocked { checks, .. } => f.write_str(&blocked_by(checks)),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_causes_are_one_group() {
        let failure = |object: &str, message: &str| ObjectFailure {
            object: object.to_owned(),
            sqlstate: Some("42704".to_owned()),
            message: message.to_owned(),
            detail: Some(format!("of {object}")),
            context: None,
            hint: None,
        };
        let all = [
            failure("a", "role x"),
            failure("b", "role y"),
            failure("c", "role x"),
        ];
        let causes = Error::causes(&all);
        assert_eq!(causes.len(), 2);
        assert_eq!(causes[0].what, "role x (SQLSTATE 42704)");
        assert_eq!(causes[0].objects, ["a", "c"]);
        assert_eq!(causes[0].more, ["detail of a: of a"]);
    }
}
