//! From the keywords of a connection string and its surroundings to typed settings.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use pgl_core::Side;

use crate::env::Environment;
use crate::error::{Error, Kind};
use crate::keywords::{self, Bad, KEYWORDS, Pairs, Treat, get};
use crate::params::{Host, Root, SOCKET_DIRS, Socket, SslMode, SslNegotiation, TlsSettings};
use crate::secret::Secret;
use crate::service;

/// Fills in what the string does not say: from the service, then from the environment.
pub(crate) fn merge(mut settings: Pairs, environment: &Environment) -> Result<Pairs, Bad> {
    let variable = |name: &str| -> Result<Option<String>, Bad> {
        match environment.var(name) {
            None => Ok(None),
            Some(value) => match value.to_str() {
                Some(value) => Ok(Some(value.to_owned())),
                None => Err(Bad::new(format!("the variable {name} is not valid UTF-8"))),
            },
        }
    };
    let service = match get(&settings, "service") {
        Some(service) => Some(service.to_owned()),
        None => variable("PGSERVICE")?,
    };
    if let Some(service) = service {
        let found = service::lookup(&service, get(&settings, "servicefile"), environment)?;
        for (name, value) in found {
            if get(&settings, name).is_none() {
                settings.push((name, value));
            }
        }
    }
    for keyword in KEYWORDS {
        if get(&settings, keyword.name).is_none()
            && let Some(name) = keyword.var
            && let Some(value) = variable(name)?
        {
            settings.push((keyword.name, value));
        }
    }
    Ok(settings)
}

pub(crate) fn check_supported(side: Side, settings: &Pairs) -> Result<(), Error> {
    for (name, value) in settings.iter().filter(|pair| !pair.1.is_empty()) {
        let hint = match keywords::find(name).map(|keyword| keyword.treat) {
            Some(Treat::Refuse(hint)) => hint,
            Some(Treat::Only(allowed, hint)) if !allowed.contains(&value.as_str()) => hint,
            _ => continue,
        };
        let what = if keywords::is_secret(name) {
            (*name).to_owned()
        } else {
            format!("{name}={value}")
        };
        return Err(
            Error::new(side, Kind::Unsupported, format!("{what} is not supported")).with_hint(hint),
        );
    }
    Ok(())
}

pub(crate) fn word<T>(settings: &Pairs, name: &str, default: T) -> Result<T, Bad>
where
    T: std::str::FromStr<Err = &'static str>,
{
    match get(settings, name).filter(|value| !value.is_empty()) {
        None => Ok(default),
        Some(value) => value
            .parse()
            .map_err(|allowed| Bad::new(format!("invalid {name} value {value:?}; {allowed}"))),
    }
}

pub(crate) fn number(settings: &Pairs, name: &str) -> Result<Option<i64>, Bad> {
    match get(settings, name)
        .map(str::trim)
        .filter(|value| !value.is_empty())
    {
        None => Ok(None),
        Some(value) => match value.parse::<i32>() {
            Ok(number) => Ok(Some(i64::from(number))),
            Err(_) => Err(Bad::new(format!(
                "invalid integer value {value:?} for {name}"
            ))),
        },
    }
}

pub(crate) fn socket(settings: &Pairs) -> Result<Socket, Bad> {
    let default = Socket::default();
    let positive = |name: &str| -> Result<Option<u64>, Bad> {
        Ok(number(settings, name)?
            .filter(|number| *number > 0)
            .map(i64::unsigned_abs))
    };
    let seconds = |name: &str, default: Duration| -> Result<Duration, Bad> {
        Ok(positive(name)?.map_or(default, Duration::from_secs))
    };
    Ok(Socket {
        keepalives: number(settings, "keepalives")? != Some(0),
        idle: seconds("keepalives_idle", default.idle)?,
        interval: seconds("keepalives_interval", default.interval)?,
        count: positive("keepalives_count")?
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(default.count),
        user_timeout: positive("tcp_user_timeout")?.map(Duration::from_millis),
    })
}

