//! Decisions about sequences: tables of cases, and properties that hold for all of them.

use proptest::prelude::*;

use super::*;
use crate::doc::Verdict;

mod differ;

const EXACT: Request = Request {
    mode: Mode::Exact,
    margin: 0,
    check: false,
    at_least_column: false,
};
const CHECK: Request = Request {
    check: true,
    ..EXACT
};

fn sequence(last_value: i64, is_called: bool) -> Reading {
    Reading {
        oid: 1,
        schema: "public".into(),
        name: "s".into(),
        data_type: "bigint".into(),
        start: 1,
        increment: 1,
        min: 1,
        max: i64::MAX,
        cache: 1,
        last_value: Some(last_value),
        is_called: Some(is_called),
        may_set: true,
        ..Reading::default()
    }
}

fn descending(last_value: i64, is_called: bool) -> Reading {
    Reading {
        increment: -1,
        min: i64::MIN,
        max: -1,
        start: -1,
        ..sequence(last_value, is_called)
    }
}

fn cyclic(last_value: i64, is_called: bool) -> Reading {
    Reading {
        max: 100,
        cycle: true,
        ..sequence(last_value, is_called)
    }
}

fn run(request: Request, source: Reading, target: Reading) -> Entry {
    let tasks = decide(request, &[source], &[target], None);
    assert_eq!(tasks.len(), 1);
    tasks[0].entry.clone()
}

fn state(last_value: i64, is_called: bool) -> Option<State> {
    Some(State {
        last_value,
        is_called,
    })
}

#[test]
fn both_parts_of_the_state_are_carried_over() {
    let cases = [
        (5, true, 1, false, Outcome::WouldSet),
        (500, false, 1, false, Outcome::WouldSet),
        (1, true, 1, false, Outcome::WouldSet),
        (5, true, 5, true, Outcome::Equal),
        (1, false, 1, false, Outcome::Equal),
        // The same value comes next; still the state is made the same.
        (5, true, 6, false, Outcome::WouldSet),
    ];
    for (last, called, target_last, target_called, outcome) in cases {
        let entry = run(
            EXACT,
            sequence(last, called),
            sequence(target_last, target_called),
        );
        assert_eq!(entry.outcome, outcome, "{entry:?}");
        assert_eq!(entry.wanted, state(last, called));
    }
}

#[test]
fn never_backwards_in_either_direction() {
    let further = run(EXACT, sequence(5, true), sequence(9, true));
    assert_eq!(further.outcome, Outcome::Kept);
    let called = run(EXACT, sequence(5, false), sequence(5, true));
    assert_eq!(called.outcome, Outcome::Kept);
    let down = run(EXACT, descending(-5, true), descending(-9, true));
    assert_eq!(down.outcome, Outcome::Kept);
    let down = run(EXACT, descending(-9, true), descending(-5, true));
    assert_eq!(down.outcome, Outcome::WouldSet);
}

#[test]
fn the_margin_counts_values_in_the_sequence_s_direction() {
    let margin = |count| Request {
        margin: count,
        ..EXACT
    };
    let by_ten = |last| Reading {
        increment: 10,
        ..sequence(last, true)
    };
    assert_eq!(run(margin(5), by_ten(7), by_ten(7)).wanted, state(57, true));
    let down = run(margin(5), descending(-7, true), descending(-7, true));
    assert_eq!(down.wanted, state(-12, true));
    let uncalled = run(margin(5), sequence(7, false), sequence(1, false));
    assert_eq!(uncalled.wanted, state(12, false));
    // Through the end of a cycle: 98, 99, 100, 1, 2, 3.
    let round = run(margin(5), cyclic(98, true), cyclic(1, false));
    assert_eq!(round.wanted, state(3, true));
    let end = Reading {
        max: 10,
        ..sequence(8, true)
    };
    assert_eq!(
        run(margin(2), end.clone(), end.clone()).wanted,
        state(10, true)
    );
    let too_far = run(margin(3), end.clone(), end);
    assert_eq!(too_far.why, Some(Why::MarginTooLarge));
    assert!(too_far.notes[0].contains("only 2 values"), "{too_far:?}");
    let huge = run(
        margin(u64::MAX),
        sequence(i64::MAX - 1, true),
        sequence(1, false),
    );
    assert_eq!(huge.why, Some(Why::MarginTooLarge));
}

