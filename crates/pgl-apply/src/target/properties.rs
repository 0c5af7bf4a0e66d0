//! The properties of the database itself.
//!
//! What somebody has decided for the target stays: only what is there as in a new database becomes the source's.

use std::collections::BTreeSet;

use pgl_conn::{Error as ConnError, Session};
use pgl_core::database_properties::{DatabaseProperties, Grant};
use pgl_core::facts::server::Override;
use pgl_core::name::show_ident;
use pgl_core::roles::loads_libraries;
use pgl_core::{Side, quote_ident, quote_literal};

use crate::grant::grant_sql;
use crate::{Done, Error};

/// What becomes of all of them.
#[derive(Debug)]
pub struct Properties {
    /// All but the settings.
    pub lasting: Carry,
    /// Settings, which the apply worker would have, too: with the promotion.
    pub settings: Carry,
}

/// What the target would be given, and what stays as it is.
///
/// # Errors
/// The servers'.
pub fn properties(source: &mut Session, target: &mut Session) -> Result<Properties, ConnError> {
    let from: DatabaseProperties = pgl_catalog::setup::database_properties(source)?;
    let to = pgl_catalog::setup::database_properties(target)?;
    let roles = pgl_catalog::server::roles(target)?;
    let roles = roles.into_iter().map(|role| role.name).collect();
    Ok(Properties {
        lasting: carry(source.side(), &from, &to, &roles),
        settings: carry_settings(source.side(), &from, &to, &roles),
    })
}

/// What of it the target accepts, tried in transactions that are rolled back.
///
/// # Errors
/// The server's, where the session is lost.
pub fn try_properties(target: &mut Session, mut carry: Carry) -> Result<Carry, ConnError> {
    let mut refused = Vec::new();
    for property in &carry.given {
        let tried = target.batch(&format!("BEGIN READ WRITE;\n{}", property.sql));
        target.rollback()?;
        if let Err(error) = tried {
            refused.push(property.clone());
            let why = format!("not {} ({})", property.what, error.message);
            carry.kept.push(why);
        }
    }
    carry.given.retain(|property| !refused.contains(property));
    Ok(carry)
}

/// Gives them. What the server refuses, and what would take from the connected role what it needs, stays as it is and
/// says why.
///
/// # Errors
/// The server's, where the session is lost.
fn give_properties(target: &mut Session, carry: Carry) -> Result<Carry, Error> {
    let mut done = Carry {
        given: Vec::new(),
        kept: carry.kept,
    };
    for property in carry.given {
        match give(target, &property) {
            Ok(true) => done.given.push(property),
            Ok(false) => done.kept.push(format!(
                "not {}, which would take from this role what it needs here",
                property.what
            )),
            Err(error) if error.is_lost() => return Err(error.into()),
            Err(error) => done
                .kept
                .push(format!("not {} ({})", property.what, error.message)),
        }
    }
    Ok(done)
}

/// The same as the outcome of a step.
///
/// # Errors
/// As [`properties`]; the server's, where the session is lost.
pub fn lasting_properties(source: &mut Session, target: &mut Session) -> Result<Done, Error> {
    let wanted = properties(source, target)?.lasting;
    let done = give_properties(target, wanted)?;
    let stays = match done.kept.as_slice() {
        [] => String::new(),
        kept => format!("; as they were: {}", kept.join(", ")),
    };
    Ok(match done.given_list() {
        None => Done::Already(format!("nothing to give{stays}")),
        Some(given) => Done::Changed(format!("{given}{stays}")),
    })
}

/// Whether it was given.
fn give(target: &mut Session, property: &Property) -> Result<bool, ConnError> {
    let before = needed(target)?;
    target.batch("BEGIN")?;
    let given = target
        .batch(&property.sql)
        .and_then(|()| needed(target))
        .map(|after| after >= before);
    match given {
        Ok(true) => target.commit()?,
        Ok(false) | Err(_) if target.is_closed() => {}
        Ok(false) | Err(_) => target.rollback()?,
    }
    given
}

/// How many of the rights to connect, to create schemas and to alter the database the connected role has.
fn needed(target: &mut Session) -> Result<i32, ConnError> {
    target.value(
        "SELECT pg_catalog.has_database_privilege(d.oid, 'CONNECT')::int + pg_catalog.has_database_privilege(d.oid, 'CREATE')::int \
         + pg_catalog.pg_has_role(d.datdba, 'USAGE')::int FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()",
        &[],
        "the rights on the database",
    )
}

/// One property that the target is given, all of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// In words, without values that may be secret.
    pub what: String,
    /// The statements.
    pub sql: String,
    /// Whether the statements hold what may be secret.
    secret: bool,
}

