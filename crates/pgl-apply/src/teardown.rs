//! Carrying out removals: one statement after the other, each on its own.

use std::time::{Duration, Instant};

use pgl_catalog::server::grantee;
use pgl_conn::{Error as ConnError, Session};
use pgl_core::rights::DROP_ORIGIN;
use pgl_core::teardown::{Removal, RemovalKind};
use pgl_core::{QualifiedName, Side, quote_ident, quote_literal};

use crate::{Error, Watch};

/// How long a slot's user may take to let go after its subscription is gone.
const SLOT_PATIENCE: Duration = Duration::from_secs(15);
/// How long tables may stay in use until their triggers can be dropped, each try being short.
const TABLE_PATIENCE: Duration = Duration::from_secs(120);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(250);

/// The statements of a removal, in order, each to be run on its own. All of them may be run again.
pub fn statements(removal: &Removal) -> Vec<String> {
    let object = &removal.object;
    let literal = quote_literal(object);
    match removal.kind {
        RemovalKind::Subscription => vec![format!(
            "SELECT pglogical.drop_subscription(subscription_name := {literal}, ifexists := true)"
        )],
        // drop_subscription has taken it along where it could reach this server.
        RemovalKind::Slot => vec![format!(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = {literal}"
        )],
        RemovalKind::Node => vec![format!(
            "SELECT pglogical.drop_node(node_name := {literal}, ifexists := true)"
        )],
        RemovalKind::Origin => vec![format!(
            "SELECT pg_replication_origin_drop(roname) FROM pg_replication_origin WHERE roname = {literal}"
        )],
        RemovalKind::Grant => {
            let who = if object == "PUBLIC" {
                object.clone()
            } else {
                quote_ident(object)
            };
            vec![format!("REVOKE USAGE ON SCHEMA pglogical FROM {who}")]
        }
        RemovalKind::Execute if object == "PUBLIC" => {
            vec!["GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pglogical TO PUBLIC".to_owned()]
        }
        RemovalKind::Execute => vec![format!(
            "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA pglogical FROM {}",
            quote_ident(object)
        )],
        // Without CASCADE: an object of somebody else's that depends on it stops this. The empty
        // schema does not go with the extension.
        RemovalKind::Extension => vec![
            format!("DROP EXTENSION IF EXISTS {}", quote_ident(object)),
            format!("DROP SCHEMA IF EXISTS {}", quote_ident(object)),
        ],
        RemovalKind::WriteBlockTriggers | RemovalKind::DisabledTriggers => {
            removal.statements.clone()
        }
        RemovalKind::Triggers => removal
            .triggers
            .iter()
            .map(|trigger| {
                format!(
                    "DROP TRIGGER IF EXISTS {} ON {}",
                    quote_ident(&trigger.name),
                    QualifiedName::new(&trigger.schema, &trigger.table).sql()
                )
            })
            .collect(),
        RemovalKind::Journal => ["journal", "held"]
            .map(|table| format!("DELETE FROM pgl.{table} WHERE migration = {literal}"))
            .to_vec(),
        RemovalKind::Schema => vec![
            include_str!("../sql/drop_own_schema.sql")
                .trim_end()
                .to_owned(),
        ],
        RemovalKind::Role => vec![format!("DROP ROLE {}", quote_ident(object))],
    }
}

/// Removes one thing. What is gone already is no error: every statement says "if exists" in its
/// own way, and an extension that is gone takes its functions along.
///
/// # Errors
/// The server's; [`Error::NotYet`] for a slot that somebody still uses.
pub fn remove(session: &mut Session, removal: &Removal, watch: &dyn Watch) -> Result<(), Error> {
    match removal.kind {
        RemovalKind::Subscription => end_copies(session, &removal.object)?,
        // A role without the right to drop origins is refused before the server finds none.
        RemovalKind::Origin if !origin_exists(session, &removal.object)? => return Ok(()),
        _ => {}
    }
    // Writers queue behind a lock on a table that waits: each try is short.
    let on_tables = matches!(
        removal.kind,
        RemovalKind::Triggers | RemovalKind::WriteBlockTriggers | RemovalKind::DisabledTriggers
    );
    if on_tables {
        session.batch("SET lock_timeout = '500ms'")?;
    }
    let outcome = run(session, removal, watch);
    if on_tables && !session.is_closed() {
        session.batch("RESET lock_timeout")?;
    }
    outcome
}

