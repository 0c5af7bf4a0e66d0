//! The list of checks, for `--list-checks` and for the documentation.

use std::fmt::Write as _;

use pgl_cli::args::Format;
use pgl_cli::{Context, Failure, Page, Style, Table};
use pgl_core::Exit;
use pgl_core::preflight::catalogue;
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
            serde_json::to_string_pretty(&catalogue()).map_err(|error| bug(&error))? + "\n"
        }
        Format::Ndjson => {
            let checks = catalogue();
            let mut lines = String::new();
            for entry in &checks {
                lines.push_str(&json!({"type": "check_definition", "check": entry}).to_string());
                lines.push('\n');
            }
            let summary = json!({
                "type": "summary",
                "tool": context.tool,
                "version": env!("CARGO_PKG_VERSION"),
                "checks": checks.len(),
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
    for entry in catalogue() {
        let guardrail = if entry.guardrail { "yes" } else { "no" };
        table.row([
            entry.id,
            entry.severity.as_str(),
            entry.side,
            guardrail,
            entry.title,
            entry.why,
            entry.remedy,
        ]);
    }
    table
}

fn people(context: &Context) -> String {
    let mut page = Page::new(context.streams.width, context.streams.out_color);
    for entry in catalogue() {
        let guardrail = if entry.guardrail { ", guardrail" } else { "" };
        let rest = format!("  ({}, {}{guardrail})", entry.severity, entry.side);
        page.spans(&[(Style::Bold, entry.id), (Style::Plain, &rest)]);
        page.wrapped(4, entry.title);
        page.wrapped(4, &format!("Why: {}", entry.why));
        page.wrapped(4, &format!("Remedy: {}", entry.remedy));
    }
    page.finish()
}

/// The catalogue as a Markdown table, for the documentation.
pub fn markdown() -> String {
    let mut text = String::from(
        "| check | severity | side | looks for | why it matters |\n|---|---|---|---|---|\n",
    );
    let cell = |text: &str| text.replace('|', "\\|");
    for entry in catalogue() {
        let guardrail = if entry.guardrail { " (guardrail)" } else { "" };
        let _ = writeln!(
            text,
            "| `{}` | {}{guardrail} | {} | {} | {} |",
            entry.id,
            entry.severity,
            entry.side,
            cell(entry.title),
            cell(entry.why)
        );
    }
    text
}
