//! Replication connections: login in every way, slots with snapshots, cancelling.

use std::ffi::OsStr;
use std::time::Duration;

use pgl_conn::{
    Access, Endpoint, Error, Kind, Session, SessionOptions, SlotLifetime, Walsender,
    WalsenderOptions,
};
use pgl_core::Side;
use pgl_testkit::{Cluster, ClusterOptions, MAJORS};

use super::support::{Around, PASSWORD, chained, dead_port, newest, quoted};
use crate::common::pki::Pki;

fn endpoint(dsn: &str) -> Result<Endpoint, Error> {
    Endpoint::resolve(
        Side::Source,
        Some(OsStr::new(dsn)),
        &Around::nothing().environment(),
    )
}

fn connect(dsn: &str) -> Result<Walsender, Error> {
    Walsender::connect(&endpoint(dsn)?, &WalsenderOptions::new("test"))
}

#[test]
fn every_login() {
    let port = chained().port();
    let (pki, pw) = (Pki::get(), quoted(PASSWORD));
    let here = format!("host=127.0.0.1 port={port} dbname=postgres");
    let dead = dead_port();
    let socket = chained().socket_dir().expect("short");
    for (dsn, tls) in [
        (format!("{here} user=truster"), true),
        (format!("{here} user=truster sslmode=disable"), false),
        (format!("{here} user=scram password={pw}"), true),
        (
            format!("{here} user=scram sslmode=disable password={pw}"),
            false,
        ),
        (
            format!("{here} user=scram channel_binding=require password={pw}"),
            true,
        ),
        (
            format!("{here} user=scram channel_binding=disable password={pw}"),
            true,
        ),
        (format!("{here} user=md5er password={pw}"), true),
        (format!("{here} user=clear password={pw}"), true),
        (
            format!("{here} user=tlsonly sslmode=allow password={pw}"),
            true,
        ),
        (format!("{here} user=plainonly password={pw}"), false),
        (
            format!(
                "{here} user=certy sslmode=require sslcert={} sslkey={}",
                pki.path("certy.crt"),
                pki.path("certy.key")
            ),
            true,
        ),
        (
            format!(
                "host=localhost hostaddr=127.0.0.1 port={port} dbname=postgres user=truster sslmode=verify-full sslrootcert={}",
                pki.path("ca.crt")
            ),
            true,
        ),
        (
            format!(
                "host={} port={port} dbname=postgres user=truster",
                socket.display()
            ),
            false,
        ),
        (
            format!(
                "host=127.0.0.1,127.0.0.1 port={dead},{port} dbname=postgres user=postgres target_session_attrs=primary"
            ),
            true,
        ),
    ] {
        let mut walsender = connect(&dsn).unwrap_or_else(|error| panic!("{dsn}: {error}"));
        assert_eq!(walsender.is_tls(), tls, "{dsn}");
        let identity = walsender.identify_system().expect("identified");
        let told = chained()
            .value(
                "postgres",
                "SELECT system_identifier FROM pg_control_system()",
            )
            .expect("told");
        assert_eq!(identity.system_identifier, told);
        assert_eq!(identity.dbname.as_deref(), Some("postgres"));
        assert!(identity.position > pgl_core::Lsn(0));
    }
    for (dsn, kind) in [
        (format!("{here} user=scram password=wrong"), Kind::Auth),
        (format!("{here} user=scram"), Kind::Auth),
        (format!("{here} user=md5er password=wrong"), Kind::Auth),
        (format!("{here} user=certy"), Kind::Auth),
        (
            format!("{here} user=truster channel_binding=require"),
            Kind::Auth,
        ),
        (format!("{here} user=gssy"), Kind::Unsupported),
        (
            format!(
                "host=elsewhere hostaddr=127.0.0.1 port={port} user=truster sslmode=verify-full sslrootcert={}",
                pki.path("ca.crt")
            ),
            Kind::Tls,
        ),
        (format!("host=127.0.0.1 port={dead}"), Kind::Unreachable),
    ] {
        let error = connect(&dsn).expect_err(&dsn);
        assert_eq!(error.kind, kind, "{dsn}: {error}");
        // The driver and our own client say the same.
        let session = Around::nothing().session(&dsn).expect_err(&dsn);
        assert_eq!(session.kind, kind, "{dsn}: {session}");
    }
    let direct = format!(
        "host=localhost hostaddr=127.0.0.1 port={} dbname=postgres user=scram sslmode=require sslnegotiation=direct channel_binding=require password={pw}",
        newest().port()
    );
    assert!(connect(&direct).expect("direct TLS").is_tls());
}

