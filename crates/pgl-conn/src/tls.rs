//! TLS with libpq's meaning: the authorities are those of `sslrootcert` and no others, the chain
//! is checked whenever a root certificate is present, the host name only under verify-full.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    self, Ssl, SslContext, SslContextBuilder, SslFiletype, SslMethod, SslOptions, SslRef,
    SslVerifyMode, SslVersion,
};
use openssl::x509::store::{X509Lookup, X509StoreBuilder};
use openssl::x509::verify::X509VerifyFlags;
use openssl::x509::{X509, X509StoreContextRef, X509VerifyResult};
use pgl_core::Side;
use postgres::Socket;
use postgres::tls::{self, MakeTlsConnect, TlsConnect};
use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio_openssl::SslStream;

use crate::certname;
use crate::dial::{Spot, Wire};
use crate::endpoint::Endpoint;
use crate::error::{Error, Kind};
use crate::params::{Root, SslMode, SslNegotiation, TlsSettings};
use crate::tls_alert::short;

/// Why a certificate was refused, in words for people; filled in during the handshake.
type Reason = Arc<Mutex<Option<String>>>;

/// A handshake that failed.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// No source: OpenSSL's own text would only repeat this one.
impl std::error::Error for Failure {}

/// Makes the TLS layer of a connection to one host.
#[derive(Clone)]
pub(crate) struct Tls {
    /// None where the connection goes without TLS.
    context: Option<SslContext>,
    /// The name the certificate must be for.
    name: Option<String>,
    sni: bool,
    reason: Reason,
    used: Arc<AtomicBool>,
}

impl Tls {
    /// For one address of an endpoint. Without TLS no file is looked at.
    ///
    /// # Errors
    /// [`Kind::Tls`] when a certificate, key or revocation list cannot be read.
    pub(crate) fn new(endpoint: &Endpoint, spot: &Spot) -> Result<Self, Error> {
        let side = endpoint.side;
        let settings = &endpoint.tls;
        let full = settings.mode == SslMode::VerifyFull && spot.wire != Wire::Plain;
        // The name as the user wrote it: an address from hostaddr proves nothing.
        let name = &spot.host.host;
        if full && name.is_empty() {
            return Err(
                Error::new(side, Kind::Tls, "sslmode=verify-full needs a host name")
                    .with_hint("give host= beside hostaddr="),
            );
        }
        Ok(Self {
            context: (spot.wire != Wire::Plain)
                .then(|| context(side, settings))
                .transpose()?,
            name: full.then(|| name.clone()),
            sni: settings.sni,
            reason: Reason::default(),
            used: Arc::default(),
        })
    }

    /// Whether a handshake has been done through this.
    pub(crate) fn used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// One connection's state; None where there is no TLS.
    fn ssl(&self, domain: &str) -> Result<Option<Ssl>, ErrorStack> {
        let Some(context) = &self.context else {
            return Ok(None);
        };
        let mut ssl = Ssl::new(context)?;
        if self.sni && !domain.is_empty() && domain.parse::<std::net::IpAddr>().is_err() {
            ssl.set_hostname(domain)?;
        }
        let mode = context.verify_mode();
        if mode != SslVerifyMode::NONE {
            let name = self.name.clone();
            let reason = self.reason.clone();
            ssl.set_verify_callback(mode, move |ok, context| {
                let why = judge(ok, context, name.as_deref());
                let accepted = why.is_none();
                if let Some(why) = why {
                    *reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
                }
                accepted
            });
        }
        Ok(Some(ssl))
    }

    /// Turns OpenSSL's error into one line.
    fn explain(&self, error: &dyn fmt::Display) -> Failure {
        let why = self
            .reason
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        Failure(why.unwrap_or_else(|| {
            let text = error.to_string();
            // "error:0A00…:SSL routines:tls_…:tlsv13 alert certificate required:../ssl/…:SSL alert"
            match text
                .split(':')
                .nth(4)
                .filter(|_| text.starts_with("error:"))
            {
                Some(reason) => format!("TLS handshake failed: {reason}"),
                None => format!("TLS handshake failed: {text}"),
            }
        }))
    }

    /// A handshake over a blocking stream.
    pub(crate) fn handshake<S: io::Read + io::Write>(
        &self,
        side: Side,
        domain: &str,
        stream: S,
    ) -> Result<ssl::SslStream<S>, Error> {
        let fail = |error: &dyn fmt::Display| Error::new(side, Kind::Tls, self.explain(error).0);
        let ssl = self
            .ssl(domain)
            .map_err(|error| fail(&error))?
            .ok_or_else(|| fail(&NOT_ASKED_FOR))?;
        let mut stream = ssl::SslStream::new(ssl, stream).map_err(|error| fail(&error))?;
        stream.connect().map_err(|error| match error.io_error() {
            Some(io) if io.kind() == io::ErrorKind::UnexpectedEof => {
                fail(&"the server closed the connection")
            }
            _ => fail(&error),
        })?;
        self.used.store(true, Ordering::Relaxed);
        Ok(stream)
    }
}

