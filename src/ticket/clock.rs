//! The GTR clock (garantie de temps de rétablissement): which time counts, what is left, when the
//! target is passed. Integers only; wall time.
//!
//! The clock of a 24x7 contract counts every instant between its start and the restoration; a
//! relapse before closure adds another interval, the time between is not counted.

use crate::model::time::{NS_PER_S, Timestamp};
use serde::{Deserialize, Serialize};

/// A clock that started once and may have stopped and started again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GtrClock {
    intervals: Vec<(Timestamp, Option<Timestamp>)>,
}

impl GtrClock {
    /// A clock that runs since `start`.
    #[must_use]
    pub fn started(start: Timestamp) -> Self {
        Self { intervals: vec![(start, None)] }
    }

    /// A clock that could have run since `start` and does not yet.
    #[must_use]
    pub fn standing(start: Timestamp) -> Self {
        Self { intervals: vec![(start, Some(start))] }
    }

    /// Whether it runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.intervals.last().is_some_and(|(_, end)| end.is_none())
    }

    /// When it first started.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        self.intervals.first().map_or(Timestamp(0), |(start, _)| *start)
    }

    /// Stops it at `at`, but never before the running interval began.
    pub fn stop(&mut self, at: Timestamp) {
        if let Some((start, end)) = self.intervals.last_mut()
            && end.is_none()
        {
            *end = Some(at.max(*start));
        }
    }

    /// Starts it again; never before it last stopped, so that no time counts twice. One that has
    /// not run before starts only now.
    pub fn resume(&mut self, at: Timestamp) {
        if let Some((start, Some(end))) = self.intervals.last().copied() {
            if start == end {
                self.intervals.pop();
            }
            self.intervals.push((at.max(end), None));
        }
    }

    /// Nanoseconds counted until `at`.
    #[must_use]
    pub fn elapsed_ns(&self, at: Timestamp) -> i64 {
        self.intervals.iter().fold(0_i64, |sum, (start, end)| {
            let until = end.unwrap_or(at);
            sum.saturating_add(until.ns_since(*start).max(0))
        })
    }

    /// When the target is passed, while the clock runs.
    #[must_use]
    pub fn breach_at(&self, target_s: i64) -> Option<Timestamp> {
        let (start, end) = self.intervals.last()?;
        if end.is_some() {
            return None;
        }
        let before = self.elapsed_ns(*start);
        let left = target_s.saturating_mul(NS_PER_S).saturating_sub(before);
        Some(start.plus_ns(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600 * NS_PER_S;

    #[test]
    fn counts_reopened_intervals_once_and_moves_the_breach() {
        let mut clock = GtrClock::started(Timestamp(0));
        assert_eq!(clock.breach_at(4 * 3_600), Some(Timestamp(4 * HOUR)));
        clock.stop(Timestamp(HOUR));
        assert_eq!(clock.elapsed_ns(Timestamp(9 * HOUR)), HOUR);
        assert_eq!(clock.breach_at(4 * 3_600), None);
        clock.resume(Timestamp(2 * HOUR));
        assert!(clock.is_running());
        assert_eq!(clock.elapsed_ns(Timestamp(3 * HOUR)), 2 * HOUR);
        assert_eq!(clock.breach_at(4 * 3_600), Some(Timestamp(5 * HOUR)));
    }

    #[test]
    fn a_standing_clock_starts_when_it_is_resumed() {
        let mut clock = GtrClock::standing(Timestamp(HOUR));
        assert!(!clock.is_running());
        assert_eq!((clock.elapsed_ns(Timestamp(9 * HOUR)), clock.breach_at(60)), (0, None));
        assert_eq!(clock.started_at(), Timestamp(HOUR));
        clock.resume(Timestamp(3 * HOUR));
        assert_eq!(clock.started_at(), Timestamp(3 * HOUR));
        assert_eq!(clock.elapsed_ns(Timestamp(5 * HOUR)), 2 * HOUR);
    }

    #[test]
    fn never_runs_backwards_when_the_wall_clock_is_set_back() {
        let mut clock = GtrClock::started(Timestamp(HOUR));
        assert_eq!(clock.elapsed_ns(Timestamp(0)), 0);
        clock.stop(Timestamp(0));
        clock.resume(Timestamp(0));
        assert_eq!(clock.elapsed_ns(Timestamp(HOUR)), 0);
    }
}