#[test]
fn what_the_target_cannot_hold_is_refused() {
    let small = Reading {
        data_type: "smallint".into(),
        max: 32767,
        ..sequence(1, false)
    };
    let entry = run(EXACT, sequence(40_000, true), small);
    assert_eq!(entry.why, Some(Why::OutOfBounds));
    assert_eq!(entry.outcome, Outcome::Refused);
    let properties: Vec<&str> = entry
        .differences
        .iter()
        .map(|difference| difference.property.as_str())
        .collect();
    assert_eq!(properties, ["data_type", "max"]);
    let turned = run(EXACT, sequence(5, true), descending(-1, false));
    assert_eq!(turned.why, Some(Why::OtherDirection));
    let locked = Reading {
        may_set: false,
        ..sequence(1, false)
    };
    assert_eq!(
        run(EXACT, sequence(5, true), locked).why,
        Some(Why::NotPermitted)
    );
    let unread = Reading {
        last_value: None,
        is_called: None,
        ..sequence(1, false)
    };
    let entry = run(EXACT, unread.clone(), sequence(1, false));
    assert_eq!(entry.why, Some(Why::UnreadableOnSource));
    let entry = run(EXACT, sequence(1, false), unread);
    assert_eq!(entry.why, Some(Why::UnreadableOnTarget));
}

#[test]
fn a_plan_decides_which_sequences_are_meant() {
    let other = Reading {
        name: "other".into(),
        ..sequence(3, true)
    };
    let names = [
        QualifiedName::new("public", "s"),
        QualifiedName::new("public", "gone"),
    ];
    let tasks = decide(
        EXACT,
        &[sequence(3, true), other.clone()],
        &[sequence(1, false), other],
        Some(&names),
    );
    let outcomes: Vec<_> = tasks
        .iter()
        .map(|task| (task.entry.name.as_str(), task.entry.outcome, task.entry.why))
        .collect();
    assert_eq!(
        outcomes,
        [
            ("s", Outcome::WouldSet, None),
            ("gone", Outcome::Refused, Some(Why::MissingOnSource)),
        ]
    );
    let missing = decide(EXACT, &[sequence(3, true)], &[], None);
    assert_eq!(missing[0].entry.why, Some(Why::MissingOnTarget));
}

#[test]
fn a_cycle_takes_the_source_s_state() {
    let wrapped = run(EXACT, cyclic(5, true), cyclic(95, true));
    assert_eq!(wrapped.outcome, Outcome::WouldSet);
    assert_eq!(wrapped.wanted, state(5, true));
    assert!(wrapped.notes[0].starts_with("cyclic"), "{wrapped:?}");
    let ordinary = run(EXACT, cyclic(5, true), cyclic(1, false));
    assert!(ordinary.notes.is_empty(), "{ordinary:?}");
}

#[test]
fn check_asks_what_would_be_handed_out() {
    let cases = [
        (sequence(5, true), sequence(5, true), Outcome::Equal),
        (sequence(5, true), sequence(6, false), Outcome::Equal),
        (sequence(5, true), sequence(5, false), Outcome::Behind),
        (sequence(5, true), sequence(1, false), Outcome::Behind),
        (sequence(5, true), sequence(1005, true), Outcome::Kept),
        (sequence(1, false), sequence(1, false), Outcome::Equal),
        (sequence(1, true), sequence(1, false), Outcome::Behind),
        (descending(-5, true), descending(-1, false), Outcome::Behind),
        (descending(-5, true), descending(-8, true), Outcome::Kept),
        (cyclic(5, true), cyclic(15, true), Outcome::Kept),
        (cyclic(98, true), cyclic(3, true), Outcome::Kept),
        (cyclic(98, true), cyclic(1, false), Outcome::Behind),
        (cyclic(15, true), cyclic(5, true), Outcome::Behind),
    ];
    for (source, target, outcome) in cases {
        let entry = run(CHECK, source, target);
        assert_eq!(entry.outcome, outcome, "{entry:?}");
    }
}

