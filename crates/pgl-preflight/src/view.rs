//! The answer for people, as CSV and as a stream.

use pgl_cli::{Page, Report, Style, Table, units};
use pgl_core::doc::{Document, Verdict};
use pgl_core::plan::Set;
use pgl_core::preflight::{CheckOutcome, TargetState};
use pgl_core::{Finding, Plan, Severity, plural};
use serde_json::{Value, json};

use crate::body::Preflight;

/// Objects named under one finding before the rest is only counted; JSON and CSV have them all.
const NAMED: usize = 12;

impl Report for Preflight {
    fn text(document: &Document<Self>, page: &mut Page) {
        if let Some(migration) = &document.migration {
            let target = match (&document.body.target_state, &migration.target) {
                (TargetState::Unreachable { .. }, _) => "target unreachable".to_owned(),
                (TargetState::NotGiven, _) | (_, None) => "no target given".to_owned(),
                (TargetState::DatabaseMissing, Some(target)) => format!(
                    "{} on {} (the database does not exist yet)",
                    target.database, target.server_version
                ),
                (TargetState::Examined, Some(target)) => {
                    format!("{} on {}", target.database, target.server_version)
                }
            };
            page.heading(
                Style::Bold,
                &format!(
                    "{}: {} on {} -> {target}",
                    migration.name, migration.source.database, migration.source.server_version
                ),
            );
        }
        let mut rest = document.body.findings.as_slice();
        while let Some(first) = rest.first() {
            let same = rest
                .iter()
                .take_while(|f| {
                    f.id == first.id && f.severity == first.severity && f.side == first.side
                })
                .count();
            let (group, others) = rest.split_at(same);
            show_group(group, page);
            rest = others;
        }
        not_run(document, page);
        if let Some(plan) = &document.plan {
            show_plan(plan, page);
        }
        closing(document, page);
    }

    fn table(document: &Document<Self>) -> Table {
        let mut table = Table::new(&[
            "id",
            "severity",
            "side",
            "object",
            "what",
            "why",
            "remedy",
            "sql",
            "manual_sql",
            "fix_side",
            "restart",
        ]);
        for finding in &document.body.findings {
            let restart = if finding.restart { "yes" } else { "no" };
            table.row([
                finding.id.as_str(),
                finding.severity.as_str(),
                finding.side.as_str(),
                finding.object.as_deref().unwrap_or(""),
                &finding.what,
                &finding.why,
                &finding.remedy,
                finding.sql.as_deref().unwrap_or(""),
                finding.manual_sql.as_deref().unwrap_or(""),
                finding.fix_side.as_str(),
                restart,
            ]);
        }
        table
    }

    fn records(document: &Document<Self>) -> Vec<Value> {
        let body = &document.body;
        let findings = body.findings.iter();
        let findings = findings.map(|f| json!({"type": "finding", "finding": f}));
        let checks = body.checks.iter();
        let checks = checks.map(|c| json!({"type": "check", "check": c}));
        let mut records: Vec<Value> = findings.chain(checks).collect();
        if let Some(plan) = &document.plan {
            let (tables, steps) = (plan.tables.iter(), plan.manual_steps.iter());
            let sequences = plan.sequences.iter();
            records.extend(tables.map(|t| json!({"type": "table", "table": t})));
            records.extend(sequences.map(|s| json!({"type": "sequence", "sequence": s})));
            records.extend(steps.map(|b| json!({"type": "manual_steps", "manual_steps": b})));
        }
        records
    }
}

fn style_of(severity: Severity) -> Style {
    match severity {
        Severity::Block => Style::Red,
        Severity::Warn => Style::Yellow,
        Severity::Info => Style::Dim,
    }
}

