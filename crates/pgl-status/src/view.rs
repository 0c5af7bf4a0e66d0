//! The answer for people, as a table, and as a stream.

use std::time::Duration;

use pgl_cli::{Page, Report, Style, Table, units};
use pgl_core::doc::Document;
use pgl_core::status::causes::{Cause, Certainty};
use pgl_core::status::{SecondsFrom, Word};
use pgl_core::{Severity, plural};
use serde_json::{Value, json};

use crate::body::StatusBody;
use crate::metrics;

/// The page for people.
pub(crate) fn page(document: &Document<StatusBody>, width: usize, color: bool) -> String {
    let mut page = Page::new(width, color);
    StatusBody::text(document, &mut page);
    page.finish()
}

fn seconds(seconds: f64) -> String {
    if !seconds.is_finite() || seconds > 1e9 {
        return "years".to_owned();
    }
    let rounded = if seconds < 10.0 {
        (seconds * 10.0).round() / 10.0
    } else {
        seconds.round()
    };
    units::duration(Duration::from_secs_f64(rounded.max(0.0)))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "for people; a rate is never negative here and far below 2^53"
)]
fn rate(bytes: f64) -> String {
    format!("{}/s", units::bytes(bytes.max(0.0) as u64))
}

fn state_style(reading: &StatusBody) -> Style {
    match reading.state {
        Word::Replicating | Word::CutOver if reading.healthy => Style::Green,
        Word::Replicating | Word::CutOver | Word::Initializing | Word::SettingUp => Style::Yellow,
        Word::Down | Word::Disabled | Word::Missing | Word::Unknown => Style::Red,
    }
}

impl Report for StatusBody {
    fn text(document: &Document<Self>, page: &mut Page) {
        let reading = &document.body;
        let healthy = if reading.healthy {
            "healthy"
        } else {
            "not healthy"
        };
        page.heading(
            state_style(reading),
            &format!("{}: {}, {healthy}", reading.subscription, reading.state),
        );
        for (name, server) in [("source", &reading.source), ("target", &reading.target)] {
            if let Some(error) = &server.error {
                page.line(format!("  {name:<10} not readable: {error}"));
            } else if let Some(version) = server.version {
                let pglogical = server
                    .pglogical
                    .as_ref()
                    .map_or(String::new(), |version| format!(", pglogical {version}"));
                page.line(format!("  {name:<10} {version}{pglogical}"));
            }
        }
        if let Some(cut) = &reading.cutover {
            page.line(format!("  {cut}: the target is the production database"));
        } else {
            numbers(reading, page);
        }
        if let Some(reverse) = &reading.reverse {
            let lag = reverse.lag_bytes.map_or(String::new(), |bytes| {
                format!(", {} behind", units::bytes(bytes))
            });
            page.line(format!(
                "  reverse    {}: {}{lag}",
                reverse.subscription,
                reverse.state.as_deref().unwrap_or("not readable")
            ));
        }
        progress(reading, page);
        for cause in &reading.causes {
            page.gap();
            show(cause, page);
        }
        if !reading.notes.is_empty() {
            page.gap();
        }
        for note in &reading.notes {
            page.wrapped(2, note);
        }
        if let Some(wait) = &reading.wait {
            let outcome = match (wait.reached, wait.broken) {
                (true, _) => "reached",
                (false, true) => "cannot be reached",
                (false, false) => "not reached in time",
            };
            page.line(format!(
                "  {} {outcome} after {}",
                wait.goal,
                seconds(wait.seconds)
            ));
        }
    }

