//! A pooler in between: a proxy in front of a real server that treats the start-up packet's
//! options as pgbouncer does, by dropping them or by refusing the login.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use pgl_conn::{Access, Begin, Endpoint, Error, Kind, OnPooler, Session, SessionOptions};
use pgl_core::Side;

use super::support::{Around, without_tls};

#[derive(Debug, Clone, Copy)]
enum Manner {
    /// `ignore_startup_parameters = options`.
    Drops,
    /// As it comes.
    Refuses,
}

/// The port of a proxy to the server without TLS; it lives as long as the process.
fn proxy(manner: Manner) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            std::thread::spawn(move || serve(client, manner));
        }
    });
    port
}

fn serve(mut client: TcpStream, manner: Manner) -> std::io::Result<()> {
    let mut length = [0; 4];
    client.read_exact(&mut length)?;
    let mut packet = vec![0; u32::from_be_bytes(length) as usize - 4];
    client.read_exact(&mut packet)?;
    let mut words: Vec<Vec<u8>> = packet[4..]
        .split(|byte| *byte == 0)
        .map(<[u8]>::to_vec)
        .collect();
    if let Some(at) = words.iter().step_by(2).position(|word| word == b"options") {
        words.remove(2 * at + 1);
        words.remove(2 * at);
        if matches!(manner, Manner::Refuses) {
            let text = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0";
            client.write_all(b"E")?;
            client.write_all(&(text.len() as u32 + 4).to_be_bytes())?;
            return client.write_all(text);
        }
    }
    let body = [&packet[..4], &words.join(&0)[..]].concat();
    let mut server = TcpStream::connect(("127.0.0.1", without_tls().port()))?;
    server.write_all(&(body.len() as u32 + 4).to_be_bytes())?;
    server.write_all(&body)?;
    let (mut from, mut to) = (server.try_clone()?, client.try_clone()?);
    let back = std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    std::io::copy(&mut client, &mut server)?;
    server.shutdown(std::net::Shutdown::Both)?;
    back.join()
        .map_err(|_| std::io::Error::other("the other direction"))?
        .map(|_| ())
}

fn connect(manner: Manner, options: &SessionOptions) -> Result<Session, Error> {
    let dsn = format!(
        "host=127.0.0.1 port={} user=postgres sslmode=disable",
        proxy(manner)
    );
    let environment = Around::nothing().environment();
    Session::connect(
        &Endpoint::resolve(Side::Source, Some(OsStr::new(&dsn)), &environment)?,
        options,
    )
}

#[test]
fn is_refused_by_default() {
    for manner in [Manner::Drops, Manner::Refuses] {
        for access in [Access::ReadOnly, Access::ReadWrite] {
            let error = connect(manner, &SessionOptions::new("test", access)).expect_err("refused");
            assert_eq!(error.kind, Kind::Pooler, "{manner:?}: {error}");
            assert!(error.hint.is_some());
        }
        let options = SessionOptions::new("test", Access::ReadWrite).pooler(OnPooler::Report);
        assert_eq!(
            connect(manner, &options).expect_err("refused").kind,
            Kind::Pooler
        );
    }
}

#[test]
fn the_users_own_options_are_never_left_out() {
    let dsn = format!(
        "host=127.0.0.1 port={} user=postgres options='-c geqo=off'",
        proxy(Manner::Refuses)
    );
    let error = Around::nothing()
        .session(&format!("{dsn} sslmode=disable"))
        .expect_err("refused");
    assert_eq!(error.kind, Kind::Pooler, "{error}");
}

#[test]
fn nothing_is_set_for_others_when_it_is_let_through() {
    for manner in [Manner::Drops, Manner::Refuses] {
        let options = SessionOptions::new("test", Access::ReadOnly)
            .pooler(OnPooler::Report)
            .lock_timeout(Duration::from_secs(7));
        let mut session = connect(manner, &options).expect("let through");
        assert!(session.pooler_suspected());
        let settings = "SELECT current_setting('search_path'), current_setting('extra_float_digits'), \
                        current_setting('default_transaction_read_only'), current_setting('lock_timeout')";
        let mut read = || -> Vec<String> {
            let rows = session.query_text(settings).expect("read");
            rows[0]
                .iter()
                .map(|field| field.clone().unwrap_or_default())
                .collect()
        };
        let untouched = ["\"$user\", public", "1", "off", "0"];
        assert_eq!(read(), untouched);
        session.begin(Begin::ReadOnly).expect("begun");
        let rows = session.query_text(settings).expect("read");
        let inside: Vec<&str> = rows[0]
            .iter()
            .map(|field| field.as_deref().unwrap_or_default())
            .collect();
        assert_eq!(inside, ["pg_catalog, pg_temp", "3", "on", "7s"]);
        session.commit().expect("committed");
        let rows = session.query_text(settings).expect("read");
        let after: Vec<&str> = rows[0]
            .iter()
            .map(|field| field.as_deref().unwrap_or_default())
            .collect();
        assert_eq!(after, untouched);
    }
}

#[test]
fn a_direct_connection_is_not_suspected() {
    let dsn = without_tls().dsn("postgres");
    assert!(
        !Around::nothing()
            .session(&dsn)
            .expect("connected")
            .pooler_suspected()
    );
}
