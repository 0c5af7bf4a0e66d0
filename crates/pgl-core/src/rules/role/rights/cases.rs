//! What each check of this family must make of one change to clean facts.

use super::*;
use crate::ServerVersion;
use crate::facts::server::{Pglogical, PglogicalSet, Role, Truncator};
use crate::rights::Right;
use crate::rules::testing::server::{demote, on_target, source};
use crate::rules::testing::{Case, clean, fires, known, run, silent};

fn relation(f: &mut Facts, change: impl Fn(&mut RelationRight)) {
    let mut found = RelationRight {
        schema: "app".into(),
        name: "orders".into(),
        sequence: false,
        usage: true,
        select: true,
        owner: true,
        owned_by: Some("boss".into()),
        row_security: false,
    };
    change(&mut found);
    known(&mut source(f).relation_rights).push(found.clone());
    known(&mut on_target(f).relation_rights).push(found);
}

fn member(server: &mut ServerState, of: &str) {
    known(&mut server.roles)[1].member_of = vec![of.to_owned()];
}

fn lacks(server: &mut ServerState, right: &Right) {
    let lacking: Vec<String> = right
        .functions
        .iter()
        .map(|one| (*one).to_owned())
        .collect();
    known(&mut server.rights).lacking = Some(lacking);
}

fn truncator(f: &mut Facts, usage: Option<bool>) {
    known(&mut source(f).truncators).push(Truncator {
        role: "app".into(),
        tables: 2,
        example: "public.t".into(),
        pglogical_usage: usage,
    });
}

pub(in crate::rules) const CASES: &[Case] = &[
    fires(
        "role.superuser_or_equiv",
        Severity::Block,
        "ordinary role",
        |f| {
            demote(source(f));
        },
    ),
    silent("role.superuser_or_equiv", "rds_superuser", |f| {
        demote(source(f));
        member(source(f), "rds_superuser");
        known(&mut source(f).identity).markers = vec!["rds".into()];
    }),
    fires(
        "role.superuser_or_equiv",
        Severity::Block,
        "rds_superuser, restored from a dump of roles",
        |f| {
            demote(source(f));
            member(source(f), "rds_superuser");
        },
    ),
    fires("role.replication", Severity::Block, "no attribute", |f| {
        demote(source(f));
    }),
    silent("role.replication", "rds_replication", |f| {
        demote(source(f));
        member(source(f), "rds_replication");
        known(&mut source(f).identity).markers = vec!["rds".into()];
    }),
    fires(
        "role.replication",
        Severity::Block,
        "the provider's role",
        |f| {
            f.link.provider_role = Some("app".into());
        },
    ),
    fires(
        "role.provider_exists",
        Severity::Block,
        "no such role",
        |f| {
            f.link.provider_role = Some("repl".into());
        },
    ),
    silent("role.provider_exists", "it is there", |f| {
        f.link.provider_role = Some("app".into());
    }),
    fires("role.expires", Severity::Warn, "tomorrow", |f| {
        known(&mut source(f).roles)[1].expires_in_seconds = Some(86_400.0);
    }),
    fires("role.expires", Severity::Warn, "past", |f| {
        known(&mut on_target(f).roles)[1].expires_in_seconds = Some(-5.0);
    }),
    silent("role.expires", "in a year", |f| {
        known(&mut source(f).roles)[1].expires_in_seconds = Some(31_536_000.0);
    }),
    fires(
        "role.pglogical_schema_usage",
        Severity::Block,
        "no USAGE",
        |f| {
            demote(source(f));
            known(&mut source(f).rights).pglogical_usage = Some(false);
        },
    ),
    silent("role.pglogical_schema_usage", "no such schema yet", |f| {
        demote(source(f));
    }),
    fires("role.select_tables", Severity::Block, "no SELECT", |f| {
        relation(f, |r| r.select = false);
    }),
    fires("role.select_tables", Severity::Block, "no USAGE", |f| {
        relation(f, |r| r.usage = false);
    }),
    silent("role.select_tables", "excluded", |f| {
        relation(f, |r| r.select = false);
        f.asked.selection.exclude_schemas = vec!["app".into()];
    }),
    fires("role.select_sequences", Severity::Block, "no SELECT", |f| {
        relation(f, |r| {
            r.sequence = true;
            r.select = false;
        });
    }),
    fires(
        "role.owner_of_tables",
        Severity::Block,
        "somebody else's",
        |f| {
            demote(source(f));
            relation(f, |r| r.owner = false);
        },
    ),
    fires(
        "role.owner_of_tables",
        Severity::Warn,
        "rds_superuser",
        |f| {
            demote(source(f));
            member(source(f), "rds_superuser");
            known(&mut source(f).identity).markers = vec!["rds".into()];
            relation(f, |r| r.owner = false);
        },
    ),
    fires("role.bypassrls", Severity::Block, "hidden rows", |f| {
        demote(source(f));
        relation(f, |r| r.row_security = true);
    }),
    silent("role.bypassrls", "a superuser sees all", |f| {
        relation(f, |r| r.row_security = true);
    }),
    fires(
        "role.write_target_rls",
        Severity::Block,
        "refused COPY",
        |f| {
            demote(on_target(f));
            relation(f, |r| r.row_security = true);
        },
    ),
    fires("role.create_on_db", Severity::Block, "no CREATE", |f| {
        known(&mut on_target(f).rights).create_on_database = false;
    }),
    fires(
        "role.set_replication_role",
        Severity::Block,
        "not granted",
        |f| {
            demote(on_target(f));
            known(&mut on_target(f).rights).set_replication_role = false;
        },
    ),
    fires(
        "role.set_replication_role",
        Severity::Block,
        "by a service that gives it to no role",
        |f| {
            demote(on_target(f));
            known(&mut on_target(f).rights).set_replication_role = false;
            known(&mut on_target(f).identity).markers = vec!["cloudsql".to_owned()];
        },
    ),
    silent("role.set_replication_role", "granted", |f| {
        demote(on_target(f));
    }),
    fires(
        "role.origin_functions",
        Severity::Block,
        "not granted",
        |f| {
            demote(on_target(f));
            lacks(on_target(f), &rights::ADD_TABLE);
        },
    ),
    fires(
        "role.origin_functions",
        Severity::Warn,
        "not granted to the administrator of a service",
        |f| {
            demote(on_target(f));
            lacks(on_target(f), &rights::ADD_TABLE);
            member(on_target(f), "rds_superuser");
            known(&mut on_target(f).identity).markers = vec!["rds".into()];
        },
    ),
    fires(
        "role.origin_functions",
        Severity::Info,
        "for reverse replication",
        |f| {
            demote(source(f));
            lacks(source(f), &rights::REVERSE);
        },
    ),
    silent("role.origin_functions", "another server's", |f| {
        demote(source(f));
        lacks(source(f), &rights::SKIP);
        known(&mut source(f).rights)
            .lacking
            .iter_mut()
            .for_each(|all| all.truncate(2));
    }),
    fires(
        "role.signal_backend",
        Severity::Warn,
        "ordinary role",
        |f| demote(source(f)),
    ),
    fires(
        "role.signal_backend",
        Severity::Warn,
        "administrator of a service",
        |f| {
            demote(source(f));
            member(source(f), "rds_superuser");
            known(&mut source(f).identity).markers = vec!["rds".into()];
        },
    ),
    silent("role.signal_backend", "member", |f| {
        demote(source(f));
        member(source(f), "pg_signal_backend");
        known(&mut source(f).roles)[1]
            .member_of
            .push("pg_read_all_stats".into());
    }),
    fires("role.signal_backend", Severity::Warn, "may see none", |f| {
        demote(source(f));
        member(source(f), "pg_signal_backend");
    }),
    silent("role.signal_backend", "9.5 has no such role", |f| {
        demote(source(f));
        known(&mut source(f).identity).version = ServerVersion(90_525);
    }),
    fires(
        "role.truncate_rights",
        Severity::Info,
        "before setup",
        |f| truncator(f, None),
    ),
    fires(
        "role.truncate_rights",
        Severity::Warn,
        "tables in a set",
        |f| {
            truncator(f, Some(false));
            *known(&mut source(f).pglogical) = Some(Pglogical {
                sets: vec![PglogicalSet {
                    name: "default".into(),
                    tables: 2,
                }],
                ..Pglogical::default()
            });
        },
    ),
    fires(
        "role.truncate_rights",
        Severity::Block,
        "the role may not grant it",
        |f| {
            truncator(f, Some(false));
            known(&mut source(f).rights).grant_pglogical_usage = Some(false);
        },
    ),
    silent("role.truncate_rights", "granted", |f| {
        truncator(f, Some(true));
    }),
];

