//! What the role that sets up the target may do with other roles there: create them, add them to
//! groups, give them objects. A superuser may do all of it; from 16 on CREATEROLE, and with it what
//! managed services give in place of superuser, is no longer enough for two of the three.

use std::collections::{BTreeMap, BTreeSet};

use crate::Side::Target;
use crate::facts::NotRun;
use crate::facts::server::{Role, ServerState};
use crate::name::show_ident;
use crate::plural;
use crate::quote_ident;
use crate::rights;
use crate::roles::of_a_service;
use crate::rules::common::some_of;
use crate::rules::{Rule, pair};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    pair("role.createrole", |from, to, emit| {
        let me = to.session_role()?;
        if me.superuser {
            return Ok(());
        }
        let missing: Vec<String> = missing(from, to)?.into_keys().map(show_ident).collect();
        if !me.createrole && !missing.is_empty() {
            let name = show_ident(&me.name);
            let what = format!("role {name} may not create {}", some_of(&missing));
            let draft = emit.find(Target, what).object(name);
            draft.right(&rights::CREATE_ROLES, to, &me.name)?;
        }
        Ok(())
    }),
    pair("role.admin_option", |from, to, emit| {
        let me = to.session_role()?;
        // Before 16 CREATEROLE is enough, and its lack is another check's.
        if me.superuser || !to.version()?.at_least(16) {
            return Ok(());
        }
        let there = to.roles_by_name()?;
        let mut refused: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for (name, role) in missing(from, to)? {
            for group in role.groups() {
                // Whoever creates a group has ADMIN OPTION on it.
                if there.get(group).is_some_and(|group| !group.may_grant) {
                    refused.entry(group).or_default().insert(show_ident(name));
                }
            }
        }
        for (group, members) in refused {
            let members: Vec<String> = members.into_iter().collect();
            let (name, shown, members) =
                (show_ident(&me.name), show_ident(group), some_of(&members));
            let what = format!(
                "role {name} may not add {members} to {shown}: it has no ADMIN OPTION on it"
            );
            let draft = emit.find(Target, what).object(shown);
            draft.right_on(&quote_ident(group), &rights::GROUPS, to, &me.name)?;
        }
        Ok(())
    }),
    pair("role.set_owner", |from, to, emit| {
        let me = to.session_role()?;
        if me.superuser {
            return Ok(());
        }
        let (there, name) = (to.roles_by_name()?, show_ident(&me.name));
        let referenced = from.referenced_roles.get()?.iter();
        for found in referenced.filter(|found| found.owned > 0) {
            let (owner, objects) = (show_ident(&found.role), plural(found.owned, "object"));
            // pgl-setup becomes a member of the roles that it creates.
            if let Some(role) = there.get(found.role.as_str())
                && !role.may_become
            {
                let what = format!("role {name} may not give {objects} to {owner}");
                let draft = emit.find(Target, what).object(owner);
                draft.right_on(&quote_ident(&found.role), &rights::GIVE_AWAY, to, &me.name)?;
            }
        }
        Ok(())
    }),
];

/// The roles that pgl-setup would create: owners and grantees that the target lacks, and what of
/// the roles above them it lacks.
pub(super) fn missing<'a>(
    from: &'a ServerState,
    to: &ServerState,
) -> Result<BTreeMap<&'a str, &'a Role>, NotRun> {
    let referenced = from.referenced_roles.get()?;
    let (here, there) = (from.roles_by_name()?, to.roles_by_name()?);
    let mut open: Vec<&str> = (referenced.iter().map(|found| found.role.as_str())).collect();
    let mut missing = BTreeMap::new();
    while let Some(name) = open.pop() {
        if missing.contains_key(name) || there.contains_key(name) || of_a_service(name) {
            continue;
        }
        if let Some(role) = here.get(name) {
            open.extend(role.groups());
            missing.insert(role.name.as_str(), *role);
        }
    }
    Ok(missing)
}

#[cfg(test)]
pub(in crate::rules) use cases::CASES;

#[cfg(test)]
mod cases {
    use super::*;
    use crate::facts::Facts;
    use crate::facts::server::{Membership, Referenced};
    use crate::rules::testing::server::{demote, on_target, source};
    use crate::rules::testing::{Case, fires, known, silent};
    use crate::{ServerVersion, Severity};

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
        silent("role.set_owner", "it is not", staff),
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
