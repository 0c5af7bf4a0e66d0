//! From `--source` and `--target` to endpoints, and from connection errors to failures.

use pgl_conn::{CancelHandle, Endpoint, Environment, Error, Session};
use pgl_core::Side;

use crate::args::Connect;
use crate::signal::Registration;
use crate::{Context, Failure};

/// The two endpoints of a tool that can do without a target.
pub struct Endpoints {
    /// The source.
    pub source: Endpoint,
    /// The target, where one was given.
    pub target: Option<Endpoint>,
}

impl Context {
    /// Resolves the source, and the target where a flag or the environment names one.
    pub fn endpoints(
        &self,
        typed: &Connect,
        environment: &Environment,
    ) -> Result<Endpoints, Failure> {
        let source = self.endpoint(Side::Source, typed, environment)?;
        let named = typed.target.is_some() || Endpoint::is_named(Side::Target, environment);
        let target = if named {
            Some(self.endpoint(Side::Target, typed, environment)?)
        } else {
            None
        };
        Ok(Endpoints { source, target })
    }

    /// Resolves one side, which has to be given.
    pub fn endpoint(
        &self,
        side: Side,
        typed: &Connect,
        environment: &Environment,
    ) -> Result<Endpoint, Failure> {
        let text = match side {
            Side::Source => typed.source.as_deref(),
            Side::Target => typed.target.as_deref(),
        };
        let endpoint = Endpoint::resolve(side, text, environment)?;
        for warning in endpoint.warnings() {
            log::warn!("{side}: {warning}");
        }
        Ok(endpoint)
    }

    /// Cancels what the session runs when a signal comes, as long as the result lives.
    pub fn watch(&self, session: &Session) -> Registration {
        self.cancel_on_signal(session.cancel_handle())
    }

    /// Likewise from a session's handle, for sessions that live in other crates.
    pub fn cancel_on_signal(&self, handle: CancelHandle) -> Registration {
        self.interrupt.on_signal(move || {
            if let Err(error) = handle.cancel() {
                log::debug!("cancelling: {error}");
            }
        })
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        error.report().into()
    }
}
