//! The stored bytes themselves, as far as catalogs and counters tell.

use crate::Side;
use crate::facts::Facts;
use crate::facts::objects::View;
use crate::rules::{Emit, Ran, Rule};

/// Mean TOAST bytes of a row from which on single values are likely beyond 100 MB.
const WIDE: u64 = 8 << 20;

pub(super) const CHECKS: &[Rule] = &[
    ("data.checksum_failures", checksum_failures),
    ("data.no_checksums", no_checksums),
    ("data.huge_values", huge_values),
];

fn checksum_failures(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let failures = facts.source.objects.database.get()?.checksum_failures;
    if let Some(count @ 1..) = failures {
        emit.find(
            Side::Source,
            format!("{count} data pages of this database failed their checksum"),
        );
    }
    Ok(())
}

fn no_checksums(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    if !facts.source.objects.database.get()?.data_checksums {
        emit.find(
            Side::Source,
            "the source cluster runs without data checksums",
        );
    }
    Ok(())
}

fn huge_values(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let view = View::source(facts)?;
    for relation in view.carried() {
        let rows = relation.rows_estimate.unwrap_or(0).max(1);
        let mean = relation.toast_bytes / rows;
        if mean >= WIDE && relation.rows_estimate.is_some() {
            let (name, mib) = (relation.qualified(), mean >> 20);
            emit.find(
                Side::Source,
                format!("rows of table {name} hold {mib} MiB of large values on average"),
            )
            .object(&name);
        }
    }
    Ok(())
}