const NOT_ASKED_FOR: &str = "TLS was not asked for";

/// None accepts the certificate at hand; else why not.
fn judge(ok: bool, context: &mut X509StoreContextRef, name: Option<&str>) -> Option<String> {
    if !ok {
        let error = context.error();
        let subject = context.current_cert().map(certname::subject);
        return Some(match subject {
            Some(subject) => {
                format!("server certificate not accepted: {error} (certificate of {subject})")
            }
            None => format!("server certificate not accepted: {error}"),
        });
    }
    if context.error_depth() > 0 {
        return None;
    }
    let name = name?;
    let names = certname::names(context.current_cert()?);
    if certname::matches(&names, name) {
        return None;
    }
    context.set_error(X509VerifyResult::APPLICATION_VERIFICATION);
    Some(format!(
        "server certificate is for {}, not for {name:?}",
        names.show()
    ))
}

/// The digest that binds a login to the server's certificate (RFC 5929, `tls-server-end-point`).
pub(crate) fn end_point(ssl: &SslRef) -> Option<Vec<u8>> {
    let certificate = ssl.peer_certificate()?;
    let algorithm = certificate.signature_algorithm().object().nid();
    let digest = match algorithm.signature_algorithms()?.digest {
        Nid::MD5 | Nid::SHA1 => MessageDigest::sha256(),
        other => MessageDigest::from_nid(other)?,
    };
    Some(certificate.digest(digest).ok()?.to_vec())
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = TlsStream;
    type TlsConnect = Handshake;
    type Error = ErrorStack;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Handshake, Self::Error> {
        Ok(Handshake {
            ssl: self.ssl(domain)?,
            tls: self.clone(),
        })
    }
}

/// The driver's handshake, with the outcome noted.
pub(crate) struct Handshake {
    ssl: Option<Ssl>,
    tls: Tls,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = TlsStream;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<TlsStream, Failure>> + Send>>;

    fn connect(self, stream: Socket) -> Self::Future {
        let Self { ssl, tls } = self;
        Box::pin(async move {
            let ssl = ssl.ok_or_else(|| tls.explain(&NOT_ASKED_FOR))?;
            let stream = BufReader::with_capacity(8192, stream);
            let mut stream = SslStream::new(ssl, stream).map_err(|error| tls.explain(&error))?;
            match Pin::new(&mut stream).connect().await {
                Ok(()) => {
                    tls.used.store(true, Ordering::Relaxed);
                    Ok(TlsStream(stream))
                }
                Err(error) => Err(tls.explain(&error)),
            }
        })
    }
}

/// What the driver reads and writes. Not postgres-openssl's: that one takes a connector only, and
/// building a connector reads every authority of the operating system, 30 ms for each connection.
pub(crate) struct TlsStream(SslStream<BufReader<Socket>>);

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

impl tls::TlsStream for TlsStream {
    fn channel_binding(&self) -> tls::ChannelBinding {
        end_point(self.0.ssl()).map_or_else(
            tls::ChannelBinding::none,
            tls::ChannelBinding::tls_server_end_point,
        )
    }
}

fn context(side: Side, settings: &TlsSettings) -> Result<SslContext, Error> {
    let fail = |what: String, error: &dyn fmt::Display| {
        Error::new(
            side,
            Kind::Tls,
            format!("{what}: {}", short(&error.to_string())),
        )
    };
    let setup = |error: ErrorStack| fail("cannot set TLS up".to_owned(), &error);
    let mut builder = SslContextBuilder::new(SslMethod::tls_client()).map_err(setup)?;
    builder.set_options(SslOptions::NO_COMPRESSION);
    builder.set_mode(
        ssl::SslMode::AUTO_RETRY
            | ssl::SslMode::ACCEPT_MOVING_WRITE_BUFFER
            | ssl::SslMode::ENABLE_PARTIAL_WRITE
            | ssl::SslMode::RELEASE_BUFFERS,
    );
    let mut store = X509StoreBuilder::new().map_err(setup)?;
    match &settings.root {
        Root::None => {}
        Root::System => store.set_default_paths().map_err(setup)?,
        Root::File(path) => {
            let certificates = std::fs::read(path)
                .map_err(|error| fail(format!("cannot read sslrootcert {path}"), &error))
                .and_then(|bytes| {
                    X509::stack_from_pem(&bytes)
                        .map_err(|error| fail(format!("cannot use sslrootcert {path}"), &error))
                })?;
            if certificates.is_empty() {
                return Err(fail(
                    format!("cannot use sslrootcert {path}"),
                    &"no certificate in it",
                ));
            }
            for certificate in certificates {
                store.add_cert(certificate).map_err(setup)?;
            }
            revocation(&mut store, settings).map_err(|(path, error)| {
                fail(format!("cannot use revocation list {path}"), &error)
            })?;
        }
    }
    builder.set_cert_store(store.build());
    builder.set_verify(if settings.root == Root::None {
        SslVerifyMode::NONE
    } else {
        SslVerifyMode::PEER
    });
    builder
        .set_min_proto_version(Some(
            version(settings.min_version.as_deref()).unwrap_or(SslVersion::TLS1_2),
        ))
        .map_err(setup)?;
    builder
        .set_max_proto_version(version(settings.max_version.as_deref()))
        .map_err(setup)?;
    if settings.negotiation == SslNegotiation::Direct {
        builder.set_alpn_protos(b"\x0apostgresql").map_err(setup)?;
    }
    if let Some(cert) = &settings.cert {
        client_certificate(side, &mut builder, settings, cert)?;
    }
    Ok(builder.build())
}

