//! What logical decoding and pglogical need to be switched on.

use crate::Side;
use crate::facts::NotRun;
use crate::facts::server::{Platform, ServerState};
use crate::rules::common::{Fix, list, lists_library, parameter, preload, set_parameter};
use crate::rules::{Draft, Emit, Ran, Rule, each, source};

pub(in crate::rules) const CHECKS: &[Rule] = &[
    each("conf.wal_level", wal_level),
    source("conf.rds_logical", |server, emit| {
        let name = "rds.logical_replication";
        let platform = server.platform()?;
        if platform.is_aws() && server.known_setting(name)?.is_some() && !server.is_on(name)? {
            emit.find(Side::Source, "rds.logical_replication is off")
                .fix(parameter(platform, name, "1", true));
        }
        Ok(())
    }),
    each("conf.cloudsql_flags", |side, server, emit| {
        let platform = server.platform()?;
        let Some(pglogical) = pglogical_flag(platform) else {
            return Ok(());
        };
        let decoding = (side == Side::Source).then(|| decoding_flag(platform));
        for flag in [Some(pglogical), decoding].into_iter().flatten() {
            if server.known_setting(flag)?.is_some() && !server.is_on(flag)? {
                let fix = parameter(platform, flag, "on", true);
                emit.find(side, format!("{flag} is off"))
                    .object(flag)
                    .fix(fix);
            }
        }
        Ok(())
    }),
    each("conf.azure_extensions", |side, server, emit| {
        if server.platform()? == Platform::Azure
            && let Some(value) = server.value("azure.extensions")?
            && !list(value)
                .iter()
                .any(|name| name.eq_ignore_ascii_case("pglogical"))
        {
            emit.find(side, "azure.extensions does not list pglogical");
        }
        Ok(())
    }),
    each("conf.preload", preloaded),
    each("conf.supervisor", |side, server, emit| {
        let backends = server.backends.get()?;
        if !loaded(server)? || backends.pglogical_supervisors > 0 {
            return Ok(());
        }
        if backends.hidden > 0 {
            let reason = "the role may not see the server's own processes";
            return Err(NotRun(reason.to_owned()));
        }
        // Before 10 the process list leaves out workers that are in no database.
        if server.version()?.at_least(10) {
            let what =
                format!("pglogical is loaded on the {side}, but its supervisor does not run");
            emit.find(side, what).needs_restart();
        }
        Ok(())
    }),
    each("conf.pending_restart", |side, server, emit| {
        let waiting: Vec<&str> = server
            .settings
            .get()?
            .iter()
            .filter(|setting| setting.pending_restart == Some(true))
            .map(|setting| setting.name.as_str())
            .filter(|name| RESTART_MATTERS.contains(name))
            .collect();
        if !waiting.is_empty() {
            let waiting = waiting.join(", ");
            let what = format!("changed on the {side} and waiting for a restart: {waiting}");
            emit.find(side, what).object(waiting).needs_restart();
        }
        Ok(())
    }),
    each("conf.output_plugin_libraries", output_plugin_libraries),
];

/// The settings of which an unapplied change matters to a migration.
const RESTART_MATTERS: &[&str] = &[
    "wal_level",
    "shared_preload_libraries",
    "max_worker_processes",
    "max_replication_slots",
    "max_wal_senders",
    "max_connections",
    "max_active_replication_origins",
    "max_locks_per_transaction",
    "max_prepared_transactions",
    "track_commit_timestamp",
    "pglogical.use_spi",
    "pglogical.batch_inserts",
    "rds.logical_replication",
];

fn wal_level(side: Side, server: &ServerState, emit: &mut Emit<'_>) -> Ran {
    let Some(value) = server
        .value("wal_level")?
        .filter(|value| *value != "logical")
    else {
        return Ok(());
    };
    // From 19 on the server goes to logical by itself while there is a logical slot.
    if value == "replica" && server.version()?.at_least(19) {
        return Ok(());
    }
    let fix = match server.platform()? {
        // Each has a cutover of its own, and a check for it.
        aws if aws.is_aws() => parameter(aws, "rds.logical_replication", "1", true),
        google @ (Platform::CloudSql | Platform::AlloyDb) => {
            parameter(google, decoding_flag(google), "on", true)
        }
        other => parameter(other, "wal_level", "'logical'", true),
    };
    let what = format!("wal_level is {value} on the {side}");
    for_reverse(side, emit.find(side, what).fix(fix));
    Ok(())
}

/// Lowers what the target needs for reverse replication alone.
fn for_reverse(side: Side, draft: Draft<'_>) {
    if side == Side::Target {
        draft.severity(crate::Severity::Info).why(
            "The target needs it only for reverse replication: from the new server to the old one.",
        );
    }
}

fn decoding_flag(platform: Platform) -> &'static str {
    match platform {
        Platform::AlloyDb => "alloydb.logical_decoding",
        _ => "cloudsql.logical_decoding",
    }
}

