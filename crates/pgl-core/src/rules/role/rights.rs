//! What the connected role, and the one that pglogical connects as, may do.

use std::collections::BTreeMap;

use super::pglogical::close_sql;
use crate::facts::server::{Platform, RelationRight, ServerState};
use crate::facts::{Facts, NotRun};
use crate::name::show_ident;
use crate::rules::common::{duration, each, plural, some_of, source, target};
use crate::rules::{Emit, Ran, Rule};
use crate::{QualifiedName, Severity, Side, quote_ident};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    ("role.superuser_or_equiv", superuser_or_equiv),
    ("role.replication", replication),
    ("role.provider_exists", provider_exists),
    ("role.expires", expires),
    ("role.pglogical_schema_usage", pglogical_schema_usage),
    ("role.select_tables", select_tables),
    ("role.select_sequences", select_sequences),
    ("role.owner_of_tables", owner_of_tables),
    ("role.bypassrls", bypassrls),
    ("role.write_target_rls", write_target_rls),
    ("role.create_on_db", create_on_db),
    ("role.set_replication_role", set_replication_role),
    ("role.origin_functions", origin_functions),
    ("role.signal_backend", signal_backend),
    ("role.truncate_rights", truncate_rights),
];

/// The roles that matter: the connected one, and on the source the one that pglogical connects as.
pub(super) fn replicating_role(facts: &Facts) -> Result<&str, NotRun> {
    match &facts.link.provider_role {
        Some(role) => Ok(role),
        None => Ok(&source(facts).identity.get()?.user),
    }
}

fn superuser_or_equiv(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    each(facts, emit, |side, server, emit| {
        let role = server.session_role()?;
        if role.is_admin() {
            return Ok(());
        }
        let name = quote_ident(&role.name);
        let (remedy, sql) = match server.platform()? {
            Platform::SelfManaged => (
                "Connect as a superuser, or make the role one for the time of the migration.",
                format!("ALTER ROLE {name} SUPERUSER;"),
            ),
            Platform::Rds | Platform::Aurora => (
                "Grant rds_superuser to the role.",
                format!("GRANT rds_superuser TO {name};"),
            ),
            Platform::CloudSql => (
                "Grant cloudsqlsuperuser to the role.",
                format!("GRANT cloudsqlsuperuser TO {name};"),
            ),
            Platform::AlloyDb => (
                "Grant alloydbsuperuser to the role.",
                format!("GRANT alloydbsuperuser TO {name};"),
            ),
            Platform::Azure => (
                "Grant azure_pg_admin to the role.",
                format!("GRANT azure_pg_admin TO {name};"),
            ),
        };
        emit.find(
            side,
            format!("role {} on the {side} is not a superuser", role.name),
        )
        .object(&role.name)
        .remedy(remedy)
        .sql(sql);
        Ok(())
    })
}

fn replication(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = source(facts);
    let Some(role) = server.role(replicating_role(facts)?)? else {
        return Ok(());
    };
    if !role.may_replicate() {
        let name = quote_ident(&role.name);
        let sql = if server.platform()?.is_aws() {
            format!("GRANT rds_replication TO {name};")
        } else {
            format!("ALTER ROLE {name} REPLICATION;")
        };
        emit.find(
            Side::Source,
            format!("role {} may not replicate", role.name),
        )
        .object(&role.name)
        .sql(sql);
    }
    Ok(())
}

fn provider_exists(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = source(facts);
    if let Some(name) = &facts.link.provider_role
        && server.role(name)?.is_none_or(|role| !role.login)
    {
        emit.find(
            Side::Source,
            format!("the source has no role {name} that may log in"),
        )
        .object(name);
    }
    Ok(())
}

fn expires(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    const SOON: f64 = 14.0 * 86_400.0;
    let provider = facts.link.provider_role.as_deref();
    each(facts, emit, |side, server, emit| {
        let user = server.identity.get()?.user.as_str();
        let provider = provider.filter(|name| side == Side::Source && *name != user);
        for name in std::iter::once(user).chain(provider) {
            let Some(role) = server.role(name)? else {
                continue;
            };
            if let Some(left) = role.expires_in_seconds.filter(|left| *left < SOON) {
                let when = if left < 0.0 {
                    "has run out".to_owned()
                } else {
                    format!("runs out in {}", duration(left))
                };
                emit.find(side, format!("the password of role {name} {when}"))
                    .object(name)
                    .sql(format!(
                        "ALTER ROLE {} VALID UNTIL 'infinity';",
                        quote_ident(name)
                    ));
            }
        }
        Ok(())
    })
}

