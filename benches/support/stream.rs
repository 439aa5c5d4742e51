//! In which order the fleet's messages are sent. Deterministic: the same stream in every run.

use crate::support::fleet::{Fleet, MessageId, clear, raise};

/// How much of the stream tells something new.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Mix {
    /// 97 % repeats of known alarms, 3 % changes.
    Repeats,
    /// Half are changes.
    Changes,
}

/// An endless stream. Half of the alarms stay raised and are repeated; the other half is cleared
/// and raised again in turn, with as much time between the two as there is.
pub(crate) struct Stream {
    steady: u32,
    toggled: u32,
    changes_per_hundred: u64,
    sent: u64,
    repeats: u64,
    changes: u64,
}

impl Stream {
    /// A stream over a fleet of which every alarm was raised.
    pub(crate) fn new(fleet: Fleet, mix: Mix) -> Self {
        let steady = fleet.alarms() / 2;
        let changes_per_hundred = match mix {
            Mix::Repeats => 3,
            Mix::Changes => 50,
        };
        let toggled = fleet.alarms() - steady;
        Self { steady, toggled, changes_per_hundred, sent: 0, repeats: 0, changes: 0 }
    }

    /// The next message.
    pub(crate) fn next(&mut self) -> MessageId {
        self.sent += 1;
        if self.sent * self.changes_per_hundred % 100 < self.changes_per_hundred {
            self.changes += 1;
            return self.change(self.changes - 1);
        }
        self.repeats += 1;
        // A stride that visits every alarm and never two neighbours: caches get no gift.
        raise(spread(self.repeats, self.steady))
    }

    /// Clears and raises take turns; the raise is half a circle behind the clear.
    fn change(&self, number: u64) -> MessageId {
        let half = u64::from(self.toggled / 2);
        let pair = number / 2;
        if number.is_multiple_of(2) {
            clear(self.steady + spread(pair, self.toggled))
        } else if pair >= half {
            raise(self.steady + spread(pair - half, self.toggled))
        } else {
            // Nothing was cleared long enough ago yet: the beginning has clears only.
            clear(self.steady + spread(pair, self.toggled))
        }
    }
}

fn spread(number: u64, among: u32) -> u32 {
    const STRIDE: u64 = 7_919;
    u32::try_from(number * STRIDE % u64::from(among)).expect("smaller than a u32")
}
