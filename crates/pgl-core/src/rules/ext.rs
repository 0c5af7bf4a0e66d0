//! Extensions: on the target they have to be there, new enough, and not do things twice.

use super::common::{block_if, lists_library, preload};
use super::{Emit, Ran, Rule, each, pair, source};
use crate::Side::{self, Source, Target};
use crate::facts::server::ServerState;
use crate::quote_ident;

pub(super) const CHECKS: &[Rule] = &[
    pair("ext.available", |from, to, emit| {
        let major = to.version()?.major_num();
        for found in from.extensions.get()? {
            let (name, version) = (&found.name, &found.version);
            if !is_special(name)
                && gone(name, major).is_none()
                && to.available(name)?.is_none()
                && to.extension(name)?.is_none()
            {
                let what = format!("extension {name} {version} is not available on the target");
                emit.find(Target, what).object(name);
            }
        }
        Ok(())
    }),
    pair("ext.removed", |from, to, emit| {
        let version = to.version()?;
        for found in from.extensions.get()? {
            let name = &found.name;
            if let Some(instead) = gone(name, version.major_num()) {
                let major = version.major();
                let what = format!("extension {name} does not exist for PostgreSQL {major}");
                emit.find(Source, what)
                    .object(name)
                    .remedy(format!("Before the migration: {instead}."))
                    .sql(format!("DROP EXTENSION {};", quote_ident(name)));
            }
        }
        Ok(())
    }),
    pair("ext.version", |from, to, emit| {
        let extensions = from.extensions.get()?.iter();
        for found in extensions.filter(|found| !is_special(&found.name)) {
            let (name, here) = (&found.name, &found.version);
            let there = match (to.extension(name)?, to.available(name)?) {
                (Some(installed), _) => Some(installed.version.as_str()),
                (None, Some(files)) => files.default_version.as_deref(),
                (None, None) => None,
            };
            if let Some(there) = there.filter(|there| older(there, here)) {
                let what =
                    format!("extension {name} is {here} on the source and {there} on the target");
                emit.find(Target, what).object(name);
            }
        }
        Ok(())
    }),
    pair("ext.preload_target", |from, to, emit| {
        let now = to.value("shared_preload_libraries")?.unwrap_or_default();
        for found in from.extensions.get()? {
            let name = &found.name;
            let known = PRELOADED.iter().find(|(known, _)| known == name);
            if let Some((library, needed)) =
                known.filter(|(library, _)| !lists_library(now, library))
            {
                let fix = preload(to.platform()?, now, library);
                let what = format!("extension {name} needs {library} in shared_preload_libraries");
                let draft = emit.find(Target, what).object(name);
                draft.severity(block_if(*needed)).fix(fix);
            }
        }
        Ok(())
    }),
    pair("ext.name_schema_mismatch", |from, to, emit| {
        for found in from.extensions.get()? {
            let (name, here) = (&found.name, &found.schema);
            if let Some(other) = to.extension(name)?.filter(|other| other.schema != *here) {
                let there = &other.schema;
                let (quoted, schema) = (quote_ident(name), quote_ident(here));
                let what = format!(
                    "extension {name} is in schema {here} on the source and in {there} on the target"
                );
                emit.find(Target, what)
                    .object(name)
                    .sql(format!("ALTER EXTENSION {quoted} SET SCHEMA {schema};"));
            }
        }
        Ok(())
    }),
    source("ext.pg_cron", |server, emit| {
        on_source(&["pg_cron"], server, emit)
    }),
    source("ext.partman", |server, emit| {
        on_source(&["pg_partman"], server, emit)
    }),
    source("ext.timescaledb_citus", |server, emit| {
        on_source(
            &["timescaledb", "citus", "columnar", "pg_shard"],
            server,
            emit,
        )
    }),
    each("ext.conflicting_replication", |side, server, emit| {
        let said = format!("on the {side}");
        installed(&["bdr", "spock", "pgactive"], (side, server), &said, emit)
    }),
    source("ext.in_system_schema", |server, emit| {
        for found in server.extensions.get()? {
            let name = &found.name;
            // These two are there by design and cannot be moved.
            let by_design = is_special(name) || name == "pg_cron";
            if found.schema == "pg_catalog" && !by_design {
                emit.find(Source, format!("extension {name} is in pg_catalog"))
                    .object(name);
            }
        }
        Ok(())
    }),
];

/// What comes with the server or is dealt with elsewhere.
fn is_special(name: &str) -> bool {
    matches!(name, "plpgsql" | "pglogical" | "pglogical_origin")
}

/// Extensions that came with PostgreSQL and are gone: name, and the first major without it.
const REMOVED: &[(&str, u32, &str)] = &[
    ("tsearch2", 1_000, "use the built-in text search"),
    ("chkpass", 1_100, "use pgcrypto's crypt()"),
    ("timetravel", 1_200, "write a trigger of your own"),
    (
        "adminpack",
        1_700,
        "nothing replaces it; only old administration tools use it",
    ),
    (
        "old_snapshot",
        1_700,
        "the setting that it looks at is gone",
    ),
];

fn gone(name: &str, target_major: u32) -> Option<&'static str> {
    let mut removed = REMOVED.iter();
    let found = removed.find(|(removed, major, _)| *removed == name && target_major >= *major);
    found.map(|(_, _, instead)| *instead)
}

/// Compares versions number by number; anything else as text.
fn older(one: &str, two: &str) -> bool {
    let parts = |text: &str| -> Vec<u64> {
        let numbers = text
            .split(|c: char| !c.is_ascii_digit())
            .filter(|part| !part.is_empty());
        numbers
            .map(|part| part.parse().unwrap_or(u64::MAX))
            .collect()
    };
    parts(one) < parts(two)
}

