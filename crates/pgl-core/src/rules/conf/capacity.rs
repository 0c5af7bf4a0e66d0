//! Capacity: what is in use and what this migration needs, against what the server allows.
//!
//! For each database of the migration the source needs a manager process, a slot and a walsender
//! (a second of each while a table is synchronised on its own); the target a manager, an apply
//! worker, a sync worker now and then, and a replication origin. The supervisor is one a server.
//! It also starts a manager for every other database in turn, which ends at once: one more.

use crate::facts::server::ServerState;
use crate::facts::{Facts, NotRun};
use crate::rules::common::{Fix, each, plural, set_parameter, source, still_to_come, target};
use crate::rules::{Emit, Ran, Rule};
use crate::{Severity, Side};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    ("conf.max_replication_slots", max_replication_slots),
    ("conf.max_origins", max_origins),
    ("conf.max_wal_senders", max_wal_senders),
    ("conf.max_worker_processes", max_worker_processes),
    ("conf.max_connections", max_connections),
    ("conf.connection_limit", connection_limit),
    ("conf.max_locks", max_locks),
];

/// Managers that the supervisor starts and that end at once.
const TRANSIENT_MANAGERS: u64 = 1;
/// Connections that copying, streaming and the tools take for one database.
const CONNECTIONS_PER_DATABASE: u64 = 8;

/// A limit that is a plain number, where the server has it and the role may see it.
fn limit(server: &ServerState, name: &str) -> Result<Option<u64>, NotRun> {
    let Some(setting) = server.known_setting(name)? else {
        return Ok(None);
    };
    setting
        .value
        .as_deref()
        .and_then(|value| value.parse().ok())
        .map(Some)
        .ok_or_else(|| NotRun(format!("{name} is not a number")))
}

fn raise(server: &ServerState, name: &str, value: u64) -> Result<Fix, NotRun> {
    set_parameter(server, name, &value.to_string())
}

/// Of a resource: how much there is, how much is in use, how much is needed to begin, and how much
/// more makes it comfortable.
struct Budget {
    name: &'static str,
    what: &'static str,
    max: u64,
    used: u64,
    need: u64,
    spare: u64,
}

impl Budget {
    fn judge(&self, side: Side, server: &ServerState, emit: &mut Emit<'_>) -> Ran {
        let Self {
            name,
            what,
            max,
            used,
            need,
            spare,
        } = *self;
        let free = max.saturating_sub(used);
        if need == 0 || free >= need + spare {
            return Ok(());
        }
        let text = format!(
            "{name} is {max} on the {side}: {used} in use, {free} free; this migration needs {}{}",
            plural(need, what),
            if spare > 0 {
                format!(" and at times {spare} more")
            } else {
                String::new()
            }
        );
        // Room for what comes later: one more of everything.
        let enough = used + need + spare + 2;
        let fix = raise(server, name, enough)?;
        let severity = if free < need {
            Severity::Block
        } else {
            Severity::Warn
        };
        emit.find(side, text)
            .object(name)
            .severity(severity)
            .fix(fix);
        Ok(())
    }
}

fn max_replication_slots(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let databases = still_to_come(facts);
    let on_source = || -> Result<Option<Budget>, NotRun> {
        let server = source(facts);
        let used = server.slots.get()?.len() as u64;
        Ok(limit(server, "max_replication_slots")?.map(|max| Budget {
            name: "max_replication_slots",
            what: "slot",
            max,
            used,
            need: databases,
            spare: databases,
        }))
    };
    if let Some(budget) = on_source()? {
        budget.judge(Side::Source, source(facts), emit)?;
    }
    let Ok(server) = target(facts) else {
        return Ok(());
    };
    if server.version()?.at_least(18) {
        return Ok(());
    }
    let used = server.origins.get()?.len() as u64;
    if let Some(max) = limit(server, "max_replication_slots")? {
        origins("max_replication_slots", max, used, databases).judge(Side::Target, server, emit)?;
    }
    Ok(())
}

fn origins(name: &'static str, max: u64, used: u64, databases: u64) -> Budget {
    Budget {
        name,
        what: "origin",
        max,
        used,
        need: databases,
        spare: databases,
    }
}

fn max_origins(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = target(facts)?;
    let used = server.origins.get()?.len() as u64;
    if let Some(max) = limit(server, "max_active_replication_origins")? {
        origins(
            "max_active_replication_origins",
            max,
            used,
            still_to_come(facts),
        )
        .judge(Side::Target, server, emit)?;
    }
    Ok(())
}

