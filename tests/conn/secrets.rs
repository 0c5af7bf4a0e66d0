//! A password must not appear in anything that can be printed.

use std::ffi::OsStr;

use pgl_conn::{
    Access, DsnText, Endpoint, Secret, Session, SessionOptions, Walsender, WalsenderOptions,
};
use pgl_core::Side;

use super::support::{Around, chained, dead_port, without_tls};
use crate::common::pki::chmod;

const CANARY: &str = "canary";

fn must_not_show(what: &str, shown: &str) {
    assert!(!shown.contains(CANARY), "{what}: {shown}");
    assert!(!shown.contains("nary"), "{what}: {shown}");
}

/// Everything that can be printed of an attempt.
fn try_all(around: &Around, dsn: &str) {
    let environment = around.environment();
    must_not_show(dsn, &format!("{environment:?}"));
    let endpoint = match Endpoint::resolve(Side::Source, Some(OsStr::new(dsn)), &environment) {
        Ok(endpoint) => endpoint,
        Err(error) => {
            must_not_show(dsn, &format!("{error} {error:?} {error:#?}"));
            return;
        }
    };
    must_not_show(
        dsn,
        &format!(
            "{endpoint} {endpoint:?} {endpoint:#?} {:?}",
            endpoint.warnings()
        ),
    );
    must_not_show(
        dsn,
        &format!("{:?} {:?}", endpoint.original_text(), endpoint.hosts()),
    );
    must_not_show(dsn, &format!("{:?}", endpoint.client_conninfo()));
    match Session::connect(&endpoint, &SessionOptions::new("test", Access::ReadOnly)) {
        Ok(session) => {
            must_not_show(
                dsn,
                &format!(
                    "{session:?} {:?} {:?}",
                    session.endpoint(),
                    session.cancel_handle()
                ),
            );
        }
        Err(error) => must_not_show(dsn, &format!("{error} {error:?}")),
    }
    match Walsender::connect(&endpoint, &WalsenderOptions::new("test")) {
        Ok(walsender) => must_not_show(dsn, &format!("{walsender:?}")),
        Err(error) => must_not_show(dsn, &format!("{error} {error:?}")),
    }
}

#[test]
fn nowhere() {
    let (port, dead) = (chained().port(), dead_port());
    let around = Around::nothing();
    for dsn in [
        format!("host=127.0.0.1 port={port} user=scram password=canary"),
        format!("host=127.0.0.1 port={port} user=md5er password=canary"),
        format!("host=127.0.0.1 port={port} user=clear password=canary"),
        format!("host=127.0.0.1 port={port} user=truster password=canary"),
        format!("host=127.0.0.1 port={port} user=truster sslcert=/x sslkey=/y sslpassword=canary"),
        format!("host=127.0.0.1 port={dead} password=canary"),
        format!("postgresql://scram:canary@127.0.0.1:{port}/postgres"),
        format!("postgresql://scram:canary@127.0.0.1:{port}/missing?sslmode=verify-full"),
        format!("postgresql://127.0.0.1:{port}/postgres?user=scram&password=canary"),
        // Written wrongly, so that parts of the password end up where they do not belong.
        "password=a canary".into(),
        "password=a canary=b".into(),
        "password='canary".into(),
        "password=canary port=x".into(),
        "password=canary nonsense=1".into(),
        "postgresql://u:can@canary@h/db".into(),
        "postgresql://u:canary/x@h/db".into(),
        "postgresql://u:can%canary@h/db".into(),
        "postgresql://h/db?password=x&canary=1".into(),
        "postgresql://h/db?password=x=canary".into(),
        "scram_client_key=canary".into(),
        "oauth_client_secret=canary".into(),
    ] {
        try_all(&around, &dsn);
    }
    try_all(
        &around
            .clone()
            .var("PGPASSWORD", CANARY)
            .var("PGL_TARGET", "password=canary"),
        &format!("host=127.0.0.1 port={port} user=scram"),
    );
    let home = tempfile::tempdir().expect("a home");
    let file = home.path().join(".pgpass");
    std::fs::write(&file, "*:*:*:*:canary\n").expect("written");
    chmod(&file, 0o600).expect("mode");
    try_all(
        &around.clone().home(home.path()),
        &format!("host=127.0.0.1 port={port} user=scram"),
    );
    let services = home.path().join(".pg_service.conf");
    std::fs::write(&services, format!("[s]\nhost=127.0.0.1\nport={port}\nuser=scram\npassword=canary\n[odd]\npassword=x\ncanary\n"))
        .expect("written");
    std::fs::remove_file(&file).expect("removed");
    try_all(&around.clone().home(home.path()), "service=s");
    try_all(&around.home(home.path()), "service=odd");
    must_not_show("secret", &format!("{:?}", Secret::new(CANARY)));
}

#[test]
fn the_password_still_works_where_it_should() {
    // The same attempt with the right server: what is hidden from people is not lost.
    let dsn = without_tls().dsn("postgres");
    assert!(
        Around::nothing()
            .session(&format!("{dsn} password=canary"))
            .is_ok()
    );
}

#[test]
fn what_pglogical_repeats_is_cut_off() {
    let cluster = chained();
    cluster.createdb("repeats").expect("made");
    let dsn = cluster.dsn("repeats");
    cluster
        .sql(
            "repeats",
            &format!(
                "CREATE EXTENSION pglogical; SELECT pglogical.create_node('n', '{}')",
                dsn.replace('\'', "''")
            ),
        )
        .expect("made");
    let environment = Around::nothing().environment();
    let endpoint = Endpoint::resolve(Side::Target, Some(OsStr::new(&dsn)), &environment);
    let mut session = Session::connect(
        &endpoint.expect("resolved"),
        &SessionOptions::new("test", Access::ReadWrite),
    )
    .expect("connected");
    let dead = dead_port();
    for provider in [
        format!("host=127.0.0.1 port={dead} password=canary"),
        format!("host=127.0.0.1 password='canary' port={dead}"),
        format!("postgresql://u:canary@127.0.0.1:{dead}/db"),
    ] {
        let provider = DsnText::new(provider);
        let error = session
            .query(
                "SELECT pglogical.create_subscription('s', $1)",
                &[&provider],
            )
            .expect_err("nobody is there");
        let shown = format!("{error} {error:?}");
        must_not_show("pglogical", &shown);
        assert!(shown.contains("dsn was: [redacted]"), "{shown}");
    }
    // Without one, it says where it tried to go.
    let provider = DsnText::new(format!("host=127.0.0.1 port={dead}"));
    let error = session
        .query(
            "SELECT pglogical.create_subscription('s', $1)",
            &[&provider],
        )
        .expect_err("nobody is there");
    assert!(error.to_string().contains(&dead.to_string()), "{error}");
    // Notices are messages as well.
    session
        .batch("DO $$ BEGIN RAISE WARNING 'x' USING DETAIL = 'password=canary'; END $$")
        .expect("done");
    must_not_show("notices", &format!("{:?}", session.notices()));
}
