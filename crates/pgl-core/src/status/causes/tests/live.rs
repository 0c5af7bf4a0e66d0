//! What the servers show now, against what a log says and what the samples before showed.

use super::*;
use crate::control::SlotMoved;
use crate::cutover::{AttemptState, CutOver, Promotion, SequenceUser, Timelines};
use crate::facts::server::Platform;
use crate::status::facts::{Reverse, RunHolder};

/// What the log says, what shows that it is history, and the cause that must not be named then.
const REFUTED: &[(&str, &str)] = &[
    (
        "could not send: ERROR:  replication slot \"slot\" is active for PID 7",
        "slot.in_use",
    ),
    (
        "could not send: ERROR:  replication slot \"slot\" does not exist",
        "slot.missing",
    ),
    (
        "could not send: ERROR:  all replication slots are in use",
        "slot.exhausted",
    ),
    (
        "could not send: ERROR:  library \"x\" may not be used as an output plugin",
        "source.output_plugin",
    ),
    (
        "could not send: ERROR:  logical decoding requires wal_level >= logical",
        "source.wal_level",
    ),
    ("replication set default not found", "set.missing"),
    (
        "could not connect: FATAL:  password authentication failed for user \"m\"",
        "link.password",
    ),
    (
        "could not connect: FATAL:  must be superuser or replication role to start walsender",
        "link.privilege",
    ),
    (
        "replication origin \"slot\" does not exist",
        "origin.missing",
    ),
    ("unknown column name w", "apply.column_missing"),
    (
        "relation \"public.c\" does not exist",
        "apply.table_missing",
    ),
];

#[test]
fn live_facts_beat_the_log() {
    for (said, id) in REFUTED {
        let mut close = with_log(&format!("T [42] ERROR:  {said}{END}"));
        close.dsn_from_here = Seen::Known(DsnEnd {
            database: "shop".into(),
            ..DsnEnd::default()
        });
        let mut now = down();
        target(&mut now).origin = Some(TargetOrigin { remote_lsn: None });
        let found = causes(&[now.clone()], &close);
        assert_eq!(found.len(), 1, "{id}: {found:#?}");
        assert_eq!(found[0].id, "retry.pending", "{id}");
        assert!(
            found[0].what.contains(id) && found[0].wake.is_some(),
            "{found:#?}"
        );
        assert!(
            found[0].evidence.iter().any(|line| line.contains(said)),
            "{found:#?}"
        );
        // What the servers show now is named alone: the old line is no cause beside it.
        target(&mut now).origin = None;
        target(&mut now).origin_readable = true;
        let found = causes(&[now], &close);
        assert_eq!(found.len(), 1, "{id}: {found:#?}");
        assert_eq!(
            (found[0].id.as_str(), found[0].certainty),
            ("origin.missing", Certainty::Proven)
        );
    }
}

#[test]
fn a_line_from_before_the_server_s_start_is_history() {
    let line = format!("2026-11-22 10:00:00 UTC [42] ERROR:  boom{END}")
        .replace("\nT [1]", "\n2026-11-22 10:00:00 UTC [1]");
    let mut close = with_log(&line);
    if let Some(target) = &mut close.target {
        target.log.now = Some("2026-11-22 10:01:00.000".into());
    }
    let mut now = down();
    target(&mut now).clock = 1000.0;
    target(&mut now).started = 900.0;
    assert_eq!(ids(&[now.clone()], &close), ["apply.error"]);
    target(&mut now).started = 990.0;
    assert_eq!(ids(&[now], &close), ["unknown"]);
}

