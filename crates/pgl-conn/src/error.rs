//! The one form of every failure on a connection: which side, what class of failure, what the
//! server said. Nothing here ever holds a password or a connection string.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};

use fallible_iterator::FallibleIterator;
use pgl_core::Side;
use postgres::error::{DbError, Severity};
use postgres_protocol::message::backend::ErrorFields;

use crate::tls_alert;
use pgl_core::redact;

/// The class of a failure: what a caller decides on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The connection string, a service file, passfile or PG* variable cannot be used as it is.
    Config,
    /// Something libpq can do and this suite cannot; refused by name.
    Unsupported,
    /// No server answered, it was not ready, or no server had the session attributes asked for.
    Unreachable,
    /// The server refused the login (SQLSTATE class 28), or the login could not be carried out.
    Auth,
    /// No TLS where it was asked for, or the certificate was not accepted.
    Tls,
    /// A connection pooler is in between where a direct connection is needed.
    Pooler,
    /// An established connection is gone; what was not committed is rolled back.
    Lost,
    /// Not permitted (SQLSTATE 42501).
    Denied,
    /// `lock_timeout` ran out or NOWAIT found the lock taken (SQLSTATE 55P03): trying again makes sense.
    LockTimeout,
    /// `connect_timeout` or `statement_timeout` ran out.
    Timeout,
    /// A limit of the program's own, such as `--max-wait`, ran out: trying again makes sense.
    NotYet,
    /// The statement was cancelled on request, ours or an operator's.
    Cancelled,
    /// What is there must not be used, or a precondition does not hold; nothing was changed.
    Refused,
    /// A client program is missing or failed.
    Program,
    /// Any other error reported by the server.
    Server,
    /// An answer that makes no sense to this program, or a value it cannot represent.
    Protocol,
}

/// What failed. The fields are those of [`Parts`], reached through `Deref`.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Parts>);

/// The parts of an [`Error`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// Which database.
    pub side: Side,
    /// Class of failure.
    pub kind: Kind,
    /// Five characters, where the server gave one.
    pub sqlstate: Option<String>,
    /// Primary message.
    pub message: String,
    /// The server's DETAIL.
    pub detail: Option<String>,
    /// How to mend it: ours, or the server's HINT.
    pub hint: Option<String>,
    /// What was being done: "reading the tables", "cannot connect to db1:5432".
    pub context: Option<String>,
    /// The server's CONTEXT: the call stack inside functions, the line of a COPY.
    pub whence: Option<String>,
    /// A failure of TLS after the handshake.
    pub(crate) late: bool,
}

impl Deref for Error {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl DerefMut for Error {
    fn deref_mut(&mut self) -> &mut Parts {
        &mut self.0
    }
}

/// What the connection was doing when the driver reported a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Connecting,
    Established,
}

