//! The answer: as a document, as a table, and for people.

use pgl_cli::{Page, Report, Style, Table};
use pgl_core::cutover::CutOver;
use pgl_core::doc::{Document, StepState, Verdict};
use pgl_core::teardown::{Kept, Remaining, Removal};
use pgl_core::{Side, plural};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

/// What `pgl-teardown` adds to the envelope.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Teardown {
    /// Whether nothing was changed because nothing was to be (`--dry-run`, `--scan`).
    pub dry_run: bool,
    /// The cutover that made the target the production database; null where there was none. The target's
    /// rows, keys and settings stay as they are.
    pub cut_over: Option<CutOver>,
    /// What stood on the source before; null where it was not looked at.
    pub source_before: Option<Remaining>,
    /// What stood on the target before.
    pub target_before: Option<Remaining>,
    /// Each removal, in order.
    pub removals: Vec<Removed>,
    /// What was left alone, and why.
    pub kept: Vec<Kept>,
    /// What of the migration is still there: empty after a complete teardown.
    pub left: Vec<String>,
    /// What cannot be known: of a side that was not looked at, or because schema pgl is gone from both.
    pub unknown: Vec<String>,
}

/// One removal and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Removed {
    /// What.
    pub removal: Removal,
    /// The statements, in order.
    pub sql: Vec<String>,
    /// What became of it.
    pub state: StepState,
    /// Why it failed.
    pub error: Option<String>,
}

fn word(state: StepState) -> &'static str {
    match state {
        StepState::Planned => "would drop",
        StepState::Done => "dropped",
        other => other.word(),
    }
}

impl Report for Teardown {
    fn text(document: &Document<Self>, page: &mut Page) {
        let body = &document.body;
        if let Some(cut) = &body.cut_over {
            page.line(format!("{cut}: the target is the production database"));
        }
        if body.removals.is_empty() || body.dry_run {
            for (side, remaining) in [
                (Side::Source, &body.source_before),
                (Side::Target, &body.target_before),
            ] {
                if let Some(remaining) = remaining {
                    seen(side, remaining, page);
                }
            }
        }
        for removed in &body.removals {
            let state = format!("{:<11}", word(removed.state));
            let removal = &removed.removal;
            let what = format!(
                " {}: {} {}",
                removal.side,
                removal.kind.as_str(),
                removal.object
            );
            page.spans(&[(removed.state.into(), &state), (Style::Plain, &what)]);
            if body.dry_run {
                for statement in &removed.sql {
                    page.wrapped(16, &format!("{statement};"));
                }
            }
            if let Some(error) = &removed.error {
                page.wrapped(12, error);
            }
        }
        for kept in &body.kept {
            page.line(format!(
                "kept        {}: {} ({})",
                kept.side, kept.object, kept.reason
            ));
        }
        closing(document, page);
    }

    fn table(document: &Document<Self>) -> Table {
        let mut table = Table::new(&["side", "kind", "object", "state", "detail"]);
        for removed in &document.body.removals {
            table.row([
                removed.removal.side.as_str(),
                removed.removal.kind.as_str(),
                &removed.removal.object,
                word(removed.state),
                removed.error.as_deref().unwrap_or(""),
            ]);
        }
        for kept in &document.body.kept {
            table.row([
                kept.side.as_str(),
                "kept",
                &kept.object,
                "kept",
                &kept.reason,
            ]);
        }
        table
    }

    fn records(document: &Document<Self>) -> Vec<Value> {
        let removed = document
            .body
            .removals
            .iter()
            .map(|one| json!({"type": "removal", "removal": one}));
        let kept = document
            .body
            .kept
            .iter()
            .map(|one| json!({"type": "kept", "kept": one}));
        let left = document
            .body
            .left
            .iter()
            .map(|one| json!({"type": "left", "object": one}));
        removed.chain(kept).chain(left).collect()
    }
}

/// Everything that stands on one side, a line each.
fn seen(side: Side, remaining: &Remaining, page: &mut Page) {
    let mut lines = Vec::new();
    if let Some(version) = &remaining.extension {
        let whose = if remaining.extension_ours {
            ", created by this suite"
        } else {
            ""
        };
        lines.push(format!("extension pglogical {version}{whose}"));
    }
    lines.extend(remaining.node.iter().map(|node| format!("node {node}")));
    for (set, members) in &remaining.sets {
        lines.push(format!(
            "replication set {set} with {}",
            plural(*members, "member")
        ));
    }
    for subscription in &remaining.subscriptions {
        let state = if subscription.enabled {
            "enabled"
        } else {
            "disabled"
        };
        lines.push(format!("subscription {} ({state})", subscription.name));
    }
    for slot in &remaining.slots {
        let user = slot.active_pid.map_or("nobody reads it".to_owned(), |pid| {
            format!("process {pid} reads it")
        });
        let held = slot.held_bytes.and_then(|bytes| u64::try_from(bytes).ok());
        let held = held.map(|bytes| format!(", holds back {}", pgl_cli::units::bytes(bytes)));
        lines.push(format!(
            "slot {} ({user}{})",
            slot.name,
            held.unwrap_or_default()
        ));
    }
    lines.extend(
        remaining
            .origins
            .iter()
            .map(|origin| format!("origin {origin}")),
    );
    if !remaining.truncate_triggers.is_empty() {
        lines.push(format!(
            "{} truncate triggers of pglogical",
            remaining.truncate_triggers.len()
        ));
    }
    if let Some(closed) = &remaining.closed {
        lines.push(format!("database {} is read-only", closed.database));
    }
    if !remaining.write_block.is_empty() {
        lines.push(format!(
            "{} of a cutover",
            plural(remaining.write_block.len(), "write-block trigger")
        ));
    }
    if !remaining.disabled_triggers.is_empty() {
        lines.push(format!(
            "{} disabled triggers that fire for replicated rows",
            remaining.disabled_triggers.len()
        ));
    }
    match remaining.schema_ours {
        Some(true) => lines.push("schema pgl of this suite".to_owned()),
        Some(false) => lines.push("schema pgl of another role".to_owned()),
        None => {}
    }
    if lines.is_empty() {
        lines.push("nothing of pglogical".to_owned());
    }
    page.heading(Style::Bold, side.as_str());
    for line in lines {
        page.line(format!("  {line}"));
    }
}

fn closing(document: &Document<Teardown>, page: &mut Page) {
    let body = &document.body;
    for left in &body.left {
        page.heading(Style::Yellow, &format!("left        {left}"));
    }
    match document.verdict {
        Verdict::Ok if body.dry_run => page.line("Nothing was changed."),
        Verdict::Ok => {
            let side = match (&body.source_before, &body.target_before) {
                (Some(_), None) => " in the source",
                (None, Some(_)) => " in the target",
                _ => "",
            };
            let text = format!("Nothing of the migration is left{side}.");
            page.heading(Style::Green, &text);
        }
        _ => {}
    }
    for unknown in &body.unknown {
        page.wrapped(0, &format!("Not known: {unknown}."));
    }
}
