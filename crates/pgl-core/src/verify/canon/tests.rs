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
        is_virtual: false,
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
        // A fold whose upper half cannot be had: bytes, as their hexadecimal digits.
        (
            1114,
            &["hashtextextended(((pg_catalog.\"timestamp_send\"(t.\"c\"))::pg_catalog.text)"],
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
        '\\x0000000000000000'::pg_catalog.bytea, 5, 8)";
    assert_eq!(send(1), "pg_catalog.enum_send(t.\"c\")");
    assert_eq!(send(11), zeroed);
    assert_eq!(send(14), zeroed);
    assert_eq!(send(4), "(t.\"c\")::\"pg_catalog\".\"int4\"");
    let bytes = "pg_catalog.substr(pg_catalog.record_send(ROW(t.\"c\")), 9)";
    for kind in [2, 3, 7] {
        assert_eq!(send(kind), bytes);
    }
    for part in ["isempty", "lower_inc", "lower", "upper", "upper_inc"] {
        assert!(send(6).contains(&format!("pg_catalog.{part}(t.\"c\")")));
    }
    // No send function: what is printed.
    assert!(send(8).contains("pg_catalog.format('%s', t.\"c\")"));
    assert!(
        send(5).contains("ELSE (t.\"c\").\"x\" END, pg_catalog.enum_send((t.\"c\").\"m\"))"),
        "{}",
        send(5)
    );
    assert!(send(15).contains("array_dims(t.\"c\")"), "{}", send(15));
}

/// A cast from or to a user's type can be somebody's function; so can an operator that a search path finds, and what a
/// column's name says can be the name of anything.
#[test]
fn no_expression_runs_code_of_a_user() {
    let built_in = ["text", "int4", "bytea", "date", "float8"];
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
            matches!(found, Err(TypeMismatch::Types { .. })),
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
        let sql = canon.sql(Side::Source, Flavour::Send, "t");
        assert!(!sql.contains("convert_to") && !canon.holds_text(), "{sql}");
    }
}

/// A flag of an array that its elements imply, bit patterns of NaN; also where a type's own send function would write them.
#[test]
fn what_is_stored_in_several_ways_is_sent_in_one() {
    let send = |oid: u32| both_flavours(oid, oid).1;
    assert!(send(1016).starts_with("pg_catalog.\"overlay\"(pg_catalog.array_send(t.\"c\"), "));
    assert_eq!(
        send(701),
        "CASE WHEN t.\"c\" OPERATOR(pg_catalog.=) 'NaN' THEN \
         ((t.\"c\")::pg_catalog.text)::pg_catalog.\"float8\" ELSE t.\"c\" END"
    );
    let nan = |name, array| one_nan(name, array, "x");
    assert!(
        nan("float4", "[]").contains("'NaN'::pg_catalog.float4 OPERATOR(pg_catalog.=) ANY (x)")
    );
    assert!(nan("point", "").contains("(x)[0] OPERATOR(pg_catalog.=) 'NaN' OR (x)[1] "));
    for (name, array) in [("point", "[]"), ("polygon", "")] {
        let sql = nan(name, array);
        assert!(sql.contains("strpos((x)::pg_catalog.text, 'NaN')"), "{sql}");
        assert!(
            sql.contains(&format!("::pg_catalog.\"{name}\"{array} ELSE x")),
            "{sql}"
        );
    }
    assert_eq!(nan("numeric", "[]"), "x");
}

