//! Connections, and whether the two databases are the right two.

use super::common::{bytes, each, source, target};
use super::{Check, Emit, On, Ran};
use crate::facts::Facts;
use crate::facts::Section;
use crate::facts::link::{Pooler, Probe, Reach, ReplicationLogin};
use crate::facts::server::Setting;
use crate::{ServerVersion, Severity, Side};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "conn.login",
        severity: Severity::Block,
        on: On::Target,
        guardrail: true,
        title: "the target lets us in",
        why: "Nothing of the target can be checked, and nothing moved there, without a connection.",
        remedy: "Mend --target (or PGL_TARGET), pg_hba.conf of the target or the way to it; what \
                 the server or libpq's rules said stands above.",
        run: login,
    },
    Check {
        id: "conn.target_database",
        severity: Severity::Warn,
        on: On::Target,
        guardrail: false,
        title: "the target's database exists",
        why: "pgl-setup creates a database that is missing; a typing error in its name would become one that nobody \
              looks for.",
        remedy: "Nothing where the name is right: pgl-setup creates it with the source's encoding and locale. What \
                 would be checked in it is checked then.",
        run: target_database,
    },
    Check {
        id: "conn.server_to_server",
        severity: Severity::Block,
        on: On::Both,
        guardrail: false,
        title: "the target's server reaches the source",
        why: "pglogical's worker connects from the target's server, not from this machine; if it \
              cannot, the subscription is down from the start.",
        remedy: "Open the network way and pg_hba.conf on the source for the target's server, and \
                 give --provider-dsn as the target's server has to read it.",
        run: server_to_server,
    },
    Check {
        id: "conn.replication_protocol",
        severity: Severity::Block,
        on: On::Source,
        guardrail: false,
        title: "the source takes replication connections",
        why: "The slot and its snapshot are made over a replication connection, and changes are \
              streamed over one.",
        remedy: "Allow the role to replicate and add an entry to pg_hba.conf on the source: for \
                 the database from 10 on, for the word replication before.",
        run: replication_protocol,
    },
    Check {
        id: "conn.not_pooler",
        severity: Severity::Block,
        on: On::Both,
        guardrail: false,
        title: "no connection pooler in between",
        why: "A pooler hands statements of one session to different backends: snapshots, settings, \
              advisory locks and replication connections do not survive that.",
        remedy: "Connect to the server itself, not to the pooler's port.",
        run: not_pooler,
    },
    Check {
        id: "conn.single_instance",
        severity: Severity::Block,
        on: On::Source,
        guardrail: false,
        title: "every connection to the source lands on the same server",
        why: "The copy's workers share one exported snapshot, which only the server that exported \
              it knows; behind a load balancer some of them land elsewhere.",
        remedy: "Name one server in the source's connection string, not a load-balanced address.",
        run: single_instance,
    },
    Check {
        id: "conn.distinct_clusters",
        severity: Severity::Block,
        on: On::Both,
        guardrail: true,
        title: "source and target are two databases",
        why: "A migration onto itself would copy every row into the table that it came from.",
        remedy: "Check --source and --target: they lead to the same server.",
        run: distinct_clusters,
    },
    Check {
        id: "conn.swapped",
        severity: Severity::Warn,
        on: On::Both,
        guardrail: false,
        title: "source and target are not mixed up",
        why: "With the two mixed up, the new and nearly empty database would be copied over the \
              live one.",
        remedy: "Check --source and --target before going on.",
        run: swapped,
    },
    Check {
        id: "conn.not_standby",
        severity: Severity::Block,
        on: On::Both,
        guardrail: true,
        title: "neither server is a standby",
        why: "pglogical writes to its catalogs on both sides and starts its workers only after \
              recovery; a standby can be neither source nor target.",
        remedy: "Name the primary (target_session_attrs=read-write in the connection string finds \
                 it among several hosts).",
        run: not_standby,
    },
    Check {
        id: "conn.tls",
        severity: Severity::Warn,
        on: On::Both,
        guardrail: false,
        title: "network connections are encrypted",
        why: "The whole database and its passwords cross the network in the clear.",
        remedy: "Switch on ssl on the server and put sslmode=verify-full (at least require) into \
                 the connection strings, also into --provider-dsn.",
        run: tls,
    },
    Check {
        id: "conn.keepalive",
        severity: Severity::Info,
        on: On::Source,
        guardrail: false,
        title: "a dead replication connection is noticed",
        why: "With wal_sender_timeout switched off only TCP keepalives notice that the other end is \
              gone, by default after two hours, and until then the slot counts as in use.",
        remedy: "Set tcp_keepalives_idle to about 60 seconds, or give wal_sender_timeout a value of \
                 some minutes.",
        run: keepalive,
    },
    Check {
        id: "conn.clock_skew",
        severity: Severity::Warn,
        on: On::Both,
        guardrail: true,
        title: "the two servers' clocks agree",
        why: "Lag in seconds is the difference of two clocks, and rows written after the cutover \
              would get time stamps that do not fit those from before.",
        remedy: "Let both servers keep their time by NTP or chrony.",
        run: clock_skew,
    },
    Check {
        id: "conn.client_tools",
        severity: Severity::Warn,
        on: On::Both,
        guardrail: false,
        title: "a pg_dump that can read the source is on this machine",
        why: "The schema travels through pg_dump, which refuses a server newer than itself.",
        remedy: "Install the PostgreSQL client programs of the target's major version here, or \
                 bring the schema over yourself and use pgl-setup --schema-copy skip.",
        run: client_tools,
    },
];

