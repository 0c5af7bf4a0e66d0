//! Encoding, locale, collations, time zone.

use super::common::{each, some_of, source, target};
use super::{Emit, Ran, Rule};
use crate::facts::Facts;
use crate::{Side, quote_ident};

pub(super) const CHECKS: &[Rule] = &[
    ("loc.encoding", encoding),
    ("loc.sql_ascii", sql_ascii),
    ("loc.db_locale", db_locale),
    ("loc.order_probe", order_probe),
    ("loc.collation_missing", collation_missing),
    ("loc.user_collations", user_collations),
    ("loc.version_drift", version_drift),
    ("loc.timezone", timezone),
    ("loc.monetary", monetary),
];

fn encoding(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let from = source(facts).database()?;
    let to = target(facts)?.database()?;
    if from.encoding != to.encoding {
        emit.find(
            Side::Target,
            format!(
                "the source is in {}, the target in {}",
                from.encoding, to.encoding
            ),
        )
        .object(&to.name)
        .remedy(format!(
            "Create the target database anew: CREATE DATABASE {} ENCODING '{}' LC_COLLATE '{}' \
             LC_CTYPE '{}' TEMPLATE template0;",
            quote_ident(&to.name),
            from.encoding,
            from.collate,
            from.ctype
        ));
    }
    Ok(())
}

fn sql_ascii(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let from = source(facts).database()?;
    if from.encoding == "SQL_ASCII" {
        emit.find(
            Side::Source,
            format!("database {} is in SQL_ASCII", from.name),
        )
        .object(&from.name);
    }
    Ok(())
}

fn db_locale(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let from = source(facts).database()?;
    let to = target(facts)?.database()?;
    let provider = |letter: &str| match letter {
        "i" => "ICU",
        "b" => "built-in",
        _ => "libc",
    };
    let mut differences = Vec::new();
    let mut differ = |what: &str, one: &str, two: &str| {
        if one != two {
            differences.push(format!("{what} {one:?} and {two:?}"));
        }
    };
    differ("provider", provider(&from.provider), provider(&to.provider));
    differ("LC_COLLATE", &plain(&from.collate), &plain(&to.collate));
    differ("LC_CTYPE", &plain(&from.ctype), &plain(&to.ctype));
    let none = String::new();
    differ(
        "locale",
        from.locale.as_ref().unwrap_or(&none),
        to.locale.as_ref().unwrap_or(&none),
    );
    if !differences.is_empty() {
        emit.find(
            Side::Target,
            format!("source and target differ: {}", differences.join(", ")),
        )
        .object(&to.name);
    }
    Ok(())
}

/// `de_DE.UTF-8` and `de_DE.utf8` are the same to the C library, and so are C and POSIX.
fn plain(locale: &str) -> String {
    let lower = locale.to_ascii_lowercase().replace("utf-8", "utf8");
    if lower == "posix" {
        "c".to_owned()
    } else {
        lower
    }
}

fn order_probe(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let from = source(facts).order_probe.get()?;
    let to = target(facts)?.order_probe.get()?;
    if let Some((one, two)) = from.iter().zip(to).find(|(one, two)| one != two) {
        emit.find(
            Side::Target,
            format!("{one:?} and {two:?} sort in another order on the target"),
        );
    }
    Ok(())
}

fn collation_missing(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let there = target(facts)?.catalog_collations.get()?;
    for used in source(facts).collation_uses.get()? {
        // Collations of one's own come with the schema.
        if used.schema == "pg_catalog" && !there.contains(&used.name) {
            emit.find(
                Side::Target,
                format!(
                    "collation {:?}, used by {}, is not on the target",
                    used.name, used.example
                ),
            )
            .object(&used.name);
        }
    }
    Ok(())
}

fn user_collations(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let own: Vec<String> = source(facts)
        .collation_uses
        .get()?
        .iter()
        .filter(|used| used.schema != "pg_catalog")
        .map(|used| format!("{}.{}", used.schema, used.name))
        .collect();
    if !own.is_empty() {
        emit.find(Side::Source, format!("in use: {}", some_of(&own)))
            .object(own.join(", "));
    }
    Ok(())
}

fn version_drift(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    each(facts, emit, |side, server, emit| {
        let database = server.database()?;
        if let (Some(then), Some(now)) = (&database.collation_version, &database.actual_version)
            && then != now
        {
            emit.find(
                side,
                format!(
                    "database {} was made with collation version {then}, the library is {now}",
                    database.name
                ),
            )
            .object(&database.name)
            .sql(format!(
                "REINDEX DATABASE {0};\nALTER DATABASE {0} REFRESH COLLATION VERSION;",
                quote_ident(&database.name)
            ));
        }
        for used in server.collation_uses.get()? {
            if let (Some(then), Some(now)) = (&used.version, &used.actual_version)
                && then != now
            {
                emit.find(
                    side,
                    format!(
                        "collation {:?}, used by {}, was made with version {then}, the library is \
                         {now}",
                        used.name, used.example
                    ),
                )
                .object(&used.name)
                .sql(format!(
                    "ALTER COLLATION {}.{} REFRESH VERSION;",
                    quote_ident(&used.schema),
                    quote_ident(&used.name)
                ));
            }
        }
        Ok(())
    })
}

