//! What goes on right now. All of it is looked at again before the cutover.

use super::common::{duration, each, plural, some_of, source, target};
use super::{Emit, Ran, Rule};
use crate::facts::server::{OpenSession, ServerState};
use crate::facts::{Facts, NotRun};
use crate::{Severity, Side, quote_literal};

pub(super) const CHECKS: &[Rule] = &[
    ("act.long_txn", long_txn),
    ("act.prepared", prepared),
    ("act.idle_in_txn", idle_in_txn),
    ("act.ddl_running", ddl_running),
    ("act.autovac_wraparound", autovac_wraparound),
    ("act.backup_running", backup_running),
    ("act.maintenance_jobs", maintenance_jobs),
    ("act.writers_on_target", writers_on_target),
    ("act.writers_inventory", writers_inventory),
];

/// A transaction of this age is worth a word, in seconds.
const LONG: f64 = 60.0;

/// Fails when what the check looks at is hidden from the role for some session.
fn visible(sessions: &[OpenSession]) -> Result<(), NotRun> {
    let hidden = sessions
        .iter()
        .filter(|session| !session.own && session.user.is_some() && session.state.is_none())
        .filter(|session| session.is_client())
        .count();
    if hidden == 0 {
        Ok(())
    } else {
        Err(NotRun(format!(
            "the role may not see the state of {} (grant it pg_monitor)",
            plural(hidden as u64, "session")
        )))
    }
}

fn terminate(session: &OpenSession) -> String {
    format!("SELECT pg_terminate_backend({});", session.pid)
}

fn long_txn(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    const VERY_LONG: f64 = 3_600.0;
    let sessions = source(facts).sessions.get()?;
    for session in sessions.iter().filter(|session| !session.own) {
        let Some(age) = session.transaction_seconds.filter(|age| *age > LONG) else {
            continue;
        };
        // Vacuum has a check of its own; a replication stream holds nobody up.
        let apart = session.wraparound
            || session
                .kind
                .as_deref()
                .is_some_and(|kind| kind == "walsender" || kind.starts_with("autovacuum"));
        // A reader holds the slot up only where it has an id; it still holds its locks.
        if apart || (!session.has_xid && age < VERY_LONG) {
            continue;
        }
        emit.find(
            Side::Source,
            format!(
                "{} has had a transaction open for {}{}{}",
                session.label(),
                duration(age),
                session
                    .database
                    .as_deref()
                    .map_or(String::new(), |name| format!(" in database {name}")),
                if session.has_xid {
                    " and has written"
                } else {
                    ""
                }
            ),
        )
        .object(format!("pid {}", session.pid))
        .sql(terminate(session));
    }
    visible(sessions)
}

fn prepared(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    each(facts, emit, |side, server, emit| {
        let here = &server.identity.get()?.database;
        for found in server.prepared.get()? {
            // On the source they hold up the slot wherever they are.
            let matters = side == Side::Source || found.database == *here;
            if !matters {
                continue;
            }
            let severity = match side {
                Side::Source => Severity::Block,
                Side::Target => Severity::Warn,
            };
            emit.find(
                side,
                format!(
                    "transaction {:?} of role {} in database {} has been prepared for {}",
                    found.gid,
                    found.owner,
                    found.database,
                    duration(found.age_seconds)
                ),
            )
            .object(&found.gid)
            .severity(severity)
            .sql(format!(
                "ROLLBACK PREPARED {}; -- or COMMIT PREPARED",
                quote_literal(&found.gid)
            ));
        }
        Ok(())
    })
}

fn idle_in_txn(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    each(facts, emit, |side, server, emit| {
        let here = server.identity.get()?.database.as_str();
        let sessions = server.sessions.get()?;
        for session in sessions {
            let idle = session
                .state
                .as_deref()
                .is_some_and(|state| state.starts_with("idle in transaction"));
            let since = session.state_seconds.unwrap_or(0.0);
            let reported = side == Side::Source
                && session.has_xid
                && session.transaction_seconds.is_some_and(|age| age > LONG);
            let matters = session.database.as_deref() == Some(here);
            if idle && since > 10.0 && matters && session.is_client() && !reported {
                emit.find(
                    side,
                    format!(
                        "{} has been idle in a transaction for {}",
                        session.label(),
                        duration(since)
                    ),
                )
                .object(format!("pid {}", session.pid))
                .sql(terminate(session));
            }
        }
        visible(sessions)
    })
}

