//! Canonical forms: which expression digests which type, on which versions.

use super::*;
use crate::verify::types::{FieldInfo, SendFunction};

fn base(oid: u32, name: &str, send: &str) -> TypeInfo {
    TypeInfo {
        oid,
        schema: "pg_catalog".into(),
        name: name.into(),
        kind: "b".into(),
        base: None,
        element: None,
        subtype: None,
        send: Some(SendFunction {
            schema: "pg_catalog".into(),
            name: send.into(),
            argument: oid,
        }),
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
        send: base(oid, "a", "array_send").send,
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
    let citext = TypeInfo {
        send: base(25, "", "textsend").send,
        ..own(shift + 3, "citext", "b")
    };
    let positive = TypeInfo {
        base: Some(23),
        ..own(shift + 4, "positive", "d")
    };
    let pair = TypeInfo {
        fields: vec![
            FieldInfo {
                name: "x".into(),
                type_oid: 701,
            },
            FieldInfo {
                name: "m".into(),
                type_oid: shift + 1,
            },
        ],
        ..own(shift + 5, "pair", "c")
    };
    let floats = TypeInfo {
        subtype: Some(701),
        send: base(0, "", "range_send").send,
        ..own(shift + 6, "floats", "r")
    };
    let moods = TypeInfo {
        subtype: Some(shift + 1),
        ..own(shift + 7, "moods", "r")
    };
    let odd = TypeInfo {
        send: None,
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
    let hash = canon.hash(Side::Source, 7);
    let send = canon.sql(Side::Source, Flavour::Send);
    assert_eq!(hash, canon.hash(Side::Target, 7));
    assert_ne!(hash, canon.hash(Side::Source, 8));
    assert_eq!(send, canon.sql(Side::Target, Flavour::Send));
    (hash, send)
}

#[test]
fn built_in_types_are_hashed_so_that_no_bit_is_lost() {
    for (oid, parts) in [
        (23, &["hashint4extended(\"c\", "][..]),
        // Eight-byte hashes fold to 32 bits: the upper half goes into the seed.
        (
            20,
            &["hashint8extended(\"c\", ", "hashint8extended(\"c\" >> 32, "],
        ),
        // Floats hash -0 like 0, char(n) ignores blanks at its end.
        (
            701,
            &["\"c\" = '0'", "hashtextextended(", "hashfloat8extended("],
        ),
        (1042, &["hashbpcharextended(", "octet_length(\"c\")"]),
        // A fold whose upper half cannot be had: bytes.
        (
            1114,
            &["hash_array_extended(ARRAY[\"pg_catalog\".\"timestamp_send\"((\"c\"))], "],
        ),
        (25, &["hashtextextended((\"c\") COLLATE pg_catalog.\"C\", "]),
        (
            2205,
            &["hashtextextended(((\"c\")::pg_catalog.text) COLLATE"],
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
    assert_eq!(both_flavours(23, 23).1, "\"c\"");
    assert_eq!(both_flavours(2205, 2205).1, "(\"c\")::pg_catalog.text");
}

#[test]
fn seeds_of_columns_do_not_meet() {
    let (canon, ..) = pair(23, 23, Encoding::Same);
    let mut all = std::collections::BTreeSet::new();
    for salt in [1_u64, 2, 3] {
        for column in 0..1600_u64 {
            assert!(all.insert(canon.hash(Side::Source, salt << 32 | column)));
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
        let sql = canon.sql(Side::Source, Flavour::Bytes);
        assert!(sql.contains("send"), "{source}: {sql}");
    }
}

#[test]
fn no_number_of_one_server_reaches_the_image() {
    let user = [1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15];
    for kind in user {
        let (hash, send) = both_flavours(20_000 + kind, 50_000 + kind);
        assert_ne!(
            send, "\"c\"",
            "type {kind} must not be sent under its own number"
        );
        assert_ne!(hash, "\"c\"");
    }
    let (_, enums) = both_flavours(20_011, 50_011);
    assert_eq!(enums, "(\"c\")::pg_catalog.\"text\"[]");
    let (_, domain) = both_flavours(20_004, 50_004);
    assert_eq!(domain, "(\"c\")::\"pg_catalog\".\"int4\"");
    let (_, domains) = both_flavours(20_014, 50_014);
    assert_eq!(domains, "(\"c\")::\"pg_catalog\".\"int4\"[]");
    let (_, citext) = both_flavours(20_003, 50_003);
    assert_eq!(
        citext,
        "\"pg_catalog\".\"textsend\"((\"c\")::\"pg_catalog\".\"text\")"
    );
    let (_, ranges) = both_flavours(20_006, 50_006);
    assert_eq!(ranges, "\"pg_catalog\".\"range_send\"((\"c\"))");
    let (_, of_enums) = both_flavours(20_007, 50_007);
    assert_eq!(of_enums, "(\"c\")::pg_catalog.text");
    let (_, composite) = both_flavours(20_005, 50_005);
    assert!(
        composite.contains("ROW((\"c\").\"x\", ((\"c\").\"m\")::pg_catalog.text)"),
        "{composite}"
    );
    let (_, elements) = both_flavours(20_015, 50_015);
    assert!(elements.contains("array_dims(\"c\")"), "{elements}");
}

#[test]
fn a_domain_equals_its_base_and_other_types_do_not_equal() {
    let (canon, ..) = pair(20_004, 23, Encoding::Same);
    assert_eq!(canon.sql(Side::Target, Flavour::Send), "\"c\"");
    assert_eq!(
        canon.sql(Side::Source, Flavour::Send),
        "(\"c\")::\"pg_catalog\".\"int4\""
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
fn text_is_converted_or_compared_raw_when_encodings_differ() {
    let (canon, ..) = pair(25, 25, Encoding::Converted);
    assert!(
        canon
            .sql(Side::Source, Flavour::Bytes)
            .starts_with("pg_catalog.textsend(")
    );
    assert!(
        canon
            .hash(Side::Source, 1)
            .contains("ARRAY[pg_catalog.textsend(")
    );
    let (canon, ..) = pair(25, 25, Encoding::Raw);
    assert!(
        canon
            .hash(Side::Source, 1)
            .contains("ARRAY[pg_catalog.convert_to(")
    );
    let raw = canon.sql(Side::Source, Flavour::Send);
    assert_eq!(
        raw,
        "pg_catalog.convert_to((\"c\")::pg_catalog.text, 'SQL_ASCII')"
    );
    let (canon, ..) = pair(1042, 1042, Encoding::Raw);
    assert!(
        canon
            .sql(Side::Source, Flavour::Send)
            .contains("concat(\"c\")")
    );
}
