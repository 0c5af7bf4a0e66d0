//! Each circumstance and each message against the cause that it has to lead to.

use super::*;
use crate::Lsn;
use crate::status::facts::{
    Dsn, DsnEnd, Log, OutputOverride, PlannedMember, Queued, Seen, SetSequence, SetTable, SlotNow,
    SourceClose, TableSync, TargetClose, TargetForeignKey, TargetOrigin, TargetTable, Trouble,
    WalSenderNow, WantedTable, Worker,
};
use crate::{QualifiedName, ServerVersion};

mod live;

fn causes(samples: &[Snapshot], close: &Close) -> Vec<Cause> {
    super::causes(samples, samples, close)
}

fn snapshot(at: f64) -> Snapshot {
    Snapshot {
        at,
        source: Seen::Known(SourceNow {
            version: ServerVersion(130_016),
            database: "shop".into(),
            wal_lsn: Some(Lsn(1000)),
            slot: Some(SlotNow {
                name: "slot".into(),
                plugin: Some("pglogical_output".into()),
                database: Some("shop".into()),
                active: true,
                active_pid: Some(7),
                restart_lsn: Some(Lsn(900)),
                confirmed_flush_lsn: Some(Lsn(1000)),
                ..SlotNow::default()
            }),
            ..SourceNow::default()
        }),
        target: Seen::Known(TargetNow {
            version: ServerVersion(170_011),
            pglogical: Some("2.4.5".into()),
            subscriptions: vec!["moving".into()],
            subscription: Some(SubscriptionNow {
                id: 77,
                database_oid: 5,
                name: "moving".into(),
                enabled: true,
                slot_name: "slot".into(),
                sets: vec!["default".into()],
                sync_kind: Some('d'),
                sync_status: Some('r'),
                dsn: Dsn {
                    user: Some("mover".into()),
                    extra_float_digits: Some("3".into()),
                    datestyle: Some("ISO".into()),
                    intervalstyle: Some("postgres".into()),
                },
                ..SubscriptionNow::default()
            }),
            tables: vec![TableSync {
                table: QualifiedName::new("public", "a"),
                status: 'r',
            }],
            workers: ["supervisor", "manager", "apply"]
                .map(|kind| Worker {
                    kind: kind.into(),
                    pid: 100,
                    ..Worker::default()
                })
                .to_vec(),
            ..TargetNow::default()
        }),
    }
}

fn source(snapshot: &mut Snapshot) -> &mut SourceNow {
    match &mut snapshot.source {
        Seen::Known(now) => now,
        _ => panic!("known"),
    }
}

fn target(snapshot: &mut Snapshot) -> &mut TargetNow {
    match &mut snapshot.target {
        Seen::Known(now) => now,
        _ => panic!("known"),
    }
}

/// The apply worker is gone and nobody streams.
fn down() -> Snapshot {
    let mut snapshot = snapshot(0.0);
    target(&mut snapshot).workers.pop();
    if let Some(slot) = &mut source(&mut snapshot).slot {
        slot.active = false;
        slot.active_pid = None;
    }
    snapshot
}

fn close() -> Close {
    Close {
        source: Some(SourceClose {
            pglogical: true,
            wal_level: "logical".into(),
            output_plugin_libraries: Some("pgoutput, test_decoding, pglogical_output".into()),
            max_slots: 20,
            used_slots: 1,
            max_senders: 20,
            sets: vec!["default".into()],
            tables: vec![SetTable {
                table: QualifiedName::new("public", "a"),
                columns: vec!["id".into(), "v".into()],
                updates: true,
                ..SetTable::default()
            }],
            members: Some(vec![PlannedMember {
                table: QualifiedName::new("public", "a"),
                exists: true,
                sets: vec!["default".into()],
                unreplicated: Vec::new(),
            }]),
            ..SourceClose::default()
        }),
        target: Some(TargetClose {
            tables: vec![TargetTable {
                table: QualifiedName::new("public", "a"),
                kind: "r".into(),
                columns: vec!["id".into(), "v".into()],
                has_identity: true,
                ..TargetTable::default()
            }],
            roles: vec!["postgres".into()],
            max_workers: 20,
            used_workers: 3,
            log: Log {
                place: "/var/log/pg.log".into(),
                unread: Some("not permitted".into()),
                ..Log::default()
            },
            ..TargetClose::default()
        }),
        wanted: vec![WantedTable {
            table: QualifiedName::new("public", "a"),
            set: Some("default".into()),
            ..WantedTable::default()
        }],
        ..Close::default()
    }
}

fn ids(samples: &[Snapshot], close: &Close) -> Vec<String> {
    causes(samples, close)
        .into_iter()
        .map(|cause| cause.id)
        .collect()
}

#[test]
fn all_is_well() {
    assert!(ids(&[snapshot(0.0), snapshot(1.0)], &close()).is_empty());
}

