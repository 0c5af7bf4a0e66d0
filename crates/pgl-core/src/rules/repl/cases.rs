//! What each check of this family must make of one change to clean facts.

use super::*;
use crate::facts::server::{
    NativeSubscription, Origin, Pglogical, PglogicalSubscription, Publication, Sender,
};
use crate::rules::testing::server::{on_target, source};
use crate::rules::testing::{Case, fires, known, silent};

fn slot(f: &mut Facts, name: &str, plugin: Option<&str>, active: bool) {
    known(&mut source(f).slots).push(Slot {
        name: name.into(),
        plugin: plugin.map(str::to_owned),
        database: plugin.map(|_| "shop".to_owned()),
        active,
        retained_bytes: Some(5_000_000),
        ..Slot::default()
    });
}

fn node(name: &str, subscription: Option<&str>) -> Pglogical {
    Pglogical {
        local_node: Some(name.into()),
        subscriptions: subscription
            .map(|name| PglogicalSubscription {
                name: name.into(),
                provider: "x".into(),
                enabled: true,
                slot: OURS.into(),
            })
            .into_iter()
            .collect(),
        ..Pglogical::default()
    }
}

/// As pglogical names it: database shop, node pgl_source_shop, subscription pgl_shop.
const OURS: &str = "pgl_shop_pgl_source_shop_pgl_shop";

pub(in crate::rules) const CASES: &[Case] = &[
    fires(
        "repl.pglogical_leftovers",
        Severity::Block,
        "another node",
        |f| {
            *known(&mut source(f).pglogical) = Some(node("old", None));
        },
    ),
    fires(
        "repl.pglogical_leftovers",
        Severity::Block,
        "another subscription",
        |f| {
            *known(&mut on_target(f).pglogical) = Some(node("pgl_target_shop", Some("old")));
        },
    ),
    fires(
        "repl.pglogical_leftovers",
        Severity::Info,
        "our reverse subscription",
        |f| {
            *known(&mut source(f).pglogical) = Some(node("pgl_source_shop", Some("pgl_shop_back")));
        },
    ),
    fires("repl.pglogical_leftovers", Severity::Info, "ours", |f| {
        *known(&mut on_target(f).pglogical) = Some(node("pgl_target_shop", Some("pgl_shop")));
    }),
    silent("repl.pglogical_leftovers", "the extension alone", |f| {
        *known(&mut source(f).pglogical) = Some(Pglogical::default());
    }),
    fires("repl.slot_name_clash", Severity::Block, "same name", |f| {
        slot(f, OURS, Some("pglogical_output"), false);
    }),
    silent(
        "repl.slot_name_clash",
        "a neighbour whose name begins alike",
        |f| {
            // customer_data_production_eu and …_us: the same eight letters, another hash.
            known(&mut f.link.slot_names).forward =
                "pgl_shop_pgl_sour0123abc_pgl_cust00ff0aa".into();
            let name = "pgl_shop_pgl_sour4567def_pgl_cust11ee1bb";
            slot(f, name, Some("pglogical_output"), true);
        },
    ),
    silent("repl.slot_name_clash", "of another target", |f| {
        slot(
            f,
            "pgl_crm_pgl_source_shop_pgl_shop",
            Some("pglogical_output"),
            false,
        );
    }),
    silent("repl.slot_name_clash", "this migration's own", |f| {
        slot(f, OURS, Some("pglogical_output"), true);
        *known(&mut on_target(f).pglogical) = Some(node("pgl_target_shop", Some("pgl_shop")));
    }),
    fires("repl.inactive_slots", Severity::Warn, "nobody reads", |f| {
        slot(f, "debezium", Some("pgoutput"), false);
    }),
    fires(
        "repl.inactive_slots",
        Severity::Warn,
        "another database's migration, paused",
        |f| {
            slot(
                f,
                "pgl_crm_pgl_source_crm_pgl_crm",
                Some("pglogical_output"),
                false,
            )
        },
    ),
    fires(
        "repl.inactive_slots",
        Severity::Info,
        "this migration, paused",
        |f| {
            slot(f, OURS, Some("pglogical_output"), false);
            *known(&mut on_target(f).pglogical) = Some(node("pgl_target_shop", Some("pgl_shop")));
        },
    ),
    silent("repl.inactive_slots", "the clash is another check's", |f| {
        slot(f, OURS, Some("pglogical_output"), false);
    }),
    silent("repl.inactive_slots", "active", |f| {
        slot(f, "standby1", None, true);
    }),
    fires("repl.lost_slots", Severity::Warn, "lost", |f| {
        slot(f, "old", Some("pgoutput"), false);
        known(&mut source(f).slots)[0].wal_status = Some("lost".into());
    }),
    silent("repl.lost_slots", "reserved", |f| {
        slot(f, "old", Some("pgoutput"), false);
        known(&mut source(f).slots)[0].wal_status = Some("reserved".into());
    }),
    fires("repl.origins_orphans", Severity::Warn, "left behind", |f| {
        known(&mut on_target(f).origins).push(Origin { name: OURS.into() });
    }),
    silent("repl.origins_orphans", "in use", |f| {
        known(&mut on_target(f).origins).push(Origin { name: OURS.into() });
        *known(&mut on_target(f).pglogical) = Some(node("pgl_target_shop", Some("pgl_shop")));
    }),
    silent("repl.origins_orphans", "another tool's", |f| {
        known(&mut on_target(f).origins).push(Origin {
            name: "bdr_1".into(),
        });
    }),
    fires(
        "repl.other_consumers",
        Severity::Warn,
        "change data capture",
        |f| {
            slot(f, "debezium", Some("pgoutput"), true);
        },
    ),
    silent("repl.other_consumers", "a standby", |f| {
        slot(f, "standby1", None, true);
    }),
    fires("repl.publications", Severity::Warn, "all tables", |f| {
        known(&mut source(f).publications).push(Publication {
            name: "everything".into(),
            all_tables: true,
        });
    }),
    fires("repl.publications", Severity::Info, "some tables", |f| {
        known(&mut source(f).publications).push(Publication {
            name: "some".into(),
            all_tables: false,
        });
    }),
    fires(
        "repl.cascading_origin",
        Severity::Block,
        "source subscribes",
        |f| {
            known(&mut source(f).subscriptions).push(NativeSubscription {
                name: "feed".into(),
                enabled: true,
                oid: 16_400,
            });
        },
    ),
    fires("repl.origins", Severity::Warn, "a loader's", |f| {
        let origin = |name: &str| Origin { name: name.into() };
        known(&mut source(f).origins).extend([origin("etl"), origin("pg_16400")]);
    }),
    silent("repl.origins", "of subscriptions", |f| {
        let origin = |name: &str| Origin { name: name.into() };
        known(&mut source(f).origins).extend(["pg_16400_16390", "pgl_shop"].map(origin));
    }),
    fires(
        "repl.subscriptions",
        Severity::Warn,
        "target subscribes",
        |f| {
            known(&mut on_target(f).subscriptions).push(NativeSubscription {
                name: "feed".into(),
                enabled: false,
                oid: 16_400,
            });
        },
    ),
    fires("repl.physical_standbys", Severity::Info, "one", |f| {
        known(&mut source(f).senders).push(Sender {
            application: "standby1".into(),
            state: Some("streaming".into()),
            ..Sender::default()
        });
    }),
    silent(
        "repl.physical_standbys",
        "a logical reader and a backup",
        |f| {
            known(&mut source(f).senders).extend([
                Sender {
                    logical: true,
                    ..Sender::default()
                },
                Sender {
                    state: Some("backup".into()),
                    ..Sender::default()
                },
            ]);
        },
    ),
];

