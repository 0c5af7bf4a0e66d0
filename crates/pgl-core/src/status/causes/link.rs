//! The way from the target to the source: settings of the source, sets, workers, the DSN.

use super::known::SET_REMEDY;
use super::slot::used_up;
use super::{Cause, Seen, on_subscription};
use crate::rights::{Grantee, REPLICATION};
use crate::status::facts::{DsnEnd, PlannedMember, Seen as Tried, SourceNow, Trouble, TroubleKind};
use crate::status::log::crashes;
use crate::status::state::Word;
use crate::{Side, plural, quote_literal};

pub(super) fn look(seen: &Seen<'_>, found: &mut Vec<Cause>) {
    crash_loop(seen, found);
    if seen.subscription.is_none() || !seen.stopped() {
        return;
    }
    source_settings(seen, found);
    sets(seen, found);
    workers(seen, found);
    found.extend(dsn(seen));
}

fn source_settings(seen: &Seen<'_>, found: &mut Vec<Cause>) {
    let Some(close) = &seen.close.source else {
        return;
    };
    if let Some(allowed) = &close.output_plugin_libraries {
        let listed = allowed
            .split(',')
            .any(|name| name.trim().trim_matches('"') == "pglogical_output");
        if !listed {
            found.push(
                Cause::new(
                    "source.output_plugin",
                    Side::Source,
                    "the source does not let pglogical decode: its output plugin is not among those allowed",
                )
                .seen(format!("output_plugin_libraries = {allowed}"))
                .remedy("allow it; the value is a list, so do not quote it as one string. No restart is needed")
                .sql(format!(
                    "ALTER SYSTEM SET output_plugin_libraries = {}; SELECT pg_reload_conf();",
                    if allowed.trim().is_empty() {
                        "pglogical_output".to_owned()
                    } else {
                        format!("{allowed}, pglogical_output")
                    }
                )),
            );
        }
    }
    if !close.wal_level.is_empty() && close.wal_level != "logical" {
        found.push(
            Cause::new(
                "source.wal_level",
                Side::Source,
                format!(
                    "wal_level is {}, which does not allow logical decoding",
                    close.wal_level
                ),
            )
            .seen(format!("wal_level = {}", close.wal_level))
            .remedy("set it to logical and restart the source")
            .sql("ALTER SYSTEM SET wal_level = logical;"),
        );
    }
    if !close.pglogical {
        found.push(
            Cause::new(
                "source.no_pglogical",
                Side::Source,
                "pglogical is not installed in the source database",
            )
            .seen("pg_extension has no row for it")
            .remedy("install it again and run pgl-setup; a slot that was left may serve a data gap, so copy again"),
        );
    }
    if used_up(close.used_senders, close.max_senders) {
        found.push(
            Cause::new(
                "source.senders_exhausted",
                Side::Source,
                "all WAL senders of the source are in use",
            )
            .likely()
            .may_pass()
            .seen(format!(
                "{} of max_wal_senders = {}",
                close.used_senders, close.max_senders
            ))
            .remedy("end replication connections that nobody needs, or raise max_wal_senders and restart the source"),
        );
    }
}

fn sets(seen: &Seen<'_>, found: &mut Vec<Cause>) {
    let close = seen.close.source.as_ref().filter(|close| close.pglogical);
    let Some((close, subscription)) = close.zip(seen.subscription) else {
        return;
    };
    for set in subscription
        .sets
        .iter()
        .filter(|set| !close.sets.contains(set))
    {
        let mut cause = Cause::new(
            "set.missing",
            Side::Source,
            format!("the replication set {set} of the subscription does not exist on the source"),
        )
        .object(set)
        .seen(format!("the source has: {}", close.sets.join(", ")))
        .remedy(SET_REMEDY)
        .fix_on(Side::Target);
        // With tables in it, one statement would only hide that their changes are missing.
        if held_nothing(seen, set) {
            cause = cause.sql(format!(
                "SELECT pglogical.alter_subscription_remove_replication_set({}, {});",
                quote_literal(&subscription.name),
                quote_literal(set)
            ));
        }
        found.push(cause);
    }
}

/// Whether no table was in this set: by the plan, or because every table that the subscription has a
/// state for is in another one.
fn held_nothing(seen: &Seen<'_>, set: &String) -> bool {
    let wanted = &seen.close.wanted;
    let members = seen
        .close
        .source
        .as_ref()
        .and_then(|one| one.members.as_ref());
    let in_none = |one: &PlannedMember| one.exists && one.sets.is_empty();
    !wanted.is_empty()
        && !wanted.iter().any(|one| one.set.as_ref() == Some(set))
        && members.is_some_and(|all| !all.iter().any(in_none))
}

