//! Archives taken apart: one of pg_dump in the fixtures, and texts that look like something else.

use super::*;

const TEXT: &str = include_str!("../fixtures/archive.sql");
const ALL: &str = include_str!("../fixtures/list.txt");
const EARLY: &str = include_str!("../fixtures/list-pre-data.txt");

fn work() -> Vec<Work> {
    let entries = split(TEXT, &listed(ALL)).unwrap();
    complete(&entries, &listed(ALL)).unwrap();
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
    assign(entries.clone(), &listed(EARLY), &facts)
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
        ("TABLE t", "COMMENT", StepId::TargetSchema),
        ("mv", "MATERIALIZED VIEW", StepId::TargetSchema),
        ("t t_pkey", "CONSTRAINT", StepId::TargetKeys),
        ("u_a", "INDEX", StepId::TargetKeys),
        ("p1_pkey", "INDEX ATTACH", StepId::TargetKeys),
        ("p1_d_idx", "INDEX ATTACH", StepId::TargetIndexes),
        ("t_r", "INDEX", StepId::TargetIndexes),
        ("INDEX t_r", "COMMENT", StepId::TargetIndexes),
        ("t t_k_key", "CONSTRAINT", StepId::TargetConstraints),
        ("ex ex_c_excl", "CONSTRAINT", StepId::TargetConstraints),
        ("t po", "POLICY", StepId::TargetConstraints),
        ("t tr", "TRIGGER", StepId::TargetTriggers),
        ("TRIGGER tr ON t", "COMMENT", StepId::TargetTriggers),
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

#[test]
fn pieces_hold_their_own_sql_and_nothing_else() {
    let work = work();
    for w in &work {
        assert!(!w.entry.sql.contains("\\restrict"), "{}", w.entry.sql);
        assert!(!w.entry.sql.contains("\\unrestrict"), "{}", w.entry.sql);
        assert!(!w.entry.sql.contains("-- Name:"), "{}", w.entry.sql);
    }
    let sql = |label: &str| {
        let all = work.iter().filter(|w| w.entry.label() == label);
        all.map(|w| w.entry.sql.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(
        sql("SCHEMA Shop X"),
        ["CREATE SCHEMA \"Shop X\";\n\n\nALTER SCHEMA \"Shop X\" OWNER TO postgres;\n"]
    );
    // The last one, before the closing remarks.
    let last = sql("DEFAULT ACL public.DEFAULT PRIVILEGES FOR TABLES");
    assert!(last[0].ends_with(" TO app;\n"), "{last:?}");
    let table = work
        .iter()
        .find(|w| w.entry.label() == "TABLE public.t")
        .unwrap();
    assert!(
        table.entry.sql.starts_with("SET default_table"),
        "{}",
        table.entry.sql
    );
    assert!(
        table
            .entry
            .sql
            .contains("SET default_table_access_method = heap;")
    );
    assert!(
        table.entry.sql.trim_end().ends_with("OWNER TO postgres;"),
        "{}",
        table.entry.sql
    );
}

#[test]
fn text_that_looks_like_a_header_is_refused() {
    let id = listed(ALL)[8].0;
    let fake = format!("{TEXT}\n-- TOC entry {id} (class 1 OID 2)\n--\n");
    assert!(matches!(
        split(&fake, &listed(ALL)),
        Err(BadArchive::Twice(_))
    ));
    let unknown = format!("{TEXT}\n-- TOC entry 999999 (class 1 OID 2)\n--\n");
    assert_eq!(
        split(&unknown, &listed(ALL)),
        Err(BadArchive::Twice(999_999))
    );
}

#[test]
fn names_that_look_like_headers_are_read_with_the_listing() {
    let schema = "x; Type: SUBSCRIPTION; Schema: -; Owner: y";
    let line = format!("-- Name: t; Type: TABLE; Schema: {schema}; Owner: postgres");
    assert_eq!(
        name_line(&line, &format!("TABLE {schema} t postgres")),
        [("t", "TABLE", schema)]
    );
    let line = "-- Name: a; Owner: b; Type: INDEX; Schema: s; Owner: o; Tablespace: z";
    assert_eq!(
        name_line(line, "INDEX s a; Owner: b o"),
        [("a; Owner: b", "INDEX", "s")]
    );
    // Without an owner the two differ.
    assert_eq!(
        name_line(
            "-- Name: hstore; Type: EXTENSION; Schema: -; Owner: -",
            "EXTENSION - hstore "
        ),
        [("hstore", "EXTENSION", "-")]
    );
    // Another owner whose name begins alike, and none.
    for owner in ["oo", "-"] {
        let line = format!("-- Name: t; Type: TABLE; Schema: s; Owner: {owner}");
        assert!(name_line(&line, "TABLE s t o").is_empty(), "{line}");
    }
    // Another entry's line, or another owner's, or none.
    assert!(
        name_line(
            "-- Name: t; Type: TABLE; Schema: s; Owner: o",
            "TABLE s t p"
        )
        .is_empty()
    );
    assert!(name_line("-- Name: t; Type: TABLE; Schema: s; Owner: o", "VIEW s t o").is_empty());
    assert!(name_line("-- Data Pos: 0", "VIEW s t o").is_empty());
}

#[test]
fn what_two_readings_agree_with_is_refused() {
    // Table "p" of one schema, or a table of schema "r": header and listing are the same.
    let header = "-- Name: p; Type: TABLE; Schema: r p; Type: TABLE; Schema: r; Owner: o";
    let listing = "1; 1259 5 TABLE r p; Type: TABLE; Schema: r p o";
    let text = format!("-- TOC entry 1 (class 1259 OID 5)\n{header}\n--\n\nCREATE TABLE x;\n");
    assert_eq!(
        split(&text, &listed(listing)),
        Err(BadArchive::Ambiguous(1))
    );
    let id = listed(ALL)[0].0;
    let good = "-- Name: Shop X; Type: SCHEMA; Schema: -; Owner: postgres";
    let bad = TEXT.replacen(
        good,
        "-- Name: other; Type: SCHEMA; Schema: -; Owner: postgres",
        1,
    );
    assert_eq!(split(&bad, &listed(ALL)), Err(BadArchive::Header(id)));
}

fn small(text: &str) -> Result<Vec<ArchiveEntry>, BadArchive> {
    split(
        text,
        &listed("1; 1259 5 TABLE s a o\n2; 1259 6 TABLE s b o"),
    )
}

const A: &str =
    "-- TOC entry 1 (class 1259 OID 5)\n-- Name: a; Type: TABLE; Schema: s; Owner: o\n--\n";
const B: &str =
    "-- TOC entry 2 (class 1259 OID 6)\n-- Name: b; Type: TABLE; Schema: s; Owner: o\n--\n";

/// pg_dump sets a tablespace and an access method once, and means all that follow.
#[test]
fn what_is_set_between_the_pieces_holds_for_those_that_follow() {
    let text = format!(
        "SET default_tablespace = fast;\n\n--\n{A}CREATE TABLE a;\nSET default_tablespace = slow;\n--\n{B}CREATE TABLE b;\n"
    );
    let sql: Vec<String> = small(&text)
        .unwrap()
        .into_iter()
        .map(|one| one.sql)
        .collect();
    assert_eq!(
        sql,
        [
            "SET default_tablespace = fast;\nCREATE TABLE a;\n",
            "SET default_tablespace = slow;\nCREATE TABLE b;\n"
        ]
    );
}

#[test]
fn an_archive_that_was_cut_off_is_refused() {
    let head = A.trim_end_matches("\n--\n");
    assert_eq!(small(head), Err(BadArchive::Header(1)));
    assert_eq!(
        small(&format!("{head}\nCREATE TABLE a;\n")),
        Err(BadArchive::Header(1))
    );
    assert_eq!(small(A), Err(BadArchive::Missing(1)));
    assert_eq!(
        small(&format!("{A}\n\n--\n{B}CREATE TABLE b;\n")),
        Err(BadArchive::Missing(1))
    );
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
    let steps: Vec<(StepId, u64)> = assign(all, &[], &facts)
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
            depends: Vec::new(),
            sql: String::new(),
        };
        !assign(vec![entry], &[], &[]).is_empty()
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

#[test]
fn carriage_returns_stay_where_they_are() {
    let old = "COMMENT ON TABLE public.t IS '";
    assert_eq!(
        TEXT.matches(old).count(),
        1,
        "the fixture has another comment"
    );
    let text = TEXT.replace(old, &format!("{old}a\r\nb\r\n\r\nc\rd\r\n"));
    let entries = split(&text, &listed(ALL)).unwrap();
    let comment = entries
        .iter()
        .find(|entry| entry.name == "TABLE t")
        .unwrap();
    assert!(
        comment.sql.contains("IS 'a\r\nb\r\n\r\nc\rd\r\nmulti"),
        "{:?}",
        comment.sql
    );
    // And nothing else has changed.
    for (with, without) in entries.iter().zip(split(TEXT, &listed(ALL)).unwrap()) {
        assert!(with.id == comment.id || *with == without, "{}", with.sql);
    }
}

#[test]
fn a_missing_entry_is_noticed() {
    let mut entries = split(TEXT, &listed(ALL)).unwrap();
    let gone = entries.pop().unwrap();
    assert_eq!(
        complete(&entries, &listed(ALL)),
        Err(BadArchive::Missing(gone.id))
    );
    // A table of schema "DATA1".
    assert_eq!(
        complete(&[], &[(1, "TABLE DATA1 t postgres")]),
        Err(BadArchive::Missing(1))
    );
    // Rows are none of the schema's.
    assert_eq!(
        complete(&[], &[(1, "TABLE DATA public t postgres")]),
        Ok(())
    );
}
