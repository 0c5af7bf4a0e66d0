//! From an endpoint to one open connection: hosts in turn, addresses in turn, TLS or not, each
//! under one deadline. What is opened (a session, a replication connection) is the caller's.
//!
//! libpq's rule for several hosts: a server that cannot be reached, does not answer in time, is
//! starting up, or is not of the kind asked for is skipped; any other refusal ends the attempt.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use pgl_core::Side;

use crate::endpoint::Endpoint;
use crate::error::{Error, Kind};
use crate::params::{Host, LoadBalance, SslMode, TargetSessionAttrs};

/// How to begin with one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// No TLS.
    Plain,
    /// TLS if the server offers it.
    Offered,
    /// TLS or nothing.
    Tls,
}

/// One address to try.
#[derive(Debug, Clone)]
pub(crate) struct Spot {
    pub(crate) host: Host,
    /// None for a socket.
    pub(crate) addr: Option<IpAddr>,
    pub(crate) wire: Wire,
}

/// What a server is, as far as `target_session_attrs` asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) standby: bool,
    /// `default_transaction_read_only` as the server or the role has it.
    pub(crate) read_only: bool,
}

/// A connection that was opened and found to be of the kind asked for.
pub(crate) struct Landed<T> {
    pub(crate) opened: T,
    pub(crate) spot: Spot,
}

/// Opens a connection to the first server that will do. `open` runs on a thread of its own when
/// there is a time limit; a connection that is not taken is dropped.
pub(crate) fn dial<T, F>(
    endpoint: &Endpoint,
    limit: Option<Duration>,
    open: F,
) -> Result<Landed<T>, Error>
where
    T: Send + 'static,
    F: Fn(&Spot) -> Result<(T, Role), Error> + Clone + Send + 'static,
{
    let limit = match endpoint.connect_timeout {
        Some(Duration::ZERO) => None,
        Some(given) => Some(given),
        None => limit,
    };
    let mut hosts = endpoint.hosts.clone();
    if endpoint.load_balance == LoadBalance::Random {
        shuffle(&mut hosts);
    }
    let passes: &[TargetSessionAttrs] = match endpoint.target {
        TargetSessionAttrs::PreferStandby => {
            &[TargetSessionAttrs::Standby, TargetSessionAttrs::Any]
        }
        _ => std::slice::from_ref(&endpoint.target),
    };
    let mut failures: Vec<(String, Error)> = Vec::new();
    for wanted in passes {
        failures.clear();
        for host in &hosts {
            match try_host(endpoint, host, *wanted, limit, &open, &mut failures) {
                Some(landed) => return Ok(landed),
                None if failures.last().is_some_and(|(_, error)| !skips(error)) => {
                    return Err(summary(endpoint, failures));
                }
                None => {}
            }
        }
    }
    Err(summary(endpoint, failures))
}

/// Whether the next host may be tried after this failure.
fn skips(error: &Error) -> bool {
    match error.sqlstate.as_deref() {
        Some(code) => code == "57P03",
        None => matches!(error.kind, Kind::Unreachable | Kind::Timeout),
    }
}

fn try_host<T, F>(
    endpoint: &Endpoint,
    host: &Host,
    wanted: TargetSessionAttrs,
    limit: Option<Duration>,
    open: &F,
    failures: &mut Vec<(String, Error)>,
) -> Option<Landed<T>>
where
    T: Send + 'static,
    F: Fn(&Spot) -> Result<(T, Role), Error> + Clone + Send + 'static,
{
    let side = endpoint.side;
    let mut addrs = match addresses(side, host, limit) {
        Ok(addrs) => addrs,
        Err(error) => {
            failures.push((host.to_string(), error));
            return None;
        }
    };
    if endpoint.load_balance == LoadBalance::Random {
        shuffle(&mut addrs);
    }
    let several = addrs.len() > 1;
    for addr in addrs {
        let shown = match addr {
            Some(addr) if several => format!("{host} ({addr})"),
            _ => host.to_string(),
        };
        match try_address(endpoint, host, addr, limit, open) {
            Ok((opened, role, spot)) => match unsuitable(wanted, role) {
                None => return Some(Landed { opened, spot }),
                Some(why) => {
                    failures.push((shown, Error::new(side, Kind::Unreachable, why)));
                    // Other addresses of the same name are other ways to the same server.
                    return None;
                }
            },
            Err(error) => {
                let ends = !skips(&error);
                failures.push((shown, error));
                if ends {
                    return None;
                }
            }
        }
    }
    None
}

