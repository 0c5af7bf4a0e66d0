//! One SQL session: the canonical environment pinned and read back, statements, COPY, snapshots.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use fallible_iterator::FallibleIterator;
use pgl_core::{ServerVersion, Side, quote_literal};
use postgres::types::ToSql;
use postgres::{Client, Row};

use crate::cancel::{CancelHandle, GiveUp, LIMIT};
use crate::copy::{CopyIn, CopyOut};
use crate::dial::dial;
use crate::endpoint::Endpoint;
use crate::error::{Error, Kind, Phase};
use crate::open::{Notices, Opened, open, text_rows};
use crate::session_gucs::TABLES_ONLY;
use crate::session_options::{Access, Begin, Notice, SessionOptions};
use crate::tls::Tls;

/// An open session. Dropping it closes the connection and rolls back what is open.
pub struct Session {
    side: Side,
    client: Client,
    tls: Tls,
    endpoint: Endpoint,
    shown: String,
    version: ServerVersion,
    backend_pid: i32,
    standby: bool,
    pooler: bool,
    options: SessionOptions,
    requested: Arc<AtomicBool>,
    /// The driver itself knows only after the next attempt to read.
    lost: AtomicBool,
    notices: Notices,
    established: BTreeSet<&'static str>,
}

impl Session {
    /// Connects to the first server of the endpoint that will do, and pins the environment.
    ///
    /// # Errors
    /// [`Kind::Unreachable`], [`Kind::Auth`], [`Kind::Tls`], [`Kind::Timeout`], [`Kind::Pooler`]; [`Kind::Unsupported`] for
    /// a server older than 9.4.
    pub fn connect(endpoint: &Endpoint, options: &SessionOptions) -> Result<Self, Error> {
        let landed = {
            let (endpoint, options) = (endpoint.clone(), options.clone());
            dial(&endpoint.clone(), options.connect_timeout, move |spot| {
                open(&endpoint, &options, spot)
            })?
        };
        let Opened {
            client,
            tls,
            notices,
            version,
            backend_pid,
            standby,
            pooler,
        } = landed.opened;
        Ok(Self {
            side: endpoint.side,
            client,
            tls,
            endpoint: endpoint.pinned(&landed.spot.host, landed.spot.addr),
            shown: landed.spot.host.to_string(),
            version,
            backend_pid,
            standby,
            pooler,
            options: options.clone(),
            requested: Arc::default(),
            lost: AtomicBool::new(false),
            notices,
            established: BTreeSet::new(),
        })
    }

    /// Notes what a check has found and what holds for the rest of the session.
    pub fn establish(&mut self, fact: &'static str) {
        self.established.insert(fact);
    }

    /// Whether it has been noted.
    pub fn has_established(&self, fact: &'static str) -> bool {
        self.established.contains(fact)
    }

    /// Which database this is.
    pub fn side(&self) -> Side {
        self.side
    }

    /// The server's version.
    pub fn version(&self) -> ServerVersion {
        self.version
    }

    /// The process that serves this session.
    pub fn backend_pid(&self) -> i32 {
        self.backend_pid
    }

    /// Whether the server was in recovery when the session began.
    pub fn is_standby(&self) -> bool {
        self.standby
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.tls.used()
    }

    /// Whether a pooler dropped the settings of the start-up packet; see [`crate::OnPooler::Report`].
    pub fn pooler_suspected(&self) -> bool {
        self.pooler
    }

    /// Whether the connection is known to be gone. A server that died while the session was idle is
    /// noticed with the next statement only.
    pub fn is_closed(&self) -> bool {
        self.lost.load(Ordering::Relaxed) || self.client.is_closed()
    }

    /// The one server where this session landed, for further sessions to the same.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Rows of a statement. Without parameters it takes one round trip and leaves no prepared
    /// statement behind.
    ///
    /// # Errors
    /// The server's, or [`Kind::Lost`].
    pub fn query(&mut self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        let rows = if params.is_empty() {
            self.client.query_typed(sql, &[])
        } else {
            self.client.query(sql, params)
        };
        rows.map_err(|error| self.fail(&error))
    }

    /// Runs `run` in a session that reads views and foreign tables of users or does not; see
    /// [`SessionOptions::views`]. What it was before it is again afterwards, unless `run` left a failed transaction.
    ///
    /// # Errors
    /// The server's; whatever `run` says.
    pub fn with_views<T, E: From<Error>>(
        &mut self,
        views: bool,
        run: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        const SQL: &str = include_str!("../sql/views.sql");
        let kinds = if views { "" } else { TABLES_ONLY.1 };
        let before: Option<String> = match self.query(SQL, &[&kinds])?.first() {
            Some(row) => Some(crate::field(
                self.side,
                row,
                0,
                "the relations that are read",
            )?),
            None => None,
        };
        let outcome = run(self);
        if let Some(before) = before {
            let restored = self.query(SQL, &[&before]);
            if outcome.is_ok() {
                restored?;
            }
        }
        outcome
    }

