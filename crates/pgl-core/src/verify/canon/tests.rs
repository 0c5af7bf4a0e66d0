//! Canonical forms: which expression digests which type, on which versions.

use super::*;
use crate::verify::types::FieldInfo;

fn base(oid: u32, name: &str, send: &str) -> TypeInfo {
    TypeInfo {
        oid,
        schema: "pg_catalog".into(),
        name: name.into(),
        kind: "b".into(),
        base: None,
        element: None,
        subtype: None,
        typmod: -1,
        sends: true,
        send: send.into(),
        fields: Vec::new(),
    }
}

fn own(oid: u32, name: &str, kind: &str) -> TypeInfo {
    TypeInfo {
        schema: "app".into(),
        kind: kind.into(),
        ..base(oid, name, "x_send")
    }
}

fn array(oid: u32, element: &TypeInfo) -> TypeInfo {
    TypeInfo {
        oid,
        schema: element.schema.clone(),
        name: format!("_{}", element.name),
        element: Some(element.oid),
        kind: "b".into(),
        ..element.clone()
    }
}

/// The catalog of one server; `shift` moves the numbers of user-made types.
fn catalog(shift: u32) -> Types {
    let int8 = base(20, "int8", "int8send");
    let int4 = base(23, "int4", "int4send");
    let text = base(25, "text", "textsend");
    let float8 = base(701, "float8", "float8send");
    let mood = own(shift + 1, "mood", "e");
    let hstore = own(shift + 2, "hstore", "b");
    let citext = own(shift + 3, "citext", "b");
    let positive = TypeInfo {
        base: Some(23),
        ..own(shift + 4, "positive", "d")
    };
    let pair = TypeInfo {
        fields: vec![
            FieldInfo {
                name: "x".into(),
                type_oid: 701,
                typmod: -1,
            },
            FieldInfo {
                name: "m".into(),
                type_oid: shift + 1,
                typmod: -1,
            },
        ],
        ..own(shift + 5, "pair", "c")
    };
    let floats = TypeInfo {
        subtype: Some(701),
        ..own(shift + 6, "floats", "r")
    };
    let moods = TypeInfo {
        subtype: Some(shift + 1),
        ..own(shift + 7, "moods", "r")
    };
    let odd = TypeInfo {
        sends: false,
        ..own(shift + 8, "odd", "b")
    };
    let arrays = [
        array(1016, &int8),
        array(shift + 11, &mood),
        array(shift + 12, &hstore),
        array(shift + 14, &positive),
        array(shift + 15, &pair),
    ];
    let simple = [
        int8,
        int4,
        text,
        float8,
        base(1042, "bpchar", "bpcharsend"),
        base(2205, "regclass", "regclasssend"),
        base(1114, "timestamp", "timestamp_send"),
        mood,
        hstore,
        citext,
        positive,
        pair,
        floats,
        moods,
        odd,
    ];
    Types::new(simple.into_iter().chain(arrays))
}

fn column(type_oid: u32) -> ColumnInfo {
    ColumnInfo {
        name: "c".into(),
        type_oid,
        typmod: -1,
        shown: format!("type {type_oid}"),
        generated: false,
    }
}

fn pair(source: u32, target: u32, encoding: Encoding) -> (Canon, Types, Types) {
    let (one, two) = (catalog(20_000), catalog(50_000));
    let canon = Canon::of((&column(source), &one), (&column(target), &two), encoding).unwrap();
    (canon, one, two)
}

fn both_flavours(source: u32, target: u32) -> (String, String) {
    let (canon, ..) = pair(source, target, Encoding::Same);
    let hash = canon.hash(Side::Source, 7, "t");
    let send = canon.sql(Side::Source, Flavour::Send, "t");
    assert_eq!(hash, canon.hash(Side::Target, 7, "t"));
    assert_ne!(hash, canon.hash(Side::Source, 8, "t"));
    assert_eq!(send, canon.sql(Side::Target, Flavour::Send, "t"));
    (hash, send)
}

#[test]
fn built_in_types_are_hashed_so_that_no_bit_is_lost() {
    for (oid, parts) in [
        (23, &["hashint4extended(t.\"c\", "][..]),
        // Eight-byte hashes fold to 32 bits: the upper half goes into the seed.
        (
            20,
            &[
                "hashint8extended(t.\"c\", ",
                "hashint8extended(t.\"c\" OPERATOR(pg_catalog.>>) 32, ",
            ],
        ),
        // Floats hash -0 like 0, char(n) ignores blanks at its end.
        (
            701,
            &[
                "t.\"c\" OPERATOR(pg_catalog.=) '0'",
                "hashtextextended(",
                "hashfloat8extended(",
            ],
        ),
        (1042, &["hashbpcharextended(", "octet_length(t.\"c\")"]),
        // A fold whose upper half cannot be had: bytes.
        (
            1114,
            &["hash_array_extended(ARRAY[pg_catalog.\"timestamp_send\"(t.\"c\")], "],
        ),
        (
            25,
            &["hashtextextended((t.\"c\") COLLATE pg_catalog.\"C\", "],
        ),
        (
            2205,
            &["hashtextextended((CASE WHEN pg_catalog.pg_column_size(t.\"c\")"],
        ),
    ] {
        let (hash, _) = both_flavours(oid, oid);
        for part in parts {
            assert!(hash.contains(part), "{oid}: {hash}");
        }
        // Never NULL: a sum would pass over the row.
        assert!(
            hash.starts_with("coalesce(") || hash.contains("ARRAY["),
            "{hash}"
        );
    }
    assert_eq!(both_flavours(23, 23).1, "t.\"c\"");
}

