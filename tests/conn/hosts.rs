//! Several hosts, session attributes, time limits.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use pgl_testkit::{Cluster, ClusterOptions};

use super::support::{Around, Class, Outcome, chained, dead_port, without_tls};

/// A streaming standby of the server without TLS.
fn standby() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        without_tls()
            .standby(ClusterOptions::new().set("hot_standby", "on"))
            .expect("a standby")
    })
}

fn port_of(outcome: &Outcome) -> Option<u16> {
    match outcome {
        Outcome::Landed { port, .. } => port.parse().ok(),
        Outcome::Failed(_) => None,
    }
}

#[test]
fn the_first_that_answers() {
    let (live, dead) = (without_tls().port(), dead_port());
    let around = Around::nothing();
    for dsn in [
        format!("host=127.0.0.1,127.0.0.1 port={dead},{live} user=postgres"),
        format!("host=nowhere.invalid,127.0.0.1 port={live} user=postgres"),
        format!("hostaddr=127.0.0.1,127.0.0.1 port={dead},{live} user=postgres"),
        format!("host=/nowhere,127.0.0.1 port={live} user=postgres"),
        format!("postgresql://postgres@127.0.0.1:{dead},127.0.0.1:{live}/postgres"),
        format!("postgresql://postgres@[::1]:{dead},127.0.0.1:{live}/postgres"),
        format!(
            "host=127.0.0.1,127.0.0.1 port={dead},{live} user=postgres load_balance_hosts=disable"
        ),
    ] {
        // The last keyword is younger than psql 15.
        let outcome = if dsn.contains("load_balance") {
            around.ours(&dsn)
        } else {
            around.both(&dsn)
        };
        assert_eq!(port_of(&outcome), Some(live), "{dsn}");
    }
    let all_dead = format!(
        "host=127.0.0.1,127.0.0.1 port={dead},{} user=postgres",
        dead_port()
    );
    assert_eq!(around.both(&all_dead), Outcome::Failed(Class::Unreachable));
    let error = around.session(&all_dead).expect_err("none").to_string();
    assert_eq!(
        error.matches("127.0.0.1:").count(),
        2,
        "every host is named: {error}"
    );
}

#[test]
fn a_refused_login_ends_the_search() {
    let (refusing, trusting) = (chained().port(), without_tls().port());
    let around = Around::nothing();
    let hosts = format!("host=127.0.0.1,127.0.0.1 port={refusing},{trusting} dbname=postgres");
    // The second server would let them in.
    for user in ["md5er", "clear"] {
        let outcome = around.both(&format!("{hosts} user={user} password=wrong"));
        assert_eq!(outcome, Outcome::Failed(Class::Auth), "{user}");
    }
    // So does any other refusal of a server that was reached.
    let missing =
        format!("host=127.0.0.1,127.0.0.1 port={refusing},{trusting} user=postgres dbname=missing");
    assert_eq!(around.both(&missing), Outcome::Failed(Class::Server));
    let no_tls = format!(
        "host=127.0.0.1,127.0.0.1 port={trusting},{refusing} user=postgres sslmode=require"
    );
    assert_eq!(around.both(&no_tls), Outcome::Failed(Class::Tls));
}

#[test]
fn session_attributes() {
    let (primary, standby) = (without_tls().port(), standby().port());
    let around = Around::nothing();
    let both_orders = [(primary, standby), (standby, primary)];
    for (first, second) in both_orders {
        for (attrs, expected) in [
            ("any", Some(first)),
            ("read-write", Some(primary)),
            ("read-only", Some(standby)),
            ("primary", Some(primary)),
            ("standby", Some(standby)),
            ("prefer-standby", Some(standby)),
        ] {
            let dsn = format!(
                "host=127.0.0.1,127.0.0.1 port={first},{second} user=postgres target_session_attrs={attrs}"
            );
            assert_eq!(port_of(&around.both(&dsn)), expected, "{dsn}");
        }
    }
    for (port, attrs, user, lands) in [
        (primary, "standby", "postgres", false),
        (primary, "read-only", "postgres", false),
        (primary, "prefer-standby", "postgres", true),
        (standby, "primary", "postgres", false),
        (standby, "read-write", "postgres", false),
        // A role that is read-only by default; our own read-only sessions must not count as such.
        (primary, "read-only", "truster", true),
        (primary, "read-write", "truster", false),
    ] {
        let dsn = format!(
            "host=127.0.0.1 port={port} user={user} dbname=postgres target_session_attrs={attrs}"
        );
        assert_eq!(port_of(&around.both(&dsn)), lands.then_some(port), "{dsn}");
    }
}

