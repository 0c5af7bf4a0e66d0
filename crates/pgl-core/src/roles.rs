//! Roles: how a role of the target differs from the source's role of the same name, and the SQL that creates it.
//!
//! Passwords are no part of it: nobody but their owners may know them, so they are set by a person.

use crate::facts::server::{Membership, Role};
use crate::name::show_ident;
use crate::{ServerVersion, quote_ident, quote_literal};

/// Roles that a managed service brings along. By name, and not by how they begin: a customer may have a role `rds_reports`.
const OF_SERVICES: &[&str] = &[
    "rdsadmin",
    "rdsproxyadmin",
    "rdsrepladmin",
    "rdstopmgr",
    "rdswriteforwarduser",
    "rds_superuser",
    "rds_replication",
    "rds_iam",
    "rds_password",
    "rds_ad",
    "rds_extension",
    "rds_reserved",
    "cloudsqladmin",
    "cloudsqlagent",
    "cloudsqlconnpooladmin",
    "cloudsqliamgroup",
    "cloudsqliamgroupserviceaccount",
    "cloudsqliamgroupuser",
    "cloudsqliamserviceaccount",
    "cloudsqliamuser",
    "cloudsqlimportexport",
    "cloudsqlinactiveuser",
    "cloudsqlobservabilityadmin",
    "cloudsqlreplica",
    "cloudsqlsuperuser",
    "alloydbadmin",
    "alloydbagent",
    "alloydbexport",
    "alloydbiamgroupuser",
    "alloydbiamuser",
    "alloydbimportexport",
    "alloydbobservability",
    "alloydbreplica",
    "alloydbsuperuser",
    "azuresu",
    "azure_pg_admin",
    "azure_superuser",
];

/// Whether a role is one that a managed service brings along: no other server needs it.
pub fn of_a_service(name: &str) -> bool {
    OF_SERVICES.contains(&name)
}

/// The role without its memberships in roles of a service that are not on the other server, as `there` says.
#[must_use]
pub fn carried(role: &Role, there: impl Fn(&str) -> bool) -> Role {
    let mut role = role.clone();
    (role.memberships).retain(|one| there(&one.role) || !of_a_service(&one.role));
    role
}

/// Whether a setting names libraries that each new session loads: one that a server lacks keeps everybody out, and it
/// is not looked for when the setting is made.
pub fn loads_libraries(name: &str) -> bool {
    ["session_preload_libraries", "local_preload_libraries"]
        .iter()
        .any(|one| name.eq_ignore_ascii_case(one))
}

/// One attribute that a role has or has not.
type Attribute = (&'static str, fn(&Role) -> bool);

/// The attributes of `CREATE ROLE` that are on or off.
const ATTRIBUTES: &[Attribute] = &[
    ("SUPERUSER", |role| role.superuser),
    ("INHERIT", |role| role.inherit),
    ("CREATEROLE", |role| role.createrole),
    ("CREATEDB", |role| role.createdb),
    ("LOGIN", |role| role.login),
    ("REPLICATION", |role| role.replication),
    ("BYPASSRLS", |role| role.bypass_rls),
];

/// `LOGIN` or `NOLOGIN`.
fn word(name: &str, on: bool) -> String {
    if on {
        name.to_owned()
    } else {
        format!("NO{name}")
    }
}

/// What creates a role with the attributes and the comment that it has on the source, without its password.
pub fn create_sql(role: &Role, target: ServerVersion) -> String {
    let mut sql = format!("CREATE ROLE {}", quote_ident(&role.name));
    for (name, has) in ATTRIBUTES {
        // Before 9.5 there is no row security to bypass.
        if *name == "BYPASSRLS" && !target.at_least_num(90_500) {
            continue;
        }
        sql.push(' ');
        sql.push_str(&word(name, has(role)));
    }
    if role.connection_limit != -1 {
        sql.push_str(&format!(" CONNECTION LIMIT {}", role.connection_limit));
    }
    if let Some(until) = &role.valid_until {
        sql.push_str(&format!(" VALID UNTIL '{until}'"));
    }
    sql.push(';');
    if let Some(comment) = &role.comment {
        let (name, comment) = (quote_ident(&role.name), quote_literal(comment));
        sql.push_str(&format!(" COMMENT ON ROLE {name} IS {comment};"));
    }
    sql
}

/// What a membership gives: from 16 on each membership says it, before that the member's own attribute does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gives {
    admin: bool,
    inherit: bool,
    set: bool,
}

