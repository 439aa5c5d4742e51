//! Which samples are told because a band asks that values last.
//!
//! In: when a series came into a zone of such bands, and when its samples come. Out: whether one of
//! them may be the first after the time that a band asks for. The engine counts that time, and a
//! sample has to end it: nobody else knows that the value still lies there.
//!
//! ```text
//!  comes into such a zone     into another one
//!   ─────┼──────────────────────────┼────────────────────────────────▶
//!        │◀── shortest ──▶ from     │◀───────── longest ────────▶ until
//!                          └──────── each sample is told ───────┘ and one after it
//! ```
//!
//! Of most series that is one sample. Those that change nothing cost no place in the journal.

/// A time in which each sample is told, in engine seconds. Begins closed.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Lasting {
    from_s: u32,
    /// The first sample from then on is the last that is told; 0 when none is.
    until_s: u32,
}

/// When what may last has begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Begun {
    /// The engine knew the zone before this one.
    Now,
    /// Nobody can say: perhaps long ago.
    Unknown,
}

impl Lasting {
    /// The engine is told of a zone; `lasts_ms` is what its bands ask for, shortest and longest.
    pub(super) fn enter(&mut self, begun: Begun, now_s: u32, lasts_ms: Option<(u64, u64)>) {
        let Some((shortest, longest)) = lasts_ms else {
            *self = Self::default();
            return;
        };
        let whole = |ms: u64| u32::try_from(ms / 1_000).unwrap_or(u32::MAX);
        let from_s = match begun {
            Begun::Now => now_s.saturating_add(whole(shortest)),
            Begun::Unknown => now_s,
        };
        self.from_s = if self.until_s == 0 { from_s } else { self.from_s.min(from_s) };
        // Both ends are rounded to seconds: what lasted may take one more, and one for a fraction.
        let longest_s = whole(longest).saturating_add(2);
        self.until_s = now_s.saturating_add(longest_s);
    }

    /// Whether a sample of now is told.
    #[inline]
    pub(super) fn take(&mut self, now_s: u32) -> bool {
        if self.until_s == 0 || now_s < self.from_s {
            return false;
        }
        if now_s >= self.until_s {
            *self = Self::default();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seconds in which a sample is told, of one each ten seconds.
    fn told(lasting: &mut Lasting, seconds: std::ops::Range<u32>) -> Vec<u32> {
        seconds.step_by(10).filter(|now_s| lasting.take(*now_s)).collect()
    }

    #[test]
    fn the_first_sample_after_the_time_is_told() {
        let mut lasting = Lasting::default();
        assert!(told(&mut lasting, 0..100).is_empty());
        lasting.enter(Begun::Now, 100, Some((60_000, 60_000)));
        // The clock of the engine may stand at 100.9 and 160.1: then the one at 160 is too early.
        assert_eq!(told(&mut lasting, 110..300), [160, 170]);
        lasting.enter(Begun::Now, 300, Some((60_500, 60_500)));
        assert_eq!(told(&mut lasting, 305..600), [365]);
    }

    #[test]
    fn every_time_that_a_band_asks_for_is_met() {
        let mut lasting = Lasting::default();
        lasting.enter(Begun::Now, 100, Some((60_000, 90_000)));
        assert_eq!(told(&mut lasting, 110..300), [160, 170, 180, 190, 200]);
        lasting.enter(Begun::Now, 300, Some((60_000, 60_000)));
        lasting.enter(Begun::Now, 350, Some((60_000, 60_000)));
        assert_eq!(told(&mut lasting, 355..600), [365, 375, 385, 395, 405, 415]);
        lasting.enter(Begun::Now, 600, Some((90_000, 90_000)));
        lasting.enter(Begun::Now, 610, Some((30_000, 90_000)));
        assert_eq!(told(&mut lasting, 615..800), [645, 655, 665, 675, 685, 695, 705]);
    }

    #[test]
    fn what_may_last_since_long_ago_is_told_at_once_and_what_is_over_no_more() {
        let mut lasting = Lasting::default();
        lasting.enter(Begun::Unknown, 100, Some((60_000, 60_000)));
        assert_eq!(told(&mut lasting, 110..140), [110, 120, 130]);
        lasting.enter(Begun::Now, 140, None);
        assert!(told(&mut lasting, 140..600).is_empty());
    }
}
