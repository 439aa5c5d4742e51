//! How good the wall clock is, by `adjtimex`: a start time is worth what its clock is worth.

use crate::engine::input::ClockQuality;

/// The kernel's own opinion of the wall clock now.
#[must_use]
#[expect(unsafe_code, reason = "adjtimex fills a local struct; no std function reads it")]
pub fn read() -> ClockQuality {
    // SAFETY: all zeros is a valid `timex`, and with `modes` 0 the call only reads.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: `state` is a valid, exclusively borrowed timex for the whole call.
    let status = unsafe { libc::adjtimex(&raw mut state) };
    if status < 0 {
        return ClockQuality {
            is_synchronised: false,
            error_us: 0,
            source: "kernel gives no clock state".to_owned(),
        };
    }
    ClockQuality {
        is_synchronised: status != libc::TIME_ERROR && state.status & libc::STA_UNSYNC == 0,
        error_us: u64::try_from(state.maxerror).unwrap_or(0),
        source: "kernel clock (adjtimex)".to_owned(),
    }
}

/// Decides when an unsynchronised clock is worth an alarm: not at once, since every restart of the
/// time service passes through it.
#[derive(Debug, Default)]
pub struct ClockWatch {
    since_ns: Option<u64>,
    is_raised: bool,
}

/// What is to be told of the clock now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClockNews {
    /// It has not been synchronised for long enough.
    Raise,
    /// It is synchronised.
    Clear,
}

impl ClockWatch {
    /// Takes one look at the clock. The first look at a synchronised one clears too, since an alarm
    /// may be left from the run before.
    pub fn look(&mut self, is_synchronised: bool, now_ns: u64) -> Option<ClockNews> {
        if is_synchronised {
            let is_news = self.is_raised || self.since_ns != Some(0);
            *self = Self { since_ns: Some(0), is_raised: false };
            return is_news.then_some(ClockNews::Clear);
        }
        let since_ns = self.since_ns.filter(|since| *since > 0).unwrap_or(now_ns.max(1));
        self.since_ns = Some(since_ns);
        if self.is_raised || now_ns.saturating_sub(since_ns) < PATIENCE_NS {
            return None;
        }
        self.is_raised = true;
        Some(ClockNews::Raise)
    }
}

/// How long the clock may be unsynchronised before that is told, ns.
const PATIENCE_NS: u64 = 300_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsynchronised_clock_is_told_after_five_minutes_and_cleared_at_once() {
        const MINUTE: u64 = 60_000_000_000;
        let mut watch = ClockWatch::default();
        let start = 7 * MINUTE;
        assert_eq!(watch.look(false, start), None);
        assert_eq!(watch.look(false, start + 5 * MINUTE - 1), None);
        assert_eq!(watch.look(false, start + 5 * MINUTE), Some(ClockNews::Raise));
        assert_eq!(watch.look(false, start + 9 * MINUTE), None, "told once");
        assert_eq!(watch.look(true, start + 10 * MINUTE), Some(ClockNews::Clear));
        assert_eq!(watch.look(true, start + 11 * MINUTE), None);
        assert_eq!(watch.look(false, start + 12 * MINUTE), None, "the patience begins anew");
        assert_eq!(watch.look(true, start + 13 * MINUTE), Some(ClockNews::Clear));
    }

    #[test]
    fn a_synchronised_clock_clears_what_the_run_before_has_left() {
        let mut watch = ClockWatch::default();
        assert_eq!(watch.look(true, 1), Some(ClockNews::Clear));
        assert_eq!(watch.look(true, 2), None);
    }
}
