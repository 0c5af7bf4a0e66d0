//! The stored bytes themselves, as far as catalogs and counters tell.

use crate::Side::Source;
use crate::rules::{Rule, carried, facts};

/// Mean TOAST bytes of a row from which on single values are likely beyond 100 MB.
const WIDE: u64 = 8 << 20;

pub(super) const CHECKS: &[Rule] = &[
    facts("data.checksum_failures", |facts, emit| {
        let failures = facts.source.objects.database.get()?.checksum_failures;
        if let Some(count @ 1..) = failures {
            let what = format!("{count} data pages of this database failed their checksum");
            emit.find(Source, what);
        }
        Ok(())
    }),
    facts("data.no_checksums", |facts, emit| {
        if !facts.source.objects.database.get()?.data_checksums {
            emit.find(Source, "the source cluster runs without data checksums");
        }
        Ok(())
    }),
    carried("data.huge_values", |_, one, emit| {
        let mean = one.rows_estimate.map(|rows| one.toast_bytes / rows.max(1));
        if let Some(mean) = mean.filter(|mean| *mean >= WIDE) {
            let (name, mib) = (one.qualified(), mean >> 20);
            let what = format!("rows of table {name} hold {mib} MiB of large values on average");
            emit.find(Source, what).object(name);
        }
        Ok(())
    }),
];
