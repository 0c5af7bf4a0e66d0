//! Connections, and whether the two databases are the right two.

use super::common::{bytes, float, warn_if};
use super::role::replicating_role;
use super::{Emit, Ran, Rule, each, facts, pair, source};
use crate::Side::{Source, Target};
use crate::facts::link::{Probe, Reach, ReplicationLogin};
use crate::facts::server::Setting;
use crate::facts::{Facts, NotRun, Section};
use crate::rights::NETWORK;
use crate::{Severity, plural};

pub(super) const CHECKS: &[Rule] = &[
    // A source that does not let us in ends the run before there are facts; a target is a finding.
    facts("conn.login", |facts, emit| {
        if let Section::Unknown(reason) = &facts.target()?.server.identity {
            emit.find(Target, reason.clone());
        }
        Ok(())
    }),
    facts("conn.target_database", |facts, emit| {
        let there = facts.target()?;
        if there.stood_in {
            let name = &there.server.identity.get()?.database;
            emit.find(Target, format!("database {name:?} does not exist"))
                .object(name);
        }
        Ok(())
    }),
    facts("conn.server_to_server", server_to_server),
    facts("conn.stored_password", |facts, emit| {
        let stored = facts.link.stored_password;
        if stored.ok_or_else(|| NotRun("these facts do not have it".to_owned()))? {
            emit.find(
                Target,
                "pglogical would store the source's password on the target",
            )
            .object("pglogical.node_interface");
        }
        Ok(())
    }),
    facts("conn.replication_protocol", |facts, emit| {
        if let ReplicationLogin::Refused { sqlstate, message } =
            facts.link.replication_login.get()?
        {
            let state = sqlstate
                .as_deref()
                .map_or(String::new(), |code| format!(" ({code})"));
            let what = format!("the source refuses a replication connection: {message}{state}");
            emit.find(Source, what);
        }
        Ok(())
    }),
    facts("conn.not_pooler", |facts, emit| {
        let link = &facts.link;
        let poolers = facts.sides().map(|(side, _)| match side {
            Source => (side, link.source_pooler.get()),
            Target => (side, link.target_pooler.get()),
        });
        let poolers: Vec<_> = poolers.collect();
        for (side, seen) in poolers.clone() {
            let sign = match seen {
                Ok(seen) if seen.backend_changes => "one session met different backends",
                Ok(seen) if seen.settings_dropped => {
                    "the session's settings did not reach the server"
                }
                _ => continue,
            };
            emit.find(side, format!("the {side} is behind a pooler: {sign}"));
        }
        poolers.into_iter().try_for_each(|(_, seen)| seen.map(drop))
    }),
    facts("conn.single_instance", |facts, emit| {
        let seen = facts.link.snapshot.get()?;
        if seen.imported < seen.tried {
            let (failed, tried) = (seen.tried - seen.imported, seen.tried);
            let message = seen.message.as_deref().unwrap_or("no message");
            let what = format!(
                "{failed} of {tried} further connections could not take over an exported snapshot: {message}"
            );
            emit.find(Source, what);
        }
        Ok(())
    }),
    pair("conn.distinct_clusters", |source, target, emit| {
        let (one, two) = (source.identity.get()?, target.identity.get()?);
        // A restored copy or a promoted standby shares the identifier with its origin, but
        // hardly the microsecond of its start.
        let same_start = (one.started_at - two.started_at).abs() < 0.000_01;
        let same = match (&one.system_identifier, &two.system_identifier) {
            (Some(a), Some(b)) => a == b,
            _ => one.version_text == two.version_text,
        };
        let (here, there) = (&one.database, &two.database);
        if same && same_start && here == there {
            let what = format!("source and target are the same database, {here}");
            emit.find(Target, what).object(there);
        } else if same && same_start {
            let what = format!(
                "databases {here} and {there} are in the same cluster; workers, slots and senders count twice"
            );
            emit.find(Target, what)
                .severity(Severity::Warn)
                .object(there)
                .remedy("Nothing to do if that is meant.");
        }
        Ok(())
    }),
    pair("conn.swapped", |source, target, emit| {
        let (from, to) = (source.volume.get()?, target.volume.get()?);
        let empty_source = from.tables == 0 && to.tables > 0;
        // Precision is of no matter for a factor.
        let far_larger = to.tables > 0 && to.database_bytes / 4 > from.database_bytes;
        if (empty_source || far_larger) && !emit.facts.under_way() {
            let size = |count| bytes(float(count));
            let (there, here) = (size(to.database_bytes), size(from.database_bytes));
            let (theirs, ours) = (to.tables, from.tables);
            let what = format!(
                "the target holds {there} in {}, the source {here} in {}",
                plural(theirs, "table"),
                plural(ours, "table")
            );
            emit.find(Target, what);
        }
        Ok(())
    }),
    each("conn.not_standby", |side, server, emit| {
        if server.identity.get()?.in_recovery {
            emit.find(side, format!("the {side} is a standby (in recovery)"));
        }
        Ok(())
    }),
    each("conn.tls", |side, server, emit| {
        let identity = server.identity.get()?;
        let known = identity.version.at_least_num(90_500);
        if known && identity.remote && identity.tls.is_none() {
            let what = format!("the connection to the {side} is not encrypted");
            emit.find(side, what);
        }
        Ok(())
    }),
    source("conn.keepalive", |server, emit| {
        let timeout = server.known_setting("wal_sender_timeout")?;
        let off = timeout
            .and_then(Setting::milliseconds)
            .is_some_and(|ms| ms <= 0.0);
        let idle = server.known_setting("tcp_keepalives_idle")?;
        let idle = idle.and_then(Setting::number).unwrap_or(0.0);
        if off && (idle <= 0.0 || idle > 600.0) {
            emit.find(
                Source,
                "wal_sender_timeout is off and TCP keepalives start only after more than ten minutes",
            );
        }
        Ok(())
    }),
    facts("conn.clock_skew", |facts, emit| {
        facts.target()?;
        let clock = facts.link.clock.get()?;
        let (skew, unsure) = (clock.skew_seconds.abs(), clock.uncertainty_seconds);
        if skew - unsure > 0.5 {
            let ahead = clock.skew_seconds > 0.0;
            let direction = if ahead { "ahead of" } else { "behind" };
            let what = format!(
                "the target's clock is {skew:.1} s {direction} the source's (give or take {unsure:.1} s)"
            );
            emit.find(Target, what)
                .severity(warn_if(skew - unsure > 2.0));
        }
        Ok(())
    }),
    facts("conn.client_tools", |facts, emit| {
        let tools = facts.link.pg_dump.get()?;
        let source = facts.source.server.version()?;
        let target = facts.target.as_ref().map(|one| one.server.version());
        let needed = target
            .and_then(Result::ok)
            .map_or(source, |target| target.max(source));
        match tools.iter().max_by_key(|tool| tool.major_num) {
            None => {
                emit.find(Source, "no pg_dump was found");
            }
            Some(newest) if newest.major_num < needed.major_num() => {
                let newest = &newest.version;
                let what = format!(
                    "the newest pg_dump that was found is {newest}, the newer of both servers {needed}"
                );
                emit.find(Source, what);
            }
            Some(_) => {}
        }
        Ok(())
    }),
];

