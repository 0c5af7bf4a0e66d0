//! SIGINT and SIGTERM: the first asks the tool to stop and cancels what runs on the servers, the
//! second ends the process at once.

use std::io;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pgl_core::Exit;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::Failure;

type Canceller = Box<dyn Fn() + Send>;

/// Whether somebody asked the tool to stop, and what is to be cancelled then. Clones share state.
#[derive(Clone, Default)]
pub struct Interrupt {
    signal: Arc<AtomicI32>,
    cancellers: Arc<Mutex<Vec<(u64, Canceller)>>>,
    next: Arc<Mutex<u64>>,
}

/// Keeps a canceller registered until dropped.
#[must_use = "the query is cancelled on a signal only while this lives"]
pub struct Registration {
    interrupt: Interrupt,
    id: u64,
}

impl Interrupt {
    /// Starts to listen for signals. One thread per process.
    pub fn listen(&self) -> io::Result<()> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let this = self.clone();
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for signal in signals.forever() {
                    let before = this.signal.swap(signal, Ordering::SeqCst);
                    if before != 0 {
                        end_now(signal);
                    }
                    // Aside: a silent network must not keep the second signal waiting.
                    let this = this.clone();
                    std::thread::spawn(move || this.cancel_all());
                }
            })?;
        Ok(())
    }

    /// Asks for the end as a signal would; for tests and time limits.
    pub fn raise(&self, signal: i32) {
        self.signal.store(signal, Ordering::SeqCst);
        self.cancel_all();
    }

    fn cancel_all(&self) {
        let list = self
            .cancellers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (_, cancel) in list.iter() {
            cancel();
        }
    }

    /// Registers what to do when a signal comes: usually a session's cancel handle. It runs on
    /// the signal thread, and at once if a signal has already come.
    pub fn on_signal(&self, cancel: impl Fn() + Send + 'static) -> Registration {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next += 1;
        let id = *next;
        let mut list = self
            .cancellers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if self.signal.load(Ordering::SeqCst) != 0 {
            cancel();
        }
        list.push((id, Box::new(cancel)));
        Registration {
            interrupt: self.clone(),
            id,
        }
    }

    /// The exit code asked for, if a signal has come.
    pub fn exit(&self) -> Option<Exit> {
        match self.signal.load(Ordering::SeqCst) {
            0 => None,
            SIGTERM => Some(Exit::Terminated),
            _ => Some(Exit::Interrupted),
        }
    }

    /// Fails if a signal has come; long loops call it between steps.
    pub fn check(&self) -> Result<(), Failure> {
        match self.exit() {
            None => Ok(()),
            Some(exit) => Err(Failure::new(exit, "interrupted")),
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut list = self
            .interrupt
            .cancellers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        list.retain(|(id, _)| *id != self.id);
    }
}

#[expect(
    clippy::disallowed_methods,
    clippy::exit,
    reason = "the second signal means: now, whatever the tool is waiting for"
)]
fn end_now(signal: i32) {
    std::process::exit(128 + signal);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn a_signal_cancels_what_is_registered_and_nothing_else() {
        let interrupt = Interrupt::default();
        let count = Arc::new(AtomicUsize::new(0));
        let add = |n: usize| {
            let count = Arc::clone(&count);
            move || {
                count.fetch_add(n, Ordering::SeqCst);
            }
        };
        let kept = interrupt.on_signal(add(1));
        drop(interrupt.on_signal(add(10)));
        assert!(interrupt.check().is_ok());
        interrupt.raise(SIGINT);
        assert_eq!(count.load(Ordering::SeqCst), 1);
        assert_eq!(interrupt.check().unwrap_err().exit, Exit::Interrupted);
        let late = interrupt.on_signal(add(100));
        assert_eq!(count.load(Ordering::SeqCst), 101);
        drop((kept, late));
    }
}
