//! Alarms and resources that wait to be shown: a fault may change a hundred thousand, and the step
//! that brings it must not last until all of them are told. They are shown as they are then.

use crate::correlate::alarm_table::AlarmSlot;
use crate::correlate::resource::Slot;
use crate::model::time::EngineTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Things of which a change was not shown yet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Unshown {
    alarms: BTreeSet<AlarmSlot>,
    resources: BTreeSet<Slot>,
    since: EngineTime,
}

impl Unshown {
    /// Takes the alarms and resources that a step changed and gives those that it shows.
    pub(super) fn exchange(
        &mut self,
        now: EngineTime,
        (alarms, resources): (BTreeSet<AlarmSlot>, BTreeSet<Slot>),
    ) -> (BTreeSet<AlarmSlot>, BTreeSet<Slot>) {
        if self.waits_since().is_none() {
            self.since = now;
        }
        (exchange(&mut self.alarms, alarms), exchange(&mut self.resources, resources))
    }

    /// Since when something waits.
    pub(super) fn waits_since(&self) -> Option<EngineTime> {
        let is_empty = self.alarms.is_empty() && self.resources.is_empty();
        (!is_empty).then_some(self.since)
    }
}

fn exchange(waiting: &mut BTreeSet<u32>, changed: BTreeSet<u32>) -> BTreeSet<u32> {
    if waiting.is_empty() && changed.len() <= SHOWN_MAX {
        return changed;
    }
    waiting.extend(changed);
    let next = waiting.iter().nth(SHOWN_MAX).copied();
    let later = next.map(|next| waiting.split_off(&next)).unwrap_or_default();
    std::mem::replace(waiting, later)
}

/// Alarms, and resources, shown by one step.
const SHOWN_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_shown_once_and_in_pieces() {
        let mut unshown = Unshown::default();
        let few = BTreeSet::from([3, 1]);
        let both = (few.clone(), few);
        assert_eq!(unshown.exchange(EngineTime(1), both.clone()), both);
        assert_eq!(unshown.waits_since(), None);
        let many: BTreeSet<u32> = (0..600).collect();
        let (mut alarms, mut resources) = (Vec::new(), Vec::new());
        let mut changed = (many.clone(), many);
        for now in 5.. {
            let (some_alarms, some_resources) = unshown.exchange(EngineTime(now), changed);
            assert!(some_alarms.len() <= SHOWN_MAX && some_resources.len() <= SHOWN_MAX);
            alarms.extend(some_alarms);
            resources.extend(some_resources);
            let Some(since) = unshown.waits_since() else { break };
            assert_eq!(since, EngineTime(5));
            changed = (BTreeSet::new(), BTreeSet::from([599]));
        }
        let all: Vec<u32> = (0..600).collect();
        assert_eq!((&alarms, &resources), (&all, &all));
    }
}