/// The flag that loads pglogical, where the service takes no list of libraries.
fn pglogical_flag(platform: Platform) -> Option<&'static str> {
    match platform {
        Platform::CloudSql => Some("cloudsql.enable_pglogical"),
        Platform::AlloyDb => Some("alloydb.enable_pglogical"),
        _ => None,
    }
}

/// Whether the running server has loaded pglogical: by the list itself, or, where the role may
/// not see the list, by the settings that the library defines.
fn loaded(server: &ServerState) -> Result<bool, NotRun> {
    let setting = server.setting("shared_preload_libraries")?;
    let listed = setting.and_then(|setting| setting.value.as_deref());
    Ok(
        listed.is_some_and(|value| lists_library(value, "pglogical"))
            || server.setting("pglogical.conflict_resolution")?.is_some(),
    )
}

fn preloaded(side: Side, server: &ServerState, emit: &mut Emit<'_>) -> Ran {
    if loaded(server)? {
        return Ok(());
    }
    let setting = server.setting("shared_preload_libraries")?;
    let now = setting.and_then(|setting| setting.value.as_deref());
    let what = match (now, setting.and_then(|setting| setting.pending_restart)) {
        (_, Some(true)) => format!(
            "pglogical is not loaded on the {side}; shared_preload_libraries was changed and waits for a restart"
        ),
        (Some(""), _) => format!("shared_preload_libraries is empty on the {side}"),
        (Some(now), _) => {
            format!("pglogical is not in shared_preload_libraries on the {side}, which is {now}")
        }
        (None, _) => format!("pglogical is not loaded on the {side}"),
    };
    let platform = server.platform()?;
    let fix = match (pglogical_flag(platform), now) {
        (Some(flag), _) => parameter(platform, flag, "on", true),
        // Without the present value a remedy in SQL would throw other libraries out.
        (None, None) => Fix {
            text: "Add pglogical to shared_preload_libraries and restart.".to_owned(),
            sql: None,
            restart: true,
        },
        (None, Some(now)) => preload(platform, now, "pglogical"),
    };
    emit.find(side, what).fix(fix);
    Ok(())
}

fn output_plugin_libraries(side: Side, server: &ServerState, emit: &mut Emit<'_>) -> Ran {
    const NAME: &str = "output_plugin_libraries";
    const PLUGIN: &str = "pglogical_output";
    // Servers without the setting allow every plugin.
    let Some(value) = server.value(NAME)? else {
        return Ok(());
    };
    let plugins = list(value);
    if plugins.iter().any(|plugin| plugin == PLUGIN) {
        return Ok(());
    }
    // An element with a comma in it is a list that was quoted as one name.
    let mut plugins: Vec<String> = plugins.iter().flat_map(|plugin| list(plugin)).collect();
    if !plugins.iter().any(|plugin| plugin == PLUGIN) {
        plugins.push(PLUGIN.to_owned());
    }
    let fix = set_parameter(server, NAME, &plugins.join(", "))?;
    let what = format!("{NAME} is {value:?} on the {side}");
    let mut draft = emit.find(side, what).object(NAME).fix(fix);
    if side == Side::Source && value.contains(PLUGIN) {
        draft = draft.remedy(
            "The list was quoted as one string and so holds one wrong name: write it as a list, without quotes around the whole, and reload.",
        );
    }
    for_reverse(side, draft);
    Ok(())
}

#[cfg(test)]
pub(in crate::rules) use cases::CASES;

#[cfg(test)]
mod cases {
    use super::*;
    use crate::rules::testing::server::{on_target, set, source, unset};
    use crate::rules::testing::{Case, clean, fires, known, run, silent};
    use crate::{ServerVersion, Severity};

    fn marker(server: &mut ServerState, name: &str) {
        known(&mut server.identity).markers = vec![name.to_owned()];
    }

