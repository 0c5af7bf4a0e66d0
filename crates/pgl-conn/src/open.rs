//! One attempt at a session on one address: login, the pinned environment, what the server is.

use std::sync::{Arc, Mutex, PoisonError};

use pgl_core::{ServerVersion, Side};
use postgres::{Client, Config, SimpleQueryMessage};

use crate::dial::{Role, Spot, Wire};
use crate::endpoint::Endpoint;
use crate::error::{Error, Kind, Phase};
use crate::options;
use crate::params::{ChannelBinding, SslNegotiation};
use crate::session_gucs::{Settings, set_sql};
use crate::session_options::{Access, Notice, OnPooler, SessionOptions};
use crate::tls::Tls;
use pgl_core::redact;

const READ_SETTINGS: &str = include_str!("../sql/settings.sql");

pub(crate) type Notices = Arc<Mutex<Vec<Notice>>>;

/// What one attempt brings home.
pub(crate) struct Opened {
    pub(crate) client: Client,
    pub(crate) tls: Tls,
    pub(crate) notices: Notices,
    pub(crate) version: ServerVersion,
    pub(crate) backend_pid: i32,
    pub(crate) standby: bool,
    pub(crate) pooler: bool,
}

pub(crate) fn open(
    endpoint: &Endpoint,
    session: &SessionOptions,
    spot: &Spot,
) -> Result<(Opened, Role), Error> {
    let side = endpoint.side;
    let tls = Tls::new(endpoint, spot)?;
    let notices = Notices::default();
    let mut config = driver_config(endpoint, spot);
    config.application_name(&session.application_name());
    collect_notices(&mut config, &notices);
    let (mut client, refused) = log_in(endpoint, &config, session, &tls)?;
    let connecting = |error: postgres::Error| Error::from_driver(side, &error, Phase::Connecting);
    let mut found = settings(&mut client, READ_SETTINGS).map_err(connecting)?;
    let version = ServerVersion(number(side, &found, "server_version_num")?);
    if version < ServerVersion::OLDEST {
        return Err(Error::new(
            side,
            Kind::Unsupported,
            format!("the server is PostgreSQL {version}; 9.4 is the oldest that pglogical runs on"),
        ));
    }
    let standby = value(&found, "pg_is_in_recovery") == "true";
    let role = Role {
        standby,
        read_only: value(&found, "default_transaction_read_only") == "on",
    };
    let pooler = refused || session.dropped(&found);
    if pooler {
        if session.pooler == OnPooler::Refuse || session.access != Access::ReadOnly {
            return Err(pooler_error(side));
        }
    } else {
        let missing = session.missing(version, &found);
        if !missing.is_empty() {
            let sql = format!("{}{READ_SETTINGS}", set_sql(&missing, ""));
            found = settings(&mut client, &sql).map_err(connecting)?;
        }
        // What is asked for on top of the canonical settings is not among those read.
        let known = |(name, _): &&(String, String)| found.contains_key(name);
        if let Some((name, _)) = session.missing(version, &found).iter().find(known) {
            let message = format!("the server does not take the session setting {name}");
            return Err(Error::new(side, Kind::Protocol, message));
        }
    }
    let opened = Opened {
        client,
        tls,
        notices,
        version,
        backend_pid: i32::try_from(number(side, &found, "pg_backend_pid")?).unwrap_or(0),
        standby,
        pooler,
    };
    Ok((opened, role))
}

/// Logs in with the environment in the start-up packet. The second value tells that only a login
/// without it was accepted, which is what poolers do.
fn log_in(
    endpoint: &Endpoint,
    config: &Config,
    session: &SessionOptions,
    tls: &Tls,
) -> Result<(Client, bool), Error> {
    let pins = session.startup();
    let pins: Vec<(&str, &str)> = pins.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let mut with_pins = config.clone();
    with_pins.options(&options::append(endpoint.options.as_deref(), &pins));
    let error = match with_pins.connect(tls.clone()) {
        Ok(client) => return Ok((client, false)),
        Err(error) => Error::from_driver(endpoint.side, &error, Phase::Connecting)
            .or_certificate_refused(tls.used() && endpoint.tls.cert.is_some()),
    };
    // How pgbouncer answers to start-up options that it was not told to ignore. The user's own
    // options cannot be left out.
    if !error.is_sqlstate("08P01") {
        return Err(error);
    }
    match config.connect(tls.clone()) {
        Ok(client) if endpoint.options.is_none() => Ok((client, true)),
        Ok(_) => Err(pooler_error(endpoint.side)),
        Err(_) => Err(error),
    }
}

