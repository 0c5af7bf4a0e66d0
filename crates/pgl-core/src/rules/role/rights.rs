//! What the connected role, and the one that pglogical connects as, may do.

use std::collections::{BTreeMap, BTreeSet};

use super::pglogical::{keep_sql, replicating_role};
use crate::Side::{self, Source, Target};
use crate::cutover::{may_not, to_be_closed};
use crate::facts::server::{RelationRight, ServerState, Unpermitted, UnpermittedKind};
use crate::facts::{Facts, NotRun};
use crate::name::show_ident;
use crate::rights::{self, Right};
use crate::rules::common::{block_if, duration, some_of, warn_if};
use crate::rules::{Emit, Ran, Rule, each, facts, source, target};
use crate::{QualifiedName, Severity, plural, quote_ident};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    each("role.superuser_or_equiv", |side, server, emit| {
        let role = server.session_role()?;
        if role.is_admin(server.platform()?) {
            return Ok(());
        }
        let name = &role.name;
        let what = format!("role {name} on the {side} is not a superuser");
        let draft = emit.find(side, what).object(name);
        draft.right(&rights::ADMINISTRATOR, server, name)?;
        Ok(())
    }),
    each("role.replication", |side, server, emit| {
        let role = match side {
            Source => server.role(replicating_role(emit.facts)?)?,
            Target => Some(server.session_role()?),
        };
        let platform = server.platform()?;
        let Some(role) = role.filter(|role| !role.may_replicate(platform)) else {
            return Ok(());
        };
        let name = &role.name;
        let draft = emit.find(side, format!("role {name} may not replicate"));
        let draft = draft.object(name);
        match side {
            Source => draft.right(&rights::REPLICATION, server, name)?,
            Target => {
                draft
                    .severity(Severity::Info)
                    .right(&rights::REVERSE_REPLICATION, server, name)?
            }
        };
        Ok(())
    }),
    source("role.provider_exists", |server, emit| {
        if let Some(name) = &emit.facts.link.provider_role
            && server.role(name)?.is_none_or(|role| !role.login)
        {
            let what = format!("the source has no role {name} that may log in");
            emit.find(Source, what).object(name);
        }
        Ok(())
    }),
    each("role.expires", |side, server, emit| {
        const SOON: f64 = 14.0 * 86_400.0;
        let user = server.identity.get()?.user.as_str();
        let provider = emit.facts.link.provider_role.as_deref();
        let provider = provider.filter(|name| side == Source && *name != user);
        for name in std::iter::once(user).chain(provider) {
            let left = server.role(name)?.and_then(|role| role.expires_in_seconds);
            if let Some(left) = left.filter(|left| *left < SOON) {
                let when = match left < 0.0 {
                    true => "has run out".to_owned(),
                    false => format!("runs out in {}", duration(left)),
                };
                let what = format!("the password of role {name} {when}");
                let sql = format!("ALTER ROLE {} VALID UNTIL 'infinity';", quote_ident(name));
                emit.find(side, what).object(name).sql(sql);
            }
        }
        Ok(())
    }),
    each("role.pglogical_schema_usage", |side, server, emit| {
        let role = server.session_role()?;
        if side == Target {
            if role.asked_by_pglogical == Some(false) {
                let (right, name) = (&rights::REVERSE_READ_PGLOGICAL, &role.name);
                let what = format!(
                    "role {name} may not use schema pglogical, or not execute pglogical.pglogical_node_info()"
                );
                let draft = emit.find(side, what).object("pglogical");
                draft.severity(Severity::Info).right(right, server, name)?;
            }
            return Ok(());
        }
        // Whether another role than the connected one has the right is not known here.
        let unknown = replicating_role(emit.facts)? != role.name || role.superuser;
        if !unknown && server.rights.get()?.pglogical_usage == Some(false) {
            let name = &role.name;
            let what = format!("role {name} may not use schema pglogical");
            let draft = emit.find(Source, what).object("pglogical");
            draft.right(&rights::READ_PGLOGICAL, server, name)?;
        }
        Ok(())
    }),
    source("role.select_tables", |server, emit| {
        readable(server, emit, false)
    }),
    source("role.select_sequences", |server, emit| {
        readable(server, emit, true)
    }),
    each("role.owner_of_tables", |side, server, emit| {
        let (me, platform) = (server.session_role()?, server.platform()?);
        let mut found = not_permitted(server, |one| one.kind == UnpermittedKind::Database)?;
        for one in by_schema(emit.facts, server, |one| !one.owner)?
            .into_values()
            .flatten()
        {
            let owner = one.owned_by.clone().ok_or_else(not_recorded)?;
            found.push(Unpermitted {
                kind: match one.sequence {
                    true => UnpermittedKind::Sequence,
                    false => UnpermittedKind::Table,
                },
                schema: Some(one.schema.clone()),
                name: one.name.clone(),
                superuser: server.role(&owner)?.is_some_and(|role| role.superuser),
                role: owner,
                createrole: me.createrole,
            });
        }
        // Only tables of the source are needed before the cutover, and the rights of rds_superuser and its kin over them are
        // not told by ownership.
        let admin = me.is_admin(platform);
        each_right(side, server, emit, &found, |found| {
            let tables = found.iter().any(|one| one.kind == UnpermittedKind::Table);
            block_if(side == Source && tables && !admin)
        })
    }),
    source("role.bypassrls", |server, emit| {
        row_security(Source, server, emit)
    }),
    target("role.write_target_rls", |server, emit| {
        row_security(Target, server, emit)
    }),
    target("role.create_on_db", |server, emit| {
        if !server.rights.get()?.create_on_database {
            let identity = server.identity.get()?;
            let (user, database) = (&identity.user, &identity.database);
            let what = format!("role {user} may not create schemas in database {database}");
            let draft = emit.find(Target, what).object(database);
            draft.right_on(&quote_ident(database), &rights::CREATE, server, user)?;
        }
        Ok(())
    }),
    target("role.set_replication_role", |server, emit| {
        if server.rights.get()?.set_replication_role {
            return Ok(());
        }
        let name = &server.session_role()?.name;
        let what = format!("role {name} may not set session_replication_role");
        let draft = emit.find(Target, what).object(name);
        draft.right(&rights::REPLICATION_ROLE, server, name)?;
        Ok(())
    }),
    each("role.origin_functions", |side, server, emit| {
        let role = server.session_role()?;
        let lacking = server.rights.get()?.lacking.as_ref();
        let lacking = lacking.ok_or_else(not_recorded)?;
        for right in rights::RIGHTS
            .iter()
            .filter(|one| one.side.is_none_or(|needed| needed == side))
        {
            let missing = right.missing(lacking);
            if missing.is_empty() {
                continue;
            }
            let (name, missing) = (&role.name, missing.join(", "));
            let what = format!("role {name} on the {side} may not: {missing}");
            let draft = emit.find(side, what).object(name);
            let draft = draft.right(right, server, name)?;
            // pgl-setup has another way for the administrators of a service.
            match side {
                Source => draft.severity(Severity::Info),
                Target if role.is_admin(server.platform()?) => draft.severity(Severity::Warn),
                Target => draft,
            };
        }
        Ok(())
    }),
    each("role.signal_backend", |side, server, emit| {
        let found = not_permitted(server, |one| one.kind == UnpermittedKind::Sessions)?;
        each_right(side, server, emit, &found, |_| Severity::Warn)
    }),
    each("role.cutover_rights", |side, server, emit| {
        let closed = to_be_closed(server)?;
        let found = not_permitted(server, |one| match one.kind {
            UnpermittedKind::Role => closed.roles().contains(&one.role.as_str()),
            // Reverse replication applies rows to the source.
            UnpermittedKind::EventTrigger => side == Source,
            _ => false,
        })?;
        each_right(side, server, emit, &found, |_| Severity::Warn)
    }),
    facts("role.truncate_rights", truncate_rights),
];

