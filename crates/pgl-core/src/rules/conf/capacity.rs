//! Capacity: what is in use and what this migration needs, against what the server allows.
//!
//! For each database of the migration the source needs a manager process, a slot and a walsender
//! (a second of each while a table is synchronised on its own); the target a manager, an apply
//! worker, a sync worker now and then, and a replication origin (two where rows are copied again at the cutover). The supervisor is one a server.
//! It also starts a manager for every other database in turn, which ends at once: one more.

use crate::facts::objects::{KeySource, Persistence, View};
use crate::facts::server::{ServerState, Volume};
use crate::facts::{Facts, NotRun};
use crate::rules::common::{block_if, still_to_come};
use crate::rules::{Emit, Ran, Rule, each, each_server, facts, source, target};
use crate::{Side, plural, quote_ident};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    facts("conf.max_replication_slots", |facts, emit| {
        let server = &facts.source.server;
        let (used, databases) = (server.slots.get()?.len(), still_to_come(facts));
        let slots = Budget::new("max_replication_slots", "slot", used, databases, databases);
        slots.compare(Side::Source, server, emit)?;
        match &facts.target {
            Some(target) if !target.server.version()?.at_least(18) => {
                origins("max_replication_slots", &target.server, emit)
            }
            _ => Ok(()),
        }
    }),
    target("conf.max_origins", |server, emit| {
        origins("max_active_replication_origins", server, emit)
    }),
    source("conf.max_wal_senders", |server, emit| {
        let (used, databases) = (server.senders.get()?.len(), still_to_come(emit.facts));
        let senders = Budget::new("max_wal_senders", "walsender", used, databases, databases);
        senders.compare(Side::Source, server, emit)
    }),
    each("conf.max_worker_processes", max_worker_processes),
    each("conf.max_connections", max_connections),
    each("conf.connection_limit", |side, server, emit| {
        let need = still_to_come(emit.facts).max(1) * CONNECTIONS_PER_DATABASE;
        let too_low = |limit: i32| u64::try_from(limit).is_ok_and(|limit| limit < need);
        let (database, role) = (server.database()?, server.session_role()?);
        if too_low(database.connection_limit) {
            let (name, limit) = (&database.name, database.connection_limit);
            let sql = format!("ALTER DATABASE {} CONNECTION LIMIT -1;", quote_ident(name));
            let what = format!("database {name} takes {limit} connections at most");
            emit.find(side, what).object(name).sql(sql);
        }
        if !role.superuser && too_low(role.connection_limit) {
            let (name, limit) = (&role.name, role.connection_limit);
            let sql = format!("ALTER ROLE {} CONNECTION LIMIT -1;", quote_ident(name));
            let what = format!("role {name} has a limit of {limit} connections");
            emit.find(side, what).object(name).sql(sql);
        }
        Ok(())
    }),
    facts("conf.max_locks", |facts, emit| {
        // On both sides it is the source's objects that are locked.
        let volume = facts.source.server.volume.get()?;
        each_server(facts, |side, server| max_locks(volume, side, server, emit))
    }),
];

/// Managers that the supervisor starts and that end at once.
const TRANSIENT_MANAGERS: u64 = 1;
/// Connections that copying, streaming and the tools take for one database.
const CONNECTIONS_PER_DATABASE: u64 = 8;

/// A limit that is a plain number, where the server has it and the role may see it.
fn limit(server: &ServerState, name: &str) -> Result<Option<u64>, NotRun> {
    let number = |value: &str| {
        value
            .parse()
            .map_err(|_| NotRun(format!("{name} is not a number")))
    };
    server.value(name)?.map(number).transpose()
}

/// Of a resource: how much is in use, how much is needed to begin, and how much more makes it comfortable.
struct Budget {
    name: &'static str,
    what: &'static str,
    used: u64,
    need: u64,
    spare: u64,
}

impl Budget {
    fn new(name: &'static str, what: &'static str, used: usize, need: u64, spare: u64) -> Self {
        Self {
            name,
            what,
            used: used as u64,
            need,
            spare,
        }
    }

