//! What is usual in one hour of the week: where the values lie and how far they spread, in eight
//! octets.
//!
//! In: the values of such an hour, once it is over. Out: location and spread. Both are robust: the
//! median of the hour, and what most of it lies within, so that a fault of minutes teaches nothing.
//! From the third week on an hour moves the location by four spreads at most before it is averaged
//! in, and the spread by a factor of four, so that a fault of hours teaches little. Of two weeks
//! that contradict each other that one is believed which is more like the hours around, and until
//! another week agrees with it, everything between the two is usual.

/// Hours of a week.
pub(super) const HOURS: usize = 168;
/// How far one hour counts, in spreads.
const REACH: f64 = 4.0;
/// Two weeks agree when they are no further apart, in spreads.
const AGREED: f64 = 2.0;
/// From the median of absolute deviations to a standard deviation, if they were normal.
const OF_MEDIAN: f64 = 1.4826;
/// The same from what nine of ten lie within.
const OF_NINE_TENTHS: f64 = 0.6080;
/// Values that tell a spread; fewer do not.
const VALUES_MIN: usize = 4;

/// One hour of the week. Nothing is known of it at first.
///
/// The upper 40 bits are those of the location, then 16 of the spread (0: not known), then one that
/// says that weeks contradict each other, then the number of hours that were learnt.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Bucket(u64);

/// What the hours around say of one.
#[derive(Clone, Default, Debug)]
pub(super) struct Around {
    /// Where values lie in those that were learnt.
    pub(super) locations: Vec<f64>,
    /// How far they usually spread there; 0 when nobody knows.
    pub(super) spread: f64,
}

impl Bucket {
    fn new(location: f64, spread: Option<f64>, hours: u8) -> Self {
        let spread = spread.map_or(0, |spread| rounded(spread, SPREAD_BITS) >> LOCATION_BITS);
        Self(rounded(location, LOCATION_BITS) | spread | u64::from(hours))
    }

    /// From what [`Self::to_octets`] gave; what cannot be is not known.
    pub(super) fn from_octets(octets: [u8; 8]) -> Self {
        let bucket = Self(u64::from_le_bytes(octets));
        let spread = bucket.spread().unwrap_or(1.0);
        let is_sound = bucket.location_bits().is_finite() && spread.is_finite() && spread > 0.0;
        if is_sound { bucket } else { Self::default() }
    }

