//! What goes on right now. All of it is looked at again before the cutover.

use std::collections::BTreeMap;

use super::common::{block_if, duration, some_of};
use super::{Draft, Emit, Ran, Rule, each, source, target};
use crate::Side::{self, Source, Target};
use crate::facts::NotRun;
use crate::facts::server::{OpenSession, ServerState};
use crate::plural;
use crate::quote_literal;

pub(super) const CHECKS: &[Rule] = &[
    source("act.long_txn", long_txn),
    each("act.prepared", |side, server, emit| {
        let here = &server.identity.get()?.database;
        for found in server.prepared.get()? {
            let (gid, owner, database) = (&found.gid, &found.owner, &found.database);
            // On the source they hold up the slot wherever they are.
            if side == Target && database != here {
                continue;
            }
            let age = duration(found.age_seconds);
            let literal = quote_literal(gid);
            let what = format!(
                "transaction {gid:?} of role {owner} in database {database} has been prepared for {age}"
            );
            emit.find(side, what)
                .object(gid)
                .severity(block_if(side == Source))
                .sql(format!(
                    "ROLLBACK PREPARED {literal}; -- or COMMIT PREPARED"
                ));
        }
        Ok(())
    }),
    each("act.idle_in_txn", |side, server, emit| {
        for session in here(server)? {
            let since = session.state_seconds.unwrap_or(0.0);
            let old = session.transaction_seconds.is_some_and(|age| age > LONG);
            let reported = side == Source && session.has_xid && old;
            if idle_in_transaction(session) && since > 10.0 && !reported {
                let (label, since) = (session.label(), duration(since));
                let what = format!("{label} has been idle in a transaction for {since}");
                of_session(emit, side, session, what).sql(terminate(session));
            }
        }
        visible(server)
    }),
    source("act.ddl_running", |server, emit| {
        for session in here(server)? {
            let word = session.command.split_whitespace().next();
            let busy = session.state.as_deref() == Some("active") || idle_in_transaction(session);
            if busy && word.is_some_and(|word| DDL.contains(&word)) {
                let what = format!("{} runs {}", session.label(), session.command);
                of_session(emit, Source, session, what);
            }
        }
        visible(server)
    }),
    source("act.autovac_wraparound", |server, emit| {
        for session in server.sessions.get()?.iter().filter(|one| one.wraparound) {
            let age = duration(session.transaction_seconds.unwrap_or(0.0));
            let what = format!(
                "pid {} vacuums against wraparound, for {age} now",
                session.pid
            );
            of_session(emit, Source, session, what);
        }
        Ok(())
    }),
    source("act.backup_running", |server, emit| {
        for session in here(server)?.filter(|one| one.application.starts_with("pg_dump")) {
            let what = format!("{} takes a dump", session.label());
            of_session(emit, Source, session, what);
        }
        for sender in server.senders.get()? {
            let name = &sender.application;
            if sender.state.as_deref() == Some("backup") {
                emit.find(Source, format!("{name} takes a base backup"))
                    .object(name);
            }
        }
        Ok(())
    }),
    source("act.maintenance_jobs", |server, emit| {
        for session in server.sessions.get()? {
            let name = session.application.to_ascii_lowercase();
            let kind = session
                .kind
                .as_deref()
                .unwrap_or_default()
                .to_ascii_lowercase();
            let mut jobs = MAINTENANCE.iter();
            let job = jobs.any(|job| name.contains(job) || kind.contains(job));
            if job && session.transaction_seconds.is_some() && !session.own {
                let what = format!("{} is at work", session.label());
                of_session(emit, Source, session, what);
            }
        }
        Ok(())
    }),
    target("act.writers_on_target", |server, emit| {
        let found = inventory(server)?;
        if !found.is_empty() {
            let found = some_of(&found);
            emit.find(Target, format!("connected to the target database: {found}"));
        }
        Ok(())
    }),
    source("act.writers_inventory", |server, emit| {
        let found = inventory(server)?;
        if !found.is_empty() {
            let found = found.join(", ");
            emit.find(Source, format!("connected to the source database: {found}"));
        }
        Ok(())
    }),
];

/// A transaction of this age is worth a word, in seconds.
const LONG: f64 = 60.0;

/// Commands that change the schema, by their first word.
const DDL: &[&str] = &[
    "ALTER", "CREATE", "DROP", "TRUNCATE", "REINDEX", "CLUSTER", "REFRESH", "COMMENT", "GRANT",
    "REVOKE", "REASSIGN", "SECURITY", "IMPORT",
];

