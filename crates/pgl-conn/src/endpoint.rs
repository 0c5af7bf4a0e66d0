//! From a connection string and its surroundings to the servers it means.
//!
//! Strongest first: the string, the service file, the environment, defaults. Nothing connects
//! here; reading the same string in the same [`Environment`] gives the same endpoint.

use std::ffi::OsStr;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pgl_core::Side;

use crate::conninfo;
use crate::env::Environment;
use crate::error::{Error, Kind};
use crate::keywords::{self, Bad, Pairs, get};
use crate::params::{
    ChannelBinding, Host, LoadBalance, Root, SOCKET_DIRS, Socket, SslMode, TargetSessionAttrs,
    TlsSettings,
};
use crate::passfile::{LOCALHOST, Passfile};
use crate::secret::{DsnText, Secret};
use crate::settings::{check_supported, host_list, merge, number, socket, tls_settings, word};

/// The environment variable that stands in for `--source` or `--target`.
fn variable_of(side: Side) -> &'static str {
    match side {
        Side::Source => "PGL_SOURCE",
        Side::Target => "PGL_TARGET",
    }
}

/// What the environment gives; a variable without a value counts as not set.
fn named(side: Side, environment: &Environment) -> Option<&OsStr> {
    let value = environment.var(variable_of(side))?.as_os_str();
    (!value.is_empty()).then_some(value)
}

/// A connection string with everything it means filled in. Debug and Display show no secret.
#[derive(Clone)]
pub struct Endpoint {
    pub(crate) side: Side,
    pub(crate) hosts: Vec<Host>,
    pub(crate) user: String,
    pub(crate) dbname: String,
    pub(crate) password: Option<Secret>,
    pub(crate) passfile: Arc<Passfile>,
    pub(crate) passfile_path: Option<String>,
    pub(crate) options: Option<String>,
    pub(crate) tls: TlsSettings,
    pub(crate) channel_binding: ChannelBinding,
    pub(crate) target: TargetSessionAttrs,
    pub(crate) load_balance: LoadBalance,
    /// None where nothing is said; zero means without limit.
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) socket: Socket,
    /// Names of the PG* variables that are set: they are kept from client programs.
    pub(crate) variables: Vec<String>,
    text: DsnText,
    warnings: Vec<String>,
}

impl Endpoint {
    /// Whether the environment names this side, through PGL_SOURCE or PGL_TARGET.
    pub fn is_named(side: Side, environment: &Environment) -> bool {
        named(side, environment).is_some()
    }

    /// Reads the connection string of one side. Without a text, PGL_SOURCE or PGL_TARGET of the
    /// environment is read; an empty text means libpq's defaults.
    ///
    /// # Errors
    /// [`Kind::Config`] for what libpq would refuse as well, [`Kind::Unsupported`] for what only
    /// libpq can do. No message contains a password.
    pub fn resolve(
        side: Side,
        text: Option<&OsStr>,
        environment: &Environment,
    ) -> Result<Self, Error> {
        let from_flag = text.is_some();
        let Some(text) = text.or(named(side, environment)) else {
            return Err(
                Error::new(side, Kind::Config, format!("no {side} database is given"))
                    .with_hint(format!("give --{side} or set {}", variable_of(side))),
            );
        };
        let config = |bad: Bad| config(side, bad);
        let Some(string) = text.to_str() else {
            return Err(config(Bad::new("the connection string is not valid UTF-8")));
        };
        let given = conninfo::parse(string).map_err(config)?;
        let mut warnings = Vec::new();
        if from_flag && given.iter().any(|pair| keywords::is_secret(pair.0)) {
            warnings.push(format!(
                "a password in --{side} can be seen in the list of processes; use a passfile, a service file or PGPASSWORD"
            ));
        }
        let settings = merge(given, environment).map_err(config)?;
        check_supported(side, &settings)?;
        Self::build(side, &settings, text, warnings, environment)
    }

