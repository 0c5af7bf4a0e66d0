//! The server-wide half of the clean facts.

use crate::ServerVersion;
use crate::facts::link::{
    ClientTool, Clock, Link, Pooler, Probe, Reach, ReplicationLogin, SlotNames, SnapshotImport,
};
use crate::facts::server::Override;
use crate::facts::server::{
    AvailableExtension, Backends, DatabaseInfo, Extension, Identity, Referenced, Rights, Role,
    ServerState, Setting, Volume, WriteRate,
};
use crate::facts::{Facts, Section};

use super::{known, nothing_unknown, target};

/// Changes a setting of a server, or adds it.
pub(crate) fn set(server: &mut ServerState, name: &str, value: &str) {
    let settings = known(&mut server.settings);
    match settings.iter_mut().find(|setting| setting.name == name) {
        Some(setting) => setting.value = Some(value.to_owned()),
        None => settings.push(setting(name, value, "", "user")),
    }
}

/// Takes a setting away, as on a server that does not have it.
pub(crate) fn unset(server: &mut ServerState, name: &str) {
    known(&mut server.settings).retain(|setting| setting.name != name);
}

/// The server-wide state of the source.
pub(crate) fn source(facts: &mut Facts) -> &mut ServerState {
    &mut facts.source.server
}

/// The server-wide state of the target.
pub(crate) fn on_target(facts: &mut Facts) -> &mut ServerState {
    &mut target(facts).server
}

/// `ALTER ROLE … SET` or `ALTER DATABASE … SET`.
pub(crate) fn override_setting(
    server: &mut ServerState,
    database: Option<&str>,
    role: Option<&str>,
    name: &str,
    value: &str,
) {
    known(&mut server.overrides).push(Override {
        database: database.map(str::to_owned),
        role: role.map(str::to_owned),
        name: name.to_owned(),
        value: Some(value.to_owned()),
    });
}

/// The role that the clean servers are connected as, as an unprivileged one.
pub(crate) fn demote(server: &mut ServerState) {
    let roles = known(&mut server.roles);
    for role in roles.iter_mut().filter(|role| role.name == "migrator") {
        role.superuser = false;
        role.replication = false;
        role.bypass_rls = false;
        role.member_of.clear();
    }
}

/// A version of pglogical, installed and available.
pub(crate) fn pglogical(server: &mut ServerState, version: &str) {
    known(&mut server.available)
        .iter_mut()
        .filter(|ext| ext.name == "pglogical")
        .for_each(|ext| ext.default_version = Some(version.to_owned()));
}

fn setting(name: &str, value: &str, unit: &str, context: &str) -> Setting {
    Setting {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        unit: Some(unit.to_owned()).filter(|unit| !unit.is_empty()),
        context: context.to_owned(),
        pending_restart: Some(false),
    }
}

/// Settings of a clean server: (name, value, unit, context).
const SETTINGS: &[(&str, &str, &str, &str)] = &[
    ("DateStyle", "ISO, MDY", "", "user"),
    ("IntervalStyle", "postgres", "", "user"),
    ("TimeZone", "Etc/UTC", "", "user"),
    ("array_nulls", "on", "", "user"),
    ("bytea_output", "hex", "", "user"),
    (
        "default_text_search_config",
        "pg_catalog.english",
        "",
        "user",
    ),
    (
        "default_transaction_isolation",
        "read committed",
        "",
        "user",
    ),
    ("default_transaction_read_only", "off", "", "user"),
    ("extra_float_digits", "1", "", "user"),
    ("fsync", "on", "", "sighup"),
    ("idle_in_transaction_session_timeout", "0", "ms", "user"),
    ("lc_monetary", "C.UTF-8", "", "user"),
    ("lock_timeout", "0", "ms", "user"),
    ("log_min_duration_statement", "-1", "ms", "superuser"),
    ("log_statement", "none", "", "superuser"),
    ("logical_decoding_work_mem", "65536", "kB", "user"),
    ("max_connections", "100", "", "postmaster"),
    ("max_locks_per_transaction", "64", "", "postmaster"),
    ("max_parallel_workers", "8", "", "user"),
    ("max_prepared_transactions", "0", "", "postmaster"),
    ("max_replication_slots", "20", "", "postmaster"),
    ("max_slot_wal_keep_size", "-1", "MB", "sighup"),
    ("max_wal_senders", "20", "", "postmaster"),
    ("max_worker_processes", "20", "", "postmaster"),
    ("old_snapshot_threshold", "-1", "min", "postmaster"),
    ("password_encryption", "scram-sha-256", "", "user"),
    ("pglogical.batch_inserts", "on", "", "postmaster"),
    ("pglogical.conflict_log_level", "log", "", "superuser"),
    (
        "pglogical.conflict_resolution",
        "apply_remote",
        "",
        "superuser",
    ),
    ("pglogical.use_spi", "off", "", "postmaster"),
    ("search_path", "\"$user\", public", "", "user"),
    ("session_replication_role", "origin", "", "superuser"),
    ("shared_preload_libraries", "pglogical", "", "postmaster"),
    ("standard_conforming_strings", "on", "", "user"),
    ("statement_timeout", "0", "ms", "user"),
    ("superuser_reserved_connections", "3", "", "postmaster"),
    ("synchronous_standby_names", "", "", "sighup"),
    ("tcp_keepalives_idle", "7200", "s", "user"),
    ("track_commit_timestamp", "on", "", "postmaster"),
    ("wal_level", "logical", "", "postmaster"),
    ("wal_sender_timeout", "60000", "ms", "user"),
    ("xmlbinary", "base64", "", "user"),
    ("xmloption", "content", "", "user"),
];

