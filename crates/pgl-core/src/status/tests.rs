//! Lag, rates, states and waiting, on samples made by hand.

use super::facts::{
    RunHolder, Seen, SlotNow, Snapshot, SourceNow, SubscriptionNow, TableSync, TargetNow,
    TargetOrigin, WalSenderNow, Worker,
};
use super::measure::{lag, rates, retained, skew};
use super::wait::{healthy, reached};
use super::*;
use crate::doc::Verdict;
use crate::{Lsn, Severity, Side};

/// Source at `wal`, target at `applied`, at second `at`; the source's clock runs 1000 ahead of
/// the program's, the target's another 50.
fn at(at: f64, wal: u64, applied: u64) -> Snapshot {
    Snapshot {
        at,
        source: Seen::Known(SourceNow {
            clock: 1000.0 + at,
            clock_at: at,
            wal_lsn: Some(Lsn(wal)),
            slot: Some(SlotNow {
                name: "slot".into(),
                active: true,
                restart_lsn: Some(Lsn(applied / 2)),
                confirmed_flush_lsn: Some(Lsn(applied.saturating_sub(10))),
                ..SlotNow::default()
            }),
            ..SourceNow::default()
        }),
        target: Seen::Known(TargetNow {
            clock: 1050.5 + at,
            clock_at: at + 0.5,
            origin: Some(TargetOrigin {
                remote_lsn: Some(Lsn(applied)),
            }),
            subscription: Some(SubscriptionNow {
                enabled: true,
                sync_status: Some('r'),
                ..SubscriptionNow::default()
            }),
            workers: vec![Worker {
                kind: "apply".into(),
                ..Worker::default()
            }],
            ..TargetNow::default()
        }),
    }
}

fn target(snapshot: &mut Snapshot) -> &mut TargetNow {
    match &mut snapshot.target {
        Seen::Known(now) => now,
        _ => panic!("known"),
    }
}

#[test]
fn lag_is_against_what_is_applied() {
    let lag = lag(&[at(0.0, 1000, 400)]).unwrap();
    assert_eq!(lag.bytes, 600);
    assert_eq!(lag.unconfirmed_bytes, Some(610));
    assert_eq!(lag.applied_lsn, Lsn(400));
    assert_eq!(
        lag.seconds, None,
        "one sample and no commit timestamps measure nothing"
    );
}

#[test]
fn seconds_come_from_the_source_s_clock() {
    // The position 500 that the target has reached was the source's five seconds ago.
    let samples = [at(0.0, 300, 100), at(1.0, 500, 200), at(6.0, 900, 500)];
    let seen = lag(&samples).unwrap();
    assert_eq!(
        (seen.seconds, seen.seconds_from),
        (Some(5.0), Some(SecondsFrom::Samples))
    );
    // A commit timestamp that is younger is the better bound; the target's clock plays no part.
    let mut samples = samples;
    target(&mut samples[2]).last_applied = Some(1004.0);
    let seen = lag(&samples).unwrap();
    assert_eq!(
        (seen.seconds, seen.seconds_from),
        (Some(2.0), Some(SecondsFrom::CommitTimestamp))
    );
    // An idle database's last commit may be hours old: the samples know better.
    target(&mut samples[2]).last_applied = Some(1.0);
    assert_eq!(lag(&samples).unwrap().seconds, Some(5.0));
    let none = lag(&[at(0.0, 700, 700)]).unwrap();
    assert_eq!(none.seconds_from, Some(SecondsFrom::NothingOutstanding));
}

#[test]
fn a_copy_that_runs_has_no_lag() {
    let mut sample = at(0.0, 1000, 400);
    target(&mut sample)
        .subscription
        .as_mut()
        .unwrap()
        .sync_status = Some('d');
    assert_eq!(lag(&[sample]), None);
}

#[test]
fn rates_and_the_time_until_caught_up() {
    let catching_up = rates(&[at(0.0, 1000, 0), at(10.0, 2000, 1500)]);
    assert_eq!(catching_up.wal_bytes, Some(100.0));
    assert_eq!(catching_up.applied_bytes, Some(150.0));
    assert_eq!(catching_up.eta_seconds, Some(10.0));
    let falling_behind = rates(&[at(0.0, 1000, 0), at(10.0, 2000, 500)]);
    assert_eq!(falling_behind.eta_seconds, None);
    assert_eq!(rates(&[at(0.0, 1000, 0)]), Rates::default());
}

#[test]
fn the_slot_s_end_is_foreseen() {
    let mut samples = [at(0.0, 1000, 1000), at(10.0, 2000, 1000)];
    for sample in &mut samples {
        if let Seen::Known(now) = &mut sample.source {
            now.max_slot_wal_keep_bytes = Some(5000);
        }
    }
    let slot = retained(&samples).unwrap();
    assert_eq!(slot.bytes, Some(1500));
    assert_eq!(slot.growth, Some(100.0));
    assert_eq!(slot.room_bytes, Some(3500));
    assert_eq!(slot.lost_in_seconds, Some(35.0));
}

