//! Archives of pg_dump in the fixtures, and texts that look like something else.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// The same database, dumped by pg_dump 13 and 18; beside each what pg_restore makes of it.
const ARCHIVES: [(&[u8], &str); 2] = [
    (
        include_bytes!("../fixtures/archive-1.14.dump"),
        include_str!("../fixtures/restored-1.14.txt"),
    ),
    (
        include_bytes!("../fixtures/archive-1.16.dump"),
        include_str!("../fixtures/restored-1.16.txt"),
    ),
];

fn work() -> Vec<Work> {
    let entries = read(ARCHIVES[0].0, Tablespaces::Keep).unwrap();
    let identity = |class, oid, bytes| IndexFact {
        class,
        oid,
        identity: true,
        bytes,
    };
    let named = |name: &str| {
        entries
            .iter()
            .find(|entry| entry.name == name)
            .map(|entry| (entry.class, entry.oid))
            .unwrap()
    };
    let mut facts = Vec::new();
    for name in [
        "t t_pkey",
        "p p_pkey",
        "p1 p1_pkey",
        "u_a",
        "We'ird T\"able We'ird T\"able_pkey",
    ] {
        let (class, oid) = named(name);
        facts.push(identity(class, oid, 8192));
    }
    assign(entries, &facts)
}

fn step(work: &[Work], name: &str, kind: &str) -> StepId {
    work.iter()
        .find(|w| w.entry.name == name && w.entry.kind == kind)
        .unwrap_or_else(|| panic!("{kind} {name} is missing"))
        .step
}

#[test]
fn every_entry_goes_to_its_step() {
    let work = work();
    let expected = [
        ("t", "TABLE", StepId::TargetSchema),
        ("TABLE \"t\"", "COMMENT", StepId::TargetSchema),
        ("mv", "MATERIALIZED VIEW", StepId::TargetSchema),
        ("t t_pkey", "CONSTRAINT", StepId::TargetKeys),
        ("u_a", "INDEX", StepId::TargetKeys),
        ("p1_pkey", "INDEX ATTACH", StepId::TargetKeys),
        ("p1_d_idx", "INDEX ATTACH", StepId::TargetIndexes),
        ("t_r", "INDEX", StepId::TargetIndexes),
        ("INDEX \"t_r\"", "COMMENT", StepId::TargetIndexes),
        ("t t_k_key", "CONSTRAINT", StepId::TargetConstraints),
        ("ex ex_c_excl", "CONSTRAINT", StepId::TargetConstraints),
        ("t po", "POLICY", StepId::TargetConstraints),
        ("t tr", "TRIGGER", StepId::TargetTriggers),
        ("TRIGGER \"tr\" ON \"t\"", "COMMENT", StepId::TargetTriggers),
        ("t fkself", "FK CONSTRAINT", StepId::TargetForeignKeys),
    ];
    for (name, kind, wanted) in expected {
        assert_eq!(step(&work, name, kind), wanted, "{kind} {name}");
    }
    assert!(work.iter().all(|w| !w.entry.name.contains("pglogical")));
    assert!(
        work.iter()
            .all(|w| w.entry.kind != "COMMENT" || !w.entry.name.starts_with("EXTENSION"))
    );
}

/// Every line that does something. pg_restore quotes names only where it must, makes settings only where another one is in force, and
/// older ones call views and sequences tables.
fn effective(text: &str) -> Vec<String> {
    const VALUES: [&str; 4] = ["'';", "Fast x;", "heap;", "heap2;"];
    let mut settings: BTreeMap<String, String> = BTreeMap::new();
    text.replace('"', "")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("--"))
        .filter(|line| {
            let mut words = line.splitn(3, ' ');
            let (_, name) = (words.next(), words.next().unwrap_or_default());
            match words.next().and_then(|rest| rest.strip_prefix("= ")) {
                Some(value) if VALUES.contains(&value) => {
                    settings
                        .insert(name.to_owned(), value.to_owned())
                        .as_deref()
                        != Some(value)
                }
                _ => true,
            }
        })
        .map(|line| match line.split_once(" OWNER TO ") {
            Some(_) => ["VIEW", "SEQUENCE", "MATERIALIZED VIEW"]
                .iter()
                .fold(line.to_owned(), |line, kind| {
                    line.replace(&format!("ALTER {kind} "), "ALTER TABLE ")
                }),
            None => line.to_owned(),
        })
        .collect()
}

