//! The work of the pause on a thread of its own. A network that falls silent tells nobody: a statement
//! then waits for its answer for minutes, or for hours, while the limit of the pause passes. So
//! whoever decides does not wait with it, and turns away when the time is up.
//!
//! A thread that was left may wake up again. It can do no harm: its sessions are ended on the server
//! before anything is opened again, and the one statement that matters, the release, is sent only by
//! whoever gets hold of [`SharedAttempt::commit`] first.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use pgl_apply::Error;
use pgl_cli::Interrupt;

use crate::hook::HookLimit;
use crate::view::Phase;

/// After a signal, or the limit of the pause: what ends by itself, ends within this.
const GRACE: Duration = Duration::from_secs(1);
/// Between two looks at signals and the clock.
const LOOK: Duration = Duration::from_millis(20);

/// A process that did not run for so long was stopped.
const STOPPED: Duration = Duration::from_secs(2);

const OPEN: u8 = 0;
const COMMITTING: u8 = 1;
const LEFT: u8 = 2;

/// What the thread and whoever waits for it share.
#[derive(Default)]
pub(crate) struct SharedAttempt {
    release: AtomicU8,
    /// When the pause began, and when it must be over.
    pause: Mutex<Option<(Instant, Instant)>>,
    phases: Mutex<Vec<Phase>>,
    /// The hook that runs.
    hook: Mutex<Option<HookLimit>>,
}

impl SharedAttempt {
    /// Whether the release may be sent: not when the work was left.
    pub(crate) fn commit(&self) -> bool {
        self.claim(COMMITTING)
    }

    /// Leaves the work: whether it is certain that the release was not sent.
    fn leave(&self) -> bool {
        self.claim(LEFT)
    }

    fn claim(&self, state: u8) -> bool {
        self.release
            .compare_exchange(OPEN, state, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    pub(crate) fn pause_began(&self, at: Instant, until: Instant) {
        *self.pause.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, until));
    }

