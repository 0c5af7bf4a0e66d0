//! The answer: as a document, as text, as CSV and as records.

use pgl_cli::{Page, Report, Style, Table};
use pgl_core::definitions::DefinitionChange;
use pgl_core::doc::{Document, Verdict};
use pgl_core::plural;
use pgl_core::verify::outcome::{ColumnDiff, RowDiff, Scope, Shown, Totals};
use pgl_core::verify::rows::DifferenceKind;
use pgl_core::verify::{Mode, Status, TableResult};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

/// Rows shown per table as text; the document has all that were asked for.
const ROWS_SHOWN: usize = 10;

/// The tool's part of the document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct VerifyBody {
    /// How writes were dealt with.
    pub mode: Option<Mode>,
    /// Why this mode.
    pub mode_reason: String,
    /// Why this digest.
    pub digest_reason: String,
    /// What of the rows was compared.
    pub scope: Scope,
    /// How many tables came to what.
    pub totals: Totals,
    /// How long the writers of the source waited behind a barrier, in seconds.
    pub barrier_seconds: Option<f64>,
    /// Everything about each table.
    pub tables: Vec<TableResult>,
    /// Definitions that differ; null where they were not compared.
    pub definitions: Option<Vec<DefinitionChange>>,
    /// Whether `definitions` leaves out what differed when pgl-setup ran and has not changed since; null where they were not compared.
    pub definitions_since_setup: Option<bool>,
    /// Why they could not be compared.
    pub definitions_unknown: Option<String>,
    /// Time spent, in seconds.
    pub seconds: f64,
    /// Whether the tables' records have already been written.
    #[serde(skip)]
    pub streamed: bool,
}

impl Report for VerifyBody {
    fn text(document: &Document<Self>, page: &mut Page) {
        let body = &document.body;
        let mut table = Table::new(&[
            "table",
            "result",
            "source_rows",
            "target_rows",
            "differing",
            "s",
        ]);
        for one in &body.tables {
            table.row([
                one.qualified().to_string(),
                one.status.as_str().to_owned(),
                number(one.source_rows),
                number(one.target_rows),
                differing(one),
                format!("{:.1}", one.seconds),
            ]);
        }
        page.table(&table);
        for one in &body.tables {
            about(one, page);
        }
        page.gap();
        if let Some(mode) = body.mode {
            page.line(format!("mode {}: {}", mode.as_str(), body.mode_reason));
        }
        if let Some(seconds) = body.barrier_seconds {
            page.line(format!(
                "writers of the source waited {:.0} ms at most",
                seconds * 1000.0
            ));
        }
        page.line(format!("digest: {}", body.digest_reason));
        let totals = &body.totals;
        page.line(format!(
            "{} of {} identical, {} different, {} inconclusive, {} with errors, {} skipped",
            totals.identical,
            plural(totals.tables, "table"),
            totals.different,
            totals.inconclusive,
            totals.error,
            totals.skipped
        ));
        if let Some(all) = &body.definitions {
            let of = match body.definitions_since_setup {
                Some(true) => " by changes since pgl-setup (what differed before is not counted)",
                _ => "",
            };
            page.line(format!("{} different{of}", plural(all.len(), "definition")));
            for one in all {
                page.wrapped(2, &one.to_string());
            }
        }
        if let Some(why) = &body.definitions_unknown {
            page.line(format!("the definitions could not be compared: {why}"));
        }
        let (style, line) = match document.verdict {
            Verdict::Ok => (
                Style::Green,
                body.scope.equal(totals.identical) + &resumed(&body.tables),
            ),
            Verdict::No => (Style::Red, "the two sides differ".to_owned()),
            Verdict::NotYet => (
                Style::Yellow,
                "not decided yet for all tables: run it again for those that are inconclusive"
                    .to_owned(),
            ),
            Verdict::Unknown
                if body.definitions_unknown.is_some() && body.totals.verdict() == Verdict::Ok =>
            {
                let line = "the rows are the same; whether the definitions are is not known";
                (Style::Yellow, line.to_owned())
            }
            Verdict::Unknown | Verdict::Refused | Verdict::Partial => (
                Style::Yellow,
                "could not find out for all tables".to_owned(),
            ),
        };
        page.heading(style, &line);
    }

