//! Roles that objects name, and that have to be on the target too.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::grants::missing;
use crate::Side::{Source, Target};
use crate::facts::NotRun;
use crate::facts::server::{ParameterGrant, Password, Referenced, Role, ServerState};
use crate::name::show_ident;
use crate::quote_ident;
use crate::roles::{carried, create_sql, differences, grant_sql, loads_libraries, of_a_service};
use crate::rules::common::{some_of, warn_if};
use crate::rules::{Emit, Ran, Rule, pair, source};
use crate::{Severity, plural, setting_literal};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    pair("role.missing_on_target", missing_on_target),
    pair("role.differs", |from, to, emit| {
        let (there, version) = (to.roles_by_name()?, to.version()?);
        let roles = from.roles.get()?.iter();
        for role in roles.filter(|role| !comes_with_the_server(&role.name)) {
            let name = show_ident(&role.name);
            let other = there.get(role.name.as_str());
            let role = carried(role, |group| there.contains_key(group));
            let found = other.map(|other| differences(&role, other, version));
            for difference in found.into_iter().flatten() {
                let what = format!("role {name} on the target: {}", difference.what);
                let draft = emit.find(Target, what).object(&name);
                match difference.fix {
                    Some(fix) => draft.sql(fix),
                    None => draft.severity(Severity::Info).remedy(
                        "Decide which of the two is wanted; nothing is changed by a script.",
                    ),
                };
            }
        }
        Ok(())
    }),
    pair("role.login_missing_on_target", |from, to, emit| {
        let (referenced, there) = (referenced(from)?, to.roles_by_name()?);
        let logins = from.roles.get()?.iter().filter(|role| role.login);
        let missing: Vec<String> = logins
            .map(|role| role.name.as_str())
            .filter(|name| !referenced.contains_key(name) && !comes_with_the_server(name))
            .filter(|name| !there.contains_key(name))
            .map(show_ident)
            .collect();
        if !missing.is_empty() {
            let what = format!("not on the target: {}", some_of(&missing));
            emit.find(Target, what).object(missing.join(", "));
        }
        Ok(())
    }),
    source("role.password_hash", |server, emit| {
        let all = server.passwords.get()?.iter();
        let roles: Vec<String> = (all.filter(|one| one.md5))
            .map(|one| show_ident(&one.role))
            .collect();
        if !roles.is_empty() {
            let (count, names) = (plural(roles.len() as u64, "role"), some_of(&roles));
            let what = format!("{count} with an MD5 password: {names}");
            emit.find(Source, what).object(roles.join(", "));
        }
        Ok(())
    }),
    pair("role.password_missing", |from, to, emit| {
        let (there, passwords) = (to.roles_by_name()?, to.passwords.get()?);
        for Password { role, .. } in from.passwords.get()? {
            let logs_in = there.get(role.as_str()).is_some_and(|other| other.login);
            if logs_in
                && !comes_with_the_server(role)
                && !passwords.iter().any(|one| one.role == *role)
            {
                let name = show_ident(role);
                emit.find(Target, format!("role {name} has no password on the target"))
                    .object(&name)
                    .manual_sql(password_comment(&quote_ident(role)));
            }
        }
        Ok(())
    }),
    source("role.pg_prefix", |server, emit| {
        // Later servers have such roles of their own and let nobody add one.
        if server.version()?.at_least_num(90_600) {
            return Ok(());
        }
        let referenced = referenced(server)?;
        let roles = server.roles.get()?.iter();
        for role in roles.filter(|role| role.name.starts_with("pg_")) {
            let name = &role.name;
            let severity = match referenced.contains_key(name.as_str()) {
                true => Severity::Block,
                false => Severity::Info,
            };
            let (from, to) = (quote_ident(name), quote_ident(&format!("x{name}")));
            emit.find(Source, format!("role {name} has a reserved name"))
                .object(name)
                .severity(severity)
                .sql(format!("ALTER ROLE {from} RENAME TO {to};"));
        }
        Ok(())
    }),
    pair("role.superuser_owned", |from, to, emit| {
        if to.platform()?.is_managed() {
            let referenced = from.referenced_roles.get()?.iter();
            for found in referenced.filter(|found| found.superuser && found.owned > 0) {
                let (name, objects) = (show_ident(&found.role), plural(found.owned, "object"));
                let what = format!("superuser {name} owns {objects}");
                emit.find(Source, what).object(name);
            }
        }
        Ok(())
    }),
    pair("role.parameter_grants", |from, to, emit| {
        let (referenced, there) = (referenced(from)?, to.roles_by_name()?);
        let (version, given) = (to.version()?, to.parameter_grants.get()?);
        for grant in from.parameter_grants.get()?.iter() {
            let concerns = |role: &String| {
                referenced.contains_key(role.as_str()) || there.contains_key(role.as_str())
            };
            let has = |one: &ParameterGrant| {
                (&one.parameter, &one.grantee, &one.privilege)
                    == (&grant.parameter, &grant.grantee, &grant.privilege)
                    && (one.grantable || !grant.grantable)
            };
            if given.iter().any(has) || !grant.grantee.as_ref().is_none_or(concerns) {
                continue;
            }
            let grantee = grant.grantee.as_deref();
            let what = format!(
                "{} may {} {} on the source, not on the target",
                grantee.map_or("PUBLIC".to_owned(), show_ident),
                grant.privilege,
                grant.parameter
            );
            let parameter: Vec<String> = grant.parameter.split('.').map(quote_ident).collect();
            let sql = format!(
                "GRANT {} ON PARAMETER {} TO {}{};",
                grant.privilege,
                parameter.join("."),
                grantee.map_or("PUBLIC".to_owned(), quote_ident),
                if grant.grantable {
                    " WITH GRANT OPTION"
                } else {
                    ""
                }
            );
            let draft = emit.find(Target, what).object(&grant.parameter);
            match version.at_least(15) {
                true => draft.sql(sql),
                false => draft.remedy("Before 15 only a superuser may set it: use ALTER ROLE ... SET, or leave it out."),
            };
        }
        Ok(())
    }),
    source("role.sys_grants", |server, emit| {
        let grants = server.system_grants.get()?.iter();
        let names: Vec<&str> = grants.map(|grant| grant.object.as_str()).collect();
        if !names.is_empty() {
            let target = emit.facts.target();
            let target = target.and_then(|target| target.server.platform());
            let severity = warn_if(target.is_ok_and(|platform| platform.is_managed()));
            let what = format!("changed privileges on system objects: {}", some_of(&names));
            let draft = emit.find(Source, what).object(names.join(", "));
            draft.severity(severity);
        }
        Ok(())
    }),
];