#[test]
fn rows_that_have_overtaken_the_sequence_pull_it_along() {
    let request = Request {
        at_least_column: true,
        ..EXACT
    };
    let with = |reading: Reading, furthest| Reading {
        furthest,
        ..reading
    };
    let entry = run(
        request,
        with(sequence(5, true), Some(70)),
        with(sequence(1, false), Some(69)),
    );
    assert_eq!(entry.wanted, state(70, true));
    let entry = run(
        request,
        with(sequence(5, true), Some(4)),
        with(sequence(1, false), Some(80)),
    );
    assert_eq!(entry.wanted, state(80, true));
    let entry = run(
        request,
        with(descending(-5, true), Some(-70)),
        descending(-1, false),
    );
    assert_eq!(entry.wanted, state(-70, true));
    let entry = run(
        request,
        with(sequence(5, true), None),
        with(sequence(1, false), Some(5)),
    );
    assert_eq!(entry.wanted, state(5, true));
    let unread = Reading {
        furthest_unread: Some("no right".into()),
        ..sequence(5, true)
    };
    let entry = run(request, unread, sequence(1, false));
    assert_eq!(entry.why, Some(Why::ColumnUnread));
}

#[test]
fn pglogical_s_way_is_refused_where_it_would_stop_replication() {
    let request = Request {
        mode: Mode::Pglogical,
        ..EXACT
    };
    let replicated = |reading: Reading| Reading {
        in_set: true,
        pglogical_ahead: Some(1000),
        ..reading
    };
    let entry = run(request, replicated(sequence(5, true)), sequence(1, false));
    assert_eq!(entry.wanted, state(1005, true));
    let down = run(
        request,
        replicated(descending(-5, true)),
        descending(-1, false),
    );
    assert_eq!(down.why, Some(Why::PglogicalOverflow));
    let outside = run(request, sequence(5, true), sequence(1, false));
    assert_eq!(outside.why, Some(Why::NotInSet));
}

#[test]
fn verdicts() {
    let entry = |outcome| Entry {
        outcome,
        ..run(EXACT, sequence(5, true), sequence(5, true))
    };
    assert_eq!(verdict(&[]), Verdict::Ok);
    assert_eq!(
        verdict(&[entry(Outcome::Set), entry(Outcome::Kept)]),
        Verdict::Ok
    );
    assert_eq!(
        verdict(&[entry(Outcome::Set), entry(Outcome::Refused)]),
        Verdict::Partial
    );
    assert_eq!(
        verdict(&[entry(Outcome::Equal), entry(Outcome::Refused)]),
        Verdict::Refused
    );
    assert_eq!(
        verdict(&[entry(Outcome::Set), entry(Outcome::Pending)]),
        Verdict::NotYet
    );
    assert_eq!(verdict_of_check(&[entry(Outcome::Kept)]), Verdict::Ok);
    assert_eq!(verdict_of_check(&[entry(Outcome::Behind)]), Verdict::No);
    let unread = Entry {
        why: Some(Why::UnreadableOnTarget),
        ..entry(Outcome::Refused)
    };
    assert_eq!(
        verdict_of_check(&[entry(Outcome::Behind), unread]),
        Verdict::Unknown
    );
}

#[test]
fn values_are_strings_in_documents() {
    let text = serde_json::to_string(&State {
        last_value: i64::MIN,
        is_called: true,
    })
    .unwrap();
    assert_eq!(
        text,
        r#"{"last_value":"-9223372036854775808","is_called":true}"#
    );
}

/// What a server does: one `nextval`.
fn nextval(sequence: &Reading, at: State) -> Option<(State, i128)> {
    let value = next(sequence, at)?;
    let last_value = i64::try_from(value).ok()?;
    Some((
        State {
            last_value,
            is_called: true,
        },
        value,
    ))
}

