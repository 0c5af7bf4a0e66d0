//! Where a run works: endpoints, the strings that pglogical keeps, the identity of both databases.

use std::path::PathBuf;

use pgl_apply::copy::encoding;
use pgl_apply::{Servers, Watch, subscription};
use pgl_catalog::facts::{Request, collect};
use pgl_catalog::link::ServerProbe;
use pgl_cli::{Context, Failure};
use pgl_conn::{DsnText, Environment, Error as ConnError, Session, add_options};
use pgl_core::Side;
use pgl_core::facts::{Asked, Facts};
use pgl_core::select::Selection;

use crate::args::Setup;

/// Endpoints and strings.
pub(crate) struct Place {
    pub(crate) servers: Servers,
    /// The source as the target's server reaches it, with pinned output settings.
    pub(crate) provider_dsn: DsnText,
    /// The target as its own server reaches it.
    pub(crate) subscriber_dsn: DsnText,
    /// The source without a password: pglogical keeps it, and only reverse replication uses it.
    pub(crate) source_note: DsnText,
    /// Whether the target's database has to be created.
    pub(crate) target_missing: bool,
    /// Where pg_dump is; without it on PATH and in the usual places.
    pub(crate) pg_bindir: Option<PathBuf>,
}

impl Place {
    /// What the checks look at.
    pub(crate) fn facts(
        &self,
        name: &str,
        selection: &Selection,
        watch: &dyn Watch,
    ) -> Result<Facts, pgl_conn::Error> {
        let request = Request {
            source: self.servers.source.clone(),
            target: Some(self.servers.target.clone()),
            provider_dsn: Some(self.provider_dsn.clone()),
            asked: Asked {
                name: name.to_owned(),
                selection: selection.clone(),
                ..Asked::default()
            },
            probe: ServerProbe::RolledBackSubscription,
            pg_bindir: self.pg_bindir.clone(),
            generated: false,
            tool: self.servers.tool,
        };
        let mut watched = Vec::new();
        collect(&request, &mut |handle| {
            watched.push(watch.cancel_on_stop(handle))
        })
    }

    /// Resolves what was typed and connects once to either side, so that every later session goes
    /// to the same servers.
    pub(crate) fn find(args: &Setup, context: &Context) -> Result<Self, Failure> {
        let environment = Environment::capture();
        let source = context.endpoint(Side::Source, &args.connect, &environment)?;
        let target = context.endpoint(Side::Target, &args.connect, &environment)?;
        let mut servers = Servers {
            tool: context.tool,
            source,
            target,
        };
        let provider = match &args.provider.provider_dsn {
            Some(text) => DsnText::new(text.clone()),
            None => servers.source.reachable_dsn()?,
        };
        let subscriber_dsn = match &args.subscriber_dsn {
            Some(text) => DsnText::new(text.clone()),
            None => servers.target.reachable_dsn()?,
        };
        for (option, stored) in [
            ("--provider-dsn", &provider),
            ("--subscriber-dsn", &subscriber_dsn),
        ] {
            if let Some(warning) = subscription::stored_password(option, Side::Target, stored)? {
                log::warn!("{warning}");
            }
        }
        let source_note = DsnText::new(servers.source.client_conninfo()?);
        let mut source = servers.session(Side::Source)?;
        servers.source = source.endpoint().clone();
        let (target_missing, encoding) = match servers.session(Side::Target) {
            Ok(mut session) => {
                servers.target = session.endpoint().clone();
                (false, encoding(&mut session)?)
            }
            // It is made with the source's.
            Err(error) if no_database(&error) => (true, encoding(&mut source)?),
            Err(error) => return Err(error.into()),
        };
        let merged = add_options(Side::Source, &provider, &subscription::pinned(&encoding))?;
        for warning in &merged.warnings {
            log::warn!("provider DSN: {warning}");
        }
        Ok(Self {
            servers,
            provider_dsn: merged.text,
            subscriber_dsn,
            source_note,
            target_missing,
            pg_bindir: args.programs.dir(),
        })
    }

    /// A session on a database of the target's server that is always there.
    pub(crate) fn maintenance(&self) -> Result<Session, ConnError> {
        let mut servers = self.servers.clone();
        servers.target = self.servers.target.with_dbname("postgres");
        servers.session(Side::Target)
    }
}

fn no_database(error: &ConnError) -> bool {
    error.is_sqlstate("3D000")
}
