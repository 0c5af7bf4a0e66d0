//! What belongs to the database or the cluster as a whole.

use crate::Side::{Source, Target};
use crate::facts::Facts;
use crate::facts::objects::Enabled;
use crate::facts::server::{Override, ServerState};
use crate::migration::{OWN_SCHEMA, OWN_TABLES};
use crate::name::{quote_ident, show_ident};
use crate::pgl_schema::{self, SchemaFact, Untrusted};
use crate::rules::common::warn_if;
use crate::rules::{Emit, Ran, Rule, facts, source};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    facts("obj.event_triggers", |facts, emit| {
        for (side, server) in facts.sides() {
            let triggers = server.objects.event_triggers.get()?.iter();
            let firing = triggers.filter(|one| one.enabled != Enabled::Disabled);
            let mut firing: Vec<_> = firing.filter(|one| one.extension.is_none()).collect();
            firing.sort_by_key(|trigger| &trigger.name);
            for trigger in firing {
                let (name, event) = (show_ident(&trigger.name), &trigger.event);
                let quoted = quote_ident(&trigger.name);
                let sql = format!("ALTER EVENT TRIGGER {quoted} DISABLE;");
                let what = format!("event trigger {name} fires on {event}");
                emit.find(side, what).object(name).sql(sql);
            }
        }
        Ok(())
    }),
    facts("obj.tablespaces", |facts, emit| {
        let there = facts.target.as_ref();
        let there = there
            .map(|target| target.objects.tablespaces.get())
            .transpose()?;
        let all = facts.source.objects.tablespaces.get()?.iter();
        let used = all.filter(|one| one.relations != 0 && one.name != "pg_default");
        let mut used: Vec<_> = used.collect();
        used.sort();
        for one in used {
            if there.is_some_and(|there| there.iter().any(|other| other.name == one.name)) {
                continue;
            }
            let (count, name) = (one.relations, show_ident(&one.name));
            let what = format!("{count} relations lie in tablespace {name}");
            let draft = emit.find(Source, what).object(name);
            draft.fix_on(Target).severity(warn_if(there.is_some()));
        }
        let Some(there) = there else { return Ok(()) };
        let server = &facts.source.server;
        let here = Some(&server.identity.get()?.database);
        for one in server.overrides.get()? {
            let names = match one.name.as_str() {
                _ if one.database.is_some() && one.database.as_ref() != here => continue,
                "default_tablespace" => vec![one.value.as_deref().unwrap_or_default()],
                "temp_tablespaces" => {
                    let list = one.value.as_deref().unwrap_or_default().split(',');
                    list.map(|name| name.trim().trim_matches('"')).collect()
                }
                _ => continue,
            };
            for name in names.into_iter().filter(|name| !name.is_empty()) {
                if !there.iter().any(|other| other.name == name) {
                    let (scope, shown) = (one.scope(), show_ident(name));
                    let what = format!("{scope}: {} names tablespace {shown}", one.name);
                    emit.find(Source, what).object(shown).fix_on(Target).remedy(
                        "Create the tablespace on the target. Without it the setting is accepted, and new tables go to the default tablespace.",
                    );
                }
            }
        }
        Ok(())
    }),
    source("obj.invalid_databases", |server, emit| {
        let databases = server.databases.get()?.iter();
        for one in databases.filter(|one| one.connection_limit == -2) {
            let name = show_ident(&one.name);
            let sql = format!("DROP DATABASE {};", quote_ident(&one.name));
            let what = format!("database {name} is invalid: its DROP was interrupted");
            emit.find(Source, what).object(name).sql(sql);
        }
        Ok(())
    }),
    facts("obj.db_role_settings", settings),
    facts("obj.schema_pgl", |facts, emit| {
        schema(facts, emit, OWN_SCHEMA, OWN_TABLES, |found| {
            pgl_schema::own(found).map(drop)
        })
    }),
    facts("obj.schema_pglogical", |facts, emit| {
        schema(facts, emit, "pglogical", &[], pgl_schema::pglogical)
    }),
];

fn settings(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let target = facts.target.as_ref().map(|target| &target.server);
    let there = target.map(ServerState::database_settings).transpose()?;
    let database = target.and_then(|target| target.identity.get().ok());
    let database = database.map(|identity| &identity.database);
    for one in facts.source.server.database_settings()? {
        if there.as_ref().is_some_and(|there| there.contains(&one)) {
            continue;
        }
        let (name, value, role) = (&one.name, one.value.as_deref(), one.role.as_deref());
        let of = role.map_or("the database".to_owned(), |role| {
            format!("role {} in the database", show_ident(role))
        });
        let shown = value.map_or(" (value not shown)".to_owned(), |value| {
            format!(" = {value}")
        });
        let other = there.iter().flatten();
        let other = other.filter(|there| (&there.name, &there.role) == (&one.name, &one.role));
        let stays = other.count() > 0;
        let what = match stays {
            true => format!("{of} sets {name}{shown}, and the target has another value"),
            false => format!("{of} sets {name}{shown}, which pgl-cutover sets on the target"),
        };
        let sql = database.zip(value).map(|(database, value)| {
            let there = Override {
                database: Some(database.clone()),
                ..one.clone()
            };
            there.set_sql(value)
        });
        let draft = emit.find(Source, what).object(name).fix_on(Target);
        draft.severity(warn_if(stays)).sql(sql);
    }
    Ok(())
}

/// A schema of this name that the tools will refuse, or that holds relations other than these.
fn schema(
    facts: &Facts,
    emit: &mut Emit<'_>,
    name: &str,
    ours: &[&str],
    trusted: fn(&[SchemaFact]) -> Result<(), Untrusted>,
) -> Ran {
    for (side, server) in facts.sides() {
        if let Err(found) = trusted(server.server.own_schemas.get()?) {
            emit.find(side, found.what).object(name).remedy(found.hint);
            continue;
        }
        let schemas = server.objects.schemas.get()?;
        let Some(found) = schemas.iter().find(|schema| schema.name == name) else {
            continue;
        };
        let relations = found.relations.iter().map(String::as_str);
        let foreign: Vec<&str> = relations.filter(|one| !ours.contains(one)).collect();
        if let Some(first) = foreign.iter().min() {
            let (count, owner) = (foreign.len(), show_ident(&found.owner));
            let first = show_ident(first);
            let what = format!(
                "schema {name}, owned by {owner}, holds {count} relations that do not belong there, such as {first}"
            );
            emit.find(side, what).object(name);
        }
    }
    Ok(())
}