    /// Compares it with what the server allows, where the server has such a limit.
    fn compare(&self, side: Side, server: &ServerState, emit: &mut Emit<'_>) -> Ran {
        let Self {
            name,
            used,
            need,
            spare,
            ..
        } = *self;
        let Some(max) = limit(server, name)? else {
            return Ok(());
        };
        let free = max.saturating_sub(used);
        if need == 0 || free >= need + spare {
            return Ok(());
        }
        let needs = plural(need, self.what);
        let more = if spare > 0 {
            format!(" and at times {spare} more")
        } else {
            String::new()
        };
        let what = format!(
            "{name} is {max} on the {side}: {used} in use, {free} free; this migration needs {needs}{more}"
        );
        // Room for what comes later: one more of everything.
        let enough = (used + need + spare + 2).to_string();
        emit.set((side, server), (name, &enough), what)?
            .severity(block_if(free < need));
        Ok(())
    }
}

/// The subscription's origin, and one for the rows that the cutover copies again.
fn origins(name: &'static str, server: &ServerState, emit: &mut Emit<'_>) -> Ran {
    if limit(server, name)?.is_none() {
        return Ok(());
    }
    let databases = still_to_come(emit.facts);
    let used = server.origins.get()?.len();
    let need = databases * if copies_again(emit.facts)? { 2 } else { 1 };
    Budget::new(name, "origin", used, need, databases).compare(Side::Target, server, emit)
}

/// Whether a table's rows are copied again at the cutover: an unlogged one, or one without a replica identity.
fn copies_again(facts: &Facts) -> Result<bool, NotRun> {
    // Without the objects the plan is not made either.
    let Ok(view) = View::source(facts) else {
        return Ok(false);
    };
    for table in view.tables() {
        if table.persistence == Persistence::Unlogged
            || !matches!(view.key(table)?, KeySource::Key(_))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn max_worker_processes(side: Side, server: &ServerState, emit: &mut Emit<'_>) -> Ran {
    const NAME: &str = "max_worker_processes";
    let databases = still_to_come(emit.facts);
    let backends = server.backends.get()?;
    let Some(max) = limit(server, NAME)? else {
        return Ok(());
    };
    let supervisor = u64::from(backends.pglogical_supervisors == 0);
    let of_each = match side {
        Side::Source => 1,
        // Manager, apply, and a sync worker when a table is synchronised on its own.
        Side::Target => 3,
    };
    let need = match databases {
        0 => 0,
        _ => supervisor + databases * of_each + TRANSIENT_MANAGERS,
    };
    // What the role cannot see can only make it worse: a shortage is certain, room is not.
    if backends.hidden > 0 && max.saturating_sub(u64::from(backends.workers)) >= need {
        return Err(NotRun(
            "the role may not see the server's own processes (grant it pg_monitor)".to_owned(),
        ));
    }
    // Building indexes and answering queries in parallel takes two more from the same pool.
    Budget::new(NAME, "worker", backends.workers as usize, need, 2).compare(side, server, emit)
}

fn max_connections(side: Side, server: &ServerState, emit: &mut Emit<'_>) -> Ran {
    const NAME: &str = "max_connections";
    let need = still_to_come(emit.facts) * CONNECTIONS_PER_DATABASE;
    let used = u64::from(server.backends.get()?.clients);
    let Some(max) = limit(server, NAME)? else {
        return Ok(());
    };
    let reserved = limit(server, "superuser_reserved_connections")?.unwrap_or(0);
    let free = max.saturating_sub(used + reserved);
    if free < need {
        let enough = (used + reserved + need + 10).to_string();
        let what = format!(
            "{NAME} is {max} on the {side}: {used} in use, {reserved} reserved, {free} free; the migration takes up to {need}"
        );
        emit.set((side, server), (NAME, &enough), what)?;
    }
    Ok(())
}

fn max_locks(volume: &Volume, side: Side, server: &ServerState, emit: &mut Emit<'_>) -> Ran {
    const NAME: &str = "max_locks_per_transaction";
    let Some(per_transaction) = limit(server, NAME)? else {
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
        let what = format!(
            "the lock table of the {side} has room for {room} locks, the schema has {need} objects to lock"
        );
        emit.set((side, server), (NAME, &enough.to_string()), what)?;
    }
    Ok(())
}

#[cfg(test)]
pub(in crate::rules) use cases::CASES;

#[cfg(test)]
mod cases {
    use super::*;
    use crate::ServerVersion;
    use crate::Severity;
    use crate::facts::server::{Origin, Pglogical, PglogicalSubscription, Sender, Slot};
    use crate::rules::testing::objects::keyless;
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
        fires("conf.max_origins", Severity::Warn, "one free", |f| {
            eighteen(f, "1");
        }),
        fires(
            "conf.max_origins",
            Severity::Block,
            "one free, and rows are copied again",
            |f| {
                eighteen(f, "1");
                keyless(&mut f.source.objects);
            },
        ),
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
