//! The blocking byte stream under a replication connection: TCP or socket, with or without TLS.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use openssl::ssl::SslStream;
use pgl_core::Side;
use postgres_protocol::message::frontend;
use socket2::{SockRef, TcpKeepalive};

use crate::dial::{Spot, Wire};
use crate::endpoint::Endpoint;
use crate::error::{Error, Kind};
use crate::params::{Socket, SslNegotiation};
use crate::tls::Tls;

pub(crate) enum Plain {
    Tcp(TcpStream),
    Unix(UnixStream),
}

pub(crate) enum Stream {
    Plain(Plain),
    Tls(Box<SslStream<Plain>>),
}

/// What a dial leads to, kept so that a cancel request can go the same way.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) spot: Spot,
    pub(crate) tls: Tls,
    direct: bool,
    socket: Socket,
}

impl Way {
    pub(crate) fn new(endpoint: &Endpoint, spot: &Spot) -> Result<Self, Error> {
        Ok(Self {
            spot: spot.clone(),
            tls: Tls::new(endpoint, spot)?,
            direct: endpoint.tls.negotiation == SslNegotiation::Direct,
            socket: endpoint.socket,
        })
    }

    /// Opens the stream, with TLS as the spot asks for.
    pub(crate) fn open(&self, side: Side) -> Result<Stream, Error> {
        let unreachable = |error: io::Error| Error::new(side, Kind::Unreachable, error.to_string());
        let mut plain = Plain::connect(&self.spot, &self.socket).map_err(unreachable)?;
        if self.spot.wire == Wire::Plain {
            return Ok(Stream::Plain(plain));
        }
        if !self.direct {
            let mut request = bytes::BytesMut::new();
            frontend::ssl_request(&mut request);
            plain.write_all(&request).map_err(unreachable)?;
            let mut answer = [0];
            plain.read_exact(&mut answer).map_err(unreachable)?;
            match (answer[0], self.spot.wire) {
                (b'S', _) => {}
                (_, Wire::Offered) => return Ok(Stream::Plain(plain)),
                _ => return Err(Error::new(side, Kind::Tls, "server does not support TLS")),
            }
        }
        let stream = self.tls.handshake(side, &self.spot.host.name(), plain)?;
        Ok(Stream::Tls(Box::new(stream)))
    }
}

impl Plain {
    fn connect(spot: &Spot, settings: &Socket) -> io::Result<Self> {
        let Some(addr) = spot.addr else {
            return unix(&spot.host.host, spot.host.port).map(Self::Unix);
        };
        let tcp = TcpStream::connect((addr, spot.host.port))?;
        tcp.set_nodelay(true)?;
        let socket = SockRef::from(&tcp);
        if settings.keepalives {
            socket.set_tcp_keepalive(
                &TcpKeepalive::new()
                    .with_time(settings.idle)
                    .with_interval(settings.interval)
                    .with_retries(settings.count),
            )?;
        }
        #[cfg(target_os = "linux")]
        if settings.user_timeout.is_some() {
            socket.set_tcp_user_timeout(settings.user_timeout)?;
        }
        Ok(Self::Tcp(tcp))
    }

    fn set_read_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(limit),
            Self::Unix(stream) => stream.set_read_timeout(limit),
        }
    }
}

fn unix(host: &str, port: u16) -> io::Result<UnixStream> {
    let Some(name) = host.strip_prefix('@') else {
        return UnixStream::connect(format!("{host}/.s.PGSQL.{port}"));
    };
    #[cfg(target_os = "linux")]
    {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("{name}/.s.PGSQL.{port}");
        let addr = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        UnixStream::connect_addr(&addr)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let message = format!("the abstract socket @{name} exists on Linux only");
        Err(io::Error::new(io::ErrorKind::Unsupported, message))
    }
}

impl Read for Plain {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Plain {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.flush(),
            Self::Unix(stream) => stream.flush(),
        }
    }
}

impl Stream {
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// How long a read waits; None: for ever.
    pub(crate) fn set_read_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Plain(plain) => plain.set_read_timeout(limit),
            Self::Tls(stream) => stream.get_ref().set_read_timeout(limit),
        }
    }

    /// `tls-server-end-point` of RFC 5929: the digest of the server's certificate.
    pub(crate) fn end_point(&self) -> Option<Vec<u8>> {
        let Self::Tls(stream) = self else {
            return None;
        };
        crate::tls::end_point(stream.ssl())
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(plain) => plain.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(plain) => plain.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(plain) => plain.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
