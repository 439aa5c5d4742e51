//! The dates of syslog headers, in the forms that equipment writes them.
//!
//! In: text that may begin with a date. Out: the stamp and the text after it. Years that are not
//! written are not guessed: that needs a clock. Every number has a bounded count of digits.
//!
//! | form | seen at |
//! |---|---|
//! | `2003-10-11T22:14:15.003Z` | RFC 5424, ESXi, Arista |
//! | `2012-07-20 11:37:35+02:00` | Huawei |
//! | `Oct 11 22:14:15` | RFC 3164 |
//! | `*Mar  1 18:46:11.123 UTC:` | Cisco IOS |
//! | `Aug 10 2011 16:25:44:` | Cisco ASA, Huawei |
//! | `Feb 12 10:35:36 2013` | Comware |
//! | `2020 Oct 22 19:01:28 MSK:` | NX-OS |
//! | `10/15/2019 14:11:03.82` | Extreme |

use crate::model::syslog::SyslogStamp;
use crate::model::time::{NS_PER_S, Timestamp};

/// A date that was found at the beginning of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dated<'a> {
    /// `None` when it names no possible instant (30 February, 25 o'clock).
    pub(super) stamp: Option<SyslogStamp>,
    /// Whether a colon ends it, as Cisco writes: no host name follows then.
    pub(super) has_colon: bool,
    /// The text after it.
    pub(super) rest: &'a str,
}

/// Takes a date in any of the forms off the text; `None` when there is none in front.
pub(super) fn take(text: &str) -> Option<Dated<'_>> {
    let mut cursor = Cursor { rest: text.as_bytes() };
    let is_unsynchronised = cursor.eat(b'*') || cursor.eat(b'.');
    let mut civil = cursor.date_and_time()?;
    civil.year = civil.year.or_else(|| cursor.year_behind());
    let zone = cursor.zones();
    civil.year = civil.year.or_else(|| cursor.year_behind());
    if cursor.rest.first().is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let has_colon = cursor.colon_behind();
    let stamp = match zone {
        Zone::Unnamed => civil.stamp(None, is_unsynchronised),
        Zone::Offset(offset_s) => civil.stamp(Some(offset_s), is_unsynchronised),
        Zone::Impossible => None,
    };
    let taken = text.len().saturating_sub(cursor.rest.len());
    Some(Dated { stamp, has_colon, rest: text.get(taken..).unwrap_or("") })
}

/// Reads the TIMESTAMP field of RFC 5424. The flag tells whether it keeps to the grammar; a stamp
/// may be given even when it does not.
pub(super) fn rfc5424(word: &str) -> (SyslogStamp, bool) {
    let mut cursor = Cursor { rest: word.as_bytes() };
    let Some(civil) = cursor.iso_date_and_time() else { return (SyslogStamp::None, false) };
    let offset_s = match cursor.glued_zone() {
        Zone::Unnamed => None,
        Zone::Offset(offset_s) => Some(offset_s),
        Zone::Impossible => return (SyslogStamp::None, false),
    };
    match civil.stamp(offset_s, false) {
        Some(stamp) if cursor.rest.is_empty() => (stamp, is_strict(word) && civil.second < 60),
        _ => (SyslogStamp::None, false),
    }
}

/// RFC 5424 6.2.3: capital `T` and `Z`, one to six decimals, an offset with colon.
fn is_strict(word: &str) -> bool {
    let Some((date, time)) = word.split_once('T') else { return false };
    let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at_checked(zone_at).unwrap_or((time, ""));
    let has_decimals = match clock.len() {
        8 => true,
        bytes => (10..=15).contains(&bytes) && clock.as_bytes().get(8) == Some(&b'.'),
    };
    let has_zone = zone == "Z" || (zone.len() == 6 && zone.as_bytes().get(3) == Some(&b':'));
    date.len() == 10 && !date.contains('/') && has_decimals && has_zone
}

/// Whether a word begins like an ISO date: four digits and a hyphen.
pub(super) fn is_iso_like(word: &str) -> bool {
    matches!(word.as_bytes(), [a, b, c, d, b'-', ..]
        if [a, b, c, d].into_iter().all(u8::is_ascii_digit))
}

/// Whether a word begins with the English abbreviation of a month.
pub(super) fn starts_with_month(word: &str) -> bool {
    Cursor { rest: word.as_bytes() }.month_name().is_some()
}