#[test]
fn unknown_names_the_place_and_the_worker() {
    let found = causes(&[down()], &close());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].id, "unknown");
    assert!(found[0].remedy.contains("/var/log/pg.log"), "{found:?}");
    assert!(
        found[0].remedy.contains("pglogical apply 5:77"),
        "{found:?}"
    );
    assert_eq!(found[0].heals, Heals::Perhaps);
}

type Change = fn(&mut Snapshot, &mut SourceClose, &mut TargetClose);

/// What is changed about a subscription that is down, and the cause that has to be found.
const CASES: &[(&str, Change)] = &[
    ("source.output_plugin", |_, s, _| {
        s.output_plugin_libraries = Some("pgoutput, test_decoding".into());
    }),
    ("source.wal_level", |_, s, _| s.wal_level = "replica".into()),
    ("source.no_pglogical", |_, s, _| s.pglogical = false),
    ("source.senders_exhausted", |_, s, _| s.used_senders = 20),
    ("set.missing", |_, s, _| s.sets = vec!["other".into()]),
    ("origin.missing", |now, _, _| {
        target(now).origin_readable = true;
    }),
    ("slot.missing", |now, _, _| source(now).slot = None),
    ("slot.exhausted", |now, s, _| {
        source(now).slot = None;
        s.used_slots = 20;
    }),
    ("slot.lost", |now, _, _| {
        if let Some(slot) = &mut source(now).slot {
            slot.wal_status = Some("lost".into());
        }
    }),
    ("slot.other_plugin", |now, _, _| {
        if let Some(slot) = &mut source(now).slot {
            slot.plugin = Some("test_decoding".into());
        }
    }),
    ("slot.in_use", |now, _, _| {
        if let Some(slot) = &mut source(now).slot {
            slot.active = true;
        }
    }),
    ("subscription.disabled", |now, _, _| {
        if let Some(subscription) = &mut target(now).subscription {
            subscription.enabled = false;
        }
    }),
    ("subscription.missing", |now, _, _| {
        target(now).subscription = None
    }),
    ("subscription.no_pglogical", |now, _, _| {
        target(now).pglogical = None;
        target(now).subscription = None;
    }),
    ("copy.failed", |now, _, _| {
        if let Some(subscription) = &mut target(now).subscription {
            subscription.sync_status = Some('d');
        }
    }),
    ("copy.generated_column", |now, s, t| {
        if let Some(subscription) = &mut target(now).subscription {
            subscription.sync_status = Some('d');
        }
        s.tables[0].generated = vec!["v".into()];
        t.tables[0].generated = vec!["v".into()];
    }),
    ("apply.generated_left_out", |_, s, _| {
        s.tables[0].generated_left_out = vec!["g".into()];
    }),
    ("apply.table_missing", |_, _, t| t.tables.clear()),
    ("apply.column_missing", |_, _, t| {
        t.tables[0].columns.pop();
    }),
    ("apply.column_required", |_, _, t| {
        t.tables[0].required = vec!["only_here".into()];
    }),
    ("apply.key_missing", |_, _, t| {
        t.tables[0].has_identity = false
    }),
    ("apply.partitioned_target", |_, _, t| {
        t.tables[0].kind = "p".into()
    }),
    ("apply.fk_truncate", |_, s, t| {
        s.queue = vec![Queued {
            kind: "T".into(),
            schema: Some("public".into()),
            name: Some("a".into()),
            role: None,
        }];
        t.foreign_keys = vec![TargetForeignKey {
            name: "fk".into(),
            schema: "public".into(),
            table: "b".into(),
            references_schema: "public".into(),
            references: "a".into(),
        }];
    }),
    ("apply.role_missing", |_, s, _| {
        s.queue = vec![Queued {
            kind: "Q".into(),
            role: Some("ddl".into()),
            ..Queued::default()
        }];
    }),
    ("apply.sequence_missing", |_, s, _| {
        s.sequences = vec![SetSequence {
            sequence: QualifiedName::new("public", "q"),
            sent: Some(1001),
        }];
    }),
    ("apply.sequence_bounds", |_, s, t| {
        s.sequences = vec![SetSequence {
            sequence: QualifiedName::new("public", "q"),
            sent: Some(1001),
        }];
        t.sequences = [(QualifiedName::new("public", "q"), 1..=500)].into();
    }),
    ("target.workers_exhausted", |_, _, t| t.used_workers = 20),
    ("target.no_supervisor", |now, _, _| {
        target(now).workers.clear()
    }),
    ("target.no_manager", |now, _, _| {
        target(now).workers.truncate(1)
    }),
    ("server.crashed", |now, _, _| {
        target(now).clock = 1000.0;
        target(now).started = 100.0;
        target(now).helpers_started = Some(990.0);
    }),
];

