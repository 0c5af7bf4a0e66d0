//! Cases of the checks on sequences.

use super::super::{Case, fires, known, silent};
use super::*;
use crate::Severity::{Block, Info, Warn};
use crate::facts::objects::{Persistence, SequenceLater, SequenceMark};

fn mark(facts: &mut Facts, low: &str, high: &str) {
    known(&mut source(facts).sequence_marks).push(SequenceMark {
        relation: ORDERS,
        column: 1,
        low: low.to_owned(),
        high: high.to_owned(),
    });
}

fn descending(objects: &mut Objects) {
    let orders = sequence_of(objects, ORDERS_SEQ);
    orders.increment = Some("-1".to_owned());
    orders.start = Some("-1".to_owned());
    orders.min = Some("-9223372036854775808".to_owned());
    orders.max = Some("-1".to_owned());
    orders.last_value = Some("-10".to_owned());
}

/// The sequence of orders, which stands at 10, stands there this many seconds later.
fn later(facts: &mut Facts, value: &str, seconds: f64) {
    known(&mut source(facts).sequences_later).push(SequenceLater {
        sequence: ORDERS_SEQ,
        last_value: Some(value.to_owned()),
        read_at: 1_700_000_000.0 + seconds,
    });
}

fn last(objects: &mut Objects, oid: u32, value: Option<&str>) {
    sequence_of(objects, oid).last_value = value.map(str::to_owned);
}

pub(in super::super) const CASES: &[Case] = &[
    fires("seq.inventory", Info, "sequences are there", |_| {}),
    fires("seq.hot", Info, "500 a second", |f| later(f, "260", 0.5)),
    fires("seq.hot", Info, "descending", |f| {
        descending(source(f));
        later(f, "-1010", 0.5);
    }),
    silent("seq.hot", "at rest", |f| later(f, "10", 0.5)),
    silent("seq.hot", "a few in a short time", |f| later(f, "15", 0.1)),
    silent("seq.hot", "many in a long time", |f| later(f, "60", 20.0)),
    silent("seq.hot", "one call that filled a cache", |f| {
        sequence_of(source(f), ORDERS_SEQ).cache = Some("1000".to_owned());
        later(f, "1010", 0.5);
    }),
    silent("seq.hot", "set back", |f| later(f, "1", 0.5)),
    silent("seq.hot", "two clocks that do not fit", |f| {
        later(f, "2000", -0.5)
    }),
    silent("seq.hot", "a sequence that is left out", |f| {
        later(f, "2000", 0.5);
        f.asked.selection.exclude_tables = vec!["orders".to_owned()];
    }),
    silent("seq.inventory", "there are none", |f| {
        known(&mut source(f).sequences).clear()
    }),
    fires("seq.missing_on_target", Block, "one is missing", |f| {
        known(&mut there(f).sequences).retain(|one| one.oid != ORDERS_SEQ);
    }),
    silent("seq.missing_on_target", "an empty target", |f| {
        known(&mut there(f).sequences).clear();
        known(&mut there(f).relations).clear();
    }),
    fires("seq.params", Warn, "another cache", |f| {
        sequence_of(there(f), ORDERS_SEQ).cache = Some("20".to_owned());
    }),
    fires(
        "seq.params",
        Block,
        "the value lies beyond the target's end",
        |f| {
            sequence_of(there(f), ORDERS_SEQ).max = Some("9".to_owned());
        },
    ),
    fires("seq.params", Block, "the other direction", |f| {
        descending(there(f))
    }),
    silent("seq.params", "only the value differs", |f| {
        last(there(f), ORDERS_SEQ, None)
    }),
    fires("seq.behind_data", Warn, "a higher value exists", |f| {
        mark(f, "1", "11")
    }),
    fires(
        "seq.behind_data",
        Warn,
        "never called, but rows exist",
        |f| {
            last(source(f), ORDERS_SEQ, None);
            mark(f, "1", "1");
        },
    ),
    fires(
        "seq.behind_data",
        Warn,
        "descending, a lower value exists",
        |f| {
            descending(source(f));
            mark(f, "-11", "-1");
        },
    ),
    silent("seq.behind_data", "just as far", |f| mark(f, "1", "10")),
    silent("seq.behind_data", "descending, just as far", |f| {
        descending(source(f));
        mark(f, "-10", "50");
    }),
    fires("seq.near_limit", Warn, "an integer at 80 %", |f| {
        last(source(f), CUSTOMERS_SEQ, Some("1720000000"));
    }),
    fires(
        "seq.near_limit",
        Warn,
        "a bigint sequence on an integer column",
        |f| {
            let serial = sequence_of(source(f), CUSTOMERS_SEQ);
            serial.max = Some("9223372036854775807".to_owned());
            serial.last_value = Some("2000000000".to_owned());
        },
    ),
    fires("seq.near_limit", Warn, "a descending one at its end", |f| {
        descending(source(f));
        sequence_of(source(f), ORDERS_SEQ).min = Some("-11".to_owned());
    }),
    silent("seq.near_limit", "half way", |f| {
        last(source(f), CUSTOMERS_SEQ, Some("1000000000"));
    }),
    silent("seq.near_limit", "it starts over", |f| {
        last(source(f), CUSTOMERS_SEQ, Some("2147483640"));
        sequence_of(source(f), CUSTOMERS_SEQ).cycle = true;
    }),
    fires("seq.replicated_by_pglogical", Warn, "in a set", |f| {
        member(source(f), ORDERS_SEQ)
    }),
    silent(
        "seq.replicated_by_pglogical",
        "its table is in a set",
        |f| member(source(f), ORDERS),
    ),
    fires("seq.unfit_for_pglogical", Info, "descending", |f| {
        descending(source(f))
    }),
    fires(
        "seq.unfit_for_pglogical",
        Block,
        "cycling, and in a set",
        |f| {
            sequence_of(source(f), ORDERS_SEQ).cycle = true;
            member(source(f), ORDERS_SEQ);
        },
    ),
    fires("seq.unfit_for_pglogical", Info, "close to its end", |f| {
        sequence_of(source(f), ORDERS_SEQ).max = Some("500".to_owned());
    }),
    silent("seq.unfit_for_pglogical", "two million left", |f| {
        sequence_of(source(f), ORDERS_SEQ).max = Some("2000000".to_owned());
    }),
    fires("seq.unlogged", Info, "an unlogged sequence", |f| {
        sequence_of(source(f), ORDERS_SEQ).persistence = Persistence::Unlogged;
    }),
    silent("seq.unlogged", "left out with its table", |f| {
        sequence_of(source(f), ORDERS_SEQ).persistence = Persistence::Unlogged;
        f.asked.selection.exclude_tables = vec!["orders".to_owned()];
    }),
    fires(
        "seq.owner_excluded",
        Warn,
        "the owner is left out, a user is not",
        |f| {
            uses(source(f), CUSTOMERS_SEQ, ORDERS, Via::Default);
            f.asked.selection.exclude_tables = vec!["customers".to_owned()];
        },
    ),
    silent("seq.owner_excluded", "nobody else uses it", |f| {
        f.asked.selection.exclude_tables = vec!["customers".to_owned()];
    }),
];
