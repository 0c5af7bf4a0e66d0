//! A network between a program and a server that can fail: connections are cut, or nothing passes any
//! more and nobody is told.
//!
//! It listens on 127.0.0.1 and forwards bytes. A frozen one keeps every connection and accepts new
//! ones, as a firewall does that has forgotten them: the worst case, since neither side notices.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use socket2::SockRef;

/// A running proxy; its connections end when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Frozen,
    Cut,
    Ended,
}

#[derive(Debug)]
struct Shared {
    upstream: u16,
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug)]
struct Inner {
    state: State,
    /// Both ends of every connection.
    ends: Vec<TcpStream>,
}

impl Proxy {
    /// Forwards to this port of 127.0.0.1.
    pub fn start(upstream: u16) -> Result<Self> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            upstream,
            inner: Mutex::new(Inner {
                state: State::Open,
                ends: Vec::new(),
            }),
            changed: Condvar::new(),
        });
        let own = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, &own));
        Ok(Self { port, shared })
    }

    /// Where to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Resets every connection, and every new one, until [`Proxy::resume`].
    pub fn cut(&self) {
        self.become_(State::Cut);
    }

    /// Lets nothing pass, without a word, until [`Proxy::resume`] or [`Proxy::cut`].
    pub fn freeze(&self) {
        self.become_(State::Frozen);
    }

    /// Everything passes again; what was held back first.
    pub fn resume(&self) {
        self.become_(State::Open);
    }

    fn become_(&self, state: State) {
        let mut inner = self.shared.lock();
        inner.state = state;
        if matches!(state, State::Cut | State::Ended) {
            for end in inner.ends.drain(..) {
                reset(&end);
            }
        }
        drop(inner);
        self.shared.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.become_(State::Ended);
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while nothing may pass; whether the connection still lives then.
    fn may_pass(&self) -> bool {
        let mut inner = self.lock();
        while inner.state == State::Frozen {
            inner = self
                .changed
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
        inner.state == State::Open
    }
}

/// Ends a connection so that the peer gets a reset and not an orderly end.
fn reset(end: &TcpStream) {
    // A connection that is gone already needs neither.
    let _ = SockRef::from(end).set_linger(Some(Duration::ZERO));
    let _ = end.shutdown(Shutdown::Both);
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        let state = shared.lock().state;
        match (state, client) {
            (State::Ended, _) => return,
            (State::Cut, Ok(client)) => reset(&client),
            (State::Open | State::Frozen, Ok(client)) => {
                let shared = Arc::clone(shared);
                std::thread::spawn(move || serve(client, &shared));
            }
            (_, Err(_)) => {}
        }
    }
}

fn serve(client: TcpStream, shared: &Arc<Shared>) {
    if !shared.may_pass() {
        return reset(&client);
    }
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, shared.upstream)) else {
        return reset(&client);
    };
    let ends = [client.try_clone(), server.try_clone()];
    let [Ok(kept), Ok(other)] = ends else {
        return reset(&client);
    };
    {
        let mut inner = shared.lock();
        if matches!(inner.state, State::Cut | State::Ended) {
            drop(inner);
            reset(&client);
            return reset(&server);
        }
        inner.ends.extend([kept, other]);
    }
    let [Ok(from), Ok(to)] = [client.try_clone(), server.try_clone()] else {
        reset(&server);
        return reset(&client);
    };
    let own = Arc::clone(shared);
    std::thread::spawn(move || pump(from, to, &own));
    pump(server, client, shared);
}

/// One direction.
fn pump(mut from: TcpStream, mut to: TcpStream, shared: &Shared) {
    let _ = (from.set_nodelay(true), to.set_nodelay(true));
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if !shared.may_pass() || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // The end of a connection does not pass a frozen network either.
    shared.may_pass();
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo() -> Result<u16> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let (mut from, mut to) = (stream.try_clone().unwrap(), stream);
                    let mut byte = [0];
                    while from.read_exact(&mut byte).is_ok() && to.write_all(&byte).is_ok() {}
                });
            }
        });
        Ok(port)
    }

    #[test]
    fn what_is_frozen_arrives_later_and_what_is_cut_never() -> Result<()> {
        let proxy = Proxy::start(echo()?)?;
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port()))?;
        let mut byte = [0];
        client.write_all(b"a")?;
        client.read_exact(&mut byte)?;
        assert_eq!(&byte, b"a");
        proxy.freeze();
        client.write_all(b"b")?;
        client.set_read_timeout(Some(Duration::from_millis(100)))?;
        assert!(client.read_exact(&mut byte).is_err(), "a frozen network");
        proxy.resume();
        client.set_read_timeout(Some(Duration::from_secs(10)))?;
        client.read_exact(&mut byte)?;
        assert_eq!(&byte, b"b");
        proxy.cut();
        assert!(!matches!(client.read(&mut byte), Ok(1)));
        Ok(())
    }
}