pub(crate) fn host_list(settings: &Pairs, environment: &Environment) -> Result<Vec<Host>, Bad> {
    let split = |name: &str| -> Vec<String> {
        match get(settings, name).filter(|value| !value.is_empty()) {
            Some(value) => value.split(',').map(str::to_owned).collect(),
            None => Vec::new(),
        }
    };
    let (names, addrs, ports) = (split("host"), split("hostaddr"), split("port"));
    let count = if addrs.is_empty() {
        names.len().max(1)
    } else {
        addrs.len()
    };
    if !names.is_empty() && names.len() != count {
        return Err(Bad::new(format!(
            "there are {} host names and {count} hostaddr values",
            names.len()
        )));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(Bad::new(format!(
            "there are {} port numbers and {count} hosts",
            ports.len()
        )));
    }
    (0..count)
        .map(|index| {
            let port = match ports.get(index).or(ports.first()).map(|port| port.trim()) {
                None | Some("") => 5432,
                Some(text) => match text.parse::<u16>() {
                    Ok(port) if port > 0 => port,
                    _ => return Err(Bad::new(format!("invalid port number {text:?}"))),
                },
            };
            let hostaddr = match addrs.get(index).filter(|addr| !addr.is_empty()) {
                None => None,
                Some(text) => Some(text.parse::<IpAddr>().map_err(|_| {
                    Bad::new(format!("hostaddr {text:?} is not an IP address"))
                        .hint("a name goes into host, not into hostaddr")
                })?),
            };
            let mut host = names.get(index).cloned().unwrap_or_default();
            if host.is_empty() && hostaddr.is_none() {
                host = socket_dir(port, environment).to_owned();
            }
            Ok(Host {
                host,
                hostaddr,
                port,
                password: None,
            })
        })
        .collect()
}

/// The first directory that holds the socket; else the packages' one, if it is there at all.
fn socket_dir(port: u16, environment: &Environment) -> &'static str {
    let files = environment.files();
    let holds = |dir: &&str| {
        let path = Path::new(dir).join(format!(".s.PGSQL.{port}"));
        files.facts(&path).is_ok_and(|facts| facts.socket)
    };
    let exists = |dir: &&str| files.facts(Path::new(dir)).is_ok();
    let dirs = SOCKET_DIRS.iter();
    dirs.clone()
        .find(|dir| holds(dir))
        .or_else(|| dirs.clone().find(|dir| exists(dir)))
        .unwrap_or(&SOCKET_DIRS[1])
}

