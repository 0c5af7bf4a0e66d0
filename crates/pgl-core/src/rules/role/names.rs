//! Roles that objects name, and that have to be on the target too.

use crate::facts::Facts;
use crate::facts::server::ServerState;
use crate::name::show_ident;
use crate::quote_ident;
use crate::rules::common::{plural, some_of, source, target};
use crate::rules::{Check, Emit, On, Ran};
use crate::{Severity, Side};

pub(in crate::rules) const CHECKS: &[Check] = &[
    Check {
        id: "role.missing_on_target",
        severity: Severity::Warn,
        on: On::Both,
        guardrail: false,
        title: "owners and grantees exist on the target",
        why: "The schema's ALTER … OWNER TO and GRANT fail for a role that is not there; pgl-setup \
              refuses to begin without them unless it is told to copy roles.",
        remedy: "Create the role on the target, or run pgl-setup with --roles copy.",
        run: missing_on_target,
    },
    Check {
        id: "role.login_missing_on_target",
        severity: Severity::Info,
        on: On::Both,
        guardrail: false,
        title: "roles that log in exist on the target",
        why: "After the cutover a program that logs in as such a role is refused.",
        remedy: "Create the role on the target, or run pgl-setup with --roles copy.",
        run: login_missing_on_target,
    },
    Check {
        id: "role.password_hash",
        severity: Severity::Info,
        on: On::Source,
        guardrail: false,
        title: "passwords are kept in a form that the target takes",
        why: "MD5 hashes can be carried over, but a server that asks for scram-sha-256 refuses them, \
              and 18 calls them deprecated.",
        remedy: "Let these roles set their password anew with password_encryption = scram-sha-256.",
        run: password_hash,
    },
    Check {
        id: "role.pg_prefix",
        severity: Severity::Block,
        on: On::Source,
        guardrail: false,
        title: "no role of one's own begins with pg_",
        why: "From 9.6 on such names are reserved and the role cannot be created on the target.",
        remedy: "Rename the role.",
        run: pg_prefix,
    },
    Check {
        id: "role.superuser_owned",
        severity: Severity::Warn,
        on: On::Both,
        guardrail: false,
        title: "nothing belongs to a superuser when the target has none to give",
        why: "On a managed service nobody can make objects of a superuser's; their owner will be \
              another one.",
        remedy: "Give the objects to an ordinary role first.",
        run: superuser_owned,
    },
    Check {
        id: "role.sys_grants",
        severity: Severity::Info,
        on: On::Source,
        guardrail: false,
        title: "no grants on system objects",
        why: "pg_dump carries them over, and without superuser rights on the target they fail.",
        remedy: "Check whether they are needed; revoke them or grant pg_monitor and its like.",
        run: sys_grants,
    },
];

fn missing_on_target(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let to = target(facts)?;
    for found in source(facts).referenced_roles.get()? {
        if to.role(&found.role)?.is_some() {
            continue;
        }
        emit.find(
            Side::Target,
            format!(
                "role {} is not on the target; it owns {} and stands in the privileges of {}",
                show_ident(&found.role),
                plural(found.owned, "object"),
                plural(found.granted, "object")
            ),
        )
        .object(show_ident(&found.role))
        .sql(format!("CREATE ROLE {} NOLOGIN;", quote_ident(&found.role)));
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
        let of_the_service = role.name.starts_with("pg_")
            || role.name.starts_with("rds")
            || role.name.starts_with("cloudsql")
            || role.name.starts_with("alloydb")
            || role.name.starts_with("azure");
        if role.login && !reported && !of_the_service && to.role(&role.name)?.is_none() {
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
    use crate::facts::server::{Referenced, Role, SystemGrant};
    use crate::rules::testing::server::{on_target, source};
    use crate::rules::testing::{Case, fires, known, silent};

    fn owner(f: &mut Facts, superuser: bool) {
        known(&mut source(f).referenced_roles).push(Referenced {
            role: "boss".into(),
            superuser,
            owned: 3,
            granted: 1,
        });
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
}