fn server_to_server(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    facts.target()?;
    match facts.link.server_to_server.get()? {
        Reach::Reached {
            by: Probe::RolledBackSubscription,
        } => {}
        Reach::Reached { by: Probe::Dblink } => {
            // Before 10 a replication connection has pg_hba entries of its own.
            if source(facts).version()? < ServerVersion(100_000) {
                emit.find(
                    Side::Target,
                    "the target's server reaches the source with an ordinary connection; whether \
                     pg_hba.conf also lets it in for replication is not provable from here",
                )
                .severity(Severity::Warn)
                .remedy(
                    "Make sure that pg_hba.conf on the source has an entry for database \
                     replication and the target's address.",
                )
                .fix_on(Side::Source);
            }
        }
        Reach::Failed { message, .. } => {
            emit.find(
                Side::Target,
                format!("the target's server cannot connect to the source: {message}"),
            )
            .fix_on(Side::Source);
        }
        Reach::NotProvable { reason } => {
            emit.find(
                Side::Target,
                format!(
                    "whether the target's server reaches the source is not provable from here: \
                     {reason}"
                ),
            )
            .severity(Severity::Warn)
            .remedy(
                "Try the provider's connection string with psql on the target's host, or install \
                 the dblink extension in the target database and run this again.",
            );
        }
    }
    Ok(())
}

fn replication_protocol(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    if let ReplicationLogin::Refused { sqlstate, message } = facts.link.replication_login.get()? {
        let state = sqlstate
            .as_deref()
            .map_or(String::new(), |code| format!(" ({code})"));
        emit.find(
            Side::Source,
            format!("the source refuses a replication connection: {message}{state}"),
        );
    }
    Ok(())
}

fn not_pooler(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let mut look = |side, seen: &Section<Pooler>| -> Ran {
        let seen = seen.get()?;
        if seen.backend_changes {
            emit.find(
                side,
                format!("the {side} is behind a pooler: one session met different backends"),
            );
        } else if seen.settings_dropped {
            emit.find(
                side,
                format!(
                    "the {side} is behind a pooler: the session's settings did not reach the server"
                ),
            );
        }
        Ok(())
    };
    let source = look(Side::Source, &facts.link.source_pooler);
    let target = match facts.target {
        Some(_) => look(Side::Target, &facts.link.target_pooler),
        None => Ok(()),
    };
    source.and(target)
}

fn single_instance(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let seen = facts.link.snapshot.get()?;
    if seen.imported < seen.tried {
        let message = seen.message.as_deref().unwrap_or("no message");
        emit.find(
            Side::Source,
            format!(
                "{} of {} further connections could not take over an exported snapshot: {message}",
                seen.tried - seen.imported,
                seen.tried
            ),
        );
    }
    Ok(())
}

