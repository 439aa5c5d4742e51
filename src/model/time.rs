//! Instants. Two clocks, never mixed: wall time for what a contract measures, engine time for
//! hold-offs, stability and flapping.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Nanoseconds in one second.
pub const NS_PER_S: i64 = 1_000_000_000;

/// A wall-clock instant: nanoseconds since 1970-01-01T00:00:00Z, without leap seconds.
///
/// Range: years 1677 to 2262. Shown as RFC 3339 in UTC with nine decimals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The instant `duration_ns` later (earlier if negative); saturates at the ends of the range.
    #[must_use]
    pub const fn plus_ns(self, duration_ns: i64) -> Self {
        Self(self.0.saturating_add(duration_ns))
    }

    /// Nanoseconds from `earlier` to `self`; negative if `earlier` is in fact later. Saturates.
    #[must_use]
    pub const fn ns_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads what [`fmt::Display`] writes, and any other RFC 3339 instant.
    pub fn parse(text: &str) -> Option<Self> {
        let parsed: jiff::Timestamp = text.parse().ok()?;
        i64::try_from(parsed.as_nanosecond()).ok().map(Self)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(instant) => write!(f, "{instant:.9}"),
            Err(_) => write!(f, "@{}ns", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text in readable formats (JSON), the bare number in binary ones (journal, snapshot).
impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            Self::parse(&text)
                .ok_or_else(|| serde::de::Error::custom(format!("not an RFC 3339 instant: {text}")))
        } else {
            i64::deserialize(deserializer).map(Self)
        }
    }
}

/// Engine time: nanoseconds that only grow, across restarts too. It starts at an arbitrary value
/// and is read from the boot clock, so it does not jump when the wall clock is set.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize,
)]
pub struct EngineTime(pub u64);

impl EngineTime {
    /// The instant `duration_ns` later; saturates.
    #[must_use]
    pub const fn plus_ns(self, duration_ns: u64) -> Self {
        Self(self.0.saturating_add(duration_ns))
    }

    /// Nanoseconds from `earlier` to `self`, 0 if `earlier` is later.
    #[must_use]
    pub const fn ns_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The two clocks at one moment, as the journal record carries them. Ordered by engine time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug, Serialize, Deserialize)]
pub struct At {
    /// For hold-off, stability, flapping and every other interval that the engine waits for.
    pub engine: EngineTime,
    /// For every instant that a contract names.
    pub wall: Timestamp,
}

/// Seconds to nanoseconds; saturates.
#[must_use]
pub const fn seconds_ns(seconds: u64) -> u64 {
    seconds.saturating_mul(1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamp_shows_nine_decimals_and_reads_them_back() {
        let at = Timestamp(1_795_502_400_123_456_789);
        assert_eq!(at.to_string(), "2026-11-24T06:40:00.123456789Z");
        assert_eq!(Timestamp::parse(&at.to_string()), Some(at));
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000000000Z");
    }
}
