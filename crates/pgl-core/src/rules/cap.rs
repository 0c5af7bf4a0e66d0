//! Sizes and rates: how long it will take and what has to be free for it.

use super::common::{bytes, duration, each, plural, set_parameter, source, target};
use super::{Emit, Ran, Rule};
use crate::facts::Facts;
use crate::name::show_ident;
use crate::{Severity, Side};

pub(super) const CHECKS: &[Rule] = &[
    ("cap.size_estimate", size_estimate),
    ("cap.target_disk", target_disk),
    ("cap.wal_disk", wal_disk),
    ("cap.write_rate", write_rate),
    ("cap.xid_age", xid_age),
    ("cap.databases", databases),
    ("cap.target_tier", target_tier),
    ("cap.large_transactions", large_transactions),
];

/// Rows a second that one apply worker is known to manage on small hardware.
const APPLY_ROWS_PER_SECOND: f64 = 20_000.0;
/// Bytes a second that copying with indexes and checks is cautiously assumed to manage.
const COPY_BYTES_PER_SECOND: f64 = 20_971_520.0;

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn float(count: u64) -> f64 {
    count as f64
}

/// Seconds that the copy takes, cautiously.
fn copy_seconds(facts: &Facts) -> Result<f64, crate::facts::NotRun> {
    let size = source(facts).volume.get()?.database_bytes;
    Ok(float(size) / COPY_BYTES_PER_SECOND)
}

fn size_estimate(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let volume = source(facts).volume.get()?;
    if volume.tables == 0 {
        return Ok(());
    }
    emit.find(
        Side::Source,
        format!(
            "the database holds {} in {}, {} and {}; at 20 MiB/s the copy takes {}",
            bytes(float(volume.database_bytes)),
            plural(volume.tables, "table"),
            if volume.indexes == 1 {
                "1 index".to_owned()
            } else {
                format!("{} indexes", volume.indexes)
            },
            plural(volume.sequences, "sequence"),
            duration(copy_seconds(facts)?)
        ),
    );
    Ok(())
}

fn target_disk(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    const NOT_WORTH_A_WORD: u64 = 1 << 30;
    facts.target()?;
    let size = source(facts).volume.get()?.database_bytes;
    if size >= NOT_WORTH_A_WORD && !facts.under_way() {
        emit.find(
            Side::Target,
            format!(
                "about {} of free disk space are needed",
                bytes(float(size) * 1.25)
            ),
        );
    }
    Ok(())
}

fn wal_disk(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    const NOT_WORTH_A_WORD: f64 = 1_073_741_824.0;
    let server = source(facts);
    let rate = server.write_rate.get()?;
    if rate.wal_seconds < 1.0 {
        return Ok(());
    }
    let per_second = float(rate.wal_bytes) / rate.wal_seconds;
    let kept = per_second * copy_seconds(facts)?;
    if kept >= NOT_WORTH_A_WORD {
        let hint = if server.platform()?.is_aws() {
            " Watch FreeStorageSpace in CloudWatch."
        } else {
            ""
        };
        emit.find(
            Side::Source,
            format!(
                "the source writes {} of WAL a second: about {} will be kept during the copy",
                bytes(per_second),
                bytes(kept)
            ),
        )
        .remedy(format!(
            "Make sure of the space, and watch pgl-status: it shows how much the slot holds \
             back.{hint}"
        ));
    }
    Ok(())
}

fn write_rate(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let rate = source(facts).write_rate.get()?;
    // Counters that were reset a moment ago say nothing about a rate.
    if rate.seconds < 60.0 {
        return Ok(());
    }
    let rows = float(rate.rows_changed) / rate.seconds;
    if rows > APPLY_ROWS_PER_SECOND / 10.0 {
        let severity = if rows > APPLY_ROWS_PER_SECOND {
            Severity::Warn
        } else {
            Severity::Info
        };
        emit.find(
            Side::Source,
            format!(
                "the source changes {rows:.0} rows a second on average over the last {}",
                duration(rate.seconds)
            ),
        )
        .severity(severity);
    }
    Ok(())
}

