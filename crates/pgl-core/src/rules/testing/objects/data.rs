//! Cases of the checks on the stored bytes.

use super::super::{Case, fires, known, silent};
use super::*;
use crate::Severity::{Block, Info, Warn};

pub(in super::super) const CASES: &[Case] = &[
    fires("data.checksum_failures", Block, "three broken pages", |f| {
        known(&mut source(f).database).checksum_failures = Some(3);
    }),
    silent("data.checksum_failures", "not counted", |f| {
        known(&mut source(f).database).checksum_failures = None;
    }),
    fires("data.no_checksums", Info, "off", |f| {
        known(&mut source(f).database).data_checksums = false;
    }),
    silent("data.no_checksums", "off on the target only", |f| {
        known(&mut there(f).database).data_checksums = false;
    }),
    fires("data.huge_values", Warn, "10 MiB a row", |f| {
        relation(source(f), ORDERS).toast_bytes = 1000 << 20;
    }),
    silent("data.huge_values", "many small ones", |f| {
        let orders = relation(source(f), ORDERS);
        orders.toast_bytes = 1000 << 20;
        orders.rows_estimate = Some(1_000_000);
    }),
    silent(
        "data.huge_values",
        "nothing known of the number of rows",
        |f| {
            let orders = relation(source(f), ORDERS);
            orders.toast_bytes = 1000 << 20;
            orders.rows_estimate = None;
        },
    ),
];
