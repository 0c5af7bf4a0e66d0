//! What lies between two snapshots, from decoded lines as the plugin writes them.

use super::*;
use crate::verify::decoding::parse;
use crate::verify::pairing::{Catalog, PairingEntry, Wishes, pair};
use crate::verify::types::{ColumnInfo, RelationInfo, TypeInfo, Types};

fn relation(key: Option<&[&str]>, identity: &str) -> RelationInfo {
    let column = |name: &str| ColumnInfo {
        name: name.into(),
        type_oid: 23,
        typmod: -1,
        shown: "integer".into(),
        generated: false,
        is_virtual: false,
    };
    let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
    RelationInfo {
        oid: 1,
        layout: String::new(),
        versions: String::new(),
        schema: "public".into(),
        name: "t".into(),
        kind: "r".into(),
        persistence: "p".into(),
        above: Vec::new(),
        parents: Vec::new(),
        bound: None,
        extension: None,
        row_security: false,
        replica_identity: identity.into(),
        columns: vec![column("id"), column("v")],
        primary_key: key.map(names),
        identity_key: None,
        unique_key: None,
        bytes: 8192,
        estimate: 1.0,
        pages: 1,
        readable: true,
        replica_trigger: None,
        runs: None,
    }
}

fn paired(relation: RelationInfo) -> TablePair {
    let int4 = TypeInfo {
        oid: 23,
        schema: "pg_catalog".into(),
        name: "int4".into(),
        kind: "b".into(),
        base: None,
        element: None,
        subtype: None,
        typmod: -1,
        sends: true,
        send: "int4send".into(),
        fields: Vec::new(),
    };
    let catalog = Catalog {
        schemas: [relation.schema.clone()].into(),
        relations: vec![relation],
        types: Types::new([int4]),
        encoding: "UTF8".into(),
    };
    match pair(&catalog, &catalog, &Wishes::default(), None).pop() {
        Some(PairingEntry::Compare(pair)) => *pair,
        other => panic!("{other:?}"),
    }
}

fn keyed() -> TablePair {
    paired(relation(Some(&["id"]), "d"))
}

fn keyless(identity: &str) -> TablePair {
    paired(relation(None, identity))
}

/// Transactions by number and end, with their changes.
fn log(pair: &TablePair, transactions: &[(u32, u64, &[&str])]) -> ChangeLog {
    let wanted = wanted(&[pair]);
    let mut log = ChangeLog::default();
    for (xid, end, lines) in transactions {
        log.begin(*xid);
        for line in *lines {
            log.add(
                parse(&format!("table public.t: {line}")).unwrap().unwrap(),
                &wanted,
            );
        }
        log.commit(Lsn(*end));
    }
    log
}

fn exactly(at: u64) -> AppliedRange {
    AppliedRange {
        from: Lsn(at),
        inclusive: true,
        upto: Lsn(at),
    }
}

fn snapshot(text: &str) -> XidSnapshot {
    XidSnapshot::parse(text).unwrap()
}

fn texts(values: &[&str]) -> Vec<Option<String>> {
    let null = |value: &&str| (*value != "NULL").then(|| (*value).to_owned());
    values.iter().map(null).collect()
}

fn shown(effects: Effects) -> Vec<(String, Then)> {
    match effects {
        Effects::Known(list) => list
            .into_iter()
            .map(|effect| {
                let key: Vec<String> = effect
                    .row
                    .into_iter()
                    .map(|value| value.unwrap_or_else(|| "NULL".into()))
                    .collect();
                (key.join(","), effect.then)
            })
            .collect(),
        Effects::Unknown(why) => panic!("unknown: {why}"),
    }
}

