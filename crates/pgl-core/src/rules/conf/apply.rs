//! Settings that decide how changes are applied, and who may write.

use crate::cutover::READ_WRITE;
use crate::facts::Facts;
use crate::facts::server::is_true;
use crate::rules::common::{each, list, set_parameter, source, target};
use crate::rules::{Emit, Ran, Rule};
use crate::{Severity, Side};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    ("conf.conflict_resolution", conflict_resolution),
    ("conf.track_commit_ts", track_commit_ts),
    ("conf.use_spi", use_spi),
    ("conf.default_read_only", default_read_only),
    ("conf.read_only_override", read_only_override),
    ("conf.sync_rep", sync_rep),
    ("conf.session_replication_role", session_replication_role),
];

fn conflict_resolution(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = target(facts)?;
    let tracked = server
        .known_setting("track_commit_timestamp")?
        .is_some_and(crate::facts::server::Setting::is_on);
    let Some(setting) = server.known_setting("pglogical.conflict_resolution")? else {
        return Ok(());
    };
    let value = setting.value.as_deref().unwrap_or_default();
    let bad = match value {
        "apply_remote" => false,
        "error" => tracked,
        _ => true,
    };
    if bad {
        let tracking = if tracked { "on" } else { "off" };
        let fix = set_parameter(server, "pglogical.conflict_resolution", "'apply_remote'")?;
        emit.find(
            Side::Target,
            format!(
                "pglogical.conflict_resolution is {value}, track_commit_timestamp is {tracking}"
            ),
        )
        .object("pglogical.conflict_resolution")
        .fix(fix);
    }
    Ok(())
}

fn track_commit_ts(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = target(facts)?;
    let tracked = server
        .known_setting("track_commit_timestamp")?
        .is_some_and(crate::facts::server::Setting::is_on);
    let level = server
        .known_setting("pglogical.conflict_log_level")?
        .and_then(|setting| setting.value.as_deref())
        .unwrap_or("log");
    if tracked && !level.starts_with("debug") {
        let fix = set_parameter(server, "pglogical.conflict_log_level", "'debug1'")?;
        emit.find(
            Side::Target,
            format!("track_commit_timestamp is on, pglogical.conflict_log_level is {level}"),
        )
        .object("pglogical.conflict_log_level")
        .fix(fix);
    }
    Ok(())
}

fn use_spi(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = target(facts)?;
    let on = server
        .known_setting("pglogical.use_spi")?
        .is_some_and(crate::facts::server::Setting::is_on);
    let resolution = server
        .known_setting("pglogical.conflict_resolution")?
        .and_then(|setting| setting.value.as_deref())
        .unwrap_or("apply_remote");
    if on && resolution != "error" {
        let fix = set_parameter(server, "pglogical.use_spi", "off")?;
        emit.find(
            Side::Target,
            format!("pglogical.use_spi is on, pglogical.conflict_resolution is {resolution}"),
        )
        .object("pglogical.use_spi")
        .fix(fix);
    }
    Ok(())
}

const READ_ONLY: &str = "default_transaction_read_only";

fn default_read_only(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    each(facts, emit, |side, server, emit| {
        let severity = match side {
            Side::Source => Severity::Warn,
            Side::Target => Severity::Block,
        };
        let user = server.identity.get()?.user.as_str();
        let mut named = false;
        for found in server.overrides_of(READ_ONLY)? {
            let meets = found.role.as_deref().is_none_or(|role| role == user);
            if meets && found.value.as_deref().is_some_and(is_true) {
                named = true;
                emit.find(side, format!("{READ_ONLY} is on for {}", found.scope()))
                    .object(found.scope())
                    .severity(severity)
                    .sql(format!("{READ_WRITE}; {}", found.reset_sql()));
            }
        }
        if let Some(setting) = server.known_setting(READ_ONLY)?
            && setting.is_on()
            && !named
        {
            let fix = set_parameter(server, READ_ONLY, "off")?;
            emit.find(side, format!("{READ_ONLY} is on for the {side}'s server"))
                .object(READ_ONLY)
                .severity(severity)
                .fix(fix);
        }
        Ok(())
    })
}

fn read_only_override(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = source(facts);
    let user = server.identity.get()?.user.as_str();
    for found in server.overrides_of(READ_ONLY)? {
        let off = found.value.as_deref().is_some_and(|value| !is_true(value));
        // The operator's own role has to be able to write during the block.
        if off && found.role.as_deref().is_some_and(|role| role != user) {
            emit.find(
                Side::Source,
                format!("{READ_ONLY} is off for {}", found.scope()),
            )
            .object(found.scope())
            .sql(found.reset_sql());
        }
    }
    Ok(())
}

fn sync_rep(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    each(facts, emit, |side, server, emit| {
        let Some(setting) = server.known_setting("synchronous_standby_names")? else {
            return Ok(());
        };
        let value = setting.value.as_deref().unwrap_or_default().trim();
        if value.is_empty() {
            return Ok(());
        }
        let any = value.replace(['(', ')', '"'], ",");
        let any = list(&any).iter().any(|name| name == "*");
        if side == Side::Source && any {
            emit.find(side, format!("synchronous_standby_names is {value}"))
                .object("synchronous_standby_names");
        } else if side == Side::Target {
            let connected = server
                .senders
                .get()?
                .iter()
                .any(|sender| matches!(sender.sync_state.as_deref(), Some("sync" | "quorum")));
            if !connected {
                emit.find(
                    side,
                    format!(
                        "synchronous_standby_names is {value} on the target, and no such standby \
                         is connected"
                    ),
                )
                .object("synchronous_standby_names")
                .why("Every commit of the copy would wait for a standby that is not there.")
                .remedy("Empty the setting until the standbys of the new server are there.");
            }
        }
        Ok(())
    })
}