const MAINTENANCE: &[&str] = &[
    "pg_cron",
    "pg_repack",
    "pg_squeeze",
    "pg_partman",
    "vacuumdb",
];

/// Fails when what the check looks at is hidden from the role for some session.
fn visible(server: &ServerState) -> Ran {
    let hidden = |one: &&OpenSession| one.is_client() && one.user.is_some() && one.state.is_none();
    match server.sessions.get()?.iter().filter(hidden).count() as u64 {
        0 => Ok(()),
        hidden => Err(NotRun(format!(
            "the role may not see the state of {} (grant it pg_monitor)",
            plural(hidden, "session")
        ))),
    }
}

fn of_session<'a>(
    emit: &'a mut Emit<'_>,
    side: Side,
    session: &OpenSession,
    what: String,
) -> Draft<'a> {
    emit.find(side, what).object(format!("pid {}", session.pid))
}

fn terminate(session: &OpenSession) -> String {
    format!("SELECT pg_terminate_backend({});", session.pid)
}

fn idle_in_transaction(session: &OpenSession) -> bool {
    let state = session.state.as_deref().unwrap_or_default();
    state.starts_with("idle in transaction")
}

fn long_txn(server: &ServerState, emit: &mut Emit<'_>) -> Ran {
    const VERY_LONG: f64 = 3_600.0;
    for session in server.sessions.get()?.iter().filter(|session| !session.own) {
        let Some(age) = session.transaction_seconds.filter(|age| *age > LONG) else {
            continue;
        };
        // Vacuum has a check of its own; a replication stream holds nobody up.
        let kind = session.kind.as_deref().unwrap_or_default();
        let apart = session.wraparound || kind == "walsender" || kind.starts_with("autovacuum");
        // A reader holds the slot up only where it has an id; it still holds its locks.
        if apart || (!session.has_xid && age < VERY_LONG) {
            continue;
        }
        let (label, age) = (session.label(), duration(age));
        let database = session.database.as_deref();
        let place = database.map_or(String::new(), |name| format!(" in database {name}"));
        let written = if session.has_xid {
            " and has written"
        } else {
            ""
        };
        let what = format!("{label} has had a transaction open for {age}{place}{written}");
        of_session(emit, Source, session, what).sql(terminate(session));
    }
    visible(server)
}

/// Sessions of clients in the database.
fn here(server: &ServerState) -> Result<impl Iterator<Item = &OpenSession>, NotRun> {
    let database = Some(server.identity.get()?.database.as_str());
    let sessions = server.sessions.get()?.iter();
    Ok(sessions.filter(move |one| one.database.as_deref() == database && one.is_client()))
}

/// These by role and application, with how many there are of each.
fn inventory(server: &ServerState) -> Result<Vec<String>, NotRun> {
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for session in here(server)? {
        let user = session.user.as_deref().unwrap_or("-");
        *counts
            .entry((user, session.application.as_str()))
            .or_default() += 1;
    }
    let counts = counts.into_iter();
    Ok(counts
        .map(|((user, application), count)| match application {
            "" => format!("{user} ({count})"),
            _ => format!("{user} as {application} ({count})"),
        })
        .collect())
}

#[cfg(test)]
pub(super) use cases::CASES;

#[cfg(test)]
mod cases {
    use super::*;
    use crate::Severity;
    use crate::facts::server::{Prepared, Sender};
    use crate::rules::testing::server::{on_target, source};
    use crate::rules::testing::{Case, clean, fires, known, run, silent};

    fn session(server: &mut ServerState, change: impl Fn(&mut OpenSession)) {
        let mut session = OpenSession {
            pid: 4_711,
            database: Some("shop".into()),
            user: Some("app".into()),
            application: "web".into(),
            kind: Some("client backend".into()),
            state: Some("active".into()),
            transaction_seconds: Some(1.0),
            state_seconds: Some(1.0),
            has_xid: true,
            command: "UPDATE".into(),
            wraparound: false,
            own: false,
        };
        change(&mut session);
        known(&mut server.sessions).push(session);
    }

    fn prepare(server: &mut ServerState, database: &str) {
        known(&mut server.prepared).push(Prepared {
            gid: "tx'1".into(),
            database: database.into(),
            owner: "app".into(),
            age_seconds: 5.0,
        });
    }

