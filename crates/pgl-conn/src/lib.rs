//! Connections: strings and URIs with libpq's meaning, TLS, sessions, replication connections,
//! cancelling, and one form of error.
//!
//! ```text
//! text + Environment -> Endpoint -> Session    queries, COPY, snapshots
//!                                -> Walsender  a slot and the snapshot that belongs to it
//!                                -> pg_dump, psql (client_conninfo, prepare_client)
//! ```
//!
//! The driver reads some connection strings differently from libpq, and others not at all; so it
//! never sees one. Reading is pure: the same text in the same [`Environment`] gives the same
//! [`Endpoint`]. Nothing else in the suite reads PG* variables or names the driver's client.
//!
//! # Honoured, as libpq does it
//!
//! - Keyword lists, URIs, bare database names; a string before the service file before the
//!   environment before defaults. `service`, `servicefile`, PGSERVICE, PGSERVICEFILE, PGSYSCONFDIR;
//!   `passfile`, PGPASSFILE, `~/.pgpass`; every PG* variable that stands for a keyword below.
//! - `host`, `hostaddr`, `port` as lists; names, addresses, socket directories, abstract sockets. A
//!   host that cannot be reached is skipped; a refused login ends the attempt. `load_balance_hosts`;
//!   all six `target_session_attrs`.
//! - `user`, `password`, `dbname`, `options`; SCRAM with and without channel binding, md5, clear text,
//!   certificates, trust, peer. `channel_binding`.
//! - `sslmode` with its second attempts, `sslrootcert` (also `system`), `sslcert`, `sslkey`, `sslpassword`,
//!   `sslcrl`, `sslcrldir`, `sslsni`, `sslnegotiation`, `ssl_min_protocol_version`,
//!   `ssl_max_protocol_version`, `sslcertmode` (allow, disable), and the files of `~/.postgresql`. The only
//!   authorities that count are the ones given. A root certificate is checked against in every mode.
//! - `connect_timeout` for each address, login included. `keepalives` and its kin, `tcp_user_timeout`.
//!
//! # Different on purpose
//!
//! - `application_name` is always `pgl-<tool>`, `client_encoding` always UTF-8 (another one is warned of).
//! - Without `connect_timeout` an attempt ends after [`SessionOptions::connect_timeout`]; `connect_timeout=0`
//!   means no limit. Keepalives begin after 60 seconds where the string does not say.
//! - Nobody is asked for a password or passphrase.
//! - A text in which the rest of a password would be taken for a host, port or keyword is refused
//!   without repeating it.
//!
//! # Refused by name, with a hint
//!
//! GSSAPI, SSPI and OAuth logins, `gssencmode=require`, `require_auth`, `requirepeer`, `sslcertmode=require`,
//! `sslcompression=1`, `sslkeylogfile`, `scram_client_key`, `scram_server_key`, `oauth_*`, `replication` other than
//! off, a `min_protocol_version` above 3.0, keys from OpenSSL engines, services from LDAP. `krbsrvname`,
//! `gsslib` and `gssdelegation` mean nothing unless the server asks for GSSAPI, which is refused then.
//! Any other keyword is an error that names it.
//!
//! # Sessions
//!
//! Every session runs in one canonical environment, whatever the role, database or user's options
//! say: UTC, ISO dates, full digits, hex, `search_path` of the catalog alone, no timeouts but those asked
//! for. It is sent with the login, read back, and completed by version. Where it does not arrive,
//! a pooler is in between, and the connection is refused ([`OnPooler`]): a setting made there would
//! reach the sessions of others.
//!
//! A lost connection looks like three different things in the driver; here it is [`Kind::Lost`].
//! Passwords are in [`Secret`], strings that may hold one in [`DsnText`]: neither can be printed. A [`DsnText`] goes into
//! a statement as a parameter. What a server says is freed of passwords: pglogical's errors repeat
//! whole connection strings.

mod cancel;
mod certname;
mod client;
mod conninfo;
mod copy;
mod dial;
mod dsn;
mod endpoint;
mod env;
mod error;
mod keywords;
mod open;
mod options;
mod params;
mod passfile;
mod report;
mod row_value;
mod secret;
mod service;
mod session;
mod session_gucs;
mod session_options;
mod settings;
mod stream;
mod tls;
mod tls_alert;
mod uri;
mod walsender;
mod watch;
mod wire;

pub use cancel::CancelHandle;
pub use client::client_output;
pub use copy::{CopyIn, CopyOut};
pub use dsn::{DsnOutline, MergedDsn, add_options};
pub use endpoint::Endpoint;
pub use env::{Environment, FileFacts, Files, MemoryFiles};
pub use error::{Error, Kind, Parts};
pub use params::{Host, SslMode, TargetSessionAttrs};
pub use row_value::field;
pub use secret::{DsnText, Secret};
pub use session::Session;
pub use session_gucs::{PLANNER, pinned};
pub use session_options::{Access, Begin, Notice, OnPooler, Pins, SessionOptions};
pub use walsender::{SlotLifetime, SlotSnapshot, SystemIdentity, Walsender, WalsenderOptions};
pub use watch::{Silent, Watch};

pub use postgres::Row;
pub use postgres::types;
pub use postgres::types::{FromSql, ToSql};
