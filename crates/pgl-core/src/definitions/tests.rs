//! Three-way comparison: who has changed, what is passed over, and what two versions write differently.

use super::*;
use crate::control::remove_table;
use crate::plan::{PlanTable, Set};

/// One that knows table `s.t`.
fn plan() -> Plan {
    Plan::example(vec![PlanTable::example("s", "t", Set::Default)])
}

fn entry(id: u32, kind: &str, name: &str, sql: &str) -> ArchiveEntry {
    ArchiveEntry {
        id,
        kind: kind.to_owned(),
        schema: Some("s".to_owned()),
        name: name.to_owned(),
        class: 0,
        oid: 0,
        early: true,
        depends: Vec::new(),
        tablespace: None,
        sql: sql.to_owned(),
        owner: None,
    }
}

fn texts(all: &[(&str, &str)]) -> Definitions {
    let entries = all.iter().zip(1..).map(|((label, sql), id)| {
        let (kind, name) = label.split_once(" s.").unwrap();
        entry(id, kind, name, sql)
    });
    Definitions::new(17, entries.collect())
}

type Texts<'a> = &'a [(&'a str, &'a str)];

/// What the source changed while rows were copied is recorded of the target as it was afterwards. Only a view's text that looks alike means the same.
#[test]
fn a_view_that_both_sides_changed_during_the_copy_is_no_change() {
    let before: Texts<'_> = &[("VIEW s.t", "SELECT \"t\".\"old\"")];
    let here: Texts<'_> = &[("VIEW s.t", "SELECT \"t\".\"new\"")];
    let there: Texts<'_> = &[("VIEW s.t", "SELECT \"new\"")];
    assert!(compared([before, there], [here, there], &[]).is_empty());
    assert_eq!(compared([here, there], [before, there], &[]).len(), 1);
}

/// What both sides were at the setup, and are now.
fn compared(then: [Texts<'_>; 2], now: [Texts<'_>; 2], held: &[&str]) -> Vec<String> {
    let [source, target] = [0, 1].map(|side| SideDefinitions {
        now: texts(now[side]),
        then: Some(texts(then[side]).kept(Vec::new())),
    });
    let held = held.iter().map(|one| (*one).to_owned()).collect();
    let found = compare_definitions(&plan(), Sought::Missing, &held, &source, &target);
    assert_eq!(found.names_only, None);
    found.differences.iter().map(ToString::to_string).collect()
}

const OLD: Texts<'_> = &[("FUNCTION s.f()", "old\n")];
const NEW: Texts<'_> = &[("FUNCTION s.f()", "new\n")];
const NONE: Texts<'_> = &[];

#[test]
fn what_two_servers_write_differently_is_no_change() {
    let other: Texts<'_> = &[("FUNCTION s.f()", "written by another server")];
    assert!(compared([OLD, other], [OLD, other], &[]).is_empty());
    assert!(compared([OLD, NONE], [OLD, NONE], &[]).is_empty());
    assert!(compared([OLD, other], [NONE, NONE], &[]).is_empty());
    // Made on both sides in the same way.
    assert!(compared([OLD, other], [NEW, NEW], &[]).is_empty());
    assert!(compared([NONE, NONE], [NEW, NEW], &[]).is_empty());
}

#[test]
fn each_side_that_has_changed_is_named() {
    let third: Texts<'_> = &[("FUNCTION s.f()", "third\n")];
    for (then, now, said) in [
        (
            [OLD, OLD],
            [NEW, OLD],
            "FUNCTION s.f() has changed on the source, not on the target (new on the source, old on the target)",
        ),
        (
            [OLD, OLD],
            [OLD, NEW],
            "FUNCTION s.f() has changed on the target, not on the source (old on the source, new on the target)",
        ),
        (
            [OLD, OLD],
            [NEW, third],
            "FUNCTION s.f() has changed on both sides, in different ways (new on the source, third on the target)",
        ),
        (
            [NONE, NONE],
            [NEW, NONE],
            "FUNCTION s.f() is not on the target (created on the source after the setup)",
        ),
        (
            [OLD, OLD],
            [OLD, NONE],
            "FUNCTION s.f() is not on the target (dropped there after the setup)",
        ),
        (
            [OLD, OLD],
            [NONE, OLD],
            "FUNCTION s.f() is only on the target (dropped on the source after the setup)",
        ),
        (
            [OLD, OLD],
            [NONE, NEW],
            "FUNCTION s.f() is only on the target",
        ),
        (
            [OLD, OLD],
            [
                &[("FUNCTION s.f()", "a\nb\n")],
                &[("FUNCTION s.f()", "b\na\n")],
            ],
            "FUNCTION s.f() has changed on both sides, in different ways (in the order of lines, or in blanks)",
        ),
        (
            [OLD, OLD],
            [&[("FUNCTION s.f()", "old\n\nnew\n")], OLD],
            "FUNCTION s.f() has changed on the source, not on the target (new on the source, nothing more on the target)",
        ),
    ] {
        assert_eq!(compared(then, now, &[]), [said]);
    }
}