#[test]
fn seeds_of_columns_do_not_meet() {
    let (canon, ..) = pair(23, 23, Encoding::Same);
    let mut all = std::collections::BTreeSet::new();
    for salt in [1_u64, 2, 3] {
        for column in 0..1600_u64 {
            assert!(all.insert(canon.hash(Side::Source, salt << 32 | column, "t")));
        }
    }
}

#[test]
fn bytes_are_bytes_for_every_type() {
    for (source, target) in [
        (23, 23),
        (20, 20),
        (25, 25),
        (1042, 1042),
        (2205, 2205),
        (1016, 1016),
    ]
    .into_iter()
    .chain([1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15].map(|kind| (20_000 + kind, 50_000 + kind)))
    {
        let (canon, ..) = pair(source, target, Encoding::Same);
        let sql = canon.sql(Side::Source, Flavour::Bytes, "t");
        assert!(sql.contains("send"), "{source}: {sql}");
    }
}

#[test]
fn no_number_of_one_server_reaches_the_image() {
    let user = [1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15];
    for kind in user {
        let (hash, send) = both_flavours(20_000 + kind, 50_000 + kind);
        assert_ne!(
            send, "t.\"c\"",
            "type {kind} must not be sent under its own number"
        );
        assert_ne!(hash, "t.\"c\"");
    }
    let send = |kind: u32| both_flavours(20_000 + kind, 50_000 + kind).1;
    let zeroed = "pg_catalog.\"overlay\"(pg_catalog.array_send(t.\"c\"), \
        '\\x00000000'::pg_catalog.bytea, 9, 4)";
    assert_eq!(send(1), "pg_catalog.enum_send(t.\"c\")");
    assert_eq!(send(11), zeroed);
    assert_eq!(send(14), zeroed);
    assert_eq!(send(4), "(t.\"c\")::\"pg_catalog\".\"int4\"");
    let bytes = "pg_catalog.substr(pg_catalog.record_send(ROW(t.\"c\")), 9)";
    for kind in [2, 3, 6, 7] {
        assert_eq!(send(kind), bytes);
    }
    // No send function: what is printed.
    assert!(send(8).contains("pg_catalog.format('%s', t.\"c\")"));
    assert!(
        send(5).contains("ROW((t.\"c\").\"x\", pg_catalog.enum_send((t.\"c\").\"m\"))"),
        "{}",
        send(5)
    );
    assert!(send(15).contains("array_dims(t.\"c\")"), "{}", send(15));
}

/// A cast from or to a user's type can be somebody's function; so can an operator that a search path finds, and what a
/// column's name says can be the name of anything.
#[test]
fn no_expression_runs_code_of_a_user() {
    let built_in = ["text", "int4", "bytea", "date"];
    for encoding in [Encoding::Same, Encoding::Converted, Encoding::Raw] {
        for kind in [1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15] {
            let (canon, ..) = pair(20_000 + kind, 50_000 + kind, encoding);
            for sql in [
                canon.hash(Side::Source, 1, "t"),
                canon.sql(Side::Source, Flavour::Send, "t"),
                canon.sql(Side::Source, Flavour::Bytes, "t"),
            ] {
                for (at, _) in sql.match_indices("::") {
                    let to = sql[at + 2..].replace('"', "");
                    let known = |name: &&str| to.starts_with(&format!("pg_catalog.{name}"));
                    assert!(built_in.iter().any(known), "{kind}: {sql}");
                }
                assert!(!sql.contains("app."), "{kind}: {sql}");
                for bare in [" = ", " || ", " <> ", " # ", " >> "] {
                    assert!(!sql.contains(bare), "{kind}: {sql}");
                }
                let columns = sql.matches("\"c\"").count();
                assert_eq!(columns, sql.matches("t.\"c\"").count(), "{kind}: {sql}");
            }
        }
    }
}

#[test]
fn a_domain_equals_its_base_and_other_types_do_not_equal() {
    let (canon, ..) = pair(20_004, 23, Encoding::Same);
    assert_eq!(canon.sql(Side::Target, Flavour::Send, "t"), "t.\"c\"");
    assert_eq!(
        canon.sql(Side::Source, Flavour::Send, "t"),
        "(t.\"c\")::\"pg_catalog\".\"int4\""
    );
    let (one, two) = (catalog(20_000), catalog(50_000));
    for (source, target) in [(23, 20), (25, 23), (20_001, 25), (20_002, 50_003)] {
        let found = Canon::of(
            (&column(source), &one),
            (&column(target), &two),
            Encoding::Same,
        );
        assert!(
            matches!(found, Err(Mismatch::Types { .. })),
            "{source} {target}"
        );
    }
}

