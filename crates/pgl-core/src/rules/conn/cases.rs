//! What each check of this family must make of one change to clean facts.

use super::*;
use crate::ServerVersion;
use crate::facts::link::Pooler;
use crate::rules::testing::server::{on_target, set, source};
use crate::rules::testing::{Case, fires, known, silent, target};

pub(in crate::rules) const CASES: &[Case] = &[
    fires(
        "conn.login",
        Severity::Block,
        "the target refused the login",
        |facts| {
            on_target(facts).identity = Section::Unknown("target: no such host".into());
        },
    ),
    fires(
        "conn.target_database",
        Severity::Warn,
        "still to be created",
        |f| {
            target(f).stood_in = true;
        },
    ),
    silent("conn.target_database", "it is there", |_| {}),
    silent("conn.login", "a cluster id that may not be read", |facts| {
        known(&mut on_target(facts).identity).system_identifier = None;
    }),
    fires(
        "conn.stored_password",
        Severity::Info,
        "in the string",
        |f| {
            f.link.stored_password = Some(true);
        },
    ),
    silent("conn.stored_password", "a passfile", |f| {
        f.link.stored_password = Some(false);
    }),
    fires("conn.server_to_server", Severity::Block, "refused", |f| {
        f.link.server_to_server = Section::Known(Reach::Failed {
            by: Probe::Dblink,
            message: "Connection refused".into(),
        });
    }),
    fires(
        "conn.server_to_server",
        Severity::Warn,
        "cannot be tried",
        |f| {
            f.link.server_to_server = Section::Known(Reach::NotProvable {
                reason: "no dblink".into(),
            });
        },
    ),
    fires(
        "conn.server_to_server",
        Severity::Warn,
        "dblink to 9.6",
        |f| {
            known(&mut source(f).identity).version = ServerVersion(90_624);
            f.link.server_to_server = Section::Known(Reach::Reached { by: Probe::Dblink });
        },
    ),
    silent("conn.server_to_server", "dblink to 13", |f| {
        f.link.server_to_server = Section::Known(Reach::Reached { by: Probe::Dblink });
    }),
    fires(
        "conn.replication_protocol",
        Severity::Block,
        "no pg_hba entry",
        |f| {
            f.link.replication_login = Section::Known(ReplicationLogin::Refused {
                sqlstate: Some("28000".into()),
                message: "no pg_hba.conf entry".into(),
            });
        },
    ),
    fires("conn.not_pooler", Severity::Block, "backends change", |f| {
        known(&mut f.link.source_pooler).backend_changes = true;
    }),
    fires("conn.not_pooler", Severity::Block, "settings lost", |f| {
        f.link.target_pooler = Section::Known(Pooler {
            backend_changes: false,
            settings_dropped: true,
        });
    }),
    fires(
        "conn.single_instance",
        Severity::Block,
        "one of three fails",
        |f| {
            known(&mut f.link.snapshot).imported = 2;
        },
    ),
    fires(
        "conn.distinct_clusters",
        Severity::Block,
        "same database",
        |f| {
            on_target(f).identity = source(f).identity.clone();
        },
    ),
    fires(
        "conn.distinct_clusters",
        Severity::Warn,
        "same cluster",
        |f| {
            on_target(f).identity = source(f).identity.clone();
            known(&mut on_target(f).identity).database = "shop2".into();
        },
    ),
    silent(
        "conn.distinct_clusters",
        "a promoted copy of the source",
        |f| {
            on_target(f).identity = source(f).identity.clone();
            known(&mut on_target(f).identity).started_at += 1_000.0;
        },
    ),
    fires("conn.swapped", Severity::Warn, "empty source", |f| {
        known(&mut source(f).volume).tables = 0;
        known(&mut on_target(f).volume).tables = 30;
    }),
    silent("conn.swapped", "both empty", |f| {
        known(&mut source(f).volume).tables = 0;
        known(&mut source(f).volume).database_bytes = 8 << 20;
    }),
    fires(
        "conn.not_standby",
        Severity::Block,
        "source in recovery",
        |f| {
            known(&mut source(f).identity).in_recovery = true;
        },
    ),
    fires(
        "conn.not_standby",
        Severity::Block,
        "target in recovery",
        |f| {
            known(&mut on_target(f).identity).in_recovery = true;
        },
    ),
    fires("conn.tls", Severity::Warn, "in the clear", |f| {
        known(&mut source(f).identity).tls = None;
    }),
    silent("conn.tls", "over a Unix socket", |f| {
        known(&mut source(f).identity).tls = None;
        known(&mut source(f).identity).remote = false;
    }),
    fires("conn.keepalive", Severity::Info, "timeout off", |f| {
        set(source(f), "wal_sender_timeout", "0");
    }),
    silent("conn.keepalive", "timeout off, keepalives on", |f| {
        set(source(f), "wal_sender_timeout", "0");
        set(source(f), "tcp_keepalives_idle", "60");
    }),
    fires("conn.clock_skew", Severity::Warn, "ten seconds", |f| {
        known(&mut f.link.clock).skew_seconds = -10.0;
    }),
    fires("conn.clock_skew", Severity::Info, "one second", |f| {
        known(&mut f.link.clock).skew_seconds = 1.0;
    }),
    silent("conn.clock_skew", "within the uncertainty", |f| {
        known(&mut f.link.clock).skew_seconds = 3.0;
        known(&mut f.link.clock).uncertainty_seconds = 3.0;
    }),
    fires("conn.client_tools", Severity::Warn, "none", |f| {
        known(&mut f.link.pg_dump).clear();
    }),
    fires(
        "conn.client_tools",
        Severity::Warn,
        "older than the source",
        |f| {
            known(&mut f.link.pg_dump)[0].major_num = 1_200;
        },
    ),
    fires(
        "conn.client_tools",
        Severity::Warn,
        "older than the target",
        |f| {
            known(&mut f.link.pg_dump)[0].major_num = 1_300;
        },
    ),
];

#[test]
fn a_missing_target_is_not_a_silent_yes() {
    let mut facts = crate::rules::testing::clean();
    facts.target = None;
    for id in [
        "conn.server_to_server",
        "conn.distinct_clusters",
        "conn.swapped",
    ] {
        let (_, ran) = crate::rules::testing::run(id, &facts);
        assert!(ran.is_err(), "{id}");
    }
}

#[test]
fn units_of_the_timeout_are_respected() {
    let mut facts = crate::rules::testing::clean();
    let settings = known(&mut source(&mut facts).settings);
    settings.retain(|s| s.name != "wal_sender_timeout");
    settings.push(Setting {
        name: "wal_sender_timeout".into(),
        value: None,
        ..Setting::default()
    });
    assert!(
        crate::rules::testing::run("conn.keepalive", &facts)
            .1
            .is_err()
    );
}
