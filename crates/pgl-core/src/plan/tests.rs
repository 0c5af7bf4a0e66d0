//! The plan on the clean facts of the rules' tests, changed here and there.

use crate::facts::objects::{Generated, Inherit, Persistence, RelKind, ReplIdent, Via, ViewLink};
use crate::facts::server::{Extension, Referenced};
use crate::facts::{Facts, NotRun, Section};
use crate::plan::{Plan, PlanTable, Set, build};
use crate::rules::testing::objects::*;
use crate::rules::testing::{clean, known};

fn plan(facts: &Facts) -> Plan {
    build(facts).expect("the baseline is enough for a plan")
}

fn planned<'a>(plan: &'a Plan, name: &str) -> &'a PlanTable {
    let mut tables = plan.tables.iter();
    tables
        .find(|table| table.name == name)
        .expect("a table of the plan")
}

fn sequence_names(plan: &Plan) -> Vec<&str> {
    plan.sequences.iter().map(|one| one.name.as_str()).collect()
}

fn select(facts: &mut Facts, tables: &[&str], exclude_tables: &[&str]) {
    let own = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
    facts.asked.selection.tables = own(tables);
    facts.asked.selection.exclude_tables = own(exclude_tables);
}

/// `events`, partitioned in two levels with one leaf.
fn partitions(facts: &mut Facts) {
    let objects = source(facts);
    table(objects, 310, "events").kind = RelKind::Partitioned;
    let middle = table(objects, 311, "events_2024");
    middle.kind = RelKind::Partitioned;
    middle.partition = true;
    table(objects, 312, "events_2024_01").partition = true;
    column(objects, 312, "id", INT4).not_null = true;
    index(objects, 312, "events_2024_01_pkey", &[1]).primary = true;
    let inherits = known(&mut objects.inherits);
    inherits.push(Inherit {
        child: 311,
        parent: 310,
    });
    inherits.push(Inherit {
        child: 312,
        parent: 311,
    });
}

#[test]
fn ordinary_tables_go_to_the_default_set() {
    let mut facts = clean();
    relation(source(&mut facts), ORDERS).toast_bytes = 8192;
    let plan = plan(&facts);
    assert_eq!(plan.names.subscription, "pgl_shop");
    let orders = planned(&plan, "orders");
    assert_eq!(orders.set, Set::Default);
    assert_eq!(orders.reason, None);
    assert_eq!(orders.key, Some(vec!["id".to_owned()]));
    assert_eq!(orders.copy_columns, None);
    assert_eq!(orders.partition_root, None);
    assert_eq!(orders.bytes, 16_384);
    assert_eq!(orders.rows_estimate, Some(100));
    assert!(!orders.recopy_at_cutover);
    let serial = &plan.sequences[0];
    assert_eq!(serial.owned_by.as_deref(), Some("public.customers.id"));
    assert!(!serial.identity);
    assert_eq!(serial.increment, "1");
    assert_eq!(serial.used_percent, Some(0));
    assert!(plan.sequences[1].identity);
    assert!(plan.manual_steps.is_empty(), "{:?}", plan.manual_steps);
}

#[test]
fn tables_without_usable_key_are_insert_only() {
    type Change = fn(&mut Facts);
    let cases: [(&str, Change); 4] = [
        ("no primary key", |f| no_indexes(source(f), ORDERS)),
        ("deferrable", |f| {
            index_of(source(f), "orders_pkey").immediate = false
        }),
        ("FULL", |f| {
            relation(source(f), ORDERS).identity = ReplIdent::Full
        }),
        ("NOTHING", |f| {
            relation(source(f), ORDERS).identity = ReplIdent::Nothing
        }),
    ];
    for (word, change) in cases {
        let mut facts = clean();
        change(&mut facts);
        changed(source(&mut facts), ORDERS, 0, 0);
        let made = plan(&facts);
        let orders = planned(&made, "orders");
        assert_eq!(orders.set, Set::DefaultInsertOnly, "{word}");
        assert!(orders.reason.as_ref().unwrap().contains(word), "{orders:?}");
        assert_eq!(orders.key, None);
        assert!(!orders.recopy_at_cutover, "{word}: only inserts were seen");
        known(&mut source(&mut facts).activity)[0].deleted = 1;
        assert!(planned(&plan(&facts), "orders").recopy_at_cutover, "{word}");
    }
}