fn max_wal_senders(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = source(facts);
    let used = server.senders.get()?.len() as u64;
    let databases = still_to_come(facts);
    if let Some(max) = limit(server, "max_wal_senders")? {
        Budget {
            name: "max_wal_senders",
            what: "walsender",
            max,
            used,
            need: databases,
            spare: databases,
        }
        .judge(Side::Source, server, emit)?;
    }
    Ok(())
}

fn max_worker_processes(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let databases = still_to_come(facts);
    each(facts, emit, |side, server, emit| {
        let backends = server.backends.get()?;
        let Some(max) = limit(server, "max_worker_processes")? else {
            return Ok(());
        };
        let supervisor = u64::from(backends.pglogical_supervisors == 0);
        let of_each = match side {
            Side::Source => 1,
            // Manager, apply, and a sync worker when a table is synchronised on its own.
            Side::Target => 3,
        };
        let need = if databases == 0 {
            0
        } else {
            supervisor + databases * of_each + TRANSIENT_MANAGERS
        };
        let budget = Budget {
            name: "max_worker_processes",
            what: "worker",
            max,
            used: u64::from(backends.workers),
            need,
            // Building indexes and answering queries in parallel takes from the same pool.
            spare: 2,
        };
        // What the role cannot see can only make it worse: a shortage is certain, room is not.
        let free = max.saturating_sub(budget.used);
        if backends.hidden > 0 && free >= need {
            return Err(NotRun(
                "the role may not see the server's own processes (grant it pg_monitor)".to_owned(),
            ));
        }
        budget.judge(side, server, emit)
    })
}

fn max_connections(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let need = still_to_come(facts) * CONNECTIONS_PER_DATABASE;
    each(facts, emit, |side, server, emit| {
        let backends = server.backends.get()?;
        let Some(max) = limit(server, "max_connections")? else {
            return Ok(());
        };
        let reserved = limit(server, "superuser_reserved_connections")?.unwrap_or(0);
        let used = u64::from(backends.clients);
        let free = max.saturating_sub(used + reserved);
        if free < need {
            let fix = raise(server, "max_connections", used + reserved + need + 10)?;
            emit.find(
                side,
                format!(
                    "max_connections is {max} on the {side}: {used} in use, {reserved} reserved, \
                     {free} free; the migration takes up to {need}"
                ),
            )
            .object("max_connections")
            .fix(fix);
        }
        Ok(())
    })
}

fn connection_limit(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let need = still_to_come(facts).max(1) * CONNECTIONS_PER_DATABASE;
    let too_low = |limit: i32| u64::try_from(limit).is_ok_and(|limit| limit < need);
    each(facts, emit, |side, server, emit| {
        let database = server.database()?;
        let role = server.session_role()?;
        if too_low(database.connection_limit) {
            let name = crate::quote_ident(&database.name);
            emit.find(
                side,
                format!(
                    "database {} takes {} connections at most",
                    database.name, database.connection_limit
                ),
            )
            .object(&database.name)
            .sql(format!("ALTER DATABASE {name} CONNECTION LIMIT -1;"));
        }
        if !role.superuser && too_low(role.connection_limit) {
            let name = crate::quote_ident(&role.name);
            emit.find(
                side,
                format!(
                    "role {} has a limit of {} connections",
                    role.name, role.connection_limit
                ),
            )
            .object(&role.name)
            .sql(format!("ALTER ROLE {name} CONNECTION LIMIT -1;"));
        }
        Ok(())
    })
}

