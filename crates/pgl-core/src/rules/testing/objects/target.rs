//! Cases of the comparison with the target's tables.

use super::super::{Case, fires, known, silent};
use super::*;
use crate::ServerVersion;
use crate::Severity::{Block, Info, Warn};
use crate::facts::objects::{Generated, Occupied, Persistence, RelKind};

fn empty_target(facts: &mut Facts) {
    known(&mut there(facts).relations).clear();
    known(&mut there(facts).sequences).clear();
}

fn drop_orders(facts: &mut Facts) {
    known(&mut there(facts).relations).retain(|one| one.oid != ORDERS);
}

fn occupied(facts: &mut Facts, has_rows: Option<bool>) {
    known(&mut there(facts).occupied).push(Occupied {
        relation: ORDERS,
        bytes: 8192,
        has_rows,
    });
}

fn retype(objects: &mut Objects, name: &str, of: &str) {
    column_of(objects, ORDERS, name).type_name = of.to_owned();
}

fn same_major(facts: &mut Facts) {
    known(&mut target_facts(facts).server.identity).version = ServerVersion(130_016);
}

fn check(objects: &mut Objects, name: &str, definition: &str) {
    constraint(objects, ORDERS, name, ConstraintKind::Check).definition =
        Some(definition.to_owned());
}

