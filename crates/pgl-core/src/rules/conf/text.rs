//! Settings that change how values are written as text. Across major versions pglogical sends
//! values as text, and the connection that streams changes keeps the source's own settings:
//! values arrive changed, without any message. pgl-setup pins these settings in the connection
//! string that it gives to pglogical; a subscription made by hand does not.

use crate::Side;
use crate::facts::NotRun;
use crate::facts::server::{Override, ServerState, is_true};
use crate::rules::common::{set_parameter, warn_if};
use crate::rules::role::replicating_role;
use crate::rules::{Emit, Ran, Rule, each, setting, source, target};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    // From 12 on any value above zero is exact.
    source("conf.extra_float_digits", |server, emit| {
        let least = if server.version()?.at_least(12) { 1 } else { 3 };
        text_setting(
            server,
            emit,
            ("extra_float_digits", &least.to_string()),
            |value| value.trim().parse().unwrap_or(3) < least,
        )
    }),
    source("conf.datestyle", |server, emit| {
        text_setting(server, emit, ("DateStyle", "'ISO'"), |value| {
            let mut parts = value.split(',').map(|part| part.trim().trim_matches('\''));
            !parts.any(|part| part.eq_ignore_ascii_case("iso"))
        })
    }),
    // iso_8601 and postgres_verbose carry every sign too; sql_standard alone is ambiguous.
    source("conf.intervalstyle", |server, emit| {
        text_setting(server, emit, ("IntervalStyle", "'postgres'"), |value| {
            value
                .trim_matches('\'')
                .eq_ignore_ascii_case("sql_standard")
        })
    }),
    target("conf.array_nulls", |server, emit| {
        applied(server, emit, ("array_nulls", "on"), |value| !is_true(value))
    }),
    target("conf.xmloption", |server, emit| {
        applied(server, emit, ("xmloption", "content"), |value| {
            value.eq_ignore_ascii_case("document")
        })
    }),
    each("conf.search_path", search_path),
    setting(
        "conf.standard_strings",
        ("standard_conforming_strings", "on"),
        |side, it| (!it.is_on()).then(|| format!("{} is off on the {side}", it.name)),
    ),
];

pub(super) type Overrides<'a> = Vec<(&'a Override, &'a str)>;

/// Overrides of a setting with a bad value.
pub(super) fn bad_overrides<'a>(
    server: &'a ServerState,
    name: &'a str,
    bad: impl Fn(&str) -> bool,
) -> Result<Overrides<'a>, NotRun> {
    let overrides = server.overrides_of(name)?;
    let known = overrides.filter_map(|found| Some((found, found.value.as_deref()?)));
    Ok(known.filter(|(_, value)| bad(value)).collect())
}

/// The value that sessions of this role get, where it is bad and comes from none of these overrides.
fn bad_value<'a>(
    server: &'a ServerState,
    name: &str,
    role: Option<&str>,
    overrides: &Overrides<'_>,
    bad: impl Fn(&str) -> bool,
) -> Result<Option<&'a str>, NotRun> {
    let explained = overrides.iter().any(|(found, _)| meets(found, role));
    Ok(server.value(name)?.filter(|value| bad(value) && !explained))
}

/// Whether sessions of this role get an override; of no role, those of the apply worker.
pub(in crate::rules) fn meets(found: &Override, role: Option<&str>) -> bool {
    found.role.is_none() || found.role.as_deref() == role
}

/// A setting by which the source writes values. Overrides of roles that pglogical does not connect
/// as are good to know only.
fn text_setting(
    server: &ServerState,
    emit: &mut Emit<'_>,
    (name, good): (&str, &str),
    bad: impl Fn(&str) -> bool,
) -> Ran {
    let user = server.identity.get()?.user.as_str();
    let role = replicating_role(emit.facts)?;
    let overrides = bad_overrides(server, name, &bad)?;
    for (found, value) in &overrides {
        let severity = warn_if(meets(found, Some(role)));
        emit.overridden(Side::Source, name, found, value)
            .severity(severity);
    }
    if let Some(value) = bad_value(server, name, Some(user), &overrides, bad)? {
        let sql = set_parameter(server, name, good)?.sql;
        emit.find(Side::Source, format!("{name} is {value} on the source"))
            .object(name)
            .sql(sql);
    }
    Ok(())
}

