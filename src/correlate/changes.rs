//! What one step of the correlator changed: collected while it works, shown once at its end.

use crate::correlate::alarm_table::AlarmSlot;
use crate::correlate::resource::Slot;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// What happened to an incident.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum IncidentEvent {
    /// Its content changed.
    Updated,
    /// Its hold-off ended.
    Opened,
    /// All clear and stable.
    Restored,
    /// It came back.
    Reopened,
    /// It is over.
    Closed,
    /// Another took it over.
    Merged,
}

/// Collected by one step.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Alarms to show.
    pub alarms: BTreeSet<AlarmSlot>,
    /// Incidents to show, with the weightiest thing that happened to each.
    pub incidents: BTreeMap<u64, IncidentEvent>,
    /// Incidents whose final record is withdrawn.
    pub withdrawn: Vec<u64>,
    /// Resources to show.
    pub resources: BTreeSet<Slot>,
    /// Silences to show.
    pub silences: BTreeSet<u64>,
    /// Services whose state changed, some perhaps more than once.
    pub services: Vec<Slot>,
    /// Incidents of which an alarm became active (`true`) or only ceased to be or changed.
    pub activity: BTreeMap<u64, bool>,
    /// Incidents whose tickets are to be decided now.
    pub due: BTreeSet<u64>,
    /// Incidents taken over: (loser, survivor), in order.
    pub merged: Vec<(u64, u64)>,
    /// Resources that got another name: (before, slot).
    pub renamed: Vec<(SmolStr, Slot)>,
}

impl Changes {
    /// Notes what happened to an incident; the weightier of two things is kept.
    pub fn incident(&mut self, id: u64, event: IncidentEvent) {
        let known = self.incidents.entry(id).or_insert(event);
        *known = (*known).max(event);
    }

    /// How many things there are to show.
    #[must_use]
    pub fn weight(&self) -> usize {
        let kinds = [self.alarms.len(), self.incidents.len(), self.resources.len()];
        kinds.into_iter().fold(self.withdrawn.len(), usize::saturating_add)
    }

    /// Notes that something happened to an incident's alarms; `has_failed` when one became active.
    pub fn active(&mut self, id: u64, has_failed: bool) {
        *self.activity.entry(id).or_insert(false) |= has_failed;
    }
}