fn xid_age(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    const WARN: i64 = 1_000_000_000;
    const BLOCK: i64 = 1_900_000_000;
    each(facts, emit, |side, server, emit| {
        for database in server.databases.get()? {
            let (age, of) = match database.multixact_age {
                Some(age) if age > database.xid_age => (age, "multixact ids"),
                _ => (database.xid_age, "transaction ids"),
            };
            if age > WARN {
                let severity = if age > BLOCK {
                    Severity::Block
                } else {
                    Severity::Warn
                };
                emit.find(
                    side,
                    format!(
                        "database {} has {of} {} million old; the server stops at about 2,100 \
                         million",
                        database.name,
                        age / 1_000_000
                    ),
                )
                .object(&database.name)
                .severity(severity);
            }
        }
        Ok(())
    })
}

fn databases(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = source(facts);
    let here = &server.identity.get()?.database;
    let others: Vec<&str> = server
        .databases
        .get()?
        .iter()
        .filter(|database| database.allow_connections && !database.template)
        .map(|database| database.name.as_str())
        // Every cluster has this one, and hardly any keeps data in it.
        .filter(|name| name != here && *name != "postgres" && *name != "rdsadmin")
        .collect();
    let expected = facts.asked.databases_total as usize;
    if others.len() >= expected.max(1) {
        emit.find(
            Side::Source,
            format!(
                "{} besides {here}: {}; --databases-total is {expected}",
                plural(others.len() as u64, "database"),
                super::common::some_of(&others)
            ),
        );
    }
    Ok(())
}

/// Settings that stand for what a server is made for, with the share of the source's value below
/// which the target's is worth a word: limits refuse, memory only slows.
const TIER: &[(&str, f64)] = &[
    ("effective_cache_size", 0.5),
    ("maintenance_work_mem", 0.5),
    ("max_connections", 1.0),
    ("max_prepared_transactions", 1.0),
    ("shared_buffers", 0.5),
    ("work_mem", 0.5),
];

fn target_tier(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let (from, to) = (source(facts), target(facts)?);
    for (name, share) in TIER {
        let (Some(here), Some(there)) = (from.setting(name)?, to.setting(name)?) else {
            continue;
        };
        let (Some(wanted), Some(given)) = (here.bytes(), there.bytes()) else {
            continue;
        };
        if given >= wanted * share {
            continue;
        }
        let show = |value: f64| match &here.unit {
            Some(_) => bytes(value),
            None => format!("{value:.0}"),
        };
        let draft = emit
            .find(
                Side::Target,
                format!(
                    "{name} is {} on the target and {} on the source",
                    show(given),
                    show(wanted)
                ),
            )
            .object(name);
        // How much memory is right depends on the machine; a limit can be taken over as it is.
        if here.unit.is_none() {
            let value = here.value.as_deref().unwrap_or_default();
            let draft = draft.fix(set_parameter(to, name, value)?);
            let clients = f64::from(from.backends.get()?.clients);
            if *name == "max_connections" && clients > given {
                draft.severity(Severity::Warn);
            }
        }
    }
    Ok(())
}

fn large_transactions(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = source(facts);
    let database = &server.identity.get()?.database;
    for slot in server.slots.get()? {
        let count = slot
            .spilled_transactions
            .and_then(|count| u64::try_from(count).ok());
        let Some(count) = count.filter(|count| *count > 0) else {
            continue;
        };
        // Another database's transactions are not decoded for this migration.
        if slot.database.as_ref() != Some(database) {
            continue;
        }
        let written = slot
            .spilled_bytes
            .and_then(|bytes| u64::try_from(bytes).ok());
        let name = show_ident(&slot.name);
        emit.find(
            Side::Source,
            format!(
                "slot {name} has decoded {} through files, {} of them",
                plural(count, "transaction"),
                bytes(float(written.unwrap_or(0)))
            ),
        )
        .object(name);
    }
    Ok(())
}

#[cfg(test)]
pub(super) use cases::CASES;