fn version(name: Option<&str>) -> Option<SslVersion> {
    match name? {
        "TLSv1" => Some(SslVersion::TLS1),
        "TLSv1.1" => Some(SslVersion::TLS1_1),
        "TLSv1.2" => Some(SslVersion::TLS1_2),
        _ => Some(SslVersion::TLS1_3),
    }
}

/// With a list or a directory of lists, every certificate of the chain is checked against it.
fn revocation(
    store: &mut X509StoreBuilder,
    settings: &TlsSettings,
) -> Result<(), (String, ErrorStack)> {
    if let Some(path) = &settings.crl {
        store
            .add_lookup(X509Lookup::file())
            .and_then(|lookup| lookup.load_crl_file(path, SslFiletype::PEM))
            .map_err(|error| (path.clone(), error))?;
    }
    if let Some(dir) = &settings.crl_dir {
        store
            .add_lookup(X509Lookup::hash_dir())
            .and_then(|lookup| lookup.add_dir(dir, SslFiletype::PEM))
            .map_err(|error| (dir.clone(), error))?;
    }
    if settings.crl.is_some() || settings.crl_dir.is_some() {
        store
            .set_flags(X509VerifyFlags::CRL_CHECK | X509VerifyFlags::CRL_CHECK_ALL)
            .map_err(|error| (String::new(), error))?;
    }
    Ok(())
}

fn client_certificate(
    side: Side,
    builder: &mut SslContextBuilder,
    settings: &TlsSettings,
    cert: &str,
) -> Result<(), Error> {
    let fail = |message: String| Error::new(side, Kind::Tls, message);
    builder.set_certificate_chain_file(cert).map_err(|error| {
        fail(format!(
            "cannot use sslcert {cert}: {}",
            short(&error.to_string())
        ))
    })?;
    let Some(path) = &settings.key else {
        return Err(fail(format!(
            "there is a client certificate {cert} but no private key"
        ))
        .with_hint("give sslkey=FILE"));
    };
    private(path).map_err(|why| {
        fail(format!("private key {path} cannot be used: {why}"))
            .with_hint("chmod 0600, or 0640 when root owns it")
    })?;
    let bytes = std::fs::read(path)
        .map_err(|error| fail(format!("cannot read the private key {path}: {error}")))?;
    let key = read_key(&bytes, settings).map_err(|hint| {
        fail(format!(
            "cannot read the private key {path}: wrong format or passphrase"
        ))
        .with_hint(hint)
    })?;
    builder
        .set_private_key(&key)
        .and_then(|()| builder.check_private_key())
        .map_err(|_| fail(format!("the private key {path} does not belong to {cert}")))
}

fn read_key(bytes: &[u8], settings: &TlsSettings) -> Result<PKey<Private>, &'static str> {
    let given = settings.key_password.as_ref().map(|secret| secret.expose());
    // Without this callback OpenSSL would ask at the terminal.
    let phrase = |buffer: &mut [u8]| {
        let phrase = given.unwrap_or("").as_bytes();
        let length = phrase.len().min(buffer.len());
        buffer[..length].copy_from_slice(&phrase[..length]);
        Ok(length)
    };
    PKey::private_key_from_pem_callback(bytes, phrase)
        .or_else(|_| PKey::private_key_from_der(bytes))
        .map_err(|_| match given {
            Some(_) => "check sslpassword",
            None => "an encrypted key needs sslpassword",
        })
}

/// libpq's rule: nobody else may read the key; the group may when root owns it.
fn private(path: &str) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::metadata(Path::new(path)).map_err(|error| error.to_string())?;
    if !meta.is_file() {
        return Err("it is not a plain file".to_owned());
    }
    let forbidden = if meta.uid() == 0 { 0o037 } else { 0o077 };
    if meta.mode() & forbidden != 0 {
        return Err("group or others may read it".to_owned());
    }
    Ok(())
}