#[test]
fn what_runs_is_what_pg_restore_runs() {
    for (archive, restored) in ARCHIVES {
        let ours: String = read(archive, Tablespaces::Keep)
            .unwrap()
            .into_iter()
            .map(|one| one.sql)
            .collect();
        // After the settings of the session.
        let theirs = restored.split_once("SET row_security = off;\n").unwrap().1;
        let theirs = theirs
            .split_once("\\unrestrict")
            .map_or(theirs, |both| both.0);
        for (ours, theirs) in effective(&ours).iter().zip(effective(theirs)) {
            assert_eq!(*ours, theirs);
        }
        assert_eq!(effective(&ours).len(), effective(theirs).len());
        assert!(ours.contains("SET default_tablespace = \"Fast x\";\n"));
    }
}

#[test]
fn everything_can_go_to_the_default_tablespace() {
    let named = |how| {
        let entries = read(ARCHIVES[1].0, how).unwrap();
        let text: String = entries.iter().map(|one| one.sql.as_str()).collect();
        let named = entries
            .iter()
            .filter(|one| one.tablespace.is_some())
            .count();
        (named, text.matches("\"Fast x\"").count())
    };
    // A table, a partitioned one and its part, a key, an index.
    assert_eq!(named(Tablespaces::Keep), (5, 5));
    assert_eq!(named(Tablespaces::Default), (0, 0));
}

#[test]
fn what_depends_on_an_excluded_object_is_left_out_with_it() {
    let mut work = work();
    let before = work.len();
    let gone = exclude(
        &mut work,
        &["VIEW public.vv".to_owned(), "VIEW public.other".to_owned()],
    );
    for label in [
        "VIEW public.vv",
        "MATERIALIZED VIEW public.mv2",
        "INDEX public.mv2_i",
    ] {
        assert!(gone.iter().any(|one| one == label), "{label}: {gone:?}");
    }
    assert_eq!(before, work.len() + gone.len());
    assert!(
        work.iter()
            .any(|item| item.entry.label() == "TABLE public.t")
    );
    assert!(exclude(&mut work, &[]).is_empty());
}

#[test]
fn labels_are_of_the_names_themselves() {
    let work = work();
    for label in [
        "SCHEMA Shop X",
        "FUNCTION public.hostile()",
        "TABLE public.fast",
    ] {
        assert!(work.iter().any(|w| w.entry.label() == label), "{label}");
    }
    // Neither settings nor the database.
    for kind in ["ENCODING", "DATABASE", "DATABASE PROPERTIES"] {
        assert!(work.iter().all(|w| w.entry.kind != kind), "{kind}");
    }
    assert!(work.iter().all(|w| !w.entry.sql.contains(" DATABASE ")));
}

#[test]
fn an_archive_that_is_cut_off_or_another_file_is_refused() {
    let archive = ARCHIVES[1].0;
    // The offset of the last entry is what it ends with: nothing is in it after its contents.
    for length in (0..archive.len()).rev().step_by(97) {
        let refused = read(&archive[..length], Tablespaces::Keep).unwrap_err();
        assert!(
            matches!(refused, BadArchive::Cut | BadArchive::Foreign),
            "{length}: {refused}"
        );
    }
    let with = |at: usize, byte: u8| {
        let mut changed = archive.to_vec();
        changed[at] = byte;
        read(&changed, Tablespaces::Keep).unwrap_err()
    };
    assert_eq!(with(6, 17), BadArchive::Version(1, 17));
    assert_eq!(with(6, 11), BadArchive::Version(1, 11));
    assert_eq!(with(7 + 1, 9), BadArchive::Foreign);
    // A directory's.
    assert_eq!(with(7 + 3, 5), BadArchive::Foreign);
}

