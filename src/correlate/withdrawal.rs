//! Incidents that are over, and when whoever keeps the last record of each incident is told that
//! its own may go. Only the id is needed for that, so that the incident itself is forgotten long
//! before.

use crate::model::limits::WITHDRAWALS_MAX;
use crate::model::time::EngineTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Ids of incidents that are over, by the time of their withdrawal. At most [`WITHDRAWALS_MAX`]:
/// beyond them the next one is due at once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Withdrawals {
    by_due: BTreeSet<(EngineTime, u64)>,
    /// [`WITHDRAWALS_MAX`]; less in tests.
    #[serde(skip, default = "most")]
    most: usize,
}

const fn most() -> usize {
    WITHDRAWALS_MAX
}

impl Default for Withdrawals {
    fn default() -> Self {
        Self { by_due: BTreeSet::new(), most: most() }
    }
}

impl Withdrawals {
    /// Notes an incident that is over. No incident is over twice.
    pub fn add(&mut self, incident: u64, due: EngineTime) {
        self.by_due.insert((due, incident));
    }

    /// When the next is due.
    #[must_use]
    pub fn next(&self) -> Option<EngineTime> {
        let (due, _) = *self.by_due.first()?;
        Some(if self.by_due.len() > self.most { EngineTime(0) } else { due })
    }

    /// Takes the next that is due at `now`.
    pub fn pop_due(&mut self, now: EngineTime) -> Option<u64> {
        self.next().filter(|due| *due <= now)?;
        self.by_due.pop_first().map(|(_, incident)| incident)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_due_in_its_time_and_the_oldest_early_when_there_are_too_many() {
        let mut withdrawals = Withdrawals { most: 2, ..Withdrawals::default() };
        withdrawals.add(7, EngineTime(70));
        withdrawals.add(5, EngineTime(70));
        assert_eq!(withdrawals.next(), Some(EngineTime(70)));
        assert_eq!(withdrawals.pop_due(EngineTime(69)), None);
        withdrawals.add(9, EngineTime(90));
        assert_eq!(withdrawals.next(), Some(EngineTime(0)));
        assert_eq!(withdrawals.pop_due(EngineTime(1)), Some(5));
        assert_eq!(withdrawals.pop_due(EngineTime(69)), None);
        assert_eq!(withdrawals.pop_due(EngineTime(90)), Some(7));
        assert_eq!(withdrawals.pop_due(EngineTime(90)), Some(9));
        assert_eq!(withdrawals.next(), None);
    }
}
