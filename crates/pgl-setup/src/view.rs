//! The report: every step with its state, and what the copy carried.

use pgl_apply::{Error, ObjectFailure, copy::Copied};
use pgl_cli::units::{bytes, duration};
use pgl_cli::{Page, Report, Style, Table};
use pgl_core::doc::{Document, StepState};
use pgl_core::setup::StepId;
use pgl_core::{Side, plural};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

/// The tool's own part of the document.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SetupReport {
    /// Whether nothing was changed because nothing was to be.
    pub dry_run: bool,
    /// Every step, in order.
    pub steps: Vec<StepReport>,
    /// The copy; null where this run did not reach it.
    pub copy: Option<Copied>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StepReport {
    /// Id.
    pub id: StepId,
    /// The server that it changes.
    pub side: Option<Side>,
    /// Where it stands.
    pub state: StepState,
    /// Seconds it took.
    pub seconds: f64,
    /// What it did, or why it did nothing.
    pub what: String,
    /// What to do, where it failed.
    pub hint: Option<String>,
    /// Its statements, in a dry run.
    pub sql: Option<Vec<String>>,
    /// Each object that failed.
    pub failures: Vec<ObjectFailure>,
}

impl StepReport {
    /// What the error says, with each object.
    pub(crate) fn fail(&mut self, error: &Error) {
        self.what = error.to_string();
        self.hint = error.report().hint;
        if let Error::Objects { failures, .. } | Error::Blocked { failures, .. } = error {
            self.failures.clone_from(failures);
        }
    }
}

impl Report for SetupReport {
    fn text(document: &Document<Self>, page: &mut Page) {
        let report = &document.body;
        if report.dry_run {
            script(report, page);
            return;
        }
        let (reached, beyond): (Vec<_>, Vec<_>) =
            (report.steps.iter()).partition(|step| step.state != StepState::NotReached);
        for step in reached {
            if step.state == StepState::Skipped && UNASKED.contains(&step.what.as_str()) {
                continue;
            }
            let time = if step.seconds >= 0.05 {
                duration(std::time::Duration::from_secs_f64(step.seconds))
            } else {
                String::new()
            };
            let state = format!("{:<11}", step.state.word());
            let rest = format!(" {:<22} {time}", step.id);
            page.spans(&[(step.state.into(), &state), (Style::Plain, &rest)]);
            page.wrapped(12, &step.what);
            for cause in Error::causes(&step.failures) {
                page.wrapped(14, &format!("{}: {}", cause.what, some(&cause.objects)));
                for more in &cause.more {
                    page.wrapped(16, more);
                }
            }
            if let Some(hint) = &step.hint {
                page.wrapped(14, &format!("hint: {hint}"));
            }
        }
        if let (Some(first), Some(last)) = (beyond.first(), beyond.last()) {
            let span = match beyond.len() {
                1 => first.id.to_string(),
                count => format!("{count} steps, {} to {}", first.id, last.id),
            };
            page.spans(&[
                (
                    StepState::NotReached.into(),
                    &format!("{:<11}", StepState::NotReached.word()),
                ),
                (Style::Plain, &format!(" {span}")),
            ]);
        }
        if let Some(copy) = &report.copy {
            let rows: u64 = copy.tables.iter().map(|table| table.rows).sum();
            let size: u64 = copy.tables.iter().map(|table| table.bytes).sum();
            page.gap();
            page.line(format!(
                "{}, {}, {} copied; changes follow from {} through slot {}",
                plural(copy.tables.len(), "table"),
                plural(rows, "row"),
                bytes(size),
                copy.lsn,
                copy.slot
            ));
        }
    }

    fn table(document: &Document<Self>) -> Table {
        let mut table = Table::new(&["step", "side", "state", "seconds", "what"]);
        for step in &document.body.steps {
            table.row([
                step.id.as_str().to_owned(),
                step.side.map_or_else(String::new, |side| side.to_string()),
                step.state.word().to_owned(),
                format!("{:.3}", step.seconds),
                step.what.clone(),
            ]);
        }
        table
    }

    fn records(document: &Document<Self>) -> Vec<Value> {
        let with_type = |kind: &str, value: Value| match value {
            Value::Object(mut map) => {
                map.insert("type".to_owned(), json!(kind));
                Value::Object(map)
            }
            other => json!({"type": kind, "value": other}),
        };
        let steps = document
            .body
            .steps
            .iter()
            .map(|step| with_type("step", json!(step)));
        let tables = document
            .body
            .copy
            .iter()
            .flat_map(|copy| &copy.tables)
            .map(|table| with_type("table", json!(table)));
        steps.chain(tables).collect()
    }
}

/// Reasons of steps that nobody asked for: people need not read about them.
const UNASKED: [&str; 2] = [pgl_core::setup::NOT_NAMED, pgl_core::setup::AFTER_UNTIL];

/// A few names, and how many more.
fn some(objects: &[&str]) -> String {
    let shown = objects
        .iter()
        .take(5)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    match objects.len().checked_sub(5) {
        Some(more) if more > 0 => format!("{shown} and {more} more"),
        _ => shown,
    }
}

/// A dry run reads as a script.
fn script(report: &SetupReport, page: &mut Page) {
    for step in &report.steps {
        let side = step
            .side
            .map_or_else(String::new, |side| format!(", on the {side}"));
        let head = format!("-- {} ({}{side})", step.id, step.state.word());
        page.heading(Style::Bold, &head);
        let failures = Error::causes(&step.failures).into_iter().flat_map(|cause| {
            let what = format!("{}: {}", cause.what, some(&cause.objects));
            std::iter::once(what).chain(cause.more)
        });
        let hint = step.hint.iter().map(|hint| format!("hint: {hint}"));
        for text in std::iter::once(step.what.clone())
            .chain(failures)
            .chain(hint)
        {
            for line in text.lines() {
                page.line(format!("--   {line}"));
            }
        }
        for statement in step.sql.iter().flatten() {
            let statement = statement.trim_end();
            let end = if statement.ends_with(';') || statement.starts_with("--") {
                ""
            } else {
                ";"
            };
            page.line(format!("{statement}{end}"));
        }
        page.gap();
    }
}
