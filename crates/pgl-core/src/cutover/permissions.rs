//! What an attempt has to lock, alter or see and the role may not.

use super::write_block::SETTING;
use super::{Closed, ReadOnlyOverride, Refusal};
use crate::facts::NotRun;
use crate::facts::server::{ServerState, Unpermitted, UnpermittedKind};
use crate::name::show_ident;
use crate::rights::{self, Grantee, PERMISSIONS, Right, hint};
use crate::rules::some_of;
use crate::{QualifiedName, Side, quote_ident};

/// The role whose members end sessions.
const SIGNAL_BACKEND: &str = "pg_signal_backend";

impl Unpermitted {
    fn what(&self) -> String {
        let shown = match &self.schema {
            Some(schema) => QualifiedName::new(schema, &self.name).to_string(),
            None => show_ident(&self.name),
        };
        let verb = match self.kind {
            UnpermittedKind::Table => "lock table",
            UnpermittedKind::Sequence => "lock sequence",
            UnpermittedKind::Database => "alter database",
            UnpermittedKind::EventTrigger => "alter event trigger",
            UnpermittedKind::Role => return format!("alter role {shown}"),
            UnpermittedKind::Sessions if self.role == SIGNAL_BACKEND => {
                return "end the sessions of other roles".to_owned();
            }
            UnpermittedKind::Sessions => return "see the sessions of other roles".to_owned(),
        };
        format!("{verb} {shown} of {}", show_ident(&self.role))
    }

    /// What is lacking, each right with the object that it is given for.
    pub(crate) fn rights(&self, closed: &Closed) -> Vec<(&'static Right, String)> {
        let sql = match &self.schema {
            Some(schema) => QualifiedName::new(schema, &self.name).sql(),
            None => quote_ident(&self.name),
        };
        let owned = |kind| match self.superuser {
            true => vec![(&rights::OWNED_BY_SUPERUSER, format!("{kind} {sql}"))],
            false => vec![(&rights::OWNERS, quote_ident(&self.role))],
        };
        match self.kind {
            UnpermittedKind::Table => owned("TABLE"),
            UnpermittedKind::Sequence => owned("SEQUENCE"),
            UnpermittedKind::Database => owned("DATABASE"),
            UnpermittedKind::EventTrigger if self.superuser => {
                vec![(&rights::EVENT_TRIGGERS_OF_SUPERUSER, sql)]
            }
            UnpermittedKind::EventTrigger => {
                vec![(&rights::EVENT_TRIGGERS, quote_ident(&self.role))]
            }
            UnpermittedKind::Role if self.superuser => {
                let its = closed.overrides.iter();
                let its = its.filter(|one| one.role.as_ref() == Some(&self.role));
                its.map(|one| (&rights::SETTINGS_OF_SUPERUSER, one.of_role(closed)))
                    .collect()
            }
            UnpermittedKind::Role if self.createrole => vec![(&rights::SETTINGS_OF_ROLE, sql)],
            UnpermittedKind::Role => vec![(&rights::ROLE_SETTINGS, String::new())],
            UnpermittedKind::Sessions if self.role == SIGNAL_BACKEND => {
                vec![(&rights::SIGNAL, String::new())]
            }
            UnpermittedKind::Sessions => vec![(&rights::SEE_SESSIONS, String::new())],
        }
    }
}

/// What a role may not do on a server, for people.
pub(crate) fn may_not<'a>(
    side: Side,
    role: &str,
    found: impl IntoIterator<Item = &'a Unpermitted>,
) -> String {
    let mut what: Vec<String> = found.into_iter().map(Unpermitted::what).collect();
    what.dedup();
    format!(
        "role {} on the {side} may not: {}",
        show_ident(role),
        some_of(&what)
    )
}

/// The settings of `default_transaction_read_only` that a cutover would store, and change in this database.
pub(crate) fn to_be_closed(server: &ServerState) -> Result<Closed, NotRun> {
    let overrides = server.overrides_of(SETTING)?;
    Ok(Closed {
        database: server.identity.get()?.database.clone(),
        overrides: overrides
            .map(|one| ReadOnlyOverride {
                role: one.role.clone(),
                oid: None,
                here: one.database.is_some(),
                value: one.value.clone().unwrap_or_default(),
            })
            .collect(),
    })
}

/// The refusal of an attempt that would have to lock, alter or see these, and to make a database read-only as `closed` says; none
/// where there are none.
pub fn not_permitted(
    side: Side,
    grantee: &Grantee,
    found: &[Unpermitted],
    closed: &Closed,
) -> Option<Refusal> {
    let lacking: Vec<(&Right, String)> = found.iter().flat_map(|one| one.rights(closed)).collect();
    (!found.is_empty()).then(|| Refusal {
        id: PERMISSIONS.to_owned(),
        what: may_not(side, &grantee.role, found),
        hint: hint(side, grantee, &lacking),
    })
}

