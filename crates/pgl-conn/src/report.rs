//! An error of a connection or a server, as every tool tells it.

use pgl_core::Exit;
use pgl_core::exit::FailureReport;

use crate::{Error, Kind};

impl Error {
    /// As a tool tells it.
    pub fn report(&self) -> FailureReport {
        let exit = match self.kind {
            Kind::Config | Kind::Unsupported => Exit::Usage,
            Kind::Refused => Exit::Refused,
            Kind::NotYet => Exit::NotYet,
            Kind::Unreachable
            | Kind::Auth
            | Kind::Tls
            | Kind::Pooler
            | Kind::Lost
            | Kind::Denied
            | Kind::LockTimeout
            | Kind::Timeout
            | Kind::Cancelled
            | Kind::Program
            | Kind::Server
            | Kind::Protocol => Exit::Unknown,
        };
        let message = match &self.context {
            Some(context) => format!("{context}: {}", self.message),
            None => self.message.clone(),
        };
        FailureReport {
            exit,
            side: Some(self.side),
            sqlstate: self.sqlstate.clone(),
            message,
            detail: self.detail.clone(),
            hint: self.hint.clone(),
        }
    }
}
