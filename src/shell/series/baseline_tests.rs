//! Weeks of values: what is usual raises nothing, what is not is seen, and faults while learning do
//! no harm.

use super::*;
use proptest::prelude::*;

const DAY_H: i64 = 24;
const WEEK_H: i64 = 168;
/// A Monday, midnight, UTC: 2025-12-29.
const MONDAY_H: i64 = 490_824;
/// Values of an hour.
const OF_HOUR: i64 = 6;

fn rule() -> BaselineRule {
    BaselineRule {
        learn_for_h: 336,
        spread_min: 0.5,
        spread_min_share: 0.01,
        is_by_site: false,
        subject: String::new(),
    }
}

/// A load that has days, nights and Sundays, with noise that is bounded.
#[derive(Clone, Debug)]
struct Load {
    base: f64,
    swing: f64,
    sunday: f64,
    noise: f64,
    seed: u64,
}

impl Load {
    fn at(&self, hour: i64, part: i64) -> f64 {
        let of_day = f64::from(i32::try_from(hour.rem_euclid(DAY_H)).expect("small"));
        let is_sunday = (hour - MONDAY_H).rem_euclid(WEEK_H) / DAY_H == 6;
        let day = (std::f64::consts::TAU * of_day / 24.0).sin() * self.swing;
        let size = if is_sunday { self.sunday } else { 1.0 };
        self.base + day * size + self.noise * self.random(hour * OF_HOUR + part)
    }