/// As that of text is for `refcursor`.
#[test]
fn a_send_function_of_another_type_is_not_called_by_its_name() {
    let catalogs = [1, 2].map(|_| Types::new([base(1790, "refcursor", "")]));
    let column = column(1790);
    let canon =
        |encoding| Canon::of((&column, &catalogs[0]), (&column, &catalogs[1]), encoding).unwrap();
    for encoding in [Encoding::Same, Encoding::Converted] {
        let hash = canon(encoding).hash(Side::Source, 1, "t");
        assert!(hash.contains("record_send(ROW(t.\"c\"))"), "{hash}");
    }
    assert!(canon(Encoding::Raw).holds_text());
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
    // Of arrays there is no array.
    let numbers = base(7, "int4", "int4send");
    let row = TypeInfo {
        base: Some(12),
        ..own(13, "numbers", "d")
    };
    let types = Types::new([
        array(11, &pair),
        array(12, &numbers),
        array(14, &row),
        row,
        numbers,
        domain,
        pair,
        range,
    ]);
    assert!(types.input(13).is_some());
    for oid in [9, 10, 11, 14, 99] {
        assert_eq!(types.input(oid), None, "{oid}");
    }
}

/// The forms of a column of the types with these numbers, as SQL that is sent.
fn sent(
    (source, one): (&Types, u32),
    (target, two): (&Types, u32),
    encoding: Encoding,
) -> Result<(String, String), TypeMismatch> {
    let canon = Canon::of((&column(one), source), (&column(two), target), encoding)?;
    let sql = |side| canon.sql(side, Flavour::Send, "t");
    Ok((sql(Side::Source), sql(Side::Target)))
}

#[test]
fn only_types_that_are_alike_are_compared() {
    let like = |info: &TypeInfo, kind: &str| TypeInfo {
        kind: kind.into(),
        ..info.clone()
    };
    let x = own(9, "x", "e");
    let one = Types::new([x.clone()]);
    for other in [
        like(&x, "c"),
        like(&x, "b"),
        TypeInfo {
            element: Some(9),
            ..x.clone()
        },
    ] {
        let two = Types::new([other]);
        let found = sent((&one, 9), (&two, 9), Encoding::Same);
        assert!(
            matches!(found, Err(TypeMismatch::Types { .. })),
            "{found:?}"
        );
    }
}

/// Types that lead to themselves end, and so does a chain that is too long; the last level that is allowed is compared.
#[test]
fn types_inside_types_are_followed_so_far_and_no_further() {
    let field = |oid| FieldInfo {
        name: "f".into(),
        type_oid: oid,
        typmod: -1,
    };
    let composite = |oid, of| TypeInfo {
        fields: vec![field(of)],
        ..own(oid, &format!("t{oid}"), "c")
    };
    let domain = |oid, of| TypeInfo {
        base: Some(of),
        ..own(oid, &format!("t{oid}"), "d")
    };
    let range = |oid, of| TypeInfo {
        subtype: Some(of),
        ..own(oid, &format!("t{oid}"), "r")
    };
    let list = |oid, of| TypeInfo {
        element: Some(of),
        ..own(oid, &format!("t{oid}"), "b")
    };
    let known = |types: Types| {
        let found = sent((&types, 100), (&types, 100), Encoding::Same);
        assert!(!matches!(found, Err(TypeMismatch::Types { .. })));
        found.is_ok()
    };
    for itself in [
        composite(100, 100),
        domain(100, 100),
        range(100, 100),
        list(100, 100),
    ] {
        assert!(!known(Types::new([itself])));
    }
    type Make<'a> = &'a dyn Fn(u32, u32) -> TypeInfo;
    let kinds: [(Make<'_>, Make<'_>); 4] = [
        (&composite, &composite),
        (&domain, &composite),
        (&range, &range),
        (&list, &list),
    ];
    for (even, odd) in kinds {
        let chain = |levels: u32| {
            let make = |at: u32| match at % 2 {
                0 => even(100 + at, 101 + at),
                _ => odd(100 + at, 101 + at),
            };
            let last = TypeInfo {
                oid: 100 + levels,
                ..base(0, "int4", "int4send")
            };
            known(Types::new((0..levels).map(make).chain([last])))
        };
        let most = u32::try_from(MAX_DEPTH).unwrap();
        assert!(chain(most));
        assert!(!chain(most + 1));
    }
}

