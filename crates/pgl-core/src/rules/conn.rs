//! Connections, and whether the two databases are the right two.

use super::common::{bytes, each, source, target};
use super::{Emit, Ran, Rule};
use crate::facts::Facts;
use crate::facts::Section;
use crate::facts::link::{Pooler, Probe, Reach, ReplicationLogin};
use crate::facts::server::Setting;
use crate::{ServerVersion, Severity, Side};

pub(super) const CHECKS: &[Rule] = &[
    ("conn.login", login),
    ("conn.target_database", target_database),
    ("conn.server_to_server", server_to_server),
    ("conn.replication_protocol", replication_protocol),
    ("conn.not_pooler", not_pooler),
    ("conn.single_instance", single_instance),
    ("conn.distinct_clusters", distinct_clusters),
    ("conn.swapped", swapped),
    ("conn.not_standby", not_standby),
    ("conn.tls", tls),
    ("conn.keepalive", keepalive),
    ("conn.clock_skew", clock_skew),
    ("conn.client_tools", client_tools),
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
