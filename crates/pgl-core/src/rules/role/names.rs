//! Roles that objects name, and that have to be on the target too.

use std::collections::BTreeMap;

use super::grants::missing;
use crate::facts::Facts;
use crate::facts::server::{Role, ServerState};
use crate::name::show_ident;
use crate::quote_ident;
use crate::roles::{create_sql, differences, grant_sql};
use crate::rules::common::{plural, some_of, source, target};
use crate::rules::{Emit, Ran, Rule};
use crate::{Severity, Side, setting_literal};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    ("role.missing_on_target", missing_on_target),
    ("role.differs", differs),
    ("role.login_missing_on_target", login_missing_on_target),
    ("role.password_hash", password_hash),
    ("role.pg_prefix", pg_prefix),
    ("role.superuser_owned", superuser_owned),
    ("role.sys_grants", sys_grants),
];

/// Missing roles, those first that others are members of: in this order they can be created.
fn in_order<'a>(missing: &BTreeMap<&'a str, &'a Role>) -> Vec<&'a Role> {
    fn add<'a>(name: &str, missing: &BTreeMap<&'a str, &'a Role>, out: &mut Vec<&'a Role>) {
        let Some(role) = missing.get(name) else {
            return;
        };
        if out.iter().any(|one| one.name == role.name) {
            return;
        }
        for group in role.groups() {
            add(group, missing, out);
        }
        out.push(role);
    }
    let mut out = Vec::new();
    for name in missing.keys() {
        add(name, missing, &mut out);
    }
    out
}