fn workers(seen: &Seen<'_>, found: &mut Vec<Cause>) {
    let (Some(target), Some(close)) = (seen.target, &seen.close.target) else {
        return;
    };
    let runs = |kind: &str| target.workers.iter().any(|worker| worker.kind == kind);
    let full = used_up(close.used_workers, close.max_workers);
    // Parallel queries come and go; what a full house says is proved by the log only.
    if full && seen.word == Word::Down {
        found.push(workers_exhausted().likely().seen(format!(
            "{} of max_worker_processes = {}",
            close.used_workers, close.max_workers
        )));
    } else if !runs("supervisor") && target.version.at_least(10) {
        // Before 10 pg_stat_activity leaves out workers that are in no database.
        found.push(
            Cause::new(
                "target.no_supervisor",
                Side::Target,
                "pglogical's supervisor does not run on the target",
            )
            .likely()
            .seen("no process \"pglogical supervisor\" in pg_stat_activity")
            .remedy("put pglogical into shared_preload_libraries, see that max_worker_processes leaves room, and restart the target"),
        );
    } else if !runs("manager") {
        found.push(
            Cause::new(
                "target.no_manager",
                Side::Target,
                "pglogical's manager for this database does not run on the target",
            )
            .likely()
            .may_pass()
            .seen("no process \"pglogical manager\" for this database in pg_stat_activity")
            .remedy(
                "pglogical starts one within 180 seconds; the statement below wakes it at once",
            ),
        );
    }
}

pub(super) fn workers_exhausted() -> Cause {
    Cause::new(
        "target.workers_exhausted",
        Side::Target,
        "the target has no background worker left for pglogical",
    )
    .remedy("raise max_worker_processes (one for the supervisor, one a database, two a subscription, and what others need) and restart the target")
}

/// The subscription's own DSN, tried from where this program runs.
fn dsn(seen: &Seen<'_>) -> Option<Cause> {
    let trouble = match &seen.close.dsn_from_here {
        Tried::Failed(trouble) => trouble,
        Tried::Known(end) => return other_server(seen.source?, end),
        Tried::NotGiven => return None,
    };
    let (id, side, what, remedy) = refusal(trouble);
    let remedy = remedy_of(id, seen, remedy);
    // The network of the target may differ from ours; a rejected login does not.
    let rejected = trouble
        .sqlstate
        .as_deref()
        .is_some_and(|code| code.starts_with("28") || matches!(code, "3D000" | "42501"));
    let mut cause = Cause::new(id, side, what)
        .seen(format!("tried from here: {}", trouble.message))
        .remedy(remedy);
    if !rejected || id == "link.hba" {
        cause = cause.likely().may_pass();
    }
    Some(cause)
}

fn other_server(source: &SourceNow, end: &DsnEnd) -> Option<Cause> {
    let identifiers = source
        .system_identifier
        .as_ref()
        .zip(end.system_identifier.as_ref());
    let other = identifiers.is_some_and(|(one, two)| one != two);
    (other || source.database != end.database).then(|| {
        Cause::new(
            "link.other_server",
            Side::Target,
            "the subscription's provider DSN leads to another server or database than --source",
        )
        .likely()
        .seen(format!(
            "from here it reaches database {} of another system",
            end.database
        ))
        .remedy("compare --source with the subscription's provider DSN")
    })
}

/// What a failed attempt with the DSN means, by its SQLSTATE.
fn refusal(trouble: &Trouble) -> (&'static str, Side, &'static str, &'static str) {
    let code = trouble.sqlstate.as_deref().unwrap_or("");
    let says = |text: &str| trouble.message.contains(text);
    match (code, trouble.kind) {
        ("28000", _) if says("pg_hba.conf") => (
            "link.hba",
            Side::Source,
            "the source's pg_hba.conf rejects the role of the subscription's provider DSN",
            "add or change the line for the target's address and the role (and for \"replication\" up to 9.6), and reload the source",
        ),
        ("28000", _) => (
            "link.role",
            Side::Source,
            "the role of the subscription's provider DSN does not exist on the source or may not log in",
            "create it on the source as it was, or ALTER ROLE … LOGIN REPLICATION",
        ),
        ("3D000", _) => (
            "link.database",
            Side::Source,
            "the database of the subscription's provider DSN does not exist on the source",
            REMEDY_FOR_DSN,
        ),
        ("42501", _) => (
            "link.privilege",
            Side::Source,
            "the role of the subscription's provider DSN may not replicate",
            "",
        ),
        ("53300", _) => (
            "link.full",
            Side::Source,
            "the source has no connection left for the target",
            "raise max_connections, max_wal_senders or the role's CONNECTION LIMIT, or end sessions that nobody needs",
        ),
        (_, TroubleKind::Auth) => (
            "link.password",
            Side::Target,
            "the source rejected the login with the subscription's provider DSN",
            REMEDY_FOR_DSN,
        ),
        (_, TroubleKind::Tls) => (
            "link.tls",
            Side::Target,
            "TLS between target and source cannot be agreed on",
            REMEDY_FOR_DSN,
        ),
        _ => (
            "link.unreachable",
            Side::Target,
            "the source cannot be reached with the subscription's provider DSN",
            REMEDY_FOR_DSN,
        ),
    }
}

