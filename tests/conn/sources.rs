//! What stands behind a string: variables, service files, passfiles; and what is refused.

use std::fs;

use super::support::{Around, Class, Outcome, PASSWORD, account, chained, dead_port, expect};
use crate::common::pki::chmod;

#[test]
fn every_variable() {
    let cluster = chained();
    let port = cluster.port().to_string();
    let base = || {
        Around::nothing()
            .var("PGHOST", "127.0.0.1")
            .var("PGPORT", &port)
            .var("PGUSER", "scram")
            .var("PGPASSWORD", PASSWORD)
            .var("PGDATABASE", "postgres")
    };
    let landed = base().both("");
    expect(
        &landed,
        "scram",
        "postgres",
        true,
        true,
        "all from variables",
    );
    // Without "=" it is the name of a database.
    expect(
        &base().both("scram"),
        "scram",
        "scram",
        true,
        true,
        "bare name",
    );
    expect(
        &base().both("a b'c"),
        "scram",
        "a b'c",
        true,
        true,
        "bare name with a space",
    );
    expect(
        &base().both("postgresql://"),
        "scram",
        "postgres",
        true,
        true,
        "empty URI",
    );
    expect(
        &base().both("postgresql:///"),
        "scram",
        "postgres",
        true,
        true,
        "empty path",
    );
    expect(
        &base().both("user=truster"),
        "truster",
        "postgres",
        true,
        true,
        "string beats variable",
    );
    expect(
        &base().var("PGSSLMODE", "disable").both(""),
        "scram",
        "postgres",
        true,
        false,
        "PGSSLMODE",
    );
    expect(
        &base().var("PGSSLMODE", "disable").both("sslmode=require"),
        "scram",
        "postgres",
        true,
        true,
        "sslmode",
    );
    expect(
        &base()
            .var("PGHOST", "nowhere.invalid")
            .var("PGHOSTADDR", "127.0.0.1")
            .both(""),
        "scram",
        "postgres",
        true,
        true,
        "PGHOSTADDR",
    );
    let failing = [
        ("PGPORT", dead_port().to_string(), Class::Unreachable),
        ("PGUSER", "nobody".into(), Class::Auth),
        ("PGPASSWORD", "wrong".into(), Class::Auth),
        ("PGDATABASE", "missing".into(), Class::Server),
        ("PGOPTIONS", "-c nonsense=1".into(), Class::Server),
        ("PGSSLMODE", "maybe".into(), Class::Config),
        ("PGCHANNELBINDING", "maybe".into(), Class::Config),
        ("PGTARGETSESSIONATTRS", "standby".into(), Class::Unreachable),
        ("PGCONNECT_TIMEOUT", "soon".into(), Class::Config),
        ("PGSERVICE", "nowhere".into(), Class::Config),
        ("PGSSLMINPROTOCOLVERSION", "9".into(), Class::Config),
    ];
    for (name, value, class) in failing {
        let outcome = base().var(name, value).both("");
        assert_eq!(outcome, Outcome::Failed(class), "{name}");
    }
    // The account's name is the default for the user, and that for the database.
    let around = Around::nothing().var(
        "PGHOST",
        cluster
            .socket_dir()
            .expect("short")
            .to_str()
            .expect("UTF-8"),
    );
    let outcome = around.var("PGPORT", &port).both("");
    expect(&outcome, &account(), &account(), false, false, "account");
}

