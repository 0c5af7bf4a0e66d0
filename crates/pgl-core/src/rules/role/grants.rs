//! What the role that sets up the target may do with other roles there: create them, add them to
//! groups, give them objects. A superuser may do all of it; from 16 on CREATEROLE, and with it what
//! managed services give in place of superuser, is no longer enough for two of the three.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::server::{Role, ServerState};
use crate::facts::{Facts, NotRun};
use crate::name::show_ident;
use crate::quote_ident;
use crate::rules::common::{list, plural, some_of, source, target};
use crate::rules::{Emit, Ran, Rule};
use crate::{Severity, Side};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    ("role.createrole", createrole),
    ("role.admin_option", admin_option),
    ("role.set_owner", set_owner),
];

/// The target with the role that it was connected as; none where that one is a superuser, who may
/// do everything.
fn limited(facts: &Facts) -> Result<Option<(&ServerState, &Role)>, NotRun> {
    let server = target(facts)?;
    let role = server.session_role()?;
    Ok((!role.superuser).then_some((server, role)))
}

/// The roles that pgl-setup would create: owners and grantees that the target lacks, and what of
/// the roles above them it lacks.
pub(super) fn missing(facts: &Facts) -> Result<BTreeMap<&str, &Role>, NotRun> {
    let (from, to) = (source(facts), target(facts)?);
    let mut open: Vec<&str> = from
        .referenced_roles
        .get()?
        .iter()
        .map(|found| found.role.as_str())
        .collect();
    let mut missing = BTreeMap::new();
    while let Some(name) = open.pop() {
        if missing.contains_key(name) || to.role(name)?.is_some() {
            continue;
        }
        let Some(role) = from.role(name)? else {
            continue;
        };
        open.extend(role.groups());
        missing.insert(name, role);
    }
    Ok(missing)
}

fn createrole(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let Some((_, me)) = limited(facts)? else {
        return Ok(());
    };
    let missing: Vec<String> = missing(facts)?.into_keys().map(show_ident).collect();
    if !me.createrole && !missing.is_empty() {
        emit.find(
            Side::Target,
            format!(
                "role {} may not create {}",
                show_ident(&me.name),
                some_of(&missing)
            ),
        )
        .object(show_ident(&me.name))
        .sql(format!("ALTER ROLE {} CREATEROLE;", quote_ident(&me.name)));
    }
    Ok(())
}

fn admin_option(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let Some((to, me)) = limited(facts)? else {
        return Ok(());
    };
    // Before 16 CREATEROLE is enough, and its lack is another check's.
    if !to.version()?.at_least(16) {
        return Ok(());
    }
    let mut refused: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (name, role) in missing(facts)? {
        for group in role.groups() {
            // Whoever creates a group has ADMIN OPTION on it.
            if to.role(group)?.is_some_and(|group| !group.may_grant) {
                refused.entry(group).or_default().insert(show_ident(name));
            }
        }
    }
    for (group, members) in refused {
        let members: Vec<String> = members.into_iter().collect();
        emit.find(
            Side::Target,
            format!(
                "role {} may not add {} to {}: it has no ADMIN OPTION on it",
                show_ident(&me.name),
                some_of(&members),
                show_ident(group)
            ),
        )
        .object(show_ident(group))
        .sql(format!(
            "GRANT {} TO {} WITH ADMIN OPTION;",
            quote_ident(group),
            quote_ident(&me.name)
        ));
    }
    Ok(())
}

