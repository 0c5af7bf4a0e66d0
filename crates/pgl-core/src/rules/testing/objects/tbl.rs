//! Cases of the checks on the source's tables.

use super::super::{Case, fires, known, silent};
use super::*;
use crate::Severity::{Block, Info, Warn};
use crate::facts::objects::{
    Enabled, ExtensionConfig, Generated, Inherit, Persistence, RelKind, ReplIdent, Rule, Trigger,
    TruncateStatement,
};
use crate::facts::{Evaluation, GeneratedColumn};

fn inherit(objects: &mut Objects, child: u32, parent: u32) {
    known(&mut objects.inherits).push(Inherit { child, parent });
}

/// `public.events`, partitioned, with one leaf.
fn partitioned(objects: &mut Objects) {
    table(objects, 310, "events").kind = RelKind::Partitioned;
    table(objects, 311, "events_1").partition = true;
    column(objects, 311, "id", INT4).not_null = true;
    index(objects, 311, "events_1_pkey", &[1]).primary = true;
    inherit(objects, 311, 310);
}

/// A child whose column `id` takes nulls.
fn nullable_child(objects: &mut Objects) {
    table(objects, 320, "orders_old");
    column(objects, 320, "id", INT4).not_null = false;
    inherit(objects, 320, ORDERS);
}

/// A foreign key of `orders`, with so many disabled triggers.
fn disabled(objects: &mut Objects, count: usize) {
    let enable = "ALTER TABLE ONLY public.orders ENABLE TRIGGER t;".to_owned();
    foreign_key(objects, ORDERS, CUSTOMERS).enable = vec![enable; count];
}

fn trigger(objects: &mut Objects, enabled: Enabled) {
    known(&mut objects.triggers).push(Trigger {
        relation: CUSTOMERS,
        name: "audit".to_owned(),
        enabled,
    });
}

fn config(objects: &mut Objects, user_rows: Option<i64>) {
    known(&mut objects.extension_config).push(ExtensionConfig {
        extension: "postgis".to_owned(),
        name: "public.spatial_ref_sys".to_owned(),
        user_rows,
    });
}

/// `note` as a generated column of which this is known.
fn evaluated(facts: &mut Facts, evaluation: Evaluation) {
    facts.generated = Section::Known(vec![GeneratedColumn {
        relation: ORDERS,
        name: "note".to_owned(),
        evaluation,
        ..GeneratedColumn::default()
    }]);
}

fn compared(source: &str, target: &str) -> Evaluation {
    let values = [source, target].map(|one| vec![Some(one.to_owned())]);
    Evaluation::compare(&values[0], &values[1])
}

