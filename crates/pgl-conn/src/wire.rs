//! A small blocking client of the protocol, for what the driver cannot do: log in with
//! `replication=database` and run replication commands. Simple queries only.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::time::Duration;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use pgl_core::Side;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    ChannelBinding as Binding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use postgres_protocol::message::backend::{
    AuthenticationSaslBody, DataRowBody, ErrorFields, Message,
};
use postgres_protocol::message::frontend;

use crate::error::{Error, Kind, NO_PASSWORD_HINT, Phase, ServerMessage};
use crate::params::ChannelBinding;
use crate::secret::Secret;
use crate::stream::Stream;
use crate::tls_alert;
use pgl_core::redact;

/// Rows of text.
pub(crate) type Rows = Vec<Vec<Option<String>>>;

/// What a login needs.
pub(crate) struct Login<'a> {
    pub(crate) user: &'a str,
    pub(crate) password: Option<&'a Secret>,
    pub(crate) channel_binding: ChannelBinding,
    /// The start-up packet, with the user.
    pub(crate) parameters: &'a [(&'a str, &'a str)],
}

/// A connection after login.
pub(crate) struct Wire {
    side: Side,
    stream: Stream,
    incoming: BytesMut,
    phase: Phase,
    /// Settings that the server reports by itself.
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) process: i32,
    pub(crate) secret: i32,
}

impl Wire {
    /// Logs in over a fresh stream.
    pub(crate) fn login(side: Side, stream: Stream, login: &Login<'_>) -> Result<Self, Error> {
        let mut wire = Self {
            side,
            stream,
            incoming: BytesMut::new(),
            phase: Phase::Connecting,
            parameters: BTreeMap::new(),
            process: 0,
            secret: 0,
        };
        wire.send(|buffer| frontend::startup_message(login.parameters.iter().copied(), buffer))?;
        wire.authenticate(login)?;
        loop {
            match wire.receive()? {
                Message::BackendKeyData(body) => {
                    wire.process = body.process_id();
                    wire.secret = body.secret_key();
                }
                Message::ReadyForQuery(_) => break,
                _ => return Err(wire.odd()),
            }
        }
        wire.phase = Phase::Established;
        Ok(wire)
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.stream.is_tls()
    }

    fn authenticate(&mut self, login: &Login<'_>) -> Result<(), Error> {
        let side = self.side;
        let auth = |message: &str| Error::new(side, Kind::Auth, message);
        let password = || {
            login.password.map(Secret::expose).ok_or_else(|| {
                auth("the server asks for a password and none was given")
                    .with_hint(NO_PASSWORD_HINT)
            })
        };
        let unbound = || {
            if login.channel_binding == ChannelBinding::Require {
                return Err(auth(
                    "channel binding is required and the login does not offer it",
                ));
            }
            Ok(())
        };
        match self.receive()? {
            Message::AuthenticationOk => {
                return unbound();
            }
            Message::AuthenticationCleartextPassword => {
                unbound()?;
                let password = password()?;
                self.send(|buffer| frontend::password_message(password.as_bytes(), buffer))?;
            }
            Message::AuthenticationMd5Password(body) => {
                unbound()?;
                let hash = md5_hash(login.user.as_bytes(), password()?.as_bytes(), body.salt());
                self.send(|buffer| frontend::password_message(hash.as_bytes(), buffer))?;
            }
            Message::AuthenticationSasl(body) => {
                self.scram(&body, password()?, login.channel_binding)?;
            }
            Message::AuthenticationGss
            | Message::AuthenticationSspi
            | Message::AuthenticationKerberosV5
            | Message::AuthenticationScmCredential => return Err(Error::login_method(side)),
            _ => return Err(self.odd()),
        }
        match self.receive()? {
            Message::AuthenticationOk => Ok(()),
            _ => Err(self.odd()),
        }
    }

    fn scram(
        &mut self,
        offer: &AuthenticationSaslBody,
        password: &str,
        wanted: ChannelBinding,
    ) -> Result<(), Error> {
        let side = self.side;
        let auth = |message: String| Error::new(side, Kind::Auth, message);
        let (mut plain, mut plus) = (false, false);
        let mut mechanisms = offer.mechanisms();
        while let Some(name) = mechanisms.next().map_err(|_| self.odd())? {
            plain |= name == SCRAM_SHA_256;
            plus |= name == SCRAM_SHA_256_PLUS;
        }
        let digest = self
            .stream
            .end_point()
            .filter(|_| wanted != ChannelBinding::Disable);
        let (binding, mechanism) = match digest {
            Some(digest) if plus => (Binding::tls_server_end_point(digest), SCRAM_SHA_256_PLUS),
            Some(_) if plain => (Binding::unrequested(), SCRAM_SHA_256),
            None if plain => (Binding::unsupported(), SCRAM_SHA_256),
            _ => return Err(Error::login_method(side)),
        };
        if wanted == ChannelBinding::Require && mechanism != SCRAM_SHA_256_PLUS {
            return Err(auth(
                "channel binding is required and the login does not offer it".to_owned(),
            ));
        }
        let mut scram = ScramSha256::new(password.as_bytes(), binding);
        self.send(|buffer| frontend::sasl_initial_response(mechanism, scram.message(), buffer))?;
        let Message::AuthenticationSaslContinue(body) = self.receive()? else {
            return Err(self.odd());
        };
        scram
            .update(body.data())
            .map_err(|error| auth(error.to_string()))?;
        self.send(|buffer| frontend::sasl_response(scram.message(), buffer))?;
        let Message::AuthenticationSaslFinal(body) = self.receive()? else {
            return Err(self.odd());
        };
        // This is what proves that the server knows the password, too.
        scram
            .finish(body.data())
            .map_err(|error| auth(error.to_string()))
    }

