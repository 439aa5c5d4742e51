//! The invariants of the state, numbered. Used by tests and simulation after each step.

use crate::correlate::incident::Status;
use crate::engine::Engine;
use crate::engine::census::Census;
use smol_str::SmolStr;

/// One invariant that does not hold.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Broken {
    /// I1: an active alarm belongs to a live incident.
    #[error("I1: active alarm A{alarm} belongs to no live incident")]
    AlarmWithoutIncident {
        /// Alarm id.
        alarm: u64,
    },
    /// I2: an open incident has at least one alarm.
    #[error("I2: incident I{incident} is open and has no alarm")]
    EmptyIncident {
        /// Incident id.
        incident: u64,
    },
    /// I3: a closed or merged incident waits for nothing but to be forgotten.
    #[error("I3: incident I{incident} is over and has a deadline")]
    DeadlineOfFinished {
        /// Incident id.
        incident: u64,
    },
    /// I4: the counts of active alarms are those of the alarms.
    #[error("I4: {counted} alarms are counted as active, {active} are")]
    ActiveCount {
        /// By the counters.
        counted: u64,
        /// By the alarms.
        active: u64,
    },
    /// I6: an incident's count of active alarms is that of its alarms, which name it.
    #[error("I6: incident I{incident} counts {counted} active alarms, {active} are")]
    IncidentActiveCount {
        /// Incident id.
        incident: u64,
        /// By its counter.
        counted: u32,
        /// By its alarms.
        active: u32,
    },
    /// I7: a live incident waits for something, or for an operator.
    #[error("I7: incident I{incident} is live and nothing will end it")]
    NothingEnds {
        /// Incident id.
        incident: u64,
    },
    /// I8: a series has given as many numbers as its highest number says.
    #[error("I8: ticket {number} is beyond the {counted} of its series")]
    NumberBeyond {
        /// Ticket number.
        number: SmolStr,
        /// Numbers given.
        counted: u64,
    },
    /// I9: what is counted as open is open, and nothing else.
    #[error("I9: the count of what is open is not that of incidents and tickets")]
    OpenCount,
    /// I10: what waits to be opened is of a live incident.
    #[error("I10: tickets of incident I{incident} wait to be opened, and it is over")]
    UnopenedOfFinished {
        /// Incident id.
        incident: u64,
    },
    /// I11: the tickets of an incident are found by their contract, and by being restored.
    #[error("I11: the look-ups of the tickets are not what a restart would build")]
    TicketLookUps,
    /// I5: a restored ticket's clock stands.
    #[error("I5: the clock of ticket {number} runs although it is {state}")]
    ClockRuns {
        /// Ticket number.
        number: SmolStr,
        /// Its state.
        state: String,
    },
}

impl Engine {
    /// Every invariant that does not hold.
    #[must_use]
    pub fn check(&self) -> Vec<Broken> {
        let mut broken = Vec::new();
        let mut active = 0_u64;
        for (_, alarm) in self.correlator.alarms.iter().filter(|(_, alarm)| alarm.is_active()) {
            active = active.saturating_add(1);
            let is_live = alarm
                .incident
                .and_then(|id| self.correlator.incidents.get(&id))
                .is_some_and(crate::correlate::incident::Incident::is_live);
            if !is_live {
                broken.push(Broken::AlarmWithoutIncident { alarm: alarm.id });
            }
        }
        let counted = self.gauges().active.iter().map(|(_, count)| *count).sum::<u64>();
        if counted != active {
            broken.push(Broken::ActiveCount { counted, active });
        }
        if self.census != Census::of(self) {
            broken.push(Broken::OpenCount);
        }
        if !self.desk.look_ups_are_right() {
            broken.push(Broken::TicketLookUps);
        }
        self.check_incidents(&mut broken);
        for incident in self.desk.unopened() {
            let known = self.correlator.incidents.get(&incident);
            if !known.is_some_and(crate::correlate::incident::Incident::is_live) {
                broken.push(Broken::UnopenedOfFinished { incident });
            }
        }
        for (_, ticket) in self.desk.iter() {
            let may_run = ticket.is_open() && ticket.time("restored_at").is_none();
            if ticket.clock.is_running() && !may_run {
                let (number, state) = (ticket.number.clone(), format!("{:?}", ticket.state()));
                broken.push(Broken::ClockRuns { number, state });
            }
            let (series, ordinal) = ticket.number.rsplit_once('-').unwrap_or_default();
            let counted = self.desk.counters().get(series).copied().unwrap_or(0);
            if ordinal.parse::<u64>().is_ok_and(|ordinal| ordinal > counted) {
                broken.push(Broken::NumberBeyond { number: ticket.number.clone(), counted });
            }
        }
        broken
    }

    fn check_incidents(&self, broken: &mut Vec<Broken>) {
        use crate::correlate::correlator::Deadline;
        for (id, incident) in &self.correlator.incidents {
            let incident_id = *id;
            if incident.status() == Status::Open && incident.alarms.is_empty() {
                broken.push(Broken::EmptyIncident { incident: incident_id });
            }
            let waits = [Deadline::Decide(incident_id), Deadline::Stable(incident_id)]
                .into_iter()
                .any(|deadline| self.correlator.timers.is_set(deadline));
            if !incident.is_live() {
                if waits {
                    broken.push(Broken::DeadlineOfFinished { incident: incident_id });
                }
                continue;
            }
            let active = incident.alarms.iter().filter(|(slot, alarm_id)| {
                self.correlator.alarms.get(*slot).is_some_and(|alarm| {
                    alarm.id == *alarm_id
                        && alarm.is_active()
                        && alarm.incident == Some(incident_id)
                })
            });
            let active = u32::try_from(active.count()).unwrap_or(u32::MAX);
            let counted = incident.active_count();
            if counted != active {
                let incident = incident_id;
                broken.push(Broken::IncidentActiveCount { incident, counted, active });
            }
            let has_end = waits || active > 0 || !self.desk.is_done(incident_id);
            if !has_end {
                broken.push(Broken::NothingEnds { incident: incident_id });
            }
        }
    }
}