#[test]
fn a_slot_is_only_ever_dropped_by_a_person() {
    let mut facts = crate::rules::testing::clean();
    slot(
        &mut facts,
        "pgl_crm_pgl_source_crm_pgl_crm",
        Some("pglogical_output"),
        false,
    );
    slot(&mut facts, "lost", Some("pgoutput"), false);
    known(&mut source(&mut facts).slots)[1].wal_status = Some("lost".into());
    slot(&mut facts, OURS, Some("pglogical_output"), false);
    let mut seen = 0;
    for Rule(id, _) in CHECKS {
        for finding in crate::rules::testing::run(id, &facts).0 {
            seen += 1;
            assert_eq!(finding.sql, None, "{finding:#?}");
            let manual = finding.manual_sql.as_deref().unwrap_or_default();
            assert!(manual.contains("AND NOT active"), "{finding:#?}");
        }
    }
    assert_eq!(seen, 3);
    // Nothing of this migration's own is offered to be dropped while it runs.
    *known(&mut on_target(&mut facts).pglogical) = Some(node("pgl_target_shop", Some("pgl_shop")));
    known(&mut source(&mut facts).slots)[2].wal_status = Some("lost".into());
    for Rule(id, _) in CHECKS {
        for finding in crate::rules::testing::run(id, &facts).0 {
            let own = finding.object.as_deref() == Some(OURS);
            assert!(!own || finding.manual_sql.is_none(), "{finding:#?}");
        }
    }
}
