//! Whether schema `pgl` of a database can be trusted: the tools execute statements that they stored in it, and every
//! write to its tables runs what other roles could have attached to them.
//!
//! It can be trusted when everything in it is owned by the role that is connected or by a superuser, nobody else may
//! write to it or create in it, and nothing is attached to its tables. Then no other role can change that later, so
//! one check holds for the whole session.

use serde::{Deserialize, Serialize};

use crate::migration::OWN_SCHEMA;
use crate::quote_ident;

/// What one row of the catalog query is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// The schema exists; `role` owns it, `detail` is its comment.
    Schema,
    /// One of the suite's tables exists.
    Table,
    /// `role`, who is neither connected nor a superuser, owns the object.
    Owner,
    /// `role` has privilege `detail` on the object.
    Privilege,
    /// Something named `detail` is attached to the table: a trigger, rule, child table, foreign key.
    Attached,
    /// The object is not what the suite creates, but `detail`.
    Shape,
    /// Schema `pglogical` exists.
    PglogicalExists,
    /// `role`, who is neither connected nor a superuser, can put functions into schema `pglogical` or has one there, or may write
    /// its tables: as `detail`, `owner` or the privilege.
    Pglogical,
}

/// One row of the catalog query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaFact {
    /// What it is about.
    pub aspect: Aspect,
    /// Object, as a person names it.
    pub object: String,
    /// Role.
    #[serde(default)]
    pub role: Option<String>,
    /// More.
    #[serde(default)]
    pub detail: Option<String>,
}

/// A schema that can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PglSchema {
    /// There is none.
    Absent,
    /// It exists with its tables.
    Usable,
    /// It exists and some of its tables do not.
    Incomplete,
}

/// Why a schema of that name must not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untrusted {
    /// What was found.
    pub what: String,
    /// What to do.
    pub hint: String,
}

/// Evaluates what the catalog query found.
///
/// # Errors
/// [`Untrusted`] with the first problems.
pub fn evaluate(facts: &[SchemaFact]) -> Result<PglSchema, Untrusted> {
    pglogical(facts)?;
    own(facts)
}

/// Evaluates schema `pgl` alone.
///
/// # Errors
/// [`Untrusted`] with the first problems.
pub fn own(facts: &[SchemaFact]) -> Result<PglSchema, Untrusted> {
    let Some(schema) = facts.iter().find(|fact| fact.aspect == Aspect::Schema) else {
        return Ok(PglSchema::Absent);
    };
    let owner = schema.role.as_deref().unwrap_or_default();
    let comment = schema.detail.as_deref().unwrap_or_default();
    if !comment.starts_with("pgl:") {
        return Err(Untrusted {
            what: format!(
                "schema \"{OWN_SCHEMA}\" exists, is owned by role {owner:?} and was not created by pgl-setup"
            ),
            hint: format!(
                "these tools keep their journal in a schema of this name: rename the other one for the time of the migration: ALTER SCHEMA {OWN_SCHEMA} RENAME TO {OWN_SCHEMA}_other"
            ),
        });
    }
    let problems: Vec<String> = facts.iter().filter_map(problem).collect();
    if let Some(first) = problems.first() {
        let more = match problems.len() {
            1 => String::new(),
            count => format!("; and {} more", count - 1),
        };
        return Err(Untrusted {
            what: format!(
                "schema \"{OWN_SCHEMA}\" cannot be trusted, nothing in it is executed: {first}{more}"
            ),
            hint: format!(
                "connect as the role that ran pgl-setup, and revoke or drop what other roles have there; if no migration runs, DROP SCHEMA {OWN_SCHEMA} CASCADE and begin again"
            ),
        });
    }
    let tables = facts.iter().filter(|fact| fact.aspect == Aspect::Table);
    Ok(if tables.count() == crate::migration::OWN_TABLES.len() {
        PglSchema::Usable
    } else {
        PglSchema::Incomplete
    })
}

/// Evaluates schema `pglogical` alone: its functions are called with the rights of whoever runs a tool.
///
/// # Errors
/// [`Untrusted`] where another role can put a function there, or has.
pub fn pglogical(facts: &[SchemaFact]) -> Result<(), Untrusted> {
    let Some(fact) = facts.iter().find(|fact| fact.aspect == Aspect::Pglogical) else {
        return Ok(());
    };
    let detail = fact.detail.as_deref();
    let what = match detail {
        Some("owner") | None => fact.owned(),
        Some(_) => fact.granted(),
    };
    let hint = match detail {
        Some("owner" | "CREATE") | None => {
            "let a superuser own the schema and everything in it, and let nobody else create there; where pglogical is not \
             installed yet, ALTER SCHEMA pglogical RENAME TO another name: a server with pglogical preloaded may crash at \
             DROP SCHEMA pglogical CASCADE"
                .to_owned()
        }
        Some(_) => {
            let grantee = fact.role.as_deref();
            let grantee = grantee.map_or("PUBLIC".to_owned(), quote_ident);
            format!(
                "who writes pglogical's tables can have statements executed as a superuser on the other side: REVOKE ALL ON ALL TABLES \
                 IN SCHEMA pglogical FROM {grantee}; (ALTER DEFAULT PRIVILEGES may have granted it)"
            )
        }
    };
    Err(Untrusted {
        what: format!(
            "schema \"pglogical\" cannot be trusted, none of its functions is called: {what}"
        ),
        hint,
    })
}