#[test]
fn what_was_prepared_on_the_target_is_no_difference() {
    assert!(compared([NONE, NONE], [NONE, NEW], &[]).is_empty());
    let check: Texts<'_> = &[("CHECK CONSTRAINT s.t stricter", "x")];
    assert_eq!(
        compared([NONE, NONE], [NONE, check], &[]),
        ["CHECK CONSTRAINT s.t stricter is only on the target (created there after the setup)"]
    );
    let (few, more): (Texts<'_>, Texts<'_>) = (
        &[("ACL s.TABLE t", "GRANT a;\n")],
        &[("ACL s.TABLE t", "GRANT a;\nGRANT b;\n")],
    );
    assert!(compared([few, few], [few, more], &[]).is_empty());
    assert_eq!(compared([more, more], [more, few], &[]).len(), 1);
    assert_eq!(compared([more, more], [few, more], &[]).len(), 1);
}

#[test]
fn what_takes_something_away_on_the_target_is_a_difference() {
    let revoked: Texts<'_> = &[("ACL s.FUNCTION f()", "REVOKE ALL FROM PUBLIC;\n")];
    let narrowed: Texts<'_> = &[("ACL s.FUNCTION f()", "REVOKE ALL FROM PUBLIC;\nGRANT a;\n")];
    let given: Texts<'_> = &[("ACL s.FUNCTION f()", "GRANT a;\n")];
    let of_its_owner: Texts<'_> = &[(
        "ACL s.TABLE t",
        "REVOKE ALL ON TABLE t FROM o;\nGRANT SELECT ON TABLE t TO o;\n",
    )];
    let by_default: Texts<'_> = &[(
        "DEFAULT ACL s.FUNCTIONS",
        "ALTER ... REVOKE ALL ON FUNCTIONS FROM PUBLIC;\n",
    )];
    let unique: Texts<'_> = &[(
        "INDEX s.u",
        "SET default_tablespace = '';\nCREATE UNIQUE INDEX u;\n",
    )];
    let rule: Texts<'_> = &[("RULE s.t r", "x")];
    for (then, now) in [
        ([NONE, NONE], [NONE, revoked]),
        ([given, given], [given, narrowed]),
        ([NONE, NONE], [NONE, by_default]),
        ([NONE, NONE], [NONE, of_its_owner]),
        ([NONE, NONE], [NONE, unique]),
        ([NONE, NONE], [NONE, rule]),
    ] {
        assert_eq!(compared(then, now, &[]).len(), 1, "{now:?}");
    }
    let index: Texts<'_> = &[(
        "INDEX s.i",
        "SET default_tablespace = '';\nCREATE INDEX i;\n",
    )];
    let extended: Texts<'_> = &[(
        "ACL s.SCHEMA s",
        "REVOKE USAGE ON SCHEMA s FROM PUBLIC;\nGRANT ALL ON SCHEMA s TO PUBLIC;\n",
    )];
    assert!(compared([NONE, NONE], [NONE, extended], &[]).is_empty());
    assert!(compared([NONE, NONE], [NONE, index], &[]).is_empty());
    assert!(compared([narrowed, narrowed], [narrowed, narrowed], &[]).is_empty());
}