impl Property {
    /// The statements, for people.
    pub fn shown(&self) -> String {
        match self.secret {
            true => format!("-- {}; its value is not shown", self.what.escape_debug()),
            false => self.sql.clone(),
        }
    }
}

/// What becomes of the target's properties.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Carry {
    /// What it is given.
    pub given: Vec<Property>,
    /// What differs and stays as it is there.
    pub kept: Vec<String>,
}

impl Carry {
    fn give(&mut self, what: impl Into<String>, sql: String) {
        let what = what.into();
        let secret = false;
        self.given.push(Property { what, sql, secret });
    }

    fn keep(&mut self, what: String) {
        self.kept.push(what);
    }

    /// What it is given, in words; none where there is nothing.
    pub fn given_list(&self) -> Option<String> {
        let words: Vec<&str> = self.given.iter().map(|one| one.what.as_str()).collect();
        (!words.is_empty()).then(|| words.join(", "))
    }
}

/// Owner, privileges, connection limit and comments. `side` is where they come from, `roles` are those of the other server.
fn carry(
    side: Side,
    from: &DatabaseProperties,
    to: &DatabaseProperties,
    roles: &BTreeSet<String>,
) -> Carry {
    let mut carry = Carry::default();
    let database = format!("DATABASE {}", quote_ident(&to.name));
    let mut owner = &to.owner;
    if from.owner != to.owner {
        if to.owner == to.connected_as && roles.contains(&from.owner) {
            owner = &from.owner;
            let sql = format!("ALTER {database} OWNER TO {};", quote_ident(owner));
            carry.give(format!("owner {}", show_ident(owner)), sql);
        } else {
            carry.keep(format!(
                "owner {} (on the {side} {})",
                show_ident(&to.owner),
                show_ident(&from.owner)
            ));
        }
    }
    match (rights(from), rights(to)) {
        (None, None) => {}
        (Some(theirs), Some(here)) if theirs == here => {}
        (Some(theirs), None) => {
            let all = format!(
                "REVOKE ALL ON {database} FROM PUBLIC, {};",
                quote_ident(owner)
            );
            privileges(&mut carry, &database, all, theirs, owner, roles);
        }
        // What was given, but for roles that did not exist. What everybody or the owner lacks was taken from them.
        (Some(theirs), Some(here))
            if here.is_subset(&theirs)
                && (theirs.difference(&here))
                    .all(|(owners, grant)| !owners && grant.grantee.is_some()) =>
        {
            let missing = theirs.difference(&here).cloned().collect();
            privileges(&mut carry, &database, String::new(), missing, owner, roles);
        }
        (_, Some(_)) => carry.keep("privileges".to_owned()),
    }
    if from.template && !to.template {
        carry.give("template", format!("ALTER {database} IS_TEMPLATE true;"));
    }
    if from.tablespace != to.tablespace {
        carry.keep(format!(
            "tablespace {} (on the {side} {})",
            show_ident(&to.tablespace),
            show_ident(&from.tablespace)
        ));
    }
    if from.connection_limit != to.connection_limit {
        if to.connection_limit == -1 {
            let what = format!("connection limit {}", from.connection_limit);
            let limit = from.connection_limit;
            carry.give(what, format!("ALTER {database} CONNECTION LIMIT {limit};"));
        } else {
            carry.keep(format!(
                "connection limit {} (on the {side} {})",
                to.connection_limit, from.connection_limit
            ));
        }
    }
    if from.comment != to.comment {
        match (&from.comment, &to.comment) {
            (Some(comment), None) => {
                let sql = format!("COMMENT ON {database} IS {};", quote_literal(comment));
                carry.give("comment", sql);
            }
            _ => carry.keep("comment".to_owned()),
        }
    }
    for theirs in &from.extensions {
        let Some(here) = to.extensions.iter().find(|one| one.name == theirs.name) else {
            continue;
        };
        if theirs.comment == theirs.comes_with || theirs.comment == here.comment {
            continue;
        }
        let what = format!("comment of extension {}", show_ident(&theirs.name));
        if here.comment == here.comes_with {
            let text = theirs.comment.as_deref();
            let text = text.map_or_else(|| "NULL".to_owned(), quote_literal);
            let name = quote_ident(&theirs.name);
            carry.give(what, format!("COMMENT ON EXTENSION {name} IS {text};"));
        } else {
            carry.keep(what);
        }
    }
    carry
}

/// The privileges that are not those of a new database, the owner without a name.
fn rights(of: &DatabaseProperties) -> Option<BTreeSet<(bool, Grant)>> {
    let grants = of.acl.iter().flatten().map(|grant| {
        let owners = grant.grantee.as_ref() == Some(&of.owner);
        let mut grant = grant.clone();
        if owners {
            grant.grantee = None;
        }
        (owners, grant)
    });
    of.acl.is_some().then(|| grants.collect())
}

