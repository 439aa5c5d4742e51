//! Thresholds: which values of a series mean which severity. Written in the rule files, journaled
//! with the settings.
//!
//! Nothing here remembers anything. The limits of all bands of a rule cut the numbers into *zones*;
//! which zone a value lies in follows from the value alone. Intake tells the engine whenever a
//! series comes into another zone, for the first samples there, and when a band may have lasted;
//! hysteresis, duration and the number of samples are then the engine's.

use crate::model::severity::Severity;
use crate::model::time::At;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// Most bands of one rule.
pub const BANDS_MAX: usize = 8;
/// Most values of one band that names values.
pub const STATES_MAX: usize = 8;
/// Most samples that a band may ask for: as many are journaled each time that a series comes into
/// another zone.
pub const SAMPLES_MAX: u32 = 60;

/// What values of a series mean, as the engine needs it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ThresholdRule {
    /// Name of the rule; events refer to it.
    pub name: String,
    /// Alarm type that its bands raise.
    pub alarm_type: String,
    /// Its bands, in the order in which they are written.
    pub bands: Vec<Band>,
    /// Alarm type that is raised when the series falls silent; empty: none, the silence is only
    /// noted.
    pub absent_alarm_type: String,
    /// Severity of that alarm.
    pub absent_severity: Severity,
}

/// One severity of a rule, and when it holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Band {
    /// Severity of the alarm while the band holds.
    pub severity: Severity,
    /// Which values it is about.
    pub extent: Extent,
    /// How long the value must be in the band, without a sample that is not, ms.
    pub for_ms: u64,
    /// How many samples in a row must be in the band, at least 1.
    pub samples: u32,
}

/// The zones of a rule: its limits in order, each of them once.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Zones(Box<[Cut]>);

/// The values of a band.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Extent {
    /// Those above `raise`; entered, it is left only below `clear`.
    Above {
        /// Where it is entered.
        raise: Cut,
        /// Where it is left.
        clear: Cut,
    },
    /// Those below `raise`; entered, it is left only above `clear`.
    Below {
        /// Where it is entered.
        raise: Cut,
        /// Where it is left.
        clear: Cut,
    },
    /// These: the numbers of states, as SNMP gives them.
    OneOf(Vec<Limit>),
}

/// A place between two numbers that stand next to each other: just below a number, or just above.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Cut {
    at: Limit,
    is_above_it: bool,
}

/// A number that is neither infinite nor a NaN.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Limit(f64);

impl ThresholdRule {
    /// The zones into which its limits cut the numbers.
    #[must_use]
    pub fn zones(&self) -> Zones {
        let cuts: BTreeSet<_> = self.bands.iter().flat_map(|band| band.extent.cuts()).collect();
        Zones(cuts.into_iter().collect())
    }

    /// Whether no band could be entered or be held by that value.
    #[must_use]
    pub fn is_normal(&self, value: f64) -> bool {
        !self.bands.iter().any(|band| band.is_entered_by(value) || band.is_held_by(value))
    }

    /// How many samples after a change of zone the engine has to be told.
    #[must_use]
    pub fn samples_told(&self) -> u32 {
        self.bands.iter().map(|band| band.samples).max().unwrap_or(1).clamp(1, SAMPLES_MAX)
    }

    /// How long a value has to last, ms: the shortest and the longest `for` of the bands in which
    /// it lies. `None` when none of them asks for that.
    #[must_use]
    pub fn lasts_ms(&self, value: f64) -> Option<(u64, u64)> {
        let asked = self.bands.iter().filter(|band| band.for_ms > 0 && band.is_entered_by(value));
        asked.fold(None, |known, Band { for_ms, .. }| {
            let (shortest, longest) = known.unwrap_or((*for_ms, *for_ms));
            Some((shortest.min(*for_ms), longest.max(*for_ms)))
        })
    }
}

impl Band {
    /// Whether the value lies in the band.
    #[must_use]
    pub fn is_entered_by(&self, value: f64) -> bool {
        !value.is_nan()
            && match &self.extent {
                Extent::Above { raise, .. } => raise.is_below(value),
                Extent::Below { raise, .. } => !raise.is_below(value),
                Extent::OneOf(states) => states.iter().any(|state| state.is(value)),
            }
    }

    /// Whether a value that lay in the band since then has lasted.
    #[must_use]
    pub fn has_lasted(&self, since: At, now: At) -> bool {
        now.engine.ns_since(since.engine) >= self.for_ns()
    }

    /// How long the value must be in the band, ns.
    #[must_use]
    pub fn for_ns(&self) -> u64 {
        self.for_ms.saturating_mul(1_000_000)
    }

    /// Whether the value keeps the band once it was entered.
    #[must_use]
    pub fn is_held_by(&self, value: f64) -> bool {
        !value.is_nan()
            && match &self.extent {
                Extent::Above { clear, .. } => clear.is_below(value),
                Extent::Below { clear, .. } => !clear.is_below(value),
                Extent::OneOf(_) => self.is_entered_by(value),
            }
    }
}

