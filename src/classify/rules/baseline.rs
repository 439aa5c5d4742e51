//! What a metric rule with a baseline says: its bands are counted in spreads around the value that
//! is usual at that hour of the week. What is usual is learnt where series are kept; here is only
//! what the rule asks for.

use super::bands::whole;
use super::read::{Report, Section, Written};
use crate::model::threshold::{Band, Extent};

/// How the usual value of a series is learnt, and what counts as a spread.
#[derive(Clone, PartialEq, Debug)]
pub struct BaselineRule {
    /// For so many hours after the first sample nothing is raised.
    pub learn_for_h: u32,
    /// The smallest spread, in the unit of the value; more than 0.
    pub spread_min: f64,
    /// The same as a share of the usual value.
    pub spread_min_share: f64,
    /// Whether hours are those of the device's place; otherwise they are those of UTC.
    pub is_by_site: bool,
    /// Of what the usual value is learnt: with another subject it is learnt anew.
    pub subject: String,
}

impl BaselineRule {
    /// The smallest spread around that value.
    #[must_use]
    pub fn spread_least(&self, value: f64) -> f64 {
        self.spread_min.max(value.abs() * self.spread_min_share)
    }
}

/// Reads `baseline = { spread_min = … }`; `None` when the rule has none.
pub(super) fn read_baseline(
    section: Section<'_>,
    subject: String,
    report: &mut Report<'_>,
) -> Option<BaselineRule> {
    let table = section.section("baseline", report)?;
    table.check_keys(&BASELINE_KEYS, report);
    let spread_min = table.decimal("spread_min", report);
    match &spread_min {
        Some(Written { value, offset }) if *value <= 0.0 => report.mistake(
            *offset,
            "`spread_min` is not greater than 0",
            "write the smallest difference that anybody would look at",
        ),
        None if !table.has("spread_min") => report.mistake(
            table.offset,
            "`spread_min` is missing",
            "add the smallest difference that anybody would look at, in the unit of the value: \
             without it a series that never changes is at fault when it changes at all",
        ),
        _ => {}
    }
    let percent = table.decimal("spread_min_percent", report);
    if let Some(wrong) = percent.as_ref().filter(|one| !(0.0..=100.0).contains(&one.value)) {
        report.mistake(
            wrong.offset,
            format!("`spread_min_percent` is {}", wrong.value),
            "write a number from 0 to 100",
        );
    }
    let days = whole(table, "learn_for_days", LEARN_DAYS, report).unwrap_or(LEARN_DAYS_DEFAULT);
    Some(BaselineRule {
        learn_for_h: u32::try_from(days.saturating_mul(24)).unwrap_or(u32::MAX),
        spread_min: spread_min.map_or(1.0, |one| one.value),
        spread_min_share: percent.map_or(SPREAD_MIN_PERCENT, |one| one.value) / 100.0,
        is_by_site: is_by_site(table, report),
        subject,
    })
}

fn is_by_site(table: Section<'_>, report: &mut Report<'_>) -> bool {
    let Some(hours) = table.text("hours", report) else { return false };
    if !matches!(hours.value, "utc" | "site") {
        report.mistake(
            hours.offset,
            format!("`hours` is `{}`", hours.value),
            "write \"utc\", or \"site\" for the time zone that the inventory gives the device",
        );
    }
    hours.value == "site"
}

/// Reports a band that cannot be counted in spreads: on the wrong side of what is usual, or with
/// states.
pub(super) fn check_band(band: &Band, place: usize, report: &mut Report<'_>) {
    let (raise, clear, side, sign) = match &band.extent {
        Extent::Above { raise, clear } => (raise.number(), clear.number(), "above", 1.0),
        Extent::Below { raise, clear } => (raise.number(), clear.number(), "below", -1.0),
        Extent::OneOf(_) => {
            report.mistake(
                place,
                "`is` does not fit `baseline`: states are not more or less than usual",
                "write `above` or `below` in spreads, or leave `baseline` out",
            );
            return;
        }
    };
    if raise * sign <= 0.0 || clear * sign <= 0.0 {
        let example = if sign > 0.0 { "above = 4" } else { "below = -4" };
        report.mistake(
            place,
            format!("with `baseline`, `{side}` counts spreads from what is usual, which is 0"),
            format!("write a limit beyond 0, such as {example}, and leave the band before 0"),
        );
    }
}

/// Days of learning: every hour of the week has to be seen once.
const LEARN_DAYS: (u64, u64) = (7, 56);
const LEARN_DAYS_DEFAULT: u64 = 14;
/// Smallest spread in percent of the usual value, if the rule does not say.
const SPREAD_MIN_PERCENT: f64 = 1.0;

const BASELINE_KEYS: [&str; 4] = ["spread_min", "spread_min_percent", "learn_for_days", "hours"];