/// Facts that were recorded before this was read.
fn not_recorded() -> NotRun {
    NotRun("these facts do not have it".to_owned())
}

fn not_permitted(
    server: &ServerState,
    wanted: impl Fn(&Unpermitted) -> bool,
) -> Result<Vec<Unpermitted>, NotRun> {
    let found = server.not_permitted.get()?.iter();
    Ok(found.filter(|one| wanted(one)).cloned().collect())
}

/// What a cutover is refused for (`cut.permissions`): a finding for each right that is lacking and the role that is granted or
/// named in its statements.
fn each_right(
    side: Side,
    server: &ServerState,
    emit: &mut Emit<'_>,
    found: &[Unpermitted],
    severity: impl Fn(&[&Unpermitted]) -> Severity,
) -> Ran {
    let (me, closed) = (&server.session_role()?.name, to_be_closed(server)?);
    let grantee = server.grantee(me)?;
    let mut lacking: Vec<(&Right, &str, String, &Unpermitted)> = Vec::new();
    for one in found {
        for (right, object) in one.rights(&closed) {
            let role = if object.is_empty() { me } else { &one.role };
            lacking.push((right, role, object, one));
        }
    }
    lacking.sort_by_key(|one| (one.0.name, one.1));
    for same in lacking.chunk_by(|one, next| (one.0.name, one.1) == (next.0.name, next.1)) {
        let (right, role, ..) = same[0];
        let objects: BTreeSet<&str> = same.iter().map(|one| one.2.as_str()).collect();
        let found: Vec<&Unpermitted> = same.iter().map(|one| one.3).collect();
        let sql: Vec<String> = (objects.into_iter())
            .filter_map(|object| right.sql(&grantee, object))
            .collect();
        let sql = (!sql.is_empty()).then(|| sql.join("\n"));
        let what = may_not(side, me, found.iter().copied());
        let draft = emit.find(side, what).object(show_ident(role));
        let draft = draft.severity(severity(&found));
        let draft = draft.remedy(right.remedy(&grantee));
        // No grant, but a change of what belongs to a superuser: it stays.
        match sql {
            Some(sql) if found.iter().any(|one| one.superuser) => draft.manual_sql(sql),
            sql => draft.sql(sql),
        };
    }
    Ok(())
}