impl Error {
    /// A failure that did not come from the server.
    pub fn new(side: Side, kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            side,
            kind,
            sqlstate: None,
            message: message.into(),
            detail: None,
            hint: None,
            context: None,
            whence: None,
            late: false,
        }))
    }

    /// Adds how to mend it, replacing what was there.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what was being done; an earlier context stays, to the right of this one.
    #[must_use]
    pub fn with_context(mut self, doing: impl Into<String>) -> Self {
        let doing = doing.into();
        self.context = Some(match self.context.take() {
            Some(inner) => format!("{doing}: {inner}"),
            None => doing,
        });
        self
    }

    /// Whether the connection is gone, so that the session cannot be used any more.
    pub fn is_lost(&self) -> bool {
        self.kind == Kind::Lost
    }

    /// Whether the server reported this SQLSTATE.
    pub fn is_sqlstate(&self, code: &str) -> bool {
        self.sqlstate.as_deref() == Some(code)
    }

    /// Whether no statement of this session was at fault: the same again, later, may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            Kind::Lost | Kind::Unreachable | Kind::LockTimeout | Kind::Timeout | Kind::NotYet
        ) || matches!(self.sqlstate.as_deref(), Some("40001" | "40P01" | "53300"))
    }

    /// The error that a COPY stream reported through `std::io`; anything else counts as lost.
    pub fn from_io(side: Side, error: io::Error) -> Self {
        let text = error.to_string();
        match error.into_inner().map(|inner| inner.downcast::<Self>()) {
            Some(Ok(own)) => *own,
            _ => Self::new(side, Kind::Lost, text),
        }
    }

    pub(crate) fn from_db(side: Side, db: &DbError, phase: Phase) -> Self {
        ServerMessage {
            fatal: matches!(
                db.parsed_severity(),
                Some(Severity::Fatal | Severity::Panic)
            ) || is_fatal(db.severity()),
            sqlstate: db.code().code().to_owned(),
            message: db.message().to_owned(),
            detail: db.detail().map(str::to_owned),
            hint: db.hint().map(str::to_owned),
            whence: db.where_().map(str::to_owned),
        }
        .into_error(side, phase)
    }

    /// TLS was there and broke down: no reason to try without.
    pub(crate) fn late_tls(side: Side, message: String) -> Self {
        let mut error = Self::new(side, Kind::Tls, message);
        error.late = true;
        error
    }

    /// A server that does not accept the client's certificate hangs up right after the handshake. Its
    /// alert is lost when the hang-up overtakes it.
    pub(crate) fn or_certificate_refused(self, sent: bool) -> Self {
        if !sent || self.kind != Kind::Unreachable || self.sqlstate.is_some() {
            return self;
        }
        let message = format!(
            "the server hung up after the TLS handshake ({}); it may not accept the client certificate",
            self.message
        );
        Self::late_tls(self.side, message).with_hint("look into the server's log for the reason")
    }

    /// The server asks for a login that cannot be done here.
    pub(crate) fn login_method(side: Side) -> Self {
        Self::new(
            side,
            Kind::Unsupported,
            "the server asks for a login method that is not supported here (GSSAPI, SSPI or OAuth)",
        )
        .with_hint("let pg_hba.conf offer scram-sha-256, md5, cert or peer to this role")
    }

    pub(crate) fn from_driver(side: Side, error: &postgres::Error, phase: Phase) -> Self {
        if let Some(db) = error.as_db_error() {
            return Self::from_db(side, db, phase);
        }
        let gone = match phase {
            Phase::Connecting => Kind::Unreachable,
            Phase::Established => Kind::Lost,
        };
        let mut kind = Kind::Protocol;
        let mut message = error.to_string();
        // The driver keeps its kinds to itself; the text is what it exposes. Only the innermost
        // cause tells anything, the outer ones repeat "error connecting to server".
        match message.as_str() {
            "authentication error" => kind = Kind::Auth,
            "error performing TLS handshake" => kind = Kind::Tls,
            "connection closed" => {
                kind = gone;
                message = CLOSED.to_owned();
            }
            _ => {}
        }
        let mut io_kind = None;
        let mut cause = error.source();
        while let Some(current) = cause {
            message = current.to_string();
            if let Some(io) = current.downcast_ref::<io::Error>()
                && kind != Kind::Tls
            {
                kind = gone;
                io_kind = Some(io.kind());
                if let Some(alert) = tls_alert::alert(io).filter(|_| phase == Phase::Connecting) {
                    return Self::late_tls(side, alert);
                }
            }
            cause = current.source();
        }
        let mut own = Self::new(side, kind, message);
        if phase == Phase::Connecting {
            own.explain_login();
            own.explain_port(io_kind);
        }
        own
    }

    /// What listens, or does not, where a server was expected.
    fn explain_port(&mut self, io: Option<io::ErrorKind>) {
        use io::ErrorKind::{ConnectionRefused, ConnectionReset, InvalidData, InvalidInput};
        // A length that is none, or one that never arrives: the driver's words for bytes that are no message.
        let no_message = matches!(io, Some(InvalidInput | InvalidData))
            || self.message == "bytes remaining on stream";
        if io == Some(ConnectionRefused) {
            self.hint = Some(REFUSED_HINT.to_owned());
        } else if no_message {
            self.message = format!(
                "what listens there does not answer as PostgreSQL ({})",
                self.message
            );
            self.hint = Some("check host and port".to_owned());
        } else if io == Some(ConnectionReset) || self.message == CLOSED {
            self.hint = Some("check host and port: is that a PostgreSQL server? If it is, its log has the reason".to_owned());
        }
    }

    /// The driver's login failures, in words that say what to do.
    fn explain_login(&mut self) {
        if self.message.contains("unsupported authentication method") {
            *self = Self::login_method(self.side);
        } else if self.message == "password missing" {
            self.kind = Kind::Auth;
            self.message = "the server asks for a password and none was given".to_owned();
            self.hint = Some(NO_PASSWORD_HINT.to_owned());
        }
    }
}

/// The fields of the server's error and notice messages that are of use.
#[derive(Debug, Default)]
pub(crate) struct ServerMessage {
    fatal: bool,
    sqlstate: String,
    pub(crate) message: String,
    detail: Option<String>,
    hint: Option<String>,
    whence: Option<String>,
}

impl ServerMessage {
    /// From the protocol's fields; one that cannot be read ends the reading.
    pub(crate) fn read(mut fields: ErrorFields<'_>) -> Self {
        let mut read = Self::default();
        while let Ok(Some(field)) = fields.next() {
            let text = String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                // V is S untranslated, from version 9.6.
                b'S' | b'V' => read.fatal |= is_fatal(&text),
                b'C' => read.sqlstate = text,
                b'M' => read.message = text,
                b'D' => read.detail = Some(text),
                b'H' => read.hint = Some(text),
                b'W' => read.whence = Some(text),
                _ => {}
            }
        }
        read
    }

    pub(crate) fn into_error(self, side: Side, phase: Phase) -> Error {
        let kind = classify(&self.sqlstate, self.fatal, phase);
        let clean = |text: String| redact(&text).into_owned();
        let mut error = Error::new(side, kind, clean(self.message));
        error.sqlstate = Some(self.sqlstate);
        error.detail = self.detail.map(clean);
        error.hint = self.hint.map(clean);
        if phase == Phase::Connecting {
            error.hint = (login_hint(&error).map(str::to_owned)).or(error.hint.take());
        }
        error.whence = self.whence.map(clean);
        error
    }
}

