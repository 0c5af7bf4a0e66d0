//! TLS: every mode against every certificate, as psql sees it.

use super::support::{
    Around, Class, Outcome, PASSWORD, chained, encoded, newest, plain_v1, quoted, self_signed,
    without_tls,
};
use crate::common::pki::Pki;

/// The same mode and root against one server: does it land?
fn try_mode(port: u16, host: &str, mode: &str, root: Option<&str>, more: &str) -> Outcome {
    let root = root.map_or(String::new(), |root| format!("sslrootcert={root}"));
    Around::nothing().both(&format!(
        "host={host} hostaddr=127.0.0.1 port={port} user=postgres sslmode={mode} {root} {more}"
    ))
}

fn tls_used(outcome: &Outcome) -> Option<bool> {
    match outcome {
        Outcome::Landed { tls, .. } => Some(*tls),
        Outcome::Failed(class) => {
            assert_eq!(*class, Class::Tls);
            None
        }
    }
}

#[test]
fn certificates() {
    let pki = Pki::get();
    let (ca, other, own) = (
        pki.path("ca.crt"),
        pki.path("other-ca.crt"),
        pki.path("self.crt"),
    );
    let (chained, v1, own_cluster) = (chained().port(), plain_v1().port(), self_signed().port());
    let yes = Some(true);
    let cases: &[(u16, &str, &str, &str, Option<bool>)] = &[
        (chained, "localhost", "require", &ca, yes),
        (chained, "localhost", "verify-ca", &ca, yes),
        (chained, "localhost", "verify-full", &ca, yes),
        (chained, "LOCALHOST", "verify-full", &ca, yes),
        (chained, "one.db.example", "verify-full", &ca, yes),
        (chained, "one.two.db.example", "verify-full", &ca, None),
        (chained, "unused", "verify-full", &ca, None),
        (chained, "elsewhere", "verify-ca", &ca, yes),
        (chained, "elsewhere", "verify-full", &ca, None),
        (chained, "127.0.0.1", "verify-full", &ca, None),
        // A root certificate turns "require" into "verify-ca".
        (chained, "localhost", "require", &other, None),
        (chained, "localhost", "verify-ca", &other, None),
        (chained, "localhost", "verify-full", &own, None),
        // "prefer" falls back to plain text when the certificate is not accepted.
        (chained, "localhost", "prefer", &other, Some(false)),
        (chained, "localhost", "prefer", &ca, yes),
        (chained, "localhost", "disable", &other, Some(false)),
        (v1, "localhost", "require", &ca, yes),
        (v1, "localhost", "verify-ca", &ca, yes),
        (v1, "localhost", "verify-full", &ca, yes),
        (v1, "elsewhere", "verify-full", &ca, None),
        (own_cluster, "localhost", "verify-ca", &own, yes),
        (own_cluster, "localhost", "verify-full", &own, yes),
        (own_cluster, "elsewhere", "verify-full", &own, None),
        (own_cluster, "localhost", "verify-ca", &ca, None),
    ];
    for (port, host, mode, root, expected) in cases {
        let outcome = try_mode(*port, host, mode, Some(root), "");
        assert_eq!(tls_used(&outcome), *expected, "{host} {mode} {root}");
    }
    assert_eq!(
        tls_used(&try_mode(chained, "localhost", "require", None, "")),
        yes
    );
    assert_eq!(
        tls_used(&try_mode(
            chained,
            "localhost",
            "require",
            Some("/nowhere"),
            ""
        )),
        yes
    );
}

#[test]
fn the_message_says_for_whom_the_certificate_is() {
    let ca = Pki::get().path("ca.crt");
    let around = Around::nothing();
    let port = chained().port();
    let dsn = format!(
        "host=elsewhere hostaddr=127.0.0.1 port={port} user=postgres sslmode=verify-full sslrootcert={ca}"
    );
    let error = around.session(&dsn).expect_err("wrong host").to_string();
    assert!(
        error.contains("is for \"localhost\", \"*.db.example\", not for \"elsewhere\""),
        "{error}"
    );
    let other = Pki::get().path("other-ca.crt");
    let dsn = format!(
        "host=localhost hostaddr=127.0.0.1 port={port} user=postgres sslmode=verify-ca sslrootcert={other}"
    );
    let error = around
        .session(&dsn)
        .expect_err("wrong authority")
        .to_string();
    assert!(
        error.contains("not accepted: unable to get local issuer certificate"),
        "{error}"
    );
    let dsn = format!(
        "hostaddr=127.0.0.1 port={port} user=postgres sslmode=verify-full sslrootcert={ca}"
    );
    assert_eq!(
        around.both(&dsn),
        Outcome::Failed(Class::Tls),
        "no name to check"
    );
}