#[test]
fn unknown_activity_counts_as_changes() {
    let mut facts = clean();
    no_indexes(source(&mut facts), ORDERS);
    source(&mut facts).activity = Section::Unknown("permission denied".to_owned());
    let made = plan(&facts);
    assert!(planned(&made, "orders").recopy_at_cutover);
    assert!(
        made.manual_steps
            .iter()
            .any(|one| one.id == "tbl.no_key_mutations")
    );
}

#[test]
fn unlogged_tables_and_those_of_extensions_are_excluded() {
    let mut facts = clean();
    relation(source(&mut facts), ORDERS).persistence = Persistence::Unlogged;
    relation(source(&mut facts), CUSTOMERS).extension = Some("crm".to_owned());
    let made = plan(&facts);
    let orders = planned(&made, "orders");
    assert_eq!(orders.set, Set::Excluded);
    assert!(orders.recopy_at_cutover);
    let customers = planned(&made, "customers");
    assert_eq!(customers.set, Set::Excluded);
    assert_eq!(
        customers.reason.as_deref(),
        Some("belongs to extension crm")
    );
    assert!(!customers.recopy_at_cutover);
    assert_eq!(made.replicated().count(), 0);
    assert_eq!(
        sequence_names(&made),
        ["orders_id_seq"],
        "it goes with its table"
    );
}

#[test]
fn generated_columns_are_not_copied() {
    let mut facts = clean();
    column_of(source(&mut facts), ORDERS, "customer").generated = Generated::Stored;
    column_of(source(&mut facts), ORDERS, "note").generated = Generated::Virtual;
    let made = plan(&facts);
    assert_eq!(
        planned(&made, "orders").copy_columns,
        Some(vec!["id".to_owned()])
    );
    assert_eq!(planned(&made, "customers").copy_columns, None);
}

#[test]
fn a_composite_key_keeps_its_order() {
    let mut facts = clean();
    index_of(source(&mut facts), "orders_pkey").key = vec![2, 1];
    let made = plan(&facts);
    let key = planned(&made, "orders").key.clone();
    assert_eq!(key, Some(vec!["customer".to_owned(), "id".to_owned()]));
}

#[test]
fn leaves_stand_for_their_root() {
    let mut facts = clean();
    partitions(&mut facts);
    let made = plan(&facts);
    assert!(!made.tables.iter().any(|table| table.name == "events"));
    let leaf = planned(&made, "events_2024_01");
    assert_eq!(leaf.set, Set::Default);
    assert_eq!(
        leaf.partition_root.as_ref().unwrap().to_string(),
        "public.events"
    );
    let manual_steps: Vec<&str> = made
        .manual_steps
        .iter()
        .map(|one| one.id.as_str())
        .collect();
    assert_eq!(manual_steps, ["tbl.partitioned"]);
}

#[test]
fn patterns_on_a_root_reach_its_leaves() {
    let mut facts = clean();
    partitions(&mut facts);
    select(&mut facts, &["events"], &[]);
    let made = plan(&facts);
    let sets: Vec<_> = made
        .tables
        .iter()
        .map(|one| (one.name.as_str(), one.set))
        .collect();
    assert_eq!(
        sets,
        [
            ("customers", Set::Excluded),
            ("events_2024_01", Set::Default),
            ("orders", Set::Excluded)
        ]
    );
    assert_eq!(sequence_names(&made), [""; 0]);
    select(&mut facts, &[], &["events_2024"]);
    assert_eq!(planned(&plan(&facts), "events_2024_01").set, Set::Excluded);
}

#[test]
fn sequences_go_with_their_tables() {
    let mut facts = clean();
    sequence(source(&mut facts), 202, "ticket");
    uses(source(&mut facts), 202, ORDERS, Via::Default);
    sequence(source(&mut facts), 203, "alone");
    assert_eq!(
        sequence_names(&plan(&facts)),
        ["alone", "customers_id_seq", "orders_id_seq", "ticket"]
    );
    select(&mut facts, &["orders"], &[]);
    assert_eq!(sequence_names(&plan(&facts)), ["orders_id_seq", "ticket"]);
    select(&mut facts, &[], &["orders"]);
    assert_eq!(
        sequence_names(&plan(&facts)),
        ["alone", "customers_id_seq", "ticket"]
    );
    select(&mut facts, &[], &["tick*"]);
    assert_eq!(
        sequence_names(&plan(&facts)),
        ["alone", "customers_id_seq", "orders_id_seq"]
    );
}