fn any_sequence() -> impl Strategy<Value = Reading> {
    let increments = prop_oneof![(1i64..8), (-7i64..0)];
    (
        -20i64..20,
        1i64..60,
        increments,
        any::<bool>(),
        0i64..60,
        any::<bool>(),
    )
        .prop_map(|(min, length, increment, cycle, at, is_called)| Reading {
            min,
            max: min + length,
            start: min,
            increment,
            cycle,
            last_value: Some(min + at % (length + 1)),
            is_called: Some(is_called),
            ..sequence(0, false)
        })
}

proptest! {
    /// The margin is exactly so many `nextval` calls further, or refused where they would fail.
    #[test]
    fn a_margin_is_that_many_calls(sequence in any_sequence(), count in 0u64..200) {
        let start = sequence.state().unwrap();
        let mut walked = Some(start);
        for _ in 0..count {
            walked = walked.and_then(|at| {
                let stepped = State { is_called: true, ..at };
                nextval(&sequence, stepped).map(|(state, _)| State { is_called: at.is_called, ..state })
            });
        }
        prop_assert_eq!(beyond(&sequence, start, count).ok(), walked);
    }

    /// Likewise with any two definitions: what the target hands out next is used by neither side, and
    /// where the source goes on so does the target. `--check` accepts only such a target.
    #[test]
    fn definitions_that_differ_hand_out_nothing_twice(source in any_sequence(), target in any_sequence()) {
        let entry = run(EXACT, source.clone(), target.clone());
        let end = match entry.outcome {
            Outcome::WouldSet => entry.wanted,
            Outcome::Kept | Outcome::Equal => entry.before,
            Outcome::Refused => None,
            other => panic!("{other:?}"),
        };
        let fresh = |used: &Reading, value: i128| {
            let state = used.state().unwrap();
            let last = i128::from(state.last_value);
            let beyond = if used.increment > 0 { value > last } else { value < last };
            beyond || (!state.is_called && value == last)
        };
        if let Some(end) = end {
            let (value, expected) = (next(&target, end), next(&source, source.state().unwrap()));
            prop_assert!(value.is_some() || expected.is_none(), "{entry:?}");
            if let (Some(value), false) = (value, source.cycle) {
                prop_assert!(fresh(&source, value), "{entry:?}");
            }
            if let (Some(value), false) = (value, target.cycle) {
                prop_assert!(fresh(&target, value), "{entry:?}");
            }
        }
        let checked = run(CHECK, source.clone(), target.clone());
        if matches!(checked.outcome, Outcome::Equal | Outcome::Kept)
            && let (Some(value), false) = (next(&target, target.state().unwrap()), source.cycle)
        {
            prop_assert!(fresh(&source, value), "{checked:?}");
        }
    }

    /// After a run, a sequence that does not cycle never hands out what the source handed out,
    /// nor what the target had handed out already.
    #[test]
    fn nothing_is_handed_out_twice(source in any_sequence(), at in 0i64..60, called in any::<bool>()) {
        let source = Reading { cycle: false, ..source };
        let length = source.max - source.min + 1;
        let target = Reading {
            last_value: Some(source.min + at % length),
            is_called: Some(called),
            ..source.clone()
        };
        let entry = run(EXACT, source.clone(), target.clone());
        let end = match entry.outcome {
            Outcome::WouldSet => entry.wanted.unwrap(),
            Outcome::Kept | Outcome::Equal => entry.before.unwrap(),
            Outcome::Refused => {
                prop_assert_eq!(entry.why, Some(Why::Exhausted));
                prop_assert_eq!(next(&target, target.state().unwrap()), None);
                return Ok(());
            }
            other => panic!("{other:?}"),
        };
        if let Some((_, value)) = nextval(&target, end) {
            for used in [&source, &target] {
                let state = used.state().unwrap();
                let last = i128::from(state.last_value);
                let fresh = if used.increment > 0 { value > last } else { value < last };
                prop_assert!(fresh || (!state.is_called && value == last), "{:?}", entry);
            }
        }
    }
}
