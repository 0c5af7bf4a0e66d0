//! Sizes and rates: how long it will take and what has to be free for it.

use super::common::{bytes, duration, float, set_parameter, some_of, warn_if};
use super::{Rule, each, facts, pair, source};
use crate::Side::{Source, Target};
use crate::facts::NotRun;
use crate::facts::server::{ServerState, Setting};
use crate::name::show_ident;
use crate::{Severity, plural};

pub(super) const CHECKS: &[Rule] = &[
    source("cap.size_estimate", |server, emit| {
        let volume = server.volume.get()?;
        if volume.tables > 0 {
            let size = bytes(float(volume.database_bytes));
            let tables = plural(volume.tables, "table");
            let indexes = match volume.indexes {
                1 => "1 index".to_owned(),
                count => format!("{count} indexes"),
            };
            let sequences = plural(volume.sequences, "sequence");
            let copy = duration(copy_seconds(server)?);
            emit.find(
                Source,
                format!("the database holds {size} in {tables}, {indexes} and {sequences}; at 20 MiB/s the copy takes {copy}"),
            );
        }
        Ok(())
    }),
    facts("cap.target_disk", |facts, emit| {
        facts.target()?;
        let size = facts.source.server.volume.get()?.database_bytes;
        if size >= WORTH_A_WORD && !facts.under_way() {
            let size = bytes(float(size) * 1.25);
            let what = format!("about {size} of free disk space are needed");
            emit.find(Target, what);
        }
        Ok(())
    }),
    source("cap.wal_disk", |server, emit| {
        let rate = server.write_rate.get()?;
        if rate.wal_seconds < 1.0 {
            return Ok(());
        }
        let per_second = float(rate.wal_bytes) / rate.wal_seconds;
        let kept = per_second * copy_seconds(server)?;
        if kept >= float(WORTH_A_WORD) {
            let hint = match server.platform()?.is_aws() {
                true => " Watch FreeStorageSpace in CloudWatch.",
                false => "",
            };
            let (rate, kept) = (bytes(per_second), bytes(kept));
            let what = format!(
                "the source writes {rate} of WAL a second: about {kept} will be kept during the copy"
            );
            emit.find(Source, what).remedy(format!(
                "Make sure of the space, and watch pgl-status: it shows how much the slot holds back.{hint}"
            ));
        }
        Ok(())
    }),
    source("cap.write_rate", |server, emit| {
        let rate = server.write_rate.get()?;
        let rows = float(rate.rows_changed) / rate.seconds;
        // Counters that were reset a moment ago say nothing about a rate.
        if rate.seconds >= 60.0 && rows > APPLY_ROWS_PER_SECOND / 10.0 {
            let over = duration(rate.seconds);
            let what = format!(
                "the source changes {rows:.0} rows a second on average over the last {over}"
            );
            emit.find(Source, what)
                .severity(warn_if(rows > APPLY_ROWS_PER_SECOND));
        }
        Ok(())
    }),
    each("cap.xid_age", |side, server, emit| {
        for database in server.databases.get()? {
            let (name, xids) = (&database.name, database.xid_age);
            let (age, of) = match database.multixact_age {
                Some(age) if age > xids => (age, "multixact ids"),
                _ => (xids, "transaction ids"),
            };
            let severity = match age {
                1_900_000_001.. => Severity::Block,
                1_000_000_001.. => Severity::Warn,
                _ => continue,
            };
            let millions = age / 1_000_000;
            let what = format!(
                "database {name} has {of} {millions} million old; the server stops at about 2,100 million"
            );
            emit.find(side, what).object(name).severity(severity);
        }
        Ok(())
    }),
    source("cap.databases", |server, emit| {
        let here = &server.identity.get()?.database;
        let all = server.databases.get()?.iter();
        let others: Vec<&str> = all
            .filter(|database| database.allow_connections && !database.template)
            .map(|database| database.name.as_str())
            // Every cluster has this one, and hardly any keeps data in it.
            .filter(|name| name != here && *name != "postgres" && *name != "rdsadmin")
            .collect();
        let expected = emit.facts.asked.databases_total;
        if others.len() >= expected.max(1) as usize {
            let count = plural(others.len() as u64, "database");
            let others = some_of(&others);
            emit.find(
                Source,
                format!("{count} besides {here}: {others}; --databases-total is {expected}"),
            );
        }
        Ok(())
    }),
    pair("cap.target_tier", |from, to, emit| {
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
            let what = format!(
                "{name} is {} on the target and {} on the source",
                show(here, given),
                show(here, wanted)
            );
            let draft = emit.find(Target, what).object(name);
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
    }),
    source("cap.large_transactions", |server, emit| {
        let database = &server.identity.get()?.database;
        // Another database's transactions are not decoded for this migration.
        let slots = server.slots.get()?.iter();
        for slot in slots.filter(|slot| slot.database.as_ref() == Some(database)) {
            let count = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
            if let Some(spilled @ 1..) = count(slot.spilled_transactions) {
                let (name, spilled) = (show_ident(&slot.name), plural(spilled, "transaction"));
                let written = bytes(float(count(slot.spilled_bytes).unwrap_or(0)));
                let what =
                    format!("slot {name} has decoded {spilled} through files, {written} of them");
                emit.find(Source, what).object(name);
            }
        }
        Ok(())
    }),
];

/// Rows a second that one apply worker is known to manage on small hardware.
const APPLY_ROWS_PER_SECOND: f64 = 20_000.0;
/// Bytes a second that copying with indexes and checks is cautiously assumed to manage.
const COPY_BYTES_PER_SECOND: f64 = 20_971_520.0;
/// Less disk space than this is not worth a word.
const WORTH_A_WORD: u64 = 1 << 30;

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

/// A value of such a setting, for people.
fn show(setting: &Setting, value: f64) -> String {
    match &setting.unit {
        Some(_) => bytes(value),
        None => format!("{value:.0}"),
    }
}

/// Seconds that the copy takes, cautiously.
fn copy_seconds(source: &ServerState) -> Result<f64, NotRun> {
    Ok(float(source.volume.get()?.database_bytes) / COPY_BYTES_PER_SECOND)
}

#[cfg(test)]
pub(super) use cases::CASES;

#[cfg(test)]
mod cases {
    use super::*;
    use crate::facts::Facts;
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
        silent("cap.databases", "one more, and a warning", |f| {
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
