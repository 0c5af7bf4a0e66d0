//! TLS with libpq's meaning: the authorities are those of `sslrootcert` and no others, the chain
//! is checked whenever a root certificate is present, the host name only under verify-full.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    ConnectConfiguration, SslConnector, SslConnectorBuilder, SslFiletype, SslMethod, SslVerifyMode,
    SslVersion,
};
use openssl::x509::store::{X509Lookup, X509StoreBuilder};
use openssl::x509::verify::X509VerifyFlags;
use openssl::x509::{X509, X509StoreContextRef, X509VerifyResult};
use pgl_core::Side;
use postgres::Socket;
use postgres::tls::{MakeTlsConnect, TlsConnect};
use postgres_openssl::{MakeTlsConnector, TlsConnector, TlsStream};

use crate::certname;
use crate::dial::{Spot, Wire};
use crate::endpoint::Endpoint;
use crate::error::{Error, Kind};
use crate::params::{Root, SslMode, SslNegotiation, TlsSettings};

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
    connector: SslConnector,
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
        let connector = if spot.wire == Wire::Plain {
            SslConnector::builder(SslMethod::tls_client())
                .map_err(|error| Error::new(side, Kind::Tls, short(&error.to_string())))?
                .build()
        } else {
            connector(side, settings)?
        };
        Ok(Self {
            connector,
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

    fn configure(&self, domain: &str) -> Result<ConnectConfiguration, openssl::error::ErrorStack> {
        let mut config = self.connector.configure()?;
        // The name is checked below, by libpq's rules.
        config.set_verify_hostname(false);
        let is_address = domain.parse::<std::net::IpAddr>().is_ok();
        config.set_use_server_name_indication(self.sni && !is_address && !domain.is_empty());
        let mode = config.verify_mode();
        if mode == SslVerifyMode::NONE {
            return Ok(config);
        }
        let name = self.name.clone();
        let reason = self.reason.clone();
        config.set_verify_callback(mode, move |ok, context| {
            let why = judge(ok, context, name.as_deref());
            let accepted = why.is_none();
            if let Some(why) = why {
                *reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
            }
            accepted
        });
        Ok(config)
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
    ) -> Result<openssl::ssl::SslStream<S>, Error> {
        let fail = |error: &dyn fmt::Display| Error::new(side, Kind::Tls, self.explain(error).0);
        let ssl = self
            .configure(domain)
            .and_then(|config| config.into_ssl(domain_or_placeholder(domain)))
            .map_err(|error| fail(&error))?;
        let mut stream = openssl::ssl::SslStream::new(ssl, stream).map_err(|error| fail(&error))?;
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

/// OpenSSL wants some name even where none is sent or checked.
fn domain_or_placeholder(domain: &str) -> &str {
    if domain.is_empty() { "server" } else { domain }
}

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

impl MakeTlsConnect<Socket> for Tls {
    type Stream = TlsStream<Socket>;
    type TlsConnect = Handshake;
    type Error = openssl::error::ErrorStack;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Handshake, Self::Error> {
        let mut maker = MakeTlsConnector::new(self.connector.clone());
        let this = self.clone();
        // The maker's own configuration is replaced by ours as a whole.
        maker.set_callback(move |config, domain| {
            *config = this.configure(domain)?;
            Ok(())
        });
        let inner = MakeTlsConnect::<Socket>::make_tls_connect(&mut maker, domain)?;
        Ok(Handshake {
            inner,
            tls: self.clone(),
        })
    }
}

/// The driver's handshake, with the outcome noted.
pub(crate) struct Handshake {
    inner: TlsConnector,
    tls: Tls,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = TlsStream<Socket>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Stream, Failure>> + Send>>;

    fn connect(self, stream: Socket) -> Self::Future {
        let Self { inner, tls } = self;
        Box::pin(async move {
            match TlsConnect::<Socket>::connect(inner, stream).await {
                Ok(stream) => {
                    tls.used.store(true, Ordering::Relaxed);
                    Ok(stream)
                }
                Err(error) => Err(tls.explain(&error)),
            }
        })
    }
}

fn connector(side: Side, settings: &TlsSettings) -> Result<SslConnector, Error> {
    let fail = |what: String, error: &dyn fmt::Display| {
        Error::new(
            side,
            Kind::Tls,
            format!("{what}: {}", short(&error.to_string())),
        )
    };
    let setup = |error: openssl::error::ErrorStack| fail("cannot set TLS up".to_owned(), &error);
    let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(setup)?;
    // A fresh store: the builder's own trusts every authority of the operating system.
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
        postgres_openssl::set_postgresql_alpn(&mut builder).map_err(setup)?;
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
) -> Result<(), (String, openssl::error::ErrorStack)> {
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
    builder: &mut SslConnectorBuilder,
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

/// What TLS itself had to say in a failed read or write. Under TLS 1.3 the server judges the client's
/// certificate only after the handshake.
pub(crate) fn alert(error: &io::Error) -> Option<String> {
    let inner = error.get_ref()?.downcast_ref::<openssl::ssl::Error>()?;
    inner.ssl_error()?;
    let text = inner.to_string();
    Some(format!("TLS connection failed: {}", short(&text)))
}

/// The reason inside OpenSSL's `error:CODE:library:function:reason:file:line:`.
fn short(text: &str) -> &str {
    match text.split(':').nth(4) {
        Some(reason) if text.starts_with("error:") && !reason.is_empty() => reason,
        _ => text,
    }
}