    pub(in crate::rules) const CASES: &[Case] = &[
        fires(
            "act.long_txn",
            Severity::Warn,
            "two minutes, has written",
            |f| {
                session(source(f), |s| s.transaction_seconds = Some(120.0));
            },
        ),
        fires(
            "act.long_txn",
            Severity::Warn,
            "two hours, in another database",
            |f| {
                session(source(f), |s| {
                    s.transaction_seconds = Some(7_200.0);
                    s.has_xid = false;
                    s.database = Some("crm".into());
                });
            },
        ),
        silent("act.long_txn", "two minutes, reads only", |f| {
            session(source(f), |s| {
                s.transaction_seconds = Some(120.0);
                s.has_xid = false;
            });
        }),
        silent("act.long_txn", "our own", |f| {
            session(source(f), |s| {
                s.transaction_seconds = Some(7_200.0);
                s.own = true;
            });
        }),
        fires(
            "act.prepared",
            Severity::Block,
            "another database of the source",
            |f| {
                prepare(source(f), "crm");
            },
        ),
        fires("act.prepared", Severity::Warn, "target", |f| {
            prepare(on_target(f), "shop");
        }),
        silent("act.prepared", "another database of the target", |f| {
            prepare(on_target(f), "crm");
        }),
        fires("act.idle_in_txn", Severity::Warn, "half a minute", |f| {
            session(on_target(f), |s| {
                s.state = Some("idle in transaction".into());
                s.state_seconds = Some(30.0);
            });
        }),
        silent("act.idle_in_txn", "a moment", |f| {
            session(source(f), |s| s.state = Some("idle in transaction".into()));
        }),
        fires("act.ddl_running", Severity::Warn, "ALTER TABLE", |f| {
            session(source(f), |s| s.command = "ALTER TABLE".into());
        }),
        silent("act.ddl_running", "done a while ago", |f| {
            session(source(f), |s| {
                s.command = "ALTER TABLE".into();
                s.state = Some("idle".into());
            });
        }),
        fires("act.autovac_wraparound", Severity::Warn, "vacuum", |f| {
            session(source(f), |s| {
                s.kind = Some("autovacuum worker".into());
                s.wraparound = true;
            });
        }),
        silent("act.autovac_wraparound", "an ordinary autovacuum", |f| {
            session(source(f), |s| s.kind = Some("autovacuum worker".into()));
        }),
        fires("act.backup_running", Severity::Warn, "pg_dump", |f| {
            session(source(f), |s| s.application = "pg_dump".into());
        }),
        fires("act.backup_running", Severity::Warn, "pg_basebackup", |f| {
            known(&mut source(f).senders).push(Sender {
                application: "pg_basebackup".into(),
                state: Some("backup".into()),
                ..Sender::default()
            });
        }),
        fires("act.maintenance_jobs", Severity::Info, "pg_repack", |f| {
            session(source(f), |s| s.application = "pg_repack".into());
        }),
        silent("act.maintenance_jobs", "a scheduler at rest", |f| {
            session(source(f), |s| {
                s.application = "pg_cron scheduler".into();
                s.transaction_seconds = None;
            });
        }),
        fires("act.writers_on_target", Severity::Warn, "a client", |f| {
            session(on_target(f), |_| {});
        }),
        silent("act.writers_on_target", "pglogical and the suite", |f| {
            session(on_target(f), |s| s.own = true);
            session(on_target(f), |s| {
                s.application = "pglogical apply 16384:1".into();
            });
        }),
        fires("act.writers_inventory", Severity::Info, "a client", |f| {
            session(source(f), |_| {});
        }),
    ];

    #[test]
    fn what_is_hidden_is_not_taken_for_quiet() {
        let mut facts = clean();
        session(source(&mut facts), |s| {
            s.state = None;
            s.transaction_seconds = None;
            s.kind = None;
        });
        for id in ["act.long_txn", "act.idle_in_txn", "act.ddl_running"] {
            let (findings, ran) = run(id, &facts);
            assert!(findings.is_empty() && ran.is_err(), "{id}");
        }
    }

    #[test]
    fn a_global_id_with_a_quote_is_quoted() {
        let mut facts = clean();
        prepare(source(&mut facts), "shop");
        let (findings, _) = run("act.prepared", &facts);
        let sql = findings[0].manual_sql.as_deref().unwrap();
        assert!(sql.starts_with("ROLLBACK PREPARED 'tx''1';"), "{sql}");
    }
}