/// Findings of one check on one side: what and where for each, why and the remedy once.
fn show_group(group: &[Finding], page: &mut Page) {
    let Some(first) = group.first() else { return };
    page.gap();
    page.spans(&[
        (
            style_of(first.severity),
            &first.severity.as_str().to_uppercase(),
        ),
        (Style::Plain, "  "),
        (Style::Bold, &first.id),
        (Style::Plain, &format!("  on the {}", first.side)),
    ]);
    for finding in group.iter().take(NAMED) {
        page.wrapped(4, &finding.what);
    }
    if group.len() > NAMED {
        page.line(format!(
            "    … and {} more; --format json or csv names them all",
            group.len() - NAMED
        ));
    }
    page.wrapped(4, &format!("Why: {}", first.why));
    let shown = || group.iter().take(NAMED);
    let mut remedies: Vec<&str> = shown().map(|f| f.remedy.as_str()).collect();
    remedies.dedup();
    for remedy in remedies {
        page.wrapped(4, &format!("Remedy: {remedy}"));
    }
    for sql in shown().filter_map(|f| f.sql.as_deref()) {
        for line in sql.lines() {
            page.line(format!("        {line}"));
        }
    }
    let manual: Vec<&str> = shown().filter_map(|f| f.manual_sql.as_deref()).collect();
    if !manual.is_empty() {
        page.wrapped(4, "Only when you know that nobody needs it:");
    }
    for line in manual.into_iter().flat_map(str::lines) {
        page.line(format!("        -- {line}"));
    }
}

fn not_run(document: &Document<Preflight>, page: &mut Page) {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    let checks = document.body.checks.iter();
    for check in checks.filter(|check| check.state == CheckOutcome::NotRun) {
        let reason = check.reason.as_deref().unwrap_or("");
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, ids)) => ids.push(&check.id),
            None => reasons.push((reason, vec![&check.id])),
        }
    }
    for (reason, ids) in reasons {
        page.gap();
        page.heading(
            Style::Yellow,
            &format!("NOT RUN  {}: {reason}", plural(ids.len(), "check")),
        );
        page.wrapped(4, &ids.join(", "));
    }
}

fn show_plan(plan: &Plan, page: &mut Page) {
    page.gap();
    page.heading(Style::Bold, "Plan");
    let mut table = Table::new(&["set", "tables", "size"]);
    for (set, label) in [
        (Set::Default, "default"),
        (Set::DefaultInsertOnly, "default_insert_only"),
        (Set::Excluded, "not replicated"),
    ] {
        let of: Vec<_> = plan.tables.iter().filter(|t| t.set == set).collect();
        if !of.is_empty() {
            let size = of.iter().map(|t| t.bytes).sum();
            table.row([label.to_owned(), of.len().to_string(), units::bytes(size)]);
        }
    }
    page.table(&table);
    page.line(format!(
        "{}, set exactly by pgl-seqsync",
        plural(plan.sequences.len(), "sequence")
    ));
    let apart: Vec<_> = plan.tables.iter().filter(|t| t.reason.is_some()).collect();
    for table in apart.iter().take(NAMED) {
        let reason = table.reason.as_deref().unwrap_or("");
        page.wrapped(2, &format!("{}: {reason}", table.qualified()));
    }
    if apart.len() > NAMED {
        page.line(format!("  … and {} more", apart.len() - NAMED));
    }
    if !plan.manual_steps.is_empty() {
        page.line("Manual steps:");
        for item in &plan.manual_steps {
            let object = item
                .object
                .as_deref()
                .map(|o| format!("{o}: "))
                .unwrap_or_default();
            page.wrapped(2, &format!("{object}{}", item.action));
        }
    }
}

fn closing(document: &Document<Preflight>, page: &mut Page) {
    let counts = &document.body.counts;
    page.gap();
    let numbers = format!(
        "{} blocking, {}, {}; {} passed, {} not run",
        counts.block,
        plural(counts.warn, "warning"),
        plural(counts.info, "note"),
        plural(counts.passed, "check"),
        counts.not_run
    );
    let (style, answer) = match (document.verdict, &document.body.target_state) {
        (_, TargetState::Unreachable { message }) => {
            (Style::Red, format!("Not decided, the target was not reached: {message}"))
        }
        (Verdict::No, _) => (Style::Red, "Not ready".to_owned()),
        (Verdict::Ok, _) if counts.warn > 0 => (Style::Yellow, "Ready, with warnings".to_owned()),
        (Verdict::Ok, _) => (Style::Green, "Ready".to_owned()),
        (_, TargetState::NotGiven) => (
            Style::Yellow,
            "Not decided: nothing blocks on the source, the target was not examined (give --target)"
                .to_owned(),
        ),
        (_, TargetState::Examined | TargetState::DatabaseMissing) => (
            Style::Yellow,
            "Not decided: checks that can block did not run (see NOT RUN; --skip ID goes on without one)"
                .to_owned(),
        ),
    };
    page.heading(style, &answer);
    page.wrapped(0, &numbers);
}