#[test]
fn between_encodings_text_is_converted_and_otherwise_its_bytes_count() {
    assert_eq!(Encoding::between("UTF8", "UTF8"), Encoding::Same);
    assert_eq!(Encoding::between("LATIN1", "UTF8"), Encoding::Converted);
    for (one, two) in [
        ("SQL_ASCII", "UTF8"),
        ("UTF8", "SQL_ASCII"),
        ("SQL_ASCII", "SQL_ASCII"),
        ("WIN1252", "WIN1252"),
    ] {
        assert_eq!(Encoding::between(one, two), Encoding::Raw);
    }
    let (canon, ..) = pair(25, 25, Encoding::Converted);
    let hash = canon.hash(Side::Source, 1, "t");
    assert!(hash.contains("ARRAY[pg_catalog.\"textsend\"("), "{hash}");
    let (canon, ..) = pair(25, 25, Encoding::Raw);
    assert_eq!(
        canon.sql(Side::Source, Flavour::Send, "t"),
        "pg_catalog.convert_to(t.\"c\", 'SQL_ASCII')"
    );
    assert!(!canon.hash(Side::Source, 1, "t").contains("convert_to"));
    // Everything that may hold text, whatever its type.
    for kind in [1, 2, 3, 7, 8, 11, 12] {
        let (canon, ..) = pair(20_000 + kind, 50_000 + kind, Encoding::Raw);
        let sql = canon.sql(Side::Source, Flavour::Bytes, "t");
        assert!(sql.starts_with("pg_catalog.convert_to("), "{kind}: {sql}");
        assert!(canon.holds_text());
        assert_eq!(canon.comparable(Side::Source, "t"), None);
    }
    // What holds none is not touched.
    for oid in [23, 20, 701, 1016] {
        let (canon, ..) = pair(oid, oid, Encoding::Raw);
        assert_eq!(canon.sql(Side::Source, Flavour::Send, "t"), "t.\"c\"");
        assert!(!canon.holds_text());
    }
}

/// Two servers that pad to the same length in bytes and in characters hold the same value.
#[test]
fn padding_counts_only_where_the_type_does_not_say_it() {
    let catalogs = (catalog(20_000), catalog(50_000));
    let with = |one: i32, two: i32| {
        let column = |typmod| ColumnInfo {
            typmod,
            ..column(1042)
        };
        Canon::of(
            (&column(one), &catalogs.0),
            (&column(two), &catalogs.1),
            Encoding::Raw,
        )
        .unwrap()
        .sql(Side::Source, Flavour::Send, "t")
    };
    assert_eq!(
        with(9, 9),
        "pg_catalog.convert_to((t.\"c\")::pg_catalog.text, 'SQL_ASCII')"
    );
    for padded in [with(-1, -1), with(9, 10)] {
        assert!(padded.contains("format('%s', t.\"c\")"), "{padded}");
    }
}

#[test]
fn keys_are_looked_up_by_operators_of_pg_catalog_only() {
    let comparable = |kind: u32| {
        let (canon, ..) = pair(kind, kind + 30_000, Encoding::Same);
        canon.comparable(Side::Source, "t")
    };
    assert_eq!(
        comparable(20_004).as_deref(),
        Some("(t.\"c\")::\"pg_catalog\".\"int4\"")
    );
    for kind in [1, 2, 3, 5, 6, 7, 8, 11, 12, 14, 15] {
        assert_eq!(comparable(20_000 + kind), None, "{kind}");
    }
}

#[test]
fn texts_become_values_without_a_check_of_a_domain() {
    let types = catalog(20_000);
    let input = |oid| types.input(oid);
    assert_eq!(input(23).as_deref(), Some("\"pg_catalog\".\"int4\""));
    assert_eq!(input(20_001).as_deref(), Some("\"app\".\"mood\""));
    assert_eq!(input(20_004).as_deref(), Some("\"pg_catalog\".\"int4\""));
    assert_eq!(input(20_014).as_deref(), Some("\"pg_catalog\".\"int4\"[]"));
    assert_eq!(input(20_005).as_deref(), Some("\"app\".\"pair\""));
    let mut pair = own(9, "inner", "c");
    pair.fields = vec![FieldInfo {
        name: "p".into(),
        type_oid: 8,
        typmod: -1,
    }];
    let domain = TypeInfo {
        base: Some(7),
        ..own(8, "positive", "d")
    };
    let range = TypeInfo {
        subtype: Some(8),
        ..own(10, "span", "r")
    };
    let types = Types::new([
        base(7, "int4", "int4send"),
        array(11, &pair),
        domain,
        pair,
        range,
    ]);
    for oid in [9, 10, 11, 99] {
        assert_eq!(types.input(oid), None, "{oid}");
    }
}