#[test]
fn what_has_no_send_function_on_one_side_is_compared_as_it_is_printed() {
    let printed = "pg_catalog.format('%s', t.\"c\")";
    let float8 = base(701, "float8", "float8send");
    for whole in [
        own(9, "own", "b"),
        base(9, "timestamp", "timestamp_send"),
        TypeInfo {
            subtype: Some(701),
            ..own(9, "floats", "r")
        },
    ] {
        let mute = TypeInfo {
            sends: false,
            ..whole.clone()
        };
        for (one, two) in [(&whole, &mute), (&mute, &whole), (&mute, &mute)] {
            let (one, two) = (
                Types::new([one.clone(), float8.clone()]),
                Types::new([two.clone(), float8.clone()]),
            );
            let (source, target) = sent((&one, 9), (&two, 9), Encoding::Same).unwrap();
            assert!(
                source.contains(printed) && target.contains(printed),
                "{source}"
            );
        }
        let types = Types::new([whole, float8.clone()]);
        let (source, _) = sent((&types, 9), (&types, 9), Encoding::Same).unwrap();
        assert!(!source.contains(printed), "{source}");
    }
}

/// A domain's number is not its base type's: an array of it is not the array of that.
#[test]
fn arrays_of_a_domain_are_those_of_its_base_type_but_for_a_number() {
    let (int4, positive) = (base(23, "int4", "int4send"), own(9, "positive", "d"));
    let domain = TypeInfo {
        base: Some(23),
        ..positive.clone()
    };
    let types = Types::new([int4.clone(), domain, array(10, &int4), array(11, &positive)]);
    for (one, two) in [(10, 11), (11, 10), (11, 11), (10, 10)] {
        let (source, target) = sent((&types, one), (&types, two), Encoding::Same).unwrap();
        assert!(source.contains("overlay"), "{source}");
        assert_eq!(source, target);
    }
}

#[test]
fn what_is_sorted_by_bytes_is_a_set_between_encodings_only() {
    let types = Types::new([
        base(3802, "jsonb", "jsonb_send"),
        base(3614, "tsvector", "tsvectorsend"),
        own(9, "hstore", "b"),
        own(10, "citext", "b"),
    ]);
    let form = |oid, encoding| sent((&types, oid), (&types, oid), encoding).unwrap().0;
    for (oid, part) in [
        (3802, "jsonb_each"),
        (3614, "lexeme"),
        (9, "regexp_matches"),
    ] {
        assert!(form(oid, Encoding::Converted).contains(part));
        for encoding in [Encoding::Same, Encoding::Raw] {
            assert!(!form(oid, encoding).contains(part));
        }
    }
    assert!(!form(10, Encoding::Converted).contains("regexp_matches"));
}

#[test]
fn keys_and_names_are_those_of_the_column() {
    for (oid, encoding, by_index) in [
        (23, Encoding::Same, true),
        (25, Encoding::Same, true),
        (25, Encoding::Converted, true),
        (25, Encoding::Raw, false),
        (23, Encoding::Raw, true),
        (701, Encoding::Raw, true),
    ] {
        let (canon, ..) = pair(oid, oid, encoding);
        let expected = by_index.then(|| "t.\"c\"".to_owned());
        assert_eq!(canon.comparable(Side::Source, "t"), expected, "{oid}");
        assert_eq!(canon.column(), "\"c\"");
    }
    // A range of numbers holds no text; a label does.
    let (floats, ..) = pair(20_006, 50_006, Encoding::Raw);
    assert!(!floats.holds_text());
    let (mood, ..) = pair(20_001, 50_001, Encoding::Raw);
    let sql = mood.sql(Side::Source, Flavour::Send, "t");
    assert!(sql.contains("enum_out"), "{sql}");
    // Those of parts in a form of their own are asked for each part.
    for kind in [5, 15] {
        let (parts, ..) = pair(20_000 + kind, 50_000 + kind, Encoding::Raw);
        assert!(parts.holds_text());
    }
}

