//! The text form of Prometheus, for node-exporter's textfile collector.

use std::fmt::Write as _;

use pgl_core::doc::Document;
use pgl_core::status::Word;
use pgl_core::status::causes::Certainty;
use pgl_core::status::measure::as_f64;

use crate::body::StatusBody;

/// One metric with its samples. A metric without a sample is left out whole: an absent value is
/// not zero.
struct Metric {
    name: &'static str,
    help: &'static str,
    samples: Vec<(Vec<(&'static str, String)>, f64)>,
}

/// All metrics of a reading.
pub(crate) fn metrics(document: &Document<StatusBody>) -> String {
    let reading = &document.body;
    let base = [
        ("migration", reading.name.clone()),
        ("subscription", reading.subscription.clone()),
    ];
    let mut text = String::new();
    for metric in list(reading) {
        if metric.samples.is_empty() {
            continue;
        }
        let name = metric.name;
        let _ = writeln!(text, "# HELP {name} {}", metric.help);
        let _ = writeln!(text, "# TYPE {name} gauge");
        for (labels, value) in metric.samples {
            let all: Vec<String> = base
                .iter()
                .cloned()
                .chain(labels)
                .map(|(key, value)| format!("{key}=\"{}\"", escape(&value)))
                .collect();
            let _ = writeln!(text, "{name}{{{}}} {value}", all.join(","));
        }
    }
    text
}

fn list(reading: &StatusBody) -> Vec<Metric> {
    let lag = reading.lag.as_ref();
    let slot = reading.slot.as_ref();
    let copy = reading.copy.as_ref();
    vec![
        one(
            "pgl_healthy",
            "1 where replication runs and no cause blocks it.",
            Some(truth(reading.healthy)),
        ),
        one(
            "pgl_safe",
            "1 where the subscription pins the text form of values.",
            reading.safe.map(truth),
        ),
        Metric {
            name: "pgl_state",
            help: "State of the subscription: 1 for the present one.",
            samples: Word::ALL
                .iter()
                .map(|word| {
                    (
                        vec![("state", word.to_string())],
                        truth(*word == reading.state),
                    )
                })
                .collect(),
        },
        Metric {
            name: "pgl_reachable",
            help: "1 where the server could be read.",
            samples: [("source", &reading.source), ("target", &reading.target)]
                .into_iter()
                .filter_map(|(side, server)| {
                    Some((vec![("side", side.to_owned())], truth(server.reachable?)))
                })
                .collect(),
        },
        one(
            "pgl_lag_bytes",
            "WAL of the source that the target has not applied, in bytes.",
            lag.map(|lag| as_f64(lag.bytes)),
        ),
        one(
            "pgl_lag_seconds",
            "How far the target is behind, in seconds, on the source's clock.",
            lag.and_then(|lag| lag.seconds),
        ),
        one(
            "pgl_unconfirmed_bytes",
            "WAL of the source that the target has not confirmed as flushed, in bytes.",
            lag.and_then(|lag| lag.unconfirmed_bytes).map(as_f64),
        ),
        one(
            "pgl_source_wal_bytes_per_second",
            "WAL that the source writes.",
            reading.rates.wal_bytes,
        ),
        one(
            "pgl_applied_bytes_per_second",
            "WAL that the target applies.",
            reading.rates.applied_bytes,
        ),
        one(
            "pgl_caught_up_in_seconds",
            "Time until the target has caught up at these rates.",
            reading.rates.eta_seconds,
        ),
        one(
            "pgl_slot_active",
            "1 where a process uses the slot.",
            slot.map(|slot| truth(slot.active)),
        ),
        one(
            "pgl_slot_retained_bytes",
            "WAL that the slot retains on the source; absent for a slot that is lost.",
            slot.and_then(|slot| slot.bytes).map(as_f64),
        ),
        one(
            "pgl_slot_room_bytes",
            "WAL that may still be written before the slot can be lost.",
            slot.and_then(|slot| slot.room_bytes).map(as_f64),
        ),
        one(
            "pgl_slot_lost_in_seconds",
            "Time until the slot can be lost at the present growth.",
            slot.and_then(|slot| slot.lost_in_seconds),
        ),
        one(
            "pgl_tables",
            "Tables that the subscription has a sync state for.",
            Some(f64::from(reading.tables.total)),
        ),
        one(
            "pgl_tables_replicating",
            "Of these, tables past their copy. Their rows are not compared.",
            Some(f64::from(reading.tables.replicating)),
        ),
        one(
            "pgl_copy_total_bytes",
            "Size of the tables being copied, on the source.",
            copy.and_then(|copy| copy.total_bytes).map(as_f64),
        ),
        one(
            "pgl_copy_done_bytes",
            "Size of the tables being copied, on the target.",
            copy.and_then(|copy| copy.done_bytes).map(as_f64),
        ),
        one(
            "pgl_conflicts_in_log",
            "Conflicts in the part of the target's log that was read.",
            reading
                .conflicts
                .as_ref()
                .map(|one| as_f64(u64::try_from(one.in_log).unwrap_or(u64::MAX))),
        ),
        one(
            "pgl_clock_skew_seconds",
            "The target's clock minus the source's.",
            reading.clock_skew.map(|skew| skew.seconds),
        ),
        Metric {
            name: "pgl_cause",
            help: "1 for every reason why replication does not run or is not safe.",
            samples: reading
                .causes
                .iter()
                .map(|cause| {
                    let certainty = match cause.certainty {
                        Certainty::Proven => "proven",
                        Certainty::Likely => "likely",
                    };
                    let labels = vec![
                        ("id", cause.id.clone()),
                        ("object", cause.object.clone().unwrap_or_default()),
                        ("certainty", certainty.to_owned()),
                        ("severity", cause.severity.as_str().to_owned()),
                        ("side", cause.side.to_string()),
                    ];
                    (labels, 1.0)
                })
                .collect(),
        },
    ]
}

fn one(name: &'static str, help: &'static str, value: Option<f64>) -> Metric {
    Metric {
        name,
        help,
        samples: value.map(|value| (Vec::new(), value)).into_iter().collect(),
    }
}

fn truth(value: bool) -> f64 {
    if value { 1.0 } else { 0.0 }
}

fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