/// A setting of the target by which the apply worker, which runs as no role of its own, reads values.
fn applied(
    server: &ServerState,
    emit: &mut Emit<'_>,
    (name, good): (&str, &str),
    bad: impl Fn(&str) -> bool,
) -> Ran {
    let overrides = bad_overrides(server, name, &bad)?;
    if let Some((found, value)) = overrides.iter().find(|(found, _)| found.role.is_none()) {
        emit.overridden(Side::Target, name, found, value);
        return Ok(());
    }
    if let Some(value) = bad_value(server, name, None, &overrides, bad)? {
        let what = format!("{name} is {value} on the target");
        emit.set((Side::Target, server), (name, good), what)?;
    }
    Ok(())
}

/// Where the sessions of pglogical look for operators and functions: those on the source with the role of the provider
/// DSN, those on the target with no role of their own.
fn search_path(side: Side, server: &ServerState, emit: &mut Emit<'_>) -> Ran {
    const NAME: &str = "search_path";
    let user = server.identity.get()?.user.as_str();
    let role = match side {
        Side::Source => Some(replicating_role(emit.facts)?),
        Side::Target => None,
    };
    let overrides = bad_overrides(server, NAME, shadows)?;
    for (found, value) in &overrides {
        if meets(found, role) {
            emit.overridden(side, NAME, found, value);
        }
    }
    if let Some(value) = bad_value(server, NAME, Some(user), &overrides, shadows)? {
        let what = format!("{NAME} is {value} on the {side}");
        emit.find(side, what).object(NAME);
    }
    Ok(())
}

/// Whether a search_path names a schema before pg_catalog; where pg_catalog is not named, it is searched first.
pub(crate) fn shadows(search_path: &str) -> bool {
    let schemas = search_path
        .split(',')
        .map(|schema| schema.trim().trim_matches('"'));
    schemas.skip(1).any(|schema| schema == "pg_catalog")
}

#[cfg(test)]
pub(in crate::rules) use cases::CASES;

#[cfg(test)]
mod cases {
    use crate::ServerVersion;
    use crate::Severity;
    use crate::rules::testing::server::{on_target, override_setting, set, source};
    use crate::rules::testing::{Case, clean, fires, known, run, silent};

