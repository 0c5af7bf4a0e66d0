//! The remaining settings: durability, logs, and differences between the two servers.

use std::collections::HashSet;

use crate::Side::Target;
use crate::roles::loads_libraries;
use crate::rules::common::bytes;
use crate::rules::role::comes_with_the_server;
use crate::rules::{Rule, pair, setting, target};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    setting("conf.fsync", ("fsync", "on"), |side, it| {
        (!it.is_on()).then(|| format!("fsync is off on the {side}"))
    }),
    target("conf.dsn_in_log", |server, emit| {
        let statements = server.value("log_statement")?;
        let duration = server.value("log_min_duration_statement")?;
        let logged = match (statements, duration) {
            (Some("all"), _) => "log_statement is all",
            (_, Some("0")) => "log_min_duration_statement is 0",
            _ => return Ok(()),
        };
        emit.find(Target, format!("{logged} on the target"));
        Ok(())
    }),
    setting(
        "conf.logical_decoding_work_mem",
        ("logical_decoding_work_mem", "'64MB'"),
        |_, it| {
            let size = it.bytes().filter(|size| *size < 67_108_864.0)?;
            Some(format!("logical_decoding_work_mem is {}", bytes(size)))
        },
    ),
    pair("conf.param_diff", |from, to, emit| {
        for name in MEANING {
            let value = |found: Option<&crate::facts::server::Setting>| found?.value.clone();
            let (here, there) = (value(from.setting(name)?), value(to.setting(name)?));
            if let (Some(here), Some(there)) = (here, there)
                && items(&here).ne(items(&there))
            {
                let what = format!("{name} is {here:?} on the source and {there:?} on the target");
                emit.find(Target, what).object(name);
            }
        }
        Ok(())
    }),
    // Settings that a role has in every database. Those that are kept for one database, for all roles
    // or for one, are reported by `obj.db_role_settings`, and nothing by both.
    pair("conf.db_settings", |from, to, emit| {
        let there: HashSet<_> = to.overrides.get()?.iter().collect();
        for found in from.overrides.get()? {
            let of_service = found.role.as_deref().is_some_and(comes_with_the_server);
            if found.database.is_some() || of_service || there.contains(found) {
                continue;
            }
            let (scope, name, value) = (found.scope(), &found.name, found.value.as_deref());
            let shown = value.map_or(String::new(), |value| format!(" = {value}"));
            let what = format!("{scope}: {name}{shown} is not on the target");
            let draft = emit.find(Target, what).object(scope);
            let exists = match &found.role {
                Some(role) => to.role(role)?.is_some(),
                None => true,
            };
            if loads_libraries(name) {
                draft.remedy("Make sure that the target has these libraries first: a session that lacks one does not begin.");
            } else if exists {
                draft.sql(value.map(|value| found.set_sql(value)));
            }
        }
        Ok(())
    }),
];

/// Settings that change what an application's statements mean or give back. Time zone and
/// lc_monetary have checks of their own.
const MEANING: &[&str] = &[
    "DateStyle",
    "IntervalStyle",
    "array_nulls",
    "bytea_output",
    "default_text_search_config",
    "default_transaction_isolation",
    "search_path",
    "standard_conforming_strings",
    "xmlbinary",
    "xmloption",
];

/// The items of a list, or the one value: initdb of 9.4 wrote no space behind the commas.
fn items(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim)
}

#[cfg(test)]
pub(in crate::rules) use cases::CASES;

#[cfg(test)]
mod cases {
    use crate::Severity;
    use crate::rules::testing::server::{on_target, override_setting, set, source};
    use crate::rules::testing::{Case, fires, silent};

    pub(in crate::rules) const CASES: &[Case] = &[
        fires("conf.fsync", Severity::Info, "off", |f| {
            set(on_target(f), "fsync", "off");
        }),
        silent("conf.fsync", "off on the source", |f| {
            set(source(f), "fsync", "off");
        }),
        fires("conf.dsn_in_log", Severity::Info, "all statements", |f| {
            set(on_target(f), "log_statement", "all");
        }),
        silent("conf.dsn_in_log", "DDL only", |f| {
            set(on_target(f), "log_statement", "ddl");
        }),
        fires(
            "conf.logical_decoding_work_mem",
            Severity::Info,
            "4 MB",
            |f| {
                set(source(f), "logical_decoding_work_mem", "4096");
            },
        ),
        fires(
            "conf.param_diff",
            Severity::Info,
            "another isolation level",
            |f| {
                set(source(f), "default_transaction_isolation", "serializable");
            },
        ),
        silent("conf.param_diff", "another space in a list", |f| {
            set(source(f), "search_path", "\"$user\",public");
            set(on_target(f), "search_path", "\"$user\", public");
        }),
        fires("conf.db_settings", Severity::Info, "a role's own", |f| {
            override_setting(source(f), None, Some("app"), "search_path", "app");
        }),
        fires("conf.db_settings", Severity::Info, "of all roles", |f| {
            override_setting(source(f), None, None, "statement_timeout", "5s");
        }),
        fires("conf.db_settings", Severity::Info, "another value", |f| {
            override_setting(source(f), None, Some("app"), "search_path", "app");
            override_setting(on_target(f), None, Some("app"), "search_path", "web");
        }),
        silent("conf.db_settings", "on both", |f| {
            override_setting(source(f), None, Some("app"), "search_path", "app");
            override_setting(on_target(f), None, Some("app"), "search_path", "app");
        }),
        silent("conf.db_settings", "the database's", |f| {
            override_setting(source(f), Some("shop"), None, "search_path", "app");
        }),
        silent("conf.db_settings", "a role's in the database", |f| {
            override_setting(source(f), Some("shop"), Some("app"), "search_path", "app");
        }),
        silent("conf.db_settings", "of another database", |f| {
            override_setting(source(f), Some("other"), None, "search_path", "app");
        }),
    ];

    #[test]
    fn lists_of_a_role_stay_lists() {
        let mut facts = crate::rules::testing::clean();
        override_setting(
            source(&mut facts),
            None,
            Some("app"),
            "search_path",
            "a, \"B\"",
        );
        override_setting(source(&mut facts), None, Some("gone"), "search_path", "a");
        let (findings, ran) = crate::rules::testing::run("conf.db_settings", &facts);
        assert_eq!(ran, Ok(()));
        let sql: Vec<_> = findings.iter().map(|one| one.sql.as_deref()).collect();
        assert_eq!(
            sql,
            [
                Some("ALTER ROLE \"app\" SET \"search_path\" TO 'a', 'B';"),
                // The target has no such role: the statement would fail.
                None
            ]
        );
    }
}