#[test]
fn revocation_lists() {
    let pki = Pki::get();
    let (ca, clean, revoked) = (
        pki.path("ca.crt"),
        pki.path("clean.crl"),
        pki.path("revoked.crl"),
    );
    let port = plain_v1().port();
    for (crl, accepted) in [(&clean, Some(true)), (&revoked, None)] {
        let outcome = try_mode(
            port,
            "localhost",
            "verify-full",
            Some(&ca),
            &format!("sslcrl={crl}"),
        );
        assert_eq!(tls_used(&outcome), accepted, "{crl}");
    }
    // From the home directory, together with the authority.
    let home = tempfile::tempdir().expect("a home");
    let dir = home.path().join(".postgresql");
    std::fs::create_dir(&dir).expect("made");
    std::fs::copy(&ca, dir.join("root.crt")).expect("copied");
    let around = Around::nothing().home(home.path());
    let dsn =
        format!("host=localhost hostaddr=127.0.0.1 port={port} user=postgres sslmode=verify-full");
    assert_eq!(tls_used(&around.both(&dsn)), Some(true));
    std::fs::copy(&revoked, dir.join("root.crl")).expect("copied");
    assert_eq!(tls_used(&around.both(&dsn)), None);
    let variable = Around::nothing()
        .var("PGSSLMODE", "verify-full")
        .var("PGSSLROOTCERT", &ca)
        .var("PGSSLCRL", &revoked);
    let dsn = format!("host=localhost hostaddr=127.0.0.1 port={port} user=postgres");
    assert_eq!(tls_used(&variable.both(&dsn)), None);
}

#[test]
fn client_certificates() {
    let pki = Pki::get();
    let around = Around::nothing();
    let port = chained().port();
    let dsn = |cert: &str, key: &str, more: &str| {
        format!(
            "host=127.0.0.1 port={port} user=certy dbname=postgres sslmode=require sslcert={} sslkey={} {more}",
            pki.path(cert),
            pki.path(key)
        )
    };
    let landed = around.both(&dsn("certy.crt", "certy.key", ""));
    assert_eq!(tls_used(&landed), Some(true));
    let landed = around.both(&dsn(
        "certy.crt",
        "certy-locked.key",
        "sslpassword=canary-phrase",
    ));
    assert_eq!(tls_used(&landed), Some(true));
    for wrong in [
        dsn("certy.crt", "certy-locked.key", "sslpassword=wrong"),
        dsn("certy.crt", "certy-locked.key", ""),
        dsn("certy.crt", "certy-open.key", ""),
        dsn("certy.crt", "server.key", ""),
        dsn("certy.crt", "missing.key", ""),
    ] {
        assert!(matches!(around.psql(&wrong), Outcome::Failed(_)), "{wrong}");
        assert_eq!(around.ours(&wrong), Outcome::Failed(Class::Tls), "{wrong}");
    }
    // A certificate for somebody else.
    let other = dsn("certy.crt", "certy.key", "").replace("user=certy", "user=scram");
    assert_eq!(around.both(&other), Outcome::Failed(Class::Auth));
    // One that the server does not accept; it says so only after the handshake.
    let unknown = dsn("stranger.crt", "stranger.key", "");
    assert_eq!(around.both(&unknown), Outcome::Failed(Class::Tls));
    let fallback = unknown
        .replace("sslmode=require", "sslmode=prefer")
        .replace("user=certy", "user=truster");
    assert_eq!(around.both(&fallback), Outcome::Failed(Class::Tls));
    let error = around.session(&unknown).expect_err("refused").to_string();
    // The server's hang-up may overtake its alert.
    let told = ["unknown ca", "may not accept the client certificate"];
    assert!(told.iter().any(|text| error.contains(text)), "{error}");
    let endpoint = pgl_conn::Endpoint::resolve(
        pgl_core::Side::Source,
        Some(std::ffi::OsStr::new(&unknown)),
        &around.environment(),
    )
    .expect("resolved");
    let options = pgl_conn::WalsenderOptions::new("test");
    let error = pgl_conn::Walsender::connect(&endpoint, &options).expect_err("refused");
    assert_eq!(error.kind, pgl_conn::Kind::Tls, "{error}");
}