    /// Between -1 and 1, the same for the same place.
    fn random(&self, place: i64) -> f64 {
        let mut bits = self.seed ^ u64::try_from(place).expect("after 1970");
        for _ in 0..3 {
            bits = (bits ^ (bits >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            bits ^= bits >> 29;
        }
        f64::from(u32::try_from(bits >> 32).expect("32 bits")) / f64::from(u32::MAX) * 2.0 - 1.0
    }
}

fn loads() -> impl Strategy<Value = Load> {
    (10.0..1e6_f64, 0.0..3.0_f64, 0.0..1.0_f64, 0.0..0.2_f64, any::<u64>()).prop_map(
        |(base, swing, sunday, noise, seed)| Load {
            base,
            swing: base * swing,
            sunday,
            noise: base * noise,
            seed,
        },
    )
}

/// Goes through hours from Monday on; gives the furthest from what was usual.
fn go(
    baseline: &mut Baseline,
    hours: std::ops::Range<i64>,
    value: impl Fn(i64, i64) -> f64,
) -> f64 {
    let mut furthest = 0.0_f64;
    for hour in hours {
        for part in 0..OF_HOUR {
            let number = MONDAY_H + hour;
            let at = Timestamp(number * HOUR_NS + part * HOUR_NS / OF_HOUR);
            let seen = baseline.look(value(number, part), (at, &TimeZone::UTC), &rule());
            furthest = furthest.max(seen.spreads.abs());
        }
    }
    furthest
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_is_usual_raises_nothing_and_a_step_is_seen_at_once(
        load in loads(),
        begins in 0..WEEK_H,
        fault in 0..WEEK_H,
        factor in prop_oneof![Just(0.0), Just(20.0)],
        week in 0..2_i64,
        later in 0..WEEK_H,
        spreads in 6.0..100.0_f64,
    ) {
        let mut baseline = Baseline::default();
        // A fault of five hours while it learns.
        let faulty = begins + week * WEEK_H + fault..begins + week * WEEK_H + fault + 5;
        let learnt = begins + 2 * WEEK_H;
        let usual = |number, part| load.at(number, part);
        let with_fault = |number: i64, part| {
            let size = if faulty.contains(&(number - MONDAY_H)) { factor } else { 1.0 };
            load.at(number, part) * size
        };
        let furthest = go(&mut baseline, begins..learnt, with_fault);
        prop_assert!(furthest <= 0.0, "it is learning");
        let furthest = go(&mut baseline, learnt..learnt + WEEK_H + later, usual);
        prop_assert!(furthest < 4.0, "{furthest} spreads");
        // A step of so many spreads, as they are at that hour.
        let from = learnt + WEEK_H + later;
        let number = MONDAY_H + from;
        let at = Timestamp(number * HOUR_NS);
        let seen = baseline.look(load.at(number, 0), (at, &TimeZone::UTC), &rule());
        let expected = seen.expected.expect("it is learnt");
        let (_, spread) = baseline.usual.expect("it is learnt");
        let step = spread.max(rule().spread_least(expected)) * spreads;
        let stepped = |number, part| load.at(number, part) + step;
        let mut nearest = f64::INFINITY;
        for part in 1..OF_HOUR {
            let at = Timestamp(number * HOUR_NS + part * HOUR_NS / OF_HOUR);
            let seen = baseline.look(stepped(number, part), (at, &TimeZone::UTC), &rule());
            nearest = nearest.min(seen.spreads);
        }
        prop_assert!(nearest > spreads - 4.0 && nearest > 2.0, "{nearest} of {spreads}");
    }

    #[test]
    fn hours_that_a_fault_took_part_in_are_as_keen_as_others_soon(
        load in loads(), fault in 0..WEEK_H, factor in prop_oneof![Just(0.0), Just(20.0)],
    ) {
        let learn = |factor: f64| {
            let mut baseline = Baseline::default();
            let value = |number: i64, part| {
                let is_fault = (fault..fault + 3).contains(&(number - MONDAY_H));
                load.at(number, part) * if is_fault { factor } else { 1.0 }
            };
            go(&mut baseline, 0..5 * WEEK_H, value);
            baseline
        };
        let (disturbed, steady) = (learn(factor), learn(1.0));
        for hour in fault..fault + 3 {
            let place = place_of(MONDAY_H + hour);
            let (one, spread) = disturbed.usual_in(place).expect("learnt");
            let (other, _) = steady.usual_in(place).expect("learnt");
            let spread = spread.max(rule().spread_least(other));
            prop_assert!((one - other).abs() <= 2.0 * spread, "{one} or {other}, {spread}");
        }
    }

    #[test]
    fn any_values_at_any_time_give_a_judgement(
        values in prop::collection::vec((any::<f64>(), -4_000..400_000_i64), 0..200),
    ) {
        let mut baseline = Baseline::default();
        for (value, minute) in values {
            if !value.is_nan() {
                let at = Timestamp(MONDAY_H * HOUR_NS + minute * HOUR_NS / 60);
                let seen = baseline.look(value, (at, &TimeZone::UTC), &rule());
                prop_assert!(!seen.spreads.is_nan(), "{seen:?}");
            }
        }
    }
}

#[test]
fn a_series_that_never_changes_may_change_a_little() {
    let mut baseline = Baseline::default();
    go(&mut baseline, 0..2 * WEEK_H, |_, _| 200.0);
    let from = 2 * WEEK_H;
    assert!(go(&mut baseline, from..from + 1, |_, _| 204.0) <= 2.01, "one percent is a spread");
    assert!(go(&mut baseline, from + 1..from + 2, |_, _| 260.0) > 20.0);
}

#[test]
fn an_hour_that_was_never_seen_is_like_those_next_to_it_or_usual() {
    let mut baseline = Baseline::default();
    let away = |hour: i64| matches!(hour % WEEK_H, 10 | 50..=52);
    for hour in (0..2 * WEEK_H).filter(|hour| !away(*hour)) {
        go(&mut baseline, hour..hour + 1, |_, part| {
            100.0 + f64::from(i32::try_from(part).expect("small"))
        });
    }
    let next = 2 * WEEK_H;
    assert!(go(&mut baseline, next + 10..next + 11, |_, _| 500.0) > 4.0);
    let furthest = go(&mut baseline, next + 51..next + 52, |_, _| 500.0);
    assert!(furthest <= 0.0, "nobody knows");
}

#[test]
fn hours_go_by_the_place_where_it_is_asked_for() {
    let paris = TimeZone::get("Europe/Paris").expect("a time zone");
    let at = |text: &str| Timestamp::parse(text).expect("an instant");
    let place = |text: &str, zone: &TimeZone| place_of(hour_of(at(text), zone));
    assert_eq!(place("2026-01-05T00:30:00Z", &TimeZone::UTC), 0, "Monday");
    assert_eq!(place("2026-01-05T00:30:00Z", &paris), 1);
    assert_eq!(place("2026-07-06T00:30:00Z", &TimeZone::UTC), 0, "no summer in UTC");
    assert_eq!(place("2026-07-06T00:30:00Z", &paris), 2);
    // The hour that comes twice is one, the hour that is left out is none.
    let twice = ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"];
    assert_eq!(twice.map(|text| place(text, &paris)), [6 * 24 + 2; 2]);
    let around = ["2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"];
    assert_eq!(around.map(|text| place(text, &paris)), [6 * 24 + 1, 6 * 24 + 3]);
}

#[test]
fn many_values_of_an_hour_are_thinned_evenly() {
    let mut hour = Hour { number: 0, values: Vec::new(), stride: 1, skip: 0 };
    for value in 0..3_600 {
        hour.take(f64::from(value));
    }
    assert!(hour.values.len() <= VALUES_MAX && hour.values.len() >= VALUES_MAX / 2);
    let middle = median(&hour.values).expect("values");
    assert!((1_600.0..2_000.0).contains(&middle), "{middle}");
    hour.take(f64::INFINITY);
    assert!(hour.values.iter().all(|value| value.is_finite()));
}
