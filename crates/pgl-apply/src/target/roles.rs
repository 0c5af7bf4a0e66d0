//! Roles that the schema refers to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use pgl_conn::Session;
use pgl_core::facts::server::Role;
use pgl_core::name::show_ident;
use pgl_core::roles::{carried, create_sql, differences, grant_sql, loads_libraries, of_a_service};
use pgl_core::{ServerVersion, Side, quote_ident, setting_literal};
use serde::Deserialize;

use crate::{Done, Error};

/// A role that the target does not have, as the source has it, without its password.
#[derive(Debug, Clone, PartialEq)]
pub struct MissingRole {
    role: Role,
    /// `name=value`, in every database.
    config: Vec<String>,
}

impl MissingRole {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.role.name
    }
}

/// The statements that create roles: all of them first, then their memberships. Only who may become a role can give it
/// the objects that it owns: a superuser, or a member, which `member` becomes, the connected role that is no superuser.
fn create_roles_sql(
    missing: &[MissingRole],
    target: ServerVersion,
    member: Option<&str>,
) -> Vec<String> {
    let mut sql = Vec::new();
    if member.is_some() && target.at_least(16) {
        sql.push("SET LOCAL createrole_self_grant = 'set, inherit';".to_owned());
    }
    for one in missing {
        sql.push(create_sql(&one.role, target));
        if let Some(member) = member.filter(|_| !target.at_least(16)) {
            let (role, member) = (quote_ident(&one.role.name), quote_ident(member));
            sql.push(format!("GRANT {role} TO {member};"));
        }
    }
    for one in missing {
        let memberships = one.role.memberships.iter();
        sql.extend(memberships.map(|membership| grant_sql(&one.role, membership, target)));
    }
    sql
}

/// A setting that a role has in every database.
struct RoleSetting<'a> {
    name: &'a str,
    role: &'a str,
    value: &'a str,
}

impl RoleSetting<'_> {
    fn sql(&self) -> String {
        let (role, name) = (quote_ident(self.role), quote_ident(self.name));
        let value = setting_literal(self.name, self.value);
        format!("ALTER ROLE {role} SET {name} TO {value};")
    }

    /// For people: applications keep secrets in settings of their own.
    fn shown(&self) -> String {
        match self.name.contains('.') {
            true => format!(
                "-- setting {}; its value is not shown",
                self.to_string().escape_debug()
            ),
            false => self.sql(),
        }
    }
}

impl fmt::Display for RoleSetting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.name, show_ident(self.role))
    }
}

fn settings(missing: &[MissingRole]) -> impl Iterator<Item = RoleSetting<'_>> {
    missing.iter().flat_map(|one| {
        let role = &one.role.name;
        let each = one.config.iter().filter_map(|entry| entry.split_once('='));
        each.map(move |(name, value)| RoleSetting { name, role, value })
    })
}

/// The statements of [`roles`].
///
/// # Errors
/// The servers'.
pub fn roles_sql(source: &mut Session, target: &mut Session) -> Result<Vec<String>, Error> {
    let both = Both::read(source, target, Missing::Create)?;
    let missing = with_settings(source, &both.missing())?;
    let member = both.member(target)?;
    let mut sql = create_roles_sql(&missing, target.version(), member.as_deref());
    sql.extend(settings(&missing).map(|setting| setting.shown()));
    Ok(sql)
}

/// The roles of both sides, and those that the source's objects need: owners, grantees, and the roles that these
/// are members of.
struct Both {
    source: Vec<Role>,
    target: Vec<Role>,
    needed: BTreeSet<String>,
    /// Those of the source's service that are not on the target.
    of_a_service: BTreeSet<String>,
}

impl Both {
    /// Where missing ones are created, the roles that the database itself names are needed, too.
    fn read(source: &mut Session, target: &mut Session, missing: Missing) -> Result<Self, Error> {
        let there = pgl_catalog::server::roles(target)?;
        let has = |name: &str| there.iter().any(|role| role.name == name);
        let on_source = pgl_catalog::server::roles(source)?;
        let roles: Vec<Role> = on_source.iter().map(|role| carried(role, has)).collect();
        let by_name: BTreeMap<&str, &Role> = roles
            .iter()
            .map(|role| (role.name.as_str(), role))
            .collect();
        let mut open = pgl_catalog::setup::roles_needed(source)?;
        if missing == Missing::Create {
            let database = pgl_catalog::setup::database_properties(source)?;
            open.push(database.owner);
            open.extend((database.acl.into_iter().flatten()).filter_map(|grant| grant.grantee));
            open.extend((database.settings.into_iter()).filter_map(|setting| setting.role));
            open.retain(|name| !name.starts_with("pg_"));
        }
        let mut needed = BTreeSet::new();
        while let Some(name) = open.pop() {
            if let Some(role) = by_name.get(name.as_str())
                && needed.insert(name)
            {
                open.extend(role.groups().map(str::to_owned));
            }
        }
        let of_a_service = on_source
            .iter()
            .filter(|role| needed.contains(&role.name))
            .flat_map(|role| role.groups().chain([role.name.as_str()]))
            .filter(|role| of_a_service(role) && !has(role))
            .map(str::to_owned)
            .collect();
        Ok(Self {
            target: there,
            source: roles,
            needed,
            of_a_service,
        })
    }