    pub(in crate::rules) const CASES: &[Case] = &[
        fires(
            "conf.wal_level",
            Severity::Block,
            "replica on the source",
            |f| {
                set(source(f), "wal_level", "replica");
            },
        ),
        fires(
            "conf.wal_level",
            Severity::Info,
            "replica on the target",
            |f| {
                set(on_target(f), "wal_level", "replica");
            },
        ),
        silent("conf.wal_level", "replica on 19", |f| {
            known(&mut source(f).identity).version = ServerVersion(190_000);
            set(source(f), "wal_level", "replica");
        }),
        fires("conf.rds_logical", Severity::Block, "off", |f| {
            marker(source(f), "rds");
            set(source(f), "rds.logical_replication", "off");
        }),
        silent("conf.rds_logical", "on", |f| {
            marker(source(f), "rds");
            set(source(f), "rds.logical_replication", "on");
        }),
        fires(
            "conf.cloudsql_flags",
            Severity::Block,
            "no pglogical",
            |f| {
                marker(on_target(f), "cloudsql");
                set(on_target(f), "cloudsql.enable_pglogical", "off");
            },
        ),
        silent("conf.cloudsql_flags", "decoding off on the target", |f| {
            marker(on_target(f), "cloudsql");
            set(on_target(f), "cloudsql.enable_pglogical", "on");
            set(on_target(f), "cloudsql.logical_decoding", "off");
        }),
        fires(
            "conf.azure_extensions",
            Severity::Block,
            "not listed",
            |f| {
                marker(source(f), "azure");
                set(source(f), "azure.extensions", "CITEXT,POSTGIS");
            },
        ),
        silent("conf.azure_extensions", "listed in upper case", |f| {
            marker(source(f), "azure");
            set(source(f), "azure.extensions", "CITEXT,PGLOGICAL");
        }),
        fires(
            "conf.preload",
            Severity::Block,
            "other libraries only",
            |f| {
                set(source(f), "shared_preload_libraries", "pg_stat_statements");
                unset(source(f), "pglogical.conflict_resolution");
            },
        ),
        silent("conf.preload", "list not readable, settings there", |f| {
            known(&mut source(f).settings)
                .iter_mut()
                .filter(|s| s.name == "shared_preload_libraries")
                .for_each(|s| s.value = None);
        }),
        silent("conf.preload", "a path", |f| {
            set(
                source(f),
                "shared_preload_libraries",
                "auto_explain, $libdir/pglogical.so",
            );
            unset(source(f), "pglogical.conflict_resolution");
        }),
        fires("conf.supervisor", Severity::Warn, "no supervisor", |f| {
            known(&mut on_target(f).backends).pglogical_supervisors = 0;
        }),
        silent("conf.supervisor", "not loaded is another finding", |f| {
            known(&mut on_target(f).backends).pglogical_supervisors = 0;
            set(on_target(f), "shared_preload_libraries", "");
            unset(on_target(f), "pglogical.conflict_resolution");
        }),
        fires(
            "conf.pending_restart",
            Severity::Warn,
            "max_wal_senders",
            |f| {
                known(&mut source(f).settings)
                    .iter_mut()
                    .filter(|s| s.name == "max_wal_senders")
                    .for_each(|s| s.pending_restart = Some(true));
            },
        ),
        silent("conf.pending_restart", "a setting of no matter", |f| {
            set(source(f), "huge_pages", "on");
            known(&mut source(f).settings)
                .iter_mut()
                .filter(|s| s.name == "huge_pages")
                .for_each(|s| s.pending_restart = Some(true));
        }),
        fires(
            "conf.output_plugin_libraries",
            Severity::Block,
            "default",
            |f| {
                set(
                    source(f),
                    "output_plugin_libraries",
                    "pgoutput, test_decoding",
                );
            },
        ),
        fires(
            "conf.output_plugin_libraries",
            Severity::Block,
            "quoted as one",
            |f| {
                let one = "\"pgoutput, test_decoding, pglogical_output\"";
                set(source(f), "output_plugin_libraries", one);
            },
        ),
        fires(
            "conf.output_plugin_libraries",
            Severity::Info,
            "on the target",
            |f| {
                set(
                    on_target(f),
                    "output_plugin_libraries",
                    "pgoutput, test_decoding",
                );
            },
        ),
    ];

    #[test]
    fn the_remedy_keeps_what_is_preloaded_already() {
        let mut facts = clean();
        set(
            source(&mut facts),
            "shared_preload_libraries",
            "pg_stat_statements",
        );
        unset(source(&mut facts), "pglogical.conflict_resolution");
        let (findings, _) = run("conf.preload", &facts);
        assert_eq!(
            findings[0].sql.as_deref(),
            Some("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements', 'pglogical';")
        );
        assert!(findings[0].restart);
    }

    #[test]
    fn each_platform_is_told_how_pglogical_is_loaded_there() {
        for (sign, remedy) in [
            (
                "rds",
                "Set shared_preload_libraries = pg_stat_statements, pglogical in the instance's DB parameter group, then reboot the instance.",
            ),
            (
                "aurora_version",
                "Set shared_preload_libraries = pg_stat_statements, pglogical in the DB cluster parameter group, then reboot the writer instance.",
            ),
            (
                "cloudsql",
                "Set the database flag cloudsql.enable_pglogical = on, then restart the instance.",
            ),
            (
                "alloydb",
                "Set the database flag alloydb.enable_pglogical = on, then restart the instance.",
            ),
            (
                "azure",
                "Set the server parameter shared_preload_libraries = rdsutils, pg_stat_statements, pglogical, then restart the server.",
            ),
        ] {
            let mut facts = clean();
            marker(source(&mut facts), sign);
            let now = "rdsutils,pg_stat_statements";
            set(source(&mut facts), "shared_preload_libraries", now);
            unset(source(&mut facts), "pglogical.conflict_resolution");
            let (findings, _) = run("conf.preload", &facts);
            assert_eq!(findings[0].remedy, remedy);
            assert_eq!(findings[0].sql, None);
        }
    }

    #[test]
    fn rds_is_told_about_the_parameter_group() {
        let mut facts = clean();
        marker(source(&mut facts), "rds");
        set(source(&mut facts), "wal_level", "replica");
        let (findings, _) = run("conf.wal_level", &facts);
        assert!(
            findings[0]
                .remedy
                .contains("rds.logical_replication = 1 in the instance's DB parameter group")
        );
        assert_eq!(findings[0].sql, None);
    }
}
