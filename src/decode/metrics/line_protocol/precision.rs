//! In which units the timestamps of a body count.

use crate::decode::metrics::number;
use crate::model::sample::SampleFault;
use crate::model::time::Timestamp;

/// The unit of timestamps; nanoseconds unless the request says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Precision {
    /// 1 ns.
    #[default]
    Nanosecond,
    /// 1,000 ns.
    Microsecond,
    /// 1,000,000 ns.
    Millisecond,
    /// 1,000,000,000 ns.
    Second,
    /// 60 s.
    Minute,
    /// 3,600 s.
    Hour,
}

impl Precision {
    /// The precision that a request names: of version 1 (`n`, `u`, `ms`, `s`, `m`, `h`) and of
    /// versions 2 and 3 (`ns`, `us`, `ms`, `s`, `nanosecond`, …). `None` when there is none of that
    /// name; an empty name means nanoseconds.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "" | "n" | "ns" | "nanosecond" => Self::Nanosecond,
            "u" | "us" | "µ" | "µs" | "microsecond" => Self::Microsecond,
            "ms" | "millisecond" => Self::Millisecond,
            "s" | "second" => Self::Second,
            "m" | "minute" => Self::Minute,
            "h" | "hour" => Self::Hour,
            _ => return None,
        })
    }

    /// The instant so many units after 1970.
    pub(super) fn instant(self, units: i64) -> Result<Timestamp, SampleFault> {
        number::at_units(units, self.unit_ns())
    }

    const fn unit_ns(self) -> i64 {
        match self {
            Self::Nanosecond => 1,
            Self::Microsecond => 1_000,
            Self::Millisecond => 1_000_000,
            Self::Second => 1_000_000_000,
            Self::Minute => 60_000_000_000,
            Self::Hour => 3_600_000_000_000,
        }
    }
}