fn privileges(
    carry: &mut Carry,
    database: &str,
    mut sql: String,
    theirs: BTreeSet<(bool, Grant)>,
    owner: &str,
    roles: &BTreeSet<String>,
) {
    let mut absent = BTreeSet::new();
    for (owners, mut grant) in theirs {
        if owners {
            grant.grantee = Some(owner.to_owned());
        }
        match &grant.grantee {
            Some(role) if !roles.contains(role) => {
                absent.insert(show_ident(role));
            }
            _ => {
                sql.push('\n');
                sql.push_str(&grant_sql(&grant, database));
            }
        }
    }
    if !sql.is_empty() {
        carry.give("privileges", sql);
    }
    if !absent.is_empty() {
        let names: Vec<String> = absent.into_iter().collect();
        carry.keep(format!(
            "no privileges of roles that do not exist ({})",
            names.join(", ")
        ));
    }
}

/// `ALTER DATABASE … SET`, and `ALTER ROLE … IN DATABASE … SET`; without what makes the database read-only, which is the
/// cutover's. `side` is where they come from.
fn carry_settings(
    side: Side,
    from: &DatabaseProperties,
    to: &DatabaseProperties,
    roles: &BTreeSet<String>,
) -> Carry {
    let is_read_only = |one: &Override| {
        one.name
            .eq_ignore_ascii_case("default_transaction_read_only")
    };
    let said = |one: &Override| match &one.role {
        Some(role) => format!("setting {} of role {}", one.name, show_ident(role)),
        None => format!("setting {}", one.name),
    };
    let find = |all: &'_ [Override], sought: &Override| {
        (all.iter())
            .find(|one| one.role == sought.role && one.name.eq_ignore_ascii_case(&sought.name))
            .cloned()
    };
    let mut carry = Carry::default();
    for theirs in &from.settings {
        let Some(value) = &theirs.value else { continue };
        let (read_only, what) = (is_read_only(theirs), said(theirs));
        match find(&to.settings, theirs) {
            Some(here) if here.value == theirs.value => {}
            Some(_) => carry.keep(what),
            None if read_only && theirs.role.is_none() => {
                carry.keep(format!("no {what}, which is the cutover's own"));
            }
            None if loads_libraries(&theirs.name) => carry.keep(format!(
                "no {what}, which keeps everybody out where a library is missing"
            )),
            None if theirs
                .role
                .as_ref()
                .is_some_and(|role| !roles.contains(role)) =>
            {
                carry.keep(format!("no {what}, which does not exist"));
            }
            None => {
                let there = Override {
                    database: Some(to.name.clone()),
                    ..theirs.clone()
                };
                carry.given.push(Property {
                    what,
                    sql: there.set_sql(value),
                    secret: theirs.name.contains('.'),
                });
            }
        }
    }
    for here in &to.settings {
        if find(&from.settings, here).is_none() && !is_read_only(here) {
            carry.keep(format!("{}, which the {side} does not have", said(here)));
        }
    }
    carry
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgl_core::database_properties::{ExtensionComment, Privilege};

    fn new_database(name: &str, owner: &str) -> DatabaseProperties {
        DatabaseProperties {
            name: name.to_owned(),
            owner: owner.to_owned(),
            connected_as: "postgres".to_owned(),
            connection_limit: -1,
            acl: None,
            template: false,
            tablespace: "pg_default".to_owned(),
            comment: None,
            settings: Vec::new(),
            extensions: Vec::new(),
        }
    }

    fn grant(grantee: Option<&str>, right: Privilege) -> Grant {
        Grant {
            grantee: grantee.map(str::to_owned),
            right,
            grantable: false,
        }
    }

    fn setting(role: Option<&str>, name: &str, value: &str) -> Override {
        Override {
            database: None,
            role: role.map(str::to_owned),
            name: name.to_owned(),
            value: Some(value.to_owned()),
        }
    }

    fn roles() -> BTreeSet<String> {
        ["postgres", "shop", "app"].map(str::to_owned).into()
    }

    fn source() -> DatabaseProperties {
        DatabaseProperties {
            connection_limit: 20,
            acl: Some(vec![
                grant(Some("shop"), Privilege::Create),
                grant(Some("shop"), Privilege::Connect),
                grant(Some("app"), Privilege::Connect),
                grant(Some("gone"), Privilege::Connect),
            ]),
            comment: Some("it's the shop".to_owned()),
            settings: vec![
                setting(None, "search_path", "shop, public"),
                setting(Some("app"), "app.key", "secret"),
                setting(Some("gone"), "work_mem", "1MB"),
                setting(None, "default_transaction_read_only", "on"),
            ],
            extensions: vec![ExtensionComment {
                name: "hstore".to_owned(),
                comment: Some("ours".to_owned()),
                comes_with: Some("theirs".to_owned()),
            }],
            ..new_database("shop", "shop")
        }
    }

    #[test]
    fn a_new_database_becomes_what_the_sources_is() {
        let mut to = new_database("Shop 2", "postgres");
        to.extensions = source().extensions;
        to.extensions[0].comment = Some("theirs".to_owned());
        let carry = carry(Side::Source, &source(), &to, &roles());
        let sql: Vec<&str> = carry.given.iter().map(|one| one.sql.as_str()).collect();
        assert_eq!(
            sql,
            [
                r#"ALTER DATABASE "Shop 2" OWNER TO "shop";"#,
                "REVOKE ALL ON DATABASE \"Shop 2\" FROM PUBLIC, \"shop\";\n\
                 GRANT CONNECT ON DATABASE \"Shop 2\" TO \"app\";\n\
                 GRANT CREATE ON DATABASE \"Shop 2\" TO \"shop\";\n\
                 GRANT CONNECT ON DATABASE \"Shop 2\" TO \"shop\";",
                r#"ALTER DATABASE "Shop 2" CONNECTION LIMIT 20;"#,
                r#"COMMENT ON DATABASE "Shop 2" IS 'it''s the shop';"#,
                "COMMENT ON EXTENSION \"hstore\" IS 'ours';",
            ]
        );
        assert_eq!(
            carry.kept,
            ["no privileges of roles that do not exist (gone)"]
        );
    }

    #[test]
    fn what_was_decided_for_the_target_stays() {
        let mut to = new_database("shop", "dba");
        to.acl = Some(vec![grant(None, Privilege::Connect)]);
        to.connection_limit = 5;
        to.comment = Some("the new one".to_owned());
        to.settings = vec![setting(None, "SEARCH_PATH", "public")];
        to.extensions = source().extensions;
        to.extensions[0].comment = Some("another".to_owned());
        let carried = carry(Side::Source, &source(), &to, &roles());
        assert_eq!(carried.given, []);
        assert_eq!(
            carried.kept,
            [
                "owner dba (on the source shop)",
                "privileges",
                "connection limit 5 (on the source 20)",
                "comment",
                "comment of extension hstore"
            ]
        );
        let back = carry(Side::Target, &source(), &to, &roles());
        assert_eq!(back.kept[0], "owner dba (on the target shop)");
        // Everybody could connect to both: what was revoked on the target stays revoked.
        let mut open = source();
        open.acl.iter_mut().flatten().for_each(|one| {
            if one.grantee.as_deref() == Some("gone") {
                one.grantee = None;
            }
        });
        to.acl = Some(vec![grant(Some("app"), Privilege::Connect)]);
        let revoked = carry(Side::Source, &open, &to, &roles());
        assert!(revoked.kept.contains(&"privileges".to_owned()));
        assert_eq!(revoked.given, []);
        to.settings.push(setting(Some("app"), "role", "none"));
        to.settings
            .push(setting(Some("app"), "default_transaction_read_only", "on"));
        let settings = carry_settings(Side::Source, &source(), &to, &roles());
        let given: Vec<&str> = settings.given.iter().map(|one| one.sql.as_str()).collect();
        assert_eq!(
            given,
            [r#"ALTER ROLE "app" IN DATABASE "shop" SET "app.key" TO 'secret';"#]
        );
        assert_eq!(settings.given[0].what, "setting app.key of role app");
        assert_eq!(
            settings.kept,
            [
                "setting search_path",
                "no setting work_mem of role gone, which does not exist",
                "no setting default_transaction_read_only, which is the cutover's own",
                "setting role of role app, which the source does not have"
            ]
        );
    }

    #[test]
    fn what_is_the_same_is_left_alone() {
        let of_another_owner = DatabaseProperties {
            acl: Some(vec![
                grant(Some("postgres"), Privilege::Connect),
                grant(Some("postgres"), Privilege::Create),
                grant(Some("app"), Privilege::Connect),
                grant(Some("gone"), Privilege::Connect),
            ]),
            connected_as: "dba".to_owned(),
            owner: "postgres".to_owned(),
            ..source()
        };
        let carried = carry(Side::Source, &source(), &of_another_owner, &roles());
        assert_eq!(carried.given, []);
        assert_eq!(carried.kept, ["owner postgres (on the source shop)"]);
        let same = carry(Side::Source, &source(), &source(), &roles());
        assert_eq!(same, Carry::default());
        assert_eq!(
            carry_settings(Side::Source, &source(), &source(), &BTreeSet::new()),
            Carry::default()
        );
    }
}
