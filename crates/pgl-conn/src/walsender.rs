//! Replication connections (`replication=database`): identifying a server, and creating a logical
//! slot together with the snapshot that matches it exactly.
//!
//! The driver knows no replication protocol, and the SQL function that creates slots exports no
//! snapshot. The snapshot lives until the connection that made it runs another command or ends;
//! [`SlotSnapshot`] therefore takes the connection and never speaks on it again.

use std::fmt;
use std::time::Duration;

use pgl_core::{Lsn, ServerVersion, Side, quote_ident};

use crate::cancel::{CancelHandle, RawCancel};
use crate::dial::{Role, Spot, dial};
use crate::endpoint::Endpoint;
use crate::error::{Error, Kind};
use crate::options;
use crate::params::TargetSessionAttrs;
use crate::session::Session;
use crate::session_options::{Access, SessionOptions, application_name};
use crate::stream::Way;
use crate::wire::{Login, Wire};

/// How a replication connection is to be set up.
#[derive(Debug, Clone)]
pub struct WalsenderOptions {
    /// The tool, as in [`SessionOptions::tool`].
    pub tool: &'static str,
    /// As in [`SessionOptions::connect_timeout`].
    pub connect_timeout: Option<Duration>,
    /// Further settings for the start-up packet, such as `output_plugin_libraries`. One that the
    /// server does not know, or that the role may not set, ends the login.
    pub settings: Vec<(String, String)>,
}

impl WalsenderOptions {
    /// 30 seconds for connecting, no further settings.
    pub fn new(tool: &'static str) -> Self {
        let connect_timeout = SessionOptions::new(tool, Access::ReadWrite).connect_timeout;
        Self {
            tool,
            connect_timeout,
            settings: Vec::new(),
        }
    }

    /// One more setting for the start-up packet.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// The answer to `IDENTIFY_SYSTEM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemIdentity {
    /// The cluster, unique for all practical purposes.
    pub system_identifier: String,
    /// Timeline.
    pub timeline: u32,
    /// Flushed up to here.
    pub position: Lsn,
    /// The database connected to.
    pub dbname: Option<String>,
}

/// How long a slot lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotLifetime {
    /// Until somebody drops it: it holds WAL back until then.
    Permanent,
    /// As long as the connection. From PostgreSQL 10.
    Temporary,
}

/// A replication connection.
pub struct Walsender {
    side: Side,
    wire: Wire,
    way: Way,
    version: ServerVersion,
    shown: String,
}

impl Walsender {
    /// Connects for replication to the database of the endpoint. The role needs REPLICATION.
    ///
    /// # Errors
    /// Those of [`Session::connect`].
    pub fn connect(endpoint: &Endpoint, options: &WalsenderOptions) -> Result<Self, Error> {
        if endpoint.target != TargetSessionAttrs::Any {
            // A replication connection cannot tell before version 10 what the server is; a session
            // can.
            let session = Session::connect(
                endpoint,
                &SessionOptions::new(options.tool, Access::ReadOnly)
                    .connect_timeout(options.connect_timeout),
            )?;
            return Self::connect(session.endpoint(), options);
        }
        let walsender = Self::dial(endpoint, options, &[])?;
        if walsender.version.major_num() == 906 {
            // It knows the timeout but takes no SET on this connection. Dropped first: the number
            // of such connections is limited.
            drop(walsender);
            return Self::dial(
                endpoint,
                options,
                &[("idle_in_transaction_session_timeout", "0")],
            );
        }
        Ok(walsender)
    }