#[test]
fn everyone_is_not_quoted() {
    let mut facts = clean();
    truncator(&mut facts, Some(false));
    known(&mut source(&mut facts).truncators)[0].role = "public".into();
    let (findings, _) = run("role.truncate_rights", &facts);
    assert_eq!(
        findings[0].sql.as_deref(),
        Some(
            "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA pglogical FROM PUBLIC;\nGRANT USAGE ON SCHEMA pglogical TO PUBLIC;"
        )
    );
}

#[test]
fn the_owner_is_named_and_only_membership_is_given_by_a_script() {
    let mut facts = clean();
    demote(source(&mut facts));
    relation(&mut facts, |r| r.owner = false);
    relation(&mut facts, |r| {
        r.owner = false;
        r.name = "of admin".into();
        r.owned_by = Some("admin".into());
    });
    known(&mut source(&mut facts).roles).push(Role {
        name: "admin".into(),
        superuser: true,
        ..Role::default()
    });
    let (mut findings, _) = run("role.owner_of_tables", &facts);
    findings.sort_by_key(|one| one.sql.is_some());
    assert_eq!(findings.len(), 2, "{findings:#?}");
    assert_eq!(
        (&findings[0].manual_sql, &findings[1].sql),
        (
            &Some("ALTER TABLE \"app\".\"of admin\" OWNER TO \"migrator\";".to_owned()),
            &Some("GRANT \"boss\" TO \"migrator\";".to_owned())
        )
    );
    for finding in &findings {
        assert!(
            finding.remedy.ends_with(
                "Without it not possible: replication sets; pgl-cutover: locks, write-block triggers, the database's settings."
            ),
            "{finding:#?}"
        );
    }
    known(&mut source(&mut facts).identity).markers = vec!["rds".into()];
    let (findings, _) = run("role.owner_of_tables", &facts);
    let service: Vec<&str> = (findings.iter())
        .map(|one| one.remedy.split([';', '.']).next().unwrap_or_default())
        .collect();
    assert_eq!(
        service,
        [
            "Only a superuser of the service can give it: ask its support, or do without",
            "Let the service's administrator run the statement"
        ]
    );
}
