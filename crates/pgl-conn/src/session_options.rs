//! What a caller says about a session before it opens, and what a session tells.

use std::time::Duration;

/// The longest wait for a connection when the connection string says nothing about it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Whether a session may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// `default_transaction_read_only = on`.
    ReadOnly,
    /// What the server, the database and the role give: where one of them says read-only, it is.
    ReadWrite,
    /// `default_transaction_read_only = off`, whatever they say. From the first attempt of a cutover to
    /// the release the target is read-only to clients by that setting of its database, and afterwards
    /// the home that was left is; whoever works for the migration writes there all the same. Not for a session
    /// that shall learn from the server whether clients may write.
    IgnoreReadOnly,
}

/// What to do when a connection pooler drops the settings of the start-up packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnPooler {
    /// Refuse with [`crate::Kind::Pooler`]. A pooler hands the same server session to others: a setting
    /// made there would reach the application.
    Refuse,
    /// Go on; [`crate::Session::pooler_suspected`] is true. Nothing is set outside a transaction:
    /// [`crate::Session::begin`] pins the environment with SET LOCAL, so everything has to happen between
    /// it and [`crate::Session::commit`]. Only for [`Access::ReadOnly`].
    Report,
}

/// Which settings a session runs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pins {
    /// The canonical environment: the same value is the same text on both sides.
    Canonical,
    /// What the server, the database and the role give to a new session, timeouts too: for looking
    /// at just that. Nothing is compared in such a session, and a pooler is not noticed.
    Untouched,
}

/// How a session is to be set up.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// The tool: `preflight` and `pgl-preflight` both give application_name `pgl-preflight`.
    pub tool: &'static str,
    /// Whether it may write.
    pub access: Access,
    /// None: wait for locks without limit.
    pub lock_timeout: Option<Duration>,
    /// None: statements may run without limit, whatever the role's own setting.
    pub statement_timeout: Option<Duration>,
    /// For the whole attempt per address, where the connection string has no connect_timeout.
    /// None: without limit.
    pub connect_timeout: Option<Duration>,
    /// What to do when a pooler is in between.
    pub pooler: OnPooler,
    /// Which settings it runs with.
    pub pins: Pins,
    /// Whether it reads views and foreign tables of users.
    pub views: bool,
    /// Further settings, made with SET after the login.
    pub settings: Vec<(String, String)>,
}

impl SessionOptions {
    /// No limits but 30 seconds for connecting, poolers refused.
    pub fn new(tool: &'static str, access: Access) -> Self {
        Self {
            tool,
            access,
            lock_timeout: None,
            statement_timeout: None,
            connect_timeout: Some(CONNECT_TIMEOUT),
            pooler: OnPooler::Refuse,
            pins: Pins::Canonical,
            views: false,
            settings: Vec::new(),
        }
    }

    /// Limits the wait for any lock.
    #[must_use]
    pub fn lock_timeout(mut self, limit: Duration) -> Self {
        self.lock_timeout = Some(limit);
        self
    }

    /// Limits the time of any statement.
    #[must_use]
    pub fn statement_timeout(mut self, limit: Duration) -> Self {
        self.statement_timeout = Some(limit);
        self
    }

    /// Limits the time to connect; None takes the limit away.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Option<Duration>) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// What to do when a pooler is in between.
    #[must_use]
    pub fn pooler(mut self, pooler: OnPooler) -> Self {
        self.pooler = pooler;
        self
    }

    /// Leaves the session as the server gives it.
    #[must_use]
    pub fn untouched(mut self) -> Self {
        self.pins = Pins::Untouched;
        self
    }

    /// Reads views and foreign tables of users, too: where the functions of a user's table run anyway, because rows are
    /// written to it or objects built on it.
    #[must_use]
    pub fn views(mut self) -> Self {
        self.views = true;
        self
    }

    /// One more setting for the session.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn application_name(&self) -> String {
        application_name(self.tool)
    }
}

pub(crate) fn application_name(tool: &str) -> String {
    if tool.starts_with("pgl-") {
        tool.to_owned()
    } else {
        format!("pgl-{tool}")
    }
}

/// How [`crate::Session::begin`] starts a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin<'a> {
    /// READ COMMITTED, writing allowed as far as the session's access goes.
    ReadWrite,
    /// READ COMMITTED READ ONLY.
    ReadOnly,
    /// REPEATABLE READ READ ONLY: one view of the data from the first statement on.
    Snapshot,
    /// The same, with the view that another session exported.
    Import(&'a str),
}

/// A message of the server that is no error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// `NOTICE`, `WARNING` … as the server wrote it.
    pub severity: String,
    /// Five characters.
    pub sqlstate: String,
    /// Primary message.
    pub message: String,
    /// DETAIL.
    pub detail: Option<String>,
    /// HINT.
    pub hint: Option<String>,
}
