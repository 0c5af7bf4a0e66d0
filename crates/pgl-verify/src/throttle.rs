//! Bounds the load: pauses between chunks so that no more bytes a second are read than allowed.
//! Never pauses inside a statement or a barrier.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(crate) struct Throttle {
    rate: Option<u64>,
    free_at: Mutex<Instant>,
}

impl Throttle {
    pub(crate) fn new(rate: Option<u64>) -> Self {
        Self {
            rate,
            free_at: Mutex::new(Instant::now()),
        }
    }

    /// How long to wait before reading this many bytes more.
    pub(crate) fn wait_for(&self, bytes: u64) -> Duration {
        let Some(rate) = self.rate else {
            return Duration::ZERO;
        };
        let now = Instant::now();
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let start = (*free_at).max(now);
        #[expect(clippy::cast_precision_loss, reason = "a pause, not a position")]
        let cost = Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64);
        *free_at = start + cost;
        start - now
    }

    /// Pages of 8 kB that a chunk may have, so that a slow rate does not come in long bursts.
    pub(crate) fn pages_at_once(&self) -> u64 {
        self.rate.map_or(u64::MAX, |rate| (rate / 8192).max(128))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_spread_over_time() {
        let throttle = Throttle::new(Some(1_000_000));
        assert!(throttle.wait_for(2_000_000) < Duration::from_millis(50));
        let second = throttle.wait_for(1);
        assert!(second > Duration::from_millis(1900) && second <= Duration::from_secs(2));
        assert_eq!(Throttle::new(None).wait_for(u64::MAX), Duration::ZERO);
    }
}
