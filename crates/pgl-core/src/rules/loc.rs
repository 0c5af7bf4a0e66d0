//! Encoding, locale, collations, time zone.

use super::common::some_of;
use super::{Emit, Ran, Rule, each, pair, source};
use crate::Side::{Source, Target};
use crate::facts::server::{ServerState, plain};
use crate::{quote_ident, quote_literal};

pub(super) const CHECKS: &[Rule] = &[
    pair("loc.encoding", |source, target, emit| {
        let (from, to) = (source.database()?, target.database()?);
        let (here, there) = (&from.encoding, &to.encoding);
        if here != there {
            let name = quote_ident(&to.name);
            let (collate, ctype) = (&from.collate, &from.ctype);
            emit.find(Target, format!("the source is in {here}, the target in {there}"))
                .object(&to.name)
                .remedy(format!(
                    "Create the target database anew: CREATE DATABASE {name} ENCODING '{here}' LC_COLLATE '{collate}' LC_CTYPE '{ctype}' TEMPLATE template0;"
                ));
        }
        Ok(())
    }),
    source("loc.sql_ascii", |server, emit| {
        let from = server.database()?;
        if from.encoding == "SQL_ASCII" {
            let what = format!("database {} is in SQL_ASCII", from.name);
            emit.find(Source, what).object(&from.name);
        }
        Ok(())
    }),
    pair("loc.db_locale", |source, target, emit| {
        let (from, to) = (source.database()?, target.database()?);
        let differences = from.locale_differences(to);
        if !differences.is_empty() {
            let what = format!("source and target differ: {}", differences.join(", "));
            emit.find(Target, what).object(&to.name);
        }
        Ok(())
    }),
    pair("loc.order_probe", |source, target, emit| {
        let (from, to) = (source.order_probe.get()?, target.order_probe.get()?);
        if let Some((one, two)) = from.iter().zip(to).find(|(one, two)| one != two) {
            let what = format!("{one:?} and {two:?} sort in another order on the target");
            emit.find(Target, what);
        }
        Ok(())
    }),
    pair("loc.collation_missing", |source, target, emit| {
        let there = target.catalog_collations.get()?;
        for used in source.collation_uses.get()? {
            let (name, example) = (&used.name, &used.example);
            // Collations of one's own come with the schema.
            if used.schema == "pg_catalog" && !there.contains(name) {
                let what = format!("collation {name:?}, used by {example}, is not on the target");
                emit.find(Target, what).object(name);
            }
        }
        Ok(())
    }),
    source("loc.user_collations", |server, emit| {
        let uses = server.collation_uses.get()?.iter();
        let own: Vec<String> = uses
            .filter(|used| used.schema != "pg_catalog")
            .map(|used| format!("{}.{}", used.schema, used.name))
            .collect();
        if !own.is_empty() {
            let what = format!("in use: {}", some_of(&own));
            emit.find(Source, what).object(own.join(", "));
        }
        Ok(())
    }),
    each("loc.version_drift", |side, server, emit| {
        let drift = |then: &Option<String>, now: &Option<String>| {
            let (then, now) = (then.clone()?, now.clone()?);
            (then != now).then_some((then, now))
        };
        let database = server.database()?;
        let versions = drift(&database.collation_version, &database.actual_version);
        if let Some((then, now)) = versions {
            let (name, quoted) = (&database.name, quote_ident(&database.name));
            let what = format!(
                "database {name} was made with collation version {then}, the library is {now}"
            );
            emit.find(side, what).object(name).sql(format!(
                "REINDEX DATABASE {quoted};\nALTER DATABASE {quoted} REFRESH COLLATION VERSION;"
            ));
        }
        for used in server.collation_uses.get()? {
            if let Some((then, now)) = drift(&used.version, &used.actual_version) {
                let (name, example) = (&used.name, &used.example);
                let (schema, quoted) = (quote_ident(&used.schema), quote_ident(name));
                let what = format!(
                    "collation {name:?}, used by {example}, was made with version {then}, the library is {now}"
                );
                let sql = format!("ALTER COLLATION {schema}.{quoted} REFRESH VERSION;");
                emit.find(side, what).object(name).sql(sql);
            }
        }
        Ok(())
    }),
    pair("loc.timezone", |source, target, emit| {
        same("TimeZone", source, target, emit, zone)
    }),
    // C in any encoding has no currency.
    pair("loc.monetary", |source, target, emit| {
        same("lc_monetary", source, target, emit, |locale| {
            plain(locale)
                .split('.')
                .next()
                .unwrap_or_default()
                .to_owned()
        })
    }),
];

/// A setting of the source that a new target has from its server; `family` is what its values mean.
fn same(
    name: &str,
    source: &ServerState,
    target: &ServerState,
    emit: &mut Emit<'_>,
    family: fn(&str) -> String,
) -> Ran {
    if let (Some(here), Some(there)) = (source.value(name)?, target.value(name)?)
        && family(here) != family(there)
    {
        let database = quote_ident(&target.identity.get()?.database);
        let value = quote_literal(here);
        let what = format!("{name} is {here} on the source and {there} on the target");
        let sql = format!("ALTER DATABASE {database} SET {name} = {value};");
        emit.find(Target, what).object(name).sql(sql);
    }
    Ok(())
}

/// The many names of universal time are one.
fn zone(name: &str) -> String {
    match name.to_ascii_lowercase().as_str() {
        "utc" | "etc/utc" | "gmt" | "etc/gmt" | "etc/uct" | "uct" | "zulu" | "etc/zulu" => {
            "utc".to_owned()
        }
        other => other.to_owned(),
    }
}

#[cfg(test)]
pub(super) use cases::CASES;

#[cfg(test)]
mod cases {
    use crate::Severity;
    use crate::facts::Facts;
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
