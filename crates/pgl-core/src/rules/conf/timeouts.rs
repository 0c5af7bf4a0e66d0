//! Timeouts that end a copy, a slot or a stream halfway.

use crate::facts::NotRun;
use crate::facts::server::{ServerState, Setting};
use crate::rules::common::{bytes, duration, float, warn_if};
use crate::rules::{Emit, Ran, Rule, each, setting, source};
use crate::{Side, quote_ident};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    source("conf.wal_sender_timeout", |server, emit| {
        const NAME: &str = "wal_sender_timeout";
        const COMFORTABLE_MS: f64 = 300_000.0;
        const SHORT_MS: f64 = 30_000.0;
        if let Some((_, ms)) = in_force(server, NAME)?.filter(|(_, ms)| *ms < COMFORTABLE_MS) {
            let what = format!("{NAME} is {}", duration(ms / 1000.0));
            let at = (Side::Source, server);
            emit.set(at, (NAME, "'10min'"), what)?
                .severity(warn_if(ms < SHORT_MS));
        }
        Ok(())
    }),
    each("conf.statement_timeout", |side, server, emit| {
        timeout("statement_timeout", side, server, emit)
    }),
    each("conf.lock_timeout", |side, server, emit| {
        timeout("lock_timeout", side, server, emit)
    }),
    each("conf.idle_in_txn_timeout", |side, server, emit| {
        timeout("idle_in_transaction_session_timeout", side, server, emit)
    }),
    each("conf.idle_session_timeout", |side, server, emit| {
        timeout("idle_session_timeout", side, server, emit)
    }),
    each("conf.transaction_timeout", |side, server, emit| {
        timeout("transaction_timeout", side, server, emit)
    }),
    source("conf.max_slot_wal_keep_size", |server, emit| {
        const NAME: &str = "max_slot_wal_keep_size";
        let limit = server.known_setting(NAME)?.and_then(Setting::bytes);
        if let Some(limit) = limit.filter(|limit| *limit >= 0.0) {
            let size = bytes(float(server.volume.get()?.database_bytes));
            let what = format!("{NAME} is {}; the database is {size}", bytes(limit));
            emit.set((Side::Source, server), (NAME, "-1"), what)?;
        }
        Ok(())
    }),
    setting(
        "conf.idle_replication_slot_timeout",
        ("idle_replication_slot_timeout", "0"),
        |_, it| lasts(it, it.milliseconds()? > 0.0),
    ),
    setting(
        "conf.old_snapshot_threshold",
        ("old_snapshot_threshold", "-1"),
        |_, it| lasts(it, it.number()? >= 0.0),
    ),
];

/// How long a timeout is, where that is wrong.
fn lasts(it: &Setting, wrong: bool) -> Option<String> {
    let lasts = duration(it.milliseconds()? / 1_000.0);
    wrong.then(|| format!("{} is {lasts}", it.name))
}

/// One of the timeouts that a session has. The value that our own session would get is what
/// matters on the source, since pglogical connects with such a role; on the target the apply
/// worker is a server process and sees the server's and the database's value.
fn timeout(name: &str, side: Side, server: &ServerState, emit: &mut Emit<'_>) -> Ran {
    let user = server.identity.get()?.user.as_str();
    if let Some((setting, ms)) = in_force(server, name)? {
        let shown = match &setting.value {
            Some(value) if ms < 1_000.0 => format!("{value} ms"),
            _ => duration(ms / 1_000.0),
        };
        emit.find(side, format!("{name} is {shown} on the {side}"))
            .object(name)
            .sql(format!("ALTER ROLE {} SET {name} = 0;", quote_ident(user)));
    }
    // Roles that pglogical may be told to connect as, besides the one used here.
    let other = emit.facts.link.provider_role.as_deref();
    let other = other.filter(|role| side == Side::Source && *role != user);
    if other.is_some() {
        let (overrides, set) = (server.overrides_of(name)?, |value: &&str| is_set(value));
        for found in overrides.filter(|found| found.role.as_deref() == other) {
            if let Some(value) = found.value.as_deref().filter(set) {
                emit.overridden(side, name, found, value);
            }
        }
    }
    Ok(())
}