#[test]
fn only_the_given_authorities_count() {
    // With sslrootcert, the authorities of the operating system must not count as well. OpenSSL
    // takes the latter from SSL_CERT_FILE, which "system" is therefore tested with, too.
    let pki = Pki::get();
    let port = newest().port();
    let run = |root: &str| {
        std::process::Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "conn::tls::helper_connects", "--nocapture"])
            .env("SSL_CERT_FILE", pki.path("ca.crt"))
            .env(
                "PGL_TEST_DSN",
                format!("host=localhost hostaddr=127.0.0.1 port={port} user=postgres sslmode=verify-full sslrootcert={root}"),
            )
            .output()
            .expect("runs")
    };
    let text = |output: std::process::Output| String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text(run("system")).contains("landed with TLS"));
    assert!(text(run(&pki.path("ca.crt"))).contains("landed with TLS"));
    let refused = text(run(&pki.path("other-ca.crt")));
    assert!(refused.contains("refused: Tls"), "{refused}");
}

/// Not a test of its own: the body of a child process with other variables.
#[test]
fn helper_connects() {
    let Ok(dsn) = std::env::var("PGL_TEST_DSN") else {
        return;
    };
    match Around::nothing().session(&dsn) {
        Ok(session) => {
            assert!(session.is_tls());
            println!("landed with TLS");
        }
        Err(error) => println!("refused: {:?}", error.kind),
    }
}

#[test]
fn what_came_after_major_15() {
    let port = newest().port();
    let ca = Pki::get().path("ca.crt");
    let around = Around::nothing();
    for (more, lands) in [
        ("sslmode=require sslnegotiation=direct", true),
        ("sslmode=require sslnegotiation=postgres", true),
        ("sslnegotiation=direct", false),
        ("sslmode=require sslcertmode=disable", true),
        ("load_balance_hosts=random", true),
        ("load_balance_hosts=maybe", false),
        ("sslrootcert=system sslmode=require", false),
        ("min_protocol_version=3.0 max_protocol_version=latest", true),
    ] {
        let dsn = format!("host=localhost hostaddr=127.0.0.1 port={port} user=postgres {more}");
        let psql = around.run_psql(
            18,
            &dsn,
            "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
        );
        let ours = around.session(&dsn);
        assert_eq!(psql.is_ok(), lands, "{more}: psql {psql:?}");
        assert_eq!(ours.is_ok(), lands, "{more}: {:?}", ours.err());
    }
    let dsn = format!(
        "postgresql://scram:{}@localhost:{port}/postgres?hostaddr=127.0.0.1&sslmode=verify-full&sslnegotiation=direct&channel_binding=require&sslrootcert={}",
        encoded(PASSWORD),
        encoded(&ca)
    );
    let mut session = around
        .session(&dsn)
        .expect("direct TLS with channel binding");
    assert!(session.is_tls());
    // The cancel request has to take the same way.
    let handle = session.cancel_handle();
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        handle.cancel()
    });
    let error = session
        .query("SELECT pg_sleep(20)", &[])
        .expect_err("cancelled");
    assert_eq!(error.kind, pgl_conn::Kind::Cancelled, "{error}");
    canceller.join().expect("joined").expect("delivered");
}

#[test]
fn both_causes_are_told_when_both_attempts_fail() {
    let port = chained().port();
    let dsn = format!("host=127.0.0.1 port={port} user=plainonly dbname=postgres password=wrong");
    let error = Around::nothing()
        .session(&dsn)
        .expect_err("refused")
        .to_string();
    assert!(error.contains("with TLS: no pg_hba.conf entry"), "{error}");
    assert!(
        error.contains("without TLS: password authentication failed"),
        "{error}"
    );
    let dsn = format!(
        "host=127.0.0.1 port={} user=scram dbname=postgres sslmode=require password={}",
        without_tls().port(),
        quoted(PASSWORD)
    );
    let error = Around::nothing()
        .session(&dsn)
        .expect_err("refused")
        .to_string();
    assert!(error.contains("does not support TLS"), "{error}");
}
