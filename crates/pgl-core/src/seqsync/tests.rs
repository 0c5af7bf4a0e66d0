//! Decisions about sequences: tables of cases, and properties that hold for all of them.

use proptest::prelude::*;

use super::*;
use crate::doc::Verdict;

mod differ;

const EXACT: SequenceRequest = SequenceRequest {
    mode: SequenceMode::Exact,
    margin: 0,
    check: false,
    at_least_column: false,
};
const CHECK: SequenceRequest = SequenceRequest {
    check: true,
    ..EXACT
};

fn sequence(last_value: i64, is_called: bool) -> SequenceReading {
    SequenceReading {
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
        ..SequenceReading::default()
    }
}

fn descending(last_value: i64, is_called: bool) -> SequenceReading {
    SequenceReading {
        increment: -1,
        min: i64::MIN,
        max: -1,
        start: -1,
        ..sequence(last_value, is_called)
    }
}

fn cyclic(last_value: i64, is_called: bool) -> SequenceReading {
    SequenceReading {
        max: 100,
        cycle: true,
        ..sequence(last_value, is_called)
    }
}

fn run(
    request: SequenceRequest,
    source: SequenceReading,
    target: SequenceReading,
) -> SequenceEntry {
    let tasks = decide(request, &[source], &[target], None);
    assert_eq!(tasks.len(), 1);
    tasks[0].entry.clone()
}

fn state(last_value: i64, is_called: bool) -> Option<SequenceState> {
    Some(SequenceState {
        last_value,
        is_called,
    })
}

#[test]
fn both_parts_of_the_state_are_carried_over() {
    let cases = [
        (5, true, 1, false, SequenceOutcome::WouldSet),
        (500, false, 1, false, SequenceOutcome::WouldSet),
        (1, true, 1, false, SequenceOutcome::WouldSet),
        (5, true, 5, true, SequenceOutcome::Equal),
        (1, false, 1, false, SequenceOutcome::Equal),
        // The same value comes next; still the state is made the same.
        (5, true, 6, false, SequenceOutcome::WouldSet),
    ];
    for (last, called, target_last, target_called, outcome) in cases {
        let entry = run(
            EXACT,
            sequence(last, called),
            sequence(target_last, target_called),
        );
        assert_eq!(entry.outcome, outcome, "{entry:?}");
        assert_eq!(entry.wanted, state(last, called));
        assert_eq!(entry.source, state(last, called));
        assert_eq!(entry.before, state(target_last, target_called));
    }
}

#[test]
fn never_backwards_in_either_direction() {
    // The target would hand out 105 next, and 101 if it were set: its own distance counts.
    let by_ten = SequenceReading {
        increment: 10,
        ..sequence(100, true)
    };
    let closer = run(EXACT, by_ten, sequence(105, false));
    assert_eq!(closer.outcome, SequenceOutcome::Kept);
    let further = run(EXACT, sequence(5, true), sequence(9, true));
    assert_eq!(further.outcome, SequenceOutcome::Kept);
    let called = run(EXACT, sequence(5, false), sequence(5, true));
    assert_eq!(called.outcome, SequenceOutcome::Kept);
    let down = run(EXACT, descending(-5, true), descending(-9, true));
    assert_eq!(down.outcome, SequenceOutcome::Kept);
    let down = run(EXACT, descending(-9, true), descending(-5, true));
    assert_eq!(down.outcome, SequenceOutcome::WouldSet);
}

#[test]
fn the_statement_is_shown_where_it_sets_something() {
    let name = |reading| SequenceReading {
        name: "it's".into(),
        ..reading
    };
    let (source, fresh) = (name(sequence(5, true)), name(sequence(1, false)));
    let sql = |request, target: &SequenceReading| run(request, source.clone(), target.clone()).sql;
    assert_eq!(
        sql(EXACT, &fresh).unwrap(),
        "SELECT pg_catalog.setval('\"public\".\"it''s\"', 5, true);"
    );
    assert_eq!(sql(EXACT, &source), None);
    let in_set = SequenceReading {
        in_set: true,
        ..source.clone()
    };
    let request = SequenceRequest {
        mode: SequenceMode::Pglogical,
        ..EXACT
    };
    assert_eq!(
        run(request, in_set.clone(), fresh.clone()).sql.unwrap(),
        "SELECT pglogical.synchronize_sequence('\"public\".\"it''s\"');"
    );
    // pglogical would send 1005; what the source has handed out decides.
    let check = SequenceRequest {
        check: true,
        ..request
    };
    assert_eq!(run(check, in_set, source).outcome, SequenceOutcome::Equal);
}

