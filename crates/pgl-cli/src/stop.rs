//! For tests of interrupted runs: a tool stops itself at a named point.

/// Stops this process (SIGSTOP) at `point` if `PGL_TEST_STOP_AT` names it, the first time that it comes there.
/// Release builds do not have it.
#[cfg(debug_assertions)]
pub fn stop_point(point: &str) {
    use std::sync::atomic::{AtomicBool, Ordering};
    static STOPPED: AtomicBool = AtomicBool::new(false);
    let wanted = std::env::var_os("PGL_TEST_STOP_AT");
    if wanted.is_some_and(|wanted| wanted == point)
        && !STOPPED.swap(true, Ordering::SeqCst)
        && let Err(error) = signal_hook::low_level::raise(signal_hook::consts::SIGSTOP)
    {
        ::log::error!("cannot stop at {point}: {error}");
    }
}

/// Release builds stop nowhere.
#[cfg(not(debug_assertions))]
pub fn stop_point(_: &str) {}
