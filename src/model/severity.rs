//! Perceived severity, in the words and the numeric order of RFC 8632 (`ietf-alarms`).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How serious an alarm is held to be (RFC 8632 `severity`, X.733 8.1.2.3). *Cleared* is no
/// severity: it is a flag beside it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Severity {
    /// The severity cannot be determined.
    Indeterminate = 2,
    /// A potential or impending fault, before any effect on service.
    Warning = 3,
    /// A fault that does not affect service but should be corrected.
    Minor = 4,
    /// Service is affected; urgent.
    Major = 5,
    /// Service is lost; immediate.
    Critical = 6,
}

impl Severity {
    /// Every severity, lowest first.
    pub const ALL: [Self; 5] =
        [Self::Indeterminate, Self::Warning, Self::Minor, Self::Major, Self::Critical];

    /// The lower-case word of RFC 8632.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Indeterminate => "indeterminate",
            Self::Warning => "warning",
            Self::Minor => "minor",
            Self::Major => "major",
            Self::Critical => "critical",
        }
    }

    /// The number of RFC 8632 (2 to 6).
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Indeterminate => 2,
            Self::Warning => 3,
            Self::Minor => 4,
            Self::Major => 5,
            Self::Critical => 6,
        }
    }

    /// The severity with that RFC 8632 number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            2 => Some(Self::Indeterminate),
            3 => Some(Self::Warning),
            4 => Some(Self::Minor),
            5 => Some(Self::Major),
            6 => Some(Self::Critical),
            _ => None,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Severity {
    type Err = UnknownSeverity;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|severity| severity.as_str() == text)
            .ok_or_else(|| UnknownSeverity(text.to_owned()))
    }
}

/// A word that names no severity.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown severity {0:?}: use indeterminate, warning, minor, major or critical")]
pub struct UnknownSeverity(pub String);