#[test]
fn what_else_moves_the_sequence_is_noted() {
    let cached = SequenceReading {
        cache: 20,
        ..sequence(5, true)
    };
    let in_set = SequenceReading {
        in_set: true,
        ..sequence(5, true)
    };
    let notes = |request, source| run(request, source, sequence(1, false)).notes;
    assert!(notes(EXACT, cached)[0].starts_with("CACHE 20: values up to 5"));
    assert!(notes(EXACT, in_set.clone())[0].starts_with("pglogical replicates"));
    let checked = notes(CHECK, in_set);
    assert!(
        !checked.iter().any(|note| note.starts_with("pglogical")),
        "{checked:?}"
    );
    for cache in [1, 2] {
        let source = SequenceReading {
            cache,
            ..sequence(5, true)
        };
        assert_eq!(notes(EXACT, source).len() == 1, cache == 2);
    }
}

#[test]
fn a_refusal_says_which_values_are_meant() {
    let ends = |max, last| SequenceReading {
        max,
        ..sequence(last, true)
    };
    let column = |reading: SequenceReading| SequenceReading {
        furthest_unread: Some("no right".into()),
        ..reading
    };
    let asked = SequenceRequest {
        at_least_column: true,
        ..EXACT
    };
    let cases = [
        (
            EXACT,
            SequenceReading {
                min: -5,
                ..sequence(40, true)
            },
            ends(30, 1),
            "40 is not between the target's 1 and 30",
        ),
        (
            EXACT,
            sequence(30, true),
            ends(30, 1),
            "the target has no value after 30, and the source would hand out 31",
        ),
        (
            CHECK,
            sequence(5, true),
            sequence(2, true),
            "the target would hand out 3 next",
        ),
        (
            asked,
            column(sequence(5, true)),
            sequence(1, true),
            "column on the source: no right",
        ),
        (
            asked,
            sequence(5, true),
            column(sequence(1, true)),
            "column on the target: no right",
        ),
    ];
    for (request, source, target, note) in cases {
        let entry = run(request, source, target);
        assert_eq!(entry.notes, [note], "{entry:?}");
    }
}

#[test]
fn the_margin_counts_values_in_the_sequence_s_direction() {
    let margin = |count| SequenceRequest {
        margin: count,
        ..EXACT
    };
    let by_ten = |last| SequenceReading {
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
    // 101, then 11, 21 … 101 again, 11, 21.
    let by_ten_round = SequenceReading {
        min: 11,
        max: 101,
        cycle: true,
        ..by_ten(91)
    };
    let round = run(margin(13), by_ten_round.clone(), by_ten_round.clone());
    assert_eq!(round.wanted, state(21, true));
    let by_ten_end = SequenceReading {
        cycle: false,
        ..by_ten_round
    };
    let too_far = run(margin(2), by_ten_end.clone(), by_ten_end);
    assert_eq!(too_far.why, Some(SequenceRefusal::MarginTooLarge));
    let end = SequenceReading {
        max: 10,
        ..sequence(8, true)
    };
    let to_the_end = run(margin(2), end.clone(), end.clone());
    assert_eq!(to_the_end.wanted, state(10, true));
    assert_eq!(to_the_end.outcome, SequenceOutcome::WouldSet);
    // The source's values are counted, whatever the target's distance.
    let by_one = run(margin(5), by_ten(7), sequence(7, true));
    assert_eq!(by_one.wanted, state(57, true));
    let too_far = run(margin(3), end.clone(), end);
    assert_eq!(too_far.why, Some(SequenceRefusal::MarginTooLarge));
    assert!(too_far.notes[0].contains("only 2 values"), "{too_far:?}");
    let huge = run(
        margin(u64::MAX),
        sequence(i64::MAX - 1, true),
        sequence(1, false),
    );
    assert_eq!(huge.why, Some(SequenceRefusal::MarginTooLarge));
}

#[test]
fn what_the_target_cannot_hold_is_refused() {
    let small = SequenceReading {
        data_type: "smallint".into(),
        max: 32767,
        ..sequence(1, false)
    };
    let entry = run(EXACT, sequence(40_000, true), small);
    assert_eq!(entry.why, Some(SequenceRefusal::OutOfBounds));
    assert_eq!(entry.outcome, SequenceOutcome::Refused);
    assert_eq!(entry.qualified(), QualifiedName::new("public", "s"));
    let properties = |entry: &SequenceEntry| -> Vec<String> {
        let all = entry.differences.iter();
        all.map(|difference| difference.property.clone()).collect()
    };
    assert_eq!(properties(&entry), ["data_type", "max"]);
    let other = SequenceReading {
        data_type: "integer".into(),
        increment: 2,
        min: 0,
        max: 99,
        start: 3,
        cache: 4,
        cycle: true,
        ..sequence(1, true)
    };
    let source = SequenceReading {
        start: 5,
        cache: 9,
        ..sequence(1, true)
    };
    let found: Vec<_> = run(EXACT, source, other)
        .differences
        .into_iter()
        .map(|one| (one.property, one.source, one.target))
        .collect();
    let all = [
        ("data_type", "bigint", "integer"),
        ("increment", "1", "2"),
        ("min", "1", "0"),
        ("max", "9223372036854775807", "99"),
        ("start", "5", "3"),
        ("cache", "9", "4"),
        ("cycle", "false", "true"),
    ];
    assert_eq!(
        found,
        all.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()))
    );
    // A server before 10 has no type to compare.
    let untyped = SequenceReading {
        data_type: String::new(),
        ..sequence(1, true)
    };
    for (source, target) in [
        (untyped.clone(), sequence(1, true)),
        (sequence(1, true), untyped),
    ] {
        assert!(properties(&run(EXACT, source, target)).is_empty());
    }
    let turned = run(EXACT, sequence(5, true), descending(-1, false));
    assert_eq!(turned.why, Some(SequenceRefusal::OtherDirection));
    let locked = SequenceReading {
        may_set: false,
        ..sequence(1, false)
    };
    let why = run(EXACT, sequence(5, true), locked).why.unwrap();
    assert_eq!(why, SequenceRefusal::NotPermitted);
    assert!(why.text().ends_with("on the target"));
    let unread = SequenceReading {
        last_value: None,
        is_called: None,
        ..sequence(1, false)
    };
    let entry = run(EXACT, unread.clone(), sequence(1, false));
    assert_eq!(entry.why, Some(SequenceRefusal::UnreadableOnSource));
    let entry = run(EXACT, sequence(1, false), unread);
    assert_eq!(entry.why, Some(SequenceRefusal::UnreadableOnTarget));
}