/// Tries TLS and plain in the order that sslmode asks for.
fn try_address<T, F>(
    endpoint: &Endpoint,
    host: &Host,
    addr: Option<IpAddr>,
    limit: Option<Duration>,
    open: &F,
) -> Result<(T, Role, Spot), Error>
where
    T: Send + 'static,
    F: Fn(&Spot) -> Result<(T, Role), Error> + Clone + Send + 'static,
{
    let attempt = |wire: Wire| {
        let spot = Spot {
            host: host.clone(),
            addr,
            wire,
        };
        let (open, for_thread) = (open.clone(), spot.clone());
        within(endpoint.side, limit, move || open(&for_thread))
            .map(|(opened, role)| (opened, role, spot))
    };
    let (first, second) = wires(endpoint.tls.mode, host.is_socket());
    let error = match attempt(first) {
        Ok(opened) => return Ok(opened),
        Err(error) => error,
    };
    let Some(second) =
        second.filter(|_| matches!(error.kind, Kind::Auth | Kind::Tls) && !error.late)
    else {
        return Err(error);
    };
    attempt(second).map_err(|other| both(error, other, first))
}

fn wires(mode: SslMode, socket: bool) -> (Wire, Option<Wire>) {
    match mode {
        _ if socket => (Wire::Plain, None),
        SslMode::Disable => (Wire::Plain, None),
        SslMode::Allow => (Wire::Plain, Some(Wire::Tls)),
        SslMode::Prefer => (Wire::Offered, Some(Wire::Plain)),
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => (Wire::Tls, None),
    }
}

/// One error out of the two attempts with and without TLS.
fn both(first: Error, second: Error, wire: Wire) -> Error {
    if first.message == second.message {
        return second;
    }
    let words = match wire {
        Wire::Plain => ["without TLS", "with TLS"],
        Wire::Offered | Wire::Tls => ["with TLS", "without TLS"],
    };
    let mut error = second;
    error.message = format!(
        "{}: {}; {}: {}",
        words[0], first.message, words[1], error.message
    );
    if error.hint.is_none() {
        error.hint.clone_from(&first.hint);
    }
    error
}

fn addresses(
    side: Side,
    host: &Host,
    limit: Option<Duration>,
) -> Result<Vec<Option<IpAddr>>, Error> {
    if host.is_socket() {
        return Ok(vec![None]);
    }
    if let Some(addr) = host.hostaddr {
        return Ok(vec![Some(addr)]);
    }
    let (name, port) = (host.host.clone(), host.port);
    let found = within(side, limit, move || {
        (name.as_str(), port)
            .to_socket_addrs()
            .map(|found| found.map(|addr| Some(addr.ip())).collect::<Vec<_>>())
            .map_err(|error| {
                Error::new(
                    side,
                    Kind::Unreachable,
                    format!("the host name cannot be resolved: {error}"),
                )
            })
    })?;
    if found.is_empty() {
        return Err(Error::new(
            side,
            Kind::Unreachable,
            "the host name has no address",
        ));
    }
    Ok(found)
}