#[test]
fn balancing_reaches_every_host() {
    let (one, two) = (without_tls().port(), standby().port());
    let dsn = format!(
        "host=127.0.0.1,127.0.0.1 port={one},{two} user=postgres load_balance_hosts=random"
    );
    let mut seen = [false; 2];
    for _ in 0..60 {
        match port_of(&Around::nothing().ours(&dsn)) {
            Some(port) if port == one => seen[0] = true,
            Some(port) if port == two => seen[1] = true,
            other => panic!("{other:?}"),
        }
        if seen == [true; 2] {
            return;
        }
    }
    panic!("only one of the two hosts was ever chosen");
}

#[test]
fn the_time_limit_covers_the_whole_attempt() {
    // Accepts by the kernel's backlog and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let around = Around::nothing();
    for sslmode in ["prefer", "disable"] {
        let dsn =
            format!("host=127.0.0.1 port={port} user=postgres connect_timeout=2 sslmode={sslmode}");
        let start = Instant::now();
        assert_eq!(around.ours(&dsn), Outcome::Failed(Class::Timeout));
        let took = start.elapsed();
        assert!((2.0..3.5).contains(&took.as_secs_f64()), "{took:?}");
        assert_eq!(around.psql(&dsn), Outcome::Failed(Class::Timeout));
    }
    // A silent host is skipped.
    let live = without_tls().port();
    let dsn =
        format!("host=127.0.0.1,127.0.0.1 port={port},{live} user=postgres connect_timeout=2");
    assert_eq!(port_of(&around.both(&dsn)), Some(live));
    // The tools' own limit, where the string has none.
    let dsn = format!("host=127.0.0.1 port={port} user=postgres");
    let endpoint = pgl_conn::Endpoint::resolve(
        pgl_core::Side::Source,
        Some(std::ffi::OsStr::new(&dsn)),
        &around.environment(),
    )
    .expect("resolved");
    let options = pgl_conn::SessionOptions::new("test", pgl_conn::Access::ReadOnly)
        .connect_timeout(Some(Duration::from_millis(300)));
    let start = Instant::now();
    let error = pgl_conn::Session::connect(&endpoint, &options).expect_err("silent");
    assert_eq!(error.kind, pgl_conn::Kind::Timeout);
    assert!(start.elapsed() < Duration::from_secs(2));
}

/// What listens there says at once what it is, or nothing does.
#[test]
fn another_service_is_not_taken_for_a_server() {
    let around = Around::nothing();
    let refused = |dsn: &str| around.session(dsn).expect_err("no server");
    for banner in [
        "-ERR unknown command\r\n",
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "SSH-2.0-OpenSSH_9\r\n",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a client");
                let mut asked = [0; 1024];
                if stream.read(&mut asked).is_ok() {
                    let _sent = stream.write_all(banner.as_bytes());
                    let _ended = stream.shutdown(std::net::Shutdown::Write);
                    // What is not read would make closing a reset.
                    let _rest = stream.read_to_end(&mut Vec::new());
                }
            }
        });
        for sslmode in ["disable", "prefer"] {
            let error = refused(&format!(
                "host=127.0.0.1 port={port} user=postgres connect_timeout=5 sslmode={sslmode}"
            ));
            let hint = error.hint.as_deref().unwrap_or_default();
            assert!(
                hint.contains("host and port"),
                "{banner:?} {sslmode}: {error:?}"
            );
        }
    }
    let error = refused(&format!(
        "host=127.0.0.1 port={} user=postgres",
        dead_port()
    ));
    let hint = error.hint.as_deref().unwrap_or_default();
    assert!(hint.contains("listen_addresses"), "{error:?}");
}

#[test]
fn a_session_knows_where_it_landed() {
    let (live, dead) = (without_tls().port(), dead_port());
    let around = Around::nothing();
    let dsn = format!("host=127.0.0.1,127.0.0.1 port={dead},{live} user=postgres");
    let session = around.session(&dsn).expect("landed");
    let hosts = session.endpoint().hosts();
    assert_eq!(hosts.len(), 1);
    assert_eq!(hosts[0].port, live);
    assert!(!session.is_standby());
    let dsn = format!("host=127.0.0.1 port={} user=postgres", standby().port());
    assert!(around.session(&dsn).expect("landed").is_standby());
}