/// Whether a text that begins with no date was plainly meant to: `2018-11-22`, `Oct 11 22:14`.
pub(super) fn is_broken(text: &str) -> bool {
    let text = text.trim_start_matches(['*', '.']);
    let mut cursor = Cursor { rest: text.as_bytes() };
    if cursor.month_name().is_some() && cursor.spaces() > 0 {
        return cursor.number(1, 2).is_some()
            && cursor.spaces() > 0
            && cursor.number(1, 4).is_some()
            && cursor.eat(b':');
    }
    is_iso_like(text) && text.as_bytes().get(5).is_some_and(u8::is_ascii_digit)
}

/// A date and a time of day as written, not yet checked.
#[derive(Clone, Copy, Debug, Default)]
struct Civil {
    year: Option<i16>,
    month: i16,
    day: i16,
    hour: i16,
    minute: i16,
    second: i16,
    nanosecond: i32,
}

impl Civil {
    /// The instant if year and zone are known and the clock is trusted, the local time otherwise;
    /// `None` when a field is out of its range.
    fn stamp(&self, offset_s: Option<i32>, is_unsynchronised: bool) -> Option<SyslogStamp> {
        let is_possible = (1..=12).contains(&self.month)
            && (1..=days_of(self.month, self.year)).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second <= 60;
        if !is_possible {
            return None;
        }
        if let (Some(year), Some(offset_s), false) = (self.year, offset_s, is_unsynchronised) {
            return self.instant(i64::from(year), i64::from(offset_s)).map(SyslogStamp::Instant);
        }
        Some(SyslogStamp::Local {
            year: self.year,
            month: i8::try_from(self.month).ok()?,
            day: i8::try_from(self.day).ok()?,
            hour: i8::try_from(self.hour).ok()?,
            minute: i8::try_from(self.minute).ok()?,
            second: i8::try_from(self.second).ok()?,
            nanosecond: self.nanosecond,
            offset_s,
            is_unsynchronised,
        })
    }

    /// A leap second is the first of the next minute, as POSIX counts. `None` outside of the years
    /// that a [`Timestamp`] can hold.
    fn instant(&self, year: i64, offset_s: i64) -> Option<Timestamp> {
        let days = days_since_1970(year, i64::from(self.month), i64::from(self.day));
        let seconds = days * 86_400
            + i64::from(self.hour) * 3_600
            + i64::from(self.minute) * 60
            + i64::from(self.second)
            - offset_s;
        let nanoseconds = seconds.checked_mul(NS_PER_S)?;
        nanoseconds.checked_add(i64::from(self.nanosecond)).map(Timestamp)
    }
}

/// 29 February exists in a year that is not known.
fn days_of(month: i16, year: Option<i16>) -> i16 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => match year {
            Some(year) if year % 4 != 0 || (year % 100 == 0 && year % 400 != 0) => 28,
            _ => 29,
        },
        _ => 31,
    }
}

/// Days in the Gregorian calendar. Years are taken to begin in March, so that the leap day comes
/// last and the lengths of the months follow one line (153 days in five months).
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let years = if month > 2 { year } else { year - 1 };
    let months = if month > 2 { month - 3 } else { month + 9 };
    let leap_days = years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400);
    let from_march_0 = years * 365 + leap_days + (153 * months + 2) / 5 + day - 1;
    from_march_0 - MARCH_0_TO_1970
}

/// Days from 1 March of the year 0 to 1 January 1970.
const MARCH_0_TO_1970: i64 = 719_468;

/// What a date says about its zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Zone {
    /// Nothing, or an abbreviation that different countries use differently.
    Unnamed,
    /// East of UTC, seconds.
    Offset(i32),
    /// An offset of a day or more.
    Impossible,
}

