//! The two servers of a migration and how sessions to them are opened.

use std::time::Duration;

use pgl_conn::{Access, Endpoint, Error, Session, SessionOptions};
use pgl_core::Side;

/// Where to connect. Cloned endpoints of one session each: the servers where the first session
/// landed, so that a run never works on two members of a cluster.
#[derive(Debug, Clone)]
pub struct Servers {
    /// The tool that works.
    pub tool: &'static str,
    /// Source.
    pub source: Endpoint,
    /// Target.
    pub target: Endpoint,
}

/// How long a lock on a user's table may be waited for before we step back: everything that comes
/// behind a waiting lock waits, too.
const LOCK_TIMEOUT: Duration = Duration::from_millis(500);

impl Servers {
    /// A session that waits for locks without limit; for objects that nobody else uses yet.
    ///
    /// # Errors
    /// See [`Session::connect`].
    pub fn session(&self, side: Side) -> Result<Session, Error> {
        Session::connect(self.endpoint(side), &self.options())
    }

    /// A session that steps back after half a second.
    ///
    /// # Errors
    /// See [`Session::connect`].
    pub fn polite(&self, side: Side) -> Result<Session, Error> {
        Session::connect(
            self.endpoint(side),
            &self.options().lock_timeout(LOCK_TIMEOUT),
        )
    }

    /// A session that loads rows or builds objects on the target: triggers and rules of ordinary
    /// kind do not fire.
    ///
    /// # Errors
    /// See [`Session::connect`]; also when the role may not set `session_replication_role`.
    pub fn loader(&self) -> Result<Session, Error> {
        let options = self
            .options()
            .views()
            .set("session_replication_role", "replica")
            .set("synchronous_commit", "off");
        Session::connect(&self.target, &options)
    }

    fn endpoint(&self, side: Side) -> &Endpoint {
        match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        }
    }

    fn options(&self) -> SessionOptions {
        SessionOptions::new(self.tool, Access::IgnoreReadOnly)
    }
}