impl SchemaFact {
    fn who(&self) -> String {
        let role = self.role.as_deref();
        role.map_or("PUBLIC".to_owned(), |role| format!("role {role:?}"))
    }

    fn owned(&self) -> String {
        let (object, role) = (&self.object, self.who());
        format!("{object} is owned by {role}, which is neither the connected role nor a superuser")
    }

    fn granted(&self) -> String {
        let detail = self.detail.as_deref().unwrap_or_default();
        format!("{} has {detail} on {}", self.who(), self.object)
    }
}

fn problem(fact: &SchemaFact) -> Option<String> {
    let object = &fact.object;
    let detail = fact.detail.as_deref().unwrap_or_default();
    match fact.aspect {
        Aspect::Schema | Aspect::Table | Aspect::PglogicalExists | Aspect::Pglogical => None,
        Aspect::Owner => Some(fact.owned()),
        Aspect::Privilege => Some(fact.granted()),
        Aspect::Attached => Some(format!("{object} has {detail}")),
        Aspect::Shape => Some(format!("{object} is {detail}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_puts_functions_into_schema_pglogical() {
        let planted = |object: &str, role: Option<&str>, detail: &str| {
            let facts = [fact(Aspect::Pglogical, object, role, detail)];
            assert!(pglogical(&facts).is_err());
            evaluate(&facts).unwrap_err().what
        };
        assert!(
            planted("schema pglogical", Some("mallory"), "owner")
                .contains("owned by role \"mallory\"")
        );
        assert!(
            planted("schema pglogical", None, "CREATE")
                .contains("PUBLIC has CREATE on schema pglogical")
        );
        assert!(
            planted("function pglogical.f", Some("mallory"), "owner")
                .contains("function pglogical.f is owned")
        );
        assert!(
            planted("relation pglogical.queue", Some("app"), "INSERT")
                .contains("role \"app\" has INSERT on relation pglogical.queue")
        );
        let granted = [fact(
            Aspect::Pglogical,
            "relation pglogical.queue",
            Some("App"),
            "UPDATE",
        )];
        assert!(
            (pglogical(&granted).unwrap_err().hint)
                .contains("REVOKE ALL ON ALL TABLES IN SCHEMA pglogical FROM \"App\"")
        );
        assert_eq!(pglogical(&[]), Ok(()));
    }

    fn fact(aspect: Aspect, object: &str, role: Option<&str>, detail: &str) -> SchemaFact {
        SchemaFact {
            aspect,
            object: object.to_owned(),
            role: role.map(str::to_owned),
            detail: Some(detail.to_owned()),
        }
    }

    fn clean() -> Vec<SchemaFact> {
        let mut all = vec![fact(
            Aspect::Schema,
            "schema pgl",
            Some("postgres"),
            "pgl: marker and journal",
        )];
        for table in crate::migration::OWN_TABLES {
            all.push(fact(Aspect::Table, &format!("table pgl.{table}"), None, ""));
        }
        all
    }

    #[test]
    fn absent_complete_and_incomplete() {
        assert_eq!(evaluate(&[]), Ok(PglSchema::Absent));
        assert_eq!(evaluate(&clean()), Ok(PglSchema::Usable));
        assert_eq!(evaluate(&clean()[..3]), Ok(PglSchema::Incomplete));
    }

    #[test]
    fn a_schema_without_our_comment_is_named_with_its_owner() {
        let theirs = [fact(Aspect::Schema, "schema pgl", Some("mallory"), "")];
        let refusal = evaluate(&theirs).unwrap_err();
        assert!(refusal.what.contains("\"mallory\""), "{}", refusal.what);
        assert!(refusal.hint.contains("RENAME TO"), "{}", refusal.hint);
    }

    #[test]
    fn every_aspect_of_another_role_is_a_refusal() {
        for (bad, expected) in [
            (
                fact(Aspect::Owner, "table pgl.held", Some("mallory"), ""),
                "table pgl.held is owned by role \"mallory\"",
            ),
            (
                fact(Aspect::Privilege, "table pgl.marker", None, "INSERT"),
                "PUBLIC has INSERT on table pgl.marker",
            ),
            (
                fact(Aspect::Attached, "table pgl.marker", None, "trigger x"),
                "table pgl.marker has trigger x",
            ),
            (
                fact(Aspect::Shape, "relation pgl.journal", None, "a view"),
                "relation pgl.journal is a view",
            ),
        ] {
            let mut all = clean();
            all.push(bad.clone());
            let refusal = evaluate(&all).unwrap_err();
            assert!(refusal.what.contains(expected), "{}", refusal.what);
            all.push(bad);
            assert!(evaluate(&all).unwrap_err().what.contains("and 1 more"));
        }
    }
}
