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

use crate::model::threshold::ThresholdRule;
use crate::model::time::Timestamp;
use crate::shell::series::lasting::{Begun, Lasting};

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
    /// Samples that are to be told because bands ask that values last.
    lasting: Lasting,
}

/// A number to be held against the zones of a rule.
#[derive(Clone, Copy)]
pub(super) struct Compared<'r> {
    /// The number.
    pub(super) number: f64,
    /// Its zone.
    pub(super) zone: u8,
    /// The rule.
    pub(super) rule: &'r ThresholdRule,
}

/// The instants with which a zone is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Instants {
    /// Its first sample, or the one at hand where the engine is known to have that.
    pub(super) since: Timestamp,
    /// The one at hand, where the engine may have the first or not: it may be the one that counts.
    pub(super) also: Option<Timestamp>,
}

/// When a sample was taken, when it came, and with which request, which is not 0.
#[derive(Clone, Copy)]
pub(super) struct When {
    /// When it was taken.
    pub(super) at: Timestamp,
    /// Engine second in which it came.
    pub(super) now_s: u32,
    /// The request.
    pub(super) request: u32,
    /// Whether one of that instant, or of a later one, was taken before: the engine counts only
    /// what is newer.
    pub(super) is_again: bool,
}

impl Standing {
    /// Takes a sample; gives the instants to tell it with, if it is to be told: when the zone is
    /// news, for as many samples after that as the rule counts, and when a band may have lasted.
    #[inline]
    pub(super) fn take(&mut self, sample: Compared<'_>, when: When) -> Option<Instants> {
        if sample.zone != self.told || !self.is_known_by(when.request) {
            return Some(self.tell_zone(sample, when));
        }
        if when.is_again {
            return None;
        }
        let may_have_lasted = self.lasting.take(when.now_s);
        if self.rest == 0 && !may_have_lasted {
            return None;
        }
        self.rest = self.rest.saturating_sub(1);
        self.fly(when.request);
        Some(Instants { since: when.at, also: None })
    }

    #[cold]
    fn tell_zone(&mut self, Compared { number, zone, rule }: Compared<'_>, when: When) -> Instants {
        let is_another = zone != self.told;
        let is_known = is_another && self.is_known_by(when.request);
        let begun = if is_known { Begun::Now } else { Begun::Unknown };
        if is_another || self.since == Timestamp(0) {
            self.since = when.at;
        }
        self.lasting.enter(begun, when.now_s, rule.lasts_ms(number));
        self.told = zone;
        self.rest = u8::try_from(rule.samples_told()).unwrap_or(u8::MAX).saturating_sub(1);
        self.fly(when.request);
        Instants { since: self.since, also: (when.at > self.since).then_some(when.at) }
    }

    /// The zone that was told last; `None` while that counts for nothing.
    pub(super) fn zone(&self) -> Option<u8> {
        (self.is_sure || self.since != Timestamp(0)).then_some(self.told)
    }

    /// The first sample of the present zone; long ago when that counts for nothing.
    pub(super) fn since(&self) -> Timestamp {
        self.since
    }