fn run(session: &mut Session, removal: &Removal, watch: &dyn Watch) -> Result<(), Error> {
    let started = Instant::now();
    for statement in &statements(removal) {
        loop {
            if watch.stop() {
                return Err(Error::Interrupted);
            }
            match session.batch(statement) {
                Ok(()) => break,
                Err(error) if gone(&error) => break,
                Err(error) if locked(&error) && started.elapsed() < TABLE_PATIENCE => {
                    std::thread::sleep(PAUSE);
                }
                Err(error) if locked(&error) => return Err(table_in_use(removal, &error)),
                Err(error) if busy(&error) && started.elapsed() < SLOT_PATIENCE => {
                    std::thread::sleep(PAUSE);
                }
                Err(error) if busy(&error) => return Err(in_use(removal.side, removal, &error)),
                Err(error)
                    if error.kind == pgl_conn::Kind::Denied
                        && removal.kind == RemovalKind::Origin =>
                {
                    return Err(no_right(session, removal, &error)?);
                }
                Err(error) => {
                    let doing = format!("dropping {} {}", removal.kind.as_str(), removal.object);
                    return Err(error.with_context(doing).into());
                }
            }
        }
    }
    Ok(())
}

fn origin_exists(session: &mut Session, origin: &str) -> Result<bool, ConnError> {
    session.value(
        "SELECT EXISTS (SELECT FROM pg_replication_origin WHERE roname = $1)",
        &[&origin],
        "whether the replication origin exists",
    )
}

fn no_right(
    session: &mut Session,
    removal: &Removal,
    error: &ConnError,
) -> Result<Error, ConnError> {
    Ok(Error::refused(
        removal.side,
        format!("origin {}: {}", removal.object, error.message),
        format!(
            "as a superuser of this server: SELECT pg_replication_origin_drop({}); or {}; then run this again",
            quote_literal(&removal.object),
            DROP_ORIGIN.hint(removal.side, &grantee(session)?)
        ),
    ))
}

/// Ends the backends of a copy that pglogical itself runs: until they end, dropping the
/// subscription would wait for them.
fn end_copies(session: &mut Session, subscription: &str) -> Result<(), ConnError> {
    let name = format!("{subscription}_copy");
    session
        .query(include_str!("../sql/end_copies.sql"), &[&name])
        .map(drop)
}

/// Slot, function, schema or role that is not there (any more).
fn gone(error: &ConnError) -> bool {
    ["42704", "42883", "3F000"]
        .iter()
        .any(|state| error.is_sqlstate(state))
}

/// The lock on a table was not given in time, or would have been a deadlock.
fn locked(error: &ConnError) -> bool {
    error.kind == pgl_conn::Kind::LockTimeout || error.is_sqlstate("40P01")
}

fn table_in_use(removal: &Removal, error: &ConnError) -> Error {
    Error::NotYet {
        side: removal.side,
        what: format!(
            "{} {}: {}",
            removal.kind.as_str(),
            removal.object,
            error.message
        ),
        hint: "a long transaction uses one of these tables; run this again when it has ended"
            .to_owned(),
    }
}

/// `object_in_use`: a slot that is read, or one of the node's slots.
fn busy(error: &ConnError) -> bool {
    error.is_sqlstate("55006")
        || error
            .message
            .contains("slots for the node are still active")
}

fn in_use(side: Side, removal: &Removal, error: &ConnError) -> Error {
    Error::NotYet {
        side,
        what: format!(
            "{} {}: {}",
            removal.kind.as_str(),
            removal.object,
            error.message
        ),
        hint: "a subscriber still reads from it: end its subscription there, or end that process \
               (pg_terminate_backend), then run this again"
            .to_owned(),
    }
}