#[test]
fn each_circumstance_has_its_cause_and_its_remedy() {
    for (id, change) in CASES {
        let mut now = down();
        let mut close = close();
        let (Some(source), Some(target)) = (&mut close.source, &mut close.target) else {
            panic!("both sides");
        };
        change(&mut now, source, target);
        let found = causes(&[now], &close);
        let cause = found.iter().find(|cause| cause.id == *id);
        let cause = cause.unwrap_or_else(|| panic!("{id}: {found:#?}"));
        assert!(!cause.remedy.is_empty(), "{id}");
        assert!(!cause.evidence.is_empty(), "{id}");
        assert!(found.iter().all(|cause| cause.id != "unknown"), "{id}");
    }
}

#[test]
fn circumstances_are_no_causes_while_it_runs() {
    let mut close = close();
    if let Some(target) = &mut close.target {
        target.tables[0].has_identity = false;
        target.tables[0].columns.pop();
    }
    assert!(ids(&[snapshot(0.0)], &close).is_empty());
}

fn with_log(text: &str) -> Close {
    let mut close = close();
    if let Some(target) = &mut close.target {
        target.log = Log {
            tail: Some(text.replace("WORKER", "pglogical apply 5:77")),
            ..Log::default()
        };
    }
    close
}

const END: &str = "\nT [1] LOG:  background worker \"WORKER\" (PID 42) exited with exit code 1\n";

/// What the worker said, and the cause.
const SAID: &[(&str, &str)] = &[
    (
        "cannot truncate a table referenced in a foreign key constraint",
        "apply.fk_truncate",
    ),
    ("unknown column name w", "apply.column_missing"),
    (
        "relation \"public.c\" does not exist",
        "apply.table_missing",
    ),
    (
        "could not find REPLICA IDENTITY index for table c with oid 16569",
        "apply.key_missing",
    ),
    (
        "duplicate key value violates unique constraint \"a_v_idx\"",
        "apply.duplicate_key",
    ),
    (
        "setval: value 1001 is out of bounds for sequence \"q\" (1..500)",
        "apply.sequence_bounds",
    ),
    (
        "pglogical doesn't support deferrable indexes",
        "apply.deferrable",
    ),
    ("cannot apply conflicting row", "apply.conflict"),
    (
        "replication origin \"slot\" does not exist",
        "origin.missing",
    ),
    (
        "could not connect to the postgresql server: FATAL:  password authentication failed for user \"m\"",
        "link.password",
    ),
    (
        "could not connect to the postgresql server: FATAL:  no pg_hba.conf entry for host \"::1\"",
        "link.hba",
    ),
    (
        "could not connect to the postgresql server: could not translate host name \"x\" to address",
        "link.unreachable",
    ),
    (
        "could not connect to the postgresql server: connection refused",
        "link.unreachable",
    ),
    (
        "could not connect to the postgresql server: FATAL:  role \"m\" does not exist",
        "link.role",
    ),
    (
        "could not send replication command \"START_REPLICATION\": ERROR:  replication slot \"slot\" does not exist",
        "slot.missing",
    ),
    (
        "could not send replication command: ERROR:  replication slot \"slot\" is active for PID 7",
        "slot.in_use",
    ),
    (
        "could not send replication command: ERROR:  library \"pglogical_output\" may not be used as an output plugin",
        "source.output_plugin",
    ),
    (
        "subscriber moving initialization failed during nonrecoverable step (d), please try the setup again",
        "copy.failed",
    ),
    ("invalid XML document", "apply.xml_document"),
    ("something that nobody has seen before", "apply.error"),
];

#[test]
fn words_of_the_log_become_causes() {
    for (said, id) in SAID {
        let mut close = with_log(&format!("T [42] ERROR:  {said}{END}"));
        // The closer look shows nothing that contradicts the log.
        close.source = None;
        let mut now = down();
        now.source = Seen::NotGiven;
        let found = causes(&[now], &close);
        let cause = found.iter().find(|cause| cause.id == *id);
        let cause = cause.unwrap_or_else(|| panic!("{id}: {found:#?}"));
        // A line is evidence and no proof: its reason may be gone.
        assert_eq!(cause.certainty, Certainty::Likely, "{id}");
        assert_eq!(cause.heals, Heals::Perhaps, "{id}");
        assert!(cause.evidence[0].contains(said), "{cause:?}");
    }
}

#[test]
fn a_predecessor_s_end_is_no_news() {
    let close = with_log(&format!("T [42] ERROR:  unknown column name v{END}"));
    let mut now = down();
    if let Some(subscription) = &mut target(&mut now).subscription {
        subscription.sync_status = Some('i');
    }
    if let Some(slot) = &mut source(&mut now).slot {
        slot.active = false;
    }
    assert_eq!(ids(&[now], &close), ["unknown"]);
}

