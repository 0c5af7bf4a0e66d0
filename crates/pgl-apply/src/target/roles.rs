//! Roles that the schema refers to.

use std::collections::BTreeSet;

use pgl_conn::Session;
use pgl_core::{Side, quote_ident, quote_literal};
use serde::Deserialize;

use crate::{Done, Error};

/// A role as the source has it, without its password.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Role {
    /// Name.
    pub name: String,
    #[serde(rename = "super")]
    is_super: bool,
    inherit: bool,
    createrole: bool,
    createdb: bool,
    login: bool,
    replication: bool,
    bypassrls: bool,
    connlimit: i32,
    config: Vec<String>,
    /// Roles that it is a member of.
    pub member_of: Vec<String>,
}

impl Role {
    /// The statements that create it. Password and expiry stay behind: a role that logs in gets
    /// its password from whoever manages it.
    pub fn sql(&self) -> Vec<String> {
        let flag = |on: bool, name: &str| {
            if on {
                name.to_owned()
            } else {
                format!("NO{name}")
            }
        };
        let name = quote_ident(&self.name);
        let mut all = vec![format!(
            "CREATE ROLE {name} {} {} {} {} {} {} {} CONNECTION LIMIT {}",
            flag(self.is_super, "SUPERUSER"),
            flag(self.inherit, "INHERIT"),
            flag(self.createrole, "CREATEROLE"),
            flag(self.createdb, "CREATEDB"),
            flag(self.login, "LOGIN"),
            flag(self.replication, "REPLICATION"),
            flag(self.bypassrls, "BYPASSRLS"),
            self.connlimit
        )];
        for setting in &self.config {
            if let Some((key, value)) = setting.split_once('=') {
                // Lists are kept as the server wrote them: quoted once more they would be one name.
                let list = matches!(
                    key,
                    "search_path"
                        | "DateStyle"
                        | "session_preload_libraries"
                        | "local_preload_libraries"
                        | "temp_tablespaces"
                );
                let value = if list {
                    value.to_owned()
                } else {
                    quote_literal(value)
                };
                all.push(format!(
                    "ALTER ROLE {name} SET {} TO {value}",
                    quote_ident(key)
                ));
            }
        }
        all
    }
}

/// The roles that the source's objects need and the target does not have, and those that they are
/// members of, in an order in which they can be created.
///
/// # Errors
/// The servers'.
pub fn missing(source: &mut Session, target: &mut Session) -> Result<Vec<Role>, Error> {
    let there: BTreeSet<String> = target
        .values(
            "SELECT rolname::text FROM pg_roles",
            &[],
            "the target's roles",
        )?
        .into_iter()
        .collect();
    let mut wanted: BTreeSet<String> = pgl_catalog::setup::roles_needed(source)?
        .into_iter()
        .collect();
    let mut found: Vec<Role> = Vec::new();
    loop {
        let open: Vec<String> = wanted
            .iter()
            .filter(|name| !there.contains(*name) && !found.iter().any(|role| role.name == **name))
            .cloned()
            .collect();
        if open.is_empty() {
            break;
        }
        let more: Vec<Role> =
            pgl_catalog::rows(source, include_str!("../../sql/roles.sql"), &[&open])?;
        if more.is_empty() {
            break;
        }
        wanted.extend(more.iter().flat_map(|role| role.member_of.clone()));
        found.extend(more);
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Whether missing roles are created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// They are an error.
    Refuse,
    /// They are created.
    Create,
}

/// The refusal where roles are missing.
pub fn roles_missing(open: &[Role]) -> Error {
    let names: Vec<&str> = open.iter().map(|role| role.name.as_str()).collect();
    Error::refused(
        Side::Target,
        format!(
            "roles that own objects or hold privileges are missing: {}",
            names.join(", ")
        ),
        "create them, or let --roles copy do it (without passwords), or --roles skip",
    )
}

/// Checks that every role is there, or creates the missing ones in one transaction.
///
/// # Errors
/// The servers', or a refusal that names the roles.
pub fn roles(
    source: &mut Session,
    target: &mut Session,
    missing_roles: Missing,
) -> Result<Done, Error> {
    let open = missing(source, target)?;
    if open.is_empty() {
        return Ok(Done::Already("every role that is needed exists".to_owned()));
    }
    let names: Vec<&str> = open.iter().map(|role| role.name.as_str()).collect();
    if missing_roles == Missing::Refuse {
        return Err(roles_missing(&open));
    }
    let mut sql: Vec<String> = open.iter().flat_map(Role::sql).collect();
    sql.extend(open.iter().flat_map(|role| {
        role.member_of.iter().map(|group| {
            format!(
                "GRANT {} TO {}",
                quote_ident(group),
                quote_ident(&role.name)
            )
        })
    }));
    target
        .batch(&format!("BEGIN;\n{};\nCOMMIT;", sql.join(";\n")))
        .or_else(|error| {
            target.rollback()?;
            Err(error.with_context("creating roles"))
        })?;
    Ok(Done::Changed(format!(
        "created without passwords: {}",
        names.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_settings_and_lists() {
        let role = Role {
            name: "App \"x".to_owned(),
            is_super: false,
            inherit: true,
            createrole: false,
            createdb: false,
            login: true,
            replication: false,
            bypassrls: false,
            connlimit: -1,
            config: vec![
                "search_path=a, \"B\"".to_owned(),
                "work_mem=64MB".to_owned(),
            ],
            member_of: Vec::new(),
        };
        let sql = role.sql();
        assert!(
            sql[0].starts_with("CREATE ROLE \"App \"\"x\" NOSUPERUSER INHERIT"),
            "{}",
            sql[0]
        );
        assert!(
            sql[1].ends_with("SET \"search_path\" TO a, \"B\""),
            "{}",
            sql[1]
        );
        assert!(sql[2].ends_with("TO '64MB'"), "{}", sql[2]);
    }
}