/// Extensions that need the library of their name preloaded, and whether CREATE EXTENSION itself fails without it.
const PRELOADED: &[(&str, bool)] = &[
    ("pg_stat_statements", false),
    ("pg_cron", true),
    ("pgaudit", true),
    ("timescaledb", true),
    ("citus", true),
    ("pg_squeeze", true),
    ("pg_stat_monitor", false),
    ("pg_qualstats", false),
    ("pg_wait_sampling", true),
    ("pg_partman_bgw", false),
    ("set_user", true),
];

fn on_source(names: &[&str], server: &ServerState, emit: &mut Emit<'_>) -> Ran {
    installed(names, (Source, server), "installed on the source", emit)
}

/// Reports which of these extensions are installed.
fn installed(
    names: &[&str],
    (side, server): (Side, &ServerState),
    said: &str,
    emit: &mut Emit<'_>,
) -> Ran {
    for name in names {
        if let Some(found) = server.extension(name)? {
            let what = format!("extension {name} {} is {said}", found.version);
            emit.find(side, what).object(name);
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) use cases::CASES;

#[cfg(test)]
mod cases {
    use super::*;
    use crate::ServerVersion;
    use crate::Severity;
    use crate::facts::server::{AvailableExtension, Extension, ServerState};
    use crate::rules::testing::server::{on_target, set, source};
    use crate::rules::testing::{Case, fires, known, silent};

    fn install(server: &mut ServerState, name: &str, version: &str, schema: &str) {
        known(&mut server.extensions).push(Extension {
            name: name.into(),
            version: version.into(),
            schema: schema.into(),
        });
    }

    fn offer(server: &mut ServerState, name: &str, version: &str) {
        known(&mut server.available).push(AvailableExtension {
            name: name.into(),
            default_version: Some(version.into()),
        });
    }

    pub(in crate::rules) const CASES: &[Case] = &[
        fires("ext.available", Severity::Block, "postgis", |f| {
            install(source(f), "postgis", "3.3.2", "public");
        }),
        silent("ext.available", "citext is there", |f| {
            install(source(f), "citext", "1.6", "public");
        }),
        silent("ext.available", "pglogical has a check of its own", |f| {
            install(source(f), "pglogical", "2.4.8", "pglogical");
            known(&mut on_target(f).available).retain(|ext| ext.name != "pglogical");
        }),
        fires("ext.removed", Severity::Block, "adminpack to 17", |f| {
            install(source(f), "adminpack", "2.1", "pg_catalog");
        }),
        silent("ext.removed", "adminpack to 16", |f| {
            install(source(f), "adminpack", "2.1", "pg_catalog");
            known(&mut on_target(f).identity).version = ServerVersion(160_004);
        }),
        fires("ext.version", Severity::Warn, "older there", |f| {
            install(source(f), "citext", "1.10", "public");
        }),
        silent("ext.version", "newer there", |f| {
            install(source(f), "citext", "1.5", "public");
        }),
        fires("ext.preload_target", Severity::Block, "pg_cron", |f| {
            install(source(f), "pg_cron", "1.6", "pg_catalog");
        }),
        fires(
            "ext.preload_target",
            Severity::Warn,
            "pg_stat_statements",
            |f| {
                install(source(f), "pg_stat_statements", "1.8", "public");
            },
        ),
        silent("ext.preload_target", "loaded", |f| {
            install(source(f), "pg_stat_statements", "1.8", "public");
            let libraries = "pglogical, pg_stat_statements";
            set(on_target(f), "shared_preload_libraries", libraries);
        }),
        silent("ext.preload_target", "loaded by its path", |f| {
            install(source(f), "pg_stat_statements", "1.8", "public");
            let libraries = "pglogical, $libdir/pg_stat_statements.so";
            set(on_target(f), "shared_preload_libraries", libraries);
        }),
        fires(
            "ext.name_schema_mismatch",
            Severity::Warn,
            "elsewhere",
            |f| {
                install(source(f), "citext", "1.6", "public");
                install(on_target(f), "citext", "1.6", "extensions");
            },
        ),
        silent("ext.name_schema_mismatch", "same schema", |f| {
            install(source(f), "citext", "1.6", "public");
            install(on_target(f), "citext", "1.6", "public");
        }),
        fires("ext.pg_cron", Severity::Warn, "installed", |f| {
            install(source(f), "pg_cron", "1.6", "pg_catalog");
        }),
        silent("ext.pg_cron", "only available", |f| {
            offer(source(f), "pg_cron", "1.6");
        }),
        fires("ext.partman", Severity::Warn, "installed", |f| {
            install(source(f), "pg_partman", "5.0", "partman");
        }),
        fires(
            "ext.timescaledb_citus",
            Severity::Block,
            "timescaledb",
            |f| {
                install(source(f), "timescaledb", "2.15", "public");
            },
        ),
        fires(
            "ext.conflicting_replication",
            Severity::Block,
            "spock",
            |f| {
                install(on_target(f), "spock", "4.0", "spock");
            },
        ),
        fires("ext.in_system_schema", Severity::Info, "adminpack", |f| {
            install(source(f), "adminpack", "2.1", "pg_catalog");
        }),
        silent("ext.in_system_schema", "pg_cron by design", |f| {
            install(source(f), "pg_cron", "1.6", "pg_catalog");
        }),
    ];

    #[test]
    fn versions_compare_by_number() {
        assert!(older("1.9", "1.10"));
        assert!(!older("1.10", "1.9"));
        assert!(older("3.3.2", "3.4"));
        assert!(!older("1.0", "1.0"));
    }
}