#[test]
fn a_plan_decides_which_sequences_are_meant() {
    let other = SequenceReading {
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
            ("s", SequenceOutcome::WouldSet, None),
            (
                "gone",
                SequenceOutcome::Refused,
                Some(SequenceRefusal::MissingOnSource)
            ),
        ]
    );
    let missing = decide(EXACT, &[sequence(3, true)], &[], None);
    assert_eq!(missing[0].entry.why, Some(SequenceRefusal::MissingOnTarget));
}

/// A sequence that one side lacks is described by the other side.
#[test]
fn a_sequence_is_described_by_the_side_that_has_it() {
    let owned = SequenceReading {
        oid: 7,
        owned_by: Some("public.t.id".into()),
        identity: true,
        ..sequence(3, true)
    };
    let names = [owned.qualified()];
    for (source, target, oids) in [
        (vec![owned.clone()], vec![], (7, 0)),
        (vec![], vec![owned.clone()], (0, 7)),
        (vec![owned.clone()], vec![owned], (7, 7)),
    ] {
        let task = decide(EXACT, &source, &target, Some(&names)).remove(0);
        assert_eq!((task.source_oid, task.target_oid), oids);
        assert_eq!(task.entry.owned_by.as_deref(), Some("public.t.id"));
        assert!(task.entry.identity);
    }
    assert!(!run(EXACT, sequence(3, true), sequence(3, true)).identity);
    let nowhere = decide(EXACT, &[], &[], Some(&names)).remove(0);
    assert!(!nowhere.entry.identity);
}

/// What is set is read back; what is refused has no state that is right.
#[test]
fn the_state_afterwards_is_known_where_nothing_is_to_be_done() {
    for (source, target, outcome, after) in [
        (
            sequence(5, true),
            sequence(5, true),
            SequenceOutcome::Equal,
            state(5, true),
        ),
        (
            sequence(5, true),
            sequence(9, true),
            SequenceOutcome::Kept,
            state(9, true),
        ),
        (
            sequence(5, true),
            sequence(1, true),
            SequenceOutcome::WouldSet,
            None,
        ),
        (
            sequence(5, true),
            descending(-1, true),
            SequenceOutcome::Refused,
            None,
        ),
    ] {
        let entry = run(EXACT, source, target);
        assert_eq!((entry.outcome, entry.after), (outcome, after), "{entry:?}");
    }
}

