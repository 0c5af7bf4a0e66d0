//! What belongs to the database or the cluster as a whole.

use crate::facts::Facts;
use crate::facts::objects::Enabled;
use crate::migration::{OWN_SCHEMA, OWN_TABLES};
use crate::name::{quote_ident, show_ident};
use crate::pgl_schema::{self, SchemaFact, Untrusted};
use crate::rules::{Check, Emit, On, Ran};
use crate::setting_literal;
use crate::{Severity, Side};

pub(in crate::rules) const CHECKS: &[Check] = &[
    Check {
        id: "obj.event_triggers",
        severity: Severity::Warn,
        on: On::Both,
        guardrail: false,
        title: "event triggers",
        why: "They fire on the statements of the setup as well, on the source and, once restored, on the target; an error in one stops it.",
        remedy: "Disable the event trigger for the time of the setup.",
        run: event_triggers,
    },
    Check {
        id: "obj.tablespaces",
        severity: Severity::Warn,
        on: On::Both,
        guardrail: false,
        title: "tablespaces that the target does not have",
        why: "A schema dump names them: the restore fails, or everything lands in the default tablespace.",
        remedy: "Create the tablespace on the target, or restore with --no-tablespaces.",
        run: tablespaces,
    },
    Check {
        id: "obj.invalid_databases",
        severity: Severity::Warn,
        on: On::Source,
        guardrail: false,
        title: "databases that an interrupted DROP DATABASE left behind",
        why: "pglogical's supervisor tries every database of the cluster, and whole-cluster tools stop at this one.",
        remedy: "Drop the database.",
        run: invalid_databases,
    },
    Check {
        id: "obj.db_role_settings",
        severity: Severity::Warn,
        on: On::Both,
        guardrail: true,
        title: "settings of the database, and of roles in it, that the target does not have",
        why: "A schema dump carries neither ALTER DATABASE … SET nor ALTER ROLE … IN DATABASE … SET: after the switch the application meets another search_path or time zone.",
        remedy: "Set it on the target before the cutover.",
        run: settings,
    },
    Check {
        id: "obj.schema_pgl",
        severity: Severity::Block,
        on: On::Both,
        guardrail: false,
        title: "a schema pgl that is not the suite's own, or that another role can change",
        why: "The suite keeps its marker table and its journal in a schema of this name, executes statements that it stored there, and teardown removes that schema.",
        remedy: "Rename the schema, or move its tables elsewhere.",
        run: schema_pgl,
    },
    Check {
        id: "obj.schema_pglogical",
        severity: Severity::Block,
        on: On::Both,
        guardrail: false,
        title: "a schema pglogical that another role controls, or with tables that do not belong to the extension",
        why: "CREATE EXTENSION pglogical takes a schema of that name as it is: its owner and whoever may create there put functions beside pglogical's, which run with the rights of the tools; where its tables exist already, it fails.",
        remedy: "Drop what an earlier installation left behind, or rename the schema.",
        run: schema_pglogical,
    },
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
