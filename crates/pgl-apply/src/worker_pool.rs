//! Workers, each with sessions of its own, on threads of its own pool: workers wait for
//! servers, so the number of processors says nothing about how many there should be.

use rayon::ThreadPoolBuilder;

/// Runs `work` on `jobs` threads at once and gives back what each came to. Where threads cannot be
/// had, the caller's does it alone.
pub(crate) fn run_workers<T: Send>(jobs: usize, work: impl Fn() -> T + Sync) -> Vec<T> {
    match ThreadPoolBuilder::new().num_threads(jobs.max(1)).build() {
        Ok(pool) => pool.broadcast(|_| work()),
        Err(error) => {
            log::warn!("working with one thread: {error}");
            vec![work()]
        }
    }
}