/// Reads a date from the front of bytes. Whatever fails may have moved it.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn date_and_time(&mut self) -> Option<Civil> {
        match self.rest {
            [b'0'..=b'9', b'0'..=b'9', b'/', ..] => self.slash_date_and_time(),
            [_, _, _, _, b' ', ..] if self.rest.first()?.is_ascii_digit() => {
                let year = self.number(4, 4)?;
                self.spaces();
                let civil = self.month_day()?;
                self.clock(Civil { year: Some(year), ..civil })
            }
            [b'0'..=b'9', ..] => self.iso_date_and_time(),
            _ => {
                let civil = self.month_day()?;
                let year = self.number_before_space();
                self.clock(Civil { year, ..civil })
            }
        }
    }

    /// `2003-10-11T22:14:15.003`, `2012/7/20 11:37:35`
    fn iso_date_and_time(&mut self) -> Option<Civil> {
        let year = self.number(4, 4)?;
        let separator = *self.rest.first().filter(|byte| matches!(byte, b'-' | b'/'))?;
        self.eat(separator);
        let month = self.number(1, 2)?;
        let day = self.eat(separator).then(|| self.number(1, 2))??;
        if !(self.eat(b'T') || self.eat(b't') || self.spaces() > 0) {
            return None;
        }
        self.clock(Civil { year: Some(year), month, day, ..Civil::default() })
    }

    /// `10/15/2019 14:11:03.82`; the day comes first only where it cannot be a month.
    fn slash_date_and_time(&mut self) -> Option<Civil> {
        let first = self.number(2, 2)?;
        let second = self.eat(b'/').then(|| self.number(2, 2))??;
        let year = self.eat(b'/').then(|| self.number(4, 4))??;
        let (month, day) = if first > 12 { (second, first) } else { (first, second) };
        if self.spaces() == 0 {
            return None;
        }
        self.clock(Civil { year: Some(year), month, day, ..Civil::default() })
    }

    /// `Oct 11 `, `Thu Oct  1 `
    fn month_day(&mut self) -> Option<Civil> {
        if let [_, _, _, b' ', rest @ ..] = self.rest
            && self.is_at_weekday()
        {
            self.rest = rest;
        }
        let month = self.month_name()?;
        let day = (self.spaces() > 0).then(|| self.number(1, 2))??;
        (self.spaces() > 0).then_some(Civil { month, day, ..Civil::default() })
    }

    fn is_at_weekday(&self) -> bool {
        self.rest
            .get(..3)
            .is_some_and(|word| WEEKDAYS.iter().any(|weekday| word.eq_ignore_ascii_case(weekday)))
    }

    fn month_name(&mut self) -> Option<i16> {
        let [a, b, c, rest @ ..] = self.rest else { return None };
        let month = match &[a | 0x20, b | 0x20, c | 0x20] {
            b"jan" => 1,
            b"feb" => 2,
            b"mar" => 3,
            b"apr" => 4,
            b"may" => 5,
            b"jun" => 6,
            b"jul" => 7,
            b"aug" => 8,
            b"sep" => 9,
            b"oct" => 10,
            b"nov" => 11,
            b"dec" => 12,
            _ => return None,
        };
        self.rest = rest;
        Some(month)
    }

    /// A year between day and time.
    fn number_before_space(&mut self) -> Option<i16> {
        let mut ahead = Cursor { rest: self.rest };
        let year = ahead.number(4, 4)?;
        (ahead.spaces() > 0).then(|| {
            self.rest = ahead.rest;
            year
        })
    }

    /// A year after the time. A host may be called `2928`, so only plausible ones count.
    fn year_behind(&mut self) -> Option<i16> {
        let mut ahead = Cursor { rest: self.rest };
        let year = (ahead.spaces() > 0).then(|| ahead.number(4, 4))??;
        let is_ended = matches!(ahead.rest, [] | [b' ', ..] | [b':'] | [b':', b' ', ..]);
        let is_year = is_ended && (1970..=2099).contains(&year);
        is_year.then(|| {
            self.rest = ahead.rest;
            year
        })
    }

    /// `22:14:15`, `22:14:15.003`, `22:14:15,003`; decimals beyond the ninth are dropped.
    fn clock(&mut self, date: Civil) -> Option<Civil> {
        let hour = self.number(1, 2)?;
        let minute = self.eat(b':').then(|| self.number(2, 2))??;
        let second = self.eat(b':').then(|| self.number(2, 2))??;
        let mut nanosecond = 0;
        if let [b'.' | b',', decimals @ ..] = self.rest {
            let (mut weight, mut behind) = (100_000_000, decimals);
            while let [digit @ b'0'..=b'9', rest @ ..] = behind {
                nanosecond += i32::from(digit.wrapping_sub(b'0')) * weight;
                weight /= 10;
                behind = rest;
            }
            if behind.len() < decimals.len() {
                self.rest = behind;
            }
        }
        Some(Civil { hour, minute, second, nanosecond, ..date })
    }

    /// Up to two zones: `+02:00 DST`, ` UTC`, ` -0500`, ` MSK`.
    fn zones(&mut self) -> Zone {
        let mut zone = self.glued_zone();
        for _ in 0..2 {
            let mut ahead = Cursor { rest: self.rest };
            if ahead.spaces() == 0 {
                break;
            }
            let next = match ahead.rest {
                [b'+' | b'-', b'0'..=b'9', ..] => ahead.glued_zone(),
                _ => match ahead.zone_name() {
                    Some(next) => next,
                    None => break,
                },
            };
            if zone == Zone::Unnamed {
                zone = next;
            }
            self.rest = ahead.rest;
        }
        zone
    }

    /// `Z`, `+02:00`, `-0500`, `+02` right after the time.
    fn glued_zone(&mut self) -> Zone {
        match self.rest {
            [b'Z' | b'z', rest @ ..] => {
                self.rest = rest;
                Zone::Offset(0)
            }
            [sign @ (b'+' | b'-'), rest @ ..] => {
                let mut ahead = Cursor { rest };
                let Some(hours) = ahead.number(2, 2) else { return Zone::Unnamed };
                let has_colon = ahead.eat(b':');
                let minutes = match ahead.number(2, 2) {
                    Some(minutes) => minutes,
                    None if has_colon => return Zone::Impossible,
                    None => 0,
                };
                self.rest = ahead.rest;
                if hours > 23 || minutes > 59 {
                    return Zone::Impossible;
                }
                let offset_s = i32::from(hours) * 3_600 + i32::from(minutes) * 60;
                Zone::Offset(if *sign == b'-' { -offset_s } else { offset_s })
            }
            _ => Zone::Unnamed,
        }
    }

    /// An abbreviation that is known as one, or any that only a zone can be: before `: %`.
    fn zone_name(&mut self) -> Option<Zone> {
        let letters = self.rest.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
        let (word, rest) = self.rest.split_at_checked(letters).filter(|_| letters <= 5)?;
        let is_known = matches!(rest, [] | [b' ' | b':', ..]) && ZONES.contains(&word);
        let is_evident = letters >= 2 && matches!(rest, [b':', b' ', b'%', ..]);
        if !is_known && !is_evident {
            return None;
        }
        self.rest = rest;
        Some(if matches!(word, b"UTC" | b"GMT" | b"Z") { Zone::Offset(0) } else { Zone::Unnamed })
    }

    /// The colon that Cisco puts after a date, ` :` at IOS-XR.
    fn colon_behind(&mut self) -> bool {
        let mut ahead = Cursor { rest: self.rest };
        ahead.spaces();
        let is_there = ahead.eat(b':') && matches!(ahead.rest, [] | [b' ' | b'%', ..]);
        if is_there {
            self.rest = ahead.rest;
        }
        is_there
    }

    fn eat(&mut self, byte: u8) -> bool {
        match self.rest {
            [first, rest @ ..] if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn spaces(&mut self) -> usize {
        let mut count = 0;
        while let [b' ', rest @ ..] = self.rest {
            self.rest = rest;
            count += 1;
        }
        count
    }

    /// A number of at least and at most so many digits (four at most, so that it fits).
    fn number(&mut self, digits_min: usize, digits_max: usize) -> Option<i16> {
        let (mut value, mut digits, mut rest) = (0, 0, self.rest);
        while let [digit @ b'0'..=b'9', behind @ ..] = rest
            && digits < digits_max
        {
            value = value * 10 + i16::from(digit.wrapping_sub(b'0'));
            digits += 1;
            rest = behind;
        }
        (digits >= digits_min).then(|| {
            self.rest = rest;
            value
        })
    }
}

const WEEKDAYS: [&[u8]; 7] = [b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"];

/// Abbreviations that equipment writes after a time. All but UTC and GMT stay local: `IST` is used
/// in three countries, and `CST` on two continents.
static ZONES: [&[u8]; 62] = [
    b"UTC", b"GMT", b"Z", b"DST", b"WET", b"WEST", b"BST", b"IST", b"CET", b"CEST", b"MET",
    b"MEST", b"EET", b"EEST", b"TRT", b"MSK", b"MSD", b"SAMT", b"YEKT", b"OMST", b"NOVT", b"KRAT",
    b"IRKT", b"YAKT", b"VLAT", b"MAGT", b"WAT", b"CAT", b"EAT", b"SAST", b"AST", b"ADT", b"EST",
    b"EDT", b"CST", b"CDT", b"MST", b"MDT", b"PST", b"PDT", b"AKST", b"AKDT", b"HST", b"BRT",
    b"BRST", b"ART", b"CLT", b"CLST", b"COT", b"PET", b"GST", b"PKT", b"NPT", b"ICT", b"WIB",
    b"SGT", b"HKT", b"JST", b"KST", b"AWST", b"AEST", b"NZST",
];