    fn table(document: &Document<Self>) -> Table {
        let reading = &document.body;
        let lag = reading.lag.as_ref();
        let rates = &reading.rates;
        let slot = reading.slot.as_ref();
        let causes: Vec<&str> = reading.causes.iter().map(|one| one.id.as_str()).collect();
        let confirmed = lag.and_then(|lag| lag.confirmed_flush_lsn);
        let lost_in = slot.and_then(|slot| slot.lost_in_seconds);
        let (header, cells) = [
            ("at", document.generated_at.clone()),
            ("subscription", reading.subscription.clone()),
            ("state", reading.state.to_string()),
            ("healthy", reading.healthy.to_string()),
            ("safe", cell(reading.safe)),
            ("lag_bytes", cell(lag.map(|lag| lag.bytes))),
            ("lag_seconds", cell(lag.and_then(|lag| lag.seconds))),
            (
                "lag_seconds_from",
                cell(lag.and_then(|lag| lag.seconds_from).map(words)),
            ),
            ("source_lsn", cell(lag.map(|lag| lag.source_lsn))),
            ("applied_lsn", cell(lag.map(|lag| lag.applied_lsn))),
            ("confirmed_flush_lsn", cell(confirmed)),
            ("wal_bytes_per_second", cell(rates.wal_bytes)),
            ("applied_bytes_per_second", cell(rates.applied_bytes)),
            ("eta_seconds", cell(rates.eta_seconds)),
            (
                "slot_retained_bytes",
                cell(slot.and_then(|slot| slot.bytes)),
            ),
            ("slot_lost_in_seconds", cell(lost_in)),
            ("tables", reading.tables.total.to_string()),
            ("tables_replicating", reading.tables.replicating.to_string()),
            ("causes", causes.join(" ")),
        ]
        .into_iter()
        .unzip();
        Table {
            header,
            rows: vec![cells],
        }
    }

    fn records(document: &Document<Self>) -> Vec<Value> {
        let mut record = json!({"type": "reading", "at": document.generated_at});
        if let (Value::Object(into), Ok(Value::Object(from))) =
            (&mut record, serde_json::to_value(&document.body))
        {
            into.extend(from);
        }
        vec![record]
    }

    fn metrics(document: &Document<Self>) -> String {
        metrics::metrics(document)
    }
}

fn cell<T: ToString>(value: Option<T>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

fn words(from: SecondsFrom) -> &'static str {
    match from {
        SecondsFrom::NothingOutstanding => "nothing_outstanding",
        SecondsFrom::CommitTimestamp => "commit_timestamp",
        SecondsFrom::Samples => "samples",
        SecondsFrom::WalRate => "wal_rate",
    }
}

fn numbers(reading: &StatusBody, page: &mut Page) {
    if let Some(lag) = &reading.lag {
        let time = lag.seconds.map_or(String::new(), |value| {
            let value = seconds(value);
            match lag.seconds_from {
                Some(SecondsFrom::NothingOutstanding) => String::new(),
                Some(SecondsFrom::CommitTimestamp) => {
                    format!(", the last commit applied is {value} old")
                }
                Some(SecondsFrom::Samples) => format!(", at most {value}"),
                Some(SecondsFrom::WalRate) | None => format!(", about {value}"),
            }
        });
        page.line(format!(
            "  lag        {}{time} (applied {} of {})",
            units::bytes(lag.bytes),
            lag.applied_lsn,
            lag.source_lsn
        ));
    }
    let rates = &reading.rates;
    if let (Some(wal), Some(applied)) = (rates.wal_bytes, rates.applied_bytes) {
        let eta = match rates.eta_seconds {
            Some(left) if left > 0.0 => format!(", caught up in {}", seconds(left)),
            Some(_) => String::new(),
            None if reading.lag.as_ref().is_some_and(|lag| lag.bytes > 1 << 20) => {
                ", not catching up".to_owned()
            }
            None => String::new(),
        };
        page.line(format!(
            "  rates      source writes {}, target applies {}{eta}",
            rate(wal),
            rate(applied)
        ));
    }
    if let Some(slot) = &reading.slot {
        let growth = slot
            .growth
            .filter(|growth| *growth > 0.0)
            .map_or(String::new(), |growth| {
                format!(", growing {}", rate(growth))
            });
        let lost = slot
            .lost_in_seconds
            .map_or(String::new(), |left| format!(", lost in {}", seconds(left)));
        let state = match (slot.active, &reading.stream) {
            (true, Some(stream)) => stream.clone(),
            (true, None) => "active".to_owned(),
            (false, _) => "inactive".to_owned(),
        };
        let retains = slot.bytes.map_or("lost".to_owned(), |bytes| {
            format!("retains {} of WAL", units::bytes(bytes))
        });
        page.line(format!("  slot       {retains}{growth}{lost}; {state}"));
    }
    if reading.tables.total > 0 {
        page.line(format!(
            "  tables     {} of {} replicating",
            reading.tables.replicating, reading.tables.total
        ));
    }
    if let Some(skew) = &reading.clock_skew
        && skew.seconds.abs() > 1.0 + skew.error
    {
        page.line(format!(
            "  clocks     the target's is {:.1} s {} the source's",
            skew.seconds.abs(),
            if skew.seconds > 0.0 {
                "ahead of"
            } else {
                "behind"
            }
        ));
    }
    if let Some(conflicts) = &reading.conflicts {
        page.line(format!("  conflicts  {} in the log", conflicts.in_log));
    }
}