/// Owners and grantees of the database's objects, by name.
fn referenced(server: &ServerState) -> Result<HashMap<&str, &Referenced>, NotRun> {
    let referenced = server.referenced_roles.get()?.iter();
    Ok(referenced
        .map(|found| (found.role.as_str(), found))
        .collect())
}

/// Whether a role came with the server.
pub(in crate::rules) fn comes_with_the_server(name: &str) -> bool {
    name.starts_with("pg_") || of_a_service(name)
}

/// Missing roles, those first that others are members of: in this order they can be created.
fn in_order<'a>(missing: &BTreeMap<&'a str, &'a Role>) -> Vec<&'a Role> {
    fn add<'a>(
        name: &str,
        missing: &BTreeMap<&'a str, &'a Role>,
        seen: &mut HashSet<&'a str>,
        out: &mut Vec<&'a Role>,
    ) {
        if let Some(role) = missing.get(name)
            && seen.insert(&role.name)
        {
            role.groups()
                .for_each(|group| add(group, missing, seen, out));
            out.push(role);
        }
    }
    let (mut seen, mut out) = (HashSet::new(), Vec::new());
    for name in missing.keys() {
        add(name, missing, &mut seen, &mut out);
    }
    out
}

fn missing_on_target(from: &ServerState, to: &ServerState, emit: &mut Emit<'_>) -> Ran {
    let (referenced, there, version) = (referenced(from)?, to.roles_by_name()?, to.version()?);
    for role in in_order(&missing(from, to)?) {
        let (name, quoted) = (show_ident(&role.name), quote_ident(&role.name));
        let why = match referenced.get(role.name.as_str()) {
            Some(found) => format!(
                "it owns {} and is named in the privileges of {}",
                plural(found.owned, "object"),
                plural(found.granted, "object")
            ),
            None => "roles that own objects are members of it".to_owned(),
        };
        let mut sql = Vec::new();
        if role.login {
            sql.push(password_comment(&quoted));
        }
        sql.push(create_sql(role, version));
        let overrides = from.overrides.get()?.iter();
        let own = overrides.filter(|found| found.role.as_ref() == Some(&role.name));
        sql.extend(own.filter(|found| found.database.is_none()).map(|found| {
            let set = format!("ALTER ROLE {quoted} SET {} TO ", quote_ident(&found.name));
            match &found.value {
                _ if loads_libraries(&found.name) => {
                    format!(
                        "-- It keeps the role out where a library is missing: {}…;",
                        one_line(&set)
                    )
                }
                Some(value) => format!("{set}{};", setting_literal(&found.name, value)),
                None => format!("-- The value was not read: {}…;", one_line(&set)),
            }
        }));
        let carried = carried(role, |group| there.contains_key(group));
        let grants = carried.memberships.iter();
        sql.extend(grants.map(|membership| grant_sql(role, membership, version)));
        let sql = sql.join("\n");
        let what = format!("role {name} does not exist on the target; on the source {why}");
        let draft = emit.find(Target, what).object(name);
        if role.superuser {
            draft
                .remedy(
                    "It is a superuser on the source: decide whether the target needs it as one, and create it yourself; \
                     or run pgl-setup with --roles copy.",
                )
                .manual_sql(sql);
        } else {
            draft.sql(sql);
        }
    }
    Ok(())
}

