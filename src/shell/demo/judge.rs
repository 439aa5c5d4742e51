//! Whether vigie understood: every fault an incident, every incident the right root, and no
//! incident for what was no fault.

use super::faults::Fault;
use super::notice::AlarmKey;
use super::plan::Datacenter;
use crate::engine::effect::{AlarmImage, IncidentImage, IncidentStatus};
use crate::model::time::Timestamp;
use crate::shell::api::rows::{AlarmRow, PackedAlarm};
use crate::shell::api::view::View;
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// What became of one fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Incidents with roots that fit, as (incident, root). One fault is to be one incident.
    Right { incidents: Vec<(SmolStr, SmolStr)> },
    /// An incident names another root.
    Wrong { incident: SmolStr, root: SmolStr },
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
            if row.last_raised() >= self.at && self.raises(&row.fixed) {
                ids.insert(incident.to_string());
            }
        }
        let found = ids.iter().filter_map(|id| view.incidents.find(id));
        found.map(|row| IncidentImage::clone(&row.image)).filter(is_told).collect()
    }

    fn raises(&self, alarm: &PackedAlarm) -> bool {
        self.is_about((&alarm.resource, &alarm.shape.alarm_type, &alarm.qualifier))
    }

    /// Whether the alarm of that identity belongs to this fault.
    pub(super) fn is_about(&self, (resource, alarm_type, qualifier): (&str, &str, &str)) -> bool {
        self.alarms.iter().any(|key| {
            key.resource == resource && key.alarm_type == alarm_type && key.qualifier == qualifier
        })
    }

    /// How long samples told of it before anything else did, as the view stands; none when that is
    /// not how it begins. `Some` without a lead says what is missing.
    pub(super) fn first_sign(&self, plan: &Datacenter, view: &View) -> Option<String> {
        let key = self.fault.first_sign(plan)?;
        let raised = view.alarms.iter().filter(|row| {
            self.raises(&row.fixed) && row.last_raised() >= self.at && !row.fixed.is_cleared
        });
        let (by_sample, by_word): (Vec<AlarmImage>, Vec<AlarmImage>) =
            raised.map(AlarmRow::image).partition(|image| image.alarm_type == key.alarm_type);
        let by_sample = by_sample.iter().filter_map(|image| image.occurred_at).min();
        let by_word = by_word.iter().map(|image| image.last_changed).min();
        Some(match (by_sample, by_word) {
            (Some(sample), Some(word)) if sample < word => {
                let lead_ms = word.ns_since(sample) / 1_000_000;
                let (seconds, tenths) = (lead_ms / 1_000, lead_ms % 1_000 / 100);
                format!("a sample showed it {seconds}.{tenths} s before the link failed")
            }
            (None, _) => "no sample has shown it".to_owned(),
            (Some(_), _) => "no sample showed it before the link failed".to_owned(),
        })
    }

    /// What vigie made of it, as the view stands.
    pub(super) fn judge(&self, view: &View) -> Verdict {
        let incidents = self.incidents(view);
        let wrong = incidents
            .iter()
            .find(|incident| !self.fault.roots.contains(incident.root_resource.as_str()));
        match wrong {
            Some(incident) => Verdict::Wrong {
                incident: incident.id.clone(),
                root: incident.root_resource.clone(),
            },
            None if incidents.is_empty() => Verdict::NoIncident,
            None => Verdict::Right {
                incidents: incidents
                    .into_iter()
                    .map(|incident| (incident.id, incident.root_resource))
                    .collect(),
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
    explained: BTreeSet<SmolStr>,
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
        let all = view.incidents.iter().map(|row| &*row.image);
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

#[cfg(test)]
mod tests {
    use super::super::faults::Kind;
    use super::super::notice::{Notice, What};
    use super::*;
    use crate::engine::effect::{Effect, IncidentChange};
    use crate::shell::api::view::{ViewBounds, ViewWriter};
    use crate::shell::publish::fixtures::{NOON, alarm, incident, published};
    use std::sync::Arc;

    /// A fault that takes agg-1/Ethernet9/1 down, of which agg-1 is to be the root.
    fn staged(plan: &Datacenter) -> Staged {
        let agg = *plan.aggregations.first().expect("there are two");
        let fault = Fault {
            kind: Kind::Fibre,
            title: "a fault".to_owned(),
            roots: BTreeSet::from(["agg-1".to_owned()]),
            breaks: vec![Notice {
                from: agg,
                after_ms: 0,
                what: What::LinkTrap { port: 0, is_up: false },
            }],
            mends: Vec::new(),
            silent: BTreeSet::new(),
            fades: None,
        };
        Staged::new(fault, plan, NOON)
    }

    /// A view with that alarm in an incident of such a status and root.
    fn view(status: IncidentStatus, root: &str, reason: Option<&str>) -> Arc<View> {
        let mut alarm = alarm(3, false);
        alarm.resource = "agg-1/Ethernet9/1".into();
        let mut incident = incident("I7", status, IncidentChange::Opened);
        incident.root_resource = root.into();
        incident.no_ticket_reason = reason.map(Into::into);
        let mut writer = ViewWriter::new(ViewBounds::default());
        writer.apply(&published(1, 0, Effect::Alarm(Arc::new(alarm))));
        writer.apply(&published(1, 1, Effect::Incident(Arc::new(incident))));
        writer.publish();
        writer.shared().load_full()
    }

    #[test]
    fn a_fault_is_judged_by_the_root_of_its_incidents() {
        let plan = Datacenter::new();
        let staged = staged(&plan);
        let right = Verdict::Right { incidents: vec![("I7".into(), "agg-1".into())] };
        let wrong = Verdict::Wrong { incident: "I7".into(), root: "rtr-1".into() };
        let judged = |status, root| staged.judge(&view(status, root, None));
        assert_eq!(judged(IncidentStatus::Open, "agg-1"), right);
        assert_eq!(judged(IncidentStatus::Closed, "agg-1"), right);
        assert_eq!(judged(IncidentStatus::Open, "rtr-1"), wrong);
        assert_eq!(judged(IncidentStatus::Forming, "agg-1"), Verdict::NoIncident);
        assert_eq!(staged.judge(&View::default()), Verdict::NoIncident);
        let gone = view(IncidentStatus::Closed, "agg-1", Some("cleared-within-hold-off"));
        assert_eq!(staged.judge(&gone), Verdict::NoIncident);
        let earlier = Staged { at: NOON.plus_ns(1), ..staged.clone() };
        let open = view(IncidentStatus::Open, "agg-1", None);
        assert_eq!(earlier.judge(&open), Verdict::NoIncident, "raised before it was staged");
    }

    #[test]
    fn an_incident_that_no_fault_explains_is_a_stray() {
        let plan = Datacenter::new();
        let mut judge = Judge::default();
        let open = view(IncidentStatus::Open, "agg-1", None);
        assert_eq!(judge.strays(&open).len(), 1);
        let itself = view(IncidentStatus::Open, "vigie", None);
        assert_eq!(judge.strays(&itself).len(), 0, "vigie speaks about itself");
        let number = judge.stage(staged(&plan));
        assert_eq!(judge.strays(&open).len(), 0);
        assert!(matches!(judge.decide(number, &open), Some(Verdict::Right { .. })));
        assert_eq!(judge.strays(&open).len(), 0);
        assert_eq!(judge.decide(9, &open), None);
    }
}