#[test]
fn service_files() {
    let cluster = chained();
    let port = cluster.port();
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("services");
    fs::write(
        &file,
        format!(
            "# comment\n[one]\nhost=127.0.0.1\nport={port}\nuser=scram\npassword={PASSWORD}\ndbname=postgres\n\
             sslmode=disable\nport=1\n\n[two]\nhost=127.0.0.1\nport={port}\nuser=truster\ndbname=postgres\n\
             [spaced]\nhost = 127.0.0.1\n[nested]\nservice=one\n[odd]\nnonsense=1\n[noequals]\nhost\n"
        ),
    )
    .expect("written");
    let by_variable = || Around::nothing().var("PGSERVICEFILE", file.to_str().expect("UTF-8"));
    let home = tempfile::tempdir().expect("a home");
    fs::copy(&file, home.path().join(".pg_service.conf")).expect("copied");
    let system = tempfile::tempdir().expect("a directory");
    fs::copy(&file, system.path().join("pg_service.conf")).expect("copied");
    let by_home = || Around::nothing().home(home.path());
    let by_system =
        || Around::nothing().var("PGSYSCONFDIR", system.path().to_str().expect("UTF-8"));
    for around in [by_variable(), by_home(), by_system()] {
        expect(
            &around.both("service=one"),
            "scram",
            "postgres",
            true,
            false,
            "service=one",
        );
        expect(
            &around.both("postgresql:///?service=two"),
            "truster",
            "postgres",
            true,
            true,
            "in a URI",
        );
        expect(
            &around.both("service=one sslmode=require"),
            "scram",
            "postgres",
            true,
            true,
            "string first",
        );
        expect(
            &around.clone().var("PGSERVICE", "two").both(""),
            "truster",
            "postgres",
            true,
            true,
            "PGSERVICE",
        );
        let weaker = around
            .clone()
            .var("PGUSER", "nobody")
            .var("PGSSLMODE", "maybe");
        expect(
            &weaker.both("service=one"),
            "scram",
            "postgres",
            true,
            false,
            "service beats variable",
        );
        for wrong in ["three", "spaced", "nested", "odd", "noequals"] {
            let outcome = around.both(&format!("service={wrong}"));
            assert_eq!(outcome, Outcome::Failed(Class::Config), "{wrong}");
        }
    }
    let gone = Around::nothing()
        .var("PGSERVICEFILE", "/nowhere/services")
        .home(home.path());
    assert_eq!(gone.both("service=one"), Outcome::Failed(Class::Config));
    // A named file without the service is followed by the system's.
    let empty = dir.path().join("empty");
    fs::write(&empty, "").expect("written");
    let around = by_system().var("PGSERVICEFILE", empty.to_str().expect("UTF-8"));
    expect(
        &around.both("service=two"),
        "truster",
        "postgres",
        true,
        true,
        "system after own",
    );
}

#[test]
fn passfiles() {
    let cluster = chained();
    let port = cluster.port();
    let socket = cluster.socket_dir().expect("short");
    let home = tempfile::tempdir().expect("a home");
    let escaped = PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
    let file = home.path().join(".pgpass");
    let write = |text: &str, mode: u32| {
        fs::write(&file, text).expect("written");
        chmod(&file, mode).expect("mode");
    };
    let around = Around::nothing().home(home.path());
    let dsn = format!("host=127.0.0.1 port={port} user=scram dbname=postgres");
    let ok = |around: &Around, dsn: &str, what: &str| {
        expect(&around.both(dsn), "scram", "postgres", true, true, what);
    };
    let refused = |around: &Around, dsn: &str, what: &str| {
        assert_eq!(around.both(dsn), Outcome::Failed(Class::Auth), "{what}");
    };
    write(
        &format!("# comment\n127.0.0.1:{port}:postgres:scram:{escaped}\n"),
        0o600,
    );
    ok(&around, &dsn, "exact line");
    refused(
        &around,
        &dsn.replace("dbname=postgres", "dbname=scram"),
        "other database",
    );
    refused(
        &around,
        &format!("{dsn} password=wrong"),
        "the string's password comes first",
    );
    refused(
        &around.clone().var("PGPASSWORD", "wrong"),
        &dsn,
        "so does the variable's",
    );
    ok(
        &around,
        &format!("{dsn} password=''"),
        "an empty one does not count",
    );
    write(
        &format!("127.0.0.1:*:*:scram:wrong\n*:*:*:*:{escaped}\n"),
        0o600,
    );
    refused(&around, &dsn, "first match wins");
    write(&format!("*:*:*:*:{escaped}"), 0o644);
    refused(&around, &dsn, "others may read it");
    write(&format!("*:*:*:*:{escaped}"), 0o600);
    ok(&around, &dsn, "wildcards, no newline at the end");
    // With both, the name is the key.
    write(
        &format!("127.0.0.1:*:*:*:wrong\nnamed:*:*:*:{escaped}\n"),
        0o600,
    );
    ok(
        &around,
        &format!("{dsn} host=named hostaddr=127.0.0.1"),
        "name before address",
    );
    write(&format!("127.0.0.1:*:*:*:{escaped}\n"), 0o600);
    ok(
        &around,
        &format!("hostaddr=127.0.0.1 port={port} user=scram dbname=postgres"),
        "address alone",
    );
    // Elsewhere.
    let other = home.path().join("other");
    fs::rename(&file, &other).expect("moved");
    refused(&around, &dsn, "none in the home directory");
    ok(
        &around
            .clone()
            .var("PGPASSFILE", other.to_str().expect("UTF-8")),
        &dsn,
        "PGPASSFILE",
    );
    ok(
        &around,
        &format!("{dsn} passfile={}", other.display()),
        "passfile=",
    );
    // The socket's directory is a key like any other, unless it is the default one.
    fs::write(&other, format!("{}:*:*:*:{escaped}\n", socket.display())).expect("written");
    let by_socket = format!(
        "host={} port={port} user=scram dbname=postgres passfile={}",
        socket.display(),
        other.display()
    );
    expect(
        &around.both(&by_socket),
        "scram",
        "postgres",
        false,
        false,
        "socket",
    );
}

