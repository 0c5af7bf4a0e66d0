//! What belongs to the database or the cluster as a whole.

use crate::facts::Facts;
use crate::facts::objects::Enabled;
use crate::migration::{OWN_SCHEMA, OWN_TABLES};
use crate::name::{quote_ident, show_ident};
use crate::pgl_schema::{self, SchemaFact, Untrusted};
use crate::rules::{Emit, Ran, Rule};
use crate::setting_literal;
use crate::{Severity, Side};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    ("obj.event_triggers", event_triggers),
    ("obj.tablespaces", tablespaces),
    ("obj.invalid_databases", invalid_databases),
    ("obj.db_role_settings", settings),
    ("obj.schema_pgl", schema_pgl),
    ("obj.schema_pglogical", schema_pglogical),
];

fn event_triggers(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let mut sides = vec![(Side::Source, &facts.source)];
    sides.extend(facts.target().ok().map(|target| (Side::Target, target)));
    for (side, server) in sides {
        let mut known: Vec<_> = server.objects.event_triggers.get()?.iter().collect();
        known.sort_by_key(|trigger| &trigger.name);
        for trigger in known {
            if trigger.extension.is_some() || trigger.enabled == Enabled::Disabled {
                continue;
            }
            let (name, event) = (show_ident(&trigger.name), &trigger.event);
            emit.find(side, format!("event trigger {name} fires on {event}"))
                .object(&name)
                .sql(format!(
                    "ALTER EVENT TRIGGER {} DISABLE;",
                    quote_ident(&trigger.name)
                ));
        }
    }
    Ok(())
}

fn tablespaces(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let there = match facts.target() {
        Ok(target) => Some(target.objects.tablespaces.get()?),
        Err(_) => None,
    };
    let mut known: Vec<_> = facts.source.objects.tablespaces.get()?.iter().collect();
    known.sort();
    for one in known {
        let present = there.is_some_and(|there| there.iter().any(|other| other.name == one.name));
        if one.relations == 0 || present || one.name == "pg_default" {
            continue;
        }
        let name = show_ident(&one.name);
        emit.find(
            Side::Source,
            format!("{} relations lie in tablespace {name}", one.relations),
        )
        .object(&name)
        .fix_on(Side::Target)
        .severity(if there.is_some() {
            Severity::Warn
        } else {
            Severity::Info
        });
    }
    Ok(())
}

fn invalid_databases(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    for one in facts.source.server.databases.get()? {
        if one.connection_limit == -2 {
            let name = show_ident(&one.name);
            emit.find(
                Side::Source,
                format!("database {name} is invalid: its DROP was interrupted"),
            )
            .object(&name)
            .sql(format!("DROP DATABASE {};", quote_ident(&one.name)));
        }
    }
    Ok(())
}

fn settings(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let there = match facts.target() {
        Ok(target) => Some((target, target.objects.settings.get()?)),
        Err(_) => None,
    };
    let mut known: Vec<_> = facts.source.objects.settings.get()?.iter().collect();
    known.sort();
    for one in known {
        if there.is_some_and(|(_, there)| there.contains(one)) {
            continue;
        }
        let name = &one.name;
        let of = match &one.role {
            Some(role) => format!("role {} in the database", show_ident(role)),
            None => "the database".to_owned(),
        };
        let value = match &one.value {
            Some(value) => format!(" = {value}"),
            None => " (value not shown)".to_owned(),
        };
        let draft = emit
            .find(
                Side::Source,
                format!("{of} sets {name}{value}, which a schema dump does not carry"),
            )
            .object(name)
            .fix_on(Side::Target)
            .severity(if there.is_some() {
                Severity::Warn
            } else {
                Severity::Info
            });
        let database = there
            .and_then(|(target, _)| target.server.identity.get().ok())
            .map(|identity| quote_ident(&identity.database));
        if let (Some(database), Some(value)) = (database, &one.value) {
            let value = setting_literal(name, value);
            let scope = match &one.role {
                Some(role) => format!("ROLE {} IN DATABASE {database}", quote_ident(role)),
                None => format!("DATABASE {database}"),
            };
            draft.sql(format!(
                "ALTER {scope} SET {} TO {value};",
                quote_ident(name)
            ));
        }
    }
    Ok(())
}

fn schema_pgl(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    schema(facts, emit, OWN_SCHEMA, OWN_TABLES, |found| {
        pgl_schema::own(found).map(drop)
    })
}

fn schema_pglogical(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    schema(facts, emit, "pglogical", &[], pgl_schema::pglogical)
}

/// A schema of this name that the tools will refuse, or that holds relations other than these.
fn schema(
    facts: &Facts,
    emit: &mut Emit<'_>,
    name: &str,
    ours: &[&str],
    trusted: fn(&[SchemaFact]) -> Result<(), Untrusted>,
) -> Ran {
    let mut sides = vec![(Side::Source, &facts.source)];
    sides.extend(facts.target().ok().map(|target| (Side::Target, target)));
    for (side, server) in sides {
        if let Err(found) = trusted(server.server.own_schemas.get()?) {
            emit.find(side, found.what).object(name).remedy(found.hint);
            continue;
        }
        let schemas = server.objects.schemas.get()?;
        let Some(found) = schemas.iter().find(|schema| schema.name == name) else {
            continue;
        };
        let mut foreign: Vec<&str> = found
            .relations
            .iter()
            .map(String::as_str)
            .filter(|relation| !ours.contains(relation))
            .collect();
        foreign.sort_unstable();
        let Some(first) = foreign.first() else {
            continue;
        };
        let (count, owner) = (foreign.len(), show_ident(&found.owner));
        let first = show_ident(first);
        emit.find(
            side,
            format!("schema {name}, owned by {owner}, holds {count} relations that do not belong there, such as {first}"),
        )
        .object(name);
    }
    Ok(())
}