/// An archive of version 1.12, as pg_dump 9.4 writes one, with one function for each text.
fn written(texts: &[(String, String)]) -> Vec<u8> {
    fn number(out: &mut Vec<u8>, value: i32) {
        out.push(u8::from(value < 0));
        out.extend(value.unsigned_abs().to_le_bytes());
    }
    fn text(out: &mut Vec<u8>, value: Option<&str>) {
        let value = value.map(str::as_bytes);
        number(
            out,
            value.map_or(-1, |value| i32::try_from(value.len()).unwrap()),
        );
        out.extend(value.unwrap_or_default());
    }
    let mut out = b"PGDMP\x01\x0c\x00\x04\x08\x01".to_vec();
    for value in [-1, 0, 0, 0, 1, 1, 126, 0] {
        number(&mut out, value);
    }
    for value in ["db", "9.4.26", "9.4.26"] {
        text(&mut out, Some(value));
    }
    number(&mut out, i32::try_from(texts.len()).unwrap());
    for (id, (name, body)) in (1..).zip(texts) {
        number(&mut out, id);
        number(&mut out, 0);
        for value in ["1255", "16400", name, "FUNCTION"] {
            text(&mut out, Some(value));
        }
        number(&mut out, 2);
        text(&mut out, Some(body));
        text(
            &mut out,
            Some(&format!("DROP FUNCTION {};\n", quote_ident(name))),
        );
        for value in [
            None,
            Some("public"),
            None,
            Some("me"),
            Some("false"),
            Some("1"),
            None,
        ] {
            text(&mut out, value);
        }
        out.extend([1; 9]);
    }
    out
}

/// All kinds of text: pieces that mean something in a script or in an archive, and characters.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\r\n".to_owned()),
        Just("\n--\n-- TOC entry 1 (class 1255 OID 16400)\n-- Name: x; Type: TABLE; Schema: -; Owner: y\n--\n".to_owned()),
        Just("\nSET default_tablespace = x;\n".to_owned()),
        Just("; Type: FUNCTION; Schema: ".to_owned()),
        Just("'$$\"\\ -- /* ;\n".to_owned()),
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn every_text_comes_out_as_it_went_in(
        texts in prop::collection::vec((text(), text().prop_map(|body| format!("CREATE {body};"))), 0..5)
    ) {
        let entries = read(&written(&texts), Tablespaces::Keep).unwrap();
        prop_assert_eq!(entries.len(), texts.len());
        for (entry, (name, body)) in entries.iter().zip(&texts) {
            prop_assert_eq!(&entry.name, name);
            let wanted = format!("{body}\nALTER FUNCTION {} OWNER TO \"me\";\n", quote_ident(name));
            prop_assert_eq!(&entry.sql, &wanted);
            prop_assert_eq!(&entry.depends, &[1]);
        }
    }
}

#[test]
fn bytes_that_are_no_characters_are_refused() {
    let mut archive = written(&[("f".to_owned(), "CREATE x;".to_owned())]);
    let at = archive
        .windows(8)
        .position(|part| part == b"CREATE x")
        .unwrap();
    archive[at] = 0xff;
    assert_eq!(read(&archive, Tablespaces::Keep), Err(BadArchive::NotUtf8));
}

#[test]
fn the_state_of_a_trigger_comes_after_what_creates_it() {
    let trigger = |id: u32, sql: &str| Work {
        entry: ArchiveEntry {
            id,
            kind: "TRIGGER".to_owned(),
            schema: Some("s".to_owned()),
            name: "x".to_owned(),
            class: 2620,
            oid: id,
            early: false,
            tablespace: None,
            owner: None,
            depends: vec![9],
            sql: sql.to_owned(),
        },
        step: StepId::TargetTriggers,
        bytes: 0,
    };
    let mut work = vec![
        trigger(
            1,
            "CREATE TRIGGER \"a\"\" TRIGGER \" AFTER INSERT ON \"s\".\"p\" …;\n",
        ),
        trigger(
            2,
            "CREATE CONSTRAINT TRIGGER \"b\" AFTER INSERT ON \"s\".\"p\" …;\n",
        ),
        trigger(3, "\n\nALTER TABLE \"s\".\"p1\" DISABLE TRIGGER \"b\";\n"),
        trigger(4, "ALTER TABLE \"s\".\"p1\" ENABLE ALWAYS TRIGGER \"c\";\n"),
        trigger(5, "CREATE TRIGGER \"c\" BEFORE INSERT ON \"s\".\"q\" …;\n"),
    ];
    states_come_after_triggers(&mut work);
    let depends: Vec<&[u32]> = work.iter().map(|one| &one.entry.depends[..]).collect();
    assert_eq!(depends, [&[9][..], &[9], &[9, 2], &[9, 5], &[9]]);
}