fn distinct_clusters(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let one = source(facts).identity.get()?;
    let two = target(facts)?.identity.get()?;
    let same_cluster = match (&one.system_identifier, &two.system_identifier) {
        // A restored copy or a promoted standby shares the identifier with its origin, but
        // hardly the microsecond of its start.
        (Some(a), Some(b)) => a == b && same_start(one.started_at, two.started_at),
        _ => one.version_text == two.version_text && same_start(one.started_at, two.started_at),
    };
    if !same_cluster {
        return Ok(());
    }
    if one.database == two.database {
        emit.find(
            Side::Target,
            format!("source and target are the same database, {}", one.database),
        )
        .object(&two.database);
    } else {
        emit.find(
            Side::Target,
            format!(
                "databases {} and {} are in the same cluster; workers, slots and senders count twice",
                one.database, two.database
            ),
        )
        .severity(Severity::Warn)
        .object(&two.database)
        .remedy("Nothing to do if that is meant.");
    }
    Ok(())
}

fn same_start(one: f64, two: f64) -> bool {
    (one - two).abs() < 0.000_01
}

/// A source that does not let us in ends the run before there are facts; a target is a finding.
fn login(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    if let Section::Unknown(reason) = &facts.target()?.server.identity {
        emit.find(Side::Target, reason.clone());
    }
    Ok(())
}

fn target_database(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let there = facts.target()?;
    if there.stood_in {
        let name = &there.server.identity.get()?.database;
        emit.find(Side::Target, format!("database {name:?} does not exist"))
            .object(name);
    }
    Ok(())
}

fn swapped(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let from = source(facts).volume.get()?;
    let to = target(facts)?.volume.get()?;
    if facts.under_way() {
        return Ok(());
    }
    let empty_source = from.tables == 0 && to.tables > 0;
    // Precision is of no matter for a factor.
    let far_larger = to.tables > 0 && to.database_bytes / 4 > from.database_bytes;
    if empty_source || far_larger {
        emit.find(
            Side::Target,
            format!(
                "the target holds {} in {} tables, the source {} in {} tables",
                size(to.database_bytes),
                to.tables,
                size(from.database_bytes),
                from.tables
            ),
        );
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a size for people")]
fn size(count: u64) -> String {
    bytes(count as f64)
}

fn not_standby(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    each(facts, emit, |side, server, emit| {
        if server.identity.get()?.in_recovery {
            emit.find(side, format!("the {side} is a standby (in recovery)"));
        }
        Ok(())
    })
}

fn tls(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    each(facts, emit, |side, server, emit| {
        let identity = server.identity.get()?;
        let told = server.version()?.at_least_num(90_500);
        if told && identity.remote && identity.tls.is_none() {
            emit.find(
                side,
                format!("the connection to the {side} is not encrypted"),
            );
        }
        Ok(())
    })
}

fn keepalive(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = source(facts);
    let off = server
        .known_setting("wal_sender_timeout")?
        .and_then(Setting::milliseconds)
        .is_some_and(|ms| ms <= 0.0);
    let idle = server
        .known_setting("tcp_keepalives_idle")?
        .and_then(Setting::number)
        .unwrap_or(0.0);
    if off && (idle <= 0.0 || idle > 600.0) {
        emit.find(
            Side::Source,
            "wal_sender_timeout is off and TCP keepalives start only after more than ten minutes",
        );
    }
    Ok(())
}

fn clock_skew(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    facts.target()?;
    let clock = facts.link.clock.get()?;
    let certain = clock.skew_seconds.abs() - clock.uncertainty_seconds;
    if certain > 0.5 {
        let direction = if clock.skew_seconds > 0.0 {
            "ahead of"
        } else {
            "behind"
        };
        let severity = if certain > 2.0 {
            Severity::Warn
        } else {
            Severity::Info
        };
        emit.find(
            Side::Target,
            format!(
                "the target's clock is {:.1} s {direction} the source's (give or take {:.1} s)",
                clock.skew_seconds.abs(),
                clock.uncertainty_seconds
            ),
        )
        .severity(severity);
    }
    Ok(())
}

fn client_tools(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let tools = facts.link.pg_dump.get()?;
    let needed = source(facts).version()?;
    match tools.iter().max_by_key(|tool| tool.major_num) {
        None => {
            emit.find(Side::Source, "no pg_dump was found on this machine");
        }
        Some(newest) if newest.major_num < needed.major_num() => {
            emit.find(
                Side::Source,
                format!(
                    "the newest pg_dump on this machine is {}, the source is {needed}",
                    newest.version
                ),
            );
        }
        Some(_) => {}
    }
    Ok(())
}

#[cfg(test)]
pub(super) use cases::CASES;

#[cfg(test)]
mod cases;
