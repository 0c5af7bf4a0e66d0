//! The table of strings and URIs, through psql and through us.

use super::support::{
    Around, Class, Outcome, PASSWORD, chained, dead_port, encoded, expect, quoted, without_tls,
};

#[test]
fn strings_and_uris() {
    let cluster = chained();
    let port = cluster.port();
    let socket = cluster.socket_dir().expect("a short path");
    let socket = socket.to_str().expect("UTF-8");
    let around = Around::nothing();
    let (pw, pct) = (quoted(PASSWORD), encoded(PASSWORD));
    let dir = encoded(socket);
    let cases: &[(String, &str, &str, bool, bool)] = &[
        (
            format!("host=127.0.0.1 port={port} user=postgres"),
            "postgres",
            "postgres",
            true,
            true,
        ),
        (
            format!("  host = 127.0.0.1\tport\n= {port} user='postgres'dbname='a b\\'c'"),
            "postgres",
            "a b'c",
            true,
            true,
        ),
        (
            format!("host=127.0.0.1 port={port} user=postgres user=truster dbname=postgres"),
            "truster",
            "postgres",
            true,
            true,
        ),
        (
            format!("host=127.0.0.1 port={port} user=scram password={pw}"),
            "scram",
            "scram",
            true,
            true,
        ),
        (
            format!("host=127.0.0.1 port={port} user=md5er dbname=postgres password={pw}"),
            "md5er",
            "postgres",
            true,
            true,
        ),
        (
            format!("host=127.0.0.1 port={port} user=clear dbname=postgres password={pw}"),
            "clear",
            "postgres",
            true,
            true,
        ),
        (
            format!("hostaddr=127.0.0.1 port={port} user=postgres sslmode=require"),
            "postgres",
            "postgres",
            true,
            true,
        ),
        (
            format!("hostaddr=127.0.0.1 host=nowhere.invalid port={port} user=postgres"),
            "postgres",
            "postgres",
            true,
            true,
        ),
        (
            format!("host=127.0.0.1 port={port} user=postgres sslmode=disable"),
            "postgres",
            "postgres",
            true,
            false,
        ),
        (
            format!("host=127.0.0.1 port={port} user=postgres sslmode=allow"),
            "postgres",
            "postgres",
            true,
            false,
        ),
        (
            format!(
                "host=127.0.0.1 port={port} dbname=postgres user=tlsonly sslmode=allow password={pw}"
            ),
            "tlsonly",
            "postgres",
            true,
            true,
        ),
        (
            format!("host=127.0.0.1 port={port} dbname=postgres user=tlsonly password={pw}"),
            "tlsonly",
            "postgres",
            true,
            true,
        ),
        // The server wants plain text: "prefer" has to come back without TLS.
        (
            format!("host=127.0.0.1 port={port} dbname=postgres user=plainonly password={pw}"),
            "plainonly",
            "postgres",
            true,
            false,
        ),
        (
            format!(
                "host=127.0.0.1 port={port} user=postgres gssencmode=disable sslcompression=0 keepalives=0 tcp_user_timeout=5000"
            ),
            "postgres",
            "postgres",
            true,
            true,
        ),
        (
            format!(
                "host=127.0.0.1 port={port} user=postgres keepalives_idle=5 keepalives_interval=5 keepalives_count=2 connect_timeout=10"
            ),
            "postgres",
            "postgres",
            true,
            true,
        ),
        (
            format!(
                "host=127.0.0.1 port={port} user=postgres replication=false client_encoding=UTF8 application_name=x fallback_application_name=y"
            ),
            "postgres",
            "postgres",
            true,
            true,
        ),
        (
            format!(
                "host=127.0.0.1 port={port} dbname=postgres user=scram channel_binding=require password={pw}"
            ),
            "scram",
            "postgres",
            true,
            true,
        ),
        (
            format!(
                "host=127.0.0.1 port={port} dbname=postgres user=scram channel_binding=disable password={pw}"
            ),
            "scram",
            "postgres",
            true,
            true,
        ),
        (
            format!(
                "host=127.0.0.1 port={port} user=postgres ssl_min_protocol_version=TLSv1.3 sslsni=0"
            ),
            "postgres",
            "postgres",
            true,
            true,
        ),
        (
            format!("host={socket} port={port} user=postgres"),
            "postgres",
            "postgres",
            false,
            false,
        ),
        (
            format!("host={socket} port={port} user=postgres sslmode=require"),
            "postgres",
            "postgres",
            false,
            false,
        ),
        (
            format!(
                "host={socket} port={port} user=postgres sslmode=verify-full sslrootcert=/dev/null"
            ),
            "postgres",
            "postgres",
            false,
            false,
        ),
        (
            format!("host={socket} port={port} user=scram"),
            "scram",
            "scram",
            false,
            false,
        ),
        (
            format!("postgresql://postgres@127.0.0.1:{port}"),
            "postgres",
            "postgres",
            true,
            true,
        ),
        (
            format!(
                "postgres://postgres@localhost:{port}/a%20b%27c?sslmode=disable&hostaddr=127.0.0.1"
            ),
            "postgres",
            "a b'c",
            true,
            false,
        ),
        (
            format!("postgresql://scram:{pct}@127.0.0.1:{port}/postgres"),
            "scram",
            "postgres",
            true,
            true,
        ),
        (
            format!("postgresql://scram@127.0.0.1:{port}/postgres?password={pct}"),
            "scram",
            "postgres",
            true,
            true,
        ),
        (
            format!("postgresql:///postgres?host=127.0.0.1&port={port}&user=scram&password={pct}"),
            "scram",
            "postgres",
            true,
            true,
        ),
        // Literal "@" in a query is part of the value.
        (
            format!("postgresql:///postgres?password=a@b&host=127.0.0.1&port={port}&user=truster"),
            "truster",
            "postgres",
            true,
            true,
        ),
        (
            format!("postgresql://{dir}:{port}/postgres?user=postgres"),
            "postgres",
            "postgres",
            false,
            false,
        ),
        (
            format!("postgresql://postgres@{dir}:{port}"),
            "postgres",
            "postgres",
            false,
            false,
        ),
        (
            format!("postgresql://postgres@127.0.0.1:{port}?ssl=true"),
            "postgres",
            "postgres",
            true,
            true,
        ),
        (
            format!("postgresql://postgres@127.0.0.1:{port},127.0.0.1:{port}/postgres"),
            "postgres",
            "postgres",
            true,
            true,
        ),
        (
            format!(
                "host=127.0.0.1 port={port} user=postgres options='-c work_mem=1MB -c geqo=off'"
            ),
            "postgres",
            "postgres",
            true,
            true,
        ),
    ];
    for (dsn, user, database, tcp, tls) in cases {
        expect(&around.both(dsn), user, database, *tcp, *tls, dsn);
    }
}

