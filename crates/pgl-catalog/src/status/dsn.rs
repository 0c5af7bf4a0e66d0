//! The subscription's own connection string, tried from where this program runs.

use std::time::Duration;

use pgl_conn::{
    Access, DsnText, Endpoint, Environment, Error, Kind, Session, SessionOptions, Walsender,
    WalsenderOptions,
};
use pgl_core::Side;
use pgl_core::status::facts::{DsnEnd, Seen, Trouble, TroubleKind};

/// It is tried only to learn why it fails.
const LIMIT: Duration = Duration::from_secs(5);

/// Connects as pglogical would, as far as that can be done from here: to the database, and for
/// replication. The files that it names are the other machine's: the certificate of the server that
/// `ours` leads to is checked as there.
pub fn try_dsn(dsn: &DsnText, ours: Option<&Endpoint>) -> Seen<DsnEnd> {
    let Some(endpoint) = provider(dsn).and_then(|endpoint| endpoint.from_here(ours)) else {
        return Seen::NotGiven;
    };
    let options = SessionOptions::new("status", Access::ReadOnly)
        .connect_timeout(Some(LIMIT))
        .statement_timeout(LIMIT);
    let reached = Session::connect(&endpoint, &options)
        .and_then(|mut session| crate::database(&mut session))
        .and_then(|database| {
            let mut walsender = Walsender::connect(&endpoint, &WalsenderOptions::new("status"))?;
            walsender.identify_system()?;
            Ok(database)
        });
    match reached {
        Ok(database) => Seen::Known(DsnEnd {
            system_identifier: database.system_identifier,
            database: database.database,
        }),
        Err(error) if error.kind == Kind::Auth && endpoint.lacks_passfile() => Seen::NotGiven,
        Err(error) => Seen::Failed(trouble(&error)),
    }
}

/// The subscription's DSN as libpq would read it in surroundings that hold nothing of ours.
pub fn provider(dsn: &DsnText) -> Option<Endpoint> {
    match Endpoint::resolve(Side::Source, Some(dsn.expose()), &Environment::bare()) {
        Ok(endpoint) => Some(endpoint),
        Err(error) => {
            log::info!("the subscription's provider DSN: {error}");
            None
        }
    }
}

/// What an error means for somebody who only looks.
pub fn trouble(error: &Error) -> Trouble {
    let recovering = matches!(error.sqlstate.as_deref(), Some("57P03" | "57P01" | "57P02"));
    let kind = match error.kind {
        _ if recovering => TroubleKind::Recovering,
        Kind::Unreachable | Kind::Lost | Kind::Timeout => TroubleKind::Unreachable,
        Kind::Auth => TroubleKind::Auth,
        Kind::Tls => TroubleKind::Tls,
        Kind::Denied => TroubleKind::NotPermitted,
        _ => TroubleKind::Other,
    };
    Trouble {
        kind,
        message: error.to_string(),
        sqlstate: error.sqlstate.clone(),
        hint: error.hint.clone(),
    }
}