/// What to do about this cause, where what is known of the servers and the subscription decides that.
pub(super) fn remedy_of(id: &str, seen: &Seen<'_>, otherwise: &str) -> String {
    match id {
        "link.privilege" => {
            let role = seen.subscription.and_then(|one| one.dsn.user.as_deref());
            let platform = seen.close.source.as_ref().and_then(|one| one.platform);
            match (role, platform, seen.source) {
                (Some(role), Some(platform), Some(source)) => REPLICATION.hint(
                    Side::Source,
                    &Grantee {
                        role: role.to_owned(),
                        platform,
                        version: source.version,
                    },
                ),
                _ => REPLICATION.in_words(Side::Source),
            }
        }
        "link.password" => {
            let name = seen.subscription.map_or("", |one| one.name.as_str());
            format!(
                "if the password was changed, or was a token that has expired: put the new one into the DSN's passfile, a file of the target's \
                 server; or give the subscription another DSN, the same but for the password (INTERFACE is a name that is free), on the \
                 target: {}",
                other_dsn(name)
            )
        }
        _ => otherwise.to_owned(),
    }
}

/// The statements that give a subscription another DSN: pglogical cannot change one in place.
fn other_dsn(subscription: &str) -> String {
    let name = quote_literal(subscription);
    format!(
        "SELECT pglogical.alter_node_add_interface(n.node_name, 'INTERFACE', 'DSN') FROM pglogical.subscription s JOIN pglogical.node n \
         ON n.node_id = s.sub_origin WHERE s.sub_name = {name}; \
         SELECT pglogical.alter_subscription_interface({name}, 'INTERFACE')"
    )
}

/// pglogical cannot change a DSN in place.
pub(super) const REMEDY_FOR_DSN: &str = "correct the server, pg_hba.conf or the role; or give the subscription another DSN with \
     pglogical.alter_node_add_interface() for the source's node and \
     pglogical.alter_subscription_interface(), both on the target";

/// A target that cannot be read for long: its log says why, or sessions that begin are lost again and again. An
/// ordinary restart loses one at most.
fn crashes_under_watch(seen: &Seen<'_>) -> Option<Cause> {
    let close = seen
        .close
        .target
        .as_ref()
        .filter(|_| seen.target.is_none())?;
    let cause = if let Some((line, times)) = close.log.tail.as_deref().and_then(crashes) {
        Cause::new(
            "server.crash_loop",
            Side::Target,
            "pglogical's apply worker crashes and takes the whole target server down with it, each time it is started",
        )
        .seen(line)
        .seen(format!("{} within the part of the log that was read", plural(times, "time")))
    } else if close.sessions_lost > 1 {
        Cause::new(
            "server.crash_loop",
            Side::Target,
            "the whole target server crashes again and again, most likely with pglogical's apply worker; the server's log names the process",
        )
        .seen(format!(
            "{} sessions began and were lost at once, between moments in which the server was recovering",
            close.sessions_lost
        ))
    } else {
        return None;
    };
    Some(cause.remedy("keep the worker from starting: set shared_preload_libraries without pglogical in postgresql.conf (or with ALTER SYSTEM in one of the moments in which the server answers) and restart the target; then fix the reason. Known reasons: a column list in a replication set that leaves out a generated column, a table that is partitioned on the target only, pglogical before 2.4.5"))
}

/// The server as a whole crashes, again and again.
fn crash_loop(seen: &Seen<'_>, found: &mut Vec<Cause>) {
    found.extend(crashes_under_watch(seen));
    let servers = [
        (
            Side::Target,
            seen.target
                .map(|now| (now.clock, now.started, now.helpers_started)),
        ),
        (
            Side::Source,
            seen.source
                .map(|now| (now.clock, now.started, now.helpers_started)),
        ),
    ];
    for (side, times) in servers {
        let Some((clock, started, Some(helpers))) = times else {
            continue;
        };
        let ago = clock - helpers;
        // Helpers that are much younger than the server were started again after a crash.
        if helpers - started > 20.0 && ago < 300.0 {
            let mut cause = Cause::new(
                "server.crashed",
                side,
                format!("the whole {side} server crashed and started over {ago:.0} s ago"),
            )
            .seen(format!(
                "the server runs since {:.0} s, its checkpointer since {ago:.0} s",
                clock - started
            ))
            .remedy("its log names the process that was terminated; where that is pglogical's apply worker, disable the subscription first of all")
            .likely();
            if seen.word == Word::Replicating && side == Side::Source {
                cause = cause.warn();
            }
            if let (Side::Target, Some(subscription)) = (side, seen.subscription) {
                cause = cause.sql(on_subscription(
                    "alter_subscription_disable",
                    &subscription.name,
                ));
            }
            found.push(cause);
        }
    }
}
