//! The answer: what was done, how long it took, how long nobody could write.

use std::time::Duration;

use pgl_cli::{Page, Report, Style, Table, units};
use pgl_core::Lsn;
use pgl_core::cutover::{AttemptState, Direction, Refusal};
use pgl_core::doc::Document;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

/// The tool's own part of the document.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CutoverBody {
    /// Which way.
    pub direction: Direction,
    /// Where it stands now; null where nothing was begun.
    pub state: Option<AttemptState>,
    /// Whether everything was rolled back on purpose (`pgl-cutover rehearse`).
    pub rehearsal: bool,
    /// Seconds from the block until the target, or the source again, took writes; null without one.
    pub pause_seconds: Option<f64>,
    /// The last position of the provider; null before it was known.
    pub final_lsn: Option<Lsn>,
    /// Whether replication back is prepared.
    pub reverse: bool,
    /// What was done, in order, with the seconds that each part took.
    pub phases: Vec<Phase>,
    /// What is in the way.
    pub refusals: Vec<Refusal>,
    /// Tables that were copied again.
    pub recopied: Vec<RecopiedTable>,
    /// What was compared.
    pub checked: Checked,
    /// The statements, in a dry run.
    pub sql: Vec<String>,
    /// What has to be known, in sentences.
    pub notes: Vec<String>,
    /// Why it did not come to its end; null where it did.
    pub error: Option<String>,
}

/// A part of the work.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Phase {
    /// Stable id.
    pub id: String,
    /// Seconds.
    pub seconds: f64,
    /// Whether writers waited for it.
    pub in_pause: bool,
    /// What it did.
    pub what: String,
}

/// A table that was copied again.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RecopiedTable {
    /// Schema and name.
    pub table: String,
    /// Rows.
    pub rows: u64,
}

/// What was compared.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Checked {
    /// Tables compared before the release.
    pub before: usize,
    /// Tables compared after it, as they were at the moment of the release.
    pub after: usize,
    /// Differences.
    pub differences: Vec<String>,
}

impl CutoverBody {
    pub(crate) fn new(direction: Direction) -> Self {
        Self {
            direction,
            state: None,
            rehearsal: false,
            pause_seconds: None,
            final_lsn: None,
            reverse: false,
            phases: Vec::new(),
            refusals: Vec::new(),
            recopied: Vec::new(),
            checked: Checked::default(),
            sql: Vec::new(),
            notes: Vec::new(),
            error: None,
        }
    }
}

impl Report for CutoverBody {
    fn text(document: &Document<Self>, page: &mut Page) {
        let body = &document.body;
        for refusal in &body.refusals {
            page.heading(Style::Red, &format!("{}: {}", refusal.id, refusal.what));
            page.wrapped(2, &format!("hint: {}", refusal.hint));
        }
        if !body.phases.is_empty() {
            let mut table = Table::new(&["phase", "seconds", "writes blocked", "what"]);
            for phase in &body.phases {
                table.row([
                    phase.id.clone(),
                    format!("{:.3}", phase.seconds),
                    if phase.in_pause { "yes" } else { "" }.to_owned(),
                    phase.what.clone(),
                ]);
            }
            page.table(&table);
        }
        for statement in &body.sql {
            page.line(statement);
        }
        for difference in &body.checked.differences {
            page.heading(Style::Red, difference);
        }
        for note in &body.notes {
            page.wrapped(0, note);
        }
        if let Some(seconds) = body.pause_seconds {
            page.gap();
            let what = if body.rehearsal {
                "writes would be blocked for"
            } else {
                "writes were blocked for"
            };
            page.heading(
                Style::Bold,
                &format!(
                    "{what} {}",
                    units::duration(Duration::from_secs_f64(seconds))
                ),
            );
        }
        if let Some(state) = body.state {
            page.line(format!("state: {}", state.as_str()));
        }
    }

    fn table(document: &Document<Self>) -> Table {
        let mut table = Table::new(&["phase", "seconds", "in_pause", "what"]);
        for phase in &document.body.phases {
            table.row([
                phase.id.clone(),
                format!("{:.6}", phase.seconds),
                phase.in_pause.to_string(),
                phase.what.clone(),
            ]);
        }
        table
    }

    fn records(document: &Document<Self>) -> Vec<Value> {
        let body = &document.body;
        let mut records: Vec<Value> = body
            .phases
            .iter()
            .map(|phase| {
                json!({"type": "phase", "id": phase.id, "seconds": phase.seconds,
                       "in_pause": phase.in_pause, "what": phase.what})
            })
            .collect();
        records.extend(body.refusals.iter().map(|refusal| {
            json!({"type": "refusal", "id": refusal.id, "what": refusal.what, "hint": refusal.hint})
        }));
        records.push(
            json!({"type": "cutover", "state": body.state, "direction": body.direction,
            "pause_seconds": body.pause_seconds, "final_lsn": body.final_lsn,
            "differences": body.checked.differences, "notes": body.notes, "error": body.error}),
        );
        records
    }
}
