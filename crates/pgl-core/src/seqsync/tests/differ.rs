//! Definitions that differ, and cyclic sequences: what the target itself would hand out next decides.

use super::*;

#[test]
fn a_cyclic_target_a_few_values_ahead_is_not_moved_back() {
    let ahead = run(EXACT, cyclic(5, true), cyclic(15, true));
    assert_eq!(ahead.outcome, Outcome::Kept);
    let through_the_end = run(EXACT, cyclic(98, true), cyclic(3, true));
    assert_eq!(through_the_end.outcome, Outcome::Kept);
    // Half a round, one value each: 50 is still ahead, 51 is not.
    let half = run(EXACT, cyclic(1, true), cyclic(51, true));
    assert_eq!(half.outcome, Outcome::Kept);
    let more = run(EXACT, cyclic(1, true), cyclic(52, true));
    assert_eq!(more.outcome, Outcome::WouldSet);
    let fresh = run(EXACT, cyclic(98, true), cyclic(1, false));
    assert_eq!(fresh.outcome, Outcome::WouldSet);
    assert!(fresh.notes.is_empty(), "{fresh:?}");
}

/// What a target whose definition differs would do next decides, and not the numbers alone.
#[test]
fn a_target_that_would_hand_out_a_used_value_is_never_equal() {
    let used_up = Reading {
        max: 5,
        ..sequence(5, true)
    };
    let starts_over = Reading {
        cycle: true,
        ..used_up.clone()
    };
    for request in [EXACT, CHECK] {
        let entry = run(request, used_up.clone(), starts_over.clone());
        assert_eq!(entry.why, Some(Why::WouldRepeat), "{entry:?}");
        assert_eq!(entry.outcome, Outcome::Refused);
        assert!(entry.notes[0].contains("hand out 1 next"), "{entry:?}");
    }
    // The same where it is further on by its number, and where it still has to be set.
    let at = |last| Reading {
        last_value: Some(last),
        ..used_up.clone()
    };
    for (from, to) in [(3, 5), (5, 2)] {
        let target = Reading {
            last_value: Some(to),
            ..starts_over.clone()
        };
        let entry = run(EXACT, at(from), target);
        assert_eq!(entry.why, Some(Why::WouldRepeat), "{from} {to}: {entry:?}");
    }
    // With room left it is carried over; the difference is reported.
    let room = run(
        EXACT,
        at(3),
        Reading {
            cycle: true,
            ..at(1)
        },
    );
    assert_eq!(room.outcome, Outcome::WouldSet);
    assert_eq!(room.differences[0].property, "cycle");
}

#[test]
fn a_target_without_a_value_left_is_refused_where_the_source_goes_on() {
    let narrow = |last, called| Reading {
        max: 5,
        ..sequence(last, called)
    };
    for (source, target) in [
        (sequence(5, true), narrow(1, false)),
        (sequence(5, true), narrow(5, true)),
        (sequence(3, true), narrow(5, true)),
        (
            cyclic(100, true),
            Reading {
                cycle: false,
                ..cyclic(1, false)
            },
        ),
    ] {
        let entry = run(EXACT, source.clone(), target.clone());
        assert_eq!(entry.why, Some(Why::Exhausted), "{entry:?}");
        let entry = run(CHECK, source, target);
        assert_eq!(entry.why, Some(Why::Exhausted), "{entry:?}");
    }
    let both = run(EXACT, narrow(5, true), narrow(1, false));
    assert_eq!(both.outcome, Outcome::WouldSet);
    let both = run(CHECK, narrow(5, true), narrow(5, true));
    assert_eq!(both.outcome, Outcome::Equal);
    let both = run(
        CHECK,
        narrow(4, true),
        Reading {
            max: 4,
            ..narrow(4, true)
        },
    );
    assert_eq!(both.why, Some(Why::Exhausted));
}

#[test]
fn never_backwards_where_increments_differ() {
    let by = |increment, last, called| Reading {
        increment,
        ..sequence(last, called)
    };
    let cases = [
        // The source at 31 goes on with 41; the target, at 35, with 36: 31 would be a step back.
        (
            by(10, 31, true),
            by(1, 35, true),
            Outcome::Kept,
            Outcome::Kept,
        ),
        (
            by(10, 31, true),
            by(1, 30, true),
            Outcome::WouldSet,
            Outcome::Behind,
        ),
        (
            by(10, 31, true),
            by(1, 32, false),
            Outcome::WouldSet,
            Outcome::Kept,
        ),
        (
            by(10, 31, true),
            by(1, 31, true),
            Outcome::Equal,
            Outcome::Equal,
        ),
        (
            by(1, 35, true),
            by(10, 31, true),
            Outcome::WouldSet,
            Outcome::Kept,
        ),
        (
            by(1, 45, true),
            by(10, 31, true),
            Outcome::WouldSet,
            Outcome::Behind,
        ),
        (
            by(1, 31, true),
            by(10, 35, true),
            Outcome::Kept,
            Outcome::Kept,
        ),
    ];
    for (source, target, set, checked) in cases {
        let entry = run(EXACT, source.clone(), target.clone());
        assert_eq!(entry.outcome, set, "{entry:?}");
        let entry = run(CHECK, source, target);
        assert_eq!(entry.outcome, checked, "{entry:?}");
    }
    let down = |increment, last| Reading {
        increment,
        ..descending(last, true)
    };
    let entry = run(EXACT, down(-10, -31), down(-1, -35));
    assert_eq!(entry.outcome, Outcome::Kept);
    let entry = run(EXACT, down(-10, -31), down(-1, -30));
    assert_eq!(entry.outcome, Outcome::WouldSet);
    for (one, other) in [
        (by(5, 10, true), down(-5, -10)),
        (down(-1, -1), by(1, 1, true)),
    ] {
        for request in [EXACT, CHECK] {
            let entry = run(request, one.clone(), other.clone());
            assert_eq!(entry.why, Some(Why::OtherDirection));
        }
    }
}
