//! How a tool fails: what, on which server, with which SQLSTATE, what to do, and the exit code.

use std::fmt;
use std::io;

use pgl_core::exit::FailureReport;
use pgl_core::select::EmptySelection;
use pgl_core::{Exit, Side};
use serde::Serialize;

/// A failure that ends the tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The exit code.
    #[serde(serialize_with = "exit_code")]
    pub exit: Exit,
    /// The server it is about.
    pub side: Option<Side>,
    /// SQLSTATE, where a server said it.
    pub sqlstate: Option<String>,
    /// What failed: a lower-case fragment that names the object.
    pub message: String,
    /// What the server added.
    pub detail: Option<String>,
    /// What to do.
    pub hints: Vec<String>,
}

fn exit_code<S: serde::Serializer>(exit: &Exit, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(exit.code())
}

impl Failure {
    /// A failure with this exit code.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            side: None,
            sqlstate: None,
            message: message.into(),
            detail: None,
            hints: Vec::new(),
        }
    }

    /// The command line or the input cannot be used.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A precondition does not hold; nothing was changed.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, message)
    }

    /// It could not be found out.
    pub fn unknown(message: impl Into<String>) -> Self {
        Self::new(Exit::Unknown, message)
    }

    /// A signal came.
    pub fn interrupted(exit: Exit) -> Self {
        Self::new(exit, "interrupted")
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Names the server.
    #[must_use]
    pub fn on(mut self, side: Side) -> Self {
        self.side = Some(side);
        self
    }

    /// The failure for an answer that could not be written, in part or at all.
    pub fn output(error: &io::Error) -> Self {
        let message = if error.kind() == io::ErrorKind::BrokenPipe {
            "cannot write the result: the reader of standard output has closed it".to_owned()
        } else {
            format!("cannot write the result: {error}")
        };
        Self::new(Exit::Output, message)
    }
}

impl From<EmptySelection> for Failure {
    fn from(empty: EmptySelection) -> Self {
        Self::usage(empty.to_string())
            .hint("patterns are those of pg_dump -t, TABLE or SCHEMA.TABLE, without a database: * and ? are wildcards, a name with upper case or a dot needs double quotes")
    }
}

impl From<FailureReport> for Failure {
    fn from(told: FailureReport) -> Self {
        Self {
            exit: told.exit,
            side: told.side,
            sqlstate: told.sqlstate,
            message: told.message,
            detail: told.detail,
            hints: told.hint.into_iter().collect(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(side) = self.side {
            // The connection layer's own texts already begin with the role.
            if !self.message.starts_with(&format!("{side}: ")) {
                write!(f, "{side}: ")?;
            }
        }
        // Lines of a server's text are set off from ours.
        let inset = |text: &str| text.trim_end().replace('\n', "\n    ");
        f.write_str(&inset(&self.message))?;
        if let Some(state) = &self.sqlstate {
            write!(f, " (SQLSTATE {state})")?;
        }
        if let Some(detail) = &self.detail {
            write!(f, "\n  detail: {}", inset(detail))?;
        }
        for hint in &self.hints {
            write!(f, "\n  hint: {}", inset(hint))?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_s_lines_are_no_lines_of_ours() {
        let mut failure = Failure::unknown("first\npgl-verify: identical").hint("do\n\tthis");
        failure.detail = Some("one\ntwo\n".to_owned());
        assert_eq!(
            failure.to_string(),
            "first\n    pgl-verify: identical\n  detail: one\n    two\n  hint: do\n    \tthis"
        );
    }
}
