//! What each check of this family must make of one change to clean facts.

use super::*;
use crate::facts::server::{Pglogical, PglogicalSet, Role, Truncator};
use crate::rights::Right;
use crate::rules::testing::server::{demote, on_target, override_setting, source};
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

fn lacked(server: &mut ServerState, kind: UnpermittedKind, role: &str) {
    known(&mut server.not_permitted).push(Unpermitted {
        kind,
        schema: None,
        name: match kind {
            UnpermittedKind::Database => "shop".to_owned(),
            UnpermittedKind::EventTrigger => "audit".to_owned(),
            UnpermittedKind::Sessions => String::new(),
            _ => role.to_owned(),
        },
        role: role.to_owned(),
        superuser: role == "postgres",
        createrole: true,
    });
}

/// A setting of a role for a database, which the connected role may not alter.
fn read_only(server: &mut ServerState, database: &str, role: &str) {
    override_setting(
        server,
        Some(database),
        Some(role),
        "default_transaction_read_only",
        "on",
    );
    lacked(server, UnpermittedKind::Role, role);
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
    fires(
        "role.pglogical_schema_usage",
        Severity::Info,
        "not asked by reverse replication",
        |f| {
            for role in known(&mut on_target(f).roles) {
                role.asked_by_pglogical = Some(false);
            }
        },
    ),
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
    fires(
        "role.owner_of_tables",
        Severity::Warn,
        "a sequence of somebody else's",
        |f| {
            demote(source(f));
            relation(f, |r| {
                r.owner = false;
                r.sequence = true;
            });
        },
    ),
    fires(
        "role.owner_of_tables",
        Severity::Warn,
        "the database of somebody else's",
        |f| lacked(source(f), UnpermittedKind::Database, "app"),
    ),
    fires(
        "role.owner_of_tables",
        Severity::Warn,
        "a table that the target has",
        |f| {
            relation(f, |r| r.owner = false);
            known(&mut source(f).relation_rights).clear();
        },
    ),
    silent("role.owner_of_tables", "excluded", |f| {
        relation(f, |r| r.owner = false);
        f.asked.selection.exclude_schemas = vec!["app".into()];
    }),
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
    fires("role.signal_backend", Severity::Warn, "may end none", |f| {
        lacked(source(f), UnpermittedKind::Sessions, "pg_signal_backend");
    }),
    fires("role.signal_backend", Severity::Warn, "may see none", |f| {
        lacked(on_target(f), UnpermittedKind::Sessions, "pg_read_all_stats");
    }),
    silent("role.signal_backend", "no member, and a superuser", |_| ()),
    fires("role.cutover_rights", Severity::Warn, "a setting", |f| {
        read_only(source(f), "shop", "app");
    }),
    fires(
        "role.cutover_rights",
        Severity::Warn,
        "a superuser's",
        |f| {
            read_only(on_target(f), "shop", "postgres");
        },
    ),
    silent("role.cutover_rights", "of another database", |f| {
        read_only(source(f), "other", "app");
    }),
    fires(
        "role.cutover_rights",
        Severity::Warn,
        "an event trigger",
        |f| {
            lacked(source(f), UnpermittedKind::EventTrigger, "postgres");
        },
    ),
    silent(
        "role.cutover_rights",
        "an event trigger where no rows are applied back",
        |f| {
            lacked(on_target(f), UnpermittedKind::EventTrigger, "postgres");
        },
    ),
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
    known(&mut on_target(&mut facts).relation_rights).clear();
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
            "Let the service's administrator run the statement",
            "Only a superuser of the service can give it: ask its support, or do without"
        ]
    );
}

#[test]
fn what_one_grant_gives_is_one_finding() {
    let mut facts = clean();
    let server = source(&mut facts);
    known(&mut server.identity).markers = vec!["rds".into()];
    lacked(server, UnpermittedKind::Database, "boss");
    lacked(server, UnpermittedKind::Sessions, "pg_read_all_stats");
    lacked(server, UnpermittedKind::Sessions, "pg_signal_backend");
    for role in ["app", "reports", "postgres"] {
        read_only(server, "shop", role);
    }
    relation(&mut facts, |r| r.owner = false);
    known(&mut on_target(&mut facts).relation_rights).clear();
    let of = |facts: &Facts, id| -> Vec<(String, Option<String>)> {
        let (findings, ran) = run(id, facts);
        ran.unwrap();
        let shown = findings.into_iter().map(|one| (one.what, one.sql));
        shown.collect()
    };
    assert_eq!(
        of(&facts, "role.owner_of_tables"),
        [(
            "role migrator on the source may not: alter database shop of boss, lock table app.orders of boss"
                .to_owned(),
            Some("GRANT \"boss\" TO \"migrator\";".to_owned())
        )]
    );
    let sessions = of(&facts, "role.signal_backend");
    assert_eq!(sessions.len(), 2, "{sessions:#?}");
    let alter = |role| format!("role migrator on the source may not: alter role {role}");
    let grant = |role| format!("GRANT \"{role}\" TO \"migrator\" WITH ADMIN OPTION;");
    assert_eq!(
        of(&facts, "role.cutover_rights"),
        [
            (alter("app"), Some(grant("app"))),
            (alter("reports"), Some(grant("reports"))),
            // Only a superuser of the service may.
            (alter("postgres"), None),
        ]
    );
    // Without CREATEROLE one statement serves all of them.
    for one in known(&mut source(&mut facts).not_permitted) {
        one.createrole = false;
    }
    assert_eq!(
        of(&facts, "role.cutover_rights")[0],
        (
            format!("{}, alter role reports", alter("app")),
            Some("ALTER ROLE \"migrator\" CREATEROLE;".to_owned())
        )
    );
}