#[test]
fn a_cycle_takes_the_source_s_state() {
    let wrapped = run(EXACT, cyclic(5, true), cyclic(95, true));
    assert_eq!(wrapped.outcome, SequenceOutcome::WouldSet);
    assert_eq!(wrapped.wanted, state(5, true));
    assert!(wrapped.notes[0].starts_with("cyclic"), "{wrapped:?}");
    let ordinary = run(EXACT, cyclic(5, true), cyclic(1, false));
    assert!(ordinary.notes.is_empty(), "{ordinary:?}");
    // Nobody has used a fresh one, wherever it starts.
    let from_50 = |reading| SequenceReading {
        start: 50,
        ..reading
    };
    let fresh = run(EXACT, from_50(cyclic(5, true)), from_50(cyclic(50, false)));
    assert_eq!(fresh.outcome, SequenceOutcome::WouldSet);
    assert!(fresh.notes.is_empty(), "{fresh:?}");
}

#[test]
fn check_asks_for_the_margin_too() {
    let request = SequenceRequest {
        margin: 10,
        ..CHECK
    };
    for (last, outcome) in [
        (8, SequenceOutcome::Behind),
        (15, SequenceOutcome::Equal),
        (16, SequenceOutcome::Kept),
    ] {
        let entry = run(request, sequence(5, true), sequence(last, true));
        assert_eq!(entry.outcome, outcome, "{entry:?}");
    }
}

#[test]
fn check_asks_what_would_be_handed_out() {
    let cases = [
        (sequence(5, true), sequence(5, true), SequenceOutcome::Equal),
        (
            sequence(5, true),
            sequence(6, false),
            SequenceOutcome::Equal,
        ),
        (
            sequence(5, true),
            sequence(5, false),
            SequenceOutcome::Behind,
        ),
        (
            sequence(5, true),
            sequence(1, false),
            SequenceOutcome::Behind,
        ),
        (
            sequence(5, true),
            sequence(1005, true),
            SequenceOutcome::Kept,
        ),
        (
            sequence(1, false),
            sequence(1, false),
            SequenceOutcome::Equal,
        ),
        (
            sequence(1, true),
            sequence(1, false),
            SequenceOutcome::Behind,
        ),
        (
            sequence(5, false),
            sequence(2, true),
            SequenceOutcome::Behind,
        ),
        (
            descending(-5, true),
            descending(-1, false),
            SequenceOutcome::Behind,
        ),
        (
            descending(-5, true),
            descending(-8, true),
            SequenceOutcome::Kept,
        ),
        (
            descending(-5, true),
            descending(-5, false),
            SequenceOutcome::Behind,
        ),
        (cyclic(5, true), cyclic(15, true), SequenceOutcome::Kept),
        (cyclic(98, true), cyclic(3, true), SequenceOutcome::Kept),
        (cyclic(98, true), cyclic(1, false), SequenceOutcome::Behind),
        (cyclic(15, true), cyclic(5, true), SequenceOutcome::Behind),
    ];
    for (source, target, outcome) in cases {
        let entry = run(CHECK, source, target);
        assert_eq!(entry.outcome, outcome, "{entry:?}");
    }
}

#[test]
fn rows_that_have_overtaken_the_sequence_pull_it_along() {
    let request = SequenceRequest {
        at_least_column: true,
        ..EXACT
    };
    let with = |reading: SequenceReading, furthest| SequenceReading {
        furthest,
        ..reading
    };
    let entry = run(
        request,
        with(sequence(5, true), Some(70)),
        with(sequence(1, false), Some(69)),
    );
    assert_eq!(entry.wanted, state(70, true));
    assert_eq!(
        entry.notes,
        ["rows on the source have overtaken the sequence: its column goes to 70"]
    );
    // The column goes to 70 and the sequence would hand out 75 next: it was not overtaken.
    for (furthest, wanted) in [
        (70, state(75, false)),
        (75, state(75, true)),
        (76, state(76, true)),
    ] {
        let by_ten = SequenceReading {
            increment: 10,
            ..sequence(75, false)
        };
        let entry = run(request, with(by_ten.clone(), Some(furthest)), by_ten);
        assert_eq!(entry.wanted, wanted, "{entry:?}");
    }
    let not_asked = run(EXACT, with(sequence(5, true), Some(70)), sequence(1, false));
    assert_eq!(not_asked.wanted, state(5, true));
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
    let unread = SequenceReading {
        furthest_unread: Some("no right".into()),
        ..sequence(5, true)
    };
    let entry = run(request, unread, sequence(1, false));
    assert_eq!(entry.why, Some(SequenceRefusal::ColumnUnread));
}