    fn on_target(&self, name: &str) -> Option<&Role> {
        self.target.iter().find(|role| role.name == name)
    }

    fn missing(&self) -> Vec<&Role> {
        self.source
            .iter()
            .filter(|role| self.needed.contains(&role.name) && self.on_target(&role.name).is_none())
            .filter(|role| !self.of_a_service.contains(&role.name))
            .collect()
    }

    /// The connected role of the target, where it is no superuser.
    fn member(&self, target: &mut Session) -> Result<Option<String>, Error> {
        let sql = "SELECT current_user::text";
        let me: String = target.value(sql, &[], "the connected role")?;
        let superuser = self.on_target(&me).is_some_and(|role| role.superuser);
        Ok((!superuser).then_some(me))
    }

    /// What differs where a role exists on both sides: it is never changed, but it is said.
    fn different(&self, version: ServerVersion) -> Vec<String> {
        self.source
            .iter()
            .filter(|role| self.needed.contains(&role.name))
            .filter_map(|role| {
                let there = self.on_target(&role.name)?;
                let found = differences(role, there, version);
                let what: Vec<String> = found.into_iter().map(|one| one.what).collect();
                (!what.is_empty()).then(|| format!("{} ({})", role.name, what.join("; ")))
            })
            .collect()
    }
}

#[derive(Deserialize)]
struct Config {
    name: String,
    config: Vec<String>,
}

fn with_settings(source: &mut Session, roles: &[&Role]) -> Result<Vec<MissingRole>, Error> {
    if roles.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<&str> = roles.iter().map(|role| role.name.as_str()).collect();
    let found: Vec<Config> =
        pgl_catalog::rows(source, include_str!("../../sql/roles.sql"), &[&names])?;
    let mut settings: BTreeMap<String, Vec<String>> = found
        .into_iter()
        .map(|one| (one.name, one.config))
        .collect();
    Ok(roles
        .iter()
        .map(|role| MissingRole {
            config: settings.remove(&role.name).unwrap_or_default(),
            role: (*role).clone(),
        })
        .collect())
}

/// The roles that the source's objects need and the target does not have, and those that they are
/// members of; apart from them those of the source's service, which no other server needs.
///
/// # Errors
/// The servers'.
pub fn missing(
    source: &mut Session,
    target: &mut Session,
    missing: Missing,
) -> Result<(Vec<MissingRole>, BTreeSet<String>), Error> {
    let both = Both::read(source, target, missing)?;
    let open = with_settings(source, &both.missing())?;
    Ok((open, both.of_a_service))
}

