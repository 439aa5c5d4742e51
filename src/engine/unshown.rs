//! Resources that wait to be shown: a fault may change the state of a hundred thousand, and the
//! step that brings it must not last until all of them are told. They are shown as they are then.

use crate::correlate::resource::Slot;
use crate::model::time::EngineTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Resources of which a change was not shown yet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Unshown {
    resources: BTreeSet<Slot>,
    since: EngineTime,
}

impl Unshown {
    /// Takes what a step changed and gives what it shows.
    pub(super) fn exchange(&mut self, now: EngineTime, changed: BTreeSet<Slot>) -> BTreeSet<Slot> {
        if self.resources.is_empty() && changed.len() <= SHOWN_MAX {
            return changed;
        }
        if self.resources.is_empty() {
            self.since = now;
        }
        self.resources.extend(changed);
        let last = self.resources.iter().nth(SHOWN_MAX).copied();
        let later = last.map(|last| self.resources.split_off(&last)).unwrap_or_default();
        std::mem::replace(&mut self.resources, later)
    }

    /// Since when something waits.
    pub(super) fn waits_since(&self) -> Option<EngineTime> {
        (!self.resources.is_empty()).then_some(self.since)
    }
}

/// Resources shown by one step.
const SHOWN_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_shown_once_and_in_pieces() {
        let mut unshown = Unshown::default();
        let few = BTreeSet::from([3, 1]);
        assert_eq!(unshown.exchange(EngineTime(1), few.clone()), few);
        assert_eq!(unshown.waits_since(), None);
        let many: BTreeSet<Slot> = (0..600).collect();
        let mut shown: Vec<Slot> = unshown.exchange(EngineTime(5), many).into_iter().collect();
        assert_eq!((shown.len(), unshown.waits_since()), (SHOWN_MAX, Some(EngineTime(5))));
        while unshown.waits_since().is_some() {
            let piece = unshown.exchange(EngineTime(9), BTreeSet::from([599]));
            assert!(piece.len() <= SHOWN_MAX);
            shown.extend(piece);
        }
        assert_eq!(shown, (0..600).collect::<Vec<_>>());
    }
}
