//! Which tables and columns of the two sides belong together.

use super::children::ChildNow;
use super::*;
use crate::plan::{PlanTable, Set};
use crate::select::Selection;
use crate::verify::types::TypeInfo;

fn int4() -> TypeInfo {
    TypeInfo {
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
    }
}

fn table(name: &str, columns: &[&str]) -> RelationInfo {
    RelationInfo {
        oid: 1,
        schema: "public".into(),
        name: name.into(),
        kind: "r".into(),
        persistence: "p".into(),
        above: Vec::new(),
        parents: Vec::new(),
        bound: None,
        extension: None,
        row_security: false,
        replica_identity: "d".into(),
        columns: columns
            .iter()
            .map(|name| ColumnInfo {
                name: (*name).into(),
                type_oid: 23,
                typmod: -1,
                shown: "integer".into(),
                generated: false,
                is_virtual: false,
            })
            .collect(),
        layout: columns.join(" "),
        versions: String::new(),
        primary_key: Some(vec!["id".into()]),
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

fn leaf(name: &str, root: &str) -> RelationInfo {
    RelationInfo {
        above: vec![QualifiedName::new("public", root)],
        parents: vec![QualifiedName::new("public", root)],
        bound: Some("FOR VALUES IN (1)".into()),
        ..table(name, &["id"])
    }
}

fn root(name: &str) -> RelationInfo {
    RelationInfo {
        kind: "p".into(),
        ..table(name, &["id"])
    }
}

fn catalog(relations: Vec<RelationInfo>) -> Catalog {
    Catalog {
        schemas: relations.iter().map(|one| one.schema.clone()).collect(),
        relations,
        types: Types::new([int4()]),
        encoding: "UTF8".into(),
    }
}

fn run(source: Vec<RelationInfo>, target: Vec<RelationInfo>) -> Vec<(String, String)> {
    pair(&catalog(source), &catalog(target), &Wishes::default(), None)
        .iter()
        .map(|entry| {
            let what = match entry {
                PairingEntry::Compare(pair) => {
                    format!("compare {}/{}", pair.source.len(), pair.target.len())
                }
                PairingEntry::Skip(_, why) => format!("skip {why}"),
                PairingEntry::Differs(_, why) => format!("differs {why}"),
                PairingEntry::Error(_, why) => format!("error {why}"),
            };
            (entry.name().name.clone(), what)
        })
        .collect()
}

#[test]
fn tables_of_one_side_only_are_differences() {
    let found = run(
        vec![table("a", &["id"]), table("b", &["id"])],
        vec![table("b", &["id"]), table("c", &["id"])],
    );
    assert_eq!(
        found,
        [
            ("a".into(), "differs the target has no such table".into()),
            ("b".into(), "compare 1/1".into()),
            ("c".into(), "differs the source has no such table".into()),
        ]
    );
    let mut other = table("metrics", &["id"]);
    other.schema = "monitoring".into();
    let found = run(vec![table("a", &["id"])], vec![table("a", &["id"]), other]);
    assert!(
        found
            .iter()
            .any(|(name, what)| name == "metrics" && what.starts_with("skip"))
    );
}

#[test]
fn partitions_by_leaf_where_layouts_agree_and_by_root_where_not() {
    let same = || vec![root("r"), leaf("r1", "r"), leaf("r2", "r")];
    let found = run(same(), same());
    assert_eq!(found.len(), 2, "{found:?}");
    let found = run(
        same(),
        vec![root("r"), leaf("r1", "r"), leaf("r3", "r"), leaf("r4", "r")],
    );
    assert_eq!(found, [("r".into(), "compare 2/3".into())]);
    // Plain on the target.
    let found = run(same(), vec![table("r", &["id"])]);
    assert_eq!(found, [("r".into(), "compare 2/1".into())]);
}

/// pglogical writes a row to the partition of the same name, whatever its bounds: copying the partition again cannot work.
#[test]
fn partitions_of_one_name_with_other_bounds_are_compared_with_their_root() {
    let side = |first: &str, second: &str| {
        let part = |name: &str, bound: &str| RelationInfo {
            bound: Some(format!("FOR VALUES {bound}")),
            ..leaf(name, "r")
        };
        catalog(vec![root("r"), part("r1", first), part("r2", second)])
    };
    let low = "FROM (0) TO (10)";
    let source = side(low, "FROM (10) TO (20)");
    let same = pair(&source, &source.clone(), &Wishes::default(), None);
    assert_eq!(same.len(), 2);
    let target = side(low, "FROM (10) TO (30)");
    let found = pair(&source, &target, &Wishes::default(), None);
    let [PairingEntry::Compare(pair)] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(pair.name.name, "r");
    assert_eq!((pair.source.len(), pair.target.len()), (2, 2));
    let [difference] = pair.schema_differences.as_slice() else {
        panic!("{pair:?}");
    };
    for part in [
        "public.r2",
        "FROM (10) TO (20) on the source",
        "FROM (10) TO (30) on the target",
    ] {
        assert!(difference.contains(part), "{difference}");
    }
    assert_eq!(pair.copy_again, [QualifiedName::new("public", "r2")]);
}

#[test]
fn unreadable_and_filtered_tables_are_errors() {
    let mut denied = table("a", &["id"]);
    denied.readable = false;
    let mut secured = table("b", &["id"]);
    secured.row_security = true;
    let found = run(
        vec![denied, secured],
        vec![table("a", &["id"]), table("b", &["id"])],
    );
    let mut planned = table("c", &["id"]);
    planned.runs = Some("s.f".into());
    let more = run(vec![table("c", &["id"])], vec![planned]);
    assert!(more[0].1.starts_with("error target:"), "{more:?}");
    assert!(
        found
            .iter()
            .all(|(_, what)| what.starts_with("error source:")),
        "{found:?}"
    );
}

#[test]
fn columns_pair_by_name_and_differences_are_kept() {
    let entries = pair(
        &catalog(vec![table("a", &["id", "x", "gone"])]),
        &catalog(vec![table("a", &["new", "x", "id"])]),
        &Wishes::default(),
        None,
    );
    let PairingEntry::Compare(pair) = &entries[0] else {
        panic!("{entries:?}")
    };
    let names: Vec<&str> = pair.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["id", "x"]);
    assert_eq!(
        pair.schema_differences,
        [
            "column gone is only on the source",
            "column new is only on the target"
        ]
    );
}

#[test]
fn a_partitioned_table_is_selected_with_its_partitions() {
    let side = || {
        catalog(vec![
            root("r"),
            leaf("r1", "r"),
            leaf("r2", "r"),
            table("a", &["id"]),
        ])
    };
    let select = |tables: &[&str], without: &[&str]| {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let wishes = Wishes {
            selection: Selection {
                tables: list(tables),
                exclude_tables: list(without),
                ..Selection::default()
            },
            ..Wishes::default()
        };
        pair(&side(), &side(), &wishes, None)
            .iter()
            .map(|entry| entry.name().name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(select(&["r"], &[]), ["r1", "r2"]);
    assert_eq!(select(&["r"], &["r2"]), ["r1"]);
    assert_eq!(select(&["r2"], &[]), ["r2"]);
}

#[test]
fn a_column_that_no_table_has_is_unknown() {
    let side = |columns| catalog(vec![table("a", columns), table("b", &["id", "y"])]);
    let unknown = |columns: &[&str], without: &[&str], tables: &[&str]| {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let wishes = Wishes {
            columns: list(columns),
            exclude_columns: list(without),
            selection: Selection {
                tables: list(tables),
                ..Selection::default()
            },
        };
        unknown_columns(&side(&["id", "x"]), &side(&["id", "z"]), &wishes)
    };
    assert!(unknown(&["x", "a.z", "public.b.y"], &["id"], &[]).is_empty());
    assert_eq!(unknown(&["typo", "x"], &["b.x"], &[]), ["typo", "b.x"]);
    // Of a table that is not selected.
    assert_eq!(unknown(&["y"], &[], &["a"]), ["y"]);
}

#[test]
fn excluded_columns_never_take_the_key_away() {
    let wishes = Wishes {
        exclude_columns: vec!["a.x".into(), "id".into()],
        ..Wishes::default()
    };
    let entries = pair(
        &catalog(vec![table("a", &["id", "x"]), table("b", &["id", "x"])]),
        &catalog(vec![table("a", &["id", "x"]), table("b", &["id", "x"])]),
        &wishes,
        None,
    );
    let columns: Vec<usize> = entries
        .iter()
        .map(|entry| match entry {
            PairingEntry::Compare(pair) => pair.columns.len(),
            _ => 0,
        })
        .collect();
    assert_eq!(columns, [1, 2]);
}

/// A plan that has these tables in these sets.
fn plan(tables: &[(&str, Set)]) -> Plan {
    let tables = tables.iter();
    Plan::example(
        tables
            .map(|(name, set)| PlanTable::example("public", name, *set))
            .collect(),
    )
}

#[test]
fn an_unlogged_table_is_left_out_unless_the_plan_carries_it() {
    let unlogged = || {
        let mut one = table("a", &["id"]);
        one.persistence = "u".into();
        vec![one]
    };
    let (source, target) = (catalog(unlogged()), catalog(vec![table("a", &["id"])]));
    let wishes = Wishes::default();
    let found = pair(&source, &target, &wishes, None);
    assert!(matches!(&found[..], [PairingEntry::Skip(..)]));
    let planned = |set| plan(&[("a", set)]);
    let found = pair(&source, &target, &wishes, Some(&planned(Set::Default)));
    assert!(matches!(&found[..], [PairingEntry::Compare(_)]));
    let found = pair(&source, &target, &wishes, Some(&planned(Set::Excluded)));
    assert!(matches!(&found[..], [PairingEntry::Skip(..)]));
    // Named by the plan, and nowhere: that is no equality of nothing.
    let none = (catalog(Vec::new()), catalog(Vec::new()));
    let found = pair(&none.0, &none.1, &wishes, Some(&planned(Set::Default)));
    assert!(matches!(&found[..], [PairingEntry::Error(..)]));
    let found = pair(&none.0, &none.1, &wishes, Some(&planned(Set::Excluded)));
    assert!(found.is_empty());
}

fn compared(source: &Catalog, target: &Catalog, wishes: &Wishes) -> TablePair {
    match pair(source, target, wishes, None).pop() {
        Some(PairingEntry::Compare(pair)) => *pair,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_side_has_its_own_relations_types_and_encoding() {
    let of = |bytes, encoding: &str| Catalog {
        encoding: encoding.into(),
        ..catalog(vec![RelationInfo {
            bytes,
            ..table("a", &["x", "id"])
        }])
    };
    let mut target = of(200, "SQL_ASCII");
    target.types = Types::new([TypeInfo {
        schema: "pg_catalog".into(),
        ..int4()
    }]);
    let pair = compared(&of(100, "UTF8"), &target, &Wishes::default());
    assert_eq!(pair.bytes(), 300);
    for (side, bytes, unchecked) in [(Side::Source, 100, false), (Side::Target, 200, true)] {
        let sizes: Vec<u64> = pair.relations(side).iter().map(|r| r.bytes).collect();
        assert_eq!(sizes, [bytes]);
        assert_eq!(pair.is_unchecked(side), unchecked);
        let column = &pair.columns[0];
        assert_eq!(column.type_name(side), "\"pg_catalog\".\"int4\"");
        assert_eq!(column.input_type(side), Some("\"pg_catalog\".\"int4\""));
    }
    let key: Vec<&str> = pair.key_columns().map(|c| c.name.as_str()).collect();
    assert_eq!(key, ["id"]);
}

/// What is not compared as everybody expects is said, and only then.
#[test]
fn notes_say_what_is_unusual() {
    let notes = |change: &dyn Fn(&mut RelationInfo)| {
        let mut other = table("a", &["id", "x"]);
        change(&mut other);
        let both = (
            catalog(vec![table("a", &["id", "x"])]),
            catalog(vec![other]),
        );
        compared(&both.0, &both.1, &Wishes::default()).notes
    };
    assert_eq!(notes(&|_| ()), [""; 0]);
    assert_eq!(
        notes(&|r| r.primary_key = Some(vec!["x".into()])),
        ["primary key: id on the source, x on the target"]
    );
    assert_eq!(
        notes(&|r| r.columns[1].shown = "int".into()),
        ["column x: integer on the source, int on the target"]
    );
    let keyless = || {
        catalog(vec![RelationInfo {
            primary_key: None,
            ..table("a", &["id"])
        }])
    };
    let pair = compared(&keyless(), &keyless(), &Wishes::default());
    assert_eq!(pair.notes, ["no key: compared as a multiset of rows"]);
    // A column that the source alone computes is one that can be written on the target.
    for (at, generated) in [(0, (true, false)), (1, (false, true))] {
        let mut both = [table("a", &["id"]), table("a", &["id"])];
        both[at].columns[0].generated = true;
        let [one, two] = both.map(|table| catalog(vec![table]));
        let pair = compared(&one, &two, &Wishes::default());
        assert_eq!(pair.columns[0].generated, generated);
        assert_eq!(pair.computed().is_empty(), !generated.1);
    }
}

#[test]
fn an_insert_only_set_is_said_of_its_table_alone() {
    let both = || catalog(vec![table("a", &["id"]), table("b", &["id"])]);
    let plan = plan(&[("a", Set::DefaultInsertOnly), ("b", Set::Default)]);
    let noted: Vec<usize> = pair(&both(), &both(), &Wishes::default(), Some(&plan))
        .iter()
        .map(|entry| match entry {
            PairingEntry::Compare(pair) => pair.notes.len(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(noted, [1, 0]);
}

/// Where leaves differ, the rows of all leaves of this table are compared, and none of another's.
#[test]
fn leaves_of_the_table_and_no_others() {
    let more = || vec![root("other"), leaf("o1", "other"), table("plain", &["id"])];
    let side = |leaves: &[&str]| {
        let leaves = leaves.iter().map(|name| leaf(name, "r"));
        let all = [root("r")].into_iter().chain(leaves);
        all.chain(more()).collect::<Vec<_>>()
    };
    let found = run(side(&["r1"]), side(&["r1", "r2"]));
    let names: Vec<(&str, &str)> = found
        .iter()
        .map(|(name, what)| (name.as_str(), what.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("o1", "compare 1/1"),
            ("plain", "compare 1/1"),
            ("r", "compare 1/2")
        ]
    );
    // A root without leaves holds no rows, a plain table of the name does.
    let found = run(vec![root("r")], vec![table("r", &["id"])]);
    assert_eq!(found, [("r".into(), "compare 0/1".into())]);
    // Partitions between the root and the leaves hold no rows, but who reads them sees some.
    let middle = |name: &str| RelationInfo {
        above: vec![QualifiedName::new("public", "r")],
        ..root(name)
    };
    let found = run(
        vec![root("r"), middle("m"), leaf("r1", "r")],
        vec![root("r"), middle("n"), leaf("r1", "r")],
    );
    assert_eq!(found, [("r".into(), "compare 1/1".into())]);
    // One that the target lacks, with partitions or without.
    let found = run(
        vec![root("r"), table("t", &["id"])],
        vec![table("t", &["id"])],
    );
    assert_eq!(found[0].1, "differs the target has no such table");
}

#[test]
fn own_schemas_and_those_of_the_server() {
    for (schema, own) in [
        ("pgl", true),
        ("pglogical", true),
        ("pg_toast", true),
        ("information_schema", true),
        ("public", false),
        ("pgl2", false),
    ] {
        let relation = RelationInfo {
            schema: schema.into(),
            ..table("t", &["id"])
        };
        assert_eq!(is_own(&relation), own, "{schema}");
    }
    // Its rows are those of a table that is not the replication's.
    let partition = RelationInfo {
        schema: "pglogical".into(),
        ..leaf("r1", "r")
    };
    assert!(!is_own(&partition));
}

/// A table that is a partition on one side only is compared by its own name, and is no part of the other side's root.
#[test]
fn a_partition_on_one_side_only_is_compared_by_its_own_name() {
    let names = |relations: &[RelationInfo]| -> Vec<String> {
        relations.iter().map(|one| one.name.clone()).collect()
    };
    let all = |source: Vec<RelationInfo>, target: Vec<RelationInfo>, wishes: &Wishes| {
        let paired = pair(&catalog(source), &catalog(target), wishes, None);
        let shown = paired.into_iter().map(|entry| match entry {
            PairingEntry::Compare(pair) => format!(
                "{}: {} = {}; {}",
                pair.name.name,
                names(&pair.source).join(" "),
                names(&pair.target).join(" "),
                pair.schema_differences.join(", ")
            ),
            PairingEntry::Differs(name, why) | PairingEntry::Error(name, why) => {
                format!("{}: {why}", name.name)
            }
            other => panic!("{other:?}"),
        });
        shown.collect::<Vec<_>>()
    };
    let everything = Wishes::default();
    let parted = || vec![root("r"), leaf("r1", "r"), leaf("r2", "r")];
    let detached = || vec![root("r"), leaf("r1", "r"), table("r2", &["id"])];
    let own =
        "public.r2 is a table of its own on the source, a partition of public.r on the target";
    assert_eq!(
        all(detached(), parted(), &everything),
        ["r1: r1 = r1; ".to_owned(), format!("r2: r2 = r2; {own}")]
    );
    let part =
        "public.r2 is a partition of public.r on the source, a table of its own on the target";
    assert_eq!(
        all(parted(), detached(), &everything),
        ["r1: r1 = r1; ".to_owned(), format!("r2: r2 = r2; {part}")]
    );
    // Inheritance on one side.
    let inherited = || vec![table("r", &["id"]), table("r2", &["id"])];
    let parts = || vec![root("r"), leaf("r2", "r")];
    assert_eq!(
        all(inherited(), parts(), &everything),
        ["r: r = ; ".to_owned(), format!("r2: r2 = r2; {own}")]
    );
    // Of a partition with partitions, the rows count under the root on one side.
    let middle = || RelationInfo {
        kind: "p".into(),
        ..leaf("m", "r")
    };
    let under = |more: RelationInfo| vec![root("r"), leaf("r1", "r"), more, leaf("m1", "r")];
    let own = vec![root("r"), leaf("r1", "r"), root("m"), leaf("m1", "m")];
    let said = |name: &str, root: &str| {
        format!("public.{name} is a partition of public.r on the source, {root} on the target")
    };
    assert_eq!(
        all(under(middle()), own, &everything),
        [
            format!("m: {}", said("m", "a table of its own")),
            format!("m1: m1 = m1; {}", said("m1", "a partition of public.m")),
            "r1: r1 = r1; ".to_owned(),
        ]
    );
    // Where a partition is left out, the rows of the others are not known.
    let more = || vec![root("r"), leaf("r1", "r"), leaf("r2", "r"), leaf("r3", "r")];
    let mut without = Wishes::default();
    without.selection.exclude_tables = vec!["r2".to_owned()];
    let found = all(parted(), more(), &without);
    assert!(
        found.len() == 1 && found[0].contains("and public.r2 is left out"),
        "{found:?}"
    );
    // In an even table each is compared alone.
    assert_eq!(
        all(more(), more(), &without),
        ["r1: r1 = r1; ", "r3: r3 = r3; "]
    );
}

/// DDL that the target has not applied yet, or that the source runs meanwhile, is no difference yet.
#[test]
fn a_difference_of_definitions_counts_once_both_sides_had_it_twice() {
    let wishes = Wishes::default();
    let open_between = |first: [Vec<RelationInfo>; 2], second: [Vec<RelationInfo>; 2]| {
        let read = |[source, target]: [Vec<RelationInfo>; 2]| {
            PairedCatalogs::new(catalog(source), catalog(target), &wishes, None)
        };
        (read(second).unconfirmed(&read(first)).into_iter())
            .map(|(name, why)| format!("{}: {why}", name.name))
            .collect::<Vec<_>>()
    };
    let open = |first: Vec<RelationInfo>, target: Vec<RelationInfo>, second: Vec<RelationInfo>| {
        open_between([first, target.clone()], [second, target])
    };
    let old = || vec![table("t", &["id"])];
    // Without a table, the source would not have the schema either.
    let other = || vec![table("other", &["id"])];
    let both = || vec![table("other", &["id"]), table("t", &["id"])];
    let new = || vec![table("t", &["id", "zz"])];
    let grown = || {
        let [one] = [table("t", &["id", "zz"])];
        vec![RelationInfo {
            bytes: 1,
            pages: 2,
            estimate: 3.0,
            ..one
        }]
    };
    let created_again = || {
        vec![RelationInfo {
            oid: 2,
            ..table("t", &["id"])
        }]
    };
    let none: Vec<String> = Vec::new();
    assert_eq!(open(new(), new(), new()), none);
    // The same on the source in both readings, whatever its size: the target lacks it for good.
    assert_eq!(open(new(), old(), grown()), none);
    assert_eq!(open(old(), Vec::new(), old()), none);
    assert_eq!(open(other(), old(), other()), none);
    // It came with the second reading.
    assert_eq!(
        open(old(), old(), new()),
        ["t: column zz is only on the source"]
    );
    assert_eq!(
        open(Vec::new(), Vec::new(), old()),
        ["t: the target has no such table"]
    );
    assert_eq!(
        open(both(), both(), other()),
        ["t: the source has no such table"]
    );
    assert_eq!(
        open(old(), Vec::new(), created_again()),
        ["t: the target has no such table"]
    );
    // What it was in between, and is no longer, was replicated meanwhile: on either side.
    let renamed = |versions: &str| {
        vec![RelationInfo {
            versions: versions.to_owned(),
            ..table("t", &["id"])
        }]
    };
    assert_eq!(
        open_between([renamed("1"), new()], [renamed("1"), new()]),
        none
    );
    let column = ["t: column zz is only on the target"];
    assert_eq!(
        open_between([renamed("1"), new()], [renamed("2"), new()]),
        column
    );
    let new_again = || {
        vec![RelationInfo {
            versions: "3".to_owned(),
            ..table("t", &["id", "zz"])
        }]
    };
    assert_eq!(open_between([old(), new()], [old(), new_again()]), column);
    let two = || vec![table("other", &["id"]), created_again().remove(0)];
    assert_eq!(
        open_between([other(), both()], [other(), two()]),
        ["t: the source has no such table"]
    );
    // The target already has what the source had in the second reading.
    assert_eq!(open(old(), new(), new()), none);
    let parts = |names: &[&str]| {
        let leaves = names.iter().map(|name| leaf(name, "r"));
        std::iter::once(root("r")).chain(leaves).collect::<Vec<_>>()
    };
    let uneven = ["r: partitions differ between the sides"];
    assert_eq!(
        open(parts(&["r1"]), parts(&["r1"]), parts(&["r1", "r2"])),
        uneven
    );
    assert_eq!(
        open(parts(&["r1", "r2"]), parts(&["r1"]), parts(&["r1", "r2"])),
        none
    );
}

/// A partition that is left out does not make a partitioned table uneven; where the others differ, it makes the answer
/// impossible.
#[test]
fn a_partition_that_is_left_out_is_no_part_of_its_table() {
    let shown = |source: Vec<RelationInfo>, target, wishes: &Wishes, plan: Option<&Plan>| {
        let paired = pair(&catalog(source), &catalog(target), wishes, plan);
        let shown = paired.into_iter().map(|entry| match entry {
            PairingEntry::Compare(pair) => pair.name.name,
            PairingEntry::Skip(name, why) => format!("{}: skipped, {why}", name.name),
            PairingEntry::Error(name, why) => format!("{}: error, {why}", name.name),
            PairingEntry::Differs(name, why) => format!("{}: {why}", name.name),
        });
        shown.collect::<Vec<_>>()
    };
    let parted = |names: &[&str]| -> Vec<RelationInfo> {
        let leaves = names.iter().map(|name| leaf(name, "r"));
        std::iter::once(root("r")).chain(leaves).collect()
    };
    let unlogged = |mut relations: Vec<RelationInfo>, name: &str| {
        let found = relations.iter_mut().find(|one| one.name == name).unwrap();
        found.persistence = "u".into();
        relations
    };
    let everything = Wishes::default();
    let without = |table: &str| {
        let mut wishes = Wishes::default();
        wishes.selection.exclude_tables = vec![table.to_owned()];
        wishes
    };
    // By the plan: the target may lack it, or have it with other rows.
    let excluded = plan(&[("r1", Set::Default), ("r2", Set::Excluded)]);
    let skipped = "r2: skipped, left out by the plan: excluded";
    for target in [parted(&["r1"]), parted(&["r1", "r2"])] {
        let found = shown(parted(&["r1", "r2"]), target, &everything, Some(&excluded));
        assert_eq!(found, ["r1", skipped]);
    }
    // Because it is unlogged on the source.
    let source = unlogged(parted(&["r1", "r2"]), "r2");
    let found = shown(source.clone(), parted(&["r1", "r2"]), &everything, None);
    assert!(
        found[0] == "r1" && found[1].starts_with("r2: skipped, unlogged"),
        "{found:?}"
    );
    // Where the others differ, its rows may be anywhere on the other side.
    for (source, plan, reason) in [
        (source, None, "is left out (unlogged"),
        (
            parted(&["r1", "r2"]),
            Some(&excluded),
            "is left out (left out by the plan",
        ),
    ] {
        let found = shown(source, parted(&["r1", "r2", "r3"]), &everything, plan);
        assert!(
            found.len() == 1 && found[0].starts_with("r: error") && found[0].contains(reason),
            "{found:?}"
        );
    }
    // What excludes a partitioned table excludes all that is below it.
    for target in [parted(&["r1", "r2"]), parted(&["r1", "r3"])] {
        assert!(shown(parted(&["r1", "r2"]), target, &without("r"), None).is_empty());
    }
    let nested = || {
        let mut relations = parted(&["r1", "m1"]);
        relations[2]
            .above
            .insert(0, QualifiedName::new("public", "m"));
        let middle = RelationInfo {
            kind: "p".into(),
            ..leaf("m", "r")
        };
        relations.push(middle);
        relations
    };
    assert_eq!(shown(nested(), nested(), &everything, None), ["m1", "r1"]);
    assert_eq!(shown(nested(), nested(), &without("m"), None), ["r1"]);
    // Where the target has put a table is no reason to leave it out.
    let moved = || {
        let mut relations = parted(&["r1"]);
        relations.extend([root("q"), leaf("x", "q")]);
        relations
    };
    for source in [
        vec![root("r"), leaf("r1", "r"), leaf("x", "r"), root("q")],
        vec![root("r"), leaf("r1", "r"), table("x", &["id"]), root("q")],
    ] {
        let found = shown(source, moved(), &without("q"), None);
        assert_eq!(found, ["r1", "x"]);
    }
    let mut below = parted(&["r1", "x"]);
    below[2].above.insert(0, QualifiedName::new("public", "m"));
    assert_eq!(
        shown(parted(&["r1", "x"]), below, &without("m"), None),
        ["r1", "x"]
    );
    // Releases before 18 let a partitioned table be called unlogged; its partitions are what they are.
    let root_unlogged = unlogged(parted(&["r1", "r2"]), "r");
    let found = shown(root_unlogged, parted(&["r1"]), &everything, None);
    assert_eq!(found, ["r"]);
}

/// A partition that has partitions on the target alone holds what they hold, also where those are left out.
#[test]
fn a_partition_whose_partitions_are_left_out_cannot_be_compared() {
    let source = catalog(vec![root("r"), leaf("m", "r")]);
    let middle = RelationInfo {
        kind: "p".into(),
        ..leaf("m", "r")
    };
    let inner = RelationInfo {
        above: vec![
            QualifiedName::new("public", "m"),
            QualifiedName::new("public", "r"),
        ],
        ..leaf("l", "m")
    };
    let target = catalog(vec![root("r"), middle, inner]);
    let entries = |without: &str| {
        let wishes = Wishes {
            selection: Selection {
                exclude_tables: vec![without.into()],
                ..Selection::default()
            },
            ..Wishes::default()
        };
        pair(&source, &target, &wishes, None)
    };
    let found = entries("l");
    assert!(
        matches!(&found[..], [PairingEntry::Error(name, why)] if name.name == "m" && why.contains("left out")),
        "{found:?}"
    );
    let found = entries("none");
    assert!(
        matches!(&found[..], [PairingEntry::Compare(pair)] if pair.name.name == "r"),
        "{found:?}"
    );
}

/// What only the target has below a table of the source is seen as that table's rows there.
#[test]
fn what_the_target_adds_below_a_table_is_not_left_out() {
    let pairs = |target: Vec<RelationInfo>| {
        let source = vec![root("r"), leaf("r1", "r"), table("t", &["id"])];
        pair(&catalog(source), &catalog(target), &Wishes::default(), None)
    };
    let same = || vec![root("r"), leaf("r1", "r"), table("t", &["id"])];
    let added = |more: RelationInfo| {
        let mut relations = same();
        relations.push(more);
        relations
    };
    let unlogged = RelationInfo {
        persistence: "u".into(),
        ..leaf("px", "r")
    };
    let of_extension = RelationInfo {
        extension: Some("ext".into()),
        ..leaf("px", "r")
    };
    for more in [unlogged, of_extension] {
        let entries = pairs(added(more));
        let PairingEntry::Compare(one) = &entries[0] else {
            panic!("{entries:?}");
        };
        assert_eq!((one.source.len(), one.target.len()), (1, 2), "{one:?}");
    }
    let foreign = RelationInfo {
        kind: "f".into(),
        ..leaf("px", "r")
    };
    let entries = pairs(added(foreign));
    assert!(
        matches!(&entries[0], PairingEntry::Error(_, why) if why.contains("foreign table of the target")),
        "{entries:?}"
    );
    let elsewhere = |parents: Vec<QualifiedName>| RelationInfo {
        schema: "new".into(),
        parents,
        ..table("c", &["id"])
    };
    let entries = pairs(added(elsewhere(vec![QualifiedName::new("public", "t")])));
    assert!(
        matches!(&entries[0], PairingEntry::Differs(..)),
        "{entries:?}"
    );
    let entries = pairs(added(elsewhere(Vec::new())));
    assert!(matches!(&entries[0], PairingEntry::Skip(..)), "{entries:?}");
    // Whoever asks for the table alone is told of what is below it, at any depth; and not of what has nothing to do with it.
    let wishes = Wishes {
        selection: Selection {
            tables: vec!["t".into()],
            ..Selection::default()
        },
        ..Wishes::default()
    };
    let below = |name: &str, above: &str| RelationInfo {
        parents: vec![QualifiedName::new("public", above)],
        ..table(name, &["id"])
    };
    let mut target = added(below("c", "t"));
    target.extend([below("d", "c"), table("e", &["id"])]);
    let entries = pair(&catalog(same()), &catalog(target), &wishes, None);
    let names: Vec<&str> = entries.iter().map(|one| one.name().name.as_str()).collect();
    assert_eq!(names, ["c", "d", "t"]);
    assert!(
        matches!(entries[1], PairingEntry::Differs(..)),
        "{entries:?}"
    );
}

#[test]
fn a_table_is_different_where_it_inherits_from_others() {
    let child = |parents: &[&str]| RelationInfo {
        parents: parents
            .iter()
            .map(|one| QualifiedName::new("public", *one))
            .collect(),
        ..table("c", &["id"])
    };
    let side = |child| catalog(vec![table("p", &["id"]), table("q", &["id"]), child]);
    let differences = |one: &[&str], two: &[&str], without: &str| {
        let wishes = Wishes {
            selection: Selection {
                tables: vec!["c".into()],
                exclude_tables: vec![without.into()],
                ..Selection::default()
            },
            ..Wishes::default()
        };
        compared(&side(child(one)), &side(child(two)), &wishes).schema_differences
    };
    assert_eq!(
        differences(&[], &["p"], "none"),
        ["inherits from none on the source, from public.p on the target"]
    );
    assert_eq!(differences(&["q", "p"], &["p", "q"], "none"), [""; 0]);
    // Its parent was not migrated.
    assert_eq!(differences(&["p"], &[], "p"), [""; 0]);
}

/// A schema of the source is no new one, whether there is a table in it or not.
#[test]
fn a_table_that_is_left_in_a_schema_of_the_source_is_different() {
    let left = RelationInfo {
        schema: "archive".into(),
        ..table("t", &["id"])
    };
    let mut source = catalog(Vec::new());
    let target = catalog(vec![left]);
    let entry = |source: &Catalog| pair(source, &target, &Wishes::default(), None).remove(0);
    assert!(matches!(entry(&source), PairingEntry::Skip(..)));
    source.schemas.insert("archive".into());
    assert!(matches!(entry(&source), PairingEntry::Differs(..)));
}

/// What is said of the columns of a partitioned table is said of its partitions'.
#[test]
fn columns_are_named_by_the_table_above_too() {
    let side = |names: &[&str]| {
        let leaves = names.iter().map(|name| RelationInfo {
            above: vec![QualifiedName::new("public", "r")],
            ..table(name, &["id", "v", "w"])
        });
        let top = RelationInfo {
            kind: "p".into(),
            ..table("r", &["id", "v", "w"])
        };
        std::iter::once(top).chain(leaves).collect::<Vec<_>>()
    };
    let columns = |target: &[&str], only: &[&str], without: &[&str]| {
        let wishes = Wishes {
            columns: only.iter().map(|one| (*one).to_owned()).collect(),
            exclude_columns: without.iter().map(|one| (*one).to_owned()).collect(),
            ..Wishes::default()
        };
        let entries = pair(
            &catalog(side(&["r1", "r2"])),
            &catalog(side(target)),
            &wishes,
            None,
        );
        let shown = entries.iter().map(|entry| match entry {
            PairingEntry::Compare(pair) => {
                let names: Vec<&str> = pair.columns.iter().map(|c| c.name.as_str()).collect();
                format!("{} {}", pair.name.name, names.join(","))
            }
            PairingEntry::Skip(name, _) => format!("{} skipped", name.name),
            other => format!("{} error", other.name().name),
        });
        shown.collect::<Vec<_>>()
    };
    let (even, uneven) = (&["r1", "r2"][..], &["r1", "r3"][..]);
    assert_eq!(columns(even, &["r.v"], &[]), ["r1 id,v", "r2 id,v"]);
    assert_eq!(columns(even, &[], &["public.r.v"]), ["r1 id,w", "r2 id,w"]);
    assert_eq!(columns(even, &["r1.v"], &[]), ["r1 id,v", "r2 skipped"]);
    // Of partitions that are compared as one table, more than was asked for is compared, and never less.
    assert_eq!(columns(uneven, &["r1.v"], &[]), ["r id,v"]);
    assert_eq!(columns(uneven, &[], &["r1.v"]), ["r error"]);
    assert_eq!(columns(uneven, &[], &["r.v"]), ["r id,w"]);
}

/// What comes below a table after the tables were listed makes the result incomplete that its rows would be in.
#[test]
fn rows_that_are_seen_in_another_table_by_now_are_in_no_result_of_it() {
    let public = |name: &str| QualifiedName::new("public", name);
    // r is even: its partitions are the results. u is not: it is one itself. m is in the middle of r.
    let side = |more: &str| {
        let middle = RelationInfo {
            kind: "p".into(),
            ..leaf("m", "r")
        };
        let inner = RelationInfo {
            above: vec![public("m"), public("r")],
            ..leaf("m1", "m")
        };
        let child = RelationInfo {
            parents: vec![public("h")],
            ..table("c", &["id"])
        };
        let tables = [
            root("r"),
            leaf("r1", "r"),
            middle,
            inner,
            root("u"),
            leaf(more, "u"),
            root("none"),
            table("h", &["id"]),
            child,
            table("t", &["id"]),
        ];
        let numbered = tables.into_iter().zip(1..);
        catalog(
            numbered
                .map(|(table, oid)| RelationInfo { oid, ..table })
                .collect(),
        )
    };
    type Now<'a> = (u32, &'a str, &'a str, &'a [u32]);
    let lacking = |tables: &[&str], without: &[&str], more: &[Now<'_>]| {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let wishes = Wishes {
            selection: Selection {
                tables: list(tables),
                exclude_tables: list(without),
                ..Selection::default()
            },
            ..Wishes::default()
        };
        let mut all: Vec<Now<'_>> = vec![
            (1, "r", "p", &[]),
            (2, "r1", "r", &[1]),
            (3, "m", "p", &[1]),
            (4, "m1", "r", &[3]),
            (5, "u", "p", &[]),
            (8, "h", "r", &[]),
            (9, "c", "r", &[8]),
        ];
        all.retain(|(oid, ..)| more.iter().all(|one| one.0 != *oid));
        let now = all
            .iter()
            .chain(more)
            .map(|(oid, name, kind, parents)| ChildNow {
                oid: *oid,
                schema: "public".into(),
                name: (*name).into(),
                kind: (*kind).into(),
                parents: parents.to_vec(),
            });
        let pairs = PairedCatalogs::new(side("u1"), side("u2"), &wishes, None);
        let names = pairs.children.1.lacking(&now.collect::<Vec<_>>());
        names.into_iter().map(|name| name.name).collect::<Vec<_>>()
    };
    assert_eq!(lacking(&[], &[], &[]), [""; 0]);
    for kind in ["r", "f"] {
        assert_eq!(lacking(&[], &[], &[(20, "new", kind, &[1])]), ["r"]);
        assert_eq!(lacking(&[], &[], &[(20, "new", kind, &[5])]), ["u"]);
        assert_eq!(lacking(&[], &[], &[(20, "new", kind, &[8])]), ["h"]);
        assert_eq!(lacking(&[], &[], &[(20, "new", kind, &[9])]), ["c", "h"]);
        // Below one in the middle, also one that is new.
        let below: Now<'_> = (20, "new", kind, &[3]);
        assert_eq!(lacking(&[], &[], &[below]), ["r"]);
        assert_eq!(lacking(&["m"], &[], &[below]), ["m"]);
        assert_eq!(lacking(&["r1"], &[], &[below]), [""; 0]);
        assert_eq!(lacking(&[], &["new"], &[below]), [""; 0]);
        assert_eq!(lacking(&[], &["m"], &[below]), [""; 0]);
        let both: [Now<'_>; 2] = [(20, "new", kind, &[21]), (21, "middle", "p", &[3])];
        assert_eq!(lacking(&[], &[], &both), ["r"]);
    }
    // Nothing was said of a table that was not there.
    let unknown: [Now<'_>; 2] = [(20, "new", "r", &[21]), (21, "x", "p", &[])];
    assert_eq!(lacking(&[], &[], &unknown), [""; 0]);
    // Renamed, or made again.
    let renamed: [Now<'_>; 2] = [(7, "x", "p", &[]), (20, "new", "r", &[7])];
    assert_eq!(lacking(&[], &[], &renamed), ["none"]);
    let again: [Now<'_>; 2] = [(22, "none", "p", &[]), (20, "new", "r", &[22])];
    assert_eq!(lacking(&[], &[], &again), ["none"]);
    // A table that was known, asked for or not, is in its own result at most.
    for tables in [&[][..], &["r", "h"]] {
        assert_eq!(lacking(tables, &[], &[(10, "t", "r", &[1])]), ["r"]);
        assert_eq!(lacking(tables, &[], &[(10, "t", "r", &[8])]), ["h"]);
        let whole: [Now<'_>; 2] = [(7, "none", "p", &[1]), (20, "new", "r", &[7])];
        let all = lacking(tables, &[], &whole);
        assert!(all.contains(&"r".to_owned()), "{all:?}");
    }
    // Where it was seen before, nothing is new.
    assert_eq!(lacking(&[], &[], &[(9, "c", "r", &[])]), [""; 0]);
}

/// What is no part of the comparison for what it is on the source counts where the target shows its rows in another table.
#[test]
fn what_is_left_out_on_the_source_is_different_below_a_table_of_the_target() {
    let unlogged = |relation: RelationInfo| RelationInfo {
        persistence: "u".into(),
        ..relation
    };
    let source = |more: RelationInfo| vec![root("p"), leaf("p1", "p"), table("h", &["id"]), more];
    let below = |more: RelationInfo| RelationInfo {
        parents: vec![QualifiedName::new("public", "h")],
        ..more
    };
    let entry = |here: RelationInfo, there: RelationInfo| {
        let found = run(source(here), source(there));
        let one = found.into_iter().find(|(name, _)| name == "x");
        one.map(|(_, what)| what).unwrap_or_default()
    };
    let matview = RelationInfo {
        kind: "m".into(),
        ..table("x", &["id"])
    };
    for here in [unlogged(table("x", &["id"])), matview] {
        for there in [leaf("x", "p"), below(table("x", &["id"]))] {
            let what = entry(here.clone(), there);
            assert!(
                what.starts_with("differs ") && what.contains("seen in public."),
                "{what}"
            );
        }
        let what = entry(here, table("x", &["id"]));
        assert!(what.starts_with("skip "), "{what}");
    }
    let what = entry(unlogged(leaf("x", "p")), leaf("x", "p"));
    assert!(what.starts_with("skip "), "{what}");
    // Or where the source alone shows them.
    let what = entry(unlogged(below(table("x", &["id"]))), table("x", &["id"]));
    assert!(
        what.contains("seen in public.h on the source alone"),
        "{what}"
    );
    let found = run(source(table("y", &["id"])), {
        let mut target = source(table("y", &["id"]));
        target.push(RelationInfo {
            schema: "pgl".into(),
            ..below(table("x", &["id"]))
        });
        target
    });
    assert!(
        found.contains(&("x".into(), "differs the source has no such table".into())),
        "{found:?}"
    );
    // Below one that is left out, which is below one that is not.
    let tree = |parents: &[&str]| {
        let middle = unlogged(below(table("m", &["id"])));
        let child = RelationInfo {
            parents: parents
                .iter()
                .map(|one| QualifiedName::new("public", *one))
                .collect(),
            ..table("c", &["id"])
        };
        catalog(vec![table("h", &["id"]), middle, child])
    };
    let wishes = Wishes::default();
    // What is left out itself shows nothing that is compared.
    let without = Wishes {
        selection: Selection {
            exclude_tables: vec!["h".into(), "m".into()],
            ..Selection::default()
        },
        ..Wishes::default()
    };
    let entries = pair(&tree(&[]), &tree(&["m"]), &without, None);
    assert!(
        matches!(&entries[..], [PairingEntry::Compare(one)] if one.schema_differences.is_empty()),
        "{entries:?}"
    );
    // Whoever asks for the table above is told, whichever side has the child below it.
    let asked = Wishes {
        selection: Selection {
            tables: vec!["h".into()],
            ..Selection::default()
        },
        ..Wishes::default()
    };
    for (one, two) in [(&[][..], &["h"][..]), (&["h"], &[])] {
        let entries = pair(&tree(one), &tree(two), &asked, None);
        let child = entries.iter().find(|entry| entry.name().name == "c");
        assert!(
            matches!(child, Some(PairingEntry::Compare(pair)) if !pair.schema_differences.is_empty()),
            "{entries:?}"
        );
    }
    let entries = pair(&tree(&[]), &tree(&["m"]), &wishes, None);
    let differences = entries.iter().find_map(|entry| match entry {
        PairingEntry::Compare(pair) if pair.name.name == "c" => Some(&pair.schema_differences),
        _ => None,
    });
    assert_eq!(
        differences.unwrap()[..],
        ["inherits from none on the source, from public.h on the target"]
    );
}
