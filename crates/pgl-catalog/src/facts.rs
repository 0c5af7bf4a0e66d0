//! Collecting everything that preflight judges, from both servers.

use std::path::PathBuf;

use pgl_conn::{Access, CancelHandle, DsnText, Endpoint, Error, OnPooler, Session, SessionOptions};
use pgl_core::facts::server::UnpermittedKind;
use pgl_core::facts::{Asked, Facts, MigrationRecord, STAND_IN, Section, ServerFacts};

use crate::link::{self, LinkOptions, ServerProbe};
use crate::server::section;
use crate::{generated, migration_record, objects, server};

/// What to collect.
pub struct Request {
    /// The source.
    pub source: Endpoint,
    /// The target, where one was given.
    pub target: Option<Endpoint>,
    /// The source as the target server will reach it, where that differs.
    pub provider_dsn: Option<DsnText>,
    /// Options that the rules depend on.
    pub asked: Asked,
    /// How the way from the target server to the source may be tried.
    pub probe: ServerProbe,
    /// Where pg_dump is; without it on PATH and in the usual places.
    pub pg_bindir: Option<PathBuf>,
    /// Whether the target computes stored generated columns from rows of the source, which takes a while.
    pub generated: bool,
    /// The tool, for `application_name`.
    pub tool: &'static str,
}

/// Connections that try to take over an exported snapshot: enough to meet another node behind a
/// load balancer.
const SNAPSHOT_CONNECTIONS: u32 = 4;

/// What a server says of a database that it does not have.
const NO_DATABASE: &str = "3D000";

/// Collects the facts. `on_session` gets the cancel handle of the two sessions that are opened.
///
/// # Errors
/// The source cannot be reached, or a connection was lost on the way. A target that cannot be
/// reached is a fact, not an error: every section of it says why. So is a target database that does not exist yet.
pub fn collect(
    request: &Request,
    on_session: &mut dyn FnMut(CancelHandle),
) -> Result<Facts, Error> {
    // A pooler in between is a finding here, with a name; elsewhere it is refused.
    let options = SessionOptions::new(request.tool, Access::ReadOnly).pooler(OnPooler::Report);
    let mut source = Session::connect(&request.source, &options)?;
    on_session(source.cancel_handle());
    let mut stood_in = false;
    let mut target = request.target.as_ref().map(|endpoint| {
        Session::connect(endpoint, &options).or_else(|error| {
            if !error.is_sqlstate(NO_DATABASE) {
                return Err(error);
            }
            // pgl-setup creates it; until then another one of its server says what the server says.
            stood_in = true;
            Session::connect(&endpoint.with_dbname(STAND_IN), &options).map_err(|_| error)
        })
    });
    if let Some(Ok(session)) = &target {
        on_session(session.cancel_handle());
    }
    let mut source_facts = read_server(&mut source, &request.asked)?;
    let mut target_facts = match &mut target {
        None => None,
        Some(Ok(session)) => Some(read_server(session, &request.asked)?),
        Some(Err(error)) => Some(unreachable(error)),
    };
    if let (true, Some(facts), Some(meant)) = (stood_in, &mut target_facts, &request.target)
        && let Section::Known(identity) = &mut facts.server.identity
    {
        facts.stood_in = true;
        // Objects of another database.
        facts.server.own_schemas = Section::Known(Vec::new());
        facts.server.relation_rights = Section::Known(Vec::new());
        if let Section::Known(found) = &mut facts.server.not_permitted {
            found.retain(|one| {
                matches!(one.kind, UnpermittedKind::Role | UnpermittedKind::Sessions)
            });
        }
        meant.dbname().clone_into(&mut identity.database);
    }
    let mut reached = match &mut target {
        Some(Ok(session)) => Some(session),
        Some(Err(_)) | None => None,
    };
    let ways = LinkOptions {
        tool: request.tool,
        provider_dsn: request.provider_dsn.as_ref(),
        probe: request.probe,
        pg_bindir: request.pg_bindir.as_deref(),
        connections: SNAPSHOT_CONNECTIONS,
    };
    let link = link::collect(&mut source, reached.as_deref_mut(), &ways)?;
    // Last of all: the longer the time since the first reading, the better the rates.
    source_facts.objects.sequences_later =
        objects::sequences_later(&mut source, &source_facts.objects)?;
    let mut facts = Facts {
        source: source_facts,
        target: target_facts,
        link,
        generated: Section::default(),
        asked: request.asked.clone(),
    };
    if let Some(target) = reached.as_deref().filter(|_| request.generated) {
        let servers = (source.endpoint(), target.endpoint());
        facts.generated = generated::collect(servers, request.tool, &facts, on_session)?;
    }
    let Some(databases) = facts.migration() else {
        return Ok(facts);
    };
    facts.source.record = section(migration_record(&mut source, &databases.name))?;
    if let (Some(target), Ok(names), Some(on_target)) = (reached, facts.names(), &databases.target)
    {
        if let Some(read) = &mut facts.target {
            // Another database's journal says nothing about one that does not exist.
            read.record = if read.stood_in {
                Section::Known(MigrationRecord::default())
            } else {
                section(migration_record(target, &databases.name))?
            };
        }
        let databases = (&*databases.source.database, &*on_target.database);
        facts.link.slot_names = link::slot_names(&mut source, target, &names, databases)?;
    }
    Ok(facts)
}

fn read_server(session: &mut Session, asked: &Asked) -> Result<ServerFacts, Error> {
    Ok(ServerFacts {
        server: server::collect(session)?,
        objects: objects::collect(session, &asked.selection)?,
        ..ServerFacts::default()
    })
}

/// Facts of a server that did not let us in: nothing is known, and the identity says why.
fn unreachable(error: &Error) -> ServerFacts {
    let mut facts = ServerFacts::default();
    let hint = error.hint.iter().map(|hint| format!("; {hint}"));
    facts.server.identity = Section::Unknown(format!("{error}{}", hint.collect::<String>()));
    facts
}
