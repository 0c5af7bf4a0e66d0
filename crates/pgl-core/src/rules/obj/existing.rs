//! What the target has before the schema is restored, and what the restore wants to say of it.

use crate::Severity;
use crate::Side::{Source, Target};
use crate::facts::objects::{ExistingKind, ExistingObject};
use crate::facts::{Facts, NotRun};
use crate::name::{quote_ident, show_ident};
use crate::rules::{Emit, Ran, Rule, facts};

/// The owner of schema public from 15 on: whoever owns the database.
const DATABASE_OWNER: &str = "pg_database_owner";

pub(in crate::rules) const CHECKS: &[Rule] = &[facts("obj.comments_acl", comments_acl)];

fn comments_acl(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let target = facts.target()?;
    let me = target.server.session_role()?;
    if me.superuser {
        return Ok(());
    }
    let me = show_ident(&me.name);
    let there = target.objects.existing.get()?;
    for one in facts.source.objects.existing.get()? {
        let same = |other: &&ExistingObject| (other.kind, &other.name) == (one.kind, &one.name);
        let other = there.iter().find(same);
        match (one.kind, other) {
            (ExistingKind::Schema, Some(other)) => schema(facts, one, other, &me, emit)?,
            (ExistingKind::Extension, other) => members(one, other, &me, emit),
            // A schema that is not there is the restore's own.
            (ExistingKind::Schema, None) => {}
        }
    }
    Ok(())
}

/// Whether the dump is made by pg_dump 15 or later: that of one of the servers or a newer one.
fn names_the_owner(facts: &Facts) -> Result<bool, NotRun> {
    let from = facts.source.server.version()?;
    let to = facts.target()?.server.version()?;
    let newer = facts.link.pg_dump.get().is_ok_and(|tools| {
        let majors = tools.iter().map(|tool| tool.major_num);
        majors.max().is_some_and(|newest| newest >= 1_500)
    });
    Ok(from.at_least(15) || to.at_least(15) || newer)
}

fn schema(
    facts: &Facts,
    one: &ExistingObject,
    other: &ExistingObject,
    me: &str,
    emit: &mut Emit<'_>,
) -> Ran {
    let (name, owner) = (show_ident(&one.name), show_ident(&other.owner));
    let (since_15, quoted) = (names_the_owner(facts)?, quote_ident(&one.name));
    if since_15 && one.owner != DATABASE_OWNER && one.owner != other.owner {
        let new = facts.target()?.server.role(&one.owner)?;
        // A missing owner is another check's.
        if new.is_some_and(|new| !(other.mine && new.may_become)) {
            let (wanted, new) = (show_ident(&one.owner), quote_ident(&one.owner));
            let what = format!(
                "role {me} may not give schema {name} of {owner} to {wanted}, as on the source"
            );
            emit.find(Target, what)
                .object(&name)
                .remedy(format!(
                    "Let a superuser of the target give it to {wanted} beforehand, or make {me} a member of both owners."
                ))
                .sql(format!("ALTER SCHEMA {quoted} OWNER TO {new};"));
        }
    }
    if one.comment && !other.mine {
        let what =
            format!("role {me} may not set the source's comment on schema {name} of {owner}");
        emit.find(Target, what)
            .object(&name)
            .remedy("Give the schema its ordinary comment back on the source.")
            .sql(format!(
                "COMMENT ON SCHEMA {quoted} IS 'standard public schema';"
            ))
            .fix_on(Source);
    }
    if since_15 && one.privileges && !other.mine {
        let what =
            format!("role {me} may not set the source's privileges on schema {name} of {owner}");
        let remedy =
            format!("Let {owner} repeat the source's GRANTs on schema {name} after the restore.");
        let draft = emit.find(Target, what).object(&name);
        draft.severity(Severity::Warn).remedy(remedy);
    }
    Ok(())
}

fn members(one: &ExistingObject, other: Option<&ExistingObject>, me: &str, emit: &mut Emit<'_>) {
    // What an extension brings belongs to a superuser, whoever creates it.
    if one.privileges && !other.is_some_and(|other| other.mine) {
        let name = show_ident(&one.name);
        let what = format!(
            "role {me} may not set the source's privileges on what extension {name} brings"
        );
        let remedy = format!(
            "Let a superuser of the target repeat the source's GRANTs on the members of {name} after the restore."
        );
        let draft = emit.find(Target, what).object(name);
        draft.severity(Severity::Warn).remedy(remedy);
    }
}

#[cfg(test)]
pub(in crate::rules) use cases::CASES;

#[cfg(test)]
mod cases {
    use super::*;
    use crate::ServerVersion;
    use crate::rules::testing::server::{demote, on_target};
    use crate::rules::testing::{Case, fires, known, silent, target};

    const ID: &str = "obj.comments_acl";

    /// An ordinary role on the target, where public belongs to the database's owner.
    fn poor(f: &mut Facts) {
        demote(on_target(f));
        known(&mut target(f).objects.existing)[0].mine = false;
    }

    fn public(f: &mut Facts) -> &mut ExistingObject {
        &mut known(&mut f.source.objects.existing)[0]
    }

    fn extension(privileges: bool) -> ExistingObject {
        ExistingObject {
            kind: ExistingKind::Extension,
            name: "pgcrypto".into(),
            owner: "postgres".into(),
            privileges,
            ..ExistingObject::default()
        }
    }

    pub(in crate::rules) const CASES: &[Case] = &[
        fires(ID, Severity::Block, "a comment on public", |f| {
            poor(f);
            public(f).comment = true;
        }),
        fires(ID, Severity::Block, "public of a source before 15", |f| {
            poor(f);
            public(f).owner = "postgres".into();
        }),
        fires(ID, Severity::Block, "an owner that the role is not", |f| {
            demote(on_target(f));
            public(f).owner = "app".into();
        }),
        fires(ID, Severity::Warn, "privileges on public", |f| {
            poor(f);
            public(f).privileges = true;
        }),
        fires(ID, Severity::Warn, "privileges on a function", |f| {
            poor(f);
            known(&mut f.source.objects.existing).push(extension(true));
            known(&mut target(f).objects.existing).push(extension(false));
        }),
        fires(ID, Severity::Warn, "of an extension to be created", |f| {
            poor(f);
            known(&mut f.source.objects.existing).push(extension(true));
        }),
        silent(ID, "as a superuser", |f| {
            known(&mut target(f).objects.existing)[0].mine = false;
            *public(f) = ExistingObject {
                owner: "app".into(),
                comment: true,
                privileges: true,
                ..public(f).clone()
            };
        }),
        silent(ID, "as the database's owner", |f| {
            demote(on_target(f));
            public(f).comment = true;
            public(f).privileges = true;
        }),
        silent(ID, "the same owner already", |f| {
            poor(f);
            public(f).owner = "postgres".into();
            known(&mut target(f).objects.existing)[0].owner = "postgres".into();
        }),
        silent(ID, "nothing that a dump would say", |f| {
            poor(f);
            known(&mut f.source.objects.existing).push(extension(false));
        }),
        silent(ID, "an old pg_dump says nothing of the owner", |f| {
            poor(f);
            public(f).owner = "postgres".into();
            public(f).privileges = true;
            known(&mut on_target(f).identity).version = ServerVersion(140_005);
            known(&mut f.link.pg_dump)[0].major_num = 1_400;
        }),
    ];
}
