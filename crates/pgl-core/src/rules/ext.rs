//! Extensions: on the target they have to be there, new enough, and not do things twice.

use super::common::{Fix, list, parameter, source, target};
use super::{Emit, Ran, Rule};
use crate::facts::Facts;
use crate::{Severity, Side, quote_ident};

pub(super) const CHECKS: &[Rule] = &[
    ("ext.available", available),
    ("ext.removed", removed),
    ("ext.version", version),
    ("ext.preload_target", preload_target),
    ("ext.name_schema_mismatch", name_schema_mismatch),
    ("ext.pg_cron", |facts, emit| present("pg_cron", facts, emit)),
    ("ext.partman", |facts, emit| {
        present("pg_partman", facts, emit)
    }),
    ("ext.timescaledb_citus", timescaledb_citus),
    ("ext.conflicting_replication", conflicting_replication),
    ("ext.in_system_schema", in_system_schema),
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
    REMOVED
        .iter()
        .find(|(removed, major, _)| *removed == name && target_major >= *major)
        .map(|(_, _, instead)| *instead)
}

fn available(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let to = target(facts)?;
    let major = to.version()?.major_num();
    for found in source(facts).extensions.get()? {
        if is_special(&found.name)
            || gone(&found.name, major).is_some()
            || to.available(&found.name)?.is_some()
            || to.extension(&found.name)?.is_some()
        {
            continue;
        }
        emit.find(
            Side::Target,
            format!(
                "extension {} {} is not available on the target",
                found.name, found.version
            ),
        )
        .object(&found.name);
    }
    Ok(())
}

fn removed(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let version = target(facts)?.version()?;
    for found in source(facts).extensions.get()? {
        if let Some(instead) = gone(&found.name, version.major_num()) {
            emit.find(
                Side::Source,
                format!(
                    "extension {} does not exist for PostgreSQL {}",
                    found.name,
                    version.major()
                ),
            )
            .object(&found.name)
            .remedy(format!("Before the migration: {instead}."))
            .sql(format!("DROP EXTENSION {};", quote_ident(&found.name)));
        }
    }
    Ok(())
}

/// Compares versions number by number; anything else as text.
fn older(one: &str, two: &str) -> bool {
    let parts = |text: &str| -> Vec<u64> {
        text.split(|c: char| !c.is_ascii_digit())
            .filter(|part| !part.is_empty())
            .map(|part| part.parse().unwrap_or(u64::MAX))
            .collect()
    };
    parts(one) < parts(two)
}

fn version(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let to = target(facts)?;
    for found in source(facts).extensions.get()? {
        if is_special(&found.name) {
            continue;
        }
        let there = match (to.extension(&found.name)?, to.available(&found.name)?) {
            (Some(installed), _) => Some(installed.version.as_str()),
            (None, Some(files)) => files.default_version.as_deref(),
            (None, None) => None,
        };
        if let Some(there) = there
            && older(there, &found.version)
        {
            emit.find(
                Side::Target,
                format!(
                    "extension {} is {} on the source and {there} on the target",
                    found.name, found.version
                ),
            )
            .object(&found.name);
        }
    }
    Ok(())
}

/// Extensions that need their library preloaded: name, library, and whether CREATE EXTENSION
/// itself fails without it.
const PRELOADED: &[(&str, &str, bool)] = &[
    ("pg_stat_statements", "pg_stat_statements", false),
    ("pg_cron", "pg_cron", true),
    ("pgaudit", "pgaudit", true),
    ("timescaledb", "timescaledb", true),
    ("citus", "citus", true),
    ("pg_squeeze", "pg_squeeze", true),
    ("pg_stat_monitor", "pg_stat_monitor", false),
    ("pg_qualstats", "pg_qualstats", false),
    ("pg_wait_sampling", "pg_wait_sampling", true),
    ("pg_partman_bgw", "pg_partman_bgw", false),
    ("set_user", "set_user", true),
];

fn preload_target(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let to = target(facts)?;
    let setting = to.known_setting("shared_preload_libraries")?;
    let now = setting.and_then(|s| s.value.as_deref()).unwrap_or_default();
    let loaded = list(now);
    for found in source(facts).extensions.get()? {
        let Some((_, library, needed)) = PRELOADED.iter().find(|(name, ..)| *name == found.name)
        else {
            continue;
        };
        if loaded
            .iter()
            .any(|element| element.rsplit('/').next() == Some(library))
        {
            continue;
        }
        let libraries: Vec<String> = loaded
            .iter()
            .map(String::as_str)
            .chain([*library])
            .map(crate::quote_literal)
            .collect();
        let Fix { text, sql, restart } = parameter(
            to.platform()?,
            "shared_preload_libraries",
            &libraries.join(", "),
            true,
        );
        let severity = if *needed {
            Severity::Block
        } else {
            Severity::Warn
        };
        emit.find(
            Side::Target,
            format!(
                "extension {} needs {library} in shared_preload_libraries",
                found.name
            ),
        )
        .object(&found.name)
        .severity(severity)
        .fix(Fix { text, sql, restart });
    }
    Ok(())
}

fn name_schema_mismatch(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let to = target(facts)?;
    for found in source(facts).extensions.get()? {
        if let Some(there) = to.extension(&found.name)?
            && there.schema != found.schema
        {
            emit.find(
                Side::Target,
                format!(
                    "extension {} is in schema {} on the source and in {} on the target",
                    found.name, found.schema, there.schema
                ),
            )
            .object(&found.name)
            .sql(format!(
                "ALTER EXTENSION {} SET SCHEMA {};",
                quote_ident(&found.name),
                quote_ident(&found.schema)
            ));
        }
    }
    Ok(())
}

fn present(name: &str, facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    if let Some(found) = source(facts).extension(name)? {
        emit.find(
            Side::Source,
            format!(
                "extension {name} {} is installed on the source",
                found.version
            ),
        )
        .object(name);
    }
    Ok(())
}

fn timescaledb_citus(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    for name in ["timescaledb", "citus", "columnar", "pg_shard"] {
        present(name, facts, emit)?;
    }
    Ok(())
}

fn conflicting_replication(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    super::common::each(facts, emit, |side, server, emit| {
        for name in ["bdr", "spock", "pgactive"] {
            if let Some(found) = server.extension(name)? {
                emit.find(
                    side,
                    format!("extension {name} {} is on the {side}", found.version),
                )
                .object(name);
            }
        }
        Ok(())
    })
}

fn in_system_schema(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    for found in source(facts).extensions.get()? {
        // These two are there by design and cannot be moved.
        let by_design = is_special(&found.name) || found.name == "pg_cron";
        if found.schema == "pg_catalog" && !by_design {
            emit.find(
                Side::Source,
                format!("extension {} is in pg_catalog", found.name),
            )
            .object(&found.name);
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
            versions: vec![version.into()],
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
