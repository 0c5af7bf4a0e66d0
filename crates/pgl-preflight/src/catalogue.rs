//! The list of checks, for `--list-checks` and for the documentation.

use std::fmt::Write as _;

use pgl_cli::args::Format;
use pgl_cli::{Context, Failure, Page, Style, Table};
use pgl_core::Exit;
use pgl_core::rules::{Check, all};
use serde_json::json;

/// Prints the catalogue in the format asked for.
pub(crate) fn print(context: &Context) -> Result<(), Failure> {
    let bug = |error: &dyn std::fmt::Display| {
        Failure::new(
            Exit::Bug,
            format!("the catalogue cannot be written: {error}"),
        )
    };
    let text = match context.streams.format {
        // Metrics are refused before any tool but pgl-status runs.
        Format::Text | Format::Prometheus => people(context),
        Format::Json => {
            serde_json::to_string_pretty(&all().collect::<Vec<&Check>>())
                .map_err(|error| bug(&error))?
                + "\n"
        }
        Format::Ndjson => {
            let mut lines = String::new();
            for entry in all() {
                lines.push_str(&json!({"type": "check_definition", "check": entry}).to_string());
                lines.push('\n');
            }
            let summary = json!({
                "type": "summary",
                "tool": context.tool,
                "version": env!("CARGO_PKG_VERSION"),
                "checks": all().count(),
            });
            lines.push_str(&summary.to_string());
            lines.push('\n');
            lines
        }
        Format::Csv => pgl_cli::report::csv(&table())?,
    };
    context.print(&text)
}

fn table() -> Table {
    let mut table = Table::new(&[
        "id",
        "severity",
        "side",
        "guardrail",
        "title",
        "why",
        "remedy",
    ]);
    for entry in all() {
        let guardrail = if entry.text.guardrail { "yes" } else { "no" };
        table.row([
            entry.id,
            entry.text.severity.as_str(),
            entry.text.side.as_str(),
            guardrail,
            &entry.text.title,
            &entry.text.why,
            &entry.text.remedy,
        ]);
    }
    table
}

fn if_guardrail(check: &Check, word: &'static str) -> &'static str {
    if check.text.guardrail { word } else { "" }
}

fn people(context: &Context) -> String {
    let mut page = Page::new(context.streams.width, context.streams.out_color);
    for entry in all() {
        let guardrail = if_guardrail(entry, ", guardrail");
        let rest = format!(
            "  ({}, {}{guardrail})",
            entry.text.severity,
            entry.text.side.as_str()
        );
        page.spans(&[(Style::Bold, entry.id), (Style::Plain, &rest)]);
        page.wrapped(4, &entry.text.title);
        page.wrapped(4, &format!("Why: {}", entry.text.why));
        page.wrapped(4, &format!("Remedy: {}", entry.text.remedy));
    }
    page.finish()
}

/// The catalogue as a Markdown table, for the documentation.
pub fn markdown() -> String {
    let mut text = String::from(
        "| check | severity | side | looks for | why it matters |\n|---|---|---|---|---|\n",
    );
    let cell = |text: &str| text.replace('|', "\\|");
    for entry in all() {
        let guardrail = if_guardrail(entry, " (guardrail)");
        let _ = writeln!(
            text,
            "| `{}` | {}{guardrail} | {} | {} | {} |",
            entry.id,
            entry.text.severity,
            entry.text.side.as_str(),
            cell(&entry.text.title),
            cell(&entry.text.why)
        );
    }
    text
}
