//! One string through psql and through us, and the servers to try it on.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result};
use pgl_conn::{Access, Endpoint, Environment, Error, Kind, Session, SessionOptions};
use pgl_core::Side;
use pgl_testkit::{Cluster, ClusterOptions, Server};

use crate::common::pki::Pki;

/// The password of the roles that have one.
pub(super) const PASSWORD: &str = "canary pa:s\\s'word@/?%";

/// Where a connection landed, or why it did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Landed {
        user: String,
        database: String,
        port: String,
        tcp: bool,
        tls: bool,
    },
    Failed(Class),
}

/// The classes that can be told apart from psql's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Config,
    Unreachable,
    Auth,
    Tls,
    Server,
    Timeout,
}

const WHERE_AM_I: &str = "SELECT current_user, current_database(), current_setting('port'), \
     inet_server_addr() IS NOT NULL, \
     (SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid())";

fn landed(fields: &[String]) -> Outcome {
    let is = |index: usize| matches!(fields[index].as_str(), "t" | "true");
    Outcome::Landed {
        user: fields[0].clone(),
        database: fields[1].clone(),
        port: fields[2].clone(),
        tcp: is(3),
        tls: is(4),
    }
}

/// The surroundings of one attempt, the same for both ways.
#[derive(Debug, Clone, Default)]
pub(super) struct Around {
    pub(super) vars: Vec<(String, String)>,
    pub(super) home: PathBuf,
}

impl Around {
    /// An empty home directory and no variables.
    pub(super) fn nothing() -> Self {
        Self {
            vars: Vec::new(),
            home: empty_home().to_owned(),
        }
    }

    #[must_use]
    pub(super) fn var(mut self, name: &str, value: impl Into<String>) -> Self {
        self.vars.push((name.to_owned(), value.into()));
        self
    }

    #[must_use]
    pub(super) fn home(mut self, home: &Path) -> Self {
        home.clone_into(&mut self.home);
        self
    }

    pub(super) fn environment(&self) -> Environment {
        let bare = Environment::bare()
            .with_home(&self.home)
            .with_user(&account());
        self.vars.iter().fold(bare, |environment, (name, value)| {
            environment.with_var(name, value)
        })
    }

    /// Through us.
    pub(super) fn session(&self, dsn: &str) -> Result<Session, Error> {
        let endpoint = Endpoint::resolve(Side::Source, Some(OsStr::new(dsn)), &self.environment())?;
        Session::connect(&endpoint, &SessionOptions::new("test", Access::ReadOnly))
    }

    pub(super) fn ours(&self, dsn: &str) -> Outcome {
        self.session(dsn).map_or_else(
            |error| failed(&error),
            |mut session| {
                let rows = session.query_text(WHERE_AM_I).expect("answer");
                let fields: Vec<String> = rows[0]
                    .iter()
                    .map(|f| f.clone().unwrap_or_default())
                    .collect();
                let outcome = landed(&fields);
                // What the session says of itself must be what the server says.
                assert_eq!(fields[4] == "t", session.is_tls(), "{dsn}");
                outcome
            },
        )
    }

    pub(super) fn psql(&self, dsn: &str) -> Outcome {
        self.run_psql(15, dsn, WHERE_AM_I).map_or_else(
            |message| Outcome::Failed(classify(&message)),
            |line| {
                landed(
                    &line
                        .trim()
                        .split('|')
                        .map(str::to_owned)
                        .collect::<Vec<_>>(),
                )
            },
        )
    }