/// The relations that are meant, of those on which something is lacking, by schema.
fn by_schema<'a>(
    facts: &Facts,
    server: &'a ServerState,
    wanted: impl Fn(&RelationRight) -> bool,
) -> Result<BTreeMap<&'a str, Vec<&'a RelationRight>>, NotRun> {
    let mut schemas: BTreeMap<&str, Vec<&RelationRight>> = BTreeMap::new();
    for found in server.relation_rights.get()? {
        let name = QualifiedName::new(&found.schema, &found.name);
        if wanted(found) && facts.asked.selection.includes(&name) {
            schemas.entry(&found.schema).or_default().push(found);
        }
    }
    Ok(schemas)
}

/// `2 tables in schema app: a, b`.
fn listed(word: &str, schema: &str, found: &[&RelationRight]) -> String {
    let names: Vec<String> = found.iter().map(|found| show_ident(&found.name)).collect();
    let (count, schema) = (plural(found.len() as u64, word), show_ident(schema));
    format!("{count} in schema {schema}: {}", some_of(&names))
}

fn readable(server: &ServerState, emit: &mut Emit<'_>, sequences: bool) -> Ran {
    let user = &server.identity.get()?.user;
    let (word, right) = match sequences {
        false => ("table", &rights::READ_TABLES),
        true => ("sequence", &rights::READ_SEQUENCES),
    };
    let lacks = |one: &RelationRight| one.sequence == sequences && !(one.usage && one.select);
    for (schema, found) in by_schema(emit.facts, server, lacks)? {
        let lacks = match found.iter().any(|found| !found.usage) {
            true => "USAGE of the schema, and so no access,",
            false => "SELECT",
        };
        let what = format!("no {lacks} on {}", listed(word, schema, &found));
        let draft = emit.find(Source, what).object(show_ident(schema));
        draft.right_on(&quote_ident(schema), right, server, user)?;
    }
    Ok(())
}

fn row_security(side: Side, server: &ServerState, emit: &mut Emit<'_>) -> Ran {
    let role = server.session_role()?;
    if role.superuser || role.bypass_rls {
        return Ok(());
    }
    for (schema, found) in by_schema(emit.facts, server, |found| found.row_security)? {
        let tables = listed("table", schema, &found);
        let what = format!("row security applies to role {} on {tables}", role.name);
        let draft = emit.find(side, what).object(show_ident(schema));
        draft.right(&rights::ROW_SECURITY, server, &role.name)?;
    }
    Ok(())
}

fn truncate_rights(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = &facts.source.server;
    let pglogical = server.pglogical.get().ok().and_then(Option::as_ref);
    let replicated = pglogical.is_some_and(|found| found.sets.iter().any(|set| set.tables > 0));
    let may_grant = (server.rights.get().ok()).and_then(|rights| rights.grant_pglogical_usage);
    let truncators = server.truncators.get()?.iter();
    for found in truncators.filter(|found| found.pglogical_usage != Some(true)) {
        // A grant to everyone is made to PUBLIC, which is no role and is not quoted.
        let grantee = match found.role.as_str() {
            "public" => "PUBLIC".to_owned(),
            role => quote_ident(role),
        };
        let (name, example) = (show_ident(&found.role), &found.example);
        let tables = plural(found.tables, "table");
        let what = format!(
            "role {name} may truncate {tables} ({example}) and has no USAGE on schema pglogical"
        );
        let draft = emit.find(Source, what).object(name);
        // While the schema is not there, nothing can be granted on it.
        if found.pglogical_usage.is_some() {
            let user = &server.identity.get()?.user;
            let draft = draft.right_on(&grantee, &rights::GRANT_USAGE, server, user)?;
            let draft = draft.more_sql(keep_sql(facts, Source)?);
            match may_grant {
                Some(false) => draft.severity(Severity::Block),
                _ => draft.severity(warn_if(replicated)).remedy(
                    "pgl-setup grants it before it adds the tables, and revokes EXECUTE on pglogical's functions from \
                     PUBLIC, which USAGE would open (role.pglogical_functions).",
                ),
            };
        }
    }
    Ok(())
}

#[cfg(test)]
pub(in crate::rules) use cases::CASES;

#[cfg(test)]
mod cases;