#[test]
fn a_snapshot_sees_what_had_committed() {
    let seen = snapshot("100:110:100,105");
    for (xid, visible) in [
        (99, true),
        (100, false),
        (101, true),
        (105, false),
        (109, true),
        (110, false),
        (4_000_000_000, true),
    ] {
        assert_eq!(seen.sees(xid), visible, "{xid}");
    }
    // Numbers start anew every four billion transactions.
    let later = snapshot("4294967290:4294967300:4294967295");
    for (xid, visible) in [
        (4_294_967_289, true),
        (4_294_967_295, false),
        (3, true),
        (4, false),
        (4_294_967_296_u64, false),
    ] {
        let Ok(xid) = u32::try_from(xid) else {
            continue;
        };
        assert_eq!(later.sees(xid), visible, "{xid}");
    }
    assert_eq!(
        snapshot("100:120:100,105,111").still_running(&seen),
        [100, 105]
    );
    assert!(snapshot("110:110:").still_running(&seen).is_empty());
    // One that writes, and whose number is above all that have ended: no snapshot lists it, and none sees it.
    let earlier = snapshot("100:100:").with_in_progress(&[100]);
    assert_eq!(snapshot("100:100:").still_running(&earlier), [100]);
    assert_eq!(snapshot("100:102:100").still_running(&earlier), [100]);
    assert!(snapshot("101:101:").still_running(&earlier).is_empty());
    for bad in ["", "1:2", "1:2:x", "1:2:3:4", "a:2:"] {
        assert_eq!(XidSnapshot::parse(bad), None, "{bad}");
    }
}

#[test]
fn only_transactions_between_the_snapshots_count() {
    let pair = keyed();
    let log = log(
        &pair,
        &[
            (10, 100, &["UPDATE: id[integer]:1 v[integer]:10"]),
            (
                11,
                200,
                &[
                    "UPDATE: id[integer]:2 v[integer]:20",
                    "UPDATE: id[integer]:2 v[integer]:21",
                ],
            ),
            (
                12,
                300,
                &[
                    "INSERT: id[integer]:3 v[integer]:null",
                    "DELETE: id[integer]:4",
                ],
            ),
            (13, 400, &["UPDATE: id[integer]:5 v[integer]:50"]),
        ],
    );
    let row = |values: &[&str]| Then::Row(texts(values));
    // S has 10 and 11; T has all up to 300.
    assert_eq!(
        shown(log.effects(&pair, &snapshot("12:12:"), exactly(300))),
        [
            ("3".to_owned(), row(&["3", "NULL"])),
            ("4".to_owned(), Then::Absent)
        ]
    );
    let all = shown(log.effects(&pair, &snapshot("11:11:"), exactly(300)));
    assert_eq!(all[0], ("2".to_owned(), row(&["2", "21"])));
    assert_eq!(all.len(), 3);
    // A transaction that may or may not be in T leaves its rows unknown.
    let range = AppliedRange {
        from: Lsn(300),
        inclusive: false,
        upto: Lsn(300),
    };
    let all = shown(log.effects(&pair, &snapshot("11:11:"), range));
    assert_eq!(all[0].1, row(&["2", "21"]));
    assert_eq!((&all[1].1, &all[2].1), (&Then::Unknown, &Then::Unknown));
    // One that S has, and T perhaps not.
    let all = shown(log.effects(&pair, &snapshot("13:13:"), range));
    assert_eq!(
        all.iter().map(|one| &one.1).collect::<Vec<_>>(),
        [&Then::Unknown, &Then::Unknown]
    );
    // Nothing in between.
    assert!(shown(log.effects(&pair, &snapshot("14:14:"), exactly(400))).is_empty());
    assert!(shown(log.effects(&pair, &snapshot("10:10:"), exactly(50))).is_empty());
}

#[test]
fn both_keys_of_a_moved_row_count() {
    let pair = keyed();
    let moved = "UPDATE: old-key: id[integer]:1 new-tuple: id[integer]:2 v[integer]:7";
    let log = log(&pair, &[(10, 100, &[moved])]);
    let all = shown(log.effects(&pair, &snapshot("10:10:"), exactly(100)));
    assert_eq!(all[0], ("1".to_owned(), Then::Absent));
    assert_eq!(all[1], ("2".to_owned(), Then::Row(texts(&["2", "7"]))));
}

#[test]
fn values_that_are_not_shown_are_not_guessed() {
    let pair = keyed();
    let lines: &[&str] = &["UPDATE: id[integer]:1 v[integer]:unchanged-toast-datum"];
    let unplaced = AppliedRange {
        upto: Lsn(200),
        ..exactly(50)
    };
    let all = shown(log(&pair, &[(10, 100, lines)]).effects(&pair, &snapshot("10:10:"), unplaced));
    assert_eq!(all, [("1".to_owned(), Then::Unknown)]);
    let why = |pair: &TablePair, line: &str| match log(pair, &[(10, 100, &[line])]).effects(
        pair,
        &snapshot("10:10:"),
        exactly(100),
    ) {
        Effects::Unknown(why) => why,
        Effects::Known(list) => panic!("{list:?}"),
    };
    assert_eq!(why(&pair, "TRUNCATE: (no-flags)"), TRUNCATED);
    assert_eq!(why(&pair, "DELETE: (no-tuple-data)"), NO_IDENTITY);
    // The key is not what the server logs of old rows: a moved row would leave no trace of its old key.
    let other = paired(RelationInfo {
        replica_identity: "n".into(),
        ..relation(Some(&["id"]), "n")
    });
    assert_eq!(
        why(&other, "UPDATE: id[integer]:1 v[integer]:2"),
        NO_IDENTITY
    );
}