/// Finds out whether the missing roles could be created, in a transaction that is rolled back.
///
/// # Errors
/// The servers', among them the refusal of a statement.
pub fn try_roles(source: &mut Session, target: &mut Session) -> Result<(), Error> {
    let both = Both::read(source, target, Missing::Create)?;
    let open = with_settings(source, &both.missing())?;
    let member = both.member(target)?;
    let sql = create_roles_sql(&open, target.version(), member.as_deref()).join("\n");
    let tried = target.batch(&format!("BEGIN READ WRITE;\n{sql}"));
    target.rollback()?;
    Ok(tried.map_err(|error| error.with_context("roles could not be created"))?)
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
pub fn roles_missing(open: &[MissingRole]) -> Error {
    let names: Vec<&str> = open.iter().map(|one| one.role.name.as_str()).collect();
    Error::refused(
        Side::Target,
        format!(
            "roles that own objects or hold privileges are missing: {}",
            names.join(", ")
        ),
        "pgl-preflight --fix-sql target prints their SQL; or pgl-setup --roles copy creates them without passwords, --roles skip leaves out what names them",
    )
}

/// Checks that every role exists, or creates the missing ones in one transaction. A role that exists is not
/// changed; how it differs from the source's, and the settings that the target does not know, are part of the outcome.
///
/// # Errors
/// The servers', or a refusal that names the roles.
pub fn roles(
    source: &mut Session,
    target: &mut Session,
    missing_roles: Missing,
) -> Result<Done, Error> {
    let version = target.version();
    let both = Both::read(source, target, missing_roles)?;
    let different = both.different(version);
    let mut also = if different.is_empty() {
        String::new()
    } else {
        format!(
            "; not changed although the source's differs: {} (pgl-preflight --only role.differs has the SQL)",
            different.join(", ")
        )
    };
    if !both.of_a_service.is_empty() {
        let names: Vec<&str> = both.of_a_service.iter().map(String::as_str).collect();
        also += &format!(
            "; left out are memberships, owners and privileges that name roles of the source's service: {}",
            names.join(", ")
        );
    }
    let open = with_settings(source, &both.missing())?;
    if open.is_empty() {
        return Ok(Done::Already(format!(
            "every role that is needed exists{also}"
        )));
    }
    let names: Vec<&str> = open.iter().map(|one| one.role.name.as_str()).collect();
    if missing_roles == Missing::Refuse {
        return Err(roles_missing(&open));
    }
    let member = both.member(target)?;
    let sql = create_roles_sql(&open, version, member.as_deref()).join("\n");
    target
        .batch(&format!("BEGIN;\n{sql}\nSAVEPOINT created"))
        .or_else(|error| {
            target.rollback()?;
            Err(error.with_context("creating roles"))
        })?;
    let mut unset = String::new();
    for setting in settings(&open) {
        if loads_libraries(setting.name) {
            unset.push_str(&format!(
                "; not set: {setting} (it would keep the role out where a library is missing)"
            ));
            continue;
        }
        if let Err(error) = target.batch(&format!("{}\nSAVEPOINT created", setting.sql())) {
            target.batch("ROLLBACK TO SAVEPOINT created")?;
            unset.push_str(&format!("; not set: {setting} ({})", error.message));
        }
    }
    target.commit()?;
    let joined = member.map_or_else(String::new, |me| {
        format!("; {} is a member of them", show_ident(&me))
    });
    Ok(Done::Changed(format!(
        "created without passwords: {}{joined}{unset}{also}",
        names.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgl_core::facts::server::Membership;

    fn role(name: &str) -> Role {
        Role {
            name: name.to_owned(),
            inherit: true,
            connection_limit: -1,
            ..Role::default()
        }
    }

    #[test]
    fn every_role_is_created_before_the_first_membership() {
        let member = Role {
            login: true,
            memberships: vec![Membership {
                role: "staff".to_owned(),
                admin: true,
                ..Membership::default()
            }],
            ..role("app")
        };
        let missing = [
            MissingRole {
                role: member,
                config: vec![
                    "search_path=a, \"B\"".to_owned(),
                    "work_mem=64MB".to_owned(),
                ],
            },
            MissingRole {
                role: role("staff"),
                config: Vec::new(),
            },
        ];
        let sql = create_roles_sql(&missing, ServerVersion(170_000), None);
        assert!(sql[0].starts_with("CREATE ROLE \"app\"") && sql[0].contains(" LOGIN "));
        assert!(sql[1].starts_with("CREATE ROLE \"staff\""));
        assert_eq!(
            sql[2..],
            ["GRANT \"staff\" TO \"app\" WITH ADMIN TRUE, INHERIT TRUE, SET TRUE;"]
        );
        let settings: Vec<String> = settings(&missing).map(|one| one.sql()).collect();
        assert_eq!(
            settings,
            [
                "ALTER ROLE \"app\" SET \"search_path\" TO 'a', 'B';",
                "ALTER ROLE \"app\" SET \"work_mem\" TO '64MB';",
            ]
        );
        // Who is no superuser becomes a member.
        let sql = create_roles_sql(&missing, ServerVersion(170_000), Some("admin"));
        assert_eq!(sql[0], "SET LOCAL createrole_self_grant = 'set, inherit';");
        let sql = create_roles_sql(&missing, ServerVersion(150_000), Some("admin"));
        assert_eq!(sql[1], "GRANT \"app\" TO \"admin\";");
    }

    #[test]
    fn a_role_that_exists_is_compared() {
        let login = Role {
            login: true,
            ..role("app")
        };
        let both = Both {
            source: vec![login.clone(), role("other")],
            target: vec![role("app")],
            of_a_service: BTreeSet::new(),
            needed: BTreeSet::from(["app".to_owned(), "other".to_owned()]),
        };
        let version = ServerVersion(170_000);
        assert_eq!(
            both.different(version),
            ["app (NOLOGIN, on the source LOGIN)"]
        );
        let missing: Vec<&str> = both.missing().iter().map(|one| one.name.as_str()).collect();
        assert_eq!(missing, ["other"]);
    }
}