pub(in super::super) const CASES: &[Case] = &[
    fires("tbl.target_not_empty", Block, "rows are there", |f| {
        occupied(f, Some(true))
    }),
    fires("tbl.target_not_empty", Warn, "nobody could look", |f| {
        occupied(f, None)
    }),
    silent("tbl.target_not_empty", "a file without live rows", |f| {
        occupied(f, Some(false))
    }),
    fires(
        "tbl.missing_on_target",
        Block,
        "one of two is missing",
        drop_orders,
    ),
    silent(
        "tbl.missing_on_target",
        "an empty target is normal before the setup",
        empty_target,
    ),
    fires(
        "tbl.kind_mismatch",
        Block,
        "partitioned on the target",
        |f| {
            relation(there(f), ORDERS).kind = RelKind::Partitioned;
        },
    ),
    fires("tbl.kind_mismatch", Block, "a view on the target", |f| {
        relation(there(f), ORDERS).kind = RelKind::View;
    }),
    silent("tbl.kind_mismatch", "an empty target", empty_target),
    fires("tbl.unlogged_target", Warn, "unlogged there", |f| {
        relation(there(f), ORDERS).persistence = Persistence::Unlogged;
    }),
    silent("tbl.unlogged_target", "unlogged on both sides", |f| {
        relation(source(f), ORDERS).persistence = Persistence::Unlogged;
        relation(there(f), ORDERS).persistence = Persistence::Unlogged;
    }),
    fires("tbl.column_mismatch", Block, "a column less", |f| {
        known(&mut there(f).columns).retain(|one| one.name != "note");
    }),
    silent("tbl.column_mismatch", "another order of columns", |f| {
        known(&mut there(f).columns).reverse();
    }),
    fires("tbl.type_mismatch", Block, "narrower", |f| {
        retype(there(f), "note", "character varying(5)")
    }),
    fires("tbl.type_mismatch", Warn, "wider, across majors", |f| {
        retype(there(f), "customer", "bigint")
    }),
    fires(
        "tbl.type_mismatch",
        Block,
        "wider, same major: binary",
        |f| {
            same_major(f);
            retype(there(f), "customer", "bigint");
        },
    ),
    fires(
        "tbl.type_mismatch",
        Warn,
        "a longer varchar, same major",
        |f| {
            same_major(f);
            retype(source(f), "note", "character varying(5)");
            retype(there(f), "note", "character varying(9)");
        },
    ),
    silent("tbl.type_mismatch", "equal", |f| {
        retype(source(f), "note", "public.mood");
        retype(there(f), "note", "public.mood");
    }),
    fires(
        "tbl.extra_notnull_target",
        Block,
        "NOT NULL without default",
        |f| {
            column(there(f), ORDERS, "extra", TEXT).not_null = true;
        },
    ),
    silent("tbl.extra_notnull_target", "with a default", |f| {
        let extra = column(there(f), ORDERS, "extra", TEXT);
        extra.not_null = true;
        extra.has_default = true;
    }),
    silent("tbl.extra_notnull_target", "nullable", |f| {
        column(there(f), ORDERS, "extra", TEXT);
    }),
    fires("tbl.not_null_target", Warn, "stricter on the target", |f| {
        column_of(there(f), ORDERS, "note").not_null = true;
    }),
    silent("tbl.not_null_target", "stricter on the source", |f| {
        column_of(source(f), ORDERS, "note").not_null = true;
    }),
    fires(
        "tbl.generated_differs",
        Block,
        "generated on the source only",
        |f| {
            column_of(source(f), ORDERS, "note").generated = Generated::Stored;
        },
    ),
    fires(
        "tbl.generated_differs",
        Block,
        "generated on the target only",
        |f| {
            column_of(there(f), ORDERS, "note").generated = Generated::Stored;
        },
    ),
    silent("tbl.generated_differs", "generated on both", |f| {
        column_of(source(f), ORDERS, "note").generated = Generated::Stored;
        column_of(there(f), ORDERS, "note").generated = Generated::Stored;
    }),
    fires("tbl.pk_mismatch", Block, "no key on the target", |f| {
        no_indexes(there(f), ORDERS)
    }),
    fires("tbl.pk_mismatch", Block, "other columns", |f| {
        index_of(there(f), "orders_pkey").key = vec![1, 2];
    }),
    fires("tbl.pk_mismatch", Block, "deferrable on the target", |f| {
        index_of(there(f), "orders_pkey").immediate = false;
    }),
    silent("tbl.pk_mismatch", "another name of the same key", |f| {
        index_of(there(f), "orders_pkey").name = "pk".to_owned();
    }),
    silent("tbl.pk_mismatch", "no key on the source either", |f| {
        no_indexes(source(f), ORDERS);
        no_indexes(there(f), ORDERS);
    }),
    fires(
        "tbl.extra_unique_target",
        Warn,
        "unique on the target only",
        |f| {
            index(there(f), ORDERS, "u", &[2]);
        },
    ),
    fires(
        "tbl.extra_unique_target",
        Warn,
        "an expression that the source lacks",
        |f| {
            index(there(f), ORDERS, "u", &[0]).expressions = true;
        },
    ),
    silent(
        "tbl.extra_unique_target",
        "a superset of a unique key",
        |f| {
            index(there(f), ORDERS, "u", &[1, 2]);
        },
    ),
    silent("tbl.extra_unique_target", "not unique", |f| {
        index(there(f), ORDERS, "u", &[2]).unique = false;
    }),
    fires(
        "tbl.extra_check_target",
        Warn,
        "a check on the target only",
        |f| {
            check(there(f), "c", "CHECK ((customer > 0))");
        },
    ),
    silent(
        "tbl.extra_check_target",
        "the same check under another name",
        |f| {
            check(source(f), "b", "CHECK ((customer > 0))");
            check(there(f), "c", "CHECK ((customer > 0))");
        },
    ),
    fires("tbl.fk_on_target", Warn, "a foreign key is there", |f| {
        foreign_key(there(f), ORDERS, CUSTOMERS);
    }),
    silent(
        "tbl.fk_on_target",
        "it references a table that is left out",
        |f| {
            foreign_key(there(f), ORDERS, CUSTOMERS);
            f.asked.selection.exclude_tables = vec!["customers".to_owned()];
        },
    ),
    fires(
        "tbl.secondary_idx_present_target",
        Info,
        "an index beside the key",
        |f| {
            index(there(f), ORDERS, "orders_customer", &[2]).unique = false;
        },
    ),
    silent(
        "tbl.secondary_idx_present_target",
        "on the source only",
        |f| {
            index(source(f), ORDERS, "orders_customer", &[2]).unique = false;
        },
    ),
    fires("tbl.only_on_target", Info, "a table more", |f| {
        table(there(f), 400, "extra");
    }),
    silent(
        "tbl.only_on_target",
        "in a database without any of the tables",
        |f| {
            empty_target(f);
            table(there(f), 400, "extra");
        },
    ),
];

#[test]
fn without_a_target_comparisons_are_not_run() {
    let mut facts = super::super::clean();
    facts.target = None;
    for case in CASES {
        let (findings, ran) = super::super::run(case.id, &facts);
        assert!(findings.is_empty());
        assert_eq!(ran, Err(crate::facts::NotRun("no target given".to_owned())));
    }
}