#[test]
fn a_value_that_stays_is_that_of_the_row_before() {
    const STAYS: &str = "v[integer]:unchanged-toast-datum";
    let pair = keyed();
    let after = |pair: &TablePair, lines: &[String]| {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        shown(log(pair, &[(10, 100, &lines)]).effects(pair, &snapshot("10:10:"), exactly(100)))
    };
    let stays = format!("UPDATE: id[integer]:1 {STAYS}");
    let moves = format!("UPDATE: old-key: id[integer]:1 new-tuple: id[integer]:2 {STAYS}");
    let kept = |key: &str| Then::Kept {
        row: vec![Some(key.to_owned()), None],
        of: texts(&["1"]),
        columns: vec![1],
    };
    let one = |then: Then| vec![("1".to_owned(), then)];
    let seven = "UPDATE: id[integer]:1 v[integer]:7".to_owned();
    let row = |key: &str| Then::Row(texts(&[key, "7"]));
    // Of the row that the source's snapshot has, however often it is written, and under another key, too.
    assert_eq!(after(&pair, std::slice::from_ref(&stays)), one(kept("1")));
    assert_eq!(
        after(&pair, &[stays.clone(), stays.clone()]),
        one(kept("1"))
    );
    assert_eq!(
        after(&pair, &[stays.clone(), moves.clone()]),
        [("1".to_owned(), Then::Absent), ("2".to_owned(), kept("2"))]
    );
    // Of the change before.
    assert_eq!(after(&pair, &[seven.clone(), stays.clone()]), one(row("1")));
    assert_eq!(after(&pair, &[stays.clone(), seven.clone()]), one(row("1")));
    assert_eq!(
        after(&pair, &[seven, moves.clone()]),
        [("1".to_owned(), Then::Absent), ("2".to_owned(), row("2"))]
    );
    // A row that is gone, or of which nothing is known, has none.
    let gone = "DELETE: id[integer]:1".to_owned();
    assert_eq!(after(&pair, &[gone, stays.clone()]), one(Then::Unknown));
    // The line itself shows it where the whole row is logged, with a key and without.
    let full = paired(RelationInfo {
        replica_identity: "f".into(),
        ..relation(Some(&["id"]), "f")
    });
    let line =
        format!("UPDATE: old-key: id[integer]:1 v[integer]:7 new-tuple: id[integer]:2 {STAYS}");
    assert_eq!(
        after(&full, std::slice::from_ref(&line)),
        [("1".to_owned(), Then::Absent), ("2".to_owned(), row("2"))]
    );
    assert_eq!(
        after(&keyless("f"), &[line]),
        [
            ("1,7".to_owned(), Then::Net(-1)),
            ("2,7".to_owned(), Then::Net(1))
        ]
    );
}

#[test]
fn rows_without_a_key_are_counted() {
    let pair = keyless("d");
    let insert = "INSERT: id[integer]:1 v[integer]:null";
    let log_of = |lines: &[&str]| {
        log(
            &pair,
            &[(10, 100, &[insert]), (11, 200, lines), (12, 300, &[insert])],
        )
    };
    let inserted = log_of(&[insert, insert, "INSERT: id[integer]:2 v[integer]:2"]);
    let all = shown(inserted.effects(&pair, &snapshot("11:11:"), exactly(200)));
    assert_eq!(
        all,
        [
            ("1,NULL".to_owned(), Then::Net(2)),
            ("2,2".to_owned(), Then::Net(1))
        ]
    );
    let range = AppliedRange {
        from: Lsn(200),
        inclusive: true,
        upto: Lsn(300),
    };
    assert_eq!(
        inserted.effects(&pair, &snapshot("11:11:"), range),
        Effects::Unknown(NOT_PLACED)
    );
    // The server does not log which row an UPDATE or DELETE met.
    for line in [
        "UPDATE: id[integer]:1 v[integer]:2",
        "DELETE: (no-tuple-data)",
    ] {
        assert_eq!(
            log_of(&[line]).effects(&pair, &snapshot("11:11:"), exactly(200)),
            Effects::Unknown(NO_IDENTITY)
        );
    }
    // With the whole row as its identity it does; NULLs are left out.
    let full = keyless("f");
    let lines: &[&str] = &[
        "UPDATE: old-key: id[integer]:1 new-tuple: id[integer]:1 v[integer]:5",
        "DELETE: id[integer]:2 v[integer]:2",
    ];
    let all =
        shown(log(&full, &[(11, 200, lines)]).effects(&full, &snapshot("11:11:"), exactly(200)));
    assert_eq!(
        all,
        [
            ("1,NULL".to_owned(), Then::Net(-1)),
            ("1,5".to_owned(), Then::Net(1)),
            ("2,2".to_owned(), Then::Net(-1))
        ]
    );
}