pub(in super::super) const CASES: &[Case] = &[
    fires("tbl.no_key", Warn, "no index at all", |f| {
        keyless(source(f));
    }),
    fires(
        "tbl.no_key",
        Warn,
        "the primary key's index is invalid",
        |f| {
            index_of(source(f), "orders_pkey").valid = false;
        },
    ),
    silent(
        "tbl.no_key",
        "an unlogged table is not carried anyway",
        |f| {
            let oid = keyless(source(f));
            relation(source(f), oid).persistence = Persistence::Unlogged;
        },
    ),
    silent("tbl.no_key", "an extension's table", |f| {
        let oid = keyless(source(f));
        relation(source(f), oid).extension = Some("postgis".to_owned());
    }),
    fires(
        "tbl.no_key_candidate",
        Info,
        "a unique index over NOT NULL columns",
        |f| {
            no_indexes(source(f), CUSTOMERS);
            index(source(f), CUSTOMERS, "customers_email", &[3]);
        },
    ),
    silent(
        "tbl.no_key_candidate",
        "a unique index over a nullable column",
        |f| {
            no_indexes(source(f), CUSTOMERS);
            index(source(f), CUSTOMERS, "customers_name", &[2]);
        },
    ),
    silent("tbl.no_key_candidate", "a partial unique index", |f| {
        no_indexes(source(f), CUSTOMERS);
        index(source(f), CUSTOMERS, "customers_email", &[3]).partial = true;
    }),
    silent(
        "tbl.no_key_candidate",
        "a unique index over an expression",
        |f| {
            no_indexes(source(f), CUSTOMERS);
            let odd = index(source(f), CUSTOMERS, "customers_email", &[0]);
            odd.expressions = true;
        },
    ),
    fires(
        "tbl.no_key_mutations",
        Warn,
        "updates on a table without key",
        |f| {
            let oid = keyless(source(f));
            changed(source(f), oid, 3, 0);
        },
    ),
    fires(
        "tbl.no_key_mutations",
        Warn,
        "deletes under REPLICA IDENTITY FULL",
        |f| {
            relation(source(f), ORDERS).identity = ReplIdent::Full;
            changed(source(f), ORDERS, 0, 1);
        },
    ),
    silent("tbl.no_key_mutations", "only inserts", |f| {
        let oid = keyless(source(f));
        changed(source(f), oid, 0, 0);
    }),
    silent("tbl.no_key_mutations", "updates on a table with key", |f| {
        changed(source(f), ORDERS, 5, 5);
    }),
    fires(
        "tbl.identity_full",
        Warn,
        "FULL in spite of a primary key",
        |f| {
            relation(source(f), ORDERS).identity = ReplIdent::Full;
        },
    ),
    silent("tbl.identity_full", "an index as identity", |f| {
        relation(source(f), CUSTOMERS).identity = ReplIdent::Index;
        index(source(f), CUSTOMERS, "customers_email", &[3]).identity = true;
    }),
    fires(
        "tbl.identity_nothing",
        Warn,
        "NOTHING in spite of a primary key",
        |f| {
            relation(source(f), ORDERS).identity = ReplIdent::Nothing;
        },
    ),
    silent("tbl.identity_nothing", "an index as identity", |f| {
        relation(source(f), CUSTOMERS).identity = ReplIdent::Index;
        index(source(f), CUSTOMERS, "customers_email", &[3]).identity = true;
    }),
    fires(
        "tbl.identity_index_bad",
        Warn,
        "the index was dropped",
        |f| {
            relation(source(f), ORDERS).identity = ReplIdent::Index;
        },
    ),
    fires(
        "tbl.identity_index_bad",
        Warn,
        "the index is invalid",
        |f| {
            relation(source(f), CUSTOMERS).identity = ReplIdent::Index;
            let bad = index(source(f), CUSTOMERS, "customers_email", &[3]);
            bad.identity = true;
            bad.valid = false;
        },
    ),
    silent("tbl.identity_index_bad", "a fit index", |f| {
        relation(source(f), CUSTOMERS).identity = ReplIdent::Index;
        index(source(f), CUSTOMERS, "customers_email", &[3]).identity = true;
    }),
    fires("tbl.pk_deferrable", Warn, "a deferrable primary key", |f| {
        index_of(source(f), "orders_pkey").immediate = false;
    }),
    silent("tbl.pk_deferrable", "an index as identity beside it", |f| {
        index_of(source(f), "customers_pkey").immediate = false;
        relation(source(f), CUSTOMERS).identity = ReplIdent::Index;
        index(source(f), CUSTOMERS, "customers_email", &[3]).identity = true;
    }),
    fires("tbl.unlogged", Warn, "an unlogged table", |f| {
        relation(source(f), ORDERS).persistence = Persistence::Unlogged;
    }),
    silent("tbl.unlogged", "left out by a pattern", |f| {
        relation(source(f), ORDERS).persistence = Persistence::Unlogged;
        f.asked.selection.exclude_tables = vec!["orders".to_owned()];
    }),
    fires("tbl.nullable_child", Block, "13 to 18", |f| {
        nullable_child(source(f));
        target_is(f, 180_001);
    }),
    silent("tbl.nullable_child", "13 to 17", |f| {
        nullable_child(source(f));
        target_is(f, 170_005);
    }),
    silent("tbl.nullable_child", "18 to 18", |f| {
        nullable_child(source(f));
        source_is(f, 180_001);
        target_is(f, 180_001);
    }),
    fires("tbl.temp", Info, "a session holds temporary tables", |f| {
        known(&mut source(f).database).temporary_tables = 2;
    }),
    silent("tbl.temp", "none", |f| {
        known(&mut source(f).database).temporary_tables = 0;
    }),
    fires("tbl.partitioned", Info, "a partitioned table", |f| {
        partitioned(source(f))
    }),
    silent("tbl.partitioned", "inheritance is no partitioning", |f| {
        inherit(source(f), ORDERS, CUSTOMERS);
    }),
    fires("tbl.foreign", Warn, "a foreign table", |f| {
        table(source(f), 320, "remote").kind = RelKind::Foreign;
    }),
    silent("tbl.foreign", "a view", |f| {
        table(source(f), 320, "remote").kind = RelKind::View;
    }),
    fires("tbl.extension_config", Warn, "rows of the user", |f| {
        config(source(f), Some(3))
    }),
    fires("tbl.extension_config", Warn, "not readable", |f| {
        config(source(f), None)
    }),
    silent(
        "tbl.extension_config",
        "only the extension's own rows",
        |f| {
            config(source(f), Some(0));
        },
    ),
    fires("tbl.with_oids", Block, "a hidden column oid", |f| {
        relation(source(f), ORDERS).oids = true;
    }),
    silent("tbl.with_oids", "an extension's table", |f| {
        let of = table(source(f), 330, "t");
        of.oids = true;
        of.extension = Some("x".to_owned());
    }),
    fires(
        "tbl.generated_cols",
        Warn,
        "a stored generated column",
        |f| {
            column_of(source(f), ORDERS, "note").generated = Generated::Stored;
        },
    ),
    silent("tbl.generated_cols", "a column with a default", |f| {
        column_of(source(f), ORDERS, "note").has_default = true;
    }),
    fires(
        "tbl.generated_virtual",
        Warn,
        "a virtual generated column",
        |f| {
            column_of(source(f), ORDERS, "note").generated = Generated::Virtual;
        },
    ),
    silent("tbl.generated_virtual", "a stored one", |f| {
        column_of(source(f), ORDERS, "note").generated = Generated::Stored;
    }),
    fires("tbl.generated_values", Warn, "another value", |f| {
        evaluated(f, compared("a", "b"));
    }),
    fires("tbl.generated_values", Warn, "an error", |f| {
        let message = "division by zero (22012)".to_owned();
        evaluated(f, Evaluation::Failed { message });
    }),
    fires("tbl.generated_values", Info, "a function of a user", |f| {
        let reason = "function public.f() is not built in".to_owned();
        evaluated(f, Evaluation::NotTried { reason });
    }),
    silent("tbl.generated_values", "the same value", |f| {
        evaluated(f, compared("a", "a"));
    }),
    silent("tbl.generated_values", "no rows", |f| {
        evaluated(f, Evaluation::compare(&[], &[]));
    }),
    fires("tbl.fk_not_valid", Warn, "a foreign key NOT VALID", |f| {
        foreign_key(source(f), ORDERS, CUSTOMERS).validated = false;
    }),
    fires("tbl.fk_not_valid", Warn, "a check NOT VALID", |f| {
        constraint(source(f), ORDERS, "c", ConstraintKind::Check).validated = false;
    }),
    silent("tbl.fk_not_valid", "a valid foreign key", |f| {
        foreign_key(source(f), ORDERS, CUSTOMERS);
    }),
    fires(
        "tbl.fk_to_excluded",
        Block,
        "excluded and not on the target",
        |f| {
            foreign_key(source(f), ORDERS, CUSTOMERS);
            f.asked.selection.exclude_tables = vec!["customers".to_owned()];
            known(&mut there(f).relations).clear();
        },
    ),
    fires(
        "tbl.fk_to_excluded",
        Warn,
        "excluded, but the target has the table",
        |f| {
            foreign_key(source(f), ORDERS, CUSTOMERS);
            f.asked.selection.exclude_tables = vec!["customers".to_owned()];
        },
    ),
    silent("tbl.fk_to_excluded", "both excluded", |f| {
        foreign_key(source(f), ORDERS, CUSTOMERS);
        f.asked.selection.schemas = vec!["other".to_owned()];
    }),
    fires("tbl.truncate_fk", Info, "a referenced table", |f| {
        foreign_key(source(f), ORDERS, CUSTOMERS);
    }),
    silent(
        "tbl.truncate_fk",
        "a table that only references itself",
        |f| {
            foreign_key(source(f), CUSTOMERS, CUSTOMERS);
        },
    ),
    fires(
        "tbl.truncate_users",
        Warn,
        "pg_stat_statements saw one",
        |f| {
            known(&mut source(f).truncates).push(TruncateStatement {
                query: "TRUNCATE orders CASCADE".to_owned(),
                calls: 4,
            });
        },
    ),
    silent("tbl.truncate_users", "none seen", |f| {
        known(&mut source(f).truncates).clear();
    }),
    fires(
        "tbl.check_volatile",
        Warn,
        "a stable function in a check",
        |f| {
            routine(source(f), UsedIn::Check).volatility = "s".to_owned();
        },
    ),
    silent("tbl.check_volatile", "an immutable one", |f| {
        routine(source(f), UsedIn::Check);
    }),
    fires("tbl.rls", Info, "policies for others", |f| {
        relation(source(f), ORDERS).row_security = true;
    }),
    silent("tbl.rls", "on a table that is left out", |f| {
        relation(source(f), ORDERS).row_security = true;
        f.asked.selection.exclude_tables = vec!["orders".to_owned()];
    }),
    fires(
        "tbl.triggers_always",
        Warn,
        "ENABLE ALWAYS on the source",
        |f| {
            trigger(source(f), Enabled::Always);
        },
    ),
    fires(
        "tbl.triggers_always",
        Warn,
        "ENABLE REPLICA on the target",
        |f| {
            trigger(there(f), Enabled::Replica);
        },
    ),
    silent("tbl.triggers_always", "an ordinary trigger", |f| {
        trigger(source(f), Enabled::Origin);
        trigger(there(f), Enabled::Disabled);
    }),
    fires(
        "tbl.constraint_triggers",
        Warn,
        "disabled on the source, the foreign key is not on the target yet",
        |f| disabled(source(f), 2),
    ),
    fires(
        "tbl.constraint_triggers",
        Warn,
        "more of them on the source",
        |f| {
            disabled(source(f), 2);
            disabled(there(f), 1);
        },
    ),
    fires(
        "tbl.constraint_triggers",
        Warn,
        "disabled on the target only",
        |f| {
            disabled(source(f), 0);
            disabled(there(f), 2);
        },
    ),
    silent("tbl.constraint_triggers", "disabled on both sides", |f| {
        disabled(source(f), 2);
        disabled(there(f), 2);
    }),
    silent(
        "tbl.constraint_triggers",
        "a constraint that only the target has",
        |f| disabled(there(f), 2),
    ),
    silent(
        "tbl.constraint_triggers",
        "on a table that is left out",
        |f| {
            disabled(source(f), 2);
            f.asked.selection.exclude_tables = vec!["orders".to_owned()];
        },
    ),
    fires("tbl.rules", Info, "a rule on a table", |f| {
        known(&mut source(f).rules).push(Rule {
            relation: ORDERS,
            name: "protect".to_owned(),
            enabled: Enabled::Origin,
        });
    }),
    silent("tbl.rules", "a rule on a view", |f| {
        table(source(f), 340, "v").kind = RelKind::View;
        known(&mut source(f).rules).push(Rule {
            relation: 340,
            name: "ins".to_owned(),
            enabled: Enabled::Origin,
        });
    }),
    fires(
        "tbl.unique_deferrable",
        Warn,
        "a deferrable unique constraint",
        |f| {
            constraint(source(f), ORDERS, "u", ConstraintKind::Unique).deferrable = true;
        },
    ),
    fires(
        "tbl.unique_deferrable",
        Warn,
        "a deferrable primary key on the target",
        |f| {
            constraint(there(f), ORDERS, "p", ConstraintKind::Primary).deferrable = true;
        },
    ),
    silent("tbl.unique_deferrable", "a deferrable foreign key", |f| {
        foreign_key(source(f), ORDERS, CUSTOMERS).deferrable = true;
    }),
    fires(
        "tbl.exclusion_constraint",
        Info,
        "an exclusion constraint",
        |f| {
            constraint(source(f), ORDERS, "x", ConstraintKind::Exclusion);
        },
    ),
    silent("tbl.exclusion_constraint", "a check", |f| {
        constraint(source(f), ORDERS, "c", ConstraintKind::Check);
    }),
    fires("tbl.huge", Info, "50 GiB", |f| {
        relation(source(f), ORDERS).toast_bytes = 50 << 30;
    }),
    silent("tbl.huge", "49 GiB", |f| {
        relation(source(f), ORDERS).heap_bytes = 49 << 30;
    }),
    fires(
        "tbl.bloat",
        Info,
        "more dead rows than half of the live ones",
        |f| {
            changed(source(f), ORDERS, 0, 0);
            let counters = &mut known(&mut source(f).activity)[0];
            (counters.live, counters.dead) = (200_000, 150_000);
        },
    ),
    silent("tbl.bloat", "few in relation", |f| {
        changed(source(f), ORDERS, 0, 0);
        let counters = &mut known(&mut source(f).activity)[0];
        (counters.live, counters.dead) = (2_000_000, 150_000);
    }),
    fires(
        "tbl.similar_names",
        Info,
        "the same name in other case",
        |f| {
            table(source(f), 350, "Orders").kind = RelKind::View;
        },
    ),
    silent(
        "tbl.similar_names",
        "the same name in another schema",
        |f| {
            table(source(f), 350, "Orders").schema = "other".to_owned();
        },
    ),
    fires("tbl.zero_columns", Info, "no columns", |f| {
        table(source(f), 360, "nothing");
    }),
    silent("tbl.zero_columns", "one column", |f| {
        keyless(source(f));
    }),
];