    /// Whether the engine has the zone that was told last, or will before what this request tells.
    fn is_known_by(&self, request: u32) -> bool {
        self.is_sure || (self.flight == request && self.since != Timestamp(0))
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

    /// The series falls silent: the next zone is news, whatever it is, and what is in flight is not
    /// believed.
    pub(super) fn forget(&mut self) {
        self.is_sure = false;
        self.is_contested |= self.flight != 0;
        self.since = Timestamp(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::severity::Severity;
    use crate::model::threshold::{Band, Cut, Extent};

    fn at(second: i64) -> Timestamp {
        Timestamp(second * 1_000_000_000)
    }

    /// A rule with one band above zero, so that zone 0 is normal.
    fn rule(samples: u32, for_ms: u64) -> ThresholdRule {
        let raise = Cut::above(0.0).expect("finite");
        let extent = Extent::Above { raise, clear: raise };
        ThresholdRule {
            name: String::new(),
            alarm_type: String::new(),
            bands: vec![Band { severity: Severity::Major, extent, for_ms, samples }],
            absent_alarm_type: String::new(),
            absent_severity: Severity::Major,
        }
    }

    impl Standing {
        fn see(&mut self, zone: u8, second: i64, samples: u32, request: u32) -> Option<Timestamp> {
            self.see_by(&rule(samples, 0), zone, second, request)
        }

        fn see_by(
            &mut self,
            rule: &ThresholdRule,
            zone: u8,
            second: i64,
            request: u32,
        ) -> Option<Timestamp> {
            let sample = Compared { number: f64::from(zone), zone, rule };
            let now_s = u32::try_from(second).expect("small");
            let is_again = at(second) <= self.since;
            let when = When { at: at(second), now_s, request, is_again };
            self.take(sample, when).map(|told| told.since)
        }
    }

    #[test]
    fn a_cold_series_is_told_once_and_then_when_its_zone_changes() {
        let mut standing = Standing::default();
        assert_eq!(standing.see(0, 1, 1, 1), Some(at(1)));
        standing.settle(1, true);
        assert_eq!(standing.see(0, 2, 1, 2), None);
        assert_eq!(standing.see(2, 3, 1, 3), Some(at(3)));
        assert_eq!(standing.see(2, 4, 1, 3), None, "the same request has told it");
        assert_eq!(standing.see(1, 5, 1, 3), Some(at(5)));
        standing.settle(3, true);
        assert_eq!(standing.see(1, 6, 1, 4), None);
    }

    #[test]
    fn as_many_samples_are_told_as_the_rule_counts() {
        let mut standing = Standing::default();
        for (second, told) in [(1, true), (2, true), (3, true), (4, false), (5, false)] {
            let request = u32::try_from(second).unwrap();
            assert_eq!(standing.see(2, second, 3, request), told.then_some(at(second)));
            standing.settle(request, true);
        }
        assert_eq!(standing.see(1, 6, 3, 6), Some(at(6)));
        assert_eq!(standing.see(2, 7, 3, 6), Some(at(7)), "it begins again");
        assert_eq!(standing.see(2, 8, 3, 6), Some(at(8)));
        assert_eq!(standing.see(2, 9, 3, 6), Some(at(9)));
        assert_eq!(standing.see(2, 10, 3, 6), None);
    }

    #[test]
    fn what_was_not_durable_is_told_again_with_its_first_instant() {
        let mut standing = Standing::default();
        let _ = standing.see(0, 1, 1, 1);
        standing.settle(1, true);
        assert_eq!(standing.see(2, 2, 1, 2), Some(at(2)));
        standing.settle(2, false);
        assert_eq!(standing.see(2, 9, 1, 3), Some(at(2)));
        standing.settle(3, false);
        assert_eq!(standing.see(0, 10, 1, 4), Some(at(10)), "the engine may have either");
        standing.settle(4, true);
        assert_eq!(standing.see(0, 11, 1, 5), None);
    }

    #[test]
    fn two_requests_at_once_are_not_believed() {
        let mut standing = Standing::default();
        assert_eq!(standing.see(2, 1, 1, 1), Some(at(1)));
        assert_eq!(standing.see(0, 2, 1, 2), Some(at(2)));
        standing.settle(1, true);
        assert_eq!(standing.see(0, 3, 1, 2), None, "still in flight");
        standing.settle(2, true);
        assert_eq!(standing.see(0, 4, 1, 3), Some(at(2)), "either may have been the last");
        standing.settle(3, true);
        assert_eq!(standing.see(0, 5, 1, 4), None);
    }

    #[test]
    fn after_silence_the_zone_is_news_from_then_on() {
        let mut standing = Standing::default();
        let _ = standing.see(1, 1, 1, 1);
        standing.settle(1, true);
        standing.forget();
        assert_eq!(standing.see(1, 9, 1, 2), Some(at(9)));
    }

    #[test]
    fn a_sample_ends_the_time_that_a_band_asks_for() {
        let (mut standing, rule) = (Standing::default(), rule(1, 600_000));
        let mut told = |seconds: &[i64], zone: u8, is_durable: bool| -> Vec<i64> {
            let told = seconds.iter().copied().filter(|second| {
                let request = u32::try_from(*second).expect("small");
                let is_told = standing.see_by(&rule, zone, *second, request).is_some();
                standing.settle(request, is_durable);
                is_told
            });
            told.collect()
        };
        assert_eq!(told(&[10, 20], 0, true), [10]);
        let minutes: Vec<i64> = (1..=20).map(|minute| minute * 60).collect();
        assert_eq!(told(&minutes, 1, true), [60, 660, 720]);
        assert_eq!(told(&[1_300, 1_310], 0, true), [1_300]);
        assert_eq!(told(&[2_000], 1, true), [2_000]);
        assert_eq!(told(&[2_601], 1, false), [2_601]);
        assert_eq!(told(&[2_610, 2_620, 2_630], 1, true), [2_610, 2_620, 2_630]);
        assert_eq!(told(&[3_300, 3_400, 3_500], 1, true), [3_300]);
    }
}

#[cfg(test)]
#[path = "standing_tests.rs"]
mod property;