fn clean_server(version: u32, text: &str, identifier: &str, pglogical: &str) -> ServerState {
    let roles = vec![
        Role {
            name: "postgres".to_owned(),
            login: true,
            superuser: true,
            replication: true,
            bypass_rls: true,
            connection_limit: -1,
            ..Role::default()
        },
        Role {
            name: "migrator".to_owned(),
            login: true,
            superuser: true,
            replication: true,
            bypass_rls: true,
            connection_limit: -1,
            ..Role::default()
        },
        Role {
            name: "app".to_owned(),
            login: true,
            connection_limit: -1,
            ..Role::default()
        },
    ];
    ServerState {
        identity: Section::Known(Identity {
            version: ServerVersion(version),
            version_text: format!("PostgreSQL {text} on x86_64-pc-linux-gnu"),
            system_identifier: Some(identifier.to_owned()),
            database: "shop".to_owned(),
            user: "migrator".to_owned(),
            in_recovery: false,
            remote: true,
            tls: Some("TLSv1.3".to_owned()),
            started_at: 1_700_000_000.0,
            markers: Vec::new(),
        }),
        settings: Section::Known(
            SETTINGS
                .iter()
                .map(|(name, value, unit, context)| setting(name, value, unit, context))
                .collect(),
        ),
        roles: Section::Known(roles),
        rights: Section::Known(Rights {
            create_on_database: true,
            pglogical_usage: None,
            set_replication_role: true,
            grant_pglogical_usage: Some(true),
            lacking: Some(Vec::new()),
        }),
        referenced_roles: Section::Known(vec![Referenced {
            role: "app".to_owned(),
            superuser: false,
            owned: 12,
            granted: 0,
        }]),
        backends: Section::Known(Backends {
            clients: 4,
            workers: 2,
            pglogical_supervisors: 1,
            hidden: 0,
        }),
        pglogical: Section::Known(None),
        extensions: Section::Known(vec![Extension {
            name: "plpgsql".to_owned(),
            version: "1.0".to_owned(),
            schema: "pg_catalog".to_owned(),
        }]),
        available: Section::Known(
            [
                ("plpgsql", "1.0"),
                ("pglogical", pglogical),
                ("citext", "1.6"),
            ]
            .iter()
            .map(|(name, version)| AvailableExtension {
                name: (*name).to_owned(),
                default_version: Some((*version).to_owned()),
            })
            .collect(),
        ),
        databases: Section::Known(vec![DatabaseInfo {
            name: "shop".to_owned(),
            template: false,
            allow_connections: true,
            connection_limit: -1,
            encoding: "UTF8".to_owned(),
            collate: "C.UTF-8".to_owned(),
            ctype: "C.UTF-8".to_owned(),
            provider: "c".to_owned(),
            locale: None,
            collation_version: None,
            actual_version: None,
            xid_age: 1_000_000,
            multixact_age: Some(1_000),
        }]),
        catalog_collations: Section::Known(vec!["C".to_owned(), "de-x-icu".to_owned()]),
        order_probe: Section::Known(vec!["1-1".to_owned(), "11".to_owned(), "a".to_owned()]),
        volume: Section::Known(Volume {
            database_bytes: 5 << 30,
            tables: 40,
            indexes: 60,
            sequences: 20,
        }),
        write_rate: Section::Known(WriteRate {
            rows_changed: 1_000_000,
            seconds: 100_000.0,
            wal_bytes: 1 << 30,
            wal_seconds: 100_000.0,
        }),
        ..nothing_unknown()
    }
}

pub(super) fn clean_source() -> ServerState {
    clean_server(130_016, "13.16", "7000000000000000001", "2.4.8")
}

pub(super) fn clean_target() -> ServerState {
    let mut server = clean_server(170_011, "17.11", "7000000000000000002", "2.4.8");
    known(&mut server.settings).extend([
        setting(
            "output_plugin_libraries",
            "pgoutput, test_decoding, pglogical_output",
            "",
            "superuser",
        ),
        setting("idle_session_timeout", "0", "ms", "user"),
        setting("transaction_timeout", "0", "ms", "user"),
    ]);
    unset(&mut server, "old_snapshot_threshold");
    known(&mut server.volume).database_bytes = 8 << 20;
    known(&mut server.volume).tables = 0;
    server
}

pub(super) fn clean_link() -> Link {
    Link {
        server_to_server: Section::Known(Reach::Reached {
            by: Probe::RolledBackSubscription,
        }),
        replication_login: Section::Known(ReplicationLogin::Ok),
        stored_password: Some(false),
        source_pooler: Section::Known(Pooler::default()),
        target_pooler: Section::Known(Pooler::default()),
        snapshot: Section::Known(SnapshotImport {
            tried: 3,
            imported: 3,
            message: None,
        }),
        clock: Section::Known(Clock {
            skew_seconds: 0.02,
            uncertainty_seconds: 0.01,
        }),
        pg_dump: Section::Known(vec![ClientTool {
            version: "17.11".to_owned(),
            major_num: 1_700,
        }]),
        provider_role: None,
        // As pglogical names them: databases shop, nodes pgl_source_shop and pgl_target_shop.
        slot_names: Section::Known(SlotNames {
            forward: "pgl_shop_pgl_source_shop_pgl_shop".to_owned(),
            reverse: "pgl_shop_pgl_target_shop_pgl_shop_back".to_owned(),
        }),
    }
}

#[test]
fn every_setting_of_the_baseline_is_collected() {
    use crate::facts::server::WATCHED;
    for (name, ..) in SETTINGS {
        assert!(WATCHED.contains(name), "{name}");
    }
    assert!(WATCHED.windows(2).all(|pair| pair[0] < pair[1]), "sorted");
}
