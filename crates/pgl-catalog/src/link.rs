//! Facts of the ways between the machines: from here to both servers, and from the target's server
//! to the source, which is the way that pglogical takes.
//!
//! All of it is read-only but for one probe, see [`ServerProbe::RolledBackSubscription`].

use std::path::Path;
use std::time::{Duration, Instant};

use pgl_conn::{
    Access, Begin, DsnOutline, DsnText, Error, Kind, OnPooler, Session, SessionOptions, Walsender,
    WalsenderOptions,
};
use pgl_core::facts::Section;
use pgl_core::facts::link::{
    Clock, Link, Pooler, Probe, Reach, ReplicationLogin, SlotNames, SnapshotImport,
};
use pgl_core::migration::Names;
use pgl_core::{Side, quote_ident, quote_literal};

use crate::pg_dump;
use crate::server::{reason, section};

/// How the way from the target's server to the source may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerProbe {
    /// CREATE SUBSCRIPTION in a transaction that is always rolled back (targets from 10 on), in a
    /// short read-write session of its own. The target's server connects to the source as
    /// pglogical will, for replication; no slot is made, nothing is subscribed, and after the
    /// rollback nothing is left but a used transaction id and object id. Where it is not
    /// permitted, as [`ServerProbe::ReadOnly`].
    RolledBackSubscription,
    /// Only through dblink, where the target database has it. Nothing is written at all.
    ReadOnly,
    /// Not at all.
    Off,
}

/// What to look at, and how.
#[derive(Debug, Clone)]
pub struct LinkOptions<'a> {
    /// The tool, for application_name.
    pub tool: &'static str,
    /// The connection string as the target's server will read it; without it the source's own.
    pub provider_dsn: Option<&'a DsnText>,
    /// How the way from the target's server may be tried.
    pub probe: ServerProbe,
    /// Where pg_dump is; without it on PATH and in the usual places.
    pub pg_bindir: Option<&'a Path>,
    /// How many further connections try to take over an exported snapshot.
    pub connections: u32,
}

/// The longest wait for the target's server to reach the source.
const PROBE_TIMEOUT: Duration = Duration::from_secs(20);

/// Looks at the ways. Uses both sessions and opens a few more for a moment.
///
/// # Errors
/// Only when one of the two sessions is lost.
pub fn collect(
    source: &mut Session,
    target: Option<&mut Session>,
    options: &LinkOptions<'_>,
) -> Result<Link, Error> {
    let dsn = options
        .provider_dsn
        .cloned()
        .unwrap_or_else(|| source.endpoint().original_text().clone());
    let outline = DsnOutline::read(Side::Source, &dsn);
    let stored = match options.provider_dsn {
        Some(_) => Ok(dsn.clone()),
        None => source.endpoint().reachable_dsn(),
    };
    let stored = stored.and_then(|dsn| DsnOutline::read(Side::Source, &dsn));
    let mut link = Link {
        replication_login: replication_login(source, options),
        source_pooler: section(pooler(source))?,
        snapshot: snapshot(source, options)?,
        pg_dump: Section::Known(pg_dump::versions(options.pg_bindir)),
        provider_role: outline
            .as_ref()
            .ok()
            .and_then(|outline| outline.user.clone()),
        stored_password: stored.ok().map(|outline| outline.password.is_some()),
        ..Link::default()
    };
    if let Some(target) = target {
        link.target_pooler = section(pooler(target))?;
        link.clock = section(clock(source, target))?;
        link.server_to_server = match &outline {
            Ok(outline) => Section::Known(reach(target, &dsn, outline, options)?),
            Err(error) => Section::Unknown(reason(error)),
        };
    }
    Ok(link)
}

/// The names that pglogical gives the slots of a migration between two databases. Each is computed by
/// the server that subscribes.
///
/// # Errors
/// Only when one of the two sessions is lost.
pub fn slot_names(
    source: &mut Session,
    target: &mut Session,
    names: &Names,
    databases: (&str, &str),
) -> Result<Section<SlotNames>, Error> {
    let forward = slot_name(
        target,
        databases.1,
        &names.provider_node,
        &names.subscription,
    );
    let reverse = names.back_subscription();
    let both = forward.and_then(|forward| {
        let reverse = slot_name(source, databases.0, &names.subscriber_node, &reverse)?;
        Ok(SlotNames { forward, reverse })
    });
    section(both)
}

