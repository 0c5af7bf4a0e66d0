//! Rendering: one place turns an answer into text, JSON, NDJSON or CSV.

use pgl_core::doc::Document;
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::Format;
use crate::{Failure, Page, Streams, Table};

/// The tool's own part of a document, and its other forms. JSON comes from `Serialize`.
pub trait Report: Serialize + Sized {
    /// The form for people.
    fn text(document: &Document<Self>, page: &mut Page);

    /// The form for CSV: the one table that the tool is about.
    fn table(document: &Document<Self>) -> Table;

    /// The records of an NDJSON stream before the closing summary, each with a `type`.
    fn records(document: &Document<Self>) -> Vec<Value>;

    /// Metrics in the text form of Prometheus, of a tool that has [`Tool::METRICS`](crate::Tool).
    fn metrics(_document: &Document<Self>) -> String {
        String::new()
    }
}

/// Renders a document in a format.
pub fn render<B: Report>(document: &Document<B>, streams: &Streams) -> Result<String, Failure> {
    match streams.format {
        Format::Text => {
            let mut page = Page::new(streams.width, streams.out_color);
            B::text(document, &mut page);
            Ok(page.finish())
        }
        Format::Json => to_json(document, Layout::Pretty),
        Format::Ndjson => {
            let mut text = String::new();
            for record in B::records(document) {
                text.push_str(&record.to_string());
                text.push('\n');
            }
            text.push_str(&summary(document)?);
            Ok(text)
        }
        Format::Csv => csv(&B::table(document)),
        Format::Prometheus => Ok(B::metrics(document)),
    }
}

enum Layout {
    Pretty,
    Line,
}

fn to_json<T: Serialize>(value: &T, layout: Layout) -> Result<String, Failure> {
    let text = match layout {
        Layout::Pretty => serde_json::to_string_pretty(value),
        Layout::Line => serde_json::to_string(value),
    };
    let mut text = text.map_err(|error| {
        Failure::new(
            pgl_core::Exit::Bug,
            format!("the document cannot be written: {error}"),
        )
    })?;
    text.push('\n');
    Ok(text)
}

/// The closing line of a stream: the whole envelope without the plan, which the records repeat.
fn summary<B: Report>(document: &Document<B>) -> Result<String, Failure> {
    let closing = json!({
        "type": "summary",
        "schema": document.schema,
        "tool": document.tool,
        "version": document.version,
        "generated_at": document.generated_at,
        "verdict": document.verdict,
        "blocked_by": document.blocked_by,
        "migration": document.migration,
    });
    to_json(&closing, Layout::Line)
}

/// A table as CSV with its header.
pub fn csv(table: &Table) -> Result<String, Failure> {
    let bug = |error: &dyn std::fmt::Display| {
        Failure::new(
            pgl_core::Exit::Bug,
            format!("the table cannot be written: {error}"),
        )
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer
        .write_record(&table.header)
        .map_err(|error| bug(&error))?;
    for row in &table.rows {
        writer.write_record(row).map_err(|error| bug(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| bug(&error))?;
    String::from_utf8(bytes).map_err(|error| bug(&error))
}