/// The function of each type, and the same number for the same seed.
#[test]
fn each_type_has_its_hash() {
    for (name, part) in [
        ("int2", "pg_catalog.hashint2extended(t.\"c\", "),
        ("int4", "pg_catalog.hashint4extended(t.\"c\", "),
        ("oid", "pg_catalog.hashoidextended("),
        ("char", "pg_catalog.hashcharextended("),
        ("uuid", "pg_catalog.uuid_hash_extended("),
        ("float4", "pg_catalog.hashfloat4extended("),
        ("numeric", "pg_catalog.hash_numeric_extended(t.\"c\", "),
        (
            "numeric",
            "coalesce(coalesce(pg_catalog.hashint4extended(CASE ",
        ),
        ("date", "isfinite(t.\"c\")"),
        ("bool", "CASE WHEN t.\"c\" THEN "),
        ("varchar", "hashtextextended((t.\"c\") COLLATE"),
        ("json", "hashtextextended(((t.\"c\")::pg_catalog.text)"),
        ("jsonb", "hashtextextended(((t.\"c\")::pg_catalog.text)"),
        (
            "interval",
            "hashtextextended(((pg_catalog.\"x_send\"(t.\"c\"))::pg_catalog.text)",
        ),
    ] {
        let types = Types::new([base(9, name, "x_send")]);
        let hash = Canon::of((&column(9), &types), (&column(9), &types), Encoding::Same)
            .unwrap()
            .hash(Side::Source, 7, "t");
        assert!(hash.contains(part), "{name}: {hash}");
    }
    let hash = |oid, encoding| pair(oid, oid, encoding).0.hash(Side::Source, 7, "t");
    for encoding in [Encoding::Same, Encoding::Converted, Encoding::Raw] {
        assert_eq!(
            hash(23, encoding),
            "coalesce(pg_catalog.hashint4extended(t.\"c\", 1797773499734721397), 2033445098035557054)"
        );
    }
    // Between encodings text is its bytes in UTF-8, and where there is no encoding its bytes.
    for (oid, encoding, part) in [
        (
            25,
            Encoding::Converted,
            "hash_array_extended(ARRAY[pg_catalog.\"textsend\"(t.\"c\")]",
        ),
        (1042, Encoding::Converted, "hash_array_extended("),
        (2205, Encoding::Converted, "hash_array_extended("),
        (25, Encoding::Raw, "hashtextextended((t.\"c\") COLLATE"),
        (1042, Encoding::Raw, "hashbpcharextended("),
        (1114, Encoding::Raw, "hashtextextended("),
    ] {
        let found = hash(oid, encoding);
        assert!(found.contains(part), "{oid}: {found}");
    }
    let own = |kind: u32, encoding| {
        let (canon, ..) = pair(20_000 + kind, 50_000 + kind, encoding);
        canon.hash(Side::Source, 7, "t")
    };
    for (kind, encoding, part) in [
        (1, Encoding::Raw, "hashtextextended("),
        (1, Encoding::Converted, "enum_send("),
        (2, Encoding::Raw, "hashtextextended("),
        (2, Encoding::Same, "hash_array_extended("),
        (6, Encoding::Raw, "hash_array_extended("),
        (8, Encoding::Same, "hashtextextended("),
        (8, Encoding::Converted, "textsend("),
    ] {
        let found = own(kind, encoding);
        assert!(found.contains(part), "{kind}: {found}");
    }
    let types = Types::new([base(3614, "tsvector", "tsvectorsend")]);
    for (encoding, part) in [
        (Encoding::Raw, "hashtextextended("),
        (Encoding::Same, "hash_array_extended("),
    ] {
        let canon = Canon::of((&column(3614), &types), (&column(3614), &types), encoding).unwrap();
        let found = canon.hash(Side::Source, 7, "t");
        assert!(found.contains(part), "{found}");
    }
    let types = Types::new([base(16, "bool", "boolsend")]);
    let found = Canon::of((&column(16), &types), (&column(16), &types), Encoding::Same)
        .unwrap()
        .hash(Side::Source, 7, "t");
    let numbers: std::collections::BTreeSet<&str> = found
        .split(' ')
        .filter(|word| word.parse::<u64>().is_ok())
        .collect();
    assert_eq!(numbers.len(), 3, "{found}");
}
