//! The answer: what was done, table by table, and what has to be known.

use pgl_apply::control::Replaced;
use pgl_cli::{Page, Report, Style, Table};
use pgl_core::control::{Emptied, Orphans, Transaction, Verb};
use pgl_core::doc::{Document, StepState, Verdict};
use pgl_core::{Side, plural};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

/// The tool's own part of the document.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ControlBody {
    /// What was asked for.
    pub verb: Verb,
    /// Whether nothing was changed because nothing was to be.
    pub dry_run: bool,
    /// Whether everything stood as asked for already.
    pub already: bool,
    /// What was done, or would be, in order.
    pub steps: Vec<ControlStep>,
    /// The tables that were named.
    pub tables: Vec<TableReport>,
    /// Rows of the target, in other tables, that refer to the copied ones and find nothing; by foreign key.
    pub orphans: Vec<Orphans>,
    /// Sequences that are in the plan now and were not.
    pub sequences: Vec<String>,
    /// The transaction that stops the target, or was left out.
    pub transaction: Option<Transaction>,
    /// What has to be known, in sentences.
    pub notes: Vec<String>,
    /// Why it did not come to its end; null where it did.
    pub error: Option<String>,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ControlStep {
    /// Stable id.
    pub id: String,
    /// The server that it changes; null for both.
    pub side: Option<Side>,
    /// What became of it.
    pub state: StepState,
    /// What it does, in words.
    pub what: String,
    /// Its statements, in order.
    pub sql: Vec<String>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TableReport {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Its replication set; null where it is in none.
    pub set: Option<String>,
    /// How its rows on the target make room; null where they stay.
    pub emptied: Option<Emptied>,
    /// Foreign keys of other tables of the target that refer to it.
    pub referenced_by: Vec<String>,
    /// What was replaced by what; null where nothing was.
    pub replaced: Option<Replaced>,
    /// Whether both sides held the same rows before, so that nothing was copied.
    pub equal: bool,
}

impl ControlBody {
    pub(crate) fn new(verb: Verb, dry_run: bool) -> Self {
        Self {
            verb,
            dry_run,
            already: false,
            steps: Vec::new(),
            tables: Vec::new(),
            orphans: Vec::new(),
            sequences: Vec::new(),
            transaction: None,
            notes: Vec::new(),
            error: None,
        }
    }

    /// Adds a step: planned in a dry run, done otherwise.
    pub(crate) fn step(
        &mut self,
        id: &str,
        side: impl Into<Option<Side>>,
        what: impl Into<String>,
        sql: impl IntoIterator<Item = String>,
    ) {
        let state = if self.dry_run {
            StepState::Planned
        } else {
            StepState::Done
        };
        self.steps.push(ControlStep {
            id: id.to_owned(),
            side: side.into(),
            state,
            what: what.into(),
            sql: sql.into_iter().map(|one| one.trim().to_owned()).collect(),
        });
    }

    /// Adds a step that had nothing to do.
    pub(crate) fn already(
        &mut self,
        id: &str,
        side: impl Into<Option<Side>>,
        what: impl Into<String>,
    ) {
        self.steps.push(ControlStep {
            id: id.to_owned(),
            side: side.into(),
            state: StepState::Already,
            what: what.into(),
            sql: Vec::new(),
        });
    }

    /// Whether one of the servers is another than before.
    pub(crate) fn changed(&self) -> bool {
        self.steps
            .iter()
            .any(|step| step.side.is_some() && step.state == StepState::Done)
    }

    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }
}

impl Report for ControlBody {
    fn text(document: &Document<Self>, page: &mut Page) {
        let body = &document.body;
        for step in &body.steps {
            let word = format!("{:<8}", step.state.word());
            let side = step.side.map_or("both", Side::as_str);
            let what = format!(" {side:<7} {}", step.what);
            page.spans(&[(step.state.into(), &word), (Style::Plain, &what)]);
            if body.dry_run {
                for statement in &step.sql {
                    let end = if statement.starts_with("--") { "" } else { ";" };
                    page.wrapped(17, &format!("{}{end}", statement.trim_end_matches(';')));
                }
            }
        }
        for table in &body.tables {
            let name = pgl_core::QualifiedName::new(&table.schema, &table.name);
            if let Some(replaced) = &table.replaced {
                page.line(format!(
                    "{name}: {} before, {} now, as many as on the source at that moment",
                    plural(replaced.rows_before, "row"),
                    plural(replaced.rows, "row")
                ));
            } else if table.equal {
                page.line(format!("{name}: both sides hold the same rows"));
            }
            for reference in &table.referenced_by {
                page.wrapped(2, &format!("referred to by {reference}"));
            }
        }
        for one in &body.orphans {
            let child = pgl_core::QualifiedName::new(&one.schema, &one.table);
            page.heading(
                Style::Red,
                &format!(
                    "{child}: {} without a row in {} (foreign key {})",
                    plural(one.rows, "row"),
                    one.references,
                    one.constraint
                ),
            );
            let more = if one.rows > one.keys.len() as u64 {
                ", …"
            } else {
                ""
            };
            page.wrapped(
                2,
                &format!(
                    "({}) = {}{more}",
                    one.columns.join(", "),
                    one.keys.join(", ")
                ),
            );
        }
        if let Some(transaction) = &body.transaction {
            page.line(format!(
                "transaction {} of the source, {} changes, commit ends at {}",
                transaction.xid, transaction.changes, transaction.lsn
            ));
            for change in &transaction.shown {
                page.wrapped(2, &change.data);
            }
        }
        for note in &body.notes {
            page.wrapped(0, note);
        }
        if let Some(error) = &body.error {
            page.heading(Style::Red, error);
        }
        match (document.verdict, body.dry_run) {
            (Verdict::Ok, true) => page.line("Nothing was changed."),
            (Verdict::Ok, false) if body.already => page.line("It is so already."),
            _ => {}
        }
    }

    fn table(document: &Document<Self>) -> Table {
        let mut table = Table::new(&["step", "side", "state", "what"]);
        for step in &document.body.steps {
            table.row([
                step.id.as_str(),
                step.side.map_or("both", Side::as_str),
                step.state.word(),
                &step.what,
            ]);
        }
        table
    }

    fn records(document: &Document<Self>) -> Vec<Value> {
        let body = &document.body;
        let steps = body
            .steps
            .iter()
            .map(|step| json!({"type": "step", "step": step}));
        let tables = body
            .tables
            .iter()
            .map(|table| json!({"type": "table", "table": table}));
        let transaction = body
            .transaction
            .iter()
            .map(|one| json!({"type": "transaction", "transaction": one}));
        let orphans = body
            .orphans
            .iter()
            .map(|one| json!({"type": "orphans", "orphans": one}));
        steps
            .chain(tables)
            .chain(orphans)
            .chain(transaction)
            .collect()
    }
}