    pub(in crate::rules) const CASES: &[Case] = &[
        fires(
            "conf.extra_float_digits",
            Severity::Warn,
            "default before 12",
            |f| {
                known(&mut source(f).identity).version = ServerVersion(90_426);
                set(source(f), "extra_float_digits", "0");
            },
        ),
        fires(
            "conf.extra_float_digits",
            Severity::Warn,
            "zero on 13",
            |f| {
                set(source(f), "extra_float_digits", "0");
            },
        ),
        fires(
            "conf.extra_float_digits",
            Severity::Warn,
            "for the database",
            |f| {
                override_setting(source(f), Some("shop"), None, "extra_float_digits", "0");
            },
        ),
        silent("conf.extra_float_digits", "three before 12", |f| {
            known(&mut source(f).identity).version = ServerVersion(90_624);
            set(source(f), "extra_float_digits", "3");
        }),
        silent("conf.extra_float_digits", "for another database", |f| {
            override_setting(source(f), Some("other"), None, "extra_float_digits", "0");
        }),
        fires("conf.datestyle", Severity::Warn, "SQL on the server", |f| {
            set(source(f), "DateStyle", "SQL, DMY");
        }),
        fires(
            "conf.datestyle",
            Severity::Warn,
            "for the role that replicates",
            |f| {
                f.link.provider_role = Some("repl".into());
                override_setting(source(f), None, Some("repl"), "datestyle", "SQL, DMY");
            },
        ),
        fires("conf.datestyle", Severity::Info, "for another role", |f| {
            override_setting(source(f), None, Some("app"), "datestyle", "German");
        }),
        silent("conf.datestyle", "ISO, DMY", |f| {
            set(source(f), "DateStyle", "ISO, DMY");
        }),
        silent("conf.datestyle", "SQL on the target", |f| {
            set(on_target(f), "DateStyle", "SQL, DMY");
        }),
        fires("conf.intervalstyle", Severity::Warn, "sql_standard", |f| {
            set(source(f), "IntervalStyle", "sql_standard");
        }),
        silent("conf.intervalstyle", "iso_8601", |f| {
            set(source(f), "IntervalStyle", "iso_8601");
        }),
        fires(
            "conf.array_nulls",
            Severity::Block,
            "off on the target",
            |f| {
                set(on_target(f), "array_nulls", "off");
            },
        ),
        fires(
            "conf.array_nulls",
            Severity::Block,
            "off for the database",
            |f| {
                override_setting(on_target(f), Some("shop"), None, "array_nulls", "off");
            },
        ),
        silent("conf.array_nulls", "off on the source", |f| {
            set(source(f), "array_nulls", "off");
        }),
        fires(
            "conf.xmloption",
            Severity::Warn,
            "document for the database",
            |f| {
                override_setting(on_target(f), Some("shop"), None, "xmloption", "document");
            },
        ),
        fires(
            "conf.xmloption",
            Severity::Warn,
            "document on the target",
            |f| {
                set(on_target(f), "xmloption", "document");
            },
        ),
        silent("conf.xmloption", "document on the source", |f| {
            set(source(f), "xmloption", "document");
        }),
        fires(
            "conf.search_path",
            Severity::Warn,
            "pg_catalog last for the database",
            |f| {
                override_setting(
                    source(f),
                    Some("shop"),
                    None,
                    "search_path",
                    "app, pg_catalog",
                );
            },
        ),
        fires(
            "conf.search_path",
            Severity::Warn,
            "of the role that replicates",
            |f| {
                f.link.provider_role = Some("repl".into());
                override_setting(
                    source(f),
                    None,
                    Some("repl"),
                    "search_path",
                    "app, \"pg_catalog\"",
                );
            },
        ),
        fires("conf.search_path", Severity::Warn, "on the target", |f| {
            set(on_target(f), "search_path", "app, pg_catalog");
        }),
        silent("conf.search_path", "pg_catalog first", |f| {
            let value = "pg_catalog, app";
            override_setting(source(f), Some("shop"), None, "search_path", value);
        }),
        silent("conf.search_path", "without pg_catalog", |f| {
            override_setting(source(f), Some("shop"), None, "search_path", "app, public");
        }),
        silent("conf.search_path", "of another role", |f| {
            let value = "app, pg_catalog";
            override_setting(source(f), None, Some("app"), "search_path", value);
        }),
        fires("conf.standard_strings", Severity::Warn, "off", |f| {
            set(source(f), "standard_conforming_strings", "off");
        }),
    ];

    #[test]
    fn an_override_is_named_once_and_with_its_scope() {
        let mut facts = clean();
        override_setting(
            source(&mut facts),
            Some("shop"),
            None,
            "datestyle",
            "SQL, DMY",
        );
        set(source(&mut facts), "DateStyle", "SQL, DMY");
        let (findings, _) = run("conf.datestyle", &facts);
        assert_eq!(findings.len(), 1, "{findings:#?}");
        assert_eq!(findings[0].object.as_deref(), Some("database shop"));
        assert_eq!(
            findings[0].sql.as_deref(),
            Some("ALTER DATABASE \"shop\" RESET datestyle;")
        );
    }
}
