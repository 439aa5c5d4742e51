//! A silence in the sense of the Alertmanager: for a time, nobody is notified of alarms whose
//! labels its matchers fit. It mutes notices only: alarms, incidents, tickets and clocks go on.

use crate::model::limits::SILENCE_MATCHERS_MAX;
use crate::model::matcher::Matcher;
use crate::model::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// What somebody asks to be silent about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SilenceRequest {
    /// Which labels; all must hold.
    pub matchers: Vec<Matcher>,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
    /// Who.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

/// Why a silence is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SilenceMistake {
    /// It would match everything, or nothing is said.
    #[error("invalid silence: at least one matcher must not match the empty string")]
    MatchesEverything,
    /// It has too many matchers.
    #[error("invalid silence: more than {SILENCE_MATCHERS_MAX} matchers")]
    TooManyMatchers,
    /// It ends before it starts.
    #[error("invalid silence: end time must not be before start time")]
    EndsBeforeStart,
    /// It is over.
    #[error("end time can't be in the past")]
    EndsInThePast,
}

impl SilenceRequest {
    /// Checks it as it is asked for at `at`; one that should have begun earlier begins then.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn checked(mut self, at: Timestamp) -> Result<Self, SilenceMistake> {
        if self.matchers.len() > SILENCE_MATCHERS_MAX {
            return Err(SilenceMistake::TooManyMatchers);
        }
        if self.matchers.iter().all(|matcher| matcher.is_match("")) {
            return Err(SilenceMistake::MatchesEverything);
        }
        if self.ends_at < at {
            return Err(SilenceMistake::EndsInThePast);
        }
        self.starts_at = self.starts_at.max(at);
        if self.ends_at < self.starts_at {
            return Err(SilenceMistake::EndsBeforeStart);
        }
        Ok(self)
    }
}

/// Where a silence is in its life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SilenceState {
    /// It has not begun.
    Pending,
    /// It mutes.
    Active,
    /// It is over.
    Expired,
}

impl SilenceState {
    /// Its word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Expired => "expired",
        }
    }
}

/// A silence that was asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Silence {
    /// Journal position of the command that made it.
    pub id: u64,
    /// What was asked for, its times as they hold now.
    pub request: SilenceRequest,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Where it is in its life.
    pub state: SilenceState,
}

impl Silence {
    /// Whether it fits an alarm with these labels. `value` gives the value of a label, an empty
    /// text when there is no such label.
    #[must_use]
    pub fn is_about<'a>(&self, value: impl Fn(&str) -> &'a str) -> bool {
        self.request.matchers.iter().all(|matcher| matcher.is_match(value(matcher.name())))
    }

    /// Where it is in its life at that moment, by its times.
    #[must_use]
    pub fn state_at(&self, at: Timestamp) -> SilenceState {
        let Self { request, .. } = self;
        if at >= request.ends_at {
            SilenceState::Expired
        } else if at < request.starts_at {
            SilenceState::Pending
        } else {
            SilenceState::Active
        }
    }

    /// Its id as clients of the Alertmanager want it.
    #[must_use]
    pub fn name(&self) -> String {
        silence_name(self.id)
    }

    /// Its matchers as people write them.
    #[must_use]
    pub fn matchers_text(&self) -> String {
        let mut text = String::from("{");
        for matcher in &self.request.matchers {
            let comma = if text.len() > 1 { "," } else { "" };
            let _ = write!(text, "{comma}{matcher}");
        }
        text.push('}');
        text
    }
}

/// A journal position in the form of a UUID (version 8, whose content is for whoever makes it): no
/// random number, yet what clients take for an id.
#[must_use]
pub fn silence_name(id: u64) -> String {
    format!("{:08x}-0000-8000-8000-{:012x}", id >> 48, id & LOW_48_BITS)
}

/// The journal position in such a UUID; none in any other.
#[must_use]
pub fn silence_id(name: &str) -> Option<u64> {
    let mut parts = name.split('-');
    let (high, low) = (parts.next()?, parts.next_back()?);
    if !parts.eq(["0000", "8000", "8000"]) || (high.len(), low.len()) != (8, 12) {
        return None;
    }
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex(high) || !is_hex(low) {
        return None;
    }
    let high = u64::from_str_radix(high, 16).ok().filter(|high| *high <= 0xffff)?;
    Some((high << 48) | u64::from_str_radix(low, 16).ok()?)
}

const LOW_48_BITS: u64 = 0xffff_ffff_ffff;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(matcher: &str, starts_at: i64, ends_at: i64) -> SilenceRequest {
        SilenceRequest {
            matchers: vec![Matcher::parse(matcher).expect("a matcher")],
            starts_at: Timestamp(starts_at),
            ends_at: Timestamp(ends_at),
            created_by: "ann".to_owned(),
            comment: "work".to_owned(),
        }
    }

    #[test]
    fn a_silence_is_checked_as_the_alertmanager_does() {
        let at = Timestamp(100);
        let begun = request("job=x", 50, 200).checked(at).expect("it is valid");
        assert_eq!(begun.starts_at, at, "nothing is silenced in the past");
        let checked =
            |matcher, starts_at, ends_at| request(matcher, starts_at, ends_at).checked(at);
        assert_eq!(checked("job=~\".*\"", 50, 200), Err(SilenceMistake::MatchesEverything));
        assert_eq!(checked("job!=x", 50, 200), Err(SilenceMistake::MatchesEverything));
        assert_eq!(checked("job=x", 50, 99), Err(SilenceMistake::EndsInThePast));
        assert_eq!(checked("job=x", 300, 200), Err(SilenceMistake::EndsBeforeStart));
        let none = SilenceRequest { matchers: Vec::new(), ..request("job=x", 50, 200) };
        assert_eq!(none.checked(at), Err(SilenceMistake::MatchesEverything));
    }

    #[test]
    fn a_silence_is_about_what_all_its_matchers_fit() {
        let mut request = request("job=x", 0, 10);
        request.matchers.push(Matcher::parse("site=~\"a|\"").expect("a matcher"));
        let silence =
            Silence { id: 1, request, updated_at: Timestamp(0), state: SilenceState::Active };
        let is_about = |job: &'static str, site: &'static str| {
            silence.is_about(|name| if name == "job" { job } else { site })
        };
        assert!(is_about("x", "a") && is_about("x", ""));
        assert!(!is_about("x", "b") && !is_about("", "a"));
        assert_eq!(silence.matchers_text(), "{job=\"x\",site=~\"a|\"}");
        assert_eq!(silence.state_at(Timestamp(9)), SilenceState::Active);
        assert_eq!(silence.state_at(Timestamp(10)), SilenceState::Expired);
    }

    #[test]
    fn ids_have_the_form_of_a_uuid_and_come_back() {
        assert_eq!(silence_name(1_234), "00000000-0000-8000-8000-0000000004d2");
        for id in [0, 1, 1_234, 1 << 47, 1 << 48, u64::MAX] {
            assert_eq!(silence_id(&silence_name(id)), Some(id));
        }
        for other in [
            "",
            "x",
            "760fd026-842f-4525-b8f7-4c7c4c1282af",
            "00000000-0000-8000-8000-00000000+4d2",
        ] {
            assert_eq!(silence_id(other), None, "{other}");
        }
    }
}
