//! At most one log line in ten seconds of a kind that a broken peer could make endless.

use std::sync::atomic::{AtomicU64, Ordering};

/// Time between two lines, ns.
const BETWEEN_NS: u64 = 10_000_000_000;

/// Lets one line through per while and counts the others.
#[derive(Debug, Default)]
pub struct Limiter {
    open_at_ns: AtomicU64,
    suppressed: AtomicU64,
}

impl Limiter {
    /// Whether to write the line now: how many were left out since the last. `now_ns` is the boot
    /// clock.
    pub fn pass(&self, now_ns: u64) -> Option<u64> {
        let open_at_ns = self.open_at_ns.load(Ordering::Relaxed);
        let next_ns = now_ns.saturating_add(BETWEEN_NS);
        let is_ours = now_ns >= open_at_ns
            && self
                .open_at_ns
                .compare_exchange(open_at_ns, next_ns, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if is_ours {
            return Some(self.suppressed.swap(0, Ordering::Relaxed));
        }
        self.suppressed.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_per_while_and_the_rest_counted() {
        let limiter = Limiter::default();
        assert_eq!(limiter.pass(5), Some(0));
        assert_eq!(limiter.pass(6), None);
        assert_eq!(limiter.pass(BETWEEN_NS), None);
        assert_eq!(limiter.pass(BETWEEN_NS + 5), Some(2));
    }
}
