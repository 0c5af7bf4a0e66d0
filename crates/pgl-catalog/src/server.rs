//! Facts of one server as a whole. Each section is one statement, outside a transaction, so that
//! one that fails (a missing right, a view that a managed service hides) costs its section alone.

use pgl_conn::{Access, Error, Kind, Session, SessionOptions, ToSql};
use pgl_core::ServerVersion;
use pgl_core::facts::Section;
use pgl_core::facts::server::{
    Identity, NativeSubscription, Pglogical, Role, ServerState, WATCHED,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{row, rows};

/// A statement in the variant for a server: the first of `variants` whose number is above the
/// server's version, else the newest.
macro_rules! variant {
    ($version:expr, $newest:literal $(, $below:literal => $older:literal)*) => {{
        let version: ServerVersion = $version;
        $(if version < ServerVersion($below) {
            include_str!(concat!("../sql/server/", $older, ".sql"))
        } else)* {
            include_str!(concat!("../sql/server/", $newest, ".sql"))
        }
    }};
}

/// Reads everything. The number of statements does not depend on what the database holds. A second
/// connection to the same server looks at the settings that a new session gets, which ours pins.
///
/// # Errors
/// Only when the connection is lost; everything else becomes [`Section::Unknown`].
pub fn collect(session: &mut Session) -> Result<ServerState, Error> {
    let v = session.version();
    let since = |number: u32| v.at_least_num(number);
    let watched: &[&(dyn ToSql + Sync)] = &[&WATCHED];
    let extensions = all(session, include_str!("../sql/server/extensions.sql"), &[])?;
    let pglogical = pglogical(session, &extensions)?;
    Ok(ServerState {
        identity: identity(session)?,
        settings: settings(session)?,
        overrides: all(
            session,
            include_str!("../sql/server/overrides.sql"),
            watched,
        )?,
        roles: section(roles(session))?,
        rights: one(
            session,
            variant!(v, "rights", 90_500 => "rights_pg94", 150_000 => "rights_pg14"),
        )?,
        relation_rights: all(
            session,
            variant!(v, "relation_rights", 90_500 => "relation_rights_pg94"),
            &[],
        )?,
        referenced_roles: all(
            session,
            include_str!("../sql/server/referenced_roles.sql"),
            &[],
        )?,
        truncators: all(session, include_str!("../sql/server/truncators.sql"), &[])?,
        system_grants: all_since(
            session,
            since(90_600),
            include_str!("../sql/server/system_grants.sql"),
        )?,
        md5_roles: names(session, include_str!("../sql/server/md5_roles.sql"))?,
        backends: one(session, variant!(v, "backends", 100_000 => "backends_pg96"))?,
        sessions: all(
            session,
            variant!(v, "sessions", 100_000 => "sessions_pg96"),
            &[],
        )?,
        prepared: all(session, include_str!("../sql/server/prepared.sql"), &[])?,
        slots: all(
            session,
            variant!(
                v, "slots", 100_000 => "slots_pg96", 130_000 => "slots_pg12", 140_000 => "slots_pg13",
                170_000 => "slots_pg16"
            ),
            &[],
        )?,
        senders: all(
            session,
            variant!(v, "senders", 90_500 => "senders_pg94"),
            &[],
        )?,
        origins: all_since(
            session,
            since(90_500),
            include_str!("../sql/server/origins.sql"),
        )?,
        pglogical,
        own_schemas: all(session, include_str!("../sql/pgl_schema.sql"), &[])?,
        publications: all_since(
            session,
            since(100_000),
            include_str!("../sql/server/publications.sql"),
        )?,
        subscriptions: all_since(
            session,
            since(100_000),
            include_str!("../sql/server/subscriptions.sql"),
        )?,
        extensions,
        available: all(session, include_str!("../sql/server/available.sql"), &[])?,
        databases: all(
            session,
            variant!(
                v, "databases",
                90_500 => "databases_pg94", 150_000 => "databases_pg14", 170_000 => "databases_pg16"
            ),
            &[],
        )?,
        collation_uses: all(
            session,
            variant!(v, "collation_uses", 100_000 => "collation_uses_pg96"),
            &[],
        )?,
        catalog_collations: names(
            session,
            include_str!("../sql/server/catalog_collations.sql"),
        )?,
        order_probe: names(session, include_str!("../sql/server/order_probe.sql"))?,
        volume: one(session, include_str!("../sql/server/volume.sql"))?,
        write_rate: one(
            session,
            variant!(v, "write_rate", 100_000 => "write_rate_pg96", 140_000 => "write_rate_pg13"),
        )?,
    })
}

/// All roles of the server.
///
/// # Errors
/// The server's.
pub fn roles(session: &mut Session) -> Result<Vec<Role>, Error> {
    let sql = variant!(session.version(), "roles", 90_500 => "roles_pg94", 160_000 => "roles_pg15");
    rows(session, sql, &[])
}

/// A lost connection ends the collection; any other failure becomes the section's reason.
pub(crate) fn section<T>(outcome: Result<T, Error>) -> Result<Section<T>, Error> {
    match outcome {
        Ok(value) => Ok(Section::Known(value)),
        Err(error) if error.is_lost() => Err(error),
        Err(error) => Ok(Section::Unknown(reason(&error))),
    }
}

/// The server's message with its SQLSTATE.
pub(crate) fn reason(error: &Error) -> String {
    match &error.sqlstate {
        Some(code) => format!("{} ({code})", error.message),
        None => error.message.clone(),
    }
}

/// Native subscriptions of this database; none before 10.
///
/// # Errors
/// The server's.
pub fn subscriptions(session: &mut Session) -> Result<Vec<NativeSubscription>, Error> {
    if !session.version().at_least(10) {
        return Ok(Vec::new());
    }
    rows(
        session,
        include_str!("../sql/server/subscriptions.sql"),
        &[],
    )
}

fn all<T: DeserializeOwned>(
    session: &mut Session,
    sql: &str,
    params: &[&(dyn ToSql + Sync)],
) -> Result<Section<Vec<T>>, Error> {
    section(rows(session, sql, params))
}

/// Rows of a catalog that older servers do not have: there, nothing can be in it.
fn all_since<T: DeserializeOwned>(
    session: &mut Session,
    exists: bool,
    sql: &str,
) -> Result<Section<Vec<T>>, Error> {
    if exists {
        all(session, sql, &[])
    } else {
        Ok(Section::Known(Vec::new()))
    }
}

fn one<T: DeserializeOwned>(session: &mut Session, sql: &str) -> Result<Section<T>, Error> {
    section(row(session, sql, &[]))
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

fn names(session: &mut Session, sql: &str) -> Result<Section<Vec<String>>, Error> {
    section(rows::<Named>(session, sql, &[]).map(|all| all.into_iter().map(|n| n.name).collect()))
}

fn identity(session: &mut Session) -> Result<Section<Identity>, Error> {
    let v = session.version();
    let newest = variant!(v, "identity", 90_500 => "identity_pg94", 90_600 => "identity_pg95");
    let seen = match row(session, newest, &[]) {
        Err(error) if error.kind == Kind::Denied => row(
            session,
            include_str!("../sql/server/identity_pg95.sql"),
            &[],
        ),
        other => other,
    };
    section(seen)
}

/// The settings of a new session. Ours has some of them pinned in the start-up packet, and there
/// the server's own value cannot be seen any more.
fn settings(
    session: &mut Session,
) -> Result<Section<Vec<pgl_core::facts::server::Setting>>, Error> {
    let options = SessionOptions::new("preflight", Access::ReadOnly).untouched();
    let sql = variant!(session.version(), "settings", 90_500 => "settings_pg94");
    let seen = Session::connect(session.endpoint(), &options)
        .and_then(|mut plain| rows(&mut plain, sql, &[&WATCHED]));
    Ok(match seen {
        Ok(value) => Section::Known(value),
        // A second connection that fails says nothing about the first.
        Err(error) => Section::Unknown(reason(&error)),
    })
}

fn pglogical(
    session: &mut Session,
    extensions: &Section<Vec<pgl_core::facts::server::Extension>>,
) -> Result<Section<Option<Pglogical>>, Error> {
    if let Section::Known(installed) = extensions
        && !installed
            .iter()
            .any(|extension| extension.name == "pglogical")
    {
        return Ok(Section::Known(None));
    }
    section(row(session, include_str!("../sql/server/pglogical.sql"), &[]).map(Some))
}
