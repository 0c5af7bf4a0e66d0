//! Definitions that differ, and cyclic sequences: what the target itself would hand out next decides.

use super::*;

#[test]
fn a_cyclic_target_a_few_values_ahead_is_not_moved_back() {
    let ahead = run(EXACT, cyclic(5, true), cyclic(15, true));
    assert_eq!(ahead.outcome, SequenceOutcome::Kept);
    let through_the_end = run(EXACT, cyclic(98, true), cyclic(3, true));
    assert_eq!(through_the_end.outcome, SequenceOutcome::Kept);
    // Half a round, one value each: 50 is still ahead, 51 is not.
    let half = run(EXACT, cyclic(1, true), cyclic(51, true));
    assert_eq!(half.outcome, SequenceOutcome::Kept);
    let more = run(EXACT, cyclic(1, true), cyclic(52, true));
    assert_eq!(more.outcome, SequenceOutcome::WouldSet);
    // The same where the half goes through the end.
    for (last, outcome) in [(25, SequenceOutcome::Kept), (26, SequenceOutcome::WouldSet)] {
        let entry = run(EXACT, cyclic(75, true), cyclic(last, true));
        assert_eq!(entry.outcome, outcome, "{entry:?}");
    }
    let fresh = run(EXACT, cyclic(98, true), cyclic(1, false));
    assert_eq!(fresh.outcome, SequenceOutcome::WouldSet);
    assert!(fresh.notes.is_empty(), "{fresh:?}");
    // It has handed out its first value, so it is not fresh.
    let first = run(EXACT, cyclic(98, true), cyclic(1, true));
    assert_eq!(first.outcome, SequenceOutcome::Kept);
    let behind = run(EXACT, cyclic(15, true), cyclic(5, true));
    assert_eq!(behind.outcome, SequenceOutcome::WouldSet);
    assert!(behind.notes.is_empty(), "{behind:?}");
    // A round of ten values: 11, 21 … 101. Five are half of it.
    let by_ten = |last| SequenceReading {
        increment: 10,
        min: 11,
        max: 101,
        ..cyclic(last, true)
    };
    for (last, outcome) in [(61, SequenceOutcome::Kept), (71, SequenceOutcome::WouldSet)] {
        let entry = run(EXACT, by_ten(11), by_ten(last));
        assert_eq!(entry.outcome, outcome, "{entry:?}");
    }
}

#[test]
fn never_backwards_where_only_one_side_starts_over() {
    let ends = |last| SequenceReading {
        cycle: false,
        ..cyclic(last, true)
    };
    for (source, target) in [(ends(5), cyclic(95, true)), (cyclic(5, true), ends(95))] {
        for request in [EXACT, CHECK] {
            let entry = run(request, source.clone(), target.clone());
            assert_eq!(entry.outcome, SequenceOutcome::Kept, "{entry:?}");
        }
    }
}

/// A target that is further on stays where it is, unless it has no value left where the source goes on.
#[test]
fn a_target_at_its_end_is_kept_where_the_source_comes_to_its_own() {
    let ends = |max, last| SequenceReading {
        max,
        ..sequence(last, true)
    };
    let margin = |count| SequenceRequest {
        margin: count,
        ..EXACT
    };
    for (request, source, why) in [
        (EXACT, ends(5, 5), None),
        (margin(5), ends(10, 5), None),
        (margin(4), ends(10, 5), Some(SequenceRefusal::Exhausted)),
    ] {
        let entry = run(request, source, ends(20, 20));
        assert_eq!(entry.why, why, "{entry:?}");
        assert_eq!(entry.outcome == SequenceOutcome::Kept, why.is_none());
    }
}

/// The source's round is what a few values are measured by, and its own end is where the target starts over.
#[test]
fn rounds_of_different_lengths_are_measured_by_the_source() {
    let round = |max, last| SequenceReading {
        max,
        ..cyclic(last, true)
    };
    // 30 values ahead, of 50.
    let entry = run(EXACT, round(50, 20), round(100, 50));
    assert_eq!(entry.outcome, SequenceOutcome::WouldSet, "{entry:?}");
    // It would hand out 1 next, 55 values ahead of 46.
    let entry = run(EXACT, round(100, 45), round(50, 50));
    assert_eq!(entry.outcome, SequenceOutcome::WouldSet, "{entry:?}");
    let check = run(CHECK, round(100, 45), round(50, 50));
    assert_eq!(check.outcome, SequenceOutcome::Behind, "{check:?}");
}

