//! What is usual for a series, by hour of the week, and how far a value is from that.
//!
//! In: values, one after the other. Out: how many spreads each lies from what is usual. While the
//! rule's time of learning lasts, and where nothing is known of an hour, every value is usual. A
//! value is judged by what was learnt before its hour; an hour teaches when it is over.
//!
//! Hours are those of UTC, which knows no summer time, or of the device's place. A place whose
//! clock is set back has one hour twice, which then counts as one.

use crate::classify::BaselineRule;
use crate::model::time::{NS_PER_S, Timestamp};
use crate::shell::series::bucket::{Around, Bucket, HOURS, median};
use jiff::tz::TimeZone;

/// Values kept of the hour at hand; of more than that every second, fourth, … is kept.
const VALUES_MAX: usize = 32;
/// Nanoseconds of an hour.
const HOUR_NS: i64 = 3_600 * NS_PER_S;
/// 1970 began on a Thursday: hours from Monday to there.
const THURSDAY: i64 = 72;

/// What was learnt of a series.
pub(super) struct Baseline {
    /// Hour, since 1970, of the first value; 0 before that.
    pub(super) began_h: u32,
    /// Hour of the newest value.
    pub(super) heard_h: u32,
    /// From Monday, midnight.
    pub(super) week: Box<[Bucket; HOURS]>,
    hour: Hour,
    /// What is usual in the hour at hand: where values lie, and how far they spread.
    usual: Option<(f64, f64)>,
}

/// The hour at hand.
struct Hour {
    /// Since 1970, where hours are counted.
    number: i64,
    values: Vec<f64>,
    /// Of so many values one is kept.
    stride: u32,
    /// Until the next that is kept.
    skip: u32,
}

/// How a value looks beside what is usual.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Seen {
    /// So many spreads above, or below when negative.
    pub(super) spreads: f64,
    /// What is usual, if that is known.
    pub(super) expected: Option<f64>,
}

impl Default for Baseline {
    fn default() -> Self {
        Self::known(0, 0, Box::new([Bucket::default(); HOURS]))
    }
}

impl Baseline {
    /// One that was learnt before.
    pub(super) fn known(began_h: u32, heard_h: u32, week: Box<[Bucket; HOURS]>) -> Self {
        let hour = Hour { number: i64::MIN, values: Vec::new(), stride: 1, skip: 0 };
        Self { began_h, heard_h, week, hour, usual: None }
    }

    /// Judges a value, and learns from it.
    pub(super) fn look(
        &mut self,
        value: f64,
        (at, zone): (Timestamp, &TimeZone),
        rule: &BaselineRule,
    ) -> Seen {
        let number = hour_of(at, zone);
        self.turn_to(number, rule);
        let now_h = hour_since_1970(at);
        if self.began_h == 0 {
            self.began_h = now_h;
        }
        self.heard_h = self.heard_h.max(now_h);
        self.hour.take(value);
        let is_learning = now_h.saturating_sub(self.began_h) < rule.learn_for_h;
        let Some((expected, spread)) = self.usual.filter(|_| !is_learning) else {
            return Seen { spreads: 0.0, expected: None };
        };
        let spread = spread.max(rule.spread_least(expected));
        Seen { spreads: (value - expected) / spread, expected: Some(expected) }
    }

    /// What the hour at hand has brought is learnt when another begins.
    fn turn_to(&mut self, number: i64, rule: &BaselineRule) {
        let before = self.hour.number;
        // Of two series of a ratio one may be a moment behind.
        if number == before || number.checked_add(1) == Some(before) {
            return;
        }
        if number > before && !self.hour.values.is_empty() {
            let place = place_of(before);
            self.hour.values.sort_unstable_by(f64::total_cmp);
            let middle = median(&self.hour.values).unwrap_or(0.0);
            let around = self.around(place);
            if let Some(bucket) = self.week.get_mut(place) {
                *bucket = bucket.learn(&self.hour.values, &around, rule.spread_least(middle));
            }
        }
        self.hour.begin(number);
        self.usual = self.usual_in(place_of(number));
    }

    /// Where values of that hour lie, and how far they spread.
    fn usual_in(&self, place: usize) -> Option<(f64, f64)> {
        let bucket = self.bucket(place, 0);
        let around = self.around(place);
        if let Some(location) = bucket.location() {
            // A spread that is small by chance is not believed against all around it.
            return Some((location, bucket.spread().unwrap_or(0.0).max(around.spread)));
        }
        let (before, after) = (self.bucket(place, HOURS - 1), self.bucket(place, 1));
        let (one, other) = match (before.location(), after.location()) {
            (None, None) => return None,
            (Some(one), None) | (None, Some(one)) => (one, one),
            (Some(one), Some(other)) => (one, other),
        };
        let spreads = [before.spread(), after.spread(), Some((one - other).abs() / 2.0)];
        let spread = spreads.into_iter().flatten().fold(around.spread, f64::max);
        Some((one / 2.0 + other / 2.0, spread))
    }

    /// What the hours around one say: those next to it, and the same of the days next to it.
    fn around(&self, place: usize) -> Around {
        let near = |steps: &[usize]| -> Vec<Bucket> {
            steps.iter().map(|step| self.bucket(place, *step)).collect()
        };
        let locations = near(&[1, 24, 48, HOURS - 48, HOURS - 24, HOURS - 1]);
        let mut spreads: Vec<f64> = near(&[1, 2, 24, HOURS - 24, HOURS - 2, HOURS - 1])
            .into_iter()
            .filter_map(Bucket::sure_spread)
            .collect();
        spreads.sort_unstable_by(f64::total_cmp);
        Around {
            locations: locations.into_iter().filter_map(Bucket::location).collect(),
            spread: median(&spreads).unwrap_or(0.0),
        }
    }

    /// The hour that comes so many after another.
    fn bucket(&self, place: usize, later: usize) -> Bucket {
        let place = place.saturating_add(later) % HOURS;
        self.week.get(place).copied().unwrap_or_default()
    }
}

impl Hour {
    fn begin(&mut self, number: i64) {
        self.values.clear();
        (self.number, self.stride, self.skip) = (number, 1, 0);
    }

    fn take(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        if let Some(rest) = self.skip.checked_sub(1) {
            self.skip = rest;
            return;
        }
        if self.values.len() >= VALUES_MAX {
            let mut is_kept = false;
            self.values.retain(|_| {
                is_kept = !is_kept;
                is_kept
            });
            self.stride = self.stride.saturating_mul(2);
        }
        self.values.push(value);
        self.skip = self.stride.saturating_sub(1);
    }
}

/// The hour, since 1970, of an instant.
pub(super) fn hour_since_1970(at: Timestamp) -> u32 {
    u32::try_from(at.0.div_euclid(HOUR_NS)).unwrap_or(0)
}

/// The same as clocks there show it.
fn hour_of(at: Timestamp, zone: &TimeZone) -> i64 {
    let instant = jiff::Timestamp::from_nanosecond(i128::from(at.0));
    let offset_s = instant.map_or(0, |at| zone.to_offset(at).seconds());
    at.plus_ns(i64::from(offset_s).saturating_mul(NS_PER_S)).0.div_euclid(HOUR_NS)
}

/// Its place in the week.
fn place_of(number: i64) -> usize {
    let hours = i64::try_from(HOURS).unwrap_or(1);
    usize::try_from(number.saturating_add(THURSDAY).rem_euclid(hours)).unwrap_or(0)
}

#[cfg(test)]
#[path = "baseline_tests.rs"]
mod tests;