    /// Runs one command.
    pub(crate) fn query(&mut self, text: &str) -> Result<Rows, Error> {
        self.send(|buffer| frontend::query(text, buffer))?;
        let mut rows = Rows::new();
        let mut failure = None;
        loop {
            match self.receive_any()? {
                Message::DataRow(body) => rows.push(self.fields(&body)?),
                Message::ErrorResponse(body) => {
                    let error = self.server_error(body.fields());
                    if error.is_lost() {
                        return Err(error);
                    }
                    failure = Some(error);
                }
                Message::ReadyForQuery(_) => break,
                Message::RowDescription(_)
                | Message::CommandComplete(_)
                | Message::EmptyQueryResponse => {}
                _ => return Err(self.odd()),
            }
        }
        failure.map_or(Ok(rows), Err)
    }

    fn fields(&self, body: &DataRowBody) -> Result<Vec<Option<String>>, Error> {
        body.ranges()
            .map(|range| {
                let bytes = range.and_then(|range| body.buffer().get(range));
                Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
            })
            .collect()
            .map_err(|_| self.odd())
    }

    /// Whether the server is still there, without sending anything: a waiting message is read, and
    /// an error or an end of the stream is given back.
    pub(crate) fn listen(&mut self) -> Result<(), Error> {
        let lost = |error: io::Error| self.lost(&error);
        self.stream
            .set_read_timeout(Some(Duration::from_millis(1)))
            .map_err(lost)?;
        let heard = match self.fill() {
            Ok(()) => self.drain(),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(self.lost(&error)),
        };
        self.stream
            .set_read_timeout(None)
            .map_err(|error| self.lost(&error))?;
        heard
    }

    /// Takes the messages that have arrived unasked.
    fn drain(&mut self) -> Result<(), Error> {
        while let Some(message) = self.parse()? {
            match message {
                Message::ErrorResponse(body) => return Err(self.server_error(body.fields())),
                Message::ParameterStatus(_) | Message::NoticeResponse(_) => {}
                _ => return Err(self.odd()),
            }
        }
        Ok(())
    }

    fn send(&mut self, write: impl FnOnce(&mut BytesMut) -> io::Result<()>) -> Result<(), Error> {
        let mut buffer = BytesMut::new();
        write(&mut buffer).map_err(|error| {
            Error::new(
                self.side,
                Kind::Protocol,
                format!("cannot encode a message: {error}"),
            )
        })?;
        self.stream
            .write_all(&buffer)
            .and_then(|()| self.stream.flush())
            .map_err(|error| self.lost(&error))
    }

    /// The next message that is an answer; errors are errors.
    fn receive(&mut self) -> Result<Message, Error> {
        match self.receive_any()? {
            Message::ErrorResponse(body) => Err(self.server_error(body.fields())),
            message => Ok(message),
        }
    }

    /// The next message but for what the server says by the way.
    fn receive_any(&mut self) -> Result<Message, Error> {
        loop {
            match self.parse()? {
                Some(Message::ParameterStatus(body)) => {
                    if let (Ok(name), Ok(value)) = (body.name(), body.value()) {
                        self.parameters.insert(name.to_owned(), value.to_owned());
                    }
                }
                Some(Message::NoticeResponse(body)) => {
                    let message = ServerMessage::read(body.fields());
                    log::info!("{}: {}", self.side, redact(&message.message));
                }
                Some(message) => return Ok(message),
                None => self.fill().map_err(|error| self.lost(&error))?,
            }
        }
    }

    fn parse(&mut self) -> Result<Option<Message>, Error> {
        Message::parse(&mut self.incoming).map_err(|_| self.odd())
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut buffer = [0; 8192];
        match self.stream.read(&mut buffer)? {
            0 => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the server closed the connection",
            )),
            length => {
                self.incoming.extend_from_slice(&buffer[..length]);
                Ok(())
            }
        }
    }

    fn server_error(&self, fields: ErrorFields<'_>) -> Error {
        ServerMessage::read(fields).into_error(self.side, self.phase)
    }

    fn lost(&self, error: &io::Error) -> Error {
        match (self.phase, tls_alert::alert(error)) {
            (Phase::Connecting, Some(alert)) => Error::late_tls(self.side, alert),
            (Phase::Connecting, None) => {
                Error::new(self.side, Kind::Unreachable, error.to_string())
            }
            (Phase::Established, _) => Error::new(self.side, Kind::Lost, error.to_string()),
        }
    }

    fn odd(&self) -> Error {
        Error::new(
            self.side,
            Kind::Protocol,
            "unexpected message from the server",
        )
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let mut buffer = BytesMut::new();
        frontend::terminate(&mut buffer);
        // The server may be gone already; there is nothing left to tell it then.
        let _gone = self
            .stream
            .write_all(&buffer)
            .and_then(|()| self.stream.flush());
    }
}