fn server_to_server(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    facts.target()?;
    match facts.link.server_to_server.get()? {
        // Before 10 a replication connection has pg_hba entries of its own.
        Reach::Reached { by: Probe::Dblink } if !facts.source.server.version()?.at_least(10) => {
            emit.find(
                Target,
                "the target's server reaches the source with an ordinary connection; whether pg_hba.conf also lets it in for replication is not provable from here",
            )
            .severity(Severity::Warn)
            .remedy("Make sure that pg_hba.conf on the source has an entry for database replication and the target's address.")
            .fix_on(Source);
        }
        Reach::Reached { .. } => {}
        Reach::Failed { message, .. } => {
            let what = format!("the target's server cannot connect to the source: {message}");
            let (server, role) = (&facts.source.server, replicating_role(facts)?);
            let draft = emit.find(Target, what).fix_on(Source);
            draft.right(&NETWORK, server, role)?;
        }
        Reach::NotProvable { reason } => {
            let what = format!(
                "whether the target's server reaches the source is not provable from here: {reason}"
            );
            emit.find(Target, what).severity(Severity::Warn).remedy(
                "Try the provider's connection string with psql on the target's host, or install the dblink extension in the target database and run this again.",
            );
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) use cases::CASES;

#[cfg(test)]
mod cases;