#[test]
fn crash_loops_are_seen_with_and_without_a_connection() {
    let crash = "T [1] LOG:  background worker \"WORKER\" (PID 42) was terminated by signal 11: Segmentation fault\n";
    let close = with_log(&crash.repeat(3));
    assert_eq!(ids(&[down()], &close)[0], "server.crash_loop");
    let mut gone = down();
    gone.target = Seen::Failed(Trouble {
        kind: TroubleKind::Recovering,
        message: "the database system is in recovery mode".into(),
        sqlstate: Some("57P03".into()),
        hint: None,
    });
    let found = causes(std::slice::from_ref(&gone), &close);
    assert!(
        found
            .iter()
            .any(|cause| cause.id == "server.crash_loop" && cause.certainty == Certainty::Proven),
        "{found:#?}"
    );
    // Where the log cannot be read in time, what becomes of the sessions shows it; a restart loses one.
    for (sessions_lost, expected) in [(2, true), (1, false)] {
        let mut close = with_log("");
        if let Some(target) = &mut close.target {
            target.sessions_lost = sessions_lost;
        }
        let found = causes(std::slice::from_ref(&gone), &close);
        assert_eq!(
            found.iter().any(|cause| cause.id == "server.crash_loop"),
            expected,
            "{found:#?}"
        );
    }
}

#[test]
fn output_settings_are_judged_by_what_the_source_does() {
    let mut now = snapshot(0.0);
    if let Some(subscription) = &mut target(&mut now).subscription {
        subscription.dsn = Dsn {
            user: Some("mover".into()),
            ..Dsn::default()
        };
    }
    let severity = |now: &Snapshot, close: &Close| {
        causes(std::slice::from_ref(now), close)
            .iter()
            .find(|cause| cause.id == "unsafe.output_settings")
            .map(|cause| cause.severity)
    };
    assert_eq!(severity(&now, &close()), Some(Severity::Warn));
    let with = |role: Option<&str>, name: &str, value: &str| {
        let mut close = close();
        if let Some(source) = &mut close.source {
            source.overrides = vec![OutputOverride {
                role: role.map(str::to_owned),
                name: name.into(),
                value: value.into(),
            }];
        }
        close
    };
    assert_eq!(
        severity(&now, &with(None, "datestyle", "SQL, DMY")),
        Some(Severity::Block)
    );
    assert_eq!(
        severity(&now, &with(Some("mover"), "extra_float_digits", "0")),
        Some(Severity::Block)
    );
    assert_eq!(
        severity(&now, &with(Some("other"), "extra_float_digits", "0")),
        Some(Severity::Warn)
    );
    assert_eq!(
        severity(&now, &with(None, "datestyle", "ISO, DMY")),
        Some(Severity::Warn)
    );
    source(&mut now).version = ServerVersion(90_624);
    assert_eq!(severity(&now, &close()), Some(Severity::Block));
}

/// Seen on 17 and 18: the worker of the table ends with "could not get table list" and is started again, for ever.
#[test]
fn a_copy_that_never_begins_is_named_with_the_search_path_of_the_source() {
    let found = |path: &str, status: char, copying: Option<f64>| {
        let mut now = snapshot(0.0);
        target(&mut now).tables[0].status = status;
        if let Some(age) = copying {
            let mut sync = target(&mut now).workers[0].clone();
            sync.kind = "sync".into();
            sync.started = target(&mut now).clock - age;
            target(&mut now).workers.push(sync);
        }
        let mut close = close();
        if let Some(source) = &mut close.source {
            source.overrides = vec![OutputOverride {
                role: None,
                name: "search_path".into(),
                value: path.into(),
            }];
        }
        ids(&[now], &close)
            .iter()
            .any(|id| id == "copy.search_path")
    };
    assert!(found("app, pg_catalog", 'i', None));
    assert!(found("app, pg_catalog", 'i', Some(30.0)));
    assert!(!found("app, pg_catalog", 'i', Some(1.0)));
    assert!(!found("app, pg_catalog", 'r', None));
    assert!(!found("app, public", 'i', None));
}

#[test]
fn empty_tables_are_no_replica() {
    let mut close = close();
    if let (Some(source), Some(target)) = (&mut close.source, &mut close.target) {
        source.tables[0].has_rows = Some(true);
        target.tables[0].has_rows = Some(false);
    }
    let found = causes(&[snapshot(0.0), snapshot(1.0)], &close);
    assert_eq!(found[0].id, "copy.empty_tables");
    assert_eq!(found[0].severity, Severity::Block);
    // Late is not empty: nothing is claimed before the target has had the chance.
    let mut ahead = snapshot(0.0);
    source(&mut ahead).wal_lsn = Some(Lsn(5000));
    let found = causes(&[ahead.clone(), ahead], &close);
    assert_eq!(found[0].severity, Severity::Warn);
}
