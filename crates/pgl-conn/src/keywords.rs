//! The connection keywords of libpq (PostgreSQL 18 and before) and what becomes of each here.

/// What is done with a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Treat {
    /// Honoured with libpq's meaning.
    Honour,
    /// Has a meaning only for GSSAPI, which the login refuses by itself when a server asks for it.
    GssOnly,
    /// Only these values, in lower case, can be honoured; the text says what to do instead.
    Only(&'static [&'static str], &'static str),
    /// Cannot be honoured in any form; the text says what to do instead.
    Refuse(&'static str),
}

pub(crate) struct Keyword {
    pub(crate) name: &'static str,
    /// The variable that gives its default.
    pub(crate) var: Option<&'static str>,
    pub(crate) treat: Treat,
}

const fn honour(name: &'static str, var: Option<&'static str>) -> Keyword {
    Keyword {
        name,
        var,
        treat: Treat::Honour,
    }
}

const OAUTH: &str =
    "OAuth is not supported; let pg_hba.conf offer scram-sha-256 or cert to this role";

#[rustfmt::skip]
pub(crate) const KEYWORDS: &[Keyword] = &[
    honour("host", Some("PGHOST")),
    honour("hostaddr", Some("PGHOSTADDR")),
    honour("port", Some("PGPORT")),
    honour("dbname", Some("PGDATABASE")),
    honour("user", Some("PGUSER")),
    honour("password", Some("PGPASSWORD")),
    honour("passfile", Some("PGPASSFILE")),
    honour("service", Some("PGSERVICE")),
    honour("servicefile", Some("PGSERVICEFILE")),
    honour("connect_timeout", Some("PGCONNECT_TIMEOUT")),
    honour("client_encoding", Some("PGCLIENTENCODING")),
    honour("options", Some("PGOPTIONS")),
    honour("application_name", Some("PGAPPNAME")),
    honour("fallback_application_name", None),
    honour("keepalives", None),
    honour("keepalives_idle", None),
    honour("keepalives_interval", None),
    honour("keepalives_count", None),
    honour("tcp_user_timeout", None),
    honour("target_session_attrs", Some("PGTARGETSESSIONATTRS")),
    honour("load_balance_hosts", Some("PGLOADBALANCEHOSTS")),
    honour("channel_binding", Some("PGCHANNELBINDING")),
    honour("sslmode", Some("PGSSLMODE")),
    honour("sslnegotiation", Some("PGSSLNEGOTIATION")),
    honour("sslcert", Some("PGSSLCERT")),
    honour("sslkey", Some("PGSSLKEY")),
    honour("sslpassword", None),
    honour("sslrootcert", Some("PGSSLROOTCERT")),
    honour("sslcrl", Some("PGSSLCRL")),
    honour("sslcrldir", Some("PGSSLCRLDIR")),
    honour("sslsni", Some("PGSSLSNI")),
    honour("ssl_min_protocol_version", Some("PGSSLMINPROTOCOLVERSION")),
    honour("ssl_max_protocol_version", Some("PGSSLMAXPROTOCOLVERSION")),
    Keyword { name: "sslcertmode", var: Some("PGSSLCERTMODE"), treat: Treat::Only(&["allow", "disable"],
        "whether the server asked for the certificate cannot be seen here; use clientcert=verify-full in pg_hba.conf") },
    Keyword { name: "sslcompression", var: Some("PGSSLCOMPRESSION"), treat: Treat::Only(&["0"],
        "TLS compression is not supported; leave it out") },
    Keyword { name: "gssencmode", var: Some("PGGSSENCMODE"), treat: Treat::Only(&["disable", "prefer"],
        "GSSAPI encryption is not supported; use sslmode=verify-full instead") },
    Keyword { name: "replication", var: None, treat: Treat::Only(&["false", "off", "no", "0"],
        "the tools open replication connections by themselves; leave it out") },
    Keyword { name: "min_protocol_version", var: Some("PGMINPROTOCOLVERSION"), treat: Treat::Only(&["3.0"],
        "these tools speak protocol 3.0") },
    Keyword { name: "max_protocol_version", var: Some("PGMAXPROTOCOLVERSION"), treat: Treat::Only(&["3.0", "latest", "3.2"],
        "these tools speak protocol 3.0") },
    Keyword { name: "require_auth", var: Some("PGREQUIREAUTH"), treat: Treat::Refuse(
        "use channel_binding=require or sslmode=verify-full to be sure of the server, and leave require_auth out") },
    Keyword { name: "requirepeer", var: Some("PGREQUIREPEER"), treat: Treat::Refuse(
        "the account behind a socket cannot be checked here; use a socket directory that only the server can write to, and leave requirepeer out") },
    Keyword { name: "krbsrvname", var: Some("PGKRBSRVNAME"), treat: Treat::GssOnly },
    Keyword { name: "gsslib", var: Some("PGGSSLIB"), treat: Treat::GssOnly },
    Keyword { name: "gssdelegation", var: Some("PGGSSDELEGATION"), treat: Treat::GssOnly },
    Keyword { name: "scram_client_key", var: None, treat: Treat::Refuse("give the password instead, through the passfile") },
    Keyword { name: "scram_server_key", var: None, treat: Treat::Refuse("give the password instead, through the passfile") },
    Keyword { name: "sslkeylogfile", var: None, treat: Treat::Refuse("session keys are not written; leave it out") },
    Keyword { name: "oauth_issuer", var: None, treat: Treat::Refuse(OAUTH) },
    Keyword { name: "oauth_client_id", var: None, treat: Treat::Refuse(OAUTH) },
    Keyword { name: "oauth_client_secret", var: None, treat: Treat::Refuse(OAUTH) },
    Keyword { name: "oauth_scope", var: None, treat: Treat::Refuse(OAUTH) },
];

/// The keyword of this name; names are case-sensitive, as in libpq.
pub(crate) fn find(name: &str) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|keyword| keyword.name == name)
}

/// Whether the value of this keyword must never be shown.
pub(crate) fn is_secret(name: &str) -> bool {
    matches!(
        name,
        "password"
            | "sslpassword"
            | "scram_client_key"
            | "scram_server_key"
            | "oauth_client_secret"
    )
}

/// Keyword and value in the order given; a later one replaces an earlier one of the same name.
pub(crate) type Pairs = Vec<(&'static str, String)>;

/// What is wrong with a connection string, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bad {
    pub(crate) message: String,
    pub(crate) hint: Option<&'static str>,
}

impl Bad {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }
}

pub(crate) const QUOTE_HINT: &str =
    "a value with spaces is written in single quotes, with \\' and \\\\ inside";

pub(crate) fn unknown(name: &str, after_secret: bool) -> Bad {
    if after_secret {
        Bad::new("an unknown keyword follows the password in the connection string")
            .hint(QUOTE_HINT)
    } else {
        Bad::new(format!("unknown keyword {name:?} in the connection string"))
            .hint("the keywords are those of libpq: host, port, dbname, user, sslmode …")
    }
}

pub(crate) fn store(pairs: &mut Pairs, name: &'static str, value: String) {
    match pairs.iter_mut().find(|pair| pair.0 == name) {
        Some(pair) => pair.1 = value,
        None => pairs.push((name, value)),
    }
}

pub(crate) fn get<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|pair| pair.0 == name)
        .map(|pair| pair.1.as_str())
}