#[test]
fn the_sql_quotes_what_it_names() {
    let mut facts = super::super::clean();
    let odd = "a\"b; DROP TABLE x; --\n\u{fc}";
    let objects = source(&mut facts);
    relation(objects, CUSTOMERS).name = odd.to_owned();
    relation(objects, CUSTOMERS).schema = "S 1".to_owned();
    no_indexes(objects, CUSTOMERS);
    index(objects, CUSTOMERS, odd, &[3]);
    let (findings, _) = super::super::run("tbl.no_key", &facts);
    assert_eq!(
        findings[0].sql.as_deref(),
        Some(
            "ALTER TABLE \"S 1\".\"a\"\"b; DROP TABLE x; --\n\u{fc}\" REPLICA IDENTITY USING INDEX \"a\"\"b; DROP TABLE x; --\n\u{fc}\";"
        )
    );
}

#[test]
fn a_deferrable_key_gets_an_index_beside_it() {
    let mut facts = super::super::clean();
    index_of(source(&mut facts), "orders_pkey").immediate = false;
    relation(source(&mut facts), ORDERS).name = "\u{e4}".repeat(31);
    let (findings, _) = super::super::run("tbl.pk_deferrable", &facts);
    let sql = findings[0].sql.clone().unwrap();
    let name = format!("{}_identity", "\u{e4}".repeat(27));
    assert!(name.len() <= 63);
    assert!(
        sql.starts_with(&format!("CREATE UNIQUE INDEX CONCURRENTLY \"{name}\" ON")),
        "{sql}"
    );
    assert!(sql.contains(&format!("USING INDEX \"{name}\";")), "{sql}");
}