#[test]
fn lines_are_read_by_whose_they_are() {
    let on_source = |said: &str| {
        let mut close = close();
        if let Some(source) = &mut close.source {
            source.log.tail = Some(format!(
                "T [9] ERROR:  {said}\nT [9] STATEMENT:  START_REPLICATION SLOT \"slot\" LOGICAL 0/0\n"
            ));
        }
        close
    };
    // The walsender's end is none of the worker's.
    let ended = on_source("terminating connection due to administrator command");
    assert_eq!(ids(&[down()], &ended), ["source.terminated"]);
    assert_eq!(
        ids(&[down()], &on_source("something new")),
        ["source.error"]
    );
    let worker = with_log(&format!(
        "T [42] FATAL:  terminating connection due to administrator command{END}"
    ));
    assert_eq!(ids(&[down()], &worker), ["apply.terminated"]);
    for (said, id) in [
        (
            "could not connect: FATAL:  pg_hba.conf rejects connection for host \"::1\", user \"m\", SSL encryption",
            "link.hba",
        ),
        (
            "could not connect in replication mode: FATAL:  permission denied to start WAL sender",
            "link.privilege",
        ),
        (
            "could not connect: SSL error: certificate verify failed",
            "link.tls",
        ),
    ] {
        let close = with_log(&format!("T [42] ERROR:  {said}{END}"));
        assert_eq!(ids(&[down()], &close), [id]);
    }
}

#[test]
fn a_login_with_the_dsn_is_judged_by_its_sqlstate() {
    let tried = |kind, code: &str, message: &str| {
        let mut close = close();
        close.dsn_from_here = Seen::Failed(Trouble {
            kind,
            message: message.into(),
            sqlstate: Some(code.into()),
            hint: None,
        });
        causes(&[down()], &close).remove(0)
    };
    use TroubleKind::{Auth, Other, Unreachable};
    for (kind, code, message, id, certainty) in [
        (
            Auth,
            "28P01",
            "password authentication failed",
            "link.password",
            Certainty::Proven,
        ),
        (
            Auth,
            "28000",
            "pg_hba.conf rejects connection, SSL encryption",
            "link.hba",
            Certainty::Likely,
        ),
        (
            Auth,
            "28000",
            "role \"m\" does not exist",
            "link.role",
            Certainty::Proven,
        ),
        (
            Other,
            "3D000",
            "database \"x\" does not exist",
            "link.database",
            Certainty::Proven,
        ),
        (
            Other,
            "42501",
            "permission denied to start WAL sender",
            "link.privilege",
            Certainty::Proven,
        ),
        (
            Unreachable,
            "53300",
            "too many connections",
            "link.full",
            Certainty::Likely,
        ),
        (
            Unreachable,
            "",
            "connection refused",
            "link.unreachable",
            Certainty::Likely,
        ),
    ] {
        let cause = tried(kind, code, message);
        assert_eq!((cause.id.as_str(), cause.certainty), (id, certainty));
        assert!(
            cause
                .wake
                .is_some_and(|sql| sql.contains("alter_subscription_enable")),
            "{id}"
        );
    }
}

#[test]
fn what_changes_values_on_the_way_is_not_healthy() {
    type Fault = fn(&mut SourceClose, &mut TargetClose);
    let faults: [(&str, Fault); 6] = [
        ("unsafe.column_types", |source, target| {
            source.tables[0].types = vec!["integer".into(), "text".into()];
            target.tables[0].types = vec!["integer".into(), "character varying(3)".into()];
        }),
        ("unsafe.input_settings", |_, target| {
            target.input_settings = vec!["array_nulls is off".into()];
        }),
        ("unsafe.cascading_origin", |source, _| {
            source.fed_by = vec!["feeding".into()];
        }),
        ("unsafe.sequence_names", |source, target| {
            let user = |sequence| SequenceUser {
                table: QualifiedName::new("public", "a"),
                column: "no".into(),
                sequence: QualifiedName::new("public", sequence),
            };
            source.sequence_users = vec![user("a_no")];
            target.sequence_users = vec![user("b_no")];
        }),
        ("unsafe.timeline", |_, target| {
            target.timelines = Some(Timelines { then: 1, now: 2 });
        }),
        ("unsafe.slot_moved", |_, target| {
            target.slot_moved = Some(SlotMoved {
                what: "the slot was moved".to_owned(),
                again: Vec::new(),
            });
        }),
    ];
    let running = [snapshot(0.0), snapshot(1.0)];
    for (id, fault) in faults {
        let mut close = close();
        assert!(ids(&running, &close).is_empty());
        if let (Some(source), Some(target)) = (&mut close.source, &mut close.target) {
            fault(source, target);
        }
        let found = causes(&running, &close);
        assert_eq!(found[0].id, id, "{found:#?}");
        assert_eq!(found[0].severity, Severity::Block);
    }
}

