//! The two series of a ratio. Each brings its number; the ratio is made when both are of the same
//! instant. Two that never are (they come from two collectors) are taken as they are, once that has
//! shown.

use crate::classify::Side;
use crate::model::time::{NS_PER_S, Timestamp};
use crate::shell::series::standing::Standing;

/// Numbers in a row that found no other of their instant before any will do.
const MISSES_MAX: u8 = 4;
/// A number older than that makes no ratio any more, ns.
const AGE_NS_MAX: i64 = 300 * NS_PER_S;

/// What both series share.
#[derive(Default, Debug)]
pub(super) struct Pair {
    measured: Option<(f64, Timestamp)>,
    divisor: Option<(f64, Timestamp)>,
    misses: u8,
    /// Time of the newest ratio.
    newest: Timestamp,
    /// Where the ratio stands.
    pub(super) standing: Standing,
}

impl Pair {
    /// The time that a ratio counts with, and whether that is no newer than the one before: time
    /// does not go back for its alarm.
    pub(super) fn time_of(&mut self, sampled_at: Timestamp) -> (Timestamp, bool) {
        let is_again = sampled_at <= self.newest;
        self.newest = self.newest.max(sampled_at);
        (self.newest, is_again)
    }

    /// Takes a number of one side; gives the ratio when there is one. A ratio to zero is none.
    pub(super) fn take(&mut self, side: Side, number: f64, at: Timestamp) -> Option<f64> {
        let other = match side {
            Side::Measured => {
                self.measured = Some((number, at));
                self.divisor
            }
            Side::Divisor => {
                self.divisor = Some((number, at));
                self.measured
            }
        };
        let (_, other_at) = other?;
        if other_at == at {
            self.misses = 0;
        } else {
            self.misses = self.misses.saturating_add(1);
            let age_ns = at.ns_since(other_at).saturating_abs();
            if self.misses <= MISSES_MAX || age_ns > AGE_NS_MAX {
                return None;
            }
        }
        let ratio = self.measured?.0 / self.divisor?.0;
        ratio.is_finite().then_some(ratio)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp(second * NS_PER_S)
    }

    #[test]
    fn numbers_of_one_instant_make_a_ratio_in_either_order() {
        let mut pair = Pair::default();
        assert_eq!(pair.take(Side::Measured, 5.0, at(1)), None);
        assert_eq!(pair.take(Side::Divisor, 10.0, at(1)), Some(0.5));
        assert_eq!(pair.take(Side::Divisor, 0.0, at(2)), None, "the other one is to come");
        assert_eq!(pair.take(Side::Measured, 5.0, at(2)), None, "a ratio to zero");
        assert_eq!(pair.take(Side::Measured, 6.0, at(3)), None);
        assert_eq!(pair.take(Side::Divisor, 10.0, at(3)), Some(0.6));
    }

    #[test]
    fn numbers_that_never_meet_are_taken_as_they_are() {
        let mut pair = Pair::default();
        for second in 0..3 {
            let _ = pair.take(Side::Divisor, 10.0, at(10 * second));
            let _ = pair.take(Side::Measured, 5.0, at(10 * second + 3));
        }
        assert_eq!(pair.take(Side::Measured, 4.0, at(33)), Some(0.4));
        assert_eq!(pair.take(Side::Measured, 4.0, at(999)), None, "the other one is too old");
    }
}
