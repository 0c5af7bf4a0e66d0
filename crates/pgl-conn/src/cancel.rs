//! Asking the server to give up what a session is doing, from another thread.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use pgl_core::Side;
use postgres_protocol::message::frontend;

use crate::dial::within;
use crate::error::{Error, Kind, Phase};
use crate::stream::Way;
use crate::tls::Tls;

/// How long a cancel request may take to be delivered.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// Cancels the running statement of one session. It can be cloned and sent to the thread that
/// handles signals; the session stays usable, its statement fails with [`crate::Kind::Cancelled`].
#[derive(Clone)]
pub struct CancelHandle {
    side: Side,
    requested: Arc<AtomicBool>,
    how: How,
}

#[derive(Clone)]
enum How {
    Driver(Box<postgres::CancelToken>, Tls),
    Raw(RawCancel),
}

impl CancelHandle {
    pub(crate) fn driver(
        side: Side,
        token: postgres::CancelToken,
        tls: Tls,
        requested: Arc<AtomicBool>,
    ) -> Self {
        Self {
            side,
            requested,
            how: How::Driver(Box::new(token), tls),
        }
    }

    pub(crate) fn raw(side: Side, raw: RawCancel) -> Self {
        Self {
            side,
            requested: Arc::default(),
            how: How::Raw(raw),
        }
    }

    /// Sends the request, over TLS where the session uses it. It is not known whether there was
    /// anything to cancel.
    ///
    /// # Errors
    /// When the request could not be delivered.
    pub fn cancel(&self) -> Result<(), Error> {
        self.requested.store(true, Ordering::SeqCst);
        let (side, how) = (self.side, self.how.clone());
        within(side, Some(LIMIT), move || match how {
            How::Driver(token, tls) => token
                .cancel_query(tls)
                .map_err(|error| Error::from_driver(side, &error, Phase::Connecting)),
            How::Raw(raw) => raw.send(side),
        })
        .map_err(|error| error.with_context("cannot cancel the running statement"))
    }
}

impl std::fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelHandle")
            .field("side", &self.side)
            .finish_non_exhaustive()
    }
}

/// Ends a statement whose output is not wanted any more, in a session that goes on. Not with a cancel request: for
/// one of those servers before 18 signal the backend twice (itself and its process group: `signal_child` in
/// postmaster.c), the second time perhaps in the session's next statement. `pg_cancel_backend` signals once, and has
/// done so when it returns.
pub(crate) struct GiveUp {
    /// `pg_cancel_backend`, in another session.
    pub(crate) signal: Box<dyn Fn() -> Result<(), Error> + Send + Sync>,
    /// Where that fails.
    pub(crate) request: CancelHandle,
}

impl GiveUp {
    /// Ends the statement and reads what is still on its way: `rest` says when there is no more.
    pub(crate) fn until(&self, mut rest: impl FnMut() -> bool) {
        if let Err(error) = (self.signal)() {
            log::debug!("{error}");
            if let Err(error) = self.request.cancel() {
                log::debug!("{error}");
            }
        }
        while rest() {}
        // It was ours alone and has been answered.
        self.request.requested.store(false, Ordering::SeqCst);
    }
}

/// What a cancel request for a replication connection needs.
#[derive(Clone)]
pub(crate) struct RawCancel {
    pub(crate) way: Way,
    pub(crate) process: i32,
    pub(crate) secret: i32,
}

impl RawCancel {
    fn send(&self, side: Side) -> Result<(), Error> {
        let mut stream = self.way.open(side)?;
        let mut buffer = BytesMut::new();
        frontend::cancel_request(self.process, self.secret, &mut buffer);
        let io = |error: std::io::Error| Error::new(side, Kind::Unreachable, error.to_string());
        stream.write_all(&buffer).map_err(io)?;
        stream.flush().map_err(io)?;
        // The server closes the connection once the signal is on its way; how it closes does not
        // matter.
        let _closed = stream.read(&mut [0; 1]);
        Ok(())
    }
}