fn slot_name(
    session: &mut Session,
    database: &str,
    provider_node: &str,
    subscription: &str,
) -> Result<String, Error> {
    session.value(
        sql!("server/slot_name"),
        &[&database, &provider_node, &subscription],
        "the slot's name",
    )
}

fn replication_login(source: &Session, options: &LinkOptions<'_>) -> Section<ReplicationLogin> {
    let seen = Walsender::connect(source.endpoint(), &WalsenderOptions::new(options.tool))
        .and_then(|mut walsender| walsender.identify_system());
    Section::Known(match seen {
        Ok(_) => ReplicationLogin::Ok,
        Err(error) => ReplicationLogin::Refused {
            sqlstate: error.sqlstate.clone(),
            message: error.message.clone(),
        },
    })
}

fn pooler(session: &mut Session) -> Result<Pooler, Error> {
    let told = session.backend_pid();
    let mut backend_changes = false;
    for _ in 0..3 {
        let pid: i32 = session.value(
            "SELECT pg_catalog.pg_backend_pid()",
            &[],
            "the server's process",
        )?;
        backend_changes |= pid != told;
    }
    Ok(Pooler {
        backend_changes,
        settings_dropped: session.pooler_suspected(),
    })
}

/// Exports a snapshot and lets further connections take it over.
fn snapshot(
    source: &mut Session,
    options: &LinkOptions<'_>,
) -> Result<Section<SnapshotImport>, Error> {
    let id = match source.export_snapshot() {
        Ok(id) => id,
        Err(error) if error.is_lost() => return Err(error),
        Err(error) => {
            source.rollback()?;
            return Ok(Section::Unknown(reason(&error)));
        }
    };
    let mut seen = SnapshotImport::default();
    let session_options =
        SessionOptions::new(options.tool, Access::ReadOnly).pooler(OnPooler::Report);
    for _ in 0..options.connections {
        seen.tried += 1;
        let imported = Session::connect(source.endpoint(), &session_options)
            .and_then(|mut further| further.begin(Begin::Import(&id)));
        match imported {
            Ok(()) => seen.imported += 1,
            Err(error) => {
                seen.message.get_or_insert_with(|| reason(&error));
            }
        }
    }
    source.rollback()?;
    Ok(Section::Known(seen))
}

/// The server's clock at the middle of the shortest of a few round trips: its reading minus the
/// time since `base`, and half the round trip.
fn reading(session: &mut Session, base: Instant) -> Result<(f64, f64), Error> {
    const TRIES: usize = 4;
    let mut best = (0.0, f64::INFINITY);
    for _ in 0..TRIES {
        let before = base.elapsed().as_secs_f64();
        let seconds: f64 = session.value(sql!("server/clock"), &[], "the server's clock")?;
        let after = base.elapsed().as_secs_f64();
        let half = (after - before) / 2.0;
        if half < best.1 {
            best = (seconds - before - half, half);
        }
    }
    Ok(best)
}

fn clock(source: &mut Session, target: &mut Session) -> Result<Clock, Error> {
    let base = Instant::now();
    let (from, from_half) = reading(source, base)?;
    let (to, to_half) = reading(target, base)?;
    Ok(Clock {
        skew_seconds: to - from,
        uncertainty_seconds: from_half + to_half,
    })
}

fn reach(
    target: &mut Session,
    dsn: &DsnText,
    outline: &DsnOutline,
    options: &LinkOptions<'_>,
) -> Result<Reach, Error> {
    let tried = try_reach(target, dsn, outline, options)?;
    Ok(tried.unwrap_or_else(|reason| Reach::NotProvable { reason }))
}

/// What was proved, or why nothing could be.
type Tried = Result<Reach, String>;