    /// psql's standard output, or what it complained of.
    pub(super) fn run_psql(&self, major: u16, dsn: &str, sql: &str) -> Result<String, String> {
        let output = Command::new(program(major, "psql"))
            .args(["-X", "-w", "-A", "-t", "-d", dsn, "-c", sql])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C")
            .env("HOME", &self.home)
            .envs(self.vars.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()
            .expect("psql runs");
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// Both ways, which must agree; gives the outcome.
    pub(super) fn both(&self, dsn: &str) -> Outcome {
        let ours = self.ours(dsn);
        let psql = self.psql(dsn);
        assert_eq!(
            ours,
            psql,
            "{dsn:?} with {:?}: left is ours ({:?}), right is psql ({:?})",
            self.vars,
            self.session(dsn)
                .map(|_| ())
                .map_err(|error| error.to_string()),
            self.run_psql(15, dsn, WHERE_AM_I),
        );
        ours
    }
}

/// Asserts that it landed, and where.
pub(super) fn expect(
    outcome: &Outcome,
    user: &str,
    database: &str,
    tcp: bool,
    tls: bool,
    what: &str,
) {
    let Outcome::Landed {
        user: u,
        database: d,
        tcp: t,
        tls: s,
        ..
    } = outcome
    else {
        panic!("{what}: {outcome:?}");
    };
    assert_eq!(
        (u.as_str(), d.as_str(), *t, *s),
        (user, database, tcp, tls),
        "{what}"
    );
}

pub(super) fn failed(error: &Error) -> Outcome {
    Outcome::Failed(match error.kind {
        Kind::Config => Class::Config,
        Kind::Unreachable => Class::Unreachable,
        Kind::Auth => Class::Auth,
        Kind::Tls => Class::Tls,
        Kind::Timeout => Class::Timeout,
        Kind::Server => Class::Server,
        other => panic!("unexpected class {other:?}: {error}"),
    })
}

fn classify(message: &str) -> Class {
    let has = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    if has(&["timeout expired"]) {
        Class::Timeout
    } else if has(&[
        "authentication failed",
        "no pg_hba.conf entry",
        "rejects connection",
        "no password supplied",
        "channel binding",
    ]) {
        Class::Auth
    } else if has(&[
        "SSL error",
        "does not support SSL",
        "does not match host name",
        "certificate present, but",
        "private key file",
        "host name must be specified for a verified",
    ]) {
        Class::Tls
    } else if has(&[
        "Connection refused",
        "No such file or directory\n\tIs the server",
        "translate host name",
        "starting up",
        "session is read-only",
        "session is not read-only",
        "server is in hot standby",
        "server is not in hot standby",
    ]) {
        Class::Unreachable
    } else if has(&["FATAL:"]) {
        Class::Server
    } else {
        Class::Config
    }
}

/// A program of that major's client packages.
pub(super) fn program(major: u16, name: &str) -> PathBuf {
    let dir = Server::require(major).and_then(|server| server.client_dir());
    dir.expect("client programs").join(name)
}

pub(super) fn account() -> String {
    let output = Command::new("id").arg("-un").output().expect("id runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

pub(super) fn empty_home() -> &'static Path {
    static HOME: OnceLock<tempfile::TempDir> = OnceLock::new();
    HOME.get_or_init(|| tempfile::tempdir().expect("a home directory"))
        .path()
}

/// A role for every way to log in; they all may log in over the socket as well.
const HBA: &str = "\
local all all trust
host all postgres 127.0.0.1/32 trust
host replication postgres 127.0.0.1/32 trust
host all scram 127.0.0.1/32 scram-sha-256
host all md5er 127.0.0.1/32 md5
host all clear 127.0.0.1/32 password
hostssl all tlsonly 127.0.0.1/32 scram-sha-256
hostnossl all plainonly 127.0.0.1/32 scram-sha-256
hostssl all certy 127.0.0.1/32 cert
host all truster 127.0.0.1/32 trust
host all rejected 127.0.0.1/32 reject
host all gssy 127.0.0.1/32 gss
";

/// A server of major 15 with these certificate files, and all the roles.
fn with_certificate(major: u16, certificate: &str, key: &str) -> Result<Cluster> {
    let cluster = Cluster::start(major, Pki::get().options(certificate, key).hba(HBA))?;
    add_roles(&cluster)?;
    Ok(cluster)
}

fn add_roles(cluster: &Cluster) -> Result<()> {
    let literal = format!("E'{}'", PASSWORD.replace('\\', "\\\\").replace('\'', "\\'"));
    let mut sql = String::new();
    for role in [
        "scram",
        "tlsonly",
        "plainonly",
        "certy",
        "truster",
        "rejected",
        "gssy",
        "clear",
    ] {
        sql.push_str(&format!(
            "CREATE ROLE {role} LOGIN REPLICATION PASSWORD {literal};"
        ));
    }
    sql.push_str("SET password_encryption = 'md5';");
    sql.push_str(&format!(
        "CREATE ROLE md5er LOGIN REPLICATION PASSWORD {literal};"
    ));
    sql.push_str("ALTER ROLE truster SET default_transaction_read_only = on;");
    let account = account();
    if account != "postgres" {
        sql.push_str(&format!("CREATE ROLE \"{account}\" LOGIN;"));
    }
    cluster.sql("postgres", &sql).context("roles")?;
    cluster.createdb("a b'c")?;
    cluster.createdb(&account)?;
    cluster.createdb("scram")
}

/// A server that all tests of the process use; it ends with the process.
macro_rules! shared {
    ($(#[$doc:meta])* $name:ident, $make:expr) => {
        $(#[$doc])*
        pub(super) fn $name() -> &'static Cluster {
            static CLUSTER: OnceLock<Cluster> = OnceLock::new();
            CLUSTER.get_or_init(|| $make.expect("a cluster"))
        }
    };
}

shared!(
    /// A chain of two authorities; the certificate is for localhost and *.db.example.
    chained,
    with_certificate(15, "chain.crt", "server.key")
);
shared!(
    /// Signed by the authority, version 1, common name localhost.
    plain_v1,
    with_certificate(15, "v1.crt", "v1.key")
);
shared!(
    /// Signed by itself, common name localhost.
    self_signed,
    with_certificate(15, "self.crt", "self.key")
);
shared!(
    /// No TLS at all; everybody but `scram` and `rejected` is trusted.
    without_tls,
    (|| -> Result<Cluster> {
        let cluster = Cluster::start(
            15,
            ClusterOptions::new().hba(
                "local all all trust\nhost all scram 127.0.0.1/32 scram-sha-256\n\
                 host all rejected 127.0.0.1/32 reject\nhost all all 127.0.0.1/32 trust\n\
                 host replication all 127.0.0.1/32 trust\n",
            ),
        )?;
        add_roles(&cluster)?;
        Ok(cluster)
    })()
);
shared!(
    /// The newest server, with the chain.
    newest,
    with_certificate(18, "chain.crt", "server.key")
);

/// A value in a conninfo string.
pub(super) fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A value in a URI.
pub(super) fn encoded(value: &str) -> String {
    value.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// A port on which nobody listens.
pub(super) fn dead_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
