//! Running libpq's own programs (pg_dump, psql) against an endpoint: they must land
//! where a session lands, and no password may appear among their arguments.

use std::ffi::OsString;
use std::io::Read;
use std::process::{Command, Stdio};

use pgl_core::{Side, redact};

use crate::conninfo;
use crate::dsn::DsnOutline;
use crate::endpoint::Endpoint;
use crate::error::{Error, Kind};
use crate::params::{
    ChannelBinding, Host, LoadBalance, Root, Socket, SslNegotiation, TargetSessionAttrs,
};
use crate::secret::DsnText;
use crate::watch::Watch;

/// What a client program writes to stdout; [`Endpoint::prepare_client`] has prepared it.
///
/// # Errors
/// [`Kind::Program`] with what it said; [`Kind::Cancelled`] where `watch` says stop.
pub fn client_output(
    side: Side,
    mut command: Command,
    name: &str,
    watch: &dyn Watch,
) -> Result<Vec<u8>, Error> {
    let failed = |detail: String| {
        Error::new(side, Kind::Program, format!("{name} failed: {detail}"))
            .with_hint("the message above is that program's own")
    };
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let reader = |stream: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut stream) = stream {
                stream.read_to_end(&mut bytes)?;
            }
            Ok::<_, std::io::Error>(bytes)
        })
    };
    let out = reader(
        child
            .stdout
            .take()
            .map(|s| Box::new(s) as Box<dyn Read + Send>),
    );
    let err = reader(
        child
            .stderr
            .take()
            .map(|s| Box::new(s) as Box<dyn Read + Send>),
    );
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if watch.stop() => {
                if let Err(error) = child.kill().and_then(|()| child.wait().map(drop)) {
                    log::debug!("ending {name}: {error}");
                }
                let why = format!("{name} was ended by a signal");
                return Err(Error::new(side, Kind::Cancelled, why));
            }
            Ok(None) => std::thread::sleep(std::time::Duration::from_millis(20)),
            Err(error) => return Err(failed(error.to_string())),
        }
    };
    let collect = |thread: std::thread::JoinHandle<Result<Vec<u8>, std::io::Error>>| {
        thread
            .join()
            .map_err(|_| failed("its output could not be read".to_owned()))?
            .map_err(|error| failed(error.to_string()))
    };
    let (out, err) = (collect(out)?, collect(err)?);
    if status.success() {
        Ok(out)
    } else {
        let text = String::from_utf8_lossy(&err);
        let told: Vec<&str> = text
            .lines()
            .filter(|line| {
                line.contains("error:") || line.contains("detail:") || line.contains("hint:")
            })
            .collect();
        let detail = if told.is_empty() {
            text.trim().to_owned()
        } else {
            told.join("; ")
        };
        Err(failed(redact(&detail).into_owned()))
    }
}

impl Endpoint {
    /// A connection string for libpq that says everything but the password. What a program gets on
    /// top, through the environment, is [`Endpoint::client_env`].
    ///
    /// # Errors
    /// [`Kind::Unsupported`] when the client key has a passphrase: libpq takes that only from the
    /// string itself.
    pub fn client_conninfo(&self) -> Result<String, Error> {
        if self.tls.key_password.is_some() {
            return Err(Error::new(
                self.side,
                Kind::Unsupported,
                "sslpassword cannot be passed on to a client program without showing it",
            )
            .with_hint("use a client key without a passphrase, mode 0600"));
        }
        let mut pairs: Vec<(&str, String)> = vec![("host", self.joined(|host| host.host.clone()))];
        if self.hosts.iter().any(|host| host.hostaddr.is_some()) {
            let addr = |host: &Host| host.hostaddr.map_or(String::new(), |addr| addr.to_string());
            pairs.push(("hostaddr", self.joined(addr)));
        }
        pairs.push(("port", self.joined(|host| host.port.to_string())));
        pairs.push(("user", self.user.clone()));
        pairs.push(("dbname", self.dbname.clone()));
        self.push_tls(&mut pairs);
        // Words that older clients do not know are left out where they say nothing.
        if self.channel_binding != ChannelBinding::Prefer {
            let word = match self.channel_binding {
                ChannelBinding::Require => "require",
                ChannelBinding::Disable | ChannelBinding::Prefer => "disable",
            };
            pairs.push(("channel_binding", word.to_owned()));
        }
        if self.target != TargetSessionAttrs::Any {
            pairs.push(("target_session_attrs", self.target.as_str().to_owned()));
        }
        if self.load_balance == LoadBalance::Random {
            pairs.push(("load_balance_hosts", "random".to_owned()));
        }
        if let Some(limit) = self.connect_timeout {
            pairs.push(("connect_timeout", limit.as_secs().to_string()));
        }
        if let Some(options) = &self.options {
            pairs.push(("options", options.clone()));
        }
        push_socket(&mut pairs, &self.socket);
        Ok(conninfo::write(&pairs))
    }