fn is_fatal(severity: &str) -> bool {
    matches!(severity, "FATAL" | "PANIC")
}

/// What to do about a login that the server rejected, by what no language changes.
fn login_hint(error: &Error) -> Option<&'static str> {
    match error.sqlstate.as_deref()? {
        "28P01" => Some(
            "compare the password in the passfile, service file, PGPASSWORD or connection string with the role's; a token of a managed service expires: get a new one and run the same command again",
        ),
        // The server's own hint does not say how to go on.
        "55000" if error.hint.is_some() => Some(
            "an interrupted DROP DATABASE has left this database invalid (pg_database.datconnlimit is -2): on this server, connected to another database, run DROP DATABASE; pgl-setup creates a target's database anew, and a migration into or out of the dropped one starts over",
        ),
        "55000" => Some(
            "where pg_database.datallowconn is false: connected to another database, run ALTER DATABASE ... WITH ALLOW_CONNECTIONS true",
        ),
        "28000" if error.message.contains("pg_hba.conf") => Some(
            "where the server accepts only TLS, give sslmode=verify-full and sslrootcert=FILE, or sslmode=require; else add a line for this address, role and database to its pg_hba.conf",
        ),
        _ => None,
    }
}

const CLOSED: &str = "the server closed the connection";

const REFUSED_HINT: &str = "nothing listens there: does the server run, does its listen_addresses have this address, and are host and port right?";

pub(crate) const NO_PASSWORD_HINT: &str =
    "put it into the passfile (~/.pgpass, mode 0600), a service file or PGPASSWORD";

fn classify(code: &str, fatal: bool, phase: Phase) -> Kind {
    let connecting = phase == Phase::Connecting;
    match code {
        "42501" if !fatal => Kind::Denied,
        "55P03" => Kind::LockTimeout,
        "57014" if !fatal => Kind::Cancelled,
        "57P03" | "53300" if connecting => Kind::Unreachable,
        _ if code.starts_with("28") => Kind::Auth,
        // A plain error of this class is about a connection that the server made itself: dblink,
        // a foreign server, CREATE SUBSCRIPTION. Ours stands.
        _ if code.starts_with("08") && !fatal && !connecting => Kind::Server,
        _ if code.starts_with("08") || matches!(code, "57P01" | "57P02" | "57P05") => {
            if connecting {
                Kind::Unreachable
            } else {
                Kind::Lost
            }
        }
        _ if fatal && !connecting => Kind::Lost,
        _ => Kind::Server,
    }
}

/// One line: side, what was being done, message, detail and SQLSTATE.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        write!(f, "{}: ", self.side)?;
        if let Some(context) = &self.context {
            write!(f, "{}: ", one_line(context))?;
        }
        f.write_str(&one_line(&self.message))?;
        match (&self.detail, &self.sqlstate) {
            (Some(detail), Some(code)) => write!(f, " ({}; SQLSTATE {code})", one_line(detail)),
            (Some(detail), None) => write!(f, " ({})", one_line(detail)),
            (None, Some(code)) => write!(f, " (SQLSTATE {code})"),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl StdError for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_follow_the_sqlstate_and_the_phase() {
        use Phase::{Connecting, Established};
        let cases = [
            ("28P01", true, Connecting, Kind::Auth),
            ("28000", true, Connecting, Kind::Auth),
            ("57P03", true, Connecting, Kind::Unreachable),
            ("57P01", true, Established, Kind::Lost),
            ("57P02", true, Established, Kind::Lost),
            ("25P03", true, Established, Kind::Lost),
            ("57P05", true, Established, Kind::Lost),
            ("08006", true, Established, Kind::Lost),
            ("08001", false, Established, Kind::Server),
            ("57014", false, Established, Kind::Cancelled),
            ("55P03", false, Established, Kind::LockTimeout),
            ("42501", false, Established, Kind::Denied),
            ("42501", true, Connecting, Kind::Server),
            ("3D000", true, Connecting, Kind::Server),
            ("23505", false, Established, Kind::Server),
        ];
        for (code, fatal, phase, kind) in cases {
            assert_eq!(classify(code, fatal, phase), kind, "{code} {phase:?}");
        }
    }

    #[test]
    fn display_is_one_line() {
        let mut error = Error::new(Side::Target, Kind::Server, "first\nsecond")
            .with_context("inner")
            .with_context("outer")
            .with_hint("do this");
        error.detail = Some("more".to_owned());
        error.sqlstate = Some("23505".to_owned());
        assert_eq!(
            error.to_string(),
            "target: outer: inner: first second (more; SQLSTATE 23505)"
        );
        assert!(error.is_sqlstate("23505"));
    }

    #[test]
    fn a_copy_stream_gives_the_error_back() {
        let error = Error::new(Side::Source, Kind::Denied, "no");
        assert_eq!(Error::from_io(Side::Target, error.clone().into()), error);
        let other = Error::from_io(Side::Target, io::Error::other("pipe"));
        assert!(other.is_lost());
    }
}