    fn dial(
        endpoint: &Endpoint,
        options: &WalsenderOptions,
        more: &[(&str, &str)],
    ) -> Result<Self, Error> {
        // The exported snapshot is an open transaction as long as it lives: no timeout may end it.
        // An error of a command must not end the connection either.
        let mut settings = vec![
            ("statement_timeout", "0"),
            ("lock_timeout", "0"),
            ("exit_on_error", "off"),
        ];
        settings.extend_from_slice(more);
        settings.extend(
            options
                .settings
                .iter()
                .map(|(n, v)| (n.as_str(), v.as_str())),
        );
        let startup = options::append(endpoint.options.as_deref(), &settings);
        let name = application_name(options.tool);
        let for_thread = endpoint.clone();
        let landed = dial(endpoint, options.connect_timeout, move |spot| {
            let walsender = Self::open(&for_thread, spot, &name, &startup)?;
            Ok((
                walsender,
                Role {
                    standby: false,
                    read_only: false,
                },
            ))
        })?;
        Ok(landed.opened)
    }

    fn open(endpoint: &Endpoint, spot: &Spot, name: &str, startup: &str) -> Result<Self, Error> {
        let side = endpoint.side;
        let way = Way::new(endpoint, spot)?;
        let login = Login {
            user: &endpoint.user,
            password: spot.host.password.as_ref(),
            channel_binding: endpoint.channel_binding,
            parameters: &[
                ("user", &endpoint.user),
                ("database", &endpoint.dbname),
                ("replication", "database"),
                ("client_encoding", "UTF8"),
                ("application_name", name),
                ("options", startup),
            ],
        };
        let stream = way.open(side)?;
        let mut wire = Wire::login(side, stream, &login).map_err(|error| {
            error.or_certificate_refused(way.tls.used() && endpoint.tls.cert.is_some())
        })?;
        let shown = wire
            .parameters
            .get("server_version")
            .cloned()
            .unwrap_or_default();
        let version = parse_version(&shown).ok_or_else(|| {
            Error::new(
                side,
                Kind::Protocol,
                format!("cannot read the server version {shown:?}"),
            )
        })?;
        for (name, since) in [
            ("idle_in_transaction_session_timeout", 10),
            ("idle_session_timeout", 14),
            ("transaction_timeout", 17),
        ] {
            if version.at_least(since) {
                wire.query(&format!("SET {name} = 0"))?;
            }
        }
        Ok(Self {
            side,
            wire,
            way,
            version,
            shown: spot.host.to_string(),
        })
    }

    /// Which database this is.
    pub fn side(&self) -> Side {
        self.side
    }

    /// The server's version.
    pub fn version(&self) -> ServerVersion {
        self.version
    }

    /// The process that serves this connection.
    pub fn backend_pid(&self) -> i32 {
        self.wire.process
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.wire.is_tls()
    }