fn try_reach(
    target: &mut Session,
    dsn: &DsnText,
    outline: &DsnOutline,
    options: &LinkOptions<'_>,
) -> Result<Tried, Error> {
    let not_provable = |reason: String| Ok(Err(reason));
    if options.probe == ServerProbe::Off {
        return not_provable("the probe was switched off".to_owned());
    }
    let Some(text) = dsn.expose_str() else {
        return not_provable("the connection string is not valid UTF-8".to_owned());
    };
    // Without a host, or with a local one, libpq on the target's server would look on its own
    // machine. That may be meant, when all three are one machine; otherwise it would find the
    // target itself, and the probe would say yes.
    if outline.hosts.is_empty() && outline.service.is_none() {
        return not_provable(
            "the connection string names no host that the target's server could connect to; give \
             --provider-dsn"
                .to_owned(),
        );
    }
    let target_is_here = target
        .endpoint()
        .hosts()
        .iter()
        .all(|host| is_local(&host.host));
    if let Some(local) = outline.hosts.iter().find(|host| is_local(host))
        && !target_is_here
    {
        return not_provable(format!(
            "the connection string says host {local}, which on the target's server is the target \
             itself; give --provider-dsn"
        ));
    }
    let first = match options.probe {
        ServerProbe::RolledBackSubscription if target.version().at_least(10) => {
            by_subscription(target, text, outline, options)
        }
        _ => Err("CREATE SUBSCRIPTION was not tried".to_owned()),
    };
    match first {
        Err(before) => by_dblink(target, text, outline, options, &before),
        proved => Ok(proved),
    }
}

