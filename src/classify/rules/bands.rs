//! The bands of a metric rule: which values mean which severity, from when on.

use super::baseline::check_band;
use super::declared::severity;
use super::read::{Report, Section, Written};
use crate::model::alarm_type::AlarmType;
use crate::model::threshold::{BANDS_MAX, Band, Cut, Extent, Limit, SAMPLES_MAX, STATES_MAX};

/// Reads `bands = [{ severity = …, above = … }, …]`; with a baseline they are counted in spreads.
pub(super) fn read_bands(
    section: Section<'_>,
    kind: Option<&AlarmType>,
    has_baseline: bool,
    report: &mut Report<'_>,
) -> Vec<Band> {
    let Some(value) = section.get("bands") else {
        report.mistake(
            section.offset,
            "`bands` is missing",
            "add bands = [{ severity = \"major\", above = 90, clear_below = 85 }]",
        );
        return Vec::new();
    };
    let mut read: Vec<(Band, usize)> = Vec::new();
    for one in value.one_or_many() {
        let place = one.offset;
        let Some(table) = one.section("bands", report) else { continue };
        read.extend(band(table, kind, report).map(|band| (band, place)));
    }
    if read.len() > BANDS_MAX {
        report.mistake(value.offset, format!("more than {BANDS_MAX} bands"), "leave some out");
        read.truncate(BANDS_MAX);
    }
    for (at, (band, place)) in read.iter().enumerate() {
        if has_baseline {
            check_band(band, *place, report);
        }
        for (other, _) in read.iter().take(at) {
            if is_same_side(other, band) && other.severity == band.severity {
                report.mistake(
                    *place,
                    format!("two bands of severity {} on one side", band.severity),
                    "keep one of them, or give them different severities",
                );
            } else if is_hidden(band, other) || is_hidden(other, band) {
                let (worse, milder) =
                    if band.severity > other.severity { (band, other) } else { (other, band) };
                report.mistake(
                    *place,
                    format!("the {} band hides the {} one", worse.severity, milder.severity),
                    "let the limit of the worse severity lie further out",
                );
            }
        }
    }
    read.into_iter().map(|(band, _)| band).collect()
}

fn is_same_side(one: &Band, other: &Band) -> bool {
    std::mem::discriminant(&one.extent) == std::mem::discriminant(&other.extent)
}

/// Whether a milder band on the same side lies as far out as the other, and is entered as late.
fn is_hidden(milder: &Band, worse: &Band) -> bool {
    let lies_further = match (&milder.extent, &worse.extent) {
        (Extent::Above { raise, .. }, Extent::Above { raise: other, .. }) => raise >= other,
        (Extent::Below { raise, .. }, Extent::Below { raise: other, .. }) => raise <= other,
        (Extent::OneOf(states), Extent::OneOf(others)) => {
            states.iter().all(|state| others.contains(state))
        }
        _ => false,
    };
    let is_later = milder.for_ms >= worse.for_ms && milder.samples >= worse.samples;
    milder.severity < worse.severity && lies_further && is_later
}

fn band(section: Section<'_>, kind: Option<&AlarmType>, report: &mut Report<'_>) -> Option<Band> {
    section.check_keys(&BAND_KEYS, report);
    let written = section.needed_text("severity", report);
    let place = written.as_ref().map_or(section.offset, |written| written.offset);
    let severity = severity(written, report);
    if let Some((severity, kind)) = severity.zip(kind).filter(|(one, kind)| *one > kind.severity) {
        report.mistake(
            place,
            format!("severity {severity} is worse than `{}`, which is {}", kind.id, kind.severity),
            "raise the severity of the alarm type: it decides how urgently its events travel",
        );
    }
    let extent = extent(section, report);
    let for_s = whole(section, "for_s", (0, FOR_S_MAX), report).unwrap_or(0);
    let samples = whole(section, "samples", (1, u64::from(SAMPLES_MAX)), report).unwrap_or(1);
    Some(Band {
        severity: severity?,
        extent: extent?,
        for_ms: for_s.saturating_mul(1_000),
        samples: u32::try_from(samples).unwrap_or(SAMPLES_MAX),
    })
}

/// Which values a band is about: `above`, `below` or `is`.
fn extent(section: Section<'_>, report: &mut Report<'_>) -> Option<Extent> {
    let given = ["above", "below", "is"].into_iter().filter(|key| section.has(key)).count();
    if given != 1 {
        report.mistake(
            section.offset,
            "a band needs either `above`, `below` or `is`",
            "write { severity = \"major\", above = 90, clear_below = 85 }",
        );
        return None;
    }
    if section.has("is") {
        return states(section, report);
    }
    if let Some(limit) = section.decimal("above", report) {
        let raise = Cut::above(limit.value)?;
        let clear = clear_cut(section, true, &limit, report).unwrap_or(raise);
        return Some(Extent::Above { raise, clear });
    }
    let limit = section.decimal("below", report)?;
    let raise = Cut::below(limit.value)?;
    let clear = clear_cut(section, false, &limit, report).unwrap_or(raise);
    Some(Extent::Below { raise, clear })
}

/// Reads `is = 3` or `is = [3, 4, 6]`.
fn states(section: Section<'_>, report: &mut Report<'_>) -> Option<Extent> {
    let written = section.decimals("is", report);
    let misplaced = ["clear_above", "clear_below"].into_iter().find_map(|key| section.get(key));
    if let Some(value) = misplaced {
        report.mistake(value.offset, "states have no hysteresis", "leave it out");
    }
    if written.len() > STATES_MAX {
        report.mistake(section.offset, format!("more than {STATES_MAX} states"), "leave some out");
    }
    let states: Vec<Limit> = written.iter().filter_map(|one| Limit::new(one.value)).collect();
    (!states.is_empty() && states.len() <= STATES_MAX).then_some(Extent::OneOf(states))
}

/// Where a band is left, if not where it is entered.
fn clear_cut(
    section: Section<'_>,
    is_above: bool,
    limit: &Written<f64>,
    report: &mut Report<'_>,
) -> Option<Cut> {
    let (key, other) =
        if is_above { ("clear_below", "clear_above") } else { ("clear_above", "clear_below") };
    if let Some(value) = section.get(other) {
        report.mistake(
            value.offset,
            format!("`{other}` belongs to the other side"),
            format!("write `{key}`"),
        );
    }
    let clear = section.decimal(key, report)?;
    let is_wrong = if is_above { clear.value > limit.value } else { clear.value < limit.value };
    if is_wrong {
        report.mistake(
            clear.offset,
            format!("`{key}` lies beyond the limit: the band would be left where it is entered"),
            "choose a number on the good side of the limit",
        );
    }
    if is_above { Cut::below(clear.value) } else { Cut::above(clear.value) }
}

/// A whole number within bounds.
pub(super) fn whole(
    section: Section<'_>,
    key: &str,
    (least, most): (u64, u64),
    report: &mut Report<'_>,
) -> Option<u64> {
    let written = section.number(key, report)?;
    let value = u64::try_from(written.value).ok().filter(|one| (least..=most).contains(one));
    if value.is_none() {
        report.mistake(
            written.offset,
            format!("`{key}` is {}", written.value),
            format!("write a number from {least} to {most}"),
        );
    }
    value
}

/// Longest `for_s` and `absent_after_s`: a week.
pub(super) const FOR_S_MAX: u64 = 7 * 86_400;

const BAND_KEYS: [&str; 8] =
    ["severity", "above", "below", "is", "clear_below", "clear_above", "for_s", "samples"];
