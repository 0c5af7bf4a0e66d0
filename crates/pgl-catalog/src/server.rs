//! Facts of one server as a whole. Each section is one statement, outside a transaction, so that
//! one that fails (a missing right, a view that a managed service hides) costs its section alone.

use pgl_conn::{Access, Error, Kind, Session, SessionOptions};
use pgl_core::QualifiedName;
use pgl_core::facts::Section;
use pgl_core::facts::server::{
    Extension, Identity, NativeSubscription, Override, Password, Pglogical, Rights, Role,
    ServerState, Setting, Unpermitted, WATCHED,
};
use pgl_core::rights::{Grantee, RIGHTS, Right};
use serde::de::DeserializeOwned;

use crate::{column, row, rows};

/// Reads everything. The number of statements does not depend on what the database holds. A second
/// connection to the same server looks at the settings that a new session gets, which ours pins.
///
/// # Errors
/// Only when the connection is lost; everything else becomes [`Section::Unknown`].
pub fn collect(session: &mut Session) -> Result<ServerState, Error> {
    let v = session.version();
    let extensions = all(session, sql!("server/extensions"))?;
    let pglogical = pglogical(session, &extensions)?;
    let overrides = section(rows(session, sql!("server/overrides"), &[&WATCHED]))?;
    let not_permitted = section(not_permitted(session, &[], &read_only(&overrides), true))?;
    Ok(ServerState {
        identity: identity(session)?,
        settings: settings(session)?,
        overrides,
        roles: section(roles(session))?,
        rights: section(rights(session))?,
        relation_rights: all(
            session,
            sql!(v, 90_500 => "server/relation_rights_pg94", _ => "server/relation_rights"),
        )?,
        not_permitted,
        referenced_roles: all(session, sql!("server/referenced_roles"))?,
        truncators: all(session, sql!("server/truncators"))?,
        system_grants: since(90_600, session, sql!("server/system_grants"))?,
        parameter_grants: since(150_000, session, sql!("server/parameter_grants"))?,
        passwords: section(passwords(session))?,
        backends: one(
            session,
            sql!(v, 100_000 => "server/backends_pg96", _ => "server/backends"),
        )?,
        sessions: all(session, sql!("server/sessions"))?,
        prepared: all(session, sql!("server/prepared"))?,
        slots: all(
            session,
            sql!(
                v, 100_000 => "server/slots_pg96", 140_000 => "server/slots_pg13", _ => "server/slots"
            ),
        )?,
        senders: all(
            session,
            sql!(v, 90_500 => "server/senders_pg94", _ => "server/senders"),
        )?,
        origins: since(90_500, session, sql!("server/origins"))?,
        pglogical,
        own_schemas: all(session, sql!("pgl_schema"))?,
        publications: since(100_000, session, sql!("server/publications"))?,
        subscriptions: section(subscriptions(session))?,
        extensions,
        available: all(session, sql!("server/available"))?,
        databases: all(
            session,
            sql!(
                v, 90_500 => "server/databases_pg94", 150_000 => "server/databases_pg14", _ => "server/databases"
            ),
        )?,
        collation_uses: all(
            session,
            sql!(v, 100_000 => "server/collation_uses_pg96", _ => "server/collation_uses"),
        )?,
        catalog_collations: names(session, sql!("server/catalog_collations"))?,
        order_probe: names(session, sql!("server/order_probe"))?,
        volume: one(session, sql!("server/volume"))?,
        write_rate: one(
            session,
            sql!(
                v, 100_000 => "server/write_rate_pg96", 140_000 => "server/write_rate_pg13",
                _ => "server/write_rate"
            ),
        )?,
    })
}

/// All roles of the server.
///
/// # Errors
/// The server's.
pub fn roles(session: &mut Session) -> Result<Vec<Role>, Error> {
    let sql = sql!(
        session.version(), 160_000 => "server/roles_pg15", _ => "server/roles"
    );
    rows(session, sql, &[])
}

/// Roles that have a password.
///
/// # Errors
/// The server's: only a superuser may look.
pub fn passwords(session: &mut Session) -> Result<Vec<Password>, Error> {
    rows(session, sql!("server/passwords"), &[])
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
    rows(session, sql!("server/subscriptions"), &[])
}

fn all<T: DeserializeOwned>(session: &mut Session, sql: &str) -> Result<Section<Vec<T>>, Error> {
    section(rows(session, sql, &[]))
}