#[test]
fn strings_that_must_fail() {
    let cluster = chained();
    let port = cluster.port();
    let here = format!("host=127.0.0.1 port={port} dbname=postgres");
    let dead = dead_port();
    let plain = without_tls().port();
    let around = Around::nothing();
    let cases: &[(String, Class)] = &[
        ("host".into(), Class::Unreachable),
        ("host=127.0.0.1 port".into(), Class::Config),
        ("host='127.0.0.1".into(), Class::Config),
        ("hots=127.0.0.1".into(), Class::Config),
        ("host=127.0.0.1 port=0".into(), Class::Config),
        ("host=127.0.0.1 port=65536".into(), Class::Config),
        ("host=127.0.0.1 port=x".into(), Class::Config),
        ("host=a,b port=1,2,3".into(), Class::Config),
        ("host=a,b hostaddr=127.0.0.1".into(), Class::Config),
        ("sslmode=maybe".into(), Class::Config),
        ("target_session_attrs=maybe".into(), Class::Config),
        ("channel_binding=maybe".into(), Class::Config),
        (
            format!("{here} user=postgres connect_timeout=soon"),
            Class::Config,
        ),
        (
            format!("{here} user=postgres keepalives_idle=x"),
            Class::Config,
        ),
        ("ssl_min_protocol_version=9".into(), Class::Config),
        ("postgresql://h:1x/".into(), Class::Config),
        ("postgresql://[::1".into(), Class::Config),
        ("postgresql://[]".into(), Class::Config),
        ("postgresql://[::1]x".into(), Class::Config),
        ("postgresql://h/?x".into(), Class::Config),
        ("postgresql://h/?x=y".into(), Class::Config),
        ("postgresql://h/?user=a=b".into(), Class::Config),
        ("postgresql://h/?user=%0".into(), Class::Config),
        ("postgresql://h/?user=%00".into(), Class::Config),
        ("postgresql://h/?&".into(), Class::Config),
        ("service=nowhere".into(), Class::Config),
        (format!("host=127.0.0.1 port={dead}"), Class::Unreachable),
        ("host=nowhere.invalid".into(), Class::Unreachable),
        (format!("host=/nowhere port={port}"), Class::Unreachable),
        (format!("{here} user=nobody"), Class::Auth),
        (format!("{here} user=rejected"), Class::Auth),
        (format!("{here} user=scram"), Class::Auth),
        (format!("{here} user=scram password=wrong"), Class::Auth),
        (format!("{here} user=md5er password=wrong"), Class::Auth),
        (format!("{here} user=clear password=wrong"), Class::Auth),
        (
            format!("{here} user=tlsonly sslmode=disable password=x"),
            Class::Auth,
        ),
        (
            format!("{here} user=plainonly sslmode=require password=x"),
            Class::Auth,
        ),
        (format!("{here} user=certy"), Class::Auth),
        (
            format!("{here} user=scram channel_binding=require sslmode=disable password=x"),
            Class::Auth,
        ),
        (
            format!("{here} user=truster channel_binding=require"),
            Class::Auth,
        ),
        (
            format!(
                "{here} user=md5er channel_binding=require password={}",
                quoted(PASSWORD)
            ),
            Class::Auth,
        ),
        (
            format!("host=127.0.0.1 port={port} user=postgres dbname=missing"),
            Class::Server,
        ),
        (
            format!("{here} user=postgres options='-c nonsense=1'"),
            Class::Server,
        ),
        (format!("{here} user=postgres options='-z'"), Class::Server),
        (
            format!("host=127.0.0.1 port={plain} user=postgres sslmode=require"),
            Class::Tls,
        ),
        (
            format!("{here} user=postgres sslmode=verify-ca"),
            Class::Config,
        ),
        (
            format!("{here} user=postgres sslmode=verify-full"),
            Class::Config,
        ),
    ];
    for (dsn, class) in cases {
        let outcome = around.ours(dsn);
        assert_eq!(
            outcome,
            Outcome::Failed(*class),
            "{dsn}: {:?}",
            around.session(dsn).err()
        );
        match around.psql(dsn) {
            // psql finds the missing root certificate only when it has connected.
            Outcome::Failed(Class::Tls | Class::Config) if dsn.contains("verify-") => {}
            psql => assert_eq!(psql, outcome, "{dsn}: {:?}", around.run_psql(15, dsn, "")),
        }
    }
}