fn timezone(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let from = source(facts).known_setting("TimeZone")?;
    let to = target(facts)?.known_setting("TimeZone")?;
    let (Some(from), Some(to)) = (
        from.and_then(|setting| setting.value.as_deref()),
        to.and_then(|setting| setting.value.as_deref()),
    ) else {
        return Ok(());
    };
    if zone(from) != zone(to) {
        emit.find(
            Side::Target,
            format!("TimeZone is {from} on the source and {to} on the target"),
        )
        .object("TimeZone")
        .sql(format!(
            "ALTER DATABASE {} SET TimeZone = {};",
            quote_ident(&target(facts)?.identity.get()?.database),
            crate::quote_literal(from)
        ));
    }
    Ok(())
}

/// The many names of universal time are one.
fn zone(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let universal = [
        "utc", "etc/utc", "gmt", "etc/gmt", "etc/uct", "uct", "zulu", "etc/zulu",
    ];
    if universal.contains(&lower.as_str()) {
        "utc".to_owned()
    } else {
        lower
    }
}

fn monetary(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let from = source(facts).known_setting("lc_monetary")?;
    let to = target(facts)?.known_setting("lc_monetary")?;
    let (Some(from), Some(to)) = (
        from.and_then(|setting| setting.value.as_deref()),
        to.and_then(|setting| setting.value.as_deref()),
    ) else {
        return Ok(());
    };
    // C in any encoding has no currency.
    let family = |locale: &str| plain(locale).split('.').next().map(str::to_owned);
    if family(from) != family(to) {
        emit.find(
            Side::Target,
            format!("lc_monetary is {from} on the source and {to} on the target"),
        )
        .object("lc_monetary")
        .sql(format!(
            "ALTER DATABASE {} SET lc_monetary = {};",
            quote_ident(&target(facts)?.identity.get()?.database),
            crate::quote_literal(from)
        ));
    }
    Ok(())
}

#[cfg(test)]
pub(super) use cases::CASES;

#[cfg(test)]
mod cases {
    use super::*;
    use crate::Severity;
    use crate::facts::server::{CollationUse, DatabaseInfo, ServerState};
    use crate::rules::testing::server::{on_target, set, source};
    use crate::rules::testing::{Case, fires, known, silent};

    fn database(server: &mut ServerState) -> &mut DatabaseInfo {
        &mut known(&mut server.databases)[0]
    }

    fn collation(f: &mut Facts, schema: &str, name: &str) {
        known(&mut source(f).collation_uses).push(CollationUse {
            schema: schema.into(),
            name: name.into(),
            provider: "i".into(),
            version: Some("153.80".into()),
            actual_version: Some("153.80".into()),
            example: "public.t.c".into(),
        });
    }

    pub(in crate::rules) const CASES: &[Case] = &[
        fires("loc.encoding", Severity::Block, "LATIN1", |f| {
            database(on_target(f)).encoding = "LATIN1".into();
        }),
        fires("loc.sql_ascii", Severity::Warn, "source", |f| {
            database(source(f)).encoding = "SQL_ASCII".into();
        }),
        fires("loc.db_locale", Severity::Warn, "another collation", |f| {
            database(source(f)).collate = "de_DE.UTF-8".into();
        }),
        fires("loc.db_locale", Severity::Warn, "another provider", |f| {
            database(on_target(f)).provider = "i".into();
        }),
        silent("loc.db_locale", "another spelling", |f| {
            database(source(f)).collate = "C.utf8".into();
            database(source(f)).ctype = "C.utf8".into();
        }),
        fires(
            "loc.order_probe",
            Severity::Info,
            "two words exchanged",
            |f| {
                known(&mut on_target(f).order_probe).swap(0, 1);
            },
        ),
        fires("loc.collation_missing", Severity::Block, "not there", |f| {
            collation(f, "pg_catalog", "sv_SE.utf8");
        }),
        silent("loc.collation_missing", "there", |f| {
            collation(f, "pg_catalog", "de-x-icu");
        }),
        silent(
            "loc.collation_missing",
            "one's own comes with the schema",
            |f| {
                collation(f, "app", "natural");
            },
        ),
        fires("loc.user_collations", Severity::Info, "one's own", |f| {
            collation(f, "app", "natural");
        }),
        silent("loc.user_collations", "the server's", |f| {
            collation(f, "pg_catalog", "de-x-icu");
        }),
        fires("loc.version_drift", Severity::Warn, "database", |f| {
            database(source(f)).collation_version = Some("2.31".into());
            database(source(f)).actual_version = Some("2.36".into());
        }),
        fires("loc.version_drift", Severity::Warn, "collation", |f| {
            collation(f, "pg_catalog", "de-x-icu");
            known(&mut source(f).collation_uses)[0].version = Some("153.14".into());
        }),
        silent(
            "loc.version_drift",
            "other versions on the two servers",
            |f| {
                database(source(f)).collation_version = Some("2.31".into());
                database(source(f)).actual_version = Some("2.31".into());
                database(on_target(f)).collation_version = Some("2.36".into());
                database(on_target(f)).actual_version = Some("2.36".into());
            },
        ),
        fires("loc.timezone", Severity::Warn, "Berlin", |f| {
            set(source(f), "TimeZone", "Europe/Berlin");
        }),
        silent("loc.timezone", "another name of UTC", |f| {
            set(source(f), "TimeZone", "GMT");
        }),
        fires("loc.monetary", Severity::Info, "Japan", |f| {
            set(source(f), "lc_monetary", "ja_JP.UTF-8");
        }),
        silent("loc.monetary", "plain C", |f| {
            set(source(f), "lc_monetary", "C");
        }),
    ];
}
