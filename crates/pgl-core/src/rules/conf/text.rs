//! Settings that change how values are written as text. Across major versions pglogical sends
//! values as text, and the connection that streams changes keeps the source's own settings:
//! values arrive changed, without any message. pgl-setup pins these settings in the connection
//! string that it gives to pglogical; a subscription made by hand does not.

use crate::facts::Facts;
use crate::facts::server::{Override, ServerState};
use crate::rules::common::{each, set_parameter, source};
use crate::rules::{Emit, Ran, Rule};
use crate::{Severity, Side};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    ("conf.extra_float_digits", extra_float_digits),
    ("conf.datestyle", datestyle),
    ("conf.intervalstyle", intervalstyle),
    ("conf.array_nulls", array_nulls),
    ("conf.standard_strings", standard_strings),
];

/// A setting's bad values at server, database and role level. Overrides of roles that pglogical
/// does not connect as are good to know only.
fn text_setting(
    facts: &Facts,
    emit: &mut Emit<'_>,
    name: &str,
    good: &str,
    bad: impl Fn(&str) -> bool,
) -> Ran {
    let server = source(facts);
    let user = server.identity.get()?.user.as_str();
    let replicates_as = facts.link.provider_role.as_deref().unwrap_or(user);
    let mut by_override = false;
    for found in server.overrides_of(name)? {
        let Some(value) = found.value.as_deref().filter(|value| bad(value)) else {
            continue;
        };
        let matters = found
            .role
            .as_deref()
            .is_none_or(|role| role == replicates_as);
        by_override |= meets(found, user);
        let severity = if matters {
            Severity::Warn
        } else {
            Severity::Info
        };
        emit.find(
            Side::Source,
            format!("{name} is {value} for {}", found.scope()),
        )
        .object(found.scope())
        .severity(severity)
        .sql(found.reset_sql());
    }
    let setting = server.known_setting(name)?;
    if let Some(value) = setting.and_then(|setting| setting.value.as_deref())
        && bad(value)
        && !by_override
    {
        let sql = set_parameter(server, name, good)?.sql;
        let draft = emit
            .find(Side::Source, format!("{name} is {value} on the source"))
            .object(name);
        if let Some(sql) = sql {
            draft.sql(sql);
        }
    }
    Ok(())
}

/// Whether our own session got its value from this override.
fn meets(found: &Override, user: &str) -> bool {
    found.role.as_deref().is_none_or(|role| role == user)
}

/// Whether floats lose digits on this server: from 12 on any value above zero is exact.
fn loses_digits(server: &ServerState, value: &str) -> Result<bool, crate::facts::NotRun> {
    let digits: i32 = value.trim().parse().unwrap_or(3);
    Ok(if server.version()?.at_least(12) {
        digits < 1
    } else {
        digits < 3
    })
}

fn extra_float_digits(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = source(facts);
    let floor = if server.version()?.at_least(12) {
        "1"
    } else {
        "3"
    };
    text_setting(facts, emit, "extra_float_digits", floor, |value| {
        loses_digits(server, value).unwrap_or(false)
    })
}

fn datestyle(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    text_setting(facts, emit, "DateStyle", "'ISO'", |value| {
        !value
            .split(',')
            .any(|part| part.trim().trim_matches('\'').eq_ignore_ascii_case("iso"))
    })
}

fn intervalstyle(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    text_setting(facts, emit, "IntervalStyle", "'postgres'", |value| {
        // iso_8601 and postgres_verbose carry every sign too; sql_standard alone is ambiguous.
        value
            .trim_matches('\'')
            .eq_ignore_ascii_case("sql_standard")
    })
}

fn array_nulls(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let server = crate::rules::common::target(facts)?;
    for found in server.overrides_of("array_nulls")? {
        let off = found
            .value
            .as_deref()
            .is_some_and(|value| !crate::facts::server::is_true(value));
        // The apply worker runs as no role of its own: only the database's value meets it.
        if off && found.role.is_none() {
            emit.find(
                Side::Target,
                format!("array_nulls is off for {}", found.scope()),
            )
            .object(found.scope())
            .sql(found.reset_sql());
            return Ok(());
        }
    }
    if let Some(setting) = server.known_setting("array_nulls")?
        && !setting.is_on()
    {
        let fix = set_parameter(server, "array_nulls", "on")?;
        emit.find(Side::Target, "array_nulls is off on the target")
            .object("array_nulls")
            .fix(fix);
    }
    Ok(())
}

fn standard_strings(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    each(facts, emit, |side, server, emit| {
        if let Some(setting) = server.known_setting("standard_conforming_strings")?
            && !setting.is_on()
        {
            let fix = set_parameter(server, "standard_conforming_strings", "on")?;
            emit.find(
                side,
                format!("standard_conforming_strings is off on the {side}"),
            )
            .object("standard_conforming_strings")
            .fix(fix);
        }
        Ok(())
    })
}

#[cfg(test)]
pub(in crate::rules) use cases::CASES;

#[cfg(test)]
mod cases {
    use super::*;
    use crate::ServerVersion;
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