#[test]
fn the_clocks_are_compared_at_the_same_moment() {
    assert_eq!(skew(&at(3.0, 1, 1)).unwrap().seconds, 50.0);
}

#[test]
fn words_are_pglogical_s() {
    let mut sample = at(0.0, 1, 1);
    let word = |sample: &Snapshot| state::word(sample.target.known());
    assert_eq!(word(&sample), Word::Replicating);
    target(&mut sample)
        .subscription
        .as_mut()
        .unwrap()
        .sync_status = Some('u');
    assert_eq!(word(&sample), Word::Initializing);
    target(&mut sample).workers.clear();
    assert_eq!(word(&sample), Word::Down);
    target(&mut sample).subscription.as_mut().unwrap().enabled = false;
    assert_eq!(word(&sample), Word::Disabled);
    target(&mut sample).subscription = None;
    assert_eq!(word(&sample), Word::Missing);
    assert_eq!(state::word(None), Word::Unknown);
}

#[test]
fn goals() {
    let done = [at(0.0, 1000, 900), at(1.0, 1100, 1000)];
    let late = [at(0.0, 1000, 900), at(1.0, 1100, 999)];
    let is =
        |goal: Goal, samples: &[Snapshot]| reached(goal, samples, &[], lag(samples).as_ref(), None);
    assert!(is(Goal::Replicating, &late) && is(Goal::Synced, &late));
    assert!(is(Goal::CaughtUp, &done));
    assert!(
        !is(Goal::CaughtUp, &late),
        "not all of what was there a sample ago"
    );
    assert!(!is(Goal::CaughtUp, &done[1..]), "one sample proves nothing");
    assert!(is(Goal::Drained(Lsn(1000)), &done));
    assert!(!is(Goal::Drained(Lsn(1001)), &done));
    let mut syncing = done;
    target(&mut syncing[1]).tables = vec![TableSync {
        status: 'u',
        ..TableSync::default()
    }];
    for goal in [Goal::Synced, Goal::CaughtUp, Goal::Drained(Lsn(1))] {
        assert!(!is(goal, &syncing), "{goal}");
    }
    assert_eq!("drained:0/10".parse(), Ok(Goal::Drained(Lsn(16))));
    assert!("drained:".parse::<Goal>().is_err());
}

#[test]
fn limits() {
    let samples = [at(0.0, 1000, 900), at(1.0, 2000, 1500)];
    let seen = lag(&samples);
    let within = |limit| healthy(&samples, &[], seen.as_ref(), Some(limit));
    assert!(within(MaxLag::Bytes(500)) && !within(MaxLag::Bytes(499)));
    assert!(within(MaxLag::Seconds(1.0)) && !within(MaxLag::Seconds(0.9)));
    let unmeasured = Lag {
        seconds: None,
        ..seen.unwrap()
    };
    assert!(!MaxLag::Seconds(1e9).holds(Some(&unmeasured)));
}

#[test]
fn only_what_cannot_heal_ends_a_wait() {
    let cause = |id: &str| Cause::new(id, Side::Target, "x");
    let mut trouble = wait::LastingCauses::default();
    let mut judge = |at: f64, causes: &[Cause]| trouble.judge(at, causes, false);
    // Seen once it may be a moment's; seen again it is the truth.
    assert_eq!(judge(0.0, &[cause("a")]), WaitProgress::Waiting);
    assert_eq!(judge(7.0, &[cause("a")]), WaitProgress::Broken);
    // A break in between starts the time anew.
    assert_eq!(judge(8.0, &[]), WaitProgress::Waiting);
    assert_eq!(judge(9.0, &[cause("a")]), WaitProgress::Waiting);
    // What may pass, what only a log says and what is merely unsafe never ends it.
    for cause in [
        cause("b").may_pass(),
        cause("c").logged(),
        cause("d").likely(),
        cause("unsafe.x"),
    ] {
        assert_eq!(cause.severity, Severity::Block);
        assert_eq!(
            judge(10.0, std::slice::from_ref(&cause)),
            WaitProgress::Waiting
        );
        assert_eq!(judge(99_999.0, &[cause]), WaitProgress::Waiting);
    }
    assert_eq!(
        trouble.judge(999.0, &[cause("a")], true),
        WaitProgress::Reached
    );
}