#[test]
fn abstract_sockets() {
    let name = format!("@pgl-test-{}", std::process::id());
    let cluster = pgl_testkit::Cluster::start(
        15,
        pgl_testkit::ClusterOptions::new()
            .set("unix_socket_directories", &name)
            .hba("local all all trust\nhost all all 127.0.0.1/32 trust\n"),
    )
    .expect("a cluster");
    let dsn = format!("host={name} port={} user=postgres", cluster.port());
    expect(
        &Around::nothing().both(&dsn),
        "postgres",
        "postgres",
        false,
        false,
        &dsn,
    );
}

#[test]
fn what_only_libpq_can_do_is_refused_by_name() {
    let around = Around::nothing();
    for (setting, name) in [
        ("gssencmode=require", "gssencmode=require"),
        ("require_auth=scram-sha-256", "require_auth=scram-sha-256"),
        ("requirepeer=postgres", "requirepeer=postgres"),
        ("sslcertmode=require", "sslcertmode=require"),
        ("sslcompression=1", "sslcompression=1"),
        ("replication=database", "replication=database"),
        ("min_protocol_version=3.2", "min_protocol_version=3.2"),
        ("scram_client_key=canary", "scram_client_key"),
        ("oauth_issuer=x", "oauth_issuer=x"),
        ("sslkeylogfile=/x", "sslkeylogfile=/x"),
    ] {
        let error = around.session(setting).expect_err(setting);
        assert_eq!(error.kind, pgl_conn::Kind::Unsupported, "{setting}");
        assert!(error.message.starts_with(name), "{setting}: {error}");
        assert!(error.hint.is_some(), "{setting}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
    let error = around
        .clone()
        .var("PGREQUIREAUTH", "none")
        .session("")
        .expect_err("variable");
    assert_eq!(error.kind, pgl_conn::Kind::Unsupported);
    let port = chained().port();
    let gss = format!("host=127.0.0.1 port={port} user=gssy dbname=postgres krbsrvname=x");
    let error = around.session(&gss).expect_err("gss");
    assert_eq!(error.kind, pgl_conn::Kind::Unsupported, "{error}");
    assert!(error.to_string().contains("GSSAPI"), "{error}");
    assert!(around.run_psql(15, &gss, "SELECT 1").is_err());
}

#[test]
fn warnings_name_what_is_careless() {
    use pgl_conn::Endpoint;
    use std::ffi::OsStr;
    let home = tempfile::tempdir().expect("a home");
    let file = home.path().join(".pgpass");
    fs::write(&file, "*:*:*:*:canary\n").expect("written");
    chmod(&file, 0o644).expect("mode");
    let environment = Around::nothing().home(home.path()).environment();
    let warnings = |text: Option<&str>, environment: &pgl_conn::Environment| {
        Endpoint::resolve(pgl_core::Side::Target, text.map(OsStr::new), environment)
            .expect("resolved")
            .warnings()
            .join("; ")
    };
    let found = warnings(Some("host=h"), &environment);
    assert!(
        found.contains("passfile") && found.contains("0600"),
        "{found}"
    );
    let found = warnings(Some("password=canary"), &environment);
    assert!(found.contains("--target"), "{found}");
    assert!(!found.contains("canary"), "{found}");
    let found = warnings(Some("client_encoding=LATIN1 password=''"), &environment);
    assert!(found.contains("client_encoding=LATIN1"), "{found}");
    let quiet = Around::nothing()
        .environment()
        .with_var("PGL_TARGET", "password=canary");
    assert_eq!(warnings(None, &quiet), "");
}