/// Zero in any unit switches a timeout off.
fn is_set(value: &str) -> bool {
    let mut digits = value.trim().chars().skip_while(|c| matches!(c, '0' | '.'));
    digits.next().is_some_and(|c| c.is_ascii_digit())
}

/// A timeout that is not off, in milliseconds.
fn in_force<'a>(server: &'a ServerState, name: &str) -> Result<Option<(&'a Setting, f64)>, NotRun> {
    let setting = server.known_setting(name)?;
    let timeout = setting.and_then(|setting| Some((setting, setting.milliseconds()?)));
    Ok(timeout.filter(|(_, ms)| *ms > 0.0))
}

#[cfg(test)]
pub(in crate::rules) use cases::CASES;

#[cfg(test)]
mod cases {
    use super::*;
    use crate::Severity;
    use crate::rules::testing::server::{on_target, override_setting, set, source};
    use crate::rules::testing::{Case, fires, silent};

    pub(in crate::rules) const CASES: &[Case] = &[
        fires(
            "conf.wal_sender_timeout",
            Severity::Info,
            "the default",
            |_| {},
        ),
        fires(
            "conf.wal_sender_timeout",
            Severity::Warn,
            "five seconds",
            |f| {
                set(source(f), "wal_sender_timeout", "5000");
            },
        ),
        silent("conf.wal_sender_timeout", "off", |f| {
            set(source(f), "wal_sender_timeout", "0");
        }),
        silent("conf.wal_sender_timeout", "half an hour", |f| {
            set(source(f), "wal_sender_timeout", "1800000");
        }),
        fires(
            "conf.statement_timeout",
            Severity::Warn,
            "on the source",
            |f| {
                set(source(f), "statement_timeout", "5000");
            },
        ),
        fires(
            "conf.statement_timeout",
            Severity::Warn,
            "for the provider's role",
            |f| {
                f.link.provider_role = Some("repl".into());
                override_setting(source(f), None, Some("repl"), "statement_timeout", "30s");
            },
        ),
        silent("conf.statement_timeout", "for another role", |f| {
            override_setting(source(f), None, Some("app"), "statement_timeout", "30s");
        }),
        silent(
            "conf.statement_timeout",
            "off for the provider's role",
            |f| {
                f.link.provider_role = Some("repl".into());
                override_setting(source(f), None, Some("repl"), "statement_timeout", "0ms");
            },
        ),
        fires("conf.lock_timeout", Severity::Warn, "on the target", |f| {
            set(on_target(f), "lock_timeout", "500");
        }),
        fires(
            "conf.idle_in_txn_timeout",
            Severity::Warn,
            "a minute",
            |f| {
                set(source(f), "idle_in_transaction_session_timeout", "60000");
            },
        ),
        fires(
            "conf.idle_session_timeout",
            Severity::Warn,
            "a minute",
            |f| {
                set(on_target(f), "idle_session_timeout", "60000");
            },
        ),
        fires("conf.transaction_timeout", Severity::Warn, "an hour", |f| {
            set(on_target(f), "transaction_timeout", "3600000");
        }),
        fires(
            "conf.max_slot_wal_keep_size",
            Severity::Warn,
            "one gigabyte",
            |f| {
                set(source(f), "max_slot_wal_keep_size", "1024");
            },
        ),
        silent("conf.max_slot_wal_keep_size", "on the target", |f| {
            set(on_target(f), "max_slot_wal_keep_size", "1024");
        }),
        fires(
            "conf.idle_replication_slot_timeout",
            Severity::Warn,
            "an hour",
            |f| {
                set(source(f), "idle_replication_slot_timeout", "3600000");
            },
        ),
        silent("conf.idle_replication_slot_timeout", "off", |f| {
            set(source(f), "idle_replication_slot_timeout", "0");
        }),
        fires(
            "conf.old_snapshot_threshold",
            Severity::Warn,
            "an hour",
            |f| {
                set(source(f), "old_snapshot_threshold", "60");
            },
        ),
    ];

    #[test]
    fn zero_in_any_unit_is_off() {
        for off in ["0", "0ms", "00", "0s", " 0 min"] {
            assert!(!is_set(off), "{off}");
        }
        for on in ["1", "30s", "05", "1min"] {
            assert!(is_set(on), "{on}");
        }
    }
}