#[test]
fn what_was_not_there_when_it_was_recorded_is_missing_unless_that_was_meant() {
    let compared = |meant: bool, now: Texts<'_>| {
        let source = texts(OLD).kept(Vec::new());
        let mut target = texts(NONE).kept(Vec::new());
        if !meant {
            target.expect(&source, [].iter());
        }
        let side = |now, then| SideDefinitions {
            now: texts(now),
            then: Some(then),
        };
        let (source, target) = (side(OLD, source), side(now, target));
        compare_definitions(&plan(), Sought::Missing, &BTreeSet::new(), &source, &target)
    };
    let said = |now| compared(false, now).differences[0].to_string();
    assert_eq!(
        said(NONE),
        "FUNCTION s.f() is not on the target (dropped there after the setup)"
    );
    // Made there since, in another way.
    assert_eq!(
        said(NEW),
        "FUNCTION s.f() differs (old on the source, new on the target)"
    );
    assert!(compared(true, NONE).differences.is_empty());
    // As on a source where it was dropped and created again.
    let extension: Texts<'_> = &[("EXTENSION s.plpgsql", "x")];
    let mut target = texts(NONE).kept(Vec::new());
    target.expect(&texts(extension).kept(Vec::new()), [].iter());
    assert!(target.digests.is_empty());
}

#[test]
fn triggers_that_refuse_writes_and_rights_on_origins_are_the_migrations_own() {
    let own = "CREATE TRIGGER x EXECUTE FUNCTION \"pgl\".\"refuse_write\"();";
    let mut one = entry(1, "TRIGGER", "t pgl_refuse_write", own);
    assert!(is_ours(&one));
    one.sql = "CREATE TRIGGER x EXECUTE FUNCTION \"s\".\"f\"();".to_owned();
    assert!(!is_ours(&one));
    let function = "FUNCTION \"pg_replication_origin_create\"(\"text\")";
    let mut right = entry(1, "ACL", function, "GRANT …");
    assert!(!is_ours(&right));
    right.schema = Some("pg_catalog".to_owned());
    assert!(is_ours(&right));
}

#[test]
fn deferred_foreign_keys_are_left_to_the_cutover() {
    let key: Texts<'_> = &[("FK CONSTRAINT s.t fk", "x")];
    let held = ["FK CONSTRAINT s.t fk"];
    assert!(compared([NONE, NONE], [key, NONE], &held).is_empty());
    assert_eq!(compared([NONE, NONE], [key, NONE], &[]).len(), 1);
}

#[test]
fn owners_and_privileges_are_told_from_other_differences() {
    let owned = |kind: &str, sql: &str, owner: &str| {
        let owner = format!("ALTER TABLE t OWNER TO {owner};\n");
        let mut one = entry(1, kind, "t", &format!("{sql}{owner}"));
        one.owner = Some(owner);
        vec![one]
    };
    let rights = |one: &[ArchiveEntry], other: &[ArchiveEntry]| {
        let [one, other] = [one, other].map(|all| by_label(all.iter()).into_values().next());
        is_about_rights(one.as_ref(), other.as_ref())
    };
    let table = owned("TABLE", "x", "a");
    assert!(rights(&owned("ACL", "x", "a"), &owned("ACL", "y", "a")));
    assert!(rights(&table, &owned("TABLE", "x", "b")));
    assert!(!rights(&table, &owned("TABLE", "y", "a")));
    assert!(!rights(&table, &[]));
    assert!(rights(&owned("ACL", "x", "a"), &[]));
}

/// What a rollback finds, of definitions at the setup and now.
fn left_behind(then: [Texts<'_>; 2], now: [Texts<'_>; 2], created: &[&str]) -> Vec<String> {
    let [source, mut target] = [0, 1].map(|side| SideDefinitions {
        now: texts(now[side]),
        then: Some(texts(then[side]).kept(Vec::new())),
    });
    let created = created.iter().map(|one| (*one).to_owned());
    target.then.as_mut().unwrap().promoted(created);
    let (plan, none) = (plan(), BTreeSet::new());
    let found = compare_definitions(&plan, Sought::LeftBehind, &none, &source, &target);
    found.differences.iter().map(ToString::to_string).collect()
}

