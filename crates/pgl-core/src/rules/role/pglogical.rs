//! Who may call pglogical's functions.

use crate::facts::{Facts, NotRun};
use crate::name::show_ident;
use crate::rights::REVOKE_EXECUTE;
use crate::rules::common::some_of;
use crate::rules::{Rule, each};
use crate::{Side, plural, quote_ident};

pub(in crate::rules) const CHECKS: &[Rule] = &[each(
    "role.pglogical_functions",
    |side, server, emit| {
        let Some(pglogical) = server.pglogical.get()? else {
            return Ok(());
        };
        let users: Vec<String> = pglogical
            .users
            .iter()
            .map(|role| show_ident(role))
            .collect();
        if !users.is_empty() && pglogical.public_functions > 0 {
            let facts = emit.facts;
            let (count, names) = (
                plural(pglogical.public_functions, "function"),
                some_of(&users),
            );
            let what = format!(
                "{count} of schema pglogical may be executed by PUBLIC, and USAGE on the schema is granted to {names}"
            );
            let draft = emit.find(side, what).object(users.join(", "));
            draft
                .sql(format!("{REVOKE_EXECUTE};"))
                .more_sql(keep_sql(facts, side)?);
        }
        Ok(())
    },
)];

/// The role that pglogical connects to the source as.
pub(in crate::rules) fn replicating_role(facts: &Facts) -> Result<&str, NotRun> {
    match &facts.link.provider_role {
        Some(role) => Ok(role),
        None => Ok(&facts.source.server.identity.get()?.user),
    }
}

/// SQL that leaves pglogical's functions to the role that replicates, if it is no superuser: what the subscriber asks
/// the source for, it asks as that role.
pub(super) fn keep_sql(facts: &Facts, side: Side) -> Result<Option<String>, NotRun> {
    let name = replicating_role(facts)?;
    let role = facts.source.server.role(name)?;
    if side == Side::Target || role.is_none_or(|role| role.superuser) {
        return Ok(None);
    }
    let grantee = quote_ident(name);
    Ok(Some(format!(
        "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pglogical TO {grantee};"
    )))
}

#[cfg(test)]
pub(in crate::rules) use cases::CASES;

#[cfg(test)]
mod cases {
    use super::*;
    use crate::Severity;
    use crate::facts::server::Pglogical;
    use crate::rules::testing::server::{self, demote, on_target};
    use crate::rules::testing::{Case, clean, fires, known, run, silent};

    const ID: &str = "role.pglogical_functions";

    fn open(functions: u64, users: &[&str]) -> Option<Pglogical> {
        Some(Pglogical {
            users: users.iter().map(|role| (*role).to_owned()).collect(),
            public_functions: functions,
            ..Pglogical::default()
        })
    }

    pub(in crate::rules) const CASES: &[Case] = &[
        fires(ID, Severity::Warn, "a role that truncates", |f| {
            *known(&mut server::source(f).pglogical) = open(39, &["app"]);
        }),
        fires(ID, Severity::Warn, "everyone on the target", |f| {
            *known(&mut on_target(f).pglogical) = open(39, &["public"]);
        }),
        silent(ID, "revoked from PUBLIC", |f| {
            *known(&mut server::source(f).pglogical) = open(0, &["app"]);
        }),
        silent(ID, "nobody may use the schema", |f| {
            *known(&mut server::source(f).pglogical) = open(39, &[]);
        }),
    ];

    #[test]
    fn the_replicating_role_keeps_its_functions() {
        let mut facts = clean();
        *known(&mut server::source(&mut facts).pglogical) = open(39, &["app"]);
        let sql = |facts: &Facts| {
            run("role.pglogical_functions", facts).0[0]
                .sql
                .clone()
                .unwrap_or_default()
        };
        assert!(!sql(&facts).contains("GRANT"));
        demote(server::source(&mut facts));
        assert!(
            sql(&facts).ends_with("SCHEMA pglogical TO \"migrator\";"),
            "{}",
            sql(&facts)
        );
    }
}