    /// For the file.
    pub(super) fn to_octets(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    /// Where values lie; `None` when no such hour was learnt.
    pub(super) fn location(self) -> Option<f64> {
        (self.hours() > 0).then(|| self.location_bits())
    }

    /// How far they spread; `None` when nothing was seen that tells.
    pub(super) fn spread(self) -> Option<f64> {
        let bits = (self.0 << LOCATION_BITS) & !(u64::MAX >> SPREAD_BITS);
        (bits != 0).then(|| f64::from_bits(bits))
    }

    /// The same, unless weeks contradict each other: then it says nothing about the hours around.
    pub(super) fn sure_spread(self) -> Option<f64> {
        self.spread().filter(|_| !self.is_doubted())
    }

    fn location_bits(self) -> f64 {
        f64::from_bits(self.0 & !(u64::MAX >> LOCATION_BITS))
    }

    fn hours(self) -> u8 {
        u8::try_from(self.0 & HOURS_MAX).unwrap_or(u8::MAX)
    }

    fn is_doubted(self) -> bool {
        self.0 & DOUBTED != 0
    }

    /// Believed until another week agrees with it, or does not.
    fn doubted(location: f64, spread: f64) -> Self {
        Self(Self::new(location, Some(spread), 1).0 | DOUBTED)
    }

    /// Takes in an hour that is over; its values are sorted.
    pub(super) fn learn(self, values: &[f64], around: &Around, spread_min: f64) -> Self {
        let Some(median) = median(values) else { return self };
        let own = spread_around(values, median).map(|own| own.max(spread_min));
        let Some(location) = self.location() else { return Self::new(median, own, 1) };
        let off = median - location;
        let known = around.spread.max(spread_min);
        if self.hours() == 1 {
            let spread = if self.is_doubted() { None } else { self.spread() };
            if off.abs() > AGREED * known.max(spread.unwrap_or(0.0)) {
                let is_new_like_them = around.distance(median) < around.distance(location);
                let is_new_believed = self.is_doubted() || is_new_like_them;
                let believed = if is_new_believed { median } else { location };
                return Self::doubted(believed, off.abs().max(own.unwrap_or(0.0)));
            }
            if self.is_doubted() {
                return Self::new(location / 2.0 + median / 2.0, own, 2);
            }
        }
        let known = known.max(self.spread().unwrap_or(0.0));
        let share = (1.0 / (f64::from(self.hours()) + 1.0)).max(SHARE_MIN);
        let moved = location + share * off.clamp(-REACH * known, REACH * known);
        let seen = spread_around(values, location).unwrap_or(OF_MEDIAN * off.abs()).max(spread_min);
        let spread = self.spread().map_or(seen, |before| {
            // Averaged as a factor: one wild hour counts little, and is soon forgotten.
            before * (seen / before).clamp(1.0 / REACH, REACH).powf(share)
        });
        let is_sound = moved.is_finite() && spread.is_finite();
        let hours = self.hours().saturating_add(1).min(LEARNT_MAX);
        if is_sound { Self::new(moved, Some(spread), hours) } else { self }
    }
}

impl Around {
    fn distance(&self, place: f64) -> f64 {
        self.locations.iter().map(|one| (one - place).abs()).sum()
    }
}

/// The middle of sorted values.
pub(super) fn median(sorted: &[f64]) -> Option<f64> {
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted.get(sorted.len().saturating_sub(1) / 2)?;
    Some(lower / 2.0 + upper / 2.0)
}

/// A standard deviation from a place that a few values out of their way do not change. What a tenth
/// of the hour does is no spread, what a quarter does every week is one.
fn spread_around(values: &[f64], place: f64) -> Option<f64> {
    if values.len() < VALUES_MIN {
        return None;
    }
    let mut off: Vec<f64> = values.iter().map(|value| (value - place).abs()).collect();
    off.sort_unstable_by(f64::total_cmp);
    let nine_tenths = off.get(off.len().saturating_mul(9) / 10)?;
    Some((OF_MEDIAN * median(&off)?).max(OF_NINE_TENTHS * nine_tenths))
}

/// The bits of a number that is rounded to so many of them.
fn rounded(number: f64, bits: u32) -> u64 {
    let cut = !(u64::MAX >> bits);
    let half = (u64::MAX >> bits).saturating_add(1) >> 1;
    let up = number.to_bits().saturating_add(half) & cut;
    if f64::from_bits(up).is_finite() { up } else { number.to_bits() & cut }
}

const LOCATION_BITS: u32 = 40;
const SPREAD_BITS: u32 = 16;
const DOUBTED: u64 = 0x80;
const HOURS_MAX: u64 = 0x7f;
/// Hours counted at most; more make no difference.
const LEARNT_MAX: u8 = 100;
/// What one hour counts for at least against all before it: what lasts becomes usual in weeks.
const SHARE_MIN: f64 = 0.25;

#[cfg(test)]
mod tests {
    use super::*;

    fn near(one: Option<f64>, other: f64) -> bool {
        one.is_some_and(|one| (one - other).abs() <= other.abs() * 0.1)
    }

    /// An hour of values around a place, a tenth of the given size to both sides.
    fn hour(place: f64, size: f64) -> Vec<f64> {
        (-10..=10).map(|step| place + f64::from(step) * size / 10.0).collect()
    }

    fn calm() -> Around {
        Around { locations: vec![100.0; 4], spread: 1.0 }
    }