#[test]
fn a_moved_slot_is_settled_by_a_comparison_of_each_table() {
    let running = [snapshot(0.0), snapshot(1.0)];
    let mut close = close();
    let record = |close: &mut Close, again: &[&str]| {
        close.target.as_mut().expect("a target").slot_moved = Some(SlotMoved {
            what: "the slot was moved".to_owned(),
            again: again.iter().map(|one| (*one).to_owned()).collect(),
        });
    };
    record(&mut close, &[]);
    let found = causes(&running, &close);
    assert!(
        found[0]
            .remedy
            .contains("pgl-control resync public.a --yes"),
        "{found:#?}"
    );
    record(&mut close, &[r#""public"."a""#]);
    assert!(ids(&running, &close).is_empty());
}

#[test]
fn a_table_whose_changes_are_not_all_replicated_is_not_healthy() {
    let mut close = close();
    if let Some(members) = close.source.as_mut().and_then(|one| one.members.as_mut()) {
        members[0].sets = vec!["default".to_owned()];
        members[0].unreplicated = vec!["it is UNLOGGED".to_owned()];
    }
    let found = causes(&[snapshot(0.0), snapshot(1.0)], &close);
    assert_eq!(found[0].id, "set.unreplicated");
    assert!(found[0].loses_rows(), "{found:#?}");
    assert!(
        found[0]
            .what
            .contains("public.a is replicated: it is UNLOGGED")
            && found[0]
                .remedy
                .ends_with("pgl-control resync public.a --yes"),
        "{found:#?}"
    );
}

#[test]
fn tables_in_no_set_are_not_healthy() {
    let with = |sets: &[&str], exists| {
        let mut close = close();
        if let Some(members) = close.source.as_mut().and_then(|one| one.members.as_mut()) {
            members[0].sets = sets.iter().map(|set| (*set).to_owned()).collect();
            members[0].exists = exists;
        }
        close
    };
    let running = [snapshot(0.0), snapshot(1.0)];
    assert!(ids(&running, &with(&["default"], true)).is_empty());
    let found = causes(&running, &with(&[], true));
    assert_eq!(found[0].id, "set.table_missing");
    assert!(
        found[0].loses_rows() && found[0].sql.is_none(),
        "{found:#?}"
    );
    assert!(
        found[0].remedy.contains("pgl-control add-table public.a"),
        "{found:#?}"
    );
    let found = causes(&running, &with(&["default_insert_only"], true));
    assert_eq!(found[0].id, "set.table_changed");
    assert!(found[0].loses_rows());
    let found = causes(&running, &with(&[], false));
    assert_eq!(
        (found[0].id.as_str(), found[0].severity),
        ("set.table_dropped", Severity::Warn)
    );
    // Without a plan the tables that the subscription has a state for are the measure.
    let mut unplanned = with(&[], true);
    unplanned.wanted[0].set = None;
    let found = causes(&running, &unplanned);
    assert!(
        found[0].remedy.contains("alter_subscription_synchronize"),
        "{found:#?}"
    );
}

#[test]
fn a_renamed_table_has_the_remedy_of_the_cutover() {
    let mut close = close();
    if let Some(source) = &mut close.source {
        source.tables[0].table.name = "b".into();
        for member in source.members.iter_mut().flatten() {
            member.exists = false;
            member.sets.clear();
        }
    }
    for (samples, id, severity) in [
        (
            vec![snapshot(0.0), snapshot(1.0)],
            "set.table_renamed",
            Severity::Warn,
        ),
        (vec![down()], "apply.table_missing", Severity::Block),
    ] {
        let found = causes(&samples, &close);
        assert_eq!(found.len(), 1, "{found:#?}");
        let cause = &found[0];
        assert_eq!((cause.id.as_str(), cause.severity), (id, severity));
        assert_eq!(cause.object.as_deref(), Some("public.b"));
        assert!(
            cause
                .remedy
                .contains(r#"ALTER TABLE "public"."b" RENAME TO "a""#),
            "{found:#?}"
        );
    }
}

#[test]
fn a_table_without_a_sync_state_is_named_with_what_restores_it() {
    let without = |mut now: Snapshot| {
        target(&mut now).tables.clear();
        now
    };
    let running = [without(snapshot(0.0)), without(snapshot(1.0))];
    let mut close = close();
    let first = |close: &Close| causes(&running, close).remove(0);
    let found = first(&close);
    assert_eq!(
        (found.id.as_str(), found.severity),
        ("sync.row_missing", Severity::Warn)
    );
    assert!(
        found.remedy.ends_with("pgl-control resync public.a --yes"),
        "{found:#?}"
    );
    // The table that was copied, and another one.
    for (oid, id) in [(7, "sync.row_missing"), (8, "unsafe.table_recreated")] {
        close.wanted[0].filled = Some(7);
        if let Some(there) = &mut close.target {
            there.tables[0].oid = oid;
        }
        let found = first(&close);
        assert_eq!((found.id.as_str(), found.loses_rows()), (id, oid == 8));
        assert!(
            found.remedy.ends_with("pgl-control resync public.a --yes"),
            "{found:#?}"
        );
    }
    // What can no longer be applied is said once, before it stops replication.
    type Fault = fn(&mut TargetClose);
    let faults: [(&str, Fault); 2] = [
        ("apply.column_missing", |there| {
            there.tables[0].columns.retain(|one| one != "v");
        }),
        ("apply.table_missing", |there| there.tables.clear()),
    ];
    for (id, fault) in faults {
        fault(close.target.as_mut().expect("it was looked at"));
        let found = causes(&running, &close);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(
            (found[0].id.as_str(), found[0].severity),
            (id, Severity::Block)
        );
        assert!(
            found[0]
                .remedy
                .ends_with("pgl-control resync public.a --yes"),
            "{found:#?}"
        );
    }
    // pgl-control writes it with its own commit.
    let mut working = running[1].clone();
    target(&mut working).holder = Some(RunHolder::of("pgl-control"));
    assert!(ids(&[working], &super::close()).is_empty());
}

#[test]
fn no_statement_removes_a_set_that_held_tables() {
    let gone = |set: &str, members: &[&str]| {
        let mut close = close();
        if let Some(source) = &mut close.source {
            source.sets = vec!["default_insert_only".into()];
            if let Some(all) = &mut source.members {
                all[0].sets = members.iter().map(|set| (*set).to_owned()).collect();
            }
        }
        close.wanted[0].set = Some(set.to_owned());
        let found = causes(&[down()], &close);
        found
            .into_iter()
            .find(|cause| cause.id == "set.missing")
            .unwrap()
    };
    let held = gone("default", &[]);
    assert_eq!(held.sql, None, "its tables were in it");
    assert!(held.remedy.contains("pgl-control add-table"));
    let empty = gone("default_insert_only", &["default_insert_only"]);
    assert!(
        empty
            .sql
            .is_some_and(|sql| sql.contains("remove_replication_set"))
    );
}

#[test]
fn a_slot_that_another_process_reads() {
    let sample = |at: f64, confirmed: u64| {
        let mut sample = snapshot(at);
        let now = target(&mut sample);
        now.workers.pop();
        now.origin = Some(TargetOrigin {
            remote_lsn: Some(Lsn(900)),
        });
        if let Some(one) = &mut now.subscription {
            one.enabled = false;
        }
        if let Some(slot) = &mut source(&mut sample).slot {
            slot.active = false;
            slot.confirmed_flush_lsn = Some(Lsn(confirmed));
        }
        sample
    };
    let other = |samples: &[Snapshot]| {
        let all = causes(samples, &close());
        all.into_iter()
            .find(|cause| cause.id == "slot.other_consumer")
    };
    assert!(other(&[sample(0.0, 1000), sample(1.0, 1000)]).is_none());
    let moved = other(&[sample(0.0, 1000), sample(1.0, 1100)]).unwrap();
    assert_eq!(moved.certainty, Certainty::Proven);
    assert!(moved.remedy.contains("pgl-control resync"), "{moved:?}");
    // A walsender that still holds the slot may take in what the worker sent last.
    let mut ending = sample(0.0, 1000);
    if let Some(slot) = &mut source(&mut ending).slot {
        slot.active = true;
    }
    assert!(other(&[ending, sample(1.0, 1100)]).is_none());
    // An enabled subscription's worker may have come and gone in between.
    let mut down = sample(0.0, 1000);
    if let Some(one) = &mut target(&mut down).subscription {
        one.enabled = true;
    }
    assert!(other(&[down, sample(1.0, 1100)]).is_none());
    // It moves with its own worker.
    assert!(other(&[snapshot(0.0), snapshot(1.0)]).is_none());
    // Long ago is not forgotten: the newest samples are quiet again.
    let all: Vec<Snapshot> = [1000, 1000, 1100, 1100]
        .into_iter()
        .zip([0.0, 1.0, 2.0, 99.0])
        .map(|(lsn, at)| sample(at, lsn))
        .collect();
    let later = super::super::causes(&all, &all[3..], &close());
    assert!(later.iter().any(|cause| cause.id == "slot.other_consumer"));
}

#[test]
fn a_worker_that_does_not_answer() {
    let mut now = snapshot(1.0);
    source(&mut now).sender = Some(WalSenderNow {
        pid: 7,
        state: Some("streaming".into()),
        replied_ago: Some(19.0),
        replied_at: Some("2026-11-29 10:00:00+00".into()),
        ..WalSenderNow::default()
    });
    assert!(ids(&[snapshot(0.0), now.clone()], &close()).is_empty());
    if let Some(sender) = &mut source(&mut now).sender {
        sender.replied_ago = Some(21.0);
    }
    // Nothing is to be confirmed: the walsender asks after half a minute, or five with another timeout.
    let at = |sample: &mut Snapshot, written, confirmed| {
        source(sample).wal_lsn = Some(Lsn(written));
        if let Some(slot) = &mut source(sample).slot {
            slot.confirmed_flush_lsn = Some(Lsn(confirmed));
        }
    };
    let mut before = snapshot(0.0);
    at(&mut before, 500, 500);
    at(&mut now, 500, 500);
    assert!(ids(&[before.clone(), now.clone()], &close()).is_empty());
    let mut asked = now.clone();
    if let Some(sender) = &mut source(&mut asked).sender {
        sender.replied_ago = Some(41.0);
    }
    assert!(ids(&[before.clone(), asked.clone()], &close()).is_empty());
    let mut minute = close();
    if let Some(close) = &mut minute.source {
        close.sender_timeout = 60.0;
    }
    assert_eq!(ids(&[before.clone(), asked], &minute), ["stream.silent"]);
    // What came a moment ago may still be confirmed in time.
    at(&mut now, 600, 500);
    assert!(ids(&[before.clone(), now.clone()], &close()).is_empty());
    at(&mut before, 600, 500);
    let found = causes(&[before, now], &close());
    assert_eq!(found[0].id, "stream.silent");
    for part in ["since 2026-11-29 10:00:00+00 (21 s ago)", "one of the two"] {
        assert!(found[0].what.contains(part), "{found:#?}");
    }
    assert!(
        found[0].remedy.contains("the apply worker (process"),
        "{found:#?}"
    );
    assert!(
        found[0].evidence[0].contains("walsender 7 is in state streaming"),
        "{found:#?}"
    );

    // A worker without a walsender.
    let mut cut = snapshot(0.0);
    target(&mut cut).clock = 100.0;
    if let Some(slot) = &mut source(&mut cut).slot {
        slot.active = false;
    }
    let found = causes(&[cut.clone(), cut.clone()], &close());
    assert_eq!(
        (found[0].id.as_str(), found[0].certainty),
        ("stream.none", Certainty::Proven)
    );
    // Both leave the same traces.
    for part in ["its process is stopped", "or the network"] {
        assert!(found[0].what.contains(part), "{found:#?}");
    }
    assert!(found[0].remedy.contains("kill -CONT"), "{found:#?}");
    // One that was started a moment ago connects.
    target(&mut cut).clock = 1.0;
    assert!(ids(&[cut.clone(), cut], &close()).is_empty());
}

#[test]
fn the_end_of_a_silent_connection_that_does_not_move_is_named() {
    let silent = |at: f64, written, sent, wait: Option<&str>| {
        let mut sample = snapshot(at);
        let now = source(&mut sample);
        now.wal_lsn = Some(Lsn(written));
        if let Some(slot) = &mut now.slot {
            slot.confirmed_flush_lsn = Some(Lsn(500));
        }
        now.sender = Some(WalSenderNow {
            pid: 7,
            sent_lsn: Some(Lsn(sent)),
            replied_ago: Some(21.0 + at),
            wait: wait.map(str::to_owned),
            ..WalSenderNow::default()
        });
        sample
    };
    for (before, now, id, side) in [
        // It waits for what was written long ago: it does not run.
        (
            (600, 550),
            (700, 550, Some("WalSenderWaitForWal")),
            "stream.silent",
            Side::Source,
        ),
        (
            (600, 550),
            (700, 550, Some("WalSenderMain")),
            "stream.silent",
            Side::Source,
        ),
        // It waits for the worker to take what it sends, or goes on sending.
        (
            (600, 550),
            (700, 550, Some("WalSenderWriteData")),
            "apply.silent",
            Side::Target,
        ),
        (
            (600, 600),
            (700, 700, Some("WalSenderWaitForWal")),
            "apply.silent",
            Side::Target,
        ),
    ] {
        let all = [
            silent(0.0, before.0, before.1, None),
            silent(1.0, now.0, now.1, now.2),
        ];
        let found = causes(&all, &close());
        assert_eq!(
            (found[0].id.as_str(), found[0].side),
            (id, side),
            "{found:#?}"
        );
        assert!(!found[0].what.contains("one of the two"), "{found:#?}");
    }
    for wait in [None, Some("WalSenderWaitForWal")] {
        // It has sent everything, or what it waits for is not shown.
        let sent = if wait.is_some() { 700 } else { 550 };
        let all = [silent(0.0, 600, sent, wait), silent(1.0, 700, sent, wait)];
        let found = causes(&all, &close());
        assert!(found[0].what.contains("one of the two"), "{found:#?}");
    }
}

#[test]
fn every_dropped_table_is_in_the_remedy() {
    let mut close = close();
    if let Some(members) = close.source.as_mut().and_then(|one| one.members.as_mut()) {
        let mut other = members[0].clone();
        other.table.name = "b c".into();
        members.push(other);
        for member in members.iter_mut() {
            member.exists = false;
        }
    }
    let mut other = close.wanted[0].clone();
    other.table.name = "b c".into();
    close.wanted.push(other);
    let found = causes(&[snapshot(0.0), snapshot(1.0)], &close);
    assert_eq!(found[0].id, "set.table_dropped");
    assert_eq!(
        found[0].remedy,
        "remove them from the migration: pgl-control remove-table public.a '\"public\".\"b c\"' --yes"
    );
}

#[test]
fn a_blocked_worker_is_not_healthy() {
    let blocked = |at: f64| {
        let mut sample = snapshot(at);
        if let Some(worker) = target(&mut sample).workers.last_mut() {
            worker.blocked_by = vec![55];
        }
        sample
    };
    let severity = |samples: &[Snapshot]| {
        let all = causes(samples, &close());
        all.iter()
            .find(|cause| cause.id == "apply.blocked")
            .map(|cause| cause.severity)
    };
    assert_eq!(
        severity(&[blocked(0.0), blocked(1.0)]),
        Some(Severity::Block)
    );
    // For a moment anybody waits.
    assert_eq!(
        severity(&[snapshot(0.0), blocked(1.0)]),
        Some(Severity::Warn)
    );
    assert_eq!(severity(&[snapshot(0.0), snapshot(1.0)]), None);
}

#[test]
fn one_restart_is_no_flapping() {
    let with = |at: f64, pid: i64| {
        let mut sample = snapshot(at);
        if let Some(worker) = target(&mut sample).workers.last_mut() {
            worker.pid = pid;
        }
        sample
    };
    let log = with_log(&format!("T [42] ERROR:  boom{END}"));
    assert!(ids(&[with(0.0, 1), with(1.0, 2)], &log).is_empty());
    assert_eq!(
        ids(&[with(0.0, 1), with(1.0, 2), with(2.0, 3)], &log),
        ["apply.error"]
    );
    let mut off = with(1.0, 2);
    if let Some(one) = &mut target(&mut off).subscription {
        one.enabled = false;
    }
    assert!(ids(&[with(0.0, 1), off, with(2.0, 3)], &log).is_empty());
}

/// What the catalogs alone make likely is proven by a worker that fails again and again where it is.
#[test]
fn a_worker_that_keeps_failing_proves_what_would_explain_it() {
    let mut close = close();
    if let Some(target) = &mut close.target {
        target.tables[0].columns.pop();
    }
    let certainty = |samples: &[Snapshot]| {
        let all = causes(samples, &close);
        let cause = all.iter().find(|cause| cause.id == "apply.column_missing");
        cause.map(|cause| (cause.certainty, cause.evidence.len()))
    };
    let at = |at: f64| Snapshot { at, ..down() };
    let moved = |at: f64| {
        let mut sample = Snapshot { at, ..down() };
        target(&mut sample).origin = Some(TargetOrigin {
            remote_lsn: Some(Lsn(1)),
        });
        sample
    };
    let (likely, seen) = certainty(&[at(0.0), at(1.0)]).unwrap();
    assert_eq!(likely, Certainty::Likely);
    let proven = Some((Certainty::Proven, seen + 1));
    assert_eq!(certainty(&[at(0.0), at(2.5), at(5.0)]), proven);
    // It got on meanwhile, or was disabled.
    assert_eq!(
        certainty(&[moved(0.0), at(2.5), at(5.0)]),
        Some((likely, seen))
    );
    let mut off = at(2.5);
    if let Some(one) = &mut target(&mut off).subscription {
        one.enabled = false;
    }
    assert_eq!(certainty(&[at(0.0), off, at(5.0)]), Some((likely, seen)));
    // One that came and went twice.
    let ran = |at: f64, pid: i64| {
        let mut sample = snapshot(at);
        target(&mut sample).origin = target(&mut down()).origin;
        if let Some(worker) = target(&mut sample).workers.last_mut() {
            worker.pid = pid;
        }
        sample
    };
    assert_eq!(
        certainty(&[ran(0.0, 1), at(0.5), ran(1.0, 2), at(1.5)]),
        proven
    );
    assert_eq!(
        certainty(&[ran(0.0, 1), at(0.5), at(1.5)]),
        Some((likely, seen))
    );
}

#[test]
fn what_pgl_setup_has_not_made_yet_is_not_missing() {
    let mut now = down();
    target(&mut now).subscription = None;
    target(&mut now).pglogical = None;
    assert!(!ids(&[now.clone()], &close()).is_empty());
    target(&mut now).holder = Some(RunHolder::of("pgl-setup"));
    assert!(ids(&[now], &close()).is_empty());
}

/// pgl-cutover disables it at the promotion: without a journal nobody is told to enable it.
#[test]
fn a_disabled_subscription_is_not_enabled_where_the_promotion_is_unknown() {
    let mut now = down();
    if let Some(subscription) = &mut target(&mut now).subscription {
        subscription.enabled = false;
    }
    for unknown in [false, true] {
        let mut close = close();
        close.no_journal = unknown;
        // Without a plan it is no migration of pgl-setup.
        close.wanted[0].set = None;
        let found = causes(&[now.clone()], &close);
        let disabled = found.iter().find(|one| one.id == "subscription.disabled");
        let cause = disabled.expect("the cause");
        assert_eq!(
            cause.sql.is_none() && cause.wake.is_none(),
            unknown,
            "{cause:?}"
        );
    }
    // The statement would pass the check of the slot.
    let found = causes(&[now], &close());
    let ours = found.iter().find(|one| one.id == "subscription.disabled");
    let ours = ours.expect("the cause");
    assert!(ours.sql.is_none() && ours.remedy.contains("pgl-control resume"));
}

#[test]
fn an_attempt_that_nobody_works_on_is_a_cause() {
    let mut close = close();
    assert!(ids(&[snapshot(0.0)], &close).is_empty());
    for direction in [Direction::Forward, Direction::Back] {
        close.unfinished = Some((direction, AttemptState::Blocked));
        assert_eq!(ids(&[snapshot(0.0)], &close), ["cutover.unfinished"]);
        let mut now = snapshot(0.0);
        target(&mut now).holder = Some(RunHolder::of("pgl-status"));
        assert_eq!(ids(&[now.clone()], &close), ["cutover.unfinished"]);
        target(&mut now).holder = Some(RunHolder::of("pgl-cutover"));
        assert!(ids(&[now], &close).is_empty());
        // pgl-cutover abort without the target.
        let mut now = snapshot(0.0);
        source(&mut now).holder = Some(RunHolder::of("pgl-cutover"));
        assert!(ids(&[now.clone()], &close).is_empty());
        now.target = Seen::NotGiven;
        assert!(!ids(&[now], &close).contains(&"cutover.unfinished".to_owned()));
    }
}

#[test]
fn after_the_cutover_the_old_stream_is_no_cause() {
    let mut close = close();
    // Whoever went on had compared every row, or said so.
    close.target.as_mut().expect("a target").slot_moved = Some(SlotMoved::default());
    close.cutover = Some(CutOver {
        promotion: Promotion {
            at: "2026-11-29T10:12:09Z".into(),
            token: "t".into(),
            reverse: true,
        },
        finished: true,
        rollback: None,
    });
    close.reverse = Some(Reverse {
        subscription: "moving_back".into(),
        state: Some("replicating".into()),
        ..Reverse::default()
    });
    assert!(ids(&[down()], &close).is_empty());
    // What got past the write block of the former source is on the target.
    let mut now = down();
    let at = |lsn: u64| {
        Some(TargetOrigin {
            remote_lsn: Some(Lsn(lsn)),
        })
    };
    close.final_lsn = Some(Lsn(7000));
    target(&mut now).origin = at(7000);
    assert!(ids(&[now.clone()], &close).is_empty());
    target(&mut now).origin = at(7001);
    assert_eq!(ids(&[now], &close), ["cutover.written_since"]);
    close.final_lsn = None;
    close.unblocked = vec![QualifiedName::new("public", "a")];
    assert!(ids(&[down()], &close).contains(&"cutover.unblocked".to_owned()));
    close.unblocked.clear();
    if let Some(reverse) = &mut close.reverse {
        reverse.state = Some("down".into());
    }
    assert_eq!(ids(&[down()], &close), ["reverse.stopped"]);
    if let Some(cut) = &mut close.cutover {
        cut.finished = false;
        cut.promotion.reverse = false;
    }
    assert_eq!(ids(&[down()], &close), ["cutover.unfinished"]);
}

#[test]
fn what_the_role_lacks_is_given_as_the_platform_gives_it() {
    let denied = || Trouble {
        kind: TroubleKind::NotPermitted,
        message: "must be superuser or replication role".into(),
        sqlstate: Some("42501".into()),
        hint: None,
    };
    let remedy = |platform, role: Option<&str>| {
        let (mut close, mut snapshot) = (close(), down());
        close.dsn_from_here = Seen::Failed(denied());
        if let Some(source) = &mut close.source {
            source.platform = platform;
        }
        if let Some(subscription) = &mut target(&mut snapshot).subscription {
            subscription.dsn.user = role.map(str::to_owned);
        }
        let found = causes(&[snapshot], &close).remove(0);
        assert_eq!(found.id, "link.privilege");
        found.remedy
    };
    assert_eq!(
        remedy(Some(Platform::Rds), Some("m")),
        "on the source, as the service's administrator: GRANT rds_replication TO \"m\""
    );
    assert_eq!(
        remedy(Some(Platform::SelfManaged), Some("m")),
        "on the source, as a superuser: ALTER ROLE \"m\" REPLICATION"
    );
    assert_eq!(
        remedy(None, Some("m")),
        "on the source: ALTER ROLE … REPLICATION; Amazon: GRANT rds_replication TO …"
    );
    let mut snapshot = down();
    snapshot.source = Seen::Failed(denied());
    assert_eq!(
        causes(&[snapshot], &close()).remove(0).remedy,
        "on the source: GRANT USAGE ON SCHEMA pglogical TO …; GRANT SELECT ON ALL TABLES IN SCHEMA pglogical TO …"
    );
}