fn gives(role: &Role, membership: &Membership) -> Gives {
    Gives {
        admin: membership.admin,
        inherit: membership.inherit.unwrap_or(role.inherit),
        set: membership.set.unwrap_or(true),
    }
}

/// The statement that makes a role the same member of a group as on the source.
pub fn grant_sql(role: &Role, membership: &Membership, target: ServerVersion) -> String {
    let flag = |on| if on { "TRUE" } else { "FALSE" };
    let gives = gives(role, membership);
    let options = if target.at_least(16) {
        format!(
            " WITH ADMIN {}, INHERIT {}, SET {}",
            flag(gives.admin),
            flag(gives.inherit),
            flag(gives.set)
        )
    } else if gives.admin {
        " WITH ADMIN OPTION".to_owned()
    } else {
        String::new()
    };
    format!(
        "GRANT {} TO {}{options};",
        quote_ident(&membership.role),
        quote_ident(&role.name)
    )
}

/// One difference between a role of the source and the target's role of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleDifference {
    /// `NOLOGIN, on the source LOGIN`.
    pub what: String,
    /// The statement that gives the target's role what it lacks; none where it has more than the source's, which
    /// somebody may have wanted.
    pub fix: Option<String>,
}

/// How the target's role differs from the source's.
pub fn differences(source: &Role, target: &Role, version: ServerVersion) -> Vec<RoleDifference> {
    let name = quote_ident(&source.name);
    let mut found = Vec::new();
    let mut differs = |what: String, fix: Option<String>| found.push(RoleDifference { what, fix });
    for (attribute, has) in ATTRIBUTES {
        let (wanted, is) = (has(source), has(target));
        if wanted != is {
            let (here, there) = (word(attribute, wanted), word(attribute, is));
            // A superuser is made by a person.
            let fix = (wanted && *attribute != "SUPERUSER")
                .then(|| format!("ALTER ROLE {name} {attribute};"));
            differs(format!("{there}, on the source {here}"), fix);
        }
    }
    let (wanted, is) = (source.connection_limit, target.connection_limit);
    if wanted != is {
        let lacks = is != -1 && (wanted == -1 || wanted > is);
        let fix = lacks.then(|| format!("ALTER ROLE {name} CONNECTION LIMIT {wanted};"));
        differs(
            format!("CONNECTION LIMIT {is}, on the source {wanted}"),
            fix,
        );
    }
    if source.valid_until != target.valid_until {
        let shown = |role: &Role| role.valid_until.clone().unwrap_or("infinity".to_owned());
        let (here, there) = (shown(source), shown(target));
        differs(format!("VALID UNTIL {there}, on the source {here}"), None);
    }
    if let Some(comment) = &source.comment
        && target.comment.as_ref() != Some(comment)
    {
        let comment = quote_literal(comment);
        let fix =
            (target.comment.is_none()).then(|| format!("COMMENT ON ROLE {name} IS {comment};"));
        differs("another comment than on the source".to_owned(), fix);
    }
    let of = |role: &Role, group: &str| -> Option<Gives> {
        let mut all = role.memberships.iter();
        all.find(|one| one.role == group)
            .map(|one| gives(role, one))
    };
    for membership in &source.memberships {
        let (group, wanted) = (show_ident(&membership.role), gives(source, membership));
        let is = of(target, &membership.role);
        let there = match is {
            Some(is) if is == wanted => continue,
            Some(is) => format!("member of {group} with {}", options(is)),
            None => format!("no member of {group}"),
        };
        let more = is.is_some_and(|is| {
            (is.admin && !wanted.admin)
                || (is.inherit && !wanted.inherit)
                || (is.set && !wanted.set)
        });
        let fix = (!more).then(|| grant_sql(source, membership, version));
        differs(
            format!("{there}, on the source with {}", options(wanted)),
            fix,
        );
    }
    for membership in &target.memberships {
        if of(source, &membership.role).is_none() {
            let group = show_ident(&membership.role);
            differs(format!("member of {group}, on the source not"), None);
        }
    }
    found
}

