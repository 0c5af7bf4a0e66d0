//! Cases of the checks on other objects.

use super::super::server::{on_target, override_setting};
use super::super::{Case, fires, known, silent, target};
use super::*;
use crate::Severity::{Block, Info, Warn};
use crate::facts::objects::{
    CatalogView, Enabled, EventTrigger, ForeignServer, Misc, MiscKind, NotDumped, NotDumpedKind,
    RelKind, Tablespace,
};
use crate::facts::server::{Override, ServerState};
use crate::pgl_schema::{Aspect, SchemaFact};

fn misc(facts: &mut Facts, kind: MiscKind) {
    known(&mut source(facts).misc).push(Misc {
        kind,
        name: "public.thing".to_owned(),
        detail: Some("detail".to_owned()),
    });
}

fn not_dumped(facts: &mut Facts, kind: NotDumpedKind, relation: Option<u32>) -> &mut NotDumped {
    let all = known(&mut source(facts).not_dumped);
    all.push(NotDumped {
        kind,
        relation,
        name: "own_name".to_owned(),
        statement: Some("ALTER TABLE part RENAME CONSTRAINT a TO own_name;".to_owned()),
        before_15: None,
    });
    all.last_mut().unwrap()
}

fn event_trigger(objects: &mut Objects, enabled: Enabled, extension: Option<&str>) {
    known(&mut objects.event_triggers).push(EventTrigger {
        name: "guard".to_owned(),
        event: "ddl_command_end".to_owned(),
        enabled,
        extension: extension.map(str::to_owned),
    });
}

fn setting(server: &mut ServerState, value: Option<&str>) {
    known(&mut server.overrides).push(Override {
        database: Some("shop".to_owned()),
        role: None,
        name: "search_path".to_owned(),
        value: value.map(str::to_owned),
    });
}

fn tablespace(objects: &mut Objects, relations: i64) {
    known(&mut objects.tablespaces).push(Tablespace {
        name: "fast".to_owned(),
        relations,
    });
}

fn schema(objects: &mut Objects, name: &str, relations: &[&str]) {
    known(&mut objects.schemas).push(Schema {
        name: name.to_owned(),
        owner: "somebody".to_owned(),
        relations: relations.iter().map(|one| (*one).to_owned()).collect(),
    });
}

/// Another role's part in one of the two schemas that the tools use.
fn part(server: &mut ServerState, aspect: Aspect, object: &str) {
    known(&mut server.own_schemas).push(SchemaFact {
        aspect,
        object: object.to_owned(),
        role: Some("mallory".to_owned()),
        detail: Some("owner".to_owned()),
    });
}

fn catalog_view(facts: &mut Facts) {
    table(source(facts), 340, "activity").kind = RelKind::View;
    known(&mut source(facts).catalog_views).push(CatalogView {
        view: 340,
        needs: "pg_catalog.pg_stat_activity".to_owned(),
    });
}

fn server(facts: &mut Facts, extension: Option<&str>) {
    known(&mut source(facts).foreign_servers).push(ForeignServer {
        name: "Other".to_owned(),
        wrapper: "postgres_fdw".to_owned(),
        extension: extension.map(str::to_owned),
    });
}

