//! What OpenSSL says of a failure.

use std::io;

use openssl::ssl;

/// What TLS itself had to say in a failed read or write. Under TLS 1.3 the server judges the client's
/// certificate only after the handshake.
pub(crate) fn alert(error: &io::Error) -> Option<String> {
    let inner = error.get_ref()?.downcast_ref::<ssl::Error>()?;
    inner.ssl_error()?;
    let text = inner.to_string();
    Some(format!("TLS connection failed: {}", short(&text)))
}

/// The reason inside OpenSSL's `error:CODE:library:function:reason:file:line:`.
pub(crate) fn short(text: &str) -> &str {
    match text.split(':').nth(4) {
        Some(reason) if text.starts_with("error:") && !reason.is_empty() => reason,
        _ => text,
    }
}