fn session_replication_role(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    each(facts, emit, |side, server, emit| {
        let bad = |value: Option<&str>| value.is_some_and(|value| value != "origin");
        let mut named = false;
        for found in server.overrides_of("session_replication_role")? {
            if bad(found.value.as_deref()) {
                named = true;
                let value = found.value.as_deref().unwrap_or_default();
                emit.find(
                    side,
                    format!("session_replication_role is {value} for {}", found.scope()),
                )
                .object(found.scope())
                .sql(found.reset_sql());
            }
        }
        if let Some(setting) = server.known_setting("session_replication_role")?
            && bad(setting.value.as_deref())
            && !named
        {
            let fix = set_parameter(server, "session_replication_role", "'origin'")?;
            emit.find(
                side,
                format!("session_replication_role is not origin on the {side}"),
            )
            .object("session_replication_role")
            .fix(fix);
        }
        Ok(())
    })
}

#[cfg(test)]
pub(in crate::rules) use cases::CASES;

#[cfg(test)]
mod cases {
    use super::*;
    use crate::facts::server::Sender;
    use crate::rules::testing::server::{on_target, override_setting, set, source};
    use crate::rules::testing::{Case, fires, known, silent};

    pub(in crate::rules) const CASES: &[Case] = &[
        fires(
            "conf.conflict_resolution",
            Severity::Block,
            "last_update_wins",
            |f| {
                set(
                    on_target(f),
                    "pglogical.conflict_resolution",
                    "last_update_wins",
                );
            },
        ),
        fires(
            "conf.conflict_resolution",
            Severity::Block,
            "error, tracked",
            |f| {
                set(on_target(f), "pglogical.conflict_resolution", "error");
            },
        ),
        silent("conf.conflict_resolution", "error, not tracked", |f| {
            set(on_target(f), "pglogical.conflict_resolution", "error");
            set(on_target(f), "track_commit_timestamp", "off");
        }),
        silent("conf.conflict_resolution", "on the source", |f| {
            set(
                source(f),
                "pglogical.conflict_resolution",
                "last_update_wins",
            );
        }),
        fires(
            "conf.track_commit_ts",
            Severity::Info,
            "tracked and logged",
            |_| {},
        ),
        silent("conf.track_commit_ts", "not tracked", |f| {
            set(on_target(f), "track_commit_timestamp", "off");
        }),
        silent("conf.track_commit_ts", "not logged", |f| {
            set(on_target(f), "pglogical.conflict_log_level", "debug1");
        }),
        fires("conf.use_spi", Severity::Block, "with apply_remote", |f| {
            set(on_target(f), "pglogical.use_spi", "on");
        }),
        silent("conf.use_spi", "with error", |f| {
            set(on_target(f), "pglogical.use_spi", "on");
            set(on_target(f), "pglogical.conflict_resolution", "error");
        }),
        fires(
            "conf.default_read_only",
            Severity::Block,
            "target's server",
            |f| {
                set(on_target(f), READ_ONLY, "on");
            },
        ),
        fires(
            "conf.default_read_only",
            Severity::Block,
            "target's database",
            |f| {
                override_setting(on_target(f), Some("shop"), None, READ_ONLY, "on");
                set(on_target(f), READ_ONLY, "on");
            },
        ),
        fires("conf.default_read_only", Severity::Warn, "source", |f| {
            set(source(f), READ_ONLY, "on");
        }),
        silent("conf.default_read_only", "a reporting role's own", |f| {
            override_setting(on_target(f), None, Some("reports"), READ_ONLY, "on");
        }),
        fires(
            "conf.read_only_override",
            Severity::Warn,
            "a role's own off",
            |f| {
                override_setting(source(f), None, Some("app"), READ_ONLY, "off");
            },
        ),
        silent("conf.read_only_override", "the operator's own", |f| {
            override_setting(source(f), None, Some("migrator"), READ_ONLY, "off");
        }),
        silent(
            "conf.read_only_override",
            "the database's, which the block replaces",
            |f| {
                override_setting(source(f), Some("shop"), None, READ_ONLY, "off");
            },
        ),
        fires("conf.sync_rep", Severity::Warn, "anyone", |f| {
            set(source(f), "synchronous_standby_names", "FIRST 1 (*)");
        }),
        fires("conf.sync_rep", Severity::Warn, "target waits", |f| {
            set(on_target(f), "synchronous_standby_names", "standby1");
        }),
        silent("conf.sync_rep", "named standbys", |f| {
            set(source(f), "synchronous_standby_names", "ANY 1 (s1, s2)");
            set(on_target(f), "synchronous_standby_names", "t1");
            known(&mut on_target(f).senders).push(Sender {
                sync_state: Some("sync".into()),
                ..Sender::default()
            });
        }),
        fires(
            "conf.session_replication_role",
            Severity::Warn,
            "role",
            |f| {
                override_setting(
                    source(f),
                    None,
                    Some("etl"),
                    "session_replication_role",
                    "replica",
                );
            },
        ),
        fires(
            "conf.session_replication_role",
            Severity::Warn,
            "server",
            |f| {
                set(on_target(f), "session_replication_role", "replica");
            },
        ),
    ];
}