fn password_comment(quoted: &str) -> String {
    let name = one_line(quoted);
    format!("-- The password is not copied. In psql: \\password {name}")
}

/// A name with a line break must not end a comment.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
pub(in crate::rules) use cases::CASES;

#[cfg(test)]
mod cases {
    use super::*;
    use crate::ServerVersion;
    use crate::facts::Facts;
    use crate::facts::server::{Membership, ParameterGrant, Referenced, Role, SystemGrant};
    use crate::rules::testing::server::override_setting;
    use crate::rules::testing::server::{on_target, source};
    use crate::rules::testing::{Case, fires, known, silent};

    fn may_set(grantee: Option<&str>) -> ParameterGrant {
        ParameterGrant {
            parameter: "work_mem".into(),
            grantee: grantee.map(str::to_owned),
            privilege: "SET".into(),
            grantable: false,
        }
    }

    fn owner(f: &mut Facts, superuser: bool) {
        known(&mut source(f).referenced_roles).push(Referenced {
            role: "boss".into(),
            superuser,
            owned: 3,
            granted: 1,
        });
        known(&mut source(f).roles).push(Role {
            superuser,
            ..role("boss")
        });
    }

    /// The same role on both sides, the target's as changed.
    fn on_both(f: &mut Facts, change: impl Fn(&mut Role)) {
        known(&mut source(f).roles).push(role("boss"));
        let mut there = role("boss");
        change(&mut there);
        known(&mut on_target(f).roles).push(there);
    }

    fn with_password(role: &str, md5: bool) -> Password {
        let role = role.to_owned();
        Password { role, md5 }
    }

    fn role(name: &str) -> Role {
        Role {
            name: name.into(),
            login: true,
            ..Role::default()
        }
    }

