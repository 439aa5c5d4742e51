//! From the kernel's drop count of a socket, which wraps at 32 bits and is told twice (with each
//! datagram, and when asked), to a total that only grows.

use std::sync::atomic::{AtomicU64, Ordering};

/// Follows the drop count of one socket.
#[derive(Debug)]
pub(super) struct DropCount {
    /// The count when the listener got the socket; not ours to report.
    start: u32,
}

impl DropCount {
    pub(super) const fn starting_at(start: u32) -> Self {
        Self { start }
    }

    /// Raises `total` to what a reading says. A reading that is older than the total (it
    /// travelled with a datagram that waited) changes nothing.
    pub(super) fn observe(&self, reading: u32, total: &AtomicU64) {
        let since_start = reading.wrapping_sub(self.start);
        let known = total.load(Ordering::Relaxed);
        let low_half = u32::try_from(known & u64::from(u32::MAX)).unwrap_or(0);
        let ahead = since_start.wrapping_sub(low_half);
        if ahead != 0 && ahead < u32::MAX / 2 {
            total.fetch_max(known.saturating_add(u64::from(ahead)), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn total_grows_over_a_wrap_and_ignores_older_readings() {
        let drops = DropCount::starting_at(u32::MAX - 10);
        let total = AtomicU64::new(0);
        for (reading, expected) in [
            (u32::MAX - 10, 0),
            (u32::MAX, 10),
            (4, 15),
            (u32::MAX, 15),
            (2_000_000_000, 2_000_000_011),
            (4_000_000_000, 4_000_000_011),
            (1_000_000_000, 5_294_967_307),
            (4_000_000_000, 5_294_967_307),
        ] {
            drops.observe(reading, &total);
            assert_eq!(total.load(Ordering::Relaxed), expected, "{reading}");
        }
    }
}