    /// The only row of a statement.
    ///
    /// # Errors
    /// Also when there are none or several ([`Kind::Protocol`]).
    pub fn query_one(&mut self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Row, Error> {
        match self.query_opt(sql, params)? {
            Some(row) => Ok(row),
            None => Err(Error::new(
                self.side,
                Kind::Protocol,
                "expected one row, got none",
            )),
        }
    }

    /// The only row of a statement, if there is one.
    ///
    /// # Errors
    /// Also when there are several ([`Kind::Protocol`]).
    pub fn query_opt(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Error> {
        let mut rows = self.query(sql, params)?;
        if rows.len() > 1 {
            let message = format!("expected one row, got {}", rows.len());
            return Err(Error::new(self.side, Kind::Protocol, message));
        }
        Ok(rows.pop())
    }

    /// Rows one by one as they arrive, for results that do not fit into memory. An error of `each`
    /// ends the statement and is given back.
    ///
    /// # Errors
    /// The server's, [`Kind::Lost`], or that of `each`.
    pub fn for_each(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
        mut each: impl FnMut(Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let give_up = self.give_up();
        let (client_error, own) = match self.client.query_raw(sql, params.iter().copied()) {
            Err(error) => (Some(error), None),
            Ok(mut rows) => loop {
                match rows.next() {
                    Ok(None) => break (None, None),
                    Err(error) => break (Some(error), None),
                    Ok(Some(row)) => {
                        let Err(own) = each(row) else { continue };
                        // The server would go on sending into the next statement's time.
                        give_up.until(|| matches!(rows.next(), Ok(Some(_))));
                        break (None, Some(own));
                    }
                }
            },
        };
        if let Some(error) = client_error {
            return Err(self.fail(&error));
        }
        own.map_or(Ok(()), Err)
    }

    /// Rows as text, from one or several statements without parameters, over the simple protocol.
    ///
    /// # Errors
    /// The server's, or [`Kind::Lost`].
    pub fn query_text(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>, Error> {
        text_rows(&mut self.client, sql).map_err(|error| self.fail(&error))
    }

    /// Runs a statement: the number of rows it touched.
    ///
    /// # Errors
    /// The server's, or [`Kind::Lost`].
    pub fn execute(&mut self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<u64, Error> {
        let touched = if params.is_empty() {
            self.client.execute_typed(sql, &[])
        } else {
            self.client.execute(sql, params)
        };
        touched.map_err(|error| self.fail(&error))
    }

    /// Runs one or several statements without parameters. Several are one transaction unless they
    /// begin one themselves.
    ///
    /// # Errors
    /// The server's, or [`Kind::Lost`].
    pub fn batch(&mut self, sql: &str) -> Result<(), Error> {
        self.client
            .batch_execute(sql)
            .map_err(|error| self.fail(&error))
    }

    /// Has the server parse a statement, and neither plan nor run it.
    ///
    /// # Errors
    /// The server's, or [`Kind::Lost`].
    pub fn parse(&mut self, sql: &str) -> Result<(), Error> {
        let parsed = self.client.prepare(sql).map(drop);
        parsed.map_err(|error| self.fail(&error))
    }

    /// Starts a transaction.
    ///
    /// # Errors
    /// The server's, or [`Kind::Lost`].
    pub fn begin(&mut self, mode: Begin<'_>) -> Result<(), Error> {
        let mut sql = match mode {
            Begin::ReadWrite => "BEGIN ISOLATION LEVEL READ COMMITTED".to_owned(),
            Begin::ReadOnly => "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY".to_owned(),
            Begin::Snapshot => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY".to_owned(),
            Begin::Import(id) => format!(
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}",
                quote_literal(id)
            ),
        };
        if self.pooler {
            sql.push_str(";\n");
            sql.push_str(&self.options.set_local(self.version));
        }
        let outcome = self.batch(&sql);
        if outcome.is_err() && !self.is_closed() {
            // BEGIN itself may have succeeded: an import of a snapshot that is gone leaves an
            // aborted transaction behind.
            self.rollback()?;
        }
        outcome
    }

    /// COMMIT.
    ///
    /// # Errors
    /// The server's. [`Kind::Lost`] here means that the outcome is unknown.
    pub fn commit(&mut self) -> Result<(), Error> {
        self.batch("COMMIT")
            .inspect_err(|_| self.established.clear())
    }

    /// ROLLBACK; also where no transaction is open.
    ///
    /// # Errors
    /// The server's, or [`Kind::Lost`].
    pub fn rollback(&mut self) -> Result<(), Error> {
        // What was found within the transaction may be undone with it.
        self.established.clear();
        self.batch("ROLLBACK")
    }

    /// Starts a transaction with the view that another session exported: [`Begin::Import`].
    ///
    /// # Errors
    /// When the snapshot is gone, or not of this database.
    pub fn import_snapshot(&mut self, id: &str) -> Result<(), Error> {
        self.begin(Begin::Import(id))
    }

    /// Starts a [`Begin::Snapshot`] transaction and exports its view; it can be imported until this
    /// session ends the transaction.
    ///
    /// # Errors
    /// The server's: a standby cannot export before version 10.
    pub fn export_snapshot(&mut self) -> Result<String, Error> {
        self.begin(Begin::Snapshot)?;
        let row = self.query_one("SELECT pg_catalog.pg_export_snapshot()", &[])?;
        row.try_get(0).map_err(|error| self.fail(&error))
    }

    /// The output of a `COPY … TO STDOUT`.
    ///
    /// # Errors
    /// The server's, or [`Kind::Lost`]; later ones come from the stream, see [`Error::from_io`].
    pub fn copy_out(&mut self, sql: &str) -> Result<CopyOut<'_>, Error> {
        let give_up = self.give_up();
        let side = self.side;
        match self.client.copy_out(sql) {
            Ok(reader) => Ok(CopyOut::new(side, reader, give_up)),
            Err(error) => Err(Error::from_driver(side, &error, Phase::Established)),
        }
    }

    /// The input of a `COPY … FROM STDIN`; it must be finished with [`CopyIn::finish`].
    ///
    /// # Errors
    /// The server's, or [`Kind::Lost`]; later ones come from the stream, see [`Error::from_io`].
    pub fn copy_in(&mut self, sql: &str) -> Result<CopyIn<'_>, Error> {
        let side = self.side;
        match self.client.copy_in(sql) {
            Ok(writer) => Ok(CopyIn::new(side, writer)),
            Err(error) => Err(Error::from_driver(side, &error, Phase::Established)),
        }
    }

    /// What cancels the running statement, from another thread.
    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle::driver(
            self.side,
            self.client.cancel_token(),
            self.tls.clone(),
            self.requested.clone(),
        )
    }

    fn give_up(&self) -> GiveUp {
        const SQL: &str = include_str!("../sql/cancel_backend.sql");
        let (endpoint, backend_pid) = (self.endpoint.clone(), self.backend_pid);
        let name = self.options.application_name();
        GiveUp {
            signal: Box::new(move || {
                let options = SessionOptions::new("cancel", Access::ReadOnly)
                    .connect_timeout(Some(LIMIT))
                    .statement_timeout(LIMIT);
                let rows =
                    Self::connect(&endpoint, &options)?.query(SQL, &[&backend_pid, &name])?;
                if rows
                    .iter()
                    .any(|row| row.try_get(0).is_ok_and(|done: bool| done))
                {
                    return Ok(());
                }
                let message = "the session is not on the server that answers";
                Err(Error::new(endpoint.side, Kind::Protocol, message))
            }),
            request: self.cancel_handle(),
        }
    }

    /// The server's notices and warnings since the last call.
    pub fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut *self.notices.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes sure that the server is still there; costs a round trip.
    ///
    /// # Errors
    /// [`Kind::Lost`].
    pub fn ping(&mut self) -> Result<(), Error> {
        self.batch("")
    }

    fn fail(&self, error: &postgres::Error) -> Error {
        let mut own = Error::from_driver(self.side, error, Phase::Established);
        if own.kind == Kind::Cancelled {
            // The texts are translated, so the reason cannot be read from them.
            let asked = self.requested.swap(false, Ordering::SeqCst);
            if !asked && self.options.statement_timeout.is_some() {
                own.kind = Kind::Timeout;
            }
        }
        if self.client.is_closed() {
            own.kind = Kind::Lost;
        }
        if own.is_lost() {
            self.lost.store(true, Ordering::Relaxed);
            own = own.with_context(format!("connection to {} lost", self.shown));
        }
        own
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("endpoint", &self.endpoint)
            .field("version", &self.version)
            .field("backend_pid", &self.backend_pid)
            .finish_non_exhaustive()
    }
}