    pub(in crate::rules) const CASES: &[Case] = &[
        fires("role.missing_on_target", Severity::Warn, "an owner", |f| {
            owner(f, false);
        }),
        silent("role.missing_on_target", "there too", |f| {
            owner(f, false);
            known(&mut on_target(f).roles).push(role("boss"));
        }),
        fires("role.missing_on_target", Severity::Warn, "a group", |f| {
            owner(f, false);
            known(&mut on_target(f).roles).push(role("boss"));
            known(&mut source(f).referenced_roles)[0].role = "member".into();
            known(&mut source(f).roles).extend([
                Role {
                    memberships: vec![Membership {
                        role: "staff".into(),
                        ..Membership::default()
                    }],
                    ..role("member")
                },
                role("staff"),
            ]);
        }),
        fires("role.differs", Severity::Warn, "NOLOGIN there", |f| {
            on_both(f, |role| role.login = false);
        }),
        fires("role.differs", Severity::Info, "more rights there", |f| {
            on_both(f, |role| role.createdb = true);
        }),
        silent("role.differs", "alike", |f| on_both(f, |_| {})),
        silent("role.differs", "the service's own", |f| {
            known(&mut source(f).roles).push(role("rdsadmin"));
            known(&mut on_target(f).roles).push(Role {
                login: false,
                ..role("rdsadmin")
            });
        }),
        fires(
            "role.login_missing_on_target",
            Severity::Info,
            "a login",
            |f| {
                known(&mut source(f).roles).push(role("reports"));
            },
        ),
        silent("role.login_missing_on_target", "the service's own", |f| {
            known(&mut source(f).roles).push(role("rdsadmin"));
        }),
        fires("role.password_hash", Severity::Info, "MD5", |f| {
            known(&mut source(f).passwords).push(with_password("app", true));
        }),
        silent("role.password_hash", "SCRAM", |f| {
            known(&mut source(f).passwords).push(with_password("app", false));
        }),
        fires("role.password_missing", Severity::Warn, "a login", |f| {
            on_both(f, |_| {});
            known(&mut source(f).passwords).push(with_password("app", false));
        }),
        silent("role.password_missing", "on both sides", |f| {
            on_both(f, |_| {});
            known(&mut source(f).passwords).push(with_password("app", false));
            known(&mut on_target(f).passwords).push(with_password("app", true));
        }),
        silent("role.password_missing", "no such role there", |f| {
            known(&mut source(f).passwords).push(with_password("gone", false));
        }),
        fires("role.pg_prefix", Severity::Block, "an owner on 9.5", |f| {
            known(&mut source(f).identity).version = ServerVersion(90_525);
            known(&mut source(f).roles).push(role("pg_app"));
            known(&mut source(f).referenced_roles)[0].role = "pg_app".into();
        }),
        silent("role.pg_prefix", "the server's own on 13", |f| {
            known(&mut source(f).roles).push(role("pg_monitor"));
        }),
        fires("role.superuser_owned", Severity::Warn, "to RDS", |f| {
            owner(f, true);
            known(&mut on_target(f).identity).markers = vec!["rds".into()];
        }),
        silent("role.superuser_owned", "to one's own server", |f| {
            owner(f, true);
        }),
        fires("role.parameter_grants", Severity::Warn, "SET", |f| {
            known(&mut source(f).parameter_grants).push(may_set(None));
        }),
        silent("role.parameter_grants", "on both sides", |f| {
            known(&mut source(f).parameter_grants).push(may_set(None));
            known(&mut on_target(f).parameter_grants).push(may_set(None));
        }),
        silent("role.parameter_grants", "with more on the target", |f| {
            known(&mut source(f).parameter_grants).push(may_set(None));
            let more = ParameterGrant {
                grantable: true,
                ..may_set(None)
            };
            known(&mut on_target(f).parameter_grants).push(more);
        }),
        silent(
            "role.parameter_grants",
            "to a role of another database",
            |f| {
                known(&mut source(f).parameter_grants).push(may_set(Some("other")));
            },
        ),
        fires("role.sys_grants", Severity::Info, "a function", |f| {
            known(&mut source(f).system_grants).push(SystemGrant {
                object: "function pg_ls_dir".into(),
            });
        }),
    ];

    #[test]
    fn the_sql_creates_the_role_as_it_is() {
        let mut facts = crate::rules::testing::clean();
        let f = &mut facts;
        owner(f, false);
        override_setting(source(f), None, Some("boss"), "search_path", "app, public");
        override_setting(source(f), None, Some("boss"), "app.secret", "x");
        known(&mut source(f).overrides)
            .last_mut()
            .expect("an override")
            .value = None;
        let boss = known(&mut source(f).roles).last_mut().expect("a role");
        // The second is a service's own, and no role of the target.
        boss.memberships = ["staff", "rds_superuser"]
            .map(|group| Membership {
                role: group.into(),
                admin: true,
                ..Membership::default()
            })
            .into();
        let groups = ["staff", "rds_superuser"].map(|group| Role {
            login: false,
            ..role(group)
        });
        known(&mut source(f).roles).extend(groups);
        let (findings, _) = crate::rules::testing::run("role.missing_on_target", f);
        let sql: Vec<_> = findings
            .iter()
            .filter_map(|one| one.sql.as_deref())
            .collect();
        let all = "NOSUPERUSER NOINHERIT NOCREATEROLE NOCREATEDB";
        let rest = "NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0;";
        assert_eq!(
            sql,
            [
                format!("CREATE ROLE \"staff\" {all} NOLOGIN {rest}"),
                format!(
                    "-- The password is not copied. In psql: \\password \"boss\"\n\
                     CREATE ROLE \"boss\" {all} LOGIN {rest}\n\
                     ALTER ROLE \"boss\" SET \"search_path\" TO 'app', 'public';\n\
                     -- The value was not read: ALTER ROLE \"boss\" SET \"app.secret\" TO …;\n\
                     GRANT \"staff\" TO \"boss\" WITH ADMIN TRUE, INHERIT FALSE, SET TRUE;"
                ),
            ]
        );
    }

    #[test]
    fn a_superuser_is_created_by_a_person() {
        let mut facts = crate::rules::testing::clean();
        owner(&mut facts, true);
        let (findings, _) = crate::rules::testing::run("role.missing_on_target", &facts);
        assert_eq!(findings[0].sql, None);
        let manual = findings[0].manual_sql.as_deref().unwrap_or_default();
        assert!(manual.contains(" SUPERUSER "), "{manual}");
    }
}