    pub(crate) fn pause(&self) -> Option<(Instant, Instant)> {
        *self.pause.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn hook_began(&self, limit: HookLimit) {
        *self.hook.lock().unwrap_or_else(PoisonError::into_inner) = Some(limit);
    }

    pub(crate) fn hook_ended(&self) {
        *self.hook.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What the work waits for when the limit of the pause has passed; `stopped` is the longest time in which this process
    /// did not run.
    fn too_long(&self, began: Instant, stopped: Duration) -> Error {
        let hook = self.hook.lock().unwrap_or_else(PoisonError::into_inner);
        match &*hook {
            _ if stopped > STOPPED => Error::NotYet {
                side: pgl_core::Side::Source,
                what: format!(
                    "the write outage reached its limit: this process was stopped for {:.1} s (SIGSTOP, or a suspended machine)",
                    stopped.as_secs_f64()
                ),
                hint: "run it again".to_owned(),
            },
            // What it started may take a while to be gone.
            Some(limit) => limit.exceeded(""),
            None => Error::NotYet {
                side: pgl_core::Side::Source,
                what: format!(
                    "the write outage reached its limit after {:.1} s, and a server does not answer",
                    began.elapsed().as_secs_f64()
                ),
                hint: "look at the network between here and the servers".to_owned(),
            },
        }
    }

    pub(crate) fn did(&self, phase: Phase) {
        self.phases
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(phase);
    }

    pub(crate) fn phases(&self) -> Vec<Phase> {
        self.phases
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// How work aside came out.
pub(crate) enum Came<E, T> {
    /// It has ended, one way or the other.
    Back(Box<E>, T),
    /// It was left, for this reason.
    Left {
        why: Error,
        /// Whether it is certain that the release was not sent.
        unsent: bool,
    },
}

/// Runs `work` on a thread and waits for it, until a signal or the limit of the pause.
pub(crate) fn on_thread<E: Send + 'static, T: Send + 'static>(
    mut engine: Box<E>,
    shared: &SharedAttempt,
    interrupt: &Interrupt,
    work: impl FnOnce(&mut E) -> T + Send + 'static,
) -> Came<E, T> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new()
        .name("pause".to_owned())
        .spawn(move || {
            let outcome = work(&mut engine);
            // Nobody receives what was left: its sessions are closed here.
            let _unwanted = sender.send((engine, outcome));
        });
    let left = |why: Error| Came::Left {
        why,
        unsent: shared.leave(),
    };
    if let Err(error) = thread {
        return left(Error::Program {
            what: "a thread could not be started".to_owned(),
            detail: error.to_string(),
            hint: "nothing was begun; try again".to_owned(),
        });
    }
    let mut signalled: Option<Instant> = None;
    let mut looked = Instant::now();
    let mut stopped = Duration::ZERO;
    loop {
        stopped = stopped.max(looked.elapsed());
        looked = Instant::now();
        match receiver.recv_timeout(LOOK) {
            Ok((engine, outcome)) => return Came::Back(engine, outcome),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return left(Error::Program {
                    what: "the work while writes were blocked ended unexpectedly".to_owned(),
                    detail: "a thread is gone".to_owned(),
                    hint: "RUST_BACKTRACE=1 shows where; please report it".to_owned(),
                });
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        if interrupt.exit().is_some() {
            let since = *signalled.get_or_insert_with(Instant::now);
            if since.elapsed() > GRACE {
                return left(Error::Interrupted);
            }
        }
        if let Some((began, until)) = shared.pause()
            && Instant::now() > until + GRACE
        {
            return left(shared.too_long(began, stopped.max(looked.elapsed())));
        }
    }
}

pub(crate) type Shared = Arc<SharedAttempt>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_sent_or_the_work_is_left_and_never_both() {
        let shared = SharedAttempt::default();
        assert!(shared.commit());
        assert!(!shared.leave(), "it may have been sent");
        let shared = SharedAttempt::default();
        assert!(shared.leave());
        assert!(!shared.commit(), "it was left");
    }

    #[test]
    fn a_process_that_was_stopped_does_not_blame_the_network() {
        let shared = SharedAttempt::default();
        let said = |stopped| shared.too_long(Instant::now(), stopped).to_string();
        assert!(said(Duration::from_secs(90)).contains("this process was stopped for 90.0 s"));
        assert!(said(Duration::from_millis(30)).contains("a server does not answer"));
    }

    #[test]
    fn what_does_not_answer_is_left_at_the_limit_and_after_a_signal() {
        let hang = |_: &mut ()| std::thread::sleep(Duration::from_secs(20));
        let shared = SharedAttempt::default();
        shared.pause_began(Instant::now(), Instant::now());
        let came = on_thread(Box::new(()), &shared, &Interrupt::default(), hang);
        assert!(matches!(
            came,
            Came::Left {
                why: Error::NotYet { .. },
                unsent: true
            }
        ));
        shared.hook_began(HookLimit::new("hook-x", Duration::ZERO, None));
        let came = on_thread(Box::new(()), &shared, &Interrupt::default(), hang);
        assert!(
            matches!(came, Came::Left { why: Error::Late { what, .. }, .. } if what.starts_with("hook-x exceeded")),
            "a hook was running"
        );
        let (shared, interrupt) = (SharedAttempt::default(), Interrupt::default());
        interrupt.raise(2);
        let came = on_thread(Box::new(()), &shared, &interrupt, hang);
        assert!(matches!(
            came,
            Came::Left {
                why: Error::Interrupted,
                unsent: true
            }
        ));
    }

    #[test]
    fn what_ends_comes_back() {
        let shared = SharedAttempt::default();
        let came = on_thread(Box::new(7), &shared, &Interrupt::default(), |n| *n + 1);
        assert!(matches!(came, Came::Back(_, 8)));
    }
}
