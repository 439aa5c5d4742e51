//! Decides when overload is worth an alarm of vigie about itself: at once, for messages may soon be
//! shed; and cleared when it has not come again for a while, since a storm comes in waves.

/// What is known of the load.
#[derive(Debug, Default)]
pub struct LoadWatch {
    seen: u64,
    /// When it was last overloaded, as long as that is an alarm.
    raised_ns: Option<u64>,
}

/// What is to be told of the load now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoadNews {
    /// More is sent than is taken.
    Raise,
    /// It has been calm for long enough.
    Clear,
}

impl LoadWatch {
    /// With the alarm of the run before, if that has left one.
    #[must_use]
    pub fn new(is_raised: bool, now_ns: u64) -> Self {
        Self { seen: 0, raised_ns: is_raised.then_some(now_ns) }
    }

    /// Takes one look: whether it is overloaded now, and how often it has come to be since the
    /// start.
    pub fn look(&mut self, is_overloaded: bool, times: u64, now_ns: u64) -> Option<LoadNews> {
        let is_new = is_overloaded || times != self.seen;
        self.seen = times;
        if is_new {
            let was_raised = self.raised_ns.replace(now_ns).is_some();
            return (!was_raised).then_some(LoadNews::Raise);
        }
        let calm_ns = now_ns.saturating_sub(self.raised_ns?);
        if calm_ns < CALM_NS {
            return None;
        }
        self.raised_ns = None;
        Some(LoadNews::Clear)
    }
}

/// Without overload for that long, it is over.
const CALM_NS: u64 = 60_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_run_before_has_left_is_over_when_it_does_not_come_again() {
        let mut watch = LoadWatch::new(true, CALM_NS);
        assert_eq!(watch.look(false, 0, CALM_NS + 1), None);
        assert_eq!(watch.look(false, 0, 2 * CALM_NS), Some(LoadNews::Clear));
        assert_eq!(LoadWatch::new(false, 1).look(false, 0, 2 * CALM_NS), None);
    }

    #[test]
    fn waves_of_overload_are_one_alarm_and_a_short_one_is_not_overlooked() {
        let mut watch = LoadWatch::default();
        let seconds = |count: u64| count * 1_000_000_000;
        assert_eq!(watch.look(false, 0, seconds(1)), None);
        assert_eq!(watch.look(false, 1, seconds(2)), Some(LoadNews::Raise), "it came and went");
        assert_eq!(watch.look(true, 2, seconds(30)), None);
        assert_eq!(watch.look(false, 2, seconds(89)), None);
        assert_eq!(watch.look(false, 2, seconds(90)), Some(LoadNews::Clear));
        assert_eq!(watch.look(false, 2, seconds(91)), None);
        assert_eq!(watch.look(true, 3, seconds(92)), Some(LoadNews::Raise));
    }
}
