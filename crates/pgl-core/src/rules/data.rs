//! The stored bytes themselves, as far as catalogs and counters tell.

use crate::facts::Facts;
use crate::facts::objects::View;
use crate::rules::{Check, Emit, On, Ran};
use crate::{Severity, Side};

/// Mean TOAST bytes of a row from which on single values are likely beyond 100 MB.
const WIDE: u64 = 8 << 20;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "data.checksum_failures",
        severity: Severity::Block,
        on: On::Source,
        guardrail: false,
        title: "data pages whose checksum failed",
        why: "The copy will stop at the broken page, perhaps after hours.",
        remedy: "Restore the page from a backup or a standby before the migration; find it with pg_amcheck or pg_dump.",
        run: checksum_failures,
    },
    Check {
        id: "data.no_checksums",
        severity: Severity::Info,
        on: On::Source,
        guardrail: false,
        title: "data checksums are off",
        why: "Silent corruption would be copied, or be found only in the middle of the copy.",
        remedy: "Read everything once before (pg_dump > /dev/null); create the target with checksums.",
        run: no_checksums,
    },
    Check {
        id: "data.huge_values",
        severity: Severity::Warn,
        on: On::Source,
        guardrail: false,
        title: "tables that probably hold values of 100 MB and more",
        why: "A row is held in memory several times on its way: from some hundred megabytes on, decoding or apply fails with \"invalid memory alloc request size\".",
        remedy: "Look for the largest row with SELECT max(pg_column_size(t)) FROM the table AS t; rows above 100 MB should be split or moved out.",
        run: huge_values,
    },
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