pub(crate) fn tls_settings(
    settings: &Pairs,
    environment: &Environment,
) -> Result<TlsSettings, Bad> {
    let given = |name: &str| {
        get(settings, name)
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    };
    let files = environment.files();
    let default_file = |name: &str| {
        let path = environment.home_file(name)?;
        files.facts(&path).ok()?;
        Some(path.to_str()?.to_owned())
    };
    let system = given("sslrootcert").as_deref() == Some("system");
    let default = if system {
        SslMode::VerifyFull
    } else {
        SslMode::Prefer
    };
    let mode = word(settings, "sslmode", default)?;
    if system && mode != SslMode::VerifyFull {
        return Err(Bad::new(format!(
            "sslmode={} may not be used with sslrootcert=system",
            mode.as_str()
        ))
        .hint("use sslmode=verify-full"));
    }
    let negotiation = word(settings, "sslnegotiation", SslNegotiation::Postgres)?;
    if negotiation == SslNegotiation::Direct && mode < SslMode::Require {
        return Err(Bad::new(format!(
            "sslmode={} may not be used with sslnegotiation=direct",
            mode.as_str()
        ))
        .hint("use sslmode=require or stronger"));
    }
    let root = match given("sslrootcert") {
        Some(_) if system => Root::System,
        // libpq looks at the file only when it is there, unless it must verify.
        Some(path) if mode >= SslMode::VerifyCa || files.facts(Path::new(&path)).is_ok() => {
            Root::File(path)
        }
        Some(_) => Root::None,
        None => default_file("root.crt").map_or(Root::None, Root::File),
    };
    if mode >= SslMode::VerifyCa && root == Root::None {
        return Err(Bad::new(format!(
            "sslmode={} needs the authority's certificate and ~/.postgresql/root.crt does not exist",
            mode.as_str()
        ))
        .hint("give sslrootcert=FILE, or sslrootcert=system for the authorities of the operating system"));
    }
    // Documented for compatibility with old releases: a root certificate turns "require" into
    // "verify-ca".
    let mode = match (mode, &root) {
        (SslMode::Require, Root::File(_)) => SslMode::VerifyCa,
        (mode, _) => mode,
    };
    for name in ["ssl_min_protocol_version", "ssl_max_protocol_version"] {
        if let Some(version) = given(name)
            && !matches!(
                version.as_str(),
                "TLSv1" | "TLSv1.1" | "TLSv1.2" | "TLSv1.3"
            )
        {
            return Err(Bad::new(format!(
                "invalid {name} value {version:?}; one of: TLSv1 TLSv1.1 TLSv1.2 TLSv1.3"
            )));
        }
    }
    let send_certificate = get(settings, "sslcertmode") != Some("disable");
    let cert = given("sslcert")
        .or_else(|| default_file("postgresql.crt"))
        .filter(|_| send_certificate);
    let key = given("sslkey").or_else(|| default_file("postgresql.key"));
    if let Some(key) = key.as_deref()
        && key
            .split_once(':')
            .is_some_and(|(engine, _)| !engine.contains('/'))
    {
        return Err(
            Bad::new("a private key from an OpenSSL engine is not supported")
                .hint("give sslkey=FILE"),
        );
    }
    let crls = given("sslcrl").is_some() || given("sslcrldir").is_some();
    Ok(TlsSettings {
        mode,
        negotiation,
        root,
        cert,
        key,
        key_password: given("sslpassword").map(Secret::new),
        crl: given("sslcrl").or_else(|| default_file("root.crl").filter(|_| !crls)),
        crl_dir: given("sslcrldir"),
        sni: get(settings, "sslsni") != Some("0"),
        min_version: given("ssl_min_protocol_version"),
        max_version: given("ssl_max_protocol_version"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conninfo::parse;
    use crate::env::MemoryFiles;

    fn with_files(paths: &[&str]) -> Environment {
        let mut files = MemoryFiles::default();
        for path in paths {
            files.0.insert(path.into(), (Vec::new(), 0o600));
        }
        Environment::bare().with_home("/home/me").with_files(files)
    }

    fn shown(text: &str, environment: &Environment) -> Result<Vec<String>, String> {
        let pairs = parse(text).map_err(|bad| bad.message)?;
        let hosts = host_list(&pairs, environment).map_err(|bad| bad.message)?;
        Ok(hosts.iter().map(Host::to_string).collect())
    }

    #[test]
    fn the_default_socket_is_where_one_is() {
        let cases: [(&[&str], &str, &str); 5] = [
            (&[], "", "/tmp/.s.PGSQL.5432"),
            (&["/tmp/.s.PGSQL.5432"], "", "/tmp/.s.PGSQL.5432"),
            (
                &["/var/run/postgresql"],
                "",
                "/var/run/postgresql/.s.PGSQL.5432",
            ),
            (
                &["/var/run/postgresql", "/tmp/.s.PGSQL.7"],
                "port=7",
                "/tmp/.s.PGSQL.7",
            ),
            (
                &["/var/run/postgresql/.s.PGSQL.7", "/tmp/.s.PGSQL.7"],
                "port=7",
                "/var/run/postgresql/.s.PGSQL.7",
            ),
        ];
        for (files, text, expected) in cases {
            assert_eq!(
                shown(text, &with_files(files)),
                Ok(vec![expected.to_owned()]),
                "{files:?}"
            );
        }
    }

    #[test]
    fn lists_of_hosts() {
        let environment = with_files(&[]);
        let cases = [
            ("host=a,b port=1,2", vec!["a:1", "b:2"]),
            ("host=a,b port=7", vec!["a:7", "b:7"]),
            ("host=a,b port=,2", vec!["a:5432", "b:2"]),
            (
                "hostaddr=10.0.0.1,::1 port=1",
                vec!["10.0.0.1:1", "[::1]:1"],
            ),
            (
                "host=a,/run hostaddr=10.0.0.1,",
                vec!["a:5432", "/run/.s.PGSQL.5432"],
            ),
            ("host=,a", vec!["/tmp/.s.PGSQL.5432", "a:5432"]),
            ("host=@abstract", vec!["@abstract/.s.PGSQL.5432"]),
        ];
        for (text, expected) in cases {
            let expected = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(shown(text, &environment), Ok(expected), "{text}");
        }
        for text in [
            "host=a,b port=1,2,3",
            "host=a,b hostaddr=::1",
            "hostaddr=name",
            "port=-1",
        ] {
            assert!(shown(text, &environment).is_err(), "{text}");
        }
    }

    fn tls(text: &str, files: &[&str]) -> Result<TlsSettings, String> {
        let pairs = parse(text).map_err(|bad| bad.message)?;
        tls_settings(&pairs, &with_files(files)).map_err(|bad| bad.message)
    }

    #[test]
    fn the_mode_that_takes_effect() {
        const ROOT: &str = "/home/me/.postgresql/root.crt";
        let cases: [(&str, &[&str], SslMode); 8] = [
            ("", &[], SslMode::Prefer),
            ("", &[ROOT], SslMode::Prefer),
            ("sslmode=require", &[], SslMode::Require),
            ("sslmode=require", &[ROOT], SslMode::VerifyCa),
            ("sslmode=require sslrootcert=/gone", &[], SslMode::Require),
            ("sslmode=verify-ca", &[ROOT], SslMode::VerifyCa),
            (
                "sslmode=verify-full sslrootcert=/gone",
                &[],
                SslMode::VerifyFull,
            ),
            ("sslrootcert=system", &[], SslMode::VerifyFull),
        ];
        for (text, files, mode) in cases {
            assert_eq!(
                tls(text, files).map(|tls| tls.mode),
                Ok(mode),
                "{text} {files:?}"
            );
        }
        for text in [
            "sslmode=verify-ca",
            "sslmode=verify-full",
            "sslmode=require sslrootcert=system",
            "sslnegotiation=direct",
            "sslkey=engine:key",
            "ssl_min_protocol_version=SSLv3",
        ] {
            assert!(tls(text, &[]).is_err(), "{text}");
        }
    }

    #[test]
    fn default_files_are_used_where_they_exist() {
        let found = tls(
            "",
            &[
                "/home/me/.postgresql/postgresql.crt",
                "/home/me/.postgresql/postgresql.key",
                "/home/me/.postgresql/root.crl",
            ],
        )
        .expect("settings");
        assert_eq!(
            found.cert.as_deref(),
            Some("/home/me/.postgresql/postgresql.crt")
        );
        assert_eq!(
            found.key.as_deref(),
            Some("/home/me/.postgresql/postgresql.key")
        );
        assert_eq!(found.crl.as_deref(), Some("/home/me/.postgresql/root.crl"));
        assert_eq!(
            tls(
                "sslcertmode=disable",
                &["/home/me/.postgresql/postgresql.crt"]
            )
            .map(|tls| tls.cert),
            Ok(None)
        );
    }

    #[test]
    fn keepalives_have_defaults_of_our_own() {
        let of = |text: &str| socket(&parse(text).expect("pairs")).map_err(|bad| bad.message);
        assert_eq!(of(""), Ok(Socket::default()));
        let given = of("keepalives=0 keepalives_idle=5 keepalives_count=2 tcp_user_timeout=900");
        let given = given.expect("settings");
        assert!(!given.keepalives);
        assert_eq!((given.idle.as_secs(), given.count), (5, 2));
        assert_eq!(given.user_timeout, Some(Duration::from_millis(900)));
        assert!(of("keepalives_idle=x").is_err());
    }
}