#[cfg(test)]
mod cases {
    use super::*;
    use crate::facts::server::{DatabaseInfo, Slot};
    use crate::rules::testing::server::{on_target, set, source};
    use crate::rules::testing::{Case, fires, known, silent};

    fn add_database(f: &mut Facts, name: &str) {
        known(&mut source(f).databases).push(DatabaseInfo {
            name: name.into(),
            allow_connections: true,
            ..DatabaseInfo::default()
        });
    }

    fn spilled(database: &str, transactions: i64) -> Slot {
        Slot {
            name: "cdc".into(),
            plugin: Some("pgoutput".into()),
            database: Some(database.into()),
            spilled_transactions: Some(transactions),
            spilled_bytes: Some(transactions << 20),
            ..Slot::default()
        }
    }

    pub(in crate::rules) const CASES: &[Case] = &[
        fires("cap.size_estimate", Severity::Info, "tables there", |_| {}),
        silent("cap.size_estimate", "an empty database", |f| {
            known(&mut source(f).volume).tables = 0;
        }),
        fires("cap.target_disk", Severity::Info, "five gigabytes", |_| {}),
        silent("cap.target_disk", "a small database", |f| {
            known(&mut source(f).volume).database_bytes = 20 << 20;
        }),
        fires("cap.wal_disk", Severity::Info, "100 MB a second", |f| {
            known(&mut source(f).write_rate).wal_bytes = 10_000_000_000_000;
        }),
        fires("cap.write_rate", Severity::Warn, "50,000 a second", |f| {
            known(&mut source(f).write_rate).rows_changed = 5_000_000_000;
        }),
        fires("cap.write_rate", Severity::Info, "5,000 a second", |f| {
            known(&mut source(f).write_rate).rows_changed = 500_000_000;
        }),
        silent("cap.write_rate", "counters just reset", |f| {
            known(&mut source(f).write_rate).rows_changed = 5_000_000;
            known(&mut source(f).write_rate).seconds = 2.0;
        }),
        fires("cap.xid_age", Severity::Warn, "1.2 billion", |f| {
            known(&mut source(f).databases)[0].xid_age = 1_200_000_000;
        }),
        fires(
            "cap.xid_age",
            Severity::Block,
            "2 billion multixacts",
            |f| {
                known(&mut on_target(f).databases)[0].multixact_age = Some(2_000_000_000);
            },
        ),
        fires("cap.databases", Severity::Info, "one more", |f| {
            add_database(f, "crm");
        }),
        silent("cap.databases", "one more, and told so", |f| {
            add_database(f, "crm");
            f.asked.databases_total = 2;
        }),
        silent("cap.databases", "only postgres", |f| {
            add_database(f, "postgres");
        }),
        fires(
            "cap.target_tier",
            Severity::Info,
            "fewer connections",
            |f| {
                set(on_target(f), "max_connections", "50");
            },
        ),
        fires(
            "cap.target_tier",
            Severity::Warn,
            "fewer connections than are in use",
            |f| {
                set(on_target(f), "max_connections", "50");
                known(&mut source(f).backends).clients = 60;
            },
        ),
        fires("cap.target_tier", Severity::Info, "little memory", |f| {
            set(source(f), "shared_buffers", "524288");
            set(on_target(f), "shared_buffers", "16384");
        }),
        silent("cap.target_tier", "a little less memory", |f| {
            set(source(f), "shared_buffers", "524288");
            set(on_target(f), "shared_buffers", "393216");
        }),
        silent("cap.target_tier", "more of all", |f| {
            set(on_target(f), "max_connections", "500");
            set(on_target(f), "max_prepared_transactions", "10");
        }),
        fires("cap.large_transactions", Severity::Info, "spilled", |f| {
            known(&mut source(f).slots).push(spilled("shop", 3));
        }),
        silent("cap.large_transactions", "none of them", |f| {
            known(&mut source(f).slots).push(spilled("shop", 0));
        }),
        silent("cap.large_transactions", "of another database", |f| {
            known(&mut source(f).slots).push(spilled("other", 3));
        }),
    ];
}
