//! In which zone of a rule a series lies, whether the engine was told, and whether it has it.
//!
//! In: the zone of each sample, and what became of the requests that told something. Out: whether
//! the sample is to be told, and since when the series is there. It is soft: losing it costs an
//! interval, or tells the engine what it knows already.
//!
//! ```text
//!           another zone                  durable
//!   sure ─────────────────▶ in flight ───────────────▶ sure
//!                            │     ▲
//!              not durable   ▼     │ the next sample, whatever its zone
//!                            unsure
//! ```
//!
//! Two requests that tell of one series at once may reach the journal in either order. Then
//! neither is believed, and the next sample tells again.

use crate::model::time::Timestamp;

/// The soft state of one series under one rule. Begins unsure.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Standing {
    /// The first sample of the present zone.
    since: Timestamp,
    /// The request in flight, 0 for none.
    flight: u32,
    /// The zone that the engine was told last.
    told: u8,
    /// Samples of the present zone that are still to be told.
    rest: u8,
    /// Whether the engine is known to have it.
    is_sure: bool,
    /// Whether a second request told while one was in flight.
    is_contested: bool,
}

impl Standing {
    /// Takes the zone of a sample; gives the instant to tell it with, if it is to be told: when the
    /// zone is news, and as many samples after that as make `samples` of them. `request` is not 0.
    #[inline]
    pub(super) fn take(
        &mut self,
        zone: u8,
        at: Timestamp,
        samples: u8,
        request: u32,
    ) -> Option<Timestamp> {
        let is_known = self.is_sure || self.flight == request;
        if zone == self.told && is_known {
            self.rest = self.rest.checked_sub(1)?;
            self.fly(request);
            return Some(at);
        }
        if zone != self.told || self.since == Timestamp(0) {
            self.since = at;
        }
        self.told = zone;
        self.rest = samples.saturating_sub(1);
        self.fly(request);
        Some(self.since)
    }

    /// The zone that was told last; `None` while that counts for nothing.
    pub(super) fn zone(&self) -> Option<u8> {
        (self.is_sure || self.since != Timestamp(0)).then_some(self.told)
    }

    /// The first sample of the present zone; long ago when that counts for nothing.
    pub(super) fn since(&self) -> Timestamp {
        self.since
    }

    fn fly(&mut self, request: u32) {
        self.is_contested |= self.flight != 0 && self.flight != request;
        self.flight = request;
        self.is_sure = false;
    }

    /// Learns what became of a request that told something.
    pub(super) fn settle(&mut self, request: u32, is_durable: bool) {
        if self.flight == request {
            self.flight = 0;
            self.is_sure = is_durable && !self.is_contested;
            self.is_contested = false;
        }
    }

    /// The series falls silent: the next zone is news, whatever it is.
    pub(super) fn forget(&mut self) {
        self.is_sure = false;
        self.since = Timestamp(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp(second * 1_000_000_000)
    }

    #[test]
    fn a_cold_series_is_told_once_and_then_when_its_zone_changes() {
        let mut standing = Standing::default();
        assert_eq!(standing.take(0, at(1), 1, 1), Some(at(1)));
        standing.settle(1, true);
        assert_eq!(standing.take(0, at(2), 1, 2), None);
        assert_eq!(standing.take(2, at(3), 1, 3), Some(at(3)));
        assert_eq!(standing.take(2, at(4), 1, 3), None, "the same request has told it");
        assert_eq!(standing.take(1, at(5), 1, 3), Some(at(5)));
        standing.settle(3, true);
        assert_eq!(standing.take(1, at(6), 1, 4), None);
    }

    #[test]
    fn as_many_samples_are_told_as_the_rule_counts() {
        let mut standing = Standing::default();
        for (second, told) in [(1, true), (2, true), (3, true), (4, false), (5, false)] {
            let request = u32::try_from(second).unwrap();
            assert_eq!(standing.take(2, at(second), 3, request), told.then_some(at(second)));
            standing.settle(request, true);
        }
        assert_eq!(standing.take(1, at(6), 3, 6), Some(at(6)));
        assert_eq!(standing.take(2, at(7), 3, 6), Some(at(7)), "it begins again");
        assert_eq!(standing.take(2, at(8), 3, 6), Some(at(8)));
        assert_eq!(standing.take(2, at(9), 3, 6), Some(at(9)));
        assert_eq!(standing.take(2, at(10), 3, 6), None);
    }

    #[test]
    fn what_was_not_durable_is_told_again_with_its_first_instant() {
        let mut standing = Standing::default();
        let _ = standing.take(0, at(1), 1, 1);
        standing.settle(1, true);
        assert_eq!(standing.take(2, at(2), 1, 2), Some(at(2)));
        standing.settle(2, false);
        assert_eq!(standing.take(2, at(9), 1, 3), Some(at(2)));
        standing.settle(3, false);
        assert_eq!(standing.take(0, at(10), 1, 4), Some(at(10)), "the engine may have either");
        standing.settle(4, true);
        assert_eq!(standing.take(0, at(11), 1, 5), None);
    }

    #[test]
    fn two_requests_at_once_are_not_believed() {
        let mut standing = Standing::default();
        assert_eq!(standing.take(2, at(1), 1, 1), Some(at(1)));
        assert_eq!(standing.take(0, at(2), 1, 2), Some(at(2)));
        standing.settle(1, true);
        assert_eq!(standing.take(0, at(3), 1, 2), None, "still in flight");
        standing.settle(2, true);
        assert_eq!(standing.take(0, at(4), 1, 3), Some(at(2)), "either may have been the last");
        standing.settle(3, true);
        assert_eq!(standing.take(0, at(5), 1, 4), None);
    }

    #[test]
    fn after_silence_the_zone_is_news_from_then_on() {
        let mut standing = Standing::default();
        let _ = standing.take(1, at(1), 1, 1);
        standing.settle(1, true);
        standing.forget();
        assert_eq!(standing.take(1, at(9), 1, 2), Some(at(9)));
    }
}