#[test]
fn a_slot_and_its_snapshot_on_every_major() {
    for major in MAJORS {
        let cluster = Cluster::start(major, ClusterOptions::new()).expect("a cluster");
        // Timeouts that would end a holder that sits still.
        cluster
            .sql(
                "postgres",
                "CREATE TABLE t AS SELECT 1 AS a; ALTER ROLE postgres SET idle_in_transaction_session_timeout = 300",
            )
            .expect("made");
        if major >= 17 {
            cluster
                .sql(
                    "postgres",
                    "ALTER ROLE postgres SET transaction_timeout = 400",
                )
                .expect("set");
        }
        let dsn = cluster.dsn("postgres");
        let walsender = connect(&dsn).expect("connected");
        assert_eq!(walsender.version().major(), cluster.major().to_string());
        let mut slot = walsender
            .create_logical_slot("pgl_test", "pglogical_output", SlotLifetime::Permanent)
            .expect("created");
        cluster
            .sql("postgres", "INSERT INTO t VALUES (2)")
            .expect("inserted");
        std::thread::sleep(Duration::from_millis(700));
        slot.check().expect("still held");
        let told = cluster
            .value(
                "postgres",
                "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 'pgl_test'",
            )
            .expect("a slot");
        // 19 writes zeros in front.
        assert_eq!(told.parse(), Ok(slot.consistent_point()));
        let mut session = Session::connect(
            &endpoint(&dsn).expect("resolved"),
            &SessionOptions::new("test", Access::ReadOnly),
        )
        .expect("connected");
        session.import_snapshot(slot.snapshot()).expect("imported");
        let count: i64 = session
            .query_one("SELECT count(*) FROM public.t", &[])
            .expect("counted")
            .get(0);
        assert_eq!(count, 1, "the row came after the slot");
        session.commit().expect("committed");
        // The holder is ended: that is noticed without speaking on the connection.
        cluster
            .sql(
                "postgres",
                &format!("SELECT pg_terminate_backend({})", slot.backend_pid()),
            )
            .expect("terminated");
        cluster
            .wait_until(
                "postgres",
                "SELECT NOT active FROM pg_replication_slots",
                Duration::from_secs(10),
            )
            .expect("ended");
        std::thread::sleep(Duration::from_millis(50));
        let error = slot.check().expect_err("ended");
        assert!(error.is_lost(), "{error:?}");
        assert!(session.import_snapshot(slot.snapshot()).is_err());
    }
}

#[test]
fn a_temporary_slot_goes_with_its_connection() {
    let cluster = chained();
    let slot = connect(&cluster.dsn("postgres"))
        .expect("connected")
        .create_logical_slot("pgl_temporary", "pglogical_output", SlotLifetime::Temporary)
        .expect("created");
    let count = "SELECT count(*) = 0 FROM pg_replication_slots WHERE slot_name = 'pgl_temporary'";
    assert_eq!(cluster.value("postgres", count).expect("counted"), "f");
    assert_eq!(slot.slot(), "pgl_temporary");
    drop(slot);
    cluster
        .wait_until("postgres", count, Duration::from_secs(10))
        .expect("gone");
}

#[test]
fn what_the_server_refuses() {
    let dsn = chained().dsn("postgres");
    let refused = |name: &str, plugin: &str| {
        connect(&dsn)
            .expect("connected")
            .create_logical_slot(name, plugin, SlotLifetime::Temporary)
            .expect_err("refused")
    };
    assert_eq!(
        refused("Bad Name", "pglogical_output").sqlstate.as_deref(),
        Some("42602")
    );
    assert!(
        refused("pgl_x", "no_such_plugin")
            .to_string()
            .contains("no_such_plugin")
    );
    let odd = WalsenderOptions::new("test").set("nonsense", "1");
    let error =
        Walsender::connect(&endpoint(&dsn).expect("resolved"), &odd).expect_err("unknown setting");
    assert_eq!(error.sqlstate.as_deref(), Some("42704"));
    // A server that does not allow the plugin takes it from the start-up packet of a superuser.
    let cluster = Cluster::start(15, ClusterOptions::new().unset("output_plugin_libraries"))
        .expect("a cluster");
    let known = cluster
        .value(
            "postgres",
            "SELECT count(*) FROM pg_settings WHERE name = 'output_plugin_libraries'",
        )
        .expect("counted");
    if known == "1" {
        let endpoint = endpoint(&cluster.dsn("postgres")).expect("resolved");
        let create = |options: &WalsenderOptions| {
            Walsender::connect(&endpoint, options)
                .expect("connected")
                .create_logical_slot("pgl_y", "pglogical_output", SlotLifetime::Temporary)
        };
        assert!(create(&WalsenderOptions::new("test")).is_err());
        let allowed = WalsenderOptions::new("test").set(
            "output_plugin_libraries",
            "pgoutput, test_decoding, pglogical_output",
        );
        create(&allowed).expect("allowed");
    }
}

#[test]
fn creating_a_slot_can_be_cancelled() {
    // It waits for every open transaction.
    let cluster = chained();
    let mut open = cluster.client("postgres").expect("a session");
    open.batch_execute("BEGIN; CREATE TABLE never_committed ()")
        .expect("begun");
    for dsn in [
        cluster.dsn("postgres"),
        format!("{} sslmode=disable", cluster.dsn("postgres")),
    ] {
        let walsender = connect(&dsn).expect("connected");
        let handle = walsender.cancel_handle();
        let canceller = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            handle.cancel()
        });
        let error = walsender
            .create_logical_slot("pgl_never", "pglogical_output", SlotLifetime::Permanent)
            .expect_err("cancelled");
        canceller.join().expect("joined").expect("delivered");
        assert_eq!(error.kind, Kind::Cancelled, "{error}");
    }
    open.batch_execute("ROLLBACK").expect("rolled back");
    let left = "SELECT count(*) = 0 FROM pg_replication_slots WHERE slot_name = 'pgl_never'";
    cluster
        .wait_until("postgres", left, Duration::from_secs(10))
        .expect("nothing is left");
}