fn max_locks(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    // On both sides it is the source's objects that are locked.
    let volume = source(facts).volume.get()?;
    each(facts, emit, |side, server, emit| {
        let Some(per_transaction) = limit(server, "max_locks_per_transaction")? else {
            return Ok(());
        };
        let connections = limit(server, "max_connections")?.unwrap_or(0);
        let prepared = limit(server, "max_prepared_transactions")?.unwrap_or(0);
        let room = per_transaction * (connections + prepared);
        let need = match side {
            Side::Source => volume.tables + volume.sequences,
            Side::Target => volume.tables + volume.sequences + volume.indexes,
        };
        // Others hold locks too.
        if need * 5 / 4 > room {
            let enough = (need * 3 / 2)
                .div_ceil((connections + prepared).max(1))
                .max(64);
            let fix = raise(server, "max_locks_per_transaction", enough)?;
            emit.find(
                side,
                format!(
                    "the lock table of the {side} has room for {room} locks, the schema has {need} \
                     objects to lock"
                ),
            )
            .object("max_locks_per_transaction")
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
    use crate::ServerVersion;
    use crate::facts::server::{Origin, Pglogical, PglogicalSubscription, Sender, Slot};
    use crate::rules::testing::server::{demote, on_target, set, source};
    use crate::rules::testing::{Case, fires, known, silent};

    fn eighteen(f: &mut Facts, origins: &str) {
        known(&mut on_target(f).identity).version = ServerVersion(180_006);
        set(on_target(f), "max_active_replication_origins", origins);
    }

    pub(in crate::rules) const CASES: &[Case] = &[
        fires(
            "conf.max_replication_slots",
            Severity::Block,
            "all in use",
            |f| {
                set(source(f), "max_replication_slots", "2");
                known(&mut source(f).slots).extend([Slot::default(), Slot::default()]);
            },
        ),
        fires(
            "conf.max_replication_slots",
            Severity::Warn,
            "one free",
            |f| {
                set(source(f), "max_replication_slots", "1");
            },
        ),
        fires(
            "conf.max_replication_slots",
            Severity::Block,
            "eleven databases",
            |f| {
                set(source(f), "max_replication_slots", "10");
                f.asked.databases_total = 11;
            },
        ),
        fires(
            "conf.max_replication_slots",
            Severity::Block,
            "no origin free",
            |f| {
                set(on_target(f), "max_replication_slots", "0");
            },
        ),
        silent(
            "conf.max_replication_slots",
            "under way: the last one is ours",
            |f| {
                set(source(f), "max_replication_slots", "1");
                known(&mut source(f).slots).push(Slot::default());
                *known(&mut on_target(f).pglogical) = Some(Pglogical {
                    subscriptions: vec![PglogicalSubscription {
                        name: "pgl_shop".into(),
                        ..PglogicalSubscription::default()
                    }],
                    ..Pglogical::default()
                });
            },
        ),
        silent(
            "conf.max_replication_slots",
            "18 limits origins elsewhere",
            |f| {
                eighteen(f, "10");
                set(on_target(f), "max_replication_slots", "0");
            },
        ),
        fires("conf.max_origins", Severity::Block, "all taken", |f| {
            eighteen(f, "1");
            known(&mut on_target(f).origins).push(Origin { name: "x".into() });
        }),
        silent("conf.max_origins", "the default of 18", |f| {
            eighteen(f, "10");
        }),
        fires("conf.max_wal_senders", Severity::Block, "all in use", |f| {
            set(source(f), "max_wal_senders", "1");
            known(&mut source(f).senders).push(Sender::default());
        }),
        fires("conf.max_worker_processes", Severity::Block, "full", |f| {
            set(on_target(f), "max_worker_processes", "5");
        }),
        fires("conf.max_worker_processes", Severity::Warn, "tight", |f| {
            set(on_target(f), "max_worker_processes", "7");
        }),
        silent(
            "conf.max_worker_processes",
            "the default of 8 on both",
            |f| {
                set(source(f), "max_worker_processes", "8");
                set(on_target(f), "max_worker_processes", "8");
            },
        ),
        fires(
            "conf.max_worker_processes",
            Severity::Block,
            "ten databases",
            |f| {
                set(source(f), "max_worker_processes", "8");
                f.asked.databases_total = 10;
            },
        ),
        fires("conf.max_connections", Severity::Warn, "nearly full", |f| {
            known(&mut source(f).backends).clients = 95;
        }),
        fires(
            "conf.connection_limit",
            Severity::Warn,
            "on the database",
            |f| {
                known(&mut source(f).databases)[0].connection_limit = 3;
            },
        ),
        fires(
            "conf.connection_limit",
            Severity::Warn,
            "on the role",
            |f| {
                demote(on_target(f));
                known(&mut on_target(f).roles)[1].connection_limit = 1;
            },
        ),
        silent("conf.connection_limit", "a superuser has none", |f| {
            known(&mut source(f).roles)[1].connection_limit = 1;
        }),
        fires("conf.max_locks", Severity::Warn, "10,000 tables", |f| {
            known(&mut source(f).volume).tables = 10_000;
        }),
    ];

    #[test]
    fn what_cannot_be_seen_is_not_taken_for_room() {
        let mut facts = crate::rules::testing::clean();
        known(&mut source(&mut facts).backends).hidden = 3;
        let (findings, ran) = crate::rules::testing::run("conf.max_worker_processes", &facts);
        assert!(findings.is_empty() && ran.is_err());
        set(source(&mut facts), "max_worker_processes", "2");
        let (findings, _) = crate::rules::testing::run("conf.max_worker_processes", &facts);
        assert_eq!(findings[0].severity, Severity::Block);
    }
}