/// Commands that change the schema, by their first word.
const DDL: &[&str] = &[
    "ALTER", "CREATE", "DROP", "TRUNCATE", "REINDEX", "CLUSTER", "REFRESH", "COMMENT", "GRANT",
    "REVOKE", "REASSIGN", "SECURITY", "IMPORT",
];

fn here(server: &ServerState) -> Result<impl Iterator<Item = &OpenSession>, NotRun> {
    let database = server.identity.get()?.database.as_str();
    Ok(server.sessions.get()?.iter().filter(move |session| {
        session.database.as_deref() == Some(database) && session.is_client()
    }))
}

fn ddl_running(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = source(facts);
    for session in here(server)? {
        let word = session
            .command
            .split_whitespace()
            .next()
            .unwrap_or_default();
        let busy = session.state.as_deref() == Some("active")
            || session
                .state
                .as_deref()
                .is_some_and(|s| s.starts_with("idle in transaction"));
        if busy && DDL.contains(&word) {
            emit.find(
                Side::Source,
                format!("{} runs {}", session.label(), session.command),
            )
            .object(format!("pid {}", session.pid));
        }
    }
    visible(server.sessions.get()?)
}

fn autovac_wraparound(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    for session in source(facts)
        .sessions
        .get()?
        .iter()
        .filter(|session| session.wraparound)
    {
        emit.find(
            Side::Source,
            format!(
                "pid {} vacuums against wraparound, for {} now",
                session.pid,
                duration(session.transaction_seconds.unwrap_or(0.0))
            ),
        )
        .object(format!("pid {}", session.pid));
    }
    Ok(())
}

fn backup_running(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = source(facts);
    for session in here(server)? {
        let dump = session.application.starts_with("pg_dump");
        if dump {
            emit.find(Side::Source, format!("{} takes a dump", session.label()))
                .object(format!("pid {}", session.pid));
        }
    }
    for sender in server.senders.get()? {
        if sender.state.as_deref() == Some("backup") {
            emit.find(
                Side::Source,
                format!("{} takes a base backup", sender.application),
            )
            .object(&sender.application);
        }
    }
    Ok(())
}

const MAINTENANCE: &[&str] = &[
    "pg_cron",
    "pg_repack",
    "pg_squeeze",
    "pg_partman",
    "vacuumdb",
];

fn maintenance_jobs(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    for session in source(facts).sessions.get()? {
        let name = session.application.to_ascii_lowercase();
        let kind = session
            .kind
            .as_deref()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let job = MAINTENANCE
            .iter()
            .any(|job| name.contains(job) || kind.contains(job));
        let busy = session.transaction_seconds.is_some();
        if job && busy && !session.own {
            emit.find(Side::Source, format!("{} is at work", session.label()))
                .object(format!("pid {}", session.pid));
        }
    }
    Ok(())
}

/// Sessions by role and application, with how many there are of each.
fn inventory<'a>(sessions: impl Iterator<Item = &'a OpenSession>) -> Vec<String> {
    let mut counts: std::collections::BTreeMap<(&str, &str), u64> =
        std::collections::BTreeMap::new();
    for session in sessions {
        let user = session.user.as_deref().unwrap_or("-");
        *counts
            .entry((user, session.application.as_str()))
            .or_default() += 1;
    }
    counts
        .into_iter()
        .map(|((user, application), count)| {
            if application.is_empty() {
                format!("{user} ({count})")
            } else {
                format!("{user} as {application} ({count})")
            }
        })
        .collect()
}

fn writers_on_target(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let found = inventory(here(target(facts)?)?);
    if !found.is_empty() {
        emit.find(
            Side::Target,
            format!("connected to the target database: {}", some_of(&found)),
        );
    }
    Ok(())
}

fn writers_inventory(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let found = inventory(here(source(facts))?);
    if !found.is_empty() {
        emit.find(
            Side::Source,
            format!("connected to the source database: {}", found.join(", ")),
        );
    }
    Ok(())
}

#[cfg(test)]
pub(super) use cases::CASES;

#[cfg(test)]
mod cases {
    use super::*;
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
