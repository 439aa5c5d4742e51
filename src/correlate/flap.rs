//! Flapping: an alarm that toggles too often is one flapping alarm, not a thousand.

use crate::model::settings::CorrelationSettings;
use crate::model::time::EngineTime;
use serde::{Deserialize, Serialize};

/// The recent toggles of one alarm. Empty (no memory) for alarms that never toggled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flap {
    toggles: Vec<EngineTime>,
    is_flapping: bool,
}

impl Flap {
    /// Whether the alarm is held to be flapping.
    #[must_use]
    pub fn is_flapping(&self) -> bool {
        self.is_flapping
    }

    /// Notes that the alarm came back or went; `true` when this makes it flapping.
    pub fn toggle(&mut self, at: EngineTime, settings: &CorrelationSettings) -> bool {
        let needed = usize::try_from(settings.flap_toggles.max(2)).unwrap_or(usize::MAX);
        let window = settings.flap_window_ms.saturating_mul(1_000_000);
        if self.toggles.len() >= needed {
            self.toggles.remove(0);
        }
        if self.toggles.is_empty() {
            // Most alarms come once: room for more of it would be wasted on all of them.
            self.toggles.reserve_exact(1);
        }
        self.toggles.push(at);
        let is_fast = self.toggles.len() >= needed
            && self.toggles.first().is_some_and(|first| at.ns_since(*first) <= window);
        let begins = is_fast && !self.is_flapping;
        self.is_flapping |= is_fast;
        begins
    }

    /// When it will have been quiet long enough, if nothing more comes.
    #[must_use]
    pub fn quiet_at(&self, settings: &CorrelationSettings) -> Option<EngineTime> {
        let last = self.toggles.last()?;
        Some(last.plus_ns(settings.flap_quiet_ms.saturating_mul(1_000_000)))
    }

    /// It was quiet long enough: forget.
    pub fn settle(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::seconds_ns;

    #[test]
    fn begins_at_the_counted_toggle_within_the_window_and_only_then() {
        let settings = CorrelationSettings { flap_toggles: 3, ..CorrelationSettings::default() };
        let mut flap = Flap::default();
        assert!(!flap.toggle(EngineTime(0), &settings));
        assert!(!flap.toggle(EngineTime(seconds_ns(40)), &settings));
        assert!(!flap.toggle(EngineTime(seconds_ns(80)), &settings), "the first is too old");
        assert!(flap.toggle(EngineTime(seconds_ns(90)), &settings));
        assert!(!flap.toggle(EngineTime(seconds_ns(91)), &settings), "it only begins once");
        assert_eq!(flap.quiet_at(&settings), Some(EngineTime(seconds_ns(151))));
        flap.settle();
        assert!(!flap.is_flapping());
    }
}