fn pooler_error(side: Side) -> Error {
    Error::new(
        side,
        Kind::Pooler,
        "a connection pooler is in between: the session settings did not reach the server",
    )
    .with_hint("connect to the server itself; pglogical needs that as well")
}

fn collect_notices(config: &mut Config, notices: &Notices) {
    let sink = notices.clone();
    let clean = |text: &str| redact(text).into_owned();
    config.notice_callback(move |notice| {
        let notice = Notice {
            severity: notice.severity().to_owned(),
            sqlstate: notice.code().code().to_owned(),
            message: redact(notice.message()).into_owned(),
            detail: notice.detail().map(clean),
            hint: notice.hint().map(clean),
        };
        sink.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(notice);
    });
}

fn driver_config(endpoint: &Endpoint, spot: &Spot) -> Config {
    let mut config = Config::new();
    if spot.host.is_socket() {
        // The kernel's abstract names begin with a NUL byte, which libpq writes as "@".
        config.host_path(match spot.host.host.strip_prefix('@') {
            Some(name) => format!("\0{name}"),
            None => spot.host.host.clone(),
        });
    } else {
        config.host(&spot.host.name());
        if let Some(addr) = spot.addr {
            config.hostaddr(addr);
        }
    }
    config.port(spot.host.port);
    config.user(&endpoint.user);
    config.dbname(&endpoint.dbname);
    if let Some(password) = &spot.host.password {
        config.password(password.expose());
    }
    config.ssl_mode(match spot.wire {
        Wire::Plain => postgres::config::SslMode::Disable,
        Wire::Offered => postgres::config::SslMode::Prefer,
        Wire::Tls => postgres::config::SslMode::Require,
    });
    if endpoint.tls.negotiation == SslNegotiation::Direct {
        config.ssl_negotiation(postgres::config::SslNegotiation::Direct);
    }
    config.channel_binding(match endpoint.channel_binding {
        ChannelBinding::Disable => postgres::config::ChannelBinding::Disable,
        ChannelBinding::Prefer => postgres::config::ChannelBinding::Prefer,
        ChannelBinding::Require => postgres::config::ChannelBinding::Require,
    });
    let socket = &endpoint.socket;
    config.keepalives(socket.keepalives);
    config.keepalives_idle(socket.idle);
    config.keepalives_interval(socket.interval);
    config.keepalives_retries(socket.count);
    if let Some(limit) = socket.user_timeout {
        config.tcp_user_timeout(limit);
    }
    config
}

/// Rows of the simple protocol, all text.
pub(crate) fn text_rows(
    client: &mut Client,
    sql: &str,
) -> Result<Vec<Vec<Option<String>>>, postgres::Error> {
    let mut rows = Vec::new();
    for message in client.simple_query(sql)? {
        if let SimpleQueryMessage::Row(row) = message {
            let fields =
                (0..row.len()).map(|index| row.try_get(index).map(|v| v.map(str::to_owned)));
            rows.push(fields.collect::<Result<_, _>>()?);
        }
    }
    Ok(rows)
}

fn settings(client: &mut Client, sql: &str) -> Result<Settings, postgres::Error> {
    let triple = |row: Vec<Option<String>>| {
        let mut fields = row.into_iter().map(Option::unwrap_or_default);
        Some((fields.next()?, (fields.next()?, fields.next()?)))
    };
    Ok(text_rows(client, sql)?
        .into_iter()
        .filter_map(triple)
        .collect())
}

fn value<'a>(settings: &'a Settings, name: &str) -> &'a str {
    settings.get(name).map_or("", |(value, _)| value)
}

fn number(side: Side, settings: &Settings, name: &str) -> Result<u32, Error> {
    value(settings, name).parse().map_err(|_| {
        Error::new(
            side,
            Kind::Protocol,
            format!("the server does not show {name}"),
        )
    })
}
