//! The values of connection keywords as types.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use crate::secret::Secret;

/// `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// Plain first; TLS when the server refuses plain.
    Allow,
    /// TLS first; plain when that cannot be had.
    Prefer,
    /// TLS, whatever the certificate.
    Require,
    /// TLS with a certificate that a known authority signed.
    VerifyCa,
    /// TLS with such a certificate that is for this host name.
    VerifyFull,
}

/// `sslnegotiation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SslNegotiation {
    Postgres,
    Direct,
}

/// `channel_binding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChannelBinding {
    Disable,
    Prefer,
    Require,
}

/// `target_session_attrs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetSessionAttrs {
    /// Whatever answers.
    Any,
    /// Not a standby, and writing by default.
    ReadWrite,
    /// A standby, or read-only by default.
    ReadOnly,
    /// Not a standby.
    Primary,
    /// A standby.
    Standby,
    /// A standby; if no host is one, whatever answers.
    PreferStandby,
}

/// `load_balance_hosts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoadBalance {
    Disable,
    Random,
}

macro_rules! words {
    ($type:ty, $($text:literal => $value:path),+ $(,)?) => {
        impl FromStr for $type {
            type Err = &'static str;

            /// The error lists the words that are allowed.
            fn from_str(text: &str) -> Result<Self, &'static str> {
                match text {
                    $($text => Ok($value),)+
                    _ => Err(concat!("one of:", $(" ", $text),+)),
                }
            }
        }
    };
    (pub $type:ty, $($text:literal => $value:path),+ $(,)?) => {
        words!($type, $($text => $value),+);

        impl $type {
            /// The word that libpq uses.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($value => $text,)+
                }
            }
        }
    };
}

words!(pub SslMode,
    "disable" => Self::Disable, "allow" => Self::Allow, "prefer" => Self::Prefer,
    "require" => Self::Require, "verify-ca" => Self::VerifyCa, "verify-full" => Self::VerifyFull);
words!(SslNegotiation, "postgres" => Self::Postgres, "direct" => Self::Direct);
words!(ChannelBinding,
    "disable" => Self::Disable, "prefer" => Self::Prefer, "require" => Self::Require);
words!(pub TargetSessionAttrs,
    "any" => Self::Any, "read-write" => Self::ReadWrite, "read-only" => Self::ReadOnly,
    "primary" => Self::Primary, "standby" => Self::Standby,
    "prefer-standby" => Self::PreferStandby);
words!(LoadBalance, "disable" => Self::Disable, "random" => Self::Random);

/// Keepalives and timeouts of the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Socket {
    pub(crate) keepalives: bool,
    pub(crate) idle: Duration,
    pub(crate) interval: Duration,
    pub(crate) count: u32,
    pub(crate) user_timeout: Option<Duration>,
}

/// Where libpq leaves these to the operating system (two hours on Linux), a dead peer is noticed
/// here within two minutes. There is no default for tcp_user_timeout: it would also end a COPY
/// into a server that waits for a lock.
impl Default for Socket {
    fn default() -> Self {
        Self {
            keepalives: true,
            idle: Duration::from_secs(60),
            interval: Duration::from_secs(10),
            count: 6,
            user_timeout: None,
        }
    }
}

/// TLS settings, with the default files filled in where they exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsSettings {
    pub(crate) mode: SslMode,
    pub(crate) negotiation: SslNegotiation,
    pub(crate) root: Root,
    pub(crate) cert: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) key_password: Option<Secret>,
    pub(crate) crl: Option<String>,
    pub(crate) crl_dir: Option<String>,
    pub(crate) sni: bool,
    pub(crate) min_version: Option<String>,
    pub(crate) max_version: Option<String>,
}

/// Which authorities may have signed the server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Root {
    /// No file: nothing to check against.
    None,
    /// `sslrootcert=system`.
    System,
    /// Those of a file.
    File(String),
}

/// Where a socket is looked for when no host is given: the packages' place, then the one of a
/// build from source.
pub(crate) const SOCKET_DIRS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// One server that may be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// As written: a name, an address, or a socket directory. Empty where only `hostaddr` is given.
    pub host: String,
    /// An address to use instead of looking the name up.
    pub hostaddr: Option<IpAddr>,
    /// TCP port, or the number in the socket's name.
    pub port: u16,
    pub(crate) password: Option<Secret>,
}

impl Host {
    /// Whether this is a Unix socket.
    pub fn is_socket(&self) -> bool {
        self.hostaddr.is_none() && self.host.starts_with(['/', '@'])
    }

    /// The name to show, and to hold the certificate against.
    pub(crate) fn name(&self) -> String {
        match self.hostaddr {
            Some(addr) if self.host.is_empty() => addr.to_string(),
            _ => self.host.clone(),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        if self.is_socket() {
            write!(f, "{name}/.s.PGSQL.{}", self.port)
        } else if name.contains(':') {
            write!(f, "[{name}]:{}", self.port)
        } else {
            write!(f, "{name}:{}", self.port)
        }
    }
}