/// The refusal of reverse replication, for which the former source connects to the target as the role in `--reverse-dsn`; without
/// that option as the connected one. Where the string names no role, the source's server decides, and nothing is known.
pub fn not_replicated_back(
    target: &ServerState,
    role: Option<&str>,
) -> Result<Option<Refusal>, NotRun> {
    let Some(name) = role else { return Ok(None) };
    let Some(role) = target.role(name)?.filter(|role| role.login) else {
        return Ok(Some(Refusal {
            id: PERMISSIONS.to_owned(),
            what: format!(
                "the target has no role {} that may log in, and reverse replication connects as this role",
                show_ident(name)
            ),
            hint: "create it, or name another one in --reverse-dsn".to_owned(),
        }));
    };
    let lacking = match role.may_replicate(target.platform()?) {
        false => &rights::REVERSE_REPLICATION,
        true if role.asked_by_pglogical == Some(false) => &rights::REVERSE_READ_PGLOGICAL,
        true => return Ok(None),
    };
    Ok(Some(lacking.refusal(Side::Target, &target.grantee(name)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ServerVersion;
    use crate::facts::server::Platform;
    use crate::rules::testing::server::on_target;
    use crate::rules::testing::{clean, known};

    fn found(kind: UnpermittedKind, name: &str, role: &str) -> Unpermitted {
        let (schema, name) = match name.split_once('.') {
            Some((schema, name)) => (Some(schema.to_owned()), name),
            None => (None, name),
        };
        Unpermitted {
            kind,
            schema,
            name: name.to_owned(),
            role: role.to_owned(),
            superuser: role == "rdsadmin",
            createrole: true,
        }
    }

    #[test]
    fn the_role_of_the_reverse_dsn_replicates() {
        let mut facts = clean();
        let server = on_target(&mut facts);
        let refused = |server: &ServerState, role| {
            let found = not_replicated_back(server, role).unwrap();
            found.map(|one| one.what)
        };
        // `migrator` is a superuser, `app` is not.
        assert_eq!(refused(server, Some("migrator")), None);
        assert_eq!(
            refused(server, Some("app")).unwrap(),
            "on the target role app lacks a right that pgl-cutover --reverse needs: REPLICATION, of the role in --reverse-dsn"
        );
        assert!(
            refused(server, Some("nobody"))
                .unwrap()
                .contains("no role nobody")
        );
        assert_eq!(refused(server, None), None);
        for role in known(&mut server.roles) {
            role.member_of = vec!["rds_replication".to_owned()];
        }
        assert!(refused(server, Some("app")).is_some());
        known(&mut server.identity).markers = vec!["rds".to_owned()];
        assert_eq!(refused(server, Some("app")), None);
        for role in known(&mut server.roles) {
            role.asked_by_pglogical = Some(role.name != "app");
        }
        assert_eq!(
            refused(server, Some("app")).unwrap(),
            "on the target role app lacks a right that pgl-cutover --reverse needs: USAGE on schema pglogical and EXECUTE \
             on pglogical.pglogical_node_info(), of the role in --reverse-dsn"
        );
        assert_eq!(refused(server, Some("migrator")), None);
    }

    #[test]
    fn what_is_lacking_is_given_by_the_table_of_rights() {
        let grantee = Grantee {
            role: "mover".to_owned(),
            platform: Platform::Rds,
            version: ServerVersion(170_011),
        };
        let setting = |role: &str, here| ReadOnlyOverride {
            role: Some(role.to_owned()),
            oid: None,
            here,
            value: "off".to_owned(),
        };
        let closed = Closed {
            database: "shop".to_owned(),
            overrides: vec![setting("rdsadmin", true), setting("reports", false)],
        };
        assert_eq!(not_permitted(Side::Source, &grantee, &[], &closed), None);
        let all = [
            found(UnpermittedKind::Database, "shop", "rdsadmin"),
            found(UnpermittedKind::Table, "public.a", "App"),
            found(UnpermittedKind::Sequence, "public.a_id_seq", "App"),
            found(UnpermittedKind::Role, "reports", "reports"),
            found(UnpermittedKind::Sessions, "", "pg_signal_backend"),
            found(UnpermittedKind::Sessions, "", "pg_read_all_stats"),
        ];
        let refusal = not_permitted(Side::Source, &grantee, &all, &closed).unwrap();
        assert_eq!(
            refusal.what,
            "role mover on the source may not: alter database shop of rdsadmin, lock table public.a of \"App\", \
             lock sequence public.a_id_seq of \"App\", alter role reports, end the sessions of other roles and 1 more"
        );
        assert_eq!(
            refusal.hint,
            "on the source, as a superuser of the service, whose support can be asked: ALTER DATABASE \"shop\" OWNER TO \"mover\"; \
             on the source, as the service's administrator: GRANT \"App\" TO \"mover\"; \
             GRANT \"reports\" TO \"mover\" WITH ADMIN OPTION; \
             GRANT pg_read_all_stats TO \"mover\"; GRANT pg_signal_backend TO \"mover\"; \
             or leave the table out (pgl-preflight --exclude-table)"
        );
        let hint = |one: Unpermitted| {
            let refusal = not_permitted(Side::Target, &grantee, &[one], &closed);
            refusal.unwrap().hint
        };
        assert_eq!(
            hint(Unpermitted {
                createrole: false,
                ..all[3].clone()
            }),
            "on the target, as the service's administrator: ALTER ROLE \"mover\" CREATEROLE"
        );
        assert_eq!(
            hint(found(UnpermittedKind::EventTrigger, "audit", "rdsadmin")),
            "on the target, as a superuser of the service, whose support can be asked: \
             ALTER EVENT TRIGGER \"audit\" DISABLE; or run this without --reverse"
        );
        assert_eq!(
            hint(found(UnpermittedKind::EventTrigger, "audit", "keeper")),
            "on the target, as the service's administrator: GRANT \"keeper\" TO \"mover\"; or run this without --reverse"
        );
        assert_eq!(
            hint(found(UnpermittedKind::Role, "rdsadmin", "rdsadmin")),
            "on the target, as a superuser of the service, whose support can be asked: \
             ALTER ROLE \"rdsadmin\" IN DATABASE \"shop\" RESET default_transaction_read_only"
        );
    }
}