#[test]
fn pglogical_s_way_is_refused_where_it_would_stop_replication() {
    let request = SequenceRequest {
        mode: SequenceMode::Pglogical,
        ..EXACT
    };
    let replicated = |reading: SequenceReading| SequenceReading {
        in_set: true,
        pglogical_ahead: Some(1000),
        ..reading
    };
    let entry = run(request, replicated(sequence(5, true)), sequence(1, false));
    assert_eq!(entry.wanted, state(1005, true));
    let check = SequenceRequest {
        check: true,
        ..request
    };
    let behind = run(check, replicated(sequence(5, true)), sequence(2, true));
    assert_eq!(behind.outcome, SequenceOutcome::Behind);
    let small = SequenceReading {
        max: 1004,
        ..sequence(1, false)
    };
    let entry = run(request, replicated(sequence(5, true)), small);
    assert_eq!(entry.why, Some(SequenceRefusal::PglogicalOverflow));
    // The source sends, and so its own number counts.
    let by_two = SequenceReading {
        pglogical_ahead: Some(2000),
        ..replicated(sequence(5, true))
    };
    let entry = run(request, by_two, replicated(sequence(1, false)));
    assert_eq!(entry.wanted, state(2005, true));
    let down = run(
        request,
        replicated(descending(-5, true)),
        descending(-1, false),
    );
    assert_eq!(down.why, Some(SequenceRefusal::PglogicalOverflow));
    let outside = run(request, sequence(5, true), sequence(1, false));
    assert_eq!(outside.why, Some(SequenceRefusal::NotInSet));
    // Where pglogical does not say how far ahead it sends.
    let unsaid = SequenceReading {
        in_set: true,
        ..sequence(5, true)
    };
    let entry = run(request, unsaid, sequence(1, false));
    assert_eq!(entry.wanted, state(1005, true));
}

#[test]
fn verdicts() {
    let entry = |outcome| SequenceEntry {
        outcome,
        ..run(EXACT, sequence(5, true), sequence(5, true))
    };
    use SequenceOutcome::{Behind, Equal, Kept, Pending, Refused, Set};
    for (outcomes, expected) in [
        (&[][..], Verdict::Ok),
        (&[Set, Kept], Verdict::Ok),
        (&[Set, Refused], Verdict::Partial),
        (&[Pending, Refused], Verdict::Partial),
        (&[Equal, Refused], Verdict::Refused),
        (&[Set, Pending], Verdict::NotYet),
        // Set, and yet it would repeat a value: waiting does not help.
        (&[Set, Behind], Verdict::No),
        (&[Pending, Behind], Verdict::No),
    ] {
        let entries: Vec<SequenceEntry> = outcomes.iter().map(|one| entry(*one)).collect();
        assert_eq!(verdict(&entries), expected, "{outcomes:?}");
    }
    for (outcomes, expected) in [
        (&[Kept, Equal][..], Verdict::Ok),
        (&[Behind, Equal], Verdict::No),
        (&[Refused, Kept], Verdict::No),
    ] {
        let entries: Vec<SequenceEntry> = outcomes.iter().map(|one| entry(*one)).collect();
        assert_eq!(verdict_of_check(&entries), expected, "{outcomes:?}");
    }
    for (why, expected) in [
        (SequenceRefusal::UnreadableOnSource, Verdict::Unknown),
        (SequenceRefusal::UnreadableOnTarget, Verdict::Unknown),
        (SequenceRefusal::ColumnUnread, Verdict::Unknown),
        (SequenceRefusal::MissingOnTarget, Verdict::No),
    ] {
        let refused = SequenceEntry {
            why: Some(why),
            ..entry(Refused)
        };
        assert_eq!(
            verdict_of_check(&[entry(Behind), refused]),
            expected,
            "{why:?}"
        );
    }
}

