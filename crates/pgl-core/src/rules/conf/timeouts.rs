//! Timeouts that end a copy, a slot or a stream halfway.

use crate::facts::server::{ServerState, Setting};
use crate::facts::{Facts, NotRun};
use crate::rules::common::{duration, each, set_parameter, source};
use crate::rules::{Emit, Ran, Rule};
use crate::{Severity, Side};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    ("conf.wal_sender_timeout", wal_sender_timeout),
    ("conf.statement_timeout", |facts, emit| {
        timeout("statement_timeout", facts, emit)
    }),
    ("conf.lock_timeout", |facts, emit| {
        timeout("lock_timeout", facts, emit)
    }),
    ("conf.idle_in_txn_timeout", |facts, emit| {
        timeout("idle_in_transaction_session_timeout", facts, emit)
    }),
    ("conf.idle_session_timeout", |facts, emit| {
        timeout("idle_session_timeout", facts, emit)
    }),
    ("conf.transaction_timeout", |facts, emit| {
        timeout("transaction_timeout", facts, emit)
    }),
    ("conf.max_slot_wal_keep_size", max_slot_wal_keep_size),
    (
        "conf.idle_replication_slot_timeout",
        idle_replication_slot_timeout,
    ),
    ("conf.old_snapshot_threshold", old_snapshot_threshold),
];

fn wal_sender_timeout(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    const COMFORTABLE_MS: f64 = 300_000.0;
    const SHORT_MS: f64 = 30_000.0;
    let server = source(facts);
    let Some(setting) = server.known_setting("wal_sender_timeout")? else {
        return Ok(());
    };
    let Some(ms) = setting.milliseconds() else {
        return Ok(());
    };
    if ms > 0.0 && ms < COMFORTABLE_MS {
        let severity = if ms < SHORT_MS {
            Severity::Warn
        } else {
            Severity::Info
        };
        let fix = set_parameter(server, "wal_sender_timeout", "'10min'")?;
        emit.find(
            Side::Source,
            format!("wal_sender_timeout is {}", duration(ms / 1000.0)),
        )
        .object("wal_sender_timeout")
        .severity(severity)
        .fix(fix);
    }
    Ok(())
}

/// One of the timeouts that a session has. The value that our own session would get is what
/// matters on the source, since pglogical connects with such a role; on the target the apply
/// worker is a server process and sees the server's and the database's value.
fn timeout(name: &str, facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    each(facts, emit, |side, server, emit| {
        if let Some((value, ms)) = in_force(server, name)? {
            emit.find(
                side,
                format!("{name} is {} on the {side}", shown(ms, value)),
            )
            .object(name)
            .sql(off_sql(server, name)?);
        }
        // Roles that pglogical may be told to connect as, besides the one used here.
        let other = facts
            .link
            .provider_role
            .as_deref()
            .filter(|_| side == Side::Source);
        let user = server.identity.get()?.user.as_str();
        if let Some(role) = other.filter(|role| *role != user) {
            for found in server.overrides_of(name)? {
                let of_role = found.role.as_deref() == Some(role);
                if of_role && found.value.as_deref().is_some_and(is_set) {
                    let value = found.value.as_deref().unwrap_or_default();
                    emit.find(side, format!("{name} is {value} for {}", found.scope()))
                        .object(found.scope())
                        .sql(found.reset_sql());
                }
            }
        }
        Ok(())
    })
}

/// Zero in any unit switches a timeout off.
fn is_set(value: &str) -> bool {
    value
        .trim()
        .chars()
        .find(|c| !matches!(c, '0' | '.'))
        .is_some_and(|c| c.is_ascii_digit())
}

fn in_force<'a>(server: &'a ServerState, name: &str) -> Result<Option<(&'a Setting, f64)>, NotRun> {
    let setting = server.known_setting(name)?;
    Ok(setting
        .and_then(|setting| Some((setting, setting.milliseconds()?)))
        .filter(|(_, ms)| *ms > 0.0))
}

fn shown(ms: f64, setting: &Setting) -> String {
    if ms < 1_000.0 {
        format!("{} ms", setting.value.as_deref().unwrap_or_default())
    } else {
        duration(ms / 1_000.0)
    }
}

fn off_sql(server: &ServerState, name: &str) -> Result<String, NotRun> {
    let role = crate::quote_ident(&server.identity.get()?.user);
    Ok(format!("ALTER ROLE {role} SET {name} = 0;"))
}

fn max_slot_wal_keep_size(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = source(facts);
    let Some(setting) = server.known_setting("max_slot_wal_keep_size")? else {
        return Ok(());
    };
    let Some(limit) = setting.bytes().filter(|limit| *limit >= 0.0) else {
        return Ok(());
    };
    let volume = server.volume.get()?;
    #[expect(clippy::cast_precision_loss, reason = "a size for people")]
    let size = volume.database_bytes as f64;
    let fix = set_parameter(server, "max_slot_wal_keep_size", "-1")?;
    emit.find(
        Side::Source,
        format!(
            "max_slot_wal_keep_size is {}; the database is {}",
            crate::rules::common::bytes(limit),
            crate::rules::common::bytes(size)
        ),
    )
    .object("max_slot_wal_keep_size")
    .fix(fix);
    Ok(())
}

fn idle_replication_slot_timeout(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = source(facts);
    if let Some((_, ms)) = in_force(server, "idle_replication_slot_timeout")? {
        let fix = set_parameter(server, "idle_replication_slot_timeout", "0")?;
        emit.find(
            Side::Source,
            format!(
                "idle_replication_slot_timeout is {}",
                duration(ms / 1_000.0)
            ),
        )
        .object("idle_replication_slot_timeout")
        .fix(fix);
    }
    Ok(())
}

fn old_snapshot_threshold(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = source(facts);
    let Some(setting) = server.known_setting("old_snapshot_threshold")? else {
        return Ok(());
    };
    if let Some(ms) = setting
        .milliseconds()
        .filter(|_| setting.number() >= Some(0.0))
    {
        let fix = set_parameter(server, "old_snapshot_threshold", "-1")?;
        emit.find(
            Side::Source,
            format!("old_snapshot_threshold is {}", duration(ms / 1_000.0)),
        )
        .object("old_snapshot_threshold")
        .fix(fix);
    }
    Ok(())
}

#[cfg(test)]
pub(in crate::rules) use cases::CASES;

#[cfg(test)]
mod cases {
    use super::*;
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