#[test]
fn a_rollback_leaves_behind_what_the_target_alone_has() {
    for (now, said) in [
        (
            [OLD, NEW],
            "FUNCTION s.f() has changed on the target, not on the source (old on the source, new on the target)",
        ),
        (
            [OLD, NONE],
            "FUNCTION s.f() is not on the target (dropped there after the setup)",
        ),
        // The production database would lack it again.
        (
            [NEW, OLD],
            "FUNCTION s.f() has changed on the source, not on the target (new on the source, old on the target)",
        ),
        (
            [NONE, OLD],
            "FUNCTION s.f() is only on the target (dropped on the source after the setup)",
        ),
    ] {
        assert_eq!(left_behind([OLD, OLD], now, &[]), [said]);
    }
    let refuses: Texts<'_> = &[("CHECK CONSTRAINT s.t c", "CHECK")];
    assert_eq!(left_behind([NONE, NONE], [refuses, NONE], &[]).len(), 1);
    let made = left_behind([NONE, NONE], [NONE, NEW], &[]);
    assert_eq!(
        made,
        ["FUNCTION s.f() is only on the target (created there after the setup)"]
    );
    // What the former source alone has is meant, and what both have is no difference.
    for (then, now) in [
        ([OLD, OLD], [NEW, NEW]),
        ([OLD, NONE], [OLD, NONE]),
        ([NONE, NONE], [NEW, NONE]),
        ([NONE, OLD], [NONE, OLD]),
    ] {
        assert!(left_behind(then, now, &[]).is_empty(), "{then:?} {now:?}");
    }
    // The cutover has created it.
    let created = ["FUNCTION s.f()"];
    assert!(left_behind([OLD, NONE], [OLD, OLD], &created).is_empty());
    assert_eq!(left_behind([OLD, NONE], [OLD, NONE], &created).len(), 1);
}

/// What a rollback finds after a cutover: definitions at the setup, at the cutover and now.
fn lost(then: [Texts<'_>; 2], cutover: [Texts<'_>; 2], now: [Texts<'_>; 2]) -> Vec<String> {
    let sides = |now: [Texts<'_>; 2], then: [KeptDefinitions; 2]| {
        let mut then = then.into_iter();
        now.map(|now| SideDefinitions {
            now: texts(now),
            then: then.next(),
        })
    };
    let kept = then.map(|then| texts(then).kept(Vec::new()));
    let (plan, none) = (plan(), BTreeSet::new());
    let compared = |sought, [source, target]: [SideDefinitions; 2]| {
        compare_definitions(&plan, sought, &none, &source, &target)
    };
    let promoted = compared(Sought::Missing, sides(cutover, kept)).promoted;
    let promoted = promoted.unwrap();
    let found = compared(
        Sought::LeftBehind,
        sides(now, [promoted.source, promoted.target]),
    );
    found.differences.iter().map(ToString::to_string).collect()
}

#[test]
fn a_rollback_compares_with_what_both_sides_were_at_the_cutover() {
    let third: Texts<'_> = &[("FUNCTION s.f()", "third\n")];
    let trigger: Texts<'_> = &[("TRIGGER s.t tn", "CREATE")];
    // Made or changed on both sides before the cutover, and lost or changed on the target after it.
    for (then, cutover, now, said) in [
        (
            [NONE, NONE],
            [OLD, OLD],
            [OLD, NONE],
            "FUNCTION s.f() is not on the target (dropped there after the setup)",
        ),
        (
            [OLD, OLD],
            [NEW, NEW],
            [NEW, NONE],
            "FUNCTION s.f() is not on the target (dropped there after the setup)",
        ),
        (
            [OLD, OLD],
            [NEW, NEW],
            [NEW, OLD],
            "FUNCTION s.f() has changed on the target, not on the source (new on the source, old on the target)",
        ),
        // Whatever the source has changed since.
        (
            [NONE, NONE],
            [OLD, OLD],
            [NEW, NONE],
            "FUNCTION s.f() is not on the target",
        ),
        // Nothing asked about it at the cutover.
        (
            [NONE, NONE],
            [NONE, OLD],
            [NONE, OLD],
            "FUNCTION s.f() is only on the target (created there after the setup)",
        ),
    ] {
        assert_eq!(lost(then, cutover, now), [said]);
    }
    // The cutover was forced over it, or the source alone has it.
    for (then, cutover) in [
        ([OLD, OLD], [OLD, NEW]),
        ([OLD, OLD], [NEW, third]),
        ([OLD, OLD], [OLD, NONE]),
        ([NONE, NONE], [OLD, NONE]),
        ([OLD, NONE], [OLD, NONE]),
        ([NONE, NONE], [NONE, trigger]),
    ] {
        assert!(lost(then, cutover, cutover).is_empty(), "{cutover:?}");
    }
}

#[test]
fn another_pg_dump_writes_other_texts() {
    let mut then = texts(OLD).kept(Vec::new());
    then.pg_dump = 16;
    let side = |now| SideDefinitions {
        now: texts(now),
        then: Some(then.clone()),
    };
    let compare_as =
        |sought, one, other| compare_definitions(&plan(), sought, &BTreeSet::new(), &one, &other);
    let found = compare_as(Sought::Everything, side(OLD), side(NEW));
    assert_eq!((found.since_setup, found.names_only), (false, None));
    let said: Vec<String> = found.differences.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        ["FUNCTION s.f() differs (old on the source, new on the target)"]
    );
    let compare = |one, other| compare_as(Sought::Missing, one, other);
    let found = compare(side(OLD), side(NEW));
    assert!(found.differences.is_empty());
    assert_eq!(found.promoted, None);
    let why = found.names_only.unwrap();
    assert_eq!(why.needed(), Some(16));
    assert!(
        why.to_string()
            .contains("used pg_dump 16 and this is pg_dump 17")
    );
    let found = compare(side(OLD), side(NONE));
    assert_eq!(found.differences[0].changed, ChangedSide::Unknown);
    let unknown = SideDefinitions {
        now: texts(OLD),
        then: None,
    };
    let found = compare(side(OLD), unknown);
    assert_eq!(found.names_only, Some(NamesOnly::NotKept));
}