    fn table(document: &Document<Self>) -> Table {
        let mut table = Table::new(&[
            "schema",
            "table",
            "status",
            "reason",
            "mode",
            "digest",
            "source_rows",
            "target_rows",
            "missing",
            "extra",
            "different",
            "duplicated",
            "unresolved",
            "counts_exact",
            "columns",
            "source_lsn",
            "applied_lsn",
            "next",
            "seconds",
        ]);
        for one in &document.body.tables {
            let columns: Vec<&str> = one.columns.iter().map(|c| c.name.as_str()).collect();
            table.row([
                one.schema.clone(),
                one.name.clone(),
                one.status.as_str().to_owned(),
                one.reason.clone().unwrap_or_default(),
                one.mode.map_or("", Mode::as_str).to_owned(),
                one.digest.map_or("", |digest| digest.as_str()).to_owned(),
                number(one.source_rows),
                number(one.target_rows),
                one.missing.to_string(),
                one.extra.to_string(),
                one.different.to_string(),
                one.duplicated.to_string(),
                one.unresolved.to_string(),
                one.counts_exact.to_string(),
                columns.join(" "),
                one.source_lsn
                    .map(|lsn| lsn.to_string())
                    .unwrap_or_default(),
                one.applied_lsn
                    .map(|lsn| lsn.to_string())
                    .unwrap_or_default(),
                one.next.clone().unwrap_or_default(),
                format!("{:.3}", one.seconds),
            ]);
        }
        table
    }

    fn records(document: &Document<Self>) -> Vec<Value> {
        let body = &document.body;
        let mut all = Vec::new();
        if !body.streamed {
            all.extend(body.tables.iter().map(record));
        }
        all.push(json!({
            "type": "totals",
            "mode": body.mode,
            "mode_reason": body.mode_reason,
            "digest_reason": body.digest_reason,
            "scope": body.scope,
            "totals": body.totals,
            "barrier_seconds": body.barrier_seconds,
            "definitions": body.definitions,
            "definitions_since_setup": body.definitions_since_setup,
            "definitions_unknown": body.definitions_unknown,
            "seconds": body.seconds,
        }));
        all
    }
}

/// A table as a record of a stream.
pub(crate) fn record(result: &TableResult) -> Value {
    let mut value = json!({"type": "table"});
    if let (Some(record), Ok(Value::Object(fields))) =
        (value.as_object_mut(), serde_json::to_value(result))
    {
        record.extend(fields);
    }
    value
}

fn number(count: Option<u64>) -> String {
    count.map(|count| count.to_string()).unwrap_or_default()
}

fn differing(one: &TableResult) -> String {
    match (one.status, one.counts_exact) {
        (Status::Identical | Status::Different, true) => one.proven().to_string(),
        (Status::Different, false) => format!("≥ {}", one.proven()),
        _ => String::new(),
    }
}