    /// What cancels the running command, from another thread: creating a slot waits for every
    /// transaction that is open.
    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle::raw(
            self.side,
            RawCancel {
                way: self.way.clone(),
                process: self.wire.process,
                secret: self.wire.secret,
            },
        )
    }

    /// Which cluster this is, and how far it has written.
    ///
    /// # Errors
    /// The server's, or [`Kind::Lost`].
    pub fn identify_system(&mut self) -> Result<SystemIdentity, Error> {
        let rows = self.command("IDENTIFY_SYSTEM")?;
        let identity = rows.first().and_then(|row| {
            let field = |index: usize| row.get(index).cloned().flatten();
            Some(SystemIdentity {
                system_identifier: field(0)?,
                timeline: field(1)?.parse().ok()?,
                position: field(2)?.parse().ok()?,
                dbname: field(3),
            })
        });
        identity.ok_or_else(|| self.odd("IDENTIFY_SYSTEM"))
    }

    /// Creates a logical slot and holds the snapshot that shows exactly what was committed before
    /// the slot's first change. Waits until every open transaction has ended.
    ///
    /// # Errors
    /// The server's: no free slot, the name is taken, the plugin is missing or not allowed.
    /// [`Kind::Lost`] leaves it open whether a permanent slot exists.
    pub fn create_logical_slot(
        mut self,
        name: &str,
        plugin: &str,
        lifetime: SlotLifetime,
    ) -> Result<SlotSnapshot, Error> {
        let temporary = match lifetime {
            SlotLifetime::Permanent => "",
            SlotLifetime::Temporary if self.version.at_least(10) => "TEMPORARY ",
            SlotLifetime::Temporary => {
                return Err(Error::new(
                    self.side,
                    Kind::Unsupported,
                    format!("PostgreSQL {} has no temporary slots", self.version),
                ));
            }
        };
        // Every version exports the snapshot without being asked; the word for it came later.
        let rows = self.command(&format!(
            "CREATE_REPLICATION_SLOT {} {temporary}LOGICAL {}",
            quote_ident(name),
            quote_ident(plugin)
        ))?;
        let made = rows.first().and_then(|row| {
            let field = |index: usize| row.get(index).cloned().flatten();
            Some((field(0)?, field(1)?.parse().ok()?, field(2)?))
        });
        let Some((slot, consistent_point, snapshot)) = made else {
            return Err(self.odd("CREATE_REPLICATION_SLOT"));
        };
        Ok(SlotSnapshot {
            slot,
            consistent_point,
            snapshot,
            holder: self,
        })
    }

    fn command(&mut self, text: &str) -> Result<crate::wire::Rows, Error> {
        let shown = &self.shown;
        self.wire.query(text).map_err(|error| {
            if error.is_lost() {
                error.with_context(format!("connection to {shown} lost"))
            } else {
                error
            }
        })
    }

    fn odd(&self, command: &str) -> Error {
        Error::new(
            self.side,
            Kind::Protocol,
            format!("cannot make sense of the answer to {command}"),
        )
    }
}

impl fmt::Debug for Walsender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walsender")
            .field("side", &self.side)
            .field("server", &self.shown)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// A slot and the snapshot that belongs to it, which can be imported
/// ([`Session::import_snapshot`]) as long as this exists.
#[derive(Debug)]
pub struct SlotSnapshot {
    slot: String,
    consistent_point: Lsn,
    snapshot: String,
    holder: Walsender,
}

impl SlotSnapshot {
    /// The slot's name.
    pub fn slot(&self) -> &str {
        &self.slot
    }

    /// Everything committed before is in the snapshot, everything after comes through the slot.
    pub fn consistent_point(&self) -> Lsn {
        self.consistent_point
    }

    /// The snapshot's identifier.
    pub fn snapshot(&self) -> &str {
        &self.snapshot
    }

    /// The process that holds the snapshot.
    pub fn backend_pid(&self) -> i32 {
        self.holder.backend_pid()
    }

    /// Looks whether the holder is still connected, without ending the snapshot.
    ///
    /// # Errors
    /// [`Kind::Lost`] when it is gone, and the snapshot with it.
    pub fn check(&mut self) -> Result<(), Error> {
        self.holder
            .wire
            .listen()
            .map_err(|error| error.with_context("the snapshot is gone with its connection"))
    }
}

/// `15.18 (Debian …)`, `9.4.26`, `17beta1`.
fn parse_version(text: &str) -> Option<ServerVersion> {
    let digits = |text: &str| -> Option<u32> {
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        text[..end].parse().ok()
    };
    let mut parts = text.split('.');
    let major = digits(parts.next()?)?;
    let second = parts.next().and_then(digits).unwrap_or(0);
    Some(ServerVersion(if major >= 10 {
        major * 10_000 + second
    } else {
        major * 10_000 + second * 100 + parts.next().and_then(digits).unwrap_or(0)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_servers_write_them() {
        for (text, number) in [
            ("15.18 (Debian 15.18-0+deb12u1)", 150_018),
            ("9.4.26", 90_426),
            ("17beta1", 170_000),
            ("18.6", 180_006),
        ] {
            assert_eq!(parse_version(text), Some(ServerVersion(number)), "{text}");
        }
        assert_eq!(parse_version("EnterpriseDB"), None);
    }
}