/// What a target whose definition differs would do next decides, and not the numbers alone.
#[test]
fn a_target_that_would_hand_out_a_used_value_is_never_equal() {
    let used_up = SequenceReading {
        max: 5,
        ..sequence(5, true)
    };
    let starts_over = SequenceReading {
        cycle: true,
        ..used_up.clone()
    };
    for request in [EXACT, CHECK] {
        let entry = run(request, used_up.clone(), starts_over.clone());
        assert_eq!(entry.why, Some(SequenceRefusal::WouldRepeat), "{entry:?}");
        assert_eq!(entry.outcome, SequenceOutcome::Refused);
        assert!(entry.notes[0].contains("hand out 1 next"), "{entry:?}");
    }
    // The same where it is further on by its number, and where it still has to be set.
    let at = |last| SequenceReading {
        last_value: Some(last),
        ..used_up.clone()
    };
    for (from, to) in [(3, 5), (5, 2)] {
        let target = SequenceReading {
            last_value: Some(to),
            ..starts_over.clone()
        };
        let entry = run(EXACT, at(from), target);
        assert_eq!(
            entry.why,
            Some(SequenceRefusal::WouldRepeat),
            "{from} {to}: {entry:?}"
        );
    }
    // With room left it is carried over; the difference is reported.
    let room = run(
        EXACT,
        at(3),
        SequenceReading {
            cycle: true,
            ..at(1)
        },
    );
    assert_eq!(room.outcome, SequenceOutcome::WouldSet);
    assert_eq!(room.differences[0].property, "cycle");
}

#[test]
fn a_target_without_a_value_left_is_refused_where_the_source_goes_on() {
    let narrow = |last, called| SequenceReading {
        max: 5,
        ..sequence(last, called)
    };
    for (source, target) in [
        (sequence(5, true), narrow(1, false)),
        (sequence(5, true), narrow(5, true)),
        (sequence(3, true), narrow(5, true)),
        (
            cyclic(100, true),
            SequenceReading {
                cycle: false,
                ..cyclic(1, false)
            },
        ),
    ] {
        let entry = run(EXACT, source.clone(), target.clone());
        assert_eq!(entry.why, Some(SequenceRefusal::Exhausted), "{entry:?}");
        let entry = run(CHECK, source, target);
        assert_eq!(entry.why, Some(SequenceRefusal::Exhausted), "{entry:?}");
    }
    let both = run(EXACT, narrow(5, true), narrow(1, false));
    assert_eq!(both.outcome, SequenceOutcome::WouldSet);
    let both = run(CHECK, narrow(5, true), narrow(5, true));
    assert_eq!(both.outcome, SequenceOutcome::Equal);
    let both = run(
        CHECK,
        narrow(4, true),
        SequenceReading {
            max: 4,
            ..narrow(4, true)
        },
    );
    assert_eq!(both.why, Some(SequenceRefusal::Exhausted));
}

#[test]
fn never_backwards_where_increments_differ() {
    let by = |increment, last, called| SequenceReading {
        increment,
        ..sequence(last, called)
    };
    let cases = [
        // The source at 31 goes on with 41; the target, at 35, with 36: 31 would be a step back.
        (
            by(10, 31, true),
            by(1, 35, true),
            SequenceOutcome::Kept,
            SequenceOutcome::Kept,
        ),
        (
            by(10, 31, true),
            by(1, 30, true),
            SequenceOutcome::WouldSet,
            SequenceOutcome::Behind,
        ),
        (
            by(10, 31, true),
            by(1, 32, false),
            SequenceOutcome::WouldSet,
            SequenceOutcome::Kept,
        ),
        (
            by(10, 31, true),
            by(1, 31, true),
            SequenceOutcome::Equal,
            SequenceOutcome::Equal,
        ),
        (
            by(1, 35, true),
            by(10, 31, true),
            SequenceOutcome::WouldSet,
            SequenceOutcome::Kept,
        ),
        (
            by(1, 45, true),
            by(10, 31, true),
            SequenceOutcome::WouldSet,
            SequenceOutcome::Behind,
        ),
        (
            by(1, 31, true),
            by(10, 35, true),
            SequenceOutcome::Kept,
            SequenceOutcome::Kept,
        ),
    ];
    for (source, target, set, checked) in cases {
        let entry = run(EXACT, source.clone(), target.clone());
        assert_eq!(entry.outcome, set, "{entry:?}");
        let entry = run(CHECK, source, target);
        assert_eq!(entry.outcome, checked, "{entry:?}");
    }
    let down = |increment, last| SequenceReading {
        increment,
        ..descending(last, true)
    };
    let entry = run(EXACT, down(-10, -31), down(-1, -35));
    assert_eq!(entry.outcome, SequenceOutcome::Kept);
    let entry = run(EXACT, down(-10, -31), down(-1, -30));
    assert_eq!(entry.outcome, SequenceOutcome::WouldSet);
    for (one, other) in [
        (by(5, 10, true), down(-5, -10)),
        (down(-1, -1), by(1, 1, true)),
    ] {
        for request in [EXACT, CHECK] {
            let entry = run(request, one.clone(), other.clone());
            assert_eq!(entry.why, Some(SequenceRefusal::OtherDirection));
        }
    }
}