/// What there is to say of a table beyond its line.
fn about(one: &TableResult, page: &mut Page) {
    if matches!(one.status, Status::Identical) || (one.reason.is_none() && one.rows.is_empty()) {
        return;
    }
    page.gap();
    let style = match one.status {
        Status::Different => Style::Red,
        Status::Skipped | Status::Identical => Style::Dim,
        Status::Inconclusive | Status::Error => Style::Yellow,
    };
    page.heading(
        style,
        &format!("{}: {}", one.qualified(), one.status.as_str()),
    );
    if let Some(reason) = &one.reason {
        page.wrapped(2, reason);
    }
    if one.status == Status::Skipped {
        return;
    }
    let counts = [
        (one.missing, "missing on the target"),
        (one.extra, "extra on the target"),
        (one.different, "different"),
        (one.duplicated, "duplicated on one side"),
        (one.unresolved, "undecided"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if !counts.is_empty() {
        let least = if one.counts_exact { "" } else { " (at least)" };
        page.line(format!("  rows: {}{least}", counts.join(", ")));
    }
    if let Some(lsn) = one.source_lsn.filter(|_| one.proven() > 0) {
        page.line(match one.applied_lsn {
            Some(applied) => {
                format!("  at source LSN {lsn}; the target had applied up to {applied}")
            }
            None => format!("  at source LSN {lsn}"),
        });
    }
    // Without rows that differ they are the reason.
    let definitions = one.schema_differences.iter();
    for text in definitions.filter(|_| one.proven() > 0).chain(&one.notes) {
        page.wrapped(2, text);
    }
    for row in one.rows.iter().take(ROWS_SHOWN) {
        page.line(format!("  {}", row_line(row)));
        if row.kind == DifferenceKind::Different {
            for column in row.columns.iter().flatten() {
                page.line(format!("      {}", column_line(column)));
            }
        }
    }
    if one.rows.len() > ROWS_SHOWN {
        page.line(format!("  … and {} more", one.rows.len() - ROWS_SHOWN));
    }
    if let Some(next) = &one.next {
        page.line(format!("  next: {next}"));
    }
}

fn row_line(row: &RowDiff) -> String {
    let what = match (row.kind, row.proven) {
        (_, false) => "undecided",
        (DifferenceKind::Missing, _) => "missing on the target",
        (DifferenceKind::Extra, _) => "extra on the target",
        (DifferenceKind::Different, _) => "different",
        (DifferenceKind::Duplicated, _) => "duplicated",
    };
    let mut line = what.to_owned();
    if !row.key.is_empty() {
        let key: Vec<String> = row
            .key
            .iter()
            .map(|part| {
                format!(
                    "{} = {}",
                    part.name,
                    clean(part.value.as_deref().unwrap_or("(not shown)"))
                )
            })
            .collect();
        line.push_str(&format!(": {}", key.join(", ")));
    } else if row.kind != DifferenceKind::Different {
        let of_source = row.kind == DifferenceKind::Missing;
        let values: Vec<String> = row
            .columns
            .iter()
            .flatten()
            .map(|c| {
                let value = if of_source || !c.target.present {
                    &c.source
                } else {
                    &c.target
                };
                format!("{} = {}", c.name, shown(value))
            })
            .collect();
        line.push_str(&format!(": {}", values.join(", ")));
    }
    if let (Some(source), Some(target)) = (row.source_count, row.target_count)
        && (source > 1 || target > 1)
    {
        line.push_str(&format!(
            " ({source} on the source, {target} on the target)"
        ));
    }
    for (partition, side) in [
        (&row.source_partition, "source"),
        (&row.target_partition, "target"),
    ] {
        if let Some(name) = partition {
            line.push_str(&format!(" [{side}: {name}]"));
        }
    }
    line
}

fn column_line(column: &ColumnDiff) -> String {
    let (one, two) = (shown(&column.source), shown(&column.target));
    let mut line = format!("{}: {one} → {two}", column.name);
    if one == two {
        line.push_str(&format!(
            " (stored differently: {} → {})",
            column.source.digest.as_deref().unwrap_or("?"),
            column.target.digest.as_deref().unwrap_or("?")
        ));
    }
    line
}

fn shown(value: &Shown) -> String {
    match (&value.text, value.null) {
        (_, true) => "NULL".to_owned(),
        (Some(text), _) => format!("'{}'", clean(text)),
        (None, _) => "(not shown)".to_owned(),
    }
}

/// Control characters must not drive the terminal.
fn clean(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped: Vec<char> = if c.is_control() {
                c.escape_default().collect()
            } else {
                vec![c]
            };
            escaped
        })
        .collect()
}

/// How many results are an earlier run's, and so say nothing of what was written since.
fn resumed(tables: &[TableResult]) -> String {
    let began: Vec<&str> = tables
        .iter()
        .filter_map(|table| table.resumed_from.as_deref())
        .collect();
    match began.first() {
        Some(first) => format!(
            "; {} of them were compared by the run that began at {first} and not looked at again (--resume)",
            began.len()
        ),
        None => String::new(),
    }
}