    fn build(
        side: Side,
        settings: &Pairs,
        text: &OsStr,
        mut warnings: Vec<String>,
        environment: &Environment,
    ) -> Result<Self, Error> {
        let config = |bad: Bad| config(side, bad);
        let text_of = |name: &str| get(settings, name).filter(|value| !value.is_empty());
        let user = match text_of("user").or(environment.user()) {
            Some(user) => user.to_owned(),
            None => {
                return Err(config(
                    Bad::new("no user is given and the account has no name")
                        .hint("give user= in the connection string or PGUSER"),
                ));
            }
        };
        let dbname = text_of("dbname").unwrap_or(&user).to_owned();
        let tls = tls_settings(settings, environment).map_err(config)?;
        if let Some(encoding) = text_of("client_encoding")
            && !matches!(
                encoding.to_ascii_lowercase().as_str(),
                "utf8" | "utf-8" | "unicode" | "auto"
            )
        {
            warnings.push(format!(
                "client_encoding={encoding} is not used: these tools always speak UTF-8"
            ));
        }
        let passfile_path = text_of("passfile").map(str::to_owned).or_else(|| {
            let home = environment.home()?;
            Some(home.join(".pgpass").to_str()?.to_owned())
        });
        let password = text_of("password").map(Secret::new);
        let mut passfile = Passfile::default();
        if password.is_none()
            && let Some(path) = &passfile_path
        {
            let (loaded, warning) = Passfile::load(Path::new(path), environment.files());
            passfile = loaded;
            warnings.extend(warning);
        }
        let mut endpoint = Self {
            side,
            hosts: host_list(settings, environment).map_err(config)?,
            user,
            dbname,
            password,
            passfile: Arc::new(passfile),
            passfile_path,
            options: text_of("options").map(str::to_owned),
            channel_binding: word(settings, "channel_binding", ChannelBinding::Prefer)
                .map_err(config)?,
            target: word(settings, "target_session_attrs", TargetSessionAttrs::Any)
                .map_err(config)?,
            load_balance: word(settings, "load_balance_hosts", LoadBalance::Disable)
                .map_err(config)?,
            connect_timeout: number(settings, "connect_timeout")
                .map_err(config)?
                .map(|seconds| Duration::from_secs(seconds.max(0).unsigned_abs())),
            socket: socket(settings).map_err(config)?,
            tls,
            variables: environment.names().map(str::to_owned).collect(),
            text: DsnText::new(text),
            warnings,
        };
        if endpoint.channel_binding == ChannelBinding::Require
            && endpoint.tls.mode < SslMode::Require
            && endpoint.tls.mode != SslMode::Prefer
        {
            endpoint.warnings.push(format!(
                "channel_binding=require needs TLS, but sslmode is {}",
                endpoint.tls.mode.as_str()
            ));
        }
        endpoint.find_passwords();
        Ok(endpoint)
    }

    /// Which password goes to which host: the one given, else that of the passfile's line.
    fn find_passwords(&mut self) {
        for host in &mut self.hosts {
            let key = match host.name() {
                name if SOCKET_DIRS.contains(&name.as_str()) => LOCALHOST.to_owned(),
                name => name,
            };
            host.password = self.password.clone().or_else(|| {
                self.passfile
                    .find(&key, host.port, &self.dbname, &self.user)
            });
        }
    }

    /// Which database this is.
    pub fn side(&self) -> Side {
        self.side
    }

    /// The servers, in the order in which they are tried.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The role that logs in.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The database.
    pub fn dbname(&self) -> &str {
        &self.dbname
    }

    /// `sslmode` as it takes effect.
    pub fn sslmode(&self) -> SslMode {
        self.tls.mode
    }

    /// `target_session_attrs`.
    pub fn target_session_attrs(&self) -> TargetSessionAttrs {
        self.target
    }

    /// The connection string as it was written, for pglogical and for nothing else: libpq on
    /// another server will read it in its own surroundings.
    pub fn original_text(&self) -> &DsnText {
        &self.text
    }

    /// What the user should know, one sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The same servers and role, another database.
    #[must_use]
    pub fn with_dbname(&self, dbname: &str) -> Self {
        let mut other = self.clone();
        dbname.clone_into(&mut other.dbname);
        other.find_passwords();
        other
    }

    /// The same with further start-up options, `-c name=value` each, behind those of the user.
    #[must_use]
    pub fn with_options(&self, settings: &[(&str, &str)]) -> Self {
        let mut other = self.clone();
        other.options = Some(crate::options::append(self.options.as_deref(), settings));
        other
    }

    /// The value that the connection string's `options` give a server setting.
    pub fn startup_setting(&self, name: &str) -> Option<String> {
        crate::options::value(self.options.as_deref()?, name)
    }

    /// The same from this machine, where it was written for another one: root certificates whose file is not here are those that `other`,
    /// another way to the same server, is checked with. None where there are none either.
    pub fn from_here(&self, other: Option<&Self>) -> Option<Self> {
        let mut own = self.clone();
        if let Root::File(path) = &self.tls.root
            && !Path::new(path).exists()
        {
            own.tls.root = other?.tls.root.clone();
            match own.tls.root {
                Root::File(_) => {}
                // Less is not possible with these.
                Root::System => own.tls.mode = SslMode::VerifyFull,
                Root::None => return None,
            }
        }
        Some(own)
    }

    /// Whether its passwords are in a file that is not on this machine.
    pub fn lacks_passfile(&self) -> bool {
        let missing = |path: &String| !Path::new(path).exists();
        self.password.is_none() && self.passfile_path.as_ref().is_some_and(missing)
    }

    /// The same, narrowed to one server: where a session landed.
    #[must_use]
    pub(crate) fn pinned(&self, host: &Host, addr: Option<IpAddr>) -> Self {
        let mut other = self.clone();
        let mut host = host.clone();
        if host.hostaddr.is_none() {
            host.hostaddr = addr;
        }
        other.hosts = vec![host];
        other.target = TargetSessionAttrs::Any;
        other
    }
}

/// `db1:5432,db2:5432/name as role`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<String> = self.hosts.iter().map(Host::to_string).collect();
        write!(
            f,
            "{} database {:?} as {:?}",
            hosts.join(","),
            self.dbname,
            self.user
        )
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("side", &self.side)
            .field("hosts", &self.hosts)
            .field("user", &self.user)
            .field("dbname", &self.dbname)
            .field("tls", &self.tls)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

fn config(side: Side, bad: Bad) -> Error {
    let error = Error::new(side, Kind::Config, bad.message);
    match bad.hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}
