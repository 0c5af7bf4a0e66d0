//! Settings that decide how changes are applied, and who may write.

use super::text::{bad_overrides, meets};
use crate::Side;
use crate::cutover::READ_WRITE;
use crate::facts::server::{ServerState, is_true};
use crate::rules::common::{block_if, list};
use crate::rules::{Emit, Ran, Rule, each, source, target};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    target("conf.conflict_resolution", |server, emit| {
        let tracked = server.is_on("track_commit_timestamp")?;
        let value = server.value(RESOLUTION)?.unwrap_or("apply_remote");
        if value != "apply_remote" && (value != "error" || tracked) {
            let tracking = if tracked { "on" } else { "off" };
            let what = format!("{RESOLUTION} is {value}, track_commit_timestamp is {tracking}");
            emit.set((Side::Target, server), (RESOLUTION, "'apply_remote'"), what)?;
        }
        Ok(())
    }),
    target("conf.track_commit_ts", |server, emit| {
        const LEVEL: &str = "pglogical.conflict_log_level";
        let tracked = server.is_on("track_commit_timestamp")?;
        let level = server.value(LEVEL)?.unwrap_or("log");
        if tracked && !level.starts_with("debug") {
            let what = format!("track_commit_timestamp is on, {LEVEL} is {level}");
            emit.set((Side::Target, server), (LEVEL, "'debug1'"), what)?;
        }
        Ok(())
    }),
    target("conf.use_spi", |server, emit| {
        const USE_SPI: &str = "pglogical.use_spi";
        let on = server.is_on(USE_SPI)?;
        let resolution = server.value(RESOLUTION)?.unwrap_or("apply_remote");
        if on && resolution != "error" {
            let what = format!("{USE_SPI} is on, {RESOLUTION} is {resolution}");
            emit.set((Side::Target, server), (USE_SPI, "off"), what)?;
        }
        Ok(())
    }),
    each("conf.default_read_only", default_read_only),
    source("conf.read_only_override", |server, emit| {
        let user = server.identity.get()?.user.as_str();
        for found in server.overrides_of(READ_ONLY)? {
            let off = found.value.as_deref().is_some_and(|value| !is_true(value));
            // The operator's own role has to be able to write during the block.
            if off && found.role.as_deref().is_some_and(|role| role != user) {
                emit.overridden(Side::Source, READ_ONLY, found, "off");
            }
        }
        Ok(())
    }),
    each("conf.sync_rep", sync_rep),
    each("conf.session_replication_role", session_replication_role),
];

const RESOLUTION: &str = "pglogical.conflict_resolution";
const READ_ONLY: &str = "default_transaction_read_only";

fn default_read_only(side: Side, server: &ServerState, emit: &mut Emit<'_>) -> Ran {
    let severity = block_if(side == Side::Target);
    let user = server.identity.get()?.user.as_str();
    let overrides = bad_overrides(server, READ_ONLY, is_true)?.into_iter();
    let mut met = overrides
        .filter(|(found, _)| meets(found, Some(user)))
        .peekable();
    if server.is_on(READ_ONLY)? && met.peek().is_none() {
        let what = format!("{READ_ONLY} is on for the {side}'s server");
        emit.set((side, server), (READ_ONLY, "off"), what)?
            .severity(severity);
    }
    for (found, _) in met {
        let sql = format!("{READ_WRITE}; {}", found.reset_sql());
        let draft = emit.overridden(side, READ_ONLY, found, "on");
        draft.severity(severity).sql(sql);
    }
    Ok(())
}

fn sync_rep(side: Side, server: &ServerState, emit: &mut Emit<'_>) -> Ran {
    const NAME: &str = "synchronous_standby_names";
    let value = server.value(NAME)?.unwrap_or_default().trim();
    if value.is_empty() {
        return Ok(());
    }
    if side == Side::Source {
        let any = value.replace(['(', ')', '"'], ",");
        if list(&any).iter().any(|name| name == "*") {
            emit.find(side, format!("{NAME} is {value}")).object(NAME);
        }
        return Ok(());
    }
    let senders = server.senders.get()?;
    let mut states = senders
        .iter()
        .filter_map(|sender| sender.sync_state.as_deref());
    if !states.any(|state| matches!(state, "sync" | "quorum")) {
        let what = format!("{NAME} is {value} on the target, and no such standby is connected");
        emit.find(side, what)
            .object(NAME)
            .why("Every commit of the copy would wait for a standby that is not there.")
            .remedy("Empty the setting until the standbys of the new server are there.");
    }
    Ok(())
}

fn session_replication_role(side: Side, server: &ServerState, emit: &mut Emit<'_>) -> Ran {
    const NAME: &str = "session_replication_role";
    let other = |value: &str| value != "origin";
    let overrides = bad_overrides(server, NAME, other)?;
    for (found, value) in &overrides {
        emit.overridden(side, NAME, found, value);
    }
    if overrides.is_empty() && server.value(NAME)?.is_some_and(other) {
        let what = format!("{NAME} is not origin on the {side}");
        emit.set((side, server), (NAME, "'origin'"), what)?;
    }
    Ok(())
}

#[cfg(test)]
pub(in crate::rules) use cases::CASES;

#[cfg(test)]
mod cases {
    use super::*;
    use crate::Severity;
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
