//! Lag, rates, states and waiting, on samples made by hand.

use super::facts::{
    Origin, Seen, Slot, Snapshot, SourceNow, Subscription, TableSync, TargetNow, Worker,
};
use super::measure::{lag, rates, retained, skew};
use super::wait::{healthy, reached};
use super::*;
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
            slot: Some(Slot {
                name: "slot".into(),
                active: true,
                restart_lsn: Some(Lsn(applied / 2)),
                confirmed_flush_lsn: Some(Lsn(applied.saturating_sub(10))),
                ..Slot::default()
            }),
            ..SourceNow::default()
        }),
        target: Seen::Known(TargetNow {
            clock: 1050.5 + at,
            clock_at: at + 0.5,
            origin: Some(Origin {
                remote_lsn: Some(Lsn(applied)),
            }),
            subscription: Some(Subscription {
                enabled: true,
                sync_status: Some('r'),
                ..Subscription::default()
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
    assert_eq!(slot.bytes, 1500);
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
    let plain = Limits::default();
    let done = [at(0.0, 1000, 900), at(1.0, 1100, 1000)];
    let late = [at(0.0, 1000, 900), at(1.0, 1100, 999)];
    let is = |goal: Goal, samples: &[Snapshot]| {
        reached(goal, samples, &[], lag(samples).as_ref(), plain)
    };
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
    let within = |limit| {
        healthy(
            &samples,
            &[],
            seen.as_ref(),
            Limits {
                max_lag: Some(limit),
            },
        )
    };
    assert!(within(MaxLag::Bytes(500)) && !within(MaxLag::Bytes(499)));
    assert!(within(MaxLag::Seconds(1.0)) && !within(MaxLag::Seconds(0.9)));
    let unmeasured = Lag {
        seconds: None,
        ..seen.unwrap()
    };
    assert!(!MaxLag::Seconds(1e9).holds(Some(&unmeasured)));
}

#[test]
fn patience_depends_on_the_cause() {
    let cause = |id: &str| Cause::new(id, Side::Target, "x");
    let patience = Patience::default();
    let mut trouble = wait::Trouble::default();
    let mut judge = |at: f64, causes: &[Cause]| trouble.judge(at, causes, false, patience);
    // Seen once it may be a moment's; seen again it is the truth.
    assert_eq!(judge(0.0, &[cause("a")]), Progress::Waiting);
    assert_eq!(judge(4.0, &[cause("a")]), Progress::Broken);
    assert_eq!(judge(5.0, &[]), Progress::Waiting);
    // What may pass gets longer than pglogical's longest pause.
    let passing = [cause("b").may_pass()];
    assert_eq!(judge(10.0, &passing), Progress::Waiting);
    assert_eq!(judge(190.0, &passing), Progress::Waiting);
    assert_eq!(judge(211.0, &passing), Progress::Broken);
    // A break in between starts the time anew, and what is merely unsafe does not stop a wait.
    assert_eq!(judge(212.0, &[]), Progress::Waiting);
    assert_eq!(judge(213.0, &[cause("unsafe.x")]), Progress::Waiting);
    assert_eq!(judge(999.0, &[cause("unsafe.x")]), Progress::Waiting);
    assert_eq!(cause("unsafe.x").severity, Severity::Block);
    assert_eq!(
        trouble.judge(999.0, &[cause("a")], true, patience),
        Progress::Reached
    );
}