/// Rows of a catalog that older servers do not have: there, nothing can be in it.
fn since<T: DeserializeOwned>(
    number: u32,
    session: &mut Session,
    sql: &str,
) -> Result<Section<Vec<T>>, Error> {
    if session.version().at_least_num(number) {
        all(session, sql)
    } else {
        Ok(Section::Known(Vec::new()))
    }
}

fn one<T: DeserializeOwned>(session: &mut Session, sql: &str) -> Result<Section<T>, Error> {
    section(row(session, sql, &[]))
}

/// That of `session_replication_role` is tried: managed services give it in ways of their own.
fn rights(session: &mut Session) -> Result<Rights, Error> {
    let mut found: Rights = row(session, sql!("server/rights"), &[])?;
    found.lacking = Some(lacking(session, RIGHTS)?);
    let tried = session.batch("BEGIN; SET LOCAL session_replication_role = replica; ROLLBACK");
    found.set_replication_role = match tried {
        Ok(()) => true,
        Err(error) if error.kind == Kind::Denied => {
            session.rollback()?;
            false
        }
        Err(error) => return Err(error),
    };
    Ok(found)
}

/// What the connected role lacks of the functions of these rights, and of their privileges on tables.
///
/// # Errors
/// The server's.
pub fn lacking(session: &mut Session, rights: &[Right]) -> Result<Vec<String>, Error> {
    let functions: Vec<&str> = rights
        .iter()
        .flat_map(|one| one.functions)
        .copied()
        .collect();
    let tables = rights.iter().flat_map(|one| one.tables).copied();
    let (tables, privileges): (Vec<&str>, Vec<&str>) = tables.unzip();
    column(
        session,
        sql!("lacking"),
        &[&functions, &tables, &privileges],
    )
}

/// What a cutover does to these tables and sequences, to the database, and to these roles' settings, and the connected role may not;
/// where `applies`, rows are applied to the database from the promotion on.
///
/// # Errors
/// The server's.
pub fn not_permitted(
    session: &mut Session,
    relations: &[QualifiedName],
    roles: &[&str],
    applies: bool,
) -> Result<Vec<Unpermitted>, Error> {
    let (schemas, names) = QualifiedName::split(relations);
    let sql = sql!("server/not_permitted");
    rows(session, sql, &[&schemas, &names, &roles, &applies])
}

/// Roles with a `default_transaction_read_only` of their own, in whichever database.
fn read_only(overrides: &Section<Vec<Override>>) -> Vec<&str> {
    let all = overrides
        .get()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter();
    let own = all.filter(|one| one.name == "default_transaction_read_only");
    own.filter_map(|one| one.role.as_deref()).collect()
}

fn names(session: &mut Session, sql: &str) -> Result<Section<Vec<String>>, Error> {
    section(column(session, sql, &[]))
}

/// The role that is connected, as one that lacks a right.
///
/// # Errors
/// The server's.
pub fn grantee(session: &mut Session) -> Result<Grantee, Error> {
    // What it has more on newer servers is not needed here.
    let seen: Identity = row(session, sql!("server/identity_pg94"), &[])?;
    let role: String = session.value("SELECT current_user::text", &[], "the role")?;
    Ok(seen.grantee(&role))
}

fn identity(session: &mut Session) -> Result<Section<Identity>, Error> {
    let v = session.version();
    let newest = sql!(
        v, 90_500 => "server/identity_pg94", 90_600 => "server/identity_pg95", _ => "server/identity"
    );
    let seen = match row(session, newest, &[]) {
        Err(error) if error.kind == Kind::Denied => row(session, sql!("server/identity_pg95"), &[]),
        other => other,
    };
    section(seen)
}

/// The settings of a new session. Ours has some of them pinned in the start-up packet, and there
/// the server's own value cannot be seen any more.
fn settings(session: &mut Session) -> Result<Section<Vec<Setting>>, Error> {
    let options = SessionOptions::new("preflight", Access::ReadOnly).untouched();
    let sql = sql!("server/settings");
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
    extensions: &Section<Vec<Extension>>,
) -> Result<Section<Option<Pglogical>>, Error> {
    if let Section::Known(installed) = extensions
        && !installed
            .iter()
            .any(|extension| extension.name == "pglogical")
    {
        return Ok(Section::Known(None));
    }
    section(row(session, sql!("server/pglogical"), &[]).map(Some))
}
