//! The answer: as a document, as a table, and for people.

use std::time::Duration;

use pgl_cli::{Page, Report, Style, Table, units};
use pgl_core::cutover::{CutOver, READ_WRITE};
use pgl_core::doc::Document;
use pgl_core::seqsync::{SequenceEntry, SequenceMode, SequenceOutcome, SequenceState};
use pgl_core::{QualifiedName, plural};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::SeqsyncArgs;

/// The tool's own part of the document.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SeqsyncBody {
    /// How values were carried over.
    pub mode: SequenceMode,
    /// `--margin`.
    pub margin: u64,
    /// Whether this only judged (`--check`).
    pub check: bool,
    /// Whether this only showed (`--dry-run`).
    pub dry_run: bool,
    /// How many sequences came to what.
    pub counts: SequenceCounts,
    /// Transactions on the target, or on the source with `--mode pglogical`.
    pub transactions: usize,
    /// How long it took.
    pub seconds: f64,
    /// What has to be known to read this, in sentences.
    pub notes: Vec<String>,
    /// Every sequence, by schema and name.
    pub sequences: Vec<SequenceEntry>,
    /// Sequences of the source that are not carried over.
    pub skipped: Vec<Skipped>,
    /// The cutover that made the target the production database; null before it.
    pub cut_over: Option<CutOver>,
}

/// A sequence that is not carried over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Skipped {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Why.
    pub reason: String,
}

impl Skipped {
    pub(crate) fn of_extension(name: QualifiedName, extension: &str) -> Self {
        Self {
            schema: name.schema,
            name: name.name,
            reason: format!(
                "it belongs to extension {extension}: CREATE EXTENSION makes it on the target, with a value of its own"
            ),
        }
    }

    fn qualified(&self) -> QualifiedName {
        QualifiedName::new(&self.schema, &self.name)
    }
}

/// How many sequences came to what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SequenceCounts {
    /// All of them.
    pub total: usize,
    /// Already as wanted.
    pub equal: usize,
    /// Set, or to be set in a dry run.
    pub set: usize,
    /// Further on than the source, left alone.
    pub kept: usize,
    /// Would hand out a used value (`--check`).
    pub behind: usize,
    /// Not carried over.
    pub refused: usize,
    /// Sent by pglogical and not arrived yet.
    pub pending: usize,
    /// With properties that differ between the sides.
    pub different: usize,
}

impl SeqsyncBody {
    pub(crate) fn new(
        args: &SeqsyncArgs,
        sequences: Vec<SequenceEntry>,
        skipped: Vec<Skipped>,
        transactions: usize,
        took: Duration,
    ) -> Self {
        let request = args.request();
        let count = |wanted: &[SequenceOutcome]| {
            sequences
                .iter()
                .filter(|e| wanted.contains(&e.outcome))
                .count()
        };
        let counts = SequenceCounts {
            total: sequences.len(),
            equal: count(&[SequenceOutcome::Equal]),
            set: count(&[SequenceOutcome::Set, SequenceOutcome::WouldSet]),
            kept: count(&[SequenceOutcome::Kept]),
            behind: count(&[SequenceOutcome::Behind]),
            refused: count(&[SequenceOutcome::Refused]),
            pending: count(&[SequenceOutcome::Pending]),
            different: sequences
                .iter()
                .filter(|e| !e.differences.is_empty())
                .count(),
        };
        let mut notes = Vec::new();
        if request.mode == SequenceMode::Pglogical {
            notes.push(
                "pglogical sends last_value plus its buffer (1000 at first, up to 1000000 for a \
                 busy sequence) and always as already handed out: the target starts that far \
                 ahead, and a gap stays in the numbers"
                    .to_owned(),
            );
        }
        if transactions > 1 {
            notes.push(format!(
                "the server's lock table does not hold all sequences at once: {transactions} \
                 transactions"
            ));
        }
        Self {
            mode: request.mode,
            margin: args.margin,
            check: args.check,
            dry_run: args.dry_run,
            counts,
            transactions,
            seconds: (took.as_secs_f64() * 1000.0).round() / 1000.0,
            notes,
            sequences,
            skipped,
            cut_over: None,
        }
    }
}

fn value(state: Option<SequenceState>) -> String {
    state.map_or(String::new(), |state| state.last_value.to_string())
}

fn called(state: Option<SequenceState>) -> String {
    state.map_or(String::new(), |state| state.is_called.to_string())
}

/// `57`, and `57 (not yet handed out)` where is_called is false.
fn shown(state: Option<SequenceState>) -> String {
    match state {
        None => "-".to_owned(),
        Some(state) if state.is_called => state.last_value.to_string(),
        Some(state) => format!("{} unused", state.last_value),
    }
}

