//! What the connected role, and the one that pglogical connects as, may do.

use std::collections::BTreeMap;

use super::pglogical::{close_sql, replicating_role};
use crate::Side::{self, Source, Target};
use crate::facts::server::{Platform, RelationRight, ServerState};
use crate::facts::{Facts, NotRun};
use crate::name::show_ident;
use crate::rules::common::{block_if, duration, plural, some_of, warn_if};
use crate::rules::{Emit, Ran, Rule, each, facts, source, target};
use crate::{QualifiedName, Severity, quote_ident};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    each("role.superuser_or_equiv", |side, server, emit| {
        let role = server.session_role()?;
        if role.is_admin(server.platform()?) {
            return Ok(());
        }
        let (name, quoted) = (&role.name, quote_ident(&role.name));
        let draft = emit.find(
            side,
            format!("role {name} on the {side} is not a superuser"),
        );
        let draft = draft.object(name);
        let group = match server.platform()? {
            Platform::SelfManaged => {
                draft
                    .remedy("Connect as a superuser, or make the role one for the time of the migration.")
                    .sql(format!("ALTER ROLE {quoted} SUPERUSER;"));
                return Ok(());
            }
            Platform::Rds | Platform::Aurora => "rds_superuser",
            Platform::CloudSql => "cloudsqlsuperuser",
            Platform::AlloyDb => "alloydbsuperuser",
            Platform::Azure => "azure_pg_admin",
        };
        draft
            .remedy(format!("Grant {group} to the role."))
            .sql(format!("GRANT {group} TO {quoted};"));
        Ok(())
    }),
    source("role.replication", |server, emit| {
        let role = server.role(replicating_role(emit.facts)?)?;
        let platform = server.platform()?;
        if let Some(role) = role.filter(|role| !role.may_replicate(platform)) {
            let (name, quoted) = (&role.name, quote_ident(&role.name));
            let sql = match platform.is_aws() {
                true => format!("GRANT rds_replication TO {quoted};"),
                false => format!("ALTER ROLE {quoted} REPLICATION;"),
            };
            let what = format!("role {name} may not replicate");
            emit.find(Source, what).object(name).sql(sql);
        }
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
    source("role.pglogical_schema_usage", |server, emit| {
        let role = server.session_role()?;
        // Whether another role than the connected one has the right is not known here.
        let unknown = replicating_role(emit.facts)? != role.name || role.superuser;
        if !unknown && server.rights.get()?.pglogical_usage == Some(false) {
            let name = quote_ident(&role.name);
            emit.find(Source, format!("role {} may not use schema pglogical", role.name))
                .object("pglogical")
                .sql(format!(
                    "GRANT USAGE ON SCHEMA pglogical TO {name};\nGRANT SELECT ON ALL TABLES IN SCHEMA pglogical TO {name};"
                ));
        }
        Ok(())
    }),
    source("role.select_tables", |server, emit| {
        readable(server, emit, false)
    }),
    source("role.select_sequences", |server, emit| {
        readable(server, emit, true)
    }),
    source("role.owner_of_tables", |server, emit| {
        let (role, platform) = (server.session_role()?, server.platform()?);
        // The rights of rds_superuser and its kin over others' tables are not told by ownership.
        if role.superuser {
            return Ok(());
        }
        for (schema, found) in by_schema(emit.facts, server, |one| !one.sequence && !one.owner)? {
            let tables = listed("table", schema, &found);
            let what = format!("role {} does not own {tables}", role.name);
            let draft = emit.find(Source, what).object(show_ident(schema));
            draft.severity(block_if(!role.is_admin(platform)));
        }
        Ok(())
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
            let (role, name) = (quote_ident(user), quote_ident(database));
            let what = format!("role {user} may not create schemas in database {database}");
            let sql = format!("GRANT CREATE ON DATABASE {name} TO {role};");
            emit.find(Target, what).object(database).sql(sql);
        }
        Ok(())
    }),
    target("role.set_replication_role", |server, emit| {
        if server.rights.get()?.set_replication_role {
            return Ok(());
        }
        let (role, platform) = (server.session_role()?, server.platform()?);
        let (name, quoted) = (&role.name, quote_ident(&role.name));
        let what = format!("role {name} may not set session_replication_role");
        let draft = emit.find(Target, what).object(name);
        if platform == Platform::CloudSql {
            draft.remedy(
                "Google Cloud SQL gives this right to no role of a customer: it may be the source of a migration, and not its target.",
            );
        } else if platform.is_managed() {
            draft.remedy("Connect as the administrator that the service has given you.");
        } else if server.version()?.at_least(15) {
            draft.sql(format!(
                "GRANT SET ON PARAMETER session_replication_role TO {quoted};"
            ));
        }
        Ok(())
    }),
    target("role.origin_functions", |server, emit| {
        let role = server.session_role()?;
        if role.superuser || server.rights.get()?.origin_functions != Some(false) {
            return Ok(());
        }
        let (name, quoted) = (&role.name, quote_ident(&role.name));
        let what = format!("role {name} may not call the functions that set a replication origin");
        let draft = emit.find(Target, what).object(name);
        if role.is_admin(server.platform()?) {
            draft.severity(Severity::Warn).remedy(
                "pgl-setup begins the subscription by pglogical's public functions, which need no such right; pgl-control add-table and \
                 skip are not possible, nor is pgl-cutover --reverse where tables are copied again. Only a superuser of the \
                 service can grant EXECUTE on these functions, from 14 on.",
            );
            return Ok(());
        }
        // Before 14 the functions themselves refuse everyone but a superuser.
        if server.version()?.at_least(14) {
            draft.sql(format!(
                "GRANT EXECUTE ON FUNCTION pg_replication_origin_create(text) TO {quoted};\n\
                 GRANT EXECUTE ON FUNCTION pg_replication_origin_advance(text, pg_lsn) TO {quoted};"
            ));
        } else {
            draft.remedy("Connect as a superuser.");
        }
        Ok(())
    }),
    each("role.signal_backend", |side, server, emit| {
        let role = server.session_role()?;
        let admin = role.is_admin(server.platform()?);
        let may = admin || role.is_member_of(&["pg_signal_backend"]);
        // The role exists from 9.6 on.
        if !may && server.version()?.at_least_num(90_600) {
            let (name, quoted) = (&role.name, quote_ident(&role.name));
            let what = format!("role {name} may not end sessions of other roles");
            let sql = format!("GRANT pg_signal_backend TO {quoted};");
            emit.find(side, what).object(name).sql(sql);
        }
        Ok(())
    }),
    facts("role.truncate_rights", truncate_rights),
];

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
    let user = quote_ident(&server.identity.get()?.user);
    let (word, words) = match sequences {
        false => ("table", "TABLES"),
        true => ("sequence", "SEQUENCES"),
    };
    let lacks = |one: &RelationRight| one.sequence == sequences && !(one.usage && one.select);
    for (schema, found) in by_schema(emit.facts, server, lacks)? {
        let name = quote_ident(schema);
        let (right, usage) = match found.iter().any(|found| !found.usage) {
            true => (
                "USAGE of the schema, and so no access,",
                format!("GRANT USAGE ON SCHEMA {name} TO {user};\n"),
            ),
            false => ("SELECT", String::new()),
        };
        let what = format!("no {right} on {}", listed(word, schema, &found));
        let sql = format!("{usage}GRANT SELECT ON ALL {words} IN SCHEMA {name} TO {user};");
        emit.find(Source, what).object(show_ident(schema)).sql(sql);
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
        let sql = format!("ALTER ROLE {} BYPASSRLS;", quote_ident(&role.name));
        emit.find(side, what).object(show_ident(schema)).sql(sql);
    }
    Ok(())
}

fn truncate_rights(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = &facts.source.server;
    let pglogical = server.pglogical.get().ok().and_then(Option::as_ref);
    let replicated = pglogical.is_some_and(|found| found.sets.iter().any(|set| set.tables > 0));
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
            draft
                .severity(warn_if(replicated))
                .remedy(
                    "pgl-setup grants it before it adds the tables, and revokes EXECUTE on pglogical's functions from \
                     PUBLIC, which USAGE would open (role.pglogical_functions).",
                )
                .sql(format!(
                    "{}\nGRANT USAGE ON SCHEMA pglogical TO {grantee};",
                    close_sql(facts, Source)?
                ));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(in crate::rules) use cases::CASES;

#[cfg(test)]
mod cases;
