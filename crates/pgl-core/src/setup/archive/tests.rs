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
    let table = work
        .iter()
        .find(|w| w.entry.name == "t" && w.entry.kind == "TABLE")
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
    // Another entry's line, or none.
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
}