fn missing_on_target(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let to = target(facts)?;
    let from = source(facts);
    let referenced = from.referenced_roles.get()?;
    let version = to.version()?;
    for role in in_order(&missing(facts)?) {
        let what = match referenced.iter().find(|found| found.role == role.name) {
            Some(found) => format!(
                "role {} does not exist on the target; on the source it owns {} and is named in the privileges of {}",
                show_ident(&role.name),
                plural(found.owned, "object"),
                plural(found.granted, "object")
            ),
            None => format!(
                "role {} does not exist on the target; on the source roles that own objects are members of it",
                show_ident(&role.name)
            ),
        };
        let mut sql = Vec::new();
        if role.login {
            sql.push(format!(
                "-- The password is not copied. In psql: \\password {}",
                one_line(&quote_ident(&role.name))
            ));
        }
        sql.push(create_sql(role, version));
        for found in from.overrides.get()? {
            if found.database.is_some() || found.role.as_ref() != Some(&role.name) {
                continue;
            }
            let set = format!(
                "ALTER ROLE {} SET {} TO ",
                quote_ident(&role.name),
                quote_ident(&found.name)
            );
            sql.push(match &found.value {
                Some(value) => format!("{set}{};", setting_literal(&found.name, value)),
                None => format!("-- The value was not read: {}…;", one_line(&set)),
            });
        }
        let grants = role.memberships.iter();
        sql.extend(grants.map(|membership| grant_sql(role, membership, version)));
        let sql = sql.join("\n");
        let draft = emit.find(Side::Target, what).object(show_ident(&role.name));
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

/// A name with a line break must not end a comment.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// Roles that a managed service brings along.
fn of_the_service(name: &str) -> bool {
    ["pg_", "rds", "cloudsql", "alloydb", "azure"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

fn differs(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let to = target(facts)?;
    let version = to.version()?;
    for role in source(facts).roles.get()? {
        let Some(there) = to.role(&role.name)? else {
            continue;
        };
        if of_the_service(&role.name) {
            continue;
        }
        for difference in differences(role, there, version) {
            let draft = emit
                .find(
                    Side::Target,
                    format!(
                        "role {} on the target: {}",
                        show_ident(&role.name),
                        difference.what
                    ),
                )
                .object(show_ident(&role.name));
            match difference.fix {
                Some(fix) => draft.sql(fix),
                None => draft
                    .severity(Severity::Info)
                    .remedy("Decide which of the two is wanted; nothing is changed by a script."),
            };
        }
    }
    Ok(())
}

fn login_missing_on_target(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let from = source(facts);
    let to = target(facts)?;
    let referenced = from.referenced_roles.get()?;
    let mut missing = Vec::new();
    for role in from.roles.get()? {
        let reported = referenced.iter().any(|found| found.role == role.name);
        if role.login && !reported && !of_the_service(&role.name) && to.role(&role.name)?.is_none()
        {
            missing.push(show_ident(&role.name));
        }
    }
    if !missing.is_empty() {
        emit.find(
            Side::Target,
            format!("not on the target: {}", some_of(&missing)),
        )
        .object(missing.join(", "));
    }
    Ok(())
}

fn password_hash(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let roles = source(facts).md5_roles.get()?;
    if !roles.is_empty() {
        emit.find(
            Side::Source,
            format!(
                "{} with an MD5 password: {}",
                plural(roles.len() as u64, "role"),
                some_of(roles)
            ),
        )
        .object(roles.join(", "));
    }
    Ok(())
}

fn pg_prefix(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = source(facts);
    // Later servers have such roles of their own and let nobody add one.
    if server.version()?.at_least_num(90_600) {
        return Ok(());
    }
    let referenced = server.referenced_roles.get()?;
    for role in server.roles.get()? {
        if !role.name.starts_with("pg_") {
            continue;
        }
        let needed = referenced.iter().any(|found| found.role == role.name);
        let severity = if needed {
            Severity::Block
        } else {
            Severity::Info
        };
        emit.find(
            Side::Source,
            format!("role {} has a reserved name", role.name),
        )
        .object(&role.name)
        .severity(severity)
        .sql(format!(
            "ALTER ROLE {} RENAME TO {};",
            quote_ident(&role.name),
            quote_ident(&format!("x{}", role.name))
        ));
    }
    Ok(())
}

fn superuser_owned(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    if !target(facts)?.platform()?.is_managed() {
        return Ok(());
    }
    let from = source(facts);
    for found in from.referenced_roles.get()? {
        if found.superuser && found.owned > 0 {
            emit.find(
                Side::Source,
                format!(
                    "superuser {} owns {}",
                    show_ident(&found.role),
                    plural(found.owned, "object")
                ),
            )
            .object(show_ident(&found.role));
        }
    }
    Ok(())
}

fn sys_grants(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = source(facts);
    let found = server.system_grants.get()?;
    if found.is_empty() {
        return Ok(());
    }
    let managed = target(facts).and_then(ServerState::platform);
    let severity = match managed {
        Ok(platform) if platform.is_managed() => Severity::Warn,
        _ => Severity::Info,
    };
    let names: Vec<&str> = found.iter().map(|grant| grant.object.as_str()).collect();
    emit.find(
        Side::Source,
        format!("changed privileges on system objects: {}", some_of(&names)),
    )
    .object(names.join(", "))
    .severity(severity);
    Ok(())
}

#[cfg(test)]
pub(in crate::rules) use cases::CASES;

#[cfg(test)]
mod cases {
    use super::*;
    use crate::ServerVersion;
    use crate::facts::server::{Membership, Referenced, Role, SystemGrant};
    use crate::rules::testing::server::override_setting;
    use crate::rules::testing::server::{on_target, source};
    use crate::rules::testing::{Case, fires, known, silent};

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
            known(&mut source(f).md5_roles).push("app".into());
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
            known(&mut on_target(f).identity).markers = vec!["rdsadmin".into()];
        }),
        silent("role.superuser_owned", "to one's own server", |f| {
            owner(f, true);
        }),
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
        boss.memberships = vec![Membership {
            role: "staff".into(),
            admin: true,
            ..Membership::default()
        }];
        known(&mut source(f).roles).push(Role {
            login: false,
            ..role("staff")
        });
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
                     ALTER ROLE \"boss\" SET \"search_path\" TO app, public;\n\
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