impl Zones {
    /// Number of limits at or below the value: 0 for the smallest values. `None` for a NaN, which
    /// lies nowhere.
    #[must_use]
    #[inline]
    pub fn of(&self, value: f64) -> Option<u8> {
        if value.is_nan() {
            return None;
        }
        let below = self.0.iter().take_while(|cut| cut.is_below(value)).count();
        u8::try_from(below).ok()
    }
}

impl Extent {
    /// The limits between its values and others.
    fn cuts(&self) -> impl Iterator<Item = Cut> {
        let (pair, states) = match self {
            Self::Above { raise, clear } | Self::Below { raise, clear } => {
                (Some([*raise, *clear]), &[][..])
            }
            Self::OneOf(states) => (None, states.as_slice()),
        };
        let around = states.iter().flat_map(|at| {
            [Cut { at: *at, is_above_it: false }, Cut { at: *at, is_above_it: true }]
        });
        pair.into_iter().flatten().chain(around)
    }
}

impl Cut {
    /// Just above that number: only larger ones are beyond it. `None` for what is not finite.
    #[must_use]
    pub fn above(number: f64) -> Option<Self> {
        Limit::new(number).map(|at| Self { at, is_above_it: true })
    }

    /// Just below that number: the number itself and larger ones are beyond it. `None` for what is
    /// not finite.
    #[must_use]
    pub fn below(number: f64) -> Option<Self> {
        Limit::new(number).map(|at| Self { at, is_above_it: false })
    }

    /// The number that it is next to.
    #[must_use]
    pub fn number(self) -> f64 {
        self.at.0
    }

    fn is_below(self, value: f64) -> bool {
        if self.is_above_it { value > self.at.0 } else { value >= self.at.0 }
    }
}

impl Limit {
    /// `None` for what is not finite.
    #[must_use]
    pub fn new(number: f64) -> Option<Self> {
        // Adding zero makes one zero of two.
        number.is_finite().then_some(Self(number + 0.0))
    }

    fn is(self, value: f64) -> bool {
        self == Self(value + 0.0)
    }
}

impl PartialEq for Limit {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Limit {}

impl PartialOrd for Limit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Limit {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn above(severity: Severity, raise: f64, clear: f64) -> Band {
        Band {
            severity,
            extent: Extent::Above {
                raise: Cut::above(raise).expect("finite"),
                clear: Cut::below(clear).expect("finite"),
            },
            for_ms: 0,
            samples: 1,
        }
    }

    fn rule(bands: Vec<Band>) -> ThresholdRule {
        ThresholdRule {
            name: "r".to_owned(),
            alarm_type: "high-temperature".to_owned(),
            bands,
            absent_alarm_type: String::new(),
            absent_severity: Severity::Indeterminate,
        }
    }

    #[test]
    fn limits_cut_the_numbers_into_zones() {
        let rule =
            rule(vec![above(Severity::Critical, 90.0, 85.0), above(Severity::Minor, 85.0, 80.0)]);
        let zone = |value| rule.zones().of(value).expect("a number");
        let zones = [79.9, 80.0, 85.0, 85.1, 90.0, 90.1, f64::INFINITY].map(zone);
        assert_eq!(zones, [0, 1, 2, 3, 3, 4, 4]);
        assert_eq!(zone(f64::NEG_INFINITY), 0);
        assert_eq!(rule.zones().of(f64::NAN), None);
    }

    #[test]
    fn a_band_is_entered_beyond_its_limit_and_left_within_the_other() {
        let hot = above(Severity::Major, 90.0, 85.0);
        assert!(!hot.is_entered_by(90.0), "not above it");
        assert!(hot.is_entered_by(90.001));
        assert!(hot.is_held_by(85.0) && !hot.is_held_by(84.9));
        let dark = Band {
            extent: Extent::Below {
                raise: Cut::below(-20.0).expect("finite"),
                clear: Cut::above(-18.0).expect("finite"),
            },
            ..hot
        };
        assert!(dark.is_entered_by(-20.1) && !dark.is_entered_by(-20.0));
        assert!(dark.is_held_by(-18.0) && !dark.is_held_by(-17.9));
        assert!(!dark.is_entered_by(f64::NAN) && !dark.is_held_by(f64::NAN));
    }

    #[test]
    fn states_are_values_of_their_own() {
        let states = [3.0, 6.0].map(|state| Limit::new(state).expect("finite")).to_vec();
        let failed = Band { extent: Extent::OneOf(states), ..above(Severity::Major, 0.0, 0.0) };
        let is_in = [1.0, 3.0, 4.5, 6.0, 7.0].map(|value| failed.is_entered_by(value));
        assert_eq!(is_in, [false, true, false, true, false]);
        let rule = rule(vec![failed]);
        let zones =
            [1.0, 3.0, 5.0, 6.0, 7.0].map(|value| rule.zones().of(value).expect("a number"));
        assert_eq!(zones, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn equal_limits_are_one() {
        let rule = rule(vec![above(Severity::Major, 0.0, -0.0), above(Severity::Minor, -0.0, 0.0)]);
        assert_eq!(
            [-1.0, 0.0, 1.0].map(|value| rule.zones().of(value)),
            [Some(0), Some(1), Some(2)]
        );
        assert!(rule.is_normal(-0.1) && !rule.is_normal(0.0));
        assert_eq!(Cut::above(f64::NAN), None);
    }
}
