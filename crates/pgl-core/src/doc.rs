//! Documents: what the tools print as JSON and take from each other.
//!
//! Every document starts with the same envelope and passes `migration` and `plan` on, so that any
//! tool's output is any other tool's input. Readers ignore unknown fields and refuse an unknown
//! major version of the schema.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Exit, Migration, Plan};

/// The answer of a tool, in one word. Each exit code below 70 has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Done; yes; healthy; equal.
    Ok,
    /// Ran well, the answer is no.
    No,
    /// Could not find out.
    Unknown,
    /// Not yet; trying again makes sense.
    NotYet,
    /// Refused; nothing was changed.
    Refused,
    /// Partly applied; running again continues.
    Partial,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Would be done.
    Planned,
    /// Done by this run.
    Done,
    /// Was done: nothing to do.
    Already,
    /// Left out.
    Skipped,
    /// Would be refused.
    Refused,
    /// Failed.
    Failed,
    /// Not come to: an earlier one failed.
    NotReached,
}

impl StepState {
    /// As people read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Done => "done",
            Self::Already => "already",
            Self::Skipped => "left out",
            Self::Refused => "refused",
            Self::Failed => "FAILED",
            Self::NotReached => "not reached",
        }
    }
}

impl Verdict {
    /// As it is written in a document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::No => "no",
            Self::Unknown => "unknown",
            Self::NotYet => "not_yet",
            Self::Refused => "refused",
            Self::Partial => "partial",
        }
    }

    /// The exit code that says the same.
    pub fn exit(self) -> Exit {
        match self {
            Self::Ok => Exit::Yes,
            Self::No => Exit::No,
            Self::Unknown => Exit::Unknown,
            Self::NotYet => Exit::NotYet,
            Self::Refused => Exit::Refused,
            Self::Partial => Exit::Partial,
        }
    }
}

/// A whole document: the envelope and the tool's own part.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Document<B> {
    /// `pgl.<tool>/<major>`.
    pub schema: String,
    /// The tool's name: `pgl-preflight`.
    pub tool: String,
    /// The tool's version.
    pub version: String,
    /// When it was made, RFC 3339 in UTC.
    pub generated_at: String,
    /// The answer.
    pub verdict: Verdict,
    /// Ids of the findings that stand behind a blocking verdict; a later tool refuses the
    /// document unless told to override exactly these.
    pub blocked_by: Vec<String>,
    /// The two databases.
    pub migration: Option<Migration>,
    /// What is replicated and how.
    pub plan: Option<Plan>,
    /// The tool's own part.
    #[serde(flatten)]
    pub body: B,
}

/// What a tool reads of a document that another tool wrote.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Incoming {
    /// `pgl.<tool>/<major>`.
    pub schema: String,
    /// The tool that wrote it.
    pub tool: String,
    /// Its answer.
    pub verdict: Verdict,
    /// Ids of blocking findings.
    #[serde(default)]
    pub blocked_by: Vec<String>,
    /// The two databases.
    #[serde(default)]
    pub migration: Option<Migration>,
    /// What is replicated and how.
    #[serde(default)]
    pub plan: Option<Plan>,
}

/// Why a document cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadDocument {
    /// It ends before its end.
    #[error("incomplete document")]
    Incomplete,
    /// Not JSON, or not of the envelope's form.
    #[error("not a document of this suite: {0}")]
    Form(String),
    /// Another major version.
    #[error("document of schema {0}: this version reads only major 1")]
    Major(String),
}

impl Incoming {
    /// Reads a document. NDJSON is not a document: the first line alone would carry no verdict.
    pub fn read(text: &str) -> Result<Self, BadDocument> {
        let incoming: Self = serde_json::from_str(text).map_err(|error| match error.is_eof() {
            true => BadDocument::Incomplete,
            false => BadDocument::Form(error.to_string()),
        })?;
        let known = incoming
            .schema
            .strip_prefix("pgl.")
            .and_then(|rest| rest.split_once('/'))
            .is_some_and(|(_, major)| major == "1");
        if known {
            Ok(incoming)
        } else {
            Err(BadDocument::Major(incoming.schema))
        }
    }

    /// The blocking ids that `--force` does not name. Empty means: go on.
    pub fn still_blocked<'a>(&'a self, forced: &[String]) -> Vec<&'a str> {
        self.blocked_by
            .iter()
            .filter(|id| !forced.contains(id))
            .map(String::as_str)
            .collect()
    }

    /// Whether the document's verdict lets a later tool go on, given `--force`. A verdict that is
    /// not `ok` and names nothing to override cannot be overridden.
    pub fn usable(&self, forced: &[String]) -> bool {
        match self.verdict {
            Verdict::Ok => true,
            Verdict::No => !self.blocked_by.is_empty() && self.still_blocked(forced).is_empty(),
            Verdict::Unknown | Verdict::NotYet | Verdict::Refused | Verdict::Partial => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(schema: &str, verdict: &str, blocked: &str) -> String {
        format!(
            r#"{{"schema":"{schema}","tool":"pgl-preflight","version":"0","verdict":"{verdict}",
               "blocked_by":{blocked},"unknown_field":1}}"#
        )
    }

    #[test]
    fn unknown_fields_pass_unknown_majors_do_not() {
        assert!(Incoming::read(&text("pgl.preflight/1", "ok", "[]")).is_ok());
        let refused = Incoming::read(&text("pgl.preflight/2", "ok", "[]"));
        assert!(matches!(refused, Err(BadDocument::Major(_))));
        assert!(matches!(Incoming::read("{}"), Err(BadDocument::Form(_))));
        for cut in [
            "",
            "{\"schema\": \"pgl.pre",
            "{\"schema\": \"pgl.preflight/1\", \"tool\":",
        ] {
            assert_eq!(Incoming::read(cut).unwrap_err(), BadDocument::Incomplete);
        }
    }

    #[test]
    fn a_blocking_verdict_needs_every_id_forced() {
        let doc = Incoming::read(&text("pgl.preflight/1", "no", r#"["a.b","c.d"]"#)).unwrap();
        assert!(!doc.usable(&[]));
        assert!(!doc.usable(&["a.b".to_owned()]));
        assert!(doc.usable(&["a.b".to_owned(), "c.d".to_owned()]));
        let unknown = Incoming::read(&text("pgl.preflight/1", "unknown", "[]")).unwrap();
        assert!(!unknown.usable(&["a.b".to_owned()]));
    }
}