/// "setup by pid 4711 at 10.0.0.7: copy 40 %, done in about 12m".
pub(crate) fn running(reading: &StatusBody) -> Option<String> {
    let running = reading.running.as_ref()?;
    let tool = running.tool.strip_prefix("pgl-").unwrap_or(&running.tool);
    let mut text = format!("{tool} by pid {} at {}", running.pid, running.address);
    let copy = reading.copy.as_ref().filter(|_| tool == "setup");
    if let Some((done, total)) = copy.and_then(|copy| copy.done_bytes.zip(copy.total_bytes)) {
        let percent = done.saturating_mul(100) / total.max(1);
        text.push_str(&format!(": copy {percent} %"));
        if let Some(left) = copy
            .and_then(|copy| copy.eta_seconds)
            .filter(|_| done < total)
        {
            text.push_str(&format!(", done in about {}", seconds(left)));
        }
    }
    if let Some(step) = &running.step {
        text.push_str(&format!(" (last step journalled: {step})"));
    }
    Some(text)
}

fn progress(reading: &StatusBody, page: &mut Page) {
    if let Some(text) = running(reading) {
        page.line(format!("  running    {text}"));
    }
    if let Some(copy) = &reading.copy {
        let total = match (copy.done_bytes, copy.total_bytes) {
            (Some(done), Some(total)) => {
                format!("{} of about {}", units::bytes(done), units::bytes(total))
            }
            _ => "running".to_owned(),
        };
        let speed = copy
            .bytes_per_second
            .map_or(String::new(), |speed| format!(", {}", rate(speed)));
        let eta = copy.eta_seconds.map_or(String::new(), |left| {
            format!(", done in about {}", seconds(left))
        });
        page.line(format!("  copy       {total}{speed}{eta}"));
        for table in copy.running.iter().take(8) {
            let name = pgl_core::QualifiedName::new(&table.schema, &table.name);
            let rows = table
                .rows
                .map_or(String::new(), |rows| format!(", {}", plural(rows, "row")));
            let size = table
                .disk_bytes
                .map_or("size not readable".to_owned(), units::bytes);
            page.line(format!("             {name}: {size}{rows}"));
        }
    }
    for table in reading.tables.waiting.iter().take(10) {
        let name = pgl_core::QualifiedName::new(&table.schema, &table.name);
        page.line(format!("             {name}: {}", table.state));
    }
    if reading.tables.waiting.len() > 10 {
        page.line(format!(
            "             and {} more",
            reading.tables.waiting.len() - 10
        ));
    }
}

fn show(cause: &Cause, page: &mut Page) {
    let style = match cause.severity {
        Severity::Block => Style::Red,
        Severity::Warn | Severity::Info => Style::Yellow,
    };
    let sure = match cause.certainty {
        Certainty::Proven => "",
        Certainty::Likely => "likely: ",
    };
    page.heading(
        style,
        &format!("{sure}{} [{}, {}]", cause.what, cause.id, cause.side),
    );
    for line in &cause.evidence {
        page.wrapped(4, &format!("seen: {line}"));
    }
    if !cause.remedy.is_empty() {
        page.wrapped(4, &format!("do: {}", cause.remedy));
    }
    if let Some(sql) = &cause.sql {
        page.wrapped(4, &format!("on the {}: {sql}", cause.fix_side));
    }
    if let Some(wake) = &cause.wake {
        page.wrapped(4, &format!("then, on the target: {wake}"));
    }
}