#[test]
fn what_a_plan_leaves_out_is_left_out_with_its_parts() {
    let mut index = entry(3, "INDEX", "i", "x");
    index.depends = vec![1];
    let mut comment = entry(4, "COMMENT", "INDEX i", "x");
    comment.depends = vec![3];
    let mut owned = entry(5, "SEQUENCE OWNED BY", "n", "x");
    owned.depends = vec![1, 2];
    let all = vec![
        entry(1, "TABLE", "scratch", "x"),
        entry(2, "SEQUENCE", "n", "x"),
        index,
        comment,
        owned,
        entry(6, "TABLE", "t", "x"),
        entry(7, "FUNCTION", "f()", "x"),
    ];
    let all = Definitions::new(17, all);
    let mut plan = plan();
    let labels = |plan: &Plan| -> Vec<String> {
        all.reached(plan, &all, Sought::Missing)
            .into_keys()
            .collect()
    };
    assert_eq!(labels(&plan).len(), 7);
    let other = Definitions::new(17, Vec::new());
    let alone: Vec<String> = all
        .reached(&plan, &other, Sought::Missing)
        .into_keys()
        .collect();
    assert_eq!(alone, ["FUNCTION s.f()", "TABLE s.t"]);
    plan.selection.exclude_tables = vec!["s.scratch".to_owned()];
    assert_eq!(labels(&plan), ["FUNCTION s.f()", "TABLE s.t"]);
    plan.selection.exclude_tables.clear();
    plan.excluded_objects = vec!["TABLE s.t".to_owned()];
    assert_eq!(labels(&plan).len(), 6);
    plan.excluded_objects.clear();
    plan.selection.tables = vec!["s.other".to_owned()];
    assert_eq!(labels(&plan), ["TABLE s.t"]);
}

/// Its rows stay behind, and nothing says that its definition may.
#[test]
fn a_table_that_was_taken_out_is_compared_while_both_sides_have_it() {
    let plan = remove_table(&plan(), &QualifiedName::new("s", "t"));
    let labels = |one: &Definitions, other: &Definitions| -> Vec<String> {
        let reached = one.reached(&plan, other, Sought::Missing);
        reached.into_keys().collect()
    };
    let one = texts(&[("TABLE s.t", "x")]);
    assert_eq!(labels(&one, &one), ["TABLE s.t"]);
    assert_eq!(labels(&one, &texts(NONE)), [""; 0]);
}

#[test]
fn a_changed_password_is_a_change_and_is_never_shown() {
    let password = |value: &str| {
        format!(
            "CREATE USER MAPPING FOR \"a\" SERVER \"s\" OPTIONS (\n    \"password\" '{value}'\n);\n"
        )
    };
    let [old, new] = ["first", "second"].map(password);
    let (old, new) = (
        [("USER MAPPING s.m", old.as_str())],
        [("USER MAPPING s.m", new.as_str())],
    );
    let side = |then: Texts<'_>, now: Texts<'_>| SideDefinitions {
        now: texts(now),
        then: Some(texts(then).kept(Vec::new())),
    };
    let found = |source: &SideDefinitions, target: &SideDefinitions| {
        compare_definitions(
            &plan(),
            Sought::Everything,
            &BTreeSet::new(),
            source,
            target,
        )
    };
    let rotated = found(&side(&old, &new), &side(&old, &old));
    assert_eq!(
        rotated.differences[0].to_string(),
        "USER MAPPING s.m has changed on the source, not on the target (in the value of an option, which is not shown)"
    );
    let kept = texts(&new).kept(Vec::new());
    let everything = serde_json::to_string(&(rotated, kept)).unwrap();
    assert!(!everything.contains("second") && everything.contains("'***'"));
    assert!(
        found(&side(&old, &new), &side(&old, &new))
            .differences
            .is_empty()
    );
    // Another password on the target, on purpose.
    assert!(
        found(&side(&new, &new), &side(&old, &old))
            .differences
            .is_empty()
    );
}