#[test]
fn each_refusal_has_words_of_its_own() {
    let all = [
        (SequenceRefusal::MissingOnTarget, "on the target"),
        (SequenceRefusal::MissingOnSource, "on the source"),
        (
            SequenceRefusal::UnreadableOnSource,
            "not read it on the source",
        ),
        (
            SequenceRefusal::UnreadableOnTarget,
            "not read it on the target",
        ),
        (SequenceRefusal::NotPermitted, "not set it on the target"),
        (SequenceRefusal::OutOfBounds, "bounds"),
        (SequenceRefusal::WouldRepeat, "ALTER SEQUENCE on the target"),
        (SequenceRefusal::Exhausted, "no value left"),
        (SequenceRefusal::MarginTooLarge, "margin"),
        (SequenceRefusal::OtherDirection, "upwards"),
        (SequenceRefusal::ColumnUnread, "column"),
        (SequenceRefusal::NotInSet, "--mode exact"),
        (SequenceRefusal::PglogicalOverflow, "would stop replication"),
    ];
    for (why, words) in all {
        assert!(why.text().contains(words), "{why:?}: {}", why.text());
        let same = all.iter().filter(|(one, _)| one.text() == why.text());
        assert_eq!(same.count(), 1, "{why:?}");
    }
}

#[test]
fn values_are_strings_in_documents() {
    let text = serde_json::to_string(&SequenceState {
        last_value: i64::MIN,
        is_called: true,
    })
    .unwrap();
    assert_eq!(
        text,
        r#"{"last_value":"-9223372036854775808","is_called":true}"#
    );
    assert_eq!(
        serde_json::from_str::<SequenceState>(&text).ok(),
        state(i64::MIN, true)
    );
}

#[test]
fn tables_and_documents_use_the_same_words() {
    for outcome in [
        SequenceOutcome::Equal,
        SequenceOutcome::WouldSet,
        SequenceOutcome::Set,
        SequenceOutcome::Kept,
        SequenceOutcome::Behind,
        SequenceOutcome::Refused,
        SequenceOutcome::Pending,
    ] {
        assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
    }
}

/// What a server does: one `nextval`.
fn nextval(sequence: &SequenceReading, at: SequenceState) -> Option<(SequenceState, i128)> {
    let value = next(sequence, at)?;
    let last_value = i64::try_from(value).ok()?;
    Some((
        SequenceState {
            last_value,
            is_called: true,
        },
        value,
    ))
}

fn any_sequence() -> impl Strategy<Value = SequenceReading> {
    let increments = prop_oneof![(1i64..8), (-7i64..0)];
    (
        -20i64..20,
        1i64..60,
        increments,
        any::<bool>(),
        0i64..60,
        any::<bool>(),
    )
        .prop_map(
            |(min, length, increment, cycle, at, is_called)| SequenceReading {
                min,
                max: min + length,
                start: min,
                increment,
                cycle,
                last_value: Some(min + at % (length + 1)),
                is_called: Some(is_called),
                ..sequence(0, false)
            },
        )
}

proptest! {
    /// The margin is exactly so many `nextval` calls further, or refused where they would fail.
    #[test]
    fn a_margin_is_that_many_calls(sequence in any_sequence(), count in 0u64..200) {
        let start = sequence.state().unwrap();
        let mut walked = Some(start);
        for _ in 0..count {
            walked = walked.and_then(|at| {
                let stepped = SequenceState { is_called: true, ..at };
                nextval(&sequence, stepped).map(|(state, _)| SequenceState { is_called: at.is_called, ..state })
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
            SequenceOutcome::WouldSet => entry.wanted,
            SequenceOutcome::Kept | SequenceOutcome::Equal => entry.before,
            SequenceOutcome::Refused => None,
            other => panic!("{other:?}"),
        };
        let fresh = |used: &SequenceReading, value: i128| {
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
        if matches!(checked.outcome, SequenceOutcome::Equal | SequenceOutcome::Kept)
            && let (Some(value), false) = (next(&target, target.state().unwrap()), source.cycle)
        {
            prop_assert!(fresh(&source, value), "{checked:?}");
        }
    }

    /// After a run, a sequence that does not cycle never hands out what the source handed out,
    /// nor what the target had handed out already.
    #[test]
    fn nothing_is_handed_out_twice(source in any_sequence(), at in 0i64..60, called in any::<bool>()) {
        let source = SequenceReading { cycle: false, ..source };
        let length = source.max - source.min + 1;
        let target = SequenceReading {
            last_value: Some(source.min + at % length),
            is_called: Some(called),
            ..source.clone()
        };
        let entry = run(EXACT, source.clone(), target.clone());
        let end = match entry.outcome {
            SequenceOutcome::WouldSet => entry.wanted.unwrap(),
            SequenceOutcome::Kept | SequenceOutcome::Equal => entry.before.unwrap(),
            SequenceOutcome::Refused => {
                prop_assert_eq!(entry.why, Some(SequenceRefusal::Exhausted));
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