#[test]
fn the_target_has_what_any_sign_proves() {
    let origin = AppliedRange {
        from: Lsn(100),
        inclusive: false,
        upto: Lsn(120),
    };
    let of = |sure: Option<u64>| AppliedRange::of(Some(origin), sure.map(Lsn), Lsn(500)).unwrap();
    assert_eq!(of(None), origin);
    assert_eq!(of(Some(90)), origin);
    assert_eq!(
        of(Some(100)),
        AppliedRange {
            inclusive: true,
            ..origin
        }
    );
    assert_eq!(
        of(Some(110)),
        AppliedRange {
            from: Lsn(110),
            inclusive: true,
            upto: Lsn(120)
        }
    );
    let marker = AppliedRange::of(None, Some(Lsn(100)), Lsn(500)).unwrap();
    assert_eq!(
        marker,
        AppliedRange {
            from: Lsn(100),
            inclusive: true,
            upto: Lsn(500)
        }
    );
    assert_eq!(AppliedRange::of(None, None, Lsn(500)), None);
    let placed: Vec<Applied> = [99, 100, 101, 120, 121]
        .iter()
        .map(|end| origin.has(Lsn(*end)))
        .collect();
    assert_eq!(
        placed,
        [
            Applied::Yes,
            Applied::Unknown,
            Applied::Unknown,
            Applied::Unknown,
            Applied::No
        ]
    );
}

#[test]
fn the_marker_is_found_by_its_token() {
    let pair = keyed();
    let log = log(
        &pair,
        &[
            (10, 100, &["INSERT: id[integer]:1 v[integer]:7"]),
            (11, 200, &["UPDATE: id[integer]:1 v[integer]:8"]),
        ],
    );
    let name = QualifiedName::new("public", "t");
    assert_eq!(log.end_of(&name, "v", "8"), Some(Lsn(200)));
    assert_eq!(log.end_of(&name, "v", "9"), None);
}

/// Memory stays flat: first the rows are let go, the keys are kept.
#[test]
fn of_very_many_changes_only_the_keys_are_kept() {
    let pair = keyed();
    let wanted = wanted(&[&pair]);
    let mut log = ChangeLog::default();
    log.begin(10);
    for id in 0..40 {
        let line = format!(
            "table public.t: INSERT: id[integer]:{id} v[integer]:'{}'",
            "x".repeat(1 << 20)
        );
        log.add(parse(&line).unwrap().unwrap(), &wanted);
    }
    log.commit(Lsn(100));
    let all = shown(log.effects(&pair, &snapshot("10:10:"), exactly(100)));
    assert_eq!(all.len(), 40);
    let known = all
        .iter()
        .filter(|(_, then)| matches!(then, Then::Row(_)))
        .count();
    assert!((30..=33).contains(&known), "{known}");
}

/// Numbers start anew every four billion transactions, in both directions; what is as near to this side as to the other is
/// not moved.
#[test]
fn a_number_is_the_nearest_to_the_snapshot() {
    for (text, xid, visible) in [
        ("8589934500:8589934582:", 5, false),
        ("8589934500:8589934582:", 4_294_967_199, true),
        ("4294967296:4294967296:", 1 << 31, false),
        ("4294967296:4294967296:", (1 << 31) + 1, true),
        ("6442450949:6442450949:", 5, true),
        ("6442450949:6442450949:", 4, false),
    ] {
        assert_eq!(snapshot(text).sees(xid), visible, "{text} {xid}");
    }
    let seen = snapshot("100:120:100,110,111");
    assert_eq!((seen.xmax(), seen.running()), (120, &[100, 110, 111][..]));
    assert_eq!(seen.still_running(&snapshot("90:110:")), [100]);
}