fn options(gives: Gives) -> String {
    let words: Vec<&str> = [
        (gives.admin, "ADMIN"),
        (gives.inherit, "INHERIT"),
        (gives.set, "SET"),
    ]
    .into_iter()
    .filter(|(on, _)| *on)
    .map(|(_, word)| word)
    .collect();
    if words.is_empty() {
        "no option".to_owned()
    } else {
        words.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V13: ServerVersion = ServerVersion(130_016);
    const V17: ServerVersion = ServerVersion(170_011);

    fn role(name: &str) -> Role {
        Role {
            name: name.to_owned(),
            inherit: true,
            login: true,
            connection_limit: -1,
            ..Role::default()
        }
    }

    fn member(of: &str, admin: bool) -> Membership {
        Membership {
            role: of.to_owned(),
            admin,
            inherit: None,
            set: None,
        }
    }

    #[test]
    fn a_role_is_created_with_everything_but_its_password() {
        assert_eq!(
            create_sql(&role("App \"x"), V17),
            "CREATE ROLE \"App \"\"x\" NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS;"
        );
        let limited = Role {
            connection_limit: 5,
            valid_until: Some("2027-01-01 00:00:00+00".to_owned()),
            login: false,
            createdb: true,
            ..role("x")
        };
        let sql = create_sql(&limited, ServerVersion(90_413));
        assert!(
            sql.ends_with("CREATEDB NOLOGIN NOREPLICATION CONNECTION LIMIT 5 VALID UNTIL '2027-01-01 00:00:00+00';"),
            "{sql}"
        );
    }

    #[test]
    fn a_membership_keeps_its_options() {
        let app = role("app");
        let grant = |membership: &Membership, version| grant_sql(&app, membership, version);
        assert_eq!(grant(&member("g", false), V13), "GRANT \"g\" TO \"app\";");
        assert_eq!(
            grant(&member("g", true), V13),
            "GRANT \"g\" TO \"app\" WITH ADMIN OPTION;"
        );
        assert_eq!(
            grant(&member("g", true), V17),
            "GRANT \"g\" TO \"app\" WITH ADMIN TRUE, INHERIT TRUE, SET TRUE;"
        );
        let since_16 = Membership {
            inherit: Some(false),
            set: Some(false),
            ..member("g", false)
        };
        assert_eq!(
            grant(&since_16, V17),
            "GRANT \"g\" TO \"app\" WITH ADMIN FALSE, INHERIT FALSE, SET FALSE;"
        );
        // A member that does not inherit, from a server where the role says so.
        let never = Role {
            inherit: false,
            ..role("app")
        };
        assert_eq!(
            grant_sql(&never, &member("g", false), V17),
            "GRANT \"g\" TO \"app\" WITH ADMIN FALSE, INHERIT FALSE, SET TRUE;"
        );
    }

    #[test]
    fn a_fix_gives_what_the_target_lacks_and_takes_nothing() {
        let mut source = role("app");
        source.memberships = vec![member("staff", true), member("heads", false)];
        let mut target = role("app");
        target.memberships = source.memberships.clone();
        assert_eq!(differences(&source, &target, V17), []);
        target.login = false;
        target.createdb = true;
        target.connection_limit = 3;
        target.memberships = vec![member("staff", false), member("extra", false)];
        let found = differences(&source, &target, V13);
        let seen: Vec<_> = found
            .iter()
            .map(|one| (one.what.as_str(), one.fix.as_deref()))
            .collect();
        assert_eq!(
            seen,
            [
                ("CREATEDB, on the source NOCREATEDB", None),
                (
                    "NOLOGIN, on the source LOGIN",
                    Some("ALTER ROLE \"app\" LOGIN;")
                ),
                (
                    "CONNECTION LIMIT 3, on the source -1",
                    Some("ALTER ROLE \"app\" CONNECTION LIMIT -1;")
                ),
                (
                    "member of staff with INHERIT, SET, on the source with ADMIN, INHERIT, SET",
                    Some("GRANT \"staff\" TO \"app\" WITH ADMIN OPTION;")
                ),
                (
                    "no member of heads, on the source with INHERIT, SET",
                    Some("GRANT \"heads\" TO \"app\";")
                ),
                ("member of extra, on the source not", None),
            ]
        );
        // The other way round nothing is taken from the target's role.
        for one in differences(&target, &source, V13) {
            let fix = one.fix.unwrap_or_default();
            assert!(
                !fix.contains("NOLOGIN") && !fix.contains("LIMIT 3"),
                "{fix}"
            );
        }
        let superuser = Role {
            superuser: true,
            ..role("app")
        };
        assert_eq!(differences(&superuser, &role("app"), V17)[0].fix, None);
    }
}