    /// The environment variables that carry the password: PGPASSWORD, or PGPASSFILE where it came
    /// from a passfile. Empty when no password is known.
    pub fn client_env(&self) -> Vec<(OsString, OsString)> {
        match (&self.password, &self.passfile_path) {
            (Some(password), _) => vec![("PGPASSWORD".into(), password.expose().into())],
            (None, Some(path)) => vec![("PGPASSFILE".into(), path.into())],
            (None, None) => Vec::new(),
        }
    }

    /// What the string means here, its password included, for libpq on another server: a service file or a variable of ours
    /// says nothing there.
    ///
    /// # Errors
    /// Those of [`Endpoint::client_conninfo`].
    pub fn portable_dsn(&self) -> Result<DsnText, Error> {
        let mut plain = self.client_conninfo()?;
        if let Some(password) = &self.password {
            let password = password.expose().replace('\\', "\\\\").replace('\'', "\\'");
            plain.push_str(&format!(" password='{password}'"));
        }
        Ok(DsnText::new(plain))
    }

    /// The string as it was typed where it names a host, and else what it means here: a service file
    /// or an environment variable of ours says nothing to the other server.
    ///
    /// # Errors
    /// Those of [`DsnOutline::read`] and [`Endpoint::client_conninfo`].
    pub fn reachable_dsn(&self) -> Result<DsnText, Error> {
        let text = self.original_text();
        let outline = DsnOutline::read(self.side(), text)?;
        if !outline.hosts.is_empty() && outline.service.is_none() {
            return Ok(text.clone());
        }
        self.portable_dsn()
    }

    /// Gives a command the environment of this endpoint: [`Endpoint::client_env`], and none of the
    /// PG* variables of our own, which may mean the other server. The caller passes
    /// [`Endpoint::client_conninfo`] as an argument.
    pub fn prepare_client(&self, command: &mut Command) {
        for name in &self.variables {
            command.env_remove(name);
        }
        command.envs(self.client_env());
        command.env("PGAPPNAME", "pgl-client");
    }

    fn joined(&self, part: impl Fn(&Host) -> String) -> String {
        let parts: Vec<String> = self.hosts.iter().map(part).collect();
        parts.join(",")
    }

    fn push_tls(&self, pairs: &mut Vec<(&str, String)>) {
        let tls = &self.tls;
        pairs.push(("sslmode", tls.mode.as_str().to_owned()));
        match &tls.root {
            Root::None => {}
            Root::System => pairs.push(("sslrootcert", "system".to_owned())),
            Root::File(path) => pairs.push(("sslrootcert", path.clone())),
        }
        for (name, value) in [
            ("sslcert", &tls.cert),
            ("sslkey", &tls.key),
            ("sslcrl", &tls.crl),
            ("sslcrldir", &tls.crl_dir),
            ("ssl_min_protocol_version", &tls.min_version),
            ("ssl_max_protocol_version", &tls.max_version),
        ] {
            if let Some(value) = value {
                pairs.push((name, value.clone()));
            }
        }
        if !tls.sni {
            pairs.push(("sslsni", "0".to_owned()));
        }
        if tls.negotiation == SslNegotiation::Direct {
            pairs.push(("sslnegotiation", "direct".to_owned()));
        }
    }
}

fn push_socket(pairs: &mut Vec<(&str, String)>, socket: &Socket) {
    pairs.push(("keepalives", i32::from(socket.keepalives).to_string()));
    pairs.push(("keepalives_idle", socket.idle.as_secs().to_string()));
    pairs.push(("keepalives_interval", socket.interval.as_secs().to_string()));
    pairs.push(("keepalives_count", socket.count.to_string()));
    if let Some(limit) = socket.user_timeout {
        pairs.push(("tcp_user_timeout", limit.as_millis().to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Environment;

    #[test]
    fn only_a_host_that_is_a_host_is_kept_as_it_was_typed() {
        let environment = Environment::bare()
            .with_var("PGHOST", "db1.example")
            .with_var("PGUSER", "mover");
        for (text, typed) in [
            ("dbname=webhost", false),
            ("dbname=shop application_name='host=x'", false),
            ("postgresql:///webhost", false),
            ("host=db2.example dbname=webhost", true),
            ("hostaddr=192.0.2.7 dbname=webhost", true),
            ("postgresql://db2.example/webhost", true),
        ] {
            let endpoint =
                Endpoint::resolve(Side::Source, Some(text.as_ref()), &environment).unwrap();
            let found = endpoint.reachable_dsn().unwrap();
            let found = found.expose_str().unwrap();
            assert_eq!(found == text, typed, "{text}: {found}");
            assert_eq!(found.contains("db1.example"), !typed, "{text}: {found}");
        }
    }
}
