//! Whether vigie understood: every fault an incident, every incident the right root, and no
//! incident for what was no fault.

use super::faults::Fault;
use super::notice::AlarmKey;
use super::plan::Datacenter;
use crate::engine::effect::{IncidentImage, IncidentStatus};
use crate::model::time::Timestamp;
use crate::shell::api::view::View;
use std::collections::BTreeSet;

/// What became of one fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Incidents with roots that fit. One fault is to be one incident.
    Right { incidents: Vec<String> },
    /// An incident names another root.
    Wrong { incident: String, root: String },
    /// Nothing was opened.
    NoIncident,
}

/// A fault that was staged.
#[derive(Clone, Debug)]
pub(super) struct Staged {
    pub(super) fault: Fault,
    pub(super) verdict: Option<Verdict>,
    alarms: BTreeSet<AlarmKey>,
    at: Timestamp,
}

impl Staged {
    /// A fault that breaks at that instant.
    pub(super) fn new(fault: Fault, plan: &Datacenter, at: Timestamp) -> Self {
        let alarms = fault.alarms(plan);
        Self { fault, verdict: None, alarms, at }
    }

    /// Incidents that hold an alarm of this fault raised since it was staged, in order. What
    /// formed and was gone again within the hold-off is none.
    pub(super) fn incidents(&self, view: &View) -> Vec<IncidentImage> {
        let mut ids = BTreeSet::new();
        for row in view.alarms.iter() {
            let Some(incident) = &row.fixed.incident else { continue };
            if row.last_raised >= self.at && self.has_raised(&row.fixed) {
                ids.insert(incident.to_string());
            }
        }
        let found = ids.iter().filter_map(|id| view.incidents.find(id));
        found.map(|row| row.0.1.clone()).filter(is_told).collect()
    }

    fn has_raised(&self, alarm: &crate::shell::api::rows::PackedAlarm) -> bool {
        self.alarms.iter().any(|key| {
            *key.resource == *alarm.resource
                && *key.alarm_type == *alarm.alarm_type
                && *key.qualifier == *alarm.qualifier
        })
    }

    /// What vigie made of it, as the view stands.
    pub(super) fn judge(&self, view: &View) -> Verdict {
        let incidents = self.incidents(view);
        let wrong =
            incidents.iter().find(|incident| !self.fault.roots.contains(&incident.root_resource));
        match wrong {
            Some(incident) => Verdict::Wrong {
                incident: incident.id.clone(),
                root: incident.root_resource.clone(),
            },
            None if incidents.is_empty() => Verdict::NoIncident,
            None => Verdict::Right {
                incidents: incidents.into_iter().map(|incident| incident.id).collect(),
            },
        }
    }
}

/// Whether anybody outside was told of the incident.
pub(super) fn is_told(incident: &IncidentImage) -> bool {
    let within_hold_off = incident
        .no_ticket_reason
        .as_ref()
        .is_some_and(|reason| reason.ends_with("within-hold-off"));
    !within_hold_off && !matches!(incident.status, IncidentStatus::Forming | IncidentStatus::Merged)
}

/// Keeps what was staged.
#[derive(Debug, Default)]
pub(super) struct Judge {
    pub(super) staged: Vec<Staged>,
    explained: BTreeSet<String>,
}

impl Judge {
    /// Takes a fault in and gives its number.
    pub(super) fn stage(&mut self, staged: Staged) -> usize {
        self.staged.push(staged);
        self.staged.len().saturating_sub(1)
    }

    /// Decides on a fault for good.
    pub(super) fn decide(&mut self, number: usize, view: &View) -> Option<Verdict> {
        let staged = self.staged.get_mut(number)?;
        self.explained.extend(staged.incidents(view).into_iter().map(|incident| incident.id));
        let verdict = staged.judge(view);
        staged.verdict = Some(verdict.clone());
        Some(verdict)
    }

    /// Incidents that no fault explains. What vigie says about itself is none of this play.
    pub(super) fn strays(&self, view: &View) -> Vec<IncidentImage> {
        let all = view.incidents.iter().map(|row| &row.0.1);
        all.filter(|incident| is_told(incident))
            .filter(|incident| !incident.root_resource.starts_with("vigie"))
            .filter(|incident| !self.explained.contains(&incident.id))
            .filter(|incident| {
                !self.staged.iter().any(|staged| {
                    staged.incidents(view).iter().any(|known| known.id == incident.id)
                })
            })
            .cloned()
            .collect()
    }
}
