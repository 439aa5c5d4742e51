//! When the device says that it happened: its local time becomes an instant, in its zone, in the
//! year that is nearest to the arrival. A clock that the device itself distrusts says nothing.

use crate::model::syslog::SyslogStamp;
use crate::model::time::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

/// The instant; `None` when there is none, or none that can be.
pub(super) fn instant(
    stamp: &SyslogStamp,
    zone: &TimeZone,
    arrived: Timestamp,
) -> Option<Timestamp> {
    let SyslogStamp::Local {
        year,
        month,
        day,
        hour,
        minute,
        second,
        nanosecond,
        is_unsynchronised,
        offset_s,
    } = *stamp
    else {
        return match *stamp {
            SyslogStamp::Instant(instant) => Some(instant),
            SyslogStamp::None | SyslogStamp::Local { .. } => None,
        };
    };
    if is_unsynchronised {
        return None;
    }
    let named = offset_s.and_then(|offset| Offset::from_seconds(offset).ok());
    let named = named.map(Offset::to_time_zone);
    let zone = named.as_ref().unwrap_or(zone);
    let at =
        |year: i16| DateTime::new(year, month, day, hour, minute, second.min(59), nanosecond).ok();
    let local = if let Some(year) = year {
        at(year)?
    } else {
        let arrival = jiff::Timestamp::from_nanosecond(i128::from(arrived.0)).ok()?;
        let arrival = zone.to_datetime(arrival);
        let year = arrival.year();
        let years = [year, year.saturating_sub(1), year.saturating_add(1)];
        let distance = |local: &DateTime| local.duration_since(arrival).abs();
        years.into_iter().filter_map(at).min_by_key(distance)?
    };
    let instant = zone.to_timestamp(local).ok()?.as_nanosecond();
    let leap_second_ns = if second > 59 { 1_000_000_000 } else { 0 };
    i64::try_from(instant).ok().map(|ns| Timestamp(ns).plus_ns(leap_second_ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(year: Option<i16>, month: i8, day: i8, hour: i8) -> SyslogStamp {
        SyslogStamp::Local {
            year,
            month,
            day,
            hour,
            minute: 30,
            second: 0,
            nanosecond: 5,
            is_unsynchronised: false,
            offset_s: None,
        }
    }

    fn shown(stamp: &SyslogStamp, zone: &TimeZone, arrived: &str) -> Option<String> {
        let arrived = Timestamp::parse(arrived).expect("an instant");
        instant(stamp, zone, arrived).map(|instant| instant.to_string())
    }

    #[test]
    fn the_year_is_the_nearest_one() {
        let zone = TimeZone::UTC;
        let december = local(None, 12, 31, 23);
        assert_eq!(
            shown(&december, &zone, "2027-01-01T00:10:00Z").as_deref(),
            Some("2026-12-31T23:30:00.000000005Z")
        );
        let january = local(None, 1, 1, 0);
        assert_eq!(
            shown(&january, &zone, "2026-12-31T23:59:00Z").as_deref(),
            Some("2027-01-01T00:30:00.000000005Z")
        );
        let leap_day = local(None, 2, 29, 12);
        assert_eq!(
            shown(&leap_day, &zone, "2028-03-01T00:00:00Z").as_deref(),
            Some("2028-02-29T12:30:00.000000005Z")
        );
        assert_eq!(shown(&leap_day, &zone, "2026-03-01T00:00:00Z"), None);
        assert_eq!(shown(&local(Some(2026), 2, 30, 1), &zone, "2026-03-01T00:00:00Z"), None);
    }

    #[test]
    fn local_times_are_read_in_the_zone_of_the_device() {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(
            shown(&local(Some(2026), 7, 1, 12), &zone, "2026-07-01T00:00:00Z").as_deref(),
            Some("2026-07-01T11:30:00.000000005Z")
        );
    }
}
