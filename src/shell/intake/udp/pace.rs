//! When a reader pauses so that datagrams coalesce. A wake-up costs more than the work on one
//! datagram; above some rate a pause of a fraction of a millisecond saves most of them, and below
//! it latency comes first.

use crate::model::limits::RECV_BATCH;
use crate::model::time::EngineTime;
use std::time::Duration;

/// Rate from which on the reader pauses, datagrams per second.
const BUSY_FROM: u64 = 20_000;
/// Rate below which it stops pausing: lower, so that it does not change its mind all the time.
const BUSY_UNTIL: u64 = 15_000;
/// How long the rate is measured before it counts, ns.
const WINDOW_NS: u64 = 20_000_000;
const PAUSE_US_MIN: u64 = 200;
const PAUSE_US_MAX: u64 = 500;
/// Datagrams that a pause should gather: what one or two calls take.
const GATHER: usize = RECV_BATCH * 3 / 2;

/// Measures the rate of one reader and says when to pause.
#[derive(Debug, Default)]
pub(super) struct Pace {
    window_start: EngineTime,
    window_count: u64,
    rate: u64,
    is_busy: bool,
}

impl Pace {
    /// Takes note of one round; the pause to make before the next, if any.
    pub(super) fn after_round(&mut self, count: usize, now: EngineTime) -> Option<Duration> {
        self.window_count = self.window_count.saturating_add(u64::try_from(count).unwrap_or(0));
        let elapsed_ns = now.ns_since(self.window_start);
        if elapsed_ns >= WINDOW_NS {
            self.rate = self.window_count.saturating_mul(1_000_000_000) / elapsed_ns;
            self.is_busy = self.rate >= if self.is_busy { BUSY_UNTIL } else { BUSY_FROM };
            self.window_start = now;
            self.window_count = 0;
        }
        if !self.is_busy || count >= RECV_BATCH {
            return None;
        }
        let gather_us = u64::try_from(GATHER).unwrap_or(0).saturating_mul(1_000_000);
        let pause_us = gather_us.checked_div(self.rate).unwrap_or(PAUSE_US_MAX);
        Some(Duration::from_micros(pause_us.clamp(PAUSE_US_MIN, PAUSE_US_MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds of one datagram at a fixed rate for a tenth of a second; the last pause.
    fn run(pace: &mut Pace, start_ns: u64, rate: u64) -> Option<Duration> {
        let mut last = None;
        for index in 0..rate / 10 {
            let now = EngineTime(start_ns + index * 1_000_000_000 / rate);
            last = pace.after_round(1, now);
        }
        last
    }

    #[test]
    fn pauses_only_when_busy_and_less_the_busier() {
        let mut pace = Pace::default();
        assert_eq!(run(&mut pace, 1_000_000_000, 1_000), None);
        assert_eq!(run(&mut pace, 2_000_000_000, 17_000), None);
        assert_eq!(run(&mut pace, 3_000_000_000, 25_000), Some(Duration::from_micros(500)));
        // Between the two limits it stays as it was.
        assert_eq!(run(&mut pace, 3_100_000_000, 17_000), Some(Duration::from_micros(500)));
        assert_eq!(run(&mut pace, 3_200_000_000, 200_000), Some(Duration::from_micros(480)));
        assert_eq!(run(&mut pace, 3_300_000_000, 900_000), Some(Duration::from_micros(200)));
        assert_eq!(run(&mut pace, 3_400_000_000, 1_000), None);
    }

    #[test]
    fn round_that_gathered_enough_is_followed_by_the_next_at_once() {
        let mut pace = Pace::default();
        run(&mut pace, 1_000_000_000, 50_000);
        assert_eq!(pace.after_round(RECV_BATCH, EngineTime(1_100_000_000)), None);
    }
}