#[test]
fn used_percent_knows_directions_and_cycles() {
    let mut facts = clean();
    let serial = sequence_of(source(&mut facts), CUSTOMERS_SEQ);
    serial.last_value = Some("2147483647".to_owned());
    let orders = sequence_of(source(&mut facts), ORDERS_SEQ);
    orders.increment = Some("-5".to_owned());
    (orders.min, orders.max) = (
        Some("-9223372036854775808".to_owned()),
        Some("-1".to_owned()),
    );
    orders.last_value = Some("-4611686018427387905".to_owned());
    let made = plan(&facts);
    assert_eq!(made.sequences[0].used_percent, Some(100));
    assert_eq!(made.sequences[1].used_percent, Some(50));
    assert_eq!(made.sequences[1].increment, "-5");
    sequence_of(source(&mut facts), ORDERS_SEQ).cycle = true;
    assert_eq!(plan(&facts).sequences[1].used_percent, None);
}

#[test]
fn materialised_views_are_refreshed_after_what_they_read() {
    let mut facts = clean();
    let objects = source(&mut facts);
    for (oid, name, kind) in [
        (340, "a_last", RelKind::MatView),
        (341, "between", RelKind::View),
        (342, "z_first", RelKind::MatView),
    ] {
        let relation = table(objects, oid, name);
        relation.kind = kind;
        relation.populated = true;
    }
    let links = known(&mut objects.view_links);
    links.push(ViewLink {
        view: 340,
        needs: 341,
    });
    links.push(ViewLink {
        view: 341,
        needs: 342,
    });
    let view = crate::facts::objects::View::source(&facts).unwrap();
    let order: Vec<&str> = crate::plan::refresh_order(&view)
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(order, ["z_first", "a_last"]);
}

#[test]
fn the_order_of_the_facts_does_not_matter() {
    let mut facts = clean();
    partitions(&mut facts);
    keyless(source(&mut facts));
    for (oid, name) in [
        (500, "weird \"x\"; --\n"),
        (501, "\u{fc}ml\u{e4}ut"),
        (502, "%s"),
    ] {
        table(source(&mut facts), oid, name);
        column(source(&mut facts), oid, "a b", INT4).not_null = true;
        index(source(&mut facts), oid, "i", &[1]).primary = true;
    }
    let one = plan(&facts);
    let objects = source(&mut facts);
    known(&mut objects.relations).reverse();
    known(&mut objects.columns).reverse();
    known(&mut objects.indexes).reverse();
    known(&mut objects.inherits).reverse();
    known(&mut objects.sequences).reverse();
    known(&mut objects.sequence_uses).reverse();
    let other = plan(&facts);
    assert_eq!(one, other);
    assert_eq!(
        serde_json::to_string(&one).unwrap(),
        serde_json::to_string(&other).unwrap()
    );
    let names: Vec<_> = one
        .tables
        .iter()
        .map(|one| (&one.schema, &one.name))
        .collect();
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(names, sorted);
    let text = serde_json::to_string(&one).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), one);
}

#[test]
fn a_plan_needs_its_sections() {
    let mut facts = clean();
    source(&mut facts).columns = Section::Unknown("permission denied (42501)".to_owned());
    assert_eq!(
        build(&facts),
        Err(NotRun("permission denied (42501)".to_owned()))
    );
    assert!(build(&Facts::default()).is_err());
}

#[test]
fn the_name_given_wins() {
    let mut facts = clean();
    facts.asked.name = "Move 1".to_owned();
    assert_eq!(plan(&facts).names, crate::migration::Names::of("Move 1"));
}

#[test]
fn jobs_and_roles_are_left_to_do() {
    let mut facts = clean();
    known(&mut facts.source.server.extensions).push(Extension {
        name: "pg_cron".to_owned(),
        ..Extension::default()
    });
    known(&mut facts.source.server.referenced_roles).push(Referenced {
        role: "Only Here".to_owned(),
        ..Referenced::default()
    });
    let list: Vec<_> = plan(&facts)
        .manual_steps
        .into_iter()
        .map(|one| (one.id, one.object))
        .collect();
    assert_eq!(
        list,
        [
            ("ext.pg_cron".to_owned(), None),
            (
                "role.missing_on_target".to_owned(),
                Some("Only Here".to_owned())
            ),
        ]
    );
}