fn set_owner(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let Some((to, me)) = limited(facts)? else {
        return Ok(());
    };
    // Whoever creates a role may have himself made a member of it at once (16 and later).
    let member_at_once = to
        .setting("createrole_self_grant")?
        .and_then(|setting| setting.value.as_deref())
        .is_some_and(|value| list(value).iter().any(|word| word == "set"));
    for found in source(facts).referenced_roles.get()? {
        if found.owned == 0 {
            continue;
        }
        let owner = show_ident(&found.role);
        let objects = plural(found.owned, "object");
        match to.role(&found.role)? {
            Some(role) if role.may_become => {}
            Some(_) => {
                emit.find(
                    Side::Target,
                    format!(
                        "role {} may not give {objects} to {owner}",
                        show_ident(&me.name)
                    ),
                )
                .object(&owner)
                .sql(format!(
                    "GRANT {} TO {};",
                    quote_ident(&found.role),
                    quote_ident(&me.name)
                ));
            }
            None if member_at_once => {}
            None => {
                emit.find(
                    Side::Target,
                    format!(
                        "role {} could create {owner}, but not give {objects} to it",
                        show_ident(&me.name)
                    ),
                )
                .object(&owner)
                .severity(Severity::Warn)
                .remedy(format!(
                    "Create {owner} on the target beforehand and make {} a member of it.",
                    show_ident(&me.name)
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
pub(in crate::rules) use cases::CASES;

#[cfg(test)]
mod cases {
    use super::*;
    use crate::ServerVersion;
    use crate::facts::server::{Membership, Referenced};
    use crate::rules::testing::server::{demote, on_target, set, source};
    use crate::rules::testing::{Case, fires, known, silent};

    /// `boss`, who owns something and is in the group `staff`, on the source; the target is set up
    /// by a role with CREATEROLE that is no superuser, and has the group.
    fn staff(f: &mut Facts) {
        known(&mut source(f).referenced_roles).push(Referenced {
            role: "boss".into(),
            owned: 3,
            ..Referenced::default()
        });
        known(&mut source(f).roles).extend([
            Role {
                memberships: member("staff"),
                ..role("boss")
            },
            role("staff"),
        ]);
        known(&mut on_target(f).roles).push(role("staff"));
        demote(on_target(f));
        me(f).createrole = true;
        // What the baseline has already is no part of this.
        there(f, "app").may_become = true;
    }

    fn member(of: &str) -> Vec<Membership> {
        vec![Membership {
            role: of.into(),
            ..Membership::default()
        }]
    }

    fn role(name: &str) -> Role {
        Role {
            name: name.into(),
            ..Role::default()
        }
    }

    fn there<'a>(f: &'a mut Facts, name: &str) -> &'a mut Role {
        let mut all = known(&mut on_target(f).roles).iter_mut();
        all.find(|role| role.name == name).expect("a role")
    }

    fn me(f: &mut Facts) -> &mut Role {
        there(f, "migrator")
    }

    pub(in crate::rules) const CASES: &[Case] = &[
        fires("role.createrole", Severity::Warn, "an owner", |f| {
            staff(f);
            me(f).createrole = false;
        }),
        silent("role.createrole", "with the attribute", staff),
        silent("role.createrole", "as a superuser", |f| {
            staff(f);
            me(f).createrole = false;
            me(f).superuser = true;
        }),
        silent("role.createrole", "none is missing", |f| {
            staff(f);
            me(f).createrole = false;
            known(&mut on_target(f).roles).push(role("boss"));
        }),
        fires("role.admin_option", Severity::Warn, "a group", staff),
        fires(
            "role.admin_option",
            Severity::Warn,
            "a group of a group",
            |f| {
                staff(f);
                let groups = known(&mut source(f).roles).iter_mut();
                for one in groups.filter(|one| one.name == "boss") {
                    one.memberships = member("heads");
                }
                known(&mut source(f).roles).push(Role {
                    memberships: member("staff"),
                    ..role("heads")
                });
            },
        ),
        silent("role.admin_option", "with the option", |f| {
            staff(f);
            there(f, "staff").may_grant = true;
        }),
        silent("role.admin_option", "as a superuser", |f| {
            staff(f);
            me(f).superuser = true;
        }),
        silent("role.admin_option", "before 16", |f| {
            staff(f);
            known(&mut on_target(f).identity).version = ServerVersion(150_010);
        }),
        silent("role.admin_option", "the group is created as well", |f| {
            staff(f);
            known(&mut on_target(f).roles).retain(|one| one.name != "staff");
        }),
        silent("role.admin_option", "the member is there already", |f| {
            staff(f);
            known(&mut on_target(f).roles).push(role("boss"));
        }),
        fires("role.set_owner", Severity::Block, "it is there", |f| {
            staff(f);
            known(&mut on_target(f).roles).push(role("boss"));
        }),
        fires("role.set_owner", Severity::Warn, "it is not", staff),
        silent("role.set_owner", "a member at once", |f| {
            staff(f);
            set(on_target(f), "createrole_self_grant", "inherit, set");
        }),
        silent("role.set_owner", "a member", |f| {
            staff(f);
            known(&mut on_target(f).roles).push(Role {
                may_become: true,
                ..role("boss")
            });
        }),
        silent("role.set_owner", "as a superuser", |f| {
            staff(f);
            me(f).superuser = true;
        }),
    ];
}