fn unsuitable(wanted: TargetSessionAttrs, role: Role) -> Option<&'static str> {
    use TargetSessionAttrs::{Any, PreferStandby, Primary, ReadOnly, ReadWrite, Standby};
    match wanted {
        Any | PreferStandby => None,
        ReadWrite if role.standby => Some("the server is a standby"),
        ReadWrite if role.read_only => Some("the session is read-only by default"),
        ReadOnly if !role.standby && !role.read_only => Some("the session is not read-only"),
        Primary if role.standby => Some("the server is a standby"),
        Standby if !role.standby => Some("the server is not a standby"),
        ReadWrite | ReadOnly | Primary | Standby => None,
    }
}

/// One error for all that was tried.
fn summary(endpoint: &Endpoint, failures: Vec<(String, Error)>) -> Error {
    let side = endpoint.side;
    let Some((_, last)) = failures.last() else {
        return Error::new(side, Kind::Config, "the connection string names no host");
    };
    let mut error = last.clone();
    let attrs = match endpoint.target {
        TargetSessionAttrs::Any => String::new(),
        other => format!(" (target_session_attrs={})", other.as_str()),
    };
    if let [(shown, _)] = &failures[..] {
        return error.with_context(format!("cannot connect to {shown}{attrs}"));
    }
    let lines: Vec<String> = failures
        .iter()
        .map(|(shown, error)| format!("{shown}: {}", error.message))
        .collect();
    error.message = lines.join("; ");
    error.with_context(format!("cannot connect to any host{attrs}"))
}

/// Runs `work`, but waits no longer than `limit`. A thread that is still at it then ends by
/// itself when its socket does.
pub(crate) fn within<T: Send + 'static>(
    side: Side,
    limit: Option<Duration>,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let Some(limit) = limit else {
        return work();
    };
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name("connect".to_owned())
        .spawn(move || {
            // The receiver is gone when the time was up: the connection is dropped here.
            let _unwanted = sender.send(work());
        })
        .map_err(|error| {
            Error::new(
                side,
                Kind::Unreachable,
                format!("cannot start a thread: {error}"),
            )
        })?;
    match receiver.recv_timeout(limit) {
        Ok(outcome) => outcome,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(Error::new(
            side,
            Kind::Timeout,
            format!("no answer within {} s", limit.as_secs_f64()),
        )
        .with_hint("check host and port: a firewall, or another service than PostgreSQL; connect_timeout in the connection string sets the limit, 0 means none")),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(Error::new(
            side,
            Kind::Protocol,
            "the driver gave up without a reason",
        )),
    }
}

/// Fisher-Yates with the standard library's per-process random keys.
fn shuffle<T>(items: &mut [T]) {
    for last in (1..items.len()).rev() {
        let random = RandomState::new().hash_one(last);
        let pick = usize::try_from(random % (last as u64 + 1)).unwrap_or(0);
        items.swap(last, pick);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_six_session_attributes() {
        use TargetSessionAttrs::{Any, PreferStandby, Primary, ReadOnly, ReadWrite, Standby};
        let primary = Role {
            standby: false,
            read_only: false,
        };
        let read_only = Role {
            standby: false,
            read_only: true,
        };
        let standby = Role {
            standby: true,
            read_only: false,
        };
        let cases = [
            (Any, [true, true, true]),
            (PreferStandby, [true, true, true]),
            (ReadWrite, [true, false, false]),
            (ReadOnly, [false, true, true]),
            (Primary, [true, true, false]),
            (Standby, [false, false, true]),
        ];
        for (wanted, expected) in cases {
            let suits =
                [primary, read_only, standby].map(|role| unsuitable(wanted, role).is_none());
            assert_eq!(suits, expected, "{wanted:?}");
        }
    }

    #[test]
    fn a_silent_worker_is_left_behind() {
        let start = std::time::Instant::now();
        let outcome = within(Side::Source, Some(Duration::from_millis(50)), || {
            thread::sleep(Duration::from_secs(5));
            Ok(())
        });
        assert_eq!(outcome.map_err(|error| error.kind), Err(Kind::Timeout));
        assert!(start.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn shuffling_keeps_every_item() {
        let mut items: Vec<u32> = (0..50).collect();
        shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