fn is_local(host: &str) -> bool {
    host.is_empty()
        || host.starts_with(['/', '@'])
        || host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Keeps the connection string, which may hold a password, out of the target's log and statistics,
/// and messages in English. Each may be refused to the role, and then the server's settings stay.
const HUSH: &[&str] = &[
    "SET log_statement = 'none'",
    "SET log_min_error_statement = 'panic'",
    "SET log_min_duration_statement = -1",
    "SET pg_stat_statements.track = 'none'",
    "SET pgaudit.log = 'none'",
    "SET auto_explain.log_min_duration = -1",
    "SET log_parameter_max_length = 0",
    "SET log_parameter_max_length_on_error = 0",
    "SET lc_messages = 'C'",
];

/// Settings without which the server writes the statement of a failed connection into its log.
const ESSENTIAL: &str = "SELECT pg_catalog.current_setting('log_statement') = 'none' \
    AND pg_catalog.current_setting('log_min_error_statement') IN ('fatal', 'panic') \
    AND pg_catalog.current_setting('log_min_duration_statement') = '-1'";

/// Why a string with a password is not tried, where the server's log would show it; none where it would not.
fn hush(session: &mut Session, outline: &DsnOutline) -> Result<Option<String>, Error> {
    for statement in HUSH {
        if let Err(error) = session.batch(statement) {
            log::debug!("{statement}: {error}");
        }
    }
    let quiet: bool = session.value(ESSENTIAL, &[], "what the server logs")?;
    Ok((!quiet && outline.password.is_some()).then(|| {
        "the connection string holds a password, and this role may not keep a statement out of the target's log; \
         name a passfile of the target's server in --provider-dsn instead"
            .to_owned()
    }))
}

fn by_subscription(
    target: &Session,
    dsn: &str,
    outline: &DsnOutline,
    options: &LinkOptions<'_>,
) -> Tried {
    let session_options = SessionOptions::new(options.tool, Access::ReadWrite)
        .statement_timeout(PROBE_TIMEOUT)
        .lock_timeout(Duration::from_secs(2));
    let mut session =
        Session::connect(target.endpoint(), &session_options).map_err(|error| reason(&error))?;
    if let Some(reason) = hush(&mut session, outline).map_err(|error| reason(&error))? {
        return Err(reason);
    }
    let name = format!("pgl_probe_{}", session.backend_pid());
    let create = format!(
        "CREATE SUBSCRIPTION {} CONNECTION {} PUBLICATION {} WITH (connect = true, \
         create_slot = false, enabled = false, slot_name = NONE, copy_data = false)",
        quote_ident(&name),
        quote_literal(dsn),
        quote_ident(&name)
    );
    let outcome = session
        .begin(Begin::ReadWrite)
        .and_then(|()| session.batch(&create));
    // Closing the session would roll back too; this way it is done when the function returns.
    if let Err(error) = session.rollback() {
        log::debug!("{error}");
    }
    match outcome {
        Ok(()) => Ok(Reach::Reached {
            by: Probe::RolledBackSubscription,
        }),
        Err(error) => judge(&error, outline),
    }
}

/// Tells failures before, in and after connecting apart. Those after it show that the source was
/// reached: a source before 10 has no publications to list, and does not take SQL on a
/// replication connection.
fn judge(error: &Error, outline: &DsnOutline) -> Tried {
    let by = Probe::RolledBackSubscription;
    let message = outline.redact(&error.message);
    let connected = ["could not receive list", "could not clear search path"];
    let state = error.sqlstate.as_deref().unwrap_or_default();
    if connected.iter().any(|sign| message.contains(sign)) {
        Ok(Reach::Reached { by })
    } else if message.contains("could not connect to the publisher") || state.starts_with("08") {
        Ok(Reach::Failed { by, message })
    } else if error.kind == Kind::Timeout {
        let message = format!("no answer within {} s", PROBE_TIMEOUT.as_secs());
        Ok(Reach::Failed { by, message })
    } else {
        Err(match &error.sqlstate {
            Some(state) => format!("{message} ({state})"),
            None => message,
        })
    }
}

fn by_dblink(
    target: &mut Session,
    dsn: &str,
    outline: &DsnOutline,
    options: &LinkOptions<'_>,
    before: &str,
) -> Result<Tried, Error> {
    let dblink = sql!("server/dblink");
    let found: Option<String> = match target.value_opt(dblink, &[], "the schema of dblink") {
        Ok(found) => found,
        Err(error) if error.is_lost() => return Err(error),
        Err(error) => return Ok(Err(format!("{before}; {}", reason(&error)))),
    };
    let Some(schema) = found else {
        let reason = format!("{before}, and the target database has no dblink");
        return Ok(Err(reason));
    };
    let sql = format!(
        "SELECT answer FROM {}.dblink($1, 'SELECT 1') AS t (answer integer)",
        quote_ident(&schema)
    );
    // A session of its own, which can be kept out of the log.
    let session_options =
        SessionOptions::new(options.tool, Access::ReadOnly).statement_timeout(PROBE_TIMEOUT);
    let asked = Session::connect(target.endpoint(), &session_options).and_then(|mut session| {
        match hush(&mut session, outline)? {
            Some(reason) => Ok(Some(reason)),
            None => session.query(&sql, &[&dsn]).map(|_| None),
        }
    });
    Ok(match asked {
        Ok(Some(reason)) => Err(reason),
        Ok(None) => Ok(Reach::Reached { by: Probe::Dblink }),
        Err(error) => {
            let detail = error.detail.as_deref();
            let detail = detail.map_or(String::new(), |detail| format!(": {detail}"));
            let message = outline.redact(&format!("{}{detail}", error.message));
            let state = error.sqlstate.as_deref().unwrap_or_default();
            let by = Probe::Dblink;
            if state.starts_with("08") {
                Ok(Reach::Failed { by, message })
            } else {
                Err(message)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_hosts() {
        for host in ["", "localhost", "127.0.0.1", "::1", "/var/run", "@abstract"] {
            assert!(is_local(host), "{host}");
        }
        for host in ["db1", "10.0.0.1", "2001:db8::1"] {
            assert!(!is_local(host), "{host}");
        }
    }

    #[test]
    fn a_failure_after_connecting_is_a_yes() {
        let outline = DsnOutline::default();
        let judged =
            |message: &str| judge(&Error::new(Side::Target, Kind::Server, message), &outline);
        assert!(matches!(
            judged("could not receive list of replicated tables from the publisher: ERROR"),
            Ok(Reach::Reached { .. })
        ));
        assert!(matches!(
            judged("subscription \"x\" could not connect to the publisher: refused"),
            Ok(Reach::Failed { .. })
        ));
        assert!(judged("permission denied").is_err());
    }
}
