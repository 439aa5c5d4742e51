//! From the samples of a series to the number that a rule looks at: the value, its rate, its delta.
//!
//! A counter that falls has started again: it counts from zero. The first sample of a series gives
//! no rate and no delta. What cannot be a number (a rate over no time) gives nothing.

use crate::model::sample::{Sample, Temporality};
use crate::model::time::Timestamp;
use std::time::Duration;

/// What to make of the samples.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Measure {
    /// The value itself.
    Value,
    /// What a counter gains per second.
    Rate,
    /// What a counter gains from one sample to the next.
    Delta,
}

/// The newest sample of a series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newest {
    /// Its value; NaN when it says that there is none any more.
    pub(super) value: f64,
    /// When it was measured.
    pub(super) at: Timestamp,
}

impl Newest {
    /// Nothing came yet.
    pub(super) const NONE: Self = Self { value: f64::NAN, at: Timestamp(0) };

    /// The sample, if others are to be held against it.
    #[inline]
    pub(super) fn counted(self) -> Option<Self> {
        (!self.value.is_nan()).then_some(self)
    }
}

/// The number for a sample that is not older than `newest`; `None` when there is none yet.
#[inline]
pub(super) fn measure(
    measure: Measure,
    (sample, temporality): (&Sample, Temporality),
    now: Newest,
    newest: Option<Newest>,
) -> Option<f64> {
    let gained = match (measure, temporality) {
        (Measure::Value, _) | (Measure::Delta, Temporality::Delta) => return Some(now.value),
        (Measure::Rate, Temporality::Delta) => {
            let from = sample.started_at.or(newest.map(|newest| newest.at))?;
            return per_second(now.value, from, now.at);
        }
        (Measure::Rate | Measure::Delta, _) => gained(sample, now, newest?),
    };
    match measure {
        Measure::Rate => per_second(gained, newest?.at, now.at),
        Measure::Value | Measure::Delta => finite(gained),
    }
}

/// What a counter gained, a new beginning taken into account.
fn gained(sample: &Sample, now: Newest, newest: Newest) -> f64 {
    let has_started_again = sample.started_at.is_some_and(|started| started > newest.at);
    if has_started_again || now.value < newest.value { now.value } else { now.value - newest.value }
}

fn per_second(gained: f64, from: Timestamp, to: Timestamp) -> Option<f64> {
    let ns = u64::try_from(to.ns_since(from)).ok().filter(|ns| *ns > 0)?;
    finite(gained / Duration::from_nanos(ns).as_secs_f64())
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::Reading;

    fn run(kind: Measure, temporality: Temporality, samples: &[(i64, f64)]) -> Vec<Option<f64>> {
        let mut newest = None;
        let mut made = Vec::new();
        for (second, value) in samples {
            let at = Timestamp(second * 1_000_000_000);
            let sample = Sample { at: Some(at), started_at: None, reading: Reading::of(*value) };
            let now = Newest { value: *value, at };
            made.push(measure(kind, (&sample, temporality), now, newest));
            newest = Some(now);
        }
        made
    }

    #[test]
    fn a_counter_gives_rates_and_starts_again_from_zero() {
        let samples = [(0, 100.0), (10, 200.0), (20, 50.0), (20, 60.0), (30, f64::INFINITY)];
        assert_eq!(
            run(Measure::Rate, Temporality::Cumulative, &samples),
            [None, Some(10.0), Some(5.0), None, None]
        );
        assert_eq!(
            run(Measure::Delta, Temporality::Untold, &samples),
            [None, Some(100.0), Some(50.0), Some(10.0), None]
        );
        let values = run(Measure::Value, Temporality::Untold, &samples);
        assert_eq!(values.last(), Some(&Some(f64::INFINITY)));
    }

    #[test]
    fn what_is_sent_as_a_delta_is_one_already() {
        let samples = [(0, 100.0), (10, 50.0)];
        assert_eq!(run(Measure::Delta, Temporality::Delta, &samples), [Some(100.0), Some(50.0)]);
        assert_eq!(run(Measure::Rate, Temporality::Delta, &samples), [None, Some(5.0)]);
    }

    #[test]
    fn a_start_that_is_told_makes_a_counter_count_from_zero() {
        let at = |second: i64| Timestamp(second * 1_000_000_000);
        let reading = Reading::Number(500.0);
        let sample = Sample { at: Some(at(20)), started_at: Some(at(15)), reading };
        let newest = Some(Newest { value: 400.0, at: at(10) });
        let now = Newest { value: 500.0, at: at(20) };
        let given = measure(Measure::Rate, (&sample, Temporality::Cumulative), now, newest);
        assert_eq!(given, Some(50.0));
    }
}