pub(in super::super) const CASES: &[Case] = &[
    fires("obj.large_objects", Warn, "one large object", |f| {
        known(&mut source(f).large_objects).count = 1;
    }),
    silent("obj.large_objects", "only on the target", |f| {
        known(&mut there(f).large_objects).count = 1;
    }),
    fires("obj.matviews", Info, "a materialised view", |f| {
        table(source(f), 340, "mv").kind = RelKind::MatView;
    }),
    silent("obj.matviews", "a view", |f| {
        table(source(f), 340, "v").kind = RelKind::View;
    }),
    fires("obj.invalid_indexes", Warn, "an invalid index", |f| {
        index(source(f), ORDERS, "broken", &[2]).valid = false;
    }),
    silent(
        "obj.invalid_indexes",
        "the incomplete index of a partitioned table",
        |f| {
            table(source(f), 341, "parted").kind = RelKind::Partitioned;
            index(source(f), 341, "parted_idx", &[1]).valid = false;
        },
    ),
    fires(
        "obj.views_on_syscat",
        Warn,
        "to a newer major",
        catalog_view,
    ),
    fires("obj.views_on_syscat", Info, "to the same major", |f| {
        catalog_view(f);
        target_is(f, 130_016);
    }),
    silent("obj.views_on_syscat", "a view of an extension", |f| {
        catalog_view(f);
        relation(source(f), 340).extension = Some("pgaudit".to_owned());
    }),
    fires("obj.foreign_servers", Warn, "a foreign server", |f| {
        server(f, None)
    }),
    silent("obj.foreign_servers", "one of an extension", |f| {
        server(f, Some("x"))
    }),
    fires("obj.c_functions", Warn, "a function in C", |f| {
        misc(f, MiscKind::CFunction)
    }),
    silent("obj.c_functions", "a cast", |f| misc(f, MiscKind::Cast)),
    fires("obj.languages", Warn, "a language", |f| {
        misc(f, MiscKind::Language)
    }),
    silent("obj.languages", "a cast", |f| misc(f, MiscKind::Cast)),
    fires("obj.postfix_operators", Block, "13 to 17", |f| {
        misc(f, MiscKind::PostfixOperator)
    }),
    silent("obj.postfix_operators", "12 to 13", |f| {
        misc(f, MiscKind::PostfixOperator);
        source_is(f, 120_010);
        target_is(f, 130_010);
    }),
    fires("obj.conversions", Block, "13 to 17", |f| {
        misc(f, MiscKind::Conversion)
    }),
    silent("obj.conversions", "15 to 17", |f| {
        misc(f, MiscKind::Conversion);
        source_is(f, 150_010);
    }),
    fires(
        "obj.polymorphic_arrays",
        Block,
        "13 to whatever comes",
        |f| {
            misc(f, MiscKind::PolymorphicArray);
            f.target = None;
        },
    ),
    silent("obj.polymorphic_arrays", "15 to 17", |f| {
        misc(f, MiscKind::PolymorphicArray);
        source_is(f, 150_010);
    }),
    fires("obj.hash_of_enum", Block, "such a table", |f| {
        misc(f, MiscKind::HashOfEnum)
    }),
    silent("obj.hash_of_enum", "a cast", |f| misc(f, MiscKind::Cast)),
    fires("obj.casts", Info, "a cast", |f| misc(f, MiscKind::Cast)),
    silent("obj.casts", "a language", |f| misc(f, MiscKind::Language)),
    fires("obj.text_search", Info, "a dictionary", |f| {
        misc(f, MiscKind::TextSearch)
    }),
    silent("obj.text_search", "a cast", |f| misc(f, MiscKind::Cast)),
    fires("obj.security_labels", Info, "labels", |f| {
        misc(f, MiscKind::SecurityLabel)
    }),
    silent("obj.security_labels", "a cast", |f| misc(f, MiscKind::Cast)),
    fires("obj.not_dumped", Warn, "a foreign key's name", |f| {
        not_dumped(f, NotDumpedKind::ForeignKey, Some(CUSTOMERS));
    }),
    fires("obj.not_dumped", Warn, "a label of a large object", |f| {
        not_dumped(f, NotDumpedKind::LargeObject, None);
    }),
    fires(
        "obj.not_dumped",
        Warn,
        "a table of information_schema",
        |f| {
            not_dumped(f, NotDumpedKind::SystemSchema, None);
        },
    ),
    silent("obj.not_dumped", "a table of an extension", |f| {
        not_dumped(f, NotDumpedKind::Column, Some(CUSTOMERS));
        relation(source(f), CUSTOMERS).extension = Some("shop".to_owned());
    }),
    silent("obj.not_dumped", "a statement for older targets", |f| {
        not_dumped(f, NotDumpedKind::Trigger, Some(CUSTOMERS)).before_15 = Some(true);
        target_is(f, 150_000);
    }),
    silent("obj.not_dumped", "what the target has, too", |f| {
        let here = not_dumped(f, NotDumpedKind::ForeignKey, Some(CUSTOMERS)).clone();
        let there = NotDumped {
            relation: None,
            ..here
        };
        known(&mut target(f).objects.not_dumped).push(there);
    }),
    fires("obj.not_dumped", Warn, "another name on the target", |f| {
        let here = not_dumped(f, NotDumpedKind::ForeignKey, Some(CUSTOMERS)).clone();
        let there = NotDumped {
            name: "another".to_owned(),
            ..here
        };
        known(&mut target(f).objects.not_dumped).push(there);
    }),
    fires(
        "obj.not_dumped",
        Warn,
        "another database of the server was read",
        |f| {
            let here = not_dumped(f, NotDumpedKind::ForeignKey, Some(CUSTOMERS)).clone();
            known(&mut target(f).objects.not_dumped).push(here);
            target(f).stood_in = true;
        },
    ),
    fires("obj.not_dumped", Warn, "an older target", |f| {
        not_dumped(f, NotDumpedKind::Trigger, Some(CUSTOMERS)).before_15 = Some(true);
        target_is(f, 140_000);
    }),
    fires("obj.default_privileges", Info, "default privileges", |f| {
        misc(f, MiscKind::DefaultPrivileges);
    }),
    silent("obj.default_privileges", "a cast", |f| {
        misc(f, MiscKind::Cast)
    }),
    fires("obj.functions_search_path", Warn, "in an index", |f| {
        routine(source(f), UsedIn::Index);
    }),
    fires(
        "obj.functions_search_path",
        Warn,
        "in a materialised view",
        |f| {
            routine(source(f), UsedIn::MatView);
        },
    ),
    silent(
        "obj.functions_search_path",
        "a function that sets its own",
        |f| {
            routine(source(f), UsedIn::Index).fixed_path = true;
        },
    ),
    silent("obj.functions_search_path", "a function in C", |f| {
        routine(source(f), UsedIn::Index).language = "c".to_owned();
    }),
    fires("obj.functions_rights", Info, "in a check", |f| {
        routine(source(f), UsedIn::Check);
    }),
    fires("obj.functions_rights", Info, "in a domain", |f| {
        routine(source(f), UsedIn::Domain);
    }),
    silent("obj.functions_rights", "a superuser's", |f| {
        routine(source(f), UsedIn::Check).owner = None;
    }),
    silent("obj.functions_rights", "in a materialised view", |f| {
        routine(source(f), UsedIn::MatView);
    }),
    silent("obj.functions_rights", "without a superuser", |f| {
        routine(source(f), UsedIn::Check);
        let server = on_target(f);
        for role in known(&mut server.roles) {
            role.superuser = false;
        }
    }),
    fires("obj.event_triggers", Warn, "on the source", |f| {
        event_trigger(source(f), Enabled::Origin, None);
    }),
    fires("obj.event_triggers", Warn, "on the target", |f| {
        event_trigger(there(f), Enabled::Always, None);
    }),
    silent("obj.event_triggers", "disabled, or an extension's", |f| {
        event_trigger(source(f), Enabled::Disabled, None);
        event_trigger(source(f), Enabled::Origin, Some("pgaudit"));
    }),
    fires(
        "obj.tablespaces",
        Warn,
        "the target has none of that name",
        |f| {
            tablespace(source(f), 3);
        },
    ),
    silent("obj.tablespaces", "the target has it too", |f| {
        tablespace(source(f), 3);
        tablespace(there(f), 0);
    }),
    silent("obj.tablespaces", "nothing lies there", |f| {
        tablespace(source(f), 0)
    }),
    fires("obj.tablespaces", Warn, "a setting names it", |f| {
        let list = "pg_default, fast";
        override_setting(
            &mut f.source.server,
            Some("shop"),
            None,
            "temp_tablespaces",
            list,
        );
        known(&mut there(f).tablespaces);
    }),
    silent("obj.tablespaces", "a setting names the target's", |f| {
        let server = &mut f.source.server;
        override_setting(server, None, Some("app"), "default_tablespace", "fast");
        override_setting(server, Some("other"), None, "default_tablespace", "slow");
        tablespace(there(f), 0);
    }),
    fires("obj.invalid_databases", Warn, "a failed DROP", |f| {
        known(&mut f.source.server.databases)[0].connection_limit = -2;
    }),
    silent("obj.invalid_databases", "a limit of 5", |f| {
        known(&mut f.source.server.databases)[0].connection_limit = 5;
    }),
    fires(
        "obj.db_role_settings",
        Warn,
        "the target has another value",
        |f| {
            setting(&mut f.source.server, Some("app, public"));
            setting(on_target(f), Some("public"));
        },
    ),
    fires(
        "obj.db_role_settings",
        Info,
        "a value that is not shown",
        |f| {
            setting(&mut f.source.server, None);
        },
    ),
    silent("obj.db_role_settings", "the target has it too", |f| {
        setting(&mut f.source.server, Some("app, public"));
        setting(on_target(f), Some("app, public"));
    }),
    fires("obj.schema_pgl", Block, "somebody else's tables", |f| {
        schema(source(f), "pgl", &["games"]);
    }),
    fires(
        "obj.schema_pgl",
        Block,
        "on the target, beside the marker",
        |f| {
            schema(there(f), "pgl", &["marker", "games"]);
        },
    ),
    fires("obj.schema_pgl", Block, "somebody else's schema", |f| {
        part(on_target(f), Aspect::Schema, "schema pgl");
    }),
    silent("obj.schema_pgl", "what pgl-setup makes", |f| {
        schema(source(f), "pgl", &["held", "journal", "marker"])
    }),
    fires(
        "obj.schema_pglogical",
        Block,
        "tables without the extension",
        |f| {
            schema(there(f), "pglogical", &["node"]);
        },
    ),
    fires(
        "obj.schema_pglogical",
        Block,
        "somebody else's schema, on the source",
        |f| {
            part(&mut f.source.server, Aspect::Pglogical, "schema pglogical");
        },
    ),
    fires(
        "obj.schema_pglogical",
        Block,
        "somebody else's function, on the target",
        |f| {
            part(on_target(f), Aspect::Pglogical, "function pglogical.f");
        },
    ),
    silent("obj.schema_pglogical", "the extension's own", |f| {
        schema(source(f), "pglogical", &[]);
    }),
];