fn remarks(entry: &SequenceEntry) -> Vec<String> {
    let why = entry.why.map(|why| why.text().to_owned());
    let differences = entry.differences.iter().map(|one| {
        format!(
            "{}: {} on the source, {} on the target",
            one.property, one.source, one.target
        )
    });
    why.into_iter()
        .chain(entry.notes.iter().cloned())
        .chain(differences)
        .collect()
}

impl Report for SeqsyncBody {
    fn text(document: &Document<Self>, page: &mut Page) {
        let body = &document.body;
        let mut table = Table::new(&["sequence", "outcome", "source", "before", "wanted", "after"]);
        for entry in &body.sequences {
            if entry.outcome == SequenceOutcome::Equal && entry.differences.is_empty() {
                continue;
            }
            table.row([
                entry.qualified().to_string(),
                entry.outcome.as_str().to_owned(),
                shown(entry.source),
                shown(entry.before),
                shown(entry.wanted),
                shown(entry.after),
            ]);
        }
        if !table.rows.is_empty() {
            page.table(&table);
            page.gap();
        }
        if body.dry_run && body.sequences.iter().any(|entry| entry.sql.is_some()) {
            // An attempt at a cutover leaves the target read-only for sessions that begin there.
            page.line(format!("{READ_WRITE};"));
        }
        for entry in &body.sequences {
            if body.dry_run
                && let Some(sql) = &entry.sql
            {
                page.line(sql);
            }
            let remarks = remarks(entry);
            if !remarks.is_empty() {
                let style = match entry.outcome {
                    SequenceOutcome::Refused | SequenceOutcome::Behind => Style::Red,
                    _ => Style::Yellow,
                };
                page.heading(style, &entry.qualified().to_string());
                for remark in remarks {
                    page.wrapped(2, &remark);
                }
            }
        }
        if let Some(cut) = &body.cut_over {
            page.wrapped(0, &format!("{cut}: the target is the production database"));
        }
        for one in &body.skipped {
            page.wrapped(0, &format!("skipped {}: {}", one.qualified(), one.reason));
        }
        for note in &body.notes {
            page.wrapped(0, note);
        }
        let counts = &body.counts;
        let verb = if body.dry_run { "to set" } else { "set" };
        let parts = [
            (counts.set, verb),
            (counts.equal, "already equal"),
            (counts.kept, "further on, kept"),
            (counts.behind, "behind"),
            (counts.pending, "not arrived yet"),
            (counts.refused, "refused"),
        ];
        let text: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        let style = if counts.refused + counts.behind + counts.pending > 0 {
            Style::Red
        } else {
            Style::Green
        };
        let summary = if text.is_empty() {
            "nothing to do".to_owned()
        } else {
            text.join(", ")
        };
        page.heading(
            style,
            &format!(
                "{}: {summary}, in {}",
                plural(counts.total, "sequence"),
                units::duration(Duration::from_secs_f64(body.seconds))
            ),
        );
    }

    fn table(document: &Document<Self>) -> Table {
        let mut table = Table::new(&[
            "schema",
            "name",
            "outcome",
            "source_last_value",
            "source_is_called",
            "before_last_value",
            "before_is_called",
            "wanted_last_value",
            "wanted_is_called",
            "after_last_value",
            "after_is_called",
            "owned_by",
            "remarks",
        ]);
        for entry in &document.body.sequences {
            table.row([
                entry.schema.clone(),
                entry.name.clone(),
                entry.outcome.as_str().to_owned(),
                value(entry.source),
                called(entry.source),
                value(entry.before),
                called(entry.before),
                value(entry.wanted),
                called(entry.wanted),
                value(entry.after),
                called(entry.after),
                entry.owned_by.clone().unwrap_or_default(),
                remarks(entry).join("; "),
            ]);
        }
        for one in &document.body.skipped {
            let mut row = vec![String::new(); table.header.len()];
            row[..3].clone_from_slice(&[
                one.schema.clone(),
                one.name.clone(),
                "skipped".to_owned(),
            ]);
            if let Some(last) = row.last_mut() {
                last.clone_from(&one.reason);
            }
            table.row(row);
        }
        table
    }

    fn records(document: &Document<Self>) -> Vec<Value> {
        let mut records: Vec<Value> = document
            .body
            .sequences
            .iter()
            .map(|entry| {
                let mut record = json!({"type": "sequence"});
                if let (Value::Object(into), Ok(Value::Object(from))) =
                    (&mut record, serde_json::to_value(entry))
                {
                    into.extend(from);
                }
                record
            })
            .collect();
        let skipped = document.body.skipped.iter();
        records.extend(skipped.map(|one| json!({"type": "skipped", "sequence": one})));
        records.push(json!({"type": "counts", "counts": document.body.counts}));
        records
    }
}