/// A transaction that the source's snapshot has and the target's has not: nothing is known of what it wrote.
#[test]
fn what_only_the_older_snapshot_has_is_unknown() {
    let pair = keyed();
    let log = log(&pair, &[(50, 200, &["INSERT: id[integer]:1 v[integer]:2"])]);
    let effects = log.effects(&pair, &snapshot("100:100:"), exactly(100));
    assert_eq!(shown(effects), [("1".to_owned(), Then::Unknown)]);
}

/// Changes count in the order in which they were made, also when a row goes to another partition.
#[test]
fn a_row_that_moves_between_partitions_is_where_it_went() {
    let mut pair = keyed();
    let leaf = |name: &str| RelationInfo {
        name: name.into(),
        ..relation(Some(&["id"]), "d")
    };
    pair.source = vec![leaf("first"), leaf("second")];
    let wanted = wanted(&[&pair]);
    let mut log = ChangeLog::default();
    log.begin(200);
    for line in [
        "table public.second: DELETE: id[integer]:1",
        "table public.first: INSERT: id[integer]:1 v[integer]:2",
    ] {
        log.add(parse(line).unwrap().unwrap(), &wanted);
    }
    log.commit(Lsn(100));
    let effects = log.effects(&pair, &snapshot("100:100:"), exactly(100));
    assert_eq!(
        shown(effects),
        [("1".to_owned(), Then::Row(texts(&["1", "2"])))]
    );
}

#[test]
fn the_old_row_is_what_the_replica_identity_logs() {
    let update = "UPDATE: id[integer]:1 v[integer]:2";
    let delete = "DELETE: id[integer]:1 v[integer]:2";
    let effects = |pair: &TablePair, line| {
        log(pair, &[(200, 100, &[line])]).effects(pair, &snapshot("100:100:"), exactly(100))
    };
    let of = |identity: &str, columns: Option<&[&str]>| {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
        let mut pair = keyed();
        for relation in &mut pair.source {
            relation.replica_identity = identity.into();
            relation.primary_key = None;
            relation.identity_key = columns.map(names);
        }
        pair
    };
    for (pair, known) in [
        (of("i", Some(&["id"])), true),
        (of("i", Some(&["v"])), false),
        (of("f", None), true),
        (of("d", Some(&["id"])), false),
        (of("n", Some(&["id"])), false),
    ] {
        let found = effects(&pair, update);
        assert_eq!(found != Effects::Unknown(NO_IDENTITY), known, "{found:?}");
    }
    // Without a key the whole old row is needed, and what a server computes is in none.
    let mut computed = keyless("f");
    computed.columns[1].generated = (true, true);
    for (pair, known) in [
        (keyless("f"), true),
        (keyless("d"), false),
        (computed, false),
    ] {
        let found = effects(&pair, delete);
        assert_eq!(found != Effects::Unknown(NO_IDENTITY), known, "{found:?}");
    }
}

/// The line shows NULL for a virtual generated column, whatever its value is.
#[test]
fn the_null_of_a_virtual_generated_column_is_no_value() {
    let with = |mut pair: TablePair| {
        pair.columns[1].is_virtual = true;
        pair
    };
    let of = |pair: &TablePair, line: &str| {
        log(pair, &[(5, 10, &[line])]).effects(pair, &snapshot("5:5:"), exactly(10))
    };
    for line in [
        "INSERT: id[integer]:1 v[integer]:null",
        "UPDATE: id[integer]:1 v[integer]:null",
    ] {
        let pair = with(keyed());
        assert_eq!(
            shown(of(&pair, line)),
            [("1".to_owned(), Then::Unknown)],
            "{line}"
        );
        let pair = with(keyless("f"));
        assert_eq!(of(&pair, line), Effects::Unknown(VIRTUAL), "{line}");
    }
    let gone = of(&with(keyed()), "DELETE: id[integer]:1");
    assert_eq!(shown(gone), [("1".to_owned(), Then::Absent)]);
    // Nothing was written.
    let pair = with(keyless("f"));
    let none = log(&pair, &[]).effects(&pair, &snapshot("5:5:"), exactly(10));
    assert_eq!(none, Effects::Known(Vec::new()));
}