fn pglogical_schema_usage(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = source(facts);
    let role = server.session_role()?;
    // Whether another role than the connected one has the right is not known here.
    if replicating_role(facts)? != role.name || role.superuser {
        return Ok(());
    }
    if server.rights.get()?.pglogical_usage == Some(false) {
        let name = quote_ident(&role.name);
        emit.find(
            Side::Source,
            format!("role {} may not use schema pglogical", role.name),
        )
        .object("pglogical")
        .sql(format!(
            "GRANT USAGE ON SCHEMA pglogical TO {name};\n\
                 GRANT SELECT ON ALL TABLES IN SCHEMA pglogical TO {name};"
        ));
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

fn names(found: &[&RelationRight]) -> String {
    let names: Vec<String> = found.iter().map(|found| show_ident(&found.name)).collect();
    some_of(&names)
}

fn readable(facts: &Facts, emit: &mut Emit<'_>, kind: Kind) -> Ran {
    let server = source(facts);
    let user = quote_ident(&server.identity.get()?.user);
    let lacking = by_schema(facts, server, |found| {
        found.sequence == (kind == Kind::Sequence) && !(found.usage && found.select)
    })?;
    let (word, words) = match kind {
        Kind::Table => ("table", "TABLES"),
        Kind::Sequence => ("sequence", "SEQUENCES"),
    };
    for (schema, found) in lacking {
        let name = quote_ident(schema);
        let no_usage = found.iter().any(|found| !found.usage);
        let what = format!(
            "no {} on {} in schema {}: {}",
            if no_usage {
                "USAGE of the schema, and so no access,"
            } else {
                "SELECT"
            },
            plural(found.len() as u64, word),
            show_ident(schema),
            names(&found)
        );
        let usage = if no_usage {
            format!("GRANT USAGE ON SCHEMA {name} TO {user};\n")
        } else {
            String::new()
        };
        emit.find(Side::Source, what)
            .object(show_ident(schema))
            .sql(format!(
                "{usage}GRANT SELECT ON ALL {words} IN SCHEMA {name} TO {user};"
            ));
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Table,
    Sequence,
}

fn select_tables(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    readable(facts, emit, Kind::Table)
}

fn select_sequences(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    readable(facts, emit, Kind::Sequence)
}

fn owner_of_tables(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = source(facts);
    // The rights of rds_superuser and its kin over others' tables are not told by ownership.
    if server.session_role()?.superuser {
        return Ok(());
    }
    let severity = if server.session_role()?.is_admin() {
        Severity::Warn
    } else {
        Severity::Block
    };
    let lacking = by_schema(facts, server, |found| !found.sequence && !found.owner)?;
    for (schema, found) in lacking {
        emit.find(
            Side::Source,
            format!(
                "role {} does not own {} in schema {}: {}",
                server.identity.get()?.user,
                plural(found.len() as u64, "table"),
                show_ident(schema),
                names(&found)
            ),
        )
        .object(show_ident(schema))
        .severity(severity);
    }
    Ok(())
}

fn row_security(side: Side, facts: &Facts, server: &ServerState, emit: &mut Emit<'_>) -> Ran {
    let role = server.session_role()?;
    if role.superuser || role.bypass_rls {
        return Ok(());
    }
    let hidden = by_schema(facts, server, |found| found.row_security)?;
    for (schema, found) in hidden {
        emit.find(
            side,
            format!(
                "row security applies to role {} on {} in schema {}: {}",
                role.name,
                plural(found.len() as u64, "table"),
                show_ident(schema),
                names(&found)
            ),
        )
        .object(show_ident(schema))
        .sql(format!("ALTER ROLE {} BYPASSRLS;", quote_ident(&role.name)));
    }
    Ok(())
}

fn bypassrls(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    row_security(Side::Source, facts, source(facts), emit)
}

fn write_target_rls(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    row_security(Side::Target, facts, target(facts)?, emit)
}

fn create_on_db(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = target(facts)?;
    if !server.rights.get()?.create_on_database {
        let identity = server.identity.get()?;
        emit.find(
            Side::Target,
            format!(
                "role {} may not create schemas in database {}",
                identity.user, identity.database
            ),
        )
        .object(&identity.database)
        .sql(format!(
            "GRANT CREATE ON DATABASE {} TO {};",
            quote_ident(&identity.database),
            quote_ident(&identity.user)
        ));
    }
    Ok(())
}

fn set_replication_role(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = target(facts)?;
    let role = server.session_role()?;
    let granted = server.rights.get()?.set_replication_role;
    if role.superuser || role.is_member_of(&["rds_superuser"]) || granted == Some(true) {
        return Ok(());
    }
    let draft = emit
        .find(
            Side::Target,
            format!("role {} may not set session_replication_role", role.name),
        )
        .object(&role.name);
    if granted.is_some() {
        draft.sql(format!(
            "GRANT SET ON PARAMETER session_replication_role TO {};",
            quote_ident(&role.name)
        ));
    } else if role.is_admin() {
        draft
            .severity(Severity::Warn)
            .remedy("Try SET session_replication_role = replica as this role on the target.");
    }
    Ok(())
}

fn origin_functions(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = target(facts)?;
    let role = server.session_role()?;
    if role.is_admin() || server.rights.get()?.origin_functions != Some(false) {
        return Ok(());
    }
    let draft = emit
        .find(
            Side::Target,
            format!(
                "role {} may not call the functions that set a replication origin",
                role.name
            ),
        )
        .object(&role.name);
    // Before 14 the functions themselves refuse everyone but a superuser.
    if server.version()?.at_least(14) {
        let name = quote_ident(&role.name);
        draft.sql(format!(
            "GRANT EXECUTE ON FUNCTION pg_replication_origin_create(text) TO {name};\n\
             GRANT EXECUTE ON FUNCTION pg_replication_origin_advance(text, pg_lsn) TO {name};"
        ));
    } else {
        draft.remedy("Connect as a superuser.");
    }
    Ok(())
}

fn signal_backend(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    each(facts, emit, |side, server, emit| {
        let role = server.session_role()?;
        // The role exists from 9.6 on.
        if role.is_admin()
            || role.is_member_of(&["pg_signal_backend"])
            || !server.version()?.at_least_num(90_600)
        {
            return Ok(());
        }
        emit.find(
            side,
            format!("role {} may not end sessions of other roles", role.name),
        )
        .object(&role.name)
        .sql(format!(
            "GRANT pg_signal_backend TO {};",
            quote_ident(&role.name)
        ));
        Ok(())
    })
}

fn truncate_rights(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = source(facts);
    let replicated = server
        .pglogical
        .get()
        .ok()
        .and_then(Option::as_ref)
        .is_some_and(|pglogical| pglogical.sets.iter().any(|set| set.tables > 0));
    for found in server.truncators.get()? {
        if found.pglogical_usage == Some(true) {
            continue;
        }
        // A grant to everyone is made to PUBLIC, which is no role and is not quoted.
        let grantee = if found.role == "public" {
            "PUBLIC".to_owned()
        } else {
            quote_ident(&found.role)
        };
        let draft = emit
            .find(
                Side::Source,
                format!(
                    "role {} may truncate {} ({}) and has no USAGE on schema pglogical",
                    show_ident(&found.role),
                    plural(found.tables, "table"),
                    found.example
                ),
            )
            .object(show_ident(&found.role));
        // While the schema is not there, nothing can be granted on it.
        if found.pglogical_usage.is_some() {
            let severity = if replicated {
                Severity::Warn
            } else {
                Severity::Info
            };
            draft
                .severity(severity)
                .remedy(
                    "pgl-setup grants it before it adds the tables, and revokes EXECUTE on pglogical's functions from \
                     PUBLIC, which USAGE would open (role.pglogical_functions).",
                )
                .sql(format!(
                    "{}\nGRANT USAGE ON SCHEMA pglogical TO {grantee};",
                    close_sql(facts, Side::Source)?
                ));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(in crate::rules) use cases::CASES;

#[cfg(test)]
mod cases;