#[test]
fn what_cannot_be_reached_is_a_no_and_a_server_that_cannot_be_asked_is_unknown() {
    let cause = |id: &str| Cause::new(id, Side::Target, "x");
    let rejected = || cause("server.auth");
    let passes = || cause("server.unreachable").may_pass();
    for (progress, causes, cut_over, expected) in [
        (WaitProgress::Reached, vec![cause("a")], false, Verdict::Ok),
        (
            WaitProgress::Waiting,
            vec![cause("a")],
            false,
            Verdict::NotYet,
        ),
        (
            WaitProgress::Broken,
            vec![cause("subscription.disabled")],
            false,
            Verdict::No,
        ),
        (
            WaitProgress::Broken,
            vec![passes(), cause("slot.lost")],
            false,
            Verdict::No,
        ),
        (
            WaitProgress::Broken,
            vec![rejected(), cause("slot.lost")],
            false,
            Verdict::No,
        ),
        (
            WaitProgress::Broken,
            vec![rejected(), passes()],
            false,
            Verdict::Unknown,
        ),
        (WaitProgress::Broken, vec![rejected()], true, Verdict::No),
        (WaitProgress::Broken, vec![], true, Verdict::No),
    ] {
        let found = wait::verdict(progress, &causes, cut_over);
        assert_eq!(found, expected, "{progress:?} {causes:?}");
    }
}

#[test]
fn rows_that_are_missing_are_not_reached() {
    let samples = [at(0.0, 1000, 900), at(1.0, 1100, 1100)];
    let is = |goal, id: &str| {
        let cause = Cause::new(id, Side::Source, "x");
        reached(goal, &samples, &[cause], None, None)
    };
    for goal in [Goal::Synced, Goal::CaughtUp, Goal::Drained(Lsn(1))] {
        assert!(is(goal, "link.unreachable"));
        for id in [
            "copy.empty_tables",
            "set.table_missing",
            "set.table_changed",
            "set.unreplicated",
            "slot.other_consumer",
        ] {
            assert!(!is(goal, id), "{goal} {id}");
        }
    }
    assert!(is(Goal::Replicating, "set.table_missing"));
    // An empty table that may only be late is not synced either.
    let late = Cause::new("copy.empty_tables", Side::Target, "x")
        .warn()
        .likely();
    assert!(!reached(Goal::Synced, &samples, &[late], None, None));
}

#[test]
fn setup_is_a_state_of_its_own() {
    let mut sample = at(0.0, 1, 1);
    target(&mut sample).holder = Some(RunHolder::of("pgl-setup"));
    let word = |sample: &Snapshot| state::word(sample.target.known());
    assert_eq!(word(&sample), Word::Replicating, "it runs already");
    target(&mut sample).workers.clear();
    assert_eq!(word(&sample), Word::SettingUp);
    target(&mut sample).subscription = None;
    assert_eq!(word(&sample), Word::SettingUp);
    target(&mut sample).holder.as_mut().unwrap().tool = "pgl-cutover".into();
    assert_eq!(word(&sample), Word::Missing);
}

#[test]
fn pglogical_s_own_list_of_workers_decides() {
    let mut sample = at(0.0, 1, 1);
    let word = |sample: &Snapshot| state::word(sample.target.known());
    let shown = |sample: &mut Snapshot, text: &str| {
        target(sample).subscription.as_mut().unwrap().shown = Some(text.into());
    };
    shown(&mut sample, "down");
    assert_eq!(word(&sample), Word::Down, "whatever a process calls itself");
    shown(&mut sample, "replicating");
    target(&mut sample).workers.clear();
    assert_eq!(
        word(&sample),
        Word::Replicating,
        "where processes are hidden"
    );
}

#[test]
fn no_figure_out_of_nothing() {
    // 1 kB outstanding, one byte a second written: no "16 minutes".
    let samples = [at(0.0, 2000, 900), at(1.0, 2001, 1000)];
    assert_eq!(lag(&samples).unwrap().seconds, None);
    let fast = [at(0.0, 2_000_000, 900), at(1.0, 3_000_000, 1000)];
    assert_eq!(lag(&fast).unwrap().seconds_from, Some(SecondsFrom::WalRate));
    // A commit of yesterday, before a stream that has caught up, is no lag of a day.
    let mut idle = [at(0.0, 2000, 900), at(1.0, 2001, 1000)];
    target(&mut idle[1]).last_applied = Some(-85_000.0);
    assert!(
        lag(&idle)
            .unwrap()
            .seconds
            .is_some_and(|lag| lag > 80_000.0)
    );
    if let Seen::Known(source) = &mut idle[1].source {
        source.sender = Some(WalSenderNow {
            state: Some("streaming".into()),
            age: Some(5.0),
            ..WalSenderNow::default()
        });
    }
    assert_eq!(lag(&idle).unwrap().seconds, None);
    // A lost slot retains nothing that could be counted.
    let mut lost = at(0.0, 2000, 900);
    if let Seen::Known(source) = &mut lost.source {
        source.slot.as_mut().unwrap().restart_lsn = None;
    }
    assert_eq!(retained(&[lost]).unwrap().bytes, None);
}
