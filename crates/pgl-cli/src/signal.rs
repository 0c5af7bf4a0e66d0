//! SIGHUP, SIGINT, SIGQUIT and SIGTERM: the first asks the tool to stop and cancels what runs on the servers;
//! a second one ends the process at once, but for SIGHUP. A shell sends that once more to its jobs when the
//! terminal goes, and a service manager right after SIGTERM: nobody has asked twice then.

use std::any::Any;
use std::io;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pgl_conn::{CancelHandle, Watch};
use pgl_core::Exit;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::Failure;

type Canceller = Arc<dyn Fn() + Send + Sync>;

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

/// Nothing to be drawn.
impl Watch for Interrupt {
    fn say(&self, line: &str) {
        log::info!("{line}");
    }
    fn begin(&self, _: &str, _: u64, _: bool) {}
    fn add(&self, _: u64) {}
    fn doing(&self, what: &str) {
        log::debug!("{what}");
    }
    fn end(&self) {}
    fn stop(&self) -> bool {
        self.exit().is_some()
    }
    fn cancel_on_stop(&self, handle: CancelHandle) -> Box<dyn Any> {
        Box::new(self.on_signal(move || {
            if let Err(error) = handle.cancel() {
                log::debug!("cancelling: {error}");
            }
        }))
    }
}

impl Interrupt {
    /// Starts to listen for signals. One thread per process.
    pub fn listen(&self) -> io::Result<()> {
        let mut wanted = vec![SIGINT, SIGQUIT, SIGTERM];
        if !ignored(
            SIGHUP,
            &std::fs::read_to_string("/proc/self/status").unwrap_or_default(),
        ) {
            wanted.push(SIGHUP);
        }
        let mut signals = Signals::new(wanted)?;
        let this = self.clone();
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                let mut asked = false;
                for signal in signals.forever() {
                    let first =
                        this.signal
                            .compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
                    if second(&mut asked, signal) {
                        end_now(signal);
                    }
                    if first.is_err() {
                        continue;
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

    /// All at a time, and without keeping the list: a request takes as long as its connection does, and meanwhile sessions come
    /// and go.
    fn cancel_all(&self) {
        let list: Vec<Canceller> = self.list().iter().map(|(_, one)| Arc::clone(one)).collect();
        std::thread::scope(|scope| {
            for cancel in &list {
                scope.spawn(move || cancel());
            }
        });
    }

    fn list(&self) -> MutexGuard<'_, Vec<(u64, Canceller)>> {
        self.cancellers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers what to do when a signal comes: usually a session's cancel handle. It runs on
    /// a thread of its own, and at once if a signal has already come.
    pub fn on_signal(&self, cancel: impl Fn() + Send + Sync + 'static) -> Registration {
        let id = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            *next += 1;
            *next
        };
        let cancel: Canceller = Arc::new(cancel);
        self.list().push((id, Arc::clone(&cancel)));
        if self.signal.load(Ordering::SeqCst) != 0 {
            cancel();
        }
        Registration {
            interrupt: self.clone(),
            id,
        }
    }

    /// The exit code asked for, if a signal has come.
    pub fn exit(&self) -> Option<Exit> {
        match self.signal.load(Ordering::SeqCst) {
            0 => None,
            SIGHUP => Some(Exit::HungUp),
            SIGQUIT => Some(Exit::Quit),
            SIGTERM => Some(Exit::Terminated),
            _ => Some(Exit::Interrupted),
        }
    }

    /// Fails if a signal has come; long loops call it between steps.
    pub fn check(&self) -> Result<(), Failure> {
        match self.exit() {
            None => Ok(()),
            Some(exit) => Err(Failure::interrupted(exit)),
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.interrupt.list().retain(|(id, _)| *id != self.id);
    }
}

/// Whether a signal asks for the end for the second time.
fn second(asked: &mut bool, signal: i32) -> bool {
    signal != SIGHUP && std::mem::replace(asked, true)
}

/// Whether whoever started this process has it ignore a signal, as nohup does; `status` is the kernel's text about
/// the process.
fn ignored(signal: i32, status: &str) -> bool {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
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
    fn a_terminal_that_goes_is_no_second_signal() {
        let twice = |signals: [i32; 2]| {
            let mut asked = false;
            let [first, last] = signals.map(|signal| second(&mut asked, signal));
            assert!(!first);
            last
        };
        assert!(twice([SIGINT, SIGINT]));
        assert!(twice([SIGINT, SIGTERM]));
        for calm in [[SIGHUP, SIGHUP], [SIGTERM, SIGHUP], [SIGHUP, SIGTERM]] {
            assert!(!twice(calm), "{calm:?}");
        }
    }

    #[test]
    fn each_signal_has_its_exit_code() {
        for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
            let interrupt = Interrupt::default();
            interrupt.raise(signal);
            let exit = interrupt.exit().map(Exit::code);
            assert_eq!(exit.map(i32::from), Some(128 + signal));
        }
    }

    #[test]
    fn what_nohup_ignores_stays_ignored() {
        let status = "Name:\tpgl\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000002\n";
        assert!(ignored(SIGHUP, status));
        assert!(!ignored(SIGINT, status));
        assert!(!ignored(SIGHUP, ""));
    }

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

    /// A server that does not answer keeps neither the other requests waiting nor sessions that come and go.
    #[test]
    fn a_silent_server_holds_up_nobody() {
        let interrupt = Interrupt::default();
        let (release, silent) = std::sync::mpsc::channel::<()>();
        let silent = Mutex::new(silent);
        let (called, calls) = std::sync::mpsc::channel();
        let first = interrupt.on_signal(move || {
            let silent = silent.lock().unwrap_or_else(PoisonError::into_inner);
            assert!(silent.recv().is_ok());
        });
        let second = interrupt.on_signal(move || assert!(called.send(()).is_ok()));
        let other = interrupt.clone();
        let raised = std::thread::spawn(move || other.raise(SIGINT));
        let limit = std::time::Duration::from_secs(10);
        assert!(calls.recv_timeout(limit).is_ok());
        // The first request is still under way.
        drop(second);
        release.send(()).unwrap();
        raised.join().unwrap();
        drop(first);
    }
}