#[test]
fn lists_stay_lists() {
    let mut facts = super::super::clean();
    setting(&mut facts.source.server, Some("app, public"));
    let (findings, _) = super::super::run("obj.db_role_settings", &facts);
    let sql = findings[0].sql.clone().unwrap();
    assert!(
        sql.ends_with("SET \"search_path\" TO 'app', 'public';"),
        "{sql}"
    );
    assert_eq!(findings[0].fix_side, crate::Side::Target);
}

#[test]
fn a_search_path_is_set_only_where_it_is_known() {
    let sql = |needed: Option<&[&str]>, session: &str| {
        let mut facts = crate::rules::testing::clean();
        crate::rules::testing::server::set(&mut facts.source.server, "search_path", session);
        let own = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
        routine(source(&mut facts), UsedIn::Index).needed_schemas = needed.map(own);
        let check = "obj.functions_search_path";
        let (findings, _) = super::super::run(check, &facts);
        findings[0].sql.clone()
    };
    assert_eq!(
        sql(Some(&["app", "Ext"]), "public").as_deref(),
        Some(
            "ALTER FUNCTION public.f(text) SET search_path = pg_catalog, \"app\", \"Ext\", pg_temp;"
        )
    );
    assert_eq!(sql(None, "public"), None);
    assert_eq!(sql(Some(&["app"]), "app, pg_catalog"), None);
}
