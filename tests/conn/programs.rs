//! libpq's own programs against an endpoint, and settings added to a provider DSN.

use std::ffi::OsStr;
use std::process::Command;

use pgl_conn::{DsnText, Endpoint, add_options};
use pgl_core::Side;

use super::support::{Around, PASSWORD, chained, encoded, program, quoted};
use crate::common::pki::{Pki, chmod};

#[test]
fn programs_land_where_the_session_lands() {
    let pki = Pki::get();
    let port = chained().port();
    let dir = tempfile::tempdir().expect("a directory");
    let passfile = dir.path().join("pass");
    let escaped = PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
    std::fs::write(&passfile, format!("*:*:*:*:{escaped}\n")).expect("written");
    chmod(&passfile, 0o600).expect("mode");
    let here = format!("port={port} dbname=postgres");
    let pw = quoted(PASSWORD);
    let cases = [
        (
            Around::nothing(),
            format!("host=127.0.0.1 {here} user=scram password={pw}"),
        ),
        (
            Around::nothing().var("PGPASSWORD", PASSWORD),
            format!("host=127.0.0.1 {here} user=scram sslmode=disable"),
        ),
        (
            Around::nothing(),
            format!(
                "host=127.0.0.1 {here} user=scram passfile={}",
                passfile.display()
            ),
        ),
        (
            Around::nothing().var("PGPASSFILE", passfile.to_str().expect("UTF-8")),
            format!("host=127.0.0.1 {here} user=md5er"),
        ),
        (
            Around::nothing(),
            format!(
                "host=localhost hostaddr=127.0.0.1 {here} user=certy sslmode=verify-full sslrootcert={} sslcert={} sslkey={} sslcrl={}",
                pki.path("ca.crt"),
                pki.path("certy.crt"),
                pki.path("certy.key"),
                pki.path("clean.crl")
            ),
        ),
        (
            Around::nothing(),
            format!(
                "host={} {here} user=truster options='-c work_mem=7MB'",
                chained().socket_dir().expect("short").display()
            ),
        ),
    ];
    for (around, dsn) in cases {
        // The chain's intermediate has no list of its own, so revocation cannot be checked there.
        let dsn = dsn.replace(&format!(" sslcrl={}", pki.path("clean.crl")), "");
        let endpoint =
            Endpoint::resolve(Side::Source, Some(OsStr::new(&dsn)), &around.environment())
                .expect("resolved");
        let mut session = around
            .session(&dsn)
            .unwrap_or_else(|error| panic!("{dsn}: {error}"));
        let sql = "SELECT current_user, (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), current_setting('work_mem')";
        let ours: Vec<String> = session.query_text(sql).expect("read")[0]
            .iter()
            .map(|f| f.clone().unwrap_or_default())
            .collect();
        let conninfo = endpoint.client_conninfo().expect("a string");
        assert!(!conninfo.contains("canary"), "{conninfo}");
        let mut psql = Command::new(program(15, "psql"));
        psql.args(["-X", "-w", "-A", "-t", "-d", &conninfo, "-c", sql]);
        // Variables of the process that mean another server must not get in the way.
        psql.envs([
            ("PGHOSTADDR", "192.0.2.1"),
            ("PGSERVICE", "nowhere"),
            ("PGOPTIONS", "-c nonsense=1"),
        ]);
        let polluted = Endpoint::resolve(
            Side::Source,
            Some(OsStr::new(&dsn)),
            &around
                .environment()
                .with_var("PGHOSTADDR", "")
                .with_var("PGSERVICE", "")
                .with_var("PGOPTIONS", ""),
        );
        // An empty PGSERVICE is a service without a name, as in libpq.
        assert!(polluted.is_err());
        let environment = around
            .environment()
            .with_var("PGHOSTADDR", "")
            .with_var("PGOPTIONS", "");
        let endpoint = Endpoint::resolve(Side::Source, Some(OsStr::new(&dsn)), &environment)
            .expect("resolved");
        endpoint.prepare_client(&mut psql);
        psql.env_remove("PGSERVICE").env("HOME", &around.home);
        let output = psql.output().expect("psql runs");
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert_eq!(
            text,
            ours.join("|"),
            "{dsn}: {}",
            String::from_utf8_lossy(&output.stderr)
        );

        let mut dump = Command::new(program(15, "pg_dump"));
        dump.args(["-w", "--schema-only", "-d", &conninfo]);
        endpoint.prepare_client(&mut dump);
        let output = dump
            .env("HOME", &around.home)
            .output()
            .expect("pg_dump runs");
        assert!(
            output.status.success(),
            "{dsn}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let locked = "host=h sslpassword=canary";
    let endpoint = Endpoint::resolve(
        Side::Source,
        Some(OsStr::new(locked)),
        &Around::nothing().environment(),
    )
    .expect("resolved");
    assert_eq!(
        endpoint.client_conninfo().expect_err("refused").kind,
        pgl_conn::Kind::Unsupported
    );
}

#[test]
fn settings_added_to_a_dsn_reach_the_server() {
    let port = chained().port();
    let added = [
        ("DateStyle", "German, DMY"),
        ("extra_float_digits", "2"),
        ("pgl.test", "a b\\c'd"),
    ];
    let pw = quoted(PASSWORD);
    let sql = "SELECT current_setting('datestyle'), current_setting('extra_float_digits'), \
               current_setting('pgl.test'), current_setting('work_mem'), current_user";
    let around = Around::nothing();
    let dsns = [
        format!(
            "host=127.0.0.1 port={port} user=scram dbname=postgres password={pw} options='-c work_mem=7MB -c extra_float_digits=0'"
        ),
        format!(
            "options='-c work_mem=7MB' host=127.0.0.1 port={port} user=scram dbname=postgres password={pw}"
        ),
        format!(
            "postgresql://scram:{}@127.0.0.1:{port}/postgres?options=-c%20work_mem%3D7MB",
            encoded(PASSWORD)
        ),
        format!(
            "postgresql://scram:{}@127.0.0.1:{port}/postgres?options=-c%20work_mem%3D7MB&sslmode=disable&",
            encoded(PASSWORD)
        ),
    ];
    for dsn in &dsns {
        let merged = add_options(Side::Source, &DsnText::new(dsn), &added).expect("merged");
        let text = merged.text.expose_str().expect("UTF-8");
        let told = around
            .run_psql(15, text, sql)
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(told.trim(), "German, DMY|2|a b\\c'd|7MB|scram", "{text}");
        assert_eq!(format!("{merged:?}").matches("canary").count(), 0);
    }
    let vars = Around::nothing()
        .var("PGHOST", "127.0.0.1")
        .var("PGPORT", port.to_string())
        .var("PGUSER", "scram")
        .var("PGPASSWORD", PASSWORD);
    for dsn in [
        "",
        "postgres",
        "dbname=postgres",
        "postgresql:///postgres",
        "postgresql:///postgres?",
        "user=scram dbname=postgres password=",
    ] {
        let dsn = if dsn.is_empty() { "dbname=scram" } else { dsn };
        let merged = add_options(Side::Source, &DsnText::new(dsn), &added).expect("merged");
        let text = merged.text.expose_str().expect("UTF-8");
        let told = vars.run_psql(15, text, sql);
        if dsn.ends_with("password=") {
            // An empty password in the string does not hide the variable for libpq.
            assert!(
                told.is_ok()
                    || told
                        .as_ref()
                        .is_err_and(|error| error.contains("no password")),
                "{told:?}"
            );
            continue;
        }
        let told = told.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(
            told.starts_with("German, DMY|2|a b\\c'd|"),
            "{text}: {told}"
        );
    }
}