    #[test]
    fn numbers_are_kept_in_eight_octets() {
        for (location, spread) in [(0.0, 1e-9), (-123_456_789.25, 3.5), (1e300, 1e290)] {
            let bucket = Bucket::new(location, Some(spread), 7);
            assert_eq!(Bucket::from_octets(bucket.to_octets()), bucket);
            let off = (bucket.location().expect("known") - location).abs();
            assert!(off <= location.abs() * 1e-8, "{location}");
            assert!(near(bucket.spread(), spread), "{:?}", bucket.spread());
        }
        assert_eq!(Bucket::new(5.0, None, 1).spread(), None);
        assert_eq!(Bucket::default().location(), None);
        assert_eq!(Bucket::from_octets([0xff; 8]), Bucket::default());
        assert!(Bucket::new(f64::MAX, Some(f64::MAX), 1).location().is_some_and(f64::is_finite));
    }

    #[test]
    fn a_fault_of_minutes_teaches_nothing_and_a_quarter_of_an_hour_is_a_spread() {
        let mut values = hour(100.0, 2.0);
        let steady = Bucket::default().learn(&values, &calm(), 0.1);
        for value in values.iter_mut().rev().take(2) {
            *value = 1e6;
        }
        let disturbed = Bucket::default().learn(&values, &calm(), 0.1);
        assert_eq!(disturbed.location(), steady.location());
        assert!(disturbed.spread() < Some(3.0), "{:?}", disturbed.spread());
        for value in values.iter_mut().rev().take(6) {
            *value = 200.0;
        }
        let two_fold = Bucket::default().learn(&values, &calm(), 0.1);
        assert!(two_fold.spread() > Some(50.0), "{:?}", two_fold.spread());
    }

    #[test]
    fn of_two_weeks_that_contradict_each_other_the_one_like_its_surroundings_counts() {
        let (fault, usual) = (hour(900.0, 2.0), hour(100.0, 2.0));
        for weeks in [[&fault, &usual], [&usual, &fault]] {
            let learnt = weeks
                .iter()
                .fold(Bucket::default(), |bucket, week| bucket.learn(week, &calm(), 0.1));
            assert!(near(learnt.location(), 100.0), "{learnt:?}");
            assert!(learnt.spread() > Some(700.0), "either may be usual");
            let sure = learnt.learn(&usual, &calm(), 0.1);
            assert!(near(sure.location(), 100.0) && sure.spread() < Some(3.0), "{sure:?}");
        }
        // The hours around may mislead, but not for long.
        let unlike = Around { locations: vec![900.0; 4], spread: 1.0 };
        let misled = [&fault, &usual, &usual, &usual]
            .iter()
            .fold(Bucket::default(), |bucket, week| bucket.learn(week, &unlike, 0.1));
        assert!(near(misled.location(), 100.0) && misled.spread() < Some(3.0), "{misled:?}");
        // What is so in both weeks is so, whatever the hours around.
        let twice = Bucket::default().learn(&fault, &calm(), 0.1).learn(&fault, &calm(), 0.1);
        assert!(near(twice.location(), 900.0));
    }

    #[test]
    fn a_fault_counts_little_later_and_what_lasts_becomes_usual() {
        let mut bucket = Bucket::default();
        for _ in 0..6 {
            bucket = bucket.learn(&hour(100.0, 2.0), &calm(), 0.1);
        }
        let shaken = bucket.learn(&hour(900.0, 2.0), &calm(), 0.1);
        let off = shaken.location().expect("known") - 100.0;
        assert!(off > 0.0 && off < 2.0, "{off}");
        assert!(shaken.spread() < bucket.spread().map(|spread| spread * 1.5));
        let mut weeks = 0;
        while !near(bucket.location(), 130.0) {
            bucket = bucket.learn(&hour(130.0, 2.0), &calm(), 0.1);
            weeks += 1;
        }
        assert!((3..=8).contains(&weeks), "{weeks} weeks");
    }

    #[test]
    fn one_value_an_hour_is_enough_for_a_place_and_two_weeks_for_a_spread() {
        let one = Bucket::default().learn(&[100.0], &calm(), 0.5);
        assert_eq!((one.location(), one.spread()), (Some(100.0), None));
        let two = one.learn(&[102.0], &calm(), 0.5);
        assert_eq!(two.location(), Some(101.0));
        assert!(near(two.spread(), 2.97), "{:?}", two.spread());
        assert_eq!(two.learn(&[], &calm(), 0.5), two);
    }
}