#[test]
fn what_goes_with_an_object_goes_to_its_step() {
    let entry = |id: u32, kind: &str, depends: &[u32]| ArchiveEntry {
        id,
        kind: kind.to_owned(),
        schema: Some("s".to_owned()),
        name: "x".to_owned(),
        class: 1259,
        oid: id,
        early: false,
        tablespace: None,
        owner: None,
        depends: depends.to_vec(),
        sql: String::new(),
    };
    // An index that identifies no row, and its size; what has no size is no larger than anything.
    let facts = [IndexFact {
        class: 1259,
        oid: 1,
        identity: false,
        bytes: 8192,
    }];
    let all = vec![
        entry(1, "INDEX", &[]),
        entry(2, "EVENT TRIGGER", &[]),
        entry(3, "TRIGGER", &[]),
        entry(4, "COMMENT", &[1]),
        entry(5, "ACL", &[1]),
        entry(6, "SECURITY LABEL", &[2]),
        entry(7, "INDEX ATTACH", &[1]),
        entry(8, "ACL", &[]),
        // A view that waits for a key, and its index.
        entry(9, "MATERIALIZED VIEW", &[8]),
        entry(10, "INDEX", &[9]),
        entry(11, "INDEX ATTACH", &[10, 1]),
    ];
    let steps: Vec<(StepId, u64)> = assign(all, &facts)
        .into_iter()
        .map(|work| (work.step, work.bytes))
        .collect();
    use StepId::{TargetConstraints, TargetIndexes, TargetTriggers};
    assert_eq!(
        steps,
        [
            (TargetIndexes, 8192),
            (TargetTriggers, 0),
            (TargetTriggers, 0),
            (TargetIndexes, 0),
            (TargetIndexes, 0),
            (TargetTriggers, 0),
            (TargetIndexes, 0),
            (TargetConstraints, 0),
            (TargetConstraints, 0),
            (TargetConstraints, 0),
            (TargetConstraints, 0),
        ]
    );
}

#[test]
fn what_belongs_to_the_migration_or_would_connect_is_left_out() {
    let kept = |kind: &str, schema: Option<&str>, name: &str| {
        let entry = ArchiveEntry {
            id: 1,
            kind: kind.to_owned(),
            schema: schema.map(str::to_owned),
            name: name.to_owned(),
            class: 0,
            oid: 0,
            early: false,
            tablespace: None,
            owner: None,
            depends: Vec::new(),
            sql: String::new(),
        };
        !assign(vec![entry], &[]).is_empty()
    };
    for (kind, schema, name) in [
        ("SUBSCRIPTION", None, "s"),
        ("SUBSCRIPTION TABLE", Some("public"), "s t"),
        ("COMMENT", None, "EXTENSION hstore"),
        ("COMMENT", Some("pgl"), "TABLE journal"),
    ] {
        assert!(!kept(kind, schema, name), "{kind} {schema:?} {name}");
    }
    for ours in ["pgl", "pglogical", "pglogical_origin"] {
        assert!(!kept("EXTENSION", None, ours));
        assert!(!kept("SCHEMA", None, ours));
        assert!(!kept("ACL", None, &format!("SCHEMA {ours}")));
        assert!(!kept("COMMENT", None, &format!("SCHEMA \"{ours}\"")));
        assert!(!kept("SECURITY LABEL", None, &format!("SCHEMA {ours}")));
        assert!(!kept("TABLE", Some(ours), "t"));
    }
    for (kind, schema, name) in [
        ("EXTENSION", None, "hstore"),
        ("SCHEMA", None, "shop"),
        ("ACL", None, "SCHEMA shop"),
        ("COMMENT", None, "SCHEMA pgl_shop"),
        ("COMMENT", None, "PUBLICATION pgl"),
        ("ACL", None, "LANGUAGE plpgsql"),
        ("TABLE", Some("public"), "pglogical"),
        ("PUBLICATION", None, "pgl"),
    ] {
        assert!(kept(kind, schema, name), "{kind} {schema:?} {name}");
    }
}

#[test]
fn foreign_keys_come_in_two_parts() {
    let sql = "SET x;\nALTER TABLE ONLY public.\"a b\"\n    ADD CONSTRAINT \"F k\" FOREIGN KEY (x) REFERENCES public.p(id) DEFERRABLE;\n";
    let (add, validate) = unchecked(sql).unwrap();
    assert!(add.ends_with("DEFERRABLE NOT VALID;"), "{add}");
    assert_eq!(
        validate,
        "ALTER TABLE ONLY public.\"a b\" VALIDATE CONSTRAINT \"F k\";\n"
    );
    assert_eq!(
        unchecked("ALTER TABLE public.p\n    ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES q(id);"),
        None
    );
    assert_eq!(
        unchecked(
            "ALTER TABLE ONLY p\n    ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES q(id) NOT VALID;"
        ),
        None
    );
}