#[test]
fn what_versions_write_differently_is_the_same() {
    for (kind, old, new) in [
        (
            "VIEW",
            "SELECT \"t\".\"id\", \"count\"(*)\n FROM \"s\".\"t\"",
            "SELECT \"id\", \"count\"(*)\n FROM \"s\".\"t\"",
        ),
        (
            "TABLE",
            "\"id\" integer NOT NULL,",
            "\"id\" integer CONSTRAINT \"t_old_not_null\" NOT NULL,",
        ),
        (
            "TYPE",
            "RANGE (\n    subtype = integer\n);",
            "RANGE (\n    subtype = integer,\n    multirange_type_name = \"s\".\"m\"\n);",
        ),
    ] {
        assert!(same(kind, old, new) && same(kind, new, old), "{kind}");
        assert!(!same("FUNCTION", old, new));
    }
    assert!(same("TABLE", "\"j\" \"json\"", "\"j\" json"));
    assert!(same("TABLE", "CREATE", &format!("{HEAP}CREATE")));
    for (one, other) in [
        (r#"'"abc"'"#, "'abc'"),
        (r#"'it''s "abc"'"#, "'it''s abc'"),
        (r#"$$return '"yes"'$$"#, "$$return 'yes'$$"),
        (r#"$_$ "a"."b" $_$"#, r#"$_$ "b" $_$"#),
        (r#"'"A"."b"'"#, r#"'"b"'"#),
    ] {
        for kind in ["FUNCTION", "VIEW", "TABLE", "POLICY"] {
            assert!(!same(kind, one, other), "{kind} {one} {other}");
        }
    }
    assert_eq!(
        canonical("FUNCTION s.f(\"json\", \"Odd\")"),
        "FUNCTION s.f(json, \"Odd\")"
    );
    for (one, other) in [
        ("\"a\".\"x\"", "\"b\".\"x\""),
        ("\"a\".\"x\"", "\"y\""),
        ("\"x\"", "\"x\" "),
        ("\"s\".\"t\"", "'s.t'"),
    ] {
        assert!(!same("VIEW", one, other), "{one} {other}");
    }
}

#[test]
fn all_privileges_are_one_more_from_17_on() {
    let acl = |text: &str| texts(&[("ACL s.TABLE t", text)]).kept(Vec::new());
    let all = "SELECT,INSERT,REFERENCES,DELETE,TRIGGER,TRUNCATE,UPDATE";
    let [old, new, less] =
        [all, "ALL", "SELECT,INSERT"].map(|what| acl(&format!("GRANT {what} ON t")));
    assert_eq!(old, new);
    assert_ne!(less, new);
}

#[test]
fn a_schema_of_others_is_another_one_by_more_than_words() {
    let change = |object: &str, source: Option<&str>, target: Option<&str>| DefinitionChange {
        object: object.to_owned(),
        kind: (object.split_once(' ').map_or(object, |(kind, _)| kind)).to_owned(),
        changed: ChangedSide::Unknown,
        rights: object.starts_with("ACL "),
        source: source.map(str::to_owned),
        target: target.map(str::to_owned),
    };
    let (a, b) = (Some("a"), Some("b"));
    let atomic = Some("BEGIN ATOMIC a");
    let unique = Some("CREATE UNIQUE INDEX i");
    for (object, source, target, same_major, other_major) in [
        ("VIEW s.v", a, None, true, true),
        ("VIEW s.v", a, b, true, false),
        ("VIEW s.v", None, b, false, false),
        ("RULE s.v", a, b, true, false),
        ("RULE s.v", None, b, true, true),
        ("FUNCTION s.f", a, b, true, true),
        ("FUNCTION s.f", atomic, b, true, false),
        ("TABLE s.t", a, b, true, true),
        ("TABLE s.t", None, b, false, false),
        ("INDEX s.i", None, b, false, false),
        ("INDEX s.i", None, unique, true, true),
        ("POLICY s.p", None, b, true, true),
        ("COMMENT s.TABLE t", a, None, false, false),
        ("COMMENT s.TABLE t", a, b, false, false),
        ("ACL s.TABLE t", a, None, false, false),
        ("SCHEMA public", a, None, false, false),
        ("SCHEMA public2", a, None, true, true),
        ("EXTENSION citext", a, None, false, false),
    ] {
        let one = change(object, source, target);
        let found = [true, false].map(|same| one.is_another_schema(same));
        assert_eq!(found, [same_major, other_major], "{one:?}");
    }
}

#[test]
fn definitions_with_one_label_are_one() {
    let one = texts(&[("OPERATOR s.=", "a"), ("OPERATOR s.=", "b")]);
    let other = texts(&[("OPERATOR s.=", "b"), ("OPERATOR s.=", "a")]);
    assert_eq!(one.kept(Vec::new()), other.kept(Vec::new()));
}

/// What was left out for want of roles is reported until the target has it, whether or not the roles are there by now.
#[test]
fn what_was_left_out_for_want_of_roles_is_reported() {
    let here: Texts<'_> = &[
        ("TABLE s.t", "CREATE\nOWNER TO \"own of\";\n"),
        (
            "ACL s.TABLE \"t\"",
            "GRANT a TO \"x\";\nGRANT b TO \"app\";\n",
        ),
        ("POLICY s.t p", "CREATE\n"),
    ];
    let mut plan = plan();
    let left_out = [
        "OWNER own of of TABLE s.t",
        "TO app in ACL s.TABLE \"t\"",
        "POLICY s.t p",
        "OWNER app of VIEW s.dropped",
    ];
    plan.without_roles = left_out.map(str::to_owned).to_vec();
    let lacking = |there: Texts<'_>| {
        let side = |now: Texts<'_>| SideDefinitions {
            now: texts(now),
            then: Some(texts(now).kept(Vec::new())),
        };
        let (source, target) = (side(here), side(there));
        let none = BTreeSet::new();
        compare_definitions(&plan, Sought::Missing, &none, &source, &target).without_roles
    };
    assert_eq!(lacking(here), [""; 0]);
    assert_eq!(lacking(NONE), left_out[..3]);
    let there: Texts<'_> = &[
        ("TABLE s.t", "CREATE\nOWNER TO \"own of\";\n"),
        ("ACL s.TABLE \"t\"", "GRANT a TO \"x\";\n"),
    ];
    assert_eq!(lacking(there), left_out[1..3]);
    // The target is not meant to have it, changed or not.
    plan.without_roles.push("ACL s.TABLE \"t\"".to_owned());
    let side = |now: Texts<'_>| SideDefinitions {
        now: texts(now),
        then: Some(texts(NONE).kept(Vec::new())),
    };
    let (source, target) = (side(here), side(NONE));
    let found = compare_definitions(&plan, Sought::Missing, &BTreeSet::new(), &source, &target);
    let objects = found.differences.iter().map(|one| one.object.as_str());
    assert_eq!(objects.collect::<Vec<_>>(), ["TABLE s.t"]);
}

#[test]
fn texts_are_shown_where_they_differ() {
    let said = |kind: &str, source: Option<&str>, target: Option<&str>| {
        let change = DefinitionChange {
            object: format!("{kind} s.t x"),
            kind: kind.to_owned(),
            changed: ChangedSide::Source,
            rights: false,
            source: source.map(ToOwned::to_owned),
            target: target.map(ToOwned::to_owned),
        };
        change.to_string()
    };
    let long = "a".repeat(100);
    let (one, other) = (
        format!("{long} DELETE CASCADE;\n"),
        format!("{long} DELETE;\n"),
    );
    let before = "a".repeat(13);
    assert_eq!(
        said("FK CONSTRAINT", Some(&one), Some(&other)),
        format!(
            "FK CONSTRAINT s.t x has changed on the source, not on the target (... {before} DELETE CASCADE on the source, ... {before} DELETE on the target)"
        )
    );
    assert_eq!(
        said(
            "TRIGGER",
            Some("ALTER TABLE s.t DISABLE TRIGGER x;\n\n"),
            None
        ),
        "TRIGGER s.t x has another state (ALTER TABLE s.t DISABLE TRIGGER x on the source, the state of its parent's on the target)"
    );
}
